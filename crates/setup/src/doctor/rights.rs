//! What may be read with the credentials: one harmless request for each of Twilio's APIs.

use super::account::word;
use super::{Finding, Survey};
use rejoin_twilio::Error;

const TOKENS: &str = "rights-tokens";

/// An API, and what stops working without it.
struct Right<'a> {
    name: &'static str,
    /// What, and what is done with it.
    what: (&'static str, &'static str),
    error: Option<&'a Error>,
    /// True when calls depend on it.
    is_vital: bool,
    means: &'static str,
}

/// `is_other`: the workspace is another account's, which is reported elsewhere.
pub(super) fn judge(survey: &Survey, is_other: bool) -> Vec<Finding> {
    let right = |name, what, error, is_vital, means| Right { name, what, error, is_vital, means };
    let all = [
        right(
            "rights-voice",
            ("conferences", "read"),
            survey.voice.as_ref().err(),
            true,
            "calls can be neither polled nor announced to nor requeued: no call is recovered",
        ),
        right(
            "rights-taskrouter",
            ("the TaskRouter workspace", "read"),
            survey.taskrouter.as_ref().err().filter(|error| !(is_other && **error == Error::Gone)),
            true,
            "agents cannot be pinged, and tasks cannot be read: no call is recovered",
        ),
        right(
            TOKENS,
            ("agents' tokens", "validated"),
            survey.tokens.as_ref().err(),
            true,
            "no desktop can sign in at the server: no call is registered",
        ),
        right(
            "rights-flex",
            ("Flex's configuration", "read"),
            survey.flex.as_ref().err(),
            false,
            "calls go on; whether desktops find the server is not checked, and `rejoin provision` does not work",
        ),
        right(
            "rights-events",
            ("Event Streams", "read"),
            survey.streams.as_ref().err(),
            false,
            "calls go on; sinks are not checked",
        ),
        right(
            "rights-studio",
            ("Studio's flows", "read"),
            survey.flows.as_ref().err(),
            false,
            "calls go on; whether flows name the `action` is not checked",
        ),
        right(
            "rights-numbers",
            ("phone numbers", "read"),
            survey.numbers.as_ref().err(),
            false,
            "calls go on; fallback addresses are not checked",
        ),
        right(
            "rights-applications",
            ("TwiML applications", "read"),
            survey.applications.as_ref().err(),
            false,
            "calls go on; fallback addresses are not checked",
        ),
        right(
            "rights-serverless",
            ("services of Functions and Assets", "read"),
            survey.serverless.as_ref().err(),
            false,
            "calls go on; a plugin cannot be deployed with these credentials",
        ),
        right(
            "rights-plugins",
            ("released plugins", "read"),
            survey.plugins.as_ref().err(),
            false,
            "calls go on; which plugin desktops load is not checked, and none can be released with these credentials",
        ),
    ];
    all.iter().map(one).collect()
}

fn one(right: &Right<'_>) -> Finding {
    let Right { name, what, error, is_vital, means } = right;
    let (what, done) = what;
    let Some(error) = error else { return Finding::ok(*name, format!("{what} can be {done}")) };
    let cannot = |why: String| format!("{what} cannot be {done}: {why}");
    let (found, remedy) = match error {
        Error::Gone => (
            cannot(format!("Twilio answers with {}", word(error))),
            "check that Flex runs in this account; before the first plugin is deployed there may be none"
                .to_owned(),
        ),
        Error::Unauthorized | Error::Refused { .. } => (
            cannot(format!("Twilio does not allow it ({})", word(error))),
            "use the account's auth token, or give the key this right".to_owned(),
        ),
        error => (
            cannot(format!("no usable answer ({})", word(error))),
            "check the network and status.twilio.com, and run this again".to_owned(),
        ),
    };
    // Twilio may answer so about the invalid token itself: the account has accepted the credentials.
    let is_unclear = *name == TOKENS && **error == Error::Unauthorized;
    if *is_vital && !is_unclear {
        Finding::failed(*name, found, *means, remedy)
    } else {
        Finding::warning(*name, found, *means, remedy)
    }
}
