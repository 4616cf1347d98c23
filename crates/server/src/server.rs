//! Starts and stops the parts in the right order.

use crate::call_messages::CallMessages;
use crate::config::{Config, Switch};
use crate::conversations::{self, Connected, Conversations};
use crate::engine::{Engine, Handle, Outlets};
use crate::error::Error;
use crate::execute::Executor;
use crate::figures;
use crate::http::{self, App, Routers, Tls};
use crate::jobs::Door;
use crate::lease;
use crate::monitor::Monitor;
use crate::pace::Turns;
use crate::push::Pushes;
use crate::queue;
use crate::report::DAY;
use crate::stopping::Stop;
use crate::store::Store;
use crate::upkeep;
use crate::{checkpoints, counting};
use rejoin_conversations::PageEvent;
use rejoin_protocol::{Millis, WorkerSid};
use rejoin_recovery::Event;
use rejoin_twilio::Client;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

/// How long requests in progress may take when the server stops.
const LAST_REQUESTS: Duration = Duration::from_secs(5);
/// Pause before a server that starts tries its database again.
const AGAIN: Duration = Duration::from_secs(1);

/// A running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    operator_address: Option<SocketAddr>,
    parts: Parts,
    http: JoinHandle<()>,
    /// Watches the other servers.
    monitor: Option<Box<Monitor>>,
}

/// Everything of a server except its connections.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) routers: Routers,
    pub(crate) engine: JoinHandle<()>,
    pub(crate) queue: JoinHandle<()>,
    /// The engine of conversations.
    pub(crate) chats: JoinHandle<()>,
    conversations: Conversations,
    handle: Handle,
    stop: Stop,
    store: Store,
}

impl Server {
    /// Starts from the store, and listens.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let config = Arc::new(config.checked()?);
        figures::start();
        let client = config.client()?;
        let stop = Stop::default();
        let stopping = stop.stopping();
        let tls = Tls::start(&config.tls, stopping.clone())?;
        let (store, Listeners { public: (listener, address), operators: apart }) =
            store_and_listeners(&config).await?;
        let operator_address = apart.as_ref().map(|(_, address)| *address);
        let limits = config.limits.clone();
        let monitor = Monitor::of_peers(&config, store.clone()).await?.map(Box::new);
        let parts = Parts::start(config, client, store, stop)?;
        let Routers { public, operators } = parts.routers.clone();
        let few = limits.for_operators();
        let public = http::serve(listener, tls, public, limits, stopping.clone());
        let http = tokio::spawn(async move {
            match apart.zip(operators) {
                Some(((listener, _), router)) => {
                    tokio::join!(public, http::serve(listener, None, router, few, stopping));
                }
                None => public.await,
            }
        });
        tracing::info!(%address, operators = ?operator_address, "listening");
        Ok(Self { address, operator_address, parts, http, monitor })
    }

    /// The address of the listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the operators' listener, if there is one.
    pub fn operator_address(&self) -> Option<SocketAddr> {
        self.operator_address
    }

    /// Returns when one of the parts has ended by itself, which none should.
    pub async fn failed(&mut self) {
        tokio::select! {
            biased;
            _ = &mut self.parts.engine => tracing::error!("the engine has ended"),
            _ = &mut self.parts.queue => tracing::error!("the job queue has ended: no request goes to Twilio, and the server stops"),
            _ = &mut self.parts.chats => tracing::error!("the engine of conversations has ended"),
            _ = &mut self.http => tracing::error!("the HTTP side has ended"),
        }
    }

    /// Stops gracefully: no new requests, jobs handed over to other servers within a second, the last requests
    /// answered, everything durable.
    pub async fn stop(self) {
        let Self { parts, mut http, monitor, .. } = self;
        if let Some(monitor) = monitor {
            monitor.stop().await;
        }
        let answered = async {
            if !http.is_finished() && tokio::time::timeout(LAST_REQUESTS, &mut http).await.is_err() {
                http.abort();
            }
            tracing::info!("the last requests have ended");
        };
        parts.stop(answered).await;
    }
}

/// The listeners with their addresses.
struct Listeners {
    public: (TcpListener, SocketAddr),
    /// That of operators, if they have one.
    operators: Option<(TcpListener, SocketAddr)>,
}

impl Listeners {
    async fn open(config: &Config) -> Result<Self, Error> {
        let public = bind(config.listen).await?;
        let operators = match config.operator_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        Ok(Self { public, operators })
    }
}

/// Opens the store and the listeners. Waits for a database that is away for a while.
async fn store_and_listeners(config: &Config) -> Result<(Store, Listeners), Error> {
    let begun = Instant::now();
    // An address that is in use is found before the database is changed.
    let listeners = Listeners::open(config).await?;
    let away = match store(config).await {
        Ok(store) => return Ok((store, listeners)),
        Err(error) if error.may_pass() => error,
        Err(error) => return Err(error),
    };
    // Nobody waits for answers here meanwhile: connections are refused, so that Twilio and pages turn to another server.
    drop(listeners);
    let store = wait_for_store(config, away, begun).await?;
    Ok((store, Listeners::open(config).await?))
}

async fn store(config: &Config) -> Result<Store, Error> {
    let store = config.storage.open().await?;
    store.belongs_to(&config.account).await?;
    Ok(store)
}

async fn wait_for_store(config: &Config, mut away: Error, begun: Instant) -> Result<Store, Error> {
    let within = Duration::from_millis(config.storage.database_wait_ms);
    let mut said = None;
    while begun.elapsed() < within {
        let why = away.to_string();
        if said.as_ref() != Some(&why) {
            tracing::warn!(why, ?within, "this server has not started yet: it waits for its database");
            said = Some(why);
        }
        tokio::time::sleep(AGAIN).await;
        match store(config).await {
            Err(error) if error.may_pass() => away = error,
            opened => return opened,
        }
    }
    Err(away)
}

/// Opens a listener, and returns its address.
async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

impl Connected for Pushes {
    fn is_connected(
        &self,
        worker: WorkerSid,
    ) -> futures_util::future::BoxFuture<'static, Result<bool, Error>> {
        let pushes = self.clone();
        Box::pin(async move { pushes.was_there(&worker, pushes.now()).await })
    }

    fn pages(&self) -> Vec<(WorkerSid, u64)> {
        Self::pages(self)
    }

    fn has_pages(&self) -> bool {
        self.has_channels()
    }
}

impl Parts {
    /// Starts from the store.
    pub(crate) fn start(
        config: Arc<Config>,
        client: Client,
        store: Store,
        stop: Stop,
    ) -> Result<Self, Error> {
        let stopping = stop.stopping();
        let pushes = Pushes::new(store.clone());
        let (lines, _) = broadcast::channel(1024);
        let (jobs, wanted) = Door::new(queue::HELD);
        let outlets = Outlets { pushes: pushes.clone(), lines: lines.clone(), jobs };
        let (handle, engine) = Engine::start(config.policies(), store.clone(), outlets);
        let messages = CallMessages::new(client.clone(), Arc::clone(&config), pushes.clone(), store.clone());
        let executor = Executor::new(client.clone(), Arc::clone(&config)).asking(messages.clone());
        let turns = Turns::new(&config.pacing, store.surroundings().clone());
        let (paced, shared, asked) = (turns.clone(), turns.clone(), turns.clone());
        let (leased, tidied, heard) = (store.clone(), store.clone(), pushes.clone());
        let (counted, logged) = (store.clone(), store.clone());
        let executor_of_chats =
            conversations::Executor::new(client.clone(), turns.clone(), Arc::clone(&config), store.clone());
        let (conversations, chats) = match config.conversations.on {
            Switch::Off => (Conversations::off(), None),
            Switch::On => {
                let policies = config.conversations.policies();
                let connected: Arc<dyn Connected> = Arc::new(pushes.clone());
                let (conversations, chats) =
                    conversations::Engine::new(policies, store.clone(), executor_of_chats, connected);
                (conversations, Some(chats))
            }
        };
        let told = (handle.clone(), conversations.clone());
        let lost = pushes.clone().watch_lost(move |event| {
            let (engine, conversations) = told.clone();
            async move {
                if let Event::PushLost { worker, epoch } = &event {
                    conversations.page(worker, *epoch, PageEvent::PushClosed);
                }
                engine.event(event).await
            }
        });
        let stops = stopping.clone();
        let chats = async move {
            match chats {
                Some(chats) => chats.run().await,
                None => stops.said().await,
            }
        };
        let chats = tokio::spawn(store.surroundings().task(chats));
        let keep = Millis(DAY.0 * u64::from(config.keep_days));
        let queue = queue::run(wanted, executor, handle.clone(), store.clone(), turns, stopping.clone());
        let surroundings = store.surroundings().clone();
        let beside = async move {
            tokio::select! {
                biased;
                () = queue => {}
                () = paced.run() => {}
                () = figures::upkeep() => {}
                () = lease::run(leased, shared) => {}
                () = heard.listen() => {}
                () = lost => {}
                () = upkeep::run(tidied, keep) => {}
                () = counting::run(counted) => {}
                () = checkpoints::run(logged) => {}
            }
        };
        let queue = tokio::spawn(surroundings.task(beside));
        let to_twilio = (client, asked);
        let app = App::new(
            config,
            to_twilio,
            (handle.clone(), conversations.clone()),
            (pushes, messages),
            lines,
            store.clone(),
            stopping,
        );
        let routers = http::routers(&Arc::new(app))?;
        Ok(Self { routers, engine, queue, chats, conversations, handle, stop, store })
    }

    /// Stops gracefully. `answered` resolves when the last requests are.
    pub(crate) async fn stop(self, answered: impl Future<Output = ()>) {
        let Self { routers: _, mut engine, mut queue, mut chats, conversations, handle, stop, store } = self;
        stop.say();
        let handed_over = async {
            if !queue.is_finished()
                && let Err(error) = (&mut queue).await
            {
                tracing::error!(%error, "the job queue panicked");
            }
            // What is still carried out for conversations is taken over, too.
            conversations.stop().await;
            if !chats.is_finished()
                && let Err(error) = (&mut chats).await
            {
                tracing::error!(%error, "the engine of conversations panicked");
            }
            // The lease is no longer renewed.
            store.hand_over().await;
            tracing::info!("other servers take over its jobs");
        };
        tokio::join!(handed_over, answered);
        handle.stop().await;
        if !engine.is_finished()
            && let Err(error) = (&mut engine).await
        {
            tracing::error!(%error, "the engine panicked");
        }
        store.close().await;
        tracing::info!("stopped");
    }
}
