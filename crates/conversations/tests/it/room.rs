//! A conversation at a small Twilio: what is true there, and how it answers.

use rejoin_conversations::*;
use rejoin_protocol::*;
use std::collections::{BTreeMap, BTreeSet};

pub const ADA: u128 = 0xada;
pub const BO: u128 = 0xb0;
pub const CUSTOMER: u128 = 0xc0;
/// Epoch of Ada's first page.
pub const PAGE: u64 = 100;

pub fn conversation() -> ConversationSid {
    ConversationSid::numbered(1)
}

pub fn place() -> Place {
    Place { interaction: InteractionSid::numbered(1), channel: InteractionChannelSid::numbered(1) }
}

pub fn worker(number: u128) -> WorkerSid {
    WorkerSid::numbered(number)
}

pub fn member(number: u128) -> MemberSid {
    MemberSid::numbered(number)
}

/// An agent by the task with this number, whose participant has the same number.
pub fn agent(worker: u128, task: u128) -> Seen {
    Seen {
        sid: ParticipantSid::numbered(task),
        role: Role::Agent,
        worker: Some(WorkerSid::numbered(worker)),
        task: Some(TaskSid::numbered(task)),
        reservation: Some(ReservationSid::numbered(task)),
        member: Some(member(worker)),
    }
}

pub fn customer() -> Seen {
    Seen {
        sid: ParticipantSid::numbered(CUSTOMER),
        role: Role::Customer,
        worker: None,
        task: None,
        reservation: None,
        member: Some(member(CUSTOMER)),
    }
}

#[derive(Clone)]
pub struct Room {
    pub machine: Machine,
    pub now: Millis,
    pub timers: BTreeMap<ConversationSid, Millis>,
    /// Requested actions without an answer.
    pub pending: Vec<Action>,
    /// All requested actions.
    pub requested: Vec<Action>,
    pub notes: Vec<Note>,
    /// What is true at Twilio: where the conversation is.
    pub channel: Option<Place>,
    /// The state of its channel.
    pub state: ChannelState,
    pub there: Vec<Seen>,
    pub messages: Vec<Message>,
    pub tasks: BTreeMap<TaskSid, TaskState>,
    /// Those of them that agents have completed.
    pub completed: BTreeSet<TaskSid>,
    pub newest_task: Option<TaskSid>,
    /// The workers whom TaskRouter holds for available; `None`: Flex sets nobody offline who has no desktop.
    pub available: Option<BTreeSet<WorkerSid>>,
    /// Time without a desktop after which an agent is offline for sure.
    pub offline_after: Millis,
}

impl Room {
    /// TaskRouter's answers about these workers.
    fn workers(&self) -> BTreeMap<WorkerSid, Option<Millis>> {
        let Some(available) = &self.available else { return BTreeMap::new() };
        let at = Millis(self.now.0.saturating_sub(self.offline_after.0));
        let workers = self.there.iter().filter_map(|it| it.worker.clone());
        workers.map(|it| (it.clone(), available.contains(&it).then_some(at))).collect()
    }
}

impl Room {
    pub fn new(policy: Policy) -> Self {
        Self {
            machine: Machine::new(policy, [], []),
            now: Millis::seconds(1000),
            timers: BTreeMap::new(),
            pending: vec![],
            requested: vec![],
            notes: vec![],
            channel: Some(place()),
            state: ChannelState::Active,
            there: vec![customer()],
            messages: vec![],
            tasks: BTreeMap::new(),
            completed: BTreeSet::new(),
            newest_task: None,
            available: None,
            offline_after: Millis::seconds(60),
        }
    }

    /// Ada's page is open, and Ada has the conversation. All that was requested for it is forgotten.
    pub fn chatting_with(policy: Policy) -> Self {
        let mut room = Self::new(policy);
        room.page(ADA, PAGE, PageEvent::Heard);
        room.page(ADA, PAGE, PageEvent::PushOpened);
        room.joins(agent(ADA, 1));
        room.answer();
        room.requested.clear();
        room.pass(1);
        room
    }

    pub fn chatting() -> Self {
        Self::chatting_with(Policy::default())
    }

    pub fn handle(&mut self, event: &Event) {
        for effect in self.machine.handle(self.now, event) {
            match effect {
                Effect::Act { action, until, .. } => {
                    assert!(until > self.now, "{action:?} has no time");
                    self.pending.push(action.clone());
                    self.requested.push(action);
                }
                Effect::SetTimer { conversation, at } => {
                    assert!(at > self.now, "a timer in the past");
                    self.timers.insert(conversation, at);
                }
                Effect::ClearTimer { conversation } | Effect::Forget { conversation } => {
                    self.timers.remove(&conversation);
                }
                Effect::Note { note, .. } => self.notes.push(note),
            }
        }
        self.is_stored_whole();
    }

    /// Whatever has happened, a conversation is read as it was stored.
    fn is_stored_whole(&self) {
        for own in self.machine.conversations() {
            let stored = serde_json::to_string(own).expect("it can be stored");
            let read: Conversation = serde_json::from_str(&stored).expect("it can be read");
            assert_eq!(read, *own);
        }
    }

    pub fn page(&mut self, of: u128, epoch: u64, event: PageEvent) {
        self.handle(&Event::Page { worker: worker(of), epoch, event });
    }

    pub fn news(&mut self, news: InteractionNews) {
        let event = Event::Interaction {
            conversation: conversation(),
            place: place(),
            kind: Some("web".into()),
            news,
        };
        self.handle(&event);
    }

    pub fn joins(&mut self, seen: Seen) {
        if let Some(task) = &seen.task {
            self.tasks.insert(task.clone(), TaskState::Assigned);
            self.newest_task = Some(task.clone());
        }
        self.there.push(seen.clone());
        self.news(InteractionNews::Joined(seen));
    }

    pub fn leaves(&mut self, seen: &Seen) {
        self.there.retain(|it| it.sid != seen.sid);
        if let Some(task) = &seen.task {
            self.tasks.insert(task.clone(), TaskState::Ended);
        }
        self.news(InteractionNews::Left(seen.clone()));
    }

    /// A message whose webhook arrives.
    pub fn writes(&mut self, author: u128) {
        let message = self.writes_unreported(author);
        self.handle(&Event::Message { conversation: conversation(), message });
    }

    pub fn writes_unreported(&mut self, author: u128) -> Message {
        let index = u32::try_from(self.messages.len()).unwrap();
        let message = Message { index, at: self.now, author: Some(member(author)) };
        self.messages.push(message.clone());
        message
    }

    pub fn task(&mut self, number: u128, state: TaskState) {
        self.tasks.insert(TaskSid::numbered(number), state);
        self.handle(&Event::Task { conversation: None, task: TaskSid::numbered(number), state });
    }

    /// The truthful answer to an action, which it makes true.
    pub fn outcome(&mut self, action: &Action) -> Outcome {
        match action {
            Action::Poll { place: asked, confirm: true, .. } if self.channel.as_ref() != Some(asked) => {
                Outcome::Unconfirmed
            }
            Action::Poll { routing, workers, .. } => {
                let newest = self.newest_task.clone().filter(|_| *routing);
                let task = newest.map(|task| SeenTask {
                    state: self.tasks.get(&task).copied().unwrap_or(TaskState::Waiting),
                    completed: self.completed.contains(&task),
                    workflow: Some(WorkflowSid::numbered(1)),
                    task,
                });
                Outcome::Seen(Sight {
                    asked_at: self.now,
                    state: self.state,
                    kind: Some("web".into()),
                    participants: self.there.clone(),
                    messages: self.messages.iter().rev().take(5).cloned().collect(),
                    task,
                    completed: if *routing { self.completed.clone() } else { BTreeSet::new() },
                    workers: if *workers { self.workers() } else { BTreeMap::new() },
                })
            }
            Action::Tell { .. } => {
                let index = u32::try_from(self.messages.len()).unwrap();
                self.messages.push(Message { index, at: self.now, author: None });
                Outcome::Ok
            }
            Action::Invite { number, .. } => {
                let task = TaskSid::numbered(0x100 + u128::from(*number));
                self.tasks.insert(task.clone(), TaskState::Waiting);
                self.newest_task = Some(task.clone());
                Outcome::Invited { invite: InviteSid::numbered(u128::from(*number)), task: Some(task) }
            }
            Action::CloseParticipant { participant, .. } => {
                self.there.retain(|it| it.sid != *participant);
                Outcome::Ok
            }
            Action::Park { .. } => {
                self.state = ChannelState::Inactive;
                self.there.retain(|it| it.role != Role::Agent);
                Outcome::Ok
            }
            Action::Close { .. } => {
                self.state = ChannelState::Closed;
                self.there.clear();
                Outcome::Ok
            }
        }
    }

    pub fn finish(&mut self, action: Action, outcome: Outcome) {
        self.pending.retain(|it| *it != action);
        self.handle(&Event::Done { conversation: conversation(), action, outcome });
    }

    /// Answers all that is pending, truthfully, and what follows from it.
    pub fn answer(&mut self) {
        for _ in 0..1000 {
            let Some(action) = self.pending.first().cloned() else { return };
            let outcome = self.outcome(&action);
            self.finish(action, outcome);
        }
        panic!("requests never end: {:?}", self.pending);
    }

    /// Lets time pass, with truthful answers to everything else, until this is requested.
    pub fn until_requested(&mut self, name: &str) -> Action {
        for _ in 0..1000 {
            if let Some(action) = self.pending.iter().find(|action| action.name() == name) {
                return action.clone();
            }
            match self.pending.first().cloned() {
                Some(action) => {
                    let outcome = self.outcome(&action);
                    self.finish(action, outcome);
                }
                None => assert!(self.fire(), "{name} is never requested"),
            }
        }
        panic!("{name} is never requested: {:?}", self.pending);
    }

    /// Lets time pass, with each timer on the way, and truthful answers.
    pub fn pass(&mut self, seconds: u64) {
        self.pass_to(self.now + Millis::seconds(seconds));
    }

    pub fn pass_to(&mut self, until: Millis) {
        for _ in 0..10_000 {
            self.answer();
            let due = self.timers.iter().filter(|(_, at)| **at <= until).min_by_key(|(_, at)| **at);
            let Some((conversation, at)) = due.map(|(of, at)| (of.clone(), *at)) else {
                self.now = until;
                return;
            };
            self.timers.remove(&conversation);
            self.now = self.now.max(at);
            self.handle(&Event::Timer { conversation });
        }
        panic!("timers never end: {:?}", self.machine.conversation(&conversation()));
    }

    /// The next timer, without an answer to anything. False if there is none.
    pub fn fire(&mut self) -> bool {
        let Some((conversation, at)) = self.timers.pop_first() else { return false };
        self.now = self.now.max(at);
        self.handle(&Event::Timer { conversation });
        true
    }

    pub fn attendance(&self) -> Attendance {
        self.machine.attendance(self.now, &conversation()).expect("a conversation")
    }

    pub fn row(&self) -> &'static str {
        self.machine.row(self.now, &conversation()).expect("a conversation").when
    }

    pub fn is_absent(&self) -> bool {
        self.machine.conversation(&conversation()).is_some_and(|it| it.absence().is_some())
    }

    pub fn endings(&self) -> Vec<Ending> {
        let endings = self.notes.iter().filter_map(|note| match note {
            Note::Ended { ending, .. } => Some(*ending),
            Note::Began { .. } | Note::Refused { .. } => None,
        });
        endings.collect()
    }

    /// What the customer was told.
    pub fn told(&self) -> Vec<Telling> {
        let told = self.requested.iter().filter_map(|action| match action {
            Action::Tell { what } => Some(*what),
            _ => None,
        });
        told.collect()
    }

    /// The agents whom the invites are for.
    pub fn invited(&self) -> Vec<Option<WorkerSid>> {
        let invited = self.requested.iter().filter_map(|action| match action {
            Action::Invite { target, .. } => Some(target.clone()),
            _ => None,
        });
        invited.collect()
    }

    /// Names of the requested actions, without polls.
    pub fn acts(&self) -> Vec<&'static str> {
        self.requested.iter().map(Action::name).filter(|name| *name != "poll").collect()
    }

    /// Ada's page says goodbye, and never comes back.
    pub fn ada_goes(&mut self) {
        self.page(ADA, PAGE, PageEvent::Goodbye);
        self.page(ADA, PAGE, PageEvent::PushClosed);
    }

    /// A page of Bo's is open, and Bo takes the task with this number.
    pub fn bo_takes(&mut self, task: u128) {
        self.page(BO, PAGE, PageEvent::Heard);
        self.page(BO, PAGE, PageEvent::PushOpened);
        self.joins(agent(BO, task));
        self.pass(1);
    }
}
