//! The credentials are accepted, and the account is active.

use super::{Expected, Finding};
use rejoin_twilio::{Account, Error};

const CHECK: &str = "account";

pub(super) fn judge(account: &Result<Account, Error>, expected: &Expected) -> Finding {
    let sid = &expected.account;
    match account {
        Ok(account) if account.status == "active" => Finding::ok(
            CHECK,
            match account.kind.as_deref() {
                Some("Trial") => format!("{sid} accepts the credentials and is active, a trial account"),
                _ => format!("{sid} accepts the credentials and is active"),
            },
        ),
        Ok(account) => Finding::failed(
            CHECK,
            format!("{sid} is {}", account.status.escape_debug()),
            "Twilio carries no calls of this account",
            "see the account's page in Twilio's console, or ask Twilio's support",
        ),
        Err(Error::Unauthorized) => Finding::failed(
            CHECK,
            format!("Twilio does not accept the auth token for {sid}"),
            "no call is recovered, and Twilio's webhooks are refused",
            "compare TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN with the console",
        ),
        Err(Error::Refused { .. } | Error::Gone) => Finding::failed(
            CHECK,
            format!("Twilio does not show {sid} to these credentials"),
            "no call is recovered",
            "use the auth token of this account in TWILIO_AUTH_TOKEN",
        ),
        Err(Error::Throttled { .. }) => Finding::failed(
            CHECK,
            "Twilio asks for fewer requests, also after a while",
            "the server waits, too: customers wait longer",
            "find what else sends requests with this account, and run this again",
        ),
        Err(error) => Finding::failed(
            CHECK,
            format!("Twilio does not answer ({})", word(error)),
            "customers who lost their agent stay on the line, but nothing is done for them",
            "check this machine's network, TWILIO_API_BASE and status.twilio.com",
        ),
    }
}

/// Why there is no answer, in a few words.
pub(super) fn word(error: &Error) -> String {
    match error {
        Error::Transport { what, .. } => (*what).to_owned(),
        Error::Unavailable { status, .. } | Error::Refused { status, code: 0 } => {
            format!("HTTP status {status}")
        }
        Error::Refused { status, code } => format!("HTTP status {status}, code {code}"),
        Error::Gone => "HTTP status 404".to_owned(),
        Error::Unauthorized => "the credentials are not accepted".to_owned(),
        Error::Throttled { .. } => "too many requests, HTTP status 429".to_owned(),
        error => error.name().to_owned(),
    }
}
