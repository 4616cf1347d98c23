//! The output of an event: its effects, in their order.

use super::Call;
use crate::absence::Absence;
use crate::plan::Plan;
use crate::{Action, Config, Effect, Note, Policies, Timer};
use rejoin_protocol::api::RecoveryView;
use rejoin_protocol::{ConferenceSid, Millis};
use std::collections::BTreeSet;

/// The time, the durations of the current call, the effects so far, and the calls that they belong to.
pub(crate) struct Out<'a> {
    pub(crate) policies: &'a Policies,
    pub(crate) now: Millis,
    pub(crate) config: Config,
    pub(crate) effects: Vec<Effect>,
    pub(crate) touched: BTreeSet<ConferenceSid>,
    /// True if the event is evidence about its calls.
    pub(crate) heard: bool,
}

impl Call {
    /// Requests an action, unless it is requested at most once and was.
    pub(super) fn act(&mut self, out: &mut Out<'_>, action: Action, within: Millis) {
        if self.requests.ask(&action) {
            let (conference, deadline) = (self.conference.clone(), out.now + within);
            out.effects.push(Effect::Act { conference, action, deadline });
        }
    }

    /// Requests all planned actions that were not requested yet.
    pub(super) fn reconcile(&mut self, out: &mut Out<'_>) {
        let (now, conference, task) = (out.now, &self.conference, &self.task);
        for (action, within) in (Plan { now, conference, task, of: self.diagnosis() }).all() {
            self.act(out, action, within);
        }
    }

    pub(crate) fn note(&self, out: &mut Out<'_>, note: Note) {
        let (conference, customer) = (self.conference.clone(), self.facts.roster.customer.clone());
        out.effects.push(Effect::Note { conference, customer, note });
    }

    pub(super) fn push(&self, out: &mut Out<'_>) {
        if let Some(recovery) = &self.recovery {
            self.push_view(out, recovery.view(out.now, &self.task), &recovery.absence);
        }
    }

    /// Sends the view to an absent agent's desktop.
    pub(crate) fn push_view(&self, out: &mut Out<'_>, view: RecoveryView, absence: &Absence) {
        out.effects.push(Effect::Push { worker: absence.agent.worker.clone(), view });
    }

    pub(crate) fn set_timer(&self, out: &mut Out<'_>, timer: Timer, at: Millis) {
        out.effects.push(Effect::SetTimer { conference: self.conference.clone(), timer, at });
    }

    /// Sets the deadline of the recovery, and the timer for it.
    pub(super) fn wait_until(&mut self, out: &mut Out<'_>, timer: Timer, deadline: Millis) {
        if let Some(recovery) = &mut self.recovery {
            recovery.absence.deadline = deadline;
            self.set_timer(out, timer, deadline);
        }
    }

    /// Clears the timers of a recovery.
    pub(super) fn clear_recovery_timers(&self, out: &mut Out<'_>) {
        for timer in [Timer::Grace, Timer::Announce, Timer::Ping, Timer::Rejoin] {
            self.clear_timer(out, timer);
        }
    }

    pub(crate) fn clear_timer(&self, out: &mut Out<'_>, timer: Timer) {
        out.effects.push(Effect::ClearTimer { conference: self.conference.clone(), timer });
    }
}
