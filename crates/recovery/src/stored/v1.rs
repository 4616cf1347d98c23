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
        let mut marks = BTreeMap::new();
        for (reservation, reason) in old.on_purpose {
            let mark = Said {
                reason,
                at: old.marked_at.get(&reservation).copied().unwrap_or_default(),
                by_page: !old.marked_in_task.contains(&reservation),
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
                owners: Owners::stored(old.owners, old.nobodys),
                sought: old.sought,
                asking: old.asking,
                registrations: old.unsettled,
                unclaimed: old.unregistered,
            },
            pages: Pages::stored(
                &old.hellos,
                &old.elsewhere,
                &old.newest_alone,
                &old.joinable,
                &old.goodbyes,
                &old.unavailable,
            ),
            received: Received::stored(old.seen, old.delivered, old.told),
        };
        Self {
            format: Format,
            quarantine: old.quarantine,
            conference: old.conference,
            task: old.task,
            facts,
            decisions,
            requests,
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
            strangers: BTreeSet::new(),
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
