//! Which of several servers this page uses. They share one database, so any of them continues what another has begun.
//!
//! A page stays with a server until that one fails: a request without an answer or with a 5xx, or a push channel that
//! ends, which is also how a server that stops sends its pages away. It then takes the next server that has not failed
//! lately. From any other than the first it goes back after a while, each page at its own moment.

use rejoin_protocol::Millis;

/// How long a server that has failed is left alone; it doubles up to [`LONGEST`].
const REST: Millis = Millis::seconds(5);
const LONGEST: Millis = Millis::seconds(80);
/// The way back to the first server begins after this time, and pages spread over the same time again.
const BACK: Millis = Millis::seconds(300);

/// The servers, in the account's order.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    all: Vec<End>,
    used: usize,
    /// When to go back to the first one.
    back_at: Option<Millis>,
}

#[derive(Clone, Debug)]
struct End {
    url: String,
    /// Consecutive failures.
    failures: u32,
    /// Until when it is left alone (point in time).
    rests_until: Millis,
}

/// An input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The server in use has answered, or its channel is open.
    Answer,
    /// It has failed, or sends its pages away.
    Failure,
    /// Time has passed.
    Time,
}

impl Ends {
    /// Starts with the first one.
    pub(super) fn new(urls: &[String]) -> Self {
        let end = |url: &String| End { url: url.clone(), failures: 0, rests_until: Millis(0) };
        Self { all: urls.iter().map(end).collect(), used: 0, back_at: None }
    }

    /// Handles an input; the server to use from now on, if it is another one. `spread` differs from page to page.
    pub(super) fn handle(&mut self, now: Millis, seen: Seen, spread: u64) -> Option<&str> {
        let before = self.used;
        let end = self.all.get_mut(before)?;
        match seen {
            Seen::Answer => {
                end.failures = 0;
                end.rests_until = Millis(0);
            }
            Seen::Failure => {
                let rest = REST.0.saturating_mul(1 << end.failures.min(8));
                end.rests_until = now + Millis(rest.min(LONGEST.0));
                end.failures += 1;
                // With none that is worth trying it stays, and backs off.
                let next = (1..self.all.len()).map(|step| (before + step) % self.all.len());
                self.used = next.into_iter().find(|at| self.rested(*at, now)).unwrap_or(before);
                self.plan_way_back(now, spread);
            }
            Seen::Time if self.back_at.is_some_and(|at| at <= now) => {
                if self.rested(0, now) {
                    self.used = 0;
                }
                self.plan_way_back(now, spread);
            }
            Seen::Time => {}
        }
        self.all.get(self.used).filter(|_| self.used != before).map(|end| end.url.as_str())
    }

    /// When to handle [`Seen::Time`].
    pub(super) fn due(&self) -> Option<Millis> {
        self.back_at
    }

    fn rested(&self, at: usize, now: Millis) -> bool {
        self.all.get(at).is_some_and(|end| end.rests_until <= now)
    }

    fn plan_way_back(&mut self, now: Millis, spread: u64) {
        self.back_at = (self.used != 0).then(|| now + BACK + Millis(spread % BACK.0));
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::Seen::{Answer, Failure, Time};
    use super::*;

    /// Plays `(second, input)`; the numbers of the servers in use after each.
    fn used(servers: usize, steps: &[(u64, Seen)]) -> Vec<usize> {
        let urls: Vec<String> = (0..servers).map(|at| format!("https://{at}.example")).collect();
        let mut ends = Ends::new(&urls);
        let mut now = 0;
        let step = |(second, seen): &(u64, Seen)| {
            let moved = ends.handle(Millis::seconds(*second), *seen, 17_000).map(str::to_owned);
            let expected = (ends.used != now).then(|| urls[ends.used].clone());
            assert_eq!(moved, expected, "a move names the new server, and only a move does");
            now = ends.used;
            now
        };
        steps.iter().map(step).collect()
    }

    #[test]
    fn moves_at_the_first_failure_and_stays_where_it_works() {
        assert_eq!(used(2, &[(0, Answer), (1, Failure), (2, Answer), (200, Time)]), [0, 1, 1, 1]);
        assert_eq!(used(3, &[(1, Failure), (1, Failure)]), [1, 2]);
    }

    #[test]
    fn one_server_is_used_whatever_happens() {
        assert_eq!(used(1, &[(1, Failure), (2, Failure), (900, Time)]), [0, 0, 0]);
        assert_eq!(used(0, &[(1, Failure), (1, Answer)]), [0, 0]);
    }

    #[test]
    fn stays_while_all_have_failed_lately() {
        assert_eq!(used(2, &[(1, Failure), (2, Failure), (5, Failure), (6, Failure)]), [1, 1, 1, 0]);
    }

    #[test]
    fn the_rest_of_a_server_doubles_until_it_answers() {
        // 0 rests until 6, then fails again and rests until 17.
        let steps = [(1, Failure), (7, Failure), (7, Failure), (8, Failure), (16, Failure), (17, Failure)];
        assert_eq!(used(2, &steps), [1, 0, 0, 0, 1, 1]);
        assert_eq!(used(2, &[(1, Failure), (7, Failure), (8, Answer), (9, Failure)]), [1, 0, 0, 0]);
    }

    #[test]
    fn goes_back_to_the_first_after_a_while_each_page_at_its_own_moment() {
        assert_eq!(used(2, &[(1, Failure), (2, Answer), (317, Time), (318, Time)]), [1, 1, 1, 0]);
        assert_eq!(used(2, &[(1, Failure), (318, Time), (319, Failure)]), [1, 0, 1], "it may still be down");
    }
}
