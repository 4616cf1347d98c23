//! Runs worlds.

use crate::coverage::Coverage;
use crate::day::Loss;
use crate::plan::Plan;
use crate::planted::Planted;
use crate::rules::Broken;
use crate::server::settings;
use crate::store::StoreKind;
use crate::timeline::Entry;
use crate::world::World;
use rejoin_server::Config;
use std::sync::Arc;

/// What became of a world.
#[derive(Debug)]
pub struct Outcome {
    /// The rule that was broken, if one was.
    pub broken: Option<Broken>,
    /// What happened, if that was recorded.
    pub timeline: Vec<Entry>,
    /// What occurred.
    pub coverage: Coverage,
    /// What became of customers who lost their agents.
    pub losses: Vec<Loss>,
    /// How long it lasted, in its own time.
    pub lasted: u64,
    /// How much happened in it: messages that were sent or arrived, timers, deeds.
    pub steps: u64,
}

/// Runs one world after the other.
#[derive(Debug)]
pub struct Runner {
    pub(crate) settings: Config,
    /// On what the store is.
    pub store: StoreKind,
    /// Is everything that happens written down?
    pub records: bool,
    /// Is everything counted that occurs, or only the faults? It takes time.
    pub counts: bool,
    /// A defect that is put in.
    pub planted: Option<Planted>,
}

/// Why no world could be run.
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
    /// When the server's settings have changed so that these are not right any more.
    pub fn new() -> Result<Self, Unfit> {
        let settings = settings().map_err(Unfit::of)?;
        Ok(Self { settings, store: StoreKind::default(), records: false, counts: false, planted: None })
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
            Ok(Outcome {
                broken: world.rules.broken.take(),
                timeline: world.timeline.take().unwrap_or_default(),
                coverage: world.coverage.total(),
                losses: std::mem::take(&mut world.losses),
                lasted,
                steps: world.steps,
            })
        })
    }
}
