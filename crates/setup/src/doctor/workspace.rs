//! The configured workspace is the one that Flex uses.

use super::{Expected, Finding};
use serde_json::Value;

const CHECK: &str = "workspace";

pub(super) fn judge(flex: &Value, expected: &Expected) -> Finding {
    let configured = &expected.workspace;
    match flex["taskrouter_workspace_sid"].as_str() {
        Some(sid) if sid == configured.as_str() => {
            Finding::ok(CHECK, format!("{sid} is the one that Flex uses"))
        }
        Some(sid) => Finding::failed(
            CHECK,
            format!("Flex uses {}, the server {configured}", sid.escape_debug()),
            "the server sees no tasks and reaches no agents: no call is recovered",
            format!("set TWILIO_WORKSPACE_SID to {}", sid.escape_debug()),
        ),
        None => Finding::failed(
            CHECK,
            "Flex's configuration names no workspace",
            "there is no Flex in this account, so no call has an agent",
            "create a Flex project in this account (https://console.twilio.com), or use the account that has one",
        ),
    }
}
