//! The shell of [`Pace`]: gives it the time, wakes the next requests, and alerts operators.

use super::{Effect, Event, News, Pace, Pacing, Rank, Status, Ticket, family};
use crate::surroundings::Surroundings;
use rejoin_protocol::{Millis, RecoveryId};
use rejoin_recovery::Action;
use rejoin_twilio::{Answer, Family, Gate, Pass, Passing};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// Grants turns. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct Turns {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    surroundings: Surroundings,
    /// The beginning, by the wall clock and by a monotonic one. A wall clock that is set back by an hour must not delay all
    /// requests by an hour.
    began: (Millis, Instant),
    state: Mutex<State>,
    /// Something changed: the next wake-up may be at another time.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    pace: Pace,
    next: u64,
    waiting: HashMap<Ticket, oneshot::Sender<()>>,
}

impl Turns {
    /// Without requests.
    pub fn new(settings: &Pacing, surroundings: Surroundings) -> Self {
        let began = (surroundings.now(), Instant::now());
        let state =
            Mutex::new(State { pace: Pace::new(settings, began.0), next: 0, waiting: HashMap::new() });
        Self { inner: Arc::new(Inner { surroundings, began, state, changed: Notify::new() }) }
    }

    /// Lets time pass. Never ends.
    pub async fn run(&self) {
        loop {
            let changed = self.inner.changed.notified();
            self.handle(Event::Time);
            let now = self.now();
            let next = self.state().pace.next(now);
            match next {
                Some(at) => {
                    // Whichever comes first.
                    let _ =
                        tokio::time::timeout(Duration::from_millis(now.until(at).0.max(1)), changed).await;
                }
                None => changed.await,
            }
        }
    }

    /// Waits until it is the turn of a job's next attempt. Its first request uses that turn; the others wait for theirs with
    /// the same rank and age. `look`: true if the attempt begins with a look-up of the previous one. `since`: when its
    /// customer began to wait (point in time).
    pub async fn of_attempt(&self, action: &Action, look: bool, since: Millis) -> Arc<JobGate> {
        let rank = action.traits().rank;
        let turn = self.turn(family(action, look), rank, since).await;
        Arc::new(JobGate { turns: self.clone(), rank, since, held: Mutex::new(Some(turn)) })
    }

    /// A gate for a request without a job, for a customer who waits since then (point in time).
    pub fn of_request(&self, rank: Rank, since: Millis) -> Arc<JobGate> {
        Arc::new(JobGate { turns: self.clone(), rank, since, held: Mutex::new(None) })
    }

    /// An agent was lost. A recovery counts once.
    pub fn lost(&self, recovery: RecoveryId) {
        self.handle(Event::Lost(recovery));
    }

    /// Number of servers that send requests for this account.
    pub fn share(&self, servers: u64) {
        self.handle(Event::Servers(servers));
        self.inner.changed.notify_one();
    }

    /// An operator has checked: requests that the failsafe holds back may go out.
    pub fn go_on(&self) {
        self.handle(Event::GoOn);
        self.inner.changed.notify_one();
    }

    /// The current state.
    pub fn status(&self) -> Status {
        self.state().pace.status(self.now())
    }

    async fn turn(&self, family: Family, rank: Rank, since: Millis) -> Turn {
        let (granted, turn) = {
            let mut state = self.state();
            let ticket = Ticket(state.next);
            state.next += 1;
            let (sender, granted) = oneshot::channel();
            state.waiting.insert(ticket, sender);
            // Created before the wait: a caller that stops waiting gives it back.
            (granted, Turn { turns: self.clone(), ticket, family, stage: Stage::Held })
        };
        // Its age by the wall clock.
        let waited = since.until(self.inner.surroundings.now());
        let since = Millis(self.now().0.saturating_sub(waited.0));
        self.handle(Event::Wants { ticket: turn.ticket, family, rank, since });
        self.inner.changed.notify_one();
        // The sender is dropped only with `turn`.
        let _ = granted.await;
        turn
    }

    fn now(&self) -> Millis {
        let (at, began) = self.inner.began;
        at + Millis(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn handle(&self, event: Event) {
        let mut state = self.state();
        let effects = state.pace.handle(self.now(), event);
        for effect in effects {
            match effect {
                Effect::Grant(ticket) => {
                    if let Some(waiting) = state.waiting.remove(&ticket) {
                        // A caller that has stopped waiting gives the turn back.
                        let _ = waiting.send(());
                    }
                }
                Effect::Tell(news) => tell(news),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state consistent.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(news: News) {
    match news {
        News::Storm { lost } => tracing::error!(
            lost,
            "a storm: many agents were lost at once; lines are kept and customers told before anything else is done; find out what these \
             agents have in common"
        ),
        News::Failsafe { lost } => tracing::error!(
            lost,
            "the failsafe is active: lost agents are not pinged, and no customer goes to the next agent, until an operator says so (POST \
             /operator/storm/go-on) or the storm has been over for a while (REJOIN_FAILSAFE_FOR_MS); lines are kept, customers are told, and \
             agents who are back get their customers"
        ),
        News::FailsafeOver { by_operator } => {
            tracing::warn!(by_operator, "the failsafe is over: held-back actions go out at the usual rate");
        }
        News::Over { lost, lasted } => tracing::warn!(lost, lasted_ms = lasted.0, "the storm is over"),
    }
}

/// A granted turn.
#[derive(Debug)]
struct Turn {
    turns: Turns,
    ticket: Ticket,
    family: Family,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not used yet.
    Held,
    /// The request is in flight.
    Sent,
    /// It was answered.
    Over,
}

impl Pass for Turn {
    fn answered(mut self: Box<Self>, answer: Answer) {
        self.stage = Stage::Over;
        self.turns.handle(Event::Ended(self.ticket, Some(answer)));
        self.turns.inner.changed.notify_one();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let event = match self.stage {
            Stage::Held => Event::GivesUp(self.ticket),
            Stage::Sent => Event::Ended(self.ticket, None),
            Stage::Over => return,
        };
        self.turns.state().waiting.remove(&self.ticket);
        self.turns.handle(event);
        self.turns.inner.changed.notify_one();
    }
}

/// Lets the requests of one attempt of a job, or of another caller, pass, each in its turn.
#[derive(Debug)]
pub struct JobGate {
    turns: Turns,
    rank: Rank,
    since: Millis,
    /// The turn of the first request.
    held: Mutex<Option<Turn>>,
}

impl Gate for JobGate {
    fn pass(&self, family: Family) -> Passing<'_> {
        Box::pin(async move {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
            let mut turn = match held {
                Some(held) if held.family == family => held,
                _ => self.turns.turn(family, self.rank, self.since).await,
            };
            turn.stage = Stage::Sent;
            Some(Box::new(turn) as Box<dyn Pass>)
        })
    }
}
