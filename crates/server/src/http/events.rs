//! Event Streams: events of TaskRouter and of conferences in batches, at least once and in any order. Each event of a
//! batch is handed to the engine; the batch is answered when all are durable, and is sent again otherwise.

use super::App;
use super::problem::Problem;
use super::signed::SignedBatch;
use super::webhooks;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::future::join_all;
use rejoin_protocol::attributes as names;
use rejoin_protocol::{ConversationSid, Millis, RecoveryId, WorkerSid};
use rejoin_recovery::{Event, Purpose, TaskEvent, TaskEventKind};
use rejoin_twilio::events::{Batch, News, StreamEvent, TaskNews, TaskNewsKind};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Twilio repeats events for hours. A conference event that is older than this concerns no call that could be helped.
const LATE: Millis = Millis::seconds(600);
/// Why a task was canceled, when the caller hung up.
const HUNG_UP: &str = "hangup";

/// An attribute that Flex needs in each task of a conversation.
const CHAT: &str = "conversationSid";

/// `POST /webhooks/events`.
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    SignedBatch(body): SignedBatch,
) -> Result<StatusCode, Problem> {
    let batch = Batch::parse(&body).map_err(|error| {
        tracing::warn!(%error, "refused a batch of events");
        Problem::CallbackInvalid
    })?;
    let now = app.store.now();
    let read = batch.events.len();
    let ended: Vec<_> = batch.events.iter().filter_map(|event| ended_chat(&app, event)).collect();
    let wanted: Vec<_> = batch.events.into_iter().filter_map(|event| wanted(&app, now, event)).collect();
    let ignored = batch.unknown + read - wanted.len();
    count("handled", wanted.len());
    count("ignored", ignored);
    count("malformed", batch.malformed);
    tracing::debug!(handled = wanted.len(), ignored, malformed = batch.malformed, "a batch of events");
    if batch.malformed > 0 {
        tracing::warn!(
            malformed = batch.malformed,
            "events differ from Twilio's documentation and were skipped"
        );
    }
    // An event that fails does not keep others from being handled.
    let taken = join_all(wanted.into_iter().map(|(id, event)| app.engine.streamed(id, event))).await;
    taken.into_iter().collect::<Result<(), _>>()?;
    for event in ended {
        app.conversations.event(event).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A task of a conversation that no agent gets any more, as when its workflow timed out.
fn ended_chat(app: &App, event: &StreamEvent) -> Option<rejoin_conversations::Event> {
    let News::Task(news) = &event.news else { return None };
    let ours = news.workspace.as_ref().is_none_or(|workspace| *workspace == app.config.workspace);
    let has_ended = matches!(news.kind, TaskNewsKind::Canceled | TaskNewsKind::Deleted);
    if !(ours && has_ended && news.attributes.contains(CHAT)) {
        return None;
    }
    let attributes: Value = serde_json::from_str(&news.attributes).unwrap_or_default();
    let conversation = attributes[CHAT].as_str()?;
    Some(rejoin_conversations::Event::Task {
        conversation: ConversationSid::try_from(conversation.to_owned()).ok(),
        task: news.task.clone(),
        state: rejoin_conversations::TaskState::Ended,
    })
}

fn count(result: &'static str, number: usize) {
    metrics::counter!("rejoin_stream_events_total", "result" => result).increment(number as u64);
}

/// The event's id, and the machine's form of it; `None` when it is irrelevant.
fn wanted(app: &App, now: Millis, event: StreamEvent) -> Option<(String, Event)> {
    let id = event.id.clone();
    let event = match event.news {
        News::Task(news) => {
            let ours = news.workspace.as_ref().is_none_or(|workspace| *workspace == app.config.workspace);
            if ours { task(event.id, *news).map(Event::Task) } else { None }
        }
        News::Conference(callback) => {
            let recent = event.at.is_some_and(|at| at + LATE > now);
            if recent { webhooks::event(callback).map(Event::Conference) } else { None }
        }
    };
    event.map(|event| (id, event))
}

fn task(id: String, news: TaskNews) -> Option<TaskEvent> {
    let kind = match news.kind {
        TaskNewsKind::EnteredQueue => TaskEventKind::EnteredQueue,
        TaskNewsKind::Canceled => {
            TaskEventKind::Canceled { hung_up: news.reason.as_deref() == Some(HUNG_UP) }
        }
        TaskNewsKind::Deleted => return None, // what becomes of a customer in its queue is told by their call
        TaskNewsKind::Accepted => TaskEventKind::Accepted,
        TaskNewsKind::Rejected | TaskNewsKind::TimedOut => TaskEventKind::NotTaken,
        TaskNewsKind::ReservationCanceled => TaskEventKind::TakenBack,
        TaskNewsKind::WrapUp => TaskEventKind::WrapUp,
    };
    let purpose = purpose(&news.attributes);
    // For tasks that no recovery has created, only this event says something about a call.
    if purpose == Purpose::Other && kind != TaskEventKind::WrapUp {
        return None;
    }
    let TaskNews { task, worker, reservation, .. } = news;
    Some(TaskEvent { id, task, purpose, worker, reservation, kind })
}

fn purpose(attributes: &str) -> Purpose {
    let attributes: Map<String, Value> = serde_json::from_str(attributes).unwrap_or_default();
    let text = |name: &str| attributes.get(name).and_then(Value::as_str);
    let Some(recovery) = text(names::RECOVERY_ID).and_then(|id| RecoveryId::parse(id).ok()) else {
        return Purpose::Other;
    };
    if attributes.get(names::IS_RECONNECT) == Some(&Value::Bool(true)) {
        let target = text(names::TARGET_WORKER_SID).and_then(|sid| WorkerSid::parse(sid).ok());
        Purpose::Reconnect { recovery, target }
    } else {
        Purpose::Ping { recovery }
    }
}
