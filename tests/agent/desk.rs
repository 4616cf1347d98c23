//! An agent machine driven by hand, on which the tests of this folder build.

pub(crate) use rejoin_plugin::agent::*;
pub(crate) use rejoin_protocol::api::{
    Failure, Goodbye, GracefulReason, HelloReply, Holding, RecoveryView, Stage,
};
pub(crate) use rejoin_protocol::{
    ActivitySid, CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid, WorkflowSid,
};
pub(crate) use std::collections::{BTreeMap, BTreeSet};

pub(crate) const SERVER: &str = "https://rejoin.example";

pub(crate) fn me() -> WorkerSid {
    WorkerSid::numbered(0xada)
}

pub(crate) fn wr(number: u128) -> ReservationSid {
    ReservationSid::numbered(number)
}

pub(crate) fn rj() -> RecoveryId {
    RecoveryId::numbered(1)
}

/// 0: the activity of an agent without a desktop.
pub(crate) fn activity(number: u128) -> Event {
    let activity =
        Activity { sid: ActivitySid::numbered(number), offline: number == 0, unavailable: number == 0 };
    Event::Desktop(FromDesktop::ActivityChanged(activity))
}

pub(crate) fn task(number: u128, status: ReservationStatus) -> TaskFacts {
    TaskFacts {
        task: TaskSid::numbered(number),
        reservation: wr(number),
        status,
        voice: true,
        workflow: Some(WorkflowSid::numbered(1)),
        queue: None,
        contact_uri: Some("client:ada".into()),
        live_call: false,
        own_leg: None,
        answers_messages: false,
        muted: false,
        joinable: true,
        keepable: true,
        attributes: Attributes { customer_leg: Some(CallSid::numbered(100)), ..Attributes::default() },
    }
}

pub(crate) fn ping(number: u128) -> TaskFacts {
    let mut facts = task(number, ReservationStatus::Pending);
    facts.voice = false;
    facts.attributes = Attributes { rejoin_recovery_id: Some(rj()), ..Attributes::default() };
    facts
}

pub(crate) fn reconnect(number: u128, target: Option<WorkerSid>) -> TaskFacts {
    let mut facts = task(number, ReservationStatus::Pending);
    facts.attributes = Attributes {
        is_reconnect: Some(true),
        rejoin_recovery_id: Some(rj()),
        target_worker_sid: target,
        disconnected_worker_sid: Some(WorkerSid::numbered(0xb0)),
        disconnected_worker_name: Some("Bo".into()),
        disconnected_time: Some(0),
        ..Attributes::default()
    };
    facts
}

pub(crate) fn leg(call: u128, kind: LegKind, mine: bool, sequence: u64) -> Leg {
    Leg { call: Some(CallSid::numbered(call)), kind, mine, joined: true, sequence: Some(sequence) }
}

pub(crate) fn conference(number: u128, legs: Vec<Leg>) -> Event {
    let conference = Some(ConferenceSid::numbered(number));
    Event::Desktop(FromDesktop::ConferenceChanged(ConferenceFacts {
        reservation: wr(number),
        conference,
        legs,
    }))
}

pub(crate) fn both() -> Vec<Leg> {
    vec![leg(100, LegKind::Customer, false, 1), leg(200, LegKind::Worker, true, 2)]
}

pub(crate) fn view(stage: Stage) -> RecoveryView {
    RecoveryView {
        id: rj(),
        task: TaskSid::numbered(1),
        reservation: wr(1),
        stage,
        remaining_ms: Some(14_000),
        too_often: false,
    }
}

pub(crate) fn notify(effects: &[Effect]) -> Vec<Notice> {
    let notices = desktop(effects).into_iter().filter_map(|effect| match effect {
        ToDesktop::Notify { notice, .. } => Some(notice),
        _ => None,
    });
    notices.collect()
}

pub(crate) fn desktop(effects: &[Effect]) -> Vec<ToDesktop> {
    let mine = effects.iter().filter_map(|effect| match effect {
        Effect::Desktop(effect) => Some(effect.clone()),
        _ => None,
    });
    mine.collect()
}

pub(crate) fn posts(effects: &[Effect]) -> Vec<(PostId, Request)> {
    let mine = effects.iter().filter_map(|effect| match effect {
        Effect::Post { id, request } => Some((*id, request.clone())),
        _ => None,
    });
    mine.collect()
}

/// Own legs in registrations.
pub(crate) fn registered(effects: &[Effect]) -> Vec<CallSid> {
    let mine = posts(effects).into_iter().filter_map(|(_, request)| match request {
        Request::Register(registration) => Some(registration.worker_leg),
        _ => None,
    });
    mine.collect()
}

/// Task 1 with a call of this page.
pub(crate) fn live(leg: u128) -> TaskFacts {
    let mut facts = task(1, ReservationStatus::Accepted);
    facts.live_call = true;
    facts.own_leg = Some(CallSid::numbered(leg));
    facts
}

pub(crate) fn started(tasks: Vec<TaskFacts>, phone_registered: bool, waits: bool) -> FromDesktop {
    let worker_name = "Ada".into();
    FromDesktop::Started { worker: me(), worker_name, phone_registered, tasks, waits }
}

/// A machine, its clock, and the timers that it set.
pub(crate) struct Desk {
    pub(crate) agent: Agent,
    pub(crate) now: Millis,
    pub(crate) timers: BTreeMap<Timer, Millis>,
    pub(crate) dialog: Option<Dialog>,
    pub(crate) hello: Option<PostId>,
}

impl Desk {
    /// A desk with a microphone.
    pub(crate) fn new(stored: &[u128]) -> Self {
        let mut desk = Self::of_unknown_microphone(stored);
        desk.microphone(Microphone::Granted);
        desk
    }

    pub(crate) fn of_unknown_microphone(stored: &[u128]) -> Self {
        Self::with_stored(Config::new(SERVER), stored)
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::of(Agent::new(config, 7, vec![]))
    }

    /// A page whose earlier pages stored these calls.
    pub(crate) fn with_stored(config: Config, stored: &[u128]) -> Self {
        let stored =
            stored.iter().map(|number| StoredCall { reservation: wr(*number), muted: false }).collect();
        Self::of(Agent::new(config, 7, stored))
    }

    fn of(agent: Agent) -> Self {
        Self { agent, now: Millis::seconds(1000), timers: BTreeMap::new(), dialog: None, hello: None }
    }

    pub(crate) fn started(tasks: Vec<TaskFacts>, stored: &[u128]) -> (Self, Vec<Effect>) {
        let mut desk = Self::new(stored);
        let effects = desk.start(tasks, true);
        (desk, effects)
    }

    /// Started, greeted, with nothing to recover.
    pub(crate) fn idle() -> Self {
        let (mut desk, _) = Self::started(vec![], &[]);
        desk.greeted(vec![]);
        desk
    }

    /// An accepted and registered call (task 1).
    pub(crate) fn on_a_call() -> Self {
        let mut desk = Self::idle();
        desk.gets_a_call();
        desk
    }

    /// The agent is on a call, which the server has registered, and its push channel is up.
    pub(crate) fn gets_a_call(&mut self) {
        self.task(live(200));
        let effects = self.handle(conference(1, both()));
        let (id, _) = posts(&effects)[0];
        self.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
        self.handle(Event::PushState { up: true });
    }

    pub(crate) fn start(&mut self, tasks: Vec<TaskFacts>, phone_registered: bool) -> Vec<Effect> {
        self.handle(Event::Desktop(started(tasks, phone_registered, false)))
    }

    /// Another page of the worker acts.
    pub(crate) fn waiting(tasks: Vec<TaskFacts>, stored: &[u128]) -> (Self, Vec<Effect>) {
        let mut desk = Self::new(stored);
        let effects = desk.handle(Event::Desktop(started(tasks, true, true)));
        (desk, effects)
    }

    pub(crate) fn elect(&mut self) -> Vec<Effect> {
        self.handle(Event::Elected { taken: false, epoch: 8 })
    }

    pub(crate) fn handle(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.agent.handle(self.now, event);
        for effect in &effects {
            match effect {
                Effect::SetTimer { timer, at } => {
                    self.timers.insert(timer.clone(), *at);
                }
                Effect::ClearTimer { timer } => {
                    self.timers.remove(timer);
                }
                Effect::Dialog(dialog) => self.dialog = dialog.clone(),
                Effect::Post { id, request: Request::Hello(_) } => self.hello = Some(*id),
                _ => {}
            }
        }
        effects
    }

    pub(crate) fn microphone(&mut self, microphone: Microphone) -> Vec<Effect> {
        self.handle(Event::Desktop(FromDesktop::MicrophoneChanged { microphone }))
    }

    pub(crate) fn task(&mut self, facts: TaskFacts) -> Vec<Effect> {
        self.handle(Event::Desktop(FromDesktop::TaskChanged(facts)))
    }

    pub(crate) fn greeted(&mut self, recoveries: Vec<RecoveryView>) -> Vec<Effect> {
        self.answered(HelloReply { recoveries, in_place: true, ..HelloReply::default() })
    }

    pub(crate) fn answered(&mut self, reply: HelloReply) -> Vec<Effect> {
        let id = self.hello.take().expect("a hello is under way");
        self.handle(Event::Reply { id, result: Ok(Answer::Hello(reply)) })
    }

    pub(crate) fn unanswered(&mut self) -> Vec<Effect> {
        let id = self.hello.take().expect("a hello is under way");
        self.handle(Event::Reply { id, result: Err(PostError::Unreachable) })
    }

    pub(crate) fn pushed(&mut self, stage: Stage) -> Vec<Effect> {
        self.handle(Event::Push(view(stage)))
    }

    /// Lets time pass, with every timer at its time. Returns the effects.
    pub(crate) fn wait(&mut self, time: Millis) -> Vec<Effect> {
        let end = self.now + time;
        let mut effects = Vec::new();
        while let Some((timer, at)) =
            self.timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (timer.clone(), *at))
        {
            if at > end {
                break;
            }
            self.timers.remove(&timer);
            self.now = self.now.max(at);
            effects.extend(self.handle(Event::Timer(timer)));
        }
        self.now = end;
        effects
    }

    pub(crate) fn leave(&mut self, reservation: Option<u128>, reason: GracefulReason) -> Vec<Effect> {
        let reservation = reservation.map(wr);
        self.handle(Event::Desktop(FromDesktop::BeforeLeave { request: RequestId(1), reservation, reason }))
    }

    pub(crate) fn complete(&mut self, number: u128) -> ToDesktop {
        let request = RequestId(2);
        let event = FromDesktop::BeforeComplete { request, reservation: wr(number) };
        desktop(&self.handle(Event::Desktop(event))).remove(0)
    }
}

pub(crate) fn keeps(effects: &[Effect]) -> Vec<bool> {
    let mine = desktop(effects).into_iter().filter_map(|effect| match effect {
        ToDesktop::KeepLegs { keep } => Some(keep),
        _ => None,
    });
    mine.collect()
}

pub(crate) fn goodbyes(effects: &[Effect]) -> Vec<Goodbye> {
    let mine = effects.iter().filter_map(|effect| match effect {
        Effect::Beacon { goodbye, .. } => goodbye.clone(),
        _ => None,
    });
    mine.collect()
}

pub(crate) fn clear(leg: u128) -> ToDesktop {
    ToDesktop::ClearExitFlag { reservation: wr(1), leg: CallSid::numbered(leg) }
}

pub(crate) fn join() -> ToDesktop {
    ToDesktop::JoinCall { reservation: wr(1) }
}

pub(crate) fn joined() -> Event {
    Event::Desktop(FromDesktop::Joined { reservation: wr(1) })
}

pub(crate) fn join_failed() -> Event {
    Event::Desktop(FromDesktop::JoinFailed { reservation: wr(1) })
}

pub(crate) fn page_hide() -> Event {
    Event::Desktop(FromDesktop::PageHide { may_return: false })
}

/// The next page's leg beside the ghost of the last page.
pub(crate) fn with_the_new_leg() -> Event {
    let mut legs = both();
    legs.push(leg(201, LegKind::Worker, true, 1));
    conference(1, legs)
}

/// The same after Flex has closed the ghost.
pub(crate) fn without_the_ghost() -> Event {
    let mut legs = both();
    legs[1].joined = false;
    legs.push(leg(201, LegKind::Worker, true, 1));
    conference(1, legs)
}

pub(crate) fn holdings(effects: &[Effect]) -> Vec<Holding> {
    let mine = posts(effects).into_iter().find_map(|(_, request)| match request {
        Request::Hello(hello) => Some(hello.holdings),
        _ => None,
    });
    mine.expect("a hello")
}

impl Desk {
    /// Loaded while the old leg stands; the server knows it.
    pub(crate) fn back() -> Self {
        let (mut desk, _) = Self::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
        desk.handle(conference(1, both()));
        desk
    }

    /// A join is in progress.
    pub(crate) fn joining() -> Self {
        let mut desk = Self::back();
        let effects = desk.greeted(vec![view(Stage::InPlace)]);
        assert!(desktop(&effects).contains(&join()), "{effects:?}");
        desk
    }

    pub(crate) fn phone(&mut self, registered: bool) -> Vec<Effect> {
        self.handle(Event::Desktop(FromDesktop::PhoneChanged { registered }))
    }
}
