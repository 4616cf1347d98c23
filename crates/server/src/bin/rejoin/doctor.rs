//! `rejoin doctor`.

use crate::administrator::is_confirmed;
use crate::output::{progress, say};
use crate::signals::Signals;
use clap::Args;
use rejoin_server::doctor::test_call::{self, Answer, BROWSER, Report, Request};
use rejoin_server::{Config, doctor};
use rejoin_setup::doctor::{Finding, Outcome};
use std::collections::BTreeMap;
use std::io::Write as _;
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
    /// Check again after this number of seconds each time, and print what has changed. Ctrl-C ends it.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    watch: Option<u64>,
    /// Instead of the checks: plays a call on a staging account, from the queue over the loss of its agent to the end, between
    /// two numbers of the account. It costs a few minutes of calls, and asks first.
    #[arg(long, group = "mode", conflicts_with = "watch", requires_all = ["from", "to"])]
    staging: bool,
    /// Plays the same call on the production account, and reports how Twilio behaves where its documents are silent.
    #[arg(long, group = "mode", conflicts_with = "watch", requires_all = ["from", "to"])]
    live: bool,
    /// With --staging and --live: the number of the account that calls.
    #[arg(long, value_name = "NUMBER", requires = "mode")]
    from: Option<String>,
    /// With --staging and --live: the number of the account that is called, and whose document only waits.
    #[arg(long, value_name = "NUMBER", requires = "mode")]
    to: Option<String>,
    /// With --live: a person's phone that plays the customer. They are asked to press 1.
    #[arg(long, value_name = "NUMBER", requires = "mode")]
    phone: Option<String>,
    /// With --staging and --live: play the call without asking.
    #[arg(long, requires = "mode")]
    yes: bool,
    /// Settings as TOML, as for `serve`.
    #[arg(long = "config", value_name = "FILE", env = "REJOIN_CONFIG")]
    _file: Option<PathBuf>,
    #[command(flatten)]
    config: Config,
}

/// Plays the test call.
async fn play(options: &Options) -> Result<ExitCode, String> {
    let (Some(from), Some(to)) = (options.from.clone(), options.to.clone()) else {
        return Err("--from and --to are wanted: two numbers of the account".into());
    };
    let request = Request { from, to, phone: options.phone.clone(), live: options.live };
    request.check(&options.config)?;
    // With --json, standard output is the result alone. A reader that has gone must not end a run before what it has created
    // is deleted.
    let say = |line: &str| {
        if options.json {
            let _ = writeln!(std::io::stderr(), "{line}");
        } else {
            progress!("{line}");
        }
    };
    request.plan(&options.config).iter().for_each(|line| say(line));
    if !(options.yes || (!options.json && is_confirmed("Play this call?"))) {
        say("Nothing was dialled, and nothing created. `--yes` plays the call.");
        return Ok(ExitCode::FAILURE);
    }
    let mut signals = Signals::new();
    let is_text = !options.json;
    let mut tell = |finding: &Finding| {
        if is_text {
            progress!("{finding}");
        }
    };
    let played = test_call::run(options.config.clone(), &request, signals.next(), &mut tell);
    let report = Box::pin(played).await.map_err(|error| error.to_string())?;
    if options.json {
        print_report(&report, options.live)?;
    } else {
        if options.live {
            print_questions(&report.answers);
        }
        progress!("{}", counted(&report.findings));
    }
    Ok(code(&report.findings, options.strict))
}

fn print_report(report: &Report, live: bool) -> Result<(), String> {
    let browser: Vec<_> = BROWSER
        .iter()
        .map(|(question, look)| serde_json::json!({"question": question, "look": look}))
        .collect();
    let text = if live {
        let all =
            serde_json::json!({"checks": report.findings, "questions": report.answers, "browser": browser});
        serde_json::to_string_pretty(&all)
    } else {
        serde_json::to_string_pretty(&report.findings)
    };
    progress!("{}", text.map_err(|error| error.to_string())?);
    Ok(())
}

fn print_questions(answers: &[Answer]) {
    let say = |line: &str| progress!("{line}");
    say("\nquestion | assumed | this account does");
    answers.iter().for_each(|answer| say(&answer.to_string()));
    say("\nOnly a browser shows:");
    BROWSER.iter().for_each(|(question, look)| say(&format!("{question}\n  look: {look}")));
    say("");
}

fn counted(findings: &[Finding]) -> String {
    let count = |result| findings.iter().filter(|finding| finding.result == result).count();
    let (ok, failed) = (count(Outcome::Ok), count(Outcome::Failed));
    format!("{ok} ok, {} warnings, {failed} failed", count(Outcome::Warning))
}

fn code(findings: &[Finding], strict: bool) -> ExitCode {
    match findings.iter().map(|finding| finding.result).max().unwrap_or(Outcome::Ok) {
        Outcome::Failed => ExitCode::FAILURE,
        Outcome::Warning if strict => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

/// Prints what is found; fails if something has failed.
pub(crate) async fn run(options: Options) -> Result<ExitCode, String> {
    if options.staging || options.live {
        return play(&options).await;
    }
    let look = || async {
        let found = Box::pin(doctor::findings(options.config.clone())).await;
        found.map_err(|error| error.to_string())
    };
    let found = look().await?;
    if options.json && options.watch.is_none() {
        say!("{}", serde_json::to_string_pretty(&found).map_err(|error| error.to_string())?);
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
    if !options.json {
        say!("{}", counted(&found));
    }
    Ok(code(&found, options.strict))
}

fn print(findings: &[Finding], json: bool) -> Result<(), String> {
    for finding in findings {
        if json {
            say!("{}", serde_json::to_string(finding).map_err(|error| error.to_string())?);
        } else {
            say!("{finding}");
        }
    }
    Ok(())
}
