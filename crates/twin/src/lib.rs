//! A stand-in for Twilio, complete enough that the real Flex UI runs on it.
//!
//! # How a request finds its handler
//!
//! Twilio's services are told apart by host name. The twin has one address, so a service is reached in two ways: with
//! Twilio's name in the `Host` header, or under `/__tw/<host>/<path>`. Before routing, [`app`] turns both into one
//! internal path, `/@<host>/<path>`. A router of a Twilio service therefore writes its routes with that prefix:
//!
//! ```ignore
//! Router::new().route("/@event-bridge.twilio.com/v1/wschannels", get(socket).post(request))
//! ```
//!
//! Everything else (`/`, `/flex`, `/__twin/…`) belongs to the twin itself and is routed as it is. The whole request
//! passes through unchanged otherwise, so websocket upgrades work.

mod attempts;
mod clock;
mod config;
pub mod console;
pub mod contract;
mod dates;
pub mod demo;
pub mod facts;
pub mod faults;
pub mod flex;
mod host;
mod hosting;
pub mod latency;
mod log;
pub mod media;
pub mod model;
pub mod outside;
mod owner;
pub mod requests;
pub mod rest;
mod shell;
mod sinks;
mod sync;
mod webhooks;

pub use clock::now as shell_now;
pub use config::TwinConfig;
pub use shell::{LegNews, PhoneCommand, Twin, TwinError};

use axum::{Router, middleware};

/// The whole HTTP side of the twin.
pub fn app(twin: &Twin) -> Router {
    let inner = Router::new()
        .merge(rest::router(twin.clone()))
        .merge(flex::router(twin.clone()))
        .merge(demo::router(twin.clone()));
    // The layer must surround a router that has nothing but this fallback: a layer on the routes themselves would run
    // after routing.
    Router::new().fallback_service(inner).layer(middleware::map_request(host::to_internal_path))
}
