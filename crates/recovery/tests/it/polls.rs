//! Of a call that nothing is heard of, Twilio is asked how it stands.

use crate::desk::*;
use crate::late_events::look_up_answer;
use crate::marks_in_task::hang_up_in_task;
use rejoin_protocol::api::{Failure, GracefulReason, Stage};
use rejoin_protocol::{Millis, ReservationSid, TaskSid, WorkerSid, WorkflowSid};
use rejoin_recovery::{
    Action, Announcement, ConferenceEventKind, Config, Effect, Event, HandedOver, Holder, LeaveReason,
    Machine, Met, Next, Note, Outcome, ParticipantFlags, Reconnect, ReconnectState, Registered, Seen, Timer,
};

impl Desk {
    /// Lets the watchdog's time come; gives back what it asks.
    fn watch(&mut self) -> Option<Action> {
        let at = self.watch.remove(&conference(1)).expect("the call is watched");
        self.now = self.now.max(at);
        self.handle(Event::Timer { conference: conference(1), timer: Timer::Watch });
        let asked = self.take_actions();
        assert!(asked.len() <= 1, "{asked:?}");
        asked.into_iter().next()
    }

    /// The watchdog's time comes until it asks, and Twilio says this.
    fn look(&mut self, seen: Seen) {
        let asked = loop {
            if let Some(asked) = self.watch() {
                break asked;
            }
        };
        self.finish(asked, Outcome::Looked(Box::new(seen)));
    }
}

/// They are in the conference, and the customer is on the line.
fn there(legs: &[u128]) -> Seen {
    let participants = legs.iter().map(|who| (leg(*who), ParticipantFlags::default())).collect();
    Seen { participants, on_line: Some(true), ..Seen::default() }
}

fn reconnect(target: Option<u128>, state: ReconnectState) -> Seen {
    let task = TaskSid::numbered(2);
    let target = target.map(WorkerSid::numbered);
    let reconnects = vec![Reconnect { task, target, state, conference: Some(conference(2)) }];
    Seen { reconnects, ..there(&[]) }
}

fn taken(worker: u128) -> ReconnectState {
    let (worker, reservation) = (WorkerSid::numbered(worker), ReservationSid::numbered(2));
    ReconnectState::Taken { worker, name: "Bo".into(), reservation }
}

/// The customer is on the way into the queue, for Ada.
fn requeueing() -> Desk {
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    desk.finish_all();
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
    desk
}

/// The customer is on the way into the queue, for any agent.
fn waiting() -> Desk {
    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
    desk
}

#[test]
fn nobody_is_asked_while_something_is_heard() {
    let mut desk = Desk::talking();
    desk.now = desk.now + Millis::seconds(200);
    desk.modify(1, CUSTOMER, false, false);
    let heard = desk.now;
    assert_eq!(desk.watch(), None, "heard of it a moment ago");
    assert_eq!(desk.watch[&conference(1)], heard + Millis::seconds(300));
    assert!(matches!(desk.watch(), Some(Action::Look { .. })));
}

/// Their pages may say of it what they like: the call is polled when its time has come, and Twilio's answer counts.
#[test]
fn what_others_than_the_agents_of_a_call_say_of_it_does_not_put_off_its_poll() {
    let says: [fn(&mut Desk); 3] = [
        |desk| desk.hello_of(BO, 9, false, false, false),
        |desk| desk.goodbye(BO, 9),
        |desk| desk.graceful_of(BO, GracefulReason::HangUp),
    ];
    for (number, says) in says.into_iter().enumerate() {
        let mut desk = Desk::talking();
        desk.now = desk.now + Millis::seconds(200);
        says(&mut desk);
        desk.take_actions();
        let asked = desk.watch().unwrap_or_else(|| panic!("polled: {number}"));
        desk.now = desk.now + Millis(10);
        says(&mut desk);
        desk.take_actions();
        let gone = there(&[CUSTOMER]);
        desk.finish(asked, Outcome::Looked(Box::new(gone)));
        assert_eq!(desk.stage(), Some(Stage::Interrupted), "{number}");
    }
}

/// The answer is older than a callback that nobody could store.
#[test]
fn a_poll_that_was_under_way_when_callbacks_were_missed_does_not_count() {
    let mut desk = Desk::talking();
    let asked = desk.watch().or_else(|| desk.watch()).expect("a poll");
    desk.now = desk.now + Millis(50);
    desk.handle(Event::Timer { conference: conference(1), timer: Timer::Missed });
    let call = |desk: &Desk| desk.machine.call(&conference(1)).expect("the call").clone();
    assert!(desk.take_actions().is_empty() && call(&desk).may_be_met(), "it is not known who is there");
    desk.now = desk.now + Millis(50);
    desk.finish(asked, Outcome::Looked(Box::new(there(&[CUSTOMER]))));
    assert_eq!(desk.stage(), None, "Ada may have come back since");
    let again = desk.take_actions();
    assert!(matches!(again[..], [Action::Look { .. }]), "{again:?}");
    desk.finish(again[0].clone(), Outcome::Looked(Box::new(there(&[CUSTOMER, ADA_LEG]))));
    assert!(!call(&desk).may_be_met());
}

/// The conference ended while nothing could be stored, and the poll that follows comes before Twilio asks what comes next.
#[test]
fn a_customer_whom_a_poll_has_missed_and_for_whom_twilio_asks_is_not_let_go() {
    let mut desk = Desk::talking();
    let asked = desk.watch().or_else(|| desk.watch()).expect("a poll");
    desk.finish(asked, Outcome::Looked(Box::new(there(&[]))));
    desk.now = desk.now + Millis(100);
    desk.handle(Event::Released { customer: leg(CUSTOMER) });
    assert_eq!(desk.machine.next(desk.now, &leg(CUSTOMER)), Next::Wait);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

#[test]
fn a_quiet_call_that_stands_as_it_should_is_left_alone() {
    let mut desk = Desk::talking();
    for _ in 0..3 {
        let before = desk.now;
        desk.look(there(&[CUSTOMER, ADA_LEG]));
        assert!(desk.take_actions().is_empty() && desk.stage().is_none());
        assert!(desk.now - before <= Millis::seconds(300));
    }
    assert!(desk.timers.is_empty());
}

#[test]
fn a_call_of_which_no_callback_has_ever_come_is_looked_at_more_often() {
    let mut desk = Desk::new();
    desk.register_polled(1, ADA, ADA_LEG, 1);
    desk.finish_all();
    desk.look(there(&[CUSTOMER, ADA_LEG]));
    let before = desk.now;
    desk.now = before + Millis::seconds(9);
    desk.hello(1, false, false); // that her page is there says nothing of the call
    desk.look(there(&[CUSTOMER, ADA_LEG]));
    assert_eq!(desk.now - before, Millis::seconds(10));
    assert!(desk.take_actions().is_empty() && desk.stage().is_none());
    // Nor does it tell how the call stands when it is back while Twilio is asked.
    let asked = desk.watch().expect("asked");
    desk.now = desk.now + Millis(10);
    desk.hello(1, false, false);
    desk.finish(asked.clone(), Outcome::Looked(Box::new(there(&[CUSTOMER]))));
    assert_eq!(desk.take_actions(), [asked.clone()], "at once, and not after ten seconds of silence");
    desk.finish(asked, Outcome::Looked(Box::new(there(&[CUSTOMER]))));
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));

    let mut told = Desk::talking();
    let before = told.now;
    told.look(there(&[CUSTOMER, ADA_LEG]));
    assert!(told.now - before > Millis::seconds(200));
}

/// That an announcement has ended is told by a callback, too.
#[test]
fn a_customer_of_whom_no_callback_has_ever_come_is_comforted_with_each_look() {
    for comes in [false, true] {
        let mut desk = Desk::with(Machine::new(Config { customer_hold: false, ..Config::default() }, []));
        if comes {
            desk.join(1, CUSTOMER, true);
        }
        desk.register_polled(1, ADA, ADA_LEG, 1);
        desk.finish_all();
        desk.goodbye(ADA, 1);
        desk.fire(1, Timer::Announce);
        desk.finish_all();
        desk.look(there(&[CUSTOMER, ADA_LEG]));
        let comfort = Action::Announce { conference: conference(1), what: Announcement::Comfort };
        assert_eq!(desk.take_actions().contains(&comfort), !comes);
    }
}

#[test]
fn a_call_is_looked_at_at_once_when_no_server_was_there_for_a_while() {
    let mut desk = Desk::talking();
    let missed = || Event::Timer { conference: conference(1), timer: Timer::Missed };
    desk.handle(missed());
    let asked = desk.take_actions();
    assert!(matches!(asked[..], [Action::Look { .. }]), "{asked:?}");
    desk.finish(asked[0].clone(), Outcome::Looked(Box::new(there(&[CUSTOMER]))));
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted), "the agent's leave was told to nobody");

    let mut over = Desk::talking();
    over.leave(1, CUSTOMER, LeaveReason::HungUp);
    over.leave(1, ADA_LEG, LeaveReason::HungUp);
    over.finish_all();
    over.handle(missed());
    assert_eq!(over.take_actions(), [], "of a call that is over there is nothing to miss");
}

#[test]
fn it_is_asked_until_it_is_known_what_was_missed() {
    let mut desk = Desk::talking();
    desk.handle(Event::Timer { conference: conference(1), timer: Timer::Missed });
    let asked = desk.take_actions().remove(0);
    desk.now = desk.now + Millis(20);
    desk.modify(1, CUSTOMER, false, false);
    desk.finish(asked, Outcome::Looked(Box::new(there(&[CUSTOMER]))));
    let asked = desk.take_actions();
    assert!(
        matches!(asked[..], [Action::Look { .. }]),
        "the answer may be older than what was heard: {asked:?}"
    );
    let before = desk.now;
    desk.finish(asked[0].clone(), Outcome::Failed { reason: "no answer".into() });
    desk.look(there(&[CUSTOMER, ADA_LEG]));
    assert_eq!(desk.now - before, Millis::seconds(10), "soon, and not at once: it may be refused for good");
    let before = desk.now;
    desk.look(there(&[CUSTOMER, ADA_LEG]));
    assert!(desk.now - before > Millis::seconds(200), "and then it is a quiet call like any other");
}

#[test]
fn an_agent_whose_leave_never_came_is_missed() {
    let mut desk = Desk::talking();
    desk.look(there(&[CUSTOMER]));
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    let asked = desk.take_actions();
    assert!(asked.iter().any(|action| matches!(action, Action::HoldCustomer { .. })), "{asked:?}");
}

#[test]
fn an_agent_who_left_on_purpose_is_not_missed() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.look(there(&[CUSTOMER]));
    assert!(!desk.has_timer(Timer::Grace) && desk.stage().is_none());
    assert!(desk.has_timer(Timer::Orphan), "the customer is not left alone in there");
}

/// Twilio has refused her transfer, and of her leave nobody tells.
#[test]
fn an_agent_who_completed_the_task_right_after_her_transfer_is_not_missed() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.now = desk.now + Millis(500);
    desk.graceful(GracefulReason::Complete);
    desk.look(there(&[CUSTOMER]));
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [transfer_poll()]);
    let seen = Seen { task: Some(HandedOver::Over), ..there(&[CUSTOMER]) };
    desk.finish(transfer_poll(), Outcome::Looked(Box::new(seen)));
    assert_eq!(desk.stage(), None);
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [Action::EndConference { conference: conference(1) }]);
}

#[test]
fn a_customer_left_on_purpose_is_let_go_when_twilio_works_again() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let end = Action::EndConference { conference: conference(1) };
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [end.clone()]);
    desk.finish(end.clone(), Outcome::Failed { reason: "no answer".into() });
    desk.look(there(&[CUSTOMER]));
    desk.fire(1, Timer::Orphan);
    assert_eq!(desk.take_actions(), [end]);
}

#[test]
fn an_end_that_never_came_ends_the_call() {
    let mut desk = Desk::talking();
    desk.look(Seen { on_line: Some(false), ..Seen::default() });
    assert!(desk.take_actions().is_empty() && desk.stage().is_none());
    assert!(desk.has_timer(Timer::Forget) && desk.watch.is_empty(), "it is not watched any more");
}

#[test]
fn a_flag_that_was_set_unheard_is_undone() {
    let mut desk = Desk::talking();
    let mut seen = there(&[CUSTOMER, ADA_LEG]);
    let flags = ParticipantFlags { end_conference_on_exit: true, ..ParticipantFlags::default() };
    seen.participants.insert(leg(ADA_LEG), flags);
    desk.look(seen);
    let keep = Action::KeepConference { conference: conference(1), leg: leg(ADA_LEG) };
    assert_eq!(desk.take_actions(), [keep]);
}

#[test]
fn an_exit_flag_that_could_not_be_undone_is_looked_at_soon() {
    let keep = Action::KeepConference { conference: conference(1), leg: leg(ADA_LEG) };
    let mut desk = Desk::talking();
    desk.modify(1, ADA_LEG, true, false);
    desk.take_actions();
    desk.finish(keep.clone(), Outcome::Failed { reason: "no answer".into() });
    assert!(desk.take_actions().is_empty(), "not at once again: Twilio may refuse it for good");
    let failed = desk.now;
    let mut seen = there(&[CUSTOMER, ADA_LEG]);
    let flags = ParticipantFlags { end_conference_on_exit: true, ..ParticipantFlags::default() };
    seen.participants.insert(leg(ADA_LEG), flags);
    desk.look(seen);
    assert!(desk.now - failed <= Millis::seconds(10), "{:?}", desk.now - failed);
    assert_eq!(desk.take_actions(), [keep]);
}

/// What was heard in a time that has not come yet is no news.
#[test]
fn a_clock_that_was_set_back_does_not_make_it_ask_without_end() {
    let mut desk = Desk::talking();
    let before = desk.now;
    desk.now = before + Millis::seconds(3600);
    desk.hello(1, false, false);
    desk.now = before;
    let asked = desk.watch().expect("asked");
    assert!(desk.now < before + Millis::seconds(400));
    desk.finish(asked, Outcome::Looked(Box::new(there(&[CUSTOMER]))));
    assert_eq!(desk.take_actions(), []);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted), "she is gone");
}

/// The server is gone while it asks, and for longer than an answer may take. The timer must not be due for ever.
#[test]
fn a_question_from_before_a_long_outage_is_asked_again_once() {
    let mut desk = Desk::talking();
    let asked = desk.watch().expect("asked");
    let due = desk.watch.remove(&conference(1)).expect("watched");
    desk.now = due + Millis::seconds(30);
    desk.restart();
    desk.handle(Event::Timer { conference: conference(1), timer: Timer::Watch });
    assert_eq!(desk.take_actions(), [asked]);
    assert!(desk.watch[&conference(1)] > desk.now);
}

#[test]
fn news_that_come_meanwhile_count_more_than_the_answer() {
    let mut desk = Desk::talking();
    let asked = desk.watch().expect("asked");
    desk.now = desk.now + Millis(10);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.finish(asked, Outcome::Looked(Box::new(there(&[CUSTOMER, ADA_LEG]))));
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted), "she is gone all the same");
}

#[test]
fn an_open_recovery_is_looked_at_soon() {
    let mut desk = Desk::holding();
    let heard = desk.now;
    desk.look(there(&[CUSTOMER]));
    assert!(desk.now - heard <= Millis::seconds(10), "{:?}", desk.now - heard);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_customer_whose_hang_up_was_never_told_is_not_waited_for() {
    for mut desk in [Desk::holding(), Desk::away(), requeueing(), waiting()] {
        desk.take_actions();
        desk.look(Seen { on_line: Some(false), ..there(&[]) });
        assert_eq!(desk.stage(), Some(Stage::CustomerLeft));
    }
}

#[test]
fn a_dead_leg_that_still_stands_is_removed_again() {
    let mut desk = Desk::away();
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    desk.look(there(&[CUSTOMER, ADA_LEG]));
    let remove = Action::RemoveLeg { conference: conference(1), leg: leg(ADA_LEG) };
    assert!(desk.take_actions().contains(&remove));
}

#[test]
fn a_customer_who_entered_the_queue_unheard_frees_the_agent() {
    let mut desk = requeueing();
    desk.look(reconnect(Some(ADA), ReconnectState::Waits));
    assert_eq!(desk.stage(), Some(Stage::Queued));
    assert_eq!(desk.take_actions(), [complete_old()]);
}

/// Twilio's request for what he hears there is lost.
#[test]
fn a_customer_who_waits_for_any_agent_in_silence_is_sent_to_the_queue_once_more() {
    let again = |desk: &mut Desk| {
        desk.finish_all();
        desk.look(reconnect(None, ReconnectState::Waits));
        let to_any = |action: &Action| matches!(action, Action::Requeue { target: None, .. });
        desk.finish_all().iter().any(to_any)
    };
    let mut desk = waiting();
    assert_eq!([(); 2].map(|()| again(&mut desk)), [false, true]);
    // That may be lost, too: our server cannot be reached for a while.
    let sent: Vec<_> = (0..100).filter(|_| again(&mut desk)).collect();
    assert_eq!(sent.len(), 5, "{sent:?}");
    let pauses = sent.windows(2).map(|two| two[1] - two[0]).collect::<Vec<_>>();
    assert!(pauses.is_sorted() && pauses[0] < pauses[3] / 4, "they grow: {pauses:?}");
    assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
    let mut heard = waiting();
    assert_eq!([(); 2].map(|()| again(&mut heard)), [false, true]);
    heard.entered_queue();
    assert_eq!([(); 5].map(|()| again(&mut heard)), [false; 5], "he hears something now");
    let mut desk = waiting();
    desk.entered_queue();
    assert_eq!([(); 3].map(|()| again(&mut desk)), [false; 3], "he hears something");
}

/// Twilio, or the server, was out of order for so long that it was given up.
#[test]
fn a_customer_who_could_not_be_sent_to_the_queue_and_is_still_here_is_sent_when_twilio_answers() {
    let gave_up = || {
        let mut desk = requeueing();
        desk.fire(1, Timer::Rejoin);
        desk.take_actions();
        desk.fire(1, Timer::Rejoin);
        let reason = Failure::NobodyTookIt;
        assert_eq!(desk.stage(), Some(Stage::Failed { reason }));
        desk.take_actions();
        desk
    };
    let mut desk = gave_up();
    desk.look(there(&[CUSTOMER]));
    let Some(Action::Requeue { target: None, resent: 1, .. }) = desk.take_actions().pop() else {
        panic!("as another request than the one that came to nothing")
    };
    assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
    for here in [&[CUSTOMER, 0x3d][..], &[]] {
        let mut desk = gave_up();
        desk.look(there(here));
        assert!(!desk.take_actions().iter().any(|it| matches!(it, Action::Requeue { .. })), "{here:?}");
    }
}

/// The server dies before it sends him, and the next one is told first of the queue that he is in already.
#[test]
fn being_sent_to_the_queue_once_more_is_wanted_of_one_who_waits_there() {
    let mut desk = waiting();
    let again = loop {
        desk.look(reconnect(None, ReconnectState::Waits));
        if let Some(again) = desk.take_actions().pop().filter(|it| matches!(it, Action::Requeue { .. })) {
            break again;
        }
    };
    assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
    for _ in 0..2 {
        assert!(desk.machine.wants(&conference(1), &again));
        desk.entered_queue();
    }
    assert!(!desk.machine.wants(&conference(1), &requeue(None)), "he is there");
    desk.look(reconnect(None, taken(BO)));
    assert!(!desk.machine.wants(&conference(1), &again), "Bo has him");
}

#[test]
fn a_call_that_an_agent_took_unheard_is_no_recovery_any_more() {
    let mut desk = requeueing();
    desk.look(reconnect(Some(ADA), taken(ADA)));
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    let mut desk = waiting();
    desk.look(reconnect(None, taken(BO)));
    assert_eq!(desk.stage(), Some(Stage::HandedOver { worker_name: Some("Bo".into()) }));
}

#[test]
fn a_task_for_the_same_agent_that_was_canceled_goes_to_the_next() {
    let mut desk = requeueing();
    desk.look(reconnect(Some(ADA), ReconnectState::Over));
    assert_eq!(desk.take_actions(), [requeue(None)]);
}

#[test]
fn who_has_had_him_and_left_counts_unless_he_was_hers_alone() {
    let left = |worker| ReconnectState::Left {
        worker: WorkerSid::numbered(worker),
        name: "Bo".into(),
        reservation: ReservationSid::numbered(2),
    };
    let mut desk = requeueing();
    desk.look(reconnect(Some(ADA), left(ADA)));
    assert_eq!(desk.take_actions(), [requeue(None)], "she did not keep him");
    let mut desk = waiting();
    desk.look(reconnect(None, left(BO)));
    assert_eq!(desk.stage(), Some(Stage::HandedOver { worker_name: Some("Bo".into()) }), "somebody took him");
}

/// No server ran while Ada took the customer and was lost again. By now the customer seems to wait for any agent: the conference
/// that Twilio names is looked into. The simulation has found it (seed 313533).
#[test]
fn a_customer_who_waits_for_any_agent_is_looked_for_where_another_one_had_them_last() {
    let left = ReconnectState::Left {
        worker: WorkerSid::numbered(ADA),
        name: "Ada".into(),
        reservation: ReservationSid::numbered(2),
    };
    for on_line in [true, false] {
        let mut desk = waiting();
        desk.look(Seen { on_line: Some(on_line), ..reconnect(Some(ADA), left.clone()) });
        let learns = on_line.then(|| Action::Learn { task: TaskSid::numbered(2) });
        assert_eq!(desk.take_actions(), learns.into_iter().collect::<Vec<_>>());
        assert_eq!(desk.machine.call(&conference(2)).is_some(), on_line);
    }
}

/// The server was down when his agent took him, and her time seemed to be over.
#[test]
fn a_customer_whom_his_agent_has_already_goes_to_nobody_else() {
    let mut desk = requeueing();
    desk.entered_queue();
    desk.fire(1, Timer::Rejoin);
    desk.take_actions();
    desk.finish(requeue(None), Outcome::Overtaken);
    assert_eq!(desk.stage(), Some(Stage::Queued));
    let [look @ Action::Look { queued: Some(_), .. }] = &desk.take_actions()[..] else { panic!("no look") };
    let again = desk.now;
    desk.finish(look.clone(), Outcome::Looked(Box::new(reconnect(Some(ADA), taken(ADA)))));
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
    // If Twilio cannot say it, it is tried again.
    let mut desk = requeueing();
    desk.entered_queue();
    desk.fire(1, Timer::Rejoin);
    desk.finish(requeue(None), Outcome::Overtaken);
    desk.take_actions();
    desk.fire(1, Timer::Rejoin);
    assert_eq!(desk.take_actions(), [requeue(None)]);
    assert!(again < desk.now);
}

#[test]
fn a_customer_for_whom_nobody_will_be_found_is_told_so() {
    let mut desk = waiting();
    // The task of an earlier target says nothing.
    desk.look(reconnect(Some(ADA), ReconnectState::Over));
    assert!(desk.take_actions().is_empty());
    desk.look(reconnect(None, ReconnectState::Over));
    let give_up = Action::GiveUp { recovery: recovery(), customer: leg(CUSTOMER) };
    assert_eq!(desk.take_actions(), [give_up.clone()]);
    assert!(desk.machine.wants(&conference(1), &give_up));
    desk.finish(give_up.clone(), Outcome::Ok);
    assert_eq!(desk.stage(), Some(Stage::Failed { reason: Failure::NobodyTookIt }));
    assert!(!desk.machine.wants(&conference(1), &give_up), "once");
}

#[test]
fn twilio_is_not_asked_again_before_it_has_answered_or_had_its_time() {
    let mut desk = Desk::holding();
    let asked = desk.watch().expect("asked");
    let began = desk.now;
    assert!(desk.watch().is_some());
    assert_eq!(desk.now - began, Millis::seconds(120));
    desk.finish(asked, Outcome::Failed { reason: "no answer".into() });
    let failed = desk.now;
    assert!(desk.watch().is_some());
    assert!(desk.now - failed <= Millis::seconds(120));
}

#[test]
fn a_restart_meanwhile_changes_nothing_of_it() {
    let mut desk = Desk::talking();
    desk.restart();
    let asked = desk.watch().expect("asked");
    desk.restart();
    desk.finish(asked, Outcome::Looked(Box::new(there(&[CUSTOMER]))));
    assert!(desk.has_timer(Timer::Grace));
}

/// Ada hands the customer over to Bo, and her leave is not told. Then Bo's page goes: he seemed to leave the customer to her.
#[test]
fn who_seemed_to_leave_the_customer_to_one_who_had_gone_is_missed() {
    for (handed_over, missed) in [(true, true), (false, false)] {
        let mut desk = Desk::talking();
        desk.join(1, 0xb1, false);
        desk.register(1, BO, 0xb1, EPOCH);
        desk.take_actions();
        if handed_over {
            desk.graceful(GracefulReason::ColdTransfer);
        }
        desk.now = desk.now + Millis::seconds(2);
        desk.goodbye(BO, EPOCH);
        desk.leave(1, 0xb1, LeaveReason::HungUp);
        assert_eq!(desk.stage_of(BO), Some(Stage::Covered));
        if !handed_over {
            // She was with the customer then, and leaves him later.
            desk.now = desk.now + Millis::seconds(2);
            desk.graceful(GracefulReason::ColdTransfer);
        }
        desk.look(there(&[CUSTOMER]));
        assert_eq!(desk.stage_of(BO) == Some(Stage::Interrupted), missed);
    }
}

/// The same, and of Bo's leg nobody tells either: he is with the customer until Twilio says that neither is there.
#[test]
fn who_is_found_gone_together_with_whom_he_seemed_to_leave_the_customer_to_is_missed() {
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, EPOCH);
    desk.take_actions();
    desk.graceful(GracefulReason::SignOut);
    desk.goodbye(BO, EPOCH);
    assert!(desk.take_actions().is_empty(), "nothing is done about him as long as she seems to be there");
    desk.look(there(&[CUSTOMER]));
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted));
}

/// No server was there when Bo took the customer, and Bo is lost for good.
#[test]
fn who_has_taken_a_customer_untold_is_looked_for_where_the_task_says_that_he_is() {
    for lost in [true, false] {
        let mut desk = waiting();
        desk.take_actions();
        desk.look(reconnect(None, taken(BO)));
        assert_eq!(desk.stage(), Some(Stage::HandedOver { worker_name: Some("Bo".into()) }));
        let learn = Action::Learn { task: TaskSid::numbered(2) };
        assert!(desk.take_actions().contains(&learn));
        let of_second =
            |action: Action, outcome: Outcome| Event::Done { conference: conference(2), action, outcome };
        let learnt = Outcome::Learnt(Box::new(Registered {
            workflow: WorkflowSid::numbered(1),
            queue: None,
            customer_leg: Some(leg(CUSTOMER)),
            worker_leg: Some(leg(0xb1)),
            reservation: Some(ReservationSid::numbered(2)),
            worker: Some((WorkerSid::numbered(BO), "Bo".into())),
            attributes: "{}".into(),
        }));
        desk.handle(of_second(learn, learnt));
        let looks =
            |action: &Action| matches!(action, Action::Look { conference: of, .. } if *of == conference(2));
        let look = desk.take_actions().into_iter().find(looks).expect("it is asked who is there");
        let seen = there(if lost { &[CUSTOMER] } else { &[CUSTOMER, 0xb1] });
        desk.handle(of_second(look, Outcome::Looked(Box::new(seen))));
        assert_eq!(desk.stage_of(BO), lost.then_some(Stage::Interrupted));
    }
}

/// No callback comes. Bo has said that he leaves, and seems to be there when Ada's page goes.
#[test]
fn who_seemed_to_leave_the_customer_to_a_colleague_is_missed_when_he_is_found_gone() {
    for (before, missed) in [(true, true), (false, false)] {
        let mut desk = Desk::new();
        for (worker, worker_leg, epoch) in [(ADA, ADA_LEG, EPOCH), (BO, 0xb1, 9)] {
            desk.register_polled(1, worker, worker_leg, epoch);
        }
        desk.take_actions();
        if before {
            desk.graceful_of(BO, GracefulReason::HangUp);
        }
        desk.now = desk.now + Millis::seconds(9);
        desk.goodbye(ADA, EPOCH);
        desk.hello(2, true, false);
        desk.fire(1, Timer::Leave);
        assert_eq!(desk.stage(), Some(Stage::Covered));
        if !before {
            desk.now = desk.now + Millis::seconds(1);
            desk.graceful_of(BO, GracefulReason::HangUp);
        }
        desk.take_actions();
        desk.look(there(&[CUSTOMER]));
        assert_eq!(desk.stage() == Some(Stage::Interrupted), missed);
    }
}

/// The server was down when it was to ask: that there would be nothing to ask by now says nothing.
#[test]
fn a_look_that_is_overdue_is_made_however_the_call_stands() {
    for (late, looks) in [(Millis(500), false), (Millis::seconds(5), true)] {
        let mut desk = Desk::away();
        let due = desk.watch[&conference(1)];
        desk.hello_in_place(2);
        desk.join(1, NEXT_LEG, false);
        desk.register(1, ADA, NEXT_LEG, 2);
        desk.finish_all();
        desk.restart_all();
        desk.now = due + late;
        desk.handle(Event::Timer { conference: conference(1), timer: Timer::Watch });
        let asked = desk.take_actions().iter().any(|action| matches!(action, Action::Look { .. }));
        assert_eq!(asked, looks, "{late:?}");
    }
}

/// Callbacks come at the same time as the registration, if they do.
#[test]
fn a_call_of_which_nobody_tells_is_looked_at_soon_after_it_was_registered() {
    // Ada has accepted the call, as TaskRouter has told.
    let page = |desk: &mut Desk| {
        desk.callback(1, ConferenceEventKind::Start);
        desk.register_again(ADA, ADA_LEG, EPOCH, None);
        assert!(desk.take_actions().is_empty());
        desk.now
    };
    let mut desk = Desk::new();
    let before = page(&mut desk);
    desk.fire(1, Timer::Learn);
    assert_eq!(desk.now - before, Millis::seconds(1));
    let look = desk.take_actions().remove(0);
    let flagged = ParticipantFlags { end_conference_on_exit: true, ..ParticipantFlags::default() };
    let mut seen = there(&[CUSTOMER, ADA_LEG]);
    seen.participants.insert(leg(ADA_LEG), flagged);
    desk.finish(look, Outcome::Looked(Box::new(seen)));
    let keep = Action::KeepConference { conference: conference(1), leg: leg(ADA_LEG) };
    assert_eq!(desk.take_actions(), [keep]);

    let mut told = Desk::new();
    page(&mut told);
    told.join(1, CUSTOMER, true);
    told.join(1, ADA_LEG, false);
    assert!(!told.has_timer(Timer::Learn), "callbacks have shown both: nothing more is asked");
    assert_eq!(told.finish_all(), []);
}

/// Two requests to send him to the queue overtook each other: he waits for Ada, and is thought to wait for anybody.
#[test]
fn a_customer_who_waits_for_somebody_else_than_he_is_thought_to_is_not_given_up() {
    for (state, given_up) in [(ReconnectState::Waits, false), (ReconnectState::Over, true)] {
        let mut desk = waiting();
        desk.take_actions();
        let mut seen = reconnect(None, ReconnectState::Over);
        seen.reconnects.extend(reconnect(Some(ADA), state).reconnects);
        desk.look(seen);
        let gives_up = |action: &Action| matches!(action, Action::GiveUp { .. });
        assert_eq!(desk.take_actions().iter().any(gives_up), given_up);
    }
}

/// Twilio was out of order for minutes, and nobody knows the agent: she is not missed before, if she is lost.
#[test]
fn a_call_that_could_not_be_looked_up_is_looked_up_when_twilio_answers_again() {
    let failed = || Outcome::Failed { reason: "out of order".into() };
    let learn = Action::Learn { task: TaskSid::numbered(1) };
    let mut desk = Desk::new();
    desk.join(1, CUSTOMER, true);
    desk.join(1, ADA_LEG, false);
    while desk.has_timer(Timer::Learn) {
        desk.fire(1, Timer::Learn);
        assert_eq!(desk.take_actions(), [learn.clone()]);
        desk.finish(learn.clone(), failed());
    }
    let gave_up = desk.now;
    for _ in 0..3 {
        let look = desk.watch().expect("it is asked again and again");
        desk.finish(look, failed());
    }
    assert!(desk.now - gave_up < Millis::seconds(60), "not as of a call of which all is known");
    desk.look(Seen { on_line: None, ..there(&[CUSTOMER, ADA_LEG]) });
    assert_eq!(desk.take_actions(), [learn.clone()]);
    desk.finish(learn, look_up_answer());
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.has_timer(Timer::Grace), "she is missed");
}

/// Her next page could not join, so that her leg is being removed, which Twilio does not do; it falls by itself. The callback of
/// the colleague's leave is lost, who was gone before.
#[test]
fn an_agent_who_was_being_removed_is_missed_when_her_colleague_had_left_before() {
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, 9);
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.hello_with(2, false, false, false);
    let remove = Action::RemoveLeg { conference: conference(1), leg: leg(ADA_LEG) };
    // Bo has said that she leaves: it is looked at once whether she is there.
    let asked = desk.take_actions();
    assert!(asked[0] == remove && matches!(asked[1..], [Action::Look { .. }]), "{asked:?}");
    desk.finish(asked[1].clone(), Outcome::Failed { reason: "out of order".into() });
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.stage(), None, "he has Bo, as far as is known");
    desk.take_actions();
    desk.look(there(&[CUSTOMER]));
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

/// Everything was missed for minutes: her leg has gone and she has another one. The simulation has found it (seed 30123 of
/// `outages`): she was sent her own customer through the queue, and her new leg was removed.
#[test]
fn whoever_is_found_with_the_customer_may_be_the_agent_who_is_found_gone() {
    let legs = [CUSTOMER, NEXT_LEG];
    for told in [false, true] {
        let mut desk = Desk::talking();
        if told {
            desk.join(1, NEXT_LEG, false);
        }
        desk.look(there(&legs));
        desk.fire(1, Timer::Grace);
        assert_eq!(desk.stage(), Some(Stage::Interrupted));
        let holder = Holder {
            worker: WorkerSid::numbered(ADA),
            name: "Ada".into(),
            reservation: reservation_of(ADA, 1),
        };
        let call = desk.machine.call(&conference(1)).expect("a call");
        let met = call.met(std::slice::from_ref(&holder), &there(&legs).participants);
        // Of one who was told to come while she had her leg it is known that he or she is somebody else.
        let her = (!told).then(|| Met { leg: leg(NEXT_LEG), holder });
        assert_eq!(met, her, "{told}");
    }
}

/// Ada has signed out, of which nobody could tell, and Bo is gone, too. The simulation has found it (seed 78441 of `outages`): he
/// was not missed.
#[test]
fn when_who_seemed_lost_has_left_on_purpose_her_colleague_is_the_one_who_is_lost() {
    let mut desk = Desk::talking();
    desk.join(1, 0xb1, false);
    desk.register(1, BO, 0xb1, 9);
    desk.look(there(&[CUSTOMER]));
    assert_eq!((desk.stage(), desk.stage_of(BO)), (Some(Stage::Interrupted), None));
    desk.take_actions();
    desk.read(&hang_up_in_task());
    assert_eq!((desk.stage(), desk.stage_of(BO)), (None, Some(Stage::Interrupted)));
    assert!(desk.has_timer(Timer::Grace) && !desk.has_timer(Timer::Orphan));
}

/// The simulation has found it (seed 104257 of `outages`): he had been taken, and was lost again, and it was given up to look for
/// somebody.
#[test]
fn a_wait_for_any_agent_that_has_ended_while_no_server_ran_is_looked_into_first() {
    for taken_meanwhile in [true, false] {
        let mut desk = waiting();
        desk.entered_queue();
        desk.finish_all();
        desk.restart();
        desk.now = desk.now + Millis::seconds(700);
        desk.fire(1, Timer::Rejoin);
        assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
        let asked = desk.take_actions();
        assert!(matches!(asked[..], [Action::Look { .. }]), "{asked:?}");
        let state = if taken_meanwhile { taken(BO) } else { ReconnectState::Waits };
        desk.finish(asked[0].clone(), Outcome::Looked(Box::new(reconnect(None, state))));
        if taken_meanwhile {
            assert_eq!(desk.stage(), Some(Stage::HandedOver { worker_name: Some("Bo".into()) }));
        } else {
            desk.fire(1, Timer::Rejoin);
            assert_eq!(desk.stage(), Some(Stage::Failed { reason: Failure::NobodyTookIt }));
        }
    }
}

/// She has covered for Bo, and handed the customer over to somebody else after that.
#[test]
fn who_leaves_after_a_colleague_was_lost_beside_her_was_the_last() {
    let mut desk = Desk::talking();
    desk.register_polled(1, BO, 0xb1, 9);
    desk.finish_all();
    desk.hello_of(BO, 10, true, false, false);
    desk.fire(1, Timer::Leave);
    assert!(desk.take_actions().is_empty());
    desk.now = desk.now + Millis::seconds(5);
    desk.graceful(GracefulReason::ColdTransfer);
    desk.look(there(&[CUSTOMER]));
    assert_eq!((desk.stage(), desk.stage_of(BO)), (None, None));
}

/// Ada talks to the customer, a supervisor listens, and no callback reported that Ada's leg left.
fn left_unreported() -> (Desk, Seen) {
    let mut desk = Desk::talking();
    desk.join(1, 0x57, false);
    desk.take_actions();
    desk.now = desk.now + Millis::seconds(20);
    (desk, there(&[CUSTOMER, 0x57]))
}

#[test]
fn a_call_is_polled_at_once_when_its_page_is_not_heard_of_any_more() {
    let (mut desk, seen) = left_unreported();
    desk.push_lost(ADA, EPOCH);
    assert_eq!(desk.stage(), None, "a suspicion begins nothing");
    let asked = desk.take_actions();
    assert!(matches!(asked[..], [Action::Look { .. }]), "{asked:?}");
    desk.finish(asked[0].clone(), Outcome::Looked(Box::new(seen)));
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

#[test]
fn a_page_that_is_not_heard_of_keeps_its_leg_as_long_as_twilio_has_it() {
    let mut desk = Desk::talking();
    for _ in 0..3 {
        desk.push_lost(ADA, EPOCH);
        desk.push_lost(ADA, EPOCH); // by two servers: one poll
        let asked = desk.take_actions();
        assert!(matches!(asked[..], [Action::Look { .. }]), "{asked:?}");
        desk.finish(asked[0].clone(), Outcome::Looked(Box::new(there(&[CUSTOMER, ADA_LEG]))));
        assert!(desk.take_actions().is_empty() && desk.stage().is_none());
    }
}

#[test]
fn a_poll_of_a_page_that_is_not_heard_of_is_repeated_until_twilio_answers() {
    let (mut desk, seen) = left_unreported();
    desk.push_lost(ADA, EPOCH);
    let asked = desk.take_actions().remove(0);
    let before = desk.now;
    desk.finish(asked, Outcome::Failed { reason: "refused".into() });
    desk.look(seen);
    assert!(desk.now - before <= Millis::seconds(10), "soon, and not after five minutes");
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

#[test]
fn pages_without_the_call_are_missed_by_nobody() {
    let (mut desk, _) = left_unreported();
    desk.push_lost(BO, EPOCH);
    desk.push_lost(ADA, EPOCH + 1); // another tab of Ada's
    assert_eq!(desk.take_actions(), []);
    desk.goodbye(ADA, EPOCH);
    desk.take_actions();
    desk.push_lost(ADA, EPOCH);
    assert_eq!(desk.take_actions(), [], "it has said goodbye, and the call is being recovered");
}

#[test]
fn a_poll_leaves_a_line_only_if_it_shows_something_new() {
    let mut desk = Desk::talking();
    let lines = |desk: &mut Desk| {
        let is_line = |effect: &Effect| matches!(effect, Effect::Note { note: Note::LookedUp, .. });
        std::mem::take(&mut desk.effects).iter().filter(|effect| is_line(effect)).count()
    };
    desk.look(there(&[CUSTOMER, ADA_LEG]));
    assert_eq!(lines(&mut desk), 1, "other flags than callbacks reported");
    desk.look(there(&[CUSTOMER, ADA_LEG]));
    assert_eq!(lines(&mut desk), 0, "as it was");
    desk.look(there(&[CUSTOMER, ADA_LEG, 0xB0B]));
    assert_eq!(lines(&mut desk), 1, "an unreported leg");
}
