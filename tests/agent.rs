//! The rules of the agent machine, one test each, and what must hold whatever happens.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::expect_used, reason = "helpers of tests are tests")]

use proptest::prelude::*;
use rejoin_plugin::agent::*;
use rejoin_protocol::api::{Goodbye, GracefulReason, HelloReply, Holding, RecoveryView, Stage};
use rejoin_protocol::{
    CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid, WorkflowSid,
};
use std::collections::{BTreeMap, BTreeSet};

const SERVER: &str = "https://rejoin.example";

fn me() -> WorkerSid {
    WorkerSid::numbered(0xada)
}

fn wr(number: u128) -> ReservationSid {
    ReservationSid::numbered(number)
}

fn rj() -> RecoveryId {
    RecoveryId::numbered(1)
}

fn task(number: u128, status: ReservationStatus) -> TaskFacts {
    TaskFacts {
        task: TaskSid::numbered(number),
        reservation: wr(number),
        status,
        voice: true,
        workflow: Some(WorkflowSid::numbered(1)),
        contact_uri: Some("client:ada".into()),
        live_call: false,
        own_leg: None,
        muted: false,
        joinable: true,
        keepable: true,
        attributes: Attributes { customer_leg: Some(CallSid::numbered(100)), ..Attributes::default() },
    }
}

fn ping(number: u128) -> TaskFacts {
    let mut facts = task(number, ReservationStatus::Pending);
    facts.voice = false;
    facts.attributes = Attributes { rejoin_recovery_id: Some(rj()), ..Attributes::default() };
    facts
}

fn reconnect(number: u128, target: Option<WorkerSid>) -> TaskFacts {
    let mut facts = task(number, ReservationStatus::Pending);
    facts.attributes = Attributes {
        is_reconnect: Some(true),
        rejoin_recovery_id: Some(rj()),
        target_worker_sid: target,
        disconnected_worker_sid: Some(WorkerSid::numbered(0xb0)),
        disconnected_worker_name: Some("Bo".into()),
        disconnected_time: Some(0),
        ..Attributes::default()
    };
    facts
}

fn leg(call: u128, kind: LegKind, mine: bool, sequence: u64) -> Leg {
    Leg { call: Some(CallSid::numbered(call)), kind, mine, joined: true, sequence: Some(sequence) }
}

fn conference(number: u128, legs: Vec<Leg>) -> Event {
    let conference = Some(ConferenceSid::numbered(number));
    Event::Desktop(FromDesktop::ConferenceChanged(ConferenceFacts {
        reservation: wr(number),
        conference,
        legs,
    }))
}

fn both() -> Vec<Leg> {
    vec![leg(100, LegKind::Customer, false, 1), leg(200, LegKind::Worker, true, 2)]
}

fn view(stage: Stage) -> RecoveryView {
    RecoveryView {
        id: rj(),
        task: TaskSid::numbered(1),
        reservation: wr(1),
        stage,
        remaining_ms: Some(14_000),
    }
}

fn notify(effects: &[Effect]) -> Vec<Notice> {
    let notices = desktop(effects).into_iter().filter_map(|effect| match effect {
        ToDesktop::Notify { notice, .. } => Some(notice),
        _ => None,
    });
    notices.collect()
}

fn desktop(effects: &[Effect]) -> Vec<ToDesktop> {
    let mine = effects.iter().filter_map(|effect| match effect {
        Effect::Desktop(effect) => Some(effect.clone()),
        _ => None,
    });
    mine.collect()
}

fn posts(effects: &[Effect]) -> Vec<(PostId, Request)> {
    let mine = effects.iter().filter_map(|effect| match effect {
        Effect::Post { id, request } => Some((*id, request.clone())),
        _ => None,
    });
    mine.collect()
}

/// Own legs that the server is told about.
fn registered(effects: &[Effect]) -> Vec<CallSid> {
    let mine = posts(effects).into_iter().filter_map(|(_, request)| match request {
        Request::Register(registration) => Some(registration.worker_leg),
        _ => None,
    });
    mine.collect()
}

/// Task 1 with a call of this page.
fn live(leg: u128) -> TaskFacts {
    let mut facts = task(1, ReservationStatus::Accepted);
    facts.live_call = true;
    facts.own_leg = Some(CallSid::numbered(leg));
    facts
}

fn started(tasks: Vec<TaskFacts>, phone_registered: bool, waits: bool) -> FromDesktop {
    let worker_name = "Ada".into();
    FromDesktop::Started { worker: me(), worker_name, phone_registered, tasks, waits }
}

/// A machine, its clock, and the timers that it set.
struct Desk {
    agent: Agent,
    now: Millis,
    timers: BTreeMap<Timer, Millis>,
    dialog: Option<Dialog>,
    hello: Option<PostId>,
}

impl Desk {
    fn new(marks: &[u128]) -> Self {
        let marks = marks.iter().map(|number| Mark { reservation: wr(*number), muted: false }).collect();
        let agent = Agent::new(Config::new(SERVER), 7, marks);
        Self { agent, now: Millis::seconds(1000), timers: BTreeMap::new(), dialog: None, hello: None }
    }

    fn started(tasks: Vec<TaskFacts>, marks: &[u128]) -> (Self, Vec<Effect>) {
        let mut desk = Self::new(marks);
        let effects = desk.start(tasks, true);
        (desk, effects)
    }

    /// Started, greeted, with nothing to recover.
    fn idle() -> Self {
        let (mut desk, _) = Self::started(vec![], &[]);
        desk.greeted(vec![]);
        desk
    }

    /// An accepted and registered call (task 1).
    fn on_a_call() -> Self {
        let mut desk = Self::idle();
        desk.task(live(200));
        let effects = desk.handle(conference(1, both()));
        let (id, _) = posts(&effects)[0];
        desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
        desk
    }

    fn start(&mut self, tasks: Vec<TaskFacts>, phone_registered: bool) -> Vec<Effect> {
        self.handle(Event::Desktop(started(tasks, phone_registered, false)))
    }

    /// Another page of the worker acts.
    fn waiting(tasks: Vec<TaskFacts>, marks: &[u128]) -> (Self, Vec<Effect>) {
        let mut desk = Self::new(marks);
        let effects = desk.handle(Event::Desktop(started(tasks, true, true)));
        (desk, effects)
    }

    fn elect(&mut self) -> Vec<Effect> {
        self.handle(Event::Desktop(FromDesktop::Elected {}))
    }

    fn handle(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.agent.handle(self.now, event);
        for effect in &effects {
            match effect {
                Effect::SetTimer { timer, at } => {
                    self.timers.insert(timer.clone(), *at);
                }
                Effect::ClearTimer { timer } => {
                    self.timers.remove(timer);
                }
                Effect::Desktop(ToDesktop::ShowDialog { dialog }) => self.dialog = Some(dialog.clone()),
                Effect::Desktop(ToDesktop::HideDialog {}) => self.dialog = None,
                Effect::Post { id, request: Request::Hello(_) } => self.hello = Some(*id),
                _ => {}
            }
        }
        effects
    }

    fn task(&mut self, facts: TaskFacts) -> Vec<Effect> {
        self.handle(Event::Desktop(FromDesktop::TaskChanged(facts)))
    }

    fn greeted(&mut self, recoveries: Vec<RecoveryView>) -> Vec<Effect> {
        let id = self.hello.take().expect("a hello is under way");
        let reply = HelloReply { recoveries, in_place: true };
        self.handle(Event::Reply { id, result: Ok(Answer::Hello(reply)) })
    }

    fn unanswered(&mut self) -> Vec<Effect> {
        let id = self.hello.take().expect("a hello is under way");
        self.handle(Event::Reply { id, result: Err(PostError::Unreachable) })
    }

    fn pushed(&mut self, stage: Stage) -> Vec<Effect> {
        self.handle(Event::Push(view(stage)))
    }

    /// Lets time pass, with every timer at its time. What was done meanwhile.
    fn wait(&mut self, time: Millis) -> Vec<Effect> {
        let end = self.now + time;
        let mut effects = Vec::new();
        while let Some((timer, at)) =
            self.timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (timer.clone(), *at))
        {
            if at > end {
                break;
            }
            self.timers.remove(&timer);
            self.now = self.now.max(at);
            effects.extend(self.handle(Event::Timer(timer)));
        }
        self.now = end;
        effects
    }

    fn leave(&mut self, reservation: Option<u128>, reason: GracefulReason) -> Vec<Effect> {
        let reservation = reservation.map(wr);
        self.handle(Event::Desktop(FromDesktop::BeforeLeave { request: RequestId(1), reservation, reason }))
    }

    fn complete(&mut self, number: u128) -> ToDesktop {
        let request = RequestId(2);
        let event = FromDesktop::BeforeComplete { request, reservation: wr(number) };
        desktop(&self.handle(Event::Desktop(event))).remove(0)
    }
}

// ---- coming up

#[test]
fn every_page_says_hello_and_listens() {
    let (_, effects) = Desk::started(vec![], &[]);
    assert!(effects.contains(&Effect::OpenPush));
    let (_, Request::Hello(hello)) = &posts(&effects)[0] else { panic!("no hello: {effects:?}") };
    assert_eq!((hello.epoch, &hello.holdings[..]), (7, &[][..]));
    assert!(desktop(&effects).is_empty());
}

#[test]
fn what_the_page_found_without_its_call_is_asked_about() {
    let mut live = task(3, ReservationStatus::Accepted);
    live.live_call = true;
    let mut elsewhere = task(4, ReservationStatus::Accepted);
    elsewhere.contact_uri = Some("sip:ada@example.com".into());
    let mut chat = task(5, ReservationStatus::Accepted);
    chat.voice = false;
    let mut older_flex = task(2, ReservationStatus::Accepted);
    older_flex.joinable = false;
    let tasks = vec![
        task(1, ReservationStatus::Wrapping),
        older_flex,
        live,
        elsewhere,
        chat,
        task(6, ReservationStatus::Pending),
    ];
    let (_, effects) = Desk::started(tasks, &[]);
    let (_, Request::Hello(hello)) = &posts(&effects)[0] else { panic!("no hello") };
    let holding = |number, wrapping| Holding {
        task: TaskSid::numbered(number),
        reservation: wr(number),
        wrapping,
        can_join: false,
    };
    assert_eq!(hello.holdings, [holding(1, true), holding(2, false)]);
}

#[test]
fn the_dialog_comes_at_once_only_for_what_was_a_call() {
    let wrapping = || vec![task(1, ReservationStatus::Wrapping)];
    assert_eq!(Desk::started(wrapping(), &[1]).0.dialog, Some(Dialog::Checking));
    assert_eq!(Desk::started(wrapping(), &[]).0.dialog, None);
    let accepted = vec![task(1, ReservationStatus::Accepted)];
    assert_eq!(Desk::started(accepted, &[]).0.dialog, Some(Dialog::Checking));
    let mut elsewhere = task(1, ReservationStatus::Accepted);
    elsewhere.contact_uri = Some("sip:ada@example.com".into());
    assert_eq!(Desk::started(vec![elsewhere], &[1]).0.dialog, None);
}

#[test]
fn no_view_no_dialog() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    assert!(matches!(desk.complete(1), ToDesktop::Refuse { .. }));
    desk.greeted(vec![]);
    assert_eq!(desk.dialog, None);
    assert!(matches!(desk.complete(1), ToDesktop::Let { .. }));
}

#[test]
fn a_wrapping_task_without_a_mark_gets_its_dialog_from_the_server() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[]);
    desk.greeted(vec![view(Stage::Interrupted)]);
    assert_eq!(desk.dialog, Some(Dialog::Interrupted { until: Some(desk.now + Millis(14_000)) }));
}

#[test]
fn an_unreachable_server_is_named_after_ten_seconds_and_the_agent_can_go_on() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    let mut hellos = vec![];
    for _ in 0..10_000 {
        if desk.hello.is_some() {
            hellos.push(desk.now.0 - 1_000_000);
            desk.unanswered();
        }
        let expected = if desk.now < Millis(1_010_000) { Dialog::Checking } else { Dialog::Unreachable };
        assert_eq!(desk.dialog, Some(expected), "at {:?}", desk.now);
        desk.wait(Millis(10));
        if desk.now >= Millis(1_040_000) {
            break;
        }
    }
    // The one at ten seconds is the dialog's own.
    assert_eq!(hellos[..4], [0, 1_000, 3_000, 7_000]);
    assert!(hellos.len() >= 6, "{hellos:?}");
    desk.handle(Event::Desktop(FromDesktop::DialogButton {}));
    assert_eq!(desk.dialog, None);
    assert!(matches!(desk.complete(1), ToDesktop::Let { .. }));
}

#[test]
fn a_server_that_refuses_leaves_flex_alone() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    let id = desk.hello.take().expect("hello");
    let effects = desk.handle(Event::Reply { id, result: Err(PostError::Status(403)) });
    assert_eq!(desk.dialog, None);
    assert!(desktop(&effects).contains(&ToDesktop::Log { notice: Complaint::Refused { status: 403 } }));
    assert!(posts(&desk.wait(Millis::seconds(100))).is_empty());
}

#[test]
fn marks_of_what_is_gone_are_taken_back() {
    let (_, effects) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1, 2]);
    let taken: Vec<_> = effects.iter().filter(|effect| matches!(effect, Effect::Unstore { .. })).collect();
    assert_eq!(taken, [&Effect::Unstore { reservation: wr(2) }]);
}

// ---- a call

#[test]
fn a_call_is_accepted_with_our_callback() {
    let mut desk = Desk::idle();
    let request = RequestId(1);
    let facts = task(1, ReservationStatus::Pending);
    let effects =
        desk.handle(Event::Desktop(FromDesktop::BeforeAccept { request, task: facts, callback: None }));
    let options = ConferenceOptions {
        conference_status_callback: format!("{SERVER}/webhooks/conference"),
        conference_status_callback_method: "POST",
        conference_status_callback_event: "start,end,join,leave,modify,hold,announcement",
        end_conference_on_exit: false,
    };
    assert_eq!(
        desktop(&effects),
        [
            ToDesktop::NeutraliseExitFlag { reservation: wr(1) },
            ToDesktop::AttachConferenceOptions { request, options }
        ]
    );
}

#[test]
fn somebody_elses_callback_stays_and_the_call_is_left_alone() {
    let mut desk = Desk::idle();
    for (number, complaints) in [(1, 1), (2, 0)] {
        let event = FromDesktop::BeforeAccept {
            request: RequestId(1),
            task: task(number, ReservationStatus::Pending),
            callback: Some("https://other.example/events".into()),
        };
        let effects = desktop(&desk.handle(Event::Desktop(event)));
        assert!(effects.contains(&ToDesktop::Let { request: RequestId(1) }), "{effects:?}");
        assert_eq!(effects.len(), 1 + complaints, "{effects:?}");
        assert!(desk.task(task(number, ReservationStatus::Accepted)).is_empty());
        assert!(desk.handle(conference(number, both())).is_empty());
    }
}

#[test]
fn other_tasks_and_other_phones_are_accepted_as_ever() {
    let mut chat = task(1, ReservationStatus::Pending);
    chat.voice = false;
    let mut elsewhere = task(2, ReservationStatus::Pending);
    elsewhere.contact_uri = Some("+15550001111".into());
    for facts in [chat, elsewhere] {
        let mut desk = Desk::idle();
        let event = FromDesktop::BeforeAccept { request: RequestId(1), task: facts, callback: None };
        assert_eq!(desktop(&desk.handle(Event::Desktop(event))), [ToDesktop::Let { request: RequestId(1) }]);
    }
}

#[test]
fn a_call_is_registered_once_when_both_legs_are_known() {
    let mut desk = Desk::idle();
    let effects = desk.task(task(1, ReservationStatus::Accepted));
    assert_eq!(desktop(&effects), [ToDesktop::NeutraliseExitFlag { reservation: wr(1) }]);
    assert!(posts(&desk.handle(conference(1, vec![leg(200, LegKind::Worker, true, 1)]))).is_empty());
    let effects = desk.handle(conference(1, both()));
    let [(id, Request::Register(registration))] = &posts(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(registration.worker_leg, CallSid::numbered(200));
    assert_eq!(registration.customer_leg, CallSid::numbered(100));
    assert_eq!((registration.epoch, registration.worker_name.as_str()), (7, "Ada"));
    assert!(posts(&desk.handle(conference(1, both()))).is_empty());
    let effects = desk.handle(Event::Reply { id: *id, result: Ok(Answer::Accepted) });
    assert_eq!(effects, [Effect::Store(Mark { reservation: wr(1), muted: false })]);
}

#[test]
fn a_leg_that_an_earlier_page_left_behind_is_not_registered() {
    let (mut page, _) = Desk::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
    assert!(registered(&page.handle(conference(1, both()))).is_empty());
    page.greeted(vec![]);
    assert!(registered(&page.task(live(201))).is_empty(), "the ghost is not this page's leg");
    // The ghost has changed more often by now: it is the older one all the same.
    let mut legs = both();
    legs.push(leg(201, LegKind::Worker, true, 1));
    assert_eq!(registered(&page.handle(conference(1, legs))), [CallSid::numbered(201)]);
}

#[test]
fn the_youngest_own_leg_and_the_named_customer_count() {
    let mut desk = Desk::idle();
    desk.task(task(1, ReservationStatus::Accepted));
    let mut old = leg(201, LegKind::Worker, true, 9);
    old.joined = false;
    let legs = vec![
        leg(101, LegKind::Customer, false, 1),
        leg(100, LegKind::Customer, false, 2),
        leg(202, LegKind::Worker, true, 3),
        leg(200, LegKind::Worker, true, 4),
        leg(300, LegKind::Worker, false, 8),
        old,
    ];
    let effects = desk.handle(conference(1, legs));
    let [(_, Request::Register(registration))] = &posts(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(registration.worker_leg, CallSid::numbered(200));
    assert_eq!(registration.customer_leg, CallSid::numbered(100));
}

#[test]
fn a_registration_is_repeated_until_it_gets_through() {
    let mut desk = Desk::idle();
    desk.task(task(1, ReservationStatus::Accepted));
    let (id, first) = posts(&desk.handle(conference(1, both()))).remove(0);
    let mut sent = vec![];
    for _ in 0..4 {
        desk.handle(Event::Reply { id, result: Err(PostError::Status(503)) });
        let started = desk.now;
        while sent.len() < 100 {
            let again = posts(&desk.wait(Millis(100)));
            if !again.is_empty() {
                assert_eq!(again, [(id, first.clone())]);
                break;
            }
        }
        sent.push((desk.now - started).0);
    }
    assert_eq!(sent, [1000, 2000, 4000, 8000]);
    desk.handle(Event::Reply { id, result: Err(PostError::Unreachable) });
    desk.task(task(1, ReservationStatus::Wrapping));
    assert!(posts(&desk.wait(Millis::seconds(60))).is_empty(), "the call is over");
}

#[test]
fn a_new_leg_is_registered_anew() {
    let mut desk = Desk::on_a_call();
    let mut legs = both();
    legs.push(leg(201, LegKind::Worker, true, 5));
    assert!(registered(&desk.handle(conference(1, legs))).is_empty(), "it may be another device's");
    assert_eq!(registered(&desk.task(live(201))), [CallSid::numbered(201)]);
}

#[test]
fn a_call_that_ends_before_our_eyes_leaves_no_mark() {
    let mut desk = Desk::on_a_call();
    assert_eq!(
        desk.task(task(1, ReservationStatus::Wrapping)),
        [Effect::Unstore { reservation: wr(1) }, Effect::Desktop(ToDesktop::KeepLegs { keep: false })]
    );
    // One that was lost with an earlier page keeps it until it is over.
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
    assert!(
        !desk.task(task(1, ReservationStatus::Wrapping)).contains(&Effect::Unstore { reservation: wr(1) })
    );
    assert!(desk.task(task(1, ReservationStatus::Over)).contains(&Effect::Unstore { reservation: wr(1) }));
}

// ---- leaving on purpose

#[test]
fn a_hang_up_is_marked_then_ends_the_call_as_ever() {
    let mut desk = Desk::on_a_call();
    let effects = desk.leave(Some(1), GracefulReason::HangUp);
    assert_eq!(desktop(&effects), [ToDesktop::KeepLegs { keep: false }]);
    let [(id, Request::Graceful(mark))] = &posts(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!((&mark.reservation, mark.reason), (&wr(1), GracefulReason::HangUp));
    let effects = desk.handle(Event::Reply { id: *id, result: Ok(Answer::Accepted) });
    assert!(effects.contains(&Effect::Unstore { reservation: wr(1) }));
    assert_eq!(
        desktop(&effects),
        [
            ToDesktop::ReleaseExitFlag { reservation: wr(1) },
            ToDesktop::SetExitFlag { reservation: wr(1), value: true }
        ]
    );
    let effects = desk.handle(Event::Desktop(FromDesktop::ExitFlagSettled { reservation: wr(1) }));
    assert_eq!(desktop(&effects), [ToDesktop::Let { request: RequestId(1) }]);
    assert!(desktop(&desk.wait(Millis::seconds(10))).is_empty());
}

#[test]
fn with_more_than_two_on_the_call_the_others_stay() {
    let mut desk = Desk::on_a_call();
    let mut legs = both();
    legs.push(leg(300, LegKind::Other, false, 3));
    desk.handle(conference(1, legs));
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0);
    let effects = desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    assert_eq!(desktop(&effects), [ToDesktop::Let { request: RequestId(1) }]);
}

#[test]
fn a_mark_that_fails_never_blocks() {
    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0);
    let effects = desk.handle(Event::Reply { id, result: Err(PostError::Unreachable) });
    assert!(desktop(&effects).contains(&ToDesktop::SetExitFlag { reservation: wr(1), value: true }));
    // It is sent again behind Flex's back, as long as the task is there.
    assert_eq!(posts(&desk.wait(Millis::seconds(1))).len(), 1);
}

#[test]
fn flex_waits_a_second_and_a_half_at_most() {
    for flagging in [false, true] {
        let mut desk = Desk::on_a_call();
        let (id, _) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0);
        if flagging {
            desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
        }
        assert!(desktop(&desk.wait(Millis(1_499))).is_empty());
        let effects = desktop(&desk.wait(Millis(1)));
        assert_eq!(effects.last(), Some(&ToDesktop::Let { request: RequestId(1) }));
        assert_eq!(effects.contains(&ToDesktop::SetExitFlag { reservation: wr(1), value: true }), !flagging);
    }
}

#[test]
fn a_cold_transfer_keeps_the_customer_in_the_conference() {
    let mut desk = Desk::on_a_call();
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::ColdTransfer)).remove(0);
    let effects = desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    assert_eq!(desktop(&effects), [ToDesktop::Let { request: RequestId(1) }]);
}

#[test]
fn signing_out_leaves_every_call() {
    let mut desk = Desk::on_a_call();
    desk.task(task(2, ReservationStatus::Accepted));
    desk.task(task(3, ReservationStatus::Wrapping));
    let sent = posts(&desk.leave(None, GracefulReason::SignOut));
    let marked: Vec<_> = sent
        .iter()
        .map(|(_, request)| match request {
            Request::Graceful(mark) => mark.reservation.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(marked, [wr(1), wr(2)]);
}

#[test]
fn leaving_what_is_no_call_goes_on_at_once() {
    let mut desk = Desk::idle();
    let effects = desk.leave(Some(9), GracefulReason::HangUp);
    assert_eq!(desktop(&effects), [ToDesktop::Let { request: RequestId(1) }]);
    assert!(posts(&effects).is_empty());
}

// ---- a recovery

#[test]
fn the_dialog_shows_what_the_server_says() {
    let interrupted = |desk: &Desk| Dialog::Interrupted { until: Some(desk.now + Millis(14_000)) };
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    desk.greeted(vec![view(Stage::Interrupted)]);
    assert_eq!(desk.dialog, Some(interrupted(&desk)));
    for stage in [Stage::Requeueing, Stage::Queued] {
        desk.pushed(stage);
        assert_eq!(desk.dialog, Some(Dialog::Reconnecting));
        assert!(matches!(desk.complete(1), ToDesktop::Refuse { .. }));
    }
    desk.task(task(1, ReservationStatus::Over));
    assert_eq!(desk.dialog, Some(Dialog::Reconnecting), "the old reservation is completed on the way");
    desk.pushed(Stage::Rejoined);
    assert_eq!(desk.dialog, Some(Dialog::Rejoined));
    desk.wait(Millis(1_499));
    assert_eq!(desk.dialog, Some(Dialog::Rejoined));
    desk.wait(Millis(1));
    assert_eq!(desk.dialog, None);
}

#[test]
fn ends_are_told_to_whom_they_concern() {
    let handed_over = || Stage::HandedOver { worker_name: Some("Bo".into()) };
    let bo = || Some(Dialog::HandedOver { name: Some("Bo".into()) });
    let failed = || Stage::Failed { reason: "No.".into() };
    // stage, dialog when the page found the call, when it showed the recovery, when neither
    let table = [
        (Stage::WaitingForOther, Some(Dialog::WaitingForOther), Some(Dialog::WaitingForOther), None),
        (handed_over(), bo(), bo(), None),
        (Stage::CustomerLeft, Some(Dialog::CustomerLeft), Some(Dialog::CustomerLeft), None),
        (Stage::Covered, None, None, None),
        (Stage::Graceful, None, None, None),
        (Stage::Rejoined, None, Some(Dialog::Rejoined), None),
        (failed(), None, Some(Dialog::Failed { reason: "No.".into() }), None),
    ];
    for (stage, found, shown, neither) in table {
        let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[]);
        desk.greeted(vec![view(stage.clone())]);
        assert_eq!(desk.dialog, found, "found, {stage:?}");

        let mut desk = Desk::on_a_call();
        desk.pushed(Stage::Interrupted);
        desk.pushed(stage.clone());
        assert_eq!(desk.dialog, shown, "shown, {stage:?}");
        if let Some(dialog) = shown.filter(|dialog| *dialog != Dialog::Rejoined) {
            desk.handle(Event::Desktop(FromDesktop::DialogButton {}));
            assert_eq!(desk.dialog, None, "closed, {dialog:?}");
            desk.pushed(stage.clone());
            assert_eq!(desk.dialog, None, "closed is closed, {dialog:?}");
        }

        let mut desk = Desk::on_a_call();
        desk.pushed(stage.clone());
        assert_eq!(desk.dialog, neither, "neither, {stage:?}");
    }
}

#[test]
fn a_dialog_that_outlives_its_reason_lets_the_agent_go() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    desk.greeted(vec![view(Stage::Interrupted)]);
    desk.wait(Millis(23_999));
    assert!(matches!(desk.dialog, Some(Dialog::Interrupted { .. })));
    desk.wait(Millis(1));
    assert_eq!(desk.dialog, Some(Dialog::Slow));
    assert!(desk.hello.is_some(), "asks once more");
    desk.greeted(vec![view(Stage::Interrupted)]);
    assert_eq!(desk.dialog, Some(Dialog::Slow), "no news is no reason to lock the agent in again");
    desk.handle(Event::Desktop(FromDesktop::DialogButton {}));
    assert_eq!(desk.dialog, None);
    assert!(matches!(desk.complete(1), ToDesktop::Let { .. }));
}

#[test]
fn what_was_missed_while_the_push_channel_was_down_is_asked_for() {
    let mut desk = Desk::on_a_call();
    desk.handle(Event::PushState { up: true });
    assert!(desk.hello.is_none(), "nothing to ask for");
    desk.pushed(Stage::Interrupted);
    desk.handle(Event::PushState { up: false });
    desk.wait(Millis::seconds(3));
    desk.handle(Event::PushState { up: true });
    desk.greeted(vec![]);
    assert_eq!(desk.dialog, None);
}

#[test]
fn an_answer_that_was_overtaken_by_a_push_changes_nothing() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    desk.pushed(Stage::Queued);
    desk.greeted(vec![view(Stage::Interrupted)]);
    assert_eq!(desk.dialog, Some(Dialog::Reconnecting));
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    desk.pushed(Stage::Interrupted);
    desk.greeted(vec![]);
    assert!(matches!(desk.dialog, Some(Dialog::Interrupted { .. })));
}

// ---- in place

fn keeps(effects: &[Effect]) -> Vec<bool> {
    let mine = desktop(effects).into_iter().filter_map(|effect| match effect {
        ToDesktop::KeepLegs { keep } => Some(keep),
        _ => None,
    });
    mine.collect()
}

fn goodbyes(effects: &[Effect]) -> Vec<Goodbye> {
    let mine = effects.iter().filter_map(|effect| match effect {
        Effect::Goodbye(goodbye) => Some(goodbye.clone()),
        _ => None,
    });
    mine.collect()
}

fn clear(leg: u128) -> ToDesktop {
    ToDesktop::ClearExitFlag { reservation: wr(1), leg: CallSid::numbered(leg) }
}

fn join() -> ToDesktop {
    ToDesktop::JoinCall { reservation: wr(1) }
}

fn joined() -> Event {
    Event::Desktop(FromDesktop::Joined { reservation: wr(1) })
}

fn join_failed() -> Event {
    Event::Desktop(FromDesktop::JoinFailed { reservation: wr(1) })
}

fn page_hide() -> Event {
    Event::Desktop(FromDesktop::PageHide {})
}

/// The next page's leg beside the ghost of the last one.
fn with_the_new_leg() -> Event {
    let mut legs = both();
    legs.push(leg(201, LegKind::Worker, true, 1));
    conference(1, legs)
}

/// The same after Flex has closed the ghost.
fn without_the_ghost() -> Event {
    let mut legs = both();
    legs[1].joined = false;
    legs.push(leg(201, LegKind::Worker, true, 1));
    conference(1, legs)
}

fn holdings(effects: &[Effect]) -> Vec<Holding> {
    let mine = posts(effects).into_iter().find_map(|(_, request)| match request {
        Request::Hello(hello) => Some(hello.holdings),
        _ => None,
    });
    mine.expect("a hello")
}

impl Desk {
    /// Loaded while the old leg stands; the server has been told.
    fn back() -> Self {
        let (mut desk, _) = Self::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
        desk.handle(conference(1, both()));
        desk
    }

    /// Joining is under way.
    fn joining() -> Self {
        let mut desk = Self::back();
        let effects = desk.greeted(vec![view(Stage::InPlace)]);
        assert!(desktop(&effects).contains(&join()), "{effects:?}");
        desk
    }

    fn phone(&mut self, registered: bool) -> Vec<Effect> {
        self.handle(Event::Desktop(FromDesktop::PhoneChanged { registered }))
    }
}

#[test]
fn a_leg_stands_after_the_page_as_long_as_the_server_looks_after_the_call() {
    let mut desk = Desk::idle();
    assert!(keeps(&desk.task(live(200))).is_empty());
    let effects = desk.handle(conference(1, both()));
    let (id, _) = posts(&effects)[0];
    assert!(keeps(&effects).is_empty(), "the server does not know yet");
    assert_eq!(keeps(&desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) })), [true]);
    assert!(keeps(&desk.task(live(200))).is_empty(), "said once");
    assert_eq!(keeps(&desk.leave(Some(1), GracefulReason::HangUp)), [false]);

    let mut desk = Desk::on_a_call();
    assert_eq!(keeps(&desk.task(task(1, ReservationStatus::Accepted))), [false], "the call is gone");
}

#[test]
fn a_leg_stands_only_where_it_is_wanted() {
    let mut desk = Desk::started(vec![], &[]).0;
    let id = desk.hello.take().expect("hello");
    desk.handle(Event::Reply { id, result: Ok(Answer::Hello(HelloReply::default())) });
    desk.task(live(200));
    let (id, _) = posts(&desk.handle(conference(1, both())))[0];
    assert!(keeps(&desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) })).is_empty());
    assert!(goodbyes(&desk.handle(page_hide())).is_empty());
}

#[test]
fn a_flex_that_cannot_do_it_is_named_once() {
    for (joinable, keepable) in [(true, false), (false, true)] {
        let mut desk = Desk::idle();
        let facts = TaskFacts { joinable, keepable, ..live(200) };
        desk.task(facts.clone());
        let (id, _) = posts(&desk.handle(conference(1, both())))[0];
        let effects = desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
        assert_eq!(desktop(&effects), [ToDesktop::Log { notice: Complaint::NotInPlace }]);
        assert!(desktop(&desk.task(facts)).is_empty());
        assert!(goodbyes(&desk.handle(page_hide())).is_empty());
    }
}

#[test]
fn a_page_says_goodbye_once_for_the_calls_it_leaves_standing() {
    let mut desk = Desk::on_a_call();
    desk.task(task(2, ReservationStatus::Wrapping));
    let goodbye = Goodbye { epoch: 7, tasks: vec![TaskSid::numbered(1)] };
    assert_eq!(goodbyes(&desk.handle(page_hide())), [goodbye]);
    assert!(goodbyes(&desk.handle(page_hide())).is_empty());

    for (reservation, reason) in [(Some(1), GracefulReason::HangUp), (None, GracefulReason::SignOut)] {
        let mut desk = Desk::on_a_call();
        desk.leave(reservation, reason);
        assert!(goodbyes(&desk.handle(page_hide())).is_empty(), "{reason:?}");
    }
    assert!(goodbyes(&Desk::idle().handle(page_hide())).is_empty());
}

#[test]
fn the_hello_says_whether_the_old_leg_stands() {
    let (mut desk, effects) = Desk::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
    assert_eq!(desk.dialog, Some(Dialog::Checking), "the dialog does not wait");
    assert!(posts(&effects).is_empty(), "the conference is not known yet");
    desk.wait(Millis(300));
    let effects = desk.handle(conference(1, both()));
    assert!(holdings(&effects)[0].can_join);
    desk.greeted(vec![]);
    assert!(posts(&desk.wait(Millis::seconds(5))).is_empty(), "one hello");
}

#[test]
fn the_conference_is_not_waited_for_without_end() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
    assert!(posts(&desk.handle(conference(1, vec![leg(100, LegKind::Customer, false, 1)]))).is_empty());
    desk.task(ping(8)); // what else there is to ask waits, too
    assert!(posts(&desk.wait(Millis(699))).is_empty());
    let effects = desk.wait(Millis(1));
    assert_eq!(
        holdings(&effects).iter().map(|h| (h.wrapping, h.can_join)).collect::<Vec<_>>(),
        [(false, false)]
    );
}

#[test]
fn a_leg_that_falls_while_it_is_looked_for_is_not_looked_for_any_more() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
    let effects = desk.task(task(1, ReservationStatus::Wrapping));
    assert_eq!(
        holdings(&effects).iter().map(|h| (h.wrapping, h.can_join)).collect::<Vec<_>>(),
        [(true, false)]
    );
}

#[test]
fn what_has_nothing_to_look_for_is_asked_about_at_once() {
    let mut older_flex = task(1, ReservationStatus::Accepted);
    older_flex.joinable = false;
    for facts in [task(1, ReservationStatus::Wrapping), older_flex] {
        assert!(!holdings(&Desk::started(vec![facts], &[1]).1)[0].can_join);
    }
}

#[test]
fn an_agent_is_put_back_in_place() {
    let mut desk = Desk::joining();
    assert_eq!(desk.dialog, Some(Dialog::InPlace));
    assert!(matches!(desk.complete(1), ToDesktop::Refuse { .. }));
    assert!(registered(&desk.handle(with_the_new_leg())).is_empty());
    assert_eq!(registered(&desk.task(live(201))), [CallSid::numbered(201)]);
    let effects = desk.handle(joined());
    assert_eq!(desktop(&effects), [ToDesktop::Select { reservation: wr(1) }, clear(201)]);
    assert!(desk.handle(without_the_ghost()).is_empty(), "the old leg is Flex's to close");
    desk.pushed(Stage::Rejoined);
    assert_eq!(desk.dialog, Some(Dialog::Rejoined));
    assert!(posts(&desk.wait(Millis::seconds(20))).is_empty());
    assert_eq!(desk.dialog, None);
}

#[test]
fn the_news_may_come_in_any_order() {
    let news = [with_the_new_leg(), joined(), Event::Desktop(FromDesktop::TaskChanged(live(201)))];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut desk = Desk::joining();
        let effects: Vec<_> = order.iter().flat_map(|n| desk.handle(news[*n].clone())).collect();
        assert_eq!(registered(&effects), [CallSid::numbered(201)], "{order:?}");
        let told = desktop(&effects);
        assert_eq!(told.iter().filter(|effect| **effect == clear(201)).count(), 1, "{order:?}: {told:?}");
        assert!(told.contains(&ToDesktop::Select { reservation: wr(1) }), "{order:?}: {told:?}");
        assert!(holding_calls(&mut desk).is_empty(), "{order:?}: the call is this page's");
    }
}

/// What a hello of now would ask about.
fn holding_calls(desk: &mut Desk) -> Vec<Holding> {
    desk.wait(Millis::seconds(2));
    let mut unknown = ping(9);
    unknown.attributes.rejoin_recovery_id = Some(RecoveryId::numbered(9));
    holdings(&desk.task(unknown))
}

#[test]
fn joining_waits_for_server_and_phone() {
    let mut desk = Desk::new(&[1]);
    desk.start(vec![task(1, ReservationStatus::Accepted)], false);
    desk.handle(conference(1, both()));
    assert!(
        !desktop(&desk.pushed(Stage::InPlace)).contains(&join()),
        "the server has not heard of this page"
    );
    assert!(!desktop(&desk.greeted(vec![view(Stage::InPlace)])).contains(&join()));
    // Were the page to end while it joins, Flex's new leg would end the conference for all.
    assert_eq!(desktop(&desk.phone(true)), [join(), ToDesktop::KeepLegs { keep: true }]);
    assert!(desktop(&desk.phone(false)).is_empty());
    assert!(desktop(&desk.phone(true)).is_empty(), "once");
}

#[test]
fn nothing_is_joined_unless_the_server_says_so() {
    for stage in [Stage::Interrupted, Stage::Requeueing, Stage::Queued, Stage::Covered] {
        let effects = Desk::back().greeted(vec![view(stage.clone())]);
        assert!(!desktop(&effects).contains(&join()), "{stage:?}");
    }
    assert!(!desktop(&Desk::back().greeted(vec![])).contains(&join()));
}

#[test]
fn a_failed_join_is_undone_and_said_at_once() {
    let mut desk = Desk::joining();
    let effects = desk.handle(join_failed());
    assert_eq!(desktop(&effects), [clear(200), ToDesktop::KeepLegs { keep: false }]);
    assert_eq!(
        holdings(&effects).iter().map(|h| (h.wrapping, h.can_join)).collect::<Vec<_>>(),
        [(false, false)]
    );
    assert!(!desktop(&desk.greeted(vec![view(Stage::InPlace)])).contains(&join()), "it is tried once");
    desk.pushed(Stage::Requeueing);
    assert_eq!(desk.dialog, Some(Dialog::Reconnecting));
    desk.task(task(1, ReservationStatus::Wrapping));
    let effects = desktop(&desk.task(reconnect(2, Some(me()))));
    assert!(effects.contains(&ToDesktop::Accept { reservation: wr(2) }), "{effects:?}");
}

#[test]
fn joining_has_six_seconds() {
    let mut desk = Desk::joining();
    assert!(posts(&desk.wait(Millis(5_999))).is_empty());
    let effects = desk.wait(Millis(1));
    assert!(!holdings(&effects)[0].can_join);
    assert!(desktop(&effects).contains(&clear(200)));
    desk.greeted(vec![view(Stage::Requeueing)]);
    // It fails after all, and Flex makes the conference end with the old leg once more.
    let effects = desk.handle(join_failed());
    assert_eq!(desktop(&effects), [clear(200)]);
    assert!(posts(&effects).is_empty());
}

#[test]
fn a_join_that_works_after_all_is_registered() {
    let mut desk = Desk::joining();
    desk.wait(Millis::seconds(6));
    desk.handle(with_the_new_leg());
    assert_eq!(registered(&desk.task(live(201))), [CallSid::numbered(201)]);
    assert!(desktop(&desk.handle(joined())).contains(&clear(201)));
}

#[test]
fn a_join_that_fails_when_the_new_leg_is_in_has_worked() {
    let mut desk = Desk::joining();
    desk.handle(with_the_new_leg());
    desk.task(live(201));
    let effects = desk.handle(join_failed());
    assert_eq!(desktop(&effects), [clear(200), clear(201)]);
    assert!(posts(&effects).is_empty());
}

#[test]
fn a_leg_that_falls_in_the_middle_is_no_business_of_this_page() {
    let mut desk = Desk::joining();
    let mut legs = both();
    legs[1].joined = false;
    desk.handle(conference(1, legs));
    assert!(posts(&desk.task(task(1, ReservationStatus::Wrapping))).is_empty());
    assert!(!desk.timers.contains_key(&Timer::Join(wr(1))));
    desk.pushed(Stage::Requeueing);
    assert_eq!(desk.dialog, Some(Dialog::Reconnecting));
    assert!(desk.handle(join_failed()).is_empty());
}

#[test]
fn a_server_that_goes_on_to_the_second_rung_is_followed() {
    for stage in [Stage::Interrupted, Stage::Requeueing] {
        let mut desk = Desk::joining();
        desk.pushed(stage.clone());
        assert!(desk.dialog.as_ref().is_some_and(|dialog| *dialog != Dialog::InPlace));
        assert!(!desk.timers.contains_key(&Timer::Join(wr(1))));
        let effects = desk.handle(join_failed());
        assert_eq!(desktop(&effects), [clear(200)], "{stage:?}");
        assert!(posts(&effects).is_empty(), "{stage:?}");
    }
}

#[test]
fn a_call_that_was_joined_again_stands_again() {
    let mut desk = Desk::joining();
    desk.handle(with_the_new_leg());
    let effects = desk.task(live(201));
    let (id, _) = posts(&effects)[0];
    assert!(keeps(&effects).is_empty(), "it stood while it was joined, and goes on to");
    assert!(keeps(&desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) })).is_empty());
    assert_eq!(goodbyes(&desk.handle(page_hide())).len(), 1);
    // It ends before our eyes like any other.
    let effects = desk.task(task(1, ReservationStatus::Wrapping));
    assert!(effects.contains(&Effect::Unstore { reservation: wr(1) }));
}

#[test]
fn a_page_that_ends_while_it_joins_leaves_the_new_leg_standing_too() {
    let mut desk = Desk::joining();
    desk.handle(with_the_new_leg());
    desk.task(live(201));
    assert_eq!(goodbyes(&desk.handle(page_hide())).len(), 1);
}

#[test]
fn the_ghost_is_not_counted_when_the_agent_hangs_up() {
    let mut desk = Desk::joining();
    desk.handle(with_the_new_leg());
    desk.task(live(201));
    let (id, _) = posts(&desk.leave(Some(1), GracefulReason::HangUp)).remove(0);
    let effects = desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) });
    assert!(desktop(&effects).contains(&ToDesktop::SetExitFlag { reservation: wr(1), value: true }));
}

#[test]
fn mute_follows_the_agent_into_the_next_page() {
    let mark = |muted| Effect::Store(Mark { reservation: wr(1), muted });
    let mut desk = Desk::on_a_call();
    let muted = |leg| TaskFacts { muted: true, ..live(leg) };
    assert_eq!(desk.task(muted(200)), [mark(true)]);
    assert!(desk.task(muted(200)).is_empty());
    assert_eq!(desk.task(live(200)), [mark(false)]);

    let agent = Agent::new(Config::new(SERVER), 8, vec![Mark { reservation: wr(1), muted: true }]);
    let mut desk = Desk { agent, ..Desk::new(&[]) };
    desk.start(vec![task(1, ReservationStatus::Accepted)], true);
    desk.handle(conference(1, both()));
    desk.greeted(vec![view(Stage::InPlace)]);
    desk.handle(with_the_new_leg());
    let effects = desk.task(live(201));
    assert!(desktop(&effects).contains(&ToDesktop::Mute {}), "as soon as there is a microphone to be heard");
    let (id, _) = posts(&effects)[0];
    assert!(desk.handle(Event::Reply { id, result: Ok(Answer::Accepted) }).contains(&mark(true)));
    assert!(desk.task(muted(201)).is_empty());
    assert!(!desktop(&desk.handle(joined())).contains(&ToDesktop::Mute {}), "once");
}

// ---- offers

#[test]
fn a_known_ping_is_accepted_as_soon_as_seen() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    desk.greeted(vec![view(Stage::Interrupted)]);
    assert_eq!(desktop(&desk.task(ping(8))), [ToDesktop::AcceptPing { reservation: wr(8) }]);
    assert!(desktop(&desk.task(ping(8))).is_empty(), "once");
    // The other way round: the ping is there before the answer.
    let (mut desk, effects) = Desk::started(vec![task(1, ReservationStatus::Wrapping), ping(8)], &[1]);
    assert!(!desktop(&effects).contains(&ToDesktop::AcceptPing { reservation: wr(8) }));
    let effects = desk.greeted(vec![view(Stage::Interrupted)]);
    assert!(desktop(&effects).contains(&ToDesktop::AcceptPing { reservation: wr(8) }));
}

#[test]
fn an_unknown_recovery_is_asked_about_and_never_accepted() {
    for facts in [ping(8), reconnect(8, Some(me()))] {
        let mut desk = Desk::idle();
        desk.wait(Millis::seconds(3));
        let effects = desk.task(facts.clone());
        assert_eq!(posts(&effects).len(), 1, "{effects:?}");
        assert!(desktop(&effects).is_empty());
        assert!(desktop(&desk.greeted(vec![])).is_empty());
        assert!(posts(&desk.task(facts)).is_empty(), "asked once");
    }
}

#[test]
fn hellos_keep_their_distance() {
    let mut desk = Desk::idle();
    for number in 10..20 {
        let mut facts = ping(number);
        facts.attributes.rejoin_recovery_id = Some(RecoveryId::numbered(number));
        assert!(posts(&desk.task(facts)).is_empty());
    }
    assert_eq!(posts(&desk.wait(Millis::seconds(2))).len(), 1);
}

#[test]
fn the_own_reconnect_waits_for_the_phone() {
    let mut desk = Desk::new(&[1]);
    desk.start(vec![task(1, ReservationStatus::Wrapping)], false);
    desk.greeted(vec![view(Stage::Queued)]);
    assert!(desktop(&desk.task(reconnect(2, Some(me())))).is_empty());
    let effects = desk.handle(Event::Desktop(FromDesktop::PhoneChanged { registered: true }));
    let accept = [ToDesktop::Accept { reservation: wr(2) }, ToDesktop::Select { reservation: wr(2) }];
    assert_eq!(desktop(&effects), accept);
    // A failed attempt is repeated, not for ever.
    let mut attempts = 1;
    loop {
        desk.handle(Event::Desktop(FromDesktop::AcceptFailed { reservation: wr(2) }));
        if !desktop(&desk.wait(Millis::seconds(1))).contains(&accept[0]) {
            break;
        }
        attempts += 1;
    }
    assert_eq!(attempts, 3);
}

#[test]
fn a_reconnect_of_somebody_else_is_announced_not_accepted() {
    let mut desk = Desk::idle();
    desk.pushed(Stage::Queued);
    let effects = desk.task(reconnect(2, None));
    assert_eq!(notify(&effects), [Notice::TakeOver { name: Some("Bo".into()), seconds: 1000 }]);
    assert!(!desktop(&effects).contains(&ToDesktop::Accept { reservation: wr(2) }));
    assert!(notify(&desk.task(reconnect(2, None))).is_empty(), "once");

    let mut undated = reconnect(3, None);
    undated.attributes.disconnected_time = None;
    undated.attributes.disconnected_worker_name = None;
    assert_eq!(notify(&desk.task(undated)), [Notice::TakeOverUndated { name: None }]);
    let mut own = reconnect(4, None);
    own.attributes.disconnected_worker_sid = Some(me());
    assert_eq!(notify(&desk.task(own)), [Notice::TakeOverOwn]);
}

// ---- whatever happens

fn stages() -> impl Strategy<Value = Stage> {
    prop_oneof![
        Just(Stage::Interrupted),
        Just(Stage::InPlace),
        Just(Stage::Requeueing),
        Just(Stage::Queued),
        Just(Stage::Rejoined),
        Just(Stage::WaitingForOther),
        Just(Stage::HandedOver { worker_name: None }),
        Just(Stage::Covered),
        Just(Stage::CustomerLeft),
        Just(Stage::Graceful),
        Just(Stage::Failed { reason: "No.".into() }),
    ]
}

/// What this page's calls are; every other leg is a ghost.
fn own_leg() -> CallSid {
    CallSid::numbered(101)
}

fn tasks() -> impl Strategy<Value = TaskFacts> {
    let status = prop_oneof![
        Just(ReservationStatus::Pending),
        Just(ReservationStatus::Accepted),
        Just(ReservationStatus::Wrapping),
        Just(ReservationStatus::Over),
    ];
    let phone = (any::<bool>(), any::<bool>());
    (1u128..5, status, 0u8..5, 1u128..3, phone).prop_map(|(number, status, kind, recovery, (live, muted))| {
        let mut facts = match kind {
            0 => ping(number),
            1 => reconnect(number, Some(me())),
            2 => reconnect(number, None),
            _ => task(number, ReservationStatus::Pending),
        };
        facts.attributes.rejoin_recovery_id = (kind < 3).then(|| RecoveryId::numbered(recovery));
        facts.status = status;
        facts.live_call = live;
        facts.muted = live && muted;
        facts.own_leg = live.then(own_leg);
        facts
    })
}

/// What most of the time is a call: else hardly any would get as far as to be registered.
fn calls() -> impl Strategy<Value = TaskFacts> {
    (1u128..5, any::<bool>()).prop_map(|(number, live)| {
        let mut facts = task(number, ReservationStatus::Accepted);
        facts.live_call = live;
        facts.own_leg = live.then(own_leg);
        facts
    })
}

/// The conference of a call, with any of this worker's legs in it.
fn conferences() -> impl Strategy<Value = Event> {
    (1u128..5, prop::sample::subsequence(vec![100u128, 101, 102], 1..=3)).prop_map(|(number, mine)| {
        let mine = mine.into_iter().map(|call| leg(call, LegKind::Worker, true, 1));
        conference(number, mine.chain([leg(103, LegKind::Customer, false, 1)]).collect())
    })
}

fn views() -> impl Strategy<Value = RecoveryView> {
    (1u128..3, 1u128..5, stages(), prop::option::of(0u64..20_000)).prop_map(
        |(id, number, stage, remaining_ms)| {
            let id = RecoveryId::numbered(id);
            RecoveryView { id, task: TaskSid::numbered(number), reservation: wr(number), stage, remaining_ms }
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Event(Event),
    Ask(FromDesktop),
    /// The oldest open request succeeds (hellos with these views) or fails.
    Answer(Option<Vec<RecoveryView>>, u16),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    let request = RequestId(0); // numbered when it is asked
    let reason = prop_oneof![
        Just(GracefulReason::HangUp),
        Just(GracefulReason::ColdTransfer),
        Just(GracefulReason::SignOut)
    ];
    let legs = (0u128..3, any::<bool>(), any::<bool>()).prop_map(|(call, mine, joined)| {
        let kind = if mine { LegKind::Worker } else { LegKind::Customer };
        Leg { call: Some(CallSid::numbered(call + 100)), kind, mine, joined, sequence: Some(1) }
    });
    prop_oneof![
        4 => tasks().prop_map(|facts| Step::Event(Event::Desktop(FromDesktop::TaskChanged(facts)))),
        3 => calls().prop_map(|facts| Step::Event(Event::Desktop(FromDesktop::TaskChanged(facts)))),
        3 => conferences().prop_map(Step::Event),
        3 => views().prop_map(|view| Step::Event(Event::Push(view))),
        2 => (1u128..5, prop::collection::vec(legs, 0..4)).prop_map(|(n, legs)| Step::Event(conference(n, legs))),
        1 => any::<bool>().prop_map(|up| Step::Event(Event::PushState { up })),
        1 => any::<bool>().prop_map(|registered| Step::Event(Event::Desktop(FromDesktop::PhoneChanged { registered }))),
        1 => Just(Step::Event(Event::Desktop(FromDesktop::DialogButton {}))),
        1 => (1u128..5).prop_map(|n| Step::Event(Event::Desktop(FromDesktop::AcceptFailed { reservation: wr(n) }))),
        1 => (1u128..5).prop_map(|n| Step::Event(Event::Desktop(FromDesktop::ExitFlagSettled { reservation: wr(n) }))),
        1 => (1u128..5).prop_map(|n| Step::Event(Event::Desktop(FromDesktop::Joined { reservation: wr(n) }))),
        1 => (1u128..5).prop_map(|n| Step::Event(Event::Desktop(FromDesktop::JoinFailed { reservation: wr(n) }))),
        1 => Just(Step::Event(page_hide())),
        1 => Just(Step::Event(Event::Desktop(FromDesktop::Elected {}))),
        2 => tasks().prop_map(move |task| Step::Ask(FromDesktop::BeforeAccept { request, task, callback: None })),
        2 => (prop::option::of(1u128..5), reason).prop_map(move |(n, reason)| {
            Step::Ask(FromDesktop::BeforeLeave { request, reservation: n.map(wr), reason })
        }),
        2 => (1u128..5).prop_map(move |n| Step::Ask(FromDesktop::BeforeComplete { request, reservation: wr(n) })),
        3 => (prop::option::of(prop::collection::vec(views(), 0..3)), prop_oneof![Just(0), Just(401), Just(404), Just(503)])
            .prop_map(|(views, status)| Step::Answer(views, status)),
        2 => (0u64..40_000).prop_map(Step::Wait),
    ]
}

// ---- several pages of one agent

#[test]
fn a_page_that_waits_says_and_shows_nothing() {
    let tasks = vec![task(1, ReservationStatus::Accepted), task(2, ReservationStatus::Wrapping), ping(5)];
    let (mut desk, mut effects) = Desk::waiting(tasks, &[1, 2, 3]);
    effects.extend(desk.handle(conference(1, both())));
    effects.extend(desk.handle(Event::Desktop(FromDesktop::PhoneChanged { registered: true })));
    effects.extend(desk.wait(Millis::seconds(60)));
    let harmless = |effect: &Effect| {
        matches!(effect, Effect::ClearTimer { .. } | Effect::Desktop(ToDesktop::NeutraliseExitFlag { .. }))
    };
    assert!(effects.iter().all(harmless), "{effects:?}");
    assert!(matches!(desk.complete(1), ToDesktop::Let { .. }));
    assert!(desk.handle(page_hide()).is_empty());
}

#[test]
fn a_page_that_waits_does_not_take_the_other_pages_call_for_its_own() {
    let (mut desk, _) = Desk::waiting(vec![task(1, ReservationStatus::Pending)], &[]);
    desk.task(task(1, ReservationStatus::Accepted));
    assert!(registered(&desk.handle(conference(1, both()))).is_empty());
    let effects = desk.task(task(1, ReservationStatus::Wrapping));
    assert!(!effects.contains(&Effect::Unstore { reservation: wr(1) }), "the mark is the other page's");
}

#[test]
fn a_call_that_is_accepted_in_a_page_that_waits_is_watched() {
    let (mut desk, _) = Desk::waiting(vec![], &[]);
    let task = task(1, ReservationStatus::Pending);
    let event = FromDesktop::BeforeAccept { request: RequestId(3), task, callback: None };
    let answers = desktop(&desk.handle(Event::Desktop(event)));
    assert!(matches!(answers.last(), Some(ToDesktop::AttachConferenceOptions { .. })), "{answers:?}");
    desk.task(live(200));
    assert_eq!(registered(&desk.handle(conference(1, both()))), [CallSid::numbered(200)]);
}

#[test]
fn a_page_whose_turn_has_come_puts_the_agent_back() {
    let (mut desk, _) = Desk::waiting(vec![task(1, ReservationStatus::Pending)], &[]);
    desk.task(task(1, ReservationStatus::Accepted));
    desk.handle(conference(1, both()));
    desk.now = desk.now + Millis::seconds(60);
    desk.agent.remember(vec![Mark { reservation: wr(1), muted: true }]);
    let effects = desk.elect();
    assert!(effects.contains(&Effect::OpenPush));
    assert!(posts(&effects).is_empty(), "the server is to hear first that the other page is gone");
    assert_eq!(desk.dialog, Some(Dialog::Checking));
    assert!(holdings(&desk.wait(Millis::seconds(1)))[0].can_join);
    let effects = desk.greeted(vec![view(Stage::InPlace)]);
    let join = Effect::Desktop(ToDesktop::JoinCall { reservation: wr(1) });
    assert!(effects.contains(&join), "{effects:?}");
    assert!(posts(&desk.elect()).is_empty(), "once is enough");
    let effects = desk.task(live(201));
    assert!(desktop(&effects).contains(&ToDesktop::Mute {}), "she was muted in the other page: {effects:?}");
}

#[test]
fn an_offer_that_came_meanwhile_is_taken_when_the_turn_has_come() {
    let (mut desk, _) = Desk::waiting(vec![ping(5)], &[]);
    desk.elect();
    desk.wait(Millis::seconds(1));
    let effects = desk.greeted(vec![view(Stage::Interrupted)]);
    assert!(desktop(&effects).contains(&ToDesktop::AcceptPing { reservation: wr(5) }), "{effects:?}");
}

/// What rejoining in place may never do, whatever happens.
#[derive(Default)]
struct Rules {
    /// Voice reservations that the machine knows.
    calls: BTreeSet<ReservationSid>,
    /// Those that it found without their call.
    found: BTreeSet<ReservationSid>,
    /// Those that the server wants joined, or wanted.
    wanted: BTreeSet<ReservationSid>,
    joined: BTreeSet<ReservationSid>,
    keeps: bool,
    gone: bool,
}

impl Rules {
    fn task(&mut self, facts: &TaskFacts, at_start: bool) {
        let reservation = &facts.reservation;
        if !facts.voice {
            return;
        }
        if facts.status == ReservationStatus::Over {
            self.calls.remove(reservation);
            self.found.remove(reservation);
            self.joined.remove(reservation);
        } else if self.calls.insert(reservation.clone())
            && !facts.live_call
            && at_start
            && facts.status != ReservationStatus::Pending
        {
            self.found.insert(reservation.clone());
        }
    }

    fn views(&mut self, views: &[RecoveryView]) {
        let in_place = views.iter().filter(|view| view.stage == Stage::InPlace);
        self.wanted.extend(in_place.map(|view| view.reservation.clone()));
    }

    fn hold(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Desktop(ToDesktop::JoinCall { reservation }) => {
                    assert!(self.wanted.contains(reservation), "{reservation}: nobody wants it joined");
                    assert!(self.joined.insert(reservation.clone()), "{reservation}: joined twice");
                }
                Effect::Desktop(ToDesktop::KeepLegs { keep }) => {
                    assert_ne!(self.keeps, *keep, "said before");
                    self.keeps = *keep;
                }
                Effect::Post { request: Request::Register(registration), .. } => {
                    let found = self.found.contains(&registration.reservation);
                    assert!(!found || registration.worker_leg == own_leg(), "a ghost is registered");
                }
                Effect::Goodbye(goodbye) => {
                    assert!(self.keeps && !goodbye.tasks.is_empty(), "no leg was kept");
                    assert!(!std::mem::replace(&mut self.gone, true), "said before");
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_question_gets_one_answer_and_nothing_unknown_is_accepted(
        start in prop::collection::vec(prop_oneof![tasks(), calls()], 0..4),
        marks in prop::collection::vec(1u128..6, 0..4),
        steps in prop::collection::vec(steps(), 0..60),
    ) {
        let mut desk = Desk::new(&marks);
        let mut asked = BTreeSet::new();
        let mut answered = BTreeSet::new();
        let mut told: BTreeSet<RecoveryId> = BTreeSet::new();
        let mut offers: BTreeMap<ReservationSid, TaskFacts> = BTreeMap::new();
        let mut open: Vec<(PostId, Request)> = vec![];
        let mut rules = Rules::default();
        let mut seen = |facts: &TaskFacts| {
            offers.insert(facts.reservation.clone(), facts.clone());
            rules.task(facts, true);
        };
        start.iter().for_each(&mut seen);
        let mut effects = desk.start(start, false);
        let steps = steps.into_iter().chain([Step::Wait(60_000)]);
        for step in steps {
            open.extend(posts(&effects));
            rules.hold(&effects);
            for effect in desktop(&effects) {
                match effect {
                    ToDesktop::Let { request } | ToDesktop::Refuse { request }
                    | ToDesktop::AttachConferenceOptions { request, .. } => {
                        prop_assert!(asked.contains(&request), "{request:?} was not asked");
                        prop_assert!(answered.insert(request), "{request:?} was answered twice");
                    }
                    ToDesktop::Accept { reservation } | ToDesktop::AcceptPing { reservation } => {
                        let recovery = offers[&reservation].attributes.rejoin_recovery_id.clone();
                        prop_assert!(recovery.is_some_and(|id| told.contains(&id)));
                    }
                    _ => {}
                }
            }
            effects = match step {
                Step::Event(event) => {
                    match &event {
                        Event::Push(view) => {
                            told.insert(view.id.clone());
                            rules.views(std::slice::from_ref(view));
                        }
                        Event::Desktop(FromDesktop::TaskChanged(facts)) => {
                            rules.task(facts, false);
                            offers.insert(facts.reservation.clone(), facts.clone());
                        }
                        _ => {}
                    }
                    desk.handle(event)
                }
                Step::Ask(mut event) => {
                    let number = RequestId(asked.len() as u32 + 1);
                    asked.insert(number);
                    match &mut event {
                        FromDesktop::BeforeAccept { request, task, .. } => {
                            *request = number;
                            rules.task(task, false);
                            offers.insert(task.reservation.clone(), task.clone());
                        }
                        FromDesktop::BeforeLeave { request, .. } | FromDesktop::BeforeComplete { request, .. } => {
                            *request = number;
                        }
                        _ => {}
                    }
                    desk.handle(Event::Desktop(event))
                }
                Step::Answer(views, status) if !open.is_empty() => {
                    let (id, request) = open.remove(0);
                    let result = match (views, request, status) {
                        (Some(recoveries), Request::Hello(_), _) => {
                            told.extend(recoveries.iter().map(|view| view.id.clone()));
                            rules.views(&recoveries);
                            Ok(Answer::Hello(HelloReply { recoveries, in_place: true }))
                        }
                        (Some(_), _, _) => Ok(Answer::Accepted),
                        (None, _, 0) => Err(PostError::Unreachable),
                        (None, _, status) => Err(PostError::Status(status)),
                    };
                    desk.handle(Event::Reply { id, result })
                }
                Step::Answer(..) => vec![],
                Step::Wait(time) => desk.wait(Millis(time)),
            };
        }
        rules.hold(&effects);
        for effect in desktop(&effects) {
            if let ToDesktop::Let { request } = effect {
                prop_assert!(answered.insert(request), "{request:?} was answered twice");
            }
        }
        prop_assert_eq!(asked, answered);
    }

    #[test]
    fn a_page_that_waits_stays_out_of_it_whatever_happens(
        start in prop::collection::vec(prop_oneof![tasks(), calls()], 0..4),
        marks in prop::collection::vec(1u128..6, 0..4),
        steps in prop::collection::vec(steps(), 0..60),
    ) {
        let (mut desk, mut effects) = Desk::waiting(start, &marks);
        for step in steps {
            effects.extend(match step {
                // Without a channel nothing is pushed.
                Step::Event(Event::Push(_) | Event::Desktop(FromDesktop::Elected {})) | Step::Answer(..) => vec![],
                Step::Event(event) => desk.handle(event),
                Step::Ask(event) => desk.handle(Event::Desktop(event)),
                Step::Wait(time) => desk.wait(Millis(time)),
            });
        }
        for effect in &effects {
            let acts = match effect {
                Effect::OpenPush | Effect::Goodbye(_) => true,
                Effect::Post { request, .. } => matches!(request, Request::Hello(_)),
                Effect::Desktop(effect) => matches!(
                    effect,
                    ToDesktop::ShowDialog { .. } | ToDesktop::Accept { .. } | ToDesktop::AcceptPing { .. }
                        | ToDesktop::JoinCall { .. } | ToDesktop::Refuse { .. } | ToDesktop::KeepLegs { .. }
                ),
                Effect::SetTimer { .. } | Effect::ClearTimer { .. } => false,
                // A call may have been accepted in it.
                Effect::Store(_) | Effect::Unstore { .. } => false,
            };
            prop_assert!(!acts, "{effect:?}");
        }
    }
}
