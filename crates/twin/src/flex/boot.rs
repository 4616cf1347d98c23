//! HTTP requests of Flex while it boots, apart from TaskRouter.

use super::{Flex, Refused, account_of, agent::Agent, wav_file};
use crate::{Twin, dates::iso, model::ApiError, owner::Owner, shell};
use axum::{
    Form, Json, Router,
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use rejoin_protocol::{ActivitySid, TaskQueueSid, WorkflowSid};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(super) fn routes() -> Router<Flex> {
    Router::new()
        .route("/@flex-api.twilio.com/v1/Configuration", get(configuration).post(configure))
        .route("/@flex-api.twilio.com/v1/Configuration/Public", get(public_configuration))
        .route("/@flex-api.twilio.com/v1/Accounts/{account}/Tokens/Info", post(token_info))
        .route("/@flex-api.twilio.com/v1/Instances/{instance}/Teams/Context", get(nothing))
        .route("/@flex-api.twilio.com/v1/account/provision/status", get(inactive))
        .route("/@flex-api.twilio.com/v3/Instances/{instance}/TransferSettings", get(transfer_settings))
        .route("/@flex.twilio.com/api/v1/Session", get(session))
        .route("/@status.twilio.com/api/v2/summary.json", get(status))
        // Flex throws for anything but a list.
        .route("/@assets.flex.twilio.com/assets/countries.json", get(async || Json(json!([]))))
        .route("/@assets.flex.twilio.com/assets/flagPositions.json", get(nothing))
        // Telemetry of the Voice SDK.
        .route("/@eventgw.us1.twilio.com/{*path}", post(nothing))
        .route("/@eventgw.twilio.com/{*path}", post(nothing))
        .route("/@sdk.twilio.com/{*path}", get(sound))
        .route("/@media.twiliocdn.com/{*path}", get(sound))
        .route("/@{host}/{*path}", any(unknown))
}

async fn nothing() -> Json<Value> {
    Json(json!({}))
}

async fn inactive() -> Json<Value> {
    Json(json!({ "status": "inactive" }))
}

/// Flex asks once before it has read its token, so this part of the configuration is public.
async fn public_configuration(State(flex): State<Flex>) -> Json<Value> {
    Json(json!({ "configurations": [{
        "account_sid": flex.twin.config().account, "runtime_domain": "", "public_attributes": {}
    }] }))
}

/// <https://www.twilio.com/docs/flex/developer/config/flex-configuration-rest-api>
async fn configuration(State(flex): State<Flex>, headers: HeaderMap) -> Result<Response, Refused> {
    match Owner::of(flex.twin.config()).authorize_flex(&headers) {
        Ok(()) => {}
        Err(error) if error.status == 403 => return Ok(written(&error)),
        Err(_) => drop(flex.authenticated(&headers)?),
    }
    Ok(Json(configuration_of(&flex.twin)).into_response())
}

/// Replaces each top-level key that is sent, whole. The account's owner alone may do so.
async fn configure(State(flex): State<Flex>, headers: HeaderMap, Json(sent): Json<Value>) -> Response {
    let config = flex.twin.config();
    let result = Owner::of(config).authorize_flex(&headers).and_then(|()| {
        let Value::Object(mut sent) = sent else {
            return Err(ApiError::bad_request("the body is no JSON object"));
        };
        if sent.remove("account_sid") != Some(json!(config.account)) {
            return Err(ApiError::bad_request("account_sid is missing, or is not the account's"));
        }
        let known = configuration_of(&flex.twin);
        if let Some(unknown) = sent.keys().find(|key| !known.contains_key(*key)) {
            return Err(ApiError::bad_request(format!("the configuration has no {unknown}")));
        }
        flex.twin.configure(sent);
        Ok(())
    });
    match result {
        Ok(()) => Json(configuration_of(&flex.twin)).into_response(),
        Err(error) => written(&error),
    }
}

fn written(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = json!({ "code": error.code, "message": error.message, "status": error.status });
    (status, Json(body)).into_response()
}

fn configuration_of(twin: &Twin) -> Map<String, Value> {
    let config = twin.config();
    // The part that is the same for every twin. A test proves that it can be parsed.
    let mut all: Map<String, Value> =
        serde_json::from_str(include_str!("configuration.json")).unwrap_or_default();
    let account = account_of(config);
    let instance = format!("GO{}", account.sid.digits());
    let (workflow, queue) = (WorkflowSid::numbered(1), TaskQueueSid::numbered(1));
    let at = iso(shell::now());
    let own = json!({
        "account_sid": account.sid,
        "flex_instance_sid": instance,
        "instance_sid": instance,
        "date_created": at,
        "date_updated": at,
        "taskrouter_workspace_sid": account.workspace,
        "taskrouter_offline_activity_sid": ActivitySid::numbered(0),
        "taskrouter_target_workflow_sid": workflow,
        "taskrouter_target_taskqueue_sid": queue,
        "ui_attributes": {
            "version_compatibility": "yes", "version_message": "", "logLevel": "info",
            "custom_data": if config.bare { json!({}) } else { json!({ "rejoin": { "server": config.server_url } }) }
        },
        "outbound_call_flows": { "default": {
            "enabled": true, "caller_id": account.number, "workflow_sid": WorkflowSid::numbered(3), "queue_sid": queue,
            "location": "US"
        } },
    });
    if let Value::Object(own) = own {
        all.extend(own);
    }
    all.extend(twin.configured());
    all
}

#[derive(Deserialize)]
struct TokenForm {
    #[serde(rename = "Token", alias = "token")]
    token: String,
}

async fn token_info(
    State(flex): State<Flex>,
    Path(account): Path<String>,
    Form(form): Form<TokenForm>,
) -> Result<Json<Value>, Refused> {
    let claims = flex.verified(&form.token)?;
    let agent = Agent::of(&claims.worker).filter(|_| account == claims.account.as_str()).ok_or(Refused)?;
    Ok(Json(json!({
        "valid": true,
        "expiration": iso(claims.expires),
        "identity": claims.identity,
        "roles": claims.roles,
        "realm_user_id": agent.email(),
        "flex_user_sid": agent.user(),
        "user_sid": agent.user(),
        "worker_sid": claims.worker,
        "account_sid": claims.account,
    })))
}

/// Feature flags. Without a list Flex reports that it is degraded.
async fn session(State(flex): State<Flex>, headers: HeaderMap) -> Result<Json<Value>, Refused> {
    flex.authenticated(&headers)?;
    let features: Vec<Value> =
        flex.twin.features().iter().map(|id| json!({ "id": id, "enabled": true, "docUrl": "" })).collect();
    Ok(Json(
        json!({ "features": features, "insights_active": false, "plugins": [], "segment": {}, "datadog": {} }),
    ))
}

/// Transfers of chats. Flex asks when the feature `new-transfer-experience` is on (*read* in `@twilio/flex-ui` 2.17.1).
async fn transfer_settings() -> Json<Value> {
    Json(json!({ "transfer_settings": [
        { "enabled": true, "transfer_notes_enabled": false, "ai_summary_enabled": false }
    ] }))
}

async fn status() -> Json<Value> {
    Json(json!({
        "page": {}, "components": [], "incidents": [], "scheduled_maintenances": [],
        "status": { "indicator": "none" }
    }))
}

/// Ringing tones and the like: a short silence. The desktop's own sounds would drown the demo's calls.
async fn sound() -> Response {
    ([(header::CONTENT_TYPE, "audio/wav")], wav_file(&[0; 800])).into_response()
}

/// A service, or a request, that the twin does not know. It is logged, for whoever searches why a desktop misbehaves.
async fn unknown(State(flex): State<Flex>, method: Method, uri: Uri) -> Response {
    let path = uri.path();
    if path.ends_with(".css") {
        return ([(header::CONTENT_TYPE, "text/css")], "").into_response();
    }
    // Without the query, which may hold a token.
    flex.twin.log(format!("not known here: {method} {}", path.trim_start_matches("/@")));
    let body = json!({ "code": 20404, "status": 404, "message": "The requested resource was not found" });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_part_of_the_configuration_is_valid_json() {
        let all: Map<String, Value> =
            serde_json::from_str(include_str!("configuration.json")).expect("an object");
        assert_eq!(all["offline_config"]["presence_ttl"], 30);
    }
}
