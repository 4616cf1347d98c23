//! The requests to Twilio for a conversation, and their outcomes. Only this module decides whether an action is requested.

use crate::action::{Action, Once, Slot};
use crate::diagnosis::Step;
use crate::policy::LONGEST_PAUSE;
use rejoin_protocol::Millis;
use serde::{Deserialize, Serialize};

/// The first pause after a refused action; it doubles with each one.
const FIRST_PAUSE: Millis = Millis::seconds(5);

/// Twilio answers before it has carried an action out. A poll this long after it confirms it.
const CONFIRMED_AFTER: Millis = Millis::seconds(5);

/// An action that nothing confirms is requested again after this time.
const CARRIED_OUT_WITHIN: Millis = Millis::seconds(60);

/// The requests of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requests {
    in_flight: Vec<Action>,
    /// The actions of the kinds that are requested once.
    once: Requested,
    /// Slots whose next action waits.
    waiting: Vec<Waiting>,
}

/// The actions that are requested only once, and were. The numbers of a kind only grow, so the last one stands for all before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Requested {
    /// Number of the last absence that the customer was told about.
    absence: u32,
    /// Number of the last invite.
    invite: u32,
    /// The last silence (point in time), and the steps that the customer was told about, each with the point in time at which it
    /// was requested, or at which that request has ended.
    idle: (Millis, Vec<(Step, Millis)>),
}

impl Requested {
    fn has(&self, once: Once) -> bool {
        match once {
            Once::TellAbsence(number, _) => number <= self.absence,
            Once::Invite(number, _) => number <= self.invite,
            Once::TellIdle(step, since) => since < self.idle.0 || self.told_at(step, since).is_some(),
        }
    }

    fn told_at(&self, step: Step, since: Millis) -> Option<Millis> {
        let told = self.idle.1.iter().find(|(it, _)| *it == step).filter(|_| since == self.idle.0);
        told.map(|(_, at)| *at)
    }

    fn add(&mut self, now: Millis, once: Once) {
        match once {
            Once::TellAbsence(number, _) => self.absence = number,
            Once::Invite(number, _) => self.invite = number,
            Once::TellIdle(step, since) if since == self.idle.0 => self.idle.1.push((step, now)),
            Once::TellIdle(step, since) => self.idle = (since, vec![(step, now)]),
        }
    }

    /// The request has ended: what comes next counts from now, however many attempts it took.
    fn ended(&mut self, now: Millis, once: Once) {
        if let Once::TellIdle(step, since) = once
            && since == self.idle.0
        {
            self.idle.1.iter_mut().filter(|(it, _)| *it == step).for_each(|(_, at)| *at = now);
        }
    }
}

/// A slot whose last action has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    slot: Slot,
    /// Number of failures since the last success.
    failures: u32,
    /// When the action ended (point in time).
    since: Millis,
    /// When the next one may begin (point in time).
    until: Millis,
}

impl Requests {
    /// The difference between what is desired and what is in flight: the actions to request now. They are in flight then.
    pub(crate) fn reconcile(
        &mut self,
        now: Millis,
        desired: impl IntoIterator<Item = Action>,
    ) -> Vec<Action> {
        let mut begun = vec![];
        for action in desired {
            let traits = action.traits();
            let waits = self.not_before(&traits.slot).is_some_and(|at| now < at);
            let was_requested = traits.once.is_some_and(|once| self.has_requested(once));
            if self.is_busy(&traits.slot) || waits || was_requested {
                continue;
            }
            traits.once.into_iter().for_each(|once| self.once.add(now, once));
            self.in_flight.push(action.clone());
            begun.push(action);
        }
        begun
    }

    /// The action has ended. False if it was not in flight.
    pub(crate) fn ended(&mut self, now: Millis, action: &Action, ok: bool) -> bool {
        let Some(at) = self.in_flight.iter().position(|it| it == action) else { return false };
        self.in_flight.remove(at);
        let traits = action.traits();
        traits.once.into_iter().for_each(|once| self.once.ended(now, once));
        let slot = traits.slot;
        let before = self.waiting.iter().find(|it| it.slot == slot).map_or(0, |it| it.failures);
        self.waiting.retain(|it| it.slot != slot && now < it.since + CARRIED_OUT_WITHIN + LONGEST_PAUSE);
        if ok && is_confirmed_later(&slot) {
            self.waiting.push(Waiting { slot, failures: 0, since: now, until: now + CARRIED_OUT_WITHIN });
        } else if !ok {
            let failures = before.saturating_add(1);
            let pause = Millis(FIRST_PAUSE.0 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
            self.waiting.push(Waiting { slot, failures, since: now, until: now + pause });
        }
        true
    }

    /// True if the action with this key was requested, whatever came of it.
    pub(crate) fn has_requested(&self, once: Once) -> bool {
        self.once.has(once)
    }

    /// When the customer was told of this step of this silence (points in time).
    pub(crate) fn alerted_at(&self, step: Step, since: Millis) -> Option<Millis> {
        self.once.told_at(step, since)
    }

    /// When a slot may be used again (point in time), if its last action failed, or is not confirmed.
    pub(crate) fn not_before(&self, slot: &Slot) -> Option<Millis> {
        self.waiting.iter().find(|it| it.slot == *slot).map(|it| it.until)
    }

    /// When a poll would confirm what Twilio has taken last (point in time).
    pub(crate) fn confirms_at(&self) -> Option<Millis> {
        let taken = self.waiting.iter().filter(|it| it.failures == 0).map(|it| it.since);
        taken.max().map(|since| since + CONFIRMED_AFTER)
    }

    /// True while an action of this slot is in flight.
    pub(crate) fn is_busy(&self, slot: &Slot) -> bool {
        self.in_flight.iter().any(|it| it.traits().slot == *slot)
    }

    /// The actions that are in flight, the oldest first.
    pub fn in_flight(&self) -> impl Iterator<Item = &Action> {
        self.in_flight.iter()
    }
}

/// True if Twilio's answer says only that the action was taken.
fn is_confirmed_later(slot: &Slot) -> bool {
    match slot {
        Slot::Participant(_) | Slot::Channel => true,
        Slot::Poll | Slot::Watch | Slot::Tell | Slot::Invite => false,
    }
}
