//! One voice reservation of this worker.

use crate::agent::in_place::Join;
use crate::agent::{ConferenceFacts, Leg, LegKind, ReservationStatus, TaskFacts};
use rejoin_protocol::api::{Holding, Registration};
use rejoin_protocol::{CallSid, ConferenceSid, Millis};

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) facts: TaskFacts,
    pub(super) conference: Option<ConferenceFacts>,
    /// An earlier page had the call; this one found the reservation without it. When.
    pub(super) found: Option<Millis>,
    /// This page has, or had, a call for it.
    pub(super) had_call: bool,
    /// The dialog is up for it until the server has said what it knows. Since when.
    pub(super) checking: Option<Millis>,
    /// Somebody else gets the conference's events: nothing can be recovered, so nothing is touched.
    pub(super) unwatched: bool,
    pub(super) neutralised: bool,
    /// Left on purpose.
    pub(super) leaving: bool,
    /// And the task says so, because the server did not answer.
    pub(super) written: bool,
    /// What the server was last told, or is being told.
    pub(super) registered: Option<Legs>,
    /// The server has accepted a registration of this page.
    pub(super) known: bool,
    pub(super) join: Join,
    /// The earlier page's leg, beside which this page joins.
    pub(super) ghost: Option<CallSid>,
    /// Participants whose flags were cleared while it was joined.
    pub(super) cleared: Vec<String>,
    /// Flex may have made the conference end with this page's leg.
    pub(super) flagged: bool,
    /// The agent was muted in an earlier page and is not yet again.
    pub(super) to_mute: bool,
    /// It was accepted unasked. Flex shows something else when the old task goes, so it is selected once it is there.
    pub(super) to_select: bool,
}

/// What makes a call: if any of it changes, it is registered anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Legs {
    pub(super) conference: ConferenceSid,
    pub(super) own: CallSid,
    pub(super) customer: CallSid,
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

    /// Has this page's phone the call? One that is accepted here may ring in another page. And the reservation wraps up
    /// when the old leg falls, also while this page joins beside it.
    pub(super) fn is_on(&self) -> bool {
        match self.facts.status {
            ReservationStatus::Accepted => self.facts.live_call,
            ReservationStatus::Wrapping => self.facts.own_leg.is_some() && self.own().is_some(),
            ReservationStatus::Pending | ReservationStatus::Over => false,
        }
    }

    /// An earlier page had the call and this one does not have it (yet).
    pub(super) fn is_orphan(&self) -> bool {
        self.found.is_some() && !self.had_call
    }

    /// Accepted or wrapping, and never with a call in this page.
    pub(super) fn is_left_by_another(&self) -> bool {
        !self.had_call && self.facts.status != ReservationStatus::Pending
    }

    /// Accepted while this page was up, and the leg that is there is not here: it rang in another page.
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
            other_browser: false, // put in when it is sent
        })
    }

    fn joined(&self) -> impl Iterator<Item = &Leg> {
        self.conference.iter().flat_map(|conference| &conference.legs).filter(|leg| leg.joined)
    }

    /// Legs of this worker that are in the conference, also those that earlier pages left behind.
    fn mine(&self) -> impl Iterator<Item = &Leg> {
        self.joined().filter(|leg| leg.mine && leg.kind == LegKind::Worker && leg.call.is_some())
    }

    /// How many are in the conference, as Flex counts for its own rule of ending it: who is still being rung in a
    /// transfer has no leg, and legs that this worker's earlier pages left behind are nobody.
    pub(super) fn live(&self) -> usize {
        let legs = self.joined().filter(|leg| leg.call.is_some()).count();
        legs - self.mine().count().saturating_sub(1)
    }

    /// The youngest leg of this worker, whichever page it belongs to.
    pub(super) fn youngest(&self) -> Option<&CallSid> {
        self.mine().max_by_key(|leg| leg.sequence)?.call.as_ref()
    }

    /// The leg of this page.
    pub(super) fn own(&self) -> Option<&CallSid> {
        let named = self.facts.own_leg.as_ref();
        let own = self.mine().find(|leg| leg.call.as_ref() == named).and(named);
        // Any other leg is another page's.
        if named.is_some() || self.found.is_some() { own } else { self.youngest() }
    }

    /// The leg that was joined beside the ghost. It may ring in another page of this browser.
    pub(super) fn joined_anew(&self) -> Option<&CallSid> {
        let ghost = self.ghost.as_ref();
        let others = self.mine().filter(|leg| leg.call.as_ref() != ghost);
        self.own().or_else(|| others.max_by_key(|leg| leg.sequence)?.call.as_ref())
    }

    /// Own and customer's leg, once both are in the conference.
    pub(super) fn legs(&self) -> Option<Legs> {
        let conference = self.conference.as_ref()?.conference.clone()?;
        let own = self.own()?;
        let named = self.facts.attributes.customer_leg.as_ref();
        let customers = || self.joined().filter(|leg| leg.kind == LegKind::Customer && leg.call.is_some());
        let customer = customers().find(|leg| leg.call.as_ref() == named).or_else(|| customers().next())?;
        Some(Legs { conference, own: own.clone(), customer: customer.call.clone()? })
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
            worker_name: String::new(), // put in when it is sent
        };
        Some((legs, registration))
    }
}
