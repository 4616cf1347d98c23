//! Shrinks a plan: leaves out whatever is not needed to break the same rule.

use crate::plan::{Act, Chats, Plan};
use crate::rules::Broken;
use crate::run::Runner;

/// Maximum number of worlds that are tried.
const MOST: usize = 250;

/// The shortest plan found, possibly the same one, and the rule that it breaks.
pub fn shrink(runner: &Runner, plan: &Plan, broken: &Broken) -> (Plan, Broken) {
    let mut best = (plan.clone(), broken.clone());
    let mut tried = 0;
    loop {
        let before = best.0.clone();
        for candidate in candidates(&best.0) {
            if tried >= MOST {
                return best;
            }
            tried += 1;
            let found = runner.run(&candidate).ok().and_then(|outcome| outcome.broken);
            if let Some(found) = found.filter(|found| found.rule == broken.rule) {
                best = (candidate, found);
                break;
            }
        }
        if best.0 == before {
            return best;
        }
    }
}

/// Plans with a little less in them, the greatest reductions first.
fn candidates(plan: &Plan) -> Vec<Plan> {
    let mut all = vec![];
    let mut with = |change: &dyn Fn(&mut Plan)| {
        let mut less = plan.clone();
        change(&mut less);
        if less != *plan {
            all.push(less);
        }
    };
    let (deeds, faults, customers) = (plan.deeds.len(), plan.faults.len(), plan.customers.len());
    with(&|plan| plan.faults.clear());
    with(&|plan| plan.deeds.truncate(deeds / 2));
    with(&|plan| _ = plan.deeds.drain(..deeds / 2));
    with(&|plan| plan.customers.truncate(customers.div_ceil(2)));
    for number in (0..faults).rev() {
        with(&|plan| _ = plan.faults.remove(number));
    }
    for number in (0..deeds).rev() {
        with(&|plan| _ = plan.deeds.remove(number));
    }
    for number in (0..customers).rev() {
        with(&|plan| _ = plan.customers.remove(number));
        with(&|plan| plan.customers[number].hangs_up = None);
    }
    chats(plan, &mut with);
    // The last agent, if no deed refers to them.
    let last = plan.agents.len().saturating_sub(1);
    let named = plan.deeds.iter().any(|deed| deed.agent == last || whom(deed.act) == Some(last));
    let named = named || plan.chats.iter().flat_map(|chats| &chats.deeds).any(|deed| deed.agent == last);
    if last > 0 && !named {
        with(&|plan| plan.agents.truncate(last));
    }
    for number in 0..plan.agents.len() {
        with(&|plan| plan.agents[number].tabs = 1);
        with(&|plan| plan.agents[number].foreign = false);
        with(&|plan| plan.agents[number].skew = 0);
    }
    for number in 0..faults {
        if !plan.faults[number].kind.is_at_a_step() {
            with(&|plan| plan.faults[number].rate = 1000);
        }
        with(&|plan| {
            let fault = &mut plan.faults[number];
            fault.to = fault.from + (fault.to - fault.from) / 2;
        });
    }
    with(&|plan| plan.setup.servers = 1);
    with(&|plan| plan.setup.skew = 0);
    with(&|plan| plan.setup.dead_leg = 30_000);
    with(&|plan| plan.setup.dtls_ends = false);
    with(&|plan| plan.setup.second_leg_refused = false);
    with(&|plan| plan.setup.in_place = true);
    with(&|plan| plan.setup.customer_hold = true);
    with(&|plan| plan.setup.hold_when_told = false);
    with(&|plan| plan.setup.proxied = false);
    all
}

/// The same of chats.
fn chats(plan: &Plan, with: &mut impl FnMut(&dyn Fn(&mut Plan))) {
    let Some(chats) = &plan.chats else { return };
    let mut less = |change: &dyn Fn(&mut Chats)| {
        with(&|plan| plan.chats.iter_mut().for_each(change));
    };
    less(&|chats| chats.faults.clear());
    less(&|chats| chats.deeds.clear());
    for number in (0..chats.faults.len()).rev() {
        less(&|chats| _ = chats.faults.remove(number));
    }
    for number in (0..chats.deeds.len()).rev() {
        less(&|chats| _ = chats.deeds.remove(number));
    }
    for number in (0..chats.chats.len()).rev() {
        less(&|chats| _ = chats.chats.remove(number));
        less(&|chats| chats.chats[number].ends = None);
        less(&|chats| {
            let writes = &mut chats.chats[number].writes;
            writes.truncate(writes.len() / 2);
        });
        less(&|chats| {
            let writes = &mut chats.chats[number].writes;
            _ = writes.drain(..writes.len() / 2);
        });
    }
    with(&|plan| plan.chats = None);
}

fn whom(act: Act) -> Option<usize> {
    match act {
        Act::Warm(other) | Act::Cold(other) | Act::Kick(other) | Act::Monitor(other) => Some(other),
        _ => None,
    }
}
