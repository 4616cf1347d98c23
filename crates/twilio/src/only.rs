//! Reads only the needed parts of JSON. The rest is only skipped.

use serde::de::{
    Deserialize as _, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};
use std::fmt;

/// The needed parts of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Only {
    /// All of it.
    All,
    /// These fields of an object, or of each object in a list.
    Fields(Fields),
}

type Fields = &'static [(&'static str, Only)];

impl Only {
    /// # Errors
    /// When it is not JSON.
    pub(crate) fn read(self, json: &[u8]) -> serde_json::Result<Value> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let value = self.deserialize(&mut deserializer)?;
        deserializer.end().map(|()| value)
    }
}

impl<'de> DeserializeSeed<'de> for Only {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self {
            Self::All => Value::deserialize(deserializer),
            Self::Fields(fields) => deserializer.deserialize_any(Needed(fields)),
        }
    }
}

/// A field's name; `None` when the field is not needed.
struct Name(Fields);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<(&'static str, Only)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<(&'static str, Only)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|(field, _)| *field == name).copied())
    }
}

struct Needed(Fields);

impl<'de> Visitor<'de> for Needed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = vec![];
        while let Some(item) = items.next_element_seed(Only::Fields(self.0))? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(field) = fields.next_key_seed(Name(self.0))? {
            match field {
                Some((name, only)) => _ = object.insert(name.to_owned(), fields.next_value_seed(only)?),
                None => _ = fields.next_value::<IgnoredAny>()?,
            }
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_that_are_not_needed_are_left_out() {
        const NEEDED: Only = Only::Fields(&[("a", Only::All), ("b", Only::Fields(&[("c", Only::All)]))]);
        let json = json!([
            {"a": {"x": [1, -2, 0.5, null, true, "t"]}, "z": {"a": 1}, "b": {"c": "\u{e9}\"", "d": [[]]}},
            7, null, "a", [{"b": 3, "y": 4}], {},
        ]);
        let read = NEEDED.read(json.to_string().as_bytes()).expect("JSON");
        let wanted = json!([
            {"a": {"x": [1, -2, 0.5, null, true, "t"]}, "b": {"c": "\u{e9}\"", }},
            7, null, "a", [{"b": 3}], {},
        ]);
        assert_eq!(read, wanted);
        assert_eq!(NEEDED.read(br#"{"\u0061": 1}"#).expect("JSON"), json!({"a": 1}));
        for no_json in ["", "{", "[1] 2", r#"{"z": [}"#] {
            assert!(NEEDED.read(no_json.as_bytes()).is_err(), "{no_json}");
        }
    }
}
