//! A world's timeline as one page: what the world knows, in the lanes of [`rejoin_timeline`].

mod states;

use crate::plan::Plan;
use crate::run::Outcome;
use crate::timeline::{Entry, Kind, Lane};
use rejoin_timeline::{Fault, Item, List, Timeline, Verdict, Words};
use std::collections::BTreeSet;

/// Words of a world's page and their meaning.
const HELP: [(&str, &str); 2] = [
    (
        "Lanes",
        "customers; agents, each with all pages of all their browsers; our servers, one after the other; and Twilio.",
    ),
    (
        "Names",
        "people have numbers, from 0 on. CA is a leg of a call, CF a conference, WT a task, WR a reservation, RJ a recovery.",
    ),
];

/// The heading of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Title of the page.
    pub title: String,
    /// Summary of what happens; empty if unknown.
    pub summary: String,
    /// The command that reproduces the world.
    pub command: String,
}

/// The page of a recorded world.
pub fn page(plan: &Plan, outcome: &Outcome, about: &About) -> String {
    rejoin_timeline::page(&timeline(plan, outcome, about))
}

fn timeline(plan: &Plan, outcome: &Outcome, about: &About) -> Timeline {
    let lanes = Lanes::of(&outcome.timeline);
    let whole = outcome.timeline.last().map_or(1, |last| last.at).max(1);
    let verdict = match &outcome.broken {
        Some(broken) => Verdict { text: format!("Broken: {broken}"), is_good: false },
        None => Verdict { text: "Every rule held.".into(), is_good: true },
    };
    let fault =
        |fault: &crate::plan::Fault| Fault { from: fault.from, to: fault.to, text: fault_text(fault) };
    Timeline {
        title: about.title.clone(),
        summary: about.summary.clone(),
        verdict: Some(verdict),
        about: format!(
            "{}, {}, {} s.",
            counted(plan.agents.len(), "agent"),
            counted(plan.customers.len(), "customer"),
            seconds(outcome.lasted)
        ),
        command: about.command.clone(),
        began_at: None,
        lists: vec![plan_list(plan)],
        help: HELP.map(|(what, means)| (what.to_owned(), means.to_owned())).into(),
        lanes: lanes
            .0
            .iter()
            .map(|lane| rejoin_timeline::Lane {
                name: Lanes::name(*lane),
                states: states::of(&outcome.timeline, *lane, whole),
            })
            .collect(),
        entries: outcome.timeline.iter().map(|entry| lanes.entry(entry)).collect(),
        faults: plan.faults.iter().map(fault).collect(),
    }
}

/// The lanes: each customer, each agent with all their pages, our server, and Twilio.
struct Lanes(Vec<Lane>);

impl Lanes {
    fn of(timeline: &[Entry]) -> Self {
        let mut seen: BTreeSet<Lane> = timeline
            .iter()
            .flat_map(|entry| std::iter::once(entry.from).chain(entry.to))
            .map(owner)
            .collect();
        seen.remove(&Lane::World);
        Self(seen.into_iter().collect())
    }

    fn place(&self, lane: Lane) -> Option<usize> {
        let lane = owner(lane);
        self.0.iter().position(|other| *other == lane)
    }

    fn entry(&self, entry: &Entry) -> rejoin_timeline::Entry {
        rejoin_timeline::Entry {
            at: entry.at,
            from: self.place(entry.from),
            to: entry.to.and_then(|to| self.place(to)),
            who: match entry.to {
                Some(to) => format!("{} → {to}", entry.from),
                None => entry.from.to_string(),
            },
            kind: entry.kind,
            text: entry.text.clone(),
            details: String::new(),
            is_lost: entry.lost,
            words: words(entry),
        }
    }

    fn name(lane: Lane) -> String {
        match lane {
            Lane::Server(_) => "server".into(),
            other => other.to_string(),
        }
    }
}

/// The lane that shows an entry: pages are on their agent's lane, and all servers share one.
fn owner(lane: Lane) -> Lane {
    match lane {
        Lane::Page(agent, _) => Lane::Agent(agent),
        Lane::Server(_) => Lane::Server(0),
        other => other,
    }
}

/// What stands out. Planned deeds come before calls that are taken and ended.
fn words(entry: &Entry) -> Option<Words> {
    matches!(entry.kind, Kind::Person | Kind::Fault | Kind::Broken).then(|| Words {
        text: entry.text.split(" WR-").next().unwrap_or_default().to_owned(),
        is_minor: entry.text.contains("accepts ") || entry.text.starts_with("completes "),
    })
}

fn counted(count: usize, what: &str) -> String {
    format!(
        "{} {what}{}",
        if count == 0 { "no".to_owned() } else { count.to_string() },
        if count == 1 { "" } else { "s" }
    )
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// The plan.
fn plan_list(plan: &Plan) -> List {
    let deeds = plan.deeds.iter().map(|deed| {
        let who = if deed.agent == crate::plan::WHO_HAS_A_CALL {
            "whoever has a call".to_owned()
        } else {
            format!("agent {}", deed.agent)
        };
        Item { text: format!("{} s: {who} {}", seconds(deed.at), deed.act.name()), is_fault: false }
    });
    let faults = plan.faults.iter().map(|fault| {
        let (from, to) = (seconds(fault.from), seconds(fault.to));
        Item { text: format!("{from} to {to} s: {}", fault_text(fault)), is_fault: true }
    });
    List {
        title: format!(
            "The plan: {}, {}",
            counted(plan.deeds.len(), "deed"),
            counted(plan.faults.len(), "fault")
        ),
        items: deeds.chain(faults).collect(),
    }
}

fn fault_text(fault: &crate::plan::Fault) -> String {
    if fault.kind.is_at_a_step() {
        return format!("{} (number {})", fault.kind.name(), fault.rate);
    }
    format!("{} ({} %)", fault.kind.name(), f64::from(fault.rate) / 10.0)
}
