//! The order in which jobs are taken from the store, and the part of Twilio's API whose turn they wait for.

use rejoin_recovery::{Action, Api, LostReply, Rank};
use rejoin_twilio::Family;

/// Jobs that wait for the same thing; a server limits how many of each crowd it has at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Crowd {
    /// Jobs that go out before all others.
    Urgent,
    /// Jobs that the failsafe holds back.
    KeptBack,
    /// All other jobs.
    Others,
}

impl Crowd {
    /// All crowds.
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

/// Priority of a job when jobs are taken from the store; the lowest number comes first. Within a rank, calls and conferences
/// come before tasks: in a storm there are more jobs than a server has room for, and customers notice only the former.
pub(crate) fn priority(action: &Action) -> i64 {
    let traits = action.traits();
    traits.rank as i64 * 2 + i64::from(traits.api != Api::Voice)
}

/// The part of Twilio's API that the first request of an action's next attempt goes to. `look`: true if the attempt begins
/// with a look-up of the previous one.
pub fn family(action: &Action, look: bool) -> Family {
    let traits = action.traits();
    match traits.api {
        Api::TaskRouter if look && matches!(traits.lost_reply, LostReply::FindPing(_)) => Family::TaskSearch,
        Api::TaskRouter => Family::TaskRouter,
        Api::Voice => Family::Voice,
    }
}
