//! The server's HTTP side: Twilio's webhooks and documents, the plugin's requests, operators.

mod activity;
mod auth;
mod body;
mod connection;
mod connections;
mod early;
mod events;
mod health;
mod openapi;
mod operator;
mod plugin;
mod problem;
mod push;
mod rate;
mod signed;
mod storm;
mod tls;
mod twiml;
mod untold;
mod view;
mod webhooks;

use crate::config::Config;
use crate::engine::{Handle, LineAdded};
use crate::error::Error;
use crate::pace::Turns;
use crate::push::Pushes;
use crate::stopping::Stopping;
use crate::store::Store;
use auth::Tokens;
use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::routing::{get, post};
pub(crate) use connections::serve;
use health::Reachable;
pub use openapi::document;
use problem::Problem;
use rate::Rate;
use rejoin_twilio::Client;
use std::sync::Arc;
use std::time::Duration;
pub(crate) use tls::Tls;
pub use tls::check as check_tls;
use tokio::sync::broadcast;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// What requests are served from.
#[derive(Debug)]
pub struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) engine: Handle,
    pub(crate) pushes: Pushes,
    pub(crate) lines: broadcast::Sender<LineAdded>,
    pub(crate) store: Store,
    pub(crate) tokens: Tokens,
    pub(crate) reachable: Reachable,
    pub(crate) turns: Turns,
    pub(crate) client: Client,
    pub(crate) rate: Rate,
    /// Streams end then.
    pub(crate) stopping: Stopping,
}

impl App {
    /// Puts the parts together.
    pub(crate) fn new(
        config: Arc<Config>,
        (client, turns): (Client, Turns),
        engine: Handle,
        pushes: Pushes,
        lines: broadcast::Sender<LineAdded>,
        store: Store,
        stopping: Stopping,
    ) -> Self {
        let (reachable, tokens) = (Reachable::new(client.clone()), Tokens::new(client.clone()));
        let rate = Rate::new(config.limits.requests_per_minute);
        Self { config, engine, pushes, lines, store, tokens, rate, reachable, turns, client, stopping }
    }
}

/// All addresses.
pub fn router(app: Arc<App>) -> Result<Router, Error> {
    let plugin = Router::new()
        .route("/v1/hello", post(plugin::hello))
        .route("/v1/calls", post(plugin::register))
        .route("/v1/calls/{conference}", get(view::call))
        .route("/v1/graceful", post(plugin::graceful))
        .route("/v1/goodbye", post(plugin::goodbye))
        .route("/v1/push", get(push::push))
        .layer(cors(&app.config)?);
    let router = Router::new()
        .route("/webhooks/conference", post(webhooks::conference))
        .route("/webhooks/events", post(events::events))
        .route("/twiml/announce/{recovery}", get(twiml::announce).post(twiml::announce))
        .route("/twiml/hold/{recovery}", post(twiml::hold))
        .route("/twiml/comfort", get(twiml::comfort).post(twiml::comfort))
        .route("/twiml/lost/{recovery}", post(twiml::lost))
        .route("/twiml/requeue/{recovery}", post(twiml::requeue))
        .route("/twiml/wait/{recovery}", post(twiml::wait))
        .route("/twiml/after/{recovery}", post(twiml::after))
        .route("/twiml/ended", post(twiml::ended))
        .route("/twiml/move/{task}", post(twiml::follow))
        .route("/twiml/fallback/{recovery}", post(twiml::fallback))
        .route("/openapi.json", get(openapi::openapi))
        .route("/audio/comfort.wav", get(twiml::comfort_audio))
        .route("/operator/timeline/{customer}", get(operator::timeline))
        .route("/operator/given-up", get(operator::given_up))
        .route("/operator/storm", get(storm::status))
        .route("/operator/storm/go-on", post(storm::go_on))
        .route("/metrics", get(health::metrics))
        .merge(plugin)
        .route_layer(axum::middleware::from_fn(health::measured))
        // Asked for all the time, and of no interest to anybody else.
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .fallback(|| async { Problem::NotFound })
        .with_state(app);
    Ok(router)
}

fn cors(config: &Config) -> Result<CorsLayer, Error> {
    let origins: Result<Vec<HeaderValue>, _> =
        config.allowed_origins.iter().map(|origin| origin.parse()).collect();
    let why = "an origin such as https://flex.twilio.com is wanted";
    let origins = origins.map_err(|_| Error::Setting { name: "REJOIN_ALLOWED_ORIGINS", why })?;
    Ok(CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("last-event-id"),
        ])
        .max_age(Duration::from_secs(600)))
}
