use crate::desk::*;

#[test]
fn a_call_is_accepted_with_our_callback() {
    let mut desk = Desk::idle();
    let request = RequestId(1);
    let facts = task(1, ReservationStatus::Pending);
    let effects =
        desk.handle(Event::Desktop(FromDesktop::BeforeAccept { request, task: facts, callback: None }));
    let options = ConferenceOptions {
        conference_status_callback: format!(
            "{SERVER}/webhooks/conference?worker={}&reservation={}#{}",
            me(),
            wr(1),
            rejoin_protocol::overrides::CALLBACKS
        ),
        conference_status_callback_method: "POST",
        conference_status_callback_event: "start,end,join,leave,modify,hold,announcement",
        end_conference_on_exit: false,
    };
    assert_eq!(
        desktop(&effects),
        [
            ToDesktop::NeutraliseExitFlag { reservation: wr(1) },
            ToDesktop::AttachConferenceOptions { request, options }
        ]
    );
}

#[test]
fn a_callback_without_overrides_ends_with_the_reservation() {
    let mut desk = Desk::with(Config { retry_callbacks: false, ..Config::new(SERVER) });
    desk.start(vec![], true);
    let facts = task(1, ReservationStatus::Pending);
    let event = FromDesktop::BeforeAccept { request: RequestId(1), task: facts, callback: None };
    let effects = desktop(&desk.handle(Event::Desktop(event)));
    let options = effects.iter().find_map(|effect| match effect {
        ToDesktop::AttachConferenceOptions { options, .. } => Some(options),
        _ => None,
    });
    assert!(options.expect("options").conference_status_callback.ends_with(wr(1).as_str()));
}

#[test]
fn somebody_elses_callback_stays_and_the_call_is_left_alone() {
    let mut desk = Desk::idle();
    for (number, complaints) in [(1, 1), (2, 0)] {
        let event = FromDesktop::BeforeAccept {
            request: RequestId(1),
            task: task(number, ReservationStatus::Pending),
            callback: Some("https://other.example/events".into()),
        };
        let effects = desktop(&desk.handle(Event::Desktop(event)));
        assert!(effects.contains(&ToDesktop::Let { request: RequestId(1) }), "{effects:?}");
        assert_eq!(effects.len(), 1 + complaints, "{effects:?}");
        assert!(desk.task(task(number, ReservationStatus::Accepted)).is_empty());
        assert!(desk.handle(conference(number, both())).is_empty());
    }
}

#[test]
fn other_tasks_and_other_phones_are_accepted_as_ever() {
    let mut chat = task(1, ReservationStatus::Pending);
    chat.voice = false;
    let mut elsewhere = task(2, ReservationStatus::Pending);
    elsewhere.contact_uri = Some("+15550001111".into());
    for facts in [chat, elsewhere] {
        let mut desk = Desk::idle();
        let event = FromDesktop::BeforeAccept { request: RequestId(1), task: facts, callback: None };
        assert_eq!(desktop(&desk.handle(Event::Desktop(event))), [ToDesktop::Let { request: RequestId(1) }]);
    }
}

#[test]
fn a_call_is_registered_once_when_both_legs_are_known() {
    let mut desk = Desk::idle();
    let effects = desktop(&desk.task(live(200)));
    assert!(effects.contains(&ToDesktop::NeutraliseExitFlag { reservation: wr(1) }), "{effects:?}");
    assert!(posts(&desk.handle(conference(1, vec![leg(200, LegKind::Worker, true, 1)]))).is_empty());
    let effects = desk.handle(conference(1, both()));
    let [(id, Request::Register(registration))] = &posts(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(registration.worker_leg, CallSid::numbered(200));
    assert_eq!(registration.customer_leg, CallSid::numbered(100));
    assert_eq!((registration.epoch, registration.worker_name.as_str()), (7, "Ada"));
    assert!(effects.contains(&Effect::Store(StoredCall { reservation: wr(1), muted: false })), "{effects:?}");
    assert!(posts(&desk.handle(conference(1, both()))).is_empty());
    assert!(
        desk.handle(Event::Reply { id: *id, result: Ok(Answer::Accepted) })
            .iter()
            .all(|effect| { !matches!(effect, Effect::Store(_)) })
    );
}

#[test]
fn a_leg_that_an_earlier_page_left_behind_is_not_registered() {
    let (mut page, _) = Desk::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
    assert!(registered(&page.handle(conference(1, both()))).is_empty());
    page.greeted(vec![]);
    assert!(registered(&page.task(live(201))).is_empty(), "the ghost is not this page's leg");
    // The ghost has changed more often by now, but it is still the older leg.
    let mut legs = both();
    legs.push(leg(201, LegKind::Worker, true, 1));
    assert_eq!(registered(&page.handle(conference(1, legs))), [CallSid::numbered(201)]);
}

/// The call was accepted here, and all phones of the agent ring: one in another browser answered first.
#[test]
fn a_call_that_rings_in_another_page_is_not_registered() {
    let accepted = || task(1, ReservationStatus::Accepted);
    let with_another_call = TaskFacts { own_leg: Some(CallSid::numbered(201)), ..accepted() };
    for facts in [accepted(), with_another_call] {
        let mut desk = Desk::idle();
        desk.task(task(1, ReservationStatus::Pending));
        desk.task(facts);
        assert!(registered(&desk.handle(conference(1, both()))).is_empty(), "that page says goodbye for it");
        assert_eq!(registered(&desk.task(live(200))), [CallSid::numbered(200)], "it was this page's phone");
    }
}

#[test]
fn the_youngest_own_leg_and_the_named_customer_count() {
    let mut desk = Desk::idle();
    desk.task(TaskFacts { own_leg: None, ..live(200) });
    let mut old = leg(201, LegKind::Worker, true, 9);
    old.joined = false;
    let legs = vec![
        leg(101, LegKind::Customer, false, 1),
        leg(100, LegKind::Customer, false, 2),
        leg(202, LegKind::Worker, true, 3),
        leg(200, LegKind::Worker, true, 4),
        leg(300, LegKind::Worker, false, 8),
        old,
    ];
    let effects = desk.handle(conference(1, legs));
    let [(_, Request::Register(registration))] = &posts(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(registration.worker_leg, CallSid::numbered(200));
    assert_eq!(registration.customer_leg, CallSid::numbered(100));
}

#[test]
fn a_registration_is_repeated_until_it_gets_through() {
    let mut desk = Desk::idle();
    desk.task(live(200));
    let (mut id, first) = posts(&desk.handle(conference(1, both()))).remove(0);
    let mut sent = vec![];
    for _ in 0..4 {
        desk.handle(Event::Reply { id, result: Err(PostError::Status(503)) });
        let started = desk.now;
        while sent.len() < 100 {
            let again = posts(&desk.wait(Millis(100)));
            if !again.is_empty() {
                assert_eq!(again.len(), 1);
                assert_eq!(again[0].1, first);
                id = again[0].0;
                break;
            }
        }
        sent.push((desk.now - started).0);
    }
    assert_eq!(sent, [1000, 2000, 4000, 8000]);
    desk.handle(Event::Reply { id, result: Err(PostError::Unreachable) });
    desk.task(task(1, ReservationStatus::Wrapping));
    assert!(posts(&desk.wait(Millis::seconds(60))).is_empty(), "the call is over");
}

#[test]
fn a_call_with_a_new_leg_is_registered_again() {
    let mut desk = Desk::on_a_call();
    let mut legs = both();
    legs.push(leg(201, LegKind::Worker, true, 5));
    assert!(registered(&desk.handle(conference(1, legs))).is_empty(), "it may be another device's");
    assert_eq!(registered(&desk.task(live(201))), [CallSid::numbered(201)]);
}

#[test]
fn a_call_that_ends_in_a_living_page_leaves_no_mark() {
    let mut desk = Desk::on_a_call();
    assert_eq!(
        desk.task(task(1, ReservationStatus::Wrapping)),
        [
            Effect::Unstore { reservation: wr(1) },
            Effect::Desktop(ToDesktop::KeepLegs { keep: false }),
            Effect::Desktop(ToDesktop::PromptOnLeave { on: false })
        ]
    );
    // A leg that was lost with an earlier page keeps its mark until the reservation is over.
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
    assert!(
        !desk.task(task(1, ReservationStatus::Wrapping)).contains(&Effect::Unstore { reservation: wr(1) })
    );
    assert!(desk.task(task(1, ReservationStatus::Over)).contains(&Effect::Unstore { reservation: wr(1) }));
}
