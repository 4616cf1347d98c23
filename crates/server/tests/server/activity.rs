//! An agent who is back in an activity that receives no tasks.

use crate::floor::Floor;
use crate::support::*;
use rejoin_protocol::ActivitySid;
use rejoin_server::config::Config;
use serde_json::json;
use std::time::Duration;

fn ours() -> ActivitySid {
    ActivitySid::numbered(3)
}

fn lending(config: &mut Config) {
    config.reconnecting_activity = Some(ours());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_on_a_break_is_put_into_our_activity_and_back() {
    let floor = Floor::open_with(lending).await;
    let talk = floor.talk().await;
    floor.ada_goes().await;
    floor.lose(&talk);
    floor.noted(&talk.customer, "holding-the-line").await;
    floor.back_on_a_break(&talk).await;
    floor.together(&talk.customer, Some(&talk)).await;
    assert_eq!(floor.ended(&talk.customer).await, "rejoined");
    let changes = || {
        let changes = floor.done("POST Workers/").into_iter();
        changes.filter(|done| !done.request.contains("/Reservations/")).count()
    };
    floor
        .until("the agent is on a break again", |state| {
            let ada =
                state["workers"].as_array()?.iter().find(|worker| worker["name"] == "ada@example.com")?;
            (ada["activity"] == "Unavailable").then_some(())
        })
        .await;
    // The changes are listed a moment after they are visible.
    let listed = async {
        while changes() < 2 {
            look_again().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), listed).await.expect("both changes are listed");
    assert_eq!(changes(), 2);
    floor.nothing_was_doubled();
}

/// The activities that Twilio reports: when it is asked, when ours is lent, and when the recovery is over.
#[tokio::test(flavor = "multi_thread")]
async fn an_activity_that_the_agent_has_changed_stays() {
    let (on_break, available) = (ActivitySid::numbered(2), ActivitySid::numbered(1));
    let worker =
        |activity: &ActivitySid, available| json!({"activity_sid": activity, "available": available});
    for (seen, posted) in [
        (vec![worker(&on_break, false), worker(&on_break, false), worker(&ours(), true)], 2),
        (vec![worker(&on_break, false), worker(&on_break, false), worker(&available, true)], 1),
        (vec![worker(&on_break, false), worker(&available, true)], 0),
        (vec![worker(&available, true)], 0),
    ] {
        let mut world = World::start_with(lending).await;
        let desk = &world.desk;
        let (what, looks) = (format!("Workers/{}", ada()), seen.len());
        let get = format!("GET {what}");
        world.twilio.script({
            let get = get.clone();
            move |asked, before| {
                (asked.what == get).then(|| (200, vec![], seen[before.min(seen.len() - 1)].clone()))
            }
        });
        desk.talking().await;
        assert_eq!(desk.leave(3, &ada_leg()).await, 204);
        world.twilio.wait_for("POST Tasks", 1).await;
        let holding = json!({"task": task(), "reservation": reservation(), "wrapping": true});
        let hello = json!({"epoch": 2, "holdings": [holding], "unavailable": true});
        assert_eq!(desk.plugin("/v1/hello", "ada", hello).await.status(), 200);
        world.twilio.wait_for(&get, looks.min(2)).await;
        world.twilio.wait_for(&format!("POST {what}"), posted.min(1)).await;
        world.twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
        assert_eq!(desk.leave(4, &customer()).await, 204);
        world.twilio.wait_for(&get, looks).await;
        world.twilio.wait_for(&format!("POST {what}"), posted).await;
        // The server's jobs have begun before it has stopped.
        world.restart().await;
        let forms = world.twilio.asked(&format!("POST {what}"));
        let set: Vec<_> = forms.iter().map(|asked| asked.param("ActivitySid").unwrap().to_owned()).collect();
        let wanted = [ours().to_string(), on_break.to_string()];
        assert_eq!(set, wanted[..posted], "{looks} looks");
    }
}

/// The desktop chooses an activity after the server's look and before its change, which Twilio refuses.
#[tokio::test(flavor = "multi_thread")]
async fn an_activity_that_the_agent_changes_at_the_same_time_stays() {
    let (on_break, available) = (ActivitySid::numbered(2), ActivitySid::numbered(1));
    let mut world = World::start_with(lending).await;
    let desk = &world.desk;
    let what = format!("Workers/{}", ada());
    let (get, post) = (format!("GET {what}"), format!("POST {what}"));
    world.twilio.script({
        let (get, post) = (get.clone(), post.clone());
        move |asked, before| {
            let tag = |version: &str| vec![("etag", format!("\"{version}\""))];
            let worker = |activity: &ActivitySid, is_available: bool| {
                json!({"activity_sid": activity, "available": is_available})
            };
            match before {
                _ if asked.what == post => Some((412, vec![], json!({"code": 20412, "message": "changed"}))),
                0 | 1 if asked.what == get => Some((200, tag("7"), worker(&on_break, false))),
                _ if asked.what == get => Some((200, tag("8"), worker(&available, true))),
                _ => None,
            }
        }
    });
    desk.talking().await;
    assert_eq!(desk.leave(3, &ada_leg()).await, 204);
    world.twilio.wait_for("POST Tasks", 1).await;
    let holding = json!({"task": task(), "reservation": reservation(), "wrapping": true});
    let hello = json!({"epoch": 2, "holdings": [holding], "unavailable": true});
    assert_eq!(desk.plugin("/v1/hello", "ada", hello).await.status(), 200);
    // Asked for it, looked before the change, and looked again after the refusal.
    world.twilio.wait_for(&get, 3).await;
    world.twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
    assert_eq!(desk.leave(4, &customer()).await, 204);
    world.restart().await;
    let changes = world.twilio.asked(&post);
    assert_eq!(changes.len(), 1, "nothing is changed, and nothing is put back");
    assert_eq!(changes[0].headers["if-match"], "7");
}
