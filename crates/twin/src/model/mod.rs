//! The pure model of Twilio: conferences, calls, tasks, reservations, workers. See `api.rs` for what goes in and out.

mod account;
mod api;

pub use account::*;
pub use api::*;

use crate::facts::Facts;
use rejoin_protocol::Millis;
use serde_json::Value;

/// Twilio, as far as it is modelled.
#[derive(Debug)]
pub struct Model {
    _facts: Facts,
}

impl Model {
    /// A fresh account.
    pub fn new(facts: Facts, _account: Account, _first_number: u128) -> Self {
        Self { _facts: facts }
    }

    /// Something happens.
    pub fn handle(&mut self, _now: Millis, _event: Event) -> Vec<Effect> {
        vec![]
    }

    /// For people and tests.
    pub fn snapshot(&self) -> Value {
        Value::Null
    }
}
