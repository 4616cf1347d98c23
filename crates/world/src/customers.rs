//! Customers: they dial, talk, and hang up; and what may be done to them.

use crate::coming::Coming;
use crate::day::{End, Loss};
use crate::net::Way;
use crate::page::PageId;
use crate::timeline::{Kind, Lane};
use crate::world::World;
use rejoin_protocol::{CallSid, ConferenceSid, ReservationSid, WorkerSid};
use rejoin_twin::model;
use std::collections::BTreeSet;

/// A customer.
#[derive(Debug)]
pub(crate) struct Customer {
    pub(crate) call: Option<CallSid>,
    /// He has hung up himself.
    pub(crate) hung_up: bool,
    /// His call has ended.
    pub(crate) gone: bool,
    /// An agent ends the call on purpose: since when.
    pub(crate) excused: Option<u64>,
    /// The same, of the time before.
    pub(crate) excused_before: Option<u64>,
    /// Since when there is dead air.
    pub(crate) silent_since: Option<u64>,
    /// Is it dead air since he was in a conference whose callbacks were not asked for?
    pub(crate) silent_untold: bool,
    /// Which leg of an agent stood beside him when it was looked last, and had no page said that nobody is at it?
    pub(crate) stood: Option<(CallSid, bool)>,
    /// He was on the line with an agent once.
    pub(crate) talked: bool,
    /// Whom he talks to, and since when.
    pub(crate) with: Option<WorkerSid>,
    pub(crate) talking_since: Option<u64>,
    /// Our server was not there when they met.
    pub(crate) met_unseen: bool,
    /// How often he has lost somebody.
    pub(crate) losses: u32,
    /// Whom he has talked to, or who has taken him.
    pub(crate) had: BTreeSet<WorkerSid>,
    /// How long he had the one whom he lost, or has.
    pub(crate) had_for: u64,
    /// Since when he is on our hold, and the agent is there.
    pub(crate) held_since: Option<u64>,
    /// Has an agent put him on hold?
    pub(crate) agent_holds: bool,
    /// He has lost an agent, and has none yet.
    pub(crate) lost: Option<Lost>,
    /// What he hears, as the timeline was told last.
    pub(crate) told: String,
    /// Where he was with somebody last.
    pub(crate) room: Option<ConferenceSid>,
}

/// An agent was lost.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    pub(crate) at: u64,
    /// When he was in a queue last.
    pub(crate) queued: Option<u64>,
    pub(crate) from: WorkerSid,
    /// When that agent was last on another call, or waited for somebody to answer whom she had called, or had a colleague with
    /// him as far as could be known.
    pub(crate) calls: Option<u64>,
    /// After how long he heard something.
    pub(crate) heard: Option<u64>,
    /// Since when he is in a queue in which no task of his stands that anybody could take.
    pub(crate) nobodys: Option<u64>,
}

impl Customer {
    pub(crate) fn new() -> Self {
        Self {
            call: None,
            hung_up: false,
            gone: false,
            excused: None,
            excused_before: None,
            silent_since: None,
            silent_untold: false,
            stood: None,
            talked: false,
            with: None,
            talking_since: None,
            met_unseen: false,
            lost: None,
            losses: 0,
            had: BTreeSet::new(),
            had_for: 0,
            held_since: None,
            agent_holds: false,
            told: String::new(),
            room: None,
        }
    }
}

impl World {
    pub(crate) fn dials(&mut self, number: usize) {
        let call = CallSid::numbered((1 << 100) + number as u128 + 1);
        self.customers[number].call = Some(call.clone());
        self.whose.insert(call.clone(), number);
        self.note(Lane::Customer(number), Some(Lane::Twilio), Kind::Person, || "dials".into());
        let from = format!("+1555{:07}", 1_000_000 + number);
        self.put(20, Coming::Twilio(model::Event::CustomerDials { call, from, native: true }));
    }

    /// The customer of a call that an agent places.
    pub(crate) fn outbound_customer(&mut self, call: &CallSid) {
        let number = self.customers.len();
        self.customers.push(Customer { call: Some(call.clone()), ..Customer::new() });
        self.whose.insert(call.clone(), number);
    }

    pub(crate) fn hangs_up(&mut self, number: usize) {
        let customer = &mut self.customers[number];
        if customer.hung_up || customer.gone {
            return;
        }
        customer.hung_up = true;
        let Some(call) = customer.call.clone() else { return };
        self.note(Lane::Customer(number), Some(Lane::Twilio), Kind::Person, || "hangs up".into());
        let mut chance = self.chance(Way::Phone, 1_000 + number);
        let after = Self::latency(&mut chance);
        self.put(after, Coming::Twilio(model::Event::HungUp { call }));
    }

    /// Twilio has ended a leg.
    pub(crate) fn dropped(&mut self, call: &CallSid) {
        if let Some(number) = self.whose.get(call).copied() {
            let customer = &mut self.customers[number];
            customer.gone = true;
            customer.silent_since = None;
            let (why, end) = if customer.hung_up {
                ("his call is over", End::HungUp)
            } else {
                ("is hung up on", End::Dropped)
            };
            if let Some(Lost { at, heard, .. }) = customer.lost.take() {
                self.losses.push(Loss { heard, end, after: self.now - at });
            }
            self.note(Lane::Twilio, Some(Lane::Customer(number)), Kind::Does, || why.into());
            self.customer_gone(number);
            return;
        }
        let on = (0..self.pages.len())
            .find(|page| self.pages[*page].flex.call.as_ref().is_some_and(|on| on.leg == *call));
        if let Some(page) = on {
            let mut chance = self.chance(Way::Phone, page);
            let after = Self::latency(&mut chance);
            self.put(after, Coming::FarHangup(page, call.clone()));
        }
    }

    /// An agent ends this call on purpose: the customer may be hung up on now.
    pub(crate) fn excuse(&mut self, page: PageId, sid: &ReservationSid) {
        for number in self.customers_of(page, sid) {
            let customer = &mut self.customers[number];
            customer.excused_before = customer.excused.replace(self.now);
        }
    }

    /// It was a transfer of this time, and is refused: she has the customer still.
    pub(crate) fn stays(&mut self, page: PageId, sid: &ReservationSid, at: u64) {
        self.rules.stays(sid);
        for number in self.customers_of(page, sid) {
            // Somebody may end the call on purpose all the same, before it or after.
            let customer = &mut self.customers[number];
            customer.excused_before = customer.excused_before.filter(|excused| *excused != at);
            customer.excused = customer.excused.filter(|excused| *excused > at).or(customer.excused_before);
        }
    }

    /// Does our server know of a call of this customer's?
    pub(crate) fn is_known(&self, number: usize) -> bool {
        let leg = self.customers[number].call.as_ref();
        let knows = |call: &rejoin_recovery::Call| {
            call.facts.roster.customer.is_some() && call.facts.roster.customer.as_ref() == leg
        };
        self.servers.kept.calls().map_or(true, |calls| calls.iter().any(knows))
    }

    pub(crate) fn customers_of(&self, page: PageId, sid: &ReservationSid) -> Vec<usize> {
        let task = self.pages[page].flex.tasks.get(sid).map(|held| held.task.as_str());
        let rooms = self.twilio.model.open_conferences().filter(|(_, name)| Some(*name) == task);
        let legs = rooms.flat_map(|(room, _)| self.twilio.model.participants(room));
        legs.filter_map(|it| self.whose.get(it.call).copied()).collect()
    }

    pub(crate) fn excuse_all(&mut self, page: PageId) {
        let all: Vec<ReservationSid> = self.pages[page].flex.tasks.keys().cloned().collect();
        for sid in all {
            self.excuse(page, &sid);
        }
    }
}
