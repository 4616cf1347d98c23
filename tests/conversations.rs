//! Conversations in a real browser: what is kept of them, and a whole core beside a Flex of a few lines. `cargo test
//! --target wasm32-unknown-unknown --tests -p rejoin-plugin`
#![cfg(target_arch = "wasm32")]
#![allow(clippy::expect_used, reason = "helpers of tests are tests")]

use gloo_timers::future::TimeoutFuture;
use js_sys::{Array, Function, JSON, Object, Promise, Reflect};
use rejoin_plugin::agent::Place;
use rejoin_plugin::chats::{Draft, Message, MessageId};
use rejoin_plugin::shell::shelf::Shelf;
use rejoin_plugin::shell::storage::{OF_BROWSER, OF_TAB};
use rejoin_plugin::shell::{Core, Looks, lock};
use rejoin_protocol::{ConversationSid, Millis, ReservationSid};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

fn get(object: &JsValue, path: &str) -> JsValue {
    path.split('.').fold(object.clone(), |value, key| Reflect::get(&value, &key.into()).expect("an object"))
}

fn run(script: &str, arguments: &[(&str, &JsValue)]) -> JsValue {
    let names: Vec<_> = arguments.iter().map(|(name, _)| *name).collect();
    let function = Function::new_with_args(&names.join(", "), script);
    let values = arguments.iter().map(|(_, value)| *value).collect::<Array>();
    function.apply(&JsValue::UNDEFINED, &values).expect("runs")
}

/// Waits until `check` returns something; the test runner has the timeout.
async fn until<T>(mut check: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(value) = check() {
            return value;
        }
        TimeoutFuture::new(5).await;
    }
}

fn ch(number: u128) -> ConversationSid {
    ConversationSid::numbered(number)
}

fn draft(text: &str, at: u64) -> Draft {
    Draft {
        conversation: ch(1),
        at: Millis(at),
        text: text.into(),
        start: 1,
        end: 2,
        files: vec!["a.pdf".into()],
    }
}

fn id(text: &str) -> MessageId {
    MessageId::try_from(text.to_owned()).expect("plain")
}

fn message(text: &str, at: u64) -> Message {
    Message {
        id: id(text),
        conversation: ch(1),
        at: Millis(at),
        body: "Hello".into(),
        attributes: rejoin_plugin::boundary::Value::Object([].into_iter().collect()),
        files: vec![],
        after: None,
        returned: false,
    }
}

const NOW: Millis = Millis::seconds(10_000_000);
const RECENT: u64 = NOW.0 - 1;
const OLD: u64 = NOW.0 - 7 * 24 * 3600 * 1000;

fn open(place: Place, worker: &str) -> Option<Shelf> {
    Shelf::open(place, worker, NOW)
}

#[wasm_bindgen_test]
fn a_shelf_keeps_what_it_is_given() {
    for place in [Place::Tab, Place::Browser] {
        let shelf = open(place, "WKone").expect("a shelf");
        shelf.keep(&draft("Grüß 👋", RECENT));
        shelf.keep_message(&message("m-1", RECENT));
        shelf.select(&ReservationSid::numbered(3));
        let next = open(place, "WKone").expect("a shelf");
        assert_eq!(next.drafts(), [draft("Grüß 👋", RECENT)]);
        assert_eq!(next.draft(&ch(1)), Some(draft("Grüß 👋", RECENT)));
        assert_eq!(next.messages(), [id("m-1")]);
        assert_eq!(next.message(&id("m-1")), Some(message("m-1", RECENT)));
        assert_eq!(next.selected(), Some(ReservationSid::numbered(3)));
        next.forget_message(&id("m-1"));
        assert_eq!(next.messages(), []);
        next.clear();
        assert_eq!((next.drafts(), next.selected()), (vec![], None));
    }
}

#[wasm_bindgen_test]
fn a_newer_draft_is_not_forgotten() {
    let shelf = open(Place::Browser, "WKtwo").expect("a shelf");
    shelf.keep(&draft("new", RECENT));
    shelf.forget(&ch(1), Millis(RECENT - 1));
    assert_eq!(shelf.drafts().len(), 1);
    shelf.forget(&ch(1), Millis(RECENT));
    assert_eq!(shelf.drafts(), []);
}

#[wasm_bindgen_test]
fn entries_of_others_are_only_removed_by_age() {
    let theirs = open(Place::Browser, "WKother").expect("a shelf");
    theirs.keep(&draft("recent", RECENT));
    theirs.keep(&Draft { conversation: ch(2), ..draft("old", OLD) });
    theirs.keep_message(&message("m-old", OLD));
    OF_BROWSER.set("rejoin.draft.WKother.x", "no JSON");
    OF_BROWSER.set("rejoin.drafts", "another program's");
    let mine = open(Place::Browser, "WKmine").expect("a shelf");
    assert_eq!((mine.drafts(), mine.messages(), mine.selected()), (vec![], vec![], None));
    mine.clear();
    assert_eq!(OF_BROWSER.get("rejoin.draft.WKother.x").as_deref(), Some("no JSON"));
    assert_eq!(OF_BROWSER.get("rejoin.drafts").as_deref(), Some("another program's"));
    assert_eq!(theirs.messages(), []);
    assert_eq!(theirs.drafts(), [draft("recent", RECENT)]);
    assert_eq!(OF_BROWSER.get("rejoin.draft.WKother.x"), None, "unreadable for its own worker, too");
    theirs.clear();
}

#[wasm_bindgen_test]
fn what_was_kept_elsewhere_before_is_removed() {
    open(Place::Browser, "WKmoved").expect("a shelf").keep(&draft("text", RECENT));
    let tab = open(Place::Tab, "WKmoved").expect("a shelf");
    assert_eq!(OF_BROWSER.entries("rejoin.draft.WKmoved").len(), 0);
    tab.keep(&draft("text", RECENT));
    assert!(open(Place::Off, "WKmoved").is_none());
    assert_eq!(OF_TAB.entries("rejoin.draft.WKmoved").len(), 0);
}

/// Full, or forbidden.
#[wasm_bindgen_test]
fn a_storage_that_throws_costs_only_what_it_should_keep() {
    let real = run(
        "const real = Storage.prototype.setItem;
         Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };
         return real;",
        &[],
    );
    let shelf = open(Place::Browser, "WKfull").expect("a shelf");
    shelf.keep(&draft("text", RECENT));
    shelf.keep_message(&message("m-1", RECENT));
    assert_eq!((shelf.drafts(), shelf.messages()), (vec![], vec![]));
    run("Storage.prototype.setItem = real", &[("real", &real)]);
}

#[wasm_bindgen_test]
async fn a_lock_is_held_until_its_page_is_gone() {
    assert!(lock::hold("rejoin-test-one").await);
    let state = JsFuture::from(run("return navigator.locks.query()", &[]).unchecked_into::<Promise>()).await;
    let held: Array = get(&state.expect("a state"), "held").unchecked_into();
    assert!(held.iter().any(|lock| get(&lock, "name") == "rejoin-test-one"));
    run("Object.defineProperty(navigator, 'locks', { value: undefined, configurable: true })", &[]);
    assert!(!lock::hold("rejoin-test-two").await, "there are no locks");
    run("delete navigator.locks", &[]);
}

/// As much of Flex UI as conversations need. `flex.acts` has what was invoked, `flex.say(event, payload)` calls listeners,
/// `flex.changed()` those of the store. `flex.stored` has the messages of the conversation.
fn flex(worker: &str, drafts: &str) -> JsValue {
    run(
        "const nothing = () => {};
         const one = '1'.repeat(32);
         const flex = { acts: [], heard: {}, subscribers: [], stored: [], dismissed: [], sends: true, failed: true };
         const source = {
           status: 'joined', state: { current: 'active' }, lastMessage: { index: 4 },
           getMessages: async () => {
             if (flex.broken) throw new Error('disconnected');
             return { items: flex.stored, hasPrevPage: false };
           },
           prepareMessage: () => ({
             setBody(body) { this.body = body; return this; },
             setAttributes(attributes) { this.attributes = attributes; return this; },
             build() { return this; },
             async send() {
               if (!flex.sends) throw new Error(flex.error ?? 'disconnected');
               flex.stored.push({ index: 5 + flex.stored.length, body: this.body, attributes: this.attributes });
             },
           }),
         };
         flex.source = source;
         const state = {
           session: { ssoTokenPayload: { token: 'secret' } },
           worker: { tasks: new Map() },
           view: {},
           chat: { session: { connectionState: 'connected' }, conversations: {}, conversationInput: {} },
         };
         flex.state = state;
         flex.conversation = 'CH' + one;
         flex.task = { sid: 'WR' + one, taskSid: 'WT' + one, status: 'accepted', channel: 'chat',
           attributes: { conversationSid: flex.conversation, channelType: 'web' } };
         flex.load = (text = '') => {
           state.worker.tasks.set(flex.task.sid, flex.task);
           state.chat.conversations[flex.conversation] = { source };
           state.chat.conversationInput[flex.conversation] = { inputText: text, attachedFiles: [] };
           flex.changed();
         };
         flex.changed = () => flex.subscribers.forEach((changed) => changed());
         flex.say = (event, payload) => (flex.heard[event] ?? []).forEach((heard) => heard(payload));
         const listeners = (target) => Object.assign(target, { on: nothing });
         flex.manager = {
           configuration: { custom_data: { rejoin: { server: 'https://rejoin.example', drafts } } },
           store: { getState: () => ({ flex: state }), subscribe: (f) => flex.subscribers.push(f) },
           voiceClient: listeners({ state: 'registered' }),
           workerClient: listeners({ attributes: {}, sid: worker }),
         };
         flex.ui = {
           VERSION: '2.17.1',
           Actions: {
             addListener: (event, heard) => (flex.heard[event] ??= []).push(heard),
             invokeAction: async (name, payload) => {
               flex.acts.push({ name, ...payload });
               if (flex.lacks) throw new Error(`Action ${name} does not exist!`);
               if (name !== 'SetInputText') return;
               state.chat.conversationInput[payload.conversationSid].inputText = payload.body;
               flex.say('afterSetInputText', payload);
             },
           },
           Notifications: {
             dismissNotificationById: (id) => flex.dismissed.push(id),
             addListener: (event, heard) => (flex.heard[event] ??= []).push(heard),
           },
           TaskHelper: {
             isCallTask: () => false, isLiveCall: () => false,
             getTaskByTaskSid: (sid) => [...state.worker.tasks.values()].find((task) => task.taskSid === sid),
           },
         };
         return flex;",
        &[("worker", &worker.into()), ("drafts", &drafts.into())],
    )
}

/// Effects for the shim are in `flex.shown`.
async fn page(flex: &JsValue) -> Core {
    run("window.fetch = async () => new Response('', { status: 503 }); flex.shown = []", &[("flex", flex)]);
    let sink = run("return (effect) => { flex.shown.push(effect); }", &[("flex", flex)]);
    let looks: Looks =
        run("return { text: () => '', language: () => 'en', markup: '', style: '' }", &[]).unchecked_into();
    let core = Core::new(get(flex, "ui"), get(flex, "manager"), sink.unchecked_into(), looks);
    let core = core.expect("Flex is as it should be");
    core.watch().expect("watched");
    until(|| get(flex, "heard.afterSetInputText").is_truthy().then_some(())).await;
    core
}

fn types(flex: &JsValue, text: &str) {
    let script = "const conversationSid = flex.conversation;
         flex.state.chat.conversationInput[conversationSid].inputText = body;
         flex.say('afterSetInputText', { conversationSid, body, selectionStart: 1, selectionEnd: body.length });
         flex.changed()";
    run(script, &[("flex", flex), ("body", &text.into())]);
}

fn input(flex: &JsValue) -> Option<String> {
    run("return flex.state.chat.conversationInput[flex.conversation]?.inputText", &[("flex", flex)])
        .as_string()
}

fn acts(flex: &JsValue) -> String {
    JSON::stringify(&get(flex, "acts")).expect("JSON").into()
}

fn loads(flex: &JsValue) {
    run("flex.load()", &[("flex", flex)]);
}

const WORKER: &str = "WK0000000000000000000000000000000";

fn worker(number: u8) -> String {
    format!("{}{number}", &WORKER[..33])
}

#[wasm_bindgen_test]
async fn a_draft_goes_from_one_page_to_the_next() {
    let worker = worker(1);
    let first = flex(&worker, "browser");
    let _one = page(&first).await;
    loads(&first);
    TimeoutFuture::new(20).await;
    types(&first, "Good mor");
    let kept = OF_BROWSER.entries(&format!("rejoin.draft.{worker}."));
    assert_eq!(kept.len(), 1, "{kept:?}");

    let second = flex(&worker, "browser");
    let _two = page(&second).await;
    loads(&second);
    until(|| (input(&second).as_deref() == Some("Good mor")).then_some(())).await;
    assert!(acts(&second).contains(r#""selectionStart":1,"selectionEnd":8"#), "{}", acts(&second));
    types(&second, "");
    assert_eq!(OF_BROWSER.entries(&format!("rejoin.draft.{worker}.")).len(), 0);
}

#[wasm_bindgen_test]
async fn drafts_that_are_switched_off_are_not_kept() {
    let worker = worker(2);
    let flex = flex(&worker, "off");
    let _core = page(&flex).await;
    loads(&flex);
    TimeoutFuture::new(20).await;
    types(&flex, "Good mor");
    for storage in [OF_BROWSER, OF_TAB] {
        assert_eq!(storage.entries(&format!("rejoin.draft.{worker}")).len(), 0);
    }
}

/// An older Flex may lack it.
#[wasm_bindgen_test]
async fn an_action_that_does_not_exist_changes_nothing() {
    let worker = worker(3);
    open(Place::Browser, &worker).expect("a shelf").keep(&Draft {
        conversation: ConversationSid::parse(&format!("CH{}", "1".repeat(32))).expect("a SID"),
        ..draft("Good mor", js_sys::Date::now() as u64)
    });
    let flex = flex(&worker, "browser");
    run("flex.lacks = true", &[("flex", &flex)]);
    let _core = page(&flex).await;
    loads(&flex);
    until(|| acts(&flex).contains("SetInputText").then_some(())).await;
    TimeoutFuture::new(20).await;
    assert_eq!(input(&flex).as_deref(), Some(""));
    assert_eq!(OF_BROWSER.entries(&format!("rejoin.draft.{worker}.")).len(), 1);
}

#[wasm_bindgen_test]
async fn an_email_is_left_alone() {
    let worker = worker(4);
    let flex = flex(&worker, "browser");
    let core = page(&flex).await;
    run("flex.task.attributes.channelType = 'email'; flex.load()", &[("flex", &flex)]);
    TimeoutFuture::new(20).await;
    types(&flex, "Dear");
    assert_eq!(OF_BROWSER.entries(&format!("rejoin.draft.{worker}")).len(), 0);
    let answer = ask(&core, &flex, "").await;
    assert_eq!(Object::keys(answer.unchecked_ref::<Object>()).length(), 0);
}

/// Flex is about to send what is typed: the answer.
async fn ask(core: &Core, flex: &JsValue, more: &str) -> JsValue {
    let payload = run(
        &format!(
            "return {{ conversationSid: flex.conversation, conversation: {{ source: flex.source }},
               body: flex.state.chat.conversationInput[flex.conversation].inputText.trim(), {more} }}"
        ),
        &[("flex", flex)],
    );
    JsFuture::from(core.ask("SendMessage", &payload).expect("understood")).await.expect("an answer")
}

fn unsent(worker: &str) -> usize {
    OF_BROWSER.entries(&format!("rejoin.unsent.{worker}.")).len()
}

/// Flex has sent a message, or tells the agent that it has failed.
fn tell(core: &Core, flex: &JsValue, id: &str, stored: bool) {
    let says = "if (flex.failed && !stored) flex.say('beforeAddNotification',
           { id: 'SendMessageFailed', context: { conversationSid: flex.conversation } })";
    run(says, &[("flex", flex), ("stored", &stored.into())]);
    let event = run("return { sent: { id, stored } }", &[("id", &id.into()), ("stored", &stored.into())]);
    core.handle(&event).expect("understood");
}

#[wasm_bindgen_test]
async fn a_message_is_kept_until_it_is_sent() {
    let worker = worker(5);
    let flex = flex(&worker, "browser");
    let core = page(&flex).await;
    loads(&flex);
    TimeoutFuture::new(20).await;
    types(&flex, "Hello");
    let id = get(&ask(&core, &flex, "").await, "id").as_string().expect("an id");
    assert_eq!(id.len(), 36);
    assert_eq!(unsent(&worker), 1);
    assert_eq!(OF_BROWSER.entries(&format!("rejoin.draft.{worker}.")).len(), 0);
    tell(&core, &flex, &id, true);
    assert_eq!(unsent(&worker), 0);
}

#[wasm_bindgen_test]
async fn a_message_that_failed_is_sent_again_with_its_attributes_unless_it_is_there() {
    let worker = worker(6);
    let flex = flex(&worker, "browser");
    let core = page(&flex).await;
    loads(&flex);
    TimeoutFuture::new(20).await;
    for stored in [true, false] {
        types(&flex, "Hello");
        let answer = ask(&core, &flex, "messageAttributes: { theirs: { a: [1] } }").await;
        let id = get(&answer, "id").as_string().expect("an id");
        let script = "flex.stored = stored ? [{ index: 5, attributes: { rejoin: id } }] : [{ index: 5, attributes: null }]";
        run(script, &[("flex", &flex), ("stored", &stored.into()), ("id", &id.as_str().into())]);
        tell(&core, &flex, &id, false);
        assert_eq!(input(&flex).as_deref(), Some(""), "what Flex put back is cleared");
        until(|| (unsent(&worker) == 0).then_some(())).await;
        let there = JSON::stringify(&get(&flex, "stored")).expect("JSON");
        let expected = if stored {
            format!(r#"[{{"index":5,"attributes":{{"rejoin":"{id}"}}}}]"#)
        } else {
            let attributes = format!(r#"{{"theirs":{{"a":[1]}},"rejoin":"{id}"}}"#);
            format!(
                r#"[{{"index":5,"attributes":null}},{{"index":6,"body":"Hello","attributes":{attributes}}}]"#
            )
        };
        assert_eq!(String::from(there), expected);
    }
    let shown = String::from(JSON::stringify(&get(&flex, "shown")).expect("JSON"));
    assert!(shown.contains(r#""notice":{"kind":"waiting","text":"Hello"}"#), "{shown}");
    assert!(shown.contains(r#""notice":{"kind":"sent","text":"Hello"}"#), "{shown}");
    assert_eq!(get(&flex, "dismissed.0"), "SendMessageFailed");
}

/// Another plugin may have kept it back.
#[wasm_bindgen_test]
async fn a_message_of_whose_failure_flex_does_not_say_is_not_sent_again() {
    let worker = worker(0);
    let flex = flex(&worker, "browser");
    let core = page(&flex).await;
    loads(&flex);
    TimeoutFuture::new(20).await;
    types(&flex, "Hello");
    let id = get(&ask(&core, &flex, "").await, "id").as_string().expect("an id");
    run("flex.failed = false", &[("flex", &flex)]);
    tell(&core, &flex, &id, false);
    until(|| (unsent(&worker) == 0).then_some(())).await;
    assert_eq!(get(&flex, "stored.length"), 0);
    assert_eq!(input(&flex).as_deref(), Some("Hello"));
}

#[wasm_bindgen_test]
async fn a_message_of_a_page_that_is_gone_is_sent_by_the_next_one() {
    let worker = worker(7);
    let conversation = ConversationSid::parse(&format!("CH{}", "1".repeat(32))).expect("a SID");
    let left = Message { conversation, ..message("left-1", js_sys::Date::now() as u64) };
    open(Place::Browser, &worker).expect("a shelf").keep_message(&left);
    // The page that it belongs to still lives.
    assert!(lock::hold("rejoin-message-lives-1").await);
    let lives = Message { id: id("lives-1"), ..left };
    open(Place::Browser, &worker).expect("a shelf").keep_message(&lives);
    let flex = flex(&worker, "browser");
    let _core = page(&flex).await;
    loads(&flex);
    until(|| (unsent(&worker) == 1).then_some(())).await;
    let stored = String::from(JSON::stringify(&get(&flex, "stored")).expect("JSON"));
    assert_eq!(stored, r#"[{"index":5,"body":"Hello","attributes":{"rejoin":"left-1"}}]"#);
}

#[wasm_bindgen_test]
async fn a_message_that_the_conversation_refuses_goes_back_into_the_input() {
    let worker = worker(8);
    let flex = flex(&worker, "browser");
    let core = page(&flex).await;
    loads(&flex);
    TimeoutFuture::new(20).await;
    types(&flex, "Hello");
    let id = get(&ask(&core, &flex, "").await, "id").as_string().expect("an id");
    run(
        "flex.sends = false; flex.error = 'Request responded with a non-success code 403'",
        &[("flex", &flex)],
    );
    tell(&core, &flex, &id, false);
    until(|| (unsent(&worker) == 0).then_some(())).await;
    until(|| (input(&flex).as_deref() == Some("Hello")).then_some(())).await;
}

#[wasm_bindgen_test]
async fn messages_that_cannot_have_an_id_are_left_alone() {
    let worker = worker(9);
    let flex = flex(&worker, "browser");
    let core = page(&flex).await;
    loads(&flex);
    TimeoutFuture::new(20).await;
    types(&flex, "Hello");
    for more in [
        "messageAttributes: 'text'",
        "messageAttributes: [1]",
        "messageAttributes: () => 1",
        "messageAttributes: { rejoin: 1 }",
        "messageAttributes: { long: 'x'.repeat(4_000) }",
        "htmlBody: '<p>Hello</p>'",
    ] {
        let answer = ask(&core, &flex, more).await;
        assert_eq!(Object::keys(answer.unchecked_ref::<Object>()).length(), 0, "{more}");
    }
    assert_eq!(unsent(&worker), 0);
}
