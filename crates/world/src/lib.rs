//! The whole system in one deterministic program on virtual time, by seed: agents' browsers with the real core, the real
//! server, Twilio's model, the network between them, people, and everything that goes wrong.
//!
//! The same seed gives the same timeline, byte for byte: chance comes from the seed ([`chance`]), time from the queue of
//! what is still to come, and everything runs on one thread.
//!
//! | module | purpose |
//! | --- | --- |
//! | [`plan`] | what is to happen: data, drawn from a seed |
//! | `world` | the loop, and who is in the world |
//! | `page`, `flex`, `join`, `push`, `browser` | a page: the real core, and as much of Flex and the browser as it sees |
//! | `desk`, `customers` | what people do |
//! | `twilio`, `server`, `store`, `net` | Twilio's model, the real server and its store, and what becomes of messages |
//! | [`rules`] | what must hold, in every state and at the end |
//! | [`day`] | what goes wrong on an ordinary day, and what becomes of customers then |
//! | [`shrink`] | the shortest story in which the same rule is broken |
//! | [`coverage`], [`timeline`], [`html`] | what occurred, and what happened, also as a page |
//! | `names` | what things are called there |

mod browser;
pub mod chance;
mod coming;
pub mod coverage;
mod customers;
pub mod day;
mod desk;
mod flex;
pub mod html;
mod join;
mod liar;
mod names;
mod net;
mod page;
pub mod plan;
mod planted;
mod push;
mod queue;
pub mod rules;
pub mod run;
mod server;
pub mod shrink;
mod store;
pub mod timeline;
mod twilio;
mod world;

pub use planted::Planted;
pub use run::{Outcome, Runner, Unfit};
pub use store::StoreKind;
