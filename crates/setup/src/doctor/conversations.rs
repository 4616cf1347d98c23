//! The account's webhook of Conversations tells the server of chats, if it watches them. The webhook of Interactions is not
//! checked: no request is known that shows it
//! (<https://www.twilio.com/docs/flex/developer/conversations/interactions-api/interaction-webhooks>).

use super::account::word;
use super::{Expected, Finding};
use crate::chats::{self, Standing};
use rejoin_twilio::{ConversationWebhook, Error};

const CHECK: &str = "conversations";
const MEANS: &str = "chats are recovered, but later: the server learns what customers write, and that a chat has ended, only by looks";

pub(super) fn judge(webhook: &Result<ConversationWebhook, Error>, expected: &Expected) -> Finding {
    let address = chats::address(&expected.public_url);
    let there = match webhook {
        Ok(there) => there,
        Err(error) => {
            return Finding::warning(
                CHECK,
                format!("the webhook of Conversations cannot be read ({})", word(error)),
                "chats go on; whether the server is told of them is not checked",
                "give the key this right, or look in Twilio's console (Conversations, Defaults)",
            );
        }
    };
    match chats::standing(there, &expected.public_url, &[]) {
        Standing::Fits => Finding::ok(CHECK, format!("the webhook of Conversations leads to {address}")),
        Standing::Others(why) => Finding::warning(
            CHECK,
            format!("the webhook of Conversations: {why}"),
            MEANS,
            format!("have its events passed on to {address}, with Twilio's signature"),
        ),
        Standing::Differs(_) if chats::address_of(there).is_empty() => Finding::warning(
            CHECK,
            "the webhook of Conversations leads nowhere",
            MEANS,
            "`rejoin provision --conversations` sets it",
        ),
        Standing::Differs(wanted) => Finding::warning(
            CHECK,
            format!("the webhook of Conversations is {}", chats::shown(there)),
            MEANS,
            format!("`rejoin provision --conversations` makes it {}", chats::shown(&wanted)),
        ),
    }
}
