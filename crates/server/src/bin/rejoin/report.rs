//! `rejoin report`.

use clap::Args;
use rejoin_server::config::Storage;
use rejoin_server::report::report;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
    /// Settings as TOML.
    #[arg(long = "config", value_name = "FILE", env = "REJOIN_CONFIG")]
    _file: Option<PathBuf>,
    #[command(flatten)]
    storage: Storage,
}

/// Prints how recoveries have ended.
pub(crate) async fn run(options: &Options) -> Result<ExitCode, String> {
    let report = report(&options.storage.database_url).await.map_err(|error| error.to_string())?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?);
    } else {
        print!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}
