use crate::desk::*;

fn start(selected: Option<u128>, shown: Option<u128>) -> Vec<Effect> {
    let tasks = vec![wr(1), wr(2)];
    let event = Event::Started { drafts: vec![], selected: selected.map(wr), shown: shown.map(wr), tasks };
    Desk::of(Chats::new(true)).handle(event)
}

#[test]
fn the_task_that_was_selected_is_selected_again() {
    assert_eq!(start(Some(2), None), [Effect::Select { reservation: wr(2) }]);
}

#[test]
fn another_selection_stands_and_a_task_that_is_gone_is_not_selected() {
    assert_eq!(start(Some(2), Some(1)), []);
    assert_eq!(start(Some(3), None), []);
    assert_eq!(start(None, None), []);
}

#[test]
fn each_new_selection_is_kept() {
    let mut desk = Desk::in_a_chat();
    let kept = |number| vec![Effect::KeepSelected(wr(number))];
    assert_eq!(desk.handle(Event::Selected { reservation: wr(1) }), kept(1));
    assert_eq!(desk.handle(Event::Selected { reservation: wr(1) }), []);
    assert_eq!(desk.handle(Event::Selected { reservation: wr(2) }), kept(2));
}
