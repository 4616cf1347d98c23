use super::*;
use crate::console::overview::DatabaseSeen;
use crate::console::page;
use crate::console::texts::{LANGUAGES, Language};
use crate::given_up::GivenUp;
use crate::held_back::{Held, HeldJob, Listed};
use crate::pace::{Pace, Pacing};
use crate::store::{Seen, SeenServer};
use clap::Parser;
use proptest::prelude::*;
use rejoin_protocol::ConferenceSid;
use std::collections::BTreeMap;

#[derive(Parser)]
struct Only {
    #[command(flatten)]
    pacing: Pacing,
}

/// An overview with this text wherever the database has one.
fn overview(text: &str) -> Overview {
    let pacing = Only::try_parse_from(["x"]).expect("defaults").pacing;
    let conference = ConferenceSid::numbered(1);
    let given_up = GivenUp { at: Millis(1), conference, job: 1, what: "ping", reason: text.to_owned() };
    let server = SeenServer { id: text.to_owned(), is_this: true, lease_ms: 4000, pages: None };
    let seen = Seen {
        given_up: vec![given_up],
        servers: vec![server],
        timeline: Some(text.to_owned()),
        recovering: 7,
        ..Seen::default()
    };
    Overview {
        at: Millis::seconds(1_000_000),
        seen: Some(seen),
        has_conversations: true,
        database: DatabaseSeen { committed_ago: Some(Millis(3000)), skew_ms: Some(-3) },
        pace: Pace::new(&pacing, Millis(0)).status(Millis(0)),
        requests: Requests { all: 3, failed: 1 },
        lately: Some((Millis(90_000), Requests { all: 2, failed: 1 })),
        pages: 2,
        held_back: BTreeMap::from([("quarantined", 1)]),
        jobs_unreadable: 0,
    }
}

fn listed(text: &str) -> Listed {
    let held = Held {
        conference: ConferenceSid::numbered(1),
        why: "quarantined",
        at: Some(Millis(1)),
        event: Some(text.to_owned()),
        format: None,
    };
    let job = HeldJob { job: 1, conference: text.to_owned(), deadline: Millis(1) };
    Listed { calls: vec![held], jobs: vec![job] }
}

/// Everything that is shown of them.
fn shown(language: Language, text: &str) -> String {
    let now = page::now(language, Role::Operator, &overview(text), (100, ""), None);
    now + &page::held_back(language, Role::Operator, Some(&listed(text)))
}

/// What of a page is markup: no text can add to it.
fn markup(page: &str) -> [usize; 3] {
    ['<', '>', '"'].map(|of| page.matches(of).count())
}

proptest! {
    #[test]
    fn no_text_of_the_database_is_markup(
        text in prop_oneof![
            ".{0,200}",
            "[<>\"'&/a-z]{0,60}",
            Just("</script><script src=//x>".to_owned()),
            Just("\"><img src=x onerror=alert(1)>".to_owned()),
        ],
    ) {
        let (plain, hostile) = (shown(Language::English, "plain"), shown(Language::English, &text));
        prop_assert_eq!(markup(&plain), markup(&hostile), "{}", hostile);
    }
}

#[test]
fn a_page_has_each_section_and_no_gap_in_any_language() {
    for language in LANGUAGES {
        let page = shown(language, "plain");
        for id in ["storm", "recoveries", "conversations", "calls", "undone", "servers", "database", "twilio"]
        {
            assert!(page.contains(&format!("<section id=\"{id}\" aria-labelledby=\"{id}-title\">")), "{id}");
        }
        let texts = language.texts();
        assert!(page.contains(&format!("<html lang=\"{}\">", language.tag())));
        assert!(
            page.contains(&fill(texts.requests_failed, &[("n", &1), ("m", &3), ("p", &"33.3")])),
            "{page}"
        );
        // The script fills those of its own attributes.
        let rest: String = page
            .split("data-text=")
            .enumerate()
            .map(|(n, part)| match n {
                0 => part,
                _ => part.split_once("\">").map_or("", |(_, rest)| rest),
            })
            .collect();
        assert!(!rest.contains('{'), "{rest}");
    }
}

#[test]
fn while_conversations_are_off_nothing_of_them_is_shown() {
    let mut seen = overview("");
    seen.has_conversations = false;
    if let Some(seen) = &mut seen.seen {
        seen.conversations.absent = 3;
    }
    for language in LANGUAGES {
        let page = page::now(language, Role::Supervisor, &seen, (100, ""), None);
        assert!(!page.contains("id=\"conversations\""), "{page}");
        assert_eq!(summary(language.texts(), &seen), language.texts().summary_none);
    }
    seen.has_conversations = true;
    assert!(summary(Language::English.texts(), &seen).ends_with("Conversations that have nobody: 3."));
}

#[test]
fn a_database_that_does_not_answer_is_named_and_the_rest_is_shown() {
    let overview = Overview { seen: None, ..overview("") };
    let texts = Language::English.texts();
    let page = page::now(Language::English, Role::Operator, &overview, (100, ""), None);
    assert!(page.contains(texts.unread) && page.contains(texts.twilio_caption), "{page}");
    assert!(!page.contains(texts.recoveries_none), "that is not known");
    assert!(summary(texts, &overview).starts_with(texts.unread));
}

#[test]
fn each_step_says_what_is_waited_for() {
    for language in LANGUAGES {
        let all = Step::ALL.map(|of| step(language.texts(), of));
        let names: std::collections::BTreeSet<_> = all.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), Step::ALL.len(), "{}", language.tag());
    }
}
