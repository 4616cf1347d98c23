//! Pages that our server takes for silent: how often it asks a page whether it lives, and how often it holds a customer whose
//! agent is there.

use crate::world::World;
use rejoin_protocol::{CallSid, RecoveryId};
use std::ops::AddAssign;

/// Questions to pages, and false alarms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silences {
    /// Number of questions that Twilio took.
    pub asked: u64,
    /// Number of customers who were put on hold while their agent's page lived, with a network and the call.
    pub unfounded: u64,
    /// How long those holds lasted, in milliseconds.
    pub held: u64,
}

impl AddAssign for Silences {
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.unfounded += other.unfounded;
        self.held += other.held;
    }
}

impl World {
    /// Our server has begun a hold of its own: of a customer whose agent may be there.
    pub(crate) fn hold_begun(&mut self, customer: &CallSid, body: &str) {
        let lives = |leg: &CallSid| {
            (0..self.pages.len()).any(|page| {
                let has_call = self.pages[page].flex.call.as_ref().is_some_and(|call| call.leg == *leg);
                has_call && self.is_connected(page)
            })
        };
        let told_of = |leg: &&CallSid| body.contains(RecoveryId::of(leg).as_str());
        let legs: Vec<CallSid> =
            self.pages.iter().filter_map(|it| Some(it.flex.call.as_ref()?.leg.clone())).collect();
        if legs.iter().filter(told_of).any(lives) {
            self.silences.unfounded += 1;
            self.held_since.insert(customer.clone(), self.now);
        }
    }

    /// The hold is over, or the customer has left.
    pub(crate) fn hold_over(&mut self, customer: &CallSid) {
        if let Some(since) = self.held_since.remove(customer) {
            self.silences.held += self.now - since;
        }
    }
}
