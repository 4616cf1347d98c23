//! A chat on the twin, with a customer and two agents: Ada, whose page comes and goes, and the agent who takes the chat next.

use crate::database::Database;
use crate::floor::Floor;
use crate::support::{AUTH_TOKEN, Events, OPERATOR_TOKEN};
use rejoin_protocol::{
    AccountSid, ConversationSid, InteractionSid, InviteSid, ReservationSid, WorkerSid, WorkspaceSid,
};
use rejoin_server::config::{ConversationSettings, Switch};
use rejoin_twilio::signature;
use rejoin_twin::flex::{
    agent::Agent,
    token::{self, TokenClaims},
};
use rejoin_twin::model::{ChatRequest, NewMessage, Request};
use rejoin_twin::shell_now;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The shortest time that makes an agent gone.
pub(crate) const SOON: u64 = 15_000;

/// A chat between a customer and Ada, whose page is there.
pub(crate) struct Chat {
    pub(crate) floor: Floor,
    pub(crate) conversation: ConversationSid,
    interaction: InteractionSid,
    epoch: AtomicU64,
    /// Address of the server that Ada's page uses.
    page_at: String,
}

impl Chat {
    pub(crate) async fn begins() -> Self {
        Self::begins_with(|_| ()).await
    }

    /// Conversations are on, and Twilio tells the server of them.
    pub(crate) async fn begins_with(change: impl FnOnce(&mut ConversationSettings)) -> Self {
        Self::begins_at(None, change).await
    }

    /// The same, on this database.
    pub(crate) async fn begins_at(
        database: Option<&Database>,
        change: impl FnOnce(&mut ConversationSettings),
    ) -> Self {
        let floor = Self::floor_at(database, change).await;
        tells_of_interactions(&floor).await;
        Box::pin(Self::begins_on(floor)).await
    }

    /// A twin that tells the server of messages and states, not of interactions.
    pub(crate) async fn floor(change: impl FnOnce(&mut ConversationSettings)) -> Floor {
        Self::floor_at(None, change).await
    }

    /// The same, on this database.
    pub(crate) async fn floor_at(
        database: Option<&Database>,
        change: impl FnOnce(&mut ConversationSettings),
    ) -> Floor {
        let open = Floor::open_with(|config| {
            if let Some(database) = database {
                config.storage.database_url.clone_from(&database.url);
            }
            config.conversations.on = Switch::On;
            config.conversations.goodbye_ms = SOON;
            config.conversations.push_closed_ms = SOON;
            config.conversations.polling_stopped_ms = SOON;
            config.conversations.offline_within_ms = SOON;
            // Flex sets nobody offline, and TaskRouter is not asked who is.
            config.conversations.offline_after_ms = Some(0);
            change(&mut config.conversations);
        });
        let floor = Box::pin(open).await;
        tells_of_conversations(&floor).await;
        floor
    }

    pub(crate) async fn begins_on(floor: Floor) -> Self {
        let chat = Self::starts_on(floor).await;
        chat.page_comes().await;
        chat.stands("attended").await;
        chat
    }

    /// Ada has the chat; no page has said so yet.
    pub(crate) async fn starts_on(floor: Floor) -> Self {
        let page_at = floor.config().public_url.clone();
        Self::starts_at(floor, page_at).await
    }

    /// The same, with Ada's page at another server than Twilio's webhooks.
    pub(crate) async fn starts_at(floor: Floor, page_at: String) -> Self {
        takes_chats(&floor, Agent::Ada);
        let conversation = customer_begins(&floor).await;
        let interaction = InteractionSid::parse(&format!("KD{}", conversation.digits())).unwrap();
        let chat = Self { floor, conversation, interaction, epoch: AtomicU64::new(1), page_at };
        chat.is_with(Agent::Ada).await;
        chat
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Ada's page loads, and says which conversations Ada has.
    pub(crate) async fn page_comes(&self) {
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
    pub(crate) async fn bo_claims(&self, channel: &ConversationSid) {
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

    pub(crate) async fn page_says(&self, path: &str, body: Value) -> u16 {
        let url = format!("{}{path}", self.page_at);
        let request = self.floor.desk.http.post(url).bearer_auth(self.floor.token()).json(&body);
        sent(&request).await.status().as_u16()
    }

    /// Ada's page goes away, and says so.
    pub(crate) async fn page_goes(&self) {
        let url = format!("{}/v1/goodbye", self.page_at);
        let beacon = json!({ "token": self.floor.token(), "gone": self.epoch() }).to_string();
        let request = self.floor.desk.http.post(url).header("content-type", "text/plain").body(beacon);
        assert_eq!(sent(&request).await.status(), 204);
    }

    /// The push channel of a page, with the epoch of Ada's.
    pub(crate) async fn channel(&self, token: &str) -> Events {
        Events::open(&self.floor.desk, &format!("/v1/push?epoch={}", self.epoch()), token).await
    }

    /// A token of a worker without a name.
    pub(crate) fn token_of_worker(&self, number: u128) -> String {
        let (account, workspace) = (AccountSid::numbered(1), WorkspaceSid::numbered(1));
        let claims = Agent::Bo.claims(account, workspace, shell_now());
        let claims =
            TokenClaims { worker: WorkerSid::numbered(number), roles: vec!["agent".into()], ..claims };
        token::issue(AUTH_TOKEN, &claims)
    }

    /// From now on Twilio tells the server nothing about conversations.
    pub(crate) async fn is_told_of_no_more(&self) {
        let nowhere = format!("{}/nowhere", self.floor.config().public_url);
        let form = [("PostWebhookUrl", nowhere.as_str()), ("Filters", "onMessageAdded")];
        asks(&self.floor, "conversations.twilio.com/v1/Configuration/Webhooks", &form).await;
        let form = [("WebhookUrl", nowhere.as_str()), ("WebhookEvents", "onParticipantJoined")];
        asks(&self.floor, &interaction_webhooks(), &form).await;
    }

    /// Ada leaves it by the button of Flex, which completes Ada's task.
    pub(crate) async fn ada_leaves(&self) {
        let state = self.floor.twin.snapshot().await;
        let chat = self.of(&state).unwrap();
        let (channel, task) = (chat["channel"].as_str().unwrap(), &chat["tasks"][0]);
        let reservations = state["reservations"].as_array().unwrap();
        let own = reservations.iter().find(|it| it["task"] == *task).expect("Ada's reservation");
        let (task, own) = (task.as_str().unwrap(), own["sid"].as_str().unwrap());
        let workspace = WorkspaceSid::numbered(1);
        let path = format!("taskrouter.twilio.com/v1/Workspaces/{workspace}/Tasks/{task}/Reservations/{own}");
        asks(&self.floor, &path, &[("ReservationStatus", "completed")]).await;
        let path = format!("flex-api.twilio.com/v1/Interactions/{}/Channels/{channel}", self.interaction);
        asks(&self.floor, &path, &[("Status", "inactive"), ("Routing", r#"{"status":"closed"}"#)]).await;
    }

    /// The workflow has nobody left for the newest task of the chat, as TaskRouter reports.
    pub(crate) async fn newest_task_ends(&self) {
        let state = self.floor.twin.snapshot().await;
        let tasks = self.of(&state).unwrap()["tasks"].as_array().unwrap().clone();
        let task = tasks.last().and_then(Value::as_str).unwrap();
        let path = format!("taskrouter.twilio.com/v1/Workspaces/{}/Tasks/{task}", WorkspaceSid::numbered(1));
        asks(&self.floor, &path, &[("AssignmentStatus", "canceled"), ("Reason", "nobody")]).await;
        self.reports(task, "canceled").await;
    }

    /// TaskRouter reports that the task of the chat is canceled, or deleted.
    pub(crate) async fn task_is(&self, event: &str) {
        let state = self.floor.twin.snapshot().await;
        self.reports(self.of(&state).unwrap()["tasks"][0].as_str().unwrap(), event).await;
    }

    async fn reports(&self, task: &str, event: &str) {
        let attributes = json!({ "conversationSid": self.conversation });
        let event = json!([{
            "specversion": "1.0", "type": format!("com.twilio.taskrouter.task.{event}"), "id": "EV1",
            "time": "2026-11-20T05:00:00.000Z",
            "data": {"payload": {
                "workspace_sid": WorkspaceSid::numbered(1), "task_sid": task,
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
    pub(crate) async fn ada_writes(&self, body: &str) {
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

    pub(crate) async fn customer_writes(&self, body: &str) {
        let url = self.floor.twilio().replace("/__tw", "/__twin");
        let url = format!("{url}/chats/{}/messages", self.conversation);
        let said = self.floor.desk.http.post(url).json(&json!({ "body": body })).send().await.unwrap();
        assert_eq!(said.status(), 204);
    }

    /// The conversation as Twilio has it.
    pub(crate) fn of<'a>(&self, state: &'a Value) -> Option<&'a Value> {
        state["chats"].as_array()?.iter().find(|chat| chat["sid"] == self.conversation.as_str())
    }

    /// Waits until this agent is in it, alone.
    pub(crate) async fn is_with(&self, agent: Agent) {
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
    pub(crate) async fn transcript(&self) -> Vec<String> {
        let state = self.floor.twin.snapshot().await;
        let messages = self.of(&state).unwrap()["messages"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        messages.iter().map(|it| format!("{}: {}", text(&it["author"]), text(&it["body"]))).collect()
    }

    /// Number of messages by the system.
    pub(crate) async fn told(&self) -> usize {
        self.transcript().await.iter().filter(|line| line.starts_with("system: ")).count()
    }

    /// Waits until the customer is told something.
    pub(crate) async fn is_told(&self) {
        let by_system = |message: &Value| message["author"] == "system";
        let told =
            |state: &Value| self.of(state)?["messages"].as_array()?.iter().any(by_system).then_some(());
        self.floor.until("the customer is told", told).await;
    }

    /// The conversation as an operator sees it; `Null`: the server does not know it.
    pub(crate) async fn shown(&self) -> Value {
        let url = format!("{}/operator/conversations", self.floor.config().public_url);
        let all = sent(&self.floor.desk.http.get(url).bearer_auth(OPERATOR_TOKEN)).await;
        let all: Value = all.json().await.unwrap();
        let own = all.as_array().unwrap().iter().find(|it| it["conversation"] == self.conversation.as_str());
        own.cloned().unwrap_or_default()
    }

    /// Waits until the server sees it so.
    pub(crate) async fn stands(&self, attendance: &str) -> Value {
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
    pub(crate) async fn invites(&self) -> Vec<Value> {
        let state = self.floor.twin.snapshot().await;
        let tasks = state["tasks"].as_array().unwrap().iter().map(|task| task["attributes"].clone());
        tasks.filter(|attributes| attributes["conversationSid"] == self.conversation.as_str()).collect()
    }
}

pub(crate) async fn customer_begins(floor: &Floor) -> ConversationSid {
    let url = format!("{}/chats", floor.twilio().replace("/__tw", "/__twin"));
    let begun = floor.desk.http.post(url).json(&json!({ "body": "Hello?" })).send().await.unwrap();
    let begun: Value = begun.json().await.unwrap();
    ConversationSid::parse(begun["conversation"].as_str().unwrap()).unwrap()
}

/// Sends it as a page does: again and again, while the server is away or has no answer.
async fn sent(request: &RequestBuilder) -> Response {
    let sent = async {
        loop {
            match request.try_clone().unwrap().send().await {
                Ok(answer) if answer.status() != 503 => return answer,
                _ => crate::support::look_again().await,
            }
        }
    };
    crate::support::in_time("the server is back", sent).await
}

/// Twilio tells the server of messages and states.
pub(crate) async fn tells_of_conversations(floor: &Floor) {
    let conversations = format!("{}/webhooks/conversations", floor.config().public_url);
    let form = [
        ("PostWebhookUrl", conversations.as_str()),
        ("Filters", "onMessageAdded"),
        ("Filters", "onConversationStateUpdated"),
    ];
    asks(floor, "conversations.twilio.com/v1/Configuration/Webhooks", &form).await;
}

/// Twilio tells the server who joins and leaves.
pub(crate) async fn tells_of_interactions(floor: &Floor) {
    let interactions = format!("{}/webhooks/interactions", floor.config().public_url);
    let form = [
        ("WebhookUrl", interactions.as_str()),
        ("WebhookEvents", "onParticipantJoined"),
        ("WebhookEvents", "onParticipantLeft"),
        ("WebhookEvents", "onChannelStatusUpdated"),
    ];
    asks(floor, &interaction_webhooks(), &form).await;
}

fn interaction_webhooks() -> String {
    let instance = format!("GO{}", AccountSid::numbered(1).digits());
    format!("flex-api.twilio.com/v1/Instances/{instance}/InteractionWebhooks")
}

async fn asks(floor: &Floor, path: &str, form: &[(&str, &str)]) {
    let request = floor.desk.http.post(format!("{}/{path}", floor.twilio()));
    let request = request.basic_auth(AccountSid::numbered(1), Some(AUTH_TOKEN)).form(form);
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
}

/// The agent accepts every chat that is offered.
pub(crate) fn takes_chats(floor: &Floor, agent: Agent) {
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
