//! The workers' shares of the channels: one call at a time, and pings.

use super::{Finding, Workers, count};
use rejoin_protocol::attributes::RECOVERY_PING_CHANNEL;
use rejoin_twilio::WorkerChannel;

const CHECK: &str = "workers";
/// The unique name of the task channel for calls.
const VOICE: &str = "voice";

pub(super) fn judge(workers: &Workers) -> Finding {
    let share = |channels: &[WorkerChannel], name: &str| {
        let found = channels.iter().find(|channel| channel.task_channel_unique_name == name);
        found.filter(|channel| channel.available).map_or(0, |channel| channel.configured_capacity)
    };
    let read = workers.channels.len();
    let of = if workers.are_more { format!("of {read} that were read") } else { format!("of {read}") };
    let without = workers.channels.iter().filter(|it| share(it, RECOVERY_PING_CHANNEL) == 0).count();
    let several = workers.channels.iter().filter(|it| share(it, VOICE) > 1).count();
    let mut found = vec![];
    if without > 0 {
        found.push(format!("{} {of} without the channel {RECOVERY_PING_CHANNEL}", count(without, "worker")));
    }
    if several > 0 {
        found.push(format!("{} {of} for more than one call at a time", count(several, "worker")));
    }
    if found.is_empty() {
        let more = if workers.are_more { ", of more" } else { "" };
        return Finding::ok(
            CHECK,
            format!("{} read{more}: one call at a time, and pings", count(read, "worker")),
        );
    }
    let means = match (without, several) {
        (0, _) => {
            "with several calls at once, the ones that the page does not show are not recovered in place"
        }
        _ => "these agents may not be pinged when they are lost: their customers go to another agent",
    };
    Finding::warning(
        CHECK,
        found.join("; "),
        means,
        "in TaskRouter's console, make the channel available to them with a capacity of 1",
    )
}
