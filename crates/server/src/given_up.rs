//! Jobs for Twilio that were given up: refused for good, or not done in time. The machine has gone on with the next
//! best thing; an operator may have to do more.

use crate::error::Error;
use crate::explain::time;
use rejoin_protocol::{ConferenceSid, Millis};
use rejoin_recovery::Action;
use serde::Serialize;
use sqlx::{AnyConnection, Row as _};
use std::fmt;

/// Maximum number that is listed, the latest ones.
pub const LISTED: i64 = 200;

/// A job that was given up. It contains no personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GivenUp {
    /// When it was given up (point in time).
    pub at: Millis,
    /// The conference.
    pub conference: ConferenceSid,
    /// Its number in the log.
    pub job: i64,
    /// Its action.
    pub what: &'static str,
    /// The reason.
    pub reason: String,
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  job {}: {}", time(self.at), self.conference, self.job, self.reason)
    }
}

/// All that are listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed(pub Vec<GivenUp>);

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "nothing was given up");
        }
        for job in &self.0 {
            writeln!(f, "{job}")?;
        }
        writeln!(f, "\n`rejoin explain CF…` tells the story of a call. What to do: docs/runbook.md")
    }
}

/// The latest ones, last one first.
pub(crate) async fn read(db: &mut AnyConnection) -> Result<Vec<GivenUp>, Error> {
    let rows = sqlx::query(
        "select ended, conference, id, action, given_up from jobs where given_up is not null
         order by ended desc, id desc limit $1",
    )
    .bind(LISTED)
    .fetch_all(db)
    .await?;
    let mut listed = vec![];
    for row in rows {
        let at = Millis(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0));
        let Ok(conference) = ConferenceSid::try_from(row.try_get::<String, _>(1)?) else { continue };
        // An action of another version has no name here; its reason names it.
        let action: Result<Action, _> = serde_json::from_str(&row.try_get::<String, _>(3)?);
        let what = action.as_ref().map_or("something", Action::name);
        listed.push(GivenUp { at, conference, job: row.try_get(2)?, what, reason: row.try_get(4)? });
    }
    Ok(listed)
}
