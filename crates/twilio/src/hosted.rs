//! Resources of Twilio's Serverless, which hosts the files of plugins, and of Flex's plugin service. Only the fields that are
//! used.

use rejoin_protocol::{
    AssetSid, AssetVersionSid, BuildSid, EnvironmentSid, PluginConfigurationSid, PluginVersionSid, ServiceSid,
};
use serde::Deserialize;
use serde_json::Value;

/// A service (<https://www.twilio.com/docs/serverless/api/resource/service>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Service {
    /// Its SID.
    pub sid: ServiceSid,
}

/// An environment: a domain, and the build that it serves
/// (<https://www.twilio.com/docs/serverless/api/resource/environment>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Environment {
    /// Its SID.
    pub sid: EnvironmentSid,
    /// Its name. Twilio's plugin builder names it after the plugin.
    pub unique_name: String,
    /// Such as `default-1234-abcde.twil.io`.
    pub domain_name: String,
    /// What it serves, if anything.
    #[serde(default)]
    pub build_sid: Option<BuildSid>,
}

/// An asset: a file in all its versions (<https://www.twilio.com/docs/serverless/api/resource/asset>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Asset {
    /// Its SID.
    pub sid: AssetSid,
    /// Its name.
    pub friendly_name: String,
}

/// A version of an asset (<https://www.twilio.com/docs/serverless/api/resource/asset-version>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AssetVersion {
    /// Its SID.
    pub sid: AssetVersionSid,
    /// Its path under the domain.
    pub path: String,
}

/// A version of a function: only passed on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FunctionVersion {
    /// Its SID.
    pub sid: String,
}

/// A build: the files of a deployment (<https://www.twilio.com/docs/serverless/api/resource/build>).
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Build {
    /// Its SID.
    pub sid: BuildSid,
    /// `building`, `completed` or `failed`.
    pub status: String,
    /// Its assets.
    #[serde(default)]
    pub asset_versions: Option<Vec<AssetVersion>>,
    /// Its functions.
    #[serde(default)]
    pub function_versions: Option<Vec<FunctionVersion>>,
    /// Packages that its functions use.
    #[serde(default)]
    pub dependencies: Option<Vec<Value>>,
    /// Node's version.
    #[serde(default)]
    pub runtime: Option<String>,
}

/// A version of a plugin (<https://www.twilio.com/docs/flex/developer/plugins/api/plugin-version>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PluginVersion {
    /// Its SID.
    pub sid: PluginVersionSid,
    /// By the rules of <https://semver.org>.
    pub version: String,
    /// What was written about it.
    #[serde(default)]
    pub changelog: Option<String>,
    /// True when it cannot be released any more.
    #[serde(default)]
    pub archived: bool,
}

/// A configuration of plugins (<https://www.twilio.com/docs/flex/developer/plugins/api/plugin-configuration>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PluginConfiguration {
    /// Its SID.
    pub sid: PluginConfigurationSid,
}

/// A plugin in a configuration (<https://www.twilio.com/docs/flex/developer/plugins/api/plugin-configuration>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ConfiguredPlugin {
    /// The version.
    pub plugin_version_sid: PluginVersionSid,
    /// The plugin's name.
    pub unique_name: String,
    /// The version, in words.
    pub version: String,
    /// When Flex loads it: 3.
    pub phase: u32,
}

/// A release: the configuration that desktops load, as long as it is the newest one
/// (<https://www.twilio.com/docs/flex/developer/plugins/api/release>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Release {
    /// What it loads.
    pub configuration_sid: PluginConfigurationSid,
}
