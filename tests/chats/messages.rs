use crate::desk::*;

/// The answers to Flex, which waits for one.
fn answers(effects: &[Effect]) -> Vec<&Effect> {
    let answer = |effect: &&Effect| matches!(effect, Effect::Let(_) | Effect::Dispatch(_) | Effect::Hold(_));
    effects.iter().filter(answer).collect()
}

/// A message is on its way.
fn sending(number: u32, body: &str) -> Desk {
    let mut desk = Desk::in_a_chat();
    desk.handle(typed(body));
    desk.handle(Event::Send(message(number, body)));
    desk
}

/// A message has failed.
fn waiting() -> Desk {
    let mut desk = sending(1, "Hello");
    desk.sent(1, Outcome::Failed);
    desk
}

const SETTLE: Millis = Millis::seconds(2);

#[test]
fn a_message_is_kept_before_it_is_sent_in_place_of_its_draft() {
    let mut desk = Desk::in_a_chat();
    desk.handle(typed(" Hello "));
    let effects = desk.handle(Event::Send(message(1, "Hello")));
    let position = |wanted: &Effect| effects.iter().position(|effect| effect == wanted);
    let kept = position(&Effect::KeepMessage(message(1, "Hello"))).expect("kept");
    assert!(position(&Effect::Dispatch(id(1))).is_some_and(|sent| kept < sent), "{effects:?}");
    assert_eq!(desk.draft(), None);
    assert_eq!(desk.handle(typed("Hello")), [], "Flex clears its input only when the message was sent");
}

/// On a busy machine Flex reports the last keys after the message that has them, or never.
#[test]
fn what_was_kept_before_the_last_keys_of_a_message_is_no_draft() {
    let mut desk = Desk::in_a_chat();
    desk.handle(typed("It is in Gra"));
    desk.handle(Event::Send(message(1, "It is in Graz.")));
    assert_eq!(desk.draft(), None);
    desk.handle(typed("It is in Graz"));
    desk.handle(typed("It is in Graz."));
    assert_eq!(desk.draft(), None);
}

#[test]
fn a_draft_beside_a_message_that_another_plugin_sends_stays() {
    let mut desk = Desk::in_a_chat();
    desk.handle(typed("Let me see"));
    desk.handle(Event::Send(message(1, "Good morning!")));
    assert_eq!(desk.draft(), Some("Let me see"));
}

#[test]
fn a_message_that_was_sent_is_forgotten() {
    let mut desk = sending(1, "Hello");
    desk.sent(1, Outcome::Stored);
    assert!(desk.kept.is_empty() && desk.notices.is_empty() && desk.timers.is_empty());
}

#[test]
fn the_draft_of_another_text_stays() {
    let mut desk = Desk::in_a_chat();
    desk.handle(typed("I shall look"));
    desk.handle(Event::Send(message(1, "A canned response")));
    assert_eq!(desk.draft(), Some("I shall look"));
}

#[test]
fn a_failed_message_waits_and_flexs_copy_of_it_is_cleared() {
    let mut desk = sending(1, "Hello");
    let effects = desk.sent(1, Outcome::Failed);
    let clear = Effect::ClearInput { conversation: ch(1), text: "Hello".into(), files: vec![] };
    assert!(effects.contains(&clear), "{effects:?}");
    assert_eq!(desk.notice(), Some(&Notice::Waiting { text: "Hello".into() }));
    assert!(desk.kept.contains_key(&id(1)));
}

/// The agent was out of the chat and is in it again, so that Flex let them send another message beside the first.
#[test]
fn what_is_on_its_way_when_an_earlier_message_fails_is_not_left_in_the_input() {
    let mut desk = sending(1, "Hello");
    desk.handle(Event::Send(message(2, "World")));
    let effects = desk.sent(1, Outcome::Failed);
    let clear = |text: &str| Effect::ClearInput { conversation: ch(1), text: text.into(), files: vec![] };
    assert!(effects.contains(&clear("Hello")) && effects.contains(&clear("World")), "{effects:?}");
    let effects = desk.sent(2, Outcome::Stored);
    assert!(!effects.contains(&clear("World")), "the same text there is another one");
    assert_eq!(desk.notice(), Some(&Notice::Waiting { text: "Hello".into() }));
}

#[test]
fn a_failed_message_that_is_found_is_not_sent_again() {
    let mut desk = waiting();
    assert_eq!(searched(&desk.wait(SETTLE - Millis(1))), [], "it may still be on its way");
    let search = desk.wait(Millis(1));
    assert_eq!(searched(&search), [id(1)]);
    let effects = desk.found(&search, Some(true));
    assert_eq!(resent(&effects), []);
    assert!(desk.kept.is_empty());
    assert_eq!(desk.notice(), Some(&Notice::Sent { text: "Hello".into() }));
    desk.wait(Millis::seconds(8));
    assert_eq!(desk.notice(), None);
}

#[test]
fn a_failed_message_that_is_not_found_is_sent_again_with_the_same_id() {
    let mut desk = waiting();
    let search = desk.wait(SETTLE);
    let effects = desk.found(&search, Some(false));
    assert!(effects.contains(&Effect::Resend(message(1, "Hello"))), "{effects:?}");
    desk.sent(1, Outcome::Stored);
    assert!(desk.kept.is_empty());
    assert_eq!(desk.notice(), Some(&Notice::Sent { text: "Hello".into() }));
}

/// Its reply may be lost, too.
#[test]
fn each_attempt_begins_with_a_search() {
    let mut desk = waiting();
    for _ in 0..3 {
        let search = desk.wait(Millis::seconds(60));
        assert_eq!(searched(&search), [id(1)]);
        assert_eq!(resent(&search), []);
        assert_eq!(resent(&desk.found(&search, Some(false))), [id(1)]);
        desk.sent(1, Outcome::Failed);
    }
}

#[test]
fn a_search_that_fails_is_repeated_later_and_later() {
    let mut desk = waiting();
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(searched(&desk.wait(Millis::seconds(seconds) - Millis(1))), []);
        let search = desk.wait(Millis(1));
        assert_eq!(searched(&search), [id(1)], "after {seconds} s");
        assert_eq!(resent(&desk.found(&search, None)), []);
    }
}

/// What was seen before the message was sent again says nothing about it.
#[test]
fn the_answer_of_an_overdue_search_is_out_of_date() {
    let mut desk = waiting();
    let first = desk.wait(SETTLE);
    let second = desk.wait(Millis::seconds(60) + Millis::seconds(60));
    assert_eq!(searched(&second), [id(1)]);
    assert_eq!(desk.found(&first, Some(false)), []);
    assert_eq!(resent(&desk.found(&second, Some(false))), [id(1)]);
}

#[test]
fn nothing_is_searched_for_while_flex_is_not_connected() {
    let mut desk = waiting();
    desk.handle(Event::Connection { up: false });
    assert_eq!(searched(&desk.wait(Millis::seconds(600))), []);
    assert_eq!(searched(&desk.handle(Event::Connection { up: true })), [id(1)]);
}

#[test]
fn messages_keep_their_order() {
    let mut desk = waiting();
    for number in [2, 3] {
        let body = format!("{number}");
        let effects = desk.handle(Event::Send(message(number, &body)));
        assert_eq!(answers(&effects), [&Effect::Hold(id(number))]);
        assert!(effects.contains(&Effect::ClearInput { conversation: ch(1), text: body, files: vec![] }));
    }
    assert_eq!(desk.notice(), Some(&Notice::Waiting { text: "Hello · 2 · 3".into() }));
    let mut effects = desk.wait(SETTLE);
    for number in [1, 2, 3] {
        assert_eq!(searched(&effects), [id(number)], "one after the other");
        assert_eq!(resent(&desk.found(&effects, Some(false))), [id(number)]);
        effects = desk.sent(number, Outcome::Stored);
    }
    assert!(desk.kept.is_empty());
    assert_eq!(desk.notice(), Some(&Notice::Sent { text: "Hello · 2 · 3".into() }));
}

#[test]
fn a_message_of_an_earlier_page_is_searched_for_first() {
    let mut desk = Desk::with(vec![draft("Hello", START)]);
    desk.handle(Event::Left(message(1, "Hello")));
    assert_eq!(desk.draft(), None, "the draft is this message");
    assert_eq!(searched(&desk.wait(SETTLE)), [], "not loaded yet");
    let search = desk.handle(Event::Changed(facts("")));
    assert_eq!(searched(&search), [id(1)]);
    assert!(desk.inputs.is_empty());
    assert_eq!(resent(&desk.found(&search, Some(false))), [id(1)]);
}

/// Both tabs show the draft; the other one sends it, and is gone.
#[test]
fn a_message_of_another_tab_is_not_left_in_the_input_of_this_one() {
    let mut desk = Desk::with(vec![draft("Hello", START)]);
    desk.handle(Event::Changed(facts("")));
    assert_eq!(desk.inputs[&ch(1)], "Hello");
    desk.handle(typed("Hello"));
    desk.handle(Event::Left(message(1, "Hello")));
    assert_eq!((desk.draft(), desk.inputs.get(&ch(1))), (None, None));
    // Another text is the agent's.
    let mut desk = Desk::in_a_chat();
    desk.inputs.insert(ch(1), "Good morning".into());
    desk.handle(typed("Good morning"));
    desk.handle(Event::Left(message(1, "Hello")));
    assert_eq!((desk.draft(), desk.inputs[&ch(1)].as_str()), (Some("Good morning"), "Good morning"));
}

#[test]
fn messages_of_earlier_pages_go_in_their_order_before_those_of_this_one() {
    let mut desk = Desk::in_a_chat();
    for (number, at) in [(2, 20), (1, 10)] {
        desk.handle(Event::Left(Message { at: START - Millis(100) + Millis(at), ..message(number, "x") }));
    }
    assert_eq!(answers(&desk.handle(Event::Send(message(3, "y")))), [&Effect::Hold(id(3))]);
    let mut effects = desk.wait(SETTLE);
    for number in [1, 2, 3] {
        assert_eq!(searched(&effects), [id(number)]);
        effects = desk.found(&effects, Some(true));
    }
}

#[test]
fn a_message_to_a_closed_conversation_goes_back_into_the_input() {
    let mut desk = waiting();
    desk.handle(typed("and more"));
    desk.handle(Event::Changed(Facts { open: false, ..facts("and more") }));
    let effects = desk.wait(Millis::seconds(20));
    assert_eq!((searched(&effects), resent(&effects)), (vec![], vec![]));
    assert_eq!(desk.inputs[&ch(1)], "Hello\nand more");
    assert_eq!(desk.draft(), Some("Hello\nand more"));
    assert!(to_send(&desk).is_empty());
    assert_eq!(desk.notice(), Some(&Notice::NotSent { text: "Hello".into() }));
}

#[test]
fn a_message_to_a_conversation_that_the_agent_has_left_becomes_a_draft() {
    let mut desk = waiting();
    desk.handle(Event::Gone { conversation: ch(1) });
    desk.wait(Millis::seconds(20));
    assert_eq!(desk.draft(), Some("Hello"));
    assert!(to_send(&desk).is_empty());
    let header = desk.notices.get(&None);
    assert_eq!(header, Some(&Notice::NotSent { text: "Hello".into() }), "the conversation is not shown");
}

/// Flex has no tasks for a moment when it reconnects.
#[test]
fn a_conversation_that_comes_back_within_a_moment_has_never_been_left() {
    let mut desk = waiting();
    desk.handle(Event::Gone { conversation: ch(1) });
    desk.wait(Millis::seconds(10));
    assert_eq!(searched(&desk.handle(Event::Changed(facts("")))), [id(1)]);
}

/// One is being searched for when the agent has to leave the conversation, and another one waits behind it.
#[test]
fn the_agent_is_told_of_each_message_that_goes_back() {
    let mut desk = waiting();
    desk.handle(Event::Send(message(2, "World")));
    let search = desk.wait(SETTLE);
    desk.handle(Event::Changed(Facts { open: false, ..facts("") }));
    desk.wait(Millis::seconds(15));
    desk.found(&search, None);
    desk.wait(Millis::seconds(30));
    let Some(Notice::NotSent { text }) = desk.notice() else { panic!("{:?}", desk.notice()) };
    assert!(text.contains("Hello") && text.contains("World"), "{text}");
}

/// An agent who had to leave the conversation with a message that failed, has its text back, and is in it again.
fn back_with_the_text() -> (Desk, Vec<Effect>) {
    let mut desk = waiting();
    desk.handle(Event::Changed(Facts { open: false, ..facts("") }));
    desk.wait(Millis::seconds(15));
    assert_eq!(desk.draft(), Some("Hello"));
    let effects = desk.handle(Event::Changed(facts("Hello")));
    assert_eq!(searched(&effects), [id(1)]);
    (desk, effects)
}

#[test]
fn a_message_that_went_back_into_the_input_and_was_stored_is_taken_out_of_it() {
    let (mut desk, effects) = back_with_the_text();
    desk.found(&effects, Some(true));
    assert_eq!((desk.draft(), desk.inputs[&ch(1)].as_str()), (None, ""));
    assert_eq!(desk.notice(), Some(&Notice::Sent { text: "Hello".into() }));
}

#[test]
fn a_message_that_went_back_into_the_input_and_was_not_stored_is_the_agents_to_send() {
    let (mut desk, effects) = back_with_the_text();
    assert_eq!(resent(&desk.found(&effects, Some(false))), []);
    desk.wait(UNSENT_FOR);
    assert_eq!((desk.draft(), desk.inputs[&ch(1)].as_str()), (Some("Hello"), "Hello"));
}

/// The page is loaded again before the agent is in the conversation again.
fn reloaded_with_the_text(resends: bool) -> Desk {
    let mut before = waiting();
    before.handle(Event::Changed(Facts { open: false, ..facts("") }));
    before.wait(Millis::seconds(15));
    let mut desk = Desk::of(Chats::new(resends));
    (desk.now, desk.drafts, desk.kept) = (before.now, before.drafts, before.kept);
    let drafts = desk.drafts.values().cloned().collect();
    desk.handle(Event::Started { drafts, selected: None, shown: None, tasks: vec![] });
    desk.handle(Event::Connection { up: true });
    for message in desk.kept.clone().into_values() {
        desk.handle(Event::Left(message));
    }
    desk.handle(Event::Changed(facts("")));
    assert_eq!((desk.draft(), desk.inputs[&ch(1)].as_str()), (Some("Hello"), "Hello"));
    desk
}

#[test]
fn a_message_that_went_back_is_looked_for_by_the_next_page_too() {
    for stored in [true, false] {
        let mut desk = reloaded_with_the_text(true);
        let effects = desk.wait(SETTLE);
        assert_eq!(searched(&effects), [id(1)]);
        assert_eq!(resent(&desk.found(&effects, Some(stored))), []);
        let text = if stored { "" } else { "Hello" };
        assert_eq!((desk.draft().unwrap_or_default(), desk.inputs[&ch(1)].as_str()), (text, text));
        assert!(desk.kept.is_empty());
    }
}

/// It went back into the input of another tab, which is gone.
#[test]
fn a_message_that_went_back_in_another_tab_is_in_the_input_of_this_one() {
    let returned = Message { returned: true, ..message(1, "Hello") };
    for own in ["", "Good morning"] {
        let mut desk = Desk::in_a_chat();
        desk.drafts.insert(ch(1), draft("Hello", START));
        if !own.is_empty() {
            desk.handle(typed(own));
            desk.inputs.insert(ch(1), own.into());
        }
        desk.handle(Event::Left(returned.clone()));
        assert_eq!(desk.inputs[&ch(1)], if own.is_empty() { "Hello" } else { own });
    }
    // What this tab keeps later does not overwrite it.
    let mut desk = waiting();
    desk.handle(Event::Gone { conversation: ch(1) });
    desk.drafts.insert(ch(1), draft("And?", START));
    desk.handle(Event::Left(Message { returned: true, ..message(2, "And?") }));
    desk.wait(Millis::seconds(15));
    assert_eq!(desk.draft(), Some("Hello\nAnd?"));
}

#[test]
fn a_draft_that_another_tab_keeps_does_not_lose_what_went_back() {
    let mut desk = waiting();
    desk.handle(Event::Gone { conversation: ch(1) });
    desk.wait(Millis::seconds(15));
    assert_eq!(desk.draft(), Some("Hello"));
    desk.drafts.insert(ch(1), draft("Good morning", desk.now));
    desk.inputs.clear();
    desk.handle(Event::Changed(facts("")));
    assert_eq!(desk.inputs[&ch(1)], "Hello\nGood morning");
    assert_eq!(desk.draft(), Some("Hello\nGood morning"));
    // From then on it is the agent's, who may have sent it as a part of another message.
    desk.handle(Event::Gone { conversation: ch(1) });
    desk.drafts.clear();
    desk.inputs.clear();
    desk.handle(Event::Changed(facts("")));
    assert_eq!((desk.draft(), desk.inputs.get(&ch(1))), (None, None));
}

/// The agent typed the same in two tabs, and sent it in the one that is gone.
#[test]
fn what_goes_back_does_not_double_what_is_in_the_input() {
    for (typed_here, both) in [
        ("Hello", "Hello\nthere"),
        ("there", "Hello\nthere"),
        ("Hello\nthere", "Hello\nthere"),
        ("More:\nHello\nthere", "More:\nHello\nthere"),
        ("Hell", "Hello\nthere\nHell"),
    ] {
        let mut desk = Desk::in_a_chat();
        desk.handle(typed(typed_here));
        desk.handle(Event::Left(message(1, "Hello\nthere")));
        let here = desk.draft().unwrap_or_default().to_owned();
        desk.handle(Event::Changed(Facts { open: false, ..facts(&here) }));
        desk.wait(Millis::seconds(30));
        assert_eq!(desk.draft(), Some(both), "{typed_here}");
    }
}

#[test]
fn a_message_that_went_back_does_not_come_back_twice() {
    let mut desk = reloaded_with_the_text(false);
    assert_eq!(searched(&desk.wait(UNSENT_FOR)), []);
    assert_eq!((desk.draft(), desk.inputs[&ch(1)].as_str()), (Some("Hello"), "Hello"));
    assert!(desk.kept.is_empty());
}

#[test]
fn a_message_that_went_back_is_forgotten_after_a_day_and_with_its_conversation() {
    for event in [None, Some(Event::Ended { conversation: ch(1) }), Some(Event::SignedOut)] {
        let mut desk = waiting();
        desk.handle(Event::Changed(Facts { open: false, ..facts("") }));
        desk.wait(Millis::seconds(15));
        assert!(desk.kept.contains_key(&id(1)));
        match event {
            Some(event) => drop(desk.handle(event)),
            None => {
                desk.now = desk.now + UNSENT_FOR;
                desk.handle(Event::Changed(Facts { open: false, ..facts("") }));
            }
        }
        assert!(desk.kept.is_empty());
    }
}

#[test]
fn what_the_agent_adds_to_a_message_that_went_back_stays() {
    let (mut desk, effects) = back_with_the_text();
    desk.handle(typed("Hello\nAre you there?"));
    desk.found(&effects, Some(true));
    assert_eq!(desk.draft(), Some("Are you there?"));
    let (mut desk, effects) = back_with_the_text();
    desk.handle(typed("Hello again"));
    desk.found(&effects, Some(true));
    assert_eq!(desk.draft(), Some("Hello again"));
}

/// Before it is known whether the first one was stored.
#[test]
fn a_message_that_went_back_and_is_sent_at_once_is_sent_once() {
    for stored in [true, false] {
        let (mut desk, search) = back_with_the_text();
        let effects = desk.handle(Event::Send(message(2, "Hello")));
        assert_eq!(answers(&effects), [&Effect::Hold(id(2))]);
        let effects = desk.found(&search, Some(stored));
        assert_eq!(searched(&effects), if stored { vec![] } else { vec![id(2)] });
        if !stored {
            assert_eq!(resent(&desk.found(&effects, Some(false))), [id(2)]);
        }
        assert_eq!(desk.kept.contains_key(&id(2)), !stored);
    }
}

#[test]
fn another_message_does_not_wait_for_one_that_went_back() {
    let (mut desk, search) = back_with_the_text();
    let effects = desk.handle(Event::Send(message(2, "One moment")));
    assert_eq!(answers(&effects), [&Effect::Dispatch(id(2))]);
    desk.sent(2, Outcome::Stored);
    desk.found(&search, Some(false));
    assert!(desk.kept.is_empty());
}

#[test]
fn a_refused_message_goes_back_into_the_input_and_the_next_one_goes_on() {
    let mut desk = waiting();
    desk.handle(Event::Send(message(2, "And?")));
    let search = desk.wait(SETTLE);
    desk.found(&search, Some(false));
    let effects = desk.sent(1, Outcome::Refused);
    assert_eq!(desk.inputs[&ch(1)], "Hello");
    assert_eq!(searched(&effects), [id(2)]);
    assert_eq!(desk.kept.keys().collect::<Vec<_>>(), [&id(2)]);
}

/// The agent is taken out of the conversation while it is sent again, and is in it again within a moment.
#[test]
fn a_message_that_is_refused_because_the_agent_is_out_keeps_its_place() {
    let mut desk = waiting();
    desk.handle(Event::Send(message(2, "And?")));
    let search = desk.wait(SETTLE);
    assert_eq!(resent(&desk.found(&search, Some(false))), [id(1)]);
    desk.handle(Event::Gone { conversation: ch(1) });
    desk.sent(1, Outcome::Refused);
    let effects = desk.handle(Event::Changed(facts("")));
    assert_eq!(searched(&effects), [id(1)], "before the second one");
    assert_eq!(desk.inputs.get(&ch(1)), None);
}

#[test]
fn a_message_goes_back_into_the_input_after_a_day() {
    let mut desk = Desk::in_a_chat();
    desk.handle(Event::Left(Message { at: START - Millis::seconds(24 * 3600), ..message(1, "Hello") }));
    assert_eq!(desk.inputs[&ch(1)], "Hello");
    assert!(desk.kept.is_empty());
    assert_eq!(searched(&desk.wait(Millis::seconds(600))), []);
}

#[test]
fn a_message_that_flex_has_put_back_is_not_put_back_twice() {
    let mut desk = sending(1, "Hello");
    desk.handle(Event::Changed(facts("Hello")));
    desk.handle(Event::Changed(Facts { open: false, ..facts("Hello") }));
    desk.sent(1, Outcome::Failed);
    desk.wait(Millis::seconds(20));
    assert_eq!(desk.draft(), Some("Hello"));
}

fn with_file(number: u32, body: &str) -> Message {
    Message { files: vec!["invoice.pdf".into()], ..message(number, body) }
}

/// The files are not kept, so that the message cannot be sent again; but it may have arrived.
#[test]
fn a_failed_message_with_attachments_stays_in_the_input_unless_it_is_found() {
    let failed = || {
        let mut desk = Desk::in_a_chat();
        desk.handle(Event::Send(with_file(1, "Here")));
        desk.handle(Event::Changed(Facts { files: vec!["invoice.pdf".into()], ..facts("Here") }));
        let effects = desk.sent(1, Outcome::Failed);
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::ClearInput { .. })), "{effects:?}");
        desk
    };
    let mut desk = failed();
    let search = desk.wait(SETTLE);
    let effects = desk.found(&search, Some(true));
    let files = vec!["invoice.pdf".into()];
    assert!(effects.contains(&Effect::ClearInput { conversation: ch(1), text: "Here".into(), files }));
    let mut desk = failed();
    let search = desk.wait(SETTLE);
    assert_eq!(resent(&desk.found(&search, Some(false))), []);
    assert_eq!(desk.draft(), Some("Here"));
    assert_eq!(desk.notice(), Some(&Notice::NotSent { text: "Here".into() }));
    assert!(desk.kept.is_empty());
}

#[test]
fn attachments_do_not_overtake_a_message_that_waits() {
    let mut desk = waiting();
    let effects = desk.handle(Event::Send(with_file(2, "Here")));
    assert_eq!(answers(&effects), [&Effect::Hold(id(2))]);
    assert!(
        !effects.iter().any(|effect| matches!(effect, Effect::ClearInput { .. })),
        "it stays in the input"
    );
}

#[test]
fn a_message_that_arrives_after_all_is_done() {
    let mut desk = waiting();
    desk.sent(1, Outcome::Stored);
    assert!(desk.kept.is_empty());
    assert_eq!(searched(&desk.wait(Millis::seconds(600))), []);
}

#[test]
fn completing_the_task_ends_what_waits_and_the_agent_is_told() {
    let mut desk = waiting();
    desk.handle(Event::Ended { conversation: ch(1) });
    desk.handle(Event::Gone { conversation: ch(1) });
    assert!(desk.kept.is_empty() && desk.drafts.is_empty());
    assert_eq!(desk.notices[&None], Notice::NotSent { text: "Hello".into() });
    desk.wait(Millis::seconds(120));
    assert!(desk.notices.is_empty());
}

#[test]
fn messages_are_sent_as_without_the_plugin_when_it_is_switched_off() {
    let mut desk = Desk::of(Chats::new(false));
    desk.handle(Event::Changed(facts("")));
    assert_eq!(desk.handle(Event::Send(message(1, "Hello"))), [Effect::Let(id(1))]);
    desk.handle(typed("Good mor"));
    assert_eq!(desk.draft(), Some("Good mor"), "drafts are another matter");
    desk.handle(Event::Left(message(2, "from before")));
    assert_eq!(desk.draft(), Some("from before\nGood mor"));
    assert!(desk.kept.is_empty());
}

#[test]
fn a_message_to_a_conversation_that_is_not_open_is_left_to_flex() {
    let mut desk = Desk::with(vec![]);
    assert_eq!(desk.handle(Event::Send(message(1, "Hello"))), [Effect::Let(id(1))]);
    desk.handle(Event::Changed(Facts { open: false, ..facts("") }));
    assert_eq!(answers(&desk.handle(Event::Send(message(2, "Hello")))), [&Effect::Let(id(2))]);
    assert!(desk.kept.is_empty());
}

#[test]
fn a_long_message_is_shortened_in_the_notice_only() {
    let mut desk = sending(1, &"ä".repeat(100));
    desk.sent(1, Outcome::Failed);
    assert_eq!(desk.notice(), Some(&Notice::Waiting { text: format!("{}…", "ä".repeat(40)) }));
    let search = desk.wait(SETTLE);
    let effects = desk.found(&search, Some(false));
    assert!(effects.contains(&Effect::Resend(message(1, &"ä".repeat(100)))));
}

/// Another plugin may have kept it back, or sent it in a way of its own.
#[test]
fn a_message_of_whose_failure_flex_does_not_say_is_looked_for_and_not_sent_again() {
    for found in [false, true] {
        let mut desk = sending(1, "Hello");
        desk.handle(Event::Changed(facts("Hello")));
        let effects = desk.handle(Event::Sent { id: id(1), outcome: Outcome::Failed });
        assert!(desk.kept.is_empty(), "the next page must not send it");
        assert_eq!(desk.draft(), Some("Hello"));
        assert_eq!(effects.iter().filter(|it| matches!(it, Effect::ClearInput { .. })).count(), 0);
        let search = desk.wait(SETTLE);
        let effects = desk.found(&search, Some(found));
        assert_eq!(resent(&effects), []);
        let clears = effects.iter().any(|it| matches!(it, Effect::ClearInput { .. }));
        assert_eq!(clears, found);
        assert!(desk.kept.is_empty() && desk.notices.is_empty());
    }
}

#[test]
fn a_message_waits_for_no_other_of_whose_failure_flex_has_not_said() {
    let mut desk = sending(1, "Hello");
    assert_eq!(answers(&desk.handle(Event::Send(message(2, "World")))), [&Effect::Dispatch(id(2))]);
    desk.handle(Event::Sent { id: id(1), outcome: Outcome::Failed });
    assert_eq!(answers(&desk.handle(Event::Send(message(3, "!")))), [&Effect::Dispatch(id(3))]);
}

/// The agent sends the same word twice.
#[test]
fn a_message_that_came_back_is_not_cleared_for_another_one_with_the_same_text() {
    let mut desk = waiting();
    desk.handle(Event::Send(message(2, "Hello")));
    let search = desk.wait(SETTLE);
    desk.found(&search, Some(false));
    let search = desk.sent(1, Outcome::Refused);
    assert_eq!(desk.inputs[&ch(1)], "Hello");
    desk.found(&search, Some(false));
    desk.sent(2, Outcome::Failed);
    let search = desk.wait(Millis::seconds(60));
    desk.found(&search, Some(true));
    assert_eq!(desk.inputs[&ch(1)], "Hello");
    assert_eq!(desk.draft(), Some("Hello"));
}
