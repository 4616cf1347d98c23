//! Calls of format 0 and 1, as releases before 0.2 have stored them: all fields beside each other. Read for one release.

use crate::absence::{Absence, Asked, Covered, CoveredStage, Trips};
use crate::facts::{
    self, Asking, Evidence, Facts, Mark, Marks, Observation, Origin, Ownership, Pages, PendingRegistration,
    Received, Roster, TaskCopy,
};
use crate::{
    AgentHold, Allowance, EarlyMark, Format, Inherited, LeaveReason, Lent, LookUp, OurHold, ParticipantFlags,
    Phase, Poll, Prepared, Quarantine, Stranding,
};
use rejoin_protocol::api::{DeliveryId, GracefulReason};
use rejoin_protocol::{
    CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskQueueSid, TaskSid, WorkerSid, WorkflowSid,
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

#[derive(Deserialize)]
struct Agent {
    worker: WorkerSid,
    name: String,
    reservation: ReservationSid,
    epoch: u64,
    newer_page: Option<u64>,
    #[serde(default)]
    unjoined: bool,
    #[serde(default)]
    lives_beside: Option<u64>,
    #[serde(default)]
    left_behind: bool,
    removing: bool,
    #[serde(default)]
    closes_until: Option<Millis>,
    settled: bool,
    #[serde(default)]
    covered_at: Option<Millis>,
}

#[derive(Deserialize)]
struct Participant {
    joined: bool,
    left: Option<LeaveReason>,
    #[serde(default)]
    hung_up: bool,
    flags: ParticipantFlags,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    keeping: bool,
    #[serde(default)]
    flagged_again: bool,
    moved: bool,
    #[serde(default)]
    stood: bool,
    sequence: u64,
}

#[derive(Deserialize)]
struct Recovery {
    id: RecoveryId,
    lost_leg: CallSid,
    agent: Agent,
    lost_at: Millis,
    #[serde(default)]
    generation: u32,
    #[serde(default)]
    too_often: bool,
    phase: Phase,
    deadline: Millis,
    back: bool,
    #[serde(default)]
    spared_until: Option<Millis>,
    #[serde(default)]
    announced: bool,
    ping: Option<TaskSid>,
    #[serde(default)]
    ping_accepted: bool,
    #[serde(default)]
    bystanders: BTreeSet<CallSid>,
    prepared: Prepared,
    reservation_freed: bool,
    #[serde(default)]
    agent_hold: AgentHold,
    #[serde(default)]
    stranded: bool,
    #[serde(default)]
    let_go: u32,
    #[serde(default = "yes")]
    music: bool,
    #[serde(default)]
    resent: u32,
    #[serde(default)]
    sent: bool,
    #[serde(default)]
    moved_to: Option<TaskSid>,
}

/// Format 0 has no such field: Twilio had said so of every call.
fn yes() -> bool {
    true
}

impl From<Call> for crate::Call {
    fn from(old: Call) -> Self {
        let mut marks = BTreeMap::new();
        for (reservation, reason) in old.on_purpose {
            let mark = Mark {
                reason,
                said_at: old.marked_at.get(&reservation).copied().unwrap_or_default(),
                is_only_in_task: old.marked_in_task.contains(&reservation),
                completes: old.completing.contains(&reservation),
                has_completed: old.completed.contains(&reservation),
            };
            marks.insert(reservation, mark);
        }
        let facts = Facts {
            origin: Origin { claimed_workflow: old.workflow, workflow: old.task_workflow, queue: old.queue },
            task: TaskCopy { attributes: old.attributes, version: old.version },
            roster: Roster {
                customer: old.customer,
                customer_claims: old.claimed,
                agents: each(old.agents),
                participants: each(old.participants),
                ended: old.ended,
                move_inferred_at: old.found_moved,
                observations: 2,
            },
            marks: Marks::stored(marks, old.claims),
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
            recovery: old.recovery.map(Into::into),
            allowance: old.allowance,
            covered: each(old.beside),
        }
    }
}

impl From<Agent> for facts::Agent {
    fn from(old: Agent) -> Self {
        Self {
            worker: old.worker,
            name: old.name,
            reservation: old.reservation,
            epoch: Some(old.epoch).filter(|epoch| *epoch > 0),
            newer_page: old.newer_page,
            reported_gone: old.unjoined.then_some(Evidence::TaskRouter),
            lives_beside: old.lives_beside,
            left_behind: old.left_behind,
            removing: old.removing,
            closes_until: old.closes_until,
            settled: old.settled,
            covered_at: old.covered_at,
        }
    }
}

impl From<Participant> for facts::Participant {
    fn from(old: Participant) -> Self {
        let Participant { sequence, flags, .. } = old;
        let is_inferred = sequence == 0 || (old.left == Some(LeaveReason::HungUp) && !old.hung_up);
        let mut leg = Self::default();
        let was_there = if sequence == 0 {
            Observation::Polled { flags }
        } else if old.left.is_some() && !is_inferred {
            Observation::Changed { sequence, flags }
        } else {
            Observation::Joined { sequence, flags }
        };
        leg.observe(1, was_there);
        match old.left {
            Some(reason) if is_inferred => {
                leg.observe(2, Observation::Gone { reason, evidence: Evidence::Poll });
            }
            Some(reason) => leg.observe(2, Observation::Left { sequence, reason }),
            None if old.joined => {}
            None => leg.observe(2, Observation::Removed),
        }
        if let Some(label) = old.label {
            leg.observe(1, Observation::Labelled { sequence, label });
        }
        leg.keeping = old.keeping;
        leg.flagged_again = old.flagged_again;
        leg.moved = old.moved;
        leg.stood = old.stood;
        leg
    }
}

impl Recovery {
    fn into_absence(self) -> Absence {
        Absence {
            id: self.id,
            lost_leg: self.lost_leg,
            agent: self.agent.into(),
            lost_at: self.lost_at,
            deadline: self.deadline,
            back: self.back,
            spared_until: self.spared_until,
            bystanders: self.bystanders,
        }
    }
}

impl From<Recovery> for Covered {
    fn from(old: Recovery) -> Self {
        let stage = match &old.phase {
            Phase::Rejoining => CoveredStage::Rejoining,
            Phase::Ended(ending) => CoveredStage::Over(ending.clone()),
            Phase::Grace | Phase::Away | Phase::Holding | Phase::Requeueing { .. } | Phase::Queued { .. } => {
                CoveredStage::Away
            }
        };
        Self { absence: old.into_absence(), stage }
    }
}

impl From<Recovery> for crate::Recovery {
    fn from(old: Recovery) -> Self {
        Self {
            generation: old.generation,
            too_often: old.too_often,
            phase: old.phase.clone(),
            announced: old.announced,
            asked: Asked {
                ping: old.ping.clone(),
                ping_accepted: old.ping_accepted,
                prepared: old.prepared,
                reservation_freed: old.reservation_freed,
            },
            agent_hold: old.agent_hold,
            stranded: old.stranded,
            trips: Trips { let_go: old.let_go, music: old.music, resent: old.resent, sent: old.sent },
            moved_to: old.moved_to.clone(),
            absence: old.into_absence(),
        }
    }
}

fn each<K: Ord, Old, New: From<Old>>(old: BTreeMap<K, Old>) -> BTreeMap<K, New> {
    old.into_iter().map(|(key, old)| (key, old.into())).collect()
}
