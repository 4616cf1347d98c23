//! The released plugin, which desktops load.

use super::{Expected, Finding};
use crate::PLUGIN;
use rejoin_twilio::ConfiguredPlugin;

const CHECK: &str = "plugin";

/// `plugins`: of the active release; `None`: nothing was released.
pub(super) fn judge(plugins: Option<&[ConfiguredPlugin]>, expected: &Expected) -> Finding {
    let missing = |found: String| {
        Finding::failed(
            CHECK,
            found,
            "desktops do not load it: no call is recovered",
            "`rejoin deploy` deploys and releases it",
        )
    };
    let Some(plugins) = plugins else { return missing("no plugin was released".to_owned()) };
    match plugins.iter().find(|plugin| plugin.unique_name == PLUGIN) {
        None => missing(format!("{PLUGIN} is not in the active release")),
        Some(plugin) if plugin.version == expected.version => {
            Finding::ok(CHECK, format!("{PLUGIN} {} is released", plugin.version.escape_debug()))
        }
        Some(plugin) => Finding::warning(
            CHECK,
            format!(
                "{PLUGIN} {} is released, this program is {}",
                plugin.version.escape_debug(),
                expected.version
            ),
            "calls are protected; what only one of the two knows is skipped",
            "deploy the same version of both (`rejoin deploy`), and let agents reload Flex",
        ),
    }
}
