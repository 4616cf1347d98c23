use crate::desk::*;

fn sign_out(desk: &mut Desk) -> Vec<Effect> {
    desk.handle(Event::Desktop(FromDesktop::SignedOut {}))
}

#[test]
fn nothing_of_the_worker_is_left() {
    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(None, GracefulReason::SignOut)).remove(0);
    desk.handle(Event::Reply { id, result: Err(PostError::Unreachable) });
    let effects = sign_out(&mut desk);
    for wanted in [Effect::ClosePush, Effect::UnkeepAll] {
        assert!(effects.contains(&wanted), "{wanted:?} in {effects:?}");
    }
    assert!(desk.timers.is_empty(), "{:?}", desk.timers);
    for event in [
        Event::Desktop(FromDesktop::TaskChanged(live(200))),
        conference(1, both()),
        Event::Push(view(Stage::Interrupted)),
        Event::PushState { up: false },
        Event::Ask,
        Event::Elected { taken: false, epoch: 8 },
        Event::Superseded,
        Event::Move,
        page_hide(),
        Event::Desktop(FromDesktop::TokenChanged {}),
        Event::Desktop(FromDesktop::Reconnected {}),
        Event::Desktop(FromDesktop::TaskChanged(ping(5))),
    ] {
        assert_eq!(desk.handle(event.clone()), [], "{event:?}");
    }
}

#[test]
fn stored_calls_are_removed_and_the_dialog_closes() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    desk.greeted(vec![view(Stage::Interrupted)]);
    assert!(desk.dialog.is_some());
    let effects = sign_out(&mut desk);
    assert!(effects.contains(&Effect::Unstore { reservation: wr(1) }));
    assert_eq!(desk.dialog, None);
    assert!(desk.timers.is_empty(), "{:?}", desk.timers);
}

#[test]
fn open_and_later_requests_of_flex_are_answered() {
    let mut desk = Desk::on_a_call();
    desk.leave(Some(1), GracefulReason::HangUp);
    let effects = sign_out(&mut desk);
    assert!(desktop(&effects).contains(&ToDesktop::Let { request: RequestId(1) }));
    assert_eq!(
        desktop(&desk.leave(Some(1), GracefulReason::HangUp)),
        [ToDesktop::Let { request: RequestId(1) }]
    );
    assert!(matches!(desk.complete(1), ToDesktop::Let { .. }));
    let task = task(1, ReservationStatus::Pending);
    let event = FromDesktop::BeforeAccept { request: RequestId(3), task, callback: None };
    assert_eq!(desktop(&desk.handle(Event::Desktop(event))), [ToDesktop::Let { request: RequestId(3) }]);
}

#[test]
fn after_signing_out_a_page_hangs_up_at_its_end() {
    let mut desk = Desk::on_a_call();
    assert_eq!(keeps(&sign_out(&mut desk)), [false]);
}

#[test]
fn an_agent_who_did_not_sign_out_after_all_goes_on() {
    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(None, GracefulReason::SignOut)).remove(0);
    desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    // Another plugin has stopped the sign-out. The next call is watched as usual.
    let next = task(2, ReservationStatus::Accepted);
    desk.task(TaskFacts { live_call: true, ..next });
    assert_eq!(registered(&desk.handle(conference(2, both()))).len(), 1);
}
