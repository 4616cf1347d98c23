//! The diagnosis of a call from its facts: the agents who are with the customer, and the kind of each departure. It writes
//! nothing and requests nothing.

mod departure;
mod ended;
mod graceful;
mod presence;
mod silence;

pub use departure::{DEPARTURES, Departure, Lacks, MISSED, MissedRow, Row};

use crate::absence::{Covered, Recovery};
use crate::decisions::Decisions;
use crate::facts::{Marks, Pages, Roster};
use crate::requests::Requests;
use crate::silence::Silence;
use rejoin_protocol::CallSid;
use std::collections::BTreeMap;

/// A call's facts, decisions, requests, absences and silence, borrowed for the diagnosis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Diagnosis<'a> {
    pub(crate) roster: &'a Roster,
    pub(crate) marks: &'a Marks,
    pub(crate) pages: &'a Pages,
    pub(crate) decisions: &'a Decisions,
    pub(crate) requests: &'a Requests,
    pub(crate) recovery: &'a Option<Recovery>,
    pub(crate) covered: &'a BTreeMap<CallSid, Covered>,
    pub(crate) silence: &'a Option<Silence>,
}
