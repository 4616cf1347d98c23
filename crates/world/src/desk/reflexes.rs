//! What agents do because of what they see: a call rings, a call is over, Flex says that they are offline, a dialog
//! has a button.

use super::After;
use crate::coming::Coming;
use crate::coverage::Sign;
use crate::page::PageId;
use crate::timeline::{Kind, Lane};
use crate::world::World;
use rejoin_plugin::agent::{Event, FromDesktop};
use rejoin_protocol::{ActivitySid, ReservationSid};

impl World {
    /// Schedules reactions to what an agent sees in a page.
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
            self.coverage.sign(Sign::PutOffline);
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

    /// An agent answers a ringing call by hand; not while a dialog covers it.
    pub(crate) fn accepts(&mut self, agent: usize, sid: ReservationSid) {
        let person = &self.agents[agent];
        if person.gone || person.signed_out {
            return;
        }
        let pending = |page: &PageId| {
            let it = &self.pages[*page];
            self.is_connected(*page) && it.flex.tasks.get(&sid).is_some_and(|held| held.status == "pending")
        };
        // The last opened page in which it rings is the one whose phone answers.
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

    /// An agent finishes a call.
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
        self.note(Lane::Agent(agent), None, Kind::Person, || format!("completes {sid}"));
        // Repeat what got lost in flight.
        self.put(15_000, Coming::Completes(agent, sid.clone()));
        let after = After::Complete(sid.clone());
        self.ask(page, after, |request| Some(FromDesktop::BeforeComplete { request, reservation: sid }));
    }

    pub(crate) fn presses(&mut self, page: PageId) {
        if self.pages[page].asleep {
            return self.pages[page].late.push(Coming::Presses(page)); // when the lid is open again
        }
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
}

fn is_offline(activity: &str) -> bool {
    activity.trim_start_matches("WA").bytes().all(|byte| byte == b'0')
}
