//! The test harness: a machine with a clock, and shorthands for the participants of one call.

use rejoin_protocol::api::{
    DeliveryId, Goodbye, GracefulMark, GracefulReason, Hello, Holding, Registration, Stage,
};
use rejoin_protocol::{
    CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskQueueSid, TaskSid, WorkerSid, WorkflowSid,
};
use rejoin_recovery::cells::{Cell, cells};
use rejoin_recovery::{
    Action, ConferenceEvent, ConferenceEventKind, Config, CustomerHold, Effect, Event, LeaveReason, Loss,
    Machine, Note, Outcome, ParticipantFlags, PollAnswer, RequeueCause, Right, Timer,
};
use std::collections::BTreeMap;

pub const ADA: u128 = 0xada;
pub const BO: u128 = 0xb0;
pub const CY: u128 = 0xc7;
/// Ada's leg in conference 1. [`NEXT_LEG`] is Ada's or Bo's in conference 2, or Ada's after a rejoin in place.
pub const ADA_LEG: u128 = 0xa1;
pub const NEXT_LEG: u128 = 0xa2;
pub const CUSTOMER: u128 = 0xc1;
pub const EPOCH: u64 = 1;

#[derive(Clone)]
pub struct Desk {
    pub machine: Machine,
    pub now: Millis,
    pub actions: Vec<Action>,
    pub effects: Vec<Effect>,
    /// Every event handled so far.
    pub events: Vec<Event>,
    /// The cells of `docs/transitions.md` that the events fell into, collected while `names_cells` is set.
    pub cells: Vec<Cell>,
    pub names_cells: bool,
    pub timers: BTreeMap<(ConferenceSid, Timer), Millis>,
    /// Number of requests to read a task for a graceful mark.
    pub reads: usize,
    /// When the watchdog of each call is due (point in time).
    pub watch: BTreeMap<ConferenceSid, Millis>,
    /// Sequence number of the last conference callback.
    pub sequence: u64,
}

pub fn conference(n: u128) -> ConferenceSid {
    ConferenceSid::numbered(n)
}

pub fn leg(n: u128) -> CallSid {
    CallSid::numbered(n)
}

/// Every worker has a reservation of the task. Ada's has the task's number.
pub fn reservation_of(worker: u128, task: u128) -> ReservationSid {
    ReservationSid::numbered(if worker == ADA { task } else { worker * 16 + task })
}

pub fn recovery() -> RecoveryId {
    RecoveryId::of(&leg(ADA_LEG))
}

/// Most tests are about what follows the goodbye, and hold the customer with the announcement. tone.rs is about the default,
/// which the property tests, the model and the simulation play.
pub fn config() -> Config {
    Config { customer_hold: CustomerHold::WhenTold, ..Config::default() }
}

impl Desk {
    pub fn new() -> Self {
        Self::with(Machine::new(config(), []))
    }

    pub fn with(machine: Machine) -> Self {
        let now = Millis(1_700_000_000_000);
        Self {
            machine,
            now,
            actions: vec![],
            effects: vec![],
            events: vec![],
            cells: vec![],
            names_cells: false,
            timers: BTreeMap::new(),
            reads: 0,
            watch: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// The customer and Ada talk in conference 1, and the customer goes on hold as soon as a page says goodbye.
    pub fn at_once() -> Self {
        let mut desk = Self::with(Machine::new(Config::default(), []));
        desk.begin();
        desk
    }

    /// Ada and the customer are on the call, and the server has the hold of customers switched off.
    pub fn announcing() -> Self {
        let mut desk =
            Self::with(Machine::new(Config { customer_hold: CustomerHold::Off, ..Config::default() }, []));
        desk.begin();
        desk
    }

    /// Ada and the customer are on the call, and a page cannot join again in place.
    pub fn without_in_place() -> Self {
        let mut desk = Self::with(Machine::new(Config { in_place: false, ..config() }, []));
        desk.begin();
        desk
    }

    /// The customer and Ada talk in conference 1.
    pub fn talking() -> Self {
        let mut desk = Self::new();
        desk.begin();
        desk
    }

    pub fn begin(&mut self) {
        let desk = self;
        desk.join(1, CUSTOMER, true);
        desk.join(1, ADA_LEG, false);
        desk.register(1, ADA, ADA_LEG, EPOCH);
        assert!(desk.take_actions().is_empty());
    }

    /// Ada's page has said goodbye, and the leg stands.
    pub fn away() -> Self {
        let mut desk = Self::talking();
        desk.goodbye(ADA, EPOCH);
        assert!(desk.take_actions().is_empty());
        desk
    }

    /// Ada's leg is lost, the customer is held and Ada is pinged. Every action has succeeded.
    pub fn holding() -> Self {
        let mut desk = Self::talking();
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.fire(1, Timer::Grace);
        desk.finish_all();
        desk
    }

    /// Ada's leg is lost, Ada is back, and the customer is in the queue for Ada. Every action has succeeded.
    pub fn goes_through_the_queue(&mut self) {
        self.leave(1, ADA_LEG, LeaveReason::HungUp);
        self.fire(1, Timer::Grace);
        self.finish_all();
        self.hello(2, true, false);
        self.finish_all();
        self.entered_queue();
        self.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
        self.finish_all();
    }

    pub fn handle(&mut self, event: Event) {
        self.events.push(event.clone());
        let before = self.names_cells.then(|| (self.machine.clone(), event.clone()));
        let timer = if let Event::Timer { conference, timer } = &event {
            Some((conference.clone(), *timer))
        } else {
            None
        };
        let effects = self.machine.handle(self.now, event);
        if let Some((conference, timer)) = timer {
            self.assert_timer_settles(&conference, timer, &effects);
        }
        if let Some((before, event)) = before {
            self.cells.extend(cells(&before, &event, &self.machine).into_iter().map(|(_, cell)| cell));
        }
        for effect in &effects {
            match effect {
                // Only the tests of marks in the task check reads.
                Effect::Act { action: Action::ReadTask { .. }, .. } => self.reads += 1,
                Effect::Act { action, .. } => self.actions.push(action.clone()),
                // Only the tests of the watchdog check its timer.
                Effect::SetTimer { conference, timer: Timer::Watchdog, at } => {
                    self.watch.insert(conference.clone(), *at);
                }
                Effect::ClearTimer { conference, timer: Timer::Watchdog } => {
                    self.watch.remove(conference);
                }
                Effect::SetTimer { conference, timer, at } => {
                    self.timers.insert((conference.clone(), *timer), *at);
                }
                Effect::ClearTimer { conference, timer } => {
                    self.timers.remove(&(conference.clone(), *timer));
                }
                Effect::Push { .. } | Effect::Note { .. } | Effect::Forget { .. } => {}
            }
        }
        self.effects.extend(effects);
    }

    /// A timer set for a time that has come fires at once. A handler that sets it again every time would keep the
    /// server busy for ever, so the chain must end.
    fn assert_timer_settles(&self, conference: &ConferenceSid, timer: Timer, effects: &[Effect]) {
        let due = |effects: &[Effect]| {
            effects.iter().any(|effect| match effect {
                Effect::SetTimer { conference: of, timer: set, at } => {
                    of == conference && *set == timer && *at <= self.now
                }
                _ => false,
            })
        };
        let mut machine = self.machine.clone();
        let mut left = 5;
        let mut is_due = due(effects);
        while is_due {
            left -= 1;
            assert!(left > 0, "{timer:?} is due for ever");
            is_due = due(&machine.handle(self.now, Event::Timer { conference: conference.clone(), timer }));
        }
    }

    /// Delivers a conference callback.
    pub fn callback(&mut self, n: u128, kind: ConferenceEventKind) -> Event {
        self.labelled_callback(n, None, kind)
    }

    /// Delivers the callback about the end of an announcement that was requested in the name of this recovery.
    pub fn announcement_ends(&mut self, n: u128, announced: RecoveryId) {
        self.sequence += 1;
        self.handle(Event::Conference(ConferenceEvent {
            announced: Some(announced),
            ..ConferenceEvent::new(
                conference(n),
                Some(TaskSid::numbered(n)),
                self.sequence,
                ConferenceEventKind::AnnouncementEnd,
            )
        }));
    }

    /// Delivers a conference callback about a leg with this label.
    pub fn labelled_callback(&mut self, n: u128, label: Option<&str>, kind: ConferenceEventKind) -> Event {
        self.sequence += 1;
        let (conference, task) = (conference(n), Some(TaskSid::numbered(n)));
        let (label, sequence) = (label.map(str::to_owned), self.sequence);
        // Ada accepted the call, so the callback's address names Ada's reservation.
        let owner = Some((reservation_of(ADA, n), WorkerSid::numbered(ADA)));
        let event = Event::Conference(ConferenceEvent {
            label,
            owner,
            ..ConferenceEvent::new(conference, task, sequence, kind)
        });
        self.handle(event.clone());
        event
    }

    pub fn join(&mut self, n: u128, who: u128, end_conference_on_exit: bool) {
        let flags = ParticipantFlags { end_conference_on_exit, ..ParticipantFlags::default() };
        self.callback(n, ConferenceEventKind::Join { leg: leg(who), flags });
    }

    pub fn modify(&mut self, n: u128, who: u128, end_conference_on_exit: bool, hold: bool) {
        let flags = ParticipantFlags { end_conference_on_exit, hold, ..ParticipantFlags::default() };
        self.callback(n, ConferenceEventKind::Modify { leg: leg(who), flags });
    }

    pub fn leave(&mut self, n: u128, who: u128, reason: LeaveReason) -> Event {
        self.callback(n, ConferenceEventKind::Leave { leg: leg(who), reason })
    }

    pub fn end(&mut self, n: u128) {
        self.callback(n, ConferenceEventKind::End);
    }

    /// The page registers. Callbacks have shown both legs, or do so now.
    pub fn register(&mut self, n: u128, worker: u128, worker_leg: u128, epoch: u64) {
        for who in [CUSTOMER, worker_leg] {
            let call = self.machine.call(&conference(n));
            if !call.is_some_and(|call| call.facts.roster.participants.contains_key(&leg(who))) {
                self.join(n, who, false);
            }
        }
        self.register_as(n, worker, worker_leg, epoch, None, None);
    }

    /// The page registers. No callback has shown the legs, and a poll shows them.
    pub fn register_polled(&mut self, n: u128, worker: u128, worker_leg: u128, epoch: u64) {
        let registration = registration_of(n, worker, worker_leg, epoch);
        let worker = WorkerSid::numbered(worker);
        self.handle(Event::Registered { worker: worker.clone(), registration: registration.clone() });
        if self.machine.right(&worker, &registration) == Right::Unknown {
            self.actions.retain(|action| !matches!(action, Action::ReadReservations { .. }));
            self.timers.remove(&(conference(n), Timer::Owners));
            let (action, outcome) = owners(n);
            self.finish_of(n, action, outcome);
        }
        if self.timers.contains_key(&(conference(n), Timer::LookUp)) {
            self.fire(n, Timer::LookUp);
        }
        let is_poll = |action: &Action| matches!(action, Action::PollConference { .. });
        let asked = self.actions.iter().position(is_poll).expect("a poll");
        let poll = self.actions.remove(asked);
        let call = self.machine.call(&conference(n)).unwrap();
        let roster = &call.facts.roster;
        let known = roster.participants.keys().filter(|leg| roster.is_reported_joined(leg)).cloned();
        let participants = known.chain([leg(CUSTOMER), leg(worker_leg)]);
        let participants = participants.map(|leg| (leg, ParticipantFlags::default())).collect();
        let seen = PollAnswer { participants, on_line: Some(true), ..PollAnswer::default() };
        self.finish_of(n, poll, Outcome::Polled(Box::new(seen)));
    }

    /// Registers Ada's leg in conference 1, of a task from this queue.
    pub fn register_from(&mut self, queue: Option<TaskQueueSid>) {
        self.register_as(1, ADA, ADA_LEG, EPOCH, None, queue);
    }

    /// Registers a leg in conference 1 as the delivery with this id.
    pub fn register_again(&mut self, worker: u128, worker_leg: u128, epoch: u64, id: Option<DeliveryId>) {
        self.register_as(1, worker, worker_leg, epoch, id, None);
    }

    fn register_as(
        &mut self,
        n: u128,
        worker: u128,
        worker_leg: u128,
        epoch: u64,
        id: Option<DeliveryId>,
        queue: Option<TaskQueueSid>,
    ) {
        let registration = Registration { id, queue, ..registration_of(n, worker, worker_leg, epoch) };
        let worker = WorkerSid::numbered(worker);
        let event = Event::Registered { worker: worker.clone(), registration: registration.clone() };
        self.handle(event.clone());
        if self.machine.right(&worker, &registration) == Right::Unknown {
            // Twilio is asked who owns the reservations, and the page registers again.
            self.actions.retain(|action| !matches!(action, Action::ReadReservations { .. }));
            self.timers.remove(&(conference(n), Timer::Owners));
            let (action, outcome) = owners(n);
            self.finish_of(n, action, outcome);
            // Callbacks arrive soon and report the same, so the poll is not needed.
            let is_poll = |action: &Action| matches!(action, Action::PollConference { .. });
            if let Some(asked) = self.actions.iter().position(is_poll) {
                let poll = self.actions.remove(asked);
                self.finish_of(n, poll, Outcome::Overtaken);
            }
            self.handle(event);
        }
    }

    pub fn hello(&mut self, epoch: u64, wrapping: bool, older_page_connected: bool) {
        self.hello_with(epoch, wrapping, older_page_connected, false);
    }

    /// A page finds the old leg standing and can join in place.
    pub fn hello_in_place(&mut self, epoch: u64) {
        self.hello_with(epoch, false, false, true);
    }

    pub fn goodbye(&mut self, worker: u128, epoch: u64) {
        let goodbye = Goodbye { epoch, tasks: vec![TaskSid::numbered(1)] };
        self.handle(Event::Goodbye { worker: WorkerSid::numbered(worker), goodbye });
    }

    pub fn push_lost(&mut self, worker: u128, epoch: u64) {
        self.handle(Event::PushLost { worker: WorkerSid::numbered(worker), epoch });
    }

    pub fn hello_with(&mut self, epoch: u64, wrapping: bool, older_page_connected: bool, can_join: bool) {
        self.hello_of(ADA, epoch, wrapping, older_page_connected, can_join);
    }

    /// A page in another browser finds the old leg standing. No page of its own browser is connected.
    pub fn hello_in_another_browser(&mut self, epoch: u64, can_join: bool) {
        let (task, reservation) = (TaskSid::numbered(1), reservation_of(ADA, 1));
        let holdings = vec![Holding { task, reservation, wrapping: false, can_join, other_browser: true }];
        let hello = Hello { epoch, holdings, unavailable: false, accepts_ping: false };
        let worker = WorkerSid::numbered(ADA);
        self.handle(Event::Hello { worker, hello, older_page_connected: false });
    }

    pub fn hello_of(
        &mut self,
        worker: u128,
        epoch: u64,
        wrapping: bool,
        older_page_connected: bool,
        can_join: bool,
    ) {
        let (task, reservation) = (TaskSid::numbered(1), reservation_of(worker, 1));
        let holdings = vec![Holding { task, reservation, wrapping, can_join, other_browser: false }];
        let hello = Hello { epoch, holdings, unavailable: false, accepts_ping: false };
        self.handle(Event::Hello { worker: WorkerSid::numbered(worker), hello, older_page_connected });
    }

    /// Ada's page has found Ada's reservation of this task wrapping up.
    pub fn hello_about(&mut self, task: u128, epoch: u64) {
        let (task, reservation) = (TaskSid::numbered(task), reservation_of(ADA, task));
        let holding = Holding { task, reservation, wrapping: true, can_join: false, other_browser: false };
        let hello = Hello { epoch, holdings: vec![holding], unavailable: false, accepts_ping: false };
        let event = Event::Hello { worker: WorkerSid::numbered(ADA), hello, older_page_connected: false };
        self.handle(event);
    }

    pub fn graceful(&mut self, reason: GracefulReason) {
        self.graceful_of(ADA, reason);
    }

    pub fn graceful_of(&mut self, worker: u128, reason: GracefulReason) {
        self.mark(worker, None, reason);
    }

    pub fn mark(&mut self, worker: u128, id: Option<DeliveryId>, reason: GracefulReason) {
        self.mark_of(worker, reservation_of(worker, 1), id, reason);
    }

    /// Marks this reservation, no matter whose it is.
    pub fn mark_of(
        &mut self,
        worker: u128,
        reservation: ReservationSid,
        id: Option<DeliveryId>,
        reason: GracefulReason,
    ) {
        let mark = GracefulMark { id, task: TaskSid::numbered(1), reservation, reason };
        self.handle(Event::Graceful { worker: WorkerSid::numbered(worker), mark });
    }

    /// The task is read and has these attributes.
    pub fn read(&mut self, attributes: &serde_json::Value) {
        let outcome = Outcome::TaskRead { attributes: attributes.to_string(), version: None, workflow: None };
        self.finish(Action::ReadTask { task: TaskSid::numbered(1) }, outcome);
    }

    pub fn entered_queue(&mut self) {
        self.handle(Event::EnteredQueue { recovery: recovery(), customer: leg(CUSTOMER) });
    }

    /// The queue has let the customer go without an agent.
    pub fn left_queue(&mut self) {
        let (recovery, customer) = (recovery(), leg(CUSTOMER));
        self.handle(Event::LeftQueue { recovery, customer, bridged: false, hung_up: false, token: None });
    }

    /// Moves the clock to the time of the timer, which must be set, and fires it.
    pub fn fire(&mut self, n: u128, timer: Timer) {
        let at =
            self.timers.remove(&(conference(n), timer)).unwrap_or_else(|| panic!("{timer:?} is not set"));
        self.now = self.now.max(at);
        self.handle(Event::Timer { conference: conference(n), timer });
    }

    pub fn has_timer(&self, timer: Timer) -> bool {
        self.timers.keys().any(|(_, set)| *set == timer)
    }

    pub fn finish(&mut self, action: Action, outcome: Outcome) {
        self.finish_of(1, action, outcome);
    }

    fn finish_of(&mut self, n: u128, action: Action, outcome: Outcome) {
        self.handle(Event::Done { conference: conference(n), action, outcome });
    }

    /// All requested actions succeed.
    pub fn finish_all(&mut self) -> Vec<Action> {
        self.finish_all_of(1)
    }

    /// As [`Self::finish_all`], for actions of this conference.
    pub fn finish_all_of(&mut self, n: u128) -> Vec<Action> {
        let actions = self.take_actions();
        for action in actions.clone() {
            let outcome = success(&action);
            self.finish_of(n, action, outcome);
        }
        actions
    }

    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Why the customer was sent to the queue, each time.
    pub fn causes(&self) -> Vec<RequeueCause> {
        let because = |effect: &Effect| match effect {
            Effect::Note { note: Note::Requeueing { because, .. }, .. } => *because,
            _ => None,
        };
        self.effects.iter().filter_map(because).collect()
    }

    /// How agents were lost, each time that a leg was gone.
    pub fn losses(&self) -> Vec<Loss> {
        let by = |effect: &Effect| match effect {
            Effect::Note { note: Note::AgentLost { by }, .. } => *by,
            _ => None,
        };
        self.effects.iter().filter_map(by).collect()
    }

    pub fn stage(&self) -> Option<Stage> {
        self.stage_of(ADA)
    }

    pub fn stage_of(&self, worker: u128) -> Option<Stage> {
        let views = self.machine.views(self.now, &WorkerSid::numbered(worker));
        views.into_iter().next().map(|view| view.stage)
    }

    /// As [`Self::restart`], including calls that were stored before the last change.
    pub fn restart_all(&mut self) {
        let json =
            |n: u128| self.machine.call(&conference(n)).map(|call| serde_json::to_string(call).unwrap());
        let calls: Vec<_> = (1..10).filter_map(json).collect();
        let calls = calls.iter().map(|json| rejoin_recovery::Call::read(json).unwrap());
        self.machine = Machine::new(config(), calls);
    }

    /// The process dies and restarts: only what was stored is left.
    pub fn restart(&mut self) {
        let stored: Vec<_> =
            self.machine.take_dirty().into_iter().map(|call| serde_json::to_string(call).unwrap()).collect();
        let calls: Vec<rejoin_recovery::Call> =
            stored.iter().map(|json| rejoin_recovery::Call::read(json).unwrap()).collect();
        self.machine = Machine::new(config(), calls);
    }
}

/// The registration that this worker's page sends for this leg.
pub fn registration_of(n: u128, worker: u128, worker_leg: u128, epoch: u64) -> Registration {
    Registration {
        id: None,
        epoch,
        task: TaskSid::numbered(n),
        reservation: reservation_of(worker, n),
        workflow: WorkflowSid::numbered(1),
        queue: None,
        conference: conference(n),
        worker_leg: leg(worker_leg),
        customer_leg: leg(CUSTOMER),
        worker_name: if worker == ADA { "Ada" } else { "Bo" }.into(),
        answers_messages: true,
    }
}

/// The request for the owners of this task's reservations, and Twilio's answer.
pub fn owners(task: u128) -> (Action, Outcome) {
    let owners =
        [ADA, BO, CY].map(|worker| (reservation_of(worker, task), WorkerSid::numbered(worker))).into();
    let action = Action::ReadReservations { task: TaskSid::numbered(task), conference: None };
    (action, Outcome::ReservationsRead { owners, is_of_task: true })
}

/// The attributes of a task into which this worker's page has written a graceful mark because the server did not
/// answer.
pub fn marked_attributes(worker: u128, epoch: u64, number: u32, reason: GracefulReason) -> serde_json::Value {
    let id = Some(DeliveryId { epoch, number });
    let mark =
        GracefulMark { id, task: TaskSid::numbered(1), reservation: reservation_of(worker, 1), reason };
    serde_json::json!({ "name": "x", "rejoinLeft": mark })
}

/// The outcome of an action that succeeds.
pub fn success(action: &Action) -> Outcome {
    match action {
        Action::CreatePing { .. } => Outcome::PingCreated(TaskSid::numbered(0x91)),
        Action::MarkTask { .. } => {
            Outcome::TaskRead { attributes: r#"{"name":"x"}"#.into(), version: None, workflow: None }
        }
        _ => Outcome::Ok,
    }
}

/// The customer is alone and is put on hold: with the announcement, or with comfort audio only once they have heard it.
pub fn hold(held: bool, told: bool) -> Action {
    let (conference, customer) = (conference(1), leg(CUSTOMER));
    Action::HoldCustomer { conference, customer, recovery: recovery(), held, told, words_at: None }
}

/// The poll about a customer who is alone after a transfer: is any agent being asked to take them?
pub fn transfer_poll() -> Action {
    let (conference, customer) = (conference(1), Some(leg(CUSTOMER)));
    Action::PollConference { conference, customer, queued: None, handed_over: Some(TaskSid::numbered(1)) }
}

pub fn end_hold() -> Action {
    Action::EndHold { conference: conference(1), customer: leg(CUSTOMER) }
}

pub fn requeue(target: Option<u128>) -> Action {
    Action::Requeue {
        recovery: recovery(),
        customer: leg(CUSTOMER),
        conference: conference(1),
        target: target.map(WorkerSid::numbered),
        free: false,
        resent: 0,
    }
}

pub fn complete_old() -> Action {
    Action::CompleteReservation { task: TaskSid::numbered(1), reservation: ReservationSid::numbered(1) }
}

pub fn end_ping() -> Action {
    Action::EndPing { task: TaskSid::numbered(0x91), accepted: false }
}

/// Ends a ping that is known to be accepted.
pub fn complete_ping() -> Action {
    Action::EndPing { task: TaskSid::numbered(0x91), accepted: true }
}
