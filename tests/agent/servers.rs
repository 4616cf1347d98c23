//! A page that has several servers.

use crate::desk::*;
use rejoin_plugin::boundary::{Fields, Value};

const ONE: &str = "https://one.example";
const TWO: &str = "https://two.example";

fn account(servers: &[&str]) -> Value {
    let servers = servers.iter().map(|url| Value::from(*url)).collect();
    Value::Object(Fields::default().with("servers", Value::List(servers)))
}

/// A page on a registered call, with an open channel, of an account with these servers.
fn on_a_call(servers: &[&str]) -> Desk {
    let (config, mistakes) = Config::read(&account(servers), &Value::Nothing);
    assert_eq!(mistakes, []);
    let mut desk = Desk::with(config);
    desk.microphone(Microphone::Granted);
    desk.start(vec![], true);
    desk.greeted(vec![]);
    desk.gets_a_call();
    desk
}

/// The servers that are moved to.
fn moves(effects: &[Effect]) -> Vec<&str> {
    let mine = effects.iter().filter_map(|effect| match effect {
        Effect::UseServer { server } => Some(server.as_str()),
        _ => None,
    });
    mine.collect()
}

fn status(desk: &Desk) -> Value {
    desk.agent.status().get("server").clone()
}

#[test]
fn when_the_channel_ends_the_page_moves_and_says_hello_there() {
    let mut desk = on_a_call(&[ONE, TWO]);
    assert_eq!(status(&desk), ONE.into());
    desk.wait(Millis::seconds(2));
    let effects = desk.handle(Event::PushState { up: false });
    assert_eq!(moves(&effects), [TWO]);
    assert!(matches!(posts(&effects)[..], [(_, Request::Hello(_))]), "{effects:?}");
    assert_eq!(status(&desk), TWO.into());
    // The same failure is reported twice, and the new server works.
    desk.greeted(vec![]);
    assert_eq!(moves(&desk.handle(Event::PushState { up: true })), Vec::<&str>::new());
}

#[test]
fn a_server_that_stops_sends_its_pages_away_and_one_without_another_server_stays() {
    let mut desk = on_a_call(&[ONE, TWO]);
    desk.wait(Millis::seconds(2));
    let effects = desk.handle(Event::Move);
    assert_eq!(moves(&effects), [TWO]);
    assert!(matches!(posts(&effects)[..], [(_, Request::Hello(_))]), "{effects:?}");
    assert_eq!(on_a_call(&[ONE]).handle(Event::Move), []);
}

#[test]
fn a_request_in_flight_is_sent_once_more_with_its_id_and_its_late_failure_counts_for_nothing() {
    let mut desk = on_a_call(&[ONE, TWO]);
    desk.wait(Millis::seconds(2));
    let effects = desk.leave(Some(1), GracefulReason::HangUp);
    let (before, Request::Graceful(mark)) = posts(&effects).remove(0) else { panic!("a mark: {effects:?}") };
    let effects = desk.handle(Event::PushState { up: false });
    let again = posts(&effects).into_iter().find(|(_, request)| *request == Request::Graceful(mark.clone()));
    let (after, _) = again.expect("sent again, with the same id");
    assert_ne!(before, after);
    let late = desk.handle(Event::Reply { id: before, result: Err(PostError::Unreachable) });
    assert_eq!((moves(&late), posts(&late)), (vec![], vec![]));
    assert_eq!(status(&desk), TWO.into());
}

#[test]
fn an_unanswered_request_moves_the_page_within_two_seconds_to_a_hello() {
    let mut desk = on_a_call(&[ONE, TWO]);
    let effects = desk.leave(Some(1), GracefulReason::HangUp);
    let (id, _) = posts(&effects)[0];
    let effects = desk.handle(Event::Reply { id, result: Err(PostError::Unreachable) });
    assert_eq!(moves(&effects), [TWO]);
    assert!(
        posts(&effects).iter().any(|(_, request)| matches!(request, Request::Graceful(_))),
        "{effects:?}"
    );
    desk.wait(Millis::seconds(2));
    assert!(desk.hello.is_some());
}

#[test]
fn a_call_that_every_server_refuses_moves_no_page_that_is_greeted() {
    let mut desk = on_a_call(&[ONE, TWO]);
    desk.wait(Millis::seconds(2));
    let effects = desk.leave(Some(1), GracefulReason::HangUp);
    let (id, _) = posts(&effects)[0];
    let effects = desk.handle(Event::Reply { id, result: Err(PostError::Status(503)) });
    assert_eq!(moves(&effects), Vec::<&str>::new());
    desk.greeted(vec![]);
    assert_eq!(status(&desk), ONE.into());
}

#[test]
fn a_hello_that_is_refused_moves_the_page() {
    let mut desk = on_a_call(&[ONE, TWO]);
    desk.wait(Millis::seconds(2));
    let hello = desk.handle(Event::Ask);
    let (id, _) = posts(&hello)[0];
    let effects = desk.handle(Event::Reply { id, result: Err(PostError::Status(502)) });
    assert_eq!(moves(&effects), [TWO]);
}

#[test]
fn one_server_is_never_left() {
    let mut desk = on_a_call(&[ONE]);
    for _ in 0..5 {
        assert_eq!(moves(&desk.handle(Event::PushState { up: false })), Vec::<&str>::new());
        assert_eq!(moves(&desk.wait(Millis::seconds(200))), Vec::<&str>::new());
    }
}

/// The servers that are to be measured.
fn measures(effects: &[Effect]) -> Vec<Vec<String>> {
    let mine = desktop(effects).into_iter().filter_map(|effect| match effect {
        ToDesktop::Measure { servers } => Some(servers),
        _ => None,
    });
    mine.collect()
}

/// The round trips to the servers, in ms.
fn took(ms: &[Option<u64>]) -> Event {
    let took = ms.iter().map(|ms| ms.map(Millis)).collect();
    Event::Desktop(FromDesktop::Measured { took })
}

/// A page without a call that has just started, and the effects of its start.
fn starting(servers: &[&str]) -> (Desk, Vec<Effect>) {
    let (config, _) = Config::read(&account(servers), &Value::Nothing);
    let mut desk = Desk::with(config);
    let effects = desk.start(vec![], true);
    (desk, effects)
}

#[test]
fn the_servers_are_measured_at_the_start_and_every_five_to_ten_minutes() {
    let (mut desk, effects) = starting(&[ONE, TWO]);
    assert_eq!(measures(&effects), [[ONE, TWO]]);
    desk.greeted(vec![]);
    desk.handle(Event::PushState { up: true });
    assert_eq!(measures(&desk.wait(Millis::seconds(300))), Vec::<Vec<String>>::new());
    for _ in 0..3 {
        assert_eq!(measures(&desk.wait(Millis::seconds(300))), [[ONE, TWO]]);
    }
    let (mut alone, effects) = starting(&[ONE]);
    assert_eq!(measures(&effects), Vec::<Vec<String>>::new(), "there is no choice");
    assert_eq!(measures(&alone.wait(Millis::seconds(1200))), Vec::<Vec<String>>::new());
}

#[test]
fn a_page_that_starts_leaves_a_server_that_does_not_answer_for_one_that_does() {
    let (mut desk, _) = starting(&[ONE, TWO]);
    desk.wait(Millis::seconds(2));
    let effects = desk.handle(took(&[None, Some(30)]));
    assert_eq!(moves(&effects), [TWO]);
    assert!(matches!(posts(&effects)[..], [(_, Request::Hello(_))]), "{effects:?}");
}

#[test]
fn a_page_without_a_call_moves_to_a_far_faster_server_and_one_with_a_call_does_not() {
    let (mut desk, _) = starting(&[ONE, TWO]);
    desk.greeted(vec![]);
    desk.handle(Event::PushState { up: true });
    assert_eq!(moves(&desk.handle(took(&[Some(40), Some(10)]))), Vec::<&str>::new());
    assert_eq!(moves(&desk.handle(took(&[Some(200), Some(10)]))), [TWO]);

    let mut desk = on_a_call(&[ONE, TWO]);
    assert_eq!(moves(&desk.handle(took(&[Some(200), Some(10)]))), Vec::<&str>::new());
    assert_eq!(moves(&desk.handle(took(&[None, Some(10)]))), Vec::<&str>::new(), "its channel is open");
}

#[test]
fn a_page_goes_back_to_the_first_server_once_that_answers_again() {
    let (mut desk, _) = starting(&[ONE, TWO]);
    desk.greeted(vec![]);
    desk.handle(Event::PushState { up: true });
    assert_eq!(moves(&desk.handle(Event::Move)), [TWO]);
    desk.handle(Event::PushState { up: true });
    desk.wait(Millis::seconds(4));
    assert_eq!(moves(&desk.handle(took(&[Some(10), Some(10)]))), Vec::<&str>::new(), "it has just failed");
    desk.wait(Millis::seconds(300));
    assert_eq!(moves(&desk.handle(took(&[None, Some(10)]))), Vec::<&str>::new());
    assert_eq!(moves(&desk.handle(took(&[Some(10), Some(10)]))), [ONE]);
}

#[test]
fn wrong_entries_are_named_and_the_others_used() {
    let tell = |account: &Value, worker: &Value| {
        let (config, mistakes) = Config::read(account, worker);
        (config.servers, mistakes.iter().map(Mistake::text).collect::<Vec<_>>())
    };
    let wrong = "must be an https address (http only for localhost); it is ignored.";
    for bad in ["http://one.example", "one.example", "https://", "javascript:alert(1)", "https://a@b.example"]
    {
        let (servers, mistakes) = tell(&account(&[ONE, bad, "https://two.example/"]), &Value::Nothing);
        assert_eq!(servers, [ONE, TWO], "{bad}");
        assert_eq!(mistakes, [format!("rejoin.servers.2 {wrong}")]);
    }
    let all_wrong =
        tell(&Value::Object(Fields::default().with("servers", Value::Number(7.0))), &Value::Nothing);
    assert_eq!(all_wrong, (vec![], vec![format!("rejoin.servers.1 {wrong}")]));
    let one = Value::Object(Fields::default().with("server", ONE.into()).with("servers", TWO.into()));
    assert_eq!(
        tell(&one, &Value::Nothing),
        (vec![ONE.into(), TWO.into()], vec![]),
        "a list of one, and once each"
    );
    // More people may write worker attributes than the account's configuration.
    let worker = Value::Object(Fields::default().with("rejoin", account(&["https://evil.example"])));
    let refused = "worker attribute rejoin.servers is not a setting; it is ignored.";
    assert_eq!(tell(&one, &worker), (vec![ONE.into(), TWO.into()], vec![refused.into()]));
}

#[test]
fn a_team_with_a_server_of_its_own_has_none_of_the_accounts() {
    let teams = Fields::default().with("Sales", Value::Object(Fields::default().with("server", TWO.into())));
    let account = Value::Object(
        Fields::default().with("servers", Value::List(vec![ONE.into()])).with("teams", Value::Object(teams)),
    );
    let worker = Value::Object(Fields::default().with("team_name", "Sales".into()));
    assert_eq!(Config::read(&account, &worker).0.servers, [TWO]);
}
