//! REST without a network: reads the bytes of a request, asks the model, and writes the bytes of its answer.

use super::{Call, conversations, form::Form, iam, lists, not_found, refuse, taskrouter, voice};
use crate::{
    contract::{Operation, contract},
    facts::Facts,
    model::{self, ApiError, Effect, Event, Model, Reply, Request, RequestId, text},
    owner::Owner,
};
use axum::{
    body::Bytes,
    http::{self, HeaderMap, HeaderValue, Response, StatusCode, Uri, header},
};
use rejoin_protocol::{CallSid, ConferenceSid, Millis, WorkerSid};
use serde_json::{Value, json};

/// Host names of Twilio's services.
pub(super) const VOICE: &str = "api.twilio.com";
pub(super) const TASKROUTER: &str = "taskrouter.twilio.com";
pub(super) const IAM: &str = "iam.twilio.com";
pub(super) const CONVERSATIONS: &str = "conversations.twilio.com";
pub(super) const EVENTS: &str = "events.twilio.com";
pub(super) const FLEX: &str = "flex-api.twilio.com";
pub(super) const SERVERLESS: &str = "serverless.twilio.com";
pub(super) const STUDIO: &str = "studio.twilio.com";
pub(super) const WEBHOOKS: &str = "webhooks.twilio.com";

/// A part of the API that the model serves.
pub(super) type Translate = fn(&Owner, &Call<'_>) -> Result<Request, ApiError>;

/// A request as it was sent to one part of the API.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    pub(super) host: &'static str,
    pub(super) method: &'a str,
    /// Without the leading slash.
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// A request that has been parsed.
pub(super) struct Read {
    pub(super) operation: &'static Operation,
    pub(super) request: Request,
    pub(super) form: Form,
}

impl Sent<'_> {
    /// The operation, if it exists, and its parameters.
    pub(super) fn form(&self) -> Result<(&'static Operation, Form), ApiError> {
        let missing = || not_found(self.path);
        let operation = contract().operation(self.method, self.host, &format!("/{}", self.path));
        let operation = operation.ok_or_else(missing)?;
        Ok((operation, Form::parse(self.body, self.query)?))
    }

    /// Like [`Sent::form`], with parameters checked against the contract.
    pub(super) fn checked(&self) -> Result<(&'static Operation, Form), ApiError> {
        let (operation, form) = self.form()?;
        match refuse::wrong(operation, &form) {
            None => Ok((operation, form)),
            Some(wrong) => Err(refuse::refusal(operation, wrong)),
        }
    }

    /// Translates the request. The sender is authorised already.
    pub(super) fn read(
        &self,
        owner: &Owner,
        translate: Translate,
        (operation, form): (&'static Operation, Form),
    ) -> Result<Read, ApiError> {
        let call = Call {
            method: self.method,
            segments: self.path.trim_end_matches(".json").split('/').collect(),
            form,
            if_match: self.if_match().map(str::to_owned),
            webhooks: self
                .header("x-twilio-webhook-enabled")
                .is_some_and(|it| it.eq_ignore_ascii_case("true")),
        };
        Ok(Read { operation, request: translate(owner, &call)?, form: call.form })
    }

    fn if_match(&self) -> Option<&str> {
        self.header(header::IF_MATCH.as_str())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A participant's label in a path. The participants are requested first, and [`Label::path`] gives the path with the
/// participant's call.
pub(super) struct Label<'a> {
    before: &'a str,
    label: &'a str,
}

impl<'a> Label<'a> {
    pub(super) fn of(sent: &Sent<'a>) -> Option<(Request, Self)> {
        let (before, label) = sent.path.rsplit_once("/Participants/")?;
        let label = label.trim_end_matches(".json");
        if sent.host != VOICE || CallSid::parse(label).is_ok() {
            return None;
        }
        let conference = ConferenceSid::parse(before.rsplit('/').next()?).ok()?;
        Some((Request::ListParticipants(conference), Self { before, label }))
    }

    pub(super) fn path(&self, found: &Reply) -> Result<String, ApiError> {
        let missing = || ApiError::not_found("participant");
        let participants = found.body["participants"].as_array().ok_or_else(missing)?;
        let labelled = participants.iter().find(|participant| participant["label"] == self.label);
        let call = labelled.and_then(|participant| participant["call_sid"].as_str()).ok_or_else(missing)?;
        Ok(format!("{}/Participants/{call}.json", self.before))
    }
}

/// A precondition of a request: the reservation belongs to the task or worker in the path, or the worker has not
/// changed. The resource is requested first, and [`First::fits`] checks the answer.
pub(super) struct First {
    path: String,
    /// A field of the reservation, and its required value: the owner.
    owner: Option<(&'static str, String)>,
    if_match: Option<String>,
}

impl First {
    pub(super) fn of(sent: &Sent<'_>) -> Option<(Request, Self)> {
        let path = sent.path;
        let if_match = sent.headers.get(header::IF_MATCH).filter(|_| sent.method == "POST");
        let if_match = if_match.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let first = |owner, if_match| Self { path: path.to_owned(), owner, if_match };
        if let Some((reservation, field, owner)) = taskrouter::placed(path) {
            let first = first(Some((field, owner.to_owned())), if_match);
            return Some((Request::FetchReservation(reservation), first));
        }
        let (before, worker) = path.rsplit_once('/')?;
        let worker = WorkerSid::parse(worker).ok().filter(|_| before.ends_with("/Workers"))?;
        if_match.map(|wanted| (Request::FetchWorker(worker), first(None, Some(wanted))))
    }

    pub(super) fn fits(&self, found: &Reply) -> Result<(), ApiError> {
        if self.owner.as_ref().is_some_and(|(field, owner)| found.body[field] != **owner) {
            return Err(not_found(&self.path));
        }
        let etag = found.etag.map(|version| version.to_string());
        if self.if_match.is_some() && self.if_match != etag {
            let message = "The ETag is not that of the resource; fetch it again".into();
            return Err(ApiError { status: 412, code: Facts::default().if_match_code, message });
        }
        Ok(())
    }
}

/// An answer, not serialised yet.
pub(super) struct Said {
    status: StatusCode,
    body: Value,
    etag: Option<u64>,
}

impl Said {
    /// Serialises the answer; with debug assertions only if it satisfies the contract.
    ///
    /// # Errors
    /// What is wrong, in one line each: a mistake in the twin.
    pub(super) fn checked(self, operation: &Operation) -> Result<Response<Bytes>, Vec<String>> {
        if cfg!(debug_assertions) {
            let wrong = operation.wrong_in_answer(contract(), self.status.as_u16(), &self.body);
            if !wrong.is_empty() {
                return Err(wrong);
            }
        }
        Ok(self.written())
    }

    fn written(self) -> Response<Bytes> {
        let mut response = written(self.status, &self.body);
        let etag = self.etag.and_then(|version| HeaderValue::try_from(format!("\"{version}\"")).ok());
        if let Some(etag) = etag {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

/// The answer to a request; for a list the requested page.
pub(super) fn answer(operation: &Operation, form: &Form, path: &str, reply: Reply) -> Result<Said, ApiError> {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    Ok(Said { status, body: lists::page(operation, form, path, reply.body)?, etag: reply.etag })
}

/// With debug assertions, an answer must satisfy the contract.
pub(super) fn described(
    host: &str,
    method: &str,
    path: &str,
    result: Result<(StatusCode, Value), ApiError>,
) -> Result<(StatusCode, Value), ApiError> {
    let (status, body) = result?;
    let operation =
        contract().operation(method, host, &format!("/{path}")).filter(|_| cfg!(debug_assertions));
    let wrong =
        operation.map(|it| it.wrong_in_answer(contract(), status.as_u16(), &body)).unwrap_or_default();
    if wrong.is_empty() {
        return Ok((status, body));
    }
    Err(ApiError { status: 500, code: 20500, message: wrong.join("; ") })
}

/// Carries out a request on the model, and returns the answer with all further effects. The service is the host
/// (`https://api.twilio.com/…`), or the beginning of the path behind another host (`http://…/api.twilio.com/…`).
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
    let (host, translate) = match service {
        VOICE => (VOICE, voice::translate as Translate),
        TASKROUTER => (TASKROUTER, taskrouter::translate as Translate),
        CONVERSATIONS => (CONVERSATIONS, conversations::translate as Translate),
        FLEX => (FLEX, conversations::translate as Translate),
        IAM => {
            owner.authorize(headers)?;
            return iam::answer(owner, now, method, path, body).map(|body| written(StatusCode::OK, &body));
        }
        _ => return Err(not_found(path)),
    };
    let query = request.uri().query();
    owner.authorize(headers)?;
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
    let sent = Sent { host, method, path, query, headers, body };
    let labelled = match Label::of(&sent) {
        Some((request, label)) => Some(label.path(&ask(request)?)?),
        None => None,
    };
    let sent = Sent { path: labelled.as_deref().unwrap_or(path), ..sent };
    let form = sent.form()?;
    // Only the server sends requests this way, and many: checked in tests only.
    debug_assert_eq!(
        refuse::wrong(form.0, &form.1),
        None,
        "the server breaks Twilio's contract: {method} {path}"
    );
    let read = sent.read(owner, translate, form)?;
    if let Some((request, first)) = First::of(&sent) {
        first.fits(&ask(request)?)?;
    }
    let said = answer(read.operation, &read.form, sent.path, ask(read.request)?)?;
    match said.checked(read.operation) {
        Ok(answer) => Ok(answer),
        Err(wrong) => {
            debug_assert!(false, "the twin does not answer as Twilio: {wrong:?}");
            Err(ApiError { status: 500, code: 20500, message: wrong.join("; ") })
        }
    }
}

/// The service, and the path after its name.
fn service(uri: &Uri) -> (&str, &str) {
    let path = uri.path();
    let begin = path.split('/').find(|segment| segment.ends_with(".twilio.com"));
    match begin.and_then(|name| Some((name, path.split_once(name)?.1))) {
        Some((name, path)) => (name, path.trim_start_matches('/')),
        None => (uri.host().unwrap_or_default(), path.trim_start_matches('/')),
    }
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
    use base64::{Engine, engine::general_purpose::STANDARD};
    use rejoin_protocol::AccountSid;
    use secrecy::SecretString;

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
    fn a_request_is_carried_out_with_the_service_in_host_or_path() {
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
