//! What the view "Now" shows: read once for all who look.

use crate::pace::Status;
use crate::store::Seen;
use rejoin_conversations::Attendance;
use rejoin_protocol::Millis;
use rejoin_protocol::{CallSid, TaskSid, WorkerSid};
use rejoin_recovery::{Absent, Covered, CoveredStage, Phase, Recovery};
use std::collections::BTreeMap;

/// How things stand, as of one moment.
#[derive(Debug)]
pub(crate) struct Overview {
    /// When it was read (point in time).
    pub(crate) at: Millis,
    /// What the database shows; `None`: it could not be read.
    pub(crate) seen: Option<Seen>,
    /// True if conversations are on.
    pub(crate) has_conversations: bool,
    /// The database itself.
    pub(crate) database: DatabaseSeen,
    /// The pace of this server's requests to Twilio.
    pub(crate) pace: Status,
    /// This server's requests to Twilio since it was started.
    pub(crate) requests: Requests,
    /// The requests of the last minutes, and for how long they have been counted; `None`: this is the first reading.
    pub(crate) lately: Option<(Millis, Requests)>,
    /// Number of pages that are connected to this server.
    pub(crate) pages: usize,
    /// Calls that this server has met and holds back, by reason.
    pub(crate) held_back: BTreeMap<&'static str, usize>,
    /// Jobs that this server has met and cannot read.
    pub(crate) jobs_unreadable: usize,
}

/// The state of the database.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DatabaseSeen {
    /// How long ago the last commit was; `None`: not known.
    pub(crate) committed_ago: Option<Millis>,
    /// Skew of its clock against the server's, in milliseconds; `None`: it has no clock of its own.
    pub(crate) skew_ms: Option<i64>,
}

/// Requests to Twilio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// All of them.
    pub(crate) all: u64,
    /// Those of them that Twilio refused or did not answer.
    pub(crate) failed: u64,
}

/// An open recovery.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Open<'a> {
    pub(super) customer: Option<&'a CallSid>,
    pub(super) task: &'a TaskSid,
    pub(super) worker: &'a WorkerSid,
    pub(super) step: Step,
    /// How long ago the agent was lost.
    pub(super) since: Millis,
    /// When the recovery goes on by itself, from now; `None`: the deadline does not count there.
    pub(super) goes_on: Option<Millis>,
}

/// Rung and phase of an open recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Grace,
    PageGone,
    InPlace,
    Holding,
    Stranded,
    RequeueSame,
    QueuedSame,
    RequeueAny,
    QueuedAny,
    Covered,
    CoveredInPlace,
}

impl Step {
    pub(super) const ALL: [Self; 11] = [
        Self::Grace,
        Self::PageGone,
        Self::InPlace,
        Self::Holding,
        Self::Stranded,
        Self::RequeueSame,
        Self::QueuedSame,
        Self::RequeueAny,
        Self::QueuedAny,
        Self::Covered,
        Self::CoveredInPlace,
    ];

    /// Its name in metrics.
    fn name(self) -> &'static str {
        match self {
            Self::Grace => "grace",
            Self::PageGone => "page-gone",
            Self::InPlace => "in-place",
            Self::Holding => "holding",
            Self::Stranded => "stranded",
            Self::RequeueSame => "requeue-same",
            Self::QueuedSame => "queued-same",
            Self::RequeueAny => "requeue-any",
            Self::QueuedAny => "queued-any",
            Self::Covered => "covered",
            Self::CoveredInPlace => "covered-in-place",
        }
    }

    /// `None`: it has ended.
    fn of(absent: Absent<'_>) -> Option<Self> {
        Some(match absent {
            Absent::Missed(Recovery { phase, .. }) => match phase {
                Phase::Grace => Self::Grace,
                Phase::Away => Self::PageGone,
                Phase::Rejoining => Self::InPlace,
                Phase::Holding(_) => Self::Holding,
                Phase::Stranded => Self::Stranded,
                Phase::Requeueing(trip) if trip.target.is_some() => Self::RequeueSame,
                Phase::Requeueing(_) => Self::RequeueAny,
                Phase::Queued(trip) if trip.target.is_some() => Self::QueuedSame,
                Phase::Queued(_) => Self::QueuedAny,
                Phase::Ended(_) => return None,
            },
            Absent::Covered(Covered { stage, .. }) => match stage {
                CoveredStage::Away => Self::Covered,
                CoveredStage::Rejoining => Self::CoveredInPlace,
                CoveredStage::Over(_) => return None,
            },
        })
    }

    fn has_deadline(self) -> bool {
        !matches!(self, Self::RequeueAny | Self::QueuedAny)
    }
}

impl Overview {
    /// Number of open recoveries that were read, by step, in the words of the metrics; `None`: the database was not read.
    pub(crate) fn open_by_step(&self) -> Option<BTreeMap<&'static str, usize>> {
        self.seen.as_ref()?;
        let mut count: BTreeMap<_, _> = Step::ALL.map(|step| (step.name(), 0)).into();
        for open in self.open() {
            *count.entry(open.step.name()).or_default() += 1;
        }
        Some(count)
    }

    /// Number of conversations by attendance, all of which are named, and number of those that have nobody; `None`: conversations are
    /// off, or the database was not read.
    pub(crate) fn conversations(&self) -> Option<(BTreeMap<&'static str, u64>, u64)> {
        let seen = &self.seen.as_ref().filter(|_| self.has_conversations)?.conversations;
        let count = |attendance: Attendance| {
            (attendance.name(), seen.counts.get(attendance.name()).copied().unwrap_or(0))
        };
        Some((Attendance::ALL.map(count).into(), seen.absent))
    }

    /// How long this server's lease lasts, in milliseconds; negative: how long ago it ended. `None`: not known.
    pub(crate) fn lease_ms(&self) -> Option<i64> {
        self.seen.as_ref()?.servers.iter().find(|server| server.is_this).map(|server| server.lease_ms)
    }

    /// The open recoveries that were read, the oldest first.
    pub(super) fn open(&self) -> Vec<Open<'_>> {
        let calls = self.seen.iter().flat_map(|seen| &seen.calls).filter(|call| !call.closed);
        let mut open: Vec<_> = calls
            .flat_map(|call| {
                call.absences().filter_map(|absent| {
                    let step = Step::of(absent)?;
                    let absence = absent.absence();
                    Some(Open {
                        customer: call.facts.roster.customer.as_ref(),
                        task: &call.task,
                        worker: &absence.agent.worker,
                        step,
                        since: absence.lost_at.until(self.at),
                        goes_on: step.has_deadline().then(|| self.at.until(absence.deadline)),
                    })
                })
            })
            .collect();
        open.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.task.cmp(b.task)));
        open
    }
}
