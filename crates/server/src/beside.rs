//! What operators read from the database, and change in it, by a program of their own beside servers that run.

use crate::error::Error;
use crate::explain::{self, Story, Subject};
use crate::given_up;
use crate::held_back;
use crate::report::{self, Report};
use crate::store::hosts::Hosts;
use rejoin_protocol::{ConferenceSid, Millis};
use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use std::time::Duration;

/// A server of the database answers within this time, or it is not there.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
/// All of the answer is there within this time.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// The story of a recovery. `None`: the store has nothing about that (any more).
pub async fn explain(database_url: &str, subject: &Subject) -> Result<Option<Story>, Error> {
    let pool = reading(database_url).await?;
    // Its connection ends with this program, also where the database does not answer.
    asked(explain::read(&pool, subject)).await
}

/// What was given up.
pub async fn given_up(database_url: &str) -> Result<given_up::Listed, Error> {
    let pool = reading(database_url).await?;
    let listed = async { given_up::read(&mut *pool.acquire().await?).await };
    Ok(given_up::Listed(asked(listed).await?))
}

/// What is held back.
pub async fn held_back(database_url: &str) -> Result<held_back::Listed, Error> {
    let pool = reading(database_url).await?;
    asked(async { held_back::read(&mut *pool.acquire().await?).await }).await
}

/// Lets a quarantined call go on. Twilio is asked at once how it stands. True if it was quarantined.
pub async fn release(database_url: &str, conference: &ConferenceSid, now: Millis) -> Result<bool, Error> {
    let pool = writing(database_url).await?;
    let is_file = database_url.starts_with("sqlite:");
    asked(held_back::release(&pool, is_file, conference, now)).await
}

/// How recoveries have ended, by day.
pub async fn report(database_url: &str) -> Result<Report, Error> {
    let pool = reading(database_url).await?;
    asked(report::read(&pool)).await
}

/// A connection that changes nothing. It may lead to a standby where there is no primary.
async fn reading(database_url: &str) -> Result<AnyPool, Error> {
    sqlx::any::install_default_drivers();
    let is_file = database_url.starts_with("sqlite:") && !database_url.contains('?');
    let url = match Hosts::of(database_url) {
        Ok(hosts) => hosts.readable(CONNECTED_WITHIN).await?,
        // Without this SQLite would make a database where there is none.
        Err(_) if is_file => format!("{database_url}?mode=ro"),
        Err(_) => database_url.to_owned(),
    };
    connect(&url).await
}

/// A connection to change something by: it leads to the primary.
async fn writing(database_url: &str) -> Result<AnyPool, Error> {
    sqlx::any::install_default_drivers();
    let url = match Hosts::of(database_url) {
        Ok(hosts) => hosts.primary(CONNECTED_WITHIN).await?,
        Err(_) => database_url.to_owned(),
    };
    connect(&url).await
}

async fn connect(url: &str) -> Result<AnyPool, Error> {
    Ok(AnyPoolOptions::new().max_connections(1).acquire_timeout(CONNECTED_WITHIN).connect(url).await?)
}

/// Asks, with a deadline.
async fn asked<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(READ_WITHIN, answer).await.unwrap_or(Err(Error::Unanswered(READ_WITHIN)))
}
