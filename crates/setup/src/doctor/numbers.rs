//! Phone numbers have a fallback address, for when a document cannot be fetched
//! (<https://www.twilio.com/docs/usage/security/availability-reliability>).

use super::{Finding, count};
use crate::fallback;
use rejoin_twilio::PhoneNumber;

const CHECK: &str = "numbers";
/// How many SIDs are named.
const NAMED: usize = 5;

/// `fallback_url`: of the fallback, whose address each number is to have; `None`: any address will do.
pub(super) fn judge(numbers: &[PhoneNumber], fallback_url: Option<&str>) -> Finding {
    let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let (elsewhere, own): (Vec<_>, Vec<_>) =
        numbers.iter().partition(|number| is_set(&number.voice_application_sid) || is_set(&number.trunk_sid));
    let calls: Vec<_> = own.into_iter().filter(|number| is_set(&number.voice_url)).collect();
    let without: Vec<_> = calls.iter().filter(|number| !is_set(&number.voice_fallback_url)).collect();
    let rest = match elsewhere.len() {
        0 => String::new(),
        some => format!("; {} with an application or a trunk not checked", count(some, "number")),
    };
    if let Some(url) = fallback_url {
        return of_fallback(&calls, url, &rest);
    }
    if without.is_empty() {
        return Finding::ok(
            CHECK,
            format!("{} for calls, with a fallback address each{rest}", count(calls.len(), "number")),
        );
    }
    Finding::warning(
        CHECK,
        format!(
            "{} for calls, {} without a fallback address ({}){rest}",
            count(calls.len(), "number"),
            without.len(),
            named(without.iter().map(|number| &***number))
        ),
        "if a document of your flow or of the server cannot be fetched, Twilio hangs up on the customer",
        "give each number a `VoiceFallbackUrl` on another host, such as a TwiML Bin that apologises and enqueues",
    )
}

/// Each number for calls leads to this fallback, by POST.
fn of_fallback(calls: &[&PhoneNumber], url: &str, rest: &str) -> Finding {
    let (ours, others): (Vec<&PhoneNumber>, Vec<&PhoneNumber>) = calls.iter().partition(|number| {
        fallback::leads_to(fallback::address(number), url)
            && number.voice_fallback_method.as_deref().is_none_or(|method| method == fallback::METHOD)
    });
    let all = count(calls.len(), "number");
    if others.is_empty() {
        return Finding::ok(
            CHECK,
            format!("{all} for calls, each with an address of {url} as its fallback{rest}"),
        );
    }
    let (without, foreign): (Vec<_>, Vec<_>) =
        others.iter().copied().partition(|number| fallback::address(number).is_empty());
    let mut found = vec![format!("{all} for calls, {} with an address of {url} as the fallback", ours.len())];
    for (numbers, what) in [(without, "without any"), (foreign, "with another, or not by POST")] {
        if !numbers.is_empty() {
            found.push(format!("{} {what} ({})", numbers.len(), named(numbers.iter().copied())));
        }
    }
    Finding::warning(
        CHECK,
        format!("{}{rest}", found.join("; ")),
        "if the server is away when a document of your flow is due, the fallback is not asked: without an address Twilio hangs up \
         on the customer; with another one, that one answers",
        "`rejoin provision` with REJOIN_FALLBACK_URL sets it; --number SID chooses a number, --replace-fallback replaces another address",
    )
}

/// The SIDs of the first few.
fn named<'a>(numbers: impl ExactSizeIterator<Item = &'a PhoneNumber>) -> String {
    let are_more = numbers.len() > NAMED;
    let mut named: Vec<_> = numbers.take(NAMED).map(|number| number.sid.as_str()).collect();
    if are_more {
        named.push("…");
    }
    named.join(", ")
}
