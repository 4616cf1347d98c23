//! What lasts: what the customer hears, whose page is there, which server is up, and what goes wrong.

use super::{Drawing, Server};
use crate::explain::Line;
use crate::explain::heard::Sound;
use crate::story::{Entry, Source};
use rejoin_protocol::Millis;
use rejoin_recovery::Note;
use rejoin_timeline::{Fault, State, StateKind};
use serde_json::Value;

/// Number of times with failing requests above which they are not named one by one: each takes a strip.
const MANY: usize = 6;
/// Time of an attempt, after which a failure belongs to the one before (milliseconds).
const RETRY: u64 = 1_000;

impl Drawing<'_> {
    pub(super) fn states(&self, lane: usize) -> Vec<State> {
        if lane == Self::CUSTOMER {
            return self.sounds().collect();
        }
        if lane == self.twilio_lane() {
            return vec![];
        }
        if let Some(agent) = lane.checked_sub(1).filter(|agent| *agent < self.agents.len()) {
            return self.agent_states(agent);
        }
        let on_lane = |server: &&Server<'_>| self.server_lane(Some(server.name)) == lane;
        let here = self.servers.iter().enumerate().filter(|(_, server)| on_lane(server));
        here.map(|(number, server)| State {
            from: self.since(server.first),
            to: self.since(server.last),
            kind: StateKind::Here,
            text: format!("server {}", number + 1),
        })
        .collect()
    }

    fn sounds(&self) -> impl Iterator<Item = State> {
        let ends = self.heard.iter().skip(1).map(|heard| heard.at).chain([self.end]);
        self.heard.iter().zip(ends).filter_map(|(heard, end)| {
            let (kind, text) = match heard.sound {
                Sound::Agent(_) => (StateKind::Talk, self.agent_name(&heard.sound)),
                Sound::Played(what) => (StateKind::Music, what.trim_start_matches("the ").to_owned()),
                Sound::Nothing => (StateKind::Silence, "nothing".to_owned()),
                Sound::Untold => return None,
            };
            Some(State { from: self.since(heard.at), to: self.since(end), kind, text })
        })
    }

    /// The agent's page, as far as requests and callbacks tell, and above it when the agent talks.
    fn agent_states(&self, agent: usize) -> Vec<State> {
        let mut states = vec![];
        let mut here: Option<Millis> = None;
        let mut lines = self.story.lines.iter().peekable();
        let is_loss =
            |line: &Line| matches!(line.note, Note::AgentLost { .. } | Note::PageGone | Note::PageSilent);
        let mut last = None;
        let mut changes: Vec<(Millis, bool)> = vec![];
        for found in &self.story.entries {
            while let Some(line) = lines.next_if(|line| line.at < found.at) {
                if is_loss(line) && last == Some(agent) {
                    changes.push((line.at, false));
                }
            }
            let Entry::Input(input) = &found.entry else { continue };
            if input.from != Source::Plugin {
                continue;
            }
            let worker = input.about.get("worker").and_then(Value::as_str);
            if let Some(of) = self.agents.iter().position(|known| Some(known.as_str()) == worker) {
                last = Some(of);
                if of == agent {
                    changes.push((found.at, !matches!(&*input.kind, "goodbye" | "push-lost")));
                }
            }
        }
        changes
            .extend(lines.filter(|line| is_loss(line) && last == Some(agent)).map(|line| (line.at, false)));
        for (at, is_here) in changes.into_iter().chain([(self.end, false)]) {
            if is_here {
                here.get_or_insert(at);
            } else if let Some(from) = here.take() {
                let (from, to) = (self.since(from), self.since(at));
                states.push(State { from, to, kind: StateKind::Here, text: String::new() });
            }
        }
        let name = format!("agent {}", agent + 1);
        let talks = self.sounds().filter(|state| state.kind == StateKind::Talk && state.text == name);
        states.extend(talks.map(|state| State { text: "customer".into(), ..state }));
        states
    }

    /// Times in which work was not done: a server was gone in the middle of it, or requests failed.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = vec![];
        for found in &self.story.entries {
            if !matches!(found.entry, Entry::TakenUp { begun_before: true, .. }) {
                continue;
            }
            let Some(number) = self.servers.iter().position(|server| server.name == found.server) else {
                continue;
            };
            let server = &self.servers[number];
            let mut others = self.servers[..number].iter().enumerate();
            if let Some((before, other)) = others.rfind(|(_, other)| other.last < server.first) {
                let (from, to) = (self.since(other.last), self.since(server.first));
                let fault = Fault { from, to, text: format!("server {} is gone", before + 1) };
                if !faults.contains(&fault) {
                    faults.push(fault);
                }
            }
        }
        let mut failing: Vec<(u64, u64, &str)> = vec![];
        for found in &self.story.entries {
            let Entry::Again { action, pause_ms, .. } = &found.entry else { continue };
            let from = self.since(found.at);
            let to = from.saturating_add(*pause_ms).min(self.since(self.end));
            // The next attempt follows the pause, and takes a moment.
            let goes_on = |(_, until, of): &&mut (u64, u64, &str)| *of == action && from <= *until + RETRY;
            match failing.iter_mut().rev().find(goes_on) {
                Some((_, until, _)) => *until = to.max(*until),
                None => failing.push((from, to, action)),
            }
        }
        if failing.len() > MANY {
            let from = failing.iter().map(|(from, ..)| *from).min().unwrap_or_default();
            let to = failing.iter().map(|(_, to, _)| *to).max().unwrap_or_default();
            faults.push(Fault { from, to, text: "requests to Twilio fail, again and again".into() });
        } else {
            faults.extend(failing.into_iter().map(|(from, to, action)| Fault {
                from,
                to,
                text: format!("{action} fails"),
            }));
        }
        faults.sort_by_key(|fault| fault.from);
        faults
    }
}
