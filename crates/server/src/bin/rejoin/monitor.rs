//! `rejoin monitor`.

use crate::output::progress;
use crate::signals::Signals;
use clap::Args;
use rejoin_server::{Monitor, MonitorSettings};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Settings as TOML: the server's file will do.
    #[arg(long = "config", value_name = "FILE", env = "REJOIN_CONFIG")]
    _file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: MonitorSettings,
}

/// Runs until a signal comes.
pub(crate) async fn run(options: Options) -> Result<ExitCode, String> {
    let mut signals = Signals::new();
    let mut monitor = Monitor::start(&options.settings).await.map_err(|error| error.to_string())?;
    match monitor.address() {
        // For a caller who started it on port 0.
        Some(address) => progress!("monitoring; /health/live and /metrics on {address}"),
        None => progress!("monitoring"),
    }
    let code = tokio::select! {
        () = signals.next() => ExitCode::SUCCESS,
        () = monitor.failed() => ExitCode::FAILURE,
    };
    monitor.stop().await;
    Ok(code)
}
