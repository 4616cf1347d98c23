//! The requests to Twilio for a call: those in flight, and the keys of those that go out only once. Of the planned actions, those that
//! are in neither are requested.

use crate::{Action, Once, Outcome};
use rejoin_protocol::{CallSid, Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};

/// The requests of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requests {
    /// Actions in flight, the oldest first.
    in_flight: Vec<Action>,
    /// Actions that are requested at most once, and their answers.
    once: Vec<(Once, Answer)>,
    /// Legs whose `endConferenceOnExit` was reported true while it was being set back: another plugin may have set it since.
    set_again: Vec<CallSid>,
}

/// The answer to an action that is requested at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    Awaited,
    CarriedOut,
    NotCarriedOut,
}

impl Requests {
    /// Notes the action as in flight. False if it is requested at most once, and was.
    pub(crate) fn ask(&mut self, action: &Action) -> bool {
        if let Some(once) = action.traits().once {
            if self.answer_of(&once).is_some() {
                return false;
            }
            self.once.push((once, Answer::Awaited));
        }
        self.in_flight.push(action.clone());
        true
    }

    /// The action has ended.
    pub(crate) fn answer(&mut self, action: &Action, outcome: &Outcome) {
        self.forget(action);
        let once = action.traits().once;
        if let Some((_, answer)) = self.once.iter_mut().find(|(it, _)| Some(it) == once.as_ref()) {
            *answer = if *outcome == Outcome::Ok { Answer::CarriedOut } else { Answer::NotCarriedOut };
        }
    }

    /// The answer to this action is no longer awaited.
    pub(crate) fn forget(&mut self, action: &Action) {
        if let Some(at) = self.in_flight.iter().position(|it| it == action) {
            self.in_flight.remove(at);
        }
    }

    /// The actions that are in flight, the oldest first.
    pub fn in_flight(&self) -> impl Iterator<Item = &Action> {
        self.in_flight.iter()
    }

    fn awaits(&self, is: impl Fn(&Action) -> bool) -> bool {
        self.in_flight.iter().any(is)
    }

    fn answer_of(&self, once: &Once) -> Option<Answer> {
        self.once.iter().find(|(it, _)| it == once).map(|(_, answer)| *answer)
    }
}

/// State of the requests.
impl Requests {
    /// True while the customer's leg is being freed, so that the conference goes on without it.
    pub fn is_clearing_customer_flags(&self) -> bool {
        self.awaits(|it| matches!(it, Action::ClearCustomerFlags { .. }))
    }

    /// True once the request that writes this loss into the task has an outcome.
    pub fn is_loss_written(&self, task: &TaskSid, at: Millis) -> bool {
        let answer = self.answer_of(&Once::Mark { task: task.clone(), at });
        answer.is_some_and(|answer| answer != Answer::Awaited)
    }

    /// True while a leg is being removed.
    pub fn is_removing_leg(&self) -> bool {
        self.awaits(|it| matches!(it, Action::RemoveLeg { .. }))
    }

    /// True while this leg is being removed.
    pub fn is_removing(&self, leg: &CallSid) -> bool {
        self.awaits(|it| matches!(it, Action::RemoveLeg { leg: removed, .. } if removed == leg))
    }

    /// True while `endConferenceOnExit` of this leg is being set back to false.
    pub fn is_clearing_flag(&self, leg: &CallSid) -> bool {
        self.awaits(|it| matches!(it, Action::ClearExitFlag { leg: kept, .. } if kept == leg))
    }

    /// A callback has reported the flag of a leg whose flag is being set back.
    pub(crate) fn flag_is_reported(&mut self, leg: &CallSid, is_set: bool) {
        self.set_again.retain(|it| it != leg);
        if is_set && self.is_clearing_flag(leg) {
            self.set_again.push(leg.clone());
        }
    }

    /// True if another plugin may have set the flag of this leg while it was being set back. That counts once.
    pub(crate) fn take_set_again(&mut self, leg: &CallSid) -> bool {
        let before = self.set_again.len();
        self.set_again.retain(|it| it != leg);
        self.set_again.len() < before
    }

    /// True once the leg was sent after the customer into another conference.
    pub fn has_requested_move(&self, leg: &CallSid) -> bool {
        self.once.iter().any(|(it, _)| matches!(it, Once::Move(moved) if moved == leg))
    }

    /// True once the completion of this reservation was asked for.
    pub fn has_requested_completion(&self, reservation: &ReservationSid) -> bool {
        self.once.iter().any(|(it, _)| matches!(it, Once::Complete(completed) if completed == reservation))
    }

    fn requeues(&self, of: &RecoveryId) -> impl Iterator<Item = (Option<&WorkerSid>, u32, Answer)> {
        self.once.iter().filter_map(move |(it, answer)| match it {
            Once::Requeue { recovery, target, resent } if recovery == of => {
                Some((target.as_ref(), *resent, *answer))
            }
            _ => None,
        })
    }

    /// How often this recovery has asked Twilio to send the customer to the queue for this target.
    pub(crate) fn times_sent(&self, recovery: &RecoveryId, target: Option<&WorkerSid>) -> u32 {
        let resent = self.requeues(recovery).filter(|it| it.0 == target).map(|(_, resent, _)| resent + 1);
        resent.max().unwrap_or(0)
    }

    /// True if Twilio has carried out the last request of this recovery that sends the customer to the queue.
    pub(crate) fn was_sent(&self, recovery: &RecoveryId) -> bool {
        self.requeues(recovery).last().is_some_and(|(_, _, answer)| answer == Answer::CarriedOut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin_protocol::ConferenceSid;

    fn recovery() -> RecoveryId {
        RecoveryId::of(&CallSid::numbered(1))
    }

    fn requeue(target: Option<u128>, resent: u32) -> Action {
        Action::Requeue {
            recovery: recovery(),
            customer: CallSid::numbered(2),
            conference: ConferenceSid::numbered(1),
            target: target.map(WorkerSid::numbered),
            free: false,
            resent,
        }
    }

    fn keep() -> Action {
        Action::ClearExitFlag { conference: ConferenceSid::numbered(1), leg: CallSid::numbered(1) }
    }

    #[test]
    fn an_action_with_a_once_key_goes_out_once_whatever_its_outcome() {
        let mut requests = Requests::default();
        assert!(requests.ask(&requeue(None, 0)));
        assert!(!requests.ask(&requeue(None, 0)), "it is in flight");
        requests.answer(&requeue(None, 0), &Outcome::Failed { reason: "refused".into() });
        assert!(!requests.ask(&requeue(None, 0)), "it was refused");
        assert!(requests.ask(&requeue(None, 1)) && requests.ask(&requeue(Some(1), 0)), "other keys");
    }

    #[test]
    fn an_action_without_a_once_key_goes_out_again() {
        let mut requests = Requests::default();
        assert!(requests.ask(&keep()) && requests.ask(&keep()));
        requests.answer(&keep(), &Outcome::Ok);
        assert!(requests.is_clearing_flag(&CallSid::numbered(1)), "one of two is answered");
        requests.forget(&keep());
        assert!(!requests.is_clearing_flag(&CallSid::numbered(1)));
    }

    #[test]
    fn requests_to_send_a_customer_are_counted_by_target() {
        let mut requests = Requests::default();
        let times = |requests: &Requests| {
            let to = |target: Option<u128>| {
                requests.times_sent(&recovery(), target.map(WorkerSid::numbered).as_ref())
            };
            (to(None), to(Some(1)))
        };
        assert_eq!(times(&requests), (0, 0));
        requests.ask(&requeue(Some(1), 0));
        requests.ask(&requeue(None, 0));
        requests.ask(&requeue(None, 1));
        assert_eq!(times(&requests), (2, 1));
        let other = RecoveryId::of(&CallSid::numbered(9));
        assert_eq!(requests.times_sent(&other, None), 0);
    }

    #[test]
    fn only_the_last_request_to_send_a_customer_says_whether_they_were_sent() {
        let mut requests = Requests::default();
        assert!(!requests.was_sent(&recovery()));
        requests.ask(&requeue(Some(1), 0));
        assert!(!requests.was_sent(&recovery()), "it is in flight");
        requests.answer(&requeue(Some(1), 0), &Outcome::Ok);
        assert!(requests.was_sent(&recovery()));
        requests.ask(&requeue(None, 0));
        requests.answer(&requeue(None, 0), &Outcome::Overtaken);
        assert!(!requests.was_sent(&recovery()));
    }

    #[test]
    fn a_flag_that_is_set_again_while_it_is_set_back_counts_once() {
        let leg = CallSid::numbered(1);
        let mut requests = Requests::default();
        requests.flag_is_reported(&leg, true);
        assert!(!requests.take_set_again(&leg), "nobody sets it back");
        requests.ask(&keep());
        requests.flag_is_reported(&leg, true);
        assert!(requests.take_set_again(&leg) && !requests.take_set_again(&leg));
        requests.flag_is_reported(&leg, true);
        requests.flag_is_reported(&leg, false);
        assert!(!requests.take_set_again(&leg), "it was unset since");
    }

    #[test]
    fn what_is_asked_for_once_is_known_by_what_it_is_about() {
        let mut requests = Requests::default();
        let (leg, reservation) = (CallSid::numbered(3), ReservationSid::numbered(1));
        assert!(!requests.has_requested_move(&leg) && !requests.has_requested_completion(&reservation));
        let task = TaskSid::numbered(1);
        requests.ask(&Action::CompleteReservation { task: task.clone(), reservation: reservation.clone() });
        assert!(requests.has_requested_completion(&reservation));
        let (muted, end_on_exit, label, came_late) = (false, false, None, false);
        requests.ask(&Action::MoveParticipant {
            leg: leg.clone(),
            into: task.clone(),
            muted,
            end_on_exit,
            label,
            came_late,
        });
        assert!(requests.has_requested_move(&leg) && !requests.has_requested_move(&CallSid::numbered(4)));
        let mark = Action::MarkTask { task: task.clone(), at: Millis(1) };
        requests.ask(&mark);
        assert!(!requests.is_loss_written(&task, Millis(1)), "not yet");
        requests.answer(&mark, &Outcome::Failed { reason: "refused".into() });
        assert!(requests.is_loss_written(&task, Millis(1)), "nobody waits for more");
        assert!(!requests.is_loss_written(&task, Millis(2)), "the loss before");
    }

    #[test]
    fn a_leg_is_being_removed_until_the_removal_is_answered() {
        let (mut requests, leg, other) = (Requests::default(), CallSid::numbered(3), CallSid::numbered(4));
        assert!(!requests.is_removing_leg() && !requests.is_removing(&leg));
        let remove = Action::RemoveLeg { conference: ConferenceSid::numbered(1), leg: leg.clone() };
        requests.ask(&remove);
        assert!(requests.is_removing_leg() && requests.is_removing(&leg) && !requests.is_removing(&other));
        requests.answer(&remove, &Outcome::Ok);
        assert!(!requests.is_removing_leg() && !requests.is_removing(&leg));
    }

    #[test]
    fn the_requests_of_another_recovery_do_not_count() {
        let (mut requests, other) = (Requests::default(), RecoveryId::of(&CallSid::numbered(9)));
        let requeue = |recovery: &RecoveryId| Action::Requeue {
            recovery: recovery.clone(),
            customer: CallSid::numbered(1),
            conference: ConferenceSid::numbered(1),
            target: None,
            free: false,
            resent: 0,
        };
        requests.ask(&requeue(&other));
        requests.answer(&requeue(&other), &Outcome::Ok);
        assert!(!requests.was_sent(&recovery()) && requests.times_sent(&recovery(), None) == 0);
        requests.ask(&requeue(&recovery()));
        requests.answer(&requeue(&recovery()), &Outcome::Ok);
        assert!(requests.was_sent(&recovery()) && requests.times_sent(&recovery(), None) == 1);
    }
}
