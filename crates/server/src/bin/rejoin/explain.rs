//! `rejoin explain`.

use crate::asked::Asked;
use crate::output::say;
use clap::Args;
use rejoin_server::beside;
use rejoin_server::explain::Subject;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A recovery (RJ…, as in the log), a conference (CF…) that the customer was in, or the customer's leg (CA…).
    #[arg(value_parser = Subject::parse)]
    subject: Subject,
    /// Draws the story as a page, into a new file that needs nothing else.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
    #[command(flatten)]
    asked: Asked,
}

/// Prints or draws what the store has about a call.
pub(crate) async fn run(options: &Options) -> Result<ExitCode, String> {
    let story = beside::explain(options.asked.url(), &options.subject).await.transpose();
    match (story, &options.html) {
        (None, _) => Err("the store has nothing about that (any more)".into()),
        (Some(story), None) => options.asked.print(story),
        (Some(story), Some(file)) => {
            let story = story.map_err(|error| error.to_string())?;
            let page = rejoin_timeline::page(&story.timeline(&options.subject));
            write_new(file, &page).map_err(|error| {
                format!(
                    "{} cannot be written ({error}), and nothing was changed: name a new file, in a folder that this user may \
                     write to",
                    file.display()
                )
            })?;
            say!("{} is written", file.display());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Writes a new file, all of it or nothing. Fails when there is one of that name.
fn write_new(file: &Path, text: &str) -> std::io::Result<()> {
    let mut written = OpenOptions::new().write(true).create_new(true).open(file)?;
    written.write_all(text.as_bytes()).and_then(|()| written.sync_all()).inspect_err(|_| {
        // It is ours, and not complete.
        let _ = std::fs::remove_file(file);
    })
}
