//! What matters more: the order in which requests to Twilio go out when not all can at once.

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
    /// A look-up of a call that a page names and that is not known. No action has this rank. Anybody who is an agent can ask
    /// for these, so nothing that a known call needs waits for one.
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

    /// True for ranks before which nothing else goes out.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::KeepLine | Self::Announce)
    }

    /// True for what the failsafe keeps back: everything that thousands of customers or agents would notice in vain.
    pub fn can_be_held_back(self) -> bool {
        matches!(self, Self::NextAgent | Self::Ping)
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
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
