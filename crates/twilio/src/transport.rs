//! How requests get to Twilio and answers back: over the network, or through a replacement.

use bytes::Bytes;
use http::{Request, Response};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Maximum size of an answer in bytes. Most have a few kilobytes; a page of TaskRouter's log is the largest.
pub(crate) const ANSWER_LIMIT: usize = 4 << 20;

/// A request in flight.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>, Unanswered>> + Send + 'a>>;

/// The body of an answer; `None` when it was incomplete, or longer than any that Twilio sends.
pub type Body = Option<Bytes>;

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The request could not be built. It was not sent.
    NotBuilt,
    /// There was no connection. It was not sent.
    NotConnected,
    /// The request timed out. It may have arrived.
    TimedOut,
    /// The connection ended. It may have arrived.
    CutOff,
}

/// Sends requests to Twilio.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends one request, once.
    fn send(&self, request: Request<Bytes>) -> Sending<'_>;
}

/// The network, for requests to others than Twilio. Redirects are not followed.
///
/// # Errors
/// When the TLS library has no certificates to trust.
pub fn network(connect_timeout: Duration, total_timeout: Duration) -> Result<Arc<dyn Transport>, Unanswered> {
    Ok(Arc::new(Network::new(connect_timeout, total_timeout)?))
}

/// The network.
#[derive(Debug)]
pub(crate) struct Network(reqwest::Client);

impl Network {
    /// Fails only when the TLS library has no certificates to trust.
    pub(crate) fn new(connect_timeout: Duration, total_timeout: Duration) -> Result<Self, Unanswered> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("rejoin/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(connect_timeout)
            .timeout(total_timeout)
            // A redirect would send the credentials elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build();
        client.map(Self).map_err(|error| why(&error))
    }
}

impl Transport for Network {
    fn send(&self, request: Request<Bytes>) -> Sending<'_> {
        Box::pin(async move {
            let request = reqwest::Request::try_from(request).map_err(|error| why(&error))?;
            let mut sent = self.0.execute(request).await.map_err(|error| why(&error))?;
            let mut answer = Response::new(None);
            *answer.status_mut() = sent.status();
            *answer.headers_mut() = std::mem::take(sent.headers_mut());
            *answer.body_mut() = read(sent).await;
            Ok(answer)
        })
    }
}

fn why(error: &reqwest::Error) -> Unanswered {
    if error.is_connect() {
        Unanswered::NotConnected
    } else if error.is_timeout() {
        Unanswered::TimedOut
    } else if error.is_builder() {
        Unanswered::NotBuilt
    } else {
        Unanswered::CutOff
    }
}

async fn read(mut answer: reqwest::Response) -> Body {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_LIMIT {
            return None;
        }
    }
    Some(body.into())
}
