//! A connection: HTTP/1.1, or HTTP/2 when TLS has negotiated it, with the same limits.

use super::activity::{Activity, Counted};
use super::early::Frank;
use super::push;
use super::source::{From, Peer};
use crate::stopping::Stopping;
use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use hyper_util::service::TowerToHyperService;
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// Maximum size of a request's head, in bytes: a Flex token of 8 kB and what browsers add.
const HEAD: u16 = 32 * 1024;
/// Maximum number of concurrent requests on a connection, for a proxy that combines those of many desktops.
const STREAMS: u32 = 128;
/// Bytes of a request that may be in flight, or that we buffer for a client. Few bodies are longer; those take turns.
const STREAM_WINDOW: u32 = 32 * 1024;
/// The same for all requests of a connection together.
const CONNECTION_WINDOW: u32 = 128 * 1024;

/// Settings of all connections.
pub(super) struct Terms {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    router: Router,
    /// How long a connection may be idle, and how long the TLS handshake, a request's head, or the end of the
    /// connection may take.
    within: Duration,
    stopping: Stopping,
}

impl Terms {
    pub(super) fn new(router: Router, within: Duration, stopping: Stopping) -> Self {
        let mut http1 = http1::Builder::new();
        http1.timer(TokioTimer::new()).header_read_timeout(within).max_buf_size(HEAD.into());
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        // h2's own protection against requests that are reset at once stays as it is
        // (<https://docs.rs/h2/latest/h2/server/struct.Builder.html#method.max_pending_accept_reset_streams>).
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(within)
            .keep_alive_timeout(within)
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD.into())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(STREAM_WINDOW as usize);
        Self { http1, http2, router, within, stopping }
    }

    /// A connection that a proxy has decrypted. Its version is not guessed from its first bytes: a client that sends
    /// none would never be cut off.
    pub(super) async fn plain(&self, stream: TcpStream, peer: IpAddr, watcher: Watcher) {
        self.http1(stream, Peer(peer), watcher).await;
    }

    /// A connection that begins with TLS, which negotiates the version.
    pub(super) async fn encrypted(
        &self,
        tls: TlsAcceptor,
        stream: TcpStream,
        peer: IpAddr,
        watcher: Watcher,
    ) {
        let stream = tokio::select! {
            greeted = tokio::time::timeout(self.within, tls.accept(stream)) => match greeted {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "TLS handshake failed");
                    return;
                }
                Err(_) => return,
            },
            () = self.stopping.said() => return,
        };
        if stream.get_ref().1.alpn_protocol() == Some(super::tls::HTTP2) {
            Box::pin(self.http2(stream, Peer(peer), watcher)).await;
        } else {
            self.http1(stream, Peer(peer), watcher).await;
        }
    }

    /// It may become a WebSocket, which is no connection of ours any more. `_watcher` is held until the last request is answered.
    async fn http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        peer: Peer,
        _watcher: Watcher,
    ) {
        let service = From { inner: Frank(TowerToHyperService::new(self.router.clone())), peer };
        let connection = self.http1.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            end = connection.as_mut() => return ended(end),
            () = self.stopping.said() => {}
        }
        connection.as_mut().graceful_shutdown();
        ended(connection.await);
    }

    /// hyper cuts off idle connections of HTTP/1.1 only. `_watcher` is held until the last request is answered.
    async fn http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        peer: Peer,
        _watcher: Watcher,
    ) {
        let activity = Activity::default();
        let service = Counted::new(TowerToHyperService::new(self.router.clone()), activity.clone());
        let service = From { inner: service, peer };
        let mut connection = std::pin::pin!(self.http2.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            end = connection.as_mut() => return ended(end),
            () = activity.idle(self.within, self.within.max(3 * push::HEARTBEAT)) => {}
            () = self.stopping.said() => {}
        }
        connection.as_mut().graceful_shutdown();
        // The wait for a client that does not read the last responses is bounded.
        if let Ok(end) = tokio::time::timeout(self.within, connection).await {
            ended(end);
        }
    }
}

fn ended(end: Result<(), hyper::Error>) {
    if let Err(error) = end {
        tracing::debug!(%error, "a connection ended early");
    }
}
