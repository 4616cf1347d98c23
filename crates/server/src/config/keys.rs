//! Every setting by its names. One rule holds them together: the key in the file is the environment variable in lower case
//! without `REJOIN_`, and the option is the key with dashes.

use super::Config;
use clap::{Arg, CommandFactory as _};

/// One setting, as `--help`, the file and the documents tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// In the file: `ping_ttl_ms`.
    pub name: String,
    /// In the environment: `REJOIN_PING_TTL_MS`.
    pub variable: String,
    /// What it means, with its unit.
    pub about: String,
    /// What it is when nobody says otherwise.
    pub default: Option<String>,
    /// Is there no server without it?
    pub required: bool,
    /// Is it never shown?
    pub hidden: bool,
    /// Is it a secret? A secret is not in the file itself, but in a file of its own that `{name}_file` names.
    pub secret: bool,
    /// Is it a list?
    pub many: bool,
    /// What it belongs to.
    pub section: String,
}

impl Key {
    /// All of them, in the order of the documents: those of a section beside each other.
    pub fn all() -> Vec<Self> {
        let keys: Vec<Self> = Config::command().get_arguments().filter_map(Self::of).collect();
        let first = |section: &str| keys.iter().position(|key| key.section == section);
        let mut sorted = keys.clone();
        sorted.sort_by_key(|key| first(&key.section));
        sorted
    }

    /// `None` for what is no setting, such as `--help`.
    pub fn of(arg: &Arg) -> Option<Self> {
        let variable = arg.get_env()?.to_str()?.to_owned();
        let name = variable.strip_prefix("REJOIN_").unwrap_or(&variable).to_lowercase();
        let default = arg.get_default_values().first().and_then(|value| value.to_str()).map(str::to_owned);
        let about = arg.get_help().map(|about| about.to_string().replace('\n', " ")).unwrap_or_default();
        Some(Self {
            name,
            about,
            default: default.filter(|default| !default.is_empty()),
            required: arg.is_required_set(),
            hidden: arg.is_hide_env_values_set(),
            secret: arg.is_hide_env_values_set() && arg.get_value_delimiter().is_none(),
            many: arg.get_value_delimiter().is_some(),
            section: arg.get_help_heading().unwrap_or_default().to_owned(),
            variable,
        })
    }

    /// On the command line, with its dashes.
    pub fn option(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }

    /// Names the file that a secret is in.
    pub fn file_variable(&self) -> String {
        format!("{}_FILE", self.variable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rule_holds_the_names_together() {
        for arg in Config::command().get_arguments() {
            let Some(key) = Key::of(arg) else { continue };
            let option = arg.get_long().map(|long| format!("--{long}"));
            assert_eq!(option, Some(key.option()), "{}", key.variable);
            assert!(!key.about.is_empty() && !key.section.is_empty(), "{} is not documented", key.variable);
        }
    }
}
