//! What matters more: the order in which requests go out when not all can at once.

use rejoin_recovery::{Action, Announcement};
use rejoin_twilio::Family;

/// The first matters most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// A customer's line would fall, or a customer hear nothing but hold music.
    KeepLine,
    /// A customer hears that the agent was lost.
    Announce,
    /// A customer goes to an agent who is there and waits, and what that needs.
    Requeue,
    /// A customer goes to any agent.
    NextAgent,
    /// A lost agent is looked for.
    Ping,
    /// Audio while the customer waits.
    Comfort,
    /// Others follow the customer.
    MoveOthers,
    /// What can be done later as well.
    Bookkeeping,
    /// A look-up of a call that a page names and that is not known. Anybody who is an agent can ask for these, so nothing
    /// that a known call needs waits for one.
    LookUp,
}

impl Rank {
    /// All, the first first.
    pub const ALL: [Self; 9] = [
        Self::KeepLine,
        Self::Announce,
        Self::Requeue,
        Self::NextAgent,
        Self::Ping,
        Self::Comfort,
        Self::MoveOthers,
        Self::Bookkeeping,
        Self::LookUp,
    ];

    /// Which of the crowds it is in.
    pub fn crowd(self) -> Crowd {
        if self.is_urgent() {
            Crowd::Urgent
        } else if self.can_be_held_back() {
            Crowd::KeptBack
        } else {
            Crowd::Others
        }
    }

    /// Nothing else goes out before these.
    pub(crate) fn is_urgent(self) -> bool {
        matches!(self, Self::KeepLine | Self::Announce)
    }

    /// What the failsafe keeps back: everything that thousands of customers or agents would notice in vain.
    pub(super) fn can_be_held_back(self) -> bool {
        matches!(self, Self::NextAgent | Self::Ping)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::KeepLine => "keepLine",
            Self::Announce => "announce",
            Self::Requeue => "requeue",
            Self::NextAgent => "nextAgent",
            Self::Ping => "ping",
            Self::Comfort => "comfort",
            Self::MoveOthers => "moveOthers",
            Self::Bookkeeping => "bookkeeping",
            Self::LookUp => "lookUp",
        }
    }
}

/// Jobs that wait for the same: so many of each crowd a server has at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Crowd {
    /// Nothing else goes out before these.
    Urgent,
    /// What the failsafe keeps back.
    KeptBack,
    /// All the rest.
    Others,
}

impl Crowd {
    /// All.
    pub const ALL: [Self; 3] = [Self::Urgent, Self::KeptBack, Self::Others];

    /// The priorities of its jobs, see [`priority`].
    pub(crate) fn priorities(self) -> impl Iterator<Item = i64> {
        let ranks = Rank::ALL.into_iter().filter(move |rank| rank.crowd() == self);
        ranks.flat_map(|rank| [rank as i64 * 2, rank as i64 * 2 + 1])
    }
}

/// In which order jobs are taken from the store: less is more. What a customer notices comes before what is written about
/// him: of a storm there is more of that than a server has room for.
pub(crate) fn priority(action: &Action) -> i64 {
    rank(action) as i64 * 2 + i64::from(family(action, false) != Family::Voice)
}

/// How much an action matters.
pub fn rank(action: &Action) -> Rank {
    match action {
        Action::FreeCustomer { .. }
        | Action::KeepConference { .. }
        | Action::Unhold { .. }
        | Action::EndHold { .. } => Rank::KeepLine,
        Action::Announce { what: Announcement::Interrupted, .. } | Action::HoldCustomer { .. } => Rank::Announce,
        Action::Requeue { target: Some(_), .. }
        // A call that is looked up may have a customer whose agent is lost.
        | Action::Learn { .. }
        | Action::CheckNumber { .. }
        | Action::FindOwners { .. }
        // Without these the agent does not get the customer back.
        | Action::ReadActivity { .. }
        | Action::LendActivity { .. }
        // The agent may have left on purpose.
        | Action::ReadTask { .. }
        // The requeue waits for these.
        | Action::MarkTask { .. }
        | Action::RemoveLeg { .. }
        // The agent gets the customer back only when this is done.
        | Action::CompleteReservation { .. } => Rank::Requeue,
        Action::Requeue { target: None, .. } => Rank::NextAgent,
        Action::CreatePing { .. } => Rank::Ping,
        Action::Announce { what: Announcement::Comfort, .. } => Rank::Comfort,
        Action::MoveParticipant { .. } | Action::HoldParticipant { .. } | Action::CoachInstead { .. } => {
            Rank::MoveOthers
        }
        Action::EndPing { .. }
        | Action::ReturnActivity { .. }
        | Action::EndConference { .. }
        | Action::Look { .. }
        | Action::GiveUp { .. } => Rank::Bookkeeping,
    }
}

/// To which part of Twilio's API an action's first request goes. `look`: is it looked up first what became of it?
pub fn family(action: &Action, look: bool) -> Family {
    match action {
        Action::CreatePing { .. } if look => Family::TaskSearch,
        Action::CreatePing { .. }
        | Action::ReadTask { .. }
        | Action::MarkTask { .. }
        | Action::EndPing { .. }
        | Action::CompleteReservation { .. }
        | Action::CheckNumber { .. }
        | Action::FindOwners { .. }
        | Action::ReadActivity { .. }
        | Action::LendActivity { .. }
        | Action::ReturnActivity { .. }
        | Action::Learn { .. } => Family::TaskRouter,
        Action::Announce { .. }
        | Action::FreeCustomer { .. }
        | Action::KeepConference { .. }
        | Action::Requeue { .. }
        | Action::RemoveLeg { .. }
        | Action::MoveParticipant { .. }
        | Action::HoldParticipant { .. }
        | Action::HoldCustomer { .. }
        | Action::EndHold { .. }
        | Action::CoachInstead { .. }
        | Action::Unhold { .. }
        | Action::EndConference { .. }
        | Action::Look { .. }
        | Action::GiveUp { .. } => Family::Voice,
    }
}
