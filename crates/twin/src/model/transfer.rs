//! Handing a task over to another worker, and listening in
//! (<https://www.twilio.com/docs/flex/end-user-guide/warm-transfer>).

use super::{
    Model,
    api::{ApiError, Effect, ParticipantChange},
    requests::{Answer, ok},
    state::{
        Joining, ParticipantKind, Reservation, ReservationStatus, TaskStatus, Transfer, TransferMode,
        TransferStatus,
    },
    taskrouter::parse_attributes,
};
use rejoin_protocol::{CallSid, ConferenceSid, ReservationSid, TaskSid, TransferSid, WorkerSid};
use serde_json::Value;

impl Model {
    /// `POST …/Transfers`: the customer is put on hold, and the task is offered to the other worker. With a cold one
    /// the first worker's leg is taken out at once.
    ///
    /// # Errors
    /// When the task is not the worker's to hand over, is being handed over already, or the other one cannot take it.
    pub(super) fn transfer(
        &mut self,
        worker: &WorkerSid,
        from: &ReservationSid,
        to: &str,
        mode: Option<&str>,
        attributes: Option<&str>,
    ) -> Answer {
        let mode = match mode {
            None | Some("WARM") => TransferMode::Warm,
            Some("COLD") => TransferMode::Cold,
            Some(_) => return Err(ApiError::bad_request("Mode is neither WARM nor COLD")),
        };
        let attributes = attributes.map(parse_attributes).transpose()?;
        let reservation = self.reservations.get(from).ok_or_else(|| ApiError::not_found("reservation"))?;
        if reservation.worker != *worker || reservation.status != ReservationStatus::Accepted {
            return Err(ApiError::bad_request("the task is not assigned to this worker"));
        }
        let task_sid = reservation.task.clone();
        let target = WorkerSid::parse(to).ok().and_then(|sid| Some((self.workers.get(&sid)?, sid)));
        let Some((state, target)) = target else {
            return Err(ApiError::bad_request("To is no worker; transfers to a queue are not modelled"));
        };
        let Some(task) = self.tasks.get(&task_sid) else { return Err(ApiError::not_found("task")) };
        if task.status != TaskStatus::Assigned {
            return Err(ApiError::bad_request("the task is not assigned, or is being transferred already"));
        }
        if !self.is_available(state) || self.free_capacity(&target, task.channel) == 0 {
            return Err(ApiError::bad_request("the worker is not available, or has no capacity left"));
        }
        let Some((conference, customer)) = self.customer_in_conference(&task_sid) else {
            return Err(ApiError::bad_request("the customer is in no conference of this task"));
        };
        let sid = TransferSid::numbered(self.number());
        let now = self.now;
        let Some(task) = self.tasks.get_mut(&task_sid) else { return Err(ApiError::not_found("task")) };
        if let Some(attributes) = attributes {
            task.attributes = attributes;
        }
        task.handed_on = mode == TransferMode::Cold;
        let transfer = Transfer {
            task: task_sid.clone(),
            reservation: from.clone(),
            worker: worker.clone(),
            queue: task.queue.clone(),
            workflow: task.workflow.clone(),
            to: target.clone(),
            mode,
            status: TransferStatus::Initiated,
            failed: None,
            created: now,
            updated: now,
        };
        self.transfers.insert(sid.clone(), transfer);
        self.log(format!("{sid} {task_sid} is handed over to {target} ({})", mode.as_str()));
        let hold = ParticipantChange { hold: Some(true), ..ParticipantChange::default() };
        self.change_participant(&conference, &customer, &hold)?;
        self.tell_transfer(&sid);
        self.reserve(&task_sid, &target, Some(sid.clone()));
        if mode == TransferMode::Cold {
            let own = self.participant_of(&task_sid, |kind| kind.reservation() == Some(from));
            if let Some((_, leg)) = own {
                self.kick(&leg);
            }
        }
        self.transfer_reply(&sid)
    }

    /// `POST …/Transfers/TT…`.
    ///
    /// # Errors
    /// When it is another worker's, or over.
    pub(super) fn update_transfer(&mut self, worker: &WorkerSid, sid: &TransferSid, status: &str) -> Answer {
        let transfer = self.transfers.get(sid).filter(|transfer| transfer.worker == *worker);
        let transfer = transfer.ok_or_else(|| ApiError::not_found("transfer"))?;
        if status != TransferStatus::Canceled.as_str() {
            return Err(ApiError::bad_request("TransferStatus is not canceled"));
        }
        if transfer.status != TransferStatus::Initiated {
            return Err(ApiError::bad_request("the transfer is over"));
        }
        let task = transfer.task.clone();
        self.end_transfer(sid, TransferStatus::Canceled, None);
        for offer in self.pending_of(&task) {
            self.set_reservation(&offer, ReservationStatus::Canceled);
        }
        self.transfer_reply(sid)
    }

    fn transfer_reply(&self, sid: &TransferSid) -> Answer {
        let transfer = self.transfers.get(sid).ok_or_else(|| ApiError::not_found("transfer"))?;
        Ok(ok(Value::Null, self.bridge_transfer(sid, transfer)))
    }

    /// What becomes of a reservation decides about the transfer that it came by.
    pub(super) fn settle_transfer(&mut self, sid: &ReservationSid, status: ReservationStatus) {
        use ReservationStatus as S;
        let Some(transfer) = self.reservations.get(sid).and_then(|state| state.transfer.clone()) else {
            return;
        };
        let (end, why) = match status {
            S::Accepted => (TransferStatus::Complete, None),
            S::Rejected => {
                (TransferStatus::Failed, Some("Transfer failed because the reservation was rejected"))
            }
            S::Timeout => (TransferStatus::Failed, Some("Transfer failed because the reservation timed out")),
            S::Canceled => {
                (TransferStatus::Failed, Some("Transfer failed because the reservation was canceled"))
            }
            S::Pending | S::Wrapping | S::Completed => return,
        };
        self.end_transfer(&transfer, end, why);
    }

    fn end_transfer(&mut self, sid: &TransferSid, status: TransferStatus, why: Option<&'static str>) {
        let now = self.now;
        let Some(transfer) =
            self.transfers.get_mut(sid).filter(|transfer| transfer.status == TransferStatus::Initiated)
        else {
            return;
        };
        transfer.status = status;
        transfer.failed = why;
        transfer.updated = now;
        self.log(format!("{sid} is {}", status.as_str()));
        self.tell_transfer(sid);
    }

    /// Tells the worker who hands over.
    fn tell_transfer(&mut self, sid: &TransferSid) {
        let Some(transfer) = self.transfers.get(sid) else { return };
        let event_type = format!("task.transfer-{}", transfer.status.event());
        let worker = transfer.worker.clone();
        let payload = self.bridge_transfer(sid, transfer);
        self.effects.push(Effect::Tell { worker, event_type, payload });
    }

    /// The transfer that is under way from this reservation.
    pub(super) fn open_transfer_from(&self, from: &ReservationSid) -> Option<(&TransferSid, &Transfer)> {
        self.transfers.iter().find(|(_, transfer)| {
            transfer.reservation == *from && transfer.status == TransferStatus::Initiated
        })
    }

    /// Reservations of the task that are still on offer.
    fn pending_of(&self, task: &TaskSid) -> Vec<ReservationSid> {
        let pending = |state: &Reservation| state.task == *task && state.status == ReservationStatus::Pending;
        self.reservations.iter().filter(|(_, state)| pending(state)).map(|(sid, _)| sid.clone()).collect()
    }

    /// The conference of a task that its customer is in, and the customer's leg.
    pub(super) fn customer_in_conference(&self, task: &TaskSid) -> Option<(ConferenceSid, CallSid)> {
        self.participant_of(task, |kind| *kind == ParticipantKind::Customer)
    }

    /// A conference has ended: whoever is being offered its task is not needed any more.
    pub(super) fn call_is_over(&mut self, conference: &ConferenceSid) {
        let name = self.conferences.get(conference).map(|state| state.name.clone()).unwrap_or_default();
        let Ok(task) = TaskSid::parse(&name) else { return };
        let handed_over =
            |transfer: &Transfer| transfer.task == task && transfer.status == TransferStatus::Initiated;
        if self.transfers.values().any(handed_over) {
            for offer in self.pending_of(&task) {
                self.set_reservation(&offer, ReservationStatus::Canceled);
            }
        }
        self.nobody_takes(&task);
    }

    /// A task that was handed on by a cold transfer is taken by nobody: its call is over.
    fn nobody_takes(&mut self, sid: &TaskSid) {
        let Some(task) = self.tasks.get_mut(sid).filter(|task| task.handed_on) else { return };
        task.handed_on = false;
        let wraps = self
            .reservations
            .values()
            .any(|reservation| reservation.task == *sid && reservation.status == ReservationStatus::Wrapping);
        if !wraps {
            return self.cancel_task(sid, "hangup");
        }
        for offer in self.pending_of(sid) {
            self.set_reservation(&offer, ReservationStatus::Canceled);
        }
        if let Some(task) = self.tasks.get_mut(sid).filter(|task| task.status == TaskStatus::Pending) {
            task.status = TaskStatus::Wrapping;
        }
    }

    /// `Instruction=supervise`: the supervisor's phone rings.
    ///
    /// # Errors
    /// When there is no call to listen to, or the phone is not known.
    pub(super) fn supervise(
        &mut self,
        sid: &ReservationSid,
        supervisor: WorkerSid,
        to: &str,
    ) -> Result<(), ApiError> {
        let reservation = self.reservations.get(sid).ok_or_else(|| ApiError::not_found("reservation"))?;
        let task = reservation.task.clone();
        if reservation.status != ReservationStatus::Accepted || self.open_conference(task.as_str()).is_none()
        {
            return Err(ApiError::bad_request("there is no call to listen to"));
        }
        let phone = self.phone_of(to)?;
        self.ring(phone, String::new(), to.to_owned(), Joining::Supervise { task, supervisor });
        Ok(())
    }
}
