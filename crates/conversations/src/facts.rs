//! The facts about one conversation: what Twilio and the pages of agents have reported, and never an opinion. What an event
//! says is a set of facts, too, and is merged in: `observe` is nothing but that.

mod availability;
mod channel;
mod claims;
mod invites;
mod join;
mod messages;
mod parking;
mod roster;
mod statements;
mod tasks;

pub use availability::Availability;
pub use channel::{Channel, ChannelState, Place};
pub use claims::Claims;
pub use invites::{Invite, Invites};
pub use join::{Earliest, Latest};
pub(crate) use join::{Join, keep_newest};
pub use messages::Messages;
pub use parking::Parking;
pub use roster::{Evidence, Participant, Role, Roster, Source};
pub use statements::{Leaving, Statements};
pub use tasks::{TaskState, Tasks};

use parking::Parked;
use rejoin_protocol::{Millis, WorkflowSid};
use serde::{Deserialize, Serialize};

/// All facts about one conversation. Merging them is associative, commutative and idempotent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The place that Twilio's webhooks name.
    pub(crate) place: Option<Latest<Place>>,
    /// The places that pages name. One counts only while no webhook has named one, and once Twilio has confirmed it.
    #[serde(skip_serializing_if = "Claims::is_empty")]
    pub(crate) claims: Claims,
    pub(crate) began_at: Option<Earliest<Millis>>,
    pub(crate) workflow: Option<Latest<WorkflowSid>>,
    pub(crate) kind: Option<Latest<String>>,
    pub(crate) channel: Channel,
    pub(crate) roster: Roster,
    pub(crate) messages: Messages,
    pub(crate) tasks: Tasks,
    #[serde(skip_serializing_if = "Availability::is_empty")]
    pub(crate) availability: Availability,
    pub(crate) invites: Invites,
    pub(crate) statements: Statements,
    pub(crate) parked: Parked,
    /// When Twilio said last that there is no such channel (point in time).
    pub(crate) unknown_at: Option<Latest<Millis>>,
}

impl Facts {
    /// Takes what an event says.
    pub fn observe(&mut self, said: Self) {
        self.join(said);
    }

    /// Forgets participants and tasks that are long over, so that a conversation of months stays small. Merging does not: a
    /// report that comes after it counts as new, until the next poll. The last tasks to end stay: each may be that of an invite whose
    /// answer is on its way.
    pub(crate) fn forget_old(&mut self) {
        self.roster.forget_old();
        let (roster, invites) = (&self.roster, &self.invites);
        self.tasks.keep(|task| roster.has_task(task) || invites.brought(task));
        self.availability.keep(|worker| roster.knows(worker));
        match self.place() {
            Some(_) => self.claims.forget_claims(),
            None => self.claims.forget_old(),
        }
    }

    /// Where the conversation is in Flex, as Twilio says; `None` if it is not Flex's, or if only pages name a place.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref().map(|place| &place.0).or(self.claims.place())
    }

    /// The place that only a page names and that Twilio is to be asked about, and when (point in time).
    pub fn claimed(&self) -> Option<(Millis, &Place)> {
        self.claims.next().filter(|_| self.place().is_none())
    }

    /// The workflow of its tasks.
    pub fn workflow(&self) -> Option<&WorkflowSid> {
        self.workflow.as_ref().map(|workflow| &workflow.0)
    }

    /// Twilio's name for the kind of channel, such as `web` or `sms`.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_ref().map(|kind| kind.0.as_str())
    }

    /// When it was first heard of (point in time).
    pub fn began_at(&self) -> Option<Millis> {
        self.began_at.map(|at| at.0)
    }

    /// How its channel stands.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Who is there.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The last messages.
    pub fn messages(&self) -> &Messages {
        &self.messages
    }

    /// Its tasks.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Which of its agents TaskRouter holds for available.
    pub fn availability(&self) -> &Availability {
        &self.availability
    }

    /// Our invites.
    pub fn invites(&self) -> &Invites {
        &self.invites
    }

    /// What the agents' pages said.
    pub fn statements(&self) -> &Statements {
        &self.statements
    }

    /// Our last parking.
    pub fn parked(&self) -> Option<Parking> {
        self.parked.map(|parked| parked.0)
    }

    /// When the customer wrote last (point in time), if no agent has answered since.
    pub fn unanswered_since(&self) -> Option<Millis> {
        self.messages.unanswered_since(&self.roster)
    }

    /// The index and the time of the customer's last message.
    pub fn customer_wrote(&self) -> Option<(u32, Millis)> {
        self.messages.by_customer(&self.roster)
    }
}

impl Join for Facts {
    fn join(&mut self, other: Self) {
        self.place.join(other.place);
        self.claims.join(other.claims);
        self.began_at.join(other.began_at);
        self.workflow.join(other.workflow);
        self.kind.join(other.kind);
        self.channel.join(other.channel);
        self.roster.join(other.roster);
        self.messages.join(other.messages);
        self.tasks.join(other.tasks);
        self.availability.join(other.availability);
        self.invites.join(other.invites);
        self.statements.join(other.statements);
        self.parked.join(other.parked);
        self.unknown_at.join(other.unknown_at);
    }
}
