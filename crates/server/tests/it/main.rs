//! The server as its neighbours see it: a real store, real HTTP, and something in Twilio's place that counts.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod allowed;
mod crash;
mod database;
mod documents;
mod ended;
mod engine;
mod events;
mod explain;
mod faults;
mod floor;
mod hostile;
mod jobs;
mod openapi;
mod operations;
mod plugin;
mod private;
mod settings;
mod store;
mod storm;
mod support;
mod trouble;
mod watchdog;
mod webhooks;
