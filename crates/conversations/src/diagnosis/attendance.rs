//! Whether a conversation has an agent: a decision table, read from top to bottom. The first row that holds decides.
//! `docs/conversations-attendance.md` is drawn from it.

use super::{Diagnosis, InviteState, Presence};
use crate::facts::{ChannelState, TaskState};
use rejoin_protocol::{Millis, TaskSid};

/// By default Flex itself makes a task for the customer's next message into an inactive conversation. It is there within this
/// time, or not at all.
const OWN_TASK_WITHIN: Millis = Millis::seconds(3);

/// How a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attendance {
    /// It is not Flex's.
    Foreign,
    /// It is over.
    Closed,
    /// The facts do not decide; Twilio is asked.
    Undecided,
    /// An agent has paused it, and gets it back.
    Paused,
    /// An agent has left it by Flex's own button. Flex brings the customer's next message.
    Left,
    /// We have parked it until the customer writes.
    Parked,
    /// A task or an invite of ours looks for an agent.
    Waiting,
    /// An agent has it who is at no page that reaches us.
    Unjudged,
    /// The page of an agent is there.
    Attended,
    /// The agent has said that they leave.
    Graceful,
    /// The agent's pages are away, for less than the time that they have.
    Awaited,
    /// The agent's pages are gone.
    Unattended,
    /// Nobody has it, and no task looks for an agent.
    Unrouted,
    /// It was parked, and the customer has written.
    Woken,
}

impl Attendance {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Foreign,
        Self::Closed,
        Self::Undecided,
        Self::Paused,
        Self::Left,
        Self::Parked,
        Self::Waiting,
        Self::Unjudged,
        Self::Attended,
        Self::Graceful,
        Self::Awaited,
        Self::Unattended,
        Self::Unrouted,
        Self::Woken,
    ];

    /// True when a conversation in it may have no agent.
    pub fn may_have_nobody(self) -> bool {
        match self {
            Self::Awaited
            | Self::Undecided
            | Self::Waiting
            | Self::Unattended
            | Self::Unrouted
            | Self::Woken => true,
            Self::Foreign
            | Self::Closed
            | Self::Paused
            | Self::Left
            | Self::Parked
            | Self::Unjudged
            | Self::Attended
            | Self::Graceful => false,
        }
    }

    /// The name that documents and explanations use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Closed => "closed",
            Self::Undecided => "undecided",
            Self::Paused => "paused",
            Self::Left => "left",
            Self::Parked => "parked",
            Self::Waiting => "waiting",
            Self::Unjudged => "unjudged",
            Self::Attended => "attended",
            Self::Graceful => "graceful",
            Self::Awaited => "awaited",
            Self::Unattended => "unattended",
            Self::Unrouted => "unrouted",
            Self::Woken => "woken",
        }
    }

    /// What the machine does, for documents.
    pub fn follows(self) -> &'static str {
        match self {
            Self::Foreign | Self::Closed => "nothing; it is forgotten after a while",
            Self::Undecided => "Twilio is asked",
            Self::Paused | Self::Left => "nothing: that is Flex's",
            Self::Parked => "nothing until the customer writes",
            Self::Waiting => "an absence goes on until its deadline; otherwise Twilio is asked now and then",
            Self::Unjudged => "as attended; an absence ends",
            Self::Attended => "an absence ends; session inactivity counts",
            Self::Graceful => "an absence ends",
            Self::Awaited => "the page has until then to come back",
            Self::Unattended => {
                "an absence begins: the customer is told, an agent is invited, or it is parked"
            }
            Self::Unrouted | Self::Woken => "an absence begins: an agent is invited",
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The condition, as a sentence.
    pub when: &'static str,
    /// How the conversation stands.
    pub attendance: Attendance,
    holds: fn(Diagnosis<'_>) -> bool,
}

/// The table.
pub const ATTENDANCE: &[Row] = &[
    Row {
        when: "Only an agent's page names its interaction channel, and Twilio has not confirmed it yet.",
        attendance: Attendance::Undecided,
        holds: |it| it.facts.claimed().is_some(),
    },
    Row {
        when: "Nothing that Twilio confirms names an interaction channel of it, or Twilio knows none.",
        attendance: Attendance::Foreign,
        holds: |it| it.is_foreign(),
    },
    Row {
        when: "The channel is closed.",
        attendance: Attendance::Closed,
        holds: |it| it.is(ChannelState::Closed),
    },
    Row {
        when: "Twilio was not asked yet who is on it.",
        attendance: Attendance::Undecided,
        holds: |it| it.facts.roster().asked_at().is_none(),
    },
    Row {
        when: "It was paused or transferred, and an agent has joined since.",
        attendance: Attendance::Undecided,
        holds: |it| {
            (it.is(ChannelState::Paused) || it.is(ChannelState::Transferring)) && it.has_joined_since_state()
        },
    },
    Row {
        when: "An agent has paused it.",
        attendance: Attendance::Paused,
        holds: |it| it.is(ChannelState::Paused),
    },
    Row {
        when: "An agent transfers it, and Twilio was not asked for its newest task since.",
        attendance: Attendance::Undecided,
        holds: |it| it.is(ChannelState::Transferring) && !it.was_asked_for_task(),
    },
    Row {
        when: "An agent transfers it; its newest task is open, and no agent has joined by it.",
        attendance: Attendance::Waiting,
        holds: |it| it.is(ChannelState::Transferring) && it.has_untaken_task(),
    },
    Row {
        when: "No agent is on it; our invite is open.",
        attendance: Attendance::Waiting,
        holds: |it| !it.has_agent() && it.has_open_invite(),
    },
    Row {
        when: "No agent is on it; we have parked it, and the customer has not written since.",
        attendance: Attendance::Parked,
        holds: |it| !it.has_agent() && it.is_parked() && !it.is_woken(),
    },
    Row {
        when: "No agent is on it; we have parked it, the customer has written, and Twilio was not asked since.",
        attendance: Attendance::Undecided,
        holds: |it| !it.has_agent() && it.is_parked() && !it.was_asked_after_message(),
    },
    Row {
        when: "No agent is on it; we have parked it, the customer has written, and Flex has a task of its own for it.",
        attendance: Attendance::Waiting,
        holds: |it| !it.has_agent() && it.is_parked() && it.has_waiting_task(),
    },
    Row {
        when: "No agent is on it; we have parked it, and the customer has written.",
        attendance: Attendance::Woken,
        holds: |it| !it.has_agent() && it.is_parked(),
    },
    Row {
        when: "No agent is on it; it was inactive, the customer has written, and Twilio was not asked since.",
        attendance: Attendance::Undecided,
        holds: |it| !it.has_agent() && it.is(ChannelState::Inactive) && !it.was_asked_after_message(),
    },
    Row {
        when: "No agent is on it; it is inactive, and not by us; and we never invited for it, an agent has completed that task, the \
               lost agent has completed theirs, or the customer waits for no answer.",
        attendance: Attendance::Left,
        holds: |it| {
            let is_answered = it.facts.unanswered_since().is_none();
            let is_completed = it.is_invite_completed() || it.has_lost_agent_completed();
            let is_left = it.invite().is_none() || is_completed || is_answered;
            !it.has_agent() && it.is(ChannelState::Inactive) && is_left
        },
    },
    Row {
        when: "No agent is on it; one has left, and Twilio was not asked since.",
        attendance: Attendance::Undecided,
        holds: |it| !it.has_agent() && it.facts.roster().last_agent_left_at() > it.facts.roster().asked_at(),
    },
    Row {
        when: "No agent is on it; its newest task is open or unknown, or has ended a moment ago.",
        attendance: Attendance::Waiting,
        holds: |it| !it.has_agent() && it.unrouted_at().is_none_or(|at| it.now < at),
    },
    Row {
        when: "No agent is on it; its newest task has ended, and Twilio was not asked since, nor after the customer's last \
               message.",
        attendance: Attendance::Undecided,
        holds: |it| {
            let was_asked = it.was_asked_since(it.unrouted_at()) && it.was_asked_after_message();
            !it.has_agent() && !was_asked
        },
    },
    Row {
        when: "No agent is on it, and its newest task or our last invite has ended.",
        attendance: Attendance::Unrouted,
        holds: |it| !it.has_agent(),
    },
    Row {
        when: "An agent is on it whose worker is not known, and Twilio was not asked since.",
        attendance: Attendance::Undecided,
        holds: |it| it.has_unasked_agent(),
    },
    Row {
        when: "A page of an agent on it is there.",
        attendance: Attendance::Attended,
        holds: |it| it.has_page_there(),
    },
    Row {
        when: "No page of an agent on it was ever here, or all had gone before they came, or Twilio names no worker: that agent may \
               have no plugin, or their page does not reach us.",
        attendance: Attendance::Unjudged,
        holds: |it| it.has_agent_without_page(),
    },
    Row {
        when: "All agents on it have said that they leave, pause, transfer or wrap up.",
        attendance: Attendance::Graceful,
        holds: |it| it.agents().all(|(_, agent)| it.is_leaving(agent)),
    },
    Row {
        when: "All pages of an agent on it are away, and TaskRouter has said since that they are available, in an account that sets \
               lost agents offline: they work at a page that does not reach us.",
        attendance: Attendance::Unjudged,
        holds: |it| it.has_agent_elsewhere(),
    },
    Row {
        when: "All pages of its agents are away; the time of one is not over.",
        attendance: Attendance::Awaited,
        holds: |it| it.gone_at().is_none_or(|at| it.now < at),
    },
    Row {
        when: "The time of all pages is over, and Twilio was not asked since.",
        attendance: Attendance::Undecided,
        holds: |it| !it.was_asked_since(it.gone_at()),
    },
    Row {
        when: "The time of all pages of its agents is over.",
        attendance: Attendance::Unattended,
        holds: |_| true,
    },
];

impl Diagnosis<'_> {
    /// The row that decides, by its index, and how the conversation stands.
    pub(crate) fn row(self) -> (usize, Attendance) {
        let row = ATTENDANCE.iter().enumerate().find(|(_, row)| (row.holds)(self));
        row.map_or((0, Attendance::Foreign), |(index, row)| (index, row.attendance))
    }

    /// How the conversation stands.
    pub(crate) fn attendance(self) -> Attendance {
        self.row().1
    }

    /// The next point in time at which the table may decide otherwise, without any news.
    pub(crate) fn changes_at(self) -> Option<Millis> {
        let routing = [self.unrouted_at(), self.invite_until(), self.own_task_by()].into_iter().flatten();
        self.presence_changes().chain(routing).filter(|at| *at > self.now).min()
    }

    fn invite_until(self) -> Option<Millis> {
        match self.invite_state()? {
            InviteState::Open { until } => Some(until),
            InviteState::Over { at } => Some(at),
        }
    }

    fn is_foreign(self) -> bool {
        let seen = self.facts.roster().asked_at();
        let unknown = self.facts.unknown_at.map(|at| at.0);
        self.facts.place().is_none() || unknown.is_some_and(|at| seen.is_none_or(|seen| seen < at))
    }

    /// True if an agent has joined since the channel's state was seen: it may be another one by now.
    fn has_joined_since_state(self) -> bool {
        let newest = self.facts.roster().newest_agent().and_then(|(_, agent)| agent.joined_by());
        newest.map(|joined| joined.at) > self.facts.channel().seen_at()
    }

    fn is(self, state: ChannelState) -> bool {
        self.facts.channel().state() == state
    }

    fn has_agent(self) -> bool {
        self.agents().next().is_some()
    }

    fn has_unasked_agent(self) -> bool {
        let mut unknown = self.agents().filter(|(_, agent)| agent.worker().is_none());
        unknown.any(|(_, agent)| !self.was_asked_since(agent.joined_by().map(|joined| joined.at)))
    }

    fn has_page_there(self) -> bool {
        self.has_agent_who_is(|presence| matches!(presence, Presence::There(_)))
    }

    fn has_agent_without_page(self) -> bool {
        self.has_agent_who_is(|presence| presence == Presence::Unknown)
    }

    fn has_agent_elsewhere(self) -> bool {
        self.has_agent_who_is(|presence| matches!(presence, Presence::Elsewhere { .. }))
    }

    fn has_agent_who_is(self, is: impl Fn(Presence) -> bool) -> bool {
        self.agents().any(|(_, agent)| is(self.presence_of(agent)))
    }

    fn gone_at(self) -> Option<Millis> {
        self.away().map(|(_, _, gone_at)| gone_at)
    }

    /// True if we have parked it, and have invited nobody since.
    fn is_parked(self) -> bool {
        self.parking().is_some() && self.invite().is_none()
    }

    /// True if the customer has written after the last parking was requested.
    fn is_woken(self) -> bool {
        let wrote = self.facts.customer_wrote().map(|(index, _)| index);
        wrote.is_some() && self.parking().is_some_and(|parking| wrote > parking.after_message)
    }

    /// When Flex's own task for the customer's last message would be there (point in time).
    fn own_task_by(self) -> Option<Millis> {
        self.facts.customer_wrote().map(|(_, at)| at + OWN_TASK_WITHIN)
    }

    /// True if Twilio was asked when Flex's own task for the customer's last message would be there, and since the channel
    /// changed its state.
    fn was_asked_after_message(self) -> bool {
        let asked_at = self.facts.roster().asked_at();
        asked_at >= self.own_task_by() && asked_at >= self.facts.channel().seen_at()
    }

    /// True if Twilio has named the newest task since the channel's state was seen, or has named none.
    fn was_asked_for_task(self) -> bool {
        let named_at = self.facts.tasks().newest_at().or(self.facts.roster().asked_at());
        named_at >= self.facts.channel().seen_at()
    }

    fn has_untaken_task(self) -> bool {
        let (tasks, roster) = (self.facts.tasks(), self.facts.roster());
        let is_open = |task: &&TaskSid| tasks.state(task) != Some(TaskState::Ended);
        tasks.newest().filter(is_open).is_some_and(|task| !roster.came_by(task))
    }

    fn has_waiting_task(self) -> bool {
        let tasks = self.facts.tasks();
        tasks.newest().and_then(|task| tasks.state(task)) == Some(TaskState::Waiting)
    }

    /// True if Twilio has said who is on it, asked at this point in time or later.
    pub(crate) fn was_asked_since(self, at: Option<Millis>) -> bool {
        at.is_some() && self.facts.roster().asked_at() >= at
    }
}
