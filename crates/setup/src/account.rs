//! What there is in the account.

use crate::Error;
use rejoin_protocol::{AccountSid, WorkspaceSid};
use rejoin_twilio::{Activity, Client, TaskChannel, TaskQueue, Workflow};
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
}

impl Account {
    /// Flex's workspace, which its configuration names: a name may be anybody's.
    ///
    /// # Errors
    /// When Twilio does not answer, or there is no Flex.
    pub async fn workspace(client: &Client) -> Result<WorkspaceSid, Error> {
        let configuration = client.flex_configuration().await.map_err(during("read Flex's configuration"))?;
        let workspace = configuration["taskrouter_workspace_sid"].as_str();
        workspace.and_then(|sid| WorkspaceSid::parse(sid).ok()).ok_or(Error::NoFlex)
    }

    /// Asks Twilio. Changes nothing.
    ///
    /// # Errors
    /// When Twilio does not answer.
    pub async fn read(client: &Client, sid: AccountSid, workspace: WorkspaceSid) -> Result<Self, Error> {
        let configuration = client.flex_configuration().await.map_err(during("read Flex's configuration"))?;
        Ok(Self {
            sid,
            workspace,
            ui_attributes: configuration["ui_attributes"].clone(),
            activities: client.list_activities().await.map_err(during("read the activities"))?,
            channels: client.list_task_channels().await.map_err(during("read the task channels"))?,
            queues: client.list_task_queues().await.map_err(during("read the queues"))?,
            workflows: client.list_workflows().await.map_err(during("read the workflows"))?,
        })
    }

    /// `ui_attributes.custom_data.rejoin`.
    pub(crate) fn rejoin(&self) -> Option<&Value> {
        self.ui_attributes.get("custom_data")?.get("rejoin")
    }
}

/// An error of Twilio's while that was done.
pub(crate) fn during(doing: &str) -> impl FnOnce(rejoin_twilio::Error) -> Error + use<'_> {
    move |source| Error::Twilio { doing: doing.to_owned(), source }
}
