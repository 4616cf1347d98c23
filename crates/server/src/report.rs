//! How recoveries have ended, how many pages were silent, and what was switched, by day: all that is kept of them in the long
//! run. It contains no personal data, and nothing that identifies a call.

use crate::error::Error;
use crate::explain::{millis, time};
use rejoin_protocol::Millis;
use rejoin_recovery::{BACK_LATE_WITHIN, Note, RequeueCause};
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
/// The same of a recovery that went on to any agent because the agent was not back in time, and of an agent who was back shortly
/// afterwards.
const NOT_BACK: [&str; 2] = ["agent-not-back", "agent-back-late"];

/// The name under which a line of a timeline counts, and its duration. `None`: it leaves no figure.
pub(crate) fn figure(note: Note) -> Option<(String, Millis)> {
    let [silent, answered] = SILENT;
    let [not_back, late] = NOT_BACK;
    match note {
        Note::Ended { outcome, after } => Some((outcome, after)),
        Note::PageSilent => Some((silent.to_owned(), Millis(0))),
        Note::PageAnswered => Some((answered.to_owned(), Millis(0))),
        Note::Requeueing { because: Some(RequeueCause::AgentNotBack), .. } => {
            Some((not_back.to_owned(), Millis(0)))
        }
        Note::AgentBackLate { after } => Some((late.to_owned(), after)),
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
        share_of(&self.within_ms, hundredths)
    }
}

fn share_of(within: &[(Option<Millis>, u64)], hundredths: u64) -> Option<Millis> {
    let all: u64 = within.iter().map(|(_, count)| count).sum();
    let mut seen = 0;
    for (bound, count) in within {
        seen += count;
        if seen * 100 >= all * hundredths {
            return *bound;
        }
    }
    None
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

/// The recoveries of all days that went on to any agent because the agent was not back in time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotBack {
    /// Number of recoveries.
    pub count: u64,
    /// Number of those whose agent was back within [`BACK_LATE_WITHIN`] after it.
    pub back_late: u64,
    /// The time after it within which half of these agents were back: the median, rounded up to the next bound. `None`: there were
    /// none.
    pub half_within_ms: Option<Millis>,
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
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How recoveries have ended.
    pub recoveries: Vec<Figure>,
    /// Pages that were silent.
    pub silent: Vec<Silent>,
    /// Recoveries that went on to any agent because the agent was not back in time.
    pub not_back: NotBack,
    /// What was switched.
    pub switches: Vec<Switched>,
}

/// Reads all of it.
pub(crate) async fn read(db: &mut AnyConnection) -> Result<Report, Error> {
    let is_one_of = |names: [&'static str; 2]| move |of: &Figure| names.contains(&of.outcome.as_str());
    let (silent, others): (Vec<_>, Vec<_>) = figures(db).await?.into_iter().partition(is_one_of(SILENT));
    let (not_back, recoveries) = others.into_iter().partition(is_one_of(NOT_BACK));
    Ok(Report {
        recoveries,
        silent: by_day(silent),
        not_back: in_all(not_back),
        switches: switches(db).await?,
    })
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

fn in_all(figures: Vec<Figure>) -> NotBack {
    let mut count = 0;
    let mut bounds: BTreeMap<u64, u64> = BTreeMap::new();
    for of in figures {
        if of.outcome == NOT_BACK[0] {
            count += of.count;
            continue;
        }
        for (bound, number) in of.within_ms {
            *bounds.entry(bound.map_or(u64::MAX, |bound| bound.0)).or_default() += number;
        }
    }
    let within: Vec<_> = bounds
        .into_iter()
        .map(|(bound, number)| ((bound < u64::MAX).then_some(Millis(bound)), number))
        .collect();
    NotBack {
        count,
        back_late: within.iter().map(|(_, number)| number).sum(),
        half_within_ms: share_of(&within, 50),
    }
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
    // The lines that [`figure`] counts, and some others, which it leaves out.
    let rows = sqlx::query(
        "select day, outcome, bound, count, took, '' as note from figures union all
         select at, '', 0, 1, 0, note from notes where note like '%\"ended\"%' or note like '%\"page-silent\"%'
         or note like '%\"page-answered\"%' or note like '%\"agent-not-back\"%' or note like '%\"agent-back-late\"%'",
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
        let NotBack { count, back_late, half_within_ms } = &self.not_back;
        if *count > 0 {
            write!(
                f,
                "\nagent not back in time, so that the customer went on to any agent: {count}; back within {} s after it: {back_late}",
                BACK_LATE_WITHIN.0 / 1000
            )?;
            if let Some(half) = half_within_ms {
                write!(f, ", half of them within {} s", half.0 / 1000)?;
            }
            writeln!(f)?;
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
    fn agents_who_were_back_late_are_told_in_one_line_with_their_median() {
        let of = |outcome: &str, within: &[(u64, u64)]| Figure {
            day: "2026-11-20".into(),
            outcome: outcome.into(),
            count: within.iter().map(|(_, count)| count).sum(),
            mean_ms: Millis(0),
            within_ms: within.iter().map(|(bound, count)| (Some(Millis(*bound)), *count)).collect(),
        };
        let told = |figures| {
            let not_back = in_all(figures);
            Report { recoveries: vec![], silent: vec![], not_back, switches: vec![] }.to_string()
        };
        let sent_on = || of("agent-not-back", &[(1000, 4)]);
        let (one_day, another) = (&[(2000, 1), (30_000, 1)], &[(8000, 1)]);
        let late = vec![sent_on(), of("agent-back-late", one_day), sent_on(), of("agent-back-late", another)];
        let line = "agent not back in time, so that the customer went on to any agent: 8; back within 30 s after it: 3, half of them within 8 s\n";
        assert!(told(late).ends_with(line));
        let none = "any agent: 4; back within 30 s after it: 0\n";
        assert!(told(vec![sent_on()]).ends_with(none));
        assert_eq!(told(vec![]), "No recovery has ended yet\n");
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
