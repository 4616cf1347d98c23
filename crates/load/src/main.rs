//! Measures a server: `rejoin-load path/of/rejoin` prints each figure as a line of JSON. `npm run bench` shows them
//! as a table.
//!
//! The server is a process of its own, with a real database. A stub of Twilio answers at once, or after a fixed time,
//! so that only the server is measured. Generator, server and database share the machine.

mod calls;
mod chats;
mod connection;
mod conversations;
#[allow(clippy::unwrap_used, clippy::expect_used, dead_code, unused_imports, unused_macros)]
#[path = "../../server/tests/server/database.rs"]
mod database;
mod desktops;
mod fallback;
mod figure;
mod fill;
mod history;
mod recoveries;
mod server;
mod starts;
mod twilio;
mod webhooks;

use clap::{Parser, ValueEnum};
use conversations::Desktops;
use database::Database;
use figure::Outcome;
use std::path::PathBuf;
use std::process::ExitCode;

/// What is measured, and at what size.
#[derive(Clone, Debug, Parser)]
struct Options {
    /// The server's program.
    program: PathBuf,
    /// Measure only these parts.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Seconds that each measurement with webhooks takes.
    #[arg(long, default_value = "10")]
    seconds: u64,
    /// Webhooks per second; halved until the server keeps up.
    #[arg(long, default_value = "2000")]
    rate: u64,
    /// Number of desktops with a push channel.
    #[arg(long, default_value = "10000")]
    desktops: u64,
    /// Number of registered calls on which nothing happens.
    #[arg(long, default_value = "100000")]
    calls: u64,
    /// Number of active conversations, with a message each twelve seconds.
    #[arg(long, default_value = "10000")]
    conversations: u64,
    /// Number of conversations that wait for their customers.
    #[arg(long, default_value = "1000000")]
    dormant: u64,
    /// Number of recoveries, one after the other, and of starts.
    #[arg(long, default_value = "20")]
    times: u64,
    /// Number of recoveries in the history.
    #[arg(long, default_value = "1000000")]
    recoveries: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Webhooks,
    Recoveries,
    Desktops,
    Calls,
    Starts,
    Fallback,
    History,
    Conversations,
    Dormant,
}

#[tokio::main]
async fn main() -> ExitCode {
    match measure(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(options: &Options) -> Outcome<()> {
    let wanted = |part| options.only.is_empty() || options.only.contains(&part);
    for name in ["SQLite", "PostgreSQL"] {
        let database =
            async || if name == "SQLite" { Database::sqlite() } else { Database::postgres().await };
        if wanted(Part::Webhooks) {
            Box::pin(webhooks::measure(options, name, &database().await)).await?;
        }
        if wanted(Part::Recoveries) {
            Box::pin(recoveries::measure(options, name, &database().await)).await?;
        }
        if wanted(Part::Starts) {
            starts::measure(options, name, &database().await).await?;
        }
        if wanted(Part::History) {
            Box::pin(history::measure(options, name, &database().await)).await?;
        }
        if wanted(Part::Conversations) {
            for desktops in Desktops::ALL {
                let database = database().await;
                Box::pin(conversations::active(options, name, &database, desktops)).await?;
            }
        }
        if wanted(Part::Dormant) {
            Box::pin(conversations::dormant(options, name, &database().await)).await?;
        }
    }
    if wanted(Part::Desktops) {
        Box::pin(desktops::listen(options, &Database::sqlite())).await?;
    }
    if wanted(Part::Calls) {
        Box::pin(desktops::register(options, &Database::sqlite())).await?;
    }
    if wanted(Part::Fallback) {
        fallback::measure(options).await?;
    }
    Ok(())
}
