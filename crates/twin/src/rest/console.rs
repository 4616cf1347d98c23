//! Reads of the account, its number, Studio's flows, Event Streams and the rules of webhooks.

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
    model::{ApiError, Event, LineSetup},
};
use axum::http::StatusCode;
use rejoin_protocol::Millis;
use serde_json::{Value, json};

/// True for a path of api.twilio.com that the model does not answer.
pub(super) fn is_of_voice(method: &str, path: &str) -> bool {
    let rest = path.strip_prefix("2010-04-01/Accounts/");
    let is_account = |rest: &str| !rest.contains('/') || rest.ends_with("/IncomingPhoneNumbers.json");
    let is_number = |rest: &str| rest.contains("/IncomingPhoneNumbers/");
    rest.is_some_and(|rest| is_number(rest) || (method == "GET" && is_account(rest)))
}

/// The answer to a `GET`, of a list the requested page, or to the update of a number.
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
        (VOICE, ["2010-04-01", "Accounts", account, "IncomingPhoneNumbers", sid])
            if *account == owner.account.as_str() =>
        {
            let sid = sid.trim_end_matches(".json");
            if operation.method == "POST" {
                update(twin, &owner, sid, form)?;
            }
            numbers(twin, &owner).into_iter().find(|number| number["sid"] == sid).ok_or_else(missing)?
        }
        (VOICE, ["2010-04-01", "Accounts", account, _]) if *account == owner.account.as_str() => {
            json!({ "incoming_phone_numbers": numbers(twin, &owner) })
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

/// <https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource>
fn numbers(twin: &Twin, owner: &Owner) -> Vec<Value> {
    let account = twin.config().demo_account();
    let first = LineSetup { number: account.number, voice_url: account.voice_url };
    let all = std::iter::once(first).chain(account.lines);
    (1..).zip(all).map(|(place, line)| number(twin, owner, place, &line)).collect()
}

/// Sets a number's fallback address. Without a `VoiceUrl` there is nothing to fall back from: error 21405
/// (<https://www.twilio.com/docs/api/errors/21405>).
fn update(twin: &Twin, owner: &Owner, sid: &str, form: &Form) -> Result<(), ApiError> {
    let all = numbers(twin, owner);
    let Some(number) = all.iter().find(|number| number["sid"] == sid) else {
        return Err(not_found(sid));
    };
    let text = |field: &str| number[field].as_str().unwrap_or_default().to_owned();
    let sent = |name: &str, field: &str| form.text(name).unwrap_or_else(|| text(field));
    let url = sent("VoiceFallbackUrl", "voice_fallback_url");
    let method = sent("VoiceFallbackMethod", "voice_fallback_method");
    if !url.is_empty() && text("voice_url").is_empty() {
        let message = "VoiceFallbackUrl needs a VoiceUrl".to_owned();
        return Err(ApiError { status: 400, code: 21405, message });
    }
    twin.console(|console| console.fallbacks.insert(sid.to_owned(), (url.clone(), method.clone())));
    twin.tell(Event::NumberFallback { number: text("phone_number"), url, method });
    Ok(())
}

fn number(twin: &Twin, owner: &Owner, place: u32, line: &LineSetup) -> Value {
    let sid = format!("PN{place:032x}");
    let set = twin.console(|console| console.fallbacks.get(&sid).cloned());
    let at_first = || {
        let url = twin.console(|console| console.voice_fallback_url.clone());
        (url.unwrap_or_default(), "POST".to_owned())
    };
    let (fallback_url, fallback_method) = set.unwrap_or_else(at_first);
    json!({
        "sid": sid, "account_sid": owner.account, "address_sid": null, "address_requirements": "none",
        "api_version": "2010-04-01", "beta": false,
        "capabilities": { "voice": true, "sms": false, "mms": false, "fax": false },
        "date_created": rfc2822(Millis(0)), "date_updated": rfc2822(Millis(0)),
        "friendly_name": line.number, "phone_number": line.number, "identity_sid": null, "origin": "twilio",
        "sms_application_sid": "", "sms_fallback_method": "POST", "sms_fallback_url": "", "sms_method": "POST",
        "sms_url": "", "status_callback": "", "status_callback_method": "POST", "trunk_sid": null,
        "uri": format!("/2010-04-01/Accounts/{}/IncomingPhoneNumbers/{sid}.json", owner.account),
        "voice_receive_mode": "voice", "voice_application_sid": "", "voice_caller_id_lookup": false,
        "voice_fallback_method": fallback_method, "voice_fallback_url": fallback_url,
        "voice_method": "POST", "voice_url": line.voice_url, "emergency_status": "Inactive",
        "emergency_address_sid": null, "emergency_address_status": "unregistered", "bundle_sid": null,
        "status": "in-use", "type": "local",
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
