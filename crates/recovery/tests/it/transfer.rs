//! Transfers: refused ones, ones that nobody takes, and colleagues who take the customer and are lost unregistered.

use crate::desk::*;
use rejoin_protocol::api::{DeliveryId, GracefulReason, Hello, Holding, Registration, Stage};
use rejoin_protocol::{Millis, ReservationSid, TaskSid, WorkerSid, WorkflowSid};
use rejoin_recovery::{
    Action, Event, Holder, LeaveReason, Logged, LoggedWhat, Next, Outcome, ParticipantFlags, PollAnswer,
    TaskState, Timer,
};

/// Ada has handed the customer over, and the leg left for this reason.
fn handed_over(reason: LeaveReason) -> Desk {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.now = desk.now + Millis(500);
    desk.leave(1, ADA_LEG, reason);
    desk
}

impl Desk {
    /// Some time later a poll shows this state of the task and the customer alone.
    fn poll_shows_task(&mut self, task: TaskState, hold: bool) {
        self.poll_shows_task_with(task, hold, None);
    }

    /// As [`Self::poll_shows_task`], and these attributes in the task.
    fn poll_shows_task_with(&mut self, task: TaskState, hold: bool, attributes: Option<String>) {
        self.fire(1, Timer::LeftAlone);
        assert_eq!(self.take_actions(), [transfer_poll()]);
        self.transfer_poll_shows(PollAnswer { attributes, ..alone(task, hold) });
    }

    /// The poll about the transfer shows this.
    fn transfer_poll_shows(&mut self, seen: PollAnswer) {
        self.finish(transfer_poll(), Outcome::Polled(Box::new(seen)));
    }
}

/// A poll that shows this state of the task and the customer alone.
fn alone(task: TaskState, hold: bool) -> PollAnswer {
    let alone = ParticipantFlags { hold, ..ParticipantFlags::default() };
    let participants = [(leg(CUSTOMER), alone)].into();
    PollAnswer { participants, on_line: Some(true), task: Some(task), ..PollAnswer::default() }
}

#[test]
fn a_customer_alone_after_a_transfer_that_nobody_takes_is_recovered() {
    for reason in [LeaveReason::HungUp, LeaveReason::UpdatedViaApi] {
        for (task, hold) in [(TaskState::Wraps, false), (TaskState::Over, false), (TaskState::Over, true)] {
            let mut desk = handed_over(reason);
            desk.poll_shows_task(task, hold);
            assert_eq!(desk.stage(), Some(Stage::Interrupted), "{reason:?} {task:?}");
            let asked = desk.take_actions();
            let pings = asked.iter().filter(|action| matches!(action, Action::CreatePing { .. })).count();
            assert_eq!(pings, 1, "{asked:?}");
        }
    }
}

/// The customer was put on hold by the agent, or by the transfer that brought them there. Unless a callback reported
/// that the leg hung up, the transfer may have taken it away.
#[test]
fn a_held_customer_is_recovered_if_the_leg_hangs_up_after_a_cold_transfer() {
    for (reason, lost) in [(GracefulReason::ColdTransfer, true), (GracefulReason::WarmTransfer, false)] {
        let mut desk = Desk::talking();
        desk.graceful(reason);
        desk.modify(1, CUSTOMER, true, true);
        desk.now = desk.now + Millis(500);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.take_actions();
        desk.transfer_poll_shows(alone(TaskState::Wraps, true));
        assert_eq!(desk.stage().is_some(), lost, "{reason:?}");
    }
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::ColdTransfer);
    let look = Action::PollConference {
        conference: conference(1),
        customer: Some(leg(CUSTOMER)),
        queued: None,
        handed_over: None,
    };
    let at = desk.watch.remove(&conference(1)).expect("the call is watched");
    desk.now = desk.now.max(at);
    desk.handle(Event::Timer { conference: conference(1), timer: Timer::Watchdog });
    assert_eq!(desk.take_actions(), [look.clone()]);
    desk.finish(look, Outcome::Polled(Box::new(alone(TaskState::Wraps, true))));
    desk.take_actions();
    desk.transfer_poll_shows(alone(TaskState::Wraps, true));
    assert!(desk.stage().is_none());
}

/// The leg has left just now, after a refused transfer: a mark may be in flight, as after any leave.
#[test]
fn a_hang_up_after_a_refused_transfer_has_the_grace_period_for_a_mark() {
    for says_so in [true, false] {
        let mut desk = Desk::talking();
        desk.graceful(GracefulReason::ColdTransfer);
        desk.now = desk.now + Millis(500);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.take_actions();
        desk.now = desk.now + Millis(100);
        desk.transfer_poll_shows(alone(TaskState::Wraps, false));
        let asked = desk.take_actions();
        assert!(asked.is_empty(), "no ping and no announcement during the grace period: {asked:?}");
        if says_so {
            desk.graceful(GracefulReason::HangUp);
            assert_eq!(desk.stage(), Some(Stage::Graceful));
        } else {
            desk.fire(1, Timer::Grace);
            assert_eq!(desk.stage(), Some(Stage::Interrupted));
            assert!(desk.take_actions().iter().any(|action| matches!(action, Action::CreatePing { .. })));
        }
    }
}

/// A supervisor listens, muted.
#[test]
fn a_customer_with_only_a_muted_listener_after_a_transfer_is_polled() {
    for (flags, asked) in [
        (ParticipantFlags { muted: true, ..ParticipantFlags::default() }, true),
        (ParticipantFlags::default(), false),
    ] {
        let mut desk = Desk::talking();
        desk.graceful(GracefulReason::ColdTransfer);
        desk.callback(1, rejoin_recovery::ConferenceEventKind::Join { leg: leg(0x77), flags });
        desk.now = desk.now + Millis::seconds(12);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        assert_eq!(desk.take_actions().contains(&transfer_poll()), asked);
    }
}

#[test]
fn a_transfer_that_goes_on_is_left_alone_and_polled_every_five_minutes() {
    for (task, hold) in [(TaskState::Open, true), (TaskState::Open, false), (TaskState::Wraps, true)] {
        let mut desk = handed_over(LeaveReason::UpdatedViaApi);
        desk.poll_shows_task(task, hold);
        assert!(desk.stage().is_none() && desk.take_actions().is_empty(), "{task:?}");
        // The transfer is polled again when nothing was heard for a while.
        let since = desk.now;
        while desk.actions.is_empty() {
            let at = desk.watch.remove(&conference(1)).expect("the call is watched");
            desk.now = desk.now.max(at);
            desk.handle(Event::Timer { conference: conference(1), timer: Timer::Watchdog });
        }
        assert_eq!(desk.take_actions(), [transfer_poll()]);
        assert_eq!(desk.now - since, Millis::seconds(300));
    }
}

/// The customer was on hold before, and no server ran when the leg left. What the log does not show may have happened.
#[test]
fn a_held_customer_is_recovered_if_the_task_log_shows_no_transfer() {
    let line = |what, at: Option<u64>| Logged { what, at: at.map(Millis) };
    let took = |at| line(LoggedWhat::Accepted(reservation_of(ADA, 1)), at);
    let wraps = |worker| line(LoggedWhat::Wraps(reservation_of(worker, 1)), Some(500));
    let transfer = |at| line(LoggedWhat::Transferred, at);
    for (lost, log, why) in [
        (true, vec![took(Some(100)), wraps(ADA)], "no transfer"),
        (true, vec![wraps(ADA), took(Some(100))], "no transfer, in any order"),
        (
            true,
            vec![transfer(Some(99)), took(Some(100)), wraps(ADA)],
            "the transfer by which Ada got the customer",
        ),
        (false, vec![took(Some(100)), transfer(Some(499)), wraps(ADA)], "Ada's transfer"),
        (false, vec![transfer(Some(100)), took(Some(100)), wraps(ADA)], "a transfer in the same instant"),
        (false, vec![took(Some(100)), transfer(None), wraps(ADA)], "a transfer at an unknown time"),
        (false, vec![took(Some(100))], "no wrap-up in the log yet"),
        (false, vec![wraps(ADA)], "no acceptance in the log"),
        (false, vec![took(None), wraps(ADA)], "an acceptance at an unknown time"),
        (false, vec![took(Some(100)), wraps(BO)], "the wrap-up of another agent"),
        (false, vec![], "an empty log"),
    ] {
        let mut desk = handed_over(LeaveReason::UpdatedViaApi);
        desk.fire(1, Timer::LeftAlone);
        assert_eq!(desk.take_actions(), [transfer_poll()]);
        desk.transfer_poll_shows(PollAnswer { log, ..alone(TaskState::Wraps, true) });
        assert_eq!(desk.stage(), lost.then_some(Stage::Interrupted), "{why}");
    }
}

/// Bo takes the customer over, asks for a transfer that Twilio refuses, and is gone: polls show that, as no callback arrives. A
/// poll that shows both legs may be older than Ada's leave.
#[test]
fn a_colleague_whom_only_polls_have_shown_left_after_the_agent_who_handed_over() {
    let there = |legs: &[u128]| {
        let flags = legs.iter().map(|who| (leg(*who), ParticipantFlags::default()));
        PollAnswer { participants: flags.collect(), on_line: Some(true), ..PollAnswer::default() }
    };
    let line = |what, at| Logged { what, at: Some(Millis(at)) };
    let bos = |what: fn(ReservationSid) -> LoggedWhat, at| line(what(reservation_of(BO, 1)), at);
    for shows_ada in [false, true] {
        let mut desk = handed_over(LeaveReason::UpdatedViaApi);
        desk.register_polled(1, BO, 0xb1, 5);
        if shows_ada {
            desk.poll_shows(there(&[CUSTOMER, ADA_LEG, 0xb1]));
            desk.poll_shows(there(&[CUSTOMER, 0xb1]));
        }
        desk.graceful_of(BO, GracefulReason::ColdTransfer);
        desk.poll_shows(alone(TaskState::Wraps, true));
        desk.fire(1, Timer::LeftAlone);
        let log = vec![
            line(LoggedWhat::Transferred, 99),
            bos(LoggedWhat::Accepted, 100),
            bos(LoggedWhat::Wraps, 500),
        ];
        desk.transfer_poll_shows(PollAnswer { log, ..alone(TaskState::Wraps, true) });
        let bo = (!shows_ada).then_some(Stage::Interrupted);
        assert_eq!((desk.stage_of(BO), desk.stage_of(ADA)), (bo, None), "{shows_ada}");
    }
}

/// Polls have shown two agents after the leave of a third one, and both are gone without a callback.
#[test]
fn of_two_agents_whom_only_polls_have_shown_the_one_shown_last_left_last() {
    for (first, second) in [((BO, 0xb1), (CY, 0xc9)), ((CY, 0xc9), (BO, 0xb1))] {
        let mut desk = handed_over(LeaveReason::UpdatedViaApi);
        desk.register_polled(1, first.0, first.1, 5);
        desk.register_polled(1, second.0, second.1, 6);
        let there = [CUSTOMER, second.1].map(|who| (leg(who), ParticipantFlags::default())).into();
        desk.poll_shows(PollAnswer { participants: there, on_line: Some(true), ..PollAnswer::default() });
        desk.poll_shows(alone(TaskState::Wraps, false));
        let roster = &desk.machine.call(&conference(1)).unwrap().facts.roster;
        assert_eq!(roster.last_to_leave().map(|(leg, _)| leg.clone()), Some(leg(second.1)));
    }
}

#[test]
fn a_leg_that_hangs_up_after_a_transfer_mark_is_polled_at_once() {
    assert_eq!(handed_over(LeaveReason::HungUp).take_actions(), [transfer_poll()]);
    assert!(handed_over(LeaveReason::UpdatedViaApi).take_actions().is_empty());
}

/// The agent's next page says hello while the poll is in flight.
#[test]
fn a_transfer_poll_is_repeated_when_an_event_arrived_meanwhile() {
    let mut desk = handed_over(LeaveReason::UpdatedViaApi);
    desk.fire(1, Timer::LeftAlone);
    desk.now = desk.now + Millis(100);
    desk.hello(9, true, false);
    assert_eq!(desk.take_actions(), [transfer_poll()]);
    desk.transfer_poll_shows(alone(TaskState::Wraps, false));
    assert_eq!(desk.take_actions(), [transfer_poll()]);
    desk.transfer_poll_shows(alone(TaskState::Wraps, false));
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

#[test]
fn an_agent_who_completes_the_task_on_the_call_after_a_transfer_is_not_lost() {
    // Ada's leg is still there 3 s after the transfer mark, or it has left before.
    for (stays, let_go) in [(true, true), (false, false)] {
        let mut desk = Desk::talking();
        desk.graceful(GracefulReason::ColdTransfer);
        if !stays {
            desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
        }
        desk.now = desk.now + Millis::seconds(3);
        desk.graceful(GracefulReason::Complete);
        if stays {
            desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        }
        desk.poll_shows_task(TaskState::Over, false);
        assert_eq!(desk.stage().is_none(), let_go);
        if let_go {
            desk.fire(1, Timer::LeftAlone);
            assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
        }
    }
}

/// Twilio may have refused the transfer, which is not reported to us. A transfer would have moved the leg.
#[test]
fn a_complete_mark_right_after_a_transfer_mark_counts_if_the_leg_hangs_up() {
    use GracefulReason::{ColdTransfer, Complete};
    for (reason, on_call, let_go) in [
        (LeaveReason::HungUp, true, true),
        (LeaveReason::UpdatedViaApi, true, false),
        // Ada wraps up after the leave.
        (LeaveReason::HungUp, false, false),
    ] {
        let mut desk = Desk::talking();
        desk.graceful(ColdTransfer);
        desk.now = desk.now + Millis(500);
        if on_call {
            desk.graceful(Complete);
            desk.leave(1, ADA_LEG, reason);
        } else {
            desk.leave(1, ADA_LEG, reason);
            desk.graceful(Complete);
        }
        desk.poll_shows_task(TaskState::Over, false);
        assert_eq!(desk.stage().is_none(), let_go, "{reason:?} {on_call}");
        if let_go {
            desk.fire(1, Timer::LeftAlone);
            assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
        }
    }
}

#[test]
fn a_hang_up_mark_in_the_task_counts_after_a_refused_transfer() {
    let hung_up = marked_attributes(ADA, EPOCH, 3, GracefulReason::HangUp).to_string();
    for (attributes, lost) in [(Some(hung_up), false), (Some("{}".into()), true), (None, true)] {
        let mut desk = handed_over(LeaveReason::HungUp);
        desk.poll_shows_task_with(TaskState::Wraps, false, attributes);
        assert_eq!(desk.stage().is_some(), lost);
        if !lost {
            desk.fire(1, Timer::LeftAlone);
            assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
        }
    }
}

/// Bo has taken the customer, and Bo's leg, which no page has registered, has left or stands.
fn taken_by_bo(gone: bool) -> Desk {
    let mut desk = handed_over(LeaveReason::UpdatedViaApi);
    desk.join(1, 0xb1, false);
    if gone {
        desk.leave(1, 0xb1, LeaveReason::HungUp);
        assert_eq!(desk.take_actions(), [transfer_poll()]);
    }
    assert!(desk.take_actions().is_empty());
    desk
}

/// Bo's page is gone, and none follows, as when Bo signs out while the call rings. The customer is still on hold.
#[test]
fn an_unregistered_colleague_is_lost_by_the_only_other_wrapping_reservation() {
    let wraps = |worker: u128| Holder {
        worker: WorkerSid::numbered(worker),
        name: "Bo".into(),
        reservation: reservation_of(worker, 1),
    };
    for (wrapping, lost) in [
        (vec![wraps(ADA), wraps(BO)], true),
        (vec![wraps(BO)], true),
        (vec![wraps(ADA)], false),
        // The leg may be Bo's or Cy's.
        (vec![wraps(BO), wraps(CY)], false),
    ] {
        let mut desk = handed_over(LeaveReason::UpdatedViaApi);
        desk.join(1, 0xb1, false);
        desk.leave(1, 0xb1, LeaveReason::HungUp);
        assert_eq!(desk.take_actions(), [transfer_poll()]);
        desk.transfer_poll_shows(PollAnswer { wrapping, ..alone(TaskState::Wraps, true) });
        assert_eq!(desk.stage_of(BO), lost.then_some(Stage::Interrupted));
        assert!(desk.stage().is_none());
    }
    // Another leg was there, and left before the hand-over.
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.graceful(GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert!(desk.take_actions().is_empty());
    desk.fire(1, Timer::LeftAlone);
    desk.take_actions();
    desk.transfer_poll_shows(PollAnswer { wrapping: vec![wraps(BO)], ..alone(TaskState::Wraps, true) });
    assert!(desk.stage_of(BO).is_none());
}

/// A program, and no transfer, removed Ada's leg. No colleague took the customer over.
#[test]
fn the_task_is_not_asked_for_a_transfer_that_nothing_shows() {
    let listener_before = |desk: &mut Desk| {
        desk.join(1, 0xb1, false);
        desk.leave(1, 0xb1, LeaveReason::HungUp);
        desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    };
    let other_removed_after = |desk: &mut Desk| {
        desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
        desk.join(1, 0xb1, false);
        desk.leave(1, 0xb1, LeaveReason::UpdatedViaApi);
    };
    let stories: [fn(&mut Desk); 2] = [listener_before, other_removed_after];
    for story in stories {
        let mut desk = Desk::talking();
        story(&mut desk);
        assert_eq!(desk.take_actions(), []);
        desk.now = desk.watch[&conference(1)];
        desk.handle(Event::Timer { conference: conference(1), timer: Timer::Watchdog });
        let asked = desk.take_actions();
        assert!(matches!(asked[..], [Action::PollConference { handed_over: None, .. }]), "{asked:?}");
    }
}

/// Neither page could send anything: their tokens are refused.
#[test]
fn an_agent_lost_after_an_unmarked_transfer_is_found_by_reservation() {
    let gone = |reason| {
        let mut desk = Desk::talking();
        desk.leave(1, ADA_LEG, reason);
        desk.take_actions();
        desk.join(1, 0xb1, false);
        desk.leave(1, 0xb1, LeaveReason::HungUp);
        desk
    };
    let mut desk = gone(LeaveReason::UpdatedViaApi);
    assert_eq!(desk.take_actions(), [transfer_poll()]);
    let wraps =
        Holder { worker: WorkerSid::numbered(BO), name: "Bo".into(), reservation: reservation_of(BO, 1) };
    desk.transfer_poll_shows(PollAnswer { wrapping: vec![wraps], ..alone(TaskState::Wraps, true) });
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    assert_eq!(desk.stage_of(ADA), None);
    // A program has removed that leg, too.
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.join(1, 0xb1, false);
    desk.leave(1, 0xb1, LeaveReason::UpdatedViaApi);
    assert_eq!(desk.take_actions(), []);
    // After an end for all no poll is made.
    let mut desk = gone(LeaveReason::ConferenceEndedViaApi);
    assert_eq!(desk.take_actions(), []);
}

/// Bo hangs up right after joining, before Bo's page has registered.
#[test]
fn an_unregistered_colleague_who_marks_a_hang_up_is_not_lost() {
    let mut desk = taken_by_bo(false);
    desk.graceful_of(BO, GracefulReason::HangUp);
    let (find, owned) = owners(1);
    assert_eq!(desk.take_actions(), std::slice::from_ref(&find));
    desk.finish(find, owned);
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
    assert!(desk.stage().is_none() && desk.stage_of(BO).is_none());
    // Bo's next page finds the reservation wrapping up.
    desk.hello_of(BO, 9, true, false, false);
    assert!(desk.stage_of(BO).is_none());
}

/// Bo took the call from Cy and has left it to Ada, and Bo's page had no time to register. Bo's mark arrives late, when
/// Ada has handed the customer over in turn.
#[test]
fn the_late_mark_of_an_unregistered_colleague_does_not_end_a_later_transfer() {
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.graceful(GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.now = desk.now + Millis(500);
    desk.graceful_of(BO, GracefulReason::HangUp);
    let (find, owned) = owners(1);
    desk.finish(find, owned);
    desk.take_actions();
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [transfer_poll()]);
}

/// Ada, who handed the customer over to Bo, never registered, and a listener was on the call.
#[test]
fn a_listener_who_leaves_last_is_not_taken_for_an_unregistered_agent() {
    let mut desk = Desk::new();
    desk.join(1, CUSTOMER, true);
    desk.join(1, ADA_LEG, false);
    let (find, owned) = owners(1);
    desk.graceful_of(ADA, GracefulReason::ColdTransfer);
    desk.finish(find, owned);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, 1);
    desk.join(1, 0xe1, false);
    desk.now = desk.now + Millis::seconds(10);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.leave(1, 0xe1, LeaveReason::HungUp);
    desk.take_actions();
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
}

/// No server ran when callbacks reported Bo's leg.
#[test]
fn a_colleague_without_a_reported_leg_is_lost_by_the_wrapping_reservation() {
    let wraps = |worker: u128| Holder {
        worker: WorkerSid::numbered(worker),
        name: "Bo".into(),
        reservation: reservation_of(worker, 1),
    };
    for (wrapping, lost) in
        [(vec![wraps(ADA), wraps(BO)], true), (vec![wraps(ADA)], false), (vec![wraps(BO), wraps(CY)], false)]
    {
        let mut desk = handed_over(LeaveReason::UpdatedViaApi);
        desk.fire(1, Timer::LeftAlone);
        assert_eq!(desk.take_actions(), [transfer_poll()]);
        desk.transfer_poll_shows(PollAnswer { wrapping, ..alone(TaskState::Wraps, true) });
        assert_eq!(desk.stage_of(BO), lost.then_some(Stage::Interrupted));
        assert!(desk.stage().is_none());
        if lost {
            desk.fire(1, Timer::Grace);
            let asked = desk.finish_all();
            assert!(asked.iter().any(|action| matches!(action, Action::CreatePing { .. })), "{asked:?}");
            desk.hello_of(BO, 9, true, false, false);
            assert_eq!(desk.stage_of(BO), Some(Stage::Requeueing));
        }
    }
}

#[test]
fn an_unregistered_colleague_who_refreshes_is_recovered_by_the_hello() {
    let mut desk = taken_by_bo(true);
    desk.hello_of(BO, 9, true, false, false);
    let (find, owned) = owners(1);
    assert_eq!(desk.take_actions(), std::slice::from_ref(&find));
    desk.finish(find, owned);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    desk.fire(1, Timer::Grace);
    let mut asked = desk.finish_all();
    asked.extend(desk.take_actions());
    let to_bo = |action: &Action| matches!(action, Action::Requeue { target: Some(worker), .. } if *worker == WorkerSid::numbered(BO));
    assert!(asked.iter().any(to_bo), "{asked:?}");
}

/// Bo hands the customer over in turn, TaskRouter refuses it, and Bo's page goes before it has registered.
#[test]
fn an_unregistered_colleague_whose_transfer_is_refused_is_lost() {
    let (find, owned) = owners(1);
    let gone = |reason| {
        let mut desk = taken_by_bo(false);
        desk.graceful_of(BO, GracefulReason::ColdTransfer);
        assert_eq!(desk.take_actions(), std::slice::from_ref(&find));
        desk.finish(find.clone(), owned.clone());
        desk.leave(1, 0xb1, reason);
        assert_eq!(desk.take_actions().is_empty(), reason != LeaveReason::HungUp);
        desk
    };
    let mut desk = gone(LeaveReason::HungUp);
    let wraps =
        Holder { worker: WorkerSid::numbered(BO), name: "Bo".into(), reservation: reservation_of(BO, 1) };
    desk.transfer_poll_shows(PollAnswer { wrapping: vec![wraps], ..alone(TaskState::Wraps, true) });
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    // Bo's next page says hello.
    let mut desk = gone(LeaveReason::HungUp);
    desk.hello_of(BO, 9, true, false, false);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    // A transfer has taken Bo's leg away.
    let mut desk = gone(LeaveReason::UpdatedViaApi);
    desk.hello_of(BO, 9, true, false, false);
    assert_eq!(desk.stage_of(BO), None);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [transfer_poll()], "the next agent is awaited");
}

#[test]
fn a_hello_about_a_foreign_or_marked_reservation_loses_no_agent() {
    // The reservation is Cy's.
    let mut desk = taken_by_bo(true);
    let holding = |worker| Holding {
        task: TaskSid::numbered(1),
        reservation: reservation_of(worker, 1),
        wrapping: true,
        can_join: false,
        other_browser: false,
    };
    let hello = Hello { epoch: 9, holdings: vec![holding(CY)], unavailable: false, accepts_ping: false };
    desk.handle(Event::Hello { worker: WorkerSid::numbered(BO), hello, older_page_connected: false });
    let (find, owned) = owners(1);
    desk.finish(find, owned);
    assert!(desk.stage_of(BO).is_none() && desk.stage_of(CY).is_none());
    // Bo has marked a hang-up.
    let mut desk = taken_by_bo(true);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.hello_of(BO, 9, true, false, false);
    let (find, owned) = owners(1);
    desk.finish(find, owned);
    assert!(desk.stage_of(BO).is_none());
}

#[test]
fn a_present_unregistered_leg_is_neither_removed_nor_lost_by_a_hello() {
    let mut desk = taken_by_bo(false);
    desk.hello_of(BO, 9, false, false, false);
    let (find, owned) = owners(1);
    desk.finish(find, owned);
    desk.hello_of(BO, 10, false, false, false);
    let removes = |action: &Action| matches!(action, Action::RemoveLeg { .. });
    assert!(!desk.finish_all().iter().any(removes) && desk.stage_of(BO).is_none());
}

/// The page wrote the mark into the task, or the mark comes late: the departure looked like a loss at first.
#[test]
fn a_late_mark_of_a_refused_transfer_leads_to_a_recovery_after_all() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.graceful(GracefulReason::ColdTransfer);
    assert_eq!(desk.stage(), Some(Stage::Graceful));
    desk.poll_shows_task(TaskState::Over, false);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    let ends = |action: &Action| matches!(action, Action::EndConference { .. });
    assert!(!desk.take_actions().iter().any(ends));
}

/// The mark stays in the task after it was refuted.
#[test]
fn a_refused_transfer_mark_in_the_task_is_not_applied_again() {
    let said = marked_attributes(ADA, EPOCH, 2, GracefulReason::ColdTransfer);
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.read(&said);
    assert_eq!(desk.stage(), Some(Stage::Graceful));
    desk.poll_shows_task(TaskState::Over, false);
    desk.take_actions();
    desk.read(&said);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    // The same when the conference has ended with Ada's leg.
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.end(1);
    desk.read(&said);
    desk.fire(1, Timer::Grace);
    desk.take_actions();
    desk.read(&said);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

/// The transfer was refused, and the agent's leg leaves with the exit flag that another plugin has set.
#[test]
fn a_conference_that_ends_with_the_agents_leg_refutes_a_transfer_mark() {
    for reason in [GracefulReason::ColdTransfer, GracefulReason::WarmTransfer] {
        let mut desk = Desk::talking();
        desk.graceful(reason);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
        desk.end(1);
        desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
        assert_eq!(desk.machine.answer_to_action_url(desk.now, &leg(CUSTOMER)), Next::Wait, "{reason:?}");
        desk.fire(1, Timer::Grace);
        desk.finish_all();
        let again = Next::Requeue(recovery());
        assert_eq!(desk.machine.answer_to_action_url(desk.now, &leg(CUSTOMER)), again, "{reason:?}");
    }
}

/// Bo's mark is later than Ada's transfer, but Bo's leg had left before Ada's: the transfer was refused.
#[test]
fn a_colleague_gone_before_the_agents_leg_has_not_taken_the_customer_over() {
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, 9);
    desk.graceful(GracefulReason::ColdTransfer);
    desk.now = desk.now + Millis::seconds(1);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.end(1);
    desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

/// No callbacks arrive. The conference ends with Ada's leg although Ada had marked a transfer: it was refused, unless Bo
/// may have taken the customer over since.
#[test]
fn a_transfer_before_an_unreported_end_counts_only_if_a_colleague_may_have_taken_it() {
    type Step = fn(&mut Desk);
    let goes: Step = |desk| desk.goodbye(BO, EPOCH);
    let marks: Step = |desk| desk.graceful_of(BO, GracefulReason::HangUp);
    let stays: Step = |_| {};
    let cases = [
        (stays, stays, 1, false),
        (marks, stays, 1, true),
        (stays, marks, 0, true), // taking a customer over takes time
        (stays, marks, 1, false),
        (goes, stays, 1, true),
        (stays, goes, 0, true),
        (stays, goes, 1, false),
    ];
    for (number, (before, after, later, lost)) in cases.into_iter().enumerate() {
        let mut desk = Desk::new();
        for (worker, worker_leg) in [(ADA, ADA_LEG), (BO, 0x91)] {
            desk.register_polled(1, worker, worker_leg, EPOCH);
        }
        before(&mut desk);
        desk.now = desk.now + Millis::seconds(2);
        desk.graceful(GracefulReason::ColdTransfer);
        desk.now = desk.now + Millis(later);
        after(&mut desk);
        desk.take_actions();
        desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
        desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
        let is_poll = |action: &Action| matches!(action, Action::PollConference { .. });
        let asked = desk.take_actions().into_iter().find(is_poll).expect("a poll");
        desk.finish(
            asked,
            Outcome::Polled(Box::new(PollAnswer { on_line: Some(true), ..PollAnswer::default() })),
        );
        assert_eq!(desk.stage() == Some(Stage::Interrupted), lost, "{number}");
    }
}

#[test]
fn a_conference_that_ends_with_the_colleagues_marked_hang_up_is_over() {
    let mut desk = taken_by_bo(false);
    desk.register(1, BO, 0xb1, 9);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.end(1);
    desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
    assert_eq!(desk.machine.answer_to_action_url(desk.now, &leg(CUSTOMER)), Next::Over);
}

/// Callbacks are out of order, or lost.
#[test]
fn a_colleagues_hang_up_mark_confirms_the_hand_over_without_callbacks() {
    for registers in [true, false] {
        let mut desk = Desk::talking();
        desk.graceful(GracefulReason::ColdTransfer);
        desk.now = desk.now + Millis::seconds(4);
        if registers {
            desk.register_polled(1, BO, 0xb1, 9);
        }
        desk.graceful_of(BO, GracefulReason::HangUp);
        if !registers {
            let (find, owned) = owners(1);
            desk.finish(find, owned);
        }
        desk.take_actions();
        // Bo's leave is not reported. The end of the conference is.
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
        desk.end(1);
        desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
        assert!(!desk.has_timer(Timer::Grace) && desk.stage().is_none(), "{registers}");
    }
}

/// A callback reports that Ada hung up, and none has reported Bo's leg. A transfer would have taken Ada's leg away.
#[test]
fn a_reported_hang_up_after_a_transfer_mark_refutes_it_beside_an_unreported_colleague() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.now = desk.now + Millis::seconds(4);
    desk.register_polled(1, BO, 0xb1, 9);
    desk.take_actions();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.end(1);
    desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

/// The leg may hang up by itself when the transfer is refused.
#[test]
fn an_exit_flag_is_undone_after_a_transfer_mark_not_a_hang_up_mark() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.modify(1, ADA_LEG, true, false);
    let keep = Action::ClearExitFlag { conference: conference(1), leg: leg(ADA_LEG) };
    assert_eq!(desk.take_actions(), [keep]);
    // After a hang-up mark the agent means to end the conference.
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.modify(1, ADA_LEG, true, false);
    assert!(desk.take_actions().is_empty());
}

/// Ada has marked a transfer, and is still on the call so long after.
fn stays_after_transfer_mark(time: Millis) -> Desk {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.now = desk.now + time;
    desk
}

#[test]
fn a_goodbye_two_seconds_after_a_transfer_mark_starts_an_absence() {
    let mut desk = stays_after_transfer_mark(Millis(2001));
    desk.goodbye(ADA, EPOCH);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    // Twilio may still be taking Ada's leg away.
    let mut desk = stays_after_transfer_mark(Millis(2000));
    desk.goodbye(ADA, EPOCH);
    assert_eq!(desk.stage(), None);
    // The next page finds out.
    desk.now = desk.now + Millis::seconds(2);
    desk.hello_in_place(2);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
}

/// Nothing else reports that the page is gone.
#[test]
fn a_goodbye_right_after_a_transfer_mark_counts_later_if_the_leg_stays() {
    let mut desk = stays_after_transfer_mark(Millis(700));
    desk.goodbye(ADA, EPOCH);
    assert_eq!(desk.stage(), None);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    // Twilio has taken Ada's leg away.
    let mut desk = stays_after_transfer_mark(Millis(700));
    desk.goodbye(ADA, EPOCH);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!((desk.stage(), desk.take_actions()), (None, vec![transfer_poll()]));
}

/// The next page is there before Twilio has had its time.
#[test]
fn a_hello_right_after_a_transfer_mark_joins_later_if_the_leg_stays() {
    let mut desk = stays_after_transfer_mark(Millis(300));
    desk.goodbye(ADA, EPOCH);
    desk.now = desk.now + Millis(1_650);
    desk.hello_in_place(2);
    assert!(
        desk.stage().is_none() && desk.take_actions().is_empty(),
        "Twilio may still be taking the leg away"
    );
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
    // The first page sent no goodbye.
    let mut desk = stays_after_transfer_mark(Millis(1_900));
    desk.hello_in_place(2);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
    // Twilio has taken Ada's leg away.
    let mut desk = stays_after_transfer_mark(Millis(300));
    desk.hello_in_place(2);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(desk.take_actions(), [transfer_poll()]);
}

#[test]
fn a_hello_beside_an_older_page_does_not_refute_a_transfer_mark() {
    let mut desk = stays_after_transfer_mark(Millis::seconds(3));
    desk.hello(2, false, true);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage(), None);
}

#[test]
fn a_hang_up_mark_counts_when_the_leg_leaves_five_seconds_later() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.now = desk.now + Millis::seconds(5);
    desk.goodbye(ADA, EPOCH);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage(), None);
}

/// Twilio answers nothing until it has deleted the task, five minutes after Bo, who took it, was lost and wrapped up.
/// The pages of `registers` claim all along that the leg is theirs.
fn deleted_after_a_transfer(registers: &[u128]) -> Desk {
    let mut desk = handed_over(LeaveReason::UpdatedViaApi);
    desk.take_actions();
    desk.join(1, 0xb1, false);
    for worker in registers {
        let registration = Registration {
            id: None,
            epoch: 1,
            task: TaskSid::numbered(1),
            reservation: reservation_of(*worker, 1),
            workflow: WorkflowSid::numbered(1),
            queue: None,
            conference: conference(1),
            worker_leg: leg(0xb1),
            customer_leg: leg(CUSTOMER),
            worker_name: "Bo".into(),
            answers_messages: false,
        };
        desk.handle(Event::Registered { worker: WorkerSid::numbered(*worker), registration });
    }
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    let (find, _) = owners(1);
    desk.finish(find, Outcome::Gone);
    assert!(
        !desk.has_timer(Timer::Owners),
        "Twilio will never name the owners, so the query is not repeated"
    );
    desk.take_actions();
    desk.transfer_poll_shows(alone(TaskState::Over, true));
    desk
}

#[test]
fn a_taker_known_only_by_registration_is_lost_when_the_task_is_deleted() {
    let desk = deleted_after_a_transfer(&[BO]);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    assert_eq!(desk.stage_of(ADA), None, "Ada handed the customer over");
}

#[test]
fn two_workers_who_claim_the_leg_of_a_deleted_task_are_both_ignored() {
    let desk = deleted_after_a_transfer(&[BO, CY]);
    assert_eq!((desk.stage_of(BO), desk.stage_of(CY)), (None, None));
    assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted), "a known limit: no other agent is known");
}

/// No server ran while Bo took the transfer and was lost: no callback and no poll has shown the leg that Bo's page
/// registers. Twilio confirms that the reservation is Bo's.
#[test]
fn a_taker_with_an_unseen_leg_is_lost_if_a_poll_shows_the_customer_alone() {
    for ada_is_there in [false, true] {
        let mut desk = if ada_is_there { Desk::talking() } else { handed_over(LeaveReason::UpdatedViaApi) };
        desk.take_actions();
        let registration = registration_of(1, BO, 0xb1, 1);
        desk.handle(Event::Registered { worker: WorkerSid::numbered(BO), registration });
        let (find, found) = owners(1);
        desk.finish(find, found);
        desk.fire(1, Timer::LookUp);
        let polls = |action: &Action| matches!(action, Action::PollConference { .. });
        let poll = desk.take_actions().into_iter().find(polls).expect("a poll for the leg");
        let ada = ada_is_there.then_some((leg(ADA_LEG), ParticipantFlags::default()));
        let mut there = alone(TaskState::Open, false);
        there.participants.extend(ada);
        desk.finish(poll, Outcome::Polled(Box::new(there)));
        let lost = (!ada_is_there).then_some(Stage::Interrupted);
        assert_eq!((desk.stage_of(BO), desk.stage_of(ADA)), (lost, None), "{ada_is_there}");
    }
}

/// Bo's page had no time to register. As long as Ada has the customer, Bo is not looked for.
#[test]
fn an_unregistered_colleague_who_left_the_customer_to_an_agent_is_not_looked_for() {
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.take_actions();
    desk.hello_of(BO, 9, true, false, false);
    assert_eq!(desk.take_actions(), []);
}

/// The agent asked for the transfer before they were away, and Twilio refused it; its mark arrives when they are back. A
/// colleague then takes their leg away by Twilio's API, which looks as a transfer does.
#[test]
fn a_customer_alone_after_what_looked_like_a_transfer_is_recovered() {
    for epoch in [1, 2] {
        for (task, hold) in [(TaskState::Wraps, false), (TaskState::Over, false), (TaskState::Over, true)] {
            let mut desk = Desk::away();
            desk.hello_in_place(2);
            desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
            let said = |number| Some(DeliveryId { epoch, number });
            let registration = Registration { id: said(1), ..registration_of(1, ADA, NEXT_LEG, 2) };
            desk.handle(Event::Registered { worker: WorkerSid::numbered(ADA), registration });
            desk.mark(ADA, said(2), GracefulReason::ColdTransfer);
            desk.leave(1, NEXT_LEG, LeaveReason::UpdatedViaApi);
            assert_eq!(desk.stage(), Some(Stage::Graceful), "epoch {epoch} {task:?}");
            desk.take_actions();
            desk.poll_shows_task(task, hold);
            assert_eq!(desk.stage(), Some(Stage::Interrupted), "epoch {epoch} {task:?}");
        }
    }
}

/// The callbacks about the agent and the customer follow one another, as at the end of a conference. It is the customer's leave that
/// ends it, for a third party as well.
#[test]
fn a_customer_who_hangs_up_right_after_a_transfer_is_not_recovered() {
    for (reason, in_place) in [
        (LeaveReason::UpdatedViaApi, true),
        (LeaveReason::HungUp, true),
        (LeaveReason::UpdatedViaApi, false), // at our request: the next page has no call
    ] {
        let mut desk = if in_place { Desk::talking() } else { Desk::without_in_place() };
        desk.join(1, 0x0f, false);
        desk.mark(ADA, Some(DeliveryId { epoch: EPOCH, number: 2 }), GracefulReason::ColdTransfer);
        if !in_place {
            desk.hello(2, false, false);
        }
        desk.leave(1, ADA_LEG, reason);
        desk.leave(1, CUSTOMER, LeaveReason::HungUp);
        desk.leave(1, 0x0f, LeaveReason::ModeratorEnded);
        assert_eq!(desk.stage(), None, "{reason:?}, in place: {in_place}");
    }
}
