//! The HTTP side: Twilio's webhooks and documents, the plugin's requests, operators.

mod activity;
mod auth;
mod body;
mod call_messages;
mod connection;
mod connections;
mod console;
mod conversations;
mod discover_call;
mod early;
mod events;
mod fallback;
mod guesses;
mod health;
mod lenient;
mod look_ups;
mod monitor;
mod openapi;
mod operator;
mod plugin;
mod presence;
mod problem;
mod push;
mod rate;
mod readiness;
mod seats;
mod signed;
mod source;
mod storm;
mod tls;
mod tokens;
mod twiml;
mod unverified;
mod versions;
mod view;
mod webhooks;

use crate::audio;
use crate::call_messages::CallMessages;
use crate::config::Config;
use crate::conversations::Conversations;
use crate::engine::{Handle, LineAdded};
use crate::error::Error;
use crate::pace::{Rank, Turns};
use crate::push::Pushes;
use crate::stopping::Stopping;
use crate::store::Store;
use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::routing::{get, post};
pub(crate) use connections::serve;
use console::Console;
pub(crate) use fallback::{Answering, fallback_router};
use guesses::Guesses;
use health::Reachable;
use look_ups::LookUps;
pub use openapi::document;
use presence::Sockets;
use problem::Problem;
use rate::Rate;
use readiness::Readiness;
use rejoin_protocol::{Millis, api};
use rejoin_twilio::Client;
use std::sync::Arc;
use std::time::Duration;
pub(crate) use tls::Tls;
pub use tls::check as check_tls;
use tokens::Tokens;
use tokio::sync::broadcast;
use tower_http::cors::{AllowOrigin, CorsLayer};
use unverified::Budget;
use versions::Versions;

/// State that the handlers share.
#[derive(Debug)]
pub struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) engine: Handle,
    pub(crate) pushes: Pushes,
    pub(crate) messages: CallMessages,
    pub(crate) conversations: Conversations,
    pub(crate) lines: broadcast::Sender<LineAdded>,
    pub(crate) store: Store,
    pub(crate) tokens: Tokens,
    pub(crate) reachable: Reachable,
    pub(crate) turns: Turns,
    /// Its requests are not rate limited; see [`App::twilio`].
    ungated: Client,
    pub(crate) rate: Rate,
    pub(crate) look_ups: LookUps,
    pub(crate) versions: Versions,
    /// Rate of push channels that workers open.
    pub(crate) opened: Rate,
    /// Rate of presence sockets that workers open.
    pub(crate) sockets_opened: Rate,
    /// The open presence sockets.
    pub(crate) sockets: Sockets,
    /// Wrong operator tokens.
    pub(crate) guesses: Guesses,
    /// Wrong keys of monitors.
    pub(crate) wrong_keys: Guesses,
    /// Rate of monitors' requests.
    pub(crate) monitors: Rate,
    pub(crate) readiness: Readiness,
    /// What the console shows, for all who look.
    pub(crate) console: Console,
    /// Streams end when the server stops.
    pub(crate) stopping: Stopping,
}

impl App {
    /// Builds the state.
    pub(crate) fn new(
        config: Arc<Config>,
        (client, turns): (Client, Turns),
        (engine, conversations): (Handle, Conversations),
        (pushes, messages): (Pushes, CallMessages),
        lines: broadcast::Sender<LineAdded>,
        store: Store,
        stopping: Stopping,
    ) -> Self {
        let surroundings = store.surroundings().clone();
        Self {
            reachable: Reachable::new(client.clone()),
            tokens: Tokens::new(client.clone(), surroundings),
            rate: Rate::new(config.limits.requests_per_minute),
            opened: Rate::new(push::OPENED_PER_MINUTE),
            sockets_opened: Rate::new(push::OPENED_PER_MINUTE),
            sockets: Sockets::new(&config.limits),
            guesses: Guesses::new(operator::WRONG_PER_MINUTE, 1),
            wrong_keys: Guesses::new(monitor::WRONG_PER_MINUTE, 1),
            monitors: Rate::new(monitor::REQUESTS_PER_MINUTE),
            readiness: Readiness::default(),
            console: Console::default(),
            look_ups: LookUps::default(),
            versions: Versions::default(),
            config,
            engine,
            pushes,
            messages,
            conversations,
            lines,
            store,
            turns,
            ungated: client,
            stopping,
        }
    }

    /// A client for requests of this rank, for a customer who has waited since then (point in time). Each request
    /// waits for its turn.
    ///
    /// Two kinds of requests do not: tokens are validated at another of Twilio's hosts, a few at once, and readiness
    /// checks whether Twilio can be reached, without credentials and at most every ten seconds.
    pub(crate) fn twilio(&self, rank: Rank, since: Millis) -> Client {
        self.ungated.through(self.turns.of_request(rank, since))
    }
}

/// The routes of each listener.
#[derive(Clone, Debug)]
pub(crate) struct Routers {
    /// Routes of the public listener.
    pub(crate) public: Router,
    /// Routes of the operators' listener, if there is one.
    pub(crate) operators: Option<Router>,
}

/// All routes.
pub(crate) fn routers(app: &Arc<App>) -> Result<Routers, Error> {
    let plugin = Router::new()
        .route("/v1/hello", post(plugin::hello))
        .route("/v1/calls", post(plugin::register))
        .route("/v1/calls/{conference}", get(view::call))
        .route("/v1/graceful", post(plugin::graceful))
        .route("/v1/conversations", post(conversations::claim))
        .route("/v1/goodbye", post(plugin::goodbye))
        .route("/v1/push", get(push::push))
        .route("/v1/presence", get(presence::presence))
        .route("/v1/ready", get(readiness::ready_for_pages))
        .layer(cors(&app.config)?);
    let router = Router::new()
        .route("/webhooks/conference", post(webhooks::conference))
        .route("/webhooks/events", post(events::events))
        .route("/webhooks/conversations", post(conversations::conversation))
        .route("/webhooks/interactions", post(conversations::interaction))
        .route("/webhooks/call-message", post(call_messages::call_message))
        .route("/twiml/announce/{recovery}", get(twiml::announce).post(twiml::announce))
        .route("/twiml/hold/{recovery}", post(twiml::hold))
        .route("/twiml/comfort", get(twiml::comfort).post(twiml::comfort))
        .route("/twiml/lost/{recovery}", post(twiml::lost))
        .route("/twiml/requeue/{recovery}", post(twiml::requeue))
        .route("/twiml/wait/{recovery}", post(twiml::wait))
        .route("/twiml/after/{recovery}", post(twiml::after))
        .route("/twiml/ended", post(twiml::ended))
        .route("/twiml/move/{task}", post(twiml::follow))
        .route("/twiml/test-call/{workflow}", post(twiml::test_call))
        .route("/twiml/fallback/{recovery}", post(twiml::fallback))
        .route("/monitor/state", get(monitor::state))
        .route("/openapi.json", get(openapi::openapi))
        .route(audio::COMFORT_PATH, get(twiml::comfort_audio))
        .route(audio::TONE_PATH, get(twiml::tone_audio))
        .merge(plugin);
    let operators = Router::new()
        .route("/operator/timeline/{of}", get(operator::timeline))
        .route("/operator/given-up", get(operator::given_up))
        .route("/operator/held-back", get(operator::held_back))
        .route("/operator/conversations", get(conversations::all))
        .route("/operator/held-back/{conference}/release", post(operator::release))
        .route("/operator/storm", get(storm::status))
        .route("/operator/storm/go-on", post(storm::go_on))
        .route("/metrics", get(health::metrics))
        .merge(console::routes());
    // Requested all the time, and of no interest otherwise.
    let live = Router::new().route("/health/live", get(health::live));
    let ready = Router::new().route("/health/ready", get(readiness::ready));
    // Requests of strangers on the public listener must not keep operators out.
    let whole = |counted: Router<Arc<App>>, rest: Router<Arc<App>>| {
        let admits = (Arc::new(app.config.limits.clone()), Budget::new(&app.config.limits));
        counted
            .route_layer(axum::middleware::from_fn_with_state(admits, source::admit))
            .route_layer(axum::middleware::from_fn(health::measured))
            .merge(rest)
            .fallback(|| async { Problem::NotFound })
            .with_state(Arc::clone(app))
    };
    Ok(if app.config.operator_listen.is_some() {
        let operators = Some(whole(operators, live.clone().merge(ready)));
        Routers { public: whole(router, live), operators }
    } else {
        Routers { public: whole(router.merge(operators), live.merge(ready)), operators: None }
    })
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
        .expose_headers(
            [versions::HEADER, api::HEARTBEAT_HEADER, api::PRESENCE_HEADER].map(HeaderName::from_static),
        )
        .max_age(Duration::from_secs(600)))
}
