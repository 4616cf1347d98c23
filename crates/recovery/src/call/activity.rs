//! The loan of an activity. An agent who is back in an activity that receives no tasks would not get the customer through
//! the queue. We put such an agent into an available activity of ours while they are awaited, and afterwards back into their
//! own.

use super::{Call, Out};
use crate::absence::Phase;
use crate::plan::{LATER, SOON};
use crate::{Action, Outcome};
use rejoin_protocol::{ActivitySid, WorkerSid};
use serde::{Deserialize, Serialize};

/// How far the loan of an activity to one worker is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lent {
    /// Twilio is asked for the agent's activity.
    Asking,
    /// The agent is being put into ours.
    Lending(ActivitySid),
    /// The agent is in ours, and was in this one.
    Out(ActivitySid),
    /// The agent is being put back.
    Returning,
}

impl Call {
    /// True while the customer is to reach this worker through the queue.
    fn is_awaited(&self, worker: &WorkerSid) -> bool {
        self.recovery.as_ref().filter(|recovery| recovery.absence.agent.worker == *worker).is_some_and(
            |recovery| match &recovery.phase {
                Phase::Holding(_) | Phase::Stranded => recovery.absence.back && !recovery.too_often,
                Phase::Requeueing(trip) | Phase::Queued(trip) => trip.target.as_ref() == Some(worker),
                Phase::Grace | Phase::Away | Phase::Rejoining | Phase::Ended(_) => false,
            },
        )
    }

    /// Lends an activity to an agent who needs one, and takes it back.
    pub(super) fn lend_activity(&mut self, out: &mut Out<'_>) {
        let missed = self.recovery.as_ref().map(|recovery| recovery.absence.agent.worker.clone());
        if let Some(worker) = missed.filter(|worker| out.policies.lends_activity && self.is_awaited(worker))
            && self.facts.pages.is_unavailable(&worker)
            && !self.lent.contains_key(&worker)
        {
            self.lent.insert(worker.clone(), Lent::Asking);
            self.act(out, Action::ReadActivity { worker }, SOON);
        }
        let over: Vec<_> = self
            .lent
            .iter()
            .filter(|(worker, _)| !self.is_awaited(worker))
            .filter_map(|(worker, lent)| match lent {
                Lent::Out(before) => Some((worker.clone(), before.clone())),
                Lent::Asking | Lent::Lending(_) | Lent::Returning => None, // the request in flight comes first
            })
            .collect();
        for (worker, before) in over {
            self.lent.insert(worker.clone(), Lent::Returning);
            self.act(out, Action::ReturnActivity { worker, before }, LATER);
        }
    }

    /// Twilio has named the agent's activity.
    pub(super) fn activity_read(&mut self, out: &mut Out<'_>, worker: &WorkerSid, outcome: &Outcome) {
        if self.lent.get(worker) != Some(&Lent::Asking) {
            return;
        }
        self.lent.remove(worker);
        match outcome {
            Outcome::Activity { activity, available: false } if self.is_awaited(worker) => {
                let (worker, before) = (worker.clone(), activity.clone());
                self.lent.insert(worker.clone(), Lent::Lending(before.clone()));
                self.act(out, Action::LendActivity { worker, before }, SOON);
            }
            // Twilio did not answer, or the agent has changed their activity.
            _ => self.facts.pages.availability_is_shown(worker, true),
        }
    }

    pub(super) fn activity_lent(&mut self, worker: &WorkerSid, outcome: &Outcome) {
        let Some(Lent::Lending(before)) = self.lent.get(worker).cloned() else { return };
        if matches!(outcome, Outcome::Overtaken | Outcome::Gone) {
            self.lent.remove(worker); // the agent has changed their activity
            self.facts.pages.availability_is_shown(worker, true);
        } else {
            // Also after a failure: the request may have had its effect.
            self.lent.insert(worker.clone(), Lent::Out(before));
        }
    }

    pub(super) fn activity_returned(&mut self, worker: &WorkerSid) {
        self.lent.remove(worker);
    }
}
