//! `rejoin serve`.

use crate::signals::Signals;
use clap::Args;
use rejoin_server::{Config, Error, Server};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    config: Config,
}

/// Until a signal comes, or a part of the server has ended by itself.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Error> {
    let mut signals = Signals::new();
    let mut server = Server::start(options.config).await?;
    // For whoever started the server on port 0.
    println!("listening on {}", server.address());
    let code = tokio::select! {
        () = signals.next() => ExitCode::SUCCESS,
        () = server.failed() => ExitCode::FAILURE,
    };
    server.stop().await;
    Ok(code)
}
