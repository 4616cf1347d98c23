//! News that is wrong, of something else, or of somebody else's doing.

use crate::room::*;
use rejoin_conversations::*;
use rejoin_protocol::{ConversationSid, InteractionChannelSid, InteractionSid, Millis, TaskSid};

#[test]
fn news_of_unknown_conversations_is_ignored() {
    let mut room = Room::new(Policy::default());
    let unknown = || ConversationSid::numbered(7);
    let message = Message { index: 1, at: room.now, author: None };
    for event in [
        Event::Message { conversation: unknown(), message },
        Event::State { conversation: unknown(), state: ChannelState::Closed },
        Event::Leaving { conversation: unknown(), worker: worker(ADA), how: Leaving::Leave },
        Event::Timer { conversation: unknown() },
        Event::Task { task: TaskSid::numbered(7), state: TaskState::Ended },
        Event::Done {
            conversation: unknown(),
            action: Action::Close { place: place() },
            outcome: Outcome::Ok,
        },
    ] {
        assert_eq!(room.machine.handle(room.now, &event), [], "{event:?}");
    }
    assert_eq!(room.machine.conversations().count(), 0);
}

#[test]
fn a_claim_of_somebody_elses_conversation_counts_for_nothing() {
    let mut room = Room::chatting();
    room.page(BO, PAGE, PageEvent::PushOpened);
    room.handle(&Event::Claimed { worker: worker(BO), conversation: conversation(), place: place() });
    room.answer();
    room.ada_goes();
    room.pass(60);
    // Bo's open page does not make the conversation attended.
    assert_eq!(room.acts(), ["tell", "invite"]);
    assert_eq!(room.invited(), [Some(worker(ADA))]);
}

#[test]
fn a_page_that_names_another_channel_does_not_move_the_conversation() {
    let mut room = Room::chatting();
    let other = Place {
        interaction: InteractionSid::numbered(0xffff),
        channel: InteractionChannelSid::numbered(0xffff),
    };
    room.handle(&Event::Claimed { worker: worker(BO), conversation: conversation(), place: other });
    room.answer();
    room.ada_goes();
    room.pass(60);
    assert_eq!(room.acts(), ["tell", "invite"]);
    let Some(Action::Invite { place: invited, .. }) = room.requested.last() else { panic!() };
    assert_eq!(*invited, place());
}

#[test]
fn a_claim_of_a_conversation_that_does_not_exist_is_looked_up_once_and_forgotten() {
    let mut room = Room::new(Policy::default());
    room.page(BO, PAGE, PageEvent::PushOpened);
    let claim = Event::Claimed { worker: worker(BO), conversation: conversation(), place: place() };
    room.handle(&claim);
    let look = room.pending[0].clone();
    room.finish(look, Outcome::NotFound);
    assert_eq!(room.attendance(), Attendance::Foreign);
    for _ in 0..100 {
        room.handle(&claim);
    }
    assert_eq!(room.requested.len(), 1);
    room.pass(700);
    assert_eq!(room.machine.conversations().count(), 0);
    assert!(room.timers.is_empty());
}

#[test]
fn a_participant_removed_by_somebody_else_leaves_the_conversation_to_their_next_task() {
    let mut room = Room::chatting();
    room.leaves(&agent(ADA, 1));
    room.pass(10);
    // Another plugin's transfer: the next task appears.
    room.newest_task = Some(TaskSid::numbered(2));
    room.tasks.insert(TaskSid::numbered(2), TaskState::Waiting);
    room.pass(3600);
    assert_eq!((room.acts(), room.attendance()), (vec![], Attendance::Waiting));
}

#[test]
fn a_participant_removed_by_somebody_else_and_no_next_task_is_routed() {
    let mut room = Room::chatting();
    room.leaves(&agent(ADA, 1));
    room.pass(29);
    assert_eq!(room.acts(), [""; 0]);
    room.pass(10);
    // Nothing is said: the customer has not noticed.
    assert_eq!(room.acts(), ["invite"]);
    assert_eq!(room.invited(), [Some(worker(ADA))]);
}

#[test]
fn a_task_that_is_canceled_under_its_agent_leaves_nobody() {
    let mut room = Room::chatting();
    room.task(1, TaskState::Ended);
    room.pass(31);
    assert_eq!(room.acts(), ["invite"]);
}

#[test]
fn a_chat_whose_first_task_times_out_in_the_workflow_is_routed_again() {
    let mut room = Room::new(Policy::default());
    room.newest_task = Some(TaskSid::numbered(5));
    room.news(InteractionNews::Other);
    room.pass(5000);
    assert_eq!(room.attendance(), Attendance::Waiting);
    room.task(5, TaskState::Ended);
    room.pass(31);
    assert_eq!(room.acts(), ["invite"]);
    assert_eq!(room.invited(), [None]);
}

#[test]
fn a_late_answer_to_an_action_that_was_not_requested_changes_nothing() {
    let mut room = Room::chatting();
    let before = room.machine.conversation(&conversation()).cloned();
    for outcome in [Outcome::Ok, Outcome::NotFound, Outcome::Failed { reason: String::new() }] {
        let park = Action::Park { place: place(), after_message: None, after_invite: 0 };
        room.finish(park, outcome);
    }
    assert_eq!(room.machine.conversation(&conversation()).cloned(), before);
}

#[test]
fn a_message_from_the_future_counts_as_now() {
    let mut room = Room::chatting_with(Policy { alert: Millis::seconds(60), ..Policy::default() });
    let message = Message { index: 9, at: Millis(u64::MAX), author: Some(member(CUSTOMER)) };
    room.handle(&Event::Message { conversation: conversation(), message });
    room.ada_goes();
    room.pass(21);
    assert!(room.is_absent());
}

#[test]
fn ten_thousand_messages_take_no_more_room_than_a_few() {
    let mut room = Room::chatting();
    let stored =
        |room: &Room| serde_json::to_string(room.machine.conversation(&conversation()).unwrap()).unwrap();
    room.writes(CUSTOMER);
    let before = stored(&room).len();
    for _ in 0..10_000 {
        room.writes(CUSTOMER);
    }
    assert!(stored(&room).len() < before + 20);
}
