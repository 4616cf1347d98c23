//! More than one agent on a call: transfers, kicks, and somebody who listens.

use crate::desk::*;
use rejoin_protocol::api::{DeliveryId, GracefulReason, Stage};
use rejoin_protocol::{Millis, RecoveryId, TaskSid, WorkerSid};
use rejoin_recovery::{
    Action, Announcement, ConferenceEventKind, Event, LeaveReason, Next, Outcome, ParticipantFlags, Seen,
    Timer,
};

const BO_LEG: u128 = 0xb1;
const NEXT_OF_BO: u128 = 0xb2;
const LISTENER: u128 = 0x5e;

impl Desk {
    /// A page has loaded and found its reservation accepted, and the old leg standing.
    fn returns(&mut self, worker: u128, epoch: u64) {
        self.hello_of(worker, epoch, false, false, true);
    }

    fn goes(&mut self, worker: u128) {
        self.goodbye(worker, EPOCH);
    }

    /// The new leg of an agent who joins in place has come, its page has registered, and Flex closes the old one.
    fn is_back(&mut self, worker: u128, old: u128, new: u128, epoch: u64) {
        self.join(1, new, false);
        self.leave(1, old, LeaveReason::UpdatedViaApi);
        self.register(1, worker, new, epoch);
    }
}

/// Ada and Bo are both on the call with the customer.
fn together() -> Desk {
    let mut desk = Desk::talking();
    desk.join(1, BO_LEG, false);
    desk.register(1, BO, BO_LEG, EPOCH);
    assert!(desk.take_actions().is_empty());
    desk
}

/// Ada consults Bo: the customer is on hold.
fn consulting() -> Desk {
    let mut desk = together();
    desk.modify(1, CUSTOMER, false, true);
    desk
}

/// Of Ada's page.
fn delivery(number: u32) -> Option<DeliveryId> {
    Some(DeliveryId { epoch: EPOCH, number })
}

fn remove(who: u128) -> Action {
    Action::RemoveLeg { conference: conference(1), leg: leg(who) }
}

fn unhold(who: u128) -> Action {
    Action::Unhold { conference: conference(1), leg: leg(who) }
}

fn announce() -> Action {
    Action::Announce { conference: conference(1), what: Announcement::Interrupted }
}

/// The customer has nobody, because this leg was lost.
fn told_on_hold(lost: u128) -> Action {
    let (conference, customer) = (conference(1), leg(CUSTOMER));
    let recovery = RecoveryId::of(&leg(lost));
    Action::HoldCustomer { conference, customer, recovery, held: false, told: false }
}

// --- a refresh beside another agent ---

#[test]
fn an_agent_who_refreshes_beside_another_is_back_in_place_and_the_customer_hears_nothing_of_it() {
    for mut desk in [together(), consulting()] {
        desk.goes(ADA);
        assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted));
        assert!(!desk.has_timer(Timer::Announce), "the customer has Bo");
        desk.returns(ADA, 2);
        assert_eq!(desk.stage_of(ADA), Some(Stage::InPlace));
        desk.is_back(ADA, ADA_LEG, NEXT_LEG, 2);
        assert_eq!(desk.stage_of(ADA), Some(Stage::Rejoined));
        assert_eq!(desk.stage_of(BO), None);
        assert!(desk.take_actions().is_empty() && !desk.has_timer(Timer::Beside));
    }
}

#[test]
fn the_consulted_agent_is_back_in_place_too() {
    let mut desk = consulting();
    desk.goes(BO);
    desk.returns(BO, 2);
    assert_eq!(desk.stage_of(BO), Some(Stage::InPlace));
    desk.is_back(BO, BO_LEG, NEXT_OF_BO, 2);
    assert_eq!((desk.stage_of(BO), desk.stage_of(ADA)), (Some(Stage::Rejoined), None));
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_crash_beside_another_agent_is_rejoined_in_place() {
    let mut desk = together();
    desk.returns(ADA, 2);
    assert_eq!(desk.stage_of(ADA), Some(Stage::InPlace));
    desk.is_back(ADA, ADA_LEG, NEXT_LEG, 2);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Rejoined));
}

#[test]
fn an_agent_who_is_not_back_in_time_leaves_the_customer_to_the_other() {
    let mut desk = consulting();
    desk.goes(ADA);
    desk.fire(1, Timer::Beside);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
    assert_eq!(
        desk.take_actions(),
        [remove(ADA_LEG), unhold(CUSTOMER)],
        "nobody is left who could end the hold"
    );
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert!(desk.take_actions().is_empty());
    assert_eq!(desk.stage_of(BO), None);
}

#[test]
fn a_leg_that_falls_beside_another_agent_leaves_the_customer_to_him() {
    // While its page is away, and without a word before.
    for goodbye in [true, false] {
        let mut desk = consulting();
        if goodbye {
            desk.goes(ADA);
        }
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        assert_eq!(desk.take_actions(), [unhold(CUSTOMER)], "{goodbye}");
        assert_ne!(desk.stage_of(ADA), Some(Stage::Interrupted));
        assert!(!desk.has_timer(Timer::Grace) && !desk.has_timer(Timer::Beside));
    }
}

#[test]
fn joining_beside_another_agent_that_does_not_work_ends_in_time() {
    let mut desk = together();
    desk.goes(ADA);
    desk.returns(ADA, 2);
    let before = desk.now;
    desk.fire(1, Timer::Beside);
    assert!(desk.now - before <= Millis::seconds(8));
    assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
    assert_eq!(desk.take_actions(), [remove(ADA_LEG)]);
}

#[test]
fn a_hold_that_somebody_else_can_end_is_left_alone() {
    let mut desk = consulting();
    desk.join(1, 0xc7, false);
    desk.register(1, CY, 0xc7, EPOCH);
    desk.goes(ADA);
    desk.fire(1, Timer::Beside);
    assert_eq!(desk.take_actions(), [remove(ADA_LEG)]);
}

#[test]
fn an_agent_on_hold_is_nobody_for_the_customer_until_nobody_else_is_left() {
    // Ada talks to the customer, Bo is on hold.
    let mut desk = together();
    desk.modify(1, BO_LEG, false, true);
    desk.goes(ADA);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [announce()]);
    desk.fire(1, Timer::Ping);
    assert_eq!(desk.take_actions(), [remove(ADA_LEG), unhold(BO_LEG)]);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));

    let mut desk = together();
    desk.modify(1, BO_LEG, false, true);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.take_actions(), [unhold(BO_LEG)]);
}

// --- when the other one goes, too ---

#[test]
fn two_agents_who_both_went_away_are_missed() {
    let mut desk = together();
    desk.goes(ADA);
    desk.goes(BO);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.finish_all(), [told_on_hold(BO_LEG)]);
    // Whoever is back first has the customer, and the other one may come back, too.
    desk.returns(ADA, 2);
    desk.is_back(ADA, ADA_LEG, NEXT_LEG, 2);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Rejoined));
    desk.returns(BO, 2);
    desk.is_back(BO, BO_LEG, NEXT_OF_BO, 2);
    assert_eq!(desk.stage_of(BO), Some(Stage::Rejoined));
    assert_eq!(desk.take_actions(), [end_hold()]);
}

#[test]
fn when_the_other_one_hangs_up_an_agent_who_is_away_is_missed() {
    let mut desk = together();
    desk.goes(ADA);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [told_on_hold(ADA_LEG)]);
    desk.returns(ADA, 2);
    desk.is_back(ADA, ADA_LEG, NEXT_LEG, 2);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Rejoined));
}

#[test]
fn when_the_other_one_is_lost_an_agent_who_is_away_still_comes_back() {
    let mut desk = together();
    desk.goes(ADA);
    desk.returns(ADA, 2);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    assert!(desk.finish_all().contains(&told_on_hold(BO_LEG)));
    desk.is_back(ADA, ADA_LEG, NEXT_LEG, 2);
    assert_eq!((desk.stage_of(ADA), desk.stage_of(BO)), (Some(Stage::Rejoined), Some(Stage::Covered)));
}

#[test]
fn somebody_who_takes_over_while_the_agent_is_away_ends_the_wait_of_the_customer() {
    let mut desk = Desk::announcing();
    desk.goes(ADA);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [announce()]);
    desk.join(1, BO_LEG, false);
    desk.register(1, BO, BO_LEG, EPOCH);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    assert!(desk.take_actions().is_empty(), "no more comfort audio over their talk");
    desk.returns(ADA, 2);
    desk.is_back(ADA, ADA_LEG, NEXT_LEG, 2);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Rejoined));
}

// --- what is no loss ---

#[test]
fn who_completes_a_warm_transfer_is_not_lost_and_the_other_one_is_guarded() {
    let mut desk = together();
    desk.graceful_of(ADA, GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Orphan);
    assert!(desk.take_actions().is_empty() && desk.stage_of(ADA).is_none());
    // Bo refreshes later.
    desk.goes(BO);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.finish_all(), [told_on_hold(BO_LEG)]);
    desk.returns(BO, 2);
    desk.is_back(BO, BO_LEG, NEXT_OF_BO, 2);
    assert_eq!(desk.stage_of(BO), Some(Stage::Rejoined));
    assert_eq!(desk.finish_all(), [end_hold()]);
    // And hangs up in the end.
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.leave(1, NEXT_OF_BO, LeaveReason::HungUp);
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
}

#[test]
fn who_gets_the_call_through_the_queue_is_the_one_who_was_lost() {
    let mut desk = together();
    desk.graceful_of(ADA, GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    let ping = desk.take_actions().into_iter().find_map(|action| match action {
        Action::CreatePing { worker, reservation, .. } => Some((worker, reservation)),
        _ => None,
    });
    assert_eq!(ping, Some((WorkerSid::numbered(BO), reservation_of(BO, 1))));
}

#[test]
fn who_said_that_she_leaves_and_stays_is_guarded_again() {
    let mut desk = Desk::talking();
    desk.mark(ADA, delivery(2), GracefulReason::ColdTransfer);
    // The transfer is refused, and her page says so by registering the call again.
    desk.now = desk.now + Millis::seconds(15);
    desk.register_again(ADA, ADA_LEG, EPOCH, delivery(3));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted));

    // A registration from before, delivered again, takes nothing back.
    let mut desk = Desk::talking();
    desk.register_again(ADA, ADA_LEG, EPOCH, delivery(1));
    desk.mark(ADA, delivery(2), GracefulReason::ColdTransfer);
    desk.register_again(ADA, ADA_LEG, EPOCH, delivery(1));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage_of(ADA), None);
}

#[test]
fn a_customer_who_waits_for_the_second_cold_transfer_is_no_orphan() {
    let mut desk = Desk::talking();
    desk.graceful_of(ADA, GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.join(1, BO_LEG, false);
    desk.register(1, BO, BO_LEG, EPOCH);
    desk.graceful_of(BO, GracefulReason::ColdTransfer);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [transfer_poll()]);

    // Also when the first transfer was a warm one.
    let mut desk = together();
    desk.graceful_of(ADA, GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.graceful_of(BO, GracefulReason::ColdTransfer);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [transfer_poll()]);
}

#[test]
fn who_wraps_up_after_a_cold_transfer_does_not_end_the_call() {
    let mut desk = Desk::talking();
    desk.graceful_of(ADA, GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.graceful_of(ADA, GracefulReason::Complete);
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [transfer_poll()]);
}

#[test]
fn who_hangs_up_after_a_cold_transfer_ends_the_call() {
    let mut desk = Desk::talking();
    desk.graceful_of(ADA, GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.join(1, BO_LEG, false);
    desk.register(1, BO, BO_LEG, EPOCH);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
}

#[test]
fn an_agent_whom_another_one_kicks_is_not_lost_whatever_reason_twilio_gives() {
    for reason in [LeaveReason::UpdatedViaApi, LeaveReason::HungUp, LeaveReason::Unknown] {
        let mut desk = together();
        desk.leave(1, BO_LEG, reason);
        assert!(desk.take_actions().is_empty() && desk.stage_of(BO).is_none(), "{reason:?}");
        assert!(!desk.has_timer(Timer::Grace), "{reason:?}");
    }
}

#[test]
fn an_end_for_all_is_no_loss_of_anybody() {
    let mut desk = together();
    desk.graceful_of(ADA, GracefulReason::EndConference);
    for who in [BO_LEG, ADA_LEG, CUSTOMER] {
        desk.leave(1, who, LeaveReason::ConferenceEndedViaApi);
    }
    desk.end(1);
    assert!(desk.take_actions().is_empty());
    assert_eq!((desk.stage_of(ADA), desk.stage_of(BO)), (None, None));
}

#[test]
fn a_call_that_moves_to_another_page_by_join_call_is_not_lost() {
    // The old leg is closed after the new one is in; its page has not registered yet, or has.
    for registered in [false, true] {
        for reason in [LeaveReason::UpdatedViaApi, LeaveReason::HungUp] {
            let mut desk = Desk::talking();
            desk.join(1, NEXT_LEG, false);
            if registered {
                desk.register(1, ADA, NEXT_LEG, 2);
            }
            desk.leave(1, ADA_LEG, reason);
            desk.register(1, ADA, NEXT_LEG, 2);
            assert!(desk.take_actions().is_empty(), "{registered} {reason:?}");
            assert_ne!(desk.stage_of(ADA), Some(Stage::Interrupted), "{registered} {reason:?}");
        }
    }
}

#[test]
fn an_agent_who_is_away_and_left_on_purpose_is_not_waited_for() {
    let mut desk = together();
    desk.goes(ADA);
    desk.graceful_of(ADA, GracefulReason::SignOut);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Graceful));
    assert_eq!(desk.take_actions(), [remove(ADA_LEG)]);
}

#[test]
fn a_customer_who_hangs_up_meanwhile_ends_it_for_who_was_away() {
    let mut desk = together();
    desk.goes(ADA);
    desk.leave(1, CUSTOMER, LeaveReason::HungUp);
    assert_eq!(desk.stage_of(ADA), Some(Stage::CustomerLeft));
    assert_eq!(desk.take_actions(), [remove(ADA_LEG)]);
    desk.leave(1, BO_LEG, LeaveReason::ModeratorEnded);
    desk.end(1);
    assert!(desk.take_actions().is_empty());
}

/// Another plugin has set an exit flag: he may go on with what comes after the call.
#[test]
fn a_customer_under_whom_the_conference_ends_has_not_hung_up_for_who_was_away() {
    let mut desk = together();
    desk.goes(ADA);
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted), "it may have ended with her leg");
    desk.leave(1, ADA_LEG, LeaveReason::ModeratorEnded);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
}

/// Another plugin has set her flag right before: it ends under a colleague who has not left him.
#[test]
fn a_conference_that_ends_with_a_leg_that_is_removed_is_gone_on_with_for_the_colleague() {
    let mut desk = together();
    desk.goes(ADA);
    desk.fire(1, Timer::Beside);
    assert_eq!(desk.take_actions(), [remove(ADA_LEG)]);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.leave(1, BO_LEG, LeaveReason::ModeratorEnded);
    desk.end(1);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
}

/// The same, and what Twilio tells of it overtakes itself in every way.
#[test]
fn however_it_is_told_that_a_conference_has_ended_with_a_leg_that_is_removed_the_customer_is_kept() {
    let four = || 0..4_u64;
    let orders = four().flat_map(|a| four().flat_map(move |b| four().map(move |c| [a, b, c])));
    let orders = orders.filter_map(|[a, b, c]| Some([a, b, c, 6_u64.checked_sub(a + b + c)?]));
    for order in orders.filter(|order| four().all(|event| order.contains(&event))) {
        for (still_away, covered) in [(false, false), (true, false), (true, true)] {
            let mut desk = if covered { Desk::away() } else { together() };
            if !covered {
                desk.goes(ADA);
            }
            if still_away {
                desk.hello_with(2, false, false, false);
            } else {
                desk.fire(1, Timer::Beside);
            }
            assert!(desk.take_actions().contains(&remove(ADA_LEG)));
            if covered {
                // Bo comes before that is done: nobody is missed any more.
                desk.join(1, BO_LEG, false);
                desk.register(1, BO, BO_LEG, 1);
                assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
                desk.take_actions();
            }
            let before = desk.sequence;
            for (told, event) in order.into_iter().enumerate() {
                let asked = Event::Released { customer: leg(CUSTOMER) };
                let mut asking = Desk::with(desk.machine.clone());
                asking.now = desk.now;
                asking.handle(asked);
                let next = asking.machine.next(asking.now, &leg(CUSTOMER));
                assert!(
                    told == 0 || next == Next::Wait,
                    "{order:?}, {still_away}, {covered}: {told}, {next:?}"
                );
                desk.sequence = before + event;
                match event {
                    0 => _ = desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi),
                    1 => _ = desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded),
                    2 => _ = desk.leave(1, BO_LEG, LeaveReason::ModeratorEnded),
                    _ => desk.end(1),
                }
            }
            let stages = [ADA, BO].map(|who| desk.stage_of(who));
            assert!(
                stages.contains(&Some(Stage::Interrupted)),
                "{order:?}, {still_away}, {covered}: {stages:?}"
            );
            assert!(
                !stages.contains(&Some(Stage::CustomerLeft)),
                "{order:?}, {still_away}, {covered}: {stages:?}"
            );
        }
    }
}

/// Another plugin has set the flag of her leg, which is to stand: it falls as her page goes, and the conference ends under a
/// colleague, too.
#[test]
fn however_it_is_told_that_a_conference_has_ended_with_the_leg_of_who_is_away_the_customer_is_kept() {
    let four = || 0..4_u64;
    let orders = four().flat_map(|a| four().flat_map(move |b| four().map(move |c| [a, b, c])));
    let orders = orders.filter_map(|[a, b, c]| Some([a, b, c, 6_u64.checked_sub(a + b + c)?]));
    for order in orders.filter(|order| four().all(|event| order.contains(&event))) {
        let mut desk = together();
        desk.goes(ADA);
        let before = desk.sequence;
        for event in order {
            desk.sequence = before + event;
            match event {
                0 => _ = desk.leave(1, ADA_LEG, LeaveReason::HungUp),
                1 => _ = desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded),
                2 => _ = desk.leave(1, BO_LEG, LeaveReason::ModeratorEnded),
                _ => desk.end(1),
            }
            let mut asking = Desk::with(desk.machine.clone());
            asking.now = desk.now;
            asking.handle(Event::Released { customer: leg(CUSTOMER) });
            let next = asking.machine.next(asking.now, &leg(CUSTOMER));
            assert_eq!(next, Next::Wait, "{order:?} {event}");
        }
        assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted), "{order:?}");
    }
}

/// Twilio tells of the conference's end before it tells that he has left it.
#[test]
fn a_customer_who_is_sent_to_the_queue_has_not_hung_up_for_who_was_away() {
    let mut desk = together();
    desk.goes(ADA);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    assert_eq!(desk.stage_of(BO), Some(Stage::WaitingForOther));
    desk.end(1);
    assert_eq!(desk.stage_of(ADA), Some(Stage::HandedOver { worker_name: None }));
}

/// Ada rejoins in place, and the callback of the new leg comes only after the customer was sent to Ada through the queue. Then Ada's
/// page goes again. Nobody else gets the customer. The simulation has found it (seed 410612).
#[test]
fn nobody_is_told_that_the_customer_was_handed_over_to_themselves() {
    let mut desk = Desk::talking();
    desk.goes(ADA);
    desk.returns(ADA, 2);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    desk.goodbye(ADA, 2);
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    let shown = desk.machine.views(desk.now, &WorkerSid::numbered(ADA));
    let stages: Vec<_> = shown.into_iter().map(|view| view.stage).collect();
    assert_eq!(stages, [Stage::Requeueing, Stage::Covered]);
}

/// Ada was covered for, and Twilio keeps the leg of the page that crashed. Bo leaves the customer to it. The simulation has found it
/// (seed 383104).
#[test]
fn an_agent_who_was_covered_for_is_missed_when_the_colleague_leaves_the_customer_to_a_dead_leg() {
    for (outsider_stays, overtaken) in [(false, false), (false, true), (true, false)] {
        let mut desk = together();
        desk.join(1, 0x0f, false);
        desk.goes(ADA);
        desk.fire(1, Timer::Beside);
        assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
        // Twilio is out of order: the leg stands.
        desk.take_actions();
        if !outsider_stays {
            desk.leave(1, 0x0f, LeaveReason::HungUp);
        }
        desk.graceful_of(BO, GracefulReason::HangUp);
        let leaves = desk.sequence + 1;
        if overtaken {
            // The leg is removed just after Bo has left, and that is told first.
            desk.sequence += 1;
            desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
            desk.sequence = leaves - 1;
        }
        desk.leave(1, BO_LEG, LeaveReason::HungUp);
        let missed = if outsider_stays { Stage::Covered } else { Stage::Interrupted };
        assert_eq!(desk.stage_of(ADA), Some(missed), "{outsider_stays}");
    }
}

/// Bo has left meanwhile, as he had said, and the callback that tells it is lost.
#[test]
fn who_is_away_is_not_covered_by_a_colleague_who_has_said_that_he_leaves() {
    for bo_is_there in [false, true] {
        let mut desk = together();
        desk.goes(ADA);
        desk.graceful_of(BO, GracefulReason::HangUp);
        desk.take_actions();
        desk.fire(1, Timer::Beside);
        let asked = desk.take_actions();
        let [look @ Action::Look { .. }] = &asked[..] else { panic!("nothing is done before: {asked:?}") };
        let legs = if bo_is_there { vec![CUSTOMER, ADA_LEG, BO_LEG] } else { vec![CUSTOMER, ADA_LEG] };
        let participants = legs.into_iter().map(|sid| (leg(sid), ParticipantFlags::default())).collect();
        let seen = Seen { participants, on_line: Some(true), ..Seen::default() };
        desk.finish(look.clone(), Outcome::Looked(Box::new(seen)));
        if bo_is_there {
            desk.fire(1, Timer::Beside);
            assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
        } else {
            assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted), "she is missed");
        }
    }
}

// --- somebody listens ---

/// A supervisor is in the conference: muted, as Flex puts her there.
fn listened() -> Desk {
    let mut desk = Desk::talking();
    let flags = ParticipantFlags { muted: true, ..ParticipantFlags::default() };
    desk.callback(1, ConferenceEventKind::Join { leg: leg(LISTENER), flags });
    desk
}

#[test]
fn a_supervisor_who_listens_is_not_another_agent() {
    let mut desk = listened();
    desk.goes(ADA);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [announce()]);
    desk.returns(ADA, 2);
    desk.is_back(ADA, ADA_LEG, NEXT_LEG, 2);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty(), "the supervisor stays where she is");

    let mut desk = listened();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted));
}

#[test]
fn a_supervisor_is_not_taken_for_the_leg_that_comes_back() {
    let mut desk = listened();
    desk.goes(ADA);
    desk.returns(ADA, 2);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let before = desk.now;
    desk.fire(1, Timer::Grace);
    assert!(
        desk.now - before < Millis::seconds(1),
        "the customer does not wait for a leg that is not coming"
    );
    assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted));
}

#[test]
fn a_supervisor_follows_the_customer_and_stays_muted() {
    let mut desk = listened();
    desk.goes_through_the_queue();
    desk.register(2, ADA, NEXT_LEG, 2);
    let followed = Action::MoveParticipant {
        leg: leg(LISTENER),
        into: TaskSid::numbered(2),
        muted: true,
        end_on_exit: false,
        label: None,
        came_late: false,
    };
    assert_eq!(desk.take_actions(), [followed]);
}

#[test]
fn a_customer_who_is_left_with_nobody_but_a_supervisor_is_let_go_when_she_leaves() {
    let mut desk = listened();
    desk.graceful_of(ADA, GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Orphan);
    assert!(desk.take_actions().is_empty(), "she may talk to him");
    desk.leave(1, LISTENER, LeaveReason::HungUp);
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
}

#[test]
fn a_restart_in_the_middle_changes_nothing_beside_another_agent() {
    let mut desk = consulting();
    desk.goes(ADA);
    desk.restart();
    desk.returns(ADA, 2);
    desk.restart();
    desk.is_back(ADA, ADA_LEG, NEXT_LEG, 2);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty());
}
