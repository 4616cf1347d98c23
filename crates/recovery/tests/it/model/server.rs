//! The server: the real machine, made anew for every event from what was committed.

use super::fingerprint;
use super::world::NOTHING_WRITTEN;
use crate::desk::{ADA, Desk, conference, owners};
use rejoin_protocol::api::Stage;
use rejoin_protocol::{ConferenceSid, Millis, RecoveryId, TaskSid, WorkerSid};
use rejoin_recovery::{Action, Call, Config, Effect, Ending, Event, Machine, Outcome, Phase, Right, Timer};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// An action for Twilio.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Job {
    pub(super) conference: ConferenceSid,
    pub(super) action: Action,
    /// True if it was begun before, by a server that died.
    pub(super) may_have_acted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Server {
    pub(super) now: Millis,
    calls: Vec<Stored>,
    timers: BTreeMap<(ConferenceSid, Timer), Millis>,
    pub(super) jobs: Vec<Job>,
    /// True if Ada's mark arrived while it could still count.
    pub(super) marked_in_time: bool,
    /// True if Ada's mark was read in the task before the customer was requeued.
    pub(super) read_in_time: bool,
    history: History,
}

/// A call as it was committed.
#[derive(Clone, Debug)]
struct Stored {
    call: Arc<Call>,
    fingerprint: u64,
}

/// What the server has pushed about each recovery.
#[derive(Clone, Debug, Default)]
struct History {
    /// The last stage that the agent's dialog showed.
    told: BTreeMap<RecoveryId, Stage>,
    ends: BTreeMap<RecoveryId, Ending>,
    /// True if a recovery ended twice, or went on after its end.
    contradicts: bool,
    fingerprint: u64,
}

impl Server {
    /// The customer and Ada talk in conference 1.
    pub(super) fn talking() -> Self {
        let desk = Desk::talking();
        let call = desk.machine.call(&conference(1)).expect("known").clone();
        let mut timers = desk.timers.clone();
        timers.retain(|(_, timer), _| *timer != Timer::Watchdog);
        Self {
            now: desk.now,
            calls: vec![Stored::new(&call)],
            timers,
            jobs: vec![],
            marked_in_time: false,
            read_in_time: false,
            history: History::default(),
        }
    }

    pub(super) fn machine(&self) -> Machine {
        // Without the watchdog: unless callbacks are lost, the machine has to get by with the messages it receives.
        let config = Config { watch_call: Millis(0), watch_recovery: Millis(0), ..Config::default() };
        Machine::new(config, self.calls().cloned())
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().map(|stored| &*stored.call)
    }

    pub(super) fn call(&self, n: u128) -> Option<&Call> {
        self.calls().find(|call| call.conference == conference(n))
    }

    /// Commits everything that follows from an event.
    pub(super) fn handle(&mut self, event: Event) {
        let waits = |call: &Call| {
            let phase = call.recovery.as_ref().map(|recovery| &recovery.phase);
            matches!(phase, None | Some(Phase::Grace | Phase::Away | Phase::Rejoining))
        };
        let of_ada = matches!(&event, Event::Graceful { worker, .. } if *worker == WorkerSid::numbered(ADA));
        self.marked_in_time |= of_ada && self.call(1).is_some_and(waits);
        let reads = matches!(
            &event,
            Event::Done { outcome: Outcome::TaskRead { attributes, .. }, .. } if attributes != NOTHING_WRITTEN
        );
        let told = |call: &Call| {
            call.recovery.as_ref().is_some_and(|recovery| recovery.phase.is_kept()) || waits(call)
        };
        self.read_in_time |= reads && self.call(1).is_some_and(told);
        let mut machine = self.machine();
        let (mut asks, mut again) = (None, None);
        let effects = machine.handle(self.now, event.clone());
        if let Event::Registered { worker, registration } = &event
            && machine.right(worker, registration) == Right::Unknown
        {
            asks = Some(registration.conference.clone());
            again = Some(event);
        }
        for effect in effects {
            match effect {
                // Twilio answers at once, and the page repeats its request.
                Effect::Act { conference, action: Action::ReadReservations { .. }, .. }
                | Effect::SetTimer { conference, timer: Timer::Owners, .. } => asks = Some(conference),
                Effect::Act { conference, action, .. } => {
                    self.jobs.push(Job { conference, action, may_have_acted: false });
                }
                Effect::SetTimer { conference, timer, at } => {
                    self.timers.insert((conference, timer), at);
                }
                Effect::ClearTimer { conference, timer } => {
                    self.timers.remove(&(conference, timer));
                }
                // A call is forgotten long after everything that can happen here.
                Effect::Push { view, .. } => {
                    self.history.told.insert(view.id, view.stage);
                }
                Effect::Note { .. } | Effect::Forget { .. } => {}
            }
        }
        for call in machine.take_dirty() {
            self.history.note(call);
            let stored = Stored::new(call);
            match self.calls.iter_mut().find(|old| old.call.conference == call.conference) {
                Some(old) => *old = stored,
                None => self.calls.push(stored),
            }
        }
        self.history.fingerprint = fingerprint(&(&self.history.told, &self.history.ends));
        if let Some(conference) = asks {
            let task = self.calls().find(|call| call.conference == conference).map(|call| call.task.clone());
            let room = (1..=2).find(|n| Some(TaskSid::numbered(*n)) == task).expect("one of the two");
            let (action, outcome) = owners(room);
            self.handle(Event::Done { conference, action, outcome });
        }
        if let Some(event) = again {
            self.handle(event);
        }
    }

    /// True if each recovery has ended once at most, and for good.
    pub(super) fn ends_once(&self) -> bool {
        !self.history.contradicts
    }

    /// The last stage that the dialogs showed of this recovery.
    pub(super) fn told(&self, recovery: &RecoveryId) -> Option<&Stage> {
        self.history.told.get(recovery)
    }

    pub(super) fn done(&mut self, job: Job, outcome: Outcome) {
        self.handle(Event::Done { conference: job.conference, action: job.action, outcome });
    }

    /// The timer that is due first. Forgetting comes long after everything else.
    pub(super) fn next_timer(&self) -> Option<(ConferenceSid, Timer)> {
        let all = self.timers.iter().filter(|((_, timer), _)| *timer != Timer::Forget);
        all.min_by_key(|(_, at)| **at).map(|(key, _)| key.clone())
    }

    pub(super) fn fire_next(&mut self) -> Option<()> {
        let (conference, timer) = self.next_timer()?;
        let at = self.timers.remove(&(conference.clone(), timer))?;
        self.now = self.now.max(at);
        self.handle(Event::Timer { conference, timer });
        Some(())
    }
}

impl Stored {
    fn new(call: &Call) -> Self {
        Self { call: Arc::new(call.clone()), fingerprint: fingerprint(call) }
    }
}

impl PartialEq for Stored {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for Stored {}

impl Hash for Stored {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}

impl History {
    fn note(&mut self, call: &Call) {
        for absent in call.absences() {
            let id = &absent.absence().id;
            match (absent.ending(), self.ends.get(id)) {
                (Some(ending), None) => {
                    self.ends.insert(id.clone(), ending.clone());
                }
                (Some(ending), Some(before)) => self.contradicts |= ending != before,
                (None, ended) => self.contradicts |= ended.is_some(),
            }
        }
    }
}

impl PartialEq for History {
    fn eq(&self, other: &Self) -> bool {
        (self.contradicts, self.fingerprint) == (other.contradicts, other.fingerprint)
    }
}

impl Eq for History {}

impl Hash for History {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.contradicts, self.fingerprint).hash(state);
    }
}
