//! Interactions and conversations by REST, and their webhooks.

use super::{Setup, body};
use rejoin_protocol::{ConversationSid, InteractionChannelSid, InteractionSid, WorkflowSid};
use rejoin_twilio::{ChannelEnd, ChannelPath, NewInvite};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const FLEX: &str = "flex-api.twilio.com/v1";
const CONVERSATIONS: &str = "conversations.twilio.com/v1";

impl Setup {
    async fn get(&self, url: &str) -> (StatusCode, Value) {
        body(self.request(Method::GET, url).send().await.expect("an answer")).await
    }

    async fn post(&self, url: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        body(self.request(Method::POST, url).form(form).send().await.expect("an answer")).await
    }

    /// A customer begins a chat: the conversation, and its interaction's channel.
    async fn chat(&self) -> (String, String) {
        let begin = self.client.post(format!("{}/__twin/chats", self.base));
        let begun = begin.json(&json!({ "name": "Customer", "body": "Hello?" })).send().await;
        let begun = body(begun.expect("an answer")).await.1;
        let conversation = begun["conversation"].as_str().expect("a SID").to_owned();
        let state = self.twin.snapshot().await;
        let chat = &state["chats"][0];
        let sid = |name: &str| chat[name].as_str().expect("a SID").to_owned();
        (conversation, format!("{FLEX}/Interactions/{}/Channels/{}", sid("interaction"), sid("channel")))
    }
}

#[tokio::test]
async fn an_interaction_is_read_invited_to_and_left_in_twilios_form() {
    let setup = Setup::new().await;
    let (conversation, channel) = setup.chat().await;
    let (status, read) = setup.get(&channel).await;
    assert_eq!((status, &read["status"], &read["type"]), (StatusCode::OK, &json!("active"), &json!("web")));

    let workspace = "WS00000000000000000000000000000001";
    let workflow = "WW00000000000000000000000000000001";
    let properties = json!({
        "workspace_sid": workspace, "workflow_sid": workflow, "task_channel_unique_name": "chat",
        "attributes": { "a": "b" }, "priority": 7, "timeout": 60,
    });
    let routing = json!({ "properties": properties }).to_string();
    let invites = format!("{channel}/Invites");
    let (status, invite) = setup.post(&invites, &[("Routing", &routing)]).await;
    assert_eq!(status, StatusCode::OK, "{invite}");
    let task = invite["routing"]["properties"]["task_sid"].as_str().expect("a task");
    let task = body(setup.taskrouter(Method::GET, &format!("Tasks/{task}")).send().await.expect("an answer"));
    let task = task.await.1;
    assert_eq!((&task["priority"], &task["timeout"]), (&json!(7), &json!(60)));
    let attributes: Value = serde_json::from_str(task["attributes"].as_str().expect("text")).expect("JSON");
    assert_eq!((&attributes["a"], &attributes["conversationSid"]), (&json!("b"), &json!(conversation)));
    assert_eq!(setup.get(&invites).await.1["invites"].as_array().map(Vec::len), Some(2));

    let foreign = routing.replace(workspace, "WS00000000000000000000000000000009");
    let wrong_invites = [("Routing", "no JSON"), ("Routing", "{}"), ("Routing", foreign.as_str())];
    for wrong in wrong_invites {
        assert_eq!(setup.post(&invites, &[wrong]).await.0, StatusCode::BAD_REQUEST, "{wrong:?}");
    }
    assert_eq!(setup.post(&invites, &[]).await.0, StatusCode::BAD_REQUEST);

    let participants = setup.get(&format!("{channel}/Participants")).await.1;
    assert_eq!(participants["participants"][0]["type"], "customer");
    let closed = r#"{"status":"closed"}"#;
    assert_eq!(setup.post(&channel, &[("Status", "inactive")]).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(setup.post(&channel, &[("Status", "over")]).await.0, StatusCode::BAD_REQUEST);
    let left = setup.post(&channel, &[("Status", "inactive"), ("Routing", closed)]).await;
    assert_eq!((left.0, &left.1["status"]), (StatusCode::OK, &json!("inactive")));
    let read = setup.get(&format!("{CONVERSATIONS}/Conversations/{conversation}")).await.1;
    assert_eq!(read["state"], "inactive");
    let unknown = channel.replace("/Interactions/KD", "/Interactions/KD1").replacen("0/", "/", 1);
    assert_eq!(setup.get(&unknown).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_system_message_reaches_the_conversation_and_webhooks_only_when_asked() {
    let mut setup = Setup::new().await;
    let url = format!("{}/chats", setup.far);
    let form = [("PostWebhookUrl", url.as_str()), ("Filters", "onMessageAdded"), ("Method", "POST")];
    let webhooks = format!("{CONVERSATIONS}/Configuration/Webhooks");
    assert_eq!(setup.post(&webhooks, &form).await.0, StatusCode::OK);
    assert_eq!(setup.get(&webhooks).await.1["filters"], json!(["onMessageAdded"]));
    let interactions = format!("{}/interactions", setup.far);
    let form = [
        ("WebhookUrl", interactions.as_str()),
        ("WebhookMethod", "POST"),
        ("Type", "global"),
        ("WebhookEvents", "onParticipantJoined"),
        ("WebhookEvents", "onChannelStatusUpdated"),
    ];
    let instance = format!("{FLEX}/Instances/GO00000000000000000000000000000001/InteractionWebhooks");
    assert_eq!(setup.post(&instance, &form).await.0, StatusCode::OK);

    let (conversation, channel) = setup.chat().await;
    let joined = setup.next("/interactions").await;
    assert!(joined.signed);
    assert_eq!(joined.params["MediaChannelSid"], conversation);
    let hello = setup.next("/chats").await;
    assert!(hello.signed);
    assert_eq!((hello.params["Body"].as_str(), hello.params["Source"].as_str()), ("Hello?", "SDK"));

    let messages = format!("{CONVERSATIONS}/Conversations/{conversation}/Messages");
    let quiet = setup.post(&messages, &[("Author", "system"), ("Body", "One moment")]).await;
    assert_eq!((quiet.0, &quiet.1["index"]), (StatusCode::CREATED, &json!(1)));
    let loud = setup.request(Method::POST, &messages).header("X-Twilio-Webhook-Enabled", "true");
    let loud = loud.form(&[("Author", "system"), ("Body", "Still here")]).send().await.expect("an answer");
    assert_eq!(loud.status(), StatusCode::CREATED);
    let told = setup.next("/chats").await;
    assert_eq!((told.params["Body"].as_str(), told.params["Source"].as_str()), ("Still here", "API"));
    let newest =
        super::queried(setup.request(Method::GET, &messages), &[("Order", "desc"), ("PageSize", "2")]);
    let newest = body(newest.send().await.expect("an answer")).await.1;
    let bodies: Vec<&Value> =
        newest["messages"].as_array().expect("a list").iter().map(|it| &it["body"]).collect();
    assert_eq!(bodies, ["Still here", "One moment"]);

    let routing = r#"{"status":"closed"}"#;
    assert_eq!(setup.post(&channel, &[("Status", "closed"), ("Routing", routing)]).await.0, StatusCode::OK);
    assert_eq!(setup.next("/interactions").await.params["ChannelStatus"], "closed");
    let late = setup.post(&messages, &[("Author", "system"), ("Body", "Too late")]).await;
    assert_eq!((late.0, &late.1["code"]), (StatusCode::BAD_REQUEST, &json!(50377)));
}

#[tokio::test]
async fn the_servers_client_is_answered_and_understands_it() {
    let setup = Setup::new().await;
    let (conversation, path) = setup.chat().await;
    let client = super::refusals::client(&setup);
    let sid = |at: usize| path.split('/').nth(at).expect("a SID");
    let channel = ChannelPath {
        interaction: InteractionSid::parse(sid(3)).expect("a SID"),
        channel: InteractionChannelSid::parse(sid(5)).expect("a SID"),
    };
    let conversation = ConversationSid::parse(&conversation).expect("a SID");
    let read = client.fetch_channel(&channel).await.expect("a channel");
    assert_eq!((read.status.as_str(), read.kind.as_str()), ("active", "web"));
    assert_eq!(client.fetch_conversation(&conversation).await.expect("a conversation").state, "active");
    let there = client.list_channel_participants(&channel).await.expect("participants");
    assert_eq!(there.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>(), ["customer"]);
    let members = client.list_members(&conversation).await.expect("members");
    let invite = NewInvite {
        workflow: &WorkflowSid::numbered(1),
        queue: None,
        task_channel: "chat",
        attributes: r#"{"a":"b"}"#,
        priority: 7,
        timeout_seconds: 60,
    };
    let invited = client.create_invite(&channel, &invite).await.expect("invited");
    let listed = client.list_invites(&channel).await.expect("invites");
    assert!(listed.iter().any(|it| it.sid == invited.sid && it.task() == invited.task()));
    let task = client.fetch_task(invited.task().expect("a task")).await.expect("the task");
    assert!(task.attributes.is_some_and(|attributes| attributes.contains(r#""a":"b""#)));
    let told = client.create_message(&conversation, "rejoin", "One moment", r#"{"rejoin":"1"}"#).await;
    let told = told.expect("written");
    let newest = client.newest_messages(&conversation, 1).await.expect("messages");
    assert_eq!(newest.iter().map(|it| &it.sid).collect::<Vec<_>>(), [&told.sid]);
    assert_eq!((newest[0].index, &newest[0].participant_sid), (1, &None));
    let all = client.newest_messages(&conversation, 50).await.expect("messages");
    assert_eq!(all[1].participant_sid.as_ref(), members.first().map(|member| &member.sid));
    let customer = client.close_channel_participant(&channel, &there[0].sid).await;
    customer.expect("a customer can be removed, too");
    client.end_channel(&channel, ChannelEnd::Parked).await.expect("parked");
    assert_eq!(client.fetch_channel(&channel).await.expect("a channel").status, "inactive");
    client.end_channel(&channel, ChannelEnd::Closed).await.expect("closed");
    let late = client.create_invite(&channel, &invite).await;
    assert!(late.is_err(), "{late:?}");
}
