//! Desktops find the server: the plugin reads its address in Flex's configuration.

use super::{Expected, Finding};
use serde_json::Value;

const CHECK: &str = "flex-server";
const WHERE: &str = "ui_attributes.custom_data.rejoin";

pub(super) fn judge(flex: &Value, expected: &Expected) -> Finding {
    let rejoin = &flex["ui_attributes"]["custom_data"]["rejoin"];
    let wanted = &expected.public_url;
    let others =
        |url: &str| expected.other_public_urls.iter().any(|other| other.trim_end_matches('/') == url);
    if rejoin["enabled"] == false {
        return Finding::failed(
            CHECK,
            format!("{WHERE}.enabled is false"),
            "the plugin does nothing: no call is recovered",
            format!("remove {WHERE}.enabled from Flex's configuration"),
        );
    }
    match rejoin["server"].as_str().map(|url| url.trim_end_matches('/')) {
        Some(url) if url == wanted || others(url) => Finding::ok(CHECK, format!("desktops use {url}")),
        Some(url) => Finding::failed(
            CHECK,
            format!("desktops use {}, the server is {wanted}", url.escape_debug()),
            "calls are registered elsewhere, or nowhere: this server recovers none",
            format!(
                "`rejoin provision` sets {WHERE}.server; a deployment of another plugin may have overwritten it"
            ),
        ),
        None => Finding::failed(
            CHECK,
            format!("{WHERE}.server is not set"),
            "the plugin does nothing: no call is recovered",
            format!(
                "`rejoin provision` sets {WHERE}.server; a deployment of another plugin may have removed it"
            ),
        ),
    }
}
