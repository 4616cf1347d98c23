use crate::desk::*;

#[test]
fn every_page_says_hello_and_opens_the_push_channel() {
    let (_, effects) = Desk::started(vec![], &[]);
    assert!(effects.contains(&Effect::OpenPush { epoch: 7 }));
    let (_, Request::Hello(hello)) = &posts(&effects)[0] else { panic!("no hello: {effects:?}") };
    assert_eq!((hello.epoch, &hello.holdings[..]), (7, &[][..]));
    assert!(desktop(&effects).is_empty());
}

#[test]
fn the_hello_lists_reservations_found_without_their_call() {
    let mut live = task(3, ReservationStatus::Accepted);
    live.live_call = true;
    let mut elsewhere = task(4, ReservationStatus::Accepted);
    elsewhere.contact_uri = Some("sip:ada@example.com".into());
    let mut chat = task(5, ReservationStatus::Accepted);
    chat.voice = false;
    let mut older_flex = task(2, ReservationStatus::Accepted);
    older_flex.joinable = false;
    let tasks = vec![
        task(1, ReservationStatus::Wrapping),
        older_flex,
        live,
        elsewhere,
        chat,
        task(6, ReservationStatus::Pending),
    ];
    let (_, effects) = Desk::started(tasks, &[]);
    let (_, Request::Hello(hello)) = &posts(&effects)[0] else { panic!("no hello") };
    let holding = |number, wrapping| Holding {
        task: TaskSid::numbered(number),
        reservation: wr(number),
        wrapping,
        can_join: false,
        other_browser: true,
    };
    assert_eq!(hello.holdings, [holding(1, true), holding(2, false)]);
}

#[test]
fn the_dialog_opens_at_once_only_for_a_marked_call() {
    let wrapping = || vec![task(1, ReservationStatus::Wrapping)];
    assert_eq!(Desk::started(wrapping(), &[1]).0.dialog, Some(Dialog::Checking));
    assert_eq!(Desk::started(wrapping(), &[]).0.dialog, None);
    let accepted = vec![task(1, ReservationStatus::Accepted)];
    assert_eq!(Desk::started(accepted, &[]).0.dialog, Some(Dialog::Checking));
    let mut elsewhere = task(1, ReservationStatus::Accepted);
    elsewhere.contact_uri = Some("sip:ada@example.com".into());
    assert_eq!(Desk::started(vec![elsewhere], &[1]).0.dialog, None);
}

#[test]
fn without_a_recovery_there_is_no_dialog() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    assert!(matches!(desk.complete(1), ToDesktop::Refuse { .. }));
    desk.greeted(vec![]);
    assert_eq!(desk.dialog, None);
    assert!(matches!(desk.complete(1), ToDesktop::Let { .. }));
}

#[test]
fn a_wrapping_task_without_a_mark_gets_its_dialog_from_the_server() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[]);
    desk.greeted(vec![view(Stage::Interrupted)]);
    assert_eq!(desk.dialog, Some(Dialog::Interrupted { until: Some(desk.now + Millis(14_000)) }));
}

#[test]
fn an_unreachable_server_is_named_after_ten_seconds_and_the_agent_can_go_on() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    let mut hellos = vec![];
    for _ in 0..10_000 {
        if desk.hello.is_some() {
            hellos.push(desk.now.0 - 1_000_000);
            desk.unanswered();
        }
        let expected = if desk.now < Millis(1_010_000) { Dialog::Checking } else { Dialog::Unreachable };
        assert_eq!(desk.dialog, Some(expected), "at {:?}", desk.now);
        desk.wait(Millis(10));
        if desk.now >= Millis(1_040_000) {
            break;
        }
    }
    // The hello at ten seconds is the dialog's own.
    assert_eq!(hellos[..4], [0, 1_000, 3_000, 7_000]);
    assert!(hellos.len() >= 6, "{hellos:?}");
    desk.handle(Event::DialogButton);
    assert_eq!(desk.dialog, None);
    assert!(matches!(desk.complete(1), ToDesktop::Let { .. }));
}

#[test]
fn a_server_that_refuses_leaves_flex_alone() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    let id = desk.hello.take().expect("hello");
    let effects = desk.handle(Event::Reply { id, result: Err(PostError::Status(403)) });
    assert_eq!(desk.dialog, None);
    assert!(desktop(&effects).contains(&ToDesktop::Log { notice: Complaint::Refused { status: 403 } }));
    assert!(posts(&desk.wait(Millis::seconds(100))).is_empty());
}

#[test]
fn stored_calls_of_reservations_that_are_gone_are_removed() {
    let (_, effects) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1, 2]);
    let taken: Vec<_> = effects.iter().filter(|effect| matches!(effect, Effect::Unstore { .. })).collect();
    assert_eq!(taken, [&Effect::Unstore { reservation: wr(2) }]);
}
