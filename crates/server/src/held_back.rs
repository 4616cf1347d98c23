//! Calls and jobs that are held back: those that this build cannot read, and calls that are quarantined because an
//! event about them ended in a panic. They are left unchanged. An operator lists them here, and releases quarantined
//! ones.

use crate::error::Error;
use crate::explain::time;
use rejoin_protocol::{ConferenceSid, Millis};
use rejoin_recovery::{Action, Call, Format, Quarantine, Timer};
use serde::Serialize;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Row as _};
use std::fmt;

/// Number of calls that are read at once.
const PAGE: i64 = 500;

/// Why a call is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A newer or much older release has stored it, in this format.
    AnotherVersion(u32),
    /// The stored state is malformed.
    Unreadable,
    /// An event about it ended in a panic.
    Quarantined(Quarantine),
    /// The database refuses to write the changes of its timer.
    Refused,
}

impl Why {
    /// The name in metrics and for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AnotherVersion(_) => "another-version",
            Self::Unreadable => "unreadable",
            Self::Quarantined(_) => "quarantined",
            Self::Refused => "refused",
        }
    }
}

/// A call that is held back. It contains no personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The conference.
    pub conference: ConferenceSid,
    /// `quarantined`, `another-version` or `unreadable`.
    pub why: &'static str,
    /// When it was quarantined (point in time).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    /// The kind of event that ended in a panic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The format that it is stored in, if this build does not read that format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<u32>,
}

/// A job that this build cannot read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldJob {
    /// Its number in the log.
    pub job: i64,
    /// The conference.
    pub conference: String,
    /// When it stops making sense (point in time).
    pub deadline: Millis,
}

/// Everything that is held back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The calls.
    pub calls: Vec<Held>,
    /// The jobs.
    pub jobs: Vec<HeldJob>,
}

impl Held {
    /// The stored call, if it is held back.
    pub(crate) fn of(conference: &ConferenceSid, state: &str) -> Option<Self> {
        let (why, format) = match Call::read(state) {
            Ok(call) => return Self::quarantined(&call),
            Err(_) => match Format::unknown(state) {
                Some(format) => (Why::AnotherVersion(format), Some(format)),
                None => (Why::Unreadable, None),
            },
        };
        Some(Self { conference: conference.clone(), why: why.name(), at: None, event: None, format })
    }

    /// A readable call, if it is held back.
    pub(crate) fn quarantined(call: &Call) -> Option<Self> {
        let quarantine = call.quarantine.clone()?;
        Some(Self {
            conference: call.conference.clone(),
            at: Some(quarantine.at),
            event: Some(quarantine.event.clone()),
            format: None,
            why: Why::Quarantined(quarantine).name(),
        })
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.calls.is_empty() && self.jobs.is_empty() {
            return writeln!(f, "nothing is held back");
        }
        for Held { conference, why, at, event, format } in &self.calls {
            write!(f, "{conference}  {why}")?;
            if let (Some(at), Some(event)) = (at, event) {
                write!(f, " since {}: an event ended in a panic ({event})", time(*at))?;
            }
            if let Some(format) = format {
                let (oldest, newest) = (Format::OLDEST, Format::CURRENT);
                write!(f, ": format {format}, this build reads {oldest} to {newest}")?;
            }
            writeln!(f)?;
        }
        for HeldJob { job, conference, deadline } in &self.jobs {
            writeln!(f, "{conference}  job {job} is unreadable, and made sense until {}", time(*deadline))?;
        }
        writeln!(
            f,
            "\nThe customers stay on the line as they are. `rejoin release CF…` lets a quarantined call go on. What to do: docs/runbook.md"
        )
    }
}

/// All that are held back.
pub(crate) async fn read(db: &mut AnyConnection) -> Result<Listed, Error> {
    let mut listed = Listed::default();
    let mut after = String::new();
    loop {
        let page = "select conference, state from calls where conference > $1 order by conference limit $2";
        let page = sqlx::query(page).bind(after.clone()).bind(PAGE).fetch_all(&mut *db).await?;
        let Some(last) = page.last() else { break };
        after = last.try_get(0)?;
        for row in &page {
            let (conference, state): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            if let Ok(conference) = ConferenceSid::try_from(conference)
                && !state.is_empty()
            {
                listed.calls.extend(Held::of(&conference, &state));
            }
        }
    }
    let open = "select id, conference, action, deadline from jobs where closed = 0 order by id";
    for row in sqlx::query(open).fetch_all(&mut *db).await? {
        if serde_json::from_str::<Action>(&row.try_get::<String, _>(2)?).is_err() {
            let deadline = Millis(u64::try_from(row.try_get::<i64, _>(3)?).unwrap_or(0));
            listed.jobs.push(HeldJob { job: row.try_get(0)?, conference: row.try_get(1)?, deadline });
        }
    }
    Ok(listed)
}

/// Releases a quarantined call, so that Twilio is polled at once. True if it was quarantined.
pub(crate) async fn release(
    pool: &AnyPool,
    is_file: bool,
    conference: &ConferenceSid,
    now: Millis,
) -> Result<bool, Error> {
    let mut transaction =
        if is_file { pool.begin_with("begin immediate").await? } else { pool.begin().await? };
    let lock = if is_file { "" } else { " for update" };
    let find = format!("select state from calls where conference = $1{lock}");
    let find = sqlx::query(AssertSqlSafe(find)).bind(conference.as_str());
    let row = find.fetch_optional(&mut *transaction).await?;
    let state: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
    let call: Option<Call> = state.and_then(|state| Call::read(&state).ok());
    let Some(mut call) = call.filter(|call| call.quarantine.is_some()) else { return Ok(false) };
    call.quarantine = None;
    let save = sqlx::query("update calls set state = $1 where conference = $2");
    let save = save.bind(serde_json::to_string(&call)?).bind(conference.as_str());
    save.execute(&mut *transaction).await?;
    let look = sqlx::query(
        "insert into timers (conference, timer, at) values ($1, $2, $3)
         on conflict (conference, timer) do update set at = excluded.at",
    );
    let look = look.bind(conference.as_str()).bind(Timer::CatchUp.name());
    look.bind(i64::try_from(now.0).unwrap_or(i64::MAX)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(true)
}
