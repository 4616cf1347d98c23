//! A database that was restored from a backup, before servers start on it: Twilio has gone on since.

use crate::config::Config;
use crate::engine;
use crate::error::Error;
use crate::execute::Executor;
use crate::store::Store;
use rejoin_recovery::Event;
use rejoin_twilio::Client;
use std::sync::Arc;

/// What a restore found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Calls that go on, or whose recovery is open.
    pub open: usize,
    /// Calls that are over here: the customer has hung up, or is elsewhere.
    pub over: usize,
    /// Calls that are [held back](crate::held_back), and stay so.
    pub held_back: usize,
}

/// Polls each call, and hands the answer in ([`Event::Restored`]): a customer who was sent on since the backup is not taken out
/// of a call with an agent. Jobs of the backup count as begun, so that they are looked up. It may be repeated.
///
/// Fails without any change when Twilio does not say how a call is.
pub(crate) async fn restore(store: &Store, client: Client, config: &Config) -> Result<Restored, Error> {
    let executor = Executor::new(client, Arc::new(config.clone()));
    let stored = store.stored().await?;
    let mut found = Restored { held_back: stored.held_back, ..Restored::default() };
    let mut events = vec![];
    for call in stored.calls {
        let seen = Box::new(executor.poll_after_restore(&call).await?);
        events.push(Event::Restored { conference: call.conference, seen });
    }
    for event in events {
        let Event::Restored { conference, .. } = &event else { continue };
        let conference = conference.clone();
        let after = engine::apply(store, &config.policies(), event).await?;
        match after.call(&conference) {
            Some(call) if !call.closed => found.open += 1,
            _ => found.over += 1,
        }
    }
    store.after_restore().await?;
    Ok(found)
}
