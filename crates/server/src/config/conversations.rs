//! Settings of conversations.

use clap::Args;
use rejoin_conversations::{AtDeadline, Changes, Policies, Policy, RELOAD, WhenUnattended};
use rejoin_protocol::{Millis, WorkflowSid};
use std::collections::BTreeMap;

/// Whether something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// It is not.
    Off,
    /// It is.
    On,
}

/// What happens to a conversation whose agent is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Unattended {
    /// An agent is invited: the last one first, then any.
    Route,
    /// It is parked until the customer writes; a customer who waits for an answer is routed.
    Park,
}

/// What happens to a conversation that no agent has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Untaken {
    /// It is parked until the customer writes.
    Park,
    /// It is closed.
    Close,
}

fn machine() -> Policy {
    Policy::default()
}

/// Conversations: durations in milliseconds.
#[derive(Clone, Debug, Args)]
pub struct ConversationSettings {
    /// Whether conversations are watched, so that a chat does not stay with an agent whose page is gone. It needs Twilio's
    /// webhook of conversations.
    #[arg(long = "conversations", env = "REJOIN_CONVERSATIONS", value_enum, default_value = "off")]
    pub on: Switch,
    /// Time from a page's goodbye until its agent counts as gone; at least 15 s, which a refresh may take.
    #[arg(long = "conversation-goodbye-ms", env = "REJOIN_CONVERSATION_GOODBYE_MS", default_value_t = machine().goodbye.0)]
    pub goodbye_ms: u64,
    /// Time from the end of a page's push channel until its agent counts as gone.
    #[arg(long = "conversation-push-closed-ms", env = "REJOIN_CONVERSATION_PUSH_CLOSED_MS", default_value_t = machine().push_closed.0)]
    pub push_closed_ms: u64,
    /// Time from the last request of a page without a push channel until its agent counts as gone.
    #[arg(long = "conversation-polling-stopped-ms", env = "REJOIN_CONVERSATION_POLLING_STOPPED_MS", default_value_t = machine().polling_stopped.0)]
    pub polling_stopped_ms: u64,
    /// Time from the customer's unanswered message until an agent whose pages are gone counts as gone. 0: a message shortens
    /// nothing.
    #[arg(long = "conversation-unanswered-ms", env = "REJOIN_CONVERSATION_UNANSWERED_MS", default_value_t = machine().unanswered.0)]
    pub unanswered_ms: u64,
    /// Time from when an agent's pages are gone to the first invite: longer than Flex takes to set the agent offline (30 s by
    /// default). Before that, TaskRouter would offer the invite to the agent who is gone, and to nobody else until the
    /// reservation times out.
    #[arg(long = "conversation-offline-within-ms", env = "REJOIN_CONVERSATION_OFFLINE_WITHIN_MS", default_value_t = machine().offline_within.0)]
    pub offline_within_ms: u64,
    /// After how long without a desktop Flex sets an agent offline (Twilio's console: Flex, Manage, General settings, Logout settings).
    /// TaskRouter is asked by it whether an agent whose page does not reach the server is at a desktop. 0: Flex sets nobody
    /// offline. If it is not set, the account's Flex configuration says so (`offline_config`), and TaskRouter is not asked where it
    /// does not.
    #[arg(long = "conversation-offline-after-ms", env = "REJOIN_CONVERSATION_OFFLINE_AFTER_MS")]
    pub offline_after_ms: Option<u64>,
    /// How long an agent who is at such a desktop may leave the customer without an answer until they count as gone. 0: TaskRouter is
    /// not asked.
    #[arg(long = "conversation-available-unanswered-ms", env = "REJOIN_CONVERSATION_AVAILABLE_UNANSWERED_MS", default_value_t = machine().available_unanswered.0)]
    pub available_unanswered_ms: u64,
    /// Whether the customer is told, once, that their agent is gone.
    #[arg(long = "conversation-tell", env = "REJOIN_CONVERSATION_TELL", value_enum, default_value = "on")]
    pub tell: Switch,
    /// What happens to a conversation whose agent is gone: `route` invites another agent, `park` makes it inactive until the customer
    /// writes.
    #[arg(
        long = "conversation-unattended",
        env = "REJOIN_CONVERSATION_UNATTENDED",
        value_enum,
        default_value = "route"
    )]
    pub unattended: Unattended,
    /// What happens to a conversation that no agent has taken by `conversation_deadline_ms`: `park`, or `close`.
    #[arg(
        long = "conversation-untaken",
        env = "REJOIN_CONVERSATION_UNTAKEN",
        value_enum,
        default_value = "park"
    )]
    pub untaken: Untaken,
    /// Time from when a conversation has no agent until `conversation_untaken` applies.
    #[arg(long = "conversation-deadline-ms", env = "REJOIN_CONVERSATION_DEADLINE_MS", default_value_t = machine().deadline.0)]
    pub deadline_ms: u64,
    /// How long an invite waits for an agent.
    #[arg(long = "conversation-invite-within-ms", env = "REJOIN_CONVERSATION_INVITE_WITHIN_MS", default_value_t = machine().invite_within.0)]
    pub invite_within_ms: u64,
    /// Time between two polls of a conversation that is going on, for what webhooks may have missed. 0: none.
    #[arg(long = "conversation-watch-ms", env = "REJOIN_CONVERSATION_WATCH_MS", default_value_t = machine().watch.0)]
    pub watch_ms: u64,
    /// Silence of customer and agent after which the customer is asked whether they are still there. 0: never.
    #[arg(long = "conversation-alert-ms", env = "REJOIN_CONVERSATION_ALERT_MS", default_value_t = machine().alert.0)]
    pub alert_ms: u64,
    /// Silence of customer and agent after which the customer is told that the conversation ends soon. 0: never.
    #[arg(long = "conversation-second-alert-ms", env = "REJOIN_CONVERSATION_SECOND_ALERT_MS", default_value_t = machine().second_alert.0)]
    pub second_alert_ms: u64,
    /// Silence of customer and agent after which the conversation is closed. 0: never.
    #[arg(long = "conversation-close-ms", env = "REJOIN_CONVERSATION_CLOSE_MS", default_value_t = machine().close.0)]
    pub close_ms: u64,
    /// Silence, with or without an agent, after which the customer is asked whether they are still there. 0: never.
    #[arg(long = "conversation-async-alert-ms", env = "REJOIN_CONVERSATION_ASYNC_ALERT_MS", default_value_t = machine().async_alert.0)]
    pub async_alert_ms: u64,
    /// Silence, with or without an agent, after which the conversation is closed. 0: never.
    #[arg(long = "conversation-async-close-ms", env = "REJOIN_CONVERSATION_ASYNC_CLOSE_MS", default_value_t = machine().async_close.0)]
    pub async_close_ms: u64,
    /// Exceptions by kind of channel (`web`, `sms`) or by workflow.
    #[arg(skip)]
    pub exceptions: BTreeMap<String, Changes>,
}

impl ConversationSettings {
    /// After how long without a page an agent is gone: the shortest of the settings.
    pub fn gone_after(&self) -> Millis {
        Millis(self.goodbye_ms.min(self.push_closed_ms).min(self.polling_stopped_ms)).max(RELOAD)
    }

    /// The settings for the machine.
    pub fn policies(&self) -> Policies {
        let all = Policy {
            goodbye: Millis(self.goodbye_ms),
            push_closed: Millis(self.push_closed_ms),
            polling_stopped: Millis(self.polling_stopped_ms),
            unanswered: Millis(self.unanswered_ms),
            offline_within: Millis(self.offline_within_ms),
            available_unanswered: Millis(self.available_unanswered_ms),
            tell: self.tell == Switch::On,
            when_unattended: match self.unattended {
                Unattended::Route => WhenUnattended::Route,
                Unattended::Park => WhenUnattended::Park,
            },
            at_deadline: match self.untaken {
                Untaken::Park => AtDeadline::Park,
                Untaken::Close => AtDeadline::Close,
            },
            deadline: Millis(self.deadline_ms),
            invite_within: Millis(self.invite_within_ms),
            watch: Millis(self.watch_ms),
            alert: Millis(self.alert_ms),
            second_alert: Millis(self.second_alert_ms),
            close: Millis(self.close_ms),
            async_alert: Millis(self.async_alert_ms),
            async_close: Millis(self.async_close_ms),
            ..Policy::default()
        };
        let mut policies = Policies::from(all);
        for (name, changes) in &self.exceptions {
            match WorkflowSid::parse(name) {
                Ok(workflow) => _ = policies.workflow.insert(workflow, changes.clone()),
                Err(_) => _ = policies.kind.insert(name.clone(), changes.clone()),
            }
        }
        policies
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        settings: ConversationSettings,
    }

    #[test]
    fn exceptions_are_by_kind_of_channel_or_by_workflow() {
        let workflow = WorkflowSid::numbered(1);
        let changes = |ms| Changes { alert: Some(Millis(ms)), ..Changes::default() };
        let Only { mut settings } = Only::parse_from(["rejoin", "--conversation-tell", "off"]);
        settings.exceptions = [("sms".to_owned(), changes(7)), (workflow.to_string(), changes(9))].into();
        let policies = settings.policies();
        assert_eq!(policies.of(None, Some("sms")).alert, Millis(7));
        assert_eq!(policies.of(Some(&workflow), Some("sms")).alert, Millis(9));
        assert_eq!(policies.of(None, Some("web")), Policy { tell: false, ..Policy::default() });
    }
}
