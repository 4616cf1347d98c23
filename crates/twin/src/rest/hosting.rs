//! serverless.twilio.com, serverless-upload.twilio.com, Flex's plugin service, and the files that domains serve.

use super::{
    answered, fault,
    incoming::Incoming,
    lists, not_found, note,
    plain::{FLEX, SERVERLESS, Sent, described},
};
use crate::{
    Twin,
    faults::{Api, Done},
    hosting::{Asked, Upload},
    model::ApiError,
    owner::Owner,
    shell_now,
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Multipart, Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use serde_json::{Map, Value};

/// Where the services' paths begin, behind `v1`.
const SERVICES: &str = "v1/Services";
const PLUGIN_SERVICE: &str = "v1/PluginService";
/// A longer upload is cut off. A file of more than 10 MB is refused.
const UPLOAD: usize = 16 << 20;

pub(super) fn routes() -> Router<Twin> {
    let upload = post(upload).layer(DefaultBodyLimit::max(UPLOAD));
    Router::new()
        .route("/@serverless.twilio.com/{*path}", any(serverless))
        .route("/@flex-api.twilio.com/v1/PluginService/{*path}", any(plugin_service))
        .route("/@serverless-upload.twilio.com/v1/Services/{service}/Assets/{asset}/Versions", upload)
        .route("/@twil.io/{domain}/{*path}", get(file))
}

async fn serverless(State(twin): State<Twin>, incoming: Incoming) -> Response {
    serve(&twin, &incoming.sent(SERVERLESS)).await
}

async fn plugin_service(State(twin): State<Twin>, incoming: Incoming) -> Response {
    serve(&twin, &incoming.below(PLUGIN_SERVICE).sent(FLEX)).await
}

async fn serve(twin: &Twin, sent: &Sent<'_>) -> Response {
    twin.lag().await;
    let fault = twin.faults(|faults| faults.of_request(Api::Hosting, sent.method, sent.path));
    if let Some(fault) = fault.as_ref().filter(|fault| !fault.applied) {
        return fault::instead(twin, fault, sent.method, sent.path).await;
    }
    let mut said = Map::new();
    let result = answer(twin, sent, &mut said);
    note(twin, sent, result.as_ref().err());
    if result.is_ok() && sent.method != "GET" {
        twin.has_done(Done { at: shell_now(), request: format!("{} {}", sent.method, sent.path), said });
    }
    if let Some(fault) = fault {
        return fault::instead(twin, &fault, sent.method, sent.path).await;
    }
    twin.lag().await;
    answered(result)
}

fn answer(
    twin: &Twin,
    sent: &Sent<'_>,
    said: &mut Map<String, Value>,
) -> Result<(StatusCode, Value), ApiError> {
    Owner::of(twin.config()).authorize_flex(sent.headers)?;
    let (operation, form) = sent.checked()?;
    *said = form.said();
    let all = |name: &str| form.all(name);
    let is_serverless = sent.host == SERVERLESS;
    let before = if is_serverless { SERVICES } else { PLUGIN_SERVICE };
    let rest = sent.path.strip_prefix(before).ok_or_else(|| not_found(sent.path))?;
    let segments: Vec<&str> = rest.split('/').filter(|segment| !segment.is_empty()).collect();
    let asked =
        Asked { account: &twin.config().account, method: sent.method, segments: &segments, all: &all };
    let mut hosting = twin.hosting();
    let (status, body) =
        if is_serverless { hosting.serverless(&asked)? } else { hosting.plugin_service(&asked)? };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let body = lists::page(operation, &form, sent.path, body)?;
    described(sent.host, sent.method, sent.path, Ok((status, body)))
}

/// <https://www.twilio.com/docs/serverless/api/resource/asset-version>
async fn upload(
    State(twin): State<Twin>,
    Path((_, asset)): Path<(String, String)>,
    headers: HeaderMap,
    parts: Multipart,
) -> Response {
    twin.lag().await;
    let sent = Sent {
        host: "serverless-upload.twilio.com",
        method: "POST",
        path: "serverless-upload",
        query: None,
        headers: &headers,
        body: &[],
    };
    if let Some(fault) = twin.faults(|faults| faults.of_request(Api::Hosting, sent.method, sent.path)) {
        return fault::instead(&twin, &fault, sent.method, sent.path).await;
    }
    let result = match Owner::of(twin.config()).authorize_flex(&headers) {
        Ok(()) => read(parts).await,
        Err(error) => Err(error),
    };
    let account = &twin.config().account;
    let result = result.and_then(|upload| twin.hosting().upload(account, &asset, upload));
    note(&twin, &sent, result.as_ref().err());
    twin.lag().await;
    answered(result.map(|(status, body)| (StatusCode::from_u16(status).unwrap_or(StatusCode::CREATED), body)))
}

async fn read(mut parts: Multipart) -> Result<Upload, ApiError> {
    let unreadable = |error: axum::extract::multipart::MultipartError| ApiError {
        status: error.status().as_u16(),
        code: 20001,
        message: "the form cannot be read".into(),
    };
    let mut upload = Upload::default();
    while let Some(part) = parts.next_field().await.map_err(unreadable)? {
        let (name, kind) = (part.name().map(str::to_owned), part.content_type().map(str::to_owned));
        match name.as_deref() {
            Some("Path") => upload.path = Some(part.text().await.map_err(unreadable)?),
            Some("Visibility") => upload.visibility = Some(part.text().await.map_err(unreadable)?),
            Some("Content") => {
                let kind = kind.ok_or_else(|| ApiError::bad_request("Content has no media type"))?;
                upload.content = Some((kind, part.bytes().await.map_err(unreadable)?));
            }
            _ => return Err(ApiError::bad_request("a form has Path, Visibility and Content")),
        }
    }
    Ok(upload)
}

/// A protected file is for users of Flex: the desktop's own address serves it, see `/plugins`.
async fn file(State(twin): State<Twin>, Path((domain, path)): Path<(String, String)>) -> Response {
    let found = twin.hosting().file(&domain, &format!("/{path}")).cloned();
    match found {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(file) if file.protected => StatusCode::FORBIDDEN.into_response(),
        Some(file) => ([(header::CONTENT_TYPE, file.kind)], file.content).into_response(),
    }
}
