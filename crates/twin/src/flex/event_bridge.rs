//! TaskRouter's event bridge: a socket with events for a worker's pages, and requests beside it.

use super::{
    Flex, Refused, account_of,
    rpc::{self, Refusal, Rpc},
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        Query, State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use rejoin_protocol::WorkerSid;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// `twilio-taskrouter` reconnects after 30 s of silence.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Flex 2.17.1 waits for `participant.modified` only once it has the answer to its request, and would wait forever
/// for one that came before.
const AFTER_THE_ANSWER: Duration = Duration::from_millis(50);

pub(super) fn routes() -> Router<Flex> {
    Router::new().route("/@event-bridge.twilio.com/v1/wschannels", get(connect).post(request))
}

#[derive(Deserialize)]
struct Connection {
    token: String,
}

async fn connect(
    State(flex): State<Flex>,
    Query(connection): Query<Connection>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refused> {
    let claims = flex.verified(&connection.token)?;
    if flex.twin.is_cut_off(&claims.worker) {
        return Ok(StatusCode::SERVICE_UNAVAILABLE.into_response());
    }
    let first = json!({
        "event_type": "init",
        "payload": {
            "account_sid": claims.account, "workspace_sid": claims.workspace, "channel_id": claims.worker,
            "token_lifetime": claims.expires.0.saturating_sub(crate::shell::now().0)
        }
    });
    Ok(upgrade.on_upgrade(move |socket| serve(flex, claims.worker, first, socket)))
}

async fn serve(flex: Flex, worker: WorkerSid, first: Value, mut socket: WebSocket) {
    // Before `init`, so that no event is lost between this page's first requests and its first event.
    let mut events = flex.twin.listen_worker(worker.clone());
    if socket.send(Message::text(first.to_string())).await.is_err() {
        return;
    }
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.tick().await;
    loop {
        let sent = tokio::select! {
            event = events.recv() => match event {
                Some((event_type, payload)) => {
                    if event_type == "participant.modified" {
                        tokio::time::sleep(AFTER_THE_ANSWER).await;
                    }
                    let event = json!({ "event_type": event_type, "payload": payload });
                    socket.send(Message::text(event.to_string())).await
                }
                None => return,
            },
            message = socket.recv() => match message {
                // The client sends nothing here that matters.
                Some(Ok(_)) => Ok(()),
                Some(Err(_)) | None => return,
            },
            _ = heartbeat.tick() => socket.send(Message::text(" ")).await,
            () = flex.twin.until_cut_off(Some(&worker)) => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// The body is JSON with a text content type.
async fn request(State(flex): State<Flex>, body: Bytes) -> Response {
    let Ok(rpc) = serde_json::from_slice::<Rpc>(&body) else {
        return refusal(StatusCode::BAD_REQUEST, 20001, "the body is no JSON with url, method and token");
    };
    let claims = match flex.verified(&rpc.token) {
        Ok(claims) => claims,
        Err(refused) => return refused.into_response(),
    };
    let workspace = account_of(flex.twin.config()).workspace;
    let request = match rpc::translate(&rpc, &workspace, &claims.worker) {
        Ok(request) => request,
        Err(Refusal::Unknown) => {
            flex.twin.log(format!("event bridge: not known here: {} {}", rpc.method, rpc.url));
            return refusal(StatusCode::NOT_FOUND, 20404, "The requested resource was not found");
        }
        Err(Refusal::Foreign) => {
            return refusal(
                StatusCode::FORBIDDEN,
                20403,
                "The token is not one for this worker or workspace",
            );
        }
        Err(Refusal::Parameter(name)) => {
            return refusal(StatusCode::BAD_REQUEST, 20001, &format!("Invalid or missing parameter {name}"));
        }
    };
    match flex.twin.ask(request).await {
        Ok(reply) => Json(json!({ "payload": reply.bridge })).into_response(),
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            refusal(status, error.code, &error.message)
        }
    }
}

fn refusal(status: StatusCode, code: u32, message: &str) -> Response {
    let body = json!({ "status": status.as_u16(), "code": code, "message": message });
    (status, Json(body)).into_response()
}
