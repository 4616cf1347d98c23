//! The view "History" as files: CSV and JSON of what the page shows.

use super::tables::{Table, Value};
use crate::explain::time;
use crate::history::{Asked, Sums};
use serde_json::{Value as Json, json};

impl Value {
    /// As it stands in a file.
    fn plain(&self) -> String {
        match self.json() {
            Json::Null => String::new(),
            Json::String(text) => text,
            other => other.to_string(),
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Text(text) | Self::Worker(text) | Self::At(text) => json!(text),
            Self::Name(name, _) => json!(name),
            Self::Count(count) => json!(count),
            Self::Share(part, whole) => tenths(*part, *whole).map_or(Json::Null, |tenths| json!(tenths)),
            Self::Within(Some(bound)) => json!(decimal(bound.0, 1000)),
            Self::Took(took) => json!(decimal(took.0, 1000)),
            // Above all bounds.
            Self::Within(None) => json!("more"),
        }
    }
}

/// A percentage, with one decimal.
fn tenths(part: u64, whole: u64) -> Option<f64> {
    super::page::permille(part, whole).map(|permille| decimal(permille, 10))
}

#[allow(clippy::cast_precision_loss)] // Nothing here comes near 2^52.
fn decimal(of: u64, parts: u64) -> f64 {
    of as f64 / parts as f64
}

/// The tables as CSV (<https://www.rfc-editor.org/rfc/rfc4180>), or the one with this name. `None`: there is no such table.
pub(crate) fn csv(tables: &[Table], only: Option<&str>) -> Option<String> {
    let mut text = String::new();
    let mut is_any = false;
    for table in tables.iter().filter(|table| only.is_none_or(|only| only == table.id)) {
        if is_any {
            text += "\r\n";
        }
        is_any = true;
        if only.is_none() {
            line(
                &mut text,
                std::iter::once(("table".to_owned(), table.id.to_owned())).flat_map(|(a, b)| [a, b]),
            );
        }
        line(&mut text, table.columns.iter().map(|(name, _)| (*name).to_owned()));
        for row in &table.rows {
            line(&mut text, row.iter().map(Value::plain));
        }
    }
    is_any.then_some(text)
}

fn line(text: &mut String, values: impl Iterator<Item = String>) {
    for (number, value) in values.enumerate() {
        if number > 0 {
            text.push(',');
        }
        *text += &field(&value);
    }
    *text += "\r\n";
}

/// A field. Programs for tables take one that begins so for a formula
/// (<https://owasp.org/www-community/attacks/CSV_Injection>): an apostrophe before it makes it a text.
fn field(value: &str) -> String {
    let is_formula = value.trim_start().starts_with(['=', '+', '-', '@', '|', '%'])
        || value.starts_with(['\t', '\r', '\n', '\0', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let value = if is_formula { format!("'{value}") } else { value.to_owned() };
    if is_formula || value.contains(['"', ',', ';', '\n', '\r', '\t']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value
    }
}

/// All of it as JSON.
pub(crate) fn json(asked: &Asked, sums: &Sums, tables: &[Table]) -> Json {
    let (from, to) = asked.range.times();
    let minute = |at| time(at).chars().take(16).collect::<String>();
    let filters: serde_json::Map<String, Json> =
        asked.filters().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let tables: Vec<Json> = tables
        .iter()
        .map(|table| {
            let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
            let rows: Vec<Vec<Json>> =
                table.rows.iter().map(|row| row.iter().map(Value::json).collect()).collect();
            json!({"table": table.id, "columns": columns, "rows": rows})
        })
        .collect();
    json!({
        "from": minute(from), "to": minute(to), "byHours": asked.range.span, "filters": filters,
        "notCountedYet": sums.uncounted, "tables": tables,
    })
}
