use crate::Action;
use rejoin_protocol::Millis;
use serde::{Deserialize, Serialize};

/// Whether a call may be touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permission {
    /// Not checked yet.
    #[default]
    Unasked,
    /// The customer's number is being looked up.
    Asked,
    /// The number is on the allow list.
    Given,
    /// The number is not on the list, or cannot be looked up.
    Refused,
}

/// The allow list's answer about a call, and the actions that wait for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// Whether the call may be touched.
    pub permission: Permission,
    /// Actions that wait for permission, each with its deadline (point in time).
    pub withheld: Vec<(Action, Millis)>,
}
