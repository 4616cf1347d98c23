//! Delivers alerts to a target: in order, each until the target has it. Targets do not wait for each other.

use super::alert::{Alert, Form};
use super::endpoint::why;
use super::mail::Mail;
use crate::figures;
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Pause before the first retry; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Maximum number of alerts that wait for a target. An end point that fails and works in turns makes four a minute.
const WAITING: usize = 1000;

/// Where alerts go.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Its name in the log: never its address, which may be secret.
    pub(super) name: &'static str,
    pub(super) way: Way,
}

/// How alerts get there.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// Posted to an address.
    Post { url: SecretString, form: Form },
    /// By mail.
    Mail(Box<Mail>),
}

/// Why an alert was not taken. Contains no secret and no personal data.
pub(super) enum Failure {
    /// It may be taken later.
    Later(String),
    /// It never will be.
    Refused(String),
}

impl Target {
    async fn send(&self, client: &reqwest::Client, alert: &Alert) -> Result<(), Failure> {
        match &self.way {
            Way::Post { url, form } => post(client, url, form.body(alert)).await,
            Way::Mail(mail) => mail.send(alert).await,
        }
    }

    /// Delivers one alert, however long that takes.
    async fn deliver(&self, client: &reqwest::Client, alert: &Alert) {
        let (to, mut pause, mut failures) = (self.name, FIRST_PAUSE, 0_u64);
        loop {
            match self.send(client, alert).await {
                Ok(()) => {
                    count(to, "delivered");
                    return tracing::info!(to, failures, "alert delivered: {}", alert.summary());
                }
                Err(Failure::Refused(why)) => {
                    count(to, "refused");
                    return tracing::error!(
                        to,
                        why,
                        "the target refuses the alert, which is given up: check its setting: {}",
                        alert.summary()
                    );
                }
                Err(Failure::Later(why)) => {
                    count(to, "failed");
                    failures += 1;
                    tracing::warn!(to, why, failures, "the target does not take an alert: it is tried again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

/// Posts it, once. Success is any 2xx. Later means: no answer, 408, 429 and 5xx. Of the others PagerDuty says that a repetition
/// changes nothing: <https://developer.pagerduty.com/docs/events-api-v2-overview#response-codes--retry-logic>.
async fn post(client: &reqwest::Client, url: &SecretString, body: Value) -> Result<(), Failure> {
    let status = match client.post(url.expose_secret()).json(&body).send().await {
        Ok(answer) => answer.status(),
        Err(error) => return Err(Failure::Later(why(&error).to_owned())),
    };
    let is_passing = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    let answered = format!("answered {}", status.as_u16());
    match status {
        _ if status.is_success() => Ok(()),
        _ if is_passing => Err(Failure::Later(answered)),
        _ => Err(Failure::Refused(answered)),
    }
}

fn count(to: &'static str, result: &'static str) {
    metrics::counter!(figures::ALERTS, "to" => to, "result" => result).increment(1);
}

/// The alerts that wait for a target.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    name: &'static str,
    alerts: mpsc::Sender<Arc<Alert>>,
    waiting: Arc<AtomicUsize>,
}

impl Outbox {
    /// An outbox, and what delivers from it until all its clones are dropped.
    pub(super) fn of(target: Target, client: reqwest::Client) -> (Self, impl Future<Output = ()> + Send) {
        // From the start: Prometheus sees no increase in a counter that appears with its first event.
        for result in ["delivered", "failed", "refused", "lost"] {
            metrics::counter!(figures::ALERTS, "to" => target.name, "result" => result).increment(0);
        }
        let (alerts, mut due) = mpsc::channel::<Arc<Alert>>(WAITING);
        let waiting = Arc::new(AtomicUsize::new(0));
        let outbox = Self { name: target.name, alerts, waiting: Arc::clone(&waiting) };
        let delivers = async move {
            while let Some(alert) = due.recv().await {
                target.deliver(&client, &alert).await;
                waiting.fetch_sub(1, Ordering::Relaxed);
            }
        };
        (outbox, delivers)
    }

    /// Adds an alert. Never waits.
    pub(super) fn add(&self, alert: &Arc<Alert>) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.alerts.try_send(Arc::clone(alert)).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            let to = self.name;
            count(to, "lost");
            tracing::error!(to, "too many alerts wait for the target: one is lost: {}", alert.summary());
        }
    }

    /// Says how many alerts are lost when the monitor stops now.
    pub(super) fn report(&self) {
        let (to, waiting) = (self.name, self.waiting.load(Ordering::Relaxed));
        if waiting > 0 {
            tracing::warn!(to, waiting, "the target has not taken all alerts: the others are lost");
        }
    }
}
