use crate::desk::*;

/// Flex may have set the flag before the plugin was up, and the server, which clears it, may be down.
#[test]
fn the_next_page_lets_the_call_outlive_the_leg_that_stands() {
    let accepted = || vec![task(1, ReservationStatus::Accepted)];
    let (mut desk, _) = Desk::started(accepted(), &[1]);
    assert!(desktop(&desk.handle(conference(1, both()))).contains(&clear(200)));
    assert!(!desktop(&desk.handle(conference(1, both()))).contains(&clear(200)), "once");
    // Nobody would look after a customer whom the server does not know.
    let (mut desk, _) = Desk::started(accepted(), &[]);
    assert!(!desktop(&desk.handle(conference(1, both()))).contains(&clear(200)));
    // Where another page acts, the call is that page's.
    let (mut desk, _) = Desk::waiting(accepted(), &[1]);
    assert!(!desktop(&desk.handle(conference(1, both()))).contains(&clear(200)));
}

#[test]
fn a_leg_stands_after_the_page_as_long_as_the_server_looks_after_the_call() {
    let mut desk = Desk::idle();
    assert!(keeps(&desk.task(live(200))).is_empty());
    let effects = desk.handle(conference(1, both()));
    let (id, _) = posts(&effects)[0];
    assert!(keeps(&effects).is_empty(), "the server does not know yet");
    assert_eq!(keeps(&desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) })), [true]);
    assert!(keeps(&desk.task(live(200))).is_empty(), "said once");
    assert_eq!(keeps(&desk.leave(Some(1), GracefulReason::HangUp)), [false]);

    let mut desk = Desk::on_a_call();
    assert_eq!(keeps(&desk.task(task(1, ReservationStatus::Accepted))), [false], "the call is gone");
}

#[test]
fn a_leg_stands_only_where_it_is_wanted() {
    let mut desk = Desk::started(vec![], &[]).0;
    let id = desk.hello.take().expect("hello");
    desk.handle(Event::Reply { id, result: Ok(Answer::Hello(HelloReply::default())) });
    desk.task(live(200));
    let (id, _) = posts(&desk.handle(conference(1, both())))[0];
    assert!(keeps(&desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) })).is_empty());
    assert!(goodbyes(&desk.handle(page_hide())).is_empty());
}

#[test]
fn a_flex_without_in_place_support_is_reported_once() {
    for (joinable, keepable) in [(true, false), (false, true)] {
        let mut desk = Desk::idle();
        let facts = TaskFacts { joinable, keepable, ..live(200) };
        desk.task(facts.clone());
        let (id, _) = posts(&desk.handle(conference(1, both())))[0];
        let effects = desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
        assert_eq!(desktop(&effects), [ToDesktop::Log { notice: Complaint::NotInPlace }]);
        assert!(desktop(&desk.task(facts)).is_empty());
        assert!(goodbyes(&desk.handle(page_hide())).is_empty());
    }
}

#[test]
fn a_page_says_goodbye_once_for_the_calls_it_leaves_standing() {
    let mut desk = Desk::on_a_call();
    desk.task(task(2, ReservationStatus::Wrapping));
    let goodbye = Goodbye { epoch: 7, tasks: vec![TaskSid::numbered(1)] };
    assert_eq!(goodbyes(&desk.handle(page_hide())), [goodbye]);
    assert!(goodbyes(&desk.handle(page_hide())).is_empty());

    for (reservation, reason) in [(Some(1), GracefulReason::HangUp), (None, GracefulReason::SignOut)] {
        let mut desk = Desk::on_a_call();
        desk.leave(reservation, reason);
        assert!(goodbyes(&desk.handle(page_hide())).is_empty(), "{reason:?}");
    }
    assert!(goodbyes(&Desk::idle().handle(page_hide())).is_empty());
}

#[test]
fn the_hello_says_whether_the_old_leg_stands() {
    let (mut desk, effects) = Desk::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
    assert_eq!(desk.dialog, Some(Dialog::Checking), "the dialog does not wait");
    assert!(posts(&effects).is_empty(), "the conference is not known yet");
    desk.wait(Millis(2_500)); // Flex asks TaskRouter for it by two requests, one after the other
    let effects = desk.handle(conference(1, both()));
    assert!(holdings(&effects)[0].can_join);
    desk.greeted(vec![]);
    assert!(posts(&desk.wait(Millis::seconds(5))).is_empty(), "one hello");
}

#[test]
fn the_wait_for_the_conference_is_bounded() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
    assert!(posts(&desk.handle(conference(1, vec![leg(100, LegKind::Customer, false, 1)]))).is_empty());
    desk.task(ping(8)); // another question to the server waits, too
    assert!(posts(&desk.wait(Millis(2_999))).is_empty());
    let effects = desk.wait(Millis(1));
    assert_eq!(
        holdings(&effects).iter().map(|h| (h.wrapping, h.can_join)).collect::<Vec<_>>(),
        [(false, false)]
    );
}

#[test]
fn a_leg_that_falls_is_no_longer_looked_for() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
    let effects = desk.task(task(1, ReservationStatus::Wrapping));
    assert_eq!(
        holdings(&effects).iter().map(|h| (h.wrapping, h.can_join)).collect::<Vec<_>>(),
        [(true, false)]
    );
}

#[test]
fn a_reservation_without_a_leg_to_find_is_asked_about_at_once() {
    let mut older_flex = task(1, ReservationStatus::Accepted);
    older_flex.joinable = false;
    for facts in [task(1, ReservationStatus::Wrapping), older_flex] {
        assert!(!holdings(&Desk::started(vec![facts], &[1]).1)[0].can_join);
    }
}

#[test]
fn an_agent_is_put_back_in_place() {
    let mut desk = Desk::joining();
    assert_eq!(desk.dialog, Some(Dialog::InPlace));
    assert!(matches!(desk.complete(1), ToDesktop::Refuse { .. }));
    assert!(registered(&desk.handle(with_the_new_leg())).is_empty());
    assert_eq!(registered(&desk.task(live(201))), [CallSid::numbered(201)]);
    let effects = desk.handle(joined());
    assert_eq!(desktop(&effects), [ToDesktop::Select { reservation: wr(1) }, clear(201)]);
    assert!(desk.handle(without_the_ghost()).is_empty(), "the old leg is Flex's to close");
    desk.pushed(Stage::Rejoined);
    assert_eq!(desk.dialog, Some(Dialog::Rejoined));
    assert!(posts(&desk.wait(Millis::seconds(20))).is_empty());
    assert_eq!(desk.dialog, None);
}

/// Nothing else reports it in time: the dialog stood in the agent's way during the talk.
#[test]
fn a_page_without_a_push_channel_asks_once_it_has_joined() {
    for up in [true, false] {
        let mut desk = Desk::joining();
        desk.handle(Event::PushState { up });
        desk.handle(with_the_new_leg());
        desk.task(live(201));
        desk.handle(joined());
        desk.wait(Millis::seconds(1));
        assert_eq!(desk.hello.is_none(), up);
        if !up {
            desk.greeted(vec![view(Stage::Rejoined)]);
            assert_eq!(desk.dialog, Some(Dialog::Rejoined));
        }
    }
}

/// No message of the server arrives any more: the dialog stood in the agent's way during the talk.
#[test]
fn an_agent_whose_new_leg_is_registered_is_back() {
    let mut desk = Desk::joining();
    desk.handle(with_the_new_leg());
    let (id, _) = posts(&desk.task(live(201))).remove(0);
    assert_eq!(desk.dialog, Some(Dialog::InPlace));
    desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    assert_eq!(desk.dialog, Some(Dialog::Rejoined));
    // Unless the server has decided otherwise before.
    desk.pushed(Stage::Requeueing);
    assert_eq!(desk.dialog, Some(Dialog::Reconnecting));
}

#[test]
fn the_news_may_come_in_any_order() {
    let news = [with_the_new_leg(), joined(), Event::Desktop(FromDesktop::TaskChanged(live(201)))];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut desk = Desk::joining();
        let effects: Vec<_> = order.iter().flat_map(|n| desk.handle(news[*n].clone())).collect();
        assert_eq!(registered(&effects), [CallSid::numbered(201)], "{order:?}");
        let told = desktop(&effects);
        assert_eq!(told.iter().filter(|effect| **effect == clear(201)).count(), 1, "{order:?}: {told:?}");
        assert!(told.contains(&ToDesktop::Select { reservation: wr(1) }), "{order:?}: {told:?}");
        assert!(holding_calls(&mut desk).is_empty(), "{order:?}: the call is this page's");
    }
}

/// The holdings of a hello sent now.
fn holding_calls(desk: &mut Desk) -> Vec<Holding> {
    desk.wait(Millis::seconds(2));
    let mut unknown = ping(9);
    unknown.attributes.rejoin_recovery_id = Some(RecoveryId::numbered(9));
    holdings(&desk.task(unknown))
}

#[test]
fn a_join_waits_for_server_and_phone() {
    let mut desk = Desk::new(&[1]);
    desk.start(vec![task(1, ReservationStatus::Accepted)], false);
    desk.handle(conference(1, both()));
    assert!(
        !desktop(&desk.pushed(Stage::InPlace)).contains(&join()),
        "the server has not heard of this page"
    );
    assert!(!desktop(&desk.greeted(vec![view(Stage::InPlace)])).contains(&join()));
    // If the page ended during the join, Flex's new leg would end the conference for all.
    assert_eq!(desktop(&desk.phone(true)), [join(), ToDesktop::KeepLegs { keep: true }]);
    assert!(desktop(&desk.phone(false)).is_empty());
    assert!(desktop(&desk.phone(true)).is_empty(), "once");
}

#[test]
fn nothing_is_joined_unless_the_server_says_so() {
    for stage in [Stage::Interrupted, Stage::Requeueing, Stage::Queued, Stage::Covered] {
        let effects = Desk::back().greeted(vec![view(stage.clone())]);
        assert!(!desktop(&effects).contains(&join()), "{stage:?}");
    }
    assert!(!desktop(&Desk::back().greeted(vec![])).contains(&join()));
}

#[test]
fn a_failed_join_is_undone_and_reported_at_once() {
    let mut desk = Desk::joining();
    let effects = desk.handle(join_failed());
    assert_eq!(desktop(&effects), [clear(200), ToDesktop::KeepLegs { keep: false }]);
    assert_eq!(
        holdings(&effects).iter().map(|h| (h.wrapping, h.can_join)).collect::<Vec<_>>(),
        [(false, false)]
    );
    assert!(!desktop(&desk.greeted(vec![view(Stage::InPlace)])).contains(&join()), "it is tried once");
    desk.pushed(Stage::Requeueing);
    assert_eq!(desk.dialog, Some(Dialog::Reconnecting));
    desk.task(task(1, ReservationStatus::Wrapping));
    let effects = desktop(&desk.task(reconnect(2, Some(me()))));
    assert!(effects.contains(&ToDesktop::Accept { reservation: wr(2) }), "{effects:?}");
}

#[test]
fn a_join_may_take_six_seconds() {
    let mut desk = Desk::joining();
    assert!(posts(&desk.wait(Millis(5_999))).is_empty());
    let effects = desk.wait(Millis(1));
    assert!(!holdings(&effects)[0].can_join);
    assert!(desktop(&effects).contains(&clear(200)));
    desk.greeted(vec![view(Stage::Requeueing)]);
    // The join fails after all, and Flex makes the conference end with the old leg once more.
    let effects = desk.handle(join_failed());
    assert_eq!(desktop(&effects), [clear(200)]);
    assert!(posts(&effects).is_empty());
}

#[test]
fn a_join_that_works_after_all_is_registered() {
    let mut desk = Desk::joining();
    desk.wait(Millis::seconds(6));
    desk.handle(with_the_new_leg());
    assert_eq!(registered(&desk.task(live(201))), [CallSid::numbered(201)]);
    assert!(desktop(&desk.handle(joined())).contains(&clear(201)));
}

#[test]
fn a_join_that_fails_when_the_new_leg_is_in_has_worked() {
    let mut desk = Desk::joining();
    desk.handle(with_the_new_leg());
    desk.task(live(201));
    let effects = desk.handle(join_failed());
    assert_eq!(desktop(&effects), [clear(200), clear(201)]);
    assert!(posts(&effects).is_empty());
}

#[test]
fn when_the_old_leg_falls_during_a_join_the_page_does_nothing() {
    let mut desk = Desk::joining();
    let mut legs = both();
    legs[1].joined = false;
    desk.handle(conference(1, legs));
    assert!(posts(&desk.task(task(1, ReservationStatus::Wrapping))).is_empty());
    assert!(!desk.timers.contains_key(&Timer::Join(wr(1))));
    desk.pushed(Stage::Requeueing);
    assert_eq!(desk.dialog, Some(Dialog::Reconnecting));
    assert!(desk.handle(join_failed()).is_empty());
}

#[test]
fn a_join_ends_when_the_server_goes_on_to_the_second_rung() {
    for stage in [Stage::Interrupted, Stage::Requeueing] {
        let mut desk = Desk::joining();
        desk.pushed(stage.clone());
        assert!(desk.dialog.as_ref().is_some_and(|dialog| *dialog != Dialog::InPlace));
        assert!(!desk.timers.contains_key(&Timer::Join(wr(1))));
        let effects = desk.handle(join_failed());
        assert_eq!(desktop(&effects), [clear(200)], "{stage:?}");
        assert!(posts(&effects).is_empty(), "{stage:?}");
    }
}

#[test]
fn a_call_that_was_joined_again_stands_again() {
    let mut desk = Desk::joining();
    desk.handle(with_the_new_leg());
    let effects = desk.task(live(201));
    let (id, _) = posts(&effects)[0];
    assert!(keeps(&effects).is_empty(), "it stood while it was joined, and goes on to");
    assert!(keeps(&desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) })).is_empty());
    assert_eq!(goodbyes(&desk.handle(page_hide())).len(), 1);
    // It ends in a living page like any other call.
    let effects = desk.task(task(1, ReservationStatus::Wrapping));
    assert!(effects.contains(&Effect::Unstore { reservation: wr(1) }));
}

#[test]
fn a_page_that_ends_while_it_joins_leaves_the_new_leg_standing_too() {
    let mut desk = Desk::joining();
    desk.handle(with_the_new_leg());
    desk.task(live(201));
    assert_eq!(goodbyes(&desk.handle(page_hide())).len(), 1);
}

#[test]
fn the_ghost_is_not_counted_when_the_agent_hangs_up() {
    let mut desk = Desk::joining();
    desk.handle(with_the_new_leg());
    let (id, _) = posts(&desk.task(live(201))).remove(0);
    desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0);
    let effects = desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    assert!(desktop(&effects).contains(&ToDesktop::SetExitFlag { reservation: wr(1), value: true }));
}

#[test]
fn mute_follows_the_agent_into_the_next_page() {
    let stores = |muted| Effect::Store(StoredCall { reservation: wr(1), muted });
    let mut desk = Desk::on_a_call();
    let muted = |leg| TaskFacts { muted: true, ..live(leg) };
    assert_eq!(desk.task(muted(200)), [stores(true)]);
    assert!(desk.task(muted(200)).is_empty());
    assert_eq!(desk.task(live(200)), [stores(false)]);

    let agent = Agent::new(Config::new(SERVER), 8, vec![StoredCall { reservation: wr(1), muted: true }]);
    let mut desk = Desk { agent, ..Desk::new(&[]) };
    desk.start(vec![task(1, ReservationStatus::Accepted)], true);
    desk.handle(conference(1, both()));
    desk.greeted(vec![view(Stage::InPlace)]);
    desk.handle(with_the_new_leg());
    let effects = desk.task(live(201));
    assert!(desktop(&effects).contains(&ToDesktop::Mute {}), "as soon as there is a microphone to be heard");
    assert!(effects.contains(&stores(true)));
    assert!(desk.task(muted(201)).is_empty());
    assert!(!desktop(&desk.handle(joined())).contains(&ToDesktop::Mute {}), "once");
}

/// The Flex of another tab may have set the old leg's flag again while this one joins.
#[test]
fn while_it_joins_flags_that_were_cleared_are_cleared_again() {
    let mut desk = Desk::new(&[1]);
    desk.start(vec![task(1, ReservationStatus::Accepted)], true);
    desk.handle(conference(1, both()));
    assert!(desktop(&desk.greeted(vec![view(Stage::InPlace)])).contains(&join()));
    let agent = &mut desk.agent;
    assert!(agent.flags_to_clear(&wr(1), "old").is_empty());
    assert_eq!(agent.flags_to_clear(&wr(1), "new"), ["old"]);
    assert_eq!(agent.flags_to_clear(&wr(1), "newer"), ["old", "new"]);
    assert!(agent.flags_to_clear(&wr(7), "other").is_empty(), "of no call that is known");
}

/// The old leg falls while the page joins beside it: the reservation wraps up, and the agent is on the call.
#[test]
fn a_joined_leg_is_registered_although_the_reservation_wraps_up() {
    for (seconds, repeated) in [(899, true), (900, false)] {
        let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
        desk.handle(conference(1, both()));
        desk.greeted(vec![view(Stage::InPlace)]);
        desk.task(task(1, ReservationStatus::Wrapping));
        desk.handle(without_the_ghost());
        let wrapping = TaskFacts { status: ReservationStatus::Wrapping, live_call: false, ..live(201) };
        let effects = desk.task(wrapping.clone());
        assert_eq!(registered(&effects), [CallSid::numbered(201)]);

        // And again when the agent completes the task during the call: the server may not know who has the customer.
        let made = desk.now;
        desk.handle(Event::Reply { id: posts(&effects)[0].0, result: Err(PostError::Status(503)) });
        desk.task(TaskFacts { status: ReservationStatus::Over, ..wrapping });
        desk.now = made + Millis::seconds(seconds);
        let again = desk.handle(Event::Timer(Timer::Outbox));
        assert_eq!(!registered(&again).is_empty(), repeated, "after {seconds} s");
    }
}

/// An agent who leaves on purpose has no call to register.
#[test]
fn a_call_that_is_left_and_over_is_no_longer_registered() {
    let mut desk = Desk::idle();
    desk.task(live(200));
    let first = desk.handle(conference(1, both()));
    assert_eq!(registered(&first), [CallSid::numbered(200)]);
    desk.leave(Some(1), GracefulReason::HangUp);
    desk.task(task(1, ReservationStatus::Over));
    let second = desk.handle(Event::Reply { id: posts(&first)[0].0, result: Err(PostError::Status(503)) });
    let again = [second, desk.wait(Millis::seconds(1))].concat();
    assert_eq!(registered(&again), []);
    assert!(posts(&again).iter().any(|(_, request)| matches!(request, Request::Graceful(_))), "{again:?}");
}
