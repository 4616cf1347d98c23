//! Numbers that may be touched outside production. They are personal data: they are compared, but neither shown nor
//! logged.

use serde_json::Value;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A telephone number, or another address of a phone such as `sip:somebody@example.com`.
#[derive(Clone, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// True for an empty item of a list.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Number {
    /// Normalises a number: `+1 (500) 555-0001` becomes `+15005550001`.
    fn from(text: &str) -> Self {
        let text = text.trim();
        let is_number = text.chars().all(|c| c.is_ascii_digit() || "+ -().".contains(c));
        Self(if is_number {
            text.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
        } else {
            text.to_lowercase()
        })
    }
}

impl FromStr for Number {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::from(text))
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Number(not shown)")
    }
}

/// The customer's number, as Flex writes it into a task's attributes: the callee of an outbound call, else the
/// caller.
pub fn customers_number(attributes: &Value) -> Option<Number> {
    let text = |key: &str| attributes.get(key)?.as_str().filter(|text| !text.trim().is_empty());
    let outbound = text("direction") == Some("outbound") || text("outbound_to").is_some();
    let number = if outbound { text("outbound_to") } else { text("from").or_else(|| text("caller")) };
    number.map(Number::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_compare_equal_however_they_are_written() {
        assert_eq!(Number::from("+1 (500) 555-0001"), Number::from("+15005550001"));
        assert_ne!(Number::from("15005550001"), Number::from("+15005550001"));
        assert_eq!(Number::from("SIP:A@example.com"), Number::from("sip:a@example.com"));
        assert_ne!(Number::from("client:12"), Number::from("12"));
        assert!(!format!("{:?}", Number::from("+15005550001")).contains("5005550001"));
    }

    #[test]
    fn the_customer_is_the_caller_or_the_callee() {
        for (attributes, wanted) in [
            (json!({"direction": "inbound", "from": "+1", "to": "+2"}), Some("+1")),
            (json!({"caller": "+1", "called": "+2"}), Some("+1")),
            (json!({"direction": "outbound", "outbound_to": "+3", "from": "+2"}), Some("+3")),
            (json!({"direction": "outbound", "from": "+2"}), None),
            (json!({"from": " "}), None),
            (json!({"from": 5}), None),
            (json!(null), None),
        ] {
            assert_eq!(customers_number(&attributes), wanted.map(Number::from), "{attributes}");
        }
    }
}
