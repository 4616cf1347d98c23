//! TwiML documents (<https://www.twilio.com/docs/voice/twiml>), as far as recoveries need them.

use quick_xml::escape::{escape, partial_escape};
use rejoin_protocol::{TaskSid, WorkflowSid};
use std::borrow::Cow;

/// Content type of every document.
pub const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

/// Maximum length of a document inside a request, in characters
/// (<https://www.twilio.com/docs/voice/api/call-resource>: documented for creating calls, assumed for updating them).
pub const INLINE_LIMIT: usize = 4000;

/// A document: its verbs are carried out one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    verbs: String,
}

/// `<Enqueue>` into a TaskRouter workflow (<https://www.twilio.com/docs/taskrouter/twiml-queue-calls>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueue<'a> {
    /// The workflow.
    pub workflow: &'a WorkflowSid,
    /// Address of the waiting music, fetched with `POST`.
    pub wait_url: &'a str,
    /// Address of the document that follows the queue, fetched with `POST`.
    pub action: &'a str,
    /// The task's priority.
    pub priority: u32,
    /// How long the task may wait for its assignment, in seconds.
    pub timeout_seconds: u64,
    /// The task's attributes: one JSON object. Twilio adds those of the call.
    pub attributes: &'a str,
}

/// `<Dial><Conference>` (<https://www.twilio.com/docs/voice/twiml/conference>). The conference starts with this leg,
/// and neither beeps nor plays music to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conference<'a> {
    /// Flex names a conference after its task.
    pub name: &'a TaskSid,
    /// True when the leg can only listen.
    pub muted: bool,
    /// True when the conference ends as the leg leaves.
    pub end_on_exit: bool,
    /// The leg's label there.
    pub label: Option<&'a str>,
    /// Receives all events of the conference, if this leg is the first one.
    pub status_callback: &'a str,
}

impl Document {
    /// A document without verbs. Twilio hangs up at the end of a document.
    pub fn new() -> Self {
        Self::default()
    }

    /// `<Say>`.
    #[must_use]
    pub fn say(mut self, language: &str, text: &str) -> Self {
        self.open("Say", &[("language", language)]);
        self.text(text);
        self.close("Say");
        self
    }

    /// `<Play>`: an audio file at this address.
    #[must_use]
    pub fn play(mut self, url: &str) -> Self {
        self.open("Play", &[]);
        self.text(url);
        self.close("Play");
        self
    }

    /// `<Play loop="…">`: an audio file this many times, more than once. Up to 1000
    /// (<https://www.twilio.com/docs/voice/twiml/play#loop>).
    #[must_use]
    pub fn play_times(mut self, url: &str, times: u32) -> Self {
        self.open("Play", &[("loop", &times.to_string())]);
        self.text(url);
        self.close("Play");
        self
    }

    /// `<Pause>`: silence for this many seconds.
    #[must_use]
    pub fn pause(mut self, seconds: u32) -> Self {
        self.open("Pause", &[("length", &seconds.to_string())]);
        self.close("Pause");
        self
    }

    /// `<Play loop="0">`: an audio file in a loop, until the leg is redirected.
    #[must_use]
    pub fn play_for_ever(mut self, url: &str) -> Self {
        self.open("Play", &[("loop", "0")]);
        self.text(url);
        self.close("Play");
        self
    }

    /// `<Redirect>`: continues with the document at this address, fetched with `POST`.
    #[must_use]
    pub fn redirect(mut self, url: &str) -> Self {
        self.open("Redirect", &[("method", "POST")]);
        self.text(url);
        self.close("Redirect");
        self
    }

    /// `<Gather>` of one key, which is waited for this many seconds after these words. The address gets it as `Digits`, by
    /// `POST`; without a key the document goes on (<https://www.twilio.com/docs/voice/twiml/gather>).
    #[must_use]
    pub fn gather(mut self, action: &str, seconds: u32, language: &str, text: &str) -> Self {
        let seconds = seconds.to_string();
        let attributes = [("numDigits", "1"), ("timeout", &seconds), ("action", action), ("method", "POST")];
        self.open("Gather", &attributes);
        self = self.say(language, text);
        self.close("Gather");
        self
    }

    /// `<Hangup>`.
    #[must_use]
    pub fn hang_up(mut self) -> Self {
        self.open("Hangup", &[]);
        self.close("Hangup");
        self
    }

    /// `<Enqueue>`.
    #[must_use]
    pub fn enqueue(mut self, enqueue: &Enqueue<'_>) -> Self {
        self.open(
            "Enqueue",
            &[
                ("workflowSid", enqueue.workflow.as_str()),
                ("waitUrl", enqueue.wait_url),
                ("waitUrlMethod", "POST"),
                ("action", enqueue.action),
                ("method", "POST"),
            ],
        );
        let (priority, timeout) = (enqueue.priority.to_string(), enqueue.timeout_seconds.to_string());
        self.open("Task", &[("priority", &priority), ("timeout", &timeout)]);
        self.text(enqueue.attributes);
        self.close("Task");
        self.close("Enqueue");
        self
    }

    /// `<Dial><Conference>`.
    #[must_use]
    pub fn conference(mut self, conference: &Conference<'_>) -> Self {
        self.open("Dial", &[]);
        let flag = |set| if set { "true" } else { "false" };
        let mut attributes = vec![
            ("startConferenceOnEnter", "true"),
            ("endConferenceOnExit", flag(conference.end_on_exit)),
            ("beep", "false"),
            ("waitUrl", ""),
            ("muted", flag(conference.muted)),
            ("statusCallback", conference.status_callback),
            ("statusCallbackMethod", "POST"),
            ("statusCallbackEvent", "start end join leave modify hold mute announcement"),
        ];
        attributes.extend(conference.label.map(|label| ("participantLabel", label)));
        self.open("Conference", &attributes);
        self.text(conference.name.as_str());
        self.close("Conference");
        self.close("Dial");
        self
    }

    /// The document's text.
    pub fn finish(self) -> String {
        if self.verbs.is_empty() {
            return "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>".into();
        }
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{}</Response>", self.verbs)
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.verbs.push('<');
        self.verbs.push_str(name);
        for (key, value) in attributes {
            self.verbs.push(' ');
            self.verbs.push_str(key);
            self.verbs.push_str("=\"");
            self.verbs.push_str(&escape(allowed(value)));
            self.verbs.push('"');
        }
        self.verbs.push('>');
    }

    fn text(&mut self, text: &str) {
        // Quotes need no escape there, and the attributes of a task are full of them.
        self.verbs.push_str(&partial_escape(allowed(text)));
    }

    fn close(&mut self, name: &str) {
        self.verbs.push_str("</");
        self.verbs.push_str(name);
        self.verbs.push('>');
    }
}

/// Removes characters that no XML document may contain, not even escaped: one of them in a customer's name must not
/// cost the call (<https://www.w3.org/TR/xml/#charsets>).
fn allowed(text: &str) -> Cow<'_, str> {
    let fits =
        |c: char| matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    if text.chars().all(fits) { Cow::Borrowed(text) } else { text.chars().filter(|c| fits(*c)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quick_xml::events::Event;
    use quick_xml::reader::Reader;

    /// The document as a reader sees it: names, attributes and texts.
    fn read(xml: &str) -> Vec<String> {
        let mut reader = Reader::from_str(xml);
        let mut seen = vec![];
        let mut text = String::new();
        loop {
            match reader.read_event().expect("well-formed") {
                Event::Start(start) => {
                    seen.push(format!("<{}", start.name().as_ref()));
                    for attribute in start.attributes() {
                        let attribute = attribute.expect("an attribute");
                        let value =
                            quick_xml::escape::unescape(&attribute.value).expect("escaped").into_owned();
                        seen.push(format!("{}={value}", attribute.key.as_ref()));
                    }
                }
                Event::Text(part) => text.push_str(&part),
                Event::GeneralRef(part) => text.push_str(
                    &quick_xml::escape::unescape(&format!("&{};", &*part)).expect("a known entity"),
                ),
                Event::End(end) => {
                    if !text.is_empty() {
                        seen.push(std::mem::take(&mut text));
                    }
                    seen.push(format!(">{}", end.name().as_ref()));
                }
                Event::Eof => return seen,
                Event::Empty(_) | Event::Decl(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    #[test]
    fn an_xml_reader_sees_the_texts_that_were_written() {
        let nasty = "\"Tom & Jerry's\" <b>]]></Task> é 🙂 \\u0000\nend";
        let attributes = format!("{{\"name\":{}}}", serde_json::to_string(nasty).expect("serialises"));
        let workflow = WorkflowSid::numbered(1);
        let xml = Document::new()
            .enqueue(&Enqueue {
                workflow: &workflow,
                wait_url: "https://a/wait?x=1&y=\"2\"",
                action: "https://a/after",
                priority: 1000,
                timeout_seconds: 660,
                attributes: &attributes,
            })
            .say("en-US", nasty)
            .redirect("https://a/b?c=1&d=2")
            .finish();
        let seen = read(&xml);
        assert_eq!(
            seen[..11],
            [
                "<Response",
                "<Enqueue",
                &format!("workflowSid={workflow}"),
                "waitUrl=https://a/wait?x=1&y=\"2\"",
                "waitUrlMethod=POST",
                "action=https://a/after",
                "method=POST",
                "<Task",
                "priority=1000",
                "timeout=660",
                &attributes,
            ]
        );
        assert!(seen.contains(&nasty.to_owned()), "{seen:?}");
        assert!(seen.contains(&"https://a/b?c=1&d=2".to_owned()), "{seen:?}");
    }

    #[test]
    fn characters_that_xml_forbids_are_left_out() {
        let xml = Document::new().say("en\u{1}-US", "a\u{0}b\u{b}c\u{ffff}d\te").finish();
        assert_eq!(read(&xml), ["<Response", "<Say", "language=en-US", "abcd\te", ">Say", ">Response"]);
    }

    #[test]
    fn a_conference_document_has_the_flags_of_the_leg() {
        let xml = Document::new()
            .conference(&Conference {
                name: &TaskSid::numbered(9),
                muted: true,
                end_on_exit: false,
                label: Some("a & b"),
                status_callback: "https://a/cb",
            })
            .finish();
        let seen = read(&xml);
        for wanted in [
            "endConferenceOnExit=false",
            "muted=true",
            "statusCallback=https://a/cb",
            "waitUrl=",
            "participantLabel=a & b",
        ] {
            assert!(seen.contains(&wanted.to_owned()), "{wanted} in {seen:?}");
        }
        assert!(seen.contains(&TaskSid::numbered(9).to_string()));
    }

    #[test]
    fn a_document_without_verbs_is_valid() {
        assert!(Document::new().finish().ends_with("<Response/>"));
    }
}
