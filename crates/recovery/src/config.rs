use rejoin_protocol::Millis;
use serde::{Deserialize, Serialize};

/// Durations that the machine goes by. All of them are absolute deadlines once set, and survive restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// How long a mark "on purpose" may come after the leave that it explains. Default 300 ms.
    pub grace: Millis,
    /// How long the leave of a leg may be late of which Twilio says otherwise that it is gone. Default 2 s.
    pub leave_within: Millis,
    /// Is an agent whose leg still stands put back into the same conference (R1)? If not, the leg is removed at once and
    /// the customer comes back through the queue (R2). Default: yes.
    pub in_place: bool,
    /// How long after a page's goodbye the customer is told, if the page is not back by then; most are. Default 1.5 s.
    pub announce_after: Millis,
    /// How long joining the same conference again may take before the customer comes back through the queue. Default 8 s.
    pub in_place_within: Millis,
    /// How long the agent is waited for before the customer goes to the next one. Default 15 s.
    pub ping_ttl: Millis,
    /// How long an agent who has proved reachable may take to be on the call again. Default 20 s.
    pub rejoin_within: Millis,
    /// How long the customer waits in the queue for any agent before the call is looked at again. Default 10 min.
    pub queue_within: Millis,
    /// How long after a graceful leave a conference with the customer alone in it may stand. Default 2 s.
    pub orphan_after: Millis,
    /// How long after the first join the plugin has to register before the server looks the call up itself. Default 3 s.
    pub learn_after: Millis,
    /// How long a closed call is kept in the machine, so that late events find it. Default 10 min.
    pub keep_closed: Millis,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grace: Millis(300),
            leave_within: Millis::seconds(2),
            in_place: true,
            announce_after: Millis(1500),
            in_place_within: Millis::seconds(8),
            ping_ttl: Millis::seconds(15),
            rejoin_within: Millis::seconds(20),
            queue_within: Millis::seconds(600),
            orphan_after: Millis::seconds(2),
            learn_after: Millis::seconds(3),
            keep_closed: Millis::seconds(600),
        }
    }
}
