//! Starts and stops the parts in the right order.

use crate::config::Config;
use crate::engine::{Engine, Handle, Outlets};
use crate::error::Error;
use crate::execute::Executor;
use crate::figures;
use crate::http::{self, App, Tls};
use crate::lease;
use crate::pace::Turns;
use crate::push::Pushes;
use crate::queue;
use crate::report::DAY;
use crate::store::Store;
use crate::upkeep;
use rejoin_protocol::Millis;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;

/// Requests that are being served when the server stops get so long.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// A running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    handle: Handle,
    stop: watch::Sender<bool>,
    store: Store,
    engine: JoinHandle<()>,
    queue: JoinHandle<()>,
    http: JoinHandle<()>,
}

impl Server {
    /// Goes on with what the store has, and listens.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let config = Arc::new(config.checked()?);
        figures::start();
        let client = config.client()?;
        let (stop, stopping) = watch::channel(false);
        let tls = Tls::start(&config.tls, stopping.clone())?;
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| Error::Listen { address: config.listen, source })?;
        let address =
            listener.local_addr().map_err(|source| Error::Listen { address: config.listen, source })?;

        let store = Store::open(&config.storage.database_url).await?;
        let pushes = Pushes::new(store.clone());
        let (lines, _) = broadcast::channel(1024);
        let (jobs, wanted) = mpsc::channel(queue::HELD);
        let outlets = Outlets { pushes: pushes.clone(), lines: lines.clone(), jobs };
        let (handle, engine) = Engine::start(config.policies(), store.clone(), outlets);
        let executor = Executor::new(client.clone(), Arc::clone(&config));
        let turns = Turns::new(&config.pacing);
        let (paced, shared, asked) = (turns.clone(), turns.clone(), turns.clone());
        let (leased, tidied, heard) = (store.clone(), store.clone(), pushes.clone());
        let keep = Millis(DAY.0 * u64::from(config.keep_days));
        let queue = queue::run(wanted, executor, handle.clone(), store.clone(), turns, stopping.clone());
        let queue = tokio::spawn(async move {
            tokio::select! {
                () = queue => {}
                () = paced.run() => {}
                () = figures::upkeep() => {}
                () = lease::run(leased, shared) => {}
                () = heard.listen() => {}
                () = upkeep::run(tidied, keep) => {}
            }
        });

        let limits = config.limits.clone();
        let to_twilio = (client, asked);
        let app = App::new(config, to_twilio, handle.clone(), pushes, lines, store.clone(), stopping.clone());
        let router = http::router(Arc::new(app))?;
        let http = tokio::spawn(http::serve(listener, tls, router, limits, stopping));
        tracing::info!(%address, "listening");
        Ok(Self { address, handle, stop, store, engine, queue, http })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns when one of the parts has ended by itself, which none should.
    pub async fn failed(&mut self) {
        tokio::select! {
            _ = &mut self.engine => tracing::error!("the engine has ended"),
            _ = &mut self.queue => tracing::error!("the queue has ended"),
            _ = &mut self.http => tracing::error!("the HTTP side has ended"),
        }
    }

    /// Stops in order: no new requests, what it has is for others within a second, the last requests answered,
    /// everything durable.
    pub async fn stop(mut self) {
        // Nobody listens when all parts have ended already.
        let _ = self.stop.send(true);
        let (queue, http, store) = (&mut self.queue, &mut self.http, &self.store);
        let handed_over = async {
            if !queue.is_finished()
                && let Err(error) = queue.await
            {
                tracing::error!(%error, "the queue has ended by a defect");
            }
            // The lease is not renewed any more.
            store.hand_over().await;
            tracing::info!("others go on with its jobs");
        };
        let answered = async {
            if !http.is_finished() && tokio::time::timeout(LAST_REQUESTS, &mut *http).await.is_err() {
                http.abort();
            }
            tracing::info!("the last requests are over");
        };
        tokio::join!(handed_over, answered);
        self.handle.stop().await;
        if !self.engine.is_finished()
            && let Err(error) = (&mut self.engine).await
        {
            tracing::error!(%error, "the engine has ended by a defect");
        }
        self.store.close().await;
        tracing::info!("stopped");
    }
}
