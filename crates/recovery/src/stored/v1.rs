//! Calls of format 0 and 1, as releases before 0.2 have stored them: a call without parts. Read for one release.

use crate::absence::{Absence, Covered, CoveredStage, Holding, Ping, Trip};
use crate::facts::{
    self, Asking, Evidence, Facts, Marks, Observation, Origin, Owners, Ownership, Pages, PendingRegistration,
    Received, Roster, Said, TaskCopy,
};
use crate::{
    Action, AgentHold, Allowance, Decisions, EarlyMark, Format, Inherited, LeaveReason, Lent, LookUp,
    OurHold, Outcome, ParticipantFlags, Poll, Quarantine, Requests, Stranding,
};
use rejoin_protocol::api::{DeliveryId, Failure, GracefulReason};
use rejoin_protocol::{
    CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskQueueSid, TaskSid, WorkerSid, WorkflowSid,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A call of format 0 or 1.
#[derive(Deserialize)]
pub(super) struct Call {
    conference: ConferenceSid,
    task: TaskSid,
    workflow: Option<WorkflowSid>,
    customer: Option<CallSid>,
    attributes: String,
    agents: BTreeMap<CallSid, Agent>,
    participants: BTreeMap<CallSid, Participant>,
    on_purpose: BTreeMap<ReservationSid, GracefulReason>,
    seen: BTreeSet<u64>,
    ended: bool,
    learning: bool,
    connected: bool,
    closed: bool,
    recovery: Option<Recovery>,
    #[serde(flatten)]
    later: Later,
}

/// The fields that were added after format 0 was first stored.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Later {
    quarantine: Option<Quarantine>,
    task_workflow: Option<WorkflowSid>,
    queue: Option<TaskQueueSid>,
    claimed: BTreeMap<CallSid, bool>,
    asked_for: Option<CallSid>,
    version: Option<String>,
    marked_at: BTreeMap<ReservationSid, Millis>,
    marked_in_task: BTreeSet<ReservationSid>,
    completed: BTreeSet<ReservationSid>,
    completing: BTreeSet<ReservationSid>,
    claims: Vec<EarlyMark>,
    unsettled: Vec<PendingRegistration>,
    unregistered: BTreeMap<ReservationSid, WorkerSid>,
    owners: BTreeMap<ReservationSid, WorkerSid>,
    sought: BTreeSet<ReservationSid>,
    nobodys: BTreeSet<ReservationSid>,
    asking: Asking,
    #[serde(default = "yes")]
    proven: bool,
    hellos: BTreeMap<WorkerSid, u64>,
    newest_alone: BTreeMap<WorkerSid, u64>,
    elsewhere: BTreeMap<WorkerSid, u64>,
    joinable: BTreeSet<WorkerSid>,
    goodbyes: BTreeMap<WorkerSid, u64>,
    unavailable: BTreeSet<WorkerSid>,
    lent: BTreeMap<WorkerSid, Lent>,
    delivered: BTreeSet<(WorkerSid, DeliveryId)>,
    told: VecDeque<String>,
    lookups: u32,
    unlearnt: bool,
    refused: bool,
    heard_at: Millis,
    watch_at: Option<Millis>,
    asked_at: Option<Millis>,
    looking: Option<Millis>,
    unsure: bool,
    released: Option<Millis>,
    found_moved: Option<Millis>,
    to_hold: BTreeSet<CallSid>,
    losses: BTreeSet<Millis>,
    sent_on_until: Option<Millis>,
    our_hold: Option<OurHold>,
    allowance: Allowance,
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

#[derive(Deserialize)]
struct Prepared {
    freed: bool,
    #[serde(default)]
    was_alone: bool,
    marked: bool,
    removed: bool,
}

#[derive(Deserialize)]
enum Phase {
    Grace,
    Away,
    Rejoining,
    Holding,
    Requeueing { target: Option<WorkerSid> },
    Queued { target: Option<WorkerSid> },
    Ended(Ending),
}

#[derive(Deserialize)]
enum Ending {
    Rejoined,
    HandedOver { name: Option<String> },
    Covered,
    CustomerLeft,
    Graceful,
    Failed { reason: Failure },
}

/// The default of `proven`: format 0 has only calls that Twilio has confirmed.
fn yes() -> bool {
    true
}

impl Call {
    /// The requests to Twilio, as far as the fields show them.
    fn requests(&self) -> Requests {
        let mut requests = Requests::default();
        self.ask_for_participants(&mut requests);
        if let (Some(recovery), Some(customer)) = (&self.recovery, &self.customer) {
            self.ask_for_preparation(&mut requests, recovery, customer);
            self.ask_for_requeues(&mut requests, recovery, customer);
        }
        requests
    }

    fn ask_for_participants(&self, requests: &mut Requests) {
        for (leg, there) in &self.participants {
            let leg = leg.clone();
            if there.keeping {
                let conference = self.conference.clone();
                requests.ask(&Action::ClearExitFlag { conference, leg: leg.clone() });
            }
            if there.moved {
                let into = self.task.clone();
                let (muted, end_on_exit, label, came_late) = (false, false, None, false);
                requests.ask(&Action::MoveParticipant { leg, into, muted, end_on_exit, label, came_late });
            }
        }
    }

    /// The steps before the requeue.
    fn ask_for_preparation(&self, requests: &mut Requests, recovery: &Recovery, customer: &CallSid) {
        let conference = || self.conference.clone();
        let is_holding = matches!(recovery.phase, Phase::Holding);
        let Prepared { freed, marked, removed, .. } = recovery.prepared;
        if is_holding && !freed {
            let (customer, unhold) = (customer.clone(), recovery.agent_hold == AgentHold::Ended);
            requests.ask(&Action::ClearCustomerFlags { conference: conference(), customer, unhold });
        }
        if is_holding {
            let mark = Action::MarkTask { task: self.task.clone(), at: recovery.lost_at };
            requests.ask(&mark);
            if marked {
                requests.answer(&mark, &Outcome::Ok);
            }
        }
        let is_removed = |agent: &Agent| agent.removing && agent.closes_until.is_none();
        for (leg, _) in self.agents.iter().filter(|(_, agent)| !removed && is_removed(agent)) {
            requests.ask(&Action::RemoveLeg { conference: conference(), leg: leg.clone() });
        }
        if recovery.reservation_freed {
            let (task, reservation) = (self.task.clone(), recovery.agent.reservation.clone());
            requests.ask(&Action::CompleteReservation { task, reservation });
        }
    }

    fn ask_for_requeues(&self, requests: &mut Requests, recovery: &Recovery, customer: &CallSid) {
        let target = match &recovery.phase {
            Phase::Requeueing { target } | Phase::Queued { target } if !recovery.stranded => target.clone(),
            Phase::Ended(Ending::Failed { .. }) => None,
            _ => return,
        };
        for resent in 0..=recovery.resent {
            let requeue = Action::Requeue {
                recovery: recovery.id.clone(),
                customer: customer.clone(),
                conference: self.conference.clone(),
                target: target.clone(),
                free: false,
                resent,
            };
            requests.ask(&requeue);
            if recovery.sent {
                requests.answer(&requeue, &Outcome::Ok);
            }
        }
    }
}

impl Call {
    fn decisions(&self) -> Decisions {
        let mut decisions = Decisions::default();
        for (leg, agent) in &self.agents {
            match (agent.removing, agent.closes_until) {
                (true, Some(_)) => decisions.leave_to_flex(leg),
                (true, None) => decisions.remove(leg),
                (false, _) => {}
            }
            if agent.settled {
                decisions.settle(leg);
            }
            if let Some(at) = agent.covered_at {
                decisions.cover(leg, at);
            }
        }
        decisions
    }
}

impl From<Call> for crate::Call {
    fn from(old: Call) -> Self {
        let (requests, decisions) = (old.requests(), old.decisions());
        let later = old.later;
        let mut marks = BTreeMap::new();
        for (reservation, reason) in old.on_purpose {
            let mark = Said {
                reason,
                at: later.marked_at.get(&reservation).copied().unwrap_or_default(),
                by_page: !later.marked_in_task.contains(&reservation),
                completes: later.completing.contains(&reservation),
                has_completed: later.completed.contains(&reservation),
            };
            marks.insert(reservation, mark);
        }
        let facts = Facts {
            origin: Origin {
                claimed_workflow: old.workflow,
                workflow: later.task_workflow,
                queue: later.queue,
            },
            task: TaskCopy { attributes: old.attributes, version: later.version },
            roster: Roster {
                customer: old.customer,
                customer_claims: later.claimed,
                agents: each(old.agents),
                participants: each(old.participants),
                ended: old.ended,
                move_inferred_at: later.found_moved,
                observations: 2,
            },
            marks: Marks::stored(marks, later.claims),
            ownership: Ownership {
                proven: later.proven,
                owners: Owners::stored(later.owners, later.nobodys),
                sought: later.sought,
                asking: later.asking,
                registrations: later.unsettled,
                unclaimed: later.unregistered,
            },
            pages: Pages::stored(
                &later.hellos,
                &later.elsewhere,
                &later.newest_alone,
                &later.joinable,
                &later.goodbyes,
                &later.unavailable,
            ),
            received: Received::stored(old.seen, later.delivered, later.told),
        };
        Self {
            format: Format,
            quarantine: later.quarantine,
            conference: old.conference,
            task: old.task,
            facts,
            decisions,
            requests,
            lookup: LookUp {
                begun: old.learning,
                count: later.lookups,
                found_too_little: later.unlearnt,
                failed: later.refused,
            },
            poll: Poll {
                heard_at: later.heard_at,
                watch_at: later.watch_at,
                asked_at: later.asked_at,
                since: later.looking,
                may_have_missed: later.unsure,
            },
            stranding: Stranding { decide_by: later.released, fetched_for: later.asked_for },
            inherited: Inherited {
                losses: later.losses,
                sent_on_until: later.sent_on_until,
                to_hold: later.to_hold,
            },
            connected: old.connected,
            closed: old.closed,
            our_hold: later.our_hold,
            lent: later.lent,
            recovery: old.recovery.map(Into::into),
            allowance: later.allowance,
            covered: each(later.beside),
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
        leg.stood = old.stood;
        leg
    }
}

impl Recovery {
    fn phase(&self) -> crate::Phase {
        let Prepared { was_alone, .. } = self.prepared;
        let trip = |target: &Option<WorkerSid>| Trip {
            target: target.clone(),
            resent: self.resent,
            music: self.music,
            is_stranded: self.stranded,
            was_alone,
            by_document: self.stranded || self.let_go > 0,
        };
        match &self.phase {
            Phase::Grace => crate::Phase::Grace,
            Phase::Away => crate::Phase::Away,
            Phase::Rejoining => crate::Phase::Rejoining,
            Phase::Holding if self.stranded => crate::Phase::Stranded,
            Phase::Holding => crate::Phase::Holding(Holding { was_alone, is_pinged: false }),
            Phase::Requeueing { target } => crate::Phase::Requeueing(trip(target)),
            Phase::Queued { target } => crate::Phase::Queued(trip(target)),
            Phase::Ended(ending) => crate::Phase::Ended(self.ending(ending)),
        }
    }

    fn ending(&self, ending: &Ending) -> crate::Ending {
        let into = self.moved_to.clone();
        match ending {
            Ending::Rejoined => crate::Ending::Rejoined { into },
            Ending::HandedOver { name } => crate::Ending::HandedOver { name: name.clone(), into },
            Ending::Covered => crate::Ending::Covered,
            Ending::CustomerLeft => crate::Ending::CustomerLeft,
            Ending::Graceful => crate::Ending::Graceful,
            Ending::Failed { reason } => crate::Ending::Failed { reason: *reason },
        }
    }

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
            newcomers: BTreeSet::new(),
        }
    }
}

impl From<Recovery> for Covered {
    fn from(old: Recovery) -> Self {
        let stage = match &old.phase {
            Phase::Rejoining => CoveredStage::Rejoining,
            Phase::Ended(ending) => CoveredStage::Over(old.ending(ending)),
            _ => CoveredStage::Away,
        };
        Self { absence: old.into_absence(), stage }
    }
}

impl From<Recovery> for crate::Recovery {
    fn from(old: Recovery) -> Self {
        Self {
            generation: old.generation,
            too_often: old.too_often,
            phase: old.phase(),
            announced: old.announced,
            ping: Ping { task: old.ping.clone(), is_accepted: old.ping_accepted },
            agent_hold: old.agent_hold,
            let_go: old.let_go,
            absence: old.into_absence(),
        }
    }
}

fn each<K: Ord, Old, New: From<Old>>(old: BTreeMap<K, Old>) -> BTreeMap<K, New> {
    old.into_iter().map(|(key, old)| (key, old.into())).collect()
}
