//! The program's settings, from an administrator's view.

use crate::support::{AUTH_TOKEN, OPERATOR_TOKEN};
use rejoin_protocol::{AccountSid, WorkflowSid, WorkspaceSid};
use rejoin_server::config::document;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the program in an environment of its own.
fn rejoin(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rejoin"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn needed() -> Vec<(&'static str, String)> {
    vec![
        ("TWILIO_ACCOUNT_SID", AccountSid::numbered(1).to_string()),
        ("TWILIO_WORKSPACE_SID", WorkspaceSid::numbered(1).to_string()),
        ("REJOIN_PING_WORKFLOW_SID", WorkflowSid::numbered(2).to_string()),
        ("TWILIO_AUTH_TOKEN", AUTH_TOKEN.into()),
        ("REJOIN_PUBLIC_URL", "https://rejoin.example.com".into()),
    ]
}

fn written(folder: &Path, text: &str) -> String {
    let path = folder.join("rejoin.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn check_config_shows_the_settings_in_effect_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("operator-token");
    std::fs::write(&token, format!("{OPERATOR_TOKEN}\n")).unwrap();
    let text = format!(
        "operator_token_file = {token:?}\nping_ttl_ms = 20000\ngrace_ms = 100\nallowed_origins = [\"https://a.example\"]\n"
    );
    let file = written(folder.path(), &text);
    let needed = needed();
    let mut environment: Vec<_> = needed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    environment.push(("REJOIN_GRACE_MS", "200"));
    environment.push(("DATABASE_URL", "sqlite://somebody:hidden@/a.db"));
    let output = rejoin(&["check-config", "--config", &file, "--language", "de-DE"], &environment);
    let said = said(&output);
    let line = |start: &str| {
        let line =
            said.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start} in {said}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(output.status.success(), "{said}");
    assert_eq!(line("ping_ttl_ms "), "ping_ttl_ms = 20000 [file, line 2]");
    assert_eq!(line("grace_ms "), "grace_ms = 200 [environment]");
    assert_eq!(line("language "), "language = de-DE [option]");
    assert_eq!(line("allowed_origins "), "allowed_origins = https://a.example [file, line 4]");
    assert_eq!(line("rejoin_within_ms "), "rejoin_within_ms = 20000 [default]");
    assert_eq!(line("twilio_auth_token "), "twilio_auth_token = (set, not shown) [environment]");
    assert_eq!(line("operator_token "), format!("operator_token = (set, not shown) [{}]", token.display()));
    for secret in [AUTH_TOKEN, OPERATOR_TOKEN, "hidden"] {
        assert!(!said.contains(secret), "{secret} is in {said}");
    }
}

#[test]
fn help_and_refusals_do_not_show_the_environment() {
    let needed = needed();
    let mut environment: Vec<_> = needed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    environment.push(("DATABASE_URL", "postgres://rejoin:hidden@127.0.0.1:1/rejoin"));
    environment.push(("REJOIN_OPERATOR_TOKEN", OPERATOR_TOKEN));
    for arguments in [
        ["serve", "--help"],
        ["migrate", "--help"],
        ["explain", "--help"],
        ["check-config", "-h"],
        ["serve", "--nonsense"],
        // There is no database.
        ["migrate", "--database-url=postgres://rejoin:hidden@127.0.0.1:1/rejoin"],
        ["migrate", "--database-url=postgres://rejoin:hidden@127.0.0.1:nonsense/rejoin"],
    ] {
        let said = said(&rejoin(&arguments, &environment));
        assert!(said.len() > 40, "{arguments:?}: {said}");
        for secret in [AUTH_TOKEN, OPERATOR_TOKEN, "hidden"] {
            assert!(!said.contains(secret), "{secret} is in {arguments:?}: {said}");
        }
        assert!(!arguments.contains(&"--help") || said.contains("DATABASE_URL"), "{said}");
    }
}

#[test]
fn mistakes_are_reported_with_their_consequences() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = rejoin(&["serve"], &[]);
    assert!(!nothing.status.success());
    for (name, _) in needed() {
        assert!(said(&nothing).contains(name), "{name} is not in {}", said(&nothing));
    }

    let needed = needed();
    let environment: Vec<_> = needed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for (text, wanted) in [
        ("ping_tll_ms = 1\nfoo = 2", "line 1: there is no setting ping_tll_ms; ping_ttl_ms is meant?"),
        ("operator_token = \"x\"", "operator_token_file"),
        ("listen = \"nowhere\"", "listen comes from the file, line 1"),
        ("public_url = [", "is not TOML"),
    ] {
        let output = rejoin(&["serve", "--config", &written(folder.path(), text)], &environment);
        assert!(!output.status.success());
        assert!(said(&output).contains(wanted), "{wanted} is not in {}", said(&output));
    }

    let mut doubtful = environment.clone();
    doubtful.push(("REJOIN_PING_TTL_MS", "1000"));
    let output = rejoin(&["check-config"], &doubtful);
    assert!(output.status.success());
    assert!(said(&output).contains("doubtful: REJOIN_PING_TTL_MS: shorter than 3 s"), "{}", said(&output));
    let short = "x".repeat(31);
    for (name, value) in [("REJOIN_ALLOWED_ORIGINS", "*"), ("REJOIN_OPERATOR_TOKEN", &short)] {
        let mut wrong = environment.clone();
        wrong.retain(|(known, _)| *known != name);
        wrong.push((name, value));
        for (command, begin) in [("check-config", "wrong: "), ("serve", "")] {
            let output = rejoin(&[command], &wrong);
            assert!(!output.status.success());
            assert!(said(&output).contains(&format!("{begin}{name}")), "{}", said(&output));
        }
    }
}

fn in_the_repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

#[test]
fn the_defaults_file_matches_the_program_and_changes_nothing() {
    let path = in_the_repository("rejoin.default.toml");
    let printed = said(&rejoin(&["defaults"], &[]));
    assert_eq!(printed, document::toml());
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(file == printed, "write it anew: cargo run -p rejoin-server -- defaults > rejoin.default.toml");

    // With every # before a default removed, the settings are the same.
    let folder = tempfile::tempdir().unwrap();
    let is_set = |line: &&str| line.starts_with("# ") && line.contains(" = ") && !line.ends_with("= \"\"");
    let in_force = |text: &str| -> String {
        let all = text.split("\n# ── Durations for").next().unwrap_or_default().lines();
        all.filter(is_set).map(|line| format!("{}\n", line.trim_start_matches("# "))).collect()
    };
    let needed = needed();
    let environment: Vec<_> = needed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let effective = |arguments: &[&str]| {
        let output = rejoin(arguments, &environment);
        assert!(output.status.success(), "{}", said(&output));
        let values = said(&output);
        values.lines().filter_map(|line| Some(line.split_once("   [")?.0.to_owned())).collect::<Vec<_>>()
    };
    let explicit = written(folder.path(), &in_force(&file));
    let defaults = effective(&["check-config"]);
    assert!(defaults.len() > 20);
    assert_eq!(effective(&["check-config", "--config", &explicit]), defaults);
}

#[test]
fn the_table_of_settings_is_complete() {
    let text = std::fs::read_to_string(in_the_repository("docs/configuration.md")).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let wanted = document::table();
    let missing: String = wanted
        .iter()
        .filter(|row| !rows.iter().any(|other| other.iter().eq(row.iter())))
        .map(|row| format!("| {} |\n", row.join(" | ")))
        .collect();
    assert!(missing.is_empty(), "docs/configuration.md lacks:\n{missing}");
    assert_eq!(rows.len(), wanted.len(), "docs/configuration.md has rows of settings that there are not");
}
