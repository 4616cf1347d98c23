//! The shell in a real browser: requests, push streams, timers, storage, and the core from start to effects. `cargo
//! test --target wasm32-unknown-unknown --tests -p rejoin-plugin`
#![cfg(target_arch = "wasm32")]
#![allow(clippy::expect_used, reason = "helpers of tests are tests")]

use gloo_timers::future::TimeoutFuture;
use js_sys::{Array, Function, JSON, JsString, Object, Reflect};
use rejoin_plugin::agent::{Delivery, Kept, PostError, RequestId, StoredCall, Timer};
use rejoin_plugin::boundary::{Value, outgoing};
use rejoin_plugin::shell::lock::{Change, Lock};
use rejoin_plugin::shell::push::{Channel, News};
use rejoin_plugin::shell::timer::Timers;
use rejoin_plugin::shell::{Core, Looks, js, post, record, storage};
use rejoin_protocol::api::{DeliveryId, GracefulMark, GracefulReason, Push, Stage};
use rejoin_protocol::{Millis, ReservationSid, TaskSid, WorkerSid};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// Replaces the network by `answer(request, body, count)`. The requests are in `window.asked`. The returned guard
/// restores the network.
fn network(answer: &str) -> Network {
    let install = Function::new_with_args(
        "answer",
        "const real = window.fetch; window.asked = [];
         window.fetch = async (request) => {
           const body = await request.clone().text();
           const { method, url, keepalive } = request;
           const headers = Object.fromEntries(request.headers);
           window.asked.push({ method, url, keepalive, headers, body });
           return answer(request, body, window.asked.length);
         };
         return real;",
    );
    let answer = Function::new_with_args("request, body, count", answer);
    Network(install.call1(&JsValue::UNDEFINED, &answer).expect("installed"))
}

struct Network(JsValue);

impl Network {
    fn asked(&self) -> Array {
        get(&js_sys::global(), "asked").unchecked_into()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        Reflect::set(&js_sys::global(), &"fetch".into(), &self.0).expect("given back");
    }
}

fn get(object: &JsValue, path: &str) -> JsValue {
    path.split('.').fold(object.clone(), |value, key| Reflect::get(&value, &key.into()).expect("an object"))
}

fn text(object: &JsValue, path: &str) -> String {
    get(object, path).as_string().unwrap_or_else(|| panic!("{path} is no text in {object:?}"))
}

fn json(text: &str) -> JsValue {
    JSON::parse(text).expect("JSON")
}

/// As much of Flex UI and its manager as the core needs. The store's state is `manager.state`; its subscribers are in
/// `manager.subscribers`.
fn flex(server: &str) -> (JsValue, JsValue) {
    let make = Function::new_with_args(
        "server",
        "const nothing = () => {};
         const listeners = (target) => Object.assign(target, { heard: {}, on(name, f) { this.heard[name] = f; } });
         const state = { session: { ssoTokenPayload: { token: 'secret' } }, worker: { tasks: new Map() } };
         const manager = {
           state,
           subscribers: [],
           configuration: { custom_data: { rejoin: { server } } },
           store: { getState: () => ({ flex: state }), subscribe: (f) => manager.subscribers.push(f) },
           voiceClient: listeners({ state: 'registered' }),
           workerClient: listeners({ attributes: {} }),
         };
         const actions = { addListener: nothing, invokeAction: nothing };
         const tasks = {
           isCallTask: (task) => task.channel === 'voice',
           isLiveCall: (task) => task.status === 'accepted',
           getTaskByTaskSid: (sid) => [...state.worker.tasks.values()].find((task) => task.taskSid === sid),
         };
         return [{ VERSION: '2.17.1', Actions: actions, TaskHelper: tasks }, manager];",
    );
    let both: Array = make.call1(&JsValue::UNDEFINED, &server.into()).expect("made").unchecked_into();
    (both.get(0), both.get(1))
}

fn core(desktop: Function) -> Core {
    let (ui, manager) = flex("https://rejoin.example/");
    Core::new(ui, manager, desktop, looks()).expect("Flex is as it should be")
}

/// Texts that show what was asked for.
fn looks() -> Looks {
    Function::new_with_args(
        "markup, style",
        "const text = (name, values) => `${name} ${JSON.stringify(values)}`;
         return { text, language: () => 'tlh', markup, style };",
    )
    .call2(
        &JsValue::UNDEFINED,
        &include_str!("../js-shim/dialog/dialog.html").into(),
        &include_str!("../js-shim/dialog/dialog.css").into(),
    )
    .expect("an object")
    .unchecked_into()
}

/// The text of a part of the dialog.
fn dialog(part: &str) -> String {
    let find = Function::new_with_args(
        "part",
        "return document.querySelector('rejoin-dialog')?.shadowRoot.querySelector(part).textContent ?? ''",
    );
    find.call1(&JsValue::UNDEFINED, &part.into()).expect("found").as_string().expect("a text")
}

fn body() -> JsString {
    let mark = GracefulMark {
        id: None,
        task: TaskSid::numbered(1),
        reservation: ReservationSid::numbered(2),
        reason: GracefulReason::HangUp,
    };
    post::body(&outgoing::mark(&mark)).expect("serialises")
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

#[wasm_bindgen_test]
async fn requests_carry_token_json_and_keepalive() {
    for keepalive in [false, true] {
        let network = network("return new Response('{\"recoveries\":[]}', { status: 200 })");
        let answer = post::send("https://rejoin.example/v1/graceful", "secret", body(), keepalive).await;
        assert_eq!(answer.as_deref(), Ok("{\"recoveries\":[]}"));
        let asked = network.asked().get(0);
        assert_eq!(text(&asked, "method"), "POST");
        assert_eq!(text(&asked, "url"), "https://rejoin.example/v1/graceful");
        assert_eq!(text(&asked, "headers.authorization"), "Bearer secret");
        assert_eq!(text(&asked, "headers.content-type"), "application/json");
        assert_eq!(get(&asked, "keepalive"), JsValue::from(keepalive));
        let body = json(&text(&asked, "body"));
        assert_eq!(text(&body, "reason"), "hang-up");
        assert_eq!(text(&body, "task"), TaskSid::numbered(1).as_str());
    }
}

#[wasm_bindgen_test]
async fn failures_are_distinguished() {
    let send = || post::send("https://rejoin.example/v1/calls", "", body(), false);
    for status in [401, 404, 503] {
        let _network = network(&format!("return new Response('', {{ status: {status} }})"));
        assert_eq!(send().await, Err(PostError::Status(status)));
    }
    let _network = network("throw new TypeError('Failed to fetch')");
    assert_eq!(send().await, Err(PostError::Unreachable));
}

/// A stream that the test feeds byte by byte.
const STREAM: &str = "
    if (count > 1 && window.refuse) return new Response('', { status: 503 });
    return new Response(new ReadableStream({ start(controller) {
        const bytes = (text) => controller.enqueue(new TextEncoder().encode(text));
        window.say = (text, size) => { const all = new TextEncoder().encode(text);
            for (let at = 0; at < all.length; at += size) controller.enqueue(all.slice(at, at + size)); };
        window.end = () => controller.close();
        request.signal.addEventListener('abort', () => { window.aborted = true; controller.error(request.signal.reason); });
    } }), { headers: { 'content-type': 'text/event-stream' } });";

fn call(name: &str, arguments: &[JsValue]) {
    let function: Function = get(&js_sys::global(), name).unchecked_into();
    function.apply(&JsValue::UNDEFINED, &arguments.iter().collect::<Array>()).expect("called");
}

#[wasm_bindgen_test]
async fn a_push_stream_is_parsed_in_pieces_and_reopened() {
    let network = network(STREAM);
    let news: Rc<RefCell<Vec<String>>> = Rc::default();
    let heard = news.clone();
    let token = || format!("token {}", get(&js_sys::global(), "asked.length").as_f64().expect("a number"));
    let channel = Channel::open(
        "https://rejoin.example/v1/push?epoch=1".into(),
        String::new(),
        None,
        token,
        move |item| {
            heard.borrow_mut().push(match item {
                News::Up => "up".into(),
                News::Down => "down".into(),
                News::Said(Push::Recovery { recovery }) => match recovery.stage {
                    Stage::HandedOver { worker_name } => worker_name.expect("a name"),
                    stage => format!("{stage:?}"),
                },
                News::Said(push) => format!("{push:?}"),
                News::Garbled => "garbled".into(),
            });
        },
    );
    let so_far = |count: usize| {
        let news = news.clone();
        until(move || (news.borrow().len() >= count).then(|| news.borrow().join(" ")))
    };
    assert_eq!(so_far(1).await, "up");
    let view = |stage: &str| {
        let (rj, wt, wr) = (format!("RJ{:032}", 1), format!("WT{:032}", 1), format!("WR{:032}", 1));
        format!(
            r#"{{"push":"recovery","recovery":{{"id":"{rj}","task":"{wt}","reservation":"{wr}","stage":{stage}}}}}"#
        )
    };
    // A name of two-byte characters, cut within a character; a comment; something that a newer server may send.
    let lines = format!(
        ": alive\n\nid: 7-1\ndata: {}\n\ndata: {{\"push\":\"weather\"}}\n\ndata: nonsense\n\nid: 7-2\ndata: {}\n\n",
        view(r#"{"name":"handedOver","workerName":"Zoë-Ørsted"}"#),
        view(r#"{"name":"queued"}"#)
    );
    for size in [1, 3, 1000] {
        call("say", &[lines.as_str().into(), size.into()]);
    }
    let round = " Zoë-Ørsted garbled garbled Queued";
    assert_eq!(so_far(13).await, ["up", &round.repeat(3)].concat());
    news.borrow_mut().clear();
    call(
        "say",
        &[
            "data: {\"push\":\"ask\"}\n\ndata: {\"push\":\"superseded\"}\n\nid: 7-3\ndata: cut o".into(),
            5.into(),
        ],
    );
    assert_eq!(so_far(2).await, "Ask Superseded");
    news.borrow_mut().clear();
    call("end", &[]);
    assert_eq!(so_far(2).await, "down up");
    let asked = network.asked();
    assert_eq!(text(&asked.get(0), "headers.authorization"), "Bearer token 0");
    assert_eq!(
        text(&asked.get(1), "headers.authorization"),
        "Bearer token 1",
        "asked anew for every connection"
    );
    assert!(get(&asked.get(0), "headers.last-event-id").is_undefined());
    assert_eq!(text(&asked.get(1), "headers.last-event-id"), "7-2", "what was cut off is to come again");
    drop(channel);
    until(|| get(&js_sys::global(), "aborted").is_truthy().then_some(())).await;
}

#[wasm_bindgen_test]
async fn a_push_stream_whose_token_is_refused_waits_for_another_one() {
    let network = network(
        "return new Response(request.headers.get('authorization') === 'Bearer new' ? '' : null,
           { status: request.headers.get('authorization') === 'Bearer new' ? 200 : 401 });",
    );
    let token = || text(&js_sys::global(), "token");
    Reflect::set(&js_sys::global(), &"token".into(), &"old".into()).expect("set");
    let _channel =
        Channel::open("https://rejoin.example/v1/push?epoch=1".into(), String::new(), None, token, |_| {});
    let asked = || network.asked().length();
    until(|| (asked() == 1).then_some(())).await;
    TimeoutFuture::new(2_500).await; // the time of three attempts
    assert_eq!(asked(), 1, "the same token is not tried again");
    Reflect::set(&js_sys::global(), &"token".into(), &"new".into()).expect("set");
    until(|| (asked() == 2).then_some(())).await;
}

/// What was asked of this server so far: the path and the last event's id of each request.
fn asked_of(network: &Network, server: &str) -> Vec<(String, Option<String>)> {
    let asked = network.asked();
    let of = |request: JsValue| {
        let path = text(&request, "url").strip_prefix(server)?.split('?').next()?.to_owned();
        Some((path, get(&request, "headers.last-event-id").as_string()))
    };
    asked.iter().filter_map(of).collect()
}

#[wasm_bindgen_test]
async fn when_a_server_is_gone_its_page_goes_on_at_another_one_within_two_seconds() {
    goes_on_elsewhere("WK77", || {
        Reflect::set(&js_sys::global(), &"gone".into(), &"one.example".into()).expect("set");
        call("end", &[]);
    })
    .await;
}

#[wasm_bindgen_test]
async fn a_page_that_its_server_sends_away_goes_on_at_another_one_within_two_seconds() {
    goes_on_elsewhere("WK66", || {
        call("say", &["data: {\"push\":\"move\"}\n\n".into(), 1000.into()]);
    })
    .await;
}

/// A page with two servers is connected to the first, which then ends in this way.
async fn goes_on_elsewhere(worker: &str, ends: impl FnOnce()) {
    let (one, two) = ("https://one.example", "https://two.example");
    let network = network(&format!(
        "const {{ host, pathname }} = new URL(request.url);
         if (window.gone === host) throw new TypeError('Failed to fetch');
         if (pathname !== '/v1/push') return new Response('{{\"recoveries\":[]}}');
         {STREAM}"
    ));
    let (ui, manager) = flex(one);
    Function::new_with_args(
        "manager, two, worker",
        "manager.configuration.custom_data.rejoin.servers = [two]; manager.workerClient.sid = worker",
    )
    .call3(&JsValue::UNDEFINED, &manager, &two.into(), &[worker, &"0".repeat(30)].concat().into())
    .expect("set");
    let core = Core::new(ui, manager, Function::default(), looks()).expect("Flex is as it should be");
    core.watch().expect("watched");
    let is_up = || get(&core.status(), "pushUp").is_truthy().then_some(());
    until(is_up).await;
    assert_eq!(text(&core.status(), "server"), one);
    assert_eq!(asked_of(&network, two), []);
    call("say", &["id: 7-2\ndata: {\"push\":\"weather\"}\n\n".into(), 1000.into()]);
    until(|| (get(&core.status(), "problems").unchecked_into::<Array>().length() > 0).then_some(())).await;

    let began = js_sys::Date::now();
    ends();
    until(|| (text(&core.status(), "server") == two).then_some(())).await;
    until(is_up).await;
    let took = js_sys::Date::now() - began;
    assert!(took < 2000.0, "{took} ms");
    let asked = asked_of(&network, two);
    assert!(asked.contains(&("/v1/push".into(), Some("7-2".into()))), "{asked:?}");
    until(|| asked_of(&network, two).contains(&("/v1/hello".into(), None)).then_some(())).await;
    assert_eq!(core.farewell(), format!("{two}/v1/goodbye"));
    Reflect::set(&js_sys::global(), &"gone".into(), &JsValue::UNDEFINED).expect("set");
}

/// The changes of a lock, and the result of the election.
fn page(worker: &str) -> (Rc<Lock>, js_sys::Promise, Rc<RefCell<Vec<Change>>>) {
    let changes: Rc<RefCell<Vec<Change>>> = Rc::default();
    let noted = changes.clone();
    let (lock, acts) = Lock::elect(worker, move |change| noted.borrow_mut().push(change));
    (lock, acts, changes)
}

#[wasm_bindgen_test]
async fn one_of_several_pages_has_the_lock_and_another_can_take_it() {
    let acts = async |promise: js_sys::Promise| {
        JsFuture::from(promise).await.expect("the election has a result").as_bool()
    };
    let (first, told, of_first) = page("WK1");
    assert_eq!(acts(told).await, Some(true));
    let (second, told, of_second) = page("WK1");
    assert_eq!(acts(told).await, Some(false));
    let (_other, told, _) = page("WK2");
    assert_eq!(acts(told).await, Some(true), "another worker's");

    second.take();
    until(|| of_first.borrow().contains(&Change::Lost).then_some(())).await;
    assert_eq!(*of_second.borrow(), [Change::Taken]);
    // And back: a page that lost the lock waits for it, and may take it as well.
    first.take();
    until(|| of_second.borrow().contains(&Change::Lost).then_some(())).await;
    assert_eq!(*of_first.borrow(), [Change::Lost, Change::Taken]);
    first.take();
    assert_eq!(*of_second.borrow(), [Change::Taken, Change::Lost], "what one has one need not take");
}

#[wasm_bindgen_test]
async fn where_there_are_no_locks_every_page_acts() {
    let real = get(&js_sys::global(), "navigator.locks");
    let put = Function::new_with_args(
        "locks",
        "Object.defineProperty(navigator, 'locks', { value: locks, configurable: true })",
    );
    let refused = Function::new_no_args("return { request: async () => { throw new Error('no'); } }");
    for locks in [JsValue::UNDEFINED, refused.call0(&JsValue::UNDEFINED).expect("made")] {
        put.call1(&JsValue::UNDEFINED, &locks).expect("put");
        let (_lock, told, changes) = page("WK3");
        assert_eq!(JsFuture::from(told).await, Ok(JsValue::TRUE));
        assert!(changes.borrow().is_empty());
    }
    put.call1(&JsValue::UNDEFINED, &real).expect("given back");
}

#[wasm_bindgen_test]
fn storage_keeps_requests_until_they_are_removed() {
    let storage = web_sys::window().and_then(|window| window.local_storage().ok()?).expect("a storage");
    storage.clear().expect("cleared");
    let kept = |number| Kept {
        id: DeliveryId { epoch: 1_700_000_000_000, number },
        worker: WorkerSid::numbered(1),
        made: Millis(1_700_000_000_001),
        delivery: Delivery::Graceful(GracefulMark {
            id: None,
            task: TaskSid::numbered(1),
            reservation: ReservationSid::numbered(2),
            reason: GracefulReason::SignOut,
        }),
    };
    storage.set_item("rejoin.out.1-1", "{\"weather\":1}").expect("set");
    storage.set_item("rejoin.live.x", "not ours").expect("set");
    for number in [1, 2, 3] {
        storage::keep(&kept(number));
    }
    storage::unkeep(kept(2).id);
    let mut all = storage::kept();
    all.sort_by_key(|kept| kept.id);
    assert_eq!(all, [kept(1), kept(3)]);
    assert_eq!(storage.get_item("rejoin.out.1-1"), Ok(None), "unreadable requests are discarded");
    storage::unkeep_all();
    assert!(storage::kept().is_empty());
    assert_eq!(storage.get_item("rejoin.live.x"), Ok(Some("not ours".into())));
    storage.clear().expect("cleared");
}

#[wasm_bindgen_test]
async fn timers_fire_once_can_be_set_again_and_cleared() {
    let fired: Rc<RefCell<Vec<&str>>> = Rc::default();
    let mut timers = Timers::default();
    let wake = |name: &'static str| {
        let fired = fired.clone();
        move || fired.borrow_mut().push(name)
    };
    timers.set(Timer::Hello, Millis(20), wake("replaced"));
    timers.set(Timer::Hello, Millis(40), wake("hello"));
    timers.set(Timer::Overdue, Millis(10), wake("cleared"));
    timers.clear(&Timer::Overdue);
    timers.set(Timer::Leave(RequestId(1)), Millis(0), wake("now"));
    TimeoutFuture::new(120).await;
    assert_eq!(*fired.borrow(), ["now", "hello"]);
}

#[wasm_bindgen_test]
fn storage_keeps_calls_and_counts_pages() {
    let storage = web_sys::window().and_then(|window| window.local_storage().ok()?).expect("a storage");
    storage.clear().expect("cleared");
    storage.set_item("TWILIO_FLEX_SSO", "not ours").expect("set");
    storage.set_item("rejoin.live.nonsense", "1").expect("set");
    let call = |number, muted| StoredCall { reservation: ReservationSid::numbered(number), muted };
    storage::store(&call(1, true));
    storage::store(&call(2, true));
    storage::store(&call(2, false));
    storage::store(&call(3, true));
    storage::unstore(&ReservationSid::numbered(1));
    let mut calls = storage::stored_calls();
    calls.sort_by(|a, b| a.reservation.cmp(&b.reservation));
    assert_eq!(calls, [call(2, false), call(3, true)]);
    assert_eq!(storage::next_epoch(Millis(500)), 500);
    assert_eq!(storage::next_epoch(Millis(500)), 501);
    assert_eq!(storage::next_epoch(Millis(100)), 502, "the clock was set back");
    assert_eq!(storage::next_epoch(Millis(900)), 900);
    storage.clear().expect("cleared");
}

#[wasm_bindgen_test]
async fn the_core_goes_from_start_to_effects() {
    let _network = network(
        "if (new URL(request.url).pathname.endsWith('/v1/hello')) {
           const [{ task, reservation }] = JSON.parse(body).holdings;
           const id = 'RJ' + '1'.repeat(32);
           const recoveries = [{ id, task, reservation, stage: { name: 'interrupted' }, remainingMs: 9000 }];
           return new Response(JSON.stringify({ recoveries }), { status: 200 });
         }
         return new Response('', { status: 503 });",
    );
    let effects = Array::new();
    let sink: Function = Closure::<dyn Fn(JsValue)>::new({
        let effects = effects.clone();
        move |effect: JsValue| {
            effects.push(&effect);
        }
    })
    .into_js_value()
    .unchecked_into();
    let core = core(sink);
    assert!(core.handle(&json(r#"{"weather":{}}"#)).is_err());
    assert!(core.handle(&JsValue::UNDEFINED).is_err());

    let (wk, wt, wr) = (format!("WK{:032}", 1), format!("WT{:032}", 1), format!("WR{:032}", 1));
    // Anybody may write attributes: unfit ones must not keep the plugin from starting.
    let task = format!(
        r#"{{"task":"{wt}","reservation":"{wr}","status":"accepted","voice":true,"workflow":null,"liveCall":false,
             "attributes":{{"isReconnect":"yes","rejoinRecoveryId":7,"disconnectedTime":"soon","call_sid":{{}}}}}}"#
    );
    let started = json(&format!(
        r#"{{"started":{{"worker":"{wk}","workerName":"Ada","phoneRegistered":true,"tasks":[{task}]}}}}"#
    ));
    core.handle(&started).expect("understood");
    assert_eq!(text(&effects.get(0), "neutraliseExitFlag.reservation"), wr);
    assert_eq!(dialog("h2"), "checkingTitle {}");
    until(|| (dialog("h2") == "interruptedTitle {}").then_some(())).await;
    assert_eq!(dialog(".text"), "interrupted {}");
    let seconds: u32 =
        dialog(".timer").matches(char::is_numeric).collect::<String>().parse().expect("a number");
    assert!((8..=9).contains(&seconds), "{seconds}");

    let ask = async |action: &str, reservation: &str| {
        let payload = json(&format!(r#"{{"task":{{"sid":"{reservation}"}}}}"#));
        let answer = JsFuture::from(core.ask(action, &payload)?).await?;
        Ok::<_, JsValue>(String::from(JSON::stringify(&answer)?))
    };
    assert_eq!(ask("CompleteTask", &wr).await, Ok(r#"{"refused":true}"#.into()));
    assert_eq!(ask("CompleteTask", &format!("WR{:032}", 2)).await, Ok("{}".into()));
    assert_eq!(ask("Weather", &wr).await, Ok("{}".into()), "not our business");
    assert!(ask("CompleteTask", "nonsense").await.is_err());

    assert_eq!(text(&core.status(), "state"), "ready");
    let record = record::tell();
    let recoveries: Array = get(&record, "recoveries").unchecked_into();
    assert_eq!(text(&recoveries.at(-1), "stage"), "interrupted");
    let events: Array = get(&record, "events").unchecked_into();
    assert_eq!(text(&events.at(-1), "event"), "beforeComplete");
}

#[wasm_bindgen_test]
fn effects_that_report_at_once_do_not_reenter_the_core() {
    let _network = network("return new Response('', { status: 503 })");
    let holder = Object::new();
    let sink = Function::new_with_args(
        "effect",
        "const { reservation } = effect.neutraliseExitFlag ?? {};
         if (!reservation) return;
         this.seen.push('begins ' + reservation.slice(-1));
         if (this.seen.length < 6) this.core.handle({ taskChanged: this.task(this.seen.length) });
         this.seen.push('ends ' + reservation.slice(-1));",
    );
    let task = Function::new_with_args(
        "number",
        "const sid = String(number).padStart(32, '0');
         return { task: 'WT' + sid, reservation: 'WR' + sid, status: 'accepted', voice: true, liveCall: true, attributes: {} };",
    );
    Reflect::set(&holder, &"seen".into(), &Array::new()).expect("set");
    Reflect::set(&holder, &"task".into(), &task).expect("set");
    let core = core(sink.bind0(&holder));
    Reflect::set(&holder, &"core".into(), &core.into()).expect("set");
    let first = json("{}");
    let facts = task.call1(&JsValue::UNDEFINED, &0.into()).expect("a task");
    Reflect::set(&first, &"taskChanged".into(), &facts).expect("set");
    let handle: Function = get(&holder, "core.handle").unchecked_into();
    handle.call1(&get(&holder, "core"), &first).expect("handled");
    let seen = JSON::stringify(&get(&holder, "seen")).expect("JSON");
    assert_eq!(seen, r#"["begins 0","ends 0","begins 1","ends 1","begins 3","ends 3","begins 5","ends 5"]"#);
}

/// This page has a call, registered with a server that wants its leg to stand: the page ends.
#[wasm_bindgen_test]
async fn a_page_that_ends_says_goodbye_by_beacon() {
    let network = network(
        "return new URL(request.url).pathname.endsWith('/v1/hello')
           ? new Response('{\"recoveries\":[],\"inPlace\":true}', { status: 200 })
           : new Response(null, { status: 204 });",
    );
    let beacons: Array = Function::new_no_args(
        "const beacons = []; navigator.sendBeacon = (...beacon) => beacons.push(beacon); return beacons;",
    )
    .call0(&JsValue::UNDEFINED)
    .expect("installed")
    .unchecked_into();
    let effects = Array::new();
    let sink = Function::new_with_args("effect", "this.push(effect)").bind0(&effects);
    let core = core(sink);
    let sid = |prefix: &str, number: u32| format!("{prefix}{number:032}");
    let (wk, wt, wr, ww, cf) = (sid("WK", 1), sid("WT", 1), sid("WR", 1), sid("WW", 1), sid("CF", 1));
    let (own, customer) = (sid("CA", 1), sid("CA", 2));
    for event in [
        format!(r#"{{"started":{{"worker":"{wk}","workerName":"Ada","phoneRegistered":true,"tasks":[]}}}}"#),
        format!(
            r#"{{"taskChanged":{{"task":"{wt}","reservation":"{wr}","status":"accepted","voice":true,"workflow":"{ww}",
                 "liveCall":true,"ownLeg":"{own}","muted":false,"joinable":true,"keepable":true,"attributes":{{}}}}}}"#
        ),
        format!(
            r#"{{"conferenceChanged":{{"reservation":"{wr}","conference":"{cf}","legs":[
                 {{"call":"{own}","kind":"worker","mine":true,"joined":true,"sequence":1}},
                 {{"call":"{customer}","kind":"customer","mine":false,"joined":true,"sequence":1}}]}}}}"#
        ),
    ] {
        core.handle(&json(&event)).expect("understood");
    }
    let kept = until(|| effects.iter().find(|effect| !get(effect, "keepLegs").is_undefined())).await;
    assert_eq!(get(&kept, "keepLegs.keep"), JsValue::TRUE);
    assert_eq!(beacons.length(), 0);

    for _ in 0..2 {
        core.handle(&json(r#"{"pageHide":{}}"#)).expect("understood");
    }
    assert_eq!(beacons.length(), 1, "at once, and once");
    let beacon: Array = beacons.get(0).unchecked_into();
    assert_eq!(beacon.get(0), "https://rejoin.example/v1/goodbye");
    // A string: the browser sends it as text/plain, which needs no preflight request.
    let body = json(&beacon.get(1).as_string().expect("a text"));
    assert_eq!(text(&body, "token"), "secret");
    assert_eq!(text(&body, "goodbye.tasks.0"), wt);
    let hello = network.asked().iter().find(|asked| text(asked, "url").contains("/v1/hello?version="));
    let hello = json(&text(&hello.expect("a hello"), "body"));
    assert_eq!(get(&body, "goodbye.epoch"), get(&hello, "epoch"));
}

/// The value of a script, as the core reads it.
fn read(script: &str) -> Value {
    js::value(&js_sys::eval(&format!("({script})")).expect("a script"))
}

fn object(fields: &[(&str, Value)]) -> Value {
    Value::Object(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

/// Flex hands out proxies, and other plugins may put anything anywhere.
#[wasm_bindgen_test]
fn values_of_every_kind_are_read() {
    let nothing = ["null", "undefined", "() => 1", "Symbol('no')", "12n", "new Proxy(() => 1, {})"];
    for script in nothing {
        assert_eq!(read(script), Value::Nothing, "{script}");
    }
    for script in ["'a\u{1f980}'", "new Proxy({ it: 'a\u{1f980}' }, {}).it"] {
        assert_eq!(read(script), Value::Text("a\u{1f980}".into()), "{script}");
    }
    assert_eq!(read("-1.5"), Value::Number(-1.5));
    assert!(matches!(read("NaN"), Value::Number(number) if number.is_nan()));
    assert_eq!(read("true"), Value::Flag(true));
    // Boxed, they are objects without fields of their own.
    for script in [
        "{}",
        "new Boolean(true)",
        "new Number(1)",
        "new Map([[1, 2]])",
        "new Date(0)",
        "Object.create(null)",
    ] {
        assert_eq!(read(script), object(&[]), "{script}");
    }
    let one_and_two = object(&[
        ("one", Value::Number(1.0)),
        ("two", Value::List(vec![Value::Flag(false), Value::Nothing])),
    ]);
    for script in [
        "{ one: 1, two: [false, () => 1] }",
        "new Proxy({ one: 1, two: new Proxy([false, null], {}) }, {})",
        "{ get one() { return 1 }, two: [false, undefined], __proto__: { three: 3 } }",
        "Object.freeze({ one: 1, two: [false, , ], [Symbol.iterator]: null })",
    ] {
        assert_eq!(read(script), one_and_two, "{script}");
    }
}

#[wasm_bindgen_test]
fn endlessly_nested_values_are_read_to_a_depth() {
    for script in [
        "(() => { const it = {}; it.it = it; return it; })()",
        "[...Array(9999)].reduce((it) => ({ it }), 1)",
    ] {
        let (mut value, mut depth) = (read(script), 0);
        while let Value::Object(fields) = &value {
            let next = fields.iter().next().map(|(_, next)| next.clone());
            value = next.expect("one field");
            depth += 1;
        }
        assert_eq!((value, depth), (Value::Nothing, 8), "{script}");
    }
}

#[wasm_bindgen_test]
fn values_that_throw_when_read_count_as_absent() {
    for script in
        ["{ get joined() { throw new Error('not now') } }", "new Proxy({}, { ownKeys() { throw 1 } })"]
    {
        assert_eq!(read(script), Value::Nothing, "{script}");
        assert_eq!(read(&format!("[{script}, true]")), Value::List(vec![Value::Nothing, Value::Flag(true)]));
    }
    let core = core(Function::default());
    let event = |script: &str| js_sys::eval(&format!("({script})")).expect("a script");
    for script in
        ["{ get joined() { throw new Error('not now') } }", "{ joined: { reservation: 5 } }", "null"]
    {
        assert!(core.handle(&event(script)).is_err(), "{script}");
    }
    assert!(core.handle(&event("{ phoneChanged: { registered: true } }")).is_ok());
}

/// Flex's events, as the record names them. The browser and the server send more at any time.
const OF_FLEX: [&str; 7] = [
    "tokenChanged",
    "phoneRegistered",
    "phoneUnregistered",
    "activityChanged",
    "taskChanged",
    "conferenceChanged",
    "reconnected",
];

/// Names of Flex's events since the plugin has started.
fn told() -> Vec<String> {
    let events: Array = get(&record::tell(), "events").unchecked_into();
    let names: Vec<String> = events.iter().map(|event| text(&event, "event")).collect();
    let start = names.iter().rposition(|name| name == "started").map_or(names.len(), |at| at + 1);
    names[start..].iter().filter(|name| OF_FLEX.contains(&name.as_str())).cloned().collect()
}

#[wasm_bindgen_test]
async fn changes_in_flexs_store_are_reported() {
    let _network = network("return new Response('', { status: 503 })");
    let effects = Array::new();
    let sink = Function::new_with_args("effect", "this.push(effect)").bind0(&effects);
    let (ui, manager) = flex("https://rejoin.example/");
    let change = |script: &str| {
        let script = format!("{script}; manager.subscribers.forEach((changed) => changed())");
        Function::new_with_args("manager", &script).call1(&JsValue::UNDEFINED, &manager).expect("changed");
    };
    let core = Core::new(ui, manager.clone(), sink, looks()).expect("Flex is as it should be");
    core.watch().expect("watched");
    // A degraded Flex knows no worker.
    change("");
    TimeoutFuture::new(400).await;
    assert_eq!(text(&core.status(), "state"), "starting");
    change("manager.workerClient.sid = 'WK' + '8'.repeat(32)");
    until(|| (text(&core.status(), "state") == "ready").then_some(())).await;
    let seen = async |names: &[&str]| {
        TimeoutFuture::new(20).await; // an event that should not come could have come by now
        until(|| (told().len() >= names.len()).then_some(())).await;
        assert_eq!(told(), names);
    };
    let mut names = vec!["tokenChanged", "phoneRegistered"];
    until(|| (told().len() >= 2).then_some(())).await;
    for (script, more) in [
        ("", &[][..]),
        (
            "const one = '1'.repeat(32);
             manager.state.worker.tasks.set('WR' + one, {
               sid: 'WR' + one, taskSid: 'WT' + one, status: 'accepted', channel: 'voice', attributes: {},
               conference: { conferenceSid: 'CF' + one, participants: [{ callSid: 'CA' + one, status: 'joined' }] },
             })",
            &["taskChanged"][..],
        ),
        ("manager.state.worker.tasks.values().next().value.conference.participants[0].participantType = 'customer'", &["conferenceChanged"]),
        ("manager.state.phone = { activeCall: { isMuted: () => true } }", &["taskChanged"]),
        ("", &[]),
        ("manager.voiceClient.state = 'destroyed'", &["phoneUnregistered"]),
        ("manager.state.worker.activity = { sid: 'WA' + '1'.repeat(32) }", &["activityChanged"]),
        ("manager.state.session.ssoTokenPayload.token = 'another'", &["tokenChanged"]),
        ("manager.state.worker.tasks.clear()", &["taskChanged"]),
        ("", &[]),
    ] {
        names.extend(more);
        change(script);
        seen(&names).await;
    }
    Function::new_with_args("manager", "manager.workerClient.heard.ready()")
        .call1(&JsValue::UNDEFINED, &manager)
        .expect("back");
    names.push("reconnected");
    seen(&names).await;

    change("delete manager.state.worker.tasks");
    let misfit = until(|| effects.iter().find(|effect| !get(effect, "misfit").is_undefined())).await;
    assert_eq!(text(&misfit, "misfit.error.message"), "values is missing");
    change("manager.state.worker.tasks = new Map(); manager.voiceClient.state = 'registered'");
    seen(&names).await; // nothing more is done
}

#[wasm_bindgen_test]
fn missing_parts_of_flex_are_named() {
    let (ui, manager) = flex("https://rejoin.example/");
    Reflect::delete_property(&get(&ui, "TaskHelper").into(), &"isLiveCall".into()).expect("taken away");
    let missing = Core::new(ui, manager, Function::default(), looks()).err().expect("an error");
    assert_eq!(text(&missing, "message"), "TaskHelper.isLiveCall is missing");
}
