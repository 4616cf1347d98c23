//! Takes a set-up back.

use crate::account::during;
use crate::provision::{patiently, write_rejoin};
use crate::record::ChatsRecord;
use crate::{Error, Record, chats, fallback, workflow};
use rejoin_protocol::WorkflowSid;
use rejoin_twilio::Client;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Restores what was there before, and deletes what was created. What others have changed since stays: of a workflow only our
/// filter goes. Gives back a line for each thing that was done, or left.
///
/// # Errors
/// When Twilio refuses or does not answer. What was done stays, and the next run goes on from there.
pub async fn unprovision(client: &Client, record: &mut Record, file: &Path) -> Result<Vec<String>, Error> {
    let mut lines = vec![];
    for sid in record.fallbacks.keys().cloned().collect::<Vec<_>>() {
        lines.push(restore_fallback(client, record, &sid).await?);
        record.fallbacks.remove(&sid);
        record.write(file)?;
    }
    if let Some(kept) = record.chats.clone() {
        lines.push(restore_chats(client, &kept).await?);
        record.chats = None;
        record.write(file)?;
    }
    if let Some(flex) = record.flex.clone() {
        let read =
            patiently(|| client.flex_configuration()).await.map_err(during("read Flex's configuration"))?;
        let there = read["ui_attributes"].get("custom_data").and_then(|custom| custom.get("rejoin"));
        if there == Some(&flex.after) {
            write_rejoin(client, flex.before.as_ref()).await?;
            lines.push("Flex's configuration: as before".to_owned());
        } else {
            lines.push("Flex's configuration: left as it is, as our part was changed since".to_owned());
        }
        record.flex = None;
        record.write(file)?;
    }
    while let Some(sid) = record.subscriptions.last().cloned() {
        gone(patiently(|| client.delete_subscription(&sid)).await)
            .map_err(during("delete the subscription"))?;
        lines.push(format!("subscription {sid}: deleted"));
        record.subscriptions.pop();
        record.write(file)?;
    }
    while let Some(sid) = record.sinks.last().cloned() {
        gone(patiently(|| client.delete_sink(&sid)).await).map_err(during("delete the sink"))?;
        lines.push(format!("sink {sid}: deleted"));
        record.sinks.pop();
        record.write(file)?;
    }
    for sid in record.workflows.keys().cloned().collect::<Vec<_>>() {
        lines.push(restore(client, record, &sid).await?);
        record.workflows.remove(&sid);
        record.write(file)?;
    }
    if let Some(sid) = record.ping_workflow.clone() {
        gone(patiently(|| client.delete_workflow(&sid)).await).map_err(during("delete the workflow"))?;
        lines.push(format!("workflow {sid}: deleted"));
        record.ping_workflow = None;
        record.write(file)?;
    }
    if let Some(sid) = record.queue.clone() {
        gone(patiently(|| client.delete_task_queue(&sid)).await).map_err(during("delete the queue"))?;
        lines.push(format!("queue {sid}: deleted"));
        record.queue = None;
        record.write(file)?;
    }
    if let Some(sid) = record.channel.clone() {
        gone(patiently(|| client.delete_task_channel(&sid)).await)
            .map_err(during("delete the task channel"))?;
        lines.push(format!("task channel {sid}: deleted"));
        record.channel = None;
        record.write(file)?;
    }
    if let Some(sid) = record.activity.clone() {
        gone(patiently(|| client.delete_activity(&sid)).await).map_err(during("delete the activity"))?;
        lines.push(format!("activity {sid}: deleted"));
        record.activity = None;
        record.write(file)?;
    }
    // Nothing is left to restore.
    fs::remove_file(file).map_err(|source| Error::File { path: file.into(), source })?;
    Ok(lines)
}

async fn restore_fallback(client: &Client, record: &Record, sid: &str) -> Result<String, Error> {
    let Some(kept) = record.fallbacks.get(sid) else { return Ok(String::new()) };
    let label = fallback::label(sid);
    let there = match patiently(|| client.fetch_voice_addresses(sid)).await {
        Ok(there) => there,
        Err(rejoin_twilio::Error::Gone) => return Ok(format!("{label}: gone since")),
        Err(error) => return Err(during(&format!("read the {label}"))(error)),
    };
    let (url, method) = (fallback::address(&there), &there.voice_fallback_method);
    let how = if (url, method) == (kept.url.as_str(), &kept.method) {
        "as before already"
    } else if kept.after.iter().any(|it| it == url) {
        let written = patiently(|| client.set_voice_fallback(sid, &kept.url, kept.method.as_deref())).await;
        written.map_err(during(&format!("set the fallback address of the {label}")))?;
        "as before"
    } else {
        "left as it is, as it was changed since"
    };
    Ok(format!("{label}, its fallback address: {how}"))
}

async fn restore_chats(client: &Client, kept: &ChatsRecord) -> Result<String, Error> {
    let read = patiently(|| client.conversation_webhook()).await;
    let there = read.map_err(during("read the webhook of Conversations"))?;
    let how = if there == kept.before {
        "as before already"
    } else if kept.after.iter().any(|url| url == chats::address_of(&there)) {
        let before = &kept.before;
        let events: Vec<&str> = chats::events_of(before).collect();
        let method = before.method.as_deref().unwrap_or(chats::METHOD);
        let url = chats::address_of(before);
        let written = patiently(|| client.set_conversation_webhook(url, method, &events)).await;
        written.map_err(during("write the webhook of Conversations"))?;
        "as before"
    } else {
        "left as it is, as it was changed since"
    };
    Ok(format!("the webhook of Conversations: {how}"))
}

async fn restore(client: &Client, record: &Record, sid: &WorkflowSid) -> Result<String, Error> {
    let Some(kept) = record.workflows.get(sid) else { return Ok(String::new()) };
    let there = match patiently(|| client.fetch_workflow(sid)).await {
        Ok(workflow) => workflow,
        Err(rejoin_twilio::Error::Gone) => return Ok(format!("workflow {sid}: deleted since")),
        Err(error) => return Err(during("read the workflow")(error)),
    };
    let name = there.friendly_name;
    let (wanted, how) = if is_same(&there.configuration, &kept.after) {
        (Some(kept.before.clone()), "as before")
    } else if is_same(&there.configuration, &kept.before) {
        (None, "as before already")
    } else {
        (workflow::without_filter(&there.configuration), "without our filter; what was changed since stays")
    };
    if let Some(wanted) = wanted {
        let written = patiently(|| client.configure_workflow(sid, &wanted)).await;
        written.map_err(during("write the workflow"))?;
    }
    Ok(format!("workflow \"{name}\" ({sid}): {how}"))
}

/// Twilio may write the text in another way than it was sent.
fn is_same(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    one == other || (read(one).is_some() && read(one) == read(other))
}

/// What is gone already need not be deleted.
fn gone(result: Result<(), rejoin_twilio::Error>) -> Result<(), rejoin_twilio::Error> {
    match result {
        Err(rejoin_twilio::Error::Gone) => Ok(()),
        result => result,
    }
}
