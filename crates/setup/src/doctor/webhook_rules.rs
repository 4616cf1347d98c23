//! No rule of the Webhooks configuration API changes how Twilio signs requests to this server, which knows the auth token's
//! signatures alone (<https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys>).

use super::account::word;
use super::{Expected, Finding};
use rejoin_twilio::{Error, WebhookRule, WebhookSetting};
use serde_json::Value;
use std::cmp::Reverse;

const CHECK: &str = "webhook-rules";
/// Where the server verifies signatures.
const SIGNED: [&str; 2] = ["/webhooks/", "/twiml/"];
/// The signature that the server verifies.
const OURS: &str = "HMAC_SHA1";

pub(super) fn judge(
    read: &Result<(Vec<WebhookRule>, Vec<WebhookSetting>), Error>,
    expected: &Expected,
) -> Finding {
    let (rules, settings) = match read {
        Ok(read) => read,
        Err(Error::Gone) => {
            return Finding::ok(CHECK, "this account does not have the Webhooks configuration API");
        }
        Err(error) => {
            return Finding::warning(
                CHECK,
                format!("the rules could not be read ({})", word(error)),
                "if a rule signs requests to this server with a key of its own, all of them are refused",
                "see in Twilio's console that no rule does",
            );
        }
    };
    let urls: Vec<_> = [&expected.public_url].into_iter().chain(&expected.other_public_urls).collect();
    let matching: Vec<_> = urls.iter().flat_map(|url| applied(rules, url)).collect();
    let foreign = |rule: &&&WebhookRule| {
        let of = |setting: &&WebhookSetting| rule.settings.contains(&setting.id);
        settings.iter().filter(of).any(|setting| is_foreign(&setting.signature))
    };
    match matching.iter().find(foreign) {
        Some(rule) => Finding::failed(
            CHECK,
            format!(
                "the rule {} signs requests to this server with a key of its own",
                rule.id.escape_debug()
            ),
            "the server refuses Twilio's webhooks and requests for documents: no call is recovered, and customers in a queue are hung up on",
            "let the rule leave out this server's addresses, or remove the signature from its setting",
        ),
        None if matching.is_empty() => Finding::ok(CHECK, "no rule matches this server's addresses"),
        None => Finding::ok(CHECK, "no rule changes the signature of requests to this server"),
    }
}

/// The rules that apply to some address below `url`: exact matches first, then prefixes, the longest first, then the default
/// (<https://www.twilio.com/docs/usage/webhooks/webhook-configuration-faq>). A prefix that covers all of `url` hides what comes
/// after it.
fn applied<'a>(rules: &'a [WebhookRule], url: &str) -> Vec<&'a WebhookRule> {
    let below = |text: &str| text.strip_prefix(url).is_some_and(is_signed);
    let exact = rules
        .iter()
        .filter(|rule| rule.match_type == "EXACT_MATCH" && rule.value.as_deref().is_some_and(below));
    let mut all: Vec<_> = exact.collect();
    let mut prefixes: Vec<_> = rules
        .iter()
        .filter(|rule| rule.match_type == "PREFIX_MATCH")
        .filter_map(|rule| Some((rule, rule.prefix.as_deref()?)))
        .filter(|(_, prefix)| url.starts_with(prefix) || below(prefix))
        .collect();
    prefixes.sort_by_key(|(_, prefix)| Reverse(prefix.len()));
    for (rule, prefix) in prefixes {
        all.push(rule);
        if url.starts_with(prefix) {
            return all;
        }
    }
    all.extend(rules.iter().filter(|rule| rule.match_type == "DEFAULT"));
    all
}

/// True when a signed request of Twilio's may have a path that begins so, or be below it.
fn is_signed(path: &str) -> bool {
    SIGNED.iter().any(|signed| path.starts_with(signed) || signed.starts_with(path))
}

/// True when the signature is made with a key other than the auth token, or by another algorithm. Unconfirmed: the names of the
/// fields; anything that is neither a known algorithm nor empty counts.
fn is_foreign(signature: &Value) -> bool {
    match signature {
        Value::Null => false,
        Value::String(text) => text != OURS,
        Value::Object(fields) => fields.values().any(is_foreign),
        _ => true,
    }
}
