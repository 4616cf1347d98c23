//! Parses values from outside into the machine's types. What Flex and others may have written is checked here and
//! nowhere else; nothing in it can make the plugin fail.

pub mod conversations;
pub mod from_server;
mod from_shim;
pub mod outgoing;
pub mod stored;

pub use crate::value::{Fields, Unfit, Value};
