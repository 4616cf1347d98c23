//! Scenarios that run only on request.

use rejoin_world::Runner;
use rejoin_world::plan::{Act, Fault, FaultKind, Plan, Scenario, draw};
use rejoin_world::shrink::shrink;
use rejoin_world::{Outcome, Planted};
use std::collections::{BTreeMap, BTreeSet};

/// The first seeds of each scenario hold, except these, which docs/findings.md lists as open.
const LOT: [(Scenario, u64, &[u64]); 11] = [
    (Scenario::Corners, 10, &[]),
    (Scenario::TwoServers, 20, &[]),
    (Scenario::Storm, 3, &[]),
    (Scenario::Steps, 15, &[]),
    (Scenario::Clocks, 15, &[]),
    (Scenario::Outages, 10, &[]),
    (Scenario::Liar, 10, &[]),
    (Scenario::Long, 5, &[]),
    (Scenario::Database, 20, &[]),
    (Scenario::Restores, 20, &[]),
    (Scenario::Chats, 40, &[]),
];

fn played(plan: &Plan) -> Outcome {
    let mut runner = Runner::new().expect("settings");
    runner.records = true;
    runner.run(plan).expect("a world")
}

#[test]
fn the_first_seeds_of_each_scenario_on_request_hold() {
    assert_eq!(
        LOT.map(|(scenario, ..)| scenario),
        Scenario::ASKED_FOR,
        "each scenario on request has its seeds"
    );
    let runner = Runner::new().expect("settings");
    let mut broken = vec![];
    for (scenario, most, open) in LOT {
        for seed in (1..=most).filter(|seed| !open.contains(seed)) {
            let outcome = runner.run(&draw(seed, Some(scenario))).expect("a world");
            broken.extend(outcome.broken.map(|broken| format!("{scenario}, seed {seed}: {broken}")));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn without_a_request_only_corners_are_drawn() {
    let drawn = (1..=2_000).map(|seed| draw(seed, None).scenario);
    let drawn: Vec<Scenario> = drawn.filter(|scenario| Scenario::ASKED_FOR.contains(scenario)).collect();
    assert_eq!(drawn, [Scenario::Corners; 50], "one of forty worlds");
    for scenario in Scenario::ASKED_FOR {
        assert_eq!(Scenario::named(scenario.name()), Some(scenario));
    }
}

#[test]
fn a_plan_read_back_from_json_gives_the_same_world() {
    for scenario in Scenario::ASKED_FOR {
        let plan = draw(7, Some(scenario));
        let written = serde_json::to_string(&plan).expect("JSON");
        let read: Plan = serde_json::from_str(&written).expect("a plan");
        assert_eq!(read, plan, "{scenario}");
        let (first, again) = (played(&plan), played(&read));
        assert!(first.timeline.len() > 20, "{scenario}: hardly anything happens");
        assert_eq!(first.timeline, again.timeline, "{scenario}");
    }
}

/// A page does not wait any longer for the answer of a server.
const GIVEN_UP: &str = "Unreachable";

#[test]
fn a_suspended_server_sends_nothing_until_it_goes_on() {
    let mut stood = 0;
    for seed in 20..=25 {
        let mut stands = BTreeMap::new();
        for entry in played(&draw(seed, Some(Scenario::TwoServers))).timeline {
            if entry.text.starts_with("stands still") {
                stands.insert(entry.from, entry.at);
                stood += 1;
            } else if entry.text == "goes on" {
                stands.remove(&entry.from);
            } else if entry.text == GIVEN_UP {
                // That is the page's own doing.
            } else if let Some(since) = stands.get(&entry.from) {
                // What the server had sent before may be in flight.
                assert!(entry.at <= since + 400, "seed {seed}: {entry}");
            }
        }
    }
    assert!(stood > 3, "{stood}");
}

#[test]
fn a_shrunk_plan_of_two_servers_keeps_the_suspended_server() {
    let mut runner = Runner::new().expect("settings");
    runner.planted = Some(Planted::NoFence);
    let plan = draw(24, Some(Scenario::TwoServers));
    let broken = runner.run(&plan).expect("a world").broken.expect("it is found");
    let (short, found) = shrink(&runner, &plan, &broken);
    assert_eq!(found.rule, broken.rule);
    assert_eq!(short.setup.servers, 2, "with one server there is nothing to fence off");
    let stands = |kind: FaultKind| matches!(kind, FaultKind::ServerStands | FaultKind::StandsAtStep);
    assert!(short.faults.iter().any(|fault| stands(fault.kind)), "{:?}", short.faults);
    assert!(short.deeds.len() <= plan.deeds.len() && short.faults.len() <= plan.faults.len());
}

#[test]
fn all_rules_hold_when_the_server_dies_at_any_step_of_a_recovery() {
    let whole = draw(2, Some(Scenario::Refresh));
    let mut died = 0;
    for step in (1..=60).step_by(5) {
        let from = whole.deeds[0].at;
        let fault = Fault { from, to: from + 400, kind: FaultKind::DiesAtStep, rate: step };
        let outcome = played(&Plan { faults: vec![fault], ..whole.clone() });
        assert_eq!(outcome.broken, None, "the server dies at step {step}");
        died += outcome.coverage.faults.get(&FaultKind::DiesAtStep).copied().unwrap_or_default();
    }
    assert!(died > 6, "{died}");
}

#[test]
fn the_clocks_scenario_sets_clocks_of_pages_and_servers() {
    let clock = |plan: &Plan| plan.deeds.iter().any(|deed| matches!(deed.act, Act::Clock(_)));
    let set = FaultKind::ServerClock(0);
    let plans: Vec<Plan> = (1..=6).map(|seed| draw(seed, Some(Scenario::Clocks))).collect();
    assert!(plans.iter().any(clock) && !plans.iter().all(clock), "of pages, in some worlds");
    let servers = plans.iter().filter(|plan| played(plan).coverage.faults.contains_key(&set)).count();
    assert!((1..6).contains(&servers), "of our server, in {servers} worlds");
    let set = FaultKind::DatabaseClock(0);
    let databases: Vec<Plan> = (1..=20).map(|seed| draw(seed, Some(Scenario::Clocks))).collect();
    let databases = databases.iter().filter(|plan| played(plan).coverage.faults.contains_key(&set));
    let servers: BTreeSet<_> = databases.map(|plan| plan.setup.servers).collect();
    assert_eq!(servers, [2].into(), "of the database that two servers share, in some worlds");
}
