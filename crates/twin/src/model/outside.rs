//! Outside phones that Twilio dials: the customer of an outbound call, and third parties.
//!
//! An outbound task names its customer in `outbound_to`. The agent's leg makes the conference, then the customer is
//! dialled; the reservation stays pending until somebody answers (`test/integration/voice/outbound` of
//! <https://github.com/twilio/twilio-taskrouter.js>).

use super::{
    Model,
    api::{ApiError, ConferenceInstruction, Effect, NewParticipant, Reply},
    conference::Joins,
    state::{
        Call, CallKind, CallStatus, Conference, ConferenceEnd, Dialled, Doing, Due, Joining, Left,
        ParticipantKind, ReservationStatus, Then,
    },
    twiml::Callback,
};
use rejoin_protocol::{CallSid, ConferenceSid, Millis, ParticipantSid, ReservationSid, TaskSid, WorkerSid};
use serde_json::{Value, json};
use std::collections::VecDeque;

impl Model {
    /// Caller and callee of an outbound task that has not been dialled yet.
    pub(super) fn to_dial(&self, task: &TaskSid) -> Option<(String, String)> {
        let task = self.tasks.get(task).filter(|task| task.call.is_none())?;
        let text = |key| task.attributes.get(key).and_then(Value::as_str);
        let places = task.routing_target.is_some() && text("direction") == Some("outbound");
        let to = text("outbound_to").filter(|_| places)?;
        Some((text("from").unwrap_or_default().to_owned(), to.to_owned()))
    }

    /// Rings an outside phone.
    fn dial(&mut self, from: String, to: String, timeout: Millis, dialled: Dialled) -> CallSid {
        self.ring_outside(CallKind::Dialled, from, to, timeout, Joining::Dialled(Box::new(dialled)))
    }

    pub(super) fn ring_outside(
        &mut self,
        kind: CallKind,
        from: String,
        to: String,
        timeout: Millis,
        joining: Joining,
    ) -> CallSid {
        let sid = CallSid::numbered(self.number());
        let call = Call {
            from: from.clone(),
            to: to.clone(),
            kind,
            status: CallStatus::Ringing,
            created: self.now,
            ended: None,
            doing: Doing::Ringing(joining),
            verbs: VecDeque::new(),
            base: String::new(),
            fallback: None,
        };
        self.calls.insert(sid.clone(), call);
        self.log(format!("{sid} rings a phone outside"));
        self.line_rings(&sid, &from, &to);
        self.effects.push(Effect::Dial { call: sid.clone(), from, to });
        self.timer(timeout, Due::RingTimeout(sid.clone()));
        sid
    }

    /// The agent of an outbound task has joined: the conference is made, and the customer's phone rings.
    pub(super) fn bridge_outbound(
        &mut self,
        agent: &CallSid,
        sid: &ReservationSid,
        worker: WorkerSid,
        (task, from, to): (&TaskSid, String, String),
        instruction: &ConferenceInstruction,
    ) {
        let conference = self.conference_named(task.as_str(), instruction.callback());
        let joins = |kind, end_on_exit| Joins {
            sid: None,
            kind,
            label: None,
            muted: false,
            end_on_exit,
            start_on_enter: true,
            then: Then::HangUp,
        };
        let kind = ParticipantKind::Agent { worker, reservation: Some(sid.clone()) };
        self.join(&conference, agent, joins(kind, instruction.end_conference_on_exit));
        let customer = Dialled {
            conference,
            joins: joins(ParticipantKind::Customer, instruction.end_conference_on_customer_exit),
            reservation: Some(sid.clone()),
            task: Some(task.clone()),
        };
        let customer = self.dial(from, to, self.facts.ring_timeout, customer);
        if let Some(task) = self.tasks.get_mut(task) {
            task.call = Some(customer.clone());
        }
        if let Some(reservation) = self.reservations.get_mut(sid) {
            reservation.ringing = Some(customer);
        }
    }

    pub(super) fn phone_answered(&mut self, call: &CallSid, dialled: Dialled) {
        let Dialled { conference, joins, reservation, task } = dialled;
        self.join(&conference, call, joins);
        let (Some(reservation), Some(task)) = (reservation, task) else { return };
        let Some(state) = self.reservations.get_mut(&reservation) else { return };
        state.ringing = None;
        self.set_reservation(&reservation, ReservationStatus::Accepted);
        let agent = self.conferences.get(&conference).and_then(|conference| {
            let mut live = conference.live();
            live.find(|other| other.kind.reservation() == Some(&reservation)).map(|other| other.call.clone())
        });
        self.name_conference(&task, &conference, agent.as_ref(), call);
    }

    /// A dialled phone was not answered, or is no longer needed.
    pub(super) fn phone_not_answered(&mut self, call: &CallSid, dialled: &Dialled) {
        let status = self.calls.get(call).map_or(CallStatus::Canceled, |call| call.status);
        match (&dialled.reservation, &dialled.task) {
            (Some(reservation), _) => {
                self.cancel_outbound(reservation, self.not_answered_code(status));
                let alone = self.conferences.get(&dialled.conference);
                if alone.is_some_and(|conference| conference.live().next().is_some()) {
                    self.end_conference(&dialled.conference, &ConferenceEnd::Api);
                }
            }
            (None, Some(task)) => self.tell_add_failed(task, dialled, status),
            (None, None) => {
                let waits = |conference: &Conference| conference.participants.is_empty();
                if self.conferences.get(&dialled.conference).is_some_and(waits) {
                    // The conference was made for this call alone.
                    self.end_conference(&dialled.conference, &ConferenceEnd::Api);
                }
            }
        }
    }

    /// There will be no customer: reservation and task are canceled.
    pub(super) fn cancel_outbound(&mut self, sid: &ReservationSid, code: u32) {
        let Some(reservation) = self.reservations.get_mut(sid) else { return };
        if reservation.status != ReservationStatus::Pending {
            return;
        }
        reservation.canceled_code = Some(code);
        let (task, worker) = (reservation.task.clone(), reservation.worker.clone());
        self.set_reservation(sid, ReservationStatus::Canceled);
        self.cancel_task(&task, &format!("RoutingTarget not available for Reservation acceptance: {worker}"));
    }

    /// The agent's phone does not answer, or its leg has left while the customer's phone rings.
    pub(super) fn placed_no_more(&mut self, reservation: &ReservationSid) {
        let Some(state) = self.reservations.get(reservation) else { return };
        let dials =
            self.tasks.get(&state.task).is_some_and(|task| task.call.is_some() && task.call == state.ringing)
                || self.to_dial(&state.task).is_some();
        if dials {
            self.cancel_outbound(reservation, self.facts.agent_gone_code);
        }
    }

    /// Stops phones that ring for a conference that has ended.
    pub(super) fn stop_dialling(&mut self, sid: &ConferenceSid) {
        let rings: Vec<CallSid> = self
            .calls
            .iter()
            .filter(|(_, call)| match &call.doing {
                Doing::Ringing(Joining::Dialled(dialled)) => dialled.conference == *sid,
                _ => false,
            })
            .map(|(call, _)| call.clone())
            .collect();
        for call in rings {
            self.end_call(&call, CallStatus::Canceled, Left::HungUp);
        }
    }

    /// Flex adds a third party to the task's conference.
    pub(super) fn add_external(
        &mut self,
        task: &TaskSid,
        from: String,
        to: String,
    ) -> Result<Reply, ApiError> {
        let conference =
            self.open_conference(task.as_str()).ok_or_else(|| ApiError::not_found("conference"))?;
        let participant = ParticipantSid::numbered(self.number());
        let joins = Joins {
            sid: Some(participant.clone()),
            kind: ParticipantKind::External,
            label: None,
            muted: false,
            end_on_exit: false,
            start_on_enter: true,
            then: Then::HangUp,
        };
        let dialled = Dialled { conference, joins, reservation: None, task: Some(task.clone()) };
        self.dial(from, to, self.facts.ring_timeout, dialled);
        let bridge = Self::bridge_participant_stub(task, &participant, "external");
        Ok(Reply { status: 201, body: Value::Null, etag: None, bridge })
    }

    /// `POST Conferences/{CF or name}/Participants`.
    pub(super) fn create_participant(
        &mut self,
        conference: &str,
        new: NewParticipant,
    ) -> Result<Reply, ApiError> {
        if !(new.to.starts_with('+') || new.to.starts_with("sip:")) {
            return Err(ApiError::bad_request("To: the twin dials numbers and SIP addresses alone"));
        }
        let sid = match ConferenceSid::parse(conference) {
            Ok(sid) => {
                let name = self.conferences.get(&sid).map(|conference| conference.name.clone());
                let open = name.and_then(|name| self.open_conference(&name)).filter(|open| *open == sid);
                open.ok_or_else(|| ApiError::not_found("conference"))?
            }
            Err(_) => {
                let callback = new.status_callback.as_deref().filter(|url| !url.is_empty()).map(|url| {
                    Callback::new(
                        url,
                        new.status_callback_method.as_deref(),
                        new.status_callback_event.as_deref().unwrap_or_default(),
                    )
                });
                self.conference_named(conference, callback)
            }
        };
        let joins = Joins {
            sid: None,
            kind: ParticipantKind::External,
            label: new.label.clone(),
            muted: new.muted,
            end_on_exit: new.end_conference_on_exit,
            start_on_enter: new.start_conference_on_enter,
            then: Then::HangUp,
        };
        let timeout = new.timeout.map_or(self.facts.ring_timeout, Millis::seconds);
        let dialled = Dialled { conference: sid.clone(), joins, reservation: None, task: None };
        let call = self.dial(new.from, new.to, timeout, dialled);
        let body = self.rest_queued_participant(&sid, &call, new.label.as_deref());
        Ok(Reply { status: 201, body, etag: None, bridge: Value::Null })
    }

    fn not_answered_code(&self, status: CallStatus) -> u32 {
        match status {
            CallStatus::Busy => self.facts.busy_code,
            CallStatus::Canceled => self.facts.agent_gone_code,
            CallStatus::Ringing | CallStatus::InProgress | CallStatus::Completed | CallStatus::NoAnswer => {
                self.facts.no_answer_code
            }
        }
    }

    fn tell_add_failed(&mut self, task: &TaskSid, dialled: &Dialled, status: CallStatus) {
        let Some(sid) = &dialled.joins.sid else { return };
        let mut payload = Self::bridge_participant_stub(task, sid, dialled.joins.kind.as_str());
        payload["participant_sid"] = json!(sid);
        payload["channel_type"] = json!("voice");
        payload["error_data"] = json!({
            "error_code": self.not_answered_code(status), "error_message": status.as_str()
        });
        self.tell(self.workers_on(task), "participant.add.failed", payload);
    }
}
