//! Studio's flows name the `action` that keeps a customer whose conference ends under them.
//!
//! Flows are read as Studio's JSON has them (<https://www.twilio.com/docs/studio/flow-definition>). The types of the widgets and
//! their properties are undocumented there; they are those of published flows: `send-to-flex` with `workflow`, `enqueue-call` with
//! `workflow_sid`, `add-twiml-redirect` with `url`.

use super::workflows::has_filter;
use super::{Expected, Finding, Flow, TaskRouter, count, numbers, shown};
use crate::fallback;
use rejoin_protocol::overrides::with_overrides;
use rejoin_twilio::{PhoneNumber, VoiceAddresses};
use serde_json::Value;

const CHECK: &str = "flows";
/// The event after which a customer goes on who was connected.
const AFTER: &str = "callComplete";
/// The unique name of the task channel for calls.
const VOICE: &str = "voice";

/// `lines`: the numbers and TwiML applications. Those whose document does not come from Studio are counted.
pub(super) fn judge(
    flows: &[Flow],
    lines: (&[PhoneNumber], &[VoiceAddresses]),
    taskrouter: &TaskRouter,
    expected: &Expected,
) -> Finding {
    let action = format!("{}/twiml/ended", expected.public_url);
    let address = with_overrides(&action, &expected.twiml_overrides);
    let ours: Vec<_> =
        taskrouter.workflows.iter().filter(|it| has_filter(it)).map(|it| it.sid.as_str()).collect();
    let voice = taskrouter.channels.iter().find(|channel| channel.unique_name == VOICE);
    let (mut with, mut without) = (0, vec![]);
    for flow in flows {
        let Some(states) = flow.definition.as_ref().and_then(|it| it["states"].as_array()) else { continue };
        for widget in states {
            let properties = &widget["properties"];
            let workflow = match widget["type"].as_str() {
                Some("send-to-flex") => properties["workflow"].as_str(),
                Some("enqueue-call") => properties["workflow_sid"].as_str(),
                _ => continue,
            };
            // Chats and other tasks have no call to lose. What is computed in the flow may be a call.
            let channel = properties["channel"].as_str().filter(|channel| !channel.contains("{{"));
            let is_call = channel.is_none_or(|channel| {
                channel == VOICE || voice.is_some_and(|voice| voice.sid.as_str() == channel)
            });
            if !is_call || !workflow.is_some_and(|workflow| ours.contains(&workflow)) {
                continue;
            }
            if leads_to(states, widget, &action) {
                with += 1;
            } else {
                let name = widget["name"].as_str().unwrap_or_default();
                without.push(format!("{} in {} ({})", shown(name), shown(&flow.friendly_name), flow.sid));
            }
        }
    }
    let (mut holders, _) = fallback::holders(lines.0, lines.1);
    holders.retain(|holder| fallback::is_set(holder.voice_url.as_ref()) && !fallback::is_studio(holder));
    let elsewhere = if holders.is_empty() {
        String::new()
    } else {
        let counted = numbers::counted(&holders);
        format!("; {counted} with documents from elsewhere, whose `<Enqueue>` is not checked")
    };
    if without.is_empty() {
        let read = count(flows.len(), "published flow");
        return Finding::ok(
            CHECK,
            if with == 0 {
                format!("{read} read, none sends calls to a workflow with the filter{elsewhere}")
            } else {
                format!("{read} read, each widget that sends calls to Flex leads to {address}{elsewhere}")
            },
        );
    }
    Finding::warning(
        CHECK,
        format!("without a way to {address}: {}{elsewhere}", without.join(", ")),
        "a customer is disconnected if another plugin lets the conference end with the lost agent's leg",
        format!("behind each of these widgets put a \"TwiML Redirect\" to {address}"),
    )
}

/// True when the customer goes on at this address after the call.
fn leads_to(states: &[Value], widget: &Value, action: &str) -> bool {
    let next = widget["transitions"].as_array().and_then(|all| all.iter().find(|it| it["event"] == AFTER));
    let next = next.and_then(|transition| transition["next"].as_str());
    let next = next.and_then(|next| states.iter().find(|state| state["name"] == next));
    next.is_some_and(|next| {
        next["type"] == "add-twiml-redirect"
            && next["properties"]["url"]
                .as_str()
                .is_some_and(|url| url.split(['?', '#']).next() == Some(action))
    })
}
