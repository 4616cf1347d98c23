//! The facts about one call, by part: the reports of Twilio and of pages, and what is inferred when a report is overdue ([`Evidence`]
//! says which). What kind of departure it was is judged in `diagnosis`.

mod leg;
mod marks;
mod observed;
mod origin;
mod ownership;
mod pages;
mod received;
mod roster;

pub(crate) use leg::Observation;
pub use leg::{Evidence, Participant, Presence, Report};
pub use marks::{Mark, Marks};
pub(crate) use marks::{Said, is_transfer};
pub use origin::{Origin, TaskCopy};
pub(crate) use ownership::RESERVATIONS;
pub use ownership::{Asking, Owners, Ownership, PendingRegistration};
pub use pages::Pages;
pub use received::Received;
pub use roster::{Agent, Roster};

use serde::{Deserialize, Serialize};

/// All facts about one call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The workflow and the queue that the task came by.
    pub origin: Origin,
    /// The task's attributes.
    pub task: TaskCopy,
    /// The legs of the conference.
    pub roster: Roster,
    /// The graceful marks of the agents.
    pub marks: Marks,
    /// The workers that the reservations belong to.
    pub ownership: Ownership,
    /// The pages of the agents.
    pub pages: Pages,
    /// The deliveries that were taken, for deduplication.
    pub received: Received,
}
