//! What everything is called in stories, logs and tests: one list.

use crate::{Action, ConferenceEventKind, Event, TaskEventKind, Timer};
use std::fmt;

macro_rules! names {
    ($($type:ident, $name:ident { $($pattern:pat => $text:literal,)+ })+) => { $(
        impl $type {
            /// All of them, so that a test can ask whether each was there.
            pub const NAMES: &[&str] = &[$($text),+];

            /// What it is called.
            pub fn $name(&self) -> &'static str {
                match self { $($pattern => $text),+ }
            }
        }
    )+ };
}

names! {
    Event, kind {
        Self::Conference(_) => "callback",
        Self::Task(_) => "task",
        Self::Registered { .. } => "registration",
        Self::Graceful { .. } => "on-purpose",
        Self::Hello { .. } => "hello",
        Self::Goodbye { .. } => "goodbye",
        Self::PushLost { .. } => "push-lost",
        Self::EnteredQueue { .. } => "waiting-music",
        Self::LeftQueue { .. } => "after-the-queue",
        Self::Released { .. } => "after-the-conference",
        Self::Done { .. } => "done",
        Self::Timer { .. } => "timer",
    }
    ConferenceEventKind, name {
        Self::Start => "conference-start",
        Self::End => "conference-end",
        Self::Join { .. } => "participant-join",
        Self::Leave { .. } => "participant-leave",
        Self::Modify { .. } => "participant-modify",
        Self::AnnouncementEnd => "announcement-end",
    }
    TaskEventKind, name {
        Self::EnteredQueue => "task-queued",
        Self::Canceled { .. } => "task-canceled",
        Self::Accepted => "reservation-accepted",
        Self::NotTaken => "reservation-not-taken",
        Self::TakenBack => "reservation-taken-back",
        Self::WrapUp => "reservation-wrap-up",
    }
    Action, name {
        Self::Announce { .. } => "announcing",
        Self::FreeCustomer { .. } => "keeping the conference when the customer leaves it",
        Self::KeepConference { .. } => "keeping the conference when the agent leaves it",
        Self::ReadTask { .. } => "reading the task",
        Self::MarkTask { .. } => "marking the task",
        Self::CreatePing { .. } => "creating the ping",
        Self::EndPing { .. } => "ending the ping",
        Self::Requeue { .. } => "sending the customer to the queue",
        Self::CompleteReservation { .. } => "completing the old reservation",
        Self::RemoveLeg { .. } => "removing the dead leg",
        Self::MoveParticipant { .. } => "moving a participant",
        Self::Unhold { .. } => "ending a hold",
        Self::HoldCustomer { .. } => "telling the customer on hold",
        Self::EndHold { .. } => "ending our hold of the customer",
        Self::HoldParticipant { .. } => "holding a participant again",
        Self::CoachInstead { .. } => "letting a supervisor coach the agent who is back",
        Self::EndConference { .. } => "ending the conference",
        Self::Learn { .. } => "looking up the task",
        Self::CheckNumber { .. } => "looking up the customer's number",
        Self::FindOwners { .. } => "looking up whose the reservations are",
        Self::ReadActivity { .. } => "looking up the agent's activity",
        Self::LendActivity { .. } => "putting the agent into an activity that receives tasks",
        Self::ReturnActivity { .. } => "putting the agent back into her activity",
        Self::Look { .. } => "looking how the call stands",
        Self::GiveUp { .. } => "telling the customer that it did not work",
    }
    // As in JSON.
    Timer, name {
        Self::Grace => "grace",
        Self::Announce => "announce",
        Self::Leave => "leave",
        Self::Ping => "ping",
        Self::Rejoin => "rejoin",
        Self::Beside => "beside",
        Self::Orphan => "orphan",
        Self::Learn => "learn",
        Self::Owners => "owners",
        Self::Watch => "watch",
        Self::Missed => "missed",
        Self::Forget => "forget",
    }
}

impl Event {
    /// Which one of its kind, where there are several; else its kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conference(event) => event.kind.name(),
            Self::Task(event) => event.kind.name(),
            Self::Done { action, .. } => action.name(),
            Self::Timer { timer, .. } => timer.name(),
            _ => self.kind(),
        }
    }
}

/// Kind and name.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind(), self.name()) {
            (kind, name) if kind == name => f.write_str(kind),
            (kind, name) => write!(f, "{kind} {name}"),
        }
    }
}
