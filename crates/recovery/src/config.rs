//! The machine's durations and limits: for all calls, and for those of a workflow or of a queue.

use rejoin_protocol::{Millis, TaskQueueSid, WorkflowSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Default of [`Config::keep_closed`].
pub(crate) const KEEP_CLOSED: Millis = Millis::seconds(600);

/// How long a stranded customer is kept while Twilio fails and it is unknown whether the agent left on purpose. Not a
/// setting: both the machine and the documents that the customer gets meanwhile use it.
pub const KEPT_UNDECIDED: Millis = Millis::seconds(600);

/// When a customer who is alone goes on our hold, where they hear announcement and comfort audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CustomerHold {
    /// As soon as the agent's page says goodbye. They hear a soft tone until the announcement is due.
    AtOnce,
    /// When the announcement is due.
    WhenTold,
    /// Never. Announcement and comfort audio are played to the conference, also over an agent who is back.
    Off,
}

/// Defines the fields of [`Config`] that a workflow or a queue may override, and [`Changes`] with the same fields.
macro_rules! durations {
    ($($(#[$about:meta])* $field:ident as $name:literal: $kind:ty = $default:expr;)*) => {
        /// Durations and limits. A wait ends at a point in time that is fixed when it begins, and survives restarts and
        /// changes of these.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Config {
            /// True to put an agent whose leg still stands back into the same conference. Otherwise the leg is removed at
            /// once, and the customer comes back through the queue. Default: true.
            pub in_place: bool,
            /// When a customer who is alone goes on hold. Default: at once.
            pub customer_hold: CustomerHold,
            $($(#[$about])* #[serde(rename = $name)] pub $field: $kind,)*
        }

        impl Default for Config {
            fn default() -> Self {
                Self { in_place: true, customer_hold: CustomerHold::AtOnce, $($field: $default,)* }
            }
        }

        /// Overrides for the calls of a workflow or of a queue. Milliseconds where the name ends in `_ms`.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Changes {
            $($(#[$about])* #[serde(rename = $name, skip_serializing_if = "Option::is_none")] pub $field: Option<$kind>,)*
        }

        impl Changes {
            fn apply(&self, config: &mut Config) {
                $(if let Some(changed) = self.$field { config.$field = changed; })*
            }
        }
    };
}

durations! {
    /// Grace period for a graceful mark after the leave that it explains. Default 300 ms.
    grace as "grace_ms": Millis = Millis(300);
    /// How long a graceful mark counts for an agent who stays on the call after it. Default 60 s.
    mark_within as "mark_within_ms": Millis = Millis::seconds(60);
    /// Grace period for a `participant-leave` after another source reported the leg gone. Default 2 s.
    leave_within as "leave_within_ms": Millis = Millis::seconds(2);
    /// How long after a page's goodbye the customer hears the announcement, if the page is not back by then; most are.
    /// Default 1.5 s.
    announce_after as "announce_after_ms": Millis = Millis(1500);
    /// How long a page may take to answer a call message after its push channel was lost, before the customer is told that the
    /// agent may be gone; 0: no page is asked. Default 1.5 s.
    answer_within as "answer_within_ms": Millis = Millis(1500);
    /// How long an agent may take to join the same conference again before the customer is requeued. Default 8 s.
    in_place_within as "in_place_within_ms": Millis = Millis::seconds(8);
    /// How long the agent is awaited before the customer goes to the next one. Default 15 s.
    ping_ttl as "ping_ttl_ms": Millis = Millis::seconds(15);
    /// How long an agent who has proved reachable may take to be on the call again. Default 20 s.
    rejoin_within as "rejoin_within_ms": Millis = Millis::seconds(20);
    /// How long the customer waits in the queue for any agent until the recovery counts as failed; the customer stays in the queue.
    /// Default 10 min.
    queue_within as "queue_within_ms": Millis = Millis::seconds(600);
    /// How often within `again_within` a customer gets a lost agent back, counting the losses of all agents; after that the next agent gets
    /// the call. Default 3.
    again_at_most as "again_at_most": u32 = 3;
    /// Period in which `again_at_most` counts. Default 5 min.
    again_within as "again_within_ms": Millis = Millis::seconds(300);
    /// How long a customer who was left on purpose may be alone in a conference. Default 2 s.
    orphan_after as "orphan_after_ms": Millis = Millis::seconds(2);
    /// How long Twilio may take to fetch the next document of a customer whose conference has ended. Default 4 s.
    released_within as "released_within_ms": Millis = Millis::seconds(4);
    /// How long after the last new leg joined, while no agent is known, a page has to register the call before the server looks it up.
    /// Default 3 s.
    learn_after as "learn_after_ms": Millis = Millis::seconds(3);
    /// How long a call may be without evidence before the watchdog polls it; 0: it is not polled. Default 5 min.
    watch_call as "watch_call_ms": Millis = Millis::seconds(300);
    /// The same while a recovery is open, and for a call without any callback so far. Default 10 s.
    watch_recovery as "watch_recovery_ms": Millis = Millis::seconds(10);
    /// How long a closed call is kept in the machine for late events. Default 10 min.
    keep_closed as "keep_closed_ms": Millis = KEEP_CLOSED;
}

/// [`Config`] and its overrides, as TOML or JSON:
///
/// ```toml
/// ping_ttl_ms = 15000
/// [workflow.WW00000000000000000000000000000001]
/// ping_ttl_ms = 30000
/// [queue.WQ00000000000000000000000000000001]
/// queue_within_ms = 120000
/// ```
///
/// The queue's value wins over the workflow's, because the queue is more specific.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// For calls without an override.
    #[serde(flatten)]
    pub all: Config,
    /// True if only calls are touched whose customer's number is on the allow list; the machine checks each call.
    #[serde(default)]
    pub allow_list: bool,
    /// True if there is an activity to lend to agents who are back in one that receives no tasks.
    #[serde(default)]
    pub lends_activity: bool,
    /// Overrides by workflow.
    #[serde(default)]
    pub workflow: BTreeMap<WorkflowSid, Changes>,
    /// Overrides by queue.
    #[serde(default)]
    pub queue: BTreeMap<TaskQueueSid, Changes>,
}

impl Policies {
    /// The settings of a call from this workflow and this queue, as far as they are known.
    pub fn of(&self, workflow: Option<&WorkflowSid>, queue: Option<&TaskQueueSid>) -> Config {
        let mut config = self.all.clone();
        let workflow = workflow.and_then(|workflow| self.workflow.get(workflow));
        let queue = queue.and_then(|queue| self.queue.get(queue));
        for changes in workflow.into_iter().chain(queue) {
            changes.apply(&mut config);
        }
        config
    }
}

impl From<Config> for Policies {
    fn from(all: Config) -> Self {
        Self { all, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_says_more_than_its_workflow_and_both_more_than_the_rest() {
        let text = serde_json::json!({
            "grace_ms": 500, "ping_ttl_ms": 10_000,
            "workflow": {WorkflowSid::numbered(1).as_str(): {"ping_ttl_ms": 20_000, "rejoin_within_ms": 1000}},
            "queue": {TaskQueueSid::numbered(1).as_str(): {"ping_ttl_ms": 30_000}},
        });
        let policies: Policies = serde_json::from_value(text.clone()).expect("read");
        let (workflow, queue) = (WorkflowSid::numbered(1), TaskQueueSid::numbered(1));
        let of = |workflow, queue| {
            let config = policies.of(workflow, queue);
            (config.grace.0, config.ping_ttl.0, config.rejoin_within.0)
        };
        assert_eq!(of(None, None), (500, 10_000, 20_000));
        assert_eq!(of(Some(&workflow), None), (500, 20_000, 1000));
        assert_eq!(of(None, Some(&queue)), (500, 30_000, 20_000));
        assert_eq!(of(Some(&workflow), Some(&queue)), (500, 30_000, 1000));
        assert_eq!(
            of(Some(&WorkflowSid::numbered(2)), Some(&TaskQueueSid::numbered(2))),
            (500, 10_000, 20_000)
        );
        let again = serde_json::to_value(&policies).expect("written");
        assert_eq!((&again["workflow"], &again["queue"]), (&text["workflow"], &text["queue"]));
    }

    #[test]
    fn what_nobody_knows_is_refused() {
        for text in [
            serde_json::json!({"workflow": {WorkflowSid::numbered(1).as_str(): {"ping_tll_ms": 1}}}),
            serde_json::json!({"workflow": {"my workflow": {"ping_ttl_ms": 1}}}),
            serde_json::json!({"queue": {TaskQueueSid::numbered(1).as_str(): {"in_place": false}}}),
            serde_json::json!({"queue": {TaskQueueSid::numbered(1).as_str(): {"grace_ms": "soon"}}}),
        ] {
            assert!(serde_json::from_value::<Policies>(text.clone()).is_err(), "{text}");
        }
    }
}
