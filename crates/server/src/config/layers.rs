//! Defaults, then the file, then the environment, then options: the later one wins.
//!
//! Values of the file are added to the arguments where neither the environment nor an option sets them, so that
//! values are parsed in one place.

use super::Key;
use crate::texts::Wording;
use rejoin_protocol::{TaskQueueSid, WorkflowSid};
use rejoin_recovery::Changes;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use thiserror::Error;
use toml::de::{DeTable, DeValue};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The default.
    Default,
    /// This line of the file.
    File(usize),
    /// A file of its own, for a secret.
    SecretFile(PathBuf),
    /// The environment.
    Environment,
    /// An option.
    Option,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(line) => write!(f, "file, line {line}"),
            Self::SecretFile(path) => write!(f, "{}", path.display()),
            Self::Environment => f.write_str("environment"),
            Self::Option => f.write_str("option"),
        }
    }
}

/// A mistake in the file or in a secret's file. No message repeats a value: it may be secret.
#[derive(Debug, Error)]
pub enum Mistake {
    /// A file cannot be read.
    #[error("{} cannot be read ({source}): check the path and who may read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// It is not TOML.
    #[error("line {line} is not TOML ({why}): see rejoin.default.toml for how settings are written")]
    NotToml {
        /// Line of the mistake.
        line: usize,
        /// The parser's message.
        why: String,
    },
    /// A table that has neither durations for a workflow or a queue, nor texts for a language.
    #[error(
        "line {line}: {why}; durations for [workflow.WW…] or [queue.WQ…], or texts for [texts.xx-XX], are wanted"
    )]
    Table {
        /// Line of the mistake.
        line: usize,
        /// The parser's message.
        why: String,
    },
    /// An unknown setting.
    #[error("line {line}: there is no setting {name}{}", meant(.nearest.as_deref()))]
    Unknown {
        /// Line of the mistake.
        line: usize,
        /// The name that was written.
        name: String,
        /// The name that may be meant.
        nearest: Option<String>,
    },
    /// A secret in the file.
    #[error(
        "line {line}: {name} is a secret and does not belong into this file: put it into a file of its own and name that \
         with {name}_file, or set {variable}"
    )]
    Secret {
        /// Line of the mistake.
        line: usize,
        /// Name of the setting.
        name: String,
        /// Variable of the setting.
        variable: String,
    },
    /// A value of a type that no setting has, such as a date or a table.
    #[error(
        "line {line}: {name} cannot be {found}: text, a number, true, false or a list of texts is wanted"
    )]
    Kind {
        /// Line of the mistake.
        line: usize,
        /// Name of the setting.
        name: String,
        /// The type that was found.
        found: &'static str,
    },
    /// A secret that is given twice.
    #[error("{variable} and {variable}_FILE are both set: which of them counts is not clear, unset one")]
    Twice {
        /// Variable of the setting.
        variable: String,
    },
    /// An empty file of a secret.
    #[error("{} is empty: {variable} should be in it", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// Variable of the setting.
        variable: String,
    },
}

fn meant(name: Option<&str>) -> String {
    name.map_or_else(|| "; rejoin.default.toml has all of them".into(), |name| format!("; {name} is meant?"))
}

/// The content of a file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// By name: the value in the form of an option, and the line.
    values: BTreeMap<String, (String, usize)>,
    tables: Tables,
}

/// Settings that only a file can contain: exceptions for some calls.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Tables {
    /// Exceptions for calls by workflow.
    pub workflow: BTreeMap<WorkflowSid, Changes>,
    /// Exceptions for calls by queue.
    pub queue: BTreeMap<TaskQueueSid, Changes>,
    /// Texts by language.
    pub texts: BTreeMap<String, Wording>,
    /// Exceptions for conversations, by kind of channel or by workflow.
    pub conversation: BTreeMap<String, rejoin_conversations::Changes>,
}

/// The names of [`Tables`].
const TABLES: [&str; 4] = ["workflow", "queue", "texts", "conversation"];

impl File {
    /// Reads a file.
    pub fn open(path: &Path) -> Result<Self, Vec<Mistake>> {
        let text = read(path).map_err(|mistake| vec![mistake])?;
        Self::parse(&text)
    }

    /// Parses TOML, and reports all mistakes at once.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let line = |at: usize| text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        let place = |error: &toml::de::Error| line(error.span().map_or(0, |span| span.start));
        let table = DeTable::parse(text).map_err(|error| {
            vec![Mistake::NotToml { line: place(&error), why: error.message().to_owned() }]
        })?;
        let keys = Key::all();
        let mut file = Self::default();
        let mut mistakes = vec![];
        for (name, value) in table.into_inner() {
            let (line, name) = (line(name.span().start), name.into_inner().into_owned());
            if TABLES.contains(&name.as_str()) {
                continue;
            }
            match taken(&keys, &name, line, value.get_ref()) {
                Ok(value) => {
                    file.values.insert(name, (value, line));
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        match toml::from_str(text) {
            Ok(tables) => file.tables = tables,
            Err(error) => {
                mistakes.push(Mistake::Table { line: place(&error), why: error.message().to_owned() });
            }
        }
        if mistakes.is_empty() { Ok(file) } else { Err(mistakes) }
    }
}

fn taken(keys: &[Key], name: &str, line: usize, value: &DeValue<'_>) -> Result<String, Mistake> {
    let names = |key: &Key| if key.secret { format!("{}_file", key.name) } else { key.name.clone() };
    if let Some(key) = keys.iter().find(|key| key.secret && key.name == name) {
        return Err(Mistake::Secret { line, name: name.to_owned(), variable: key.variable.clone() });
    }
    if !keys.iter().any(|key| names(key) == name) {
        let near =
            keys.iter().map(names).map(|other| (strsim::normalized_damerau_levenshtein(name, &other), other));
        let nearest = near.filter(|(likeness, _)| *likeness > 0.6).max_by(|a, b| a.0.total_cmp(&b.0));
        let nearest = nearest.map(|(_, name)| name);
        return Err(Mistake::Unknown { line, name: name.to_owned(), nearest });
    }
    let kind = |found| Mistake::Kind { line, name: name.to_owned(), found };
    match value {
        DeValue::Array(list) => {
            let texts: Option<Vec<&str>> = list.iter().map(|item| item.get_ref().as_str()).collect();
            texts.map(|texts| texts.join(",")).ok_or_else(|| kind("a list of anything but texts"))
        }
        value => scalar(value).ok_or_else(|| kind(value.type_str())),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n.to_string())
        }
        DeValue::Boolean(yes) => Some(yes.to_string()),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn read(path: &Path) -> Result<String, Mistake> {
    std::fs::read_to_string(path).map_err(|source| Mistake::Unreadable { path: path.to_owned(), source })
}

/// The arguments, extended by the file and the secrets' files, and the origin of each setting.
#[derive(Debug)]
pub struct Layered {
    /// Arguments for clap.
    pub arguments: Vec<OsString>,
    /// Origins by name.
    pub origins: BTreeMap<String, Origin>,
    /// Exceptions for some calls, from the file.
    pub tables: Tables,
}

impl File {
    /// Extends the arguments `given`. `known` are the settings of the subcommand, `environment` looks up a variable.
    pub fn under(
        &self,
        given: Vec<OsString>,
        known: &[Key],
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Layered, Vec<Mistake>> {
        let tables = self.tables.clone();
        let mut layered = Layered { arguments: given, origins: BTreeMap::new(), tables };
        let mut mistakes = vec![];
        for key in known {
            match self.find(key, &layered.arguments, &environment) {
                Ok((origin, value)) => {
                    layered.origins.insert(key.name.clone(), origin);
                    if let Some(value) = value {
                        layered.arguments.push(format!("{}={}", key.option(), value.expose_secret()).into());
                    }
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if mistakes.is_empty() { Ok(layered) } else { Err(mistakes) }
    }

    /// The origin, and the value if it is neither an option nor in the environment.
    fn find(
        &self,
        key: &Key,
        given: &[OsString],
        environment: &impl Fn(&str) -> Option<OsString>,
    ) -> Result<(Origin, Option<SecretString>), Mistake> {
        let option = key.option();
        let with_value = format!("{option}=");
        let is_it =
            |arg: &OsStr| arg.to_str().is_some_and(|arg| arg == option || arg.starts_with(&with_value));
        if given.iter().any(|arg| is_it(arg)) {
            return Ok((Origin::Option, None));
        }
        let named = key.secret.then(|| environment(&key.file_variable())).flatten();
        match (environment(&key.variable).is_some(), named) {
            (true, Some(_)) => return Err(Mistake::Twice { variable: key.variable.clone() }),
            (true, None) => return Ok((Origin::Environment, None)),
            (false, Some(path)) => return secret(key, PathBuf::from(path)),
            (false, None) => {}
        }
        if let Some((path, _)) = self.values.get(&format!("{}_file", key.name)).filter(|_| key.secret) {
            return secret(key, PathBuf::from(path));
        }
        Ok(match self.values.get(&key.name) {
            Some((value, line)) => (Origin::File(*line), Some(SecretString::from(value.clone()))),
            None => (Origin::Default, None),
        })
    }
}

fn secret(key: &Key, path: PathBuf) -> Result<(Origin, Option<SecretString>), Mistake> {
    let text = read(&path)?;
    // Editors end a file with a newline.
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Mistake::Empty { path, variable: key.variable.clone() });
    }
    Ok((Origin::SecretFile(path), Some(SecretString::from(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        File::parse(text).expect_err(text).iter().map(Mistake::to_string).collect()
    }

    #[test]
    fn an_unknown_setting_is_refused_with_a_suggestion() {
        let all = mistakes("listen = \"a\"\npingttl_ms = 1\n\nnonsense = 2\ntwilio_auth_token = \"x\"\n");
        let wanted = [
            "line 2: there is no setting pingttl_ms; ping_ttl_ms is meant?",
            "line 4: there is no setting nonsense; rejoin.default.toml has all of them",
        ];
        for wanted in wanted {
            assert!(all.iter().any(|mistake| mistake == wanted), "{wanted} is not in {all:#?}");
        }
        assert!(all.iter().any(|mistake| mistake.contains("twilio_auth_token is a secret")), "{all:#?}");
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn malformed_toml_is_reported_with_its_line() {
        assert!(mistakes("listen = \"a\"\nlisten = = 3")[0].starts_with("line 2 is not TOML"));
        assert!(
            mistakes("ping_ttl_ms = 2020-01-01")[0].starts_with("line 1: ping_ttl_ms cannot be datetime")
        );
        assert!(mistakes("allowed_origins = [1]")[0].contains("a list of anything but texts"));
    }

    #[test]
    fn a_language_may_have_its_own_texts() {
        let file = File::parse("[texts.it-IT]\ninterrupted = \"Un momento.\"\n").expect("good");
        let layered = file.under(vec![], &Key::all(), |_| None).expect("good");
        assert_eq!(layered.tables.texts["it-IT"].interrupted.as_deref(), Some("Un momento."));
        let refused = mistakes("[texts.it-IT]\ninterupted = \"Un momento.\"\n");
        assert!(refused[0].starts_with("line 2: unknown field `interupted`"), "{refused:?}");
    }

    #[test]
    fn a_workflow_may_have_its_own_durations() {
        let workflow = WorkflowSid::numbered(1);
        let text = |key: &str| format!("listen = \"127.0.0.1:0\"\n[workflow.{workflow}]\n{key} = 9\n");
        let file = File::parse(&text("ping_ttl_ms")).expect("good");
        let layered = file.under(vec![], &Key::all(), |_| None).expect("good");
        assert_eq!(layered.tables.workflow[&workflow].ping_ttl.map(|ttl| ttl.0), Some(9));
        let refused = mistakes(&text("ping_ttl"));
        assert!(refused[0].starts_with("line 3: unknown field `ping_ttl`"), "{refused:?}");
        assert!(mistakes("[workflow.WQ1]\nping_ttl_ms = 9")[0].starts_with("line 1: not a SID"));
    }

    #[test]
    fn options_override_the_environment_which_overrides_the_file() {
        let file = File::parse("ping_ttl_ms = 1_000\ngrace_ms = 1\nlanguage = \"de-DE\"\nstorm_at = 0x10")
            .expect("good");
        let environment = |name: &str| (name == "REJOIN_GRACE_MS").then(|| "2".into());
        let given = ["rejoin", "serve", "--ping-ttl-ms=3"].map(OsString::from).to_vec();
        let layered = file.under(given, &Key::all(), environment).expect("good");
        let added: Vec<_> = layered.arguments[3..].iter().filter_map(|arg| arg.to_str()).collect();
        assert_eq!(added, ["--language=de-DE", "--storm-at=16"]);
        let origin = |name: &str| layered.origins[name].clone();
        assert_eq!(origin("ping_ttl_ms"), Origin::Option);
        assert_eq!(origin("grace_ms"), Origin::Environment);
        assert_eq!(origin("language"), Origin::File(3));
        assert_eq!(origin("listen"), Origin::Default);
    }

    #[test]
    fn secrets_are_read_from_their_own_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        let layer = |file: &File, environment: &dyn Fn(&str) -> Option<OsString>| {
            file.under(vec!["rejoin".into(), "serve".into()], &Key::all(), environment)
                .map(|layered| layered.arguments[2..].to_vec())
        };
        let file = File::parse(&format!("twilio_auth_token_file = \"{}\"", path.display())).expect("good");
        let said = |mistakes: Vec<Mistake>| mistakes.iter().map(Mistake::to_string).collect::<String>();

        assert!(said(layer(&file, &|_| None).expect_err("no file")).contains("cannot be read"));
        std::fs::write(&path, "\n").expect("written");
        assert!(said(layer(&file, &|_| None).expect_err("empty")).contains("is empty: TWILIO_AUTH_TOKEN"));
        std::fs::write(&path, "secret\n").expect("written");
        assert_eq!(layer(&file, &|_| None).expect("good"), ["--twilio-auth-token=secret"]);

        let in_environment =
            |name: &str| (name == "TWILIO_AUTH_TOKEN_FILE").then(|| path.clone().into_os_string());
        assert_eq!(layer(&File::default(), &in_environment).expect("good"), ["--twilio-auth-token=secret"]);
        let twice =
            |name: &str| in_environment(name).or_else(|| (name == "TWILIO_AUTH_TOKEN").then(|| "x".into()));
        assert!(said(layer(&File::default(), &twice).expect_err("twice")).contains("both set"));
    }
}
