//! Watches our server's steps for faults that strike at a step.

use super::Inbox;
use crate::chance::Chance;
use crate::plan::{Fault, FaultKind};
use rejoin_protocol::Millis;
use rejoin_server::surroundings::{Verdict, Watcher};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How soon a dead server is started again (milliseconds).
pub(super) const AT_ONCE: u64 = 400;
/// Steps at which the server may die: before and after each commit, each job that is taken over, each action at
/// Twilio, and each request of an action. Other steps only read.
const STEPS: [&str; 7] =
    ["written", "committed", "jobs taken", "request for", "answer to", "asking Twilio", "answered by Twilio"];

/// A database that has not answered by then counts as one that refuses ([`rejoin_server::store::Store::DEADLINE`]).
const ANSWERS_WITHIN: u64 = 5_000;

/// The faults to apply, and what has been counted for them.
#[derive(Debug)]
pub(crate) struct Watched {
    faults: Vec<Fault>,
    seed: u64,
    steps: u64,
    begun: Instant,
    /// How often the server may still die.
    deaths: u32,
    /// The server's last death.
    pub(crate) died: Option<Death>,
    /// Number of steps so far for each fault that strikes at one of them.
    counted: Vec<u32>,
}

/// A death at a step.
#[derive(Debug)]
pub(crate) struct Death {
    /// The fault that caused it.
    pub(crate) kind: FaultKind,
    /// How long there is no server then (milliseconds).
    pub(crate) down: u64,
    /// The step, for a fault that names one.
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

    /// The watcher for a server. `None` when no fault can strike at a step: to name all steps takes time.
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

    /// How the database fails at this step, and by which fault; `None` when it works.
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

    /// How long the server stands still at this step (milliseconds), if it does.
    fn stands(&mut self, step: &str) -> Option<u64> {
        // Not within a transaction, where no other server could go on; a database ends one that stands still.
        let named = ["committed", "request for", "answer to", "jobs taken"];
        if !named.iter().any(|named| step.starts_with(named)) {
            return None;
        }
        self.is_the_one(FaultKind::StandsAtStep).map(|fault| fault.to - fault.from)
    }

    /// The fault by which the server dies at this step, if it does.
    fn dies(&mut self, step: &str) -> Option<Fault> {
        STEPS
            .iter()
            .any(|named| step.starts_with(named))
            .then(|| self.is_the_one(FaultKind::DiesAtStep))
            .flatten()
    }

    /// Counts this step for the faults of this kind, and returns the one that strikes at it.
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
