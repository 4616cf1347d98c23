//! Third parties on the call follow the customer into the new conference.

use super::Twiml;
use crate::execute;
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::signed::Signed;
use axum::extract::{Path, Query, State};
use rejoin_protocol::TaskSid;
use std::sync::Arc;

/// Parameters of `/twiml/move/{task}`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Move {
    #[serde(default)]
    muted: bool,
    #[serde(default)]
    end: bool,
    label: Option<String>,
}

/// `/twiml/move/{task}?muted=&end=&label=`: a leg follows into the new conference, with its flags and label.
pub(crate) async fn follow(
    State(app): State<Arc<App>>,
    Path(task): Path<String>,
    query: Result<Query<Move>, axum::extract::rejection::QueryRejection>,
    _: Signed,
) -> Result<Twiml, Problem> {
    let task = TaskSid::parse(&task).map_err(|_| Problem::NotFound)?;
    let Query(Move { muted, end, label }) = query.map_err(|_| Problem::CallbackInvalid)?;
    Ok(Twiml(execute::follow(&app.config, &task, muted, end, label.as_deref())))
}
