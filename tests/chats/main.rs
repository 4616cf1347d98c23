//! The rules of the machine of conversations, one test each, and its invariants.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::expect_used, reason = "helpers of tests are tests")]

mod desk;
mod drafts;
mod messages;
mod selected;
mod whatever_happens;
