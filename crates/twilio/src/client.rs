//! A thin REST client: one method for each request that the server makes, and nothing else.
//!
//! Retrying is not done here: whoever asks knows until when an answer makes sense.

use crate::error::{Error, Refusal};
use crate::gate::{Answer, Family, Gate};
use crate::resource::{Activity, Call, Conference, Participant, Reservation, Task, TokenInfo, Worker};
use crate::transport::{Body, Network, Transport, Unanswered};
use crate::witness::{Asked, Witness};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use rejoin_protocol::{
    AccountSid, ActivitySid, CallSid, ConferenceSid, ReservationSid, TaskSid, WorkerSid, WorkflowSid,
    WorkspaceSid,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Twilio's services that are used.
const API: &str = "api.twilio.com";
const TASKROUTER: &str = "taskrouter.twilio.com";
const IAM: &str = "iam.twilio.com";

/// What forms are called.
const FORM: &str = "application/x-www-form-urlencoded";

/// Where Twilio is, who asks, and how long an answer may take.
#[derive(Clone)]
pub struct Settings {
    /// The account that everything belongs to.
    pub account: AccountSid,
    /// Its auth token.
    pub auth_token: SecretString,
    /// The TaskRouter workspace.
    pub workspace: WorkspaceSid,
    /// Empty for Twilio itself. Otherwise every request goes to `{base}/{host}{path}`.
    pub base: String,
    /// How long a connection may take to come up.
    pub connect_timeout: Duration,
    /// How long a request may take altogether.
    pub total_timeout: Duration,
}

/// The client. Cloning shares the connections.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    settings: Settings,
    gate: Option<Arc<dyn Gate>>,
    witness: Option<Arc<dyn Witness>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("account", &self.settings.account).finish_non_exhaustive()
    }
}

/// What is to change about a participant
/// (<https://www.twilio.com/docs/voice/api/conference-participant-resource#update-a-participant-resource>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParticipantChange {
    /// `EndConferenceOnExit`. Without effect while the participant is on hold.
    pub end_conference_on_exit: Option<bool>,
    /// `Hold`.
    pub hold: Option<bool>,
}

/// A task to be created for one worker, whatever his capacity and activity
/// (<https://www.twilio.com/docs/taskrouter/api/task#create-a-task-resource>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask<'a> {
    /// `WorkflowSid`.
    pub workflow: &'a WorkflowSid,
    /// `TaskChannel`: unique name.
    pub channel: &'a str,
    /// `RoutingTarget`.
    pub worker: &'a WorkerSid,
    /// `Priority`.
    pub priority: u32,
    /// `Timeout`: how long it may stand before it is assigned, in seconds.
    pub timeout_seconds: u64,
    /// `Attributes`: JSON text.
    pub attributes: &'a str,
}

/// How a task ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    /// `canceled`: before it was assigned.
    Canceled,
    /// `completed`: after.
    Completed,
}

impl Client {
    /// A client over the network. Fails only when the TLS library has no certificates to trust.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let network = Network::new(settings.connect_timeout, settings.total_timeout)?;
        Ok(Self::over(settings, Arc::new(network)))
    }

    /// A client whose requests go this way. How long they may take is the transport's business.
    pub fn over(settings: Settings, transport: Arc<dyn Transport>) -> Self {
        Self { transport, settings, gate: None, witness: None }
    }

    /// The same client, whose requests wait for their turn at this gate. Tokens are validated without waiting.
    pub fn through(&self, gate: Arc<dyn Gate>) -> Self {
        Self { gate: Some(gate), ..self.clone() }
    }

    /// The same client, of whose requests somebody is told.
    pub fn seen_by(&self, witness: Arc<dyn Witness>) -> Self {
        Self { witness: Some(witness), ..self.clone() }
    }

    /// Does Twilio answer anything at all? Nothing is asked for, and no credentials are sent.
    pub async fn is_reachable(&self) -> bool {
        let base = self.settings.base.trim_end_matches('/');
        let url = if base.is_empty() { format!("https://{API}/") } else { format!("{base}/{API}/") };
        let request = http::Request::head(url).body(Bytes::new());
        let Ok(request) = request else { return false };
        self.transport.send(request).await.is_ok()
    }

    /// Plays the document at `url` (asked for with `POST`) to everybody in the conference.
    pub async fn announce(&self, conference: &ConferenceSid, url: &str) -> Result<(), Error> {
        self.voice(Method::POST, &format!("Conferences/{conference}.json"))
            .done(&[("AnnounceUrl", url), ("AnnounceMethod", "POST")])
            .await
    }

    /// A conference, also one that is over.
    pub async fn fetch_conference(&self, conference: &ConferenceSid) -> Result<Conference, Error> {
        self.voice(Method::GET, &format!("Conferences/{conference}.json")).json(&[]).await
    }

    /// Ends the conference. Everybody in it is hung up.
    pub async fn end_conference(&self, conference: &ConferenceSid) -> Result<(), Error> {
        self.voice(Method::POST, &format!("Conferences/{conference}.json"))
            .done(&[("Status", "completed")])
            .await
    }

    /// A participant as it is now. A leg that left, or was given another document, is [`Error::Gone`].
    pub async fn fetch_participant(
        &self,
        conference: &ConferenceSid,
        leg: &CallSid,
    ) -> Result<Participant, Error> {
        self.voice(Method::GET, &participant_path(conference, leg)).json(&[]).await
    }

    /// Who is in a conference now, at most 50.
    pub async fn list_participants(&self, conference: &ConferenceSid) -> Result<Vec<Participant>, Error> {
        let path = format!("Conferences/{conference}/Participants.json?PageSize=50");
        let list: ParticipantList = self.voice(Method::GET, &path).json(&[]).await?;
        Ok(list.participants)
    }

    /// Changes a participant.
    pub async fn update_participant(
        &self,
        conference: &ConferenceSid,
        leg: &CallSid,
        change: ParticipantChange,
    ) -> Result<(), Error> {
        let flags = [("EndConferenceOnExit", change.end_conference_on_exit), ("Hold", change.hold)];
        let form: Vec<(&str, &str)> = flags
            .into_iter()
            .filter_map(|(key, value)| Some((key, if value? { "true" } else { "false" })))
            .collect();
        self.voice(Method::POST, &participant_path(conference, leg)).done(&form).await
    }

    /// Puts a participant on hold, who hears the document at this address meanwhile. It is asked for with `POST`, and may
    /// say, play, pause and redirect (<https://www.twilio.com/docs/api/errors/13238>).
    pub async fn hold_with(&self, conference: &ConferenceSid, leg: &CallSid, url: &str) -> Result<(), Error> {
        let form = [("Hold", "true"), ("HoldUrl", url), ("HoldMethod", "POST")];
        self.voice(Method::POST, &participant_path(conference, leg)).done(&form).await
    }

    /// Lets a participant be heard by this leg alone
    /// (<https://www.twilio.com/docs/voice/api/conference-participant-resource#update-a-participant-resource>).
    pub async fn coach(
        &self,
        conference: &ConferenceSid,
        leg: &CallSid,
        coached: &CallSid,
    ) -> Result<(), Error> {
        let form = [("Coaching", "true"), ("CallSidToCoach", coached.as_str())];
        self.voice(Method::POST, &participant_path(conference, leg)).done(&form).await
    }

    /// Removes a participant. The leg is hung up.
    pub async fn remove_participant(&self, conference: &ConferenceSid, leg: &CallSid) -> Result<(), Error> {
        self.voice(Method::DELETE, &participant_path(conference, leg)).done(&[]).await
    }

    /// A call as it is now.
    pub async fn fetch_call(&self, call: &CallSid) -> Result<Call, Error> {
        self.voice(Method::GET, &format!("Calls/{call}.json")).json(&[]).await
    }

    /// Gives a call that is in progress another document; the fallback is asked when that one cannot be had.
    pub async fn redirect_call(
        &self,
        call: &CallSid,
        url: &str,
        fallback: Option<&str>,
    ) -> Result<(), Error> {
        let mut form = vec![("Url", url), ("Method", "POST")];
        if let Some(fallback) = fallback {
            form.extend([("FallbackUrl", fallback), ("FallbackMethod", "POST")]);
        }
        self.voice(Method::POST, &format!("Calls/{call}.json")).done(&form).await
    }

    /// Gives a call that is in progress this document, so that nothing is asked for. It has no fallback, and may have
    /// [`INLINE_LIMIT`](crate::twiml::INLINE_LIMIT) characters.
    pub async fn redirect_call_inline(&self, call: &CallSid, document: &str) -> Result<(), Error> {
        self.voice(Method::POST, &format!("Calls/{call}.json")).done(&[("Twiml", document)]).await
    }

    /// A task as it is now, with its `ETag`.
    pub async fn fetch_task(&self, task: &TaskSid) -> Result<Task, Error> {
        self.taskrouter(Method::GET, &format!("Tasks/{task}")).task(&[]).await
    }

    /// Creates a task. Not idempotent.
    pub async fn create_task(&self, task: &NewTask<'_>) -> Result<Task, Error> {
        let (priority, timeout) = (task.priority.to_string(), task.timeout_seconds.to_string());
        let form = [
            ("WorkflowSid", task.workflow.as_str()),
            ("TaskChannel", task.channel),
            ("RoutingTarget", task.worker.as_str()),
            ("IgnoreCapacity", "true"),
            ("Priority", &priority),
            ("Timeout", &timeout),
            ("Attributes", task.attributes),
        ];
        self.taskrouter(Method::POST, "Tasks").task(&form).await
    }

    /// Replaces a task's attributes (JSON text), unless it was changed since it was read: [`Error::Conflict`].
    pub async fn update_task_attributes(
        &self,
        task: &TaskSid,
        attributes: &str,
        if_match: Option<&str>,
    ) -> Result<(), Error> {
        let mut request = self.taskrouter(Method::POST, &format!("Tasks/{task}"));
        if let Some(etag) = if_match {
            request = request.with(header::IF_MATCH, etag);
        }
        request.done(&[("Attributes", attributes)]).await
    }

    /// Ends a task.
    pub async fn end_task(&self, task: &TaskSid, end: TaskEnd, reason: &str) -> Result<(), Error> {
        let status = match end {
            TaskEnd::Canceled => "canceled",
            TaskEnd::Completed => "completed",
        };
        self.taskrouter(Method::POST, &format!("Tasks/{task}"))
            .done(&[("AssignmentStatus", status), ("Reason", reason)])
            .await
    }

    /// Tasks whose attributes fulfil an expression. Attributes are not part of the answer.
    /// Twilio allows three of these a second (<https://www.twilio.com/docs/taskrouter/limits>).
    pub async fn list_tasks(
        &self,
        expression: &str,
        workflow: Option<&WorkflowSid>,
    ) -> Result<Vec<Task>, Error> {
        let mut query = vec![("EvaluateTaskAttributes", expression), ("PageSize", "20")];
        if let Some(workflow) = workflow {
            query.push(("WorkflowSid", workflow.as_str()));
        }
        let list: TaskList = self.task_search(&format!("Tasks?{}", encoded(&query))).json(&[]).await?;
        Ok(list.tasks)
    }

    /// A task's reservations, at most 50.
    pub async fn list_reservations(&self, task: &TaskSid) -> Result<Vec<Reservation>, Error> {
        let path = format!("Tasks/{task}/Reservations?PageSize=50");
        let list: ReservationList = self.taskrouter(Method::GET, &path).json(&[]).await?;
        Ok(list.reservations)
    }

    /// Completes a reservation that is wrapping or accepted.
    pub async fn complete_reservation(
        &self,
        task: &TaskSid,
        reservation: &ReservationSid,
    ) -> Result<(), Error> {
        self.taskrouter(Method::POST, &format!("Tasks/{task}/Reservations/{reservation}"))
            .done(&[("ReservationStatus", "completed")])
            .await
    }

    /// A worker as she is now.
    pub async fn fetch_worker(&self, worker: &WorkerSid) -> Result<Worker, Error> {
        self.taskrouter(Method::GET, &format!("Workers/{worker}")).json(&[]).await
    }

    /// Puts a worker into an activity (<https://www.twilio.com/docs/taskrouter/api/worker#update-a-worker-resource>).
    pub async fn set_activity(&self, worker: &WorkerSid, activity: &ActivitySid) -> Result<(), Error> {
        let form = [("ActivitySid", activity.as_str())];
        self.taskrouter(Method::POST, &format!("Workers/{worker}")).done(&form).await
    }

    /// The workspace's activities (<https://www.twilio.com/docs/taskrouter/api/activity>).
    pub async fn list_activities(&self) -> Result<Vec<Activity>, Error> {
        let list: ActivityList = self.taskrouter(Method::GET, "Activities?PageSize=1000").json(&[]).await?;
        Ok(list.activities)
    }

    /// Asks whose token this is, and whether it is good
    /// (the request of <https://www.npmjs.com/package/twilio-flex-token-validator>).
    pub async fn validate_token(&self, token: &SecretString) -> Result<TokenInfo, Error> {
        let before = format!("/v1/Accounts/{}/", self.settings.account);
        let request = self
            .request(Method::POST, IAM, (&before, "Tokens/validate"), None)
            .with(header::CACHE_CONTROL, "no-cache")
            .with(header::CONTENT_TYPE, "application/json");
        let token = serde_json::json!({ "token": token.expose_secret() });
        let body = Bytes::from(token.to_string());
        Request { body, ..request }.json(&[]).await
    }

    fn voice(&self, method: Method, path: &str) -> Request {
        let before = format!("/2010-04-01/Accounts/{}/", self.settings.account);
        self.request(method, API, (&before, path), Some(Family::Voice))
    }

    fn taskrouter(&self, method: Method, path: &str) -> Request {
        let before = format!("/v1/Workspaces/{}/", self.settings.workspace);
        self.request(method, TASKROUTER, (&before, path), Some(Family::TaskRouter))
    }

    fn task_search(&self, path: &str) -> Request {
        Request { family: Some(Family::TaskSearch), ..self.taskrouter(Method::GET, path) }
    }

    fn request(
        &self,
        method: Method,
        host: &str,
        (before, path): (&str, &str),
        family: Option<Family>,
    ) -> Request {
        let base = self.settings.base.trim_end_matches('/');
        let url = if base.is_empty() {
            format!("https://{host}{before}{path}")
        } else {
            format!("{base}/{host}{before}{path}")
        };
        let acts = method != Method::GET;
        let what = format!("{method} {}", path.split_once('?').map_or(path, |(path, _)| path));
        let credentials = format!("{}:{}", self.settings.account, self.settings.auth_token.expose_secret());
        let credentials = format!("Basic {}", STANDARD.encode(credentials));
        let (gate, witness) = (self.gate.clone(), self.witness.clone());
        Request {
            transport: Arc::clone(&self.transport),
            builder: http::Request::builder().method(method).uri(url),
            body: Bytes::new(),
            what,
            acts,
            family,
            gate,
            witness,
        }
        .with(header::AUTHORIZATION, &credentials)
    }
}

/// One request on its way.
struct Request {
    transport: Arc<dyn Transport>,
    builder: http::request::Builder,
    body: Bytes,
    /// Method and path, without what is asked for.
    what: String,
    /// Could it change something?
    acts: bool,
    family: Option<Family>,
    gate: Option<Arc<dyn Gate>>,
    witness: Option<Arc<dyn Witness>>,
}

impl Request {
    /// With a header that is nobody else's business. One that cannot be is found when the request is built.
    fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.builder = match HeaderValue::try_from(value) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.builder.header(name, value)
            }
            Err(_) => self.builder.header(name, value),
        };
        self
    }

    /// Sends it; the answer's body does not matter.
    async fn done(self, form: &[(&str, &str)]) -> Result<(), Error> {
        self.send(form).await.map(drop)
    }

    /// Sends it and reads the answer.
    async fn json<T: DeserializeOwned>(self, form: &[(&str, &str)]) -> Result<T, Error> {
        let acts = self.acts;
        parse(&self.send(form).await?, acts)
    }

    /// Sends it and reads a task with its `ETag`.
    async fn task(self, form: &[(&str, &str)]) -> Result<Task, Error> {
        let acts = self.acts;
        let response = self.send(form).await?;
        // Twilio's own template sends the number without its quotes back.
        let etag = response
            .headers()
            .get(header::ETAG)
            .and_then(|etag| etag.to_str().ok())
            .map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned());
        let task: Task = parse(&response, acts)?;
        Ok(Task { etag, ..task })
    }

    async fn send(mut self, form: &[(&str, &str)]) -> Result<Response<Body>, Error> {
        if !form.is_empty() {
            self.body = encoded(form).into();
            self.builder = self.builder.header(header::CONTENT_TYPE, FORM);
        }
        let request = self.builder.body(self.body).map_err(|_| Error::from(Unanswered::NotBuilt))?;
        let pass = match (&self.gate, self.family) {
            (Some(gate), Some(family)) => Some(gate.pass(family).await.ok_or(Error::Withheld)?),
            _ => None,
        };
        let begun = Instant::now();
        let sent = self
            .transport
            .send(request)
            .await
            .map_err(|why| if self.acts { Error::from(why) } else { Error::from(why).without_effect() });
        if let (Ok(response), Some(pass)) = (&sent, pass) {
            pass.answered(answer(response));
        }
        let answer = sent.as_ref().ok().map(|response| (response.status().as_u16(), request_id(response)));
        let result = match sent {
            Ok(response) if response.status().is_success() => Ok(response),
            Ok(response) => Err(refusal(&response, self.acts)),
            Err(error) => Err(error),
        };
        let error = result.as_ref().err();
        count(self.family, begun, error);
        if let Some(witness) = &self.witness {
            let (status, request_id) = answer.map_or((None, None), |(status, id)| (Some(status), id));
            let (took, error) = (begun.elapsed(), error.map(|error| (code(error), word(error))));
            let (code, error) = error.map_or((None, None), |(code, word)| (code, Some(word)));
            witness.saw(Asked { what: self.what, status, code, request_id, took, error });
        }
        result
    }
}

/// For the figures of operators.
fn count(family: Option<Family>, begun: Instant, error: Option<&Error>) {
    let api = family.map_or("tokens", Family::name);
    let result = error.map_or("ok", Error::name);
    metrics::histogram!("rejoin_twilio_seconds", "api" => api).record(begun.elapsed());
    metrics::counter!("rejoin_twilio_requests_total", "api" => api, "result" => result).increment(1);
    let status = match error {
        Some(Error::Refused { status, code: 0 } | Error::Unavailable { status, .. }) => {
            Some(u32::from(*status))
        }
        _ => None,
    };
    if let Some(code) = error.and_then(code).or(status) {
        metrics::counter!("rejoin_twilio_errors_total", "code" => code.to_string()).increment(1);
    }
}

/// Twilio's code for it.
fn code(error: &Error) -> Option<u32> {
    match error {
        Error::Refused { code, .. } => (*code != 0).then_some(*code),
        Error::Throttled { .. } => Some(20429),
        Error::Unauthorized => Some(20003),
        // Being gone, or changed by somebody else, is an answer; without an answer there is no code.
        Error::Gone
        | Error::Conflict
        | Error::Unavailable { .. }
        | Error::Transport { .. }
        | Error::Unreadable { .. }
        | Error::Withheld => None,
    }
}

/// What it is called where its status is told, too.
fn word(error: &Error) -> &'static str {
    match error {
        Error::Transport { what, .. } => what,
        error => error.name(),
    }
}

fn request_id(response: &Response<Body>) -> Option<String> {
    let id = response.headers().get("twilio-request-id")?.to_str().ok()?;
    // It goes into what operators read.
    let is_one = id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_one.then(|| id.to_owned())
}

/// What it says about how fast requests may come.
fn answer(response: &Response<Body>) -> Answer {
    Answer {
        throttled: response.status() == StatusCode::TOO_MANY_REQUESTS,
        retry_after: number(response, header::RETRY_AFTER.as_str()).map(Duration::from_secs),
        concurrent: number(response, "twilio-concurrent-requests"),
    }
}

fn number<T: std::str::FromStr>(response: &Response<Body>, header: &str) -> Option<T> {
    response.headers().get(header)?.to_str().ok()?.parse().ok()
}

fn refusal(response: &Response<Body>, acts: bool) -> Error {
    match response.status() {
        StatusCode::NOT_FOUND => Error::Gone,
        StatusCode::UNAUTHORIZED => Error::Unauthorized,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Error::Conflict,
        StatusCode::TOO_MANY_REQUESTS => Error::Throttled { retry_after: answer(response).retry_after },
        status if status.is_server_error() => {
            Error::Unavailable { status: status.as_u16(), may_have_acted: acts }
        }
        status => {
            let said = response.body().as_ref().and_then(|body| serde_json::from_slice(body).ok());
            let said: Refusal = said.unwrap_or_default();
            match said.code {
                20404 => return Error::Gone,
                20003 => return Error::Unauthorized,
                _ => {}
            }
            Error::Refused { status: status.as_u16(), code: said.code }
        }
    }
}

fn parse<T: DeserializeOwned>(response: &Response<Body>, acts: bool) -> Result<T, Error> {
    let read = response.body().as_ref().and_then(|body| serde_json::from_slice(body).ok());
    read.ok_or(Error::Unreadable { may_have_acted: acts })
}

fn participant_path(conference: &ConferenceSid, leg: &CallSid) -> String {
    format!("Conferences/{conference}/Participants/{leg}.json")
}

/// A query as it stands in an address, after the question mark.
pub fn encoded(query: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish()
}

#[derive(serde::Deserialize)]
struct ParticipantList {
    participants: Vec<Participant>,
}

#[derive(serde::Deserialize)]
struct TaskList {
    tasks: Vec<Task>,
}

#[derive(serde::Deserialize)]
struct ActivityList {
    activities: Vec<Activity>,
}

#[derive(serde::Deserialize)]
struct ReservationList {
    reservations: Vec<Reservation>,
}
