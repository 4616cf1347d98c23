//! Time and randomness. Both are injected: from the system in a real server, from a seed in a simulation with a clock
//! of its own. Nothing else in the server reads a clock or draws a number.
//!
//! A server of a simulation can be killed, as `kill -9` kills a process: from then on it writes, sends and answers
//! nothing. Its surroundings give no answers any more, and its tasks wait for them until they are dropped. It can
//! also be suspended for a while.

mod standing;
mod steady;

use crate::failpoint;
use rejoin_protocol::Millis;
use rejoin_recovery::{Event, Machine};
use standing::Standing;
use std::fmt;
use std::future::pending;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::task::Context;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use steady::Steady;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

/// This machine's clock, shared by the whole program.
static MACHINE: Steady = Steady::new();

/// The surroundings of a server. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Surroundings(Option<Arc<World>>);

/// What happens to a server at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    GoOn,
    /// It is killed there.
    Crash,
    /// The database refuses this step's request, or the commit that follows; no effect at other steps.
    Refuse,
    /// It goes on after this time.
    Stall(Millis),
    /// It is suspended there, until it is let go on.
    Stand,
}

/// Called at each step (as in [`crate::failpoint`]); decides what happens to the server.
pub type Watcher = Arc<dyn Fn(&str) -> Verdict + Send + Sync>;

/// Called for each event that the machine has handled, with the calls of the batch before and after it.
pub type Listener = Arc<dyn Fn(&Machine, &Event, &Machine) + Send + Sync>;

/// The surroundings in a simulation.
struct World {
    /// The time at the beginning, and the beginning by the clock of its runtime, from wherever it is read.
    first: Millis,
    begun: Instant,
    runtime: Option<Handle>,
    /// How far the wall clock was set forward.
    set: AtomicI64,
    /// How long the machine was suspended, which its runtime has not counted.
    suspended: AtomicU64,
    steady: Steady,
    chance: AtomicU64,
    watcher: Option<Watcher>,
    listener: Option<Listener>,
    is_killed: AtomicBool,
    killed: Notify,
    standing: Standing,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("first", &self.first)
            .field("is_killed", &self.is_killed)
            .finish_non_exhaustive()
    }
}

impl Surroundings {
    /// The real surroundings.
    pub fn system() -> Self {
        Self(None)
    }

    /// Surroundings of one server process in a simulation: its clock shows `first` now, and time passes with tokio's
    /// clock.
    pub fn seeded(first: Millis, seed: u64, watcher: Option<Watcher>) -> Self {
        Self(Some(Arc::new(World {
            first,
            begun: Instant::now(),
            runtime: Handle::try_current().ok(),
            set: AtomicI64::new(0),
            suspended: AtomicU64::new(0),
            steady: Steady::new(),
            chance: AtomicU64::new(seed),
            watcher,
            listener: None,
            is_killed: AtomicBool::new(false),
            killed: Notify::new(),
            standing: Standing::default(),
        })))
    }

    /// Adds a listener. Must be called before they are shared.
    #[must_use]
    pub fn listened_to(mut self, listener: Listener) -> Self {
        if let Some(world) = self.0.as_mut().and_then(Arc::get_mut) {
            world.listener = Some(listener);
        }
        self
    }

    /// The listener, if any.
    pub(crate) fn listener(&self) -> Option<&Listener> {
        self.0.as_ref()?.listener.as_ref()
    }

    /// Milliseconds since the Unix epoch. Continues smoothly when the wall clock is set; a wall clock that stays as
    /// it was set is trusted after two minutes.
    pub fn now(&self) -> Millis {
        let Some(world) = &self.0 else {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let wall = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
            return Millis(steady::unset().map_or(wall, |unset| MACHINE.now(unset, wall)));
        };
        let _home = world.runtime.as_ref().map(Handle::enter);
        let since = u64::try_from(world.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let unset = world.first.0 + since + world.suspended.load(Ordering::Relaxed);
        let wall = unset.saturating_add_signed(world.set.load(Ordering::Relaxed));
        Millis(world.steady.now(unset, wall))
    }

    /// Suspends the machine for this time: both of its clocks advance, and nothing runs. No effect on real
    /// surroundings.
    pub fn suspend(&self, time: Millis) {
        if let Some(world) = &self.0 {
            world.suspended.fetch_add(time.0, Ordering::Relaxed);
        }
    }

    /// Sets the wall clock forward, or back, by this many milliseconds. No effect on real surroundings.
    pub fn set_clock(&self, by: i64) {
        if let Some(world) = &self.0 {
            world.set.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// An unpredictable number.
    pub fn number(&self) -> u64 {
        match &self.0 {
            None => RandomState::new().build_hasher().finish(),
            Some(world) => split_mix(&world.chance),
        }
    }

    /// A unique name for a server, different also from its predecessor's.
    pub(crate) fn server(&self) -> String {
        format!("{:016x}", self.number())
    }

    /// A step of the server, at which it may be killed. True when the step is refused.
    pub(crate) async fn pass(&self, step: impl Fn() -> String) -> bool {
        let Some(world) = &self.0 else { return false };
        self.alive().await;
        let verdict = world.watcher.as_ref().map_or(Verdict::GoOn, |watcher| watcher(&step()));
        match verdict {
            Verdict::GoOn | Verdict::Refuse => {}
            Verdict::Crash => self.kill(),
            Verdict::Stall(Millis(time)) => tokio::time::sleep(Duration::from_millis(time)).await,
            Verdict::Stand => {
                self.stand_still();
                tokio::task::yield_now().await;
            }
        }
        self.alive().await;
        verdict == Verdict::Refuse
    }

    /// The same at a step that is also a failpoint for tests of the program.
    pub(crate) async fn reach(&self, step: impl Fn() -> String) -> bool {
        failpoint::reach(&step);
        self.pass(step).await
    }

    /// Suspends the server, in a simulation.
    pub fn stand_still(&self) {
        if let Some(world) = &self.0 {
            world.standing.begin();
        }
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        if let Some(world) = &self.0 {
            world.standing.end();
        }
    }

    /// Runs a part of the server, except while the server is suspended.
    pub(crate) async fn part<F: Future>(&self, work: F) -> F::Output {
        match &self.0 {
            None => work.await,
            Some(world) => world.standing.part(work).await,
        }
    }

    /// The same, for a task of its own. Its state of some kilobytes is boxed, as tokio moves a task a few times.
    pub(crate) fn task<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let (surroundings, work) = (self.clone(), Box::pin(work));
        async move { surroundings.part(work).await }
    }

    /// True while the server is suspended. The caller is woken when it goes on.
    pub(crate) fn keeps(&self, context: &Context<'_>) -> bool {
        self.0.as_ref().is_some_and(|world| world.standing.keeps(context))
    }

    /// Kills the server, in a simulation.
    pub fn kill(&self) {
        if let Some(world) = &self.0 {
            world.is_killed.store(true, Ordering::Relaxed);
            world.killed.notify_waiters();
        }
    }

    /// True when it was killed.
    pub fn is_killed(&self) -> bool {
        self.0.as_ref().is_some_and(|world| world.is_killed.load(Ordering::Relaxed))
    }

    /// Returns when it is killed.
    pub async fn killed(&self) {
        let Some(world) = &self.0 else { return pending().await };
        let killed = world.killed.notified();
        if !self.is_killed() {
            killed.await;
        }
    }

    /// Returns at once, or never if the server was killed.
    pub(crate) async fn alive(&self) {
        if self.is_killed() {
            pending::<()>().await;
        }
    }
}

/// <https://prng.di.unimi.it/splitmix64.c>
fn split_mix(state: &AtomicU64) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut z = state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_seed_gives_the_same_numbers() {
        let numbers = |seed| {
            let surroundings = Surroundings::seeded(Millis(0), seed, None);
            [(); 3].map(|()| surroundings.number())
        };
        // The reference implementation's first numbers for this seed.
        assert_eq!(numbers(1_234_567)[..2], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        assert_ne!(numbers(1), numbers(2));
    }

    #[tokio::test(start_paused = true)]
    async fn time_passes_smoothly_until_a_clock_that_was_set_has_settled() {
        let surroundings = Surroundings::seeded(Millis::seconds(1000), 1, None);
        assert_eq!(surroundings.now(), Millis::seconds(1000));
        surroundings.set_clock(-500_000);
        assert_eq!(surroundings.now(), Millis::seconds(1000));
        surroundings.suspend(Millis::seconds(5));
        assert_eq!(surroundings.now(), Millis::seconds(1005));
        tokio::time::advance(Duration::from_secs(120)).await;
        assert_eq!(surroundings.now(), Millis::seconds(625));
    }

    #[tokio::test]
    async fn a_killed_server_reaches_no_further_step() {
        let watcher: Watcher = Arc::new(|step| if step == "last" { Verdict::Crash } else { Verdict::Refuse });
        let surroundings = Surroundings::seeded(Millis(0), 1, Some(watcher));
        assert!(surroundings.pass(|| "first".into()).await);
        let killed = surroundings.killed();
        let goes_on = async {
            surroundings.pass(|| "last".into()).await;
            true
        };
        let went_on = tokio::select! {
            biased;
            went_on = goes_on => went_on,
            () = killed => false,
        };
        assert!(!went_on && surroundings.is_killed());
        // A later call returns at once.
        surroundings.killed().await;
    }
}
