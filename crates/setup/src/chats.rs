//! The account's webhook of Conversations, which tells the server of chats. Twilio has one per account, so another's stays.

use rejoin_twilio::ConversationWebhook;

/// The events that the server uses (docs/conversations.md).
const EVENTS: [&str; 2] = ["onMessageAdded", "onConversationStateUpdated"];
/// How the server takes them.
pub(crate) const METHOD: &str = "POST";

/// What is to be done with the webhook as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The server gets what it uses.
    Fits,
    /// It is to become this.
    Differs(ConversationWebhook),
    /// It is another's, for this reason.
    Others(String),
}

/// Where the server takes events of conversations.
pub(crate) fn address(public_url: &str) -> String {
    format!("{public_url}/webhooks/conversations")
}

/// Where the server takes events of interactions.
pub(crate) fn interactions(public_url: &str) -> String {
    format!("{public_url}/webhooks/interactions")
}

/// The address of a webhook; empty: none.
pub(crate) fn address_of(webhook: &ConversationWebhook) -> &str {
    webhook.post_webhook_url.as_deref().unwrap_or_default()
}

/// The events of a webhook.
pub(crate) fn events_of(webhook: &ConversationWebhook) -> impl Iterator<Item = &str> {
    webhook.filters.iter().flatten().map(String::as_str)
}

/// What is to be done with this webhook. `written`: the addresses that earlier runs have written.
pub(crate) fn standing(there: &ConversationWebhook, public_url: &str, written: &[String]) -> Standing {
    let (ours, address) = (address(public_url), address_of(there));
    if there.target.as_deref() == Some("flex") {
        return Standing::Others("its target is Flex".to_owned());
    }
    if !address.is_empty() && address != ours && !written.iter().any(|it| it == address) {
        return Standing::Others(format!("it leads to another address, {}", crate::fallback::shown(address)));
    }
    let missing = EVENTS.into_iter().filter(|event| !events_of(there).any(|it| it == *event));
    // Another address may get events before, by the same list.
    let events: Vec<String> = events_of(there).chain(missing).map(str::to_owned).collect();
    let wanted = ConversationWebhook {
        post_webhook_url: Some(ours),
        method: Some(METHOD.to_owned()),
        filters: Some(events),
        target: there.target.clone(),
    };
    if *there == wanted { Standing::Fits } else { Standing::Differs(wanted) }
}

/// A webhook as a line shows it.
pub(crate) fn shown(webhook: &ConversationWebhook) -> String {
    let events: Vec<&str> = events_of(webhook).collect();
    let method = webhook.method.as_deref().unwrap_or_default();
    format!("{method} {}: {}", crate::fallback::shown(address_of(webhook)), events.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://rejoin.example.com";

    fn webhook(url: &str, events: &[&str]) -> ConversationWebhook {
        ConversationWebhook {
            post_webhook_url: (!url.is_empty()).then(|| url.to_owned()),
            method: Some(METHOD.to_owned()),
            filters: Some(events.iter().map(|it| (*it).to_owned()).collect()),
            target: Some("webhook".to_owned()),
        }
    }

    #[test]
    fn what_is_there_stays_and_what_is_missing_is_added() {
        let ours = address(URL);
        let Standing::Differs(wanted) = standing(&webhook("", &["onMessageAdd"]), URL, &[]) else {
            panic!("nothing is there")
        };
        assert_eq!(wanted, webhook(&ours, &["onMessageAdd", "onMessageAdded", "onConversationStateUpdated"]));
        assert_eq!(standing(&wanted, URL, &[]), Standing::Fits);
        let part = webhook(&ours, &["onMessageAdded"]);
        assert!(matches!(standing(&part, URL, &[]), Standing::Differs(_)));
    }

    #[test]
    fn another_s_webhook_stays_but_not_one_that_an_earlier_run_has_written() {
        let before = webhook("https://old.example.com/webhooks/conversations", &EVENTS);
        assert!(matches!(standing(&before, URL, &[]), Standing::Others(_)));
        let written = ["https://old.example.com/webhooks/conversations".to_owned()];
        assert!(matches!(standing(&before, URL, &written), Standing::Differs(_)));
        let to_flex =
            ConversationWebhook { target: Some("flex".to_owned()), ..ConversationWebhook::default() };
        assert!(matches!(standing(&to_flex, URL, &[]), Standing::Others(_)));
    }
}
