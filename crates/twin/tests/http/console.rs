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

impl Setup {
    /// The answer to a request for applications or numbers.
    async fn answer(&self, method: Method, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let request = self.voice(method, path);
        let request = if form.is_empty() { request } else { request.form(form) };
        let answer = request.send().await.expect("an answer");
        if answer.status() == StatusCode::NO_CONTENT {
            return (StatusCode::NO_CONTENT, Value::Null);
        }
        body(answer).await
    }
}

fn application(number: u32) -> String {
    format!("AP{number:032x}")
}

#[tokio::test]
async fn applications_are_created_updated_listed_page_by_page_and_deleted() {
    let setup = Setup::new().await;
    let long = "x".repeat(65);
    let url = "https://example.com/voice";
    for (form, code) in [
        (vec![("VoiceUrl", url)], 20002),
        (vec![("FriendlyName", "")], 20002),
        (vec![("FriendlyName", long.as_str())], 20002),
        (vec![("FriendlyName", "A"), ("VoiceUrl", "nowhere")], 21205),
        (vec![("FriendlyName", "A"), ("VoiceMethod", "PUT")], 20001),
        (vec![("FriendlyName", "A"), ("VoiceFallbackUrl", url)], 21405),
        (vec![("FriendlyName", "A"), ("SmsUrl", url)], 20001),
        (vec![("FriendlyName", "A"), ("voiceurl", url)], 20001),
    ] {
        let (status, why) = setup.answer(Method::POST, "Applications", &form).await;
        assert_eq!((status, &why["code"]), (StatusCode::BAD_REQUEST, &json!(code)), "{form:?} {why}");
    }
    let (_, none) = setup.answer(Method::GET, "Applications", &[]).await;
    assert_eq!(none["applications"], json!([]), "a refusal changes nothing");

    for name in ["A", "B", "C"] {
        let form = [("FriendlyName", name), ("VoiceUrl", url), ("VoiceMethod", "get")];
        let (status, made) = setup.answer(Method::POST, "Applications", &form).await;
        assert_eq!((status, &made["friendly_name"]), (StatusCode::CREATED, &json!(name)), "{made}");
        assert_eq!((&made["voice_method"], &made["voice_fallback_url"]), (&json!("GET"), &json!("")));
    }
    let path = format!("Applications/{}", application(2));
    let form = [("VoiceFallbackUrl", "https://example.com/sorry"), ("FriendlyName", "Second")];
    let (status, updated) = setup.answer(Method::POST, &path, &form).await;
    assert_eq!((status, &updated["voice_url"]), (StatusCode::OK, &json!(url)), "what was not sent stays");
    assert_eq!(updated["voice_fallback_url"], "https://example.com/sorry");
    assert_eq!(setup.answer(Method::GET, &path, &[]).await, (StatusCode::OK, updated));
    let (status, why) = setup.answer(Method::POST, &path, &[("VoiceUrl", "")]).await;
    assert_eq!(
        (status, &why["code"]),
        (StatusCode::BAD_REQUEST, &json!(21405)),
        "its fallback would be alone"
    );

    let account = format!("api.twilio.com/2010-04-01/Accounts/{}", AccountSid::numbered(1));
    let (_, page) = setup.read(&format!("{account}/Applications.json?PageSize=2")).await;
    let names = |page: &Value| {
        let all = page["applications"].as_array().expect("a list").iter();
        all.map(|one| one["friendly_name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&page), ["A", "Second"]);
    let next = page["next_page_uri"].as_str().expect("there are more");
    let (_, page) = setup.read(&format!("api.twilio.com{next}")).await;
    assert_eq!((names(&page), &page["next_page_uri"]), (vec![json!("C")], &Value::Null));
    let (_, page) = setup.read(&format!("{account}/Applications.json?FriendlyName=C")).await;
    assert_eq!(names(&page), ["C"]);

    let last = format!("Applications/{}", application(3));
    assert_eq!(setup.answer(Method::DELETE, &last, &[]).await.0, StatusCode::NO_CONTENT);
    for method in [Method::GET, Method::POST, Method::DELETE] {
        assert_eq!(setup.answer(method, &last, &[]).await.0, StatusCode::NOT_FOUND);
    }
    let (_, made) = setup.answer(Method::POST, "Applications", &[("FriendlyName", "D")]).await;
    assert_eq!(made["sid"], application(4), "no SID is given twice");
    let other = account.replace("01", "02");
    assert_eq!(setup.read(&format!("{other}/Applications.json")).await.0, StatusCode::NOT_FOUND);
}

/// A number that has an application uses its addresses instead of its own, until the application is taken away or deleted.
#[tokio::test]
async fn a_number_s_application_has_its_calls() {
    let line = LineSetup { number: "+15550003333".into(), voice_url: "http://127.0.0.1:1/voice".into() };
    let mut setup = Setup::with_lines(vec![line]).await;
    let number = format!("IncomingPhoneNumbers/PN{:032x}", 2);
    let (own, its) = (format!("{}/own", setup.far), format!("{}/its", setup.far));
    setup.answer(Method::POST, &number, &[("VoiceFallbackUrl", &own)]).await;
    let form = [
        ("FriendlyName", "Calls"),
        // Nobody listens on port 1.
        ("VoiceUrl", "http://127.0.0.1:1/application"),
        ("VoiceFallbackUrl", &its),
        ("VoiceFallbackMethod", "GET"),
    ];
    setup.answer(Method::POST, "Applications", &form).await;
    for wrong in ["AP1", &application(9)] {
        let (status, why) = setup.answer(Method::POST, &number, &[("VoiceApplicationSid", wrong)]).await;
        assert_eq!((status, &why["code"]), (StatusCode::BAD_REQUEST, &json!(22108)), "{why}");
    }
    let (_, shown) = setup.answer(Method::POST, &number, &[("VoiceApplicationSid", &application(1))]).await;
    assert_eq!(
        (&shown["voice_application_sid"], &shown["voice_fallback_url"]),
        (&json!(application(1)), &json!(own)),
        "its own addresses stay, and do not count"
    );
    let dials = async |setup: &Setup| {
        let twiml = "<Response><Pause length=\"9\"/></Response>";
        let call = [("From", "+15550001111"), ("To", "+15550003333"), ("Twiml", twiml)];
        let (status, placed) = setup.answer(Method::POST, "Calls", &call).await;
        assert_eq!(status, StatusCode::CREATED, "{placed}");
    };
    dials(&setup).await;
    let asked = setup.next("/its").await;
    assert_eq!(asked.method, Method::GET);
    assert_eq!(asked.params.get("ErrorUrl").map(String::as_str), Some("http://127.0.0.1:1/application"));

    // From now on the application's document is there.
    let path = format!("Applications/{}", application(1));
    let voice = format!("{}/application", setup.far);
    setup.answer(Method::POST, &path, &[("VoiceUrl", &voice)]).await;
    dials(&setup).await;
    assert_eq!(setup.next("/application").await.method, Method::POST);

    assert_eq!(setup.answer(Method::DELETE, &path, &[]).await.0, StatusCode::NO_CONTENT);
    let (_, shown) = setup.answer(Method::GET, &number, &[]).await;
    assert_eq!(shown["voice_application_sid"], "");
    dials(&setup).await;
    setup.next("/own").await;
}
