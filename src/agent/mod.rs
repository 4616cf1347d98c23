//! The agent side of a recovery: what a Flex desktop does before, during and after the loss of its page.
//!
//! [`Agent::handle`] takes an event and the time and returns effects. It does no I/O, reads no clock and draws no
//! random number; the wasm shell around it does that in a browser, a simulation anywhere else.
//!
//! Its guarantees: every question of the desktop ([`FromDesktop::BeforeAccept`], `BeforeLeave`, `BeforeComplete`)
//! gets exactly one answer (`AttachConferenceOptions`, `Let` or `Refuse`); a task is accepted unasked only when the
//! server has named its recovery; the dialog says nothing about the customer's call that the server has not said or accepted. What keeps
//! this desktop from the call, and that the server is silent, it says by itself.

mod action;
mod call;
mod claims;
mod clock;
mod config;
mod dialog;
mod effect;
mod ends;
mod event;
mod few;
mod in_place;
mod leaving;
mod machine;
mod offer;
mod outbox;
mod prompt;
mod protection;
mod question;
mod ready;
mod recovery;
mod restore;
mod returning;
mod role;
mod server;
mod status;
mod staying;

pub(crate) use few::Map;

pub use action::{ACTIONS, Action, Intent};
pub use clock::Clock;
pub use config::{Config, FLEX_UI, Idle, KEYS, Key, Kind, Mistake, Place, TEAM_ATTRIBUTES, Wrong};
pub use dialog::Dialog;
pub use effect::{
    Complaint, ConferenceOptions, Delivery, Effect, Kept, Notice, Request, StoredCall, Timer, ToDesktop,
};
pub use event::{
    Activity, Answer, Attributes, ConferenceFacts, Event, FromDesktop, Leg, LegKind, Microphone, PostError,
    PostId, RequestId, ReservationStatus, TaskFacts,
};
pub use machine::Agent;
pub use status::Record;
