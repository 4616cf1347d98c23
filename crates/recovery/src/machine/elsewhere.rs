//! Customers who turn up in another conference. Their recovery ends when they have an agent there, or hang up there.

use super::Machine;
use crate::Call;
use crate::call::Out;
use crate::facts::Agent;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, TaskSid};
use std::collections::BTreeSet;

/// A customer with an open recovery in one conference, and an agent in another.
struct Reunion {
    old: ConferenceSid,
    new: ConferenceSid,
    agent: Agent,
    /// The task of the new conference.
    task: TaskSid,
}

impl Machine {
    /// The calls of the customers whose calls this event has touched. Those of other customers are as they were.
    fn concerned(&self, out: &Out<'_>) -> impl Iterator<Item = &Call> {
        let touched = out.touched.iter().filter_map(|conference| self.calls.get(conference));
        let customers: BTreeSet<_> = touched.filter_map(|call| call.facts.roster.customer.as_ref()).collect();
        self.calls
            .values()
            .filter(move |call| call.facts.roster.customer.as_ref().is_some_and(|c| customers.contains(c)))
    }

    /// Ends recoveries whose customer is with an agent in another conference.
    pub(super) fn end_reunited(&mut self, out: &mut Out<'_>) {
        let reunions: Vec<_> = self.concerned(out).filter_map(|old| self.reunion_of(old)).collect();
        for reunion in reunions {
            self.end_by_reunion(out, &reunion);
        }
    }

    fn reunion_of(&self, old: &Call) -> Option<Reunion> {
        let recovery = old.recovery.as_ref().filter(|recovery| recovery.is_open())?;
        let customer = old.facts.roster.customer.as_ref()?;
        // An agent who is known late seems to be lost only now, but had the customer no longer than until the customer left.
        let lost_at = recovery.absence.lost_at;
        let since = old.facts.roster.customer_left_at().map_or(lost_at, |left_at| lost_at.min(left_at));
        let mut others = self.calls.values().filter(|new| new.conference != old.conference);
        others.find_map(|new| {
            let agent = agent_with(new, customer, since)?.clone();
            let (old, new_conference) = (old.conference.clone(), new.conference.clone());
            Some(Reunion { old, new: new_conference, agent, task: new.task.clone() })
        })
    }

    fn end_by_reunion(&mut self, out: &mut Out<'_>, reunion: &Reunion) {
        let (mut held, mut losses, mut sent_on_until) = (BTreeSet::new(), BTreeSet::new(), None);
        self.with(out, &reunion.old, |call, out| {
            sent_on_until = call.sent_on_until(out);
            held = call.connected_elsewhere(out, &reunion.agent, &reunion.task);
            losses.clone_from(&call.inherited.losses);
        });
        self.with(out, &reunion.new, |call, _| {
            call.inherit(&losses);
            call.inherited.sent_on_until = call.inherited.sent_on_until.max(sent_on_until);
        });
        if !held.is_empty() {
            self.with(out, &reunion.new, |call, out| call.expect_held(out, held));
        }
    }

    /// Ends recoveries whose customer has hung up in another conference.
    pub(super) fn end_hung_up_elsewhere(&mut self, out: &mut Out<'_>) {
        let has_hung_up_elsewhere = |old: &&Call| {
            let has_hung_up = |new: &Call| {
                new.conference != old.conference
                    && new.facts.roster.has_customer_hung_up()
                    && new.facts.roster.customer == old.facts.roster.customer
            };
            old.has_open_recovery() && self.calls.values().any(has_hung_up)
        };
        let ended: Vec<_> = self.concerned(out).filter(has_hung_up_elsewhere).collect();
        for old in ended.into_iter().map(|old| old.conference.clone()).collect::<Vec<_>>() {
            self.with(out, &old, Call::hung_up_elsewhere);
        }
    }
}

/// The agent who has the customer in this call, or had since they were lost in another one. An agent who was lost here since
/// then had the customer, too.
fn agent_with<'a>(call: &'a Call, customer: &CallSid, since: Millis) -> Option<&'a Agent> {
    if !call.facts.roster.is_customer(customer) {
        return None;
    }
    // The customer had left by then: nobody had them here since, although an agent who is known late seems to be lost only now.
    if call.facts.roster.customer_left_at().is_some_and(|at| at <= since) {
        return None;
    }
    let present = call.diagnosis().agent_on_call().filter(|_| call.is_connected());
    let lost = call.recovery.as_ref().filter(|it| it.is_open() && it.absence.lost_at > since);
    present.or(lost.map(|it| &it.absence.agent)).or_else(|| call.diagnosis().left_since(since))
}
