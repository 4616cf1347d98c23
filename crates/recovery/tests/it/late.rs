//! What comes late, is overtaken, or goes wrong half-way.

use crate::desk::*;
use rejoin_protocol::api::Stage;
use rejoin_recovery::{LeaveReason, Timer};

// --- another agent comes while the line is held ---

#[test]
fn an_agent_who_joins_while_the_line_is_held_keeps_the_customer() {
    let mut desk = Desk::holding();
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, 9);
    assert_eq!(desk.stage(), Some(Stage::Covered));
    assert_eq!(desk.take_actions(), [end_ping()]);
    assert!(!desk.has_timer(Timer::Ping), "the customer is not taken from Bo");
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    assert!(desk.has_timer(Timer::Grace), "and Bo can be lost, too");
}

#[test]
fn the_same_agent_on_another_leg_has_rejoined() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty() && !desk.has_timer(Timer::Grace));
}

// --- what is learnt late ---
