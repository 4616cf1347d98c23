//! The order in which jobs are taken from the store, and the part of Twilio's API whose turn they wait for.

use rejoin_recovery::{Action, Api, LostReply, Rank};
use rejoin_twilio::Family;

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

    /// The crowd of an action.
    pub fn of(action: &Action) -> Self {
        Self::of_rank(action.traits().rank)
    }

    /// The priorities of its jobs, see [`priority`].
    pub(crate) fn priorities(self) -> impl Iterator<Item = i64> {
        let ranks = Rank::ALL.into_iter().filter(move |rank| Self::of_rank(*rank) == self);
        ranks.flat_map(|rank| [rank as i64 * 2, rank as i64 * 2 + 1])
    }

    fn of_rank(rank: Rank) -> Self {
        if rank.is_urgent() {
            Self::Urgent
        } else if rank.can_be_held_back() {
            Self::KeptBack
        } else {
            Self::Others
        }
    }
}

/// In which order jobs are taken from the store: less is more. What a customer notices comes before what is written about
/// the customer: of a storm there is more of that than a server has room for.
pub(crate) fn priority(action: &Action) -> i64 {
    let traits = action.traits();
    traits.rank as i64 * 2 + i64::from(traits.api != Api::Voice)
}

/// The part of Twilio's API that the first request of an action's next attempt goes to. `look`: it is looked up first what
/// became of the last one.
pub fn family(action: &Action, look: bool) -> Family {
    let traits = action.traits();
    match traits.api {
        Api::TaskRouter if look && matches!(traits.lost_reply, LostReply::FindPing(_)) => Family::TaskSearch,
        Api::TaskRouter => Family::TaskRouter,
        Api::Voice => Family::Voice,
    }
}
