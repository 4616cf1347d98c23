//! Settings of `rejoin monitor` that no other mode has.

use super::secret;
use clap::Args;
use secrecy::SecretString;
use std::net::SocketAddr;

/// What is monitored, how often, and who is alerted.
#[derive(Clone, Debug, Args)]
pub struct Monitoring {
    /// URLs of servers that `rejoin monitor` asks, comma separated: each server's own one, when several serve one public
    /// URL. Empty: `REJOIN_PUBLIC_URL`.
    #[arg(long, env = "REJOIN_MONITOR_SERVERS", value_delimiter = ',', help_heading = "Monitor")]
    pub monitor_servers: Vec<String>,
    /// Time between two requests of `rejoin monitor` to an end point.
    #[arg(long, env = "REJOIN_MONITOR_EVERY_MS", default_value = "10000", value_parser = clap::value_parser!(u64).range(100..=3_600_000), help_heading = "Monitor")]
    pub monitor_every_ms: u64,
    /// Maximum time for an end point's answer, and for that of an alert's target.
    #[arg(long, env = "REJOIN_MONITOR_TIMEOUT_MS", default_value = "5000", value_parser = clap::value_parser!(u64).range(100..=60_000), help_heading = "Monitor")]
    pub monitor_timeout_ms: u64,
    /// Address on which `rejoin monitor` serves `/health/live` and `/metrics`. Not encrypted, and for everybody who reaches it:
    /// use an address of this machine or of your own network. Not set: they are not served.
    #[arg(long, env = "REJOIN_MONITOR_LISTEN", help_heading = "Monitor")]
    pub monitor_listen: Option<SocketAddr>,
    /// `rejoin monitor` posts each alert to this URL as JSON. It is secret, because alerts can be sent with it.
    #[arg(long, env = "REJOIN_ALERT_WEBHOOK_URL", hide_env_values = true, value_parser = secret, help_heading = "Monitor")]
    pub alert_webhook_url: Option<SecretString>,
    /// URL of an incoming webhook of Slack, or of another service that takes `{"text": …}`, for the same alerts.
    #[arg(long, env = "REJOIN_ALERT_SLACK_URL", hide_env_values = true, value_parser = secret, help_heading = "Monitor")]
    pub alert_slack_url: Option<SecretString>,
    /// Integration key of a service of PagerDuty (Events API v2), for the same alerts.
    #[arg(long, env = "REJOIN_ALERT_PAGERDUTY_KEY", hide_env_values = true, value_parser = secret, help_heading = "Monitor")]
    pub alert_pagerduty_key: Option<SecretString>,
    /// Where PagerDuty takes them. In its EU region: `https://events.eu.pagerduty.com/v2/enqueue`.
    #[arg(
        long,
        env = "REJOIN_ALERT_PAGERDUTY_URL",
        default_value = "https://events.pagerduty.com/v2/enqueue",
        help_heading = "Monitor"
    )]
    pub alert_pagerduty_url: String,
}
