//! A thin REST client with one method for each request that the server makes.
//!
//! It does not retry: only the caller knows until when an answer makes sense.

mod account;
mod conversations;
mod pages;
mod plugins;
mod request;
mod serverless;
mod set_up;
mod taskrouter;
mod test_call;
mod voice;

pub use conversations::{ChannelEnd, ChannelPath, NewInvite};
pub use plugins::NewPluginVersion;
pub use serverless::NewAssetVersion;
pub use taskrouter::{NewTask, TaskEnd};
pub use test_call::{ConferenceInstruction, NewCall};
pub use voice::ParticipantChange;

use crate::error::Error;
use crate::gate::{Family, Gate};
use crate::resource::TokenInfo;
use crate::transport::{Network, Transport};
use crate::witness::Witness;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, header};
use rejoin_protocol::{AccountSid, ApiKeySid, WorkspaceSid};
use request::Request;
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Hosts of Twilio's services.
const API: &str = "api.twilio.com";
const TASKROUTER: &str = "taskrouter.twilio.com";
const IAM: &str = "iam.twilio.com";
const FLEX: &str = "flex-api.twilio.com";
const SERVERLESS: &str = "serverless.twilio.com";
const UPLOAD: &str = "serverless-upload.twilio.com";
const EVENTS: &str = "events.twilio.com";
const STUDIO: &str = "studio.twilio.com";
const WEBHOOKS: &str = "webhooks.twilio.com";
const CONVERSATIONS: &str = "conversations.twilio.com";

/// Address, credentials and timeouts.
#[derive(Clone)]
pub struct Settings {
    /// The account that everything belongs to.
    pub account: AccountSid,
    /// Its auth token.
    pub auth_token: SecretString,
    /// The TaskRouter workspace.
    pub workspace: WorkspaceSid,
    /// Empty for Twilio itself. Otherwise every request goes to `{base}/{host}{path}`.
    pub base: String,
    /// Timeout for connecting.
    pub connect_timeout: Duration,
    /// Timeout for a whole request.
    pub total_timeout: Duration,
}

/// The client. Clones share the connections.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    settings: Settings,
    gate: Option<Arc<dyn Gate>>,
    witness: Option<Arc<dyn Witness>>,
    /// Instead of the account and its auth token.
    key: Option<(ApiKeySid, SecretString)>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("account", &self.settings.account).finish_non_exhaustive()
    }
}

impl Client {
    /// A client over the network. Fails only when the TLS library has no certificates to trust.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let network = Network::new(settings.connect_timeout, settings.total_timeout)?;
        Ok(Self::over(settings, Arc::new(network)))
    }

    /// A client over this transport, which sets the timeouts.
    pub fn over(settings: Settings, transport: Arc<dyn Transport>) -> Self {
        Self { transport, settings, gate: None, witness: None, key: None }
    }

    /// The same client, with requests that wait for their turn at this gate. Token validation does not wait.
    pub fn through(&self, gate: Arc<dyn Gate>) -> Self {
        Self { gate: Some(gate), ..self.clone() }
    }

    /// The same client, which signs in with an API key (<https://www.twilio.com/docs/iam/api-keys>).
    pub fn with_key(&self, key: ApiKeySid, secret: SecretString) -> Self {
        Self { key: Some((key, secret)), ..self.clone() }
    }

    /// The same client, with a witness of its requests.
    pub fn seen_by(&self, witness: Arc<dyn Witness>) -> Self {
        Self { witness: Some(witness), ..self.clone() }
    }

    /// True when Twilio answers anything at all. Sends no credentials.
    pub async fn is_reachable(&self) -> bool {
        let base = self.settings.base.trim_end_matches('/');
        let url = if base.is_empty() { format!("https://{API}/") } else { format!("{base}/{API}/") };
        let request = http::Request::head(url).body(Bytes::new());
        let Ok(request) = request else { return false };
        self.transport.send(request).await.is_ok()
    }

    /// Validates a token and returns its user (the request of
    /// <https://www.npmjs.com/package/twilio-flex-token-validator>).
    pub async fn validate_token(&self, token: &SecretString) -> Result<TokenInfo, Error> {
        let before = format!("/v1/Accounts/{}/", self.settings.account);
        let request = self
            .request(Method::POST, IAM, (&before, "Tokens/validate"), None)
            .with(header::CACHE_CONTROL, "no-cache")
            .with(header::CONTENT_TYPE, "application/json");
        let token = serde_json::json!({ "token": token.expose_secret() });
        let body = Bytes::from(token.to_string());
        Request { body, ..request }.json(&[]).await
    }

    fn request(
        &self,
        method: Method,
        host: &str,
        (before, path): (&str, &str),
        family: Option<Family>,
    ) -> Request {
        let base = self.settings.base.trim_end_matches('/');
        let url = if base.is_empty() {
            format!("https://{host}{before}{path}")
        } else {
            format!("{base}/{host}{before}{path}")
        };
        let acts = method != Method::GET;
        let what = format!("{method} {}", path.split_once('?').map_or(path, |(path, _)| path));
        let (user, secret) = match &self.key {
            Some((key, secret)) => (key.as_str(), secret),
            None => (self.settings.account.as_str(), &self.settings.auth_token),
        };
        let credentials = format!("{user}:{}", secret.expose_secret());
        let credentials = format!("Basic {}", STANDARD.encode(credentials));
        let (gate, witness) = (self.gate.clone(), self.witness.clone());
        Request {
            transport: Arc::clone(&self.transport),
            builder: http::Request::builder().method(method).uri(url),
            body: Bytes::new(),
            what,
            acts,
            family,
            gate,
            witness,
        }
        .with(header::AUTHORIZATION, &credentials)
    }
}

/// A query string, without the question mark.
pub fn encoded(query: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish()
}
