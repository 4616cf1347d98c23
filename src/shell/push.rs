//! The push channel: a stream of events over `fetch`, because `EventSource` sends no token.

use crate::boundary::from_server;
use crate::shell::presence::Presence;
use crate::shell::{js, post, sse, timer};
use gloo_timers::callback::Timeout;
use js_sys::Uint8Array;
use rejoin_protocol::api::{self, Push};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, ReadableStreamDefaultReader, RequestInit, TextDecodeOptions, TextDecoder};

/// A connection that is silent for longer than this is dead, in ms; and the least that a server can say.
const SILENCE: u64 = api::SILENCE.0;
const SHORTEST: u64 = 2_000;
/// Delay before the first reconnect, in ms; it doubles up to [`LONGEST`].
const FIRST: u32 = 500;
const LONGEST: u32 = api::RECONNECTS_WITHIN.0 as u32 * 2 / 3; // the jitter adds half of it
/// How often to check whether Flex has another token than the refused one, in ms.
const TOKEN: u32 = 1_000;

/// News of the channel.
#[derive(Debug)]
pub enum News {
    /// A connection is up.
    Up,
    /// The connection was lost; the next attempt follows by itself.
    Down,
    /// A message.
    Said(Push),
    /// A message that this version does not understand: a newer server may send more.
    Garbled,
}

/// A push channel that reconnects by itself, until it is dropped.
pub struct Channel(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    closed: bool,
    /// The controller that can abort the current connection.
    connection: Option<AbortController>,
    /// Id of the last message, over any connection.
    heard: Option<String>,
    /// The token that the server has last refused.
    refused: Option<String>,
}

impl Channel {
    /// Connects to `url`, and opens a presence socket at the address `presence` beside it, with the token that `token()` returns at that moment, and reports to `on`. It continues
    /// `earlier`, a channel at another server with the same database, after a pause: all its pages may be moving.
    pub fn open(
        url: String,
        presence: String,
        earlier: Option<&Self>,
        token: impl Fn() -> String + 'static,
        on: impl Fn(News) + 'static,
    ) -> Self {
        let moves = earlier.is_some();
        let mut state = State::default();
        if let Some(earlier) = earlier {
            let earlier = earlier.0.borrow();
            state.heard.clone_from(&earlier.heard);
            state.refused.clone_from(&earlier.refused);
        }
        let state = Rc::new(RefCell::new(state));
        let running = state.clone();
        spawn_local(async move {
            let mut pause = if moves { FIRST } else { 0 };
            loop {
                if pause > 0 {
                    timer::sleep(jittered(pause)).await;
                    while running.borrow().refused.as_ref() == Some(&token()) {
                        timer::sleep(TOKEN).await;
                    }
                }
                if running.borrow().closed {
                    return;
                }
                let stood = connection((&url, &presence), &token, &running, &on).await;
                if running.borrow().closed {
                    return;
                }
                on(News::Down);
                pause = if stood { FIRST } else { (pause.max(FIRST) * 2).min(LONGEST) };
            }
        });
        Self(state)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        state.closed = true;
        if let Some(connection) = state.connection.take() {
            connection.abort();
        }
    }
}

/// One connection, from its beginning to its end. True when it was ever up.
async fn connection(
    urls: (&str, &str),
    token: &impl Fn() -> String,
    state: &RefCell<State>,
    on: &impl Fn(News),
) -> bool {
    let mut stood = false;
    let Ok(abort) = AbortController::new() else { return false };
    state.borrow_mut().connection = Some(abort.clone());
    // A new attempt follows in any case; why the connection ended does not matter.
    let _ = read(urls, token, state, &abort, on, &mut stood).await;
    stood
}

async fn read(
    (url, presence): (&str, &str),
    token: &impl Fn() -> String,
    state: &RefCell<State>,
    abort: &AbortController,
    on: &impl Fn(News),
    stood: &mut bool,
) -> Result<(), JsValue> {
    let mut watchdog = watch(abort, SILENCE as u32);
    let token = token();
    let heard = state.borrow().heard.clone();
    let mut headers = vec![("accept", "text/event-stream")];
    headers.extend(heard.as_deref().map(|heard| ("last-event-id", heard)));
    let request = post::request(url, &token, &RequestInit::new(), &headers, &abort.signal())?;
    let response = post::fetch(request).await?;
    state.borrow_mut().refused = (response.status() == 401).then_some(token);
    let body = response.body().filter(|_| response.ok()).ok_or(JsValue::UNDEFINED)?;
    *stood = true;
    on(News::Up);
    let said = response.headers().get(api::HEARTBEAT_HEADER)?.and_then(|heartbeat| heartbeat.parse().ok());
    let silence =
        said.map_or(SILENCE, |ms: u64| ms.saturating_mul(api::HEARTBEATS).clamp(SHORTEST, SILENCE)) as u32;
    // Older servers give no ticket.
    let ticket = response.headers().get(api::PRESENCE_HEADER)?;
    let mut presence = ticket.map(|ticket| Presence::new(presence, ticket));
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    let decoder = TextDecoder::new()?;
    let streaming = TextDecodeOptions::new();
    streaming.set_stream(true); // a character may be split between chunks
    let mut parser = sse::Parser::default();
    loop {
        drop(std::mem::replace(&mut watchdog, watch(abort, silence)));
        let piece = JsFuture::from(reader.read()).await?;
        if js::at(&piece, "done").is_truthy() {
            return Ok(());
        }
        if let Some(presence) = &mut presence {
            presence.keep();
        }
        let bytes: Uint8Array = js::at(&piece, "value").dyn_into()?;
        let text = decoder.decode_with_buffer_source_and_options(&bytes, &streaming)?;
        for message in parser.feed(&text) {
            let said = post::parse(&message).and_then(|message| from_server::pushed(message).ok());
            on(said.map_or(News::Garbled, News::Said));
        }
        if parser.id.is_some() {
            state.borrow_mut().heard.clone_from(&parser.id);
        }
    }
}

/// Jitter of 50 to 150 %: after an outage not all desktops reconnect at the same moment.
fn jittered(pause: u32) -> u32 {
    (f64::from(pause) * (0.5 + js_sys::Math::random())) as u32
}

fn watch(abort: &AbortController, silence: u32) -> Timeout {
    let abort = abort.clone();
    Timeout::new(silence, move || abort.abort())
}
