//! `rejoin backup`.

use crate::output::say;
use clap::Args;
use rejoin_server::beside;
use rejoin_server::config::Storage;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A new file for the copy.
    #[arg(value_name = "FILE")]
    copy: PathBuf,
    /// Settings as TOML.
    #[arg(long = "config", value_name = "FILE", env = "REJOIN_CONFIG")]
    _file: Option<PathBuf>,
    #[command(flatten)]
    storage: Storage,
}

/// Copies the database.
pub(crate) async fn run(options: &Options) -> Result<ExitCode, String> {
    let Options { copy, storage, .. } = options;
    beside::backup(&storage.database_url, copy).await.map_err(|error| error.to_string())?;
    say!("{} is complete", copy.display());
    Ok(ExitCode::SUCCESS)
}
