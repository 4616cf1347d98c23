//! An agent who is back in an activity that receives no tasks.

use crate::desk::*;
use crate::taskrouter_events::task_event;
use rejoin_protocol::api::{GracefulReason, Hello, Holding, Stage};
use rejoin_protocol::{ActivitySid, TaskSid, WorkerSid};
use rejoin_recovery::{
    Action, Config, Event, LeaveReason, Machine, Outcome, Policies, Purpose, TaskEventKind, Timer,
};

fn ada() -> WorkerSid {
    WorkerSid::numbered(ADA)
}

fn on_break() -> ActivitySid {
    ActivitySid::numbered(2)
}

fn read() -> Action {
    Action::ReadActivity { worker: ada() }
}

fn lend() -> Action {
    Action::LendActivity { worker: ada(), before: on_break() }
}

fn give_back() -> Action {
    Action::ReturnActivity { worker: ada(), before: on_break() }
}

fn takes(available: bool) -> Outcome {
    Outcome::Activity { activity: on_break(), available }
}

fn failed() -> Outcome {
    Outcome::Failed { reason: "refused".into() }
}

/// A server that has an activity to lend.
fn machine(calls: impl IntoIterator<Item = rejoin_recovery::Call>) -> Machine {
    Machine::new(Policies { lends_activity: true, ..Policies::from(Config::default()) }, calls)
}

/// Ada's leg is lost and the customer is kept.
fn holding() -> Desk {
    let mut desk = Desk::with(machine([]));
    desk.join(1, CUSTOMER, true);
    desk.join(1, ADA_LEG, false);
    desk.register(1, ADA, ADA_LEG, EPOCH);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    desk
}

/// Her next page finds the call wrapping, and what she is at.
fn back(desk: &mut Desk, unavailable: bool) {
    let (task, reservation) = (TaskSid::numbered(1), reservation_of(ADA, 1));
    let holdings = vec![Holding { task, reservation, wrapping: true, can_join: false, other_browser: false }];
    let hello = Hello { epoch: 2, holdings, unavailable };
    desk.handle(Event::Hello { worker: ada(), hello, older_page_connected: false });
}

/// The ping reaches her on a break, too, and says nothing of it.
#[test]
fn of_who_answers_the_ping_before_her_page_says_hello_twilio_is_asked_what_she_is_at() {
    let answered = || {
        let mut desk = holding();
        let purpose = Purpose::Ping { recovery: recovery() };
        desk.handle(task_event(0x91, purpose, ADA, TaskEventKind::Accepted));
        assert_eq!(desk.take_actions(), [requeue(Some(ADA)), complete_ping(), read()]);
        desk
    };
    let mut desk = answered();
    desk.finish(read(), takes(false));
    assert_eq!(desk.take_actions(), [lend()]);
    // Most are at one that takes tasks.
    let mut desk = answered();
    desk.finish(read(), takes(true));
    assert!(desk.take_actions().is_empty());
}

/// Our activity is lent to her.
fn lent() -> Desk {
    let mut desk = holding();
    back(&mut desk, true);
    desk.take_actions();
    desk.finish(read(), takes(false));
    assert_eq!(desk.take_actions(), [lend()]);
    desk.finish(lend(), Outcome::Ok);
    assert!(desk.take_actions().is_empty());
    desk
}

/// A page is up before it knows what its worker is at, and says that when the customer waits for her already.
#[test]
fn what_a_page_learns_late_counts_while_the_customer_waits_in_the_queue() {
    let mut desk = holding();
    back(&mut desk, false);
    desk.finish_all();
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.end(1);
    desk.entered_queue();
    desk.finish_all();
    let hello = Hello { epoch: 2, holdings: vec![], unavailable: true };
    desk.handle(Event::Hello { worker: ada(), hello, older_page_connected: false });
    assert_eq!(desk.take_actions(), [read()]);
    desk.finish(read(), takes(false));
    assert_eq!(desk.take_actions(), [lend()]);
}

/// The process dies and comes back.
fn restart(desk: &mut Desk) {
    let json = serde_json::to_string(desk.machine.call(&conference(1)).unwrap()).unwrap();
    desk.machine = machine([serde_json::from_str(&json).unwrap()]);
}

#[test]
fn who_takes_tasks_costs_nothing() {
    let mut desk = holding();
    back(&mut desk, false);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA)), end_ping()]);
}

#[test]
fn without_an_activity_to_lend_nothing_is_asked() {
    let mut desk = Desk::holding();
    back(&mut desk, true);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA)), end_ping()]);
}

#[test]
fn an_agent_on_a_break_is_lent_an_activity_until_she_has_the_customer() {
    let mut desk = holding();
    back(&mut desk, true);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA)), end_ping(), read()]);
    back(&mut desk, true);
    assert!(desk.take_actions().is_empty(), "once");
    desk.finish(read(), takes(false));
    assert_eq!(desk.take_actions(), [lend()]);
    desk.finish(lend(), Outcome::Ok);
    // Her page sees that she takes tasks now.
    back(&mut desk, false);
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.entered_queue();
    assert_eq!(desk.take_actions(), [complete_old()]);
    desk.join(2, CUSTOMER, false);
    desk.join(2, NEXT_LEG, false);
    desk.register(2, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert_eq!(desk.take_actions(), [give_back()]);
    desk.finish(give_back(), Outcome::Ok);
    assert!(desk.machine.call(&conference(1)).unwrap().lent.is_empty());
}

#[test]
fn however_it_ends_she_is_put_back_once_and_also_after_a_crash() {
    type End = (&'static str, fn(&mut Desk));
    let ends: [End; 4] = [
        ("the customer hangs up in the queue", |desk| {
            let (recovery, customer) = (recovery(), leg(CUSTOMER));
            desk.handle(Event::LeftQueue { recovery, customer, bridged: false, hung_up: true });
        }),
        ("it is the next one's turn", |desk| desk.fire(1, Timer::Rejoin)),
        ("he cannot be sent", |desk| desk.finish(requeue(Some(ADA)), failed())),
        ("his call is over", |desk| desk.finish(requeue(Some(ADA)), Outcome::Gone)),
    ];
    for (name, end) in ends {
        for crash in [false, true] {
            let mut desk = lent();
            if crash {
                restart(&mut desk);
            }
            end(&mut desk);
            let actions = desk.take_actions();
            assert_eq!(
                actions.iter().filter(|action| **action == give_back()).count(),
                1,
                "{name}: {actions:?}"
            );
            desk.finish(give_back(), failed());
            assert!(desk.take_actions().is_empty(), "{name}");
        }
    }
}

#[test]
fn what_was_not_lent_is_not_returned() {
    // It ends while Twilio is asked what she is at.
    let mut desk = holding();
    back(&mut desk, true);
    desk.finish(requeue(Some(ADA)), Outcome::Gone);
    desk.take_actions();
    desk.finish(read(), takes(false));
    assert!(desk.take_actions().is_empty());
    // She takes tasks after all; Twilio cannot say it; she has changed it herself.
    for (of_read, of_lend) in [
        (takes(true), None),
        (failed(), None),
        (Outcome::Gone, None),
        (takes(false), Some(Outcome::Overtaken)),
        (takes(false), Some(Outcome::Gone)),
    ] {
        let mut desk = holding();
        back(&mut desk, true);
        desk.finish(read(), of_read);
        if let Some(outcome) = of_lend {
            desk.finish(lend(), outcome);
        }
        desk.take_actions();
        desk.fire(1, Timer::Rejoin);
        assert_eq!(desk.take_actions(), [requeue(None)]);
    }
}

/// Its answer was lost, or comes late: whether it was done is looked at when she is put back.
#[test]
fn what_may_have_been_lent_is_returned() {
    let mut desk = holding();
    back(&mut desk, true);
    desk.finish(read(), takes(false));
    desk.fire(1, Timer::Rejoin);
    desk.take_actions();
    assert!(desk.machine.wants(&conference(1), &lend()), "it may have been begun");
    desk.finish(lend(), failed());
    assert_eq!(desk.take_actions(), [give_back()]);
}

#[test]
fn in_place_needs_no_activity() {
    let mut desk = Desk::with(machine([]));
    desk.join(1, CUSTOMER, true);
    desk.join(1, ADA_LEG, false);
    desk.register(1, ADA, ADA_LEG, EPOCH);
    desk.goodbye(ADA, EPOCH);
    let holding = Holding {
        task: TaskSid::numbered(1),
        reservation: reservation_of(ADA, 1),
        wrapping: false,
        can_join: true,
        other_browser: false,
    };
    let hello = Hello { epoch: 2, holdings: vec![holding], unavailable: true };
    desk.handle(Event::Hello { worker: ada(), hello, older_page_connected: false });
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(!desk.take_actions().contains(&read()));
    desk.graceful(GracefulReason::HangUp);
    assert!(!desk.take_actions().contains(&read()));
}

/// Requests that an action takes when all goes well.
fn requests(action: &Action) -> usize {
    match action {
        Action::MarkTask { .. } => 2,
        Action::HoldCustomer { .. }
        | Action::CreatePing { .. }
        | Action::EndPing { .. }
        | Action::Requeue { .. }
        | Action::CompleteReservation { .. }
        | Action::KeepConference { .. }
        | Action::ReadActivity { .. } => 1,
        Action::LendActivity { .. } | Action::ReturnActivity { .. } => 2,
        other => panic!("{other:?} is not needed"),
    }
}

#[test]
fn a_recovered_call_of_two_costs_eight_requests() {
    for (unavailable, wanted) in [(false, 8), (true, 13)] {
        let mut desk = Desk::with(machine([]));
        let mut asked = vec![];
        desk.join(1, CUSTOMER, true);
        desk.join(1, ADA_LEG, true);
        desk.register(1, ADA, ADA_LEG, EPOCH);
        asked.extend(desk.finish_all());
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.fire(1, Timer::Grace);
        asked.extend(desk.finish_all());
        back(&mut desk, unavailable);
        loop {
            let actions = desk.take_actions();
            if actions.is_empty() {
                break;
            }
            for action in &actions {
                let outcome = if *action == read() { takes(false) } else { success(action) };
                desk.finish(action.clone(), outcome);
            }
            asked.extend(actions);
        }
        desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
        desk.entered_queue();
        asked.extend(desk.finish_all());
        desk.join(2, CUSTOMER, false);
        desk.join(2, NEXT_LEG, false);
        desk.register(2, ADA, NEXT_LEG, 2);
        asked.extend(desk.finish_all());
        assert_eq!(desk.stage(), Some(Stage::Rejoined));
        assert_eq!(asked.iter().map(requests).sum::<usize>(), wanted, "{asked:?}");
    }
}
