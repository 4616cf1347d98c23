//! The `action` of a flow's own `<Enqueue>`: a caller whose conference has ended.

use crate::support::*;
use serde_json::json;

const ENDED: &str = "/twiml/ended";
const MOMENT: &str = "<Pause length=\"1\">";

async fn asks(desk: &Desk, path: &str, result: &str) -> String {
    let leg = customer();
    let mut params = vec![("CallSid", leg.as_str())];
    if !result.is_empty() {
        params.push(("QueueResult", result));
    }
    let reply = desk.signed(path, &params).await;
    assert_eq!(reply.status(), 200, "{path}");
    reply.text().await.unwrap()
}

/// Ada's leg leaves, and the conference ends with it.
async fn conference_ends(desk: &Desk) {
    assert_eq!(desk.leave(3, &ada_leg()).await, 204);
    let (leg, reason) = (customer(), "moderator_ended_conference");
    let extra = [("CallSid", leg.as_str()), ("ReasonParticipantLeft", reason)];
    assert_eq!(desk.callback(4, "participant-leave", &extra).await, 204);
    assert_eq!(desk.callback(5, "conference-end", &[]).await, 204);
}

/// While the next step is not known the caller is asked to wait a moment, and then asks again.
async fn comes_next(desk: &Desk, first: &str) -> String {
    let mut pushes = Events::open(desk, "/v1/push?epoch=1", "ada").await;
    let xml = asks(desk, first, "bridged").await;
    let again = format!("{ENDED}?asked=1");
    let moment = format!("<Pause length=\"1\"></Pause><Redirect method=\"POST\">{PUBLIC}{again}</Redirect>");
    if xml.contains("<Enqueue") {
        return xml; // it was known already
    }
    assert!(xml.contains(&moment), "{xml}");
    while pushes.next().await.unwrap()["recovery"]["stage"]["name"] != "requeueing" {}
    asks(desk, &again, "").await
}

#[tokio::test]
async fn a_caller_whose_conference_ended_with_the_lost_leg_goes_back_to_the_agent() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.talking().await;
    conference_ends(desk).await;
    let xml = comes_next(desk, ENDED).await;
    assert!(xml.contains("connection to your agent was interrupted"), "{xml}");
    assert!(xml.contains("<Enqueue") && xml.contains(&format!("/twiml/wait/{}", recovery())), "{xml}");
    for wanted in [json!({"targetWorkerSid": ada()}), json!({"name": "Tom"}), json!({"isReconnect": true})] {
        let wanted =
            quick_xml::escape::partial_escape(wanted.to_string().trim_matches(['{', '}'])).into_owned();
        assert!(xml.contains(&wanted), "{wanted}: {xml}");
    }
    assert_eq!(desk.hello(2).await["recoveries"][0]["stage"]["name"], "requeueing");
    let kinds = world.twilio.kinds();
    assert!(
        !kinds.iter().any(|asked| asked.starts_with("POST Calls/")),
        "nothing but the document: {kinds:?}"
    );
    asks(desk, &format!("/twiml/wait/{}", recovery()), "").await;
    let complete = format!("POST Tasks/{}/Reservations/{}", task(), reservation());
    world.twilio.wait_for(&complete, 1).await;
}

#[tokio::test]
async fn a_call_that_ends_as_calls_do_goes_on_as_the_settings_say() {
    let elsewhere = "https://example.com/survey?a=1&b=2";
    for (url, wanted) in [
        (None, "<Response/>".to_owned()),
        (Some(elsewhere.to_owned()), elsewhere.replace('&', "&amp;") + "</Redirect>"),
    ] {
        let world = World::start_with(|config| config.ended_url = url).await;
        let desk = &world.desk;
        desk.talking().await;
        let mark = json!({"task": task(), "reservation": reservation(), "reason": "hang-up"});
        assert_eq!(desk.plugin("/v1/graceful", "ada", mark).await.status(), 204);
        conference_ends(desk).await;
        let xml = asks(desk, ENDED, "bridged").await;
        assert!(xml.contains(&wanted) && !xml.contains("<Enqueue"), "{xml}");
        assert!(world.twilio.kinds().iter().all(|asked| asked == "POST Tokens/validate"));
        assert!(asks(desk, ENDED, "leave").await.contains(&wanted), "no agent took the call");
        for gone in ["hangup", "redirected-from-bridged"] {
            assert!(asks(desk, ENDED, gone).await.ends_with("<Response/>"), "{gone}");
        }
    }
    let world = World::start().await;
    assert!(
        asks(&world.desk, ENDED, "bridged").await.contains(MOMENT),
        "callbacks of this unknown call may still come"
    );
    assert!(
        asks(&world.desk, &format!("{ENDED}?asked=1"), "").await.ends_with("<Response/>"),
        "and if none comes"
    );
    assert_eq!(world.desk.signed(ENDED, &[]).await.status(), 400);
    let unsigned = world.desk.http.post(format!("{}{ENDED}", world.desk.address)).send().await.unwrap();
    assert_eq!(unsigned.status(), 403);
}

/// Twilio knows a call of Ada's whose conference has ended without a report. The agent had the call at this phone.
fn knows_of_a_call(world: &World, phone: &'static str) {
    world.twilio.script(move |asked, _| {
        let (leg, there) = (customer(), format!("GET Conferences/{}/Participants", conference()));
        match asked.what.as_str() {
            what if what.starts_with(&there) => Some((200, vec![], json!({"participants": []}))),
            "GET Tasks" => {
                let wanted = asked.param("EvaluateTaskAttributes").unwrap();
                let own =
                    (wanted == format!("call_sid == '{leg}'")).then(|| task_json(&task(), "wrapping", "{}"));
                Some((200, vec![], json!({"tasks": own.into_iter().collect::<Vec<_>>()})))
            }
            what if what == format!("GET Tasks/{}", task()) => {
                let legs = json!({"worker": ada_leg(), "customer": leg});
                let here = json!({"conference": {"sid": conference(), "participants": legs}}).to_string();
                let mut task = task_json(&task(), "wrapping", &here);
                task["age"] = json!(20);
                Some((200, vec![], task))
            }
            what if what == format!("GET Calls/{}.json", ada_leg()) => {
                Some((200, vec![], json!({"sid": ada_leg(), "status": "completed", "to": phone})))
            }
            what if what == format!("GET Calls/{leg}.json") => {
                Some((200, vec![], json!({"sid": leg, "status": "in-progress"})))
            }
            _ => None,
        }
    });
}

/// The page accepted the call before the plugin was up in it, or could not register, and is gone with the conference.
#[tokio::test(flavor = "multi_thread")]
async fn the_caller_of_an_unreported_call_goes_back_to_an_agent_with_plugin() {
    let world = World::start().await;
    let desk = &world.desk;
    knows_of_a_call(&world, "client:ada");
    let again = format!("{ENDED}?asked=1");
    assert!(asks(desk, ENDED, "bridged").await.contains(MOMENT));
    assert!(asks(desk, &again, "").await.ends_with("<Response/>"), "the customer's agent has no plugin");
    let mut pushes = Events::open(desk, "/v1/push?epoch=1", "ada").await;
    assert!(asks(desk, ENDED, "bridged").await.contains(MOMENT));
    while pushes.next().await.unwrap()["recovery"]["stage"]["name"] != "requeueing" {}
    let xml = asks(desk, &again, "").await;
    assert!(xml.contains("<Enqueue") && xml.contains(&format!("/twiml/wait/{}", recovery())), "{xml}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_at_another_phone_ends_the_call() {
    let world = World::start().await;
    let desk = &world.desk;
    knows_of_a_call(&world, "sip:ada@example.com");
    let _pushes = Events::open(desk, "/v1/push?epoch=1", "ada").await;
    assert!(asks(desk, ENDED, "bridged").await.contains(MOMENT));
    assert!(asks(desk, &format!("{ENDED}?asked=1"), "").await.ends_with("<Response/>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_kept_if_the_agents_token_may_be_an_unanswered_one() {
    let world = World::start().await;
    let desk = &world.desk;
    knows_of_a_call(&world, "client:ada");
    let hello = json!({"epoch": 1, "holdings": [], "unavailable": false});
    assert_eq!(desk.plugin("/v1/hello", "twilio-is-down", hello).await.status(), 503);
    assert!(asks(desk, ENDED, "bridged").await.contains(MOMENT));
    loop {
        let xml = asks(desk, &format!("{ENDED}?asked=1"), "").await;
        if xml.contains("<Enqueue") && xml.contains(&format!("/twiml/wait/{}", recovery())) {
            return;
        }
        assert!(xml.contains(MOMENT), "{xml}");
    }
}

#[tokio::test]
async fn the_caller_of_an_unreported_call_is_kept_until_twilio_answers() {
    let world = World::start().await;
    world.twilio.script(|asked, _| (asked.what == "GET Tasks").then(|| (503, vec![], json!({}))));
    for asked in [0, 1, 29] {
        let xml = asks(&world.desk, &format!("{ENDED}?asked={asked}"), "").await;
        assert!(xml.contains(MOMENT), "{asked}: {xml}");
    }
    for asked in [30, 89] {
        let xml = asks(&world.desk, &format!("{ENDED}?asked={asked}"), "").await;
        assert!(xml.contains("comfort.wav</Play><Redirect"), "it takes long: {xml}");
        assert!(xml.contains(&format!("asked={}<", asked + 1)), "{xml}");
    }
    assert!(
        asks(&world.desk, &format!("{ENDED}?asked=90"), "").await.ends_with("<Response/>"),
        "not for ever"
    );
}

#[tokio::test]
async fn an_agent_lost_again_after_the_queue_gets_the_customer_again() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.talking().await;
    conference_ends(desk).await;
    // This was already a reconnect task's conference: the action belongs to our own document.
    let after = format!("/twiml/after/{}", rejoin_protocol::RecoveryId::numbered(7));
    let xml = comes_next(desk, &after).await;
    assert!(xml.contains("<Enqueue") && xml.contains(&format!("/twiml/wait/{}", recovery())), "{xml}");
}

#[tokio::test]
async fn a_call_left_without_a_delivered_mark_ends_like_any_other() {
    // Even on a busy machine the task is read within the grace period.
    let world = World::start_with(|config| config.timings.grace_ms = 10_000).await;
    let desk = &world.desk;
    let fetch = format!("GET Tasks/{}", task());
    let left = json!({"id": "1-2", "task": task(), "reservation": reservation(), "reason": "hang-up"});
    let attributes = json!({"name": "Tom", "rejoinLeft": left}).to_string();
    world.twilio.script(move |asked, _| {
        (asked.what == fetch).then(|| (200, vec![], task_json(&task(), "assigned", &attributes)))
    });
    desk.talking().await;
    let mut pushes = Events::open(desk, "/v1/push?epoch=1", "ada").await;
    conference_ends(desk).await;
    while pushes.next().await.unwrap()["recovery"]["stage"]["name"] != "graceful" {}
    assert!(asks(desk, ENDED, "bridged").await.ends_with("<Response/>"));
    let kinds = world.twilio.kinds();
    let begun = |asked: &String| asked == "POST Tasks" || asked.starts_with("POST Calls/");
    assert!(!kinds.iter().any(begun), "no call is made: {kinds:?}");
}
