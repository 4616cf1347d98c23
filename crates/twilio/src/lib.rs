//! Communication with Twilio: signatures, TwiML, parsing of webhooks and events, and a thin REST client.
//!
//! Nothing here decides anything about a call, and nothing here logs.

mod account;
mod client;
mod conversation;
pub mod conversation_webhook;
mod error;
pub mod events;
mod gate;
mod hosted;
mod only;
mod read_twiml;
mod resource;
pub mod signature;
mod transport;
pub mod twiml;
pub mod webhook;
mod witness;

pub use account::{
    Account, ConversationWebhook, Flow, Holder, ListedWorker, Offer, PhoneNumber, Sink, SubscribedEvent,
    Subscription, VoiceAddresses, WebhookRule, WebhookSetting, WorkerChannel,
};
pub use client::{
    ChannelEnd, ChannelPath, Client, ConferenceInstruction, NewAssetVersion, NewCall, NewInvite,
    NewPluginVersion, NewTask, ParticipantChange, Settings, TaskEnd, encoded,
};
pub use conversation::{
    Conversation, InteractionChannel, InteractionParticipant, Invite, Member, Message, RoutingProperties,
};
pub use error::{CALL_NOT_IN_PROGRESS, Error};
pub use gate::{Answer, Family, Gate, Pass, Passing};
pub use hosted::{
    Asset, AssetVersion, Build, ConfiguredPlugin, Environment, FunctionVersion, PluginConfiguration,
    PluginVersion, Release, Service,
};
pub use read_twiml::{ReadVerb, read_twiml};
pub use resource::{
    Activity, Call, Conference, Event, Participant, Reservation, Task, TaskChannel, TaskQueue, TokenInfo,
    Worker, Workflow,
};
pub use transport::{Body, Sending, Transport, Unanswered, network};
pub use witness::{Asked, Witness};
