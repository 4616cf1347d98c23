//! What the server's public address answers.

use crate::audio::COMFORT_PATH;
use crate::config::Config;
use crate::error::Error;
use crate::figures::HELLOS;
use crate::push::Ticket;
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{Method, Request, Response, StatusCode};
use rejoin_setup::doctor::server::Answers;
use rejoin_twilio::{Body, Transport, Unanswered, network, signature};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Timeout for connecting.
const CONNECT: Duration = Duration::from_secs(3);
/// Timeout of an answer: `/health/ready` waits up to two seconds for the database.
const TOTAL: Duration = Duration::from_secs(6);
/// A document that is the same for every call, and whose request changes nothing.
const HARMLESS: &str = "/twiml/comfort";
/// Any 16 bytes (<https://www.rfc-editor.org/rfc/rfc6455#section-4.1>).
const WEBSOCKET_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAA==";
/// As long as a signature, and made with no key.
const FORGED: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// Asks one thing after the other. `signs`: also whether signatures are verified.
pub(super) async fn read(config: &Config, signs: bool) -> Result<Answers, Error> {
    let transport = network(CONNECT, TOTAL).map_err(rejoin_twilio::Error::from)?;
    let get = |url: String| send(&*transport, Method::GET, url, &[]);
    let operators = config.operator_listen.map(|it| format!("http://{}", reachable(it)));
    let live = get(config.public("/health/live")).await;
    let mut answers = Answers {
        live: live.map(|answer| answer.status().as_u16()).map_err(|why| word(why).to_owned()),
        version: None,
        unready: None,
        signed: None,
        forged: None,
        presence: None,
        desktops: None,
    };
    if answers.live != Ok(200) {
        return Ok(answers);
    }
    answers.version = get(config.public("/openapi.json")).await.ok().as_ref().and_then(version);
    answers.unready = get(config.public("/health/ready")).await.ok().as_ref().and_then(unready);
    if let (None, Some(operators)) = (&answers.unready, &operators) {
        answers.unready = get(format!("{operators}/health/ready")).await.ok().as_ref().and_then(unready);
    }
    if let Some(token) = &config.operator_token {
        let url =
            operators.map_or_else(|| config.public("/metrics"), |operators| format!("{operators}/metrics"));
        let bearer = format!("Bearer {}", token.expose_secret());
        let metrics = send(&*transport, Method::GET, url, &[(AUTHORIZATION.as_str(), &bearer)]).await;
        answers.desktops = metrics.ok().as_ref().and_then(desktops);
    }
    if signs {
        let url = config.public(HARMLESS);
        let signed = signature::sign(config.auth_token.expose_secret(), &url, &[]);
        let post = async |it| send(&*transport, Method::POST, url.clone(), &[(signature::HEADER, it)]).await;
        let status = |answer: Result<Response<Body>, Unanswered>| answer.map_or(0, |it| it.status().as_u16());
        answers.signed = Some(status(post(&signed).await));
        answers.forged = Some(status(post(FORGED).await));
        let ticket = Ticket::of_nobody().sealed(&config.auth_token);
        let socket = [
            (CONNECTION.as_str(), "Upgrade"),
            (UPGRADE.as_str(), "websocket"),
            (SEC_WEBSOCKET_VERSION.as_str(), "13"),
            (SEC_WEBSOCKET_KEY.as_str(), WEBSOCKET_KEY),
            (SEC_WEBSOCKET_PROTOCOL.as_str(), &ticket),
        ];
        let url = config.public("/v1/presence");
        answers.presence = Some(status(send(&*transport, Method::GET, url, &socket).await));
    }
    Ok(answers)
}

/// HTTP status of a fallback's `/health/live`. As a service of Twilio's Functions it has none: there the audio is public, and
/// answers instead.
pub(super) async fn is_alive(url: &str) -> Result<Result<u16, String>, Error> {
    let transport = network(CONNECT, TOTAL).map_err(rejoin_twilio::Error::from)?;
    let get = async |path: &str| {
        let answer = send(&*transport, Method::GET, format!("{url}{path}"), &[]).await;
        answer.map(|answer| answer.status().as_u16()).map_err(|why| word(why).to_owned())
    };
    Ok(match get("/health/live").await {
        Ok(404) => match get(COMFORT_PATH).await {
            Ok(200) => Ok(200),
            _ => Ok(404),
        },
        answer => answer,
    })
}

async fn send(
    transport: &dyn Transport,
    method: Method,
    url: String,
    headers: &[(&str, &str)],
) -> Result<Response<Body>, Unanswered> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        let mut value = HeaderValue::try_from(*value).map_err(|_| Unanswered::NotBuilt)?;
        value.set_sensitive(true);
        request = request.header(*name, value);
    }
    let request = request.body(Bytes::new()).map_err(|_| Unanswered::NotBuilt)?;
    transport.send(request).await
}

pub(super) fn word(why: Unanswered) -> &'static str {
    match why {
        Unanswered::NotBuilt => "that is no address",
        Unanswered::NotConnected => "no connection",
        Unanswered::TimedOut => "timed out",
        Unanswered::CutOff => "the connection was cut off",
    }
}

fn json(answer: &Response<Body>) -> Option<Value> {
    serde_json::from_slice(answer.body().as_ref()?).ok()
}

fn version(answer: &Response<Body>) -> Option<String> {
    json(answer)?["info"]["version"].as_str().map(str::to_owned)
}

/// What is not ready; `None` when this is not the server's answer.
fn unready(answer: &Response<Body>) -> Option<Vec<String>> {
    let status = answer.status().as_u16();
    let checks =
        json(answer).filter(|it| matches!(status, 200 | 503) && it["database"]["ok"].is_boolean())?;
    let checks = checks.as_object()?.iter().filter(|(_, check)| check["ok"] != true);
    Some(
        checks
            .map(|(name, check)| format!("{name}: {}", check["trouble"].as_str().unwrap_or_default()))
            .collect(),
    )
}

/// The versions in the metrics; `None` when these are not the server's.
fn desktops(answer: &Response<Body>) -> Option<BTreeSet<String>> {
    let text = std::str::from_utf8(answer.body().as_ref()?).ok()?;
    let is_ours = answer.status() == StatusCode::OK && text.contains("# TYPE rejoin_");
    let versions = text.lines().filter_map(|line| {
        line.strip_prefix(HELLOS)?.strip_prefix("{version=\"")?.split('"').next().map(str::to_owned)
    });
    is_ours.then(|| versions.collect())
}

/// An address that can be connected to: a listener on every address is also on this machine's own.
fn reachable(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, listens.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Response<Body> {
        let mut answer = Response::new(Some(Bytes::copy_from_slice(body.as_bytes())));
        *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
        answer
    }

    #[test]
    fn what_is_not_ready_is_named_and_another_answer_is_not_believed() {
        let body = r#"{"database":{"ok":false,"trouble":"away"},"twilio":{"ok":true}}"#;
        assert_eq!(unready(&answer(503, body)), Some(vec!["database: away".to_owned()]));
        assert_eq!(unready(&answer(200, r#"{"database":{"ok":true}}"#)), Some(vec![]));
        for (status, other) in [(404, body), (200, "{}"), (200, "<html>"), (403, "")] {
            assert_eq!(unready(&answer(status, other)), None, "{status} {other}");
        }
    }

    #[test]
    fn versions_of_desktops_are_read_from_the_metrics() {
        let metrics = "# TYPE rejoin_plugin_hellos_total counter\nrejoin_plugin_hellos_total{version=\"0.1.0\"} 7\n\
                       rejoin_plugin_hellos_total{version=\"0.0.9\"} 1\nrejoin_jobs_open 0\n";
        let wanted = ["0.0.9".to_owned(), "0.1.0".to_owned()].into();
        assert_eq!(desktops(&answer(200, metrics)), Some(wanted));
        assert_eq!(desktops(&answer(401, metrics)), None);
        assert_eq!(desktops(&answer(200, "<html>")), None);
    }

    #[test]
    fn a_listener_on_every_address_is_reached_on_this_machine() {
        for (listens, wanted) in
            [("0.0.0.0:81", "127.0.0.1:81"), ("[::]:81", "[::1]:81"), ("10.0.0.5:81", "10.0.0.5:81")]
        {
            assert_eq!(reachable(listens.parse().expect("an address")).to_string(), wanted);
        }
    }
}
