//! `rejoin migrate`.

use crate::output::say;
use clap::Args;
use rejoin_server::Error;
use rejoin_server::config::Storage;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Settings as TOML.
    #[arg(long = "config", value_name = "FILE", env = "REJOIN_CONFIG")]
    _file: Option<PathBuf>,
    #[command(flatten)]
    storage: Storage,
}

/// Opening a store brings its tables up to date.
pub(crate) async fn run(options: &Options) -> Result<ExitCode, Error> {
    options.storage.open().await?.close().await;
    say!("the database is up to date");
    Ok(ExitCode::SUCCESS)
}
