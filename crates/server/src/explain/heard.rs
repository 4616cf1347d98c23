//! What the customer heard, as far as the story tells: what Twilio was asked to play and when that was done, who was on the call
//! according to callbacks and pages. Nothing of it is recorded sound.

use super::{Line, Story};
use crate::story::{Entry, Input, Source};
use rejoin_protocol::{Millis, WorkerSid};
use rejoin_recovery::{Action, Announcement, Note};
use serde_json::Value;

/// What a customer hears from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sound {
    /// An agent, who may be unknown.
    Agent(Option<WorkerSid>),
    /// Words or music, and which.
    Played(&'static str),
    /// Nobody.
    Nothing,
    /// The story does not tell, or the call is over.
    Untold,
}

/// A change of what the customer hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) at: Millis,
    pub(super) sound: Sound,
}

/// All changes, oldest first.
pub(super) fn heard(story: &Story) -> Vec<Heard> {
    let mut ear = Ear { customer: story.customer.as_ref().map_or("", |leg| leg.as_str()), ..Ear::default() };
    let mut lines = story.lines.iter().peekable();
    for found in &story.entries {
        // An input comes before the decisions that it has led to, which have its time.
        while let Some(line) = lines.next_if(|line| line.at < found.at) {
            ear.decided(line);
        }
        match &found.entry {
            Entry::Input(input) => ear.came(found.at, input, story),
            Entry::TakenUp { job, action, .. }
            | Entry::Asked { job, action, .. }
            | Entry::Again { job, action, .. } => ear.last.push((action, *job)),
        }
    }
    lines.for_each(|line| ear.decided(line));
    ear.changes
}

#[derive(Default)]
struct Ear<'a> {
    customer: &'a str,
    changes: Vec<Heard>,
    /// The agent who registered the call last.
    agent: Option<WorkerSid>,
    /// True while the customer is on hold by us.
    on_our_hold: bool,
    /// True when the customer has an agent as soon as our hold ends.
    has_agent: bool,
    /// True while the agent has put the customer on hold.
    on_their_hold: bool,
    /// When the announcement of our hold begins, if it does not begin at once.
    words_at: Option<Millis>,
    /// Jobs that were worked on, by the name of their action.
    last: Vec<(&'a str, i64)>,
}

impl<'a> Ear<'a> {
    fn hears(&mut self, at: Millis, sound: Sound) {
        if self.now() != &sound {
            self.changes.push(Heard { at, sound });
        }
    }

    fn now(&self) -> &Sound {
        self.changes.last().map_or(&Sound::Untold, |heard| &heard.sound)
    }

    fn talks(&mut self, at: Millis) {
        self.has_agent = true;
        if !self.on_our_hold {
            self.hears(at, Sound::Agent(self.agent.clone()));
        }
    }

    /// Begins the words of our hold that were due by then.
    fn passes(&mut self, now: Millis) {
        if let Some(at) = self.words_at.take_if(|at| *at <= now) {
            self.hears(at, Sound::Played("the announcement"));
        }
    }

    fn came(&mut self, at: Millis, input: &'a Input, story: &Story) {
        self.passes(at);
        let text = |name: &str| input.about.get(name).and_then(Value::as_str);
        let is_customer = text("leg") == Some(self.customer);
        match (input.from, input.kind.as_str()) {
            (Source::Plugin, "registration") => {
                self.agent = text("worker").and_then(|worker| WorkerSid::parse(worker).ok());
            }
            (Source::Callback, "participant-modify" | "participant-join") if is_customer => {
                let hold = input.about.get("flags").and_then(|flags| flags.get("hold")?.as_bool());
                if hold == Some(true) && matches!(self.now(), Sound::Agent(_)) {
                    self.on_their_hold = true;
                    self.hears(at, Sound::Played("the music of the agent's hold"));
                } else if hold == Some(false) && std::mem::take(&mut self.on_their_hold) && self.has_agent {
                    self.talks(at);
                }
            }
            (Source::Callback, "participant-leave") if is_customer => self.hears(at, Sound::Untold),
            (Source::Callback, "announcement-end") if !self.on_our_hold => {
                if matches!(self.now(), Sound::Played("the announcement" | "comfort audio")) {
                    self.hears(at, Sound::Nothing);
                }
            }
            (Source::Document, "waiting-music") => {
                (self.on_our_hold, self.words_at) = (false, None);
                self.hears(at, Sound::Played("the waiting music of the queue"));
            }
            (Source::Job, action) if text("outcome") == Some("done") => {
                let job = self.last.iter().rev().find(|(of, _)| *of == action).map(|(_, job)| *job);
                let job = story.jobs.iter().find(|kept| Some(kept.id) == job);
                if let Some(action) = job.and_then(|job| job.action.as_ref()) {
                    self.done(at, action);
                }
            }
            _ => {}
        }
    }

    fn done(&mut self, at: Millis, action: &Action) {
        match action {
            Action::Announce { what: Announcement::Interrupted, .. } => {
                self.hears(at, Sound::Played("the announcement"));
            }
            Action::Announce { what: Announcement::Comfort, .. } => {
                self.hears(at, Sound::Played("comfort audio"));
            }
            Action::HoldCustomer { told, words_at, .. } => {
                (self.on_our_hold, self.has_agent) = (true, false);
                self.words_at = words_at.filter(|words_at| *words_at > at);
                self.hears(
                    at,
                    Sound::Played(match (told, self.words_at) {
                        (true, _) => "comfort audio",
                        (false, Some(_)) => "a soft tone",
                        (false, None) => "the announcement",
                    }),
                );
            }
            Action::EndHold { .. } => {
                (self.on_our_hold, self.words_at) = (false, None);
                if self.has_agent {
                    self.hears(at, Sound::Agent(self.agent.clone()));
                } else if matches!(self.now(), Sound::Played(_)) {
                    self.hears(at, Sound::Nothing);
                }
            }
            Action::Requeue { .. } => (self.on_our_hold, self.words_at) = (false, None),
            Action::GiveUp { .. } => self.hears(at, Sound::Played("that no agent was found")),
            _ => {}
        }
    }

    fn decided(&mut self, line: &Line) {
        let at = line.at;
        self.passes(at);
        match &line.note {
            Note::Connected | Note::PageAnswered => self.talks(at),
            Note::PageGone | Note::PageSilent | Note::AgentLost { .. } | Note::ConferenceLost => {
                self.has_agent = false;
                if matches!(self.now(), Sound::Agent(_) | Sound::Untold) {
                    self.hears(at, Sound::Nothing);
                }
            }
            Note::AgentLeft => {
                self.has_agent = false;
                if matches!(self.now(), Sound::Agent(_)) {
                    self.hears(at, Sound::Untold);
                }
            }
            Note::Ended { outcome, .. } => match outcome.as_str() {
                "rejoined" | "handed-over" | "covered" => self.talks(at),
                _ => self.over(at),
            },
            Note::CallEnded => self.over(at),
            Note::JoiningInPlace
            | Note::NotInPlace
            | Note::HoldingTheLine
            | Note::AgentBack
            | Note::AgentNotBack
            | Note::AgentBackLate { .. }
            | Note::Requeueing { .. }
            | Note::Queued
            | Note::FoundByPoll
            | Note::ExitFlagUndone
            | Note::NotAllowed
            | Note::Trouble { .. } => {}
        }
    }

    fn over(&mut self, at: Millis) {
        (self.on_our_hold, self.has_agent, self.words_at) = (false, false, None);
        self.hears(at, Sound::Untold);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::{Found, Job};
    use rejoin_protocol::{CallSid, ConferenceSid, RecoveryId};
    use serde_json::json;

    #[test]
    fn given_a_hold_with_words_later_then_tone_words_and_agent_follow_each_other() {
        let (conference, customer, worker) =
            (ConferenceSid::numbered(1), CallSid::numbered(2), WorkerSid::numbered(3));
        let hold = Action::HoldCustomer {
            conference: conference.clone(),
            customer: customer.clone(),
            recovery: RecoveryId::numbered(4),
            held: false,
            told: false,
            words_at: Some(Millis(1_500)),
        };
        let end = Action::EndHold { conference: conference.clone(), customer: customer.clone() };
        let input = |from, kind: &str, about| {
            let about: Value = about;
            let about = about.as_object().cloned().unwrap_or_default();
            Entry::Input(Input { from, kind: kind.into(), id: None, about, then: vec![] })
        };
        let taken =
            |job, action: &Action| Entry::TakenUp { job, action: action.name().into(), begun_before: false };
        let done = |action: &Action| input(Source::Job, action.name(), json!({"outcome": "done"}));
        let entries = [
            (0, input(Source::Plugin, "registration", json!({"worker": worker}))),
            (20, taken(1, &hold)),
            (30, done(&hold)),
            (3_000, input(Source::Plugin, "registration", json!({"worker": worker}))),
            (3_010, taken(2, &end)),
            (3_020, done(&end)),
        ];
        let lines = [
            (0, Note::Connected),
            (10, Note::AgentLost { by: None }),
            (3_000, Note::Ended { outcome: "rejoined".into(), after: Millis(2_990) }),
            (9_000, Note::CallEnded),
        ];
        let job = |id, action: Action| Job {
            id,
            conference: conference.clone(),
            what: action.name().into(),
            action: Some(action),
            deadline: Millis(0),
            ended: true,
            taken: 1,
        };
        let story = Story {
            customer: Some(customer.clone()),
            lines: lines
                .map(|(at, note)| Line { at: Millis(at), conference: conference.clone(), note })
                .into(),
            entries: entries
                .map(|(at, entry)| Found {
                    at: Millis(at),
                    conference: conference.clone(),
                    server: "a".into(),
                    entry,
                })
                .into(),
            jobs: vec![job(1, hold.clone()), job(2, end.clone())],
            calls: vec![],
            unread: vec![],
        };
        let sounds: Vec<(u64, Sound)> =
            heard(&story).into_iter().map(|heard| (heard.at.0, heard.sound)).collect();
        let agent = Sound::Agent(Some(worker));
        assert_eq!(
            sounds,
            [
                (0, agent.clone()),
                (10, Sound::Nothing),
                (30, Sound::Played("a soft tone")),
                (1_500, Sound::Played("the announcement")),
                // The agent is there, but the customer is on our hold until it has ended.
                (3_020, agent),
                (9_000, Sound::Untold),
            ]
        );
    }
}
