//! What agents do at their desks: by the plan, and because something rings or is left to do.

use crate::coming::Coming;
use crate::net::Way;
use crate::page::{PageId, Then};
use crate::plan::{Act, WHO_HAS_A_CALL};
use crate::timeline::{Kind, Lane};
use crate::world::World;
use rejoin_plugin::agent::{Event, FromDesktop};
use rejoin_protocol::api::GracefulReason;
use rejoin_protocol::{ActivitySid, CallSid, ReservationSid, WorkerSid, WorkflowSid};
use rejoin_twin::model::{self, NewTask, ParticipantChange, Request};
use std::collections::BTreeSet;

/// What follows when the core has nothing against it.
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
    /// It is handed on.
    Cold(ReservationSid, WorkerSid),
    /// The agent signs out.
    SignOut,
}

/// A person who works there.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) worker: WorkerSid,
    pub(crate) identity: String,
    pub(crate) name: String,
    /// Pages that are open, oldest first.
    pub(crate) pages: Vec<PageId>,
    /// Pages whose phone is registered, the latest last.
    pub(crate) phones: Vec<PageId>,
    /// How many were opened.
    pub(crate) opened: usize,
    /// Does not come back.
    pub(crate) gone: bool,
    pub(crate) signed_out: bool,
    /// Does not want calls.
    pub(crate) unavailable: bool,
    /// What is dealt with.
    seen: BTreeSet<(ReservationSid, bool)>,
    wants_calls: bool,
    pub(crate) ending: bool,
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
        }
    }
}

impl World {
    /// The page in which this agent has a call, else the first one in which anything runs.
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

    /// A deed of the plan.
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
        let Some(page) = self.page_of(agent) else { return };
        self.note(Lane::Agent(agent), None, Kind::Person, || act.name().into());
        let call = self.call_of(agent);
        let browser = self.pages[page].browser;
        match act {
            Act::HangUp => {
                if let Some((page, sid)) = call {
                    self.leave(page, sid.clone(), GracefulReason::HangUp, After::HangUp(sid));
                }
            }
            Act::EndForAll => {
                if let Some((page, sid)) = call {
                    self.leave(page, sid.clone(), GracefulReason::EndConference, After::EndForAll(sid));
                }
            }
            Act::Complete => _ = call.map(|(_, sid)| self.completes(agent, sid)),
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
                if let Some((page, sid)) = call {
                    let Some(held) = self.pages[page].flex.tasks.get(&sid) else { return };
                    let task = held.task.clone();
                    let change =
                        ParticipantChange { hold: Some(act == Act::Hold), ..ParticipantChange::default() };
                    self.bridge(page, Request::UpdateCustomerParticipant { task, change }, Then::Nothing);
                }
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
                for page in self.agents[agent].pages.clone() {
                    self.stops(page, matches!(act, Act::Sleep(_)), time);
                }
            }
            Act::NewTab => _ = self.open_page(agent, browser),
            Act::NewBrowser => {
                self.browsers.push(crate::browser::Browser::default());
                self.open_page(agent, self.browsers.len() - 1);
            }
            Act::Warm(other) | Act::Cold(other) => {
                let Some((page, sid)) = call else { return };
                let Some(other) = self.agents.get(other).map(|agent| agent.worker.clone()) else { return };
                if matches!(act, Act::Cold(_)) {
                    let reason = GracefulReason::ColdTransfer;
                    self.leave(page, sid.clone(), reason, After::Cold(sid, other));
                } else {
                    self.transfer(page, &sid, &other, "WARM", Then::Nothing);
                }
            }
            Act::Kick(other) => {
                let Some((page, sid)) = call else { return };
                let Some(worker) = self.agents.get(other).map(|agent| agent.worker.clone()) else { return };
                let Some(task) = self.pages[page].flex.tasks.get(&sid).map(|held| held.task.clone()) else {
                    return;
                };
                self.rules.kicked(&worker);
                self.bridge(page, Request::KickWorker { task, worker }, Then::Nothing);
            }
            Act::Monitor(other) => {
                if self.pages[page].flex.call.is_some() {
                    return;
                }
                let Some((of, sid)) = self.agents.get(other).and_then(|_| self.call_of(other)) else {
                    return;
                };
                let _ = of;
                let supervisor = self.agents[agent].worker.clone();
                let to = self.pages[page].flex.contact.clone();
                self.bridge(page, Request::Supervise { reservation: sid, supervisor, to }, Then::Nothing);
            }
            Act::External => {
                let Some((page, sid)) = call else { return };
                let Some(task) = self.pages[page].flex.tasks.get(&sid).map(|held| held.task.clone()) else {
                    return;
                };
                let (from, to) = ("+15550001111".into(), "+15550007777".into());
                self.bridge(page, Request::AddExternalParticipant { task, from, to }, Then::Nothing);
            }
            Act::Outbound(answers) => {
                if self.pages[page].flex.call.is_none() && self.pages[page].flex.tasks.is_empty() {
                    self.place_call(page, agent, answers);
                }
            }
            Act::Unavailable | Act::Available => {
                self.agents[agent].unavailable = act == Act::Unavailable;
                let worker = self.agents[agent].worker.clone();
                let activity = ActivitySid::numbered(if act == Act::Available { 1 } else { 2 });
                self.set_activity(page, worker, activity);
            }
        }
    }

    /// A call is left on purpose: the core is asked.
    fn leave(&mut self, page: PageId, sid: ReservationSid, reason: GracefulReason, after: After) {
        self.excuse(page, &sid);
        self.ask(page, after, |request| {
            Some(FromDesktop::BeforeLeave { request, reservation: Some(sid), reason })
        });
    }

    /// It is left on purpose now.
    fn leaves(&mut self, page: PageId, sid: &ReservationSid) {
        let leg = self.pages[page].flex.call.as_ref().map(|call| call.leg.clone());
        self.rules.leaves(sid, leg.as_ref());
    }

    fn transfer(&mut self, page: PageId, sid: &ReservationSid, to: &WorkerSid, mode: &str, then: Then) {
        self.brought(page, sid, to);
        let request = Request::Transfer {
            worker: self.agents[self.pages[page].agent].worker.clone(),
            reservation: sid.clone(),
            to: to.as_str().to_owned(),
            mode: Some(mode.to_owned()),
            attributes: None,
        };
        self.bridge(page, request, then);
    }

    /// As Flex places a call: a task for this worker alone.
    fn place_call(&mut self, page: PageId, agent: usize, answers: u64) {
        self.placed += 1;
        let to = format!("+1555{:07}", 9_000_000 + self.placed);
        self.answers.insert(to.clone(), answers);
        let attributes = serde_json::json!({
            "direction": "outbound", "outbound_to": to, "from": "+15550001111", "name": to,
        });
        let task = NewTask {
            attributes: attributes.to_string(),
            workflow: Some(WorkflowSid::numbered(3)),
            channel: Some("voice".into()),
            priority: 0,
            timeout: Some(86_400),
            queue: Some(rejoin_protocol::TaskQueueSid::numbered(1)),
            routing_target: Some(self.agents[agent].worker.clone()),
            ignore_capacity: None,
        };
        self.bridge(page, Request::CreateTask(task), Then::Nothing);
    }

    /// What Flex does after the core has agreed.
    pub(crate) fn carry_on(&mut self, page: PageId, after: After) {
        match after {
            After::Accept(_) => {}
            After::HangUp(sid) => {
                self.leaves(page, &sid);
                self.hang_up(page);
            }
            After::EndForAll(sid) => {
                self.leaves(page, &sid);
                if let Some(task) = self.pages[page].flex.tasks.get(&sid).map(|held| held.task.clone()) {
                    self.bridge(page, Request::CloseChannel(task), Then::Nothing);
                }
            }
            After::Complete(sid) => {
                let live = self.pages[page].flex.on_call() == Some(&sid);
                if live {
                    self.leaves(page, &sid);
                    self.hang_up(page);
                }
                let status = Some("completed".into());
                let request = Request::UpdateReservation { reservation: sid, status, instruction: None };
                self.bridge(page, request, Then::Nothing);
            }
            After::Cold(sid, to) => {
                self.leaves(page, &sid);
                self.set_flag(page, &sid, false, Then::Nothing);
                let then = Then::Transferred(sid.clone(), self.now);
                self.transfer(page, &sid, &to, "COLD", then);
            }
            After::SignOut => {
                let agent = self.pages[page].agent;
                self.agents[agent].signed_out = true;
                let worker = self.agents[agent].worker.clone();
                if let Some(sid) = self.pages[page].flex.on_call().cloned() {
                    self.leaves(page, &sid);
                }
                self.set_activity(page, worker, ActivitySid::numbered(0));
                self.hang_up(page);
                self.signed_out(page);
                for page in self.agents[agent].pages.clone() {
                    self.page_hide(page);
                }
            }
        }
    }

    fn hang_up(&mut self, page: PageId) {
        if let Some(call) = self.pages[page].flex.call.take() {
            self.twilio_hears(page, model::Event::HungUp { call: call.leg });
            self.look(page);
        }
    }

    /// Flex's action `AcceptTask`; `unasked`: by the core.
    pub(crate) fn accept(&mut self, page: PageId, sid: &ReservationSid, unasked: bool) {
        let what = if unasked { "the plugin accepts" } else { "accepts" };
        let lane = if unasked { self.lane(page) } else { Lane::Agent(self.pages[page].agent) };
        self.note(lane, None, Kind::Person, || format!("{what} {}", crate::page::short(sid.as_str())));
        let pending = self.pages[page].flex.tasks.get(sid).is_some_and(|held| held.status == "pending");
        if !pending {
            let reservation = sid.clone();
            return self.handle(page, Event::Desktop(FromDesktop::AcceptFailed { reservation }));
        }
        let fields = self.pages[page].flex.tasks.contains_key(sid);
        if fields {
            let sid = sid.clone();
            let after = After::Accept(sid.clone());
            // The event is made from Flex's state, with the number of the question in it.
            let number = self.next_question(page);
            let event = self.pages[page].flex.before_accept(number, &sid);
            self.ask(page, after, |_| event);
        }
    }

    /// What follows from what an agent sees in a page.
    pub(crate) fn reflexes(&mut self, page: PageId) {
        let agent = self.pages[page].agent;
        let (accepts, wraps) = (self.plan.agents[agent].accepts, self.plan.agents[agent].wraps);
        let mut new = vec![];
        for (sid, held) in self.pages[page].flex.tasks.iter().filter(|(_, held)| held.voice) {
            match held.status.as_str() {
                "pending" if crate::page::is_outbound(&held.attributes) => new.push((sid.clone(), false, 0)),
                "pending" => new.push((sid.clone(), false, accepts)),
                "wrapping" => new.push((sid.clone(), true, wraps)),
                _ => {}
            }
        }
        for (sid, wraps, after) in new {
            if self.agents[agent].seen.insert((sid.clone(), wraps)) {
                let what = if wraps { Coming::Completes(agent, sid) } else { Coming::Accepts(agent, sid) };
                self.put(after, what);
            }
        }
        let offline = self.pages[page].flex.activity.as_deref().is_some_and(is_offline);
        let person = &mut self.agents[agent];
        if offline && !person.signed_out && !person.gone && !std::mem::replace(&mut person.wants_calls, true)
        {
            self.put(1_200, Coming::WantsCalls(agent));
        }
    }

    pub(crate) fn wants_calls(&mut self, agent: usize) {
        self.agents[agent].wants_calls = false;
        let Some(page) = self.page_of(agent) else { return };
        let offline = self.pages[page].flex.activity.as_deref().is_some_and(is_offline);
        let person = &self.agents[agent];
        if offline && !person.signed_out && !person.unavailable {
            let worker = person.worker.clone();
            self.set_activity(page, worker, ActivitySid::numbered(1));
            self.agents[agent].wants_calls = true;
            self.put(5_000, Coming::WantsCalls(agent));
        }
    }

    /// An agent takes a call that rings, by hand: not behind a dialog.
    pub(crate) fn accepts(&mut self, agent: usize, sid: ReservationSid) {
        let person = &self.agents[agent];
        if person.gone || person.signed_out {
            return;
        }
        let pending = |page: &PageId| {
            let it = &self.pages[*page];
            self.is_connected(*page) && it.flex.tasks.get(&sid).is_some_and(|held| held.status == "pending")
        };
        // Where the phone rings that answers.
        let Some(page) = person.pages.iter().rev().copied().find(pending) else {
            if person.pages.iter().any(|page| !self.is_connected(*page) || !self.pages[*page].up) {
                self.put(1_000, Coming::Accepts(agent, sid));
            }
            return;
        };
        let busy = self.pages[page].dialog.is_some()
            || person.pages.iter().any(|page| self.pages[*page].flex.call.is_some());
        if busy {
            return self.put(2_000, Coming::Accepts(agent, sid));
        }
        self.accept(page, &sid, false);
        self.put(8_000, Coming::Accepts(agent, sid));
    }

    /// An agent is done with a call.
    pub(crate) fn completes(&mut self, agent: usize, sid: ReservationSid) {
        let Some(page) = self.page_of(agent) else {
            if !self.agents[agent].gone && !self.agents[agent].signed_out {
                self.put(3_000, Coming::Completes(agent, sid));
            }
            return;
        };
        let Some(held) = self.pages[page].flex.tasks.get(&sid) else { return };
        if held.status == "pending" {
            return;
        }
        if self.pages[page].dialog.is_some() || !self.is_connected(page) {
            return self.put(3_000, Coming::Completes(agent, sid));
        }
        self.excuse(page, &sid);
        self.note(Lane::Agent(agent), None, Kind::Person, || {
            format!("completes {}", crate::page::short(sid.as_str()))
        });
        // What gets lost on the way is done again.
        self.put(15_000, Coming::Completes(agent, sid.clone()));
        let after = After::Complete(sid.clone());
        self.ask(page, after, |request| Some(FromDesktop::BeforeComplete { request, reservation: sid }));
    }

    pub(crate) fn presses(&mut self, page: PageId) {
        if self.runs(page) && self.pages[page].dialog.is_some() {
            self.handle(page, Event::DialogButton);
            self.look(page);
        }
    }

    pub(crate) fn opens(&mut self, agent: usize, browser: usize) {
        if !self.agents[agent].gone && !self.agents[agent].signed_out {
            self.open_page(agent, browser);
        }
    }

    /// The machine sleeps, or there is no network.
    fn stops(&mut self, page: PageId, sleeps: bool, time: u64) {
        let it = &mut self.pages[page];
        if !it.alive || it.asleep || it.offline {
            return;
        }
        it.asleep = sleeps;
        it.offline = !sleeps;
        it.sleeps += 1;
        let number = it.sleeps;
        let call = it.flex.call.as_ref().map(|call| call.leg.clone());
        if let Some(call) = call {
            self.put(0, Coming::Twilio(model::Event::MediaSilent { call, silent: true }));
        }
        if time > 25_000 {
            self.put(25_000, Coming::HalfOpen(page));
        }
        self.put(time, Coming::Wakes(page, number));
    }

    /// The far ends have given its connections up.
    pub(crate) fn half_open(&mut self, page: PageId) {
        if self.pages[page].asleep || self.pages[page].offline {
            let agent = self.pages[page].agent;
            self.agents[agent].phones.retain(|other| *other != page);
            let attempt = self.pages[page].push.attempt;
            self.drop_stream(page);
            self.pages[page].late.push(Coming::PushArrives(page, attempt, crate::coming::PushNews::Ended));
            if std::mem::take(&mut self.pages[page].socket) {
                let worker = self.agents[agent].worker.clone();
                self.put(0, Coming::Twilio(model::Event::Presence { worker, open: false }));
            }
        }
    }

    pub(crate) fn wakes(&mut self, page: PageId, number: u64) {
        let it = &mut self.pages[page];
        if !it.alive || it.sleeps != number {
            return;
        }
        it.asleep = false;
        it.offline = false;
        it.here_since = self.now;
        let late = std::mem::take(&mut it.late);
        let call = it.flex.call.as_ref().map(|call| call.leg.clone());
        self.note(self.lane(page), None, Kind::Does, || "is back".into());
        if let Some(call) = call {
            self.twilio_hears(page, model::Event::MediaSilent { call, silent: false });
        }
        for what in late {
            self.put(0, what);
        }
        if self.pages[page].up {
            self.connect_sockets(page);
            self.ask_how_it_is(page);
            if self.pages[page].begun {
                self.handle(page, Event::Desktop(FromDesktop::Reconnected {}));
            }
        }
        self.look(page);
    }

    /// Another plugin, such as one of Twilio's own template, writes the flag again and again.
    pub(crate) fn foreign(&mut self, page: PageId) {
        if !self.pages[page].alive || self.now > self.plan.until {
            return;
        }
        if self.is_connected(page)
            && let Some(sid) = self.pages[page].flex.on_call().cloned()
        {
            let change =
                ParticipantChange { end_conference_on_exit: Some(true), ..ParticipantChange::default() };
            self.bridge(page, Request::UpdateWorkerParticipant { reservation: sid, change }, Then::Nothing);
        }
        self.put(2_500, Coming::Foreign(page));
    }

    /// After the plan's end calls are ended, so that everybody in a queue has a turn.
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

    /// Who answers a call that Twilio places, and when.
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

fn is_offline(activity: &str) -> bool {
    activity.trim_start_matches("WA").bytes().all(|byte| byte == b'0')
}
