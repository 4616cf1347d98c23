//! Reads of the account beyond calls and tasks. Nothing here changes anything.

use super::{API, Client, EVENTS, SERVERLESS, STUDIO, TASKROUTER, WEBHOOKS};
use crate::account::{
    Account, Flow, ListedWorker, PhoneNumber, Sink, SubscribedEvent, Subscription, VoiceAddresses,
    WebhookRule, WebhookSetting, WorkerChannel,
};
use crate::error::Error;
use crate::gate::Family;
use crate::hosted::ConfiguredPlugin;
use http::Method;
use rejoin_protocol::{Millis, SinkSid, SubscriptionSid, WorkerSid};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

impl Client {
    /// Fetches the account, with Twilio's clock (`Date`, whole seconds).
    pub async fn fetch_account(&self) -> Result<(Account, Option<Millis>), Error> {
        let path = format!("{}.json", self.settings.account);
        self.request(Method::GET, API, ("/2010-04-01/Accounts/", &path), Some(Family::Voice)).dated().await
    }

    /// Succeeds when conferences may be read.
    pub async fn may_read_conferences(&self) -> Result<(), Error> {
        self.readable(API, &self.account(), "Conferences.json?PageSize=1", Some(Family::Voice)).await
    }

    /// Succeeds when services of Functions and Assets may be read
    /// (<https://www.twilio.com/docs/serverless/api/resource/service>).
    pub async fn may_read_services(&self) -> Result<(), Error> {
        self.readable(SERVERLESS, "/v1/", "Services?PageSize=1", None).await
    }

    /// Lists the account's phone numbers.
    pub async fn list_phone_numbers(&self) -> Result<Vec<PhoneNumber>, Error> {
        let path = "IncomingPhoneNumbers.json?PageSize=1000";
        self.list(API, &self.account(), path, Some(Family::Voice)).await
    }

    /// Lists the addresses of the account's TwiML applications (<https://www.twilio.com/docs/usage/api/applications>).
    pub async fn list_applications(&self) -> Result<Vec<VoiceAddresses>, Error> {
        let path = "Applications.json?PageSize=1000";
        self.list(API, &self.account(), path, Some(Family::Voice)).await
    }

    /// The first workers of the workspace, and whether there are more. `at_most`: 1 to 1000.
    pub async fn first_workers(&self, at_most: usize) -> Result<(Vec<ListedWorker>, bool), Error> {
        let path = format!("Workers?PageSize={at_most}");
        self.first_page(TASKROUTER, &self.workspace(), &path, Some(Family::TaskRouter)).await
    }

    /// Lists a worker's shares of the task channels.
    pub async fn list_worker_channels(&self, worker: &WorkerSid) -> Result<Vec<WorkerChannel>, Error> {
        self.taskrouter_list(&format!("Workers/{worker}/Channels?PageSize=100")).await
    }

    /// Lists Studio's flows, without their definitions.
    pub async fn list_flows(&self) -> Result<Vec<Flow>, Error> {
        self.list(STUDIO, "/v2/", "Flows?PageSize=100", None).await
    }

    /// Fetches a flow with its definition.
    pub async fn fetch_flow(&self, flow: &str) -> Result<Flow, Error> {
        self.request(Method::GET, STUDIO, ("/v2/", &format!("Flows/{flow}")), None).json(&[]).await
    }

    /// Lists the sinks of Event Streams.
    pub async fn list_sinks(&self) -> Result<Vec<Sink>, Error> {
        self.list(EVENTS, "/v1/", "Sinks?PageSize=100", None).await
    }

    /// Lists the subscriptions of a sink.
    pub async fn list_subscriptions(&self, sink: &SinkSid) -> Result<Vec<Subscription>, Error> {
        self.list(EVENTS, "/v1/", &format!("Subscriptions?SinkSid={sink}&PageSize=100"), None).await
    }

    /// Lists the types of a subscription.
    pub async fn list_subscribed_events(
        &self,
        subscription: &SubscriptionSid,
    ) -> Result<Vec<SubscribedEvent>, Error> {
        let path = format!("Subscriptions/{subscription}/SubscribedEvents?PageSize=100");
        self.list(EVENTS, "/v1/", &path, None).await
    }

    /// The plugins of the active release, which is the newest one; `None`: nothing was released
    /// (<https://www.twilio.com/docs/flex/developer/plugins/api/plugin-release>).
    pub async fn released_plugins(&self) -> Result<Option<Vec<ConfiguredPlugin>>, Error> {
        let Some(release) = self.list_releases(1).await?.into_iter().next() else { return Ok(None) };
        self.list_configured_plugins(&release.configuration_sid).await.map(Some)
    }

    /// Lists the rules of the Webhooks configuration API. An account without this API, a public beta, is [`Error::Gone`].
    pub async fn list_webhook_rules(&self) -> Result<Vec<WebhookRule>, Error> {
        self.webhooks("Rules").await
    }

    /// Lists its settings.
    pub async fn list_webhook_settings(&self) -> Result<Vec<WebhookSetting>, Error> {
        self.webhooks("Settings").await
    }

    /// Unconfirmed: the list's name in the answer, which the documents
    /// (<https://www.twilio.com/docs/usage/webhooks/webhook-configuration>) do not show. Whatever list there is is read.
    async fn webhooks<T: DeserializeOwned>(&self, what: &str) -> Result<Vec<T>, Error> {
        let answer: Value =
            self.request(Method::GET, WEBHOOKS, ("/v1/Webhooks/", what), None).json(&[]).await?;
        let list = match answer {
            Value::Array(list) => Some(list),
            Value::Object(object) => object.into_iter().find_map(|(_, value)| match value {
                Value::Array(list) => Some(list),
                _ => None,
            }),
            _ => None,
        };
        let unreadable = Error::Unreadable { may_have_acted: false };
        let list = list.ok_or(unreadable.clone())?;
        list.into_iter().map(|item| serde_json::from_value(item).map_err(|_| unreadable.clone())).collect()
    }

    async fn readable(
        &self,
        host: &str,
        before: &str,
        path: &str,
        family: Option<Family>,
    ) -> Result<(), Error> {
        self.first_page::<IgnoredAny>(host, before, path, family).await.map(drop)
    }
}
