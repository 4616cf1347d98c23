//! Calls of format 2, as builds before the first release stored them. The earlier of these builds stored marks, pages and owners
//! in another shape, which is taken over here; the rest of a call is as it is now.

use crate::facts::{Marks, Owners, Pages, Said};
use crate::{EarlyMark, Format};
use rejoin_protocol::api::GracefulReason;
use rejoin_protocol::{Millis, ReservationSid, WorkerSid};
use serde::Deserialize;
use serde_json::{Error, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The parts that had another shape.
#[derive(Deserialize)]
struct EarlierFacts {
    marks: EarlierMarks,
    pages: EarlierPages,
    ownership: EarlierOwnership,
}

#[derive(Deserialize)]
struct EarlierMarks {
    given: BTreeMap<ReservationSid, EarlierMark>,
    unattributed: Vec<EarlyMark>,
}

#[derive(Deserialize)]
struct EarlierMark {
    reason: GracefulReason,
    said_at: Millis,
    is_only_in_task: bool,
    completes: bool,
    has_completed: bool,
}

#[derive(Deserialize)]
struct EarlierPages {
    newest: BTreeMap<WorkerSid, u64>,
    newest_alone: BTreeMap<WorkerSid, u64>,
    other_browser: BTreeMap<WorkerSid, u64>,
    joinable: BTreeSet<WorkerSid>,
    gone: BTreeMap<WorkerSid, u64>,
    unavailable: BTreeSet<WorkerSid>,
}

#[derive(Deserialize)]
struct EarlierOwnership {
    owners: BTreeMap<ReservationSid, WorkerSid>,
    unowned: BTreeSet<ReservationSid>,
}

impl From<EarlierMark> for Said {
    fn from(old: EarlierMark) -> Self {
        let EarlierMark { reason, said_at: at, is_only_in_task, completes, has_completed } = old;
        Self { reason, at, by_page: !is_only_in_task, completes, has_completed }
    }
}

/// Reads a call of format 2, in either shape.
pub(super) fn read(stored: &str) -> Result<crate::Call, Error> {
    let mut stored: Value = serde_json::from_str(stored)?;
    if let Some(call) = stored.as_object_mut() {
        call.insert("format".into(), Format::CURRENT.into());
    }
    if stored.pointer("/facts/marks/given").is_none() {
        return serde_json::from_value(stored);
    }
    let EarlierFacts { marks, pages, ownership } = serde_json::from_value(stored["facts"].clone())?;
    if let Some(facts) = stored["facts"].as_object_mut() {
        facts.retain(|part, _| !["marks", "pages"].contains(&part.as_str()));
    }
    let mut call: crate::Call = serde_json::from_value(stored)?;
    let given = marks.given.into_iter().map(|(of, mark)| (of, mark.into())).collect();
    call.facts.marks = Marks::stored(given, marks.unattributed);
    call.facts.ownership.owners = Owners::stored(ownership.owners, ownership.unowned);
    call.facts.pages = Pages::stored(
        &pages.newest,
        &pages.other_browser,
        &pages.newest_alone,
        &pages.joinable,
        &pages.gone,
        &pages.unavailable,
    );
    Ok(call)
}
