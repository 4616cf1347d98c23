//! Sets a Twilio account up for Rejoin, and takes it back.
//!
//! [`Account::read`] asks Twilio for what there is, [`Plan::of`] compares it with what Rejoin needs (pure), and
//! [`provision`] makes one change after the other until nothing is left to do: a run that ended half-way goes on. What was
//! there before stands in a [`Record`], from which [`unprovision`] restores it.
//!
//! [`deploy`] uploads a [`Bundle`] of the plugin, [`release`] lets desktops load it, and [`roll_back`] what they loaded before.
//!
//! [`doctor`] judges whether calls are recovered with the account as it is.

mod account;
mod bundle;
mod change;
mod chats;
mod deploy;
pub mod doctor;
mod error;
mod fallback;
mod json_text;
pub mod logout;
mod plan;
mod provision;
mod record;
mod refusal;
mod release;
mod settings;
mod streams;
mod unprovision;
mod workflow;

pub use account::Account;
pub use bundle::{Bundle, PLUGIN};
pub use change::Change;
pub use deploy::{Known, deploy, known};
pub use error::Error;
pub use fallback::Fallback;
pub use plan::{Chats, Choice, Plan, Wanted};
pub use provision::provision;
pub use record::{ChatsRecord, FallbackRecord, FlexRecord, Record, WorkflowRecord};
pub use refusal::Refusal;
pub use release::{Loaded, Released, loaded, release, roll_back};
pub use settings::settings;
pub use unprovision::unprovision;
pub use workflow::with_filter;
