use crate::agent::call::Call;
use crate::agent::claims::Claims;
use crate::agent::config;
use crate::agent::ends::Ends;
use crate::agent::few::{Map, Set};
use crate::agent::leaving::Leaving;
use crate::agent::offer::Offer;
use crate::agent::outbox::Outbox;
use crate::agent::ready::Ready;
use crate::agent::recovery::Recovery;
use crate::agent::restore::Restore;
use crate::agent::role::{Poll, Role};
use crate::agent::{
    Answer, Complaint, ConferenceFacts, ConferenceOptions, Config, Delivery, Dialog, Effect, Event,
    FromDesktop, Idle, Kept, Mistake, PostError, PostId, RequestId, ReservationStatus, StoredCall, TaskFacts,
    Timer, ToDesktop,
};
use crate::value::joined;
use rejoin_protocol::api::{GracefulReason, Hello, Stage};
use rejoin_protocol::overrides::CALLBACKS_FRAGMENT;
use rejoin_protocol::{Millis, RecoveryId, ReservationSid, WorkerSid};

/// `hold` is included because a hold is the only sign that the exit flag has no effect meanwhile
/// (<https://www.twilio.com/docs/voice/twiml/conference#statuscallbackevent>).
const CONFERENCE_EVENTS: &str = "start,end,join,leave,modify,hold,announcement";

/// A page measures its servers again after this time at least, and twice this time at most.
const MEASURED_EVERY: Millis = Millis::seconds(300);

/// One page of a worker's desktop, from its load to its end.
#[derive(Clone, Debug)]
pub struct Agent {
    pub(super) config: Config,
    pub(super) epoch: u64,
    pub(super) ends: Ends,
    /// Reservations that had a call in an earlier page, by its stored records, or have one in this page.
    pub(super) stored: Set<ReservationSid>,
    /// Those of them whose agent was muted, and calls of this page whose agent is.
    pub(super) muted: Set<ReservationSid>,
    pub(super) me: Option<Me>,
    pub(super) phone_registered: bool,
    pub(super) ready: Ready,
    pub(super) restore: Restore,
    /// True while another page acts: this one reports nothing that it finds, and shows and accepts nothing unasked.
    pub(super) waits: bool,
    pub(super) calls: Map<ReservationSid, Call>,
    /// Reservations that this page found without their call, including those that are over by now.
    pub(super) found: Set<ReservationSid>,
    pub(super) recoveries: Map<RecoveryId, Recovery>,
    pub(super) offers: Map<ReservationSid, Offer>,
    /// Tasks of other agents' recoveries that the agent has a notice about.
    pub(super) noticed: Set<ReservationSid>,
    pub(super) leavings: Map<RequestId, Leaving>,
    pub(super) claims: Claims,
    pub(super) outbox: Outbox,
    /// Requests of earlier pages, until this one acts.
    pub(super) recalled: Vec<Kept>,
    /// Reservations whose calls the agent has left: in this page, or in an earlier one, by a mark that the server had
    /// not answered yet.
    pub(super) left: Set<ReservationSid>,
    pub(super) role: Role,
    pub(super) poll: Poll,
    /// Id of the last post.
    pub(super) last_post: u32,
    pub(super) hello: Talk,
    pub(super) push: Option<bool>,
    pub(super) shown: Option<Dialog>,
    pub(super) overdue_at: Option<Millis>,
    pub(super) complaints: Set<Complaint>,
    /// True when rejoining in place is enabled.
    pub(super) in_place: bool,
    /// True when the end of the page does not hang up.
    pub(super) keeps: bool,
    /// Since when an open call has been unprotected.
    pub(super) exposed_since: Option<Millis>,
    /// True when the agent was told so.
    pub(super) unprotected: bool,
    /// True when the server has said that this user may look at its console.
    pub(super) may_look: bool,
    /// The server whose console is offered to the user.
    pub(super) linked: Option<String>,
    /// True once the page has said goodbye.
    pub(super) gone: bool,
    /// True when Flex's phone is destroyed, in a page that came back from the back/forward cache.
    pub(super) phone_gone: bool,
    /// True once the agent has signed out.
    pub(super) signed_out: bool,
    /// True when the browser asks before the page is left.
    pub(super) prompts: bool,
    /// True when Flex asks by itself.
    pub(super) flex_prompts: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Me {
    pub(super) worker: WorkerSid,
    pub(super) name: String,
}

/// State of the hellos: one at a time, and not too often.
#[derive(Clone, Debug, Default)]
pub(super) struct Talk {
    pub(super) under_way: Option<(PostId, Hello)>,
    pub(super) sent: Option<Millis>,
    pub(super) failures: u32,
    /// True when another hello is needed after the one in flight.
    pub(super) again: bool,
    /// True from the acceptance of a ping until the server has heard of it.
    pub(super) accepts_ping: bool,
    /// True when the dialog has waited for the answer too long.
    pub(super) overdue: bool,
    /// True when the agent does not want to wait for the answer.
    pub(super) dismissed: bool,
}

impl Agent {
    /// A page that has just loaded. `epoch` grows with every page load of a worker; `stored` are the calls that
    /// earlier pages stored and did not remove.
    pub fn new(config: Config, epoch: u64, stored: Vec<StoredCall>) -> Self {
        let mut new = Self {
            muted: Set::default(),
            ends: Ends::new(&config.servers),
            config,
            epoch,
            stored: Set::default(),
            me: None,
            phone_registered: false,
            ready: Ready::default(),
            restore: Restore::default(),
            waits: false,
            calls: Map::default(),
            found: Set::default(),
            recoveries: Map::default(),
            offers: Map::default(),
            noticed: Set::default(),
            leavings: Map::default(),
            outbox: Outbox::default(),
            claims: Claims::default(),
            recalled: Vec::new(),
            left: Set::default(),
            role: Role::default(),
            poll: Poll::default(),
            last_post: 0,
            hello: Talk::default(),
            push: None,
            shown: None,
            overdue_at: None,
            complaints: Set::default(),
            in_place: false,
            keeps: false,
            exposed_since: None,
            unprotected: false,
            may_look: false,
            linked: None,
            gone: false,
            phone_gone: false,
            signed_out: false,
            prompts: false,
            flex_prompts: false,
        };
        new.remember(stored);
        new
    }

    /// Replaces the known stored calls by those that are stored now: another page may have written them while this one waited.
    pub fn remember(&mut self, stored: Vec<StoredCall>) {
        let muted = stored.iter().filter(|call| call.muted).map(|call| call.reservation.clone());
        self.muted = Set::of(muted);
        self.stored = Set::of(stored.into_iter().map(|call| call.reservation));
    }

    /// Reports mistakes of the configuration, and an unsupported Flex UI. To be called once, before any event.
    pub fn configured(&mut self, mistakes: Vec<Mistake>, flex_ui: &str) -> Vec<Effect> {
        let mut out = Vec::new();
        if !config::is_supported(flex_ui) {
            self.complain(Complaint::FlexUi, &mut out);
        }
        for mistake in mistakes {
            self.complain(Complaint::Configuration(mistake), &mut out);
        }
        if let Some(reason) = self.config.idle() {
            let wanted = reason == Idle::SwitchedOff;
            out.push(Effect::Desktop(ToDesktop::StandBy { reason, wanted }));
        }
        out
    }

    /// Handles an event and returns the effects, in order.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.signed_out {
            Self::let_all(&event, &mut out);
            return out;
        }
        match event {
            Event::Desktop(event) => self.desktop(now, event, &mut out),
            Event::DialogButton => self.button(&mut out),
            Event::Reply { id, result } => self.reply(now, id, result, &mut out),
            Event::Push(view) => self.pushed(now, view, &mut out),
            Event::Ask => self.say_hello(now, &mut out),
            Event::Superseded => self.superseded(&mut out),
            Event::Move => self.server_failed(now, &mut out),
            Event::Elected { taken, epoch } => self.elected(now, taken, epoch, &mut out),
            Event::Deposed => self.deposed(&mut out),
            Event::Restored { epoch, phone_gone } => self.restored(now, epoch, phone_gone, &mut out),
            Event::PushState { up } => self.push_state(now, up, &mut out),
            Event::Conversations(has) => self.set_conversations(has),
            Event::Garbled => self.complain(Complaint::Garbled, &mut out),
            Event::Timer(timer) => self.timer(now, timer, &mut out),
        }
        self.take_offers(now, &mut out);
        self.settle_in_place(now, &mut out);
        self.settle_phone(&mut out);
        self.settle_prompt(&mut out);
        self.settle_dialog(now, &mut out);
        self.settle_role(now, &mut out);
        self.settle_protection(now, &mut out);
        self.settle_link(&mut out);
        self.settle_claims(&mut out);
        self.deliver(now, &mut out);
        out
    }

    fn desktop(&mut self, now: Millis, event: FromDesktop, out: &mut Vec<Effect>) {
        match event {
            FromDesktop::Started { worker, worker_name, phone_registered, tasks, waits } => {
                self.started(now, Me { worker, name: worker_name }, phone_registered, waits, tasks, out);
            }
            FromDesktop::TaskChanged(facts) => self.task(now, facts, false, out),
            FromDesktop::ConferenceChanged(facts) => self.conference(now, facts, out),
            FromDesktop::BeforeAccept { request, task, callback } => {
                let reservation = task.reservation.clone();
                self.task(now, task, false, out);
                self.before_accept(request, &reservation, callback.as_deref(), out);
            }
            FromDesktop::BeforeLeave { request, reservation, reason } => {
                self.before_leave(now, request, reservation.as_ref(), reason, out);
            }
            FromDesktop::BeforeComplete { request, reservation } => {
                if self.blocks(&reservation) {
                    out.push(Effect::Desktop(ToDesktop::Refuse { request }));
                } else {
                    // With a call it is another way to leave it.
                    self.before_leave(now, request, Some(&reservation), GracefulReason::Complete, out);
                }
            }
            FromDesktop::PhoneChanged { registered } => self.phone_registered = registered,
            FromDesktop::MicrophoneChanged { microphone } => self.ready.microphone = microphone,
            FromDesktop::DevicesChanged { phone_tells } => self.devices_changed(now, phone_tells, out),
            FromDesktop::PhoneLooked {} => self.phone_looked(out),
            FromDesktop::Measured { took } => self.measured(now, &took, out),
            FromDesktop::SoundChanged { blocked } => self.ready.silenced = blocked,
            FromDesktop::ActivityChanged(activity) => self.activity(now, activity, out),
            FromDesktop::FlexPrompts {} => self.flex_prompts = true,
            FromDesktop::ExitFlagSettled { reservation } => self.settled(&reservation, false, out),
            FromDesktop::TaskMarked { reservation } => self.settled(&reservation, true, out),
            FromDesktop::AcceptFailed { reservation } => {
                if let Some(offer) = self.offers.get(&reservation)
                    && offer.busy
                    && offer.attempts < self.config.accept_attempts
                {
                    let at = now + self.config.first_retry;
                    out.push(Effect::SetTimer { timer: Timer::Accept(reservation), at });
                }
            }
            FromDesktop::Joined { reservation } => self.joined(&reservation, out),
            FromDesktop::JoinFailed { reservation } => self.join_failed(now, &reservation, out),
            FromDesktop::Asked { leg, question } => self.answer_question(now, &leg, question, out),
            FromDesktop::TokenChanged {} => {
                self.outbox.resume(out);
                if self.hello.failures > 0 {
                    self.say_hello(now, out);
                }
            }
            FromDesktop::Reconnected {} => {
                self.forget_sent(out);
                self.say_hello(now, out);
            }
            FromDesktop::SignedOut {} => self.sign_out(out),
            FromDesktop::PageHide { may_return } => self.page_hide(may_return, out),
        }
    }

    fn started(
        &mut self,
        now: Millis,
        me: Me,
        phone_registered: bool,
        waits: bool,
        tasks: Vec<TaskFacts>,
        out: &mut Vec<Effect>,
    ) {
        if self.me.is_some() {
            return; // a page starts once
        }
        self.me = Some(me);
        self.phone_registered = phone_registered;
        self.begin_role(waits);
        self.stored.retain(|reservation, ()| {
            let here = tasks.iter().any(|facts| facts.reservation == *reservation);
            if !here && !waits {
                out.push(Effect::Unstore { reservation: reservation.clone() });
            }
            here
        });
        for facts in tasks {
            self.task(now, facts, true, out);
        }
        if !waits {
            self.act(now, out);
        }
    }

    fn task(&mut self, now: Millis, facts: TaskFacts, at_start: bool, out: &mut Vec<Effect>) {
        let reservation = facts.reservation.clone();
        self.offered(&facts, now, out);
        if !facts.voice || !facts.in_browser() {
            return;
        }
        let status = facts.status;
        let was = self.calls.get(&reservation).map(|call| call.facts.status);
        match status {
            ReservationStatus::Over => {
                if self.calls.remove(&reservation).is_some() || self.stored.take(&reservation) {
                    out.push(Effect::Unstore { reservation });
                }
                return;
            }
            ReservationStatus::Pending | ReservationStatus::Accepted | ReservationStatus::Wrapping => {}
        }
        let call = self.calls.get_or_insert(reservation.clone(), || Call::new(facts.clone()));
        let was_stored = self.stored.contains(&reservation);
        // A wrapping reservation that this page has never seen accepted was left by an earlier page, too.
        let without_call = match status {
            ReservationStatus::Wrapping => true,
            ReservationStatus::Accepted => at_start,
            ReservationStatus::Pending | ReservationStatus::Over => false,
        };
        let newly_found = was.is_none() && without_call && !facts.live_call;
        let looked = call.looks_until(now, self.config.look_for).is_some();
        call.facts = facts;
        let takes_over = self.waits && call.facts.live_call && !call.had_call;
        call.had_call |= call.facts.live_call;
        if newly_found {
            call.found = Some(now);
            call.to_mute = self.muted.contains(&reservation);
            self.found.add(reservation.clone());
            // Flex may have set the flag of the leg that stands while the server, which clears it, is down.
            call.flagged = was_stored && !self.waits;
            if was_stored || status == ReservationStatus::Accepted {
                call.checking = Some(now);
            }
        }
        if at_start && was.is_none() && call.had_call {
            // It rang before this plugin was up: a join that another page began has come back here.
            call.found = Some(now);
            call.to_mute = self.muted.contains(&reservation);
        }
        if call.had_call {
            call.checking = None; // whatever another page left behind, the agent has the call here
        }
        let theirs = self.waits && !call.had_call;
        if was == Some(ReservationStatus::Accepted) && !call.is_accepted() && !call.is_orphan() && !theirs {
            // A living page has seen its end: the next page has nothing to look for.
            self.stored.take(&reservation);
            out.push(Effect::Unstore { reservation: reservation.clone() });
        }
        if call.is_accepted() && !call.unwatched && !call.neutralised && !call.leaving {
            call.neutralised = true;
            out.push(Effect::Desktop(ToDesktop::NeutraliseExitFlag { reservation: reservation.clone() }));
        }
        if takes_over {
            // The agent works here, so this page should be the acting one.
            out.push(Effect::TakeLock);
        }
        self.muting(&reservation, out);
        self.register(now, &reservation, out);
        if newly_found && !at_start && self.me.is_some() {
            self.say_hello(now, out);
        }
        self.looked(now, &reservation, looked, out);
    }

    fn conference(&mut self, now: Millis, facts: ConferenceFacts, out: &mut Vec<Effect>) {
        let reservation = facts.reservation.clone();
        if let Some(call) = self.calls.get_mut(&reservation) {
            let looked = call.looks_until(now, self.config.look_for).is_some();
            call.conference = Some(facts);
            if call.is_elsewhere() && !self.role.locked_out && self.stored.take(&reservation) {
                out.push(Effect::Unstore { reservation: reservation.clone() });
            }
            self.register(now, &reservation, out);
            self.looked(now, &reservation, looked, out);
        }
    }

    /// Registers a call as soon as it is complete, and again when its legs have changed.
    pub(super) fn register(&mut self, now: Millis, reservation: &ReservationSid, out: &mut Vec<Effect>) {
        let (Some(me), Some(call)) = (&self.me, self.calls.get_mut(reservation)) else { return };
        if !call.is_to_register() {
            return;
        }
        let Some((legs, registration)) = call.registration(self.epoch) else { return };
        if call.registered.as_ref() != Some(&legs) {
            call.registered = Some(legs);
            self.left.take(reservation);
            self.outbox.put(now, self.epoch, &me.worker, Delivery::Register(registration), out);
            self.store_call(reservation, out);
        }
    }

    /// Stores the call, so that the next page of this browser knows that it follows this one.
    fn store_call(&mut self, reservation: &ReservationSid, out: &mut Vec<Effect>) {
        self.stored.add(reservation.clone());
        let muted = self.muted.contains(reservation);
        out.push(Effect::Store(StoredCall { reservation: reservation.clone(), muted }));
    }

    fn before_accept(
        &mut self,
        request: RequestId,
        reservation: &ReservationSid,
        callback: Option<&str>,
        out: &mut Vec<Effect>,
    ) {
        let ours = self.config.conference_callback();
        let Some(call) = self.calls.get_mut(reservation) else {
            out.push(Effect::Desktop(ToDesktop::Let { request })); // no call, or on another phone
            return;
        };
        if !callback.is_none_or(|url| url.is_empty() || self.config.is_callback(url)) {
            call.unwatched = true;
            out.push(Effect::Desktop(ToDesktop::Let { request }));
            self.complain(Complaint::ForeignCallback, out);
            return;
        }
        if !call.neutralised {
            call.neutralised = true;
            let reservation = reservation.clone();
            out.push(Effect::Desktop(ToDesktop::NeutraliseExitFlag { reservation }));
        }
        // Before the call is up: by then this page may be gone.
        self.store_call(reservation, out);
        // Twilio signs it, so the server need not ask whose call this is.
        let of =
            |me: &Me| joined(&[&ours, "?worker=", me.worker.as_str(), "&reservation=", reservation.as_str()]);
        let mut url = self.me.as_ref().map_or_else(|| ours.clone(), of);
        if self.config.retry_callbacks {
            url.push_str(CALLBACKS_FRAGMENT);
        }
        let options = ConferenceOptions {
            conference_status_callback: url,
            conference_status_callback_method: "POST",
            conference_status_callback_event: CONFERENCE_EVENTS,
            end_conference_on_exit: false,
        };
        out.push(Effect::Desktop(ToDesktop::AttachConferenceOptions { request, options }));
    }

    fn reply(&mut self, now: Millis, id: PostId, result: Result<Answer, PostError>, out: &mut Vec<Effect>) {
        let refused = matches!(result, Err(PostError::Status(500..)));
        let mut failed = matches!(result, Err(PostError::Unreachable));
        if let Some((_, hello)) = self.hello.under_way.take_if(|(under_way, _)| *under_way == id) {
            self.hello_reply(now, &hello, result, out);
            failed |= refused;
        } else if let Some(kept) = self.outbox.under_way(id).cloned() {
            self.delivered(now, &kept, result, out);
            if refused && self.config.servers.len() > 1 {
                // Every server refuses what concerns a call that is held back: a hello shows whether this one works.
                return self.say_hello(now, out);
            }
        } else if !self.claimed(now, id, &result, out) {
            return; // of a request that was given up, possibly at another server
        }
        if failed {
            self.server_failed(now, out);
        } else {
            self.ends.answered();
        }
    }

    fn delivered(
        &mut self,
        now: Millis,
        kept: &Kept,
        result: Result<Answer, PostError>,
        out: &mut Vec<Effect>,
    ) {
        match (result, &kept.delivery) {
            (Ok(_), Delivery::Register(registration)) => {
                self.outbox.done(kept.id, out);
                let reservation = &registration.reservation;
                // A registration of an earlier page is not about this page's call.
                if let Some(call) = self.calls.get_mut(reservation).filter(|_| kept.id.epoch == self.epoch)
                    && call.is_accepted()
                    && !call.leaving
                {
                    call.known = true;
                    // Joined in place, and the server has accepted the registration: the agent is back, even if the
                    // server cannot say so.
                    let joins = |r: &&mut Recovery| {
                        r.view.stage == Stage::InPlace && r.view.reservation == *reservation
                    };
                    if call.is_on()
                        && let Some(recovery) = self.recoveries.values_mut().find(joins)
                    {
                        recovery.view.stage = Stage::Rejoined;
                    }
                }
                if self.push == Some(false) {
                    self.say_hello(now, out); // with the push channel down nothing else reports soon whether this ended a recovery
                }
            }
            (Ok(_), Delivery::Graceful(_)) => {
                self.outbox.done(kept.id, out);
                self.marked(kept.id, out);
            }
            (Err(error), _) if error.is_passing() => {
                let refused = error == PostError::Status(401);
                self.outbox.postpone(&self.config, now, refused, out);
                // The marks behind it wait as well, and leaving waits for none of them.
                self.leave_unmarked(out);
            }
            (Err(error), _) => {
                self.outbox.done(kept.id, out);
                if let PostError::Status(status) = error {
                    self.complain(Complaint::Refused { status }, out);
                }
                self.marked(kept.id, out);
            }
        }
    }

    /// The server in use has failed, or sends its pages away.
    pub(super) fn server_failed(&mut self, now: Millis, out: &mut Vec<Effect>) {
        let server = self.ends.failed(now).map(str::to_owned);
        self.use_server(now, server, out);
    }

    /// Measures all servers, if there are several, and again between five and ten minutes later.
    pub(super) fn measure(&mut self, now: Millis, out: &mut Vec<Effect>) {
        if self.config.servers.len() > 1 {
            let servers = self.config.servers.clone();
            out.push(Effect::Desktop(ToDesktop::Measure { servers }));
            // Pages differ in their epochs.
            let at = now + MEASURED_EVERY + Millis(self.epoch % MEASURED_EVERY.0);
            out.push(Effect::SetTimer { timer: Timer::Server, at });
        }
    }

    /// How fast the servers answer. A page with a call moves only if its own server does not answer at all.
    fn measured(&mut self, now: Millis, took: &[Option<Millis>], out: &mut Vec<Effect>) {
        let (works, busy) = (self.push == Some(true), self.is_busy());
        let server = self.ends.measured(now, took, works, busy).map(str::to_owned);
        self.use_server(now, server, out);
    }

    /// Moves to another server. What is in flight is sent again there: each request has an id, by which servers deduplicate.
    fn use_server(&mut self, now: Millis, server: Option<String>, out: &mut Vec<Effect>) {
        let Some(server) = server else { return };
        self.config.server.clone_from(&server);
        out.push(Effect::UseServer { server });
        self.push = self.push.map(|_| false);
        self.forget_sent(out);
        self.say_hello(now, out);
    }

    /// Offers the console of the server in use. Who may look is the server's decision, which its own page makes again.
    fn settle_link(&mut self, out: &mut Vec<Effect>) {
        let offered = self.may_look && self.config.console_link;
        let server = offered.then(|| self.config.server.clone());
        if server != self.linked {
            self.linked.clone_from(&server);
            out.push(Effect::Desktop(ToDesktop::LinkConsole { server }));
        }
    }

    /// Sends pending requests.
    fn deliver(&mut self, now: Millis, out: &mut Vec<Effect>) {
        let Some(me) = &self.me else { return };
        let (calls, left, epoch, config) = (&self.calls, &self.left, self.epoch, &self.config);
        let wanted = |kept: &Kept, age: Millis| match &kept.delivery {
            Delivery::Graceful(_) => age < config.keep_marks_for,
            Delivery::Register(registration) => {
                let mine = kept.id.epoch == epoch;
                let reservation = &registration.reservation;
                let Some(call) = calls.get(reservation) else {
                    // The reservation is over. An agent who joined in place may have completed the task during the
                    // call without leaving.
                    return age < config.keep_for && !(mine && left.contains(reservation));
                };
                let known = call.registered.as_ref();
                let newest = match mine {
                    true => known.is_some_and(|legs| legs.own == registration.worker_leg),
                    false => known.is_none(),
                };
                // The server may never have heard of a call that an earlier page has lost.
                (call.is_on() || call.is_orphan()) && newest
            }
        };
        self.outbox.pump(now, &mut self.last_post, &me.name, wanted, out);
    }

    /// Leaves nothing of this worker for the next one who signs in; Flex's requests are let through as without the plugin.
    fn sign_out(&mut self, out: &mut Vec<Effect>) {
        let timers = [
            Timer::Hello,
            Timer::Overdue,
            Timer::Outbox,
            Timer::Poll,
            Timer::Server,
            Timer::Microphone,
            Timer::Devices,
        ]
        .into_iter();
        let joins = self.calls.values().map(|call| Timer::Join(call.facts.reservation.clone()));
        let accepts = self.offers.iter_mut().map(|(reservation, _)| Timer::Accept(reservation.clone()));
        let ends = self.recoveries.iter_mut().map(|(id, _)| Timer::Rejoined(id.clone()));
        let leaves = self.leavings.iter_mut().map(|(request, _)| Timer::Leave(*request));
        let stays = self.calls.values().map(|call| Timer::Stay(call.facts.reservation.clone()));
        let timers = timers.chain(joins).chain(accepts).chain(ends).chain(leaves).chain(stays);
        out.extend(timers.map(|timer| Effect::ClearTimer { timer }));
        for (request, _) in self.leavings.iter_mut() {
            out.push(Effect::Desktop(ToDesktop::Let { request: *request }));
        }
        for (reservation, ()) in self.stored.iter_mut() {
            out.push(Effect::Unstore { reservation: reservation.clone() });
        }
        out.extend([Effect::ClosePush, Effect::UnkeepAll, Effect::StoreActivity(None)]);
        if self.shown.is_some() {
            out.push(Effect::Dialog(None));
        }
        if self.keeps {
            out.push(Effect::Desktop(ToDesktop::KeepLegs { keep: false }));
        }
        if self.prompts {
            out.push(Effect::Desktop(ToDesktop::PromptOnLeave { on: false }));
        }
        self.may_look = false;
        self.settle_link(out);
        *self = Self { signed_out: true, ..Self::new(self.config.clone(), self.epoch, Vec::new()) };
    }

    /// Handles an event after the agent has signed out.
    fn let_all(event: &Event, out: &mut Vec<Effect>) {
        if let Event::Desktop(
            FromDesktop::BeforeAccept { request, .. }
            | FromDesktop::BeforeLeave { request, .. }
            | FromDesktop::BeforeComplete { request, .. },
        ) = event
        {
            out.push(Effect::Desktop(ToDesktop::Let { request: *request }));
        }
    }

    fn timer(&mut self, now: Millis, timer: Timer, out: &mut Vec<Effect>) {
        match timer {
            Timer::Hello => self.say_hello(now, out),
            Timer::Overdue => self.overdue(now, out),
            Timer::Exposed => self.exposed_for_long(out),
            Timer::Leave(request) => self.leave_no_later(request, out),
            Timer::Stay(reservation) => self.resume_if_stayed(now, &reservation, out),
            Timer::Outbox => self.outbox.resume(out),
            Timer::Poll => self.poll_now(now, out),
            Timer::Server => self.measure(now, out),
            Timer::Accept(reservation) => {
                if let Some(offer) = self.offers.get_mut(&reservation) {
                    offer.busy = false;
                }
            }
            Timer::Join(reservation) => self.join_failed(now, &reservation, out),
            Timer::Microphone => self.waited_for_microphone(),
            Timer::Devices => self.phone_looked(out),
            Timer::Rejoined(id) => {
                if let Some(recovery) = self.recoveries.get_mut(&id) {
                    recovery.done = true;
                }
            }
        }
    }

    /// Logs each complaint once for each page. `problems` lists what was logged, which may be over by then.
    pub(super) fn complain(&mut self, notice: Complaint, out: &mut Vec<Effect>) {
        if self.complaints.add(notice.clone()) {
            out.push(Effect::Desktop(ToDesktop::Log { notice }));
        }
    }
}
