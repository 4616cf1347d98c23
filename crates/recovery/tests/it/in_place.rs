//! The first rung: the old leg still stands, and the agent joins the same conference again.

use crate::desk::*;
use rejoin_protocol::api::{GracefulReason, Hello, Stage};
use rejoin_protocol::{Millis, WorkerSid};
use rejoin_recovery::{
    Action, Announcement, ConferenceEventKind, Config, Effect, Event, LeaveReason, Machine, Next, Note,
    Outcome, ParticipantFlags, Timer,
};

fn announce(what: Announcement) -> Action {
    Action::Announce { conference: conference(1), what }
}

fn remove(who: u128) -> Action {
    Action::RemoveLeg { conference: conference(1), leg: leg(who) }
}

/// The page is back, Flex joins the same conference again and closes the old leg.
fn back_in_place(desk: &mut Desk) {
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.register(1, ADA, NEXT_LEG, 2);
}

fn is_requeue(action: &Action) -> bool {
    matches!(action, Action::Requeue { .. })
}

#[test]
fn a_quick_refresh_costs_twilio_nothing() {
    let mut desk = Desk::away();
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    desk.hello_in_place(2);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty(), "nobody is moved, nothing is announced");
    assert!(desk.timers.is_empty(), "{:?}", desk.timers);
}

#[test]
fn the_old_leg_may_be_told_gone_before_the_new_one_is_told_there() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.has_timer(Timer::Grace));
    desk.join(1, NEXT_LEG, false);
    desk.fire(1, Timer::Grace);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty());
}

#[test]
fn an_old_leg_that_flex_does_not_close_is_removed() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty(), "Flex may be about to close it");
    desk.fire(1, Timer::Leave);
    assert_eq!(desk.finish_all(), [remove(ADA_LEG)]);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert!(desk.take_actions().is_empty(), "leaves of this kind are ours");
}

/// Whichever of the new leg, its registration and the old leg's end is told first.
#[test]
fn an_old_leg_that_flex_closes_costs_twilio_nothing() {
    for order in [["join", "leave", "register"], ["leave", "join", "register"], ["join", "register", "leave"]]
    {
        let mut desk = Desk::away();
        desk.hello_in_place(2);
        for told in order {
            match told {
                "join" => {
                    desk.join(1, NEXT_LEG, false);
                }
                "register" => {
                    desk.register(1, ADA, NEXT_LEG, 2);
                }
                _ => {
                    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
                }
            }
        }
        assert_eq!(desk.stage(), Some(Stage::Rejoined));
        assert!(desk.take_actions().is_empty(), "{order:?}");
        assert!(!desk.has_timer(Timer::Leave), "{order:?}");
    }
}

#[test]
fn an_old_leg_that_flex_does_not_close_is_removed_once_although_another_leave_is_awaited() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    desk.hello(3, true, false);
    assert_eq!(desk.finish_all().iter().filter(|action| **action == remove(ADA_LEG)).count(), 1);
    assert!(desk.has_timer(Timer::Leave));
    desk.fire(1, Timer::Leave);
    assert!(!desk.finish_all().contains(&remove(ADA_LEG)));
}

#[test]
fn the_exit_flag_of_the_new_leg_is_undone() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, true);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(
        desk.take_actions(),
        [Action::KeepConference { conference: conference(1), leg: leg(NEXT_LEG) }]
    );
}

#[test]
fn a_page_that_takes_longer_has_the_customer_told() {
    let mut desk = Desk::announcing();
    desk.goodbye(ADA, EPOCH);
    let gone = desk.now;
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.now - gone, Millis(1500));
    assert_eq!(desk.finish_all(), [announce(Announcement::Interrupted)]);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    assert_eq!(desk.finish_all(), [announce(Announcement::Comfort)]);
    desk.hello_in_place(2);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    assert!(desk.take_actions().is_empty(), "what plays would play over the talk");
}

/// The channel of the page that has the call is cut, and she talks all the same.
#[test]
fn a_page_in_another_browser_does_not_prove_the_older_one_dead() {
    for in_place in [false, true] {
        let config = Config { in_place, ..Config::default() };
        let mut desk = Desk::with(Machine::new(config, []));
        desk.begin();
        desk.hello_in_another_browser(2, in_place);
        assert_eq!(desk.stage(), None, "in place: {in_place}");
        assert!(desk.take_actions().is_empty(), "in place: {in_place}");
        // Her own next page proves it.
        desk.hello_with(3, false, false, in_place);
        assert_eq!(desk.stage(), Some(if in_place { Stage::InPlace } else { Stage::Interrupted }));
    }
    // So does the goodbye of the page that had the call.
    let mut desk = Desk::away();
    desk.hello_in_another_browser(2, true);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
}

/// It is in another browser, and was out of the server's sight when the newest page said hello: the phone that this one makes
/// ring is answered there.
#[test]
fn a_page_that_was_taken_for_gone_has_the_leg_that_it_has_registered() {
    let (newest, older) = (9, 5);
    let mut desk = Desk::away();
    desk.hello_in_place(newest);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, older);
    assert_eq!(desk.stage(), Some(Stage::InPlace), "it may have been that page's last word");
    let hello = Hello { epoch: older, holdings: vec![], unavailable: false };
    let worker = WorkerSid::numbered(ADA);
    desk.handle(Event::Hello { worker, hello, older_page_connected: false });
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    desk.hello_with(newest, false, false, false);
    assert!(!desk.take_actions().contains(&remove(NEXT_LEG)));
}

/// Its agent waits for Twilio to answer for longer than any other request does.
#[test]
fn a_flag_is_to_be_undone_as_long_as_the_call_may_last() {
    let mut desk = Desk::talking();
    desk.modify(1, ADA_LEG, true, false);
    let keep = desk.effects.iter().find_map(|effect| match effect {
        Effect::Act { action: Action::KeepConference { .. }, deadline, .. } => Some(*deadline),
        _ => None,
    });
    assert_eq!(keep, Some(desk.now + Millis::seconds(120)));
}

#[test]
fn a_held_customer_is_taken_off_hold_to_be_told() {
    let mut desk = Desk::announcing();
    desk.goodbye(ADA, EPOCH);
    desk.modify(1, CUSTOMER, true, true);
    desk.fire(1, Timer::Announce);
    let free = Action::FreeCustomer { conference: conference(1), customer: leg(CUSTOMER), unhold: true };
    assert_eq!(desk.finish_all(), [free]);
    assert_eq!(desk.take_actions(), [announce(Announcement::Interrupted)]);
}

#[test]
fn a_tab_closed_for_good_costs_not_a_second_more() {
    let mut desk = Desk::away();
    let gone = desk.now;
    desk.fire(1, Timer::Announce);
    desk.finish_all();
    desk.fire(1, Timer::Ping);
    let actions = desk.finish_all();
    assert_eq!(actions[0], remove(ADA_LEG));
    assert!(
        !actions.iter().any(|a| matches!(a, Action::Announce { .. } | Action::CreatePing { .. })),
        "{actions:?}"
    );
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.fire(1, Timer::Ping);
    assert_eq!(desk.now - gone, Millis::seconds(15));
    assert_eq!(desk.take_actions(), [requeue(None)]);
}

#[test]
fn a_leg_that_falls_while_the_agent_is_away_leads_to_the_second_rung_without_a_second_announcement() {
    let mut desk = Desk::away();
    let gone = desk.now;
    desk.fire(1, Timer::Announce);
    desk.finish_all();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let actions = desk.finish_all();
    assert!(
        actions.iter().any(|a| matches!(a, Action::CreatePing { ttl, .. } if *ttl == Millis(13_500))),
        "{actions:?}"
    );
    assert!(!actions.contains(&announce(Announcement::Interrupted)));
    desk.fire(1, Timer::Ping);
    assert_eq!(desk.now - gone, Millis::seconds(15), "the wait is one wait");
}

#[test]
fn a_leg_that_falls_at_once_is_announced_at_once() {
    let mut desk = Desk::away();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.take_actions().contains(&hold(false, false)));
    assert!(!desk.has_timer(Timer::Announce));
}

#[test]
fn a_leg_that_falls_in_the_middle_of_joining_leads_to_the_second_rung_unasked() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    assert_eq!(desk.take_actions(), [requeue(Some(ADA))]);
}

#[test]
fn a_page_that_cannot_join_says_so_and_the_customer_comes_another_way() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.hello(2, false, false);
    let actions = desk.finish_all();
    assert_eq!(actions[0], remove(ADA_LEG));
    assert_eq!(desk.take_actions(), [requeue(Some(ADA))]);
}

/// Its leg still comes, and nobody is at it.
#[test]
fn a_page_that_goes_while_it_joins_leaves_the_customer_with_us() {
    for told in [false, true] {
        for (joins_first, registers_late) in [(false, false), (true, false), (true, true)] {
            let mut desk = Desk::away();
            if told {
                desk.fire(1, Timer::Announce);
                assert_eq!(desk.finish_all(), [hold(false, false)]);
            }
            desk.hello_in_place(2);
            if joins_first {
                desk.join(1, NEXT_LEG, false);
            }
            let ends: Vec<_> = desk.take_actions();
            assert_eq!(ends.len(), usize::from(told && joins_first), "{ends:?}");
            desk.goodbye(ADA, 2);
            if !joins_first {
                desk.join(1, NEXT_LEG, false);
            }
            if registers_late {
                // While the hold is being ended he cannot be on it.
                desk.fire(1, Timer::Announce);
                assert_eq!(desk.take_actions().contains(&hold(false, false)), !told);
                desk.register(1, ADA, NEXT_LEG, 2);
            }
            for end in ends {
                desk.finish(end, Outcome::Ok);
            }
            let mut actions = desk.take_actions();
            if registers_late && !told {
                assert_eq!(actions, []);
                continue;
            }
            if actions.is_empty() && desk.has_timer(Timer::Announce) {
                desk.fire(1, Timer::Announce);
                actions = desk.take_actions();
            }
            let stays_on_hold = told && !joins_first;
            let again = if stays_on_hold { vec![] } else { vec![hold(false, told)] };
            assert_eq!(actions, again, "{told} {joins_first} {registers_late}");
        }
    }
}

/// Announcements are over after a while, and nobody has come.
#[test]
fn a_customer_who_is_told_by_announcements_does_not_wait_in_silence_while_a_page_joins() {
    let mut desk = Desk::announcing();
    desk.goodbye(ADA, EPOCH);
    desk.fire(1, Timer::Announce);
    desk.finish_all();
    desk.hello_in_place(2);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    assert!(desk.take_actions().is_empty(), "she may be there in a moment");
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [announce(Announcement::Comfort)]);
    // She has come.
    desk.hello_in_place(3);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    desk.join(1, NEXT_LEG, false);
    desk.fire(1, Timer::Announce);
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_page_that_never_joins_is_not_waited_for_without_end() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    let began = desk.now;
    desk.fire(1, Timer::Rejoin);
    assert_eq!(desk.now - began, Millis::seconds(8));
    assert_eq!(desk.finish_all()[0], remove(ADA_LEG));
    assert_eq!(desk.take_actions(), [requeue(Some(ADA))]);
}

#[test]
fn a_customer_is_not_taken_from_an_agent_whose_registration_is_late() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let began = desk.now;
    // Her page waits 10 s for the answer to an older registration that was lost.
    while desk.now - began < Millis::seconds(10) {
        desk.fire(1, Timer::Rejoin);
        assert_eq!(desk.take_actions(), []);
    }
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(!desk.has_timer(Timer::Rejoin) && desk.take_actions().is_empty());
}

#[test]
fn a_customer_is_not_taken_from_a_colleague_whose_registration_is_late() {
    let mut desk = Desk::away();
    desk.join(1, 0xb1, false);
    desk.fire(1, Timer::Announce);
    desk.finish_all();
    desk.fire(1, Timer::Ping);
    assert_eq!(desk.take_actions(), []);
    desk.register(1, BO, 0xb1, 9);
    assert!(!desk.finish_all().iter().any(is_requeue));
}

/// Twilio was slow, and the agent is back meanwhile.
#[test]
fn a_customer_is_not_taken_from_a_colleague_when_what_comes_first_is_done() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.hello(2, true, false);
    desk.join(1, 0xb1, false);
    desk.finish_all();
    assert!(!desk.take_actions().iter().any(is_requeue));
    desk.register(1, BO, 0xb1, 9);
    assert!(!desk.finish_all().iter().any(is_requeue) && desk.stage() == Some(Stage::Covered));
}

#[test]
fn a_stranger_is_not_the_agent_for_ever_nor_after_leaving() {
    let joined = || {
        let mut desk = Desk::away();
        desk.hello_in_place(2);
        desk.join(1, NEXT_LEG, false);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk
    };
    let mut desk = joined();
    let began = desk.now;
    while desk.stage() == Some(Stage::InPlace) {
        desk.fire(1, Timer::Rejoin);
    }
    assert_eq!(desk.now - began, Millis::seconds(8 + 6));
    // Her newest page has gone again.
    let mut desk = joined();
    desk.goodbye(ADA, 2);
    desk.fire(1, Timer::Rejoin);
    assert!(desk.take_actions().contains(&hold(false, false)), "nobody is at the leg that has come");
    let mut desk = joined();
    desk.fire(1, Timer::Rejoin);
    let began = desk.now;
    desk.leave(1, NEXT_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Rejoin);
    let actions = desk.take_actions();
    assert!(actions.contains(&hold(false, false)), "{actions:?}");
    assert!(desk.now - began <= Millis::seconds(2));
}

/// Her page is loaded anew before it has registered the leg by which it has joined.
#[test]
fn a_customer_does_not_wait_for_a_leg_that_has_come_and_gone_before_it_was_registered() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert!(!desk.has_timer(Timer::Grace), "who has come may be she");
    desk.leave(1, NEXT_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert!(desk.take_actions().iter().any(|action| matches!(action, Action::HoldCustomer { .. })));
}

/// Her page has closed the old leg, as it does when it is in, and cannot register: Flex's token has expired.
#[test]
fn a_leg_that_has_replaced_the_agents_has_a_minute_to_be_registered() {
    let replaced = || {
        let mut desk = Desk::away();
        desk.hello_in_place(2);
        desk.join(1, NEXT_LEG, false);
        desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
        desk
    };
    let mut desk = replaced();
    let began = desk.now;
    desk.fire(1, Timer::Rejoin);
    let asked = desk.take_actions();
    assert!(matches!(asked[..], [Action::Look { .. }]), "{asked:?}");
    while desk.stage() == Some(Stage::InPlace) {
        assert_eq!(desk.take_actions(), []);
        desk.fire(1, Timer::Rejoin);
    }
    assert_eq!(desk.now - began, Millis::seconds(8 + 60));
    let mut desk = replaced();
    for _ in 0..20 {
        desk.fire(1, Timer::Rejoin);
    }
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    let mut desk = replaced();
    desk.fire(1, Timer::Rejoin);
    desk.leave(1, NEXT_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Rejoin);
    assert!(desk.take_actions().contains(&hold(false, false)), "nobody is there any more");
}

#[test]
fn who_only_listens_is_not_taken_for_the_agent() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    let flags = ParticipantFlags { muted: true, ..ParticipantFlags::default() };
    desk.callback(1, ConferenceEventKind::Join { leg: leg(NEXT_LEG), flags });
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Rejoin);
    assert_ne!(desk.stage(), Some(Stage::InPlace));
}

#[test]
fn a_crash_takes_the_same_way() {
    let mut desk = Desk::talking();
    desk.hello_in_place(2);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty());
}

#[test]
fn two_refreshes_in_a_row_are_two_recoveries() {
    let mut desk = Desk::away();
    back_in_place(&mut desk);
    desk.goodbye(ADA, 2);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    desk.hello_in_place(3);
    desk.join(1, 0xa3, false);
    desk.leave(1, NEXT_LEG, LeaveReason::HungUp);
    desk.register(1, ADA, 0xa3, 3);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_page_that_is_loaded_again_and_again_does_not_hold_the_customer_for_ever() {
    let mut desk = Desk::away();
    let gone = desk.now;
    for epoch in 2..6 {
        desk.now = desk.now + Millis::seconds(3);
        desk.hello_in_place(epoch);
    }
    desk.fire(1, Timer::Rejoin);
    assert!(desk.now - gone <= Millis::seconds(15), "{:?}", desk.now - gone);
    assert_eq!(desk.finish_all()[0], remove(ADA_LEG));
}

#[test]
fn a_new_leg_that_comes_after_all_ends_it_if_the_customer_is_still_there() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.fire(1, Timer::Rejoin);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(!desk.finish_all().iter().any(is_requeue));
}

/// The agent is back by a leg that no callback has reported and no poll has shown.
fn back_unseen() -> Desk {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    let (worker, registration) = (WorkerSid::numbered(ADA), registration_of(1, ADA, NEXT_LEG, 2));
    desk.handle(Event::Registered { worker, registration });
    desk.take_actions(); // the poll among them is not answered
    desk
}

#[test]
fn an_agent_who_was_back_unseen_and_hangs_up_is_not_looked_for() {
    for stage in [Stage::InPlace, Stage::Interrupted, Stage::Requeueing] {
        for customer_first in [false, true] {
            let mut desk = back_unseen();
            if stage != Stage::InPlace {
                desk.fire(1, Timer::Grace);
            }
            if stage == Stage::Requeueing {
                desk.finish_all();
            }
            assert_eq!(desk.stage(), Some(stage.clone()));
            desk.graceful(GracefulReason::HangUp);
            let mut twilio = back_unseen();
            let agent = twilio.leave(1, NEXT_LEG, LeaveReason::HungUp);
            let customer = twilio.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
            let told = if customer_first { [customer, agent] } else { [agent, customer] };
            told.into_iter().for_each(|event| desk.handle(event));
            assert_eq!(desk.stage(), Some(Stage::Graceful), "{stage:?}, customer first: {customer_first}");
            let wanted = |action: &Action| is_requeue(action) && desk.machine.wants(&conference(1), action);
            assert!(!desk.actions.iter().any(wanted), "{stage:?}: {:?}", desk.actions);
            assert_eq!(desk.machine.next(desk.now, &leg(CUSTOMER)), Next::Over);
        }
    }
}

#[test]
fn an_agent_who_was_back_and_hangs_up_is_not_looked_for_when_the_customers_leave_is_told_first() {
    let mut desk = back_unseen();
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    desk.graceful(GracefulReason::HangUp);
    desk.modify(1, NEXT_LEG, true, false);
    let mut twilio = desk.clone();
    let agent = twilio.leave(1, NEXT_LEG, LeaveReason::HungUp);
    let customer = twilio.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
    [customer, agent].into_iter().for_each(|event| desk.handle(event));
    assert_eq!(desk.stage(), Some(Stage::Graceful));
    assert!(!desk.actions.contains(&remove(NEXT_LEG)), "{:?}", desk.actions);
}

#[test]
fn a_customer_is_not_requeued_unasked_from_an_agent_whose_registered_leg_nothing_has_shown() {
    let mut desk = back_unseen();
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    let call = desk.machine.call(&conference(1)).expect("the call");
    assert!(call.may_be_met(), "Twilio is asked first who is with the customer");
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    assert!(!desk.machine.call(&conference(1)).expect("the call").may_be_met(), "nobody has registered");
}

#[test]
fn a_customer_who_was_sent_to_the_queue_stays_there_when_the_agent_hangs_up_by_an_unseen_leg() {
    let mut desk = back_unseen();
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    assert_eq!(desk.finish_all(), [requeue(Some(ADA))]);
    desk.graceful(GracefulReason::HangUp);
    desk.leave(1, NEXT_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
}

#[test]
fn a_new_leg_that_comes_too_late_is_taken_away() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.fire(1, Timer::Rejoin);
    desk.finish_all();
    assert_eq!(desk.finish_all(), [requeue(Some(ADA))]);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert!(!desk.take_actions().contains(&remove(NEXT_LEG)), "as long as the customer is there, too");
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    assert_eq!(desk.take_actions(), [remove(NEXT_LEG)]);
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
}

#[test]
fn with_another_agent_on_the_call_a_goodbye_is_not_told_to_the_customer() {
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, 9);
    desk.goodbye(ADA, EPOCH);
    assert!(!desk.has_timer(Timer::Announce) && desk.take_actions().is_empty());
}

#[test]
fn a_goodbye_of_somebody_else_or_of_an_older_page_starts_nothing() {
    for (worker, epoch) in [(BO, EPOCH), (ADA, 0)] {
        let mut desk = Desk::talking();
        desk.goodbye(worker, epoch);
        assert!(desk.stage().is_none(), "{worker:x} {epoch}");
    }
}

#[test]
fn a_goodbye_that_overtakes_its_own_registration_counts() {
    let joined = || {
        let mut desk = Desk::new();
        desk.join(1, CUSTOMER, true);
        desk.join(1, ADA_LEG, false);
        desk.goodbye(ADA, EPOCH);
        assert!(desk.take_actions().is_empty());
        desk
    };
    let mut desk = joined();
    desk.register(1, ADA, ADA_LEG, EPOCH);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [hold(false, false)]);
    back_in_place(&mut desk);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    // It was an older page's.
    let mut desk = joined();
    desk.register(1, ADA, ADA_LEG, EPOCH + 1);
    assert_eq!(desk.stage(), None);
    // It counts once.
    let mut desk = Desk::away();
    desk.goodbye(ADA, EPOCH);
    desk.register(1, ADA, ADA_LEG, EPOCH);
    back_in_place(&mut desk);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
}

#[test]
fn a_goodbye_after_a_mark_on_purpose_starts_nothing() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::SignOut);
    desk.goodbye(ADA, EPOCH);
    assert!(desk.stage().is_none());
    let mut desk = Desk::away();
    desk.graceful(GracefulReason::SignOut);
    assert_eq!(desk.stage(), Some(Stage::Graceful));
}

#[test]
fn a_customer_who_hangs_up_while_the_agent_is_away_ends_it() {
    let mut desk = Desk::away();
    desk.leave(1, CUSTOMER, LeaveReason::HungUp);
    assert_eq!(desk.stage(), Some(Stage::CustomerLeft));
    assert_eq!(desk.take_actions(), [remove(ADA_LEG)], "nobody is left alone on the line");
}

#[test]
fn in_place_can_be_turned_off() {
    let mut desk = Desk::with(Machine::new(Config { in_place: false, ..Config::default() }, []));
    desk.join(1, CUSTOMER, true);
    desk.join(1, ADA_LEG, false);
    desk.register(1, ADA, ADA_LEG, EPOCH);
    desk.goodbye(ADA, EPOCH);
    assert!(desk.stage().is_none());
    desk.hello_in_place(2);
    assert_eq!(desk.take_actions()[0], remove(ADA_LEG));
}

/// Her page is loaded anew before it has registered, and finds the leg standing.
#[test]
fn a_leg_that_is_learnt_of_after_the_next_page_has_come_goes_where_in_place_is_off() {
    for (in_place, older_page, gone) in [(false, false, true), (false, true, false), (true, false, false)] {
        let mut desk = Desk::with(Machine::new(Config { in_place, ..Config::default() }, []));
        desk.join(1, CUSTOMER, true);
        desk.join(1, ADA_LEG, false);
        desk.hello_with(2, false, older_page, true);
        let [learn @ Action::Learn { .. }] = &desk.take_actions()[..] else { panic!("it is looked up") };
        desk.finish(learn.clone(), crate::late_events::look_up_answer());
        assert_eq!(desk.take_actions().contains(&remove(ADA_LEG)), gone, "{in_place} {older_page}");
    }
}

/// The page crashes in the instant in which it takes the call, and another tab says hello before anything is known.
#[test]
fn who_has_come_back_before_her_leg_was_learnt_of_joins_in_place() {
    for (older_page, can_join, stage) in [
        (false, true, Some(Stage::InPlace)),
        (true, true, None),
        // It cannot: the leg goes.
        (false, false, Some(Stage::Interrupted)),
    ] {
        let mut desk = Desk::new();
        desk.join(1, CUSTOMER, true);
        desk.join(1, ADA_LEG, false);
        desk.hello_with(2, false, older_page, can_join);
        let [learn @ Action::Learn { .. }] = &desk.take_actions()[..] else { panic!("it is looked up") };
        desk.finish(learn.clone(), crate::late_events::look_up_answer());
        assert_eq!(desk.stage(), stage, "{older_page} {can_join}");
    }
}

/// She has two browsers. The page that joins in place is the one of the other, and the phone there answers.
#[test]
fn a_page_that_asked_for_a_leg_does_not_prove_the_one_dead_whose_phone_has_answered() {
    let mut desk = Desk::away();
    desk.hello_of(ADA, 3, false, true, true);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    desk.finish_all();
    // Both machines have slept, and that page is there first.
    desk.hello_with(3, false, false, false);
    assert!(desk.take_actions().is_empty());
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    // One that comes after it finds nobody else.
    desk.hello_with(4, false, false, false);
    assert!(desk.take_actions().contains(&remove(NEXT_LEG)));
}

#[test]
fn a_restart_in_the_middle_changes_nothing() {
    let mut desk = Desk::away();
    desk.restart();
    desk.hello_in_place(2);
    desk.restart();
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    let failed = Outcome::Failed { reason: "refused".into() };
    desk.finish(remove(ADA_LEG), failed);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
}

#[test]
fn the_exit_flag_of_a_leg_that_nobody_has_registered_yet_is_undone() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.modify(1, NEXT_LEG, true, false);
    // She refreshes again before her page could register: the leg is to end alone.
    assert_eq!(
        desk.take_actions(),
        [Action::KeepConference { conference: conference(1), leg: leg(NEXT_LEG) }]
    );
}

#[test]
fn a_call_that_was_rejoined_in_place_ends_like_any_call() {
    let mut desk = Desk::away();
    back_in_place(&mut desk);
    desk.leave(1, CUSTOMER, LeaveReason::HungUp);
    desk.end(1);
    assert!(desk.effects.iter().any(|e| matches!(e, Effect::Note { note: Note::CallEnded, .. })));
}

/// The second page was gone before its registration got through, and the third one delivers it.
#[test]
fn the_late_word_of_a_page_that_is_gone_does_not_bring_the_agent_back() {
    for says_goodbye in [false, true] {
        let mut desk = Desk::away();
        desk.hello_in_place(2);
        desk.join(1, NEXT_LEG, false);
        if says_goodbye {
            desk.goodbye(ADA, 2);
        } else {
            desk.hello_in_place(3);
        }
        desk.effects.clear();
        desk.register(1, ADA, NEXT_LEG, 2);
        assert_eq!(desk.stage(), Some(Stage::InPlace), "{says_goodbye}");
        assert!(!desk.effects.iter().any(|effect| matches!(effect, Effect::Push { .. })), "{says_goodbye}");
        desk.hello_in_place(3);
        desk.join(1, 0xa3, false);
        desk.register(1, ADA, 0xa3, 3);
        assert_eq!(desk.stage(), Some(Stage::Rejoined), "{says_goodbye}");
        assert_eq!(desk.finish_all(), [remove(NEXT_LEG)], "{says_goodbye}");
        desk.fire(1, Timer::Leave); // Flex has not closed the other one
        assert_eq!(desk.finish_all(), [remove(ADA_LEG)], "{says_goodbye}");
        desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
        desk.leave(1, NEXT_LEG, LeaveReason::UpdatedViaApi);
        assert!(desk.take_actions().is_empty(), "{says_goodbye}");
        // And the new one can be lost.
        desk.leave(1, 0xa3, LeaveReason::HungUp);
        assert!(desk.has_timer(Timer::Grace), "{says_goodbye}");
    }
}

/// The same when the customer is kept already.
#[test]
fn the_late_word_of_a_page_that_is_gone_does_not_keep_the_customer_from_the_queue() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.fire(1, Timer::Rejoin);
    desk.hello(3, false, false);
    desk.finish_all();
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_ne!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.machine.wants(&conference(1), &requeue(Some(ADA))), "{:?}", desk.stage());
}

/// A page that was frozen comes to life again.
#[test]
fn a_page_that_registers_again_after_its_goodbye_is_there() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.goodbye(ADA, 2);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
}

/// Ada has a page in another browser, and the page that said goodbye was not its. The phone rings there when her newest page
/// joins in place.
fn rings_in_the_other_browser(before: bool) -> Desk {
    let mut desk = Desk::talking();
    desk.hello_in_another_browser(5, true);
    desk.goodbye(ADA, EPOCH);
    if before {
        desk.join(1, NEXT_LEG, false);
    }
    desk.hello_in_place(9);
    if !before {
        desk.join(1, NEXT_LEG, false);
    }
    desk.register(1, ADA, NEXT_LEG, 5);
    desk
}

#[test]
fn a_page_in_another_browser_whose_phone_rings_is_not_gone_because_a_newer_one_is_alone_in_its_own() {
    let mut desk = rings_in_the_other_browser(false);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    desk.hello_with(9, false, false, true);
    assert!(!desk.take_actions().contains(&remove(NEXT_LEG)), "she is at it");
}

#[test]
fn a_leg_that_stood_before_the_newest_page_came_is_one_of_an_older_page() {
    let desk = rings_in_the_other_browser(true);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
}
