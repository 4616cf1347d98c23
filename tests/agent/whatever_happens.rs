use crate::desk::*;
use proptest::prelude::*;
use rejoin_protocol::api::{DeliveryId, GracefulMark};

fn stages() -> impl Strategy<Value = Stage> {
    prop_oneof![
        Just(Stage::Interrupted),
        Just(Stage::InPlace),
        Just(Stage::Requeueing),
        Just(Stage::Queued),
        Just(Stage::Rejoined),
        Just(Stage::WaitingForOther),
        Just(Stage::HandedOver { worker_name: None }),
        Just(Stage::Covered),
        Just(Stage::CustomerLeft),
        Just(Stage::Graceful),
        Just(Stage::Failed { reason: Failure::NotRequeued }),
    ]
}

/// The leg of this page's calls; every other leg is a ghost.
fn own_leg() -> CallSid {
    CallSid::numbered(101)
}

fn tasks() -> impl Strategy<Value = TaskFacts> {
    let status = prop_oneof![
        Just(ReservationStatus::Pending),
        Just(ReservationStatus::Accepted),
        Just(ReservationStatus::Wrapping),
        Just(ReservationStatus::Over),
    ];
    let phone = (any::<bool>(), any::<bool>());
    (1u128..5, status, 0u8..5, 1u128..3, phone).prop_map(|(number, status, kind, recovery, (live, muted))| {
        let mut facts = match kind {
            0 => ping(number),
            1 => reconnect(number, Some(me())),
            2 => reconnect(number, None),
            _ => task(number, ReservationStatus::Pending),
        };
        facts.attributes.rejoin_recovery_id = (kind < 3).then(|| RecoveryId::numbered(recovery));
        facts.status = status;
        facts.live_call = live;
        facts.muted = live && muted;
        facts.own_leg = live.then(own_leg);
        facts
    })
}

/// A call most of the time: otherwise hardly any would be registered.
fn calls() -> impl Strategy<Value = TaskFacts> {
    (1u128..5, any::<bool>()).prop_map(|(number, live)| {
        let mut facts = task(number, ReservationStatus::Accepted);
        facts.live_call = live;
        facts.answers_messages = live;
        facts.own_leg = live.then(own_leg);
        facts
    })
}

/// The conference of a call, with any of this worker's legs in it.
fn conferences() -> impl Strategy<Value = Event> {
    (1u128..5, prop::sample::subsequence(vec![100u128, 101, 102], 1..=3)).prop_map(|(number, mine)| {
        let mine = mine.into_iter().map(|call| leg(call, LegKind::Worker, true, 1));
        conference(number, mine.chain([leg(103, LegKind::Customer, false, 1)]).collect())
    })
}

fn views() -> impl Strategy<Value = RecoveryView> {
    (1u128..3, 1u128..5, stages(), prop::option::of(0u64..20_000)).prop_map(
        |(id, number, stage, remaining_ms)| {
            let id = RecoveryId::numbered(id);
            RecoveryView {
                id,
                task: TaskSid::numbered(number),
                reservation: wr(number),
                stage,
                remaining_ms,
                too_often: false,
            }
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Event(Event),
    Ask(FromDesktop),
    /// The oldest open request succeeds (hellos with these views) or fails.
    Answer(Option<Vec<RecoveryView>>, u16, bool),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    let request = RequestId(0); // numbered when it is asked
    let reason = prop_oneof![
        Just(GracefulReason::HangUp),
        Just(GracefulReason::ColdTransfer),
        Just(GracefulReason::SignOut)
    ];
    let legs = (0u128..3, any::<bool>(), any::<bool>()).prop_map(|(call, mine, joined)| {
        let kind = if mine { LegKind::Worker } else { LegKind::Customer };
        Leg { call: Some(CallSid::numbered(call + 100)), kind, mine, joined, sequence: Some(1) }
    });
    prop_oneof![
        4 => tasks().prop_map(|facts| Step::Event(Event::Desktop(FromDesktop::TaskChanged(facts)))),
        3 => calls().prop_map(|facts| Step::Event(Event::Desktop(FromDesktop::TaskChanged(facts)))),
        3 => conferences().prop_map(Step::Event),
        3 => views().prop_map(|view| Step::Event(Event::Push(view))),
        2 => (1u128..5, prop::collection::vec(legs, 0..4)).prop_map(|(n, legs)| Step::Event(conference(n, legs))),
        1 => any::<bool>().prop_map(|up| Step::Event(Event::PushState { up })),
        1 => any::<bool>().prop_map(|registered| Step::Event(Event::Desktop(FromDesktop::PhoneChanged { registered }))),
        1 => Just(Step::Event(Event::DialogButton)),
        1 => prop_oneof![
            Just(Microphone::Granted), Just(Microphone::Denied), Just(Microphone::Missing), Just(Microphone::Unknown)
        ].prop_map(|microphone| Step::Event(Event::Desktop(FromDesktop::MicrophoneChanged { microphone }))),
        1 => any::<bool>().prop_map(|blocked| Step::Event(Event::Desktop(FromDesktop::SoundChanged { blocked }))),
        1 => prop::collection::vec(prop::option::of(0u64..500), 0..3).prop_map(|took| {
            let took = took.into_iter().map(|took| took.map(Millis)).collect();
            Step::Event(Event::Desktop(FromDesktop::Measured { took }))
        }),
        1 => (0u128..2).prop_map(|n| Step::Event(activity(n))),
        1 => (1u128..5).prop_map(|n| Step::Event(Event::Desktop(FromDesktop::AcceptFailed { reservation: wr(n) }))),
        1 => (1u128..5).prop_map(|n| Step::Event(Event::Desktop(FromDesktop::ExitFlagSettled { reservation: wr(n) }))),
        1 => (1u128..5).prop_map(|n| Step::Event(Event::Desktop(FromDesktop::TaskMarked { reservation: wr(n) }))),
        1 => (1u128..5).prop_map(|n| Step::Event(Event::Desktop(FromDesktop::Joined { reservation: wr(n) }))),
        1 => (1u128..5).prop_map(|n| Step::Event(Event::Desktop(FromDesktop::JoinFailed { reservation: wr(n) }))),
        1 => any::<bool>().prop_map(|may_return| Step::Event(Event::Desktop(FromDesktop::PageHide { may_return }))),
        1 => any::<bool>().prop_map(|phone_gone| Step::Event(Event::Restored { epoch: 9, phone_gone })),
        1 => any::<bool>().prop_map(|taken| Step::Event(Event::Elected { taken, epoch: 8 })),
        1 => prop_oneof![
            Just(Event::Deposed),
            Just(Event::Superseded),
            Just(Event::Move),
            Just(Event::Ask),
            Just(Event::Desktop(FromDesktop::TokenChanged {})),
            Just(Event::Desktop(FromDesktop::Asked { leg: own_leg(), question: "q".into() })),
            Just(Event::Desktop(FromDesktop::Reconnected {})),
        ]
        .prop_map(Step::Event),
        2 => tasks().prop_map(move |task| Step::Ask(FromDesktop::BeforeAccept { request, task, callback: None })),
        2 => (prop::option::of(1u128..5), reason).prop_map(move |(n, reason)| {
            Step::Ask(FromDesktop::BeforeLeave { request, reservation: n.map(wr), reason })
        }),
        2 => (1u128..5).prop_map(move |n| Step::Ask(FromDesktop::BeforeComplete { request, reservation: wr(n) })),
        3 => (prop::option::of(prop::collection::vec(views(), 0..3)), prop_oneof![Just(0), Just(401), Just(404), Just(503)], prop::bool::weighted(0.2))
            .prop_map(|(views, status, superseded)| Step::Answer(views, status, superseded)),
        2 => (0u64..40_000).prop_map(Step::Wait),
    ]
}

/// Requests that earlier pages, of this worker and of another, have left.
fn kept() -> impl Strategy<Value = Vec<Kept>> {
    let one = (0u32..6, 1u128..5, any::<bool>(), 900u64..1000).prop_map(|(number, task, mine, made)| {
        let (task, reservation) = (TaskSid::numbered(task), wr(task));
        let mark = GracefulMark { id: None, task, reservation, reason: GracefulReason::HangUp };
        Kept {
            id: DeliveryId { epoch: 6, number },
            worker: if mine { me() } else { WorkerSid::numbered(0xb0) },
            made: Millis::seconds(made),
            delivery: Delivery::Graceful(mark),
        }
    });
    prop::collection::vec(one, 0..4).prop_map(|mut kept| {
        kept.sort_by_key(|kept| kept.id);
        kept.dedup_by_key(|kept| kept.id);
        kept
    })
}

/// Invariants.
#[derive(Default)]
struct Rules {
    /// True when the page acts, by its own report.
    acts: bool,
    /// Reservations that are being accepted, or were.
    accepted: BTreeSet<ReservationSid>,
    /// The outbox request in flight, and the last of this page's.
    under_way: Option<PostId>,
    last: Option<DeliveryId>,
    /// Requests that are stored.
    kept: BTreeSet<DeliveryId>,
    /// Voice reservations that the machine knows.
    calls: BTreeSet<ReservationSid>,
    /// Those that it found without their call.
    found: BTreeSet<ReservationSid>,
    /// Those that the server wants joined, or wanted.
    wanted: BTreeSet<ReservationSid>,
    joined: BTreeSet<ReservationSid>,
    keeps: bool,
    prompts: bool,
    gone: bool,
    activities: u32,
    /// The server in use, after the first move.
    server: Option<String>,
}

/// A page of an account with two servers.
fn desk(stored: &[u128]) -> Desk {
    let mut config = Config::new(SERVER);
    config.servers.push(OTHER.into());
    let mut desk = Desk::with_stored(config, stored);
    desk.microphone(Microphone::Granted);
    desk
}

const OTHER: &str = "https://other.example";

impl Rules {
    fn task(&mut self, facts: &TaskFacts, at_start: bool) {
        let reservation = &facts.reservation;
        if !facts.voice {
            return;
        }
        if facts.status == ReservationStatus::Over {
            self.calls.remove(reservation);
            self.found.remove(reservation);
            self.joined.remove(reservation);
        } else if self.calls.insert(reservation.clone())
            && !facts.live_call
            && at_start
            && facts.status != ReservationStatus::Pending
        {
            self.found.insert(reservation.clone());
        }
    }

    fn views(&mut self, views: &[RecoveryView]) {
        let in_place = views.iter().filter(|view| view.stage == Stage::InPlace);
        self.wanted.extend(in_place.map(|view| view.reservation.clone()));
    }

    /// Notes an event before the machine handles it.
    fn heard(&mut self, event: &Event) {
        match event {
            Event::Desktop(FromDesktop::TaskChanged(TaskFacts { reservation, .. }))
            | Event::Desktop(FromDesktop::BeforeAccept { task: TaskFacts { reservation, .. }, .. })
            | Event::Desktop(FromDesktop::AcceptFailed { reservation }) => {
                self.accepted.remove(reservation);
            }
            Event::Reply { id, .. } if self.under_way == Some(*id) => self.under_way = None,
            // Requests in flight are given up, and sent again.
            Event::Desktop(FromDesktop::Reconnected {}) => self.under_way = None,
            Event::Restored { .. } => (self.under_way, self.gone) = (None, false),
            _ => {}
        }
    }

    fn outbox(&mut self, post: PostId, id: Option<DeliveryId>) {
        let id = id.expect("a kept request has an id");
        assert!(self.under_way.replace(post).is_none(), "one after the other");
        assert!(self.kept.contains(&id), "it is stored as long as it is under way");
        if id.epoch == 7 {
            assert!(self.last.is_none_or(|last| last <= id), "in the order in which they were made");
            self.last = Some(id);
        }
    }

    fn hold(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Role { acts } = effect {
                self.acts = *acts;
            }
        }
        for effect in effects {
            let acting = matches!(
                effect,
                Effect::Dialog(Some(_))
                    | Effect::Desktop(
                        ToDesktop::Accept { .. }
                            | ToDesktop::AcceptPing { .. }
                            | ToDesktop::JoinCall { .. }
                            | ToDesktop::Refuse { .. }
                    )
            );
            assert!(self.acts || !acting, "{effect:?} of a page that does not act");
            match effect {
                Effect::Desktop(
                    ToDesktop::Accept { reservation } | ToDesktop::AcceptPing { reservation },
                ) => {
                    assert!(self.accepted.insert(reservation.clone()), "{reservation}: accepted twice");
                }
                Effect::UseServer { server } => {
                    let before = self.server.replace(server.clone()).unwrap_or(SERVER.into());
                    assert!([SERVER, OTHER].contains(&server.as_str()), "{server}: not in the list");
                    assert_ne!(before, *server, "a move to where the page is");
                    // What was in flight is given up, and sent again with the same id.
                    self.under_way = None;
                }
                Effect::Keep(kept) => assert!(self.kept.insert(kept.id), "stored before"),
                Effect::Unkeep(id) => {
                    self.kept.remove(id);
                }
                Effect::UnkeepAll => self.kept.clear(),
                Effect::Post { id, request: Request::Graceful(mark) } => self.outbox(*id, mark.id),
                Effect::Desktop(ToDesktop::JoinCall { reservation }) => {
                    assert!(self.wanted.contains(reservation), "{reservation}: nobody wants it joined");
                    assert!(self.joined.insert(reservation.clone()), "{reservation}: joined twice");
                }
                Effect::Desktop(ToDesktop::KeepLegs { keep }) => {
                    assert_ne!(self.keeps, *keep, "said before");
                    self.keeps = *keep;
                }
                Effect::Post { id, request: Request::Register(registration) } => {
                    self.outbox(*id, registration.id);
                    let found = self.found.contains(&registration.reservation);
                    assert!(!found || registration.worker_leg == own_leg(), "a ghost is registered");
                }
                Effect::Beacon { goodbye: Some(goodbye), .. } => {
                    assert!(self.keeps && !goodbye.tasks.is_empty(), "no leg was kept");
                    assert!(!std::mem::replace(&mut self.gone, true), "said before");
                }
                Effect::Desktop(ToDesktop::PromptOnLeave { on }) => {
                    assert_ne!(self.prompts, *on, "said before");
                    self.prompts = *on;
                }
                Effect::Desktop(ToDesktop::SetActivity { .. }) => {
                    self.activities += 1;
                    assert_eq!(self.activities, 1, "the activity is restored once");
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_question_gets_one_answer_and_nothing_unknown_is_accepted(
        start in prop::collection::vec(prop_oneof![tasks(), calls()], 0..4),
        stored in prop::collection::vec(1u128..6, 0..4),
        kept in kept(),
        steps in prop::collection::vec(steps(), 0..60),
        signs_out: bool,
    ) {
        let mut desk = desk(&stored);
        let mut asked = BTreeSet::new();
        let mut answered = BTreeSet::new();
        let mut told: BTreeSet<RecoveryId> = BTreeSet::new();
        let mut offers: BTreeMap<ReservationSid, TaskFacts> = BTreeMap::new();
        let mut open: Vec<(PostId, Request)> = vec![];
        let mut rules = Rules::default();
        let mut seen = |facts: &TaskFacts| {
            offers.insert(facts.reservation.clone(), facts.clone());
            rules.task(facts, true);
        };
        start.iter().for_each(&mut seen);
        rules.kept.extend(kept.iter().map(|kept| kept.id));
        desk.agent.recall(kept);
        let mut effects = desk.start(start, false);
        let steps = steps.into_iter().chain([Step::Wait(60_000)]);
        for step in steps {
            open.extend(posts(&effects));
            rules.hold(&effects);
            for effect in desktop(&effects) {
                match effect {
                    ToDesktop::Let { request } | ToDesktop::Refuse { request }
                    | ToDesktop::AttachConferenceOptions { request, .. } => {
                        prop_assert!(asked.contains(&request), "{request:?} was not asked");
                        prop_assert!(answered.insert(request), "{request:?} was answered twice");
                    }
                    ToDesktop::Accept { reservation } | ToDesktop::AcceptPing { reservation } => {
                        let recovery = offers[&reservation].attributes.rejoin_recovery_id.clone();
                        prop_assert!(recovery.is_some_and(|id| told.contains(&id)));
                    }
                    _ => {}
                }
            }
            effects = match step {
                Step::Event(event) => {
                    match &event {
                        Event::Push(view) => {
                            told.insert(view.id.clone());
                            rules.views(std::slice::from_ref(view));
                        }
                        Event::Desktop(FromDesktop::TaskChanged(facts)) => {
                            rules.task(facts, false);
                            offers.insert(facts.reservation.clone(), facts.clone());
                        }
                        _ => {}
                    }
                    rules.heard(&event);
                    desk.handle(event)
                }
                Step::Ask(mut event) => {
                    let number = RequestId(asked.len() as u32 + 1);
                    asked.insert(number);
                    match &mut event {
                        FromDesktop::BeforeAccept { request, task, .. } => {
                            *request = number;
                            rules.task(task, false);
                            offers.insert(task.reservation.clone(), task.clone());
                        }
                        FromDesktop::BeforeLeave { request, .. } | FromDesktop::BeforeComplete { request, .. } => {
                            *request = number;
                        }
                        _ => {}
                    }
                    let event = Event::Desktop(event);
                    rules.heard(&event);
                    desk.handle(event)
                }
                Step::Answer(views, status, superseded) if !open.is_empty() => {
                    let (id, request) = open.remove(0);
                    let result = match (views, request, status) {
                        (Some(recoveries), Request::Hello(_), _) => {
                            told.extend(recoveries.iter().map(|view| view.id.clone()));
                            rules.views(&recoveries);
                            Ok(Answer::Hello(HelloReply { recoveries, in_place: true, superseded, console: superseded }))
                        }
                        (Some(_), _, _) => Ok(Answer::Accepted),
                        (None, _, 0) => Err(PostError::Unreachable),
                        (None, _, status) => Err(PostError::Status(status)),
                    };
                    let event = Event::Reply { id, result };
                    rules.heard(&event);
                    desk.handle(event)
                }
                Step::Answer(..) => vec![],
                Step::Wait(time) => desk.wait(Millis(time)),
            };
        }
        rules.hold(&effects);
        for effect in desktop(&effects) {
            if let ToDesktop::Let { request } = effect {
                prop_assert!(answered.insert(request), "{request:?} was answered twice");
            }
        }
        prop_assert_eq!(asked, answered);
        // A minute without news: the agent can dismiss whatever is shown.
        for _ in 0..10 {
            rules.hold(&desk.handle(Event::DialogButton));
        }
        prop_assert_eq!(&desk.dialog, &None);
        if signs_out {
            rules.hold(&desk.handle(Event::Desktop(FromDesktop::SignedOut {})));
            prop_assert!(desk.timers.is_empty() && rules.kept.is_empty(), "{:?} {:?}", desk.timers, rules.kept);
        }
    }

    #[test]
    fn a_page_that_waits_does_nothing_whatever_happens(
        start in prop::collection::vec(prop_oneof![tasks(), calls()], 0..4),
        stored in prop::collection::vec(1u128..6, 0..4),
        steps in prop::collection::vec(steps(), 0..60),
    ) {
        let mut desk = desk(&stored);
        let mut effects = desk.handle(Event::Desktop(started(start, true, true)));
        for step in steps {
            effects.extend(match step {
                // Without a channel nothing is pushed.
                Step::Event(Event::Push(_) | Event::Elected { .. }) | Step::Answer(..) => vec![],
                Step::Event(event) => desk.handle(event),
                Step::Ask(event) => desk.handle(Event::Desktop(event)),
                Step::Wait(time) => desk.wait(Millis(time)),
            });
        }
        for effect in &effects {
            let acts = match effect {
                Effect::OpenPush { .. } | Effect::Beacon { goodbye: Some(_), .. } | Effect::Role { acts: true } => true,
                // Only for where its requests go.
                Effect::UseServer { .. } => false,
                Effect::Dialog(_) | Effect::Reload => true,
                Effect::Post { request, .. } => matches!(request, Request::Hello(_)),
                Effect::Desktop(effect) => matches!(
                    effect,
                    ToDesktop::Accept { .. } | ToDesktop::AcceptPing { .. }
                        | ToDesktop::JoinCall { .. } | ToDesktop::Refuse { .. } | ToDesktop::KeepLegs { .. } | ToDesktop::SetActivity { .. }
                ),
                Effect::SetTimer { .. } | Effect::ClearTimer { .. } => false,
                // A call may have been accepted in it.
                Effect::Store(_) | Effect::Unstore { .. } | Effect::Keep(_) | Effect::Unkeep(_) => false,
                Effect::Beacon { goodbye: None, .. } | Effect::TakeLock | Effect::Role { acts: false } => false,
                Effect::ClosePush | Effect::UnkeepAll | Effect::StoreActivity(_) | Effect::TryMicrophone => false,
            };
            prop_assert!(!acts, "{effect:?}");
        }
    }
}
