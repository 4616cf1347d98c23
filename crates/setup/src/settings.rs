//! The server's settings for an account that is set up.

use crate::{Account, Plan, Wanted};
use std::fmt::Write as _;

/// The text of `rejoin.toml`: the settings that differ from account to account. Secrets are not in it.
pub fn settings(account: &Account, wanted: &Wanted, plan: &Plan) -> String {
    let mut text = String::from("# Written by `rejoin provision`. All settings: `rejoin defaults`.\n");
    let mut line = |name: &str, value: &str| {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "{name} = \"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
    };
    line("twilio_account_sid", account.sid.as_str());
    line("twilio_workspace_sid", account.workspace.as_str());
    line("public_url", &wanted.public_url);
    if let Some(fallback) = &wanted.fallback {
        line("fallback_url", &fallback.url);
    }
    if wanted.chats.is_some() {
        line("conversations", "on");
    }
    if let Some(workflow) = &plan.ping_workflow {
        line("ping_workflow_sid", workflow.as_str());
    }
    if let Some(activity) = &plan.reconnecting {
        line("reconnecting_activity_sid", activity.as_str());
    }
    text
}
