//! `rejoin monitor`: asks every end point regularly, and alerts when one does not work, and when it works again.
//!
//! [`watch`] decides about alerts from the answers alone, [`endpoint`] asks, [`alert`] has the forms of alerts, and `target`
//! delivers them. [`state`] judges what servers tell about themselves, and `kept` remembers what is open. Each question and each
//! target has a task of its own: none waits for another.

pub mod alert;
pub mod endpoint;
mod kept;
mod mail;
pub mod state;
mod target;
pub mod watch;

use crate::config::{Config, Logs, Monitoring, address};
use crate::error::Error;
use crate::limits::Limits;
use crate::stopping::Stop;
use crate::store::Store;
use crate::surroundings::Surroundings;
use crate::{figures, http};
use alert::{Alert, Form};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use clap::Args;
use endpoint::{EndPoint, Question, Server};
use kept::Kept;
use mail::Mail;
use secrecy::{ExposeSecret as _, SecretString};
use state::States;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use target::{Outbox, Target, Way};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use watch::{Change, Seen, Watch};

/// Twilio's REST API.
const TWILIO: &str = "https://api.twilio.com";
/// Maximum length of an end point's address. PagerDuty takes dedup keys of up to 255 characters
/// (<https://developer.pagerduty.com/docs/events-api-v2-overview>).
const LONGEST_URL: usize = 200;

/// The settings of the monitor: its own, and some of the server's by the same names, so that both may read one file.
#[derive(Clone, Debug, Args)]
pub struct MonitorSettings {
    /// URL of the server, unless `REJOIN_MONITOR_SERVERS` names others.
    #[arg(long, env = "REJOIN_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// URL of `rejoin fallback`. Not set: there is none.
    #[arg(long, env = "REJOIN_FALLBACK_URL")]
    pub fallback_url: Option<String>,
    /// Base URL for requests to Twilio: `{base}/{host}{path}`. Empty: Twilio itself.
    #[arg(long = "twilio-api-base", env = "TWILIO_API_BASE", default_value = "")]
    pub twilio_base: String,
    /// The monitor's own.
    #[command(flatten)]
    pub monitoring: Monitoring,
    /// Limits of connections to its own address.
    #[command(flatten)]
    pub limits: Limits,
    /// The log.
    #[command(flatten)]
    pub logs: Logs,
}

impl MonitorSettings {
    /// What is asked.
    ///
    /// # Errors
    /// An address that cannot be one, no server, or a key that cannot be one.
    fn questions(&self) -> Result<Vec<Question>, Error> {
        let is_set = |url: &&String| !url.trim().is_empty();
        let named: Vec<&String> = self.monitoring.monitor_servers.iter().filter(is_set).collect();
        let public = self.public_url.iter().filter(is_set);
        let servers: Vec<(&'static str, &String)> = if named.is_empty() {
            public.map(|url| ("REJOIN_PUBLIC_URL", url)).collect()
        } else {
            named.into_iter().map(|url| ("REJOIN_MONITOR_SERVERS", url)).collect()
        };
        if servers.is_empty() {
            let why = "not set, nor REJOIN_PUBLIC_URL: there is no server to ask";
            return Err(Error::Setting { name: "REJOIN_MONITOR_SERVERS", why });
        }
        let mut all = self.monitoring.questions(&servers, self.fallback_url.as_deref())?;
        let url = match self.twilio_base.trim() {
            "" => TWILIO.to_owned(),
            base => format!("{}/api.twilio.com", read("TWILIO_API_BASE", base)?),
        };
        all.push(Question::Twilio { url });
        Ok(all)
    }
}

impl Monitoring {
    /// What is asked about these servers, with the settings that name them, and the fallback.
    fn questions(
        &self,
        servers: &[(&'static str, &String)],
        fallback: Option<&str>,
    ) -> Result<Vec<Question>, Error> {
        let servers: Result<BTreeSet<String>, Error> =
            servers.iter().map(|(name, url)| read(name, url)).collect();
        let servers = servers?;
        let fallback = match fallback.filter(|url| !url.trim().is_empty()) {
            Some(url) => Some(read("REJOIN_FALLBACK_URL", url)?),
            None => None,
        };
        let key = self.key()?;
        let is_encrypted = |url: &&String| url.starts_with("https://");
        let encrypted: BTreeSet<&String> = servers.iter().chain(&fallback).filter(is_encrypted).collect();
        let mut all: Vec<Question> =
            encrypted.into_iter().map(|url| Question::Certificate { url: url.clone() }).collect();
        for url in servers {
            if let Some(key) = key.clone() {
                all.push(Question::Push { url: url.clone(), key });
            }
            all.push(Question::Server(Box::new(Server {
                url,
                key: key.clone(),
                thresholds: self.thresholds(),
                states: States::default(),
                untold: None,
            })));
        }
        all.extend(fallback.map(|url| Question::Fallback { url }));
        Ok(all)
    }

    /// Who is alerted.
    ///
    /// # Errors
    /// An address that cannot be one, or nobody.
    fn targets(&self) -> Result<Vec<Target>, Error> {
        let it = self;
        let is_set = |secret: &&SecretString| !secret.expose_secret().trim().is_empty();
        let mut all = vec![];
        let mut add = |name, setting, url: &str, form| {
            let is_address =
                url.parse::<reqwest::Url>().is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
            if !is_address {
                // The value is not repeated: it may be secret.
                let why = "an address such as https://example.com/alerts is wanted";
                return Err(Error::Setting { name: setting, why });
            }
            all.push(Target { name, way: Way::Post { url: url.to_owned().into(), form } });
            Ok(())
        };
        if let Some(url) = it.alert_webhook_url.as_ref().filter(is_set) {
            add("webhook", "REJOIN_ALERT_WEBHOOK_URL", url.expose_secret().trim(), Form::Webhook)?;
        }
        if let Some(url) = it.alert_slack_url.as_ref().filter(is_set) {
            add("slack", "REJOIN_ALERT_SLACK_URL", url.expose_secret().trim(), Form::Slack)?;
        }
        if let Some(key) = it.alert_pagerduty_key.as_ref().filter(is_set) {
            let url = it.alert_pagerduty_url.trim();
            add("pagerduty", "REJOIN_ALERT_PAGERDUTY_URL", url, Form::PagerDuty(key.clone()))?;
        }
        if let Some(url) = it.alert_smtp_url.as_ref().filter(is_set) {
            let within = Duration::from_millis(it.monitor_timeout_ms);
            let mails = Mail::all(url, it.alert_mail_from.as_deref(), &it.alert_mail_to, within)?;
            all.extend(mails.into_iter().map(|mail| Target { name: "mail", way: Way::Mail(Box::new(mail)) }));
        }
        if all.is_empty() {
            let why = "not set, nor REJOIN_ALERT_SLACK_URL, REJOIN_ALERT_PAGERDUTY_KEY or REJOIN_ALERT_SMTP_URL: nobody would be \
                       alerted";
            return Err(Error::Setting { name: "REJOIN_ALERT_WEBHOOK_URL", why });
        }
        Ok(all)
    }
}

/// An end point's address. One with credentials is refused: it stands in alerts.
fn read(name: &'static str, url: &str) -> Result<String, Error> {
    let why = "an address such as https://rejoin.example.com is wanted, without credentials, query and fragment, of up to 200 \
               characters";
    let usable = address(url).filter(|url| url.len() <= LONGEST_URL && !url.contains('@'));
    let usable = usable.filter(|url| url.parse::<reqwest::Url>().is_ok());
    usable.ok_or(Error::Setting { name, why })
}

/// A running monitor.
#[derive(Debug)]
pub struct Monitor {
    tasks: JoinSet<()>,
    alerts: Alerts,
    address: Option<SocketAddr>,
    _stop: Stop,
}

impl Monitor {
    /// Begins to ask.
    ///
    /// # Errors
    /// A setting that cannot be used, no certificates to trust, or an address that is taken.
    pub async fn start(settings: &MonitorSettings) -> Result<Self, Error> {
        let (questions, targets) = (settings.questions()?, settings.monitoring.targets()?);
        let kept = Kept::open(settings.monitoring.monitor_state.as_deref());
        let was_open = kept.now();
        let mut tasks = JoinSet::new();
        let stop = Stop::default();
        let mut own = None;
        if let Some(address) = settings.monitoring.monitor_listen {
            let failed = |source| Error::Listen { address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            own = Some(listener.local_addr().map_err(failed)?);
            figures::start();
            let limits = settings.limits.for_operators();
            tasks.spawn(http::serve(listener, None, router(), limits, stop.stopping()));
        }
        let monitor =
            Self { tasks, alerts: Alerts { outboxes: vec![], kept, peers: None }, address: own, _stop: stop };
        monitor.ask(&settings.monitoring, questions, targets, &was_open)
    }

    /// Begins to watch the other servers of this one's database, and the fallback, for a server. `None`: no peers are named.
    ///
    /// # Errors
    /// A setting that cannot be used, or no certificates to trust.
    pub(crate) async fn of_peers(config: &Config, store: Store) -> Result<Option<Self>, Error> {
        let monitoring = &config.monitoring;
        let peers = monitoring.monitor_peers.iter().filter(|url| !url.trim().is_empty());
        let peers: Vec<_> = peers.map(|url| ("REJOIN_MONITOR_PEERS", url)).collect();
        if peers.is_empty() {
            return Ok(None);
        }
        let (questions, targets) =
            (monitoring.questions(&peers, config.fallback_url.as_deref())?, monitoring.targets()?);
        let had = store.alerts().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "alerts that servers left open cannot be read: close those that do not end by hand");
            BTreeSet::new()
        });
        let all = questions.iter().flat_map(Question::end_points);
        let was_open = all.filter(|end_point| had.contains(&end_point.to_string())).collect();
        let alerts = Alerts { outboxes: vec![], kept: Kept::open(None), peers: Some(store) };
        let monitor = Self { tasks: JoinSet::new(), alerts, address: None, _stop: Stop::default() };
        monitor.ask(monitoring, questions, targets, &was_open).map(Some)
    }

    fn ask(
        mut self,
        monitoring: &Monitoring,
        questions: Vec<Question>,
        targets: Vec<Target>,
        was_open: &BTreeSet<EndPoint>,
    ) -> Result<Self, Error> {
        let within = Duration::from_millis(monitoring.monitor_timeout_ms);
        let every = Duration::from_millis(monitoring.monitor_every_ms);
        let client = client(within)?;
        for target in targets {
            let (outbox, delivers) = Outbox::of(target, client.clone());
            self.alerts.outboxes.push(outbox);
            self.tasks.spawn(delivers);
        }
        if monitoring.key()?.is_none() {
            tracing::warn!(
                "REJOIN_MONITOR_KEY is not set: push, storm, failsafe, given-up, lease and unprotected are not alerted about, nor a \
                 database behind a server that keeps /health/ready from this host"
            );
        }
        let alerts = &self.alerts;
        let all: BTreeSet<EndPoint> = questions.iter().flat_map(Question::end_points).collect();
        for end_point in was_open.difference(&all) {
            alerts.raise(Change::Resolve, end_point, "it is not asked any more".to_owned());
        }
        for question in questions {
            let of = |end_point: EndPoint| {
                tracing::info!("asking {end_point} every {} ms", every.as_millis());
                let is_open = was_open.contains(&end_point);
                Watched::new(end_point, is_open)
            };
            let watched: Vec<Watched> = question.end_points().into_iter().map(of).collect();
            self.tasks.spawn(keep_asking(question, watched, client.clone(), (every, within), alerts.clone()));
        }
        self.tasks.spawn(alerts.kept.clone().run());
        Ok(self)
    }

    /// Its own address, if it has one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns when a part of it has ended by itself, which it should not.
    pub async fn failed(&mut self) {
        let _ = self.tasks.join_next().await;
        tracing::error!("a part of the monitor has ended: this is a defect of rejoin");
    }

    /// Stops at once.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        self.alerts.outboxes.iter().for_each(Outbox::report);
        self.alerts.kept.finish().await;
    }
}

/// What it serves itself.
fn router() -> Router {
    let metrics = || async { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], figures::text()) };
    Router::new().route("/health/live", get(|| async { StatusCode::OK })).route("/metrics", get(metrics))
}

/// A client that opens a connection for each request: an old one says nothing about who can connect.
fn client(within: Duration) -> Result<reqwest::Client, Error> {
    let client = reqwest::Client::builder()
        .user_agent(concat!("rejoin-monitor/", env!("CARGO_PKG_VERSION")))
        .timeout(within)
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .build();
    client.map_err(|_| Error::Setting {
        name: "SSL_CERT_FILE",
        why: "no certificates were found that this machine trusts: install them (ca-certificates), or name their file",
    })
}

/// Who hears of alerts. Cheap to clone.
#[derive(Clone, Debug)]
struct Alerts {
    outboxes: Vec<Outbox>,
    kept: Kept,
    /// The database of the servers that watch each other: one of them has each alert.
    peers: Option<Store>,
}

impl Alerts {
    /// Tells the targets. Never waits.
    fn raise(&self, change: Change, end_point: &EndPoint, reason: String) {
        let at_ms = Surroundings::system().now().0;
        let alert = Alert { change, end_point: end_point.clone(), reason, at_ms };
        match change {
            Change::Trigger => tracing::error!("alert: {}", alert.summary()),
            Change::Resolve => tracing::info!("resolved: {}", alert.summary()),
        }
        self.kept.set(end_point, change == Change::Trigger);
        let alert = Arc::new(alert);
        self.outboxes.iter().for_each(|outbox| outbox.add(&alert));
    }
}

/// Who has told the targets of an alert that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Another server, or nobody.
    Others,
    /// This server, which the database says has the alert.
    Us,
    /// This server and every other one, because the database did not answer who has the alert.
    Each,
}

/// An end point over time.
struct Watched {
    end_point: EndPoint,
    watch: Watch,
    /// Why it failed the last time; empty: it did not.
    last: String,
    told: Told,
    /// True when no server had the alert the last time.
    was_free: bool,
    is_open: metrics::Gauge,
}

impl Watched {
    /// `was_open`: an earlier monitor left an alert open.
    fn new(end_point: EndPoint, was_open: bool) -> Self {
        let labels = [("kind", end_point.kind.to_string()), ("url", end_point.url.clone())];
        let is_open = metrics::gauge!(figures::OPEN_ALERTS, &labels);
        is_open.set(f64::from(was_open));
        let failures = end_point.kind.failures();
        let watch = if was_open { Watch::inherited(failures) } else { Watch::new(failures) };
        Self { end_point, watch, last: String::new(), told: Told::Others, was_free: false, is_open }
    }

    async fn handle(&mut self, seen: &Seen, alerts: &Alerts) {
        let reason = match seen {
            Seen::Failed(reason) => reason.clone(),
            Seen::Well | Seen::Nothing => String::new(),
        };
        if !reason.is_empty() && reason != self.last {
            tracing::warn!("{}: {reason}", self.end_point);
        }
        self.last.clone_from(&reason);
        let change = self.watch.handle(seen);
        if let Some(change) = change {
            self.is_open.set(f64::from(change == Change::Trigger));
        }
        let told = match &alerts.peers {
            Some(store) => self.among_peers(store, change, seen).await,
            None => change,
        };
        if let Some(change) = told {
            alerts.raise(change, &self.end_point, reason);
        }
    }

    /// What this server tells the targets, of several that watch the same end point.
    async fn among_peers(&mut self, store: &Store, change: Option<Change>, seen: &Seen) -> Option<Change> {
        let key = self.end_point.to_string();
        self.was_free &= change.is_none();
        match change {
            Some(Change::Trigger) => {
                self.told = match store.claim_alert(&key).await {
                    Ok(true) => Told::Us,
                    Ok(false) => Told::Others,
                    // Rather told by each of the servers than by none.
                    Err(error) => {
                        tracing::warn!(%error, "which server has an alert cannot be read: each tells the targets");
                        Told::Each
                    }
                };
                (self.told != Told::Others).then_some(Change::Trigger)
            }
            Some(Change::Resolve) => {
                let told = std::mem::replace(&mut self.told, Told::Others);
                let is_ours = match store.release_alert(&key).await {
                    Ok(is_ours) => is_ours || told == Told::Each,
                    Err(_) => told != Told::Others,
                };
                is_ours.then_some(Change::Resolve)
            }
            // The server that had it may have ended, or found that the end point works: so it is for this one, too, in a moment.
            None if self.told == Told::Others && self.watch.is_open() && matches!(seen, Seen::Failed(_)) => {
                let is_free = store.is_alert_free(&key).await.unwrap_or(false);
                let was_free = std::mem::replace(&mut self.was_free, is_free);
                if !was_free || !is_free || !store.claim_alert(&key).await.unwrap_or(false) {
                    return None;
                }
                self.told = Told::Us;
                Some(Change::Trigger)
            }
            None => None,
        }
    }
}

/// Asks for ever.
async fn keep_asking(
    mut question: Question,
    mut watched: Vec<Watched>,
    client: reqwest::Client,
    (every, within): (Duration, Duration),
    alerts: Alerts,
) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let answers = question.ask(&client, within, Surroundings::system().now()).await;
        for watched in &mut watched {
            let seen = answers.iter().find(|(kind, _)| *kind == watched.end_point.kind);
            watched.handle(seen.map_or(&Seen::Nothing, |(_, seen)| seen), &alerts).await;
        }
    }
}
