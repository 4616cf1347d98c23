//! Who routes a conversation that has no agent: the tasks and our invites.

use super::Diagnosis;
use crate::facts::{Invite, Parking, TaskState};
use rejoin_protocol::{Millis, TaskSid};

/// How long after its time an invite whose task is unknown counts as open.
const SLACK: Millis = Millis::seconds(30);

/// How our newest invite stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InviteState {
    /// An agent may take it. At this point in time it should be over.
    Open { until: Millis },
    /// No agent takes it any more, since then (point in time).
    Over { at: Millis },
}

impl<'a> Diagnosis<'a> {
    /// Our last parking, if no agent has joined since.
    pub(crate) fn parking(self) -> Option<Parking> {
        let newest = self.facts.roster().newest_agent().and_then(|(_, agent)| agent.joined_by());
        let parking =
            self.facts.parked().filter(|parking| newest.is_none_or(|joined| joined.at <= parking.at));
        parking.filter(|_| !self.has_unseen_agent_completed())
    }

    /// True if the newest task was completed by an agent whose coming and going nothing has reported.
    fn has_unseen_agent_completed(self) -> bool {
        let (tasks, roster) = (self.facts.tasks(), self.facts.roster());
        tasks.newest().is_some_and(|task| tasks.is_completed(task) && !roster.came_by(task))
    }

    /// Our newest invite, if it was made after the last parking, and no agent has come by it. One of an absence that is over says
    /// nothing any more once it has ended: an agent has the conversation since, and may leave it in any way.
    pub(crate) fn invite(self) -> Option<(u32, &'a Invite)> {
        let parked = self.parking().map_or(0, |parking| parking.after_invite);
        let newest = self.facts.invites().newest_after(parked);
        let counts = |(number, invite): &(u32, &Invite)| {
            self.absence.is_some_and(|absence| *number > absence.after_invite)
                || matches!(self.state_of(invite), InviteState::Open { .. })
        };
        newest
            .filter(counts)
            .filter(|(_, invite)| !invite.task().is_some_and(|task| self.facts.roster().came_by(task)))
    }

    /// How our newest invite stands.
    pub(crate) fn invite_state(self) -> Option<InviteState> {
        let (_, invite) = self.invite()?;
        Some(self.state_of(invite))
    }

    fn state_of(self, invite: &Invite) -> InviteState {
        if let Some(at) = invite.refused_at() {
            return self.state_of_refused(at);
        }
        let until = invite.made_at().unwrap_or_default() + self.policy.invite_within;
        match invite.task() {
            Some(task) => match self.facts.tasks().ended_at(task) {
                Some(at) => InviteState::Over { at },
                None => InviteState::Open { until },
            },
            None if self.now >= until + SLACK => InviteState::Over { at: until + SLACK },
            None => InviteState::Open { until: until + SLACK },
        }
    }

    /// Only the answer may be lost: if Twilio has a newest task that waits since the refusal, it is that invite's.
    fn state_of_refused(self, at: Millis) -> InviteState {
        let tasks = self.facts.tasks();
        let newest = tasks.newest();
        match newest.and_then(|task| tasks.waiting_at(task)).filter(|waits_at| *waits_at >= at) {
            Some(_) => InviteState::Open { until: at + self.policy.invite_within },
            None => InviteState::Over {
                at: newest.and_then(|task| tasks.ended_at(task)).max(Some(at)).unwrap_or(at),
            },
        }
    }

    /// True if Twilio may have made our newest invite although it has not said so, and an agent may take it now.
    pub(crate) fn may_have_lost_invite(self) -> bool {
        let newest = self.facts.invites().newest_after(0).and_then(|(_, invite)| invite.refused_at());
        newest.is_some_and(|at| self.now < at + self.policy.invite_within)
    }

    /// True while our newest invite may still be taken.
    pub(crate) fn has_open_invite(self) -> bool {
        matches!(self.invite_state(), Some(InviteState::Open { .. }))
    }

    /// True if an agent has taken our newest invite and is done with it. If Twilio's answer to it was lost, a newest task by which
    /// nobody is known to have come is that invite's.
    pub(crate) fn is_invite_completed(self) -> bool {
        self.invite().is_some_and(|(_, invite)| match invite.task() {
            Some(task) => self.facts.tasks().is_completed(task),
            None => self.has_unseen_agent_completed(),
        })
    }

    /// True if the agents who were lost in this absence have completed their tasks: they were back, and have left it by Flex's own
    /// button. We complete them, too, but only by parking it, when the absence has reached its deadline or nobody was invited yet.
    pub(crate) fn has_lost_agent_completed(self) -> bool {
        let Some(absence) = self.absence.filter(|_| self.parking().is_none()) else { return false };
        let has_completed = |sid| {
            let lost = self.facts.roster().all().find(|(it, _)| *it == sid);
            let task = lost.and_then(|(_, agent)| agent.task());
            let completed_at = task.and_then(|task| self.facts.tasks().completed_at(task));
            completed_at.is_some_and(|at| at < absence.deadline)
        };
        !absence.lost.is_empty() && absence.lost.keys().all(has_completed)
    }

    /// When our newest invite ended without bringing an agent (point in time).
    pub(crate) fn invite_over_at(self) -> Option<Millis> {
        match self.invite_state()? {
            InviteState::Over { at } => Some(at),
            InviteState::Open { .. } => None,
        }
    }

    /// The task by which the conversation is routed: that of our newest invite, or the newest that Twilio named.
    pub(crate) fn routing_task(self) -> Option<&'a TaskSid> {
        let invited = self.invite().and_then(|(_, invite)| invite.task());
        invited.or_else(|| self.facts.tasks().newest())
    }

    /// When the newest task ended, or the last agent left, whichever was later; `None` while it may still bring an agent, or
    /// if no task is known.
    pub(crate) fn task_over_at(self) -> Option<Millis> {
        let tasks = self.facts.tasks();
        let task = tasks.newest().filter(|task| tasks.state(task) == Some(TaskState::Ended))?;
        tasks.ended_at(task).max(self.facts.roster().last_agent_left_at())
    }

    /// When a conversation without an agent counts as routed by nobody (point in time).
    pub(crate) fn unrouted_at(self) -> Option<Millis> {
        match self.invite_over_at() {
            Some(over) => Some(over),
            None => self.task_over_at().map(|over| over + self.policy.next_task_within),
        }
    }
}
