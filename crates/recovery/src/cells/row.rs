//! The rows of the table, and the row of each event.

use super::{Cell, agent, state_of};
use crate::{
    Action, Call, ConferenceEvent, ConferenceEventKind as Kind, Event, LeaveReason, Machine, Outcome,
    PollAnswer, Purpose, ReconnectState, TaskEvent, TaskEventKind, Timer,
};
use rejoin_protocol::api::{GracefulReason, Hello, Registration};
use rejoin_protocol::{CallSid, ConferenceSid, RecoveryId, WorkerSid};
use std::collections::BTreeSet;

/// The conferences of the calls that an event is about.
pub(super) fn conferences(machine: &Machine, event: &Event) -> BTreeSet<ConferenceSid> {
    let of = |concerned: &dyn Fn(&Call) -> bool| {
        let calls = machine.calls().filter(|call| concerned(call));
        calls.map(|call| call.conference.clone()).collect::<BTreeSet<_>>()
    };
    let of_recovery =
        |id: &RecoveryId| of(&|call| call.recovery.as_ref().is_some_and(|r| r.absence.id == *id));
    match event {
        Event::Conference(event) => BTreeSet::from([event.conference.clone()]),
        Event::Registered { registration, .. } => BTreeSet::from([registration.conference.clone()]),
        Event::Done { conference, .. }
        | Event::PageAnswered { conference, .. }
        | Event::Restored { conference, .. }
        | Event::Timer { conference, .. } => BTreeSet::from([conference.clone()]),
        Event::Graceful { mark, .. } => of(&|call| call.facts.ownership.proven && call.task == mark.task),
        Event::Hello { worker, hello, .. } => {
            let found = |call: &Call| hello.holdings.iter().any(|holding| holding.task == call.task);
            of(&|call| found(call) || call.facts.roster.has_worker(worker))
        }
        Event::Goodbye { goodbye, .. } => {
            of(&|call| call.facts.ownership.proven && goodbye.tasks.contains(&call.task))
        }
        Event::PushLost { worker, epoch } => of(&|call| call.has_leg_of_page(worker, *epoch)),
        Event::PushBack { worker, epoch } => of(&|call| call.doubts_page(worker, *epoch)),
        Event::EnteredQueue { recovery, .. } | Event::LeftQueue { recovery, .. } => of_recovery(recovery),
        Event::ActionUrlFetched { customer } => {
            of(&|call| call.facts.roster.maybe_customers().any(|leg| leg == customer))
        }
        Event::Task(event) => {
            let mut calls = of(&|call| call.facts.ownership.proven && call.task == event.task);
            calls.extend(event.purpose.recovery().map(of_recovery).unwrap_or_default());
            calls
        }
    }
}

/// The row of an event about this call, as it was before the event and is after it.
pub(super) fn of(call: Option<&Call>, after: Option<&Call>, event: &Event) -> Option<&'static str> {
    match event {
        Event::Conference(event) => callback(call, event),
        Event::Registered { worker, registration } => registered(call, worker, registration),
        Event::Graceful { mark, .. } => Some(match mark.reason {
            GracefulReason::ColdTransfer | GracefulReason::WarmTransfer => {
                "a graceful mark: the agent transfers the call"
            }
            _ => "a graceful mark: the agent leaves",
        }),
        Event::Hello { worker, hello, older_page_connected } => {
            page(call?, worker, hello, *older_page_connected)
        }
        Event::Goodbye { .. } => Some("the newest page says goodbye"),
        Event::PushLost { .. } => Some("the push channel of the agent's page is lost"),
        Event::PushBack { .. } => Some("the push channel of the agent's page is back"),
        Event::PageAnswered { .. } => Some("the agent's page answers a call message"),
        Event::EnteredQueue { .. } => Some("Twilio fetches the waiting music"),
        Event::LeftQueue { bridged: true, .. } => Some("an agent takes the customer out of the queue"),
        Event::LeftQueue { hung_up: true, .. } => Some("the customer hangs up in the queue"),
        Event::LeftQueue { .. } => Some("the customer leaves the queue without an agent"),
        Event::ActionUrlFetched { .. } => Some("Twilio asks what comes after the conference"),
        Event::Restored { seen, .. } => Some(restored(call?, seen)),
        Event::Task(event) => task(event),
        Event::Done { action, outcome, .. } => done(call, after, action, outcome),
        Event::Timer { timer, .. } => Some(due(*timer)),
    }
}

fn callback(call: Option<&Call>, event: &ConferenceEvent) -> Option<&'static str> {
    if call.is_some_and(|call| call.facts.received.callbacks().contains(&event.sequence)) {
        return None; // delivered twice
    }
    let labelled = event.label.as_deref() == Some("customer");
    let is_customer =
        |leg: &CallSid| labelled || call.is_some_and(|c| c.facts.roster.customer.as_ref() == Some(leg));
    match &event.kind {
        Kind::Start => Some("the conference starts"),
        Kind::End => Some("the conference has ended"),
        Kind::AnnouncementEnd => Some("an announcement has ended"),
        Kind::Join { leg, .. } if is_customer(leg) => Some("the customer's leg joins"),
        Kind::Join { leg, .. } if call.is_some_and(|call| call.facts.roster.agents.contains_key(leg)) => None,
        Kind::Join { .. } => Some("an unidentified leg joins"),
        Kind::Modify { leg, flags } if is_customer(leg) => flags.hold.then_some("the customer is on hold"),
        Kind::Modify { flags, .. } => {
            flags.end_conference_on_exit.then_some("the exit flag is set on the agent's leg")
        }
        Kind::Leave { leg, reason } if is_customer(leg) => Some(match reason {
            LeaveReason::HungUp | LeaveReason::AddFailed | LeaveReason::Unknown => "the customer hangs up",
            LeaveReason::UpdatedViaApi => "the customer's leg is moved",
            LeaveReason::ModeratorEnded => "the conference ends under the customer",
            LeaveReason::ConferenceEndedViaApi => "the call is ended for all",
        }),
        Kind::Leave { leg, reason } => agent_leaves(call, leg, *reason),
    }
}

fn agent_leaves(call: Option<&Call>, leg: &CallSid, reason: LeaveReason) -> Option<&'static str> {
    // While no agent is known, any leg may be the agent's.
    let Some(call) = call.filter(|call| !call.facts.roster.agents.is_empty()) else {
        return why_agent_leaves(reason);
    };
    if agent(call) == call.facts.roster.agents.get(leg).map(|agent| &agent.worker) {
        why_agent_leaves(reason)
    } else {
        call.facts.roster.agents.contains_key(leg).then_some("the colleague's leg leaves")
    }
}

fn why_agent_leaves(reason: LeaveReason) -> Option<&'static str> {
    match reason {
        LeaveReason::HungUp => Some("the agent's leg leaves"),
        LeaveReason::UpdatedViaApi => Some("the agent's leg is moved or removed through the API"),
        LeaveReason::Unknown => Some("the agent's leg leaves for an unknown reason"),
        LeaveReason::ConferenceEndedViaApi | LeaveReason::ModeratorEnded | LeaveReason::AddFailed => None,
    }
}

fn registered(call: Option<&Call>, worker: &WorkerSid, registration: &Registration) -> Option<&'static str> {
    let Some(call) = call else { return Some("the agent's page registers a new leg") };
    match agent(call) {
        Some(agent) if agent != worker => Some("another agent's page registers a leg"),
        _ if call.facts.roster.agents.contains_key(&registration.worker_leg) => None,
        _ => Some("the agent's page registers a new leg"),
    }
}

fn page(call: &Call, worker: &WorkerSid, hello: &Hello, older_page_connected: bool) -> Option<&'static str> {
    let holding = hello.holdings.iter().find(|holding| holding.task == call.task)?;
    let mut own = call.facts.roster.agents.values().filter(|agent| agent.worker == *worker);
    let is_newer = own.all(|agent| Some(hello.epoch) > agent.epoch);
    match holding {
        _ if !is_newer => None,
        holding if holding.wrapping => Some("a newer page finds the call wrapping"),
        holding if older_page_connected || holding.other_browser => {
            Some("a newer page finds the call accepted beside an older page")
        }
        holding if holding.can_join => Some("a newer page finds the call accepted and can join"),
        _ => Some("a newer page finds the call accepted and cannot join"),
    }
}

fn task(event: &TaskEvent) -> Option<&'static str> {
    use TaskEventKind::{Accepted, Canceled, EnteredQueue, NotTaken, TakenBack, WrapUp};
    match (&event.purpose, event.kind) {
        (Purpose::Other, WrapUp) => Some("the agent's reservation is wrapping up"),
        (Purpose::Ping { .. }, Accepted) => Some("the ping is accepted"),
        (Purpose::Ping { .. }, NotTaken) => Some("the ping is not taken"),
        (Purpose::Ping { .. }, TakenBack) => Some("the ping is withdrawn"),
        (Purpose::Ping { .. }, Canceled { .. }) => Some("the ping is canceled"),
        (Purpose::Reconnect { target: Some(_), .. }, kind) => match kind {
            EnteredQueue => Some("the reconnect task for the agent is in the queue"),
            NotTaken => Some("the agent does not take the reconnect task"),
            Canceled { hung_up: false } => Some("the reconnect task for the agent is canceled"),
            Canceled { hung_up: true } => Some("the reconnect task for the agent is canceled by a hang-up"),
            Accepted | TakenBack | WrapUp => None,
        },
        (Purpose::Reconnect { target: None, .. }, kind) => match kind {
            EnteredQueue => Some("the reconnect task for any agent is in the queue"),
            NotTaken => Some("an agent does not take the reconnect task for any agent"),
            Canceled { .. } => Some("the reconnect task for any agent is canceled"),
            Accepted | TakenBack | WrapUp => None,
        },
        (Purpose::Other | Purpose::Ping { .. }, _) => None,
    }
}

fn done(
    call: Option<&Call>,
    after: Option<&Call>,
    action: &Action,
    outcome: &Outcome,
) -> Option<&'static str> {
    let failed = matches!(outcome, Outcome::Failed { .. });
    match (action, outcome) {
        (Action::HoldCustomer { .. }, Outcome::Ok) => Some("our hold: done"),
        (Action::HoldCustomer { .. }, Outcome::Overtaken) => Some("our hold: no longer wanted"),
        (Action::HoldCustomer { .. }, _) => Some("our hold: refused"),
        (Action::EndHold { .. }, _) => Some("our hold has ended"),
        (Action::AskPage { .. }, Outcome::Ok) => Some("the page is asked whether it lives"),
        (Action::AskPage { .. }, _) => Some("the page cannot be asked"),
        (Action::ClearCustomerFlags { .. }, _) => Some("the customer's exit flag is cleared"),
        (Action::ReadTask { .. } | Action::MarkTask { .. }, Outcome::TaskRead { .. }) => {
            let marks = |call: &Call| (call.facts.marks.len(), call.facts.marks.unattributed.len());
            let says_so = matches!(action, Action::ReadTask { .. }) && call.map(marks) != after.map(marks);
            Some(if says_so { "the task has a graceful mark" } else { "the task is read" })
        }
        (Action::ReadTask { .. } | Action::MarkTask { .. }, _) => Some("the task cannot be read"),
        (Action::CreatePing { .. }, Outcome::PingCreated(_)) => Some("the ping is created"),
        (Action::CreatePing { .. }, _) => failed.then_some("the ping cannot be created"),
        (Action::RemoveLeg { .. }, _) if failed => Some("the dead leg cannot be removed"),
        (Action::RemoveLeg { .. }, _) => Some("the dead leg is removed"),
        (Action::Requeue { target: Some(_), .. }, outcome) => Some(match outcome {
            Outcome::Overtaken | Outcome::AgentFound(_) => "requeue for the agent: an agent came first",
            Outcome::Gone => "requeue for the agent: the customer's call is over",
            Outcome::Failed { .. } => "requeue for the agent: refused",
            _ => "requeue for the agent: done",
        }),
        (Action::Requeue { target: None, .. }, outcome) => Some(match outcome {
            Outcome::Overtaken | Outcome::AgentFound(_) => "requeue for any agent: an agent came first",
            Outcome::Gone => "requeue for any agent: the customer's call is over",
            Outcome::Failed { .. } => "requeue for any agent: refused",
            _ => "requeue for any agent: done",
        }),
        (Action::ClearExitFlag { .. }, _) => Some("the agent's exit flag is cleared"),
        (Action::LookUpTask { .. }, Outcome::TaskLookedUp(_)) => Some("the task is looked up"),
        (Action::LookUpTask { .. }, _) => Some("the task cannot be looked up"),
        (Action::PollConference { .. }, Outcome::Polled(seen)) => call.map(|call| looked(call, seen)),
        (Action::PollConference { .. }, _) => None,
        (Action::ReadReservations { .. }, Outcome::ReservationsRead { .. }) => {
            Some("Twilio reports the reservations' agents")
        }
        (Action::ReadReservations { .. }, _) => None,
        (Action::GiveUp { .. }, Outcome::Gone) => Some("giving up: the customer hung up first"),
        (Action::GiveUp { .. }, _) => Some("giving up: the customer was told"),
        (Action::CheckNumber { .. }, outcome) => {
            matches!(outcome, Outcome::Number { allowed: true }).then_some("the number is on the allow list")
        }
        (Action::Announce { .. }, _) => Some("an announcement is made"),
        (Action::ReadActivity { .. }, _) => Some("the agent's activity is read"),
        (Action::LendActivity { .. }, _) => Some("an activity is lent to the agent"),
        (Action::ReturnActivity { .. }, _) => Some("the agent is back in their own activity"),
        (Action::EndPing { .. }, _) => Some("the ping is ended"),
        (Action::CompleteReservation { .. }, _) => Some("the old reservation is completed"),
        (Action::MoveParticipant { .. }, _) => Some("a bystander is moved"),
        (Action::HoldParticipant { .. }, _) => Some("a leg is on hold"),
        (Action::RetargetCoach { .. }, _) => Some("a supervisor coaches the new leg"),
        (Action::Unhold { .. }, _) => Some("a leg is off hold"),
        (Action::EndConference { .. }, _) => Some("the conference is ended"),
    }
}

/// The row of a poll's answer: that of its most significant finding.
fn looked(call: &Call, seen: &PollAnswer) -> &'static str {
    let mut states = seen.reconnects.iter().map(|reconnect| &reconnect.state);
    let gone = |leg: &CallSid| call.facts.roster.is_joined(leg) && !seen.participants.contains_key(leg);
    if seen.reconnects.iter().any(|reconnect| reconnect.taker().is_some()) {
        "poll: an agent has the reconnect task"
    } else if seen.on_line == Some(false) {
        "poll: the customer is off the line"
    } else if states.clone().any(|state| *state == ReconnectState::Waits) {
        "poll: the reconnect task waits"
    } else if states.any(|state| matches!(state, ReconnectState::Over | ReconnectState::Left { .. })) {
        "poll: the reconnect task is over"
    } else if call.facts.roster.agents.keys().any(gone) {
        "poll: the agent's leg is gone"
    } else {
        "poll: no change"
    }
}

/// The row of what Twilio shows of a call from a backup.
fn restored(call: &Call, seen: &PollAnswer) -> &'static str {
    let roster = &call.facts.roster;
    let gone = |leg: &CallSid| roster.is_joined(leg) && !seen.participants.contains_key(leg);
    let is_in = |is: fn(&ReconnectState) -> bool| seen.reconnects.iter().any(|it| is(&it.state));
    match roster.customer.as_ref().is_some_and(|leg| !seen.participants.contains_key(leg)) {
        true if is_in(ReconnectState::was_taken) => "restored: an agent has the customer elsewhere",
        true if is_in(|it| *it == ReconnectState::Waits) => "restored: the customer waits in the queue",
        true => "restored: the customer is elsewhere",
        false if roster.agents.keys().any(gone) => "restored: the agent's leg is gone",
        false => "restored: no change",
    }
}

fn due(timer: Timer) -> &'static str {
    match timer {
        Timer::Grace => "no mark arrived in time",
        Timer::Announce => "the announcement is due",
        Timer::Answer => "the page has not answered in time",
        Timer::Leave => "the leave did not arrive",
        Timer::Ping => "the agent is not back in time",
        Timer::Rejoin => "the agent did not join, or take the call, in time",
        Timer::Covered => "a covered agent is not back in time",
        Timer::LeftAlone => "a customer left on purpose is alone for too long",
        Timer::LookUp => "no page registered in time",
        Timer::Owners => "the reservations' agents are not reported in time",
        Timer::Watchdog => "the watchdog is due",
        Timer::CatchUp => "callbacks may have been missed",
        Timer::Forget => "the call is to be forgotten",
    }
}

/// The cells of other calls whose customer, by this event, has an agent in its conference or has hung up there.
pub(super) fn elsewhere(before: &Machine, event: &Event, after: &Machine) -> Vec<(ConferenceSid, Cell)> {
    let here = conferences(before, event);
    let mut cells = vec![];
    for new in here.iter().filter_map(|conference| after.call(conference)) {
        let old = before.call(&new.conference);
        let became = |is: fn(&Call) -> bool| is(new) && !old.is_some_and(is);
        let is_connected = became(Call::is_connected);
        let present = new.diagnosis().agent_on_call().filter(|_| is_connected).map(|agent| &agent.worker);
        if present.is_none() && !became(|call| call.facts.roster.has_customer_hung_up()) {
            continue;
        }
        let customer = &new.facts.roster.customer;
        let others = before.calls().filter(|call| call.conference != new.conference);
        for other in others.filter(|call| call.facts.roster.customer == *customer) {
            let row = row_elsewhere(other, present);
            let cell = Cell { state: state_of(Some(other)), row: Some(row) };
            cells.push((other.conference.clone(), cell));
        }
    }
    cells
}

fn row_elsewhere(call: &Call, present: Option<&WorkerSid>) -> &'static str {
    match present {
        Some(worker) if agent(call) == Some(worker) => {
            "the same agent has the customer in the next conference"
        }
        Some(_) => "another agent has the customer in the next conference",
        None => "the customer hangs up in the next conference",
    }
}
