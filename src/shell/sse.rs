//! The format `text/event-stream` (<https://html.spec.whatwg.org/multipage/server-sent-events.html>), as much of it
//! as carries data.

/// Takes text in pieces of any size and gives whole messages.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: String,
    data: Option<String>,
}

impl Parser {
    pub(super) fn feed(&mut self, text: &str) -> Vec<String> {
        let mut messages = Vec::new();
        for char in text.chars() {
            if char == '\n' {
                let line = std::mem::take(&mut self.line);
                messages.extend(self.line(line.strip_suffix('\r').unwrap_or(&line)));
            } else {
                self.line.push(char);
            }
        }
        messages
    }

    fn line(&mut self, line: &str) -> Option<String> {
        if line.is_empty() {
            return self.data.take();
        }
        // Everything else is a comment (a sign of life), or a field that is not used here.
        if let Some(value) = line.strip_prefix("data:") {
            let value = value.strip_prefix(' ').unwrap_or(value);
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
        let text = ": hi\n\ndata: {\"a\":1}\n\nevent: x\r\ndata:two\r\ndata: lines\r\n\r\nid: 3\n\ndata: not finished";
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let chars: Vec<char> = text.chars().collect();
            let messages: Vec<String> =
                chars.chunks(size).flat_map(|piece| parser.feed(&piece.iter().collect::<String>())).collect();
            assert_eq!(messages, ["{\"a\":1}", "two\nlines"], "in pieces of {size}");
        }
    }
}
