//! Events that can come next in a world.

use crate::page::{PageId, Then};
use crate::twilio::Delivery;
use axum::http;
use bytes::Bytes;
use rejoin_plugin::agent::{self, PostError, PostId};
use rejoin_protocol::{CallSid, ReservationSid};
use rejoin_twilio::Unanswered;
use rejoin_twin::model::{ApiError, Event, Reply, Request, StreamEvent};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Receives the answer to a request of our server to Twilio.
pub(crate) type RestAnswer = oneshot::Sender<Result<http::Response<Option<Bytes>>, Unanswered>>;

/// An event that is due at some time.
#[derive(Debug)]
pub(crate) enum Coming {
    /// A deed of the plan, by its index.
    Deed(usize),
    /// A customer dials, or hangs up.
    Dials(usize),
    HangsUp(usize),
    /// A third party outside hangs up.
    OutsideHangsUp(CallSid),
    /// An agent answers a call, finishes one, or presses the dialog's button.
    Accepts(usize, ReservationSid),
    Completes(usize, ReservationSid),
    Presses(PageId),
    /// The lying agent tells a lie, by this fault of the plan.
    Lies(usize),
    /// An agent opens Flex (again).
    Opens {
        agent: usize,
        browser: usize,
    },
    /// An agent who notices that they are offline takes calls again.
    WantsCalls(usize),
    /// An agent ends a call after the plan's end.
    EndsTalk(usize),

    /// An event at Twilio.
    Twilio(Event),
    /// A request of our server (the first field says which server) arrives at Twilio; a request arrives once more, by
    /// a planted defect; its answer arrives.
    Rest(usize, http::Request<Bytes>, RestAnswer),
    Again(http::Request<Bytes>),
    RestAnswered(RestAnswer, Result<http::Response<Option<Bytes>>, Unanswered>),
    /// An attempt to send a callback to our server, or to fetch a document from it, arrives there; it times out.
    Attempt(Box<Delivery>),
    AttemptLate(u64),
    /// The pending events of the event stream are delivered, again after a failure; they are collected.
    Batch(Vec<StreamEvent>, u64),
    CollectBatch,

    /// Flex is up in a page; the plugin is.
    FlexUp(PageId),
    PluginUp(PageId),
    /// A page stops waiting for the browser's lock.
    Patience(PageId),
    /// A timer of the core is due, unless it was set again.
    CoreTimer(PageId, agent::Timer, u64),
    /// TaskRouter sends an event to a page.
    Tell(PageId, String, Arc<Value>),
    /// A page's request arrives at Twilio; its answer arrives.
    Bridge(PageId, Box<Request>, Then),
    Bridged(PageId, Then, Box<Result<Reply, ApiError>>),
    /// A phone rings; it has answered; the far end has hung up.
    Invite(PageId, CallSid),
    PickedUp(PageId, CallSid),
    FarHangup(PageId, CallSid),
    /// A call message arrives at a page, over the signalling of this call.
    CallMessage(PageId, CallSid, String),
    /// A `joinCall()` of Flex times out.
    JoinLate(PageId, ReservationSid),
    /// A page's request arrives at our server; its outcome arrives.
    Post {
        page: Option<(PageId, PostId)>,
        path: &'static str,
        token: String,
        body: String,
    },
    Posted(PageId, PostId, Result<String, PostError>),
    /// The push channel is due to open; a message on it arrives; it has been silent for too long.
    OpenPush(PageId, u64),
    PushArrives(PageId, u64, PushNews),
    PushSilence(PageId, u64),
    /// The far end gives up a connection that has gone silent: Twilio's do, and our server's push channel does, unless the page
    /// is back (the second number counts when it was away).
    HalfOpen(PageId),
    PushUnacknowledged(PageId, u64),
    /// A page goes on whose machine slept or had no network.
    Wakes(PageId, u64),
    /// The sockets of a dead browser process close.
    SocketsClose(PageId),
    /// Another plugin writes the flag.
    Foreign(PageId),

    /// Our server in this place is started, killed, or stopped.
    StartServer(usize),
    KillServer(usize),
    StopServer(usize),
    StandServer(usize, u64),
    /// The database is copied; it is lost, and the copy restored.
    Backup,
    Restore,
    /// The clock of our servers' machine is set by this many milliseconds.
    SetClock(i64),
    /// The same for the database's.
    SetDatabaseClock(i64),
    /// The server with this number goes on after it stood still.
    GoesOn(usize),
    /// Rules about time are checked.
    Look,
}

/// News of a push channel, in flight.
#[derive(Debug)]
pub(crate) enum PushNews {
    Opened(u16),
    Said(Bytes),
    Ended,
}
