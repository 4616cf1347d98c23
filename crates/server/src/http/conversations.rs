//! Conversations: Twilio's webhooks, and what pages say of them.

use super::App;
use super::auth::Agent;
use super::operator::Operator;
use super::plugin::{Posted, check_epochs};
use super::problem::Problem;
use super::signed::Signed;
use crate::conversations::{role, state};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::future::try_join_all;
use rejoin_conversations::{Event, InteractionNews, Leaving, Machine, Message, PageEvent, Place, Role, Seen};
use rejoin_protocol::api::{self, ConversationLeave, Conversations};
use rejoin_protocol::{ConversationSid, Millis, WorkerSid};
use rejoin_twilio::conversation_webhook::{
    ConversationCallback, ConversationEvent, InteractionCallback, InteractionEvent,
};
use rejoin_twilio::webhook::Malformed;
use serde::Serialize;
use std::sync::Arc;

/// Maximum number of conversations of a page.
const MOST: usize = 200;

fn refused(error: &Malformed) -> Problem {
    tracing::warn!(%error, "refused a callback of a conversation");
    Problem::CallbackInvalid
}

/// `POST /webhooks/conversations`.
pub(crate) async fn conversation(
    State(app): State<Arc<App>>,
    Signed(params): Signed,
) -> Result<StatusCode, Problem> {
    let ConversationCallback { conversation, event } =
        ConversationCallback::parse(&params).map_err(|error| refused(&error))?;
    tracing::debug!(%conversation, "conversation callback");
    let now = app.store.now();
    let event = match event {
        ConversationEvent::Message { index, member, at, .. } => {
            let message = Message { index, at: at.unwrap_or(now), author: member };
            Event::Message { conversation, message }
        }
        ConversationEvent::State(status) => Event::State { conversation, state: state(&status) },
        ConversationEvent::Other => return Ok(StatusCode::NO_CONTENT),
    };
    app.conversations.event(event).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /webhooks/interactions`.
pub(crate) async fn interaction(
    State(app): State<Arc<App>>,
    Signed(params): Signed,
) -> Result<StatusCode, Problem> {
    let InteractionCallback { interaction, channel, conversation, event } =
        InteractionCallback::parse(&params).map_err(|error| refused(&error))?;
    // A call.
    let Some(conversation) = conversation else { return Ok(StatusCode::NO_CONTENT) };
    tracing::debug!(%conversation, "interaction callback");
    let seen = |sid, role, task| Seen { sid, role, worker: None, task, reservation: None, member: None };
    let news = match event {
        InteractionEvent::Joined { participant, kind, task } => {
            InteractionNews::Joined(seen(participant, role(&kind), task))
        }
        InteractionEvent::Left { participant } => InteractionNews::Left(seen(participant, Role::Other, None)),
        // Which status it is, the documentation does not say: the next look does.
        InteractionEvent::Status | InteractionEvent::Other => InteractionNews::Other,
    };
    let place = Place { interaction, channel };
    app.conversations.event(Event::Interaction { conversation, place, kind: None, news }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The conversations that the page's agent has, and those that they leave on purpose.
#[utoipa::path(
    post,
    path = "/v1/conversations",
    request_body = Conversations,
    responses(
        (status = 204, description = "It is durable."),
        (status = "default", description = "A problem.", body = api::Problem, content_type = "application/problem+json"),
    ),
    security(("flexToken" = []))
)]
pub(crate) async fn claim(
    State(app): State<Arc<App>>,
    agent: Agent,
    Posted(said): Posted<Conversations>,
) -> Result<StatusCode, Problem> {
    if said.conversations.len() > MOST || said.leaving.len() > MOST {
        return Err(Problem::BodyInvalid);
    }
    check_epochs(&app, [said.epoch])?;
    tracing::debug!(worker = %agent.worker, conversations = said.conversations.len(), "conversations");
    app.pushes.heard(&agent.worker, said.epoch);
    let worker = agent.worker;
    let heard = Event::Page { worker: worker.clone(), epoch: said.epoch, event: PageEvent::Heard };
    let claimed = said.conversations.into_iter().map(|claim| {
        let place = Place { interaction: claim.interaction, channel: claim.channel };
        Event::Claimed { worker: worker.clone(), conversation: claim.conversation, place }
    });
    let leaving = said.leaving.into_iter().map(|ConversationLeave { conversation, how }| {
        let how = match how {
            api::LeavingConversation::Leave => Leaving::Leave,
            api::LeavingConversation::Pause => Leaving::Pause,
            api::LeavingConversation::Transfer => Leaving::Transfer,
            api::LeavingConversation::WrapUp => Leaving::WrapUp,
        };
        Event::Leaving { worker: worker.clone(), conversation, how }
    });
    // Together, so that they are one transaction, or a few.
    let events = [heard].into_iter().chain(claimed).chain(leaving);
    try_join_all(events.map(|event| app.conversations.event(event))).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A conversation, for operators. It names nobody but by SIDs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    conversation: ConversationSid,
    /// How it stands: a row of docs/conversations-attendance.md.
    attendance: &'static str,
    /// The row that decided.
    because: &'static str,
    agents: Vec<WorkerSid>,
    /// Since when the customer waits for an answer (point in time).
    unanswered_since: Option<Millis>,
    absence: Option<ShownAbsence>,
    /// How the last absence ended.
    last: Option<&'static str>,
    /// What is requested of Twilio at present.
    requested: Vec<&'static str>,
}

/// An absence that goes on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownAbsence {
    number: u32,
    cause: &'static str,
    since: Millis,
    /// When it ends by itself (point in time).
    until: Millis,
}

/// `GET /operator/conversations`: conversations, those that are unattended first; 10,000 at most.
pub(crate) async fn all(State(app): State<Arc<App>>, _: Operator) -> Result<Json<Vec<Shown>>, Problem> {
    let found = app.store.conversations().await?;
    let policies = app.config.conversations.policies();
    let machine = Machine::new(policies, found.conversations, found.desks);
    let now = app.store.now();
    let shown = machine.conversations().filter_map(|it| {
        // As the engine saw it, which knows whether pages could be heard.
        let row = it.judged().map(|(row, ..)| row).or_else(|| machine.row(now, it.sid()))?;
        let absence = it.absence().map(|absence| ShownAbsence {
            number: absence.number,
            cause: absence.cause.name(),
            since: absence.began_at,
            until: absence.deadline,
        });
        let agents = it.facts().roster().agents().filter_map(|(_, agent)| agent.worker().cloned());
        Some(Shown {
            conversation: it.sid().clone(),
            attendance: row.attendance.name(),
            because: row.when,
            agents: agents.collect(),
            unanswered_since: it.facts().unanswered_since(),
            absence,
            last: it.last_ending().map(|(ending, _)| ending.name()),
            requested: it.requests().in_flight().map(rejoin_conversations::Action::name).collect(),
        })
    });
    let mut shown: Vec<Shown> = shown.collect();
    shown.sort_by_key(|it| it.absence.is_none());
    Ok(Json(shown))
}
