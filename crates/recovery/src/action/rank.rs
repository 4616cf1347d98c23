//! The order in which requests to Twilio go out when not all can at once.

/// The priority of a request, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// Without it a customer's line drops, or a customer hears only hold music.
    KeepLine,
    /// A customer hears that the agent was lost.
    Announce,
    /// A customer is sent to an agent who is back, with all requests that must precede that.
    Requeue,
    /// A customer goes to any agent.
    NextAgent,
    /// A lost agent is looked for.
    Ping,
    /// Audio while the customer waits.
    Comfort,
    /// Bystanders follow the customer.
    MoveOthers,
    /// It can be done later as well.
    Bookkeeping,
    /// A look-up of an unknown call that a page names, or a look at a conversation that is only watched. No action for a
    /// call has this rank. Any agent's page can cause such look-ups, so no request for a known call waits for one.
    LookUp,
}

impl Rank {
    /// All ranks, most urgent first.
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

    /// True for ranks that go out before all others.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::KeepLine | Self::Announce)
    }

    /// True for ranks that the failsafe holds back: in a storm they would disturb thousands of customers or agents in vain.
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
