//! Accepts connections, with a maximum number, and cuts off slow ones.

use super::Tls;
use super::connection::Terms;
use super::seats::Seats;
use super::source::Source;
use crate::figures;
use crate::limits::Limits;
use crate::stopping::Stopping;
use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Pause after a connection could not be accepted, because there are no more file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// How often an address with too many connections is reported.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// The response to it on unencrypted connections.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// Serves until the server stops; requests that have begun are then answered.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    limits: Limits,
    stopping: Stopping,
) {
    let places = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let (within, acknowledged) = (limits.head_within(), limits.acknowledged_within());
    let terms = Arc::new(Terms::new(router, within, stopping.clone()));
    let open = GracefulShutdown::new();
    let (seats, mut told) = (Seats::new(limits.connections_per_address), None::<Instant>);
    loop {
        let next = async {
            // With all places taken, new connections wait in the listener's queue.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, accept(&listener, acknowledged).await)
        };
        let (place, (stream, peer)) = tokio::select! {
            next = next => next,
            () = stopping.said() => break,
        };
        let Some(seat) = seats.take(Source::of_connection(&limits, peer)) else {
            figures::refused("connections");
            if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
                told = Some(Instant::now());
                tracing::warn!(
                    most = limits.connections_per_address,
                    "an address has reached its connection limit: further connections are closed; if it is a proxy, name it in REJOIN_TRUSTED_PROXIES"
                );
            }
            if tls.is_none() {
                // Best effort: it is closed in any case.
                let _ = stream.try_write(TOO_MANY);
            }
            continue;
        };
        let (terms, watcher) = (Arc::clone(&terms), open.watcher());
        let tls = tls.as_ref().map(Tls::acceptor);
        tokio::spawn(async move {
            match tls {
                None => terms.plain(stream, peer, watcher).await,
                Some(tls) => terms.encrypted(tls, stream, peer, watcher).await,
            }
            drop((place, seat));
        });
    }
    drop(listener);
    open.shutdown().await;
}

async fn accept(listener: &TcpListener, within: Duration) -> (TcpStream, IpAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Responses are small and awaited. Without it they only come later.
                let _ = stream.set_nodelay(true);
                takes_what_is_sent(&stream, within);
                return (stream, peer.ip());
            }
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections; retrying");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Cuts off a client that takes nothing of what is sent for this time, whether it is gone or unwilling
/// (`TCP_USER_TIMEOUT`, <https://man7.org/linux/man-pages/man7/tcp.7.html>).
#[cfg(target_os = "linux")]
fn takes_what_is_sent(stream: &TcpStream, within: Duration) {
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(within)) {
        tracing::debug!(%error, "TCP_USER_TIMEOUT could not be set on a connection");
    }
}

#[cfg(not(target_os = "linux"))]
fn takes_what_is_sent(_: &TcpStream, _: Duration) {}

/// True when only that client is gone.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
