//! The documents that Twilio requests during a recovery.

use crate::support::*;
use quick_xml::escape::unescape;
use rejoin_protocol::{CallSid, RecoveryId, TaskSid, WorkerSid, WorkflowSid};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

async fn document(desk: &Desk, path: &str, params: &[(&str, &str)]) -> String {
    let reply = desk.signed(path, params).await;
    assert_eq!(reply.status(), 200, "{path}");
    assert_eq!(reply.headers()["content-type"], "text/xml; charset=utf-8");
    reply.text().await.unwrap()
}

/// The attributes of the document's task. A customer for the same agent goes before those for any agent.
fn attributes(document: &str) -> Value {
    let (_, task) = document.split_once("<Task priority=\"").expect("a task");
    let (priority, task) = task.split_once("\" timeout=\"86400\">").expect("a timeout");
    let (text, _) = task.split_once("</Task>").unwrap();
    let made: Value = serde_json::from_str(&unescape(text).unwrap()).expect("JSON");
    assert_eq!(priority, if made["targetWorkerSid"].is_null() { "1000" } else { "1001" });
    made
}

#[tokio::test]
async fn the_customer_goes_into_the_queue_for_the_agent_who_is_back() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    desk.hello(2).await;
    let asked = world.twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
    let requeue = format!("/twiml/requeue/{}", recovery());
    let fallback = format!("/twiml/fallback/{}", recovery());
    // Inline, so that nothing is fetched while the customer is in neither conference nor queue.
    assert_eq!((asked[0].param("Url"), asked[0].param("FallbackUrl")), (None, None));
    let xml = document(desk, &requeue, &[("CallSid", customer().as_str())]).await;
    assert_eq!(asked[0].param("Twiml"), Some(xml.as_str()));
    assert!(xml.contains(&format!("workflowSid=\"{}\"", workflow())), "{xml}");
    // With `?told=false` if the agent was back before the announcement could be heard.
    let wait = format!("/twiml/wait/{}", recovery());
    assert!(xml.contains(&format!("waitUrl=\"{PUBLIC}{wait}")), "{xml}");
    assert!(xml.contains(&format!("action=\"{PUBLIC}/twiml/after/{}\"", recovery())), "{xml}");
    let (_, rest) = xml.split_once("</Enqueue>").unwrap();
    assert!(rest.contains("<Say") && rest.contains(&format!("{PUBLIC}{fallback}</Redirect>")), "{rest}");
    let made = attributes(&xml);
    assert_eq!(made["isReconnect"], true);
    assert_eq!(made["targetWorkerSid"], json!(ada()));
    assert_eq!(made["disconnectedWorkerName"], "Ada");
    assert_eq!((&made["name"], &made["call_sid"]), (&json!("Tom"), &json!("CA1")), "as the task was read");

    // In the queue: the agent's reservation is completed, and the customer hears something.
    let complete = format!("POST Tasks/{}/Reservations/{}", task(), reservation());
    assert!(world.twilio.asked(&complete).is_empty(), "not before");
    let caller = customer();
    let params = [("CallSid", caller.as_str()), ("QueueTime", "0")];
    let on = format!("<Redirect method=\"POST\">{PUBLIC}{wait}</Redirect></Response>");
    let xml = document(desk, &format!("{wait}?told=false"), &params).await;
    assert!(xml.contains(">The connection to your agent was interrupted.") && xml.ends_with(&on), "{xml}");
    for _ in 0..2 {
        let xml = document(desk, &wait, &params).await;
        // A minute of it, and on with the same document, whichever one Twilio would request at the end.
        let comfort = format!("<Response><Play loop=\"10\">{PUBLIC}/audio/comfort.wav</Play>{on}");
        assert!(xml.ends_with(&comfort), "{xml}");
    }
    assert_eq!(desk.signed(&format!("{wait}?told=maybe"), &params).await.status(), 400);
    let freed = world.twilio.wait_for(&complete, 1).await;
    assert_eq!(freed[0].param("ReservationStatus"), Some("completed"));

    // Out of it without an agent: in again, for any agent.
    let after = format!("/twiml/after/{}", recovery());
    let xml = document(desk, &after, &[("CallSid", customer().as_str()), ("QueueResult", "leave")]).await;
    assert_eq!(attributes(&xml).get("targetWorkerSid"), None);
    // An unreported agent has had the customer, who is kept while Twilio is asked.
    let xml = document(desk, &after, &[("CallSid", customer().as_str()), ("QueueResult", "bridged")]).await;
    assert!(xml.contains("/twiml/ended?asked=1</Redirect>"), "{xml}");
    for over in ["redirected", "hangup"] {
        let xml = document(desk, &after, &[("CallSid", customer().as_str()), ("QueueResult", over)]).await;
        assert!(xml.ends_with("<Response/>"), "{over}: {xml}");
    }
    assert_eq!(world.twilio.asked(&complete).len(), 1, "freed once");
}

/// The request that sends the customer into the queue, for a task with these attributes and a Twilio that accepts or
/// refuses an inline document.
async fn sent_with(attributes: Value, refuses: bool) -> Vec<Asked> {
    let world = World::start().await;
    let (read, send) = (format!("GET Tasks/{}", task()), format!("POST Calls/{}.json", customer()));
    let wanted = send.clone();
    world.twilio.script(move |asked, _| match &asked.what {
        what if *what == read => Some((200, vec![], task_json(&task(), "assigned", &attributes.to_string()))),
        what if *what == wanted && refuses && asked.param("Twiml").is_some() => {
            Some((400, vec![], json!({"code": 21218})))
        }
        _ => None,
    });
    world.desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    world.desk.hello(2).await;
    world.twilio.wait_for(&send, 1 + usize::from(refuses)).await
}

#[tokio::test]
async fn a_document_that_cannot_be_inline_is_fetched() {
    let requeue = format!("{PUBLIC}/twiml/requeue/{}", recovery());
    let fallback = format!("{PUBLIC}/twiml/fallback/{}", recovery());
    // The longest attributes that Twilio takes.
    let rich = json!({"call_sid": "CA1", "notes": "x".repeat(3500)});
    for (attributes, refuses) in [(rich, false), (json!({"name": "Tom"}), true)] {
        let asked = sent_with(attributes, refuses).await;
        let last = asked.last().unwrap();
        assert_eq!(
            (last.param("Url"), last.param("FallbackUrl")),
            (Some(requeue.as_str()), Some(fallback.as_str()))
        );
        assert_eq!(last.param("Twiml"), None);
        assert_eq!(asked.len(), 1 + usize::from(refuses));
    }
    // Quotes are not escaped, which would double what most attributes need.
    let many: serde_json::Map<String, Value> =
        (0..150).map(|n| (format!("key{n:03}"), json!("value"))).collect();
    let asked = sent_with(Value::Object(many), false).await;
    let length = asked[0].param("Twiml").expect("sent along").chars().count();
    assert!((3000..4000).contains(&length), "{length}");
}

#[tokio::test]
async fn a_caller_whom_no_queue_keeps_is_told_so_in_the_end() {
    let world = World::start().await;
    queued(&world).await;
    for path in ["after", "fallback"] {
        let path = format!("/twiml/{path}/{}", recovery());
        let params = [("CallSid", customer().to_string()), ("QueueResult", "leave".into())];
        let params: Vec<_> = params.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let mut times = 0;
        while document(&world.desk, &path, &params).await.contains("<Enqueue") {
            times += 1;
            assert!(times <= 10);
        }
        assert_eq!(times, if path.contains("after") { 10 } else { 0 }, "{path}");
        let xml = document(&world.desk, &path, &params).await;
        assert!(xml.contains("We are sorry") && !xml.contains("<Redirect"), "{xml}");
    }
}

#[tokio::test]
async fn everybody_in_a_conference_hears_the_announcement() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.talking().await;
    desk.join(3, &CallSid::numbered(0x77)).await;
    assert_eq!(desk.leave(4, &ada_leg()).await, 204);
    let asked = world.twilio.wait_for(&format!("POST Conferences/{}.json", conference()), 1).await;
    let path = format!("/twiml/announce/{}", recovery());
    assert_eq!(asked[0].param("AnnounceUrl"), Some(format!("{PUBLIC}{path}").as_str()));
    let xml = document(desk, &path, &[]).await;
    assert!(xml.contains("<Say language=\"en-US\">The connection to your agent was interrupted."), "{xml}");

    let end = desk.callback(5, "announcement-end", &[]).await;
    assert_eq!(end, 204);
    let asked = world.twilio.wait_for(&format!("POST Conferences/{}.json", conference()), 2).await;
    let path = format!("/twiml/comfort?recovery={}", recovery());
    assert_eq!(asked[1].param("AnnounceUrl"), Some(format!("{PUBLIC}{path}").as_str()));
    let xml = document(desk, &path, &[]).await;
    assert!(xml.contains("<Play>"), "{xml}");
    let audio = desk.http.get(format!("{}/audio/comfort.wav", desk.address)).send().await.unwrap();
    assert_eq!(audio.headers()["content-type"], "audio/wav");
    assert_eq!(&audio.bytes().await.unwrap()[..4], b"RIFF");
}

#[tokio::test]
async fn a_customer_who_is_alone_hears_announcement_and_comfort_audio() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.lost().await;
    let update = format!("POST Conferences/{}/Participants/{}.json", conference(), customer());
    let asked = world.twilio.wait_for(&update, 1).await;
    let path = format!("/twiml/hold/{}", recovery());
    assert_eq!(asked[0].param("Hold"), Some("true"));
    assert_eq!(asked[0].param("HoldUrl"), Some(format!("{PUBLIC}{path}?told=false").as_str()));
    assert_eq!(asked[0].param("HoldMethod"), Some("POST"));
    let comfort = format!("<Play loop=\"0\">{PUBLIC}/audio/comfort.wav</Play>");
    let words = "The connection to your agent was interrupted.";
    let again = format!("<Redirect method=\"POST\">{PUBLIC}{path}?told=true</Redirect></Response>");
    for told in [false, true] {
        let xml = document(desk, &format!("{path}?told={told}"), &[]).await;
        let (before, instead) = xml.split_once(&comfort).expect("comfort audio");
        assert_eq!(before.contains(words), !told, "{xml}");
        // Twilio goes on with them when the audio cannot be fetched, and then asks for the document again.
        assert!(instead.starts_with("<Pause length=\"2\"></Pause><Say"), "{xml}");
        assert!(instead.matches(words).count() > 5 && instead.ends_with(&again), "{xml}");
    }
    for odd in ["told=maybe", "told=false&at=soon"] {
        assert_eq!(desk.signed(&format!("{path}?{odd}"), &[]).await.status(), 400, "{odd}");
    }
}

#[tokio::test]
async fn a_customer_hears_a_tone_until_the_words_are_due() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.talking().await;
    let goodbye = json!({"token": "ada", "goodbye": {"epoch": 1, "tasks": [task()]}});
    assert_eq!(desk.plugin("/v1/goodbye", "ada", goodbye).await.status(), 204);
    let update = format!("POST Conferences/{}/Participants/{}.json", conference(), customer());
    let asked = world.twilio.wait_for(&update, 1).await;
    let url = asked[0].param("HoldUrl").expect("a hold with a document").to_owned();
    let path = url.strip_prefix(PUBLIC).expect("ours").to_owned();
    let words_at: u64 =
        path.split("&at=").nth(1).and_then(|at| at.parse().ok()).expect("when the words are due");
    let xml = document(desk, &path, &[]).await;
    let words = format!("/twiml/hold/{}?told=false", recovery());
    let rest = format!("<Redirect method=\"POST\">{PUBLIC}{words}</Redirect></Response>");
    assert!(xml.contains("/audio/tone.wav</Play>") && xml.ends_with(&rest) && !xml.contains("<Say"), "{xml}");
    let later = document(desk, &format!("{words}&at={}", words_at + 3_000), &[]).await;
    assert!(later.contains("</Play><Pause length=\""), "{later}");
    // Due by now, and a time that nobody waits for.
    for at in [1, words_at - 60_000, words_at + 3_600_000, u64::MAX] {
        let xml = document(desk, &format!("{words}&at={at}"), &[]).await;
        assert!(xml.contains("<Say") && !xml.contains("tone"), "{at}: {xml}");
    }
    let audio = desk.http.get(format!("{}/audio/tone.wav", desk.address)).send().await.unwrap();
    assert_eq!(&audio.bytes().await.unwrap()[..4], b"RIFF");
}

#[tokio::test]
async fn a_fallback_sends_a_known_call_to_any_agent_and_ends_others() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    desk.hello(2).await;
    world.twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
    let xml = document(desk, &format!("/twiml/fallback/{}", recovery()), &[]).await;
    assert!(xml.contains("<Response><Say"), "{xml}");
    assert_eq!(attributes(&xml).get("targetWorkerSid"), None);
    assert_eq!(attributes(&xml)["rejoinRecoveryId"], json!(recovery()));

    let unknown = RecoveryId::numbered(99);
    let xml = document(desk, &format!("/twiml/fallback/{unknown}"), &[]).await;
    assert!(xml.contains("We are sorry") && !xml.contains("<Enqueue"), "{xml}");
    assert_eq!(desk.signed(&format!("/twiml/requeue/{unknown}"), &[]).await.status(), 404);
}

#[tokio::test]
async fn an_outbound_call_comes_back_by_its_configured_workflow() {
    let (inbound, outbound) =
        (r#"{"direction":"inbound"}"#, r#"{"direction":"outbound","outbound_to":"+1"}"#);
    let other = WorkflowSid::numbered(9);
    for (attributes, set, wanted) in [
        (outbound, None, workflow()),
        (outbound, Some(other.clone()), other.clone()),
        (inbound, Some(other.clone()), workflow()),
    ] {
        let world = World::start_with(|config| config.outbound_workflow = set).await;
        let read = format!("GET Tasks/{}", task());
        world.twilio.script(move |asked, _| {
            (asked.what == read).then(|| (200, vec![], task_json(&task(), "assigned", attributes)))
        });
        world.desk.lost().await;
        world.twilio.wait_for("POST Tasks", 1).await;
        world.desk.hello(2).await;
        world.twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
        let requeue = format!("/twiml/requeue/{}", recovery());
        let xml = document(&world.desk, &requeue, &[("CallSid", customer().as_str())]).await;
        assert!(xml.contains(&format!("workflowSid=\"{wanted}\"")), "{attributes}: {xml}");
    }
}

#[tokio::test]
async fn a_leg_follows_into_the_new_conference() {
    let world = World::start().await;
    let new = TaskSid::numbered(2);
    let xml = document(&world.desk, &format!("/twiml/move/{new}?muted=true"), &[]).await;
    assert!(xml.contains("muted=\"true\"") && xml.contains(&format!(">{new}</Conference>")), "{xml}");
    assert!(xml.contains(&format!("statusCallback=\"{PUBLIC}/webhooks/conference\"")), "{xml}");
    assert!(xml.contains("endConferenceOnExit=\"false\"") && !xml.contains("participantLabel"), "{xml}");
    let path = format!("/twiml/move/{new}?muted=false&end=true&label=the+law%26yer");
    let xml = document(&world.desk, &path, &[]).await;
    assert!(xml.contains("endConferenceOnExit=\"true\"") && xml.contains("muted=\"false\""), "{xml}");
    assert!(xml.contains("participantLabel=\"the law&amp;yer\""), "{xml}");
    let bad = world.desk.signed(&format!("/twiml/move/{new}?muted=maybe"), &[]).await;
    assert_eq!(bad.status(), 400);
    let bad = world.desk.signed(&format!("/twiml/move/{}", WorkerSid::numbered(1)), &[]).await;
    assert_eq!(bad.status(), 404);
}

/// A customer who waits for Ada.
async fn queued(world: &World) {
    world.desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    world.desk.hello(2).await;
    world.twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
    let wait = format!("/twiml/wait/{}", recovery());
    document(&world.desk, &wait, &[("CallSid", customer().as_str())]).await;
}

#[tokio::test]
async fn when_the_queue_drops_the_customer_the_dialog_says_so() {
    for (path, params) in [
        ("after", vec![("CallSid", customer().to_string()), ("QueueResult", "leave".into())]),
        ("fallback", vec![("CallSid", customer().to_string())]),
    ] {
        let world = World::start().await;
        queued(&world).await;
        let params: Vec<_> = params.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let xml = document(&world.desk, &format!("/twiml/{path}/{}", recovery()), &params).await;
        assert_eq!(attributes(&xml).get("targetWorkerSid"), None, "{path}");
        let stage = &world.desk.hello(2).await["recoveries"][0]["stage"];
        assert_eq!(stage["name"], "waitingForOther", "{path}");
    }
}

/// The task could not be read before Twilio was out of order, and only the task names the call's workflow.
#[tokio::test]
async fn a_caller_is_kept_while_twilio_does_not_answer() {
    let world = World::start().await;
    let (read, answers) = (format!("GET Tasks/{}", task()), Arc::new(AtomicBool::new(false)));
    let works = Arc::clone(&answers);
    world.twilio.script(move |asked, _| {
        (asked.what == read && !works.load(Ordering::Relaxed)).then(|| (503, vec![], json!({})))
    });
    world.desk.lost().await;
    let fallback = format!("/twiml/fallback/{}", recovery());
    let customer = customer();
    let by = [("CallSid", customer.as_str())];
    let asks = || document(&world.desk, &fallback, &by);
    // More often than a customer whom no queue keeps is sent into it again.
    for xml in futures_util::future::join_all((0..15).map(|_| asks())).await {
        assert!(xml.contains("<Play>") && xml.contains(&fallback), "the caller waits: {xml}");
    }
    answers.store(true, Ordering::Relaxed);
    assert_eq!(attributes(&asks().await)["rejoinRecoveryId"], json!(recovery()));
}

/// Twilio deletes a task five minutes after its end. It could not be read before.
#[tokio::test]
async fn a_caller_whose_task_is_deleted_goes_to_the_workflow_in_the_log() {
    for (log, is_sent) in [
        (
            json!({"events": [{"event_type": "task.completed", "event_data": {"workflow_sid": workflow()}}]}),
            true,
        ),
        (
            json!({"events": [{"event_type": "task.completed", "event_data": {"workflow_sid": "WW-1"}}]}),
            false,
        ),
        (json!({"events": [{"event_type": "task.completed", "event_data": "unreadable"}]}), false),
        (json!({"events": [{"event_type": "task.completed"}]}), false),
    ] {
        let world = World::start().await;
        let (read, events) = (format!("GET Tasks/{}", task()), log.clone());
        world.twilio.script(move |asked, _| match &asked.what {
            what if *what == read => Some((404, vec![], json!({"code": 20404}))),
            what if what == "GET Events" => Some((200, vec![], events.clone())),
            _ => None,
        });
        world.desk.lost().await;
        let fallback = format!("/twiml/fallback/{}", recovery());
        let xml = document(&world.desk, &fallback, &[("CallSid", customer().as_str())]).await;
        let workflow = format!("workflowSid=\"{}\"", workflow());
        assert_eq!(xml.contains(&workflow), is_sent, "{log}: {xml}");
    }
}

#[tokio::test]
async fn a_caller_gets_a_document_when_nothing_can_be_stored() {
    let world = World::start().await;
    queued(&world).await;
    let url = format!("sqlite:{}", world.folder.path().join("rejoin.db").display());
    let store = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query("create trigger refuse before insert on calls begin select raise(abort, 'full'); end")
        .execute(&store)
        .await
        .unwrap();
    let after = format!("/twiml/after/{}", recovery());
    let params = [("CallSid", customer().to_string()), ("QueueResult", "leave".into())];
    let params: Vec<_> = params.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let xml = document(&world.desk, &after, &params).await;
    // A job's failing commit may be in the way: the caller is then asked to wait a little.
    let waits = xml.contains("<Play>") && xml.contains("/twiml/fallback/");
    assert!(waits || attributes(&xml)["rejoinRecoveryId"] == json!(recovery()), "{xml}");
}

#[tokio::test]
async fn a_caller_gets_a_document_when_the_database_is_suspended() {
    let world = World::start().await;
    queued(&world).await;
    let url = format!("sqlite:{}", world.folder.path().join("rejoin.db").display());
    let store = sqlx::SqlitePool::connect(&url).await.unwrap();
    let mut locked = store.acquire().await.unwrap();
    sqlx::query("begin immediate").execute(&mut *locked).await.unwrap();
    // New events cannot be written; known facts can be read.
    let wait = format!("/twiml/wait/{}", recovery());
    document(&world.desk, &wait, &[("CallSid", customer().as_str())]).await;
    let fallback = format!("/twiml/fallback/{}", recovery());
    let xml = document(&world.desk, &fallback, &[("CallSid", customer().as_str())]).await;
    assert_eq!(attributes(&xml)["rejoinRecoveryId"], json!(recovery()));
    sqlx::query("rollback").execute(&mut *locked).await.unwrap();
}

#[tokio::test]
async fn callers_hear_their_own_language_from_beginning_to_end() {
    for (attributes, wanted, interrupted, again) in [
        (r#"{"language":"de-AT"}"#, "de-DE", "Die Verbindung", "Danke"),
        (r#"{"language":"xx"}"#, "en-US", "The connection", "Thank you"),
        (r#"{"language":["de"]}"#, "en-US", "The connection", "Thank you"),
        (r#"{"language":"<b>"}"#, "en-US", "The connection", "Thank you"),
        ("{}", "en-US", "The connection", "Thank you"),
    ] {
        let world = World::start().await;
        let desk = &world.desk;
        let read = format!("GET Tasks/{}", task());
        world.twilio.script(move |asked, _| {
            (asked.what == read).then(|| (200, vec![], task_json(&task(), "assigned", attributes)))
        });
        queued(&world).await;
        let xml = document(desk, &format!("/twiml/announce/{}", recovery()), &[]).await;
        assert!(xml.contains(&format!("<Say language=\"{wanted}\">{interrupted}")), "{attributes}: {xml}");
        let params = [("CallSid", customer().to_string()), ("QueueResult", "leave".into())];
        let params: Vec<_> = params.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let xml = document(desk, &format!("/twiml/after/{}", recovery()), &params).await;
        assert_eq!(
            xml.matches(&format!("<Say language=\"{wanted}\">{again}")).count(),
            2,
            "{attributes}: {xml}"
        );
    }
}

#[tokio::test]
async fn a_caller_whose_agent_may_be_back_in_place_hears_their_language() {
    for (status, wanted, words) in [(200, "de-DE", "Die Verbindung"), (503, "en-US", "The connection")] {
        let world = World::start_with(|config| config.timings.announce_after_ms = 20).await;
        let read = format!("GET Tasks/{}", task());
        world.twilio.script(move |asked, _| {
            let attributes = r#"{"language":"de-AT"}"#;
            (asked.what == read).then(|| (status, vec![], task_json(&task(), "assigned", attributes)))
        });
        world.desk.talking().await;
        let goodbye = json!({"token": "ada", "goodbye": {"epoch": 1, "tasks": [task()]}});
        assert_eq!(world.desk.plugin("/v1/goodbye", "ada", goodbye).await.status(), 204);
        let told = format!("POST Conferences/{}/Participants/{}.json", conference(), customer());
        world.twilio.wait_for(&told, 1).await;
        assert!(
            world.twilio.asked(&format!("GET Tasks/{}", task())).is_empty(),
            "not before it is asked for"
        );
        let xml = document(&world.desk, &format!("/twiml/hold/{}?told=false", recovery()), &[]).await;
        assert!(xml.contains(&format!("<Say language=\"{wanted}\">{words}")), "{status}: {xml}");
        assert_eq!(world.twilio.asked(&format!("GET Tasks/{}", task())).len(), 1);
    }
}

#[tokio::test]
async fn an_announcement_does_not_wait_for_an_unavailable_language() {
    let world = World::start_with(|config| config.texts.language = "fr-FR".into()).await;
    let read = format!("GET Tasks/{}", task());
    world.twilio.script(move |asked, _| (asked.what == read).then(|| (503, vec![], json!({}))));
    world.desk.lost().await;
    let told = format!("POST Conferences/{}/Participants/{}.json", conference(), customer());
    world.twilio.wait_for(&told, 1).await;
    for recovery in [recovery(), RecoveryId::numbered(99)] {
        let xml = document(&world.desk, &format!("/twiml/announce/{recovery}"), &[]).await;
        assert!(xml.contains("<Say language=\"fr-FR\">La communication"), "{xml}");
    }
}

/// Twilio requests it for the person whom a test call has asked for a key.
#[tokio::test]
async fn only_the_key_that_was_asked_for_leads_a_test_call_to_its_workflow() {
    let world = World::start().await;
    let path = format!("/twiml/test-call/{}", workflow());
    let leg = customer();
    let pressed = document(&world.desk, &path, &[("CallSid", leg.as_str()), ("Digits", "1")]).await;
    assert!(pressed.contains(&format!("<Enqueue workflowSid=\"{}\"", workflow())), "{pressed}");
    assert!(pressed.contains(&format!("action=\"{PUBLIC}/twiml/ended\"")), "{pressed}");
    for digits in [vec![], vec![("Digits", "2")], vec![("Digits", "")], vec![("Digits", "11")]] {
        let params = [vec![("CallSid", leg.as_str())], digits].concat();
        let other = document(&world.desk, &path, &params).await;
        assert!(other.contains("<Hangup>") && !other.contains("<Enqueue"), "{params:?}: {other}");
    }
    let nowhere = world.desk.signed("/twiml/test-call/WW1", &[("Digits", "1")]).await;
    assert_eq!(nowhere.status(), 404);
    let forged = world.desk.http.post(format!("{}{path}", world.desk.address)).form(&[("Digits", "1")]);
    assert_eq!(forged.send().await.unwrap().status(), 403);
}
