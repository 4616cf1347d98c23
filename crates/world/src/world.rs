//! The event loop, and the state of the world.

use crate::browser::Browser;
use crate::coming::{Coming, RestAnswer};
use crate::coverage::Counter;
use crate::customers::Customer;
use crate::day::Loss;
use crate::desk::Agent;
use crate::fates::{Fate, Fates};
use crate::page::{Page, PageId};
use crate::plan::{FaultKind, Plan};
use crate::planted::Planted;
use crate::queue::Queue;
use crate::rules::Rules;
use crate::run::{Runner, Unfit};
use crate::server::{Inbox, Servers};
use crate::silences::Silences;
use crate::timeline::Entry;
use crate::twilio::Twilio;
use rejoin_protocol::{CallSid, Millis};
use rejoin_twin::model::WorkerSetup;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The wall-clock time when a world begins.
pub(crate) const BEGIN: Millis = Millis(1_800_000_000_000);

/// The state of a world.
pub(crate) struct World {
    pub(crate) plan: Arc<Plan>,
    /// Milliseconds since the world began.
    pub(crate) now: u64,
    begun: Instant,
    queue: Queue<Coming>,
    inbox: mpsc::UnboundedReceiver<Inbox>,
    pub(crate) sender: mpsc::UnboundedSender<Inbox>,
    pub(crate) twilio: Twilio,
    pub(crate) silences: Silences,
    /// Since when each customer is on hold although the agent is there.
    pub(crate) held_since: BTreeMap<CallSid, u64>,
    pub(crate) servers: Servers,
    pub(crate) agents: Vec<Agent>,
    pub(crate) browsers: Vec<Browser>,
    pub(crate) pages: Vec<Page>,
    pub(crate) customers: Vec<Customer>,
    /// The customer of each leg.
    pub(crate) whose: BTreeMap<CallSid, usize>,
    /// When each phone outside answers.
    pub(crate) answers: BTreeMap<String, u64>,
    pub(crate) placed: usize,
    pub(crate) tokens: BTreeMap<(usize, u64), String>,
    /// Number of messages on each lane so far.
    pub(crate) sent: BTreeMap<u64, u64>,
    /// When the last event over each page's event bridge arrives.
    pub(crate) told_at: BTreeMap<PageId, u64>,
    /// Requests that will never be answered.
    pub(crate) unanswered: Vec<RestAnswer>,
    pub(crate) lost_callbacks: bool,
    pub(crate) lost_documents: bool,
    pub(crate) last_fault: u64,
    pub(crate) rules: Rules,
    pub(crate) losses: Vec<Loss>,
    /// Number of events so far.
    pub(crate) steps: u64,
    pub(crate) coverage: Counter,
    pub(crate) timeline: Option<Vec<Entry>>,
    pub(crate) planted: Option<Planted>,
    /// What befell pages and servers, for the chats.
    pub(crate) fates: Fates,
}

impl World {
    /// A world before anything has happened. Must be created within its runtime.
    pub(crate) fn new(plan: Arc<Plan>, runner: &Runner) -> Result<Self, Unfit> {
        let (sender, inbox) = mpsc::unbounded_channel();
        let agents: Vec<Agent> = (0..plan.agents.len()).map(Agent::new).collect();
        let workers = agents.iter().map(setup).collect();
        let servers = Servers::new(runner, &plan)?;
        let mut world = Self {
            now: 0,
            begun: Instant::now(),
            queue: Queue::default(),
            inbox,
            sender,
            twilio: Twilio::new(&plan, workers).map_err(Unfit::of)?,
            silences: Silences::default(),
            held_since: BTreeMap::new(),
            servers,
            browsers: agents.iter().map(|_| Browser::default()).collect(),
            agents,
            pages: vec![],
            customers: plan.customers.iter().map(|_| Customer::new()).collect(),
            whose: BTreeMap::new(),
            answers: BTreeMap::new(),
            placed: 0,
            tokens: BTreeMap::new(),
            sent: BTreeMap::new(),
            told_at: BTreeMap::new(),
            unanswered: vec![],
            lost_callbacks: false,
            lost_documents: false,
            last_fault: 0,
            rules: Rules::default(),
            losses: vec![],
            steps: 0,
            coverage: Counter::new(runner.counts),
            timeline: runner.records.then(Vec::new),
            planted: runner.planted,
            fates: Fates::default(),
            plan,
        };
        world.set_up();
        Ok(world)
    }

    /// Schedules what the plan says, in its order.
    fn set_up(&mut self) {
        let plan = Arc::clone(&self.plan);
        for place in 0..self.servers.places.len() {
            self.put(0, Coming::StartServer(place));
        }
        for (agent, its) in plan.agents.iter().enumerate() {
            for tab in 0..u64::from(its.tabs.max(1)) {
                self.put(10 + tab * 700 + agent as u64, Coming::Opens { agent, browser: agent });
            }
        }
        for (number, customer) in plan.customers.iter().enumerate() {
            self.put(customer.dials, Coming::Dials(number));
            if let Some(at) = customer.hangs_up {
                self.put(at, Coming::HangsUp(number));
            }
        }
        for (number, deed) in plan.deeds.iter().enumerate() {
            self.put(deed.at, Coming::Deed(number));
        }
        for (number, fault) in plan.faults.iter().enumerate() {
            // With several servers, the moment of the fault picks one.
            let place = usize::try_from(fault.from).unwrap_or_default() % self.servers.places.len();
            match fault.kind {
                FaultKind::ServerDies => self.put(fault.from, Coming::KillServer(place)),
                FaultKind::ServerRestarts => self.put(fault.from, Coming::StopServer(place)),
                FaultKind::ServerStands => {
                    self.put(fault.from, Coming::StandServer(place, fault.to - fault.from));
                }
                FaultKind::ServerClock(by) => {
                    self.put(fault.from, Coming::SetClock(by));
                    self.put(fault.to, Coming::SetClock(-by));
                }
                FaultKind::DatabaseClock(by) => {
                    self.put(fault.from, Coming::SetDatabaseClock(by));
                    self.put(fault.to, Coming::SetDatabaseClock(-by));
                }
                FaultKind::Liar => self.put(fault.from, Coming::Lies(number)),
                FaultKind::DatabaseRestored => {
                    self.put(fault.from, Coming::Backup);
                    self.put(fault.to, Coming::Restore);
                }
                _ => {}
            }
        }
        self.put(plan.until, Coming::Look);
    }

    /// The wall-clock time of an accurate clock.
    pub(crate) fn wall(&self) -> Millis {
        BEGIN + Millis(self.now)
    }

    /// Notes what befalls a page or a server, if the world has chats.
    pub(crate) fn befalls(&mut self, fate: Fate) {
        if self.plan.chats.is_some() {
            self.fates.0.push((self.now, fate));
        }
    }

    pub(crate) fn put(&mut self, after: u64, what: Coming) {
        self.queue.put(self.now + after, what);
    }

    pub(crate) fn put_at(&mut self, at: u64, what: Coming) {
        self.queue.put(at.max(self.now), what);
    }

    /// Runs until everything is over, or a rule is broken.
    pub(crate) async fn run(&mut self) {
        while self.rules.broken.is_none() && !self.is_over() {
            // The server first does whatever it can do without time passing.
            while let Ok(news) = self.inbox.try_recv() {
                self.comes(news);
            }
            let Some(next) = self.queue.next_at() else { break };
            if next > self.now {
                self.check_before(next);
                let until = self.begun + Duration::from_millis(next);
                tokio::select! {
                    biased;
                    Some(news) = self.inbox.recv() => {
                        self.clock();
                        self.comes(news);
                        continue;
                    }
                    () = tokio::time::sleep_until(until) => self.clock(),
                }
            }
            if let Some(what) = self.queue.take_due(self.now) {
                self.steps += 1;
                match what {
                    Coming::StartServer(place) => self.start_server(place).await,
                    Coming::Restore => self.restore().await,
                    what => self.happens(what),
                }
                self.check();
            }
        }
    }

    fn clock(&mut self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.now = self.now.max(now);
    }

    fn comes(&mut self, news: Inbox) {
        self.steps += 1;
        match news {
            Inbox::Rest(number, request, answer) => self.rest_sent(number, request, answer),
            Inbox::Answered(number, reply, answer) => self.answer_comes(number, reply, answer),
            Inbox::Push(page, attempt, news) => self.push_said(page, attempt, news),
            Inbox::Killed(number) => self.server_killed(number),
            Inbox::Restored(found) => self.restored(found),
            Inbox::Stopped(place) => self.put(300, Coming::StartServer(place)),
            Inbox::Store(number, kind) => self.store_fails(number, kind),
            Inbox::Stands(number, time, step) => {
                self.server_stands(number, time, FaultKind::StandsAtStep, &step);
            }
        }
    }

    fn happens(&mut self, what: Coming) {
        match what {
            Coming::Deed(number) => self.deed(number),
            Coming::Dials(number) => self.dials(number),
            Coming::HangsUp(number) => self.hangs_up(number),
            Coming::OutsideHangsUp(call) => self.at_twilio(rejoin_twin::model::Event::HungUp { call }),
            Coming::Accepts(agent, sid) => self.accepts(agent, sid),
            Coming::Completes(agent, sid) => self.completes(agent, sid),
            Coming::Presses(page) => self.presses(page),
            Coming::Opens { agent, browser } => self.opens(agent, browser),
            Coming::WantsCalls(agent) => self.wants_calls(agent),
            Coming::EndsTalk(agent) => self.ends_talk(agent),
            Coming::Lies(number) => self.lies(number),
            Coming::Twilio(event) => self.at_twilio(event),
            Coming::Rest(number, request, answer) => self.rest_arrives(number, &request, answer),
            Coming::Again(request) => self.doubled(&request),
            // A dead server no longer waits for the answer.
            Coming::RestAnswered(answer, result) => _ = answer.send(result),
            Coming::Attempt(delivery) => self.attempt_arrives(*delivery),
            Coming::AttemptLate(attempt) => self.attempt_late(attempt),
            Coming::Batch(events, pause) => self.batch(events, pause),
            Coming::CollectBatch => self.collect_batch(),
            Coming::FlexUp(page) => self.flex_up(page),
            Coming::PluginUp(page) => self.plugin_up(page),
            Coming::Patience(page) => {
                if self.runs(page) {
                    self.begin(page, false);
                } else if self.pages[page].alive {
                    self.pages[page].late.push(Coming::Patience(page));
                }
            }
            Coming::CoreTimer(page, timer, number) => self.core_timer(page, timer, number),
            Coming::Tell(page, event, payload) => self.told(page, event, payload),
            Coming::Bridge(page, request, then) => self.bridge_arrives(page, *request, then),
            Coming::Bridged(page, then, result) => self.bridged(page, then, *result),
            Coming::Invite(page, call) => self.invited(page, call),
            Coming::PickedUp(page, call) => self.picked_up(page, call),
            Coming::FarHangup(page, call) => self.far_hangup(page, &call),
            Coming::CallMessage(page, call, content) => self.call_message(page, call, &content),
            Coming::JoinLate(page, sid) => self.join_late(page, sid),
            Coming::Post { page, path, token, body } => self.post_arrives(page, path, &token, body),
            Coming::Posted(page, id, result) => self.posted(page, id, result),
            Coming::OpenPush(page, attempt) => self.push_again(page, attempt),
            Coming::PushArrives(page, attempt, news) => self.push_arrives(page, attempt, news),
            Coming::PushSilence(page, attempt) => self.push_silence(page, attempt),
            Coming::HalfOpen(page) => self.half_open(page),
            Coming::PushUnacknowledged(page, number) => self.push_unacknowledged(page, number),
            Coming::Wakes(page, number) => self.wakes(page, number),
            Coming::SocketsClose(page) => self.sockets_close(page),
            Coming::Foreign(page) => self.foreign(page),
            Coming::KillServer(place) => {
                self.coverage.fault(FaultKind::ServerDies);
                self.kill_server(place);
            }
            Coming::StopServer(place) => {
                self.coverage.fault(FaultKind::ServerRestarts);
                self.stop_server(place);
            }
            Coming::StandServer(place, time) => self.stand_server(place, time),
            Coming::SetClock(by) => self.set_server_clock(by),
            Coming::SetDatabaseClock(by) => self.set_database_clock(by),
            Coming::GoesOn(number) => self.server_goes_on(number),
            Coming::Backup => self.back_up(),
            // Handled where it can be awaited.
            Coming::StartServer(_) | Coming::Restore => {}
            Coming::Look => self.look_at_the_end(),
        }
    }
}

fn setup(agent: &Agent) -> WorkerSetup {
    WorkerSetup {
        sid: agent.worker.clone(),
        name: format!("{}@example.com", agent.identity),
        identity: agent.identity.clone(),
        attributes: serde_json::json!({
            "contact_uri": format!("client:{}", agent.identity), "full_name": agent.name, "roles": ["agent"],
            "routing": {"skills": [], "levels": {}},
        })
        .to_string(),
        capacity: vec![1, 1, 1, 1],
    }
}
