//! Calls, conferences, participants: api.twilio.com.

use super::request::Request;
use super::{API, Client};
use crate::error::Error;
use crate::gate::Family;
use crate::resource::{Call, Conference, Participant};
use http::Method;
use rejoin_protocol::{CallSid, ConferenceSid};

/// Changes to a participant
/// (<https://www.twilio.com/docs/voice/api/conference-participant-resource#update-a-participant-resource>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParticipantChange {
    /// `EndConferenceOnExit`. No effect while the participant is on hold.
    pub end_conference_on_exit: Option<bool>,
    /// `Hold`.
    pub hold: Option<bool>,
}

impl Client {
    /// Plays the document at `url` (fetched with `POST`) to everybody in the conference.
    pub async fn announce(&self, conference: &ConferenceSid, url: &str) -> Result<(), Error> {
        self.voice(Method::POST, &format!("Conferences/{conference}.json"))
            .done(&[("AnnounceUrl", url), ("AnnounceMethod", "POST")])
            .await
    }

    /// Fetches a conference, even one that has ended.
    pub async fn fetch_conference(&self, conference: &ConferenceSid) -> Result<Conference, Error> {
        self.voice(Method::GET, &format!("Conferences/{conference}.json")).json(&[]).await
    }

    /// Ends the conference. All legs are hung up.
    pub async fn end_conference(&self, conference: &ConferenceSid) -> Result<(), Error> {
        self.voice(Method::POST, &format!("Conferences/{conference}.json"))
            .done(&[("Status", "completed")])
            .await
    }

    /// Fetches a participant. A leg that has left, or was redirected, is [`Error::Gone`].
    pub async fn fetch_participant(
        &self,
        conference: &ConferenceSid,
        leg: &CallSid,
    ) -> Result<Participant, Error> {
        self.voice(Method::GET, &participant_path(conference, leg)).json(&[]).await
    }

    /// Lists the current participants of a conference.
    pub async fn list_participants(&self, conference: &ConferenceSid) -> Result<Vec<Participant>, Error> {
        let path = format!("Conferences/{conference}/Participants.json?PageSize=50");
        self.list(API, &self.account(), &path, Some(Family::Voice)).await
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

    /// Puts a participant on hold with the document at this address, which is fetched with `POST` and may say, play,
    /// pause and redirect (<https://www.twilio.com/docs/api/errors/13238>).
    pub async fn hold_with(&self, conference: &ConferenceSid, leg: &CallSid, url: &str) -> Result<(), Error> {
        let form = [("Hold", "true"), ("HoldUrl", url), ("HoldMethod", "POST")];
        self.voice(Method::POST, &participant_path(conference, leg)).done(&form).await
    }

    /// Lets only this leg hear the participant
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

    /// Fetches a call.
    pub async fn fetch_call(&self, call: &CallSid) -> Result<Call, Error> {
        self.voice(Method::GET, &format!("Calls/{call}.json")).json(&[]).await
    }

    /// Redirects a call in progress to another document; the fallback is used when that one cannot be fetched.
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

    /// Redirects a call in progress to an inline document, so that Twilio fetches nothing. There is no fallback, and
    /// at most [`INLINE_LIMIT`](crate::twiml::INLINE_LIMIT) characters.
    pub async fn redirect_call_inline(&self, call: &CallSid, document: &str) -> Result<(), Error> {
        self.voice(Method::POST, &format!("Calls/{call}.json")).done(&[("Twiml", document)]).await
    }

    /// Sends a message to the Voice SDK of an active call, over the signalling of the call. `content` is JSON; requests with
    /// the same `key` send one message (<https://www.twilio.com/docs/voice/api/userdefinedmessage-resource>). That Twilio
    /// accepts it does not mean that the client gets it.
    pub async fn send_call_message(&self, call: &CallSid, content: &str, key: &str) -> Result<(), Error> {
        let form = [("Content", content), ("IdempotencyKey", key)];
        self.voice(Method::POST, &format!("Calls/{call}/UserDefinedMessages.json")).done(&form).await
    }

    /// Lets Twilio post the messages of an active call's Voice SDK to this address, in JSON, until the call ends. Requests
    /// with the same `key` make one subscription
    /// (<https://www.twilio.com/docs/voice/api/userdefinedmessagesubscription-resource>).
    pub async fn subscribe_to_call_messages(
        &self,
        call: &CallSid,
        callback: &str,
        key: &str,
    ) -> Result<(), Error> {
        let form = [("Callback", callback), ("Method", "POST"), ("IdempotencyKey", key)];
        self.voice(Method::POST, &format!("Calls/{call}/UserDefinedMessageSubscriptions.json"))
            .done(&form)
            .await
    }

    pub(super) fn voice(&self, method: Method, path: &str) -> Request {
        self.request(method, API, (&self.account(), path), Some(Family::Voice))
    }

    pub(super) fn account(&self) -> String {
        format!("/2010-04-01/Accounts/{}/", self.settings.account)
    }
}

fn participant_path(conference: &ConferenceSid, leg: &CallSid) -> String {
    format!("Conferences/{conference}/Participants/{leg}.json")
}
