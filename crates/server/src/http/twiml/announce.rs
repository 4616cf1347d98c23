//! Announcements and comfort audio while the agent is away.

use super::{Twiml, comforting, parse, said};
use crate::audio;
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::signed::Signed;
use crate::pace::Rank;
use crate::reconnect;
use crate::texts::Phrase;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::IntoResponse;
use rejoin_protocol::{ConferenceSid, Millis, RecoveryId, TaskSid};
use rejoin_recovery::{Call, Key, Phase};
use rejoin_twilio::twiml::Document;
use std::sync::Arc;
use std::time::Duration;

/// How long a document waits for the task, which names its language, to be read.
const READ_WITHIN: Duration = Duration::from_millis(500);
/// Maximum time for a document. The caller hears nothing meanwhile.
const WITHIN: Duration = Duration::from_secs(1);

/// How long the soft tone lasts, with the silence after it.
const TONE: Millis = Millis(1_000);
/// Words that are due sooner than this begin at once: a tone that is cut off by them tells nothing.
const DUE_NOW: Millis = Millis(300);
/// The words are due sooner than this. A later time comes from a clock that was set, and is not waited for.
const TOO_FAR: Millis = Millis::seconds(600);

/// `/twiml/announce/{recovery}`: the connection to the agent was interrupted. In the caller's language if the task
/// was read by now, else in the default language.
pub(crate) async fn announce(State(app): State<Arc<App>>, Path(recovery): Path<String>, _: Signed) -> Twiml {
    let language = match RecoveryId::parse(&recovery) {
        Ok(recovery) => language(&app, recovery).await,
        Err(_) => None,
    };
    Twiml(said(&app, Document::new(), Phrase::Interrupted, language.as_deref()))
}

/// The customer's language, if known by now. There is no wait for a slow look-up.
pub(super) async fn language(app: &App, recovery: RecoveryId) -> Option<String> {
    tokio::time::timeout(WITHIN, language_when_read(app, &recovery)).await.ok()?
}

async fn language_when_read(app: &App, recovery: &RecoveryId) -> Option<String> {
    let mut tasks_read = app.engine.tasks_read();
    let conference = match look_up(app, recovery).await? {
        Known::Language(language) => return language,
        Known::Unread { task, since } => {
            return tokio::time::timeout(READ_WITHIN, read(app, &task, since)).await.ok()?;
        }
        Known::Awaited(conference) => conference,
    };
    let is_read = async {
        // A receiver that lags behind stops waiting, too.
        while tasks_read.recv().await.is_ok_and(|other| other != conference) {}
    };
    // Another server may read it without a notification here: it is looked up again when the time is over.
    let _ = tokio::time::timeout(READ_WITHIN, is_read).await;
    match look_up(app, recovery).await? {
        Known::Language(language) => language,
        Known::Awaited(_) | Known::Unread { .. } => None,
    }
}

/// What is known about the customer's language.
enum Known {
    /// The task was read; the language, if it names one.
    Language(Option<String>),
    /// The task of this conference's call is being read.
    Awaited(ConferenceSid),
    /// The task is not being read: the agent may be back in place any moment, and then it is not needed.
    Unread {
        task: TaskSid,
        /// Since when the customer waits (point in time).
        since: Millis,
    },
}

/// `None`: the look-up failed.
async fn look_up(app: &App, recovery: &RecoveryId) -> Option<Known> {
    let attribute = &app.config.texts.language_attribute;
    let look = app.engine.look([Key::Recovery(recovery.clone())], |machine| {
        let language =
            |call: &Call| Known::Language(reconnect::language(&call.facts.task.attributes, attribute));
        let unread = |call: &Call, since: Millis| {
            let is_read = !call.facts.task.attributes.is_empty();
            if is_read { language(call) } else { Known::Unread { task: call.task.clone(), since } }
        };
        if let Some((call, since)) = machine.call_of_silent_page(recovery) {
            return Some(unread(call, since));
        }
        let call = machine.call_of_recovery(recovery)?;
        let recovery = call.recovery.as_ref()?;
        Some(match recovery.phase {
            _ if call.is_task_awaited() => Known::Awaited(call.conference.clone()),
            Phase::Away | Phase::Rejoining => unread(call, recovery.absence.lost_at),
            _ => language(call),
        })
    });
    look.await.ok()?
}

/// The language that the task names.
async fn read(app: &App, task: &TaskSid, since: Millis) -> Option<String> {
    let client = app.twilio(Rank::Requeue, since);
    let attributes = client.fetch_task(task).await.ok()?.attributes?;
    reconnect::language(&attributes, &app.config.texts.language_attribute)
}

/// Parameters of `/twiml/hold/{recovery}`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Hold {
    #[serde(default)]
    told: bool,
    /// When the words are due (point in time).
    at: Option<u64>,
}

/// How often the words are repeated when the comfort audio cannot be fetched, and the pause before each (seconds): that fills a
/// minute or more without a server.
const INSTEAD: usize = 10;
const BREATH: u32 = 2;

/// `/twiml/hold/{recovery}?told=&at=`: the same for a customer who is alone, unless they have heard it already, and then
/// comfort audio until the hold ends. Until the words are due, a soft tone: the agent may be back before them. The document
/// of the words is requested only then, so that nothing is looked up for an agent who is back at once. Unverified: whether
/// Twilio would repeat a hold's document by itself, and that it goes on with the next verb after a `<Play>` that it cannot fetch.
pub(crate) async fn hold(
    State(app): State<Arc<App>>,
    Path(recovery): Path<String>,
    query: Result<Query<Hold>, axum::extract::rejection::QueryRejection>,
    _: Signed,
) -> Result<Twiml, Problem> {
    let Query(Hold { told, at }) = query.map_err(|_| Problem::CallbackInvalid)?;
    let id = parse(&recovery)?;
    let mut document = Document::new();
    let due = at.map(|at| app.store.surroundings().now().until(Millis(at)));
    if let Some(due) = due.filter(|due| !told && (DUE_NOW..TOO_FAR).contains(due)) {
        document = document.play(&app.config.public(audio::TONE_PATH));
        let rest = Millis(due.0.saturating_sub(TONE.0)).0 / 1_000;
        if rest > 0 {
            document = document.pause(u32::try_from(rest).unwrap_or(0));
        }
        let words = app.config.document(&format!("/twiml/hold/{recovery}?told=false"));
        return Ok(Twiml(document.redirect(&words)));
    }
    let language = if told { None } else { language(&app, id).await };
    let words = |document| said(&app, document, Phrase::Interrupted, language.as_deref());
    if !told {
        document = words(document);
    }
    document = document.play_for_ever(&app.config.public(audio::COMFORT_PATH));
    // What follows is heard only when that audio cannot be fetched, because no server is there.
    if let Some(fallback) = &app.config.fallback_url {
        document = document.play_for_ever(&format!("{fallback}{}", audio::COMFORT_PATH));
    }
    for _ in 0..INSTEAD {
        document = words(document.pause(BREATH));
    }
    Ok(Twiml(document.redirect(&app.config.document(&format!("/twiml/hold/{recovery}?told=true")))))
}

/// `/twiml/comfort`: a piece of comfort audio.
pub(crate) async fn comfort(State(app): State<Arc<App>>, _: Signed) -> Twiml {
    Twiml(comforting(&app))
}

/// `/audio/tone.wav`. Not signed, like the comfort audio.
pub(crate) async fn tone_audio() -> impl IntoResponse {
    wav(audio::TONE)
}

/// `/audio/comfort.wav`. Not signed: it is the same for all callers, and Twilio may cache it.
pub(crate) async fn comfort_audio() -> impl IntoResponse {
    wav(audio::COMFORT)
}

fn wav(file: &'static [u8]) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "audio/wav"), (header::CACHE_CONTROL, "public, max-age=86400")], file)
}
