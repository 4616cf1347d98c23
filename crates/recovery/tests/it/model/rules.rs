//! What must hold in every state.

use super::world::Customer;
use super::{Budget, State};
use crate::desk::recovery;
use rejoin_protocol::Millis;
use rejoin_recovery::{Action, Config, Ending, Phase};

/// The customer's call goes on until he hangs up, or an agent has hung up.
pub(super) fn nobody_is_dropped(state: &State) -> bool {
    let on_purpose = state.world.agents.iter().any(|agent| agent.hung_up);
    state.world.customer != Customer::Gone || state.world.customer_hung_up || on_purpose
}

/// The longest way: the wait, what must come first, the agent who is back and the one who comes after her.
fn longest() -> Millis {
    let config = Config::default();
    let waits = [config.ping_ttl, config.in_place_within, config.ping_ttl, Millis::seconds(2)];
    let queues = [config.rejoin_within, config.queue_within, config.queue_within];
    Millis(waits.iter().chain(&queues).map(|wait| wait.0).sum())
}

/// Whatever does not happen: the server goes on with an open recovery by itself, and not for ever.
pub(super) fn no_dead_end(state: &State) -> bool {
    let server = &state.server;
    let open: Vec<_> = server.calls().flat_map(|call| call.absences()).filter(|it| it.is_open()).collect();
    let goes_on = server.next_timer().is_some() || !server.jobs.is_empty();
    open.iter().all(|it| goes_on && server.now <= it.absence().lost_at + longest())
}

/// A recovery that has ended has ended, and in one way.
pub(super) fn one_end(state: &State) -> bool {
    state.server.ends_once()
}

/// What the agent's dialog was told last is what the server knows.
pub(super) fn no_lie(state: &State) -> bool {
    state.server.calls().all(|call| {
        call.absences().all(|absent| {
            let view = absent.view(state.server.now, &call.task);
            state.server.told(&absent.absence().id) == Some(&view.stage)
        })
    })
}

/// One ping for each recovery, one requeue for each of its targets, one completion of each reservation, unless a server
/// has died before it knew of it: completing again changes nothing.
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

/// Who said in time that she leaves is not looked for, and the customer is sent nowhere.
pub(super) fn no_false_recovery(state: &State) -> bool {
    let of_ada = |action: &Action| match action {
        Action::CreatePing { recovery: of, .. } | Action::Requeue { recovery: of, .. } => *of == recovery(),
        _ => false,
    };
    !state.server.marked_in_time || !state.world.seen.iter().any(of_ada)
}

/// Who has written into the task that she leaves does not get the customer back, and nobody else does, once it is read.
pub(super) fn nobody_is_brought_back(state: &State) -> bool {
    let sent = |action: &Action| matches!(action, Action::Requeue { recovery: of, .. } if *of == recovery());
    !state.server.read_in_time || !state.world.seen.iter().any(sent)
}

/// When nothing is left to happen by itself, and everything has arrived, then a customer on the line has an agent, or is
/// in the queue, or is let go; and nobody who has an agent is on hold because of us.
pub(super) fn nobody_waits_for_ever(state: &State) -> bool {
    let comes =
        state.server.next_timer().is_some() || !state.server.jobs.is_empty() || !state.network.is_empty();
    // Twilio lets a leg fall that nobody is at. It is waited for only if the page could not say goodbye.
    let falls = state.world.agents.iter().any(|agent| agent.leg.is_some_and(|(_, _, has)| !has));
    if comes || (falls && state.has_lost) {
        return true;
    }
    let held = state.world.on_hold && state.world.is_talking();
    // A callback that was lost is missed by a look at Twilio, not by the machine.
    let alone = matches!(state.world.customer, Customer::In(_)) && !state.world.is_talking();
    let given_up = state.server.calls().any(|call| {
        matches!(call.recovery.as_ref().map(|r| &r.phase), Some(Phase::Ended(Ending::Failed { .. })))
    });
    !held && (!alone || state.has_lost || given_up)
}

/// Has the recovery in this conference ended like this?
pub(super) fn has_ended(state: &State, room: u128, name: &str) -> bool {
    let recovery = state.server.call(room).and_then(|call| call.recovery.as_ref());
    matches!(recovery.map(|r| &r.phase), Some(Phase::Ended(ending)) if ending.name() == name)
}
