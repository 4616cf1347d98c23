//! Values of JavaScript as values of Rust.
//!
//! Outward serde-wasm-bindgen does this. Inward it does not: it puts into words what it did not like, fractions among
//! it, and the standard library's printing of fractions alone is a third of all that a browser would load.

use crate::boundary::Value;
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::*;

/// Flex and others may nest values as deep as they like; further down than this there is [`Value::Nothing`].
const DEEPEST: u8 = 8;

/// Reads a value of any kind. What JSON cannot say, such as a function, is [`Value::Nothing`].
pub fn value(js: &JsValue) -> Value {
    read(js, DEEPEST)
}

fn read(js: &JsValue, depth: u8) -> Value {
    if let Some(flag) = js.as_bool() {
        Value::Flag(flag)
    } else if let Some(number) = js.as_f64() {
        Value::Number(number)
    } else if let Some(text) = js.as_string() {
        Value::Text(text)
    } else if depth == 0 || !js.is_object() {
        Value::Nothing
    } else if let Some(items) = js.dyn_ref::<Array>() {
        Value::List(items.iter().map(|item| read(&item, depth - 1)).collect())
    } else {
        let Ok(entries) = entries(js) else { return Value::Nothing };
        Value::Object(entries.iter().map(|entry| field(&entry.unchecked_into(), depth - 1)).collect())
    }
}

#[wasm_bindgen]
extern "C" {
    /// Looking at the fields of others' objects may throw, which js-sys's binding would let through the core.
    #[wasm_bindgen(catch, js_namespace = Object)]
    fn entries(of: &JsValue) -> Result<Array, JsValue>;
}

/// The same value in JavaScript.
pub fn from(value: &Value) -> JsValue {
    match value {
        Value::Nothing => JsValue::UNDEFINED,
        Value::Flag(flag) => (*flag).into(),
        Value::Number(number) => (*number).into(),
        Value::Text(text) => text.into(),
        Value::List(items) => items.iter().map(from).collect::<Array>().into(),
        Value::Object(fields) => {
            let object = Object::new();
            for (name, value) in fields.iter() {
                // Setting a property of a plain object does not fail.
                let _ = Reflect::set(&object, &name.into(), &from(value));
            }
            object.into()
        }
    }
}

fn field(entry: &Array, depth: u8) -> (String, Value) {
    (entry.get(0).as_string().unwrap_or_default(), read(&entry.get(1), depth))
}
