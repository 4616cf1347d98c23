use crate::desk::*;

#[test]
fn a_known_ping_is_accepted_as_soon_as_seen() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    desk.greeted(vec![view(Stage::Interrupted)]);
    assert_eq!(desktop(&desk.task(ping(8))), [ToDesktop::AcceptPing { reservation: wr(8) }]);
    assert!(desktop(&desk.task(ping(8))).is_empty(), "once");
    // The other order: the ping is there before the answer.
    let (mut desk, effects) = Desk::started(vec![task(1, ReservationStatus::Wrapping), ping(8)], &[1]);
    assert!(!desktop(&effects).contains(&ToDesktop::AcceptPing { reservation: wr(8) }));
    let effects = desk.greeted(vec![view(Stage::Interrupted)]);
    assert!(desktop(&effects).contains(&ToDesktop::AcceptPing { reservation: wr(8) }));
}

/// The agent's phone has failed and the page lives on: without TaskRouter's events nothing else tells the server.
#[test]
fn the_server_learns_of_an_accepted_ping() {
    let mut desk = Desk::idle();
    desk.pushed(Stage::Interrupted);
    desk.wait(Millis::seconds(3));
    let effects = desk.task(ping(8));
    assert_eq!(desktop(&effects), [ToDesktop::AcceptPing { reservation: wr(8) }]);
    let [(_, Request::Hello(hello))] = &posts(&effects)[..] else { panic!("a hello: {effects:?}") };
    assert!(hello.accepts_ping);
    // It says so until the server has heard of it.
    desk.unanswered();
    let accepts = |effects: Vec<Effect>| {
        let said = posts(&effects).into_iter().find_map(|(_, request)| match request {
            Request::Hello(hello) => Some(hello.accepts_ping),
            _ => None,
        });
        said.unwrap_or_else(|| panic!("a hello: {effects:?}"))
    };
    assert!(accepts(desk.wait(Millis::seconds(3))));
    desk.greeted(vec![view(Stage::Interrupted)]);
    desk.wait(Millis::seconds(3));
    assert!(!accepts(desk.handle(Event::Ask)));
}

#[test]
fn an_unknown_recovery_is_asked_about_and_never_accepted() {
    for facts in [ping(8), reconnect(8, Some(me()))] {
        let mut desk = Desk::idle();
        desk.wait(Millis::seconds(3));
        let effects = desk.task(facts.clone());
        assert_eq!(posts(&effects).len(), 1, "{effects:?}");
        assert!(desktop(&effects).is_empty());
        assert!(desktop(&desk.greeted(vec![])).is_empty());
        assert!(posts(&desk.task(facts)).is_empty(), "asked once");
    }
}

#[test]
fn hellos_keep_their_minimum_distance() {
    let mut desk = Desk::idle();
    for number in 10..20 {
        let mut facts = ping(number);
        facts.attributes.rejoin_recovery_id = Some(RecoveryId::numbered(number));
        assert!(posts(&desk.task(facts)).is_empty());
    }
    assert_eq!(posts(&desk.wait(Millis::seconds(2))).len(), 1);
}

#[test]
fn an_own_reconnect_task_waits_for_the_phone() {
    let mut desk = Desk::new(&[1]);
    desk.start(vec![task(1, ReservationStatus::Wrapping)], false);
    desk.greeted(vec![view(Stage::Queued)]);
    assert!(desktop(&desk.task(reconnect(2, Some(me())))).is_empty());
    let effects = desk.handle(Event::Desktop(FromDesktop::PhoneChanged { registered: true }));
    let accept = [ToDesktop::Accept { reservation: wr(2) }, ToDesktop::Select { reservation: wr(2) }];
    assert_eq!(desktop(&effects), accept);
    // A failed attempt is retried, but not forever.
    let mut attempts = 1;
    loop {
        desk.handle(Event::Desktop(FromDesktop::AcceptFailed { reservation: wr(2) }));
        if !desktop(&desk.wait(Millis::seconds(1))).contains(&accept[0]) {
            break;
        }
        attempts += 1;
    }
    assert_eq!(attempts, 3);
}

#[test]
fn a_reconnect_of_somebody_else_is_announced_not_accepted() {
    let mut desk = Desk::idle();
    desk.pushed(Stage::Queued);
    let effects = desk.task(reconnect(2, None));
    assert_eq!(notify(&effects), [Notice::TakeOver { name: Some("Bo".into()), seconds: 1000 }]);
    assert!(!desktop(&effects).contains(&ToDesktop::Accept { reservation: wr(2) }));
    assert!(notify(&desk.task(reconnect(2, None))).is_empty(), "once");

    let mut undated = reconnect(3, None);
    undated.attributes.disconnected_time = None;
    undated.attributes.disconnected_worker_name = None;
    assert_eq!(notify(&desk.task(undated)), [Notice::TakeOverUndated { name: None }]);
    let mut own = reconnect(4, None);
    own.attributes.disconnected_worker_sid = Some(me());
    assert_eq!(notify(&desk.task(own)), [Notice::TakeOverOwn]);
}

#[test]
fn a_failure_report_without_an_attempt_has_no_effect() {
    let mut desk = Desk::idle();
    desk.task(ping(5));
    desk.handle(Event::Desktop(FromDesktop::AcceptFailed { reservation: wr(5) }));
    desk.wait(Millis(900));
    let accept = ToDesktop::AcceptPing { reservation: wr(5) };
    assert_eq!(desktop(&desk.pushed(Stage::Interrupted)).iter().filter(|done| **done == accept).count(), 1);
    assert!(!desktop(&desk.wait(Millis::seconds(10))).contains(&accept));
}
