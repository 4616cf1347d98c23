//! Many stored conversations: a batch of events reads those that it concerns, and no others.

use crate::database::Database;
use crate::support::until_so;
use rejoin_conversations::{Conversation, Format};
use rejoin_protocol::ConversationSid;
use rejoin_server::store::Store;
use serde_json::json;
use sqlx::{Executor as _, Row as _};
use std::collections::BTreeMap;

/// Number of conversations that are stored before.
const MANY: u128 = 1_000;

async fn store(database: &Database, numbers: std::ops::Range<u128>) {
    let conversation = |number| -> Conversation {
        let conversation = ConversationSid::numbered(number);
        serde_json::from_value(json!({"format": Format::CURRENT, "conversation": conversation})).unwrap()
    };
    let store = Store::open(&database.url).await.unwrap();
    store.add_conversations(numbers.map(conversation).collect(), BTreeMap::new()).await.unwrap();
    store.close().await;
}

/// Number of rows of conversations that were read since the beginning, once PostgreSQL has counted those that were added.
async fn read(database: &Database, added: u128) -> i64 {
    let beside = database.beside().await;
    let read = "select n_tup_ins, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
                from pg_stat_user_tables where relname = 'conversations'";
    let counted = async || sqlx::query(read).fetch_one(&beside).await.unwrap();
    let has_all = async || u128::try_from(counted().await.get::<i64, _>(0)).unwrap() >= added;
    until_so("what was added is counted", has_all).await;
    let read = counted().await.get(1);
    beside.close().await;
    read
}

#[tokio::test]
async fn of_many_conversations_postgres_reads_only_those_of_a_batch() {
    let database = Database::postgres().await;
    store(&database, 0..MANY).await;
    let beside = database.beside().await;
    beside.execute("analyze").await.unwrap();
    beside.close().await;
    let before = read(&database, MANY).await;
    store(&database, MANY..MANY + 1).await;
    let after = read(&database, MANY + 1).await;
    assert!(after - before < 100, "{} rows are read", after - before);
}
