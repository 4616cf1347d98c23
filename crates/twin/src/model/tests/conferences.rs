//! Customer and agent in a conference.

use super::world::{World, ada, bo, value};
use crate::model::{Audience, Effect, Event, ParticipantChange, Request, Sound};
use rejoin_protocol::{CallSid, TaskSid};
use serde_json::Value;

fn exit(flag: bool) -> ParticipantChange {
    ParticipantChange { end_conference_on_exit: Some(flag), ..ParticipantChange::default() }
}

fn hold(flag: bool) -> ParticipantChange {
    ParticipantChange { hold: Some(flag), ..ParticipantChange::default() }
}

#[test]
fn accepting_brings_customer_and_agent_together() {
    let (world, talk) = World::talk(false);
    assert_eq!(world.live(&talk.conference), [talk.customer.clone(), talk.agent.clone()]);
    assert_eq!(
        (world.task_status(&talk.task), world.reservation(&talk.reservation)),
        ("assigned", "accepted")
    );
    assert_eq!(world.events(), ["participant-join", "participant-join", "conference-start"]);
    let numbers: Vec<String> =
        world.callbacks().iter().map(|params| value(params, "SequenceNumber").to_owned()).collect();
    assert_eq!(numbers, ["1", "2", "3"]);
    let join = &world.callbacks()[1];
    assert_eq!(value(join, "FriendlyName"), talk.task.as_str());
    assert_eq!(value(join, "CallSid"), talk.agent.as_str());
    assert_eq!(value(join, "EndConferenceOnExit"), "false");
    assert_eq!(
        world.told(&ada()),
        [
            "worker.activity.update",
            "reservation.created",
            "reservation.accepted",
            "participant.added",
            "participant.added",
            "task.updated"
        ]
    );
    let attributes = &world.model.tasks[&talk.task].attributes["conference"];
    assert_eq!(attributes["sid"], talk.conference.as_str());
    assert_eq!(attributes["participants"]["worker"], talk.agent.as_str());
    assert_eq!(attributes["participants"]["customer"], talk.customer.as_str());
    // The waiting music stops.
    assert!(world.done.contains(&Effect::StopPlaying { call: talk.customer }));
    assert_eq!(world.told(&bo()), Vec::<&str>::new());
}

#[test]
fn the_event_bridge_carries_what_flex_needs() {
    let (world, talk) = World::talk(false);
    let payload = |wanted: &str| {
        world
            .done
            .iter()
            .rev()
            .find_map(|effect| match effect {
                Effect::Tell { event_type, payload, .. } if event_type == wanted => Some(payload.clone()),
                _ => None,
            })
            .expect(wanted)
    };
    let reservation = payload("reservation.accepted");
    for key in [
        "account_sid",
        "date_created",
        "date_updated",
        "reservation_status",
        "sid",
        "task",
        "reservation_timeout",
        "worker_sid",
        "workspace_sid",
        "version",
    ] {
        assert!(!reservation[key].is_null(), "{key}");
    }
    for key in [
        "addons",
        "age",
        "attributes",
        "date_created",
        "date_updated",
        "priority",
        "queue_name",
        "queue_sid",
        "sid",
        "assignment_status",
        "task_channel_unique_name",
        "task_channel_sid",
        "timeout",
        "workflow_name",
        "workflow_sid",
        "version",
        "virtual_start_time",
    ] {
        assert!(!reservation["task"][key].is_null(), "{key}");
    }
    assert!(reservation["task"]["attributes"].is_string());
    let participant = payload("participant.added");
    assert_eq!(participant["type"], "agent");
    assert_eq!(participant["interaction_sid"], format!("KD{}", talk.task.digits()));
    assert_eq!(participant["media_properties"]["CallSid"], serde_json::json!([talk.agent]));
    assert_eq!(participant["routing_properties"]["reservation_sid"], talk.reservation.as_str());
}

#[test]
fn the_agent_leaves_and_the_customer_stays() {
    let (mut world, talk) = World::talk(false);
    world.clear();
    world.tell(Event::HungUp { call: talk.agent.clone() });
    assert_eq!(world.live(&talk.conference), std::slice::from_ref(&talk.customer));
    assert_eq!(world.call_status(&talk.customer), "in-progress");
    assert_eq!(world.events(), ["participant-leave"]);
    let left = world.callback("participant-leave");
    assert_eq!(value(&left, "ReasonParticipantLeft"), "participant_hung_up");
    assert_eq!(value(&left, "ParticipantCallStatus"), "completed");
    assert_eq!(
        (world.reservation(&talk.reservation), world.task_status(&talk.task)),
        ("wrapping", "wrapping")
    );
    assert_eq!(world.told(&ada()), ["participant.removed", "reservation.wrapup", "task.wrapup"]);
}

#[test]
fn with_the_exit_flag_the_agents_leave_ends_the_conference() {
    let (mut world, talk) = World::talk(true);
    world.clear();
    world.tell(Event::HungUp { call: talk.agent.clone() });
    assert_eq!(world.live(&talk.conference), Vec::<CallSid>::new());
    assert_eq!(world.events(), ["participant-leave", "participant-leave", "conference-end"]);
    let others = &world.callbacks()[1];
    assert_eq!(value(others, "ReasonParticipantLeft"), "moderator_ended_conference");
    assert_eq!(value(others, "ParticipantCallStatus"), "in-progress");
    let end = world.callback("conference-end");
    assert_eq!(value(&end, "ReasonConferenceEnded"), "participant-with-end-conference-on-exit-left");
    assert_eq!(value(&end, "CallSidEndingConference"), talk.agent.as_str());
}

#[test]
fn the_customer_hangs_up_and_the_agent_wraps_up() {
    let (mut world, talk) = World::talk(false);
    world.clear();
    world.tell(Event::HungUp { call: talk.customer.clone() });
    assert!(world.dropped(&talk.agent));
    assert_eq!(
        (world.reservation(&talk.reservation), world.task_status(&talk.task)),
        ("wrapping", "wrapping")
    );
    // No document is requested for a leg that has gone.
    assert_eq!(world.fetched("http://server/after"), None);
    world.reservation_status(&talk.reservation, "completed").expect("completed");
    assert_eq!(world.task_status(&talk.task), "completed");
}

#[test]
fn the_last_participant_ends_the_conference() {
    let (mut world, talk) = World::talk(false);
    world.tell(Event::HungUp { call: talk.agent.clone() });
    world.change(&talk, &talk.customer.clone(), exit(false));
    world.clear();
    world.tell(Event::HungUp { call: talk.customer });
    let end = world.callback("conference-end");
    assert_eq!(value(&end, "ReasonConferenceEnded"), "last-participant-left");
}

#[test]
fn ending_by_api_hangs_up_everybody() {
    let (mut world, talk) = World::talk(false);
    world.clear();
    let request = Request::UpdateConference {
        conference: talk.conference.clone(),
        status: Some("completed".into()),
        announce_url: None,
        announce_method: None,
    };
    let reply = world.ask(request.clone()).expect("ended");
    assert_eq!(reply.body["reason_conference_ended"], "conference-ended-via-api");
    assert_eq!(reply.body["call_sid_ending_conference"], Value::Null);
    assert!(world.dropped(&talk.customer) && world.dropped(&talk.agent));
    assert_eq!(
        value(&world.callback("participant-leave"), "ReasonParticipantLeft"),
        "conference_ended_via_api"
    );
    assert_eq!(world.ask(request).expect_err("over").code, 20404);
}

#[test]
fn a_change_of_the_exit_flag_is_reported_once() {
    let (mut world, talk) = World::talk(false);
    world.clear();
    let request =
        Request::UpdateWorkerParticipant { reservation: talk.reservation.clone(), change: exit(true) };
    let reply = world.ask(request.clone()).expect("changed");
    assert_eq!(reply.bridge["sid"], talk.reservation.as_str());
    let modify = world.callback("participant-modify");
    assert_eq!(
        (value(&modify, "CallSid"), value(&modify, "EndConferenceOnExit")),
        (talk.agent.as_str(), "true")
    );
    world.ask(request).expect("unchanged");
    assert_eq!(world.events(), ["participant-modify"]);
    assert_eq!(world.told(&ada()), ["participant.modified", "participant.modified"]);
}

#[test]
fn the_exit_flag_cannot_be_changed_on_hold() {
    let (mut world, talk) = World::talk(false);
    let agent = talk.agent.clone();
    world.change(&talk, &agent, exit(true));
    world.change(&talk, &agent, hold(true));
    world.clear();
    world.change(&talk, &agent, exit(false));
    assert_eq!(world.events(), Vec::<String>::new());
    world.change(&talk, &agent, hold(false));
    assert_eq!(world.events(), ["participant-unhold"]);
    let request = Request::FetchParticipant(talk.conference.clone(), agent.clone());
    assert_eq!(world.ask(request.clone()).expect("there").body["end_conference_on_exit"], true);
    world.change(&talk, &agent, exit(false));
    assert_eq!(world.ask(request).expect("there").body["end_conference_on_exit"], false);
}

#[test]
fn hold_and_mute_reach_the_media() {
    let (mut world, talk) = World::talk(false);
    world.clear();
    world.change(
        &talk,
        &talk.customer.clone(),
        ParticipantChange { hold: Some(true), muted: Some(true), ..ParticipantChange::default() },
    );
    let call = talk.customer.clone();
    assert!(world.done.contains(&Effect::Hold { call: call.clone(), hold: true, music: true }));
    assert!(world.done.contains(&Effect::Mute { call: call.clone(), muted: true }));
    // Leaving resets both.
    world.clear();
    world.document("http://server/new", "<Pause/>");
    world.redirect(&call, "http://server/new", None).expect("redirected");
    assert!(world.done.contains(&Effect::Hold { call: call.clone(), hold: false, music: false }));
    assert!(world.done.contains(&Effect::Mute { call, muted: false }));
}

fn hold_with(url: &str) -> ParticipantChange {
    ParticipantChange { hold: Some(true), hold_url: Some(url.into()), ..ParticipantChange::default() }
}

#[test]
fn a_document_plays_on_hold_and_no_longer() {
    let (mut world, talk) = World::talk(false);
    world.document("http://server/hold", "<Say>Wait</Say><Play loop=\"0\">sound.wav</Play>");
    let call = talk.customer.clone();
    let on_hold = Audience::OnHold(call.clone());
    world.change(&talk, &call, hold_with("http://server/hold"));
    assert!(world.done.contains(&Effect::Hold { call: call.clone(), hold: true, music: false }));
    assert_eq!(world.callback("participant-hold").len(), world.callback("participant-join").len());
    let sound = Sound::Url("http://server/sound.wav".into());
    let mut last = None;
    for wanted in [Sound::Say("Wait".into()), sound.clone(), sound.clone(), sound] {
        let (play, what) = world.playing(&on_hold).expect("a sound");
        assert_eq!(what, wanted);
        last = Some(play);
        world.tell(Event::Played { play });
    }
    world.change(&talk, &call, hold(false));
    assert!(world.done.contains(&Effect::Hold { call, hold: false, music: false }));
    world.clear();
    world.tell(Event::Played { play: last.expect("played") });
    assert_eq!(world.playing(&on_hold), None, "what played on hold is over with it");
}

#[test]
fn a_document_on_hold_is_not_begun_again() {
    let (mut world, talk) = World::talk(false);
    world.document("http://server/hold", "<Redirect>more</Redirect>");
    world.document("http://server/more", "<Say>Wait</Say>");
    let call = talk.customer.clone();
    world.change(&talk, &call, hold_with("http://server/hold"));
    let (play, what) = world.playing(&Audience::OnHold(call.clone())).expect("a sound");
    assert_eq!(what, Sound::Say("Wait".into()));
    world.clear();
    world.tell(Event::Played { play });
    assert_eq!(world.playing(&Audience::OnHold(call)), None);
}

#[test]
fn without_an_allowed_document_a_hold_plays_twilios_music() {
    let (mut world, talk) = World::talk(false);
    world.broken("http://server/broken");
    world.document("http://server/enqueue", "<Hangup/>");
    let call = talk.customer.clone();
    for url in ["http://server/broken", "http://server/enqueue"] {
        world.clear();
        world.change(&talk, &call, hold_with(url));
        assert!(world.done.contains(&Effect::Hold { call: call.clone(), hold: true, music: true }), "{url}");
    }
    assert_eq!(world.call_status(&call), "in-progress");
}

#[test]
fn announcements_play_one_after_the_other() {
    let (mut world, talk) = World::talk(false);
    world.document("http://server/one", "<Say>One</Say><Play>sound.wav</Play>");
    world.document("http://server/two", "<Say>Two</Say>");
    world.clear();
    for url in ["http://server/one", "http://server/two"] {
        let request = Request::UpdateConference {
            conference: talk.conference.clone(),
            status: None,
            announce_url: Some(url.into()),
            announce_method: None,
        };
        world.ask(request).expect("announced");
    }
    let all = Audience::Conference(talk.conference.clone());
    for wanted in
        [Sound::Say("One".into()), Sound::Url("http://server/sound.wav".into()), Sound::Say("Two".into())]
    {
        let (play, what) = world.playing(&all).expect("a sound");
        assert_eq!(what, wanted);
        world.tell(Event::Played { play });
    }
    assert_eq!(world.events(), ["announcement-end", "announcement-end"]);
    let end = world.callback("announcement-end");
    assert_eq!((value(&end, "AnnounceUrl"), value(&end, "CallSid")), ("http://server/one", ""));
}

#[test]
fn an_announcement_that_cannot_be_fetched_makes_way_for_the_next() {
    let (mut world, talk) = World::talk(false);
    world.broken("http://server/one");
    world.document("http://server/two", "<Hangup/>");
    world.document("http://server/three", "<Say>Three</Say>");
    world.clear();
    let to_customer =
        |url: &str| ParticipantChange { announce_url: Some(url.into()), ..ParticipantChange::default() };
    for url in ["http://server/one", "http://server/two", "http://server/three"] {
        world.change(&talk, &talk.customer.clone(), to_customer(url));
    }
    assert_eq!(world.events(), ["announcement-fail", "announcement-fail"]);
    let (play, what) = world.playing(&Audience::Leg(talk.customer.clone())).expect("a sound");
    assert_eq!(what, Sound::Say("Three".into()));
    world.tell(Event::Played { play });
    assert_eq!(value(&world.callback("announcement-end"), "CallSid"), talk.customer.as_str());
}

#[test]
fn a_removed_participant_is_hung_up() {
    let (mut world, talk) = World::talk(false);
    world.clear();
    let request = Request::RemoveParticipant(talk.conference.clone(), talk.agent.clone());
    assert_eq!(world.ask(request.clone()).expect("removed").status, 204);
    assert!(world.dropped(&talk.agent));
    assert_eq!(world.live(&talk.conference), [talk.customer]);
    assert_eq!(world.reservation(&talk.reservation), "wrapping");
    assert_eq!(world.ask(request).expect_err("gone").code, 20404);
}

#[test]
fn the_first_participant_decides_about_callbacks() {
    let (mut world, talk) = World::talk(false);
    let third = world.dial();
    let other = format!(
        r#"<Dial><Conference statusCallback="http://other/" statusCallbackEvent="join">{}</Conference></Dial>"#,
        talk.task
    );
    world.document("http://server/move", &other);
    world.clear();
    world.redirect(&third, "http://server/move", None).expect("redirected");
    assert_eq!(world.events(), ["participant-join"]);
    let elsewhere = |effect: &Effect| matches!(effect, Effect::Webhook { url, .. } if url == "http://other/");
    assert!(!world.done.iter().any(elsewhere));
    assert_eq!(world.live(&talk.conference).len(), 3);
}

#[test]
fn a_phone_that_does_not_answer_gives_the_task_back() {
    let mut world = World::new();
    world.available(&ada());
    world.dial();
    let (reservation, task) = world.reservation_of(&ada());
    let agent = world.accept(&reservation, true);
    world.clear();
    world.tell(Event::NotAnswered { call: agent.clone() });
    assert_eq!((world.reservation(&reservation), world.call_status(&agent)), ("canceled", "no-answer"));
    // Offered again at once.
    assert_eq!(world.task_status(&task), "reserved");
    assert_eq!(world.told(&ada()), ["reservation.canceled", "reservation.created"]);
}

#[test]
fn join_call_replaces_a_dead_leg() {
    let (mut world, talk) = World::talk(false);
    let request = Request::AddAgentParticipant {
        task: talk.task.clone(),
        reservation: talk.reservation.clone(),
        to: "client:ada_40example_2Ecom".into(),
        from: "+15550001111".into(),
    };
    let reply = world.ask(request.clone()).expect("rings");
    let second = world.rung().expect("a phone rings");
    world.tell(Event::Answered { call: second.clone() });
    assert_eq!(world.live(&talk.conference), [talk.customer.clone(), talk.agent.clone(), second.clone()]);
    // The old leg goes; the reservation stays accepted.
    let old = world.model.conferences[&talk.conference].participants[1].sid.clone();
    let close = Request::UpdateChannelParticipant {
        task: talk.task.clone(),
        participant: old,
        change: ParticipantChange::default(),
        close: true,
    };
    world.ask(close).expect("closed");
    assert_eq!(world.live(&talk.conference), [talk.customer.clone(), second.clone()]);
    assert_eq!(world.reservation(&talk.reservation), "accepted");
    let channels = world.ask(Request::ListChannelParticipants(talk.task.clone())).expect("a list").bridge;
    assert_eq!(channels["participants"][1]["sid"], reply.bridge["sid"]);
    // A reservation that is wrapping cannot be joined.
    world.tell(Event::HungUp { call: second });
    assert_eq!(world.reservation(&talk.reservation), "wrapping");
    assert!(world.ask(request).is_err());
}

#[test]
fn a_conference_of_a_task_knows_its_customer() {
    let (mut world, talk) = World::talk(false);
    let request = Request::UpdateCustomerParticipant { task: talk.task.clone(), change: hold(true) };
    let reply = world.ask(request).expect("held");
    assert_eq!(reply.bridge["sid"], talk.task.as_str());
    assert!(world.done.contains(&Effect::Hold { call: talk.customer, hold: true, music: true }));
    let other = Request::UpdateCustomerParticipant { task: TaskSid::numbered(9), change: hold(true) };
    assert_eq!(world.ask(other).expect_err("unknown").status, 404);
}
