//! Runs worlds.

use crate::chats::{self, ChatCounts};
use crate::coverage::Coverage;
use crate::day::Loss;
use crate::plan::Plan;
use crate::planted::Planted;
use crate::rules::Broken;
use crate::server::settings;
use crate::silences::Silences;
use crate::store::StoreKind;
use crate::timeline::Entry;
use crate::world::World;
use rejoin_server::Config;
use rejoin_server::explain::{Story, Subject};
use rejoin_server::history::Recovered;
use std::sync::Arc;

/// The outcome of a world.
#[derive(Debug)]
pub struct Outcome {
    /// The broken rule, if any.
    pub broken: Option<Broken>,
    /// What happened, if it was recorded.
    pub timeline: Vec<Entry>,
    /// The stories of calls that lost an agent, as `rejoin explain` has them, if they were asked for.
    pub stories: Vec<(Subject, Story)>,
    /// The recoveries that have ended, as the history of a server counts them, if stories were asked for.
    pub recoveries: Vec<Recovered>,
    /// What occurred.
    pub coverage: Coverage,
    /// What became of customers who lost their agents.
    pub losses: Vec<Loss>,
    /// How long the world lasted, in virtual milliseconds.
    pub lasted: u64,
    /// Twilio's requests to our server that failed.
    pub failed: Failures,
    /// Pages that our server asked whether they live.
    pub silences: Silences,
    /// Number of events: messages that were sent or arrived, timers, deeds.
    pub steps: u64,
    /// What became of the chats.
    pub chats: ChatCounts,
}

/// How many of Twilio's requests our server did not answer, or answered with an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Further attempts.
    pub retries: u64,
    /// Number of callbacks that Twilio could not deliver by any attempt.
    pub callbacks: u64,
    /// Number of documents that Twilio could not fetch by any attempt.
    pub documents: u64,
}

impl std::ops::AddAssign for Failures {
    fn add_assign(&mut self, other: Self) {
        self.retries += other.retries;
        self.callbacks += other.callbacks;
        self.documents += other.documents;
    }
}

impl Outcome {
    /// Adds what became of the chats. Entries of one moment come in their order, those of calls first.
    fn add(&mut self, chats: Option<chats::Played>) {
        let Some(chats) = chats else { return };
        self.timeline.extend(chats.timeline);
        self.timeline.sort_by_key(|entry| entry.at);
        self.broken = chats.broken;
        self.steps += chats.steps;
        self.lasted = self.lasted.max(chats.lasted);
        self.chats = chats.counts;
    }
}

/// Runs one world after the other.
#[derive(Debug)]
pub struct Runner {
    pub(crate) settings: Config,
    /// What the store runs on.
    pub store: StoreKind,
    /// True to record the timeline.
    pub records: bool,
    /// True to read, at the end, what the database tells about calls that lost an agent. There is none in memory.
    pub explains: bool,
    /// True to count everything that occurs, which takes time; false to count only the faults.
    pub counts: bool,
    /// A planted defect.
    pub planted: Option<Planted>,
}

/// Why a world could not be run.
#[derive(Debug)]
pub struct Unfit(String);

impl Unfit {
    /// The reason is the text of an error.
    pub fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

impl Runner {
    /// # Errors
    /// When the server does not accept these settings any more.
    pub fn new() -> Result<Self, Unfit> {
        let settings = settings().map_err(Unfit::of)?;
        Ok(Self {
            settings,
            store: StoreKind::default(),
            records: false,
            explains: false,
            counts: false,
            planted: None,
        })
    }

    /// # Errors
    /// When there is no runtime or no disk, or the account of the plan cannot be modelled.
    pub fn run(&self, plan: &Plan) -> Result<Outcome, Unfit> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .map_err(Unfit::of)?;
        let plan = Arc::new(plan.clone());
        runtime.block_on(async {
            let mut world = World::new(Arc::clone(&plan), self)?;
            world.run().await;
            let lasted = world.now;
            let stories =
                if self.explains { world.servers.kept.stories().map_err(Unfit::of)? } else { vec![] };
            let recoveries =
                if self.explains { world.servers.kept.recoveries().map_err(Unfit::of)? } else { vec![] };
            let fates = std::mem::take(&mut world.fates);
            let mut outcome = Outcome {
                broken: world.rules.broken.take(),
                timeline: world.timeline.take().unwrap_or_default(),
                stories,
                recoveries,
                coverage: world.coverage.total(),
                losses: std::mem::take(&mut world.losses),
                lasted,
                failed: world.twilio.failed,
                silences: world.silences,
                steps: world.steps,
                chats: ChatCounts::default(),
            };
            if outcome.broken.is_none() {
                outcome.add(chats::play(&plan, fates, self.planted, self.records));
            }
            Ok(outcome)
        })
    }
}
