//! `rejoin fallback`.

use crate::output::{progress, say};
use crate::signals::Signals;
use clap::{Args, ValueEnum};
use rejoin_server::{FallbackServer, FallbackSettings, fallback_bundle};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What else than running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Write the same answers as a service for Twilio's Functions and Assets.
    Export,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Do not run, but write the same answers as files for Twilio's Functions and Assets.
    #[arg(value_enum)]
    what: Option<What>,
    /// With `export`: the folder for the files. It must not exist, or be empty.
    #[arg(long, value_name = "FOLDER", default_value = "rejoin-fallback")]
    to: PathBuf,
    /// Settings as TOML: the server's file will do.
    #[arg(long = "config", value_name = "FILE", env = "REJOIN_CONFIG")]
    _file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: FallbackSettings,
}

/// Runs until a signal comes, or writes the files.
pub(crate) async fn run(options: Options) -> Result<ExitCode, String> {
    if options.what == Some(What::Export) {
        return export(&options.to, &options.settings);
    }
    let mut signals = Signals::new();
    let mut server = FallbackServer::start(options.settings).await.map_err(|error| error.to_string())?;
    // For a caller who started it on port 0.
    progress!("listening on {}", server.address());
    let code = tokio::select! {
        () = signals.next() => ExitCode::SUCCESS,
        () = server.failed() => ExitCode::FAILURE,
    };
    server.stop().await;
    Ok(code)
}

/// Writes the files. They contain no secret.
fn export(folder: &Path, settings: &FallbackSettings) -> Result<ExitCode, String> {
    let rules = settings.answers.rules(vec![]).map_err(|error| error.to_string())?;
    let shown = folder.display();
    if fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some()) {
        return Err(format!("{shown} is not empty: nothing was written. Name another folder with --to."));
    }
    let files = fallback_bundle(&rules);
    for file in &files {
        let path = folder.join(&file.path);
        let parent = path.parent().unwrap_or(folder);
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&path, &file.content));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    say!(
        "{shown} has {} files. Deploy them with Twilio's command line, which has the account's credentials:",
        files.len()
    );
    say!("  cd {shown} && twilio serverless:deploy --runtime node22");
    say!("Then set REJOIN_FALLBACK_URL of the server to https:// and the domain that is printed.");
    Ok(ExitCode::SUCCESS)
}
