//! Which of several servers this page uses. They share one database, so any of them continues what another has begun.
//!
//! A page stays with a server until that one fails: a request without an answer, a hello that is answered with 5xx, or a push
//! channel that ends, which is also how a server that stops sends its pages away. A 5xx to another request makes the page say hello. It then takes the next server that has not failed
//! lately. At its start and every five to ten minutes, each page at its own moment, it asks all of them whether they can
//! work and how fast they answer; by that it leaves a server that does not answer or is far slower, and goes back to an
//! earlier one.

use rejoin_protocol::Millis;

/// How long a server that has failed is left alone; it doubles up to [`LONGEST`].
const REST: Millis = Millis::seconds(5);
const LONGEST: Millis = Millis::seconds(80);
/// Servers whose answers are at most this much later than the fastest one's are equally good: the account's order counts.
const EQUAL: Millis = Millis(50);
/// A page leaves its server for a faster one only if its own takes more than twice the time of the fastest one, and this much: it would
/// otherwise go back and forth.
const FAR: Millis = Millis(100);

/// The servers, in the account's order.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    all: Vec<End>,
    used: usize,
}

#[derive(Clone, Debug)]
struct End {
    url: String,
    /// Consecutive failures.
    failures: u32,
    /// Until when it is left alone (point in time).
    rests_until: Millis,
}

impl Ends {
    /// Starts with the first one.
    pub(super) fn new(urls: &[String]) -> Self {
        let end = |url: &String| End { url: url.clone(), failures: 0, rests_until: Millis(0) };
        Self { all: urls.iter().map(end).collect(), used: 0 }
    }

    /// The server in use has answered, or its channel is open.
    pub(super) fn answered(&mut self) {
        if let Some(end) = self.all.get_mut(self.used) {
            end.failures = 0;
            end.rests_until = Millis(0);
        }
    }

    /// The server in use has failed, or sends its pages away. Returns the server to use from now on, if it is another one.
    pub(super) fn failed(&mut self, now: Millis) -> Option<&str> {
        let end = self.all.get_mut(self.used)?;
        let rest = REST.0.saturating_mul(1 << end.failures.min(8));
        end.rests_until = now + Millis(rest.min(LONGEST.0));
        end.failures += 1;
        // With none that is worth trying it stays, and backs off.
        let mut others = (1..self.all.len()).map(|step| (self.used + step) % self.all.len());
        let next = others.find(|at| self.rested(*at, now))?;
        self.take(next)
    }

    /// How long each server took to answer; `None`: it did not, or cannot work. `works`: the one in use does, whatever
    /// became of this question, which servers before it do not know. `busy`: the page is not to move for speed. Returns
    /// the server to use from now on, if it is another one.
    pub(super) fn measured(
        &mut self,
        now: Millis,
        took: &[Option<Millis>],
        works: bool,
        busy: bool,
    ) -> Option<&str> {
        let of = |at: usize| took.get(at).copied().flatten().filter(|_| self.rested(at, now));
        let fastest = (0..self.all.len()).filter_map(of).min()?;
        let good = |at: &usize| of(*at).is_some_and(|took| took <= fastest + EQUAL);
        let next = (0..self.all.len()).find(good)?;
        let used = of(self.used).or_else(|| works.then_some(fastest));
        let bearable = |used| busy || (next > self.used && used <= fastest + fastest + FAR);
        let stays = used.is_some_and(bearable);
        if stays { None } else { self.take(next) }
    }

    fn rested(&self, at: usize, now: Millis) -> bool {
        self.all.get(at).is_some_and(|end| end.rests_until <= now)
    }

    fn take(&mut self, next: usize) -> Option<&str> {
        let moves = std::mem::replace(&mut self.used, next) != next;
        self.all.get(next).filter(|_| moves).map(|end| end.url.as_str())
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    enum Seen {
        Answer,
        Failure,
        /// What each server took, in ms; 0: no answer.
        Took([u64; 3]),
    }
    use Seen::{Answer, Failure, Took};

    /// A page whose server works and that is free to move.
    fn used(servers: usize, steps: &[(u64, Seen)]) -> Vec<usize> {
        used_where(servers, steps, true, false)
    }

    /// Plays `(second, input)`; the numbers of the servers in use after each.
    fn used_where(servers: usize, steps: &[(u64, Seen)], works: bool, busy: bool) -> Vec<usize> {
        let urls: Vec<String> = (0..servers).map(|at| format!("https://{at}.example")).collect();
        let mut ends = Ends::new(&urls);
        let mut now = 0;
        let step = |(second, seen): &(u64, Seen)| {
            let second = Millis::seconds(*second);
            let moved = match seen {
                Answer => {
                    ends.answered();
                    None
                }
                Failure => ends.failed(second).map(str::to_owned),
                Took(ms) => {
                    let took = ms.map(|ms| (ms > 0).then_some(Millis(ms)));
                    ends.measured(second, &took[..servers], works, busy).map(str::to_owned)
                }
            };
            let expected = (ends.used != now).then(|| urls[ends.used].clone());
            assert_eq!(moved, expected, "a move names the new server, and only a move does");
            now = ends.used;
            now
        };
        steps.iter().map(step).collect()
    }

    #[test]
    fn moves_at_the_first_failure_and_stays_where_it_works() {
        assert_eq!(used(2, &[(0, Answer), (1, Failure), (2, Answer)]), [0, 1, 1]);
        assert_eq!(used(3, &[(1, Failure), (1, Failure)]), [1, 2]);
    }

    #[test]
    fn one_server_is_used_whatever_happens() {
        assert_eq!(used(1, &[(1, Failure), (2, Failure), (900, Took([0, 0, 0]))]), [0, 0, 0]);
        assert_eq!(used(0, &[(1, Failure), (1, Answer), (2, Took([0, 0, 0]))]), [0, 0, 0]);
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
    fn goes_back_to_an_earlier_server_that_works_again_and_is_as_good() {
        let back = |took| used(3, &[(1, Failure), (100, Took(took))])[1];
        assert_eq!(back([80, 30, 30]), 0);
        assert_eq!(back([81, 30, 30]), 1, "slower than the one in use");
        assert_eq!(back([0, 30, 30]), 1, "still down");
        assert_eq!(
            used(2, &[(1, Failure), (5, Took([9, 9, 0])), (6, Took([9, 9, 0]))]),
            [1, 1, 0],
            "it rests"
        );
    }

    #[test]
    fn leaves_a_server_only_for_one_that_is_far_faster_and_never_goes_back_and_forth() {
        assert_eq!(used(2, &[(0, Took([140, 20, 0])), (300, Took([141, 20, 0]))]), [0, 1]);
        assert_eq!(used(3, &[(0, Took([250, 22, 20]))]), [1], "of equally good ones the first");
        // No answers lead there and back: what is far at one of them is not equal at the other.
        for (one, two) in (1..400).flat_map(|one| (1..400).map(move |two| (one, two))) {
            let all = used(2, &[(0, Took([one, two, 0])), (300, Took([one, two, 0]))]);
            assert_eq!(all[0], all[1], "{one} and {two} ms");
        }
    }

    #[test]
    fn a_busy_page_leaves_no_server_that_works_and_leaves_one_that_does_not() {
        let took = |took| [(0, Took(took))];
        assert_eq!(used_where(2, &took([900, 5, 0]), true, true), [0], "not for speed");
        assert_eq!(used_where(2, &took([0, 5, 0]), true, true), [0], "its channel is open");
        assert_eq!(used_where(2, &took([0, 5, 0]), false, true), [1]);
        assert_eq!(used_where(2, &took([0, 0, 0]), false, true), [0], "none answers");
        let back = [(1, Failure), (100, Took([5, 5, 0]))];
        assert_eq!(used_where(2, &back, true, true), [1, 1], "nor back");
    }

    #[test]
    fn a_server_that_does_not_know_the_question_is_neither_left_nor_returned_to() {
        assert_eq!(used(2, &[(0, Took([0, 5, 0]))]), [0]);
        assert_eq!(used(2, &[(0, Took([0, 0, 0])), (1, Failure), (100, Took([0, 0, 0]))]), [0, 1, 1]);
        assert_eq!(used(2, &[(1, Failure), (100, Took([5, 0, 0]))]), [1, 0], "a first one that does");
    }
}
