use crate::desk::*;

#[test]
fn the_dialog_shows_the_stage_that_the_server_reports() {
    let interrupted = |desk: &Desk| Dialog::Interrupted { until: Some(desk.now + Millis(14_000)) };
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    desk.greeted(vec![view(Stage::Interrupted)]);
    assert_eq!(desk.dialog, Some(interrupted(&desk)));
    for stage in [Stage::Requeueing, Stage::Queued] {
        desk.pushed(stage);
        assert_eq!(desk.dialog, Some(Dialog::Reconnecting));
        assert!(matches!(desk.complete(1), ToDesktop::Refuse { .. }));
    }
    desk.task(task(1, ReservationStatus::Over));
    assert_eq!(desk.dialog, Some(Dialog::Reconnecting), "the old reservation is completed on the way");
    let call = TaskFacts { live_call: true, ..task(2, ReservationStatus::Accepted) };
    desk.task(call);
    desk.pushed(Stage::Rejoined);
    assert_eq!(desk.dialog, Some(Dialog::Rejoined));
    desk.wait(Millis(1_499));
    assert_eq!(desk.dialog, Some(Dialog::Rejoined));
    desk.wait(Millis(1));
    assert_eq!(desk.dialog, None);
}

#[test]
fn reconnected_is_not_shown_when_the_call_is_over() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    desk.greeted(vec![view(Stage::Interrupted)]);
    desk.pushed(Stage::Queued);
    assert_eq!(desk.dialog, Some(Dialog::Reconnecting));
    // The page receives it late; the customer has hung up since.
    desk.pushed(Stage::Rejoined);
    assert_eq!(desk.dialog, None);
}

#[test]
fn ends_are_told_to_whom_they_concern() {
    let handed_over = || Stage::HandedOver { worker_name: Some("Bo".into()) };
    let bo = || Some(Dialog::HandedOver { name: Some("Bo".into()) });
    let failed = || Stage::Failed { reason: Failure::NotRequeued };
    // stage, dialog when the page found the call, when it showed the recovery, when neither
    let table = [
        (Stage::WaitingForOther, Some(Dialog::WaitingForOther), Some(Dialog::WaitingForOther), None),
        (handed_over(), bo(), bo(), None),
        (Stage::CustomerLeft, Some(Dialog::CustomerLeft), Some(Dialog::CustomerLeft), None),
        (Stage::Covered, None, None, None),
        (Stage::Graceful, None, None, None),
        (Stage::Rejoined, None, Some(Dialog::Rejoined), None),
        (failed(), None, Some(Dialog::Failed { reason: Failure::NotRequeued }), None),
    ];
    for (stage, found, shown, neither) in table {
        let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[]);
        desk.greeted(vec![view(stage.clone())]);
        assert_eq!(desk.dialog, found, "found, {stage:?}");

        let mut desk = Desk::on_a_call();
        desk.pushed(Stage::Interrupted);
        desk.pushed(stage.clone());
        assert_eq!(desk.dialog, shown, "shown, {stage:?}");
        if let Some(dialog) = shown.filter(|dialog| *dialog != Dialog::Rejoined) {
            desk.handle(Event::DialogButton);
            assert_eq!(desk.dialog, None, "closed, {dialog:?}");
            desk.pushed(stage.clone());
            assert_eq!(desk.dialog, None, "closed is closed, {dialog:?}");
        }

        let mut desk = Desk::on_a_call();
        desk.pushed(stage.clone());
        assert_eq!(desk.dialog, neither, "neither, {stage:?}");
    }
}

#[test]
fn whose_call_was_lost_too_often_is_told_why_another_one_takes_it() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[]);
    desk.greeted(vec![RecoveryView { too_often: true, ..view(Stage::WaitingForOther) }]);
    assert_eq!(desk.dialog, Some(Dialog::TooOften));
    assert!(matches!(desk.complete(1), ToDesktop::Let { .. }), "nothing is to be waited for");
    desk.handle(Event::DialogButton);
    assert_eq!(desk.dialog, None);

    // The reservation was completed before the page had found it.
    let taken = Stage::HandedOver { worker_name: Some("Bo".into()) };
    let (mut desk, _) = Desk::started(vec![], &[]);
    desk.handle(Event::Push(RecoveryView { too_often: true, ..view(Stage::WaitingForOther) }));
    assert_eq!(desk.dialog, Some(Dialog::TooOften));
    desk.handle(Event::Push(RecoveryView { too_often: true, ..view(taken.clone()) }));
    assert_eq!(desk.dialog, Some(Dialog::HandedOver { name: Some("Bo".into()) }));

    // A page that comes when another one has the call already: the next call must not ring behind a dialog.
    let (mut desk, _) = Desk::started(vec![], &[]);
    desk.handle(Event::Push(RecoveryView { too_often: true, ..view(taken) }));
    assert_eq!(desk.dialog, None);
}

#[test]
fn a_dialog_that_outlives_its_reason_lets_the_agent_go() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    desk.greeted(vec![view(Stage::Interrupted)]);
    desk.wait(Millis(23_999));
    assert!(matches!(desk.dialog, Some(Dialog::Interrupted { .. })));
    desk.wait(Millis(1));
    assert_eq!(desk.dialog, Some(Dialog::Slow));
    assert!(desk.hello.is_some(), "asks once more");
    desk.greeted(vec![view(Stage::Interrupted)]);
    assert_eq!(desk.dialog, Some(Dialog::Slow), "no news is no reason to lock the agent in again");
    desk.handle(Event::DialogButton);
    assert_eq!(desk.dialog, None);
    assert!(matches!(desk.complete(1), ToDesktop::Let { .. }));
}

#[test]
fn an_answer_that_was_overtaken_by_a_push_changes_nothing() {
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    desk.pushed(Stage::Queued);
    desk.greeted(vec![view(Stage::Interrupted)]);
    assert_eq!(desk.dialog, Some(Dialog::Reconnecting));
    let (mut desk, _) = Desk::started(vec![task(1, ReservationStatus::Wrapping)], &[1]);
    desk.pushed(Stage::Interrupted);
    desk.greeted(vec![]);
    assert!(matches!(desk.dialog, Some(Dialog::Interrupted { .. })));
}
