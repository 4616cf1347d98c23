//! Conversations of Flex: interactions whose channel is a chat
//! (<https://www.twilio.com/docs/flex/developer/conversations/interactions-api>).
//!
//! A conversation, its interaction and its interaction's channel are one thing here, because each has exactly one of the
//! others. An agent gets into it by an invite, which is a task; what the agent's page then sees of it are objects of Sync,
//! which `sync` keeps.

mod api;
mod messages;
mod participants;
mod pause;
mod routing;
mod state;
mod sync;
mod transfers;
mod view;
mod webhooks;

pub use api::{ChatRequest, InviteRouting, NewChat, NewMessage, SyncChange};
pub(crate) use sync::{channels, info};
pub(crate) use view::SERVICE;
pub use webhooks::WebhookSettings;

pub(super) use state::Chat;

use super::{
    Model,
    requests::{Answer, ok},
};
use crate::model::{ApiError, Request};
use rejoin_protocol::{ConversationSid, InteractionSid, TaskSid};
use serde_json::Value;

impl Model {
    pub(super) fn chat_request(&mut self, request: ChatRequest) -> Answer {
        match request {
            ChatRequest::Begin(new) => self.begin_chat(new),
            ChatRequest::Say { conversation, message } => self.say(&conversation, message),
            ChatRequest::Read { conversation, identity, index } => {
                self.has_read(&conversation, &identity, index)
            }
            ChatRequest::Types { conversation, identity } => self.types(&conversation, identity),
            ChatRequest::ListOf { identity } => Ok(self.chats_of(&identity)),
            ChatRequest::Fetch(conversation) => {
                let chat = self.chat(&conversation)?;
                Ok(ok(self.rest_conversation(&conversation, chat), Value::Null))
            }
            ChatRequest::ListMessages { conversation, newest_first } => {
                let chat = self.chat(&conversation)?;
                Ok(ok(self.rest_messages(&conversation, chat, newest_first), Value::Null))
            }
            ChatRequest::ListMembers(conversation) => {
                let chat = self.chat(&conversation)?;
                Ok(ok(self.rest_members(&conversation, chat), Value::Null))
            }
            ChatRequest::FetchChannel(interaction) => {
                let chat = self.chat_of(&interaction)?;
                Ok(self.channel_reply(&chat))
            }
            ChatRequest::UpdateChannel { interaction, status, routing } => {
                match self.chat_of(&interaction) {
                    Ok(chat) => self.update_channel(&chat, &status, routing.as_deref()),
                    Err(_) if status == "closed" => {
                        // A call: its interaction has the digits of its task.
                        let task = TaskSid::parse(&format!("WT{}", interaction.digits()));
                        self.request(Request::CloseChannel(task.map_err(|_| missing("channel"))?))
                    }
                    Err(error) => Err(error),
                }
            }
            ChatRequest::Resume { interaction, worker } => {
                let chat = self.chat_of(&interaction)?;
                self.resume(&chat, &worker)
            }
            ChatRequest::ListPaused { worker } => Ok(self.paused_list(&worker)),
            ChatRequest::Invite { interaction, routing } => {
                let chat = self.chat_of(&interaction)?;
                let invite = self.invite(&chat, &routing)?;
                Ok(ok(self.rest_invite(&chat, &invite, &routing), Value::Null))
            }
            ChatRequest::ListInvites(interaction) => {
                let chat = self.chat_of(&interaction)?;
                Ok(self.invite_list(&chat))
            }
            ChatRequest::AnswerInvite { interaction, invite, worker, accept, reservation } => {
                let chat = self.chat_of(&interaction)?;
                self.answer_invite(&chat, &invite, &worker, accept, &reservation)
            }
            ChatRequest::ListParticipants(interaction) => {
                let chat = self.chat_of(&interaction)?;
                Ok(self.participants_reply(&chat))
            }
            ChatRequest::ListAllParticipants(interaction) => {
                let chat = self.chat_of(&interaction)?;
                Ok(self.all_participants_reply(&chat))
            }
            ChatRequest::Transfer { interaction, worker, from, to } => {
                let chat = self.chat_of(&interaction)?;
                self.transfer_chat(&chat, &worker, &from, &to)
            }
            ChatRequest::ListTransfers(interaction) => {
                let chat = self.chat_of(&interaction)?;
                Ok(self.transfer_list(&chat))
            }
            ChatRequest::UpdateParticipant { interaction, participant, status } => {
                let chat = self.chat_of(&interaction)?;
                self.update_participant(&chat, &participant, &status)
            }
            ChatRequest::Webhooks(settings) => Ok(self.set_chat_webhooks(settings)),
        }
    }

    fn chat(&self, conversation: &ConversationSid) -> Result<&Chat, ApiError> {
        self.chats.get(conversation).ok_or_else(|| missing("conversation"))
    }

    fn chat_of(&self, interaction: &InteractionSid) -> Result<ConversationSid, ApiError> {
        let found = self.chats.iter().find(|(_, chat)| chat.interaction == *interaction);
        found.map(|(sid, _)| sid.clone()).ok_or_else(|| missing("interaction"))
    }

    /// The conversation whose interaction has these digits: Flex's requests name an interaction, and for a call that is
    /// named after its task.
    pub(super) fn chat_with(&self, task: &TaskSid) -> Option<ConversationSid> {
        let interaction = InteractionSid::parse(&format!("KD{}", task.digits())).ok()?;
        self.chat_of(&interaction).ok()
    }
}

fn missing(what: &str) -> ApiError {
    ApiError::not_found(what)
}
