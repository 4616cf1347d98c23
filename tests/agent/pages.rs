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
fn a_page_that_waits_does_not_claim_the_other_pages_call() {
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
    desk.agent.remember(vec![StoredCall { reservation: wr(1), muted: true }]);
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
    assert!(
        desktop(&effects).contains(&ToDesktop::Mute {}),
        "the agent was muted in the other page: {effects:?}"
    );
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
fn an_offer_that_came_meanwhile_is_accepted_once_the_page_acts() {
    let (mut desk, _) = Desk::waiting(vec![ping(5)], &[]);
    desk.elect();
    desk.wait(Millis::seconds(1));
    let effects = desk.greeted(vec![view(Stage::Interrupted)]);
    assert!(desktop(&effects).contains(&ToDesktop::AcceptPing { reservation: wr(5) }), "{effects:?}");
}

/// The other page's turn has come, and the page that had the call has been reloaded meanwhile. Either of the two
/// phones may answer.
#[test]
fn a_leg_that_is_joined_may_ring_in_either_page() {
    for (here, early) in [(true, false), (true, true), (false, false), (false, true)] {
        let accepted = || vec![task(1, ReservationStatus::Accepted)];
        let (mut acting, _) = Desk::waiting(accepted(), &[]);
        acting.handle(conference(1, both()));
        acting.agent.remember(vec![StoredCall { reservation: wr(1), muted: true }]);
        acting.elect();
        acting.wait(Millis::seconds(1));
        assert!(desktop(&acting.greeted(vec![view(Stage::InPlace)])).contains(&join()));
        let agent = Agent::new(Config::new(SERVER), 9, vec![StoredCall { reservation: wr(1), muted: true }]);
        let mut anew = Desk { agent, ..Desk::new(&[]) };
        anew.handle(Event::Desktop(started(accepted(), true, true)));
        let mut effects = [acting.handle(with_the_new_leg()), anew.handle(with_the_new_leg())].concat();
        assert!(registered(&effects).is_empty(), "no page has it yet");

        let (has, other) = if here { (&mut acting, &mut anew) } else { (&mut anew, &mut acting) };
        let told = has.task(live(201));
        assert!(desktop(&told).contains(&ToDesktop::Mute {}), "{told:?}");
        assert_eq!(told.contains(&Effect::TakeLock), !here, "the page with the call is to act");
        effects = told;
        if !here {
            effects.extend(has.handle(Event::Elected { taken: true, epoch: 10 }));
            other.handle(Event::Deposed);
        }
        let mut last = None;
        while let Some((id, Request::Register(registration))) =
            posts(&effects).into_iter().find(|(_, request)| matches!(request, Request::Register(_)))
        {
            effects = has.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
            last = Some((registration.worker_leg, registration.epoch));
        }
        assert_eq!(last, Some((CallSid::numbered(201), if here { 8 } else { 10 })));

        // The recovery may be over before Flex reports that it has joined.
        if early {
            acting.handle(without_the_ghost());
        }
        if early && here {
            acting.pushed(Stage::Rejoined);
        }
        let told = desktop(&acting.handle(joined()));
        assert!(told.contains(&clear(201)), "the call must not end with the new leg: {told:?}");
        assert_eq!(told.contains(&ToDesktop::Select { reservation: wr(1) }), here);
        if !early && here {
            acting.pushed(Stage::Rejoined);
        }
        for desk in [&mut acting, &mut anew] {
            let effects = desk.handle(without_the_ghost());
            assert!(!desktop(&effects).contains(&join()));
        }
        let (has, other) = if here { (&mut acting, &mut anew) } else { (&mut anew, &mut acting) };
        if has.hello.is_some() {
            has.greeted(vec![view(Stage::Rejoined)]);
        }
        has.wait(Millis::seconds(20));
        assert_eq!((&has.dialog, &other.dialog), (&None, &None));
        assert_eq!(goodbyes(&has.handle(page_hide())).len(), 1, "the next page can join again");
        assert!(goodbyes(&other.handle(page_hide())).is_empty());
    }
}

#[test]
fn a_page_joins_again_when_its_turn_has_come_again() {
    let (mut desk, _) = Desk::waiting(vec![task(1, ReservationStatus::Accepted)], &[]);
    desk.handle(conference(1, both()));
    desk.elect();
    desk.wait(Millis::seconds(1));
    desk.greeted(vec![view(Stage::InPlace)]);
    desk.handle(with_the_new_leg());
    desk.handle(Event::Deposed);
    desk.handle(joined());
    desk.handle(without_the_ghost());
    desk.handle(Event::Elected { taken: false, epoch: 11 });
    assert!(holdings(&desk.wait(Millis::seconds(1)))[0].can_join);
    let again = RecoveryView { id: RecoveryId::numbered(2), ..view(Stage::InPlace) };
    let effects = desk.greeted(vec![again]);
    assert!(desktop(&effects).contains(&join()), "{effects:?}");
}

/// Another page had the agent's next call, and is gone. The server has not answered this one yet.
#[test]
fn a_page_whose_turn_has_come_again_does_not_show_what_it_heard_before() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    desk.greeted(vec![view(Stage::WaitingForOther)]);
    desk.handle(Event::Deposed);
    let shows = |effects: &[Effect], dialog| effects.contains(&Effect::Dialog(Some(dialog)));
    let effects = desk.handle(Event::Elected { taken: false, epoch: 11 });
    assert!(shows(&effects, Dialog::Checking), "{effects:?}");
    desk.wait(Millis::seconds(1));
    let effects = desk.greeted(vec![view(Stage::WaitingForOther)]);
    assert!(shows(&effects, Dialog::WaitingForOther), "{effects:?}");
}

#[test]
fn a_call_that_rang_before_the_plugin_was_up_is_taken_over_and_muted_as_before() {
    let agent = Agent::new(Config::new(SERVER), 9, vec![StoredCall { reservation: wr(1), muted: true }]);
    let mut desk = Desk { agent, ..Desk::new(&[]) };
    let effects = desk.handle(Event::Desktop(started(vec![live(201)], true, true)));
    assert!(effects.contains(&Effect::TakeLock), "{effects:?}");
    assert!(desktop(&effects).contains(&ToDesktop::Mute {}), "{effects:?}");
    assert!(registered(&desk.handle(conference(1, both()))).is_empty(), "the ghost is not this page's leg");
    assert_eq!(registered(&desk.handle(with_the_new_leg())), [CallSid::numbered(201)]);
}
