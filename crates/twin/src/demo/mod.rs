use crate::Twin;
use axum::Router;

/// The routes.
pub fn router(_twin: Twin) -> Router {
    Router::new()
}
