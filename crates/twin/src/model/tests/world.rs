//! A model with a clock, TwiML by address, and a record of its effects.

use crate::{
    facts::Facts,
    model::{
        ApiError, Audience, ConferenceInstruction, Effect, Event, Form, Model, NewTask, ParticipantChange,
        PlayId, Reply, Request, RequestId, Sound, TimerId, WorkflowSetup, demo_account,
    },
};
use rejoin_protocol::{
    AccountSid, ActivitySid, CallSid, ConferenceSid, Millis, ReservationSid, TaskQueueSid, TaskSid,
    WorkerSid, WorkflowSid,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CALLBACK: &str = "http://server/webhooks/conference";

pub(super) fn ada() -> WorkerSid {
    WorkerSid::numbered(0xada)
}

pub(super) fn bo() -> WorkerSid {
    WorkerSid::numbered(0xb0)
}

pub(super) struct World {
    pub(super) model: Model,
    pub(super) now: Millis,
    /// Effects since [`World::clear`].
    pub(super) done: Vec<Effect>,
    /// Documents by address; `None`: cannot be fetched.
    documents: BTreeMap<String, Option<String>>,
    timers: BTreeSet<(Millis, TimerId)>,
    requests: u64,
    legs: u128,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Facts::default(), None)
    }

    /// `workflow`: configuration of "Assign to Anyone" instead of the demo's.
    pub(super) fn with(facts: Facts, workflow: Option<Value>) -> Self {
        let mut account = demo_account(AccountSid::numbered(1), "http://twin/demo/voice".into());
        account.voice_fallback_url = Some("http://twin/demo/fallback".into());
        if let (Some(configuration), Some(setup)) = (workflow, account.workflows.first_mut()) {
            *setup = WorkflowSetup { configuration: configuration.to_string(), ..setup.clone() };
        }
        let mut world = Self {
            model: Model::new(facts, account, 0).expect("a model"),
            now: Millis::seconds(1_000_000),
            done: vec![],
            documents: BTreeMap::new(),
            timers: BTreeSet::new(),
            requests: 0,
            legs: 0xc0_0000,
        };
        world.document("http://twin/demo/voice", &queue_document(""));
        world.document("http://server/wait", "<Play loop=\"0\">hold.wav</Play>");
        world.document("http://server/after", "<Say>After</Say>");
        world
    }

    /// Serves verbs at an address.
    pub(super) fn document(&mut self, url: &str, verbs: &str) {
        self.documents.insert(url.into(), Some(format!("<Response>{verbs}</Response>")));
    }

    /// Makes an address fail.
    pub(super) fn broken(&mut self, url: &str) {
        self.documents.insert(url.into(), None);
    }

    /// Handles an event; known documents are delivered at once.
    pub(super) fn tell(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.model.handle(self.now, event) {
                match &effect {
                    Effect::SetTimer { timer, at } => {
                        self.timers.insert((*at, *timer));
                    }
                    Effect::FetchTwiml { fetch, url, .. } => {
                        if let Some(document) = self.documents.get(url) {
                            let result = document.clone().ok_or_else(|| "11200: HTTP status 500".to_owned());
                            events.push(Event::TwimlFetched { fetch: *fetch, result });
                        }
                    }
                    _ => {}
                }
                self.done.push(effect);
            }
        }
    }

    pub(super) fn ask(&mut self, request: Request) -> Result<Reply, ApiError> {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.tell(Event::Request { id, request, form: Form::Both });
        let reply = self.done.iter().find_map(|effect| match effect {
            Effect::Reply { id: of, result } if *of == id => Some(result.clone()),
            _ => None,
        });
        reply.expect("every request is answered at once")
    }

    /// Lets time pass; timers fire.
    pub(super) fn pass(&mut self, time: Millis) {
        let until = self.now + time;
        while let Some((at, timer)) = self.timers.first().copied() {
            if at > until {
                break;
            }
            self.timers.pop_first();
            self.now = self.now.max(at);
            self.tell(Event::Timer(timer));
        }
        self.now = until;
    }

    pub(super) fn clear(&mut self) {
        self.done.clear();
    }

    // --- what people do ---

    pub(super) fn available(&mut self, worker: &WorkerSid) {
        self.activity(worker, 1);
    }

    pub(super) fn activity(&mut self, worker: &WorkerSid, number: u128) {
        let request = Request::UpdateWorker {
            worker: worker.clone(),
            activity: Some(ActivitySid::numbered(number)),
            attributes: None,
            reject_pending: true,
        };
        self.ask(request).expect("the worker's activity");
    }

    pub(super) fn dial(&mut self) -> CallSid {
        self.legs += 1;
        let call = CallSid::numbered(self.legs);
        self.tell(Event::CustomerDials { call: call.clone(), from: "+15550002222".into(), native: true });
        call
    }

    /// Accepts as Flex does.
    pub(super) fn accept(&mut self, reservation: &ReservationSid, end_on_exit: bool) -> CallSid {
        let instruction = instruction(end_on_exit);
        let request = Request::UpdateReservation {
            reservation: reservation.clone(),
            status: None,
            instruction: Some(instruction),
        };
        self.ask(request).expect("the instruction is taken");
        self.rung().expect("a phone rings")
    }

    /// The phone that rang last.
    pub(super) fn rung(&self) -> Option<CallSid> {
        self.done.iter().rev().find_map(|effect| match effect {
            Effect::Ring { call, .. } => Some(call.clone()),
            _ => None,
        })
    }

    /// A customer who talks to Ada.
    pub(super) fn talk(end_on_exit: bool) -> (Self, Talk) {
        let mut world = Self::new();
        world.available(&ada());
        let customer = world.dial();
        let (reservation, task) = world.reservation_of(&ada());
        let agent = world.accept(&reservation, end_on_exit);
        world.tell(Event::Answered { call: agent.clone() });
        let conference = world.conference(&task);
        (world, Talk { customer, agent, reservation, task, conference })
    }

    pub(super) fn redirect(
        &mut self,
        call: &CallSid,
        url: &str,
        fallback: Option<&str>,
    ) -> Result<Reply, ApiError> {
        self.ask(Request::UpdateCall {
            call: call.clone(),
            url: Some(url.into()),
            method: None,
            fallback_url: fallback.map(str::to_owned),
            fallback_method: None,
            twiml: None,
            status: None,
        })
    }

    /// Redirects with an inline document, and an address from which nothing may be fetched.
    pub(super) fn redirect_inline(&mut self, call: &CallSid, document: &str) -> Result<Reply, ApiError> {
        self.ask(Request::UpdateCall {
            call: call.clone(),
            url: None,
            method: None,
            fallback_url: Some("http://server/fallback".into()),
            fallback_method: None,
            twiml: Some(document.into()),
            status: None,
        })
    }

    pub(super) fn change(&mut self, talk: &Talk, call: &CallSid, change: ParticipantChange) {
        let request =
            Request::UpdateParticipant { conference: talk.conference.clone(), call: call.clone(), change };
        self.ask(request).expect("a change");
    }

    pub(super) fn reservation_status(
        &mut self,
        reservation: &ReservationSid,
        status: &str,
    ) -> Result<Reply, ApiError> {
        self.ask(Request::UpdateReservation {
            reservation: reservation.clone(),
            status: Some(status.into()),
            instruction: None,
        })
    }

    pub(super) fn ping(&mut self, worker: &WorkerSid, timeout: u64) -> TaskSid {
        let reply = self
            .ask(Request::CreateTask(NewTask {
                attributes: "{}".into(),
                workflow: Some(WorkflowSid::numbered(2)),
                channel: Some("recovery-ping".into()),
                priority: 1000,
                timeout: Some(timeout),
                queue: None,
                routing_target: Some(worker.clone()),
                ignore_capacity: Some(true),
            }))
            .expect("a ping");
        TaskSid::parse(reply.body["sid"].as_str().expect("a SID")).expect("a SID")
    }

    // --- observations ---

    /// The latest active reservation of a worker, and its task.
    pub(super) fn reservation_of(&self, worker: &WorkerSid) -> (ReservationSid, TaskSid) {
        self.find_reservation(worker).expect("a reservation")
    }

    pub(super) fn find_reservation(&self, worker: &WorkerSid) -> Option<(ReservationSid, TaskSid)> {
        self.model
            .reservations
            .iter()
            .rev()
            .find(|(_, reservation)| reservation.worker == *worker && reservation.status.is_active())
            .map(|(sid, reservation)| (sid.clone(), reservation.task.clone()))
    }

    pub(super) fn task_of(&self, call: &CallSid) -> TaskSid {
        let mut tasks = self.model.tasks.iter().rev();
        tasks.find(|(_, task)| task.call.as_ref() == Some(call)).map(|(sid, _)| sid.clone()).expect("a task")
    }

    pub(super) fn conference(&self, task: &TaskSid) -> ConferenceSid {
        let mut all = self.model.conferences.iter().rev();
        all.find(|(_, conference)| conference.name == task.as_str()).expect("a conference").0.clone()
    }

    pub(super) fn task_status(&self, task: &TaskSid) -> &'static str {
        self.model.tasks.get(task).map_or("deleted", |task| task.status.as_str())
    }

    pub(super) fn reservation(&self, reservation: &ReservationSid) -> &'static str {
        self.model.reservations.get(reservation).map_or("deleted", |state| state.status.as_str())
    }

    pub(super) fn call_status(&self, call: &CallSid) -> &'static str {
        self.model.calls.get(call).map_or("unknown", |call| call.status.as_str())
    }

    pub(super) fn live(&self, conference: &ConferenceSid) -> Vec<CallSid> {
        let state = &self.model.conferences[conference];
        state.live().map(|participant| participant.call.clone()).collect()
    }

    /// Events of conference callbacks, in order.
    pub(super) fn events(&self) -> Vec<String> {
        self.callbacks().iter().map(|params| value(params, "StatusCallbackEvent").to_owned()).collect()
    }

    pub(super) fn callbacks(&self) -> Vec<Vec<(String, String)>> {
        let webhooks = self.done.iter().filter_map(|effect| match effect {
            Effect::Webhook { url, params, .. } if url == CALLBACK => Some(params.clone()),
            _ => None,
        });
        webhooks.collect()
    }

    pub(super) fn callback(&self, event: &str) -> Vec<(String, String)> {
        let found = self.callbacks().into_iter().find(|params| value(params, "StatusCallbackEvent") == event);
        found.unwrap_or_else(|| panic!("no {event}"))
    }

    /// Event bridge events of a worker, in order.
    pub(super) fn told(&self, to: &WorkerSid) -> Vec<&str> {
        let told = self.done.iter().filter_map(|effect| match effect {
            Effect::Tell { worker, event_type, .. } if worker == to => Some(event_type.as_str()),
            _ => None,
        });
        told.collect()
    }

    /// The last thing that plays to an audience.
    pub(super) fn playing(&self, to: &Audience) -> Option<(PlayId, Sound)> {
        self.done.iter().rev().find_map(|effect| match effect {
            Effect::Play { play, to: audience, what } if audience == to => Some((*play, what.clone())),
            _ => None,
        })
    }

    pub(super) fn fetched(&self, wanted: &str) -> Option<Vec<(String, String)>> {
        self.done.iter().rev().find_map(|effect| match effect {
            Effect::FetchTwiml { url, params, .. } if url == wanted => Some(params.clone()),
            _ => None,
        })
    }

    pub(super) fn dropped(&self, call: &CallSid) -> bool {
        self.done.iter().any(|effect| matches!(effect, Effect::Drop { call: dropped } if dropped == call))
    }
}

/// Flex's instruction, with our options.
pub(super) fn instruction(end_on_exit: bool) -> ConferenceInstruction {
    ConferenceInstruction {
        end_conference_on_exit: end_on_exit,
        end_conference_on_customer_exit: true,
        status_callback: Some(CALLBACK.into()),
        status_callback_method: Some("POST".into()),
        status_callback_event: Some("start,end,join,leave,modify,hold,announcement".into()),
        ..ConferenceInstruction::default()
    }
}

/// The participants of a call.
pub(super) struct Talk {
    pub(super) customer: CallSid,
    pub(super) agent: CallSid,
    pub(super) reservation: ReservationSid,
    pub(super) task: TaskSid,
    pub(super) conference: ConferenceSid,
}

pub(super) fn value<'a>(params: &'a [(String, String)], key: &str) -> &'a str {
    params.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value.as_str())
}

/// A document that enqueues into "Assign to Anyone" with these additional attributes.
pub(super) fn queue_document(attributes: &str) -> String {
    queue_with(attributes, "", "")
}

pub(super) fn queue_with(attributes: &str, task: &str, after: &str) -> String {
    let workflow = WorkflowSid::numbered(1);
    format!(
        r#"<Enqueue workflowSid="{workflow}" waitUrl="http://server/wait" action="http://server/after">
        <Task {task}>{{"name":"x"{attributes}}}</Task></Enqueue>{after}"#
    )
}

pub(super) fn everyone() -> Value {
    json!(TaskQueueSid::numbered(1))
}

/// The last event of this kind that was sent to a worker's desktop.
pub(super) fn told(world: &World, to: &WorkerSid, wanted: &str) -> Value {
    let found = world.done.iter().rev().find_map(|effect| match effect {
        Effect::Tell { worker, event_type, payload } if worker == to && event_type == wanted => {
            Some(payload.clone())
        }
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{to} is told no {wanted}"))
}
