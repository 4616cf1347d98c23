//! Routes of the operators' console: who may see it, and what its pages show.
//!
//! A session is a signed cookie ([`crate::console`]). Pages are read, never changed, by anything but a `POST`, and a `POST`
//! counts only from a page of this server: the cookie is not sent along from another site, and the request's `Origin` is
//! checked.

mod history;
mod shared;
mod sign_in;

pub(crate) use shared::Console;
pub(super) use shared::overview;

use super::App;
use super::problem::Problem;
use super::push::UNBUFFERED;
use super::unverified::Unverified;
use crate::console::{self, Asset, COOKIE, Confirm, Language, Role, Section, Session};
use crate::error::Error;
use crate::explain::Subject;
use axum::Router;
use axum::extract::{FromRequestParts, Path, RawQuery, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::sse::{Event as Line, KeepAlive};
use axum::response::{Html, IntoResponse, Redirect, Response, Sse};
use axum::routing::{get, post};
use futures_util::{StreamExt as _, stream};
use rejoin_protocol::{ConferenceSid, Millis};
use secrecy::SecretString;
use serde_json::json;
use shared::EVERY;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Maximum number of a session's requests in a minute.
const REQUESTS_PER_MINUTE: u32 = 240;
/// Number of recoveries that are shown: usually, and at most.
const ROWS: usize = 100;
const MOST_ROWS: usize = 500;
/// When a browser connects again after it lost the stream.
const AGAIN_AFTER: Duration = Duration::from_secs(3);

/// Nothing from elsewhere, nothing inline, in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/console", get(now))
        .route("/console/now/events", get(events))
        .route("/console/calls", get(find))
        .route("/console/calls/{subject}", get(call))
        .route("/console/calls/{subject}/events", get(call_events))
        .route("/console/history", get(history::page))
        .route("/console/history.csv", get(history::csv))
        .route("/console/history.json", get(history::json))
        .route("/console/held-back", get(held_back))
        .route("/console/held-back/{conference}/release", get(ask_release).post(release))
        .route("/console/storm/go-on", get(ask_go_on).post(go_on))
        .route("/console/session", post(sign_in::begin))
        .route("/console/sign-out", post(sign_in::end))
        .route("/console/files/{name}", get(file))
        .route_layer(axum::middleware::from_fn(guarded))
}

/// Adds the headers that each of these answers has.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Nothing leaves for other sites. With `no-referrer` browsers would send `Origin: null` with the forms
        // (https://fetch.spec.whatwg.org/#append-a-request-origin-header), and they could not be told from others'.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
struct Viewer {
    session: Session,
    language: Language,
}

impl FromRequestParts<Arc<App>> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let language = language(&parts.headers);
        let Some(session) = session(app, &parts.headers) else {
            let mut form = sign_in::form(app, language, StatusCode::UNAUTHORIZED, None);
            // A link on another site, as in an alert: the browser sends no cookie along, but does when this page loads itself again.
            if parts.method == Method::GET
                && parts.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
                && let Ok(again) = HeaderValue::from_str(&format!("0; url={}", parts.uri.path()))
            {
                form.headers_mut().insert(header::REFRESH, again);
            }
            return Err(form);
        };
        if let Some(unverified) = parts.extensions.get::<Unverified>() {
            unverified.verified();
        }
        let viewer = Self { session, language };
        let number = viewer.session.number.to_be_bytes();
        app.console.rate.check(&number).map_err(|problem| viewer.refuse(problem))?;
        Ok(viewer)
    }
}

impl Viewer {
    fn role(&self) -> Role {
        self.session.role
    }

    /// There is no such call. `is_wrong`: it cannot be the name of one.
    fn no_call(&self, is_wrong: bool) -> Response {
        let page = console::no_call(self.language, self.role(), is_wrong);
        (StatusCode::NOT_FOUND, Html(page)).into_response()
    }

    fn refuse(&self, problem: Problem) -> Response {
        refuse(self.language, Some(self.role()), problem)
    }

    /// The answer to who may only look, and wants to act.
    fn refused_to_act(&self) -> Option<Response> {
        match self.role() {
            Role::Operator => None,
            Role::Supervisor => Some(self.refuse(Problem::NotYourCall)),
        }
    }
}

/// A `POST` by an operator, from a page of this console.
#[derive(Debug)]
struct Acting(Viewer);

impl FromRequestParts<Arc<App>> for Acting {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let viewer = Viewer::from_request_parts(parts, app).await?;
        if sign_in::origin(app, parts) != Some(sign_in::Origin::Own) {
            let texts = viewer.language.texts();
            let page = console::refused(viewer.language, Some(viewer.role()), texts.elsewhere);
            return Err((StatusCode::FORBIDDEN, Html(page)).into_response());
        }
        match viewer.refused_to_act() {
            Some(refusal) => Err(refusal),
            None => Ok(Self(viewer)),
        }
    }
}

/// The keys of sessions; the first one signs.
fn keys(app: &App) -> Vec<&SecretString> {
    let config = &app.config;
    match &config.operator_token {
        Some(token) => std::iter::once(token).chain(&config.previous_operator_token).collect(),
        None => std::iter::once(&config.auth_token).chain(&config.previous_auth_token).collect(),
    }
}

/// The session of a request.
fn session(app: &App, headers: &HeaderMap) -> Option<Session> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    let session = Session::opened(value, &keys(app), app.store.now())?;
    // Without an operator token nobody is an operator.
    (session.role != Role::Operator || app.config.operator_token.is_some()).then_some(session)
}

fn language(headers: &HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Language::preferred(accepted.unwrap_or_default())
}

/// A problem as a page.
fn refuse(language: Language, role: Option<Role>, problem: Problem) -> Response {
    let texts = language.texts();
    let why = match problem {
        Problem::TooMany { seconds } => console::fill(texts.too_many, &[("n", &seconds)]),
        Problem::TwilioUnavailable => texts.twilio_unavailable.to_owned(),
        Problem::NotFound => texts.not_found.to_owned(),
        Problem::TokenMissing | Problem::TokenRefused | Problem::NotAWorker | Problem::NotYourCall => {
            texts.not_allowed.to_owned()
        }
        _ => texts.unavailable.to_owned(),
    };
    let mut response = (problem.status(), Html(console::refused(language, role, &why))).into_response();
    if let Problem::TooMany { seconds } = problem {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// What the address of a view asks for.
struct Asked {
    rows: usize,
    /// True when it asks for a number of rows that there cannot be.
    is_wrong: bool,
    /// The action that was done before.
    done: Option<String>,
}

impl Asked {
    fn of(query: Option<&str>) -> Self {
        let pairs = rejoin_twilio::webhook::form(query.unwrap_or_default().as_bytes());
        let value = |name| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let rows = value("rows").map(str::parse::<usize>);
        let good = rows.clone().and_then(Result::ok).filter(|rows| (1..=MOST_ROWS).contains(rows));
        Self {
            rows: good.unwrap_or(ROWS),
            is_wrong: rows.is_some() && good.is_none(),
            done: value("done").map(str::to_owned),
        }
    }

    /// The same as a query.
    fn query(&self) -> String {
        if self.rows == ROWS { String::new() } else { format!("?rows={}", self.rows) }
    }
}

/// `GET /console`: the view "Now". `rows`: maximum number of recoveries that are shown, 1 to 500.
async fn now(State(app): State<Arc<App>>, viewer: Viewer, RawQuery(query): RawQuery) -> Html<String> {
    let overview = shared::overview(&app).await;
    let texts = viewer.language.texts();
    let asked = Asked::of(query.as_deref());
    let done = asked.done.as_deref().and_then(|done| match done {
        "go-on" => Some(texts.done_go_on),
        "release" => Some(texts.done_release),
        "not-active" => Some(texts.not_active),
        _ => None,
    });
    let notice = asked.is_wrong.then_some(texts.rows_unknown).or(done);
    let view = (asked.rows, asked.query());
    Html(console::now(viewer.language, viewer.role(), &overview, (view.0, &view.1), notice))
}

/// `GET /console/held-back`: all that is held back, also what this server has not met.
async fn held_back(State(app): State<Arc<App>>, viewer: Viewer) -> Html<String> {
    let listed = shared::held_back(&app).await;
    Html(console::held_back(viewer.language, viewer.role(), listed.as_deref()))
}

async fn ask_go_on(viewer: Viewer) -> Result<Html<String>, Response> {
    match viewer.refused_to_act() {
        Some(refusal) => Err(refusal),
        None => Ok(Html(console::confirm(viewer.language, viewer.role(), Confirm::GoOn))),
    }
}

/// `POST /console/storm/go-on`: as `POST /operator/storm/go-on`, and says so when there is nothing to let go.
async fn go_on(State(app): State<Arc<App>>, _: Acting) -> Redirect {
    // Each server has a failsafe of its own, and with a load balancer another one may answer than the one that was seen.
    if !app.turns.status().failsafe {
        return Redirect::to("/console?done=not-active");
    }
    tracing::warn!("an operator lets the requests go out that the failsafe holds back, by the console");
    app.turns.go_on();
    app.console.forget().await;
    Redirect::to("/console?done=go-on")
}

async fn ask_release(viewer: Viewer, Path(conference): Path<String>) -> Result<Html<String>, Response> {
    if let Some(refusal) = viewer.refused_to_act() {
        return Err(refusal);
    }
    let conference = ConferenceSid::parse(&conference).map_err(|_| viewer.refuse(Problem::NotFound))?;
    Ok(Html(console::confirm(viewer.language, viewer.role(), Confirm::Release(conference.as_str()))))
}

/// `POST /console/held-back/{conference}/release`: as the operators' route. 404: the call is not quarantined.
async fn release(
    State(app): State<Arc<App>>,
    Acting(viewer): Acting,
    Path(conference): Path<String>,
) -> Result<Redirect, Response> {
    let conference = ConferenceSid::parse(&conference).map_err(|_| viewer.refuse(Problem::NotFound))?;
    tracing::warn!(%conference, "an operator releases a call, by the console");
    match app.engine.release(conference).await {
        Ok(true) => {
            app.console.forget().await;
            Ok(Redirect::to("/console?done=release"))
        }
        Ok(false) => Err(viewer.refuse(Problem::NotFound)),
        Err(error) => Err(viewer.refuse(Problem::from(error))),
    }
}

/// `GET /console/calls?id=`: leads to the page of this call.
async fn find(viewer: Viewer, RawQuery(query): RawQuery) -> Response {
    let pairs = rejoin_twilio::webhook::form(query.unwrap_or_default().as_bytes());
    let id = pairs.iter().find(|(key, _)| key == "id").map_or("", |(_, id)| id.trim());
    match Subject::parse(id) {
        Ok(subject) => Redirect::to(&format!("/console/calls/{subject}")).into_response(),
        Err(_) => viewer.no_call(true),
    }
}

/// `GET /console/calls/{subject}`: what the database has about a call: the customer's leg, a recovery, or a conference.
async fn call(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    Path(subject): Path<String>,
) -> Result<Html<String>, Response> {
    let subject = Subject::parse(&subject).map_err(|_| viewer.no_call(true))?;
    let at = app.store.now();
    match app.store.explain(&subject).await {
        Ok(Some(story)) => Ok(Html(console::call(viewer.language, viewer.role(), at, &subject, &story))),
        Ok(None) => Err(viewer.no_call(false)),
        Err(error) => Err(viewer.refuse(Problem::from(error))),
    }
}

/// `GET /console/calls/{subject}/events`: the same again each time that it has changed, until the session ends.
async fn call_events(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    Path(subject): Path<String>,
) -> Result<Response, Response> {
    let subject = Subject::parse(&subject).map_err(|_| viewer.no_call(true))?;
    Ok(follow(app, viewer, View::Call(subject)))
}

/// `GET /console/files/{name}`: script and stylesheet. Another content has another name, so a browser may keep them.
async fn file(Path(name): Path<String>) -> Response {
    let Some(asset) = Asset::named(&name) else { return Problem::NotFound.into_response() };
    let headers =
        [(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, asset.content).into_response()
}

/// `GET /console/now/events`: the sections that have changed, as server-sent events, until the session ends.
async fn events(State(app): State<Arc<App>>, viewer: Viewer, RawQuery(query): RawQuery) -> Response {
    let rows = Asked::of(query.as_deref()).rows;
    follow(app, viewer, View::Now { rows })
}

fn follow(app: Arc<App>, viewer: Viewer, view: View) -> Response {
    let Ok(seat) = Arc::clone(&app.console.seats).try_acquire_owned() else {
        return viewer.refuse(Problem::Unavailable);
    };
    let stopping = app.stopping.clone();
    let sent = HashMap::new();
    let follower = Follower { app, viewer, view, sent, is_new: true, has_ended: false, _seat: seat };
    let lines = stream::unfold(follower, |mut follower| async {
        let line = follower.next().await?;
        Some((Ok::<_, Infallible>(line), follower))
    });
    // A server that stops ends the stream, and the browser connects to another one.
    let lines = lines.take_until(Box::pin(async move { stopping.said().await }));
    (UNBUFFERED, Sse::new(lines).keep_alive(KeepAlive::new().interval(EVERY))).into_response()
}

/// What a page follows.
enum View {
    /// The view "Now".
    Now {
        /// Maximum number of recoveries that it lists.
        rows: usize,
    },
    /// One call.
    Call(Subject),
}

/// A page that follows a view.
struct Follower {
    app: Arc<App>,
    viewer: Viewer,
    view: View,
    /// The sections as the page has them.
    sent: HashMap<&'static str, String>,
    is_new: bool,
    has_ended: bool,
    _seat: OwnedSemaphorePermit,
}

impl Follower {
    async fn next(&mut self) -> Option<Line> {
        if self.has_ended {
            return None;
        }
        let is_new = std::mem::take(&mut self.is_new);
        if !is_new {
            tokio::time::sleep(EVERY).await;
        }
        if self.viewer.session.ends <= self.app.store.now() {
            self.has_ended = true;
            return Some(Line::default().event("ended").data(""));
        }
        let (at, summary, mut changed) = match self.seen().await {
            Ok(seen) => seen,
            Err(error) => {
                // The page says that what it shows is old.
                tracing::warn!(%error, "the console could not read a call");
                return Some(Line::default().comment("not read"));
            }
        };
        changed.retain(|section| self.sent.get(section.id) != Some(&section.html));
        let now = json!({
            "at": at,
            "time": console::clock(at),
            "summary": summary,
            "sections": changed.iter().map(|it| json!({"id": it.id, "html": it.html})).collect::<Vec<_>>(),
        });
        self.sent.extend(changed.into_iter().map(|section| (section.id, section.html)));
        let line = Line::default().event("now").data(now.to_string());
        Some(if is_new { line.retry(AGAIN_AFTER) } else { line })
    }

    /// The view as it is now: when it was read, its summary, and its sections.
    async fn seen(&self) -> Result<(Millis, String, Vec<Section>), Error> {
        let texts = self.viewer.language.texts();
        match &self.view {
            View::Now { rows } => {
                let overview = shared::overview(&self.app).await;
                let sections = console::sections(texts, &overview, self.viewer.role(), *rows);
                Ok((overview.at, console::summary(texts, &overview), sections))
            }
            View::Call(subject) => {
                let at = self.app.store.now();
                let Some(story) = self.app.store.explain(subject).await? else {
                    // Its details have been deleted meanwhile: the page keeps what it shows.
                    return Ok((at, texts.call_none.to_owned(), vec![]));
                };
                let section = Section { id: "call", html: console::timeline(subject, &story) };
                Ok((at, console::story_summary(texts, &story).to_owned(), vec![section]))
            }
        }
    }
}
