//! Draws plans from seeds.

use super::corners::corner;
use super::{
    Act, AgentPlan, CustomerPlan, Deed, Fault, FaultKind, Plan, Scenario, Setup, asked_for, chats_draw,
};
use crate::chance::Chance;

/// One of this many worlds is a corner case, which the others hardly ever reach.
const CORNERS: u64 = 40;
/// Time between two attempts of one webhook (milliseconds): none, as the twin assumes, or as long as many do it.
const RETRY_PAUSES: [u64; 4] = [0, 0, 1_000, 3_000];

/// The plan of a seed, for this scenario, or for one that the seed picks.
pub fn draw(seed: u64, scenario: Option<Scenario>) -> Plan {
    let mut plan = planned(seed, scenario);
    plan.setup.retry_pause = *Chance::of(seed, 7, 0).one(&RETRY_PAUSES).unwrap_or(&0);
    plan.setup.proxied = Chance::of(seed, PROXIED, 0).happens(250);
    chats_draw::add(&mut plan, scenario);
    plan
}

fn planned(seed: u64, scenario: Option<Scenario>) -> Plan {
    let is_a_corner = scenario.is_none() && seed % CORNERS == 7;
    if is_a_corner || scenario == Some(Scenario::Corners) {
        return corner(seed);
    }
    let mut chance = Chance::of(seed, 1, 0);
    let drawn = match chance.below(100) {
        0..=24 => Scenario::Refresh,
        25..=39 => Scenario::Crash,
        40..=51 => Scenario::Graceful,
        52..=63 => Scenario::Transfer,
        64..=71 => Scenario::Others,
        72..=79 => Scenario::Outbound,
        80..=87 => Scenario::Tabs,
        88..=98 => Scenario::Mixed,
        _ => Scenario::Large,
    };
    let scenario = scenario.unwrap_or(drawn);
    let (agents, customers) = match scenario {
        Scenario::Refresh
        | Scenario::Crash
        | Scenario::Graceful
        | Scenario::Corners
        | Scenario::TwoServers
        | Scenario::Steps
        | Scenario::Clocks
        | Scenario::Long
        | Scenario::Database
        | Scenario::Restores
        | Scenario::Chats
        | Scenario::Outages => (chance.between(1, 3), chance.between(1, 2)),
        Scenario::Transfer | Scenario::Others | Scenario::Tabs => {
            (chance.between(2, 3), chance.between(1, 2))
        }
        Scenario::Outbound => (chance.between(1, 3), chance.below(2)),
        Scenario::Liar => (chance.between(2, 4), chance.between(1, 3)),
        Scenario::Mixed => (chance.between(2, 5), chance.between(1, 5)),
        Scenario::Large => (chance.between(10, 50), chance.between(20, 200)),
        Scenario::Storm => (chance.between(5, 15), chance.between(4, 20)),
    };
    let until = if scenario == Scenario::Large { 120_000 } else { chance.between(40_000, 90_000) };
    let mut plan = Plan {
        seed,
        scenario,
        agents: (0..agents).map(|_| agent(&mut chance, scenario)).collect(),
        customers: (0..customers).map(|_| customer(&mut chance, scenario, until)).collect(),
        deeds: vec![],
        faults: vec![],
        setup: Setup { hold_when_told: Chance::of(seed, WHEN_TOLD, 0).happens(250), ..setup(&mut chance) },
        until,
        chats: None,
    };
    deeds(&mut chance, &mut plan);
    faults(&mut chance, &mut plan);
    asked_for::add(&mut plan);
    plan
}

/// Stands for the first agent who has a call when the deed is due.
pub const WHO_HAS_A_CALL: usize = usize::MAX;

/// Of a generator of its own: the worlds of all seeds are the same otherwise as before there was this setting.
const WHEN_TOLD: u64 = 0x5eed;
const PROXIED: u64 = 0x9407;

fn agent(chance: &mut Chance, scenario: Scenario) -> AgentPlan {
    let mixed = scenario == Scenario::Mixed || scenario == Scenario::Large;
    let tabs = match scenario {
        Scenario::Tabs => chance.between(2, 3) as u8,
        Scenario::Mixed if chance.happens(200) => 2,
        _ => 1,
    };
    AgentPlan {
        tabs,
        accepts: chance.between(300, 4_000),
        wraps: if chance.happens(200) { 60_000 } else { chance.between(1_000, 15_000) },
        loads: if chance.happens(100) { chance.between(6_000, 20_000) } else { chance.between(800, 5_000) },
        plugin: true,
        foreign: mixed && chance.happens(100),
        skew: if chance.happens(200) { chance.between(0, 120_000) as i64 - 60_000 } else { 0 },
    }
}

fn customer(chance: &mut Chance, scenario: Scenario, until: u64) -> CustomerPlan {
    let latest = if scenario == Scenario::Large { until / 2 } else { 8_000 };
    let dials = chance.between(4_000, latest.max(4_001));
    let hangs_up = chance.happens(300).then(|| chance.between(dials + 2_000, until));
    CustomerPlan { dials, hangs_up }
}

fn setup(chance: &mut Chance) -> Setup {
    Setup {
        in_place: !chance.happens(250),
        customer_hold: !chance.happens(250),
        dead_leg: *chance.one(&[15_000, 30_000, 30_000, 30_000, 120_000]).unwrap_or(&30_000),
        dtls_ends: chance.happens(250),
        second_leg_refused: chance.happens(100),
        ended: !chance.happens(100),
        streams: !chance.happens(300),
        skew: if chance.happens(100) { chance.between(0, 60_000) as i64 - 30_000 } else { 0 },
        lends: false,
        token_lasts: 0,
        redirects_reported: false,
        retries: true,
        hold_when_told: false,
        retry_pause: 0,
        proxied: false,
        servers: 1,
    }
}

fn away(chance: &mut Chance) -> u64 {
    if chance.happens(300) { chance.between(10_000, 40_000) } else { chance.between(300, 10_000) }
}

/// A way in which a page, or its machine, goes away.
fn accident(chance: &mut Chance) -> Act {
    match chance.below(8) {
        0..=2 => Act::Refresh,
        3 => Act::Crash(away(chance)),
        4 => Act::Close(away(chance)),
        5 => Act::Sleep(away(chance)),
        6 => Act::Offline(away(chance)),
        _ => Act::CloseForGood,
    }
}

fn other(chance: &mut Chance, plan: &Plan, agent: usize) -> usize {
    let others = plan.agents.len().saturating_sub(1) as u64;
    let drawn = usize::try_from(chance.below(others)).unwrap_or_default();
    if drawn >= agent { drawn + 1 } else { drawn }
}

pub(super) fn act(chance: &mut Chance, plan: &Plan, agent: usize) -> Act {
    let alone = plan.agents.len() < 2;
    match (plan.scenario, chance.below(100)) {
        (Scenario::Refresh, 0..=69) => Act::Refresh,
        (Scenario::Crash, 0..=29) => Act::Crash(away(chance)),
        (Scenario::Crash, 30..=44) => Act::Sleep(away(chance)),
        (Scenario::Crash, 45..=59) => Act::Offline(away(chance)),
        (Scenario::Crash, 60..=69) => Act::CloseForGood,
        (Scenario::Graceful, 0..=24) => Act::HangUp,
        (Scenario::Graceful, 25..=34) => Act::EndForAll,
        (Scenario::Graceful, 35..=44) => Act::Complete,
        (Scenario::Graceful, 45..=59) => Act::SignOut,
        (Scenario::Transfer, 0..=24) if !alone => Act::Warm(other(chance, plan, agent)),
        (Scenario::Transfer, 25..=44) if !alone => Act::Cold(other(chance, plan, agent)),
        (Scenario::Transfer, 45..=54) if !alone => Act::Kick(other(chance, plan, agent)),
        (Scenario::Transfer, 55..=69) => Act::HangUp,
        (Scenario::Others, 0..=29) if !alone => Act::Monitor(other(chance, plan, agent)),
        (Scenario::Others, 30..=54) => Act::External,
        (Scenario::Outbound, 0..=39) => {
            Act::Outbound(if chance.happens(150) { 0 } else { chance.between(500, 6_000) })
        }
        (Scenario::Tabs, 0..=19) => Act::NewTab,
        (Scenario::Tabs, 20..=29) => Act::NewBrowser,
        (_, 70..=74) => Act::Hold,
        (_, 75..=78) => Act::Unhold,
        (_, 79..=80) => Act::Mute,
        (_, 81..=83) => Act::HangUp,
        (_, 84) => Act::SignOut,
        (_, 85) => Act::Unavailable,
        (_, 86) => Act::Available,
        (_, 87..=89) if !alone => Act::Warm(other(chance, plan, agent)),
        (_, 90) if !alone => Act::Cold(other(chance, plan, agent)),
        (_, 91) if !alone => Act::Monitor(other(chance, plan, agent)),
        (_, 92) => Act::External,
        (_, 93) => Act::NewTab,
        _ => accident(chance),
    }
}

fn deeds(chance: &mut Chance, plan: &mut Plan) {
    let per_agent = match plan.scenario {
        Scenario::Large => 1,
        Scenario::Mixed => 3,
        _ => 2,
    };
    for agent in 0..plan.agents.len() {
        // Deeds come in bursts: one, and soon after it another.
        let mut at = chance.between(6_000, 25_000.min(plan.until));
        if plan.scenario == Scenario::Large {
            at = chance.between(10_000, plan.until - 10_000);
        }
        for number in 0..chance.between(1, per_agent + 1) {
            if number > 0 || chance.happens(800) {
                let act = act(chance, plan, agent);
                plan.deeds.push(Deed { at, agent, act });
            }
            at += if chance.happens(500) { chance.between(50, 3_000) } else { chance.between(3_000, 20_000) };
        }
    }
    plan.deeds.retain(|deed| deed.at < plan.until);
    plan.deeds.sort_by_key(|deed| (deed.at, deed.agent));
}

fn faults(chance: &mut Chance, plan: &mut Plan) {
    let most = match plan.scenario {
        Scenario::Mixed | Scenario::Large => 5,
        _ if chance.happens(300) => 0,
        _ => 3,
    };
    for _ in 0..chance.between(most.min(1), most) {
        let Some(kind) = chance.one(&FaultKind::ALL).copied() else { continue };
        let from = chance.between(0, 40_000);
        let to = from
            + if chance.happens(500) { chance.between(500, 5_000) } else { chance.between(5_000, 30_000) };
        let rate = match chance.below(4) {
            0 => 1000,
            1 => 500,
            2 => 100,
            _ => 20,
        };
        plan.faults.push(Fault { from, to: to.min(plan.until), kind, rate });
    }
    plan.faults.retain(|fault| fault.from < fault.to);
}
