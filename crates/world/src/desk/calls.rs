//! Agents take, leave, hand over and place calls.

use super::After;
use crate::fates::Fate;
use crate::page::{PageId, Then};
use crate::timeline::{Kind, Lane};
use crate::world::World;
use rejoin_plugin::agent::{Event, FromDesktop};
use rejoin_protocol::api::GracefulReason;
use rejoin_protocol::{ActivitySid, ReservationSid, WorkerSid, WorkflowSid};
use rejoin_twin::model::{self, NewTask, Request};

impl World {
    /// An agent leaves a call on purpose: the core is asked first.
    pub(super) fn leave(&mut self, page: PageId, sid: ReservationSid, reason: GracefulReason, after: After) {
        self.excuse(page, &sid);
        self.ask(page, after, |request| {
            Some(FromDesktop::BeforeLeave { request, reservation: Some(sid), reason })
        });
    }

    /// The agent leaves on purpose now, unless they were lost before.
    fn leaves(&mut self, page: PageId, sid: &ReservationSid) {
        let leg = self.pages[page].flex.call.as_ref().map(|call| call.leg.clone());
        let mut legs =
            self.twilio.model.open_conferences().flat_map(|(room, _)| self.twilio.model.participants(room));
        let stands = legs.any(|it| it.agent.is_some_and(|(_, of)| of == Some(sid)));
        if leg.is_some() || stands {
            self.rules.leaves(sid, leg.as_ref());
        }
    }

    pub(super) fn transfer(
        &mut self,
        page: PageId,
        sid: &ReservationSid,
        to: &WorkerSid,
        mode: &str,
        then: Then,
    ) {
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

    /// Places a call as Flex does: a task for this worker alone.
    pub(super) fn place_call(&mut self, page: PageId, agent: usize, answers: u64) {
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
                self.befalls(Fate::SignsOut(agent));
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

    pub(crate) fn hang_up(&mut self, page: PageId) {
        if let Some(call) = self.pages[page].flex.call.take() {
            self.twilio_hears(page, model::Event::HungUp { call: call.leg });
            self.look(page);
        }
    }

    /// Flex's action `AcceptTask`; `unasked` when the core accepts.
    pub(crate) fn accept(&mut self, page: PageId, sid: &ReservationSid, unasked: bool) {
        let what = if unasked { "the plugin accepts" } else { "accepts" };
        let lane = if unasked { self.lane(page) } else { Lane::Agent(self.pages[page].agent) };
        self.note(lane, None, Kind::Person, || format!("{what} {sid}"));
        let pending = self.pages[page].flex.tasks.get(sid).is_some_and(|held| held.status == "pending");
        if !pending {
            let reservation = sid.clone();
            return self.handle(page, Event::Desktop(FromDesktop::AcceptFailed { reservation }));
        }
        let fields = self.pages[page].flex.tasks.contains_key(sid);
        if fields {
            let sid = sid.clone();
            let after = After::Accept(sid.clone());
            // The event is built from Flex's state and contains the number of the question.
            let number = self.next_question(page);
            let event = self.pages[page].flex.before_accept(number, &sid);
            self.ask(page, after, |_| event);
        }
    }
}
