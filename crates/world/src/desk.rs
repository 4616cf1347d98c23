//! What agents do at their desks: by the plan, and because a call rings or something is left to do.

mod away;
mod beside;
mod calls;
mod reflexes;

use crate::coming::Coming;
use crate::coverage::Sign;
use crate::fates::Fate;
use crate::net::Way;
use crate::page::{PageId, Then};
use crate::plan::{Act, WHO_HAS_A_CALL};
use crate::timeline::{Kind, Lane};
use crate::world::World;
use rejoin_plugin::agent::FromDesktop;
use rejoin_protocol::api::GracefulReason;
use rejoin_protocol::{ActivitySid, CallSid, ReservationSid, WorkerSid};
use rejoin_twin::model::{self, ParticipantChange, Request};
use std::collections::BTreeSet;

/// What follows once the core agrees.
#[derive(Clone, Debug)]
pub(crate) enum After {
    /// A call is accepted.
    Accept(ReservationSid),
    /// The phone hangs up.
    HangUp(ReservationSid),
    /// The conference is ended for all.
    EndForAll(ReservationSid),
    /// The task is completed.
    Complete(ReservationSid),
    /// The task is transferred cold.
    Cold(ReservationSid, WorkerSid),
    /// The agent signs out.
    SignOut,
}

/// An agent of the contact centre.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) worker: WorkerSid,
    pub(crate) identity: String,
    pub(crate) name: String,
    /// Open pages, oldest first.
    pub(crate) pages: Vec<PageId>,
    /// Pages whose phone is registered, the latest last.
    pub(crate) phones: Vec<PageId>,
    /// Number of pages that were ever opened.
    pub(crate) opened: usize,
    /// True when the agent does not come back.
    pub(crate) gone: bool,
    pub(crate) signed_out: bool,
    /// True when the agent does not want calls.
    pub(crate) unavailable: bool,
    /// Reservations (ringing or wrapping) that the agent has already reacted to.
    seen: BTreeSet<(ReservationSid, bool)>,
    wants_calls: bool,
    pub(crate) ending: bool,
    /// Until when the machine sleeps (`true`) or has no network (`false`).
    pub(crate) away: Option<(u64, bool)>,
    /// How far the clock of the agent's machine was set, in milliseconds.
    pub(crate) clock_set: i64,
}

impl Agent {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            worker: WorkerSid::numbered(0xa0_0000 + number as u128),
            identity: format!("agent{number}_40example_2Ecom"),
            name: format!("Agent {number}"),
            pages: vec![],
            phones: vec![],
            opened: 0,
            gone: false,
            signed_out: false,
            unavailable: false,
            seen: BTreeSet::new(),
            wants_calls: false,
            ending: false,
            away: None,
            clock_set: 0,
        }
    }
}

impl World {
    /// The page in which this agent has a call, else the first page that runs.
    fn page_of(&self, agent: usize) -> Option<PageId> {
        let pages = || {
            self.agents[agent].pages.iter().copied().filter(|page| self.runs(*page) && self.pages[*page].up)
        };
        pages().find(|page| self.pages[*page].flex.call.is_some()).or_else(|| pages().next())
    }

    fn call_of(&self, agent: usize) -> Option<(PageId, ReservationSid)> {
        let page = self.page_of(agent)?;
        Some((page, self.pages[page].flex.on_call()?.clone()))
    }

    /// Carries out a deed of the plan.
    pub(crate) fn deed(&mut self, number: usize) {
        let deed = self.plan.deeds[number].clone();
        let agent = if deed.agent == WHO_HAS_A_CALL {
            (0..self.agents.len()).find(|agent| self.call_of(*agent).is_some()).unwrap_or(0)
        } else {
            deed.agent
        };
        if agent >= self.agents.len() || self.agents[agent].gone || self.agents[agent].signed_out {
            return;
        }
        self.act(agent, deed.act);
    }

    pub(crate) fn act(&mut self, agent: usize, act: Act) {
        if self.tries(agent, act).is_some() {
            self.coverage.act(act);
        }
    }

    /// Tries to carry out an act; `None` if it is not possible now.
    fn tries(&mut self, agent: usize, act: Act) -> Option<()> {
        let page = self.page_of(agent)?;
        self.note(Lane::Agent(agent), None, Kind::Person, || act.name().into());
        let call = self.call_of(agent);
        let browser = self.pages[page].browser;
        match act {
            Act::HangUp => {
                let (page, sid) = call?;
                self.leave(page, sid.clone(), GracefulReason::HangUp, After::HangUp(sid));
            }
            Act::EndForAll => {
                let (page, sid) = call?;
                self.leave(page, sid.clone(), GracefulReason::EndConference, After::EndForAll(sid));
            }
            Act::Complete => self.completes(agent, call?.1),
            Act::SignOut => {
                self.excuse_all(page);
                self.ask(page, After::SignOut, |request| {
                    Some(FromDesktop::BeforeLeave {
                        request,
                        reservation: None,
                        reason: GracefulReason::SignOut,
                    })
                });
            }
            Act::Hold | Act::Unhold => {
                let (page, sid) = call?;
                let task = self.pages[page].flex.tasks.get(&sid)?.task.clone();
                let change =
                    ParticipantChange { hold: Some(act == Act::Hold), ..ParticipantChange::default() };
                self.bridge(page, Request::UpdateCustomerParticipant { task, change }, Then::Nothing);
            }
            Act::Mute => {
                if let Some(call) = &mut self.pages[page].flex.call {
                    call.muted = !call.muted;
                }
                self.look(page);
            }
            Act::Refresh => {
                self.page_hide(page);
                self.open_page(agent, browser);
            }
            Act::Crash(away) => {
                self.page_crashes(page);
                self.put(away, Coming::Opens { agent, browser });
            }
            Act::Close(away) => {
                self.page_hide(page);
                self.put(away, Coming::Opens { agent, browser });
            }
            Act::CloseForGood => {
                self.agents[agent].gone = true;
                for page in self.agents[agent].pages.clone() {
                    self.page_hide(page);
                }
            }
            Act::Sleep(time) | Act::Offline(time) => {
                let sleeps = matches!(act, Act::Sleep(_));
                if self.agents[agent].away.is_none_or(|(until, _)| until <= self.now) {
                    self.agents[agent].away = Some((self.now + time, sleeps));
                }
                for page in self.agents[agent].pages.clone() {
                    self.stops(page, sleeps, time);
                }
            }
            Act::NewTab => _ = self.open_page(agent, browser),
            Act::NewBrowser => {
                self.browsers.push(crate::browser::Browser::default());
                self.open_page(agent, self.browsers.len() - 1);
            }
            Act::Warm(other) | Act::Cold(other) => {
                let (page, sid) = call?;
                let other = self.agents.get(other)?.worker.clone();
                if matches!(act, Act::Cold(_)) {
                    let reason = GracefulReason::ColdTransfer;
                    self.leave(page, sid.clone(), reason, After::Cold(sid, other));
                } else {
                    self.transfer(page, &sid, &other, "WARM", Then::Nothing);
                }
            }
            Act::Kick(other) => {
                let (page, sid) = call?;
                let worker = self.agents.get(other)?.worker.clone();
                let task = self.pages[page].flex.tasks.get(&sid)?.task.clone();
                self.rules.kicked(&worker);
                self.bridge(page, Request::KickWorker { task, worker }, Then::Nothing);
            }
            Act::Monitor(other) => {
                if self.pages[page].flex.call.is_some() {
                    return None;
                }
                let (of, sid) = self.agents.get(other).and_then(|_| self.call_of(other))?;
                let supervisor = self.agents[agent].worker.clone();
                self.brought(of, &sid, &supervisor);
                let to = self.pages[page].flex.contact.clone();
                self.bridge(page, Request::Supervise { reservation: sid, supervisor, to }, Then::Nothing);
            }
            Act::Coach => self.coaches(page)?,
            Act::Refuse => self.refuses(agent)?,
            Act::External => {
                let (page, sid) = call?;
                let task = self.pages[page].flex.tasks.get(&sid)?.task.clone();
                let (from, to) = ("+15550001111".into(), "+15550007777".into());
                self.bridge(page, Request::AddExternalParticipant { task, from, to }, Then::Nothing);
            }
            Act::Outbound(answers) => {
                if self.pages[page].flex.call.is_some() || !self.pages[page].flex.tasks.is_empty() {
                    return None;
                }
                self.place_call(page, agent, answers);
            }
            Act::Clock(by) => self.agents[agent].clock_set += by,
            Act::Unavailable | Act::Available => {
                self.agents[agent].unavailable = act == Act::Unavailable;
                self.befalls(Fate::TakesWork(agent, act == Act::Available));
                let worker = self.agents[agent].worker.clone();
                let activity = ActivitySid::numbered(if act == Act::Available { 1 } else { 2 });
                self.set_activity(page, worker, activity);
            }
        }
        Some(())
    }

    /// Another plugin, such as one of Twilio's own template, writes the flag again and again.
    pub(crate) fn foreign(&mut self, page: PageId) {
        if !self.pages[page].alive || self.now > self.plan.until {
            return;
        }
        if self.is_connected(page)
            && let Some(sid) = self.pages[page].flex.on_call().cloned()
        {
            self.coverage.sign(Sign::FlagWritten);
            let change =
                ParticipantChange { end_conference_on_exit: Some(true), ..ParticipantChange::default() };
            self.bridge(page, Request::UpdateWorkerParticipant { reservation: sid, change }, Then::Nothing);
        }
        self.put(2_500, Coming::Foreign(page));
    }

    /// Ends calls after the plan's end, so that each customer in a queue has a turn.
    pub(crate) fn ends_talk(&mut self, agent: usize) {
        self.agents[agent].ending = false;
        let listens = self.page_of(agent).filter(|page| self.pages[*page].flex.on_call().is_none());
        if let Some(page) = listens {
            self.hang_up(page);
        }
        if self.call_of(agent).is_some() {
            self.act(agent, Act::HangUp);
            self.agents[agent].ending = true;
            self.put(6_000, Coming::EndsTalk(agent));
        }
    }

    /// Schedules who answers a call that Twilio places, and when.
    pub(crate) fn dialled(&mut self, call: CallSid, to: &str) {
        match self.answers.get(to).copied() {
            Some(0) => {}
            Some(after) => {
                self.outbound_customer(&call);
                self.put(after, Coming::Twilio(model::Event::Answered { call }));
            }
            None => {
                let mut chance = self.chance(Way::Person, 1_000);
                self.put(
                    chance.between(500, 4_000),
                    Coming::Twilio(model::Event::Answered { call: call.clone() }),
                );
                self.put(chance.between(8_000, 40_000), Coming::OutsideHangsUp(call));
            }
        }
    }
}
