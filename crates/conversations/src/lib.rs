//! The machine of conversations: decides what happens to a chat whose agent's page is gone.
//!
//! Pure: [`Machine::handle`] takes the time and one [`Event`], changes the machine and returns [`Effect`]s. The caller carries them
//! out, and makes them durable together with what [`Machine::take_dirty`] and [`Machine::take_dirty_desks`] name, before the next event. No I/O, no clock, no
//! randomness, and never a text of a customer or an agent.
//!
//! ```text
//! event ─▶ Facts::said, Facts::observe   what is known, by whom and when; merged in any order with one result
//!          └▶ Diagnosis::row             pure: one table says whether the conversation has an agent
//!               └▶ Plan::desired         pure: what should be requested, and when to judge again
//!                    └▶ Requests::reconcile  the difference; the only writer of what is in flight
//! ```
//!
//! Why a conversation was, or was not, taken for unattended: [`Machine::row`] names the row of [`ATTENDANCE`] that decided.

mod absence;
mod action;
mod conversation;
mod desk;
mod diagnosis;
mod effect;
mod event;
mod facts;
mod format;
mod keys;
mod machine;
mod plan;
mod policy;
mod requests;
mod said;
mod way;

pub use absence::{Absence, Cause, Ending};
pub use action::{Action, Api, INVITES, LostReply, Once, Slot, Telling, Traits, once_text};
pub use conversation::Conversation;
pub use desk::{Desk, PageEvent, Reach};
pub use diagnosis::{ATTENDANCE, Attendance, Row, Step};
pub use effect::{Effect, Note};
pub use event::{Event, InteractionNews, Message, Outcome, Seen, SeenTask, Sight};
pub use facts::{
    Availability, Channel, ChannelState, Earliest, Evidence, Facts, Invite, Invites, Latest, Leaving,
    Messages, Parking, Participant, Place, Role, Roster, Source, Statements, TaskState, Tasks,
};
pub use format::Format;
pub use keys::Key;
pub use machine::Machine;
pub use policy::{AtDeadline, Changes, Policies, Policy, RELOAD, WhenUnattended};
pub use requests::Requests;
pub use way::Way;
