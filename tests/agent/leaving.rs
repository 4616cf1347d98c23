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
    // It is retried in the background, as long as the task exists.
    assert_eq!(posts(&desk.wait(Millis::seconds(1))).len(), 1);
}

#[test]
fn flex_waits_a_second_and_a_half_at_most() {
    for answered in [false, true] {
        let mut desk = Desk::on_a_call();
        let (id, _) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0);
        if answered {
            desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
        }
        assert!(desktop(&desk.wait(Millis(749))).is_empty());
        let effects = desktop(&desk.wait(Millis(1)));
        assert_eq!(effects.contains(&ToDesktop::SetExitFlag { reservation: wr(1), value: true }), !answered);
        assert!(desktop(&desk.wait(Millis(749))).is_empty());
        assert_eq!(desktop(&desk.wait(Millis(1))), [ToDesktop::Let { request: RequestId(1) }]);
    }
}

/// The marks written into the tasks of these calls.
fn written(effects: &[Effect]) -> Vec<(ReservationSid, Option<GracefulReason>)> {
    let written = desktop(effects).into_iter().filter_map(|effect| match effect {
        ToDesktop::MarkTask { reservation, mark } => Some((reservation, mark.map(|mark| mark.reason))),
        _ => None,
    });
    written.collect()
}

fn task_marked() -> Event {
    Event::Desktop(FromDesktop::TaskMarked { reservation: wr(1) })
}

fn flag_settled() -> Event {
    Event::Desktop(FromDesktop::ExitFlagSettled { reservation: wr(1) })
}

#[test]
fn what_the_server_does_not_answer_is_written_into_the_task() {
    for refused in [false, true] {
        let mut desk = Desk::on_a_call();
        let (id, Request::Graceful(mark)) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0)
        else {
            panic!("a mark")
        };
        let effects = if refused {
            desk.handle(Event::Reply { id, result: Err(PostError::Unreachable) })
        } else {
            assert!(desktop(&desk.wait(Millis(749))).is_empty(), "it may still be answered");
            desk.wait(Millis(1))
        };
        let writes = ToDesktop::MarkTask { reservation: wr(1), mark: Some(mark) };
        assert!(desktop(&effects).contains(&writes), "{effects:?}");
        for (first, second) in [(task_marked(), flag_settled()), (flag_settled(), task_marked())] {
            let mut desk = Desk { agent: desk.agent.clone(), ..Desk::idle() };
            assert!(desktop(&desk.handle(first)).is_empty(), "both are waited for");
            assert_eq!(desktop(&desk.handle(second)), [ToDesktop::Let { request: RequestId(1) }]);
        }
    }
}

#[test]
fn what_the_server_has_is_not_written_into_the_task() {
    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0);
    let mut effects = desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    effects.extend(desk.wait(Millis::seconds(20)));
    assert_eq!(written(&effects), []);
}

#[test]
fn of_several_calls_only_what_the_server_does_not_have_is_written() {
    let mut desk = Desk::on_a_call();
    desk.task(task(2, ReservationStatus::Accepted));
    let (id, _) = posts(&desk.leave(None, GracefulReason::SignOut)).remove(0);
    desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    let effects = desk.wait(Millis(750));
    assert_eq!(written(&effects), [(wr(2), Some(GracefulReason::SignOut))]);
}

#[test]
fn a_call_that_was_not_left_after_all_is_not_marked_in_its_task_either() {
    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::ColdTransfer)).remove(0);
    let effects = desk.handle(Event::Reply { id, result: Err(PostError::Unreachable) });
    assert_eq!(written(&effects), [(wr(1), Some(GracefulReason::ColdTransfer))]);
    assert_eq!(written(&desk.wait(Millis::seconds(20))), [(wr(1), None)]);
    assert_eq!(written(&desk.wait(Millis::seconds(20))), [], "once");
}

/// The server, which could not be told, brings the customer back.
#[test]
fn a_call_that_she_has_left_is_not_accepted_when_it_comes_back() {
    let comes_back = |desk: &mut Desk| {
        desk.pushed(Stage::Queued);
        let mut effects = desk.task(ping(8));
        effects.extend(desk.task(reconnect(9, Some(me()))));
        effects.extend(desk.wait(Millis::seconds(5)));
        let accepts =
            |effect: &ToDesktop| matches!(effect, ToDesktop::Accept { .. } | ToDesktop::AcceptPing { .. });
        desktop(&effects).iter().filter(|effect| accepts(effect)).count()
    };
    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0);
    desk.handle(Event::Reply { id, result: Err(PostError::Unreachable) });
    desk.task(task(1, ReservationStatus::Wrapping));
    assert_eq!(comes_back(&mut desk), 0);
    assert_eq!(desk.dialog, None, "and nothing is shown of it");

    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::ColdTransfer)).remove(0);
    desk.handle(Event::Reply { id, result: Err(PostError::Unreachable) });
    desk.wait(Millis::seconds(20));
    desk.task(task(1, ReservationStatus::Wrapping));
    assert_eq!(comes_back(&mut desk), 2, "the agent has stayed, and was lost later");
}

/// An agent without a network asks for a transfer. The call ends before Twilio hears of it, and the server brings the customer back:
/// to this page, or to the next one, which sends the mark.
#[test]
fn a_customer_who_was_not_transferred_is_accepted_when_they_come_back() {
    let accepted = |desk: &mut Desk| {
        desk.pushed(Stage::Queued);
        let effects = desk.task(reconnect(9, Some(me())));
        desktop(&effects).iter().any(|effect| matches!(effect, ToDesktop::Accept { .. }))
    };
    for reason in [GracefulReason::ColdTransfer, GracefulReason::WarmTransfer, GracefulReason::HangUp] {
        let transfers = reason != GracefulReason::HangUp;
        let mut desk = Desk::on_a_call();
        let kept = crate::outbox::kept(&desk.leave(Some(1), reason)).remove(0);
        desk.task(task(1, ReservationStatus::Wrapping));
        assert_eq!(accepted(&mut desk), transfers, "{reason:?}");
        let mut next = Desk::new(&[]);
        next.agent.recall(vec![kept]);
        next.start(vec![task(1, ReservationStatus::Wrapping)], true);
        assert_eq!(accepted(&mut next), transfers, "the next page, {reason:?}");
    }
}

/// Twilio connects the call before TaskRouter reports it as accepted.
#[test]
fn a_call_that_is_left_in_the_instant_after_accepting_is_marked() {
    let mut desk = Desk::idle();
    desk.task(task(1, ReservationStatus::Pending));
    let effects = desk.leave(Some(1), GracefulReason::HangUp);
    let [(_, Request::Graceful(mark))] = &posts(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!((&mark.reservation, mark.reason), (&wr(1), GracefulReason::HangUp));

    // If it is accepted after all, it is protected like any other call.
    let mut desk = Desk::idle();
    desk.task(task(1, ReservationStatus::Pending));
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0);
    desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    desk.wait(Millis::seconds(16));
    desk.task(live(200));
    assert_eq!(registered(&desk.handle(conference(1, both()))), [CallSid::numbered(200)]);
}

#[test]
fn signing_out_leaves_no_call_that_only_rings() {
    let mut desk = Desk::idle();
    desk.task(task(1, ReservationStatus::Pending));
    let effects = desk.leave(None, GracefulReason::SignOut);
    assert!(posts(&effects).is_empty(), "{effects:?}");
}

#[test]
fn a_cold_transfer_keeps_the_customer_in_the_conference() {
    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::ColdTransfer)).remove(0);
    let effects = desktop(&desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) }));
    assert!(effects.contains(&ToDesktop::Let { request: RequestId(1) }), "{effects:?}");
    let ends = |effect: &ToDesktop| matches!(effect, ToDesktop::SetExitFlag { .. });
    assert!(!effects.iter().any(ends), "{effects:?}");
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

/// Flex went on with a transfer, and TaskRouter refuses it.
fn refused_transfer() -> Desk {
    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::ColdTransfer)).remove(0);
    let effects = desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    assert!(desktop(&effects).contains(&ToDesktop::Let { request: RequestId(1) }), "{effects:?}");
    desk
}

#[test]
fn a_call_that_a_refused_transfer_did_not_leave_is_left_like_any_other() {
    let mut desk = refused_transfer();
    let effects = desk.leave(Some(1), GracefulReason::HangUp);
    let [(id, Request::Graceful(mark))] = &posts(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!((&mark.reservation, mark.reason), (&wr(1), GracefulReason::HangUp));
    let effects = desk.handle(Event::Reply { id: *id, result: Ok(Answer::Accepted) });
    let wanted = ToDesktop::SetExitFlag { reservation: wr(1), value: true };
    assert!(desktop(&effects).contains(&wanted), "{effects:?}");
}

/// The agent presses both, one after the other.
#[test]
fn a_hang_up_during_a_transfer_leaves_the_call_like_any_other() {
    let mut desk = Desk::on_a_call();
    let (transfer, _) = posts(&desk.leave(Some(1), GracefulReason::ColdTransfer)).remove(0);
    let (request, reason) = (RequestId(3), GracefulReason::HangUp);
    let hangs_up = FromDesktop::BeforeLeave { request, reservation: Some(wr(1)), reason };
    assert!(desktop(&desk.handle(Event::Desktop(hangs_up))).is_empty(), "Flex waits until it is said");
    let effects = desk.handle(Event::Reply { id: transfer, result: Ok(Answer::Accepted) });
    let [(id, Request::Graceful(mark))] = &posts(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!((&mark.reservation, mark.reason), (&wr(1), GracefulReason::HangUp));
    let effects = desk.handle(Event::Reply { id: *id, result: Ok(Answer::Accepted) });
    let wanted = ToDesktop::SetExitFlag { reservation: wr(1), value: true };
    assert!(desktop(&effects).contains(&wanted), "{effects:?}");
    let effects = desk.handle(Event::Desktop(FromDesktop::ExitFlagSettled { reservation: wr(1) }));
    assert_eq!(desktop(&effects), [ToDesktop::Let { request }]);
}

#[test]
fn a_page_that_ends_after_a_refused_transfer_leaves_its_leg_standing() {
    let mut desk = refused_transfer();
    let effects = desk.handle(page_hide());
    assert_eq!(goodbyes(&effects), [Goodbye { epoch: 7, tasks: vec![TaskSid::numbered(1)] }]);
}

#[test]
fn a_page_that_ends_during_a_hang_up_leaves_no_leg_standing() {
    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0);
    desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    desk.handle(flag_settled());
    assert_eq!(goodbyes(&desk.handle(page_hide())), []);
}

#[test]
fn a_call_that_was_left_is_not_protected_again() {
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
fn leaving_a_task_without_a_call_goes_on_at_once() {
    let mut desk = Desk::idle();
    let effects = desk.leave(Some(9), GracefulReason::HangUp);
    assert_eq!(desktop(&effects), [ToDesktop::Let { request: RequestId(1) }]);
    assert!(posts(&effects).is_empty());
}

/// The next page must know that the call was this browser's.
#[test]
fn a_transfer_keeps_the_stored_mark_until_it_is_carried_out() {
    let unstored = Effect::Unstore { reservation: wr(1) };
    for (reason, kept) in [(GracefulReason::ColdTransfer, true), (GracefulReason::HangUp, false)] {
        let mut desk = Desk::on_a_call();
        let (id, _) = posts(&desk.leave(Some(1), reason)).remove(0);
        let effects = desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
        assert_eq!(!effects.contains(&unstored), kept, "{reason:?}");
        assert!(desk.task(task(1, ReservationStatus::Wrapping)).contains(&unstored), "{reason:?}");
    }
}
