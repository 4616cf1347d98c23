//! `rejoin check-config`.

use crate::Cli;
use crate::output::say;
use crate::settings::keys;
use clap::{ArgMatches, Args, CommandFactory as _};
use rejoin_server::Config;
use rejoin_server::config::layers::{Layered, Origin};
use rejoin_server::config::redacted;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Settings as TOML.
    #[arg(long = "config", value_name = "FILE", env = "REJOIN_CONFIG")]
    _file: Option<PathBuf>,
    #[command(flatten)]
    config: Config,
}

/// Prints the settings in effect, and all findings about them.
pub(crate) async fn run(options: &Options, matches: &ArgMatches, layered: &Layered) -> ExitCode {
    let name = "check-config";
    let cli = Cli::command();
    let (Some(matches), Some(subcommand)) = (matches.subcommand_matches(name), cli.find_subcommand(name))
    else {
        return ExitCode::FAILURE;
    };
    let keys = keys(subcommand);
    let width = keys.iter().map(|key| key.name.len()).max().unwrap_or_default();
    for key in &keys {
        let arg =
            subcommand.get_arguments().find(|arg| arg.get_env().is_some_and(|env| *env == *key.variable));
        let raw = arg.and_then(|arg| matches.get_raw(arg.get_id().as_str()));
        let values: Vec<String> =
            raw.into_iter().flatten().map(|value| redacted(&value.to_string_lossy())).collect();
        let value = match (values.iter().all(String::is_empty), key.hidden) {
            (true, _) => "(not set)".to_owned(),
            (false, true) => "(set, not shown)".to_owned(),
            (false, false) => values.join(","),
        };
        let origin = layered.origins.get(&key.name).unwrap_or(&Origin::Default);
        say!("{:width$} = {value}   [{origin}]", key.name);
    }
    for (sid, changes) in &layered.tables.workflow {
        say!("for calls by {sid}: {}", serde_json::to_string(changes).unwrap_or_default());
    }
    for (sid, changes) in &layered.tables.queue {
        say!("for calls from {sid}: {}", serde_json::to_string(changes).unwrap_or_default());
    }
    let mut findings = options.config.findings();
    findings.extend(options.config.findings_of_twilio().await);
    findings.sort_by_key(|finding| !finding.fatal);
    say!();
    for finding in &findings {
        let what = if finding.fatal { "wrong" } else { "doubtful" };
        say!("{what}: {}: {}", finding.name, finding.why);
    }
    let mut fatal = findings.iter().filter(|finding| finding.fatal).count();
    let doubtful = findings.len() - fatal;
    if let Err(error) = rejoin_server::http::check_tls(&options.config.tls) {
        say!("wrong: {error}");
        fatal += 1;
    }
    say!("{fatal} wrong, {doubtful} doubtful");
    if fatal == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
