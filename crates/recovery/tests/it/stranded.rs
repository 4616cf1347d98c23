//! The conference ends under the customer, because a leg leaves that it was to end with (case 11).

use crate::desk::*;
use rejoin_protocol::api::{GracefulReason, Stage};
use rejoin_protocol::{Millis, ReservationSid, TaskSid, WorkerSid, WorkflowSid};
use rejoin_recovery::{
    Action, ConferenceEventKind, Effect, Event, LeaveReason, Next, Note, Outcome, Reconnect, ReconnectState,
    Registered, Seen, Timer,
};

fn next(desk: &Desk) -> Next {
    desk.machine.next(desk.now, &leg(CUSTOMER))
}

fn again() -> Next {
    Next::Requeue(recovery())
}

fn mark() -> Action {
    Action::MarkTask { task: TaskSid::numbered(1), at: Millis(0) }
}

fn marks(desk: &mut Desk) -> Vec<Action> {
    let mut actions = desk.take_actions();
    for action in &mut actions {
        if let Action::MarkTask { at, .. } = action {
            *at = Millis(0);
        }
    }
    actions
}

const BO_LEG: u128 = 0xb1;

/// What Twilio tells and asks when Ada's leg leaves and the conference ends with it.
#[derive(Clone, Copy, Debug)]
enum Said {
    AgentLeft,
    CustomerLeft,
    Ended,
    Asked,
}

fn say(desk: &mut Desk, said: Said) {
    match said {
        Said::AgentLeft => drop(desk.leave(1, ADA_LEG, LeaveReason::HungUp)),
        Said::CustomerLeft => drop(desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded)),
        Said::Ended => desk.end(1),
        Said::Asked => desk.handle(Event::Released { customer: leg(CUSTOMER) }),
    }
}

fn orders() -> Vec<Vec<Said>> {
    fn pick(left: &[Said]) -> Vec<Vec<Said>> {
        if left.is_empty() {
            return vec![vec![]];
        }
        let each = (0..left.len()).flat_map(|i| {
            let mut rest = left.to_vec();
            let first = rest.remove(i);
            pick(&rest).into_iter().map(move |mut order| {
                order.insert(0, first);
                order
            })
        });
        each.collect()
    }
    pick(&[Said::AgentLeft, Said::CustomerLeft, Said::Ended, Said::Asked])
}

/// All of it, in Twilio's order.
fn stranded() -> Desk {
    let mut desk = Desk::talking();
    for said in [Said::AgentLeft, Said::CustomerLeft, Said::Ended, Said::Asked] {
        say(&mut desk, said);
    }
    desk
}

#[test]
fn a_customer_whose_conference_ended_with_the_lost_leg_goes_back_to_the_agent_in_whatever_order_it_is_told() {
    for order in orders() {
        let mut desk = Desk::talking();
        for said in &order {
            say(&mut desk, *said);
        }
        assert_eq!(next(&desk), Next::Wait, "a mark may still come: {order:?}");
        desk.fire(1, Timer::Grace);
        assert_eq!(marks(&mut desk), [mark()], "nobody is there to be told: {order:?}");
        assert_eq!((next(&desk), desk.stage()), (Next::Wait, Some(Stage::Interrupted)), "{order:?}");
        desk.finish(Action::MarkTask { task: TaskSid::numbered(1), at: desk.now }, success(&mark()));
        assert_eq!((next(&desk), desk.stage()), (again(), Some(Stage::Requeueing)), "{order:?}");
        assert!(desk.take_actions().is_empty(), "the document is the answer: {order:?}");
        desk.entered_queue();
        assert_eq!(desk.take_actions(), [complete_old()]);
        desk.join(2, CUSTOMER, true);
        desk.join(2, NEXT_LEG, false);
        desk.register(2, ADA, NEXT_LEG, 2);
        assert_eq!(desk.stage(), Some(Stage::Rejoined), "{order:?}");
        assert_eq!(next(&desk), Next::Over, "{order:?}");
    }
}

#[test]
fn a_call_that_was_left_on_purpose_is_over_however_it_ended() {
    for order in orders() {
        for marked_first in [true, false] {
            let mut desk = Desk::talking();
            if marked_first {
                desk.graceful(GracefulReason::HangUp);
            }
            for said in &order {
                say(&mut desk, *said);
            }
            if !marked_first {
                desk.graceful(GracefulReason::HangUp); // within the grace period
            }
            assert_eq!(next(&desk), Next::Over, "{order:?} {marked_first}");
            assert!(desk.take_actions().is_empty(), "{order:?} {marked_first}");
            let stage = (!marked_first).then_some(Stage::Graceful);
            // With the mark there before the leg was gone nothing had begun.
            assert!(desk.stage() == stage || desk.stage().is_none(), "{order:?} {:?}", desk.stage());
        }
    }
}

#[test]
fn who_hangs_up_or_is_ended_by_somebody_is_over() {
    for (agent, customer) in [
        (LeaveReason::ModeratorEnded, LeaveReason::HungUp),
        (LeaveReason::ConferenceEndedViaApi, LeaveReason::ConferenceEndedViaApi),
        (LeaveReason::UpdatedViaApi, LeaveReason::ModeratorEnded),
        (LeaveReason::HungUp, LeaveReason::HungUp),
    ] {
        let mut desk = Desk::talking();
        desk.leave(1, CUSTOMER, customer);
        desk.leave(1, ADA_LEG, agent);
        desk.end(1);
        desk.handle(Event::Released { customer: leg(CUSTOMER) });
        assert_eq!(next(&desk), Next::Over, "{agent:?} {customer:?}");
        assert!(desk.take_actions().is_empty() && desk.stage().is_none(), "{agent:?} {customer:?}");
    }
}

/// A colleague's leg comes by a warm transfer, and falls before anybody has told whose it is.
#[test]
fn an_agent_who_was_put_out_with_the_customer_gets_him_back() {
    for (marked, back) in [(false, true), (true, false)] {
        let mut desk = Desk::talking();
        desk.modify(1, CUSTOMER, false, true);
        desk.join(1, BO_LEG, true);
        if marked {
            desk.graceful_of(ADA, GracefulReason::WarmTransfer);
        }
        desk.leave(1, BO_LEG, LeaveReason::HungUp);
        desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
        desk.leave(1, ADA_LEG, LeaveReason::ModeratorEnded);
        desk.end(1);
        say(&mut desk, Said::Asked);
        assert_eq!(next(&desk) == Next::Wait && desk.has_timer(Timer::Grace), back);
    }
}

#[test]
fn a_call_that_nobody_knows_is_over() {
    let mut desk = Desk::new();
    desk.handle(Event::Released { customer: leg(CUSTOMER) });
    assert_eq!(next(&desk), Next::Unknown, "unless his callbacks come");
    let mut desk = stranded();
    desk.handle(Event::Released { customer: leg(0xbad) });
    assert_eq!(desk.machine.next(desk.now, &leg(0xbad)), Next::Unknown);
}

#[test]
fn callbacks_that_never_come_do_not_hold_the_customer_for_long() {
    let mut desk = Desk::talking();
    say(&mut desk, Said::Asked);
    assert_eq!(next(&desk), Next::Wait);
    desk.now = desk.now + Millis::seconds(4);
    assert_eq!(next(&desk), Next::Over);
    assert!(desk.take_actions().is_empty() && desk.stage().is_none());
}

/// The server died with the callbacks, but asks for his document are repeated.
#[test]
fn a_customer_of_whose_agent_no_callback_tells_is_looked_up() {
    for with_agent in [true, false] {
        let mut desk = if with_agent { Desk::talking() } else { joined_twice() };
        say(&mut desk, Said::Asked);
        assert!(desk.take_actions().is_empty(), "callbacks come at the same time");
        desk.now = desk.now + Millis::seconds(1);
        say(&mut desk, Said::Asked);
        let look = desk.take_actions();
        assert!(matches!(look[..], [Action::Look { .. }]), "{look:?}");
        let seen = Seen { on_line: Some(true), ..Seen::default() };
        desk.finish(look[0].clone(), Outcome::Looked(Box::new(seen)));
        if !with_agent {
            let learn = Action::Learn { task: TaskSid::numbered(1) };
            assert_eq!(desk.take_actions(), [learn.clone()]);
            desk.finish(learn, found());
        }
        assert_eq!(next(&desk), Next::Wait);
        desk.fire(1, Timer::Grace);
        desk.finish_all();
        assert_eq!(next(&desk), again());
    }
}

#[test]
fn one_who_left_on_purpose_is_not_missed_when_no_callback_tells() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    for _ in 0..2 {
        say(&mut desk, Said::Asked);
    }
    let look = desk.take_actions();
    let seen = Seen { on_line: Some(true), ..Seen::default() };
    desk.finish(look[0].clone(), Outcome::Looked(Box::new(seen)));
    assert_eq!(next(&desk), Next::Over);
}

/// Twilio does not answer: nobody lets a customer go before it is known whether he was left on purpose.
#[test]
fn a_customer_waits_while_his_agent_is_looked_up() {
    let mut desk = joined_twice();
    for said in [Said::AgentLeft, Said::CustomerLeft, Said::Ended, Said::Asked] {
        say(&mut desk, said);
    }
    let learn = Action::Learn { task: TaskSid::numbered(1) };
    let failed = || Outcome::Failed { reason: "no".into() };
    assert_eq!(desk.take_actions(), [learn.clone()]);
    desk.now = desk.now + Millis::seconds(20);
    assert_eq!(next(&desk), Next::Wait);
    // Nothing was found, and he waits still.
    desk.finish(learn.clone(), failed());
    assert_eq!(desk.take_actions(), [learn.clone()]);
    desk.now = desk.now + Millis::seconds(4);
    // Twilio is out of order: whether he was left on purpose is not known before it answers.
    let began = desk.now;
    let mut asked = 0;
    while desk.now - began < Millis::seconds(570) {
        desk.finish(learn.clone(), failed());
        assert_eq!(next(&desk), Next::Wait);
        if desk.take_actions().is_empty() {
            desk.fire(1, Timer::Learn);
            assert_eq!(desk.take_actions(), [learn.clone()]);
        }
        asked += 1;
    }
    assert!((20..90).contains(&asked), "{asked}");
    let mut answers = Desk::with(desk.machine.clone());
    answers.now = desk.now;
    answers.finish(learn.clone(), found());
    assert_eq!((next(&answers), answers.stage()), (Next::Wait, Some(Stage::Interrupted)), "it was a loss");
    // But not for ever.
    desk.now = desk.now + Millis::seconds(60);
    desk.finish(learn, failed());
    assert_eq!(next(&desk), Next::Over);
    assert!(!desk.has_timer(Timer::Learn));
}

/// Ada's page goes while Bo is there, and nobody had undone in time that the conference ends with her leg.
#[test]
fn a_colleague_keeps_no_customer_whose_conference_ends_with_the_leg_of_who_is_lost() {
    for (on_purpose, missed) in [(None, true), (Some(ADA), false), (Some(BO), false)] {
        let mut desk = Desk::talking();
        desk.join(1, BO_LEG, false);
        desk.register(1, BO, BO_LEG, 1);
        if let Some(worker) = on_purpose {
            desk.graceful_of(worker, GracefulReason::HangUp);
        }
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
        desk.leave(1, BO_LEG, LeaveReason::ModeratorEnded);
        desk.end(1);
        say(&mut desk, Said::Asked);
        assert_eq!(next(&desk) == Next::Wait, missed, "{on_purpose:?}");
        if missed {
            desk.fire(1, Timer::Grace);
            desk.finish_all();
            assert_eq!(next(&desk), again());
        }
    }
    // Bo stays with the customer for a while, and what is told of his end is lost.
    let mut desk = Desk::talking();
    desk.join(1, BO_LEG, false);
    desk.register(1, BO, BO_LEG, 1);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.modify(1, BO_LEG, true, false);
    desk.callback(1, ConferenceEventKind::Leave { leg: leg(BO_LEG), reason: LeaveReason::HungUp });
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.end(1);
    assert!(desk.stage().is_none());
}

/// No callback was asked for, and Twilio says late whether it is so what the page has registered, and that nobody is there any
/// more. The answers come before or after Twilio asks what comes next for the customer.
fn registered_untold(desk: &mut Desk, asked_after: usize, pause: u64) {
    let mut told = Desk::new();
    told.register(1, ADA, ADA_LEG, 1);
    let registered =
        told.events.iter().find(|event| matches!(event, Event::Registered { .. })).expect("it is");
    desk.handle(registered.clone());
    for answers in 0..3 {
        if answers == asked_after {
            desk.now = desk.now + Millis(pause);
            say(desk, Said::Asked);
        }
        if answers == 0 {
            desk.fire(1, Timer::Owners);
            let asked = desk.take_actions();
            let [ask @ Action::FindOwners { conference: Some(_), .. }] = &asked[..] else {
                panic!("{asked:?}")
            };
            desk.finish(ask.clone(), owners(1).1);
        } else if answers == 1 {
            let asked = desk.take_actions();
            let look =
                asked.iter().find(|action| matches!(action, Action::Look { .. })).expect("a look").clone();
            let seen = Seen { on_line: Some(true), ..Seen::default() };
            desk.finish(look, Outcome::Looked(Box::new(seen)));
        }
    }
    the_task_names_the_customer(desk);
}

/// A page's word is not enough that this is the customer: the task says so, too, as Twilio answers.
fn the_task_names_the_customer(desk: &mut Desk) {
    let is_learn = |action: &Action| matches!(action, Action::Learn { .. });
    if let Some(asked) = desk.actions.iter().position(is_learn) {
        let learn = desk.actions.remove(asked);
        desk.finish(learn, crate::late_events::look_up_answer());
        let is_look = |action: &Action| matches!(action, Action::Look { .. });
        if let Some(asked) = desk.actions.iter().position(is_look) {
            let look = desk.actions.remove(asked);
            let seen = Seen { on_line: Some(true), ..Seen::default() };
            desk.finish(look, Outcome::Looked(Box::new(seen)));
        }
    }
}

#[test]
fn a_customer_waits_while_it_is_found_out_whether_a_registration_counts() {
    let mut desk = Desk::new();
    let mut told = Desk::new();
    told.register(1, ADA, ADA_LEG, 1);
    let registered =
        told.events.iter().find(|event| matches!(event, Event::Registered { .. })).expect("it is");
    desk.handle(registered.clone());
    say(&mut desk, Said::Asked);
    assert_eq!(next(&desk), Next::Wait);
    assert_eq!(desk.machine.next(desk.now, &leg(CY)), Next::Unknown, "nobody has spoken of this one");
    for asked_after in 0..3 {
        let mut desk = Desk::new();
        registered_untold(&mut desk, asked_after, 1);
        assert_eq!(next(&desk), Next::Wait, "{asked_after}");
        if asked_after == 1 {
            // What was heard meanwhile counts more than the answer: Twilio is asked again.
            let asked = desk.take_actions();
            let look = asked.iter().find(|action| matches!(action, Action::Look { .. })).expect("a look");
            let seen = Seen { on_line: Some(true), ..Seen::default() };
            desk.finish(look.clone(), Outcome::Looked(Box::new(seen)));
            assert_eq!(next(&desk), Next::Wait);
            the_task_names_the_customer(&mut desk);
        }
        desk.fire(1, Timer::Grace);
        desk.finish_all();
        assert_eq!(next(&desk), again(), "{asked_after}");
    }
}

#[test]
fn a_customer_who_was_found_gone_long_ago_or_left_on_purpose_is_let_go() {
    let mut desk = Desk::new();
    registered_untold(&mut desk, 2, 20_000);
    // The customer was moved, and has had another call since: Twilio is asked which. Only the page has named this leg.
    assert_eq!(next(&desk), Next::Unknown);
    let mut desk = Desk::new();
    registered_untold(&mut desk, 3, 0);
    desk.graceful(GracefulReason::HangUp);
    say(&mut desk, Said::Asked);
    the_task_names_the_customer(&mut desk);
    assert_eq!(next(&desk), Next::Over, "she has hung up");
}

/// Twilio has not answered yet whether he was sent to the queue, and ends the conference with the dead leg.
#[test]
fn a_customer_who_is_being_sent_to_the_queue_waits_for_it() {
    let mut desk = Desk::away();
    desk.hello_with(2, false, false, false);
    desk.finish_all();
    assert_eq!((desk.stage(), desk.take_actions()), (Some(Stage::Requeueing), vec![requeue(Some(ADA))]));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    for said in [Said::CustomerLeft, Said::Ended, Said::Asked] {
        say(&mut desk, said);
        assert_eq!(next(&desk), if matches!(said, Said::Asked) { Next::Wait } else { Next::Over });
    }
    // He is there.
    desk.entered_queue();
    assert_eq!(next(&desk), Next::Over);
    // He was taken out of it, as Twilio says, after he had been sent into it for anybody.
    desk.left_queue();
    assert_eq!(next(&desk), Next::Over);
}

/// The request had no effect, and the conference ended before anybody looked what had become of it: he was out of it, as
/// after a request that takes effect. The simulation has found it (seed 32906 of `outages`).
#[test]
fn a_customer_who_still_asks_after_he_was_sent_to_the_queue_was_not() {
    let mut desk = Desk::away();
    desk.hello_with(2, false, false, false);
    desk.finish_all();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    for said in [Said::CustomerLeft, Said::Ended, Said::Asked] {
        say(&mut desk, said);
    }
    desk.now = desk.now + Millis::seconds(5);
    say(&mut desk, Said::Asked);
    assert_eq!(next(&desk), Next::Wait, "nobody knows yet what has come of it");
    desk.finish_all();
    assert_eq!(next(&desk), again());
    // It is not known what comes of the next request.
    desk.fire(1, Timer::Rejoin);
    assert_eq!((desk.stage(), next(&desk)), (Some(Stage::WaitingForOther), Next::Wait));
    desk.finish_all();
    assert_eq!(next(&desk), again());
    desk.entered_queue();
    assert_eq!(next(&desk), Next::Over);
}

/// She was back in place once.
#[test]
fn a_customer_who_was_lost_before_waits_for_the_callbacks() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, true);
    desk.register(1, ADA, NEXT_LEG, 2);
    desk.finish_all();
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    say(&mut desk, Said::Asked);
    assert_eq!(next(&desk), Next::Wait);
}

#[test]
fn a_call_whose_flow_has_nothing_of_ours_is_over_for_the_agent_soon() {
    let mut desk = Desk::talking();
    for said in [Said::AgentLeft, Said::CustomerLeft, Said::Ended] {
        say(&mut desk, said);
    }
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    let before = desk.now;
    desk.fire(1, Timer::Ping);
    assert_eq!(desk.now - before, Millis::seconds(4));
    assert_eq!(desk.stage(), Some(Stage::CustomerLeft));
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_leave_that_comes_after_the_end_of_its_recovery_begins_no_other() {
    let mut desk = Desk::away();
    desk.end(1);
    desk.fire(1, Timer::Ping);
    assert_eq!(desk.stage(), Some(Stage::CustomerLeft));
    desk.finish_all();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage(), Some(Stage::CustomerLeft));
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_task_that_cannot_be_read_does_not_cost_the_customer() {
    let mut desk = stranded();
    desk.fire(1, Timer::Grace);
    desk.fire(1, Timer::Ping);
    assert_eq!(next(&desk), again());
}

#[test]
fn an_agent_who_is_not_back_loses_the_customer_to_the_next() {
    let mut desk = stranded();
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    desk.entered_queue();
    desk.take_actions();
    let before = desk.now;
    desk.fire(1, Timer::Rejoin);
    assert_eq!(desk.now - before, Millis::seconds(15));
    assert_eq!(desk.take_actions(), [requeue(None)]);
}

#[test]
fn an_agent_who_is_back_meanwhile_has_time_to_accept() {
    let mut desk = stranded();
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    desk.entered_queue();
    desk.take_actions();
    desk.now = desk.now + Millis::seconds(10);
    desk.hello(2, true, false);
    let before = desk.now;
    desk.fire(1, Timer::Rejoin);
    assert_eq!(desk.now - before, Millis::seconds(20));
}

/// Ada's page is gone and her leg falls with the flag still set, or is removed by us.
#[test]
fn whatever_the_recovery_was_at_it_goes_on_without_a_conference() {
    let holding = || {
        let mut desk = Desk::talking();
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.fire(1, Timer::Grace);
        desk
    };
    let rejoining = || {
        let mut desk = Desk::away();
        desk.hello_in_place(2);
        desk
    };
    for (name, mut desk) in [("away", Desk::away()), ("rejoining", rejoining()), ("holding", holding())] {
        desk.finish_all();
        if name != "holding" {
            desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        }
        desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
        desk.end(1);
        desk.finish_all();
        say(&mut desk, Said::Asked);
        assert_eq!((next(&desk), desk.stage()), (again(), Some(Stage::Requeueing)), "{name}");
        assert!(!desk.has_timer(Timer::Announce) && !desk.has_timer(Timer::Ping), "{name}");
        let told = |effect: &Effect| matches!(effect, Effect::Note { note: Note::ConferenceLost, .. });
        assert_eq!(desk.effects.iter().filter(|effect| told(effect)).count(), 1, "{name}");
    }
}

/// The page has not registered.
fn joined_twice() -> Desk {
    let mut desk = Desk::new();
    desk.join(1, CUSTOMER, true);
    desk.join(1, ADA_LEG, true);
    desk.take_actions();
    desk
}

fn found() -> Outcome {
    Outcome::Learnt(Box::new(Registered {
        workflow: WorkflowSid::numbered(1),
        queue: None,
        customer_leg: None,
        worker_leg: None,
        reservation: Some(ReservationSid::numbered(1)),
        worker: Some((WorkerSid::numbered(ADA), "Ada".into())),
        attributes: "{}".into(),
    }))
}

/// Right after accepting: the page had no time to register.
#[test]
fn a_refresh_before_the_registration_is_looked_up() {
    for order in orders() {
        let mut desk = joined_twice();
        for said in &order {
            say(&mut desk, *said);
        }
        let learn = Action::Learn { task: TaskSid::numbered(1) };
        assert_eq!(desk.take_actions(), [learn.clone()], "{order:?}");
        assert_eq!(next(&desk), Next::Wait, "{order:?}");
        desk.finish(learn, found());
        desk.fire(1, Timer::Grace);
        desk.finish_all();
        assert_eq!(next(&desk), again(), "{order:?}");
    }
}

#[test]
fn a_restart_and_repeated_questions_change_nothing() {
    let mut desk = stranded();
    desk.restart();
    say(&mut desk, Said::Asked);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    desk.restart();
    say(&mut desk, Said::Asked);
    assert_eq!(next(&desk), again());
    say(&mut desk, Said::Asked);
    assert_eq!(next(&desk), again());
    let requeueing = desk
        .effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Note { note: Note::Requeueing { .. }, .. }));
    assert_eq!(requeueing.count(), 1);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    assert!(desk.take_actions().is_empty());
}

/// She takes the reconnect task and refreshes again before anybody knows: the first recovery has ended with that.
#[test]
fn one_who_was_back_for_a_moment_and_is_lost_again_is_lost_once() {
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    desk.finish_all();
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.end(1);
    desk.entered_queue();
    desk.finish_all();
    desk.join(2, CUSTOMER, true);
    desk.join(2, NEXT_LEG, true);
    desk.leave(2, NEXT_LEG, LeaveReason::HungUp);
    desk.now = desk.now + Millis(1);
    let learn = Action::Learn { task: TaskSid::numbered(2) };
    assert_eq!(desk.take_actions(), [learn.clone()]);
    let found = Registered {
        workflow: WorkflowSid::numbered(1),
        queue: None,
        customer_leg: None,
        worker_leg: None,
        reservation: Some(reservation_of(ADA, 2)),
        worker: Some((WorkerSid::numbered(ADA), "Ada".into())),
        attributes: "{}".into(),
    };
    let done =
        Event::Done { conference: conference(2), action: learn, outcome: Outcome::Learnt(Box::new(found)) };
    desk.handle(done);
    assert_eq!(desk.stage(), Some(Stage::Rejoined), "the first one");
    assert!(!desk.timers.contains_key(&(conference(1), Timer::Rejoin)));
    assert!(desk.timers.contains_key(&(conference(2), Timer::Grace)));
}

/// Her page never got round to registering.
#[test]
fn a_customer_who_came_back_to_an_agent_who_hangs_up_at_once_is_not_brought_back_again() {
    let mut desk = stranded();
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    desk.entered_queue();
    desk.finish_all();
    desk.join(2, CUSTOMER, true);
    desk.join(2, NEXT_LEG, false);
    desk.leave(2, NEXT_LEG, LeaveReason::HungUp);
    desk.leave(2, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.end(2);
    desk.now = desk.now + Millis(50);
    let reservation = crate::desk::reservation_of(ADA, 2);
    let mark = rejoin_protocol::api::GracefulMark {
        id: None,
        task: TaskSid::numbered(2),
        reservation: reservation.clone(),
        reason: GracefulReason::HangUp,
    };
    desk.handle(Event::Graceful { worker: WorkerSid::numbered(ADA), mark });
    assert_eq!(next(&desk), again(), "she may be lost");
    let found = Registered {
        workflow: WorkflowSid::numbered(1),
        queue: None,
        customer_leg: Some(leg(CUSTOMER)),
        worker_leg: Some(leg(NEXT_LEG)),
        reservation: Some(reservation),
        worker: Some((WorkerSid::numbered(ADA), "Ada".into())),
        attributes: "{}".into(),
    };
    let learn = Action::Learn { task: TaskSid::numbered(2) };
    desk.handle(Event::Done {
        conference: conference(2),
        action: learn,
        outcome: Outcome::Learnt(Box::new(found)),
    });
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert_eq!(next(&desk), Next::Over);
}

/// Her page was gone before it could say so.
#[test]
fn a_mark_for_the_call_before_that_comes_late_does_not_end_the_next_recovery() {
    let mut desk = Desk::talking();
    desk.goes_through_the_queue();
    desk.join(2, CUSTOMER, true);
    desk.join(2, NEXT_LEG, false);
    desk.register(2, ADA, NEXT_LEG, 2);
    desk.finish_all_of(2);
    desk.leave(2, NEXT_LEG, LeaveReason::HungUp);
    desk.fire(2, Timer::Grace);
    desk.finish_all_of(2);
    desk.now = desk.now + Millis(50);
    desk.graceful(GracefulReason::SignOut);
    let open = |desk: &Desk| desk.machine.call(&conference(2)).and_then(|call| call.recovery.clone());
    assert!(open(&desk).is_some_and(|recovery| recovery.is_open()));
    assert!(desk.take_actions().is_empty());
}

/// The queue has connected him to Ada, of which nobody has told, and that conference has ended, too.
fn taken_untold() -> Desk {
    let mut desk = Desk::talking();
    desk.goes_through_the_queue();
    say(&mut desk, Said::Asked);
    assert_eq!(next(&desk), Next::Wait);
    let asked = desk.take_actions();
    assert!(matches!(&asked[..], [Action::Look { queued: Some(_), .. }]), "{asked:?}");
    desk.now = desk.now + Millis::seconds(1);
    say(&mut desk, Said::Asked);
    assert_eq!((next(&desk), desk.take_actions()), (Next::Wait, vec![]));
    desk.actions = asked;
    desk
}

/// Twilio says that Ada had the task for her.
fn left_by_ada(desk: &mut Desk) {
    let (worker, reservation) = (WorkerSid::numbered(ADA), reservation_of(ADA, 2));
    let reconnect = Reconnect {
        task: TaskSid::numbered(2),
        target: Some(worker.clone()),
        state: ReconnectState::Left { worker, name: "Ada".into(), reservation },
        conference: Some(conference(2)),
    };
    let seen = Seen { on_line: Some(true), reconnects: vec![reconnect], ..Seen::default() };
    let look = desk.take_actions().remove(0);
    desk.finish(look, Outcome::Looked(Box::new(seen)));
}

fn of_second(desk: &mut Desk, action: Action, outcome: Outcome) {
    desk.handle(Event::Done { conference: conference(2), action, outcome });
}

fn learnt() -> Outcome {
    Outcome::Learnt(Box::new(Registered {
        workflow: WorkflowSid::numbered(1),
        queue: None,
        customer_leg: Some(leg(CUSTOMER)),
        worker_leg: Some(leg(NEXT_LEG)),
        reservation: Some(reservation_of(ADA, 2)),
        worker: Some((WorkerSid::numbered(ADA), "Ada".into())),
        attributes: "{}".into(),
    }))
}

#[test]
fn a_customer_whom_his_agent_has_taken_untold_and_lost_again_comes_back_to_her() {
    for told_too_little in [false, true] {
        let mut desk = taken_untold();
        if told_too_little {
            desk.modify(2, NEXT_LEG, true, false);
        }
        left_by_ada(&mut desk);
        let learn = Action::Learn { task: TaskSid::numbered(2) };
        assert_eq!((next(&desk), desk.take_actions()), (Next::Wait, vec![learn.clone()]));
        of_second(&mut desk, learn, learnt());
        let look = desk.take_actions().remove(0);
        let seen = Seen { on_line: Some(true), ..Seen::default() };
        of_second(&mut desk, look, Outcome::Looked(Box::new(seen)));
        assert_eq!(next(&desk), Next::Wait);
        desk.fire(2, Timer::Grace);
        desk.finish_all_of(2);
        assert_eq!(next(&desk), Next::Requeue(rejoin_protocol::RecoveryId::of(&leg(NEXT_LEG))));
    }
}

#[test]
fn a_customer_whom_his_agent_has_taken_untold_and_left_on_purpose_is_over() {
    let mut desk = taken_untold();
    left_by_ada(&mut desk);
    let mark = rejoin_protocol::api::GracefulMark {
        id: None,
        task: TaskSid::numbered(2),
        reservation: reservation_of(ADA, 2),
        reason: GracefulReason::HangUp,
    };
    desk.handle(Event::Graceful { worker: WorkerSid::numbered(ADA), mark });
    let learn = desk.take_actions().remove(0);
    of_second(&mut desk, learn, learnt());
    let look = desk.take_actions().remove(0);
    let seen = Seen { on_line: Some(true), ..Seen::default() };
    of_second(&mut desk, look, Outcome::Looked(Box::new(seen)));
    assert_eq!(next(&desk), Next::Over);
    assert!(desk.take_actions().is_empty());
}

/// Nobody says who had him: he is not let go for that.
#[test]
fn a_customer_whom_nobody_knows_to_have_been_taken_is_kept_for_any_agent() {
    let mut desk = taken_untold();
    desk.now = desk.now + Millis::seconds(4);
    say(&mut desk, Said::Asked);
    assert_eq!((next(&desk), desk.stage()), (again(), Some(Stage::WaitingForOther)));
}

/// Ada has handed him over to Bo, whose page has registered, and nobody tells of anything else before both are found gone.
#[test]
fn the_colleague_of_whose_leg_nobody_has_told_is_the_one_who_had_him_last() {
    for says_so in [true, false] {
        let mut desk = Desk::talking();
        desk.graceful(GracefulReason::ColdTransfer);
        desk.now = desk.now + Millis::seconds(1);
        desk.register(1, BO, BO_LEG, EPOCH);
        desk.take_actions();
        say(&mut desk, Said::Asked);
        desk.now = desk.now + Millis::seconds(1);
        say(&mut desk, Said::Asked);
        let look = desk.take_actions().remove(0);
        let seen = Seen { on_line: Some(true), ..Seen::default() };
        desk.finish(look, Outcome::Looked(Box::new(seen)));
        assert_eq!(
            (desk.stage(), next(&desk)),
            (None, Next::Wait),
            "nobody looks for her who has handed him over"
        );
        if says_so {
            let (task, reservation) = (TaskSid::numbered(1), reservation_of(BO, 1));
            let reason = GracefulReason::HangUp;
            let mark = rejoin_protocol::api::GracefulMark { id: None, task, reservation, reason };
            desk.handle(Event::Graceful { worker: WorkerSid::numbered(BO), mark });
            assert_eq!((desk.stage_of(BO), next(&desk)), (Some(Stage::Graceful), Next::Over));
        } else {
            desk.fire(1, Timer::Grace);
            assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
        }
        assert_eq!(desk.stage(), None);
    }
}
