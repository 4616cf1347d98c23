use crate::desk::*;

fn up(up: bool) -> Event {
    Event::PushState { up }
}

/// Seconds between the hellos of the next minutes, none of whose answers has anything new.
fn hellos(desk: &mut Desk, minutes: u64) -> Vec<u64> {
    let mut pauses = vec![];
    let mut last = desk.now;
    for _ in 0..minutes * 600 {
        if posts(&desk.wait(Millis(100))).is_empty() {
            continue;
        }
        pauses.push((desk.now - last).0 / 1000);
        last = desk.now;
        desk.greeted(vec![]);
    }
    pauses
}

#[test]
fn with_an_open_channel_there_are_no_polls() {
    let mut desk = Desk::on_a_call();
    desk.handle(up(true));
    assert!(hellos(&mut desk, 5).is_empty());
}

#[test]
fn while_it_is_down_a_desktop_with_a_call_asks_slower_and_slower() {
    let mut desk = Desk::on_a_call();
    desk.handle(up(true));
    desk.handle(up(false));
    assert_eq!(hellos(&mut desk, 5), [5, 10, 20, 40, 60, 60, 60]);
    desk.handle(up(true));
    assert!(hellos(&mut desk, 5).is_empty(), "it stops when the channel stands");
    desk.handle(up(false));
    assert_eq!(hellos(&mut desk, 1), [5, 10, 20], "the delays start again");
}

/// Browsers put off timers that are set by timers, in tabs that are hidden for long: up to a minute each.
#[test]
fn the_next_poll_counts_from_the_reply() {
    let mut desk = Desk::on_a_call();
    desk.handle(up(false));
    assert_eq!(posts(&desk.wait(Millis::seconds(5))).len(), 1);
    assert!(!desk.timers.contains_key(&Timer::Poll), "set by the poll's timer");
    desk.wait(Millis::seconds(4));
    desk.greeted(vec![]);
    assert!(desk.timers.contains_key(&Timer::Poll), "set by the reply");
    assert_eq!(hellos(&mut desk, 1), [10, 20]);
}

#[test]
fn a_channel_that_never_opened_counts_as_down() {
    let mut desk = Desk::idle();
    desk.handle(up(false));
    assert!(hellos(&mut desk, 5).is_empty());
    desk.task(task(1, ReservationStatus::Accepted));
    assert_eq!(hellos(&mut desk, 1), [5, 10, 20]);
    desk.task(task(1, ReservationStatus::Over));
    assert!(hellos(&mut desk, 5).is_empty(), "the call is over");
}

#[test]
fn an_open_recovery_is_asked_about_until_it_has_ended() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    desk.greeted(vec![view(Stage::Queued)]);
    desk.handle(up(false));
    desk.wait(Millis::seconds(5));
    desk.greeted(vec![view(Stage::CustomerLeft)]);
    assert_eq!(desk.dialog, Some(Dialog::CustomerLeft));
    assert!(hellos(&mut desk, 5).is_empty());
}

#[test]
fn what_the_server_does_not_know_any_more_is_asked_for() {
    let mut desk = Desk::on_a_call();
    desk.handle(up(true));
    desk.pushed(Stage::Interrupted);
    desk.handle(up(false));
    desk.wait(Millis::seconds(3));
    assert!(posts(&desk.handle(up(true))).is_empty(), "what was missed the server tells by itself");
    assert_eq!(posts(&desk.handle(Event::Ask)).len(), 1);
    desk.greeted(vec![]);
    assert_eq!(desk.dialog, None);
}

#[test]
fn when_flexs_own_connection_is_back_the_server_is_asked() {
    let mut desk = Desk::on_a_call();
    desk.wait(Millis::seconds(9));
    assert_eq!(posts(&desk.handle(Event::Desktop(FromDesktop::Reconnected {}))).len(), 1);
}

/// Found by the simulation (seed 3642 of `outages`): the dialog said "Reconnecting" for as long as the pauses had
/// grown, although the agent had the customer.
#[test]
fn while_it_is_down_a_registered_call_causes_a_poll() {
    for (up, asked) in [(true, 0), (false, 1)] {
        let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
        desk.greeted(vec![view(Stage::Queued)]);
        desk.handle(Event::PushState { up });
        desk.task(task(1, ReservationStatus::Over));
        desk.task(live(200));
        let registers = |(_, request): &(_, Request)| matches!(request, Request::Register(_));
        let effects = posts(&desk.handle(conference(1, both())));
        let (id, _) = *effects.iter().find(|post| registers(post)).as_ref().expect("it is registered");
        desk.wait(Millis::seconds(2));
        let effects = desk.handle(Event::Reply { id: *id, result: Ok(Answer::Accepted) });
        assert_eq!(posts(&effects).len(), asked, "{up}");
    }
}
