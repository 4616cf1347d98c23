//! Decides which version of the plugin desktops load: a release. All other plugins stay as they are.

use crate::account::during;
use crate::bundle::PLUGIN;
use crate::provision::patiently;
use crate::{Error, Refusal};
use rejoin_protocol::{PluginConfigurationSid, PluginVersionSid};
use rejoin_twilio::{Client, ConfiguredPlugin, Release};

/// When Flex loads a plugin. Twilio knows no other phase.
const PHASE: u32 = 3;
/// The most attempts, when releases of others cross ours.
const ATTEMPTS: u32 = 3;
/// The most releases that are read to find the version before.
const LOOKED_THROUGH: u32 = 50;
/// The most plugins of a release (<https://www.twilio.com/docs/flex/developer/plugins>).
const MOST: usize = 25;

/// What desktops load, or are to load, of Rejoin's plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The version.
    pub sid: PluginVersionSid,
    /// In words.
    pub version: String,
}

/// What a release has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// What desktops loaded before.
    pub before: Option<Loaded>,
    /// What they load from their next start on.
    pub after: Option<Loaded>,
    /// Names of the other plugins, which stay.
    pub others: Vec<String>,
}

/// What desktops load now, and the names of the other plugins.
///
/// # Errors
/// When Twilio refuses or does not answer.
pub async fn loaded(client: &Client) -> Result<(Option<Loaded>, Vec<String>), Error> {
    let newest = releases(client, 1).await?.into_iter().next();
    Ok(apart(&configured(client, newest.as_ref()).await?))
}

/// Releases this version; `None`: removes the plugin from what desktops load.
///
/// # Errors
/// When Twilio refuses or does not answer, there are too many plugins, or releases of others cross each attempt.
pub async fn release(client: &Client, wanted: Option<&Loaded>) -> Result<Released, Error> {
    // The newest release, and the one whose other plugins are taken over: theirs, when it has crossed ours.
    let mut newest = releases(client, 1).await?.into_iter().next();
    let mut base = newest.clone();
    let first = apart(&configured(client, base.as_ref()).await?).0;
    for _ in 0..ATTEMPTS {
        let there = configured(client, base.as_ref()).await?;
        let (now, others) = apart(&there);
        if now.as_ref() == wanted && base == newest {
            return Ok(Released { before: first, after: now, others });
        }
        if others.len() >= MOST && wanted.is_some() {
            return Err(Error::Refused(vec![Refusal::new(format!(
                "Desktops load {} plugins already, and Twilio allows {MOST}: remove one first.",
                others.len()
            ))]));
        }
        let made = configuration(client, &there, wanted).await?;
        let meanwhile = releases(client, 1).await?.into_iter().next();
        if meanwhile != newest {
            (newest, base) = (meanwhile.clone(), meanwhile);
            continue;
        }
        let released = patiently(|| client.create_release(&made)).await;
        released.map_err(during("release the plugin"))?;
        // Twilio has no condition for it: a release that came between is found afterwards, and its plugins are put back.
        let last = releases(client, 2).await?;
        let is_ours = last.first().is_some_and(|it| it.configuration_sid == made);
        let before = last.iter().find(|it| it.configuration_sid != made).cloned();
        if is_ours && before == newest {
            return Ok(Released { before: first, after: wanted.cloned(), others });
        }
        (newest, base) = (last.into_iter().next(), before);
    }
    Err(Error::Releasing)
}

/// Releases what desktops loaded of the plugin before: the last other version, or none.
///
/// # Errors
/// Like [`release`], and when nothing else was ever loaded.
pub async fn roll_back(client: &Client) -> Result<Released, Error> {
    let releases = releases(client, LOOKED_THROUGH).await?;
    let mut now = None;
    for (number, one) in releases.iter().enumerate() {
        let (loaded, _) = apart(&configured(client, Some(one)).await?);
        match number {
            0 => now = loaded,
            _ if loaded != now => return release(client, loaded.as_ref()).await,
            _ => {}
        }
    }
    if now.is_some() && releases.len() < LOOKED_THROUGH as usize {
        // The first release of the account had it.
        return release(client, None).await;
    }
    Err(Error::Refused(vec![Refusal::new(format!(
        "The last {} releases have the same version of {PLUGIN}: there is nothing to go back to.",
        releases.len()
    ))]))
}

async fn configuration(
    client: &Client,
    there: &[ConfiguredPlugin],
    wanted: Option<&Loaded>,
) -> Result<PluginConfigurationSid, Error> {
    let others = there.iter().filter(|it| it.unique_name != PLUGIN);
    let others = others.map(|it| (it.plugin_version_sid.clone(), it.phase));
    let plugins: Vec<_> = others.chain(wanted.map(|it| (it.sid.clone(), PHASE))).collect();
    let name = wanted.map_or_else(|| "Without Rejoin".to_owned(), |it| format!("Rejoin {}", it.version));
    let made = patiently(|| client.create_plugin_configuration(&name, "By rejoin deploy", &plugins)).await;
    Ok(made.map_err(during("write the configuration of plugins"))?.sid)
}

async fn releases(client: &Client, most: u32) -> Result<Vec<Release>, Error> {
    patiently(|| client.list_releases(most)).await.map_err(during("read the releases"))
}

async fn configured(client: &Client, release: Option<&Release>) -> Result<Vec<ConfiguredPlugin>, Error> {
    let Some(release) = release else { return Ok(vec![]) };
    let all = patiently(|| client.list_configured_plugins(&release.configuration_sid)).await;
    all.map_err(during("read the released plugins"))
}

/// Ours, and the names of the others.
fn apart(all: &[ConfiguredPlugin]) -> (Option<Loaded>, Vec<String>) {
    let (ours, others): (Vec<_>, Vec<_>) = all.iter().partition(|it| it.unique_name == PLUGIN);
    let ours =
        ours.first().map(|it| Loaded { sid: it.plugin_version_sid.clone(), version: it.version.clone() });
    (ours, others.iter().map(|it| it.unique_name.clone()).collect())
}
