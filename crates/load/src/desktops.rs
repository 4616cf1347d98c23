//! Memory use with many desktops and many calls.

use crate::Options;
use crate::calls::Call;
use crate::connection::Connection;
use crate::database::{Database, file};
use crate::figure::{Outcome, ms, tell};
use crate::server::Server;
use crate::twilio::Twilio;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Number of connections that are made at once.
const AT_ONCE: u64 = 32;
/// Number of agents among whom the calls are shared out.
const AGENTS: u64 = 1000;
/// The operators' token.
const OPERATOR: &str = "the token of an operator who measures";
const MB: f64 = 1024.0 * 1024.0;

/// Measures desktops with an open push channel.
pub async fn listen(options: &Options, database: &Database) -> Outcome<()> {
    let wanted = options.desktops.min(files()?.saturating_sub(500));
    let twilio = Twilio::start(Duration::ZERO).await?;
    let more = ["--connections", "100000", "--operator-token", OPERATOR];
    let server = Server::start(&options.program, &twilio, &database.url, &more).await?;
    let (before, begun) = (server.memory()?, Instant::now());
    let open = connect(server.address, wanted).await?;
    let took = begun.elapsed();
    let mut connection = Connection::open(server.address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {OPERATOR}\r\n\r\n");
    let figures = connection.tell(request.as_bytes());
    let figures = String::from_utf8(figures.await?)?;
    let held = figures.lines().find_map(|line| line.strip_prefix("rejoin_push_sessions ")).unwrap_or("none");
    if held != open.len().to_string() {
        return Err(format!("{held} of {} desktops are held", open.len()).into());
    }
    let grown = server.memory()?.saturating_sub(before) as f64;
    let each = grown / 1024.0 / open.len() as f64;
    let note = format!("{each:.1} kB each; all were there after {:.1} s", took.as_secs_f64());
    tell(&format!("memory of {held} desktops that listen"), "MB", &[grown / MB], &note);
    server.stop().await
}

/// Measures registered calls on which nothing happens.
pub async fn register(options: &Options, database: &Database) -> Outcome<()> {
    let twilio = Twilio::start(Duration::ZERO).await?;
    let more = ["--requests-per-minute", "1000000", "--watch-call-ms", "0"];
    let server = Server::start(&options.program, &twilio, &database.url, &more).await?;
    let begun = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (next, address, all) = (Arc::clone(&next), server.address, options.calls);
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= all {
                    return Outcome::Ok(());
                }
                Call::new(number, number % AGENTS).begins(&mut connection).await?;
            }
        });
    }
    for done in tasks.join_all().await {
        done?;
    }
    let took = begun.elapsed().as_secs_f64();
    let memory = server.memory()? as f64 / MB;
    let stored = std::fs::metadata(file(database))?.len() as f64 / MB;
    let note = format!(
        "of the server in all; {stored:.0} MB in the database, begun at {:.0}/s",
        options.calls as f64 / took
    );
    tell(&format!("memory with {} calls on which nothing happens", options.calls), "MB", &[memory], &note);
    server.stop().await?;
    let again = Server::start(&options.program, &twilio, &database.url, &more).await?;
    let note = "after kill -9, SQLite";
    let what = format!("start → ready with {} open calls", options.calls);
    tell(&what, "ms", &[ms(again.ready_after)], note);
    again.stop().await
}

/// The push channels of this number of desktops, each of an agent of its own.
pub async fn connect(address: SocketAddr, wanted: u64) -> Outcome<Vec<Connection>> {
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let next = Arc::clone(&next);
        tasks.spawn(async move {
            let mut open = vec![];
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= wanted {
                    return Outcome::Ok(open);
                }
                let mut connection = Connection::open(address).await?;
                let request = format!(
                    "GET /v1/push?epoch=1 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\r\n",
                    number + 1
                );
                connection.listen(request.as_bytes()).await?;
                open.push(connection);
            }
        });
    }
    let mut open = vec![];
    for connections in tasks.join_all().await {
        open.extend(connections?);
    }
    Ok(open)
}

/// Open-file limit of this process, which the server inherits
/// (<https://man7.org/linux/man-pages/man5/proc_pid_limits.5.html>).
fn files() -> Outcome<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")).ok_or("no limit of files")?;
    Ok(line.split_whitespace().next().ok_or("no limit of files")?.parse()?)
}
