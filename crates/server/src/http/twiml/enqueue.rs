//! The documents by which a customer goes into the queue, and the one for when it cannot be looked up how.

use super::{AT_ONCE, Twiml, comforting, said};
use crate::error::Error;
use crate::http::App;
use crate::pace::Rank;
use crate::reconnect;
use crate::texts::Phrase;
use crate::way::{Way, with_task};
use rejoin_protocol::RecoveryId;
use rejoin_recovery::{Call, Key};
use rejoin_twilio::twiml::Document;

/// Into the queue, for the agent whom the machine has chosen, after these words. `None`: nothing is known of this
/// recovery, or of where its call came from.
pub(super) async fn enqueued_as_decided(
    app: &App,
    first: Option<Phrase>,
    recovery: &RecoveryId,
) -> Result<Option<Document>, Error> {
    let Some(way) = way(app, recovery, Targeting::AsDecided, None).await? else { return Ok(None) };
    let document = match first {
        Some(phrase) => said(app, Document::new(), phrase, way.language.as_deref()),
        None => Document::new(),
    };
    Ok(Some(way.enqueued(&app.config, document, recovery)))
}

/// The agents who may get the customer.
pub(super) enum Targeting {
    /// The one whom the machine has chosen, or any if it has chosen none.
    AsDecided,
    /// Any.
    Anybody,
}

/// `token`: of Twilio's request. `None` when the recovery, or the workflow that its call came from, is not known.
pub(super) async fn way(
    app: &App,
    recovery: &RecoveryId,
    targeting: Targeting,
    token: Option<&str>,
) -> Result<Option<Way>, Error> {
    let target = |call: &Call| match targeting {
        Targeting::AsDecided => reconnect::target(call.recovery.as_ref()?).cloned(),
        Targeting::Anybody => None,
    };
    let way = async {
        let found = app.engine.look([Key::Recovery(recovery.clone())], |machine| {
            let call = machine.call_of_recovery(recovery)?;
            Some((Way::of(&app.config, call, target(call).as_ref(), token), call.clone()))
        });
        match found.await? {
            Some((Some(way), _)) => Ok(Some(way)),
            Some((None, call)) => {
                // The task was not read so far, and only Twilio names its workflow.
                let client = app.twilio(Rank::Bookkeeping, app.store.now());
                match client.fetch_task(&call.task).await {
                    Ok(task) => {
                        let call = with_task(call, task);
                        Ok(Way::of(&app.config, &call, target(&call).as_ref(), token))
                    }
                    Err(error) if error.is_passing() => Err(Error::Busy),
                    // Twilio deletes tasks that are over after five minutes. Its log remembers them.
                    Err(_) => match client.list_events(&call.task).await {
                        Ok(log) => {
                            let mut call = call;
                            call.facts.origin.workflow = log.iter().find_map(rejoin_twilio::Event::workflow);
                            Ok(Way::of(&app.config, &call, target(&call).as_ref(), token))
                        }
                        Err(error) if error.is_passing() => Err(Error::Busy),
                        Err(_) => Ok(None),
                    },
                }
            }
            None => Ok(None),
        }
    };
    tokio::time::timeout(AT_ONCE, way).await.unwrap_or(Err(Error::Busy))
}

/// What to say cannot be looked up: an error in a document's place would end the call.
pub(super) fn in_a_moment(app: &App, recovery: &RecoveryId, error: &Error) -> Twiml {
    tracing::error!(%recovery, %error, "a customer hears comfort audio: the next step could not be looked up");
    Twiml(comforting(app).redirect(&app.config.document(&format!("/twiml/fallback/{recovery}"))))
}
