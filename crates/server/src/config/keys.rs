//! The names of every setting. They follow one rule: the key in the file is the environment variable in lower case
//! without `REJOIN_`, and the option is the key with dashes.

use super::Config;
use clap::{Arg, CommandFactory as _};

/// A setting, as in `--help`, the file and the documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key in the file: `ping_ttl_ms`.
    pub name: String,
    /// The environment variable: `REJOIN_PING_TTL_MS`.
    pub variable: String,
    /// The description, with the unit.
    pub about: String,
    /// The default value.
    pub default: Option<String>,
    /// True when the server does not start without it.
    pub required: bool,
    /// True when it is never shown.
    pub hidden: bool,
    /// True for a secret. A secret is not in the file itself, but in a file of its own that `{name}_file` names.
    pub secret: bool,
    /// True for a list.
    pub many: bool,
    /// The section that it belongs to.
    pub section: String,
}

impl Key {
    /// All settings, in the order of the documents, grouped by section.
    pub fn all() -> Vec<Self> {
        let keys: Vec<Self> = Config::command().get_arguments().filter_map(Self::of).collect();
        let first = |section: &str| keys.iter().position(|key| key.section == section);
        let mut sorted = keys.clone();
        sorted.sort_by_key(|key| first(&key.section));
        sorted
    }

    /// `None` for what is not a setting, such as `--help`.
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

    /// The option on the command line, with its dashes.
    pub fn option(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }

    /// The variable that names the secret's file.
    pub fn file_variable(&self) -> String {
        format!("{}_FILE", self.variable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_setting_follow_one_rule() {
        for arg in Config::command().get_arguments() {
            let Some(key) = Key::of(arg) else { continue };
            let option = arg.get_long().map(|long| format!("--{long}"));
            assert_eq!(option, Some(key.option()), "{}", key.variable);
            assert!(!key.about.is_empty() && !key.section.is_empty(), "{} is not documented", key.variable);
        }
    }
}
