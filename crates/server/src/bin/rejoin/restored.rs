//! `rejoin restored`.

use clap::Args;
use rejoin_server::Config;
use rejoin_server::beside::{self, Restored};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Settings as TOML.
    #[arg(long = "config", value_name = "FILE", env = "REJOIN_CONFIG")]
    _file: Option<PathBuf>,
    #[command(flatten)]
    config: Config,
}

/// Prepares a restored database.
pub(crate) async fn run(options: &Options) -> Result<ExitCode, String> {
    let Restored { kept, deleted } =
        beside::restored(&options.config).await.map_err(|error| error.to_string())?;
    println!(
        "{kept} calls go on: they are polled when the server starts, before anything else is done about them"
    );
    println!(
        "{deleted} calls are deleted: their customers have left the conference, and whatever was open is over"
    );
    Ok(ExitCode::SUCCESS)
}
