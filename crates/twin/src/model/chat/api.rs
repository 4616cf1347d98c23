//! What is asked of conversations, and what their clients are told.

use super::WebhookSettings;
use rejoin_protocol::{
    ConversationSid, InteractionSid, InviteSid, ParticipantSid, ReservationSid, TaskQueueSid, WorkerSid,
    WorkflowSid,
};
use serde_json::Value;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatRequest {
    /// A customer begins a web chat, and the flow of its address sends it to Flex.
    Begin(NewChat),
    /// `POST Conversations/{CH}/Messages`, of the REST API or of the SDK.
    Say {
        /// The conversation.
        conversation: ConversationSid,
        /// The message.
        message: NewMessage,
    },
    /// The SDK: this user has read up to this message.
    Read {
        /// The conversation.
        conversation: ConversationSid,
        /// The user.
        identity: String,
        /// Index of the last message read; `None`: none.
        index: Option<u64>,
    },
    /// The SDK: this user types.
    Types {
        /// The conversation.
        conversation: ConversationSid,
        /// The user.
        identity: String,
    },
    /// The SDK: `GET Users/{identity}/Conversations`.
    ListOf {
        /// The user.
        identity: String,
    },
    /// `GET Conversations/{CH}`.
    Fetch(ConversationSid),
    /// `GET Conversations/{CH}/Messages`.
    ListMessages {
        /// The conversation.
        conversation: ConversationSid,
        /// `Order`: `desc`.
        newest_first: bool,
    },
    /// `GET Conversations/{CH}/Participants`.
    ListMembers(ConversationSid),
    /// `GET Interactions/{KD}/Channels/{UO}`.
    FetchChannel(InteractionSid),
    /// `POST Interactions/{KD}/Channels/{UO}`.
    UpdateChannel {
        /// The interaction.
        interaction: InteractionSid,
        /// `Status`: `closed` or `inactive`; of Flex also `pause`.
        status: String,
        /// `Routing.status`: `closed` or `wrapup`.
        routing: Option<String>,
    },
    /// Flex: the worker who has paused it goes on: `status` `active`.
    Resume {
        /// The interaction.
        interaction: InteractionSid,
        /// The requesting worker.
        worker: WorkerSid,
    },
    /// Flex: `GET Channels?status=pause`.
    ListPaused {
        /// The requesting worker.
        worker: WorkerSid,
    },
    /// `POST Interactions/{KD}/Channels/{UO}/Invites`.
    Invite {
        /// The interaction.
        interaction: InteractionSid,
        /// `Routing.properties`.
        routing: InviteRouting,
    },
    /// `GET Interactions/{KD}/Channels/{UO}/Invites`.
    ListInvites(InteractionSid),
    /// Flex: an agent accepts or declines.
    AnswerInvite {
        /// The interaction.
        interaction: InteractionSid,
        /// The invite.
        invite: InviteSid,
        /// The requesting worker.
        worker: WorkerSid,
        /// False: declines.
        accept: bool,
        /// The worker's reservation of the invite's task.
        reservation: ReservationSid,
    },
    /// `GET Interactions/{KD}/Channels/{UO}/Participants`.
    ListParticipants(InteractionSid),
    /// Flex: the same with `status` `all`: also those who have left.
    ListAllParticipants(InteractionSid),
    /// `POST Interactions/{KD}/Channels/{UO}/Participants/{UT}`.
    UpdateParticipant {
        /// The interaction.
        interaction: InteractionSid,
        /// The participant.
        participant: ParticipantSid,
        /// `Status`: `closed` or `wrapup`.
        status: String,
    },
    /// Flex: `POST Instances/{GO}/Interactions/{KD}/Channels/{UO}/Transfers`.
    Transfer {
        /// The interaction.
        interaction: InteractionSid,
        /// The requesting worker.
        worker: WorkerSid,
        /// `from`: the worker's participant.
        from: ParticipantSid,
        /// `to`: a worker or a queue.
        to: String,
    },
    /// Flex: `GET Instances/{GO}/Interactions/{KD}/Channels/{UO}/Transfers`.
    ListTransfers(InteractionSid),
    /// Sets the webhooks of the account's conversations and interactions.
    Webhooks(WebhookSettings),
}

/// A web chat that a customer begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewChat {
    /// The customer's identity in the conversation.
    pub identity: String,
    /// The customer's name, as they gave it.
    pub name: String,
    /// Task channel of the invite; default `chat`.
    pub task_channel: Option<String>,
    /// More attributes of the task: a JSON object as text.
    pub attributes: Option<String>,
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewMessage {
    /// Who says it: a user's identity, or any name for the REST API.
    pub author: String,
    /// The text.
    pub body: String,
    /// JSON text; default `{}`.
    pub attributes: Option<String>,
    /// True when the author is asked to be in the conversation: the SDK.
    pub by_member: bool,
    /// True when the webhooks are told: always for the SDK, with `X-Twilio-Webhook-Enabled` for the REST API.
    pub webhooks: bool,
}

/// `Routing.properties` of an invite (<https://www.twilio.com/docs/flex/developer/conversations/interactions-api/invites-subresource>).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InviteRouting {
    /// `workflow_sid`.
    pub workflow: Option<WorkflowSid>,
    /// `queue_sid`.
    pub queue: Option<TaskQueueSid>,
    /// `worker_sid`: this worker alone. When the worker declines, the conversation is orphaned.
    pub worker: Option<WorkerSid>,
    /// `task_channel_unique_name` or `task_channel_sid`; default `chat`.
    pub task_channel: Option<String>,
    /// `attributes`, JSON text: those of an earlier task are not carried over.
    pub attributes: Option<String>,
    /// `priority`.
    pub priority: u32,
    /// `timeout` of the task, seconds.
    pub timeout: Option<u64>,
}

/// A change of what clients of the Conversations SDK see: objects of Sync, by their unique names.
#[derive(Clone, Debug, PartialEq)]
pub enum SyncChange {
    /// A document has new content; it is made when there is none.
    Document {
        /// Name.
        name: String,
        /// Content.
        data: Value,
    },
    /// An item of a map has new content; map and item are made when there is none. Without an item only the map is made.
    Item {
        /// Name of the map.
        map: String,
        /// Key and content.
        item: Option<(String, Value)>,
    },
    /// An item of a map is gone.
    Gone {
        /// Name of the map.
        map: String,
        /// Key.
        key: String,
    },
    /// A list has one more item; it is made when there is none. Without an item only the list is made.
    Pushed {
        /// Name of the list.
        list: String,
        /// Content.
        item: Option<Value>,
    },
    /// A user types, which some others see.
    Types {
        /// The conversation.
        conversation: ConversationSid,
        /// Who types.
        identity: String,
        /// Who sees it.
        others: Vec<String>,
    },
}
