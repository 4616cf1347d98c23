//! Outside phones that Twilio dials: outbound calls, and third parties.

use super::world::{CALLBACK, Talk, World, ada, bo, value};
use crate::model::{
    ConferenceInstruction, Effect, Event, NewParticipant, NewTask, ParticipantChange, Request,
};
use rejoin_protocol::{CallSid, Millis, ReservationSid, TaskQueueSid, TaskSid, WorkflowSid};

const OWN: &str = "+15550001111";
const CUSTOMER: &str = "+15550002222";

/// Begins an outbound call as Flex does, and accepts its reservation.
fn place(world: &mut World) -> (TaskSid, ReservationSid, CallSid) {
    let task = NewTask {
        attributes: format!(r#"{{"direction":"outbound","outbound_to":"{CUSTOMER}","from":"{OWN}"}}"#),
        workflow: Some(WorkflowSid::numbered(1)),
        queue: Some(TaskQueueSid::numbered(2)),
        channel: Some("voice".into()),
        routing_target: Some(ada()),
        ..NewTask::default()
    };
    world.ask(Request::CreateTask(task)).expect("a task");
    let (reservation, task) = world.reservation_of(&ada());
    let agent = world.accept(&reservation, true);
    (task, reservation, agent)
}

/// The outside phone that was dialled last, the caller and the callee.
fn dialled(world: &World) -> Option<(CallSid, String, String)> {
    world.done.iter().rev().find_map(|effect| match effect {
        Effect::Dial { call, from, to } => Some((call.clone(), from.clone(), to.clone())),
        _ => None,
    })
}

fn talk() -> (World, Talk) {
    let mut world = World::new();
    let (task, reservation, agent) = place(&mut world);
    world.tell(Event::Answered { call: agent.clone() });
    let customer = dialled(&world).expect("a phone rings").0;
    world.tell(Event::Answered { call: customer.clone() });
    let conference = world.conference(&task);
    (world, Talk { customer, agent, reservation, task, conference })
}

#[test]
fn an_outbound_call_is_accepted_when_the_customer_answers() {
    // The agent is offline, which does not matter: the task is theirs alone.
    let mut world = World::new();
    let (task, reservation, agent) = place(&mut world);
    assert_eq!(dialled(&world), None, "the agent's phone first");
    world.tell(Event::Answered { call: agent.clone() });
    let (customer, from, to) = dialled(&world).expect("then the customer's");
    assert_eq!((from.as_str(), to.as_str()), (OWN, CUSTOMER));
    assert_eq!((world.reservation(&reservation), world.task_status(&task)), ("pending", "reserved"));
    assert_eq!(world.events(), ["participant-join"]);
    world.pass(Millis::seconds(30));
    world.tell(Event::Answered { call: customer.clone() });
    assert_eq!((world.reservation(&reservation), world.task_status(&task)), ("accepted", "assigned"));
    assert_eq!(world.events(), ["participant-join", "participant-join", "conference-start"]);
    let conference = world.conference(&task);
    assert_eq!(world.live(&conference), [agent.clone(), customer.clone()]);
    let attributes = &world.model.tasks[&task].attributes;
    assert_eq!(attributes["conference"]["participants"]["customer"], customer.as_str());
    assert_eq!(attributes["conference"]["participants"]["worker"], agent.as_str());
    assert_eq!(attributes.get("call_sid"), None, "nobody has called");
    let call = world.ask(Request::FetchCall(customer)).expect("the customer's leg").body;
    assert_eq!(call["direction"], "outbound-api");
    assert_eq!(
        world.model.tasks[&task].queue,
        Some(TaskQueueSid::numbered(2)),
        "the queue that was asked for"
    );
}

#[test]
fn a_hang_up_ends_an_outbound_call_like_any_other() {
    for of_customer in [true, false] {
        let (mut world, talk) = talk();
        let call = if of_customer { &talk.customer } else { &talk.agent };
        world.tell(Event::HungUp { call: call.clone() });
        assert!(world.dropped(&talk.customer) && world.dropped(&talk.agent));
        assert_eq!(world.reservation(&talk.reservation), "wrapping");
    }
}

#[test]
fn a_customer_who_does_not_answer_ends_the_attempt() {
    type Tell = fn(CallSid) -> Event;
    let ways: [(Option<Tell>, &str, u32); 3] = [
        (Some(|call| Event::Busy { call }), "busy", 45303),
        (Some(|call| Event::NotAnswered { call }), "no-answer", 45305),
        (None, "no-answer", 45305),
    ];
    for (event, status, code) in ways {
        let mut world = World::new();
        let (task, reservation, agent) = place(&mut world);
        world.tell(Event::Answered { call: agent.clone() });
        let customer = dialled(&world).expect("a phone rings").0;
        world.clear();
        match event {
            Some(event) => world.tell(event(customer.clone())),
            None => world.pass(Millis::seconds(60)),
        }
        assert_eq!(world.call_status(&customer), status);
        assert_eq!((world.reservation(&reservation), world.task_status(&task)), ("canceled", "canceled"));
        assert!(world.dropped(&agent), "the agent is not left alone");
        let canceled = world.done.iter().find_map(|effect| match effect {
            Effect::Tell { event_type, payload, .. } if event_type == "reservation.canceled" => Some(payload),
            _ => None,
        });
        assert_eq!(canceled.expect("Flex receives it")["canceled_reason_code"], code);
        assert_eq!(world.find_reservation(&ada()), None, "and it is not offered again");
        assert_eq!(world.events().last().map(String::as_str), Some("conference-end"));
    }
}

#[test]
fn a_phone_stops_ringing_when_the_agent_is_gone() {
    let mut world = World::new();
    let (task, reservation, agent) = place(&mut world);
    world.tell(Event::Answered { call: agent.clone() });
    let customer = dialled(&world).expect("a phone rings").0;
    world.tell(Event::HungUp { call: agent });
    assert!(world.dropped(&customer));
    assert_eq!((world.reservation(&reservation), world.task_status(&task)), ("canceled", "canceled"));
    // Too late.
    world.tell(Event::Answered { call: customer.clone() });
    assert_eq!(world.call_status(&customer), "canceled");
    assert_eq!(world.events(), ["participant-join", "participant-leave", "conference-end"]);
}

#[test]
fn a_canceled_outbound_call_leaves_no_leg_behind() {
    let mut world = World::new();
    let (task, _, agent) = place(&mut world);
    world.tell(Event::Answered { call: agent.clone() });
    let customer = dialled(&world).expect("a phone rings").0;
    let cancel = Request::UpdateTask {
        task,
        if_match: None,
        attributes: None,
        assignment_status: Some("canceled".into()),
        reason: None,
        priority: None,
    };
    world.ask(cancel).expect("canceled");
    assert!(world.dropped(&customer) && world.dropped(&agent));
}

#[test]
fn an_agent_whose_phone_does_not_answer_dials_nobody() {
    let mut world = World::new();
    let (task, reservation, agent) = place(&mut world);
    world.tell(Event::NotAnswered { call: agent });
    assert_eq!(dialled(&world), None);
    assert_eq!((world.reservation(&reservation), world.task_status(&task)), ("canceled", "canceled"));
}

#[test]
fn flex_adds_a_third_party() {
    let (mut world, talk) = talk();
    let add = || Request::AddExternalParticipant {
        task: talk.task.clone(),
        from: OWN.into(),
        to: "+15550003333".into(),
    };
    let reply = world.ask(add()).expect("added");
    let participant = reply.bridge["sid"].as_str().expect("a SID").to_owned();
    let (third, from, to) = dialled(&world).expect("a phone rings");
    assert_eq!((from.as_str(), to.as_str()), (OWN, "+15550003333"));
    world.clear();
    world.tell(Event::Answered { call: third.clone() });
    assert_eq!(world.live(&talk.conference).len(), 3);
    let told = world.done.iter().find_map(|effect| match effect {
        Effect::Tell { event_type, payload, .. } if event_type == "participant.added" => Some(payload),
        _ => None,
    });
    let told = told.expect("Flex receives it");
    assert_eq!((&told["participant_sid"], &told["type"]), (&participant.into(), &"external".into()));
    // The agent leaves the two alone, as Flex does: the flag has been taken off the agent's leg before.
    let stay = ParticipantChange { end_conference_on_exit: Some(false), ..ParticipantChange::default() };
    world.change(&talk, &talk.agent.clone(), stay);
    world.tell(Event::HungUp { call: talk.agent.clone() });
    assert_eq!(world.live(&talk.conference), [talk.customer.clone(), third.clone()]);
    world.tell(Event::HungUp { call: talk.customer.clone() });
    assert!(world.dropped(&third), "the customer's exit ends it");
}

#[test]
fn a_third_party_who_does_not_answer_changes_nothing() {
    let (mut world, talk) = talk();
    let add = Request::AddExternalParticipant {
        task: talk.task.clone(),
        from: OWN.into(),
        to: "+15550003333".into(),
    };
    world.ask(add).expect("added");
    let third = dialled(&world).expect("a phone rings").0;
    world.clear();
    world.tell(Event::Busy { call: third });
    assert_eq!(world.told(&ada()), ["participant.add.failed"]);
    assert_eq!(world.live(&talk.conference).len(), 2);
}

#[test]
fn end_call_ends_the_call_for_everybody() {
    let (mut world, talk) = talk();
    world.ask(Request::CloseChannel(talk.task.clone())).expect("closed");
    assert!(world.dropped(&talk.customer) && world.dropped(&talk.agent));
    assert_eq!(world.reservation(&talk.reservation), "wrapping");
    assert!(world.ask(Request::CloseChannel(talk.task)).is_err(), "once");
}

fn new_participant() -> NewParticipant {
    NewParticipant {
        from: OWN.into(),
        to: "+15550003333".into(),
        label: Some("lawyer".into()),
        timeout: Some(20),
        muted: false,
        start_conference_on_enter: true,
        end_conference_on_exit: true,
        status_callback: None,
        status_callback_method: None,
        status_callback_event: None,
    }
}

#[test]
fn the_rest_api_adds_a_third_party() {
    let (mut world, talk) = World::talk(false);
    let create = |conference: &str| Request::CreateParticipant {
        conference: conference.to_owned(),
        new: new_participant(),
    };
    for conference in [talk.conference.as_str(), talk.task.as_str()] {
        let reply = world.ask(create(conference)).expect("a participant");
        assert_eq!((reply.status, &reply.body["status"]), (201, &"queued".into()));
        assert_eq!(reply.body["conference_sid"], talk.conference.as_str());
        let (third, ..) = dialled(&world).expect("a phone rings");
        assert_eq!(reply.body["call_sid"], third.as_str());
        world.clear();
        world.tell(Event::Answered { call: third.clone() });
        let joined = world.callback("participant-join");
        assert_eq!(value(&joined, "ParticipantLabel"), "lawyer");
        assert_eq!(value(&joined, "EndConferenceOnExit"), "true");
        let stay = ParticipantChange { end_conference_on_exit: Some(false), ..ParticipantChange::default() };
        world.change(&talk, &third, stay);
        world.tell(Event::HungUp { call: third });
    }
    world.clear();
    world.ask(create(talk.task.as_str())).expect("a participant");
    let third = dialled(&world).expect("a phone rings").0;
    world.pass(Millis::seconds(21));
    assert_eq!(world.call_status(&third), "no-answer");
    // The call ends while another phone rings.
    world.ask(create(talk.task.as_str())).expect("a participant");
    let third = dialled(&world).expect("a phone rings").0;
    world.tell(Event::HungUp { call: talk.customer.clone() });
    assert!(world.dropped(&third));
    assert!(world.ask(create(talk.conference.as_str())).is_err(), "it is over");
    // An unknown name makes a conference, if anybody joins.
    world.ask(create("room")).expect("a participant");
    let third = dialled(&world).expect("a phone rings").0;
    world.tell(Event::Busy { call: third });
    let room = world.model.conferences.values().find(|conference| conference.name == "room");
    assert!(room.expect("made").ended.is_some());
}

#[test]
fn an_agent_may_have_any_phone() {
    for contact in ["+15550009999", "sip:bo@example.com"] {
        let mut world = World::new();
        let attributes = Some(format!(r#"{{"contact_uri":"{contact}"}}"#));
        let update =
            Request::UpdateWorker { worker: bo(), activity: None, attributes, reject_pending: false };
        world.ask(update).expect("the worker's attributes");
        world.available(&bo());
        let customer = world.dial();
        let (reservation, task) = world.reservation_of(&bo());
        let instruction = ConferenceInstruction {
            to: Some(contact.into()),
            status_callback: Some(CALLBACK.into()),
            ..ConferenceInstruction::default()
        };
        let request =
            Request::UpdateReservation { reservation, status: None, instruction: Some(instruction) };
        world.ask(request).expect("taken");
        let (agent, _, to) = dialled(&world).expect("a phone rings");
        assert_eq!(to, contact);
        world.tell(Event::Answered { call: agent.clone() });
        let conference = world.conference(&task);
        assert_eq!(world.live(&conference), [customer, agent]);
    }
}
