//! Attributes of a task or a worker: JSON with its text, which is sent far more often than it changes.

use super::text;
use serde_json::Value;
use std::ops::Deref;

#[derive(Debug)]
pub(super) struct Attributes {
    json: Value,
    text: String,
}

impl Attributes {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Changes the attributes.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.json);
        self.text = text(&self.json);
    }
}

impl From<Value> for Attributes {
    fn from(json: Value) -> Self {
        Self { text: text(&json), json }
    }
}

impl Deref for Attributes {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.json
    }
}
