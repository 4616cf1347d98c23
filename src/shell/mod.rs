//! The wasm shell: carries out the machine's effects in a browser and reports their outcomes.

mod conversations;
mod desk;
mod dialog;
mod flex;
mod flex_requests;
pub mod js;
pub mod lock;
mod messages;
mod outcome;
pub mod post;
mod presence;
pub mod push;
pub mod record;
pub mod shelf;
pub mod sse;
pub mod storage;
pub mod timer;
mod watch;

use crate::agent::{
    ACTIONS, Action, Agent, Answer, Clock, Config, Effect, Event, FromDesktop, PostError, PostId, Request,
    Timer, ToDesktop,
};
use crate::boundary::{self, from_server, outgoing};
use crate::value::joined;
use conversations::Conversations;
pub use dialog::Looks;
use flex::{Flex, Seen};
use flex_requests::FlexRequests;
use js_sys::{Array, Function, Promise};
use lock::{Change, Lock};
use push::{Channel, News};
use rejoin_protocol::api::{Beacon, Goodbye, GracefulMark, GracefulReason, Push};
use rejoin_protocol::{Millis, ReservationSid};
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use timer::Timers;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

/// The plugin core as the shim sees it: events in, effects out.
#[wasm_bindgen]
pub struct Core(Rc<Inner>);

struct Inner {
    agent: RefCell<Agent>,
    /// Events that arrived while another one was being handled.
    queue: RefCell<Vec<Event>>,
    busy: Cell<bool>,
    requests: FlexRequests,
    timers: RefCell<Timers<Timer>>,
    conversations: Conversations,
    dialog: Rc<dialog::Window>,
    channel: RefCell<Option<Channel>>,
    lock: RefCell<Option<Rc<Lock>>>,
    /// Base URL of the server in use.
    server: RefCell<String>,
    /// Epoch of the open push channel.
    listens: Cell<Option<u64>>,
    flex: Flex,
    seen: RefCell<Seen>,
    stage: Cell<watch::Stage>,
    /// True when a look at Flex's state is scheduled.
    due: Cell<bool>,
    /// True when Flex is not as expected: nothing more is done.
    idle: Cell<bool>,
    desktop: Function,
}

#[wasm_bindgen]
impl Core {
    /// `flex` is Flex UI, `manager` its manager; `desktop(effect)` carries out effects in Flex, and promises `false`
    /// when one failed; `looks` has the dialog's texts, markup and style.
    #[wasm_bindgen(constructor)]
    pub fn new(flex: JsValue, manager: JsValue, desktop: Function, looks: Looks) -> Result<Core, JsValue> {
        let flex = Flex::new(flex, manager)?;
        let (account, worker) = flex.settings();
        let (config, mistakes) = Config::read(&account, &worker);
        let version = flex.version();
        let server = config.server.clone();
        let conversations = Conversations::new(config.drafts, config.resend_messages);
        let epoch = storage::next_epoch(now());
        let mut agent = Agent::new(config, epoch, storage::stored_calls());
        agent.recall(storage::kept());
        agent.recall_activity(storage::activity());
        let core = Rc::new_cyclic(|core: &Weak<Inner>| Inner {
            dialog: dialog::Window::new(looks, flex.clone(), {
                let core = core.clone();
                move || Inner::later(&core, Event::DialogButton)
            }),
            agent: RefCell::new(agent),
            queue: RefCell::default(),
            busy: Cell::new(false),
            requests: FlexRequests::default(),
            timers: RefCell::default(),
            conversations,
            channel: RefCell::default(),
            lock: RefCell::default(),
            server: RefCell::new(server),
            listens: Cell::new(None),
            flex,
            seen: RefCell::default(),
            stage: Cell::default(),
            due: Cell::new(false),
            idle: Cell::new(false),
            desktop,
        });
        let effects = core.agent.borrow_mut().configured(mistakes, &version);
        for effect in effects {
            core.perform(effect);
        }
        Ok(Core(core))
    }

    /// Handles an event. Throws when the core does not know it; nothing has changed then.
    pub fn handle(&self, event: &JsValue) -> Result<(), JsValue> {
        let event = js::value(event);
        if let Some(sent) = boundary::conversations::sent(&event) {
            conversations::handle(&self.0, sent.map_err(js::unfit)?);
            return Ok(());
        }
        let event = FromDesktop::try_from(event).map_err(js::unfit)?;
        self.0.handle(Event::Desktop(event));
        Ok(())
    }

    /// Watches Flex from now on.
    pub fn watch(&self) -> Result<(), JsValue> {
        watch::watch(&self.0)
    }

    /// The actions of Flex before which [`Core::ask`] must be called, `[name, reason, mode]` each: how the agent
    /// leaves a call with it, if they do, and the required mode of a transfer.
    pub fn actions() -> Array {
        let text = |text: Option<&str>| text.map(JsValue::from).unwrap_or_default();
        let action = |it: Action| {
            let reason = it.reason().map(GracefulReason::name);
            Array::of3(&it.name.into(), &text(reason), &text(it.mode))
        };
        ACTIONS.into_iter().map(action).collect()
    }

    /// Asks about an action that Flex is about to carry out with this payload. The promise resolves to `{}` for yes,
    /// `{refused: true}`, or `{options: {…}}` to add to the conference's; it is kept within the 1.5 s that the
    /// machine may take. Throws when the payload is malformed. For `SendMessage`, see [`conversations::ask`].
    pub fn ask(&self, action: &str, payload: &JsValue) -> Result<Promise, JsValue> {
        if action == conversations::SEND {
            return Ok(conversations::ask(&self.0, payload));
        }
        let (request, answer) = self.0.requests.open();
        let let_go = || self.0.requests.answer(&ToDesktop::Let { request });
        match self.0.flex.before(request, action, payload).inspect_err(|_| _ = let_go())? {
            Some(event) => self.0.handle(Event::Desktop(event)),
            None => _ = let_go(),
        }
        Ok(answer)
    }

    /// During `joinCall` Flex wants to set the exit flag of this participant, which is cleared instead. Returns the
    /// participants whose flags must be cleared once more after it.
    #[wasm_bindgen(js_name = flagsToClear)]
    pub fn flags_to_clear(&self, reservation: &str, participant: &str) -> Array {
        let legs = match ReservationSid::parse(reservation) {
            Ok(sid) => self.0.agent.borrow_mut().flags_to_clear(&sid, participant),
            Err(_) => Vec::new(),
        };
        legs.iter().map(|leg| JsValue::from(leg.as_str())).collect()
    }

    /// The address for a page's last words: without a core, the shim posts a [`Beacon`] there itself.
    #[wasm_bindgen(getter)]
    pub fn farewell(&self) -> String {
        self.0.farewell()
    }

    /// The current state, see `Agent::status`.
    pub fn status(&self) -> JsValue {
        js::from(&self.0.agent.borrow().status())
    }
}

#[wasm_bindgen]
extern "C" {
    /// Milliseconds since the page began, by a clock that nobody sets
    /// (<https://developer.mozilla.org/docs/Web/API/Performance/now>).
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn passed() -> f64;
}

thread_local! {
    static CLOCK: Cell<Clock> = const { Cell::new(Clock::new()) };
}

/// The page's time.
fn now() -> Millis {
    let mut clock = CLOCK.get();
    let now = clock.at(Millis(js_sys::Date::now() as u64), Millis(passed() as u64));
    CLOCK.set(clock);
    now
}

impl Inner {
    /// Whether this page acts for the worker, or another page of this browser. A page that does not is told when its
    /// turn comes.
    fn elect(self: &Rc<Self>, worker: &str) -> Promise {
        let core = Rc::downgrade(self);
        let (lock, acts) = Lock::elect(worker, move |change| {
            let Some(core) = core.upgrade() else { return };
            core.handle(match change {
                Change::Granted => Event::Elected { taken: false, epoch: storage::next_epoch(now()) },
                Change::Taken => Event::Elected { taken: true, epoch: storage::next_epoch(now()) },
                Change::Lost => Event::Deposed,
            });
        });
        self.lock.replace(Some(lock));
        acts
    }

    fn look(self: &Rc<Self>) -> Result<(), JsValue> {
        messages::listen(self);
        let news = self.flex.look(&mut self.seen.borrow_mut())?;
        for event in news {
            self.handle(Event::Desktop(event));
        }
        conversations::look(self)
    }

    fn handle(self: &Rc<Self>, event: Event) {
        if self.idle.get() {
            return;
        }
        self.queue.borrow_mut().push(event);
        // Carrying out an effect may report the next event at once: it waits until the effects are drained.
        if self.busy.replace(true) {
            return;
        }
        while let Some(event) = self.next() {
            record::note(&event);
            if matches!(event, Event::Elected { .. }) {
                // Another page may have written them while this one waited.
                let mut agent = self.agent.borrow_mut();
                agent.remember(storage::stored_calls());
                agent.recall(storage::kept());
            }
            let effects = self.agent.borrow_mut().handle(now(), event);
            for effect in effects {
                self.perform(effect);
            }
        }
        self.busy.set(false);
    }

    fn next(&self) -> Option<Event> {
        // Hardly ever more than one: a ring buffer would be more to load.
        let mut queue = self.queue.borrow_mut();
        (!queue.is_empty()).then(|| queue.remove(0))
    }

    fn perform(self: &Rc<Self>, effect: Effect) {
        match effect {
            Effect::Desktop(effect) => self.tell(&effect),
            Effect::Dialog(dialog) => self.dialog.show(dialog.as_ref()),
            Effect::Post { id, request } => self.post(id, &request),
            Effect::OpenPush { epoch } => self.listen(epoch),
            Effect::SetTimer { timer, at } => {
                let core = Rc::downgrade(self);
                let due = timer.clone();
                let wake = move || Self::later(&core, Event::Timer(due));
                self.timers.borrow_mut().set(timer, now().until(at), wake);
            }
            Effect::ClearTimer { timer } => self.timers.borrow_mut().clear(&timer),
            Effect::Beacon { marks, goodbye, gone } => self.say_goodbye(marks, goodbye, gone),
            Effect::ClosePush => {
                self.listens.set(None);
                drop(self.channel.take());
            }
            Effect::UseServer { server } => {
                self.server.replace(server);
                if let Some(epoch) = self.listens.get() {
                    self.listen(epoch);
                }
            }
            Effect::Keep(kept) => storage::keep(&kept),
            Effect::Unkeep(id) => storage::unkeep(id),
            Effect::UnkeepAll => storage::unkeep_all(),
            Effect::TakeLock => {
                if let Some(lock) = &*self.lock.borrow() {
                    lock.take();
                }
            }
            Effect::Role { acts } => show_role(acts),
            Effect::Store(call) => storage::store(&call),
            Effect::TryMicrophone => desk::try_microphone(self),
            Effect::Reload => _ = js::call(&js::at(&js_sys::global(), "location"), "reload", &[]),
            Effect::StoreActivity(activity) => storage::store_activity(activity.as_ref()),
            Effect::Unstore { reservation } => storage::unstore(&reservation),
        }
    }

    fn later(core: &Weak<Self>, event: Event) {
        if let Some(core) = core.upgrade() {
            core.handle(event);
        }
    }

    fn tell(self: &Rc<Self>, effect: &ToDesktop) {
        if self.requests.answer(effect) {
            return;
        }
        if let Some(told) = outgoing::effect(effect) {
            let done = self.desktop.call1(&JsValue::UNDEFINED, &js::from(&told));
            outcome::follow(self, effect, done);
        }
    }

    fn post(self: &Rc<Self>, id: PostId, request: &Request) {
        let (path, body) = match request {
            // The server reports versions other than its own to operators.
            Request::Hello(hello) => {
                (concat!("hello?version=", env!("CARGO_PKG_VERSION")), post::body(&outgoing::hello(hello)))
            }
            Request::Register(registration) => ("calls", post::body(&outgoing::registration(registration))),
            Request::Graceful(mark) => ("graceful", post::body(&outgoing::mark(mark))),
            Request::Claim(claim) => ("conversations", post::body(&outgoing::claim(claim))),
        };
        let hello = matches!(request, Request::Hello(_));
        let keepalive = matches!(request, Request::Graceful(_));
        let (url, token) = (joined(&[&self.server.borrow(), "/v1/", path]), self.flex.token());
        let core = Rc::downgrade(self);
        spawn_local(async move {
            let answered = match body {
                Ok(body) => post::send(&url, &token, body, keepalive).await,
                Err(error) => Err(error),
            };
            let result = answered.and_then(|answered| match hello {
                true => post::parse(&answered)
                    .and_then(|said| from_server::hello_reply(said).ok())
                    .map(Answer::Hello)
                    .ok_or(PostError::Unreachable),
                false => Ok(Answer::Accepted),
            });
            Self::later(&core, Event::Reply { id, result });
        });
    }

    /// The page ends: only a beacon can still be sent, and it carries no headers.
    fn say_goodbye(&self, marks: Vec<GracefulMark>, goodbye: Option<Goodbye>, gone: Option<u64>) {
        let beacon = Beacon { token: self.flex.token(), marks, goodbye, gone };
        if let Ok(body) = post::body(&outgoing::beacon(&beacon)) {
            // Refused only when it is too large. The server notices the end of the push channel as well.
            let arguments: [&JsValue; 2] = [&self.farewell().into(), &body];
            let _ = js::call(&js::at(&js_sys::global(), "navigator"), "sendBeacon", &arguments);
        }
    }

    fn farewell(&self) -> String {
        joined(&[&self.server.borrow(), "/v1/goodbye"])
    }

    fn listen(self: &Rc<Self>, epoch: u64) {
        let core = Rc::downgrade(self);
        let server = self.server.borrow();
        let url = joined(&[&server, "/v1/push?epoch=", &epoch.to_string()]);
        let presence = joined(&["ws", server.get("http".len()..).unwrap_or_default(), "/v1/presence"]);
        let again = self.listens.replace(Some(epoch)) == Some(epoch);
        let earlier = self.channel.take().filter(|_| again);
        let flex = self.flex.clone();
        let channel = Channel::open(
            url,
            presence,
            earlier.as_ref(),
            move || flex.token(),
            move |news| {
                Self::later(
                    &core,
                    match news {
                        News::Up => Event::PushState { up: true },
                        News::Down => Event::PushState { up: false },
                        News::Said(Push::Recovery { recovery }) => Event::Push(recovery),
                        News::Said(Push::Ask) => Event::Ask,
                        News::Said(Push::Superseded) => Event::Superseded,
                        News::Said(Push::Move) => Event::Move,
                        News::Garbled => Event::Garbled,
                    },
                );
            },
        );
        self.channel.replace(Some(channel));
    }
}

/// Shows in the document which page acts, for diagnosis and tests.
fn show_role(acts: bool) {
    let root = js::at(&js_sys::global(), "document.documentElement");
    let role = if acts { "acts" } else { "waits" };
    // The attribute's name is valid.
    let _ = js::call(&root, "setAttribute", &[&"data-rejoin-page".into(), &role.into()]);
}
