//! Variants of a plan: the same people and faults at other times, and something more or less.

use super::draw::act;
use super::{Act, Deed, Plan};
use crate::chance::Chance;

/// How far a time moves at most, in milliseconds: within a message, within a recovery, and past its end.
const REACH: [u64; 3] = [30, 1_000, 8_000];

/// Nobody does two things in one moment: the least time between a new act and another one of the same agent, in milliseconds.
const APART: u64 = 500;

/// A variant of the plan, the same one for the same seed.
pub fn vary(plan: &Plan, seed: u64) -> Plan {
    let mut varied = Plan { seed, ..plan.clone() };
    let chance = &mut Chance::new(seed);
    people(chance, &mut varied);
    deeds(chance, &mut varied);
    faults(chance, &mut varied);
    setup(chance, &mut varied);
    let deeds = varied.deeds.iter().map(|deed| deed.at + 1);
    let last = deeds.chain(varied.faults.iter().map(|fault| fault.to)).max();
    varied.until = varied.until.max(last.unwrap_or_default());
    varied
}

/// Half of all times stay as they are: what a plan is about often rests on a few milliseconds.
fn moves(chance: &mut Chance, at: &mut u64) {
    if chance.happens(500) {
        let reach = chance.one(&REACH).copied().unwrap_or_default();
        *at = (*at + chance.below(2 * reach)).saturating_sub(reach);
    }
}

fn people(chance: &mut Chance, plan: &mut Plan) {
    for agent in &mut plan.agents {
        for at in [&mut agent.accepts, &mut agent.wraps, &mut agent.loads] {
            moves(chance, at);
        }
    }
    for customer in &mut plan.customers {
        moves(chance, &mut customer.dials);
        if let Some(at) = &mut customer.hangs_up {
            moves(chance, at);
            *at = (*at).max(customer.dials + 1);
        }
    }
}

fn deeds(chance: &mut Chance, plan: &mut Plan) {
    for deed in &mut plan.deeds {
        moves(chance, &mut deed.at);
        if let Act::Crash(lasts) | Act::Close(lasts) | Act::Sleep(lasts) | Act::Offline(lasts) = &mut deed.act
        {
            moves(chance, lasts);
        }
    }
    if chance.happens(200) && !plan.deeds.is_empty() {
        let left_out = chance.below(plan.deeds.len() as u64);
        plan.deeds.remove(usize::try_from(left_out).unwrap_or_default());
    }
    if chance.happens(300) {
        let agent = usize::try_from(chance.below(plan.agents.len() as u64)).unwrap_or_default();
        let mut at = chance.one(&plan.deeds).map_or(plan.until / 2, |deed| deed.at);
        moves(chance, &mut at);
        let act = act(chance, plan, agent);
        let is_busy = |deed: &Deed| deed.agent == agent && deed.at.abs_diff(at) < APART;
        if !plan.deeds.iter().any(is_busy) {
            plan.deeds.push(Deed { at, agent, act });
        }
    }
    plan.deeds.sort_by_key(|deed| (deed.at, deed.agent));
}

fn faults(chance: &mut Chance, plan: &mut Plan) {
    for fault in &mut plan.faults {
        let lasts = fault.to.saturating_sub(fault.from);
        moves(chance, &mut fault.from);
        fault.to = fault.from + lasts;
    }
    if chance.happens(200) && !plan.faults.is_empty() {
        let left_out = chance.below(plan.faults.len() as u64);
        plan.faults.remove(usize::try_from(left_out).unwrap_or_default());
    }
}

fn setup(chance: &mut Chance, plan: &mut Plan) {
    let setup = &mut plan.setup;
    for choice in [&mut setup.in_place, &mut setup.customer_hold, &mut setup.ended, &mut setup.streams] {
        *choice ^= chance.happens(50);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::draw;

    #[test]
    fn a_variant_is_the_same_for_the_same_seed_and_its_deeds_are_in_order() {
        let plan = draw(7, None);
        let variants: Vec<Plan> = (1..50).map(|seed| vary(&plan, seed)).collect();
        assert!(variants.iter().zip(1..).all(|(variant, seed)| *variant == vary(&plan, seed)));
        assert!(variants.iter().all(|it| it.deeds.is_sorted_by_key(|deed| deed.at)));
        let ends = |it: &Plan| it.deeds.iter().all(|deed| deed.at < it.until);
        assert!(variants.iter().all(ends));
        assert!(variants.iter().any(|it| it.deeds.len() > plan.deeds.len()));
        assert!(variants.iter().any(|it| it.deeds.len() < plan.deeds.len()));
        assert!(variants.iter().any(|it| it.deeds.len() == plan.deeds.len() && it.deeds != plan.deeds));
    }
}
