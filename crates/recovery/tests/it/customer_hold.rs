//! A customer who is alone is told on hold, and off hold at once when the agent is back.

use crate::desk::*;
use rejoin_protocol::Millis;
use rejoin_protocol::api::{GracefulReason, Stage};
use rejoin_recovery::{
    Action, Announcement, ConferenceEventKind, Effect, Event, LeaveReason, Outcome, ParticipantFlags, Seen,
    Timer,
};

const THIRD: u128 = 0x3d;

fn announce(what: Announcement) -> Action {
    Action::Announce { conference: conference(1), what }
}

/// Ada's page is gone, her leg stands, and the customer is told on hold.
fn told() -> Desk {
    let mut desk = Desk::away();
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.finish_all(), [hold(false, false)]);
    desk.modify(1, CUSTOMER, true, true);
    desk
}

#[test]
fn the_hold_ends_when_the_agents_new_leg_is_there() {
    let mut desk = told();
    desk.hello_in_place(2);
    assert!(desk.take_actions().is_empty(), "she is not there yet");
    desk.join(1, NEXT_LEG, false);
    assert_eq!(desk.finish_all(), [end_hold()], "her page has not even registered");
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty(), "once");
}

#[test]
fn a_leg_whose_page_is_gone_before_it_comes_does_not_end_the_hold() {
    let mut desk = told();
    desk.hello_in_place(2);
    desk.goodbye(ADA, 2);
    desk.join(1, THIRD, false);
    assert!(desk.take_actions().is_empty(), "nobody is at it");
    desk.hello_in_place(3);
    assert!(desk.take_actions().is_empty(), "nor is the page that comes now");
    desk.join(1, NEXT_LEG, false);
    assert_eq!(desk.finish_all(), [end_hold()]);
    desk.register(1, ADA, NEXT_LEG, 3);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
}

#[test]
fn what_the_customer_hears_waits_for_the_task_unless_the_agent_is_back() {
    let mut desk = Desk::away();
    let is_awaited = |desk: &Desk| desk.machine.call(&conference(1)).unwrap().is_task_awaited();
    desk.fire(1, Timer::Announce);
    assert!(!is_awaited(&desk), "nobody reads it while she may be back in place");
    desk.fire(1, Timer::Ping);
    assert!(is_awaited(&desk));
    desk.hello(2, true, false);
    assert!(!is_awaited(&desk), "he is sent on when it is read, and is to be told before");
    let mut desk = Desk::away();
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    assert!(!is_awaited(&desk), "it is read");
}

#[test]
fn an_agent_who_is_about_to_talk_is_not_talked_over() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.fire(1, Timer::Announce);
    assert!(desk.take_actions().is_empty());
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
}

#[test]
fn a_leg_that_is_not_the_agents_leaves_the_customer_to_be_told_with_the_second_rung() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, THIRD, false);
    desk.fire(1, Timer::Announce);
    assert!(desk.take_actions().is_empty());
    while desk.stage() == Some(Stage::InPlace) {
        desk.fire(1, Timer::Rejoin);
    }
    assert!(desk.take_actions().contains(&announce(Announcement::Interrupted)));
}

#[test]
fn a_customer_who_is_moved_needs_nothing_to_be_ended() {
    let mut desk = told();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let actions = desk.finish_all();
    assert!(
        !actions.iter().any(|a| matches!(a, Action::HoldCustomer { .. } | Action::FreeCustomer { .. })),
        "he hears us already, and nobody else is there: {actions:?}"
    );
    desk.hello(2, true, false);
    assert_eq!(desk.finish_all(), [requeue(Some(ADA)), end_ping()]);
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.end(1);
    desk.entered_queue();
    assert_eq!(desk.finish_all(), [complete_old()]);
    assert_eq!(desk.machine.call(&conference(1)).expect("known").our_hold, None);
}

#[test]
fn a_recovery_of_two_through_the_queue_takes_six_requests() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    let mut asked = desk.finish_all();
    desk.hello(2, true, false);
    asked.extend(desk.finish_all());
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.entered_queue();
    asked.extend(desk.finish_all());
    desk.join(2, CUSTOMER, true);
    desk.join(2, NEXT_LEG, false);
    desk.register(2, ADA, NEXT_LEG, 2);
    asked.extend(desk.take_actions());
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    // One request each, and the task is read before it is marked: seven in all.
    assert_eq!(desk.reads, 1);
    let [told, Action::MarkTask { .. }, Action::CreatePing { .. }, sent, end, freed] = asked.as_slice()
    else {
        panic!("{asked:?}")
    };
    assert_eq!((told, sent), (&hold(false, false), &requeue(Some(ADA))));
    assert_eq!((end, freed), (&end_ping(), &complete_old()));
}

#[test]
fn somebody_who_comes_later_is_not_hung_up_on_when_the_customer_is_moved() {
    let mut desk = told();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.finish_all();
    desk.join(1, THIRD, false);
    assert!(desk.take_actions().is_empty(), "the customer hears us all the same");
    while desk.stage() == Some(Stage::Interrupted) {
        desk.fire(1, Timer::Ping);
    }
    let Some(Action::Requeue { free, .. }) = desk.take_actions().first().cloned() else {
        panic!("a requeue")
    };
    assert!(free);
}

#[test]
fn with_somebody_else_there_the_customer_is_told_by_an_announcement() {
    let mut desk = Desk::talking();
    desk.join(1, THIRD, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    let actions = desk.take_actions();
    assert!(actions.contains(&announce(Announcement::Interrupted)), "{actions:?}");
    assert!(!actions.iter().any(|a| matches!(a, Action::HoldCustomer { .. })), "{actions:?}");
}

#[test]
fn a_hold_that_comes_too_late_is_ended() {
    let mut desk = Desk::away();
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [hold(false, false)]);
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(!desk.take_actions().contains(&end_hold()), "what is not there cannot be ended");
    assert!(!desk.machine.wants(&conference(1), &hold(false, false)), "and should not come any more");
    desk.finish(hold(false, false), Outcome::Ok);
    assert_eq!(desk.take_actions(), [end_hold()], "it has come all the same");
    assert!(desk.machine.wants(&conference(1), &end_hold()));
    desk.finish(end_hold(), Outcome::Ok);
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_hold_that_was_not_needed_any_more_is_nothing() {
    let mut desk = Desk::away();
    desk.fire(1, Timer::Announce);
    desk.take_actions();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.take_actions();
    desk.finish(hold(false, false), Outcome::Overtaken);
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_hold_that_is_refused_leads_to_an_announcement_and_is_ended_to_be_sure() {
    let mut desk = Desk::away();
    desk.fire(1, Timer::Announce);
    desk.take_actions();
    desk.finish(hold(false, false), Outcome::Failed { reason: "no answer".into() });
    assert_eq!(desk.finish_all(), [announce(Announcement::Interrupted)]);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    assert_eq!(desk.finish_all(), [announce(Announcement::Comfort)]);
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    assert_eq!(desk.finish_all(), [end_hold()]);
}

#[test]
fn whoever_is_not_back_in_place_after_all_leaves_the_customer_with_comfort_audio() {
    let mut desk = told();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    assert_eq!(desk.finish_all(), [end_hold()]);
    desk.leave(1, NEXT_LEG, LeaveReason::HungUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert!(desk.take_actions().contains(&hold(false, true)), "he was told");
}

#[test]
fn a_leave_that_was_on_purpose_after_all_ends_the_hold() {
    let mut desk = told();
    desk.graceful(GracefulReason::WarmTransfer);
    assert!(desk.take_actions().contains(&end_hold()));
    assert_eq!(desk.stage(), Some(Stage::Graceful));
}

#[test]
fn a_restart_does_not_forget_the_hold() {
    let mut desk = told();
    desk.restart();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    assert_eq!(desk.take_actions(), [end_hold()]);
}

#[test]
fn a_customer_who_hangs_up_on_hold_needs_nothing() {
    let mut desk = told();
    desk.leave(1, CUSTOMER, LeaveReason::HungUp);
    assert!(!desk.take_actions().contains(&end_hold()));
    assert_eq!(desk.stage(), Some(Stage::CustomerLeft));
    assert!(desk.effects.iter().any(|effect| matches!(effect, Effect::Note { .. })));
}

/// Twilio has not said that it has put him on hold, but has told of it, and the agent was back before it was asked again.
#[test]
fn a_hold_that_is_told_is_ended_though_it_was_overtaken() {
    for told in [true, false] {
        let mut desk = Desk::away();
        desk.fire(1, Timer::Announce);
        assert_eq!(desk.take_actions(), [hold(false, false)]);
        desk.hello_in_place(2);
        desk.join(1, NEXT_LEG, false);
        desk.register(1, ADA, NEXT_LEG, 2);
        if told {
            desk.modify(1, CUSTOMER, true, true);
        }
        desk.take_actions();
        desk.finish(hold(false, false), Outcome::Overtaken);
        assert_eq!(desk.take_actions().contains(&end_hold()), told);
    }
}

/// Twilio was out of order for longer than it is asked.
#[test]
fn a_hold_that_could_not_be_ended_is_ended_when_twilio_answers_again() {
    let refused = || {
        let mut desk = told();
        desk.hello_in_place(2);
        desk.join(1, NEXT_LEG, false);
        desk.register(1, ADA, NEXT_LEG, 2);
        desk.take_actions();
        let began = desk.now;
        desk.finish(end_hold(), Outcome::Failed { reason: "out of order".into() });
        assert_eq!(desk.take_actions(), [], "not at once");
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.take_actions();
        (desk, began)
    };
    let looks = |(desk, began): &mut (Desk, Millis), held: bool| {
        let look = loop {
            desk.now = desk.now.max(desk.watch[&conference(1)]);
            desk.handle(Event::Timer { conference: conference(1), timer: Timer::Watch });
            if let Some(look) = desk.take_actions().pop() {
                break look;
            }
        };
        assert!(desk.now - *began < Millis::seconds(30), "the agent is there, and he does not hear her");
        let flags = |hold| ParticipantFlags { hold, ..ParticipantFlags::default() };
        let participants = [(leg(CUSTOMER), flags(held)), (leg(NEXT_LEG), flags(false))].into();
        let seen = Seen { participants, on_line: Some(true), ..Seen::default() };
        desk.finish(look, Outcome::Looked(Box::new(seen)));
        desk.take_actions()
    };
    assert_eq!(looks(&mut refused(), true), [end_hold()]);
    assert_eq!(looks(&mut refused(), false), [], "it was ended all the same");
    // The agent has ended it, and has put him on hold herself since.
    let mut desk = refused();
    desk.0.modify(1, CUSTOMER, true, false);
    desk.0.modify(1, CUSTOMER, true, true);
    assert_eq!(looks(&mut desk, true), [], "it is hers");
}
