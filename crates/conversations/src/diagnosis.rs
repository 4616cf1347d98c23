//! The diagnosis of a conversation from its facts and from the desks of its agents. It writes nothing and requests nothing.

mod attendance;
mod presence;
mod routing;
mod session;

pub use attendance::{ATTENDANCE, Attendance, Row};
pub(crate) use presence::Presence;
pub(crate) use routing::InviteState;
pub use session::Step;
pub(crate) use session::{Session, idle_since};

use crate::absence::Absence;
use crate::desk::Desk;
use crate::facts::Facts;
use crate::policy::Policy;
use rejoin_protocol::{Millis, WorkerSid};
use std::collections::BTreeMap;

/// What is judged, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Diagnosis<'a> {
    pub(crate) now: Millis,
    pub(crate) facts: &'a Facts,
    pub(crate) desks: &'a BTreeMap<WorkerSid, Desk>,
    pub(crate) policy: &'a Policy,
    pub(crate) absence: Option<&'a Absence>,
    /// Since when servers hear pages without a gap (point in time).
    pub(crate) listening_since: Millis,
}
