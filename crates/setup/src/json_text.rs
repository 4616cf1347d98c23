//! Changes a JSON text in one place and leaves every other byte as it is: order, spaces and unknown keys of what others wrote.

use std::ops::Range;

/// Reads a JSON text from one place on.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        self.space();
        (self.peek() == Some(wanted)).then(|| self.at += 1)
    }

    fn string(&mut self) -> Option<Range<usize>> {
        self.space();
        let start = self.at;
        self.take(b'"')?;
        loop {
            match self.peek()? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(start..self.at)
    }

    /// Any value: strings are skipped whole, so that their brackets do not count.
    fn value(&mut self) -> Option<Range<usize>> {
        self.space();
        let (start, mut depth) = (self.at, 0_usize);
        loop {
            match self.peek() {
                Some(b'"') => _ = self.string()?,
                Some(b'{' | b'[') => (depth, self.at) = (depth + 1, self.at + 1),
                Some(b'}' | b']') if depth > 0 => (depth, self.at) = (depth - 1, self.at + 1),
                Some(b',' | b'}' | b']') | None if depth == 0 => break,
                Some(_) => self.at += 1,
                None => return None,
            }
            if depth == 0
                && matches!(self.text.as_bytes().get(self.at.wrapping_sub(1)), Some(b'"' | b'}' | b']'))
            {
                break;
            }
        }
        let text = self.text.get(start..self.at)?.trim_end();
        (!text.is_empty()).then(|| start..start + text.len())
    }
}

/// Where the value at this path of keys stands.
fn find(text: &str, path: &[&str]) -> Option<Range<usize>> {
    let mut found = Reader { text, at: 0 }.value()?;
    for wanted in path {
        let mut reader = Reader { text, at: found.start };
        reader.take(b'{')?;
        found = loop {
            let key = reader.string()?;
            reader.take(b':')?;
            let value = reader.value()?;
            if serde_json::from_str::<String>(&text[key]).is_ok_and(|key| key == *wanted) {
                break value;
            }
            reader.take(b',')?;
        };
    }
    Some(found)
}

/// The elements of an array.
fn elements(text: &str, array: &Range<usize>) -> Option<Vec<Range<usize>>> {
    let mut reader = Reader { text, at: array.start };
    reader.take(b'[')?;
    reader.space();
    let mut elements = vec![];
    if reader.peek() == Some(b']') {
        return Some(elements);
    }
    loop {
        elements.push(reader.value()?);
        if reader.take(b',').is_none() {
            reader.take(b']')?;
            return Some(elements);
        }
    }
}

/// Puts an element before the others of the array at this path, with the space that the first one has. `element` is given the
/// indentation of its lines, if the elements stand on lines of their own. `None`: there is no such array.
pub(crate) fn insert_first(
    text: &str,
    path: &[&str],
    element: impl FnOnce(Option<&str>) -> String,
) -> Option<String> {
    let array = find(text, path)?;
    let all = elements(text, &array)?;
    let (before, after) = text.split_at(array.start + 1);
    let Some(first) = all.first() else { return Some(format!("{before}{}{after}", element(None))) };
    let space = &text[array.start + 1..first.start];
    let indentation = space.rsplit_once('\n').map(|(_, indentation)| indentation);
    Some(format!("{before}{space}{},{after}", element(indentation)))
}

/// Removes an element of the array at this path, with its comma. `None`: there is none.
pub(crate) fn remove(text: &str, path: &[&str], index: usize) -> Option<String> {
    let array = find(text, path)?;
    let all = elements(text, &array)?;
    let element = all.get(index)?;
    let next = all.get(index + 1).map(|next| next.start);
    let previous = index.checked_sub(1).and_then(|index| all.get(index)).map(|previous| previous.end);
    let (from, to) = match (previous, next) {
        (_, Some(next)) => (element.start, next),
        (Some(previous), None) => (previous, element.end),
        (None, None) => (element.start, element.end),
    };
    Some(format!("{}{}", &text[..from], &text[to..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[\\PC\\\\\"\\[\\]{}]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z\"\\\\{]{1,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_element_is_inserted_and_removed_without_touching_anything_else(
            (rest, filters, element, is_pretty) in (json(), prop::collection::vec(json(), 0..4), json(), any::<bool>())
        ) {
            let whole = json!({"a": rest.clone(), "task_routing": {"default_filter": rest, "filters": filters}});
            let text = if is_pretty { serde_json::to_string_pretty(&whole) } else { serde_json::to_string(&whole) };
            let text = text.expect("JSON");
            let path = ["task_routing", "filters"];
            let with = insert_first(&text, &path, |_| element.to_string()).expect("an array");
            let mut expected = whole.clone();
            if let Some(filters) = expected["task_routing"]["filters"].as_array_mut() {
                filters.insert(0, element);
            }
            prop_assert_eq!(serde_json::from_str::<Value>(&with).expect("JSON"), expected);
            prop_assert_eq!(remove(&with, &path, 0).expect("an array"), text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}\",:a\\\\ \\PC]{0,40}") {
            let _ = insert_first(&text, &["a"], |_| "0".into());
            let _ = remove(&text, &["a"], 0);
        }
    }

    #[test]
    fn the_last_element_goes_with_the_comma_before_it() {
        assert_eq!(remove(r#"{"f": [1, 2]}"#, &["f"], 1).as_deref(), Some(r#"{"f": [1]}"#));
        assert_eq!(remove(r#"{"f": [1]}"#, &["f"], 0).as_deref(), Some(r#"{"f": []}"#));
        assert_eq!(remove(r#"{"f": [1]}"#, &["f"], 1), None);
        assert_eq!(remove(r#"{"g": [1]}"#, &["f"], 0), None);
    }
}
