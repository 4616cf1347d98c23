//! The rules of a recovery, each by a small story.

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
mod several_agents;
mod stranded;
mod taskrouter_events;
mod third_parties;
mod transfer;
mod transitions;
mod unreported_leaves;

use desk::*;
use rejoin_protocol::api::{DeliveryId, GracefulReason, Hello, Stage};
use rejoin_protocol::{Millis, ReservationSid, TaskSid, WorkerSid, WorkflowSid};
use rejoin_recovery::{
    Action, Announcement, ConferenceEventKind, Effect, Event, LeaveReason, Note, Outcome, Registered, Timer,
};

fn announce(what: Announcement) -> Action {
    Action::Announce { conference: conference(1), what }
}

fn free(unhold: bool) -> Action {
    Action::FreeCustomer { conference: conference(1), customer: leg(CUSTOMER), unhold }
}

// --- the flow ---

#[test]
fn a_lost_agent_makes_the_line_held() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.take_actions().is_empty(), "a mark may still come");
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
fn the_same_agent_gets_the_customer_back() {
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    assert_eq!(desk.finish_all(), [requeue(Some(ADA)), end_ping()]);
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.end(1);
    assert!(desk.take_actions().is_empty(), "the slot is freed only when the customer is in the queue");
    desk.entered_queue();
    assert_eq!(desk.finish_all(), [complete_old()]);
    assert_eq!(desk.stage(), Some(Stage::Queued));
    desk.join(2, CUSTOMER, true);
    desk.join(2, NEXT_LEG, false);
    assert_eq!(desk.stage(), Some(Stage::Queued), "who the new leg belongs to is not known yet");
    desk.register(2, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty());
    assert!(!desk.has_timer(Timer::Rejoin));
}

#[test]
fn a_hello_before_the_leave_counts() {
    let mut desk = Desk::talking();
    desk.hello(2, true, false);
    assert!(desk.take_actions().is_empty());
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    assert!(desk.actions.contains(&requeue(Some(ADA))));
}

#[test]
fn the_requeue_waits_for_what_must_come_first_but_not_for_long() {
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
fn a_hello_of_an_older_page_proves_nothing() {
    let mut desk = Desk::holding();
    desk.hello(EPOCH - 1, true, false);
    assert!(desk.take_actions().is_empty());
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

/// Her phone has failed, and her page has taken the ping.
#[test]
fn a_page_that_lives_on_proves_the_agent_reachable_once_she_is_looked_for() {
    let says_hello = |desk: &mut Desk, worker, epoch| {
        let hello = Hello { epoch, holdings: vec![], unavailable: false };
        desk.handle(Event::Hello { worker: WorkerSid::numbered(worker), hello, older_page_connected: false });
    };
    // A hello that was on its way while the leg fell.
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    says_hello(&mut desk, ADA, EPOCH);
    desk.fire(1, Timer::Grace);
    assert!(desk.finish_all().iter().any(|action| matches!(action, Action::CreatePing { .. })));
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    // Another agent's, and one of a page before.
    says_hello(&mut desk, BO, EPOCH);
    says_hello(&mut desk, ADA, EPOCH - 1);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    says_hello(&mut desk, ADA, EPOCH);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA)), complete_ping()]);
    // She had found the reservation when she came, and it wraps up with a leg before this one.
    let mut desk = Desk::holding();
    desk.hello(EPOCH, true, false);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA)), complete_ping()]);
}

#[test]
fn an_agent_who_does_not_come_back_loses_the_customer_to_the_next() {
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
fn an_agent_who_is_back_and_gone_again_is_not_waited_for_without_end() {
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
fn comfort_audio_follows_the_announcement() {
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
fn a_ping_that_is_created_too_late_is_taken_back() {
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

// --- what is no recovery ---

#[test]
fn hanging_up_on_purpose_starts_nothing() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.end(1);
    assert!(desk.take_actions().is_empty());
    assert_eq!(desk.stage(), None);
}

#[test]
fn a_mark_within_the_grace_period_wins_and_a_later_one_does_not() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.graceful(GracefulReason::HangUp);
    assert_eq!(desk.stage(), Some(Stage::Graceful));
    assert!(!desk.has_timer(Timer::Grace));
    // The customer is alone now: hung up on, as the agent wanted.
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);

    let mut desk = Desk::holding();
    desk.graceful(GracefulReason::HangUp);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

#[test]
fn a_customer_in_transfer_is_not_an_orphan() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [transfer_poll()]);
}

#[test]
fn a_request_that_is_repeated_counts_once() {
    let id = |number| Some(DeliveryId { epoch: 1, number });
    let mut desk = Desk::talking();
    desk.mark(ADA, id(1), GracefulReason::ColdTransfer);
    // A foreign one uses no id up.
    desk.mark_of(BO, reservation_of(ADA, 1), id(2), GracefulReason::HangUp);
    desk.mark(ADA, id(2), GracefulReason::HangUp);
    desk.mark(ADA, id(1), GracefulReason::ColdTransfer); // the answer was lost
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);

    let mut desk = Desk::talking();
    for number in 0..1000 {
        desk.mark(ADA, id(number), GracefulReason::HangUp);
    }
    let kept = desk.machine.call(&conference(1)).expect("known").facts.received.requests.len();
    assert_eq!(kept, 100, "what is remembered is bounded");
}

#[test]
fn a_page_that_has_taken_over_is_no_newer_page_than_its_own_leg() {
    let mut desk = Desk::talking();
    // It says hello as the newest page; then it registers the call that it has had all the time.
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
fn nobody_marks_another_agents_leave() {
    let mut desk = Desk::talking();
    desk.mark_of(BO, ReservationSid::numbered(1), None, GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

#[test]
fn a_customer_who_hangs_up_first_is_let_go() {
    let mut desk = Desk::talking();
    desk.leave(1, CUSTOMER, LeaveReason::HungUp);
    desk.leave(1, ADA_LEG, LeaveReason::ModeratorEnded);
    desk.end(1);
    assert!(desk.take_actions().is_empty());
    assert_eq!(desk.stage(), None);
}

#[test]
fn a_kick_a_move_and_an_end_for_all_are_no_losses() {
    for reason in
        [LeaveReason::UpdatedViaApi, LeaveReason::ConferenceEndedViaApi, LeaveReason::ModeratorEnded]
    {
        let mut desk = Desk::talking();
        desk.leave(1, ADA_LEG, reason);
        assert!(desk.take_actions().is_empty() && !desk.has_timer(Timer::Grace), "{reason:?}");
    }
}

/// Each means to keep the customer. The callbacks may be told in any order.
#[test]
fn of_two_agents_who_remove_each_other_the_last_one_is_missed() {
    for (between, late, missed) in [(0, false, true), (0, true, true), (1, false, false)] {
        let mut desk = Desk::talking();
        desk.join(1, 0xb1, false);
        desk.register(1, BO, 0xb1, 9);
        let first = desk.sequence;
        let removed = |desk: &mut Desk, who, at| {
            desk.sequence = at;
            desk.leave(1, who, LeaveReason::UpdatedViaApi);
        };
        let told = [(ADA_LEG, first), (0xb1, first + 1 + between)];
        for (who, at) in if late { [told[1], told[0]] } else { told } {
            removed(&mut desk, who, at);
        }
        assert_eq!(desk.stage_of(BO), missed.then_some(Stage::Interrupted), "{between} {late}");
        assert!(desk.stage().is_none());
    }
    // One has left by a transfer.
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, 9);
    desk.graceful(GracefulReason::ColdTransfer);
    desk.leave(1, 0xb1, LeaveReason::UpdatedViaApi);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert!(desk.stage().is_none() && desk.stage_of(BO).is_none());
}

#[test]
fn with_another_agent_on_the_call_nothing_is_begun() {
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, 9);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.take_actions().is_empty() && desk.stage().is_none());
}

/// Callbacks overtake each other: Bo seems to leave the customer to Ada, who was gone before.
#[test]
fn who_was_lost_after_a_colleague_had_left_is_missed_when_that_is_told() {
    for (removed, later, missed) in [(true, true, true), (false, true, true), (true, false, false)] {
        let mut desk = Desk::talking();
        desk.join(1, 0xb1, false);
        desk.register(1, BO, 0xb1, 9);
        if !removed {
            desk.graceful(GracefulReason::HangUp);
        }
        let number = desk.sequence;
        desk.sequence += u64::from(later);
        desk.leave(1, 0xb1, LeaveReason::HungUp);
        // Who has said that she leaves may be gone: that is looked up.
        assert_eq!((desk.take_actions().len(), desk.stage_of(BO)), (usize::from(!removed), None));
        desk.sequence = if later { number } else { desk.sequence };
        let why = if removed { LeaveReason::UpdatedViaApi } else { LeaveReason::HungUp };
        desk.leave(1, ADA_LEG, why);
        assert_eq!(desk.stage_of(BO).is_some(), missed, "removed: {removed}, told later: {later}");
        assert!(!desk.has_timer(Timer::Orphan), "he is not let go");
    }
}

#[test]
fn a_customer_who_hangs_up_meanwhile_ends_it() {
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
    });
    assert_eq!(desk.stage(), Some(Stage::CustomerLeft));
}

#[test]
fn a_requeue_that_finds_no_call_means_that_the_customer_hung_up() {
    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    desk.finish(requeue(None), Outcome::Gone);
    assert_eq!(desk.stage(), Some(Stage::CustomerLeft));
}

// --- the flag that Flex sets again ---

#[test]
fn the_exit_flag_is_undone_while_the_customer_is_on() {
    let keep = Action::KeepConference { conference: conference(1), leg: leg(ADA_LEG) };
    let mut desk = Desk::talking();
    desk.modify(1, ADA_LEG, true, false);
    assert_eq!(desk.take_actions(), [keep.clone()]);
    desk.modify(1, ADA_LEG, true, false);
    assert!(desk.take_actions().is_empty(), "one at a time");
    desk.finish(keep.clone(), Outcome::Ok);
    assert_eq!(desk.take_actions(), [keep.clone()], "it may have been set after it was undone");
    desk.finish(keep.clone(), Outcome::Ok);
    assert!(desk.take_actions().is_empty());
    desk.modify(1, ADA_LEG, true, false);
    assert_eq!(desk.take_actions(), [keep]);
}

/// Twilio has undone it, as is told, and does not answer.
#[test]
fn a_flag_that_is_set_again_before_twilio_has_answered_is_undone_at_once() {
    let keep = Action::KeepConference { conference: conference(1), leg: leg(ADA_LEG) };
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

    // She hangs up on purpose, and Flex sets it for that.
    let mut leaves = Desk::talking();
    leaves.modify(1, ADA_LEG, true, false);
    leaves.modify(1, ADA_LEG, false, false);
    leaves.take_actions();
    leaves.graceful(GracefulReason::HangUp);
    leaves.modify(1, ADA_LEG, true, false);
    assert!(leaves.take_actions().is_empty());
}

/// Her registration is not believed yet.
#[test]
fn a_flag_that_is_set_before_it_is_known_whose_the_leg_is_is_undone() {
    let keep = Action::KeepConference { conference: conference(1), leg: leg(ADA_LEG) };
    let joined = || {
        let mut desk = Desk::new();
        desk.join(1, CUSTOMER, true);
        desk.join(1, ADA_LEG, false);
        desk
    };
    let mut desk = joined();
    desk.modify(1, CUSTOMER, true, false);
    assert!(desk.take_actions().is_empty(), "his own stays as it is");
    desk.modify(1, ADA_LEG, true, false);
    assert_eq!(desk.take_actions(), [keep]);
    let mut leaves = joined();
    leaves.graceful(GracefulReason::HangUp);
    leaves.finish_all();
    leaves.modify(1, ADA_LEG, true, false);
    assert!(leaves.take_actions().is_empty(), "on purpose");
}

#[test]
fn the_exit_flag_of_a_held_leg_is_undone_after_unhold() {
    let mut desk = Desk::talking();
    desk.modify(1, ADA_LEG, true, true);
    assert!(desk.take_actions().is_empty(), "it would have no effect");
    desk.modify(1, ADA_LEG, true, false);
    assert_eq!(desk.take_actions().len(), 1);
}

#[test]
fn the_exit_flag_of_an_agent_who_hangs_up_is_left_alone() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.modify(1, ADA_LEG, true, false);
    assert!(desk.take_actions().is_empty());
}

// --- ghosts ---

#[test]
fn a_ghost_leg_is_removed_when_a_newer_page_proves_it_dead() {
    let mut desk = Desk::talking();
    desk.hello(2, false, false);
    let remove = Action::RemoveLeg { conference: conference(1), leg: leg(ADA_LEG) };
    let actions = desk.finish_all();
    assert_eq!(actions[..2], [remove, hold(false, false)]);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA))], "she is there, and is not looked for");
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert!(desk.take_actions().is_empty(), "one leg is lost once");
}

#[test]
fn a_leg_that_an_older_page_may_have_is_not_touched() {
    let mut desk = Desk::talking();
    desk.hello(2, false, true);
    assert!(desk.take_actions().is_empty() && desk.stage().is_none());
}

// --- what the page had no time to say ---

fn found(worker_leg: Option<u128>) -> Outcome {
    Outcome::Learnt(Box::new(Registered {
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
fn a_refresh_before_the_registration_is_recovered_too() {
    for worker_leg in [Some(ADA_LEG), None] {
        let mut desk = Desk::new();
        desk.join(1, CUSTOMER, true);
        desk.join(1, ADA_LEG, false);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        let learn = Action::Learn { task: TaskSid::numbered(1) };
        assert_eq!(desk.take_actions(), [learn.clone()]);
        desk.finish(learn, found(worker_leg));
        desk.fire(1, Timer::Grace);
        assert_eq!(desk.stage(), Some(Stage::Interrupted), "{worker_leg:?}");
    }
}

#[test]
fn a_call_that_is_never_registered_is_looked_up() {
    let mut desk = Desk::new();
    desk.join(1, CUSTOMER, true);
    desk.join(1, ADA_LEG, false);
    desk.fire(1, Timer::Learn);
    assert_eq!(desk.take_actions(), [Action::Learn { task: TaskSid::numbered(1) }]);
    desk.finish(Action::Learn { task: TaskSid::numbered(1) }, found(Some(ADA_LEG)));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.has_timer(Timer::Grace));
}

#[test]
fn a_registration_after_the_leave_still_counts() {
    let mut desk = Desk::new();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.join(1, CUSTOMER, true);
    desk.register(1, ADA, ADA_LEG, EPOCH);
    assert!(desk.has_timer(Timer::Grace));
}

// --- deliveries ---

#[test]
fn a_second_delivery_changes_nothing() {
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
fn a_join_that_comes_after_its_leave_does_not_bring_the_leg_back() {
    let mut desk = Desk::new();
    let join = |leg| ConferenceEventKind::Join { leg, flags: rejoin_recovery::ParticipantFlags::default() };
    let event = |sequence, kind| {
        let (conference, task) = (conference(1), Some(TaskSid::numbered(1)));
        rejoin_recovery::Event::Conference(rejoin_recovery::ConferenceEvent {
            conference,
            task,
            sequence,
            label: None,
            owner: None,
            kind,
        })
    };
    desk.handle(event(1, join(leg(CUSTOMER))));
    desk.handle(event(3, ConferenceEventKind::Leave { leg: leg(ADA_LEG), reason: LeaveReason::HungUp }));
    desk.handle(event(2, join(leg(ADA_LEG))));
    desk.register(1, ADA, ADA_LEG, EPOCH);
    assert!(desk.has_timer(Timer::Grace));
}

#[test]
fn a_restart_loses_nothing() {
    let mut desk = Desk::holding();
    desk.restart();
    desk.hello(2, true, false);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA)), end_ping()]);
}

#[test]
fn a_queue_request_for_another_leg_changes_nothing() {
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    desk.finish_all();
    desk.handle(rejoin_recovery::Event::EnteredQueue { recovery: recovery(), customer: leg(0xbad) });
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_closed_call_is_forgotten_in_the_end() {
    let mut desk = Desk::talking();
    desk.end(1);
    assert!(desk.effects.iter().any(|e| matches!(e, Effect::Note { note: Note::CallEnded, .. })));
    desk.fire(1, Timer::Forget);
    assert!(desk.machine.call(&conference(1)).is_none());
    assert!(matches!(desk.effects.last(), Some(Effect::Forget { .. })));
}
