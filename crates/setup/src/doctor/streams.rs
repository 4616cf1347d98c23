//! A sink of Event Streams delivers TaskRouter's events here. Recoveries work without, but miss what only these report. Of a
//! sink only the description can be changed (<https://www.twilio.com/docs/events/event-streams/sink-resource>).

use super::{Expected, Finding, Streams};
use crate::streams::{self, TYPES};
use std::collections::BTreeSet;

const CHECK: &str = "event-streams";
const MEANS: &str =
    "recoveries work; what neither a callback nor a page reports is noticed later, by polling";

pub(super) fn judge(streams: &Streams, expected: &Expected) -> Finding {
    let wanted = streams::address(&expected.public_url);
    let here = |destination: &str| destination.starts_with(&expected.public_url);
    let sink = streams.sinks.iter().find(|(sink, _)| {
        sink.sink_type == "webhook" && sink.sink_configuration["destination"].as_str().is_some_and(here)
    });
    let Some((sink, types)) = sink else {
        return Finding::warning(
            CHECK,
            "no sink leads to this server",
            MEANS,
            "`rejoin provision` creates one (docs/server.md, Event Streams)",
        );
    };
    let sid = &sink.sid;
    let destination = sink.sink_configuration["destination"].as_str().unwrap_or_default();
    if !streams::leads_to(sink, &wanted) {
        return Finding::warning(
            CHECK,
            format!(
                "the sink {sid} leads to {}, where the server takes no events",
                destination.escape_debug()
            ),
            MEANS,
            "Twilio cannot change an address: `rejoin provision` creates a sink with the right one",
        );
    }
    if sink.status != "active" {
        return Finding::warning(
            CHECK,
            format!("the sink {sid} is {}", sink.status.escape_debug()),
            MEANS,
            "see the sink in Twilio's console; one that has failed has to be created anew",
        );
    }
    let missing: Vec<_> = streams::missing(types).into_iter().map(|(kind, _)| kind).collect();
    if !missing.is_empty() {
        return Finding::warning(
            CHECK,
            format!("the sink {sid} does not get {}", missing.join(", ")),
            MEANS,
            "`rejoin provision` subscribes it to these types",
        );
    }
    let versions: BTreeSet<_> = types
        .iter()
        .filter(|it| TYPES.iter().any(|(kind, _)| it.kind == *kind))
        .filter_map(|it| it.schema_version)
        .map(|version| version.to_string())
        .collect();
    let versions: Vec<_> = versions.into_iter().collect();
    Finding::ok(
        CHECK,
        format!(
            "the sink {sid} is active and gets all {} types (schema version {})",
            TYPES.len(),
            versions.join(", ")
        ),
    )
}
