//! The allow list: calls whose customer is not on it are left alone.

use crate::desk::*;
use rejoin_protocol::{TaskSid, WorkerSid};
use rejoin_recovery::{Action, Config, Effect, Event, LeaveReason, Machine, Note, Outcome, Policies, Timer};

fn check() -> Action {
    Action::CheckNumber { task: TaskSid::numbered(1) }
}

/// The customer and Ada talk, and only numbers on a list are touched.
fn talking() -> Desk {
    let policies = Policies { allow_list: true, ..Policies::from(Config::default()) };
    let mut desk = Desk::with(Machine::new(policies, []));
    desk.join(1, CUSTOMER, true);
    assert_eq!(desk.take_actions(), [check()], "checked as soon as the call is known");
    desk.join(1, ADA_LEG, false);
    desk.register(1, ADA, ADA_LEG, EPOCH);
    assert!(desk.take_actions().is_empty(), "checked once");
    desk
}

fn pushes(desk: &Desk) -> usize {
    desk.effects.iter().filter(|effect| matches!(effect, Effect::Push { .. })).count()
}

fn answered(desk: &mut Desk, outcome: Outcome) {
    desk.handle(Event::Done { conference: conference(1), action: check(), outcome });
}

#[test]
fn a_call_of_a_number_not_on_the_list_is_never_touched() {
    for outcome in [Outcome::Number { allowed: false }, Outcome::Gone] {
        let mut desk = talking();
        assert_eq!(desk.machine.may_touch(&conference(1)), None);
        answered(&mut desk, outcome);
        assert_eq!(desk.machine.may_touch(&conference(1)), Some(false));
        assert!(desk.effects.iter().any(|e| matches!(e, Effect::Note { note: Note::NotAllowed, .. })));
        desk.effects.clear();
        desk.goodbye(ADA, EPOCH);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.hello(EPOCH + 1, true, false);
        assert_eq!(desk.effects, []);
        assert!(desk.take_actions().is_empty());
        assert_eq!(desk.machine.views(desk.now, &WorkerSid::numbered(ADA)), []);
        assert!(!desk.has_timer(Timer::Grace));
        desk.fire(1, Timer::Forget);
        assert!(desk.machine.call(&conference(1)).is_none());
    }
}

#[test]
fn actions_wait_until_the_number_is_checked() {
    let mut desk = talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert!(desk.take_actions().is_empty(), "nothing is touched yet");
    assert_eq!(pushes(&desk), 0);
    answered(&mut desk, Outcome::Number { allowed: true });
    let kinds: Vec<_> = desk.take_actions();
    assert!(matches!(kinds[0], Action::HoldCustomer { .. }), "{kinds:?}");
    assert!(kinds.iter().any(|action| matches!(action, Action::CreatePing { .. })), "{kinds:?}");
    assert_eq!(pushes(&desk), 1, "the agent's dialog is updated, too");
    assert_eq!(desk.machine.may_touch(&conference(1)), Some(true));
}

#[test]
fn a_loss_before_the_number_is_refused_leads_to_no_action() {
    let mut desk = talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    answered(&mut desk, Outcome::Number { allowed: false });
    assert!(desk.take_actions().is_empty());
    assert!(!desk.has_timer(Timer::Ping));
    assert_eq!(pushes(&desk), 0);
}

#[test]
fn a_failed_number_check_is_repeated() {
    let mut desk = talking();
    answered(&mut desk, Outcome::Failed { reason: "no answer".into() });
    assert_eq!(desk.take_actions(), [check()]);
    assert_eq!(desk.machine.may_touch(&conference(1)), None);
}

#[test]
fn without_an_allow_list_no_number_is_checked() {
    let desk = Desk::talking();
    assert_eq!(desk.machine.may_touch(&conference(1)), Some(true));
}
