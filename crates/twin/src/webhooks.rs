//! Requests of the twin to the outside: webhooks, TwiML and audio. Signed as Twilio signs them.

use crate::{
    media::{self, Clip},
    shell::{TwinConfig, now},
};
use rejoin_twilio::signature;
use secrecy::{ExposeSecret, SecretString};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Twilio's limit for connecting (<https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides>).
const CONNECT: Duration = Duration::from_secs(5);
/// Twilio's limit for a whole webhook; same page.
const TOTAL: Duration = Duration::from_secs(15);
/// Twilio's limit for a batch of events (<https://www.twilio.com/docs/api/errors/91308>).
const EVENTS: Duration = Duration::from_secs(5);
/// Kept clips; more than a demo has. The cache is emptied when it is full.
const CLIPS: usize = 64;

/// Sends the twin's requests. Clones share the client.
#[derive(Clone)]
pub(crate) struct Webhooks {
    client: reqwest::Client,
    auth_token: SecretString,
    latency: Duration,
    sent: Arc<AtomicU64>,
    clips: Arc<Mutex<HashMap<String, Clip>>>,
}

impl Webhooks {
    /// # Errors
    /// When there is no TLS on this machine.
    pub(crate) fn new(config: &TwinConfig) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .user_agent("TwilioProxy/1.1")
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .build()?;
        Ok(Self {
            client,
            auth_token: config.auth_token.clone(),
            latency: config.latency,
            sent: Arc::default(),
            clips: Arc::default(),
        })
    }

    /// A webhook whose answer does not matter.
    ///
    /// # Errors
    /// One line, when it was not delivered or refused.
    pub(crate) async fn deliver(
        &self,
        url: &str,
        method: &str,
        params: &[(String, String)],
    ) -> Result<(), String> {
        self.send(url, method, params).await.map(drop)
    }

    /// A TwiML document.
    ///
    /// # Errors
    /// One line that begins with Twilio's error code.
    pub(crate) async fn twiml(
        &self,
        url: &str,
        method: &str,
        params: &[(String, String)],
    ) -> Result<String, String> {
        let response = self.send(url, method, params).await?;
        let content_type = content_type(&response);
        // Audio instead of a document is played once.
        if content_type.as_deref().is_some_and(|kind| kind.starts_with("audio/")) {
            let url = quick_xml::escape::escape(response.url().as_str());
            return Ok(format!("<Response><Play>{url}</Play></Response>"));
        }
        // Twilio says plain text; the product does not, so the twin is strict.
        if !matches!(content_type.as_deref(), Some("text/xml" | "application/xml")) {
            return Err("12300: the content type is not text/xml or application/xml".into());
        }
        response.text().await.map_err(|error| format!("11206: {}", reason(&error)))
    }

    /// Audio, from the cache if it was fetched before.
    ///
    /// # Errors
    /// One line.
    pub(crate) async fn clip(&self, url: &str) -> Result<Clip, String> {
        if let Some(clip) = self.clips.lock().unwrap_or_else(PoisonError::into_inner).get(url) {
            return Ok(clip.clone());
        }
        tokio::time::sleep(self.latency).await;
        let response = self.client.get(url).send().await.map_err(|error| reason(&error))?;
        tokio::time::sleep(self.latency).await;
        if !response.status().is_success() {
            return Err(format!("11200: HTTP status {}", response.status().as_u16()));
        }
        if !content_type(&response).is_some_and(|kind| kind.starts_with("audio/")) {
            return Err("12300: the content type is not that of audio".into());
        }
        let bytes = response.bytes().await.map_err(|error| reason(&error))?;
        let clip = media::wav(&bytes, &label(url)).map_err(|error| error.to_string())?;
        let mut clips = self.clips.lock().unwrap_or_else(PoisonError::into_inner);
        if clips.len() >= CLIPS {
            clips.clear();
        }
        clips.insert(url.to_owned(), clip.clone());
        Ok(clip)
    }

    /// JSON, signed by its hash as Event Streams sends it.
    ///
    /// # Errors
    /// One line, when it was not delivered or refused.
    pub(crate) async fn json(&self, url: &str, body: &str) -> Result<(), String> {
        let mut parsed = reqwest::Url::parse(url).map_err(|error| format!("11100: invalid URL: {error}"))?;
        parsed.set_fragment(None);
        parsed.query_pairs_mut().append_pair(signature::BODY_HASH, &signature::body_hash(body.as_bytes()));
        let header = self.signature(&parsed, &[]);
        let request = self.client.post(parsed).timeout(EVENTS).body(body.to_owned());
        let request = request.header(reqwest::header::CONTENT_TYPE, "application/json");
        self.answered(request.header(signature::HEADER, header)).await.map(drop)
    }

    /// HTTP keeps the port; HTTPS drops it, which `Url` has done for the default port.
    fn signature(&self, url: &reqwest::Url, params: &[(String, String)]) -> String {
        let mut url = url.clone();
        if url.scheme() == "https" {
            let _ = url.set_port(None);
        }
        signature::sign(self.auth_token.expose_secret(), url.as_str(), params)
    }

    async fn send(
        &self,
        url: &str,
        method: &str,
        params: &[(String, String)],
    ) -> Result<reqwest::Response, String> {
        let mut parsed = reqwest::Url::parse(url).map_err(|error| format!("11100: invalid URL: {error}"))?;
        parsed.set_fragment(None);
        let get = method.eq_ignore_ascii_case("GET");
        if get && !params.is_empty() {
            parsed.query_pairs_mut().extend_pairs(params);
        }
        let signed: &[(String, String)] = if get { &[] } else { params };
        let header = self.signature(&parsed, signed);
        let request = if get { self.client.get(parsed) } else { self.client.post(parsed).form(params) };
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let request = request
            .header(signature::HEADER, header)
            .header("I-Twilio-Idempotency-Token", format!("{:016x}-{number:08x}", now().0));
        self.answered(request).await
    }

    async fn answered(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, String> {
        tokio::time::sleep(self.latency).await;
        let response = request.send().await.map_err(|error| {
            let code = if error.is_connect() || error.is_timeout() { 11205 } else { 11206 };
            format!("{code}: {}", reason(&error))
        })?;
        tokio::time::sleep(self.latency).await;
        let status = response.status();
        if status.is_success() {
            Ok(response)
        } else {
            Err(format!("11200: HTTP status {} from {}", status.as_u16(), response.url().path()))
        }
    }
}

/// Without parameters.
fn content_type(response: &reqwest::Response) -> Option<String> {
    let value = response.headers().get(reqwest::header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase())
}

/// In one line, without the query, which may hold numbers.
fn reason(error: &reqwest::Error) -> String {
    let path = error.url().map_or(String::new(), |url| url.path().to_owned());
    let kind = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the exchange broke"
    };
    format!("{kind} ({path})")
}

/// `https://…/audio/comfort.wav` is `comfort audio` in transcripts.
fn label(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("{} audio", name.split('.').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_are_called_after_their_file() {
        assert_eq!(label("http://127.0.0.1:1/audio/comfort.wav?x=1"), "comfort audio");
    }
}
