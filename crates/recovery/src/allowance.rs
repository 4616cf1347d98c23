use crate::Action;
use rejoin_protocol::Millis;
use serde::{Deserialize, Serialize};

/// May a call be touched?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permission {
    /// Nobody was asked yet.
    #[default]
    Unasked,
    /// The customer's number is being looked up.
    Asked,
    /// The number is on the list.
    Given,
    /// It is not, or it cannot be found out.
    Refused,
}

/// What the allow list says of a call, and what waits for its word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// May it be touched?
    pub permission: Permission,
    /// What is wanted, each with its deadline (point in time).
    pub withheld: Vec<(Action, Millis)>,
}
