//! What there is in the account.

use crate::Error;
use crate::streams;
use rejoin_protocol::{AccountSid, WorkspaceSid};
use rejoin_twilio::{
    Activity, Client, ConversationWebhook, PhoneNumber, Sink, SubscribedEvent, TaskChannel, TaskQueue,
    VoiceAddresses, Workflow,
};
use serde_json::Value;

/// What there is in the account, as far as a set-up needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// The account.
    pub sid: AccountSid,
    /// Flex's workspace.
    pub workspace: WorkspaceSid,
    /// `ui_attributes` of Flex's configuration.
    pub ui_attributes: Value,
    /// Activities.
    pub activities: Vec<Activity>,
    /// Task channels.
    pub channels: Vec<TaskChannel>,
    /// Queues.
    pub queues: Vec<TaskQueue>,
    /// Workflows.
    pub workflows: Vec<Workflow>,
    /// Sinks of Event Streams that lead to the server, each with the types that it gets.
    pub sinks: Vec<(Sink, Vec<SubscribedEvent>)>,
    /// Phone numbers; empty until [`Account::read_numbers`].
    pub numbers: Vec<PhoneNumber>,
    /// The addresses of TwiML applications; empty until [`Account::read_numbers`].
    pub applications: Vec<VoiceAddresses>,
    /// Where events of conversations go; as if nowhere until [`Account::read_chats`].
    pub chats: ConversationWebhook,
}

impl Account {
    /// Flex's workspace, which its configuration names: another workspace may have the same name.
    ///
    /// # Errors
    /// When Twilio does not answer, or there is no Flex.
    pub async fn workspace(client: &Client) -> Result<WorkspaceSid, Error> {
        let configuration = client.flex_configuration().await.map_err(during("read Flex's configuration"))?;
        let workspace = configuration["taskrouter_workspace_sid"].as_str();
        workspace.and_then(|sid| WorkspaceSid::parse(sid).ok()).ok_or(Error::NoFlex)
    }

    /// Asks Twilio. Changes nothing. Of Event Streams only what leads to the server's address is read.
    ///
    /// # Errors
    /// When Twilio does not answer.
    pub async fn read(
        client: &Client,
        sid: AccountSid,
        workspace: WorkspaceSid,
        public_url: &str,
    ) -> Result<Self, Error> {
        let configuration = client.flex_configuration().await.map_err(during("read Flex's configuration"))?;
        Ok(Self {
            sid,
            workspace,
            ui_attributes: configuration["ui_attributes"].clone(),
            activities: client.list_activities().await.map_err(during("read the activities"))?,
            channels: client.list_task_channels().await.map_err(during("read the task channels"))?,
            queues: client.list_task_queues().await.map_err(during("read the queues"))?,
            workflows: client.list_workflows().await.map_err(during("read the workflows"))?,
            sinks: sinks(client, public_url).await.map_err(during("read Event Streams"))?,
            numbers: vec![],
            applications: vec![],
            chats: ConversationWebhook::default(),
        })
    }

    /// Asks Twilio for the phone numbers and the TwiML applications, which are needed only if there is a fallback.
    ///
    /// # Errors
    /// When Twilio does not answer, or does not allow it.
    pub async fn read_numbers(&mut self, client: &Client) -> Result<(), Error> {
        self.numbers = client.list_phone_numbers().await.map_err(during("read the phone numbers"))?;
        self.applications =
            client.list_applications().await.map_err(during("read the TwiML applications"))?;
        Ok(())
    }

    /// Asks Twilio where events of conversations go, which is needed only if the server watches them.
    ///
    /// # Errors
    /// When Twilio does not answer, or does not allow it.
    pub async fn read_chats(&mut self, client: &Client) -> Result<(), Error> {
        self.chats =
            client.conversation_webhook().await.map_err(during("read the webhook of Conversations"))?;
        Ok(())
    }

    /// `ui_attributes.custom_data.rejoin`.
    pub(crate) fn rejoin(&self) -> Option<&Value> {
        self.ui_attributes.get("custom_data")?.get("rejoin")
    }
}

async fn sinks(
    client: &Client,
    public_url: &str,
) -> Result<Vec<(Sink, Vec<SubscribedEvent>)>, rejoin_twilio::Error> {
    let (address, mut all) = (streams::address(public_url), vec![]);
    for sink in client.list_sinks().await?.into_iter().filter(|sink| streams::leads_to(sink, &address)) {
        let mut types = vec![];
        for subscription in client.list_subscriptions(&sink.sid).await? {
            types.extend(client.list_subscribed_events(&subscription.sid).await?);
        }
        all.push((sink, types));
    }
    Ok(all)
}

/// An error of Twilio's while that was done.
pub(crate) fn during(doing: &str) -> impl FnOnce(rejoin_twilio::Error) -> Error + use<'_> {
    move |source| Error::Twilio { doing: doing.to_owned(), source }
}
