//! Parameters of a request.

use crate::model::ApiError;
use rejoin_protocol::attributes;
use rejoin_twilio::webhook::form;

/// Parameters of body and query, in this order; the first with a name counts.
pub(super) struct Form {
    pairs: Vec<(String, String)>,
    /// Number of them that are in the body.
    body: usize,
}

fn invalid(name: &str, what: &str) -> ApiError {
    ApiError { status: 400, code: 20001, message: format!("Invalid parameter {name}: {what}") }
}

impl Form {
    /// # Errors
    /// When the body is not text.
    pub(super) fn parse(body: &[u8], query: Option<&str>) -> Result<Self, ApiError> {
        let body = std::str::from_utf8(body).map_err(|_| invalid("body", "not UTF-8"))?;
        let mut pairs = form(body.as_bytes());
        let body = pairs.len();
        pairs.extend(form(query.unwrap_or_default().as_bytes()));
        Ok(Self { pairs, body })
    }

    pub(super) fn body(&self) -> &[(String, String)] {
        self.pairs.get(..self.body).unwrap_or_default()
    }

    pub(super) fn query(&self) -> &[(String, String)] {
        self.pairs.get(self.body..).unwrap_or_default()
    }

    /// All parameters, for the record. Of attributes, which are personal data, only the recovery's id.
    pub(super) fn said(&self) -> serde_json::Map<String, serde_json::Value> {
        let entries = self.pairs.iter().map(|(key, value)| {
            if key != "Attributes" {
                return (key.clone(), value.clone().into());
            }
            let mut attributes: serde_json::Value = serde_json::from_str(value).unwrap_or_default();
            (attributes::RECOVERY_ID.to_owned(), attributes[attributes::RECOVERY_ID].take())
        });
        entries.collect()
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    pub(super) fn needed(&self, name: &str) -> Result<String, ApiError> {
        self.text(name).filter(|text| !text.is_empty()).ok_or_else(|| invalid(name, "missing"))
    }

    /// A list, which may be sent as a repeated key: joined with commas.
    pub(super) fn list(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// All values of a key that may be repeated.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(invalid(name, "neither true nor false")),
        }
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        self.text(name)
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| invalid(name, "not a number in range"))
    }

    pub(super) fn sid<T>(
        &self,
        name: &str,
        parse: fn(&str) -> Result<T, rejoin_protocol::InvalidSid>,
    ) -> Result<Option<T>, ApiError> {
        self.text(name)
            .map(|text| parse(&text))
            .transpose()
            .map_err(|error| invalid(name, &error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let form =
            Form::parse(b"A=b+c%26&F=True&L=x&L=y&N=7&T=%2B1&A=later", Some("Q=%C3%A9")).expect("a form");
        assert_eq!(form.text("A").as_deref(), Some("b c&"));
        assert_eq!(form.text("T").as_deref(), Some("+1"));
        assert_eq!(form.text("Q").as_deref(), Some("é"));
        assert_eq!(form.list("L").as_deref(), Some("x,y"));
        assert_eq!(form.all("L"), ["x", "y"]);
        assert_eq!(form.flag("F"), Ok(Some(true)));
        assert_eq!(form.number("N"), Ok(Some(7)));
        assert_eq!(form.text("None"), None);
        assert!(form.flag("A").is_err());
        assert!(form.number::<u32>("A").is_err());
        assert!(Form::parse(&[0xff], None).is_err());
    }
}
