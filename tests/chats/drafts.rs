use crate::desk::*;

#[test]
fn what_is_typed_is_kept_with_its_selection() {
    let mut desk = Desk::in_a_chat();
    desk.handle(Event::Typed { conversation: ch(1), text: "Good mor".into(), start: 2, end: 5 });
    let kept = &desk.drafts[&ch(1)];
    assert_eq!((kept.text.as_str(), kept.start, kept.end, kept.at), ("Good mor", 2, 5, START));
}

#[test]
fn an_input_that_is_emptied_has_no_draft() {
    let mut desk = Desk::in_a_chat();
    desk.handle(typed("Good mor"));
    desk.handle(typed(""));
    assert_eq!(desk.draft(), None);
}

#[test]
fn a_draft_is_put_back_when_its_conversation_is_loaded_with_an_empty_input() {
    let mut desk = Desk::with(vec![draft("Good mor", START)]);
    desk.handle(Event::Changed(Facts { loaded: false, ..facts("") }));
    assert!(desk.inputs.is_empty(), "not loaded yet");
    let effects = desk.handle(Event::Changed(facts("")));
    let put = Effect::SetInput { conversation: ch(1), text: "Good mor".into(), start: 8, end: 8 };
    assert!(effects.contains(&put), "{effects:?}");
    let effects = desk.handle(typed("Good mor"));
    assert_eq!(effects, [], "what Flex reports of it is not written again");
}

/// The agent typed before the plugin was there.
#[test]
fn a_draft_is_put_before_another_text_and_both_are_kept() {
    for (kept, typed, both) in [
        ("Good mor", "Hello", "Good mor\nHello"),
        ("Good mor", "Good morning", "Good morning"),
        ("", "Hello", "Hello"),
    ] {
        let drafts = (!kept.is_empty()).then(|| draft(kept, START));
        let mut desk = Desk::with(drafts.into_iter().collect());
        desk.handle(Event::Changed(facts(typed)));
        assert_eq!(desk.draft(), Some(both));
        assert_eq!(desk.inputs.get(&ch(1)).map_or(typed, String::as_str), both);
    }
}

#[test]
fn nothing_is_cut_from_what_the_agent_types_for_a_long_draft() {
    let long = "x".repeat(LONGEST);
    let mut desk = Desk::with(vec![draft(&long, START)]);
    desk.handle(Event::Changed(facts("Hello")));
    assert!(desk.inputs.is_empty());
    assert_eq!(desk.draft(), Some(long.as_str()));
}

/// Flex sets an input by itself before it says so, and an agent who empties an input wants it empty.
#[test]
fn an_input_that_becomes_empty_later_stays_so() {
    let mut desk = Desk::with(vec![draft("Good mor", START)]);
    desk.handle(Event::Changed(facts("")));
    desk.inputs.clear();
    desk.handle(Event::Changed(facts("Good mor")));
    desk.handle(Event::Changed(facts("")));
    assert!(desk.inputs.is_empty());
}

#[test]
fn a_conversation_that_is_loaded_again_gets_its_draft_again() {
    let mut desk = Desk::in_a_chat();
    desk.handle(typed("Good mor"));
    desk.handle(Event::Changed(Facts { loaded: false, ..facts("") }));
    desk.handle(Event::Changed(facts("")));
    assert_eq!(desk.inputs[&ch(1)], "Good mor");
}

/// The other tab has typed since this page was loaded.
#[test]
fn the_newest_version_of_all_tabs_is_put_back() {
    let mut desk = Desk::with(vec![draft("Good", START)]);
    desk.drafts.insert(ch(1), draft("Good morning", START + Millis(900)));
    desk.handle(Event::Changed(facts("")));
    assert_eq!(desk.inputs[&ch(1)], "Good morning");
}

#[test]
fn a_tab_that_empties_its_input_does_not_forget_what_another_tab_has_typed() {
    let mut desk = Desk::in_a_chat();
    desk.handle(typed("mine"));
    desk.drafts.insert(ch(1), draft("theirs", START + Millis(900)));
    desk.handle(typed(""));
    assert_eq!(desk.draft(), Some("theirs"));
}

#[test]
fn drafts_of_conversations_are_independent() {
    let mut desk = Desk::in_a_chat();
    desk.handle(Event::Changed(Facts { conversation: ch(2), ..facts("") }));
    desk.handle(typed("one"));
    desk.handle(Event::Typed { conversation: ch(2), text: "two".into(), start: 0, end: 0 });
    desk.handle(typed(""));
    assert_eq!(desk.drafts.keys().collect::<Vec<_>>(), [&ch(2)]);
}

#[test]
fn the_input_of_a_conversation_without_a_task_is_left_alone() {
    let mut desk = Desk::with(vec![]);
    assert_eq!(desk.handle(typed("Good mor")), []);
}

#[test]
fn emails_are_left_alone() {
    let mut desk = Desk::with(vec![draft("Good mor", START)]);
    assert_eq!(desk.handle(Event::Changed(Facts { email: true, ..facts("") })), []);
    assert_eq!(desk.handle(typed("Dear")), []);
    assert_eq!(desk.handle(Event::Send(message(1, "Dear"))), [Effect::Let(id(1))]);
}

#[test]
fn a_draft_is_forgotten_when_its_task_is_wrapped_up_or_completed() {
    let ends = [
        Event::Changed(Facts { status: ReservationStatus::Wrapping, ..facts("Good mor") }),
        Event::Ended { conversation: ch(1) },
    ];
    for end in ends {
        let mut desk = Desk::in_a_chat();
        desk.handle(typed("Good mor"));
        desk.handle(end);
        assert_eq!(desk.draft(), None);
    }
}

/// A task that is paused, left or transferred may come back.
#[test]
fn a_draft_outlives_a_task_that_is_gone() {
    let mut desk = Desk::in_a_chat();
    desk.handle(typed("Good mor"));
    desk.handle(Event::Gone { conversation: ch(1) });
    assert_eq!(desk.draft(), Some("Good mor"));
    desk.handle(Event::Changed(facts("")));
    assert_eq!(desk.inputs[&ch(1)], "Good mor");
}

#[test]
fn nothing_is_left_after_signing_out() {
    let mut desk = Desk::in_a_chat();
    desk.handle(typed("Good mor"));
    desk.handle(Event::Send(message(1, "Hello")));
    desk.sent(1, Outcome::Failed);
    assert!(desk.handle(Event::SignedOut).contains(&Effect::ForgetAll));
    assert!(desk.drafts.is_empty() && desk.kept.is_empty());
    assert!(desk.timers.is_empty() && desk.notices.is_empty(), "{:?} {:?}", desk.timers, desk.notices);
    assert_eq!(desk.handle(typed("Good morning")), []);
    assert_eq!(desk.handle(Event::Send(message(2, "Hello"))), [Effect::Let(id(2))]);
}

#[test]
fn drafts_of_a_week_ago_are_forgotten() {
    let week = Millis::seconds(7 * 24 * 3600);
    let old = Draft { conversation: ch(2), ..draft("old", START - week) };
    let desk = Desk::with(vec![draft("new", START - week + Millis(1)), old]);
    assert_eq!(desk.drafts.keys().collect::<Vec<_>>(), [&ch(1)]);
}

#[test]
fn the_oldest_of_more_than_fifty_drafts_are_forgotten() {
    let many = (1..=52).map(|number| Draft {
        conversation: ch(number),
        ..draft("text", START - Millis(100) + Millis(number as u64))
    });
    let mut desk = Desk::with(many.collect());
    assert_eq!(desk.drafts.keys().next(), Some(&ch(3)));
    assert_eq!(desk.drafts.len(), 50);
    desk.handle(Event::Changed(Facts { conversation: ch(99), ..facts("") }));
    desk.handle(Event::Typed { conversation: ch(99), text: "text".into(), start: 0, end: 0 });
    assert_eq!(desk.drafts.len(), 50);
    assert_eq!(desk.drafts.keys().next(), Some(&ch(4)));
}

#[test]
fn a_text_is_kept_up_to_32_kilobytes_and_no_character_is_cut() {
    let mut desk = Desk::in_a_chat();
    desk.handle(typed(&format!("x{}", "ä".repeat(LONGEST))));
    let kept = desk.draft().expect("a draft");
    assert_eq!(kept.len(), LONGEST - 1);
    assert!(kept.ends_with('ä'));
}

fn with_file(text: &str) -> Facts {
    Facts { files: vec!["invoice.pdf".into()], ..facts(text) }
}

/// The browser gives no page the files of an earlier one.
#[test]
fn attachments_must_be_chosen_again_and_the_agent_is_told_once() {
    let mut desk = Desk::in_a_chat();
    desk.handle(Event::Changed(with_file("")));
    assert_eq!(desk.drafts[&ch(1)].files, ["invoice.pdf"]);
    let kept = desk.drafts.into_values().collect::<Vec<_>>();
    let mut desk = Desk::with(kept);
    desk.handle(Event::Changed(facts("")));
    assert_eq!(desk.notice(), Some(&Notice::Files { names: "invoice.pdf".into() }));
    assert!(desk.inputs.is_empty(), "there was no text");
    assert!(desk.drafts.is_empty(), "the next page does not say it again");
    desk.handle(Event::Changed(with_file("")));
    assert_eq!(desk.notice(), None);
}

#[test]
fn a_detached_file_is_forgotten() {
    let mut desk = Desk::in_a_chat();
    desk.handle(typed("Here"));
    desk.handle(Event::Changed(with_file("Here")));
    assert_eq!(desk.drafts[&ch(1)].files, ["invoice.pdf"]);
    desk.handle(Event::Changed(facts("Here")));
    assert_eq!(desk.drafts[&ch(1)].files, [""; 0]);
    assert_eq!(desk.draft(), Some("Here"));
}
