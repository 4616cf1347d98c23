//! How many conversations a server carries: active ones for each core, dormant ones in its memory.

use crate::Options;
use crate::chats::{Chat, EPOCH, agent_of, now};
use crate::connection::Connection;
use crate::database::{Database, file};
use crate::desktops::connect;
use crate::figure::{Outcome, ms, quantile, tell};
use crate::server::Server;
use crate::twilio::Twilio;
use crate::webhooks::at_rate;
use rejoin_conversations::{Desk, PageEvent};
use rejoin_protocol::{Millis, WorkerSid};
use rejoin_server::store::Store;
use sqlx::Row as _;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The operators' token.
const OPERATOR: &str = "the token of an operator who measures";
/// Seconds between two messages of an active conversation.
const MESSAGE_EACH: u64 = 12;
/// How often a desktop polls that has conversations and no push channel (`chat_poll` of the plugin).
const POLLS_EACH: Duration = Duration::from_secs(10);
/// Number of connections that polling desktops share.
const POLLERS: u64 = 64;
/// Time before a measurement, in which desktops connect and what is due at the start is done.
const WARM_UP: Duration = Duration::from_secs(20);
/// Time between two looks at a conversation, as it is set by default.
const WATCH: u64 = 600_000;
/// Age of dormant conversations.
const AGO: Millis = Millis::seconds(24 * 3600);
/// Number of conversations that are stored in one transaction.
const AT_ONCE: usize = 250;
const MB: f64 = 1024.0 * 1024.0;

/// How the server hears of desktops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desktops {
    Push,
    Poll,
}

impl Desktops {
    pub const ALL: [Self; 2] = [Self::Push, Self::Poll];

    fn name(self) -> &'static str {
        match self {
            Self::Push => "desktops with push channels",
            Self::Poll => "desktops that poll",
        }
    }
}

/// Twilio's limits are set so high that each look at a conversation happens when it is due.
const SETTINGS: [&str; 12] = [
    "--conversations",
    "on",
    "--conversations-per-second",
    "2000",
    "--conversations-at-once",
    "500",
    "--requests-per-minute",
    "1000000",
    "--connections",
    "100000",
    "--operator-token",
    OPERATOR,
];

/// The number of active conversations for each core of processor time that the server uses.
pub async fn active(options: &Options, name: &str, database: &Database, desktops: Desktops) -> Outcome<()> {
    let all = options.conversations;
    begin(&database.url, all, desktops).await?;
    let twilio = Twilio::start(Duration::ZERO).await?;
    let server = Server::start(&options.program, &twilio, &database.url, &SETTINGS).await?;
    let (address, agents) = (server.address, agent_of(all.saturating_sub(1)));
    let mut polling = JoinSet::new();
    let open = match desktops {
        Desktops::Push => connect(address, agents).await?,
        Desktops::Poll => {
            (0..POLLERS).for_each(|first| _ = polling.spawn(poll(address, first, agents)));
            vec![]
        }
    };
    let measured = measure(options, &server, all);
    let (times, took, used) = tokio::select! {
        measured = measured => measured?,
        Some(ended) = polling.join_next() => return Err(format!("a desktop polls no more: {ended:?}").into()),
    };
    drop(open);
    let rate = all / MESSAGE_EACH;
    let answered = times.len() as f64 / took.as_secs_f64();
    let cores = used.as_secs_f64() / took.as_secs_f64();
    let is = |what: &str| format!("{what}, {}, {name}", desktops.name());
    let memory = server.memory()? as f64 / MB;
    let note = format!(
        "{all} of {agents} agents, {answered:.0} messages/s, took {cores:.3} of a core and {memory:.0} MB"
    );
    // Those that the server kept up with.
    let carried = answered * MESSAGE_EACH as f64;
    tell(&is("active conversations per core"), "", &[carried / cores], &note);
    let [half, most, worst] = [0.5, 0.99, 1.0].map(|share| ms(quantile(&times, share)));
    let is = |what| is(&format!("message of a conversation at {rate}/s until it is durable, {what}"));
    tell(&is("median"), "ms", &[half], "");
    tell(&is("p99"), "ms", &[most], &format!("the slowest {worst:.1} ms"));
    server.stop().await
}

/// The latency of each message, the time that it took, and the server's processor time in it.
async fn measure(
    options: &Options,
    server: &Server,
    all: u64,
) -> Outcome<(Vec<Duration>, Duration, Duration)> {
    let conversations = Arc::new(AtomicU64::new(0));
    let webhook = move |number: u64| Chat::new(number % all).message(2 + number / all);
    let (address, rate) = (server.address, all / MESSAGE_EACH);
    at_rate(address, &conversations, rate, WARM_UP, webhook).await?;
    let (before, begun) = (server.processor_time()?, Instant::now());
    let time = Duration::from_secs(options.seconds);
    let mut times = at_rate(address, &conversations, rate, time, webhook).await?;
    let (took, used) = (begun.elapsed(), server.processor_time()? - before);
    times.sort_unstable();
    Ok((times, took, used))
}

/// Stores active conversations. Their next looks are spread over the time between two of them.
async fn begin(url: &str, all: u64, desktops: Desktops) -> Outcome<()> {
    let store = Store::open(url).await?;
    let now = now()?;
    for first in (0..all).step_by(AT_ONCE) {
        let numbers = first..all.min(first + AT_ONCE as u64);
        let stored = numbers.clone().map(|number| {
            let asked_at = now - Millis(WATCH * (all - number) / (all + 1));
            Chat::new(number).attended(asked_at)
        });
        let desk = |number| {
            let mut desk = Desk::default();
            let event = match desktops {
                Desktops::Push => PageEvent::PushOpened,
                Desktops::Poll => PageEvent::Heard,
            };
            desk.observe(now, EPOCH, event);
            (WorkerSid::numbered(agent_of(number).into()), desk)
        };
        let stored = stored.collect::<Outcome<_>>()?;
        store.add_conversations(stored, numbers.map(desk).collect()).await?;
    }
    store.close().await;
    Ok(())
}

/// Polls for every [`POLLERS`]th agent, each of them as often as a desktop does.
async fn poll(address: SocketAddr, first: u64, agents: u64) -> Outcome<()> {
    let body = format!(r#"{{"epoch":{EPOCH},"holdings":[]}}"#);
    let mut connection = Connection::open(address).await?;
    let own: Vec<u64> = (first + 1..=agents).step_by(POLLERS as usize).collect();
    let Some(pause) = u32::try_from(own.len()).ok().filter(|all| *all > 0).map(|all| POLLS_EACH / all) else {
        return std::future::pending().await;
    };
    let mut turns = tokio::time::interval(pause);
    for agent in own.iter().cycle() {
        turns.tick().await;
        let request = format!(
            "POST /v1/hello HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {agent}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.tell(request.as_bytes()).await?;
    }
    Ok(())
}

/// The memory of a server with conversations that wait for their customers.
pub async fn dormant(options: &Options, name: &str, database: &Database) -> Outcome<()> {
    let all = options.dormant;
    let filled = park(&database.url, all).await?;
    let stored = size(database).await? as f64;
    let twilio = Twilio::start(Duration::ZERO).await?;
    let server = Server::start(&options.program, &twilio, &database.url, &SETTINGS).await?;
    let ready = server.ready_after;
    let mut connection = Connection::open(server.address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {OPERATOR}\r\n\r\n");
    let begun = Instant::now();
    let figures = String::from_utf8(connection.tell(request.as_bytes()).await?)?;
    let counted = begun.elapsed();
    let wanted = format!("rejoin_conversations{{attendance=\"parked\"}} {all}");
    if !figures.lines().any(|line| line == wanted) {
        return Err(format!("the server does not say {wanted}").into());
    }
    // One in a hundred customers writes.
    let next = Arc::new(AtomicU64::new(0));
    let webhook = |number: u64| Chat::new(100 * number).message(2);
    let (rate, time) = (options.rate.min(500), Duration::from_secs(options.seconds));
    let mut times = at_rate(server.address, &next, rate, time, webhook).await?;
    times.sort_unstable();
    let woken = next.load(Ordering::Relaxed);
    let resident = server.resident()? as f64 / MB;
    let is = |what: &str| format!("{what} with {all} dormant conversations, {name}");
    let note =
        format!("{:.0} of them for each GB; {woken} customers have written", all as f64 / resident * 1024.0);
    tell(&is("resident memory"), "MB", &[resident], &note);
    let note = format!("filled in {:.0} s", filled.as_secs_f64());
    tell(&is("database, for each conversation,"), "kB", &[stored / 1024.0 / all as f64], &note);
    tell(&is("start → ready"), "ms", &[ms(ready)], "");
    tell(&is("all of them counted for the figures"), "ms", &[ms(counted)], "");
    let what = is(&format!("message at {rate}/s until it is durable, p99,"));
    tell(&what, "ms", &[ms(quantile(&times, 0.99))], "each wakes a conversation");
    server.stop().await
}

/// Stores parked conversations, and returns how long it took.
async fn park(url: &str, all: u64) -> Outcome<Duration> {
    let store = Store::open(url).await?;
    let (began_at, begun) = (now()? - AGO, Instant::now());
    for first in (0..all).step_by(AT_ONCE) {
        let numbers = first..all.min(first + AT_ONCE as u64);
        let parked = numbers.map(|number| Chat::new(number).parked(began_at)).collect::<Outcome<_>>()?;
        store.add_conversations(parked, BTreeMap::new()).await?;
    }
    store.close().await;
    Ok(begun.elapsed())
}

/// Size of a database, in bytes.
async fn size(database: &Database) -> Outcome<u64> {
    if !database.is_postgres() {
        return Ok(std::fs::metadata(file(database))?.len());
    }
    let beside = database.beside().await;
    let row = sqlx::query("select pg_database_size(current_database())").fetch_one(&beside).await?;
    beside.close().await;
    Ok(u64::try_from(row.try_get::<i64, _>(0)?)?)
}
