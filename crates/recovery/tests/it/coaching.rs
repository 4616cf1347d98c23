//! Supervisors who coach or barge in. Those who only listen are in `several_agents`.

use crate::desk::*;
use rejoin_protocol::api::Stage;
use rejoin_recovery::{Action, ConferenceEventKind, LeaveReason, ParticipantFlags, Timer};

const COACH: u128 = 0x5e;

/// A supervisor is in the conference. The customer hears them, unless they coach.
fn supervised(coaching: bool) -> Desk {
    let mut desk = Desk::talking();
    let muted = ParticipantFlags { muted: true, ..ParticipantFlags::default() };
    desk.callback(1, ConferenceEventKind::Join { leg: leg(COACH), flags: muted });
    let flags = ParticipantFlags { coaching, ..ParticipantFlags::default() };
    desk.callback(1, ConferenceEventKind::Modify { leg: leg(COACH), flags });
    desk
}

fn coach_instead() -> Action {
    let (coach, before, now) = (leg(COACH), leg(ADA_LEG), leg(NEXT_LEG));
    Action::RetargetCoach { conference: conference(1), coach, before, now }
}

/// Ada refreshes and is back in place.
fn refreshes(desk: &mut Desk) {
    desk.goodbye(ADA, EPOCH);
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
}

#[test]
fn a_coach_goes_on_coaching_the_agent_who_is_back_in_place() {
    let mut desk = supervised(true);
    refreshes(&mut desk);
    assert_eq!(desk.take_actions(), [coach_instead()]);
    assert!(desk.machine.wants(&conference(1), &coach_instead()));
    // The supervisor has stopped coaching meanwhile.
    let flags = ParticipantFlags { muted: true, ..ParticipantFlags::default() };
    desk.callback(1, ConferenceEventKind::Modify { leg: leg(COACH), flags });
    assert!(!desk.machine.wants(&conference(1), &coach_instead()));
}

#[test]
fn a_supervisor_who_barged_in_needs_no_change_after_a_rejoin() {
    let mut desk = supervised(false);
    refreshes(&mut desk);
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_coach_goes_on_coaching_beside_another_agent() {
    let mut desk = supervised(true);
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, EPOCH);
    refreshes(&mut desk);
    assert_eq!(desk.take_actions(), [coach_instead()]);
}

#[test]
fn a_coach_or_a_supervisor_who_barged_in_does_not_cover() {
    for coaching in [true, false] {
        let mut desk = supervised(coaching);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.fire(1, Timer::Grace);
        assert_eq!(desk.stage(), Some(Stage::Interrupted), "coaching: {coaching}");
    }
}

#[test]
fn a_supervisor_who_leaves_is_not_lost() {
    for reason in [LeaveReason::HungUp, LeaveReason::UpdatedViaApi, LeaveReason::Unknown] {
        let mut desk = supervised(true);
        desk.leave(1, COACH, reason);
        assert!(desk.take_actions().is_empty() && desk.stage().is_none() && !desk.has_timer(Timer::Grace));
    }
}

/// Through the queue the supervisor follows. Whom they would coach there is not known, so a coach is muted.
#[test]
fn a_coach_follows_the_customer_muted_and_a_barged_in_supervisor_unmuted() {
    for (coaching, muted) in [(true, true), (false, false)] {
        let mut desk = supervised(coaching);
        desk.goes_through_the_queue();
        desk.register(2, ADA, NEXT_LEG, 2);
        let moved = desk.take_actions();
        assert!(
            matches!(&moved[..], [Action::MoveParticipant { muted: quiet, .. }] if *quiet == muted),
            "{moved:?}"
        );
    }
}
