//! Facts merge in any order, and any number of times, with one result.

use crate::room::*;
use proptest::prelude::*;
use rejoin_conversations::*;
use rejoin_protocol::{ConversationSid, InviteSid, MemberSid, Millis, ParticipantSid, TaskSid, WorkerSid};
use std::collections::{BTreeMap, BTreeSet};

fn state() -> impl Strategy<Value = ChannelState> {
    use ChannelState::*;
    prop_oneof![Just(Active), Just(Paused), Just(Transferring), Just(Inactive), Just(Closed)]
}

fn task_state() -> impl Strategy<Value = TaskState> {
    use TaskState::*;
    prop_oneof![Just(Waiting), Just(Assigned), Just(Ended)]
}

pub fn someone() -> impl Strategy<Value = Seen> {
    let role = prop_oneof![Just(Role::Agent), Just(Role::Agent), Just(Role::Customer), Just(Role::Other)];
    let number = || 1..4u128;
    (role, number(), prop::option::of(number()), prop::option::of(number()), prop::option::of(number()))
        .prop_map(|(role, sid, worker, task, member)| Seen {
            sid: ParticipantSid::numbered(sid),
            role,
            worker: worker.map(WorkerSid::numbered),
            task: task.map(TaskSid::numbered),
            reservation: None,
            member: member.map(MemberSid::numbered),
        })
}

pub fn message() -> impl Strategy<Value = Message> {
    (0..40u32, prop::option::weighted(0.8, 1..4u128)).prop_map(|(index, author)| Message {
        // One index is one message.
        author: author.map(MemberSid::numbered),
        at: Millis::seconds(900 + u64::from(index) * 10),
        index,
    })
}

pub fn sight() -> impl Strategy<Value = Sight> {
    let task = (1..4u128, task_state(), any::<bool>()).prop_map(|(task, state, completed)| SeenTask {
        task: TaskSid::numbered(task),
        state,
        completed: completed && state == TaskState::Ended,
        workflow: None,
    });
    (
        900..1400u64,
        state(),
        prop::collection::vec(someone(), 0..4),
        prop::collection::vec(message(), 0..4),
        prop::option::of(task),
        prop::collection::vec(1..4u128, 0..2),
        prop::collection::vec((1..4u128, prop::option::of((900..1400u64).prop_map(Millis::seconds))), 0..3),
    )
        .prop_map(|(asked_at, state, participants, messages, task, completed, workers)| Sight {
            asked_at: Millis::seconds(asked_at),
            state,
            kind: None,
            participants,
            messages,
            task,
            completed: completed.into_iter().map(TaskSid::numbered).collect(),
            workers: workers.into_iter().map(|(number, at)| (WorkerSid::numbered(number), at)).collect(),
        })
}

pub fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        2 => Just(Outcome::Ok),
        4 => sight().prop_map(Outcome::Seen),
        1 => Just(Outcome::NotFound),
        1 => Just(Outcome::Unconfirmed),
        2 => (1..4u128, prop::option::of(1..4u128)).prop_map(|(invite, task)| Outcome::Invited {
            invite: InviteSid::numbered(invite),
            task: task.map(TaskSid::numbered),
        }),
        1 => Just(Outcome::Failed { reason: "refused".into() }),
    ]
}

pub fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        any::<(bool, bool, bool)>().prop_map(|(confirm, watch, workers)| Action::Poll {
            place: place(),
            routing: true,
            task: None,
            confirm,
            watch,
            workers,
        }),
        Just(Action::Close { place: place(), silent_since: None }),
        (0..3u32, 0..3u32).prop_map(|(message, invite)| Action::Park {
            place: place(),
            after_message: Some(message),
            after_invite: invite,
        }),
        (1..25u32).prop_map(|number| Action::Invite {
            place: place(),
            number,
            began_at: Millis(1),
            task: TaskSid::numbered(1),
            workflow: None,
            target: None,
            timeout: Millis::seconds(1),
        }),
    ]
}

pub fn event() -> impl Strategy<Value = Event> {
    let to = || prop_oneof![9 => Just(1u128), 1 => Just(2u128)].prop_map(ConversationSid::numbered);
    let who = || prop_oneof![Just(1u128), Just(2), Just(3)].prop_map(WorkerSid::numbered);
    let how = prop_oneof![
        Just(Leaving::Leave),
        Just(Leaving::Pause),
        Just(Leaving::Transfer),
        Just(Leaving::WrapUp)
    ];
    let page = prop_oneof![
        Just(PageEvent::Heard),
        Just(PageEvent::Goodbye),
        Just(PageEvent::PushOpened),
        Just(PageEvent::PushClosed)
    ];
    let news = prop_oneof![
        3 => someone().prop_map(InteractionNews::Joined),
        2 => someone().prop_map(InteractionNews::Left),
        1 => state().prop_map(InteractionNews::Status),
        1 => Just(InteractionNews::Other),
    ];
    prop_oneof![
        5 => (to(), news).prop_map(|(conversation, news)| Event::Interaction {
            conversation,
            place: place(),
            kind: None,
            news,
        }),
        3 => (to(), message()).prop_map(|(conversation, message)| Event::Message { conversation, message }),
        1 => (to(), state()).prop_map(|(conversation, state)| Event::State { conversation, state }),
        1 => (to(), who()).prop_map(|(conversation, worker)| Event::Claimed { worker, conversation, place: place() }),
        1 => (to(), who(), how).prop_map(|(conversation, worker, how)| Event::Leaving { worker, conversation, how }),
        5 => (who(), 1..4u64, page).prop_map(|(worker, epoch, event)| Event::Page { worker, epoch, event }),
        1 => (prop::option::of(to()), 1..4u128, task_state()).prop_map(|(conversation, task, state)| {
            Event::Task { conversation, task: TaskSid::numbered(task), state }
        }),
        2 => (to(), action(), outcome())
            .prop_map(|(conversation, action, outcome)| Event::Done { conversation, action, outcome }),
    ]
}

fn in_order(said: &[(u64, Event)]) -> Facts {
    let mut facts = Facts::default();
    for (at, event) in said {
        facts.observe(Facts::said(Millis::seconds(*at), event));
    }
    facts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_order_and_the_number_of_reports_do_not_matter(
        (said, shuffled) in prop::collection::vec((900..1400u64, event()), 0..40).prop_flat_map(|said| {
            (Just(said.clone()), Just(said).prop_shuffle())
        }),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut repeated = shuffled.clone();
        if !shuffled.is_empty() {
            repeated.extend(again.iter().map(|index| index.get(&shuffled).clone()));
        }
        prop_assert_eq!(in_order(&said), in_order(&repeated));
    }

    #[test]
    fn the_order_and_the_number_of_reports_of_pages_do_not_matter(
        (said, shuffled) in prop::collection::vec((0..20u64, 0..20u64, 0..4usize), 0..40).prop_flat_map(|said| {
            (Just(said.clone()), Just(said).prop_shuffle())
        }),
    ) {
        let kinds = [PageEvent::Heard, PageEvent::Goodbye, PageEvent::PushOpened, PageEvent::PushClosed];
        let in_order = |said: &[(u64, u64, usize)]| {
            let mut desk = Desk::default();
            for (at, epoch, kind) in said {
                desk.observe(Millis(*at), *epoch, kinds[*kind]);
            }
            desk
        };
        let twice: Vec<_> = shuffled.iter().chain(&shuffled).copied().collect();
        prop_assert_eq!(in_order(&said), in_order(&twice));
    }
}

#[test]
fn a_poll_names_the_workers_whose_desks_are_needed() {
    let sight = Sight {
        asked_at: Millis(1),
        state: ChannelState::Active,
        kind: None,
        participants: vec![customer(), agent(ADA, 1), agent(BO, 2)],
        messages: vec![],
        task: None,
        completed: BTreeSet::new(),
        workers: BTreeMap::new(),
    };
    let action = Action::Poll {
        place: place(),
        routing: false,
        task: None,
        confirm: false,
        watch: false,
        workers: false,
    };
    let seen = Event::Done { conversation: conversation(), action, outcome: Outcome::Seen(sight) };
    assert_eq!(seen.workers(), [&worker(ADA), &worker(BO)]);
}
