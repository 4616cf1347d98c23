//! Request bodies, with limits of size and time.

use super::problem::Problem;
use super::unverified::Unverified;
use crate::limits::Limits;
use axum::body::{Body, Bytes, HttpBody as _};
use futures_util::StreamExt as _;

/// Maximum body of a plugin's request, in bytes. They have a few hundred.
pub(crate) const LIMIT: usize = 64 * 1024;

/// The whole body. One that is too long or too slow, or for which there is no room, is dropped: `unverified` is the
/// request while its sender is not verified.
pub(crate) async fn read(
    limits: &Limits,
    body: Body,
    limit: usize,
    unverified: Option<&Unverified>,
) -> Result<Bytes, Problem> {
    let reading = whole(body, limit, unverified);
    tokio::time::timeout(limits.body_within(), reading).await.unwrap_or(Err(Problem::TooSlow))
}

async fn whole(body: Body, limit: usize, unverified: Option<&Unverified>) -> Result<Bytes, Problem> {
    if usize::try_from(body.size_hint().lower()).is_ok_and(|least| least > limit) {
        return Err(Problem::BodyTooLarge);
    }
    let (mut parts, mut all) = (body.into_data_stream(), vec![]);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| Problem::BodyIncomplete)?;
        if all.len() + part.len() > limit {
            return Err(Problem::BodyTooLarge);
        }
        if let Some(unverified) = unverified {
            unverified.take(part.len())?;
        }
        all.extend_from_slice(&part);
    }
    Ok(all.into())
}
