//! The server as its neighbours see it: a real store, real HTTP, and a stub of Twilio that counts requests.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod activity;
mod administrator;
mod allowed;
mod claims;
mod clock;
mod coaching;
mod crash;
mod database;
mod deploy;
mod doctor;
mod documents;
mod ended;
mod engine;
mod events;
mod explain;
mod failover;
mod faults;
mod floor;
#[cfg(target_os = "linux")]
mod full;
mod given_up;
mod guide;
mod half_open;
mod handover;
mod held_back;
mod hostile;
mod jobs;
mod kills;
mod limits;
mod lists;
mod look_ups;
mod maintenance;
mod network;
mod openapi;
mod operations;
mod operators;
mod places;
mod plugin;
mod private;
mod provision;
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
mod versions;
mod watchdog;
mod webhooks;
mod worlds;
