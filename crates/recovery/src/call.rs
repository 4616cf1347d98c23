//! The rules of one call. Each event changes what is known, then [`Call::evaluate`] looks at the whole: what is decided
//! depends on what is known, not on the order in which it became known.

mod beside;
mod others;

use crate::{
    Action, Announcement, ConferenceEvent, ConferenceEventKind, Config, Effect, LeaveReason, Note, Outcome,
};
use crate::{ParticipantFlags, Registered, Timer};
use rejoin_protocol::api::{
    DeliveryId, Failure, GracefulMark, GracefulReason, Hello, RecoveryView, Registration, Stage,
};
use rejoin_protocol::{
    CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid, WorkflowSid,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long Twilio is tried for what must be done while the customer waits.
const SOON: Millis = Millis::seconds(20);
/// How long Twilio is tried for what must be done some time.
const LATER: Millis = Millis::seconds(600);
/// How long before the end of the wait what should come before the requeue is begun, when the leg stood till then.
const AHEAD: Millis = Millis::seconds(1);
/// So often a call is looked up of which too little is found.
const LOOKUPS: u32 = 5;
/// More registrations and marks than a call has.
const DELIVERIES: usize = 100;
/// How long a reachable agent waits for what should come before the requeue.
const PREPARE: Millis = Millis::seconds(2);

/// One customer's call in one conference. It is stored as JSON after every change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Where it takes place.
    pub conference: ConferenceSid,
    /// The task that it belongs to.
    pub task: TaskSid,
    /// Where the task came from, once known.
    pub workflow: Option<WorkflowSid>,
    /// The customer's leg, once known.
    pub customer: Option<CallSid>,
    /// The task's attributes as last read, JSON text; empty when never read.
    pub attributes: String,
    /// Agents who were or are on the call, by leg.
    pub agents: BTreeMap<CallSid, Agent>,
    /// Everybody who was ever seen in the conference.
    pub participants: BTreeMap<CallSid, Participant>,
    /// Who said that he or she leaves on purpose, and how.
    pub on_purpose: BTreeMap<ReservationSid, GracefulReason>,
    /// The newest page of each worker that has found the task, but had no call for it: by its epoch.
    #[serde(default)]
    pub hellos: BTreeMap<WorkerSid, u64>,
    /// Sequence numbers that were taken already.
    pub seen: BTreeSet<u64>,
    /// Registrations and marks that were taken already: a page repeats them until it is answered.
    #[serde(default)]
    pub delivered: BTreeSet<(WorkerSid, DeliveryId)>,
    /// Has the conference ended?
    pub ended: bool,
    /// Has the server looked the call up itself, or begun to?
    pub learning: bool,
    /// How often it has.
    #[serde(default)]
    pub lookups: u32,
    /// Has it found too little? Then it looks again when somebody comes or goes.
    #[serde(default)]
    pub unlearnt: bool,
    /// Was it told that customer and agent are on the call?
    pub connected: bool,
    /// Is the call over, waiting to be forgotten?
    pub closed: bool,
    /// Third parties who were on hold where they come from, and are to be here.
    #[serde(default)]
    pub to_hold: BTreeSet<CallSid>,
    /// The recovery, when one has begun: the customer has nobody.
    pub recovery: Option<Recovery>,
    /// Agents whose page is gone while the customer has somebody else, by leg. They may come back in place.
    #[serde(default)]
    pub beside: BTreeMap<CallSid, Recovery>,
}

/// An agent's share of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Who.
    pub worker: WorkerSid,
    /// The name for the agent who may have to take over.
    pub name: String,
    /// His or her reservation.
    pub reservation: ReservationSid,
    /// Of the page that has the leg; 0 when the server looked the call up itself.
    pub epoch: u64,
    /// A newer page of the same worker has said hello, and this was its epoch.
    pub newer_page: Option<u64>,
    /// A newer page has found the reservation wrapping while the leg was taken for joined: Twilio says it is gone.
    #[serde(default)]
    pub unjoined: bool,
    /// The leg is proved dead and is being removed.
    pub removing: bool,
    /// What became of the leg is decided: nothing more is begun because of it.
    pub settled: bool,
}

/// A leg as the callbacks show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Still there?
    pub joined: bool,
    /// Why it is not.
    pub left: Option<LeaveReason>,
    /// Flags as last told.
    pub flags: ParticipantFlags,
    /// The label, if there is one.
    #[serde(default)]
    pub label: Option<String>,
    /// `endConferenceOnExit` of the leg is being set back to false.
    #[serde(default)]
    pub keeping: bool,
    /// Was the leg sent after the customer into another conference?
    pub moved: bool,
    /// Number of the last event about this leg: older ones that come later change nothing.
    pub sequence: u64,
}

/// One recovery of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Named after the lost leg.
    pub id: RecoveryId,
    /// The leg that was lost.
    pub lost_leg: CallSid,
    /// Who was lost.
    pub agent: Agent,
    /// When (point in time).
    pub lost_at: Millis,
    /// How far it is.
    pub phase: Phase,
    /// When the machine goes on by itself (point in time).
    pub deadline: Millis,
    /// Has the agent proved reachable?
    pub back: bool,
    /// Was the customer told?
    #[serde(default)]
    pub announced: bool,
    /// The ping's task, while it stands.
    pub ping: Option<TaskSid>,
    /// Who else was there then: third parties, somebody who listens.
    #[serde(default)]
    pub bystanders: BTreeSet<CallSid>,
    /// What has to come before the requeue: the customer's leg free, the task read, the dead leg gone.
    pub prepared: Prepared,
    /// Was the old reservation completed, or is it being?
    pub reservation_freed: bool,
    /// Name of the conference in which the customer is with an agent again.
    #[serde(default)]
    pub moved_to: Option<TaskSid>,
}

/// What has come of the things that a requeue waits for. `true` also when it did not work: then it goes on without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// [`Action::FreeCustomer`].
    pub freed: bool,
    /// [`Action::MarkTask`].
    pub marked: bool,
    /// [`Action::RemoveLeg`], where it was needed.
    pub removed: bool,
}

/// How far a recovery is: the three rungs, and the ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// A mark "on purpose" may still come.
    Grace,
    /// The page is gone and the leg still stands; the agent is awaited.
    Away,
    /// The agent is back and joins the same conference again.
    Rejoining,
    /// The customer is told and kept; the agent is awaited.
    Holding,
    /// The customer is being sent to the queue.
    Requeueing {
        /// For whom; `None`: any agent.
        target: Option<WorkerSid>,
    },
    /// The customer is in the queue.
    Queued {
        /// For whom; `None`: any agent.
        target: Option<WorkerSid>,
    },
    /// Over.
    Ended(Ending),
}

/// Ends of a recovery: every one reaches exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// The same agent has the customer again.
    Rejoined,
    /// Another agent has.
    HandedOver {
        /// That agent's name, when it is known.
        name: Option<String>,
    },
    /// Another agent has come to the customer before he was moved.
    Covered,
    /// The customer hung up.
    CustomerLeft,
    /// It was on purpose after all.
    Graceful,
    /// Twilio refused for good, or nobody took the call.
    Failed {
        /// Why.
        reason: Failure,
    },
}

impl Ending {
    /// The name that timelines and reports use.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rejoined => "rejoined",
            Self::HandedOver { .. } => "handed-over",
            Self::Covered => "covered",
            Self::CustomerLeft => "customer-left",
            Self::Graceful => "graceful",
            Self::Failed { .. } => "failed",
        }
    }
}

impl Recovery {
    /// Is it still going on?
    pub fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Ended(_))
    }

    /// What the lost agent's dialog shows.
    pub fn view(&self, now: Millis, task: &TaskSid) -> RecoveryView {
        let stage = match &self.phase {
            Phase::Grace | Phase::Away | Phase::Holding => Stage::Interrupted,
            Phase::Rejoining => Stage::InPlace,
            Phase::Requeueing { target: Some(_) } => Stage::Requeueing,
            Phase::Queued { target: Some(_) } => Stage::Queued,
            Phase::Requeueing { target: None } | Phase::Queued { target: None } => Stage::WaitingForOther,
            Phase::Ended(Ending::Rejoined) => Stage::Rejoined,
            Phase::Ended(Ending::HandedOver { name }) => Stage::HandedOver { worker_name: name.clone() },
            Phase::Ended(Ending::Covered) => Stage::Covered,
            Phase::Ended(Ending::CustomerLeft) => Stage::CustomerLeft,
            Phase::Ended(Ending::Graceful) => Stage::Graceful,
            Phase::Ended(Ending::Failed { reason }) => Stage::Failed { reason: *reason },
        };
        let waits = matches!(stage, Stage::Interrupted | Stage::InPlace | Stage::Requeueing | Stage::Queued);
        RecoveryView {
            id: self.id.clone(),
            task: task.clone(),
            reservation: self.agent.reservation.clone(),
            remaining_ms: waits.then(|| now.until(self.deadline).0),
            stage,
        }
    }
}

/// The time, the durations, and the effects so far.
pub(crate) struct Out<'a> {
    pub(crate) now: Millis,
    pub(crate) config: &'a Config,
    pub(crate) effects: Vec<Effect>,
}

impl Call {
    pub(crate) fn new(conference: ConferenceSid, task: TaskSid) -> Self {
        Self {
            conference,
            task,
            workflow: None,
            customer: None,
            attributes: String::new(),
            agents: BTreeMap::new(),
            participants: BTreeMap::new(),
            on_purpose: BTreeMap::new(),
            hellos: BTreeMap::new(),
            seen: BTreeSet::new(),
            delivered: BTreeSet::new(),
            ended: false,
            learning: false,
            lookups: 0,
            unlearnt: false,
            connected: false,
            closed: false,
            to_hold: BTreeSet::new(),
            recovery: None,
            beside: BTreeMap::new(),
        }
    }

    // --- what is asked of a call ---

    fn is_joined(&self, leg: &CallSid) -> bool {
        !self.ended && self.participants.get(leg).is_some_and(|p| p.joined)
    }

    /// Is too little known of the call to notice that its agent is lost?
    fn is_unknown(&self) -> bool {
        self.agents.is_empty() || self.customer.is_none()
    }

    fn customer_joined(&self) -> bool {
        self.customer.as_ref().is_some_and(|leg| self.is_joined(leg))
    }

    /// Did the customer hang up here?
    pub(crate) fn customer_hung_up(&self) -> bool {
        let leg = self.customer.as_ref().and_then(|leg| self.participants.get(leg));
        leg.is_some_and(|p| !p.joined && p.left == Some(LeaveReason::HungUp))
    }

    fn customer_left(&self) -> bool {
        let leg = self.customer.as_ref().and_then(|leg| self.participants.get(leg));
        leg.is_some_and(|p| !p.joined && p.left.is_some())
    }

    /// The agent who is on the call with the customer.
    pub(crate) fn agent_on_call(&self) -> Option<&Agent> {
        self.agents.iter().find(|(leg, agent)| self.is_at(leg, agent)).map(|(_, agent)| agent)
    }

    /// Do customer and agent talk here?
    pub(crate) fn is_connected(&self) -> bool {
        self.customer_joined() && self.agent_on_call().is_some()
    }

    /// Has the page of this leg said goodbye, and does the leg stand?
    fn is_away(&self, leg: &CallSid) -> bool {
        self.recovery
            .as_ref()
            .is_some_and(|r| r.lost_leg == *leg && matches!(r.phase, Phase::Away | Phase::Rejoining))
    }

    /// Everything that an agent's dialog may have to show.
    pub(crate) fn recoveries(&self) -> impl Iterator<Item = &Recovery> {
        self.recovery.iter().chain(self.beside.values())
    }

    pub(crate) fn has_open_recovery(&self) -> bool {
        self.recovery.as_ref().is_some_and(Recovery::is_open)
    }

    pub(crate) fn wants(&self, action: &Action) -> bool {
        let phase = |id: &RecoveryId| self.recovery.as_ref().filter(|r| r.id == *id).map(|r| &r.phase);
        match action {
            Action::CreatePing { recovery, .. } => phase(recovery).is_some_and(|phase| match phase {
                Phase::Grace | Phase::Away | Phase::Rejoining | Phase::Holding => true,
                Phase::Requeueing { .. } | Phase::Queued { .. } | Phase::Ended(_) => false,
            }),
            Action::Requeue { recovery, target, .. } => {
                phase(recovery) == Some(&Phase::Requeueing { target: target.clone() })
            }
            Action::Announce { .. } | Action::FreeCustomer { .. } => self.has_open_recovery(),
            Action::EndConference { .. } => self.is_orphaned(),
            Action::Unhold { leg, .. } => {
                self.is_joined(leg) && self.participants.get(leg).is_some_and(|p| p.flags.hold)
            }
            Action::KeepConference { .. }
            | Action::MarkTask { .. }
            | Action::EndPing { .. }
            | Action::CompleteReservation { .. }
            | Action::RemoveLeg { .. }
            | Action::MoveParticipant { .. }
            | Action::HoldParticipant { .. }
            | Action::Learn { .. } => true,
        }
    }

    // --- what becomes known ---

    pub(crate) fn conference_event(&mut self, out: &mut Out<'_>, event: &ConferenceEvent) {
        if !self.seen.insert(event.sequence) {
            return; // delivered twice
        }
        match &event.kind {
            ConferenceEventKind::Start => {}
            ConferenceEventKind::End => self.ended = true,
            ConferenceEventKind::Join { leg, flags } => {
                let known = self.participants.contains_key(leg);
                self.participant(leg, event.sequence, |p| {
                    p.joined = true;
                    p.left = None;
                    p.flags = *flags;
                });
                self.learning &= !std::mem::take(&mut self.unlearnt);
                if !known && !self.learning && self.agents.is_empty() {
                    self.set_timer(out, Timer::Learn, out.now + out.config.learn_after);
                }
            }
            ConferenceEventKind::Leave { leg, reason } => {
                self.participant(leg, event.sequence, |p| {
                    p.joined = false;
                    p.left = Some(*reason);
                });
                self.learning &= !std::mem::take(&mut self.unlearnt);
                if self.is_orphaned() {
                    self.set_timer(out, Timer::Orphan, out.now + out.config.orphan_after);
                }
                let awaited = |(leg, agent): (&CallSid, &Agent)| agent.unjoined && self.is_joined(leg);
                if self.agents.get(leg).is_some_and(|a| a.unjoined) && !self.agents.iter().any(awaited) {
                    self.clear_timer(out, Timer::Leave);
                }
            }
            ConferenceEventKind::Modify { leg, flags } => {
                self.participant(leg, event.sequence, |p| {
                    p.joined |= p.sequence == 0 && p.left.is_none();
                    p.flags = *flags;
                });
            }
            ConferenceEventKind::AnnouncementEnd => self.announcement_ended(out),
        }
        self.seen_label(event);
        self.evaluate(out);
    }

    fn participant(&mut self, leg: &CallSid, sequence: u64, change: impl FnOnce(&mut Participant)) {
        let participant = self.participants.entry(leg.clone()).or_default();
        if sequence > participant.sequence {
            change(participant);
            participant.sequence = sequence;
        }
    }

    /// The page has seen both legs in the conference; callbacks that came first know better.
    fn assume_joined(&mut self, leg: &CallSid) {
        self.participants
            .entry(leg.clone())
            .or_insert_with(|| Participant { joined: true, ..Participant::default() });
    }

    pub(crate) fn registered(&mut self, out: &mut Out<'_>, worker: &WorkerSid, registration: &Registration) {
        let foreign =
            |agent: &Agent| agent.worker != *worker || agent.reservation != registration.reservation;
        if registration.task != self.task || self.agents.get(&registration.worker_leg).is_some_and(foreign) {
            return; // another task's conference, or somebody else's leg
        }
        if self.was_delivered(worker, registration.id) {
            return;
        }
        self.workflow = Some(registration.workflow.clone());
        self.customer.get_or_insert_with(|| registration.customer_leg.clone());
        self.assume_joined(&registration.worker_leg);
        self.assume_joined(&registration.customer_leg);
        let agent = self.agents.entry(registration.worker_leg.clone()).or_insert_with(|| {
            Agent::new(worker.clone(), registration.worker_name.clone(), registration.reservation.clone())
        });
        agent.epoch = agent.epoch.max(registration.epoch);
        // The page that seemed to be a newer one than the leg's is the leg's: it has taken over from another one.
        agent.newer_page = agent.newer_page.filter(|newer| *newer > agent.epoch);
        self.recall_hello(&registration.worker_leg);
        // Requests come in their order: an agent who registers after saying that she leaves has stayed.
        if registration.id.is_some() && self.is_joined(&registration.worker_leg) {
            self.on_purpose.remove(&registration.reservation);
        }
        self.clear_timer(out, Timer::Learn);
        self.evaluate(out);
    }

    fn learnt(&mut self, found: &Registered) {
        self.workflow.get_or_insert_with(|| found.workflow.clone());
        self.attributes.clone_from(&found.attributes);
        if self.customer.is_none() {
            self.customer.clone_from(&found.customer_leg);
        }
        let (Some((worker, name)), Some(reservation)) = (&found.worker, &found.reservation) else { return };
        // Without the leg in the attributes: the only one that is not the customer's.
        let mut strangers = self.participants.keys().filter(|leg| Some(*leg) != self.customer.as_ref());
        let only = strangers.next().filter(|_| strangers.next().is_none()).cloned();
        if let Some(leg) = found.worker_leg.clone().or(only) {
            self.agents
                .entry(leg.clone())
                .or_insert_with(|| Agent::new(worker.clone(), name.clone(), reservation.clone()));
            self.recall_hello(&leg);
        }
    }

    /// A page may have said hello before it was known whose leg this is.
    fn recall_hello(&mut self, leg: &CallSid) {
        if let Some(agent) = self.agents.get_mut(leg)
            && let Some(epoch) = self.hellos.get(&agent.worker).filter(|epoch| **epoch > agent.epoch)
        {
            agent.newer_page = agent.newer_page.max(Some(*epoch));
        }
    }

    pub(crate) fn graceful(&mut self, out: &mut Out<'_>, worker: &WorkerSid, mark: &GracefulMark) {
        // Nobody marks another agent's leave.
        let foreign = |agent: &Agent| agent.reservation == mark.reservation && agent.worker != *worker;
        if self.agents.values().any(foreign) || self.was_delivered(worker, mark.id) {
            return;
        }
        self.on_purpose.insert(mark.reservation.clone(), mark.reason);
        self.evaluate(out);
    }

    /// Has this request been taken before? From now on it has.
    fn was_delivered(&mut self, worker: &WorkerSid, id: Option<DeliveryId>) -> bool {
        let Some(id) = id else { return false };
        if self.delivered.len() >= DELIVERIES {
            self.delivered.pop_first();
        }
        !self.delivered.insert((worker.clone(), id))
    }

    pub(crate) fn hello(
        &mut self,
        out: &mut Out<'_>,
        worker: &WorkerSid,
        hello: &Hello,
        older_page_connected: bool,
    ) {
        let holding = hello.holdings.iter().find(|holding| holding.task == self.task);
        if holding.is_some() {
            let newest = self.hellos.entry(worker.clone()).or_default();
            *newest = hello.epoch.max(*newest);
            if self.agents.is_empty() && !self.closed {
                // A refresh before the registration: look up what the page had no time to say.
                self.learn(out);
            }
        }
        if self.closed {
            return;
        }
        let legs: Vec<_> = self.agents.iter().filter(|(_, agent)| agent.worker == *worker).collect();
        let legs: Vec<_> = legs.into_iter().map(|(leg, _)| leg.clone()).collect();
        for leg in legs {
            let said_goodbye = self.is_away(&leg) || self.is_beside(&leg);
            let joined = self.is_joined(&leg);
            let Some(agent) = self.agents.get_mut(&leg).filter(|agent| hello.epoch > agent.epoch) else {
                continue;
            };
            agent.newer_page = agent.newer_page.max(Some(hello.epoch));
            let Some(holding) = holding.filter(|h| h.reservation == agent.reservation) else { continue };
            if holding.wrapping {
                let unjoined = joined && !agent.unjoined && !agent.settled && !agent.removing;
                if unjoined && !self.on_purpose.contains_key(&holding.reservation) {
                    agent.unjoined = true;
                    self.set_timer(out, Timer::Leave, out.now + out.config.leave_within);
                }
                continue;
            }
            // The page found the reservation accepted and has no call for it, and no older page is there that could
            // have it: the leg is a ghost.
            if !joined || agent.settled || agent.removing || (older_page_connected && !said_goodbye) {
                continue;
            }
            if out.config.in_place && holding.can_join {
                self.join_in_place(out, &leg);
            } else {
                self.remove_leg(out, &leg);
            }
        }
        self.evaluate(out);
    }

    /// The page is gone and has left its leg standing.
    pub(crate) fn goodbye(&mut self, out: &mut Out<'_>, worker: &WorkerSid, epoch: u64) {
        if !out.config.in_place || self.closed || !self.customer_joined() {
            return;
        }
        let of_page = |(leg, agent): &(&CallSid, &Agent)| {
            agent.worker == *worker
                && agent.epoch <= epoch
                && !agent.settled
                && self.is_at(leg, agent)
                && !self.on_purpose.contains_key(&agent.reservation)
        };
        let Some(leg) = self.agents.iter().find(of_page).map(|(leg, _)| leg.clone()) else { return };
        if self.is_accompanied(&leg) || self.has_open_recovery() {
            self.goes_beside(out, &leg);
            return self.evaluate(out);
        }
        self.note(out, Note::PageGone);
        self.begin(out, &leg, Phase::Away);
        let lost_at = out.now;
        self.set_timer(out, Timer::Announce, lost_at + out.config.announce_after);
        self.set_timer(out, Timer::Ping, lost_at + (out.config.ping_ttl - AHEAD));
        self.push(out);
        self.evaluate(out);
    }

    pub(crate) fn entered_queue(&mut self, out: &mut Out<'_>) {
        if let Some(recovery) = &mut self.recovery
            && let Phase::Requeueing { target } = &recovery.phase
        {
            recovery.phase = Phase::Queued { target: target.clone() };
            self.note(out, Note::Queued);
            self.free_reservation(out);
            self.push(out);
        }
        self.evaluate(out);
    }

    pub(crate) fn left_queue(&mut self, out: &mut Out<'_>, bridged: bool, hung_up: bool) {
        let queued = |r: &Recovery| matches!(r.phase, Phase::Requeueing { .. } | Phase::Queued { .. });
        if hung_up && self.recovery.as_ref().is_some_and(queued) {
            self.end_recovery(out, &Ending::CustomerLeft);
        } else if !bridged {
            self.in_again_for_any(out);
        }
        self.evaluate(out);
    }

    /// The queue did not keep the customer, and the document that was asked for then sends him into it for any agent.
    fn in_again_for_any(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &mut self.recovery else { return };
        let (Phase::Requeueing { target } | Phase::Queued { target }) = &recovery.phase else { return };
        let had_target = target.is_some();
        recovery.phase = Phase::Requeueing { target: None };
        if had_target {
            let deadline = out.now + out.config.queue_within;
            recovery.deadline = deadline;
            self.set_timer(out, Timer::Rejoin, deadline);
            self.note(out, Note::Requeueing { same_agent: false });
        }
        self.push(out);
    }

    /// The customer is with an agent in another conference. Gives back who was on hold here and follows.
    pub(crate) fn connected_elsewhere(
        &mut self,
        out: &mut Out<'_>,
        agent: &Agent,
        into: &TaskSid,
    ) -> BTreeSet<CallSid> {
        let Some(recovery) = self.recovery.as_ref().filter(|recovery| recovery.is_open()) else {
            return BTreeSet::new();
        };
        let ending = if recovery.agent.worker == agent.worker {
            Ending::Rejoined
        } else {
            Ending::HandedOver { name: Some(agent.name.clone()).filter(|name| !name.is_empty()) }
        };
        // The queue was entered even if its request was lost.
        self.free_reservation(out);
        if let Some(recovery) = &mut self.recovery {
            recovery.moved_to = Some(into.clone());
        }
        let held = self.follow(out);
        self.end_recovery(out, &ending);
        self.evaluate(out);
        held
    }

    /// The customer was in another conference, on the way to an agent, and hung up there.
    pub(crate) fn hung_up_elsewhere(&mut self, out: &mut Out<'_>) {
        self.end_recovery(out, &Ending::CustomerLeft);
        self.evaluate(out);
    }

    pub(crate) fn timer(&mut self, out: &mut Out<'_>, timer: Timer) {
        match timer {
            Timer::Grace => self.grace_is_over(out),
            Timer::Announce => self.tell_customer(out),
            Timer::Leave => self.leave_never_came(out),
            Timer::Ping => self.ping_is_over(out),
            Timer::Rejoin => self.rejoin_is_over(out),
            Timer::Beside => self.beside_is_over(out),
            Timer::Orphan => {
                if self.is_orphaned() {
                    self.act(out, Action::EndConference { conference: self.conference.clone() }, SOON);
                }
            }
            Timer::Learn => {
                if self.is_unknown() && !self.ended {
                    self.learning = false;
                    self.unlearnt = false;
                    self.learn(out);
                }
            }
            Timer::Forget if !self.closed => {}
            Timer::Forget => out.effects.push(Effect::Forget { conference: self.conference.clone() }),
        }
        self.evaluate(out);
    }

    pub(crate) fn done(&mut self, out: &mut Out<'_>, action: &Action, outcome: &Outcome) {
        if let Outcome::Failed { reason } = outcome {
            self.note(out, Note::Trouble { text: reason.clone() });
        }
        match action {
            Action::Learn { .. } => {
                if let Outcome::Learnt(found) = outcome {
                    self.learnt(found);
                }
                if self.is_unknown() && !self.closed && self.lookups < LOOKUPS && *outcome != Outcome::Gone {
                    // Twilio did not answer, or had not put it together yet.
                    self.unlearnt = true;
                    self.set_timer(out, Timer::Learn, out.now + SOON);
                }
            }
            Action::KeepConference { leg, .. } => {
                // Whatever came of it, it is not tried again before Twilio tells the flag anew.
                if let Some(participant) = self.participants.get_mut(leg) {
                    participant.keeping = false;
                    participant.flags.end_conference_on_exit = false;
                }
                if *outcome == Outcome::Ok {
                    self.note(out, Note::ExitFlagUndone);
                }
            }
            Action::FreeCustomer { unhold, .. } => {
                self.prepare(|p| p.freed = true);
                if *unhold && self.has_open_recovery() {
                    self.announce(out, Announcement::Interrupted);
                }
            }
            Action::MarkTask { .. } => {
                self.prepare(|p| p.marked = true);
                if let Outcome::TaskRead { attributes } = outcome {
                    self.attributes.clone_from(attributes);
                }
            }
            Action::RemoveLeg { leg, .. } => {
                self.prepare(|p| p.removed = true);
                if matches!(outcome, Outcome::Ok | Outcome::Gone)
                    && let Some(participant) = self.participants.get_mut(leg)
                {
                    participant.joined = false;
                }
            }
            Action::CreatePing { recovery, .. } => {
                if let Outcome::PingCreated(task) = outcome {
                    self.ping_created(out, recovery, task);
                }
            }
            Action::Requeue { recovery, target, .. } => {
                self.requeue_done(out, recovery, target.as_ref(), outcome);
            }
            Action::Announce { .. }
            | Action::EndPing { .. }
            | Action::CompleteReservation { .. }
            | Action::MoveParticipant { .. }
            | Action::Unhold { .. }
            | Action::HoldParticipant { .. }
            | Action::EndConference { .. } => {}
        }
        self.evaluate(out);
    }

    // --- what follows ---

    /// Looks at the whole after every event.
    fn evaluate(&mut self, out: &mut Out<'_>) {
        if !self.connected && self.is_connected() {
            self.connected = true;
            self.note(out, Note::Connected);
        }
        self.keep_conference(out);
        self.rejoined_in_place(out);
        self.spare_who_is_away(out);
        self.end_grace(out);
        self.settle_beside(out);
        self.find_lost_agent(out);
        self.end_if_covered(out);
        self.customer_gone(out);
        self.miss_who_is_away(out);
        self.go_on(out);
        self.remove_late_legs(out);
        self.hold_again(out);
        self.follow(out);
        self.close(out);
    }

    /// Flex sets `endConferenceOnExit` again whenever two are left. It has no effect while the leg is on hold.
    fn keep_conference(&mut self, out: &mut Out<'_>) {
        if !self.customer_joined() {
            return;
        }
        // While an agent comes back in place, a leg of hers may be there that nobody has registered yet.
        let coming = self
            .recovery
            .as_ref()
            .is_some_and(|r| matches!(r.phase, Phase::Away | Phase::Rejoining | Phase::Holding))
            || self.has_absence();
        let wanted = |(leg, participant): &(&CallSid, &Participant)| {
            let ours = match self.agents.get(*leg) {
                Some(agent) => !agent.removing && !self.on_purpose.contains_key(&agent.reservation),
                None => coming && Some(*leg) != self.customer.as_ref() && !self.is_bystander(leg),
            };
            let flags = participant.flags;
            ours && flags.end_conference_on_exit && !flags.hold && !participant.keeping && participant.joined
        };
        let legs: Vec<_> = self.participants.iter().filter(wanted).map(|(leg, _)| leg.clone()).collect();
        for leg in legs {
            if let Some(participant) = self.participants.get_mut(&leg) {
                participant.keeping = true;
            }
            self.act(out, Action::KeepConference { conference: self.conference.clone(), leg }, SOON);
        }
    }

    /// Looks for a leg of an agent that is gone and not accounted for.
    fn find_lost_agent(&mut self, out: &mut Out<'_>) {
        // A stranger has left: was it the agent? The page had no time to say.
        let stranger_left =
            self.participants.iter().any(|(leg, p)| p.left.is_some() && Some(leg) != self.customer.as_ref());
        if self.agents.is_empty() && stranger_left && !self.ended {
            self.learn(out);
        }
        let gone = |leg: &CallSid, agent: &Agent| {
            !agent.settled
                && (agent.removing
                    || self.participants.get(leg).is_some_and(|p| !p.joined && p.left.is_some()))
        };
        let gone: Vec<_> =
            self.agents.iter().filter(|(leg, agent)| gone(leg, agent)).map(|(leg, _)| leg.clone()).collect();
        for leg in gone {
            self.agent_gone(out, &leg);
        }
    }

    fn agent_gone(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let Some(agent) = self.agents.get(leg).cloned() else { return };
        let reason = self.participants.get(leg).and_then(|p| p.left);
        let on_purpose = self.on_purpose.get(&agent.reservation).copied();
        let by_others = !agent.removing
            && matches!(
                reason,
                Some(
                    LeaveReason::UpdatedViaApi
                        | LeaveReason::ConferenceEndedViaApi
                        | LeaveReason::ModeratorEnded
                )
            );
        if self.customer.is_none() && !self.ended {
            return self.learn(out); // decided when it is known who the customer is
        }
        if self.ended || self.customer_left() {
            return self.settle(leg);
        }
        if !self.customer_joined() {
            return; // not seen yet: decided when he is
        }
        if self.is_away(leg) {
            return self.away_leg_gone(out, leg, agent.removing);
        }
        if self.is_beside(leg) {
            return self.beside_leg_gone(out, leg);
        }
        if on_purpose.is_some() || by_others {
            self.settle(leg);
            self.note(out, Note::AgentLeft);
            if on_purpose.is_some() {
                self.set_timer(out, Timer::Orphan, out.now + out.config.orphan_after);
            }
            return;
        }
        if self.is_covered(leg) || self.has_open_recovery() {
            // Another agent has the customer, or it is seen to already.
            self.settle(leg);
            return self.release(out);
        }
        self.note(out, Note::AgentLost);
        self.begin(out, leg, Phase::Grace);
        self.settle(leg);
        if agent.removing {
            self.hold_the_line(out); // proved dead: no mark can come
        } else {
            self.set_timer(out, Timer::Grace, out.now + out.config.grace);
            self.push(out);
        }
    }

    /// Status callbacks are not repeated: one that came while the server was down is lost.
    fn leave_never_came(&mut self, out: &mut Out<'_>) {
        let missed = |(leg, agent): &(&CallSid, &Agent)| {
            agent.unjoined
                && !agent.settled
                && !agent.removing
                && self.is_joined(leg)
                && !self.on_purpose.contains_key(&agent.reservation)
        };
        let missed: Vec<_> = self.agents.iter().filter(missed).map(|(leg, _)| leg.clone()).collect();
        for leg in &missed {
            if let Some(participant) = self.participants.get_mut(leg) {
                participant.joined = false;
                participant.left = Some(LeaveReason::HungUp);
            }
        }
        self.find_lost_agent(out);
        // A mark has had its time.
        let waits = |r: &Recovery| r.phase == Phase::Grace && missed.contains(&r.lost_leg);
        if self.recovery.as_ref().is_some_and(waits) {
            self.clear_timer(out, Timer::Grace);
            self.hold_the_line(out);
        }
    }

    fn begin(&mut self, out: &Out<'_>, leg: &CallSid, phase: Phase) {
        if let Some(recovery) = self.recovery_of(out, leg, phase) {
            self.recovery = Some(recovery);
        }
    }

    fn recovery_of(&self, out: &Out<'_>, leg: &CallSid, phase: Phase) -> Option<Recovery> {
        let agent = self.agents.get(leg).cloned()?;
        Some(Recovery {
            id: RecoveryId::of(leg),
            lost_leg: leg.clone(),
            lost_at: out.now,
            phase,
            deadline: out.now + out.config.ping_ttl,
            back: false,
            announced: false,
            ping: None,
            bystanders: self.others().map(|(leg, _)| leg.clone()).collect(),
            prepared: Prepared { removed: !agent.removing, ..Prepared::default() },
            reservation_freed: false,
            moved_to: None,
            agent,
        })
    }

    // --- the first rung: in place ---

    fn join_in_place(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if !self.customer_joined() {
            return;
        }
        let others = self.is_accompanied(leg) || self.has_open_recovery();
        if self.is_beside(leg) || (others && !self.is_away(leg)) {
            return self.joins_beside(out, leg);
        }
        if !self.has_open_recovery() {
            // A crash: nobody said goodbye.
            self.note(out, Note::PageGone);
            self.begin(out, leg, Phase::Away);
            self.set_timer(out, Timer::Announce, out.now + out.config.announce_after);
        }
        let Some(recovery) = self.recovery.as_mut().filter(|r| r.lost_leg == *leg) else { return };
        if !matches!(recovery.phase, Phase::Away | Phase::Rejoining) {
            return; // a rung further down already
        }
        // However often the page is loaded again: the first rung ends.
        let latest = recovery.lost_at + out.config.ping_ttl;
        recovery.deadline = latest.min(out.now + out.config.in_place_within).max(out.now);
        recovery.phase = Phase::Rejoining;
        recovery.back = true;
        let deadline = recovery.deadline;
        self.clear_timer(out, Timer::Ping);
        self.set_timer(out, Timer::Rejoin, deadline);
        self.note(out, Note::JoiningInPlace);
        self.push(out);
    }

    /// The old leg has left while its agent was away, or on the way back in.
    fn away_leg_gone(&mut self, out: &mut Out<'_>, leg: &CallSid, removed_by_us: bool) {
        self.settle(leg);
        let rejoining = self.recovery.as_ref().is_some_and(|r| r.phase == Phase::Rejoining);
        if rejoining && !removed_by_us {
            // Flex closes the old leg itself when the new one is in; the two may be told in any order.
            if !self.has_stranger() {
                self.set_timer(out, Timer::Grace, out.now + out.config.grace);
            }
            return;
        }
        self.note(out, Note::AgentLost);
        self.hold_the_line(out);
    }

    fn grace_is_over(&mut self, out: &mut Out<'_>) {
        match self.recovery.as_ref().map(|recovery| &recovery.phase) {
            Some(Phase::Grace) => self.hold_the_line(out),
            Some(Phase::Rejoining) if !self.has_stranger() => {
                self.note(out, Note::NotInPlace);
                self.hold_the_line(out);
            }
            _ => {}
        }
    }

    /// Down to the second rung: the leg that stands is of no use.
    fn fall(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        self.settle(leg);
        if self.is_joined(leg) {
            self.remove_leg(out, leg);
        }
        self.hold_the_line(out);
    }

    fn remove_leg(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let Some(agent) = self.agents.get_mut(leg).filter(|agent| !agent.removing) else { return };
        agent.removing = true;
        self.prepare(|p| p.removed = false);
        self.act(out, Action::RemoveLeg { conference: self.conference.clone(), leg: leg.clone() }, SOON);
    }

    /// A registered leg of an agent is in the same conference beside the one that nobody is at.
    fn rejoined_in_place(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &self.recovery else { return };
        if !matches!(recovery.phase, Phase::Away | Phase::Rejoining) || !self.customer_joined() {
            return;
        }
        let lost = recovery.lost_leg.clone();
        let there = |(leg, agent): (&CallSid, &Agent)| {
            *leg != lost && self.is_at(leg, agent) && agent.worker == recovery.agent.worker
        };
        if !self.agents.iter().any(there) {
            return;
        }
        self.settle(&lost);
        if self.is_joined(&lost) {
            // Flex closes it; if not, nobody is at it any more.
            self.remove_leg(out, &lost);
        }
        self.end_recovery(out, &Ending::Rejoined);
    }

    /// A leg of an agent that came too late would keep the desktop busy, alone in the old conference.
    fn remove_late_legs(&mut self, out: &mut Out<'_>) {
        let moved = |r: &Recovery| matches!(r.phase, Phase::Requeueing { .. } | Phase::Queued { .. });
        if !self.recovery.as_ref().is_some_and(moved) {
            return;
        }
        let late: Vec<_> = self.agents.keys().filter(|leg| self.is_joined(leg)).cloned().collect();
        for leg in late {
            self.settle(&leg);
            self.remove_leg(out, &leg);
        }
    }

    fn tell_customer(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = self.recovery.as_mut().filter(|r| !r.announced) else { return };
        if !matches!(recovery.phase, Phase::Away | Phase::Rejoining | Phase::Holding) {
            return;
        }
        recovery.announced = true;
        let held =
            self.customer.clone().filter(|leg| self.participants.get(leg).is_some_and(|p| p.flags.hold));
        match held {
            // As soon as the customer can hear it.
            Some(customer) => {
                let conference = self.conference.clone();
                self.act(out, Action::FreeCustomer { conference, customer, unhold: true }, SOON);
            }
            None => self.announce(out, Announcement::Interrupted),
        }
    }

    /// The mark has come within the grace period: it was on purpose after all.
    fn end_grace(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &self.recovery else { return };
        let waits = matches!(recovery.phase, Phase::Grace | Phase::Away | Phase::Rejoining);
        if waits && self.on_purpose.contains_key(&recovery.agent.reservation) {
            let lost = recovery.lost_leg.clone();
            self.end_recovery(out, &Ending::Graceful);
            if self.is_joined(&lost) {
                self.remove_leg(out, &lost); // nobody is at it
            }
            self.set_timer(out, Timer::Orphan, out.now + out.config.orphan_after);
        }
    }

    /// An agent has come to the customer before we moved him: from now on he is not moved any more.
    fn end_if_covered(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &self.recovery else { return };
        if !matches!(recovery.phase, Phase::Grace | Phase::Holding) || !self.customer_joined() {
            return;
        }
        let Some(agent) = self.agent_on_call() else { return };
        let same = agent.worker == recovery.agent.worker;
        self.end_recovery(out, &if same { Ending::Rejoined } else { Ending::Covered });
    }

    /// Was the customer left alone on purpose? A transfer leaves him alone for a while, and that is right.
    fn is_orphaned(&self) -> bool {
        let last = self
            .agents
            .iter()
            .filter(|(leg, _)| !self.is_joined(leg))
            .max_by_key(|(leg, _)| self.participants.get(*leg).map(|p| p.sequence));
        let reason = match last {
            Some((_, agent)) => self.on_purpose.get(&agent.reservation),
            None => self.on_purpose.values().next(),
        };
        let for_good = reason.is_some_and(|reason| {
            !matches!(reason, GracefulReason::ColdTransfer | GracefulReason::WarmTransfer)
        });
        for_good
            && self.customer_joined()
            && !self.has_open_recovery()
            && self.participants.keys().filter(|leg| self.is_joined(leg)).count() == 1
    }

    /// The second rung: the leg is gone, or going.
    fn hold_the_line(&mut self, out: &mut Out<'_>) {
        let lost = self.recovery.as_ref().map(|recovery| recovery.lost_leg.clone());
        if lost.is_some_and(|leg| self.is_covered(&leg)) {
            // Somebody on hold is better than the queue: he or she knows what it is about.
            return self.end_recovery(out, &Ending::Covered);
        }
        let (Some(recovery), Some(customer)) = (&mut self.recovery, self.customer.clone()) else { return };
        let was_away = recovery.phase == Phase::Away;
        recovery.phase = Phase::Holding;
        if !was_away {
            recovery.deadline = out.now + out.config.ping_ttl;
        }
        let (deadline, lost_at, back) = (recovery.deadline, recovery.lost_at, recovery.back);
        let ttl = out.now.until(deadline);
        let ping = Action::CreatePing {
            worker: recovery.agent.worker.clone(),
            recovery: recovery.id.clone(),
            task: self.task.clone(),
            reservation: recovery.agent.reservation.clone(),
            ttl,
        };
        // A held customer is told as soon as he can hear it; one who was told is not told again.
        let unhold = self.participants.get(&customer).is_some_and(|p| p.flags.hold);
        let told = std::mem::replace(&mut recovery.announced, true);
        self.note(out, Note::HoldingTheLine);
        self.clear_timer(out, Timer::Announce);
        self.clear_timer(out, Timer::Rejoin);
        if !unhold && !told {
            self.announce(out, Announcement::Interrupted);
        }
        self.act(out, Action::FreeCustomer { conference: self.conference.clone(), customer, unhold }, SOON);
        self.act(out, Action::MarkTask { task: self.task.clone(), at: lost_at }, SOON);
        if ttl > AHEAD && !back {
            self.act(out, ping, ttl);
        }
        let until = if back { out.now + PREPARE } else { deadline };
        self.set_timer(out, Timer::Ping, until);
        self.push(out);
    }

    fn announcement_ended(&mut self, out: &mut Out<'_>) {
        let still = self.recovery.as_ref().is_some_and(|r| match r.phase {
            Phase::Away | Phase::Holding => true,
            // Third parties wait until they are moved.
            Phase::Requeueing { .. } | Phase::Queued { .. } => self.others().next().is_some(),
            // The agent is about to be there, and what plays cannot be stopped.
            Phase::Grace | Phase::Rejoining | Phase::Ended(_) => false,
        });
        if still && !self.ended {
            self.announce(out, Announcement::Comfort);
        }
    }

    fn prepare(&mut self, change: impl FnOnce(&mut Prepared)) {
        if let Some(recovery) = &mut self.recovery {
            change(&mut recovery.prepared);
        }
    }

    fn ping_created(&mut self, out: &mut Out<'_>, id: &RecoveryId, task: &TaskSid) {
        let Some(recovery) = &mut self.recovery else { return };
        if recovery.id == *id && recovery.phase == Phase::Holding {
            recovery.ping = Some(task.clone());
        } else {
            // Its answer came another way, or nobody waits for it any more.
            self.act(out, Action::EndPing { task: task.clone() }, LATER);
        }
    }

    /// From the second rung on: the agent is back, or the time is over.
    fn go_on(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &mut self.recovery else { return };
        if recovery.phase != Phase::Holding {
            return;
        }
        let newer_page = self.agents.get(&recovery.lost_leg).and_then(|agent| agent.newer_page);
        if newer_page.is_none() {
            return;
        }
        let ready = recovery.prepared.freed && recovery.prepared.marked && recovery.prepared.removed;
        if !recovery.back {
            recovery.back = true;
            self.note(out, Note::AgentBack);
            if !ready {
                // What has to come first must not keep the customer for long.
                self.set_timer(out, Timer::Ping, out.now + PREPARE);
            }
        }
        if ready {
            self.requeue_to_same(out);
        }
    }

    fn requeue_to_same(&mut self, out: &mut Out<'_>) {
        let worker = self.recovery.as_ref().map(|recovery| recovery.agent.worker.clone());
        self.requeue(out, worker.as_ref(), out.now + out.config.rejoin_within);
    }

    fn ping_is_over(&mut self, out: &mut Out<'_>) {
        if let Some(recovery) = self.recovery.as_ref().filter(|r| r.phase == Phase::Away) {
            let leg = recovery.lost_leg.clone();
            return self.fall(out, &leg); // what must come first is done when the wait is over
        }
        let Some(recovery) = self.recovery.as_ref().filter(|r| r.phase == Phase::Holding) else { return };
        if recovery.back {
            return self.requeue_to_same(out);
        }
        self.note(out, Note::AgentNotBack);
        self.requeue(out, None, out.now + out.config.queue_within);
    }

    fn rejoin_is_over(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &self.recovery else { return };
        match &recovery.phase {
            Phase::Requeueing { target: Some(_) } | Phase::Queued { target: Some(_) } => {
                self.note(out, Note::AgentNotBack);
                self.requeue(out, None, out.now + out.config.queue_within);
            }
            Phase::Requeueing { target: None } | Phase::Queued { target: None } => {
                self.end_recovery(out, &Ending::Failed { reason: Failure::NobodyTookIt });
            }
            Phase::Rejoining => {
                let leg = recovery.lost_leg.clone();
                self.note(out, Note::NotInPlace);
                self.fall(out, &leg);
            }
            Phase::Grace | Phase::Away | Phase::Holding | Phase::Ended(_) => {}
        }
    }

    fn requeue(&mut self, out: &mut Out<'_>, target: Option<&WorkerSid>, deadline: Millis) {
        let (Some(recovery), Some(customer)) = (&mut self.recovery, self.customer.clone()) else { return };
        recovery.phase = Phase::Requeueing { target: target.cloned() };
        recovery.deadline = deadline;
        let ping = recovery.ping.take();
        let action = Action::Requeue {
            recovery: recovery.id.clone(),
            customer,
            conference: self.conference.clone(),
            target: target.cloned(),
        };
        self.clear_timer(out, Timer::Ping);
        self.note(out, Note::Requeueing { same_agent: target.is_some() });
        self.act(out, action, out.now.until(deadline));
        if let Some(task) = ping {
            self.act(out, Action::EndPing { task }, LATER);
        }
        self.set_timer(out, Timer::Rejoin, deadline);
        self.push(out);
    }

    fn requeue_done(
        &mut self,
        out: &mut Out<'_>,
        id: &RecoveryId,
        target: Option<&WorkerSid>,
        outcome: &Outcome,
    ) {
        let Some(recovery) = self.recovery.as_ref().filter(|recovery| recovery.id == *id) else { return };
        let (waits, queued) = match &recovery.phase {
            Phase::Requeueing { target: wanted } => (wanted.as_ref() == target, false),
            Phase::Queued { target: wanted } => (false, wanted.as_ref() == target),
            Phase::Grace | Phase::Away | Phase::Rejoining | Phase::Holding | Phase::Ended(_) => {
                (false, false)
            }
        };
        match outcome {
            // The customer's call is over. The music of an earlier stay in the queue may have said that he is in it.
            Outcome::Gone if waits || queued => self.end_recovery(out, &Ending::CustomerLeft),
            Outcome::Failed { .. } if waits && target.is_some() => {
                self.requeue(out, None, out.now + out.config.queue_within);
            }
            Outcome::Failed { .. } if waits => {
                self.end_recovery(out, &Ending::Failed { reason: Failure::NotRequeued });
            }
            Outcome::Gone
            | Outcome::Failed { .. }
            | Outcome::Ok
            | Outcome::Overtaken
            | Outcome::PingCreated(_)
            | Outcome::TaskRead { .. }
            | Outcome::Learnt(_) => {}
        }
    }

    fn free_reservation(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = self.recovery.as_mut().filter(|r| !r.reservation_freed) else { return };
        recovery.reservation_freed = true;
        let reservation = recovery.agent.reservation.clone();
        self.act(out, Action::CompleteReservation { task: self.task.clone(), reservation }, LATER);
    }

    /// The customer hung up, or the conference ended under him, while we were at it.
    fn customer_gone(&mut self, out: &mut Out<'_>) {
        let (Some(recovery), Some(customer)) = (&self.recovery, &self.customer) else { return };
        if !recovery.is_open() {
            return;
        }
        let left = self.participants.get(customer).and_then(|p| p.left);
        // Our own requeue takes the leg out of the conference, too, and says so.
        let moved = !matches!(recovery.phase, Phase::Grace | Phase::Away | Phase::Rejoining | Phase::Holding);
        let gone = match left {
            Some(LeaveReason::UpdatedViaApi) => !moved,
            Some(LeaveReason::HungUp) => true,
            Some(_) => !moved,
            None => self.ended && !moved,
        };
        if gone {
            self.end_recovery(out, &Ending::CustomerLeft);
        }
    }

    fn end_recovery(&mut self, out: &mut Out<'_>, ending: &Ending) {
        let Some(recovery) = &mut self.recovery else { return };
        let after = out.now - recovery.lost_at;
        let ping = recovery.ping.take();
        let lost = recovery.lost_leg.clone();
        recovery.phase = Phase::Ended(ending.clone());
        for timer in [Timer::Grace, Timer::Announce, Timer::Ping, Timer::Rejoin] {
            self.clear_timer(out, timer);
        }
        if let Some(task) = ping {
            self.act(out, Action::EndPing { task }, LATER);
        }
        if *ending == Ending::Covered {
            self.release(out);
        }
        if *ending == Ending::CustomerLeft && self.is_joined(&lost) {
            self.settle(&lost);
            self.remove_leg(out, &lost); // nobody is at it, and nobody is left to talk to
        }
        self.note(out, Note::Ended { outcome: ending.name().to_owned(), after });
        self.push(out);
    }

    fn close(&mut self, out: &mut Out<'_>) {
        let everybody_left =
            !self.participants.is_empty() && !self.participants.keys().any(|leg| self.is_joined(leg));
        let over = (self.ended || everybody_left) && !self.has_open_recovery();
        if self.closed && !over {
            // It was not over: something that should have been told earlier came late.
            self.closed = false;
            self.clear_timer(out, Timer::Forget);
        }
        if self.closed || !over {
            return;
        }
        self.closed = true;
        for timer in [Timer::Leave, Timer::Orphan, Timer::Learn, Timer::Beside] {
            self.clear_timer(out, timer);
        }
        // A customer whom we moved is on a call elsewhere.
        let left = self.customer.as_ref().and_then(|leg| self.participants.get(leg)).and_then(|p| p.left);
        if self.recovery.is_none() || left != Some(LeaveReason::UpdatedViaApi) {
            self.note(out, Note::CallEnded);
        }
        self.set_timer(out, Timer::Forget, out.now + out.config.keep_closed);
    }

    // --- small ones ---

    fn settle(&mut self, leg: &CallSid) {
        if let Some(agent) = self.agents.get_mut(leg) {
            agent.settled = true;
        }
    }

    fn learn(&mut self, out: &mut Out<'_>) {
        if !self.learning {
            self.learning = true;
            self.lookups += 1;
            self.clear_timer(out, Timer::Learn);
            self.act(out, Action::Learn { task: self.task.clone() }, SOON);
        }
    }

    fn announce(&self, out: &mut Out<'_>, what: Announcement) {
        self.act(out, Action::Announce { conference: self.conference.clone(), what }, Millis::seconds(10));
    }

    fn act(&self, out: &mut Out<'_>, action: Action, within: Millis) {
        out.effects.push(Effect::Act {
            conference: self.conference.clone(),
            action,
            deadline: out.now + within,
        });
    }

    fn note(&self, out: &mut Out<'_>, note: Note) {
        let (conference, customer) = (self.conference.clone(), self.customer.clone());
        out.effects.push(Effect::Note { conference, customer, note });
    }

    fn push(&self, out: &mut Out<'_>) {
        if let Some(recovery) = &self.recovery {
            self.push_of(out, recovery);
        }
    }

    fn push_of(&self, out: &mut Out<'_>, recovery: &Recovery) {
        let view = recovery.view(out.now, &self.task);
        out.effects.push(Effect::Push { worker: recovery.agent.worker.clone(), view });
    }

    fn set_timer(&self, out: &mut Out<'_>, timer: Timer, at: Millis) {
        out.effects.push(Effect::SetTimer { conference: self.conference.clone(), timer, at });
    }

    fn clear_timer(&self, out: &mut Out<'_>, timer: Timer) {
        out.effects.push(Effect::ClearTimer { conference: self.conference.clone(), timer });
    }
}

impl Agent {
    fn new(worker: WorkerSid, name: String, reservation: ReservationSid) -> Self {
        Self {
            worker,
            name,
            reservation,
            epoch: 0,
            newer_page: None,
            unjoined: false,
            removing: false,
            settled: false,
        }
    }
}
