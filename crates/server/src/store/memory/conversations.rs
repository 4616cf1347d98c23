//! Conversations in memory.

use super::Server;
use crate::error::Error;
use crate::explain::{ConversationStory, FoundEntry};
use crate::store::conversations::{BegunAction, ConversationBatch, ConversationChanges, FoundConversations};
use crate::story::{ConversationEntry, KEPT, ToldConversation};
use rejoin_conversations::{Conversation, Key};
use rejoin_protocol::{ConversationSid, Millis, WorkerSid};
use std::collections::{BTreeMap, BTreeSet};

/// All of it, as rows of a database would have it.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversations {
    /// State, and when it is due.
    states: BTreeMap<ConversationSid, (String, Option<Millis>)>,
    keys: BTreeMap<String, BTreeSet<ConversationSid>>,
    desks: BTreeMap<WorkerSid, String>,
    /// With the server that carries it out.
    actions: BTreeMap<i64, (BegunAction, String)>,
    /// Their stories, with the server that wrote each entry.
    pub(super) stories: BTreeMap<ConversationSid, Vec<(ToldConversation, String)>>,
}

impl Conversations {
    /// The story of a conversation.
    pub(super) fn story(&self, sid: &ConversationSid) -> Result<Option<ConversationStory>, Error> {
        let mut entries = vec![];
        for (id, (told, server)) in (1..).zip(self.stories.get(sid).into_iter().flatten()) {
            entries.push(FoundEntry::read(id, told.at, server.clone(), serde_json::to_string(&told.entry)?));
        }
        let state = self.states.get(sid).map(|(state, _)| state.as_str());
        Ok(ConversationStory::of(sid.clone(), entries, state))
    }
}

impl Server {
    pub(in crate::store) async fn transact_conversations<T>(
        &self,
        batch: &ConversationBatch,
        mut decide: impl FnMut(FoundConversations) -> Result<(ConversationChanges, T), Error>,
    ) -> Result<(Vec<BegunAction>, T), Error> {
        let _turn = self.memory.0.turn.lock().await;
        let found = found(&self.memory.data().conversations, batch);
        let (changes, told) = decide(found)?;
        if changes.is_empty() && batch.ended.is_empty() {
            return Ok((vec![], told));
        }
        if self.surroundings.reach(|| "written".to_owned()).await {
            return Err(Error::NotCommitted);
        }
        let begun = self.write_conversations(batch, changes)?;
        if self.surroundings.pass(|| "acknowledged".to_owned()).await {
            return Err(Error::Unsettled(sqlx::Error::PoolTimedOut));
        }
        Ok((begun, told))
    }

    fn write_conversations(
        &self,
        batch: &ConversationBatch,
        changes: ConversationChanges,
    ) -> Result<Vec<BegunAction>, Error> {
        let mut data = self.memory.data();
        let ConversationChanges { saved, forgotten, desks, begun, told } = changes;
        for told in told {
            let story = data.conversations.stories.entry(told.conversation.clone()).or_default();
            story.push((told, self.name.clone()));
            let too_many = story.len().saturating_sub(KEPT as usize);
            story.drain(..too_many);
        }
        for sid in &forgotten {
            let stories = &mut data.conversations.stories;
            if stories.get(sid).is_some_and(|story| !story.iter().any(|(told, _)| is_kept(&told.entry))) {
                stories.remove(sid);
            }
            data.conversations.states.remove(sid);
            data.conversations.keys.values_mut().for_each(|of| _ = of.remove(sid));
        }
        for conversation in saved {
            let sid = conversation.sid().clone();
            for key in conversation.keys() {
                data.conversations.keys.entry(key.as_str().to_owned()).or_default().insert(sid.clone());
            }
            let state = serde_json::to_string(&conversation)?;
            data.conversations.states.insert(sid, (state, conversation.timer()));
        }
        for (worker, desk) in desks {
            data.conversations.desks.insert(worker, serde_json::to_string(&desk)?);
        }
        data.conversations.actions.retain(|id, _| !batch.ended.contains(id));
        let mut stored = vec![];
        for action in begun {
            let action = BegunAction { id: data.number(), ..action };
            data.conversations.actions.insert(action.id, (action.clone(), self.name.clone()));
            stored.push(action);
        }
        Ok(stored)
    }

    pub(in crate::store) async fn due_conversations(
        &self,
        now: Millis,
        most: usize,
    ) -> Result<(Vec<ConversationSid>, Option<Millis>), Error> {
        let data = self.memory.data();
        let timers =
            data.conversations.states.iter().filter_map(|(sid, (_, due))| Some((*due.as_ref()?, sid)));
        let mut timers: Vec<_> = timers.map(|(at, sid)| (at, sid.clone())).collect();
        timers.sort();
        let due: Vec<_> = timers.iter().take(most).take_while(|(at, _)| *at <= now).cloned().collect();
        let next = timers.get(due.len()).map(|(at, _)| *at);
        Ok((due.into_iter().map(|(_, sid)| sid).collect(), next))
    }

    pub(in crate::store) async fn take_over_conversations(
        &self,
        held: &BTreeSet<i64>,
    ) -> Result<Vec<BegunAction>, Error> {
        let mut data = self.memory.data();
        let live = self.running(&data);
        let mut taken = vec![];
        for (id, (action, server)) in &mut data.conversations.actions {
            if !held.contains(id) && (*server == self.name || !live.contains(server)) {
                server.clone_from(&self.name);
                taken.push(action.clone());
            }
        }
        Ok(taken)
    }

    pub(in crate::store) async fn conversation(
        &self,
        sid: &ConversationSid,
    ) -> Result<Option<Conversation>, Error> {
        let data = self.memory.data();
        Ok(data.conversations.states.get(sid).and_then(|(state, _)| serde_json::from_str(state).ok()))
    }

    pub(in crate::store) async fn open_desks(&self) -> Result<FoundConversations, Error> {
        let mut found = FoundConversations::default();
        for (worker, state) in &self.memory.data().conversations.desks {
            found.take_desk(worker.clone(), state);
        }
        Ok(found)
    }

    pub(in crate::store) async fn conversations(&self) -> Result<FoundConversations, Error> {
        let mut found = self.open_desks().await?;
        for (sid, (state, _)) in &self.memory.data().conversations.states {
            found.take(sid.to_string(), state);
        }
        Ok(found)
    }
}

/// True for what makes a story worth keeping after its conversation.
fn is_kept(entry: &ConversationEntry) -> bool {
    matches!(entry, ConversationEntry::Began { .. } | ConversationEntry::Requested { .. })
}

fn found(data: &Conversations, batch: &ConversationBatch) -> FoundConversations {
    let mut found = FoundConversations::default();
    let named = batch.keys.iter().filter_map(|key| match key {
        Key::Conversation(sid) => Some(sid.clone()),
        Key::Task(_) | Key::Worker(_) => None,
    });
    let by_key = batch.keys.iter().filter_map(|key| data.keys.get(key.as_str())).flatten().cloned();
    let sids: BTreeSet<ConversationSid> = named.chain(by_key).collect();
    for sid in sids {
        if let Some((state, _)) = data.states.get(&sid) {
            found.take(sid.to_string(), state);
        }
    }
    let workers: BTreeSet<WorkerSid> = found.agents().into_iter().chain(batch.workers.clone()).collect();
    for worker in workers {
        if let Some(state) = data.desks.get(&worker) {
            found.take_desk(worker, state);
        }
    }
    found
}
