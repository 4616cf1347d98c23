//! A story as a timeline: lanes for the customer, the agents, our servers and Twilio.

mod rows;
mod states;

use super::heard::{Heard, Sound, heard};
use super::show::time;
use super::{Found, Story, Subject};
use crate::story::Entry;
use rejoin_protocol::{Millis, WorkerSid};
use rejoin_recovery::Note;
use rejoin_timeline::{Item, Lane, List, Timeline, Verdict};
use serde_json::Value;
use std::collections::BTreeMap;

/// Words of the page and their meaning.
const HELP: [(&str, &str); 4] = [
    ("Lanes", "the customer; the agents; our servers; and Twilio."),
    (
        "Servers",
        "each start of a server has a name and a number of its own. Servers that followed one another share a lane. A server was \
         up from its first entry to its last one at least; the story does not tell why it wrote no more.",
    ),
    (
        "What the customer hears",
        "what Twilio was asked to play, from when that was done, and who was on the call as callbacks and pages report. No sound is \
         recorded.",
    ),
    (
        "Names",
        "CA is a leg of a call, CF a conference, WK an agent, WT a task, WR a reservation, RJ a recovery.",
    ),
];

impl Story {
    /// The story as it is drawn. It contains no personal data.
    pub fn timeline(&self, subject: &Subject) -> Timeline {
        Drawing::of(self).timeline(subject)
    }
}

/// A row, and when.
struct Row {
    at: Millis,
    entry: rejoin_timeline::Entry,
}

/// A server: a process from its start to its end.
struct Server<'a> {
    name: &'a str,
    first: Millis,
    last: Millis,
    /// The place of its lane among those of servers.
    place: usize,
}

struct Drawing<'a> {
    story: &'a Story,
    heard: Vec<Heard>,
    agents: Vec<WorkerSid>,
    /// Whose leg is whose.
    legs: BTreeMap<&'a str, usize>,
    servers: Vec<Server<'a>>,
    /// First and last point in time.
    begin: Millis,
    end: Millis,
    rows: Vec<Row>,
}

impl<'a> Drawing<'a> {
    fn of(story: &'a Story) -> Self {
        let written = || {
            let entries = story.entries.iter().map(|found| (found.at, Some(&*found.server)));
            let lines = story.lines.iter().map(|line| (line.at, None));
            entries
                .chain(lines)
                .chain(story.unread.iter().map(|unread| (unread.at, unread.server.as_deref())))
        };
        // A request began before its answer was written.
        let begun = story.entries.iter().map(began);
        let begin = begun.chain(written().map(|(at, _)| at)).min().unwrap_or_default();
        let end = written().map(|(at, _)| at).max().unwrap_or_default();
        let asked = story.entries.iter().map(|found| (began(found), &*found.server));
        let by = asked.chain(written().filter_map(|(at, server)| Some((at, server?))));
        let mut drawing = Self {
            story,
            heard: heard(story),
            agents: vec![],
            legs: BTreeMap::new(),
            servers: servers(by),
            begin,
            end,
            rows: vec![],
        };
        drawing.meet();
        drawing
    }

    /// Learns who the agents are, and which legs are theirs.
    fn meet(&mut self) {
        let story = self.story;
        for found in &story.entries {
            let Entry::Input(input) = &found.entry else { continue };
            let text = |name: &str| input.about.get(name).and_then(Value::as_str);
            let Some(worker) = text("worker").and_then(|worker| WorkerSid::parse(worker).ok()) else {
                continue;
            };
            let agent = self.agent(&worker);
            if let Some(leg) = text("leg") {
                self.legs.insert(leg, agent);
            }
        }
        for (leg, worker) in story.calls.iter().flat_map(|call| &call.agents) {
            let agent = self.agent(worker);
            self.legs.insert(leg.as_str(), agent);
        }
    }

    fn agent(&mut self, worker: &WorkerSid) -> usize {
        self.agents.iter().position(|known| known == worker).unwrap_or_else(|| {
            self.agents.push(worker.clone());
            self.agents.len() - 1
        })
    }

    const CUSTOMER: usize = 0;

    fn agent_lane(agent: usize) -> usize {
        1 + agent
    }

    fn server_lane(&self, name: Option<&str>) -> usize {
        let server = self.servers.iter().find(|server| Some(server.name) == name);
        1 + self.agents.len() + server.map_or(0, |server| server.place)
    }

    fn twilio_lane(&self) -> usize {
        1 + self.agents.len() + self.server_lanes()
    }

    fn server_lanes(&self) -> usize {
        self.servers.iter().map(|server| server.place + 1).max().unwrap_or(1)
    }

    fn names(&self) -> Vec<String> {
        let agents = (1..=self.agents.len()).map(|number| format!("agent {number}"));
        let servers = self.server_lanes();
        let servers = (1..=servers)
            .map(|number| if servers == 1 { "server".into() } else { format!("servers {number}") });
        let customer = std::iter::once("customer".to_owned());
        customer.chain(agents).chain(servers).chain(["Twilio".to_owned()]).collect()
    }

    /// Who that is, in a row.
    fn who(&self, lane: usize, server: Option<&str>) -> String {
        if let Some(number) = self.servers.iter().position(|known| Some(known.name) == server)
            && lane == self.server_lane(server)
        {
            return format!("server {}", number + 1);
        }
        self.names().swap_remove(lane)
    }

    /// A leg by whose it is.
    fn leg(&self, leg: &str) -> String {
        match self.legs.get(leg) {
            Some(agent) => format!("agent {}", agent + 1),
            None if self.story.customer.as_ref().is_some_and(|customer| customer.as_str() == leg) => {
                "customer".into()
            }
            None => leg.to_owned(),
        }
    }

    fn since(&self, at: Millis) -> u64 {
        self.begin.until(at).0
    }

    fn timeline(mut self, subject: &Subject) -> Timeline {
        self.draw_servers();
        self.draw_entries();
        for line in &self.story.lines {
            self.draw_line(line);
        }
        for unread in &self.story.unread {
            self.draw_unread(unread);
        }
        self.draw_heard();
        self.rows.sort_by_key(|row| row.at);
        let lanes = self.names().into_iter().enumerate();
        Timeline {
            title: format!("A call, explained: {subject}"),
            summary: String::new(),
            verdict: self.verdict(),
            about: format!(
                "0.000 s is {} UTC. {}, {}, {}.",
                time(self.begin),
                counted(self.agents.len(), "agent"),
                counted(self.servers.len(), "server"),
                counted(self.story.conferences().len(), "conference"),
            ),
            command: format!("rejoin explain {subject}"),
            began_at: Some(self.begin.0),
            lists: self.lists(),
            help: HELP.map(|(what, means)| (what.to_owned(), means.to_owned())).into(),
            lanes: lanes.map(|(lane, name)| Lane { name, states: self.states(lane) }).collect(),
            faults: self.faults(),
            entries: self.rows.into_iter().map(|row| row.entry).collect(),
        }
    }

    fn verdict(&self) -> Option<Verdict> {
        let is_open = self.story.calls.iter().any(|call| !call.over);
        self.story.lines.iter().rev().find_map(|line| match &line.note {
            Note::Ended { outcome, after } => Some(Verdict {
                text: format!("The recovery ended after {}: {outcome}.", seconds(*after)),
                is_good: outcome != "failed",
            }),
            Note::AgentLost { .. } | Note::PageGone | Note::PageSilent | Note::ConferenceLost => {
                Some(Verdict {
                    text: if is_open {
                        "The recovery goes on."
                    } else {
                        "The story has no end of the recovery."
                    }
                    .into(),
                    is_good: is_open,
                })
            }
            _ => None,
        })
    }

    fn lists(&self) -> Vec<List> {
        let item = |text: String| Item { text, is_fault: false };
        let customer = match &self.story.customer {
            Some(customer) => format!("customer: {customer}"),
            None => "the customer's leg was never known".into(),
        };
        let agents = self.agents.iter().enumerate().map(|(number, worker)| {
            let legs = self.legs.iter().filter(|(_, agent)| **agent == number).map(|(leg, _)| *leg);
            format!("agent {}: {worker}, by {}", number + 1, legs.collect::<Vec<_>>().join(", "))
        });
        let servers = self.servers.iter().enumerate().map(|(number, server)| {
            let (first, last) = (time(server.first), time(server.last));
            format!("server {}: {}, with entries from {first} to {last} UTC", number + 1, server.name)
        });
        let conferences =
            self.story.conferences().into_iter().map(|conference| format!("conference: {conference}"));
        let names = std::iter::once(customer).chain(agents).chain(servers).chain(conferences);
        let mut lists = vec![List { title: "Who is who".into(), items: names.map(item).collect() }];
        let jobs = &self.story.jobs;
        if !jobs.is_empty() {
            let open = jobs.iter().filter(|job| !job.ended).count();
            lists.push(List {
                title: format!("Wanted of Twilio: {}, {open} of them open", counted(jobs.len(), "job")),
                items: jobs
                    .iter()
                    .map(|job| Item {
                        text: format!(
                            "{}: {}, {}, made sense until {} UTC, taken {}",
                            job.id,
                            job.what,
                            if job.ended { "ended" } else { "open" },
                            time(job.deadline),
                            counted(usize::try_from(job.taken).unwrap_or(0), "time"),
                        ),
                        is_fault: !job.ended,
                    })
                    .collect(),
            });
        }
        if !self.story.calls.is_empty() {
            let calls = self.story.calls.iter().map(|call| {
                let state = if call.over { "over" } else { "open" };
                let recovery = call.recovery.as_ref();
                let recovery = recovery.map(|(id, phase)| format!("; recovery {id}: {phase:?}"));
                let joined: Vec<String> = call.joined.iter().map(|leg| self.leg(leg.as_str())).collect();
                let joined = if joined.is_empty() { "nobody".into() } else { joined.join(", ") };
                format!("{} is {state}, with {joined} in it{}", call.conference, recovery.unwrap_or_default())
            });
            lists.push(List { title: "How it stands now".into(), items: calls.map(item).collect() });
        }
        lists
    }

    fn agent_name(&self, sound: &Sound) -> String {
        let Sound::Agent(Some(worker)) = sound else { return "an agent".into() };
        let number = self.agents.iter().position(|known| known == worker);
        number.map_or_else(|| "an agent".into(), |number| format!("agent {}", number + 1))
    }
}

/// When it began: a request before its answer.
fn began(found: &Found) -> Millis {
    match &found.entry {
        Entry::Asked { took_ms, .. } => Millis(found.at.0.saturating_sub(*took_ms)),
        Entry::Input(_) | Entry::TakenUp { .. } | Entry::Again { .. } => found.at,
    }
}

/// The servers in the order of their first entries. Those that were never there at the same time share a place.
fn servers<'a>(written: impl Iterator<Item = (Millis, &'a str)>) -> Vec<Server<'a>> {
    let mut servers: Vec<Server<'a>> = vec![];
    for (at, name) in written {
        match servers.iter_mut().find(|server| server.name == name) {
            Some(server) => {
                server.first = server.first.min(at);
                server.last = server.last.max(at);
            }
            None => servers.push(Server { name, first: at, last: at, place: 0 }),
        }
    }
    servers.sort_by_key(|server| server.first);
    let mut ends: Vec<Millis> = vec![];
    for server in &mut servers {
        server.place = ends.iter().position(|end| *end <= server.first).unwrap_or_else(|| {
            ends.push(server.last);
            ends.len() - 1
        });
        ends[server.place] = server.last;
    }
    servers
}

pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn seconds(millis: Millis) -> String {
    format!("{}.{:03} s", millis.0 / 1000, millis.0 % 1000)
}

#[cfg(test)]
mod tests {
    use super::servers;
    use rejoin_protocol::Millis;

    #[test]
    fn given_servers_one_after_the_other_or_at_once_then_lanes_tell_them_apart() {
        let places = |written: &[(u64, &'static str)]| -> Vec<(&str, usize)> {
            let written = written.iter().map(|(at, name)| (Millis(*at), *name));
            servers(written).into_iter().map(|server| (server.name, server.place)).collect()
        };
        assert_eq!(places(&[(0, "a"), (5, "a"), (6, "b"), (9, "b")]), [("a", 0), ("b", 0)]);
        assert_eq!(places(&[(0, "a"), (3, "b"), (9, "a"), (12, "c")]), [("a", 0), ("b", 1), ("c", 0)]);
        assert_eq!(places(&[]), []);
    }
}
