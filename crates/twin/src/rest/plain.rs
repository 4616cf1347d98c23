//! REST without a network: the bytes of a request are read, the model is asked, the bytes of its answer are written.

use super::{Call, form::Form, iam, not_found, taskrouter, voice};
use crate::{
    TwinConfig,
    flex::account_of,
    model::{self, ApiError, Effect, Event, Model, Reply, Request, RequestId, text},
};
use axum::{
    body::Bytes,
    http::{self, HeaderMap, HeaderValue, Response, StatusCode, Uri, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rejoin_protocol::{AccountSid, Millis, WorkspaceSid};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

/// Twilio's services begin with their names.
const VOICE: &str = "api.twilio.com";
const TASKROUTER: &str = "taskrouter.twilio.com";
const IAM: &str = "iam.twilio.com";

/// Whose API it is.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The account.
    pub account: AccountSid,
    /// Its only workspace.
    pub workspace: WorkspaceSid,
    /// What it signs in with.
    pub auth_token: SecretString,
}

impl Owner {
    pub(super) fn of(config: &TwinConfig) -> Self {
        Self {
            account: config.account.clone(),
            workspace: account_of(config).workspace,
            auth_token: config.auth_token.clone(),
        }
    }

    /// Basic authentication with account SID and auth token.
    pub(super) fn authorize(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let wanted = format!("{}:{}", self.account, self.auth_token.expose_secret());
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Basic"))
            .and_then(|(_, credentials)| STANDARD.decode(credentials).ok());
        match given {
            Some(given) if bool::from(given.ct_eq(wanted.as_bytes())) => Ok(()),
            _ => Err(ApiError { status: 401, code: 20003, message: "Authenticate".into() }),
        }
    }
}

/// A part of the API that the model serves.
pub(super) type Translate = fn(&Owner, &Call<'_>) -> Result<Request, ApiError>;

/// A request as it was sent to one part of the API.
pub(super) struct Sent<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl Sent<'_> {
    /// What it means, and its parameters.
    pub(super) fn read(&self, owner: &Owner, translate: Translate) -> Result<(Request, Form), ApiError> {
        owner.authorize(self.headers)?;
        let if_match = self.headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
        let call = Call {
            method: self.method,
            segments: self.path.trim_end_matches(".json").split('/').collect(),
            form: Form::parse(self.body, self.query)?,
            if_match: if_match.map(str::to_owned),
        };
        Ok((translate(owner, &call)?, call.form))
    }
}

/// Is a reservation asked for where it is? Then this is asked first, and [`Placed::is_there`] what was answered.
pub(super) struct Placed<'a> {
    path: &'a str,
    field: &'static str,
    owner: &'a str,
}

impl<'a> Placed<'a> {
    pub(super) fn of(path: &'a str) -> Option<(Request, Self)> {
        let (reservation, field, owner) = taskrouter::placed(path)?;
        Some((Request::FetchReservation(reservation), Self { path, field, owner }))
    }

    pub(super) fn is_there(&self, found: &Reply) -> Result<(), ApiError> {
        if found.body[self.field] == self.owner { Ok(()) } else { Err(not_found(self.path)) }
    }
}

/// Carries out a request on the model, and gives back the answer with all that follows besides. The service is found in the
/// host (`https://api.twilio.com/…`), or in the path behind another one (`http://…/api.twilio.com/…`).
pub fn carry_out(
    model: &mut Model,
    owner: &Owner,
    now: Millis,
    request: &http::Request<Bytes>,
) -> (Response<Bytes>, Vec<Effect>) {
    let mut effects = vec![];
    let answer = answered(model, owner, now, request, &mut effects);
    (answer.unwrap_or_else(|error| refusal(&error)), effects)
}

fn answered(
    model: &mut Model,
    owner: &Owner,
    now: Millis,
    request: &http::Request<Bytes>,
    effects: &mut Vec<Effect>,
) -> Result<Response<Bytes>, ApiError> {
    let (service, path) = service(request.uri());
    let (method, headers, body) = (request.method().as_str(), request.headers(), request.body());
    let translate = match service {
        VOICE => voice::translate as Translate,
        TASKROUTER => taskrouter::translate,
        IAM => {
            owner.authorize(headers)?;
            return iam::answer(owner, now, method, path, body).map(|body| written(StatusCode::OK, &body));
        }
        _ => return Err(not_found(path)),
    };
    let sent = Sent { method, path, query: request.uri().query(), headers, body };
    let (wanted, _) = sent.read(owner, translate)?;
    let mut ask = |request| {
        let id = RequestId(u64::MAX);
        let mut result = None;
        for effect in model.handle(now, Event::Request { id, request, form: model::Form::Rest }) {
            match effect {
                Effect::Reply { id: of, result: reply } if of == id => result = Some(reply),
                effect => effects.push(effect),
            }
        }
        let none = ApiError { status: 500, code: 20500, message: "the model did not answer".into() };
        result.unwrap_or(Err(none))
    };
    if let Some((first, placed)) = Placed::of(path) {
        placed.is_there(&ask(first)?)?;
    }
    ask(wanted).map(|reply| answer(&reply))
}

/// The service, and the path behind its name.
fn service(uri: &Uri) -> (&str, &str) {
    let path = uri.path();
    let begin = path.split('/').find(|segment| segment.ends_with(".twilio.com"));
    match begin.and_then(|name| Some((name, path.split_once(name)?.1))) {
        Some((name, path)) => (name, path.trim_start_matches('/')),
        None => (uri.host().unwrap_or_default(), path.trim_start_matches('/')),
    }
}

/// An answer of the model's.
pub(super) fn answer(reply: &Reply) -> Response<Bytes> {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let mut response = written(status, &reply.body);
    let etag = reply.etag.and_then(|version| HeaderValue::try_from(format!("\"{version}\"")).ok());
    if let Some(etag) = etag {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// A refusal in Twilio's form.
pub(super) fn refusal(error: &ApiError) -> Response<Bytes> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({
        "code": error.code,
        "message": error.message,
        "more_info": format!("https://www.twilio.com/docs/errors/{}", error.code),
        "status": error.status,
    });
    written(status, &body)
}

pub(super) fn written(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        *response.body_mut() = text(body).into();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{facts::Facts, model::demo_account};

    fn owner() -> Owner {
        let account = demo_account(AccountSid::numbered(1), "http://twin/demo/voice".into());
        let auth_token = SecretString::from("secret");
        Owner { account: account.sid, workspace: account.workspace, auth_token }
    }

    fn ask(uri: &str, password: &str) -> Response<Bytes> {
        let account = demo_account(AccountSid::numbered(1), "http://twin/demo/voice".into());
        let mut model = Model::new(Facts::default(), account, 0).expect("a model");
        let credentials = STANDARD.encode(format!("{}:{password}", owner().account));
        let request = http::Request::get(uri).header(header::AUTHORIZATION, format!("Basic {credentials}"));
        let request = request.body(Bytes::new()).expect("a request");
        carry_out(&mut model, &owner(), Millis(0), &request).0
    }

    #[test]
    fn a_request_is_carried_out_wherever_the_service_is_named() {
        let path = format!("v1/Workspaces/{}/Activities", owner().workspace);
        for base in [
            "https://taskrouter.twilio.com",
            "http://twin/__tw/taskrouter.twilio.com",
            "http://twin/taskrouter.twilio.com",
        ] {
            let answer = ask(&format!("{base}/{path}"), "secret");
            assert_eq!(answer.status(), 200, "{base}");
            let body: Value = serde_json::from_slice(answer.body()).expect("JSON");
            assert!(body["activities"].is_array(), "{body}");
        }
        assert_eq!(ask(&format!("https://video.twilio.com/{path}"), "secret").status(), 404);
        assert_eq!(ask(&format!("https://taskrouter.twilio.com/{path}"), "guessed").status(), 401);
    }
}
