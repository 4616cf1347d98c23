//! `rejoin given-up`.

use clap::Args;
use rejoin_server::config::Storage;
use rejoin_server::given_up;
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

/// Prints what the store knows.
pub(crate) async fn run(options: &Options) -> Result<ExitCode, String> {
    let listed = given_up::list(&options.storage.database_url).await.map_err(|error| error.to_string())?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&listed).map_err(|error| error.to_string())?);
    } else if listed.is_empty() {
        println!("nothing was given up");
    } else {
        for job in listed {
            println!("{job}");
        }
        println!("\n`rejoin explain CF…` tells the story of a call. What to do: docs/runbook.md");
    }
    Ok(ExitCode::SUCCESS)
}
