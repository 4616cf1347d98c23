//! Timelines for operators: what has happened on a customer's call, followed live.

use super::App;
use super::auth::bearer;
use super::problem::Problem;
use super::push::{HEARTBEAT, UNBUFFERED};
use super::source::Source;
use super::unverified::Unverified;
use crate::engine::LineAdded;
use crate::explain::{Explained, Subject};
use crate::given_up::GivenUp;
use crate::held_back::Listed;
use crate::store::Store;
use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::sse::{Event as SseLine, KeepAlive};
use axum::response::{IntoResponse, Sse};
use futures_util::{Stream, StreamExt as _, stream};
use rejoin_protocol::{CallSid, ConferenceSid, ConversationSid};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Maximum number of wrong operator tokens from an address in a minute.
pub(super) const WRONG_PER_MINUTE: u32 = 10;
/// How often the store is checked for lines of other servers.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A request with the operator token.
#[derive(Debug)]
pub(crate) struct Operator;

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or(Problem::TokenMissing)?;
        let source = parts.extensions.get::<Source>().copied();
        check(app, token, source)?;
        if let Some(unverified) = parts.extensions.get::<Unverified>() {
            unverified.verified();
        }
        Ok(Self)
    }
}

/// Refuses what is not the operator token, and addresses with too many wrong ones.
pub(super) fn check(app: &App, token: &str, source: Option<Source>) -> Result<(), Problem> {
    app.guesses.check(source)?;
    let given = Sha256::digest(token);
    let same = |wanted: &SecretString| -> bool {
        let wanted = wanted.expose_secret();
        // Compares hashes: not even the length affects the time.
        !wanted.is_empty() & bool::from(Sha256::digest(wanted).ct_eq(&given))
    };
    // Without a token in the settings no request is an operator's.
    let accepted = [&app.config.operator_token, &app.config.previous_operator_token];
    // All of them, so that the time does not tell which one was given.
    if !accepted.into_iter().flatten().fold(false, |found, wanted| same(wanted) | found) {
        app.guesses.refused(source);
        return Err(Problem::TokenRefused);
    }
    Ok(())
}

/// `GET /operator/timeline/{customer's leg, or conversation}`: first the stored lines, then every new one.
pub(crate) async fn timeline(
    State(app): State<Arc<App>>,
    _: Operator,
    Path(of): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let lines = match (CallSid::parse(&of), ConversationSid::parse(&of)) {
        (Ok(customer), _) => lines(&app, customer).left_stream(),
        (_, Ok(conversation)) => entries(&app, conversation).right_stream(),
        (Err(_), Err(_)) => return Err(Problem::NotFound),
    };
    let stopping = app.stopping.clone();
    let lines = lines.take_until(Box::pin(async move { stopping.said().await }));
    Ok((UNBUFFERED, Sse::new(lines).keep_alive(KeepAlive::new().interval(HEARTBEAT))))
}

/// The timeline of a call.
fn lines(app: &App, customer: CallSid) -> impl Stream<Item = Result<SseLine, Infallible>> + use<> {
    // Before the store is first read, so that nothing is missed in between.
    let added = app.lines.subscribe();
    let reader = Reader { store: app.store.clone(), customer, added, sent: BTreeSet::new(), first: true };
    let lines = stream::unfold(reader, |mut reader| async {
        let lines = reader.next().await?;
        Some((stream::iter(lines.into_iter().map(Ok::<_, Infallible>)), reader))
    });
    lines.flatten()
}

/// The story of a conversation, which is read every two seconds: any server may have written it.
fn entries(
    app: &App,
    conversation: ConversationSid,
) -> impl Stream<Item = Result<SseLine, Infallible>> + use<> {
    let begun = (app.store.clone(), Subject::Conversation(conversation), None::<BTreeSet<i64>>);
    let entries = stream::unfold(begun, |(store, subject, sent)| async {
        if sent.is_some() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let mut sent = sent.unwrap_or_default();
        let entries = match store.explain(&subject).await {
            Ok(Some(Explained::Conversation(story))) => story.entries,
            Ok(Some(Explained::Call(_)) | None) => vec![],
            Err(error) => {
                tracing::error!(%error, "the story of a conversation could not be read");
                return None;
            }
        };
        let ids: BTreeSet<i64> = entries.iter().map(|entry| entry.id).collect();
        let new = entries.into_iter().filter(|entry| !sent.contains(&entry.id));
        let new: Vec<_> = new.filter_map(|entry| SseLine::default().json_data(entry).ok()).map(Ok).collect();
        // Those that were deleted need not be remembered.
        sent = ids;
        Some((stream::iter(new), (store, subject, Some(sent))))
    });
    entries.flatten()
}

/// `GET /operator/given-up`: jobs for Twilio that were given up lately, last one first.
pub(crate) async fn given_up(
    State(app): State<Arc<App>>,
    _: Operator,
) -> Result<Json<Vec<GivenUp>>, Problem> {
    Ok(Json(app.store.given_up().await?))
}

/// `GET /operator/held-back`: calls that are held back, and jobs that cannot be read.
pub(crate) async fn held_back(State(app): State<Arc<App>>, _: Operator) -> Result<Json<Listed>, Problem> {
    Ok(Json(app.store.held_back().await?))
}

/// `POST /operator/held-back/{conference}/release`: releases a quarantined call. 404: it is not quarantined.
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    _: Operator,
    Path(conference): Path<String>,
) -> Result<StatusCode, Problem> {
    let conference = ConferenceSid::parse(&conference).map_err(|_| Problem::NotFound)?;
    tracing::warn!(%conference, "an operator releases a call");
    match app.engine.release(conference).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::NotFound),
    }
}

struct Reader {
    store: Store,
    customer: CallSid,
    added: broadcast::Receiver<LineAdded>,
    sent: BTreeSet<i64>,
    first: bool,
}

impl Reader {
    /// Lines that were not sent yet, once there may be some. `None` at the end.
    async fn next(&mut self) -> Option<Vec<SseLine>> {
        if self.first {
            self.first = false;
        } else {
            self.wait().await?;
        }
        // The whole timeline each time: lines from before the customer was known join it later. It is short.
        match self.store.timeline(&self.customer).await {
            Ok(lines) => {
                let new = lines.into_iter().filter(|(id, _)| self.sent.insert(*id));
                Some(new.filter_map(|(_, line)| SseLine::default().json_data(line).ok()).collect())
            }
            Err(error) => {
                tracing::error!(%error, "a timeline could not be read");
                None
            }
        }
    }

    async fn wait(&mut self) -> Option<()> {
        loop {
            match tokio::time::timeout(LOOK_EVERY, self.added.recv()).await {
                Ok(Ok(Some(customer))) if customer != self.customer => {}
                Ok(Ok(_) | Err(RecvError::Lagged(_))) => return Some(()),
                Ok(Err(RecvError::Closed)) => return None,
                // Lines of other servers cause no notification here.
                Err(_) if self.store.is_shared() => return Some(()),
                Err(_) => {}
            }
        }
    }
}
