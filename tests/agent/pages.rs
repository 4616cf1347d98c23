use crate::desk::*;

#[test]
fn a_page_that_waits_says_and_shows_nothing() {
    let tasks = vec![task(1, ReservationStatus::Accepted), task(2, ReservationStatus::Wrapping), ping(5)];
    let (mut desk, mut effects) = Desk::waiting(tasks, &[1, 2, 3]);
    effects.extend(desk.handle(conference(1, both())));
    effects.extend(desk.handle(Event::Desktop(FromDesktop::PhoneChanged { registered: true })));
    effects.extend(desk.wait(Millis::seconds(60)));
    let harmless = |effect: &Effect| {
        matches!(
            effect,
            Effect::ClearTimer { .. }
                | Effect::Role { acts: false }
                | Effect::Desktop(ToDesktop::NeutraliseExitFlag { .. })
        )
    };
    assert!(effects.iter().all(harmless), "{effects:?}");
    assert!(matches!(desk.complete(1), ToDesktop::Let { .. }));
    assert!(desk.handle(page_hide()).is_empty());
}

#[test]
fn a_page_that_waits_does_not_take_the_other_pages_call_for_its_own() {
    let (mut desk, _) = Desk::waiting(vec![task(1, ReservationStatus::Pending)], &[]);
    desk.task(task(1, ReservationStatus::Accepted));
    assert!(registered(&desk.handle(conference(1, both()))).is_empty());
    let effects = desk.task(task(1, ReservationStatus::Wrapping));
    assert!(!effects.contains(&Effect::Unstore { reservation: wr(1) }), "the mark is the other page's");
}

#[test]
fn a_call_that_is_accepted_in_a_page_that_waits_is_watched() {
    let (mut desk, _) = Desk::waiting(vec![], &[]);
    let task = task(1, ReservationStatus::Pending);
    let event = FromDesktop::BeforeAccept { request: RequestId(3), task, callback: None };
    let answers = desktop(&desk.handle(Event::Desktop(event)));
    assert!(matches!(answers.last(), Some(ToDesktop::AttachConferenceOptions { .. })), "{answers:?}");
    desk.task(live(200));
    assert_eq!(registered(&desk.handle(conference(1, both()))), [CallSid::numbered(200)]);
}

#[test]
fn a_page_whose_turn_has_come_puts_the_agent_back() {
    let (mut desk, _) = Desk::waiting(vec![task(1, ReservationStatus::Pending)], &[]);
    desk.task(task(1, ReservationStatus::Accepted));
    desk.handle(conference(1, both()));
    desk.now = desk.now + Millis::seconds(60);
    desk.agent.remember(vec![Mark { reservation: wr(1), muted: true }]);
    let effects = desk.elect();
    assert!(effects.contains(&Effect::OpenPush { epoch: 8 }));
    assert!(posts(&effects).is_empty(), "the server is to hear first that the other page is gone");
    assert_eq!(desk.dialog, Some(Dialog::Checking));
    assert!(holdings(&desk.wait(Millis::seconds(1)))[0].can_join);
    let effects = desk.greeted(vec![view(Stage::InPlace)]);
    let join = Effect::Desktop(ToDesktop::JoinCall { reservation: wr(1) });
    assert!(effects.contains(&join), "{effects:?}");
    assert!(posts(&desk.elect()).is_empty(), "once is enough");
    let effects = desk.task(live(201));
    assert!(desktop(&effects).contains(&ToDesktop::Mute {}), "she was muted in the other page: {effects:?}");
}

#[test]
fn a_page_that_has_taken_the_call_over_has_nothing_to_check() {
    let (mut desk, _) = Desk::waiting(vec![task(1, ReservationStatus::Accepted)], &[1]);
    let effects = desk.task(live(201));
    assert!(effects.contains(&Effect::TakeLock), "{effects:?}");
    desk.elect();
    assert_eq!(desk.dialog, None);
}

#[test]
fn an_offer_that_came_meanwhile_is_taken_when_the_turn_has_come() {
    let (mut desk, _) = Desk::waiting(vec![ping(5)], &[]);
    desk.elect();
    desk.wait(Millis::seconds(1));
    let effects = desk.greeted(vec![view(Stage::Interrupted)]);
    assert!(desktop(&effects).contains(&ToDesktop::AcceptPing { reservation: wr(5) }), "{effects:?}");
}
