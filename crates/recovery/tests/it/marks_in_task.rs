//! Graceful marks in the task: a page that cannot reach the server writes into the task that its agent leaves.

use crate::desk::*;
use rejoin_protocol::api::{DeliveryId, GracefulReason, Stage};
use rejoin_protocol::{Millis, ReservationSid, TaskSid, WorkerSid};
use rejoin_recovery::{
    Action, ConferenceEventKind, Event, LeaveReason, Next, Outcome, ParticipantFlags, PollAnswer, TaskState,
    Timer,
};
use serde_json::{Value, json};

const LATER: u64 = EPOCH + 1;

pub fn hang_up_in_task() -> Value {
    marked_attributes(ADA, EPOCH, 2, GracefulReason::HangUp)
}

fn end_conference() -> Action {
    Action::EndConference { conference: conference(1) }
}

/// Ada's leg has left, and the server waits for a mark.
fn grace() -> Desk {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk
}

fn id(epoch: u64, number: u32) -> Option<DeliveryId> {
    Some(DeliveryId { epoch, number })
}

#[test]
fn a_mark_in_the_task_counts_within_the_grace_period() {
    let mut desk = grace();
    assert_eq!((desk.reads, desk.take_actions()), (1, vec![]));
    desk.read(&hang_up_in_task());
    assert_eq!(desk.stage(), Some(Stage::Graceful));
    assert!(desk.take_actions().is_empty(), "no announcement and no ping");
    ends_only_once_the_task_is_over(&mut desk);
}

/// The customer is alone, and only the task says that the agent left on purpose: the conference is ended once Twilio
/// says that the task is over.
fn ends_only_once_the_task_is_over(desk: &mut Desk) {
    let look = transfer_poll();
    let alone = |task| {
        let participants = [(leg(CUSTOMER), ParticipantFlags::default())].into();
        Outcome::Polled(Box::new(PollAnswer {
            participants,
            on_line: Some(true),
            task,
            ..PollAnswer::default()
        }))
    };
    for stands in [Some(TaskState::Wraps), None, Some(TaskState::Open)] {
        desk.fire(1, Timer::LeftAlone);
        assert_eq!(desk.take_actions(), [look.clone()], "the task is polled");
        desk.finish(look.clone(), alone(stands));
        assert_eq!(desk.take_actions(), [], "the call is not ended");
    }
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [look.clone()]);
    desk.finish(look, alone(Some(TaskState::Over)));
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [end_conference()], "the call is ended once the task is over");
}

#[test]
fn a_conference_ends_a_minute_after_a_mark_found_only_in_the_task() {
    let mut desk = grace();
    desk.read(&hang_up_in_task());
    let marked = desk.now;
    desk.take_actions();
    for _ in 0..20 {
        desk.fire(1, Timer::LeftAlone);
        if desk.take_actions() == [end_conference()] {
            let after = marked.until(desk.now);
            assert!((Millis(60_000)..Millis(75_000)).contains(&after), "{after:?}");
            return;
        }
        let participants = [(leg(CUSTOMER), ParticipantFlags::default())].into();
        let seen = PollAnswer {
            participants,
            on_line: Some(true),
            task: Some(TaskState::Wraps),
            ..PollAnswer::default()
        };
        desk.read(&hang_up_in_task());
        desk.finish(transfer_poll(), Outcome::Polled(Box::new(seen)));
        assert_eq!(desk.take_actions(), []);
    }
    panic!("the customer stays alone in the conference");
}

/// Flex sets the exit flag as its agent hangs up, and the server clears it before the leg leaves.
fn hangs_up_after_the_flag(pause: Millis) -> Desk {
    let mut desk = Desk::talking();
    desk.modify(1, ADA_LEG, true, false);
    desk.now = desk.now + pause;
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.take_actions();
    desk
}

#[test]
fn a_mark_in_the_task_is_confirmed_by_the_flag_that_flex_sets_as_the_agent_hangs_up() {
    let mut desk = hangs_up_after_the_flag(Millis(300));
    desk.read(&hang_up_in_task());
    assert_eq!(desk.stage(), Some(Stage::Graceful));
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [end_conference()], "as Twilio would have done");
}

#[test]
fn a_flag_that_was_set_long_before_the_hang_up_confirms_nothing() {
    let mut desk = hangs_up_after_the_flag(Millis(5_001));
    desk.read(&hang_up_in_task());
    ends_only_once_the_task_is_over(&mut desk);
}

#[test]
fn without_a_mark_the_agent_is_lost_however_the_flag_stands() {
    let mut desk = hangs_up_after_the_flag(Millis(300));
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    assert!(!desk.take_actions().contains(&end_conference()));
}

/// A hostile page may write a mark into the task of a colleague who is lost, but no flag just before their leg leaves.
#[test]
fn the_flag_of_another_leg_confirms_nothing() {
    let mut desk = Desk::talking();
    desk.modify(1, CUSTOMER, true, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.take_actions();
    desk.read(&hang_up_in_task());
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [transfer_poll()]);
}

#[test]
fn a_mark_in_the_task_with_an_unknown_epoch_is_ignored() {
    for epoch in [EPOCH + 1, 1 << 53, u64::MAX] {
        let mut desk = grace();
        desk.read(&marked_attributes(ADA, epoch, 2, GracefulReason::HangUp));
        desk.fire(1, Timer::Grace);
        assert_eq!(desk.stage(), Some(Stage::Interrupted), "{epoch}");
        let actions = desk.take_actions();
        assert!(!actions.contains(&end_conference()) && !actions.is_empty());
    }
    // The epoch of a page of Ada's that has said hello.
    let mut desk = grace();
    desk.hello(LATER, true, false);
    desk.read(&marked_attributes(ADA, LATER, 2, GracefulReason::HangUp));
    assert_eq!(desk.stage(), Some(Stage::Graceful));
}

#[test]
fn a_mark_in_the_task_is_confirmed_by_the_same_mark_from_the_page() {
    let mut desk = grace();
    desk.read(&hang_up_in_task());
    desk.mark(ADA, id(EPOCH, 2), GracefulReason::HangUp);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [end_conference()]);
}

#[test]
fn a_task_without_a_mark_changes_nothing() {
    for attributes in [json!({}), json!({"rejoinLeft": null}), json!([]), json!("nonsense")] {
        let mut desk = grace();
        desk.read(&attributes);
        desk.fire(1, Timer::Grace);
        assert_eq!(desk.stage(), Some(Stage::Interrupted), "{attributes}");
        assert!(!desk.take_actions().is_empty());
    }
}

#[test]
fn a_mark_read_from_the_task_during_the_recovery_ends_it() {
    let mut desk = grace();
    desk.fire(1, Timer::Grace);
    let begun = desk.finish_all();
    assert!(begun.iter().any(|action| matches!(action, Action::CreatePing { .. })));
    desk.read(&hang_up_in_task());
    assert_eq!(desk.stage(), Some(Stage::Graceful));
    assert_eq!(desk.finish_all(), [end_ping(), end_hold()]);
    ends_only_once_the_task_is_over(&mut desk);

    // The mark comes with the read that precedes the requeue.
    let mut desk = grace();
    desk.fire(1, Timer::Grace);
    let mark = Action::MarkTask { task: TaskSid::numbered(1), at: desk.now };
    desk.take_actions();
    desk.hello(2, true, false);
    desk.finish(
        mark,
        Outcome::TaskRead { attributes: hang_up_in_task().to_string(), version: None, workflow: None },
    );
    assert_eq!(desk.stage(), Some(Stage::Graceful));
    assert!(desk.take_actions().is_empty(), "Ada is back, and the customer is not requeued");
}

#[test]
fn a_mark_read_from_the_task_does_not_stop_a_requeue() {
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    desk.finish_all();
    desk.read(&hang_up_in_task());
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
}

#[test]
fn a_mark_in_the_task_ends_the_call_of_a_stranded_customer() {
    for asked_first in [true, false] {
        let mut desk = Desk::talking();
        let asked = |desk: &mut Desk| desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        if asked_first {
            asked(&mut desk);
        }
        desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
        desk.callback(1, ConferenceEventKind::End);
        assert_eq!(desk.reads, 1);
        desk.read(&hang_up_in_task());
        if !asked_first {
            asked(&mut desk);
        }
        assert_eq!(desk.machine.answer_to_action_url(desk.now, &leg(CUSTOMER)), Next::Over);
        assert_eq!(desk.stage(), Some(Stage::Graceful));
        assert!(desk.take_actions().is_empty());
    }
}

#[test]
fn a_stranded_customer_waits_for_the_task_read_before_a_requeue() {
    let mut desk = grace();
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.end(1);
    desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
    desk.fire(1, Timer::Grace);
    let [mark @ Action::MarkTask { .. }] = &desk.take_actions()[..] else {
        panic!("expected a mark of the task")
    };
    assert_eq!(desk.machine.answer_to_action_url(desk.now, &leg(CUSTOMER)), Next::Wait);
    desk.finish(
        mark.clone(),
        Outcome::TaskRead { attributes: hang_up_in_task().to_string(), version: None, workflow: None },
    );
    assert_eq!(desk.machine.answer_to_action_url(desk.now, &leg(CUSTOMER)), Next::Over);
}

#[test]
fn a_transfer_mark_in_the_task_makes_the_transfer_polled() {
    let mut desk = grace();
    desk.read(&marked_attributes(ADA, EPOCH, 2, GracefulReason::ColdTransfer));
    assert_eq!(desk.stage(), Some(Stage::Graceful));
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [transfer_poll()], "the customer may be waiting for a colleague");
}

#[test]
fn a_mark_in_the_task_counts_for_an_unreported_leave() {
    let mut desk = Desk::talking();
    desk.hello(2, true, false);
    assert_eq!(desk.reads, 1);
    desk.read(&hang_up_in_task());
    desk.fire(1, Timer::Leave);
    assert!(desk.stage().is_none() && desk.take_actions().is_empty());
}

#[test]
fn a_mark_in_the_task_of_another_or_earlier_reservation_is_ignored() {
    let stays = |desk: &mut Desk, mark: &Value, why: &str| {
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.read(mark);
        desk.fire(1, Timer::Grace);
        assert_eq!(desk.stage(), Some(Stage::Interrupted), "{why}");
    };
    let mut desk = Desk::talking();
    let mut other = hang_up_in_task();
    other["rejoinLeft"]["reservation"] = json!(ReservationSid::numbered(0x77));
    stays(&mut desk, &other, "of another reservation");

    let mut desk = Desk::talking();
    let mut other = hang_up_in_task();
    other["rejoinLeft"]["task"] = json!(TaskSid::numbered(2));
    stays(&mut desk, &other, "of another task");

    let mut desk = Desk::talking();
    let mut other = hang_up_in_task();
    other["rejoinLeft"]["id"] = json!(null);
    stays(&mut desk, &other, "it is not known when the mark was made");

    let mut desk = Desk::talking();
    desk.register_again(ADA, ADA_LEG, EPOCH, id(EPOCH, 3));
    stays(&mut desk, &hang_up_in_task(), "Ada stayed and registered again");

    let mut desk = Desk::talking();
    desk.register_again(ADA, ADA_LEG, LATER, id(LATER, 1));
    stays(&mut desk, &hang_up_in_task(), "Ada is back by a newer page");
}

#[test]
fn a_mark_in_the_task_after_the_registration_counts() {
    let mut desk = Desk::talking();
    desk.register_again(ADA, ADA_LEG, EPOCH, id(EPOCH, 1));
    desk.register_again(BO, 0xb1, LATER, id(LATER, 9));
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.take_actions();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.read(&hang_up_in_task());
    assert_eq!(
        desk.stage(),
        Some(Stage::Graceful),
        "a colleague's registration does not withdraw Ada's mark"
    );
}

#[test]
fn a_mark_in_the_task_and_the_same_mark_from_the_page_count_once() {
    let mut desk = grace();
    desk.read(&hang_up_in_task());
    desk.mark(ADA, id(EPOCH, 2), GracefulReason::HangUp);
    assert_eq!(desk.stage(), Some(Stage::Graceful));

    // A mark that arrived and was withdrawn is not applied again when it is read in the task.
    let mut desk = Desk::talking();
    desk.mark(ADA, id(EPOCH, 2), GracefulReason::ColdTransfer);
    desk.now = desk.now + Millis::seconds(15);
    desk.register_again(ADA, ADA_LEG, EPOCH, id(EPOCH, 3));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.read(&marked_attributes(ADA, EPOCH, 2, GracefulReason::ColdTransfer));
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

#[test]
fn a_separate_read_of_the_task_is_unwanted_after_the_grace_period() {
    let read = Action::ReadTask { task: TaskSid::numbered(1) };
    let mut desk = grace();
    assert!(desk.machine.wants(&conference(1), &read));
    desk.fire(1, Timer::Grace);
    assert!(!desk.machine.wants(&conference(1), &read), "marking the task reads it anyway");
}

/// Ada's leg has left, no page has registered the call, and the look-up brings these attributes of the task.
fn looked_up_with(attributes: &Value) -> Desk {
    let mut desk = Desk::new();
    desk.join(1, CUSTOMER, true);
    desk.join(1, ADA_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let [learn @ Action::LookUpTask { .. }] = &desk.take_actions()[..] else { panic!("expected a look-up") };
    let found = rejoin_recovery::LookUpAnswer {
        is_accepted: false,
        workflow: rejoin_protocol::WorkflowSid::numbered(1),
        queue: None,
        customer_leg: Some(leg(CUSTOMER)),
        worker_leg: Some(leg(ADA_LEG)),
        reservation: Some(reservation_of(ADA, 1)),
        worker: Some((WorkerSid::numbered(ADA), "Ada".into())),
        attributes: attributes.to_string(),
    };
    desk.finish(learn.clone(), Outcome::TaskLookedUp(Box::new(found)));
    desk
}

#[test]
fn a_mark_that_a_look_up_brings_counts() {
    let mut desk = looked_up_with(&hang_up_in_task());
    assert!(desk.stage().is_none() && desk.take_actions().is_empty());
    ends_only_once_the_task_is_over(&mut desk);
}

/// No page of Ada's has said anything about the call: any epoch counts that a page can have, and no other.
#[test]
fn a_looked_up_mark_with_an_impossible_epoch_is_ignored() {
    let mut desk = looked_up_with(&marked_attributes(ADA, u64::MAX, 1, GracefulReason::HangUp));
    assert!(desk.has_timer(Timer::Grace), "the agent is lost");
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    assert!(desk.finish_all().iter().any(|action| matches!(action, Action::CreatePing { .. })));
}

/// Callbacks are late, so the agent's leg was never shown. The poll for it finds nobody, as the conference has ended,
/// and Twilio fetches our action URL for the customer every second. Found by the simulation, seed 87633.
#[test]
fn a_stranded_customer_missing_in_the_poll_for_an_unseen_leg_is_kept() {
    for shown in [true, false] {
        let mut desk = Desk::new();
        if shown {
            desk.join(1, CUSTOMER, false);
        } else {
            desk.callback(1, ConferenceEventKind::Start);
        }
        desk.handle(Event::Registered {
            worker: WorkerSid::numbered(ADA),
            registration: registration_of(1, ADA, ADA_LEG, 1),
        });
        desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
        let poll =
            desk.take_actions().into_iter().find(|action| matches!(action, Action::PollConference { .. }));
        desk.finish(poll.expect("a poll for the leg"), Outcome::Polled(Box::default()));
        desk.now = desk.now + Millis::seconds(1);
        desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
        assert_eq!(desk.machine.answer_to_action_url(desk.now, &leg(CUSTOMER)), Next::Wait, "{shown}");
    }
}
