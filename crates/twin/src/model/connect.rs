//! From a reservation to a conference: the agent's phone rings, is answered, and customer and agent meet.

use super::{
    Model,
    api::{ApiError, ConferenceInstruction},
    conference::Joins,
    state::{CallKind, CallStatus, Doing, Joining, Left, ParticipantKind, ReservationStatus, Then},
    twiml::Callback,
};
use rejoin_protocol::{CallSid, ConferenceSid, ParticipantSid, ReservationSid, TaskSid, WorkerSid};
use serde_json::{Value, json};

impl ConferenceInstruction {
    /// The callback for the conference's events, if this instruction creates the conference.
    pub(super) fn callback(&self) -> Option<Callback> {
        let url = self.status_callback.as_deref().filter(|url| !url.is_empty())?;
        let events = self.status_callback_event.as_deref().unwrap_or_default();
        Some(Callback::new(url, self.status_callback_method.as_deref(), events))
    }
}

impl Model {
    /// `Instruction=conference`: the agent's phone rings.
    pub(super) fn connect(
        &mut self,
        sid: &ReservationSid,
        instruction: &ConferenceInstruction,
    ) -> Result<(), ApiError> {
        let Some(reservation) = self.reservations.get(sid) else {
            return Err(ApiError::not_found("reservation"));
        };
        if reservation.status != ReservationStatus::Pending || reservation.ringing.is_some() {
            return Err(ApiError {
                status: 400,
                code: 40136,
                message: "the reservation is not pending any more".into(),
            });
        }
        let task = self.tasks.get(&reservation.task);
        let outbound = self.to_dial(&reservation.task).is_some();
        let waits =
            task.and_then(|task| task.call.as_ref()).and_then(|call| self.calls.get(call)).is_some_and(
                |call| matches!(&call.doing, Doing::Queued(queued) if queued.task == reservation.task),
            );
        if !waits && !outbound && self.customer_in_conference(&reservation.task).is_none() {
            return Err(ApiError::bad_request("the task has no call that waits"));
        }
        let from = instruction.from.clone().or_else(|| {
            task.and_then(|task| task.attributes.get("from")).and_then(Value::as_str).map(str::to_owned)
        });
        let worker = reservation.worker.clone();
        let to = instruction.to.clone().or_else(|| {
            let contact = self.workers.get(&worker)?.attributes.get("contact_uri")?;
            contact.as_str().map(str::to_owned)
        });
        let to = to.ok_or_else(|| ApiError::bad_request("there is neither To nor a contact_uri"))?;
        // An agent's phone need not be a browser.
        let phone = if to.starts_with("client:") { self.phone_of(&to)? } else { worker };
        let joining = Joining::Reservation(sid.clone(), instruction.clone());
        let call = self.ring(phone, from.unwrap_or_default(), to, joining);
        if let Some(reservation) = self.reservations.get_mut(sid) {
            reservation.ringing = Some(call);
        }
        Ok(())
    }

    /// The worker of the phone `client:identity?parameters`.
    pub(super) fn phone_of(&self, to: &str) -> Result<WorkerSid, ApiError> {
        let identity = to.split('?').next().unwrap_or(to).strip_prefix("client:");
        identity
            .and_then(|identity| self.workers.iter().find(|(_, worker)| worker.identity == identity))
            .map(|(sid, _)| sid.clone())
            .ok_or_else(|| ApiError::bad_request("To is not the client of a worker"))
    }

    /// A phone could not be reached, or the leg ended while it rang.
    pub(super) fn set_up_failed(&mut self, call: &CallSid, joining: &Joining) {
        let reservation = match joining {
            Joining::Reservation(reservation, _) => reservation,
            Joining::Participant { .. } | Joining::Supervise { .. } => return,
            Joining::Dialled(dialled) => return self.phone_not_answered(call, dialled),
            Joining::Document(_) => return,
        };
        self.placed_no_more(reservation);
        if self
            .reservations
            .get(reservation)
            .is_some_and(|reservation| reservation.status == ReservationStatus::Pending)
        {
            self.set_reservation(reservation, ReservationStatus::Canceled);
        }
    }

    /// The phone was answered: its leg joins.
    pub(super) fn phone_picked_up(&mut self, call: &CallSid, joining: Joining) {
        match joining {
            Joining::Dialled(dialled) => self.phone_answered(call, *dialled),
            Joining::Document(begins) => self.begin_document(call, *begins),
            Joining::Reservation(reservation, instruction) => {
                self.bridge(call, &reservation, &instruction);
            }
            Joining::Participant { task, reservation, participant } => match self.worker_of_leg(call) {
                Some(worker) => {
                    let kind = ParticipantKind::Agent { worker, reservation: Some(reservation) };
                    self.join_later(call, &task, Some(participant), kind);
                }
                None => self.end_call(call, CallStatus::Completed, Left::HungUp),
            },
            Joining::Supervise { task, supervisor } => {
                self.join_later(call, &task, None, ParticipantKind::Supervisor(supervisor));
            }
        }
    }

    /// A leg joins a conference that others are in already.
    fn join_later(
        &mut self,
        call: &CallSid,
        task: &TaskSid,
        sid: Option<ParticipantSid>,
        kind: ParticipantKind,
    ) {
        let Some(conference) = self.open_conference(task.as_str()) else {
            return self.end_call(call, CallStatus::Completed, Left::HungUp);
        };
        let joins = Joins {
            sid,
            muted: matches!(kind, ParticipantKind::Supervisor(_)),
            kind,
            label: None,
            end_on_exit: false,
            start_on_enter: true,
            then: Then::HangUp,
        };
        self.join(&conference, call, joins);
    }

    fn worker_of_leg(&self, call: &CallSid) -> Option<WorkerSid> {
        match &self.calls.get(call)?.kind {
            CallKind::Agent(worker) => Some(worker.clone()),
            CallKind::Customer { .. } | CallKind::Dialled | CallKind::Line => None,
        }
    }

    /// Customer and agent meet in a conference that is named after the task.
    fn bridge(&mut self, agent: &CallSid, sid: &ReservationSid, instruction: &ConferenceInstruction) {
        let Some(reservation) = self.reservations.get_mut(sid) else {
            return self.end_call(agent, CallStatus::Completed, Left::HungUp);
        };
        reservation.ringing = None;
        let (task_sid, worker) = (reservation.task.clone(), reservation.worker.clone());
        if let Some((conference, _)) = self.customer_in_conference(&task_sid) {
            // After a transfer: the conference exists, and has its callback.
            self.set_reservation(sid, ReservationStatus::Accepted);
            let kind = ParticipantKind::Agent { worker, reservation: Some(sid.clone()) };
            let joins = Joins {
                sid: None,
                kind,
                label: None,
                muted: false,
                end_on_exit: instruction.end_conference_on_exit,
                start_on_enter: true,
                then: Then::HangUp,
            };
            return self.join(&conference, agent, joins);
        }
        if let Some((from, to)) = self.to_dial(&task_sid) {
            return self.bridge_outbound(agent, sid, worker, (&task_sid, from, to), instruction);
        }
        let customer = self.tasks.get(&task_sid).and_then(|task| task.call.clone());
        let queued = customer.as_ref().and_then(|customer| self.dequeue(customer));
        let (Some(customer), Some(queued)) = (customer, queued) else {
            self.set_reservation(sid, ReservationStatus::Canceled);
            return self.end_call(agent, CallStatus::Completed, Left::HungUp);
        };
        self.set_reservation(sid, ReservationStatus::Accepted);
        let conference = self.conference_named(task_sid.as_str(), instruction.callback());
        let joins = |kind, end_on_exit, then| Joins {
            sid: None,
            kind,
            label: None,
            muted: false,
            end_on_exit,
            start_on_enter: true,
            then,
        };
        let then =
            Then::Enqueue { action: queued.action, workflow: queued.workflow, entered: queued.entered };
        self.join(
            &conference,
            &customer,
            joins(ParticipantKind::Customer, instruction.end_conference_on_customer_exit, then),
        );
        let kind = ParticipantKind::Agent { worker, reservation: Some(sid.clone()) };
        self.join(&conference, agent, joins(kind, instruction.end_conference_on_exit, Then::HangUp));
        self.name_conference(&task_sid, &conference, Some(agent), &customer);
    }

    /// TaskRouter writes the conference and its legs into the task.
    pub(super) fn name_conference(
        &mut self,
        sid: &TaskSid,
        conference: &ConferenceSid,
        agent: Option<&CallSid>,
        customer: &CallSid,
    ) {
        let Some(task) = self.tasks.get_mut(sid) else { return };
        let here = json!({"sid": conference, "participants": {"worker": agent, "customer": customer}});
        task.attributes.change(|attributes| {
            if let Value::Object(attributes) = attributes {
                attributes.insert("conference".into(), here);
            }
        });
        task.version += 1;
        task.updated = self.now;
        self.tell_task(sid, "task.updated");
    }
}
