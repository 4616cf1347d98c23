//! Phone numbers, and the TwiML applications that stand behind some of them, have a fallback address, for when a document cannot be
//! fetched (<https://www.twilio.com/docs/usage/security/availability-reliability>).

use super::{Finding, count};
use crate::fallback;
use rejoin_twilio::{Holder, PhoneNumber, VoiceAddresses};

const CHECK: &str = "numbers";

/// `fallback_url`: of the fallback, whose address each is to have; `None`: any address will do.
pub(super) fn judge(
    numbers: &[PhoneNumber],
    applications: &[VoiceAddresses],
    fallback_url: Option<&str>,
) -> Finding {
    let (mut calls, elsewhere) = fallback::holders(numbers, applications);
    calls.retain(|holder| fallback::is_set(holder.voice_url.as_ref()));
    let rest = match elsewhere.len() {
        0 => String::new(),
        some => format!("; {} with a trunk, or a missing application, not checked", count(some, "number")),
    };
    if let Some(url) = fallback_url {
        return of_fallback(&calls, url, &rest);
    }
    let without: Vec<_> =
        calls.iter().copied().filter(|holder| fallback::address(holder).is_empty()).collect();
    let all = counted(&calls);
    if without.is_empty() {
        return Finding::ok(CHECK, format!("{all} for calls, with a fallback address each{rest}"));
    }
    Finding::warning(
        CHECK,
        format!("{all} for calls, {} without a fallback address ({}){rest}", without.len(), named(&without)),
        "if a document of your flow or of the server cannot be fetched, Twilio hangs up on the customer",
        "give each a `VoiceFallbackUrl` on another host, such as a TwiML Bin that apologises and enqueues",
    )
}

/// Each number and application for calls leads to this fallback, by POST.
fn of_fallback(calls: &[&VoiceAddresses], url: &str, rest: &str) -> Finding {
    let (ours, others): (Vec<&VoiceAddresses>, Vec<&VoiceAddresses>) = calls.iter().partition(|holder| {
        fallback::leads_to(fallback::address(holder), url)
            && holder.voice_fallback_method.as_deref().is_none_or(|method| method == fallback::METHOD)
    });
    let all = counted(calls);
    if others.is_empty() {
        return Finding::ok(
            CHECK,
            format!("{all} for calls, each with an address of {url} as its fallback{rest}"),
        );
    }
    let (without, foreign): (Vec<_>, Vec<_>) =
        others.iter().copied().partition(|holder| fallback::address(holder).is_empty());
    let mut found = vec![format!("{all} for calls, {} with an address of {url} as the fallback", ours.len())];
    for (holders, what) in [(without, "without any"), (foreign, "with another, or not by POST")] {
        if !holders.is_empty() {
            found.push(format!("{} {what} ({})", holders.len(), named(&holders)));
        }
    }
    Finding::warning(
        CHECK,
        format!("{}{rest}", found.join("; ")),
        "if the server is away when a document of your flow is due, the fallback is not asked: without an address Twilio hangs up \
         on the customer; with another one, that one answers",
        "`rejoin provision` with REJOIN_FALLBACK_URL sets it; --number SID and --application SID choose, --replace-fallback replaces \
         another address",
    )
}

/// `1 number`, `2 numbers and 1 application`.
pub(super) fn counted(holders: &[&VoiceAddresses]) -> String {
    let is_number = |holder: &&&VoiceAddresses| Holder::of(&holder.sid) == Holder::Number;
    let numbers = holders.iter().filter(is_number).count();
    match (numbers, holders.len() - numbers) {
        (numbers, 0) => count(numbers, "number"),
        (0, applications) => count(applications, "application"),
        (numbers, applications) => {
            format!("{} and {}", count(numbers, "number"), count(applications, "application"))
        }
    }
}

fn named(holders: &[&VoiceAddresses]) -> String {
    fallback::named(holders.iter().map(|holder| holder.sid.as_str()))
}
