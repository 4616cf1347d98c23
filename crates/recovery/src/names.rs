//! Names of events, timers and endings in stories, logs, figures and tests. Those of actions are in `action.rs`.

use crate::named::names;
use crate::{ConferenceEventKind, Ending, Event, TaskEventKind, Timer};
use std::fmt;

names! {
    Event, kind {
        Self::Conference(_) => "callback",
        Self::Task(_) => "task",
        Self::Registered { .. } => "registration",
        Self::Graceful { .. } => "on-purpose",
        Self::Hello { .. } => "hello",
        Self::Goodbye { .. } => "goodbye",
        Self::PushLost { .. } => "push-lost",
        Self::PushBack { .. } => "push-back",
        Self::PageAnswered { .. } => "page-answered",
        Self::EnteredQueue { .. } => "waiting-music",
        Self::LeftQueue { .. } => "after-the-queue",
        Self::ActionUrlFetched { .. } => "after-the-conference",
        Self::Restored { .. } => "restored",
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
    // In timelines, reports and figures.
    Ending, name {
        Self::Rejoined { .. } => "rejoined",
        Self::HandedOver { .. } => "handed-over",
        Self::Covered => "covered",
        Self::CustomerLeft => "customer-left",
        Self::Graceful => "graceful",
        Self::Failed { .. } => "failed",
    }
    // As stored: rows of timers are found by these names.
    Timer, name {
        Self::Grace => "grace",
        Self::Announce => "announce",
        Self::Answer => "answer",
        Self::Leave => "leave",
        Self::Ping => "ping",
        Self::Rejoin => "rejoin",
        Self::Covered => "beside",
        Self::LeftAlone => "orphan",
        Self::LookUp => "learn",
        Self::Owners => "owners",
        Self::Watchdog => "watch",
        Self::CatchUp => "missed",
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
