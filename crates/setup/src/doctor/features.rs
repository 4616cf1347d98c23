//! Features of Twilio's project template that act on the same calls
//! (<https://github.com/twilio-professional-services/flex-project-template>: `custom_data.features` in
//! `flex-config/ui_attributes.common.json`).

use super::Finding;
use serde_json::Value;

const CHECK: &str = "other-features";

/// Features, and what they do to a recovery.
const FEATURES: [(&str, &str); 3] = [
    (
        "conference",
        "it sets the exit flag of agents' legs again and again; Rejoin undoes it, with a request each time",
    ),
    (
        "multi_call",
        "it gives an agent several calls at once; those that the page does not show are not recovered in place",
    ),
    (
        "supervisor_barge_coach",
        "a supervisor who coaches has to start again after the customer came back through the queue",
    ),
];

pub(super) fn judge(flex: &Value) -> Finding {
    let features = &flex["ui_attributes"]["custom_data"]["features"];
    let on: Vec<_> = FEATURES.iter().filter(|(name, _)| features[name]["enabled"] == true).collect();
    if on.is_empty() {
        return Finding::ok(CHECK, "none that acts on the same calls is switched on");
    }
    let names: Vec<_> = on.iter().map(|(name, _)| *name).collect();
    let means: Vec<_> = on.iter().map(|(name, means)| format!("{name}: {means}")).collect();
    Finding::warning(
        CHECK,
        format!("switched on in custom_data.features: {}", names.join(", ")),
        means.join("; "),
        "switch off what you do not use",
    )
}
