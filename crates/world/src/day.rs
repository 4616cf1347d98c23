//! An ordinary day: how often each accident happens, and what becomes of the customers.
//!
//! Nothing goes wrong in most hours, so hours are not simulated: each world is one call with one accident, and the
//! accidents have the relative frequencies of an ordinary day. Where no figure is published one is assumed, and
//! docs/simulation.md says which.

use crate::chance::Chance;
use crate::plan::{
    Act, AgentPlan, CustomerPlan, Deed, Fault, FaultKind, Plan, Scenario, Setup, WHO_HAS_A_CALL,
};
use std::collections::BTreeMap;
use std::fmt;

/// Accidents to agents on a call, and how often each happens in a thousand hours of calls.
const ACCIDENTS: [(&str, u64); 6] = [
    ("page loaded anew", 100),
    ("browser or page crashed", 5),
    ("tab closed by mistake", 10),
    ("agent gone for good", 2),
    ("lid closed", 3),
    ("no network", 20),
];
/// Probability (permille) that a customer who waits alone, or for the next agent, hangs up in each span of this
/// length (milliseconds). The median wait is two minutes.
const IMPATIENT: (u32, u64) = (80, 10_000);
/// Probability (permille) of a restart of our server within the time around an accident: one restart in eight hours.
const RESTARTS: u32 = 3;
const UNTIL: u64 = 90_000;

/// The plan of a call with one accident.
pub fn ordinary(seed: u64) -> Plan {
    let mut chance = Chance::of(seed, 2, 0);
    let all: u64 = ACCIDENTS.iter().map(|(_, often)| often).sum();
    let mut drawn = chance.below(all);
    let which = ACCIDENTS.iter().position(|(_, often)| {
        let is_it = drawn < *often;
        drawn = drawn.saturating_sub(*often);
        is_it
    });
    let act = match which.unwrap_or_default() {
        0 => Act::Refresh,
        1 => Act::Crash(chance.between(4_000, 12_000)),
        2 => Act::Close(chance.between(3_000, 12_000)),
        3 => Act::CloseForGood,
        4 => Act::Sleep(chance.between(2_000, 60_000)),
        _ => Act::Offline(chance.between(2_000, 30_000)),
    };
    let at = chance.between(8_000, 30_000);
    let quiet = |chance: &mut Chance| AgentPlan {
        tabs: 1,
        accepts: chance.between(800, 4_000),
        wraps: chance.between(3_000, 20_000),
        loads: chance.between(1_500, 6_000),
        plugin: true,
        foreign: false,
        skew: chance.between(0, 400) as i64 - 200,
    };
    let agents = (0..3).map(|_| quiet(&mut chance)).collect();
    let mut hangs_up = at;
    while !chance.happens(IMPATIENT.0) {
        hangs_up += IMPATIENT.1;
    }
    hangs_up += chance.below(IMPATIENT.1);
    let whole = |kind, rate| Fault { from: 0, to: UNTIL, kind, rate };
    let mut faults = vec![
        whole(FaultKind::WebhookLost, 1),
        whole(FaultKind::WebhookLate, 10),
        whole(FaultKind::WebhookTwice, 2),
        whole(FaultKind::RequestLost, 5),
        whole(FaultKind::AnswerLost, 2),
        whole(FaultKind::PushCut, 1),
        whole(FaultKind::Throttled, 1),
        whole(FaultKind::Broken, 1),
    ];
    if chance.happens(RESTARTS) {
        let from = chance.between(at.saturating_sub(5_000), at + 20_000);
        faults.push(Fault { from, to: from + 2_000, kind: FaultKind::ServerRestarts, rate: 1000 });
    }
    Plan {
        seed,
        scenario: Scenario::Refresh,
        agents,
        customers: vec![CustomerPlan { dials: chance.between(3_000, 4_000), hangs_up: Some(hangs_up) }],
        deeds: vec![Deed { at, agent: WHO_HAS_A_CALL, act }],
        faults,
        setup: Setup {
            in_place: true,
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
            retry_pause: 0,
            proxied: false,
            servers: 1,
        },
        until: UNTIL,
        chats: None,
    }
}

/// How it ended for a customer who had lost an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The same agent took the customer back.
    Same,
    /// Another agent took over.
    Other,
    /// The customer hung up before that.
    HungUp,
    /// The customer was hung up on.
    Dropped,
}

/// A customer's loss of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Milliseconds until the customer heard the first sound; `None` if there was none before the end.
    pub heard: Option<u64>,
    /// How it ended.
    pub end: End,
    /// Milliseconds until it ended.
    pub after: u64,
}

/// All losses of many calls.
#[derive(Clone, Debug, Default)]
pub struct Day(BTreeMap<usize, Vec<Loss>>);

impl Day {
    /// Adds the losses of one call.
    pub fn add(&mut self, plan: &Plan, losses: Vec<Loss>) {
        let cause = match plan.deeds.first().map(|deed| deed.act) {
            Some(Act::Crash(_)) => 1,
            Some(Act::Close(_)) => 2,
            Some(Act::CloseForGood) => 3,
            Some(Act::Sleep(_)) => 4,
            Some(Act::Offline(_)) => 5,
            _ => 0,
        };
        self.0.entry(cause).or_default().extend(losses);
    }

    /// Adds the losses of other calls.
    pub fn join(&mut self, other: Self) {
        for (cause, losses) in other.0 {
            self.0.entry(cause).or_default().extend(losses);
        }
    }
}

/// The 50th, 90th and 99th percentile, in seconds.
fn percentiles(mut times: Vec<u64>) -> String {
    times.sort_unstable();
    let at = |permille: usize| times.get(times.len().saturating_sub(1) * permille / 1000);
    let tell =
        |permille| at(permille).map_or("–".to_owned(), |time| format!("{:.1}", *time as f64 / 1000.0));
    format!("{} / {} / {}", tell(500), tell(900), tell(990))
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, losses: &[Loss]) -> fmt::Result {
    let share = |end: End| {
        let count = losses.iter().filter(|loss| loss.end == end).count();
        format!("{:.2} %", 100.0 * count as f64 / losses.len().max(1) as f64)
    };
    let same = losses.iter().filter(|loss| loss.end == End::Same).map(|loss| loss.after);
    let heard = losses.iter().filter_map(|loss| loss.heard);
    writeln!(
        f,
        "| {name} | {} | {} | {} | {} | {} | {} | {} |",
        losses.len(),
        share(End::Same),
        share(End::Other),
        share(End::HungUp),
        share(End::Dropped),
        percentiles(heard.collect()),
        percentiles(same.collect()),
    )
}

impl fmt::Display for Day {
    /// Formats the results as a Markdown table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| what happened to the agent | customers without one | same agent again | another agent | hung up | \
             hung up on | first sound after, s (50 / 90 / 99 %) | same agent after, s (50 / 90 / 99 %) |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        )?;
        for (cause, losses) in &self.0 {
            line(f, ACCIDENTS.get(*cause).map_or("", |(name, _)| name), losses)?;
        }
        let all: Vec<Loss> = self.0.values().flatten().copied().collect();
        line(f, "all", &all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_how_losses_ended_and_how_soon() {
        let mut day = Day::default();
        let loss = |end, after| Loss { heard: Some(400), end, after };
        let mut other = Day::default();
        other.add(&Plan { deeds: vec![], ..ordinary(1) }, vec![loss(End::Same, 2_000)]);
        let deeds = vec![Deed { at: 0, agent: 0, act: Act::Offline(1) }];
        day.add(&Plan { deeds, ..ordinary(1) }, vec![loss(End::Same, 4_000), loss(End::HungUp, 9_000)]);
        day.join(other);
        let told = day.to_string();
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(
            lines[2..],
            [
                "| page loaded anew | 1 | 100.00 % | 0.00 % | 0.00 % | 0.00 % | 0.4 / 0.4 / 0.4 | 2.0 / 2.0 / 2.0 |",
                "| no network | 2 | 50.00 % | 0.00 % | 50.00 % | 0.00 % | 0.4 / 0.4 / 0.4 | 4.0 / 4.0 / 4.0 |",
                "| all | 3 | 66.67 % | 0.00 % | 33.33 % | 0.00 % | 0.4 / 0.4 / 0.4 | 2.0 / 2.0 / 2.0 |",
            ]
        );
    }

    #[test]
    fn accidents_occur_with_their_stated_frequencies() {
        let refreshes = (0..1_400).filter(|seed| ordinary(*seed).deeds[0].act == Act::Refresh).count();
        // 100 of all 140 accidents.
        assert!((900..1_100).contains(&refreshes), "{refreshes}");
    }
}
