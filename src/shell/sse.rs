//! Parser for `text/event-stream` (<https://html.spec.whatwg.org/multipage/server-sent-events.html>), as far as it
//! carries data.

use crate::value::{cut, joined};

/// Takes text in pieces of any size and returns whole messages.
#[derive(Debug, Default)]
pub struct Parser {
    line: String,
    data: Option<String>,
    /// Id of the message that is being read, or of the last one.
    reading: Option<String>,
    /// Id of the last whole message, even one without data.
    pub id: Option<String>,
}

impl Parser {
    /// Takes a piece of the stream; returns the messages that it completes.
    pub fn feed(&mut self, text: &str) -> Vec<String> {
        let mut messages = Vec::new();
        let text = joined(&[&self.line, text]);
        let mut rest = text.as_str();
        while let Some((line, more)) = cut(rest, b'\n') {
            messages.extend(self.line(line.strip_suffix('\r').unwrap_or(line)));
            rest = more;
        }
        rest.clone_into(&mut self.line);
        messages
    }

    fn line(&mut self, line: &str) -> Option<String> {
        if line.is_empty() {
            self.id.clone_from(&self.reading);
            return self.data.take();
        }
        // Everything else is a comment (a heartbeat), or a field that is not used here.
        let (field, value) = cut(line, b':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        if field == "id" {
            self.reading = Some(value.to_owned());
        } else if field == "data" {
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_give_the_same_messages() {
        let text = ": hi\n\ndata: {\"a\":1}\n\nevent: x\r\ndata:two\r\ndata: lines\r\n\r\nid: 3\n\nid:4\ndata: not finished";
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let chars: Vec<char> = text.chars().collect();
            let messages: Vec<String> =
                chars.chunks(size).flat_map(|piece| parser.feed(&piece.iter().collect::<String>())).collect();
            assert_eq!(messages, ["{\"a\":1}", "two\nlines"], "in pieces of {size}");
            assert_eq!(parser.id.as_deref(), Some("3"), "that of a message that is not whole does not count");
        }
    }
}
