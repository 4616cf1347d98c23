//! What an address of the history asks for.

use super::{HOUR, OUTCOMES, Rung};
use crate::explain::time;
use rejoin_protocol::{Millis, TaskQueueSid, WorkerSid, WorkflowSid};

/// Hours of a day.
pub const DAY_HOURS: u64 = 24;
/// Up to this length (hours) a range is shown by the hour.
const BY_HOUR: u64 = 72;
/// The longest range (hours).
const LONGEST: u64 = 400 * DAY_HOURS;
/// The range that is shown if none is asked for.
const USUAL: &str = "7d";
/// Ranges that end now, with their hours.
pub const LAST: [(&str, u64); 4] = [("1d", 24), ("7d", 7 * 24), ("30d", 30 * 24), ("90d", 90 * 24)];
/// The last year that is understood.
const LAST_YEAR: u64 = 9999;

/// A span of time: whole hours, or whole days (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Its first hour since the epoch.
    pub from: u64,
    /// The hour after its last one.
    pub to: u64,
    /// 1: it is shown by the hour; 24: by the day.
    pub span: u64,
}

impl Range {
    /// The smallest one around these points in time.
    fn around(from: Millis, to: Millis) -> Self {
        let (first, last) = (from.0 / HOUR.0, to.0.div_ceil(HOUR.0));
        let span = if last - first <= BY_HOUR { 1 } else { DAY_HOURS };
        Self { from: first / span * span, to: last.div_ceil(span) * span, span }
    }

    /// Its begin and its end (points in time).
    pub fn times(self) -> (Millis, Millis) {
        (Millis(self.from * HOUR.0), Millis(self.to * HOUR.0))
    }
}

/// A part of the address that cannot be followed, so that it was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// A time that cannot be read, an end before its begin, or more than 400 days.
    Range,
    /// A SID, rung or outcome that there cannot be.
    Filter,
}

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The time.
    pub range: Range,
    /// The name of the range, if it ends now.
    pub last: Option<&'static str>,
    /// Only this workflow.
    pub workflow: Option<String>,
    /// Only this queue.
    pub queue: Option<String>,
    /// Only this agent.
    pub worker: Option<String>,
    /// Only this rung.
    pub rung: Option<Rung>,
    /// Only this outcome.
    pub outcome: Option<&'static str>,
}

impl Asked {
    /// From the pairs of a query, and what of them was left out.
    pub fn of(pairs: &[(String, String)], now: Millis) -> (Self, Vec<Mistake>) {
        // The form sends empty fields, too.
        let value = |name: &str| {
            let found = pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim());
            found.filter(|value| !value.is_empty())
        };
        let mut mistakes = vec![];
        let mut filter = |name: &str, is_good: &dyn Fn(&str) -> bool| {
            let given = value(name)?;
            if is_good(given) {
                return Some(given.to_owned());
            }
            mistakes.push(Mistake::Filter);
            None
        };
        let workflow = filter("workflow", &|text| WorkflowSid::parse(text).is_ok());
        let queue = filter("queue", &|text| TaskQueueSid::parse(text).is_ok());
        let worker = filter("agent", &|text| WorkerSid::parse(text).is_ok());
        let rung = filter("rung", &|text| Rung::named(text).is_some());
        let outcome = filter("outcome", &|text| OUTCOMES.contains(&text));
        mistakes.dedup();
        let (range, last) = match range(value("from"), value("to"), value("last"), now) {
            Some(found) => found,
            None => {
                mistakes.push(Mistake::Range);
                until_now(USUAL, now).unwrap_or((Range { from: 0, to: 0, span: 1 }, None))
            }
        };
        let asked = Self {
            range,
            last,
            workflow,
            queue,
            worker,
            rung: rung.as_deref().and_then(Rung::named),
            outcome: outcome.and_then(|text| OUTCOMES.into_iter().find(|known| *known == text)),
        };
        (asked, mistakes)
    }

    /// A month, such as `2026-11`. `None`: there is no such month.
    pub fn month(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let from = moment(&format!("{text}-01"), false)?;
        let (year, month): (u64, u64) = (year.parse().ok()?, month.parse().ok()?);
        let next = if month == 12 { days_of(year + 1, 1, 1) } else { days_of(year, month + 1, 1) };
        let range = Range { from: from.0 / HOUR.0, to: next * DAY_HOURS, span: DAY_HOURS };
        Some(Self { range, last: None, workflow: None, queue: None, worker: None, rung: None, outcome: None })
    }

    /// The same as a query, without `?`.
    pub fn query(&self) -> String {
        let mut pairs = self.filters();
        match self.last {
            Some(last) => pairs.insert(0, ("last", last.to_owned())),
            None => {
                let (from, to) = self.range.times();
                pairs.splice(0..0, [("from", minute(from)), ("to", minute(to))]);
            }
        }
        // SIDs, names and times have no letter that would have to be escaped.
        pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }

    /// Its filters, by their names in the address.
    pub fn filters(&self) -> Vec<(&'static str, String)> {
        let rung = self.rung.map(|rung| rung.name().to_owned());
        [
            ("workflow", self.workflow.clone()),
            ("queue", self.queue.clone()),
            ("agent", self.worker.clone()),
            ("rung", rung),
            ("outcome", self.outcome.map(str::to_owned)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// The same with another range that ends now.
    pub fn with_last(&self, last: &'static str) -> Self {
        Self { last: Some(last), ..self.clone() }
    }
}

/// A point in time to the minute, as an address and a field of a form have it: `2026-11-20T15:04`.
pub fn minute(at: Millis) -> String {
    time(at).chars().take(16).map(|letter| if letter == ' ' { 'T' } else { letter }).collect()
}

type Found = (Range, Option<&'static str>);

fn range(from: Option<&str>, to: Option<&str>, last: Option<&str>, now: Millis) -> Option<Found> {
    if from.is_none() && to.is_none() {
        return until_now(last.unwrap_or(USUAL), now);
    }
    let from = moment(from?, false)?;
    let to = to.map_or(Some(now), |to| moment(to, true))?;
    let is_good = from < to && to.0 - from.0 <= LONGEST * HOUR.0;
    is_good.then(|| (Range::around(from, to), None))
}

fn until_now(last: &str, now: Millis) -> Option<Found> {
    let (name, hours) = LAST.into_iter().find(|(name, _)| *name == last)?;
    Some((Range::around(now - Millis(hours * HOUR.0), now), Some(name)))
}

/// `2026-11-20`, `2026-11-20T15:04` or `2026-11-20T15:04:05` in UTC as a point in time. A day as an end is its end.
fn moment(text: &str, is_end: bool) -> Option<Millis> {
    let (date, clock) = text.split_once('T').map_or((text, None), |(date, clock)| (date, Some(clock)));
    let numbers = |text: &str, between: char| -> Option<Vec<u64>> {
        let is_digits =
            |part: &str| (1..=4).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_digit());
        text.split(between).map(|part| is_digits(part).then(|| part.parse().ok()).flatten()).collect()
    };
    let [year, month, day] = numbers(date, '-')?.try_into().ok()?;
    let clock = match clock {
        None => vec![0, 0],
        Some(clock) => numbers(clock, ':')?,
    };
    let (hour, minute, second) = match *clock.as_slice() {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    if !(1970..=LAST_YEAR).contains(&year)
        || !(1..=12).contains(&month)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let days = days_of(year, month, day);
    let at = Millis((days * 86_400 + hour * 3600 + minute * 60 + second) * 1000);
    // The 30th of February would be another day.
    if !time(at).starts_with(&format!("{year:04}-{month:02}-{day:02} ")) {
        return None;
    }
    let is_day = !text.contains('T');
    Some(if is_end && is_day { at + Millis(DAY_HOURS * HOUR.0) } else { at })
}

/// Days from the epoch to this date (<https://howardhinnant.github.io/date_algorithms.html>).
fn days_of(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let month_of_year = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_of_year + 2) / 5 + day.max(1) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).saturating_sub(719_468)
}
