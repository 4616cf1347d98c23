//! The activity lent to an agent who is back in an activity that receives no tasks.

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

fn read_activity() -> Action {
    Action::ReadActivity { worker: ada() }
}

fn lend() -> Action {
    Action::LendActivity { worker: ada(), before: on_break() }
}

fn give_back() -> Action {
    Action::ReturnActivity { worker: ada(), before: on_break() }
}

/// The agent's activity, and whether it receives tasks.
fn activity_with(available: bool) -> Outcome {
    Outcome::Activity { activity: on_break(), available }
}

fn failed() -> Outcome {
    Outcome::Failed { reason: "refused".into() }
}

/// A server that has an activity to lend.
fn machine(calls: impl IntoIterator<Item = rejoin_recovery::Call>) -> Machine {
    Machine::new(Policies { lends_activity: true, ..Policies::from(Config::default()) }, calls)
}

/// Ada's leg is lost and the customer is held.
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

/// Ada's next page finds the call wrapping up, and says whether Ada's activity receives tasks.
fn page_returns(desk: &mut Desk, unavailable: bool) {
    let (task, reservation) = (TaskSid::numbered(1), reservation_of(ADA, 1));
    let holdings = vec![Holding { task, reservation, wrapping: true, can_join: false, other_browser: false }];
    let hello = Hello { epoch: 2, holdings, unavailable, accepts_ping: false };
    desk.handle(Event::Hello { worker: ada(), hello, older_page_connected: false });
}

/// The ping reaches an agent on a break as well, and does not tell the activity.
#[test]
fn a_ping_accepted_before_the_hello_makes_the_activity_read() {
    let answered = || {
        let mut desk = holding();
        let purpose = Purpose::Ping { recovery: recovery() };
        desk.handle(task_event(0x91, purpose, ADA, TaskEventKind::Accepted));
        assert_eq!(desk.take_actions(), [requeue(Some(ADA)), complete_ping(), read_activity()]);
        desk
    };
    let mut desk = answered();
    desk.finish(read_activity(), activity_with(false));
    assert_eq!(desk.take_actions(), [lend()]);
    // Most agents are in an activity that receives tasks.
    let mut desk = answered();
    desk.finish(read_activity(), activity_with(true));
    assert!(desk.take_actions().is_empty());
}

/// Our activity is lent to Ada.
fn lent() -> Desk {
    let mut desk = holding();
    page_returns(&mut desk, true);
    desk.take_actions();
    desk.finish(read_activity(), activity_with(false));
    assert_eq!(desk.take_actions(), [lend()]);
    desk.finish(lend(), Outcome::Ok);
    assert!(desk.take_actions().is_empty());
    desk
}

/// A page is up before it knows its worker's activity, and says it when the customer is already in the queue.
#[test]
fn a_late_hello_that_says_unavailable_counts_while_the_customer_waits() {
    let mut desk = holding();
    page_returns(&mut desk, false);
    desk.finish_all();
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.end(1);
    desk.entered_queue();
    desk.finish_all();
    let hello = Hello { epoch: 2, holdings: vec![], unavailable: true, accepts_ping: false };
    desk.handle(Event::Hello { worker: ada(), hello, older_page_connected: false });
    assert_eq!(desk.take_actions(), [read_activity()]);
    desk.finish(read_activity(), activity_with(false));
    assert_eq!(desk.take_actions(), [lend()]);
}

/// The process dies and restarts.
fn restart(desk: &mut Desk) {
    let json = serde_json::to_string(desk.machine.call(&conference(1)).unwrap()).unwrap();
    desk.machine = machine([serde_json::from_str(&json).unwrap()]);
}

#[test]
fn an_available_agent_is_lent_no_activity() {
    let mut desk = holding();
    page_returns(&mut desk, false);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA)), end_ping()]);
}

#[test]
fn without_an_activity_to_lend_no_activity_is_read() {
    let mut desk = Desk::holding();
    page_returns(&mut desk, true);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA)), end_ping()]);
}

#[test]
fn an_unavailable_agent_is_lent_an_activity_until_the_reconnect() {
    let mut desk = holding();
    page_returns(&mut desk, true);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA)), end_ping(), read_activity()]);
    page_returns(&mut desk, true);
    assert!(desk.take_actions().is_empty(), "the activity is read once");
    desk.finish(read_activity(), activity_with(false));
    assert_eq!(desk.take_actions(), [lend()]);
    desk.finish(lend(), Outcome::Ok);
    // Ada's page sees that the lent activity receives tasks.
    page_returns(&mut desk, false);
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
fn a_lent_activity_is_returned_once_however_the_requeue_ends() {
    type End = (&'static str, fn(&mut Desk));
    let ends: [End; 4] = [
        ("the customer hangs up in the queue", |desk| {
            let (recovery, customer) = (recovery(), leg(CUSTOMER));
            desk.handle(Event::LeftQueue { recovery, customer, bridged: false, hung_up: true, token: None });
        }),
        ("the agent does not accept in time", |desk| desk.fire(1, Timer::Rejoin)),
        ("the requeue fails", |desk| desk.finish(requeue(Some(ADA)), failed())),
        ("the customer's call is over", |desk| desk.finish(requeue(Some(ADA)), Outcome::Gone)),
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
fn an_activity_that_was_not_lent_is_not_returned() {
    // The recovery ends while the activity is being read.
    let mut desk = holding();
    page_returns(&mut desk, true);
    desk.finish(requeue(Some(ADA)), Outcome::Gone);
    desk.take_actions();
    desk.finish(read_activity(), activity_with(false));
    assert!(desk.take_actions().is_empty());
    // The activity receives tasks after all; Twilio does not answer; the worker is gone; the agent has changed the
    // activity.
    for (of_read, of_lend) in [
        (activity_with(true), None),
        (failed(), None),
        (Outcome::Gone, None),
        (activity_with(false), Some(Outcome::Overtaken)),
        (activity_with(false), Some(Outcome::Gone)),
    ] {
        let mut desk = holding();
        page_returns(&mut desk, true);
        desk.finish(read_activity(), of_read);
        if let Some(outcome) = of_lend {
            desk.finish(lend(), outcome);
        }
        desk.take_actions();
        desk.fire(1, Timer::Rejoin);
        assert_eq!(desk.take_actions(), [requeue(None)]);
    }
}

/// The answer was lost or comes late. Returning the activity checks whether it was lent.
#[test]
fn an_activity_that_may_have_been_lent_is_returned() {
    let mut desk = holding();
    page_returns(&mut desk, true);
    desk.finish(read_activity(), activity_with(false));
    desk.fire(1, Timer::Rejoin);
    desk.take_actions();
    assert!(desk.machine.wants(&conference(1), &lend()), "the request may have been sent");
    desk.finish(lend(), failed());
    assert_eq!(desk.take_actions(), [give_back()]);
}

#[test]
fn a_rejoin_in_place_reads_no_activity() {
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
    let hello = Hello { epoch: 2, holdings: vec![holding], unavailable: true, accepts_ping: false };
    desk.handle(Event::Hello { worker: ada(), hello, older_page_connected: false });
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(!desk.take_actions().contains(&read_activity()));
    desk.graceful(GracefulReason::HangUp);
    assert!(!desk.take_actions().contains(&read_activity()));
}

/// Number of requests that an action takes when it succeeds.
fn requests(action: &Action) -> usize {
    match action {
        Action::MarkTask { .. } => 2,
        Action::HoldCustomer { .. }
        | Action::CreatePing { .. }
        | Action::EndPing { .. }
        | Action::Requeue { .. }
        | Action::CompleteReservation { .. }
        | Action::ClearExitFlag { .. }
        | Action::ReadActivity { .. } => 1,
        Action::LendActivity { .. } | Action::ReturnActivity { .. } => 2,
        other => panic!("{other:?} is not needed"),
    }
}

#[test]
fn a_recovery_takes_8_requests_or_13_with_a_lent_activity() {
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
        page_returns(&mut desk, unavailable);
        loop {
            let actions = desk.take_actions();
            if actions.is_empty() {
                break;
            }
            for action in &actions {
                let outcome = if *action == read_activity() { activity_with(false) } else { success(action) };
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
