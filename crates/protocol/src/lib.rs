//! What crosses a wire: SIDs as types, task attributes, requests and pushes between plugin and server.
//!
//! There is no behaviour here: the crate is shared by the browser (wasm), the server and the tests, and depends on
//! `serde` alone.

pub mod api;
pub mod attributes;
pub mod call_message;
pub mod overrides;
#[cfg(feature = "openapi")]
mod schema;
mod sid;
mod time;

pub use sid::*;
pub use time::Millis;
