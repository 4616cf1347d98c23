//! The server is down for up to twelve seconds at each moment of a recovery, and Twilio tries again.

use rejoin_world::day::{End, Loss};
use rejoin_world::plan::{
    Act, AgentPlan, CustomerPlan, Deed, Fault, FaultKind, Plan, Scenario, Setup, WHO_HAS_A_CALL,
};
use rejoin_world::{Failures, Outcome, Runner};

/// Between two attempts (milliseconds): five of them take longer than the server is down.
const PAUSE: u64 = 2_500;
/// How long the server is down (milliseconds).
const DOWN: u64 = 12_000;

/// A call whose page is loaded anew at 15 s. The server dies at `from`, for [`DOWN`].
fn plan(in_place: bool, from: u64) -> Plan {
    let agent = |accepts| AgentPlan {
        tabs: 1,
        accepts,
        wraps: 5_000,
        loads: 3_000,
        plugin: true,
        foreign: false,
        skew: 0,
    };
    Plan {
        seed: 5,
        scenario: Scenario::Refresh,
        agents: vec![agent(1_000), agent(4_000)],
        customers: vec![CustomerPlan { dials: 5_000, hangs_up: None }],
        deeds: vec![Deed { at: 15_000, agent: WHO_HAS_A_CALL, act: Act::Refresh }],
        faults: vec![Fault { from, to: from + DOWN, kind: FaultKind::ServerDies, rate: 1000 }],
        setup: Setup {
            in_place,
            customer_hold: true,
            dead_leg: 30_000,
            dtls_ends: false,
            second_leg_refused: false,
            ended: true,
            streams: true,
            skew: 0,
            lends: false,
            token_lasts: 0,
            redirects_reported: false,
            retries: true,
            hold_when_told: false,
            retry_pause: PAUSE,
            proxied: false,
            servers: 1,
        },
        until: 60_000,
        chats: None,
    }
}

/// The outcomes for each moment, with and without retries.
fn outcomes(pause: u64) -> Vec<(Plan, Outcome, Outcome)> {
    let runner = Runner::new().expect("a runner");
    let moments = [false, true]
        .into_iter()
        .flat_map(|in_place| (4_000..30_000).step_by(1_000).map(move |from| (in_place, from)));
    moments
        .map(|(in_place, from)| {
            let mut with = plan(in_place, from);
            with.setup.retry_pause = pause;
            let mut without = with.clone();
            without.setup.retries = false;
            let run = |plan: &Plan| runner.run(plan).expect("it runs");
            (with.clone(), run(&with), run(&without))
        })
        .collect()
}

fn lost(failed: Failures) -> u64 {
    failed.callbacks + failed.documents
}

#[test]
fn no_callback_is_lost_in_twelve_seconds_if_twilio_pauses_between_attempts() {
    let mut missed_without = 0;
    for (plan, with, without) in outcomes(PAUSE) {
        assert!(with.broken.is_none() && without.broken.is_none(), "{:?}", plan.faults);
        assert_eq!(with.failed.callbacks, 0, "{:?}", plan.faults);
        let is_kept = |loss: &Loss| matches!(loss.end, End::Same | End::Other);
        assert!(with.losses.iter().all(is_kept), "{:?}", with.losses);
        missed_without += without.failed.callbacks;
    }
    assert!(missed_without > 0, "or the moments are the wrong ones");
}

#[test]
fn attempts_without_a_pause_miss_no_more_than_none() {
    for (plan, with, without) in outcomes(0) {
        assert!(with.broken.is_none() && without.broken.is_none(), "{:?}", plan.faults);
        assert!(lost(with.failed) <= lost(without.failed), "{:?}", plan.faults);
        let ends = |outcome: &Outcome| outcome.losses.iter().map(|loss| loss.end).collect::<Vec<_>>();
        assert_eq!(ends(&with), ends(&without), "{:?}", plan.faults);
    }
}
