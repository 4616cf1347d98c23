//! One cell: what the machine does in a state with an event, found by handling the event.

use super::events::Row;
use super::states::{State, name_of};
use crate::desk::*;
use rejoin_protocol::{CallSid, ReservationSid, WorkerSid};
use rejoin_recovery::cells::state_of;
use rejoin_recovery::{Action, Announcement, Call, Effect, Mark, Participant, Timer};

/// What an event leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// The next state, if it is another one.
    pub(super) next: Option<&'static str>,
    /// Requested actions, timers that were set, and so on.
    pub(super) does: Vec<&'static str>,
    /// True if the call has changed.
    pub(super) noted: bool,
}

impl Cell {
    pub(super) fn is_ignored(&self) -> bool {
        self.next.is_none() && self.does.is_empty() && !self.noted
    }

    pub(super) fn text(&self) -> String {
        let does = self.does.join(", ");
        match self.next {
            Some(next) if does.is_empty() => format!("→ **{}**", name_of(next)),
            Some(next) => format!("→ **{}**: {does}", name_of(next)),
            None if !does.is_empty() => does,
            None => "noted".into(),
        }
    }

    /// The sign for the overview.
    pub(super) fn sign(&self) -> &'static str {
        match self.next {
            Some(next) => next,
            None if !self.does.is_empty() => "!",
            None if self.noted => "·",
            None => "",
        }
    }
}

pub(super) fn cell(state: &State, row: &Row) -> (Cell, Desk) {
    let mut desk = (state.make)();
    desk.effects.clear();
    desk.names_cells = true;
    let calls = |desk: &Desk| [1, 2].map(|n| desk.machine.call(&conference(n)).map(known));
    let closed = |desk: &Desk| desk.machine.call(&conference(1)).is_some_and(|call| call.closed);
    let (before, was_closed) = (calls(&desk), closed(&desk));
    let before_code = state_of(desk.machine.call(&conference(1)));
    (row.send)(&mut desk, state);
    let after = calls(&desk);
    let code = state_of(desk.machine.call(&conference(1)));
    let next = Some(code).filter(|code| *code != before_code);
    let mut does = vec![];
    for effect in &desk.effects {
        let words = match effect {
            Effect::Act { action, .. } => Some(words(action)),
            Effect::SetTimer { timer, .. } if next.is_none() => waits(*timer),
            Effect::Forget { .. } => Some("forgets the call"),
            Effect::SetTimer { .. }
            | Effect::ClearTimer { .. }
            | Effect::Push { .. }
            | Effect::Note { .. } => None,
        };
        does.extend(words.filter(|words| !does.contains(words)));
    }
    if !was_closed && closed(&desk) {
        does.push("the call is over");
    }
    (Cell { next, does, noted: before != after }, desk)
}

/// A call without its counters and remembered ids, and what its facts amount to.
fn known(call: &Call) -> impl PartialEq + use<> {
    let mut call = call.clone();
    call.facts.received = Default::default();
    call.poll.heard_at = Default::default();
    call.poll.watch_at = None;
    call.poll.since = None;
    let requests = std::mem::take(&mut call.requests);
    let awaits = (
        requests.is_clearing_customer_flags(),
        call.recovery.as_ref().is_some_and(|it| requests.is_loss_written(&call.task, it.absence.lost_at)),
        requests.is_removing_leg(),
    );
    let given = std::mem::take(&mut call.facts.marks);
    let mark = |(of, mark): (&ReservationSid, &Mark)| {
        (
            of.clone(),
            mark.reason(),
            mark.said_at(),
            mark.is_only_in_task(),
            mark.completes(),
            mark.has_completed(),
        )
    };
    let marks: Vec<_> = given.iter().map(mark).collect();
    let said = std::mem::take(&mut call.facts.pages);
    let of_worker = |of: &WorkerSid| {
        let epochs =
            (said.newest(of), said.newest_sole_page(of), said.other_browser(of), said.newest_goodbye(of));
        (of.clone(), epochs, said.is_joinable(of), said.is_unavailable(of))
    };
    let pages: Vec<_> = said
        .workers()
        .map(of_worker)
        .filter(|(_, epochs, can_join, away)| *epochs != (None, None, None, None) || *can_join || *away)
        .collect();
    let roster = std::mem::take(&mut call.facts.roster);
    let leg = |(leg, there): (&CallSid, &Participant)| {
        let label = there.label().map(str::to_owned);
        (leg.clone(), roster.presence(leg), there.flags(), label, there.stood)
    };
    let legs: Vec<_> = roster.participants.iter().map(leg).collect();
    let (agents, customer) =
        (roster.agents.clone(), (roster.customer.clone(), roster.customer_claims.clone()));
    let facts = ((marks, given.unattributed), pages, roster.ended, roster.move_inferred_at);
    (call, awaits, legs, agents, customer, facts)
}

fn words(action: &Action) -> &'static str {
    match action {
        Action::Announce { what: Announcement::Interrupted, .. } => "announces the interruption",
        Action::Announce { what: Announcement::Comfort, .. } => "plays comfort audio",
        Action::ClearCustomerFlags { .. } => "clears the customer's exit flag",
        Action::HoldCustomer { told: false, .. } => "tells the customer on hold",
        Action::HoldCustomer { told: true, .. } => "comforts the customer on hold",
        Action::EndHold { .. } => "ends our hold",
        Action::AskPage { .. } => "asks the page whether it lives",
        Action::ClearExitFlag { .. } => "clears the agent's exit flag",
        Action::ReadTask { .. } => "reads the task",
        Action::MarkTask { .. } => "marks the task",
        Action::CreatePing { .. } => "pings the agent",
        Action::EndPing { .. } => "ends the ping",
        Action::Requeue { target: Some(_), .. } => "sends the customer to the agent's queue",
        Action::Requeue { target: None, .. } => "sends the customer to the queue for any agent",
        Action::CompleteReservation { .. } => "completes the old reservation",
        Action::RemoveLeg { .. } => "removes the leg",
        Action::MoveParticipant { .. } => "moves a bystander",
        Action::HoldParticipant { .. } => "puts a leg on hold",
        Action::RetargetCoach { .. } => "lets the supervisor coach the new leg",
        Action::Unhold { .. } => "takes a leg off hold",
        Action::EndConference { .. } => "ends the conference",
        Action::CheckNumber { .. } => "checks the number",
        Action::PollConference { .. } => "polls the call",
        Action::GiveUp { .. } => "gives up and tells the customer",
        Action::ReadReservations { .. } => "asks for the reservations' agents",
        Action::ReadActivity { .. } => "reads the agent's activity",
        Action::LendActivity { .. } => "lends the agent an activity",
        Action::ReturnActivity { .. } => "puts the agent back into their own activity",
        Action::LookUpTask { .. } => "looks the task up",
    }
}

/// Waits that begin anew while the state stays the same.
fn waits(timer: Timer) -> Option<&'static str> {
    match timer {
        Timer::Watchdog | Timer::CatchUp | Timer::Forget => None,
        Timer::Grace => Some("waits for a report of the new leg"),
        Timer::Announce => Some("waits before the announcement"),
        Timer::Answer => Some("waits for the page's answer"),
        Timer::Leave => Some("waits for the leave"),
        Timer::Ping => Some("waits for what must come first"),
        Timer::Rejoin => Some("waits anew for the agent"),
        Timer::Covered => Some("waits for the covered agent"),
        Timer::LeftAlone => Some("waits to see whether the customer stays alone"),
        Timer::Owners => Some("waits for a report of the reservations' agents"),
        Timer::LookUp => Some("waits for a registration"),
    }
}

/// True if every open recovery goes on by itself: a timer is set, or an answer is outstanding.
pub(super) fn goes_on(desk: &Desk) -> bool {
    let open = (1..=2).filter_map(|n| desk.machine.call(&conference(n)));
    let mut open = open.flat_map(Call::absences).filter(|absent| absent.is_open());
    open.all(|absent| absent.absence().deadline.0 > 0 && !desk.timers.is_empty())
}
