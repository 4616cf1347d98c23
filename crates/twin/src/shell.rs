//! Drives the model: gives it what happens and the time, does what it says.

pub use crate::clock::now;
use crate::{
    config::TwinConfig,
    console::Console,
    faults::{ChatFaults, Done, Faults},
    hosting::Hosting,
    log::Log,
    media::{self, Clip, Command, Happening, Line, MediaHandle, Sockets},
    model::{
        ApiError, Assumptions, Audience, Effect, Event, FetchId, Form, Model, PlayId, Reply, Reports,
        Request, RequestId, Sound, TimerId,
    },
    outside::{Phone, Phones, Ringing},
    sinks::Sinks,
    sync::SharedSync,
    webhooks::{Format, Webhooks},
};
use rejoin_protocol::{CallSid, Millis, WorkerSid};
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Maximum number of remembered changes by REST requests.
const DONE: usize = 50_000;

/// Numbers of customers' legs have this bit, so that the shell can give them without asking the model.
const CUSTOMER_LEGS: u128 = 1 << 100;

/// When keys are pressed after an outside phone was picked up: its document plays by then.
const PRESSES_AFTER: Duration = Duration::from_secs(1);

/// Errors of the twin.
#[derive(Debug, thiserror::Error)]
pub enum TwinError {
    /// The address is taken, or is not one of this machine.
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The media side could not be started.
    #[error(transparent)]
    Media(#[from] media::MediaError),
    /// The demo account cannot be modelled.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
    /// The client for webhooks could not be built.
    #[error("cannot make the HTTP client for webhooks: {0}")]
    Client(#[from] reqwest::Error),
    /// Serving ended.
    #[error("the HTTP server stopped: {0}")]
    Serve(std::io::Error),
}

/// For a worker's phone: the Voice SDK behind one voice socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhoneCommand {
    /// Ring.
    Invite {
        /// The agent's leg.
        call: CallSid,
        /// Our SDP offer.
        sdp: String,
        /// `From` of the invite.
        from: String,
        /// `To` of the invite.
        to: String,
    },
    /// The other end has hung up.
    Hangup {
        /// Which leg.
        call: CallSid,
    },
}

/// News of any leg, for transcripts and for the phones that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegNews {
    /// A call message for its client.
    Message {
        /// The leg.
        call: CallSid,
        /// The content.
        content: Value,
        /// `KX…`.
        sid: String,
    },
    /// A line of its transcript.
    Heard(CallSid, Line),
    /// It has ended.
    Gone(CallSid),
}

/// The running twin. Clones are the same twin.
#[derive(Clone)]
pub struct Twin {
    inner: Arc<Inner>,
}

struct Inner {
    config: TwinConfig,
    inputs: mpsc::UnboundedSender<Input>,
    media: MediaHandle,
    legs: broadcast::Sender<LegNews>,
    live: Mutex<HashSet<CallSid>>,
    /// Legs that have picked up and whose media is not up yet. Not part of the inputs: media may be up before those are
    /// handled.
    answering: Mutex<HashSet<CallSid>>,
    /// Number of events that the model has handled.
    changes: watch::Sender<u64>,
    log: Log,
    customers: AtomicU64,
    outside: Mutex<Phones>,
    features: Mutex<Vec<String>>,
    sinks: Mutex<Sinks>,
    hosting: Mutex<Hosting>,
    console: Mutex<Console>,
    /// Parts of Flex's configuration that were replaced.
    configured: Mutex<serde_json::Map<String, Value>>,
    cut_off: watch::Sender<HashSet<WorkerSid>>,
    faults: Mutex<Faults>,
    done: Mutex<VecDeque<Done>>,
    sync: SharedSync,
    chat_faults: Mutex<ChatFaults>,
}

/// Checks an answer before a further request is carried out.
pub(crate) type Fits = Box<dyn FnOnce(&Reply) -> Result<(), ApiError> + Send>;

fn shutting_down() -> ApiError {
    ApiError { status: 500, code: 20500, message: "the twin is shutting down".into() }
}

enum Input {
    Event(Event),
    Ask(Request, oneshot::Sender<Result<Reply, ApiError>>),
    /// The second request is carried out if the answer to the first one fits.
    AskIf(Box<(Request, Fits, Request)>, oneshot::Sender<Result<Reply, ApiError>>),
    Snapshot(oneshot::Sender<Value>),
    Reports(oneshot::Sender<Reports>),
    Listen(WorkerSid, mpsc::UnboundedSender<(String, Value)>),
    Phone(WorkerSid, mpsc::UnboundedSender<PhoneCommand>),
    /// Somebody outside picks up.
    PickUp(CallSid),
    Invite {
        call: CallSid,
        worker: WorkerSid,
        from: String,
        to: String,
        sdp: String,
    },
    /// A clip has been fetched. `generation`: of what plays to that audience.
    Clip {
        play: PlayId,
        to: Audience,
        generation: u64,
        clip: Clip,
    },
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves these plain collections whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Twin {
    /// Starts model and media. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When the socket for media cannot be bound.
    pub async fn start(config: TwinConfig) -> Result<Self, TwinError> {
        let address = SocketAddr::new(config.listen.ip(), 0);
        let sockets = Sockets::bind(address).await.map_err(|source| TwinError::Listen { address, source })?;
        let (media, happenings) = media::start(sockets)?;
        let log = Log::default();
        let webhooks = Webhooks::new(&config, log.clone())?;
        let (inputs, inputs_rx) = mpsc::unbounded_channel();
        let twin = Self {
            inner: Arc::new(Inner {
                config,
                inputs,
                media,
                legs: broadcast::channel(1024).0,
                live: Mutex::default(),
                answering: Mutex::default(),
                changes: watch::Sender::default(),
                log,
                customers: AtomicU64::new(1),
                outside: Mutex::default(),
                features: Mutex::default(),
                sinks: Mutex::default(),
                hosting: Mutex::default(),
                console: Mutex::default(),
                configured: Mutex::default(),
                cut_off: watch::Sender::default(),
                faults: Mutex::default(),
                done: Mutex::default(),
                sync: SharedSync::default(),
                chat_faults: Mutex::default(),
            }),
        };
        tokio::spawn(Driver::new(twin.clone(), webhooks)?.run(inputs_rx, happenings));
        Ok(twin)
    }

    /// Asks the model. Adds no latency: the REST layer does, with [`Twin::lag`].
    ///
    /// # Errors
    /// Twilio's refusals.
    pub async fn ask(&self, request: Request) -> Result<Reply, ApiError> {
        let (reply, answer) = oneshot::channel();
        self.input(Input::Ask(request, reply));
        answer.await.unwrap_or_else(|_| Err(shutting_down()))
    }

    /// The same, if the answer to another request fits. Nothing happens between the two.
    ///
    /// # Errors
    /// Twilio's refusals of either, and what does not fit.
    pub(crate) async fn ask_if(
        &self,
        first: Request,
        fits: Fits,
        request: Request,
    ) -> Result<Reply, ApiError> {
        let (reply, answer) = oneshot::channel();
        self.input(Input::AskIf(Box::new((first, fits, request)), reply));
        answer.await.unwrap_or_else(|_| Err(shutting_down()))
    }

    /// Sends an event to the model.
    pub fn tell(&self, event: Event) {
        // Flex's configuration says it, too, in seconds.
        if let Event::Assume(Assumptions { presence_ttl_ms: Some(ms), .. }) = event {
            let offline = json!({ "presence": true, "presence_ttl": ms.div_ceil(1000) });
            self.configure([("offline_config".to_owned(), offline)].into_iter().collect());
        }
        self.input(Input::Event(event));
    }

    /// One event bridge socket of this worker, which gets every event as (`event_type`, payload). The socket counts as
    /// open while the receiver exists; this function reports its presence to the model, so callers must not.
    pub fn listen_worker(&self, worker: WorkerSid) -> mpsc::UnboundedReceiver<(String, Value)> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.input(Input::Listen(worker.clone(), sender.clone()));
        self.tell(Event::Presence { worker: worker.clone(), open: true });
        let twin = self.clone();
        tokio::spawn(async move {
            sender.closed().await;
            twin.tell(Event::Presence { worker, open: false });
        });
        receiver
    }

    /// One registered voice socket of this worker. Calls ring on the last one that is still connected.
    pub fn plug_phone(&self, worker: WorkerSid) -> mpsc::UnboundedReceiver<PhoneCommand> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.input(Input::Phone(worker, sender));
        receiver
    }

    /// The phone's SDP answer to an invite. It is reported to the model once media is up.
    pub fn answer(&self, call: CallSid, sdp: String) {
        locked(&self.inner.answering).insert(call.clone());
        let twin = self.clone();
        tokio::spawn(async move {
            if let Err(error) = twin.inner.media.answer(call.clone(), sdp).await {
                twin.log(format!("{call}: the phone's answer is of no use: {error}"));
                twin.tell(Event::NotAnswered { call });
            }
        });
    }

    /// True if the leg has picked up and was waiting for its media; it no longer waits then.
    fn answered(&self, call: &CallSid) -> bool {
        locked(&self.inner.answering).remove(call)
    }

    /// The media side.
    pub fn media(&self) -> &MediaHandle {
        &self.inner.media
    }

    /// For `GET /__twin/state`.
    pub async fn snapshot(&self) -> Value {
        let (reply, answer) = oneshot::channel();
        self.input(Input::Snapshot(reply));
        answer.await.unwrap_or_default()
    }

    /// Waits until this is found in the [snapshot](Self::snapshot), which is taken after every event.
    pub async fn until<T>(&self, is: impl Fn(&Value) -> Option<T>) -> T {
        let mut changes = self.changes();
        loop {
            changes.borrow_and_update();
            if let Some(found) = is(&self.snapshot().await) {
                return found;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await; // the twin is gone: no event comes any more
            }
        }
    }

    /// What Flex's views of the contact centre show.
    pub async fn reports(&self) -> Reports {
        let (reply, answer) = oneshot::channel();
        self.input(Input::Reports(reply));
        answer.await.unwrap_or_default()
    }

    /// Changes with every event.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// A SID for a new customer's leg. A browser phone: make its media with it (`Command::Accept`), then
    /// [`Twin::customer_dials`].
    pub fn new_customer_leg(&self) -> CallSid {
        let number = self.inner.customers.fetch_add(1, Ordering::Relaxed);
        CallSid::numbered(self.inner.config.first_number + CUSTOMER_LEGS + u128::from(number))
    }

    /// A leg whose media was made already dials the account's number. `from`: E.164.
    pub fn customer_dials(&self, call: CallSid, from: String) {
        locked(&self.inner.live).insert(call.clone());
        self.tell(Event::CustomerDials { call, from, native: false });
    }

    /// A phone of the twin itself dials the account's number, and sends a tone of `hz`.
    pub fn dial_native(&self, from: String, hz: f32) -> CallSid {
        let call = self.new_customer_leg();
        self.inner.media.send(Command::Native { call: call.clone(), hz });
        locked(&self.inner.live).insert(call.clone());
        self.tell(Event::CustomerDials { call: call.clone(), from, native: true });
        call
    }

    /// Sets how the phone of this number takes calls.
    pub fn set_phone(&self, number: String, phone: Phone) {
        locked(&self.inner.outside).set(number, phone);
    }

    /// Resets how the phones outside take calls.
    pub fn reset_phones(&self) {
        locked(&self.inner.outside).forget();
    }

    /// The last call that Twilio placed to this number.
    pub fn called(&self, number: &str) -> Option<CallSid> {
        locked(&self.inner.outside).called(number)
    }

    /// A person outside picks up a ringing phone.
    pub fn pick_up(&self, call: CallSid) {
        self.input(Input::PickUp(call));
    }

    /// Features that Flex finds switched on when it starts, by their names.
    pub fn features(&self) -> Vec<String> {
        locked(&self.inner.features).clone()
    }

    /// Switches features of Flex on, and all others off.
    pub fn set_features(&self, features: Vec<String>) {
        *locked(&self.inner.features) = features;
    }

    /// Cuts this worker's desktops off, or ends that: their sockets end without a close, and no new one is accepted.
    pub fn cut_off(&self, worker: WorkerSid, cut_off: bool) {
        self.inner.cut_off.send_modify(|workers| {
            if cut_off {
                workers.insert(worker);
            } else {
                workers.remove(&worker);
            }
        });
    }

    /// True while this worker's desktops are cut off.
    pub fn is_cut_off(&self, worker: &WorkerSid) -> bool {
        self.inner.cut_off.borrow().contains(worker)
    }

    /// Waits until this worker's desktops are cut off; forever if the worker is unknown.
    pub async fn until_cut_off(&self, worker: Option<&WorkerSid>) {
        let Some(worker) = worker else { return std::future::pending().await };
        // Fails only when the twin shuts down.
        let _ = self.inner.cut_off.subscribe().wait_for(|workers| workers.contains(worker)).await;
    }

    /// Parts of Flex's configuration that were replaced.
    pub(crate) fn configured(&self) -> serde_json::Map<String, Value> {
        locked(&self.inner.configured).clone()
    }

    /// Replaces parts of Flex's configuration.
    pub(crate) fn configure(&self, parts: serde_json::Map<String, Value>) {
        locked(&self.inner.configured).extend(parts);
    }

    /// What is hosted for Flex: files and releases of plugins.
    pub(crate) fn hosting(&self) -> MutexGuard<'_, Hosting> {
        locked(&self.inner.hosting)
    }

    /// Reads or changes what the console shows.
    pub fn console<T>(&self, ask: impl FnOnce(&mut Console) -> T) -> T {
        ask(&mut locked(&self.inner.console))
    }

    /// The sinks of Event Streams.
    pub(crate) fn sinks(&self) -> MutexGuard<'_, Sinks> {
        locked(&self.inner.sinks)
    }

    /// Replaces the injected faults.
    pub fn set_faults(&self, faults: Faults) {
        *locked(&self.inner.faults) = faults;
    }

    /// Reads the injected faults.
    pub(crate) fn faults<T>(&self, ask: impl FnOnce(&mut Faults) -> T) -> T {
        ask(&mut locked(&self.inner.faults))
    }

    /// What desktops see of Sync.
    pub(crate) fn shared_sync(&self) -> &SharedSync {
        &self.inner.sync
    }

    /// Replaces the faults of the Conversations SDK's sockets.
    pub fn set_chat_faults(&self, faults: ChatFaults) {
        *locked(&self.inner.chat_faults) = faults;
    }

    /// Reads the faults of the Conversations SDK's sockets.
    pub(crate) fn chat_faults<T>(&self, ask: impl FnOnce(&mut ChatFaults) -> T) -> T {
        ask(&mut locked(&self.inner.chat_faults))
    }

    /// Changes by REST requests, oldest first.
    pub fn done(&self) -> Vec<Done> {
        locked(&self.inner.done).iter().cloned().collect()
    }

    /// Remembers a change by a REST request.
    pub(crate) fn has_done(&self, done: Done) {
        let mut all = locked(&self.inner.done);
        if all.len() == DONE {
            all.pop_front();
        }
        all.push_back(done);
    }

    /// True if the leg exists and has not ended.
    pub fn is_live(&self, call: &CallSid) -> bool {
        locked(&self.inner.live).contains(call)
    }

    /// News of all legs from now on.
    pub fn leg_news(&self) -> broadcast::Receiver<LegNews> {
        self.inner.legs.subscribe()
    }

    /// What the twin did, oldest first.
    pub fn log_lines(&self) -> Vec<String> {
        self.inner.log.lines()
    }

    /// Adds a line to the log. No phone numbers, names or attributes.
    pub fn log(&self, line: impl Into<String>) {
        self.inner.log.add(line);
    }

    /// The log itself, for tasks that outlive the call.
    pub(crate) fn its_log(&self) -> &Log {
        &self.inner.log
    }

    /// The twin's configuration.
    pub fn config(&self) -> &TwinConfig {
        &self.inner.config
    }

    /// Waits as long as the network takes one way.
    pub async fn lag(&self) {
        self.inner.config.latency.pass().await;
    }

    fn input(&self, input: Input) {
        // Fails only when the driver is gone: the runtime is being shut down.
        let _ = self.inner.inputs.send(input);
    }
}

/// The task that owns the model.
struct Driver {
    twin: Twin,
    model: Model,
    webhooks: Webhooks,
    timers: BTreeSet<(Millis, TimerId)>,
    asked: HashMap<RequestId, oneshot::Sender<Result<Reply, ApiError>>>,
    last_request: u64,
    listeners: HashMap<WorkerSid, Vec<mpsc::UnboundedSender<(String, Value)>>>,
    phones: HashMap<WorkerSid, Vec<mpsc::UnboundedSender<PhoneCommand>>>,
    /// The phone on which a leg rings or talks.
    on_phone: HashMap<CallSid, mpsc::UnboundedSender<PhoneCommand>>,
    /// Counts what was stopped on a leg, so that a clip that arrives afterwards is not played.
    stopped: HashMap<CallSid, u64>,
    /// Counts holds and their ends, so that a clip that arrives afterwards is not played on the next hold.
    holds: HashMap<CallSid, u64>,
}

impl Driver {
    fn new(twin: Twin, webhooks: Webhooks) -> Result<Self, TwinError> {
        let config = twin.config();
        let model = Model::new(config.facts.clone(), config.demo_account(), config.first_number)?;
        Ok(Self {
            twin,
            model,
            webhooks,
            timers: BTreeSet::new(),
            asked: HashMap::new(),
            last_request: 0,
            listeners: HashMap::new(),
            phones: HashMap::new(),
            on_phone: HashMap::new(),
            stopped: HashMap::new(),
            holds: HashMap::new(),
        })
    }

    async fn run(
        mut self,
        mut inputs: mpsc::UnboundedReceiver<Input>,
        mut happenings: mpsc::UnboundedReceiver<Happening>,
    ) {
        loop {
            let next = self.timers.first().map(|(at, _)| *at);
            let wait = Duration::from_millis(next.map_or(0, |at| now().until(at).0));
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => self.input(input),
                    None => return,
                },
                happening = happenings.recv() => match happening {
                    Some(happening) => self.happening(happening),
                    None => return,
                },
                () = tokio::time::sleep(wait), if next.is_some() => self.due(),
            }
        }
    }

    fn due(&mut self) {
        let now = now();
        while let Some((at, timer)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            self.event(Event::Timer(timer));
        }
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Event(event) => self.event(event),
            Input::Ask(request, reply) => self.ask(request, reply),
            Input::AskIf(asked, reply) => {
                let (first, fits, request) = *asked;
                let (found, mut answer) = oneshot::channel();
                self.ask(first, found);
                let found = answer.try_recv().unwrap_or_else(|_| Err(shutting_down()));
                match found.and_then(|found| fits(&found)) {
                    Ok(()) => self.ask(request, reply),
                    // Nobody waits any more: the request was cut off.
                    Err(error) => drop(reply.send(Err(error))),
                }
            }
            Input::Snapshot(reply) => {
                let _ = reply.send(self.model.snapshot());
            }
            Input::Reports(reply) => {
                let _ = reply.send(self.model.reports());
            }
            Input::Listen(worker, sender) => self.listeners.entry(worker).or_default().push(sender),
            Input::Phone(worker, sender) => {
                let phones = self.phones.entry(worker).or_default();
                phones.retain(|phone| !phone.is_closed());
                phones.push(sender);
            }
            Input::PickUp(call) => self.pick_up(call),
            Input::Invite { call, worker, from, to, sdp } => self.invite(call, &worker, from, to, sdp),
            Input::Clip { play, to, generation, clip } => {
                if self.generation(&to) == generation {
                    self.twin.inner.media.send(Command::Play { play, to, clip });
                }
            }
        }
    }

    fn happening(&mut self, happening: Happening) {
        match happening {
            Happening::Connected(call) => {
                if self.twin.answered(&call) {
                    self.event(Event::Answered { call });
                }
            }
            Happening::Silent(call, silent) => self.event(Event::MediaSilent { call, silent }),
            Happening::Closed(call) => self.event(Event::MediaClosed { call }),
            Happening::Failed(call, why) => {
                self.twin.log(format!("{call}: media failed: {why}"));
                let event = if self.twin.answered(&call) {
                    Event::NotAnswered { call }
                } else {
                    Event::HungUp { call }
                };
                self.event(event);
            }
            Happening::Played(play) => self.event(Event::Played { play }),
            Happening::Transcript(call, line) => {
                // Nobody listens: fine.
                let _ = self.twin.inner.legs.send(LegNews::Heard(call, line));
            }
        }
    }

    /// The model answers each request at once.
    fn ask(&mut self, request: Request, reply: oneshot::Sender<Result<Reply, ApiError>>) {
        self.last_request += 1;
        let id = RequestId(self.last_request);
        self.asked.insert(id, reply);
        self.event(Event::Request { id, request, form: Form::Both });
    }

    fn event(&mut self, event: Event) {
        if let Event::Assume(Assumptions { retry_pause_ms: Some(pause), .. }) = &event {
            self.webhooks.set_retry_pause(Millis(*pause));
        }
        for effect in self.model.handle(now(), event) {
            self.perform(effect);
        }
        self.twin.inner.changes.send_modify(|count| *count += 1);
    }

    fn perform(&mut self, effect: Effect) {
        let media = &self.twin.inner.media;
        match effect {
            Effect::Reply { id, result } => {
                if let Some(reply) = self.asked.remove(&id) {
                    let _ = reply.send(result);
                }
            }
            Effect::FetchTwiml { fetch, url, method, params } => self.fetch(fetch, url, method, params),
            Effect::Webhook { params, .. } if self.twin.faults(|faults| faults.loses(&params)) => {
                self.twin.log("a callback never comes");
            }
            Effect::Webhook { url, method, params } => self.deliver(Format::Form, url, method, params),
            Effect::JsonWebhook { url, method, params } => self.deliver(Format::Json, url, method, params),
            Effect::Message { call, content, sid } => {
                // JSON, by the contract. Fails without sockets: the message is lost.
                let content = serde_json::from_str(&content).unwrap_or_default();
                let _ = self.twin.inner.legs.send(LegNews::Message { call, content, sid });
            }
            Effect::Tell { worker, event_type, payload } => {
                if let Some(listeners) = self.listeners.get_mut(&worker) {
                    listeners.retain(|listener| listener.send((event_type.clone(), payload.clone())).is_ok());
                }
            }
            Effect::Ring { call, worker, from, to } => self.ring(call, worker, from, to),
            Effect::Dial { call, to, .. } => self.dial(call, &to),
            Effect::Drop { call } => self.drop_leg(call),
            Effect::Place { call, conference } => media.send(Command::Place(call, conference)),
            Effect::Mute { call, muted } => media.send(Command::Mute(call, muted)),
            Effect::Coach { call, coached } => media.send(Command::Coach(call, coached)),
            Effect::Hold { call, hold, music } => self.hold(call, hold, music),
            Effect::Play { play, to, what } => self.play(play, to, what),
            Effect::StopPlaying { call } => {
                *self.stopped.entry(call.clone()).or_default() += 1;
                media.send(Command::StopPlaying(call));
            }
            Effect::SetTimer { timer, at } => {
                self.timers.insert((at, timer));
            }
            Effect::Stream(event) => self.twin.sinks().tell(&event),
            Effect::Sync(change) => self.twin.inner.sync.apply(change),
            Effect::Log(line) => self.twin.log(line),
        }
    }

    fn deliver(&self, format: Format, url: String, method: String, params: Vec<(String, String)>) {
        let webhooks = self.webhooks.clone();
        let twin = self.twin.clone();
        tokio::spawn(async move {
            if let Err(why) = webhooks.deliver(format, &url, &method, &params).await {
                twin.log(format!("webhook lost: {why}"));
            }
        });
    }

    fn fetch(&self, fetch: FetchId, url: String, method: String, params: Vec<(String, String)>) {
        let webhooks = self.webhooks.clone();
        let twin = self.twin.clone();
        tokio::spawn(async move {
            let result = webhooks.twiml(&url, &method, &params).await;
            twin.tell(Event::TwimlFetched { fetch, result });
        });
    }

    fn ring(&self, call: CallSid, worker: WorkerSid, from: String, to: String) {
        locked(&self.twin.inner.live).insert(call.clone());
        let twin = self.twin.clone();
        tokio::spawn(async move {
            match twin.inner.media.offer(call.clone()).await {
                Ok(sdp) => twin.input(Input::Invite { call, worker, from, to, sdp }),
                Err(error) => {
                    twin.log(format!("{call}: no media for the agent's phone: {error}"));
                    twin.tell(Event::NotAnswered { call });
                }
            }
        });
    }

    fn invite(&mut self, call: CallSid, worker: &WorkerSid, from: String, to: String, sdp: String) {
        if !self.twin.is_live(&call) {
            // Ended while its media was made: a phone would ring for nobody.
            return;
        }
        let phones = self.phones.entry(worker.clone()).or_default();
        phones.retain(|phone| !phone.is_closed());
        let command = PhoneCommand::Invite { call: call.clone(), sdp, from, to };
        match phones.last() {
            Some(phone) if phone.send(command).is_ok() => {
                self.on_phone.insert(call, phone.clone());
            }
            _ => {
                self.twin.log(format!("{call}: {worker} has no registered phone"));
                self.event(Event::NotAnswered { call });
            }
        }
    }

    fn dial(&self, call: CallSid, to: &str) {
        locked(&self.twin.inner.live).insert(call.clone());
        let twin = self.twin.clone();
        let ringing = locked(&self.twin.inner.outside).ring(to, &call);
        match ringing {
            Ringing::OnAndOn => {}
            Ringing::Engaged => twin.tell(Event::Busy { call }),
            Ringing::Until(time) => {
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    twin.input(Input::PickUp(call));
                });
            }
        }
    }

    fn pick_up(&mut self, call: CallSid) {
        let Some(phone) = locked(&self.twin.inner.outside).pick_up(&call) else { return };
        if self.twin.is_live(&call) {
            locked(&self.twin.inner.answering).insert(call.clone());
            self.twin.inner.media.send(Command::Native { call: call.clone(), hz: phone.hz });
        }
        if !phone.presses.is_empty() {
            let twin = self.twin.clone();
            tokio::spawn(async move {
                tokio::time::sleep(PRESSES_AFTER).await;
                twin.tell(Event::Pressed { call, keys: phone.presses });
            });
        }
    }

    fn drop_leg(&mut self, call: CallSid) {
        self.twin.inner.media.send(Command::Drop(call.clone()));
        locked(&self.twin.inner.answering).remove(&call);
        self.stopped.remove(&call);
        self.holds.remove(&call);
        locked(&self.twin.inner.live).remove(&call);
        if let Some(phone) = self.on_phone.remove(&call) {
            // A phone that is gone needs no hang-up.
            let _ = phone.send(PhoneCommand::Hangup { call: call.clone() });
        }
        let _ = self.twin.inner.legs.send(LegNews::Gone(call));
    }

    fn hold(&mut self, call: CallSid, hold: bool, music: bool) {
        *self.holds.entry(call.clone()).or_default() += 1;
        let sound = || if music { media::hold_music() } else { media::no_music() };
        self.twin.inner.media.send(Command::Hold(call, hold.then(sound)));
    }

    fn generation(&self, to: &Audience) -> u64 {
        match to {
            Audience::Leg(call) => self.stopped.get(call).copied().unwrap_or_default(),
            Audience::OnHold(call) => self.holds.get(call).copied().unwrap_or_default(),
            Audience::Conference(_) => 0,
        }
    }

    fn play(&self, play: PlayId, to: Audience, what: Sound) {
        let twin = self.twin.clone();
        match what {
            Sound::Say(text) => {
                self.twin.inner.media.send(Command::Play { play, to, clip: media::speech(&text) });
            }
            Sound::Silence(time) => {
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(time.0)).await;
                    twin.tell(Event::Played { play });
                });
            }
            Sound::Url(url) => {
                let webhooks = self.webhooks.clone();
                let generation = self.generation(&to);
                tokio::spawn(async move {
                    match webhooks.clip(&url).await {
                        Ok(clip) => twin.input(Input::Clip { play, to, generation, clip }),
                        Err(why) => {
                            // Twilio goes on with the next verb.
                            twin.log(format!("a <Play> is skipped: {why}"));
                            twin.tell(Event::NotPlayed { play });
                        }
                    }
                });
            }
        }
    }
}
