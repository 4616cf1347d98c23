//! Transfers of a task to another worker, and monitoring
//! (<https://www.twilio.com/docs/flex/end-user-guide/warm-transfer>).

use super::{
    Model,
    api::{ApiError, Effect, ParticipantChange},
    requests::{Answer, ok},
    state::{
        CallStatus, Joining, Left, ParticipantKind, Reservation, ReservationStatus, TaskStatus, Transfer,
        TransferMode, TransferStatus, TransferTo,
    },
    taskrouter::parse_attributes,
};
use rejoin_protocol::{
    CallSid, ConferenceSid, ReservationSid, TaskQueueSid, TaskSid, TransferSid, WorkerSid,
};
use serde_json::Value;

impl Model {
    /// `POST …/Transfers`: the customer is put on hold, and the task is offered to the other worker, or to one of the
    /// queue. A cold transfer removes the first worker's leg at once.
    ///
    /// # Errors
    /// When the task is not the worker's to hand over, is being handed over already, or the other worker cannot
    /// accept it.
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
        let target =
            self.target(to).ok_or_else(|| ApiError::bad_request("To is neither a worker nor a queue"))?;
        let Some(task) = self.tasks.get(&task_sid) else { return Err(ApiError::not_found("task")) };
        if task.status != TaskStatus::Assigned {
            return Err(ApiError::bad_request("the task is not assigned, or is being transferred already"));
        }
        let can = match &target {
            TransferTo::Worker(worker) => self.could_take(worker, task.channel),
            TransferTo::Queue(_) => true,
        };
        if !can {
            return Err(ApiError::bad_request("the worker is not available, or has no capacity left"));
        }
        let Some((conference, customer)) = self.customer_in_conference(&task_sid) else {
            return Err(ApiError::bad_request("the customer is in no conference of this task"));
        };
        let sid = TransferSid::numbered(self.number());
        let now = self.now;
        let Some(task) = self.tasks.get_mut(&task_sid) else { return Err(ApiError::not_found("task")) };
        if let Some(attributes) = attributes {
            task.attributes = attributes.into();
        }
        task.handed_on = mode == TransferMode::Cold;
        task.rejected_by.clear();
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
        self.log(format!("{sid} {task_sid} is handed over to {} ({})", target.as_str(), mode.as_str()));
        let hold = ParticipantChange { hold: Some(true), ..ParticipantChange::default() };
        self.change_participant(&conference, &customer, &hold)?;
        self.tell_transfer(&sid);
        match &target {
            TransferTo::Worker(worker) => self.reserve(&task_sid, worker, Some(sid.clone())),
            TransferTo::Queue(queue) => self.enter_queue(&task_sid, queue),
        }
        if mode == TransferMode::Cold {
            let own = self.participant_of(&task_sid, |kind| kind.reservation() == Some(from));
            if let Some((_, leg)) = own {
                self.end_call(&leg, CallStatus::Completed, Left::Transferred);
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

    pub(super) fn target(&self, to: &str) -> Option<TransferTo> {
        let worker = WorkerSid::parse(to).ok().filter(|sid| self.workers.contains_key(sid));
        let queue = || {
            let sid = TaskQueueSid::parse(to).ok()?;
            self.account.queues.iter().any(|queue| queue.sid == sid).then_some(TransferTo::Queue(sid))
        };
        worker.map(TransferTo::Worker).or_else(queue)
    }

    /// True when the worker is available and has capacity.
    pub(super) fn could_take(&self, worker: &WorkerSid, channel: usize) -> bool {
        self.workers.get(worker).is_some_and(|state| self.is_available(state))
            && self.free_capacity(worker, channel) > 0
    }

    fn enter_queue(&mut self, sid: &TaskSid, queue: &TaskQueueSid) {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(sid) else { return };
        task.queue = Some(queue.clone());
        task.queue_entered = Some(now);
        self.stream_task(sid, "task-queue.entered");
    }

    /// True while a transfer takes the task to a queue, so that its workflow does not route it.
    pub(super) fn is_handed_to_queue(&self, sid: &TaskSid) -> bool {
        self.open_transfers()
            .any(|(_, transfer)| transfer.task == *sid && matches!(transfer.to, TransferTo::Queue(_)))
    }

    fn open_transfers(&self) -> impl Iterator<Item = (&TransferSid, &Transfer)> {
        self.transfers.iter().filter(|(_, transfer)| transfer.status == TransferStatus::Initiated)
    }

    /// Offers transfers to a queue to its worker idle for longest.
    pub(super) fn offer_transfers(&mut self) {
        let offers: Vec<_> = self
            .open_transfers()
            .filter_map(|(sid, transfer)| {
                let waits =
                    matches!(transfer.to, TransferTo::Queue(_)) && self.pending_of(&transfer.task).is_empty();
                waits.then(|| (sid.clone(), transfer.task.clone()))
            })
            .collect();
        for (sid, task) in offers {
            if let Some(worker) = self.who_takes(&sid, &task) {
                self.reserve(&task, &worker, Some(sid));
            }
        }
    }

    fn who_takes(&self, sid: &TransferSid, task: &TaskSid) -> Option<WorkerSid> {
        let transfer = self.transfers.get(sid)?;
        let task = self.tasks.get(task)?;
        let stays = |worker: &WorkerSid| transfer.mode == TransferMode::Warm && *worker == transfer.worker;
        let may = |worker: &WorkerSid| {
            !stays(worker) && !task.rejected_by.contains(worker) && self.could_take(worker, task.channel)
        };
        let free = self.workers.iter().filter(|(sid, _)| may(sid));
        free.min_by_key(|(sid, worker)| (worker.last_reserved, (*sid).clone())).map(|(sid, _)| sid.clone())
    }

    fn transfer_reply(&self, sid: &TransferSid) -> Answer {
        let transfer = self.transfers.get(sid).ok_or_else(|| ApiError::not_found("transfer"))?;
        Ok(ok(Value::Null, self.bridge_transfer(sid, transfer)))
    }

    /// Updates the transfer that a reservation came by from the reservation's new status.
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
        let to_queue =
            self.transfers.get(&transfer).is_some_and(|transfer| matches!(transfer.to, TransferTo::Queue(_)));
        if to_queue && end == TransferStatus::Failed {
            return self.tell_attempt(&transfer);
        }
        self.end_transfer(&transfer, end, why);
    }

    /// A worker of the queue did not accept it; the next one may.
    fn tell_attempt(&mut self, sid: &TransferSid) {
        let Some(transfer) =
            self.transfers.get(sid).filter(|transfer| transfer.status == TransferStatus::Initiated)
        else {
            return;
        };
        let payload = self.bridge_transfer(sid, transfer);
        let event_type = "task.transfer-attempt-failed".into();
        self.effects.push(Effect::Tell { worker: transfer.worker.clone(), event_type, payload });
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

    /// Sends the transfer's state to the worker who hands over.
    fn tell_transfer(&mut self, sid: &TransferSid) {
        let Some(transfer) = self.transfers.get(sid) else { return };
        let event_type = format!("task.transfer-{}", transfer.status.event());
        let (task, from) = (transfer.task.clone(), transfer.reservation.clone());
        let worker = transfer.worker.clone();
        let payload = self.bridge_transfer(sid, transfer);
        self.record(&event_type, &task, Some(&from));
        self.effects.push(Effect::Tell { worker, event_type, payload });
    }

    /// The open transfer from this reservation.
    pub(super) fn open_transfer_from(&self, from: &ReservationSid) -> Option<(&TransferSid, &Transfer)> {
        self.transfers.iter().find(|(_, transfer)| {
            transfer.reservation == *from && transfer.status == TransferStatus::Initiated
        })
    }

    /// Pending reservations of the task.
    fn pending_of(&self, task: &TaskSid) -> Vec<ReservationSid> {
        let pending = |state: &Reservation| state.task == *task && state.status == ReservationStatus::Pending;
        self.reservations.iter().filter(|(_, state)| pending(state)).map(|(sid, _)| sid.clone()).collect()
    }

    /// The conference in which the task's customer is, and the customer's leg.
    pub(super) fn customer_in_conference(&self, task: &TaskSid) -> Option<(ConferenceSid, CallSid)> {
        self.participant_of(task, |kind| *kind == ParticipantKind::Customer)
    }

    /// A conference has ended: offers of its task are withdrawn.
    pub(super) fn call_is_over(&mut self, conference: &ConferenceSid) {
        let name = self.conferences.get(conference).map(|state| state.name.clone()).unwrap_or_default();
        let Ok(task) = TaskSid::parse(&name) else { return };
        let under_way: Vec<TransferSid> = self
            .open_transfers()
            .filter(|(_, transfer)| transfer.task == task)
            .map(|(sid, _)| sid.clone())
            .collect();
        for transfer in under_way {
            for offer in self.pending_of(&task) {
                self.set_reservation(&offer, ReservationStatus::Canceled);
            }
            self.end_transfer(
                &transfer,
                TransferStatus::Failed,
                Some("Transfer failed because the call is over"),
            );
        }
        self.nobody_takes(&task);
    }

    /// Nobody accepts a task after a cold transfer, and its call is over.
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
