//! Legs and their documents.

use super::world::{World, ada, queue_with, value};
use crate::{
    facts::Facts,
    model::{Audience, Effect, Event, Request, Sound},
};
use rejoin_protocol::Millis;

#[test]
fn a_caller_waits_and_hears_the_waiting_document_in_a_loop() {
    let mut world = World::new();
    world.document("http://server/wait", "<Say>One</Say><Play>two.wav</Play>");
    let call = world.dial();
    let wait = world.fetched("http://server/wait").expect("the waitUrl");
    assert_eq!((value(&wait, "QueuePosition"), value(&wait, "CallStatus")), ("1", "in-progress"));
    let leg = Audience::Leg(call.clone());
    for wanted in
        [Sound::Say("One".into()), Sound::Url("http://server/two.wav".into()), Sound::Say("One".into())]
    {
        let (play, what) = world.playing(&leg).expect("a sound");
        assert_eq!(what, wanted);
        world.clear();
        world.tell(Event::Played { play });
        // At its end it is requested again.
        let asked = world.fetched("http://server/wait").is_some();
        assert_eq!(asked, matches!(what, Sound::Url(_)), "after {what:?}");
    }
    let task = world.task_of(&call);
    let attributes = world.ask(Request::FetchTask(task)).expect("a task").body["attributes"].clone();
    let attributes: serde_json::Value =
        serde_json::from_str(attributes.as_str().expect("text")).expect("JSON");
    assert_eq!(attributes["call_sid"], call.as_str());
    assert_eq!((&attributes["name"], &attributes["direction"]), (&"x".into(), &"inbound".into()));
    assert_eq!((&attributes["caller_country"], &attributes["to_city"]), (&"US".into(), &"".into()));
}

#[test]
fn an_audio_file_that_cannot_be_fetched_is_skipped_however_often_it_was_to_be_played() {
    let mut world = World::new();
    world.document("http://server/wait", "<Play loop=\"0\">one.wav</Play><Say>Two</Say>");
    let leg = Audience::Leg(world.dial());
    let (play, _) = world.playing(&leg).expect("a sound");
    world.clear();
    world.tell(Event::NotPlayed { play });
    assert_eq!(world.playing(&leg).map(|(_, what)| what), Some(Sound::Say("Two".into())));
}

#[test]
fn a_waiting_document_without_a_sound_does_not_spin() {
    let mut world = World::new();
    world.document("http://server/wait", "");
    let call = world.dial();
    let (play, silence) = world.playing(&Audience::Leg(call.clone())).expect("a sound");
    assert!(matches!(silence, Sound::Silence(_)));
    // Requested once a round.
    world.clear();
    world.tell(Event::Played { play });
    assert!(world.fetched("http://server/wait").is_some());
    assert!(matches!(world.playing(&Audience::Leg(call)), Some((_, Sound::Silence(_)))));
}

#[test]
fn a_waiting_document_that_fails_is_requested_again_if_twilio_does() {
    for again in [true, false] {
        let facts = Facts { failed_wait_is_requested_again: again, ..Facts::default() };
        let mut world = World::with(facts, None);
        world.document("http://server/wait", "<Say>One</Say>");
        let leg = Audience::Leg(world.dial());
        world.broken("http://server/wait");
        let (play, _) = world.playing(&leg).expect("a sound");
        world.clear();
        world.tell(Event::Played { play });
        let silence = world.playing(&leg);
        assert_eq!(silence.is_some(), again, "{silence:?}");
        world.document("http://server/wait", "<Say>Two</Say>");
        let Some((play, Sound::Silence(_))) = silence else { continue };
        world.tell(Event::Played { play });
        assert_eq!(world.playing(&leg).map(|(_, what)| what), Some(Sound::Say("Two".into())));
    }
}

#[test]
fn a_redirect_out_of_the_queue_requests_the_action_if_twilio_does() {
    for requests in [false, true] {
        let mut world = World::with(Facts { redirect_requests_action: requests, ..Facts::default() }, None);
        let call = world.dial();
        let task = world.task_of(&call);
        world.clear();
        world.redirect_inline(&call, "<Response><Pause length=\"60\"/></Response>").expect("redirected");
        let actions: Vec<_> = world
            .done
            .iter()
            .filter_map(|effect| match effect {
                Effect::Webhook { url, params, .. } if url == "http://server/after" => Some(params),
                _ => None,
            })
            .collect();
        let results: Vec<_> = actions.iter().map(|params| value(params, "QueueResult")).collect();
        assert_eq!(results, if requests { vec!["redirected"] } else { vec![] });
        // The action's document is ignored: the new one goes on.
        assert_eq!(world.task_status(&task), "canceled");
        assert!(matches!(world.playing(&Audience::Leg(call)), Some((_, Sound::Silence(_)))));
    }
}

#[test]
fn hanging_up_in_the_queue_cancels_the_task() {
    let mut world = World::new();
    world.available(&ada());
    let call = world.dial();
    let (reservation, task) = world.reservation_of(&ada());
    world.clear();
    world.tell(Event::HungUp { call: call.clone() });
    assert_eq!((world.task_status(&task), world.reservation(&reservation)), ("canceled", "canceled"));
    assert_eq!(world.model.tasks[&task].reason.as_deref(), Some("hangup"));
    assert_eq!(world.told(&ada()), ["reservation.canceled"]);
    assert!(world.dropped(&call));
    // Once is enough.
    world.clear();
    world.tell(Event::HungUp { call });
    assert_eq!(world.done, []);
}

#[test]
fn the_customer_hangs_up_while_the_agents_phone_rings() {
    let mut world = World::new();
    world.available(&ada());
    let customer = world.dial();
    let (reservation, _) = world.reservation_of(&ada());
    let agent = world.accept(&reservation, true);
    world.tell(Event::HungUp { call: customer });
    assert_eq!(world.reservation(&reservation), "canceled");
    assert!(world.dropped(&agent));
    world.tell(Event::Answered { call: agent.clone() });
    assert_eq!(world.call_status(&agent), "canceled");
}

#[test]
fn a_call_may_be_updated_with_a_document_of_its_own_which_has_no_fallback() {
    let (mut world, talk) = World::talk(false);
    let limit = Facts::default().twiml_limit;
    let document = |length: usize| {
        let frame = "<Response><Say></Say></Response>".len();
        format!("<Response><Say>{}</Say></Response>", "é".repeat(length - frame))
    };
    let error = world.redirect_inline(&talk.customer, &document(limit + 1)).expect_err("too long");
    assert_eq!(error.status, 400);
    world.redirect_inline(&talk.customer, &document(limit)).expect("characters are counted, not bytes");
    let (_, what) = world.playing(&Audience::Leg(talk.customer.clone())).expect("it runs at once");
    assert!(matches!(what, Sound::Say(_)));
    world.redirect_inline(&talk.customer, "<Response><Nonsense/></Response>").expect("it is read later");
    assert!(world.fetched("http://server/fallback").is_none());
    let (_, what) = world.playing(&Audience::Leg(talk.customer)).expect("a message");
    assert_eq!(what, Sound::Say(Facts::default().error_message.into()));
}

#[test]
fn a_broken_document_is_replaced_by_the_fallback() {
    let mut world = World::new();
    world.broken("http://twin/demo/voice");
    world.document("http://twin/demo/fallback", "<Say>Sorry</Say>");
    let call = world.dial();
    let params = world.fetched("http://twin/demo/fallback").expect("the fallback");
    assert_eq!(
        (value(&params, "ErrorCode"), value(&params, "ErrorUrl")),
        ("11200", "http://twin/demo/voice")
    );
    let (play, what) = world.playing(&Audience::Leg(call.clone())).expect("a sound");
    assert_eq!(what, Sound::Say("Sorry".into()));
    world.tell(Event::Played { play });
    assert_eq!(world.call_status(&call), "completed");
}

#[test]
fn without_a_fallback_the_caller_hears_an_error_and_is_hung_up_on() {
    let mut world = World::new();
    let call = world.dial();
    for (document, fallback) in [("<Nonsense/>", None), ("<Nonsense/>", Some("http://server/fallback"))] {
        let call = if fallback.is_some() { world.dial() } else { call.clone() };
        world.document("http://server/new", document);
        world.broken("http://server/fallback");
        world.redirect(&call, "http://server/new", fallback).expect("redirected");
        let (play, what) = world.playing(&Audience::Leg(call.clone())).expect("a sound");
        assert_eq!(what, Sound::Say(Facts::default().error_message.into()));
        world.tell(Event::Played { play });
        assert_eq!(world.call_status(&call), "completed");
    }
}

#[test]
fn a_redirect_takes_the_leg_out_of_the_conference() {
    let (mut world, talk) = World::talk(false);
    world.document("http://server/requeue", &queue_with("", "priority=\"7\"", ""));
    world.clear();
    // Flex has set the flag: the customer's own exit must not end the conference first.
    world.redirect(&talk.customer, "http://server/requeue", None).expect("redirected");
    let left = world.callback("participant-leave");
    assert_eq!(value(&left, "ReasonParticipantLeft"), "participant_updated_via_api");
    assert_eq!(value(&left, "ParticipantCallStatus"), "in-progress");
    let task = world.task_of(&talk.customer);
    assert_ne!(task, talk.task);
    assert_eq!(world.model.tasks[&task].priority, 7);
    assert!(!world.dropped(&talk.customer));
    // `EndConferenceOnCustomerExit` was set, so the agent's leg is over.
    assert!(world.dropped(&talk.agent));
}

#[test]
fn a_redirect_out_of_the_queue_cancels_the_task() {
    let mut world = World::new();
    let call = world.dial();
    let task = world.task_of(&call);
    world.document("http://server/new", "<Pause length=\"60\"/>");
    world.redirect(&call, "http://server/new", None).expect("redirected");
    assert_eq!(world.task_status(&task), "canceled");
    assert!(world.done.contains(&Effect::StopPlaying { call: call.clone() }));
    assert_eq!(world.call_status(&call), "in-progress");
}

#[test]
fn a_call_that_is_over_cannot_be_redirected() {
    let mut world = World::new();
    let call = world.dial();
    world.tell(Event::HungUp { call: call.clone() });
    let error = world.redirect(&call, "http://server/new", None).expect_err("refused");
    assert_eq!((error.status, error.code), (400, 21220));
    let call = world.dial();
    let error = world.redirect(&call, "not a url", None).expect_err("refused");
    assert_eq!((error.status, error.code), (400, 21205));
}

#[test]
fn after_the_conference_the_document_goes_on() {
    // With an action.
    let (mut world, talk) = World::talk(true);
    world.tell(Event::HungUp { call: talk.agent });
    let params = world.fetched("http://server/after").expect("the action");
    assert_eq!(value(&params, "QueueResult"), "bridged");
    let said = world.playing(&Audience::Leg(talk.customer.clone())).expect("a sound");
    assert_eq!(said.1, Sound::Say("After".into()));
    world.tell(Event::Played { play: said.0 });
    assert_eq!(world.call_status(&talk.customer), "completed");

    // Without.
    let mut world = World::new();
    let document = queue_with("", "", "<Say>Goodbye</Say>").replace("action=", "data=");
    world.document("http://twin/demo/voice", &document);
    world.available(&ada());
    let customer = world.dial();
    let (reservation, _) = world.reservation_of(&ada());
    let agent = world.accept(&reservation, true);
    world.tell(Event::Answered { call: agent.clone() });
    world.tell(Event::HungUp { call: agent });
    assert_eq!(
        world.playing(&Audience::Leg(customer)).map(|(_, what)| what),
        Some(Sound::Say("Goodbye".into()))
    );
}

#[test]
fn a_stale_report_does_nothing() {
    let mut world = World::new();
    let call = world.dial();
    let (play, _) = world.playing(&Audience::Leg(call.clone())).expect("a sound");
    world.document("http://server/new", "<Say>New</Say><Say>Second</Say>");
    world.redirect(&call, "http://server/new", None).expect("redirected");
    world.clear();
    world.tell(Event::Played { play });
    assert_eq!(world.done, []);
}

#[test]
fn a_dead_leg_is_gone_after_its_time() {
    let (mut world, talk) = World::talk(false);
    world.tell(Event::MediaSilent { call: talk.agent.clone(), silent: true });
    world.pass(Millis::seconds(29));
    world.tell(Event::MediaSilent { call: talk.agent.clone(), silent: false });
    world.pass(Millis::seconds(60));
    assert_eq!(world.live(&talk.conference).len(), 2);
    world.tell(Event::MediaSilent { call: talk.agent.clone(), silent: true });
    world.pass(Millis::seconds(29));
    // A second report of silence (first no network, then no browser) does not restart the time.
    world.tell(Event::MediaSilent { call: talk.agent.clone(), silent: true });
    world.pass(Millis::seconds(1));
    assert_eq!(world.live(&talk.conference), [talk.customer]);
    assert_eq!(value(&world.callback("participant-leave"), "ReasonParticipantLeft"), "participant_hung_up");
}

#[test]
fn closing_dtls_ends_a_leg_only_if_that_is_assumed() {
    for assumed in [false, true] {
        let facts = Facts { dtls_close_ends_leg: assumed, ..Facts::default() };
        let mut world = World::with(facts, None);
        let call = world.dial();
        world.tell(Event::MediaClosed { call: call.clone() });
        assert_eq!(world.dropped(&call), assumed);
        world.pass(Millis::seconds(30));
        assert!(world.dropped(&call), "the leg is unattended: it goes like any dead leg");
    }
}
