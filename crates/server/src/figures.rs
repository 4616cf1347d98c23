//! Metrics for Prometheus. They contain no personal data: labels are names of routes, outcomes and codes.
//!
//! The parts count where things happen, with the `metrics` crate; this module has the names, and values that are
//! looked up on request.

use crate::pace::LaneStatus;
use crate::switches::Cause;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use rejoin_protocol::Millis;
use rejoin_recovery::{Action, Ending, Note};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Recoveries that have ended, by outcome.
const RECOVERIES: &str = "rejoin_recoveries_total";
/// Time from the loss of the agent to a phase, and to the end.
const PHASES: &str = "rejoin_recovery_seconds";
/// Lines of timelines, by what happened.
const LINES: &str = "rejoin_timeline_total";
/// Jobs that were given up, by action.
const GIVEN_UP: &str = "rejoin_jobs_given_up_total";
/// How often this server's lease had ended when it was renewed.
const LEASES_LOST: &str = "rejoin_leases_lost_total";
/// Open calls.
const CALLS_OPEN: &str = "rejoin_calls_open";
/// Those whose agent is not known.
const CALLS_UNPROTECTED: &str = "rejoin_calls_unprotected";
/// Events that were refused, because the call is held back.
pub(crate) const HELD_BACK: &str = "rejoin_events_held_back_total";
/// Events that could not be handled.
pub(crate) const QUARANTINED: &str = "rejoin_events_quarantined_total";
/// Delay between the event at Twilio and its arrival here.
pub(crate) const WEBHOOK_LAG: &str = "rejoin_webhook_lag_seconds";
/// Hellos, by the version of the page's plugin.
pub(crate) const HELLOS: &str = "rejoin_plugin_hellos_total";
/// Incoming requests, by route and status.
pub(crate) const REQUESTS: &str = "rejoin_http_requests_total";
/// Duration of those requests.
pub(crate) const REQUEST_SECONDS: &str = "rejoin_http_seconds";
/// How far the database's clock is ahead of ours.
pub(crate) const CLOCK_SKEW: &str = "rejoin_clock_skew_seconds";
/// How often all connections to the database were dropped, by reason.
pub(crate) const CONNECTIONS_DROPPED: &str = "rejoin_database_connections_dropped_total";

/// Switches of database, server or fallback, by cause.
const SWITCHES: &str = "rejoin_switches_total";
/// Duration of those whose duration is known.
const SWITCH_SECONDS: &str = "rejoin_switch_seconds";
/// Calls that they concerned.
const SWITCH_CALLS: &str = "rejoin_switch_calls_total";

/// Connections and requests that a limit refused, by limit.
const REFUSED: &str = "rejoin_refused_total";
/// The limits.
const LIMITS: &[&str] = &["connections", "unverified", "tokens", "guesses", "requests"];
/// Items of a page's request that this version did not understand, by kind.
pub(crate) const UNKNOWN_ITEMS: &str = "rejoin_unknown_items_total";
/// Look-ups that were refused, because the worker's pages had named too many calls.
pub(crate) const LOOK_UPS_REFUSED: &str = "rejoin_look_ups_refused_total";

/// How often a page that had answered pings did not any more.
pub(crate) const SILENT_PAGES: &str = "rejoin_silent_pages_total";

/// How often the server took itself for cut off from all pages.
pub(crate) const CUT_OFF: &str = "rejoin_cut_off_total";

/// New certificates while the server ran, by result.
pub(crate) const CERTIFICATES: &str = "rejoin_tls_certificates_total";

/// Absences of conversations that began, by cause.
pub(crate) const CHAT_ABSENCES: &str = "rejoin_conversation_absences_total";
/// Absences of conversations that ended, by ending.
pub(crate) const CHAT_ENDINGS: &str = "rejoin_conversation_endings_total";
/// Requests to Twilio for conversations, by action and result.
pub(crate) const CHAT_REQUESTS: &str = "rejoin_conversation_requests_total";

/// Alerts of `rejoin monitor`, by target and what became of them: each attempt that failed counts, too.
pub(crate) const ALERTS: &str = "rejoin_monitor_alerts_total";
/// Whether an alert about an end point is open, by its kind and address.
pub(crate) const OPEN_ALERTS: &str = "rejoin_monitor_alert_open";

/// Upper bounds of buckets, for durations of milliseconds and for those of people.
const FAST: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const SLOW: &[f64] =
    &[0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 16.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// How often measurements are put into their buckets, whether or not they are scraped.
const UPKEEP: Duration = Duration::from_secs(5);

/// Jobs given up since the start.
static JOBS_GIVEN_UP: AtomicU64 = AtomicU64::new(0);

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Starts counting. Shared by all servers of a process.
pub(crate) fn start() {
    HANDLE.get_or_init(|| {
        let handle = install();
        if let Err(error) = &handle {
            tracing::error!(%error, "metrics are unavailable: /metrics stays empty");
        }
        describe();
        begin();
        handle.ok()
    });
}

/// Counters that alerts watch, from the start: Prometheus sees no increase in a counter that appears with its first event
/// (<https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics>).
fn begin() {
    let each: [(&'static str, &'static str, &[&'static str]); 8] = [
        (RECOVERIES, "outcome", Ending::NAMES),
        (GIVEN_UP, "what", Action::NAMES),
        (REFUSED, "what", LIMITS),
        (CONNECTIONS_DROPPED, "why", &["unanswered", "unavailable", "read-only"]),
        (CERTIFICATES, "result", &["used", "refused"]),
        (UNKNOWN_ITEMS, "what", &["mark", "reason", "holding", "task"]),
        (CHAT_ABSENCES, "cause", &["unattended", "unrouted", "woken"]),
        (CHAT_ENDINGS, "ending", &["back", "same agent", "other agent", "graceful", "parked", "closed"]),
    ];
    for (counter, label, values) in each {
        for value in values {
            metrics::counter!(counter, label => *value).increment(0);
        }
    }
    for route in ["/webhooks/conference", "/webhooks/events"] {
        metrics::counter!(REQUESTS, "route" => route, "status" => "403").increment(0);
    }
    for action in ["poll", "tell", "invite", "close-participant", "park", "close"] {
        for result in ["ok", "refused"] {
            metrics::counter!(CHAT_REQUESTS, "action" => action, "result" => result).increment(0);
        }
    }
    metrics::counter!(LOOK_UPS_REFUSED).increment(0);
    metrics::counter!(CUT_OFF).increment(0);
    metrics::counter!(SILENT_PAGES).increment(0);
    metrics::counter!(LEASES_LOST).increment(0);
    for (what, cause) in Cause::ALL.map(Cause::names) {
        metrics::counter!(SWITCHES, "what" => what, "cause" => cause).increment(0);
        metrics::counter!(SWITCH_CALLS, "what" => what).increment(0);
    }
}

fn install() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(PHASES.into()), SLOW)?
        .set_buckets_for_metric(Matcher::Full(WEBHOOK_LAG.into()), SLOW)?
        .set_buckets_for_metric(Matcher::Full(SWITCH_SECONDS.into()), SLOW)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), FAST)?
        .install_recorder()
}

/// Keeps the metrics small. Never returns.
pub(crate) async fn upkeep() {
    let Some(handle) = HANDLE.get().and_then(Option::as_ref) else {
        return std::future::pending().await;
    };
    let mut tick = tokio::time::interval(UPKEEP);
    loop {
        tick.tick().await;
        handle.run_upkeep();
    }
}

/// The text that Prometheus reads.
pub(crate) fn text() -> String {
    HANDLE.get().and_then(Option::as_ref).map(PrometheusHandle::render).unwrap_or_default()
}

/// Requests to Twilio since the start, and those of them that were refused or not answered. They are counted where they are
/// sent, by result.
pub(crate) fn twilio_requests() -> (u64, u64) {
    let (mut all, mut failed) = (0, 0);
    for line in text().lines().filter_map(|line| line.strip_prefix("rejoin_twilio_requests_total{")) {
        let Some((labels, count)) = line.rsplit_once("} ") else { continue };
        let count: u64 = count.parse().unwrap_or(0);
        all += count;
        failed += if labels.contains("result=\"ok\"") { 0 } else { count };
    }
    (all, failed)
}

/// A limit has refused something.
pub(crate) fn refused(what: &'static str) {
    debug_assert!(LIMITS.contains(&what), "{what} is no limit");
    metrics::counter!(REFUSED, "what" => what).increment(1);
}

/// Database, server or fallback were switched. `took` and `calls`: if they are known.
pub(crate) fn switched(cause: Cause, took: Option<Millis>, calls: Option<u64>) {
    let (what, cause) = cause.names();
    metrics::counter!(SWITCHES, "what" => what, "cause" => cause).increment(1);
    if let Some(took) = took {
        metrics::histogram!(SWITCH_SECONDS, "what" => what).record(Duration::from_millis(took.0));
    }
    metrics::counter!(SWITCH_CALLS, "what" => what).increment(calls.unwrap_or(0));
}

/// A job is given up.
pub(crate) fn given_up(what: &'static str) {
    JOBS_GIVEN_UP.fetch_add(1, Ordering::Relaxed);
    metrics::counter!(GIVEN_UP, "what" => what).increment(1);
}

/// Number of jobs that were given up since this process was started.
pub(crate) fn jobs_given_up() -> u64 {
    JOBS_GIVEN_UP.load(Ordering::Relaxed)
}

/// This server's lease had ended before it was renewed.
pub(crate) fn lease_lost() {
    metrics::counter!(LEASES_LOST).increment(1);
}

/// Counts a committed line of a timeline. `lost_at`: when the agent of the call's recovery was lost.
pub(crate) fn noted(at: Millis, lost_at: Option<Millis>, note: &Note) {
    let what = match note {
        Note::Ended { outcome, after } => {
            metrics::counter!(RECOVERIES, "outcome" => outcome.clone()).increment(1);
            measure("ended", *after);
            "ended"
        }
        Note::Connected => "connected",
        Note::PageGone => "page-gone",
        Note::JoiningInPlace => phase("joining-in-place", at, lost_at),
        Note::NotInPlace => "not-in-place",
        Note::AgentLost { .. } => "agent-lost",
        Note::AgentLeft => "agent-left",
        Note::ConferenceLost => "conference-lost",
        Note::HoldingTheLine => phase("holding-the-line", at, lost_at),
        Note::AgentBack => phase("agent-back", at, lost_at),
        Note::AgentNotBack => "agent-not-back",
        Note::AgentBackLate { .. } => phase("agent-back-late", at, lost_at),
        Note::Requeueing { .. } => phase("requeueing", at, lost_at),
        Note::Queued => phase("queued", at, lost_at),
        Note::FoundByPoll => "looked-up",
        Note::ExitFlagUndone => "exit-flag-undone",
        Note::CallEnded => "call-ended",
        Note::NotAllowed => "not-allowed",
        Note::PageSilent => "page-silent",
        Note::PageAnswered => "page-answered",
        Note::Trouble { .. } => "trouble",
    };
    metrics::counter!(LINES, "what" => what).increment(1);
}

fn phase(name: &'static str, at: Millis, lost_at: Option<Millis>) -> &'static str {
    if let Some(lost_at) = lost_at {
        measure(name, lost_at.until(at));
    }
    name
}

fn measure(phase: &'static str, since_loss: Millis) {
    metrics::histogram!(PHASES, "until" => phase).record(Duration::from_millis(since_loss.0));
}

/// Gauges.
#[derive(Clone, Debug, Default)]
pub(crate) struct Now {
    pub(crate) push_sessions: usize,
    pub(crate) presence_sockets: usize,
    pub(crate) jobs_open: Option<u64>,
    pub(crate) late_job: Option<Millis>,
    pub(crate) oldest_job: Option<Millis>,
    /// Calls that are held back, by reason.
    pub(crate) calls_held_back: BTreeMap<&'static str, usize>,
    pub(crate) jobs_unreadable: usize,
    /// Open calls, and those of them whose agent is not known.
    pub(crate) calls: Option<(u64, u64)>,
    pub(crate) storm: bool,
    pub(crate) failsafe: bool,
    pub(crate) lost_lately: usize,
    /// Requests to Twilio, by family.
    pub(crate) lanes: Vec<LaneStatus>,
    /// Open recoveries, by step; `None`: the database was not read.
    pub(crate) recoveries_open: Option<BTreeMap<&'static str, usize>>,
    /// Conversations, by attendance, and those that have nobody; `None`: they are off, or the database was not read.
    pub(crate) conversations: Option<(BTreeMap<&'static str, u64>, u64)>,
    /// How long this server's lease lasts, in milliseconds; negative: how long ago it ended.
    pub(crate) lease_ms: Option<i64>,
    /// How long ago the database's last commit was.
    pub(crate) committed_ago: Option<Millis>,
}

#[allow(clippy::cast_precision_loss)] // Nothing here comes near 2^52.
impl Now {
    pub(crate) fn set(&self) {
        metrics::gauge!("rejoin_push_sessions").set(self.push_sessions as f64);
        metrics::gauge!("rejoin_presence_sockets").set(self.presence_sockets as f64);
        metrics::gauge!("rejoin_storm").set(f64::from(self.storm));
        metrics::gauge!("rejoin_failsafe").set(f64::from(self.failsafe));
        metrics::gauge!("rejoin_agents_lost_lately").set(self.lost_lately as f64);
        for why in ["another-version", "unreadable", "quarantined", "refused"] {
            let calls = self.calls_held_back.get(why).copied().unwrap_or(0);
            metrics::gauge!("rejoin_calls_held_back", "why" => why).set(calls as f64);
        }
        metrics::gauge!("rejoin_jobs_unreadable").set(self.jobs_unreadable as f64);
        if let Some((open, unprotected)) = self.calls {
            metrics::gauge!(CALLS_OPEN).set(open as f64);
            metrics::gauge!(CALLS_UNPROTECTED).set(unprotected as f64);
        }
        if let Some(jobs) = self.jobs_open {
            metrics::gauge!("rejoin_jobs_open").set(jobs as f64);
        }
        if let Some(age) = self.late_job {
            metrics::gauge!("rejoin_job_late_seconds").set(age.0 as f64 / 1000.0);
        }
        if let Some(age) = self.oldest_job {
            metrics::gauge!("rejoin_job_age_seconds").set(age.0 as f64 / 1000.0);
        }
        for (step, count) in self.recoveries_open.iter().flatten() {
            metrics::gauge!("rejoin_recoveries_open", "step" => *step).set(*count as f64);
        }
        if let Some((by_attendance, absent)) = &self.conversations {
            for (attendance, count) in by_attendance {
                metrics::gauge!("rejoin_conversations", "attendance" => *attendance).set(*count as f64);
            }
            metrics::gauge!("rejoin_conversations_absent").set(*absent as f64);
        }
        if let Some(lease) = self.lease_ms {
            metrics::gauge!("rejoin_lease_seconds").set(lease as f64 / 1000.0);
        }
        if let Some(ago) = self.committed_ago {
            metrics::gauge!("rejoin_database_commit_age_seconds").set(ago.0 as f64 / 1000.0);
        }
        for lane in &self.lanes {
            let (family, waiting) = (lane.family, lane.waiting.values().sum::<usize>());
            metrics::gauge!("rejoin_twilio_in_flight", "api" => family).set(lane.out as f64);
            metrics::gauge!("rejoin_twilio_per_second", "api" => family).set(lane.per_second as f64);
            metrics::gauge!("rejoin_twilio_waiting", "api" => family).set(waiting as f64);
            metrics::gauge!("rejoin_twilio_waiting_seconds", "api" => family)
                .set(lane.oldest_ms as f64 / 1000.0);
            metrics::counter!("rejoin_twilio_throttled_total", "api" => family).absolute(lane.throttled);
        }
    }
}

fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!(RECOVERIES, "Recoveries that have ended, by outcome");
    describe_histogram!(PHASES, Unit::Seconds, "From the loss of the agent until a phase is reached");
    describe_counter!(LINES, "Lines of timelines, by kind");
    describe_histogram!(
        WEBHOOK_LAG,
        Unit::Seconds,
        "From an event at Twilio to its arrival here; Twilio's clock has seconds only"
    );
    describe_counter!(REQUESTS, "Requests of Twilio, desktops and operators, by route and status");
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "From such a request to its answer, which follows the commit"
    );
    describe_gauge!(
        CLOCK_SKEW,
        Unit::Seconds,
        "How far the database's clock is ahead of this server's; negative: behind"
    );
    describe_counter!(
        CONNECTIONS_DROPPED,
        "How often all connections to the database were dropped, by reason: unanswered, unavailable, or read-only"
    );
    describe_counter!(SWITCHES, "Switches to another database, server or fallback, by cause");
    describe_histogram!(
        SWITCH_SECONDS,
        Unit::Seconds,
        "How long nothing served meanwhile, where that is known"
    );
    describe_counter!(SWITCH_CALLS, "Calls that switches concerned, where that is known");
    describe_counter!(REFUSED, "Connections and requests that a limit refused, by limit");
    describe_counter!(CERTIFICATES, "New certificates, by result: used or refused");
    describe_counter!("rejoin_stream_events_total", "Events of Event Streams, by result");
    describe_counter!("rejoin_twilio_requests_total", "Requests to Twilio, by API and result");
    describe_counter!(
        "rejoin_twilio_errors_total",
        "Requests that Twilio refused or did not answer, by code"
    );
    describe_histogram!("rejoin_twilio_seconds", Unit::Seconds, "Duration of requests to Twilio");
    describe_counter!("rejoin_twilio_throttled_total", "Requests that Twilio answered with HTTP status 429");
    describe_gauge!("rejoin_recoveries_open", "Open recoveries of all servers on the database, by step");
    describe_gauge!("rejoin_conversations", "Conversations of all servers on the database, by attendance");
    describe_gauge!("rejoin_conversations_absent", "Conversations that have nobody");
    describe_counter!(CUT_OFF, "How often no page reached this server any more, of many that did");
    describe_counter!(CHAT_ABSENCES, "Absences of conversations that began, by cause");
    describe_counter!(CHAT_ENDINGS, "Absences of conversations that ended, by ending");
    describe_counter!(CHAT_REQUESTS, "Requests to Twilio for conversations, by action and result");
    describe_gauge!(
        "rejoin_lease_seconds",
        Unit::Seconds,
        "How long this server's lease lasts; negative: how long ago it ended"
    );
    describe_gauge!("rejoin_database_commit_age_seconds", Unit::Seconds, "How long ago the last commit was");
    describe_gauge!("rejoin_twilio_in_flight", "Requests without an answer yet");
    describe_gauge!("rejoin_twilio_per_second", "Rate at which requests are sent at most, per second");
    describe_gauge!("rejoin_twilio_waiting", "Requests that wait for their turn");
    describe_gauge!("rejoin_twilio_waiting_seconds", Unit::Seconds, "How long the oldest of them has waited");
    describe_gauge!("rejoin_push_sessions", "Connected pages");
    describe_gauge!("rejoin_presence_sockets", "Pages that answer pings, through whatever is in between");
    describe_counter!(SILENT_PAGES, "How often a page that had answered pings did not any more");
    describe_counter!(GIVEN_UP, "Jobs that Twilio refused for good, or whose deadline passed");
    describe_counter!(LEASES_LOST, "How often this server's lease had ended when it was renewed");
    describe_gauge!(CALLS_OPEN, "Open calls, of all servers on the database");
    describe_gauge!(CALLS_UNPROTECTED, "Open calls whose agent is not known");
    describe_gauge!("rejoin_jobs_open", "Open jobs");
    describe_gauge!(
        "rejoin_job_late_seconds",
        Unit::Seconds,
        "How far the earliest deadline of an open job has passed"
    );
    describe_gauge!("rejoin_job_age_seconds", Unit::Seconds, "Age of the oldest open job");
    describe_counter!(HELD_BACK, "Events that were refused because their call is held back, by reason");
    describe_counter!(QUARANTINED, "Events that could not be handled: their call is quarantined");
    describe_gauge!("rejoin_calls_held_back", "Calls that this server holds back, by reason");
    describe_gauge!("rejoin_jobs_unreadable", "Jobs that this server cannot read");
    describe_counter!(
        ALERTS,
        "Alerts of the monitor, by target and result: delivered, failed (tried again), refused, or lost"
    );
    describe_gauge!(OPEN_ALERTS, "1 while an alert about the end point is open");
    describe_gauge!("rejoin_storm", "1 during a storm");
    describe_gauge!("rejoin_failsafe", "1 while the failsafe holds back pings and requeues for any agent");
    describe_gauge!("rejoin_agents_lost_lately", "Agents lost within the last ten seconds, or in the storm");
}
