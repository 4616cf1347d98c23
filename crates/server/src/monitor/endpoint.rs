//! The end points: how each is asked, and what its answer means.

use super::watch::Seen;
use crate::doctor::certificate;
use http::StatusCode;
use rejoin_setup::doctor::Outcome;
use rejoin_setup::doctor::certificate::{Certificate, judge};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// Maximum number of bytes that are read of an answer.
const LONGEST: usize = 64 * 1024;
/// Maximum number of characters of a check's name that is repeated in an alert.
const NAME: usize = 20;

/// The kinds of end points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A server: `/health/ready`, or `/health/live` where that is not served to everybody.
    Server,
    /// `rejoin fallback`: `/health/live`.
    Fallback,
    /// The certificate that an address shows: trusted, for this name, and not about to expire.
    Certificate,
    /// Twilio's REST API: any answer to a request without credentials that changes nothing, unless it is an error of Twilio's.
    Twilio,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Fallback => "fallback",
            Self::Certificate => "certificate",
            Self::Twilio => "twilio",
        })
    }
}

/// An end point.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndPoint {
    /// How it is asked.
    pub kind: Kind,
    /// Its address, without a path of its own and without a trailing slash.
    pub url: String,
}

impl fmt::Display for EndPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.url)
    }
}

impl EndPoint {
    /// Asks it once.
    pub(super) async fn ask(&self, client: &reqwest::Client, within: Duration) -> Seen {
        let asked = async {
            match self.kind {
                Kind::Server => self.ready(client).await,
                Kind::Fallback => self.live(client).await,
                Kind::Certificate => self.certificate().await,
                Kind::Twilio => match client.head(format!("{}/", self.url)).send().await {
                    Ok(answer) if answer.status().is_server_error() => answered(answer.status()),
                    Ok(_) => Seen::Well,
                    Err(error) => Seen::Failed(why(&error).to_owned()),
                },
            }
        };
        match tokio::time::timeout(within, asked).await {
            Ok(seen) => seen,
            Err(_) if self.kind == Kind::Certificate => Seen::Nothing,
            Err(_) => Seen::Failed("timed out".to_owned()),
        }
    }

    async fn ready(&self, client: &reqwest::Client) -> Seen {
        let answer = match client.get(format!("{}/health/ready", self.url)).send().await {
            Ok(answer) => answer,
            Err(error) => return Seen::Failed(why(&error).to_owned()),
        };
        match answer.status() {
            status if status.is_success() => Seen::Well,
            // Served on the operators' address alone, or kept by a proxy for those inside.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                self.live(client).await
            }
            StatusCode::SERVICE_UNAVAILABLE => match unready(answer).await {
                Some(checks) => Seen::Failed(format!("not ready: {checks}")),
                None => answered(StatusCode::SERVICE_UNAVAILABLE),
            },
            status => answered(status),
        }
    }

    async fn live(&self, client: &reqwest::Client) -> Seen {
        match client.get(format!("{}/health/live", self.url)).send().await {
            Ok(answer) if answer.status().is_success() => Seen::Well,
            Ok(answer) => answered(answer.status()),
            Err(error) => Seen::Failed(why(&error).to_owned()),
        }
    }

    async fn certificate(&self) -> Seen {
        match certificate::read(&self.url).await {
            // The server's own end point fails then.
            None | Some((_, Certificate::Unreachable(_))) => Seen::Nothing,
            Some((host, it)) => match judge(&host, &it) {
                finding if finding.result == Outcome::Ok => Seen::Well,
                finding => Seen::Failed(finding.found),
            },
        }
    }
}

fn answered(status: StatusCode) -> Seen {
    Seen::Failed(format!("answered {}", status.as_u16()))
}

/// A cause in our own words: a library's may contain an address, which may be secret.
pub(super) fn why(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_builder() {
        "that is no address"
    } else {
        "the connection was cut off"
    }
}

/// Names of the checks that are not ready; `None` when this is not the server's answer.
async fn unready(mut answer: reqwest::Response) -> Option<String> {
    let mut body = vec![];
    while let Some(chunk) = answer.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return None;
        }
    }
    names(&body)
}

fn names(body: &[u8]) -> Option<String> {
    let checks: Value = serde_json::from_slice(body).ok()?;
    let is_plain = |name: &str| name.len() <= NAME && name.chars().all(|it| it.is_ascii_lowercase());
    let failed = checks.as_object()?.iter().filter(|(name, check)| check["ok"] == false && is_plain(name));
    let failed: Vec<&str> = failed.map(|(name, _)| name.as_str()).collect();
    (!failed.is_empty()).then(|| failed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_that_are_not_ready_are_named_and_nothing_else_is_repeated() {
        let body = br#"{"database":{"ok":false,"trouble":"x"},"twilio":{"ok":true},"clock":{"ok":false}}"#;
        assert_eq!(names(body).as_deref(), Some("clock, database"));
        for other in
            [&b"<html>"[..], b"{}", b"[1]", br#"{"+15005550001":{"ok":false}}"#, br#"{"a":{"ok":true}}"#]
        {
            assert_eq!(names(other), None, "{}", String::from_utf8_lossy(other));
        }
    }
}
