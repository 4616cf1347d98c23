//! Listening, coaching, barging in; and the views from which a supervisor does it.

use super::world::{Talk, World, ada, bo, told, value};
use crate::model::{Effect, Event, ParticipantChange, Request};
use rejoin_protocol::{CallSid, Millis};

#[test]
fn a_supervisor_listens_and_is_not_heard() {
    let (mut world, talk) = World::talk(false);
    let supervise = Request::Supervise {
        reservation: talk.reservation.clone(),
        supervisor: bo(),
        to: "client:bo_40example_2Ecom".into(),
    };
    world.ask(supervise.clone()).expect("rings");
    let leg = world.rung().expect("a phone rings");
    world.clear();
    world.tell(Event::Answered { call: leg.clone() });
    assert_eq!(world.live(&talk.conference), [talk.customer.clone(), talk.agent.clone(), leg.clone()]);
    assert!(world.done.contains(&Effect::Mute { call: leg.clone(), muted: true }));
    assert_eq!(value(&world.callback("participant-join"), "Muted"), "true");
    assert_eq!(told(&world, &ada(), "participant.added")["type"], "supervisor");
    world.tell(Event::HungUp { call: leg });
    assert_eq!(world.live(&talk.conference).len(), 2, "the call goes on");
    world.tell(Event::HungUp { call: talk.agent.clone() });
    world.pass(Millis::seconds(1));
    assert_eq!(world.ask(supervise).expect_err("no call").status, 400);
}

/// Bo listens to Ada's call; returns Bo's leg.
fn listening() -> (World, Talk, CallSid) {
    let (mut world, talk) = World::talk(false);
    let supervise = Request::Supervise {
        reservation: talk.reservation.clone(),
        supervisor: bo(),
        to: "client:bo_40example_2Ecom".into(),
    };
    world.ask(supervise).expect("rings");
    let leg = world.rung().expect("a phone rings");
    world.tell(Event::Answered { call: leg.clone() });
    world.clear();
    (world, talk, leg)
}

#[test]
fn a_supervisor_coaches_and_barges_in() {
    let (mut world, talk, leg) = listening();
    let heard_by = |coached: Option<CallSid>| ParticipantChange {
        muted: Some(false),
        coaches: Some(coached),
        ..ParticipantChange::default()
    };
    world.change(&talk, &leg, heard_by(Some(talk.agent.clone())));
    let coached = Some(talk.agent.clone());
    assert!(world.done.contains(&Effect::Coach { call: leg.clone(), coached }));
    assert!(world.done.contains(&Effect::Mute { call: leg.clone(), muted: false }));
    let told = world.callback("participant-modify");
    assert_eq!((value(&told, "Coaching"), value(&told, "CallSid")), ("true", leg.as_str()));
    let path = Request::FetchParticipant(talk.conference.clone(), leg.clone());
    let seen = world.ask(path.clone()).expect("a participant").body;
    assert_eq!((&seen["coaching"], &seen["call_sid_to_coach"]), (&true.into(), &talk.agent.as_str().into()));

    world.change(&talk, &leg, heard_by(None));
    assert!(world.done.contains(&Effect::Coach { call: leg.clone(), coached: None }));
    assert_eq!(world.ask(path).expect("a participant").body["coaching"], false);

    let nobody = heard_by(Some(CallSid::numbered(0xdead)));
    let change =
        Request::UpdateParticipant { conference: talk.conference.clone(), call: leg.clone(), change: nobody };
    assert_eq!(world.ask(change).expect_err("refused").code, 16028);
}

#[test]
fn the_views_show_activities_and_participants() {
    let (mut world, talk, leg) = listening();
    let reports = world.model.reports();
    let call = &reports.indexes["tr-reservation"][talk.reservation.as_str()];
    assert_eq!(call["status"], "accepted");
    assert_eq!(call["task_sid"], talk.task.as_str());
    assert_eq!(call["worker_sid"], ada().as_str());
    assert_eq!(reports.indexes["tr-worker"][ada().as_str()]["activity_name"], "Available");
    let conference = &reports.conferences[&talk.task];
    assert_eq!(conference["conf_status"]["conference_sid"], talk.conference.as_str());
    let kinds: Vec<_> = [&talk.customer, &talk.agent, &leg]
        .map(|leg| {
            (
                conference[leg.as_str()]["participant_type"].as_str(),
                conference[leg.as_str()]["status"].as_str(),
            )
        })
        .into();
    let joined = Some("joined");
    assert_eq!(kinds, [(Some("customer"), joined), (Some("agent"), joined), (Some("supervisor"), joined)]);
    assert_eq!(conference[leg.as_str()]["worker_sid"], bo().as_str());

    world.tell(Event::HungUp { call: leg.clone() });
    world.tell(Event::HungUp { call: talk.agent.clone() });
    let reports = world.model.reports();
    assert_eq!(reports.conferences[&talk.task][leg.as_str()]["status"], "left");
    assert_eq!(reports.indexes["tr-reservation"][talk.reservation.as_str()]["status"], "wrapup");
    let complete = Request::UpdateReservation {
        reservation: talk.reservation.clone(),
        status: Some("completed".into()),
        instruction: None,
    };
    world.ask(complete).expect("completed");
    assert!(world.model.reports().indexes["tr-reservation"].is_empty(), "the reservation is over");
}
