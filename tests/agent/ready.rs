use crate::desk::*;

fn accept() -> Vec<ToDesktop> {
    vec![ToDesktop::Accept { reservation: wr(2) }, ToDesktop::Select { reservation: wr(2) }]
}

/// The old leg stands and the server wants it joined; the state of the microphone is not known.
fn in_place() -> Desk {
    let mut desk = Desk::of_unknown_microphone(&[1]);
    desk.start(vec![task(1, ReservationStatus::Accepted)], true);
    desk.handle(conference(1, both()));
    desk.greeted(vec![view(Stage::InPlace)]);
    desk
}

/// The reconnect task for this agent is there.
fn queued() -> Desk {
    let mut desk = Desk::of_unknown_microphone(&[1]);
    desk.start(vec![task(1, ReservationStatus::Wrapping)], true);
    desk.greeted(vec![view(Stage::Queued)]);
    assert!(desktop(&desk.task(reconnect(2, Some(me())))).is_empty());
    desk
}

fn goes_on(effects: &[Effect]) -> bool {
    let effects = desktop(effects);
    effects.contains(&join()) || effects.contains(&ToDesktop::Accept { reservation: wr(2) })
}

#[test]
fn a_call_waits_for_the_phone_and_the_dialog_says_so() {
    let mut desk = Desk::new(&[1]);
    desk.start(vec![task(1, ReservationStatus::Accepted)], false);
    desk.handle(conference(1, both()));
    let effects = desk.greeted(vec![view(Stage::InPlace)]);
    assert!(!goes_on(&effects));
    assert_eq!(desk.dialog, Some(Dialog::WaitingForPhone { until: None }), "no other agent is next");
    assert!(goes_on(&desk.phone(true)));
    assert_eq!(desk.dialog, Some(Dialog::InPlace));

    let mut desk = Desk::new(&[1]);
    desk.start(vec![task(1, ReservationStatus::Wrapping)], false);
    let until = Some(desk.now + Millis(14_000));
    desk.greeted(vec![view(Stage::Queued)]);
    assert_eq!(desk.dialog, Some(Dialog::WaitingForPhone { until }));
    assert!(desktop(&desk.task(reconnect(2, Some(me())))).is_empty());
    assert_eq!(desktop(&desk.phone(true)), accept());
    assert_eq!(desk.dialog, Some(Dialog::Reconnecting));
}

#[test]
fn a_call_waits_for_the_microphone_and_the_dialog_says_what_to_do() {
    type Says = fn(Option<Millis>) -> Dialog;
    let table: [(Microphone, Says); 2] = [
        (Microphone::Denied, |until| Dialog::MicrophoneDenied { until }),
        (Microphone::Missing, |until| Dialog::NoMicrophone { until }),
    ];
    for (microphone, says) in table {
        for (mut desk, counts, after) in
            [(in_place(), false, Dialog::InPlace), (queued(), true, Dialog::Reconnecting)]
        {
            let until = counts.then_some(desk.now + Millis(14_000));
            assert!(!goes_on(&desk.microphone(microphone)));
            assert_eq!(desk.dialog, Some(says(until)));
            assert!(!goes_on(&desk.wait(Millis::seconds(5))), "however long it takes");
            assert!(goes_on(&desk.microphone(Microphone::Granted)), "{microphone:?}");
            assert_eq!(desk.dialog, Some(after));
        }
        // The dialog says it as soon as it is known, even while the customer is still being handled.
        let mut desk = Desk::new(&[1]);
        desk.start(vec![task(1, ReservationStatus::Wrapping)], true);
        desk.microphone(microphone);
        let until = Some(desk.now + Millis(14_000));
        desk.greeted(vec![view(Stage::Interrupted)]);
        assert_eq!(desk.dialog, Some(says(until)));
        // Neither the server nor the agent waits forever.
        desk.pushed(Stage::WaitingForOther);
        assert_eq!(desk.dialog, Some(Dialog::WaitingForOther));
    }
}

#[test]
fn the_wait_for_a_browser_that_reports_no_microphone_is_bounded() {
    for mut desk in [in_place(), queued()] {
        assert!(!goes_on(&desk.wait(Millis(1_999))));
        assert!(goes_on(&desk.wait(Millis(1))));
    }
}

#[test]
fn an_agent_on_the_call_sees_no_dialog_about_the_microphone() {
    let mut desk = Desk::joining();
    desk.task(live(201));
    desk.microphone(Microphone::Denied);
    assert_eq!(desk.dialog, Some(Dialog::InPlace));
}

#[test]
fn the_dialog_about_a_silent_server_precedes_the_microphone() {
    let mut desk = queued();
    desk.microphone(Microphone::Denied);
    desk.wait(Millis::seconds(24));
    assert_eq!(desk.dialog, Some(Dialog::Slow), "the way out");
}

#[test]
fn a_call_that_cannot_be_heard_needs_one_click() {
    let blocked = |blocked| Event::Desktop(FromDesktop::SoundChanged { blocked });
    let mut desk = Desk::joining();
    desk.handle(blocked(true));
    assert_eq!(desk.dialog, Some(Dialog::InPlace), "there is nothing to be heard yet");
    desk.task(live(201));
    assert_eq!(desk.dialog, Some(Dialog::NeedsClick));
    desk.pushed(Stage::Rejoined);
    assert_eq!(desk.dialog, Some(Dialog::NeedsClick), "until it is heard");
    assert_eq!(desktop(&desk.handle(Event::DialogButton)), [ToDesktop::PlaySound {}]);
    assert_eq!(desk.dialog, Some(Dialog::Rejoined));
    desk.handle(blocked(true));
    assert_eq!(desk.dialog, Some(Dialog::NeedsClick), "refused once more");
    desk.handle(blocked(false));
    assert_ne!(desk.dialog, Some(Dialog::NeedsClick), "it plays by itself");

    // The dialog closes with the call.
    let mut desk = Desk::on_a_call();
    desk.handle(blocked(true));
    assert_eq!(desk.dialog, Some(Dialog::NeedsClick));
    desk.task(task(1, ReservationStatus::Wrapping));
    assert_eq!(desk.dialog, None);
}

#[test]
fn the_browsers_permission_maps_to_one_of_four_states() {
    for (permission, listed, microphone) in [
        ("granted", true, Microphone::Granted),
        ("granted", false, Microphone::Missing),
        ("denied", true, Microphone::Denied),
        ("denied", false, Microphone::Denied),
        ("prompt", true, Microphone::Unknown),
        ("prompt", false, Microphone::Missing),
        ("", true, Microphone::Unknown),
    ] {
        assert_eq!(Microphone::seen(permission, listed), microphone, "{permission:?} {listed}");
    }
}

/// Flex would reject a call that came before it has found the microphone itself.
#[test]
fn after_a_change_of_devices_flex_asks_for_the_microphone_first() {
    let changed = |phone_tells| Event::Desktop(FromDesktop::DevicesChanged { phone_tells });
    let looked = || Event::Desktop(FromDesktop::PhoneLooked {});
    let tries =
        |effects: &[Effect]| effects.iter().filter(|effect| **effect == Effect::TryMicrophone).count();
    let mut desk = Desk::new(&[]);
    desk.start(vec![], true);
    assert_eq!(tries(&desk.handle(looked())), 0, "nothing has changed");
    assert_eq!(tries(&desk.handle(changed(false))), 1, "its phone says nothing");
    for _ in 0..2 {
        assert_eq!(tries(&desk.handle(changed(true))), 0);
        assert_eq!(tries(&desk.handle(looked())), 1);
        assert_eq!(tries(&desk.handle(looked())), 0, "once");
    }
    assert_eq!(tries(&desk.handle(changed(true))), 0);
    assert_eq!(tries(&desk.handle(Event::Timer(Timer::Devices))), 1, "it is not waited for without end");
    assert_eq!(tries(&desk.handle(looked())), 0);
}
