//! The states of a call, each with a short scenario that leads there.

use crate::desk::*;
use rejoin_protocol::api::GracefulReason;
use rejoin_recovery::{LeaveReason, Timer};

/// Bo's leg in conference 1.
pub(super) const BO_LEG: u128 = 0xb1;

/// A state, and a call in it.
pub(super) struct State {
    /// Its code in the overview.
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) make: fn() -> Desk,
    /// The agent's leg in it.
    pub(super) leg: u128,
}

const fn state(code: &'static str, name: &'static str, about: &'static str, make: fn() -> Desk) -> State {
    State { code, name, about, make, leg: ADA_LEG }
}

pub(super) const STATES: [State; 25] = [
    state("–", "unknown", "the server knows nothing of the call", Desk::new),
    state("U", "unregistered", "customer and agent are there, but not identified", unregistered),
    state("T", "talking", "the customer has the agent", Desk::talking),
    state("TT", "two agents", "the customer has the agent and a colleague", two_agents),
    state(
        "TA",
        "one away",
        "a colleague has the customer; the agent's page is gone, and the leg stands",
        one_away,
    ),
    state(
        "TS",
        "silent",
        "the agent's page answers nothing, and the customer is told; the leg stands",
        silent,
    ),
    state("M", "missed", "the agent's page reports that the leg is gone, and Twilio does not", missed),
    state("O", "left alone", "the agent has hung up on purpose, the customer not yet", left_alone),
    state("G", "grace", "the leg is gone; a graceful mark may still arrive", grace),
    state("A", "away", "the page is gone, the leg stands, the agent is awaited in place", Desk::away),
    state("J", "rejoining", "the agent is back and joins the same conference again", rejoining),
    state("H", "holding", "the customer is told and kept; the agent is pinged and awaited", Desk::holding),
    state("B", "back", "the agent is back; the steps before the requeue are in progress", back),
    state("S", "stranded", "the conference has ended under the customer", stranded),
    state("RA", "to the agent", "the customer is being sent to the queue, for the same agent", to_ada),
    state("RN", "to any agent", "the customer is being sent to the queue, for any agent", to_any),
    state("QA", "queued", "the customer is in the queue, for the same agent", queued),
    state("QN", "queued for any", "the customer is in the queue, for any agent", queued_for_any),
    State {
        leg: NEXT_LEG,
        ..state("ER", "rejoined", "the same agent has the customer again, in place", rejoined)
    },
    state(
        "EE",
        "rejoined elsewhere",
        "the same agent has the customer again, in the next conference",
        elsewhere,
    ),
    state("EH", "handed over", "another agent has the customer, in the next conference", handed_over),
    state("EC", "covered", "another agent came to the customer before the requeue", covered),
    state("EL", "customer left", "the customer has hung up meanwhile", customer_left),
    state("EG", "graceful", "the agent left on purpose after all", graceful),
    state("EF", "failed", "Twilio refused for good, or no agent took the call", failed),
];

pub(super) fn name_of(code: &str) -> &'static str {
    STATES.iter().find(|state| state.code == code).map_or("over", |state| state.name)
}

fn unregistered() -> Desk {
    let mut desk = Desk::new();
    desk.join(1, CUSTOMER, true);
    desk.join(1, ADA_LEG, false);
    desk
}

fn missed() -> Desk {
    let mut desk = Desk::talking();
    desk.hello(2, true, false);
    desk
}

fn silent() -> Desk {
    let mut desk = Desk::talking();
    desk.push_lost(ADA, EPOCH);
    desk.finish_all();
    desk.fire(1, Timer::Answer);
    desk.finish_all();
    desk
}

fn left_alone() -> Desk {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk
}

fn two_agents() -> Desk {
    let mut desk = Desk::talking();
    desk.join(1, BO_LEG, false);
    desk.register(1, BO, BO_LEG, EPOCH);
    desk
}

fn one_away() -> Desk {
    let mut desk = two_agents();
    desk.goodbye(ADA, EPOCH);
    desk
}

fn grace() -> Desk {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk
}

fn rejoining() -> Desk {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk
}

fn back() -> Desk {
    let mut desk = grace();
    desk.fire(1, Timer::Grace);
    desk.hello(2, true, false);
    desk
}

fn stranded() -> Desk {
    let mut desk = grace();
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.end(1);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    desk
}

fn to_ada() -> Desk {
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    desk.finish_all();
    desk
}

fn to_any() -> Desk {
    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    desk
}

fn moved(mut desk: Desk) -> Desk {
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.entered_queue();
    desk.finish_all();
    desk
}

fn queued() -> Desk {
    moved(to_ada())
}

fn queued_for_any() -> Desk {
    moved(to_any())
}

fn rejoined() -> Desk {
    let mut desk = rejoining();
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.register(1, ADA, NEXT_LEG, 2);
    desk
}

fn taken(mut desk: Desk, worker: u128) -> Desk {
    desk.end(1);
    desk.join(2, CUSTOMER, true);
    desk.join(2, NEXT_LEG, false);
    desk.register(2, worker, NEXT_LEG, 2);
    desk
}

fn elsewhere() -> Desk {
    taken(queued(), ADA)
}

fn handed_over() -> Desk {
    taken(queued_for_any(), BO)
}

fn covered() -> Desk {
    let mut desk = Desk::holding();
    desk.join(1, BO_LEG, false);
    desk.register(1, BO, BO_LEG, EPOCH);
    desk.finish_all();
    desk
}

fn customer_left() -> Desk {
    let mut desk = Desk::holding();
    desk.leave(1, CUSTOMER, LeaveReason::HungUp);
    desk.finish_all();
    desk
}

fn graceful() -> Desk {
    let mut desk = grace();
    desk.graceful(GracefulReason::HangUp);
    desk
}

fn failed() -> Desk {
    let mut desk = queued_for_any();
    desk.fire(1, Timer::Rejoin);
    desk
}
