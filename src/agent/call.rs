//! One voice reservation of this worker.

use crate::agent::in_place::Join;
use crate::agent::{ConferenceFacts, Leg, LegKind, ReservationStatus, TaskFacts};
use rejoin_protocol::api::{Holding, Registration};
use rejoin_protocol::{CallSid, ConferenceSid, Millis};

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) facts: TaskFacts,
    pub(super) conference: Option<ConferenceFacts>,
    /// When this page found the reservation at its start or later: without its call, which an earlier page had, or with it.
    pub(super) found: Option<Millis>,
    /// True once this page has had a call for it.
    pub(super) had_call: bool,
    /// Since when the dialog is up while the server is asked about it.
    pub(super) checking: Option<Millis>,
    /// True when somebody else gets the conference's events: nothing can be recovered, so the plugin keeps out of it.
    pub(super) unwatched: bool,
    pub(super) neutralised: bool,
    /// True once the agent leaves on purpose.
    pub(super) leaving: bool,
    /// True once the task says so too, because the server did not answer.
    pub(super) written: bool,
    /// The legs of the last registration, sent or in flight.
    pub(super) registered: Option<Legs>,
    /// True once the server has accepted a registration of this page.
    pub(super) known: bool,
    pub(super) join: Join,
    /// The earlier page's orphaned leg, beside which this page joins.
    pub(super) ghost: Option<CallSid>,
    /// Participants whose flags were cleared during the join.
    pub(super) cleared: Vec<String>,
    /// True when Flex may have set this leg's `endConferenceOnExit`.
    pub(super) flagged: bool,
    /// True when the agent was muted in an earlier page and must be muted again.
    pub(super) to_mute: bool,
    /// True when it was accepted unasked. Flex selects another task when the old one goes, so it is selected once its
    /// call is up.
    pub(super) to_select: bool,
}

/// What identifies a call: if any of it changes, the call is registered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Legs {
    pub(super) conference: ConferenceSid,
    pub(super) own: CallSid,
    pub(super) customer: CallSid,
    /// True when the page answers call messages over the own leg.
    pub(super) answers: bool,
}

impl Call {
    pub(super) fn new(facts: TaskFacts) -> Self {
        Self {
            facts,
            conference: None,
            found: None,
            had_call: false,
            checking: None,
            unwatched: false,
            neutralised: false,
            leaving: false,
            written: false,
            registered: None,
            known: false,
            join: Join::No,
            ghost: None,
            cleared: Vec::new(),
            flagged: false,
            to_mute: false,
            to_select: false,
        }
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.facts.status == ReservationStatus::Accepted
    }

    /// True when this page's phone has the call. A call that is accepted here may ring in another page. The
    /// reservation wraps up when the old leg falls, even while this page joins beside it.
    pub(super) fn is_on(&self) -> bool {
        match self.facts.status {
            ReservationStatus::Accepted => self.facts.live_call,
            ReservationStatus::Wrapping => self.facts.own_leg.is_some() && self.own().is_some(),
            ReservationStatus::Pending | ReservationStatus::Over => false,
        }
    }

    /// True when the server may learn that this page has the call.
    pub(super) fn is_to_register(&self) -> bool {
        self.is_on() && !self.unwatched && !self.leaving
    }

    /// True when an earlier page had the call and this one does not have it (yet).
    pub(super) fn is_orphan(&self) -> bool {
        self.found.is_some() && !self.had_call
    }

    /// True when accepted or wrapping, and never with a call in this page.
    pub(super) fn is_left_by_another(&self) -> bool {
        !self.had_call && self.facts.status != ReservationStatus::Pending
    }

    /// True when accepted while this page was up, and answered by another page: the leg in the conference is not
    /// here.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.is_accepted() && !self.had_call && self.found.is_none() && self.youngest().is_some()
    }

    /// What the server is asked about.
    pub(super) fn holding(&self) -> Option<Holding> {
        self.is_orphan().then(|| Holding {
            task: self.facts.task.clone(),
            reservation: self.facts.reservation.clone(),
            wrapping: self.facts.status == ReservationStatus::Wrapping,
            can_join: self.can_join(),
            other_browser: false, // set when it is sent
        })
    }

    fn joined(&self) -> impl Iterator<Item = &Leg> {
        self.conference.iter().flat_map(|conference| &conference.legs).filter(|leg| leg.joined)
    }

    /// Legs of this worker in the conference, including those that earlier pages left behind.
    fn mine(&self) -> impl Iterator<Item = &Leg> {
        self.joined().filter(|leg| leg.mine && leg.kind == LegKind::Worker && leg.call.is_some())
    }

    /// Number of participants, as Flex counts for its own rule of ending the conference: a transfer's target that
    /// still rings has no leg, and legs that this worker's earlier pages left behind do not count.
    pub(super) fn live(&self) -> usize {
        let legs = self.joined().filter(|leg| leg.call.is_some()).count();
        legs - self.mine().count().saturating_sub(1)
    }

    /// The youngest leg of this worker, of any page.
    pub(super) fn youngest(&self) -> Option<&CallSid> {
        self.mine().max_by_key(|leg| leg.sequence)?.call.as_ref()
    }

    /// The leg of this page.
    pub(super) fn own(&self) -> Option<&CallSid> {
        let named = self.facts.own_leg.as_ref();
        let own = self.mine().find(|leg| leg.call.as_ref() == named).and(named);
        // Any other leg belongs to another page.
        if named.is_some() || self.found.is_some() { own } else { self.youngest() }
    }

    /// The leg that joined beside the ghost. It may ring in another page of this browser.
    pub(super) fn joined_anew(&self) -> Option<&CallSid> {
        let ghost = self.ghost.as_ref();
        let others = self.mine().filter(|leg| leg.call.as_ref() != ghost);
        self.own().or_else(|| others.max_by_key(|leg| leg.sequence)?.call.as_ref())
    }

    /// The own leg and the customer's, once both are in the conference.
    pub(super) fn legs(&self) -> Option<Legs> {
        let conference = self.conference.as_ref()?.conference.clone()?;
        let own = self.own()?;
        let named = self.facts.attributes.customer_leg.as_ref();
        let customers = || self.joined().filter(|leg| leg.kind == LegKind::Customer && leg.call.is_some());
        let customer = customers().find(|leg| leg.call.as_ref() == named).or_else(|| customers().next())?;
        let answers = self.facts.answers_messages && self.facts.own_leg.as_ref() == Some(own);
        Some(Legs { conference, own: own.clone(), customer: customer.call.clone()?, answers })
    }

    pub(super) fn registration(&self, epoch: u64) -> Option<(Legs, Registration)> {
        let legs = self.legs()?;
        let registration = Registration {
            id: None,
            epoch,
            task: self.facts.task.clone(),
            reservation: self.facts.reservation.clone(),
            workflow: self.facts.workflow.clone()?,
            queue: self.facts.queue.clone(),
            conference: legs.conference.clone(),
            worker_leg: legs.own.clone(),
            customer_leg: legs.customer.clone(),
            worker_name: String::new(), // set when it is sent
            answers_messages: legs.answers,
        };
        Some((legs, registration))
    }
}
