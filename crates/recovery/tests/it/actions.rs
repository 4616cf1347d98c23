//! Invariants of the table of actions as a whole. Each single row is for `action.rs` to define.

use rejoin_protocol::{
    ActivitySid, CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid,
};
use rejoin_recovery::{Action, Announcement, LostReply, Wanted};
use std::collections::BTreeSet;

/// One action of each kind.
fn all() -> Vec<Action> {
    let (conference, leg, task) = (ConferenceSid::numbered(1), CallSid::numbered(1), TaskSid::numbered(1));
    let (worker, reservation) = (WorkerSid::numbered(1), ReservationSid::numbered(1));
    let (recovery, activity) = (RecoveryId::of(&leg), ActivitySid::numbered(1));
    let requeue = |target| Action::Requeue {
        recovery: recovery.clone(),
        customer: leg.clone(),
        conference: conference.clone(),
        target,
        free: false,
        resent: 0,
    };
    vec![
        Action::Announce { conference: conference.clone(), what: Announcement::Interrupted },
        Action::Announce { conference: conference.clone(), what: Announcement::Comfort },
        Action::ClearCustomerFlags { conference: conference.clone(), customer: leg.clone(), unhold: false },
        Action::HoldCustomer {
            conference: conference.clone(),
            customer: leg.clone(),
            recovery: recovery.clone(),
            held: false,
            told: false,
            words_at: None,
        },
        Action::EndHold { conference: conference.clone(), customer: leg.clone() },
        Action::AskPage { conference: conference.clone(), leg: leg.clone() },
        Action::ClearExitFlag { conference: conference.clone(), leg: leg.clone() },
        Action::ReadTask { task: task.clone() },
        Action::MarkTask { task: task.clone(), at: Millis(1) },
        Action::CreatePing {
            worker: worker.clone(),
            recovery: recovery.clone(),
            task: task.clone(),
            reservation: reservation.clone(),
            ttl: Millis(1),
        },
        Action::EndPing { task: task.clone(), accepted: false },
        requeue(Some(worker.clone())),
        requeue(None),
        Action::CompleteReservation { task: task.clone(), reservation },
        Action::RemoveLeg { conference: conference.clone(), leg: leg.clone() },
        Action::MoveParticipant {
            leg: leg.clone(),
            into: task.clone(),
            muted: false,
            end_on_exit: false,
            label: None,
            came_late: false,
        },
        Action::HoldParticipant { conference: conference.clone(), leg: leg.clone() },
        Action::RetargetCoach {
            conference: conference.clone(),
            coach: leg.clone(),
            before: CallSid::numbered(2),
            now: CallSid::numbered(3),
        },
        Action::Unhold { conference: conference.clone(), leg: leg.clone() },
        Action::EndConference { conference: conference.clone() },
        Action::ReadActivity { worker: worker.clone() },
        Action::LendActivity { worker: worker.clone(), before: activity.clone() },
        Action::ReturnActivity { worker, before: activity },
        Action::ReadReservations { task: task.clone(), conference: None },
        Action::CheckNumber { task: task.clone() },
        Action::PollConference { conference, customer: None, queued: None, handed_over: None },
        Action::GiveUp { recovery, customer: leg },
        Action::LookUpTask { task },
    ]
}

#[test]
fn every_action_is_listed() {
    let here: BTreeSet<_> = all().iter().map(Action::name).collect();
    assert_eq!(here, Action::NAMES.iter().copied().collect());
}

#[test]
fn actions_that_are_harmful_when_repeated_have_unique_once_keys() {
    let all = all();
    let mut keys = BTreeSet::new();
    for action in &all {
        let traits = action.traits();
        assert!(traits.once.is_some() || !traits.lost_reply.is_looked_up(), "{action:?}");
        assert!(
            traits.once.is_none_or(|once| keys.insert(once.to_string())),
            "{action:?} has the key of another action"
        );
    }
}

#[test]
fn an_action_that_needs_the_store_can_become_unwanted() {
    for action in all() {
        let traits = action.traits();
        assert!(!traits.needs_store || traits.wanted != Wanted::Always, "nothing would stop it: {action:?}");
        assert!(
            !traits.needs_call || traits.needs_store,
            "without the store the call is not available: {action:?}"
        );
    }
}

#[test]
fn an_action_that_tidies_up_is_always_wanted() {
    for action in all().iter().filter(|action| action.traits().tidies_up) {
        assert_eq!(action.traits().wanted, Wanted::Always, "a forgotten call would not want it: {action:?}");
    }
}

#[test]
fn an_action_that_is_undone_when_in_doubt_can_become_unwanted() {
    for action in all().iter().filter(|action| action.traits().lost_reply == LostReply::RepeatOrUndo) {
        assert_ne!(action.traits().wanted, Wanted::Always, "nothing would ever undo it: {action:?}");
    }
}
