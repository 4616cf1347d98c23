//! Uploads a version of the plugin, and makes it known to Flex. Desktops do not load it before it is released.
//!
//! It sends the requests of `twilio flex:plugins:deploy` (`@twilio/flex-plugin-scripts`), so that either can follow the other.

use crate::account::during;
use crate::bundle::{Bundle, PLUGIN};
use crate::provision::patiently;
use crate::{Error, Refusal};
use bytes::Bytes;
use rejoin_protocol::{AssetVersionSid, BuildSid, ServiceSid};
use rejoin_twilio::{Asset, Build, Client, Environment, NewAssetVersion, NewPluginVersion, PluginVersion};
use semver::Version;
use std::time::Duration;

/// Twilio's plugin builder calls the service that hosts plugins so.
const SERVICE: (&str, &str) = ("default", "Flex Plugins Default Service");
/// What an environment's domain ends with. It is unique within the service, as the environment is.
const SUFFIX: &str = "rejoin";
/// The pause between two polls of a build, and the most polls: a minute in all.
const POLL: (Duration, u32) = (Duration::from_millis(500), 120);

/// What there is of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    Not,
    /// These files, and this is the version.
    Deployed(PluginVersion),
}

/// What Twilio has of this version. Changes nothing.
///
/// # Errors
/// When there are other files of this version, or a newer version.
pub async fn known(client: &Client, bundle: &Bundle) -> Result<Known, Error> {
    let versions = versions(client).await?;
    let of = |it: &&PluginVersion| Version::parse(&it.version).is_ok_and(|version| version == bundle.version);
    let refused = |why: String| Err(Error::Refused(vec![Refusal::new(why)]));
    let version = &bundle.version;
    if let Some(there) = versions.iter().find(of) {
        let is_same = there.changelog.as_deref().is_some_and(|text| text.contains(&bundle.mark()));
        return match (there.archived, is_same) {
            (true, _) => refused(format!(
                "Version {version} of {PLUGIN} is archived in this account for good: give the plugin a new version."
            )),
            (false, true) => Ok(Known::Deployed(there.clone())),
            (false, false) => refused(format!(
                "Version {version} of {PLUGIN} is deployed already, with other files or by another tool, and Twilio does not \
                 replace a version: give the plugin a new version."
            )),
        };
    }
    let newest =
        versions.iter().filter(|it| !it.archived).filter_map(|it| Version::parse(&it.version).ok()).max();
    match newest.filter(|newest| *newest > bundle.version) {
        Some(newest) => refused(format!(
            "Version {newest} of {PLUGIN} is deployed, which is newer than {version}. Desktops go back to the version before with \
             `rejoin deploy --rollback`."
        )),
        None => Ok(Known::Not),
    }
}

async fn versions(client: &Client) -> Result<Vec<PluginVersion>, Error> {
    if !patiently(|| client.has_plugin(PLUGIN)).await.map_err(during("read the plugin"))? {
        return Ok(vec![]);
    }
    patiently(|| client.list_plugin_versions(PLUGIN)).await.map_err(during("read the plugin's versions"))
}

/// Uploads the files, and makes the version known. A run that ended half-way is repeated: nothing uses what it uploaded.
/// `public`: the files can be read without a sign-in; otherwise only users of Flex read them. `done`: what was done.
///
/// # Errors
/// When Twilio refuses or does not answer, a build fails, or another deployment of the plugin runs at the same time.
pub async fn deploy(
    client: &Client,
    bundle: &Bundle,
    public: bool,
    mut done: impl FnMut(&str),
) -> Result<PluginVersion, Error> {
    if let Known::Deployed(version) = known(client, bundle).await? {
        return Ok(version);
    }
    let service = service(client).await?;
    let environment = environment(client, &service).await?;
    let before = match &environment.build_sid {
        Some(build) => Some(fetch(client, &service, build).await?),
        None => None,
    };
    let mut files = vec![("bundle.js", "application/javascript", &bundle.script)];
    files.extend(bundle.map.as_ref().map(|map| ("bundle.js.map", "application/json", map)));
    let paths: Vec<String> = files.iter().map(|(name, ..)| bundle.path(name)).collect();
    let others = before.iter().flat_map(|build| build.asset_versions.iter().flatten());
    let others = others.filter(|it| !paths.contains(&it.path)).map(|it| it.sid.clone());
    let mut assets: Vec<AssetVersionSid> = others.collect();
    let there = patiently(|| client.list_assets(&service)).await.map_err(during("read the files"))?;
    for (path, (_, kind, content)) in paths.iter().zip(files) {
        assets.push(upload(client, &service, &there, path, public, kind, content).await?);
        done(&format!("{path} is uploaded ({} kB)", content.len().div_ceil(1000)));
    }
    let build = built(client, &service, &assets, before.as_ref()).await?;
    let now = self::environment(client, &service).await?;
    if now.build_sid != environment.build_sid {
        return Err(Error::Deploying);
    }
    let deploy = patiently(|| client.deploy_build(&service, &environment.sid, &build));
    deploy.await.map_err(during("deploy the files"))?;
    done(&format!("they are served from {}", environment.domain_name));

    if !patiently(|| client.has_plugin(PLUGIN)).await.map_err(during("read the plugin"))? {
        let created = patiently(|| client.create_plugin(PLUGIN, "Rejoin"));
        created.await.map_err(during("create the plugin"))?;
    }
    let new = NewPluginVersion {
        version: &bundle.version.to_string(),
        url: &format!("https://{}{}", environment.domain_name, bundle.path("bundle.js")),
        changelog: &format!("Deployed by rejoin deploy. {}", bundle.mark()),
        private: !public,
    };
    let version = patiently(|| client.create_plugin_version(PLUGIN, &new)).await;
    let version = version.map_err(during("make the version known"))?;
    done(&format!("version {} of {PLUGIN} is known to Flex", bundle.version));
    Ok(version)
}

/// The service that hosts plugins, which Flex's configuration names.
async fn service(client: &Client) -> Result<ServiceSid, Error> {
    let configuration = patiently(|| client.flex_configuration()).await;
    let configuration = configuration.map_err(during("read Flex's configuration"))?;
    let named = configuration["serverless_service_sids"].as_array().into_iter().flatten();
    let named: Vec<ServiceSid> = named.filter_map(|sid| ServiceSid::parse(sid.as_str()?).ok()).collect();
    let reading = || during("read the service that hosts plugins");
    for sid in &named {
        let there = patiently(|| client.serverless_service(sid.as_str())).await.map_err(reading())?;
        if there.is_some() {
            return Ok(sid.clone());
        }
    }
    let there = patiently(|| client.serverless_service(SERVICE.0)).await.map_err(reading())?;
    let sid = match there {
        Some(service) => service.sid,
        None => {
            let made = patiently(|| client.create_service(SERVICE.0, SERVICE.1)).await;
            made.map_err(during("create the service that hosts plugins"))?.sid
        }
    };
    let all: Vec<ServiceSid> = [sid.clone()].into_iter().chain(named).collect();
    let told = patiently(|| client.set_plugin_services(&all)).await;
    told.map_err(during("name the service in Flex's configuration"))?;
    Ok(sid)
}

/// The plugin's own environment. Twilio's plugin builder names it in the same way.
async fn environment(client: &Client, service: &ServiceSid) -> Result<Environment, Error> {
    let all =
        patiently(|| client.list_environments(service)).await.map_err(during("read the environments"))?;
    match all.into_iter().find(|it| it.unique_name == PLUGIN) {
        Some(environment) => Ok(environment),
        None => patiently(|| client.create_environment(service, PLUGIN, SUFFIX))
            .await
            .map_err(during("create the plugin's environment")),
    }
}

async fn fetch(client: &Client, service: &ServiceSid, build: &BuildSid) -> Result<Build, Error> {
    patiently(|| client.fetch_build(service, build)).await.map_err(during("read the build"))
}

async fn upload(
    client: &Client,
    service: &ServiceSid,
    there: &[Asset],
    path: &str,
    public: bool,
    kind: &str,
    content: &Bytes,
) -> Result<AssetVersionSid, Error> {
    let asset = match there.iter().find(|it| it.friendly_name == path) {
        Some(asset) => asset.sid.clone(),
        None => {
            let made = patiently(|| client.create_asset(service, path)).await;
            made.map_err(during("create the file"))?.sid
        }
    };
    let new = NewAssetVersion { path, public, kind, content };
    let uploaded = patiently(|| client.upload_asset_version(service, &asset, &new)).await;
    Ok(uploaded.map_err(during("upload the file"))?.sid)
}

/// Builds the files, and waits until they can be deployed.
async fn built(
    client: &Client,
    service: &ServiceSid,
    assets: &[AssetVersionSid],
    before: Option<&Build>,
) -> Result<BuildSid, Error> {
    let made = patiently(|| client.create_build(service, assets, before)).await;
    let mut build = made.map_err(during("build the files"))?;
    for _ in 0..POLL.1 {
        match build.status.as_str() {
            "completed" => return Ok(build.sid),
            "failed" => return Err(Error::Build { sid: build.sid, why: "has failed" }),
            _ => {
                tokio::time::sleep(POLL.0).await;
                build = fetch(client, service, &build.sid).await?;
            }
        }
    }
    Err(Error::Build { sid: build.sid, why: "takes longer than a minute" })
}
