//! Planted defects, which prove that the simulation finds them: each imitates a part of the system that fails to do
//! something. Nothing of this is in the product: the defect intercepts what that part does.

use crate::coming::Coming;
use crate::page::{PageId, Then};
use crate::plan::{Fault, FaultKind, Plan};
use crate::timeline::Kind;
use crate::world::World;
use axum::http;
use bytes::Bytes;
use rejoin_protocol::ReservationSid;
use rejoin_server::Config;
use rejoin_twin::model::{LegPlace, Request};

/// A planted defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// The server waits for no graceful mark after a leave.
    GraceZero,
    /// The server accepts marks and forgets them.
    MarksIgnored,
    /// The server receives no hellos.
    HellosDropped,
    /// The server receives no goodbyes.
    GoodbyesDropped,
    /// Every page of a browser has the same epoch.
    EpochSame,
    /// Every ping is created twice.
    PingTwice,
    /// Every customer is sent to the queue twice.
    RequeueTwice,
    /// Jobs are lost in a restart.
    JobsForgotten,
    /// Timers are lost in a restart.
    TimersForgotten,
    /// Calls are lost in a restart.
    CallsForgotten,
    /// Customers hear no announcement.
    NeverTold,
    /// The queue does not tell customers who have heard nothing so far.
    UntoldInQueue,
    /// The server receives no leaves, and does not poll.
    LeavesUnheard,
    /// The server does not clear the flag by which a conference ends with the customer, or with the agent.
    FlagsStay,
    /// The plugin accepts no task unasked.
    OffersIgnored,
    /// The leg is removed on suspicion alone.
    RemovedOnSuspicion,
    /// The server does not poll calls without callbacks.
    NoWatch,
    /// Pages whose push channels are lost are not asked whether they live.
    NeverAsked,
    /// The old reservation is completed as soon as the agent is lost, not when the customer is in the queue.
    CompletedAtOnce,
    /// Webhooks are not deduplicated.
    NoDedup,
    /// The server's hold of a customer does not end.
    HoldStays,
    /// Customers are sent to another agent than the one they had.
    ToAnother,
    /// The old reservation is completed twice.
    CompletedTwice,
    /// Third parties are moved twice.
    MovedTwice,
    /// A customer who is back with the agent is redirected once more.
    TakenAgain,
    /// No customer is sent to the queue for any agent.
    NeverToAny,
    /// A colleague is called to every customer.
    Uninvited,
    /// A server goes on with jobs that another one has taken over: there is no fencing.
    NoFence,
    /// Servers start on a restored database as it is.
    RestoredPlainly,
    /// A server that takes an action about a chat over does not look for what was done.
    ChatToldAgain,
    /// An action about a chat whose answer was lost is repeated without being looked up.
    ChatRepeatedUnasked,
    /// The lost agent's participant is closed with the invite.
    ChatClosedEarly,
    /// The plugin sends a chat message again without looking whether it is there.
    ChatResentUnlooked,
    /// The browser keeps no drafts.
    ChatDraftsForgotten,
    /// A claim of a page counts like Twilio's webhook.
    ChatClaimBelieved,
    /// The machine of conversations hears only the first hello of each agent.
    ChatHellosForgotten,
    /// A look does not show that a chat is paused.
    ChatPausesUnseen,
    /// Actions for conversations that have begun are lost in a restart.
    ChatActionsForgotten,
    /// A look does not show what was said.
    ChatMessagesUnseen,
}

impl Planted {
    /// All defects.
    pub const ALL: [Self; 39] = [
        Self::GraceZero,
        Self::MarksIgnored,
        Self::HellosDropped,
        Self::GoodbyesDropped,
        Self::EpochSame,
        Self::PingTwice,
        Self::RequeueTwice,
        Self::JobsForgotten,
        Self::TimersForgotten,
        Self::CallsForgotten,
        Self::NeverTold,
        Self::UntoldInQueue,
        Self::LeavesUnheard,
        Self::FlagsStay,
        Self::OffersIgnored,
        Self::RemovedOnSuspicion,
        Self::NoWatch,
        Self::NeverAsked,
        Self::CompletedAtOnce,
        Self::NoDedup,
        Self::HoldStays,
        Self::ToAnother,
        Self::CompletedTwice,
        Self::MovedTwice,
        Self::TakenAgain,
        Self::NeverToAny,
        Self::Uninvited,
        Self::NoFence,
        Self::RestoredPlainly,
        Self::ChatToldAgain,
        Self::ChatRepeatedUnasked,
        Self::ChatClosedEarly,
        Self::ChatResentUnlooked,
        Self::ChatDraftsForgotten,
        Self::ChatClaimBelieved,
        Self::ChatHellosForgotten,
        Self::ChatPausesUnseen,
        Self::ChatActionsForgotten,
        Self::ChatMessagesUnseen,
    ];

    /// Changes the server's settings for this defect.
    pub(crate) fn settings(self, config: &mut Config) {
        match self {
            Self::GraceZero => config.timings.grace_ms = 0,
            Self::NeverAsked => config.timings.answer_within_ms = 0,
            Self::LeavesUnheard | Self::NoWatch => {
                config.timings.watch_call_ms = 0;
                config.timings.watch_recovery_ms = 3_600_000;
            }
            _ => {}
        }
    }

    /// Changes a plan so that the defect shows more often.
    pub fn plan(self, mut plan: Plan) -> Plan {
        if self == Self::GraceZero {
            // Marks arrive when the page no longer waits for their answers.
            let to = plan.until;
            plan.faults.push(Fault { from: 0, to, kind: FaultKind::RequestLate, rate: 1000 });
        }
        // In place no customer is sent anywhere.
        plan.setup.in_place &= self != Self::ToAnother;
        if self == Self::NoWatch {
            let to = plan.until;
            plan.faults.push(Fault { from: 0, to, kind: FaultKind::WebhookLost, rate: 300 });
        }
        if self == Self::FlagsStay {
            plan.setup.ended = false;
            plan.agents.iter_mut().for_each(|agent| agent.foreign = true);
        }
        plan.setup.streams &= !matches!(self, Self::LeavesUnheard | Self::NoWatch);
        plan
    }

    /// True when this request of our server is dropped, and reported to it as done.
    pub(crate) fn swallows(self, request: &http::Request<Bytes>) -> bool {
        let path = request.uri().path();
        let body = String::from_utf8_lossy(request.body());
        let posts = request.method() == http::Method::POST;
        match self {
            Self::NeverTold => posts && (body.contains("AnnounceUrl=") || body.contains("HoldUrl=")),
            Self::HoldStays => posts && body.contains("Hold=false"),
            Self::NeverToAny => {
                posts
                    && path.contains("/Calls/")
                    && body.contains("%2Fwait%2F")
                    && !body.contains("targetWorkerSid")
            }
            Self::FlagsStay => {
                posts && path.contains("/Participants/") && body.contains("EndConferenceOnExit=false")
            }
            _ => false,
        }
    }

    /// True when this request of our server is made twice.
    pub(crate) fn doubles(self, request: &http::Request<Bytes>) -> bool {
        let path = request.uri().path();
        let posts = request.method() == http::Method::POST;
        match self {
            Self::PingTwice => posts && path.ends_with("/Tasks"),
            Self::RequeueTwice => posts && path.contains("/Calls/"),
            Self::CompletedTwice => posts && path.contains("/Reservations/"),
            Self::MovedTwice => {
                let body = String::from_utf8_lossy(request.body());
                posts && path.contains("/Calls/") && body.contains("%3CConference")
            }
            _ => false,
        }
    }

    /// True when our server does not receive this request of a page.
    pub(crate) fn deafens(self, path: &str) -> bool {
        match self {
            Self::MarksIgnored => path == "/v1/graceful",
            Self::HellosDropped => path == "/v1/hello",
            Self::GoodbyesDropped => path == "/v1/goodbye",
            _ => false,
        }
    }

    /// True when our server does not receive this callback.
    pub(crate) fn unheard(self, params: &[(String, String)]) -> bool {
        self == Self::LeavesUnheard
            && params.iter().any(|(key, value)| {
                key == "StatusCallbackEvent" && (value == "participant-leave" || value == "conference-end")
            })
    }
}

impl World {
    /// Removes from the store what the defect loses in a restart.
    pub(crate) fn planted_at_restart(&mut self) {
        let (jobs, timers, calls) = match self.planted {
            Some(Planted::JobsForgotten) => (true, false, false),
            Some(Planted::TimersForgotten) => (false, true, false),
            Some(Planted::CallsForgotten) => (false, false, true),
            _ => return,
        };
        if let Err(error) = self.servers.kept.lose(jobs, timers, calls) {
            self.note(self.server_lane(), None, Kind::Does, || format!("forgets nothing: {error}"));
        }
    }

    /// Replaces a request of our server, or repeats it later.
    pub(crate) fn planted_request(&mut self, request: &mut http::Request<Bytes>) {
        let path = request.uri().path();
        match self.planted {
            Some(Planted::ToAnother) if path.contains("/Calls/") => {
                let body = String::from_utf8_lossy(request.body()).into_owned();
                let Some((before, after)) = body.split_once("targetWorkerSid") else { return };
                let found = |of: usize| after.find(self.agents[of].worker.as_str()).map(|at| (at, of));
                let Some((_, of)) = (0..self.agents.len()).filter_map(found).min() else { return };
                let next = &self.agents[(of + 1) % self.agents.len()].worker;
                let after = after.replacen(self.agents[of].worker.as_str(), next.as_str(), 1);
                *request.body_mut() = Bytes::from(format!("{before}targetWorkerSid{after}"));
            }
            Some(Planted::UntoldInQueue) if path.contains("/Calls/") => {
                let body = String::from_utf8_lossy(request.body()).replace("%3Ftold%3Dfalse", "");
                *request.body_mut() = Bytes::from(body);
            }
            Some(Planted::TakenAgain)
                if path.contains("/Calls/") && request.method() == http::Method::POST =>
            {
                self.put(8_000, Coming::Again(crate::twilio::copied(request)));
            }
            _ => {}
        }
    }

    /// A page registers its call at our server.
    pub(crate) fn planted_registration(&mut self, page: PageId, reservation: &ReservationSid) {
        if self.planted != Some(Planted::Uninvited) {
            return;
        }
        let me = self.pages[page].agent;
        let request = Request::Transfer {
            worker: self.agents[me].worker.clone(),
            reservation: reservation.clone(),
            to: self.agents[(me + 1) % self.agents.len()].worker.as_str().to_owned(),
            mode: Some("WARM".into()),
            attributes: None,
        };
        self.bridge(page, request, Then::Nothing);
    }

    /// A push channel to a page is lost, which is no more than a suspicion.
    pub(crate) fn planted_suspicion(&mut self, page: PageId) {
        if self.planted != Some(Planted::RemovedOnSuspicion) {
            return;
        }
        let Some(call) = self.pages[page].flex.call.as_ref().map(|call| call.leg.clone()) else { return };
        let Some(leg) = self.twilio.model.leg(&call) else { return };
        if let LegPlace::Conference(room) = leg.place {
            let path = format!("Conferences/{room}/Participants/{call}.json");
            self.rogue(
                http::Method::DELETE,
                "api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001",
                &path,
                "",
            );
        }
    }

    /// A ping was created, so the agent was lost just now.
    pub(crate) fn planted_completion(&mut self, own: &serde_json::Value) {
        if self.planted != Some(Planted::CompletedAtOnce) {
            return;
        }
        let text = |name: &str| own[name].as_str().unwrap_or_default();
        let path = format!(
            "Tasks/{}/Reservations/{}",
            text("disconnectedTaskSid"),
            text("disconnectedReservationSid")
        );
        let workspace = "taskrouter.twilio.com/v1/Workspaces/WS00000000000000000000000000000001";
        self.rogue(http::Method::POST, workspace, &path, "ReservationStatus=completed");
    }

    /// Sends a request that our server would not make.
    fn rogue(&mut self, method: http::Method, before: &str, path: &str, body: &'static str) {
        let request = http::Request::builder().method(method).uri(format!("http://twilio/{before}/{path}"));
        let credentials = "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTowMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==";
        let request = request.header("authorization", credentials).body(Bytes::from_static(body.as_bytes()));
        if let Ok(request) = request {
            self.doubled(&request);
        }
    }

    /// The parameters of a repeated callback; without deduplication they look like those of a new one.
    pub(crate) fn planted_again(&self, params: &[(String, String)]) -> Vec<(String, String)> {
        let mut params = params.to_vec();
        if self.planted == Some(Planted::NoDedup) {
            for (_, value) in params.iter_mut().filter(|(key, _)| key == "SequenceNumber") {
                *value = (value.parse::<u64>().unwrap_or_default() + 100).to_string();
            }
        }
        params
    }
}
