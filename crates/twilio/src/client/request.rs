//! A request: it passes the gate, is sent, counted and reported, and its answer is read.

use super::encoded;
use crate::error::{Error, Refusal};
use crate::gate::{Answer, Family, Gate};
use crate::resource::Task;
use crate::transport::{Body, Transport, Unanswered};
use crate::webhook::date;
use crate::witness::{Asked, Witness};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use rejoin_protocol::Millis;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Content type of forms.
const FORM: &str = "application/x-www-form-urlencoded";

/// A request in flight.
pub(super) struct Request {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) builder: http::request::Builder,
    pub(super) body: Bytes,
    /// Method and path, without the query.
    pub(super) what: String,
    /// True when it may change something.
    pub(super) acts: bool,
    pub(super) family: Option<Family>,
    pub(super) gate: Option<Arc<dyn Gate>>,
    pub(super) witness: Option<Arc<dyn Witness>>,
}

impl Request {
    /// Adds a sensitive header. An invalid value is reported when the request is built.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.builder = match HeaderValue::try_from(value) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.builder.header(name, value)
            }
            Err(_) => self.builder.header(name, value),
        };
        self
    }

    /// Sends it and ignores the answer's body.
    pub(super) async fn done(self, form: &[(&str, &str)]) -> Result<(), Error> {
        self.send(form).await.map(drop)
    }

    /// Sends it and parses the answer.
    pub(super) async fn json<T: DeserializeOwned>(self, form: &[(&str, &str)]) -> Result<T, Error> {
        let acts = self.acts;
        parse(&self.send(form).await?, acts)
    }

    /// Sends it and parses the answer, with its `Date`: Twilio's clock, in whole seconds.
    pub(super) async fn dated<T: DeserializeOwned>(self) -> Result<(T, Option<Millis>), Error> {
        let acts = self.acts;
        let response = self.send(&[]).await?;
        let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok()).and_then(date);
        Ok((parse(&response, acts)?, date))
    }

    /// Sends it and parses the answer, with its `ETag`.
    pub(super) async fn tagged<T: DeserializeOwned>(
        self,
        form: &[(&str, &str)],
    ) -> Result<(T, Option<String>), Error> {
        let acts = self.acts;
        let response = self.send(form).await?;
        // Twilio's own template sends the number back without its quotes.
        let etag = response
            .headers()
            .get(header::ETAG)
            .and_then(|etag| etag.to_str().ok())
            .map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned());
        Ok((parse(&response, acts)?, etag))
    }

    /// Sends it and parses a task with its `ETag`.
    pub(super) async fn task(self, form: &[(&str, &str)]) -> Result<Task, Error> {
        let (task, etag) = self.tagged::<Task>(form).await?;
        Ok(Task { etag, ..task })
    }

    /// Carries it out only if the resource still has this version: [`Error::Conflict`] otherwise.
    pub(super) fn if_match(self, etag: Option<&str>) -> Self {
        match etag {
            Some(etag) => self.with(header::IF_MATCH, etag),
            None => self,
        }
    }

    async fn send(mut self, form: &[(&str, &str)]) -> Result<Response<Body>, Error> {
        if !form.is_empty() {
            self.body = encoded(form).into();
            self.builder = self.builder.header(header::CONTENT_TYPE, FORM);
        }
        let request = self.builder.body(self.body).map_err(|_| Error::from(Unanswered::NotBuilt))?;
        let pass = match (&self.gate, self.family) {
            (Some(gate), Some(family)) => Some(gate.pass(family).await.ok_or(Error::Withheld)?),
            _ => None,
        };
        let begun = Instant::now();
        let sent = self
            .transport
            .send(request)
            .await
            .map_err(|why| if self.acts { Error::from(why) } else { Error::from(why).without_effect() });
        if let (Ok(response), Some(pass)) = (&sent, pass) {
            pass.answered(answer(response));
        }
        let answer = sent.as_ref().ok().map(|response| (response.status().as_u16(), request_id(response)));
        let result = match sent {
            Ok(response) if response.status().is_success() => Ok(response),
            Ok(response) => Err(refusal(&response, self.acts)),
            Err(error) => Err(error),
        };
        let error = result.as_ref().err();
        count(self.family, begun, error);
        if let Some(witness) = &self.witness {
            let (status, request_id) = answer.map_or((None, None), |(status, id)| (Some(status), id));
            let (took, error) = (begun.elapsed(), error.map(|error| (code(error), word(error))));
            let (code, error) = error.map_or((None, None), |(code, word)| (code, Some(word)));
            witness.saw(Asked { what: self.what, status, code, request_id, took, error });
        }
        result
    }
}

/// Records the metrics of a request.
fn count(family: Option<Family>, begun: Instant, error: Option<&Error>) {
    let api = family.map_or("tokens", Family::name);
    let result = error.map_or("ok", Error::name);
    metrics::histogram!("rejoin_twilio_seconds", "api" => api).record(begun.elapsed());
    metrics::counter!("rejoin_twilio_requests_total", "api" => api, "result" => result).increment(1);
    let status = match error {
        Some(Error::Refused { status, code: 0 } | Error::Unavailable { status, .. }) => {
            Some(u32::from(*status))
        }
        _ => None,
    };
    if let Some(code) = error.and_then(code).or(status) {
        metrics::counter!("rejoin_twilio_errors_total", "code" => code.to_string()).increment(1);
    }
}

/// Twilio's error code.
fn code(error: &Error) -> Option<u32> {
    match error {
        Error::Refused { code, .. } => (*code != 0).then_some(*code),
        Error::Throttled { .. } => Some(20429),
        Error::Unauthorized => Some(20003),
        // "Gone" and "conflict" are answers; without an answer there is no code.
        Error::Gone
        | Error::Conflict
        | Error::Unavailable { .. }
        | Error::Transport { .. }
        | Error::Unreadable { .. }
        | Error::Withheld => None,
    }
}

/// A short description for use beside the HTTP status.
fn word(error: &Error) -> &'static str {
    match error {
        Error::Transport { what, .. } => what,
        error => error.name(),
    }
}

fn request_id(response: &Response<Body>) -> Option<String> {
    let id = response.headers().get("twilio-request-id")?.to_str().ok()?;
    // Operators read it.
    let is_one = id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_one.then(|| id.to_owned())
}

/// What the response says about rate limits.
fn answer(response: &Response<Body>) -> Answer {
    Answer {
        throttled: response.status() == StatusCode::TOO_MANY_REQUESTS,
        retry_after: number(response, header::RETRY_AFTER.as_str()).map(Duration::from_secs),
        concurrent: number(response, "twilio-concurrent-requests"),
    }
}

fn number<T: std::str::FromStr>(response: &Response<Body>, header: &str) -> Option<T> {
    response.headers().get(header)?.to_str().ok()?.parse().ok()
}

fn refusal(response: &Response<Body>, acts: bool) -> Error {
    match response.status() {
        StatusCode::NOT_FOUND => Error::Gone,
        StatusCode::UNAUTHORIZED => Error::Unauthorized,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Error::Conflict,
        StatusCode::TOO_MANY_REQUESTS => Error::Throttled { retry_after: answer(response).retry_after },
        status if status.is_server_error() => {
            Error::Unavailable { status: status.as_u16(), may_have_acted: acts }
        }
        status => {
            let said = response.body().as_ref().and_then(|body| serde_json::from_slice(body).ok());
            let said: Refusal = said.unwrap_or_default();
            match said.code {
                20404 => return Error::Gone,
                20003 => return Error::Unauthorized,
                _ => {}
            }
            Error::Refused { status: status.as_u16(), code: said.code }
        }
    }
}

fn parse<T: DeserializeOwned>(response: &Response<Body>, acts: bool) -> Result<T, Error> {
    let read = response.body().as_ref().and_then(|body| serde_json::from_slice(body).ok());
    read.ok_or(Error::Unreadable { may_have_acted: acts })
}
