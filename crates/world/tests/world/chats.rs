//! Worlds with chats.

use rejoin_world::plan::{Plan, Scenario, draw};
use rejoin_world::shrink::shrink;
use rejoin_world::timeline::Lane;
use rejoin_world::{Outcome, Planted, Runner};

fn played(plan: &Plan) -> Outcome {
    let mut runner = Runner::new().expect("settings");
    runner.records = true;
    runner.run(plan).expect("a world")
}

#[test]
fn a_third_of_the_worlds_has_chats_and_all_of_the_scenario_have() {
    let with = (1..=3_000).filter(|seed| draw(*seed, None).chats.is_some()).count();
    assert!((900..1_100).contains(&with), "{with} of 3000");
    assert!((1..=100).all(|seed| draw(seed, Some(Scenario::Chats)).chats.is_some()));
    for scenario in [Scenario::Refresh, Scenario::Mixed, Scenario::Outages] {
        assert!((1..=100).all(|seed| draw(seed, Some(scenario)).chats.is_none()), "{scenario}");
    }
}

#[test]
fn the_calls_of_a_world_are_the_same_with_its_chats_and_without() {
    let mut compared = 0;
    for plan in (1..=60).map(|seed| draw(seed, None)).filter(|plan| plan.chats.is_some()) {
        let (with, without) = (played(&plan), played(&Plan { chats: None, ..plan.clone() }));
        let mut calls = without.timeline.iter();
        let mut next = calls.next();
        for entry in &with.timeline {
            if Some(entry) == next {
                next = calls.next();
            }
        }
        assert_eq!(next, None, "seed {}: an entry of the calls is missing", plan.seed);
        assert!(with.timeline.len() > without.timeline.len(), "seed {}", plan.seed);
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
}

#[test]
fn chats_are_lost_and_found_in_every_way() {
    let mut all = rejoin_world::chats::ChatCounts::default();
    for seed in 1..=120 {
        all += played(&draw(seed, Some(Scenario::Chats))).chats;
    }
    for ending in ["back", "same agent", "other agent", "parked", "closed"] {
        assert!(all.endings.contains_key(ending), "no absence ends so: {ending}: {all}");
    }
    assert!(all.chats > 100 && all.messages > 1_000 && all.faults.len() >= 8, "{all}");
}

#[test]
fn a_world_with_chats_is_the_same_each_time_and_after_being_read_back() {
    for seed in 1..=6 {
        let plan = draw(seed, Some(Scenario::Chats));
        let read: Plan = serde_json::from_str(&serde_json::to_string(&plan).expect("JSON")).expect("a plan");
        let (first, again) = (played(&plan), played(&read));
        assert_eq!(first.timeline, again.timeline, "seed {seed}");
        let chats = first.timeline.iter().filter(|entry| matches!(entry.from, Lane::Chat(_)));
        assert!(chats.count() > 1, "seed {seed}: no customer writes");
    }
}

#[test]
fn a_story_about_a_chat_is_shrunk() {
    let mut runner = Runner::new().expect("settings");
    runner.planted = Some(Planted::ChatDraftsForgotten);
    let plan = draw(1, Some(Scenario::Chats));
    let broken = runner.run(&plan).expect("a world").broken.expect("it is found");
    let (short, found) = shrink(&runner, &plan, &broken);
    assert_eq!(found.rule, broken.rule);
    let size = |plan: &Plan| {
        let chats = plan.chats.as_ref().expect("chats");
        chats.chats.len() + chats.deeds.len() + chats.faults.len() + plan.deeds.len()
    };
    assert!(size(&short) < size(&plan), "{short:?}");
}
