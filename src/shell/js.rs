//! Values of the browser to values of Rust and back, by way of serde.
//!
//! As much of it as the types of the core and the protocol need. A general one reads and reports what never comes
//! here, such as fractions and their decimal digits, and that was a third of what a browser had to load.

use js_sys::{Array, Object, Reflect};
use serde::de::value::U32Deserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, Expected, IntoDeserializer, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::ser::{self, Impossible, Serialize};
use std::fmt;
use std::slice::Iter;
use wasm_bindgen::JsValue;

/// A value that is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The innermost field that it is in; empty outside of all fields.
    pub field: &'static str,
}

const UNFIT: Unfit = Unfit { field: "" };

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value itself is not repeated: it may be personal.
        f.write_str("a value that does not fit in: ")?;
        f.write_str(self.field)
    }
}

impl std::error::Error for Unfit {}

// What serde would say is dropped unseen: putting it into words would bring along most of the standard formatting.
impl de::Error for Unfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        UNFIT
    }
    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        UNFIT
    }
    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        UNFIT
    }
    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        UNFIT
    }
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        UNFIT
    }
    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        UNFIT
    }
    fn missing_field(field: &'static str) -> Self {
        Unfit { field }
    }
    fn duplicate_field(field: &'static str) -> Self {
        Unfit { field }
    }
}

impl ser::Error for Unfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        UNFIT
    }
}

/// Reads a value. `undefined` and `null` are `None` and `false`; everything else must fit, and numbers be whole.
///
/// # Errors
/// When it does not fit.
pub fn read<T: DeserializeOwned>(value: JsValue) -> Result<T, Unfit> {
    T::deserialize(Reader(value))
}

/// Writes a value as JSON knows it. `None` is `null`.
///
/// # Errors
/// Never for what the core and the protocol define; for a type that is not supported here.
pub fn write<T: Serialize + ?Sized>(value: &T) -> Result<JsValue, Unfit> {
    value.serialize(Writer)
}

struct Reader(JsValue);

impl Reader {
    fn whole(&self) -> Result<u64, Unfit> {
        let number = self.0.as_f64().ok_or(UNFIT)?;
        // The conversion rounds and saturates: what it changed does not come back the same.
        let whole = number as u64;
        if whole as f64 == number { Ok(whole) } else { Err(UNFIT) }
    }
}

impl<'de> de::Deserializer<'de> for Reader {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unfit> {
        Err(UNFIT)
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_string(self.0.as_string().ok_or(UNFIT)?)
    }
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        let absent = self.0.is_null() || self.0.is_undefined();
        visitor.visit_bool(!absent && self.0.as_bool().ok_or(UNFIT)?)
    }
    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_u64(self.whole()?)
    }
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_u64(self.whole()?)
    }
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_u64(self.whole()?)
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if self.0.is_null() || self.0.is_undefined() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if !Array::is_array(&self.0) {
            return Err(UNFIT);
        }
        visitor.visit_seq(Items { array: Array::from(&self.0), at: 0 })
    }
    /// Gives the fields in their order, which spares the code that finds them by name. `fields` names all of them, as
    /// long as none has an alias.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        if !self.0.is_object() {
            return Err(UNFIT);
        }
        visitor.visit_seq(Fields { object: self.0, names: fields.iter() })
    }
    /// `"name"` or `{name: …}`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_enum(variant(&self.0, variants)?)
    }
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_unit()
    }
    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u128 f32 f64 char str bytes byte_buf unit unit_struct tuple tuple_struct map
        identifier
    }
}

struct Items {
    array: Array,
    at: u32,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Unfit;
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Unfit> {
        if self.at >= self.array.length() {
            return Ok(None);
        }
        let item = self.array.get(self.at);
        self.at += 1;
        seed.deserialize(Reader(item)).map(Some)
    }
}

struct Fields {
    object: JsValue,
    names: Iter<'static, &'static str>,
}

impl<'de> SeqAccess<'de> for Fields {
    type Error = Unfit;
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Unfit> {
        let Some(name) = self.names.next() else { return Ok(None) };
        let value = Reflect::get(&self.object, &JsValue::from_str(name)).map_err(|_| UNFIT)?;
        seed.deserialize(Reader(value))
            .map(Some)
            .map_err(|inner| if inner.field.is_empty() { Unfit { field: name } } else { inner })
    }
}

struct Tagged {
    index: u32,
    content: JsValue,
}

fn variant(value: &JsValue, variants: &'static [&'static str]) -> Result<Tagged, Unfit> {
    let (name, content) = match value.as_string() {
        Some(name) => (name, JsValue::UNDEFINED),
        None => {
            let object = Object::try_from(value).ok_or(UNFIT)?;
            let name = Object::keys(object).get(0);
            (name.as_string().ok_or(UNFIT)?, Reflect::get(value, &name).map_err(|_| UNFIT)?)
        }
    };
    let index = variants.iter().position(|known| **known == *name).ok_or(UNFIT)?;
    Ok(Tagged { index: index as u32, content })
}

impl<'de> EnumAccess<'de> for Tagged {
    type Error = Unfit;
    type Variant = Reader;
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Reader), Unfit> {
        let index: U32Deserializer<Unfit> = self.index.into_deserializer();
        Ok((seed.deserialize(index)?, Reader(self.content)))
    }
}

impl<'de> VariantAccess<'de> for Reader {
    type Error = Unfit;
    fn unit_variant(self) -> Result<(), Unfit> {
        Ok(())
    }
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Unfit> {
        seed.deserialize(self)
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Unfit> {
        Err(UNFIT)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        de::Deserializer::deserialize_struct(self, "", fields, visitor)
    }
}

struct Writer;

/// An object under way.
struct Open {
    object: Object,
    /// What it is to be the content of, and its name there.
    outside: Option<&'static str>,
}

impl Open {
    fn new(outside: Option<&'static str>) -> Self {
        Self { object: Object::new(), outside }
    }
    fn set(&self, name: &str, value: &JsValue) -> Result<(), Unfit> {
        Reflect::set(&self.object, &JsValue::from_str(name), value).map(drop).map_err(|_| UNFIT)
    }
    fn close(self) -> Result<JsValue, Unfit> {
        match self.outside {
            Some(name) => around(name, &self.object),
            None => Ok(self.object.into()),
        }
    }
}

fn around(name: &str, content: &JsValue) -> Result<JsValue, Unfit> {
    let outer = Open::new(None);
    outer.set(name, content)?;
    outer.close()
}

impl ser::SerializeStruct for Open {
    type Ok = JsValue;
    type Error = Unfit;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unfit> {
        self.set(name, &write(value)?)
    }
    fn end(self) -> Result<JsValue, Unfit> {
        self.close()
    }
}

impl ser::SerializeStructVariant for Open {
    type Ok = JsValue;
    type Error = Unfit;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unfit> {
        self.set(name, &write(value)?)
    }
    fn end(self) -> Result<JsValue, Unfit> {
        self.close()
    }
}

struct List(Array);

impl ser::SerializeSeq for List {
    type Ok = JsValue;
    type Error = Unfit;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        self.0.push(&write(value)?);
        Ok(())
    }
    fn end(self) -> Result<JsValue, Unfit> {
        Ok(self.0.into())
    }
}

type No = Impossible<JsValue, Unfit>;

impl ser::Serializer for Writer {
    type Ok = JsValue;
    type Error = Unfit;
    type SerializeSeq = List;
    type SerializeTuple = No;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = Open;
    type SerializeStructVariant = Open;

    fn serialize_bool(self, value: bool) -> Result<JsValue, Unfit> {
        Ok(value.into())
    }
    fn serialize_i8(self, value: i8) -> Result<JsValue, Unfit> {
        Ok(f64::from(value).into())
    }
    fn serialize_i16(self, value: i16) -> Result<JsValue, Unfit> {
        Ok(f64::from(value).into())
    }
    fn serialize_i32(self, value: i32) -> Result<JsValue, Unfit> {
        Ok(f64::from(value).into())
    }
    fn serialize_i64(self, value: i64) -> Result<JsValue, Unfit> {
        Ok((value as f64).into())
    }
    fn serialize_u8(self, value: u8) -> Result<JsValue, Unfit> {
        Ok(f64::from(value).into())
    }
    fn serialize_u16(self, value: u16) -> Result<JsValue, Unfit> {
        Ok(f64::from(value).into())
    }
    fn serialize_u32(self, value: u32) -> Result<JsValue, Unfit> {
        Ok(f64::from(value).into())
    }
    fn serialize_u64(self, value: u64) -> Result<JsValue, Unfit> {
        Ok((value as f64).into())
    }
    fn serialize_f32(self, value: f32) -> Result<JsValue, Unfit> {
        Ok(f64::from(value).into())
    }
    fn serialize_f64(self, value: f64) -> Result<JsValue, Unfit> {
        Ok(value.into())
    }
    fn serialize_char(self, _: char) -> Result<JsValue, Unfit> {
        Err(UNFIT)
    }
    fn serialize_str(self, value: &str) -> Result<JsValue, Unfit> {
        Ok(JsValue::from_str(value))
    }
    fn serialize_bytes(self, _: &[u8]) -> Result<JsValue, Unfit> {
        Err(UNFIT)
    }
    fn serialize_none(self) -> Result<JsValue, Unfit> {
        Ok(JsValue::NULL)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<JsValue, Unfit> {
        write(value)
    }
    fn serialize_unit(self) -> Result<JsValue, Unfit> {
        Ok(JsValue::NULL)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<JsValue, Unfit> {
        Ok(JsValue::NULL)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<JsValue, Unfit> {
        Ok(JsValue::from_str(name))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<JsValue, Unfit> {
        write(value)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<JsValue, Unfit> {
        around(name, &write(value)?)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<List, Unfit> {
        Ok(List(Array::new()))
    }
    fn serialize_tuple(self, _: usize) -> Result<No, Unfit> {
        Err(UNFIT)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<No, Unfit> {
        Err(UNFIT)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<No, Unfit> {
        Err(UNFIT)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<No, Unfit> {
        Err(UNFIT)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Open, Unfit> {
        Ok(Open::new(None))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Open, Unfit> {
        Ok(Open::new(Some(name)))
    }
}
