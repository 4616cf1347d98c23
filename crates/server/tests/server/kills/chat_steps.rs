//! Killed at each step of what follows for a conversation whose agent is gone: when an action is durable and Twilio was not
//! asked yet, when Twilio is about to be asked, and when Twilio has done it and that is not stored.

use super::front::Front;
use super::watched::Files;
use super::{PATIENCE, at_each, open, with};
use crate::chat::{Chat, takes_chats, tells_of_conversations, tells_of_interactions};
use crate::database::Database;
use crate::support::{in_time, look_again};
use rejoin_twin::flex::agent::Agent;
use sqlx::{AnyPool, Row as _};
use std::path::Path;
use std::time::Duration;

/// Settings of conversations whose agent is gone after the shortest time.
pub(super) const SETTINGS: [(&str, &str); 4] = [
    ("--conversations", "on"),
    ("--conversation-goodbye-ms", "15000"),
    ("--conversation-offline-within-ms", "15000"),
    // Many twins share the machine.
    ("--twilio-timeout-ms", "10000"),
];

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_on_sqlite_a_customer_of_a_chat_is_told_and_routed_once() {
    killed_at_each_step(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_on_postgres_a_customer_of_a_chat_is_told_and_routed_once() {
    killed_at_each_step(true).await;
}

async fn killed_at_each_step(postgres: bool) {
    let folder = tempfile::tempdir().unwrap();
    let (steps, _) = run(postgres, folder.path(), None).await;
    let asks = ["committed", "request for", "answer to"];
    for action in ["poll", "tell", "invite", "close-participant"] {
        for step in asks.map(|step| format!("{step} conversation {action} #")) {
            assert!(steps.iter().any(|reached| reached.starts_with(&step)), "{step} is not in {steps:#?}");
        }
    }
    let path = folder.path().to_owned();
    let run = |step: String| {
        let path = path.clone();
        async move { run(postgres, &path, Some(step)).await.1 }
    };
    let (again, missed) = at_each(folder.path(), steps.clone(), run).await;
    eprintln!("killed at {again:#?}, did not come to {missed:?}");
    // How often Twilio is polled depends on when its webhooks arrive.
    let missed: Vec<String> = missed.into_iter().filter(|step| !step.contains(" poll ")).collect();
    assert_eq!(missed, Vec::<String>::new());
}

/// A chat from the goodbye of its agent's page until another agent has it, killed at this step. Returns the steps, or the time
/// until the program was ready again.
async fn run(postgres: bool, folder: &Path, step: Option<String>) -> (Vec<String>, Option<Duration>) {
    let database = if postgres { Database::postgres().await } else { Database::sqlite() };
    let files = Files::of(folder, step.as_deref().unwrap_or("first"));
    let of_server = |arguments| with(arguments, &database, &SETTINGS);
    let (floor, again) = Box::pin(open(of_server, Front::Repeats, step, &files)).await;
    let routed = Box::pin(async {
        tells_of_conversations(&floor).await;
        tells_of_interactions(&floor).await;
        let chat = Chat::begins_on(floor).await;
        let before = files.steps().len();
        loses(&chat).await;
        comes(&chat).await;
        is_done_once(&chat, &database).await;
        files.steps().into_iter().skip(before).filter(|step| step.contains(" conversation ")).collect()
    });
    let steps = tokio::time::timeout(PATIENCE, routed).await.expect("another agent has the chat");
    let again = *again.borrow();
    (steps, again)
}

/// Ada's page goes away, and the customer waits for an answer.
pub(super) async fn loses(chat: &Chat) {
    chat.page_goes().await;
    chat.customer_writes("Are you there?").await;
    chat.floor.is(Agent::Ada, "Offline").await;
}

/// Bo takes the chat.
pub(super) async fn comes(chat: &Chat) {
    takes_chats(&chat.floor, Agent::Bo);
    chat.floor.is(Agent::Bo, "Available").await;
    chat.is_with(Agent::Bo).await;
    chat.stands("unjudged").await;
}

/// Waits until nothing is left to do: the customer was told once, and one agent was invited beside the first.
pub(super) async fn is_done_once(chat: &Chat, database: &Database) {
    let beside = database.beside().await;
    let is_done = async {
        while open_actions(&beside).await != Some(0) {
            look_again().await;
        }
    };
    in_time("no action is open", is_done).await;
    beside.close().await;
    let (told, invites) = (chat.told().await, chat.invites().await.len());
    assert_eq!((told, invites), (1, 2), "{:#?}", chat.floor.twin.log_lines());
}

/// `None`: the database did not answer.
async fn open_actions(beside: &AnyPool) -> Option<i64> {
    let open = sqlx::query("select count(*) from conversation_actions").fetch_one(beside).await;
    open.ok().map(|row| row.get(0))
}
