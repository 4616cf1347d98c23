use rejoin_protocol::Millis;

/// What the machine goes by. Durations are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Base URL of the server, without a slash at its end. Twilio sends the conference's events there.
    pub server: String,
    /// How long Flex waits for us before the agent leaves a call. Default 1.5 s.
    pub leave_within: Millis,
    /// How long a dialog may go without news from the server before it says so. Default 10 s.
    pub silence: Millis,
    /// How long the customer's way through the queue may take when the server names no time. Default 20 s.
    pub queue_within: Millis,
    /// How long "Reconnected" stands. Default 1.5 s.
    pub rejoined_for: Millis,
    /// How long a found reservation's conference is waited for before the hello. Default 700 ms.
    pub look_for: Millis,
    /// How long joining a conference again may take. Default 6 s.
    pub join_within: Millis,
    /// Two hellos are at least so far apart. Default 1 s.
    pub hello_every: Millis,
    /// Pause before the first repetition of a failed request; it doubles. Default 1 s.
    pub first_retry: Millis,
    /// The pause grows no further than this. Default 30 s.
    pub longest_retry: Millis,
    /// How often an own reservation is tried to accept. Default 3.
    pub accept_attempts: u32,
}

impl Config {
    /// The defaults, with this server.
    pub fn new(server: &str) -> Self {
        Self {
            server: server.trim_end_matches('/').to_owned(),
            leave_within: Millis(1_500),
            silence: Millis::seconds(10),
            queue_within: Millis::seconds(20),
            rejoined_for: Millis(1_500),
            look_for: Millis(700),
            join_within: Millis::seconds(6),
            hello_every: Millis::seconds(1),
            first_retry: Millis::seconds(1),
            longest_retry: Millis::seconds(30),
            accept_attempts: 3,
        }
    }

    /// Where Twilio sends the events of a conference.
    pub fn conference_callback(&self) -> String {
        format!("{}/webhooks/conference", self.server)
    }

    /// Pause before a request is sent again that has failed so many times.
    pub fn retry_after(&self, failures: u32) -> Millis {
        let doubled = self.first_retry.0.saturating_mul(1 << failures.saturating_sub(1).min(16));
        Millis(doubled.min(self.longest_retry.0))
    }
}
