//! One webhook, tried as often as its address says
//! (<https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides>).

use axum::{
    body::Bytes,
    http::{HeaderMap, Request, StatusCode},
};
use rejoin_protocol::{
    Millis,
    overrides::{Failed, Overrides},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};
use tower::util::MapFutureLayer;

/// Clients with different connect timeouts; more than a demo has. They are dropped when there are more.
const CLIENTS: usize = 16;

tokio::task_local! {
    /// True while a connection is being made for the request of this task.
    static CONNECTING: watch::Sender<bool>;
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Where it was found in the end, after redirects.
    pub(crate) url: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is none, and in one line that begins with Twilio's error code.
type Failure = (Failed, String);

/// Sends webhooks. Clones share the clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts {
    clients: Arc<Mutex<HashMap<Millis, reqwest::Client>>>,
}

impl Attempts {
    /// Sends the request, and again after failures, as these overrides say. `pause`: between two attempts. `note` gets a line
    /// about each attempt that failed and is repeated.
    ///
    /// # Errors
    /// The last attempt failed: one line that begins with Twilio's error code.
    pub(crate) async fn send(
        &self,
        overrides: &Overrides,
        pause: Duration,
        request: &Request<Bytes>,
        note: impl Fn(String),
    ) -> Result<Answer, String> {
        let end = Instant::now() + duration(overrides.total);
        let mut retries = 0;
        loop {
            let attempt = self.attempt(overrides, end, request.clone());
            let (failed, why) = match attempt.await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let is_time_left = Instant::now() + pause < end;
            if retries >= overrides.retries || !overrides.retries_after(failed) || !is_time_left {
                return Err(why);
            }
            retries += 1;
            note(format!("{why}; retry {retries} of {}", overrides.retries));
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(
        &self,
        overrides: &Overrides,
        end: Instant,
        request: Request<Bytes>,
    ) -> Result<Answer, Failure> {
        let wrong = |error: reqwest::Error| (Failed::Read, format!("11100: {}", reason(&error)));
        let client = self.client(overrides.connect).map_err(wrong)?;
        let request = reqwest::Request::try_from(request).map_err(wrong)?;
        let path = request.url().path().to_owned();
        let read = duration(overrides.read);
        let (sender, mut connecting) = watch::channel(false);
        let exchange = async {
            let mut response = client.execute(request).await.map_err(|error| failure(&error))?;
            let mut body = Vec::new();
            loop {
                let chunk = tokio::time::timeout(read, response.chunk());
                match chunk.await.map_err(|_| late(&path))?.map_err(|error| failure(&error))? {
                    Some(chunk) => body.extend_from_slice(&chunk),
                    None => break,
                }
            }
            Ok(Answer {
                url: response.url().to_string(),
                status: response.status(),
                headers: std::mem::take(response.headers_mut()),
                body: body.into(),
            })
        };
        let answer = tokio::select! {
            biased;
            answer = CONNECTING.scope(sender, exchange) => answer?,
            () = silence(connecting.clone(), read) => return Err(late(&path)),
            () = tokio::time::sleep_until(end) => {
                let failed = if *connecting.borrow_and_update() { Failed::Connect } else { Failed::Read };
                return Err((failed, format!("11205: no answer in the time for all attempts ({path})")));
            }
        };
        match crate::requests::taken(&answer.url, answer.status) {
            Ok(()) => Ok(answer),
            Err(why) => Err((Failed::Status(answer.status.as_u16()), why)),
        }
    }

    /// A client that waits this long for a connection. Each request makes one, so that each attempt may fail by it.
    fn client(&self, connect: Millis) -> Result<reqwest::Client, reqwest::Error> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&connect) {
            return Ok(client.clone());
        }
        let client = reqwest::Client::builder()
            .no_proxy()
            .user_agent("TwilioProxy/1.1")
            .connect_timeout(duration(connect))
            .pool_max_idle_per_host(0)
            .connector_layer(MapFutureLayer::new(|connection| async {
                set_connecting(true);
                let connection = connection.await;
                set_connecting(false);
                connection
            }))
            .build()?;
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        clients.insert(connect, client.clone());
        Ok(client)
    }
}

/// Ends when there was a connection, and no answer for this long.
async fn silence(mut connecting: watch::Receiver<bool>, read: Duration) {
    loop {
        // The sender lives as long as the exchange, which this is a part of.
        if connecting.wait_for(|connecting| !connecting).await.is_err() {
            return std::future::pending().await;
        }
        if tokio::time::timeout(read, connecting.wait_for(|connecting| *connecting)).await.is_err() {
            return;
        }
    }
}

fn set_connecting(connecting: bool) {
    // Outside of an attempt nobody waits for it.
    let _ = CONNECTING.try_with(|sender| sender.send_replace(connecting));
}

fn late(path: &str) -> Failure {
    (Failed::Read, format!("11205: no answer in time ({path})"))
}

fn failure(error: &reqwest::Error) -> Failure {
    let (failed, code) = if error.is_connect() {
        (Failed::Connect, 11205)
    } else {
        (Failed::Read, if error.is_timeout() { 11205 } else { 11206 })
    };
    (failed, format!("{code}: {}", reason(error)))
}

fn duration(time: Millis) -> Duration {
    Duration::from_millis(time.0)
}

/// In one line, without the query, which may hold numbers.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let path = error.url().map_or(String::new(), |url| url.path().to_owned());
    let kind = if error.is_connect() {
        "no connection"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "the exchange broke"
    };
    format!("{kind} ({path})")
}

#[cfg(test)]
#[path = "attempts_tests.rs"]
mod tests;
