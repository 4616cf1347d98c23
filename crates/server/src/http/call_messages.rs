//! Call messages of pages, which Twilio posts to the subscription of a call
//! (<https://www.twilio.com/docs/voice/api/userdefinedmessagesubscription-resource>). The documentation names JSON; a form is
//! read, too.

use super::App;
use super::problem::Problem;
use super::signed::{self, Signed, SignedBatch};
use crate::call_messages::Answer;
use axum::extract::{FromRequest, RawQuery, Request, State};
use axum::http::StatusCode;
use rejoin_protocol::ConferenceSid;
use rejoin_recovery::Event;
use rejoin_twilio::webhook::form;
use serde_json::Value;
use std::sync::Arc;

/// `POST /webhooks/call-message?conference=…`.
pub(crate) async fn call_message(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    Message { leg, content }: Message,
) -> Result<StatusCode, Problem> {
    let query = form(query.unwrap_or_default().as_bytes());
    let named = query.iter().find(|(key, _)| key == "conference");
    let conference = named.and_then(|(_, sid)| ConferenceSid::parse(sid).ok());
    let conference = conference.ok_or(Problem::CallbackInvalid)?;
    // What another application sends over the call is none of our business, and no error.
    if let Some(answer) = Answer::of(&leg, &content)
        && app.messages.answered(&answer).await
    {
        app.engine.event(Event::PageAnswered { conference, leg: answer.leg }).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The parameters that count, from JSON or from a form.
#[derive(Debug)]
pub(crate) struct Message {
    leg: String,
    content: Value,
}

impl FromRequest<Arc<App>> for Message {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (leg, content) = if signed::is_of_kind(request.headers(), "application/json") {
            let SignedBatch(body) = SignedBatch::from_request(request, app).await?;
            let mut params: Value = serde_json::from_slice(&body).map_err(|_| Problem::CallbackInvalid)?;
            let leg = params.get("CallSid").and_then(Value::as_str).map(str::to_owned);
            (leg, params.get_mut("Content").map(Value::take))
        } else {
            let Signed(params) = Signed::from_request(request, app).await?;
            let value =
                |name: &str| params.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            (value("CallSid"), value("Content").map(Value::String))
        };
        leg.zip(content).map(|(leg, content)| Self { leg, content }).ok_or(Problem::CallbackInvalid)
    }
}
