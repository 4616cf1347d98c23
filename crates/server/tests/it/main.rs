//! The server as its neighbours see it: a real store, real HTTP, and something in Twilio's place that counts.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod activity;
mod allowed;
mod coaching;
mod crash;
mod database;
mod documents;
mod ended;
mod engine;
mod events;
mod explain;
mod faults;
mod floor;
#[cfg(target_os = "linux")]
mod full;
mod given_up;
mod handover;
mod hostile;
mod jobs;
mod kills;
mod openapi;
mod operations;
mod places;
mod plugin;
mod private;
mod pushes;
mod requests;
mod retention;
mod settings;
mod store;
mod storm;
mod support;
mod tls;
mod transfer;
mod trouble;
mod watchdog;
mod webhooks;
mod worlds;
