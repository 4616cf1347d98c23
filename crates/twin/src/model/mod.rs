//! The pure model of Twilio: conferences, calls, tasks, reservations, workers. See `api.rs` for what goes in and out.

mod api;

pub use api::*;
