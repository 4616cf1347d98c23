use crate::desk::*;

/// Into the back/forward cache, and out of it.
fn hide(desk: &mut Desk) -> Vec<Effect> {
    desk.handle(Event::Desktop(FromDesktop::PageHide { may_return: true }))
}

/// Time passes, in which no timer is due.
fn stand_still(desk: &mut Desk) {
    desk.now = desk.now + Millis::seconds(60);
}

fn show(desk: &mut Desk, phone_gone: bool) -> Vec<Effect> {
    desk.handle(Event::Restored { epoch: 9, phone_gone })
}

fn reloads(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| **effect == Effect::Reload).count()
}

fn hello_epochs(effects: &[Effect]) -> Vec<u64> {
    let hellos = posts(effects).into_iter().filter_map(|(_, request)| match request {
        Request::Hello(hello) => Some(hello.epoch),
        _ => None,
    });
    hellos.collect()
}

/// On a call that this page's phone has hung up while it went into the cache.
fn hung_up_and_hidden() -> Desk {
    let mut desk = Desk::on_a_call();
    desk.task(task(1, ReservationStatus::Accepted));
    desk.phone(false);
    hide(&mut desk);
    stand_still(&mut desk);
    desk
}

#[test]
fn a_hidden_page_closes_its_push_channel() {
    let mut desk = Desk::idle();
    desk.handle(Event::PushState { up: true });
    assert_eq!(hide(&mut desk), [Effect::ClosePush]);
    let mut desk = Desk::idle();
    desk.handle(Event::PushState { up: true });
    assert_eq!(desk.handle(page_hide()), [], "the end of the page closes it");
}

#[test]
fn a_hidden_page_says_goodbye_for_the_call_that_it_leaves_standing() {
    let mut desk = Desk::on_a_call();
    let goodbye = Goodbye { epoch: 7, tasks: vec![TaskSid::numbered(1)] };
    assert_eq!(goodbyes(&hide(&mut desk)), [goodbye]);
}

#[test]
fn a_restored_page_says_hello_as_the_newest_page_of_its_agent() {
    for superseded in [false, true] {
        let mut desk = Desk::idle();
        desk.handle(Event::PushState { up: true });
        if superseded {
            desk.handle(Event::Superseded);
        }
        hide(&mut desk);
        stand_still(&mut desk);
        let effects = show(&mut desk, false);
        assert!(effects.contains(&Effect::OpenPush { epoch: 9 }), "{effects:?}");
        assert_eq!(hello_epochs(&effects), [9]);
        assert_eq!(reloads(&effects), 0);
    }
}

/// The browser may report it only at the timeout, or not at all.
#[test]
fn a_restored_page_does_not_wait_for_answers_from_before() {
    let (mut desk, effects) = Desk::started(vec![], &[]);
    assert_eq!(hello_epochs(&effects), [7]);
    hide(&mut desk);
    stand_still(&mut desk);
    assert_eq!(hello_epochs(&show(&mut desk, false)), [9]);
}

#[test]
fn a_restored_page_that_waits_for_another_page_goes_on_waiting() {
    let (mut desk, _) = Desk::waiting(vec![task(1, ReservationStatus::Accepted)], &[]);
    hide(&mut desk);
    assert_eq!(show(&mut desk, true), []);
    let effects = desk.elect();
    assert!(effects.contains(&Effect::OpenPush { epoch: 8 }), "its turn comes as ever: {effects:?}");
}

#[test]
fn a_restored_page_whose_call_was_hung_up_is_reloaded() {
    let mut desk = hung_up_and_hidden();
    let effects = show(&mut desk, true);
    assert_eq!(effects, [Effect::Reload], "and leaves the rest to the next page");
    assert_eq!(reloads(&desk.phone(false)), 0, "once");
}

/// No browser is known to do it. A phone that was not destroyed has its call.
#[test]
fn a_restored_page_whose_call_still_stands_takes_its_goodbye_back() {
    let mut desk = Desk::on_a_call();
    hide(&mut desk);
    stand_still(&mut desk);
    let effects = show(&mut desk, false);
    assert_eq!(registered(&effects), [CallSid::numbered(200)]);
    assert_eq!(hello_epochs(&effects), [9]);
    assert_eq!(goodbyes(&hide(&mut desk))[0].epoch, 9, "and says it again when it is hidden again");
}

#[test]
fn a_restored_page_with_a_live_call_but_no_phone_is_reloaded() {
    let mut desk = Desk::on_a_call();
    hide(&mut desk);
    let effects = show(&mut desk, true);
    let without_prompt = Effect::Desktop(ToDesktop::PromptOnLeave { on: false });
    let before = effects.iter().position(|effect| *effect == without_prompt);
    let reload = effects.iter().position(|effect| *effect == Effect::Reload);
    assert!(before.is_some() && before < reload, "{effects:?}");
}

#[test]
fn a_restored_page_is_reloaded_only_when_a_call_comes_back() {
    let mut desk = Desk::idle();
    desk.phone(false);
    hide(&mut desk);
    stand_still(&mut desk);
    let effects = show(&mut desk, true);
    assert_eq!(reloads(&effects), 0, "there may be work in it: {effects:?}");
    assert_eq!(hello_epochs(&effects), [9]);
    assert_eq!(reloads(&desk.greeted(vec![])), 0);
    assert_eq!(reloads(&desk.pushed(Stage::Queued)), 1);
    assert_eq!(reloads(&desk.pushed(Stage::Queued)), 0, "once");
}

#[test]
fn a_restored_page_is_not_reloaded_for_another_agents_call() {
    let mut desk = Desk::idle();
    hide(&mut desk);
    show(&mut desk, true);
    for stage in [Stage::WaitingForOther, Stage::CustomerLeft, Stage::HandedOver { worker_name: None }] {
        assert_eq!(reloads(&desk.pushed(stage)), 0);
    }
}
