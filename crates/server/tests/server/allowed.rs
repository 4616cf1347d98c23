//! Outside production no call is touched whose customer's number is not on the allow list.

use crate::support::*;
use rejoin_server::allowed::Number;
use serde_json::json;

const ALLOWED: &str = "+15005550001";

/// A server with an allow list, and a Twilio whose task has these attributes and whose call has this number.
async fn world(attributes: &'static str, caller: Option<&'static str>) -> World {
    let world = World::start_with(|config| {
        config.allowed_numbers = vec![Number::from(ALLOWED)];
        config.timings.announce_after_ms = 0;
    })
    .await;
    world.twilio.script(move |asked, _| match asked.what.as_str() {
        what if what == format!("GET Tasks/{}", task()) => {
            Some((200, vec![], task_json(&task(), "assigned", attributes)))
        }
        what if what == format!("GET Calls/{}.json", customer()) => Some((
            200,
            vec![],
            json!({"sid": customer(), "status": "in-progress", "direction": "inbound", "from": caller}),
        )),
        _ => None,
    });
    world
}

/// Registers like a page: again while the server asks for it.
async fn register(desk: &Desk) -> u16 {
    let body = json!({
        "epoch": 1, "task": task(), "reservation": reservation(), "workflow": workflow(),
        "conference": conference(), "workerLeg": ada_leg(), "customerLeg": customer(), "workerName": "Ada",
    });
    desk.registers("ada", body).await.as_u16()
}

async fn lose(desk: &Desk) {
    assert_eq!(desk.leave(3, &ada_leg()).await, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_a_number_that_is_not_on_the_list_is_not_touched() {
    let call = format!(r#"{{"call_sid":"{}"}}"#, customer()).leak();
    for (attributes, caller) in [
        (r#"{"from":"+15005559999"}"#, None),
        (r#"{"direction":"outbound","outbound_to":"+15005559999","from":"+15005550001"}"#, None),
        (call, Some("+15005559999")),
        (call, None),
        ("{}", None),
    ] {
        let mut world = world(attributes, caller).await;
        world.desk.join(1, &customer()).await;
        world.desk.join(2, &ada_leg()).await;
        assert_eq!(register(&world.desk).await, 403, "{attributes}");
        lose(&world.desk).await;
        world.desk.hello(2).await;
        // The server's jobs have begun before it has stopped.
        world.restart().await;
        let posts: Vec<_> =
            world.twilio.kinds().into_iter().filter(|what| !what.starts_with("GET")).collect();
        assert!(posts.iter().all(|what| what == "POST Tokens/validate"), "{attributes}: {posts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_a_number_on_the_list_is_kept() {
    let call = format!(r#"{{"call_sid":"{}"}}"#, customer()).leak();
    for (attributes, caller) in [
        (r#"{"from":"+1 500 555-0001"}"#, None),
        (r#"{"direction":"outbound","outbound_to":"+15005550001","from":"+15005559999"}"#, None),
        (call, Some(ALLOWED)),
    ] {
        let world = world(attributes, caller).await;
        world.desk.join(1, &customer()).await;
        world.desk.join(2, &ada_leg()).await;
        assert_eq!(register(&world.desk).await, 204, "{attributes}");
        lose(&world.desk).await;
        world.twilio.wait_for("POST Tasks", 1).await;
        let told = format!("POST Conferences/{}/Participants/{}.json", conference(), customer());
        world.twilio.wait_for(&told, 1).await;
    }
}
