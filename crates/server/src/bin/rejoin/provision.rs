//! `rejoin provision` and `rejoin unprovision`.

use crate::administrator::{Twilio, answer_to, is_confirmed, is_terminal};
use crate::output::{progress, say};
use clap::Args;
use rejoin_setup::{
    Account, Change, Chats, Choice, Fallback, Plan, Record, Wanted, provision, settings, unprovision,
};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    twilio: Twilio,
    /// URL at which Twilio and the desktops reach the server: https, without a slash at the end.
    #[arg(long, env = "REJOIN_PUBLIC_URL", value_parser = public_url)]
    public_url: String,
    /// A workflow that customers' calls go through, by SID or name; may be given several times.
    #[arg(long = "workflow", value_name = "WORKFLOW")]
    workflows: Vec<String>,
    /// All workflows of Flex's workspace.
    #[arg(long, conflicts_with = "workflows")]
    all_workflows: bool,
    /// Do without an activity for agents who come back in one that receives no tasks.
    #[arg(long)]
    no_reconnecting_activity: bool,
    /// Do without Event Streams, which tell the server what neither a callback nor a page reports.
    #[arg(long)]
    no_event_streams: bool,
    /// Chats, too: the server watches conversations, and Twilio tells it of them.
    #[arg(long)]
    conversations: bool,
    /// URL at which Twilio reaches `rejoin fallback`, on another host: the fallback address of the account's numbers and TwiML
    /// applications.
    #[arg(long, env = "REJOIN_FALLBACK_URL", value_parser = fallback_url)]
    fallback_url: Option<String>,
    /// A number that gets the fallback address, by its SID or as +15550001111; if it has a TwiML application, that one gets it. May be
    /// given several times. With neither --number nor --application: what leads to Studio.
    #[arg(long = "number", value_name = "NUMBER")]
    numbers: Vec<String>,
    /// A TwiML application that gets the fallback address, by its SID; may be given several times.
    #[arg(long = "application", value_name = "APPLICATION")]
    applications: Vec<String>,
    /// The workflow of their calls, by SID or name, into which the fallback sends a caller. Without it: the one of --workflow,
    /// if it is given once.
    #[arg(long, value_name = "WORKFLOW")]
    fallback_workflow: Option<String>,
    /// Replace a fallback address that is another's.
    #[arg(long)]
    replace_fallback: bool,
    /// Only print what would change.
    #[arg(long)]
    plan: bool,
    /// Make the changes without asking.
    #[arg(long, conflicts_with = "plan")]
    yes: bool,
    /// The server's settings, which are written if there is no such file.
    #[arg(long, value_name = "FILE", default_value = "rejoin.toml")]
    settings: PathBuf,
    /// What was there before, for `rejoin unprovision`.
    #[arg(long, value_name = "FILE", default_value = "rejoin.provision.json")]
    record: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Back {
    #[command(flatten)]
    twilio: Twilio,
    /// Take it back without asking.
    #[arg(long)]
    yes: bool,
    /// What was there before, as `rejoin provision` has written it.
    #[arg(long, value_name = "FILE", default_value = "rejoin.provision.json")]
    record: PathBuf,
}

fn public_url(text: &str) -> Result<String, String> {
    let uri: http::Uri = text.parse().map_err(|_| "an absolute URL is wanted".to_owned())?;
    let is_local = matches!(uri.host(), Some("localhost" | "127.0.0.1"));
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if is_local => {}
        _ => return Err("https is wanted: desktops and Twilio send tokens and personal data there".into()),
    }
    if text.ends_with('/') || uri.query().is_some() {
        return Err("no slash at the end, and no query, is wanted".into());
    }
    Ok(text.to_owned())
}

/// An empty setting is none.
fn fallback_url(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { public_url(text.trim_end_matches('/')) }
}

/// Prints what is missing, and makes it.
pub(crate) async fn run(options: Options) -> Result<ExitCode, String> {
    let chooses = !options.numbers.is_empty() || !options.applications.is_empty();
    let is_about_fallback = chooses || options.fallback_workflow.is_some() || options.replace_fallback;
    if is_about_fallback && options.fallback_url.as_deref().unwrap_or_default().is_empty() {
        return Err("--number, --application, --fallback-workflow and --replace-fallback are about the fallback's address, and there is \
                    none: set REJOIN_FALLBACK_URL, or --fallback-url. Nothing was changed"
            .to_owned());
    }
    let account = options.twilio.account.clone();
    let known = Record::read(&options.record, &account).map_err(|error| error.to_string())?;
    let (client, workspace) = options.twilio.of_flex().await?;
    let read = Account::read(&client, account.clone(), workspace.clone(), &options.public_url).await;
    let mut there = read.map_err(|error| error.to_string())?;
    let fallback = options.fallback_url.filter(|url| !url.is_empty()).map(|url| Fallback {
        url,
        numbers: options.numbers,
        applications: options.applications,
        workflow: options.fallback_workflow,
        replace: options.replace_fallback,
        written: known
            .iter()
            .flat_map(|it| &it.fallbacks)
            .map(|(sid, it)| (sid.clone(), it.after.clone()))
            .collect(),
    });
    if fallback.as_ref().is_some_and(|it| it.url == options.public_url) {
        return Err("REJOIN_FALLBACK_URL is the server's own address: the fallback is to answer when that does not, so it has \
                    to be another host. Nothing was changed"
            .to_owned());
    }
    if fallback.is_some() {
        there.read_numbers(&client).await.map_err(|error| error.to_string())?;
    }
    let chats = options.conversations.then(|| Chats {
        written: known.iter().filter_map(|it| it.chats.as_ref()).flat_map(|it| it.after.clone()).collect(),
    });
    if chats.is_some() {
        there.read_chats(&client).await.map_err(|error| error.to_string())?;
    }
    let choice = if options.all_workflows { Choice::All } else { Choice::Named(options.workflows) };
    let wanted = Wanted {
        public_url: options.public_url,
        workflows: if choice == Choice::Named(vec![]) { chosen(&there)? } else { choice },
        reconnecting: !options.no_reconnecting_activity,
        event_streams: !options.no_event_streams,
        chats,
        fallback,
    };
    let plan = match Plan::of(&there, &wanted) {
        Ok(plan) => plan,
        Err(refusals) => {
            refusals.iter().for_each(|refusal| say!("{refusal}"));
            say!("Nothing was changed.");
            return Ok(ExitCode::FAILURE);
        }
    };
    say!("Account {account}, Flex's workspace {workspace}:");
    for line in plan.changes.iter().flat_map(Change::lines) {
        say!("  {line}");
    }
    for line in &plan.left {
        say!("  left: {line}");
    }
    if plan.changes.is_empty() {
        say!("  nothing to do");
    } else if options.plan {
        say!("Nothing was changed: `--yes` instead of `--plan` makes these changes.");
        return Ok(ExitCode::SUCCESS);
    } else if !(options.yes || is_confirmed("Make these changes?")) {
        say!("Nothing was changed.");
        return Ok(ExitCode::FAILURE);
    }
    let mut record = known.unwrap_or_else(|| Record::new(account, workspace));
    let done = |change: &Change| progress!("done: {}", change.lines().first().map_or("", String::as_str));
    let made = provision(&client, &mut there, &wanted, &mut record, &options.record, done).await;
    let plan = made.map_err(|error| error.to_string())?;
    if options.record.exists() {
        progress!(
            "{} has what was there before: keep it for `rejoin unprovision`.",
            options.record.display()
        );
    }
    write_settings(&options.settings, &settings(&there, &wanted, &plan))?;
    Ok(ExitCode::SUCCESS)
}

/// Asks for the workflows at a terminal. Elsewhere nothing is chosen, and the plan says how to.
fn chosen(account: &Account) -> Result<Choice, String> {
    let voice = Choice::of(account);
    if voice.is_empty() || !is_terminal() {
        return Ok(Choice::Named(vec![]));
    }
    say!("Which workflows do customers' calls go through?");
    for (number, workflow) in (1..).zip(&voice) {
        say!("  {number}  {} ({})", workflow.friendly_name.escape_debug(), workflow.sid);
    }
    let answer = answer_to("Numbers, separated by commas, or `all`:");
    picked(&answer, voice.len()).map(|picked| match picked {
        None => Choice::All,
        Some(numbers) => {
            let sids = numbers.iter().filter_map(|number| voice.get(number - 1));
            Choice::Named(sids.map(|workflow| workflow.sid.to_string()).collect())
        }
    })
}

/// Which of `many` an answer names, counted from 1; `None`: all.
fn picked(answer: &str, many: usize) -> Result<Option<Vec<usize>>, String> {
    if answer.trim() == "all" {
        return Ok(None);
    }
    let number = |text: &str| text.trim().parse().ok().filter(|number| (1..=many).contains(number));
    let numbers: Option<Vec<usize>> = answer.split(',').map(number).collect();
    numbers
        .map(Some)
        .ok_or_else(|| format!("numbers from 1 to {many} are wanted, or `all`. Nothing was changed"))
}

/// Takes a set-up back.
pub(crate) async fn back(options: Back) -> Result<ExitCode, String> {
    let record = Record::read(&options.record, &options.twilio.account).map_err(|error| error.to_string())?;
    let path = options.record.display();
    let Some(mut record) = record else {
        say!("There is no {path}: nothing is known of a set-up. Name the file with --record.");
        return Ok(ExitCode::FAILURE);
    };
    say!(
        "Account {}: what {path} names is restored or deleted. Calls are not recovered any more.",
        record.account
    );
    if !(options.yes || is_confirmed("Take the set-up back?")) {
        say!("Nothing was changed.");
        return Ok(ExitCode::FAILURE);
    }
    let client = options.twilio.client(record.workspace.clone())?;
    let lines =
        unprovision(&client, &mut record, &options.record).await.map_err(|error| error.to_string())?;
    lines.iter().for_each(|line| progress!("done: {line}"));
    Ok(ExitCode::SUCCESS)
}

/// Writes the settings, or says what a file that is there already is to have.
fn write_settings(path: &Path, text: &str) -> Result<(), String> {
    let shown = path.display();
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::write(path, text).map_err(|error| format!("{shown}: {error}"))?;
            say!("{shown} is written. Next: `rejoin check-config --config {shown}`");
        }
        Err(error) => return Err(format!("{shown}: {error}")),
        Ok(there) => {
            let is_there = |line: &str| there.lines().any(|other| other.trim() == line);
            let missing: Vec<_> =
                text.lines().filter(|line| !line.starts_with('#') && !is_there(line)).collect();
            if missing.is_empty() {
                say!("{shown} fits.");
            } else {
                say!("{shown} is there already, and is to have:");
                missing.iter().for_each(|line| say!("  {line}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::picked;

    #[test]
    fn an_answer_names_some_or_all() {
        assert_eq!(picked(" all\n", 3), Ok(None));
        assert_eq!(picked("2\n", 3), Ok(Some(vec![2])));
        assert_eq!(picked("3, 1", 3), Ok(Some(vec![3, 1])));
        for answer in ["", "\n", "0", "4", "1,", "one", "1-2", "-1"] {
            assert!(picked(answer, 3).is_err(), "{answer}");
        }
    }
}
