//! What `rejoin report --html` shows: how recoveries have ended in a span of time, from the sums of the history and from the figures
//! by day.

use crate::error::Error;
use crate::history::{Asked, DAY_HOURS, Sums};
use crate::report::{self, SwitchedInAll};
use crate::store;
use rejoin_protocol::Millis;
use sqlx::AnyConnection;

/// Languages of the page: tags as of BCP 47. The first one is English.
pub const LANGUAGES: [&str; 6] = ["en", "de", "es", "fr", "pt", "ja"];

/// What the page shows. It names no agent and no call.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// The span. Its filters are not applied to silent pages and switches.
    pub(crate) asked: Asked,
    /// When it was read.
    pub(crate) at: Millis,
    /// The sums of the history. Agents are left out.
    pub(crate) sums: Sums,
    /// Number of silent pages, and of those that answered after all, on the days of the span.
    pub(crate) silent: (u64, u64),
    /// What was switched on these days.
    pub(crate) switches: Vec<SwitchedInAll>,
}

impl Page {
    /// Reads it, of one moment if the transaction of the connection is.
    pub(crate) async fn read(db: &mut AnyConnection, asked: &Asked, at: Millis) -> Result<Self, Error> {
        let sums = Sums { agents: vec![], ..store::sums(db, asked).await? };
        let days = (asked.range.from / DAY_HOURS, asked.range.to.div_ceil(DAY_HOURS));
        let dates = report::date(days.0)..report::date(days.1);
        let silent = report::read(db).await?.silent.into_iter().filter(|it| dates.contains(&it.day));
        let silent = silent.fold((0, 0), |sum, it| (sum.0 + it.count, sum.1 + it.answered));
        let switches = report::switched(db, days).await?;
        Ok(Self { asked: asked.clone(), at, sums, silent, switches })
    }
}
