//! Transfers, kicking, and ending for all.

use super::world::{CALLBACK, Talk, World, ada, bo, told, value};
use crate::model::{Effect, Event, ParticipantChange, Reply, Request};
use rejoin_protocol::{CallSid, Millis, ReservationSid, TaskQueueSid, TaskSid, TransferSid};

fn transfer(world: &mut World, talk: &Talk, mode: &str) -> Result<Reply, crate::model::ApiError> {
    world.ask(Request::Transfer {
        worker: ada(),
        reservation: talk.reservation.clone(),
        to: bo().to_string(),
        mode: Some(mode.into()),
        attributes: None,
    })
}

/// Ada talks to a customer and transfers the call to Bo, whose desktop shows the offer.
fn handing_over(mode: &str) -> (World, Talk, ReservationSid) {
    let (mut world, talk) = World::talk(false);
    world.available(&bo());
    world.clear();
    transfer(&mut world, &talk, mode).expect("a transfer");
    let (offer, task) = world.reservation_of(&bo());
    assert_eq!(task, talk.task, "the same task");
    (world, talk, offer)
}

/// Bo has accepted: all three are on the call.
fn handed_over() -> (World, Talk, ReservationSid, CallSid) {
    let (mut world, talk, offer) = handing_over("WARM");
    let leg = world.accept(&offer, false);
    world.tell(Event::Answered { call: leg.clone() });
    (world, talk, offer, leg)
}

fn held(world: &World, talk: &Talk, call: &CallSid) -> bool {
    world.model.in_conference(&talk.conference, call).expect("in the conference").hold
}

#[test]
fn a_transfer_puts_the_customer_on_hold_and_offers_the_same_task() {
    for mode in ["WARM", "COLD"] {
        let (world, talk, offer) = handing_over(mode);
        assert!(held(&world, &talk, &talk.customer));
        assert_eq!((world.task_status(&talk.task), world.reservation(&offer)), ("reserved", "pending"));
        let offered = told(&world, &bo(), "reservation.created");
        let incoming = &offered["task_transfer"];
        assert_eq!(incoming["transfer_mode"], mode);
        assert_eq!(incoming["transfer_status"], "initiated");
        assert_eq!(incoming["initiating_worker_sid"], ada().as_str());
        assert_eq!(told(&world, &ada(), "task.transfer-initiated")["sid"], incoming["sid"]);
    }
}

/// TaskRouter's log of a task, oldest first: the event, and its resource.
fn log(world: &mut World, kind: Option<&str>, minutes: Option<u32>) -> Vec<(String, String)> {
    let list = Request::ListEvents { task: None, kind: kind.map(Into::into), minutes };
    let body = world.ask(list).expect("a list").body;
    let text = |event: &serde_json::Value, name: &str| event[name].as_str().expect("a text").to_owned();
    let events = body["events"].as_array().expect("a page").iter();
    events.map(|event| (text(event, "event_type"), text(event, "resource_sid"))).collect()
}

#[test]
fn taskrouter_logs_transfers_but_not_refused_ones() {
    let (mut world, talk) = World::talk(false);
    transfer(&mut world, &talk, "COLD").expect_err("Bo is not there");
    assert_eq!(log(&mut world, Some("task.transfer-initiated"), None), []);
    let (mut world, talk, offer) = handing_over("COLD");
    let wrapup = ("reservation.wrapup".to_owned(), talk.reservation.to_string());
    let initiated = ("task.transfer-initiated".to_owned(), talk.task.to_string());
    let all = log(&mut world, None, None);
    let place = |event: &(String, String)| all.iter().position(|other| other == event).expect("in the log");
    assert!(place(&initiated) < place(&wrapup), "{all:?}");
    assert_eq!(log(&mut world, Some("task.transfer-initiated"), None), [initiated]);
    world.reservation_status(&offer, "accepted").expect("accepted");
    let completed = ("task.transfer-completed".to_owned(), talk.task.to_string());
    assert_eq!(log(&mut world, Some("task.transfer-completed"), None), [completed]);

    // For as far back as the request says, and of that task.
    world.pass(Millis::seconds(16 * 60));
    assert_eq!(log(&mut world, Some("task.transfer-initiated"), None), []);
    assert_eq!(log(&mut world, Some("task.transfer-initiated"), Some(60)).len(), 1);
    let of_another = Request::ListEvents { task: Some(TaskSid::numbered(99)), kind: None, minutes: Some(60) };
    assert_eq!(world.ask(of_another).expect("a list").body["events"], serde_json::json!([]));
}

#[test]
fn the_first_agent_stays_in_a_warm_and_leaves_in_a_cold_transfer() {
    let (world, talk, _) = handing_over("WARM");
    assert_eq!(world.live(&talk.conference), [talk.customer.clone(), talk.agent.clone()]);
    assert_eq!(world.reservation(&talk.reservation), "accepted");

    let (world, talk, _) = handing_over("COLD");
    assert!(world.live(&talk.conference).iter().eq([&talk.customer]));
    assert_eq!(world.reservation(&talk.reservation), "wrapping");
    let left = world.callback("participant-leave");
    assert_eq!(value(&left, "ReasonParticipantLeft"), "participant_updated_via_api");
}

#[test]
fn the_second_agent_joins_the_existing_conference() {
    let (world, talk, offer, leg) = handed_over();
    assert_eq!(world.live(&talk.conference), [talk.customer.clone(), talk.agent.clone(), leg]);
    assert_eq!((world.task_status(&talk.task), world.reservation(&offer)), ("assigned", "accepted"));
    assert!(held(&world, &talk, &talk.customer), "until an agent takes the customer off hold");
    assert_eq!(told(&world, &ada(), "task.transfer-completed")["transfer_status"], "complete");
    // The first participant sets the callbacks' address.
    assert_eq!(
        world.callbacks().iter().filter(|p| value(p, "StatusCallbackEvent") == "participant-join").count(),
        1
    );
}

#[test]
fn the_callback_of_a_later_participant_is_ignored() {
    let (mut world, talk, offer) = handing_over("WARM");
    let mut instruction = super::world::instruction(false);
    instruction.status_callback = Some("http://elsewhere/".into());
    world
        .ask(Request::UpdateReservation { reservation: offer, status: None, instruction: Some(instruction) })
        .expect("taken");
    let leg = world.rung().expect("a phone rings");
    world.tell(Event::Answered { call: leg });
    assert_eq!(world.live(&talk.conference).len(), 3);
    let elsewhere =
        world.done.iter().filter(|effect| matches!(effect, Effect::Webhook { url, .. } if url != CALLBACK));
    assert_eq!(elsewhere.count(), 0);
}

#[test]
fn when_the_first_agent_leaves_the_second_has_the_task() {
    let (mut world, talk, offer, leg) = handed_over();
    world.tell(Event::HungUp { call: talk.agent.clone() });
    assert_eq!(world.live(&talk.conference), [talk.customer.clone(), leg.clone()]);
    assert_eq!((world.reservation(&talk.reservation), world.reservation(&offer)), ("wrapping", "accepted"));
    world.reservation_status(&talk.reservation, "completed").expect("completed");
    assert_eq!(world.task_status(&talk.task), "assigned");
    world.clear();
    world.tell(Event::HungUp { call: talk.customer.clone() });
    assert_eq!((world.task_status(&talk.task), world.reservation(&offer)), ("wrapping", "wrapping"));
    told(&world, &bo(), "task.wrapup");
}

#[test]
fn a_transfer_can_be_canceled_and_refused() {
    let (mut world, talk, offer) = handing_over("WARM");
    let sid = told(&world, &ada(), "task.transfer-initiated")["sid"].as_str().map(str::to_owned);
    let cancel = |worker| Request::UpdateTransfer {
        worker,
        transfer: TransferSid::parse(sid.as_deref().unwrap_or_default()).expect("a SID"),
        status: "canceled".into(),
    };
    assert_eq!(world.ask(cancel(bo())).expect_err("not this worker's transfer").status, 404);
    let reply = world.ask(cancel(ada())).expect("canceled");
    assert_eq!(reply.bridge["transfer_status"], "canceled");
    assert_eq!((world.task_status(&talk.task), world.reservation(&offer)), ("assigned", "canceled"));
    told(&world, &ada(), "task.transfer-canceled");
    assert_eq!(told(&world, &bo(), "reservation.canceled")["task_transfer"]["transfer_status"], "canceled");
    assert_eq!(world.ask(cancel(ada())).expect_err("over").status, 400);

    let (mut world, talk, offer) = handing_over("WARM");
    world.reservation_status(&offer, "rejected").expect("rejected");
    assert_eq!(world.task_status(&talk.task), "assigned");
    assert_eq!(told(&world, &ada(), "task.transfer-failed")["transfer_status"], "failed");
    assert_eq!(told(&world, &bo(), "reservation.rejected")["task_transfer"]["transfer_status"], "failed");
}

#[test]
fn a_refused_cold_transfer_goes_to_the_next_agent() {
    let (mut world, talk, offer) = handing_over("COLD");
    world.reservation_status(&offer, "rejected").expect("rejected");
    assert_eq!(world.task_status(&talk.task), "pending", "Ada has to wrap up first");
    world.reservation_status(&talk.reservation, "completed").expect("completed");
    let (again, task) = world.reservation_of(&ada());
    assert_eq!((task, world.reservation(&again)), (talk.task.clone(), "pending"));
    let leg = world.accept(&again, false);
    world.tell(Event::Answered { call: leg.clone() });
    assert_eq!(world.live(&talk.conference), [talk.customer.clone(), leg]);
    assert_eq!(world.task_status(&talk.task), "assigned");
}

/// Ada transfers the customer to a queue in which there is nobody else.
fn handing_to_queue(mode: &str) -> (World, Talk) {
    let (mut world, talk) = World::talk(false);
    let request = Request::Transfer {
        worker: ada(),
        reservation: talk.reservation.clone(),
        to: TaskQueueSid::numbered(3).to_string(),
        mode: Some(mode.into()),
        attributes: None,
    };
    world.clear();
    world.ask(request).expect("a transfer");
    (world, talk)
}

#[test]
fn a_transfer_to_a_queue_is_offered_to_one_worker_after_the_other() {
    for mode in ["WARM", "COLD"] {
        let (mut world, talk) = handing_to_queue(mode);
        let initiated = told(&world, &ada(), "task.transfer-initiated");
        assert_eq!(
            (&initiated["transfer_type"], &initiated["transfer_mode"]),
            (&"QUEUE".into(), &mode.into())
        );
        assert_eq!(initiated["transfer_to"], TaskQueueSid::numbered(3).as_str());
        assert!(held(&world, &talk, &talk.customer), "{mode}");
        let waiting = if mode == "WARM" { "assigned" } else { "pending" };
        assert_eq!(world.task_status(&talk.task), waiting, "the queue has no available worker");
        assert_eq!(world.live(&talk.conference).len(), if mode == "WARM" { 2 } else { 1 });

        world.available(&bo());
        let (offer, task) = world.reservation_of(&bo());
        assert_eq!((task, world.task_status(&talk.task)), (talk.task.clone(), "reserved"));
        assert_eq!(told(&world, &bo(), "reservation.created")["task_transfer"]["transfer_type"], "QUEUE");
        world.reservation_status(&offer, "rejected").expect("rejected");
        assert_eq!(told(&world, &ada(), "task.transfer-attempt-failed")["transfer_status"], "initiated");
        assert_eq!(world.task_status(&talk.task), waiting, "it waits for the next worker");

        world.activity(&bo(), 2);
        world.available(&bo());
        let (again, _) = world.reservation_of(&bo());
        let leg = world.accept(&again, false);
        world.tell(Event::Answered { call: leg.clone() });
        assert_eq!(told(&world, &ada(), "task.transfer-completed")["transfer_status"], "complete");
        assert_eq!(world.live(&talk.conference).last(), Some(&leg));
        assert_eq!(world.task_status(&talk.task), "assigned");
    }
}

#[test]
fn a_transfer_to_a_queue_can_be_canceled_and_ends_with_the_call() {
    let (mut world, talk) = handing_to_queue("WARM");
    let sid = told(&world, &ada(), "task.transfer-initiated")["sid"].as_str().map(str::to_owned);
    let cancel = Request::UpdateTransfer {
        worker: ada(),
        transfer: TransferSid::parse(sid.as_deref().unwrap_or_default()).expect("a SID"),
        status: "canceled".into(),
    };
    world.ask(cancel).expect("canceled");
    world.available(&bo());
    assert_eq!(world.task_status(&talk.task), "assigned", "the offer is withdrawn");

    let (mut world, talk) = handing_to_queue("COLD");
    world.reservation_status(&talk.reservation, "completed").expect("completed");
    assert_eq!(world.task_status(&talk.task), "reserved", "it is offered to the only available worker");
    world.tell(Event::HungUp { call: talk.customer.clone() });
    assert_eq!(told(&world, &ada(), "task.transfer-failed")["transfer_status"], "failed");
    assert_eq!(world.task_status(&talk.task), "canceled");
}

#[test]
fn a_customer_who_hangs_up_ends_the_offer_of_a_transfer() {
    for mode in ["WARM", "COLD"] {
        let (mut world, talk, offer) = handing_over(mode);
        world.tell(Event::HungUp { call: talk.customer.clone() });
        assert_eq!(
            (world.reservation(&offer), world.task_status(&talk.task)),
            ("canceled", "wrapping"),
            "{mode}"
        );
        assert_eq!(told(&world, &ada(), "task.transfer-failed")["transfer_status"], "failed");
        world.reservation_status(&talk.reservation, "completed").expect("completed");
        assert_eq!(world.task_status(&talk.task), "completed");
    }
    let (mut world, talk, offer) = handing_over("COLD");
    world.reservation_status(&talk.reservation, "completed").expect("completed");
    world.tell(Event::HungUp { call: talk.customer.clone() });
    assert_eq!((world.reservation(&offer), world.task_status(&talk.task)), ("canceled", "canceled"));
}

#[test]
fn impossible_transfers_are_refused() {
    let (mut world, talk) = World::talk(false);
    assert_eq!(transfer(&mut world, &talk, "WARM").expect_err("Bo is not there").status, 400);
    world.available(&bo());
    assert_eq!(transfer(&mut world, &talk, "TEPID").expect_err("no mode").status, 400);
    transfer(&mut world, &talk, "WARM").expect("a transfer");
    assert_eq!(transfer(&mut world, &talk, "WARM").expect_err("under way").status, 400);
}

#[test]
fn a_reloaded_page_finds_its_open_transfer() {
    let listed = |world: &mut World| {
        let list = Request::ListReservations { task: None, worker: Some(ada()), status: None };
        world.ask(list).expect("a list").bridge["contents"][0].clone()
    };
    let (mut world, ..) = handing_over("WARM");
    assert_eq!(listed(&mut world)["active_outgoing_task_transfer"]["transfer_status"], "initiated");
    let (mut world, ..) = handed_over();
    assert!(listed(&mut world).get("active_outgoing_task_transfer").is_none(), "not even as null");
}

#[test]
fn replies_to_changes_do_not_contain_the_transfer() {
    let (mut world, _, offer) = handing_over("WARM");
    let reply = world.reservation_status(&offer, "rejected").expect("rejected");
    assert!(reply.bridge.get("task_transfer").is_none(), "{}", reply.bridge);
}

#[test]
fn an_agent_holds_and_removes_another() {
    let (mut world, talk, offer, leg) = handed_over();
    let hold = |hold| Request::HoldWorker {
        task: talk.task.clone(),
        worker: bo(),
        change: ParticipantChange { hold: Some(hold), ..ParticipantChange::default() },
    };
    world.ask(hold(true)).expect("held");
    assert!(held(&world, &talk, &leg) && !held(&world, &talk, &talk.agent));
    world.ask(hold(false)).expect("back");
    let kick = || Request::KickWorker { task: talk.task.clone(), worker: bo() };
    world.ask(kick()).expect("removed");
    assert_eq!(world.live(&talk.conference), [talk.customer.clone(), talk.agent.clone()]);
    assert_eq!((world.reservation(&offer), world.task_status(&talk.task)), ("wrapping", "assigned"));
    assert_eq!(world.ask(kick()).expect_err("gone").status, 400);
}

#[test]
fn ending_the_call_for_all_hangs_up_everybody() {
    let (mut world, talk, offer, leg) = handed_over();
    let reply = world.ask(Request::CloseChannel(talk.task.clone())).expect("closed");
    assert_eq!(reply.bridge["status"], "closed");
    for call in [&talk.customer, &talk.agent, &leg] {
        assert_eq!(world.call_status(call), "completed");
    }
    assert_eq!((world.reservation(&offer), world.reservation(&talk.reservation)), ("wrapping", "wrapping"));
    told(&world, &ada(), "task.wrapup");
    assert_eq!(value(&world.callback("conference-end"), "ReasonConferenceEnded"), "conference-ended-via-api");
}
