//! `rejoin-fill sqlite:/tmp/rejoin.db --recoveries 1000000` fills the history of a database with recoveries of the simulation, for
//! measurements and pictures: a tool for development, which no release has.

#[path = "../figure.rs"]
#[allow(dead_code)]
mod figure;
#[path = "../fill.rs"]
mod fill;

use clap::Parser;
use std::process::ExitCode;

/// What is filled, and with how much.
#[derive(Debug, Parser)]
struct Options {
    /// The database's URL. No server may use it meanwhile if it is a file.
    database: String,
    /// Number of recoveries.
    #[arg(long, default_value = "1000000")]
    recoveries: usize,
    /// Number of days, up to now, that they are spread over.
    #[arg(long, default_value = "30", value_parser = clap::value_parser!(u64).range(1..=400))]
    days: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match fill::fill(&options.database, options.recoveries, options.days).await {
        Ok(took) => {
            println!("{} recoveries in {:.1} s", options.recoveries, took.as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
