//! The webhook of Conversations.

use crate::{URL, World, wanted};
use rejoin_protocol::AccountSid;
use rejoin_setup::{Chats, Error, Record, Wanted, settings};

const OURS: &str = "https://rejoin.example.com/webhooks/conversations";
const OTHERS: &str = "https://crm.example.com/hook";

/// With chats, as after the runs of this record.
fn with_chats(world: &World) -> Wanted {
    let known = Record::read(&world.record(), &AccountSid::numbered(1)).expect("a record");
    let written = known.and_then(|it| it.chats).map(|it| it.after).unwrap_or_default();
    Wanted { chats: Some(Chats { written }), ..wanted() }
}

async fn leads_to(world: &World) -> (Option<String>, Vec<String>) {
    let there = world.usual().conversation_webhook().await.expect("a webhook");
    (there.post_webhook_url, there.filters.unwrap_or_default())
}

#[tokio::test]
async fn the_webhook_of_conversations_is_set_once_moved_and_taken_back() {
    let world = World::new().await;
    let before = leads_to(&world).await;
    let (plan, done) = world.provision(&world.usual(), &with_chats(&world)).await.expect("a set-up");
    assert!(done.contains(&"~ the webhook of Conversations".to_owned()), "{done:?}");
    let events = ["onMessageAdded", "onConversationStateUpdated"].map(str::to_owned).to_vec();
    assert_eq!(leads_to(&world).await, (Some(OURS.to_owned()), events.clone()));
    assert!(plan.left.iter().any(|line| line.contains("/webhooks/interactions")), "{:?}", plan.left);
    assert!(settings(&world.account().await, &with_chats(&world), &plan).contains("conversations = \"on\""));
    let (_, again) = world.provision(&world.usual(), &with_chats(&world)).await.expect("nothing to do");
    assert_eq!(again, Vec::<String>::new());

    let moved = Wanted { public_url: "https://elsewhere.example.com".into(), ..with_chats(&world) };
    let (plan, _) = world.provision(&world.usual(), &moved).await.expect("another address");
    assert_eq!(plan.left.len(), 1, "{:?}", plan.left);
    let elsewhere = "https://elsewhere.example.com/webhooks/conversations".to_owned();
    assert_eq!(leads_to(&world).await, (Some(elsewhere), events));

    world.unprovision(&world.usual()).await.expect("taken back");
    assert_eq!(leads_to(&world).await, before);
}

#[tokio::test]
async fn another_s_webhook_of_conversations_stays() {
    let world = World::new().await;
    let client = world.usual();
    client.set_conversation_webhook(OTHERS, "POST", &["onMessageAdd"]).await.expect("set");
    let (plan, done) = world.provision(&client, &with_chats(&world)).await.expect("a set-up");
    assert!(!done.iter().any(|line| line.contains("Conversations")), "{done:?}");
    assert!(plan.left.iter().any(|line| line.contains(OTHERS) && line.contains(URL)), "{:?}", plan.left);
    assert_eq!(leads_to(&world).await, (Some(OTHERS.to_owned()), vec!["onMessageAdd".to_owned()]));
}

#[tokio::test]
async fn a_webhook_that_somebody_else_has_taken_since_stays_when_the_set_up_is_taken_back() {
    let world = World::new().await;
    let client = world.usual();
    world.provision(&client, &with_chats(&world)).await.expect("a set-up");
    client.set_conversation_webhook(OTHERS, "POST", &["onMessageAdded"]).await.expect("set");
    let lines = world.unprovision(&client).await.expect("taken back");
    assert!(lines.iter().any(|line| line.contains("left as it is")), "{lines:?}");
    assert_eq!(leads_to(&world).await.0.as_deref(), Some(OTHERS));
}

#[tokio::test]
async fn a_webhook_that_is_changed_between_plan_and_change_is_not_overwritten() {
    let world = World::new().await;
    let client = world.usual();
    let mut account = world.account().await;
    account.read_chats(&client).await.expect("a webhook");
    client.set_conversation_webhook(OTHERS, "POST", &["onMessageAdded"]).await.expect("set");
    let mut record = Record::new(account.sid.clone(), account.workspace.clone());
    let wanted = with_chats(&world);
    let made =
        rejoin_setup::provision(&client, &mut account, &wanted, &mut record, &world.record(), |_| {}).await;
    assert!(matches!(made, Err(Error::ChangedChats)), "{made:?}");
    assert_eq!(leads_to(&world).await.0.as_deref(), Some(OTHERS));
}
