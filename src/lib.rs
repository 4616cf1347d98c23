//! Agent side of Rejoin: puts a Twilio Flex agent back on a call after the browser went away.
//!
//! [`agent`] decides; the wasm shell around it does the I/O in a browser.

pub mod agent;
pub mod boundary;
pub mod chats;
pub mod shell;
pub mod value;

#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
