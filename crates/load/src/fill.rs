//! Fills a database with recoveries of the simulation, spread over the last days.
//!
//! How each ended, by which rung, and after what time is the simulation's (`data/recoveries.txt`). When, and whose agent, workflow and
//! queue, is drawn here: the simulation plays single calls.

use crate::figure::Outcome;
use rejoin_protocol::{Millis, TaskQueueSid, WorkerSid, WorkflowSid};
use rejoin_server::history::{About, Recovered};
use rejoin_server::store::Store;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Lines as `simulate --ordinary-day --recoveries` writes them.
const SAMPLE: &str = include_str!("../data/recoveries.txt");
/// Number of recoveries that are written in one transaction.
const AT_ONCE: usize = 2_000;
/// Number of agents, workflows and queues.
const AGENTS: u64 = 500;
const WORKFLOWS: u64 = 4;
const QUEUES: u64 = 3;
/// Agents with a bad headset, and the part (permille) of all losses that is theirs.
const UNLUCKY: (u64, u64) = (5, 60);
/// How many recoveries there are in each hour of a day (UTC), relative to each other.
const HOURS: [u64; 24] = [1, 1, 1, 1, 1, 2, 5, 9, 14, 17, 18, 17, 15, 16, 18, 17, 14, 10, 7, 5, 4, 3, 2, 1];
const HOUR: u64 = 3_600_000;

/// A reproducible sequence (<https://prng.di.unimi.it/splitmix64.c>).
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// The simulation's recoveries, without time and place.
fn sample() -> Outcome<Vec<Recovered>> {
    SAMPLE.lines().map(read).collect()
}

fn read(line: &str) -> Outcome<Recovered> {
    let mut parts = line.split(' ').skip(1);
    let mut next = || parts.next().ok_or_else(|| format!("too short: {line}"));
    let (took, heard, rung, outcome, cause) = (next()?, next()?, next()?, next()?, next()?);
    let cause = if cause == "-" { String::new() } else { cause.to_owned() };
    Ok(Recovered {
        at: Millis(0),
        took: Millis(took.parse()?),
        heard: if heard == "-" { None } else { Some(Millis(heard.parse()?)) },
        about: About { cause, ..About::default() },
        rung: rung.to_owned(),
        outcome: outcome.to_owned(),
    })
}

/// Adds this many recoveries to the history of a database, which no server uses meanwhile if it is a file. Returns how long it took.
pub async fn fill(url: &str, count: usize, days: u64) -> Outcome<Duration> {
    let sample = sample()?;
    let mut drawn = Drawn(1);
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let all: u64 = HOURS.iter().sum();
    let mut moments: Vec<u64> = (0..count)
        .map(|_| {
            let mut weight = drawn.below(all);
            let hour = HOURS.iter().take_while(|here| {
                let is_later = weight >= **here;
                weight = weight.saturating_sub(**here);
                is_later
            });
            let hour = hour.count() as u64;
            // A day ends at the present hour, so that nothing is in the future.
            let today = now / HOUR;
            let ago = (today % 24 + 23 - hour) % 24 + 24 * drawn.below(days);
            (today - 1 - ago) * HOUR + drawn.below(HOUR)
        })
        .collect();
    moments.sort_unstable();
    let store = Store::open(url).await?;
    let begun = std::time::Instant::now();
    for part in moments.chunks(AT_ONCE) {
        let part: Vec<Recovered> = part
            .iter()
            .map(|at| {
                let it = usize::try_from(drawn.below(sample.len() as u64)).unwrap_or(0);
                let worker = match drawn.below(1000) < UNLUCKY.1 {
                    true => drawn.below(UNLUCKY.0),
                    false => drawn.below(AGENTS),
                };
                let mut recovered = Recovered { at: Millis(*at), ..sample[it].clone() };
                recovered.about.worker = WorkerSid::numbered(1 + u128::from(worker)).to_string();
                recovered.about.workflow =
                    WorkflowSid::numbered(1 + u128::from(worker % WORKFLOWS)).to_string();
                recovered.about.queue = TaskQueueSid::numbered(1 + u128::from(worker % QUEUES)).to_string();
                recovered
            })
            .collect();
        store.add_recoveries(&part).await?;
    }
    let took = begun.elapsed();
    store.close().await;
    Ok(took)
}
