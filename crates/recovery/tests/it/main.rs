//! The rules of a recovery, one short scenario per test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cloned_ref_to_slice_refs, missing_docs)]

mod actions;
mod agent_hold;
mod allow_list;
mod coaching;
mod customer_hold;
mod departures;
mod desk;
mod discovered_call;
mod durations;
mod early_marks;
mod event_keys;
mod in_place;
mod ladder;
mod late_events;
mod lent_activity;
mod marks_in_task;
mod model;
mod ownership;
mod polls;
mod properties;
mod repeated_losses;
mod requeue_check;
mod restored;
mod server_away;
mod several_agents;
mod silence;
mod stranded;
mod taskrouter_events;
mod third_parties;
mod tone;
mod transfer;
mod transitions;
mod unreported_leaves;

use desk::*;
use rejoin_protocol::api::{DeliveryId, GracefulReason, Hello, Holding, Stage};
use rejoin_protocol::{Millis, ReservationSid, TaskSid, WorkerSid, WorkflowSid};
use rejoin_recovery::{
    Action, Announcement, ConferenceEvent, ConferenceEventKind, Effect, Event, LeaveReason, LookUpAnswer,
    Note, Outcome, Timer,
};

fn announce(what: Announcement) -> Action {
    Action::Announce { conference: conference(1), what }
}

fn free(unhold: bool) -> Action {
    Action::ClearCustomerFlags { conference: conference(1), customer: leg(CUSTOMER), unhold }
}

// --- the flow ---

#[test]
fn a_lost_agent_gets_a_ping_and_the_customer_is_put_on_hold() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.take_actions().is_empty(), "a graceful mark may still arrive");
    desk.fire(1, Timer::Grace);
    let lost_at = desk.now - Millis(300);
    let ping = Action::CreatePing {
        worker: WorkerSid::numbered(ADA),
        recovery: recovery(),
        task: TaskSid::numbered(1),
        reservation: ReservationSid::numbered(1),
        ttl: Millis::seconds(15),
    };
    let mark = Action::MarkTask { task: TaskSid::numbered(1), at: lost_at };
    assert_eq!(desk.take_actions(), [hold(false, false), mark, ping]);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

#[test]
fn an_agent_who_returns_gets_the_customer_back_through_the_queue() {
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    assert_eq!(desk.finish_all(), [requeue(Some(ADA)), end_ping()]);
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.end(1);
    assert!(
        desk.take_actions().is_empty(),
        "the agent's slot is freed only once the customer is in the queue"
    );
    desk.entered_queue();
    assert_eq!(desk.finish_all(), [complete_old()]);
    assert_eq!(desk.stage(), Some(Stage::Queued));
    desk.join(2, CUSTOMER, true);
    desk.join(2, NEXT_LEG, false);
    assert_eq!(desk.stage(), Some(Stage::Queued), "the new leg is not identified yet");
    desk.register(2, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty());
    assert!(!desk.has_timer(Timer::Rejoin));
}

#[test]
fn a_hello_before_the_leave_callback_proves_the_agent_reachable() {
    let mut desk = Desk::talking();
    desk.hello(2, true, false);
    assert!(desk.take_actions().is_empty());
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    assert!(desk.actions.contains(&requeue(Some(ADA))));
}

#[test]
fn a_requeue_waits_two_seconds_at_most_for_its_preparations() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.take_actions();
    desk.hello(2, true, false);
    assert!(desk.take_actions().is_empty());
    let before = desk.now;
    desk.fire(1, Timer::Ping);
    assert_eq!(desk.now - before, Millis::seconds(2));
    assert_eq!(desk.take_actions(), [requeue(Some(ADA))]);
}

#[test]
fn a_hello_of_an_older_page_does_not_prove_the_agent_reachable() {
    let mut desk = Desk::holding();
    desk.hello(EPOCH - 1, true, false);
    assert!(desk.take_actions().is_empty());
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

/// The tab that had the call is gone. An older one, which lives on, has accepted the ping.
#[test]
fn an_older_page_that_accepts_the_ping_proves_the_agent_reachable() {
    for wrapping in [true, false] {
        let says = |worker| {
            let (task, reservation) = (TaskSid::numbered(1), reservation_of(ADA, 1));
            let holding = Holding { task, reservation, wrapping, can_join: false, other_browser: false };
            let hello =
                Hello { epoch: EPOCH - 1, holdings: vec![holding], unavailable: false, accepts_ping: true };
            Event::Hello { worker: WorkerSid::numbered(worker), hello, older_page_connected: false }
        };
        let mut desk = Desk::holding();
        desk.handle(says(BO));
        assert_eq!(desk.stage(), Some(Stage::Interrupted), "another agent's page");
        desk.handle(says(ADA));
        assert_eq!(desk.take_actions(), [requeue(Some(ADA)), complete_ping()]);
    }
}

/// The agent's phone failed, the page lives on and has accepted the ping.
#[test]
fn a_hello_of_the_lost_legs_own_page_counts_once_the_recovery_began() {
    let says_hello = |desk: &mut Desk, worker, epoch| {
        let hello = Hello { epoch, holdings: vec![], unavailable: false, accepts_ping: false };
        desk.handle(Event::Hello { worker: WorkerSid::numbered(worker), hello, older_page_connected: false });
    };
    // A hello that was in flight while the leg hung up.
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    says_hello(&mut desk, ADA, EPOCH);
    desk.fire(1, Timer::Grace);
    assert!(desk.finish_all().iter().any(|action| matches!(action, Action::CreatePing { .. })));
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    // A hello of another agent, and one of an older page.
    says_hello(&mut desk, BO, EPOCH);
    says_hello(&mut desk, ADA, EPOCH - 1);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    says_hello(&mut desk, ADA, EPOCH);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA)), complete_ping()]);
    // The page found the reservation when it loaded; the reservation wraps up with an earlier leg.
    let mut desk = Desk::holding();
    desk.hello(EPOCH, true, false);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA)), complete_ping()]);
}

#[test]
fn a_customer_goes_to_any_agent_when_the_lost_agent_does_not_return() {
    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    assert_eq!(desk.finish_all(), [requeue(None), end_ping()]);
    assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
    desk.entered_queue();
    assert_eq!(desk.finish_all(), [complete_old()]);
    desk.join(2, CUSTOMER, true);
    desk.join(2, NEXT_LEG, false);
    desk.register(2, BO, NEXT_LEG, 7);
    assert_eq!(desk.stage(), Some(Stage::HandedOver { worker_name: Some("Bo".into()) }));
}

#[test]
fn a_requeue_for_the_same_agent_that_times_out_goes_to_any_agent() {
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    desk.finish_all();
    desk.entered_queue();
    desk.finish_all();
    desk.fire(1, Timer::Rejoin);
    assert_eq!(desk.finish_all(), [requeue(None)]);
    desk.entered_queue();
    assert!(desk.take_actions().is_empty(), "the old reservation is completed once");
}

#[test]
fn comfort_audio_follows_the_announcement_until_the_requeue() {
    let mut desk = Desk::announcing();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.finish_all()[..2], [announce(Announcement::Interrupted), free(false)]);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    assert_eq!(desk.finish_all(), [announce(Announcement::Comfort)]);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    assert_eq!(desk.finish_all(), [announce(Announcement::Comfort)]);
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_held_customer_is_taken_off_hold_before_the_announcement() {
    let mut desk = Desk::announcing();
    desk.modify(1, CUSTOMER, true, true);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    let actions = desk.take_actions();
    assert!(
        actions.contains(&free(true)) && !actions.contains(&announce(Announcement::Interrupted)),
        "{actions:?}"
    );
    desk.finish(free(true), Outcome::Ok);
    assert_eq!(desk.take_actions(), [announce(Announcement::Interrupted)]);
}

#[test]
fn a_ping_created_after_the_agent_returned_is_ended() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.hello(2, true, false);
    let (pings, rest): (Vec<_>, Vec<_>) =
        desk.take_actions().into_iter().partition(|action| matches!(action, Action::CreatePing { .. }));
    for action in rest {
        let outcome = success(&action);
        desk.finish(action, outcome);
    }
    assert_eq!(desk.take_actions(), [requeue(Some(ADA))]);
    desk.finish(pings[0].clone(), success(&pings[0]));
    assert_eq!(desk.take_actions(), [end_ping()]);
}

// --- departures that start no recovery ---

#[test]
fn a_hang_up_marked_before_the_leave_starts_no_recovery() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.end(1);
    assert!(desk.take_actions().is_empty());
    assert_eq!(desk.stage(), None);
}

#[test]
fn a_graceful_mark_counts_within_the_grace_period_and_not_after() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.graceful(GracefulReason::HangUp);
    assert_eq!(desk.stage(), Some(Stage::Graceful));
    assert!(!desk.has_timer(Timer::Grace));
    // The customer is alone now: the agent wanted to end the call.
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);

    let mut desk = Desk::holding();
    desk.graceful(GracefulReason::HangUp);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

#[test]
fn a_customer_alone_after_a_cold_transfer_is_polled_and_not_cut_off() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [transfer_poll()]);
}

#[test]
fn a_repeated_mark_counts_once_and_remembered_ids_are_bounded() {
    let id = |number| Some(DeliveryId { epoch: 1, number });
    let mut desk = Desk::talking();
    desk.mark(ADA, id(1), GracefulReason::ColdTransfer);
    // A mark for another agent's reservation does not use up its id.
    desk.mark_of(BO, reservation_of(ADA, 1), id(2), GracefulReason::HangUp);
    desk.mark(ADA, id(2), GracefulReason::HangUp);
    desk.mark(ADA, id(1), GracefulReason::ColdTransfer); // the answer was lost
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);

    let mut desk = Desk::talking();
    for number in 0..1000 {
        desk.mark(ADA, id(number), GracefulReason::HangUp);
    }
    let kept = desk.machine.call(&conference(1)).expect("known").facts.received.requests();
    assert_eq!(kept, 100, "the number of remembered ids is bounded");
}

#[test]
fn a_hello_of_the_page_that_registers_the_leg_is_not_a_return() {
    let mut desk = Desk::talking();
    // The page says hello as the newest page, then registers the call that it has had all the time.
    desk.hello_with(9, false, true, false);
    desk.register(1, ADA, ADA_LEG, 9);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert!(desk.take_actions().iter().any(|action| matches!(action, Action::CreatePing { .. })));
    assert!(
        !desk.machine.call(&conference(1)).expect("known").recovery.as_ref().expect("begun").absence.back
    );
}

#[test]
fn a_mark_for_another_agents_reservation_is_ignored() {
    let mut desk = Desk::talking();
    desk.mark_of(BO, ReservationSid::numbered(1), None, GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

#[test]
fn a_customer_who_hangs_up_first_starts_no_recovery() {
    let mut desk = Desk::talking();
    desk.leave(1, CUSTOMER, LeaveReason::HungUp);
    desk.leave(1, ADA_LEG, LeaveReason::ModeratorEnded);
    desk.end(1);
    assert!(desk.take_actions().is_empty());
    assert_eq!(desk.stage(), None);
}

#[test]
fn a_removal_a_move_and_an_end_for_all_start_no_recovery() {
    for reason in
        [LeaveReason::UpdatedViaApi, LeaveReason::ConferenceEndedViaApi, LeaveReason::ModeratorEnded]
    {
        let mut desk = Desk::talking();
        desk.leave(1, ADA_LEG, reason);
        assert!(desk.take_actions().is_empty() && !desk.has_timer(Timer::Grace), "{reason:?}");
    }
}

/// Each agent means to keep the customer. The callbacks may arrive in either order.
#[test]
fn when_two_agents_remove_each_other_the_one_removed_last_is_lost() {
    for (between, late, lost) in [(0, false, true), (0, true, true), (1, false, false)] {
        let mut desk = Desk::talking();
        desk.join(1, 0xb1, false);
        desk.register(1, BO, 0xb1, 9);
        let first = desk.sequence;
        let removed = |desk: &mut Desk, who, at| {
            desk.sequence = at;
            desk.leave(1, who, LeaveReason::UpdatedViaApi);
        };
        let reported = [(ADA_LEG, first), (0xb1, first + 1 + between)];
        for (who, at) in if late { [reported[1], reported[0]] } else { reported } {
            removed(&mut desk, who, at);
        }
        assert_eq!(desk.stage_of(BO), lost.then_some(Stage::Interrupted), "{between} {late}");
        assert!(desk.stage().is_none());
    }
    // A third agent has the customer.
    let mut desk = Desk::talking();
    for (who, leg) in [(BO, 0xb1), (CY, 0xc2)] {
        desk.join(1, leg, false);
        desk.register(1, who, leg, 9);
    }
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.leave(1, 0xb1, LeaveReason::UpdatedViaApi);
    assert!(desk.stage().is_none() && desk.stage_of(BO).is_none());
    // Ada had refreshed, and is back in place.
    let mut desk = Desk::away();
    desk.register(1, ADA, NEXT_LEG, 2);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.register(1, BO, 0xb1, 9);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    desk.leave(1, NEXT_LEG, LeaveReason::UpdatedViaApi);
    desk.leave(1, 0xb1, LeaveReason::UpdatedViaApi);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    // Ada left by a transfer.
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, 9);
    desk.graceful(GracefulReason::ColdTransfer);
    desk.leave(1, 0xb1, LeaveReason::UpdatedViaApi);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert!(desk.stage().is_none() && desk.stage_of(BO).is_none());
}

#[test]
fn an_agent_lost_beside_a_colleague_starts_no_recovery() {
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, 9);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.take_actions().is_empty() && desk.stage().is_none());
}

/// Out-of-order callbacks: Bo seems to leave the customer to Ada, who was gone before.
#[test]
fn the_agent_who_left_last_is_lost_when_leave_callbacks_are_reordered() {
    for (removed, later, lost) in [(true, true, true), (false, true, true), (true, false, false)] {
        let mut desk = Desk::talking();
        desk.join(1, 0xb1, false);
        desk.register(1, BO, 0xb1, 9);
        if !removed {
            desk.graceful(GracefulReason::HangUp);
        }
        let number = desk.sequence;
        desk.sequence += u64::from(later);
        desk.leave(1, 0xb1, LeaveReason::HungUp);
        // Ada has marked a hang-up, or a callback is outstanding, so Ada may be gone: Twilio is polled.
        let is_polled = !removed || later;
        assert_eq!((desk.take_actions().len(), desk.stage_of(BO)), (usize::from(is_polled), None));
        desk.sequence = if later { number } else { desk.sequence };
        let why = if removed { LeaveReason::UpdatedViaApi } else { LeaveReason::HungUp };
        desk.leave(1, ADA_LEG, why);
        assert_eq!(desk.stage_of(BO).is_some(), lost, "removed: {removed}, reported later: {later}");
        assert!(!desk.has_timer(Timer::LeftAlone), "the conference is not ended under the customer");
    }
    // Cy is on the call, too.
    let mut desk = Desk::talking();
    desk.register(1, BO, 0xb1, 9);
    desk.register(1, CY, 0xc7, 9);
    desk.graceful(GracefulReason::HangUp);
    let number = desk.sequence;
    desk.sequence += 1;
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.sequence = number;
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage_of(BO), None);
}

#[test]
fn a_customer_who_hangs_up_ends_the_recovery() {
    let mut desk = Desk::holding();
    desk.leave(1, CUSTOMER, LeaveReason::HungUp);
    assert_eq!(desk.take_actions(), [end_ping()], "the old reservation is left to the agent");
    assert_eq!(desk.stage(), Some(Stage::CustomerLeft));

    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    desk.entered_queue();
    desk.handle(rejoin_recovery::Event::LeftQueue {
        recovery: recovery(),
        customer: leg(CUSTOMER),
        bridged: false,
        hung_up: true,
        token: None,
    });
    assert_eq!(desk.stage(), Some(Stage::CustomerLeft));
}

#[test]
fn a_requeue_that_finds_no_call_ends_as_customer_left() {
    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    desk.finish(requeue(None), Outcome::Gone);
    assert_eq!(desk.stage(), Some(Stage::CustomerLeft));
}

// --- `endConferenceOnExit`, which Flex sets again and again ---

#[test]
fn an_exit_flag_set_on_the_agents_leg_is_undone() {
    let keep = Action::ClearExitFlag { conference: conference(1), leg: leg(ADA_LEG) };
    let mut desk = Desk::talking();
    desk.modify(1, ADA_LEG, true, false);
    assert_eq!(desk.take_actions(), [keep.clone()]);
    desk.modify(1, ADA_LEG, true, false);
    assert!(desk.take_actions().is_empty(), "one request at a time");
    desk.finish(keep.clone(), Outcome::Ok);
    assert_eq!(desk.take_actions(), [keep.clone()], "Flex may have set the flag after Twilio cleared it");
    desk.finish(keep.clone(), Outcome::Ok);
    assert!(desk.take_actions().is_empty());
    desk.modify(1, ADA_LEG, true, false);
    assert_eq!(desk.take_actions(), [keep]);
}

/// Twilio has cleared the flag, as a callback reported, and the answer to our request is still missing.
#[test]
fn an_exit_flag_set_again_before_twilio_answers_is_undone_at_once() {
    let keep = Action::ClearExitFlag { conference: conference(1), leg: leg(ADA_LEG) };
    let mut desk = Desk::talking();
    desk.modify(1, ADA_LEG, true, false);
    assert_eq!(desk.take_actions(), [keep.clone()]);
    desk.modify(1, ADA_LEG, false, false);
    assert!(desk.take_actions().is_empty());
    desk.modify(1, ADA_LEG, true, false);
    assert_eq!(desk.take_actions(), [keep.clone()]);
    desk.finish(keep.clone(), Outcome::Ok);
    desk.finish(keep, Outcome::Ok);
    assert!(desk.take_actions().is_empty());

    // The agent hangs up on purpose, and Flex sets the flag for that.
    let mut leaves = Desk::talking();
    leaves.modify(1, ADA_LEG, true, false);
    leaves.modify(1, ADA_LEG, false, false);
    leaves.take_actions();
    leaves.graceful(GracefulReason::HangUp);
    leaves.modify(1, ADA_LEG, true, false);
    assert!(leaves.take_actions().is_empty());
}

/// The registration is not confirmed by Twilio yet.
#[test]
fn an_exit_flag_of_an_unidentified_leg_is_undone() {
    let keep = Action::ClearExitFlag { conference: conference(1), leg: leg(ADA_LEG) };
    let joined = || {
        let mut desk = Desk::new();
        desk.join(1, CUSTOMER, true);
        desk.join(1, ADA_LEG, false);
        desk
    };
    let mut desk = joined();
    desk.modify(1, CUSTOMER, true, false);
    assert!(desk.take_actions().is_empty(), "the customer's own flag stays as it is");
    desk.modify(1, ADA_LEG, true, false);
    assert_eq!(desk.take_actions(), [keep]);
    let mut leaves = joined();
    leaves.graceful(GracefulReason::HangUp);
    leaves.finish_all();
    leaves.modify(1, ADA_LEG, true, false);
    assert!(leaves.take_actions().is_empty(), "the agent hangs up on purpose");
}

#[test]
fn an_exit_flag_of_a_held_leg_is_undone_after_the_unhold() {
    let mut desk = Desk::talking();
    desk.modify(1, ADA_LEG, true, true);
    assert!(desk.take_actions().is_empty(), "on a held leg the change would have no effect");
    desk.modify(1, ADA_LEG, true, false);
    assert_eq!(desk.take_actions().len(), 1);
}

#[test]
fn an_exit_flag_of_an_agent_who_marked_a_hang_up_is_kept() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.modify(1, ADA_LEG, true, false);
    assert!(desk.take_actions().is_empty());
}

// --- dead legs ---

#[test]
fn a_ghost_leg_is_removed_when_a_newer_page_proves_it_dead() {
    let mut desk = Desk::talking();
    desk.hello(2, false, false);
    let remove = Action::RemoveLeg { conference: conference(1), leg: leg(ADA_LEG) };
    let actions = desk.finish_all();
    assert_eq!(actions[..2], [remove, hold(false, false)]);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA))], "the agent is back, so no ping is needed");
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert!(desk.take_actions().is_empty(), "a leg is lost once");
}

/// The removal clears the flag first, and Twilio has not answered that.
#[test]
fn an_exit_flag_set_on_a_dead_leg_while_it_is_removed_is_undone() {
    let keep = Action::ClearExitFlag { conference: conference(1), leg: leg(ADA_LEG) };
    let mut desk = Desk::talking();
    desk.hello(2, false, false);
    assert!(!desk.take_actions().contains(&keep), "the removal does so");
    desk.modify(1, ADA_LEG, true, false);
    assert_eq!(desk.take_actions(), [keep.clone()]);
    desk.finish(keep, Outcome::Ok);
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_leg_is_kept_while_an_older_page_is_connected() {
    let mut desk = Desk::talking();
    desk.hello(2, false, true);
    assert!(desk.take_actions().is_empty() && desk.stage().is_none());
}

// --- calls that no page registered in time ---

fn found(worker_leg: Option<u128>) -> Outcome {
    Outcome::TaskLookedUp(Box::new(LookUpAnswer {
        is_accepted: false,
        workflow: WorkflowSid::numbered(1),
        queue: None,
        customer_leg: Some(leg(CUSTOMER)),
        worker_leg: worker_leg.map(leg),
        reservation: Some(ReservationSid::numbered(1)),
        worker: Some((WorkerSid::numbered(ADA), "Ada".into())),
        attributes: "{}".into(),
    }))
}

#[test]
fn an_agent_lost_before_registering_is_looked_up_and_recovered() {
    for worker_leg in [Some(ADA_LEG), None] {
        let mut desk = Desk::new();
        desk.join(1, CUSTOMER, true);
        desk.join(1, ADA_LEG, false);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        let learn = Action::LookUpTask { task: TaskSid::numbered(1) };
        assert_eq!(desk.take_actions(), [learn.clone()]);
        desk.finish(learn, found(worker_leg));
        desk.fire(1, Timer::Grace);
        assert_eq!(desk.stage(), Some(Stage::Interrupted), "{worker_leg:?}");
    }
}

#[test]
fn a_call_that_no_page_registers_is_looked_up() {
    let mut desk = Desk::new();
    desk.join(1, CUSTOMER, true);
    desk.join(1, ADA_LEG, false);
    desk.fire(1, Timer::LookUp);
    assert_eq!(desk.take_actions(), [Action::LookUpTask { task: TaskSid::numbered(1) }]);
    desk.finish(Action::LookUpTask { task: TaskSid::numbered(1) }, found(Some(ADA_LEG)));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.has_timer(Timer::Grace));
}

#[test]
fn a_registration_after_the_leave_makes_the_leave_a_loss() {
    let mut desk = Desk::new();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.join(1, CUSTOMER, true);
    desk.register(1, ADA, ADA_LEG, EPOCH);
    assert!(desk.has_timer(Timer::Grace));
}

// --- delivery: duplicates, order, restarts ---

#[test]
fn a_duplicate_delivery_changes_nothing() {
    let mut desk = Desk::talking();
    let leave = desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    let effects = desk.effects.len();
    desk.handle(leave);
    desk.hello(EPOCH - 1, true, false);
    assert_eq!(desk.effects.len(), effects);
}

#[test]
fn a_join_delivered_after_its_leave_does_not_bring_the_leg_back() {
    let mut desk = Desk::new();
    let join = |leg| ConferenceEventKind::Join { leg, flags: rejoin_recovery::ParticipantFlags::default() };
    let event = |sequence, kind| {
        let (conference, task) = (conference(1), Some(TaskSid::numbered(1)));
        Event::Conference(ConferenceEvent::new(conference, task, sequence, kind))
    };
    desk.handle(event(1, join(leg(CUSTOMER))));
    desk.handle(event(3, ConferenceEventKind::Leave { leg: leg(ADA_LEG), reason: LeaveReason::HungUp }));
    desk.handle(event(2, join(leg(ADA_LEG))));
    desk.register(1, ADA, ADA_LEG, EPOCH);
    assert!(desk.has_timer(Timer::Grace));
}

#[test]
fn a_restart_during_a_recovery_loses_nothing() {
    let mut desk = Desk::holding();
    desk.restart();
    desk.hello(2, true, false);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA)), end_ping()]);
}

#[test]
fn an_entered_queue_event_for_another_leg_changes_nothing() {
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    desk.finish_all();
    desk.handle(rejoin_recovery::Event::EnteredQueue { recovery: recovery(), customer: leg(0xbad) });
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_closed_call_is_forgotten_when_its_timer_fires() {
    let mut desk = Desk::talking();
    desk.end(1);
    assert!(desk.effects.iter().any(|e| matches!(e, Effect::Note { note: Note::CallEnded, .. })));
    desk.fire(1, Timer::Forget);
    assert!(desk.machine.call(&conference(1)).is_none());
    assert!(matches!(desk.effects.last(), Some(Effect::Forget { .. })));
}
