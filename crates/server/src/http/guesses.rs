//! Limits guesses of secrets by address: an address with too many refusals must wait, and no other.

use super::problem::Problem;
use super::source::Source;
use crate::figures;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long a refusal counts.
const WINDOW: Duration = Duration::from_secs(60);
/// Number of addresses that are counted. Beyond that, those without a running check are forgotten.
const ADDRESSES: usize = 10_000;

/// Counts refusals.
#[derive(Debug)]
pub(crate) struct Guesses {
    /// Maximum number of refusals of an address in a window.
    most: u32,
    /// Maximum number of concurrent checks of an address.
    at_once: usize,
    of: Mutex<HashMap<Source, Guesser>>,
}

#[derive(Debug)]
struct Guesser {
    permits: Arc<Semaphore>,
    refused: u32,
    since: Instant,
}

impl Guesses {
    pub(crate) fn new(most: u32, at_once: usize) -> Self {
        Self { most, at_once, of: Mutex::default() }
    }

    /// Refuses an address with too many refusals until its window is over. An unknown address is never refused: many
    /// clients share it.
    pub(crate) fn check(&self, source: Option<Source>) -> Result<(), Problem> {
        let Some(source) = source else { return Ok(()) };
        let of = self.of();
        let Some(guesser) = of.get(&source).filter(|guesser| guesser.refused >= self.most) else {
            return Ok(());
        };
        let since = guesser.since.elapsed();
        if since >= WINDOW {
            return Ok(());
        }
        figures::refused("guesses");
        let left = (WINDOW - since).as_secs() + 1;
        Err(Problem::TooMany { seconds: u32::try_from(left).unwrap_or(u32::MAX) })
    }

    /// Waits for a place among the concurrent checks of this address; `None`: none is needed.
    pub(crate) async fn turn(&self, source: Option<Source>) -> Option<OwnedSemaphorePermit> {
        let permits = Arc::clone(&self.guesser(&mut self.of(), source?).permits);
        // It is never closed.
        permits.acquire_owned().await.ok()
    }

    /// Counts a wrong guess of this address.
    pub(crate) fn refused(&self, source: Option<Source>) {
        let Some(source) = source else { return };
        let mut of = self.of();
        let guesser = self.guesser(&mut of, source);
        if guesser.since.elapsed() >= WINDOW {
            (guesser.refused, guesser.since) = (0, Instant::now());
        }
        guesser.refused = guesser.refused.saturating_add(1);
    }

    fn guesser<'a>(&self, of: &'a mut HashMap<Source, Guesser>, source: Source) -> &'a mut Guesser {
        if of.len() >= ADDRESSES && !of.contains_key(&source) {
            // A sender with addresses in many networks must neither fill the memory nor keep others out.
            of.retain(|_, guesser| Arc::strong_count(&guesser.permits) > 1);
        }
        of.entry(source).or_insert_with(|| Guesser {
            permits: Arc::new(Semaphore::new(self.at_once)),
            refused: 0,
            since: Instant::now(),
        })
    }

    fn of(&self) -> MutexGuard<'_, HashMap<Source, Guesser>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_an_address_with_wrong_guesses_waits() {
        let guesses = Guesses::new(3, 1);
        let (one, two) = (Some(Source::of([192, 0, 2, 1].into())), Some(Source::of([192, 0, 2, 2].into())));
        for _ in 0..3 {
            assert_eq!(guesses.check(one), Ok(()));
            guesses.refused(one);
        }
        assert_eq!(guesses.check(one), Err(Problem::TooMany { seconds: 61 }));
        assert_eq!((guesses.check(two), guesses.check(None)), (Ok(()), Ok(())));
        tokio::time::advance(WINDOW).await;
        assert_eq!(guesses.check(one), Ok(()), "the window is over");
        guesses.refused(one);
        assert_eq!(guesses.check(one), Ok(()), "a new one has begun");
    }

    #[tokio::test]
    async fn the_number_of_remembered_addresses_is_bounded() {
        let guesses = Guesses::new(3, 1);
        let source = |number: u32| Some(Source::of(std::net::Ipv4Addr::from_bits(number).into()));
        let held = guesses.turn(source(0)).await;
        for number in 1..3 * ADDRESSES as u32 {
            guesses.refused(source(number));
        }
        assert!(guesses.of().len() <= ADDRESSES, "{}", guesses.of().len());
        assert!(guesses.of().contains_key(&source(0).expect("one")), "whose guess is being checked stays");
        drop(held);
    }
}
