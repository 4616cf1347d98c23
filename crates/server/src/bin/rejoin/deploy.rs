//! `rejoin deploy`.

use crate::administrator::{Twilio, is_confirmed};
use crate::output::{progress, say};
use axum::body::Bytes;
use clap::Args;
use rejoin_setup::{Bundle, Known, Loaded, PLUGIN, Released, deploy, known, loaded, release, roll_back};
use rejoin_twilio::Client;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    twilio: Twilio,
    /// The built plugin. Its source map has the same name with `.map`, and is uploaded, too, if it is there.
    #[arg(long, value_name = "FILE", default_value = "build/plugin-rejoin.js")]
    bundle: PathBuf,
    /// The plugin's version, by the rules of semver.org.
    #[arg(long, value_name = "VERSION", default_value = env!("CARGO_PKG_VERSION"))]
    plugin_version: String,
    /// Let the plugin's files be read without a sign-in, instead of by users of Flex only.
    #[arg(long)]
    public: bool,
    /// Upload the version and make it known, without a release: desktops do not load it yet.
    #[arg(long)]
    draft: bool,
    /// Release the version that desktops loaded before.
    #[arg(long, conflicts_with_all = ["draft", "remove"])]
    rollback: bool,
    /// Release the other plugins without this one.
    #[arg(long, conflicts_with = "draft")]
    remove: bool,
    /// Only print what would change.
    #[arg(long, conflicts_with = "rollback")]
    plan: bool,
    /// Do it without asking.
    #[arg(long, conflicts_with = "plan")]
    yes: bool,
}

/// Deploys and releases the plugin, or goes back.
pub(crate) async fn run(options: Options) -> Result<ExitCode, String> {
    let client = options.twilio.of_account()?;
    let (now, others) = loaded(&client).await.map_err(|error| error.to_string())?;
    let beside = if others.is_empty() { "no other plugins".to_owned() } else { others.join(", ") };
    say!("Account {}: desktops load {}, and {beside}.", options.twilio.account, shown(now.as_ref()));
    if options.rollback {
        return back(&client, &options).await;
    }
    if options.remove {
        say!("  - {}", shown(now.as_ref()));
        let Some(()) = asked(&options) else { return Ok(answered(&options)) };
        let released = release(&client, None).await.map_err(|error| error.to_string())?;
        progress!("{}", told(&released));
        return Ok(ExitCode::SUCCESS);
    }
    let bundle = read(&options.bundle, &options.plugin_version)?;
    let there = known(&client, &bundle).await.map_err(|error| error.to_string())?;
    let version = &options.plugin_version;
    let is_loaded = now.as_ref().is_some_and(|now| now.version == *version);
    match (&there, is_loaded || options.draft) {
        (Known::Deployed(_), true) => {
            say!("  nothing to do");
            return Ok(ExitCode::SUCCESS);
        }
        (Known::Deployed(_), false) => {}
        (Known::Not, _) => say!("  + version {version} of {PLUGIN}, from {}", options.bundle.display()),
    }
    if !options.draft {
        say!("  ~ release: {} instead of {}", shown_version(Some(version)), shown(now.as_ref()));
    }
    let Some(()) = asked(&options) else { return Ok(answered(&options)) };
    let done = |line: &str| progress!("done: {line}");
    let made = deploy(&client, &bundle, options.public, done).await.map_err(|error| error.to_string())?;
    if options.draft {
        say!("Desktops do not load it yet. Without --draft it is released.");
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = Loaded { sid: made.sid, version: made.version };
    let released = release(&client, Some(&wanted)).await.map_err(|error| error.to_string())?;
    progress!("{}", told(&released));
    say!("To take it back: rejoin deploy --rollback");
    Ok(ExitCode::SUCCESS)
}

async fn back(client: &Client, options: &Options) -> Result<ExitCode, String> {
    say!("  ~ release: the version before");
    let Some(()) = asked(options) else { return Ok(answered(options)) };
    let released = roll_back(client).await.map_err(|error| error.to_string())?;
    progress!("{}", told(&released));
    Ok(ExitCode::SUCCESS)
}

/// `Some` when it is to be done.
fn asked(options: &Options) -> Option<()> {
    if options.plan {
        say!("Nothing was changed: `--yes` instead of `--plan` does it.");
        return None;
    }
    if options.yes || is_confirmed("Do it?") {
        return Some(());
    }
    say!("Nothing was changed.");
    None
}

/// The status of a run that was not to do anything.
fn answered(options: &Options) -> ExitCode {
    if options.plan { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(path: &Path, version: &str) -> Result<Bundle, String> {
    let script = fs::read(path).map_err(|error| {
        format!(
            "{}: {error}. It is the plugin's built file: name it with --bundle. `npm run build` makes it, and a release has it",
            path.display()
        )
    })?;
    let mut map = path.as_os_str().to_owned();
    map.push(".map");
    let map = fs::read(map).ok().map(Bytes::from);
    Bundle::new(version, Bytes::from(script), map).map_err(|refusal| refusal.to_string())
}

fn told(released: &Released) -> String {
    let (before, after) = (shown(released.before.as_ref()), shown(released.after.as_ref()));
    match released.before == released.after {
        true => format!("Desktops load {after} already."),
        false => format!("Desktops load {after} from their next start on, and {before} until then."),
    }
}

fn shown(loaded: Option<&Loaded>) -> String {
    shown_version(loaded.map(|it| it.version.as_str()))
}

fn shown_version(version: Option<&str>) -> String {
    version.map_or_else(|| format!("no {PLUGIN}"), |version| format!("{PLUGIN} {version}"))
}
