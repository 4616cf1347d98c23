//! The agent side of a conversation: what the agent has typed, and messages on their way.
//!
//! [`Chats::handle`] takes an event and the time and returns effects. It does no I/O, reads no clock and draws no random
//! number: the ids of messages come in with the events.
//!
//! Its guarantees: what was typed comes back with the next page; a message is sent again only when the conversation, asked
//! anew, does not have it; messages of a conversation keep their order; a message that cannot be sent goes back into the
//! input, and is taken out of it if the conversation has it after all.

mod chat;
mod draft;
mod effect;
mod event;
mod machine;
mod message;
mod pending;

pub use draft::{DRAFT_FOR, DRAFTS, Draft, LONGEST};
pub use effect::{Due, Effect, Notice, Timer};
pub use event::{Event, Facts, Outcome};
pub use machine::Chats;
pub use message::{Message, MessageId, UNSENT_FOR};
