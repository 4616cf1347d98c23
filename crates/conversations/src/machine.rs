//! The machine: all conversations and desks, and the handling of each event by the conversations that it concerns.

use crate::conversation::{Conversation, Surroundings};
use crate::desk::Desk;
use crate::diagnosis::{ATTENDANCE, Attendance, Row};
use crate::effect::Effect;
use crate::event::Event;
use crate::policy::Policies;
use rejoin_protocol::{ConversationSid, Millis, TaskSid, WorkerSid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Conversations and the desks of their agents: all of them, or those that the next events concern.
#[derive(Clone, Debug)]
pub struct Machine {
    policies: Arc<Policies>,
    conversations: BTreeMap<ConversationSid, Conversation>,
    desks: BTreeMap<WorkerSid, Desk>,
    dirty: BTreeSet<ConversationSid>,
    dirty_desks: BTreeSet<WorkerSid>,
    listening_since: Millis,
}

impl Machine {
    /// A machine that goes on with these conversations and desks, as they were stored last. All of them will do, and so will
    /// those that share a [`Key`](crate::Key) with an event, together with the desks of their workers, and of
    /// [those whom the event names](Event::workers).
    pub fn new(
        policies: impl Into<Policies>,
        conversations: impl IntoIterator<Item = Conversation>,
        desks: impl IntoIterator<Item = (WorkerSid, Desk)>,
    ) -> Self {
        let conversations = conversations.into_iter().map(|it| (it.sid().clone(), it)).collect();
        Self {
            policies: Arc::new(policies.into()),
            conversations,
            desks: desks.into_iter().collect(),
            dirty: BTreeSet::new(),
            dirty_desks: BTreeSet::new(),
            listening_since: Millis(0),
        }
    }

    /// The same, where no server could hear pages for a while before this point in time: the silence of a page says nothing then,
    /// and each gets the time of a reload from then on.
    #[must_use]
    pub fn listening_since(self, at: Millis) -> Self {
        Self { listening_since: at, ..self }
    }

    /// Takes one event. The effects are in the order in which they are to begin.
    pub fn handle(&mut self, now: Millis, event: &Event) -> Vec<Effect> {
        let mut effects = vec![];
        let listening_since = self.listening_since;
        for conversation in self.route_event(now, event) {
            let Some(it) = self.conversations.get_mut(&conversation) else { continue };
            let is_news = it.observe(now, event, &mut effects);
            if is_news
                && it.settle(
                    Surroundings { now, desks: &self.desks, listening_since },
                    &self.policies,
                    &mut effects,
                )
            {
                self.conversations.remove(&conversation);
            }
            self.dirty.insert(conversation);
        }
        effects
    }

    /// The conversations that the event concerns. It may be the first news of one.
    fn route_event(&mut self, now: Millis, event: &Event) -> Vec<ConversationSid> {
        match event {
            Event::Interaction { conversation, .. } | Event::Claimed { conversation, .. } => {
                let known = self.conversations.entry(conversation.clone());
                known.or_insert_with(|| Conversation::new(conversation.clone()));
                vec![conversation.clone()]
            }
            Event::Message { conversation, .. }
            | Event::State { conversation, .. }
            | Event::Leaving { conversation, .. }
            | Event::Done { conversation, .. }
            | Event::Timer { conversation } => {
                self.conversations.get(conversation).map(|it| it.sid().clone()).into_iter().collect()
            }
            Event::Page { worker, epoch, event } => {
                let desk = self.desks.entry(worker.clone()).or_default();
                desk.observe(now, *epoch, *event);
                self.dirty_desks.insert(worker.clone());
                self.of_worker(worker)
            }
            Event::Task { conversation, task, .. } => self.of_task(conversation.as_ref(), task),
        }
    }

    fn of_worker(&self, worker: &WorkerSid) -> Vec<ConversationSid> {
        let theirs = self.conversations.values().filter(|it| it.workers().any(|own| own == worker));
        theirs.map(|it| it.sid().clone()).collect()
    }

    fn of_task(&self, named: Option<&ConversationSid>, task: &TaskSid) -> Vec<ConversationSid> {
        let is_its = |it: &&Conversation| Some(it.sid()) == named || it.tasks().any(|own| own == task);
        let its = self.conversations.values().filter(is_its);
        its.map(|it| it.sid().clone()).collect()
    }

    /// A conversation.
    pub fn conversation(&self, conversation: &ConversationSid) -> Option<&Conversation> {
        self.conversations.get(conversation)
    }

    /// All conversations.
    pub fn conversations(&self) -> impl Iterator<Item = &Conversation> {
        self.conversations.values()
    }

    /// The desk of a worker.
    pub fn desk(&self, worker: &WorkerSid) -> Option<&Desk> {
        self.desks.get(worker)
    }

    /// The row of [`ATTENDANCE`] that decides how a conversation stands at this point in time: why it was, or was not, taken
    /// for unattended.
    pub fn row(&self, now: Millis, conversation: &ConversationSid) -> Option<&'static Row> {
        let conversation = self.conversations.get(conversation)?;
        let policy = conversation.policy(&self.policies);
        let around = Surroundings { now, desks: &self.desks, listening_since: self.listening_since };
        ATTENDANCE.get(conversation.diagnosis(around, &policy).row().0)
    }

    /// How a conversation stands at this point in time.
    pub fn attendance(&self, now: Millis, conversation: &ConversationSid) -> Option<Attendance> {
        self.row(now, conversation).map(|row| row.attendance)
    }

    /// The conversations that have changed since the last call, or are forgotten: they are to be stored with the effects.
    pub fn take_dirty(&mut self) -> BTreeSet<ConversationSid> {
        std::mem::take(&mut self.dirty)
    }

    /// The same of desks.
    pub fn take_dirty_desks(&mut self) -> BTreeSet<WorkerSid> {
        std::mem::take(&mut self.dirty_desks)
    }
}
