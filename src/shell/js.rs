//! Conversion between values of JavaScript and Rust.

use crate::boundary::{Fields, Unfit, Value};
use crate::value::{UNFIT, cut, joined};
use js_sys::{Array, Function, Object, Promise, Reflect};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Flex and others may nest values to any depth; below this one there is [`Value::Nothing`].
const DEEPEST: u8 = 8;

/// Reads a value of any kind. What JSON cannot represent, such as a function, is [`Value::Nothing`].
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
    /// Reading the fields of foreign objects may throw, which js-sys's binding would let through the core.
    #[wasm_bindgen(catch, js_namespace = Object)]
    fn entries(of: &JsValue) -> Result<Array, JsValue>;
}

/// The value under this path of names; `undefined` where the path ends early.
pub fn at(of: &JsValue, path: &str) -> JsValue {
    let (name, rest) = cut(path, b'.').unwrap_or((path, ""));
    let found = Reflect::get(of, &name.into()).unwrap_or_default();
    if rest.is_empty() { found } else { at(&found, rest) }
}

/// Calls an object's method.
///
/// # Errors
/// What it throws, or that it is missing.
pub fn call(of: &JsValue, name: &str, arguments: &[&JsValue]) -> Result<JsValue, JsValue> {
    let method = at(of, name).dyn_into::<Function>();
    let method = method.map_err(|_| missing(name))?;
    method.apply(of, &arguments.iter().copied().collect())
}

/// The error for something that Flex or the browser lacks.
pub fn missing(name: &str) -> JsValue {
    JsError::new(&joined(&[name, " is missing"])).into()
}

/// The error in readable form, for the console.
pub fn unfit(error: Unfit) -> JsValue {
    JsError::new(&joined(&[UNFIT, error.field])).into()
}

/// Reads the values under these paths, and renames them.
pub fn named(of: &JsValue, names: &[(&str, &str)]) -> Fields {
    names.iter().map(|(name, path)| ((*name).to_owned(), value(&at(of, path)))).collect()
}

/// The same value in JavaScript.
pub fn from(value: &Value) -> JsValue {
    // It cannot fail for any `Value`.
    value.serialize(&Serializer::new().serialize_maps_as_objects(true)).unwrap_or_default()
}

/// A new object with these properties.
pub fn object(properties: &[(&str, &JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in properties {
        set(&object, name, value);
    }
    object
}

/// Sets a property of an object of ours: that does not fail.
pub fn set(object: &JsValue, name: &str, value: &JsValue) {
    let _ = Reflect::set(object, &name.into(), value);
}

/// An object of the global class with this name.
///
/// # Errors
/// What its constructor throws, or that it is missing.
pub fn construct(class: &str, arguments: &[&JsValue]) -> Result<JsValue, JsValue> {
    let constructor = at(&js_sys::global(), class).dyn_into::<Function>().map_err(|_| missing(class))?;
    Reflect::construct(&constructor, &arguments.iter().copied().collect())
}

/// The result of a promise; a value that is none is its own result.
///
/// # Errors
/// What the promise is rejected with.
pub async fn wait(promise: JsValue) -> Result<JsValue, JsValue> {
    JsFuture::from(Promise::resolve(&promise)).await
}

fn field(entry: &Array, depth: u8) -> (String, Value) {
    (entry.get(0).as_string().unwrap_or_default(), read(&entry.get(1), depth))
}
