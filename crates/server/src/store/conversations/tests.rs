//! Stories of conversations, in a file and in memory. PostgreSQL's are with the tests of the running server.

use super::*;
use crate::explain::{ConversationStory, Explained, Subject};
use crate::store::{Memory, Store};
use crate::story::{ConversationEntry as Entry, KEPT};
use crate::surroundings::Surroundings;
use rejoin_conversations::Cause;
use rejoin_protocol::{InteractionChannelSid, InteractionSid, ParticipantSid, TaskSid};

const NOW: Millis = Millis(1_800_000_000_000);

fn chat(number: u128) -> ConversationSid {
    ConversationSid::numbered(number)
}

fn began() -> Entry {
    Entry::Began { absence: 1, cause: Cause::Unrouted, until: NOW, lost: vec![] }
}

/// One batch with these entries.
async fn tells(store: &Store, of: u128, at: Millis, entries: Vec<Entry>, forgotten: bool) {
    let told = |entry| ToldConversation { at, conversation: chat(of), entry };
    let changes = ConversationChanges {
        told: entries.into_iter().map(told).collect(),
        forgotten: forgotten.then(|| chat(of)).into_iter().collect(),
        ..ConversationChanges::default()
    };
    let batch = ConversationBatch::default();
    store.transact_conversations(&batch, |_| Ok((changes.clone(), ()))).await.unwrap();
}

async fn story(store: &Store, subject: Subject) -> Option<ConversationStory> {
    match store.explain(&subject).await.unwrap() {
        Some(Explained::Conversation(story)) => Some(story),
        Some(Explained::Call(call)) => panic!("{call:?}"),
        None => None,
    }
}

async fn stores(folder: &std::path::Path) -> [Store; 2] {
    let file = Store::open(&format!("sqlite:{}", folder.join("rejoin.db").display())).await.unwrap();
    let memory = Memory::new(NOW, false);
    [file, Store::in_memory(&memory, Surroundings::seeded(NOW, 1, None)).await.unwrap()]
}

#[tokio::test]
async fn however_much_happens_the_newest_entries_of_a_story_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(folder.path()).await {
        tells(&store, 2, NOW, vec![began()], false).await;
        for number in 0..5 {
            let waits = vec![Entry::CustomerWaits; KEPT as usize / 4];
            tells(&store, 1, NOW + Millis(number), waits, false).await;
        }
        let kept = story(&store, Subject::Conversation(chat(1))).await.unwrap();
        assert_eq!(kept.entries.len(), KEPT as usize);
        assert_eq!(kept.entries.first().map(|it| it.at), Some(NOW + Millis(1)), "the oldest are gone");
        let other = story(&store, Subject::Conversation(chat(2))).await.unwrap();
        assert_eq!(other.entries.len(), 1, "another one's story stays");
    }
}

#[tokio::test]
async fn a_story_without_an_absence_goes_with_its_conversation_and_others_by_their_age() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(folder.path()).await {
        let now = store.now();
        tells(&store, 1, now, vec![Entry::CustomerWaits], false).await;
        tells(&store, 2, now, vec![Entry::CustomerWaits, began()], false).await;
        tells(&store, 3, now, vec![Entry::CustomerWaits], false).await;
        for forgotten in [1, 2] {
            tells(&store, forgotten, now, vec![], true).await;
        }
        let mut is_there = vec![];
        for number in 1..=3 {
            is_there.push(story(&store, Subject::Conversation(chat(number))).await.is_some());
        }
        assert_eq!(is_there, [false, true, true]);
        tells(&store, 3, now - Millis::seconds(7200), vec![began()], false).await;
        store.tidy(Millis::seconds(3600)).await.unwrap();
        assert!(story(&store, Subject::Conversation(chat(2))).await.is_some(), "it is not old");
        let third = story(&store, Subject::Conversation(chat(3))).await.unwrap();
        assert_eq!(third.entries.len(), 1, "the old entry is gone");
    }
}

#[tokio::test]
async fn a_story_is_found_by_its_task_and_by_its_channel() {
    let folder = tempfile::tempdir().unwrap();
    let [store, _] = stores(folder.path()).await;
    let (channel, task) = (InteractionChannelSid::numbered(7), TaskSid::numbered(8));
    let placed = Entry::Placed { interaction: InteractionSid::numbered(6), channel: channel.clone() };
    let joined = Entry::Joined { participant: ParticipantSid::numbered(5), task: Some(task.clone()) };
    tells(&store, 1, NOW, vec![placed, joined], false).await;
    for subject in [Subject::Channel(channel), Subject::Task(task), Subject::Conversation(chat(1))] {
        assert_eq!(
            story(&store, subject.clone()).await.map(|it| it.conversation),
            Some(chat(1)),
            "{subject}"
        );
    }
    for unknown in [Subject::Task(TaskSid::numbered(9)), Subject::Conversation(chat(9))] {
        assert!(store.explain(&unknown).await.unwrap().is_none(), "{unknown}");
    }
}
