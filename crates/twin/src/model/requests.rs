//! Requests of the REST API and of Flex.

use super::{
    Model,
    api::{ApiError, ConferenceInstruction, Form, ParticipantChange, Reply, Request},
    chat::ChatRequest,
    expression::{Expression, lookup},
    state::{
        CallStatus, ConferenceEnd, ConferenceStatus, Joining, Left, ParticipantKind, ReservationStatus,
        TaskStatus,
    },
    taskrouter::parse_attributes,
    twiml::{Link, http_method},
    view::list,
};
use rejoin_protocol::{
    ActivitySid, CallSid, ConferenceSid, InteractionSid, ParticipantSid, ReservationSid, TaskSid, WorkerSid,
    WorkflowSid,
};
use serde_json::Value;

impl ApiError {
    /// 404.
    pub(crate) fn not_found(what: &str) -> Self {
        Self { status: 404, code: 20404, message: format!("The requested {what} was not found") }
    }

    /// 400 because of a parameter.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self { status: 400, code: 20001, message: message.into() }
    }
}

pub(super) type Answer = Result<Reply, ApiError>;

pub(super) fn ok(body: Value, bridge: Value) -> Reply {
    Reply { status: 200, body, etag: None, bridge }
}

impl Model {
    /// A reply in the requested form.
    fn said(&self, body: impl FnOnce() -> Value, bridge: impl FnOnce() -> Value) -> Reply {
        let body = if self.form == Form::Bridge { Value::Null } else { body() };
        let bridge = if self.form == Form::Rest { Value::Null } else { bridge() };
        ok(body, bridge)
    }
}

/// True when the value is in a comma separated list; without a list always.
fn listed(list: Option<&str>, value: &str) -> bool {
    list.is_none_or(|list| list.split(',').any(|item| item.trim() == value))
}

impl Model {
    pub(super) fn request(&mut self, request: Request) -> Answer {
        match request {
            Request::FetchCall(call) => self.call_reply(&call),
            Request::ListCalls { status } => Ok(self.call_list(status.as_deref())),
            Request::CreateCall(new) => self.create_call(new),
            Request::UpdateCall { call, url, method, fallback_url, fallback_method, twiml, status } => {
                let fallback =
                    fallback_url.map(|url| Link { url, method: http_method(fallback_method.as_deref()) });
                let link = url.map(|url| Link { url, method: http_method(method.as_deref()) });
                self.update_call(&call, link, fallback, twiml, status.as_deref())
            }
            Request::SendMessage { call, content, key } => self.send_message(&call, content, key),
            Request::SubscribeToMessages { call, callback, method, key } => {
                let callback = Link { url: callback, method: http_method(method.as_deref()) };
                self.subscribe_to_messages(&call, callback, key)
            }
            Request::UnsubscribeFromMessages { call, subscription } => {
                self.unsubscribe_from_messages(&call, &subscription)
            }
            Request::FetchConference(conference) => self.conference_reply(&conference),
            Request::ListConferences { friendly_name, status } => {
                Ok(self.conference_list(friendly_name.as_deref(), status.as_deref()))
            }
            Request::UpdateConference { conference, status, announce_url, announce_method } => {
                let announce =
                    announce_url.map(|url| Link { url, method: http_method(announce_method.as_deref()) });
                self.update_conference(&conference, status.as_deref(), announce)
            }
            Request::ListParticipants(conference) => self.participant_list(&conference),
            Request::FetchParticipant(conference, call) => self.participant_reply(&conference, &call),
            Request::UpdateParticipant { conference, call, change } => {
                self.change_participant(&conference, &call, &change)?;
                self.participant_reply(&conference, &call)
            }
            Request::CreateParticipant { conference, new } => self.create_participant(&conference, new),
            Request::RemoveParticipant(conference, call) => {
                self.participant_reply(&conference, &call)?;
                self.kick(&call);
                Ok(Reply { status: 204, body: Value::Null, etag: None, bridge: Value::Null })
            }
            Request::CreateTask(new) => {
                let task = self.create_task(new)?;
                let reply = self.task_reply(&task)?;
                Ok(Reply { status: 201, ..reply })
            }
            Request::FetchTask(task) => self.task_reply(&task),
            Request::ListTasks { assignment_status, workflow, expression } => {
                self.task_list(assignment_status.as_deref(), workflow.as_ref(), expression.as_deref())
            }
            Request::UpdateTask { task, if_match, attributes, assignment_status, reason, priority } => {
                self.check_version(&task, if_match.as_deref())?;
                self.update_task(&task, attributes.as_deref(), assignment_status.as_deref(), reason, priority)
            }
            Request::DeleteTask { task, if_match } => {
                self.check_version(&task, if_match.as_deref())?;
                self.cancel_task(&task, "deleted");
                self.stream_task(&task, "task.deleted");
                self.forget_task(&task);
                Ok(Reply { status: 204, body: Value::Null, etag: None, bridge: Value::Null })
            }
            Request::ListReservations { task, worker, status } => {
                self.reservation_list(task.as_ref(), worker.as_ref(), status.as_deref())
            }
            Request::FetchReservation(reservation) => self.reservation_reply(&reservation),
            Request::UpdateReservation { reservation, status, instruction } => {
                self.update_reservation(&reservation, status.as_deref(), instruction.as_ref())
            }
            Request::FetchWorker(worker) => self.worker_reply(&worker),
            Request::ListWorkers { friendly_name } => Ok(self.worker_list(friendly_name.as_deref())),
            Request::DeleteWorker(worker) => self.delete_worker(&worker),
            Request::UpdateWorkerChannel { worker, channel, capacity } => {
                self.update_worker_channel(&worker, &channel, capacity)
            }
            Request::UpdateWorker { worker, activity, attributes, reject_pending } => {
                self.update_worker(&worker, activity, attributes.as_deref(), reject_pending)
            }
            Request::ListEvents { task, kind, minutes } => {
                Ok(self.event_list(task.as_ref(), kind.as_deref(), minutes))
            }
            Request::ListActivities => Ok(self.activity_list()),
            Request::ListWorkflows => Ok(self.workflow_list()),
            Request::ListTaskQueues => Ok(self.queue_list()),
            Request::SetUp(request) => self.set_up(request),
            Request::ListWorkerChannels(worker) => self.channel_list(&worker),
            Request::UpdateWorkerParticipant { reservation, change } => {
                self.update_worker_participant(&reservation, &change)
            }
            Request::UpdateCustomerParticipant { task, change } => {
                let (conference, call) = self
                    .participant_of(&task, |kind| *kind == ParticipantKind::Customer)
                    .ok_or_else(|| ApiError::not_found("participant"))?;
                self.change_participant(&conference, &call, &change)?;
                self.task_reply(&task)
            }
            Request::Chat(request) => self.chat_request(request),
            Request::ListChannels(task) => {
                let chat = self.chat_with(&task).map(|chat| self.bridge_chat_channels(&chat));
                Ok(ok(Value::Null, chat.unwrap_or_else(|| self.bridge_channels(&task))))
            }
            Request::ListChannelParticipants(task) => {
                let chat = self.chat_with(&task).map(|chat| self.bridge_chat_participants(&chat));
                Ok(ok(Value::Null, chat.unwrap_or_else(|| self.bridge_channel_participants(&task))))
            }
            Request::AddAgentParticipant { task, reservation, to, from } => {
                self.add_agent(&task, &reservation, to, from)
            }
            Request::AddExternalParticipant { task, from, to } => self.add_external(&task, from, to),
            Request::Transfer { worker, reservation, to, mode, attributes } => {
                self.transfer(&worker, &reservation, &to, mode.as_deref(), attributes.as_deref())
            }
            Request::UpdateTransfer { worker, transfer, status } => {
                self.update_transfer(&worker, &transfer, &status)
            }
            Request::KickWorker { task, worker } => {
                let (_, call) = self.leg_of_worker(&task, &worker)?;
                self.kick(&call);
                self.task_reply(&task)
            }
            Request::HoldWorker { task, worker, change } => {
                let (conference, call) = self.leg_of_worker(&task, &worker)?;
                self.change_participant(&conference, &call, &change)?;
                self.task_reply(&task)
            }
            Request::Supervise { reservation, supervisor, to } => {
                self.supervise(&reservation, supervisor, &to)?;
                self.reservation_reply(&reservation)
            }
            Request::CloseChannel(task) => {
                let missing = || ApiError::not_found("channel");
                let conference = self.open_conference(task.as_str()).ok_or_else(missing)?;
                self.end_conference(&conference, &ConferenceEnd::Api);
                Ok(ok(Value::Null, self.bridge_channel(&task)))
            }
            Request::UpdateChannelParticipant { task, participant, change, close } => {
                match self.chat_with(&task) {
                    Some(_) if close => {
                        let interaction = InteractionSid::parse(&format!("KD{}", task.digits()));
                        let interaction = interaction.map_err(|_| ApiError::not_found("interaction"))?;
                        let status = "closed".into();
                        self.chat_request(ChatRequest::UpdateParticipant { interaction, participant, status })
                    }
                    _ => self.update_channel_participant(&task, &participant, &change, close),
                }
            }
        }
    }

    fn update_call(
        &mut self,
        sid: &CallSid,
        link: Option<Link>,
        fallback: Option<Link>,
        twiml: Option<String>,
        status: Option<&str>,
    ) -> Answer {
        let call = self.calls.get(sid).ok_or_else(|| ApiError::not_found("call"))?;
        let refused = || ApiError {
            status: 400,
            code: 21220,
            message: "Call is not in-progress. Cannot redirect.".into(),
        };
        let state = call.status;
        match (status, link, twiml) {
            (Some("completed"), _, _) => match state {
                CallStatus::Ringing | CallStatus::InProgress => self.kick(sid),
                CallStatus::Completed | CallStatus::NoAnswer | CallStatus::Busy | CallStatus::Canceled => {
                    return Err(refused());
                }
            },
            (Some("canceled"), _, _) => match state {
                CallStatus::Ringing => {
                    self.end_call(sid, CallStatus::Canceled, Left::HungUp);
                }
                _ => return Err(refused()),
            },
            (Some(_), _, _) => return Err(ApiError::bad_request("Status is neither completed nor canceled")),
            (None, None, None) => {
                return Err(ApiError::bad_request("neither Url, Twiml nor Status is given"));
            }
            _ if state != CallStatus::InProgress => return Err(refused()),
            // Url wins when both are sent.
            (None, Some(link), _) => {
                if !matches!(reqwest::Url::parse(&link.url), Ok(url) if url.has_host()) {
                    return Err(ApiError {
                        status: 400,
                        code: 21205,
                        message: "Url is not a valid URL".into(),
                    });
                }
                self.redirect(sid, &link, fallback);
            }
            (None, None, Some(twiml)) => {
                if twiml.chars().count() > self.facts.twiml_limit {
                    return Err(ApiError::bad_request(format!(
                        "Twiml is longer than {} characters; serve it under a Url",
                        self.facts.twiml_limit
                    )));
                }
                self.redirect_inline(sid, &twiml);
            }
        }
        self.call_reply(sid)
    }

    pub(super) fn call_reply(&self, sid: &CallSid) -> Answer {
        let call = self.calls.get(sid).ok_or_else(|| ApiError::not_found("call"))?;
        Ok(ok(self.rest_call(sid, call), Value::Null))
    }

    fn call_list(&self, status: Option<&str>) -> Reply {
        let calls: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, call)| listed(status, call.status.as_str()))
            .map(|(sid, call)| self.rest_call(sid, call))
            .collect();
        ok(list("calls", calls), Value::Null)
    }

    fn conference_reply(&self, sid: &ConferenceSid) -> Answer {
        let conference = self.conferences.get(sid).ok_or_else(|| ApiError::not_found("conference"))?;
        Ok(ok(self.rest_conference(sid, conference), Value::Null))
    }

    fn conference_list(&self, name: Option<&str>, status: Option<&str>) -> Reply {
        let conferences: Vec<_> = self
            .conferences
            .iter()
            .filter(|(_, conference)| name.is_none_or(|name| conference.name == name))
            .filter(|(_, conference)| listed(status, conference.status.as_str()))
            .map(|(sid, conference)| self.rest_conference(sid, conference))
            .collect();
        ok(list("conferences", conferences), Value::Null)
    }

    fn update_conference(
        &mut self,
        sid: &ConferenceSid,
        status: Option<&str>,
        announce: Option<Link>,
    ) -> Answer {
        let open = self
            .conferences
            .get(sid)
            .is_some_and(|conference| conference.status != ConferenceStatus::Completed);
        if !open {
            return Err(ApiError::not_found("conference"));
        }
        match status {
            None => {}
            Some("completed") => self.end_conference(sid, &ConferenceEnd::Api),
            Some(_) => return Err(ApiError::bad_request("Status is not completed")),
        }
        if let Some(link) = announce.filter(|link| !link.url.is_empty()) {
            self.announce(sid, None, link);
        }
        self.conference_reply(sid)
    }

    fn participant_list(&self, sid: &ConferenceSid) -> Answer {
        let conference = self.conferences.get(sid).ok_or_else(|| ApiError::not_found("conference"))?;
        let participants: Vec<_> =
            conference.live().map(|participant| self.rest_participant(sid, participant)).collect();
        Ok(ok(list("participants", participants), Value::Null))
    }

    fn participant_reply(&self, sid: &ConferenceSid, call: &CallSid) -> Answer {
        let participant = self.in_conference(sid, call).ok_or_else(|| ApiError::not_found("participant"))?;
        Ok(ok(self.rest_participant(sid, participant), Value::Null))
    }

    fn task_reply(&self, sid: &TaskSid) -> Answer {
        let task = self.tasks.get(sid).ok_or_else(|| ApiError::not_found("task"))?;
        let reply = self.said(|| self.rest_task(sid, task, true), || self.bridge_task(sid, task));
        Ok(Reply { etag: Some(task.version), ..reply })
    }

    fn task_list(
        &self,
        status: Option<&str>,
        workflow: Option<&WorkflowSid>,
        expression: Option<&str>,
    ) -> Answer {
        let expression = expression
            .map(Expression::parse)
            .transpose()
            .map_err(|error| ApiError::bad_request(error.to_string()))?;
        let tasks: Vec<_> = self
            .tasks
            .iter()
            .filter(|(_, task)| listed(status, task.status.as_str()))
            .filter(|(_, task)| workflow.is_none_or(|workflow| *workflow == task.workflow))
            .filter(|(_, task)| {
                expression.as_ref().is_none_or(|wanted| wanted.holds(&|path| lookup(&task.attributes, path)))
            })
            // Lists do not contain the attributes.
            .map(|(sid, task)| self.rest_task(sid, task, false))
            .collect();
        Ok(ok(list("tasks", tasks), Value::Null))
    }

    /// Checks `If-Match` against the version.
    fn check_version(&self, sid: &TaskSid, if_match: Option<&str>) -> Result<(), ApiError> {
        let task = self.tasks.get(sid).ok_or_else(|| ApiError::not_found("task"))?;
        let bare = |tag| if self.facts.if_match_in_quotes { str::trim_matches(tag, '"') } else { tag };
        match if_match {
            Some(wanted) if bare(wanted) != task.version.to_string() => Err(ApiError {
                status: 412,
                code: self.facts.if_match_code,
                message: "The ETag does not match the task's version; fetch it again".into(),
            }),
            _ => Ok(()),
        }
    }

    fn update_task(
        &mut self,
        sid: &TaskSid,
        attributes: Option<&str>,
        status: Option<&str>,
        reason: Option<String>,
        priority: Option<u32>,
    ) -> Answer {
        let now = self.now;
        let attributes = attributes.map(parse_attributes).transpose()?;
        let task = self.tasks.get_mut(sid).ok_or_else(|| ApiError::not_found("task"))?;
        let allowed = match status {
            None => true,
            Some("completed") => matches!(task.status, TaskStatus::Assigned | TaskStatus::Wrapping),
            Some("wrapping") => task.status == TaskStatus::Assigned,
            Some("canceled") => matches!(task.status, TaskStatus::Pending | TaskStatus::Reserved),
            Some(_) => return Err(ApiError::bad_request("AssignmentStatus is not one that can be set")),
        };
        if !allowed {
            return Err(ApiError::bad_request(format!(
                "a task that is {} cannot become {}",
                task.status.as_str(),
                status.unwrap_or_default()
            )));
        }
        if attributes.is_some() || priority.is_some() {
            task.version += 1;
            task.updated = now;
            task.priority = priority.unwrap_or(task.priority);
            if let Some(attributes) = attributes {
                task.attributes = attributes.into();
            }
            self.tell_task(sid, "task.updated");
        }
        match status {
            Some("completed") => self.complete_task(sid, reason),
            Some("wrapping") => self.wrap_task(sid),
            Some("canceled") => self.cancel_task(sid, reason.as_deref().unwrap_or_default()),
            _ => {}
        }
        self.task_reply(sid)
    }

    pub(super) fn reservation_reply(&self, sid: &ReservationSid) -> Answer {
        let reservation = self.reservations.get(sid).ok_or_else(|| ApiError::not_found("reservation"))?;
        let reply = self
            .said(|| self.rest_reservation(sid, reservation), || self.bridge_reservation(sid, reservation));
        Ok(Reply { etag: Some(reservation.version), ..reply })
    }

    fn reservation_list(
        &self,
        task: Option<&TaskSid>,
        worker: Option<&WorkerSid>,
        status: Option<&str>,
    ) -> Answer {
        if task.is_some_and(|task| !self.tasks.contains_key(task)) {
            return Err(ApiError::not_found("task"));
        }
        // For a task's reservations the worker is a filter, which may find nothing.
        if task.is_none() && worker.is_some_and(|worker| !self.workers.contains_key(worker)) {
            return Err(ApiError::not_found("worker"));
        }
        let found: Vec<_> = self
            .reservations
            .iter()
            .filter(|(_, reservation)| task.is_none_or(|task| *task == reservation.task))
            .filter(|(_, reservation)| worker.is_none_or(|worker| *worker == reservation.worker))
            .filter(|(_, reservation)| listed(status, reservation.status.as_str()))
            .collect();
        let rest = || {
            let items = found.iter().map(|(sid, state)| self.rest_reservation(sid, state)).collect();
            list("reservations", items)
        };
        let bridge = || {
            let items = found.iter().map(|(sid, state)| self.bridge_reservation_in_full(sid, state));
            Self::bridge_page(items.collect())
        };
        Ok(self.said(rest, bridge))
    }

    fn update_reservation(
        &mut self,
        sid: &ReservationSid,
        status: Option<&str>,
        instruction: Option<&ConferenceInstruction>,
    ) -> Answer {
        use ReservationStatus as S;
        let reservation = self.reservations.get(sid).ok_or_else(|| ApiError::not_found("reservation"))?;
        let now = reservation.status;
        if let Some(instruction) = instruction {
            self.connect(sid, instruction)?;
            return self.reservation_reply(sid);
        }
        let next = match (status, now) {
            (Some("accepted"), S::Pending) => S::Accepted,
            (Some("rejected"), S::Pending) => S::Rejected,
            (Some("wrapping"), S::Accepted) => S::Wrapping,
            (Some("completed"), S::Accepted | S::Wrapping) => S::Completed,
            (Some("accepted" | "rejected"), _) => {
                return Err(ApiError {
                    status: 400,
                    code: 40136,
                    message: format!("the reservation is not pending but {}", now.as_str()),
                });
            }
            (Some("wrapping" | "completed"), _) => {
                return Err(ApiError::bad_request(format!(
                    "a reservation that is {} cannot become {}",
                    now.as_str(),
                    status.unwrap_or_default()
                )));
            }
            (Some(_), _) => {
                return Err(ApiError::bad_request("ReservationStatus is not one that can be set"));
            }
            (None, _) => {
                return Err(ApiError::bad_request("neither ReservationStatus nor Instruction is given"));
            }
        };
        self.set_reservation(sid, next);
        self.reservation_reply(sid)
    }

    pub(super) fn worker_reply(&self, sid: &WorkerSid) -> Answer {
        let worker = self.workers.get(sid).ok_or_else(|| ApiError::not_found("worker"))?;
        let reply = self.said(|| self.rest_worker(sid, worker), || self.bridge_worker(sid, worker));
        Ok(Reply { etag: Some(worker.version), ..reply })
    }

    fn worker_list(&self, name: Option<&str>) -> Reply {
        let workers: Vec<_> = self
            .workers
            .iter()
            .filter(|(_, worker)| name.is_none_or(|name| worker.name == name))
            .map(|(sid, worker)| self.rest_worker(sid, worker))
            .collect();
        ok(list("workers", workers), self.bridge_workers())
    }

    fn update_worker(
        &mut self,
        sid: &WorkerSid,
        activity: Option<ActivitySid>,
        attributes: Option<&str>,
        reject_pending: bool,
    ) -> Answer {
        let attributes = attributes.map(parse_attributes).transpose()?;
        if !self.workers.contains_key(sid) {
            return Err(ApiError::not_found("worker"));
        }
        if let Some(activity) = activity {
            let available = self
                .account
                .activities
                .iter()
                .find(|known| known.sid == activity)
                .map(|known| known.available)
                .ok_or_else(|| ApiError::bad_request("there is no such ActivitySid"))?;
            let pending: Vec<ReservationSid> = self
                .reservations
                .iter()
                .filter(|(_, reservation)| {
                    reservation.worker == *sid && reservation.status == ReservationStatus::Pending
                })
                .map(|(reservation, _)| reservation.clone())
                .collect();
            if !available && !pending.is_empty() && !reject_pending {
                return Err(ApiError::bad_request(
                    "the worker has pending reservations; set RejectPendingReservations",
                ));
            }
            self.set_activity(sid, activity);
            if !available {
                for reservation in pending {
                    self.set_reservation(&reservation, ReservationStatus::Rejected);
                }
            }
        }
        if let Some(attributes) = attributes {
            if let Some(worker) = self.workers.get_mut(sid) {
                worker.attributes = attributes.into();
            }
            self.touch_worker(sid, "worker.attributes.update");
        }
        self.worker_reply(sid)
    }

    fn update_worker_participant(&mut self, sid: &ReservationSid, change: &ParticipantChange) -> Answer {
        let task = self.reservations.get(sid).map(|reservation| reservation.task.clone());
        let task = task.ok_or_else(|| ApiError::not_found("reservation"))?;
        let (conference, call) = self
            .participant_of(&task, |kind| kind.reservation() == Some(sid))
            .ok_or_else(|| ApiError::not_found("participant"))?;
        self.change_participant(&conference, &call, change)?;
        self.reservation_reply(sid)
    }

    /// A worker's leg in the task's conference.
    fn leg_of_worker(
        &self,
        task: &TaskSid,
        worker: &WorkerSid,
    ) -> Result<(ConferenceSid, CallSid), ApiError> {
        let is_theirs = |kind: &ParticipantKind| matches!(kind, ParticipantKind::Agent { worker: of, .. } if of == worker);
        self.participant_of(task, is_theirs)
            .ok_or_else(|| ApiError::bad_request("the worker is not in the conference of this task"))
    }

    /// The latest participant of this kind in the task's conference.
    pub(super) fn participant_of(
        &self,
        task: &TaskSid,
        wanted: impl Fn(&ParticipantKind) -> bool,
    ) -> Option<(ConferenceSid, CallSid)> {
        let sid = self.open_conference(task.as_str())?;
        let conference = self.conferences.get(&sid)?;
        let participant = conference.live().filter(|participant| wanted(&participant.kind)).last()?;
        Some((sid.clone(), participant.call.clone()))
    }

    /// Flex's "Join Call": another leg of the agent, in place of a dead one.
    fn add_agent(
        &mut self,
        task: &TaskSid,
        reservation: &ReservationSid,
        to: String,
        from: String,
    ) -> Answer {
        let accepted = self
            .reservations
            .get(reservation)
            .is_some_and(|state| state.task == *task && state.status == ReservationStatus::Accepted);
        if !accepted {
            return Err(ApiError::bad_request("the reservation is not accepted"));
        }
        if self.open_conference(task.as_str()).is_none() {
            return Err(ApiError::not_found("conference"));
        }
        if self.facts.second_agent_leg_refused {
            return Err(ApiError::bad_request("the task has a leg of this worker"));
        }
        let worker = self.phone_of(&to)?;
        let participant = ParticipantSid::numbered(self.number());
        let joining = Joining::Participant {
            task: task.clone(),
            reservation: reservation.clone(),
            participant: participant.clone(),
        };
        self.ring(worker, from, to, joining);
        Ok(Reply {
            status: 201,
            body: Value::Null,
            etag: None,
            bridge: Self::bridge_participant_stub(task, &participant, "agent"),
        })
    }

    fn update_channel_participant(
        &mut self,
        task: &TaskSid,
        sid: &ParticipantSid,
        change: &ParticipantChange,
        close: bool,
    ) -> Answer {
        let missing = || ApiError::not_found("participant");
        let conference = self.open_conference(task.as_str()).ok_or_else(missing)?;
        let (call, kind) = self
            .conferences
            .get(&conference)
            .and_then(|state| state.live().find(|participant| participant.sid == *sid))
            .map(|participant| (participant.call.clone(), participant.kind.as_str()))
            .ok_or_else(missing)?;
        if close {
            self.kick(&call);
        } else {
            self.change_participant(&conference, &call, change)?;
        }
        Ok(ok(Value::Null, Self::bridge_participant_stub(task, sid, kind)))
    }
}
