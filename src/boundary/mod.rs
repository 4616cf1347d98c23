//! Where values from outside become what the machine works with. What Flex and others may have written is checked here,
//! and nowhere else; nothing of it can make the plugin fail.

pub mod heard;
mod said;
pub mod stored;
pub mod told;

pub use crate::value::{Fields, Unfit, Value};
