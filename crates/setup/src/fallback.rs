//! The fallback address of the account's phone numbers: `rejoin fallback` on another host.

use rejoin_protocol::WorkflowSid;
use rejoin_twilio::PhoneNumber;
use std::collections::BTreeMap;

/// The beginning of the addresses of Studio's flows, to which Flex's numbers lead
/// (<https://www.twilio.com/docs/studio/rest-api/v2/flow>, `webhook_url`).
pub(crate) const STUDIO: &str = "https://webhooks.twilio.com/";
/// How the fallback is asked.
pub(crate) const METHOD: &str = "POST";

/// The fallback that the account's numbers are to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fallback {
    /// `REJOIN_FALLBACK_URL`, without a slash at the end.
    pub url: String,
    /// The numbers, each by its SID or in E.164; empty: those that lead to Studio.
    pub numbers: Vec<String>,
    /// The workflow of their calls, by SID or name; `None`: the one that is chosen, if it is one.
    pub workflow: Option<String>,
    /// Whether an address that is not ours is replaced.
    pub replace: bool,
    /// The addresses that earlier runs have set, by the numbers' SIDs.
    pub written: BTreeMap<String, Vec<String>>,
}

impl Fallback {
    /// True when the address is one of this fallback, or an earlier run has set it.
    pub(crate) fn is_ours(&self, number: &PhoneNumber) -> bool {
        let there = address(number);
        let written = || self.written.get(&number.sid).is_some_and(|all| all.iter().any(|it| it == there));
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

/// The number's fallback address; empty: none.
pub(crate) fn address(number: &PhoneNumber) -> &str {
    number.voice_fallback_url.as_deref().unwrap_or_default()
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
