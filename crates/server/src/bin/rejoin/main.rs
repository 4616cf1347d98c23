//! `rejoin`: see `--help`.

mod demo;
mod migrate;
mod serve;
mod signals;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Puts Twilio Flex agents back on the calls that their browser was lost from.
#[derive(Debug, Parser)]
#[command(name = "rejoin", version, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
First steps:
  rejoin serve --help     every setting, with its environment variable
  rejoin migrate          brings the database up to date; `serve` does it, too
  rejoin serve            runs until SIGTERM or Ctrl-C; may be killed at any time

It needs a Twilio account's SID and auth token, the SIDs of the workspace and of the workflow \"Recovery Ping\", and the
address under which Twilio and the desktops reach it.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server.
    Serve(Box<serve::Options>),
    /// Creates the database, or brings it up to date, and ends.
    Migrate(migrate::Options),
    /// Runs a server beside `rejoin-twin`, which stands in for Twilio. Nothing leaves this machine.
    Demo(demo::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start threads");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(async {
        match cli.command {
            Command::Serve(options) => {
                Box::pin(serve::run(*options)).await.map_err(|error| error.to_string())
            }
            Command::Migrate(options) => migrate::run(&options).await.map_err(|error| error.to_string()),
            Command::Demo(options) => Box::pin(demo::run(options)).await,
        }
    });
    ended.unwrap_or_else(|error| {
        tracing::error!("{error}");
        ExitCode::FAILURE
    })
}
