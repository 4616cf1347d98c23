//! The states that a call can be in.

use crate::{Call, Covered, Ending, LeaveReason, Phase};
use rejoin_protocol::CallSid;

/// The letters of this call's state. `–`: the call is unknown. `X`: it is over, and there was no recovery.
pub fn state_of(call: Option<&Call>) -> &'static str {
    let Some(call) = call else { return "–" };
    let Some(recovery) = &call.recovery else { return without_recovery(call) };
    match &recovery.phase {
        Phase::Grace => "G",
        Phase::Away => "A",
        Phase::Rejoining => "J",
        Phase::Stranded => "S",
        Phase::Holding(_) if recovery.absence.back => "B",
        Phase::Holding(_) => "H",
        Phase::Requeueing(trip) if trip.target.is_some() => "RA",
        Phase::Requeueing(_) => "RN",
        Phase::Queued(trip) if trip.target.is_some() => "QA",
        Phase::Queued(_) => "QN",
        Phase::Ended(Ending::Rejoined { into: None }) => "ER",
        Phase::Ended(Ending::Rejoined { into: Some(_) }) => "EE",
        Phase::Ended(Ending::HandedOver { .. }) => "EH",
        Phase::Ended(Ending::Covered) => "EC",
        Phase::Ended(Ending::CustomerLeft) => "EL",
        Phase::Ended(Ending::Graceful) => "EG",
        Phase::Ended(Ending::Failed { .. }) => "EF",
    }
}

fn without_recovery(call: &Call) -> &'static str {
    let roster = &call.facts.roster;
    let joined = |leg: &CallSid| roster.is_reported_joined(leg);
    // A customer whose conference ended under them may be stranded, and has not left.
    let left = roster.customer_left();
    let customer_left = left.is_some_and(|reason| reason != LeaveReason::ModeratorEnded);
    match call.facts.roster.agents.keys().filter(|leg| joined(leg)).count() {
        _ if call.closed || customer_left => "X",
        _ if call.facts.roster.agents.is_empty() => "U",
        _ if call.covered.values().any(Covered::is_open) => "TA",
        _ if call
            .facts
            .roster
            .agents
            .iter()
            .any(|(leg, agent)| agent.reported_gone.is_some() && joined(leg)) =>
        {
            "M"
        }
        0 => "O",
        1 if call.diagnosis().silent_leg().is_some() => "TS",
        1 => "T",
        _ => "TT",
    }
}
