//! What only the scenarios on request have. They draw from a generator of their own, so that all other worlds stay
//! the same.

use super::draw::{WHO_HAS_A_CALL, act};
use super::{Act, Deed, Fault, FaultKind, Plan, Scenario};
use crate::chance::Chance;

/// Probability (permille) that an agent lies in a world of `mixed`.
const LIARS: u32 = 20;

/// Probability (permille) that Twilio reports redirects in a world of `mixed` and `database`.
const REDIRECTS_REPORTED: u32 = 300;

/// Adds the scenario's own part to a plan.
pub(super) fn add(plan: &mut Plan) {
    let mut chance = Chance::of(plan.seed, 4, 0);
    if matches!(plan.scenario, Scenario::Mixed | Scenario::Database) {
        plan.setup.redirects_reported = Chance::of(plan.seed, 6, 0).happens(REDIRECTS_REPORTED);
    }
    match plan.scenario {
        Scenario::TwoServers => two_servers(&mut chance, plan),
        Scenario::Storm => storm(&mut chance, plan),
        Scenario::Steps => steps(&mut chance, plan),
        Scenario::Clocks => clocks(&mut chance, plan),
        Scenario::Outages => outages(&mut chance, plan),
        Scenario::Liar => liar(&mut chance, plan),
        // Everything goes wrong there: now and then an agent lies, too.
        Scenario::Mixed if chance.happens(LIARS) => liar(&mut chance, plan),
        Scenario::Long => long(&mut chance, plan),
        Scenario::Database => database(&mut chance, plan),
        Scenario::Restores => restores(&mut chance, plan),
        _ => {}
    }
}

/// A moment shortly before or after an agent's deed, when our server is busy.
fn moment(chance: &mut Chance, plan: &Plan) -> u64 {
    let at = chance.one(&plan.deeds).map_or(12_000, |deed| deed.at);
    (at + chance.between(0, 4_000)).saturating_sub(1_000).min(plan.until - 1)
}

fn two_servers(chance: &mut Chance, plan: &mut Plan) {
    plan.setup.servers = 2;
    for _ in 0..chance.between(1, 3) {
        let from = moment(chance, plan);
        // A lease lasts 4.5 s.
        let to = from
            + if chance.happens(300) { chance.between(500, 5_000) } else { chance.between(4_000, 20_000) };
        let (kind, rate) = match chance.below(3) {
            0 => (FaultKind::ServerStands, 1000),
            _ => (FaultKind::StandsAtStep, chance.between(1, 40) as u32),
        };
        plan.faults.push(Fault { from, to, kind, rate });
    }
}

/// Something that hits a whole site at once.
fn storm(chance: &mut Chance, plan: &mut Plan) {
    let at = chance.between(15_000, 30_000);
    let away = chance.between(2_000, 40_000);
    let (act, apart) = match chance.below(3) {
        // The building's uplink fails.
        0 => (Act::Offline(away), 300),
        // A new version or a policy reloads all pages.
        1 => (Act::Refresh, 2_000),
        // The power fails.
        _ => (Act::Crash(away), 50),
    };
    plan.deeds.retain(|deed| deed.at < at - 5_000 && chance.happens(300));
    for agent in 0..plan.agents.len() {
        plan.deeds.push(Deed { at: at + chance.below(apart), agent, act });
        // Agents who have waited for the network may reload the page, too.
        if matches!(act, Act::Offline(_)) && chance.happens(300) {
            plan.deeds.push(Deed { at: at + away + chance.between(100, 3_000), agent, act: Act::Refresh });
        }
    }
    plan.until = plan.until.max(at + away + 40_000);
    plan.deeds.sort_by_key(|deed| (deed.at, deed.agent));
    if chance.happens(500) {
        plan.faults.clear();
    }
    let from = at + chance.between(0, 5_000) - 2_000;
    let down = if chance.happens(500) { chance.between(500, 5_000) } else { chance.between(5_000, 20_000) };
    let kind =
        *chance.one(&[FaultKind::ServerDies, FaultKind::ServerRestarts]).unwrap_or(&FaultKind::ServerDies);
    if !chance.happens(200) {
        plan.faults.push(Fault { from, to: from + down, kind, rate: 1000 });
    }
}

/// Steps at which our server may die.
fn steps(chance: &mut Chance, plan: &mut Plan) {
    if chance.happens(300) {
        plan.setup.servers = 2;
    }
    if chance.happens(700) {
        plan.faults.clear();
    }
    for _ in 0..chance.between(1, 2) {
        let from = moment(chance, plan);
        let down = if chance.happens(800) { 400 } else { chance.between(1_000, 10_000) };
        let rate = chance.between(1, 120) as u32;
        plan.faults.push(Fault { from, to: from + down, kind: FaultKind::DiesAtStep, rate });
    }
}

/// A hiccup of the database, or a failover to another host.
fn database(chance: &mut Chance, plan: &mut Plan) {
    if chance.happens(200) {
        plan.setup.servers = 2;
    }
    if chance.happens(700) {
        plan.faults.clear();
    }
    for _ in 0..chance.between(1, 2) {
        let from = moment(chance, plan);
        let to = from
            + if chance.happens(600) { chance.between(200, 4_000) } else { chance.between(4_000, 40_000) };
        let kinds = [
            FaultKind::StoreRefuses,
            FaultKind::StoreRefuses,
            FaultKind::StoreStalls,
            FaultKind::CommitUnknown,
        ];
        let kind = *chance.one(&kinds).unwrap_or(&FaultKind::StoreRefuses);
        let rate = *chance.one(&[1000, 1000, 500, 100]).unwrap_or(&1000);
        plan.faults.push(Fault { from, to, kind, rate });
        plan.until = plan.until.max(to + 20_000);
    }
}

/// A database that is lost, and restored from a backup. Nothing else goes wrong: what is forgotten is enough.
fn restores(chance: &mut Chance, plan: &mut Plan) {
    plan.faults.clear();
    let from = moment(chance, plan);
    let age = if chance.happens(700) { chance.between(500, 20_000) } else { chance.between(20_000, 120_000) };
    plan.faults.push(Fault { from, to: from + age, kind: FaultKind::DatabaseRestored, rate: 1000 });
    plan.until = plan.until.max(from + age + 20_000);
}

/// How far a clock is off: a step of NTP, a machine that was suspended, or a wrong setting.
fn off(chance: &mut Chance) -> i64 {
    let by = match chance.below(3) {
        0 => chance.between(200, 5_000),
        1 => chance.between(5_000, 60_000),
        _ => chance.between(60_000, 3_600_000),
    } as i64;
    if chance.happens(500) { by } else { -by }
}

/// Clocks that are set in the middle of calls.
fn clocks(chance: &mut Chance, plan: &mut Plan) {
    let of_server = chance.below(3);
    if of_server != 1 {
        for _ in 0..chance.between(1, 3) {
            let (at, agent) = (moment(chance, plan), chance.below(plan.agents.len() as u64) as usize);
            plan.deeds.push(Deed { at, agent, act: Act::Clock(off(chance)) });
        }
        plan.deeds.sort_by_key(|deed| (deed.at, deed.agent));
    }
    if of_server != 0 {
        let from = moment(chance, plan);
        let to = from
            + if chance.happens(500) { chance.between(500, 5_000) } else { chance.between(5_000, 60_000) };
        plan.faults.push(Fault { from, to, kind: FaultKind::ServerClock(off(chance)), rate: 1000 });
    } else if chance.happens(750) {
        // The clocks of two servers must agree, so theirs are not set as well.
        plan.setup.servers = 2;
        let from = moment(chance, plan);
        let to = from + chance.between(500, 60_000);
        plan.faults.push(Fault { from, to, kind: FaultKind::DatabaseClock(off(chance)), rate: 1000 });
    }
}

/// The last agent lies, all the time or now and then.
fn liar(chance: &mut Chance, plan: &mut Plan) {
    if plan.agents.len() < 2 {
        return;
    }
    if plan.scenario == Scenario::Liar && chance.happens(500) {
        plan.faults.clear();
    }
    let rate = *chance.one(&[1_000, 300]).unwrap_or(&1_000);
    let from = chance.between(2_000, 10_000);
    plan.faults.push(Fault { from, to: plan.until, kind: FaultKind::Liar, rate });
}

/// Outages of minutes, with calls that last as long.
fn outages(chance: &mut Chance, plan: &mut Plan) {
    if chance.happens(500) {
        plan.faults.clear();
    }
    let first = if chance.happens(500) { moment(chance, plan) } else { chance.between(1_000, 20_000) };
    let mut last = first;
    for number in 0..chance.between(1, 2) {
        // The second outage overlaps the first, or follows soon after.
        let from = if number == 0 { first } else { last.saturating_sub(20_000) + chance.below(40_000) };
        let to = from + chance.between(60_000, 400_000);
        let kinds = [
            FaultKind::ServerDies,
            FaultKind::ServerRestarts,
            FaultKind::ServerDies,
            FaultKind::Silent,
            FaultKind::Broken,
            FaultKind::Throttled,
            FaultKind::WebhookLost,
            FaultKind::RequestLost,
            FaultKind::AnswerLost,
            FaultKind::PushCut,
            FaultKind::DocumentLost,
            FaultKind::TokenExpires,
        ];
        let kind = *chance.one(&kinds).unwrap_or(&FaultKind::ServerDies);
        let rate = if chance.happens(700) { 1000 } else { 900 };
        plan.faults.push(Fault { from, to, kind, rate });
        last = last.max(to);
    }
    plan.until = last + chance.between(20_000, 60_000);
    for customer in &mut plan.customers {
        if chance.happens(300) {
            customer.dials = chance.between(first, plan.until - 10_000);
        }
        customer.hangs_up = chance
            .happens(300)
            .then(|| chance.between(customer.dials + 2_000, plan.until.max(customer.dials + 3_000)));
    }
    for agent in 0..plan.agents.len() {
        for _ in 0..chance.between(1, 3) {
            let at = match chance.below(4) {
                0 => chance.between(first, plan.until - 1),
                1 => chance.between(first, (first + 20_000).min(plan.until - 1)),
                _ => chance.between(last - 10_000, (last + 10_000).min(plan.until - 1)),
            };
            let act = act(chance, plan, agent);
            plan.deeds.push(Deed { at, agent, act });
        }
    }
    plan.deeds.sort_by_key(|deed| (deed.at, deed.agent));
}

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// What was drawn happens at the end of calls that last three or four hours. Until then tokens are renewed, the
/// server is redeployed, laptops sleep, and agents do what breaks no call.
fn long(chance: &mut Chance, plan: &mut Plan) {
    let end = chance.between(3 * HOUR, 4 * HOUR);
    for deed in &mut plan.deeds {
        deed.at += end;
    }
    for fault in &mut plan.faults {
        (fault.from, fault.to) = (fault.from + end, fault.to + end);
    }
    for customer in &mut plan.customers {
        customer.hangs_up = customer.hangs_up.map(|at| at + end);
    }
    plan.until += end;
    plan.setup.token_lasts = *chance.one(&[15 * MINUTE, HOUR, HOUR, 0]).unwrap_or(&HOUR);
    for _ in 0..chance.between(1, 6) {
        let at = chance.between(MINUTE, end - 2 * MINUTE);
        let short = chance.between(500, 8_000);
        // Any agent, who may be on a call, or the one who is.
        let (agent, acts) = match chance.below(6) {
            0 => (WHO_HAS_A_CALL, vec![(0, Act::Hold), (chance.between(1_000, 10 * MINUTE), Act::Unhold)]),
            1 => (WHO_HAS_A_CALL, vec![(0, Act::Mute), (short, Act::Mute)]),
            2 => (WHO_HAS_A_CALL, vec![(0, Act::Offline(short))]),
            3 => (WHO_HAS_A_CALL, vec![(0, Act::Sleep(short))]),
            4 => (WHO_HAS_A_CALL, vec![(0, Act::NewTab)]),
            _ => {
                let agent = chance.below(plan.agents.len() as u64) as usize;
                (agent, vec![(0, Act::Sleep(chance.between(5 * MINUTE, 90 * MINUTE)))])
            }
        };
        for (after, act) in acts {
            plan.deeds.push(Deed { at: (at + after).min(end - MINUTE), agent, act });
        }
    }
    plan.deeds.sort_by_key(|deed| (deed.at, deed.agent));
    for _ in 0..chance.below(3) {
        let from = chance.between(MINUTE, end - MINUTE);
        let kinds = [
            FaultKind::ServerRestarts,
            FaultKind::ServerDies,
            FaultKind::TokenExpires,
            FaultKind::PushCut,
            FaultKind::WebhookLost,
        ];
        let kind = *chance.one(&kinds).unwrap_or(&FaultKind::ServerRestarts);
        plan.faults.push(Fault { from, to: from + chance.between(500, 20_000), kind, rate: 1000 });
    }
}
