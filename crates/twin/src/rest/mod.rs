//! Twilio's REST API: forms in, JSON out.

use crate::Twin;
use axum::Router;

/// The routes of api.twilio.com, taskrouter.twilio.com and iam.twilio.com.
pub fn router(_twin: Twin) -> Router {
    Router::new()
}
