//! Conversations in Flex: watches their inputs, and carries out what the machine of conversations wants done.

use super::{Inner, js, lock, now};
use crate::agent::Place;
use crate::boundary::Value;
use crate::boundary::conversations::{self as boundary, ATTRIBUTE};
use crate::chats::{Chats, Effect, Event, Facts, Message, MessageId, Outcome, Timer};
use crate::shell::post;
use crate::shell::shelf::Shelf;
use crate::shell::timer::Timers;
use crate::value::joined;
use js_sys::{Array, Function, Object, Promise};
use rejoin_protocol::api::ConversationClaim;
use rejoin_protocol::{ConversationSid, InteractionChannelSid, InteractionSid, ReservationSid};
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

/// The action by which Flex sends a message.
pub(super) const SEND: &str = "SendMessage";
/// Flex's notification that a message could not be sent.
const FAILED: &str = "SendMessageFailed";
/// The longest attributes, as JSON, to which an id is added: Twilio takes 4 KB.
const LONGEST_ATTRIBUTES: u32 = 4_000;
/// How many pages of messages are searched, and how many messages are in a page.
const PAGES: [u32; 2] = [50, 50];

/// The conversations of this page.
pub(super) struct Conversations {
    machine: RefCell<Chats>,
    /// Events that arrived while another one was being handled.
    queue: RefCell<Vec<Event>>,
    busy: Cell<bool>,
    timers: RefCell<Timers<Timer>>,
    place: Place,
    shelf: RefCell<Option<Shelf>>,
    /// Messages about which Flex waits for an answer.
    asked: RefCell<Vec<(MessageId, Function)>>,
    seen: RefCell<Seen>,
}

/// What was last reported.
#[derive(Default)]
struct Seen {
    up: bool,
    selected: Option<ReservationSid>,
    facts: Vec<Facts>,
    claims: Vec<ConversationClaim>,
}

impl Conversations {
    pub(super) fn new(place: Place, resends: bool) -> Self {
        Self {
            machine: RefCell::new(Chats::new(resends)),
            queue: RefCell::default(),
            busy: Cell::new(false),
            timers: RefCell::default(),
            place,
            shelf: RefCell::default(),
            asked: RefCell::default(),
            seen: RefCell::default(),
        }
    }

    fn answer(&self, id: &MessageId, name: &str, value: &JsValue) {
        let mut asked = self.asked.borrow_mut();
        if let Some(at) = asked.iter().position(|(asked, _)| asked == id) {
            let (_, resolve) = asked.swap_remove(at);
            let answer = Object::new();
            if !name.is_empty() {
                js::set(&answer, name, value);
            }
            let _ = resolve.call1(&JsValue::UNDEFINED, &answer); // resolving never throws
        }
    }
}

/// The worker is known: begins to watch.
pub(super) fn begin(core: &Rc<Inner>, worker: &str) -> Result<(), JsValue> {
    let here = &core.conversations;
    let shelf = Shelf::open(here.place, worker, now());
    let (drafts, selected, left) = match &shelf {
        Some(shelf) => (shelf.drafts(), shelf.selected(), shelf.messages()),
        None => Default::default(),
    };
    here.shelf.replace(shelf);
    let state = core.flex.state()?;
    let tasks = core.flex.tasks(&state)?;
    let tasks = tasks.iter().filter_map(|task| reservation(&js::at(&task, "sid"))).collect();
    let shown = reservation(&js::at(&state, "view.selectedTaskSid"));
    handle(core, Event::Started { drafts, selected, shown, tasks });
    for id in left {
        take_over(core, id);
    }
    let actions = core.flex.actions();
    let listen = |to: &JsValue, method: &str, event: &str, heard: fn(&Rc<Inner>, &JsValue)| {
        let core = Rc::downgrade(core);
        let heard = Closure::<dyn Fn(JsValue)>::new(move |said: JsValue| {
            if let Some(core) = core.upgrade() {
                heard(&core, &said);
            }
        });
        js::call(to, method, &[&event.into(), &heard.into_js_value()]).map(drop)
    };
    listen(&actions, "addListener", "afterSetInputText", typed)?;
    for event in ["afterWrapupTask", "afterCompleteTask"] {
        listen(&actions, "addListener", event, ended)?;
    }
    // Without it no message is sent again.
    let _ = listen(&core.flex.notifications(), "addListener", "beforeAddNotification", notified);
    listen(&js_sys::global(), "addEventListener", "storage", stored)
}

fn reservation(sid: &JsValue) -> Option<ReservationSid> {
    ReservationSid::parse(&sid.as_string()?).ok()
}

/// What has changed since the last look.
pub(super) fn look(core: &Rc<Inner>) -> Result<(), JsValue> {
    let state = core.flex.state()?;
    let tasks = core.flex.tasks(&state)?;
    let facts: Vec<_> = tasks.iter().filter_map(|task| facts(&state, &task)).collect();
    let claims: Vec<_> = tasks.iter().filter_map(|task| claim(&task)).collect();
    let mut news = Vec::new();
    let mut seen = core.conversations.seen.borrow_mut();
    let claims = (seen.claims != claims).then(|| {
        seen.claims.clone_from(&claims);
        claims
    });
    for before in &seen.facts {
        if !facts.iter().any(|it| it.conversation == before.conversation) {
            news.push(Event::Gone { conversation: before.conversation.clone() });
        }
    }
    news.extend(facts.iter().filter(|it| !seen.facts.contains(it)).cloned().map(Event::Changed));
    seen.facts = facts;
    let up = js::at(&state, "chat.session.connectionState") == "connected";
    if std::mem::replace(&mut seen.up, up) != up {
        news.push(Event::Connection { up });
    }
    let selected = reservation(&js::at(&state, "view.selectedTaskSid"));
    if selected != seen.selected {
        seen.selected.clone_from(&selected);
        news.extend(selected.map(|reservation| Event::Selected { reservation }));
    }
    drop(seen);
    for event in news {
        handle(core, event);
    }
    if let Some(claims) = claims {
        core.handle(crate::agent::Event::Conversations(claims));
    }
    Ok(())
}

/// The conversation of an accepted task, for the server.
fn claim(task: &JsValue) -> Option<ConversationClaim> {
    let status = js::at(task, "status").as_string()?;
    let text = |name| js::at(task, name).as_string();
    let claim = || {
        Some(ConversationClaim {
            conversation: ConversationSid::parse(&text("attributes.conversationSid")?).ok()?,
            interaction: InteractionSid::parse(&text("attributes.flexInteractionSid")?).ok()?,
            channel: InteractionChannelSid::parse(&text("attributes.flexInteractionChannelSid")?).ok()?,
        })
    };
    if status == "accepted" { claim() } else { None }
}

/// Flex's state of a conversation, and of its input.
fn part(state: &JsValue, part: &str, conversation: &str) -> JsValue {
    js::at(state, &joined(&["chat.", part, ".", conversation]))
}

/// The conversation of a task, if it has one.
fn facts(state: &JsValue, task: &JsValue) -> Option<Facts> {
    let conversation = js::at(task, "attributes.conversationSid").as_string()?;
    let known = part(state, "conversations", &conversation);
    let (source, input) = (js::at(&known, "source"), part(state, "conversationInput", &conversation));
    let loading = js::at(&known, "isLoadingConversation").is_truthy();
    let open = js::at(&source, "status") == "joined" && js::at(&source, "state.current") != "closed";
    let facts = js::named(task, &[("status", "status"), ("channel", "attributes.channelType")])
        .with("conversation", Value::Text(conversation))
        .with("loaded", Value::Flag(source.is_truthy() && input.is_truthy() && !loading))
        .with("open", Value::Flag(open))
        .with("text", js::value(&js::at(&input, "inputText")))
        .with("files", names(&js::at(&input, "attachedFiles")));
    boundary::facts(facts).ok()
}

fn files(of: &JsValue) -> Vec<JsValue> {
    of.dyn_ref::<Array>().map(|files| files.iter().collect()).unwrap_or_default()
}

fn names(of: &JsValue) -> Value {
    Value::List(files(of).iter().map(|file| js::value(&js::at(file, "name"))).collect())
}

fn typed(core: &Rc<Inner>, payload: &JsValue) {
    if js::at(payload, "htmlValue").is_truthy() {
        return; // an e-mail
    }
    let said = js::named(
        payload,
        &[
            ("conversation", "conversationSid"),
            ("text", "body"),
            ("start", "selectionStart"),
            ("end", "selectionEnd"),
        ],
    );
    if let Ok(event) = boundary::typed(said) {
        handle(core, event);
    }
}

fn ended(core: &Rc<Inner>, payload: &JsValue) {
    let mut said = js::named(payload, &[("conversation", "task.attributes.conversationSid")]);
    if let Ok(conversation) = said.parsed("conversation") {
        handle(core, Event::Ended { conversation });
    }
}

fn notified(core: &Rc<Inner>, notification: &JsValue) {
    if js::at(notification, "id") == FAILED
        && let Ok(conversation) =
            js::named(notification, &[("conversation", "context.conversationSid")]).parsed("conversation")
    {
        handle(core, Event::Failed { conversation });
    }
}

/// Another page has kept something.
fn stored(core: &Rc<Inner>, event: &JsValue) {
    let (key, value) = (js::at(event, "key").as_string(), js::at(event, "newValue"));
    let shelf = core.conversations.shelf.borrow();
    let id = shelf.as_ref().and_then(|shelf| shelf.message_of(&key?));
    if let Some(id) = id.filter(|_| value.is_truthy()) {
        take_over(core, id);
    }
}

/// Takes care of another page's message as soon as that page is gone.
fn take_over(core: &Rc<Inner>, id: MessageId) {
    let core = Rc::downgrade(core);
    spawn_local(async move {
        if lock::hold(&lock_of(&id)).await
            && let Some(core) = core.upgrade()
        {
            let shelf = core.conversations.shelf.borrow();
            let message = shelf.as_ref().and_then(|shelf| shelf.message(&id));
            drop(shelf);
            if let Some(message) = message {
                handle(&core, Event::Left(message));
            }
        }
    });
}

fn lock_of(id: &MessageId) -> String {
    joined(&["rejoin-message-", id.as_str()])
}

/// Flex is about to send a message. The promise resolves to `{}`: send it, `{id}`: send it with this id and report the
/// outcome, or `{refused: true}`: do not send it.
pub(super) fn ask(core: &Rc<Inner>, payload: &JsValue) -> Promise {
    let mut resolve = None;
    let answer = Promise::new(&mut |answer, _| resolve = Some(answer));
    let (message, core) = (message(payload), Rc::downgrade(core));
    if let Some(resolve) = resolve {
        spawn_local(async move {
            let Some(message) = message else {
                let _ = resolve.call1(&JsValue::UNDEFINED, &Object::new()); // resolving never throws
                return;
            };
            // Before it is kept: another page may take it over as soon as it has the lock.
            lock::hold(&lock_of(&message.id)).await;
            if let Some(core) = core.upgrade() {
                core.conversations.asked.borrow_mut().push((message.id.clone(), resolve));
                handle(&core, Event::Send(message));
            }
        });
    }
    answer
}

/// The message of a payload, with a new id. `None`: it is left alone.
fn message(payload: &JsValue) -> Option<Message> {
    if js::at(payload, "htmlBody").is_truthy() {
        return None; // an e-mail
    }
    let id = js::call(&js::at(&js_sys::global(), "crypto"), "randomUUID", &[]).ok()?;
    let attributes = js::at(payload, "messageAttributes");
    let plain = attributes.is_undefined() || attributes.is_null();
    let attributes = js::value(&attributes);
    let json = matches!(attributes, Value::Object(_)).then(|| post::body(&attributes).ok()).flatten();
    if json.is_some_and(|json| json.length() > LONGEST_ATTRIBUTES) {
        return None;
    }
    let said = js::named(
        payload,
        &[
            ("conversation", "conversationSid"),
            ("body", "body"),
            ("after", "conversation.source.lastMessage.index"),
        ],
    );
    let said = said
        .with("id", js::value(&id))
        .with("at", Value::Number(now().0 as f64))
        .with("plain", Value::Flag(plain))
        .with("attributes", attributes)
        .with("files", names(&js::at(payload, "attachedFiles")));
    boundary::message(said).ok()
}

pub(super) fn handle(core: &Rc<Inner>, event: Event) {
    let here = &core.conversations;
    if core.idle.get() {
        return;
    }
    here.queue.borrow_mut().push(event);
    // Carrying out an effect may report the next event at once: it waits until the effects are drained.
    if here.busy.replace(true) {
        return;
    }
    while let Some(event) = here.next() {
        let effects = here.machine.borrow_mut().handle(now(), event);
        for effect in effects {
            perform(core, effect);
        }
    }
    here.busy.set(false);
}

impl Conversations {
    fn next(&self) -> Option<Event> {
        let mut queue = self.queue.borrow_mut();
        (!queue.is_empty()).then(|| queue.remove(0))
    }
}

fn later(core: &Weak<Inner>, event: Event) {
    if let Some(core) = core.upgrade() {
        handle(&core, event);
    }
}

fn perform(core: &Rc<Inner>, effect: Effect) {
    let here = &core.conversations;
    if let Some(told) = boundary::effect(&effect) {
        let _ = core.desktop.call1(&JsValue::UNDEFINED, &js::from(&told)); // it says so itself when it fails
        return;
    }
    let weak = Rc::downgrade(core);
    match effect {
        Effect::Let(id) => here.answer(&id, "", &JsValue::UNDEFINED),
        Effect::Dispatch(id) => here.answer(&id, "id", &id.as_str().into()),
        Effect::Hold(id) => here.answer(&id, "refused", &JsValue::TRUE),
        Effect::SetInput { conversation, text, start, end } => {
            let more: [(&str, &JsValue); 3] =
                [("body", &text.into()), ("selectionStart", &start.into()), ("selectionEnd", &end.into())];
            invoke(core, "SetInputText", conversation.as_str(), &more);
        }
        Effect::ClearInput { conversation, text, files: sent } => {
            let sid = conversation.as_str();
            let input = part(&core.flex.state().unwrap_or_default(), "conversationInput", sid);
            let there = js::at(&input, "inputText").as_string().unwrap_or_default();
            if there.trim() == text.trim() {
                invoke(core, "SetInputText", sid, &[("body", &"".into())]);
            }
            for file in files(&js::at(&input, "attachedFiles")) {
                if js::at(&file, "name").as_string().is_some_and(|name| sent.contains(&name)) {
                    invoke(core, "DetachFile", sid, &[("file", &file)]);
                }
            }
            // The plugin's own notice says what becomes of it.
            let _ = js::call(&core.flex.notifications(), "dismissNotificationById", &[&FAILED.into()]);
        }
        Effect::SetTimer { timer, at } => {
            let due = Event::Timer(timer.clone());
            here.timers.borrow_mut().set(timer, now().until(at), move || later(&weak, due));
        }
        Effect::ClearTimer(timer) => here.timers.borrow_mut().clear(&timer),
        Effect::Search { .. } | Effect::Resend(_) => {
            let state = core.flex.state().unwrap_or_default();
            spawn_local(async move {
                if let Some(event) = reach(&state, effect).await {
                    later(&weak, event);
                }
            });
        }
        effect => {
            if let Some(shelf) = &*here.shelf.borrow() {
                put(core, shelf, effect);
            }
        }
    }
}

/// Keeps and forgets.
fn put(core: &Rc<Inner>, shelf: &Shelf, effect: Effect) {
    match effect {
        Effect::Keep(draft) => shelf.keep(&draft),
        Effect::Forget { conversation, at } => shelf.forget(&conversation, at),
        Effect::Recall { conversation } => {
            let draft = shelf.draft(&conversation);
            handle(core, Event::Recalled { conversation, draft }); // it is handled next
        }
        Effect::KeepMessage(message) => shelf.keep_message(&message),
        Effect::ForgetMessage(id) => shelf.forget_message(&id),
        Effect::KeepSelected(reservation) => shelf.select(&reservation),
        Effect::ForgetAll => shelf.clear(),
        _ => {}
    }
}

/// Carries out what needs the conversation itself.
async fn reach(state: &JsValue, effect: Effect) -> Option<Event> {
    // Flex's object of it.
    let source = |sid: &ConversationSid| js::at(&part(state, "conversations", sid.as_str()), "source");
    Some(match effect {
        Effect::Search { conversation, id, after, search } => {
            let found = find(&source(&conversation), &id, after).await.unwrap_or_default();
            Event::Searched { id, search, found }
        }
        Effect::Resend(message) => {
            let outcome = match send(&source(&message.conversation), &message).await {
                Ok(_) => Outcome::Stored,
                Err(error) if is_refusal(&error) => Outcome::Refused,
                Err(_) => Outcome::Failed,
            };
            Event::Sent { id: message.id, outcome }
        }
        _ => return None,
    })
}

/// Invokes an action of Flex about a conversation. It says so itself when it fails, or does not exist.
fn invoke(core: &Rc<Inner>, action: &str, conversation: &str, more: &[(&str, &JsValue)]) {
    let payload = js::object(more);
    js::set(&payload, "conversationSid", &conversation.into());
    if let Ok(done) = js::call(&core.flex.actions(), "invokeAction", &[&action.into(), &payload]) {
        spawn_local(async move {
            let _ = js::wait(done).await;
        });
    }
}

/// Whether the conversation has a message, by what it says now: the SDK fetches pages anew
/// (`Conversation.getMessages`). `None`: there are too many messages to tell.
async fn find(source: &JsValue, id: &MessageId, after: Option<u64>) -> Result<Option<bool>, JsValue> {
    let [pages, size] = PAGES;
    let mut page = js::wait(js::call(source, "getMessages", &[&size.into()])?).await?;
    for _ in 0..pages {
        let items: Array = js::at(&page, "items").dyn_into()?;
        let path = joined(&["attributes.", ATTRIBUTE]);
        if items.iter().any(|item| js::at(&item, &path) == id.as_str()) {
            return Ok(Some(true));
        }
        let oldest = js::at(&items.get(0), "index").as_f64();
        let known = oldest.zip(after).is_some_and(|(oldest, after)| oldest <= after as f64);
        if known || !js::at(&page, "hasPrevPage").is_truthy() {
            return Ok(Some(false));
        }
        page = js::wait(js::call(&page, "prevPage", &[])?).await?;
    }
    Ok(None)
}

async fn send(source: &JsValue, message: &Message) -> Result<JsValue, JsValue> {
    let build = js::call(source, "prepareMessage", &[])?;
    let build = js::call(&build, "setBody", &[&message.body.as_str().into()])?;
    let build = js::call(&build, "setAttributes", &[&js::from(&boundary::attributes(message))])?;
    js::wait(js::call(&js::call(&build, "build", &[])?, "send", &[])?).await
}

/// True when the same message would fail again: the SDK ends its message with the status of the answer, 4xx then.
fn is_refusal(error: &JsValue) -> bool {
    let text = js::at(error, "message").as_string().unwrap_or_default();
    let passing = ["408", "425", "429"].iter().any(|status| text.ends_with(status));
    !passing && matches!(text.as_bytes(), [.., b' ', b'4', _, _])
}
