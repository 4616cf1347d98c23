//! Phone numbers have a fallback address, for when a document cannot be fetched
//! (<https://www.twilio.com/docs/usage/security/availability-reliability>).

use super::{Finding, count};
use rejoin_twilio::PhoneNumber;

const CHECK: &str = "numbers";
/// How many SIDs are named.
const NAMED: usize = 5;

pub(super) fn judge(numbers: &[PhoneNumber]) -> Finding {
    let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let (elsewhere, own): (Vec<_>, Vec<_>) =
        numbers.iter().partition(|number| is_set(&number.voice_application_sid) || is_set(&number.trunk_sid));
    let calls: Vec<_> = own.into_iter().filter(|number| is_set(&number.voice_url)).collect();
    let without: Vec<_> = calls.iter().filter(|number| !is_set(&number.voice_fallback_url)).collect();
    let rest = match elsewhere.len() {
        0 => String::new(),
        some => format!("; {} with an application or a trunk not checked", count(some, "number")),
    };
    if without.is_empty() {
        return Finding::ok(
            CHECK,
            format!("{} for calls, with a fallback address each{rest}", count(calls.len(), "number")),
        );
    }
    let mut named: Vec<_> = without.iter().take(NAMED).map(|number| number.sid.as_str()).collect();
    if without.len() > NAMED {
        named.push("…");
    }
    Finding::warning(
        CHECK,
        format!(
            "{} for calls, {} without a fallback address ({}){rest}",
            count(calls.len(), "number"),
            without.len(),
            named.join(", ")
        ),
        "if a document of your flow or of the server cannot be fetched, Twilio hangs up on the customer",
        "give each number a `VoiceFallbackUrl` on another host, such as a TwiML Bin that apologises and enqueues",
    )
}
