//! The recovery machine: decides what happens to a customer whose agent went away.
//!
//! Pure: [`Machine::handle`] takes the time and one [`Event`], changes the machine and returns [`Effect`]s. The caller
//! carries them out, and makes them durable together with the calls named by [`Machine::take_dirty`], before the next
//! event. No I/O, no clock, no randomness. All decisions of the server about a customer's call are made in this crate:
//! `call` has the rules, with a module for each purpose; `machine` finds the call that an event belongs to.

mod absence;
mod action;
mod allowance;
mod call;
pub mod cells;
mod config;
mod decisions;
mod diagnosis;
mod early;
mod effect;
mod event;
mod facts;
mod flags;
mod format;
mod keys;
mod machine;
mod named;
mod names;
mod plan;
mod poll_answer;
mod requests;
mod rights;
mod silence;
mod stored;
mod task_event;
mod unreported_call;

pub use absence::{
    Absence, Absent, AgentHold, Covered, CoveredStage, Ending, HoldingTheLine, NotBack, Phase, Ping,
    Recovery, Trip,
};
pub use action::{Action, Announcement, Api, LostReply, Once, Rank, Sent, Traits, Wanted};
pub use allowance::{Allowance, Permission};
pub use call::{BACK_LATE_WITHIN, Call, HoldStage, Inherited, Lent, LookUp, Next, OurHold, Poll, Stranding};
pub use config::{Changes, Config, CustomerHold, KEPT_UNDECIDED, Policies};
pub use decisions::Decisions;
pub use diagnosis::{DEPARTURES, Departure, Lacks, MISSED, MissedRow, Row};
pub use early::{EarlyMark, EarlyMarkKey};
pub use effect::{Effect, Loss, Note, RequeueCause, Timer};
pub use event::{ConferenceEvent, ConferenceEventKind, Event, LeaveReason, LookUpAnswer, Outcome};
pub use facts::{
    Agent, Asking, Evidence, Facts, Mark, Marks, Origin, Owners, Ownership, Pages, Participant,
    PendingRegistration, Presence, Received, Report, Roster, TaskCopy,
};
pub use flags::ParticipantFlags;
pub use format::{Format, Quarantine};
pub use keys::Key;
pub use machine::Machine;
pub use poll_answer::{
    Check, Holder, Logged, LoggedWhat, PollAnswer, Reconnect, ReconnectState, TaskState, UnreportedAgent,
};
pub use requests::Requests;
pub use rights::Right;
pub use silence::Silence;
pub use task_event::{Purpose, TaskEvent, TaskEventKind};
pub use unreported_call::UnreportedCall;
