//! Event Streams: sinks, what is subscribed for them, and delivery: in batches, at least once, repeated for hours
//! (<https://www.twilio.com/docs/events/event-delivery-and-duplication>).

use crate::{
    clock::now,
    config::TwinConfig,
    dates::iso,
    log::Log,
    model::{ApiError, StreamEvent},
    requests::{TASKROUTER, cloud_event},
    webhooks::Webhooks,
};
use rejoin_protocol::{AccountSid, Millis};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::mpsc;

/// Failed deliveries are repeated for so long.
const PATIENCE: Millis = Millis::seconds(4 * 3600);
/// The first pause before a repetition; the next ones are twice as long each.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);

const URL: &str = "https://events.twilio.com/v1";

/// All sinks of the account.
#[derive(Debug, Default)]
pub(crate) struct Sinks {
    sinks: Vec<Sink>,
    subscriptions: Vec<Subscription>,
    made: u128,
}

#[derive(Debug)]
struct Sink {
    sid: String,
    events: mpsc::UnboundedSender<Value>,
    /// As the API shows it.
    shown: Value,
}

#[derive(Debug)]
struct Subscription {
    sid: String,
    sink: String,
    /// Types, with the version of the schema that was asked for.
    types: BTreeMap<String, Option<u64>>,
    /// As the API shows it.
    shown: Value,
}

impl Sinks {
    /// `POST /v1/Sinks`.
    ///
    /// # Errors
    /// When the configuration is not that of a webhook.
    pub(crate) fn add(
        &mut self,
        config: &TwinConfig,
        log: &Log,
        description: &str,
        kind: &str,
        configuration: &str,
    ) -> Result<Value, ApiError> {
        let configuration: Value = serde_json::from_str(configuration)
            .map_err(|_| ApiError::bad_request("SinkConfiguration is not JSON"))?;
        let destination = configuration["destination"].as_str().filter(|_| kind == "webhook");
        let destination = destination
            .filter(|destination| reqwest::Url::parse(destination).is_ok_and(|url| url.has_host()))
            .ok_or_else(|| ApiError::bad_request("only webhooks are modelled, with a destination"))?
            .to_owned();
        if !matches!(configuration["method"].as_str(), None | Some("POST")) {
            return Err(ApiError::bad_request("events are sent with POST only"));
        }
        let batch = configuration["batch_events"] == true;
        let webhooks =
            Webhooks::new(config, log.clone()).map_err(|error| ApiError::bad_request(error.to_string()))?;
        let (events, waiting) = mpsc::unbounded_channel();
        let delivery = Delivery { webhooks, destination, log: log.clone(), delay: config.facts.event_delay };
        tokio::spawn(deliver(delivery, batch, waiting));
        let sid = self.sid("DG");
        let (url, now) = (format!("{URL}/Sinks/{sid}"), iso(now()));
        let shown = json!({
            "sid": sid, "status": "active", "sink_type": kind, "sink_configuration": configuration,
            "description": description, "date_created": now, "date_updated": now, "url": url,
            "links": {"sink_test": format!("{url}/Test"), "sink_validate": format!("{url}/Validate")},
        });
        self.sinks.push(Sink { sid, events, shown: shown.clone() });
        Ok(shown)
    }

    /// `POST /v1/Subscriptions`.
    ///
    /// # Errors
    /// When there is no such sink, or a type cannot be read.
    pub(crate) fn subscribe(
        &mut self,
        config: &TwinConfig,
        description: &str,
        sink: &str,
        types: &[String],
    ) -> Result<Value, ApiError> {
        if !self.sinks.iter().any(|known| known.sid == sink) {
            return Err(ApiError::bad_request("there is no such SinkSid"));
        }
        let named = |text: &String| {
            let one: Value = serde_json::from_str(text).ok()?;
            Some((one["type"].as_str()?.to_owned(), one["schema_version"].as_u64()))
        };
        let names: Option<BTreeMap<_, _>> = types.iter().map(named).collect();
        let types = names.filter(|types| !types.is_empty());
        let types =
            types.ok_or_else(|| ApiError::bad_request("Types are not of the form {\"type\":\"…\"}"))?;
        let sid = self.sid("DF");
        let (url, now) = (format!("{URL}/Subscriptions/{sid}"), iso(now()));
        let shown = json!({
            "sid": sid, "account_sid": config.account, "sink_sid": sink, "description": description,
            "date_created": now, "date_updated": now, "url": url,
            "links": {"subscribed_events": format!("{url}/SubscribedEvents")},
        });
        self.subscriptions.push(Subscription { sid, sink: sink.to_owned(), types, shown: shown.clone() });
        Ok(shown)
    }

    /// `GET /v1/Sinks`.
    pub(crate) fn shown(&self) -> Vec<Value> {
        self.sinks.iter().map(|sink| sink.shown.clone()).collect()
    }

    /// `GET /v1/Subscriptions`.
    pub(crate) fn subscriptions(&self) -> Vec<Value> {
        self.subscriptions.iter().map(|subscription| subscription.shown.clone()).collect()
    }

    /// `GET /v1/Subscriptions/{DF}/SubscribedEvents`.
    ///
    /// # Errors
    /// When there is no such subscription.
    pub(crate) fn types(&self, account: &AccountSid, sid: &str) -> Result<Vec<Value>, ApiError> {
        let found = self.subscriptions.iter().find(|subscription| subscription.sid == sid);
        let found = found.ok_or_else(|| ApiError::not_found("subscription"))?;
        let one = |(kind, version): (&String, &Option<u64>)| {
            json!({
                "account_sid": account, "subscription_sid": sid, "type": kind, "schema_version": version.unwrap_or(1),
                "url": format!("{URL}/Subscriptions/{sid}/SubscribedEvents/{kind}"),
            })
        };
        Ok(found.types.iter().map(one).collect())
    }

    /// `DELETE /v1/Subscriptions/{DF}`.
    ///
    /// # Errors
    /// When there is no such subscription.
    pub(crate) fn unsubscribe(&mut self, sid: &str) -> Result<Value, ApiError> {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|subscription| subscription.sid != sid);
        if self.subscriptions.len() == before {
            return Err(ApiError::not_found("subscription"));
        }
        Ok(Value::Null)
    }

    /// `DELETE /v1/Sinks/{DG}`. What waits for it is not delivered any more.
    ///
    /// # Errors
    /// When there is no such sink, or it has a subscription.
    pub(crate) fn remove(&mut self, sid: &str) -> Result<Value, ApiError> {
        if self.subscriptions.iter().any(|subscription| subscription.sink == sid) {
            return Err(ApiError::bad_request("a subscription uses this sink"));
        }
        let before = self.sinks.len();
        self.sinks.retain(|sink| sink.sid != sid);
        if self.sinks.len() == before { Err(ApiError::not_found("sink")) } else { Ok(Value::Null) }
    }

    /// Something happened.
    pub(crate) fn tell(&self, event: &StreamEvent) {
        let kind = format!("{TASKROUTER}{}", event.name);
        for sink in &self.sinks {
            let wanted = |of: &Subscription| of.sink == sink.sid && of.types.contains_key(&kind);
            if self.subscriptions.iter().any(wanted) {
                // Fails only when the runtime is being shut down.
                let _ = sink.events.send(cloud_event(event));
            }
        }
    }

    fn sid(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}{:032x}", self.made)
    }
}

/// How the events of a sink go out.
#[derive(Clone)]
struct Delivery {
    webhooks: Webhooks,
    destination: String,
    log: Log,
    /// How long Twilio takes to put a batch together.
    delay: Millis,
}

async fn deliver(delivery: Delivery, batch: bool, mut waiting: mpsc::UnboundedReceiver<Value>) {
    while let Some(first) = waiting.recv().await {
        let mut events = vec![first];
        if !batch {
            // Each goes its own way: none waits for another that is not taken.
            let delivery = delivery.clone();
            tokio::spawn(async move {
                delivery.wait().await;
                delivery.send(&events).await;
            });
            continue;
        }
        delivery.wait().await;
        while let Ok(next) = waiting.try_recv() {
            events.push(next);
        }
        delivery.send(&events).await;
    }
}

impl Delivery {
    async fn wait(&self) {
        tokio::time::sleep(Duration::from_millis(self.delay.0)).await;
    }

    async fn send(&self, events: &[Value]) {
        let until = now() + PATIENCE;
        let mut pause = PAUSE;
        while let Err(why) = self.webhooks.events(&self.destination, events).await {
            self.log.add(format!("events are not taken: {why}"));
            if now() > until {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }
}
