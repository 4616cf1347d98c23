//! Conversations at two servers on one database: both run, or one of them is killed while a conversation has no agent.

use super::chat_steps::{SETTINGS, comes, is_done_once, loses};
use super::stopped::{self, Two};
use super::watched::Files;
use super::{PATIENCE, with};
use crate::chat::{Chat, tells_of_conversations, tells_of_interactions};
use crate::database::Database;
use crate::floor::Floor;
use std::path::Path;

/// Two servers; Twilio's webhooks go to the first one. The first invite comes some seconds after the customer is told.
async fn open(database: &Database, folder: &Path) -> (Floor, Two) {
    let (first, other) = (Files::of(folder, "first"), Files::of(folder, "other"));
    let later = ("--conversation-offline-within-ms", "20000");
    let of_servers = |arguments| with(arguments, database, &[&SETTINGS[..], &[later]].concat());
    let (floor, two) = Box::pin(stopped::open(of_servers, &[], &first, &other)).await;
    tells_of_conversations(&floor).await;
    tells_of_interactions(&floor).await;
    (floor, two)
}

/// The first server has taken all webhooks, and dies after the customer was told and before anybody was invited.
async fn the_other_server_goes_on() {
    let (database, folder) = (Database::postgres().await, tempfile::tempdir().unwrap());
    let (floor, mut two) = open(&database, folder.path()).await;
    let chat = Chat::begins_on(floor).await;
    loses(&chat).await;
    chat.stands("unattended").await;
    chat.is_told().await;
    two.first.kill().await.unwrap();
    assert_eq!(chat.invites().await.len(), 1, "nobody is invited yet");
    two.front.send_replace(Some(two.other));
    comes(&chat).await;
    is_done_once(&chat, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_whose_server_is_killed_while_nobody_has_it_is_routed_by_the_other_server() {
    let within = tokio::time::timeout(PATIENCE, Box::pin(the_other_server_goes_on()));
    within.await.expect("another agent has the chat");
}

/// Ada's page is at one server, Twilio's webhooks go to the other one, and timers are due at both.
async fn both_do_everything_once() {
    let (database, folder) = (Database::postgres().await, tempfile::tempdir().unwrap());
    let (floor, two) = open(&database, folder.path()).await;
    let chat = Chat::starts_at(floor, format!("http://{}", two.other)).await;
    chat.page_comes().await;
    chat.stands("attended").await;
    loses(&chat).await;
    comes(&chat).await;
    is_done_once(&chat, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_tell_and_route_a_customer_of_a_chat_once() {
    let within = tokio::time::timeout(PATIENCE, Box::pin(both_do_everything_once()));
    within.await.expect("another agent has the chat");
}
