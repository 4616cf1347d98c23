//! The end points: how each is asked, and what its answer means.

use super::state::States;
use super::watch::Seen;
use crate::doctor::certificate;
use crate::server_state::{KEY, ServerState, Thresholds};
use http::{HeaderValue, StatusCode};
use rejoin_protocol::Millis;
use rejoin_protocol::api::HEARTBEAT_HEADER;
use rejoin_setup::doctor::Outcome;
use rejoin_setup::doctor::certificate::{Certificate, judge};
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// Maximum number of bytes that are read of an answer.
const LONGEST: usize = 64 * 1024;
/// Maximum number of characters of a check's name that is repeated in an alert.
const NAME: usize = 20;
/// The check of the database, in a server's readiness.
const DATABASE: &str = "database";

/// The kinds of end points: what is asked, and what a server tells about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A server: `/health/ready` without the database, or `/health/live` where that is not served to everybody.
    Server,
    /// A server's database, as the server sees it.
    Database,
    /// A server's hellos and push channels, tried with the monitor's key.
    Push,
    /// `rejoin fallback`: `/health/live`.
    Fallback,
    /// The certificate that an address shows: trusted, for this name, and not about to expire.
    Certificate,
    /// Twilio's REST API: any answer to a request without credentials that changes nothing, unless it is an error of Twilio's.
    Twilio,
    /// A storm.
    Storm,
    /// The failsafe.
    Failsafe,
    /// Jobs that were given up.
    GivenUp,
    /// A server's lease, among servers that share a database.
    Lease,
    /// The share of calls whose agent is not known.
    Unprotected,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Server,
        Self::Database,
        Self::Push,
        Self::Fallback,
        Self::Certificate,
        Self::Twilio,
        Self::Storm,
        Self::Failsafe,
        Self::GivenUp,
        Self::Lease,
        Self::Unprotected,
    ];

    /// How often in a row it must be seen to fail until people are alerted. One answer may be lost; what a server tells about
    /// itself is so at once. A call is unprotected for a moment at its beginning.
    pub fn failures(self) -> u32 {
        match self {
            Self::Storm | Self::Failsafe | Self::GivenUp | Self::Lease => 1,
            Self::Server
            | Self::Database
            | Self::Push
            | Self::Fallback
            | Self::Certificate
            | Self::Twilio => 2,
            Self::Unprotected => 3,
        }
    }

    /// What is said of it when the alert is over.
    pub(super) fn resolved(self) -> &'static str {
        match self {
            Self::Server
            | Self::Database
            | Self::Push
            | Self::Fallback
            | Self::Certificate
            | Self::Twilio => "works again",
            Self::Storm | Self::Failsafe => "is over",
            Self::GivenUp => "none any more",
            Self::Lease => "is held",
            Self::Unprotected => "calls are protected again",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Database => "database",
            Self::Push => "push",
            Self::Fallback => "fallback",
            Self::Certificate => "certificate",
            Self::Twilio => "twilio",
            Self::Storm => "storm",
            Self::Failsafe => "failsafe",
            Self::GivenUp => "given-up",
            Self::Lease => "lease",
            Self::Unprotected => "unprotected",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
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

/// What is asked regularly. One answer may be about several end points of the same address.
#[derive(Debug)]
pub(super) enum Question {
    /// A server, and what it tells about itself.
    Server(Box<Server>),
    /// Hello, and a push channel.
    Push { url: String, key: HeaderValue },
    /// The fallback.
    Fallback { url: String },
    /// The certificate at an address.
    Certificate { url: String },
    /// Twilio.
    Twilio { url: String },
}

/// A server that is asked.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) url: String,
    /// Without a key it tells nothing about itself but its readiness.
    pub(super) key: Option<HeaderValue>,
    pub(super) thresholds: Thresholds,
    pub(super) states: States,
    /// Why it told nothing about itself the last time.
    pub(super) untold: Option<String>,
}

/// What readiness says: of the server, and of its database.
struct Readiness {
    server: Seen,
    database: Seen,
}

impl Question {
    /// The address that is asked.
    fn url(&self) -> &str {
        match self {
            Self::Server(server) => &server.url,
            Self::Push { url, .. }
            | Self::Fallback { url }
            | Self::Certificate { url }
            | Self::Twilio { url } => url,
        }
    }

    /// The end points that its answers are about.
    pub(super) fn end_points(&self) -> Vec<EndPoint> {
        let kinds = match self {
            Self::Server(server) if server.key.is_some() => &[
                Kind::Server,
                Kind::Database,
                Kind::Storm,
                Kind::Failsafe,
                Kind::GivenUp,
                Kind::Lease,
                Kind::Unprotected,
            ][..],
            Self::Server(_) => &[Kind::Server, Kind::Database],
            Self::Push { .. } => &[Kind::Push],
            Self::Fallback { .. } => &[Kind::Fallback],
            Self::Certificate { .. } => &[Kind::Certificate],
            Self::Twilio { .. } => &[Kind::Twilio],
        };
        kinds.iter().map(|kind| EndPoint { kind: *kind, url: self.url().to_owned() }).collect()
    }

    /// Asks once. Returns what is seen of each of the end points; of one that is missing nothing is.
    pub(super) async fn ask(
        &mut self,
        client: &reqwest::Client,
        within: Duration,
        now: Millis,
    ) -> Vec<(Kind, Seen)> {
        match self {
            Self::Server(server) => server.ask(client, within, now).await,
            Self::Push { url, key } => {
                vec![(Kind::Push, timed(within, push(client, url, key, within)).await)]
            }
            Self::Fallback { url } => vec![(Kind::Fallback, timed(within, live(client, url)).await)],
            Self::Twilio { url } => vec![(Kind::Twilio, timed(within, twilio(client, url)).await)],
            // When it does not answer in time, the server's own end point fails.
            Self::Certificate { url } => match tokio::time::timeout(within, certificate(url)).await {
                Ok(seen) => vec![(Kind::Certificate, seen)],
                Err(_) => vec![],
            },
        }
    }
}

impl Server {
    async fn ask(&mut self, client: &reqwest::Client, within: Duration, now: Millis) -> Vec<(Kind, Seen)> {
        let asked = tokio::time::timeout(within, ready(client, &self.url));
        let state = async {
            match &self.key {
                Some(key) => tokio::time::timeout(within, state(client, &self.url, key)).await.ok(),
                None => None,
            }
        };
        let (asked, state) = tokio::join!(asked, state);
        let failed = |_| Readiness { server: Seen::Failed("timed out".to_owned()), database: Seen::Nothing };
        let Readiness { server, database } = asked.unwrap_or_else(failed);
        let mut seen = vec![(Kind::Server, server)];
        match state {
            Some(Ok(state)) => {
                self.untold = None;
                seen.extend(self.states.handle(now, &state, self.thresholds));
                return seen;
            }
            // A server that is away is alerted about as such.
            Some(Err(Untold::Answered(status))) => {
                let why = match status {
                    StatusCode::NOT_FOUND => {
                        "its release does not know the monitor's key, or a proxy keeps /monitor/state"
                            .to_owned()
                    }
                    StatusCode::UNAUTHORIZED => {
                        "its REJOIN_MONITOR_KEY is not set, or is another one".to_owned()
                    }
                    status => format!("it answered {}", status.as_u16()),
                };
                if self.untold.as_ref() != Some(&why) {
                    tracing::warn!(
                        "the server {} does not tell the monitor how it sees itself ({why}): storm, failsafe, given-up, lease and \
                         unprotected are not alerted about",
                        self.url
                    );
                    self.untold = Some(why);
                }
            }
            Some(Err(Untold::Unreachable)) | None => {}
        }
        seen.push((Kind::Database, database));
        seen
    }
}

/// An answer that takes longer is none.
async fn timed(within: Duration, asked: impl Future<Output = Seen>) -> Seen {
    let seen = tokio::time::timeout(within, asked).await;
    seen.unwrap_or_else(|_| Seen::Failed("timed out".to_owned()))
}

/// Why a server tells nothing about itself.
enum Untold {
    Answered(StatusCode),
    Unreachable,
}

async fn state(client: &reqwest::Client, url: &str, key: &HeaderValue) -> Result<ServerState, Untold> {
    let asked = client.get(format!("{url}/monitor/state")).header(KEY, key.clone()).send();
    let answer = asked.await.map_err(|_| Untold::Unreachable)?;
    let status = answer.status();
    if !status.is_success() {
        return Err(Untold::Answered(status));
    }
    let body = body(answer).await.ok_or(Untold::Unreachable)?;
    serde_json::from_slice(&body).map_err(|_| Untold::Answered(status))
}

/// Hello, and then a push channel until it shows that it works. The time is limited for both together, by the caller.
async fn push(client: &reqwest::Client, url: &str, key: &HeaderValue, within: Duration) -> Seen {
    let hello = json!({ "epoch": 0, "holdings": [] });
    let asked = client
        .post(format!("{url}/v1/hello"))
        .header(KEY, key.clone())
        .timeout(within * 2)
        .json(&hello)
        .send();
    match asked.await {
        Ok(answer) if answer.status().is_success() => {}
        Ok(answer) => return untried("hello", answer.status()),
        Err(error) => return Seen::Failed(format!("hello: {}", why(&error))),
    }
    let asked =
        client.get(format!("{url}/v1/push?epoch=0")).header(KEY, key.clone()).timeout(within * 2).send();
    let mut answer = match asked.await {
        Ok(answer) if answer.status().is_success() => answer,
        Ok(answer) => return untried("push channel", answer.status()),
        Err(error) => return Seen::Failed(format!("push channel: {}", why(&error))),
    };
    let heartbeat = answer.headers().get(HEARTBEAT_HEADER).and_then(|ms| ms.to_str().ok()?.parse().ok());
    let is_soon = heartbeat.is_some_and(|ms| Duration::from_millis(ms) * 2 < within);
    // The position, and then a sign of life, if one comes in time: a proxy that collects what it passes on holds it back.
    let (mut read, mut has_position) = (vec![], false);
    loop {
        match answer.chunk().await {
            Ok(Some(more)) => read.extend_from_slice(&more),
            Ok(None) => return Seen::Failed("push channel: it ended at once".to_owned()),
            Err(error) => return Seen::Failed(format!("push channel: {}", why(&error))),
        }
        let is_alive = has_position;
        has_position |= read.starts_with(b"id:") || read.windows(4).any(|bytes| bytes == b"\nid:");
        if is_alive || (has_position && !is_soon) {
            return Seen::Well;
        }
        if read.len() > LONGEST {
            return Seen::Failed("push channel: that is not the server's answer".to_owned());
        }
    }
}

/// A server that does not take the key is not tried: it says so where it is asked about itself.
fn untried(what: &str, status: StatusCode) -> Seen {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => Seen::Nothing,
        status => Seen::Failed(format!("{what}: answered {}", status.as_u16())),
    }
}

async fn ready(client: &reqwest::Client, url: &str) -> Readiness {
    let only = |server| Readiness { server, database: Seen::Nothing };
    let answer = match client.get(format!("{url}/health/ready")).send().await {
        Ok(answer) => answer,
        Err(error) => return only(Seen::Failed(why(&error).to_owned())),
    };
    match answer.status() {
        status if status.is_success() => Readiness { server: Seen::Well, database: Seen::Well },
        // Served on the operators' address alone, or kept by a proxy for those inside.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            only(live(client, url).await)
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            let unready = body(answer).await.and_then(|body| names(&body));
            unready.map_or_else(|| only(answered(StatusCode::SERVICE_UNAVAILABLE)), Readiness::of)
        }
        status => only(answered(status)),
    }
}

impl Readiness {
    /// Of the checks that are not ready.
    fn of(mut unready: Vec<String>) -> Self {
        let all = unready.len();
        unready.retain(|check| check != DATABASE);
        let database = match unready.len() == all {
            true => Seen::Well,
            false => Seen::Failed("it does not take what the server writes".to_owned()),
        };
        let server = match unready.is_empty() {
            true => Seen::Well,
            false => Seen::Failed(format!("not ready: {}", unready.join(", "))),
        };
        Self { server, database }
    }
}

async fn live(client: &reqwest::Client, url: &str) -> Seen {
    match client.get(format!("{url}/health/live")).send().await {
        Ok(answer) if answer.status().is_success() => Seen::Well,
        Ok(answer) => answered(answer.status()),
        Err(error) => Seen::Failed(why(&error).to_owned()),
    }
}

async fn twilio(client: &reqwest::Client, url: &str) -> Seen {
    match client.head(format!("{url}/")).send().await {
        Ok(answer) if answer.status().is_server_error() => answered(answer.status()),
        Ok(_) => Seen::Well,
        Err(error) => Seen::Failed(why(&error).to_owned()),
    }
}

async fn certificate(url: &str) -> Seen {
    match certificate::read(url).await {
        // The server's own end point fails then.
        None | Some((_, Certificate::Unreachable(_))) => Seen::Nothing,
        Some((host, it)) => match judge(&host, &it) {
            finding if finding.result == Outcome::Ok => Seen::Well,
            finding => Seen::Failed(finding.found),
        },
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

/// The body of an answer; `None` when it is cut off, or too long.
async fn body(mut answer: reqwest::Response) -> Option<Vec<u8>> {
    let mut body = vec![];
    while let Some(chunk) = answer.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return None;
        }
    }
    Some(body)
}

/// Names of the checks that are not ready; `None` when this is not the server's answer.
fn names(body: &[u8]) -> Option<Vec<String>> {
    let checks: Value = serde_json::from_slice(body).ok()?;
    let is_plain = |name: &str| name.len() <= NAME && name.chars().all(|it| it.is_ascii_lowercase());
    let failed = checks.as_object()?.iter().filter(|(name, check)| check["ok"] == false && is_plain(name));
    let failed: Vec<String> = failed.map(|(name, _)| name.clone()).collect();
    (!failed.is_empty()).then_some(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_that_are_not_ready_are_named_and_nothing_else_is_repeated() {
        let body = br#"{"database":{"ok":false,"trouble":"x"},"twilio":{"ok":true},"clock":{"ok":false}}"#;
        let both = Some(vec!["clock".to_owned(), "database".to_owned()]);
        assert_eq!(names(body), both);
        for other in
            [&b"<html>"[..], b"{}", b"[1]", br#"{"+15005550001":{"ok":false}}"#, br#"{"a":{"ok":true}}"#]
        {
            assert_eq!(names(other), None, "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn a_database_that_is_not_ready_is_no_fault_of_its_server() {
        for (unready, server, database) in [
            (&["database"][..], Seen::Well, true),
            (&["clock", "database"], Seen::Failed("not ready: clock".to_owned()), true),
            (&["clock", "queue"], Seen::Failed("not ready: clock, queue".to_owned()), false),
        ] {
            let seen = Readiness::of(unready.iter().map(|check| (*check).to_owned()).collect());
            assert_eq!((seen.server, seen.database != Seen::Well), (server, database), "{unready:?}");
        }
    }
}
