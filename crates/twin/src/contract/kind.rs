//! Kinds of values.

use crate::{dates, model};
use serde_json::Value;

/// The kind of a value, in requests and in answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `text`.
    Text,
    /// `int`, or `int(1..1000)` with both ends.
    Int(Option<(i64, i64)>),
    /// `flag`: true or false.
    Flag,
    /// `time`: ISO 8601 with a time of day.
    Time,
    /// `date`: ISO 8601, with or without a time of day.
    Date,
    /// `rfc2822`: as in e-mail.
    Rfc2822,
    /// `url`: absolute, HTTP or HTTPS.
    Url,
    /// `path`: of a URL without its host.
    Path,
    /// `json`: JSON, as a string or not.
    Json,
    /// `object`.
    Object,
    /// `twiml`: well-formed XML.
    Twiml,
    /// Two letters: a SID with this prefix. `SID`: any.
    Sid(Option<String>),
    /// `=a|b`: one of these.
    OneOf(Vec<String>),
    /// `{a,b}`: an object with these names, whose values are URLs or null.
    Links(Vec<String>),
}

impl Kind {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(list) = text.strip_prefix('=') {
            return Some(Self::OneOf(list.split('|').map(str::to_owned).collect()));
        }
        if let Some(list) = text.strip_prefix('{') {
            return Some(Self::Links(list.strip_suffix('}')?.split(',').map(str::to_owned).collect()));
        }
        if let Some(range) = text.strip_prefix("int(") {
            let (from, to) = range.strip_suffix(')')?.split_once("..")?;
            return Some(Self::Int(Some((from.parse().ok()?, to.parse().ok()?))));
        }
        Some(match text {
            "text" => Self::Text,
            "int" => Self::Int(None),
            "flag" => Self::Flag,
            "time" => Self::Time,
            "date" => Self::Date,
            "rfc2822" => Self::Rfc2822,
            "url" => Self::Url,
            "path" => Self::Path,
            "json" => Self::Json,
            "object" => Self::Object,
            "twiml" => Self::Twiml,
            "SID" => Self::Sid(None),
            sid if sid.len() == 2 && sid.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                Self::Sid(Some(sid.to_owned()))
            }
            _ => return None,
        })
    }

    /// Why a parameter cannot have this value; `None` if it can. Empty URLs, texts and SIDs count as absent.
    pub fn refuses(&self, value: &str) -> Option<String> {
        let good = match self {
            Self::Text | Self::Path => true,
            Self::Int(range) => {
                let number: Option<i64> = value.parse().ok();
                number.is_some_and(|number| range.is_none_or(|(from, to)| (from..=to).contains(&number)))
            }
            Self::Flag => ["true", "false"].iter().any(|flag| value.eq_ignore_ascii_case(flag)),
            Self::Time => value.contains('T') && dates::parse_iso(value).is_some(),
            Self::Date => dates::parse_iso(value).is_some(),
            Self::Rfc2822 => dates::parse_rfc2822(value).is_some(),
            Self::Url => {
                let http = |url: reqwest::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
                value.is_empty() || reqwest::Url::parse(value).is_ok_and(http)
            }
            Self::Json => serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok(),
            Self::Object | Self::Links(_) => false,
            Self::Twiml => return model::malformed_twiml(value),
            Self::Sid(prefix) => value.is_empty() || is_sid(prefix.as_deref(), value),
            Self::OneOf(list) if list.iter().any(|word| word == "GET") => {
                list.iter().any(|word| word.eq_ignore_ascii_case(value))
            }
            Self::OneOf(list) => list.iter().any(|word| word == value),
        };
        (!good).then(|| format!("not {}", self.described()))
    }

    /// Why a field of an answer cannot have this value; `None` if it can.
    pub fn refuses_json(&self, value: &Value) -> Option<String> {
        let good = match (self, value) {
            (Self::Text, value) => value.is_string(),
            (Self::Int(_), value) => value.is_i64() || value.is_u64(),
            (Self::Flag, value) => value.is_boolean(),
            (Self::Path, Value::String(path)) => path.starts_with('/'),
            (Self::Json, value) => value.as_str().is_none_or(|text| self.refuses(text).is_none()),
            (Self::Object, value) => value.is_object(),
            (Self::Links(names), Value::Object(links)) => {
                let good = |link: &Value| link.is_null() || link.is_string();
                links.len() == names.len() && names.iter().all(|name| links.get(name).is_some_and(good))
            }
            (_, Value::String(text)) => !text.is_empty() && self.refuses(text).is_none(),
            _ => false,
        };
        (!good).then(|| format!("not {}", self.described()))
    }

    fn described(&self) -> String {
        match self {
            Self::Text => "a text".into(),
            Self::Int(None) => "a whole number".into(),
            Self::Int(Some((from, to))) => format!("a whole number from {from} to {to}"),
            Self::Flag => "true or false".into(),
            Self::Time => "a date with a time".into(),
            Self::Date => "a date".into(),
            Self::Rfc2822 => "a date as in mails".into(),
            Self::Url => "an absolute address of HTTP or HTTPS".into(),
            Self::Path => "a path".into(),
            Self::Json => "JSON".into(),
            Self::Object => "an object".into(),
            Self::Twiml => "XML".into(),
            Self::Sid(Some(prefix)) => format!("a SID that begins with {prefix}"),
            Self::Sid(None) => "a SID".into(),
            Self::OneOf(list) => format!("one of {}", list.join(", ")),
            Self::Links(names) => format!("an object of {}", names.join(", ")),
        }
    }
}

fn is_sid(prefix: Option<&str>, value: &str) -> bool {
    let letters = value.get(..2).is_some_and(|start| match prefix {
        Some(prefix) => start == prefix,
        None => start.bytes().all(|byte| byte.is_ascii_alphabetic()),
    });
    let digits = value.get(2..).unwrap_or_default();
    letters && digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
