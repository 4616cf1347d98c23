//! `rejoin explain`.

use crate::asked::Asked;
use clap::Args;
use rejoin_server::beside;
use rejoin_server::explain::Subject;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A recovery (RJ…, as in the log), a conference (CF…) that the customer was in, the customer's leg (CA…); a conversation (CH…),
    /// its channel (UO…), or a task of it (WT…).
    #[arg(value_parser = Subject::parse)]
    subject: Subject,
    /// Draws the story as a page, into a new file that needs nothing else.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
    #[command(flatten)]
    asked: Asked,
}

/// Prints or draws what the store has about a call or a conversation.
pub(crate) async fn run(options: &Options) -> Result<ExitCode, String> {
    let story = beside::explain(options.asked.url(), &options.subject).await.transpose();
    match (story, &options.html) {
        (None, _) => Err("the store has nothing about that (any more)".into()),
        (Some(story), None) => options.asked.print(story),
        (Some(story), Some(file)) => {
            let story = story.map_err(|error| error.to_string())?;
            crate::page::write(file, &rejoin_timeline::page(&story.timeline(&options.subject)))
        }
    }
}
