use crate::agent::call::Call;
use crate::agent::few::{Map, Set};
use crate::agent::leaving::Leaving;
use crate::agent::offer::Offer;
use crate::agent::posts::Posts;
use crate::agent::recovery::Recovery;
use crate::agent::{
    Answer, Complaint, ConferenceFacts, ConferenceOptions, Config, Dialog, Effect, Event, FromDesktop, Idle,
    Mark, Mistake, PostError, PostId, Request, RequestId, ReservationStatus, TaskFacts, Timer, ToDesktop,
};
use rejoin_protocol::{Millis, RecoveryId, ReservationSid, WorkerSid};

/// `hold` is in the list because a hold is the only sign that the exit flag has lost its effect meanwhile
/// (<https://www.twilio.com/docs/voice/twiml/conference#statuscallbackevent>).
const CONFERENCE_EVENTS: &str = "start,end,join,leave,modify,hold,announcement";

/// One desktop of one worker, from page load to page end.
#[derive(Clone, Debug)]
pub struct Agent {
    pub(super) config: Config,
    pub(super) epoch: u64,
    /// Reservations that had a call when an earlier page was last heard of.
    pub(super) marks: Set<ReservationSid>,
    /// Those of them whose agent was muted, and calls of this page whose agent is.
    pub(super) muted: Set<ReservationSid>,
    pub(super) me: Option<Me>,
    pub(super) phone_registered: bool,
    /// Another page acts: this one says nothing of what it finds, and shows and accepts nothing unasked.
    pub(super) waits: bool,
    pub(super) calls: Map<ReservationSid, Call>,
    /// Reservations that this page found without their call, also those that are over by now.
    pub(super) found: Set<ReservationSid>,
    pub(super) recoveries: Map<RecoveryId, Recovery>,
    pub(super) offers: Map<ReservationSid, Offer>,
    /// Tasks of other agents' recoveries that the agent was told about.
    pub(super) noticed: Set<ReservationSid>,
    pub(super) leavings: Map<RequestId, Leaving>,
    pub(super) posts: Posts,
    pub(super) hello: Talk,
    pub(super) push: Option<bool>,
    pub(super) shown: Option<Dialog>,
    pub(super) overdue_at: Option<Millis>,
    pub(super) complaints: Set<Complaint>,
    /// Rejoining in place is wanted.
    pub(super) in_place: bool,
    /// The end of the page was told not to hang up.
    pub(super) keeps: bool,
    /// The page has said goodbye.
    pub(super) gone: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Me {
    pub(super) worker: WorkerSid,
    pub(super) name: String,
}

/// Hellos: one at a time, not too often.
#[derive(Clone, Debug, Default)]
pub(super) struct Talk {
    pub(super) under_way: Option<PostId>,
    pub(super) sent: Option<Millis>,
    pub(super) failures: u32,
    /// Something came up while one was under way.
    pub(super) again: bool,
    /// The dialog has waited for the answer too long.
    pub(super) overdue: bool,
    /// The agent does not want to wait for the answer.
    pub(super) dismissed: bool,
}

impl Agent {
    /// A page that has just loaded. `epoch` grows with every page load of a worker; `marks` are the reservations
    /// that earlier pages stored and did not take back.
    pub fn new(config: Config, epoch: u64, marks: Vec<Mark>) -> Self {
        let mut new = Self {
            muted: Set::default(),
            config,
            epoch,
            marks: Set::default(),
            me: None,
            phone_registered: false,
            waits: false,
            calls: Map::default(),
            found: Set::default(),
            recoveries: Map::default(),
            offers: Map::default(),
            noticed: Set::default(),
            leavings: Map::default(),
            posts: Posts::default(),
            hello: Talk::default(),
            push: None,
            shown: None,
            overdue_at: None,
            complaints: Set::default(),
            in_place: false,
            keeps: false,
            gone: false,
        };
        new.remember(marks);
        new
    }

    /// The marks as they are stored now: while this page waited, another one wrote them.
    pub fn remember(&mut self, marks: Vec<Mark>) {
        let muted = marks.iter().filter(|mark| mark.muted).map(|mark| mark.reservation.clone());
        self.muted = Set::of(muted);
        self.marks = Set::of(marks.into_iter().map(|mark| mark.reservation));
    }

    /// Tells what is wrong with the configuration. To be called once, before any event.
    pub fn configured(&mut self, mistakes: Vec<Mistake>) -> Vec<Effect> {
        let mut out = Vec::new();
        for mistake in mistakes {
            self.complain(Complaint::Configuration(mistake), &mut out);
        }
        if let Some(reason) = self.config.idle() {
            let wanted = reason == Idle::SwitchedOff;
            out.push(Effect::Desktop(ToDesktop::StandBy { reason, wanted }));
        }
        out
    }

    /// Takes what happened and gives back what is to be done, in this order.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        match event {
            Event::Desktop(event) => self.desktop(now, event, &mut out),
            Event::Reply { id, result } => self.reply(now, id, result, &mut out),
            Event::Push(view) => self.view(now, view),
            Event::PushState { up } => self.push_state(now, up, &mut out),
            Event::Timer(timer) => self.timer(now, timer, &mut out),
        }
        self.take_offers(now, &mut out);
        self.settle_in_place(now, &mut out);
        self.settle_dialog(now, &mut out);
        out
    }

    fn desktop(&mut self, now: Millis, event: FromDesktop, out: &mut Vec<Effect>) {
        match event {
            FromDesktop::Started { worker, worker_name, phone_registered, tasks, waits } => {
                self.started(now, Me { worker, name: worker_name }, phone_registered, waits, tasks, out);
            }
            FromDesktop::Elected {} => self.elected(now, out),
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
                let answer = if self.blocks(&reservation) {
                    ToDesktop::Refuse { request }
                } else {
                    ToDesktop::Let { request }
                };
                out.push(Effect::Desktop(answer));
            }
            FromDesktop::PhoneChanged { registered } => self.phone_registered = registered,
            FromDesktop::ExitFlagSettled { reservation } => self.flag_settled(&reservation, out),
            FromDesktop::AcceptFailed { reservation } => {
                if let Some(offer) = self.offers.get(&reservation)
                    && offer.attempts < self.config.accept_attempts
                {
                    let at = now + self.config.first_retry;
                    out.push(Effect::SetTimer { timer: Timer::Accept(reservation), at });
                }
            }
            FromDesktop::Joined { reservation } => self.joined(&reservation, out),
            FromDesktop::JoinFailed { reservation } => self.join_failed(now, &reservation, out),
            FromDesktop::PageHide {} => self.page_hide(out),
            FromDesktop::DialogButton {} => self.button(),
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
        self.waits = waits;
        self.marks.retain(|reservation, ()| {
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

    fn act(&mut self, now: Millis, out: &mut Vec<Effect>) {
        out.push(Effect::OpenPush);
        self.say_hello(now, out);
    }

    /// What the page that acted has left is found now.
    fn elected(&mut self, now: Millis, out: &mut Vec<Effect>) {
        if !std::mem::take(&mut self.waits) {
            return;
        }
        for (reservation, call) in self.calls.iter_mut() {
            if !call.had_call && call.facts.status != ReservationStatus::Pending {
                call.found = Some(now);
                let was_call = call.is_accepted() || self.marks.contains(reservation);
                call.checking = was_call.then_some(now);
                call.to_mute = self.muted.contains(reservation);
                self.found.add(reservation.clone());
            }
        }
        // The server is to hear first, from that page or from its channel, that it is gone.
        self.hello.sent = Some(now);
        self.act(now, out);
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
                if self.calls.remove(&reservation).is_some() || self.marks.take(&reservation) {
                    out.push(Effect::Unstore { reservation });
                }
                return;
            }
            ReservationStatus::Pending | ReservationStatus::Accepted | ReservationStatus::Wrapping => {}
        }
        let call = self.calls.get_or_insert(reservation.clone(), || Call::new(facts.clone()));
        let had_mark = self.marks.contains(&reservation);
        // A wrapping reservation that this page has never seen accepted was left by an earlier page, too.
        let without_call = match status {
            ReservationStatus::Wrapping => true,
            ReservationStatus::Accepted => at_start,
            ReservationStatus::Pending | ReservationStatus::Over => false,
        };
        let newly_found = was.is_none() && without_call && !facts.live_call;
        let looked = call.looks_until(now, self.config.look_for).is_some();
        call.facts = facts;
        call.had_call |= call.facts.live_call;
        if newly_found {
            call.found = Some(now);
            call.to_mute = self.muted.contains(&reservation);
            self.found.add(reservation.clone());
            if had_mark || status == ReservationStatus::Accepted {
                call.checking = Some(now);
            }
        }
        let theirs = self.waits && !call.had_call;
        if was == Some(ReservationStatus::Accepted) && !call.is_accepted() && !call.is_orphan() && !theirs {
            // Seen by a living page: the next page has nothing to look for.
            self.marks.take(&reservation);
            out.push(Effect::Unstore { reservation: reservation.clone() });
        }
        if call.is_accepted() && !call.unwatched && !call.neutralised && !call.leaving {
            call.neutralised = true;
            out.push(Effect::Desktop(ToDesktop::NeutraliseExitFlag { reservation: reservation.clone() }));
        }
        self.muting(&reservation, out);
        self.register(&reservation, out);
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
            self.register(&reservation, out);
            self.looked(now, &reservation, looked, out);
        }
    }

    /// Tells the server of a call as soon as everything about it is known, and again when its legs have changed.
    pub(super) fn register(&mut self, reservation: &ReservationSid, out: &mut Vec<Effect>) {
        let (Some(me), Some(call)) = (&self.me, self.calls.get_mut(reservation)) else { return };
        let theirs = self.waits && !call.facts.live_call;
        if !call.is_accepted() || call.unwatched || call.leaving || theirs {
            return;
        }
        let Some((legs, registration)) = call.registration(self.epoch, &me.name) else { return };
        if call.registered.as_ref() != Some(&legs) {
            call.registered = Some(legs);
            self.posts.send(Request::Register(registration), out);
        }
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
        if !callback.is_none_or(|url| url.is_empty() || url == ours) {
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
        let options = ConferenceOptions {
            conference_status_callback: ours,
            conference_status_callback_method: "POST",
            conference_status_callback_event: CONFERENCE_EVENTS,
            end_conference_on_exit: false,
        };
        out.push(Effect::Desktop(ToDesktop::AttachConferenceOptions { request, options }));
    }

    fn reply(&mut self, now: Millis, id: PostId, result: Result<Answer, PostError>, out: &mut Vec<Effect>) {
        let Some(request) = self.posts.request(id).cloned() else { return };
        match request {
            Request::Hello(hello) => self.hello_reply(now, id, &hello, result, out),
            Request::Register(registration) => match result {
                Ok(_) => {
                    self.posts.finish(id);
                    let reservation = registration.reservation;
                    if let Some(call) = self.calls.get_mut(&reservation)
                        && call.is_accepted()
                        && !call.leaving
                    {
                        call.known = true;
                        self.marks.add(reservation.clone());
                        let muted = self.muted.contains(&reservation);
                        out.push(Effect::Store(Mark { reservation, muted }));
                    }
                }
                Err(error) => self.retry_or_drop(now, id, error, out),
            },
            Request::Graceful(_) => {
                match result {
                    Ok(_) => {
                        self.posts.finish(id);
                    }
                    Err(error) => self.retry_or_drop(now, id, error, out),
                }
                self.marked(id, out);
            }
        }
    }

    fn retry_or_drop(&mut self, now: Millis, id: PostId, error: PostError, out: &mut Vec<Effect>) {
        match error {
            error if error.is_passing() => self.posts.postpone(&self.config, now, id, out),
            PostError::Status(status) => {
                self.posts.finish(id);
                self.complain(Complaint::Refused { status }, out);
            }
            PostError::Unreachable => {}
        }
    }

    fn timer(&mut self, now: Millis, timer: Timer, out: &mut Vec<Effect>) {
        match timer {
            Timer::Hello => self.say_hello(now, out),
            Timer::Overdue => self.overdue(now, out),
            Timer::Leave(request) => self.leave_no_later(request, out),
            Timer::Retry(id) => {
                let wanted = match self.posts.request(id) {
                    Some(Request::Register(registration)) => {
                        self.calls.get(&registration.reservation).is_some_and(|call| {
                            call.is_accepted()
                                && call
                                    .registered
                                    .as_ref()
                                    .is_some_and(|legs| legs.own == registration.worker_leg)
                        })
                    }
                    // The server forgets a call two minutes after its end; by then the last attempt is long past.
                    Some(Request::Graceful(mark)) => self.calls.contains(&mark.reservation),
                    Some(Request::Hello(_)) | None => false,
                };
                if wanted {
                    self.posts.again(id, out);
                } else {
                    self.posts.finish(id);
                }
            }
            Timer::Accept(reservation) => {
                if let Some(offer) = self.offers.get_mut(&reservation) {
                    offer.busy = false;
                }
            }
            Timer::Join(reservation) => self.join_failed(now, &reservation, out),
            Timer::Rejoined(id) => {
                if let Some(recovery) = self.recoveries.get_mut(&id) {
                    recovery.done = true;
                }
            }
        }
    }

    /// Once is enough: what is wrong stays wrong until somebody changes the configuration.
    pub(super) fn complain(&mut self, notice: Complaint, out: &mut Vec<Effect>) {
        if self.complaints.add(notice.clone()) {
            out.push(Effect::Desktop(ToDesktop::Log { notice }));
        }
    }
}
