//! Conversations on the twin: pages that go, agents who come back or do not, and what the customer reads.

use crate::chat::{Chat, SOON, customer_begins, takes_chats};
use crate::console::{Browser, Following};
use crate::database::{Database, on_both};
use crate::explain::{explain_on, in_order};
use crate::support::{Events, OPERATOR_TOKEN, World, look_again, until_so};
use rejoin_protocol::{ConversationSid, MessageSid};
use rejoin_server::config::Unattended;
use rejoin_twin::flex::agent::Agent;
use rejoin_twin::model::{Assumptions, Event};
use rejoin_twin::shell_now;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both!(supervisors_see_a_conversation_that_has_nobody_and_its_story,);

#[tokio::test]
async fn an_agent_who_is_back_in_time_finds_everything_as_it_was() {
    let chat = Chat::begins().await;
    chat.page_goes().await;
    let shown = chat.stands("awaited").await;
    assert_eq!(shown["absence"], Value::Null);
    chat.page_comes().await;
    chat.stands("attended").await;
    chat.customer_writes("My parcel is late.").await;
    let transcript = chat.transcript().await;
    let said: Vec<&str> = transcript.iter().filter_map(|line| Some(line.split_once(": ")?.1)).collect();
    assert_eq!(said, ["Hello?", "My parcel is late."]);
    assert_eq!(chat.invites().await.len(), 1);
}

#[tokio::test]
async fn a_chat_whose_agent_is_gone_is_told_once_and_goes_to_another_agent() {
    let chat = Chat::begins().await;
    takes_chats(&chat.floor, Agent::Bo);
    chat.page_goes().await;
    chat.customer_writes("Are you there?").await;
    // Nobody presses Accept at Ada's desk, and TaskRouter notices that nobody is there.
    chat.floor.is(Agent::Ada, "Offline").await;
    chat.floor.is(Agent::Bo, "Available").await;
    let shown = chat.stands("unattended").await;
    assert_eq!(shown["absence"]["cause"], "unattended");
    let invites = chat
        .floor
        .until("another agent is invited", |state| {
            let tasks = state["tasks"].as_array()?;
            (tasks.len() > 1).then(|| tasks.iter().map(|task| task["attributes"].clone()).collect::<Vec<_>>())
        })
        .await;
    let own = invites.iter().find(|it| it["targetWorkerSid"] == Agent::Ada.worker().as_str());
    let own = own.expect("the last agent is invited first");
    assert_eq!((&own["isReconnect"], &own["customerName"]), (&json!(true), &json!("Customer")), "in full");
    chat.is_with(Agent::Bo).await;
    let shown = chat.stands("unjudged").await;
    assert_eq!((&shown["absence"], &shown["last"]), (&Value::Null, &json!("other agent")));
    assert_eq!(chat.told().await, 1, "{:?}", chat.transcript().await);
    assert_eq!(chat.invites().await.len(), 2, "one invite beside the first task");
}

/// Flex reaches Twilio, and the plugin does not reach the server any more: Ada takes what TaskRouter offers.
#[tokio::test]
async fn an_agent_whose_page_is_cut_off_from_the_server_alone_keeps_the_chat_that_they_take() {
    let chat = Chat::begins().await;
    chat.page_goes().await;
    chat.floor
        .until("Ada has taken our invite", |state| {
            let there = chat.of(state)?["participants"].as_array()?.iter();
            (there.filter(|it| it["kind"] == "agent").count() > 1).then_some(())
        })
        .await;
    let shown = chat.stands("unjudged").await;
    assert_eq!((&shown["absence"], &shown["last"]), (&Value::Null, &json!("same agent")));
    chat.is_with(Agent::Ada).await;
    assert_eq!((chat.told().await, chat.invites().await.len()), (1, 2), "{:?}", chat.transcript().await);
}

/// A network lets Flex through, and nothing to the server. By the account's logout settings TaskRouter knows that Ada is at a desktop.
#[tokio::test]
async fn an_agent_who_is_available_at_taskrouter_keeps_the_chat_until_a_customer_gets_no_answer() {
    let chat = Chat::begins_with(|settings| {
        settings.offline_after_ms = None;
        settings.goodbye_ms = 32_000;
        settings.available_unanswered_ms = 3000;
    })
    .await;
    let presence_ttl_ms = Some(1000);
    chat.floor.twin.tell(Event::Assume(Assumptions { presence_ttl_ms, ..Assumptions::default() }));
    chat.ada_writes("How can I help?").await;
    chat.page_goes().await;
    chat.stands("awaited").await;
    let shown = chat.stands("unjudged").await;
    assert_eq!(
        (&shown["absence"], &shown["last"]),
        (&Value::Null, &Value::Null),
        "nothing was begun: {shown:#}"
    );
    assert_eq!((chat.told().await, chat.invites().await.len()), (0, 1), "{:?}", chat.transcript().await);
    chat.customer_writes("Are you there?").await;
    chat.is_told().await;
    assert_eq!(chat.shown().await["absence"]["cause"], "unattended");
    let asked = chat.floor.twin.log_lines().iter().filter(|line| line.contains("/v1/Configuration")).count();
    assert!(asked <= 1, "the logout settings are read once: {asked}");
}

/// TaskRouter does not say where the agent is: the customer is told as if it had not been asked.
#[tokio::test]
async fn a_customer_is_told_though_taskrouter_does_not_answer_about_the_agent() {
    let chat = Chat::begins_with(|settings| settings.offline_after_ms = Some(1000)).await;
    let silent = json!({"method": "GET", "path": "/Workers/", "answer": "unavailable"});
    chat.floor.faults(json!({"requests": [silent]}));
    chat.page_goes().await;
    chat.is_told().await;
    let asked = |line: &String| line.contains("/Workers/") && line.contains("with a fault");
    assert!(chat.floor.twin.log_lines().iter().any(asked), "{:#?}", chat.floor.twin.log_lines());
}

/// What is in front of the server breaks, so that no page reaches it any more, while Twilio does: all agents are still there.
#[tokio::test]
async fn while_no_page_reaches_the_server_no_customer_is_told_that_their_agent_is_gone() {
    let chat = Chat::begins().await;
    let (mut pages, others) = (vec![chat.channel(&chat.floor.token()).await], 1..4);
    for number in others.clone() {
        pages.push(chat.channel(&chat.token_of_worker(number)).await);
    }
    drop(pages);
    chat.stands("awaited").await;
    // Twice the time after which Ada would count as gone.
    let until = Instant::now() + 2 * Duration::from_millis(SOON);
    while Instant::now() < until {
        let shown = chat.shown().await;
        assert_eq!((&shown["attendance"], &shown["absence"]), (&json!("awaited"), &Value::Null));
        look_again().await;
    }
    assert_eq!((chat.told().await, chat.invites().await.len()), (0, 1));
    // The pages of two agents reach it again. Ada's does not: it has gone meanwhile.
    let (heard_at, mut pages) = (shell_now(), vec![]);
    for number in others.take(2) {
        pages.push(chat.channel(&chat.token_of_worker(number)).await);
    }
    chat.is_told().await;
    let since = chat.shown().await["absence"]["since"].as_u64().unwrap();
    assert!(since >= heard_at.0 + SOON, "each page has the time of a reload: {heard_at:?} {since}");
}

#[tokio::test]
async fn what_twilio_did_not_take_is_dropped_once_the_agent_is_back() {
    let chat = Chat::begins().await;
    let unavailable = |path| json!({"method": "POST", "path": path, "answer": "unavailable"});
    chat.floor.faults(json!({"requests": [unavailable("Messages"), unavailable("Invites")]}));
    chat.page_goes().await;
    chat.stands("unattended").await;
    // Both were tried once.
    let is_refused = |line: &String, what: &str| line.contains(what) && line.contains("with a fault");
    let is_tried = |what: &&str| chat.floor.twin.log_lines().iter().any(|line| is_refused(line, what));
    until_so("both are refused", async || ["Messages", "Invites"].iter().all(is_tried)).await;
    chat.page_comes().await;
    chat.stands("attended").await;
    chat.floor.faults(json!({}));
    until_so("nothing is requested", async || chat.shown().await["requested"] == json!([])).await;
    assert_eq!(chat.told().await, 0, "{:?}", chat.transcript().await);
    assert_eq!(chat.invites().await.len(), 1, "the task by which it began");
}

#[tokio::test]
async fn without_the_webhook_of_interactions_what_the_page_says_is_enough() {
    let chat = Chat::begins_on(Chat::floor(|_| ()).await).await;
    takes_chats(&chat.floor, Agent::Bo);
    chat.page_goes().await;
    chat.floor.is(Agent::Ada, "Offline").await;
    chat.floor.is(Agent::Bo, "Available").await;
    let bo = Agent::Bo.worker();
    chat.floor
        .until("Bo has it, too", |state| {
            let mut there = chat.of(state)?["participants"].as_array()?.iter();
            there.any(|it| it["joined"] == true && it["worker"] == bo.as_str()).then_some(())
        })
        .await;
    chat.bo_claims(&chat.conversation).await;
    chat.is_with(Agent::Bo).await;
    let shown = chat.stands("attended").await;
    assert_eq!(shown["last"], "other agent");
    assert_eq!((chat.told().await, chat.invites().await.len()), (1, 2), "{:?}", chat.transcript().await);
}

#[tokio::test]
async fn a_page_that_claims_somebody_elses_conversation_on_another_channel_changes_nothing() {
    let chat = Chat::starts_on(Chat::floor(|_| ()).await).await;
    let other = customer_begins(&chat.floor).await;
    chat.bo_claims(&other).await;
    assert_eq!(chat.shown().await["attendance"], "undecided");
    // The true one beside it.
    chat.page_comes().await;
    chat.stands("attended").await;
    chat.bo_claims(&other).await;
    chat.page_goes().await;
    let shown = chat.stands("unattended").await;
    assert_eq!(shown["agents"], json!([Agent::Ada.worker()]));
}

#[tokio::test]
async fn a_task_that_is_canceled_under_its_agent_leaves_nobody() {
    for event in ["canceled", "deleted"] {
        let chat = Chat::begins().await;
        chat.task_is(event).await;
        // Ada's page is there, but Ada has no task any more.
        chat.stands("waiting").await;
    }
}

/// Ada is back at a page that does not reach the server, and Twilio's webhooks do not either. The invite finds nobody.
#[tokio::test]
async fn a_lost_agent_who_leaves_unreported_ends_it_by_their_completed_task() {
    let chat = Chat::begins().await;
    chat.customer_writes("Are you there?").await;
    chat.page_goes().await;
    chat.floor.is(Agent::Ada, "Offline").await;
    chat.floor
        .until("an agent is invited", |state| (state["tasks"].as_array()?.len() == 2).then_some(()))
        .await;
    // Afterwards the message would make the chat active again.
    chat.is_told().await;
    chat.is_told_of_no_more().await;
    chat.ada_leaves().await;
    chat.newest_task_ends().await;
    chat.stands("left").await;
    assert_eq!(chat.invites().await.len(), 2);
}

/// The workflow has nobody, and TaskRouter says so before Twilio's answer to the invite is there.
#[tokio::test]
async fn an_invite_whose_task_ends_before_the_server_knows_it_makes_way_for_the_next() {
    let chat = Chat::begins().await;
    chat.customer_writes("Are you there?").await;
    let latency = chat.floor.twin.config().latency.clone();
    latency.set_ms(400);
    chat.page_goes().await;
    chat.floor.is(Agent::Ada, "Offline").await;
    let number = |state: &Value| Some(state["tasks"].as_array()?.len());
    chat.floor.until("an agent is invited", |state| (number(state)? == 2).then_some(())).await;
    // The answer is on its way by now, for as long as it takes.
    latency.set_ms(0);
    chat.newest_task_ends().await;
    chat.floor.until("another is invited", |state| (number(state)? == 3).then_some(())).await;
}

/// Flex may make a task of its own for the customer's next message, or not: one agent is asked in either case.
async fn is_parked_and_woken(flex_invites: bool) {
    let chat = Chat::begins_with(|settings| settings.unattended = Unattended::Park).await;
    let left_chat_invites_itself = Some(flex_invites);
    chat.floor.twin.tell(Event::Assume(Assumptions { left_chat_invites_itself, ..Assumptions::default() }));
    chat.ada_writes("How can I help?").await;
    chat.page_goes().await;
    let shown = chat.stands("parked").await;
    assert_eq!(shown["last"], "parked");
    assert_eq!(chat.told().await, 1, "{:?}", chat.transcript().await);
    takes_chats(&chat.floor, Agent::Bo);
    chat.floor.is(Agent::Ada, "Offline").await;
    chat.floor.is(Agent::Bo, "Available").await;
    for body in ["Are you there?", "\u{1f600}", "My parcel is late."] {
        chat.customer_writes(body).await;
    }
    chat.is_with(Agent::Bo).await;
    chat.stands("unjudged").await;
    assert_eq!(chat.invites().await.len(), 2, "one task beside the first");
    assert_eq!(chat.told().await, 1, "{:?}", chat.transcript().await);
}

#[tokio::test]
async fn a_parked_chat_is_woken_by_one_invite_for_a_burst() {
    Box::pin(is_parked_and_woken(false)).await;
}

#[tokio::test]
async fn a_parked_chat_that_flex_routes_itself_gets_no_second_invite() {
    Box::pin(is_parked_and_woken(true)).await;
}

/// A chat's message has at most 32 kB. A form needs three bytes for each byte of an emoji.
#[tokio::test]
async fn a_webhook_about_the_longest_message_is_read() {
    let world = World::start().await;
    let (conversation, message) = (ConversationSid::numbered(1), MessageSid::numbered(1));
    let said = async |path: &str, body: &str| {
        let params = [
            ("EventType", "onMessageAdded"),
            ("ConversationSid", conversation.as_str()),
            ("MessageSid", message.as_str()),
            ("Index", "7"),
            ("Body", body),
        ];
        world.desk.signed(path, &params).await.status()
    };
    let longest = "\u{1f600}".repeat(8 * 1024);
    assert_eq!(said("/webhooks/conversations", &longest).await, 204);
    assert_eq!(said("/webhooks/conversations", &longest.repeat(2)).await, 413);
    assert_eq!(said("/webhooks/conference", &longest).await, 413, "no call's webhook is so long");
}

#[tokio::test]
async fn a_silent_chat_is_alerted_twice_and_closed() {
    let chat = Chat::begins_with(|settings| {
        (settings.alert_ms, settings.second_alert_ms, settings.close_ms) = (3000, 6000, 9000);
        // The page has no push channel.
        settings.polling_stopped_ms = 60_000;
    })
    .await;
    chat.stands("closed").await;
    let transcript = chat.transcript().await;
    assert_eq!(chat.told().await, 2, "{transcript:?}");
    let said: Vec<&String> = transcript.iter().filter(|line| line.starts_with("system: ")).collect();
    assert_ne!(said[0], said[1], "the second alert says that it is the last");
}

/// What `rejoin explain` says of a subject, beside the server.
fn explained(chat: &Chat, arguments: &[&str]) -> (bool, String) {
    let output = explain_on(&chat.floor.config().storage.database_url, arguments);
    let said = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(said).unwrap())
}

async fn supervisors_see_a_conversation_that_has_nobody_and_its_story(database: &Database) {
    // On a busy machine the console takes its time to show it.
    let chat = Chat::begins_at(Some(database), |settings| settings.goodbye_ms = 3 * SOON).await;
    let browser = Browser::signed_in(&chat.floor.config().public_url).await;
    let empty = browser.page("/console").await;
    assert!(empty.contains("No conversation waits for an agent."), "{empty}");
    let mut follows = Following::of(&browser).await;
    takes_chats(&chat.floor, Agent::Bo);
    chat.page_goes().await;
    follows.shows("conversations", "The agent's page is away").await;
    chat.customer_writes("My name is Tom, <b>are you there?").await;
    chat.floor.is(Agent::Ada, "Offline").await;
    let link = format!("href=\"/console/calls/{}\"", chat.conversation);
    let absent = follows.shows("conversations", "s ago").await;
    for shown in [
        link.as_str(),
        Agent::Ada.worker().as_str(),
        "page closed",
        "Have nobody</dt><dd><span class=\"bad\">1",
    ] {
        assert!(absent.contains(shown), "{shown} is not in {absent}");
    }
    let page = browser.page(&format!("/console/calls/{}", chat.conversation)).await;
    for shown in
        ["<rejoin-timeline", "Nobody has this conversation.", "Conversation details", "Absence 1 begins"]
    {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    chat.floor.is(Agent::Bo, "Available").await;
    chat.is_with(Agent::Bo).await;
    chat.stands("unjudged").await;
    follows.shows("conversations", "Another agent has it").await;

    let conversation = chat.conversation.to_string();
    let (_, story) = explained(&chat, &["--json", &conversation]);
    let story: Value = serde_json::from_str(&story).unwrap();
    let entries = story["entries"].as_array().unwrap();
    let tasks: Vec<&str> = entries.iter().filter_map(|it| it["entry"]["task"].as_str()).collect();
    assert_eq!((story["now"]["attendance"].as_str(), tasks.len()), (Some("unjudged"), 2), "{story:#}");
    let channel = format!("UO{}", chat.conversation.digits());
    for subject in [&conversation, &channel, tasks[0], tasks[1]] {
        let (_, said) = explained(&chat, &[subject]);
        let (ada, bo) = (Agent::Ada.worker(), Agent::Bo.worker());
        let order = [
            conversation.as_str(),
            &channel,
            tasks[0],
            "= attended: A page of an agent on it is there.",
            &format!("< A page of agent {ada} is gone: goodbye."),
            "= awaited: ",
            "< The customer has written, and no agent's page is there.",
            "= unattended: ",
            &format!("= Absence 1 begins: all pages of agent {ada} are gone"),
            "> Twilio is to tell the customer",
            &format!("> Twilio is to invite agent {ada} first"),
            "< Twilio has made invite KG",
            tasks[1],
            "> Twilio is to close UT",
            &format!("is agent {bo}"),
            "= Absence 1 has ended: other agent",
            "Now: unjudged.",
        ];
        in_order(&said, &order);
        assert_eq!(said.matches("< The customer is told.").count(), 1, "{said}");
        for personal in ["Tom", "Hello", "Ada", "Customer,", "system"] {
            assert!(!said.contains(personal), "{personal} is in {said}");
        }
    }
    for (wrong, why) in
        [("CHnonsense", "is wanted"), (&*ConversationSid::numbered(9).to_string(), "nothing about that")]
    {
        let (is_good, said) = explained(&chat, &[wrong]);
        assert!(!is_good && said.contains(why), "{said}");
    }
    let found = browser.get(&format!("/console/calls?id={conversation}")).await;
    assert_eq!(found.headers()["location"], format!("/console/calls/{conversation}"));
    let path = format!("/operator/timeline/{conversation}");
    let mut streamed = Events::open(&chat.floor.desk, &path, OPERATOR_TOKEN).await;
    while streamed.next().await.expect("it goes on")["entry"]["ending"] != "other-agent" {}
    for unknown in ["/operator/timeline/CHx", "/operator/timeline/UO1"] {
        let answer = chat.floor.desk.http.get(format!("{}{unknown}", chat.floor.config().public_url));
        assert_eq!(answer.bearer_auth(OPERATOR_TOKEN).send().await.unwrap().status(), 404);
    }
    let figures = chat.floor.desk.figures().await;
    for figure in [
        "rejoin_conversations{attendance=\"unjudged\"} 1",
        "rejoin_conversations_absent 0",
        "rejoin_conversation_endings_total{ending=\"other agent\"}",
        "rejoin_conversation_requests_total{action=\"invite\",result=\"ok\"}",
    ] {
        assert!(figures.contains(figure), "{figure} is not in {figures}");
    }
    assert!(!figures.contains(&conversation));
}
