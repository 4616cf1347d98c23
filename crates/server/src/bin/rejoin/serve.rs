//! `rejoin serve`.

use crate::output::progress;
use crate::signals::Signals;
use clap::Args;
use rejoin_server::{Config, Error, Server, failpoint};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Settings as TOML: `rejoin defaults` prints a file with all of them.
    #[arg(long = "config", value_name = "FILE", env = "REJOIN_CONFIG")]
    _file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: Config,
}

/// Runs until a signal comes, or a part of the server has ended by itself.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Error> {
    failpoint::check()?;
    // The message of a panic may contain personal data.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(tracing::field::display);
        tracing::error!(at, "a panic, which is a defect of rejoin: please report it with this line");
    }));
    if cfg!(panic = "abort") {
        tracing::warn!("this build aborts at the first panic: build with the profile `dist`");
    }
    let mut signals = Signals::new();
    for finding in options.config.findings().iter().filter(|finding| !finding.fatal) {
        tracing::warn!(setting = finding.name, "{}", finding.why);
    }
    let mut server = tokio::select! {
        server = Server::start(options.config) => server?,
        // It may wait for its database.
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    // For a caller who started the server on port 0.
    progress!("listening on {}", server.address());
    if let Some(address) = server.operator_address() {
        progress!("operators on {address}");
    }
    let code = tokio::select! {
        () = signals.next() => ExitCode::SUCCESS,
        () = server.failed() => ExitCode::FAILURE,
    };
    server.stop().await;
    Ok(code)
}
