//! The format of `table.txt`.
//!
//! An operation begins a line: method, host with path, status of success, and the answer: nothing, a shape, or
//! `key:shape` for a page of a list. Indented lines below have its parameters: `query`, `form`, `header` (names
//! alone), `ignored` (no effect in the twin) and `unmodelled` (the twin refuses it). `shape` begins a shape, whose
//! `fields` an answer has, all of them and no others.
//!
//! A parameter or field is `Name:kind`, with `[]` behind it when it is repeated, `!` when a request must have it, `?`
//! when it may be null, and `@field` when a list is filtered by the value of this field. For the kinds see [`Kind`].

use super::Kind;
use serde_json::Value;
use std::collections::BTreeMap;

/// Operations and the shapes of answers.
#[derive(Clone, Debug, Default)]
pub struct Contract {
    /// The operations.
    pub operations: Vec<Operation>,
    /// Fields of answers, by the name of the shape.
    pub shapes: BTreeMap<String, Vec<Field>>,
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// HTTP method.
    pub method: String,
    /// Such as `api.twilio.com`.
    pub host: String,
    /// With `{CA}` for a call's SID and so on, `{any}` for any text.
    pub path: String,
    /// HTTP status of success.
    pub status: u16,
    /// The answer's form.
    pub answer: Answer,
    /// Parameters in query and body.
    pub parameters: Vec<Field>,
    segments: Vec<Segment>,
}

/// A segment of a path.
#[derive(Clone, Debug)]
enum Segment {
    Literal(String),
    /// Any text, and a suffix.
    Any(String),
    /// A value of this kind, and a suffix.
    Of(Kind, String),
}

/// The form of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not described, or without a body.
    Nothing,
    /// A single resource of this shape.
    One(String),
    /// A page of a list.
    List {
        /// Name of the list in the body.
        key: String,
        /// Shape of its items.
        shape: String,
    },
}

/// Where a parameter belongs and what the twin does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the query.
    Query,
    /// In the body.
    Form,
    /// In the body, without effect in the twin.
    Ignored,
    /// Refused by the twin.
    Unmodelled,
    /// A field of an answer.
    Answer,
}

/// A parameter, or a field of an answer.
#[derive(Clone, Debug)]
pub struct Field {
    /// The name as Twilio writes it.
    pub name: String,
    /// Kind of its values.
    pub kind: Kind,
    /// True when it may be repeated.
    pub repeated: bool,
    /// True when a request must have it.
    pub required: bool,
    /// True when it may be null.
    pub nullable: bool,
    /// Where it belongs.
    pub place: Place,
    /// For a filter of a list: the field of the items that must have the value.
    pub of: Option<String>,
}

/// A line of the table that cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the table cannot be read")]
pub struct TableError {
    /// Line number, counted from 1.
    pub line: usize,
}

enum Within {
    Nothing,
    Operation,
    Shape(String),
}

impl Contract {
    /// Parses a table.
    ///
    /// # Errors
    /// The first malformed line.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let mut table = Self::default();
        let (mut within, mut place) = (Within::Nothing, None);
        for (number, line) in text.lines().enumerate() {
            let error = TableError { line: number + 1 };
            let mut words = line.split_whitespace().peekable();
            let Some(first) = words.peek().copied().filter(|word| !word.starts_with('#')) else { continue };
            if !line.starts_with(' ') {
                within = table.begin(line).ok_or(error)?;
                continue;
            }
            let new = match first {
                "query" => Some(Place::Query),
                "form" => Some(Place::Form),
                "ignored" => Some(Place::Ignored),
                "unmodelled" => Some(Place::Unmodelled),
                "fields" => Some(Place::Answer),
                // Headers are not checked here: the model reads them.
                "header" => continue,
                _ => None,
            };
            if new.is_some() {
                place = new;
                words.next();
            }
            let fields: Option<Vec<Field>> =
                words.map(|word| place.and_then(|place| Field::parse(word, place))).collect();
            let fields = fields.ok_or(error)?;
            let into = match &within {
                Within::Nothing => return Err(error),
                Within::Operation => table.operations.last_mut().map(|it| &mut it.parameters),
                Within::Shape(name) => table.shapes.get_mut(name),
            };
            into.ok_or(error)?.extend(fields);
        }
        Ok(table)
    }

    fn begin(&mut self, line: &str) -> Option<Within> {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["shape", name] = words[..] {
            self.shapes.insert(name.to_owned(), vec![]);
            return Some(Within::Shape(name.to_owned()));
        }
        let (method, place, status, answer) = match words[..] {
            [method, place, status] => (method, place, status, Answer::Nothing),
            [method, place, status, answer] => {
                let answer = match answer.split_once(':') {
                    Some((key, shape)) => Answer::List { key: key.to_owned(), shape: shape.to_owned() },
                    None => Answer::One(answer.to_owned()),
                };
                (method, place, status, answer)
            }
            _ => return None,
        };
        let (host, path) = place.split_once('/')?;
        let mut parameters = vec![];
        if matches!(answer, Answer::List { .. }) {
            for field in ["PageSize:int(1..1000)", "Page:int", "PageToken:text"] {
                parameters.push(Field::parse(field, Place::Query)?);
            }
        }
        let path = format!("/{path}");
        self.operations.push(Operation {
            method: method.to_owned(),
            host: host.to_owned(),
            segments: path.split('/').map(Segment::parse).collect::<Option<_>>()?,
            path,
            status: status.parse().ok()?,
            answer,
            parameters,
        });
        Some(Within::Operation)
    }

    /// The operation of this request.
    pub fn operation(&self, method: &str, host: &str, path: &str) -> Option<&Operation> {
        let is = |it: &&Operation| it.method == method && it.host == host && it.is_at(path);
        self.operations.iter().find(is)
    }

    pub(super) fn wrong_in_shape(&self, shape: &str, item: &Value, at: &str, wrong: &mut Vec<String>) {
        let at = if at.is_empty() { String::new() } else { format!("{at}.") };
        let (Some(fields), Some(item)) = (self.shapes.get(shape), item.as_object()) else {
            return wrong.push(format!("{at}{shape} is no object"));
        };
        for field in fields {
            let name = &field.name;
            match item.get(name) {
                None => wrong.push(format!("{at}{name} is missing")),
                Some(Value::Null) if field.nullable => {}
                Some(value) => {
                    if let Some(why) = field.kind.refuses_json(value) {
                        wrong.push(format!("{at}{name} is {why}"));
                    }
                }
            }
        }
        for name in item.keys().filter(|name| fields.iter().all(|field| field.name != **name)) {
            wrong.push(format!("{at}{name} is not Twilio's"));
        }
    }
}

impl Operation {
    fn is_at(&self, path: &str) -> bool {
        let mut given = path.split('/');
        let fits = |segment: &Segment| given.next().is_some_and(|given| segment.fits(given));
        self.segments.iter().all(fits) && given.next().is_none()
    }
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        let Some(rest) = text.strip_prefix('{') else { return Some(Self::Literal(text.to_owned())) };
        let (kind, behind) = rest.split_once('}')?;
        let behind = behind.to_owned();
        if kind == "any" {
            return Some(Self::Any(behind));
        }
        Kind::parse(kind).map(|kind| Self::Of(kind, behind))
    }

    fn fits(&self, given: &str) -> bool {
        match self {
            Self::Literal(text) => text == given,
            Self::Any(behind) => given.strip_suffix(behind.as_str()).is_some_and(|text| !text.is_empty()),
            Self::Of(kind, behind) => given
                .strip_suffix(behind.as_str())
                .is_some_and(|text| !text.is_empty() && kind.refuses(text).is_none()),
        }
    }
}

impl Field {
    fn parse(word: &str, place: Place) -> Option<Self> {
        let (name, rest) = word.split_once(':')?;
        let (rest, of) = match rest.rsplit_once('@') {
            Some((rest, of)) => (rest, Some(of.to_owned())),
            None => (rest, None),
        };
        let (rest, required) = ends(rest, "!");
        let (rest, nullable) = ends(rest, "?");
        let (rest, repeated) = ends(rest, "[]");
        let kind = Kind::parse(rest)?;
        Some(Self { name: name.to_owned(), kind, repeated, required, nullable, place, of })
    }
}

fn ends<'a>(text: &'a str, with: &str) -> (&'a str, bool) {
    text.strip_suffix(with).map_or((text, false), |text| (text, true))
}
