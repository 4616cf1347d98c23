//! Storms, for operators: the state of requests to Twilio, and the command that releases what the failsafe holds
//! back.

use super::App;
use super::operator::Operator;
use crate::pace::Status;
use axum::Json;
use axum::extract::State;
use std::sync::Arc;

/// `GET /operator/storm`: how many agents were lost lately, what waits for Twilio, and whether the failsafe is
/// active.
pub(crate) async fn status(State(app): State<Arc<App>>, _: Operator) -> Json<Status> {
    Json(app.turns.status())
}

/// `POST /operator/storm/go-on`: an operator has checked. Pings and requeues for any agent go out, at the usual rate.
pub(crate) async fn go_on(State(app): State<Arc<App>>, _: Operator) -> Json<Status> {
    app.turns.go_on();
    Json(app.turns.status())
}
