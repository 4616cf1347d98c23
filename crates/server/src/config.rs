//! Settings: from a file, from the environment, or as options; the later one of these wins ([`layers`]). Secrets do not
//! show in `Debug`.

mod ask;
pub mod check;
mod conversations;
pub mod document;
mod keys;
pub mod layers;
mod monitoring;

pub use conversations::{ConversationSettings, Switch, Unattended, Untaken};
pub use keys::Key;
pub use monitoring::Monitoring;

use crate::allowed::Number;
use crate::chat_texts::ChatTexts;
use crate::error::Error;
use crate::limits::Limits;
use crate::pace::Pacing;
use crate::store::Store;
use crate::surroundings::Surroundings;
use crate::texts::Texts;
use clap::{Args, Parser};
use rejoin_protocol::overrides::{self, with_overrides};
use rejoin_protocol::{AccountSid, ActivitySid, Millis, TaskQueueSid, WorkflowSid, WorkspaceSid};
use rejoin_recovery::{Changes, Policies};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// All settings.
#[derive(Clone, Debug, Parser)]
pub struct Config {
    /// The Twilio account.
    #[arg(long = "twilio-account-sid", env = "TWILIO_ACCOUNT_SID", value_parser = AccountSid::parse, help_heading = "Twilio")]
    pub account: AccountSid,
    /// Its primary auth token: authenticates requests and verifies webhook signatures.
    #[arg(long = "twilio-auth-token", env = "TWILIO_AUTH_TOKEN", hide_env_values = true, value_parser = secret, help_heading = "Twilio")]
    pub auth_token: SecretString,
    /// The previous auth token, during a rotation: signatures made with it are accepted, too.
    #[arg(long = "twilio-auth-token-previous", env = "TWILIO_AUTH_TOKEN_PREVIOUS", hide_env_values = true, value_parser = secret, help_heading = "Twilio")]
    pub previous_auth_token: Option<SecretString>,
    /// The TaskRouter workspace.
    #[arg(long = "twilio-workspace-sid", env = "TWILIO_WORKSPACE_SID", value_parser = WorkspaceSid::parse, help_heading = "Twilio")]
    pub workspace: WorkspaceSid,
    /// Base URL for requests: `{base}/{host}{path}`. Empty: Twilio itself.
    #[arg(long = "twilio-api-base", env = "TWILIO_API_BASE", default_value = "", help_heading = "Twilio")]
    pub twilio_base: String,
    /// Address to listen on.
    #[arg(long, env = "REJOIN_LISTEN", default_value = "127.0.0.1:8080", help_heading = "Server")]
    pub listen: SocketAddr,
    /// A second address to listen on, for operators: `/console`, `/operator/…`, `/metrics` and `/health/ready` are served
    /// there only. Not encrypted: use an address that only this machine or your own network reaches. Not set: they are
    /// served with the rest.
    #[arg(long, env = "REJOIN_OPERATOR_LISTEN", help_heading = "Server")]
    pub operator_listen: Option<SocketAddr>,
    /// URL at which Twilio reaches this server: scheme, host, optional port and path.
    #[arg(long, env = "REJOIN_PUBLIC_URL", help_heading = "Server")]
    pub public_url: String,
    /// Further URLs at which Twilio may reach this server, comma separated: signatures over them are accepted, too.
    #[arg(long, env = "REJOIN_OTHER_PUBLIC_URLS", value_delimiter = ',', help_heading = "Server")]
    pub other_public_urls: Vec<String>,
    /// The workflow "Recovery Ping".
    #[arg(long = "ping-workflow-sid", env = "REJOIN_PING_WORKFLOW_SID", value_parser = WorkflowSid::parse, help_heading = "Twilio")]
    pub ping_workflow: WorkflowSid,
    /// Workflow for requeuing outbound calls. Not set: each is requeued by its own workflow, which must then be able to
    /// find any agent for it, like the workflow of inbound calls.
    #[arg(long = "outbound-workflow-sid", env = "REJOIN_OUTBOUND_WORKFLOW_SID", value_parser = WorkflowSid::parse, help_heading = "Twilio")]
    pub outbound_workflow: Option<WorkflowSid>,
    /// A dedicated available activity ("Reconnecting") for an agent whose own activity receives no tasks, while the
    /// customer comes back through the queue. Not set: such an agent gets the customer back only in place.
    #[arg(long = "reconnecting-activity-sid", env = "REJOIN_RECONNECTING_ACTIVITY_SID", value_parser = ActivitySid::parse, help_heading = "Twilio")]
    pub reconnecting_activity: Option<ActivitySid>,
    /// URL at which the customer's flow continues after a call that ended normally, when the first queue's `action` is
    /// `/twiml/ended` of this server. Not set: the customer's call ends then.
    #[arg(long, env = "REJOIN_ENDED_URL", help_heading = "Twilio")]
    pub ended_url: Option<String>,
    /// How Twilio repeats requests for documents that failed: its connection overrides, which each address of a document
    /// carries (`ct`, `rt`, `tt`, `rc`, `rp`, `e`, `sni`). Empty: once more when there is no connection, as by default.
    #[arg(long, env = "REJOIN_TWIML_OVERRIDES", default_value = overrides::TWIML, help_heading = "Twilio")]
    pub twiml_overrides: String,
    /// The same for callbacks about legs that this server moves. Those of agents' calls come from the plugin
    /// (`retryCallbacks`).
    #[arg(long, env = "REJOIN_CALLBACK_OVERRIDES", default_value = overrides::CALLBACKS, help_heading = "Twilio")]
    pub callback_overrides: String,
    /// URL at which Twilio reaches `rejoin fallback`, or its answers in Twilio's Functions: another host, which answers for
    /// documents when this server does not. Not set: nobody does.
    #[arg(long, env = "REJOIN_FALLBACK_URL", help_heading = "Fallback")]
    pub fallback_url: Option<String>,
    /// The workflow into which the fallback sends a customer whose request names none. Not set: such a customer is kept
    /// until this server answers, ten minutes at most.
    #[arg(long = "fallback-workflow-sid", env = "REJOIN_FALLBACK_WORKFLOW_SID", value_parser = WorkflowSid::parse, help_heading = "Fallback")]
    pub fallback_workflow: Option<WorkflowSid>,
    /// Attributes of the task that the workflow needs to route a customer whom the fallback sends into the queue, comma
    /// separated: texts, numbers and truth values of up to 100 characters. They stand in addresses, so name none with
    /// personal data.
    #[arg(long, env = "REJOIN_FALLBACK_ATTRIBUTES", value_delimiter = ',', help_heading = "Fallback")]
    pub fallback_attributes: Vec<String>,
    /// Origins from which Flex is loaded, comma separated.
    #[arg(
        long,
        env = "REJOIN_ALLOWED_ORIGINS",
        value_delimiter = ',',
        default_value = "https://flex.twilio.com",
        help_heading = "Server"
    )]
    pub allowed_origins: Vec<String>,
    /// Token for the console, timelines and metrics, at least 32 characters. Not set: no operator can read them.
    #[arg(long, env = "REJOIN_OPERATOR_TOKEN", hide_env_values = true, value_parser = secret, help_heading = "Server")]
    pub operator_token: Option<SecretString>,
    /// The previous operator token, during a rotation: it is accepted, too.
    #[arg(long = "operator-token-previous", env = "REJOIN_OPERATOR_TOKEN_PREVIOUS", hide_env_values = true, value_parser = secret, help_heading = "Server")]
    pub previous_operator_token: Option<SecretString>,
    /// Outside production: restricts recovery to calls whose customer has one of these numbers, comma separated. Empty:
    /// all calls.
    #[arg(
        long,
        env = "REJOIN_ALLOWED_NUMBERS",
        value_delimiter = ',',
        hide_env_values = true,
        help_heading = "Server"
    )]
    pub allowed_numbers: Vec<Number>,
    /// Where the state is stored.
    #[command(flatten)]
    pub storage: Storage,
    /// Number of days for which a call's data is kept. Afterwards only statistics of its recoveries remain, without
    /// personal data.
    #[arg(
        long,
        env = "REJOIN_KEEP_DAYS",
        default_value = "30",
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Server"
    )]
    pub keep_days: u32,
    /// TLS of this server.
    #[command(flatten, next_help_heading = "Server")]
    pub tls: Tls,
    /// Whether an agent whose old leg still stands rejoins the same conference.
    #[arg(long, env = "REJOIN_IN_PLACE", value_enum, default_value = "auto", help_heading = "Recovery")]
    pub in_place: InPlace,
    /// When a customer who is alone goes on hold, where they hear the announcement: as soon as the agent's page says goodbye, with a
    /// soft tone until it is due (`auto`), when it is due (`when-told`), or never (`off`).
    #[arg(long, env = "REJOIN_CUSTOMER_HOLD", value_enum, default_value = "auto", help_heading = "Recovery")]
    pub customer_hold: CustomerHold,
    /// What customers hear.
    #[command(flatten, next_help_heading = "What callers hear")]
    pub texts: Texts,
    /// Durations.
    #[command(flatten, next_help_heading = "Durations")]
    pub timings: Timings,
    /// Limits of connections and requests.
    #[command(flatten, next_help_heading = "Limits")]
    pub limits: Limits,
    /// Rate of requests to Twilio.
    #[command(flatten, next_help_heading = "Pace")]
    pub pacing: Pacing,
    /// The log.
    #[command(flatten, next_help_heading = "Logs")]
    pub logs: Logs,
    /// What is monitored, and who is alerted.
    #[command(flatten)]
    pub monitoring: Monitoring,
    /// Settings that differ for calls of a workflow.
    #[arg(skip)]
    pub workflow: BTreeMap<WorkflowSid, Changes>,
    /// Conversations.
    #[command(flatten, next_help_heading = "Conversations")]
    pub conversations: ConversationSettings,
    /// Texts of conversations.
    #[command(flatten, next_help_heading = "Conversations")]
    pub chat_texts: ChatTexts,
    /// Settings that differ for calls of a queue.
    #[arg(skip)]
    pub queue: BTreeMap<TaskQueueSid, Changes>,
}

/// Where the state is stored.
#[derive(Clone, Args)]
pub struct Storage {
    /// The database: `sqlite:` and a file's path, for one server, or `postgres://user@host/name`, for any number of
    /// servers; of several hosts (`a,b`) the primary is used. PostgreSQL's password comes from PGPASSWORD or ~/.pgpass.
    #[arg(long, env = "DATABASE_URL", default_value = "sqlite:rejoin.db", help_heading = "Server")]
    pub database_url: String,
    /// Maximum time for the database to answer, in milliseconds; then its connections are replaced and waiting requests
    /// are answered with 503.
    #[arg(
        long,
        env = "REJOIN_DATABASE_TIMEOUT_MS",
        default_value = "5000",
        value_parser = clap::value_parser!(u64).range(1000..=10_000),
        help_heading = "Server"
    )]
    pub database_timeout_ms: u64,
    /// How long a server that starts waits for a database that cannot be reached or accepts no writes, in
    /// milliseconds. Then it ends with an error. 0: it ends at once.
    #[arg(
        long,
        env = "REJOIN_DATABASE_WAIT_MS",
        default_value = "60000",
        value_parser = clap::value_parser!(u64).range(..=3_600_000),
        help_heading = "Server"
    )]
    pub database_wait_ms: u64,
}

impl Storage {
    /// Opens the database and migrates its tables.
    pub async fn open(&self) -> Result<Store, Error> {
        let deadline = Duration::from_millis(self.database_timeout_ms);
        Store::open_in(&self.database_url, deadline, Surroundings::system()).await
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("database_url", &redacted(&self.database_url))
            .field("database_timeout_ms", &self.database_timeout_ms)
            .field("database_wait_ms", &self.database_wait_ms)
            .finish()
    }
}

/// TLS of this server, when no proxy in front of it terminates TLS.
#[derive(Clone, Debug, Args)]
pub struct Tls {
    /// The certificate with its chain, PEM. With it and its key the server speaks TLS itself; changed files are
    /// reloaded.
    #[arg(long = "tls-certificate", env = "REJOIN_TLS_CERTIFICATE", value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// The certificate's key, PEM.
    #[arg(long = "tls-key", env = "REJOIN_TLS_KEY", value_name = "FILE")]
    pub key: Option<PathBuf>,
}

/// The log. It contains no personal data at any level.
#[derive(Clone, Debug, Args)]
pub struct Logs {
    /// Log levels, such as `info`, or `warn,rejoin_server=debug`.
    #[arg(id = "log", long = "log", env = "REJOIN_LOG", default_value = "info")]
    pub filter: String,
    /// Format: lines for people, or JSON objects for programs.
    #[arg(
        id = "log_format",
        long = "log-format",
        env = "REJOIN_LOG_FORMAT",
        value_enum,
        default_value = "text"
    )]
    pub format: LogFormat,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Whether an agent whose old leg still stands rejoins the same conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum InPlace {
    /// Whenever possible.
    Auto,
    /// Never: every customer is requeued.
    Off,
}

/// When a customer who is alone goes on hold, where they hear the announcement and comfort audio, so that both stop at once
/// when the agent is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CustomerHold {
    /// As soon as the agent's page says goodbye: they hear a soft tone until the announcement is due.
    Auto,
    /// When the announcement is due. An agent who is back before costs no request to Twilio.
    WhenTold,
    /// Never: announcements go to the conference and play to their end.
    Off,
}

/// The machine's defaults.
fn machine() -> rejoin_recovery::Config {
    rejoin_recovery::Config::default()
}

/// Durations in milliseconds.
#[derive(Clone, Debug, Args)]
pub struct Timings {
    /// Grace period for a graceful mark after the leave that it explains.
    #[arg(long, env = "REJOIN_GRACE_MS", default_value_t = machine().grace.0)]
    pub grace_ms: u64,
    /// Time from a page's goodbye to the announcement to the customer, as the agent may be back any moment.
    #[arg(long, env = "REJOIN_ANNOUNCE_AFTER_MS", default_value_t = machine().announce_after.0)]
    pub announce_after_ms: u64,
    /// Maximum time for a page to answer a call message after its push channel was lost, before the customer is told that the
    /// agent may be gone. 0: no page is asked.
    #[arg(long, env = "REJOIN_ANSWER_WITHIN_MS", default_value_t = machine().answer_within.0)]
    pub answer_within_ms: u64,
    /// Maximum time for rejoining the same conference, before the customer is requeued.
    #[arg(long, env = "REJOIN_IN_PLACE_WITHIN_MS", default_value_t = machine().in_place_within.0)]
    pub in_place_within_ms: u64,
    /// Maximum wait for the lost agent, before the call goes to the next agent. It begins when the page goes, so it must be longer
    /// than Flex takes to load on the agents' slowest network.
    #[arg(long, env = "REJOIN_PING_TTL_MS", default_value_t = machine().ping_ttl.0)]
    pub ping_ttl_ms: u64,
    /// Maximum time for an agent who is back to be on the call again.
    #[arg(long, env = "REJOIN_REJOIN_WITHIN_MS", default_value_t = machine().rejoin_within.0)]
    pub rejoin_within_ms: u64,
    /// Maximum wait of a customer for any agent, before the recovery counts as failed.
    #[arg(long, env = "REJOIN_QUEUE_WITHIN_MS", default_value_t = machine().queue_within.0)]
    pub queue_within_ms: u64,
    /// Time without a callback of a call after which Twilio is polled, as it does not repeat callbacks. 0: never.
    #[arg(long, env = "REJOIN_WATCH_CALL_MS", default_value_t = machine().watch_call.0)]
    pub watch_call_ms: u64,
    /// The same while an agent of the call is lost, and for a call that never had a callback.
    #[arg(long, env = "REJOIN_WATCH_RECOVERY_MS", default_value_t = machine().watch_recovery.0)]
    pub watch_recovery_ms: u64,
    /// Validity of a graceful mark when the agent stays on the call after it.
    #[arg(long, env = "REJOIN_MARK_WITHIN_MS", default_value_t = machine().mark_within.0)]
    pub mark_within_ms: u64,
    /// Maximum time for Twilio to fetch the action URL of a customer whose conference has ended.
    #[arg(long, env = "REJOIN_RELEASED_WITHIN_MS", default_value_t = machine().released_within.0)]
    pub released_within_ms: u64,
    /// How often, within `again_within_ms`, the lost agent gets the same customer back; then the next agent does.
    #[arg(long, env = "REJOIN_AGAIN_AT_MOST", default_value_t = machine().again_at_most)]
    pub again_at_most: u32,
    /// Period in which `again_at_most` counts.
    #[arg(long, env = "REJOIN_AGAIN_WITHIN_MS", default_value_t = machine().again_within.0)]
    pub again_within_ms: u64,
    /// Timeout of a request to Twilio.
    #[arg(long, env = "REJOIN_TWILIO_TIMEOUT_MS", default_value = "5000")]
    pub twilio_timeout_ms: u64,
}

impl Config {
    /// Normalises the settings. Fails with the first fatal finding.
    pub fn checked(mut self) -> Result<Self, Error> {
        if let Some(finding) = self.findings().into_iter().find(|finding| finding.fatal) {
            return Err(Error::Setting { name: finding.name, why: finding.why });
        }
        self.public_url = address(&self.public_url).unwrap_or_default();
        self.fallback_url = self.fallback_url.as_deref().and_then(address);
        self.other_public_urls = self.other_public_urls.iter().filter_map(|url| address(url)).collect();
        self.allowed_origins =
            self.allowed_origins.iter().map(|o| o.trim().trim_end_matches('/').to_owned()).collect();
        self.allowed_origins.retain(|origin| !origin.is_empty());
        self.allowed_numbers.retain(|number| !number.is_empty());
        Ok(self)
    }

    /// An address of this server as Twilio sees it; `path` begins with a slash.
    pub fn public(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }

    /// The same for a document that Twilio fetches there, with the overrides for it.
    pub fn document(&self, path: &str) -> String {
        with_overrides(&self.public(path), &self.twiml_overrides)
    }

    /// An address of the fallback, with the overrides for documents. `None`: there is no fallback.
    pub fn fallback(&self, path: &str) -> Option<String> {
        let url = self.fallback_url.as_ref()?;
        Some(with_overrides(&format!("{url}{path}"), &self.twiml_overrides))
    }

    /// The same for events that Twilio reports there, with the overrides for them.
    pub fn callback(&self, path: &str) -> String {
        with_overrides(&self.public(path), &self.callback_overrides)
    }

    /// The URLs over which Twilio may have signed a request for this path and query. The overrides are not part of what is signed,
    /// as users of theirs say (<https://github.com/openclaw/openclaw>, `docs/channels/sms.md`). Twilio's documentation does not
    /// say it, so they may be.
    /// The defaults count, too: addresses that were given before a change, and the plugin's.
    pub fn signed_as<'a>(&'a self, path: &'a str) -> impl Iterator<Item = String> + 'a {
        let known = fragments(&self.twiml_overrides, &self.callback_overrides);
        let with = move |overrides| self.known_as(path).map(move |url| with_overrides(&url, overrides));
        self.known_as(path).chain(known.into_iter().flat_map(with))
    }

    /// The URLs under which Twilio may have requested this path and query.
    pub fn known_as<'a>(&'a self, path: &'a str) -> impl Iterator<Item = String> + 'a {
        std::iter::once(&self.public_url)
            .chain(&self.other_public_urls)
            .map(move |url| format!("{url}{path}"))
    }

    /// The durations for the recovery machine.
    pub fn policies(&self) -> Policies {
        let all = rejoin_recovery::Config {
            grace: Millis(self.timings.grace_ms),
            in_place: self.in_place == InPlace::Auto,
            customer_hold: match self.customer_hold {
                CustomerHold::Auto => rejoin_recovery::CustomerHold::AtOnce,
                CustomerHold::WhenTold => rejoin_recovery::CustomerHold::WhenTold,
                CustomerHold::Off => rejoin_recovery::CustomerHold::Off,
            },
            announce_after: Millis(self.timings.announce_after_ms),
            answer_within: Millis(self.timings.answer_within_ms),
            in_place_within: Millis(self.timings.in_place_within_ms),
            ping_ttl: Millis(self.timings.ping_ttl_ms),
            rejoin_within: Millis(self.timings.rejoin_within_ms),
            queue_within: Millis(self.timings.queue_within_ms),
            watch_call: Millis(self.timings.watch_call_ms),
            watch_recovery: Millis(self.timings.watch_recovery_ms),
            mark_within: Millis(self.timings.mark_within_ms),
            released_within: Millis(self.timings.released_within_ms),
            again_at_most: self.timings.again_at_most,
            again_within: Millis(self.timings.again_within_ms),
            ..rejoin_recovery::Config::default()
        };
        Policies {
            all,
            allow_list: !self.allowed_numbers.is_empty(),
            lends_activity: self.reconnecting_activity.is_some(),
            workflow: self.workflow.clone(),
            queue: self.queue.clone(),
        }
    }
}

/// The fragments that an address may carry: those of the settings, the default ones, and the fallback's.
pub(crate) fn fragments<'a>(twiml: &'a str, callbacks: &'a str) -> Vec<&'a str> {
    let mut known = vec![twiml, callbacks, overrides::TWIML, overrides::CALLBACKS, overrides::BACK];
    known.sort_unstable();
    known.dedup();
    known.retain(|overrides| !overrides.is_empty());
    known
}

/// An address of this server, without a trailing slash. `None` if it cannot be one.
pub(crate) fn address(url: &str) -> Option<String> {
    let url = url.trim().trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    (!host.is_empty() && !host.contains(['?', '#', ' '])).then(|| url.to_owned())
}

/// A value that may be shown: without the password in a URL, before the host or in the query.
pub fn redacted(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let host = rest.rsplit_once('@').map_or_else(|| rest.to_owned(), |(_, host)| format!("***@{host}"));
    let hidden = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("passw") => format!("{name}=***"),
        _ => pair.to_owned(),
    };
    let query = query.map(|query| query.split('&').map(hidden).collect::<Vec<_>>().join("&"));
    query.map_or_else(|| format!("{scheme}://{host}"), |query| format!("{scheme}://{host}?{query}"))
}

/// clap requires a `Result`.
pub(crate) fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(extra: &[&str]) -> Result<Config, Error> {
        let account = AccountSid::numbered(1).to_string();
        let workspace = WorkspaceSid::numbered(1).to_string();
        let workflow = WorkflowSid::numbered(2).to_string();
        let mut arguments = vec![
            "rejoin",
            "--twilio-account-sid",
            &account,
            "--twilio-workspace-sid",
            &workspace,
            "--ping-workflow-sid",
            &workflow,
            "--twilio-auth-token",
            "very secret",
            "--operator-token",
            "also secret, and long enough to be one",
        ];
        arguments.extend(extra);
        Config::try_parse_from(arguments).expect("parses").checked()
    }

    #[test]
    fn debug_output_shows_no_secrets() {
        let config = config(&["--public-url", "https://rejoin.example.com/"]).expect("good");
        let shown = format!("{config:?}");
        assert!(!shown.contains("secret"), "{shown}");
        assert_eq!(config.public("/twiml/comfort"), "https://rejoin.example.com/twiml/comfort");
    }

    #[test]
    fn addresses_carry_their_overrides_unless_those_are_empty() {
        let of = |extra: &[&str]| {
            let config = config(&[&["--public-url", "https://a"], extra].concat()).expect("good");
            (config.document("/d?x=1"), config.callback("/c"))
        };
        let (document, callback) = of(&[]);
        assert_eq!(document, "https://a/d?x=1#ct=2000&rt=4000&tt=14000&rc=3&rp=all");
        assert_eq!(callback, "https://a/c#ct=2000&rt=5000&tt=15000&rc=5&rp=all");
        let other = of(&["--twiml-overrides", "rc=2", "--callback-overrides", ""]);
        assert_eq!(other, ("https://a/d?x=1#rc=2".into(), "https://a/c".into()));
    }

    #[test]
    fn overrides_out_of_range_are_refused_by_name() {
        for (option, value, name, part) in [
            ("--twiml-overrides", "ct=50", "REJOIN_TWIML_OVERRIDES", "ct=50"),
            ("--twiml-overrides", "rc=1&rt=20000", "REJOIN_TWIML_OVERRIDES", "rt=20000"),
            ("--callback-overrides", "rc=6", "REJOIN_CALLBACK_OVERRIDES", "rc=6"),
            ("--callback-overrides", "rp=never", "REJOIN_CALLBACK_OVERRIDES", "rp=never"),
        ] {
            let error = config(&["--public-url", "https://a", option, value]).expect_err(part).to_string();
            assert!(error.contains(name) && error.contains("out of range"), "{error}");
        }
    }

    #[test]
    fn the_database_password_is_redacted() {
        for url in [
            "postgres://rejoin:sesame@db.example.com/rejoin?sslmode=require",
            "postgres://rejoin:open@sesame@db.example.com/rejoin?sslmode=require",
            "postgres://db.example.com/rejoin?password=sesame&sslmode=require",
        ] {
            let config = config(&["--public-url", "https://a", "--database-url", url]).expect("good");
            let shown = format!("{config:?}");
            assert!(!shown.contains("sesame"), "{shown}");
            assert!(shown.contains("db.example.com/rejoin?") && shown.contains("sslmode=require"), "{shown}");
        }
        assert_eq!(redacted("sqlite:rejoin.db"), "sqlite:rejoin.db");
        assert_eq!(redacted("https://a.example/x?b=c"), "https://a.example/x?b=c");
    }

    #[test]
    fn unsafe_or_useless_settings_are_refused() {
        for extra in [
            &["--public-url", "rejoin.example.com"][..],
            &["--public-url", "https://"],
            &["--public-url", "https://a/?x"],
            &["--public-url", "https://a", "--other-public-urls", "https://b,c"],
            &["--public-url", "https://a", "--ended-url", "after"],
            &["--public-url", "https://a", "--allowed-origins", "https://b,*"],
            &["--public-url", "https://a", "--database-url", "sqlite::memory:"],
            &["--public-url", "https://a", "--database-url", "mysql://a"],
        ] {
            assert!(config(extra).is_err(), "{extra:?}");
        }
    }
}
