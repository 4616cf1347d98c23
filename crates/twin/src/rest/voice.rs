//! api.twilio.com: calls, conferences, participants.

use super::{Call, Owner, form::Form, not_found};
use crate::model::{ApiError, NewCall, NewParticipant, ParticipantChange, Request};
use rejoin_protocol::{CallSid, ConferenceSid};

pub(super) fn translate(owner: &Owner, call: &Call<'_>) -> Result<Request, ApiError> {
    let missing = || not_found(&call.segments.join("/"));
    let ["2010-04-01", "Accounts", account, rest @ ..] = call.segments.as_slice() else {
        return Err(missing());
    };
    if *account != owner.account.as_str() {
        return Err(missing());
    }
    let leg = |sid: &str| CallSid::parse(sid).map_err(|_| missing());
    let conference = |sid: &str| ConferenceSid::parse(sid).map_err(|_| missing());
    let form = &call.form;
    match (call.method, rest) {
        ("GET", ["Calls"]) => Ok(Request::ListCalls { status: form.text("Status") }),
        ("POST", ["Calls"]) => Ok(Request::CreateCall(NewCall {
            to: form.needed("To")?,
            from: form.needed("From")?,
            url: form.text("Url"),
            method: form.text("Method"),
            fallback_url: form.text("FallbackUrl"),
            fallback_method: form.text("FallbackMethod"),
            twiml: form.text("Twiml"),
            timeout: form.number("Timeout")?,
            time_limit: form.number("TimeLimit")?,
        })),
        ("GET", ["Calls", sid]) => Ok(Request::FetchCall(leg(sid)?)),
        ("POST", ["Calls", sid]) => Ok(Request::UpdateCall {
            call: leg(sid)?,
            url: form.text("Url"),
            method: form.text("Method"),
            fallback_url: form.text("FallbackUrl"),
            fallback_method: form.text("FallbackMethod"),
            twiml: form.text("Twiml"),
            status: form.text("Status"),
        }),
        ("POST", ["Calls", sid, "UserDefinedMessages"]) => Ok(Request::SendMessage {
            call: leg(sid)?,
            content: form.needed("Content")?,
            key: form.text("IdempotencyKey"),
        }),
        ("POST", ["Calls", sid, "UserDefinedMessageSubscriptions"]) => Ok(Request::SubscribeToMessages {
            call: leg(sid)?,
            callback: form.needed("Callback")?,
            method: form.text("Method"),
            key: form.text("IdempotencyKey"),
        }),
        ("DELETE", ["Calls", sid, "UserDefinedMessageSubscriptions", subscription]) => {
            let subscription = (*subscription).to_owned();
            Ok(Request::UnsubscribeFromMessages { call: leg(sid)?, subscription })
        }
        ("GET", ["Conferences"]) => Ok(Request::ListConferences {
            friendly_name: form.text("FriendlyName"),
            status: form.text("Status"),
        }),
        ("GET", ["Conferences", sid]) => Ok(Request::FetchConference(conference(sid)?)),
        ("POST", ["Conferences", sid]) => Ok(Request::UpdateConference {
            conference: conference(sid)?,
            status: form.text("Status"),
            announce_url: form.text("AnnounceUrl"),
            announce_method: form.text("AnnounceMethod"),
        }),
        ("GET", ["Conferences", sid, "Participants"]) => Ok(Request::ListParticipants(conference(sid)?)),
        ("POST", ["Conferences", conference, "Participants"]) => Ok(Request::CreateParticipant {
            conference: (*conference).to_owned(),
            new: NewParticipant {
                from: form.needed("From")?,
                to: form.needed("To")?,
                label: form.text("Label"),
                timeout: form.number("Timeout")?,
                muted: form.flag("Muted")?.unwrap_or(false),
                start_conference_on_enter: form.flag("StartConferenceOnEnter")?.unwrap_or(true),
                end_conference_on_exit: form.flag("EndConferenceOnExit")?.unwrap_or(false),
                status_callback: form.text("ConferenceStatusCallback"),
                status_callback_method: form.text("ConferenceStatusCallbackMethod"),
                status_callback_event: form.list("ConferenceStatusCallbackEvent"),
            },
        }),
        ("GET", ["Conferences", sid, "Participants", call]) => {
            Ok(Request::FetchParticipant(conference(sid)?, leg(call)?))
        }
        ("POST", ["Conferences", sid, "Participants", call]) => Ok(Request::UpdateParticipant {
            conference: conference(sid)?,
            call: leg(call)?,
            change: ParticipantChange {
                muted: form.flag("Muted")?,
                hold: form.flag("Hold")?,
                hold_url: form.text("HoldUrl").filter(|url| !url.is_empty()),
                hold_method: form.text("HoldMethod"),
                end_conference_on_exit: form.flag("EndConferenceOnExit")?,
                coaches: coaching(form)?,
                announce_url: form.text("AnnounceUrl"),
                announce_method: form.text("AnnounceMethod"),
            },
        }),
        ("DELETE", ["Conferences", sid, "Participants", call]) => {
            Ok(Request::RemoveParticipant(conference(sid)?, leg(call)?))
        }
        _ => Err(missing()),
    }
}

/// `Coaching` with `CallSidToCoach`; the latter alone means coaching, too.
fn coaching(form: &Form) -> Result<Option<Option<CallSid>>, ApiError> {
    let named = form.text("CallSidToCoach").is_some_and(|call| !call.is_empty());
    let coached = if named { form.sid("CallSidToCoach", CallSid::parse)? } else { None };
    match (form.flag("Coaching")?, coached) {
        (Some(false), _) => Ok(Some(None)),
        (Some(true), None) => Err(ApiError::bad_request("Coaching needs CallSidToCoach")),
        (Some(true) | None, Some(coached)) => Ok(Some(Some(coached))),
        (None, None) => Ok(None),
    }
}
