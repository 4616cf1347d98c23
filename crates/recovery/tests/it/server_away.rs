//! No server ran for a while. Pages could not say hello, and an agent who was back in that time is not given up at once.

use crate::desk::*;
use crate::taskrouter_events::{PING, ping, task_event};
use rejoin_protocol::Millis;
use rejoin_protocol::api::{RECONNECTS_WITHIN, Stage};
use rejoin_recovery::{Action, Event, TaskEventKind, Timer};

fn due(desk: &Desk) -> Millis {
    desk.timers[&(conference(1), Timer::Ping)]
}

/// A server begins to run when the wait has this long to go.
fn server_starts(desk: &mut Desk, before_the_end: Millis) -> Millis {
    desk.now = Millis(due(desk).0 - before_the_end.0);
    desk.handle(Event::Timer { conference: conference(1), timer: Timer::CatchUp });
    desk.take_actions();
    desk.now
}

fn goes_to_any_agent(desk: &mut Desk) -> bool {
    desk.take_actions().iter().any(|action| matches!(action, Action::Requeue { target: None, .. }))
}

#[test]
fn an_agent_has_as_long_as_a_page_takes_to_connect_again() {
    let mut desk = Desk::holding();
    let now = server_starts(&mut desk, Millis::seconds(1));
    assert_eq!(due(&desk), now + RECONNECTS_WITHIN);
    // The ping ends when the wait was to end at first.
    desk.handle(task_event(PING, ping(), ADA, TaskEventKind::Canceled { hung_up: false }));
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    desk.now = now + Millis::seconds(7);
    desk.hello(2, true, false);
    assert!(desk.finish_all().contains(&requeue(Some(ADA))));
}

#[test]
fn an_agent_who_does_not_come_back_is_given_up_then() {
    let mut desk = Desk::holding();
    server_starts(&mut desk, Millis::seconds(1));
    desk.fire(1, Timer::Ping);
    assert!(goes_to_any_agent(&mut desk));
}

/// The server does not poll a call by itself whose watchdog is due.
#[test]
fn a_watchdog_that_is_overdue_shows_that_no_server_ran() {
    let mut desk = Desk::holding();
    let watched = desk.watch[&conference(1)];
    assert!(watched + Millis::seconds(2) < due(&desk));
    desk.now = Millis(due(&desk).0 - 1000);
    desk.handle(Event::Timer { conference: conference(1), timer: Timer::Watchdog });
    assert_eq!(due(&desk), desk.now + RECONNECTS_WITHIN);
}

/// The timer fires when a server runs again.
#[test]
fn a_wait_that_ended_without_a_server_is_prolonged_once() {
    let mut desk = Desk::holding();
    desk.now = due(&desk) + Millis::seconds(20);
    desk.fire(1, Timer::Ping);
    assert!(!goes_to_any_agent(&mut desk));
    assert_eq!(due(&desk), desk.now + RECONNECTS_WITHIN);
    desk.fire(1, Timer::Ping);
    assert!(goes_to_any_agent(&mut desk));
}

#[test]
fn a_wait_with_time_left_stays_as_it_is() {
    let mut desk = Desk::holding();
    let before = due(&desk);
    server_starts(&mut desk, RECONNECTS_WITHIN + Millis::seconds(1));
    assert_eq!(due(&desk), before);
    desk.handle(task_event(PING, ping(), ADA, TaskEventKind::NotTaken));
    assert!(goes_to_any_agent(&mut desk), "the ping is refused");
}

/// A server that starts again and again.
#[test]
fn a_wait_is_prolonged_for_ten_minutes_at_most() {
    let mut desk = Desk::holding();
    let begun = desk.now;
    while desk.now < begun + Millis::seconds(590) {
        server_starts(&mut desk, Millis::seconds(1));
        assert!(due(&desk) > desk.now + Millis::seconds(1), "{:?}", desk.now);
    }
    desk.now = begun + Millis::seconds(700);
    desk.fire(1, Timer::Ping);
    assert!(goes_to_any_agent(&mut desk));
}

/// The old leg stands, and the steps before the requeue come first.
#[test]
fn a_page_that_is_away_has_that_time_as_well() {
    let mut desk = Desk::away();
    let now = server_starts(&mut desk, Millis::seconds(1));
    assert_eq!(due(&desk), now + RECONNECTS_WITHIN - Millis::seconds(1));
    desk.hello_in_place(2);
    assert_eq!(desk.stage(), Some(Stage::InPlace));
}

#[test]
fn an_agent_who_is_back_goes_on_without_delay() {
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    let before = desk.timers.clone();
    desk.handle(Event::Timer { conference: conference(1), timer: Timer::CatchUp });
    assert_eq!(desk.timers, before);
}
