//! Conversations: what the machine of `rejoin-conversations` decides is made durable and carried out.
//!
//! Events are handled in batches: one transaction reads what they concern, lets the machine decide, and writes the result
//! with the actions that begin. Only then are the senders answered and the actions carried out. An action belongs to the
//! server that has begun it, until its outcome is stored; when that server is gone another one takes it over, and looks first
//! for what may have been done already. No conversation is kept in memory.

mod availability;
mod carry_out;
mod cut_off;
mod known_agents;
mod record;

use crate::error::Error;
use crate::failpoint;
use crate::figures;
use crate::store::{BegunAction, ConversationBatch, ConversationChanges, FoundConversations, Store};
pub(crate) use carry_out::{Executor, role, state};
use cut_off::CutOff;
use record::{Record, Was};
use rejoin_conversations::{Desk, Effect, Event, Machine, Note, Outcome, PageEvent, Policies, Reach, Way};
use rejoin_protocol::{ConversationSid, Millis, WorkerSid};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Maximum number of events that are committed together.
const BATCH: usize = 256;
/// Maximum number of waiting events; more make their senders wait.
const WAITING: usize = 4096;
/// How often timers and actions of servers that are gone are looked for, if nothing else happens.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often desks are compared with the push channels that are open: a server that is gone cannot tell that its channels
/// are closed, and one without its database could not store that they were opened.
const SWEEP_EVERY: Duration = Duration::from_secs(15);
/// Of how many lost agents other servers are asked whether their pages are there.
const SOME: usize = 16;
/// Pause after the store could not be asked.
const PAUSE: Millis = Millis(500);
/// How long a conversation is left alone whose timer cannot be handled.
const SET_ASIDE: Millis = Millis::seconds(600);

/// Tells whether a page of a worker is connected to any server; an error if that cannot be found out.
pub(crate) trait Connected: Send + Sync + std::fmt::Debug {
    /// True if one is.
    fn is_connected(
        &self,
        worker: WorkerSid,
    ) -> futures_util::future::BoxFuture<'static, Result<bool, Error>>;

    /// The pages that are connected to this server, with their epochs.
    fn pages(&self) -> Vec<(WorkerSid, u64)>;

    /// True if any is.
    fn has_pages(&self) -> bool;
}

enum Input {
    Event(Box<Event>, oneshot::Sender<Result<(), Error>>),
    Stop,
}

/// A handle. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Conversations {
    /// `None`: conversations are off.
    inputs: Option<mpsc::Sender<Input>>,
}

impl Conversations {
    /// Conversations are off: nothing is taken.
    pub(crate) fn off() -> Self {
        Self { inputs: None }
    }

    /// False: conversations are off.
    pub(crate) fn is_on(&self) -> bool {
        self.inputs.is_some()
    }

    /// Hands in an event. When this returns `Ok`, everything that follows from it is durable.
    ///
    /// # Errors
    /// Nothing has happened then, as far as is known.
    pub(crate) async fn event(&self, event: Event) -> Result<(), Error> {
        let Some(inputs) = &self.inputs else { return Ok(()) };
        let (reply, answer) = oneshot::channel();
        let input = Input::Event(Box::new(event), reply);
        inputs.send(input).await.map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }

    /// A page has done something. It is not waited for: the next sign of the page corrects what is lost.
    pub(crate) fn page(&self, worker: &WorkerSid, epoch: u64, event: PageEvent) {
        let Some(inputs) = &self.inputs else { return };
        let (reply, _) = oneshot::channel();
        let event = Box::new(Event::Page { worker: worker.clone(), epoch, event });
        if inputs.try_send(Input::Event(event, reply)).is_err() {
            tracing::warn!(
                "too many events of conversations wait: what a page did is not taken; its next request corrects that"
            );
        }
    }

    /// Stops the engine once all earlier events are durable.
    pub(crate) async fn stop(&self) {
        if let Some(inputs) = &self.inputs {
            // Without a receiver it has stopped already.
            let _ = inputs.send(Input::Stop).await;
        }
    }
}

/// The engine's state.
pub(crate) struct Engine {
    policies: Policies,
    store: Store,
    executor: Arc<Executor>,
    connected: Arc<dyn Connected>,
    inputs: mpsc::Receiver<Input>,
    /// When the store is next asked for timers (point in time).
    look_at: Millis,
    sweep_at: Instant,
    take_over_at: Instant,
    carried_out: JoinSet<(i64, Event)>,
    held: BTreeSet<i64>,
    /// Conversations whose timer cannot be handled, and until when they are left alone (point in time).
    aside: BTreeMap<ConversationSid, Millis>,
    /// Since when this server hears pages and can store what they do (point in time). The silence of a page before it says
    /// nothing.
    listening_since: Millis,
    /// How often the lease had ended: while the server was suspended it heard nothing.
    leases_lost: u64,
    cut_off: CutOff,
    /// When other servers are next asked for the pages that this one has lost.
    elsewhere_at: Instant,
}

/// An event of a batch.
struct Work {
    event: Event,
    /// The action that it ends.
    ends: Option<i64>,
    reply: Option<oneshot::Sender<Result<(), Error>>>,
}

impl Engine {
    /// An engine that goes on from the store, and its handle. It runs with [`Engine::run`].
    pub(crate) fn new(
        policies: Policies,
        store: Store,
        executor: Executor,
        connected: Arc<dyn Connected>,
    ) -> (Conversations, Self) {
        let (sender, inputs) = mpsc::channel(WAITING);
        let (listening_since, leases_lost) = (store.now(), store.leases_lost());
        let engine = Self {
            policies,
            store,
            listening_since,
            leases_lost,
            cut_off: CutOff::default(),
            elsewhere_at: Instant::now(),
            executor: Arc::new(executor),
            connected,
            inputs,
            look_at: Millis(0),
            sweep_at: Instant::now() + SWEEP_EVERY,
            take_over_at: Instant::now(),
            carried_out: JoinSet::new(),
            held: BTreeSet::new(),
            aside: BTreeMap::new(),
        };
        (Conversations { inputs: Some(sender) }, engine)
    }

    /// Runs until it is stopped.
    pub(crate) async fn run(mut self) {
        loop {
            let sleeps = Duration::from_millis(self.store.now().until(self.look_at).0).min(LOOK_EVERY);
            let mut batch = vec![];
            let mut stopping = false;
            tokio::select! {
                biased;
                input = self.inputs.recv() => stopping = take(input, &mut batch),
                Some(done) = self.carried_out.join_next() => batch.extend(self.ended(done)),
                () = tokio::time::sleep(sleeps) => {}
            }
            while batch.len() < BATCH && !stopping {
                let Ok(input) = self.inputs.try_recv() else { break };
                stopping = take(Some(input), &mut batch);
            }
            while let Some(done) = self.carried_out.try_join_next() {
                batch.extend(self.ended(done));
            }
            batch.extend(self.due().await);
            if !batch.is_empty() {
                self.step(batch).await;
            }
            if stopping {
                // What is still carried out belongs to this server until its lease ends, and is taken over then.
                return;
            }
            self.take_over().await;
            self.sweep().await;
        }
    }

    fn ended(&mut self, done: Result<(i64, Event), tokio::task::JoinError>) -> Option<Work> {
        match done {
            Ok((id, event)) => Some(Work { event, ends: Some(id), reply: None }),
            Err(error) => {
                // Its number stays held: taken over at the next start only, or it would panic again at once.
                tracing::error!(%error, "an action for a conversation could not be carried out: a defect of rejoin");
                None
            }
        }
    }

    /// Timers that are due.
    async fn due(&mut self) -> Vec<Work> {
        let now = self.store.now();
        if now < self.look_at {
            return vec![];
        }
        self.aside.retain(|_, until| *until > now);
        let leases_lost = self.store.leases_lost();
        if std::mem::replace(&mut self.leases_lost, leases_lost) != leases_lost {
            self.listening_since = now;
        }
        match self.store.due_conversations(BATCH).await {
            Ok((due, next)) => {
                let latest = now + Millis(LOOK_EVERY.as_millis() as u64);
                self.look_at = next.map_or(latest, |at| at.min(latest));
                let due = due.into_iter().filter(|sid| !self.aside.contains_key(sid));
                due.map(|conversation| Work { event: Event::Timer { conversation }, ends: None, reply: None })
                    .collect()
            }
            Err(error) => {
                tracing::error!(%error, "timers of conversations cannot be read; retrying");
                self.listening_since = now;
                self.look_at = now + PAUSE;
                vec![]
            }
        }
    }

    /// One batch; if it cannot be committed because of one of its events, each event by itself.
    async fn step(&mut self, batch: Vec<Work>) {
        match self.attempt(&batch).await {
            Ok(begun) => {
                self.begin(begun, false);
                self.answer(batch, &Ok(()));
            }
            Err(Error::Defect) if batch.len() > 1 => {
                for work in batch {
                    Box::pin(self.step(vec![work])).await;
                }
            }
            Err(error) => {
                tracing::error!(%error, "events of conversations could not be committed; nothing was written");
                for work in &batch {
                    match &work.event {
                        Event::Timer { conversation } if matches!(error, Error::Defect) => {
                            let until = self.store.now() + SET_ASIDE;
                            self.aside.insert(conversation.clone(), until);
                        }
                        _ => {}
                    }
                }
                if !matches!(error, Error::Defect) {
                    self.listening_since = self.store.now();
                }
                self.look_at = self.store.now() + PAUSE;
                self.answer(batch, &Err(error));
            }
        }
    }

    fn answer(&mut self, batch: Vec<Work>, result: &Result<(), Error>) {
        for work in batch {
            if let Some(id) = work.ends {
                // An outcome that was not stored is found out again: the action is taken over by this very server.
                self.held.remove(&id);
            }
            if let Some(reply) = work.reply {
                // The sender may be gone: the event has happened nevertheless.
                let _ = reply.send(match result {
                    Ok(()) => Ok(()),
                    Err(Error::Defect) => Err(Error::Defect),
                    Err(error) if error.may_have_happened() => Err(Error::Busy),
                    Err(_) => Err(Error::NotCommitted),
                });
            }
        }
    }

    /// One transaction.
    async fn attempt(&mut self, works: &[Work]) -> Result<Vec<BegunAction>, Error> {
        self.hears(works).await;
        let batch = concerned(works);
        let (policies, now, listening_since) = (&self.policies, self.store.now(), self.listening_since);
        let decide = |found: FoundConversations| {
            let decided =
                catch_unwind(AssertUnwindSafe(|| decide(policies, now, listening_since, works, found)));
            decided.map_err(|_| Error::Defect)
        };
        let (begun, happened) = self.store.transact_conversations(&batch, decide).await?;
        for action in &begun {
            failpoint::reach(|| format!("committed conversation {}", action.action.name()));
        }
        for (conversation, happened) in happened {
            tell(&conversation, &happened);
        }
        // Timers may have been set.
        self.look_at = Millis(0);
        Ok(begun)
    }

    /// The silence of pages says nothing while none can reach this server, nor another one.
    async fn hears(&mut self, works: &[Work]) {
        let now = self.store.now();
        for work in works {
            self.cut_off.observe(now, &work.event);
        }
        let was_cut_off = self.cut_off.was_so();
        if self.cut_off.is_so(now, self.connected.has_pages()) && Instant::now() >= self.elsewhere_at {
            self.elsewhere_at = Instant::now() + LOOK_EVERY;
            let some: Vec<WorkerSid> = self.cut_off.agents().take(SOME).cloned().collect();
            for worker in some {
                if self.connected.is_connected(worker).await.unwrap_or(false) {
                    self.cut_off.have_moved(now);
                    break;
                }
            }
        }
        if was_cut_off || self.cut_off.was_so() {
            self.listening_since = now;
        }
    }

    fn begin(&mut self, begun: Vec<BegunAction>, again: bool) {
        for action in begun {
            self.held.insert(action.id);
            let (executor, surroundings) = (Arc::clone(&self.executor), self.store.surroundings().clone());
            let BegunAction { id, conversation, action, until } = action;
            self.carried_out.spawn(surroundings.task(async move {
                let outcome = executor.carry_out(&conversation, &action, until, again).await;
                (id, Event::Done { conversation, action, outcome })
            }));
        }
    }

    async fn take_over(&mut self) {
        if Instant::now() < self.take_over_at {
            return;
        }
        self.take_over_at = Instant::now() + LOOK_EVERY;
        match self.store.take_over_conversations(&self.held).await {
            Ok(taken) => self.begin(taken, true),
            Err(error) => tracing::warn!(%error, "actions for conversations cannot be taken over yet"),
        }
    }

    /// A server that was killed tells nobody that its push channels are closed; and what was opened while the database did not
    /// answer is not stored.
    async fn sweep(&mut self) {
        if Instant::now() < self.sweep_at {
            return;
        }
        self.sweep_at = Instant::now() + SWEEP_EVERY;
        let desks = match self.store.open_desks().await {
            Ok(found) => found.desks,
            Err(error) => {
                tracing::warn!(%error, "desks cannot be compared with push channels yet");
                return;
            }
        };
        let opened = not_known_open(&desks, self.connected.pages());
        for pages in opened.chunks(BATCH) {
            let event = |(worker, epoch): &(WorkerSid, u64)| Event::Page {
                worker: worker.clone(),
                epoch: *epoch,
                event: PageEvent::PushOpened,
            };
            let opened = pages.iter().map(event).map(|event| Work { event, ends: None, reply: None });
            self.step(opened.collect()).await;
        }
        for (worker, desk) in desks {
            let open: Vec<u64> = desk.open_pages().collect();
            if open.is_empty() || self.connected.is_connected(worker.clone()).await.unwrap_or(true) {
                continue;
            }
            let closed = open.into_iter().map(|epoch| Work {
                event: Event::Page { worker: worker.clone(), epoch, event: PageEvent::PushClosed },
                ends: None,
                reply: None,
            });
            self.step(closed.collect()).await;
        }
    }
}

/// The connected pages that their desks do not know as open. The channel of a page that has said goodbye may be half-open.
fn not_known_open(
    desks: &BTreeMap<WorkerSid, Desk>,
    mut connected: Vec<(WorkerSid, u64)>,
) -> Vec<(WorkerSid, u64)> {
    connected.retain(|(worker, epoch)| match desks.get(worker).and_then(|desk| desk.reach(*epoch)) {
        Some(Reach::Open | Reach::Gone(Way::Goodbye, _)) => false,
        Some(Reach::Heard(_) | Reach::Gone(Way::PushClosed | Way::PollingStopped, _)) | None => true,
    });
    connected
}

/// What these events concern.
fn concerned(works: &[Work]) -> ConversationBatch {
    let mut batch = ConversationBatch::default();
    for work in works {
        batch.keys.extend(work.event.keys());
        // The stored conversation may not know yet whose pages it is judged by from now on.
        batch.workers.extend(work.event.workers().into_iter().cloned());
        batch.ended.extend(work.ends);
        match &work.event {
            Event::Interaction { conversation, .. } | Event::Claimed { conversation, .. } => {
                batch.begins.insert(conversation.clone());
            }
            Event::Page { .. }
            | Event::Message { .. }
            | Event::State { .. }
            | Event::Leaving { .. }
            | Event::Task { .. }
            | Event::Done { .. }
            | Event::Timer { .. } => {}
        }
    }
    batch
}

/// True if the engine is to stop.
fn take(input: Option<Input>, batch: &mut Vec<Work>) -> bool {
    match input {
        Some(Input::Event(event, reply)) => {
            batch.push(Work { event: *event, ends: None, reply: Some(reply) });
            false
        }
        Some(Input::Stop) | None => true,
    }
}

/// What follows from a batch.
fn decide(
    policies: &Policies,
    now: Millis,
    listening_since: Millis,
    works: &[Work],
    found: FoundConversations,
) -> (ConversationChanges, Vec<(ConversationSid, Happened)>) {
    let FoundConversations { conversations, desks, unreadable } = found;
    if !unreadable.is_empty() {
        tracing::error!(
            number = unreadable.len(),
            "stored conversations cannot be read by this release and are left as they are: nothing is done for them"
        );
    }
    let mut machine = Machine::new(policies.clone(), conversations, desks).listening_since(listening_since);
    let (mut begun, mut happened, mut forgotten) = (vec![], vec![], BTreeSet::new());
    let (mut record, mut dirty) = (Record::of(&machine), BTreeSet::new());
    for Work { event, .. } in works {
        if event.keys().iter().all(|key| unreadable.contains(key.as_str())) {
            continue;
        }
        // A server reports it again later: the page is away since the first time.
        if let Event::Page { worker, epoch, event: PageEvent::PushClosed } = event
            && !machine.desk(worker).is_some_and(|desk| desk.open_pages().any(|open| open == *epoch))
        {
            continue;
        }
        let was = Was::before(&machine, event);
        let effects = machine.handle(now, event);
        let touched = machine.take_dirty();
        record.handled(&machine, (now, event, was), &effects, &touched);
        if let Event::Done { conversation, action, outcome } = event
            && was.is_answer()
        {
            let result = if matches!(outcome, Outcome::Failed { .. }) { "refused" } else { "ok" };
            happened.push((conversation.clone(), Happened::Answered { action: action.name(), result }));
        }
        dirty.extend(touched);
        for effect in effects {
            match effect {
                Effect::Act { conversation, action, until } => {
                    begun.push(BegunAction { id: 0, conversation, action, until });
                }
                Effect::Note { conversation, note } => happened.push((conversation, Happened::Noted(note))),
                Effect::Forget { conversation } => _ = forgotten.insert(conversation),
                // It is part of the conversation's state.
                Effect::SetTimer { .. } | Effect::ClearTimer { .. } => {}
            }
        }
    }
    let saved = dirty.iter().filter_map(|sid| machine.conversation(sid).cloned()).collect();
    let desks = machine.take_dirty_desks().into_iter();
    let desks = desks.filter_map(|worker| Some((worker.clone(), machine.desk(&worker)?.clone()))).collect();
    begun.retain(|action| !forgotten.contains(&action.conversation));
    (ConversationChanges { saved, forgotten, desks, begun, told: record.told() }, happened)
}

/// What is told to the log and the figures once it is durable.
enum Happened {
    /// What the machine notes.
    Noted(Note),
    /// Twilio has answered an action.
    Answered { action: &'static str, result: &'static str },
}

/// For the log and the figures. Conversations are named by their SIDs alone.
fn tell(conversation: &ConversationSid, happened: &Happened) {
    match happened {
        Happened::Noted(Note::Began { absence, cause, row }) => {
            metrics::counter!(figures::CHAT_ABSENCES, "cause" => cause.name()).increment(1);
            tracing::info!(%conversation, absence, cause = cause.name(), row, "a conversation has no agent any more: an absence has begun");
        }
        Happened::Noted(Note::Ended { absence, ending }) => {
            metrics::counter!(figures::CHAT_ENDINGS, "ending" => ending.name()).increment(1);
            tracing::info!(%conversation, absence, ending = ending.name(), "the absence of a conversation has ended");
        }
        Happened::Noted(Note::Refused { action }) => {
            tracing::warn!(%conversation, action, "Twilio refused an action for a conversation, or did not answer");
        }
        Happened::Answered { action, result } => {
            metrics::counter!(figures::CHAT_REQUESTS, "action" => *action, "result" => *result).increment(1);
        }
    }
}

/// What an action came to, in words for the machine.
fn failed(reason: impl std::fmt::Display) -> Outcome {
    Outcome::Failed { reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin_conversations::{InteractionNews, Place, Role, Seen, Sight};
    use rejoin_protocol::{InteractionChannelSid, InteractionSid, ParticipantSid, TaskSid};

    fn ada() -> WorkerSid {
        WorkerSid::numbered(0xada)
    }

    fn chat() -> ConversationSid {
        ConversationSid::numbered(1)
    }

    /// A chat with Ada, whose page has said goodbye.
    fn left_alone(at: Millis) -> FoundConversations {
        let seen = Seen {
            sid: ParticipantSid::numbered(1),
            role: Role::Agent,
            worker: Some(ada()),
            task: Some(TaskSid::numbered(1)),
            reservation: None,
            member: None,
        };
        let place =
            Place { interaction: InteractionSid::numbered(1), channel: InteractionChannelSid::numbered(1) };
        let mut machine = Machine::new(Policies::default(), [], []);
        let mut handle = |event: Event| machine.handle(at, &event);
        handle(Event::Page { worker: ada(), epoch: 7, event: PageEvent::Heard });
        let joined = InteractionNews::Joined(seen.clone());
        let begun = handle(Event::Interaction { conversation: chat(), place, kind: None, news: joined });
        let polls = begun.into_iter().find_map(|effect| match effect {
            Effect::Act { action, .. } => Some(action),
            _ => None,
        });
        let sight = Sight {
            asked_at: at,
            state: rejoin_conversations::ChannelState::Active,
            kind: None,
            participants: vec![seen],
            messages: vec![],
            task: None,
            completed: BTreeSet::new(),
            workers: BTreeMap::new(),
        };
        let action = polls.expect("Twilio is asked who is there");
        handle(Event::Done { conversation: chat(), action, outcome: Outcome::Seen(sight) });
        handle(Event::Page { worker: ada(), epoch: 7, event: PageEvent::Goodbye });
        let desks = machine.desk(&ada()).cloned().map(|desk| (ada(), desk));
        FoundConversations {
            conversations: machine.conversations().cloned().collect(),
            desks: desks.into_iter().collect(),
            ..FoundConversations::default()
        }
    }

    #[test]
    fn after_an_outage_nobody_is_taken_for_gone_before_their_page_could_say_something() {
        let (went, back) = (Millis::seconds(1000), Millis::seconds(5000));
        let timer = [Work { event: Event::Timer { conversation: chat() }, ends: None, reply: None }];
        let begun = |now, listening_since| {
            decide(&Policies::default(), now, listening_since, &timer, left_alone(went)).0.begun
        };
        assert!(!begun(back, Millis(0)).is_empty(), "without an outage Ada is gone by then");
        assert!(begun(back, back).is_empty());
        assert!(!begun(back + Millis::seconds(15), back).is_empty());
    }

    /// Otherwise an agent whose page is gone by then would count as one without the plugin, until the next news.
    #[test]
    fn the_desk_of_an_agent_whom_a_poll_names_for_the_first_time_is_read() {
        let seen = Seen {
            sid: ParticipantSid::numbered(1),
            role: Role::Agent,
            worker: Some(ada()),
            task: None,
            reservation: None,
            member: None,
        };
        let sight = Sight {
            asked_at: Millis(1),
            state: rejoin_conversations::ChannelState::Active,
            kind: None,
            participants: vec![seen],
            messages: vec![],
            task: None,
            completed: BTreeSet::new(),
            workers: BTreeMap::new(),
        };
        let place =
            Place { interaction: InteractionSid::numbered(1), channel: InteractionChannelSid::numbered(1) };
        let action = rejoin_conversations::Action::Poll {
            place,
            routing: false,
            task: None,
            confirm: false,
            watch: false,
            workers: false,
        };
        let event = Event::Done { conversation: chat(), action, outcome: Outcome::Seen(sight) };
        let batch = concerned(&[Work { event, ends: None, reply: None }]);
        assert_eq!(batch.workers, [ada()].into());
    }

    #[test]
    fn channels_that_are_open_are_announced_again_if_their_desk_does_not_know() {
        let mut desk = Desk::default();
        desk.observe(Millis(1), 7, PageEvent::PushOpened);
        desk.observe(Millis(1), 8, PageEvent::PushOpened);
        desk.observe(Millis(2), 8, PageEvent::Goodbye);
        desk.observe(Millis(1), 10, PageEvent::PushClosed);
        let desks = [(ada(), desk)].into();
        let bo = WorkerSid::numbered(0xb0);
        let connected = vec![(ada(), 7), (ada(), 8), (ada(), 9), (ada(), 10), (bo.clone(), 1)];
        assert_eq!(not_known_open(&desks, connected), [(ada(), 9), (ada(), 10), (bo, 1)]);
    }
}
