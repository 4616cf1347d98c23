//! Restores what the loss of a page changes beside the call: the agent's activity.

use crate::agent::{Activity, Agent, Effect, ToDesktop};
use rejoin_protocol::api::HelloReply;
use rejoin_protocol::{ActivitySid, Millis};

/// The agent's activity.
#[derive(Clone, Debug, Default)]
pub(super) struct Restore {
    now: Option<Activity>,
    /// The activity that the agent last wanted while a page was there.
    wanted: Option<ActivitySid>,
    /// The same, for an agent whom this page has found offline, until the server has answered.
    before: Option<ActivitySid>,
    done: bool,
    /// The availability that the server was last told.
    told: bool,
}

impl Restore {
    /// True when the customer would not reach the agent through the queue.
    fn is_unavailable(&self) -> bool {
        self.now.as_ref().is_some_and(|now| now.unavailable)
    }

    /// Whether the worker's activity receives no tasks, noted as reported to the server.
    pub(super) fn tell(&mut self) -> bool {
        self.told = self.is_unavailable();
        self.told
    }
}

impl Agent {
    /// Takes what an earlier page stored ([`Effect::StoreActivity`]).
    pub fn recall_activity(&mut self, activity: Option<ActivitySid>) {
        self.restore.wanted = activity;
    }

    pub(super) fn activity(&mut self, now: Millis, activity: Activity, out: &mut Vec<Effect>) {
        let first = self.restore.now.is_none();
        let wanted = (!activity.offline).then(|| activity.sid.clone());
        if first && activity.offline {
            self.restore.before.clone_from(&self.restore.wanted);
        }
        self.restore.now = Some(activity);
        // "Offline" at the beginning is set for an agent without a desktop; later it is the agent's own choice.
        if (wanted.is_some() || !first) && wanted != self.restore.wanted {
            self.restore.wanted.clone_from(&wanted);
            out.push(Effect::StoreActivity(wanted));
        }
        let concerns = self.hello.under_way.is_some() || self.recoveries.iter_mut().next().is_some();
        if concerns && self.restore.is_unavailable() != self.restore.told {
            self.say_hello(now, out);
        }
    }

    /// The server reports that this agent was lost: undoes, once, what TaskRouter has done to the activity meanwhile. The server
    /// may have lent the agent another activity before its answer is here, and would put them back offline.
    pub(super) fn restore_activity(&mut self, reply: &HelloReply, out: &mut Vec<Effect>) {
        let before = self.restore.before.take();
        let Some(now) = &self.restore.now else { return };
        if reply.recoveries.is_empty() || reply.superseded || self.restore.done {
            return;
        }
        let activity =
            if now.offline { self.restore.wanted.clone() } else { before.filter(|_| !now.unavailable) };
        if let Some(activity) = activity.filter(|activity| *activity != now.sid) {
            self.restore.done = true;
            out.push(Effect::Desktop(ToDesktop::SetActivity { activity }));
        }
    }
}
