use crate::desk::*;

fn superseded(desk: &mut Desk, superseded: bool) -> Vec<Effect> {
    let id = desk.hello.take().expect("a hello is under way");
    let reply = HelloReply { in_place: true, superseded, ..HelloReply::default() };
    desk.handle(Event::Reply { id, result: Ok(Answer::Hello(reply)) })
}

fn roles(effects: &[Effect]) -> Vec<bool> {
    let mine = effects.iter().filter_map(|effect| match effect {
        Effect::Role { acts } => Some(*acts),
        _ => None,
    });
    mine.collect()
}

/// Loaded in the middle of a recovery, while another browser has a newer page.
fn looking_on() -> Desk {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
    desk.handle(conference(1, both()));
    desk.greeted(vec![view(Stage::Interrupted)]);
    desk.handle(Event::Superseded);
    desk
}

#[test]
fn the_older_one_shows_accepts_and_joins_nothing() {
    let mut desk = looking_on();
    assert_eq!(desk.dialog, None);
    assert!(matches!(desk.complete(1), ToDesktop::Let { .. }));
    let mut effects = desk.task(ping(5));
    effects.extend(desk.task(reconnect(6, Some(me()))));
    effects.extend(desk.pushed(Stage::InPlace));
    effects.extend(desk.phone(true));
    effects.extend(desk.handle(page_hide()));
    effects.extend(desk.leave(Some(1), GracefulReason::HangUp));
    let [ToDesktop::Let { .. }] = &desktop(&effects)[..] else { panic!("{effects:?}") };
    assert!(posts(&effects).is_empty() && goodbyes(&effects).is_empty(), "{effects:?}");
}

/// A call that no earlier page of this browser had may belong to a page in another one, which lives.
#[test]
fn a_page_says_which_calls_no_page_of_its_browser_has_had() {
    let found = vec![task(1, ReservationStatus::Accepted), task(2, ReservationStatus::Accepted)];
    let (mut desk, _) = Desk::started(found, &[1]);
    desk.handle(conference(1, both()));
    let effects = desk.wait(Millis::seconds(3));
    let said: Vec<_> = holdings(&effects).iter().map(|found| found.other_browser).collect();
    assert_eq!(said, [false, true]);
}

/// A page may crash in the instant in which the call is up, before it has registered it.
#[test]
fn the_accepting_page_stores_its_mark_before_the_call_is_up() {
    let mut desk = Desk::idle();
    let facts = task(1, ReservationStatus::Pending);
    desk.task(facts.clone());
    let (request, reservation) = (RequestId(1), facts.reservation.clone());
    let effects =
        desk.handle(Event::Desktop(FromDesktop::BeforeAccept { request, task: facts, callback: None }));
    let stores = Effect::Store(StoredCall { reservation, muted: false });
    assert!(effects.contains(&stores), "{effects:?}");
}

/// Accepted here, and the leg is in the conference. `deposed`: it rang in another tab of this browser. Returns
/// whether the stored call was removed.
fn accepted_here(deposed: bool) -> (Desk, bool) {
    let mut desk = Desk::idle();
    let facts = task(1, ReservationStatus::Pending);
    desk.task(facts.clone());
    let (request, reservation) = (RequestId(1), facts.reservation.clone());
    desk.handle(Event::Desktop(FromDesktop::BeforeAccept { request, task: facts, callback: None }));
    desk.task(task(1, ReservationStatus::Accepted));
    if deposed {
        desk.handle(Event::Deposed);
    }
    let effects = desk.handle(conference(1, both()));
    (desk, effects.contains(&Effect::Unstore { reservation }))
}

/// Every phone of the agent rings. If another browser answered, its page may live when this one is asked.
#[test]
fn a_call_that_was_accepted_here_and_rang_in_another_browser_is_not_of_this_one() {
    assert!(!accepted_here(true).1, "a tab of this browser has it");
    let (mut desk, forgotten) = accepted_here(false);
    assert!(forgotten);
    desk.handle(Event::Superseded);
    desk.wait(Millis::seconds(60));
    superseded(&mut desk, false);
    assert!(holdings(&desk.wait(Millis::seconds(1)))[0].other_browser);
}

/// The phone may be slower than Flex's events about the conference.
#[test]
fn a_call_that_the_phone_reports_late_belongs_to_this_browser() {
    let (mut desk, forgotten) = accepted_here(false);
    assert!(forgotten);
    let stores = Effect::Store(StoredCall { reservation: live(200).reservation, muted: false });
    let effects = desk.task(live(200));
    assert!(effects.contains(&stores), "{effects:?}");
}

#[test]
fn the_older_page_learns_of_a_newer_one_by_push_or_hello() {
    let (mut desk, effects) = Desk::started(vec![], &[]);
    assert_eq!(roles(&effects), [true]);
    assert_eq!(roles(&superseded(&mut desk, true)), [false]);
    let mut desk = Desk::idle();
    assert_eq!(roles(&desk.handle(Event::Superseded)), [false]);
    assert!(roles(&desk.handle(Event::Superseded)).is_empty(), "said before");
}

#[test]
fn the_older_page_still_watches_and_stores_its_own_call() {
    let mut desk = Desk::idle();
    desk.handle(Event::Superseded);
    desk.task(live(200));
    let effects = desk.handle(conference(1, both()));
    assert_eq!(registered(&effects), [CallSid::numbered(200)]);
    desk.handle(Event::Reply { id: posts(&effects)[0].0, result: Ok(Answer::Accepted) });
    let effects = desk.leave(Some(1), GracefulReason::HangUp);
    assert!(matches!(&posts(&effects)[..], [(_, Request::Graceful(_))]), "{effects:?}");
}

#[test]
fn when_the_newer_page_is_gone_the_older_acts_again() {
    let mut desk = looking_on();
    assert!(posts(&desk.wait(Millis::seconds(59))).is_empty());
    assert!(holdings(&desk.wait(Millis::seconds(1))).is_empty(), "it asks for nothing");
    superseded(&mut desk, true);
    desk.wait(Millis::seconds(60));
    let effects = superseded(&mut desk, false);
    assert_eq!(roles(&effects), [true]);
    assert_eq!(desk.dialog, Some(Dialog::Checking));
    assert!(holdings(&desk.wait(Millis::seconds(1)))[0].can_join);
    desk.greeted(vec![view(Stage::InPlace)]);
    assert_eq!(desk.dialog, Some(Dialog::InPlace));
    assert!(posts(&desk.wait(Millis::seconds(5))).is_empty(), "no more asking");
}

#[test]
fn after_a_reconnect_the_older_page_asks_whether_it_acts_again() {
    let mut desk = looking_on();
    desk.handle(Event::PushState { up: false });
    desk.wait(Millis::seconds(5));
    assert_eq!(posts(&desk.handle(Event::PushState { up: true })).len(), 1);
    assert_eq!(roles(&superseded(&mut desk, false)), [true]);
}

#[test]
fn between_pages_of_one_browser_the_lock_decides() {
    // Deposed by a tab, which is a newer page for the server as well.
    let mut desk = Desk::idle();
    assert!(desk.handle(Event::Deposed).contains(&Effect::ClosePush));
    assert!(roles(&desk.handle(Event::Superseded)).is_empty());
    assert!(posts(&desk.wait(Millis::seconds(300))).is_empty(), "it sends nothing, and waits");
    let effects = desk.elect();
    assert_eq!(roles(&effects), [true]);
    assert!(effects.contains(&Effect::OpenPush { epoch: 8 }));
}

#[test]
fn a_call_accepted_by_hand_in_a_waiting_page_moves_the_lock() {
    let (mut desk, _) = Desk::waiting(vec![task(1, ReservationStatus::Pending)], &[]);
    let effects = desk.task(live(200));
    assert!(effects.contains(&Effect::TakeLock));
    assert!(!desk.task(live(200)).contains(&Effect::TakeLock), "once");
    let effects = desk.handle(Event::Elected { taken: true, epoch: 8 });
    assert_eq!((roles(&effects), posts(&effects).len()), (vec![true], 1), "it says hello at once");
    assert_eq!(desk.dialog, None);
}

#[test]
fn a_page_that_takes_over_becomes_the_newest() {
    let epochs = |effects: &[Effect]| {
        let mine = posts(effects).into_iter().map(|(_, request)| match request {
            Request::Hello(hello) => hello.epoch,
            Request::Register(registration) => registration.epoch,
            other @ (Request::Graceful(_) | Request::Claim(_)) => panic!("{other:?}"),
        });
        mine.collect::<Vec<_>>()
    };
    // With a call of its own, which the server knows from an older page.
    let mut desk = Desk::on_a_call();
    desk.wait(Millis::seconds(5));
    desk.handle(Event::Deposed);
    let mut effects = desk.handle(Event::Elected { taken: false, epoch: 8 });
    assert!(effects.contains(&Effect::OpenPush { epoch: 8 }));
    effects.extend(desk.wait(Millis::seconds(1)));
    assert_eq!(epochs(&effects), [8, 8], "registered again, and a hello");
    assert_eq!(goodbyes(&desk.handle(page_hide()))[0].epoch, 8);
}

#[test]
fn calls_of_the_deposed_page_are_left_alone() {
    let (mut desk, _) = Desk::waiting(vec![task(2, ReservationStatus::Accepted)], &[]);
    let mut legs = both();
    legs[1].call = Some(CallSid::numbered(300));
    desk.handle(conference(2, legs));
    desk.task(live(200));
    let effects = desk.handle(Event::Elected { taken: true, epoch: 8 });
    assert!(holdings(&effects).is_empty(), "that page lives and has its call");
    assert_eq!(desk.dialog, None);
    let here = TaskFacts {
        live_call: true,
        own_leg: Some(CallSid::numbered(301)),
        ..task(2, ReservationStatus::Accepted)
    };
    assert!(registered(&desk.task(here)).is_empty(), "the leg in the conference is that page's");
}

#[test]
fn a_page_deposed_with_a_call_keeps_its_push_channel() {
    let mut desk = Desk::on_a_call();
    let effects = desk.handle(Event::Deposed);
    assert_eq!(roles(&effects), [false]);
    assert!(!effects.contains(&Effect::ClosePush));
    assert_eq!(goodbyes(&desk.handle(page_hide())).len(), 1, "and says goodbye for it");
}
