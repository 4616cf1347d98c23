//! Nothing that is stored for a recovery goes stale while the call is healthy: a loss after four hours is recovered
//! as one after a minute.

use rejoin_world::day::{End, Loss};
use rejoin_world::plan::{
    Act, AgentPlan, CustomerPlan, Deed, Fault, FaultKind, Plan, Scenario, Setup, WHO_HAS_A_CALL,
};
use rejoin_world::{Outcome, Runner};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

fn agent(accepts: u64) -> AgentPlan {
    AgentPlan { tabs: 1, accepts, wraps: 5_000, loads: 3_000, plugin: true, foreign: false, skew: 0 }
}

/// A call whose agent is lost in this way at this time, with a colleague who is free.
fn lost(act: Act, at: u64, in_place: bool) -> Plan {
    Plan {
        seed: 18,
        scenario: Scenario::Long,
        agents: vec![agent(1_000), agent(4_000)],
        customers: vec![CustomerPlan { dials: 7_000, hangs_up: None }],
        deeds: vec![Deed { at, agent: WHO_HAS_A_CALL, act }],
        faults: vec![],
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
            token_lasts: HOUR,
            redirects_reported: false,
            retries: true,
            hold_when_told: false,
            retry_pause: 0,
            proxied: false,
            servers: 1,
        },
        until: at + 90_000,
        chats: None,
    }
}

/// The same after four hours: tokens were renewed, the server was redeployed twice, both laptops slept, and the agent
/// has done what breaks no call.
fn lost_after_hours(act: Act, in_place: bool) -> Plan {
    let mut plan = lost(act, 4 * HOUR, in_place);
    let healthy = [
        (20 * MINUTE, WHO_HAS_A_CALL, Act::Hold),
        (25 * MINUTE, WHO_HAS_A_CALL, Act::Unhold),
        (30 * MINUTE, 1, Act::Sleep(80 * MINUTE)),
        (HOUR, WHO_HAS_A_CALL, Act::Sleep(6_000)),
        (2 * HOUR, WHO_HAS_A_CALL, Act::Offline(5_000)),
        (3 * HOUR, 1, Act::Offline(20 * MINUTE)),
    ];
    let healthy = healthy.map(|(at, agent, act)| Deed { at, agent, act });
    plan.deeds.splice(0..0, healthy);
    for (from, kind) in
        [(HOUR + MINUTE, FaultKind::ServerRestarts), (2 * HOUR + MINUTE, FaultKind::ServerDies)]
    {
        plan.faults.push(Fault { from, to: from + 2_000, kind, rate: 1000 });
    }
    plan
}

fn played(plan: &Plan) -> Outcome {
    let mut runner = Runner::new().expect("settings");
    runner.records = true;
    runner.run(plan).expect("a world")
}

/// How it ended for the customer, and how much later (milliseconds) than in the first world.
fn compare(act: Act, in_place: bool) -> (End, i64) {
    let (soon, late) = (played(&lost(act, MINUTE, in_place)), played(&lost_after_hours(act, in_place)));
    assert_eq!((&soon.broken, &late.broken), (&None, &None), "{act:?}");
    let last = |outcome: &Outcome| -> Loss { *outcome.losses.last().expect("the agent was lost") };
    let (soon, late) = (last(&soon), last(&late));
    assert_eq!(soon.end, late.end, "{act:?}");
    (late.end, late.after as i64 - soon.after as i64)
}

#[test]
fn an_agent_lost_after_four_hours_is_back_as_soon_as_after_a_minute() {
    for in_place in [true, false] {
        for act in [Act::Refresh, Act::Crash(4_000), Act::Close(3_000)] {
            let (end, later) = compare(act, in_place);
            assert_eq!(end, End::Same, "{act:?}");
            // Messages take up to 0.4 s each.
            assert!(later < 3_000, "{act:?}: {later} ms later");
        }
    }
}

#[test]
fn an_agent_gone_after_four_hours_is_replaced_as_soon_as_after_a_minute() {
    let (end, later) = compare(Act::CloseForGood, true);
    assert_eq!(end, End::Other);
    assert!(later < 3_000, "{later} ms later");
}
