//! Validation of Flex tokens by Twilio.
//!
//! Twilio's answer is cached by the token's hash. A recently valid token stays valid while Twilio is asked about it
//! again, and has a lane of its own for that: a sender of guesses keeps out no agent who already works. Guesses from
//! one address wait for each other, and refused tokens are not asked about again.

use super::auth::User;
use super::guesses::Guesses;
use super::problem::Problem;
use super::source::Source;
use crate::figures;
use crate::surroundings::Surroundings;
use rejoin_protocol::Millis;
use rejoin_twilio::{Client, Error as TwilioError};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long Twilio's answer counts without asking again.
const FRESH: Millis = Millis::seconds(60);
/// How long a valid token is accepted at once, while Twilio is asked again in the background.
pub(super) const STAYS: Millis = Millis::seconds(300);
/// How long it is accepted while Twilio does not answer.
const UNANSWERED: Millis = Millis::seconds(1800);
/// Longer tokens are refused without asking, in bytes.
const LONGEST: usize = 8192;
/// Number of valid tokens that are cached. Beyond that, the others are asked about each time.
const GOOD: usize = 50_000;
/// Number of refused tokens that are cached.
const REFUSED: usize = 10_000;
/// How long a check may wait for others to end.
const PATIENCE: Duration = Duration::from_secs(4);
/// Maximum number of concurrent checks of known tokens.
const AGAIN_AT_ONCE: usize = 8;
/// Maximum number of concurrent checks of new tokens, of all senders: guesses must not keep Twilio busy.
const NEW_AT_ONCE: usize = 16;
/// The same for one address.
const NEW_AT_ONCE_OF_ADDRESS: usize = 6;
/// Maximum number of refused tokens from an address in a minute. Agents of one office may share an address, and their
/// tokens expire.
const REFUSED_PER_MINUTE: u32 = 60;

type Hash = [u8; 32];

/// Checks tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Tokens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    surroundings: Surroundings,
    known: Mutex<Known>,
    again: Semaphore,
    new: Semaphore,
    guesses: Guesses,
    /// When Twilio last failed to answer for a token (milliseconds); 0: never.
    unanswered: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    good: HashMap<Hash, Good>,
    /// Until when they count as refused (points in time).
    refused: HashMap<Hash, Millis>,
}

/// Twilio's answer about a valid token.
#[derive(Debug)]
struct Good {
    user: User,
    /// When it was checked (point in time).
    checked: Millis,
    /// True while Twilio is being asked again.
    is_asked: bool,
}

/// The cached state of a token.
enum Standing {
    Good(User),
    /// Valid, and due for another check.
    Ages(User),
    /// Valid, but not checked for long.
    Was(User, Millis),
    Refused,
    New,
}

impl Tokens {
    pub(crate) fn new(client: Client, surroundings: Surroundings) -> Self {
        Self(Arc::new(Inner {
            client,
            surroundings,
            known: Mutex::default(),
            again: Semaphore::new(AGAIN_AT_ONCE),
            new: Semaphore::new(NEW_AT_ONCE),
            guesses: Guesses::new(REFUSED_PER_MINUTE, NEW_AT_ONCE_OF_ADDRESS),
            unanswered: AtomicU64::new(0),
        }))
    }

    /// True when Twilio has failed to answer for a token since then, whoever sent it.
    pub(crate) fn is_unanswered_since(&self, since: Millis) -> bool {
        self.0.unanswered.load(Ordering::Relaxed) > since.0
    }

    /// The user of this token, from `source`.
    pub(crate) async fn check(
        &self,
        token: &str,
        source: Option<Source>,
        now: Millis,
    ) -> Result<User, Problem> {
        if !has_form(token) {
            return Err(Problem::TokenRefused);
        }
        let hash: Hash = Sha256::digest(token).into();
        let standing = self.0.known().standing(&hash, now);
        match standing {
            Standing::Good(user) => Ok(user),
            Standing::Refused => Err(Problem::TokenRefused),
            Standing::Ages(user) => {
                self.ask_behind(token.to_owned(), hash, now);
                Ok(user)
            }
            Standing::Was(user, checked) => match self.ask_again(token, &hash, now).await {
                Err(Problem::TwilioUnavailable) if now < checked + UNANSWERED => Ok(user),
                said => said,
            },
            Standing::New => self.ask_first(token, source, &hash, now).await,
        }
    }

    /// The same for a token in use; Twilio is asked unless it was just now.
    pub(crate) async fn check_again(&self, token: &str, now: Millis) -> Result<User, Problem> {
        let hash: Hash = Sha256::digest(token).into();
        let standing = self.0.known().standing(&hash, now);
        match standing {
            Standing::Good(user) => Ok(user),
            Standing::Refused => Err(Problem::TokenRefused),
            // Nothing waits for the answer: it may wait for its turn.
            Standing::Ages(_) | Standing::Was(..) | Standing::New => {
                let Ok(_permit) = self.0.again.acquire().await else {
                    return Err(Problem::TwilioUnavailable);
                };
                self.0.ask(token, &hash, now).await
            }
        }
    }

    async fn ask_first(
        &self,
        token: &str,
        source: Option<Source>,
        hash: &Hash,
        now: Millis,
    ) -> Result<User, Problem> {
        let inner = &self.0;
        inner.guesses.check(source)?;
        // Neither semaphore is ever closed. A request that waits for too long is told to retry.
        let turn = async { (inner.guesses.turn(source).await, inner.new.acquire().await) };
        let Ok((_of_address, Ok(_permit))) = tokio::time::timeout(PATIENCE, turn).await else {
            figures::refused("tokens");
            return Err(Problem::TwilioUnavailable);
        };
        // Earlier guesses may have been refused meanwhile.
        inner.guesses.check(source)?;
        let said = inner.ask(token, hash, now).await;
        match said {
            Err(Problem::TokenRefused) => inner.guesses.refused(source),
            Err(_) => {
                inner.unanswered.fetch_max(now.0, Ordering::Relaxed);
            }
            Ok(_) => {}
        }
        said
    }

    async fn ask_again(&self, token: &str, hash: &Hash, now: Millis) -> Result<User, Problem> {
        let Ok(Ok(_permit)) = tokio::time::timeout(PATIENCE, self.0.again.acquire()).await else {
            return Err(Problem::TwilioUnavailable);
        };
        self.0.ask(token, hash, now).await
    }

    /// Asks again in the background. When the limit of concurrent checks is reached, the next request tries again.
    fn ask_behind(&self, token: String, hash: Hash, now: Millis) {
        let tokens = self.clone();
        let ask = async move {
            match tokens.0.again.try_acquire() {
                Ok(_permit) => {
                    // The answer is cached.
                    let _ = tokens.0.ask(&token, &hash, now).await;
                }
                Err(_) => tokens.0.known().asked(&hash),
            }
        };
        tokio::spawn(self.0.surroundings.task(ask));
    }
}

/// True when this may be a token at all (<https://www.rfc-editor.org/rfc/rfc6750#section-2.1>). Twilio promises
/// nothing about a Flex token's inner format (currently a JWE), so nothing more is required.
fn has_form(token: &str) -> bool {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let rest = token.trim_end_matches('=');
    token.len() <= LONGEST && !rest.is_empty() && rest.bytes().all(is_of_token)
}

impl Inner {
    /// Asks Twilio, and caches the answer.
    async fn ask(&self, token: &str, hash: &Hash, now: Millis) -> Result<User, Problem> {
        let said = self.said(token, now).await;
        let mut known = self.known();
        match &said {
            Ok(user) => known.is_good(*hash, user.clone(), now),
            Err(Problem::TokenRefused) => known.is_refused(*hash, now),
            // A passing failure says nothing about the token.
            Err(_) => known.asked(hash),
        }
        said
    }

    async fn said(&self, token: &str, now: Millis) -> Result<User, Problem> {
        let info = match self.client.validate_token(&SecretString::from(token)).await {
            Ok(info) => info,
            // Our own credentials, and rate limits, are errors of their own.
            Err(TwilioError::Refused { .. } | TwilioError::Gone) => return Err(Problem::TokenRefused),
            Err(error) => {
                tracing::error!(%error, "a Flex token could not be checked");
                return Err(Problem::TwilioUnavailable);
            }
        };
        if !info.valid || info.expiration.is_some_and(|at| at <= now) {
            return Err(Problem::TokenRefused);
        }
        Ok(User::from(info))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// The state of a token. The first caller that finds a valid token due for a check performs it; others do not
    /// until it has ended.
    fn standing(&mut self, hash: &Hash, now: Millis) -> Standing {
        if self.refused.get(hash).is_some_and(|until| *until > now) {
            return Standing::Refused;
        }
        let Some(good) = self.good.get_mut(hash) else { return Standing::New };
        if good.user.expires.is_some_and(|at| at <= now) {
            return Standing::Refused;
        }
        let user = good.user.clone();
        if now < good.checked + FRESH {
            Standing::Good(user)
        } else if now >= good.checked + STAYS {
            Standing::Was(user, good.checked)
        } else if std::mem::replace(&mut good.is_asked, true) {
            Standing::Good(user)
        } else {
            Standing::Ages(user)
        }
    }

    fn is_good(&mut self, hash: Hash, user: User, now: Millis) {
        self.refused.remove(&hash);
        if self.good.len() >= GOOD && !self.good.contains_key(&hash) {
            self.good.retain(|_, good| now < good.checked + STAYS);
            if self.good.len() >= GOOD {
                return;
            }
        }
        self.good.insert(hash, Good { user, checked: now, is_asked: false });
    }

    fn is_refused(&mut self, hash: Hash, now: Millis) {
        self.good.remove(&hash);
        if self.refused.len() >= REFUSED {
            self.refused.retain(|_, until| *until > now);
            if self.refused.len() >= REFUSED {
                self.refused.clear();
            }
        }
        self.refused.insert(hash, now + FRESH);
    }

    /// Twilio was asked, and did not answer.
    fn asked(&mut self, hash: &Hash) {
        if let Some(good) = self.good.get_mut(hash) {
            good.is_asked = false;
        }
    }
}

#[cfg(test)]
mod tests;
