//! What a batch is called among the steps at which a test ends the program.

use super::Work;
use crate::queue;
use rejoin_protocol::ConferenceSid;
use rejoin_recovery::{ConferenceEventKind, Event};
use std::collections::BTreeSet;

/// Each kind of event in it once.
pub(super) fn named(works: &[Work], due: &[ConferenceSid]) -> String {
    let events = works.iter().filter_map(|work| work.event.as_deref()).map(name);
    let timers = (!due.is_empty()).then(|| "timers".to_owned());
    let names: BTreeSet<String> = events.chain(timers).collect();
    names.into_iter().collect::<Vec<_>>().join(" + ")
}

fn name(event: &Event) -> String {
    let name = match event {
        Event::Conference(event) => match event.kind {
            ConferenceEventKind::Start => "start",
            ConferenceEventKind::End => "end",
            ConferenceEventKind::Join { .. } => "join",
            ConferenceEventKind::Leave { .. } => "leave",
            ConferenceEventKind::Modify { .. } => "modify",
            ConferenceEventKind::AnnouncementEnd => "end of the announcement",
        },
        Event::Registered { .. } => "registration",
        Event::Graceful { .. } => "mark",
        Event::Hello { .. } => "hello",
        Event::Goodbye { .. } => "goodbye",
        Event::EnteredQueue { .. } => "entered the queue",
        Event::LeftQueue { .. } => "left the queue",
        Event::Task(_) => "task",
        Event::Released { .. } => "released",
        Event::Done { action, .. } => return format!("done {}", queue::name(action)),
        Event::Timer { timer, .. } => return format!("timer {timer:?}"),
    };
    name.to_owned()
}
