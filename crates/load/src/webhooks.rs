//! Signed webhooks, which are answered once they are durable: the highest rate, and the latency at a rate.

use crate::Options;
use crate::calls::Call;
use crate::connection::Connection;
use crate::database::Database;
use crate::figure::{Outcome, ms, quantile, tell};
use crate::server::Server;
use crate::twilio::Twilio;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Number of calls that the webhooks are about.
const CALLS: u64 = 2000;
/// Number of connections that Twilio keeps open at such a rate.
const CONNECTIONS: u64 = 128;
/// A rate counts as kept when this share of the webhooks was answered in time.
const KEPT: f64 = 0.98;

pub async fn measure(options: &Options, name: &str, database: &Database) -> Outcome<()> {
    let twilio = Twilio::start(Duration::ZERO).await?;
    let more = ["--requests-per-minute", "1000000", "--watch-call-ms", "0"];
    let server = Server::start(&options.program, &twilio, &database.url, &more).await?;
    let next = Arc::new(AtomicU64::new(0));
    register(server.address, &next).await?;
    let time = Duration::from_secs(options.seconds);

    let at_most = flood(server.address, &next, time).await?;
    let note = "generator, server and database on this machine";
    tell(&format!("signed webhooks made durable per second, at most, {name}"), "", &[at_most], note);

    let mut rate = options.rate;
    loop {
        let mut times = at_rate(server.address, &next, rate, time, webhook).await?;
        let answered = times.len() as f64 / time.as_secs_f64();
        if answered < KEPT * rate as f64 && rate > 100 {
            rate /= 2;
            continue;
        }
        times.sort_unstable();
        let [half, most, worst] = [0.5, 0.99, 1.0].map(|share| ms(quantile(&times, share)));
        let is = |what: &str| format!("webhook at {rate}/s until it is durable, {what}, {name}");
        tell(&is("median"), "ms", &[half], "");
        tell(&is("p99"), "ms", &[most], &format!("the slowest {worst:.1} ms"));
        break;
    }
    server.stop().await
}

/// Registers the calls with both legs, each with an agent of its own.
async fn register(address: SocketAddr, next: &Arc<AtomicU64>) -> Outcome<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let next = Arc::clone(next);
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= CALLS {
                    return Outcome::Ok(());
                }
                Call::new(number, number).begins(&mut connection).await?;
            }
        });
    }
    for done in tasks.join_all().await {
        done?;
    }
    // The first three sequence numbers of each call are used up.
    next.store(3 * CALLS, Ordering::Relaxed);
    Ok(())
}

/// The webhook with this number: the calls take turns, and each webhook changes what is stored of its call.
fn webhook(number: u64) -> Vec<u8> {
    Call::new(number % CALLS, number % CALLS).changes(number / CALLS)
}

/// Webhooks per second when each connection sends the next one as soon as the last one is answered.
async fn flood(address: SocketAddr, next: &Arc<AtomicU64>, time: Duration) -> Outcome<f64> {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let next = Arc::clone(next);
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut answered = 0_u64;
            while begun.elapsed() < time {
                connection.tell(&webhook(next.fetch_add(1, Ordering::Relaxed))).await?;
                answered += 1;
            }
            Outcome::Ok(answered)
        });
    }
    let mut all = 0;
    for answered in tasks.join_all().await {
        all += answered?;
    }
    Ok(all as f64 / begun.elapsed().as_secs_f64())
}

/// The latency of each webhook since it was due, including the time it waited for the one before. Those that arrived
/// after the end are left out.
pub async fn at_rate(
    address: SocketAddr,
    next: &Arc<AtomicU64>,
    rate: u64,
    time: Duration,
    webhook: impl Fn(u64) -> Vec<u8> + Copy + Send + 'static,
) -> Outcome<Vec<Duration>> {
    let begun = Instant::now() + Duration::from_millis(100);
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..CONNECTIONS {
        let next = Arc::clone(next);
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut times = vec![];
            let mut number = first;
            loop {
                let due = begun + Duration::from_secs_f64(number as f64 / rate as f64);
                if due >= begun + time {
                    return Outcome::Ok(times);
                }
                let request = webhook(next.fetch_add(1, Ordering::Relaxed));
                // The generator's own timer wakes late: that is not the server's time.
                let since = if Instant::now() < due {
                    tokio::time::sleep_until(due.into()).await;
                    Instant::now()
                } else {
                    due
                };
                if Instant::now() >= begun + time {
                    return Outcome::Ok(times);
                }
                connection.tell(&request).await?;
                times.push(since.elapsed());
                number += CONNECTIONS;
            }
        });
    }
    let mut all = vec![];
    for times in tasks.join_all().await {
        all.extend(times?);
    }
    Ok(all)
}
