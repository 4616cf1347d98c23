use crate::desk::*;
use rejoin_protocol::api::{DeliveryId, GracefulMark, Registration};

fn answer(result: Result<Answer, PostError>, effects: &[Effect]) -> Event {
    Event::Reply { id: posts(effects)[0].0, result }
}

fn down(effects: &[Effect]) -> Event {
    answer(Err(PostError::Unreachable), effects)
}

fn accepted(effects: &[Effect]) -> Event {
    answer(Ok(Answer::Accepted), effects)
}

/// Ids of the requests that are sent.
fn sent(effects: &[Effect]) -> Vec<DeliveryId> {
    let mine = posts(effects).into_iter().filter_map(|(_, request)| match request {
        Request::Register(registration) => registration.id,
        Request::Graceful(mark) => mark.id,
        Request::Hello(_) | Request::Claim(_) => None,
    });
    mine.collect()
}

pub(crate) fn kept(effects: &[Effect]) -> Vec<Kept> {
    let mine = effects.iter().filter_map(|effect| match effect {
        Effect::Keep(kept) => Some(kept.clone()),
        _ => None,
    });
    mine.collect()
}

fn taken_back(effects: &[Effect]) -> Vec<DeliveryId> {
    let mine = effects.iter().filter_map(|effect| match effect {
        Effect::Unkeep(id) => Some(*id),
        _ => None,
    });
    mine.collect()
}

fn id(epoch: u64, number: u32) -> DeliveryId {
    DeliveryId { epoch, number }
}

fn mark(number: u32, made: Millis) -> Kept {
    let (task, reservation) = (TaskSid::numbered(1), wr(1));
    let mark = GracefulMark { id: None, task, reservation, reason: GracefulReason::HangUp };
    Kept { id: id(6, number), worker: me(), made, delivery: Delivery::Graceful(mark) }
}

fn registration(number: u32, made: Millis) -> Kept {
    let registration = Registration {
        id: None,
        epoch: 6,
        task: TaskSid::numbered(1),
        reservation: wr(1),
        workflow: WorkflowSid::numbered(1),
        queue: None,
        conference: ConferenceSid::numbered(1),
        worker_leg: CallSid::numbered(200),
        customer_leg: CallSid::numbered(100),
        worker_name: String::new(),
        answers_messages: false,
    };
    Kept { delivery: Delivery::Register(registration), ..mark(number, made) }
}

/// A page that finds these requests of earlier ones, and these tasks.
fn back(kept: Vec<Kept>, tasks: Vec<TaskFacts>) -> (Desk, Vec<Effect>) {
    let mut desk = Desk::new(&[]);
    desk.agent.recall(kept);
    let effects = desk.start(tasks, true);
    (desk, effects)
}

/// `Desk::new`'s clock.
const NOW: Millis = Millis::seconds(1000);

#[test]
fn a_request_is_kept_until_it_is_answered_with_nothing_personal_in_it() {
    let mut desk = Desk::idle();
    desk.task(live(200));
    let effects = desk.handle(conference(1, both()));
    let [kept] = &kept(&effects)[..] else { panic!("{effects:?}") };
    let Delivery::Register(registration) = &kept.delivery else { panic!("{kept:?}") };
    assert_eq!((kept.id, &kept.worker, kept.made), (id(7, 1), &me(), desk.now));
    assert_eq!(registration.worker_name, "");
    let [(_, Request::Register(registration))] = &posts(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!((registration.id, registration.worker_name.as_str()), (Some(id(7, 1)), "Ada"));
    let event = down(&effects);
    assert!(taken_back(&desk.handle(event)).is_empty());
    let effects = desk.wait(Millis::seconds(1));
    assert_eq!(sent(&effects), [id(7, 1)], "the same one again");
    let event = accepted(&effects);
    assert_eq!(taken_back(&desk.handle(event)), [id(7, 1)]);
}

#[test]
fn one_after_the_other_in_the_order_in_which_they_were_made() {
    let mut desk = Desk::idle();
    desk.task(live(200));
    let first = desk.handle(conference(1, both()));
    assert!(sent(&desk.leave(Some(1), GracefulReason::HangUp)).is_empty(), "the registration is under way");
    let event = accepted(&first);
    assert_eq!(sent(&desk.handle(event)), [id(7, 2)]);
}

#[test]
fn a_new_request_ends_the_pause() {
    let mut desk = Desk::on_a_call();
    let leg = desk.task(live(201));
    assert!(posts(&leg).is_empty());
    let mut legs = both();
    legs.push(leg_of(201));
    let event = down(&desk.handle(conference(1, legs)));
    desk.handle(event);
    let effects = desk.leave(Some(1), GracefulReason::HangUp);
    assert_eq!(sent(&effects), [id(7, 2)], "the older one first, at once");
    let event = accepted(&effects);
    assert_eq!(sent(&desk.handle(event)), [id(7, 3)]);
}

fn leg_of(call: u128) -> Leg {
    leg(call, LegKind::Worker, true, 3)
}

#[test]
fn leaving_waits_for_no_server_that_cannot_be_reached() {
    let mut desk = Desk::on_a_call();
    let mut legs = both();
    legs.push(leg_of(201));
    desk.task(live(201));
    let first = desk.handle(conference(1, legs));
    let lets = ToDesktop::Let { request: RequestId(1) };
    assert!(!desktop(&desk.leave(Some(1), GracefulReason::ColdTransfer)).contains(&lets));
    // The mark itself was not even tried.
    let effects = desk.handle(down(&first));
    let written = |effect: &ToDesktop| matches!(effect, ToDesktop::MarkTask { mark: Some(_), .. });
    assert!(desktop(&effects).iter().any(written), "{effects:?}");
    let effects = desk.handle(Event::Desktop(FromDesktop::TaskMarked { reservation: wr(1) }));
    assert!(desktop(&effects).contains(&lets), "{effects:?}");
}

#[test]
fn the_next_page_delivers_what_the_last_one_could_not() {
    let accepted_task = task(1, ReservationStatus::Accepted);
    let (mut desk, effects) = back(vec![mark(2, NOW), registration(1, NOW)], vec![accepted_task]);
    let [(post, Request::Register(registration))] =
        &posts(&effects).into_iter().filter(|(_, r)| !matches!(r, Request::Hello(_))).collect::<Vec<_>>()[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!((registration.id, registration.worker_name.as_str()), (Some(id(6, 1)), "Ada"));
    let effects = desk.handle(Event::Reply { id: *post, result: Ok(Answer::Accepted) });
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Store(_))), "it is not this page's call");
    assert_eq!((taken_back(&effects), sent(&effects)), (vec![id(6, 1)], vec![id(6, 2)]));
    assert_eq!(taken_back(&desk.handle(accepted(&effects))), [id(6, 2)]);
}

#[test]
fn what_is_worth_nothing_any_more_is_thrown_away() {
    let old = NOW - Millis::seconds(120);
    let (_, effects) = back(vec![mark(1, old), mark(2, old + Millis(1))], vec![]);
    assert_eq!((taken_back(&effects), sent(&effects)), (vec![id(6, 1)], vec![id(6, 2)]));
}

/// The server does not know a call that goes on, until it is back.
#[test]
fn a_call_is_registered_however_long_the_server_was_away() {
    let mut desk = Desk::idle();
    desk.task(live(200));
    let mut effects = desk.handle(conference(1, both()));
    for _ in 0..30 {
        desk.handle(down(&effects));
        effects = desk.wait(Millis::seconds(30));
    }
    assert_eq!(sent(&effects), [id(7, 1)], "after a quarter of an hour");

    // A reload changes nothing while the reservation exists. If it does not, the customer may be alone for this long.
    for (age, tasks, wanted) in
        [(950, vec![task(1, ReservationStatus::Accepted)], true), (899, vec![], true), (900, vec![], false)]
    {
        let (_, effects) = back(vec![registration(1, NOW - Millis::seconds(age))], tasks);
        let (thrown, sent) = (taken_back(&effects), sent(&effects));
        assert_eq!((thrown.is_empty(), sent.is_empty()), (wanted, !wanted), "{age}");
    }
}

/// The server may have been down since the beginning of the call: it does not know the customer, who is alone.
#[test]
fn a_call_that_was_lost_before_it_was_registered_is_registered_by_the_next_page() {
    let (_, effects) = back(vec![registration(1, NOW)], vec![task(1, ReservationStatus::Wrapping)]);
    assert_eq!((taken_back(&effects), sent(&effects)), (vec![], vec![id(6, 1)]));

    // Even when the agent did not want to wait, and has wrapped up.
    let (_, effects) = back(vec![registration(1, NOW)], vec![]);
    assert_eq!((taken_back(&effects), sent(&effects)), (vec![], vec![id(6, 1)]));

    // A page that saw the call end has nothing to look for.
    let mut desk = Desk::idle();
    desk.task(live(200));
    let effects = desk.handle(conference(1, both()));
    desk.handle(down(&effects));
    desk.task(task(1, ReservationStatus::Wrapping));
    assert_eq!(sent(&desk.wait(Millis::seconds(60))), []);
}

#[test]
fn another_workers_requests_are_thrown_away_unsent() {
    let theirs = Kept { worker: WorkerSid::numbered(0xb0), ..mark(1, NOW) };
    let (_, effects) = back(vec![theirs, mark(2, NOW)], vec![]);
    assert_eq!((taken_back(&effects), sent(&effects)), (vec![id(6, 1)], vec![id(6, 2)]));
}

#[test]
fn a_page_that_waits_leaves_them_to_the_one_that_acts() {
    let mut desk = Desk::new(&[]);
    desk.agent.recall(vec![mark(1, NOW)]);
    let effects = desk.handle(Event::Desktop(started(vec![], true, true)));
    assert!(sent(&effects).is_empty() && taken_back(&effects).is_empty());
    desk.agent.recall(vec![mark(2, NOW)]);
    assert_eq!(sent(&desk.elect()), [id(6, 2)], "the stored requests once it acts");
}

#[test]
fn the_number_of_kept_requests_is_bounded() {
    let many = (0..40).map(|number| mark(number, NOW)).collect();
    let (mut desk, mut effects) = back(many, vec![]);
    assert_eq!(taken_back(&effects), (0..8).map(|number| id(6, number)).collect::<Vec<_>>(), "the oldest go");
    desk.task(live(200));
    effects.extend(desk.handle(conference(1, both())));
    assert_eq!(kept(&effects).len(), 1);
    assert!(taken_back(&effects).contains(&id(6, 9)), "the one under way is not torn out");
}

#[test]
fn a_refused_token_waits_for_a_new_one() {
    let mut desk = Desk::on_a_call();
    let effects = desk.leave(Some(1), GracefulReason::HangUp);
    desk.handle(answer(Err(PostError::Status(401)), &effects));
    desk.task(task(1, ReservationStatus::Accepted)); // the agent's phone has hung up
    assert!(sent(&desk.wait(Millis::seconds(29))).is_empty(), "the same token would be refused again");
    let effects = desk.handle(Event::Desktop(FromDesktop::TokenChanged {}));
    assert_eq!(sent(&effects), [id(7, 2)]);
    desk.handle(answer(Err(PostError::Status(401)), &effects));
    assert_eq!(sent(&desk.wait(Millis::seconds(30))), [id(7, 2)], "Flex may not have said so");

    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    let id = desk.hello.expect("a hello");
    desk.handle(Event::Reply { id, result: Err(PostError::Status(401)) });
    desk.wait(Millis::seconds(2));
    assert_eq!(desk.hello, Some(id), "no other hello");
    desk.handle(Event::Desktop(FromDesktop::TokenChanged {}));
    assert_ne!(desk.hello, Some(id));
}

#[test]
fn a_server_that_is_back_gets_pending_requests_at_once() {
    for answers in [false, true] {
        let mut desk = Desk::on_a_call();
        let mut effects = desk.leave(Some(1), GracefulReason::HangUp);
        desk.task(task(1, ReservationStatus::Accepted)); // the agent's phone has hung up
        for _ in 0..3 {
            desk.handle(down(&effects));
            effects = desk.wait(Millis::seconds(9));
            assert_eq!(sent(&effects), [id(7, 2)]);
        }
        desk.handle(down(&effects));
        assert!(sent(&desk.wait(Millis::seconds(2))).is_empty(), "not before it is known");
        let effects = if answers {
            desk.handle(Event::Ask);
            desk.greeted(vec![])
        } else {
            desk.handle(Event::PushState { up: true })
        };
        assert_eq!(sent(&effects), [id(7, 2)]);
        desk.handle(down(&effects));
        assert_eq!(sent(&desk.wait(Millis::seconds(1))), [id(7, 2)], "it may have been on its way before");
    }
}

#[test]
fn a_network_that_is_back_resets_the_pause() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    for _ in 0..4 {
        desk.unanswered();
        desk.wait(Millis::seconds(9));
    }
    desk.handle(Event::Desktop(FromDesktop::Reconnected {}));
    desk.wait(Millis::seconds(1));
    desk.unanswered();
    desk.wait(Millis::seconds(1));
    assert!(desk.hello.is_some(), "and again, as soon as at first");
}

#[test]
fn a_network_that_is_back_gives_up_requests_in_flight() {
    let mut desk = Desk::on_a_call();
    desk.wait(Millis::seconds(9));
    let lost = posts(&desk.handle(Event::Ask))[0].0;
    let mark = desk.leave(Some(1), GracefulReason::HangUp);
    assert_eq!(sent(&mark), [id(7, 2)]);
    desk.wait(Millis::seconds(2));
    let back = desk.handle(Event::Desktop(FromDesktop::Reconnected {}));
    assert_eq!((posts(&back).len(), sent(&back)), (2, vec![id(7, 2)]), "a hello, and the mark, at once");
    // An answer to a request that was given up has no effect.
    let late = Event::Reply { id: lost, result: Err(PostError::Status(404)) };
    assert_eq!(desk.handle(late), []);
    assert_eq!(desk.handle(down(&mark)), []);
}

#[test]
fn a_request_that_is_refused_for_good_makes_room_for_the_next() {
    let (mut desk, effects) = back(vec![mark(1, NOW), mark(2, NOW)], vec![]);
    let event =
        Event::Reply { id: posts(&effects).last().expect("a post").0, result: Err(PostError::Status(400)) };
    let effects = desk.handle(event);
    assert_eq!((taken_back(&effects), sent(&effects)), (vec![id(6, 1)], vec![id(6, 2)]));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Desktop(ToDesktop::Log { .. }))));
}

#[test]
fn marks_that_are_not_answered_when_the_page_ends_go_as_a_beacon() {
    let beacons = |effects: &[Effect]| {
        let mine = effects.iter().filter_map(|effect| match effect {
            Effect::Beacon { marks, goodbye, .. } => {
                Some((marks.iter().map(|mark| mark.id).collect::<Vec<_>>(), goodbye.is_some()))
            }
            _ => None,
        });
        mine.collect::<Vec<_>>()
    };
    let mut desk = Desk::on_a_call();
    let effects = desk.leave(Some(1), GracefulReason::HangUp);
    assert_eq!(beacons(&desk.handle(page_hide())), [(vec![Some(id(7, 2))], false)]);
    assert!(beacons(&desk.handle(page_hide())).is_empty(), "once");

    let mut desk = Desk::on_a_call();
    desk.leave(Some(1), GracefulReason::HangUp);
    desk.handle(accepted(&effects));
    assert!(beacons(&desk.handle(page_hide())).is_empty(), "nothing is left to be said");

    // One call is left, another one stays.
    let mut desk = Desk::on_a_call();
    desk.task(task(2, ReservationStatus::Accepted));
    desk.leave(Some(2), GracefulReason::HangUp);
    assert_eq!(beacons(&desk.handle(page_hide())), [(vec![Some(id(7, 2))], true)]);
}

#[test]
fn wrapping_up_a_call_by_hand_is_a_way_to_leave_it() {
    let mut desk = Desk::on_a_call();
    let event = FromDesktop::BeforeComplete { request: RequestId(2), reservation: wr(1) };
    let effects = desk.handle(Event::Desktop(event));
    let [(_, Request::Graceful(mark))] = &posts(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(mark.reason, GracefulReason::Complete);
    let effects = desk.handle(accepted(&effects));
    assert!(desktop(&effects).contains(&ToDesktop::Let { request: RequestId(2) }));
    desk.task(task(1, ReservationStatus::Wrapping));
    assert!(matches!(desk.complete(1), ToDesktop::Let { .. }), "a wrapping task has no call to leave");
}

/// The server, which does not have the mark yet, considers the agent lost.
#[test]
fn nobody_is_told_how_a_call_ended_that_she_left_herself() {
    for stage in [Stage::Interrupted, Stage::CustomerLeft] {
        for (kept, status, shown) in [
            (vec![], ReservationStatus::Wrapping, true),
            (vec![mark(1, NOW)], ReservationStatus::Wrapping, false),
            (vec![registration(1, NOW), mark(2, NOW)], ReservationStatus::Wrapping, false),
            (vec![mark(2, NOW), registration(1, NOW)], ReservationStatus::Wrapping, false),
            (vec![mark(1, NOW)], ReservationStatus::Accepted, true),
        ] {
            let (mut desk, _) = back(kept, vec![task(1, status)]);
            desk.wait(Millis::seconds(3)); // for a conference that may come
            desk.greeted(vec![view(stage.clone())]);
            assert_eq!(desk.dialog.is_some(), shown, "{stage:?} {status:?}");
            if !shown {
                assert!(matches!(desk.complete(1), ToDesktop::Let { .. }), "nothing is waited for");
            }
        }
    }
}
