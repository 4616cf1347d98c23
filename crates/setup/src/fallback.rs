//! The fallback address of what customers call: `rejoin fallback` on another host. It stands at a phone number, or at the TwiML
//! application whose addresses count instead of the number's own.

use rejoin_protocol::WorkflowSid;
use rejoin_twilio::{Holder, PhoneNumber, VoiceAddresses};
use std::collections::{BTreeMap, BTreeSet};

/// The beginning of the addresses of Studio's flows, to which Flex's numbers lead
/// (<https://www.twilio.com/docs/studio/rest-api/v2/flow>, `webhook_url`).
pub(crate) const STUDIO: &str = "https://webhooks.twilio.com/";
/// How the fallback is asked.
pub(crate) const METHOD: &str = "POST";
/// How many SIDs are named.
const NAMED: usize = 5;

/// The fallback that the account's numbers and applications are to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fallback {
    /// `REJOIN_FALLBACK_URL`, without a slash at the end.
    pub url: String,
    /// The numbers, each by its SID or in E.164. With no number and no application: what leads to Studio.
    pub numbers: Vec<String>,
    /// The applications, each by its SID.
    pub applications: Vec<String>,
    /// The workflow of their calls, by SID or name; `None`: the one that is chosen, if it is one.
    pub workflow: Option<String>,
    /// Whether an address that is not ours is replaced.
    pub replace: bool,
    /// The addresses that earlier runs have set, by the SIDs of numbers and applications.
    pub written: BTreeMap<String, Vec<String>>,
}

impl Fallback {
    /// True when the address is one of this fallback, or an earlier run has set it.
    pub(crate) fn is_ours(&self, holder: &VoiceAddresses) -> bool {
        let there = address(holder);
        let written = || self.written.get(&holder.sid).is_some_and(|all| all.iter().any(|it| it == there));
        leads_to(there, &self.url) || written()
    }

    /// The address for calls of this workflow.
    pub(crate) fn address(&self, workflow: Option<&WorkflowSid>) -> String {
        let base = base(&self.url);
        workflow.map_or_else(|| base.clone(), |workflow| format!("{base}?workflow={workflow}"))
    }
}

fn base(url: &str) -> String {
    format!("{url}/twiml/fallback")
}

/// True when the address is one of this fallback.
pub(crate) fn leads_to(address: &str, url: &str) -> bool {
    !address.is_empty() && address.split(['?', '#']).next() == Some(base(url).as_str())
}

/// The workflow that an address names.
pub(crate) fn workflow_of(address: &str) -> Option<WorkflowSid> {
    let query = address.split('#').next()?.split_once('?')?.1;
    let workflow = query.split('&').find_map(|pair| pair.strip_prefix("workflow="));
    workflow.and_then(|workflow| WorkflowSid::parse(workflow).ok())
}

/// The fallback address; empty: none.
pub(crate) fn address(holder: &VoiceAddresses) -> &str {
    holder.voice_fallback_url.as_deref().unwrap_or_default()
}

/// The addresses that count for calls to a number: those of its application, if it has one, else its own.
///
/// # Errors
/// Why neither counts.
pub(crate) fn counting<'a>(
    number: &'a PhoneNumber,
    applications: &'a [VoiceAddresses],
) -> Result<&'a VoiceAddresses, String> {
    if is_set(number.trunk_sid.as_ref()) {
        return Err("a trunk has its calls, which has a disaster recovery URL of its own".to_owned());
    }
    match &number.voice_application_sid {
        Some(sid) if !sid.is_empty() => {
            let found = applications.iter().find(|application| application.sid == *sid);
            let shown = sid.escape_debug();
            found.ok_or_else(|| format!("the TwiML application {shown} has its calls, and is not there"))
        }
        _ => Ok(&number.addresses),
    }
}

/// The addresses that count for the account's calls, each once: of numbers, of the applications of numbers, and of applications that
/// lead to Studio. Then the numbers that have no such address, each with the reason.
pub(crate) fn holders<'a>(
    numbers: &'a [PhoneNumber],
    applications: &'a [VoiceAddresses],
) -> (Vec<&'a VoiceAddresses>, Vec<(&'a PhoneNumber, String)>) {
    let (mut holders, mut elsewhere) = (vec![], vec![]);
    for number in numbers {
        match counting(number, applications) {
            Ok(holder) => holders.push(holder),
            Err(why) => elsewhere.push((number, why)),
        }
    }
    holders.extend(applications.iter().filter(|application| is_studio(application)));
    (each_once(holders), elsewhere)
}

/// Several numbers may have the same application.
pub(crate) fn each_once(holders: Vec<&VoiceAddresses>) -> Vec<&VoiceAddresses> {
    let mut seen = BTreeSet::new();
    holders.into_iter().filter(|holder| seen.insert(&holder.sid)).collect()
}

/// True when the documents of its calls are a flow of Studio's.
pub(crate) fn is_studio(holder: &VoiceAddresses) -> bool {
    holder.voice_url.as_ref().is_some_and(|url| url.starts_with(STUDIO))
}

/// As it is named: `number PN…`, `application AP…`.
pub(crate) fn label(sid: &str) -> String {
    format!("{} {}", Holder::of(sid), sid.escape_debug())
}

/// The first few SIDs.
pub(crate) fn named<'a>(sids: impl ExactSizeIterator<Item = &'a str>) -> String {
    let are_more = sids.len() > NAMED;
    let mut named: Vec<_> = sids.take(NAMED).collect();
    if are_more {
        named.push("…");
    }
    named.join(", ")
}

/// True when a text of Twilio's is there.
pub(crate) fn is_set(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

/// An address as it is shown: without a user and a password, and so that a terminal obeys nothing in it.
pub(crate) fn shown(address: &str) -> String {
    let hidden = address.split_once("://").map(|(scheme, rest)| {
        let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host = host.rsplit_once('@').map_or_else(|| host.to_owned(), |(_, host)| format!("***@{host}"));
        format!("{scheme}://{host}{path}")
    });
    hidden.as_deref().unwrap_or(address).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        assert_eq!(shown("https://u:p@example.com/a@b?c"), "https://***@example.com/a@b?c");
        assert_eq!(shown("https://example.com\u{1b}/"), "https://example.com\\u{1b}/");
        assert_eq!(shown(""), "");
    }

    #[test]
    fn an_address_is_ours_by_host_and_path_and_names_its_workflow() {
        let url = "https://fallback.example.com";
        let workflow = WorkflowSid::numbered(1);
        let fallback = Fallback { url: url.into(), ..Fallback::default() };
        let address = fallback.address(Some(&workflow));
        assert_eq!(workflow_of(&address), Some(workflow));
        assert_eq!(workflow_of("https://example.com/?workflow=1"), None);
        assert!(leads_to(&address, url) && leads_to(&fallback.address(None), url));
        for other in [
            "",
            "https://fallback.example.com/twiml/fallback2",
            "https://fallback.example.com.evil/twiml/fallback",
        ] {
            assert!(!leads_to(other, url), "{other}");
        }
    }
}
