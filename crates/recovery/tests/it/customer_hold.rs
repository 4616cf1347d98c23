//! Our hold: a customer who is alone is held for the announcement, and off hold at once when the agent is back.

use crate::desk::*;
use rejoin_protocol::Millis;
use rejoin_protocol::api::{GracefulReason, Stage};
use rejoin_recovery::{
    Action, Announcement, ConferenceEventKind, Effect, Event, LeaveReason, Outcome, ParticipantFlags,
    PollAnswer, Timer,
};

const THIRD: u128 = 0x3d;

fn announce(what: Announcement) -> Action {
    Action::Announce { conference: conference(1), what }
}

/// Ada's page is gone, the leg stands, and the customer is on our hold.
fn on_our_hold() -> Desk {
    let mut desk = Desk::away();
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.finish_all(), [hold(false, false)]);
    desk.modify(1, CUSTOMER, true, true);
    desk
}

/// The agent had ended their hold just before their page went, and Twilio did that after it had begun ours.
#[test]
fn our_hold_is_begun_again_when_somebody_else_ends_it() {
    for (after, told) in [(0, false), (5_999, false), (6_000, true)] {
        let mut desk = on_our_hold();
        desk.now = desk.now + Millis(after);
        desk.modify(1, CUSTOMER, true, false);
        desk.restart();
        assert_eq!(desk.finish_all(), [hold(false, told)], "{after} ms after the words began");
        desk.modify(1, CUSTOMER, true, true);
        assert!(desk.take_actions().is_empty());
        desk.modify(1, CUSTOMER, true, false);
        let instead = if told { Announcement::Comfort } else { Announcement::Interrupted };
        assert_eq!(desk.finish_all(), [announce(instead)], "a client that always ends holds");
    }
}

/// Callbacks come in any order, and before or after the answer to the request that they are about.
#[test]
fn our_hold_is_begun_again_whatever_is_reported_first() {
    const ANSWER: u64 = 0;
    for order in
        [[ANSWER, 4, 5], [ANSWER, 5, 4], [4, ANSWER, 5], [4, 5, ANSWER], [5, ANSWER, 4], [5, 4, ANSWER]]
    {
        let mut desk = Desk::away();
        desk.fire(1, Timer::Announce);
        let (asked, before) = (desk.take_actions(), desk.sequence);
        for (number, what) in order.into_iter().enumerate() {
            match what {
                ANSWER => desk.finish(asked[0].clone(), Outcome::Ok),
                sequence => {
                    let flags = ParticipantFlags { hold: sequence == 4, ..ParticipantFlags::default() };
                    let kind = ConferenceEventKind::Modify { leg: leg(CUSTOMER), flags };
                    desk.sequence = before + sequence;
                    desk.callback(1, kind);
                }
            }
            let again = desk.take_actions();
            let is_last = number == 2;
            assert_eq!(again, if is_last { vec![hold(false, false)] } else { vec![] }, "{order:?}: {number}");
        }
    }
}

#[test]
fn our_hold_is_not_begun_again_for_an_agent_who_is_back() {
    let mut desk = on_our_hold();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.modify(1, CUSTOMER, true, false);
    assert_eq!(desk.finish_all(), [end_hold()]);
    desk.modify(1, CUSTOMER, true, true);
    desk.modify(1, CUSTOMER, true, false);
    assert!(desk.take_actions().is_empty());
}

#[test]
fn our_hold_ends_when_the_agents_new_leg_joins() {
    let mut desk = on_our_hold();
    desk.hello_in_place(2);
    assert!(desk.take_actions().is_empty(), "the agent is not there yet");
    desk.join(1, NEXT_LEG, false);
    assert_eq!(desk.finish_all(), [end_hold()], "before the page has registered");
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    assert!(desk.take_actions().is_empty(), "the hold is ended once");
}

#[test]
fn a_leg_whose_page_has_gone_does_not_end_our_hold() {
    let mut desk = on_our_hold();
    desk.hello_in_place(2);
    desk.goodbye(ADA, 2);
    desk.join(1, THIRD, false);
    assert!(desk.take_actions().is_empty(), "no agent is at the leg");
    desk.hello_in_place(3);
    assert!(desk.take_actions().is_empty(), "nor is the agent of the next page");
    desk.join(1, NEXT_LEG, false);
    assert_eq!(desk.finish_all(), [end_hold()]);
    desk.register(1, ADA, NEXT_LEG, 3);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
}

#[test]
fn the_hold_waits_for_the_read_of_the_task_unless_the_agent_is_back() {
    let mut desk = Desk::away();
    let is_awaited = |desk: &Desk| desk.machine.call(&conference(1)).unwrap().is_task_awaited();
    desk.fire(1, Timer::Announce);
    assert!(!is_awaited(&desk), "the task is not read while the agent may be back in place");
    desk.fire(1, Timer::Ping);
    assert!(is_awaited(&desk));
    desk.hello(2, true, false);
    assert!(!is_awaited(&desk), "the read leads to the requeue, and the customer is to be told before");
    let mut desk = Desk::away();
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    assert!(!is_awaited(&desk), "the task was read");
}

#[test]
fn an_agent_who_is_rejoining_is_not_talked_over() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.fire(1, Timer::Announce);
    assert!(desk.take_actions().is_empty());
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
}

#[test]
fn a_foreign_leg_delays_the_announcement_until_the_rejoin_has_failed() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.join(1, THIRD, false);
    desk.fire(1, Timer::Announce);
    assert!(desk.take_actions().is_empty());
    while desk.stage() == Some(Stage::InPlace) {
        desk.fire(1, Timer::Rejoin);
    }
    assert!(desk.take_actions().contains(&announce(Announcement::Interrupted)));
}

#[test]
fn a_requeue_ends_our_hold_without_a_request() {
    let mut desk = on_our_hold();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let actions = desk.finish_all();
    assert!(
        !actions.iter().any(|a| matches!(a, Action::HoldCustomer { .. } | Action::ClearCustomerFlags { .. })),
        "the customer is on our hold already, and alone: {actions:?}"
    );
    desk.hello(2, true, false);
    assert_eq!(desk.finish_all(), [requeue(Some(ADA)), end_ping()]);
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.end(1);
    desk.entered_queue();
    assert_eq!(desk.finish_all(), [complete_old()]);
    assert_eq!(desk.machine.call(&conference(1)).expect("known").our_hold, None);
}

#[test]
fn a_recovery_through_the_queue_takes_six_actions_and_one_task_read() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    let mut asked = desk.finish_all();
    desk.hello(2, true, false);
    asked.extend(desk.finish_all());
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.entered_queue();
    asked.extend(desk.finish_all());
    desk.join(2, CUSTOMER, true);
    desk.join(2, NEXT_LEG, false);
    desk.register(2, ADA, NEXT_LEG, 2);
    asked.extend(desk.take_actions());
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    // Each action takes one request, and the task is read before it is marked: seven in all.
    assert_eq!(desk.reads, 1);
    let [held, Action::MarkTask { .. }, Action::CreatePing { .. }, sent, end, freed] = asked.as_slice()
    else {
        panic!("{asked:?}")
    };
    assert_eq!((held, sent), (&hold(false, false), &requeue(Some(ADA))));
    assert_eq!((end, freed), (&end_ping(), &complete_old()));
}

#[test]
fn a_requeue_clears_the_customers_exit_flag_if_another_leg_joined() {
    let mut desk = on_our_hold();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.finish_all();
    desk.join(1, THIRD, false);
    assert!(desk.take_actions().is_empty(), "the customer stays on our hold");
    while desk.stage() == Some(Stage::Interrupted) {
        desk.fire(1, Timer::Ping);
    }
    let Some(Action::Requeue { free, .. }) = desk.take_actions().first().cloned() else {
        panic!("a requeue")
    };
    assert!(free);
}

#[test]
fn a_customer_with_a_third_party_hears_an_announcement_without_hold() {
    let mut desk = Desk::talking();
    desk.join(1, THIRD, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    let actions = desk.take_actions();
    assert!(actions.contains(&announce(Announcement::Interrupted)), "{actions:?}");
    assert!(!actions.iter().any(|a| matches!(a, Action::HoldCustomer { .. })), "{actions:?}");
}

#[test]
fn a_hold_that_takes_effect_too_late_is_ended() {
    let mut desk = Desk::away();
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [hold(false, false)]);
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(!desk.take_actions().contains(&end_hold()), "a hold that has not taken effect cannot be ended");
    assert!(!desk.machine.wants(&conference(1), &hold(false, false)), "the hold is no longer wanted");
    desk.finish(hold(false, false), Outcome::Ok);
    assert_eq!(desk.take_actions(), [end_hold()], "the hold took effect all the same");
    assert!(desk.machine.wants(&conference(1), &end_hold()));
    desk.finish(end_hold(), Outcome::Ok);
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_hold_that_was_overtaken_needs_no_end() {
    let mut desk = Desk::away();
    desk.fire(1, Timer::Announce);
    desk.take_actions();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.register(1, ADA, NEXT_LEG, 2);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.take_actions();
    desk.finish(hold(false, false), Outcome::Overtaken);
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_refused_hold_leads_to_an_announcement_and_is_ended_anyway() {
    let mut desk = Desk::away();
    desk.fire(1, Timer::Announce);
    desk.take_actions();
    desk.finish(hold(false, false), Outcome::Failed { reason: "no answer".into() });
    assert_eq!(desk.finish_all(), [announce(Announcement::Interrupted)]);
    desk.callback(1, ConferenceEventKind::AnnouncementEnd);
    assert_eq!(desk.finish_all(), [announce(Announcement::Comfort)]);
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    assert_eq!(desk.finish_all(), [end_hold()]);
}

#[test]
fn a_failed_rejoin_holds_the_customer_again_with_comfort_audio() {
    let mut desk = on_our_hold();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    assert_eq!(desk.finish_all(), [end_hold()]);
    desk.leave(1, NEXT_LEG, LeaveReason::HungUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert!(desk.take_actions().contains(&hold(false, true)), "the customer was told already");
}

#[test]
fn a_late_graceful_mark_ends_our_hold() {
    let mut desk = on_our_hold();
    desk.graceful(GracefulReason::WarmTransfer);
    assert!(desk.take_actions().contains(&end_hold()));
    assert_eq!(desk.stage(), Some(Stage::Graceful));
}

#[test]
fn a_restart_does_not_forget_our_hold() {
    let mut desk = on_our_hold();
    desk.restart();
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    assert_eq!(desk.take_actions(), [end_hold()]);
}

#[test]
fn a_customer_who_hangs_up_on_hold_needs_no_unhold() {
    let mut desk = on_our_hold();
    desk.leave(1, CUSTOMER, LeaveReason::HungUp);
    assert!(!desk.take_actions().contains(&end_hold()));
    assert_eq!(desk.stage(), Some(Stage::CustomerLeft));
    assert!(desk.effects.iter().any(|effect| matches!(effect, Effect::Note { .. })));
}

/// Twilio has not answered the hold request, but a callback has reported the hold. The agent was back before the
/// request was repeated.
#[test]
fn an_overtaken_hold_that_a_callback_reported_is_ended() {
    for reported in [true, false] {
        let mut desk = Desk::away();
        desk.fire(1, Timer::Announce);
        assert_eq!(desk.take_actions(), [hold(false, false)]);
        desk.hello_in_place(2);
        desk.join(1, NEXT_LEG, false);
        desk.register(1, ADA, NEXT_LEG, 2);
        if reported {
            desk.modify(1, CUSTOMER, true, true);
        }
        desk.take_actions();
        desk.finish(hold(false, false), Outcome::Overtaken);
        assert_eq!(desk.take_actions().contains(&end_hold()), reported);
    }
}

/// Twilio was down for longer than a request is retried.
#[test]
fn a_failed_unhold_is_retried_after_a_poll_that_shows_the_hold() {
    let refused = || {
        let mut desk = on_our_hold();
        desk.hello_in_place(2);
        desk.join(1, NEXT_LEG, false);
        desk.register(1, ADA, NEXT_LEG, 2);
        desk.take_actions();
        let began = desk.now;
        desk.finish(end_hold(), Outcome::Failed { reason: "out of order".into() });
        assert_eq!(desk.take_actions(), [], "not retried at once");
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.take_actions();
        (desk, began)
    };
    let polls = |(desk, began): &mut (Desk, Millis), held: bool| {
        let look = loop {
            desk.now = desk.now.max(desk.watch[&conference(1)]);
            desk.handle(Event::Timer { conference: conference(1), timer: Timer::Watchdog });
            if let Some(look) = desk.take_actions().pop() {
                break look;
            }
        };
        assert!(desk.now - *began < Millis::seconds(30), "the customer cannot hear the agent meanwhile");
        let flags = |hold| ParticipantFlags { hold, ..ParticipantFlags::default() };
        let participants = [(leg(CUSTOMER), flags(held)), (leg(NEXT_LEG), flags(false))].into();
        let seen = PollAnswer { participants, on_line: Some(true), ..PollAnswer::default() };
        desk.finish(look, Outcome::Polled(Box::new(seen)));
        desk.take_actions()
    };
    assert_eq!(polls(&mut refused(), true), [end_hold()]);
    assert_eq!(polls(&mut refused(), false), [], "the hold was ended all the same");
    // The agent has ended our hold, and has held the customer since.
    let mut desk = refused();
    desk.0.modify(1, CUSTOMER, true, false);
    desk.0.modify(1, CUSTOMER, true, true);
    assert_eq!(polls(&mut desk, true), [], "the hold is the agent's");
}
