//! Call messages: the server asks a page over the signalling of its call whether the page lives, and the page answers over the same
//! way (<https://www.twilio.com/docs/voice/sdks/call-message-events>).
//!
//! Silence must not be taken for death when the question cannot arrive at all: Twilio's documentation does not say what becomes of
//! a message that the client does not get. So silence counts only while an answer has come back lately, and not when many
//! pages are lost at once, since the fault is then on our side. Until an answer has come back, the page of a newly registered
//! call is asked, which disturbs nobody. An answer counts for all servers that share the database, and after a restart.

use crate::config::Config;
use crate::push::Pushes;
use crate::store::Store;
use rejoin_protocol::call_message::{ANSWERS, ASKS, LONGEST};
use rejoin_protocol::{CallSid, ConferenceSid, Millis};
use rejoin_twilio::{CALL_NOT_IN_PROGRESS, Client, Error};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long an answer proves that messages arrive.
const PROVES_FOR: Millis = Millis::seconds(12 * 3600);
/// Age of the last answer from which a page is asked for another one.
const PROVED_AGAIN_AFTER: Millis = Millis::seconds(6 * 3600);
/// Age of the last answer that is stored from which another one is stored, too.
const STORED_AGAIN_AFTER: Millis = Millis::seconds(3600);
/// Minimum time between two such questions.
const BETWEEN: Millis = Millis::seconds(30);
/// An answer to an older question says nothing about now.
const ANSWERED_WITHIN: Millis = Millis::seconds(15);

/// The server's call messages. Cheap to clone; clones share their state.
#[derive(Clone, Debug)]
pub(crate) struct CallMessages {
    client: Client,
    config: Arc<Config>,
    pushes: Pushes,
    store: Store,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the last answer arrived, here or as the database says (point in time); 0: none has.
    answered_at: AtomicU64,
    /// The last answer that is stored (point in time).
    stored_at: AtomicU64,
    /// When the last question was asked for the proof alone (point in time).
    probed_at: AtomicU64,
}

/// An answer of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The leg that it came over.
    pub(crate) leg: CallSid,
    /// When the question was asked (point in time).
    asked_at: Millis,
}

impl CallMessages {
    pub(crate) fn new(client: Client, config: Arc<Config>, pushes: Pushes, store: Store) -> Self {
        Self { client, config, pushes, store, state: Arc::default() }
    }

    /// The same, with requests that wait for their turn.
    pub(crate) fn through(&self, client: Client) -> Self {
        Self { client, ..self.clone() }
    }

    /// Asks the page of this leg. True if silence would say something.
    ///
    /// # Errors
    /// Twilio did not take the question.
    pub(crate) async fn ask(&self, conference: &ConferenceSid, leg: &CallSid) -> Result<bool, Error> {
        let now = self.pushes.now();
        let key = now.0.to_string();
        let callback = self.config.callback(&format!("/webhooks/call-message?conference={conference}"));
        // One subscription per leg, however often it is asked.
        self.client.subscribe_to_call_messages(leg, &callback, leg.as_str()).await?;
        self.client.send_call_message(leg, &json!({ ASKS: key }).to_string(), &key).await?;
        Ok(self.was_answered_within(PROVES_FOR).await && !self.pushes.are_many_lost())
    }

    /// True if an answer has come back within this time, to this server or to one that shares its database.
    async fn was_answered_within(&self, within: Millis) -> bool {
        let now = self.pushes.now();
        let is_recent = |answered: u64| answered > 0 && Millis(answered) + within > now;
        if is_recent(self.state.answered_at.load(Ordering::Relaxed)) {
            return true;
        }
        match self.store.call_message_answered().await {
            // The clock of another server may be fast.
            Ok(stored) => {
                let stored = stored.min(now).0;
                self.state.answered_at.fetch_max(stored, Ordering::Relaxed);
                is_recent(stored)
            }
            Err(error) => {
                tracing::debug!(%error, "the database does not say whether call messages arrive");
                false
            }
        }
    }

    /// Asks the page of a newly registered leg if no answer has come back lately.
    pub(crate) fn prove(&self, conference: ConferenceSid, leg: CallSid) {
        if !self.is_proof_due() {
            return;
        }
        let (messages, surroundings) = (self.clone(), self.pushes.surroundings().clone());
        tokio::spawn(surroundings.task(async move {
            if messages.was_answered_within(PROVED_AGAIN_AFTER).await {
                return;
            }
            let asked = messages.ask(&conference, &leg).await;
            if matches!(asked, Err(Error::Refused { code: CALL_NOT_IN_PROGRESS, .. })) {
                // That call is over, which says nothing about messages: the page of the next one is asked.
                messages.state.probed_at.store(0, Ordering::Relaxed);
            }
            if let Err(error) = asked {
                tracing::info!(%error, "call messages are not used for now: customers are told of a crashed desktop when Twilio ends its leg");
            }
        }));
    }

    /// True if a page is to be asked for a proof now, which counts as asked then.
    fn is_proof_due(&self) -> bool {
        if self.config.policies().all.answer_within == Millis(0) {
            return false; // no page is asked
        }
        let now = self.pushes.now();
        let answered = Millis(self.state.answered_at.load(Ordering::Relaxed));
        let probed = Millis(self.state.probed_at.load(Ordering::Relaxed));
        let is_due = answered + PROVED_AGAIN_AFTER <= now && probed + BETWEEN <= now;
        // Of several registrations at once, one asks.
        is_due
            && self
                .state
                .probed_at
                .compare_exchange(probed.0, now.0, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// A page has answered. False if the answer is to an old question, or to one that cannot have been asked.
    pub(crate) async fn answered(&self, answer: &Answer) -> bool {
        let now = self.pushes.now();
        let is_fresh = answer.asked_at <= now && now < answer.asked_at + ANSWERED_WITHIN;
        if is_fresh {
            self.state.answered_at.fetch_max(now.0, Ordering::Relaxed);
            self.keep_answer(now).await;
        }
        is_fresh
    }

    async fn keep_answer(&self, now: Millis) {
        let stored = self.state.stored_at.load(Ordering::Relaxed);
        let is_due = Millis(stored) + STORED_AGAIN_AFTER <= now;
        let stored_at = &self.state.stored_at;
        // Of several answers at once, one is stored.
        if !is_due || stored_at.compare_exchange(stored, now.0, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        if let Err(error) = self.store.keep_call_message_answered(now).await {
            stored_at.store(stored, Ordering::Relaxed);
            tracing::debug!(%error, "that call messages arrive could not be stored");
        }
    }
}

impl Answer {
    /// Reads the parameters of Twilio's callback: the leg, and the message's content, as JSON or as text that is JSON. `None`: the
    /// message is another application's.
    pub(crate) fn of(leg: &str, content: &Value) -> Option<Self> {
        let parsed: Value;
        let content = match content {
            Value::String(text) => {
                parsed = serde_json::from_str(text).ok()?;
                &parsed
            }
            other => other,
        };
        let asked = content.get(ANSWERS)?.as_str().filter(|text| text.len() <= LONGEST)?;
        Some(Self { leg: CallSid::parse(leg).ok()?, asked_at: Millis(asked.parse().ok()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_json_or_as_text_and_what_others_say_is_not() {
        let leg = CallSid::numbered(1);
        let answer = Some(Answer { leg: leg.clone(), asked_at: Millis(17) });
        let of = |content: Value| Answer::of(leg.as_str(), &content);
        assert_eq!(of(json!({"rejoinAnswers": "17"})), answer);
        assert_eq!(of(json!("{\"rejoinAnswers\": \"17\"}")), answer);
        let long = "1".repeat(LONGEST + 1);
        for other in [
            json!({"rejoinAnswers": 17}),
            json!({"rejoinAnswers": "soon"}),
            json!({"rejoinAnswers": long}),
            json!({"rejoinAsks": "17"}),
            json!("rejoinAnswers"),
            json!([]),
            Value::Null,
        ] {
            assert_eq!(of(other.clone()), None, "{other}");
        }
        assert_eq!(Answer::of("CA1", &json!({"rejoinAnswers": "17"})), None);
    }
}
