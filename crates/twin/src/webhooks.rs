//! Requests of the twin to the outside, over the network: webhooks, TwiML and audio.

use crate::{
    attempts::{Answer, Attempts, reason},
    clock::now,
    config::TwinConfig,
    latency::Latency,
    log::Log,
    media::{self, Clip},
    requests,
};
use axum::{
    body::Bytes,
    http::{Request, Response},
};
use rejoin_protocol::{Millis, overrides::Overrides};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
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
/// Twilio's limit for a whole fetch of audio; same page.
const TOTAL: Duration = Duration::from_secs(15);
/// Twilio's limit for a batch of events (<https://www.twilio.com/docs/api/errors/91308>).
const EVENTS: Duration = Duration::from_secs(5);
/// Kept clips; more than a demo has. The cache is emptied when it is full.
const CLIPS: usize = 64;

/// How the parameters of a `POST` are written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    Form,
    Json,
}

/// Sends the twin's requests. Clones share the client.
#[derive(Clone)]
pub(crate) struct Webhooks {
    client: reqwest::Client,
    auth_token: SecretString,
    latency: Latency,
    sent: Arc<AtomicU64>,
    attempts: Attempts,
    /// Milliseconds between two attempts of one webhook.
    retry_pause: Arc<AtomicU64>,
    log: Log,
    clips: Arc<Mutex<HashMap<String, Clip>>>,
}

impl Webhooks {
    /// # Errors
    /// When there is no TLS on this machine.
    pub(crate) fn new(config: &TwinConfig, log: Log) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .user_agent("TwilioProxy/1.1")
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .build()?;
        Ok(Self {
            client,
            auth_token: config.auth_token.clone(),
            latency: config.latency.clone(),
            sent: Arc::default(),
            attempts: Attempts::default(),
            retry_pause: Arc::new(AtomicU64::new(config.facts.retry_pause.0)),
            log,
            clips: Arc::default(),
        })
    }

    /// Changes [`crate::facts::Facts::retry_pause`] from now on.
    pub(crate) fn set_retry_pause(&self, pause: Millis) {
        self.retry_pause.store(pause.0, Ordering::Relaxed);
    }

    /// A webhook whose answer does not matter.
    ///
    /// # Errors
    /// One line, when it was not delivered or refused.
    pub(crate) async fn deliver(
        &self,
        format: Format,
        url: &str,
        method: &str,
        params: &[(String, String)],
    ) -> Result<(), String> {
        self.send(format, url, method, params).await.map(drop)
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
        let answer = self.send(Format::Form, url, method, params).await?;
        let mut response = Response::new(answer.body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        requests::document(&answer.url, &response)
    }

    /// Audio, from the cache if it was fetched before.
    ///
    /// # Errors
    /// One line.
    pub(crate) async fn clip(&self, url: &str) -> Result<Clip, String> {
        if let Some(clip) = self.clips.lock().unwrap_or_else(PoisonError::into_inner).get(url) {
            return Ok(clip.clone());
        }
        self.latency.pass().await;
        let response = self.client.get(url).send().await.map_err(|error| reason(&error))?;
        self.latency.pass().await;
        if !response.status().is_success() {
            return Err(format!("11200: HTTP status {}", response.status().as_u16()));
        }
        if !content_type(&response).is_some_and(|kind| kind.starts_with("audio/")) {
            return Err("12300: the content type is not that of audio".into());
        }
        let bytes = response.bytes().await.map_err(|error| reason(&error))?;
        let clip = media::audio_file(&bytes, &label(url)).map_err(|error| error.to_string())?;
        let mut clips = self.clips.lock().unwrap_or_else(PoisonError::into_inner);
        if clips.len() >= CLIPS {
            clips.clear();
        }
        clips.insert(url.to_owned(), clip.clone());
        Ok(clip)
    }

    /// A batch of Event Streams.
    ///
    /// # Errors
    /// One line, when it was not delivered or refused.
    pub(crate) async fn events(&self, url: &str, events: &[Value]) -> Result<(), String> {
        let request = requests::events(self.auth_token.expose_secret(), url, events)?;
        self.answered(request, EVENTS).await.map(drop)
    }

    async fn send(
        &self,
        format: Format,
        url: &str,
        method: &str,
        params: &[(String, String)],
    ) -> Result<Answer, String> {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let token = format!("{:016x}-{number:08x}", now().0);
        let (overrides, ignored) = Overrides::of(url);
        for part in ignored {
            self.log.add(format!(
                "an address has {part:?} in its fragment, which is no connection override: ignored"
            ));
        }
        let build = match format {
            Format::Form => requests::webhook,
            Format::Json => requests::json_webhook,
        };
        let request = build(self.auth_token.expose_secret(), url, method, params, &token)?;
        self.latency.pass().await;
        let pause = Duration::from_millis(self.retry_pause.load(Ordering::Relaxed));
        let note = |line| self.log.add(format!("a webhook failed: {line}"));
        let answer = self.attempts.send(&overrides, pause, &request, note).await?;
        self.latency.pass().await;
        Ok(answer)
    }

    async fn answered(&self, request: Request<Bytes>, within: Duration) -> Result<reqwest::Response, String> {
        self.latency.pass().await;
        let failed = |error: reqwest::Error| {
            let code = if error.is_connect() || error.is_timeout() { 11205 } else { 11206 };
            format!("{code}: {}", reason(&error))
        };
        let mut request = reqwest::Request::try_from(request).map_err(failed)?;
        *request.timeout_mut() = Some(within);
        let response = self.client.execute(request).await.map_err(failed)?;
        self.latency.pass().await;
        requests::taken(response.url().as_str(), response.status())?;
        Ok(response)
    }
}

/// Without parameters.
fn content_type(response: &reqwest::Response) -> Option<String> {
    let value = response.headers().get(reqwest::header::CONTENT_TYPE)?.to_str().ok()?;
    Some(requests::essence(value))
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
