//! Makes the changes of a plan.

use crate::account::during;
use crate::plan::everyone;
use crate::record::{ChatsRecord, FallbackRecord, FlexRecord, WorkflowRecord};
use crate::{Account, Change, Error, Plan, Record, Wanted, chats, fallback, workflow};
use rejoin_protocol::TaskQueueSid;
use rejoin_twilio::{Client, ConversationWebhook, SubscribedEvent, VoiceAddresses};
use serde_json::{Value, json};
use std::future::Future;
use std::path::Path;
use std::time::Duration;

/// How often a request is repeated that Twilio asks to send later.
const REPEATS: u32 = 6;
/// No answer makes a run wait longer than this before it asks again.
const LONGEST: Duration = Duration::from_secs(60);
/// The first pause, if Twilio names none. It doubles.
const PAUSE: Duration = Duration::from_secs(1);

/// Makes one change after the other until nothing is left to do. The record is written before each change of something that was
/// there, and after each creation.
///
/// # Errors
/// When Twilio refuses or does not answer, the account cannot be set up as it is, or it is changed meanwhile. What was done
/// stays, and the next run goes on from there.
pub async fn provision(
    client: &Client,
    account: &mut Account,
    wanted: &Wanted,
    record: &mut Record,
    file: &Path,
    mut done: impl FnMut(&Change),
) -> Result<Plan, Error> {
    loop {
        let plan = Plan::of(account, wanted).map_err(Error::Refused)?;
        let Some(change) = plan.changes.first() else { return Ok(plan) };
        make(client, account, change, record, file).await?;
        done(change);
    }
}

async fn make(
    client: &Client,
    account: &mut Account,
    change: &Change,
    record: &mut Record,
    file: &Path,
) -> Result<(), Error> {
    match change {
        Change::TaskChannel { name, unique_name } => {
            let create = || client.create_task_channel(name, unique_name);
            let made = patiently(create).await.map_err(during("create the task channel"))?;
            record.channel = Some(made.sid.clone());
            account.channels.push(made);
        }
        Change::Activity { name } => {
            let made = patiently(|| client.create_activity(name, true)).await;
            let made = made.map_err(during("create the activity"))?;
            record.activity = Some(made.sid.clone());
            account.activities.push(made);
        }
        Change::Queue { name } => {
            let made =
                patiently(|| client.create_task_queue(name)).await.map_err(during("create the queue"))?;
            record.queue = Some(made.sid.clone());
            account.queues.push(made);
        }
        Change::PingWorkflow { name, queue } => {
            let Some(queue) = queue.as_ref().or(everyone(account)) else { return Ok(()) };
            let configuration = to_queue(queue);
            let made = patiently(|| client.create_workflow(name, &configuration)).await;
            let made = made.map_err(during("create the workflow"))?;
            record.ping_workflow = Some(made.sid.clone());
            account.workflows.push(made);
        }
        Change::Sink { destination } => {
            let made = patiently(|| client.create_sink("Rejoin", destination)).await;
            let made = made.map_err(during("create the sink of Event Streams"))?;
            record.sinks.push(made.sid.clone());
            account.sinks.push((made, vec![]));
        }
        Change::Subscription { sink, types } => {
            let newest = account.sinks.last_mut();
            let Some((sink, subscribed)) = (match sink {
                Some(sid) => account.sinks.iter_mut().find(|(sink, _)| sink.sid == *sid),
                None => newest,
            }) else {
                return Ok(());
            };
            let made = patiently(|| client.create_subscription("Rejoin", &sink.sid, types)).await;
            record.subscriptions.push(made.map_err(during("subscribe the sink"))?.sid);
            subscribed.extend(types.iter().map(|(kind, version)| SubscribedEvent {
                kind: (*kind).to_owned(),
                schema_version: Some(*version),
            }));
        }
        Change::Filter { .. } => return add_filter(client, account, change, record, file).await,
        Change::Fallback { .. } => return set_fallback(client, account, change, record, file).await,
        Change::Chats { before, after } => {
            return set_chats(client, account, (before, after), record, file).await;
        }
        Change::FlexConfiguration { after, .. } => {
            return configure(client, account, after, record, file).await;
        }
    }
    record.write(file)
}

/// A workflow in which everything goes to one queue.
fn to_queue(queue: &TaskQueueSid) -> String {
    json!({ "task_routing": { "filters": [], "default_filter": { "queue": queue } } }).to_string()
}

async fn add_filter(
    client: &Client,
    account: &mut Account,
    change: &Change,
    record: &mut Record,
    file: &Path,
) -> Result<(), Error> {
    let Change::Filter { workflow, name, before, after, .. } = change else { return Ok(()) };
    // The queue was created before, so that it is known.
    let Some(after) = after else { return Err(Error::Changed(name.clone())) };
    let first = record.workflows.get(workflow).filter(|it| it.after == *before).map(|it| it.before.clone());
    let kept = WorkflowRecord { before: first.unwrap_or_else(|| before.clone()), after: after.clone() };
    let written = replace(
        "workflow",
        || client.fetch_workflow(workflow),
        |there| there.configuration == *before,
        || {
            record.workflows.insert(workflow.clone(), kept);
            record.write(file)
        },
        || client.configure_workflow(workflow, after),
        |it| workflow::Routing::of(&it.configuration).is_some_and(|routing| routing.reconnects.is_some()),
    );
    let written = written.await?.ok_or_else(|| Error::Changed(name.clone()))?;
    if let Some(known) = account.workflows.iter_mut().find(|known| known.sid == *workflow) {
        *known = written;
    }
    Ok(())
}

async fn set_fallback(
    client: &Client,
    account: &mut Account,
    change: &Change,
    record: &mut Record,
    file: &Path,
) -> Result<(), Error> {
    let Change::Fallback { sid, url, method, after, .. } = change else { return Ok(()) };
    // What was there before the first run counts, unless another has changed it since.
    let known = record.fallbacks.get(sid).filter(|it| it.after.contains(url)).cloned();
    let mut kept =
        known.unwrap_or_else(|| FallbackRecord { url: url.clone(), method: method.clone(), after: vec![] });
    if !kept.after.contains(after) {
        kept.after.push(after.clone());
    }
    let label = fallback::label(sid);
    let is_at = |there: &VoiceAddresses, url: &str, method: Option<&str>| {
        fallback::address(there) == url && there.voice_fallback_method.as_deref() == method
    };
    let written = replace(
        &label,
        || client.fetch_voice_addresses(sid),
        |there| is_at(there, url, method.as_deref()),
        || {
            record.fallbacks.insert(sid.clone(), kept);
            record.write(file)
        },
        || client.set_voice_fallback(sid, after, Some(fallback::METHOD)),
        |written| is_at(written, after, Some(fallback::METHOD)),
    );
    let written = written.await?.ok_or(Error::ChangedFallback(label))?;
    let numbers = account.numbers.iter_mut().map(|number| &mut number.addresses);
    if let Some(known) = numbers.chain(&mut account.applications).find(|known| known.sid == *sid) {
        *known = written;
    }
    Ok(())
}

async fn set_chats(
    client: &Client,
    account: &mut Account,
    (before, after): (&ConversationWebhook, &ConversationWebhook),
    record: &mut Record,
    file: &Path,
) -> Result<(), Error> {
    let address = chats::address_of(after);
    // What was there before the first run counts, unless another has changed it since.
    let known = record.chats.clone().filter(|it| it.after.iter().any(|url| url == chats::address_of(before)));
    let mut kept = known.unwrap_or_else(|| ChatsRecord { before: before.clone(), after: vec![] });
    if !kept.after.iter().any(|url| url == address) {
        kept.after.push(address.to_owned());
    }
    let events: Vec<&str> = chats::events_of(after).collect();
    let written = replace(
        "webhook of Conversations",
        || client.conversation_webhook(),
        |there| there == before,
        || {
            record.chats = Some(kept);
            record.write(file)
        },
        || client.set_conversation_webhook(address, chats::METHOD, &events),
        |written| {
            chats::address_of(written) == address
                && written.method.as_deref() == Some(chats::METHOD)
                && events.iter().all(|event| chats::events_of(written).any(|it| it == *event))
        },
    );
    account.chats = written.await?.ok_or(Error::ChangedChats)?;
    Ok(())
}

/// Replaces something that was there before. Twilio has no condition for it: it is read just before, and compared with what the plan
/// was made of. The record is kept before the write: a run may end in between. `None`: another program or administrator changes it
/// at the same time.
async fn replace<T, R, W>(
    what: &str,
    read: impl Fn() -> R,
    is_as_read: impl Fn(&T) -> bool,
    keep: impl FnOnce() -> Result<(), Error>,
    write: impl Fn() -> W,
    is_kept: impl Fn(&T) -> bool,
) -> Result<Option<T>, Error>
where
    R: Future<Output = Result<T, rejoin_twilio::Error>>,
    W: Future<Output = Result<T, rejoin_twilio::Error>>,
{
    let there = patiently(read).await.map_err(during(&format!("read the {what}")))?;
    if !is_as_read(&there) {
        return Ok(None);
    }
    keep()?;
    let written = patiently(write).await.map_err(during(&format!("write the {what}")))?;
    Ok(is_kept(&written).then_some(written))
}

/// Others write the same part of Flex's configuration, and Twilio has no condition for it: it is read just before, and again
/// afterwards. What is not there then was overwritten at the same time, and is written once more.
async fn configure(
    client: &Client,
    account: &mut Account,
    after: &Value,
    record: &mut Record,
    file: &Path,
) -> Result<(), Error> {
    let before = record.flex.as_ref().map_or_else(|| account.rejoin().cloned(), |flex| flex.before.clone());
    record.flex = Some(FlexRecord { before, after: after.clone() });
    record.write(file)?;
    for _ in 0..2 {
        write_rejoin(client, Some(after)).await?;
        let read =
            patiently(|| client.flex_configuration()).await.map_err(during("read Flex's configuration"))?;
        account.ui_attributes = read["ui_attributes"].clone();
        if account.rejoin() == Some(after) {
            return Ok(());
        }
    }
    Err(Error::NotKept)
}

/// Writes `ui_attributes.custom_data.rejoin`, or removes it, and leaves everything else as it is.
pub(crate) async fn write_rejoin(client: &Client, value: Option<&Value>) -> Result<(), Error> {
    let read =
        patiently(|| client.flex_configuration()).await.map_err(during("read Flex's configuration"))?;
    let mut attributes = read["ui_attributes"].clone();
    if !attributes.is_object() {
        attributes = json!({});
    }
    if !attributes["custom_data"].is_object() {
        attributes["custom_data"] = json!({});
    }
    if let Some(custom) = attributes["custom_data"].as_object_mut() {
        match value {
            Some(value) => _ = custom.insert("rejoin".into(), value.clone()),
            None => _ = custom.remove("rejoin"),
        }
    }
    let written = patiently(|| client.set_ui_attributes(&attributes)).await;
    written.map(drop).map_err(during("write Flex's configuration"))
}

/// Repeats a request that Twilio asks to send later: it was not carried out then.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, rejoin_twilio::Error>>>(
    ask: impl Fn() -> F,
) -> Result<T, rejoin_twilio::Error> {
    patiently_at_most(REPEATS, LONGEST, ask).await
}

/// The same with other bounds: the number of repetitions, and the longest pause.
pub(crate) async fn patiently_at_most<T, F: Future<Output = Result<T, rejoin_twilio::Error>>>(
    repeats: u32,
    longest: Duration,
    ask: impl Fn() -> F,
) -> Result<T, rejoin_twilio::Error> {
    let mut pause = PAUSE;
    for _ in 0..repeats {
        match ask().await {
            Err(rejoin_twilio::Error::Throttled { retry_after }) => {
                tokio::time::sleep(retry_after.unwrap_or(pause).min(longest)).await;
                pause *= 2;
            }
            answer => return answer,
        }
    }
    ask().await
}
