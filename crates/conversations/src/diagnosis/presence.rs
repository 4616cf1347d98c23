//! Whether the agents of a conversation can be reached: from the pages at their desks.

use super::Diagnosis;
use crate::desk::Reach;
use crate::facts::{Participant, Source, TaskState};
use crate::policy::RELOAD;
use crate::way::Way;
use rejoin_protocol::{Millis, ParticipantSid, WorkerSid};

/// The shortest and the longest time for which TaskRouter's answer counts. In between it counts for as long as the agent is known to have
/// worked without a page: it is asked ever more rarely.
const ASK_AFTER: (Millis, Millis) = (Millis::seconds(15), Millis::seconds(300));

/// Whether an agent can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// No page of theirs was ever here, or each had gone before they came: they work at a page that we do not hear.
    Unknown,
    /// One of their pages is there. Without news it counts as gone at this point in time.
    There(Option<Millis>),
    /// All of their pages are away, and TaskRouter has said since that they are available: they work at a page that we do not hear. It is
    /// asked again at this point in time.
    Elsewhere { until: Millis },
    /// All of their pages are away; the last one in this way since then, and it counts as gone at that point in time.
    Away { way: Way, since: Millis, gone_at: Millis },
}

impl<'a> Diagnosis<'a> {
    /// The agents whom Twilio lists, and whose tasks go on. An agent whose task was canceled by another program has none.
    pub(crate) fn agents(self) -> impl Iterator<Item = (&'a ParticipantSid, &'a Participant)> {
        let has_ended = move |task| self.facts.tasks().state(task) == Some(TaskState::Ended);
        self.facts.roster().agents().filter(move |(_, agent)| !agent.task().is_some_and(has_ended))
    }

    /// Whether this worker can be reached, as far as their pages say.
    fn presence(self, worker: &WorkerSid) -> Presence {
        let Some(desk) = self.desks.get(worker).filter(|desk| !desk.is_unknown()) else {
            return Presence::Unknown;
        };
        let unanswered = self.facts.unanswered_since();
        // While no server listened, no page could say that it is there. Each gets the time of a reload.
        let heard_from = self.listening_since + RELOAD;
        let gone_at = |way, since| self.policy.gone_at(way, since, unanswered).max(heard_from);
        if desk.pages().any(|page| page == Reach::Open) {
            return Presence::There(None);
        }
        let heard = desk.pages().filter_map(|page| match page {
            Reach::Heard(at) => Some((gone_at(Way::PollingStopped, at), at)),
            Reach::Open | Reach::Gone(..) => None,
        });
        let last_heard = heard.max();
        // An absence ends with a new sign of the page, not since the customer wrote again, or servers were away.
        let lost_at = self.lost_at(worker);
        let is_there = |(until, since): &(Millis, Millis)| *until > self.now && Some(*since) > lost_at;
        if let Some((until, _)) = last_heard.filter(is_there) {
            return Presence::There(Some(until));
        }
        let gone = desk.pages().filter_map(|page| match page {
            Reach::Gone(way, since) => Some((gone_at(way, since), since, way)),
            Reach::Open | Reach::Heard(_) => None,
        });
        let silent = last_heard.map(|(gone_at, since)| (gone_at, since, Way::PollingStopped));
        // The agent is gone when the last of their pages is.
        match gone.chain(silent).max() {
            Some((gone_at, since, way)) => Presence::Away { way, since, gone_at },
            None => Presence::Unknown,
        }
    }

    /// Whether this agent can be reached.
    pub(crate) fn presence_of(self, agent: &Participant) -> Presence {
        let Some(worker) = agent.worker() else { return Presence::Unknown };
        match self.presence(worker) {
            // Only somebody at a page takes a task.
            Presence::Away { gone_at, .. } if self.came_after(agent) >= Some(gone_at) => Presence::Unknown,
            Presence::Away { way, since, gone_at } => match self.elsewhere_until(worker, since) {
                Some(until) if self.now < until => Presence::Elsewhere { until },
                // What was learned then counts no more: TaskRouter is asked again before they are taken for gone.
                Some(until) => Presence::Away { way, since, gone_at: gone_at.max(until) },
                None => Presence::Away { way, since, gone_at },
            },
            presence => presence,
        }
    }

    /// Until when TaskRouter's last answer about this worker counts (point in time). `since`: when their last page went away. `None`: the
    /// answer does not show them at a desktop after that. In an absence in which they were lost it must be after its beginning, because
    /// the customer was told then.
    fn elsewhere_until(self, worker: &WorkerSid, since: Millis) -> Option<Millis> {
        let from = self.lost_at(worker).map_or(since, |lost_at| lost_at.max(since));
        let (asked_at, at_desktop) = self.facts.availability().at_desktop(worker)?;
        if self.policy.available_unanswered == Millis(0) || at_desktop < from {
            return None;
        }
        let until = asked_at + from.until(at_desktop).clamp(ASK_AFTER.0, ASK_AFTER.1);
        let unanswered_since = self.facts.unanswered_since().map(|at| at.max(since));
        let answered_by = unanswered_since.map(|at| at + self.policy.available_unanswered);
        Some(answered_by.map_or(until, |by| by.min(until)))
    }

    /// When the absence began in which this worker was lost (point in time).
    fn lost_at(self, worker: &WorkerSid) -> Option<Millis> {
        let absence = self.absence.filter(|it| it.lost.values().any(|lost| lost == worker))?;
        Some(absence.began_at)
    }

    /// True if a poll is to ask TaskRouter for the agents: the pages of one are away.
    pub(crate) fn asks_for_workers(self) -> bool {
        let is_away =
            |agent| matches!(self.presence_of(agent), Presence::Away { .. } | Presence::Elsewhere { .. });
        self.policy.available_unanswered > Millis(0) && self.agents().any(|(_, agent)| is_away(agent))
    }

    /// True if TaskRouter has said last of an agent whose pages are away that they are available.
    pub(crate) fn has_available_agent(self) -> bool {
        let is_available = |worker| self.facts.availability().at_desktop(worker).is_some();
        let mut away = self.agents().filter(|(_, agent)| self.is_away(agent));
        away.any(|(_, agent)| agent.worker().is_some_and(is_available))
    }

    /// A point in time at which this agent did not have the conversation yet, so that they have come since; `None`: not known. A poll
    /// finds an agent who may have been there long before, and so does a late webhook if their page had claimed the conversation.
    fn came_after(self, agent: &Participant) -> Option<Millis> {
        let invited_at = agent.task().and_then(|task| self.facts.invites().made_at(task));
        let mut claims = self.facts.statements().claims();
        let has_claimed = claims.any(|(worker, _)| agent.worker() == Some(worker));
        let told = agent.joined_by().filter(|it| it.source == Source::Webhook && !has_claimed);
        invited_at.max(told.map(|it| it.at))
    }

    /// True if all pages of this agent are away.
    pub(crate) fn is_away(self, agent: &Participant) -> bool {
        matches!(self.presence_of(agent), Presence::Away { .. })
    }

    /// True if this agent has said that they leave, not too long ago, and no page of theirs claims the conversation since.
    pub(crate) fn is_leaving(self, agent: &Participant) -> bool {
        agent.worker().and_then(|worker| self.leaves_until(worker)).is_some_and(|until| self.now < until)
    }

    /// Until when the agent's statement that they leave counts.
    fn leaves_until(self, worker: &WorkerSid) -> Option<Millis> {
        let (at, _) = self.facts.statements().leave_of(worker)?;
        Some(at + self.policy.leaving_within)
    }

    /// How the agents on the conversation are away who have not said that they leave: the last of them decides.
    pub(crate) fn away(self) -> Option<(Way, Millis, Millis)> {
        let staying = self.agents().filter(move |(_, agent)| !self.is_leaving(agent));
        let away = staying.filter_map(|(_, agent)| match self.presence_of(agent) {
            Presence::Away { way, since, gone_at } => Some((gone_at, since, way)),
            Presence::Unknown | Presence::There(_) | Presence::Elsewhere { .. } => None,
        });
        away.max().map(|(gone_at, since, way)| (way, since, gone_at))
    }

    /// The points in time at which an agent's presence changes without any news.
    pub(crate) fn presence_changes(self) -> impl Iterator<Item = Millis> {
        self.agents().flat_map(move |(_, agent)| {
            let worker = agent.worker();
            let presence = match self.presence_of(agent) {
                Presence::There(until) => until,
                Presence::Elsewhere { until } => Some(until),
                Presence::Away { gone_at, .. } => Some(gone_at),
                Presence::Unknown => None,
            };
            let leaving = worker.and_then(|worker| self.leaves_until(worker));
            [presence, leaving].into_iter().flatten()
        })
    }
}
