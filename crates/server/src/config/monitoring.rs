//! Settings of `rejoin monitor` that no other mode has.

use super::check::OPERATOR_TOKEN;
use super::secret;
use crate::error::Error;
use crate::server_state::Thresholds;
use clap::Args;
use http::HeaderValue;
use rejoin_protocol::Millis;
use secrecy::{ExposeSecret as _, SecretString};
use std::net::SocketAddr;
use std::path::PathBuf;

/// What is monitored, how often, and who is alerted.
#[derive(Clone, Debug, Args)]
pub struct Monitoring {
    /// URLs of servers that `rejoin monitor` asks, comma separated: each server's own one, when several serve one public
    /// URL. Empty: `REJOIN_PUBLIC_URL`.
    #[arg(long, env = "REJOIN_MONITOR_SERVERS", value_delimiter = ',', help_heading = "Monitor")]
    pub monitor_servers: Vec<String>,
    /// URLs of the other servers on the same database, comma separated: `rejoin serve` watches them, as `rejoin monitor` does, with
    /// the same targets; one of the servers alerts. Empty: it does not.
    #[arg(long, env = "REJOIN_MONITOR_PEERS", value_delimiter = ',', help_heading = "Monitor")]
    pub monitor_peers: Vec<String>,
    /// Time between two requests of `rejoin monitor` to an end point.
    #[arg(long, env = "REJOIN_MONITOR_EVERY_MS", default_value = "10000", value_parser = clap::value_parser!(u64).range(100..=3_600_000), help_heading = "Monitor")]
    pub monitor_every_ms: u64,
    /// Maximum time for an end point's answer, and for that of an alert's target.
    #[arg(long, env = "REJOIN_MONITOR_TIMEOUT_MS", default_value = "5000", value_parser = clap::value_parser!(u64).range(100..=60_000), help_heading = "Monitor")]
    pub monitor_timeout_ms: u64,
    /// Key by which a server tells a monitor how it sees itself, and takes its hellos: at least 32 characters, the same for both. It
    /// gives access to no call. Not set: servers refuse it, and monitors do not ask.
    #[arg(long, env = "REJOIN_MONITOR_KEY", hide_env_values = true, value_parser = secret, help_heading = "Monitor")]
    pub monitor_key: Option<SecretString>,
    /// Share of a server's open calls that may be unprotected, in percent: calls whose agent is not known.
    #[arg(long, env = "REJOIN_MONITOR_UNPROTECTED_PERCENT", default_value = "10", value_parser = clap::value_parser!(u64).range(0..=100), help_heading = "Monitor")]
    pub monitor_unprotected_percent: u64,
    /// How long an alert about something that happened stays open after the last time: an action that was given up, a lease that
    /// was lost.
    #[arg(long, env = "REJOIN_MONITOR_PAST_FOR_MS", default_value = "600000", value_parser = clap::value_parser!(u64).range(1000..=86_400_000), help_heading = "Monitor")]
    pub monitor_past_for_ms: u64,
    /// File in which `rejoin monitor` keeps which alerts are open, so that it resolves them after a restart. Not set: they are not
    /// kept.
    #[arg(long, env = "REJOIN_MONITOR_STATE", value_name = "FILE", help_heading = "Monitor")]
    pub monitor_state: Option<PathBuf>,
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
    /// Mail server for the same alerts: `smtps://user:password@mail.example.com`, or `smtp://…?tls=required` for STARTTLS;
    /// without user and password for a relay that wants none. It is secret, because of the password.
    #[arg(long, env = "REJOIN_ALERT_SMTP_URL", hide_env_values = true, value_parser = secret, help_heading = "Monitor")]
    pub alert_smtp_url: Option<SecretString>,
    /// Sender of that mail.
    #[arg(long, env = "REJOIN_ALERT_MAIL_FROM", help_heading = "Monitor")]
    pub alert_mail_from: Option<String>,
    /// Its recipients, comma separated: each gets a mail of their own.
    #[arg(
        long,
        env = "REJOIN_ALERT_MAIL_TO",
        value_delimiter = ',',
        hide_env_values = true,
        help_heading = "Monitor"
    )]
    pub alert_mail_to: Vec<String>,
}

impl Monitoring {
    /// The key, as a header. `None`: there is none.
    ///
    /// # Errors
    /// One that is too short, or has characters that no header has.
    pub(crate) fn key(&self) -> Result<Option<HeaderValue>, Error> {
        let key =
            self.monitor_key.as_ref().map(|key| key.expose_secret().trim()).filter(|key| !key.is_empty());
        let Some(key) = key else { return Ok(None) };
        let why =
            "32 characters or more are wanted, all of them ASCII: `openssl rand -hex 32` makes a good one";
        let value = HeaderValue::from_str(key).ok().filter(|_| key.is_ascii() && key.len() >= OPERATOR_TOKEN);
        let mut value = value.ok_or(Error::Setting { name: "REJOIN_MONITOR_KEY", why })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// From when on something is alerted about.
    pub(crate) fn thresholds(&self) -> Thresholds {
        Thresholds {
            unprotected_percent: self.monitor_unprotected_percent,
            past_for: Millis(self.monitor_past_for_ms),
        }
    }
}
