//! Event Streams: a sink that leads to the server, and the types that it gets.

use rejoin_twilio::{Sink, SubscribedEvent};

/// The types that the server uses (docs/server.md, Event Streams), each in the version of its schema that it was written for.
pub(crate) const TYPES: [(&str, u32); 8] = [
    ("com.twilio.taskrouter.reservation.accepted", 1),
    ("com.twilio.taskrouter.reservation.rejected", 1),
    ("com.twilio.taskrouter.reservation.timeout", 1),
    ("com.twilio.taskrouter.reservation.canceled", 1),
    ("com.twilio.taskrouter.reservation.wrapup", 1),
    ("com.twilio.taskrouter.task.canceled", 1),
    ("com.twilio.taskrouter.task.deleted", 1),
    ("com.twilio.taskrouter.task-queue.entered", 1),
];

/// Where the server takes events.
pub(crate) fn address(public_url: &str) -> String {
    format!("{public_url}/webhooks/events")
}

/// True when the sink leads there. A fragment has Twilio's settings of the connection, not an address.
pub(crate) fn leads_to(sink: &Sink, address: &str) -> bool {
    let destination = sink.sink_configuration["destination"].as_str().unwrap_or_default();
    sink.sink_type == "webhook" && destination.split(['?', '#']).next() == Some(address)
}

/// The types that are not subscribed.
pub(crate) fn missing(subscribed: &[SubscribedEvent]) -> Vec<(&'static str, u32)> {
    TYPES.into_iter().filter(|(kind, _)| !subscribed.iter().any(|it| it.kind == *kind)).collect()
}
