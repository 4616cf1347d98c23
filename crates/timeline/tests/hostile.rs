//! Texts from outside stay text, wherever they stand: what a page consists of depends on the number of its entries, not on what
//! they say.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use rejoin_timeline::{
    Entry, Fault, Item, Kind, Lane, List, SCRIPT, STYLE, State, StateKind, Timeline, Verdict, Words,
    fragment, page,
};

/// Parts of markup, of scripts and of paths, and characters that are no text.
const HOSTILE: [&str; 24] = [
    "<script>alert(1)</script>",
    "</script>",
    "<img src=x onerror=alert(1)>",
    "</title>",
    "</style>",
    "<!--",
    "-->",
    "]]>",
    "<![CDATA[",
    "\"",
    "'",
    "\" onfocus=\"alert(1)\" autofocus x=\"",
    "' style='--low:9",
    "&",
    "&lt;",
    "&#0;",
    "javascript:alert(1)",
    "`${alert(1)}`",
    "{\"a\":[",
    "%00",
    "\0",
    "\u{1b}[31m",
    "\u{202e}",
    "Zürich 勅使河原",
];

fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![prop::sample::select(&HOSTILE[..]).prop_map(str::to_owned), any::<String>()];
    // An empty one may leave its element out.
    prop::collection::vec(part, 1..4).prop_map(|parts| format!("{}.", parts.concat()))
}

/// A timeline that has each of its texts, and nothing else of them.
fn saying(mut texts: impl Iterator<Item = String>) -> Timeline {
    let mut text = || texts.next().unwrap();
    let entry = |from, to, kind, texts: [String; 4]| {
        let [who, text, details, words] = texts;
        let words = Some(Words { text: words, is_minor: false });
        Entry { at: 0, from, to, who, kind, text, details, is_lost: true, words }
    };
    let mut four = || [text(), text(), text(), text()];
    let entries = vec![
        entry(Some(0), Some(1), Kind::Request, four()),
        entry(Some(1), None, Kind::Does, four()),
        entry(None, None, Kind::Broken, four()),
        entry(Some(9), Some(7), Kind::Fault, four()),
    ];
    Timeline {
        title: text(),
        summary: text(),
        verdict: Some(Verdict { text: text(), is_good: false }),
        about: text(),
        command: text(),
        began_at: Some(0),
        lists: vec![List { title: text(), items: vec![Item { text: text(), is_fault: true }] }],
        help: vec![(text(), text())],
        lanes: (0..2)
            .map(|_| Lane {
                name: text(),
                states: vec![State { from: 0, to: 9, kind: StateKind::Talk, text: text() }],
            })
            .collect(),
        entries,
        faults: vec![Fault { from: 0, to: 9, text: text() }],
    }
}

/// Number of texts of [`saying`], and the place of the title among them: before it are those of four entries.
const TEXTS: usize = 30;
const TITLE: usize = 16;

/// What a page consists of, without its texts: elements in order, each with the names of its attributes. And all texts.
fn read(page: &str) -> (Vec<String>, Vec<String>) {
    let page = page.replace("<!doctype html>", "");
    // A style and a script are no markup: what is in them is no data.
    let page = [STYLE, SCRIPT].iter().fold(page, |page, constant| page.replace(constant, ""));
    let mut reader = Reader::from_str(&page);
    let (mut parts, mut texts, mut open) = (vec![], vec![], String::new());
    loop {
        let event = reader.read_event().expect("well-formed");
        match event {
            Event::Start(element) | Event::Empty(element) => {
                texts.push(std::mem::take(&mut open));
                let mut part = element.name().as_ref().to_owned();
                for attribute in element.attributes() {
                    let attribute = attribute.expect("an attribute");
                    part.push(' ');
                    part.push_str(attribute.key.as_ref());
                    texts.push(
                        quick_xml::escape::unescape(&attribute.value).expect("known entities").into_owned(),
                    );
                }
                parts.push(part);
            }
            Event::End(_) => texts.push(std::mem::take(&mut open)),
            Event::Text(text) => open.push_str(&text),
            Event::GeneralRef(name) => {
                let name = format!("&{};", &*name);
                open.push_str(&quick_xml::escape::unescape(&name).expect("known entities"));
            }
            Event::Eof => return (parts, texts),
            other => panic!("neither element nor text: {other:?}"),
        }
    }
}

/// As it is shown: what is not seen is replaced.
fn shown(text: &str) -> String {
    let is_replaced = |letter: char| {
        (letter.is_control() && letter != '\n' && letter != '\t')
            || "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}".contains(letter)
            || ('\u{2066}'..='\u{2069}').contains(&letter)
            || ('\u{fffe}'..='\u{ffff}').contains(&letter)
    };
    text.chars().map(|letter| if is_replaced(letter) { '\u{fffd}' } else { letter }).collect()
}

proptest! {
    #[test]
    fn given_hostile_texts_when_drawn_then_they_are_only_text(
        texts in prop::collection::vec(text(), TEXTS)
    ) {
        // As long: words of the overview stand where there is room.
        let plain = saying(texts.iter().map(|text| "x".repeat(text.chars().count())));
        let hostile = saying(texts.iter().cloned());
        for (draw, has_title) in [(fragment as fn(&Timeline) -> String, false), (page, true)] {
            let (is, said) = read(&draw(&hostile));
            let (wanted, _) = read(&draw(&plain));
            prop_assert_eq!(is, wanted);
            let said = said.concat();
            for (number, text) in texts.iter().enumerate() {
                // The title of a fragment is its host's.
                let stands = if number == TITLE { has_title } else { number > TITLE || number % 4 != 3 };
                prop_assert!(!stands || said.contains(&shown(text)), "{}: {:?}", number, text);
            }
        }
    }

    #[test]
    fn given_any_times_when_drawn_then_places_are_on_the_page(
        times in prop::collection::vec(any::<u64>(), 0..20),
        spans in prop::collection::vec(any::<(u64, u64)>(), 0..5),
    ) {
        let entries = times.iter().map(|at| Entry {
            at: *at,
            from: Some(0),
            to: None,
            who: String::new(),
            kind: Kind::Person,
            text: String::new(),
            details: String::new(),
            is_lost: false,
            words: Some(Words { text: "word".into(), is_minor: true }),
        });
        let states = spans.iter().map(|(from, to)| State {
            from: *from,
            to: *to,
            kind: StateKind::Here,
            text: String::new(),
        });
        let drawn = fragment(&Timeline {
            lanes: vec![Lane { name: "lane".into(), states: states.collect() }],
            entries: entries.collect(),
            faults: spans.iter().map(|(from, to)| Fault { from: *from, to: *to, text: String::new() }).collect(),
            ..Timeline::default()
        });
        for place in drawn.split("data-left=\"").skip(1) {
            let place: f64 = place.split('"').next().unwrap().parse().unwrap();
            prop_assert!((0.0..=100.0).contains(&place), "{}", place);
        }
        prop_assert!(drawn.len() < 40_000, "{}", drawn.len());
    }
}

/// A host's policy may forbid all that is not in a file of its own.
#[test]
fn given_a_fragment_then_nothing_in_it_needs_a_weak_policy() {
    let drawn = fragment(&saying((0..TEXTS).map(|number| format!("text {number}"))));
    let (parts, _) = read(&drawn);
    for part in parts {
        let mut names = part.split(' ');
        let element = names.next().unwrap();
        assert!(!["script", "style", "link", "img", "iframe"].contains(&element), "{part}");
        for name in names {
            assert!(!name.starts_with("on") && !["style", "id", "src", "href"].contains(&name), "{part}");
        }
    }
    for needs in ["eval(", "innerHTML", "insertAdjacentHTML", "document.write", "fetch(", "import("] {
        assert!(!SCRIPT.contains(needs), "{needs}");
    }
    for needs in ["@import", "url("] {
        assert!(!STYLE.contains(needs), "{needs}");
    }
}
