//! Common parts of the subcommands that read the store.

use crate::output::say;
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
    /// URL of the store.
    pub(crate) fn url(&self) -> &str {
        &self.storage.database_url
    }

    /// Prints the answer, for people or for programs.
    pub(crate) fn print(&self, answer: Result<impl Display + Serialize, Error>) -> Result<ExitCode, String> {
        let answer = answer.map_err(|error| error.to_string())?;
        if self.json {
            say!("{}", serde_json::to_string_pretty(&answer).map_err(|error| error.to_string())?);
        } else {
            crate::output::write(format_args!("{answer}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}
