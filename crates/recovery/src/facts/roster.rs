//! The legs of the conference: the customer, the agents, and everybody else.

use crate::{LeaveReason, ParticipantFlags};
use rejoin_protocol::{CallSid, Millis, ReservationSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The legs of the conference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Roster {
    /// The customer's leg, once Twilio has shown it in the conference.
    pub customer: Option<CallSid>,
    /// Legs that a page or the task names as the customer's and that Twilio has not shown in the conference. True: a poll
    /// did not show the leg either.
    pub customer_claims: BTreeMap<CallSid, bool>,
    /// Agents who were or are on the call, by leg.
    pub agents: BTreeMap<CallSid, Agent>,
    /// Every leg that was ever seen in the conference.
    pub participants: BTreeMap<CallSid, Participant>,
    /// True once the conference has ended.
    pub ended: bool,
    /// When a poll did not show a customer who is on the line, so that a move was inferred (point in time).
    pub move_inferred_at: Option<Millis>,
}

/// An agent's share of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// The worker.
    pub worker: WorkerSid,
    /// The worker's name, for the agent who may have to take over.
    pub name: String,
    /// The worker's reservation.
    pub reservation: ReservationSid,
    /// The epoch of the page that has the leg; `None` when the server looked the call up itself.
    pub epoch: Option<u64>,
    /// The epoch of the newest page of the same worker, if that page is newer than the leg's.
    pub newer_page: Option<u64>,
    /// How else than by a callback the leg is reported gone, if it is, while the roster has it joined.
    #[serde(default)]
    pub reported_gone: Option<Evidence>,
    /// The epoch of the newest page of the same worker that had said hello before this leg came. This leg's page is another
    /// one, in another browser, and lives as far as that page knows.
    #[serde(default)]
    pub lives_beside: Option<u64>,
    /// The leg's page was gone before the leg was known: nobody is at the leg.
    #[serde(default)]
    pub left_behind: bool,
    /// The leg is proved dead and is being removed.
    pub removing: bool,
    /// The agent has joined in place by another leg, and Flex closes this one. A leg that still stands at this point in time
    /// is removed.
    #[serde(default)]
    pub closes_until: Option<Millis>,
    /// What became of the leg is decided: nothing more is begun because of it.
    pub settled: bool,
    /// Since when the leg is gone (point in time), if the customer was being looked after for a colleague at that time, or
    /// was counted as being with colleagues all of whom had said that they leave.
    #[serde(default)]
    pub covered_at: Option<Millis>,
}

impl Agent {
    pub(crate) fn new(worker: WorkerSid, name: String, reservation: ReservationSid) -> Self {
        Self {
            worker,
            name,
            reservation,
            epoch: None,
            newer_page: None,
            lives_beside: None,
            reported_gone: None,
            left_behind: false,
            removing: false,
            closes_until: None,
            settled: false,
            covered_at: None,
        }
    }
}

/// One leg of the conference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Whether the leg is there, and how that is known.
    pub presence: Presence,
    /// The leg's flags as last reported.
    pub flags: ParticipantFlags,
    /// The leg's label, if it has one.
    #[serde(default)]
    pub label: Option<String>,
    /// `endConferenceOnExit` of the leg is being set back to false.
    #[serde(default)]
    pub keeping: bool,
    /// `endConferenceOnExit` was reported true while it was being set back: another plugin may have set it since.
    #[serde(default)]
    pub flagged_again: bool,
    /// The leg was sent after the customer into another conference.
    #[serde(default)]
    pub moved: bool,
    /// The leg was there when a page came that was alone in its browser: an older page may have it.
    #[serde(default)]
    pub stood: bool,
    /// The last report about this leg. Callbacks that are older and arrive later change nothing.
    #[serde(default)]
    pub report: Report,
}

/// Whether a leg is in the conference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Presence {
    /// Only the leg's flags or its label were reported.
    #[default]
    Unknown,
    /// The leg is there.
    Joined,
    /// Twilio has removed the leg at our request. Its leave was not reported yet.
    Removed,
    /// The leg has left.
    Gone {
        /// Why. If no callback says so, the reason is inferred.
        reason: LeaveReason,
        /// How this is known.
        evidence: Evidence,
    },
}

/// How a fact is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Evidence {
    /// A conference callback reported it.
    Callback,
    /// A poll showed it. A poll says which legs are in the conference, and not why one is missing.
    Poll,
    /// TaskRouter, or a page that asked TaskRouter, reported that the reservation wraps up.
    TaskRouter,
    /// Twilio fetched our action URL for the customer.
    ActionUrl,
    /// It follows from other facts.
    Inferred,
}

/// The last report about a leg. Ordered by what was reported later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// No callback has reported anything: a poll showed the leg, or the task names it.
    #[default]
    None,
    /// The callback with this sequence number.
    Callback(u64),
    /// No callback will report the leg. It left after the callback with this sequence number.
    After(u64),
}

impl Report {
    fn place(self) -> Option<(u64, bool)> {
        match self {
            Self::None => None,
            Self::Callback(sequence) => Some((sequence, false)),
            Self::After(sequence) => Some((sequence, true)),
        }
    }

    /// The sequence number, if a callback has reported the leg.
    pub fn sequence(self) -> Option<u64> {
        self.place().map(|(sequence, _)| sequence)
    }
}

impl Ord for Report {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Report {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Participant {
    /// A leg that is known to have left otherwise than by a callback.
    pub(crate) fn gone(reason: LeaveReason, evidence: Evidence) -> Self {
        Self { presence: Presence::Gone { reason, evidence }, ..Self::default() }
    }

    /// True while the leg is there.
    pub fn is_joined(&self) -> bool {
        self.presence == Presence::Joined
    }

    /// Why the leg has left, if it has.
    pub fn left(&self) -> Option<LeaveReason> {
        match self.presence {
            Presence::Gone { reason, .. } => Some(reason),
            Presence::Unknown | Presence::Joined | Presence::Removed => None,
        }
    }

    /// True if a callback reported that the leg hung up. If a poll alone found the leg gone, the reason is not known.
    pub fn is_hang_up_reported(&self) -> bool {
        self.presence == Presence::Gone { reason: LeaveReason::HungUp, evidence: Evidence::Callback }
    }
}

impl Roster {
    /// The leg as it was last reported.
    pub fn leg(&self, leg: &CallSid) -> Option<&Participant> {
        self.participants.get(leg)
    }

    /// The agent of this leg.
    pub fn agent(&self, leg: &CallSid) -> Option<&Agent> {
        self.agents.get(leg)
    }

    /// Legs that are in the conference.
    pub fn joined(&self) -> impl Iterator<Item = &CallSid> {
        self.participants.keys().filter(|leg| self.is_joined(leg))
    }

    /// True once a callback or a poll has shown the leg in this conference.
    pub fn is_shown(&self, leg: &CallSid) -> bool {
        self.participants.contains_key(leg)
    }

    /// True while the leg is in the conference, which has not ended.
    pub fn is_joined(&self, leg: &CallSid) -> bool {
        !self.ended && self.leg(leg).is_some_and(Participant::is_joined)
    }

    /// Why the leg has left, if it has.
    pub fn left(&self, leg: &CallSid) -> Option<LeaveReason> {
        self.leg(leg).and_then(Participant::left)
    }

    /// The last report about the leg.
    pub fn report(&self, leg: &CallSid) -> Report {
        self.leg(leg).map_or(Report::None, |leg| leg.report)
    }

    /// True if a callback reported that the leg hung up.
    pub fn is_hang_up_reported(&self, leg: &CallSid) -> bool {
        self.leg(leg).is_some_and(Participant::is_hang_up_reported)
    }

    /// The customer's leg as it was last reported.
    pub fn customer_leg(&self) -> Option<&Participant> {
        self.customer.as_ref().and_then(|leg| self.leg(leg))
    }

    /// True if the leg is known to be the customer's.
    pub fn is_customer(&self, leg: &CallSid) -> bool {
        self.customer.as_ref() == Some(leg)
    }

    /// True while the customer is in the conference.
    pub fn is_customer_joined(&self) -> bool {
        self.customer.as_ref().is_some_and(|leg| self.is_joined(leg))
    }

    /// Why the customer has left the conference, if they have.
    pub fn customer_left(&self) -> Option<LeaveReason> {
        self.customer_leg().and_then(Participant::left)
    }

    /// True if the customer has hung up in this conference.
    pub fn has_customer_hung_up(&self) -> bool {
        self.customer_left() == Some(LeaveReason::HungUp)
    }

    /// True if the customer is known and neither a callback nor a poll has shown their leg.
    pub fn is_customer_unseen(&self) -> bool {
        self.customer.as_ref().is_some_and(|leg| !self.is_shown(leg))
    }

    /// The customer's leg; every leg, as long as the customer is not known.
    pub fn maybe_customers(&self) -> impl Iterator<Item = &CallSid> {
        let unknown = self.customer.is_none().then(|| self.participants.keys()).into_iter().flatten();
        self.customer.iter().chain(unknown)
    }

    /// Legs of agents that neither a callback nor a poll has shown.
    pub fn unseen_agents(&self) -> impl Iterator<Item = &CallSid> {
        self.agents.keys().filter(|leg| !self.is_shown(leg))
    }

    /// True while too little is known of the call to notice that its agent is lost.
    pub fn is_unknown(&self) -> bool {
        self.agents.is_empty() || self.customer.is_none()
    }

    /// The agents' legs with this reservation.
    pub fn legs_of<'a>(
        &'a self,
        reservation: &'a ReservationSid,
    ) -> impl Iterator<Item = &'a CallSid> + Clone {
        let of = move |(_, agent): &(&CallSid, &Agent)| agent.reservation == *reservation;
        self.agents.iter().filter(of).map(|(leg, _)| leg)
    }

    /// The agent of this reservation, if their leg is known.
    pub fn agent_of(&self, reservation: &ReservationSid) -> Option<&Agent> {
        self.agents.values().find(|agent| agent.reservation == *reservation)
    }

    /// The agent whose leg was the last to leave.
    pub fn last_to_leave(&self) -> Option<(&CallSid, &Agent)> {
        let gone = self.agents.iter().filter(|(leg, _)| !self.is_joined(leg));
        gone.max_by_key(|(leg, _)| self.leg(leg).map(|leg| leg.report))
    }

    /// True if the conference has ended under the customer: the customer did not leave it, and no request ended it for all.
    pub fn is_stranded(&self) -> bool {
        self.customer_leg().is_some_and(|customer| match customer.left() {
            Some(LeaveReason::ModeratorEnded) => true,
            None => self.ended && customer.is_joined(),
            Some(
                LeaveReason::HungUp
                | LeaveReason::UpdatedViaApi
                | LeaveReason::ConferenceEndedViaApi
                | LeaveReason::AddFailed
                | LeaveReason::Unknown,
            ) => false,
        })
    }

    /// True if the conference ended under the customer when this leg hung up.
    pub fn ended_with(&self, leg: &CallSid) -> bool {
        if !self.is_stranded() {
            return false;
        }
        let hung_up = self
            .participants
            .iter()
            .filter(|(other, there)| !self.is_customer(other) && there.left() == Some(LeaveReason::HungUp));
        hung_up.max_by_key(|(_, there)| there.report).is_some_and(|(last, _)| last == leg)
    }
}

/// The only writers of what is known about legs.
impl Roster {
    fn change(&mut self, leg: &CallSid, sequence: u64, change: impl FnOnce(&mut Participant)) {
        let participant = self.participants.entry(leg.clone()).or_default();
        let report = Report::Callback(sequence);
        if report > participant.report {
            change(participant);
            participant.report = report;
        }
    }

    /// A callback reported that the leg joined. An agent joins by a leg once: a join that is reported after the leave is
    /// late.
    pub(crate) fn joins(&mut self, leg: &CallSid, sequence: u64, flags: ParticipantFlags) {
        if self.agents.contains_key(leg) && self.left(leg).is_some() {
            return;
        }
        self.change(leg, sequence, |there| {
            there.presence = Presence::Joined;
            there.flags = flags;
        });
    }

    /// A callback reported that the leg left.
    pub(crate) fn leaves(&mut self, leg: &CallSid, sequence: u64, reason: LeaveReason) {
        self.change(leg, sequence, |there| {
            there.presence = Presence::Gone { reason, evidence: Evidence::Callback };
        });
    }

    /// A callback reported the leg's flags.
    pub(crate) fn flags_change(&mut self, leg: &CallSid, sequence: u64, flags: ParticipantFlags) {
        self.change(leg, sequence, |there| {
            if there.report == Report::None && there.left().is_none() {
                there.presence = Presence::Joined;
            }
            there.flags = flags;
            there.flagged_again = there.keeping && flags.end_conference_on_exit;
        });
    }

    /// A callback named the leg's label.
    pub(crate) fn is_labelled(&mut self, leg: &CallSid, label: &str) {
        self.participants.entry(leg.clone()).or_default().label = Some(label.to_owned());
    }

    /// Twilio names the leg as one of this conference. What a callback has reported counts more.
    pub(crate) fn assume_joined(&mut self, leg: &CallSid) {
        let joined = || Participant { presence: Presence::Joined, ..Participant::default() };
        self.participants.entry(leg.clone()).or_insert_with(joined);
    }

    /// Twilio has removed the leg at our request.
    pub(crate) fn is_removed(&mut self, leg: &CallSid) {
        if let Some(there) = self.participants.get_mut(leg).filter(|there| there.is_joined()) {
            there.presence = Presence::Removed;
        }
    }

    /// The leg is gone, as other evidence than a callback says.
    pub(crate) fn is_gone(&mut self, leg: &CallSid, reason: LeaveReason, evidence: Evidence) {
        if let Some(there) = self.participants.get_mut(leg) {
            there.presence = Presence::Gone { reason, evidence };
        }
    }

    /// A poll showed the leg.
    pub(crate) fn is_polled(&mut self, leg: &CallSid, flags: ParticipantFlags) {
        let there = self.participants.entry(leg.clone()).or_default();
        there.presence = Presence::Joined;
        there.flags = flags;
    }
}
