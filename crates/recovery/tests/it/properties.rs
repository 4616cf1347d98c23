//! Properties that hold in every order of deliveries.

use crate::desk::*;
use crate::taskrouter_events::{TASK_EVENTS, task_event};
use proptest::prelude::*;
use rejoin_protocol::api::{DeliveryId, GracefulReason, Stage};
use rejoin_protocol::{TaskSid, WorkerSid, WorkflowSid};
use rejoin_recovery::{
    Action, ConferenceEventKind, Effect, Event, Holder, LeaveReason, LookUpAnswer, Outcome, ParticipantFlags,
    PollAnswer, Purpose, Reconnect, ReconnectState, TaskState, Timer, UnreportedAgent,
};

/// One thing that may happen next.
#[derive(Clone, Debug)]
enum Step {
    Join(u128, u128),
    Leave(u128, u128, LeaveReason),
    End(u128),
    AnnouncementEnd,
    Modify(u128, bool, bool),
    Register(u128, u128, u128, u64),
    Hello(u128, u64, bool, bool, bool),
    Goodbye(u128, u64),
    Graceful(u128),
    Read(u128),
    EnteredQueue,
    LeftQueue(bool),
    Released,
    TaskEvent(u128, usize, usize),
    Timer(usize),
    Finish(usize, bool),
    Again(usize),
    Restart,
    Answered(usize, Answer),
    Marked(u128, GracefulReason),
    Push(u128, u64, bool),
    PageAnswered(u128),
    Restored(Answer),
}

/// What Twilio says when it is asked. It need not be the truth: what is read may be old, and another program may have changed it.
#[derive(Clone, Debug)]
struct Answer {
    /// Who is in the conference, and who of them is on hold.
    there: Vec<(u128, bool)>,
    on_line: Option<bool>,
    task: Option<TaskState>,
    /// Who has accepted the task, or wraps it up.
    holders: Vec<(u128, bool)>,
    reconnect: Option<Reconnect>,
    /// Whose mark the task carries.
    marked: Option<u128>,
}

fn holder(worker: u128) -> Holder {
    Holder { worker: WorkerSid::numbered(worker), name: "Bo".into(), reservation: reservation_of(worker, 1) }
}

impl Answer {
    fn attributes(&self) -> String {
        let marked = self.marked.map(|who| marked_attributes(who, EPOCH, 2, GracefulReason::HangUp));
        marked.map_or_else(|| "{}".to_owned(), |it| it.to_string())
    }

    fn holders(&self, accepted: bool) -> Vec<Holder> {
        self.holders.iter().filter(|it| it.1 == accepted).map(|it| holder(it.0)).collect()
    }

    fn poll(&self) -> PollAnswer {
        let flags = |hold| ParticipantFlags { hold, ..ParticipantFlags::default() };
        PollAnswer {
            participants: self.there.iter().map(|(who, hold)| (leg(*who), flags(*hold))).collect(),
            on_line: self.on_line,
            reconnects: self.reconnect.clone().into_iter().collect(),
            task: self.task,
            attributes: self.marked.map(|_| self.attributes()),
            wrapping: self.holders(false),
            log: vec![],
            accepted: self.holders(true),
        }
    }

    fn to(&self, action: &Action) -> Outcome {
        let yes = self.on_line == Some(true);
        match action {
            Action::PollConference { .. } => Outcome::Polled(Box::new(self.poll())),
            Action::ReadTask { .. } | Action::MarkTask { .. } => {
                Outcome::TaskRead { attributes: self.attributes(), version: None, workflow: None }
            }
            Action::LookUpTask { .. } => Outcome::TaskLookedUp(Box::new(LookUpAnswer {
                workflow: WorkflowSid::numbered(1),
                queue: None,
                customer_leg: Some(leg(CUSTOMER)),
                worker_leg: self.there.first().map(|it| leg(it.0)),
                reservation: self.holders.first().map(|it| reservation_of(it.0, 1)),
                is_accepted: yes,
                worker: self.holders.first().map(|it| (WorkerSid::numbered(it.0), "Bo".into())),
                attributes: self.attributes(),
            })),
            Action::ReadReservations { .. } => {
                let owners = self.holders.iter().map(|it| holder(it.0));
                let owners = owners.map(|it| (it.reservation, it.worker)).collect();
                Outcome::ReservationsRead { owners, is_of_task: yes }
            }
            Action::Requeue { .. } if yes => {
                let of = self.holders.first().map_or(BO, |it| it.0);
                Outcome::AgentFound(Box::new(UnreportedAgent { leg: leg(NEXT_LEG), holder: holder(of) }))
            }
            Action::CheckNumber { .. } => Outcome::Number { allowed: yes },
            _ if yes => Outcome::Overtaken,
            _ => Outcome::Gone,
        }
    }
}

fn answer() -> impl Strategy<Value = Answer> {
    let who = || prop_oneof![Just(CUSTOMER), Just(ADA_LEG), Just(NEXT_LEG), Just(0x77)];
    let agent = || prop_oneof![Just(ADA), Just(BO)];
    let task = prop_oneof![Just(TaskState::Open), Just(TaskState::Wraps), Just(TaskState::Over)];
    let reconnect = (any::<bool>(), agent(), 0..4usize).prop_map(|(targeted, who, state)| {
        let Holder { worker, name, .. } = holder(who);
        let reservation = reservation_of(who, 2);
        Reconnect {
            task: TaskSid::numbered(2),
            target: targeted.then(|| WorkerSid::numbered(ADA)),
            state: match state {
                0 => ReconnectState::Waits,
                1 => ReconnectState::Taken { worker, name, reservation },
                2 => ReconnectState::Left { worker, name, reservation },
                _ => ReconnectState::Over,
            },
            conference: Some(conference(2)),
        }
    });
    (
        prop::collection::vec((who(), any::<bool>()), 0..4),
        any::<Option<bool>>(),
        prop::option::of(task),
        prop::collection::vec((agent(), any::<bool>()), 0..3),
        prop::option::of(reconnect),
        prop::option::weighted(0.2, agent()),
    )
        .prop_map(|(there, on_line, task, holders, reconnect, marked)| Answer {
            there,
            on_line,
            task,
            holders,
            reconnect,
            marked,
        })
}

/// What may happen, and what Twilio may answer.
fn step_or_answer() -> impl Strategy<Value = Step> {
    let agent = || prop_oneof![Just(ADA), Just(BO)];
    let who = prop_oneof![Just(ADA_LEG), Just(NEXT_LEG)];
    let reason = prop_oneof![
        Just(GracefulReason::HangUp),
        Just(GracefulReason::ColdTransfer),
        Just(GracefulReason::WarmTransfer),
        Just(GracefulReason::Complete)
    ];
    prop_oneof![
        8 => step(),
        3 => (0..8usize, answer()).prop_map(|(i, answer)| Step::Answered(i, answer)),
        1 => (agent(), 1..4u64, any::<bool>()).prop_map(|(who, epoch, back)| Step::Push(who, epoch, back)),
        1 => (agent(), reason).prop_map(|(who, reason)| Step::Marked(who, reason)),
        1 => who.prop_map(Step::PageAnswered),
        1 => answer().prop_map(Step::Restored),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let reason = prop_oneof![
        Just(LeaveReason::HungUp),
        Just(LeaveReason::UpdatedViaApi),
        Just(LeaveReason::ModeratorEnded),
        Just(LeaveReason::Unknown)
    ];
    let someone = || prop_oneof![2 => Just(ADA), 1 => Just(BO)];
    let who = || prop_oneof![Just(CUSTOMER), Just(ADA_LEG), Just(NEXT_LEG), Just(0x77)];
    let room = || prop_oneof![3 => Just(1u128), 1 => Just(2u128)];
    prop_oneof![
        (room(), who()).prop_map(|(c, w)| Step::Join(c, w)),
        (room(), who(), reason).prop_map(|(c, w, r)| Step::Leave(c, w, r)),
        room().prop_map(Step::End),
        Just(Step::AnnouncementEnd),
        (who(), any::<bool>(), any::<bool>()).prop_map(|(w, e, h)| Step::Modify(w, e, h)),
        (
            room(),
            prop_oneof![Just((ADA, ADA_LEG)), Just((ADA, NEXT_LEG)), Just((BO, NEXT_LEG)), Just((BO, 0x77))],
            1..4u64
        )
            .prop_map(|(c, (w, l), e)| Step::Register(c, w, l, e)),
        (someone(), 1..5u64, any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(who, e, w, o, j)| Step::Hello(who, e, w, o, j)),
        (someone(), 1..4u64).prop_map(|(w, e)| Step::Goodbye(w, e)),
        someone().prop_map(Step::Graceful),
        someone().prop_map(Step::Read),
        Just(Step::EnteredQueue),
        any::<bool>().prop_map(Step::LeftQueue),
        Just(Step::Released),
        (someone(), 0..4usize, 0..7usize).prop_map(|(worker, p, k)| Step::TaskEvent(worker, p, k)),
        (0..8usize).prop_map(Step::Timer),
        (0..8usize, prop::bool::weighted(0.8)).prop_map(|(i, ok)| Step::Finish(i, ok)),
        (0..20usize).prop_map(Step::Again),
        Just(Step::Restart),
    ]
}

struct Run {
    desk: Desk,
    received: Vec<Event>,
    asked: Vec<Action>,
    pending: Vec<Action>,
}

impl Run {
    fn step(&mut self, step: &Step) {
        let desk = &mut self.desk;
        match *step {
            Step::Join(c, w) => desk.join(c, w, true),
            Step::Leave(c, w, r) => {
                let event = desk.leave(c, w, r);
                self.received.push(event);
            }
            Step::End(c) => desk.end(c),
            Step::AnnouncementEnd => {
                let event = desk.callback(1, ConferenceEventKind::AnnouncementEnd);
                self.received.push(event);
            }
            Step::Modify(w, e, h) => desk.modify(1, w, e, h),
            Step::Register(c, w, l, e) => desk.register(c, w, l, e),
            Step::Hello(who, e, w, o, j) => desk.hello_of(who, e, w, o, j),
            Step::Goodbye(worker, epoch) => desk.goodbye(worker, epoch),
            Step::Graceful(worker) => desk.graceful_of(worker, GracefulReason::HangUp),
            Step::Read(worker) => desk.read(&marked_attributes(worker, EPOCH, 2, GracefulReason::HangUp)),
            Step::EnteredQueue => desk.entered_queue(),
            Step::LeftQueue(hung_up) => {
                let (recovery, customer) = (recovery(), leg(CUSTOMER));
                desk.handle(Event::LeftQueue { recovery, customer, bridged: false, hung_up, token: None });
            }
            Step::TaskEvent(worker, purpose, kind) => {
                let target = |who| Purpose::Reconnect { recovery: recovery(), target: who };
                let (task, purpose) = match purpose {
                    0 => (1, Purpose::Other),
                    1 => (0x91, Purpose::Ping { recovery: recovery() }),
                    2 => (2, target(None)),
                    _ => (2, target(Some(rejoin_protocol::WorkerSid::numbered(ADA)))),
                };
                let event = task_event(task, purpose, worker, TASK_EVENTS[kind]);
                desk.handle(event.clone());
                self.received.push(event);
            }
            Step::Released => desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) }),
            Step::Timer(i) => {
                // A call is forgotten long after its last delivery.
                let mut timers = desk.timers.iter().filter(|((_, timer), _)| *timer != Timer::Forget);
                if let Some(((conference, timer), at)) = timers.nth(i).map(|(k, at)| (k.clone(), *at)) {
                    desk.timers.remove(&(conference.clone(), timer));
                    desk.now = desk.now.max(at);
                    desk.handle(Event::Timer { conference, timer });
                }
            }
            Step::Finish(i, ok) => {
                if i < self.pending.len() {
                    let action = self.pending.remove(i);
                    let outcome =
                        if ok { success(&action) } else { Outcome::Failed { reason: "refused".into() } };
                    desk.finish(action, outcome);
                }
            }
            Step::Answered(i, ref answer) => {
                if i < self.pending.len() {
                    let action = self.pending.remove(i);
                    let outcome = answer.to(&action);
                    desk.finish(action, outcome);
                }
            }
            Step::Push(worker, epoch, back) => {
                let worker = WorkerSid::numbered(worker);
                desk.handle(match back {
                    true => Event::PushBack { worker, epoch },
                    false => Event::PushLost { worker, epoch },
                });
            }
            Step::Marked(worker, reason) => desk.graceful_of(worker, reason),
            Step::Restored(ref seen) => {
                desk.handle(Event::Restored { conference: conference(1), seen: Box::new(seen.poll()) });
            }
            Step::PageAnswered(who) => {
                desk.handle(Event::PageAnswered { conference: conference(1), leg: leg(who) });
            }
            Step::Again(i) => {
                if let Some(event) = self.received.get(i).cloned() {
                    desk.handle(event);
                }
            }
            Step::Restart => {
                // Everything was changed at some time, so everything is there to be stored.
                let calls: Vec<_> =
                    [1, 2].iter().filter_map(|n| desk.machine.call(&conference(*n)).cloned()).collect();
                desk.machine = rejoin_recovery::Machine::new(rejoin_recovery::Config::default(), calls);
            }
        }
        let actions = self.desk.take_actions();
        self.pending.extend(actions.clone());
        self.asked.extend(actions);
    }

    /// Fires all timers and finishes all actions until nothing is left to happen.
    fn settle(&mut self) {
        for _ in 0..200 {
            if !self.pending.is_empty() {
                self.step(&Step::Finish(0, true));
            } else if self.desk.timers.keys().all(|(_, timer)| *timer == Timer::Forget) {
                return;
            } else {
                self.step(&Step::Timer(0));
            }
        }
        panic!("actions and timers never end: {:?} {:?}", self.pending, self.desk.timers);
    }
}

/// Plays these steps, and what follows from them.
fn ends_once(desk: Desk, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut run = Run { desk, received: vec![], asked: vec![], pending: vec![] };
    for step in steps {
        run.step(step);
    }
    run.settle();
    // The agent's dialog is shown each recovery from its beginning to its end.
    let mut stages = std::collections::BTreeMap::<_, Vec<Stage>>::new();
    for effect in &run.desk.effects {
        if let Effect::Push { view, .. } = effect {
            stages.entry((view.id.clone(), view.task.clone())).or_default().push(view.stage.clone());
        }
    }
    for stages in stages.values() {
        let twice = stages.windows(2).any(|two| two.iter().all(Stage::is_final));
        let last = stages.last().is_some_and(Stage::is_final);
        prop_assert!(last && !twice, "every recovery ends in exactly one way: {:?}", stages);
    }
    let polls = steps.iter().filter(|step| matches!(step, Step::Answered(..) | Step::Restored(_))).count();
    let lost = stages.values().flatten().filter(|stage| stage.is_final()).count();
    for action in &run.asked {
        let once = matches!(
            action,
            Action::CreatePing { .. }
                | Action::Requeue { .. }
                | Action::CompleteReservation { .. }
                | Action::MoveParticipant { .. }
                | Action::RemoveLeg { .. }
        );
        let times = run.asked.iter().filter(|a| *a == action).count();
        let allowed = match action {
            Action::CompleteReservation { .. } => lost, // a reservation may be lost twice, by two legs
            Action::RemoveLeg { .. } => 1 + polls,      // a leg that a poll still shows is removed again
            _ => 1,
        };
        prop_assert!(!once || times <= allowed, "{:?} was requested {} times", action, times);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_recovery_ends_once_and_requests_each_action_once(steps in prop::collection::vec(step(), 0..40)) {
        ends_once(Desk::talking(), &steps)?;
    }

    #[test]
    fn every_recovery_ends_once_whatever_twilio_answers(
        start in 0..4usize, steps in prop::collection::vec(step_or_answer(), 0..40),
    ) {
        let desk = match start {
            0 => Desk::talking(),
            1 => Desk::at_once(),
            2 => Desk::announcing(),
            _ => Desk::without_in_place(),
        };
        ends_once(desk, &steps)?;
    }

    /// A mark that arrives before the leave or within the grace period, or is read in the task by then, excludes a ping
    /// and a requeue.
    #[test]
    fn a_graceful_leave_never_leads_to_a_ping_or_a_requeue(
        steps in prop::collection::vec(step(), 0..30), mark_first: bool, in_task: bool,
    ) {
        let mut run = Run { desk: Desk::talking(), received: vec![], asked: vec![], pending: vec![] };
        let mark = if in_task { Step::Read(ADA) } else { Step::Graceful(ADA) };
        let leave = Step::Leave(1, ADA_LEG, LeaveReason::HungUp);
        for step in if mark_first { [mark, leave] } else { [leave, mark] } {
            run.step(&step);
        }
        // No other agent joins, and no page reports one.
        let comes = |step: &Step| {
            matches!(step, Step::Register(..) | Step::Join(..))
                || matches!(step, Step::Hello(worker, ..) if *worker != ADA)
        };
        for step in steps.iter().filter(|step| !comes(step)) {
            run.step(step);
        }
        run.settle();
        let harmless = |action: &Action| !matches!(action, Action::CreatePing { .. } | Action::Requeue { .. } | Action::Announce { .. });
        prop_assert!(run.asked.iter().all(harmless), "{:?}", run.asked);
    }

    /// A mark in the task from before the agent's page registered the last time counts for nothing: the agent is lost.
    #[test]
    fn an_outdated_mark_in_the_task_never_makes_a_loss_graceful(steps in prop::collection::vec(step(), 0..30)) {
        let mut run = Run { desk: Desk::talking(), received: vec![], asked: vec![], pending: vec![] };
        run.desk.register_again(ADA, ADA_LEG, EPOCH, Some(DeliveryId { epoch: EPOCH, number: 3 }));
        for step in steps.iter().filter(|step| !matches!(step, Step::Graceful(_))) {
            run.step(step);
        }
        run.step(&Step::Leave(1, ADA_LEG, LeaveReason::HungUp));
        run.step(&Step::Read(ADA));
        run.settle();
        prop_assert_ne!(run.desk.stage(), Some(Stage::Graceful));
    }

    /// Duplicates and any order of one call's callbacks end in the same stage.
    #[test]
    fn the_order_of_deliveries_does_not_matter(order in Just(vec![0usize, 1, 2, 3, 4]).prop_shuffle(), twice in 0..5usize) {
        let mut desk = Desk::new();
        let mut events = vec![];
        // Recorded on a separate desk, so that the sequence numbers are in Twilio's order.
        let mut scribe = Desk::new();
        let flags = rejoin_recovery::ParticipantFlags::default();
        events.push(scribe.callback(1, ConferenceEventKind::Join { leg: leg(CUSTOMER), flags }));
        events.push(scribe.callback(1, ConferenceEventKind::Join { leg: leg(ADA_LEG), flags }));
        events.push(scribe.callback(1, ConferenceEventKind::Start));
        events.push(scribe.callback(1, ConferenceEventKind::Modify { leg: leg(CUSTOMER), flags }));
        events.push(scribe.leave(1, ADA_LEG, LeaveReason::HungUp));
        desk.register(1, ADA, ADA_LEG, EPOCH);
        for i in order {
            desk.handle(events[i].clone());
            if i == twice {
                desk.handle(events[i].clone());
            }
        }
        desk.fire(1, Timer::Grace);
        prop_assert_eq!(desk.stage(), Some(Stage::Interrupted));
    }
}
