//! The machine's settings: times and choices, for all conversations and for those of a workflow or of a kind of channel.

use crate::way::Way;
use rejoin_protocol::{Millis, WorkflowSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long a refresh may take at most. No setting and no message makes a conversation unattended earlier.
pub const RELOAD: Millis = Millis::seconds(15);

/// What happens to an unattended conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenUnattended {
    /// An agent is invited: the last one first, then any.
    Route,
    /// It is parked until the customer writes. If the customer waits for an answer, it is routed.
    Park,
}

/// What happens to a conversation that no agent took until its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtDeadline {
    /// It is parked until the customer writes.
    Park,
    /// It is closed.
    Close,
}

/// Defines [`Policy`] and [`Changes`] with the same fields.
macro_rules! settings {
    ($($(#[$about:meta])* $field:ident as $name:literal: $kind:ty = $default:expr;)*) => {
        /// Times and choices.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Policy { $($(#[$about])* #[serde(rename = $name)] pub $field: $kind,)* }

        impl Default for Policy {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        /// Overrides for the conversations of a workflow or of a kind of channel. Milliseconds where the name ends in `_ms`.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Changes { $($(#[$about])* #[serde(rename = $name, skip_serializing_if = "Option::is_none")] pub $field: Option<$kind>,)* }

        impl Changes {
            fn apply(&self, policy: &mut Policy) {
                $(if let Some(changed) = self.$field { policy.$field = changed; })*
            }
        }
    };
}

settings! {
    /// Time from a page's goodbye until its agent is gone. Default 60 s.
    goodbye as "goodbye_ms": Millis = Millis::seconds(60);
    /// Time from the end of a page's push channel until its agent is gone. Default 60 s.
    push_closed as "push_closed_ms": Millis = Millis::seconds(60);
    /// Time from the last request of a page without a push channel until its agent is gone. Default 60 s.
    polling_stopped as "polling_stopped_ms": Millis = Millis::seconds(60);
    /// Time from the customer's unanswered message until an agent whose pages are gone counts as gone; 0: a message does not
    /// shorten the other times. Default 20 s.
    unanswered as "unanswered_ms": Millis = Millis::seconds(20);
    /// Time from when an agent's pages are gone to the first invite, in which Flex sets the agent offline (after 30 s by default:
    /// <https://www.twilio.com/docs/flex/admin-guide/setup/logout-settings>). Before that, TaskRouter offers the invite to the
    /// agent who is gone, and to nobody else until the reservation times out. Default 35 s.
    offline_within as "offline_within_ms": Millis = Millis::seconds(35);
    /// How long an agent whose pages are away, and whom TaskRouter holds for available, may leave the customer without an answer: they
    /// work at a page that does not reach us, as behind a network that blocks only Rejoin. 0: TaskRouter is not asked. Default 5 min.
    available_unanswered as "available_unanswered_ms": Millis = Millis::seconds(300);
    /// True to tell the customer, once, that their agent is gone. Default: true.
    tell as "tell": bool = true;
    /// What happens to an unattended conversation. Default: it is routed.
    when_unattended as "when_unattended": WhenUnattended = WhenUnattended::Route;
    /// What happens when no agent has taken it until its deadline. Default: it is parked.
    at_deadline as "at_deadline": AtDeadline = AtDeadline::Park;
    /// Time from the beginning of an absence to the deadline. Default 30 min.
    deadline as "deadline_ms": Millis = Millis::seconds(1800);
    /// How long an invite waits for an agent. Default 5 min.
    invite_within as "invite_within_ms": Millis = Millis::seconds(300);
    /// The pause after an invite that no agent took; it doubles with each one, up to five minutes. Default 15 s.
    invite_pause as "invite_pause_ms": Millis = Millis::seconds(15);
    /// How long an agent's statement that they leave counts, while Twilio still lists them. Default 10 min.
    leaving_within as "leaving_within_ms": Millis = Millis::seconds(600);
    /// How long the next task of a conversation without an agent may take to appear, as in a transfer. Default 30 s.
    next_task_within as "next_task_within_ms": Millis = Millis::seconds(30);
    /// Time between two polls at a conversation that is going on, for what webhooks may have missed; 0: none. Default 10 min.
    watch as "watch_ms": Millis = Millis::seconds(600);
    /// How long a conversation that is over is kept for late events. Default 10 min.
    keep_closed as "keep_closed_ms": Millis = Millis::seconds(600);
    /// Silence of customer and agent after which the customer is alerted; 0: never. Default 0.
    alert as "alert_ms": Millis = Millis(0);
    /// Silence of customer and agent after which the customer is alerted again; 0: never. Default 0.
    second_alert as "second_alert_ms": Millis = Millis(0);
    /// Silence of customer and agent after which the conversation is closed; 0: never. Default 0.
    close as "close_ms": Millis = Millis(0);
    /// Silence in an asynchronous conversation, with or without an agent, after which the customer is alerted; 0: never.
    /// Default 0.
    async_alert as "async_alert_ms": Millis = Millis(0);
    /// Silence in an asynchronous conversation after which it is closed; 0: never. Default 0.
    async_close as "async_close_ms": Millis = Millis(0);
}

impl Policy {
    /// The time of a way of being gone.
    pub(crate) fn limit(&self, way: Way) -> Millis {
        match way {
            Way::Goodbye => self.goodbye,
            Way::PushClosed => self.push_closed,
            Way::PollingStopped => self.polling_stopped,
        }
        .max(RELOAD)
    }

    /// When a page counts as gone (point in time) that is away since then, if the customer waits for an answer since then.
    pub(crate) fn gone_at(&self, way: Way, since: Millis, unanswered_since: Option<Millis>) -> Millis {
        let gone_at = since + self.limit(way);
        let shortened = unanswered_since.filter(|_| self.unanswered > Millis(0));
        shortened.map_or(gone_at, |message| gone_at.min((message + self.unanswered).max(since + RELOAD)))
    }

    /// The pause after this many invites that no agent took.
    pub(crate) fn pause_after(&self, invites: u32) -> Millis {
        let doubled = self.invite_pause.0.saturating_mul(1 << invites.saturating_sub(1).min(16));
        Millis(doubled).min(LONGEST_PAUSE).max(SHORTEST_PAUSE)
    }
}

/// The longest pause between two invites, and between two attempts that Twilio refuses.
pub(crate) const LONGEST_PAUSE: Millis = Millis::seconds(300);
/// The shortest one.
const SHORTEST_PAUSE: Millis = Millis::seconds(1);

/// [`Policy`] and its overrides, as TOML or JSON. The workflow's value wins over that of the kind of channel, because the
/// workflow is more specific.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// For conversations without an override.
    #[serde(flatten)]
    pub all: Policy,
    /// Overrides by Twilio's name for the kind of channel, such as `web` or `sms`.
    #[serde(default)]
    pub kind: BTreeMap<String, Changes>,
    /// Overrides by workflow.
    #[serde(default)]
    pub workflow: BTreeMap<WorkflowSid, Changes>,
}

impl Policies {
    /// The settings of a conversation, as far as its workflow and its kind of channel are known.
    pub fn of(&self, workflow: Option<&WorkflowSid>, kind: Option<&str>) -> Policy {
        let mut policy = self.all.clone();
        let kind = kind.and_then(|kind| self.kind.get(kind));
        let workflow = workflow.and_then(|workflow| self.workflow.get(workflow));
        for changes in kind.into_iter().chain(workflow) {
            changes.apply(&mut policy);
        }
        policy
    }
}

impl From<Policy> for Policies {
    fn from(all: Policy) -> Self {
        Self { all, ..Self::default() }
    }
}
