//! `rejoin explain`.

use crate::asked::Asked;
use clap::Args;
use rejoin_server::beside;
use rejoin_server::explain::Subject;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A recovery (RJ…, as in the log), a conference (CF…) that the customer was in, or the customer's leg (CA…).
    #[arg(value_parser = Subject::parse)]
    subject: Subject,
    #[command(flatten)]
    asked: Asked,
}

/// Prints what the store has about a call.
pub(crate) async fn run(options: &Options) -> Result<ExitCode, String> {
    match beside::explain(options.asked.url(), &options.subject).await.transpose() {
        Some(story) => options.asked.print(story),
        None => Err("the store has nothing about that (any more)".into()),
    }
}
