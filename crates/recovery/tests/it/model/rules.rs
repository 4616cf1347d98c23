//! What must hold in every state.

use super::world::Customer;
use super::{Budget, State};
use crate::desk::recovery;
use rejoin_protocol::Millis;
use rejoin_recovery::{Action, Config, Ending, Phase};

/// The customer's call goes on until the customer or an agent hangs up.
pub(super) fn nobody_is_dropped(state: &State) -> bool {
    let on_purpose = state.world.agents.iter().any(|agent| agent.hung_up);
    state.world.customer != Customer::Gone || state.world.customer_hung_up || on_purpose
}

/// The longest way: the wait, the preparations, the agent who is back, and the wait for any agent.
fn longest() -> Millis {
    let config = Config::default();
    let waits = [config.ping_ttl, config.in_place_within, config.ping_ttl, Millis::seconds(2)];
    let queues = [config.rejoin_within, config.queue_within, config.queue_within];
    Millis(waits.iter().chain(&queues).map(|wait| wait.0).sum())
}

/// An open recovery goes on by itself, whatever does not happen, and not for ever.
pub(super) fn no_dead_end(state: &State) -> bool {
    let server = &state.server;
    let open: Vec<_> = server.calls().flat_map(|call| call.absences()).filter(|it| it.is_open()).collect();
    let goes_on = server.next_timer().is_some() || !server.jobs.is_empty();
    open.iter().all(|it| goes_on && server.now <= it.absence().lost_at + longest())
}

/// A recovery that has ended stays ended, in one way.
pub(super) fn one_end(state: &State) -> bool {
    state.server.ends_once()
}

/// The agent's dialog shows what the server knows.
pub(super) fn no_lie(state: &State) -> bool {
    state.server.calls().all(|call| {
        call.absences().all(|absent| {
            let view = absent.view(state.server.now, &call.task);
            state.server.told(&absent.absence().id) == Some(&view.stage)
        })
    })
}

/// One ping for each recovery, one requeue for each of its targets, one completion of each reservation, unless a server
/// has died before the report: completing again changes nothing.
pub(super) fn at_most_once(budget: Budget, state: &State) -> bool {
    let seen = &state.world.seen;
    let has_died = state.budget.crashes < budget.crashes;
    seen.iter().enumerate().all(|(i, action)| {
        let once = match action {
            Action::CreatePing { .. } | Action::Requeue { .. } => true,
            Action::CompleteReservation { .. } => !has_died,
            _ => false,
        };
        !once || !seen[..i].contains(action)
    })
}

/// An agent who marked a leave in time gets no ping, and the customer is not requeued.
pub(super) fn no_false_recovery(state: &State) -> bool {
    let of_ada = |action: &Action| match action {
        Action::CreatePing { recovery: of, .. } | Action::Requeue { recovery: of, .. } => *of == recovery(),
        _ => false,
    };
    !state.server.marked_in_time || !state.world.seen.iter().any(of_ada)
}

/// Once a mark in the task was read, the customer goes back neither to that agent nor to another.
pub(super) fn nobody_is_brought_back(state: &State) -> bool {
    let sent = |action: &Action| matches!(action, Action::Requeue { recovery: of, .. } if *of == recovery());
    !state.server.read_in_time || !state.world.seen.iter().any(sent)
}

/// When nothing is left to happen by itself and every message has arrived, a customer on the line has an agent, is in the
/// queue, or their call is ended. A customer who has an agent is not on our hold.
pub(super) fn nobody_waits_for_ever(state: &State) -> bool {
    let comes =
        state.server.next_timer().is_some() || !state.server.jobs.is_empty() || !state.network.is_empty();
    // Twilio ends a leg that has no page. That is awaited only if the page could not say goodbye.
    let falls = state.world.agents.iter().any(|agent| agent.leg.is_some_and(|(_, _, has)| !has));
    if comes || (falls && state.has_lost) {
        return true;
    }
    let held = state.world.on_hold && state.world.is_talking();
    // A lost callback is noticed by a poll, and polls are not part of this model.
    let alone = matches!(state.world.customer, Customer::In(_)) && !state.world.is_talking();
    let given_up = state.server.calls().any(|call| {
        matches!(call.recovery.as_ref().map(|r| &r.phase), Some(Phase::Ended(Ending::Failed { .. })))
    });
    !held && (!alone || state.has_lost || given_up)
}

/// True if the recovery in this conference has ended like this.
pub(super) fn has_ended(state: &State, room: u128, name: &str) -> bool {
    let recovery = state.server.call(room).and_then(|call| call.recovery.as_ref());
    matches!(recovery.map(|r| &r.phase), Some(Phase::Ended(ending)) if ending.name() == name)
}
