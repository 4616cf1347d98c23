//! Reads of what an administrator keeps in the console.

use super::{Setup, body};
use rejoin_protocol::AccountSid;
use rejoin_twin::console::{StudioFlow, WebhookConfiguration};
use rejoin_twin::model::LineSetup;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

impl Setup {
    /// The answer to a `GET`.
    async fn read(&self, path: &str) -> (StatusCode, Value) {
        body(self.request(Method::GET, path).send().await.expect("an answer")).await
    }
}

#[tokio::test]
async fn the_account_and_its_number_are_shown_as_they_were_set() {
    let setup = Setup::new().await;
    let account = format!("api.twilio.com/2010-04-01/Accounts/{}", AccountSid::numbered(1));
    setup.twin.console(|console| {
        console.account_status = "suspended".into();
        console.voice_fallback_url = Some("https://example.com/sorry".into());
    });
    let (status, shown) = setup.read(&format!("{account}.json")).await;
    assert_eq!((status, &shown["status"]), (StatusCode::OK, &json!("suspended")), "{shown}");
    let (status, page) = setup.read(&format!("{account}/IncomingPhoneNumbers.json?PageSize=20")).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let number = &page["incoming_phone_numbers"][0];
    assert_eq!(number["voice_fallback_url"], "https://example.com/sorry");
    let other = account.replace("01", "02");
    assert_eq!(setup.read(&format!("{other}.json")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_a_fetched_flow_has_its_definition() {
    let setup = Setup::new().await;
    let definition = json!({"states": []});
    setup.twin.console(|console| {
        console.flows =
            vec![StudioFlow { name: "Calls".into(), published: true, definition: definition.clone() }];
    });
    let (_, page) = setup.read("studio.twilio.com/v2/Flows").await;
    let flow = &page["flows"][0];
    assert_eq!((&flow["status"], &flow["definition"]), (&json!("published"), &Value::Null), "{page}");
    let sid = flow["sid"].as_str().expect("a SID");
    let (_, flow) = setup.read(&format!("studio.twilio.com/v2/Flows/{sid}")).await;
    assert_eq!(flow["definition"], definition);
    let (status, _) = setup.read(&format!("studio.twilio.com/v2/Flows/FW{:032x}", 99)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn sinks_and_their_subscriptions_are_listed() {
    let setup = Setup::new().await;
    let post = |path: &str, form: Vec<(&'static str, String)>| {
        let request = setup.request(Method::POST, &format!("events.twilio.com/v1/{path}")).form(&form);
        async move { body(request.send().await.expect("an answer")).await }
    };
    let sink = format!(r#"{{"destination":"{}/stream"}}"#, setup.far);
    let description = || ("Description", "a test".to_owned());
    let form = vec![description(), ("SinkType", "webhook".to_owned()), ("SinkConfiguration", sink)];
    let (_, sink) = post("Sinks", form).await;
    let sid = sink["sid"].as_str().expect("a SID");
    let types = r#"{"type":"com.twilio.taskrouter.task.canceled","schema_version":3}"#.to_owned();
    let form = vec![description(), ("SinkSid", sid.to_owned()), ("Types", types)];
    let (_, subscription) = post("Subscriptions", form).await;
    let (_, sinks) = setup.read("events.twilio.com/v1/Sinks").await;
    assert_eq!(sinks["sinks"], json!([sink]));
    let (_, all) = setup.read(&format!("events.twilio.com/v1/Subscriptions?SinkSid={sid}")).await;
    assert_eq!(all["subscriptions"], json!([subscription]));
    let other = format!("DG{:032x}", 99);
    let (_, none) = setup.read(&format!("events.twilio.com/v1/Subscriptions?SinkSid={other}")).await;
    assert_eq!(none["subscriptions"], json!([]));
    let subscription = subscription["sid"].as_str().expect("a SID");
    let path = format!("events.twilio.com/v1/Subscriptions/{subscription}/SubscribedEvents");
    let (_, types) = setup.read(&path).await;
    let first = &types["types"][0];
    assert_eq!(
        (&first["type"], &first["schema_version"]),
        (&json!("com.twilio.taskrouter.task.canceled"), &json!(3))
    );
}

#[tokio::test]
async fn an_account_without_the_webhooks_configuration_api_does_not_know_its_addresses() {
    let setup = Setup::new().await;
    let rules = "webhooks.twilio.com/v1/Webhooks/Rules";
    assert_eq!(setup.read(rules).await.0, StatusCode::NOT_FOUND);
    let rule = json!({"id": "webhooks_rule_1", "matchType": "DEFAULT", "settings": ["webhooks_setting_1"]});
    setup.twin.console(|console| {
        console.webhooks = Some(WebhookConfiguration { rules: vec![rule.clone()], settings: vec![] });
    });
    assert_eq!(setup.read(rules).await, (StatusCode::OK, json!({ "rules": [rule] })));
    let stranger = setup.client.get(format!("{}/__tw/{rules}", setup.base)).send().await.expect("an answer");
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
}

/// An update is taken as Twilio documents it, and nothing else is; a call whose document cannot be fetched goes on there.
#[tokio::test]
async fn a_number_has_the_fallback_address_that_it_was_given_and_a_call_goes_there() {
    let line =
        |number: &str, voice_url: &str| LineSetup { number: number.into(), voice_url: voice_url.into() };
    // Nobody listens on port 1.
    let lines = vec![line("+15550003333", "http://127.0.0.1:1/voice"), line("+15550004444", "")];
    let mut setup = Setup::with_lines(lines).await;
    let path = |place: u32| format!("IncomingPhoneNumbers/PN{place:032x}");
    let answer = async |setup: &Setup, place, form: &[(&str, &str)]| {
        let request = setup.voice(Method::POST, &path(place)).form(form);
        body(request.send().await.expect("an answer")).await
    };
    let url = format!("{}/sorry", setup.far);
    for (place, form, status, code) in [
        (2, [("VoiceFallbackUrl", "nowhere")], 400, 21205),
        (2, [("VoiceFallbackMethod", "PUT")], 400, 20001),
        (2, [("voicefallbackurl", url.as_str())], 400, 20001),
        (2, [("VoiceUrl", url.as_str())], 400, 20001),
        (3, [("VoiceFallbackUrl", url.as_str())], 400, 21405),
        (9, [("VoiceFallbackUrl", url.as_str())], 404, 20404),
    ] {
        let (refused, why) = answer(&setup, place, &form).await;
        assert_eq!((refused.as_u16(), &why["code"]), (status, &json!(code)), "{form:?} {why}");
    }
    let form = [("VoiceFallbackUrl", url.as_str()), ("VoiceFallbackMethod", "GET")];
    let (status, set) = answer(&setup, 2, &form).await;
    assert_eq!((status, &set["voice_fallback_url"]), (StatusCode::OK, &json!(url)), "{set}");
    let (_, shown) = body(setup.voice(Method::GET, &path(2)).send().await.expect("an answer")).await;
    assert_eq!(shown, set);
    let (_, other) = body(setup.voice(Method::GET, &path(1)).send().await.expect("an answer")).await;
    assert_eq!((&other["voice_fallback_url"], &other["voice_fallback_method"]), (&json!(""), &json!("POST")));

    let call = [
        ("From", "+15550001111"),
        ("To", "+15550003333"),
        ("Twiml", "<Response><Pause length=\"9\"/></Response>"),
    ];
    let placed = setup.voice(Method::POST, "Calls").form(&call).send().await.expect("an answer");
    assert_eq!(placed.status(), StatusCode::CREATED);
    let asked = setup.next("/sorry").await;
    assert_eq!(asked.method, Method::GET);
    assert_eq!(asked.params.get("ErrorUrl").map(String::as_str), Some("http://127.0.0.1:1/voice"));
    assert!(asked.signed);

    let (_, none) = answer(&setup, 2, &[("VoiceFallbackUrl", "")]).await;
    assert_eq!((&none["voice_fallback_url"], &none["voice_fallback_method"]), (&json!(""), &json!("GET")));
}
