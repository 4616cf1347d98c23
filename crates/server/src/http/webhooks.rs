//! Conference status callbacks: verified, handed to the engine, and answered when they are durable.

use super::App;
use super::problem::Problem;
use super::signed::Signed;
use crate::figures;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use rejoin_protocol::{RecoveryId, ReservationSid, TaskSid, WorkerSid};
use rejoin_recovery::{ConferenceEvent, ConferenceEventKind, Event, LeaveReason, ParticipantFlags};
use rejoin_twilio::webhook::{ConferenceCallback, ConferenceCallbackEvent, Flags, form, timestamp};
use std::sync::Arc;
use std::time::Duration;

/// `POST /webhooks/conference`.
pub(crate) async fn conference(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    Signed(params): Signed,
) -> Result<StatusCode, Problem> {
    let callback = ConferenceCallback::parse(&params).map_err(|error| {
        tracing::warn!(%error, "refused a conference callback");
        Problem::CallbackInvalid
    })?;
    if let Some(at) = timestamp(&params) {
        let lag = at.until(app.store.now());
        metrics::histogram!(figures::WEBHOOK_LAG).record(Duration::from_millis(lag.0));
    }
    tracing::debug!(conference = %callback.conference, sequence = callback.sequence, "conference callback");
    if let Some(event) = event(callback) {
        let event = ConferenceEvent { owner: owner(&query.unwrap_or_default()), ..event };
        app.engine.event(Event::Conference(event)).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The agent who has accepted the call, from the address that the plugin has put into the conference's options.
/// Twilio has signed it with the rest, and accepts such an address only from the reservation's worker.
fn owner(query: &str) -> Option<(ReservationSid, WorkerSid)> {
    let query = form(query.as_bytes());
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    Some((ReservationSid::parse(value("reservation")?).ok()?, WorkerSid::parse(value("worker")?).ok()?))
}

/// The machine's form of it; `None` when it is irrelevant.
pub(super) fn event(callback: ConferenceCallback) -> Option<ConferenceEvent> {
    let announced = match &callback.event {
        ConferenceCallbackEvent::AnnouncementEnd { url: Some(url), .. } => recovery_of(url),
        _ => None,
    };
    let kind = match callback.event {
        ConferenceCallbackEvent::Start => ConferenceEventKind::Start,
        ConferenceCallbackEvent::End => ConferenceEventKind::End,
        ConferenceCallbackEvent::Join { leg, flags } => {
            ConferenceEventKind::Join { leg, flags: participant_flags(flags) }
        }
        ConferenceCallbackEvent::Leave { leg, reason } => {
            ConferenceEventKind::Leave { leg, reason: leave_reason(reason.as_deref()) }
        }
        ConferenceCallbackEvent::Modify { leg, flags } => {
            ConferenceEventKind::Modify { leg, flags: participant_flags(flags) }
        }
        ConferenceCallbackEvent::AnnouncementEnd { leg: None, url } if is_ours(url.as_deref()) => {
            ConferenceEventKind::AnnouncementEnd
        }
        ConferenceCallbackEvent::AnnouncementEnd { .. } | ConferenceCallbackEvent::Other => return None,
    };
    Some(ConferenceEvent {
        label: callback.label,
        announced,
        ..ConferenceEvent::new(
            callback.conference,
            TaskSid::parse(&callback.friendly_name).ok(),
            callback.sequence,
            kind,
        )
    })
}

/// True for what this server, another one or the fallback had played: another plugin may play words of its own, and our words
/// may still come after them. `None`: Twilio does not say what was played.
fn is_ours(announced: Option<&str>) -> bool {
    announced.is_none_or(|url| ["/twiml/announce/", "/twiml/comfort"].iter().any(|ours| url.contains(ours)))
}

/// The recovery that the address of an announcement names.
fn recovery_of(announced: &str) -> Option<RecoveryId> {
    let (_, after) =
        announced.split_once("/twiml/announce/").or_else(|| announced.split_once("?recovery="))?;
    RecoveryId::parse(after.split(['#', '&', '?']).next()?).ok()
}

fn participant_flags(flags: Flags) -> ParticipantFlags {
    ParticipantFlags {
        end_conference_on_exit: flags.end_conference_on_exit,
        hold: flags.hold,
        muted: flags.muted,
        coaching: flags.coaching,
    }
}

fn leave_reason(reason: Option<&str>) -> LeaveReason {
    match reason {
        Some("participant_hung_up") => LeaveReason::HungUp,
        Some("participant_updated_via_api") => LeaveReason::UpdatedViaApi,
        Some("conference_ended_via_api") => LeaveReason::ConferenceEndedViaApi,
        Some("moderator_ended_conference") => LeaveReason::ModeratorEnded,
        Some("participant_add_failed") => LeaveReason::AddFailed,
        Some(_) | None => LeaveReason::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin_protocol::{CallSid, ConferenceSid};

    fn ended(leg: Option<CallSid>, url: Option<&str>) -> Option<ConferenceEventKind> {
        let event = ConferenceCallbackEvent::AnnouncementEnd { leg, url: url.map(str::to_owned) };
        let conference = ConferenceSid::numbered(1);
        let callback =
            ConferenceCallback { conference, friendly_name: String::new(), sequence: 1, label: None, event };
        let event = super::event(callback)?;
        assert_eq!(event.announced, url.and_then(recovery_of));
        Some(event.kind)
    }

    #[test]
    fn the_address_of_an_announcement_names_its_recovery() {
        let recovery = RecoveryId::numbered(1);
        for address in [
            format!("https://rejoin.example.com/twiml/announce/{recovery}"),
            format!("https://rejoin.example.com/twiml/announce/{recovery}#ct=2000"),
            format!("https://fallback.example.com/base/twiml/comfort?recovery={recovery}"),
            format!("https://rejoin.example.com/twiml/comfort?recovery={recovery}&hop=1#ct=2000"),
        ] {
            assert_eq!(recovery_of(&address), Some(recovery.clone()), "{address}");
        }
        for address in
            ["", "/twiml/announce/none", "/twiml/announce/RJ1", "/twiml/comfort", "/twiml/comfort?recovery="]
        {
            assert_eq!(recovery_of(address), None, "{address}");
        }
    }

    #[test]
    fn the_end_of_words_that_another_plugin_had_played_is_not_the_end_of_ours() {
        let ours = [
            "https://rejoin.example.com/twiml/announce/RJ00000000000000000000000000000001#ct=2000",
            "https://rejoin.example.com/twiml/announce/none",
            "https://rejoin.example.com/twiml/comfort",
            "https://fallback.example.com/base/twiml/comfort",
        ];
        for url in ours.map(Some).into_iter().chain([None]) {
            assert_eq!(ended(None, url), Some(ConferenceEventKind::AnnouncementEnd), "{url:?}");
            assert_eq!(ended(Some(CallSid::numbered(1)), url), None, "one leg heard it: {url:?}");
        }
        assert_eq!(ended(None, Some("https://other.example.com/recording-notice.xml")), None);
    }
}
