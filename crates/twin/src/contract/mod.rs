//! The contract: Twilio's REST API as a table of facts, and checks of requests and answers against it.
//!
//! The twin refuses requests that break it. With debug assertions its own answers are checked, too; so each test that
//! runs on the twin checks both sides.

mod kind;
mod table;

pub use kind::Kind;
pub use table::{Answer, Contract, Field, Operation, Place, TableError};

use serde_json::Value;
use std::sync::LazyLock;

/// The table in `table.txt`. Empty when that cannot be parsed, which a test detects.
pub fn contract() -> &'static Contract {
    static CONTRACT: LazyLock<Contract> =
        LazyLock::new(|| Contract::parse(include_str!("table.txt")).unwrap_or_default());
    &CONTRACT
}

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A required parameter is missing or empty.
    Missing(String),
    /// The value is not of the parameter's kind, enumeration or range.
    Value {
        /// Name of the parameter.
        name: String,
        /// Its kind.
        kind: Kind,
        /// What is wrong, in a few words.
        why: String,
    },
    /// Twilio has this parameter, but the twin does not model its effect.
    Unmodelled(String),
    /// Twilio's description does not have this parameter here. Twilio ignores it; the twin refuses it, because its
    /// sender expects an effect.
    Unknown(String),
}

impl Operation {
    /// Everything wrong with a request, in the order of its parameters.
    pub fn wrong_in_request<'a>(
        &self,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Vec<Wrong> {
        let mut wrong = vec![];
        for field in self.parameters.iter().filter(|field| field.required) {
            let given = |(name, value): (&str, &str)| name == field.name && !value.is_empty();
            if !parameters.clone().into_iter().any(given) {
                wrong.push(Wrong::Missing(field.name.clone()));
            }
        }
        for (name, value) in parameters {
            match self.parameters.iter().find(|field| field.name == name) {
                None => wrong.push(Wrong::Unknown(name.to_owned())),
                Some(Field { place: Place::Unmodelled, .. }) => {
                    wrong.push(Wrong::Unmodelled(name.to_owned()));
                }
                Some(Field { kind, repeated, .. }) => {
                    // Lists are repeated keys, or separated by commas or spaces.
                    let values = value.split([',', ' ']).filter(|value| !value.is_empty());
                    let first = if *repeated && !matches!(kind, Kind::Json) {
                        values.filter_map(|value| kind.refuses(value)).next()
                    } else {
                        kind.refuses(value)
                    };
                    let kind = kind.clone();
                    wrong.extend(first.map(|why| Wrong::Value { name: name.to_owned(), kind, why }));
                }
            }
        }
        wrong
    }

    /// Everything in an answer that contradicts the table, one line each. `body`: of a successful answer.
    pub fn wrong_in_answer(&self, contract: &Contract, status: u16, body: &Value) -> Vec<String> {
        if status >= 400 {
            let keys = ["code", "message", "more_info", "status"];
            return keys
                .iter()
                .filter(|key| body.get(key).is_none())
                .map(|key| format!("a refusal without {key}"))
                .collect();
        }
        let mut wrong = vec![];
        if status != self.status {
            wrong.push(format!("status {status} instead of {}", self.status));
        }
        match &self.answer {
            Answer::Nothing if status == 204 && !body.is_null() => wrong.push("204 with a body".into()),
            Answer::Nothing => {}
            Answer::One(shape) => contract.wrong_in_shape(shape, body, "", &mut wrong),
            Answer::List { key, shape } => {
                match body.get(key).and_then(Value::as_array) {
                    Some(items) => {
                        for item in items {
                            contract.wrong_in_shape(shape, item, key, &mut wrong);
                        }
                    }
                    None => wrong.push(format!("{key} is no list")),
                }
                let envelope = if self.path.ends_with(".json") { PAGE } else { META };
                let at = if envelope == META { &body["meta"] } else { body };
                for name in envelope {
                    if at.get(name).is_none() {
                        wrong.push(format!("a page without {name}"));
                    }
                }
            }
        }
        wrong
    }
}

/// Fields around the lists of api.twilio.com.
const PAGE: &[&str] =
    &["page", "page_size", "start", "end", "uri", "first_page_uri", "previous_page_uri", "next_page_uri"];
/// Fields beside the other lists.
const META: &[&str] =
    &["key", "page", "page_size", "url", "first_page_url", "previous_page_url", "next_page_url"];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_is_parsed() {
        let table = Contract::parse(include_str!("table.txt")).expect("a table");
        assert!(table.operations.len() > 30, "{}", table.operations.len());
        for operation in &table.operations {
            if let Answer::One(shape) | Answer::List { shape, .. } = &operation.answer {
                assert!(table.shapes.contains_key(shape), "{shape}");
            }
        }
    }

    #[test]
    fn a_malformed_table_is_refused() {
        for (text, line) in [
            ("GET nowhere", 1),
            ("GET x.twilio.com/v1/A 200\n  form A:colour", 2),
            ("  form A:text", 1),
            ("PUT x.twilio.com/v1/A two", 1),
        ] {
            assert_eq!(Contract::parse(text).expect_err(text).line, line);
        }
    }

    #[test]
    fn requests_that_break_the_contract_are_found() {
        let host = "api.twilio.com";
        let call = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Calls/CA00000000000000000000000000000001.json";
        let operation = contract().operation("POST", host, call).expect("described");
        let of = |name: &str, value: &str| operation.wrong_in_request([(name, value)]);
        assert_eq!(of("Url", "https://example.com/a"), []);
        for (name, value) in [
            ("Url", "no address"),
            ("Url", "ftp://example.com/"),
            ("Method", "PATCH"),
            ("Status", "finished"),
            ("Twiml", "<Response>"),
        ] {
            assert!(matches!(of(name, value)[..], [Wrong::Value { .. }]), "{name}={value}");
        }
        assert_eq!(of("TimeLimit", "5"), [Wrong::Unmodelled("TimeLimit".into())]);
        assert_eq!(of("url", "https://example.com/a"), [Wrong::Unknown("url".into())]);
        for path in ["/v1/Calls", &call.replace("CA0", "CF0"), &call.replace(".json", "")] {
            assert!(contract().operation("POST", host, path).is_none(), "{path}");
        }
        assert!(contract().operation("PUT", host, call).is_none());
    }

    #[test]
    fn answers_that_break_the_contract_are_found() {
        let path = "/v1/Workspaces/WS00000000000000000000000000000001/Activities";
        let operation = contract().operation("GET", "taskrouter.twilio.com", path).expect("described");
        let url = format!("https://taskrouter.twilio.com{path}");
        let date = "2026-01-01T00:00:00Z";
        let good = json!({
            "activities": [{
                "account_sid": "AC00000000000000000000000000000001", "available": true, "date_created": date,
                "date_updated": date, "friendly_name": "Away", "sid": "WA00000000000000000000000000000001",
                "workspace_sid": "WS00000000000000000000000000000001", "url": url, "links": {"workspace": url},
            }],
            "meta": {
                "key": "activities", "page": 0, "page_size": 50, "url": url, "first_page_url": url,
                "previous_page_url": null, "next_page_url": null,
            },
        });
        let wrong = |body: &Value| operation.wrong_in_answer(contract(), 200, body);
        assert_eq!(wrong(&good), Vec::<String>::new());
        type Change = fn(&mut Value);
        let planted: [(Change, &str); 6] = [
            (|body| body["activities"][0]["colour"] = "blue".into(), "activities.colour"),
            (|body| body["activities"][0]["available"] = "yes".into(), "activities.available"),
            (|body| body["activities"][0]["sid"] = "WK1".into(), "activities.sid"),
            (|body| body["activities"][0]["friendly_name"] = Value::Null, "activities.friendly_name"),
            (|body| _ = body["activities"][0].as_object_mut().map(|it| it.remove("url")), "activities.url"),
            (|body| _ = body["meta"].as_object_mut().map(|it| it.remove("next_page_url")), "next_page_url"),
        ];
        for (change, name) in planted {
            let mut body = good.clone();
            change(&mut body);
            assert!(wrong(&body).iter().any(|line| line.contains(name)), "{name}: {:?}", wrong(&body));
        }
        assert_eq!(operation.wrong_in_answer(contract(), 201, &good).len(), 1);
        assert_eq!(operation.wrong_in_answer(contract(), 404, &json!({"code": 20404})).len(), 3);
    }
}
