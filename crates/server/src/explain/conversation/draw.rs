//! The story of a conversation as a timeline: lanes for the customer, the agents, our servers and Twilio.

use super::show::words;
use super::{ConversationStory, FoundEntry};
use crate::explain::Subject;
use crate::explain::draw::counted;
use crate::explain::show::time;
use crate::story::ConversationEntry as Told;
use rejoin_conversations::{Action, Ending, Outcome};
use rejoin_protocol::{Millis, ParticipantSid, WorkerSid};
use rejoin_timeline::{Entry, Item, Kind, Lane, List, State, StateKind, Timeline, Verdict, Words};
use std::collections::{BTreeMap, BTreeSet};

/// Words of the page and their meaning.
const HELP: [(&str, &str); 3] = [
    (
        "Lanes",
        "the customer; the agents; our servers; and Twilio. An agent's bar: a page of theirs is there.",
    ),
    (
        "Rows",
        "whether a conversation has an agent is decided by a table (docs/conversations-attendance.md), row by row.",
    ),
    (
        "Names",
        "CH is a conversation, UO its channel, KD its interaction, UT a participant, WK an agent, WT a task, KG an invite.",
    ),
];

impl ConversationStory {
    /// The story as it is drawn. It contains no personal data.
    pub fn timeline(&self, subject: &Subject) -> Timeline {
        Drawing::of(self).timeline(subject)
    }
}

const CUSTOMER: usize = 0;

struct Drawing<'a> {
    story: &'a ConversationStory,
    agents: Vec<&'a WorkerSid>,
    /// Whose participant is whose.
    participants: BTreeMap<&'a ParticipantSid, &'a WorkerSid>,
    servers: BTreeSet<&'a str>,
    begin: Millis,
    end: Millis,
}

impl<'a> Drawing<'a> {
    fn of(story: &'a ConversationStory) -> Self {
        let mut agents: Vec<&WorkerSid> = vec![];
        let mut participants = BTreeMap::new();
        let mut meet = |worker: &'a WorkerSid| {
            if !agents.contains(&worker) {
                agents.push(worker);
            }
        };
        for entry in story.entries.iter().filter_map(|found| found.entry.as_ref()) {
            match entry {
                Told::Named { participant, worker } => {
                    participants.insert(participant, worker);
                    meet(worker);
                }
                Told::Leaving { worker, .. }
                | Told::PageGone { worker, .. }
                | Told::PageBack { worker }
                | Told::Left { worker: Some(worker), .. } => meet(worker),
                Told::Began { lost, .. } => lost.iter().for_each(&mut meet),
                Told::Placed { .. }
                | Told::Joined { .. }
                | Told::Left { worker: None, .. }
                | Told::CustomerWaits
                | Told::Judged { .. }
                | Told::Ended { .. }
                | Told::Requested { .. }
                | Told::Answered { .. } => {}
            }
        }
        story.now.iter().flat_map(|now| &now.agents).for_each(meet);
        Self {
            story,
            agents,
            participants,
            servers: story.entries.iter().map(|found| &*found.server).collect(),
            begin: story.entries.first().map_or(Millis(0), |found| found.at),
            end: story.entries.last().map_or(Millis(0), |found| found.at),
        }
    }

    fn agent(&self, worker: &WorkerSid) -> Option<usize> {
        self.agents.iter().position(|known| *known == worker).map(|number| 1 + number)
    }

    fn participant(&self, participant: &ParticipantSid) -> Option<usize> {
        self.agent(self.participants.get(participant)?)
    }

    fn server(&self) -> usize {
        1 + self.agents.len()
    }

    fn twilio(&self) -> usize {
        2 + self.agents.len()
    }

    fn names(&self) -> Vec<String> {
        let agents = (1..=self.agents.len()).map(|number| format!("agent {number}"));
        let server = if self.servers.len() > 1 { "servers" } else { "server" };
        let customer = std::iter::once("customer".to_owned());
        customer.chain(agents).chain([server.to_owned(), "Twilio".to_owned()]).collect()
    }

    /// The agents by their lanes, and participants by their agents.
    fn in_short(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (participant, worker) in &self.participants {
            text = text.replace(participant.as_str(), &format!("the participant of {worker}"));
        }
        for (number, worker) in self.agents.iter().enumerate() {
            let name = format!("agent {}", number + 1);
            text = text.replace(&format!("agent {worker}"), &name).replace(&format!("Agent {worker}"), &name);
            text = text.replace(worker.as_str(), &name);
        }
        text
    }

    fn since(&self, at: Millis) -> u64 {
        self.begin.until(at).0
    }

    fn timeline(&self, subject: &Subject) -> Timeline {
        let lanes = self.names().into_iter().enumerate();
        Timeline {
            title: format!("A conversation, explained: {subject}"),
            summary: self.story.now.as_ref().map_or(String::new(), super::ConversationNow::words),
            verdict: self.verdict(),
            about: format!(
                "0.000 s is {} UTC. {}, {}.",
                time(self.begin),
                counted(self.agents.len(), "agent"),
                counted(self.servers.len(), "server"),
            ),
            command: format!("rejoin explain {}", self.story.conversation),
            began_at: Some(self.begin.0),
            lists: self.lists(),
            help: HELP.map(|(what, means)| (what.to_owned(), means.to_owned())).into(),
            lanes: lanes.map(|(lane, name)| Lane { name, states: self.states(lane) }).collect(),
            entries: self.story.entries.iter().map(|found| self.row(found)).collect(),
            faults: vec![],
        }
    }

    fn lists(&self) -> Vec<List> {
        let item = |text: String| Item { text, is_fault: false };
        let agents = self.agents.iter().enumerate();
        let agents = agents.map(|(number, worker)| format!("agent {}: {worker}", number + 1));
        let servers = self.servers.iter().map(|server| format!("server: {server}"));
        let conversation = std::iter::once(format!("conversation: {}", self.story.conversation));
        let names = conversation.chain(agents).chain(servers);
        vec![List { title: "Who is who".into(), items: names.map(item).collect() }]
    }

    /// How the last absence ended, or that it goes on.
    fn verdict(&self) -> Option<Verdict> {
        self.story.entries.iter().rev().find_map(|found| match found.entry.as_ref()? {
            Told::Ended { ending, .. } => Some(Verdict {
                text: format!("The last absence ended: {}.", ending.name()),
                is_good: !matches!(ending, Ending::Parked | Ending::Closed),
            }),
            Told::Began { .. } => Some(Verdict {
                text: if self.story.is_open() {
                    "Nobody has the conversation: the absence goes on."
                } else {
                    "The story has no end of the absence."
                }
                .into(),
                is_good: false,
            }),
            _ => None,
        })
    }

    /// When a page of an agent was there, from the first sign to a departure.
    fn states(&self, lane: usize) -> Vec<State> {
        let Some(worker) = lane.checked_sub(1).and_then(|number| self.agents.get(number)) else {
            return vec![];
        };
        let (mut states, mut here) = (vec![], None);
        let mut end = |here: &mut Option<Millis>, at: Millis| {
            if let Some(from) = here.take() {
                let (from, to) = (self.since(from), self.since(at));
                states.push(State { from, to, kind: StateKind::Here, text: String::new() });
            }
        };
        for found in &self.story.entries {
            match found.entry.as_ref() {
                Some(Told::PageBack { worker: of } | Told::Named { worker: of, .. }) if of == *worker => {
                    here.get_or_insert(found.at);
                }
                Some(Told::PageGone { worker: of, .. } | Told::Left { worker: Some(of), .. })
                    if of == *worker =>
                {
                    end(&mut here, found.at);
                }
                _ => {}
            }
        }
        end(&mut here, self.end);
        states
    }

    fn row(&self, found: &FoundEntry) -> Entry {
        let (server, twilio) = (Some(self.server()), Some(self.twilio()));
        let (from, to, kind) = match &found.entry {
            None | Some(Told::Judged { .. } | Told::Began { .. } | Told::Ended { .. }) => {
                (server, None, Kind::Decision)
            }
            Some(Told::Placed { .. }) => (twilio, server, Kind::Webhook),
            Some(Told::Joined { participant, .. }) => {
                (self.participant(participant).or(twilio), server, Kind::Webhook)
            }
            Some(Told::Named { .. }) => (twilio, server, Kind::Answer),
            Some(Told::Left { worker, .. }) => {
                let agent = worker.as_ref().and_then(|worker| self.agent(worker));
                (agent.or(twilio), server, Kind::Webhook)
            }
            Some(Told::Leaving { worker, .. }) => (self.agent(worker), server, Kind::Person),
            Some(Told::PageGone { worker, .. } | Told::PageBack { worker }) => {
                (self.agent(worker), server, Kind::Does)
            }
            Some(Told::CustomerWaits) => (Some(CUSTOMER), server, Kind::Person),
            Some(Told::Requested { .. }) => (server, twilio, Kind::Request),
            Some(Told::Answered { action: Action::Tell { .. }, outcome: Outcome::Ok }) => {
                (twilio, Some(CUSTOMER), Kind::Answer)
            }
            Some(Told::Answered { outcome: Outcome::Failed { .. }, .. }) => (twilio, server, Kind::Fault),
            Some(Told::Answered { .. }) => (twilio, server, Kind::Answer),
        };
        let marked = match &found.entry {
            Some(Told::Began { absence, .. }) => Some((format!("absence {absence}"), false)),
            Some(Told::Ended { ending, .. }) => Some((ending.name().to_owned(), false)),
            Some(Told::Requested { action }) => Some((action.name().to_owned(), true)),
            _ => None,
        };
        let name = |lane: Option<usize>| lane.map(|lane| self.names().swap_remove(lane));
        let who = match (name(from), name(to)) {
            (Some(from), Some(to)) => format!("{from} → {to}"),
            (from, to) => from.or(to).unwrap_or_default(),
        };
        let whole = words(found);
        let text = self.in_short(&whole);
        let details = match found.entry {
            None => found.stored.to_string(),
            Some(_) if text != whole => whole,
            Some(_) => String::new(),
        };
        Entry {
            at: self.since(found.at),
            from,
            to,
            who,
            kind,
            text,
            details,
            is_lost: false,
            words: marked.map(|(text, is_minor)| Words { text, is_minor }),
        }
    }
}
