//! A page that is gone without a goodbye: its push channel is lost, it is asked over its leg, and it does not answer.

use crate::desk::{
    ADA, ADA_LEG, BO, CUSTOMER, Desk, EPOCH, NEXT_LEG, conference, hold, leg, registration_of, reservation_of,
};
use rejoin_protocol::api::{DeliveryId, GracefulMark, GracefulReason, Registration, Stage};
use rejoin_protocol::{Millis, TaskSid, WorkerSid};
use rejoin_recovery::{
    Action, Call, ConferenceEventKind, Effect, Event, LeaveReason, Note, Outcome, ParticipantFlags, Timer,
};

const PRESS: DeliveryId = DeliveryId { epoch: EPOCH, number: 9 };

fn ask() -> Action {
    Action::AskPage { conference: conference(1), leg: leg(ADA_LEG) }
}

fn end_hold() -> Action {
    Action::EndHold { conference: conference(1), customer: leg(CUSTOMER) }
}

fn push_lost(desk: &mut Desk, epoch: u64) {
    desk.handle(Event::PushLost { worker: WorkerSid::numbered(ADA), epoch });
}

fn push_back(desk: &mut Desk) {
    desk.handle(Event::PushBack { worker: WorkerSid::numbered(ADA), epoch: EPOCH });
}

fn answered(desk: &mut Desk) {
    desk.handle(Event::PageAnswered { conference: conference(1), leg: leg(ADA_LEG) });
}

/// What is asked for, polls aside: a lost push channel also causes one.
fn asked_for(desk: &mut Desk) -> Vec<Action> {
    let mut actions = desk.take_actions();
    actions.retain(|action| !matches!(action, Action::PollConference { .. }));
    actions
}

fn noted(desk: &Desk, note: &Note) -> usize {
    desk.effects.iter().filter(|it| matches!(it, Effect::Note { note: noted, .. } if noted == note)).count()
}

/// Twilio has taken the question.
fn asked() -> Desk {
    let mut desk = Desk::at_once();
    push_lost(&mut desk, EPOCH);
    assert_eq!(asked_for(&mut desk), [ask()]);
    desk.finish(ask(), Outcome::Ok);
    desk
}

/// The page has not answered, and the customer is on our hold.
fn silent() -> Desk {
    let mut desk = asked();
    desk.fire(1, Timer::Answer);
    assert_eq!(asked_for(&mut desk), [hold(false, false)]);
    assert_eq!(noted(&desk, &Note::PageSilent), 1);
    desk.finish(hold(false, false), Outcome::Ok);
    desk.modify(1, CUSTOMER, false, true);
    assert_eq!(asked_for(&mut desk), []);
    desk
}

fn call(desk: &Desk) -> &Call {
    desk.machine.call(&conference(1)).expect("the call")
}

#[test]
fn an_agent_who_ends_our_hold_while_their_page_is_silent_is_not_cut_off_again() {
    let mut desk = silent();
    desk.modify(1, CUSTOMER, false, false);
    assert_eq!(asked_for(&mut desk), [], "the agent may be there, and talk");
}

#[test]
fn a_customer_is_told_when_the_page_answers_by_neither_way() {
    let desk = silent();
    assert_eq!(desk.stage(), None, "nobody counts as lost yet");
    assert!(
        desk.machine
            .call_of_silent_page(&crate::desk::recovery())
            .is_some_and(|(_, since)| since == desk.now),
        "their documents find the call"
    );
}

/// The question goes over the leg: only the browser that has it could answer.
#[test]
fn the_page_with_the_call_is_asked_although_another_browser_has_a_newer_one() {
    let mut desk = Desk::at_once();
    desk.hello_in_another_browser(EPOCH + 1, true);
    push_lost(&mut desk, EPOCH);
    assert_eq!(asked_for(&mut desk), [ask()]);
    desk.finish(ask(), Outcome::Ok);
    desk.fire(1, Timer::Answer);
    assert_eq!(asked_for(&mut desk), [hold(false, false)]);
    assert_eq!(desk.stage(), None, "nobody counts as lost yet");
}

#[test]
fn a_page_that_answers_by_either_way_before_that_costs_nothing() {
    for answers in [answered, push_back] {
        let mut desk = asked();
        answers(&mut desk);
        desk.handle(Event::Timer { conference: conference(1), timer: Timer::Answer });
        assert_eq!(asked_for(&mut desk), []);
        assert_eq!((noted(&desk, &Note::PageSilent), noted(&desk, &Note::PageAnswered)), (0, 0));
    }
}

#[test]
fn a_page_that_answers_by_whichever_way_ends_the_hold_at_once() {
    let registers = |desk: &mut Desk| desk.register_again(ADA, ADA_LEG, EPOCH, Some(PRESS));
    let says_hello = |desk: &mut Desk| desk.hello(EPOCH, false, false);
    let ways: [&dyn Fn(&mut Desk); 4] = [&answered, &push_back, &registers, &says_hello];
    for (n, answers) in ways.into_iter().enumerate() {
        let mut desk = silent();
        answers(&mut desk);
        assert_eq!(asked_for(&mut desk), [end_hold()], "way {n}");
        assert_eq!(noted(&desk, &Note::PageAnswered), 1, "way {n}");
        desk.finish(end_hold(), Outcome::Ok);
        // The same agent is lost after all, in the same call.
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        assert_eq!(desk.stage(), Some(Stage::Interrupted), "way {n}");
    }
}

#[test]
fn what_is_asked_is_asked_once_until_the_page_is_silent_or_answers() {
    let mut desk = asked();
    push_lost(&mut desk, EPOCH);
    assert_eq!(asked_for(&mut desk), []);
    answered(&mut desk);
    push_lost(&mut desk, EPOCH);
    assert_eq!(asked_for(&mut desk), [ask()]);
    let mut desk = silent();
    push_lost(&mut desk, EPOCH);
    assert_eq!(asked_for(&mut desk), []);
}

#[test]
fn silence_that_says_nothing_has_no_effect() {
    for outcome in [Outcome::Overtaken, Outcome::Gone, Outcome::Failed { reason: "refused".into() }] {
        let mut desk = Desk::at_once();
        push_lost(&mut desk, EPOCH);
        desk.finish(ask(), outcome.clone());
        asked_for(&mut desk);
        assert!(!desk.timers.contains_key(&(conference(1), Timer::Answer)), "{outcome:?}");
        desk.handle(Event::Timer { conference: conference(1), timer: Timer::Answer });
        assert_eq!(asked_for(&mut desk), [], "{outcome:?}");
    }
}

#[test]
fn only_a_page_that_answers_messages_is_asked_about_its_own_leg() {
    let mut desk = Desk::at_once();
    push_lost(&mut desk, EPOCH + 1);
    assert_eq!(asked_for(&mut desk), [], "another page");
    let older =
        Registration { id: Some(PRESS), answers_messages: false, ..registration_of(1, ADA, ADA_LEG, EPOCH) };
    desk.handle(Event::Registered { worker: WorkerSid::numbered(ADA), registration: older });
    push_lost(&mut desk, EPOCH);
    assert_eq!(asked_for(&mut desk), [], "a page that cannot answer");
}

#[test]
fn a_customer_who_is_not_alone_with_the_agent_is_not_told() {
    let colleague: &dyn Fn(&mut Desk) = &|desk| {
        desk.join(1, NEXT_LEG, false);
        desk.register(1, BO, NEXT_LEG, EPOCH);
    };
    let third: &dyn Fn(&mut Desk) = &|desk| desk.join(1, 0x3d, false);
    let held: &dyn Fn(&mut Desk) = &|desk| desk.modify(1, CUSTOMER, false, true);
    for (n, happens) in [colleague, third, held].into_iter().enumerate() {
        let mut desk = Desk::at_once();
        happens(&mut desk);
        push_lost(&mut desk, EPOCH);
        assert_eq!(asked_for(&mut desk), [], "{n}");
        let mut desk = asked();
        happens(&mut desk);
        asked_for(&mut desk);
        desk.handle(Event::Timer { conference: conference(1), timer: Timer::Answer });
        assert_eq!(asked_for(&mut desk), [], "{n}: after the question");
    }
}

/// A supervisor who listens, or coaches the agent, is not heard by the customer.
#[test]
fn a_customer_is_told_although_a_supervisor_listens() {
    let listens = ParticipantFlags { muted: true, ..ParticipantFlags::default() };
    let coaches = ParticipantFlags { coaching: true, ..ParticipantFlags::default() };
    for flags in [listens, coaches] {
        let mut desk = Desk::at_once();
        desk.callback(1, ConferenceEventKind::Join { leg: leg(0x3d), flags });
        push_lost(&mut desk, EPOCH);
        assert_eq!(asked_for(&mut desk), [ask()]);
        desk.finish(ask(), Outcome::Ok);
        desk.fire(1, Timer::Answer);
        assert_eq!(asked_for(&mut desk), [hold(false, false)]);
        desk.finish(hold(false, false), Outcome::Ok);
        // They barge in.
        let flags = ParticipantFlags::default();
        desk.callback(1, ConferenceEventKind::Modify { leg: leg(0x3d), flags });
        assert_eq!(asked_for(&mut desk), [end_hold()]);
    }
}

#[test]
fn a_page_is_asked_as_soon_as_everybody_else_has_left() {
    let lost_beside_another = || {
        let mut desk = Desk::at_once();
        desk.join(1, 0x3d, false);
        push_lost(&mut desk, EPOCH);
        assert_eq!(asked_for(&mut desk), []);
        desk
    };
    let leaves = |desk: &mut Desk| desk.leave(1, 0x3d, LeaveReason::HungUp);
    let mut desk = lost_beside_another();
    desk.restart();
    leaves(&mut desk);
    assert_eq!(asked_for(&mut desk), [ask()]);
    // A refused question is not asked again.
    desk.finish(ask(), Outcome::Overtaken);
    assert_eq!(asked_for(&mut desk), []);

    // The page is back, or the agent has left, before that.
    let hangs_up = |desk: &mut Desk| _ = desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let returns: [&dyn Fn(&mut Desk); 3] = [&push_back, &answered, &hangs_up];
    for (n, happens) in returns.into_iter().enumerate() {
        let mut desk = lost_beside_another();
        happens(&mut desk);
        leaves(&mut desk);
        assert!(!asked_for(&mut desk).contains(&ask()), "{n}");
    }
}

#[test]
fn a_silent_page_is_asked_again_when_the_one_who_came_has_left() {
    let mut desk = silent();
    desk.join(1, 0x3d, false);
    assert_eq!(asked_for(&mut desk), [end_hold()]);
    desk.finish(end_hold(), Outcome::Ok);
    desk.modify(1, CUSTOMER, false, false);
    desk.leave(1, 0x3d, LeaveReason::HungUp);
    assert_eq!(asked_for(&mut desk), [ask()]);
}

#[test]
fn an_agent_who_comes_to_a_customer_on_hold_ends_the_hold() {
    let mut desk = silent();
    desk.join(1, 0x3d, false);
    assert_eq!(asked_for(&mut desk), [end_hold()]);
    assert!(call(&desk).silence.is_none());
}

#[test]
fn a_mark_of_the_silent_page_counts() {
    let mut desk = silent();
    let mark = GracefulMark {
        id: Some(PRESS),
        task: TaskSid::numbered(1),
        reservation: reservation_of(ADA, 1),
        reason: GracefulReason::HangUp,
    };
    desk.handle(Event::Graceful { worker: WorkerSid::numbered(ADA), mark });
    assert_eq!(asked_for(&mut desk), [end_hold()]);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage(), None, "nobody is lost");
}

#[test]
fn a_leg_that_falls_begins_the_recovery_of_a_customer_who_was_told() {
    let mut desk = silent();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    desk.fire(1, Timer::Grace);
    let actions = asked_for(&mut desk);
    let tells = |it: &Action| {
        matches!(it, Action::HoldCustomer { .. } | Action::Announce { .. } | Action::EndHold { .. })
    };
    assert!(!actions.iter().any(tells), "{actions:?}");
    assert!(actions.iter().any(|it| matches!(it, Action::CreatePing { .. })), "{actions:?}");
}

#[test]
fn a_leg_that_falls_after_a_refused_hold_begins_a_recovery_that_tells() {
    let mut desk = asked();
    desk.fire(1, Timer::Answer);
    desk.finish(hold(false, false), Outcome::Failed { reason: "no answer".into() });
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    let tells = |it: &Action| matches!(it, Action::HoldCustomer { .. } | Action::Announce { .. });
    let actions = asked_for(&mut desk);
    assert!(actions.iter().any(tells), "{actions:?}");
}

#[test]
fn the_next_page_joins_in_place_and_the_customer_stays_on_hold_until_then() {
    let mut desk = silent();
    desk.hello_in_place(EPOCH + 1);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
    desk.fire(1, Timer::Announce);
    assert_eq!(asked_for(&mut desk), []);
    desk.join(1, NEXT_LEG, false);
    assert_eq!(asked_for(&mut desk), [end_hold()]);
    desk.register(1, ADA, NEXT_LEG, EPOCH + 1);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
}

#[test]
fn a_goodbye_of_the_silent_page_begins_the_absence() {
    let mut desk = silent();
    desk.goodbye(ADA, EPOCH);
    assert_eq!((desk.stage(), asked_for(&mut desk)), (Some(Stage::Interrupted), vec![]));
    desk.fire(1, Timer::Announce);
    assert_eq!(asked_for(&mut desk), [], "they are on hold, and were told");
}

#[test]
fn a_leg_that_stands_for_long_belongs_to_somebody() {
    let mut desk = silent();
    let since = desk.now;
    desk.fire(1, Timer::Answer);
    assert!(desk.now >= since + Millis::seconds(45), "Twilio ends the leg of a dead page sooner");
    assert_eq!(asked_for(&mut desk), [end_hold()]);
    assert!(call(&desk).silence.is_none());
}

#[test]
fn a_silent_page_is_known_after_a_restart() {
    let mut desk = silent();
    desk.restart();
    answered(&mut desk);
    assert_eq!(asked_for(&mut desk), [end_hold()]);
}

#[test]
fn answers_about_other_calls_and_legs_change_nothing() {
    let mut desk = silent();
    desk.handle(Event::PageAnswered { conference: conference(1), leg: leg(CUSTOMER) });
    desk.handle(Event::PageAnswered { conference: conference(2), leg: leg(ADA_LEG) });
    desk.handle(Event::PushBack { worker: WorkerSid::numbered(ADA), epoch: EPOCH + 1 });
    desk.handle(Event::PushBack { worker: WorkerSid::numbered(BO), epoch: EPOCH });
    assert_eq!(asked_for(&mut desk), []);
    assert!(call(&desk).silence.is_some());
}
