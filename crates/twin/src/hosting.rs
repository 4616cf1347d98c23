//! Twilio's Serverless, as far as it hosts files of plugins, and Flex's plugin service: what is uploaded, which versions of
//! plugins there are, and which of them desktops load.
//!
//! Sources: <https://www.twilio.com/docs/serverless/api>, <https://www.twilio.com/docs/flex/developer/plugins/api>, and
//! `@twilio/flex-plugin-scripts`, which sends the same requests. *Assumed*: codes of refusals.

mod plugins;
mod serverless;

use crate::{clock::now, dates::iso, model::ApiError};
use axum::body::Bytes;
use rejoin_protocol::{AccountSid, Millis};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(crate) use serverless::Upload;

/// Everything that is hosted. Resources are in the form in which they are answered, in the order of their creation.
#[derive(Debug, Default)]
pub(crate) struct Hosting {
    made: u128,
    services: Vec<Value>,
    environments: Vec<Value>,
    assets: Vec<Value>,
    asset_versions: Vec<Value>,
    /// By the version's SID.
    files: BTreeMap<String, File>,
    builds: Vec<Building>,
    plugins: Vec<Value>,
    versions: Vec<Value>,
    configurations: Vec<Value>,
    /// Plugins of configurations.
    configured: Vec<Value>,
    releases: Vec<Value>,
}

/// An uploaded file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) content: Bytes,
    /// Media type.
    pub(crate) kind: String,
    /// True when only users of Flex may read it.
    pub(crate) protected: bool,
}

#[derive(Debug)]
struct Building {
    resource: Value,
    done: Millis,
}

/// A request's meaning.
pub(crate) struct Asked<'a> {
    pub(crate) account: &'a AccountSid,
    pub(crate) method: &'a str,
    /// Behind `Services` or `PluginService`.
    pub(crate) segments: &'a [&'a str],
    /// All values of a parameter.
    pub(crate) all: &'a dyn Fn(&str) -> Vec<String>,
}

impl Asked<'_> {
    fn text(&self, name: &str) -> Option<String> {
        (self.all)(name).into_iter().next()
    }

    fn needed(&self, name: &str) -> Result<String, ApiError> {
        self.text(name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| ApiError::bad_request(format!("Missing required parameter {name}")))
    }

    fn is_set(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }
}

impl Hosting {
    fn sid(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}{:032x}", self.made)
    }

    /// A new resource with a SID, the account, its times and its address.
    fn resource(&mut self, prefix: &str, account: &AccountSid, at: &str, more: Value) -> Map<String, Value> {
        let sid = self.sid(prefix);
        let mut fields = Map::new();
        fields.insert("url".into(), format!("{at}/{sid}").into());
        fields.insert("sid".into(), sid.into());
        fields.insert("account_sid".into(), json!(account));
        fields.insert("date_created".into(), iso(now()).into());
        if let Value::Object(more) = more {
            fields.extend(more);
        }
        fields
    }
}

/// The resource in which a field has this value.
fn found<'a>(all: &'a [Value], field: &str, value: &str) -> Option<&'a Value> {
    all.iter().find(|it| it[field] == value)
}

/// A resource by its SID or unique name.
fn either<'a>(all: &'a [Value], which: &str, what: &str) -> Result<&'a Value, ApiError> {
    found(all, "sid", which)
        .or_else(|| found(all, "unique_name", which))
        .ok_or_else(|| ApiError::not_found(what))
}

/// Those in which a field has this value.
fn those(all: &[Value], field: &str, value: &str) -> Vec<Value> {
    all.iter().filter(|it| it[field] == value).cloned().collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
