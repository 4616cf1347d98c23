//! Bodies of requests: of a bounded length, and within a bounded time.

use super::App;
use super::problem::Problem;
use axum::body::{Body, Bytes, to_bytes};

/// The longest body of a webhook or of a plugin's request, in bytes. They have a few hundred.
pub(crate) const LIMIT: usize = 64 * 1024;

/// The whole body. Nothing is kept of one that is too long or too slow.
pub(crate) async fn read(app: &App, body: Body, limit: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(app.config.limits.body_within(), to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_long(&error) => Err(Problem::BodyTooLarge),
        Ok(Err(_)) => Err(Problem::BodyIncomplete),
        Err(_) => Err(Problem::TooSlow),
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    use std::error::Error as _;
    error.source().is_some_and(|source| source.is::<http_body_util::LengthLimitError>())
}
