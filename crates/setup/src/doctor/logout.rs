//! If the server watches chats: by the account's logout settings TaskRouter knows an agent whose page does not reach the server.

use super::{Expected, Finding};
use crate::logout::{NOTICED_WITHIN, offline_after};
use rejoin_protocol::Millis;
use serde_json::Value;

const CHECK: &str = "logout";
const SETTING: &str = "REJOIN_CONVERSATION_OFFLINE_AFTER_MS";

pub(super) fn judge(flex: &Value, expected: &Expected) -> Finding {
    let set = expected.offline_after.filter(|after| *after > Millis(0));
    if expected.offline_after.is_some() && set.is_none() {
        return Finding::ok(
            CHECK,
            format!("{SETTING} is 0: TaskRouter is not asked whether agents are at a desktop"),
        );
    }
    let Some(after) = set.or(offline_after(flex)) else {
        return Finding::warning(
            CHECK,
            "Flex's configuration does not say that agents are set offline who have no desktop",
            "an agent of a chat whose page does not reach the server counts as gone, though they may be at a desktop",
            format!(
                "turn on \"Enforce logout\" in Twilio's console (Flex, Manage, General settings); if it is on, set {SETTING} to its threshold"
            ),
        );
    };
    let found = format!(
        "Flex sets an agent offline {} s after their last desktop is gone; for the server an agent is gone after {} s",
        seconds(after),
        seconds(expected.gone_after)
    );
    let least = after + NOTICED_WITHIN;
    if expected.gone_after >= least {
        return Finding::ok(CHECK, found);
    }
    Finding::warning(
        CHECK,
        found,
        "the customer of an agent whose page does not reach the server is told that they are gone, before TaskRouter can say that they are not",
        format!(
            "lower the threshold in Twilio's console, or set REJOIN_CONVERSATION_GOODBYE_MS, REJOIN_CONVERSATION_PUSH_CLOSED_MS and \
             REJOIN_CONVERSATION_POLLING_STOPPED_MS to {} or more",
            least.0
        ),
    )
}

fn seconds(time: Millis) -> u64 {
    time.0.div_ceil(1000)
}
