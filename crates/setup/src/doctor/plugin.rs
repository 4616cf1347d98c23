//! The released plugin, which desktops load.

use super::{Expected, Finding};
use rejoin_twilio::Plugin;

const CHECK: &str = "plugin";
/// The unique name under which the plugin is deployed (docs/plugin.md).
const NAME: &str = "plugin-rejoin";

/// `plugins`: of the active release; `None`: nothing was released.
pub(super) fn judge(plugins: Option<&[Plugin]>, expected: &Expected) -> Finding {
    let missing = |found: String| {
        Finding::failed(
            CHECK,
            found,
            "desktops do not load it: no call is recovered",
            "deploy and release it (docs/plugin.md, Deploy)",
        )
    };
    let Some(plugins) = plugins else { return missing("no plugin was released".to_owned()) };
    match plugins.iter().find(|plugin| plugin.unique_name == NAME) {
        None => missing(format!("{NAME} is not in the active release")),
        Some(plugin) if plugin.version == expected.version => {
            Finding::ok(CHECK, format!("{NAME} {} is released", plugin.version.escape_debug()))
        }
        Some(plugin) => Finding::warning(
            CHECK,
            format!(
                "{NAME} {} is released, this program is {}",
                plugin.version.escape_debug(),
                expected.version
            ),
            "calls are protected; what only one of the two knows is skipped",
            "deploy the same version of both, and let agents reload Flex",
        ),
    }
}
