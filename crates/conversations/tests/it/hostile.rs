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
        Event::Task { conversation: None, task: TaskSid::numbered(7), state: TaskState::Ended },
        Event::Done {
            conversation: unknown(),
            action: Action::Close { place: place(), silent_since: None },
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
    room.handle(&claim(BO, elsewhere()));
    room.answer();
    room.ada_goes();
    room.pass(60);
    assert_eq!(room.acts(), ["tell", "invite"]);
    let Some(Action::Invite { place: invited, .. }) = room.requested.last() else { panic!() };
    assert_eq!(*invited, place());
}

/// A channel that is not the conversation's.
fn elsewhere() -> Place {
    Place { interaction: InteractionSid::numbered(0xffff), channel: InteractionChannelSid::numbered(0xffff) }
}

fn claim(of: u128, place: Place) -> Event {
    Event::Claimed { worker: worker(of), conversation: conversation(), place }
}

#[test]
fn a_claim_of_a_conversation_that_does_not_exist_is_looked_up_once_and_forgotten() {
    let mut room = Room::new(Policy::default());
    room.page(BO, PAGE, PageEvent::PushOpened);
    room.handle(&claim(BO, place()));
    let poll = room.pending[0].clone();
    room.finish(poll, Outcome::NotFound);
    assert_eq!(room.attendance(), Attendance::Foreign);
    for _ in 0..100 {
        room.handle(&claim(BO, place()));
    }
    assert_eq!(room.requested.len(), 1);
    room.pass(700);
    assert_eq!(room.machine.conversations().count(), 0);
    assert!(room.timers.is_empty());
}

#[test]
fn a_claim_that_twilio_confirms_is_enough_without_the_webhook_of_interactions() {
    let mut room = Room::new(Policy::default());
    room.page(ADA, PAGE, PageEvent::PushOpened);
    room.there.push(agent(ADA, 1));
    room.handle(&claim(ADA, place()));
    assert_eq!(room.attendance(), Attendance::Undecided);
    room.pass(1);
    assert_eq!(room.attendance(), Attendance::Attended);
    room.ada_goes();
    room.pass(60);
    assert_eq!(room.acts(), ["tell", "invite"]);
}

#[test]
fn nothing_but_polling_is_done_at_a_channel_that_twilio_does_not_confirm() {
    let mut room = Room::new(Policy::default());
    room.page(BO, PAGE, PageEvent::PushOpened);
    // The channel is there, with an agent of its own, whose page goes away.
    room.there.push(agent(ADA, 1));
    room.page(ADA, PAGE, PageEvent::PushOpened);
    room.channel = Some(elsewhere());
    for _ in 0..1000 {
        room.handle(&claim(BO, place()));
        room.pass(1);
    }
    room.ada_goes();
    room.pass(120);
    assert_eq!(room.acts(), [""; 0]);
    assert!(room.requested.len() <= 40, "asked {} times in 19 minutes", room.requested.len());
    room.pass(1000);
    assert_eq!(room.machine.conversations().count(), 0, "it is forgotten");
}

#[test]
fn an_agent_who_has_just_joined_is_confirmed_by_the_next_poll() {
    let mut room = Room::new(Policy::default());
    room.page(ADA, PAGE, PageEvent::PushOpened);
    room.handle(&claim(ADA, place()));
    let poll = room.pending[0].clone();
    room.finish(poll, Outcome::Unconfirmed);
    assert_eq!(room.attendance(), Attendance::Undecided);
    room.there.push(agent(ADA, 1));
    room.pass(29);
    assert_eq!(room.attendance(), Attendance::Undecided);
    room.pass(2);
    assert_eq!(room.attendance(), Attendance::Attended);
}

#[test]
fn a_liar_who_claims_before_and_after_the_agent_does_not_hide_the_true_channel() {
    for liar in [worker(1), worker(u128::MAX)] {
        let mut room = Room::new(Policy::default());
        room.page(ADA, PAGE, PageEvent::PushOpened);
        room.there.push(agent(ADA, 1));
        let lie = |number| Event::Claimed {
            worker: liar.clone(),
            conversation: conversation(),
            place: Place { interaction: InteractionSid::numbered(number), ..elsewhere() },
        };
        room.handle(&lie(1));
        room.handle(&claim(ADA, place()));
        for number in 2..30 {
            room.handle(&lie(number));
            room.pass(1);
        }
        assert_eq!(room.attendance(), Attendance::Attended);
        room.ada_goes();
        room.pass(60);
        let Some(Action::Invite { place: invited, .. }) = room.requested.last() else { panic!() };
        assert_eq!(*invited, place());
    }
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
