//! Recoveries of a simulation as lines of text: what a database is filled with for measurements.

use rejoin_server::history::Recovered;

/// A line: seed, milliseconds until the end, until the first sound (`-`: none), rung, outcome, and cause (`-`: none).
pub fn line(seed: u64, recovered: &Recovered) -> String {
    let heard = recovered.heard.map_or("-".to_owned(), |heard| heard.0.to_string());
    let cause = if recovered.about.cause.is_empty() { "-" } else { &recovered.about.cause };
    format!("{seed} {} {heard} {} {} {cause}\n", recovered.took.0, recovered.rung, recovered.outcome)
}
