//! What is alerted about in what a server tells of itself.

use super::endpoint::Kind;
use super::watch::Seen;
use crate::server_state::{ServerState, Thresholds};
use rejoin_protocol::Millis;

/// A counter of a server's, which begins again when the server is started anew.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    before: Option<u64>,
    /// How many there were since there was none, and when the last one was seen (point in time).
    lately: Option<(u64, Millis)>,
}

impl Counter {
    /// How many there were since there was none for `past_for`. What was counted before the first look is history.
    fn seen(&mut self, now: Millis, count: u64, past_for: Millis) -> Option<u64> {
        let more = match self.before.replace(count) {
            None => 0,
            Some(before) if count < before => count,
            Some(before) => count - before,
        };
        self.lately = self.lately.filter(|(_, at)| at.until(now) < past_for);
        if more > 0 {
            let sum = self.lately.map_or(0, |(sum, _)| sum) + more;
            self.lately = Some((sum, now));
        }
        self.lately.map(|(sum, _)| sum)
    }
}

/// The states of one server over time.
#[derive(Clone, Copy, Debug, Default)]
pub struct States {
    given_up: Counter,
    leases_lost: Counter,
}

impl States {
    /// What a state says about each kind; in the order of time.
    pub fn handle(&mut self, now: Millis, state: &ServerState, limits: Thresholds) -> Vec<(Kind, Seen)> {
        let lost = state.lost.unwrap_or(0);
        let seen = |is_well: Option<bool>, why: String| match is_well {
            None => Seen::Nothing,
            Some(true) => Seen::Well,
            Some(false) => Seen::Failed(why),
        };
        let given_up = state.given_up.map(|count| self.given_up.seen(now, count, limits.past_for));
        let leases = state.leases_lost.map(|count| self.leases_lost.seen(now, count, limits.past_for));
        let lease = state.leased.map(|leased| leased && leases.flatten().is_none());
        let unprotected = state.unprotected.unwrap_or(0);
        let share = state.calls.zip(state.unprotected).map(|(calls, unprotected)| {
            u128::from(unprotected) * 100 <= u128::from(calls) * u128::from(limits.unprotected_percent)
        });
        vec![
            (Kind::Database, seen(state.database, "it does not take what the server writes".to_owned())),
            (Kind::Storm, seen(state.storm.map(|on| !on), format!("agents lost at once: {lost}"))),
            (
                Kind::Failsafe,
                seen(
                    state.failsafe.map(|on| !on),
                    format!("agents lost: {lost}; no agent is asked to take their customers"),
                ),
            ),
            (
                Kind::GivenUp,
                seen(
                    given_up.map(|lately| lately.is_none()),
                    format!("actions of recoveries that were given up: {}", given_up.flatten().unwrap_or(0)),
                ),
            ),
            (Kind::Lease, seen(lease, "it was lost: other servers took over the server's jobs".to_owned())),
            (
                Kind::Unprotected,
                seen(
                    share,
                    format!("calls that are not protected: {unprotected} of {}", state.calls.unwrap_or(0)),
                ),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Thresholds = Thresholds { unprotected_percent: 10, past_for: Millis(1000) };

    fn of(states: &mut States, now: u64, state: ServerState, kind: Kind) -> Seen {
        let all = states.handle(Millis(now), &state, LIMITS);
        all.into_iter().find(|(of, _)| *of == kind).expect("each kind").1
    }

    #[test]
    fn what_a_server_does_not_say_is_neither_good_nor_bad() {
        for (kind, seen) in States::default().handle(Millis(1), &ServerState::default(), LIMITS) {
            assert_eq!(seen, Seen::Nothing, "{kind}");
        }
        let newer: ServerState = serde_json::from_str(r#"{"storm":true,"moon":"full"}"#).expect("reads");
        assert_eq!(newer, ServerState { storm: Some(true), ..ServerState::default() });
    }

    #[test]
    fn jobs_given_up_are_alerted_about_until_there_are_none_for_a_while() {
        let mut states = States::default();
        let mut at = |now, count| {
            let state = ServerState { given_up: Some(count), ..ServerState::default() };
            of(&mut states, now, state, Kind::GivenUp)
        };
        let failed = |count: u64| Seen::Failed(format!("actions of recoveries that were given up: {count}"));
        assert_eq!(at(0, 7), Seen::Well, "what was before is history");
        assert_eq!(at(100, 9), failed(2));
        assert_eq!(at(200, 9), failed(2));
        assert_eq!(at(300, 10), failed(3));
        assert_eq!(at(1299, 10), failed(3));
        assert_eq!(at(1300, 10), Seen::Well);
        // The server was started anew.
        assert_eq!(at(1400, 0), Seen::Well);
        assert_eq!(at(1500, 1), failed(1));
    }

    #[test]
    fn a_lease_that_was_lost_and_one_that_is_lost_are_alerted_about() {
        let mut states = States::default();
        let mut at = |now, leased, count| {
            let state =
                ServerState { leased: Some(leased), leases_lost: Some(count), ..ServerState::default() };
            of(&mut states, now, state, Kind::Lease)
        };
        assert_eq!(at(0, true, 0), Seen::Well);
        assert!(matches!(at(1, false, 0), Seen::Failed(_)), "it is lost");
        assert!(matches!(at(2, true, 1), Seen::Failed(_)), "it was lost between two looks, too");
        assert_eq!(at(1002, true, 1), Seen::Well);
    }

    #[test]
    fn a_share_of_unprotected_calls_is_alerted_about_above_the_threshold() {
        let mut states = States::default();
        let mut at = |calls, unprotected| {
            let state =
                ServerState { calls: Some(calls), unprotected: Some(unprotected), ..ServerState::default() };
            of(&mut states, 1, state, Kind::Unprotected)
        };
        assert_eq!(at(0, 0), Seen::Well);
        assert_eq!(at(100, 10), Seen::Well);
        assert_eq!(at(100, 11), Seen::Failed("calls that are not protected: 11 of 100".to_owned()));
        assert!(matches!(at(1, 1), Seen::Failed(_)));
    }
}
