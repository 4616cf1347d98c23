//! The participants of the interaction channel, and who of them is there.

use super::join::{Earliest, Join, Latest};
use rejoin_protocol::{MemberSid, Millis, ParticipantSid, ReservationSid, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A source of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// An Interaction webhook.
    Webhook,
    /// Twilio's answer to a poll.
    #[serde(rename = "look")]
    Poll,
    /// A TaskRouter event.
    TaskRouter,
}

/// How a fact is known, and since when (point in time).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    /// When the source said so.
    pub at: Millis,
    /// The source.
    pub source: Source,
}

/// What a participant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Neither agent nor customer: a supervisor, an external or an unknown participant.
    Other,
    /// The customer.
    Customer,
    /// An agent.
    Agent,
}

/// A participant of the channel. A participant who comes back is another one, so each joins and leaves once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Participant {
    role: Option<Latest<Role>>,
    worker: Option<Latest<WorkerSid>>,
    task: Option<Latest<TaskSid>>,
    reservation: Option<Latest<ReservationSid>>,
    member: Option<Latest<MemberSid>>,
    joined: Option<Earliest<Evidence>>,
    left: Option<Earliest<Evidence>>,
}

impl Participant {
    /// A participant with this role.
    pub(crate) fn new(role: Role) -> Self {
        Self { role: Some(Latest(role)), ..Self::default() }
    }

    /// The same, of this worker.
    pub(crate) fn of(self, worker: Option<WorkerSid>) -> Self {
        Self { worker: worker.map(Latest), ..self }
    }

    /// The same, with this task and this reservation.
    pub(crate) fn with(self, task: Option<TaskSid>, reservation: Option<ReservationSid>) -> Self {
        Self { task: task.map(Latest), reservation: reservation.map(Latest), ..self }
    }

    /// The same, as this member of the conversation.
    pub(crate) fn known_as(self, member: Option<MemberSid>) -> Self {
        Self { member: member.map(Latest), ..self }
    }

    /// The same, who is there.
    pub(crate) fn joined(self, evidence: Evidence) -> Self {
        Self { joined: Some(Earliest(evidence)), ..self }
    }

    /// The same, who has left.
    pub(crate) fn left(self, evidence: Evidence) -> Self {
        Self { left: Some(Earliest(evidence)), ..self }
    }

    /// What the participant is; somebody else as long as that is unknown.
    pub fn role(&self) -> Role {
        self.role.map_or(Role::Other, |role| role.0)
    }

    /// An agent's worker.
    pub fn worker(&self) -> Option<&WorkerSid> {
        self.worker.as_ref().map(|worker| &worker.0)
    }

    /// An agent's task.
    pub fn task(&self) -> Option<&TaskSid> {
        self.task.as_ref().map(|task| &task.0)
    }

    /// An agent's reservation.
    pub fn reservation(&self) -> Option<&ReservationSid> {
        self.reservation.as_ref().map(|reservation| &reservation.0)
    }

    /// The first evidence that the participant is there.
    pub fn joined_by(&self) -> Option<Evidence> {
        self.joined.map(|joined| joined.0)
    }
}

impl Join for Participant {
    fn join(&mut self, other: Self) {
        self.role.join(other.role);
        self.worker.join(other.worker);
        self.task.join(other.task);
        self.reservation.join(other.reservation);
        self.member.join(other.member);
        self.joined.join(other.joined);
        self.left.join(other.left);
    }
}

/// At most this many participants who have left are kept: those who left last.
const LEFT: usize = 32;

/// All participants that are or were on the channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Roster {
    participants: BTreeMap<ParticipantSid, Participant>,
    /// The newest complete list, by when Twilio was asked for it. Participants who were known before, and are not in it, have
    /// left.
    list: Option<Latest<(Millis, BTreeSet<ParticipantSid>)>>,
}

impl Roster {
    /// What is known of one participant.
    pub(crate) fn one(sid: ParticipantSid, participant: Participant) -> Self {
        Self { participants: [(sid, participant)].into(), list: None }
    }

    /// Twilio's complete list of those who are there, asked for at this point in time.
    pub(crate) fn listed(asked_at: Millis, participants: BTreeMap<ParticipantSid, Participant>) -> Self {
        let list = participants.keys().cloned().collect();
        Self { participants, list: Some(Latest((asked_at, list))) }
    }

    /// Forgets participants who have left long ago.
    pub(crate) fn forget_old(&mut self) {
        let left = self.all().filter_map(|(sid, it)| Some((self.left_at(sid, it)?, sid.clone())));
        let mut left: Vec<_> = left.collect();
        left.sort();
        for (_, sid) in left.iter().rev().skip(LEFT) {
            self.participants.remove(sid);
        }
    }

    /// When Twilio was asked last for the complete list (point in time).
    pub fn asked_at(&self) -> Option<Millis> {
        self.list.as_ref().map(|Latest((at, _))| *at)
    }

    /// Everybody who is or was on the channel.
    pub fn all(&self) -> impl Iterator<Item = (&ParticipantSid, &Participant)> {
        self.participants.iter()
    }

    /// Those who are there.
    pub fn present(&self) -> impl Iterator<Item = (&ParticipantSid, &Participant)> {
        self.all().filter(|(sid, participant)| {
            participant.joined.is_some() && self.left_at(sid, participant).is_none()
        })
    }

    /// The agents who are there.
    pub fn agents(&self) -> impl Iterator<Item = (&ParticipantSid, &Participant)> {
        self.present().filter(|(_, participant)| participant.role() == Role::Agent)
    }

    /// True if the customer is there.
    pub fn has_customer(&self) -> bool {
        self.present().any(|(_, participant)| participant.role() == Role::Customer)
    }

    /// When this participant left, or was found gone (point in time).
    pub fn left_at(&self, sid: &ParticipantSid, participant: &Participant) -> Option<Millis> {
        let told = participant.left.map(|left| left.0.at);
        let unlisted = self.list.as_ref().filter(|Latest((asked_at, list))| {
            participant.joined.is_some_and(|joined| joined.0.at < *asked_at) && !list.contains(sid)
        });
        told.or(unlisted.map(|Latest((asked_at, _))| *asked_at))
    }

    /// When an agent left last (point in time).
    pub fn last_agent_left_at(&self) -> Option<Millis> {
        let agents = self.all().filter(|(_, participant)| participant.role() == Role::Agent);
        agents.filter_map(|(sid, participant)| self.left_at(sid, participant)).max()
    }

    /// The agent who joined last, whether there or not.
    pub fn newest_agent(&self) -> Option<(&ParticipantSid, &Participant)> {
        let agents = self.all().filter(|(_, participant)| participant.role() == Role::Agent);
        agents.max_by_key(|(sid, participant)| (participant.joined_by(), *sid))
    }

    /// When an agent or the customer joined or left last (point in time).
    pub fn last_change_at(&self) -> Option<Millis> {
        let seen = self.all().filter(|(_, participant)| participant.role() != Role::Other);
        seen.flat_map(|(sid, participant)| {
            [participant.joined_by().map(|it| it.at), self.left_at(sid, participant)]
        })
        .flatten()
        .max()
    }

    /// True if an agent has joined by this task, there or not.
    pub fn came_by(&self, task: &TaskSid) -> bool {
        self.participants.values().any(|it| it.joined.is_some() && it.task() == Some(task))
    }

    /// True if this is the task of a participant, there or not.
    pub(crate) fn has_task(&self, task: &TaskSid) -> bool {
        self.participants.values().any(|it| it.task() == Some(task))
    }

    /// True if this worker is or was an agent on the channel.
    pub fn knows(&self, worker: &WorkerSid) -> bool {
        self.participants.values().any(|it| it.worker() == Some(worker))
    }

    /// True if this member of the conversation is an agent, there or not.
    pub fn is_agent(&self, member: &MemberSid) -> bool {
        let mut all = self.participants.values();
        all.any(|it| it.role() == Role::Agent && it.member.as_ref().is_some_and(|own| own.0 == *member))
    }
}

impl Join for Roster {
    fn join(&mut self, other: Self) {
        self.participants.join(other.participants);
        self.list.join(other.list);
    }
}
