//! The link to the operators' console.

use crate::desk::*;
use rejoin_plugin::boundary::{Fields, Value};
use rejoin_protocol::api::HelloReply;

const ONE: &str = "https://one.example";
const TWO: &str = "https://two.example";

/// A page whose first hello is under way, with this setting.
fn desk(setting: (&str, Value)) -> Desk {
    let servers = [ONE, TWO].map(Value::from).into();
    let account = Fields::default().with("servers", Value::List(servers)).with(setting.0, setting.1);
    let (config, mistakes) = Config::read(&account.into(), &Value::Nothing);
    assert_eq!(mistakes, []);
    let mut desk = Desk::with(config);
    desk.start(vec![], true);
    desk
}

fn usual() -> Desk {
    desk(("consoleLink", Value::Nothing))
}

fn answer(console: bool) -> HelloReply {
    HelloReply { console, ..HelloReply::default() }
}

/// What is offered in place of what was.
fn links(effects: &[Effect]) -> Vec<Option<String>> {
    let link = |effect: ToDesktop| match effect {
        ToDesktop::LinkConsole { server } => Some(server),
        _ => None,
    };
    desktop(effects).into_iter().filter_map(link).collect()
}

/// The next hello is answered so.
fn later(desk: &mut Desk, reply: HelloReply) -> Vec<Option<String>> {
    desk.wait(Millis::seconds(2));
    desk.handle(Event::Ask);
    links(&desk.answered(reply))
}

#[test]
fn who_may_look_gets_a_link_once_the_server_has_said_so() {
    let mut desk = usual();
    assert_eq!(links(&desk.answered(answer(true))), [Some(ONE.to_owned())]);
    assert_eq!(later(&mut desk, answer(true)), [], "it is there already");
}

#[test]
fn who_may_not_look_gets_none() {
    let mut desk = usual();
    assert_eq!(links(&desk.answered(answer(false))), []);
    assert_eq!(links(&usual().unanswered()), [], "nor anybody whom no server has answered");
}

#[test]
fn a_role_that_changes_counts_from_the_next_hello() {
    let mut desk = usual();
    desk.answered(answer(false));
    assert_eq!(later(&mut desk, answer(true)), [Some(ONE.to_owned())]);
    assert_eq!(later(&mut desk, answer(false)), [None]);
}

#[test]
fn the_link_leads_to_the_server_in_use() {
    let mut desk = usual();
    desk.answered(answer(true));
    desk.wait(Millis::seconds(2));
    assert_eq!(links(&desk.handle(Event::Move)), [Some(TWO.to_owned())]);
    // That one has an address of the operators' own.
    assert_eq!(links(&desk.answered(answer(false))), [None]);
}

#[test]
fn a_server_that_is_away_keeps_the_link() {
    let mut desk = usual();
    desk.answered(answer(true));
    desk.wait(Millis::seconds(2));
    desk.handle(Event::Ask);
    let effects = desk.unanswered();
    assert_eq!(links(&effects), [Some(TWO.to_owned())], "at the next server, which may be there");
}

#[test]
fn the_link_can_be_switched_off() {
    let mut desk = desk(("consoleLink", Value::Flag(false)));
    assert_eq!(links(&desk.answered(answer(true))), []);
}

#[test]
fn signing_out_takes_the_link_away() {
    let mut desk = usual();
    desk.answered(answer(true));
    assert_eq!(links(&desk.handle(Event::Desktop(FromDesktop::SignedOut {}))), [None]);
}
