//! Requests that are repeated while that can help, and waits with a bound.

use rejoin_twilio::Error;
use std::time::Duration;
use tokio::time::Instant;

/// How often a request is repeated that Twilio wants later, or that had no effect.
const REPEATS: u32 = 5;
/// The first pause before a repetition; each is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(10);
/// The pause between two looks.
const EVERY: Duration = Duration::from_millis(400);

/// Repeats a request that was throttled, or that failed without an effect.
pub(super) async fn patiently<T>(ask: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    let mut pause = PAUSE;
    for _ in 0..REPEATS {
        let wanted = match ask().await {
            Err(Error::Throttled { retry_after }) => retry_after.unwrap_or(pause),
            Err(error) if error.is_passing() && !error.may_have_acted() => pause,
            answer => return answer,
        };
        tokio::time::sleep(wanted.min(LONGEST)).await;
        pause *= 2;
    }
    ask().await
}

/// Looks until there is something, for this long at most. `None`: there was nothing in time.
pub(super) async fn until<T, E>(
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let end = Instant::now() + within;
    loop {
        let found = look().await?;
        if found.is_some() || Instant::now() >= end {
            return Ok(found);
        }
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test(start_paused = true)]
    async fn what_has_no_effect_is_repeated_and_what_may_have_one_is_not() {
        for (error, wanted) in [
            (Error::Throttled { retry_after: Some(Duration::from_secs(3600)) }, 6),
            (Error::Unavailable { status: 503, may_have_acted: false }, 6),
            (Error::Unavailable { status: 503, may_have_acted: true }, 1),
            (Error::Refused { status: 400, code: 1 }, 1),
        ] {
            let (times, begun) = (Cell::new(0), Instant::now());
            let answer: Result<(), Error> = patiently(async || {
                times.set(times.get() + 1);
                Err(error.clone())
            })
            .await;
            assert_eq!((answer, times.get()), (Err(error), wanted));
            assert!(begun.elapsed() < Duration::from_secs(60), "a pause has a bound");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_with_its_event_or_its_bound() {
        let (times, begun) = (Cell::new(0), Instant::now());
        let look = async || {
            times.set(times.get() + 1);
            Ok::<_, ()>((times.get() == 3).then_some("it"))
        };
        assert_eq!(until(Duration::from_secs(10), look).await, Ok(Some("it")));
        assert_eq!(until(Duration::from_secs(10), async || Ok::<Option<()>, ()>(None)).await, Ok(None));
        assert!(begun.elapsed() < Duration::from_secs(12));
    }
}
