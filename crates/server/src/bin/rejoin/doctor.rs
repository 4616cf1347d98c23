//! `rejoin doctor`.

use clap::Args;
use rejoin_server::{Config, doctor};
use rejoin_setup::doctor::{Finding, Outcome};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// As JSON, for programs: a list of objects with `check`, `result`, `found`, `means` and `do`. With --watch an object on each line.
    #[arg(long)]
    json: bool,
    /// Fail on warnings, too.
    #[arg(long)]
    strict: bool,
    /// Check again every so many seconds, and print what has changed. Ctrl-C ends it.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    watch: Option<u64>,
    /// Settings as TOML, as for `serve`.
    #[arg(long = "config", value_name = "FILE", env = "REJOIN_CONFIG")]
    _file: Option<PathBuf>,
    #[command(flatten)]
    config: Config,
}

/// Prints what is found; fails if something has failed.
pub(crate) async fn run(options: Options) -> Result<ExitCode, String> {
    let look = || async {
        let found = Box::pin(doctor::findings(options.config.clone())).await;
        found.map_err(|error| error.to_string())
    };
    let found = look().await?;
    if options.json && options.watch.is_none() {
        println!("{}", serde_json::to_string_pretty(&found).map_err(|error| error.to_string())?);
    } else {
        print(&found, options.json)?;
    }
    if let Some(seconds) = options.watch {
        let mut last: BTreeMap<_, _> = found.into_iter().map(|it| (it.check.clone(), it)).collect();
        loop {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            let mut changed = look().await?;
            // What could not be checked meanwhile is compared with what was found last.
            changed.retain(|it| last.insert(it.check.clone(), it.clone()).as_ref() != Some(it));
            print(&changed, options.json)?;
        }
    }
    let worst = found.iter().map(|finding| finding.result).max().unwrap_or(Outcome::Ok);
    if !options.json {
        let count = |result| found.iter().filter(|finding| finding.result == result).count();
        let (ok, failed) = (count(Outcome::Ok), count(Outcome::Failed));
        println!("{ok} ok, {} warnings, {failed} failed", count(Outcome::Warning));
    }
    Ok(match worst {
        Outcome::Failed => ExitCode::FAILURE,
        Outcome::Warning if options.strict => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

fn print(findings: &[Finding], json: bool) -> Result<(), String> {
    for finding in findings {
        if json {
            println!("{}", serde_json::to_string(finding).map_err(|error| error.to_string())?);
        } else {
            println!("{finding}");
        }
    }
    Ok(())
}
