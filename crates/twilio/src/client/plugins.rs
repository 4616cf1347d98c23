//! Flex's plugin service: versions of plugins, configurations and releases
//! (<https://www.twilio.com/docs/flex/developer/plugins/api>).

use super::request::Request;
use super::{Client, FLEX};
use crate::error::Error;
use crate::hosted::{ConfiguredPlugin, PluginConfiguration, PluginVersion, Release};
use http::Method;
use rejoin_protocol::{PluginConfigurationSid, PluginVersionSid};
use serde_json::{Value, json};

/// The most items of a page of the plugin service.
const PAGE: &str = "PageSize=100";
const BEFORE: &str = "/v1/PluginService/";

/// A version of a plugin that is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPluginVersion<'a> {
    /// By the rules of <https://semver.org>.
    pub version: &'a str,
    /// Where Flex loads it from.
    pub url: &'a str,
    /// What is new, for administrators.
    pub changelog: &'a str,
    /// True when the files are protected: Flex signs in to load them.
    pub private: bool,
}

impl Client {
    /// True when the plugin is known to the account.
    pub async fn has_plugin(&self, name: &str) -> Result<bool, Error> {
        match self.plugin_service(Method::GET, &format!("Plugins/{name}")).done(&[]).await {
            Ok(()) => Ok(true),
            Err(Error::Gone) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a plugin known.
    pub async fn create_plugin(&self, name: &str, friendly_name: &str) -> Result<(), Error> {
        let form = [("UniqueName", name), ("FriendlyName", friendly_name)];
        self.plugin_service(Method::POST, "Plugins").done(&form).await
    }

    /// Lists a plugin's versions, the newest first.
    pub async fn list_plugin_versions(&self, name: &str) -> Result<Vec<PluginVersion>, Error> {
        self.list(FLEX, BEFORE, &format!("Plugins/{name}/Versions?{PAGE}"), None).await
    }

    /// Makes a version known. It cannot be deleted, only archived.
    pub async fn create_plugin_version(
        &self,
        name: &str,
        new: &NewPluginVersion<'_>,
    ) -> Result<PluginVersion, Error> {
        let form = [
            ("Version", new.version),
            ("PluginUrl", new.url),
            ("Changelog", new.changelog),
            ("Private", if new.private { "true" } else { "false" }),
        ];
        self.plugin_service(Method::POST, &format!("Plugins/{name}/Versions")).json(&form).await
    }

    /// Lists releases, the newest first: it is what desktops load. At most `most`.
    pub async fn list_releases(&self, most: u32) -> Result<Vec<Release>, Error> {
        let read: Value =
            self.plugin_service(Method::GET, &format!("Releases?PageSize={most}")).json(&[]).await?;
        let releases = serde_json::from_value(read["releases"].clone());
        releases.map_err(|_| Error::Unreadable { may_have_acted: false })
    }

    /// Lists the plugins of a configuration.
    pub async fn list_configured_plugins(
        &self,
        configuration: &PluginConfigurationSid,
    ) -> Result<Vec<ConfiguredPlugin>, Error> {
        self.list(FLEX, BEFORE, &format!("Configurations/{configuration}/Plugins?{PAGE}"), None).await
    }

    /// Creates a configuration of these versions, each with its phase.
    pub async fn create_plugin_configuration(
        &self,
        name: &str,
        description: &str,
        plugins: &[(PluginVersionSid, u32)],
    ) -> Result<PluginConfiguration, Error> {
        let plugins: Vec<String> = plugins
            .iter()
            .map(|(version, phase)| json!({ "plugin_version": version, "phase": phase }).to_string())
            .collect();
        let mut form = vec![("Name", name), ("Description", description)];
        form.extend(plugins.iter().map(|plugin| ("Plugins", plugin.as_str())));
        self.plugin_service(Method::POST, "Configurations").json(&form).await
    }

    /// Releases a configuration: desktops load it from their next start on.
    pub async fn create_release(&self, configuration: &PluginConfigurationSid) -> Result<Release, Error> {
        let form = [("ConfigurationId", configuration.as_str())];
        self.plugin_service(Method::POST, "Releases").json(&form).await
    }

    fn plugin_service(&self, method: Method, path: &str) -> Request {
        self.request(method, FLEX, (BEFORE, path), None)
    }
}
