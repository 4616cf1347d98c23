//! The state of a call, for authorised users.

use super::App;
use super::auth::User;
use super::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use rejoin_protocol::ConferenceSid;
use rejoin_protocol::api::{self, CallView};
use rejoin_recovery::Key;
use std::sync::Arc;

/// The recoveries of a call: for its agents, supervisors and administrators.
#[utoipa::path(
    get,
    path = "/v1/calls/{conference}",
    params(("conference" = ConferenceSid, Path, description = "The conference that the call takes place in.")),
    responses(
        (status = 200, description = "How things stand.", body = CallView),
        (status = "default", description = "A problem.", body = api::Problem, content_type = "application/problem+json"),
    ),
    security(("flexToken" = []))
)]
pub(crate) async fn call(
    State(app): State<Arc<App>>,
    user: User,
    Path(conference): Path<String>,
) -> Result<Json<CallView>, Problem> {
    let conference = ConferenceSid::parse(&conference).map_err(|_| Problem::NotFound)?;
    let now = app.store.now();
    let found = app.engine.look([Key::Conference(conference.clone())], |machine| {
        let call = machine.call(&conference)?;
        let recoveries = call.absences().map(|absent| absent.view(now, &call.task)).collect();
        let is_own = user.worker.as_ref().is_some_and(|worker| call.concerns(worker));
        Some((is_own, CallView { task: call.task.clone(), recoveries }))
    });
    match found.await? {
        Some((is_own, view)) if is_own || user.may_see_all => Ok(Json(view)),
        None if user.may_see_all => Err(Problem::NotFound),
        // The answer does not reveal whether the call exists.
        Some(_) | None => Err(Problem::NotYourCall),
    }
}
