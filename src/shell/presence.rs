//! The presence socket: a WebSocket beside the push channel, over which the server pings the page. The browser's network
//! process answers, also while JavaScript stands still, so nothing is to be done here but to keep it open.

use crate::shell::js;
use wasm_bindgen::JsValue;

/// <https://websockets.spec.whatwg.org/#dom-websocket-readystate>
const CONNECTING: f64 = 0.0;
const OPEN: f64 = 1.0;

/// A presence socket, which is closed when this is dropped.
pub struct Presence {
    url: JsValue,
    ticket: JsValue,
    socket: JsValue,
    /// How often it was found closed since it was open.
    closed: u32,
}

impl Presence {
    /// None yet. `ticket`: of the push channel.
    pub fn new(url: &str, ticket: String) -> Self {
        Self { url: url.into(), ticket: ticket.into(), socket: JsValue::UNDEFINED, closed: 0 }
    }

    /// Opens it when it is closed: less and less often while it cannot be opened, because a proxy may not let it through, and
    /// the browser reports each failure on its console.
    pub fn keep(&mut self) {
        let state = js::at(&self.socket, "readyState").as_f64();
        if state == Some(OPEN) {
            self.closed = 0;
        } else if state != Some(CONNECTING) {
            self.closed += 1;
            if self.closed.is_power_of_two() {
                // Without it the server notices later that this machine has no network.
                self.socket = js::construct("WebSocket", &[&self.url, &self.ticket]).unwrap_or_default();
            }
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // There may be none.
        let _ = js::call(&self.socket, "close", &[]);
    }
}
