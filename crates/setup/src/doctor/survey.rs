//! What Twilio says about the account. Only reads: `GET`, and the validation of an invalid token.

use crate::provision::patiently_at_most;
use rejoin_protocol::Millis;
use rejoin_twilio::{
    Account, Activity, Client, ConfiguredPlugin, ConversationWebhook, Error, PhoneNumber, Sink,
    SubscribedEvent, TaskChannel, TaskQueue, VoiceAddresses, WebhookRule, WebhookSetting, WorkerChannel,
    Workflow,
};
use secrecy::SecretString;
use serde_json::Value;
use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often a request is repeated that Twilio asks to send later.
const REPEATS: u32 = 3;
/// No answer makes a request wait longer than this before it is repeated.
const LONGEST: Duration = Duration::from_secs(10);
/// All requests to one API may take so long together.
const WITHIN: Duration = Duration::from_secs(60);
/// How many workers are read. One request each.
const WORKERS: usize = 20;
/// How many published flows are read. One request each.
const FLOWS: usize = 50;
/// An invalid token, which Twilio has to report as such. Unconfirmed: whether it says so with HTTP status 200, as about
/// tokens that have expired (<https://www.npmjs.com/package/twilio-flex-token-validator>).
const NO_TOKEN: &str = "rejoin-doctor";

/// What could be read of the account, API by API.
#[derive(Debug)]
pub struct Survey {
    /// The account.
    pub account: Result<Account, Error>,
    /// This machine's clock minus Twilio's, in milliseconds; `None` without Twilio's.
    pub skew: Option<i64>,
    /// `Ok` when conferences can be read.
    pub voice: Result<(), Error>,
    /// TaskRouter's workspace.
    pub taskrouter: Result<TaskRouter, Error>,
    /// Flex's configuration.
    pub flex: Result<Value, Error>,
    /// Event Streams.
    pub streams: Result<Streams, Error>,
    /// The webhook of Conversations; `None`: the server does not watch chats.
    pub chats: Option<Result<ConversationWebhook, Error>>,
    /// Studio's published flows.
    pub flows: Result<Vec<Flow>, Error>,
    /// Phone numbers.
    pub numbers: Result<Vec<PhoneNumber>, Error>,
    /// The addresses of TwiML applications.
    pub applications: Result<Vec<VoiceAddresses>, Error>,
    /// `Ok` when services of Functions and Assets can be read.
    pub serverless: Result<(), Error>,
    /// The released plugins; `None`: nothing was released.
    pub plugins: Result<Option<Vec<ConfiguredPlugin>>, Error>,
    /// `Ok` when tokens of agents can be validated.
    pub tokens: Result<(), Error>,
    /// Rules and settings of the Webhooks configuration API.
    pub webhook_rules: Result<(Vec<WebhookRule>, Vec<WebhookSetting>), Error>,
}

/// TaskRouter's workspace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskRouter {
    /// Activities.
    pub activities: Vec<Activity>,
    /// Task channels.
    pub channels: Vec<TaskChannel>,
    /// Queues.
    pub queues: Vec<TaskQueue>,
    /// Workflows.
    pub workflows: Vec<Workflow>,
    /// Workers.
    pub workers: Workers,
}

/// The channels of some workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workers {
    /// For each worker that was read the channels.
    pub channels: Vec<Vec<WorkerChannel>>,
    /// True when there are workers that were not read.
    pub are_more: bool,
}

/// Sinks and what is subscribed for them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Streams {
    /// For each sink the types of all its subscriptions.
    pub sinks: Vec<(Sink, Vec<SubscribedEvent>)>,
}

/// A published flow with its definition.
pub type Flow = rejoin_twilio::Flow;

impl Survey {
    /// Asks Twilio. `public_url`: only sinks that lead there are read further; `chats`: the server watches them. When the account cannot be read, nothing else is
    /// asked.
    pub async fn read(client: &Client, public_url: &str, chats: bool) -> Self {
        let before = now();
        let account = within(bounded(|| client.fetch_account())).await;
        let after = now();
        let (account, date) = match account {
            Ok((account, date)) => (Ok(account), date),
            Err(error) => return Self::without(error),
        };
        let skew = date.map(|date| skew(before, after, date));
        if account.as_ref().is_ok_and(|account| account.status != "active") {
            return Self { account, skew, ..Self::without(Error::Withheld) };
        }
        let (voice, taskrouter, flex, streams, flows, numbers, applications) = tokio::join!(
            within(bounded(|| client.may_read_conferences())),
            within(taskrouter(client)),
            within(bounded(|| client.flex_configuration())),
            within(streams(client, public_url)),
            within(flows(client)),
            within(bounded(|| client.list_phone_numbers())),
            within(bounded(|| client.list_applications())),
        );
        let chats = if chats { Some(within(bounded(|| client.conversation_webhook())).await) } else { None };
        let token = SecretString::from(NO_TOKEN);
        let (serverless, plugins, tokens, webhook_rules) = tokio::join!(
            within(bounded(|| client.may_read_services())),
            within(bounded(|| client.released_plugins())),
            within(bounded(|| client.validate_token(&token))),
            within(webhook_rules(client)),
        );
        Self {
            account,
            skew,
            voice,
            taskrouter,
            flex,
            streams,
            chats,
            flows,
            numbers,
            applications,
            serverless,
            plugins,
            tokens: match tokens {
                // Twilio answers about the token, so it has accepted the credentials.
                Ok(_) | Err(Error::Refused { status: 400 | 422, .. }) => Ok(()),
                Err(error) => Err(error),
            },
            webhook_rules,
        }
    }

    fn without(error: Error) -> Self {
        Self {
            account: Err(error.clone()),
            skew: None,
            voice: Err(error.clone()),
            taskrouter: Err(error.clone()),
            flex: Err(error.clone()),
            streams: Err(error.clone()),
            chats: None,
            flows: Err(error.clone()),
            numbers: Err(error.clone()),
            applications: Err(error.clone()),
            serverless: Err(error.clone()),
            plugins: Err(error.clone()),
            tokens: Err(error.clone()),
            webhook_rules: Err(error),
        }
    }
}

/// This machine's clock minus the answer's date, which has whole seconds: half of one is added. The answer was written some time
/// between `before` and `after`, so half of that time may be no skew at all, and is left out.
fn skew(before: Millis, after: Millis, date: Millis) -> i64 {
    let signed = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    let skew = signed(before.0.midpoint(after.0)) - signed(date.0) - 500;
    let uncertain = signed(before.until(after).0 / 2);
    skew.signum() * (skew.abs() - uncertain).max(0)
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

async fn bounded<T, F: Future<Output = Result<T, Error>>>(ask: impl Fn() -> F) -> Result<T, Error> {
    patiently_at_most(REPEATS, LONGEST, ask).await
}

/// All requests to one API together.
async fn within<T>(requests: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = Err(Error::Transport { what: "timed out", may_have_acted: false });
    tokio::time::timeout(WITHIN, requests).await.unwrap_or(late)
}

async fn taskrouter(client: &Client) -> Result<TaskRouter, Error> {
    let activities = bounded(|| client.list_activities()).await?;
    let channels = bounded(|| client.list_task_channels()).await?;
    let queues = bounded(|| client.list_task_queues()).await?;
    let workflows = bounded(|| client.list_workflows()).await?;
    let (listed, are_more) = bounded(|| client.first_workers(WORKERS)).await?;
    let mut workers = Workers { channels: vec![], are_more };
    for worker in listed {
        match bounded(|| client.list_worker_channels(&worker.sid)).await {
            Ok(channels) => workers.channels.push(channels),
            // Deleted since.
            Err(Error::Gone) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(TaskRouter { activities, channels, queues, workflows, workers })
}

async fn streams(client: &Client, public_url: &str) -> Result<Streams, Error> {
    let mut streams = Streams::default();
    for sink in bounded(|| client.list_sinks()).await? {
        let leads_here = sink.sink_configuration["destination"]
            .as_str()
            .is_some_and(|destination| destination.starts_with(public_url));
        let mut types = vec![];
        if leads_here {
            for subscription in bounded(|| client.list_subscriptions(&sink.sid)).await? {
                types.extend(bounded(|| client.list_subscribed_events(&subscription.sid)).await?);
            }
        }
        streams.sinks.push((sink, types));
    }
    Ok(streams)
}

async fn flows(client: &Client) -> Result<Vec<Flow>, Error> {
    let listed = bounded(|| client.list_flows()).await?;
    let mut flows = vec![];
    for flow in listed.iter().filter(|flow| flow.status == "published").take(FLOWS) {
        flows.push(bounded(|| client.fetch_flow(&flow.sid)).await?);
    }
    Ok(flows)
}

async fn webhook_rules(client: &Client) -> Result<(Vec<WebhookRule>, Vec<WebhookSetting>), Error> {
    let rules = bounded(|| client.list_webhook_rules()).await?;
    // Without rules nothing applies.
    let settings = if rules.is_empty() { vec![] } else { bounded(|| client.list_webhook_settings()).await? };
    Ok((rules, settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skew_is_measured_in_the_middle_of_the_request_and_of_the_second() {
        assert_eq!(skew(Millis(10_000), Millis(10_200), Millis(10_000)), -300);
        assert_eq!(skew(Millis(13_900), Millis(14_100), Millis(10_000)), 3_400);
        assert_eq!(skew(Millis(10_000), Millis(20_000), Millis(10_000)), 0, "a slow answer proves nothing");
    }
}
