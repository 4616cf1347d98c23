//! The media side: real WebRTC to browsers, mixing, prompts, native phones. See `api.rs` for what goes in and out.

mod api;

pub use api::*;
