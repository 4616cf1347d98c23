//! Lists: filtered and ordered by the query, and cut into pages
//! (<https://www.twilio.com/docs/usage/twilios-response#response-formats-list-paging-information>).

use super::form::Form;
use crate::{
    contract::{Answer, Field, Kind, Operation, Place},
    dates,
    facts::PAGE_SIZE,
    model::{ApiError, Expression, lookup},
};
use rejoin_protocol::Millis;
use rejoin_twilio::encoded;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// Parameters that select the page, not its items.
const PAGING: [&str; 3] = ["PageSize", "Page", "PageToken"];
const DAY: Millis = Millis::seconds(86_400);

/// Cuts the page out of the whole list. `path`: of the request.
///
/// # Errors
/// When an order, an expression or the page is malformed.
pub(super) fn page(operation: &Operation, form: &Form, path: &str, body: Value) -> Result<Value, ApiError> {
    let Answer::List { key, .. } = &operation.answer else { return Ok(body) };
    let Value::Object(mut body) = body else { return Ok(body) };
    let Some(Value::Array(mut items)) = body.remove(key) else { return Ok(Value::Object(body)) };
    for (name, value) in form.query() {
        let field = operation.parameters.iter().find(|field| field.name == *name);
        let Some(field) = field.filter(|field| field.place == Place::Query) else { continue };
        match (&field.of, name.as_str()) {
            (Some(of), _) => items.retain(|item| keeps(field, value, at(item, of))),
            (None, "HasAddons") => {
                let wanted = value.eq_ignore_ascii_case("true");
                items.retain(|item| (item["addons"] != "{}") == wanted);
            }
            (None, "StartDate") => items.retain(|item| event_date(item) >= instant(value)),
            (None, "EndDate") => items.retain(|item| event_date(item) <= instant(value)),
            (None, "TargetWorkersExpression") => targeted(&mut items, value)?,
            (None, "Ordering") => order(&mut items, value)?,
            // Minutes, EvaluateTaskAttributes: the model has handled them.
            (None, _) => {}
        }
    }
    let page = Page::of(form, &items)?;
    let next = items.split_off(page.end.min(items.len()));
    let more = !next.is_empty();
    let before =
        page.start.checked_sub(page.size + 1).and_then(|index| Some((index, sid(items.get(index)?))));
    let before = before.map(|(index, sid)| token(index, &sid));
    let last = items.last().filter(|_| more).map(|item| token(page.end - 1, &sid(item)));
    items.drain(..page.start.min(items.len()));
    let address =
        |number: usize, token: Option<&str>| address(operation, form, path, page.size, number, token);
    let own = address(page.number, form.text("PageToken").as_deref());
    let previous = (page.number > 0).then(|| address(page.number - 1, before.as_deref()));
    let next = last.map(|token| address(page.number + 1, Some(&token)));
    let first = address(0, None);
    if operation.path.ends_with(".json") {
        let end = page.start + items.len().saturating_sub(1);
        let around = json!({
            "page": page.number, "page_size": page.size, "start": page.start, "end": end, "uri": own,
            "first_page_uri": first, "previous_page_uri": previous, "next_page_uri": next,
        });
        body.extend(object(around));
    } else {
        let meta = json!({
            "key": key, "page": page.number, "page_size": page.size, "url": own, "first_page_url": first,
            "previous_page_url": previous, "next_page_url": next,
        });
        body.insert("meta".into(), meta);
    }
    body.insert(key.clone(), items.into());
    Ok(Value::Object(body))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// The field of an item, with a dot where it is nested.
fn at<'a>(item: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(item, |value, name| &value[name])
}

fn keeps(field: &Field, wanted: &str, found: &Value) -> bool {
    match (&field.kind, found) {
        (Kind::Flag, Value::Bool(flag)) => wanted.eq_ignore_ascii_case(&flag.to_string()),
        (Kind::Int(_), Value::Number(number)) => wanted == number.to_string(),
        (Kind::Date, Value::String(text)) => {
            let (Some(found), Some((wanted, exact))) = (dates::parse_rfc2822(text), dates::parse_iso(wanted))
            else {
                return false;
            };
            let end = if exact { wanted } else { wanted + DAY };
            match field.name.chars().last() {
                // Both are inclusive, as the equals sign after them says.
                Some('<') => found < end || found == wanted,
                Some('>') => found >= wanted,
                _ => found == wanted || (found >= wanted && found < end),
            }
        }
        (_, Value::String(text)) if field.repeated => wanted.split(',').any(|one| one.trim() == text),
        (_, Value::String(text)) => wanted == text,
        _ => false,
    }
}

fn event_date(item: &Value) -> Option<u64> {
    item["event_date_ms"].as_u64().map(|at| at / 1000)
}

fn instant(text: &str) -> Option<u64> {
    dates::parse_iso(text).map(|(at, _)| at.0 / 1000)
}

fn targeted(items: &mut Vec<Value>, expression: &str) -> Result<(), ApiError> {
    let wanted = Expression::parse(expression).map_err(|error| ApiError::bad_request(error.to_string()))?;
    items.retain(|item| {
        let attributes = item["attributes"].as_str().unwrap_or_default();
        let attributes: Value = serde_json::from_str(attributes).unwrap_or_default();
        wanted.holds(&|path| lookup(&attributes, path))
    });
    Ok(())
}

/// `Priority:desc,DateCreated:asc`. Each name is that of a field.
fn order(items: &mut [Value], wanted: &str) -> Result<(), ApiError> {
    // The first one counts most: stable sorts, the last one first.
    for one in wanted.split(',').rev() {
        let (name, way) = one.trim().split_once(':').unwrap_or((one.trim(), "asc"));
        let field = snake(name);
        let known = items.iter().all(|item| item.get(&field).is_some());
        if field.is_empty() || !known || !matches!(way, "asc" | "desc") {
            return Err(ApiError::bad_request(format!("Invalid parameter Ordering: {one}")));
        }
        items.sort_by(|a, b| {
            let order = compared(&a[&field], &b[&field]);
            if way == "desc" { order.reverse() } else { order }
        });
    }
    Ok(())
}

fn compared(a: &Value, b: &Value) -> Ordering {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_str().cmp(&b.as_str()),
    }
}

/// `DateCreated` is `date_created`.
fn snake(name: &str) -> String {
    let mut field = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !field.is_empty() {
            field.push('_');
        }
        field.push(letter.to_ascii_lowercase());
    }
    field
}

/// The items of a page.
struct Page {
    number: usize,
    size: usize,
    /// Index of the first item.
    start: usize,
    /// Index after the last item, unless the list is shorter.
    end: usize,
}

impl Page {
    fn of(form: &Form, items: &[Value]) -> Result<Self, ApiError> {
        let size = form.number("PageSize")?.unwrap_or(PAGE_SIZE);
        let number = form.number("Page")?.unwrap_or(0);
        let invalid = |what: &str| ApiError::bad_request(format!("Invalid parameter {what}"));
        let start = match form.text("PageToken") {
            Some(token) => {
                let place = token.strip_prefix("PA").and_then(|token| token.split_once('.'));
                let (index, after) = place.ok_or_else(|| invalid("PageToken"))?;
                let index: usize = index.parse().map_err(|_| invalid("PageToken"))?;
                // If the item is gone, the page starts at the same index.
                let found = items.iter().position(|item| sid(item) == after);
                found.map_or(index.min(items.len()), |found| found + 1)
            }
            None if number == 0 => 0,
            None => return Err(invalid("Page: follow the address of the next page, which has a PageToken")),
        };
        Ok(Self { number, size, start, end: start.saturating_add(size) })
    }
}

/// The token after which the next page begins.
fn token(index: usize, sid: &str) -> String {
    format!("PA{index}.{sid}")
}

/// Participants are identified by their legs.
fn sid(item: &Value) -> String {
    let sid = item.get("sid").or_else(|| item.get("call_sid"));
    sid.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The address of another page of the same list, with its filters.
fn address(
    operation: &Operation,
    form: &Form,
    path: &str,
    size: usize,
    number: usize,
    token: Option<&str>,
) -> String {
    let (size, number) = (size.to_string(), number.to_string());
    let filters = form.query().iter().filter(|(name, _)| !PAGING.contains(&name.as_str()));
    let mut query: Vec<(&str, &str)> = filters.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    query.extend([("PageSize", size.as_str()), ("Page", number.as_str())]);
    query.extend(token.map(|token| ("PageToken", token)));
    let query = encoded(&query);
    match operation.path.ends_with(".json") {
        true => format!("/{path}?{query}"),
        false => format!("https://{}/{path}?{query}", operation.host),
    }
}
