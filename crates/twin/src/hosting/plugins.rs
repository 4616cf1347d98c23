//! Plugins, their versions, configurations, releases.

use super::{Asked, Hosting, either, found, text, those};
use crate::{clock::now, dates::iso, facts::MOST_PLUGINS, model::ApiError};
use serde_json::{Value, json};

const URL: &str = "https://flex-api.twilio.com/v1/PluginService";

/// A plugin that desktops load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) url: String,
}

impl Hosting {
    /// A request below `/v1/PluginService`: the answer's status and body. A list is answered whole.
    pub(crate) fn plugin_service(&mut self, asked: &Asked<'_>) -> Result<(u16, Value), ApiError> {
        let newest = |all: &[Value]| all.iter().rev().cloned().collect::<Vec<_>>();
        match (asked.method, asked.segments) {
            ("GET", ["Plugins"]) => Ok((200, json!({ "plugins": newest(&self.plugins) }))),
            ("POST", ["Plugins"]) => self.create_plugin(asked),
            ("GET", ["Plugins", which]) => Ok((200, either(&self.plugins, which, "plugin")?.clone())),
            ("GET", ["Plugins", which, "Versions"]) => {
                let plugin = text(&either(&self.plugins, which, "plugin")?["sid"]);
                let all = those(&self.versions, "plugin_sid", &plugin);
                Ok((200, json!({ "plugin_versions": newest(&all) })))
            }
            ("POST", ["Plugins", which, "Versions"]) => self.create_version(asked, which),
            ("POST", ["Configurations"]) => self.create_configuration(asked),
            ("GET", ["Configurations", sid, "Plugins"]) => {
                let configuration = found(&self.configurations, "sid", sid);
                configuration.ok_or_else(|| ApiError::not_found("configuration"))?;
                Ok((200, json!({ "plugins": those(&self.configured, "configuration_sid", sid) })))
            }
            ("GET", ["Releases"]) => Ok((200, json!({ "releases": newest(&self.releases) }))),
            ("POST", ["Releases"]) => self.release(asked),
            _ => Err(ApiError::not_found("resource")),
        }
    }

    fn create_plugin(&mut self, asked: &Asked<'_>) -> Result<(u16, Value), ApiError> {
        let name = asked.needed("UniqueName")?;
        if found(&self.plugins, "unique_name", &name).is_some() {
            return Err(ApiError::bad_request("a plugin with this name exists"));
        }
        let plugin = self.resource(
            "FP",
            asked.account,
            &format!("{URL}/Plugins"),
            json!({
                "unique_name": name, "friendly_name": asked.text("FriendlyName").unwrap_or_default(),
                "description": asked.text("Description").unwrap_or_default(), "archived": false, "date_updated": iso(now()),
            }),
        );
        let mut plugin = Value::Object(plugin);
        plugin["links"] = json!({ "plugin_versions": format!("{}/Versions", text(&plugin["url"])) });
        self.plugins.push(plugin.clone());
        Ok((201, plugin))
    }

    fn create_version(&mut self, asked: &Asked<'_>, which: &str) -> Result<(u16, Value), ApiError> {
        let plugin = either(&self.plugins, which, "plugin")?;
        let (plugin, at) = (text(&plugin["sid"]), text(&plugin["url"]));
        let version = asked.needed("Version")?;
        let parts: Vec<&str> = version.split('.').collect();
        if parts.len() < 3 {
            return Err(ApiError::bad_request("Version is no semantic version"));
        }
        if those(&self.versions, "plugin_sid", &plugin).iter().any(|it| it["version"] == version) {
            return Err(ApiError { status: 409, code: 20409, message: "the version exists".into() });
        }
        let version = self.resource(
            "FV",
            asked.account,
            &format!("{at}/Versions"),
            json!({
                "plugin_sid": plugin, "version": version, "plugin_url": asked.needed("PluginUrl")?,
                "changelog": asked.text("Changelog").unwrap_or_default(), "private": asked.is_set("Private"),
                "archived": false, "validated": false,
            }),
        );
        let version = Value::Object(version);
        self.versions.push(version.clone());
        Ok((201, version))
    }

    fn create_configuration(&mut self, asked: &Asked<'_>) -> Result<(u16, Value), ApiError> {
        let wanted = (asked.all)("Plugins");
        if wanted.len() > MOST_PLUGINS {
            return Err(ApiError::bad_request(format!("a configuration has at most {MOST_PLUGINS} plugins")));
        }
        let mut chosen: Vec<(Value, u64)> = vec![];
        for plugin in &wanted {
            let plugin: Value = serde_json::from_str(plugin).unwrap_or_default();
            let version = plugin["plugin_version"].as_str().and_then(|sid| found(&self.versions, "sid", sid));
            let (Some(version), Some(phase)) = (version, plugin["phase"].as_u64()) else {
                return Err(ApiError::bad_request("Invalid parameter Plugins"));
            };
            if chosen.iter().any(|(other, _)| other["plugin_sid"] == version["plugin_sid"]) {
                return Err(ApiError::bad_request("two versions of one plugin"));
            }
            chosen.push((version.clone(), phase));
        }
        let configuration = self.resource(
            "FJ",
            asked.account,
            &format!("{URL}/Configurations"),
            json!({
                "name": asked.needed("Name")?, "description": asked.text("Description").unwrap_or_default(),
                "archived": false,
            }),
        );
        let mut configuration = Value::Object(configuration);
        let (sid, url) = (text(&configuration["sid"]), text(&configuration["url"]));
        configuration["links"] = json!({ "plugins": format!("{url}/Plugins") });
        for (version, phase) in chosen {
            let plugin = either(&self.plugins, &text(&version["plugin_sid"]), "plugin")?;
            self.configured.push(json!({
                "account_sid": asked.account, "configuration_sid": sid, "plugin_sid": plugin["sid"],
                "plugin_version_sid": version["sid"], "phase": phase, "plugin_url": version["plugin_url"],
                "unique_name": plugin["unique_name"], "friendly_name": plugin["friendly_name"],
                "description": plugin["description"], "plugin_archived": false, "version": version["version"],
                "changelog": version["changelog"], "plugin_version_archived": false, "private": version["private"],
                "date_created": configuration["date_created"], "url": format!("{url}/Plugins/{}", text(&plugin["sid"])),
            }));
        }
        self.configurations.push(configuration.clone());
        Ok((201, configuration))
    }

    fn release(&mut self, asked: &Asked<'_>) -> Result<(u16, Value), ApiError> {
        let configuration = asked.needed("ConfigurationId")?;
        found(&self.configurations, "sid", &configuration)
            .ok_or_else(|| ApiError::not_found("configuration"))?;
        let release = self.resource(
            "FK",
            asked.account,
            &format!("{URL}/Releases"),
            json!({ "configuration_sid": configuration }),
        );
        let release = Value::Object(release);
        self.releases.push(release.clone());
        Ok((201, release))
    }

    /// The plugins that desktops load: of the newest release.
    pub(crate) fn released(&self) -> Vec<Loaded> {
        let newest = self.releases.last().map(|it| text(&it["configuration_sid"])).unwrap_or_default();
        let loaded = |it: &Value| Loaded {
            name: text(&it["unique_name"]),
            version: text(&it["version"]),
            url: text(&it["plugin_url"]),
        };
        those(&self.configured, "configuration_sid", &newest).iter().map(loaded).collect()
    }
}
