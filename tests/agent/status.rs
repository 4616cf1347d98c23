//! Diagnosis on request, and the notice about calls that would not come back.

use crate::desk::*;
use rejoin_plugin::boundary::Value;

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => panic!("no text: {value:?}"),
    }
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::List(list) => list,
        _ => panic!("no list: {value:?}"),
    }
}

fn told(effects: &[Effect]) -> Vec<bool> {
    let told = desktop(effects).into_iter().filter_map(|effect| match effect {
        ToDesktop::TellUnprotected { unprotected } => Some(unprotected),
        _ => None,
    });
    told.collect()
}

#[test]
fn the_status_follows_the_page() {
    let mut desk = Desk::new(&[]);
    assert_eq!(text(desk.agent.status().get("state")), "starting");
    desk.start(vec![], true);
    desk.greeted(vec![]);
    let status = desk.agent.status();
    assert_eq!(text(status.get("state")), "ready");
    assert_eq!(status.get("reason"), &Value::Nothing);
    assert_eq!(text(status.get("server")), SERVER);
    assert_eq!(status.get("pushUp"), &Value::Flag(false));
    assert_eq!(status.get("protectedCalls"), &Value::Number(0.0));
    assert_eq!(status.get("problems"), &Value::List(vec![]));
    assert_eq!(status.get("configuration").get("silenceMs"), &Value::Number(10_000.0));
    assert_eq!(status.get("configuration").get("leavePrompt"), &Value::Flag(true));
    assert_eq!(text(status.get("configuration").get("server")), SERVER);

    let mut desk = Desk::on_a_call();
    desk.handle(Event::PushState { up: true });
    let status = desk.agent.status();
    assert_eq!(status.get("pushUp"), &Value::Flag(true));
    assert_eq!(status.get("protectedCalls"), &Value::Number(1.0));

    let (desk, _) = Desk::waiting(vec![], &[]);
    assert_eq!(text(desk.agent.status().get("state")), "waiting");

    let off = Desk::with(Config { enabled: false, ..Config::new(SERVER) });
    let status = off.agent.status();
    assert_eq!(text(status.get("state")), "passive");
    assert_eq!(text(status.get("reason")), "switched off for this worker by rejoin.enabled");
}

#[test]
fn problems_are_those_in_the_console() {
    let (config, mistakes) = Config::read(
        &Value::Object([("weather".to_owned(), Value::Flag(true))].into_iter().collect()),
        &Value::Nothing,
    );
    let mut agent = Agent::new(config, 7, vec![]);
    agent.configured(mistakes, "2.17.1");
    let status = agent.status();
    let [problem] = list(status.get("problems")) else { panic!("one: {status:?}") };
    assert_eq!(text(problem), "rejoin.weather is not a setting; it is ignored.");
}

#[test]
fn the_record_has_recent_events_and_no_personal_data() {
    let mut record = Record::new();
    let mut facts = live(200);
    facts.contact_uri = Some("client:secret".into());
    facts.attributes.disconnected_worker_name = Some("secret".into());
    record.note(Millis(1000), &Event::Desktop(FromDesktop::TaskChanged(facts)));
    record.note(Millis(2000), &Event::Push(view(Stage::Interrupted)));
    let told = record.tell(Millis(2500));
    let [recovery] = list(told.get("recoveries")) else { panic!("one: {told:?}") };
    assert_eq!(text(recovery.get("id")), rj().as_str());
    assert_eq!(text(recovery.get("stage")), "interrupted");
    assert_eq!(recovery.get("tookMs"), &Value::Number(500.0), "so far");
    let handed_over = Stage::HandedOver { worker_name: Some("secret".into()) };
    record.note(Millis(3000), &Event::Push(view(handed_over)));
    let reply = HelloReply {
        recoveries: vec![view(Stage::Failed { reason: Failure::Other })],
        ..HelloReply::default()
    };
    record.note(Millis(4000), &Event::Reply { id: PostId(1), result: Ok(Answer::Hello(reply)) });
    let told = record.tell(Millis(9000));
    let [recovery] = list(told.get("recoveries")) else { panic!("one: {told:?}") };
    assert_eq!(text(recovery.get("stage")), "failed");
    assert_eq!(recovery.get("at"), &Value::Number(2000.0));
    assert_eq!(recovery.get("tookMs"), &Value::Number(2000.0), "to its end");
    let names: Vec<&str> = list(told.get("events")).iter().map(|event| text(event.get("event"))).collect();
    assert_eq!(names, ["taskChanged", "push", "push", "reply"]);
    assert!(!format!("{told:?}").contains("secret"));

    for number in 0..100 {
        let mut view = view(Stage::Interrupted);
        view.id = RecoveryId::numbered(number);
        record.note(Millis(5000), &Event::Push(view));
    }
    let told = record.tell(Millis(9000));
    let recoveries = list(told.get("recoveries"));
    assert_eq!((recoveries.len(), list(told.get("events")).len()), (20, 50));
    assert_eq!(text(recoveries[19].get("id")), RecoveryId::numbered(99).as_str());
}

#[test]
fn an_unprotected_call_is_reported_after_a_while_until_protected() {
    let mut desk = Desk::on_a_call();
    desk.handle(Event::PushState { up: true });
    assert_eq!(told(&desk.wait(Millis::seconds(60))), [false; 0], "all is well");
    desk.handle(Event::PushState { up: false });
    assert_eq!(told(&desk.wait(Millis::seconds(14))), [false; 0], "no notice for some seconds");
    desk.handle(Event::PushState { up: true });
    desk.handle(Event::PushState { up: false });
    assert_eq!(told(&desk.wait(Millis::seconds(14))), [false; 0], "the time starts again");
    let effects = desk.wait(Millis::seconds(2));
    assert_eq!(told(&effects), [true]);
    let complaint = ToDesktop::Log { notice: Complaint::Unprotected };
    assert!(desktop(&effects).contains(&complaint));
    assert_eq!(told(&desk.handle(Event::PushState { up: true })), [false]);
    desk.handle(Event::PushState { up: false });
    let effects = desk.wait(Millis::seconds(20));
    assert_eq!(told(&effects), [true]);
    assert!(!desktop(&effects).contains(&complaint), "the console has it already");
    let mut over = live(200);
    (over.status, over.live_call) = (ReservationStatus::Wrapping, false);
    assert_eq!(told(&desk.task(over)), [false], "no call is open any more");
}

#[test]
fn without_a_call_an_unreachable_server_is_not_reported() {
    let mut desk = Desk::idle();
    desk.handle(Event::PushState { up: false });
    assert_eq!(told(&desk.wait(Millis::seconds(100))), [false; 0]);
    let (mut desk, _) = Desk::waiting(vec![], &[]);
    desk.task(live(200));
    assert_eq!(told(&desk.wait(Millis::seconds(100))), [false; 0], "the page that acts knows more");
}

#[test]
fn a_call_that_the_server_does_not_know_is_reported_too() {
    let mut desk = Desk::idle();
    desk.handle(Event::PushState { up: true });
    desk.task(live(200));
    let effects = desk.handle(conference(1, both()));
    let (id, _) = posts(&effects)[0];
    desk.handle(Event::Reply { id, result: Err(PostError::Status(403)) });
    assert_eq!(told(&desk.wait(Millis::seconds(20))), [true]);
}
