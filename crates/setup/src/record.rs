//! What was there before, and what was created: a file beside the settings, from which `rejoin unprovision` restores the account.

use crate::Error;
use rejoin_protocol::{
    AccountSid, ActivitySid, SinkSid, SubscriptionSid, TaskChannelSid, TaskQueueSid, WorkflowSid,
    WorkspaceSid,
};
use rejoin_twilio::ConversationWebhook;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What was done to an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
// What a newer version has written would be lost.
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The account.
    pub account: AccountSid,
    /// Flex's workspace.
    pub workspace: WorkspaceSid,
    /// The task channel, if it was created.
    #[serde(default)]
    pub channel: Option<TaskChannelSid>,
    /// The activity, if it was created.
    #[serde(default)]
    pub activity: Option<ActivitySid>,
    /// The queue, if it was created.
    #[serde(default)]
    pub queue: Option<TaskQueueSid>,
    /// The workflow of the Recovery Pings, if it was created.
    #[serde(default)]
    pub ping_workflow: Option<WorkflowSid>,
    /// Sinks of Event Streams that were created: one for each address that the server had.
    #[serde(default)]
    pub sinks: Vec<SinkSid>,
    /// Subscriptions that were created.
    #[serde(default)]
    pub subscriptions: Vec<SubscriptionSid>,
    /// Workflows that were given a filter.
    #[serde(default)]
    pub workflows: BTreeMap<WorkflowSid, WorkflowRecord>,
    /// Phone numbers and TwiML applications that were given our fallback address, by their SIDs. Earlier versions knew of numbers alone.
    #[serde(default, alias = "numbers", skip_serializing_if = "BTreeMap::is_empty")]
    pub fallbacks: BTreeMap<String, FallbackRecord>,
    /// The webhook of Conversations, if it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chats: Option<ChatsRecord>,
    /// `ui_attributes.custom_data.rejoin`, if it was written.
    #[serde(default)]
    pub flex: Option<FlexRecord>,
}

/// A workflow that was given a filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowRecord {
    /// Its configuration as it was.
    pub before: String,
    /// As it was written.
    pub after: String,
}

/// A phone number or a TwiML application that was given our fallback address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FallbackRecord {
    /// `VoiceFallbackUrl` as it was; empty: none.
    pub url: String,
    /// `VoiceFallbackMethod` as it was, if Twilio said it.
    pub method: Option<String>,
    /// The addresses that were written, or were about to be: a run may have ended in between.
    pub after: Vec<String>,
}

/// The webhook of Conversations that was given our address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatsRecord {
    /// As it was.
    pub before: ConversationWebhook,
    /// The addresses that were written, or were about to be: a run may have ended in between.
    pub after: Vec<String>,
}

/// What Flex's configuration had for Rejoin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlexRecord {
    /// As it was; `None`: it had nothing.
    pub before: Option<Value>,
    /// As it was written last.
    pub after: Value,
}

impl Record {
    /// The record of an account of which nothing was done.
    pub fn new(account: AccountSid, workspace: WorkspaceSid) -> Self {
        Self {
            account,
            workspace,
            channel: None,
            activity: None,
            queue: None,
            ping_workflow: None,
            sinks: vec![],
            subscriptions: vec![],
            workflows: BTreeMap::new(),
            fallbacks: BTreeMap::new(),
            chats: None,
            flex: None,
        }
    }

    /// The record in this file; `None` if there is none.
    ///
    /// # Errors
    /// When the file cannot be read, is no record, or is of another account.
    pub fn read(path: &Path, account: &AccountSid) -> Result<Option<Self>, Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::File { path: path.into(), source }),
        };
        let wrong = |why: String| Error::Record { path: PathBuf::from(path), why };
        let record: Self = serde_json::from_str(&text)
            .map_err(|error| wrong(format!("is not a record of `rejoin provision`: {error}")))?;
        if record.account != *account {
            return Err(wrong(format!(
                "is of the account {}, not of {account}: name another file (--record)",
                record.account
            )));
        }
        Ok(Some(record))
    }

    /// Writes the record into this file: as a whole, or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        let next = path.with_extension("json.new");
        let written = fs::write(&next, text).and_then(|()| fs::rename(&next, path));
        written.map_err(|source| Error::File { path: path.into(), source })
    }
}
