//! Phone numbers and TwiML applications: where the documents of calls are fetched.
//!
//! Sources: <https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource> and
//! <https://www.twilio.com/docs/usage/api/applications>.

use super::{Owner, form::Form, lists, not_found};
use crate::{
    Twin,
    console::Application,
    contract::Operation,
    dates::rfc2822,
    model::{Addresses, ApiError, Event, LineSetup},
};
use axum::http::StatusCode;
use rejoin_protocol::Millis;
use serde_json::{Value, json};

/// The collections.
const NUMBERS: &str = "IncomingPhoneNumbers";
const APPLICATIONS: &str = "Applications";
/// The longest `FriendlyName`, in characters.
const LONGEST_NAME: usize = 64;

/// The account, the collection and, of one resource, its SID; `None`: another path.
fn place(path: &str) -> Option<(&str, &str, Option<&str>)> {
    let rest = path.strip_prefix("2010-04-01/Accounts/")?.strip_suffix(".json")?;
    match rest.split('/').collect::<Vec<_>>().as_slice() {
        [account, collection @ (NUMBERS | APPLICATIONS), sid @ ..] if sid.len() < 2 => {
            Some((account, collection, sid.first().copied()))
        }
        _ => None,
    }
}

/// True for the path of a number, an application or their lists: the model does not answer it.
pub(super) fn is_there(path: &str) -> bool {
    place(path).is_some()
}

/// The answer to a request; of a list the requested page.
pub(super) fn answer(
    twin: &Twin,
    path: &str,
    operation: &Operation,
    form: &Form,
) -> Result<(StatusCode, Value), ApiError> {
    let owner = Owner::of(twin.config());
    let (account, collection, sid) = place(path).ok_or_else(|| not_found(path))?;
    if account != owner.account.as_str() {
        return Err(not_found(path));
    }
    match (collection, operation.method.as_str(), sid) {
        (APPLICATIONS, "POST", None) => return Ok((StatusCode::CREATED, create(twin, &owner, form)?)),
        (APPLICATIONS, "POST", Some(sid)) => update_application(twin, sid, form)?,
        (APPLICATIONS, "DELETE", Some(sid)) => {
            delete(twin, sid)?;
            return Ok((StatusCode::NO_CONTENT, Value::Null));
        }
        (_, "POST", Some(sid)) => update_number(twin, sid, form)?,
        _ => {}
    }
    let (key, all) = if collection == APPLICATIONS {
        let all = twin.console(|console| console.applications.clone());
        ("applications", all.iter().map(|application| shown(&owner, application)).collect())
    } else {
        ("incoming_phone_numbers", numbers(twin, &owner))
    };
    let body = match sid {
        Some(sid) => all.into_iter().find(|one| one["sid"] == sid).ok_or_else(|| not_found(path))?,
        None => lists::page(operation, form, path, json!({ key: all }))?,
    };
    Ok((StatusCode::OK, body))
}

/// The addresses with what a form sets. Without a `VoiceUrl` there is nothing to fall back from: error 21405
/// (<https://www.twilio.com/docs/api/errors/21405>).
fn changed(addresses: Addresses, form: &Form) -> Result<Addresses, ApiError> {
    let method = |name: &str| form.text(name).map(|method| method.to_ascii_uppercase());
    let changed = Addresses {
        url: form.text("VoiceUrl").unwrap_or(addresses.url),
        method: method("VoiceMethod").unwrap_or(addresses.method),
        fallback_url: form.text("VoiceFallbackUrl").unwrap_or(addresses.fallback_url),
        fallback_method: method("VoiceFallbackMethod").unwrap_or(addresses.fallback_method),
    };
    if !changed.fallback_url.is_empty() && changed.url.is_empty() {
        return Err(refused(21405, "Cannot set VoiceFallbackUrl without setting Url"));
    }
    Ok(changed)
}

fn refused(code: u32, message: &str) -> ApiError {
    ApiError { status: 400, code, message: message.to_owned() }
}

/// The numbers, in the order of their SIDs, each with its own addresses.
fn lines(twin: &Twin) -> Vec<(String, LineSetup, Addresses)> {
    let account = twin.config().demo_account();
    let first = LineSetup { number: account.number, voice_url: account.voice_url };
    let all = std::iter::once(first).chain(account.lines);
    let (fallbacks, at_first) =
        twin.console(|console| (console.fallbacks.clone(), console.voice_fallback_url.clone()));
    let with_addresses = |(place, line): (u32, LineSetup)| {
        let sid = format!("PN{place:032x}");
        let (fallback_url, fallback_method) = fallbacks
            .get(&sid)
            .cloned()
            .unwrap_or_else(|| (at_first.clone().unwrap_or_default(), "POST".to_owned()));
        let url = line.voice_url.clone();
        (sid, line, Addresses { url, fallback_url, fallback_method, ..Addresses::default() })
    };
    (1..).zip(all).map(with_addresses).collect()
}

/// Sets a number's fallback address, or its application. An application of nobody's is error 22108
/// (<https://www.twilio.com/docs/api/errors/22108>).
fn update_number(twin: &Twin, sid: &str, form: &Form) -> Result<(), ApiError> {
    let (_, _, addresses) =
        lines(twin).into_iter().find(|(known, ..)| known == sid).ok_or_else(|| not_found(sid))?;
    let changed = changed(addresses, form)?;
    let application = form.text("VoiceApplicationSid");
    twin.console(|console| {
        if let Some(application) = application {
            let is_there = console.applications.iter().any(|known| known.sid == application);
            if !is_there && !application.is_empty() {
                return Err(refused(22108, "Invalid Application SID"));
            }
            console.number_applications.remove(sid);
            if is_there {
                console.number_applications.insert(sid.to_owned(), application);
            }
        }
        console.fallbacks.insert(sid.to_owned(), (changed.fallback_url, changed.fallback_method));
        Ok(())
    })?;
    tell(twin);
    Ok(())
}

/// Tells the model where the documents of calls are fetched now. A number that has an application has its addresses.
fn tell(twin: &Twin) {
    for (sid, line, own) in lines(twin) {
        let addresses = application_of(twin, &sid).map_or(own, |application| application.addresses);
        twin.tell(Event::NumberAddresses { number: line.number, addresses });
    }
}

fn application_of(twin: &Twin, number: &str) -> Option<Application> {
    twin.console(|console| {
        let sid = console.number_applications.get(number)?;
        console.applications.iter().find(|application| application.sid == *sid).cloned()
    })
}

fn numbers(twin: &Twin, owner: &Owner) -> Vec<Value> {
    let number = |(sid, line, own): (String, LineSetup, Addresses)| {
        let application = application_of(twin, &sid).map(|application| application.sid);
        json!({
            "sid": sid, "account_sid": owner.account, "address_sid": null, "address_requirements": "none",
            "api_version": "2010-04-01", "beta": false,
            "capabilities": { "voice": true, "sms": false, "mms": false, "fax": false },
            "date_created": rfc2822(Millis(0)), "date_updated": rfc2822(Millis(0)),
            "friendly_name": line.number, "phone_number": line.number, "identity_sid": null, "origin": "twilio",
            "sms_application_sid": "", "sms_fallback_method": "POST", "sms_fallback_url": "", "sms_method": "POST",
            "sms_url": "", "status_callback": "", "status_callback_method": "POST", "trunk_sid": null,
            "uri": format!("/2010-04-01/Accounts/{}/IncomingPhoneNumbers/{sid}.json", owner.account),
            "voice_receive_mode": "voice", "voice_application_sid": application.unwrap_or_default(),
            "voice_caller_id_lookup": false, "voice_fallback_method": own.fallback_method,
            "voice_fallback_url": own.fallback_url, "voice_method": own.method, "voice_url": own.url,
            "emergency_status": "Inactive", "emergency_address_sid": null,
            "emergency_address_status": "unregistered", "bundle_sid": null, "status": "in-use", "type": "local",
        })
    };
    lines(twin).into_iter().map(number).collect()
}

/// A name has 1 to 64 characters (<https://www.twilio.com/docs/api/errors/20002>). Unconfirmed: whether Twilio takes an application
/// without one; its description does not require one.
fn checked(name: String) -> Result<String, ApiError> {
    let is_good = (1..=LONGEST_NAME).contains(&name.chars().count());
    is_good.then_some(name).ok_or_else(|| refused(20002, "Invalid FriendlyName: 1 to 64 characters"))
}

fn create(twin: &Twin, owner: &Owner, form: &Form) -> Result<Value, ApiError> {
    let name = checked(form.text("FriendlyName").unwrap_or_default())?;
    let addresses = changed(Addresses::default(), form)?;
    let made = twin.console(|console| {
        console.applications_made += 1;
        let sid = format!("AP{:032x}", console.applications_made);
        let made = Application { sid, name, addresses };
        console.applications.push(made.clone());
        made
    });
    Ok(shown(owner, &made))
}

fn update_application(twin: &Twin, sid: &str, form: &Form) -> Result<(), ApiError> {
    let name = form.text("FriendlyName").map(checked).transpose()?;
    twin.console(|console| {
        let known = console.applications.iter_mut().find(|known| known.sid == sid);
        let known = known.ok_or_else(|| not_found(sid))?;
        known.addresses = changed(known.addresses.clone(), form)?;
        known.name = name.unwrap_or_else(|| known.name.clone());
        Ok(())
    })?;
    tell(twin);
    Ok(())
}

/// Numbers that had it have their own addresses again.
fn delete(twin: &Twin, sid: &str) -> Result<(), ApiError> {
    twin.console(|console| {
        let place = console.applications.iter().position(|known| known.sid == sid);
        console.applications.remove(place.ok_or_else(|| not_found(sid))?);
        console.number_applications.retain(|_, application| application != sid);
        Ok(())
    })?;
    tell(twin);
    Ok(())
}

fn shown(owner: &Owner, application: &Application) -> Value {
    let Application { sid, name, addresses } = application;
    json!({
        "sid": sid, "account_sid": owner.account, "api_version": "2010-04-01", "friendly_name": name,
        "date_created": rfc2822(Millis(0)), "date_updated": rfc2822(Millis(0)), "message_status_callback": "",
        "sms_fallback_method": "POST", "sms_fallback_url": "", "sms_method": "POST", "sms_status_callback": "",
        "sms_url": "", "status_callback": "", "status_callback_method": "POST",
        "uri": format!("/2010-04-01/Accounts/{}/Applications/{sid}.json", owner.account),
        "voice_caller_id_lookup": false, "voice_fallback_method": addresses.fallback_method,
        "voice_fallback_url": addresses.fallback_url, "voice_method": addresses.method,
        "voice_url": addresses.url, "public_application_connect_enabled": false,
    })
}
