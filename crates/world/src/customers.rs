//! Customers: they dial, talk and hang up; and whether they may be hung up on.

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
    /// True once the customer has hung up.
    pub(crate) hung_up: bool,
    /// True once the customer's call has ended.
    pub(crate) gone: bool,
    /// When an agent began to end the call on purpose.
    pub(crate) excused: Option<u64>,
    /// The previous value of `excused`.
    pub(crate) excused_before: Option<u64>,
    /// Since when there is dead air.
    pub(crate) silent_since: Option<u64>,
    /// True when the dead air began in a conference without our callbacks.
    pub(crate) silent_untold: bool,
    /// The leg of an agent that stood beside the customer at the last check, and whether no page had said goodbye to
    /// it.
    pub(crate) stood: Option<(CallSid, bool)>,
    /// True once the customer was on the line with an agent.
    pub(crate) talked: bool,
    /// The agent whom the customer talks to, and since when.
    pub(crate) with: Option<WorkerSid>,
    pub(crate) talking_since: Option<u64>,
    /// When the customer came into their conference.
    pub(crate) room_since: u64,
    /// True when no server of ours was up as the customer met the agent.
    pub(crate) met_unseen: bool,
    /// How often the customer has lost an agent.
    pub(crate) losses: u32,
    /// Agents whom the customer has talked to, or who have accepted their task.
    pub(crate) had: BTreeSet<WorkerSid>,
    /// How long the customer had the current or last agent, in milliseconds.
    pub(crate) had_for: u64,
    /// True when the agent whom the customer has, or had last, has one page.
    pub(crate) agent_has_one_page: bool,
    /// Since when the customer has been on our hold although an agent is there.
    pub(crate) held_since: Option<u64>,
    /// True when an agent has put the customer on hold.
    pub(crate) agent_holds: bool,
    /// True if the customer was told of the loss before the agent whom they have.
    pub(crate) was_told: bool,
    /// The agent who was lost, while the customer has none.
    pub(crate) lost: Option<Lost>,
    /// What the customer hears, as last written to the timeline.
    pub(crate) told: String,
    /// The conference in which the customer was last.
    pub(crate) room: Option<ConferenceSid>,
}

/// The loss of an agent.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    pub(crate) at: u64,
    /// When the customer was last seen in a queue.
    pub(crate) queued: Option<u64>,
    pub(crate) from: WorkerSid,
    /// When that agent was last on another call, in an activity that receives no tasks, waited for an outbound call to be
    /// answered, or had a colleague with the customer as far as our server could know.
    pub(crate) calls: Option<u64>,
    /// After how long the customer heard something.
    pub(crate) heard: Option<u64>,
    /// True once the customer has heard words.
    pub(crate) told: bool,
    /// Since when they have been in a queue without that.
    pub(crate) untold_since: Option<u64>,
    /// Since when the customer has been in a queue without an open task.
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
            room_since: 0,
            met_unseen: false,
            was_told: false,
            lost: None,
            losses: 0,
            had: BTreeSet::new(),
            had_for: 0,
            agent_has_one_page: false,
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

    /// Adds the customer of a call that an agent places.
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
                ("the call is over", End::HungUp)
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

    /// An agent ends this call on purpose: from now on the customer may be hung up on.
    pub(crate) fn excuse(&mut self, page: PageId, sid: &ReservationSid) {
        for number in self.customers_of(page, sid) {
            let customer = &mut self.customers[number];
            customer.excused_before = customer.excused.replace(self.now);
        }
    }

    /// The transfer that began at this time was refused: the agent still has the customer.
    pub(crate) fn stays(&mut self, page: PageId, sid: &ReservationSid, at: u64) {
        self.rules.stays(sid);
        for number in self.customers_of(page, sid) {
            // The agent may have ended the call on purpose before or after the transfer.
            let customer = &mut self.customers[number];
            customer.excused_before = customer.excused_before.filter(|excused| *excused != at);
            customer.excused = customer.excused.filter(|excused| *excused > at).or(customer.excused_before);
        }
    }

    /// True when our server knows a call of this customer.
    pub(crate) fn is_known(&self, number: usize) -> bool {
        let leg = self.customers[number].call.as_ref();
        let knows = |call: &rejoin_recovery::Call| {
            call.facts.roster.customer.is_some() && call.facts.roster.customer.as_ref() == leg
        };
        self.servers.kept.any_call(knows).unwrap_or(true)
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
