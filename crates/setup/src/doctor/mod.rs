//! `rejoin doctor`: whether everything is as calls need it.
//!
//! [`Survey::read`] asks Twilio and changes nothing; [`findings`] judges what was read. What is read of the server and its
//! surroundings is judged here, too ([`server`], [`certificate`], [`fallback`], [`database`], [`clock`]). All judgements are pure: a file for
//! each check.

mod account;
mod activity;
pub mod certificate;
pub mod clock;
mod conversations;
pub mod database;
pub mod fallback;
mod features;
mod finding;
mod flex;
mod flows;
mod logout;
mod numbers;
mod pings;
mod plugin;
mod rights;
pub mod server;
mod streams;
mod survey;
#[cfg(test)]
mod tests;
mod webhook_rules;
mod workers;
mod workflows;
mod workspace;

pub use finding::{Finding, Outcome};
pub use survey::{Flow, Streams, Survey, TaskRouter, Workers};

use rejoin_protocol::{AccountSid, ActivitySid, Millis, WorkflowSid, WorkspaceSid};

/// What the server's settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `TWILIO_ACCOUNT_SID`.
    pub account: AccountSid,
    /// `TWILIO_WORKSPACE_SID`.
    pub workspace: WorkspaceSid,
    /// `REJOIN_PUBLIC_URL`, without a slash at the end.
    pub public_url: String,
    /// `REJOIN_OTHER_PUBLIC_URLS`.
    pub other_public_urls: Vec<String>,
    /// `REJOIN_FALLBACK_URL`, without a slash at the end.
    pub fallback_url: Option<String>,
    /// `REJOIN_TWIML_OVERRIDES`.
    pub twiml_overrides: String,
    /// `REJOIN_PING_WORKFLOW_SID`.
    pub ping_workflow: WorkflowSid,
    /// `REJOIN_OUTBOUND_WORKFLOW_SID`.
    pub outbound_workflow: Option<WorkflowSid>,
    /// `REJOIN_RECONNECTING_ACTIVITY_SID`.
    pub reconnecting_activity: Option<ActivitySid>,
    /// `REJOIN_CONVERSATION_OFFLINE_AFTER_MS`.
    pub offline_after: Option<Millis>,
    /// After how long without a page an agent of a chat is gone: the shortest of the settings.
    pub gone_after: Millis,
    /// The version of this program.
    pub version: String,
}

/// Everything about the account. After wrong credentials, or without an answer, there is nothing else to say about it. What could
/// not be read is reported once, as a right that is missing.
pub fn findings(survey: &Survey, expected: &Expected) -> Vec<Finding> {
    let account = account::judge(&survey.account, expected);
    if account.result == Outcome::Failed {
        return vec![account];
    }
    let mut all = vec![account];
    let workspace = survey.flex.as_ref().ok().map(|flex| workspace::judge(flex, expected));
    let is_other = workspace.as_ref().is_some_and(|finding| finding.result == Outcome::Failed);
    all.extend(rights::judge(survey, is_other));
    all.extend(workspace);
    if let Ok(taskrouter) = &survey.taskrouter {
        all.extend(pings::judge(taskrouter, expected));
        all.push(activity::judge(taskrouter, expected));
        all.extend(workflows::judge(taskrouter, expected));
        all.push(workers::judge(&taskrouter.workers));
        if let Ok(flows) = &survey.flows {
            let numbers = survey.numbers.as_deref().unwrap_or_default();
            let applications = survey.applications.as_deref().unwrap_or_default();
            all.push(flows::judge(flows, (numbers, applications), taskrouter, expected));
        }
    }
    if let Ok(flex) = &survey.flex {
        all.push(flex::judge(flex, expected));
        all.push(features::judge(flex));
    }
    if let (Ok(numbers), Ok(applications)) = (&survey.numbers, &survey.applications) {
        all.push(numbers::judge(numbers, applications, expected.fallback_url.as_deref()));
    }
    if let Ok(streams) = &survey.streams {
        all.push(streams::judge(streams, expected));
    }
    if let Some(chats) = &survey.chats {
        all.push(conversations::judge(chats, expected));
        all.extend(survey.flex.as_ref().ok().map(|flex| logout::judge(flex, expected)));
    }
    all.push(webhook_rules::judge(&survey.webhook_rules, expected));
    if let Ok(plugins) = &survey.plugins {
        all.push(plugin::judge(plugins.as_deref(), expected));
    }
    all
}

/// A name that an administrator or another program has given, so that a terminal obeys nothing in it.
fn shown(name: &str) -> String {
    format!("\"{}\"", name.escape_debug())
}

/// `1 number`, `2 numbers`.
fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
