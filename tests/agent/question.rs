//! The server asks over the signalling of a call whether the page lives.

use crate::desk::*;
use rejoin_protocol::api::Registration;

fn asked(leg: u128, question: &str) -> Event {
    Event::Desktop(FromDesktop::Asked { leg: CallSid::numbered(leg), question: question.into() })
}

fn answer(leg: u128, question: &str) -> Effect {
    let leg = CallSid::numbered(leg);
    Effect::Desktop(ToDesktop::AnswerMessage { leg, question: question.into() })
}

fn listening(leg: u128) -> TaskFacts {
    TaskFacts { answers_messages: true, ..live(leg) }
}

fn registrations(effects: &[Effect]) -> Vec<(PostId, Registration)> {
    let mine = posts(effects).into_iter().filter_map(|(id, request)| match request {
        Request::Register(registration) => Some((id, registration)),
        _ => None,
    });
    mine.collect()
}

#[test]
fn a_question_is_answered_over_the_call_and_by_registering_it_again() {
    let mut desk = Desk::on_a_call();
    for question in ["one", "two", "two"] {
        let effects = desk.handle(asked(200, question));
        assert_eq!(effects.first(), Some(&answer(200, question)));
        let [(id, registration)] = &registrations(&effects)[..] else { panic!("{effects:?}") };
        assert_eq!(registration.worker_leg, CallSid::numbered(200));
        desk.handle(Event::Reply { id: *id, result: Ok(Answer::Accepted) });
    }
}

#[test]
fn a_push_channel_that_stays_cut_is_told_by_registering_the_call_again() {
    let mut desk = Desk::on_a_call();
    let down = |desk: &mut Desk| registrations(&desk.handle(Event::PushState { up: false }));
    desk.handle(Event::PushState { up: true });
    assert!(down(&mut desk).is_empty(), "it may be open again in a moment");
    let [(id, registration)] = &down(&mut desk)[..] else { panic!("not registered") };
    assert_eq!(registration.worker_leg, CallSid::numbered(200));
    assert!(down(&mut desk).is_empty() || down(&mut desk).is_empty(), "one behind the one in flight");
    desk.handle(Event::Reply { id: *id, result: Ok(Answer::Accepted) });
    desk.handle(Event::PushState { up: true });
    assert!(down(&mut desk).is_empty(), "the next cut");
}

#[test]
fn questions_do_not_pile_up_registrations_while_the_server_is_silent() {
    let mut desk = Desk::on_a_call();
    let first = registrations(&desk.handle(asked(200, "one")));
    let mut kept = 0;
    for _ in 0..5 {
        let effects = desk.handle(asked(200, "again"));
        assert_eq!(effects.first(), Some(&answer(200, "again")));
        kept += effects.iter().filter(|effect| matches!(effect, Effect::Keep(_))).count();
    }
    assert_eq!(kept, 1, "one behind the one in flight");
    // The next question comes while a retry waits: the server can be reached, since it asks.
    let result = Err(PostError::Unreachable);
    let effects = desk.handle(Event::Reply { id: first[0].0, result });
    assert!(registrations(&effects).is_empty() && desk.timers.contains_key(&Timer::Outbox), "{effects:?}");
    let effects = desk.handle(asked(200, "again"));
    assert_eq!(registrations(&effects).len(), 1, "{effects:?}");
    assert!(!desk.timers.contains_key(&Timer::Outbox));
}

#[test]
fn a_registration_says_whether_the_page_answers_and_is_repeated_when_that_changes() {
    let mut desk = Desk::idle();
    desk.task(live(200));
    let said = |effects: &[Effect]| {
        let all = registrations(effects);
        all.iter().map(|(_, registration)| registration.answers_messages).collect::<Vec<_>>()
    };
    let effects = desk.handle(conference(1, both()));
    assert_eq!(said(&effects), [false]);
    let id = posts(&effects)[0].0;
    desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    assert_eq!(said(&desk.task(listening(200))), [true]);
    assert_eq!(said(&desk.task(TaskFacts { muted: true, ..listening(200) })), [false; 0]);
}

#[test]
fn a_page_speaks_only_for_the_leg_that_it_listens_to() {
    let mut desk = Desk::idle();
    // The open call is not the one in the conference.
    desk.task(listening(201));
    let legs = vec![leg(100, LegKind::Customer, false, 1), leg(200, LegKind::Worker, true, 2)];
    assert!(registrations(&desk.handle(conference(1, legs))).is_empty(), "another page has the leg");
    let legs = [both(), vec![leg(201, LegKind::Worker, true, 3)]].concat();
    let all = registrations(&desk.handle(conference(1, legs)));
    let [(_, registration)] = &all[..] else { panic!("{all:?}") };
    assert!(registration.answers_messages && registration.worker_leg == CallSid::numbered(201));
    // Without the SID of the open call, nobody knows which leg it is.
    let mut desk = Desk::idle();
    desk.task(TaskFacts { own_leg: None, ..listening(200) });
    let all = registrations(&desk.handle(conference(1, both())));
    assert!(!all[0].1.answers_messages, "{all:?}");
}

#[test]
fn a_question_about_a_call_that_is_not_registered_is_answered_over_that_call_alone() {
    let mut desk = Desk::idle();
    assert_eq!(desk.handle(asked(200, "one")), [answer(200, "one")]);
    let mut desk = Desk::on_a_call();
    assert_eq!(desk.handle(asked(300, "one")), [answer(300, "one")]);
}

#[test]
fn an_agent_who_leaves_is_not_registered_again() {
    let mut desk = Desk::on_a_call();
    let (request, reservation) = (RequestId(1), Some(wr(1)));
    let leaves = FromDesktop::BeforeLeave { request, reservation, reason: GracefulReason::HangUp };
    desk.handle(Event::Desktop(leaves));
    let effects = desk.handle(asked(200, "one"));
    assert_eq!(effects.first(), Some(&answer(200, "one")));
    assert!(registered(&effects).is_empty(), "{effects:?}");
}

#[test]
fn nobody_answers_after_signing_out() {
    let mut desk = Desk::on_a_call();
    desk.handle(Event::Desktop(FromDesktop::SignedOut {}));
    assert_eq!(desk.handle(asked(200, "one")), []);
}
