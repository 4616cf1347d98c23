use crate::desk::*;

#[test]
fn a_hang_up_is_marked_then_ends_the_call_as_ever() {
    let mut desk = Desk::on_a_call();
    let effects = desk.leave(Some(1), GracefulReason::HangUp);
    assert_eq!(
        desktop(&effects),
        [ToDesktop::KeepLegs { keep: false }, ToDesktop::PromptOnLeave { on: false }]
    );
    let [(id, Request::Graceful(mark))] = &posts(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!((&mark.reservation, mark.reason), (&wr(1), GracefulReason::HangUp));
    let effects = desk.handle(Event::Reply { id: *id, result: Ok(Answer::Accepted) });
    assert!(effects.contains(&Effect::Unstore { reservation: wr(1) }));
    assert_eq!(
        desktop(&effects),
        [
            ToDesktop::ReleaseExitFlag { reservation: wr(1) },
            ToDesktop::SetExitFlag { reservation: wr(1), value: true }
        ]
    );
    let effects = desk.handle(Event::Desktop(FromDesktop::ExitFlagSettled { reservation: wr(1) }));
    assert_eq!(desktop(&effects), [ToDesktop::Let { request: RequestId(1) }]);
    assert!(desktop(&desk.wait(Millis::seconds(10))).is_empty());
}

#[test]
fn with_more_than_two_on_the_call_the_others_stay() {
    let mut desk = Desk::on_a_call();
    let mut legs = both();
    legs.push(leg(300, LegKind::Other, false, 3));
    desk.handle(conference(1, legs));
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0);
    let effects = desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    assert_eq!(desktop(&effects), [ToDesktop::Let { request: RequestId(1) }]);
}

#[test]
fn a_mark_that_fails_never_blocks() {
    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0);
    let effects = desk.handle(Event::Reply { id, result: Err(PostError::Unreachable) });
    assert!(desktop(&effects).contains(&ToDesktop::SetExitFlag { reservation: wr(1), value: true }));
    // It is sent again behind Flex's back, as long as the task is there.
    assert_eq!(posts(&desk.wait(Millis::seconds(1))).len(), 1);
}

#[test]
fn flex_waits_a_second_and_a_half_at_most() {
    for flagging in [false, true] {
        let mut desk = Desk::on_a_call();
        let (id, _) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0);
        if flagging {
            desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
        }
        assert!(desktop(&desk.wait(Millis(1_499))).is_empty());
        let effects = desktop(&desk.wait(Millis(1)));
        assert_eq!(effects.last(), Some(&ToDesktop::Let { request: RequestId(1) }));
        assert_eq!(effects.contains(&ToDesktop::SetExitFlag { reservation: wr(1), value: true }), !flagging);
    }
}

#[test]
fn a_cold_transfer_keeps_the_customer_in_the_conference() {
    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::ColdTransfer)).remove(0);
    let effects = desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    assert_eq!(desktop(&effects), [ToDesktop::Let { request: RequestId(1) }]);
}

#[test]
fn who_is_still_being_rung_in_a_transfer_is_nobody_yet() {
    let mut desk = Desk::on_a_call();
    let mut legs = both();
    // As Flex shows the target of a consultation: joined, but without a call.
    legs.push(Leg { call: None, ..leg(0, LegKind::Other, false, 0) });
    desk.handle(conference(1, legs));
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0);
    let effects = desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    assert!(desktop(&effects).contains(&ToDesktop::SetExitFlag { reservation: wr(1), value: true }));
}

#[test]
fn a_call_that_was_not_left_after_all_is_guarded_again() {
    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::ColdTransfer)).remove(0);
    desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    let effects = desk.wait(Millis::seconds(20));
    assert_eq!(registered(&effects), [CallSid::numbered(200)]);
    let wanted = [
        ToDesktop::NeutraliseExitFlag { reservation: wr(1) },
        ToDesktop::ClearExitFlag { reservation: wr(1), leg: CallSid::numbered(200) },
    ];
    assert!(wanted.iter().all(|effect| desktop(&effects).contains(effect)), "{effects:?}");
}

#[test]
fn a_call_that_was_left_is_not_guarded_again() {
    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::ColdTransfer)).remove(0);
    desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    desk.task(task(1, ReservationStatus::Wrapping));
    assert!(desktop(&desk.wait(Millis::seconds(20))).is_empty());
}

#[test]
fn signing_out_leaves_every_call() {
    let mut desk = Desk::on_a_call();
    desk.task(task(2, ReservationStatus::Accepted));
    desk.task(task(3, ReservationStatus::Wrapping));
    let mut effects = desk.leave(None, GracefulReason::SignOut);
    for reservation in [wr(1), wr(2)] {
        let [(id, Request::Graceful(mark))] = &posts(&effects)[..] else { panic!("{effects:?}") };
        assert_eq!((&mark.reservation, mark.reason), (&reservation, GracefulReason::SignOut));
        effects = desk.handle(Event::Reply { id: *id, result: Ok(Answer::Accepted) });
    }
    assert!(posts(&effects).is_empty());
}

#[test]
fn leaving_what_is_no_call_goes_on_at_once() {
    let mut desk = Desk::idle();
    let effects = desk.leave(Some(9), GracefulReason::HangUp);
    assert_eq!(desktop(&effects), [ToDesktop::Let { request: RequestId(1) }]);
    assert!(posts(&effects).is_empty());
}
