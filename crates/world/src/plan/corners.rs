//! Corner cases: each of these plans leads to one that other worlds hardly ever reach.

use super::{Act, CustomerPlan, Deed, Fault, FaultKind, Plan, Scenario, WHO_HAS_A_CALL, draw};
use crate::chance::Chance;

/// An ordinary world with the deeds of a corner case.
pub(super) fn corner(seed: u64) -> Plan {
    let mut chance = Chance::of(seed, 4, 0);
    let mut plan = draw(seed, Some(Scenario::Others));
    plan.scenario = Scenario::Corners;
    plan.customers = vec![CustomerPlan { dials: 4_000, hangs_up: None }];
    plan.agents.iter_mut().for_each(|agent| agent.accepts = chance.between(300, 1_500));
    plan.until = 90_000;
    plan.deeds.clear();
    // Half of them have no faults.
    if chance.happens(500) {
        plan.faults.clear();
    }
    let corners = [
        too_often,
        on_a_break,
        hangs_up_meanwhile,
        just_accepted,
        back_and_gone,
        no_server,
        beside,
        coached,
        nobody,
        refused,
    ];
    if let Some(corner) = chance.one(&corners) {
        corner(&mut chance, &mut plan);
    }
    plan.deeds.sort_by_key(|deed| (deed.at, deed.agent));
    plan
}

/// By then the customer talks to an agent (milliseconds).
const TALKING: u64 = 12_000;

fn whoever_has_the_call(plan: &mut Plan, at: u64, act: Act) {
    plan.deeds.push(Deed { at, agent: WHO_HAS_A_CALL, act });
}

/// Makes recoveries go through the queue, not in place.
fn through_the_queue(plan: &mut Plan) {
    plan.setup.in_place = false;
}

/// A way in which a page goes away and comes back.
fn goes_and_comes(chance: &mut Chance) -> Act {
    match chance.below(3) {
        0 => Act::Crash(chance.between(300, 6_000)),
        1 => Act::Close(chance.between(300, 6_000)),
        _ => Act::Refresh,
    }
}

/// An agent is lost again and again.
fn too_often(chance: &mut Chance, plan: &mut Plan) {
    plan.setup.in_place = chance.happens(500);
    plan.agents.iter_mut().for_each(|agent| agent.loads = chance.between(800, 2_000));
    let mut at = TALKING;
    for _ in 0..chance.between(4, 6) {
        whoever_has_the_call(plan, at, Act::Refresh);
        at += chance.between(5_000, 12_000);
    }
}

/// An agent takes a break in the middle of a call, and is lost.
fn on_a_break(chance: &mut Chance, plan: &mut Plan) {
    through_the_queue(plan);
    plan.setup.lends = chance.happens(700);
    whoever_has_the_call(plan, TALKING, Act::Unavailable);
    let at = TALKING + chance.between(500, 4_000);
    whoever_has_the_call(plan, at, goes_and_comes(chance));
}

/// The customer hangs up at some moment of a recovery.
fn hangs_up_meanwhile(chance: &mut Chance, plan: &mut Plan) {
    plan.setup.in_place = chance.happens(300);
    let at = TALKING + chance.below(1_000);
    whoever_has_the_call(plan, at, goes_and_comes(chance));
    let after = if chance.happens(500) { chance.below(1_500) } else { chance.below(20_000) };
    plan.customers.iter_mut().for_each(|customer| customer.hangs_up = Some(at + after));
}

/// An agent is lost while the call is being connected.
fn just_accepted(chance: &mut Chance, plan: &mut Plan) {
    plan.setup.in_place = chance.happens(300);
    let at = plan.agents.iter().map(|agent| agent.accepts).min().unwrap_or_default() + 4_000;
    let at = at + chance.below(2_500);
    whoever_has_the_call(plan, at, goes_and_comes(chance));
}

/// An agent is back, and is gone again before the customer is.
fn back_and_gone(chance: &mut Chance, plan: &mut Plan) {
    plan.setup.in_place = chance.happens(500);
    let loads = plan.agents.first().map_or(1_000, |agent| agent.loads);
    let lost = Act::Refresh;
    // Any agent may have the call, so all have the same loading time.
    plan.agents.iter_mut().for_each(|agent| agent.loads = loads);
    whoever_has_the_call(plan, TALKING, lost);
    let at = TALKING + loads + chance.below(4_000);
    for agent in 0..plan.agents.len() {
        let act = if chance.happens(500) {
            Act::Close(chance.between(20_000, 40_000))
        } else {
            goes_and_comes(chance)
        };
        plan.deeds.push(Deed { at, agent, act });
    }
}

/// No server runs for a long time when an agent is lost.
fn no_server(chance: &mut Chance, plan: &mut Plan) {
    let from = TALKING + chance.below(6_000);
    let to = from + chance.between(12_000, 45_000);
    plan.faults.push(Fault { from, to, kind: FaultKind::ServerDies, rate: 1_000 });
    whoever_has_the_call(plan, TALKING + chance.below(8_000), goes_and_comes(chance));
}

/// A colleague, a listening supervisor or a third party is on the call, too; then an agent is lost.
fn beside(chance: &mut Chance, plan: &mut Plan) {
    plan.setup.in_place = chance.happens(500);
    let others = plan.agents.len() as u64;
    for number in 0..chance.between(1, 2) {
        let other = usize::try_from(chance.below(others)).unwrap_or_default();
        let at = TALKING + 4_000 * number;
        match chance.below(3) {
            0 => whoever_has_the_call(plan, at, Act::Warm(other)),
            1 => whoever_has_the_call(plan, at, Act::External),
            _ => plan.deeds.extend((0..plan.agents.len()).map(|agent| {
                let of = (agent + 1) % plan.agents.len();
                Deed { at, agent, act: Act::Monitor(of) }
            })),
        }
    }
    let at = TALKING + 9_000 + chance.below(4_000);
    for agent in 0..plan.agents.len() {
        if chance.happens(600) {
            let act = match chance.below(4) {
                0 => Act::HangUp,
                1 => Act::Kick((agent + 1) % plan.agents.len()),
                2 => Act::Hold,
                _ => Act::Mute,
            };
            plan.deeds.push(Deed { at, agent, act });
        }
        if chance.happens(500) {
            let at = at + chance.below(3_000);
            plan.deeds.push(Deed { at, agent, act: goes_and_comes(chance) });
        }
    }
}

/// A supervisor listens and coaches, and then the agent is lost.
fn coached(chance: &mut Chance, plan: &mut Plan) {
    plan.setup.in_place = chance.happens(500);
    for agent in 0..plan.agents.len() {
        // The agent who has the call cannot listen; the others listen to that call.
        for of in (0..plan.agents.len()).filter(|of| *of != agent) {
            plan.deeds.push(Deed { at: TALKING, agent, act: Act::Monitor(of) });
        }
        plan.deeds.push(Deed { at: TALKING + chance.between(1_000, 3_000), agent, act: Act::Coach });
    }
    let at = TALKING + chance.between(1_500, 8_000);
    whoever_has_the_call(plan, at, goes_and_comes(chance));
}

/// An agent is gone for good, and the next one rejects the returning customer.
fn refused(chance: &mut Chance, plan: &mut Plan) {
    through_the_queue(plan);
    whoever_has_the_call(plan, TALKING, Act::CloseForGood);
    for agent in 0..plan.agents.len() {
        for _ in 0..2 {
            plan.deeds.push(Deed { at: TALKING + chance.between(12_000, 40_000), agent, act: Act::Refuse });
        }
    }
    plan.agents.iter_mut().for_each(|agent| agent.accepts = 8_000);
    if let Some(customer) = plan.customers.first_mut() {
        customer.dials = 1_000;
    }
}

/// An agent is gone for good, and the others do not answer for a long time.
fn nobody(chance: &mut Chance, plan: &mut Plan) {
    plan.agents.iter_mut().for_each(|agent| agent.wraps = 1_000);
    whoever_has_the_call(plan, TALKING, Act::CloseForGood);
    for agent in 0..plan.agents.len() {
        if chance.happens(700) {
            let at = TALKING - 1_000 + chance.below(20_000);
            let away = chance.between(30_000, 60_000);
            plan.deeds.push(Deed { at, agent, act: Act::Offline(away) });
        }
    }
}
