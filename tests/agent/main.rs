//! The rules of the agent machine, one test each, and its invariants.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::expect_used, reason = "helpers of tests are tests")]

mod a_call;
mod action;
mod claims;
mod coming_up;
mod configuration;
mod console_link;
mod desk;
mod in_place;
mod leaving;
mod offers;
mod outbox;
mod pages;
mod prompt;
mod push_channel;
mod question;
mod ready;
mod recovery;
mod restore;
mod returning;
mod servers;
mod signing_out;
mod status;
mod two_browsers;
mod whatever_happens;
