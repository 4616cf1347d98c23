//! Flex's conversation with TaskRouter over the event bridge: requests, answers and events.

use super::PageId;
use crate::coming::Coming;
use crate::net::Way;
use crate::timeline::{Kind, Lane};
use crate::world::World;
use rejoin_plugin::agent::{ConferenceOptions, Event, FromDesktop};
use rejoin_protocol::attributes;
use rejoin_protocol::{ActivitySid, ReservationSid, TaskSid, WorkerSid};
use rejoin_twin::model::{
    ApiError, ConferenceInstruction, Form, ParticipantChange, Reply, Request, RequestId,
};
use serde_json::Value;
use std::sync::Arc;

/// What an answer is used for.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// Nothing.
    Nothing,
    /// The list of reservations, fetched at the start and after every reconnect.
    Reservations,
    /// The participants of a task's conference.
    Room,
    /// The same, fetched when a call has been accepted.
    Listening,
    /// The worker.
    Worker,
    /// The core has accepted a reservation.
    Accepted(ReservationSid),
    /// A cold transfer that began at this time.
    Transferred(ReservationSid, u64),
    /// The core has set its own leg's flag.
    Flagged(ReservationSid),
    /// The current attributes of a task that is about to be marked.
    Marking(ReservationSid, Value),
    /// The task is marked.
    Marked(ReservationSid),
    /// A step of `joinCall`.
    Join(ReservationSid, crate::join::Step),
}

impl World {
    /// Sends a request of a page to TaskRouter.
    pub(crate) fn bridge(&mut self, page: PageId, request: Request, then: Then) {
        let mut chance = self.chance(way(&then), page);
        let after = Self::latency(&mut chance);
        if self.pages[page].offline {
            let failed = ApiError { status: 0, code: 0, message: "no network".into() };
            if let Then::Transferred(reservation, at) = &then {
                self.stays(page, reservation, *at);
            }
            return self.put(3_000, Coming::Bridged(page, then, Box::new(Err(failed))));
        }
        self.note(self.lane(page), Some(Lane::Twilio), Kind::Request, || said(&request));
        let at = (self.now + after).max(self.pages[page].bridge_at);
        self.pages[page].bridge_at = at;
        self.put_at(at, Coming::Bridge(page, Box::new(request), then));
    }

    /// The request has arrived at Twilio.
    pub(crate) fn bridge_arrives(&mut self, page: PageId, request: Request, then: Then) {
        self.twilio.requests += 1;
        let id = RequestId(self.twilio.requests);
        self.page_asks(&request);
        let mut result = None;
        let asked = rejoin_twin::model::Event::Request { id, request, form: Form::Bridge };
        for effect in self.twilio.model.handle(self.wall(), asked) {
            match effect {
                rejoin_twin::model::Effect::Reply { id: of, result: answer } if of == id => {
                    result = Some(answer);
                }
                other => self.twilio_does(other),
            }
        }
        if let Some(result) = result {
            if let (Then::Transferred(reservation, at), Err(_)) = (&then, &result) {
                self.stays(page, reservation, *at); // even when the page is gone and will never know
            }
            let mut chance = self.chance(way(&then), page);
            let after = Self::latency(&mut chance);
            let mut at = self.now + after;
            if matches!(then, Then::Listening) {
                // The answer includes the events before it, and does not overtake the events after it.
                at = at.max(self.told_at.get(&page).copied().unwrap_or_default());
                self.told_at.insert(page, at);
            }
            self.put_at(at, Coming::Bridged(page, then, Box::new(result)));
        }
    }

    /// The answer has arrived.
    pub(crate) fn bridged(&mut self, page: PageId, then: Then, result: Result<Reply, ApiError>) {
        let Some(Coming::Bridged(_, then, result)) =
            self.arrives(page, Coming::Bridged(page, then, Box::new(result)))
        else {
            return;
        };
        if let Err(error) = &*result {
            self.note(Lane::Twilio, Some(self.lane(page)), Kind::Answer, || {
                format!("refused: {}", error.message)
            });
        }
        match (then, *result) {
            (Then::Reservations, Ok(reply)) => {
                let listed: Vec<Value> = reply.bridge["contents"].as_array().cloned().unwrap_or_default();
                let mut here = vec![];
                for item in &listed {
                    self.pages[page].flex.reservation(item);
                    here.extend(item["sid"].as_str().and_then(|sid| ReservationSid::parse(sid).ok()));
                }
                self.pages[page].flex.tasks.retain(|sid, _| here.contains(sid));
                let flex = &self.pages[page].flex;
                let open: Vec<TaskSid> = flex
                    .tasks
                    .values()
                    .filter(|held| held.voice && held.status != "pending")
                    .map(|held| held.task.clone())
                    .collect();
                for task in open {
                    self.bridge(page, Request::ListChannelParticipants(task), Then::Room);
                }
                let leg = self.pages[page].flex.call.as_ref().map(|call| call.leg.clone());
                if leg.is_some_and(|leg| self.twilio.model.leg(&leg).is_none()) {
                    self.pages[page].flex.call = None;
                }
                self.pages[page].listed = true;
                if std::mem::take(&mut self.pages[page].plugin_waits) {
                    self.put(0, Coming::PluginUp(page));
                }
            }
            (Then::Reservations, Err(_)) if !self.pages[page].listed => {
                self.ask_how_it_is(page);
            }
            (Then::Room, Ok(reply)) => {
                let items = reply.bridge["participants"].as_array().cloned().unwrap_or_default();
                let mut task = None;
                for item in &items {
                    task = self.pages[page].flex.participant(item, false).or(task);
                }
                if let Some(room) = task.and_then(|task| self.pages[page].flex.rooms.get_mut(&task)) {
                    let is = |leg: &str| {
                        items.iter().any(|item| item["participant_sid"] == leg || item["sid"] == leg)
                    };
                    room.legs.retain(|leg| is(&leg.participant));
                }
            }
            (Then::Listening, Ok(reply)) => {
                for item in reply.bridge["participants"].as_array().into_iter().flatten() {
                    self.pages[page].flex.participant(item, false);
                }
            }
            (Then::Worker, Ok(reply)) => {
                self.pages[page].flex.activity = reply.bridge["activity_sid"].as_str().map(str::to_owned);
            }
            (Then::Accepted(reservation), Err(_)) => {
                self.pages[page].expects = None;
                self.handle(page, Event::Desktop(FromDesktop::AcceptFailed { reservation }));
            }
            (Then::Flagged(reservation), _) => {
                self.handle(page, Event::Desktop(FromDesktop::ExitFlagSettled { reservation }));
            }
            (Then::Marking(reservation, mark), Ok(reply)) => self.write_mark(page, reservation, mark, &reply),
            (Then::Marked(reservation) | Then::Marking(reservation, _), _) => {
                self.handle(page, Event::Desktop(FromDesktop::TaskMarked { reservation }));
            }
            (Then::Join(reservation, step), result) => self.join_step(page, reservation, step, result),
            (
                Then::Nothing
                | Then::Accepted(_)
                | Then::Transferred(..)
                | Then::Reservations
                | Then::Room
                | Then::Listening
                | Then::Worker,
                _,
            ) => {}
        }
        self.look(page);
    }

    /// Writes into the task how the agent leaves: read, merge, write.
    pub(crate) fn mark_task(&mut self, page: PageId, reservation: ReservationSid, mark: Value) {
        match self.pages[page].flex.tasks.get(&reservation).map(|held| held.task.clone()) {
            Some(task) => self.bridge(page, Request::FetchTask(task), Then::Marking(reservation, mark)),
            None => self.handle(page, Event::Desktop(FromDesktop::TaskMarked { reservation })),
        }
    }

    fn write_mark(&mut self, page: PageId, reservation: ReservationSid, mark: Value, read: &Reply) {
        let text = |name: &str| read.bridge[name].as_str().unwrap_or_default();
        let read: Value = serde_json::from_str(text("attributes")).unwrap_or_default();
        let (Ok(task), Value::Object(mut merged)) = (TaskSid::parse(text("sid")), read) else {
            return self.handle(page, Event::Desktop(FromDesktop::TaskMarked { reservation }));
        };
        merged.insert(attributes::LEFT.into(), mark);
        let request = Request::UpdateTask {
            task,
            if_match: None,
            attributes: Some(Value::Object(merged).to_string()),
            assignment_status: None,
            reason: None,
            priority: None,
        };
        self.bridge(page, request, Then::Marked(reservation));
    }

    /// Fetches the current state, at the start and after every reconnect.
    pub(crate) fn ask_how_it_is(&mut self, page: PageId) {
        let worker = self.agents[self.pages[page].agent].worker.clone();
        self.bridge(page, Request::FetchWorker(worker.clone()), Then::Worker);
        let list = Request::ListReservations {
            task: None,
            worker: Some(worker),
            status: Some("pending,accepted,wrapping".into()),
        };
        self.bridge(page, list, Then::Reservations);
    }

    /// An event of TaskRouter reaches this page.
    pub(crate) fn told(&mut self, page: PageId, event: String, payload: Arc<Value>) {
        let Some(Coming::Tell(_, event, payload)) = self.arrives(page, Coming::Tell(page, event, payload))
        else {
            return;
        };
        if !self.pages[page].up {
            return;
        }
        let flex = &mut self.pages[page].flex;
        if event.starts_with("reservation.") {
            flex.reservation(&payload);
            if event == "reservation.accepted" {
                self.listen_to_room(page, &payload);
            }
        } else if event.starts_with("task.") {
            flex.task(&payload);
        } else if event.starts_with("participant.") {
            let participant = payload["participant_sid"].as_str().map(str::to_owned);
            if !event.ends_with(".failed") {
                flex.participant(&payload, event == "participant.removed");
            }
            // A join waits for no other participant events.
            let told = match event.as_str() {
                "participant.added" => Some(true),
                "participant.add.failed" => Some(false),
                _ => None,
            };
            if let (Some(participant), Some(here)) = (participant, told) {
                self.join_told(page, &participant, here);
            }
        } else if event == "worker.activity.update" {
            flex.activity = payload["activity_sid"].as_str().map(str::to_owned);
        }
        self.look(page);
    }

    /// From the moment a call is accepted Flex knows who is in its conference: it fetches the participants and
    /// receives their changes (`ConferenceListenerManager.startListening` and `ConferenceListener.initialize` of
    /// `@twilio/flex-ui` 2.17.1).
    fn listen_to_room(&mut self, page: PageId, payload: &Value) {
        let sid = payload["sid"].as_str().and_then(|sid| ReservationSid::parse(sid).ok());
        let held = sid.and_then(|sid| self.pages[page].flex.tasks.get(&sid));
        if let Some(task) = held.filter(|held| held.voice).map(|held| held.task.clone()) {
            self.bridge(page, Request::ListChannelParticipants(task), Then::Listening);
        }
    }

    /// Flex makes a call of two end with its own leg, and a call of more not: it sets the flag whenever that changes.
    pub(super) fn flags(&mut self, page: PageId) {
        let flex = &mut self.pages[page].flex;
        let mut wanted = vec![];
        let Some(_) = flex.activity else { return };
        let sids: Vec<ReservationSid> = flex.tasks.keys().cloned().collect();
        for sid in sids {
            let Some(held) = flex.tasks.get(&sid) else { continue };
            if held.status != "accepted" || !held.voice || flex.mine(&held.task).next().is_none() {
                continue;
            }
            let verdict = flex.live(&held.task) <= 2;
            if held.verdict == Some(verdict) {
                continue;
            }
            if let Some(held) = flex.tasks.get_mut(&sid) {
                held.verdict = Some(verdict);
            }
            wanted.push((sid, verdict));
        }
        for (sid, verdict) in wanted {
            self.set_flag(page, &sid, verdict, Then::Nothing);
        }
    }

    pub(crate) fn flag_of_participant(
        &mut self,
        page: PageId,
        task: &TaskSid,
        participant: &str,
        value: bool,
        then: Then,
    ) {
        let Ok(participant) = rejoin_protocol::ParticipantSid::parse(participant) else { return };
        let change =
            ParticipantChange { end_conference_on_exit: Some(value), ..ParticipantChange::default() };
        let task = task.clone();
        self.bridge(
            page,
            Request::UpdateChannelParticipant { task, participant, change, close: false },
            then,
        );
    }

    /// The request with which Flex accepts a call.
    pub(super) fn send_accept(
        &mut self,
        page: PageId,
        reservation: &ReservationSid,
        options: Option<&ConferenceOptions>,
    ) {
        let flex = &self.pages[page].flex;
        let still = flex.tasks.get(reservation).is_some_and(|held| held.status == "pending");
        if !still {
            return;
        }
        let outbound = flex.tasks.get(reservation).is_some_and(|held| is_outbound(&held.attributes));
        let instruction = ConferenceInstruction {
            to: Some(flex.contact.clone()),
            from: outbound.then(|| "+15550001111".into()),
            end_conference_on_exit: options.is_none_or(|options| options.end_conference_on_exit),
            end_conference_on_customer_exit: true,
            status_callback: options.map(|options| options.conference_status_callback.clone()),
            status_callback_method: options
                .map(|options| options.conference_status_callback_method.to_owned()),
            status_callback_event: options.map(|options| options.conference_status_callback_event.to_owned()),
        };
        self.pages[page].expects = Some(reservation.clone());
        let request = Request::UpdateReservation {
            reservation: reservation.clone(),
            status: None,
            instruction: Some(instruction),
        };
        self.bridge(page, request, Then::Accepted(reservation.clone()));
    }

    pub(crate) fn set_activity(&mut self, page: PageId, worker: WorkerSid, activity: ActivitySid) {
        let request = Request::UpdateWorker {
            worker,
            activity: Some(activity),
            attributes: None,
            reject_pending: true,
        };
        self.bridge(page, request, Then::Nothing);
    }
}

/// Listening requests are numbered apart, so that the fate of other requests does not depend on them.
fn way(then: &Then) -> Way {
    if matches!(then, Then::Listening) { Way::Listen } else { Way::Bridge }
}

/// True when the agent places this call.
pub(crate) fn is_outbound(attributes: &rejoin_plugin::boundary::Value) -> bool {
    use rejoin_plugin::boundary::Value;
    *attributes.get("direction") == Value::Text("outbound".into())
        && *attributes.get("outbound_to") != Value::Nothing
}

/// A request in a few words.
fn said(request: &Request) -> String {
    match request {
        Request::UpdateReservation { reservation, status, instruction } => {
            let what =
                if instruction.is_some() { "conference" } else { status.as_deref().unwrap_or_default() };
            format!("{reservation}: {what}")
        }
        Request::UpdateWorkerParticipant { change, .. }
        | Request::UpdateChannelParticipant { change, .. } => {
            // Fields that do not change are left out.
            let change = format!("{change:?}");
            let fields = change.trim_start_matches("ParticipantChange {").trim_end_matches('}').split(", ");
            let set: Vec<String> =
                fields.map(str::trim).filter(|field| !field.ends_with(": None")).map(bare).collect();
            format!("participant: {}", set.join(", "))
        }
        other => {
            let text = format!("{other:?}");
            text.split(['(', '{']).next().unwrap_or_default().trim().to_owned()
        }
    }
}

/// `name: Some(value)` in readable form.
fn bare(field: &str) -> String {
    field.replace(": Some(", "=").trim_end_matches(')').to_owned()
}
