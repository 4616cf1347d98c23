//! Carries out the core's effects as its shell in the browser does (`src/shell`, `js-shim`).

use super::{PageId, Then};
use crate::browser::{text, value};
use crate::coming::Coming;
use crate::coverage::Sign;
use crate::desk::After;
use crate::net::Way;
use crate::plan::FaultKind;
use crate::planted::Planted;
use crate::timeline::Kind;
use crate::world::World;
use rejoin_plugin::agent::{
    Answer, Delivery, Dialog, Effect, Event, FromDesktop, PostError, PostId, Request, ToDesktop,
};
use rejoin_plugin::boundary::{from_server, outgoing};
use rejoin_protocol::api::Beacon;
use rejoin_twin::model::{ParticipantChange, Request as Twilio};

/// Timeout of a request (milliseconds).
const LIMIT: u64 = 10_000;

impl World {
    pub(super) fn perform(&mut self, page: PageId, effect: Effect) {
        let browser = self.pages[page].browser;
        match effect {
            Effect::Desktop(effect) => self.in_flex(page, effect),
            Effect::Dialog(dialog) => self.show(page, dialog),
            Effect::Post { id, request } => self.post(page, id, &request),
            Effect::OpenPush { epoch } => self.open_push(page, epoch),
            Effect::ClosePush => self.close_push(page),
            Effect::SetTimer { timer, at } => {
                let wait = self.page_clock(page).until(at);
                let it = &mut self.pages[page];
                it.timer_numbers += 1;
                let number = it.timer_numbers;
                it.timers.insert(timer.clone(), number);
                self.put(wait.0, Coming::CoreTimer(page, timer, number));
            }
            Effect::ClearTimer { timer } => _ = self.pages[page].timers.remove(&timer),
            Effect::Beacon { marks, goodbye, gone } => {
                let says_goodbye = goodbye.is_some();
                let beacon = Beacon { token: self.token(page), marks, goodbye, gone };
                let body = text(&outgoing::beacon(&beacon));
                let token = beacon.token;
                let mut chance = self.chance(Way::Post, page);
                let after = Self::latency(&mut chance);
                let lost = self.goes_wrong(&mut chance, FaultKind::RequestLost) || self.pages[page].offline;
                let way = (self.lane(page), Some(self.server_lane()));
                self.message_noted(way, Kind::Request, lost, || format!("beacon {body}"));
                if !lost {
                    if !beacon.marks.is_empty() {
                        self.coverage.sign(Sign::MarkInLastWords);
                    }
                    self.pages[page].said_goodbye |= says_goodbye;
                    self.put(after, Coming::Post { page: None, path: "/v1/goodbye", token, body });
                }
            }
            Effect::Keep(kept) => {
                if let Delivery::Graceful(mark) = &kept.delivery {
                    self.rules.mark_made(kept.id, mark);
                }
                self.browsers[browser].keep(&kept);
            }
            Effect::Unkeep(id) => self.browsers[browser].unkeep(id),
            Effect::UnkeepAll => self.browsers[browser].unkeep_all(),
            Effect::TakeLock => self.take_lock(page),
            Effect::Role { .. } => {}
            Effect::Store(mark) => self.browsers[browser].store(&mark),
            Effect::Unstore { reservation } => self.browsers[browser].unstore(&reservation),
            Effect::StoreActivity(activity) => self.browsers[browser].store_activity(activity),
            // No page of this world returns from the back/forward cache.
            Effect::TryMicrophone | Effect::Reload => {}
            // Its pages have one address, behind which there are the servers.
            Effect::UseServer { .. } => {}
        }
    }

    fn show(&mut self, page: PageId, dialog: Option<Dialog>) {
        self.note(self.lane(page), None, Kind::Does, || match &dialog {
            // Readers cannot use the deadline: it is in milliseconds since 1970.
            Some(dialog) => {
                let told = format!("{dialog:?}");
                format!("shows the dialog {}", told.split(" { until").next().unwrap_or_default())
            }
            None => "shows no dialog".into(),
        });
        match dialog {
            Some(Dialog::Slow) => self.coverage.sign(Sign::SaysSlow),
            Some(Dialog::Unreachable) => self.coverage.sign(Sign::SaysUnreachable),
            _ => {}
        }
        let button = matches!(
            dialog,
            Some(
                Dialog::Unreachable
                    | Dialog::Slow
                    | Dialog::WaitingForOther
                    | Dialog::TooOften
                    | Dialog::HandedOver { .. }
                    | Dialog::CustomerLeft
                    | Dialog::Failed { .. }
                    | Dialog::NeedsClick
            )
        );
        self.pages[page].dialog = dialog;
        self.pages[page].dialog_since = self.now;
        self.check_dialog(page);
        if button {
            self.put(1_500, Coming::Presses(page));
        }
    }

    /// A timer of the core is due, unless it was set again or cleared.
    pub(crate) fn core_timer(&mut self, page: PageId, timer: rejoin_plugin::agent::Timer, number: u64) {
        if self.pages[page].timers.get(&timer) != Some(&number) || !self.pages[page].alive {
            return;
        }
        if self.pages[page].asleep {
            return self.pages[page].late.push(Coming::CoreTimer(page, timer, number));
        }
        self.pages[page].timers.remove(&timer);
        self.handle(page, Event::Timer(timer));
        self.look(page);
    }

    fn post(&mut self, page: PageId, id: PostId, request: &Request) {
        let (path, body) = match request {
            Request::Hello(hello) => ("/v1/hello", text(&outgoing::hello(hello))),
            Request::Register(registration) => ("/v1/calls", text(&outgoing::registration(registration))),
            Request::Graceful(mark) => ("/v1/graceful", text(&outgoing::mark(mark))),
            Request::Claim(claim) => ("/v1/conversations", text(&outgoing::claim(claim))),
        };
        if let Request::Graceful(mark) = request {
            self.rules.mark_sent(page, id, mark);
        }
        if let Request::Register(registration) = request {
            self.planted_registration(page, &registration.reservation);
        }
        self.pages[page].posts.insert(id);
        let token = self.token(page);
        let mut chance = self.chance(Way::Post, page);
        let mut after = Self::latency(&mut chance);
        if self.goes_wrong(&mut chance, FaultKind::RequestLate) {
            after += chance.between(500, 8_000);
        }
        let lost = self.goes_wrong(&mut chance, FaultKind::RequestLost) || self.pages[page].offline;
        let way = (self.lane(page), Some(self.server_lane()));
        self.message_noted(way, Kind::Request, lost, || format!("POST {path} {body}"));
        if !lost {
            self.put(after, Coming::Post { page: Some((page, id)), path, token, body });
        }
        self.put(LIMIT, Coming::Posted(page, id, Err(PostError::Unreachable)));
    }

    /// A request of this page has ended, unless it had ended before.
    pub(crate) fn posted(&mut self, page: PageId, id: PostId, result: Result<String, PostError>) {
        if self.arrives(page, Coming::Posted(page, id, result.clone())).is_none() {
            return;
        }
        if !self.pages[page].posts.remove(&id) {
            return;
        }
        if matches!(result, Err(PostError::Unreachable | PostError::Status(500..))) {
            self.coverage.sign(Sign::NoAnswer);
        }
        let is_hello = result.as_ref().is_ok_and(|body| !body.is_empty());
        let result = result.and_then(|body| match is_hello {
            true => value(&body)
                .and_then(|said| from_server::hello_reply(said).ok())
                .map(Answer::Hello)
                .ok_or(PostError::Unreachable),
            false => Ok(Answer::Accepted),
        });
        self.handle(page, Event::Reply { id, result });
        self.look(page);
    }

    fn in_flex(&mut self, page: PageId, effect: ToDesktop) {
        match effect {
            ToDesktop::AttachConferenceOptions { request, options } => {
                self.answered(page, request, true, Some(&options));
            }
            ToDesktop::Let { request } => self.answered(page, request, true, None),
            ToDesktop::Refuse { request } => self.answered(page, request, false, None),
            ToDesktop::Accept { .. } | ToDesktop::AcceptPing { .. }
                if self.planted == Some(Planted::OffersIgnored) => {}
            ToDesktop::Accept { reservation } => self.accept(page, &reservation, true),
            ToDesktop::AcceptPing { reservation } => {
                let request = Twilio::UpdateReservation {
                    reservation: reservation.clone(),
                    status: Some("accepted".into()),
                    instruction: None,
                };
                self.bridge(page, request, Then::Accepted(reservation));
            }
            ToDesktop::NeutraliseExitFlag { reservation } => {
                if self.pages[page].flex.tasks.contains_key(&reservation) {
                    self.pages[page].neutral.insert(reservation);
                }
            }
            ToDesktop::ReleaseExitFlag { reservation } => _ = self.pages[page].neutral.remove(&reservation),
            ToDesktop::SetExitFlag { reservation, value } => {
                self.set_flag(page, &reservation, value, Then::Flagged(reservation.clone()));
            }
            ToDesktop::MarkTask { reservation, mark } => {
                let mark = mark.map(|mark| text(&outgoing::mark(&mark)));
                let mark = mark.and_then(|mark| serde_json::from_str(&mark).ok()).unwrap_or_default();
                self.mark_task(page, reservation, mark);
            }
            ToDesktop::KeepLegs { keep } => self.pages[page].keeps = keep,
            ToDesktop::JoinCall { reservation } => self.join_call(page, reservation),
            ToDesktop::ClearExitFlag { reservation, leg } => {
                let flex = &self.pages[page].flex;
                let task = flex.tasks.get(&reservation).map(|held| held.task.clone());
                let room = task.as_ref().and_then(|task| flex.rooms.get(task));
                let mut legs = room.into_iter().flat_map(|room| &room.legs);
                let found = legs.find(|known| known.call.as_deref() == Some(leg.as_str()));
                if let (Some(task), Some(found)) = (task, found.map(|leg| leg.participant.clone())) {
                    self.flag_of_participant(page, &task, &found, false, Then::Nothing);
                }
            }
            ToDesktop::AnswerMessage { leg, question } => self.answers_message(page, leg, &question),
            ToDesktop::Mute {} => {
                if let Some(call) = &mut self.pages[page].flex.call {
                    call.muted = true;
                }
            }
            ToDesktop::SetActivity { activity } => {
                let worker = self.agents[self.pages[page].agent].worker.clone();
                self.set_activity(page, worker, activity);
            }
            ToDesktop::Select { .. }
            | ToDesktop::Measure { .. }
            | ToDesktop::PlaySound {}
            | ToDesktop::PromptOnLeave { .. }
            | ToDesktop::Notify { .. }
            | ToDesktop::TellUnprotected { .. }
            | ToDesktop::LinkConsole { .. }
            | ToDesktop::StandBy { .. }
            | ToDesktop::Log { .. } => {}
        }
    }

    /// `reservation.updateParticipant`, wrapped as long as the flag is neutralised.
    pub(crate) fn set_flag(
        &mut self,
        page: PageId,
        reservation: &rejoin_protocol::ReservationSid,
        value: bool,
        then: Then,
    ) {
        let value = value && !self.pages[page].neutral.contains(reservation);
        let change =
            ParticipantChange { end_conference_on_exit: Some(value), ..ParticipantChange::default() };
        let request = Twilio::UpdateWorkerParticipant { reservation: reservation.clone(), change };
        self.bridge(page, request, then);
    }

    /// The core's question is answered.
    fn answered(
        &mut self,
        page: PageId,
        request: rejoin_plugin::agent::RequestId,
        yes: bool,
        options: Option<&rejoin_plugin::agent::ConferenceOptions>,
    ) {
        let Some(after) = self.pages[page].questions.remove(&request) else { return };
        if yes {
            self.goes_on(page, after, options);
        } else if let After::Complete(reservation) = after {
            // Flex refuses; the agent tries again.
            let agent = self.pages[page].agent;
            self.put(3_000, Coming::Completes(agent, reservation));
        }
    }

    /// An action goes on that the core was asked about.
    pub(crate) fn goes_on(
        &mut self,
        page: PageId,
        after: After,
        options: Option<&rejoin_plugin::agent::ConferenceOptions>,
    ) {
        match after {
            After::Accept(reservation) => self.send_accept(page, &reservation, options),
            other => self.carry_on(page, other),
        }
    }

    /// Tells the core that the agent has signed out: no answer that it waits for would come otherwise.
    pub(crate) fn signed_out(&mut self, page: PageId) {
        self.handle(page, Event::Desktop(FromDesktop::SignedOut {}));
    }
}
