//! Several agents on a call: absences beside a colleague, transfers, removals, and listening supervisors.

use crate::desk::*;
use rejoin_protocol::api::{DeliveryId, GracefulReason, Stage};
use rejoin_protocol::{Millis, RecoveryId, TaskSid, WorkerSid};
use rejoin_recovery::{
    Action, Announcement, ConferenceEventKind, Effect, Event, LeaveReason, Next, Outcome, ParticipantFlags,
    PollAnswer, Timer,
};

const BO_LEG: u128 = 0xb1;
const NEXT_OF_BO: u128 = 0xb2;
const LISTENER: u128 = 0x5e;

impl Desk {
    /// A page has loaded, and found its reservation accepted and the old leg standing.
    fn page_returns(&mut self, worker: u128, epoch: u64) {
        self.hello_of(worker, epoch, false, false, true);
    }

    fn page_goes(&mut self, worker: u128) {
        self.goodbye(worker, EPOCH);
    }

    /// The new leg of an agent who joins in place has joined, Flex has closed the old one, and the page has registered.
    fn rejoins_in_place(&mut self, worker: u128, old: u128, new: u128, epoch: u64) {
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

/// The id of a request of Ada's page.
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

/// The customer is held and hears the announcement, because this leg was lost and nobody else is there.
fn hold_for_loss_of(lost: u128) -> Action {
    let (conference, customer) = (conference(1), leg(CUSTOMER));
    let recovery = RecoveryId::of(&leg(lost));
    Action::HoldCustomer { conference, customer, recovery, held: false, told: false, words_at: None }
}

// --- a refresh beside a colleague ---

#[test]
fn a_refresh_beside_a_colleague_rejoins_in_place_without_an_announcement() {
    for mut desk in [together(), consulting()] {
        desk.page_goes(ADA);
        assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted));
        assert!(!desk.has_timer(Timer::Announce), "the customer has Bo");
        desk.page_returns(ADA, 2);
        assert_eq!(desk.stage_of(ADA), Some(Stage::InPlace));
        desk.rejoins_in_place(ADA, ADA_LEG, NEXT_LEG, 2);
        assert_eq!(desk.stage_of(ADA), Some(Stage::Rejoined));
        assert_eq!(desk.stage_of(BO), None);
        assert!(desk.take_actions().is_empty() && !desk.has_timer(Timer::Covered));
    }
}

#[test]
fn a_call_whose_agent_is_back_beside_a_colleague_is_watched_like_any_other() {
    let mut desk = together();
    let config = config();
    desk.page_goes(ADA);
    let due = |desk: &Desk| desk.watch[&conference(1)] - desk.now;
    assert_eq!(due(&desk), config.watch_recovery, "while the agent is away");
    desk.page_returns(ADA, 2);
    desk.rejoins_in_place(ADA, ADA_LEG, NEXT_LEG, 2);
    desk.take_actions();
    // A timer that is set stays: when it is due, the call is polled only if nothing was heard for long enough.
    desk.now = desk.watch[&conference(1)];
    desk.handle(Event::Timer { conference: conference(1), timer: Timer::Watchdog });
    assert_eq!(desk.take_actions(), []);
    assert!(due(&desk) > config.watch_recovery, "{:?}", due(&desk));
}

/// Ada hands over to Bo and closes the browser. Bo takes the call and is lost before their page has registered; the registration
/// arrives later.
#[test]
fn a_colleague_who_is_known_only_after_their_loss_is_missed_in_place_of_the_first_agent() {
    let mut desk = Desk::away();
    desk.now = desk.now + Millis::seconds(1);
    desk.join(1, BO_LEG, false);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage_of(BO), None);
    desk.register(1, BO, BO_LEG, EPOCH);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    assert!(desk.finish_all().contains(&hold_for_loss_of(BO_LEG)));
    desk.hello_of(BO, 2, true, false, false);
    let call = desk.machine.call(&conference(1)).unwrap();
    assert_eq!(call.recovery.as_ref().unwrap().absence.lost_leg, leg(BO_LEG));
    assert!(
        desk.take_actions().iter().any(|action| matches!(
            action,
            Action::Requeue { target: Some(target), .. } if *target == WorkerSid::numbered(BO)
        )),
        "Bo, who is back first, gets the customer"
    );
}

/// As above, and Bo's page was gone before it could send the registration: only Bo's next page names the reservation.
#[test]
fn a_colleague_whom_only_their_next_page_names_is_missed_in_place_of_the_first_agent() {
    for (left_first, missed) in [(false, BO_LEG), (true, ADA_LEG)] {
        let mut desk = Desk::talking();
        desk.join(1, BO_LEG, false);
        if left_first {
            desk.leave(1, BO_LEG, LeaveReason::HungUp);
        }
        desk.now = desk.now + Millis::seconds(1);
        desk.goodbye(ADA, EPOCH);
        desk.now = desk.now + Millis::seconds(1);
        if !left_first {
            desk.leave(1, BO_LEG, LeaveReason::HungUp);
        }
        desk.take_actions();
        desk.hello_of(BO, 2, true, false, false);
        let (asked, owners) = owners(1);
        if desk.take_actions().contains(&asked) {
            desk.finish(asked, owners);
        }
        let call = desk.machine.call(&conference(1)).unwrap();
        assert_eq!(call.recovery.as_ref().unwrap().absence.lost_leg, leg(missed), "left first: {left_first}");
    }
}

#[test]
fn a_colleague_who_is_known_after_leaving_on_purpose_is_not_missed() {
    let mut desk = Desk::away();
    desk.now = desk.now + Millis::seconds(1);
    desk.join(1, BO_LEG, false);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.register(1, BO, BO_LEG, EPOCH);
    let call = desk.machine.call(&conference(1)).unwrap();
    assert_eq!(call.recovery.as_ref().unwrap().absence.lost_leg, leg(ADA_LEG), "the customer misses Ada");
}

#[test]
fn a_colleague_who_was_gone_before_the_absence_is_not_missed() {
    let mut desk = Desk::talking();
    desk.join(1, BO_LEG, false);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.now = desk.now + Millis::seconds(1);
    desk.goodbye(ADA, EPOCH);
    desk.register(1, BO, BO_LEG, EPOCH);
    let call = desk.machine.call(&conference(1)).unwrap();
    assert_eq!(call.recovery.as_ref().unwrap().absence.lost_leg, leg(ADA_LEG), "the customer misses Ada");
}

#[test]
fn a_consulted_agent_who_refreshes_rejoins_in_place() {
    let mut desk = consulting();
    desk.page_goes(BO);
    desk.page_returns(BO, 2);
    assert_eq!(desk.stage_of(BO), Some(Stage::InPlace));
    desk.rejoins_in_place(BO, BO_LEG, NEXT_OF_BO, 2);
    assert_eq!((desk.stage_of(BO), desk.stage_of(ADA)), (Some(Stage::Rejoined), None));
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_crash_beside_a_colleague_rejoins_in_place() {
    let mut desk = together();
    desk.page_returns(ADA, 2);
    assert_eq!(desk.stage_of(ADA), Some(Stage::InPlace));
    desk.rejoins_in_place(ADA, ADA_LEG, NEXT_LEG, 2);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Rejoined));
}

#[test]
fn an_agent_not_back_in_time_is_covered_and_the_customer_unheld() {
    let mut desk = consulting();
    desk.page_goes(ADA);
    desk.fire(1, Timer::Covered);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
    assert_eq!(
        desk.take_actions(),
        [remove(ADA_LEG), unhold(CUSTOMER)],
        "no other agent is left who could end the hold"
    );
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert!(desk.take_actions().is_empty());
    assert_eq!(desk.stage_of(BO), None);
}

#[test]
fn a_leg_that_hangs_up_beside_a_colleague_is_covered_and_ends_the_hold() {
    // After the page's goodbye, and without one.
    for goodbye in [true, false] {
        let mut desk = consulting();
        if goodbye {
            desk.page_goes(ADA);
        }
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        assert_eq!(desk.take_actions(), [unhold(CUSTOMER)], "{goodbye}");
        assert_ne!(desk.stage_of(ADA), Some(Stage::Interrupted));
        assert!(!desk.has_timer(Timer::Grace) && !desk.has_timer(Timer::Covered));
    }
}

/// Also if the page took long to load, as on a slow network.
#[test]
fn a_failed_rejoin_beside_a_colleague_is_covered_after_8_seconds() {
    for loads in [1, 10, 14] {
        let mut desk = together();
        desk.page_goes(ADA);
        desk.now = desk.now + Millis::seconds(loads);
        desk.page_returns(ADA, 2);
        let before = desk.now;
        desk.fire(1, Timer::Covered);
        assert_eq!(desk.now - before, Millis::seconds(8), "{loads}");
        assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
        assert_eq!(desk.take_actions(), [remove(ADA_LEG)]);
    }
}

#[test]
fn a_hold_is_kept_while_two_colleagues_remain() {
    let mut desk = consulting();
    desk.join(1, 0xc7, false);
    desk.register(1, CY, 0xc7, EPOCH);
    desk.page_goes(ADA);
    desk.fire(1, Timer::Covered);
    assert_eq!(desk.take_actions(), [remove(ADA_LEG)]);
}

#[test]
fn a_colleague_on_hold_covers_only_once_the_absent_agent_is_given_up() {
    // Ada talks to the customer, Bo is on hold.
    let mut desk = together();
    desk.modify(1, BO_LEG, false, true);
    desk.page_goes(ADA);
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

// --- the colleague goes, too ---

#[test]
fn two_absent_agents_have_the_customer_held_and_both_rejoin_in_place() {
    let mut desk = together();
    desk.page_goes(ADA);
    desk.page_goes(BO);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.finish_all(), [hold_for_loss_of(BO_LEG)]);
    // The agent who is back first has the customer, and the other may come back as well.
    desk.page_returns(ADA, 2);
    desk.rejoins_in_place(ADA, ADA_LEG, NEXT_LEG, 2);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Rejoined));
    desk.page_returns(BO, 2);
    desk.rejoins_in_place(BO, BO_LEG, NEXT_OF_BO, 2);
    assert_eq!(desk.stage_of(BO), Some(Stage::Rejoined));
    assert_eq!(desk.take_actions(), [end_hold()]);
}

#[test]
fn an_absent_agent_is_recovered_when_the_colleague_hangs_up() {
    let mut desk = together();
    desk.page_goes(ADA);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [hold_for_loss_of(ADA_LEG)]);
    desk.page_returns(ADA, 2);
    desk.rejoins_in_place(ADA, ADA_LEG, NEXT_LEG, 2);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Rejoined));
}

#[test]
fn an_absent_agent_rejoins_in_place_after_the_colleague_is_lost() {
    let mut desk = together();
    desk.page_goes(ADA);
    desk.page_returns(ADA, 2);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    assert!(desk.finish_all().contains(&hold_for_loss_of(BO_LEG)));
    desk.rejoins_in_place(ADA, ADA_LEG, NEXT_LEG, 2);
    assert_eq!((desk.stage_of(ADA), desk.stage_of(BO)), (Some(Stage::Rejoined), Some(Stage::Covered)));
}

#[test]
fn a_colleague_who_joins_during_an_absence_ends_the_comfort_audio() {
    let mut desk = Desk::announcing();
    desk.page_goes(ADA);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [announce()]);
    desk.join(1, BO_LEG, false);
    desk.register(1, BO, BO_LEG, EPOCH);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    assert!(desk.take_actions().is_empty(), "no comfort audio while they talk");
    desk.page_returns(ADA, 2);
    desk.rejoins_in_place(ADA, ADA_LEG, NEXT_LEG, 2);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Rejoined));
}

// --- departures that are no loss ---

#[test]
fn after_a_warm_transfer_only_the_colleague_is_recovered_when_absent() {
    let mut desk = together();
    desk.graceful_of(ADA, GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::LeftAlone);
    assert!(desk.take_actions().is_empty() && desk.stage_of(ADA).is_none());
    // Bo refreshes later.
    desk.page_goes(BO);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.finish_all(), [hold_for_loss_of(BO_LEG)]);
    desk.page_returns(BO, 2);
    desk.rejoins_in_place(BO, BO_LEG, NEXT_OF_BO, 2);
    assert_eq!(desk.stage_of(BO), Some(Stage::Rejoined));
    assert_eq!(desk.finish_all(), [end_hold()]);
    // Bo hangs up in the end.
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.leave(1, NEXT_OF_BO, LeaveReason::HungUp);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
}

#[test]
fn the_colleague_lost_after_a_marked_hang_up_gets_the_ping() {
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
fn a_newer_registration_withdraws_a_transfer_mark_an_older_one_does_not() {
    let mut desk = Desk::talking();
    desk.mark(ADA, delivery(2), GracefulReason::ColdTransfer);
    // The transfer is refused, and the page says so by registering the call again.
    desk.now = desk.now + Millis::seconds(15);
    desk.register_again(ADA, ADA_LEG, EPOCH, delivery(3));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted));

    // A registration from before the mark, delivered again, does not withdraw the mark.
    let mut desk = Desk::talking();
    desk.register_again(ADA, ADA_LEG, EPOCH, delivery(1));
    desk.mark(ADA, delivery(2), GracefulReason::ColdTransfer);
    desk.register_again(ADA, ADA_LEG, EPOCH, delivery(1));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage_of(ADA), None);
}

#[test]
fn a_customer_alone_after_a_second_transfer_is_polled_and_not_cut_off() {
    let mut desk = Desk::talking();
    desk.graceful_of(ADA, GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.join(1, BO_LEG, false);
    desk.register(1, BO, BO_LEG, EPOCH);
    desk.graceful_of(BO, GracefulReason::ColdTransfer);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [transfer_poll()]);

    // The same when the first transfer was warm.
    let mut desk = together();
    desk.graceful_of(ADA, GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.graceful_of(BO, GracefulReason::ColdTransfer);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [transfer_poll()]);
}

#[test]
fn a_complete_mark_after_a_cold_transfer_does_not_end_the_call() {
    let mut desk = Desk::talking();
    desk.graceful_of(ADA, GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.graceful_of(ADA, GracefulReason::Complete);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [transfer_poll()]);
}

#[test]
fn a_hang_up_by_the_agent_who_took_a_cold_transfer_ends_the_call() {
    let mut desk = Desk::talking();
    desk.graceful_of(ADA, GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.join(1, BO_LEG, false);
    desk.register(1, BO, BO_LEG, EPOCH);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
}

#[test]
fn a_removed_colleague_is_not_lost_whatever_reason_twilio_gives() {
    for reason in [LeaveReason::UpdatedViaApi, LeaveReason::HungUp, LeaveReason::Unknown] {
        let mut desk = together();
        desk.leave(1, BO_LEG, reason);
        assert!(desk.take_actions().is_empty() && desk.stage_of(BO).is_none(), "{reason:?}");
        assert!(!desk.has_timer(Timer::Grace), "{reason:?}");
    }
}

#[test]
fn an_end_for_all_loses_no_agent() {
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
fn a_join_call_from_another_page_is_no_loss() {
    // Flex closes the old leg once the new one has joined. The new page has registered by then, or has not.
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
fn a_graceful_mark_of_an_absent_agent_ends_the_absence() {
    let mut desk = together();
    desk.page_goes(ADA);
    desk.graceful_of(ADA, GracefulReason::SignOut);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Graceful));
    assert_eq!(desk.take_actions(), [remove(ADA_LEG)]);
}

#[test]
fn a_customer_who_hangs_up_ends_the_absence_of_an_agent() {
    let mut desk = together();
    desk.page_goes(ADA);
    desk.leave(1, CUSTOMER, LeaveReason::HungUp);
    assert_eq!(desk.stage_of(ADA), Some(Stage::CustomerLeft));
    assert_eq!(desk.take_actions(), [remove(ADA_LEG)]);
    desk.leave(1, BO_LEG, LeaveReason::ModeratorEnded);
    desk.end(1);
    assert!(desk.take_actions().is_empty());
}

/// Another plugin has set an exit flag: the customer's call may go on after the conference.
#[test]
fn a_stranded_customer_has_not_hung_up_as_seen_by_an_absent_agent() {
    let mut desk = together();
    desk.page_goes(ADA);
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted), "the conference may have ended with Ada's leg");
    desk.leave(1, ADA_LEG, LeaveReason::ModeratorEnded);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
}

/// Another plugin set the exit flag of Ada's leg just before its removal: the conference ends under a colleague who has
/// not left.
#[test]
fn a_conference_that_ends_with_a_removed_leg_is_recovered_for_the_colleague() {
    let mut desk = together();
    desk.page_goes(ADA);
    desk.fire(1, Timer::Covered);
    assert_eq!(desk.take_actions(), [remove(ADA_LEG)]);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.leave(1, BO_LEG, LeaveReason::ModeratorEnded);
    desk.end(1);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
}

/// As above, with the callbacks in every order.
#[test]
fn a_conference_end_with_a_removed_leg_keeps_the_customer_in_any_order() {
    let four = || 0..4_u64;
    let orders = four().flat_map(|a| four().flat_map(move |b| four().map(move |c| [a, b, c])));
    let orders = orders.filter_map(|[a, b, c]| Some([a, b, c, 6_u64.checked_sub(a + b + c)?]));
    for order in orders.filter(|order| four().all(|event| order.contains(&event))) {
        for (still_away, covered) in [(false, false), (true, false), (true, true)] {
            let mut desk = if covered { Desk::away() } else { together() };
            if !covered {
                desk.page_goes(ADA);
            }
            if still_away {
                desk.hello_with(2, false, false, false);
            } else {
                desk.fire(1, Timer::Covered);
            }
            assert!(desk.take_actions().contains(&remove(ADA_LEG)));
            if covered {
                // Bo joins before the leg is removed: Ada's absence is over.
                desk.join(1, BO_LEG, false);
                desk.register(1, BO, BO_LEG, 1);
                assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
                desk.take_actions();
            }
            let before = desk.sequence;
            for (delivered, event) in order.into_iter().enumerate() {
                let asked = Event::ActionUrlFetched { customer: leg(CUSTOMER) };
                let mut asking = Desk::with(desk.machine.clone());
                asking.now = desk.now;
                asking.handle(asked);
                let next = asking.machine.answer_to_action_url(asking.now, &leg(CUSTOMER));
                assert!(
                    delivered == 0 || next == Next::Wait,
                    "{order:?}, {still_away}, {covered}: {delivered}, {next:?}"
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

/// Another plugin set the exit flag of the absent agent's leg: it hangs up as the page goes, and the conference ends
/// under the colleague as well.
#[test]
fn a_conference_end_with_an_absent_agents_leg_keeps_the_customer() {
    let four = || 0..4_u64;
    let orders = four().flat_map(|a| four().flat_map(move |b| four().map(move |c| [a, b, c])));
    let orders = orders.filter_map(|[a, b, c]| Some([a, b, c, 6_u64.checked_sub(a + b + c)?]));
    for order in orders.filter(|order| four().all(|event| order.contains(&event))) {
        let mut desk = together();
        desk.page_goes(ADA);
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
            asking.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
            let next = asking.machine.answer_to_action_url(asking.now, &leg(CUSTOMER));
            assert_eq!(next, Next::Wait, "{order:?} {event}");
        }
        assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted), "{order:?}");
    }
}

/// The end of the conference is reported before the customer's leave.
#[test]
fn an_absent_agent_sees_a_hand_over_when_the_customer_is_requeued() {
    let mut desk = together();
    desk.page_goes(ADA);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    assert_eq!(desk.stage_of(BO), Some(Stage::WaitingForOther));
    desk.end(1);
    assert_eq!(desk.stage_of(ADA), Some(Stage::HandedOver { worker_name: None }));
}

/// Ada rejoins in place, and the callback of the new leg arrives only after the customer was requeued for Ada. Then
/// Ada's page goes again. No other agent gets the customer. Found by the simulation, seed 410612.
#[test]
fn an_absent_agent_whose_own_requeue_runs_sees_covered_not_handed_over() {
    let mut desk = Desk::talking();
    desk.page_goes(ADA);
    desk.page_returns(ADA, 2);
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

/// Bo covered for Ada, and Twilio keeps the leg of Ada's crashed page. Bo leaves the customer to that leg. Found by the
/// simulation, seed 383104.
#[test]
fn a_covered_agent_is_lost_when_the_colleague_leaves_only_a_dead_leg() {
    for (outsider_stays, overtaken) in [(false, false), (false, true), (true, false)] {
        let mut desk = together();
        desk.join(1, 0x0f, false);
        desk.page_goes(ADA);
        desk.fire(1, Timer::Covered);
        assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
        // Twilio is down: the leg stands.
        desk.take_actions();
        if !outsider_stays {
            desk.leave(1, 0x0f, LeaveReason::HungUp);
        }
        desk.graceful_of(BO, GracefulReason::HangUp);
        let leaves = desk.sequence + 1;
        if overtaken {
            // The leg is removed just after Bo has left, and its leave is delivered first.
            desk.sequence += 1;
            desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
            desk.sequence = leaves - 1;
        }
        desk.leave(1, BO_LEG, LeaveReason::HungUp);
        let stage = if outsider_stays { Stage::Covered } else { Stage::Interrupted };
        assert_eq!(desk.stage_of(ADA), Some(stage), "{outsider_stays}");
    }
}

/// In place is switched off: Ada's page crashes, and the next page's hello proves the leg dead while Bo has the customer. Bo
/// leaves before the leg is removed, and the callback about it may be late. Found by the simulation, `corners` 9502959.
#[test]
fn an_agent_whose_leg_was_proved_dead_is_lost_when_the_colleague_leaves_only_that_leg() {
    // Whether Bo's mark arrives before Ada's hello, and whether Ada has said that they leave.
    for (mark_first, ada_left) in [(true, false), (false, false), (false, true)] {
        let mut desk = Desk::without_in_place();
        desk.join(1, BO_LEG, false);
        desk.register(1, BO, BO_LEG, EPOCH);
        if mark_first {
            desk.graceful_of(BO, GracefulReason::HangUp);
        }
        desk.page_returns(ADA, EPOCH + 1);
        assert!(desk.take_actions().contains(&remove(ADA_LEG)));
        if !mark_first {
            desk.graceful_of(BO, GracefulReason::HangUp);
        }
        if ada_left {
            desk.graceful_of(ADA, GracefulReason::HangUp);
        }
        desk.leave(1, BO_LEG, LeaveReason::HungUp);
        let stage = (!ada_left).then_some(Stage::Interrupted);
        assert_eq!(desk.stage_of(ADA), stage, "mark first: {mark_first}");
        desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
        assert_eq!(desk.stage_of(ADA), stage, "mark first: {mark_first}, and the leg is removed");
    }
}

/// As before, and the customer still talks to a third party, who leaves when the dead leg is removed already, or just before.
#[test]
fn an_agent_whose_leg_was_proved_dead_is_lost_when_the_last_third_party_leaves() {
    for removed_first in [true, false] {
        let mut desk = Desk::without_in_place();
        desk.join(1, BO_LEG, false);
        desk.register(1, BO, BO_LEG, EPOCH);
        desk.join(1, 0x0f, false);
        desk.graceful_of(BO, GracefulReason::HangUp);
        desk.page_returns(ADA, EPOCH + 1);
        desk.leave(1, BO_LEG, LeaveReason::HungUp);
        if removed_first {
            desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
        }
        assert_eq!(desk.stage_of(ADA), None, "the customer talks to the third party");
        desk.leave(1, 0x0f, LeaveReason::HungUp);
        assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted));
        // The customer hears what happened, and hangs up: nothing begins again.
        desk.leave(1, CUSTOMER, LeaveReason::HungUp);
        assert_eq!(desk.stage_of(ADA), Some(Stage::CustomerLeft));
    }
}

/// Twilio keeps the leg of Ada's crashed page. Bo leaves the customer to Cy.
#[test]
fn a_covered_agent_with_a_dead_leg_is_not_lost_while_another_colleague_is_there() {
    let mut desk = together();
    desk.join(1, 0xc2, false);
    desk.register(1, CY, 0xc2, EPOCH);
    desk.page_goes(ADA);
    desk.fire(1, Timer::Covered);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.effects.clear();
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    assert!(!desk.effects.iter().any(|it| matches!(it, Effect::Push { .. })), "Ada's dialog stays as it is");
    assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
}

/// The dead leg was gone before Bo left the customer on purpose: nobody was left with it.
#[test]
fn a_covered_agent_whose_dead_leg_was_gone_before_the_colleague_left_is_not_lost() {
    let mut desk = together();
    desk.page_goes(ADA);
    desk.fire(1, Timer::Covered);
    assert!(desk.take_actions().contains(&remove(ADA_LEG)));
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
}

/// Bo says that they leave, and no callback reports that they have. Ada's leg is proved dead in the same instant: Ada counts as
/// covered by Bo. A third party hears the customer, until a poll shows that Bo was gone.
#[test]
fn an_agent_who_seemed_covered_by_a_colleague_who_was_gone_unreported_is_lost() {
    let mut desk = Desk::without_in_place();
    desk.join(1, BO_LEG, false);
    desk.register(1, BO, BO_LEG, EPOCH);
    desk.join(1, 0x0f, false);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.page_returns(ADA, EPOCH + 1);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.actions.retain(|action| matches!(action, Action::PollConference { .. }));
    is_polled_first(&mut desk, &[CUSTOMER, 0x0f]);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted));
}

/// Both hang up on purpose. The callback about Bo, who was first, arrives last.
#[test]
fn an_agent_who_hung_up_on_purpose_is_not_missed_when_a_colleagues_leave_is_late() {
    let mut desk = together();
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.graceful_of(ADA, GracefulReason::HangUp);
    let before = desk.sequence;
    desk.sequence += 1;
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.sequence = before;
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    assert!(desk.stage_of(ADA).is_none() && desk.stage_of(BO).is_none());
}

/// A poll comes first, and shows these legs.
fn is_polled_first(desk: &mut Desk, legs: &[u128]) {
    let asked = desk.take_actions();
    let [look @ Action::PollConference { .. }] = &asked[..] else {
        panic!("expected a poll first: {asked:?}")
    };
    let participants = legs.iter().map(|sid| (leg(*sid), ParticipantFlags::default())).collect();
    let seen = PollAnswer { participants, on_line: Some(true), ..PollAnswer::default() };
    desk.finish(look.clone(), Outcome::Polled(Box::new(seen)));
}

/// The agent's page is gone, and the time of the absence is over while no server runs.
fn goes_and_no_server_runs(desk: &mut Desk, who: u128) {
    desk.page_goes(who);
    desk.take_actions();
    desk.now = desk.now + Millis::seconds(20);
    desk.handle(Event::Timer { conference: conference(1), timer: Timer::Covered });
}

/// Bo has left as announced, and the callback that reports it is lost.
#[test]
fn an_absent_agent_beside_a_marked_colleague_is_covered_only_after_a_poll() {
    for bo_is_there in [false, true] {
        let mut desk = together();
        desk.page_goes(ADA);
        desk.graceful_of(BO, GracefulReason::HangUp);
        desk.take_actions();
        desk.fire(1, Timer::Covered);
        if bo_is_there {
            is_polled_first(&mut desk, &[CUSTOMER, ADA_LEG, BO_LEG]);
            desk.fire(1, Timer::Covered);
            assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
        } else {
            is_polled_first(&mut desk, &[CUSTOMER, ADA_LEG]);
            assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted), "Ada is recovered");
        }
    }
}

/// Bo, Ada's colleague, may have gone unreported.
#[test]
fn an_absent_agent_is_covered_only_after_a_poll_when_no_server_ran() {
    for bo_is_there in [false, true] {
        let mut desk = together();
        goes_and_no_server_runs(&mut desk, ADA);
        if bo_is_there {
            is_polled_first(&mut desk, &[CUSTOMER, ADA_LEG, BO_LEG]);
            desk.fire(1, Timer::Covered);
            assert_eq!(desk.stage_of(ADA), Some(Stage::Covered));
        } else {
            is_polled_first(&mut desk, &[CUSTOMER, ADA_LEG]);
            desk.fire(1, Timer::Grace);
            assert_eq!(
                desk.stage_of(BO),
                Some(Stage::Interrupted),
                "Bo is recovered, whom the customer had last"
            );
        }
    }
}

/// The same, and both legs are gone. Ada, Bo's colleague, counts as lost until the mark is known: then the customer misses Bo.
#[test]
fn an_absent_agent_is_missed_when_the_colleague_who_had_gone_unreported_had_left_on_purpose() {
    let mut desk = together();
    goes_and_no_server_runs(&mut desk, BO);
    is_polled_first(&mut desk, &[CUSTOMER]);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted));
    desk.graceful_of(ADA, GracefulReason::SignOut);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
}

// --- a supervisor listens ---

/// A supervisor listens in the conference, muted as Flex does it.
/// Ada kicks Bo, and closes the browser a moment later without a mark. The callback about Bo's leg is late. Found by the simulation, seed
/// 13762 of `transfer`.
#[test]
fn an_agent_gone_while_the_leave_of_the_colleague_is_late_is_recovered() {
    let is_recovered = |desk: &Desk| {
        let mut stages = [ADA, BO].into_iter().map(|worker| desk.stage_of(worker));
        stages.any(|stage| stage == Some(Stage::Interrupted))
    };
    for (has_said_goodbye, is_polled) in [(true, false), (false, false), (true, true), (false, true)] {
        let case = format!("goodbye: {has_said_goodbye}, polled: {is_polled}");
        let mut desk = consulting();
        let kicked = desk.sequence;
        desk.sequence += 1;
        if has_said_goodbye {
            desk.page_goes(ADA);
        }
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        let asked = desk.take_actions().into_iter().find(|it| matches!(it, Action::PollConference { .. }));
        let asked = asked.expect("a poll");
        if is_polled {
            // A poll does not say why a leg is gone: Bo counts as lost.
            let flags = ParticipantFlags { hold: true, ..ParticipantFlags::default() };
            let participants = [(leg(CUSTOMER), flags)].into();
            let seen = PollAnswer { participants, on_line: Some(true), ..PollAnswer::default() };
            desk.finish(asked, Outcome::Polled(Box::new(seen)));
            assert!(is_recovered(&desk), "{case}");
        }
        desk.sequence = kicked;
        desk.leave(1, BO_LEG, LeaveReason::UpdatedViaApi);
        assert!(is_recovered(&desk), "{case}");
        assert!(is_polled || desk.stage_of(ADA) == Some(Stage::Interrupted), "{case}: Bo was not lost");
    }
}

fn listened() -> Desk {
    let mut desk = Desk::talking();
    let flags = ParticipantFlags { muted: true, ..ParticipantFlags::default() };
    desk.callback(1, ConferenceEventKind::Join { leg: leg(LISTENER), flags });
    desk
}

#[test]
fn a_listening_supervisor_does_not_count_as_another_agent() {
    let mut desk = listened();
    desk.page_goes(ADA);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [announce()]);
    desk.page_returns(ADA, 2);
    desk.rejoins_in_place(ADA, ADA_LEG, NEXT_LEG, 2);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty(), "the supervisor stays in the conference");

    let mut desk = listened();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted));
}

#[test]
fn a_listening_supervisor_is_not_taken_for_the_returning_agent() {
    let mut desk = listened();
    desk.page_goes(ADA);
    desk.page_returns(ADA, 2);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let before = desk.now;
    desk.fire(1, Timer::Grace);
    assert!(
        desk.now - before < Millis::seconds(1),
        "the recovery does not wait for the supervisor's leg to register"
    );
    assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted));
}

#[test]
fn a_listening_supervisor_follows_the_customer_and_stays_muted() {
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
fn a_call_left_to_a_supervisor_is_ended_once_the_supervisor_leaves() {
    let mut desk = listened();
    desk.graceful_of(ADA, GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::LeftAlone);
    assert!(desk.take_actions().is_empty(), "the supervisor may talk to the customer");
    desk.leave(1, LISTENER, LeaveReason::HungUp);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
}

#[test]
fn a_restart_changes_nothing_for_an_absence_beside_a_colleague() {
    let mut desk = consulting();
    desk.page_goes(ADA);
    desk.restart();
    desk.page_returns(ADA, 2);
    desk.restart();
    desk.rejoins_in_place(ADA, ADA_LEG, NEXT_LEG, 2);
    assert_eq!(desk.stage_of(ADA), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty());
}
