//! How recoveries have ended, how many pages were silent, and what was switched, by day: all that is kept of them in the long
//! run. It contains no personal data, and nothing that identifies a call.

use crate::error::Error;
use crate::explain::{millis, time};
use rejoin_protocol::Millis;
use rejoin_recovery::Note;
use serde::Serialize;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use std::collections::BTreeMap;
use std::fmt;

/// A day.
pub const DAY: Millis = Millis::seconds(24 * 3600);
/// Upper bounds of durations.
const BOUNDS: [Millis; 13] = [
    Millis(1000),
    Millis(2000),
    Millis(3000),
    Millis(5000),
    Millis(8000),
    Millis(12_000),
    Millis(16_000),
    Millis(20_000),
    Millis(30_000),
    Millis(60_000),
    Millis(120_000),
    Millis(300_000),
    Millis(600_000),
];

/// Names of figures that are no outcome of a recovery: a page was silent, and it answered after all.
const SILENT: [&str; 2] = ["page-silent", "page-answered"];

/// The name under which a line of a timeline counts, and its duration. `None`: it leaves no figure.
pub(crate) fn figure(note: Note) -> Option<(String, Millis)> {
    let [silent, answered] = SILENT;
    match note {
        Note::Ended { outcome, after } => Some((outcome, after)),
        Note::PageSilent => Some((silent.to_owned(), Millis(0))),
        Note::PageAnswered => Some((answered.to_owned(), Millis(0))),
        _ => None,
    }
}

/// The bucket of a duration; `None`: longer than all bounds.
pub fn within(after: Millis) -> Option<Millis> {
    BOUNDS.into_iter().find(|bound| after <= *bound)
}

/// The recoveries of one day with one outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// Such as `2026-11-20`, in UTC.
    pub day: String,
    /// `rejoined`, `handed-over`, `covered`, `customer-left`, `graceful` or `failed`.
    pub outcome: String,
    /// Number of recoveries.
    pub count: u64,
    /// Mean time from the loss to the end.
    pub mean_ms: Millis,
    /// Number of recoveries up to each bound (milliseconds), and above the bound before; `None`: above all bounds.
    pub within_ms: Vec<(Option<Millis>, u64)>,
}

impl Figure {
    /// The time within which this percentage of them had ended; `None`: longer than all bounds.
    fn share(&self, hundredths: u64) -> Option<Millis> {
        let mut seen = 0;
        for (bound, count) in &self.within_ms {
            seen += count;
            if seen * 100 >= self.count * hundredths {
                return *bound;
            }
        }
        None
    }
}

/// The pages of one day that were silent while they had a customer: the customer was told and kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Silent {
    /// Such as `2026-11-20`, in UTC.
    pub day: String,
    /// Number of silent pages.
    pub count: u64,
    /// Number of those that answered after all, so that the customer was told for nothing.
    pub answered: u64,
}

/// The switches of one day with one cause ([`crate::switches`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Switched {
    /// Such as `2026-11-20`, in UTC.
    pub day: String,
    /// `database`, `server` or `fallback`.
    pub what: String,
    /// Why.
    pub cause: String,
    /// Number of switches.
    pub count: u64,
    /// Mean time without service, of those for which it is known; `None`: of none.
    pub mean_ms: Option<Millis>,
    /// Number of calls that they concerned, where it is known.
    pub calls: u64,
}

/// All days, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How recoveries have ended.
    pub recoveries: Vec<Figure>,
    /// Pages that were silent.
    pub silent: Vec<Silent>,
    /// What was switched.
    pub switches: Vec<Switched>,
}

/// Reads all of it.
pub(crate) async fn read(db: &mut AnyConnection) -> Result<Report, Error> {
    let (silent, recoveries) =
        figures(db).await?.into_iter().partition(|of| SILENT.contains(&of.outcome.as_str()));
    Ok(Report { recoveries, silent: by_day(silent), switches: switches(db).await? })
}

/// The switches of a span with one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SwitchedInAll {
    /// `database`, `server` or `fallback`.
    pub(crate) what: String,
    /// Why.
    pub(crate) cause: String,
    /// Number of switches.
    pub(crate) count: u64,
    /// Mean time without service, of those for which it is known; `None`: of none.
    pub(crate) mean: Option<Millis>,
    /// Number of calls that they concerned, where it is known.
    pub(crate) calls: u64,
}

fn by_day(figures: Vec<Figure>) -> Vec<Silent> {
    let mut days: BTreeMap<String, Silent> = BTreeMap::new();
    for Figure { day, outcome, count, .. } in figures {
        let of = days.entry(day).or_insert_with_key(|day| Silent { day: day.clone(), count: 0, answered: 0 });
        *(if outcome == SILENT[0] { &mut of.count } else { &mut of.answered }) += count;
    }
    days.into_values().collect()
}

/// The date of a day since the epoch, such as `2026-11-20`.
pub(crate) fn date(day: u64) -> String {
    time(Millis(day * DAY.0)).chars().take(10).collect()
}

async fn switches(db: &mut AnyConnection) -> Result<Vec<Switched>, Error> {
    let all = "select day, what, cause, count, timed, took, calls from switches order by day, what, cause";
    let mut switches = vec![];
    for row in sqlx::query(all).fetch_all(db).await? {
        let (timed, took) = (millis(&row, 4)?.0, millis(&row, 5)?.0);
        switches.push(Switched {
            day: date(millis(&row, 0)?.0),
            what: row.try_get(1)?,
            cause: row.try_get(2)?,
            count: millis(&row, 3)?.0,
            mean_ms: took.checked_div(timed).map(Millis),
            calls: millis(&row, 6)?.0,
        });
    }
    Ok(switches)
}

/// The switches of these days (numbers since the epoch), all days together.
pub(crate) async fn switched(
    db: &mut AnyConnection,
    (from, to): (u64, u64),
) -> Result<Vec<SwitchedInAll>, Error> {
    let sum = |column: &str| format!("cast(sum({column}) as bigint)");
    let all = format!(
        "select what, cause, {}, {}, {}, {} from switches where day >= {from} and day < {to}
         group by what, cause order by what, cause",
        sum("count"),
        sum("timed"),
        sum("took"),
        sum("calls")
    );
    let mut switches = vec![];
    for row in sqlx::query(AssertSqlSafe(all)).fetch_all(db).await? {
        let (timed, took) = (millis(&row, 3)?.0, millis(&row, 4)?.0);
        switches.push(SwitchedInAll {
            what: row.try_get(0)?,
            cause: row.try_get(1)?,
            count: millis(&row, 2)?.0,
            mean: took.checked_div(timed).map(Millis),
            calls: millis(&row, 5)?.0,
        });
    }
    Ok(switches)
}

/// What was reduced to figures, and what is still stored in full.
async fn figures(db: &mut AnyConnection) -> Result<Vec<Figure>, Error> {
    // By day, outcome and bound, the longest last: the number, and the total duration.
    let mut counted: BTreeMap<(u64, String), BTreeMap<u64, (u64, Millis)>> = BTreeMap::new();
    let mut add = |day, outcome, within: Option<Millis>, count, took| {
        let bounds = counted.entry((day, outcome)).or_default();
        let sum = bounds.entry(within.map_or(u64::MAX, |within| within.0)).or_default();
        *sum = (sum.0 + count, sum.1 + took);
    };
    // One statement: what is being reduced at this moment is counted once.
    let rows = sqlx::query(
        "select day, outcome, bound, count, took, '' as note from figures union all
         select at, '', 0, 1, 0, note from notes where note like '%\"ended\"%' or note like '%\"page-silent\"%'
         or note like '%\"page-answered\"%'",
    );
    for row in rows.fetch_all(db).await? {
        let note: String = row.try_get(5)?;
        if note.is_empty() {
            let within = Some(millis(&row, 2)?).filter(|within| *within > Millis(0));
            add(millis(&row, 0)?.0, row.try_get(1)?, within, millis(&row, 3)?.0, millis(&row, 4)?);
        } else if let Some((name, after)) = serde_json::from_str(&note).ok().and_then(figure) {
            add(millis(&row, 0)?.0 / DAY.0, name, within(after), 1, after);
        }
    }
    let figures = counted.into_iter().map(|((day, outcome), bounds)| {
        let (count, took) = bounds.values().fold((0, Millis(0)), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let bound = |within: u64| (within < u64::MAX).then_some(Millis(within));
        Figure {
            day: date(day),
            outcome,
            count,
            mean_ms: Millis(took.0 / count.max(1)),
            within_ms: bounds.into_iter().map(|(within, (count, _))| (bound(within), count)).collect(),
        }
    });
    Ok(figures.collect())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.recoveries.is_empty() {
            writeln!(f, "No recovery has ended yet")?;
        } else {
            writeln!(f, "day (UTC)   outcome          count        mean    half of them    nine of ten")?;
        }
        let seconds = |at: Option<Millis>| match at {
            Some(at) => format!("within {:>3} s", at.0 / 1000),
            None => "over  600 s".to_owned(),
        };
        for figure in &self.recoveries {
            let Figure { day, outcome, count, mean_ms: Millis(mean), .. } = figure;
            let (half, most) = (seconds(figure.share(50)), seconds(figure.share(90)));
            let mean = format!("{}.{:03} s", mean / 1000, mean % 1000);
            writeln!(f, "{day}  {outcome:<14} {count:>7}  {mean:>10}    {half:>12}   {most:>12}")?;
        }
        if !self.silent.is_empty() {
            writeln!(f, "\nday (UTC)   silent pages    of them answered after all")?;
        }
        for Silent { day, count, answered } in &self.silent {
            writeln!(f, "{day}  {count:>12}  {answered:>28}")?;
        }
        if self.switches.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nday (UTC)   switch    cause          count        mean      calls")?;
        for Switched { day, what, cause, count, mean_ms, calls } in &self.switches {
            let mean = mean_ms.map_or_else(
                || "not known".to_owned(),
                |Millis(mean)| format!("{}.{:03} s", mean / 1000, mean % 1000),
            );
            writeln!(f, "{day}  {what:<8}  {cause:<12} {count:>7}  {mean:>10}    {calls:>7}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_pages_and_those_that_answered_after_all_are_counted_by_day() {
        let of = |day: &str, outcome: &str, count| Figure {
            day: day.into(),
            outcome: outcome.into(),
            count,
            mean_ms: Millis(0),
            within_ms: vec![],
        };
        // The answer to a silence before midnight may come after it.
        let silent = by_day(vec![
            of("2026-11-20", "page-answered", 1),
            of("2026-11-20", "page-silent", 3),
            of("2026-11-21", "page-answered", 1),
        ]);
        let silent: Vec<_> = silent.iter().map(|it| (it.day.as_str(), it.count, it.answered)).collect();
        assert_eq!(silent, [("2026-11-20", 3, 1), ("2026-11-21", 0, 1)]);
    }

    #[test]
    fn percentages_are_shown_by_their_bounds() {
        let within_ms = vec![(Some(Millis(2000)), 5), (Some(Millis(8000)), 4), (None, 1)];
        let mean_ms = Millis(3000);
        let figure =
            Figure { day: "2026-11-20".into(), outcome: "rejoined".into(), count: 10, mean_ms, within_ms };
        let shares = [1, 50, 51, 90, 91].map(|share| figure.share(share));
        let (two, eight) = (Some(Millis(2000)), Some(Millis(8000)));
        assert_eq!(shares, [two, two, eight, eight, None]);
        assert_eq!(
            (within(Millis(2000)), within(Millis(2001)), within(Millis(600_001))),
            (two, Some(Millis(3000)), None)
        );
    }
}
