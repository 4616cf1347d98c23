//! `rejoin explain`.

use clap::Args;
use rejoin_server::config::Storage;
use rejoin_server::explain::{Subject, explain};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A recovery (RJ…, as in the log), a conference (CF…) that the customer was in, or the customer's leg (CA…).
    #[arg(value_parser = Subject::parse)]
    subject: Subject,
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
    let story = explain(&options.storage.database_url, &options.subject).await;
    let Some(story) = story.map_err(|error| error.to_string())? else {
        return Err("the store has nothing about that (any more)".into());
    };
    if options.json {
        let text = serde_json::to_string_pretty(&story).map_err(|error| error.to_string())?;
        println!("{text}");
    } else {
        print!("{story}");
    }
    Ok(ExitCode::SUCCESS)
}
