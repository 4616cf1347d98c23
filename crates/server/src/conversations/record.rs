//! What an event changed in the conversations that it concerns, for their stories.

use crate::story::{ConversationEntry as Entry, ToldConversation};
use rejoin_conversations::{
    Action, Attendance, Conversation, Desk, Effect, Event, Machine, Note, Outcome, PageEvent, Place, Reach,
};
use rejoin_protocol::{ConversationSid, Millis, ParticipantSid, TaskSid, WorkerSid};
use std::collections::{BTreeMap, BTreeSet};

/// Compares each conversation after an event with what it was before.
#[derive(Debug)]
pub(super) struct Record {
    before: BTreeMap<ConversationSid, Known>,
    told: Vec<ToldConversation>,
}

/// What the story tells of a conversation when it changes.
#[derive(Clone, Debug, Default)]
struct Known {
    place: Option<Place>,
    agents: BTreeMap<ParticipantSid, (Option<WorkerSid>, Option<TaskSid>)>,
    /// The agents of the absence that goes on.
    lost: BTreeSet<WorkerSid>,
    row: Option<usize>,
    attendance: Option<Attendance>,
    /// Since when that row decides (point in time).
    since: Millis,
    /// Index and time of the customer's last message.
    customer_wrote: Option<(u32, Millis)>,
}

impl Known {
    fn of(conversation: &Conversation) -> Self {
        let facts = conversation.facts();
        let agents = facts.roster().agents();
        let judged = conversation.judged();
        Self {
            place: facts.place().cloned(),
            agents: agents
                .map(|(sid, agent)| (sid.clone(), (agent.worker().cloned(), agent.task().cloned())))
                .collect(),
            lost: conversation.absence().iter().flat_map(|it| it.lost.values().cloned()).collect(),
            row: judged.map(|(_, row, _)| row),
            attendance: judged.map(|(row, ..)| row.attendance),
            since: judged.map(|(.., since)| since).unwrap_or_default(),
            customer_wrote: facts.customer_wrote(),
        }
    }

    fn is_about(&self, worker: &WorkerSid) -> bool {
        self.lost.contains(worker) || self.agents.values().any(|(agent, _)| agent.as_ref() == Some(worker))
    }

    /// True while an agent can be expected to read what the customer writes, or Flex cares for it.
    fn is_cared_for(&self) -> bool {
        match self.attendance {
            Some(
                Attendance::Attended
                | Attendance::Unjudged
                | Attendance::Waiting
                | Attendance::Undecided
                | Attendance::Foreign
                | Attendance::Closed,
            )
            | None => true,
            Some(
                Attendance::Paused
                | Attendance::Left
                | Attendance::Parked
                | Attendance::Graceful
                | Attendance::Awaited
                | Attendance::Unattended
                | Attendance::Unrouted
                | Attendance::Woken,
            ) => false,
        }
    }
}

/// How a page could be reached, or whether an action was in flight, before the event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Was {
    reach: Option<Reach>,
    is_answer: bool,
}

impl Was {
    pub(super) fn before(machine: &Machine, event: &Event) -> Self {
        let reach = match event {
            Event::Page { worker, epoch, .. } => machine.desk(worker).and_then(|desk| desk.reach(*epoch)),
            _ => None,
        };
        let is_answer = match event {
            Event::Done { conversation, action, .. } => machine
                .conversation(conversation)
                .is_some_and(|it| it.requests().in_flight().any(|in_flight| in_flight == action)),
            _ => false,
        };
        Self { reach, is_answer }
    }

    /// True if the event is the answer to an action that was in flight.
    pub(super) fn is_answer(self) -> bool {
        self.is_answer
    }
}

impl Record {
    /// A record that begins with these conversations.
    pub(super) fn of(machine: &Machine) -> Self {
        let before = machine.conversations().map(|it| (it.sid().clone(), Known::of(it))).collect();
        Self { before, told: vec![] }
    }

    /// All entries, in their order.
    pub(super) fn told(self) -> Vec<ToldConversation> {
        self.told
    }

    /// Notes what the event did to these conversations.
    pub(super) fn handled(
        &mut self,
        machine: &Machine,
        (now, event, was): (Millis, &Event, Was),
        effects: &[Effect],
        touched: &BTreeSet<ConversationSid>,
    ) {
        for sid in touched {
            let before = self.before.remove(sid).unwrap_or_default();
            let Some(conversation) = machine.conversation(sid) else { continue };
            let after = Known::of(conversation);
            let mut entries = vec![];
            came_in(machine, event, was, (&before, &after), &mut entries);
            changed(&before, &after, &mut entries);
            if let Some((row, index, _)) = conversation.judged().filter(|_| before.row != after.row) {
                entries.push(Entry::Judged {
                    attendance: row.attendance.name().to_owned(),
                    row: index + 1,
                    because: row.when.to_owned(),
                });
            }
            followed(conversation, effects, &mut entries);
            let told = |entry| ToldConversation { at: now, conversation: sid.clone(), entry };
            self.told.extend(entries.into_iter().map(told));
            self.before.insert(sid.clone(), after);
        }
    }
}

/// What the event itself says.
fn came_in(
    machine: &Machine,
    event: &Event,
    was: Was,
    (before, after): (&Known, &Known),
    to: &mut Vec<Entry>,
) {
    match event {
        Event::Page { worker, epoch, event } if before.is_about(worker) || after.is_about(worker) => {
            let is = machine.desk(worker).and_then(|desk: &Desk| desk.reach(*epoch));
            match (event, was.reach, is) {
                (
                    PageEvent::Goodbye | PageEvent::PushClosed,
                    None | Some(Reach::Open | Reach::Heard(_)),
                    Some(Reach::Gone(way, _)),
                ) => {
                    to.push(Entry::PageGone { worker: worker.clone(), way });
                }
                (_, None | Some(Reach::Gone(..)), Some(Reach::Open | Reach::Heard(_))) => {
                    to.push(Entry::PageBack { worker: worker.clone() });
                }
                _ => {}
            }
        }
        Event::Leaving { worker, how, .. } if before.is_about(worker) => {
            to.push(Entry::Leaving { worker: worker.clone(), how: *how });
        }
        Event::Done { action, outcome, .. }
            if was.is_answer && !matches!(outcome, Outcome::Seen(_) | Outcome::NotFound) =>
        {
            to.push(Entry::Answered { action: action.clone(), outcome: outcome.clone() });
        }
        Event::Page { .. }
        | Event::Leaving { .. }
        | Event::Done { .. }
        | Event::Interaction { .. }
        | Event::Message { .. }
        | Event::State { .. }
        | Event::Claimed { .. }
        | Event::Task { .. }
        | Event::Timer { .. } => {}
    }
}

/// What is known now that was not known before, and how the conversation is judged by it.
fn changed(before: &Known, after: &Known, to: &mut Vec<Entry>) {
    if let Some(place) = after.place.as_ref().filter(|place| before.place.as_ref() != Some(place)) {
        to.push(Entry::placed(place));
    }
    for (participant, (worker, _)) in &before.agents {
        if !after.agents.contains_key(participant) {
            to.push(Entry::Left { participant: participant.clone(), worker: worker.clone() });
        }
    }
    for (participant, (worker, task)) in &after.agents {
        let known = before.agents.get(participant);
        if known.is_none() {
            to.push(Entry::Joined { participant: participant.clone(), task: task.clone() });
        }
        let was_known = known.and_then(|(worker, _)| worker.as_ref());
        if let Some(worker) = worker.as_ref().filter(|worker| was_known != Some(worker)) {
            to.push(Entry::Named { participant: participant.clone(), worker: worker.clone() });
        }
    }
    // The first message since the agent's page has gone, or whatever else it was, and none of a burst.
    let is_first = before.customer_wrote.is_none_or(|(_, at)| at < before.since);
    let is_new = after.customer_wrote.map(|(index, _)| index) > before.customer_wrote.map(|(index, _)| index);
    if is_new && is_first && !before.is_cared_for() {
        to.push(Entry::CustomerWaits);
    }
}

/// What was decided, and what Twilio is asked for.
fn followed(conversation: &Conversation, effects: &[Effect], to: &mut Vec<Entry>) {
    for effect in effects {
        match effect {
            Effect::Note { conversation: of, note } if of == conversation.sid() => match note {
                Note::Began { absence, cause, .. } => {
                    let it = conversation.absence();
                    to.push(Entry::Began {
                        absence: *absence,
                        cause: *cause,
                        until: it.map(|it| it.deadline).unwrap_or_default(),
                        lost: it.iter().flat_map(|it| it.lost.values().cloned()).collect(),
                    });
                }
                Note::Ended { absence, ending } => {
                    to.push(Entry::Ended { absence: *absence, ending: *ending });
                }
                // The answer says it, with the reason.
                Note::Refused { .. } => {}
            },
            Effect::Act { conversation: of, action, .. }
                if of == conversation.sid() && !matches!(action, Action::Look { .. }) =>
            {
                to.push(Entry::Requested { action: action.clone() });
            }
            Effect::Note { .. }
            | Effect::Act { .. }
            | Effect::SetTimer { .. }
            | Effect::ClearTimer { .. }
            | Effect::Forget { .. } => {}
        }
    }
}
