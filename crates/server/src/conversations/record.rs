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
                if of == conversation.sid() && !matches!(action, Action::Poll { .. }) =>
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

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin_conversations::{
        ChannelState, InteractionNews, Leaving, Message, Policies, Role, Seen, Sight, Way,
    };
    use rejoin_protocol::{InteractionChannelSid, InteractionSid, MemberSid};

    fn chat() -> ConversationSid {
        ConversationSid::numbered(1)
    }

    fn ada() -> WorkerSid {
        WorkerSid::numbered(0xada)
    }

    fn participant(number: u128, role: Role, worker: Option<WorkerSid>) -> Seen {
        let (sid, member) = (ParticipantSid::numbered(number), Some(MemberSid::numbered(number)));
        Seen { sid, role, worker, task: None, reservation: None, member }
    }

    fn page(worker: WorkerSid, event: PageEvent) -> Event {
        Event::Page { worker, epoch: 1, event }
    }

    /// A chat of Ada's with a customer, at its machine; each event is recorded.
    struct Desk {
        machine: Machine,
        record: Record,
        now: Millis,
    }

    impl Desk {
        fn with_ada() -> Self {
            let machine = Machine::new(Policies::default(), [], []);
            let mut desk = Self { record: Record::of(&machine), machine, now: Millis(1_000_000) };
            desk.takes(&page(ada(), PageEvent::Heard));
            let place = Place {
                interaction: InteractionSid::numbered(1),
                channel: InteractionChannelSid::numbered(1),
            };
            let seen = vec![participant(1, Role::Agent, Some(ada())), participant(2, Role::Customer, None)];
            let news = InteractionNews::Joined(seen[0].clone());
            desk.takes(&Event::Interaction { conversation: chat(), place: place.clone(), kind: None, news });
            let action = desk.in_flight();
            let sight = Sight {
                asked_at: desk.now,
                state: ChannelState::Active,
                kind: None,
                participants: seen,
                messages: vec![],
                task: None,
                completed: BTreeSet::new(),
                workers: BTreeMap::new(),
            };
            desk.takes(&Event::Done { conversation: chat(), action, outcome: Outcome::Seen(sight) });
            desk.record.told.clear();
            desk
        }

        fn in_flight(&self) -> Action {
            let conversation = self.machine.conversation(&chat()).expect("it is known");
            conversation.requests().in_flight().next().expect("something is requested").clone()
        }

        fn takes(&mut self, event: &Event) {
            self.now = self.now + Millis(1000);
            let was = Was::before(&self.machine, event);
            let effects = self.machine.handle(self.now, event);
            let touched = self.machine.take_dirty();
            self.record.handled(&self.machine, (self.now, event, was), &effects, &touched);
        }

        fn customer_writes(&mut self, index: u32) {
            let message = Message { index, at: self.now, author: Some(MemberSid::numbered(2)) };
            self.takes(&Event::Message { conversation: chat(), message });
        }

        /// What was recorded since the last time, without judgements.
        fn told(&mut self) -> Vec<Entry> {
            let told = std::mem::take(&mut self.record.told).into_iter().map(|told| told.entry);
            told.filter(|entry| !matches!(entry, Entry::Judged { .. })).collect()
        }
    }

    #[test]
    fn a_page_that_goes_and_comes_is_told_and_its_requests_are_not() {
        let mut desk = Desk::with_ada();
        for event in [PageEvent::Heard, PageEvent::PushOpened, PageEvent::Heard] {
            desk.takes(&page(ada(), event));
        }
        assert_eq!(desk.told(), []);
        desk.takes(&page(ada(), PageEvent::PushClosed));
        desk.takes(&page(ada(), PageEvent::PushClosed));
        desk.takes(&page(ada(), PageEvent::PushOpened));
        let (gone, back) =
            (Entry::PageGone { worker: ada(), way: Way::PushClosed }, Entry::PageBack { worker: ada() });
        assert_eq!(desk.told(), [gone, back]);
    }

    #[test]
    fn a_burst_of_the_customer_is_told_once_and_only_while_no_page_is_there() {
        let mut desk = Desk::with_ada();
        (0..50).for_each(|index| desk.customer_writes(index));
        assert_eq!(desk.told(), []);
        desk.takes(&page(ada(), PageEvent::Goodbye));
        (50..100).for_each(|index| desk.customer_writes(index));
        let waits = desk.told().into_iter().filter(|entry| *entry == Entry::CustomerWaits).count();
        assert_eq!(waits, 1);
    }

    #[test]
    fn what_a_stranger_says_of_a_conversation_is_not_in_its_story() {
        let mut desk = Desk::with_ada();
        let bo = WorkerSid::numbered(0xb0);
        let place =
            Place { interaction: InteractionSid::numbered(9), channel: InteractionChannelSid::numbered(9) };
        desk.takes(&Event::Claimed { worker: bo.clone(), conversation: chat(), place });
        for event in [PageEvent::Heard, PageEvent::Goodbye, PageEvent::Heard] {
            desk.takes(&page(bo.clone(), event));
        }
        desk.takes(&Event::Leaving { worker: bo, conversation: chat(), how: Leaving::Leave });
        let told = desk.told();
        assert!(
            !told.iter().any(|entry| matches!(
                entry,
                Entry::Leaving { .. } | Entry::PageGone { .. } | Entry::PageBack { .. } | Entry::Named { .. }
            )),
            "{told:?}"
        );
        desk.takes(&Event::Leaving { worker: ada(), conversation: chat(), how: Leaving::Leave });
        assert_eq!(desk.told(), [Entry::Leaving { worker: ada(), how: Leaving::Leave }]);
    }

    #[test]
    fn an_answer_is_told_once_and_only_if_it_was_asked_for() {
        let mut desk = Desk::with_ada();
        desk.takes(&page(ada(), PageEvent::Goodbye));
        desk.now = desk.now + Millis::seconds(120);
        desk.takes(&Event::Timer { conversation: chat() });
        // Twilio is asked first who is there, and does not answer.
        desk.told();
        let action = desk.in_flight();
        let outcome = Outcome::Failed { reason: "no answer".into() };
        let done = Event::Done { conversation: chat(), action: action.clone(), outcome: outcome.clone() };
        desk.takes(&done);
        desk.takes(&done);
        let told = desk.told();
        assert_eq!(told, [Entry::Answered { action, outcome }], "the second one was not asked for");
    }
}
