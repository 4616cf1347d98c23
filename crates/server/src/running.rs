//! A server without a network, for the simulation: requests are function calls, Twilio is a transport, and the server
//! can be killed as `kill -9` kills a process.

use crate::config::Config;
use crate::error::Error;
use crate::restore::{Restored, restore};
use crate::server::{Parts, Server};
use crate::stopping::Stop;
use crate::store::Store;
use crate::surroundings::Surroundings;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::response::Response;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rejoin_twilio::{Client, Sending, Transport, Unanswered};
use std::future::ready;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tower_service::Service as _;

/// A started server of a simulation.
#[derive(Debug)]
pub struct Running {
    parts: Parts,
    surroundings: Surroundings,
}

/// The server was killed: the connection ends without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Killed;

impl Server {
    /// [`beside::restored`](crate::beside::restored) on this store, with this transport to Twilio.
    pub async fn restored_in_world(
        config: &Config,
        store: &Store,
        transport: Arc<dyn Transport>,
    ) -> Result<Restored, Error> {
        let settings = config.to_twilio();
        let (surroundings, within) = (store.surroundings().clone(), settings.total_timeout);
        let mortal = Mortal { transport, surroundings, within };
        restore(store, Client::over(settings, Arc::new(mortal)), config).await
    }

    /// Starts from the store, in the store's surroundings, with this transport to Twilio. Must be called within the
    /// simulation's runtime.
    pub fn in_world(config: Config, store: Store, transport: Arc<dyn Transport>) -> Result<Running, Error> {
        let config = Arc::new(config.checked()?);
        let surroundings = store.surroundings().clone();
        let settings = config.to_twilio();
        let within = settings.total_timeout;
        let mortal = Mortal { transport, surroundings: surroundings.clone(), within };
        let client = Client::over(settings, Arc::new(mortal));
        let parts = Parts::start(config, client, store, Stop::default())?;
        let (killed, tasks) = (surroundings.clone(), [&parts.engine, &parts.queue, &parts.chats]);
        let tasks = tasks.map(tokio::task::JoinHandle::abort_handle);
        tokio::spawn(async move {
            killed.killed().await;
            tasks.iter().for_each(tokio::task::AbortHandle::abort);
        });
        Ok(Running { parts, surroundings })
    }
}

impl Running {
    /// Handles a request. A streamed response ends in an error when the server is killed.
    pub async fn call(&self, request: Request<Body>) -> Result<Response, Killed> {
        let mut router = self.parts.routers.public.clone();
        let surroundings = self.surroundings.clone();
        let answer = tokio::select! {
            biased;
            () = surroundings.killed() => return Err(Killed),
            Ok(answer) = surroundings.part(router.call(request)) => answer,
        };
        if answer.body().size_hint().exact().is_some() {
            return Ok(answer);
        }
        let (killed, is_killed, stands) = (surroundings.clone(), surroundings.clone(), surroundings);
        let cut = move || is_killed.is_killed().then(|| Err(io::Error::from(io::ErrorKind::ConnectionReset)));
        Ok(answer.map(|body| {
            let mut data = body.into_data_stream().map_err(io::Error::other);
            let data = stream::poll_fn(move |context| match stands.keeps(context) {
                true => Poll::Pending,
                false => data.poll_next_unpin(context),
            });
            let data = data.take_until(Box::pin(async move { killed.killed().await }));
            Body::from_stream(data.chain(stream::once(ready(())).filter_map(move |()| ready(cut()))))
        }))
    }

    /// The server's surroundings.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// Kills the server in the middle of whatever it does.
    pub fn kill(&self) {
        self.surroundings.kill();
    }

    /// Stops the server gracefully.
    pub async fn stop(self) {
        let Self { parts, surroundings } = self;
        tokio::select! {
            biased;
            () = surroundings.killed() => {}
            () = Box::pin(surroundings.part(parts.stop(ready(())))) => {}
        }
    }
}

/// The transport of a server that may be killed while it waits for an answer.
#[derive(Debug)]
struct Mortal {
    transport: Arc<dyn Transport>,
    surroundings: Surroundings,
    /// Timeout of a request.
    within: Duration,
}

impl Transport for Mortal {
    fn send(&self, request: http::Request<Bytes>) -> Sending<'_> {
        Box::pin(async move {
            let what = format!("{} {}", request.method(), request.uri().path());
            self.surroundings.pass(|| format!("asking Twilio: {what}")).await;
            let answer = tokio::time::timeout(self.within, self.transport.send(request)).await;
            self.surroundings.pass(|| format!("answered by Twilio: {what}")).await;
            answer.unwrap_or(Err(Unanswered::TimedOut))
        })
    }
}
