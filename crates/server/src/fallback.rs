//! What `rejoin fallback` answers when the first server does not: a document for every TwiML end point, made from the request
//! alone. It asks nobody, stores nothing, and changes no call.
//!
//! [`endpoint`] lists the end points, [`context`] is what the first server's addresses carry for it, [`answer`] decides
//! which document a request gets, and [`export`] writes the same answers for Twilio's Functions.

pub mod answer;
pub mod context;
pub mod endpoint;
pub mod export;

pub use answer::{Asked, Rules};
pub use context::Context;
pub use endpoint::Endpoint;
