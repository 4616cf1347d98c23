//! Session inactivity: off by default, paused while unattended, and reset by what all see.

use crate::room::*;
use rejoin_conversations::*;
use rejoin_protocol::Millis;

fn times() -> Policy {
    Policy {
        alert: Millis::seconds(120),
        second_alert: Millis::seconds(180),
        close: Millis::seconds(240),
        ..Policy::default()
    }
}

fn steps(room: &Room) -> Vec<Step> {
    let steps = room.told().into_iter().filter_map(|what| match what {
        Telling::Idle { step, .. } => Some(step),
        Telling::AgentGone { .. } | Telling::Parked { .. } => None,
    });
    steps.collect()
}

#[test]
fn off_by_default() {
    let mut room = Room::chatting();
    room.pass(100_000);
    assert_eq!(room.acts(), [""; 0]);
}

#[test]
fn alert_second_alert_close() {
    let mut room = Room::chatting_with(times());
    room.writes(CUSTOMER);
    room.pass(119);
    assert_eq!(room.acts(), [""; 0]);
    room.pass(1);
    assert_eq!(steps(&room), [Step::Alert]);
    room.pass(60);
    assert_eq!(steps(&room), [Step::Alert, Step::SecondAlert]);
    room.pass(60);
    assert_eq!(room.acts(), ["tell", "tell", "close"]);
    assert_eq!(room.state, ChannelState::Closed);
    room.pass(1000);
    assert_eq!(room.machine.conversations().count(), 0);
}

/// Twilio does not answer at first: nobody is closed out right after the alert.
#[test]
fn what_follows_an_alert_counts_from_its_arrival() {
    let mut room = Room::chatting_with(times());
    room.writes(CUSTOMER);
    room.pass(179);
    room.fire();
    while let Some(action) = room.pending.first().cloned() {
        if matches!(action, Action::Tell { .. }) {
            room.now = room.now + Millis::seconds(50);
        }
        let outcome = room.outcome(&action);
        room.finish(action, outcome);
    }
    assert_eq!(steps(&room), [Step::Alert, Step::SecondAlert]);
    room.pass(59);
    assert_eq!(room.acts(), ["tell", "tell"]);
    room.pass(1);
    assert_eq!(room.acts(), ["tell", "tell", "close"]);
}

/// Twilio has taken neither an alert nor the end yet when the customer writes.
#[test]
fn a_word_ends_what_was_requested_for_silence() {
    for (passed, name) in [(119, "tell"), (239, "close")] {
        let mut room = Room::chatting_with(times());
        room.writes(CUSTOMER);
        room.pass(passed);
        while !room.pending.iter().any(|action| action.name() == name) {
            assert!(room.fire(), "stuck");
            let polls: Vec<_> = room.pending.iter().filter(|it| it.name() == "poll").cloned().collect();
            for poll in polls {
                let outcome = room.outcome(&poll);
                room.finish(poll, outcome);
            }
        }
        let pending = room.pending.clone();
        let action = pending.iter().find(|action| action.name() == name).expect("it was requested");
        let wants =
            |room: &Room| room.machine.conversation(&conversation()).is_some_and(|known| known.wants(action));
        assert!(wants(&room));
        room.now = room.now + Millis(1);
        room.writes(CUSTOMER);
        assert!(!wants(&room), "{name}");
    }
}

#[test]
fn messages_and_joins_of_people_begin_it_anew_and_our_alerts_do_not() {
    let mut room = Room::chatting_with(times());
    room.pass(150);
    assert_eq!(steps(&room), [Step::Alert]);
    room.writes(ADA);
    room.pass(119);
    room.joins(agent(BO, 2));
    room.pass(119);
    room.writes(CUSTOMER);
    room.pass(119);
    assert_eq!(steps(&room), [Step::Alert]);
    room.pass(1);
    assert_eq!(steps(&room), [Step::Alert, Step::Alert]);
}

#[test]
fn a_message_that_no_webhook_reported_prevents_a_false_alert() {
    let mut room = Room::chatting_with(times());
    room.pass(100);
    room.writes_unreported(CUSTOMER);
    room.pass(100);
    assert_eq!(room.acts(), [""; 0]);
    room.pass(20);
    assert_eq!(steps(&room), [Step::Alert]);
}

#[test]
fn paused_while_unattended_and_begun_anew_afterwards() {
    let mut room = Room::chatting_with(times());
    room.pass(100);
    room.ada_goes();
    room.pass(1000);
    assert!(steps(&room).is_empty());
    room.page(ADA, PAGE + 1, PageEvent::PushOpened);
    room.pass(119);
    assert!(steps(&room).is_empty());
    room.pass(1);
    assert_eq!(steps(&room), [Step::Alert]);
}

#[test]
fn only_while_the_customer_is_there() {
    let mut room = Room::chatting_with(times());
    room.leaves(&customer());
    room.pass(1000);
    assert_eq!(room.acts(), [""; 0]);
}

#[test]
fn an_asynchronous_conversation_counts_from_the_start_without_an_agent() {
    let policy = Policy {
        async_alert: Millis::seconds(1000),
        async_close: Millis::seconds(2000),
        ..Policy::default()
    };
    let mut room = Room::new(policy);
    room.news(InteractionNews::Other);
    room.pass(999);
    assert_eq!(room.acts(), [""; 0]);
    room.pass(1);
    assert_eq!(steps(&room), [Step::AsyncAlert]);
    room.pass(1000);
    assert_eq!(room.acts(), ["tell", "close"]);
}

#[test]
fn times_by_workflow_win_over_those_by_kind_of_channel() {
    let policies: Policies = serde_json::from_value(serde_json::json!({
        "alert_ms": 1000,
        "kind": {"web": {"alert_ms": 2000, "close_ms": 5}, "sms": {"alert_ms": 9}},
        "workflow": {"WW00000000000000000000000000000001": {"alert_ms": 3000}},
    }))
    .unwrap();
    let workflow = rejoin_protocol::WorkflowSid::numbered(1);
    let of = |workflow, kind| {
        let policy = policies.of(workflow, kind);
        (policy.alert.0, policy.close.0)
    };
    assert_eq!(of(None, None), (1000, 0));
    assert_eq!(of(None, Some("web")), (2000, 5));
    assert_eq!(of(Some(&workflow), Some("web")), (3000, 5));
    let unknown = serde_json::json!({"kind": {"web": {"alert": 1}}});
    assert!(serde_json::from_value::<Policies>(unknown).is_err());
}

#[test]
fn a_conversation_that_an_agent_has_left_is_closed_and_never_made_active_by_an_alert() {
    let policy = Policy {
        async_alert: Millis::seconds(1000),
        async_close: Millis::seconds(2000),
        ..Policy::default()
    };
    let mut room = Room::chatting_with(policy);
    room.state = ChannelState::Inactive;
    room.leaves(&agent(ADA, 1));
    room.news(InteractionNews::Status(ChannelState::Inactive));
    room.pass(1990);
    assert_eq!((room.acts(), room.attendance()), (vec![], Attendance::Left));
    room.pass(20);
    assert_eq!(room.acts(), ["close"]);
}

#[test]
fn after_an_outage_each_step_keeps_its_distance_from_the_one_before() {
    let mut room = Room::chatting_with(times());
    room.writes(CUSTOMER);
    // No server runs for an hour.
    room.now = room.now + Millis::seconds(3600);
    room.pass(1);
    assert_eq!(steps(&room), [Step::Alert]);
    room.pass(57);
    assert_eq!(steps(&room), [Step::Alert]);
    room.pass(5);
    assert_eq!(steps(&room), [Step::Alert, Step::SecondAlert]);
    room.pass(50);
    assert_eq!(room.state, ChannelState::Active);
    room.pass(20);
    assert_eq!(room.state, ChannelState::Closed);
}
