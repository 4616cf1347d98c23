//! When an agent counts as gone: each way has its own time, and a refresh is none.

use crate::room::*;
use rejoin_conversations::*;
use rejoin_protocol::Millis;

/// Seconds from now until the conversation is unattended; `None` within ten minutes.
fn unattended_after(room: &Room) -> Option<u64> {
    let mut room = room.clone();
    let from = room.now;
    (0..=600).find(|second| {
        room.pass_to(from + Millis::seconds(*second));
        room.is_absent()
    })
}

fn different_times() -> Policy {
    Policy {
        goodbye: Millis::seconds(30),
        push_closed: Millis::seconds(40),
        polling_stopped: Millis::seconds(50),
        ..Policy::default()
    }
}

#[test]
fn each_way_of_being_gone_has_its_own_time() {
    let mut room = Room::chatting_with(different_times());
    assert_eq!(unattended_after(&room), None);
    let mut polling = room.clone();
    room.page(ADA, PAGE, PageEvent::PushClosed);
    assert_eq!(unattended_after(&room), Some(40));
    room.page(ADA, PAGE, PageEvent::Goodbye);
    assert_eq!(unattended_after(&room), Some(30));
    // The page comes back without a push channel.
    polling.page(ADA, PAGE, PageEvent::PushClosed);
    polling.pass(10);
    polling.page(ADA, PAGE, PageEvent::Heard);
    assert_eq!(polling.attendance(), Attendance::Attended);
    assert_eq!(unattended_after(&polling), Some(50));
}

#[test]
fn the_default_is_a_minute_for_each_way() {
    let mut room = Room::chatting();
    let mut closed = room.clone();
    room.ada_goes();
    assert_eq!(unattended_after(&room), Some(60));
    closed.page(ADA, PAGE, PageEvent::PushClosed);
    assert_eq!(unattended_after(&closed), Some(60));
}

#[test]
fn a_refresh_never_makes_a_conversation_unattended() {
    let shortest =
        Policy { goodbye: Millis(0), push_closed: Millis(0), unanswered: Millis(1), ..Policy::default() };
    for policy in [Policy::default(), shortest] {
        let mut room = Room::chatting_with(policy);
        room.writes(CUSTOMER);
        for refresh in 0..20 {
            let (old, new) = (PAGE + refresh, PAGE + refresh + 1);
            room.page(ADA, old, PageEvent::Goodbye);
            room.page(ADA, old, PageEvent::PushClosed);
            room.pass_to(room.now + RELOAD - Millis(1));
            room.page(ADA, new, PageEvent::Heard);
            assert_eq!(room.attendance(), Attendance::Attended);
            room.pass(2);
            room.page(ADA, new, PageEvent::PushOpened);
            room.pass(30);
        }
        assert_eq!(room.acts(), [""; 0]);
    }
}

#[test]
fn an_unanswered_message_shortens_the_time_but_never_below_a_reload() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.pass(10);
    room.writes(CUSTOMER);
    // 20 s after the message.
    assert_eq!(unattended_after(&room), Some(20));
    let mut before = Room::chatting();
    before.writes(CUSTOMER);
    before.pass(300);
    before.ada_goes();
    assert_eq!(unattended_after(&before), Some(15));
    let mut answered = Room::chatting();
    answered.writes(CUSTOMER);
    answered.writes(ADA);
    answered.ada_goes();
    assert_eq!(unattended_after(&answered), Some(60));
    let mut off = Room::chatting_with(Policy { unanswered: Millis(0), ..Policy::default() });
    off.writes(CUSTOMER);
    off.ada_goes();
    assert_eq!(unattended_after(&off), Some(60));
}

#[test]
fn a_customer_who_goes_on_writing_does_not_prolong_the_time() {
    let mut room = Room::chatting();
    room.ada_goes();
    for _ in 0..5 {
        room.pass(10);
        room.writes(CUSTOMER);
    }
    assert_eq!(unattended_after(&room), Some(10));
}

#[test]
fn a_message_that_no_webhook_reported_is_found_before_the_customer_is_told() {
    let mut room = Room::chatting();
    room.ada_goes();
    room.writes_unreported(ADA);
    room.joins(agent(BO, 2));
    room.pass(120);
    assert_eq!(room.attendance(), Attendance::Unjudged);
    assert!(room.told().is_empty());
}

#[test]
fn a_page_that_comes_back_from_the_cache_of_the_browser_is_there() {
    let mut room = Room::chatting();
    room.page(ADA, PAGE, PageEvent::Goodbye);
    room.pass(5);
    room.page(ADA, PAGE, PageEvent::Heard);
    room.page(ADA, PAGE, PageEvent::PushOpened);
    assert_eq!(unattended_after(&room), None);
}

#[test]
fn of_two_tabs_one_is_enough() {
    let mut room = Room::chatting();
    room.page(ADA, PAGE + 1, PageEvent::Heard);
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    room.page(ADA, PAGE, PageEvent::Goodbye);
    assert_eq!(unattended_after(&room), None);
    room.pass(1);
    room.page(ADA, PAGE + 1, PageEvent::PushClosed);
    assert_eq!(unattended_after(&room), Some(60));
}

#[test]
fn with_several_agents_a_conversation_is_unattended_when_all_are_gone() {
    let mut room = Room::chatting();
    room.bo_takes(2);
    room.ada_goes();
    room.pass(600);
    assert_eq!(room.attendance(), Attendance::Attended);
    room.page(BO, PAGE, PageEvent::PushClosed);
    assert_eq!(unattended_after(&room), Some(60));
}

#[test]
fn an_agent_without_the_plugin_is_never_taken_for_gone() {
    let mut room = Room::new(Policy::default());
    room.joins(agent(ADA, 1));
    room.writes(CUSTOMER);
    room.pass(36_000);
    assert_eq!(room.attendance(), Attendance::Unjudged);
    assert_eq!(room.acts(), [""; 0]);
}

/// Their page may be cut off from us alone: only an agent at a page takes a task.
#[test]
fn an_agent_who_takes_our_invite_at_a_page_that_we_do_not_hear_keeps_the_conversation() {
    for is_reported in [true, false] {
        let mut room = Room::chatting();
        room.ada_goes();
        room.pass(70);
        assert_eq!(room.acts(), ["tell", "invite"]);
        if is_reported {
            room.joins(agent(ADA, 0x101));
        } else {
            room.tasks.insert(agent(ADA, 0x101).task.unwrap(), TaskState::Assigned);
            room.there.push(agent(ADA, 0x101));
        }
        room.pass(3600);
        assert_eq!(room.attendance(), Attendance::Unjudged);
        assert_eq!(room.acts(), ["tell", "invite", "close-participant"]);
        assert_eq!(room.there, [customer(), agent(ADA, 0x101)]);
        assert_eq!(room.endings(), [Ending::SameAgent]);
        // Once a page of theirs is heard, it is judged as ever.
        room.page(ADA, PAGE + 1, PageEvent::PushOpened);
        room.pass(1);
        room.page(ADA, PAGE + 1, PageEvent::PushClosed);
        assert_eq!(unattended_after(&room), Some(60));
    }
}

#[test]
fn an_agent_whose_pages_had_all_gone_before_is_not_judged_by_them() {
    let mut room = Room::new(Policy::default());
    room.page(ADA, PAGE, PageEvent::PushOpened);
    room.pass(1);
    room.page(ADA, PAGE, PageEvent::PushClosed);
    room.pass(3600);
    room.joins(agent(ADA, 1));
    room.writes(CUSTOMER);
    room.pass(3600);
    assert_eq!(room.attendance(), Attendance::Unjudged);
    assert_eq!(room.acts(), [""; 0]);
}

/// Twilio's webhook may be later than the page's end.
#[test]
fn an_agent_whose_page_has_claimed_a_conversation_is_judged_though_their_join_is_told_late() {
    let mut room = Room::new(Policy::default());
    room.page(ADA, PAGE, PageEvent::PushOpened);
    room.pass(1);
    room.handle(&Event::Claimed { worker: worker(ADA), conversation: conversation(), place: place() });
    room.page(ADA, PAGE, PageEvent::PushClosed);
    room.pass(70);
    room.pending.clear();
    room.joins(agent(ADA, 1));
    room.pass(70);
    assert_eq!(room.attendance(), Attendance::Unattended);
}

#[test]
fn an_agent_who_leaves_by_flexs_buttons_is_never_taken_for_gone() {
    for how in [Leaving::Leave, Leaving::Pause, Leaving::Transfer, Leaving::WrapUp] {
        let mut room = Room::chatting();
        room.writes(CUSTOMER);
        room.handle(&Event::Leaving { worker: worker(ADA), conversation: conversation(), how });
        room.ada_goes();
        room.pass(300);
        assert_eq!(room.attendance(), Attendance::Graceful, "{how:?}");
        assert_eq!(room.acts(), [""; 0]);
        // A statement that leads to nothing does not count for ever.
        room.pass(301);
        assert!(room.is_absent(), "{how:?}");
    }
}

#[test]
fn an_agent_who_has_stayed_takes_the_statement_back() {
    let mut room = Room::chatting();
    let how = Leaving::Transfer;
    room.handle(&Event::Leaving { worker: worker(ADA), conversation: conversation(), how });
    room.pass(1);
    room.handle(&Event::Claimed { worker: worker(ADA), conversation: conversation(), place: place() });
    room.ada_goes();
    assert_eq!(unattended_after(&room), Some(60));
}

#[test]
fn while_one_agent_leaves_on_purpose_the_other_one_may_be_lost() {
    let mut room = Room::chatting();
    room.bo_takes(2);
    let how = Leaving::Transfer;
    room.handle(&Event::Leaving { worker: worker(BO), conversation: conversation(), how });
    room.page(BO, PAGE, PageEvent::PushClosed);
    room.ada_goes();
    assert_eq!(unattended_after(&room), Some(60));
}

#[test]
fn states_of_flex_are_left_alone() {
    for (state, attendance) in [
        (ChannelState::Paused, Attendance::Paused),
        (ChannelState::Inactive, Attendance::Left),
        (ChannelState::Closed, Attendance::Closed),
    ] {
        let mut room = Room::chatting();
        room.state = state;
        room.leaves(&agent(ADA, 1));
        room.news(InteractionNews::Status(state));
        room.pass(5);
        assert_eq!(room.attendance(), attendance);
        room.ada_goes();
        room.pass(300);
        room.writes(CUSTOMER);
        room.pass(300);
        assert_eq!(room.acts(), [""; 0], "{state:?}");
    }
}

#[test]
fn pages_that_no_server_could_hear_have_the_time_of_a_reload() {
    let mut room = Room::chatting();
    room.writes(CUSTOMER);
    room.ada_goes();
    // The servers are away for an hour, in which the page was loaded again.
    room.now = room.now + Millis::seconds(3600);
    room.machine = room.machine.listening_since(room.now);
    room.fire();
    assert_eq!(room.attendance(), Attendance::Awaited);
    assert_eq!(unattended_after(&room), Some(15));
    room.pass(12);
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    assert_eq!(unattended_after(&room), None);
}

/// With thousands of conversations, polls that only watch wait for minutes.
#[test]
fn a_poll_that_only_watches_delays_none_that_decides() {
    let mut room = Room::chatting();
    while room.pending.is_empty() {
        assert!(room.fire(), "it is looked at after ten minutes");
    }
    assert!(matches!(room.pending[..], [Action::Poll { watch: true, .. }]), "{:?}", room.pending);
    room.ada_goes();
    assert!(room.fire());
    let Some(Action::Poll { watch: false, .. }) = room.pending.get(1) else { panic!("{:?}", room.pending) };
    let decides = room.pending[1].clone();
    let seen = room.outcome(&decides);
    room.finish(decides, seen);
    assert_eq!(room.attendance(), Attendance::Unattended);
    assert_eq!(room.acts(), ["tell", "invite"]);
}

/// Ada's page goes now. TaskRouter says that Ada is available, in an account that sets lost agents offline.
fn at_a_page_that_we_do_not_hear(policy: Policy) -> Room {
    let mut room = Room::chatting_with(policy);
    room.available = Some([worker(ADA)].into());
    room.ada_goes();
    room
}

fn polls(room: &Room) -> usize {
    room.requested.iter().filter(|action| matches!(action, Action::Poll { .. })).count()
}

#[test]
fn an_agent_who_is_available_though_their_pages_are_gone_works_at_a_page_that_we_do_not_hear() {
    let mut room = at_a_page_that_we_do_not_hear(Policy::default());
    room.pass(8 * 3600);
    assert_eq!((room.attendance(), room.acts()), (Attendance::Unjudged, vec![]));
    let asked = polls(&room);
    assert!(asked < 8 * 15, "TaskRouter is asked about every four minutes: {asked} times");
    // They close that page, too, and Flex sets them offline.
    room.available = Some([].into());
    let gone_after = unattended_after(&room).expect("they are gone");
    assert!(gone_after <= 300, "{gone_after}");
    room.pass(300);
    assert_eq!(room.acts(), ["tell", "invite"]);
}

#[test]
fn what_taskrouter_says_before_flex_would_have_set_an_agent_offline_says_nothing() {
    let mut room =
        at_a_page_that_we_do_not_hear(Policy { goodbye: Millis::seconds(59), ..Policy::default() });
    assert_eq!(unattended_after(&room), Some(59));
    room.pass(59);
    // Flex does so now: it had to notice that a network is cut.
    room.available = Some([].into());
    room.pass(60);
    assert_eq!((room.is_absent(), room.acts()), (true, vec!["tell", "invite"]));
}

#[test]
fn an_absence_ends_before_an_invite_when_the_agent_is_found_at_a_page_that_we_do_not_hear() {
    let mut room = at_a_page_that_we_do_not_hear(Policy::default());
    room.writes(CUSTOMER);
    assert_eq!(unattended_after(&room), Some(20));
    // Sixty seconds after the customer was told, Ada was at a desktop for sure when that happened.
    room.pass(78);
    assert_eq!((room.is_absent(), room.acts()), (true, vec!["tell"]));
    room.pass(15);
    assert_eq!((room.attendance(), room.acts()), (Attendance::Unjudged, vec!["tell"]));
    assert_eq!(room.endings(), [Ending::Back]);
    room.writes(ADA);
    room.pass(3600);
    assert_eq!((room.attendance(), room.acts()), (Attendance::Unjudged, vec!["tell"]));
}

#[test]
fn an_invite_waits_for_a_minute_for_an_agent_whom_taskrouter_would_offer_it_to() {
    let mut room = at_a_page_that_we_do_not_hear(Policy::default());
    room.writes(CUSTOMER);
    // A cut network: Flex notices it after half a minute, and sets the agent offline after another one.
    room.pass(60);
    assert_eq!((room.is_absent(), room.acts()), (true, vec!["tell"]));
    let mut never = room.clone();
    room.available = Some([].into());
    room.pass(15);
    assert_eq!((room.is_absent(), room.acts()), (true, vec!["tell", "invite"]));
    // TaskRouter's answers say nothing about the time since: the account has a longer threshold.
    never.offline_after = Millis::seconds(600);
    never.pass(34);
    assert_eq!(never.acts(), ["tell"]);
    never.pass(2);
    assert_eq!((never.is_absent(), never.acts()), (true, vec!["tell", "invite"]));
}

#[test]
fn a_customer_who_gets_no_answer_is_not_left_to_an_agent_whom_only_taskrouter_knows() {
    let mut room = at_a_page_that_we_do_not_hear(Policy::default());
    room.pass(600);
    assert_eq!(room.acts(), [""; 0]);
    room.writes(CUSTOMER);
    assert_eq!(unattended_after(&room), Some(300));
    room.pass(301);
    assert_eq!(room.acts(), ["tell", "invite"]);
    // The agent answers after all, before another agent takes the invite.
    room.writes(ADA);
    room.pass(301);
    assert_eq!((room.attendance(), room.endings()), (Attendance::Unjudged, vec![Ending::Back]));
}

#[test]
fn taskrouter_is_asked_for_nothing_where_flex_sets_nobody_offline_or_it_is_switched_off() {
    let off = Policy { available_unanswered: Millis(0), ..Policy::default() };
    for (policy, available) in [(Policy::default(), None), (off, Some([worker(ADA)].into()))] {
        let mut room = at_a_page_that_we_do_not_hear(policy.clone());
        room.available = available;
        assert_eq!(unattended_after(&room), Some(60));
        room.pass(61);
        assert_eq!(room.acts(), ["tell", "invite"]);
        let asks = |action: &Action| matches!(action, Action::Poll { workers: true, .. });
        assert_eq!(room.requested.iter().any(asks), policy.available_unanswered > Millis(0));
    }
}
