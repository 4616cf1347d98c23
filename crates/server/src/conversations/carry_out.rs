//! Carries actions out at Twilio. An action is repeated while Twilio does not answer, until its end; one that may have been
//! carried out already is looked for first, by the key that its message or its task carries.

use super::availability::Desktops;
use super::failed;
use super::known_agents::KnownAgents;
use crate::chat_texts::Phrase;
use crate::config::Config;
use crate::failpoint;
use crate::pace::{Rank, Turns};
use crate::store::Store;
use rejoin_conversations::{
    Action, ChannelState, INVITES, LostReply, Message, Outcome, Place, Role, Seen, SeenTask, Sight,
    TaskState, Telling, once_text,
};
use rejoin_protocol::attributes as names;
use rejoin_protocol::{ConversationSid, MemberSid, Millis, TaskSid, WorkerSid};
use rejoin_twilio::{
    ChannelEnd, ChannelPath, Client, Error, InteractionChannel, InteractionParticipant, NewInvite,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Our key in the attributes of a message or of a task: by it they are known again.
const KEY: &str = "rejoin";
/// First pause after an attempt that failed; it doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST: Duration = Duration::from_secs(8);
/// Number of messages that a poll reads, and among which a message of ours is looked for: the newest. A message has up to 32 kB, and
/// its attributes up to 4 kB. JSON needs six bytes for some of these bytes: 16 such messages stay below the limit of an answer (4 MB).
const MESSAGES: u32 = 16;
/// What Twilio or Flex write anew into the attributes of each task.
const NOT_COPIED: [&str; 6] = [
    "flexInteractionSid",
    "flexInteractionChannelSid",
    "flexChannelInviteSid",
    "conversations",
    "conference",
    // Flex shows a task that has it as a transfer.
    "transfer_sid",
];

/// Carries actions out.
#[derive(Debug)]
pub(crate) struct Executor {
    client: Client,
    turns: Turns,
    config: Arc<Config>,
    store: Store,
    agents: KnownAgents,
    desktops: Desktops,
}

impl Executor {
    /// An executor whose requests wait for their turn.
    pub(crate) fn new(client: Client, turns: Turns, config: Arc<Config>, store: Store) -> Self {
        let desktops = Desktops::new(config.conversations.offline_after_ms);
        Self { client, turns, config, store, agents: KnownAgents::default(), desktops }
    }

    /// Carries an action out. `again`: another server, or this one before it was started anew, may have done so.
    pub(super) async fn carry_out(
        &self,
        conversation: &ConversationSid,
        action: &Action,
        until: Millis,
        again: bool,
    ) -> Outcome {
        let since = self.store.now();
        let client = self.client.through(self.turns.of_request(rank(action), since));
        let (mut doubtful, mut pause) = (again, PAUSE);
        let mut is_repeated = again;
        loop {
            if is_repeated && !self.is_wanted(conversation, action).await {
                return failed("it is not wanted any more");
            }
            is_repeated = true;
            failpoint::reach(|| format!("request for conversation {}", action.name()));
            let attempt = self.attempt(&client, conversation, action, doubtful, since).await;
            failpoint::reach(|| format!("answer to conversation {}", action.name()));
            let error = match attempt {
                Ok(outcome) => return outcome,
                Err(error) => error,
            };
            doubtful |= error.may_have_acted();
            match error {
                Error::Gone => return Outcome::NotFound,
                error if !error.is_passing() => return failed(error),
                error if self.store.now() >= until => return failed(error),
                error => tracing::debug!(%conversation, action = action.name(), %error, "repeating"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// True unless the conversation does not want the action any more. One that cannot be read may want it.
    async fn is_wanted(&self, conversation: &ConversationSid, action: &Action) -> bool {
        match self.store.conversation(conversation).await {
            Ok(known) => known.is_some_and(|known| known.wants(action)),
            Err(error) => {
                tracing::debug!(%conversation, %error, "whether an action is still wanted cannot be read");
                true
            }
        }
    }

    async fn attempt(
        &self,
        client: &Client,
        conversation: &ConversationSid,
        action: &Action,
        doubtful: bool,
        since: Millis,
    ) -> Result<Outcome, Error> {
        if doubtful && let Some(found) = self.find(client, conversation, action).await? {
            return Ok(found);
        }
        match action {
            Action::Poll { place, routing, task, confirm, watch: _, workers } => {
                let path = path(place);
                let there = self.who_is_there(client, conversation, &path).await?;
                if *confirm && !self.is_of(client, conversation, &there).await? {
                    return Ok(Outcome::Unconfirmed);
                }
                let (task, completed) = match routing {
                    true => self.newest_task(client, &path, task.as_ref()).await?,
                    false => (None, BTreeSet::new()),
                };
                let messages = client.newest_messages(conversation, MESSAGES).await?;
                let desktops = match workers {
                    true => self.desktops.ask(client, &self.store, there.workers(), since).await?,
                    false => BTreeMap::new(),
                };
                Ok(Outcome::Seen(Sight { task, completed, ..there.sight(messages, desktops) }))
            }
            Action::Tell { what } => {
                let language = self.language(client, conversation).await;
                let text =
                    self.config.chat_texts.say(Phrase::of(*what), &self.config.texts, language.as_deref());
                let attributes = json!({ KEY: key(conversation, action) }).to_string();
                client
                    .create_message(conversation, &self.config.chat_texts.author, text, &attributes)
                    .await?;
                Ok(Outcome::Ok)
            }
            Action::Invite { place, task, workflow, target, timeout, .. } => {
                let copied = self.copied(client, task).await?;
                let workflow = workflow.clone().or(copied.workflow);
                let Some(workflow) = workflow else {
                    return Ok(failed("no workflow is known for another invite"));
                };
                let attributes = attributes(copied.attributes, key(conversation, action), target.as_ref());
                let invite = NewInvite {
                    workflow: &workflow,
                    queue: None,
                    task_channel: &copied.task_channel,
                    attributes: &attributes,
                    priority: names::PRIORITY,
                    timeout_seconds: timeout.0.div_ceil(1000).max(1),
                };
                let invite = client.create_invite(&path(place), &invite).await?;
                Ok(Outcome::Invited { task: invite.task().cloned(), invite: invite.sid })
            }
            Action::CloseParticipant { place, participant } => {
                client.close_channel_participant(&path(place), participant).await?;
                Ok(Outcome::Ok)
            }
            Action::Park { place, .. } => {
                client.end_channel(&path(place), ChannelEnd::Parked).await?;
                Ok(Outcome::Ok)
            }
            Action::Close { place, .. } => {
                client.end_channel(&path(place), ChannelEnd::Closed).await?;
                Ok(Outcome::Ok)
            }
        }
    }

    /// What an earlier attempt has done, if it has.
    async fn find(
        &self,
        client: &Client,
        conversation: &ConversationSid,
        action: &Action,
    ) -> Result<Option<Outcome>, Error> {
        let wanted = key(conversation, action);
        match (action.traits().lost_reply, action) {
            (LostReply::FindMessage, _) => {
                let newest = client.newest_messages(conversation, MESSAGES).await?;
                let ours = newest.iter().any(|message| has_key(message.attributes.as_deref(), &wanted));
                Ok(ours.then_some(Outcome::Ok))
            }
            (LostReply::FindInvite, Action::Invite { place, .. }) => {
                for invite in client.list_invites(&path(place)).await?.into_iter().rev().take(INVITES) {
                    let Some(task) = invite.task().cloned() else { continue };
                    match client.fetch_task(&task).await {
                        Ok(found) if has_key(found.attributes.as_deref(), &wanted) => {
                            return Ok(Some(Outcome::Invited { invite: invite.sid, task: Some(task) }));
                        }
                        Ok(_) | Err(Error::Gone) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(None)
            }
            (LostReply::FindInvite | LostReply::Repeat, _) => Ok(None),
        }
    }

    async fn who_is_there(
        &self,
        client: &Client,
        conversation: &ConversationSid,
        path: &ChannelPath,
    ) -> Result<There, Error> {
        let asked_at = self.store.now();
        let channel = client.fetch_channel(path).await?;
        let participants = client.list_channel_participants(path).await?;
        let members = self.members(client, conversation, &participants).await?;
        Ok(There { asked_at, channel, participants, members })
    }

    /// True if an agent on the channel is in the conversation, and has it by their task. A page may name any channel, and an
    /// agent can change the attributes of their own task: neither alone says whose the channel is.
    async fn is_of(
        &self,
        client: &Client,
        conversation: &ConversationSid,
        there: &There,
    ) -> Result<bool, Error> {
        for participant in &there.participants {
            let Some(routing) = &participant.routing_properties else { continue };
            let (Some(worker), Some(task)) = (&routing.worker_sid, &routing.task_sid) else { continue };
            if !there.members.contains_key(worker) {
                continue;
            }
            match client.fetch_task(task).await {
                Ok(task) if is_task_of(task.attributes.as_deref(), conversation) => return Ok(true),
                Ok(_) | Err(Error::Gone) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// The agents among the members of the conversation.
    async fn members(
        &self,
        client: &Client,
        conversation: &ConversationSid,
        participants: &[InteractionParticipant],
    ) -> Result<BTreeMap<WorkerSid, MemberSid>, Error> {
        let workers = participants.iter().filter_map(|it| it.routing_properties.as_ref()?.worker_sid.clone());
        let workers: Vec<WorkerSid> = workers.collect();
        if workers.is_empty() {
            return Ok(BTreeMap::new());
        }
        let members = client.list_members(conversation).await?;
        let mut found = BTreeMap::new();
        for worker in workers {
            let Some(identity) = self.agents.identity(client, &worker).await? else { continue };
            let own = members.iter().find(|member| member.identity.as_deref() == Some(identity.as_str()));
            found.extend(own.map(|member| (worker, member.sid.clone())));
        }
        Ok(found)
    }

    /// The newest task by which an agent was looked for, and those of the tasks read for that which agents have completed.
    async fn newest_task(
        &self,
        client: &Client,
        path: &ChannelPath,
        known: Option<&TaskSid>,
    ) -> Result<(Option<SeenTask>, BTreeSet<TaskSid>), Error> {
        let listed = client.list_invites(path).await?;
        let mut newest: Option<(u64, SeenTask)> = None;
        let mut all_completed = BTreeSet::new();
        let tasks = listed.iter().filter_map(|invite| invite.task()).rev().take(INVITES).chain(known);
        for task in tasks {
            let found = match client.fetch_task(task).await {
                Ok(found) => found,
                Err(Error::Gone) => continue,
                Err(error) => return Err(error),
            };
            let completed = found.assignment_status == "completed";
            all_completed.extend(completed.then(|| found.sid.clone()));
            let age = found.age.unwrap_or(u64::MAX);
            if newest.as_ref().is_none_or(|(youngest, _)| age < *youngest) {
                let state = match found.assignment_status.as_str() {
                    "pending" | "reserved" => TaskState::Waiting,
                    "assigned" | "wrapping" => TaskState::Assigned,
                    _ => TaskState::Ended,
                };
                let (task, workflow) = (found.sid, found.workflow_sid);
                newest = Some((age, SeenTask { task, state, completed, workflow }));
            }
        }
        let ended = |task: &TaskSid| SeenTask {
            task: task.clone(),
            state: TaskState::Ended,
            completed: false,
            workflow: None,
        };
        Ok((newest.map(|(_, task)| task).or_else(|| known.map(ended)), all_completed))
    }

    /// What another invite takes over from a task. A task that is deleted leaves nothing but what Twilio itself writes.
    async fn copied(&self, client: &Client, task: &TaskSid) -> Result<Copied, Error> {
        match client.fetch_task(task).await {
            Ok(found) => {
                let attributes = found.attributes.as_deref().and_then(|text| serde_json::from_str(text).ok());
                Ok(Copied {
                    attributes: attributes.unwrap_or_default(),
                    workflow: found.workflow_sid,
                    task_channel: found.task_channel_unique_name.unwrap_or_else(|| CHAT.into()),
                })
            }
            Err(Error::Gone) => {
                Ok(Copied { attributes: Map::new(), workflow: None, task_channel: CHAT.into() })
            }
            Err(error) => Err(error),
        }
    }

    /// The customer's language, as a task of the conversation has it. It is not worth a repetition.
    async fn language(&self, client: &Client, conversation: &ConversationSid) -> Option<String> {
        let known = self.store.conversation(conversation).await.ok()??;
        let task = known.facts().tasks().newest()?;
        let attributes = client.fetch_task(task).await.ok()?.attributes?;
        let attributes: Value = serde_json::from_str(&attributes).ok()?;
        let mut path = self.config.texts.language_attribute.split('.');
        let found = path.try_fold(&attributes, |value, name| value.get(name));
        found?.as_str().map(str::to_owned)
    }
}

/// Task channel of a chat.
const CHAT: &str = "chat";

/// A channel, and who is on it.
struct There {
    asked_at: Millis,
    channel: InteractionChannel,
    participants: Vec<InteractionParticipant>,
    /// The agents among the members of the conversation.
    members: BTreeMap<WorkerSid, MemberSid>,
}

impl There {
    /// The workers of its agents.
    fn workers(&self) -> BTreeSet<WorkerSid> {
        let routed = self.participants.iter().filter_map(|it| it.routing_properties.as_ref());
        routed.filter_map(|it| it.worker_sid.clone()).collect()
    }

    fn sight(
        self,
        messages: Vec<rejoin_twilio::Message>,
        workers: BTreeMap<WorkerSid, Option<Millis>>,
    ) -> Sight {
        let Self { asked_at, channel, participants, members } = self;
        let seen = participants.into_iter().map(|participant| {
            let routing = participant.routing_properties.unwrap_or_default();
            Seen {
                member: routing.worker_sid.as_ref().and_then(|worker| members.get(worker).cloned()),
                sid: participant.sid,
                role: role(&participant.kind),
                worker: routing.worker_sid,
                task: routing.task_sid,
                reservation: routing.reservation_sid,
            }
        });
        let messages = messages.into_iter().map(|message| Message {
            index: message.index,
            at: message.date_created.unwrap_or(asked_at),
            author: message.participant_sid,
        });
        Sight {
            asked_at,
            state: state(&channel.status),
            kind: Some(channel.kind),
            participants: seen.collect(),
            messages: messages.collect(),
            task: None,
            completed: BTreeSet::new(),
            workers,
        }
    }
}

struct Copied {
    attributes: Map<String, Value>,
    workflow: Option<rejoin_protocol::WorkflowSid>,
    task_channel: String,
}

/// Attributes of an invite's task: those of the task before, our key, and the agent who is asked first.
fn attributes(mut of: Map<String, Value>, key: String, target: Option<&WorkerSid>) -> String {
    for name in NOT_COPIED.into_iter().chain([names::IS_RECONNECT, names::TARGET_WORKER_SID]) {
        of.remove(name);
    }
    of.insert(KEY.into(), key.into());
    if let Some(worker) = target {
        of.insert(names::IS_RECONNECT.into(), true.into());
        of.insert(names::TARGET_WORKER_SID.into(), worker.as_str().into());
    }
    Value::Object(of).to_string()
}

fn is_task_of(attributes: Option<&str>, conversation: &ConversationSid) -> bool {
    let attributes: Option<Value> = attributes.and_then(|text| serde_json::from_str(text).ok());
    attributes.is_some_and(|attributes| attributes["conversationSid"] == conversation.as_str())
}

fn has_key(attributes: Option<&str>, wanted: &str) -> bool {
    let attributes: Option<Value> = attributes.and_then(|text| serde_json::from_str(text).ok());
    attributes.is_some_and(|attributes| attributes[KEY] == wanted)
}

/// The key of an action that is done once; empty for others.
fn key(conversation: &ConversationSid, action: &Action) -> String {
    action.traits().once.map(|once| once_text(conversation, &once)).unwrap_or_default()
}

fn path(place: &Place) -> ChannelPath {
    ChannelPath { interaction: place.interaction.clone(), channel: place.channel.clone() }
}

/// What it costs the customer to wait for it.
fn rank(action: &Action) -> Rank {
    match action {
        Action::Tell { what: Telling::AgentGone { .. } | Telling::Parked { .. } } => Rank::Announce,
        Action::Invite { .. } => Rank::NextAgent,
        // With many conversations these wait for minutes, and what is wanted of others must not.
        Action::Poll { watch: true, .. } => Rank::LookUp,
        Action::Poll { .. }
        | Action::Tell { .. }
        | Action::CloseParticipant { .. }
        | Action::Park { .. }
        | Action::Close { .. } => Rank::Bookkeeping,
    }
}

/// Twilio's name of a participant's role.
pub(crate) fn role(kind: &str) -> Role {
    match kind {
        "agent" => Role::Agent,
        "customer" => Role::Customer,
        _ => Role::Other,
    }
}

/// Twilio's name of a channel's status, or of a conversation's state.
pub(crate) fn state(status: &str) -> ChannelState {
    match status {
        "closed" | "failed" => ChannelState::Closed,
        "inactive" => ChannelState::Inactive,
        "pause" => ChannelState::Paused,
        "transfer" => ChannelState::Transferring,
        _ => ChannelState::Active,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_invite_takes_over_what_flex_does_not_write_anew() {
        let before = json!({
            "name": "Customer", "flexChannelInviteSid": "KG1", "transfer_sid": "UX1", "isReconnect": true,
        });
        let Value::Object(before) = before else { panic!("no object") };
        let after: Value = serde_json::from_str(&attributes(before, "key".into(), None)).expect("JSON");
        assert_eq!(after, json!({ "name": "Customer", KEY: "key" }));
    }
}
