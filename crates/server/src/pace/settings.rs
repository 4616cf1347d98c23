//! Settings of the pace.

use clap::Args;
use rejoin_protocol::Millis;
use rejoin_twilio::Family;

/// Rate of requests to Twilio, and what counts as a storm. Servers on one database share the rate; each of several
/// deployments on one account needs its own part of it.
#[derive(Clone, Debug, Args)]
pub struct Pacing {
    /// Requests per second to the Voice API (calls, conferences). Twilio limits concurrent requests and does not
    /// publish the limit.
    #[arg(long, env = "REJOIN_VOICE_PER_SECOND", default_value = "40", value_parser = clap::value_parser!(u64).range(1..))]
    pub voice_per_second: u64,
    /// Maximum number of concurrent requests to the Voice API.
    #[arg(long, env = "REJOIN_VOICE_AT_ONCE", default_value = "16", value_parser = clap::value_parser!(u64).range(1..))]
    pub voice_at_once: u64,
    /// Requests per second to TaskRouter. The workspace's own limit is in the Console under TaskRouter, Limits.
    #[arg(long, env = "REJOIN_TASKROUTER_PER_SECOND", default_value = "20", value_parser = clap::value_parser!(u64).range(1..))]
    pub taskrouter_per_second: u64,
    /// Maximum number of concurrent requests to TaskRouter.
    #[arg(long, env = "REJOIN_TASKROUTER_AT_ONCE", default_value = "8", value_parser = clap::value_parser!(u64).range(1..))]
    pub taskrouter_at_once: u64,
    /// Requests per second to interactions and conversations. Twilio publishes no limit for them.
    #[arg(long, env = "REJOIN_CONVERSATIONS_PER_SECOND", default_value = "20", value_parser = clap::value_parser!(u64).range(1..))]
    pub conversations_per_second: u64,
    /// Maximum number of concurrent requests to interactions and conversations.
    #[arg(long, env = "REJOIN_CONVERSATIONS_AT_ONCE", default_value = "8", value_parser = clap::value_parser!(u64).range(1..))]
    pub conversations_at_once: u64,
    /// Number of agents lost within ten seconds that counts as a storm: operators are alerted, and announcements to
    /// customers come first. 0: never.
    #[arg(long, env = "REJOIN_STORM_AT", default_value = "50")]
    pub storm_at: usize,
    /// Number of agents lost in one storm that activates the failsafe: lost agents are not pinged, and no customer goes to the next
    /// agent, until an operator says so or the storm has been over for a while; an agent who is back gets their customer. 0: never.
    #[arg(long, env = "REJOIN_FAILSAFE_AT", default_value = "1000")]
    pub failsafe_at: usize,
    /// Time until the failsafe ends without an operator's decision, from when fewer than `storm_at` agents were lost within ten seconds, in
    /// milliseconds.
    #[arg(long, env = "REJOIN_FAILSAFE_FOR_MS", default_value = "60000")]
    pub failsafe_for_ms: u64,
}

/// Limits of one family, for all servers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) per_second: u64,
    /// Maximum number of requests without a pause, when nothing went out before.
    pub(super) burst: u64,
    pub(super) at_once: u64,
}

impl Limits {
    /// One server's share of the rate, in requests per 1000 s; each gets at least one.
    pub(super) fn rate(self, servers: u64) -> u64 {
        (self.per_second.max(1) * 1000 / servers).max(1)
    }

    /// One server's share of the burst.
    pub(super) fn burst(self, servers: u64) -> u64 {
        (self.burst / servers).max(1)
    }

    /// One server's share of concurrent requests.
    pub(super) fn at_once(self, servers: u64) -> u64 {
        (self.at_once / servers).max(1)
    }
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            voice_per_second: 40,
            voice_at_once: 16,
            taskrouter_per_second: 20,
            taskrouter_at_once: 8,
            conversations_per_second: 20,
            conversations_at_once: 8,
            storm_at: 50,
            failsafe_at: 1000,
            failsafe_for_ms: 60_000,
        }
    }
}

impl Pacing {
    pub(super) fn limits(&self, family: Family) -> Limits {
        let (per_second, at_once) = match family {
            Family::Voice => (self.voice_per_second, self.voice_at_once),
            Family::TaskRouter => (self.taskrouter_per_second, self.taskrouter_at_once),
            Family::Conversations => (self.conversations_per_second, self.conversations_at_once),
            // Three a second for the whole account: <https://www.twilio.com/docs/taskrouter/limits>.
            Family::TaskSearch => return Limits { per_second: 2, burst: 1, at_once: 1 },
        };
        Limits { per_second, burst: per_second.div_ceil(4), at_once }
    }

    pub(super) fn failsafe_for(&self) -> Millis {
        Millis(self.failsafe_for_ms)
    }
}
