//! The legs of the conference: the customer, the agents, and everybody else.

use super::leg::{Evidence, Observation, Participant, Presence, Report};
use crate::{LeaveReason, ParticipantFlags};
use rejoin_protocol::{CallSid, Millis, ReservationSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The legs of the conference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Roster {
    /// The customer's leg, once Twilio has shown it in the conference, or its task names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<CallSid>,
    /// Legs that a page or the task names as the customer's and that Twilio has not shown in the conference, until
    /// the customer is known. True: a poll did not show the leg either.
    pub customer_claims: BTreeMap<CallSid, bool>,
    /// Agents who were or are on the call, by leg.
    pub agents: BTreeMap<CallSid, Agent>,
    /// All legs that callbacks or polls have shown in this conference, that its task names, or that were inferred.
    pub participants: BTreeMap<CallSid, Participant>,
    /// True once the conference has ended.
    pub ended: bool,
    /// Number of observations of legs.
    pub(crate) observations: u64,
    /// When a poll did not show the customer's leg, and the reason was inferred (point in time): a move if the customer was on the line,
    /// a hang-up if the poll did not ask that.
    #[serde(skip_serializing_if = "Option::is_none")]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The epoch of the newest page of the same worker, if that page is newer than the leg's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer_page: Option<u64>,
    /// How else than by a callback the leg is reported gone, if it is, while the roster has it joined.
    #[serde(default)]
    pub reported_gone: Option<Evidence>,
    /// Set if another browser answered this leg: the epoch of the page that asked for it. Hellos of pages up to that epoch do not prove
    /// that this leg's page is gone.
    #[serde(default)]
    pub lives_beside: Option<u64>,
    /// True if the leg's page was gone before the leg was known: the leg is orphaned.
    #[serde(default)]
    pub left_behind: bool,
    /// True if the page answers call messages over this leg.
    #[serde(default)]
    pub answers_messages: bool,
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
            answers_messages: false,
        }
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

    /// True once something was observed of the leg in this conference: by a callback or a poll, because the task names it, or inferred.
    pub fn is_shown(&self, leg: &CallSid) -> bool {
        self.participants.contains_key(leg)
    }

    /// Whether the leg is there, as far as is known. An agent joins by a leg once.
    pub fn presence(&self, leg: &CallSid) -> Presence {
        let joins_once = self.agents.contains_key(leg);
        self.leg(leg).map_or(Presence::Unknown, |there| there.presence(joins_once))
    }

    /// Every leg that was ever seen, with its presence and its flags.
    pub fn legs(&self) -> Vec<(CallSid, Presence, ParticipantFlags)> {
        let legs = self.participants.keys();
        legs.map(|leg| (leg.clone(), self.presence(leg), self.flags(leg))).collect()
    }

    /// True while the leg is in the conference, as reported, whether or not the conference has ended.
    pub fn is_reported_joined(&self, leg: &CallSid) -> bool {
        self.presence(leg) == Presence::Joined
    }

    /// True while the leg is in the conference, which has not ended.
    pub fn is_joined(&self, leg: &CallSid) -> bool {
        !self.ended && self.is_reported_joined(leg)
    }

    /// Why the leg has left, if it has.
    pub fn left(&self, leg: &CallSid) -> Option<LeaveReason> {
        match self.presence(leg) {
            Presence::Gone { reason, .. } => Some(reason),
            Presence::Unknown | Presence::Joined | Presence::Removed => None,
        }
    }

    /// The last report about the leg.
    pub fn report(&self, leg: &CallSid) -> Report {
        self.leg(leg).map_or(Report::None, Participant::report)
    }

    /// True if the last report about this leg is later than the last one about the other leg.
    pub(crate) fn is_reported_after(&self, leg: &CallSid, other: &CallSid) -> bool {
        self.report(leg) > self.report(other)
    }

    /// True if a callback reported that the leg hung up. If a poll alone found the leg gone, the reason is not known.
    pub fn is_hang_up_reported(&self, leg: &CallSid) -> bool {
        self.presence(leg) == Presence::Gone { reason: LeaveReason::HungUp, evidence: Evidence::Callback }
    }

    /// The leg's flags as last reported.
    pub fn flags(&self, leg: &CallSid) -> ParticipantFlags {
        self.leg(leg).map(Participant::flags).unwrap_or_default()
    }

    /// The customer's leg as it was last reported.
    pub fn customer_leg(&self) -> Option<&Participant> {
        self.customer.as_ref().and_then(|leg| self.leg(leg))
    }

    /// True if the leg is known to be the customer's.
    pub fn is_customer(&self, leg: &CallSid) -> bool {
        self.customer.as_ref() == Some(leg)
    }

    /// True if the leg is neither the customer's nor an agent's, as far as is known.
    pub(crate) fn is_unidentified(&self, leg: &CallSid) -> bool {
        !self.is_customer(leg) && !self.agents.contains_key(leg)
    }

    /// True if this worker is or was an agent of the call.
    pub(crate) fn has_worker(&self, worker: &WorkerSid) -> bool {
        self.agents.values().any(|agent| agent.worker == *worker)
    }

    /// True while the customer is in the conference.
    pub fn is_customer_joined(&self) -> bool {
        self.customer.as_ref().is_some_and(|leg| self.is_joined(leg))
    }

    /// Why the customer has left the conference, if they have.
    pub fn customer_left(&self) -> Option<LeaveReason> {
        self.left(self.customer.as_ref()?)
    }

    /// When a callback reported that the customer has left the conference (a point in time), if one did.
    pub(crate) fn customer_left_at(&self) -> Option<Millis> {
        self.customer_left().and(self.customer_leg()?.left_at())
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

    /// True while a leg that another source reports gone is still reported as joined by callbacks.
    pub fn awaits_leave(&self) -> bool {
        self.agents.iter().any(|(leg, agent)| agent.reported_gone.is_some() && self.is_joined(leg))
    }

    /// True while too little is known of the call to notice that its agent is lost.
    pub fn is_unknown(&self) -> bool {
        self.agents.is_empty() || self.customer.is_none()
    }

    /// The agents' legs for which this is true.
    pub(crate) fn agent_legs(&self, is: impl Fn(&CallSid, &Agent) -> bool) -> Vec<CallSid> {
        self.agents.iter().filter(|(leg, agent)| is(leg, agent)).map(|(leg, _)| leg.clone()).collect()
    }

    /// The agents' legs with this reservation.
    pub fn legs_of<'a>(
        &'a self,
        reservation: &'a ReservationSid,
    ) -> impl Iterator<Item = &'a CallSid> + Clone {
        let of = move |(_, agent): &(&CallSid, &Agent)| agent.reservation == *reservation;
        self.agents.iter().filter(of).map(|(leg, _)| leg)
    }

    /// True if an agent had more than one leg with this reservation: they are, or were, back in place. The reservation wraps up
    /// with the first leg that leaves, so that it says nothing about the others.
    pub fn is_back_in_place(&self, reservation: &ReservationSid) -> bool {
        self.legs_of(reservation).nth(1).is_some()
    }

    /// The agent of this reservation, if their leg is known.
    pub fn agent_of(&self, reservation: &ReservationSid) -> Option<&Agent> {
        self.agents.values().find(|agent| agent.reservation == *reservation)
    }

    /// The agent whose leg was the last to leave: the one of the last report, or one whom a poll showed after that.
    pub fn last_to_leave(&self) -> Option<(&CallSid, &Agent)> {
        let gone = self.agents.iter().filter(|(leg, _)| !self.is_joined(leg));
        let reported = gone.clone().max_by_key(|(leg, _)| self.leg(leg).map(Participant::report))?;
        let left = self.leg(reported.0);
        let outlasts = |leg: &CallSid| {
            self.leg(leg).zip(left).is_some_and(|(leg, left)| leg.is_shown_after_leave_of(left))
        };
        let shown = gone.filter(|(leg, _)| outlasts(leg));
        shown.max_by_key(|(leg, _)| self.leg(leg).map(Participant::last_shown)).or(Some(reported))
    }

    /// True if the conference has ended under the customer: the customer did not leave it, and no request ended it for all.
    pub fn is_stranded(&self) -> bool {
        self.customer.as_ref().is_some_and(|customer| match self.left(customer) {
            Some(reason) => reason == LeaveReason::ModeratorEnded,
            None => self.ended && self.is_reported_joined(customer),
        })
    }

    /// True if a poll showed nobody in the conference, and the customer on the line: somebody has moved them, or the conference has
    /// ended under them. In the second case Twilio is about to fetch our action URL.
    pub fn seems_moved(&self) -> bool {
        self.ended
            && self.move_inferred_at.is_some()
            && self.customer_left() == Some(LeaveReason::UpdatedViaApi)
    }

    /// True if the conference ended under the customer when this leg hung up.
    pub fn ended_with(&self, leg: &CallSid) -> bool {
        if !self.is_stranded() {
            return false;
        }
        let hung_up =
            |other: &&CallSid| !self.is_customer(other) && self.left(other) == Some(LeaveReason::HungUp);
        let last = self.participants.keys().filter(hung_up).max_by_key(|other| self.report(other));
        last == Some(leg)
    }
}

/// The only writers of what is known about legs.
impl Roster {
    /// Takes an observation of a leg. Each has a number of its own, in the order in which the call takes them.
    pub(crate) fn observe(&mut self, leg: &CallSid, observation: Observation) {
        self.observations += 1;
        self.participants.entry(leg.clone()).or_default().observe(self.observations, observation);
    }

    /// Twilio names the leg as one of this conference. Observations of the leg count more.
    pub(crate) fn assume_joined(&mut self, leg: &CallSid) {
        if !self.is_shown(leg) {
            self.observe(leg, Observation::Named);
        }
    }

    /// Twilio has removed the leg at our request.
    pub(crate) fn observe_removal(&mut self, leg: &CallSid) {
        if self.is_shown(leg) {
            self.observe(leg, Observation::Removed);
        }
    }

    /// A page came that is alone in its browser: the legs that are there may belong to an older page.
    pub(crate) fn joined_legs_may_be_older_pages(&mut self) {
        let agents = &self.agents;
        for (leg, there) in &mut self.participants {
            there.stood |= there.presence(agents.contains_key(leg)) == Presence::Joined;
        }
    }
}
