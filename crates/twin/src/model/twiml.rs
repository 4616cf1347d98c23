//! TwiML: the verbs that voice queues and conferences need (<https://www.twilio.com/docs/voice/twiml>).

use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
};
use rejoin_protocol::{Millis, WorkflowSid};
use std::collections::BTreeMap;

/// Why a text is not TwiML, with Twilio's error code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {what}")]
pub struct TwimlError {
    /// Twilio's code (<https://www.twilio.com/docs/api/errors>).
    pub code: u32,
    /// What is wrong.
    pub what: String,
}

/// A verb. URLs are as written: relative to the document's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Say {
        text: String,
        loops: u32,
    },
    Play {
        url: String,
        loops: u32,
    },
    Pause(Millis),
    Enqueue(Enqueue),
    Conference(Box<DialConference>),
    Redirect(Link),
    Gather(Box<Gather>),
    /// Waits for the keys of a `<Gather>` whose prompts are over.
    Listen,
    Hangup,
    Leave,
}

/// `<Gather>` of keys (<https://www.twilio.com/docs/voice/twiml/gather>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gather {
    /// What plays meanwhile: `<Say>`, `<Play>` and `<Pause>`.
    pub(super) prompts: Vec<Verb>,
    pub(super) action: Option<Link>,
    /// `numDigits`; `None`: any number of keys.
    pub(super) keys: Option<usize>,
    /// Ends the input, and is not part of it; `None`: no key does.
    pub(super) finish: Option<char>,
    /// How long each key is waited for, once the prompts are over.
    pub(super) timeout: Millis,
    /// `actionOnEmptyResult`: the action is requested without any key, too.
    pub(super) empty: bool,
}

/// A document to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) url: String,
    /// `GET` or `POST`.
    pub(super) method: String,
}

/// `<Enqueue>` into a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Enqueue {
    pub(super) workflow: WorkflowSid,
    pub(super) wait: Option<Link>,
    pub(super) action: Option<Link>,
    /// JSON text of `<Task>`.
    pub(super) attributes: String,
    pub(super) priority: u32,
    pub(super) timeout: Option<Millis>,
}

/// `<Dial><Conference>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DialConference {
    pub(super) name: String,
    pub(super) start_on_enter: bool,
    pub(super) end_on_exit: bool,
    pub(super) muted: bool,
    pub(super) label: Option<String>,
    pub(super) callback: Option<Callback>,
    pub(super) action: Option<Link>,
}

/// Where a conference's events are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Callback {
    pub(super) link: Link,
    /// Selectors: `start`, `end`, `join`, …
    pub(super) events: Vec<String>,
}

impl Callback {
    /// `events` is separated by commas or spaces.
    pub(super) fn new(url: &str, method: Option<&str>, events: &str) -> Self {
        Self {
            link: Link { url: url.into(), method: http_method(method) },
            events: events
                .split([',', ' '])
                .filter(|event| !event.is_empty())
                .map(str::to_ascii_lowercase)
                .collect(),
        }
    }
}

/// `GET` if the document says so, else `POST`.
pub(super) fn http_method(method: Option<&str>) -> String {
    match method {
        Some(method) if method.eq_ignore_ascii_case("GET") => "GET".into(),
        _ => "POST".into(),
    }
}

/// Parses a document.
pub(super) fn parse(document: &str, limit: usize) -> Result<Vec<Verb>, TwimlError> {
    if document.len() > limit {
        return Err(error(11750, "the document is too long"));
    }
    let root = tree(document)?;
    if root.name != "Response" {
        return Err(error(12100, format!("the root is <{}>, not <Response>", root.name)));
    }
    root.children.iter().map(verb).collect()
}

fn error(code: u32, what: impl Into<String>) -> TwimlError {
    TwimlError { code, what: what.into() }
}

#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, TwimlError> {
        match self.attribute(name) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(error(12200, format!("{name} of <{}> is neither true nor false", self.name))),
        }
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, TwimlError> {
        self.attribute(name)
            .map(str::parse)
            .transpose()
            .map_err(|_| error(12200, format!("{name} of <{}> is not a number in range", self.name)))
    }

    fn link(&self, url: &str, method: &str) -> Option<Link> {
        self.attribute(url)
            .filter(|url| !url.is_empty())
            .map(|url| Link { url: url.into(), method: http_method(self.attribute(method)) })
    }
}

fn tree(document: &str) -> Result<Element, TwimlError> {
    let broken = |what: String| error(12100, what);
    let mut reader = Reader::from_str(document);
    // The bottom of the stack holds the root.
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(|why| broken(why.to_string()))?;
        let text = match event {
            Event::Start(start) => {
                if open.len() > 8 {
                    return Err(broken("too many levels".into()));
                }
                open.push(element(&start)?);
                continue;
            }
            Event::Empty(start) => {
                let element = element(&start)?;
                if let Some(parent) = open.last_mut() {
                    parent.children.push(element);
                }
                continue;
            }
            Event::End(_) => {
                if let (Some(done), Some(parent)) = (open.pop(), open.last_mut()) {
                    parent.children.push(done);
                }
                continue;
            }
            Event::Text(text) => text.xml10_content().into_owned(),
            Event::CData(text) => text.xml10_content().into_owned(),
            Event::GeneralRef(reference) => {
                match reference.resolve_char_ref().map_err(|why| broken(why.to_string()))? {
                    Some(c) => c.to_string(),
                    None => resolve_predefined_entity(&reference)
                        .ok_or_else(|| broken("an unknown entity".into()))?
                        .to_owned(),
                }
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
            Event::DocType(_) => return Err(broken("a document type is not allowed".into())),
        };
        if let Some(element) = open.last_mut() {
            element.text.push_str(&text);
        }
    }
    let mut bottom = match (open.pop(), open.pop()) {
        (Some(bottom), None) => bottom,
        _ => return Err(broken("an element is never closed".into())),
    };
    match (bottom.children.pop(), bottom.children.pop()) {
        (Some(root), None) => Ok(root),
        _ => Err(broken("there is not exactly one root".into())),
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, TwimlError> {
    let mut element = Element { name: start.name().as_ref().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|why| error(12100, why.to_string()))?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|why| error(12100, why.to_string()))?;
        element.attributes.insert(attribute.key.as_ref().to_owned(), value.into_owned());
    }
    Ok(element)
}

fn verb(element: &Element) -> Result<Verb, TwimlError> {
    let text = || element.text.trim().to_owned();
    let loops = || element.number("loop").map(|loops| loops.unwrap_or(1));
    match element.name.as_str() {
        "Say" => Ok(Verb::Say { text: text(), loops: loops()? }),
        "Play" => Ok(Verb::Play { url: text(), loops: loops()? }),
        "Pause" => {
            let seconds = element.number::<u32>("length")?.unwrap_or(1);
            Ok(Verb::Pause(Millis::seconds(u64::from(seconds))))
        }
        "Enqueue" => enqueue(element),
        "Dial" => dial(element),
        "Redirect" => {
            Ok(Verb::Redirect(Link { url: text(), method: http_method(element.attribute("method")) }))
        }
        "Gather" => gather(element),
        "Hangup" => Ok(Verb::Hangup),
        "Leave" => Ok(Verb::Leave),
        other => Err(error(12200, format!("<{other}> is not modelled by the twin, or no verb"))),
    }
}

fn gather(element: &Element) -> Result<Verb, TwimlError> {
    if element.attribute("input").is_some_and(|input| input != "dtmf") {
        return Err(error(12200, "the twin models <Gather> of keys alone"));
    }
    let prompts: Vec<Verb> = element.children.iter().map(verb).collect::<Result<_, _>>()?;
    let sounds = |verb: &Verb| matches!(verb, Verb::Say { .. } | Verb::Play { .. } | Verb::Pause(_));
    if !prompts.iter().all(sounds) {
        return Err(error(12200, "<Gather> takes <Say>, <Play> and <Pause> alone"));
    }
    let timeout = element.number::<u32>("timeout")?.unwrap_or(5);
    Ok(Verb::Gather(Box::new(Gather {
        prompts,
        action: element.link("action", "method"),
        keys: element.number("numDigits")?,
        finish: element.attribute("finishOnKey").map_or(Some('#'), |key| key.chars().next()),
        timeout: Millis::seconds(u64::from(timeout)),
        empty: element.flag("actionOnEmptyResult", false)?,
    })))
}

fn enqueue(element: &Element) -> Result<Verb, TwimlError> {
    let workflow = element
        .attribute("workflowSid")
        .and_then(|sid| WorkflowSid::parse(sid).ok())
        .ok_or_else(|| error(12200, "the twin models <Enqueue> with a workflowSid alone"))?;
    let task = element.children.iter().find(|child| child.name == "Task");
    Ok(Verb::Enqueue(Enqueue {
        workflow,
        wait: element.link("waitUrl", "waitUrlMethod"),
        action: element.link("action", "method"),
        attributes: task.map(|task| task.text.trim()).filter(|text| !text.is_empty()).unwrap_or("{}").into(),
        priority: task.map(|task| task.number("priority")).transpose()?.flatten().unwrap_or_default(),
        timeout: task
            .map(|task| task.number("timeout"))
            .transpose()?
            .flatten()
            .map(|seconds: u32| Millis::seconds(u64::from(seconds))),
    }))
}

fn dial(element: &Element) -> Result<Verb, TwimlError> {
    let conference = element
        .children
        .iter()
        .find(|child| child.name == "Conference")
        .ok_or_else(|| error(12200, "the twin models <Dial> with a <Conference> alone"))?;
    let callback = conference.attribute("statusCallback").filter(|url| !url.is_empty()).map(|url| {
        Callback::new(
            url,
            conference.attribute("statusCallbackMethod"),
            conference.attribute("statusCallbackEvent").unwrap_or_default(),
        )
    });
    let name = conference.text.trim().to_owned();
    if name.is_empty() {
        return Err(error(12200, "<Conference> without a name"));
    }
    Ok(Verb::Conference(Box::new(DialConference {
        name,
        start_on_enter: conference.flag("startConferenceOnEnter", true)?,
        end_on_exit: conference.flag("endConferenceOnExit", false)?,
        muted: conference.flag("muted", false)?,
        label: conference.attribute("participantLabel").map(str::to_owned),
        callback,
        action: element.link("action", "method"),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(document: &str) -> Vec<Verb> {
        parse(document, 65_536).expect(document)
    }

    #[test]
    fn an_enqueue_with_its_task_is_parsed() {
        let workflow = WorkflowSid::numbered(1);
        let document = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
            <!-- back to the queue -->
            <Response>
              <Enqueue workflowSid="{workflow}" waitUrl="/wait?a=1&amp;b=2" waitUrlMethod="GET" action="after">
                <Task priority="1000" timeout="300">{{"name":"A &amp; B &#8364; &quot;x&quot;","n":1}}</Task>
              </Enqueue>
              <Say loop="2">Hello</Say><Pause length="3"/><Play loop="0">a.wav</Play><Hangup/>
            </Response>"#
        );
        assert_eq!(
            parsed(&document),
            [
                Verb::Enqueue(Enqueue {
                    workflow,
                    wait: Some(Link { url: "/wait?a=1&b=2".into(), method: "GET".into() }),
                    action: Some(Link { url: "after".into(), method: "POST".into() }),
                    attributes: r#"{"name":"A & B € "x"","n":1}"#.into(),
                    priority: 1000,
                    timeout: Some(Millis::seconds(300)),
                }),
                Verb::Say { text: "Hello".into(), loops: 2 },
                Verb::Pause(Millis::seconds(3)),
                Verb::Play { url: "a.wav".into(), loops: 0 },
                Verb::Hangup,
            ]
        );
    }

    #[test]
    fn a_conference_with_its_callback_is_parsed() {
        let verbs = parsed(
            r#"<Response><Dial action="/next"><Conference endConferenceOnExit="false" muted="true" beep="false"
            participantLabel="ext-1" statusCallback="/cb" statusCallbackEvent="start join leave">room</Conference>
            </Dial></Response>"#,
        );
        let [Verb::Conference(conference)] = verbs.as_slice() else { panic!("{verbs:?}") };
        assert_eq!(
            (conference.name.as_str(), conference.muted, conference.end_on_exit),
            ("room", true, false)
        );
        assert!(conference.start_on_enter);
        assert_eq!(conference.callback.as_ref().expect("a callback").events, ["start", "join", "leave"]);
    }

    #[test]
    fn malformed_documents_are_refused() {
        for (document, code) in [
            ("", 12100),
            ("hello", 12100),
            ("<Response>", 12100),
            ("<Response></Wrong>", 12100),
            ("<Answer/>", 12100),
            ("<Response/><Response/>", 12100),
            ("<Response><Say>&nope;</Say></Response>", 12100),
            ("<!DOCTYPE x [<!ENTITY a 'b'>]><Response/>", 12100),
            ("<Response><Gather input=\"speech\"/></Response>", 12200),
            ("<Response><Gather numDigits=\"one\"/></Response>", 12200),
            ("<Response><Gather><Hangup/></Gather></Response>", 12200),
            ("<Response><Record/></Response>", 12200),
            ("<Response><Enqueue>support</Enqueue></Response>", 12200),
            ("<Response><Dial>+15550000000</Dial></Response>", 12200),
            ("<Response><Dial><Conference muted=\"maybe\">x</Conference></Dial></Response>", 12200),
        ] {
            assert_eq!(parse(document, 65_536).expect_err(document).code, code, "{document}");
        }
        assert_eq!(parse("<Response/>", 3).expect_err("too long").code, 11750);
        assert!(parse(&"<a>".repeat(1000), 65_536).is_err());
    }

    proptest! {
        #[test]
        fn no_document_panics(text in "(<Response>)?[<>/a-zA-Z&;#=\" 0-9]{0,60}(</Response>)?") {
            let _ = parse(&text, 65_536);
        }
    }
}
