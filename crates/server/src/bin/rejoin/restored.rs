//! `rejoin restored`.

use crate::output::say;
use clap::Args;
use rejoin_server::{Config, Restored, beside};
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
    let Restored { open, over, held_back } =
        beside::restored(&options.config).await.map_err(|error| error.to_string())?;
    say!("{open} calls go on: they are polled again when the server starts");
    say!(
        "{over} calls are over here: the customer has hung up, or is in another call by now, and is left there"
    );
    if held_back > 0 {
        say!("{held_back} calls are held back, as before: `rejoin held-back` says why");
    }
    Ok(ExitCode::SUCCESS)
}
