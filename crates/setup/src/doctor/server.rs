//! The server itself, as it answers at its public address.

use super::Finding;
use std::collections::BTreeSet;

/// What the server's public address answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// HTTP status of `/health/live`; `Err`: why there is no answer.
    pub live: Result<u16, String>,
    /// The version in `/openapi.json`.
    pub version: Option<String>,
    /// `/health/ready`: what is not ready, each with its name; `None`: it cannot be read from here.
    pub unready: Option<Vec<String>>,
    /// HTTP status of a request for a document that was signed right; `None`: not sent.
    pub signed: Option<u16>,
    /// The same with a wrong signature.
    pub forged: Option<u16>,
    /// HTTP status of a request for a presence socket of a channel that there is not; `None`: not sent.
    pub presence: Option<u16>,
    /// The plugin's versions that desktops have reported since the server started; `None`: the server does not say.
    pub desktops: Option<BTreeSet<String>>,
}

/// One finding about each: reachable, version, ready, signatures, presence sockets, desktops. An address that does not answer is reported once.
pub fn judge(url: &str, answers: &Answers, version: &str) -> Vec<Finding> {
    let unreachable = |found: String| {
        vec![Finding::failed(
            "server",
            found,
            "Twilio's webhooks and the desktops do not reach it, if they take the same way: no call is recovered",
            "start the server; check REJOIN_PUBLIC_URL, DNS, the proxy and the firewall",
        )]
    };
    match &answers.live {
        Err(why) => return unreachable(format!("{url} does not answer ({why})")),
        Ok(503) => {
            return vec![Finding::failed(
                "server",
                format!("{url} answers, and its engine is stuck"),
                "no webhook is stored, and no timer fires",
                "keep the log, and restart the server",
            )];
        }
        Ok(status) if *status != 200 => {
            return unreachable(format!(
                "{url}/health/live answers with HTTP status {status}: that is not this server"
            ));
        }
        Ok(_) => {}
    }
    let mut all = vec![Finding::ok("server", format!("{url} answers"))];
    all.push(match answers.version.as_deref() {
        Some(theirs) if theirs == version => {
            Finding::ok("server-version", format!("{version}, as this program"))
        }
        Some(theirs) => Finding::warning(
            "server-version",
            format!("the server is {}, this program {version}", theirs.escape_debug()),
            "calls go on; what this program says about the database may be wrong for that server",
            "use the same version of both",
        ),
        None => Finding::warning(
            "server-version",
            "the server does not say its version",
            "calls go on",
            "let the proxy pass /openapi.json",
        ),
    });
    all.push(match answers.unready.as_deref() {
        Some([]) => {
            Finding::ok("server-ready", "database, Twilio, queue and clock are as the server needs them")
        }
        Some(unready) => Finding::failed(
            "server-ready",
            unready.iter().map(|it| it.escape_debug().to_string()).collect::<Vec<_>>().join("; "),
            "the server cannot do all of its work",
            "see docs/runbook.md, Alerts",
        ),
        None => Finding::warning(
            "server-ready",
            "/health/ready cannot be read from here",
            "whether the server's database and its way to Twilio work is not checked",
            "run this where REJOIN_OPERATOR_LISTEN can be reached",
        ),
    });
    all.extend(signatures(answers));
    // Without the right token the server's answer says nothing about the way to it.
    all.extend(answers.presence.filter(|_| answers.signed == Some(200)).map(presence));
    all.extend(answers.desktops.as_ref().and_then(|versions| desktops(versions, version)));
    all
}

/// Nothing can be said before the first desktop.
fn desktops(versions: &BTreeSet<String>, version: &str) -> Option<Finding> {
    const CHECK: &str = "desktops";
    let shown: Vec<_> = versions.iter().map(|it| it.escape_debug().to_string()).collect();
    let shown = shown.join(", ");
    match versions.iter().all(|it| it == version) {
        _ if versions.is_empty() => None,
        true => Some(Finding::ok(CHECK, format!("since the server's start, all had the plugin {shown}"))),
        false => Some(Finding::warning(
            CHECK,
            format!("since the server's start, desktops had the plugin {shown}; this program is {version}"),
            "calls are protected; what only one of the two knows is skipped",
            "deploy the same version of both, and let agents reload Flex",
        )),
    }
}

/// The server opens it (101), or says that there is no such channel (404), when the request has come to it as it was sent.
fn presence(status: u16) -> Finding {
    const CHECK: &str = "presence";
    match status {
        101 | 404 => Finding::ok(CHECK, "WebSockets of desktops come through"),
        _ => Finding::warning(
            CHECK,
            format!("a WebSocket does not come through: it is answered with HTTP status {status}"),
            "when the network of an agent's machine is gone, the customer hears nothing for half a minute",
            "let the proxy pass /v1/presence as a WebSocket (docs/deployment.md, Behind a reverse proxy)",
        ),
    }
}

fn signatures(answers: &Answers) -> Option<Finding> {
    const CHECK: &str = "signatures";
    let (signed, forged) = (answers.signed?, answers.forged?);
    Some(match (signed, forged) {
        (200, 403) => {
            Finding::ok(CHECK, "a request that is signed as Twilio signs is taken, a forged one is refused")
        }
        (200, _) => Finding::failed(
            CHECK,
            format!("a forged signature is answered with HTTP status {forged} instead of 403"),
            "any sender may act as Twilio, if this comes from the server",
            "check what answers at REJOIN_PUBLIC_URL: a proxy must pass requests on unchanged",
        ),
        (403, _) => Finding::failed(
            CHECK,
            "the server refuses a request that is signed with this auth token for this address",
            "it refuses Twilio's requests as well: no call is recovered",
            "the server has to run with the same TWILIO_AUTH_TOKEN and REJOIN_PUBLIC_URL; restart it after a change",
        ),
        _ => Finding::failed(
            CHECK,
            format!("a signed request is answered with HTTP status {signed} instead of 200"),
            "Twilio's requests may be answered like that, too: no call is recovered",
            "check that the proxy passes POST requests to /twiml and /webhooks on unchanged",
        ),
    })
}
