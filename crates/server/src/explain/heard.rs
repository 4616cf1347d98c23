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
            Note::PageGone | Note::PageSilent | Note::AgentLost | Note::ConferenceLost => {
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
            | Note::Requeueing { .. }
            | Note::Queued
            | Note::LookedUp
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
