//! Graceful marks: statements of a page that its agent leaves on purpose.

use super::observed::{Last, Observed, observed};
use crate::EarlyMark;
use rejoin_protocol::api::GracefulReason;
use rejoin_protocol::{Millis, ReservationSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The graceful marks of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Marks {
    /// Number of observations.
    observations: u64,
    of: BTreeMap<ReservationSid, Mark>,
    /// Marks for reservations whose worker is not known yet.
    pub unattributed: Vec<EarlyMark>,
}

/// The observations of one agent's mark. Of each kind the latest one stays; observations before the mark's withdrawal do not
/// count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mark {
    /// When the mark was last given (point in time).
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<Observed<Millis>>,
    /// The last reason other than that the task was completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Observed<GracefulReason>>,
    /// A page sent the mark, or Twilio confirmed the mark in the task's attributes.
    confirmed: Last,
    completes: Last,
    has_completed: Last,
    withdrawn: Last,
}

/// A mark as a page sent it, or as the task's attributes carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// How the agent leaves.
    pub(crate) reason: GracefulReason,
    /// When (point in time).
    pub(crate) at: Millis,
    /// False if only the task's attributes carry the mark.
    pub(crate) by_page: bool,
    /// See [`Mark::completes`].
    pub(crate) completes: bool,
    /// See [`Mark::has_completed`].
    pub(crate) has_completed: bool,
}

/// One observation of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Observation {
    /// The mark was given.
    Said(Said),
    /// Twilio confirms the mark in the task's attributes.
    Confirmed,
    /// The agent has completed the task on the call.
    HasCompleted,
    /// The agent has stayed.
    Withdrawn,
}

/// True for a reason by which the agent hands the customer over.
pub(crate) fn is_transfer(reason: GracefulReason) -> bool {
    matches!(reason, GracefulReason::ColdTransfer | GracefulReason::WarmTransfer)
}

impl Mark {
    fn observe(&mut self, number: u64, observation: Observation) {
        match observation {
            Observation::Said(said) => {
                observed(&mut self.said, number, said.at);
                if said.reason != GracefulReason::Complete {
                    observed(&mut self.reason, number, said.reason);
                }
                if said.by_page {
                    self.confirmed.observe(number);
                }
                if said.completes {
                    self.completes.observe(number);
                }
                if said.has_completed {
                    self.has_completed.observe(number);
                }
            }
            Observation::Confirmed => self.confirmed.observe(number),
            Observation::HasCompleted => self.has_completed.observe(number),
            Observation::Withdrawn => self.withdrawn.observe(number),
        }
    }

    fn is_given(&self) -> bool {
        Last::of(&self.said).is_after(self.withdrawn)
    }

    /// How the agent leaves. `Complete` counts only without another reason, because an agent completes the task after they
    /// left.
    pub fn reason(&self) -> GracefulReason {
        let counts = Last::of(&self.reason).is_after(self.withdrawn);
        self.reason.filter(|_| counts).map_or(GracefulReason::Complete, |reason| reason.what)
    }

    /// When the mark was last given (point in time).
    pub fn said_at(&self) -> Millis {
        self.said.map(|said| said.what).unwrap_or_default()
    }

    /// True if only the task's attributes carry the mark, and no page has sent it. Twilio has to confirm such a mark before a
    /// conference is ended for it.
    pub fn is_only_in_task(&self) -> bool {
        !self.confirmed.is_after(self.withdrawn)
    }

    /// True if the agent completes the task while they seem to be on the call, soon after marking a transfer. If their leg hangs
    /// up, no transfer has taken it.
    pub fn completes(&self) -> bool {
        self.completes.is_after(self.withdrawn)
    }

    /// True if the agent has completed the task on the call, as far as is known, after a transfer that was refused.
    pub fn has_completed(&self) -> bool {
        self.has_completed.is_after(self.withdrawn)
    }
}

impl Marks {
    /// The mark of this reservation, if it has one that counts.
    pub fn get(&self, of: &ReservationSid) -> Option<&Mark> {
        self.of.get(of).filter(|mark| mark.is_given())
    }

    /// All marks, by reservation.
    pub fn iter(&self) -> impl Iterator<Item = (&ReservationSid, &Mark)> + Clone {
        self.of.iter().filter(|(_, mark)| mark.is_given())
    }

    /// True if this reservation has a mark.
    pub fn is_given(&self, of: &ReservationSid) -> bool {
        self.get(of).is_some()
    }

    /// True if no reservation has a mark.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Number of marks.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// How the agent of this reservation leaves.
    pub fn reason(&self, of: &ReservationSid) -> Option<GracefulReason> {
        self.get(of).map(Mark::reason)
    }

    /// When the mark of this reservation was last given (point in time).
    pub fn said_at(&self, of: &ReservationSid) -> Option<Millis> {
        self.get(of).map(Mark::said_at)
    }

    /// True if the mark of this reservation is a transfer.
    pub fn is_transfer(&self, of: &ReservationSid) -> bool {
        self.reason(of).is_some_and(is_transfer)
    }

    /// True if only the task's attributes carry the mark of this reservation.
    pub fn is_only_in_task(&self, of: &ReservationSid) -> bool {
        self.get(of).is_some_and(Mark::is_only_in_task)
    }

    /// True if the agent of this reservation completes the task while they seem to be on the call.
    pub fn completes(&self, of: &ReservationSid) -> bool {
        self.get(of).is_some_and(Mark::completes)
    }

    /// True if the agent of this reservation has completed the task on the call.
    pub fn has_completed(&self, of: &ReservationSid) -> bool {
        self.get(of).is_some_and(Mark::has_completed)
    }
}

/// The only writers of marks.
impl Marks {
    fn observe(&mut self, of: &ReservationSid, observation: Observation) {
        self.observations += 1;
        self.of.entry(of.clone()).or_default().observe(self.observations, observation);
    }

    /// A mark was sent, or read in the task.
    pub(crate) fn give(&mut self, of: &ReservationSid, said: Said) {
        self.observe(of, Observation::Said(said));
    }

    /// A page repeats the mark that the task's attributes carry, or Twilio confirms it.
    pub(crate) fn confirm(&mut self, of: &ReservationSid) {
        if self.is_given(of) {
            self.observe(of, Observation::Confirmed);
        }
    }

    /// Twilio has confirmed the marks that only the task carries.
    pub(crate) fn confirm_all(&mut self) {
        let given: Vec<_> = self.iter().map(|(of, _)| of.clone()).collect();
        given.iter().for_each(|of| self.confirm(of));
    }

    /// The agent of this reservation hung up, whatever their mark stated. A mark that is new gets this point in time.
    pub(crate) fn leaves_by_hang_up(&mut self, of: &ReservationSid, now: Millis) {
        let at = self.said_at(of).unwrap_or(now);
        let by_page = !self.is_only_in_task(of);
        let reason = GracefulReason::HangUp;
        self.give(of, Said { reason, at, by_page, completes: false, has_completed: false });
    }

    /// The leg of this reservation's agent has hung up. If they completed the task, they did so on the call.
    pub(crate) fn hangs_up(&mut self, of: &ReservationSid) {
        if self.completes(of) {
            self.observe(of, Observation::HasCompleted);
        }
    }

    /// Withdraws the mark of this reservation: the agent has stayed.
    pub(crate) fn withdraw(&mut self, of: &ReservationSid) {
        if self.is_given(of) {
            self.observe(of, Observation::Withdrawn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn observation() -> impl Strategy<Value = Observation> {
        let reason = prop_oneof![
            Just(GracefulReason::HangUp),
            Just(GracefulReason::ColdTransfer),
            Just(GracefulReason::Complete)
        ];
        let said = (reason, any::<u32>(), any::<[bool; 3]>()).prop_map(
            |(reason, at, [by_page, completes, has_completed])| {
                Observation::Said(Said { reason, at: Millis(at.into()), by_page, completes, has_completed })
            },
        );
        prop_oneof![
            3 => said,
            1 => Just(Observation::Confirmed),
            1 => Just(Observation::HasCompleted),
            1 => Just(Observation::Withdrawn),
        ]
    }

    fn all(observations: &[(u64, Observation)]) -> Mark {
        let mut mark = Mark::default();
        observations.iter().for_each(|(number, it)| mark.observe(*number, *it));
        mark
    }

    proptest! {
        #[test]
        fn order_and_repetition_of_observations_do_not_matter(
            (observations, shuffled) in prop::collection::vec(observation(), 1..9).prop_flat_map(|all| {
                let all: Vec<_> = (1..).zip(all).collect();
                let twice = [all.clone(), all.clone()].concat();
                (Just(all), Just(twice).prop_shuffle())
            })
        ) {
            prop_assert_eq!(all(&observations), all(&shuffled));
        }

        #[test]
        fn a_withdrawn_mark_counts_only_from_what_is_said_after_it(
            (before, after) in (prop::collection::vec(observation(), 0..5), prop::collection::vec(observation(), 0..5))
        ) {
            let withdrawn = before.len() as u64 + 1;
            let since: Vec<_> = (withdrawn + 1..).zip(after).collect();
            let both: Vec<_> = (1..).zip(before).chain([(withdrawn, Observation::Withdrawn)]).chain(since.clone()).collect();
            let says = |mark: &Mark| {
                (mark.is_given(), mark.reason(), mark.is_only_in_task(), mark.completes(), mark.has_completed())
            };
            prop_assert_eq!(says(&all(&both)), says(&all(&since)));
        }
    }
}
