//! Turns arguments, environment and file into settings, or into a message about what is missing.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use rejoin_server::config::Key;
use rejoin_server::config::layers::{File, Layered, Mistake, Origin, Tables};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The option, its variable, and the key it would have.
const FILE: (&str, &str, &str) = ("--config", "REJOIN_CONFIG", "config");

/// The settings that this subcommand takes.
pub(crate) fn keys(subcommand: &clap::Command) -> Vec<Key> {
    subcommand.get_arguments().filter_map(Key::of).filter(|key| key.name != FILE.2).collect()
}

/// The arguments, extended by the file for the requested subcommand.
pub(crate) fn layered(command: &clap::Command, given: Vec<OsString>) -> Result<Layered, String> {
    let subcommand = given.get(1).and_then(|name| command.find_subcommand(name));
    let known = subcommand.map(keys).unwrap_or_default();
    if known.is_empty() || given.iter().any(|arg| arg == "--help" || arg == "-h") {
        return Ok(Layered { arguments: given, origins: BTreeMap::new(), tables: Tables::default() });
    }
    let path = path(&given);
    let say = |mistakes: Vec<Mistake>| {
        let place =
            path.as_deref().map_or_else(|| "settings".into(), |path: &Path| path.display().to_string());
        let lines: Vec<String> = mistakes.iter().map(|mistake| format!("{place}: {mistake}")).collect();
        lines.join("\n")
    };
    let file = path.as_deref().map_or_else(|| Ok(File::default()), File::open).map_err(say)?;
    file.under(given, &known, |name| std::env::var_os(name)).map_err(say)
}

fn path(given: &[OsString]) -> Option<PathBuf> {
    let mut given = given.iter();
    while let Some(arg) = given.next() {
        if arg == FILE.0 {
            return given.next().map(PathBuf::from);
        }
        if let Some(path) = arg.to_str().and_then(|arg| arg.strip_prefix(FILE.0)?.strip_prefix('=')) {
            return Some(path.into());
        }
    }
    std::env::var_os(FILE.1).map(PathBuf::from)
}

/// Explains why the arguments are refused.
pub(crate) fn refuse(error: &clap::Error, layered: &Layered) -> ExitCode {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::Strings(names)) => names.clone(),
        Some(ContextValue::String(name)) => vec![name.clone()],
        _ => vec![],
    };
    let keys: Vec<Key> = {
        let named = named(ContextKind::InvalidArg);
        let of = |key: &Key| {
            let option = key.option();
            named.iter().any(|name| name.split([' ', '=']).next() == Some(option.as_str()))
        };
        Key::all().into_iter().filter(of).collect()
    };
    if error.kind() == ErrorKind::MissingRequiredArgument && !keys.is_empty() {
        for key in keys {
            let also = if key.secret { format!(" (or {})", key.file_variable()) } else { String::new() };
            eprintln!("{}{also} is not set. {}", key.variable, key.about);
        }
        eprintln!(
            "Set them in the environment or in a file (--config): `rejoin defaults` prints one, with all settings."
        );
        return ExitCode::FAILURE;
    }
    // Help and the version are errors, too; a failure to print cannot be reported.
    let _ = error.print();
    for key in keys {
        if let Some(origin @ Origin::File(_)) = layered.origins.get(&key.name) {
            eprintln!("{} comes from the {origin}.", key.name);
        }
    }
    if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}
