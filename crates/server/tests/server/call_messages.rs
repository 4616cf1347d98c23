//! A page whose push channel is lost is asked over the signalling of its call, and answers there.

use crate::console::world_on;
use crate::database::{Database, on_both};
use crate::support::*;
use rejoin_protocol::CallSid;
use rejoin_server::Server;
use rejoin_twilio::signature;
use serde_json::{Value, json};

on_both!(an_answer_counts_for_all_servers_of_a_database,);

fn ask() -> String {
    format!("POST Calls/{}/UserDefinedMessages.json", ada_leg())
}

fn subscribe() -> String {
    format!("POST Calls/{}/UserDefinedMessageSubscriptions.json", ada_leg())
}

fn participant(leg: &CallSid) -> String {
    format!("POST Conferences/{}/Participants/{leg}.json", conference())
}

/// The value of the last question.
fn question(world: &World) -> String {
    let asked = world.twilio.asked(&ask());
    let content = asked.last().and_then(|asked| asked.param("Content")).expect("a question");
    let content: Value = serde_json::from_str(content).expect("JSON");
    content["rejoinAsks"].as_str().expect("a text").to_owned()
}

/// Twilio posts a call message of this leg's page, in JSON, signed by its hash.
async fn message(desk: &Desk, leg: &CallSid, content: &Value) -> u16 {
    let body = json!({"CallSid": leg, "Content": content.to_string(), "SequenceNumber": "0"}).to_string();
    let path = format!("/webhooks/call-message?conference={}&bodySHA256={}", conference(), hash(&body));
    let signature = signature::sign(AUTH_TOKEN, &format!("{PUBLIC}{path}"), &[]);
    desk.posted(&path, body, &signature).await.as_u16()
}

async fn answers(world: &World) {
    let content = json!({"rejoinAnswers": question(world)});
    assert_eq!(message(&world.desk, &ada_leg(), &content).await, 204);
}

/// Ada and the customer talk, and Ada's page has answered the question that proves that messages arrive.
async fn proven() -> (World, Events) {
    let world = World::start_with(|config| config.timings.answer_within_ms = 100).await;
    world.desk.answering().await;
    world.twilio.wait_for(&ask(), 1).await;
    let subscribed = world.twilio.asked(&subscribe());
    let callback = subscribed[0].param("Callback").expect("an address");
    assert!(callback.starts_with(&format!("{PUBLIC}/webhooks/call-message?conference={}", conference())));
    answers(&world).await;
    let mut page = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
    page.position().await;
    (world, page)
}

fn holds(world: &World) -> Vec<Option<String>> {
    let asked = world.twilio.asked(&participant(&customer()));
    asked.iter().filter_map(|asked| asked.param("Hold")).map(|hold| Some(hold.to_owned())).collect()
}

#[tokio::test]
async fn a_customer_is_told_when_the_page_answers_nothing_and_is_back_when_it_does() {
    let (world, page) = proven().await;
    drop(page);
    let asked = world.twilio.wait_for(&participant(&customer()), 1).await;
    assert_eq!(asked[0].param("Hold"), Some("true"));
    assert_eq!(world.twilio.asked(&ask()).len(), 2, "the proof, and the question");
    let url = asked[0].param("HoldUrl").expect("a document").replace(PUBLIC, "");
    let document = world.desk.signed(url.split('#').next().unwrap(), &[]).await;
    assert!(document.text().await.unwrap().contains("<Say"), "the words begin at once");
    assert_eq!(world.desk.hello(0).await["recoveries"], json!([]), "no agent counts as lost");

    answers(&world).await;
    let asked = world.twilio.wait_for(&participant(&customer()), 2).await;
    assert_eq!(asked[1].param("Hold"), Some("false"));
    assert!(!world.twilio.kinds().iter().any(|what| what.starts_with("DELETE")), "no leg was removed");
}

#[tokio::test]
async fn a_page_whose_channel_is_back_ends_the_hold() {
    let (world, page) = proven().await;
    drop(page);
    world.twilio.wait_for(&participant(&customer()), 1).await;
    let _page = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
    world.twilio.wait_for(&participant(&customer()), 2).await;
    assert_eq!(holds(&world), [Some("true".into()), Some("false".into())]);
}

#[tokio::test]
async fn silence_says_nothing_until_an_answer_has_come_back_once() {
    let world = World::start_with(|config| config.timings.answer_within_ms = 100).await;
    world.desk.answering().await;
    world.twilio.wait_for(&ask(), 1).await;
    let mut page = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
    page.position().await;
    drop(page);
    world.twilio.wait_for(&ask(), 2).await;
    // The next thing that the server does is what the loss of the leg needs, and not a hold before it.
    world.desk.leave(3, &ada_leg()).await;
    world.twilio.wait_for("POST Tasks", 1).await;
    assert_eq!(world.twilio.asked("POST Tasks").len(), 1);
}

#[tokio::test]
async fn no_page_is_asked_that_cannot_answer_or_when_it_is_switched_off() {
    for within in [0, 100] {
        let world = World::start_with(|config| config.timings.answer_within_ms = within).await;
        if within == 0 {
            world.desk.answering().await;
        } else {
            world.desk.talking().await;
        }
        let mut page = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
        page.position().await;
        drop(page);
        // The loss of the channel causes a poll.
        world.twilio.wait_for(&format!("GET Conferences/{}/Participants.json", conference()), 1).await;
        assert!(world.twilio.asked(&ask()).is_empty(), "{within}");
    }
}

#[tokio::test]
async fn a_twilio_that_refuses_messages_changes_nothing_else() {
    let world = World::start_with(|config| config.timings.answer_within_ms = 100).await;
    let refused = ask();
    world.twilio.script(move |asked, _| {
        (asked.what == refused).then(|| (400, vec![], json!({"code": 21220, "status": 400})))
    });
    world.desk.answering().await;
    world.twilio.wait_for(&ask(), 1).await;
    let mut page = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
    page.position().await;
    drop(page);
    world.twilio.wait_for(&ask(), 2).await;
    world.desk.leave(3, &ada_leg()).await;
    world.twilio.wait_for("POST Tasks", 1).await;
}

#[tokio::test]
async fn a_call_that_is_over_at_once_proves_nothing_and_the_next_page_is_asked() {
    let world = World::start_with(|config| config.timings.answer_within_ms = 100).await;
    let refused = subscribe();
    world.twilio.script(move |asked, before| {
        let is_first = asked.what == refused && before == 0;
        is_first.then(|| (400, vec![], json!({"code": 21220, "status": 400})))
    });
    world.desk.answering().await;
    world.twilio.wait_for(&subscribe(), 1).await;
    // The server may not have read that answer yet.
    while world.twilio.asked(&ask()).is_empty() {
        world.desk.register_as(true).await;
    }
}

#[tokio::test]
async fn what_is_not_the_pages_answer_changes_nothing() {
    let (world, page) = proven().await;
    drop(page);
    world.twilio.wait_for(&participant(&customer()), 1).await;
    let desk = &world.desk;
    let answer = json!({"rejoinAnswers": question(&world)});
    // Forged, of another leg, of another application, of another day.
    let body = json!({"CallSid": ada_leg(), "Content": answer.to_string()}).to_string();
    let path = format!("/webhooks/call-message?conference={}&bodySHA256={}", conference(), hash(&body));
    assert_eq!(desk.posted(&path, body.clone(), "").await, 403);
    let of_others = signature::sign("another token", &format!("{PUBLIC}{path}"), &[]);
    assert_eq!(desk.posted(&path, body, &of_others).await, 403);
    assert_eq!(message(desk, &customer(), &answer).await, 204);
    for content in [json!({"rejoinAnswers": "1"}), json!({"rejoinAnswers": 7}), json!("hello"), json!(null)] {
        assert_eq!(message(desk, &ada_leg(), &content).await, 204, "{content}");
    }
    let future = json!({"rejoinAnswers": (now().0 + 3_600_000).to_string()});
    assert_eq!(message(desk, &ada_leg(), &future).await, 204);
    for body in ["", "[", "{}", "7", r#"{"CallSid": "CA1"}"#] {
        let path = format!("/webhooks/call-message?conference={}&bodySHA256={}", conference(), hash(body));
        let signature = signature::sign(AUTH_TOKEN, &format!("{PUBLIC}{path}"), &[]);
        assert_eq!(desk.posted(&path, body.to_owned(), &signature).await, 400, "{body}");
    }
    assert_eq!(holds(&world), [Some("true".into())], "the customer is still on hold");
    // As a form, too: Twilio's documentation is not clear about it.
    let form = [("CallSid", ada_leg().to_string()), ("Content", answer.to_string())];
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let path = format!("/webhooks/call-message?conference={}", conference());
    assert_eq!(desk.signed(&path, &form).await.status(), 204);
    world.twilio.wait_for(&participant(&customer()), 2).await;
}

/// The next server believes in silence because a page has answered the one before, or the one beside it.
async fn an_answer_counts_for_all_servers_of_a_database(database: &Database) {
    let mut world = world_on(database, |config| config.timings.answer_within_ms = 100).await;
    world.desk.answering().await;
    world.twilio.wait_for(&ask(), 1).await;
    answers(&world).await;
    if !database.is_postgres() {
        world.server.take().expect("it runs").stop().await;
    }
    let mut config = config(&world.twilio, world.folder.path());
    config.storage.database_url.clone_from(&database.url);
    config.timings.answer_within_ms = 100;
    let next = Server::start(config).await.expect("starts");
    let desk = Desk::at(format!("http://{}", next.address()));
    let mut page = Events::open(&desk, "/v1/push?epoch=1", "ada").await;
    page.position().await;
    drop(page);
    let asked = world.twilio.wait_for(&participant(&customer()), 1).await;
    assert_eq!(asked[0].param("Hold"), Some("true"));
    assert_eq!(world.twilio.asked(&ask()).len(), 2, "the first server's proof, and the question");
    next.stop().await;
}
