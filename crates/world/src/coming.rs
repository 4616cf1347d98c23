//! What can come next in a world.

use crate::page::{PageId, Then};
use axum::http;
use bytes::Bytes;
use rejoin_plugin::agent::{self, PostError, PostId};
use rejoin_protocol::{CallSid, ReservationSid};
use rejoin_twilio::Unanswered;
use rejoin_twin::model::{ApiError, Event, FetchId, Reply, Request, StreamEvent};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Where the answer to a request of our server's goes.
pub(crate) type RestAnswer = oneshot::Sender<Result<http::Response<Option<Bytes>>, Unanswered>>;

/// One thing that happens at its time.
#[derive(Debug)]
pub(crate) enum Coming {
    /// A deed of the plan, by number.
    Deed(usize),
    /// A customer dials, or hangs up.
    Dials(usize),
    HangsUp(usize),
    /// Somebody outside hangs up.
    OutsideHangsUp(CallSid),
    /// An agent answers a call, is done with one, presses the dialog's button.
    Accepts(usize, ReservationSid),
    Completes(usize, ReservationSid),
    Presses(PageId),
    /// Somebody lies, by this fault of the plan.
    Lies(usize),
    /// An agent opens Flex (again).
    Opens {
        agent: usize,
        browser: usize,
    },
    /// An agent who finds herself offline takes calls again.
    WantsCalls(usize),
    /// After the plan's end an agent ends a call.
    EndsTalk(usize),

    /// Something happens at Twilio.
    Twilio(Event),
    /// A request of our server's, this one of all, arrives at Twilio; once more, by a defect that was put in; its answer arrives.
    Rest(usize, http::Request<Bytes>, RestAnswer),
    Again(http::Request<Bytes>),
    RestAnswered(RestAnswer, Result<http::Response<Option<Bytes>>, Unanswered>),
    /// A callback arrives at our server.
    Webhook {
        url: String,
        method: String,
        params: Vec<(String, String)>,
    },
    /// A document is asked of our server; it was waited for long enough.
    Fetch {
        fetch: FetchId,
        url: String,
        method: String,
        params: Vec<(String, String)>,
    },
    FetchLate(FetchId),
    /// What waits of the event stream is delivered; again after a failure.
    Batch(Vec<StreamEvent>, u64),
    CollectBatch,

    /// Flex is up in a page; the plugin is.
    FlexUp(PageId),
    PluginUp(PageId),
    /// A page has waited long enough for the browser's lock.
    Patience(PageId),
    /// A timer of the core is due, if it was not set again.
    CoreTimer(PageId, agent::Timer, u64),
    /// TaskRouter tells a page.
    Tell(PageId, String, Arc<Value>),
    /// A page's request arrives at Twilio; its answer arrives.
    Bridge(PageId, Box<Request>, Then),
    Bridged(PageId, Then, Box<Result<Reply, ApiError>>),
    /// A phone rings; it has answered; the far end has hung up.
    Invite(PageId, CallSid),
    PickedUp(PageId, CallSid),
    FarHangup(PageId, CallSid),
    /// A join has taken Flex too long.
    JoinLate(PageId, ReservationSid),
    /// A page's request arrives at our server; its outcome arrives.
    Post {
        page: Option<(PageId, PostId)>,
        path: &'static str,
        token: String,
        body: String,
    },
    Posted(PageId, PostId, Result<String, PostError>),
    /// The push channel is to be opened; something of it has arrived; it is silent for too long.
    OpenPush(PageId, u64),
    PushArrives(PageId, u64, PushNews),
    PushSilence(PageId, u64),
    /// A connection of which nobody hears any more is given up by the far end.
    HalfOpen(PageId),
    /// A page whose machine slept, or that had no network, goes on.
    Wakes(PageId, u64),
    /// The browser process is gone: its sockets close.
    SocketsClose(PageId),
    /// Another plugin writes the flag.
    Foreign(PageId),

    /// Our server in this place is started, killed, stopped, stands still for so long.
    StartServer(usize),
    KillServer(usize),
    StopServer(usize),
    StandServer(usize, u64),
    /// The clock of the machine of our servers is set by so much.
    SetClock(i64),
    /// This one of all goes on.
    GoesOn(usize),
    /// Rules that time breaks are looked at.
    Look,
}

/// News of a push channel on their way.
#[derive(Debug)]
pub(crate) enum PushNews {
    Opened(u16),
    Said(Bytes),
    Ended,
}
