//! Limits the memory of requests before their senders are verified.
//!
//! Each address has a share. Addresses that have lately sent Twilio's signature have half of the total for
//! themselves: requests of others do not keep Twilio's out.

use super::problem::Problem;
use super::source::Source;
use crate::figures;
use crate::limits::Limits;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long an address counts as Twilio's after a valid signature.
const TRUSTED_FOR: Duration = Duration::from_secs(600);
/// Number of such addresses that are remembered. Twilio's requests come from a few at a time.
const TRUSTED: usize = 4096;

/// The budget of all unverified requests together.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Bytes for each of the two kinds of addresses.
    half: usize,
    per_address: usize,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    by_strangers: usize,
    by_trusted: usize,
    by_address: HashMap<Source, usize>,
    trusted: HashMap<Source, Instant>,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        let (half, per_address) = (limits.unverified_bytes / 2, limits.unverified_bytes_per_address);
        Arc::new(Self { half, per_address, used: Mutex::default() })
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Twilio's signature came from this address.
    fn trust(&self, source: Source) {
        let (mut used, now) = (self.used(), Instant::now());
        if used.trusted.len() >= TRUSTED && !used.trusted.contains_key(&source) {
            used.trusted.retain(|_, until| *until > now);
            if used.trusted.len() >= TRUSTED {
                return;
            }
        }
        used.trusted.insert(source, now + TRUSTED_FOR);
    }
}

/// A request, and its charge to the budget until it is verified, or over. Clones share the charge.
#[derive(Clone, Debug)]
pub(crate) struct Unverified(Arc<Mutex<Option<Charge>>>);

#[derive(Debug)]
struct Charge {
    budget: Arc<Budget>,
    source: Option<Source>,
    is_trusted: bool,
    bytes: usize,
}

impl Unverified {
    pub(super) fn new(budget: &Arc<Budget>, source: Option<Source>) -> Self {
        let now = Instant::now();
        let until = source.and_then(|source| budget.used().trusted.get(&source).copied());
        let is_trusted = until.is_some_and(|until| until > now);
        Self(Arc::new(Mutex::new(Some(Charge { budget: Arc::clone(budget), source, is_trusted, bytes: 0 }))))
    }

    /// Charges more bytes. Refused when there is no room for them; nothing is charged then.
    pub(super) fn take(&self, bytes: usize) -> Result<(), Problem> {
        let mut charge = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(charge) = charge.as_mut() else { return Ok(()) };
        let taken = charge.take(bytes);
        if taken.is_err() {
            figures::refused("unverified");
        }
        taken
    }

    /// The sender is verified: the request is no longer charged.
    pub(super) fn verified(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The same, by Twilio's signature.
    pub(super) fn signed(&self) {
        let charge = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Charge { budget, source: Some(source), .. }) = charge.as_ref() {
            budget.trust(*source);
        }
    }
}

impl Charge {
    fn take(&mut self, bytes: usize) -> Result<(), Problem> {
        let mut used = self.budget.used();
        let all = if self.is_trusted { used.by_trusted } else { used.by_strangers } + bytes;
        let of_address =
            self.source.and_then(|source| used.by_address.get(&source)).copied().unwrap_or(0) + bytes;
        if all > self.budget.half || (self.source.is_some() && of_address > self.budget.per_address) {
            return Err(Problem::Full);
        }
        if self.is_trusted {
            used.by_trusted = all;
        } else {
            used.by_strangers = all;
        }
        if let Some(source) = self.source {
            used.by_address.insert(source, of_address);
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut used = self.budget.used();
        let all = if self.is_trusted { &mut used.by_trusted } else { &mut used.by_strangers };
        *all = all.saturating_sub(self.bytes);
        let Some(source) = self.source else { return };
        if let Some(of_address) = used.by_address.get_mut(&source) {
            *of_address = of_address.saturating_sub(self.bytes);
            if *of_address == 0 {
                used.by_address.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u8) -> Source {
        Source::of([192, 0, 2, number].into())
    }

    fn budget() -> Arc<Budget> {
        Arc::new(Budget { half: 1000, per_address: 300, used: Mutex::default() })
    }

    #[tokio::test]
    async fn an_address_has_a_share_and_returns_its_charges() {
        let budget = budget();
        let one = Unverified::new(&budget, Some(source(1)));
        assert_eq!(one.take(200), Ok(()));
        let more = Unverified::new(&budget, Some(source(1)));
        assert_eq!(more.take(200), Err(Problem::Full), "its share is used up");
        assert_eq!(Unverified::new(&budget, Some(source(2))).take(300), Ok(()), "another address");
        one.verified();
        assert_eq!(more.take(300), Ok(()), "who is known takes nothing");
        assert_eq!(one.take(1_000_000), Ok(()));
        drop((one, more));
        let used = budget.used();
        assert_eq!((used.by_strangers, used.by_trusted, used.by_address.len()), (0, 0, 0));
    }

    #[tokio::test]
    async fn requests_of_strangers_do_not_keep_twilio_out() {
        let budget = budget();
        Unverified::new(&budget, Some(source(200))).signed();
        let strangers: Vec<_> =
            (0..10).map(|number| Unverified::new(&budget, Some(source(number)))).collect();
        let taken = strangers.iter().filter(|stranger| stranger.take(300).is_ok()).count();
        assert_eq!(taken, 3, "all of them together");
        assert_eq!(
            Unverified::new(&budget, None).take(300),
            Err(Problem::Full),
            "nor one without an address"
        );
        assert_eq!(Unverified::new(&budget, Some(source(200))).take(300), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn trust_expires_and_the_number_of_trusted_addresses_is_bounded() {
        let budget = budget();
        for number in 0..2 * TRUSTED as u32 {
            budget.trust(Source::of(std::net::Ipv4Addr::from_bits(number).into()));
        }
        assert_eq!(budget.used().trusted.len(), TRUSTED);
        tokio::time::advance(TRUSTED_FOR).await;
        budget.trust(source(1));
        assert_eq!(budget.used().trusted.len(), 1);
    }
}
