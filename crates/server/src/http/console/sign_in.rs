//! Signing in to the console, and out.

use super::{keys, language, refuse};
use crate::console::{self, COOKIE, Language, Role, Session};
use crate::explain::Subject;
use crate::http::auth::{User, bearer};
use crate::http::problem::Problem;
use crate::http::source::Source;
use crate::http::unverified::Unverified;
use crate::http::{App, body, operator};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use std::sync::Arc;

/// Maximum body of a sign-in, in bytes. A Flex token has some thousand.
const LIMIT: usize = 16 * 1024;

/// Where a `POST` comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A page of this server.
    Own,
    /// A page of Flex.
    Flex,
}

/// The origin of a request; `None`: another site, or a client that names none. Browsers name it with each `POST`
/// (<https://fetch.spec.whatwg.org/#append-a-request-origin-header>), and on encrypted connections say themselves whether it is
/// ours (<https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>).
pub(super) fn origin(app: &App, request: &Parts) -> Option<Origin> {
    let header = |name| request.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = header(header::ORIGIN);
    let is_own = match header(HeaderName::from_static("sec-fetch-site")) {
        Some(site) => site == "same-origin",
        None => origin.is_some_and(|origin| is_ours(app, request, origin)),
    };
    if is_own {
        return Some(Origin::Own);
    }
    let is_flex = |origin| app.config.allowed_origins.iter().any(|allowed| allowed.trim() == origin);
    origin.is_some_and(is_flex).then_some(Origin::Flex)
}

/// True for the origin of the address that was asked, or of a public URL: a proxy may ask for another host.
fn is_ours(app: &App, request: &Parts, origin: &str) -> bool {
    let Some((_, authority)) = origin.split_once("://") else { return false };
    // In HTTP/2 the host is a part of the address.
    let named = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri.authority().map(|host| host.as_str()).or(named);
    let is_begin =
        |url: &String| url.strip_prefix(origin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let mut urls = std::iter::once(&app.config.public_url).chain(&app.config.other_public_urls);
    host.is_some_and(|host| host.eq_ignore_ascii_case(authority)) || urls.any(is_begin)
}

/// The form to sign in.
pub(super) fn form(app: &App, language: Language, status: StatusCode, why: Option<&str>) -> Response {
    (status, Html(console::sign_in(language, app.config.operator_token.is_some(), why))).into_response()
}

/// `POST /console/session`: begins a session with `token`, the operator token, or with the Flex token of a supervisor or an
/// administrator, as `flexToken` or in `Authorization`. With `call`, a name of one, it leads to the page of this call.
pub(super) async fn begin(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let language = language(&parts.headers);
    let Some(origin) = origin(&app, &parts) else {
        let why = language.texts().elsewhere;
        return (StatusCode::FORBIDDEN, Html(console::refused(language, None, why))).into_response();
    };
    let unverified = parts.extensions.get::<Unverified>();
    let read = body::read(&app.config.limits, body, LIMIT, unverified).await;
    let form = match read {
        Ok(body) => rejoin_twilio::webhook::form(&body),
        Err(problem) => return refuse(language, None, problem),
    };
    let field = |name| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim());
    let texts = language.texts();
    let flex_token = bearer(&parts.headers).or(field("flexToken"));
    let wrong = if flex_token.is_some() { texts.flex_token_wrong } else { texts.token_wrong };
    let begun = match (flex_token, field("token")) {
        (Some(token), _) => by_flex(&app, token, &parts).await,
        // Only our own form asks for this one.
        (None, Some(token)) if origin == Origin::Own => by_operator(&app, token, &parts),
        (None, _) => Err(Problem::TokenMissing),
    };
    match begun {
        Ok(session) => {
            // Nothing but a call is taken, so that no link leads from here to elsewhere.
            let call = field("call").and_then(|call| Subject::parse(call).ok());
            let to = call.map_or("/console".to_owned(), |call| format!("/console/calls/{call}"));
            begun_with(&app, (language, origin, &to), &session, &parts)
        }
        Err(problem @ (Problem::TokenRefused | Problem::TokenMissing)) => {
            self::form(&app, language, problem.status(), Some(wrong))
        }
        Err(problem) => refuse(language, None, problem),
    }
}

fn by_operator(app: &App, token: &str, request: &Parts) -> Result<Session, Problem> {
    operator::check(app, token, request.extensions.get::<Source>().copied())?;
    Ok(Session::new(Role::Operator, app.store.now(), None, app.store.surroundings().number()))
}

async fn by_flex(app: &App, token: &str, request: &Parts) -> Result<Session, Problem> {
    let user = User::of(app, token, &request.extensions).await?;
    if !user.may_see_all {
        return Err(Problem::NotYourCall);
    }
    let number = app.store.surroundings().number();
    Ok(Session::new(Role::Supervisor, app.store.now(), user.expires, number))
}

/// `to`: where it leads.
fn begun_with(
    app: &App,
    (language, origin, to): (Language, Origin, &str),
    session: &Session,
    request: &Parts,
) -> Response {
    let Some(sealed) = session.sealed(&keys(app)) else {
        return refuse(language, None, Problem::Unavailable);
    };
    let lasts = app.store.now().until(session.ends).0 / 1000;
    let cookie = format!("{COOKIE}={sealed}; {}; Max-Age={lasts}", attributes(app, request));
    let Ok(cookie) = HeaderValue::from_str(&cookie) else {
        return refuse(language, None, Problem::Unavailable);
    };
    tracing::info!(role = ?session.role, "a session of the console has begun");
    match origin {
        Origin::Own => ([(header::SET_COOKIE, cookie)], Redirect::to(to)).into_response(),
        Origin::Flex => {
            let Ok(on) = HeaderValue::from_str(&format!("0; url={to}")) else {
                return refuse(language, None, Problem::Unavailable);
            };
            let headers = [(header::SET_COOKIE, cookie), (header::REFRESH, on)];
            (headers, Html(console::moved_on(language, to))).into_response()
        }
    }
}

/// Attributes of the cookie. The operators' own address is not encrypted: there it is `Secure` only for a browser that came by
/// HTTPS, through a proxy.
fn attributes(app: &App, request: &Parts) -> &'static str {
    let by_https =
        request.headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let is_secure =
        by_https || (app.config.public_url.starts_with("https://") && app.config.operator_listen.is_none());
    if is_secure {
        "Path=/console; HttpOnly; SameSite=Strict; Secure"
    } else {
        "Path=/console; HttpOnly; SameSite=Strict"
    }
}

/// `POST /console/sign-out`: the browser forgets the session.
pub(super) async fn end(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if origin(&app, &parts) != Some(Origin::Own) {
        let language = language(&parts.headers);
        let why = language.texts().elsewhere;
        return (StatusCode::FORBIDDEN, Html(console::refused(language, None, why))).into_response();
    }
    let cookie = format!("{COOKIE}=; {}; Max-Age=0", attributes(&app, &parts));
    let cookie = HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""));
    ([(header::SET_COOKIE, cookie)], Redirect::to("/console")).into_response()
}
