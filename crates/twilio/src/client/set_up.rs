//! What an administrator sets up: activities, task channels, queues and workflows of the workspace, and Flex's configuration.
//!
//! Twilio gives none of them a version: who writes one has read it just before, and reads it again afterwards.

use super::request::Request;
use super::{API, Client, EVENTS, FLEX};
use crate::account::{Holder, Sink, Subscription, VoiceAddresses};
use crate::error::Error;
use crate::gate::Family;
use crate::resource::{Activity, TaskChannel, TaskQueue, Workflow};
use bytes::Bytes;
use http::{Method, header};
use rejoin_protocol::{ActivitySid, SinkSid, SubscriptionSid, TaskChannelSid, TaskQueueSid, WorkflowSid};
use serde_json::{Value, json};

impl Client {
    /// Creates an activity. Whether it receives tasks cannot be changed later
    /// (<https://www.twilio.com/docs/taskrouter/api/activity>).
    pub async fn create_activity(&self, name: &str, available: bool) -> Result<Activity, Error> {
        let form = [("FriendlyName", name), ("Available", if available { "true" } else { "false" })];
        self.taskrouter(Method::POST, "Activities").json(&form).await
    }

    /// Deletes an activity.
    pub async fn delete_activity(&self, activity: &ActivitySid) -> Result<(), Error> {
        self.taskrouter(Method::DELETE, &format!("Activities/{activity}")).done(&[]).await
    }

    /// Lists the workspace's task channels (<https://www.twilio.com/docs/taskrouter/api/task-channel>).
    pub async fn list_task_channels(&self) -> Result<Vec<TaskChannel>, Error> {
        self.taskrouter_list("TaskChannels?PageSize=1000").await
    }

    /// Creates a task channel.
    pub async fn create_task_channel(&self, name: &str, unique_name: &str) -> Result<TaskChannel, Error> {
        let form = [("FriendlyName", name), ("UniqueName", unique_name)];
        self.taskrouter(Method::POST, "TaskChannels").json(&form).await
    }

    /// Deletes a task channel.
    pub async fn delete_task_channel(&self, channel: &TaskChannelSid) -> Result<(), Error> {
        self.taskrouter(Method::DELETE, &format!("TaskChannels/{channel}")).done(&[]).await
    }

    /// Lists the workspace's queues (<https://www.twilio.com/docs/taskrouter/api/task-queue>).
    pub async fn list_task_queues(&self) -> Result<Vec<TaskQueue>, Error> {
        self.taskrouter_list("TaskQueues?PageSize=1000").await
    }

    /// Creates a queue for every worker.
    pub async fn create_task_queue(&self, name: &str) -> Result<TaskQueue, Error> {
        let form = [("FriendlyName", name), ("TargetWorkers", "1==1")];
        self.taskrouter(Method::POST, "TaskQueues").json(&form).await
    }

    /// Deletes a queue.
    pub async fn delete_task_queue(&self, queue: &TaskQueueSid) -> Result<(), Error> {
        self.taskrouter(Method::DELETE, &format!("TaskQueues/{queue}")).done(&[]).await
    }

    /// Lists the workspace's workflows (<https://www.twilio.com/docs/taskrouter/api/workflow>).
    pub async fn list_workflows(&self) -> Result<Vec<Workflow>, Error> {
        self.taskrouter_list("Workflows?PageSize=100").await
    }

    /// Fetches a workflow.
    pub async fn fetch_workflow(&self, workflow: &WorkflowSid) -> Result<Workflow, Error> {
        self.taskrouter(Method::GET, &format!("Workflows/{workflow}")).json(&[]).await
    }

    /// Creates a workflow. `configuration`: JSON text.
    pub async fn create_workflow(&self, name: &str, configuration: &str) -> Result<Workflow, Error> {
        let form = [("FriendlyName", name), ("Configuration", configuration)];
        self.taskrouter(Method::POST, "Workflows").json(&form).await
    }

    /// Fetches the addresses of a phone number (`PN…`), or of a TwiML application (`AP…`).
    pub async fn fetch_voice_addresses(&self, sid: &str) -> Result<VoiceAddresses, Error> {
        self.holder(Method::GET, sid).json(&[]).await
    }

    /// Sets the fallback address of a phone number (`PN…`), or of a TwiML application (`AP…`), and how it is requested; an empty
    /// one removes it (<https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource>,
    /// <https://www.twilio.com/docs/usage/api/applications>).
    pub async fn set_voice_fallback(
        &self,
        sid: &str,
        url: &str,
        method: Option<&str>,
    ) -> Result<VoiceAddresses, Error> {
        let mut form = vec![("VoiceFallbackUrl", url)];
        form.extend(method.map(|method| ("VoiceFallbackMethod", method)));
        self.holder(Method::POST, sid).json(&form).await
    }

    fn holder(&self, method: Method, sid: &str) -> Request {
        let path = format!("{}/{sid}.json", Holder::of(sid).collection());
        self.request(method, API, (&self.account(), &path), Some(Family::Voice))
    }

    /// Replaces a workflow's configuration (JSON text).
    pub async fn configure_workflow(
        &self,
        workflow: &WorkflowSid,
        configuration: &str,
    ) -> Result<Workflow, Error> {
        let form = [("Configuration", configuration)];
        self.taskrouter(Method::POST, &format!("Workflows/{workflow}")).json(&form).await
    }

    /// Deletes a workflow.
    pub async fn delete_workflow(&self, workflow: &WorkflowSid) -> Result<(), Error> {
        self.taskrouter(Method::DELETE, &format!("Workflows/{workflow}")).done(&[]).await
    }

    /// Creates a sink of Event Streams that sends batches to this address
    /// (<https://www.twilio.com/docs/events/event-streams/sink-resource>).
    pub async fn create_sink(&self, description: &str, destination: &str) -> Result<Sink, Error> {
        let configuration = json!({ "destination": destination, "method": "POST", "batch_events": true });
        let configuration = configuration.to_string();
        let form =
            [("Description", description), ("SinkConfiguration", &configuration), ("SinkType", "webhook")];
        self.events(Method::POST, "Sinks").json(&form).await
    }

    /// Deletes a sink that has no subscription.
    pub async fn delete_sink(&self, sink: &SinkSid) -> Result<(), Error> {
        self.events(Method::DELETE, &format!("Sinks/{sink}")).done(&[]).await
    }

    /// Subscribes a sink to these types, each in this version of its schema
    /// (<https://www.twilio.com/docs/events/event-streams/subscription>).
    pub async fn create_subscription(
        &self,
        description: &str,
        sink: &SinkSid,
        types: &[(&str, u32)],
    ) -> Result<Subscription, Error> {
        let types: Vec<String> = types
            .iter()
            .map(|(kind, version)| json!({ "type": kind, "schema_version": version }).to_string())
            .collect();
        let mut form = vec![("Description", description), ("SinkSid", sink.as_str())];
        form.extend(types.iter().map(|one| ("Types", one.as_str())));
        self.events(Method::POST, "Subscriptions").json(&form).await
    }

    /// Deletes a subscription.
    pub async fn delete_subscription(&self, subscription: &SubscriptionSid) -> Result<(), Error> {
        self.events(Method::DELETE, &format!("Subscriptions/{subscription}")).done(&[]).await
    }

    /// Fetches Flex's configuration (<https://www.twilio.com/docs/flex/developer/config/flex-configuration-rest-api>).
    pub async fn flex_configuration(&self) -> Result<Value, Error> {
        self.flex(Method::GET).json(&[]).await
    }

    /// Replaces `ui_attributes` in Flex's configuration, whole. The other keys stay as they are.
    pub async fn set_ui_attributes(&self, ui_attributes: &Value) -> Result<Value, Error> {
        let body = json!({ "account_sid": self.settings.account, "ui_attributes": ui_attributes });
        let request = self.flex(Method::POST).with(header::CONTENT_TYPE, "application/json");
        Request { body: Bytes::from(body.to_string()), ..request }.json(&[]).await
    }

    fn events(&self, method: Method, path: &str) -> Request {
        self.request(method, EVENTS, ("/v1/", path), None)
    }

    fn flex(&self, method: Method) -> Request {
        self.request(method, FLEX, ("/v1/", "Configuration"), None)
    }
}
