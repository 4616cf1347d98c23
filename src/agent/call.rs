//! One voice reservation of this worker.

use crate::agent::{ConferenceFacts, Leg, LegKind, ReservationStatus, TaskFacts};
use rejoin_protocol::api::{Holding, Registration};
use rejoin_protocol::{CallSid, ConferenceSid, Millis};

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) facts: TaskFacts,
    pub(super) conference: Option<ConferenceFacts>,
    /// An earlier page had the call; this one found the reservation without it.
    pub(super) found: bool,
    /// The dialog is up for it until the server has said what it knows. Since when.
    pub(super) checking: Option<Millis>,
    /// Somebody else gets the conference's events: nothing can be recovered, so nothing is touched.
    pub(super) unwatched: bool,
    pub(super) neutralised: bool,
    /// Left on purpose.
    pub(super) leaving: bool,
    /// What the server was last told, or is being told.
    pub(super) registered: Option<Legs>,
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
            found: false,
            checking: None,
            unwatched: false,
            neutralised: false,
            leaving: false,
            registered: None,
        }
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.facts.status == ReservationStatus::Accepted
    }

    /// What the server is asked about. In-place rejoin begins with one that is not wrapping.
    pub(super) fn holding(&self) -> Option<Holding> {
        self.found.then(|| Holding {
            task: self.facts.task.clone(),
            reservation: self.facts.reservation.clone(),
            wrapping: self.facts.status == ReservationStatus::Wrapping,
        })
    }

    fn joined(&self) -> impl Iterator<Item = &Leg> {
        self.conference.iter().flat_map(|conference| &conference.legs).filter(|leg| leg.joined)
    }

    /// How many are in the conference. Flex's own rule for ending it counts everybody, supervisors too.
    pub(super) fn live(&self) -> usize {
        self.joined().count()
    }

    /// Own and customer's leg, once both are in the conference.
    pub(super) fn legs(&self) -> Option<Legs> {
        let conference = self.conference.as_ref()?.conference.clone()?;
        // An agent who came back to the same task is in the list several times: the youngest is the live one.
        let own = self
            .joined()
            .filter(|leg| leg.mine && leg.kind == LegKind::Worker && leg.call.is_some())
            .max_by_key(|leg| leg.sequence)?;
        let named = self.facts.attributes.customer_leg.as_ref();
        let customers = || self.joined().filter(|leg| leg.kind == LegKind::Customer && leg.call.is_some());
        let customer = customers().find(|leg| leg.call.as_ref() == named).or_else(|| customers().next())?;
        Some(Legs { conference, own: own.call.clone()?, customer: customer.call.clone()? })
    }

    pub(super) fn registration(&self, epoch: u64, worker_name: &str) -> Option<(Legs, Registration)> {
        let legs = self.legs()?;
        let registration = Registration {
            epoch,
            task: self.facts.task.clone(),
            reservation: self.facts.reservation.clone(),
            workflow: self.facts.workflow.clone()?,
            conference: legs.conference.clone(),
            worker_leg: legs.own.clone(),
            customer_leg: legs.customer.clone(),
            worker_name: worker_name.chars().take(200).collect(),
        };
        Some((legs, registration))
    }
}
