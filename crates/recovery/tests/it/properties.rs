//! Properties that hold in every order of deliveries.

use crate::desk::*;
use crate::taskrouter_events::{TASK_EVENTS, task_event};
use proptest::prelude::*;
use rejoin_protocol::api::{DeliveryId, GracefulReason, Stage};
use rejoin_recovery::{Action, ConferenceEventKind, Effect, Event, LeaveReason, Outcome, Purpose, Timer};

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

/// A long run sets more cases.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(2000, |it| it.parse().expect("a number of cases"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn every_recovery_ends_once_and_requests_each_action_once(steps in prop::collection::vec(step(), 0..40)) {
        let mut run = Run { desk: Desk::talking(), received: vec![], asked: vec![], pending: vec![] };
        for step in &steps {
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
        let lost = stages.values().flatten().filter(|stage| stage.is_final()).count();
        for action in &run.asked {
            let once = matches!(
                action,
                Action::CreatePing { .. } | Action::Requeue { .. } | Action::CompleteReservation { .. }
                    | Action::MoveParticipant { .. } | Action::RemoveLeg { .. }
            );
            let times = run.asked.iter().filter(|a| *a == action).count();
            // A reservation may be lost twice, by two legs.
            let allowed = if matches!(action, Action::CompleteReservation { .. }) { lost } else { 1 };
            prop_assert!(!once || times <= allowed, "{:?} was requested {} times", action, times);
        }
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
