//! The whole system in one deterministic program on virtual time, by seed: agents' browsers with the real core, the
//! real server, Twilio's model, the network between them, people, and injected faults.
//!
//! The same seed gives the same timeline, byte for byte: randomness comes from the seed ([`chance`]), time from the
//! queue of pending events, and everything runs on one thread.
//!
//! | module | purpose |
//! | --- | --- |
//! | [`plan`] | what is to happen: data, drawn from a seed |
//! | `world` | the event loop, and the state of the world |
//! | `page`, `flex`, `join`, `push`, `browser` | a page: the real core, and as much of Flex and the browser as it sees |
//! | `desk`, `customers` | what people do |
//! | `twilio`, `server`, `store`, `net` | Twilio's model, the real server and its store, and the network |
//! | `chats` | the chats of the same agents: their own Twilio, servers, pages and rules, played after the calls |
//! | [`rules`] | what must hold, in every state and at the end |
//! | [`day`] | accidents of an ordinary day, and what becomes of the customers |
//! | [`shrink`] | reduces a plan to the shortest one that breaks the same rule |
//! | [`coverage`], [`timeline`], [`html`] | what occurred, and what happened, also as a page (`rejoin-timeline` draws it) |
//! | `names` | names of things in timelines |

mod browser;
pub mod chance;
pub mod chats;
mod coming;
pub mod coverage;
mod customers;
pub mod day;
mod desk;
mod fates;
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
pub mod recovery;
pub mod rules;
pub mod run;
mod server;
pub mod shrink;
mod silences;
mod store;
pub mod timeline;
mod twilio;
mod world;

pub use planted::Planted;
pub use run::{Failures, Outcome, Runner, Unfit};
pub use silences::Silences;
pub use store::StoreKind;
