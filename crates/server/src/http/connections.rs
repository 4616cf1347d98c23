//! Takes connections: so many at once, and none that keeps us waiting.

use super::stopped;
use crate::limits::Limits;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// The longest head of a request, in bytes: a Flex token of 8 kB and what browsers add.
const HEAD: usize = 64 * 1024;
/// A pause after a connection that could not be taken, because there are no more file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the server stops; then the requests that have begun are answered.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stopping: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    // The version is not guessed from a connection's first bytes: a client that sends none would never be cut.
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head_within()).max_buf_size(HEAD);
    let open = GracefulShutdown::new();
    loop {
        let next = async {
            // Who comes when all places are taken waits outside, in the listener's queue.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, accept(&listener).await)
        };
        let (place, stream) = tokio::select! {
            next = next => next,
            () = stopped(stopping.clone()) => break,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection has ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    open.shutdown().await;
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small and awaited. Without it they only come later.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be taken, trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Has only that client gone?
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
