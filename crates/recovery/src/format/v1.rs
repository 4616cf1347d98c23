//! Calls of format 0 and 1, as releases before 0.2 have stored them: all fields beside each other. Read for one release.

use crate::facts::{
    Agent, Asking, Facts, Marks, Origin, Ownership, Pages, Participant, PendingRegistration, Received,
    Roster, TaskCopy,
};
use crate::{
    Allowance, EarlyMark, Format, Inherited, Lent, LookUp, OurHold, Poll, Quarantine, Recovery, Stranding,
};
use rejoin_protocol::api::{DeliveryId, GracefulReason};
use rejoin_protocol::{
    CallSid, ConferenceSid, Millis, ReservationSid, TaskQueueSid, TaskSid, WorkerSid, WorkflowSid,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A call of format 0 or 1.
#[derive(Deserialize)]
pub(super) struct Call {
    #[serde(default)]
    quarantine: Option<Quarantine>,
    conference: ConferenceSid,
    task: TaskSid,
    workflow: Option<WorkflowSid>,
    #[serde(default)]
    task_workflow: Option<WorkflowSid>,
    #[serde(default)]
    queue: Option<TaskQueueSid>,
    customer: Option<CallSid>,
    #[serde(default)]
    claimed: BTreeMap<CallSid, bool>,
    #[serde(default)]
    asked_for: Option<CallSid>,
    attributes: String,
    #[serde(default)]
    version: Option<String>,
    agents: BTreeMap<CallSid, Agent>,
    participants: BTreeMap<CallSid, Participant>,
    on_purpose: BTreeMap<ReservationSid, GracefulReason>,
    #[serde(default)]
    marked_at: BTreeMap<ReservationSid, Millis>,
    #[serde(default)]
    marked_in_task: BTreeSet<ReservationSid>,
    #[serde(default)]
    completed: BTreeSet<ReservationSid>,
    #[serde(default)]
    completing: BTreeSet<ReservationSid>,
    #[serde(default)]
    claims: Vec<EarlyMark>,
    #[serde(default)]
    unsettled: Vec<PendingRegistration>,
    #[serde(default)]
    unregistered: BTreeMap<ReservationSid, WorkerSid>,
    #[serde(default)]
    owners: BTreeMap<ReservationSid, WorkerSid>,
    #[serde(default)]
    sought: BTreeSet<ReservationSid>,
    #[serde(default)]
    nobodys: BTreeSet<ReservationSid>,
    #[serde(default)]
    asking: Asking,
    #[serde(default = "yes")]
    proven: bool,
    #[serde(default)]
    hellos: BTreeMap<WorkerSid, u64>,
    #[serde(default)]
    newest_alone: BTreeMap<WorkerSid, u64>,
    #[serde(default)]
    elsewhere: BTreeMap<WorkerSid, u64>,
    #[serde(default)]
    joinable: BTreeSet<WorkerSid>,
    #[serde(default)]
    goodbyes: BTreeMap<WorkerSid, u64>,
    #[serde(default)]
    unavailable: BTreeSet<WorkerSid>,
    #[serde(default)]
    lent: BTreeMap<WorkerSid, Lent>,
    seen: BTreeSet<u64>,
    #[serde(default)]
    delivered: BTreeSet<(WorkerSid, DeliveryId)>,
    #[serde(default)]
    told: VecDeque<String>,
    ended: bool,
    learning: bool,
    #[serde(default)]
    lookups: u32,
    #[serde(default)]
    unlearnt: bool,
    #[serde(default)]
    refused: bool,
    connected: bool,
    closed: bool,
    #[serde(default)]
    heard_at: Millis,
    #[serde(default)]
    watch_at: Option<Millis>,
    #[serde(default)]
    asked_at: Option<Millis>,
    #[serde(default)]
    looking: Option<Millis>,
    #[serde(default)]
    unsure: bool,
    #[serde(default)]
    released: Option<Millis>,
    #[serde(default)]
    found_moved: Option<Millis>,
    #[serde(default)]
    to_hold: BTreeSet<CallSid>,
    #[serde(default)]
    losses: BTreeSet<Millis>,
    #[serde(default)]
    sent_on_until: Option<Millis>,
    #[serde(default)]
    our_hold: Option<OurHold>,
    recovery: Option<Recovery>,
    #[serde(default)]
    allowance: Allowance,
    #[serde(default)]
    beside: BTreeMap<CallSid, Recovery>,
}

/// Format 0 has no such field: Twilio had said so of every call.
fn yes() -> bool {
    true
}

impl From<Call> for crate::Call {
    fn from(old: Call) -> Self {
        let facts = Facts {
            origin: Origin { claimed_workflow: old.workflow, workflow: old.task_workflow, queue: old.queue },
            task: TaskCopy { attributes: old.attributes, version: old.version },
            roster: Roster {
                customer: old.customer,
                customer_claims: old.claimed,
                agents: old.agents,
                participants: old.participants,
                ended: old.ended,
                move_inferred_at: old.found_moved,
            },
            marks: Marks {
                reasons: old.on_purpose,
                said_at: old.marked_at,
                only_in_task: old.marked_in_task,
                completed: old.completed,
                completing: old.completing,
                unattributed: old.claims,
            },
            ownership: Ownership {
                proven: old.proven,
                owners: old.owners,
                unowned: old.nobodys,
                sought: old.sought,
                asking: old.asking,
                registrations: old.unsettled,
                unclaimed: old.unregistered,
            },
            pages: Pages {
                newest: old.hellos,
                newest_alone: old.newest_alone,
                other_browser: old.elsewhere,
                joinable: old.joinable,
                gone: old.goodbyes,
                unavailable: old.unavailable,
            },
            received: Received { callbacks: old.seen, requests: old.delivered, task_events: old.told },
        };
        Self {
            format: Format,
            quarantine: old.quarantine,
            conference: old.conference,
            task: old.task,
            facts,
            lookup: LookUp {
                begun: old.learning,
                count: old.lookups,
                found_too_little: old.unlearnt,
                failed: old.refused,
            },
            poll: Poll {
                heard_at: old.heard_at,
                watch_at: old.watch_at,
                asked_at: old.asked_at,
                since: old.looking,
                may_have_missed: old.unsure,
            },
            stranding: Stranding { decide_by: old.released, fetched_for: old.asked_for },
            inherited: Inherited {
                losses: old.losses,
                sent_on_until: old.sent_on_until,
                to_hold: old.to_hold,
            },
            connected: old.connected,
            closed: old.closed,
            our_hold: old.our_hold,
            lent: old.lent,
            recovery: old.recovery,
            allowance: old.allowance,
            beside: old.beside,
        }
    }
}
