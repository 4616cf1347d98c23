//! Presence sockets: a WebSocket beside each push channel, over which the server pings the page.
//!
//! Behind a proxy the server does not learn from the push channel that a desktop's network is gone: the proxy takes what is sent,
//! and keeps the channel. A ping goes through the proxy to the browser, whose network process answers it, also while
//! JavaScript stands still (a long task, an alert, "Leave site?"). A page that has answered and does not any more has no
//! network: its push channel is ended, as the server would see it end without a proxy.

use super::App;
use super::problem::Problem;
use super::seats::{Seat, Seats};
use crate::figures;
use crate::limits::Limits;
use crate::push::Ticket;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::response::Response;
use rejoin_protocol::{WorkerSid, api};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

/// Maximum number of sockets of a worker: each page needs one, and one that it has lost may not be noticed yet.
const OF_WORKER: usize = 32;
/// Maximum number of frames between two pings. A page sends one: its answer.
const FRAMES: usize = 16;
/// A timer that is as late as this says that this process has stood still, or the machine under it.
const LATE: Duration = Duration::from_millis(250);
/// Maximum length of a frame, and size of a socket's buffers, in bytes. Pings are empty.
const BYTES: usize = 256;

/// The open sockets. They do not count as connections any more, so they have a limit of their own.
#[derive(Debug)]
pub(crate) struct Sockets {
    most: usize,
    all: Arc<Semaphore>,
    by_worker: Seats<WorkerSid>,
}

/// An open socket; it counts while this exists.
type Place = (OwnedSemaphorePermit, Seat<WorkerSid>);

impl Sockets {
    /// As many as there may be connections.
    pub(super) fn new(limits: &Limits) -> Self {
        let most = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        Self { most, all: Arc::new(Semaphore::new(most)), by_worker: Seats::new(OF_WORKER) }
    }

    /// Number of open sockets.
    pub(crate) fn open_ones(&self) -> usize {
        self.most - self.all.available_permits()
    }

    fn take(&self, worker: &WorkerSid) -> Option<Place> {
        let place = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some((place, self.by_worker.take(Some(worker.clone()))?))
    }
}

/// The presence socket of a page: a WebSocket that carries nothing but pings and their answers. Its protocol is the ticket from
/// the header `rejoin-presence` of the push channel's answer. When pings stay unanswered, that push channel is ended; when the
/// socket is closed, nothing follows.
#[utoipa::path(
    get,
    path = "/v1/presence",
    params(("Sec-WebSocket-Protocol" = String, Header, description = "The ticket of the page's push channel.")),
    responses(
        (status = 101, description = "The WebSocket is open."),
        (status = "default", description = "A problem.", body = api::Problem, content_type = "application/problem+json"),
    ),
    security(())
)]
pub(crate) async fn presence(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let text = headers.get(SEC_WEBSOCKET_PROTOCOL).and_then(|text| text.to_str().ok());
    let text = text.ok_or(Problem::TicketRefused)?.to_owned();
    let tokens = [&app.config.auth_token].into_iter().chain(&app.config.previous_auth_token);
    let ticket = Ticket::opened(&text, tokens).ok_or(Problem::TicketRefused)?;
    let socket = socket.map_err(|_| Problem::NoWebSocket)?;
    app.sockets_opened.check(ticket.worker.as_str().as_bytes())?;
    if app.is_channel_gone(&ticket) {
        return Err(Problem::NotFound);
    }
    let Some(place) = app.sockets.take(&ticket.worker) else {
        figures::refused("connections");
        return Err(Problem::TooMany { seconds: 1 });
    };
    let socket = socket
        .protocols([text])
        .max_message_size(BYTES)
        .max_frame_size(BYTES)
        .read_buffer_size(BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * BYTES);
    Ok(socket.on_upgrade(move |socket| async move {
        if Box::pin(pinged(&app, socket, &ticket)).await == End::Silent {
            app.pushes.silent(&ticket.worker, ticket.channel).await;
        }
        drop(place);
    }))
}

impl App {
    /// True if the channel of this ticket is certainly gone. Other servers' channels are not known.
    fn is_channel_gone(&self, ticket: &Ticket) -> bool {
        !self.store.is_shared() && !self.pushes.is_open(&ticket.worker, ticket.channel)
    }
}

/// How a socket has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Closed, by either side, or cut: says nothing about the page.
    Closed,
    /// The page answered, and does not any more.
    Silent,
}

/// Pings a page with every heartbeat, until it does not answer in time.
async fn pinged(app: &App, mut socket: WebSocket, ticket: &Ticket) -> End {
    let within = app.config.limits.acknowledged_within();
    let mut pings = interval(app.config.limits.heartbeat());
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Since when a ping has been unanswered.
    let mut waits_since = None::<Instant>;
    // A path on which no ping is ever answered says nothing about the page.
    let (mut has_answered, mut frames) = (false, 0);
    let unanswered = |has_answered| if has_answered { End::Silent } else { End::Closed };
    loop {
        let overdue = async {
            match waits_since {
                Some(since) => {
                    sleep_until(since + within).await;
                    since.elapsed().saturating_sub(within)
                }
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = app.stopping.said() => return End::Closed,
            frame = socket.recv() => {
                frames += 1;
                match frame {
                    _ if frames > FRAMES => return End::Closed,
                    Some(Ok(Message::Pong(_))) => (has_answered, waits_since) = (true, None),
                    Some(Ok(Message::Ping(_))) => {}
                    // A page says nothing over it.
                    Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Close(_)) | Err(_)) | None => {
                        return End::Closed;
                    }
                }
            }
            late = overdue => {
                if late < LATE {
                    return unanswered(has_answered);
                }
                // This process has stood still: answers may have come meanwhile, and are read now.
                waits_since = Some(Instant::now());
            }
            _ = pings.tick() => {
                if app.is_channel_gone(ticket) {
                    return End::Closed;
                }
                waits_since.get_or_insert_with(Instant::now);
                frames = 0;
                match timeout(within, socket.send(Message::Ping(bytes::Bytes::new()))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return End::Closed,
                    Err(_) => return unanswered(has_answered),
                }
            }
        }
    }
}
