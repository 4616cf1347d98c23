//! Anything that JSON can say, and the reading of it.

use serde::ser::{Serialize, Serializer};
use std::fmt;

/// Any JSON value. Everything from outside is read into this one type before it is parsed: a deserialiser for each
/// type and variant would be much more to load.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`, `undefined`, and what JSON cannot represent, such as a function.
    #[default]
    Nothing,
    /// `true` or `false`.
    Flag(bool),
    /// Numbers, whole ones too.
    Number(f64),
    /// A text.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object.
    Object(Fields),
}

/// A value that does not fit. The value itself is not repeated: it may be personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The innermost name above it.
    pub field: &'static str,
}

/// Stands before the field's name in the error's text.
pub(crate) const UNFIT: &str = "missing, or not what it should be: ";

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(UNFIT)?;
        f.write_str(self.field)
    }
}

impl std::error::Error for Unfit {}

impl Value {
    /// The object's fields.
    ///
    /// # Errors
    /// When it is not an object; `field` is the name for the error.
    pub fn fields(self, field: &'static str) -> Result<Fields, Unfit> {
        match self {
            Self::Object(fields) => Ok(fields),
            _ => Err(Unfit { field }),
        }
    }

    /// The value of this name in an object; [`Value::Nothing`] where there is none.
    pub fn get(&self, name: &str) -> &Value {
        match self {
            Self::Object(fields) => {
                fields.iter().find(|(field, _)| field == name).map_or(&Self::Nothing, |(_, value)| value)
            }
            _ => &Self::Nothing,
        }
    }
}

impl From<&str> for Value {
    #[inline(never)]
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Fields> for Value {
    fn from(fields: Fields) -> Self {
        Self::Object(fields)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_unit(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(fields) => serializer.collect_map(fields.iter().map(|(name, value)| (name, value))),
        }
    }
}

/// Fields of an object. Each can be taken out once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(Vec<(String, Value)>);

impl FromIterator<(String, Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl Fields {
    /// Adds a field.
    #[must_use]
    #[inline(never)]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.0.push((name.to_owned(), value));
        self
    }

    /// All fields.
    pub fn iter(&self) -> std::slice::Iter<'_, (String, Value)> {
        self.0.iter()
    }

    /// Name and value of the only field.
    ///
    /// # Errors
    /// When there is not exactly one; `field` is the name for the error.
    pub fn only(mut self, field: &'static str) -> Result<(String, Value), Unfit> {
        let last = self.0.pop().filter(|_| self.0.is_empty());
        last.ok_or(Unfit { field })
    }

    fn take(&mut self, name: &str) -> Value {
        let at = self.0.iter().position(|(field, _)| field == name);
        at.map_or(Value::Nothing, |at| self.0.swap_remove(at).1)
    }

    /// A text.
    ///
    /// # Errors
    /// When it is not a text.
    pub fn text(&mut self, name: &'static str) -> Result<String, Unfit> {
        match self.take(name) {
            Value::Text(text) => Ok(text),
            _ => Err(Unfit { field: name }),
        }
    }

    /// A text of a certain form, such as a SID.
    ///
    /// # Errors
    /// When it is not a text, or of another form.
    pub fn parsed<T: TryFrom<String>>(&mut self, name: &'static str) -> Result<T, Unfit> {
        T::try_from(self.text(name)?).map_err(|_| Unfit { field: name })
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn flag(&mut self, name: &'static str) -> Result<bool, Unfit> {
        match self.take(name) {
            Value::Flag(flag) => Ok(flag),
            _ => Err(Unfit { field: name }),
        }
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// When it is anything else, or larger than the whole numbers that `f64` represents exactly.
    pub fn whole(&mut self, name: &'static str) -> Result<u64, Unfit> {
        match self.take(name) {
            // Converting rounds and saturates: a number that this changed does not convert back to itself.
            Value::Number(number) if number < GAPS && number as u64 as f64 == number => Ok(number as u64),
            _ => Err(Unfit { field: name }),
        }
    }

    /// A number that identifies a question of the desktop.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn small(&mut self, name: &'static str) -> Result<u32, Unfit> {
        u32::try_from(self.whole(name)?).map_err(|_| Unfit { field: name })
    }

    /// The items of an array.
    ///
    /// # Errors
    /// When it is not an array.
    pub fn list(&mut self, name: &'static str) -> Result<Vec<Value>, Unfit> {
        match self.take(name) {
            Value::List(items) => Ok(items),
            _ => Err(Unfit { field: name }),
        }
    }

    /// The fields of an object.
    ///
    /// # Errors
    /// When it is not an object.
    pub fn fields(&mut self, name: &'static str) -> Result<Fields, Unfit> {
        self.take(name).fields(name)
    }
}

/// These texts, one after the other. (`concat` for each number of texts is more to load.)
#[inline(never)]
pub(crate) fn joined(texts: &[&str]) -> String {
    let mut all = String::new();
    for text in texts {
        all.push_str(text);
    }
    all
}

/// The text before and after the first of this ASCII character. (`str::split_once` searches by words of memory, which
/// is 1 kB more to load.)
pub(crate) fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == at)?;
    // Indexing would bring along how its panic prints text.
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// 2^53: from here on not every whole number is an `f64`.
const GAPS: f64 = 9_007_199_254_740_992.0;
