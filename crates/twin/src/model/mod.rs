//! The pure model of Twilio: conferences, calls, tasks, reservations, workers. See `api.rs` for its input and output.

mod account;
mod api;
mod attributes;
mod bridge;
mod chat;
mod conference;
mod connect;
mod expression;
mod gather;
mod history;
mod hold;
mod messages;
mod outside;
mod placed;
mod plays;
mod reports;
mod requests;
mod routing;
mod set_up;
mod snapshot;
mod state;
mod stream;
mod taskrouter;
#[cfg(test)]
mod tests;
mod transfer;
mod twiml;
mod view;
mod voice;
mod watch;
mod workflow;

pub use account::*;
pub use api::*;
pub use chat::{ChatRequest, InviteRouting, NewChat, NewMessage, SyncChange, WebhookSettings};
pub(crate) use chat::{SERVICE, channels, info};
pub use expression::{Expression, lookup};
pub use reports::{Records, Reports};
pub use set_up::SetUp;
pub use twiml::TwimlError;
pub use watch::*;
pub use workflow::ModelError;

use crate::facts::Facts;
use chat::Chat;
use gather::Gathering;
use history::Happened;
use messages::Messages;
use plays::{PlayFor, Playing, Plays};
use rejoin_protocol::{
    ActivitySid, CallSid, ConferenceSid, ConversationSid, Millis, ReservationSid, TaskSid, TransferSid,
    WorkerSid, WorkflowSid,
};
use state::{Call, CallStatus, Conference, Due, Fetch, FetchFor, Reservation, Task, Transfer, Wait, Worker};
use std::collections::{BTreeMap, VecDeque};
use twiml::Link;
use workflow::Workflow;

/// Twilio, as far as it is modelled.
#[derive(Debug)]
pub struct Model {
    facts: Facts,
    account: Account,
    workflows: Vec<Workflow>,
    now: Millis,
    effects: Vec<Effect>,
    /// Form of the current reply.
    form: Form,
    next_sid: u128,
    next_id: u64,
    /// Number of stream events so far.
    streamed: u128,
    calls: BTreeMap<CallSid, Call>,
    conferences: BTreeMap<ConferenceSid, Conference>,
    tasks: BTreeMap<TaskSid, Task>,
    reservations: BTreeMap<ReservationSid, Reservation>,
    transfers: BTreeMap<TransferSid, Transfer>,
    /// Events of the log, oldest first.
    history: VecDeque<Happened>,
    workers: BTreeMap<WorkerSid, Worker>,
    timers: BTreeMap<TimerId, Due>,
    fetches: BTreeMap<FetchId, Fetch>,
    plays: Plays,
    /// Documents that legs on hold hear.
    holds: BTreeMap<CallSid, Wait>,
    /// The two ends of each call between numbers of the account.
    other_ends: BTreeMap<CallSid, CallSid>,
    /// Legs whose keys are awaited.
    gathers: BTreeMap<CallSid, Gathering>,
    /// Of legs that have not ended.
    messages: BTreeMap<CallSid, Messages>,
    chats: BTreeMap<ConversationSid, Chat>,
    chat_webhooks: WebhookSettings,
}

impl Model {
    /// A fresh account. Every new SID is `first_number` plus a counter.
    ///
    /// # Errors
    /// When a workflow's configuration cannot be parsed.
    pub fn new(facts: Facts, account: Account, first_number: u128) -> Result<Self, ModelError> {
        let workflows = account.workflows.iter().map(Workflow::new).collect::<Result<_, _>>()?;
        let offline = account.activities.iter().find(|activity| !activity.available);
        let offline = offline.map_or_else(|| ActivitySid::numbered(0), |activity| activity.sid.clone());
        let workers = account
            .workers
            .iter()
            .map(|setup| (setup.sid.clone(), Worker::new(setup, offline.clone())))
            .collect();
        Ok(Self {
            facts,
            account,
            workflows,
            now: Millis(0),
            effects: vec![],
            form: Form::Both,
            next_sid: first_number,
            next_id: 0,
            streamed: first_number,
            calls: BTreeMap::new(),
            conferences: BTreeMap::new(),
            tasks: BTreeMap::new(),
            reservations: BTreeMap::new(),
            transfers: BTreeMap::new(),
            history: VecDeque::new(),
            workers,
            timers: BTreeMap::new(),
            fetches: BTreeMap::new(),
            plays: Plays::default(),
            holds: BTreeMap::new(),
            other_ends: BTreeMap::new(),
            gathers: BTreeMap::new(),
            messages: BTreeMap::new(),
            chats: BTreeMap::new(),
            chat_webhooks: WebhookSettings::default(),
        })
    }

    /// Handles an event. `now`: point in time.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Effect> {
        self.now = self.now.max(now);
        match event {
            Event::Request { id, request, form } => {
                self.form = form;
                let result = self.request(request);
                self.effects.push(Effect::Reply { id, result });
            }
            Event::CustomerDials { call, from, native } => self.customer_dials(&call, from, native),
            Event::NumberAddresses { number, addresses } => {
                self.account.addresses.insert(number, addresses);
            }
            Event::HungUp { call } => self.hung_up(&call),
            Event::Answered { call } => self.answered(&call),
            Event::NotAnswered { call } => self.not_answered(&call, CallStatus::NoAnswer),
            Event::Busy { call } => self.not_answered(&call, CallStatus::Busy),
            Event::Pressed { call, keys } => self.pressed(&call, &keys),
            Event::MediaSilent { call, silent } => self.media_silent(&call, silent),
            Event::MediaClosed { call } => {
                if self.facts.dtls_close_ends_leg {
                    self.hung_up(&call);
                } else {
                    // No packet will come any more.
                    self.media_silent(&call, true);
                }
            }
            Event::Message { call, content, sid } => self.message_sent(&call, &content, &sid),
            Event::Signalling { call, open } => self.signalling(&call, open),
            Event::Played { play } => self.played(play),
            Event::NotPlayed { play } => self.not_played(play),
            Event::TwimlFetched { fetch, result } => self.twiml_fetched(fetch, result),
            Event::Presence { worker, open } => self.presence(&worker, open),
            Event::Assume(Assumptions {
                dead_leg_after_ms,
                dtls_close_ends_leg,
                second_agent_leg_refused,
                presence_ttl_ms,
                redirect_requests_action,
                retry_pause_ms,
                lost_message_refused,
                message_callback_is_form,
                left_chat_invites_itself,
                inactive_is_told,
                transfer_keeps_agent,
            }) => {
                let facts = &mut self.facts;
                facts.dead_leg_after = dead_leg_after_ms.map_or(facts.dead_leg_after, Millis);
                facts.dtls_close_ends_leg = dtls_close_ends_leg.unwrap_or(facts.dtls_close_ends_leg);
                facts.second_agent_leg_refused =
                    second_agent_leg_refused.unwrap_or(facts.second_agent_leg_refused);
                facts.presence_ttl = presence_ttl_ms.map_or(facts.presence_ttl, Millis);
                facts.redirect_requests_action =
                    redirect_requests_action.unwrap_or(facts.redirect_requests_action);
                facts.retry_pause = retry_pause_ms.map_or(facts.retry_pause, Millis);
                facts.lost_message_refused = lost_message_refused.unwrap_or(facts.lost_message_refused);
                facts.message_callback_is_form =
                    message_callback_is_form.unwrap_or(facts.message_callback_is_form);
                facts.left_chat_invites_itself =
                    left_chat_invites_itself.unwrap_or(facts.left_chat_invites_itself);
                facts.inactive_is_told = inactive_is_told.unwrap_or(facts.inactive_is_told);
                facts.transfer_keeps_agent = transfer_keeps_agent.unwrap_or(facts.transfer_keeps_agent);
            }
            Event::Timer(timer) => {
                if let Some(due) = self.timers.remove(&timer) {
                    self.due(due);
                }
            }
        }
        self.route();
        std::mem::take(&mut self.effects)
    }

    fn due(&mut self, due: Due) {
        match due {
            // Routing checks the time itself, after every event.
            Due::Target(_) => {}
            Due::TaskTimeout(task) => self.task_timed_out(&task),
            Due::TaskDeletion(task) => self.forget_task(&task),
            Due::Reservation(reservation) => self.reservation_timed_out(&reservation),
            Due::RingTimeout(call) => self.not_answered(&call, CallStatus::NoAnswer),
            Due::DeadLeg(call) => {
                self.log(format!("{call} has been silent for too long and is taken as gone"));
                self.hung_up(&call);
            }
            Due::TimeLimit(call) => {
                self.log(format!("{call} has reached its time limit"));
                self.hung_up(&call);
            }
            Due::Keys(call) => self.keys_are_over(&call),
            Due::Presence(worker, absence) => self.absent(&worker, absence),
        }
    }

    /// The next number, for a new SID.
    fn number(&mut self) -> u128 {
        self.next_sid += 1;
        self.next_sid
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn log(&mut self, line: impl Into<String>) {
        self.effects.push(Effect::Log(line.into()));
    }

    fn timer(&mut self, after: Millis, due: Due) {
        let timer = TimerId(self.id());
        self.timers.insert(timer, due);
        self.effects.push(Effect::SetTimer { timer, at: self.now + after });
    }

    /// A canceled timer stays with the shell, which does no harm: nothing is due then.
    fn cancel_timers(&mut self, due: &Due) {
        self.timers.retain(|_, other| other != due);
    }

    fn fetch(&mut self, of: FetchFor, link: &Link, params: Vec<(String, String)>, fallback: bool) {
        let fetch = FetchId(self.id());
        self.fetches.insert(fetch, Fetch { of, url: link.url.clone(), fallback });
        self.effects.push(Effect::FetchTwiml {
            fetch,
            url: link.url.clone(),
            method: link.method.clone(),
            params,
        });
    }

    /// `loops`: 0 means forever.
    fn play(&mut self, of: PlayFor, to: Audience, sound: Sound, loops: u32) {
        let left = loops.checked_sub(1);
        self.play_again(Playing { of, sound, left }, to);
    }

    fn play_again(&mut self, playing: Playing, to: Audience) {
        let play = PlayId(self.id());
        self.effects.push(Effect::Play { play, to, what: playing.sound.clone() });
        self.plays.insert(play, playing);
    }

    fn played(&mut self, play: PlayId) {
        // A sound that was stopped meanwhile is unknown here.
        let Some(mut playing) = self.plays.remove(play) else { return };
        let to = match &playing.of {
            PlayFor::Document(call) | PlayFor::Wait(call) => Audience::Leg(call.clone()),
            PlayFor::Announcement(conference) => self.announcement_audience(conference),
            PlayFor::Hold(call) => Audience::OnHold(call.clone()),
        };
        match playing.left {
            Some(0) => match playing.of {
                PlayFor::Document(call) => self.advance(&call),
                PlayFor::Wait(call) => self.advance_wait(&call),
                PlayFor::Announcement(conference) => self.advance_announcement(&conference),
                PlayFor::Hold(call) => self.advance_hold(&call),
            },
            left => {
                playing.left = left.map(|left| left - 1);
                self.play_again(playing, to);
            }
        }
    }

    fn not_played(&mut self, play: PlayId) {
        if let Some(playing) = self.plays.playing.get_mut(&play) {
            playing.left = Some(0);
            self.played(play);
        }
    }

    fn twiml_fetched(&mut self, fetch: FetchId, result: Result<String, String>) {
        let Some(fetch) = self.fetches.remove(&fetch) else { return };
        let result = result
            .and_then(|document| {
                twiml::parse(&document, self.facts.document_limit).map_err(|error| error.to_string())
            })
            .map(Into::into);
        match fetch.of.clone() {
            FetchFor::Document(call) => self.document_fetched(&call, &fetch, result),
            FetchFor::Wait(call) => self.wait_fetched(&call, &fetch, result),
            FetchFor::Announcement(conference) => self.announcement_fetched(&conference, &fetch, result),
            FetchFor::Hold(call) => self.hold_fetched(&call, &fetch, result),
        }
    }

    fn workflow(&self, sid: &WorkflowSid) -> Option<&Workflow> {
        self.workflows.iter().find(|workflow| workflow.sid == *sid)
    }
}

/// Why a document is not XML; `None` if it is. Verbs are checked when it is executed.
pub(crate) fn malformed_twiml(document: &str) -> Option<String> {
    twiml::parse(document, usize::MAX).err().filter(|error| error.code == 12100).map(|error| error.what)
}

/// The object with these fields added. `json!` would serialise them once more, however large they are.
fn with<const N: usize>(
    mut object: serde_json::Value,
    more: [(&str, serde_json::Value); N],
) -> serde_json::Value {
    for (name, value) in more {
        object[name] = value;
    }
    object
}

/// Serialises JSON, like `to_string` but without the detour over formatting.
pub(crate) fn text(json: &serde_json::Value) -> String {
    // Serialising to a string cannot fail.
    serde_json::to_string(json).unwrap_or_default()
}
