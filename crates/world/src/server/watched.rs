//! What our server's steps are watched for: faults that strike at a step.

use super::Inbox;
use crate::chance::Chance;
use crate::plan::{Fault, FaultKind};
use rejoin_protocol::Millis;
use rejoin_server::surroundings::{Verdict, Watcher};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Whoever looks after it starts it again after so long.
pub(super) const AT_ONCE: u64 = 400;
/// Before and after each commit, each job that is taken over, each action at Twilio, and each request of which it is made.
/// The rest asks for something, and changes nothing.
const STEPS: [&str; 7] =
    ["written", "committed", "jobs taken", "request for", "answer to", "asking Twilio", "answered by Twilio"];

/// A database that has not answered by then counts as one that refuses ([`rejoin_server::store::Store::DEADLINE`]).
const ANSWERS_WITHIN: u64 = 5_000;

/// What the server's steps are watched for.
#[derive(Debug)]
pub(crate) struct Watched {
    faults: Vec<Fault>,
    seed: u64,
    steps: u64,
    begun: Instant,
    /// How often the server may still die.
    deaths: u32,
    /// How it has died last.
    pub(crate) died: Option<Death>,
    /// How many steps there were for each fault that strikes at one of them.
    counted: Vec<u32>,
}

/// A death at a step.
#[derive(Debug)]
pub(crate) struct Death {
    /// By which fault.
    pub(crate) kind: FaultKind,
    /// How long there is no server then.
    pub(crate) down: u64,
    /// At which step, if that is what it is about.
    pub(crate) step: Option<String>,
}

impl Watched {
    pub(super) fn new(faults: &[Fault], seed: u64) -> Self {
        Self {
            faults: faults.to_vec(),
            seed,
            steps: 0,
            begun: Instant::now(),
            deaths: 4,
            died: None,
            counted: vec![0; faults.len()],
        }
    }

    /// `None` where nothing can come of any step: to name them all takes time.
    pub(super) fn watcher(
        watched: &Arc<Mutex<Self>>,
        number: usize,
        world: &mpsc::UnboundedSender<Inbox>,
    ) -> Option<Watcher> {
        let strikes = |fault: &Fault| {
            matches!(fault.kind, FaultKind::DiesAfterCommit | FaultKind::DiesAfterEffect)
                || fault.kind.is_at_a_step()
                || fault.kind.is_of_store()
        };
        let it = watched.lock().unwrap_or_else(PoisonError::into_inner);
        if !it.faults.iter().any(strikes) {
            return None;
        }
        let (watched, world) = (Arc::clone(watched), world.clone());
        Some(Arc::new(move |step: &str| {
            let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(time) = watched.stands(step) {
                // Fails only when the world is over.
                let _ = world.send(Inbox::Stands(number, time, step.to_owned()));
                return Verdict::Stand;
            }
            if let Some((kind, verdict)) = watched.database(step) {
                let _ = world.send(Inbox::Store(number, kind));
                return verdict;
            }
            watched.verdict(step)
        }))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What the database does at this step, and by which fault, if it is not at its best.
    fn database(&mut self, step: &str) -> Option<(FaultKind, Verdict)> {
        let kinds: &[FaultKind] = match step {
            "acknowledged" => &[FaultKind::CommitUnknown],
            _ if step == "written" || step.starts_with("asking the store") => {
                &[FaultKind::StoreRefuses, FaultKind::StoreStalls]
            }
            _ => return None,
        };
        let now = self.now();
        let strikes = |fault: &&Fault| kinds.contains(&fault.kind) && fault.from <= now && now < fault.to;
        let Fault { kind, rate, to, .. } = self.faults.iter().find(strikes)?.clone();
        self.steps += 1;
        let mut chance = Chance::of(self.seed, 5, self.steps);
        let late = Millis(chance.between(200, ANSWERS_WITHIN).min(to - now));
        chance.happens(rate).then_some(match kind {
            FaultKind::StoreStalls => (kind, Verdict::Stall(late)),
            _ => (kind, Verdict::Refuse),
        })
    }

    fn verdict(&mut self, step: &str) -> Verdict {
        if let Some(fault) = self.dies(step) {
            let (kind, down, step) = (fault.kind, fault.to - fault.from, Some(step.to_owned()));
            self.died = Some(Death { kind, down, step });
            return Verdict::Crash;
        }
        let kind = if step.starts_with("committed") {
            FaultKind::DiesAfterCommit
        } else if step.starts_with("answer to") {
            FaultKind::DiesAfterEffect
        } else {
            return Verdict::GoOn;
        };
        let now = self.now();
        let active =
            self.faults.iter().find(|fault| fault.kind == kind && fault.from <= now && now < fault.to);
        let Some(fault) = active else { return Verdict::GoOn };
        self.steps += 1;
        let dies = self.deaths > 0 && Chance::of(self.seed, 3, self.steps).happens(fault.rate.min(500));
        if dies {
            self.deaths -= 1;
            self.died = Some(Death { kind, down: AT_ONCE, step: None });
            return Verdict::Crash;
        }
        Verdict::GoOn
    }

    /// Is this the step at which it stands still, and for how long?
    fn stands(&mut self, step: &str) -> Option<u64> {
        // Not within a transaction, where nobody else could go on; a database ends one that stands still.
        let named = ["committed", "request for", "answer to", "jobs taken"];
        if !named.iter().any(|named| step.starts_with(named)) {
            return None;
        }
        self.is_the_one(FaultKind::StandsAtStep).map(|fault| fault.to - fault.from)
    }

    /// Is this the step at which it dies?
    fn dies(&mut self, step: &str) -> Option<Fault> {
        STEPS
            .iter()
            .any(|named| step.starts_with(named))
            .then(|| self.is_the_one(FaultKind::DiesAtStep))
            .flatten()
    }

    /// Of the faults of this kind, the one that strikes at this step.
    fn is_the_one(&mut self, kind: FaultKind) -> Option<Fault> {
        let now = self.now();
        let mut struck = None;
        for (fault, counted) in self.faults.iter().zip(&mut self.counted) {
            if fault.kind == kind && fault.from <= now {
                *counted += 1;
                if *counted == fault.rate {
                    struck = Some(fault.clone());
                }
            }
        }
        struck
    }
}
