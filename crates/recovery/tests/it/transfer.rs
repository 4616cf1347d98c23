//! Transfers that come to nothing: the agent has said that she leaves, and is still there, or nobody takes the customer.

use crate::desk::*;
use rejoin_protocol::api::{GracefulReason, Hello, Holding, Registration, Stage};
use rejoin_protocol::{Millis, TaskSid, WorkerSid, WorkflowSid};
use rejoin_recovery::{
    Action, Event, HandedOver, Holder, LeaveReason, Logged, LoggedWhat, Next, Outcome, ParticipantFlags,
    Seen, Timer,
};

/// Ada has handed the customer over, and is gone for this reason.
fn handed_over(reason: LeaveReason) -> Desk {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.now = desk.now + Millis(500);
    desk.leave(1, ADA_LEG, reason);
    desk
}

impl Desk {
    /// Some time later Twilio is asked, and says that the task stands like this and the customer is alone.
    fn asked_of_transfer(&mut self, task: HandedOver, hold: bool) {
        self.asked_of_task(task, hold, None);
    }

    /// The same, and this is in the task.
    fn asked_of_task(&mut self, task: HandedOver, hold: bool, attributes: Option<String>) {
        self.fire(1, Timer::Orphan);
        assert_eq!(self.take_actions(), [transfer_poll()]);
        self.stands(Seen { attributes, ..alone(task, hold) });
    }

    /// Twilio, which was asked, says this.
    fn stands(&mut self, seen: Seen) {
        self.finish(transfer_poll(), Outcome::Looked(Box::new(seen)));
    }
}

/// The task stands like this, and the customer is alone.
fn alone(task: HandedOver, hold: bool) -> Seen {
    let alone = ParticipantFlags { hold, ..ParticipantFlags::default() };
    let participants = [(leg(CUSTOMER), alone)].into();
    Seen { participants, on_line: Some(true), task: Some(task), ..Seen::default() }
}

#[test]
fn a_customer_whom_nobody_is_asked_to_take_is_brought_back() {
    for reason in [LeaveReason::HungUp, LeaveReason::UpdatedViaApi] {
        for (task, hold) in [(HandedOver::Wraps, false), (HandedOver::Over, false), (HandedOver::Over, true)]
        {
            let mut desk = handed_over(reason);
            desk.asked_of_transfer(task, hold);
            assert_eq!(desk.stage(), Some(Stage::Interrupted), "{reason:?} {task:?}");
            let asked = desk.take_actions();
            let pings = asked.iter().filter(|action| matches!(action, Action::CreatePing { .. })).count();
            assert_eq!(pings, 1, "{asked:?}");
        }
    }
}

/// She had put him on hold before, or a transfer that brought him to her had. Where nobody has told that her leg hung up, it may
/// have been taken away by the transfer.
#[test]
fn a_customer_on_hold_is_brought_back_when_her_leg_hangs_up_which_handed_him_over_cold() {
    for (reason, missed) in [(GracefulReason::ColdTransfer, true), (GracefulReason::WarmTransfer, false)] {
        let mut desk = Desk::talking();
        desk.graceful(reason);
        desk.modify(1, CUSTOMER, true, true);
        desk.now = desk.now + Millis(500);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.take_actions();
        desk.stands(alone(HandedOver::Wraps, true));
        assert_eq!(desk.stage().is_some(), missed, "{reason:?}");
    }
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::ColdTransfer);
    let look = Action::Look {
        conference: conference(1),
        customer: Some(leg(CUSTOMER)),
        queued: None,
        handed_over: None,
    };
    let at = desk.watch.remove(&conference(1)).expect("the call is watched");
    desk.now = desk.now.max(at);
    desk.handle(Event::Timer { conference: conference(1), timer: Timer::Watch });
    assert_eq!(desk.take_actions(), [look.clone()]);
    desk.finish(look, Outcome::Looked(Box::new(alone(HandedOver::Wraps, true))));
    desk.take_actions();
    desk.stands(alone(HandedOver::Wraps, true));
    assert!(desk.stage().is_none());
}

/// Her leg has left just now, after a transfer that was refused: a mark that says so may be on its way, as after any leave.
#[test]
fn who_hangs_up_after_a_refused_transfer_has_the_time_of_a_mark_to_say_so() {
    for says_so in [true, false] {
        let mut desk = Desk::talking();
        desk.graceful(GracefulReason::ColdTransfer);
        desk.now = desk.now + Millis(500);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.take_actions();
        desk.now = desk.now + Millis(100);
        desk.stands(alone(HandedOver::Wraps, false));
        let asked = desk.take_actions();
        assert!(asked.is_empty(), "nobody is looked for, and nothing is said to the customer: {asked:?}");
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

/// A supervisor listens, and nobody hears her.
#[test]
fn a_customer_who_is_alone_with_a_listener_after_a_transfer_is_asked_about() {
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
fn a_customer_whose_transfer_goes_on_is_left_alone() {
    for (task, hold) in [(HandedOver::Waits, true), (HandedOver::Waits, false), (HandedOver::Wraps, true)] {
        let mut desk = handed_over(LeaveReason::UpdatedViaApi);
        desk.asked_of_transfer(task, hold);
        assert!(desk.stage().is_none() && desk.take_actions().is_empty(), "{task:?}");
        // He is asked about again when nothing was heard for a while.
        let since = desk.now;
        while desk.actions.is_empty() {
            let at = desk.watch.remove(&conference(1)).expect("the call is watched");
            desk.now = desk.now.max(at);
            desk.handle(Event::Timer { conference: conference(1), timer: Timer::Watch });
        }
        assert_eq!(desk.take_actions(), [transfer_poll()]);
        assert_eq!(desk.now - since, Millis::seconds(300));
    }
}

/// He was on hold before, and no server was there to hear how her leg left. What the log does not tell it does not deny.
#[test]
fn a_customer_on_hold_is_brought_back_when_taskrouters_log_knows_of_no_transfer_by_her() {
    let line = |what, at: Option<u64>| Logged { what, at: at.map(Millis) };
    let took = |at| line(LoggedWhat::Accepted(reservation_of(ADA, 1)), at);
    let wraps = |worker| line(LoggedWhat::Wraps(reservation_of(worker, 1)), Some(500));
    let transfer = |at| line(LoggedWhat::Transferred, at);
    for (missed, log, why) in [
        (true, vec![took(Some(100)), wraps(ADA)], "none"),
        (true, vec![wraps(ADA), took(Some(100))], "none, in any order"),
        (true, vec![transfer(Some(99)), took(Some(100)), wraps(ADA)], "one by which he came to her"),
        (false, vec![took(Some(100)), transfer(Some(499)), wraps(ADA)], "hers"),
        (false, vec![transfer(Some(100)), took(Some(100)), wraps(ADA)], "in the same instant"),
        (false, vec![took(Some(100)), transfer(None), wraps(ADA)], "nobody knows when"),
        (false, vec![took(Some(100))], "not as far as that"),
        (false, vec![wraps(ADA)], "nobody knows since when"),
        (false, vec![took(None), wraps(ADA)], "nor here"),
        (false, vec![took(Some(100)), wraps(BO)], "of another one"),
        (false, vec![], "empty"),
    ] {
        let mut desk = handed_over(LeaveReason::UpdatedViaApi);
        desk.fire(1, Timer::Orphan);
        assert_eq!(desk.take_actions(), [transfer_poll()]);
        desk.stands(Seen { log, ..alone(HandedOver::Wraps, true) });
        assert_eq!(desk.stage(), missed.then_some(Stage::Interrupted), "{why}");
    }
}

#[test]
fn a_leg_that_hangs_up_was_taken_away_by_no_transfer_and_twilio_is_asked_at_once() {
    assert_eq!(handed_over(LeaveReason::HungUp).take_actions(), [transfer_poll()]);
    assert!(handed_over(LeaveReason::UpdatedViaApi).take_actions().is_empty());
}

/// Her next page says hello in between.
#[test]
fn what_was_asked_of_a_transfer_is_asked_again_when_something_was_heard_meanwhile() {
    let mut desk = handed_over(LeaveReason::UpdatedViaApi);
    desk.fire(1, Timer::Orphan);
    desk.now = desk.now + Millis(100);
    desk.hello(9, true, false);
    assert_eq!(desk.take_actions(), [transfer_poll()]);
    desk.stands(alone(HandedOver::Wraps, false));
    assert_eq!(desk.take_actions(), [transfer_poll()]);
    desk.stands(alone(HandedOver::Wraps, false));
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

#[test]
fn who_completes_the_task_after_a_transfer_was_refused_is_not_missed() {
    // Her leg is there 3 s after she has said that she hands the customer over, or it had gone.
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
        desk.asked_of_transfer(HandedOver::Over, false);
        assert_eq!(desk.stage().is_none(), let_go);
        if let_go {
            desk.fire(1, Timer::Orphan);
            assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
        }
    }
}

/// Twilio may have refused it, and nobody tells us. A transfer would have moved her leg.
#[test]
fn who_completes_the_task_right_after_her_transfer_is_not_missed_if_her_leg_hangs_up_then() {
    use GracefulReason::{ColdTransfer, Complete};
    for (reason, on_call, let_go) in [
        (LeaveReason::HungUp, true, true),
        (LeaveReason::UpdatedViaApi, true, false),
        // She wraps up: her page is gone, or it was told before.
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
        desk.asked_of_transfer(HandedOver::Over, false);
        assert_eq!(desk.stage().is_none(), let_go, "{reason:?} {on_call}");
        if let_go {
            desk.fire(1, Timer::Orphan);
            assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
        }
    }
}

#[test]
fn who_hangs_up_after_a_refused_transfer_and_writes_it_into_the_task_is_not_missed() {
    let hung_up = marked_attributes(ADA, EPOCH, 3, GracefulReason::HangUp).to_string();
    for (attributes, missed) in [(Some(hung_up), false), (Some("{}".into()), true), (None, true)] {
        let mut desk = handed_over(LeaveReason::HungUp);
        desk.asked_of_task(HandedOver::Wraps, false, attributes);
        assert_eq!(desk.stage().is_some(), missed);
        if !missed {
            desk.fire(1, Timer::Orphan);
            assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
        }
    }
}

/// Bo has taken the customer, and his leg is gone or stands.
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

/// His page is gone, and none comes after it, as when he signs out while the call rings. The customer is on hold still.
#[test]
fn a_colleague_who_was_gone_before_registering_is_missed_by_the_reservation_that_wraps_up() {
    let wraps = |worker: u128| Holder {
        worker: WorkerSid::numbered(worker),
        name: "Bo".into(),
        reservation: reservation_of(worker, 1),
    };
    for (wrapping, missed) in [
        (vec![wraps(ADA), wraps(BO)], true),
        (vec![wraps(BO)], true),
        (vec![wraps(ADA)], false),
        // Nobody knows whose the leg was.
        (vec![wraps(BO), wraps(CY)], false),
    ] {
        let mut desk = handed_over(LeaveReason::UpdatedViaApi);
        desk.join(1, 0xb1, false);
        desk.leave(1, 0xb1, LeaveReason::HungUp);
        assert_eq!(desk.take_actions(), [transfer_poll()]);
        desk.stands(Seen { wrapping, ..alone(HandedOver::Wraps, true) });
        assert_eq!(desk.stage_of(BO), missed.then_some(Stage::Interrupted));
        assert!(desk.stage().is_none());
    }
    // Somebody else was there, and had left before the customer was handed over.
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.graceful(GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert!(desk.take_actions().is_empty());
    desk.fire(1, Timer::Orphan);
    desk.take_actions();
    desk.stands(Seen { wrapping: vec![wraps(BO)], ..alone(HandedOver::Wraps, true) });
    assert!(desk.stage_of(BO).is_none());
}

/// Neither page could say anything: no token of theirs is believed.
#[test]
fn whoever_is_lost_after_a_transfer_of_which_no_page_has_told_is_missed() {
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
    desk.stands(Seen { wrapping: vec![wraps], ..alone(HandedOver::Wraps, true) });
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    assert_eq!(desk.stage_of(ADA), None);
    // Who has ended the call for all is not asked for.
    let mut desk = gone(LeaveReason::ConferenceEndedViaApi);
    assert_eq!(desk.take_actions(), []);
}

/// Bo hangs up as soon as he is there, and his page has had no time to register.
#[test]
fn a_colleague_who_leaves_on_purpose_before_registering_leaves_nobody_to_be_missed() {
    let mut desk = taken_by_bo(false);
    desk.graceful_of(BO, GracefulReason::HangUp);
    let (find, owned) = owners(1);
    assert_eq!(desk.take_actions(), std::slice::from_ref(&find));
    desk.finish(find, owned);
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
    assert!(desk.stage().is_none() && desk.stage_of(BO).is_none());
}

/// Ada, who has handed the customer over before Bo, never registered, and somebody listened.
#[test]
fn a_listener_who_goes_last_is_not_taken_for_one_who_never_registered() {
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
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
}

/// No server was there to be told of his leg.
#[test]
fn a_colleague_of_whose_leg_nobody_has_told_is_missed_by_the_reservation_that_wraps_up() {
    let wraps = |worker: u128| Holder {
        worker: WorkerSid::numbered(worker),
        name: "Bo".into(),
        reservation: reservation_of(worker, 1),
    };
    for (wrapping, missed) in
        [(vec![wraps(ADA), wraps(BO)], true), (vec![wraps(ADA)], false), (vec![wraps(BO), wraps(CY)], false)]
    {
        let mut desk = handed_over(LeaveReason::UpdatedViaApi);
        desk.fire(1, Timer::Orphan);
        assert_eq!(desk.take_actions(), [transfer_poll()]);
        desk.stands(Seen { wrapping, ..alone(HandedOver::Wraps, true) });
        assert_eq!(desk.stage_of(BO), missed.then_some(Stage::Interrupted));
        assert!(desk.stage().is_none());
        if missed {
            desk.fire(1, Timer::Grace);
            let asked = desk.finish_all();
            assert!(asked.iter().any(|action| matches!(action, Action::CreatePing { .. })), "{asked:?}");
            desk.hello_of(BO, 9, true, false, false);
            assert_eq!(desk.stage_of(BO), Some(Stage::Requeueing));
        }
    }
}

#[test]
fn a_colleague_who_refreshes_before_registering_is_missed() {
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

/// Bo hands the customer over in turn, which TaskRouter refuses, and his page goes before it has registered.
#[test]
fn a_colleague_whose_transfer_is_refused_before_he_registers_is_missed() {
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
    desk.stands(Seen { wrapping: vec![wraps], ..alone(HandedOver::Wraps, true) });
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    // His next page tells.
    let mut desk = gone(LeaveReason::HungUp);
    desk.hello_of(BO, 9, true, false, false);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    // A transfer has taken him away.
    let mut desk = gone(LeaveReason::UpdatedViaApi);
    desk.hello_of(BO, 9, true, false, false);
    assert_eq!(desk.stage_of(BO), None);
}

#[test]
fn who_was_never_on_the_call_is_not_missed() {
    // The reservation is Cy's.
    let mut desk = taken_by_bo(true);
    let holding = |worker| Holding {
        task: TaskSid::numbered(1),
        reservation: reservation_of(worker, 1),
        wrapping: true,
        can_join: false,
        other_browser: false,
    };
    let hello = Hello { epoch: 9, holdings: vec![holding(CY)], unavailable: false };
    desk.handle(Event::Hello { worker: WorkerSid::numbered(BO), hello, older_page_connected: false });
    let (find, owned) = owners(1);
    desk.finish(find, owned);
    assert!(desk.stage_of(BO).is_none() && desk.stage_of(CY).is_none());
    // He has said that he leaves.
    let mut desk = taken_by_bo(true);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.hello_of(BO, 9, true, false, false);
    let (find, owned) = owners(1);
    desk.finish(find, owned);
    assert!(desk.stage_of(BO).is_none());
}

#[test]
fn somebody_who_is_with_the_customer_is_not_taken_for_an_agent_who_never_registered() {
    let mut desk = taken_by_bo(false);
    desk.hello_of(BO, 9, false, false, false);
    let (find, owned) = owners(1);
    desk.finish(find, owned);
    desk.hello_of(BO, 10, false, false, false);
    let removes = |action: &Action| matches!(action, Action::RemoveLeg { .. });
    assert!(!desk.finish_all().iter().any(removes) && desk.stage_of(BO).is_none());
}

/// Her page wrote the mark into the task, or it comes late: it looked like a loss at first.
#[test]
fn one_who_was_missed_for_a_moment_is_missed_when_her_transfer_was_refused() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.graceful(GracefulReason::ColdTransfer);
    assert_eq!(desk.stage(), Some(Stage::Graceful));
    desk.asked_of_transfer(HandedOver::Over, false);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    let ends = |action: &Action| matches!(action, Action::EndConference { .. });
    assert!(!desk.take_actions().iter().any(ends));
}

/// What is in a task stays there.
#[test]
fn a_refused_transfer_of_which_the_task_tells_does_not_count_again() {
    let said = marked_attributes(ADA, EPOCH, 2, GracefulReason::ColdTransfer);
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.read(&said);
    assert_eq!(desk.stage(), Some(Stage::Graceful));
    desk.asked_of_transfer(HandedOver::Over, false);
    desk.take_actions();
    desk.read(&said);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    // The same when the conference has ended with her leg.
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

/// The transfer was refused, and her leg goes long after it with the flag that another plugin has set.
#[test]
fn a_conference_that_ends_with_a_leg_was_not_handed_over() {
    for reason in [GracefulReason::ColdTransfer, GracefulReason::WarmTransfer] {
        let mut desk = Desk::talking();
        desk.graceful(reason);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
        desk.end(1);
        desk.handle(Event::Released { customer: leg(CUSTOMER) });
        assert_eq!(desk.machine.next(desk.now, &leg(CUSTOMER)), Next::Wait, "{reason:?}");
        desk.fire(1, Timer::Grace);
        desk.finish_all();
        let again = Next::Requeue(recovery());
        assert_eq!(desk.machine.next(desk.now, &leg(CUSTOMER)), again, "{reason:?}");
    }
}

#[test]
fn a_conference_that_ends_with_the_colleague_was_handed_over() {
    let mut desk = taken_by_bo(false);
    desk.register(1, BO, 0xb1, 9);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.end(1);
    desk.handle(Event::Released { customer: leg(CUSTOMER) });
    assert_eq!(desk.machine.next(desk.now, &leg(CUSTOMER)), Next::Over);
}

/// Callbacks overtake each other, or are lost.
#[test]
fn a_conference_that_ends_after_the_colleague_has_left_it_was_handed_over_though_less_is_told() {
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
        // Nobody has told that the legs are gone; that the conference has ended is told.
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
        desk.end(1);
        desk.handle(Event::Released { customer: leg(CUSTOMER) });
        assert!(!desk.has_timer(Timer::Grace) && desk.stage().is_none(), "{registers}");
    }
}

/// Her leg may go by itself when the transfer is refused.
#[test]
fn a_conference_is_kept_while_it_is_handed_over() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.modify(1, ADA_LEG, true, false);
    let keep = Action::KeepConference { conference: conference(1), leg: leg(ADA_LEG) };
    assert_eq!(desk.take_actions(), [keep]);
    // Who hangs up ends it.
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.modify(1, ADA_LEG, true, false);
    assert!(desk.take_actions().is_empty());
}

/// Ada has said that she hands the customer over, and is there so long after.
fn stays(time: Millis) -> Desk {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.now = desk.now + time;
    desk
}

#[test]
fn a_page_that_goes_after_a_refused_transfer_is_missed() {
    let mut desk = stays(Millis(2001));
    desk.goodbye(ADA, EPOCH);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    // Twilio may still be taking her away.
    let mut desk = stays(Millis(2000));
    desk.goodbye(ADA, EPOCH);
    assert_eq!(desk.stage(), None);
    // Its next page finds out.
    desk.now = desk.now + Millis::seconds(2);
    desk.hello_in_place(2);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
}

/// Nobody else tells that she is gone.
#[test]
fn a_page_that_goes_right_after_a_refused_transfer_is_missed_when_twilio_had_its_time() {
    let mut desk = stays(Millis(700));
    desk.goodbye(ADA, EPOCH);
    assert_eq!(desk.stage(), None);
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    // Twilio has taken her away.
    let mut desk = stays(Millis(700));
    desk.goodbye(ADA, EPOCH);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.fire(1, Timer::Orphan);
    assert_eq!((desk.stage(), desk.take_actions()), (None, vec![transfer_poll()]));
}

/// Her next page is there within the time that Twilio has.
#[test]
fn a_next_page_right_after_a_refused_transfer_joins_when_twilio_had_its_time() {
    let mut desk = stays(Millis(300));
    desk.goodbye(ADA, EPOCH);
    desk.now = desk.now + Millis(1_650);
    desk.hello_in_place(2);
    assert!(desk.stage().is_none() && desk.take_actions().is_empty(), "Twilio may still be taking her away");
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
    // Nothing was heard of its end.
    let mut desk = stays(Millis(1_900));
    desk.hello_in_place(2);
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
    // Twilio has taken her away.
    let mut desk = stays(Millis(300));
    desk.hello_in_place(2);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [transfer_poll()]);
}

#[test]
fn another_tab_says_nothing_of_a_transfer() {
    let mut desk = stays(Millis::seconds(3));
    desk.hello(2, false, true);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage(), None);
}

#[test]
fn who_said_that_she_hangs_up_is_not_missed_however_late_her_leg_leaves() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.now = desk.now + Millis::seconds(5);
    desk.goodbye(ADA, EPOCH);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage(), None);
}

/// Twilio answers nothing until it has deleted the task, five minutes after Bo, who took it, was lost and wrapped up. `registers`:
/// whose pages say all along that theirs was the leg.
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
        };
        desk.handle(Event::Registered { worker: WorkerSid::numbered(*worker), registration });
    }
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    let (find, _) = owners(1);
    desk.finish(find, Outcome::Gone);
    assert!(!desk.has_timer(Timer::Owners), "nobody will ever say it: no use in asking each second");
    desk.take_actions();
    desk.stands(alone(HandedOver::Over, true));
    desk
}

#[test]
fn a_taker_known_by_registration_alone_is_missed_when_the_task_is_deleted() {
    let desk = deleted_after_a_transfer(&[BO]);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
    assert_eq!(desk.stage_of(ADA), None, "Ada has handed the customer over");
}

#[test]
fn two_workers_who_claim_the_leg_of_a_deleted_task_are_both_not_believed() {
    let desk = deleted_after_a_transfer(&[BO, CY]);
    assert_eq!((desk.stage_of(BO), desk.stage_of(CY)), (None, None));
    assert_eq!(desk.stage_of(ADA), Some(Stage::Interrupted), "a known limit: nobody else is known");
}

/// No server ran while Bo took the transfer and was lost: no callback has shown the leg that Bo's page registers, nor does a poll.
/// Twilio says that the reservation is Bo's.
#[test]
fn a_taker_whose_leg_nobody_has_ever_seen_is_missed_when_the_customer_is_alone() {
    for ada_is_there in [false, true] {
        let mut desk = if ada_is_there { Desk::talking() } else { handed_over(LeaveReason::UpdatedViaApi) };
        desk.take_actions();
        let registration = registration_of(1, BO, 0xb1, 1);
        desk.handle(Event::Registered { worker: WorkerSid::numbered(BO), registration });
        let (find, found) = owners(1);
        desk.finish(find, found);
        desk.fire(1, Timer::Learn);
        let polls = |action: &Action| matches!(action, Action::Look { .. });
        let poll = desk.take_actions().into_iter().find(polls).expect("the leg is asked for");
        let ada = ada_is_there.then_some((leg(ADA_LEG), ParticipantFlags::default()));
        let mut there = alone(HandedOver::Waits, false);
        there.participants.extend(ada);
        desk.finish(poll, Outcome::Looked(Box::new(there)));
        let missed = (!ada_is_there).then_some(Stage::Interrupted);
        assert_eq!((desk.stage_of(BO), desk.stage_of(ADA)), (missed, None), "{ada_is_there}");
    }
}
