//! The first rung, in place: the old leg still stands, and the agent joins the same conference again.

use crate::desk::*;
use rejoin_protocol::api::{DeliveryId, GracefulReason, Hello, Registration, Stage};
use rejoin_protocol::{Millis, RecoveryId, WorkerSid};
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

/// The page is back, Flex joins the same conference again and closes the old leg, and the page registers.
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
fn a_quick_refresh_rejoins_in_place_without_any_twilio_request() {
    let mut desk = Desk::away();
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    desk.hello_in_place(2);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty(), "nobody is moved and nothing is announced");
    assert!(desk.timers.is_empty(), "{:?}", desk.timers);
}

#[test]
fn a_rejoin_in_place_works_when_the_old_leave_precedes_the_new_join() {
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
fn an_old_leg_that_flex_does_not_close_after_a_rejoin_is_removed() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty(), "Flex may be about to close it");
    desk.fire(1, Timer::Leave);
    assert_eq!(desk.finish_all(), [remove(ADA_LEG)]);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert!(desk.take_actions().is_empty(), "we removed this leg ourselves");
}

/// The new join, the registration and the old leave arrive in any order.
#[test]
fn an_old_leg_that_flex_closes_needs_no_twilio_request_in_any_order() {
    for order in [["join", "leave", "register"], ["leave", "join", "register"], ["join", "register", "leave"]]
    {
        let mut desk = Desk::away();
        desk.hello_in_place(2);
        for report in order {
            match report {
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
fn an_old_leg_that_is_already_being_removed_is_removed_only_once() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, EPOCH);
    desk.hello_of(BO, 3, true, false, false); // no callback says so, and one timer serves both
    assert_eq!(desk.finish_all().iter().filter(|action| **action == remove(ADA_LEG)).count(), 1);
    assert!(desk.has_timer(Timer::Leave));
    desk.fire(1, Timer::Leave);
    assert!(!desk.finish_all().contains(&remove(ADA_LEG)));
}

#[test]
fn an_exit_flag_of_the_leg_that_rejoined_is_undone() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, true);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(
        desk.take_actions(),
        [Action::ClearExitFlag { conference: conference(1), leg: leg(NEXT_LEG) }]
    );
}

/// Ada asked for a transfer without a network. Their next page sends the mark, and joins in place.
#[test]
fn a_transfer_that_did_not_happen_leaves_the_agent_to_their_recovery() {
    let said = |epoch, number| Some(DeliveryId { epoch, number });
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.mark(ADA, said(EPOCH, 2), GracefulReason::ColdTransfer);
    assert_eq!((desk.stage(), desk.take_actions()), (Some(Stage::InPlace), vec![]));
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.register_again(ADA, NEXT_LEG, 2, said(2, 1));
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty());
    // Their next departure needs a mark of its own.
    desk.leave(1, NEXT_LEG, LeaveReason::HungUp);
    assert!(desk.has_timer(Timer::Grace));
    // The mark precedes the hello. Twilio may still take the leg away, and the page joins once it has not. Flex closes the old leg.
    let mut desk = Desk::away();
    desk.mark(ADA, said(EPOCH, 2), GracefulReason::ColdTransfer);
    desk.hello_in_place(2);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.register_again(ADA, NEXT_LEG, 2, said(2, 1));
    assert_eq!((desk.stage(), desk.take_actions()), (Some(Stage::Rejoined), vec![]));
    // Twilio hangs up the old leg, and no page joins.
    let mut desk = Desk::away();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    // The transfer is carried out after all.
    let mut desk = Desk::away();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert_eq!(desk.stage(), Some(Stage::Graceful));
}

#[test]
fn an_absence_is_announced_after_1500_ms_with_comfort_audio_until_the_hello() {
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
    assert!(desk.take_actions().is_empty(), "audio would play over the conversation");
}

/// The agent is back, and away again, while the words of the first time are played.
#[test]
fn the_end_of_the_words_of_an_earlier_absence_does_not_begin_comfort_audio() {
    let mut desk = Desk::announcing();
    desk.goodbye(ADA, EPOCH);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.finish_all(), [announce(Announcement::Interrupted)]);
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    desk.finish_all();
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    desk.goodbye(ADA, 2);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    assert!(desk.take_actions().is_empty(), "the words are due in a moment");
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.finish_all(), [announce(Announcement::Interrupted)]);
    desk.announcement_ends(1, recovery());
    assert!(desk.take_actions().is_empty(), "the second words are still to be heard");
    desk.announcement_ends(1, RecoveryId::of(&leg(NEXT_LEG)));
    assert_eq!(desk.take_actions(), [announce(Announcement::Comfort)]);
}

#[test]
fn an_announcement_whose_recovery_twilio_does_not_name_counts() {
    let mut desk = Desk::announcing();
    desk.goodbye(ADA, EPOCH);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.finish_all(), [announce(Announcement::Interrupted)]);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    assert_eq!(desk.take_actions(), [announce(Announcement::Comfort)]);
}

/// The words are requested, and nobody joins: the page that was about to is gone, too.
fn told_while_rejoining() -> (Desk, Action) {
    let mut desk = Desk::announcing();
    desk.goodbye(ADA, EPOCH);
    desk.hello_in_place(2);
    desk.fire(1, Timer::Announce);
    let words = desk.take_actions();
    assert_eq!(words, [announce(Announcement::Interrupted)]);
    desk.goodbye(ADA, 2);
    assert!(desk.take_actions().is_empty());
    (desk, words[0].clone())
}

/// Of two requests on their way the second one may arrive first, and an announcement waits for those before it.
#[test]
fn no_comfort_audio_overtakes_the_words() {
    let (mut desk, words) = told_while_rejoining();
    desk.fire(1, Timer::Announce);
    assert!(desk.take_actions().is_empty());
    desk.finish(words, Outcome::Ok);
    desk.fire(1, Timer::Announce);
    assert!(desk.take_actions().is_empty(), "the words are being played");
    desk.announcement_ends(1, recovery());
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [announce(Announcement::Comfort)]);
}

#[test]
fn words_that_twilio_refuses_are_not_waited_for() {
    let (mut desk, words) = told_while_rejoining();
    desk.finish(words, Outcome::Failed { reason: "no answer".into() });
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [announce(Announcement::Comfort)]);
}

#[test]
fn words_whose_end_is_not_reported_are_not_waited_for_forever() {
    let (mut desk, words) = told_while_rejoining();
    desk.finish(words, Outcome::Ok);
    let requested = desk.now;
    let comfort = loop {
        desk.fire(1, Timer::Announce);
        if let [action] = &desk.take_actions()[..] {
            break action.clone();
        }
    };
    assert_eq!(comfort, announce(Announcement::Comfort));
    let waited = requested.until(desk.now);
    assert!((Millis::seconds(20)..Millis::seconds(22)).contains(&waited), "{waited:?}");
}

/// The push channel of the page that has the call is cut, and the agent goes on talking.
#[test]
fn a_page_in_another_browser_does_not_prove_the_leg_dead() {
    for in_place in [false, true] {
        let config = Config { in_place, ..Config::default() };
        let mut desk = Desk::with(Machine::new(config, []));
        desk.begin();
        desk.hello_in_another_browser(2, in_place);
        assert_eq!(desk.stage(), None, "in place: {in_place}");
        assert!(desk.take_actions().is_empty(), "in place: {in_place}");
        // The next page in the same browser proves it.
        desk.hello_with(3, false, false, in_place);
        assert_eq!(desk.stage(), Some(if in_place { Stage::InPlace } else { Stage::Interrupted }));
    }
    // So does the goodbye of the page that had the call.
    let mut desk = Desk::away();
    desk.hello_in_another_browser(2, true);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
}

/// The older page is in another browser, and the server did not see it when the newest page said hello. The call that
/// the newest page's join makes ring is answered in the older one.
#[test]
fn a_hello_of_an_older_page_confirms_the_leg_that_it_registered() {
    let (newest, older) = (9, 5);
    let mut desk = Desk::away();
    desk.hello_in_place(newest);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, older);
    assert_eq!(
        desk.stage(),
        Some(Stage::InPlace),
        "the registration may be a late one of a page that is gone"
    );
    let hello = Hello { epoch: older, holdings: vec![], unavailable: false, accepts_ping: false };
    let worker = WorkerSid::numbered(ADA);
    desk.handle(Event::Hello { worker, hello, older_page_connected: false });
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    desk.hello_with(newest, false, false, false);
    assert!(!desk.take_actions().contains(&remove(NEXT_LEG)));
}

/// The newest page asks for a leg and is gone, and another browser answers.
#[test]
fn a_goodbye_of_the_page_that_asked_does_not_take_the_leg_from_the_browser_that_answered() {
    let (older, newest) = (5, 9);
    for is_first in [true, false] {
        let mut desk = Desk::away();
        desk.hello_in_another_browser(older, true);
        desk.hello_in_place(newest);
        if is_first {
            desk.goodbye(ADA, newest);
        }
        desk.join(1, NEXT_LEG, false);
        desk.register(1, ADA, NEXT_LEG, older);
        if !is_first {
            desk.goodbye(ADA, newest);
        }
        assert_eq!(desk.stage(), Some(Stage::Rejoined), "goodbye first: {is_first}");
        desk.finish_all();
        // The next page in the browser that asked.
        desk.hello_in_place(newest + 1);
        assert_eq!(desk.stage(), Some(Stage::Rejoined), "goodbye first: {is_first}");
        assert!(!desk.take_actions().contains(&remove(NEXT_LEG)), "goodbye first: {is_first}");
        // That of the page that answered does.
        desk.goodbye(ADA, older);
        assert_eq!(desk.stage(), Some(Stage::Interrupted), "goodbye first: {is_first}");
    }
}

/// While Twilio refuses everything, the call ends with the agent's leg, so clearing the flag is worth a long retry.
#[test]
fn clearing_the_exit_flag_is_retried_for_two_minutes() {
    let mut desk = Desk::talking();
    desk.modify(1, ADA_LEG, true, false);
    let keep = desk.effects.iter().find_map(|effect| match effect {
        Effect::Act { action: Action::ClearExitFlag { .. }, deadline, .. } => Some(*deadline),
        _ => None,
    });
    assert_eq!(keep, Some(desk.now + Millis::seconds(120)));
}

#[test]
fn a_held_customer_is_taken_off_hold_to_hear_of_an_absence() {
    let mut desk = Desk::announcing();
    desk.goodbye(ADA, EPOCH);
    desk.modify(1, CUSTOMER, true, true);
    desk.fire(1, Timer::Announce);
    let free =
        Action::ClearCustomerFlags { conference: conference(1), customer: leg(CUSTOMER), unhold: true };
    assert_eq!(desk.finish_all(), [free]);
    assert_eq!(desk.take_actions(), [announce(Announcement::Interrupted)]);
}

#[test]
fn a_page_that_never_returns_leads_to_any_agent_after_15_seconds() {
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
fn a_leg_lost_during_an_absence_sends_a_ping_within_the_same_wait() {
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
    assert_eq!(desk.now - gone, Millis::seconds(15), "the loss does not prolong the wait");
}

#[test]
fn a_leg_lost_right_after_the_goodbye_holds_the_customer_at_once() {
    let mut desk = Desk::away();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.take_actions().contains(&hold(false, false)));
    assert!(!desk.has_timer(Timer::Announce));
}

#[test]
fn a_leg_lost_during_a_rejoin_leads_to_a_requeue_for_the_agent() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    assert_eq!(desk.take_actions(), [requeue(Some(ADA))]);
}

#[test]
fn a_page_that_cannot_join_in_place_gets_the_customer_through_the_queue() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.hello(2, false, false);
    let actions = desk.finish_all();
    assert_eq!(actions[0], remove(ADA_LEG));
    assert_eq!(desk.take_actions(), [requeue(Some(ADA))]);
}

/// The page's leg still joins, and nobody is at it.
#[test]
fn a_page_that_goes_during_a_rejoin_leaves_the_customer_on_our_hold() {
    for announced in [false, true] {
        for (joins_first, registers_late) in [(false, false), (true, false), (true, true)] {
            let mut desk = Desk::away();
            if announced {
                desk.fire(1, Timer::Announce);
                assert_eq!(desk.finish_all(), [hold(false, false)]);
            }
            desk.hello_in_place(2);
            if joins_first {
                desk.join(1, NEXT_LEG, false);
            }
            let ends: Vec<_> = desk.take_actions();
            assert_eq!(ends.len(), usize::from(announced && joins_first), "{ends:?}");
            desk.goodbye(ADA, 2);
            if !joins_first {
                desk.join(1, NEXT_LEG, false);
            }
            if registers_late {
                // The customer cannot be held again while the hold is being ended.
                desk.fire(1, Timer::Announce);
                assert_eq!(desk.take_actions().contains(&hold(false, false)), !announced);
                desk.register(1, ADA, NEXT_LEG, 2);
            }
            for end in ends {
                desk.finish(end, Outcome::Ok);
            }
            let mut actions = desk.take_actions();
            if registers_late && !announced {
                assert_eq!(actions, []);
                continue;
            }
            if actions.is_empty() && desk.has_timer(Timer::Announce) {
                desk.fire(1, Timer::Announce);
                actions = desk.take_actions();
            }
            let stays_on_hold = announced && !joins_first;
            let again = if stays_on_hold { vec![] } else { vec![hold(false, announced)] };
            assert_eq!(actions, again, "{announced} {joins_first} {registers_late}");
        }
    }
}

/// The agent was back by a leg that their page had no time to register. The customer, who has talked to them, hears the words
/// again, but not if the agent was there for a moment.
#[test]
fn a_customer_who_has_talked_since_the_announcement_is_told_again() {
    for (after, told) in [(Millis(3_900), true), (Millis(4_000), false)] {
        let mut desk = Desk::away();
        desk.fire(1, Timer::Announce);
        assert_eq!(desk.finish_all(), [hold(false, false)]);
        desk.hello_in_place(2);
        let said = desk.now;
        desk.join(1, NEXT_LEG, false);
        desk.finish_all();
        desk.now = said + after;
        desk.goodbye(ADA, 2);
        desk.fire(1, Timer::Announce);
        assert_eq!(desk.take_actions(), [hold(false, told)], "{after:?}");
    }
}

/// The announcement is over after a while, and the agent has not joined.
#[test]
fn comfort_audio_resumes_when_a_rejoin_takes_long() {
    let mut desk = Desk::announcing();
    desk.goodbye(ADA, EPOCH);
    desk.fire(1, Timer::Announce);
    desk.finish_all();
    desk.hello_in_place(2);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    assert!(desk.take_actions().is_empty(), "the agent may be there in a moment");
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [announce(Announcement::Comfort)]);
    // The agent has joined.
    desk.hello_in_place(3);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    desk.join(1, NEXT_LEG, false);
    desk.fire(1, Timer::Announce);
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_rejoin_in_place_that_takes_8_seconds_leads_to_a_requeue() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    let began = desk.now;
    desk.fire(1, Timer::Rejoin);
    assert_eq!(desk.now - began, Millis::seconds(8));
    assert_eq!(desk.finish_all()[0], remove(ADA_LEG));
    assert_eq!(desk.take_actions(), [requeue(Some(ADA))]);
}

/// Refreshed again and again: the page that comes just before the end of the wait may join, those after it may not.
#[test]
fn a_page_that_is_back_just_before_the_wait_ends_has_three_seconds_to_join() {
    let mut desk = Desk::away();
    let lost = desk.now;
    desk.now = lost + Millis::seconds(10);
    desk.hello_in_place(2);
    desk.now = lost + Millis(14_600);
    desk.hello_in_place(3);
    let began = desk.now;
    let mut late = desk.clone();
    desk.fire(1, Timer::Rejoin);
    assert_eq!(desk.now - began, Millis::seconds(3));
    assert_eq!(desk.finish_all()[0], remove(ADA_LEG));
    assert_eq!(desk.take_actions(), [requeue(Some(ADA))]);

    late.now = lost + Millis(15_100);
    late.hello_in_place(4);
    let began = late.now;
    late.fire(1, Timer::Rejoin);
    assert_eq!(late.now, began, "the limit holds");
}

/// The page before crashed in the instant in which it was back. Found by the simulation, seed 5285538: the customer was sent on as the
/// next page joined.
#[test]
fn a_page_that_is_back_while_a_registration_is_awaited_has_three_seconds_to_join() {
    let mut desk = Desk::away();
    let lost = desk.now;
    desk.now = lost + Millis::seconds(4);
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.fire(1, Timer::Rejoin);
    assert_eq!(desk.now, lost + Millis::seconds(12));
    desk.take_actions();
    desk.now = lost + Millis::seconds(17);
    desk.hello_in_place(3);
    let mut slow = desk.clone();
    desk.now = desk.now + Millis(2_900);
    desk.join(1, 0xa3, false);
    desk.register(1, ADA, 0xa3, 3);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));

    slow.fire(1, Timer::Rejoin);
    assert_eq!(slow.now, lost + Millis::seconds(20));
    assert!(slow.finish_all().contains(&remove(ADA_LEG)));
}

#[test]
fn a_customer_is_not_requeued_from_an_agent_whose_registration_is_late() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let began = desk.now;
    // The page waits 10 s for the answer to an older registration that was lost.
    while desk.now - began < Millis::seconds(10) {
        desk.fire(1, Timer::Rejoin);
        assert_eq!(desk.take_actions(), []);
    }
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(!desk.has_timer(Timer::Rejoin) && desk.take_actions().is_empty());
}

#[test]
fn a_customer_is_not_requeued_from_a_colleague_who_registers_late() {
    let mut desk = Desk::away();
    desk.join(1, 0xb1, false);
    desk.fire(1, Timer::Announce);
    desk.finish_all();
    desk.fire(1, Timer::Ping);
    assert_eq!(desk.take_actions(), []);
    desk.register(1, BO, 0xb1, 9);
    assert!(!desk.finish_all().iter().any(is_requeue));
}

/// Twilio was slow with the preparations, and the agent is back meanwhile.
#[test]
fn a_customer_is_not_requeued_from_a_colleague_who_joined_unregistered() {
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
fn an_unidentified_leg_delays_the_requeue_for_seconds_while_it_stays() {
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
    // The agent's newest page has gone again.
    let mut desk = joined();
    desk.goodbye(ADA, 2);
    desk.fire(1, Timer::Rejoin);
    assert!(desk.take_actions().contains(&hold(false, false)), "nobody is at the leg that joined");
    let mut desk = joined();
    desk.fire(1, Timer::Rejoin);
    let began = desk.now;
    desk.leave(1, NEXT_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Rejoin);
    let actions = desk.take_actions();
    assert!(actions.contains(&hold(false, false)), "{actions:?}");
    assert!(desk.now - began <= Millis::seconds(2));
}

/// The page is reloaded before it has registered the leg by which it joined.
#[test]
fn a_leg_that_joined_and_left_unregistered_does_not_delay_the_recovery() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert!(!desk.has_timer(Timer::Grace), "the leg that joined may be the agent's");
    desk.leave(1, NEXT_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert!(desk.take_actions().iter().any(|action| matches!(action, Action::HoldCustomer { .. })));
}

/// The page has closed the old leg, as it does once it has joined, and cannot register: Flex's token has expired.
#[test]
fn a_leg_that_replaced_the_agents_has_a_minute_to_register() {
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
    assert!(matches!(asked[..], [Action::PollConference { .. }]), "{asked:?}");
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
    assert!(desk.take_actions().contains(&hold(false, false)), "the leg is gone again");
}

#[test]
fn a_muted_leg_is_not_taken_for_the_returning_agent() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    let flags = ParticipantFlags { muted: true, ..ParticipantFlags::default() };
    desk.callback(1, ConferenceEventKind::Join { leg: leg(NEXT_LEG), flags });
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Rejoin);
    assert_ne!(desk.stage(), Some(Stage::InPlace));
}

#[test]
fn a_crash_without_a_goodbye_rejoins_in_place() {
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
fn two_refreshes_in_a_row_both_rejoin_in_place() {
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

/// The reservation wraps up since the old leg left, which says nothing about the new one.
#[test]
fn a_page_in_another_browser_of_an_agent_back_in_place_loses_nobody() {
    let mut desk = Desk::away();
    back_in_place(&mut desk);
    desk.hello(3, true, true);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.timers.is_empty() && desk.take_actions().is_empty(), "{:?}", desk.timers);
}

/// The same, but the page with the call has crashed: Flex offers no join for a reservation that wraps up.
#[test]
fn an_agent_back_in_place_who_crashes_gets_the_customer_through_the_queue() {
    let mut desk = Desk::away();
    back_in_place(&mut desk);
    desk.hello(3, true, false);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    assert_eq!(desk.take_actions()[0], remove(NEXT_LEG));
}

#[test]
fn repeated_reloads_do_not_prolong_the_wait_beyond_15_seconds() {
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
fn a_late_rejoin_ends_the_recovery_while_the_customer_is_still_there() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.fire(1, Timer::Rejoin);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(!desk.finish_all().iter().any(is_requeue));
}

/// The agent is back by a leg that no callback has reported and no poll has shown.
fn back_by_unreported_leg() -> Desk {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    let (worker, registration) = (WorkerSid::numbered(ADA), registration_of(1, ADA, NEXT_LEG, 2));
    desk.handle(Event::Registered { worker, registration });
    desk.take_actions(); // the poll among them is not answered
    desk
}

#[test]
fn an_agent_back_by_an_unreported_leg_who_hangs_up_ends_the_recovery() {
    for stage in [Stage::InPlace, Stage::Interrupted, Stage::Requeueing] {
        for customer_first in [false, true] {
            let mut desk = back_by_unreported_leg();
            if stage != Stage::InPlace {
                desk.fire(1, Timer::Grace);
            }
            if stage == Stage::Requeueing {
                desk.finish_all();
            }
            assert_eq!(desk.stage(), Some(stage.clone()));
            desk.graceful(GracefulReason::HangUp);
            let mut twilio = back_by_unreported_leg();
            let agent = twilio.leave(1, NEXT_LEG, LeaveReason::HungUp);
            let customer = twilio.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
            let reports = if customer_first { [customer, agent] } else { [agent, customer] };
            reports.into_iter().for_each(|event| desk.handle(event));
            assert_eq!(desk.stage(), Some(Stage::Graceful), "{stage:?}, customer first: {customer_first}");
            let wanted = |action: &Action| is_requeue(action) && desk.machine.wants(&conference(1), action);
            assert!(!desk.actions.iter().any(wanted), "{stage:?}: {:?}", desk.actions);
            assert_eq!(desk.machine.answer_to_action_url(desk.now, &leg(CUSTOMER)), Next::Over);
        }
    }
}

#[test]
fn a_colleague_who_was_there_unreported_and_hangs_up_does_not_end_the_recovery() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.register(1, BO, 0xb1, 3);
    assert_eq!(desk.stage(), Some(Stage::InPlace), "Ada is awaited");
}

/// No callback reports the leg's join, and the old one is gone: the requeue begins before the agent transfers the customer.
#[test]
fn an_agent_back_by_an_unreported_leg_who_transfers_keeps_the_customer_from_the_queue() {
    for stage in [Stage::Interrupted, Stage::Requeueing] {
        let mut desk = back_by_unreported_leg();
        desk.fire(1, Timer::Grace);
        if stage == Stage::Requeueing {
            desk.finish_all();
        }
        assert_eq!(desk.stage(), Some(stage.clone()));
        desk.graceful(GracefulReason::ColdTransfer);
        desk.leave(1, NEXT_LEG, LeaveReason::UpdatedViaApi);
        assert_eq!(desk.stage(), Some(Stage::Graceful), "{stage:?}");
        let wanted = |action: &Action| is_requeue(action) && desk.machine.wants(&conference(1), action);
        assert!(!desk.actions.iter().any(wanted), "{stage:?}: {:?}", desk.actions);
        assert!(desk.machine.call(&conference(1)).is_some(), "the transfer is watched");
    }
}

/// Twilio takes that leg away, and not the one before, which the agent's next page has left standing.
#[test]
fn an_agent_back_by_an_unreported_leg_who_transfers_ends_the_recovery() {
    let said = |number| Some(DeliveryId { epoch: 2, number });
    for mark_first in [true, false] {
        let mut desk = Desk::away();
        desk.hello_in_place(2);
        let registration = Registration { id: said(1), ..registration_of(1, ADA, NEXT_LEG, 2) };
        desk.handle(Event::Registered { worker: WorkerSid::numbered(ADA), registration });
        if mark_first {
            desk.mark(ADA, said(2), GracefulReason::ColdTransfer);
            assert_eq!(desk.stage(), Some(Stage::InPlace));
        }
        desk.leave(1, NEXT_LEG, LeaveReason::UpdatedViaApi);
        if !mark_first {
            desk.mark(ADA, said(2), GracefulReason::ColdTransfer);
        }
        assert_eq!(desk.stage(), Some(Stage::Graceful), "mark first: {mark_first}");
        assert!(desk.take_actions().contains(&remove(ADA_LEG)));
    }
}

/// The mark of the page that is gone arrives late: no recovery is needed, although Twilio keeps the leg.
#[test]
fn an_agent_away_who_had_hung_up_is_not_awaited() {
    let mut desk = Desk::away();
    desk.graceful(GracefulReason::HangUp);
    assert_eq!(desk.stage(), Some(Stage::Graceful));
    assert_eq!(desk.take_actions(), [remove(ADA_LEG)]);
}

/// Unlike after a transfer, Twilio will not take the leg away.
#[test]
fn a_leg_that_outlives_a_marked_hang_up_is_removed_at_the_next_hello() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.hello_in_place(2);
    assert_eq!(desk.stage(), Some(Stage::Graceful));
    assert_eq!(desk.take_actions(), [remove(ADA_LEG)]);
}

/// The conference has ended under the customer, and something has brought them back into it while the agent is awaited. The
/// goodbye arrives twice.
#[test]
fn an_agent_whom_the_customer_misses_is_not_absent_a_second_time() {
    let mut desk = Desk::away();
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
    desk.fire(1, Timer::Ping);
    desk.join(1, CUSTOMER, true);
    desk.goodbye(ADA, EPOCH);
    desk.hello_in_place(2);
    assert!(!desk.has_timer(Timer::Covered), "no second absence has a deadline");
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
}

#[test]
fn a_hang_up_ends_the_recovery_when_the_customers_leave_arrives_first() {
    let mut desk = back_by_unreported_leg();
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

/// A leg that is not the awaited agent's by a newer page leaves on purpose, unreported until then.
#[test]
fn a_hang_up_by_another_leg_does_not_end_the_recovery() {
    let legs = [
        ("another agent's", BO, 9, None),
        ("of the page that was lost", ADA, EPOCH, None),
        ("of a page whose next one has come", ADA, 2, Some(3)),
    ];
    for (whose, worker, epoch, newer) in legs {
        let mut desk = Desk::away();
        desk.hello_in_place(2);
        if let Some(newer) = newer {
            desk.hello_in_place(newer);
        }
        desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
        let registration = registration_of(1, worker, NEXT_LEG, epoch);
        desk.handle(Event::Registered { worker: WorkerSid::numbered(worker), registration });
        desk.fire(1, Timer::Grace);
        assert_eq!(desk.stage(), Some(Stage::Interrupted), "{whose}");
        desk.graceful_of(worker, GracefulReason::HangUp);
        desk.leave(1, NEXT_LEG, LeaveReason::HungUp);
        assert_eq!(desk.stage(), Some(Stage::Interrupted), "{whose}");
    }
}

#[test]
fn a_requeue_is_checked_first_while_a_registered_leg_is_unreported() {
    let mut desk = back_by_unreported_leg();
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    let call = desk.machine.call(&conference(1)).expect("the call");
    assert!(call.check_before_requeue(None).holders, "Twilio is asked first who is with the customer");
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    assert!(
        !desk.machine.call(&conference(1)).expect("the call").check_before_requeue(None).holders,
        "no page has registered"
    );
}

#[test]
fn a_requeue_goes_on_when_the_agent_hangs_up_by_an_unreported_leg() {
    let mut desk = back_by_unreported_leg();
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    assert_eq!(desk.finish_all(), [requeue(Some(ADA))]);
    desk.graceful(GracefulReason::HangUp);
    desk.leave(1, NEXT_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
}

#[test]
fn a_leg_that_rejoins_after_the_requeue_is_removed_once_the_customer_left() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.fire(1, Timer::Rejoin);
    desk.finish_all();
    assert_eq!(desk.finish_all(), [requeue(Some(ADA))]);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert!(
        !desk.take_actions().contains(&remove(NEXT_LEG)),
        "not while the customer is still in the conference"
    );
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    assert_eq!(desk.take_actions(), [remove(NEXT_LEG)]);
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
}

#[test]
fn a_goodbye_beside_a_colleague_is_not_announced() {
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, 9);
    desk.goodbye(ADA, EPOCH);
    assert!(!desk.has_timer(Timer::Announce) && desk.take_actions().is_empty());
}

#[test]
fn a_goodbye_of_another_worker_or_an_older_page_starts_no_absence() {
    for (worker, epoch) in [(BO, EPOCH), (ADA, 0)] {
        let mut desk = Desk::talking();
        desk.goodbye(worker, epoch);
        assert!(desk.stage().is_none(), "{worker:x} {epoch}");
    }
}

#[test]
fn a_goodbye_that_overtakes_its_own_registration_counts_once() {
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
    // The goodbye was an older page's.
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
fn a_goodbye_beside_a_sign_out_mark_starts_no_recovery() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::SignOut);
    desk.goodbye(ADA, EPOCH);
    assert!(desk.stage().is_none());
    let mut desk = Desk::away();
    desk.graceful(GracefulReason::SignOut);
    assert_eq!(desk.stage(), Some(Stage::Graceful));
}

#[test]
fn a_customer_who_hangs_up_during_an_absence_ends_the_recovery() {
    let mut desk = Desk::away();
    desk.leave(1, CUSTOMER, LeaveReason::HungUp);
    assert_eq!(desk.stage(), Some(Stage::CustomerLeft));
    assert_eq!(desk.take_actions(), [remove(ADA_LEG)], "the agent's leg is not left standing");
}

#[test]
fn with_in_place_off_a_goodbye_is_ignored_and_the_old_leg_removed() {
    let mut desk = Desk::with(Machine::new(Config { in_place: false, ..Config::default() }, []));
    desk.join(1, CUSTOMER, true);
    desk.join(1, ADA_LEG, false);
    desk.register(1, ADA, ADA_LEG, EPOCH);
    desk.goodbye(ADA, EPOCH);
    assert!(desk.stage().is_none());
    desk.hello_in_place(2);
    assert_eq!(desk.take_actions()[0], remove(ADA_LEG));
}

/// The page is reloaded before it has registered, and finds the leg standing.
#[test]
fn with_in_place_off_a_leg_looked_up_after_the_next_hello_is_removed() {
    for (in_place, older_page, gone) in [(false, false, true), (false, true, false), (true, false, false)] {
        let mut desk = Desk::with(Machine::new(Config { in_place, ..Config::default() }, []));
        desk.join(1, CUSTOMER, true);
        desk.join(1, ADA_LEG, false);
        desk.hello_with(2, false, older_page, true);
        let [learn @ Action::LookUpTask { .. }] = &desk.take_actions()[..] else {
            panic!("expected a look-up")
        };
        desk.finish(learn.clone(), crate::late_events::look_up_answer());
        assert_eq!(desk.take_actions().contains(&remove(ADA_LEG)), gone, "{in_place} {older_page}");
    }
}

/// The page crashes in the instant in which it accepts the call, and another tab says hello before the call is known.
#[test]
fn an_agent_back_before_the_look_up_joins_in_place_if_the_page_can() {
    for (older_page, can_join, stage) in [
        (false, true, Some(Stage::InPlace)),
        (true, true, None),
        // The page cannot join: the leg is removed.
        (false, false, Some(Stage::Interrupted)),
    ] {
        let mut desk = Desk::new();
        desk.join(1, CUSTOMER, true);
        desk.join(1, ADA_LEG, false);
        desk.hello_with(2, false, older_page, can_join);
        let [learn @ Action::LookUpTask { .. }] = &desk.take_actions()[..] else {
            panic!("expected a look-up")
        };
        desk.finish(learn.clone(), crate::late_events::look_up_answer());
        assert_eq!(desk.stage(), stage, "{older_page} {can_join}");
    }
}

/// The page accepts the call and crashes before its registration has arrived. The next page says hello, and then delivers that
/// registration: the leg in it is the one that the hello found without a page.
#[test]
fn a_registration_that_the_next_page_delivers_after_its_hello_does_not_bring_the_agent_back() {
    for (in_place, older_page, stage) in [
        (true, false, Some(Stage::InPlace)),
        // The leg is removed.
        (false, false, Some(Stage::Interrupted)),
        // The older page may have the call.
        (true, true, None),
        (false, true, None),
    ] {
        let mut desk = Desk::with(Machine::new(Config { in_place, ..config() }, []));
        desk.join(1, CUSTOMER, true);
        desk.join(1, ADA_LEG, false);
        desk.hello_with(EPOCH + 1, false, older_page, true);
        desk.register(1, ADA, ADA_LEG, EPOCH);
        assert_eq!(desk.stage(), stage, "in place: {in_place}, older page connected: {older_page}");
    }
}

/// The agent has two browsers. The newest page joins in place, and the call is answered in the other browser.
#[test]
fn a_page_whose_join_rang_in_another_browser_does_not_prove_it_dead() {
    let mut desk = Desk::away();
    desk.hello_of(ADA, 3, false, true, true);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    desk.finish_all();
    // Both machines have slept, and the newest page is back first.
    desk.hello_with(3, false, false, false);
    assert!(desk.take_actions().is_empty());
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    // A page that loads after it finds no other page connected.
    desk.hello_with(4, false, false, false);
    assert!(desk.take_actions().contains(&remove(NEXT_LEG)));
}

/// A page of another browser joined in place, and its push channel is cut. The next page may be of the first browser, so that it says
/// nothing about the leg. Found by the simulation, seed 10037780 of `tabs`: the leg was removed while the agent talked.
#[test]
fn a_page_of_the_first_browser_does_not_prove_the_leg_of_the_other_one_dead() {
    for in_place in [false, true] {
        let mut desk = Desk::away();
        desk.hello_in_another_browser(2, true);
        desk.join(1, NEXT_LEG, false);
        desk.register(1, ADA, NEXT_LEG, 2);
        desk.finish_all();
        desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
        assert_eq!(desk.stage(), Some(Stage::Rejoined));
        desk.take_actions();
        desk.hello_with(3, false, false, in_place);
        assert_eq!((desk.stage(), desk.take_actions()), (Some(Stage::Rejoined), vec![]), "{in_place}");
        // Its goodbye says that the page is gone.
        desk.goodbye(ADA, 2);
        desk.hello_with(4, false, false, true);
        assert_eq!(desk.stage(), Some(Stage::InPlace));
    }
}

#[test]
fn a_restart_during_a_rejoin_in_place_changes_nothing() {
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
fn an_exit_flag_of_an_unregistered_rejoining_leg_is_undone() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.modify(1, NEXT_LEG, true, false);
    // The agent may refresh again before the page registers: the leg must leave without the conference ending.
    assert_eq!(
        desk.take_actions(),
        [Action::ClearExitFlag { conference: conference(1), leg: leg(NEXT_LEG) }]
    );
}

#[test]
fn a_call_that_was_rejoined_in_place_ends_normally() {
    let mut desk = Desk::away();
    back_in_place(&mut desk);
    desk.leave(1, CUSTOMER, LeaveReason::HungUp);
    desk.end(1);
    assert!(desk.effects.iter().any(|e| matches!(e, Effect::Note { note: Note::CallEnded, .. })));
}

/// The second page was gone before its registration got through, and the third page delivers it.
#[test]
fn a_late_registration_of_a_gone_page_does_not_end_the_recovery() {
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
        desk.fire(1, Timer::Leave); // Flex has not closed the first leg
        assert_eq!(desk.finish_all(), [remove(ADA_LEG)], "{says_goodbye}");
        desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
        desk.leave(1, NEXT_LEG, LeaveReason::UpdatedViaApi);
        assert!(desk.take_actions().is_empty(), "{says_goodbye}");
        // The newest leg can be lost in turn.
        desk.leave(1, 0xa3, LeaveReason::HungUp);
        assert!(desk.has_timer(Timer::Grace), "{says_goodbye}");
    }
}

/// As above, with the customer held already.
#[test]
fn a_late_registration_of_a_gone_page_does_not_stop_the_requeue() {
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
fn a_page_that_registers_twice_after_its_goodbye_is_back() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.goodbye(ADA, 2);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
}

/// Ada has a page in another browser, which is not the page that said goodbye. When Ada's newest page joins in place,
/// the call rings in the other browser. `before`: the leg joined before the newest page said hello.
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
fn a_leg_answered_in_another_browser_after_the_hello_counts_as_back() {
    let mut desk = rings_in_the_other_browser(false);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    desk.hello_with(9, false, false, true);
    assert!(!desk.take_actions().contains(&remove(NEXT_LEG)), "the agent is at the leg");
}

#[test]
fn a_leg_that_stood_before_the_newest_hello_does_not_count_as_back() {
    let desk = rings_in_the_other_browser(true);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
}

/// Bo is on the call, too. Both browsers of Ada asked for a leg, and the phone of the one that said hello first answers both: the
/// second leg takes the place of the first.
#[test]
fn a_second_leg_that_the_other_browser_answers_counts_as_back() {
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, EPOCH);
    desk.hello_in_another_browser(5, true);
    desk.hello_in_place(9);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 5);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.leave(1, NEXT_LEG, LeaveReason::HungUp);
    desk.join(1, 0xa3, false);
    desk.register(1, ADA, 0xa3, 5);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(!desk.has_timer(Timer::Covered), "{:?}", desk.timers);
}

/// The same, and that page's registration arrives when the time for joining in place is over.
#[test]
fn a_leg_that_the_other_browser_answered_and_registers_late_is_not_removed() {
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, EPOCH);
    desk.hello_in_place(9);
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.hello(9, false, false); // its phone did not ring
    desk.hello_in_another_browser(5, true);
    desk.fire(1, Timer::Covered);
    desk.take_actions();
    desk.register(1, ADA, NEXT_LEG, 5);
    assert!(!desk.take_actions().contains(&remove(NEXT_LEG)));
}
