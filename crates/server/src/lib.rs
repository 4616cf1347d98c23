//! The service: Twilio's webhooks and the plugin's requests in, Twilio's REST API out, and a store in between.
//!
//! | module | purpose |
//! | --- | --- |
//! | [`engine`] | a batch of inputs is one transaction: calls, machine, commit, then answers |
//! | [`store`] | SQLite or PostgreSQL; in a simulation, memory |
//! | [`clock`] | this server's clock compared with the database's |
//! | [`surroundings`] | time and randomness, from the system or from a seed |
//! | [`jobs`] | what the engine hands to the queue |
//! | [`queue`], [`execute`] | jobs for Twilio, until they are done or stop making sense |
//! | [`pace`] | rate limits, and the order of requests |
//! | [`retry`] | handling of Twilio's errors |
//! | [`http`] | all HTTP routes |
//! | `console` | pages for operators and supervisors |
//! | [`fallback`] | the answers of another host when this one is away |
//! | [`monitor`] | asks servers, fallback and Twilio, and alerts |
//! | [`server_state`] | how a server sees itself, for a monitor |
//! | [`push`] | messages to desktops, whichever server they are connected to |
//! | [`story`], [`explain`] | what happened to a call, to be understood later |
//! | [`history`] | recoveries over time, by workflow, queue, agent and rung |
//! | [`report`] | how recoveries have ended, by day |
//! | [`beside`] | reads these from the database while servers run |
//! | [`doctor`] | reads what `rejoin doctor` judges |
//! | [`reconnect`] | attributes of the task that brings a customer back |
//!
//! All decisions about a call are in `rejoin-recovery`, none here.

pub mod allowed;
mod audio;
pub mod beside;
mod call_messages;
mod chat_texts;
mod checkpoints;
pub mod clock;
pub mod config;
mod console;
mod conversations;
mod counting;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod execute;
pub mod explain;
pub mod failpoint;
pub mod fallback;
mod fallback_server;
mod figures;
pub mod given_up;
pub mod held_back;
pub mod history;
pub mod http;
pub mod jobs;
mod lease;
pub mod limits;
pub mod monitor;
pub mod pace;
pub mod push;
pub mod queue;
pub mod reconnect;
pub mod report;
pub mod report_page;
pub mod restore;
mod retry;
mod running;
mod server;
pub mod server_state;
mod stopping;
pub mod store;
pub mod story;
pub mod surroundings;
pub mod switches;
pub mod texts;
mod timers;
mod upkeep;
mod way;

pub use config::Config;
pub use error::Error;
pub use fallback_server::{AnswerSettings, FallbackServer, FallbackSettings, fallback_bundle};
pub use monitor::{Monitor, MonitorSettings};
pub use restore::Restored;
pub use running::{Killed, Running};
pub use server::Server;
