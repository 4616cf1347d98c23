//! Reads of the account, Studio's flows, Event Streams and the rules of webhooks.

use super::{
    Owner,
    form::Form,
    lists, not_found,
    plain::{EVENTS, STUDIO, VOICE, WEBHOOKS},
};
use crate::{
    Twin,
    contract::Operation,
    dates::{iso, rfc2822},
    model::ApiError,
};
use axum::http::StatusCode;
use rejoin_protocol::Millis;
use serde_json::{Value, json};

/// True for the account itself: the model does not answer it.
pub(super) fn is_account(path: &str) -> bool {
    path.strip_prefix("2010-04-01/Accounts/").is_some_and(|rest| !rest.contains('/'))
}

/// The answer to a `GET`, of a list the requested page.
pub(super) fn answer(
    twin: &Twin,
    host: &str,
    path: &str,
    operation: &Operation,
    form: &Form,
) -> Result<(StatusCode, Value), ApiError> {
    let missing = || not_found(path);
    let owner = Owner::of(twin.config());
    let body = match (host, path.split('/').collect::<Vec<_>>().as_slice()) {
        (VOICE, ["2010-04-01", "Accounts", account]) if *account == format!("{}.json", owner.account) => {
            account_of(twin, &owner)
        }
        (STUDIO, ["v2", "Flows"]) => {
            let mut flows = flows(twin, &owner);
            flows.iter_mut().for_each(|flow| flow["definition"] = Value::Null);
            json!({ "flows": flows })
        }
        (STUDIO, ["v2", "Flows", sid]) => {
            flows(twin, &owner).into_iter().find(|flow| flow["sid"] == *sid).ok_or_else(missing)?
        }
        (EVENTS, ["v1", "Sinks"]) => json!({ "sinks": twin.sinks().shown() }),
        (EVENTS, ["v1", "Subscriptions"]) => json!({ "subscriptions": twin.sinks().subscriptions() }),
        (EVENTS, ["v1", "Subscriptions", sid, "SubscribedEvents"]) => {
            json!({ "types": twin.sinks().types(&owner.account, sid)? })
        }
        // Unconfirmed: the names of the lists, see `rejoin_twilio::Client::list_webhook_rules`.
        (WEBHOOKS, ["v1", "Webhooks", what]) => {
            let webhooks = twin.console(|console| console.webhooks.clone()).ok_or_else(missing)?;
            match *what {
                "Rules" => json!({ "rules": webhooks.rules }),
                "Settings" => json!({ "settings": webhooks.settings }),
                _ => return Err(missing()),
            }
        }
        _ => return Err(missing()),
    };
    Ok((StatusCode::OK, lists::page(operation, form, path, body)?))
}

/// <https://www.twilio.com/docs/iam/api/account>
fn account_of(twin: &Twin, owner: &Owner) -> Value {
    let uri = format!("/2010-04-01/Accounts/{}", owner.account);
    let below = |name: &str| format!("{uri}/{name}.json");
    json!({
        "sid": owner.account, "owner_account_sid": owner.account, "friendly_name": "Demo",
        "status": twin.console(|console| console.account_status.clone()), "type": "Full",
        // Twilio shows it.
        "auth_token": "", "date_created": rfc2822(Millis(0)), "date_updated": rfc2822(Millis(0)),
        "uri": format!("{uri}.json"),
        "subresource_uris": {
            "calls": below("Calls"), "conferences": below("Conferences"),
            "incoming_phone_numbers": below("IncomingPhoneNumbers"), "queues": below("Queues"),
        },
    })
}

/// <https://www.twilio.com/docs/studio/rest-api/v2/flow>
fn flows(twin: &Twin, owner: &Owner) -> Vec<Value> {
    let flows = twin.console(|console| console.flows.clone());
    let date = iso(Millis(0));
    let shown = (1_u128..).zip(flows).map(|(number, flow)| {
        let sid = format!("FW{number:032x}");
        let url = format!("https://{STUDIO}/v2/Flows/{sid}");
        json!({
            "sid": sid, "account_sid": owner.account, "author_sid": null, "friendly_name": flow.name,
            "definition": flow.definition, "status": if flow.published { "published" } else { "draft" },
            "revision": 1, "commit_message": null, "valid": true, "errors": [], "warnings": [],
            "date_created": date, "date_updated": date,
            "webhook_url": format!("https://{WEBHOOKS}/v1/Accounts/{}/Flows/{sid}", owner.account), "url": url,
            "links": {
                "revisions": format!("{url}/Revisions"), "test_users": format!("{url}/TestUsers"),
                "executions": format!("{url}/Executions"),
            },
        })
    });
    shown.collect()
}
