//! The rows: what came in, what was decided, what was asked of Twilio, and what the customer heard.

use super::{Drawing, Row, began, seconds};
use crate::explain::heard::{Heard, Sound};
use crate::explain::show::{answer_words, plain, source_words, then_words, words};
use crate::explain::{Found, Line, Unread};
use crate::story::{Entry, Input, Source, Then};
use rejoin_protocol::{ConferenceSid, Millis};
use rejoin_recovery::Note;
use rejoin_timeline::{Kind, Words};
use serde_json::Value;
use std::collections::BTreeSet;

impl<'a> Drawing<'a> {
    /// A row for each server, where it begins.
    pub(super) fn draw_servers(&mut self) {
        let rows: Vec<(Millis, &'a str, String, bool)> = self
            .servers
            .iter()
            .enumerate()
            .map(|(number, server)| {
                let before = self.servers[..number].iter().rfind(|other| other.place == server.place);
                let text = match before {
                    Some(before) => format!(
                        "goes on, {} after the last entry of the server before",
                        seconds(before.last.until(server.first))
                    ),
                    None => "writes its first entry".into(),
                };
                let at = if before.is_some() || number > 0 { server.first } else { self.begin };
                (at, server.name, format!("server {} ({}) {text}", number + 1, server.name), number > 0)
            })
            .collect();
        for (number, (at, name, text, stands_out)) in rows.into_iter().enumerate() {
            let lane = self.server_lane(Some(name));
            let entry = self.row(at, (lane, None), Some(name), Kind::Does, text);
            entry.words = stands_out.then(|| short(&format!("server {}", number + 1)));
        }
    }

    pub(super) fn draw_entries(&mut self) {
        // Agents who were lost. Which of them a desktop belongs to is not stored.
        let mut absent: BTreeSet<usize> = BTreeSet::new();
        for found in &self.story.entries {
            if let Entry::Input(input) = &found.entry {
                self.draw_input(found, input, &mut absent);
            } else {
                self.draw_request(found);
            }
        }
    }

    fn draw_input(&mut self, found: &'a Found, input: &'a Input, absent: &mut BTreeSet<usize>) {
        let (at, server) = (found.at, Some(&*found.server));
        let ours = self.server_lane(server);
        let text = |name: &str| input.about.get(name).and_then(Value::as_str);
        let leg = text("leg");
        let worker =
            text("worker").and_then(|worker| self.agents.iter().position(|known| known.as_str() == worker));
        let agent = worker.or_else(|| self.legs.get(leg?).copied());
        if let ("participant-leave" | "goodbye" | "push-lost", Some(agent)) = (&*input.kind, agent) {
            absent.insert(agent);
        }
        let is_channel = matches!(&*input.kind, "push-lost" | "push-back");
        let (lanes, kind) = match (input.from, agent) {
            (Source::Callback | Source::EventStream | Source::Document, _) => {
                ((self.twilio_lane(), Some(ours)), Kind::Webhook)
            }
            (Source::Plugin, Some(agent)) if is_channel => ((Self::agent_lane(agent), None), Kind::Does),
            (Source::Plugin, Some(agent)) => ((Self::agent_lane(agent), Some(ours)), Kind::Request),
            (Source::Plugin | Source::Job | Source::Timer | Source::Operator, _) => {
                ((ours, None), Kind::Does)
            }
        };
        let mut said = match input.from {
            Source::Document => format!("asks for {}", input.kind),
            Source::Job | Source::Timer | Source::Operator => {
                format!("{}: {}", source_words(input.from), input.kind)
            }
            Source::Callback | Source::EventStream | Source::Plugin => input.kind.clone(),
        };
        if let Some(id) = &input.id {
            said.push_str(&format!(" ({id})"));
        }
        if let Some(leg) = leg.filter(|_| kind == Kind::Webhook) {
            said.push_str(&format!(": {}", self.leg(leg)));
        }
        for name in ["reason", "outcome", "why"] {
            if let Some(value) = input.about.get(name) {
                said.push_str(&format!(", {}", plain(value)));
            }
        }
        let about = input.about.iter().map(|(name, value)| match value.as_str() {
            Some(text) if self.leg(text) != text => format!("{name}: {text} ({})", self.leg(text)),
            _ => format!("{name}: {}", plain(value)),
        });
        let from = (input.from == Source::EventStream).then(|| "by Event Streams".to_owned());
        let conference = std::iter::once(format!("conference: {}", found.conference));
        let then = input.then.iter().map(|then| then_words(at, then));
        let details: Vec<String> = from.into_iter().chain(about).chain(conference).chain(then).collect();
        self.row(at, lanes, server, kind, said).details = details.join("\n");
        for then in &input.then {
            let Then::Told { stage } = then else { continue };
            let stage = format!("the desktop is told: {stage}");
            // With several lost agents the story does not tell whose desktop it is.
            let lanes = match absent.first() {
                Some(agent) if absent.len() == 1 => (ours, Some(Self::agent_lane(*agent))),
                None if self.agents.len() == 1 => (ours, Some(Self::agent_lane(0))),
                _ => (ours, None),
            };
            self.row(at, lanes, server, Kind::Push, stage);
        }
    }

    fn draw_request(&mut self, found: &'a Found) {
        let (at, server) = (found.at, Some(&*found.server));
        let (ours, twilio) = (self.server_lane(server), self.twilio_lane());
        let conference = format!("conference: {}", found.conference);
        match &found.entry {
            Entry::Input(_) => {}
            Entry::TakenUp { job, action, begun_before } => {
                let before =
                    if *begun_before { ", which an earlier attempt may have carried out" } else { "" };
                let said = format!("takes up job {job}{before}: {action}");
                self.row(at, (ours, None), server, Kind::Does, said).details = conference;
            }
            Entry::Asked { job, action, request, status, code, request_id, took_ms, error } => {
                let details = format!("{request}\nfor job {job}: {action}\n{conference}");
                let said = format!("{action}: {}", path(request));
                self.row(began(found), (ours, Some(twilio)), server, Kind::Request, said).details =
                    details.clone();
                let said = answer_words((*status, *code), error.as_deref(), *took_ms, request_id.as_deref());
                let said = format!("{said}, to {}", path(request));
                let entry = self.row(at, (twilio, Some(ours)), server, Kind::Answer, said);
                entry.details = details;
                entry.is_lost = status.is_none();
                let stands_out = status.is_none_or(|status| status >= 500 || status == 429);
                entry.words = stands_out
                    .then(|| short(&status.map_or("no answer".to_owned(), |status| status.to_string())));
            }
            Entry::Again { job, action, error, pause_ms } => {
                let said = format!("job {job} failed and is tried again after {pause_ms} ms: {action}");
                let entry = self.row(at, (ours, None), server, Kind::Fault, said);
                entry.details = format!("{error}\n{conference}");
                entry.words = Some(Words { is_minor: true, ..short("tries again") });
            }
        }
    }

    /// The server that writes about this conference then: a decision is stored without its server.
    fn server_at(&self, at: Millis, conference: &ConferenceSid) -> Option<&'a str> {
        let story = self.story;
        let until = story.entries.partition_point(|found| found.at <= at);
        let before = story.entries[..until].iter().rev();
        let is_here = |found: &&Found| found.conference == *conference;
        let found = before.clone().find(is_here).or_else(|| before.clone().next());
        found.or_else(|| story.entries.first()).map(|found| &*found.server)
    }

    pub(super) fn draw_line(&mut self, line: &'a Line) {
        let server = self.server_at(line.at, &line.conference);
        let (kind, said) = match &line.note {
            Note::Trouble { text } => (Kind::Fault, text.clone()),
            note => (Kind::Decision, words(note)),
        };
        let name = if kind == Kind::Fault { "trouble" } else { said.split(' ').next().unwrap_or_default() };
        let name = short(name);
        let lane = self.server_lane(server);
        let entry = self.row(line.at, (lane, None), server, kind, said);
        entry.words = Some(name);
        entry.details = format!("conference: {}", line.conference);
    }

    pub(super) fn draw_unread(&mut self, unread: &'a Unread) {
        let server = unread.server.as_deref().or_else(|| self.server_at(unread.at, &unread.conference));
        let lane = self.server_lane(server);
        let said = format!("something that another version of Rejoin stored: {}", unread.name());
        let stored = serde_json::to_string_pretty(&unread.stored).unwrap_or_default();
        let entry = self.row(unread.at, (lane, None), server, Kind::Does, said);
        entry.details = format!("{stored}\nconference: {}", unread.conference);
    }

    pub(super) fn draw_heard(&mut self) {
        for Heard { at, sound } in self.heard.clone() {
            let said = match &sound {
                Sound::Agent(_) => format!("talks to {}", self.agent_name(&sound)),
                Sound::Played(what) => format!("hears {what}"),
                Sound::Nothing => "hears nothing".into(),
                Sound::Untold => continue,
            };
            self.row(at, (Self::CUSTOMER, None), None, Kind::Hears, said);
        }
    }

    /// `lanes`: from where, and to where.
    fn row(
        &mut self,
        at: Millis,
        (from, to): (usize, Option<usize>),
        server: Option<&str>,
        kind: Kind,
        text: String,
    ) -> &mut rejoin_timeline::Entry {
        let mut who = self.who(from, server);
        if let Some(to) = to {
            who = format!("{who} → {}", self.who(to, server));
        }
        let at_millis = self.since(at);
        let entry = rejoin_timeline::Entry {
            at: at_millis,
            from: Some(from),
            to,
            who,
            kind,
            text,
            details: String::new(),
            is_lost: false,
            words: None,
        };
        let place = self.rows.len();
        self.rows.push(Row { at, entry });
        &mut self.rows[place].entry
    }
}

fn short(text: &str) -> Words {
    Words { text: text.to_owned(), is_minor: false }
}

/// Method and path, in which each SID is cut to its first two letters and its last four digits.
fn path(request: &str) -> String {
    let cut = |part: &str| {
        let (sid, end) = part.split_at(part.find('.').unwrap_or(part.len()));
        match (sid.get(..2), sid.get(30..)) {
            (Some(kind), Some(last)) if last.len() == 4 => format!("{kind}…{last}{end}"),
            _ => part.to_owned(),
        }
    };
    request.split('/').map(cut).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn given_sids_in_a_path_then_their_last_digits_are_left() {
        let [conference, leg] = ["CF00000000000000000000000000000001", "CA0000000000000000000000000000000c"];
        let request = format!("POST Conferences/{conference}/Participants/{leg}.json");
        assert_eq!(path(&request), "POST Conferences/CF…0001/Participants/CA…000c.json");
        assert_eq!(path("POST Tasks"), "POST Tasks");
        assert_eq!(path(""), "");
    }
}
