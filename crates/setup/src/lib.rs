//! Sets a Twilio account up for Rejoin, and takes it back.
//!
//! [`Account::read`] asks Twilio for what there is, [`Plan::of`] compares it with what Rejoin needs (pure), and
//! [`provision`] makes one change after the other until nothing is left to do: a run that ended half-way goes on. What was
//! there before stands in a [`Record`], from which [`unprovision`] restores it.

mod account;
mod change;
mod error;
mod json_text;
mod plan;
mod provision;
mod record;
mod refusal;
mod settings;
mod unprovision;
mod workflow;

pub use account::Account;
pub use change::Change;
pub use error::Error;
pub use plan::{Choice, Plan, Wanted};
pub use provision::provision;
pub use record::{FlexRecord, Record, WorkflowRecord};
pub use refusal::Refusal;
pub use settings::settings;
pub use unprovision::unprovision;
