//! The check before a requeue: Twilio is asked whether an unreported agent is with the customer.

use crate::desk::*;
use rejoin_protocol::WorkerSid;
use rejoin_protocol::api::{GracefulReason, Stage};
use rejoin_recovery::{
    Action, Holder, LeaveReason, Outcome, ParticipantFlags, PollAnswer, Timer, UnreportedAgent,
};
use std::collections::BTreeMap;

const BO_LEG: u128 = 0xb1;

fn holder(worker: u128) -> Holder {
    Holder {
        worker: WorkerSid::numbered(worker),
        name: "Somebody".into(),
        reservation: reservation_of(worker, 1),
    }
}

fn present(legs: &[u128]) -> BTreeMap<rejoin_protocol::CallSid, ParticipantFlags> {
    legs.iter().map(|who| (leg(*who), ParticipantFlags::default())).collect()
}

/// The agent who has the customer, and by which leg, if these workers have accepted the task and a poll shows these
/// legs.
fn met(desk: &Desk, accepted: &[u128], legs: &[u128]) -> Option<(u128, u128)> {
    let call = desk.machine.call(&conference(1)).expect("a call");
    let accepted: Vec<_> = accepted.iter().map(|worker| holder(*worker)).collect();
    let seen = PollAnswer { accepted, participants: present(legs), ..PollAnswer::default() };
    let Outcome::AgentFound(met) = call.ended_by_check(&seen)? else {
        panic!("only reconnect tasks overtake")
    };
    let UnreportedAgent { leg: by, holder } = *met;
    let number = |numbers: &[u128], is: &dyn Fn(u128) -> bool| numbers.iter().copied().find(|n| is(*n));
    let by = number(&[ADA_LEG, NEXT_LEG, BO_LEG, 0x77], &|n| leg(n) == by)?;
    Some((by, number(&[ADA, BO, CY], &|n| WorkerSid::numbered(n) == holder.worker)?))
}

fn may_be_met(desk: &Desk) -> bool {
    desk.machine.call(&conference(1)).expect("a call").check_before_requeue(None).holders
}

/// A colleague has joined for a warm transfer, and no registration of theirs is confirmed. Then Ada is lost, and comes
/// back.
fn consulted() -> Desk {
    let mut desk = Desk::talking();
    desk.modify(1, CUSTOMER, false, true);
    desk.join(1, BO_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    desk.hello(2, true, false);
    while !desk.actions.contains(&requeue(Some(ADA))) {
        desk.finish_all();
        if desk.actions.is_empty() {
            desk.fire(1, Timer::Ping);
        }
    }
    desk.take_actions();
    desk
}

#[test]
fn a_requeue_is_checked_if_a_leg_can_be_heard_or_no_callbacks_arrive() {
    assert!(!may_be_met(&Desk::holding()), "the check would cost a request");
    assert!(may_be_met(&consulted()));
    let mut third = Desk::holding();
    third.join(1, 0x77, false);
    assert!(may_be_met(&third));
    third.modify(1, 0x77, false, true);
    assert!(!may_be_met(&third), "a leg on hold cannot be heard");
    let mut no_callbacks = Desk::new();
    no_callbacks.register_polled(1, ADA, ADA_LEG, 1);
    assert!(may_be_met(&no_callbacks));
}

#[test]
fn a_present_worker_who_accepted_the_task_has_the_customer() {
    let desk = consulted();
    let legs = [CUSTOMER, BO_LEG];
    assert_eq!(met(&desk, &[BO], &legs), Some((BO_LEG, BO)));
    assert_eq!(met(&desk, &[], &legs), None, "a third party");
    assert_eq!(met(&desk, &[BO], &[CUSTOMER]), None, "Bo's leg has left");
    assert_eq!(met(&desk, &[ADA], &legs), None, "the leg was there before Ada was lost");

    let mut back = Desk::away();
    back.hello_in_place(2);
    let legs = [CUSTOMER, NEXT_LEG];
    assert_eq!(met(&back, &[ADA], &legs), Some((NEXT_LEG, ADA)));
    assert_eq!(
        met(&back, &[ADA], &[CUSTOMER, NEXT_LEG, ADA_LEG]),
        None,
        "the leg that nobody is at does not count"
    );
    let mut transfers = back.clone();
    transfers.graceful(GracefulReason::ColdTransfer);
    assert_eq!(met(&transfers, &[ADA], &legs), Some((NEXT_LEG, ADA)), "the transfer goes on");
    back.goodbye(ADA, 2);
    assert_eq!(met(&back, &[ADA], &legs), None, "Ada's page is gone again");
    let mut leaves = consulted();
    leaves.register(1, BO, BO_LEG, 9);
    leaves.graceful_of(BO, GracefulReason::HangUp);
    assert_eq!(met(&leaves, &[BO], &[CUSTOMER, 0x77]), None);
}

#[test]
fn a_customer_stays_with_the_agent_whom_the_check_names() {
    for restarts in [false, true] {
        let mut desk = consulted();
        if restarts {
            desk.restart_all();
        }
        let met = UnreportedAgent { leg: leg(BO_LEG), holder: holder(BO) };
        desk.finish(requeue(Some(ADA)), Outcome::AgentFound(Box::new(met)));
        assert_eq!(desk.stage(), Some(Stage::Covered));
        // Bo's registration is confirmed in the end. If Bo leaves then, Bo is lost.
        desk.register(1, BO, BO_LEG, 9);
        desk.take_actions();
        desk.leave(1, BO_LEG, LeaveReason::HungUp);
        assert!(desk.has_timer(Timer::Grace));
    }
}

#[test]
fn a_requeue_is_resent_if_the_agent_named_by_the_check_is_gone() {
    let mut desk = consulted();
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.take_actions();
    let met = UnreportedAgent { leg: leg(BO_LEG), holder: holder(BO) };
    desk.finish(requeue(Some(ADA)), Outcome::AgentFound(Box::new(met)));
    // The first requeue was not done: this is another request.
    let [Action::Requeue { target: Some(ada), resent: 1, .. }] = &desk.take_actions()[..] else { panic!() };
    assert_eq!(*ada, WorkerSid::numbered(ADA));
}

/// The leg by which the agent is back is unknown to the Flex of that page, so that it cannot register.
#[test]
fn an_unregistered_leg_that_replaced_the_agents_is_identified_by_poll() {
    let replaced = |by: LeaveReason| {
        let mut desk = Desk::away();
        desk.hello_in_place(2);
        desk.join(1, NEXT_LEG, false);
        desk.leave(1, ADA_LEG, by);
        desk.fire(1, Timer::Rejoin);
        let asked = desk.take_actions();
        (desk, asked)
    };
    let of_task = |asked: &[Action]| matches!(asked, [Action::PollConference { handed_over: Some(_), .. }]);
    let poll_shows = |desk: &mut Desk, asked: &[Action], accepted: &[u128], legs: &[u128]| {
        let accepted = accepted.iter().map(|worker| holder(*worker)).collect();
        let seen = PollAnswer {
            participants: present(legs),
            on_line: Some(true),
            accepted,
            ..PollAnswer::default()
        };
        desk.finish(asked[0].clone(), Outcome::Polled(Box::new(seen)));
    };
    let legs = [CUSTOMER, NEXT_LEG];
    let (mut desk, asked) = replaced(LeaveReason::UpdatedViaApi);
    assert!(of_task(&asked), "{asked:?}");
    poll_shows(&mut desk, &asked, &[ADA], &legs);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(!desk.has_timer(Timer::Rejoin) && desk.take_actions().is_empty());
    // When its machine wakes up, that page still does not know the leg. That the next page does not know it proves that
    // nobody is at it.
    desk.hello_in_place(2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined), "that page asked for the leg");
    desk.hello_in_place(3);
    assert_eq!(desk.stage(), Some(Stage::InPlace));

    let (mut desk, asked) = replaced(LeaveReason::UpdatedViaApi);
    poll_shows(&mut desk, &asked, &[], &legs);
    assert_eq!(desk.stage(), Some(Stage::InPlace), "a third party");
    let (_, asked) = replaced(LeaveReason::HungUp);
    assert_eq!(asked, [], "the leg may be anybody's");
}
