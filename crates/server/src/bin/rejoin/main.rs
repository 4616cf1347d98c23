//! `rejoin`: see `--help`.
#![warn(clippy::print_stdout)]

mod administrator;
mod asked;
mod backup;
mod check;
mod demo;
mod deploy;
mod doctor;
mod explain;
mod fallback;
mod health;
mod logs;
mod migrate;
mod monitor;
mod output;
mod page;
mod provision;
mod release;
mod report;
mod restored;
mod serve;
mod settings;
mod signals;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use rejoin_server::beside;
use rejoin_server::config::{LogFormat, Logs, document};
use std::process::ExitCode;
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keeps a customer on the line when a Twilio Flex agent's browser goes away, and brings the agent back to the call.
#[derive(Debug, Parser)]
#[command(name = "rejoin", version, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
First steps:
  rejoin provision --plan --all-workflows   what the Twilio account needs; `--yes` makes it, `unprovision` takes it back
  rejoin deploy                             lets Flex desktops load the plugin, beside the others; `--rollback` takes it back
  rejoin defaults > rejoin.toml             every setting, explained; each can be set in the environment, too
  rejoin check-config --config rejoin.toml  the effective settings, and what is wrong with them
  rejoin doctor --config rejoin.toml        whether account, server and surroundings are as calls need them
  rejoin migrate --config rejoin.toml       brings the database up to date; `serve` does it, too
  rejoin explain CA…                        the story of a customer's call; `CH…`: of a conversation
  rejoin report                             outcomes of recoveries, by day; `--html FILE` draws a month as a page
  rejoin given-up                           jobs that were given up, which may need an operator
  rejoin held-back                          calls that are held back; `rejoin release CF…` releases one
  rejoin backup FILE                        copies an SQLite database, beside a running server
  rejoin restored                           after a backup was restored, before the server starts
  rejoin fallback --config rejoin.toml      answers callers on another host while the server does not
  rejoin monitor --config rejoin.toml       asks server, fallback and Twilio, and alerts when one does not answer
  rejoin serve --config rejoin.toml         runs until SIGTERM or Ctrl-C; may be killed at any time

It needs a Twilio account's SID and auth token, the SIDs of the workspace and of the workflow \"Recovery Ping\", and the
address under which Twilio and the desktops reach it.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Sets the Twilio account up: prints what is missing, makes it once that is confirmed, and writes rejoin.toml. A second
    /// run says "nothing to do".
    Provision(Box<provision::Options>),
    /// Takes `provision` back: restores what was there before, and deletes what was created.
    Unprovision(provision::Back),
    /// Deploys the plugin to Flex and releases it beside the other plugins, without Node or Twilio's command line; `--rollback`
    /// takes the release back.
    Deploy(deploy::Options),
    /// Runs the server.
    Serve(Box<serve::Options>),
    /// Answers Twilio's requests for documents when the server does not: on another host, without a database. Runs until SIGTERM or
    /// Ctrl-C.
    Fallback(Box<fallback::Options>),
    /// Asks servers, the fallback, their certificates and Twilio regularly, and alerts people when one does not work. Runs until
    /// SIGTERM or Ctrl-C.
    Monitor(Box<monitor::Options>),
    /// Creates the database, or brings it up to date, and ends.
    Migrate(migrate::Options),
    /// Prints the story of a recovery or a conversation from the store: decisions with their times, jobs for Twilio, and the current
    /// state. `--html` draws it as a page instead.
    Explain(explain::Options),
    /// Prints how many recoveries have ended with which outcome, and how long they took, by day. `--html` draws those of a month, or
    /// of another span, as a page instead.
    Report(report::Options),
    /// Lists jobs for Twilio that were given up, latest first: refused for good, or past their deadline.
    GivenUp(asked::Asked),
    /// Lists calls that are held back, because they cannot be read or an event about them ended in a panic, and jobs that cannot
    /// be read.
    HeldBack(asked::Asked),
    /// Releases a quarantined call: it is polled, and events about it are handled again.
    Release(release::Options),
    /// Copies an SQLite database into a new file, while a server may use it. PostgreSQL: pg_dump.
    Backup(backup::Options),
    /// Prepares a database that was restored from a backup, before a server starts: Twilio is asked which calls are over, and
    /// the others are polled before anything is done about them.
    Restored(Box<restored::Options>),
    /// Asks the server on this machine whether it is live. Exit code 0: yes. For health checks of containers.
    Health(health::Options),
    /// Prints the effective settings with their origins, and what is wrong with them. Changes nothing, and asks Twilio only about
    /// a configured activity.
    CheckConfig(Box<check::Options>),
    /// Asks Twilio, the server and its surroundings whether all is as calls need it, and says what is not, what that means and
    /// what to do. Changes nothing. Exit status: 0, or 1 when something has failed.
    Doctor(Box<doctor::Options>),
    /// Prints rejoin.default.toml: every setting with its default, its environment variable and what it means.
    Defaults,
    /// Runs a server beside `rejoin-twin`, which stands in for Twilio. Nothing leaves this machine.
    Demo(demo::Options),
}

/// Values of the environment are hidden in `--help`: addresses may contain passwords.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(|sub| sub.mut_args(|arg| arg.hide_env_values(true)))
}

fn main() -> ExitCode {
    let layered = match settings::layered(&Cli::command(), std::env::args_os().collect()) {
        Ok(layered) => layered,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::FAILURE;
        }
    };
    let matches = match command().try_get_matches_from(&layered.arguments) {
        Ok(matches) => matches,
        Err(error) => return settings::refuse(&error, &layered),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return settings::refuse(&error, &layered),
    };
    let plain = Logs { filter: "info".into(), format: LogFormat::Text };
    match cli.command {
        Command::Serve(mut options) => {
            options.config.workflow = layered.tables.workflow;
            options.config.queue = layered.tables.queue;
            options.config.conversations.exceptions = layered.tables.conversation;
            options.config.texts.others = layered.tables.texts;
            let logs = options.config.logs.clone();
            run(&logs, async { Box::pin(serve::run(*options)).await.map_err(|error| error.to_string()) })
        }
        Command::Fallback(mut options) => {
            options.settings.answers.texts.others = layered.tables.texts;
            let logs = options.settings.logs.clone();
            // One thread answers thousands of requests a second, and takes less memory than several.
            run_on(Builder::new_current_thread(), &logs, Box::pin(fallback::run(*options)))
        }
        Command::Monitor(options) => {
            let logs = options.settings.logs.clone();
            run(&logs, Box::pin(monitor::run(*options)))
        }
        Command::Provision(options) => run(&plain, Box::pin(provision::run(*options))),
        Command::Unprovision(options) => run(&plain, Box::pin(provision::back(options))),
        Command::Deploy(options) => run(&plain, Box::pin(deploy::run(options))),
        Command::Migrate(options) => {
            run(&plain, async { migrate::run(&options).await.map_err(|error| error.to_string()) })
        }
        Command::Explain(options) => run(&plain, explain::run(&options)),
        Command::Report(options) => run(&plain, report::run(&options)),
        Command::GivenUp(options) => {
            run(&plain, async { options.print(beside::given_up(options.url()).await) })
        }
        Command::HeldBack(options) => {
            run(&plain, async { options.print(beside::held_back(options.url()).await) })
        }
        Command::Release(options) => run(&plain, release::run(&options)),
        Command::Backup(options) => run(&plain, backup::run(&options)),
        Command::Restored(options) => run(&plain, Box::pin(restored::run(&options))),
        Command::Health(options) => run(&plain, health::run(&options)),
        Command::CheckConfig(options) => {
            run(&plain, async { Ok(check::run(&options, &matches, &layered).await) })
        }
        Command::Doctor(options) => run(&plain, Box::pin(doctor::run(*options))),
        Command::Defaults => {
            output::write(format_args!("{}", document::toml()));
            ExitCode::SUCCESS
        }
        Command::Demo(options) => run(&plain, Box::pin(demo::run(options))),
    }
}

fn run(logs: &Logs, work: impl Future<Output = Result<ExitCode, String>>) -> ExitCode {
    run_on(Builder::new_multi_thread(), logs, work)
}

fn run_on(
    mut threads: Builder,
    logs: &Logs,
    work: impl Future<Output = Result<ExitCode, String>>,
) -> ExitCode {
    if let Err(error) = logs::start(logs) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    let ended = match threads.enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Err(format!("cannot start threads: {error}")),
    };
    ended.unwrap_or_else(|error| {
        tracing::error!("{error}");
        ExitCode::FAILURE
    })
}
