//! The ladder: in place, to the same agent through the queue, to any agent. See "Down the ladder" in
//! `docs/recovery.md`.

use crate::desk::*;
use rejoin_protocol::api::{Failure, Stage};
use rejoin_protocol::{Millis, TaskSid, WorkerSid};
use rejoin_recovery::{
    Action, Effect, Event, LeaveReason, Loss, Note, Outcome, Purpose, RequeueCause, TaskEvent, TaskEventKind,
    Timer,
};

fn requeues(actions: &[Action]) -> Vec<&Action> {
    actions.iter().filter(|action| matches!(action, Action::Requeue { .. })).collect()
}

fn due(desk: &Desk, timer: Timer) -> Millis {
    desk.timers[&(conference(1), timer)]
}

/// How long after the customer was sent to any agent the lost agent was noted as back.
fn back_late(desk: &Desk) -> Vec<Millis> {
    let after = |effect: &Effect| match effect {
        Effect::Note { note: Note::AgentBackLate { after }, .. } => Some(*after),
        _ => None,
    };
    desk.effects.iter().filter_map(after).collect()
}

/// Ada was not back in time, and the customer is on the way to any agent.
fn sent_on() -> Desk {
    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    assert_eq!(requeues(&desk.finish_all()), [&requeue(None)]);
    assert_eq!(desk.causes(), [RequeueCause::AgentNotBack]);
    desk
}

#[test]
fn an_agent_who_is_back_shortly_after_the_customer_was_sent_on_is_noted_once() {
    for (seconds, is_noted) in [(0, true), (7, true), (30, true), (31, false)] {
        let mut desk = sent_on();
        desk.entered_queue();
        desk.now = desk.now + Millis::seconds(seconds);
        desk.hello(2, true, false);
        let late: &[Millis] = if is_noted { &[Millis::seconds(seconds)] } else { &[] };
        assert_eq!(back_late(&desk), late, "after {seconds} s");
        desk.now = desk.now + Millis::seconds(1);
        desk.restart_all();
        desk.hello(2, true, false);
        desk.hello(3, true, false);
        assert_eq!(back_late(&desk), late, "after {seconds} s, and again");
        assert_eq!(desk.stage(), Some(Stage::WaitingForOther), "it changes nothing for the call");
    }
}

#[test]
fn an_agent_who_is_back_late_is_noted_also_once_another_agent_has_the_customer() {
    let mut desk = sent_on();
    desk.entered_queue();
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.now = desk.now + Millis::seconds(3);
    desk.join(2, CUSTOMER, true);
    desk.register(2, BO, NEXT_LEG, 1);
    assert_eq!(desk.stage(), Some(Stage::HandedOver { worker_name: Some("Bo".into()) }));
    assert!(desk.machine.call(&conference(1)).unwrap().closed);
    desk.now = desk.now + Millis::seconds(4);
    // Bo's page, another page of Ada's than the lost one, and at last Ada's next page, which finds no task any more.
    desk.hello_of(BO, 2, false, false, false);
    desk.hello(EPOCH - 1, true, false);
    assert_eq!(back_late(&desk), []);
    desk.hello_about(7, 2);
    assert_eq!(back_late(&desk), [Millis::seconds(7)]);
}

#[test]
fn a_page_that_lived_on_and_an_agent_who_takes_the_call_or_accepts_the_ping_are_back_late_too() {
    let ways: [fn(&mut Desk); 3] = [
        |desk| desk.hello(EPOCH, true, false),
        |desk| {
            desk.join(2, CUSTOMER, true);
            desk.register(2, ADA, NEXT_LEG, 2);
            assert_eq!(desk.stage(), Some(Stage::Rejoined));
        },
        |desk| {
            desk.handle(Event::Task(TaskEvent {
                id: "EV1".into(),
                task: TaskSid::numbered(0x91),
                purpose: Purpose::Ping { recovery: recovery() },
                kind: TaskEventKind::Accepted,
                reservation: None,
                worker: Some(WorkerSid::numbered(ADA)),
            }));
        },
    ];
    for (n, way) in ways.into_iter().enumerate() {
        let mut desk = sent_on();
        desk.entered_queue();
        desk.now = desk.now + Millis::seconds(5);
        way(&mut desk);
        assert_eq!(back_late(&desk), [Millis::seconds(5)], "way {n}");
    }
}

#[test]
fn an_agent_who_was_back_before_the_customer_was_sent_on_is_not_back_late() {
    // The agent was back, and has not taken the call from the queue.
    let mut desk = Desk::talking();
    desk.goes_through_the_queue();
    desk.fire(1, Timer::Rejoin);
    desk.hello(2, true, false);
    assert_eq!((desk.stage(), back_late(&desk)), (Some(Stage::WaitingForOther), vec![]));
    assert_eq!(desk.causes().last(), Some(&RequeueCause::NotTaken));
    // The agent was back in time.
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    desk.hello(3, true, false);
    assert_eq!(back_late(&desk), []);
}

#[test]
fn a_leg_lost_late_in_an_absence_does_not_prolong_the_wait() {
    let mut desk = Desk::away();
    let lost_at = desk.now;
    desk.fire(1, Timer::Announce);
    desk.finish_all();
    desk.now = lost_at + Millis::seconds(13);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(due(&desk, Timer::Ping), lost_at + Millis::seconds(15), "the wait began with the goodbye");
    let asked = desk.finish_all();
    assert!(!asked.contains(&hold(false, false)), "the customer was told already: {asked:?}");
    assert_eq!(desk.losses(), [Loss::LegFollowedPage]);
    desk.fire(1, Timer::Ping);
    assert_eq!(requeues(&desk.finish_all()), [&requeue(None)]);
}

#[test]
fn a_leg_lost_during_a_rejoin_gives_the_agent_the_full_time_to_accept() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    assert_eq!(
        desk.stage(),
        Some(Stage::Requeueing),
        "the agent is back and gets the customer through the queue"
    );
    assert_eq!(due(&desk, Timer::Rejoin), desk.now + Millis::seconds(20));
}

#[test]
fn a_hello_after_a_requeue_for_any_agent_causes_no_other_requeue() {
    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    assert_eq!(requeues(&desk.finish_all()), [&requeue(None)]);
    assert_eq!(desk.causes(), [RequeueCause::AgentNotBack]);
    let until = due(&desk, Timer::Rejoin);
    desk.hello(2, true, false);
    assert!(desk.finish_all().is_empty());
    assert_eq!((desk.stage(), due(&desk, Timer::Rejoin)), (Some(Stage::WaitingForOther), until));
    // The same agent may be the one who accepts.
    desk.entered_queue();
    desk.join(2, CUSTOMER, true);
    desk.register(2, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
}

#[test]
fn a_goodbye_without_a_reload_goes_down_all_rungs_within_one_wait() {
    let mut desk = Desk::away();
    let lost_at = desk.now;
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.now, lost_at + Millis(1500));
    desk.finish_all();
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    desk.fire(1, Timer::Ping);
    assert_eq!(desk.now, lost_at + Millis::seconds(15));
    assert_eq!(requeues(&desk.finish_all()), [&requeue(None)]);
    desk.entered_queue();
    desk.fire(1, Timer::Rejoin);
    assert_eq!(desk.now, lost_at + Millis::seconds(15 + 600), "the wait for any agent ends, too");
    assert_eq!(desk.stage(), Some(Stage::Failed { reason: Failure::NobodyTookIt }));
}

#[test]
fn a_timeout_and_a_hello_in_the_same_instant_cause_one_requeue() {
    for hello_first in [true, false] {
        let mut desk = Desk::holding();
        desk.now = due(&desk, Timer::Ping);
        if hello_first {
            desk.hello(2, true, false);
            assert_eq!(requeues(&desk.finish_all()), [&requeue(Some(ADA))]);
            assert!(!desk.has_timer(Timer::Ping), "the wait is over");
        } else {
            desk.fire(1, Timer::Ping);
            desk.hello(2, true, false);
            assert_eq!(requeues(&desk.finish_all()), [&requeue(None)]);
        }
    }
    // The same while the leg stands.
    for hello_first in [true, false] {
        let mut desk = Desk::away();
        desk.now = due(&desk, Timer::Ping);
        if hello_first {
            desk.hello_in_place(2);
            assert!(desk.finish_all().is_empty());
            assert_eq!(desk.stage(), Some(Stage::InPlace));
            desk.fire(1, Timer::Rejoin);
        } else {
            desk.fire(1, Timer::Ping);
            desk.hello_in_place(2);
        }
        let asked = desk.finish_all();
        assert_eq!(desk.stage(), Some(Stage::Requeueing), "{asked:?}");
        assert!(requeues(&[asked, desk.finish_all()].concat()).len() <= 1);
    }
}

#[test]
fn a_rejoin_that_fails_at_the_end_of_the_wait_leads_to_a_requeue() {
    let mut desk = Desk::away();
    let lost_at = desk.now;
    desk.now = lost_at + Millis::seconds(12);
    desk.hello_in_place(2);
    desk.fire(1, Timer::Rejoin);
    assert_eq!(desk.now, lost_at + Millis::seconds(15), "the first rung ends with the wait");
    desk.finish_all();
    desk.finish_all();
    assert_eq!(desk.stage(), Some(Stage::Requeueing), "the agent is back");
}

#[test]
fn a_queue_that_never_keeps_the_customer_is_tried_ten_times_at_most() {
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    desk.finish_all();
    let goes_again = |desk: &Desk| desk.machine.call(&conference(1)).unwrap().goes_to_queue_again(None);
    for _ in 0..10 {
        desk.entered_queue();
        assert!(goes_again(&desk));
        desk.left_queue();
        assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
    }
    assert!(!goes_again(&desk), "our document tells the customer that it did not work");
    desk.left_queue();
    assert_eq!(desk.stage(), Some(Stage::Failed { reason: Failure::NotRequeued }));
    // A customer who has an agent as far as we know is not given up, whatever the queue reports.
    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    desk.entered_queue();
    desk.join(2, CUSTOMER, true);
    desk.register(2, BO, NEXT_LEG, 2);
    assert!(goes_again(&desk));
}

#[test]
fn a_customer_whose_recovery_failed_is_not_requeued_again() {
    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    desk.finish(requeue(None), Outcome::Failed { reason: "refused".into() });
    assert!(matches!(desk.stage(), Some(Stage::Failed { .. })));
    assert!(!desk.machine.call(&conference(1)).unwrap().goes_to_queue_again(None));
}
