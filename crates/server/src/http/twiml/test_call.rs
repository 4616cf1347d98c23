//! The answer of a person whom `rejoin doctor --live` has called.

use super::Twiml;
use crate::doctor::test_call::{KEY, enqueue};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::signed::Signed;
use axum::extract::{Path, State};
use rejoin_protocol::WorkflowSid;
use rejoin_twilio::twiml::Document;
use std::sync::Arc;

/// `/twiml/test-call/{workflow}`: into this workflow if the person has pressed the key that they were asked for; else the call
/// ends. Twilio has signed the address, and only for calls of this account.
pub(crate) async fn test_call(
    State(app): State<Arc<App>>,
    Path(workflow): Path<String>,
    Signed(params): Signed,
) -> Result<Twiml, Problem> {
    let workflow = WorkflowSid::parse(&workflow).map_err(|_| Problem::NotFound)?;
    let has_agreed = params.iter().any(|(name, value)| name == "Digits" && value == KEY);
    Ok(Twiml(if has_agreed { enqueue(&app.config, &workflow) } else { Document::new().hang_up() }))
}
