//! A leave that nobody tells: status callbacks are not repeated, and the server may have been down.

use crate::desk::*;
use rejoin_protocol::api::{GracefulReason, Stage};
use rejoin_protocol::{Millis, TaskSid};
use rejoin_recovery::{
    Action, ConferenceEvent, ConferenceEventKind, Event, LeaveReason, Outcome, ParticipantFlags, Registered,
    Seen, Timer,
};

/// Ada's next page has found her reservation wrapping; nobody has told that her leg left.
fn missed() -> Desk {
    let mut desk = Desk::talking();
    desk.hello(2, true, false);
    desk
}

/// Ada is there already: she is not looked for, and gets the customer back as soon as what comes first is done.
fn is_put_back(desk: &mut Desk) {
    let first = desk.finish_all();
    let [Action::HoldCustomer { .. }, Action::MarkTask { .. }] = &first[..] else { panic!("{first:?}") };
    assert_eq!(desk.take_actions(), [requeue(Some(ADA))]);
}

#[test]
fn a_leave_that_never_came_is_taken_from_a_wrapping_reservation() {
    let mut desk = missed();
    let before = desk.now;
    assert!(desk.take_actions().is_empty(), "it may only be late");
    desk.fire(1, Timer::Leave);
    assert_eq!(desk.now - before, Millis::seconds(2));
    assert!(!desk.has_timer(Timer::Grace), "a mark would have come by now");
    is_put_back(&mut desk);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.take_actions().is_empty(), "told after all: it is the same loss");
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
}

/// Callbacks come in any order, and each may be late.
#[test]
fn a_leg_that_is_gone_is_not_back_when_it_is_told_late_that_it_came() {
    for (looked, told) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut desk = Desk::new();
        desk.join(1, CUSTOMER, true);
        let (late, sequence) = (ParticipantFlags::default(), desk.sequence + 1);
        desk.sequence = sequence;
        desk.register(1, ADA, ADA_LEG, EPOCH);
        if told {
            desk.callback(1, ConferenceEventKind::Start);
        }
        if looked {
            desk.now = desk.now + Millis::seconds(300);
            desk.handle(Event::Timer { conference: conference(1), timer: Timer::Watch });
            let look = desk.take_actions().remove(0);
            let customer = (leg(CUSTOMER), ParticipantFlags::default());
            let seen = Seen { participants: [customer].into(), on_line: Some(true), ..Seen::default() };
            desk.finish(look, Outcome::Looked(Box::new(seen)));
            desk.fire(1, Timer::Grace);
        } else {
            desk.hello(2, true, false);
            desk.fire(1, Timer::Leave);
        }
        assert!(desk.stage().is_some(), "{looked} {told}");
        desk.take_actions();
        let stage = desk.stage();
        let (kind, owner) = (ConferenceEventKind::Join { leg: leg(ADA_LEG), flags: late }, None);
        let (conference, task) = (conference(1), Some(TaskSid::numbered(1)));
        desk.handle(Event::Conference(ConferenceEvent {
            conference,
            task,
            sequence,
            label: None,
            owner,
            kind,
        }));
        assert_eq!((desk.stage(), desk.take_actions()), (stage, vec![]), "{looked} {told}");
    }
}

#[test]
fn a_leave_that_is_merely_late_wins() {
    let mut desk = missed();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(!desk.has_timer(Timer::Leave));
    desk.fire(1, Timer::Grace);
    is_put_back(&mut desk);

    let mut desk = missed();
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert!(desk.timers.is_empty() && desk.stage().is_none(), "somebody took her off the call");
}

#[test]
fn a_reservation_that_was_left_on_purpose_wraps_up_undisturbed() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.hello(2, true, false);
    assert!(!desk.has_timer(Timer::Leave));

    let mut desk = missed();
    desk.graceful(GracefulReason::HangUp);
    desk.fire(1, Timer::Leave);
    assert!(desk.stage().is_none() && desk.take_actions().is_empty());
}

#[test]
fn more_hellos_do_not_put_it_off() {
    let mut desk = missed();
    let before = desk.now;
    desk.now = desk.now + Millis::seconds(1);
    desk.hello(3, true, false);
    desk.fire(1, Timer::Leave);
    assert_eq!(desk.now - before, Millis::seconds(2));
}

#[test]
fn the_page_that_has_the_call_says_nothing_by_it() {
    let mut desk = Desk::talking();
    desk.hello(EPOCH, true, false);
    assert!(desk.timers.is_empty());
}

#[test]
fn with_another_agent_on_the_call_nothing_is_begun() {
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, 9);
    desk.hello(2, true, false);
    desk.fire(1, Timer::Leave);
    assert!(desk.stage().is_none() && desk.take_actions().is_empty());
}

#[test]
fn a_leg_that_was_left_standing_and_fell_untold_does_not_cost_the_whole_wait() {
    let mut desk = Desk::away();
    let gone = desk.now;
    desk.hello(2, true, false);
    desk.fire(1, Timer::Leave);
    is_put_back(&mut desk);
    assert_eq!(desk.now - gone, Millis::seconds(2));
}

#[test]
fn a_restart_meanwhile_changes_nothing() {
    let mut desk = missed();
    desk.restart();
    desk.fire(1, Timer::Leave);
    desk.restart();
    is_put_back(&mut desk);
}

/// Of Ada's leg nobody has told, and her page has not registered. Twilio says whose the call is, and then who is there.
fn untold(there: &[u128]) -> Desk {
    let mut desk = Desk::new();
    desk.join(1, CUSTOMER, true);
    desk.fire(1, Timer::Learn);
    let learn = Action::Learn { task: TaskSid::numbered(1) };
    assert_eq!(desk.take_actions(), [learn.clone()]);
    let found = Registered {
        workflow: rejoin_protocol::WorkflowSid::numbered(1),
        queue: None,
        customer_leg: Some(leg(CUSTOMER)),
        worker_leg: Some(leg(ADA_LEG)),
        reservation: Some(rejoin_protocol::ReservationSid::numbered(1)),
        worker: Some((rejoin_protocol::WorkerSid::numbered(ADA), "Ada".into())),
        attributes: "{}".into(),
    };
    desk.finish(learn, Outcome::Learnt(Box::new(found)));
    let look = desk.take_actions();
    assert!(matches!(look[..], [Action::Look { .. }]), "{look:?}");
    let participants = there.iter().map(|who| (leg(*who), ParticipantFlags::default())).collect();
    let seen = Seen { participants, on_line: Some(true), ..Seen::default() };
    desk.finish(look[0].clone(), Outcome::Looked(Box::new(seen)));
    desk
}

#[test]
fn an_agent_is_missed_of_whose_leg_nobody_has_ever_told() {
    let mut desk = untold(&[CUSTOMER]);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    let asked = desk.finish_all();
    assert!(asked.iter().any(|action| matches!(action, Action::CreatePing { .. })), "{asked:?}");
    desk.hello(2, true, false);
    assert_eq!(desk.stage(), Some(Stage::Requeueing), "she is back");
}

#[test]
fn an_agent_of_whose_leg_nobody_has_told_is_there_if_twilio_says_so() {
    let mut desk = untold(&[CUSTOMER, ADA_LEG]);
    assert!(desk.take_actions().is_empty() && desk.stage().is_none());
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

/// Nobody has told that Ada was gone when Bo, to whom she had handed the customer over, was lost. The simulation has found it
/// (seed 91925 of `outages`): he was alone for ever.
#[test]
fn who_has_said_that_she_leaves_covers_for_nobody_when_she_is_found_gone() {
    for (there, lost) in [(vec![CUSTOMER], true), (vec![CUSTOMER, ADA_LEG], false)] {
        let mut desk = Desk::talking();
        desk.graceful(GracefulReason::ColdTransfer);
        desk.now = desk.now + Millis::seconds(5);
        desk.register(1, BO, 0xb1, 9);
        desk.finish_all();
        desk.hello_of(BO, 10, true, false, false);
        desk.fire(1, Timer::Leave);
        let look = desk.take_actions();
        assert!(matches!(look[..], [Action::Look { .. }]), "{look:?}");
        let participants = there.iter().map(|who| (leg(*who), ParticipantFlags::default())).collect();
        let seen = Seen { participants, on_line: Some(true), ..Seen::default() };
        desk.finish(look[0].clone(), Outcome::Looked(Box::new(seen)));
        assert_eq!(desk.has_timer(Timer::Grace), lost, "{there:?}");
        assert_eq!(desk.stage_of(BO), lost.then_some(Stage::Interrupted), "{there:?}");
        assert_eq!(desk.stage_of(ADA), None);
    }
}
