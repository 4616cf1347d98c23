//! `/__twin/…`: the JSON interface for the demo's pages and for tests.

use super::{Demo, Problem, transcripts::Transcript};
use crate::{
    faults::{Done, Faults},
    flex::account_of,
    media::Heard,
    model::{Assumptions, Event, Request},
    outside::Phone,
};
use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{self, Sse},
    },
    routing::{delete, get, post},
};
use futures_util::Stream;
use rejoin_protocol::{CallSid, WorkerSid};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::VecDeque, convert::Infallible};
use tokio::sync::watch;

/// Tone of the twin's own phones, in hertz.
const TONE_HZ: f32 = 660.0;
/// Default caller: a number reserved for fiction.
const CALLER: &str = "+15550100001";

pub(super) fn routes() -> Router<Demo> {
    Router::new()
        .route("/__twin/customer/dial", post(dial))
        .route("/__twin/customer/offer", post(offer))
        .route("/__twin/customer/{call}/hangup", post(hang_up))
        .route("/__twin/customer/{call}/heard", get(heard))
        .route("/__twin/customer/{call}/events", get(events))
        .route("/__twin/legs/{call}/heard", get(heard))
        .route("/__twin/state", get(state))
        .route("/__twin/timeline/{call}", get(timeline))
        .route("/__twin/workers/{name}/activity", post(activity))
        .route("/__twin/workers/{name}/sockets", delete(cut_off).post(let_through))
        .route("/__twin/phones", delete(reset_phones))
        .route("/__twin/phones/{number}", get(phone).post(set_phone))
        .route("/__twin/phones/{number}/answer", post(answer))
        .route("/__twin/features", post(set_features))
        .route("/__twin/assume", post(assume))
        .route("/__twin/latency", post(set_latency))
        .route("/__twin/faults", post(set_faults))
        .route("/__twin/done", get(done))
        .route("/__twin/log", get(log))
}

fn leg(call: &str) -> Result<CallSid, Problem> {
    CallSid::parse(call).map_err(|_| Problem::not_found("such call: a call SID was expected"))
}

#[derive(Deserialize)]
struct Dial {
    from: Option<String>,
}

/// A phone of the twin itself calls.
async fn dial(State(demo): State<Demo>, Json(dial): Json<Dial>) -> Json<Value> {
    let call = demo.twin.dial_native(dial.from.unwrap_or_else(|| CALLER.into()), TONE_HZ);
    Json(json!({ "call": call }))
}

#[derive(Deserialize)]
struct Offer {
    sdp: String,
    from: Option<String>,
}

/// A browser calls.
async fn offer(State(demo): State<Demo>, Json(offer): Json<Offer>) -> Result<Json<Value>, Problem> {
    let call = demo.twin.new_customer_leg();
    let sdp = demo
        .twin
        .media()
        .accept(call.clone(), offer.sdp)
        .await
        .map_err(|error| Problem(StatusCode::BAD_REQUEST, error.to_string()))?;
    demo.twin.customer_dials(call.clone(), offer.from.unwrap_or_else(|| CALLER.into()));
    Ok(Json(json!({ "call": call, "sdp": sdp })))
}

async fn hang_up(State(demo): State<Demo>, Path(call): Path<String>) -> Result<StatusCode, Problem> {
    let call = leg(&call)?;
    if !demo.twin.is_live(&call) {
        return Err(Problem::not_found("such call, or it has ended"));
    }
    demo.twin.tell(Event::HungUp { call });
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
struct HeardReply {
    #[serde(flatten)]
    heard: Heard,
    live: bool,
}

/// After the leg's end only the transcript is available.
async fn heard(State(demo): State<Demo>, Path(call): Path<String>) -> Result<Json<HeardReply>, Problem> {
    let call = leg(&call)?;
    let live = demo.twin.is_live(&call);
    let measured = demo
        .twin
        .media()
        .heard(call.clone())
        .await
        .map_err(|error| Problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let heard = match (measured, demo.transcripts.known(&call)) {
        (Some(heard), _) => heard,
        (None, Some(Transcript { lines, .. })) => Heard { transcript: lines, ..Heard::default() },
        (None, None) if live => Heard::default(),
        (None, None) => return Err(Problem::not_found("such call")),
    };
    Ok(Json(HeardReply { heard, live }))
}

/// Streams the transcript as it grows.
async fn events(
    State(demo): State<Demo>,
    Path(call): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    let call = leg(&call)?;
    if !demo.twin.is_live(&call) && demo.transcripts.known(&call).is_none() {
        return Err(Problem::not_found("such call"));
    }
    let follower =
        Follower { leg: demo.transcripts.follow(&call), told: 0, pending: VecDeque::new(), over: false };
    let stream = futures_util::stream::unfold(follower, async |mut follower| {
        let event = follower.next().await?;
        Some((Ok(sse::Event::default().data(event)), follower))
    });
    Ok(Sse::new(stream).keep_alive(sse::KeepAlive::default()))
}

struct Follower {
    leg: watch::Receiver<Transcript>,
    told: usize,
    pending: VecDeque<String>,
    over: bool,
}

impl Follower {
    /// The next event's data; `None` after the last one.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            self.read();
            if self.pending.is_empty() && self.leg.changed().await.is_err() {
                self.over = true;
            }
        }
    }

    fn read(&mut self) {
        let leg = self.leg.borrow_and_update();
        for line in leg.lines.iter().skip(self.told) {
            self.pending.push_back(json!(line).to_string());
        }
        self.told = leg.lines.len();
        if leg.ended {
            self.pending.push_back(json!({ "live": false }).to_string());
            self.over = true;
        }
    }
}

async fn state(State(demo): State<Demo>) -> Json<Value> {
    Json(demo.twin.snapshot().await)
}

async fn log(State(demo): State<Demo>) -> String {
    let mut lines = demo.twin.log_lines();
    lines.push(String::new());
    lines.join("\n")
}

/// The Rejoin server's timeline of this customer's call. Its token stays on this side.
async fn timeline(State(demo): State<Demo>, Path(call): Path<String>) -> Result<Response, Problem> {
    let call = leg(&call)?;
    let config = demo.twin.config();
    let server =
        config.server_url.as_ref().ok_or_else(|| Problem::not_found("rejoin server (--server-url)"))?;
    let mut request = demo.client.get(format!("{server}/operator/timeline/{call}"));
    if let Some(token) = &config.operator_token {
        request = request.bearer_auth(token.expose_secret());
    }
    let unreachable = |_| Problem(StatusCode::BAD_GATEWAY, "the rejoin server cannot be reached".into());
    let reply = request.send().await.map_err(unreachable)?;
    if !reply.status().is_success() {
        let status = reply.status().as_u16();
        return Err(Problem(
            StatusCode::BAD_GATEWAY,
            format!("the rejoin server answers with status {status}"),
        ));
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(reply.bytes_stream())).into_response())
}

#[derive(Deserialize)]
struct Activity {
    activity: String,
}

/// Sets how the phone of an outside number takes calls.
async fn set_phone(
    State(demo): State<Demo>,
    Path(number): Path<String>,
    Json(phone): Json<Phone>,
) -> StatusCode {
    demo.twin.set_phone(number, phone);
    StatusCode::NO_CONTENT
}

async fn reset_phones(State(demo): State<Demo>) -> StatusCode {
    demo.twin.reset_phones();
    StatusCode::NO_CONTENT
}

/// The last call to an outside number.
async fn phone(State(demo): State<Demo>, Path(number): Path<String>) -> Result<Json<Value>, Problem> {
    let call = demo.twin.called(&number).ok_or_else(|| Problem::not_found("call to this number"))?;
    Ok(Json(json!({ "call": call, "live": demo.twin.is_live(&call) })))
}

/// The phone of an outside number is answered.
async fn answer(State(demo): State<Demo>, Path(number): Path<String>) -> Result<StatusCode, Problem> {
    let call = demo.twin.called(&number).filter(|call| demo.twin.is_live(call));
    demo.twin.pick_up(call.ok_or_else(|| Problem::not_found("call to this number"))?);
    Ok(StatusCode::NO_CONTENT)
}

/// Sets the Flex features, by name, that are enabled in this account: for desktops that start from now on.
async fn set_features(State(demo): State<Demo>, Json(features): Json<Vec<String>>) -> StatusCode {
    demo.twin.set_features(features);
    StatusCode::NO_CONTENT
}

/// Changes assumptions about Twilio, so that uncertain ones can be tested both ways.
async fn assume(State(demo): State<Demo>, Json(assumptions): Json<Assumptions>) -> StatusCode {
    demo.twin.tell(Event::Assume(assumptions));
    StatusCode::NO_CONTENT
}

/// Sets the latency of REST requests and webhooks, milliseconds each way.
async fn set_latency(State(demo): State<Demo>, Json(ms): Json<u64>) -> StatusCode {
    demo.twin.config().latency.set_ms(ms);
    StatusCode::NO_CONTENT
}

fn worker(name: &str) -> Result<WorkerSid, Problem> {
    let agent = crate::flex::agent::Agent::named(name).ok_or_else(|| Problem::not_found("such agent"))?;
    Ok(agent.worker())
}

/// Flex loses its sockets (of TaskRouter, Sync and the phone) and cannot reconnect.
async fn cut_off(State(demo): State<Demo>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    demo.twin.cut_off(worker(&name)?, true);
    Ok(StatusCode::NO_CONTENT)
}

/// Flex can reconnect.
async fn let_through(State(demo): State<Demo>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    demo.twin.cut_off(worker(&name)?, false);
    Ok(StatusCode::NO_CONTENT)
}

/// Sets the faults between Twilio and the Rejoin server.
async fn set_faults(State(demo): State<Demo>, Json(faults): Json<Faults>) -> StatusCode {
    demo.twin.set_faults(faults);
    StatusCode::NO_CONTENT
}

/// What REST requests have changed, for tests to count.
async fn done(State(demo): State<Demo>) -> Json<Vec<Done>> {
    Json(demo.twin.done())
}

async fn activity(
    State(demo): State<Demo>,
    Path(name): Path<String>,
    Json(wanted): Json<Activity>,
) -> Result<StatusCode, Problem> {
    set_activity(&demo, worker(&name)?, &wanted.activity).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets an activity, as from the Console.
pub(super) async fn set_activity(demo: &Demo, worker: WorkerSid, name: &str) -> Result<(), Problem> {
    let account = account_of(demo.twin.config());
    let activity = account.activities.into_iter().find(|activity| activity.name == name);
    let activity = activity.ok_or_else(|| Problem::not_found("such activity"))?.sid;
    let request =
        Request::UpdateWorker { worker, activity: Some(activity), attributes: None, reject_pending: false };
    let refused = |error: crate::model::ApiError| {
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Problem(status, error.message)
    };
    demo.twin.ask(request).await.map(drop).map_err(refused)
}
