//! Refusals of requests that break the contract, with Twilio's codes where they are known.

use super::form::Form;
use crate::{
    contract::{Kind, Operation, Wrong},
    model::ApiError,
};

/// The first violation, if any.
pub(super) fn wrong(operation: &Operation, form: &Form) -> Option<Wrong> {
    let (read, unread) =
        if operation.method == "GET" { (form.query(), form.body()) } else { (form.body(), form.query()) };
    let read = read.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let first = operation.wrong_in_request(read).into_iter().next();
    // A parameter in the wrong place is not read there.
    first.or_else(|| unread.first().map(|(name, _)| Wrong::Unknown(name.clone())))
}

/// The refusal in Twilio's form.
pub(super) fn refusal(operation: &Operation, wrong: Wrong) -> ApiError {
    let voice = operation.host == "api.twilio.com";
    let (code, message) = match wrong {
        Wrong::Missing(name) => match (voice, name.as_str()) {
            (true, "To") => (21201, "No 'To' number is specified".to_owned()),
            (true, "From") => (21213, "A 'From' number is required".to_owned()),
            _ => (20001, format!("Missing required parameter {name} in the post body")),
        },
        Wrong::Value { name, kind: Kind::Url, why } if voice => (21205, format!("{name} is {why}")),
        // https://www.twilio.com/docs/api/errors/22108
        Wrong::Value { kind: Kind::Sid(Some(prefix)), .. } if voice && prefix == "AP" => {
            (22108, "Invalid Application SID".to_owned())
        }
        Wrong::Value { name, kind: Kind::Twiml, why } => (12100, format!("{name} is no XML: {why}")),
        Wrong::Value { name, why, .. } => (20001, format!("Invalid parameter {name}: {why}")),
        Wrong::Unmodelled(name) => (20001, format!("the twin does not model {name}: leave it out")),
        Wrong::Unknown(name) => {
            let (method, path) = (&operation.method, &operation.path);
            (20001, format!("{name} is no parameter of {method} {path}: Twilio would ignore it"))
        }
    };
    ApiError { status: 400, code, message }
}
