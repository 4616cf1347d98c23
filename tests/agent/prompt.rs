use crate::desk::*;

fn prompts(effects: &[Effect]) -> Vec<bool> {
    let mine = desktop(effects).into_iter().filter_map(|effect| match effect {
        ToDesktop::PromptOnLeave { on } => Some(on),
        _ => None,
    });
    mine.collect()
}

#[test]
fn the_browser_asks_during_a_call_and_not_before_or_after() {
    let (mut desk, effects) = Desk::started(vec![task(1, ReservationStatus::Accepted)], &[1]);
    assert_eq!(prompts(&effects), [] as [bool; 0], "a page without a call may be left");
    assert_eq!(prompts(&desk.task(live(200))), [true]);
    assert_eq!(prompts(&desk.task(live(200))), [] as [bool; 0], "once");
    assert_eq!(prompts(&desk.task(task(1, ReservationStatus::Wrapping))), [false]);
}

#[test]
fn an_agent_who_leaves_on_purpose_is_not_asked() {
    for (reservation, reason) in [(None, GracefulReason::SignOut), (Some(1), GracefulReason::HangUp)] {
        let mut desk = Desk::on_a_call();
        assert_eq!(prompts(&desk.leave(reservation, reason)), [false], "{reason:?}");
    }
}

#[test]
fn there_is_no_second_prompt_and_it_can_be_turned_off() {
    let (mut desk, _) = Desk::started(vec![], &[]);
    desk.handle(Event::Desktop(FromDesktop::FlexPrompts {}));
    assert_eq!(prompts(&desk.task(live(200))), [] as [bool; 0], "Flex asks itself");
    let config = Config { leave_prompt: false, ..Config::new(SERVER) };
    let mut desk = Desk::new(&[]);
    desk.agent = Agent::new(config, 7, vec![]);
    desk.start(vec![], true);
    assert_eq!(prompts(&desk.task(live(200))), [] as [bool; 0], "turned off");
}
