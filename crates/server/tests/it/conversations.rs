//! Conversations on the twin: pages that go, agents who come back or do not, and what the customer reads.

use crate::console::{Browser, Following};
use crate::database::{Database, on_both};
use crate::explain::{explain_on, in_order};
use crate::floor::Floor;
use crate::support::{AUTH_TOKEN, Events, OPERATOR_TOKEN};
use rejoin_protocol::{AccountSid, ConversationSid, InteractionSid, InviteSid, ReservationSid, WorkspaceSid};
use rejoin_server::config::{ConversationSettings, Switch, Unattended};
use rejoin_twilio::signature;
use rejoin_twin::flex::agent::Agent;
use rejoin_twin::model::{Assumptions, ChatRequest, Event, NewMessage, Request};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

on_both!(supervisors_see_a_conversation_that_has_nobody_and_its_story,);

/// The shortest time that makes an agent gone.
const SOON: u64 = 15_000;

/// A chat between a customer and Ada, whose page is there.
struct Chat {
    floor: Floor,
    conversation: ConversationSid,
    interaction: InteractionSid,
    epoch: AtomicU64,
}

impl Chat {
    async fn begins() -> Self {
        Self::begins_with(|_| ()).await
    }

    /// Conversations are on, and Twilio tells the server of them.
    async fn begins_with(change: impl FnOnce(&mut ConversationSettings)) -> Self {
        Self::begins_at(None, change).await
    }

    /// The same, on this database.
    async fn begins_at(database: Option<&Database>, change: impl FnOnce(&mut ConversationSettings)) -> Self {
        let floor = Self::floor_at(database, change).await;
        tells_of_interactions(&floor).await;
        Self::begins_on(floor).await
    }

    /// A twin that tells the server of messages and states, not of interactions.
    async fn floor(change: impl FnOnce(&mut ConversationSettings)) -> Floor {
        Self::floor_at(None, change).await
    }

    /// The same, on this database.
    async fn floor_at(database: Option<&Database>, change: impl FnOnce(&mut ConversationSettings)) -> Floor {
        let floor = Floor::open_with(|config| {
            if let Some(database) = database {
                config.storage.database_url.clone_from(&database.url);
            }
            config.conversations.on = Switch::On;
            config.conversations.goodbye_ms = SOON;
            config.conversations.push_closed_ms = SOON;
            config.conversations.polling_stopped_ms = SOON;
            config.conversations.offline_within_ms = SOON;
            change(&mut config.conversations);
        })
        .await;
        let server = floor.config().public_url.clone();
        let conversations = format!("{server}/webhooks/conversations");
        let form = [
            ("PostWebhookUrl", conversations.as_str()),
            ("Filters", "onMessageAdded"),
            ("Filters", "onConversationStateUpdated"),
        ];
        asks(&floor, "conversations.twilio.com/v1/Configuration/Webhooks", &form).await;
        floor
    }

    async fn begins_on(floor: Floor) -> Self {
        let chat = Self::starts_on(floor).await;
        chat.page_comes().await;
        chat.stands("attended").await;
        chat
    }

    /// Ada has the chat; no page has said so yet.
    async fn starts_on(floor: Floor) -> Self {
        takes_chats(&floor, Agent::Ada);
        let conversation = customer_begins(&floor).await;
        let interaction = InteractionSid::parse(&format!("KD{}", conversation.digits())).unwrap();
        let chat = Self { floor, conversation, interaction, epoch: AtomicU64::new(1) };
        chat.is_with(Agent::Ada).await;
        chat
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Ada's page loads, and says which conversations Ada has.
    async fn page_comes(&self) {
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed) + 1;
        let said = self.page_says("/v1/hello", json!({ "epoch": epoch, "holdings": [] })).await;
        assert_eq!(said, 200);
        let claim = json!({
            "conversation": self.conversation, "interaction": self.interaction,
            "channel": format!("UO{}", self.conversation.digits()),
        });
        let claims = json!({ "epoch": epoch, "conversations": [claim] });
        assert_eq!(self.page_says("/v1/conversations", claims).await, 204);
    }

    /// A page of Bo's says that this conversation, which is Ada's, is on this channel.
    async fn bo_claims(&self, channel: &ConversationSid) {
        let token = self.floor.token_of(Agent::Bo);
        let claim = json!({
            "conversation": self.conversation, "interaction": format!("KD{}", channel.digits()),
            "channel": format!("UO{}", channel.digits()),
        });
        let claims = json!({ "epoch": 77, "conversations": [claim] });
        let url = format!("{}/v1/conversations", self.floor.config().public_url);
        let said = self.floor.desk.http.post(url).bearer_auth(token).json(&claims).send().await.unwrap();
        assert_eq!(said.status(), 204);
    }

    async fn page_says(&self, path: &str, body: Value) -> u16 {
        let url = format!("{}{path}", self.floor.config().public_url);
        let request = self.floor.desk.http.post(url).bearer_auth(self.floor.token()).json(&body);
        request.send().await.unwrap().status().as_u16()
    }

    /// Ada's page goes away, and says so.
    async fn page_goes(&self) {
        let url = format!("{}/v1/goodbye", self.floor.config().public_url);
        let beacon = json!({ "token": self.floor.token(), "gone": self.epoch() }).to_string();
        let request = self.floor.desk.http.post(url).header("content-type", "text/plain").body(beacon);
        assert_eq!(request.send().await.unwrap().status(), 204);
    }

    /// TaskRouter reports that the task of the chat is canceled.
    async fn task_is_canceled(&self) {
        let state = self.floor.twin.snapshot().await;
        let attributes = json!({ "conversationSid": self.conversation });
        let event = json!([{
            "specversion": "1.0", "type": "com.twilio.taskrouter.task.canceled", "id": "EV1",
            "time": "2026-11-20T05:00:00.000Z",
            "data": {"payload": {
                "workspace_sid": WorkspaceSid::numbered(1), "task_sid": self.of(&state).unwrap()["tasks"][0],
                "task_attributes": attributes.to_string(), "task_canceled_reason": "Workflow timeout",
            }},
        }]);
        let body = event.to_string();
        let path = format!("/webhooks/events?bodySHA256={}", crate::support::hash(&body));
        let url = format!("{}{path}", self.floor.config().public_url);
        let signature = signature::sign(AUTH_TOKEN, &url, &[]);
        let request = self.floor.desk.http.post(url).body(body).header(signature::HEADER, signature);
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }

    /// Ada writes at the desktop.
    async fn ada_writes(&self, body: &str) {
        let message = NewMessage {
            author: Agent::Ada.identity().to_owned(),
            body: body.to_owned(),
            attributes: None,
            by_member: true,
            webhooks: true,
        };
        let conversation = self.conversation.clone();
        self.floor.twin.ask(Request::Chat(ChatRequest::Say { conversation, message })).await.unwrap();
    }

    async fn customer_writes(&self, body: &str) {
        let url = self.floor.twilio().replace("/__tw", "/__twin");
        let url = format!("{url}/chats/{}/messages", self.conversation);
        let said = self.floor.desk.http.post(url).json(&json!({ "body": body })).send().await.unwrap();
        assert_eq!(said.status(), 204);
    }

    /// The conversation as Twilio has it.
    fn of<'a>(&self, state: &'a Value) -> Option<&'a Value> {
        state["chats"].as_array()?.iter().find(|chat| chat["sid"] == self.conversation.as_str())
    }

    /// Waits until this agent is in it, alone.
    async fn is_with(&self, agent: Agent) {
        let worker = agent.worker();
        self.floor
            .until(&format!("{} has the conversation", agent.name()), |state| {
                let there = self.of(state)?["participants"].as_array()?.iter();
                let agents: Vec<&Value> =
                    there.filter(|it| it["joined"] == true && it["kind"] == "agent").collect();
                (agents.len() == 1 && agents[0]["worker"] == worker.as_str()).then_some(())
            })
            .await;
    }

    /// What was said, by whom.
    async fn transcript(&self) -> Vec<String> {
        let state = self.floor.twin.snapshot().await;
        let messages = self.of(&state).unwrap()["messages"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        messages.iter().map(|it| format!("{}: {}", text(&it["author"]), text(&it["body"]))).collect()
    }

    /// Number of messages by the system.
    async fn told(&self) -> usize {
        self.transcript().await.iter().filter(|line| line.starts_with("system: ")).count()
    }

    /// The conversation as an operator sees it; `Null`: the server does not know it.
    async fn shown(&self) -> Value {
        let url = format!("{}/operator/conversations", self.floor.config().public_url);
        let all = self.floor.desk.http.get(url).bearer_auth(OPERATOR_TOKEN).send().await.unwrap();
        let all: Value = all.json().await.unwrap();
        let own = all.as_array().unwrap().iter().find(|it| it["conversation"] == self.conversation.as_str());
        own.cloned().unwrap_or_default()
    }

    /// Waits until the server sees it so.
    async fn stands(&self, attendance: &str) -> Value {
        let waiting = async {
            loop {
                let shown = self.shown().await;
                if shown["attendance"] == attendance {
                    return shown;
                }
                crate::support::look_again().await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(60), waiting).await {
            Ok(shown) => shown,
            Err(_) => {
                panic!("not {attendance}: {:#}\n{:#?}", self.shown().await, self.floor.twin.log_lines())
            }
        }
    }

    /// Tasks that invited somebody, with their attributes.
    async fn invites(&self) -> Vec<Value> {
        let state = self.floor.twin.snapshot().await;
        let tasks = state["tasks"].as_array().unwrap().iter().map(|task| task["attributes"].clone());
        tasks.filter(|attributes| attributes["conversationSid"] == self.conversation.as_str()).collect()
    }
}

async fn customer_begins(floor: &Floor) -> ConversationSid {
    let url = format!("{}/chats", floor.twilio().replace("/__tw", "/__twin"));
    let begun = floor.desk.http.post(url).json(&json!({ "body": "Hello?" })).send().await.unwrap();
    let begun: Value = begun.json().await.unwrap();
    ConversationSid::parse(begun["conversation"].as_str().unwrap()).unwrap()
}

async fn tells_of_interactions(floor: &Floor) {
    let interactions = format!("{}/webhooks/interactions", floor.config().public_url);
    let form = [
        ("WebhookUrl", interactions.as_str()),
        ("WebhookEvents", "onParticipantJoined"),
        ("WebhookEvents", "onParticipantLeft"),
        ("WebhookEvents", "onChannelStatusUpdated"),
    ];
    let instance = format!("GO{}", AccountSid::numbered(1).digits());
    asks(floor, &format!("flex-api.twilio.com/v1/Instances/{instance}/InteractionWebhooks"), &form).await;
}

async fn asks(floor: &Floor, path: &str, form: &[(&str, &str)]) {
    let request = floor.desk.http.post(format!("{}/{path}", floor.twilio()));
    let request = request.basic_auth(AccountSid::numbered(1), Some(AUTH_TOKEN)).form(form);
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
}

/// The agent accepts every chat that is offered.
fn takes_chats(floor: &Floor, agent: Agent) {
    let mut offered = floor.twin.listen_worker(agent.worker());
    let twin = floor.twin.clone();
    tokio::spawn(async move {
        while let Some((event, reservation)) = offered.recv().await {
            let attributes = reservation["task"]["attributes"].as_str().unwrap_or_default();
            let attributes: Value = serde_json::from_str(attributes).unwrap_or_default();
            let (Some(interaction), Some(invite)) =
                (attributes["flexInteractionSid"].as_str(), attributes["flexChannelInviteSid"].as_str())
            else {
                continue;
            };
            if event != "reservation.created" {
                continue;
            }
            let accept = ChatRequest::AnswerInvite {
                interaction: InteractionSid::parse(interaction).unwrap(),
                invite: InviteSid::parse(invite).unwrap(),
                worker: agent.worker(),
                accept: true,
                reservation: ReservationSid::parse(reservation["sid"].as_str().unwrap()).unwrap(),
            };
            // It may have been taken back.
            let _ = twin.ask(Request::Chat(accept)).await;
        }
    });
}

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
    let chat = Chat::begins().await;
    chat.task_is_canceled().await;
    // Ada's page is there, but Ada has no task any more.
    chat.stands("waiting").await;
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
    for body in ["Are you there?", "Hello?", "My parcel is late."] {
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
    let chat = Chat::begins_at(Some(database), |_| ()).await;
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
