//! Reads a TwiML document of somewhere else, to judge what it does with a call.

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// A verb, without what is nested in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadVerb {
    /// `Say`, `Play`, …
    pub name: String,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
    /// Its text.
    pub text: String,
}

impl ReadVerb {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// All verbs of a document, nested ones too, in the order in which they begin. `None`: it is no TwiML.
pub fn read_twiml(document: &str) -> Option<Vec<ReadVerb>> {
    let mut reader = Reader::from_str(document);
    let (mut verbs, mut open): (Vec<ReadVerb>, Vec<usize>) = (vec![], vec![]);
    let (mut is_twiml, mut depth) = (false, 0_usize);
    loop {
        let mut text = None;
        match reader.read_event().ok()? {
            Event::Start(start) if depth == 0 => {
                is_twiml = start.name().as_ref() == "Response";
                depth = 1;
            }
            Event::Empty(start) if depth == 0 => is_twiml = start.name().as_ref() == "Response",
            Event::Start(start) => {
                depth += 1;
                open.push(verbs.len());
                verbs.push(verb(&start)?);
            }
            Event::Empty(start) => verbs.push(verb(&start)?),
            Event::End(_) => {
                depth = depth.checked_sub(1)?;
                open.pop();
            }
            Event::Text(part) => text = Some(part.xml10_content().into_owned()),
            Event::CData(part) => text = Some(part.xml10_content().into_owned()),
            Event::GeneralRef(reference) => {
                text = match reference.resolve_char_ref().ok()? {
                    Some(c) => Some(c.to_string()),
                    None => Some(resolve_predefined_entity(&reference)?.to_owned()),
                };
            }
            Event::Eof => return (is_twiml && depth == 0).then_some(verbs),
            Event::DocType(_) => return None,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
        if let (Some(text), Some(verb)) = (text, open.last().and_then(|place| verbs.get_mut(*place))) {
            verb.text.push_str(&text);
        }
    }
}

fn verb(start: &BytesStart<'_>) -> Option<ReadVerb> {
    let mut verb = ReadVerb { name: start.name().as_ref().to_owned(), ..ReadVerb::default() };
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
        verb.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Some(verb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twiml::Document;

    #[test]
    fn what_was_written_is_read_and_nested_verbs_too() {
        let written =
            Document::new().gather("https://a/b?c=1&d=2", 5, "en-US", "Press \"1\" & wait").pause(7).finish();
        let read = read_twiml(&written).expect("a document");
        let names: Vec<_> = read.iter().map(|verb| verb.name.as_str()).collect();
        assert_eq!(names, ["Gather", "Say", "Pause"]);
        assert_eq!(read[0].attribute("action"), Some("https://a/b?c=1&d=2"));
        assert_eq!((read[1].text.as_str(), read[2].attribute("length")), ("Press \"1\" & wait", Some("7")));
        assert_eq!(read_twiml("<Response/>"), Some(vec![]));
    }

    #[test]
    fn what_is_no_twiml_is_told_apart() {
        for text in
            ["", "hello", "<html/>", "<Response>", "<Response><Say></Response>", "<!DOCTYPE a><Response/>"]
        {
            assert_eq!(read_twiml(text), None, "{text}");
        }
    }
}
