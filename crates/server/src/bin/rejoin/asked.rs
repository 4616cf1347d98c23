//! What subcommands have in common that tell what the store knows.

use clap::Args;
use rejoin_server::Error;
use rejoin_server::config::Storage;
use serde::Serialize;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
    /// Settings as TOML.
    #[arg(long = "config", value_name = "FILE", env = "REJOIN_CONFIG")]
    _file: Option<PathBuf>,
    #[command(flatten)]
    storage: Storage,
}

impl Asked {
    /// Where the store is.
    pub(crate) fn url(&self) -> &str {
        &self.storage.database_url
    }

    /// Prints what it knows, for people or for programs.
    pub(crate) fn print(&self, answer: Result<impl Display + Serialize, Error>) -> Result<ExitCode, String> {
        let answer = answer.map_err(|error| error.to_string())?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&answer).map_err(|error| error.to_string())?);
        } else {
            print!("{answer}");
        }
        Ok(ExitCode::SUCCESS)
    }
}
