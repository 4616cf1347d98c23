//! `rejoin fallback`: listens, and answers for a first server that does not. It has no database and asks Twilio nothing.

use crate::audio::COMFORT;
use crate::config::{Logs, Tls as Files, address, secret};
use crate::error::Error;
use crate::fallback::Rules;
use crate::fallback::export::{self, File};
use crate::http::{self, Answering, Tls, fallback_router};
use crate::limits::Limits;
use crate::stopping::Stop;
use crate::texts::Texts;
use clap::Args;
use rejoin_protocol::WorkflowSid;
use rejoin_protocol::overrides;
use secrecy::{ExposeSecret as _, SecretString};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How long requests in progress may take when the fallback stops.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// The settings of the fallback: some of the server's, by the same names, so that both may read one file.
#[derive(Clone, Debug, Args)]
pub struct FallbackSettings {
    /// The account's primary auth token: verifies Twilio's signatures, and what the first server's addresses carry.
    #[arg(long = "twilio-auth-token", env = "TWILIO_AUTH_TOKEN", hide_env_values = true, value_parser = secret)]
    pub auth_token: Option<SecretString>,
    /// The previous auth token, during a rotation.
    #[arg(long = "twilio-auth-token-previous", env = "TWILIO_AUTH_TOKEN_PREVIOUS", hide_env_values = true, value_parser = secret)]
    pub previous_auth_token: Option<SecretString>,
    /// Address to listen on.
    #[arg(long, env = "REJOIN_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// What the answers depend on.
    #[command(flatten)]
    pub answers: AnswerSettings,
    /// TLS of this host.
    #[command(flatten)]
    pub tls: Files,
    /// Limits of connections and requests.
    #[command(flatten)]
    pub limits: Limits,
    /// The log.
    #[command(flatten)]
    pub logs: Logs,
}

/// The settings that the answers depend on.
#[derive(Clone, Debug, Args)]
pub struct AnswerSettings {
    /// URL at which Twilio reaches this host: another one than the first server's.
    #[arg(long, env = "REJOIN_FALLBACK_URL")]
    pub fallback_url: Option<String>,
    /// URL at which Twilio reaches the first server.
    #[arg(long, env = "REJOIN_PUBLIC_URL")]
    pub public_url: String,
    /// Further URLs at which Twilio may reach the first server, comma separated.
    #[arg(long, env = "REJOIN_OTHER_PUBLIC_URLS", value_delimiter = ',')]
    pub other_public_urls: Vec<String>,
    /// URL at which the customer's flow continues after a call that ended normally.
    #[arg(long, env = "REJOIN_ENDED_URL")]
    pub ended_url: Option<String>,
    /// How Twilio repeats requests for documents of the first server.
    #[arg(long, env = "REJOIN_TWIML_OVERRIDES", default_value = overrides::TWIML)]
    pub twiml_overrides: String,
    /// The same for callbacks.
    #[arg(long, env = "REJOIN_CALLBACK_OVERRIDES", default_value = overrides::CALLBACKS)]
    pub callback_overrides: String,
    /// The workflow into which a customer goes whose request names none.
    #[arg(long = "fallback-workflow-sid", env = "REJOIN_FALLBACK_WORKFLOW_SID", value_parser = WorkflowSid::parse)]
    pub fallback_workflow: Option<WorkflowSid>,
    /// What callers hear.
    #[command(flatten)]
    pub texts: Texts,
}

impl AnswerSettings {
    /// The rules that follow from these settings, with an empty address of the fallback if that is not set. `tokens`: the auth tokens.
    ///
    /// # Errors
    /// An address that cannot be one, or a fallback on the first server's own address.
    pub fn rules(&self, tokens: Vec<SecretString>) -> Result<Rules, Error> {
        let why = "an address such as https://rejoin.example.com is wanted, without query and fragment";
        let read = |name, url: &str| address(url).ok_or(Error::Setting { name, why });
        let own = self.fallback_url.as_deref().filter(|url| !url.trim().is_empty());
        let own = own.map_or(Ok(String::new()), |url| read("REJOIN_FALLBACK_URL", url))?;
        let mut primary = vec![read("REJOIN_PUBLIC_URL", &self.public_url)?];
        for url in self.other_public_urls.iter().filter(|url| !url.trim().is_empty()) {
            primary.push(read("REJOIN_OTHER_PUBLIC_URLS", url)?);
        }
        if primary.contains(&own) {
            let why = "an address of the first server: the fallback is to answer when that does not, so it has to be another host";
            return Err(Error::Setting { name: "REJOIN_FALLBACK_URL", why });
        }
        Ok(Rules {
            own,
            primary,
            ended_url: self.ended_url.clone().filter(|url| !url.is_empty()),
            document_overrides: self.twiml_overrides.clone(),
            callback_overrides: self.callback_overrides.clone(),
            workflow: self.fallback_workflow.clone(),
            texts: self.texts.clone(),
            tokens,
        })
    }
}

/// The files for Twilio's Functions and Assets.
pub fn fallback_bundle(rules: &Rules) -> Vec<File> {
    export::bundle(rules, COMFORT)
}

/// A running fallback.
#[derive(Debug)]
pub struct FallbackServer {
    address: SocketAddr,
    stop: Stop,
    http: JoinHandle<()>,
}

impl FallbackServer {
    /// Listens.
    ///
    /// # Errors
    /// A setting that cannot be used, files for TLS that cannot be read, or an address that is taken.
    pub async fn start(settings: FallbackSettings) -> Result<Self, Error> {
        let missing = |name, why| Error::Setting { name, why };
        let token = settings.auth_token.filter(|token| !token.expose_secret().is_empty());
        let token = token.ok_or(missing(
            "TWILIO_AUTH_TOKEN",
            "not set: Twilio's requests could not be told from forged ones",
        ))?;
        let tokens: Vec<_> = std::iter::once(token).chain(settings.previous_auth_token).collect();
        let rules = settings.answers.rules(tokens)?;
        if rules.own.is_empty() {
            let why = "not set: Twilio signs its requests with this address, so that none could be verified";
            return Err(missing("REJOIN_FALLBACK_URL", why));
        }
        let stop = Stop::default();
        let stopping = stop.stopping();
        let tls = Tls::start(&settings.tls, stopping.clone())?;
        let failed = |source| Error::Listen { address: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let router = fallback_router(Answering { rules, limits: settings.limits.clone() });
        let http = tokio::spawn(http::serve(listener, tls, router, settings.limits, stopping));
        tracing::info!(%address, "the fallback listens");
        Ok(Self { address, stop, http })
    }

    /// The address of the listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns when it has ended by itself, which it should not.
    pub async fn failed(&mut self) {
        let _ = (&mut self.http).await;
        tracing::error!("the HTTP side has ended");
    }

    /// Stops gracefully: requests that have begun are answered.
    pub async fn stop(mut self) {
        self.stop.say();
        if !self.http.is_finished() && tokio::time::timeout(LAST_REQUESTS, &mut self.http).await.is_err() {
            self.http.abort();
        }
    }
}
