//! Conversations: how they begin, who gets them, and how they end.

use super::world::{World, ada, bo};
use crate::model::{
    ApiError, Assumptions, ChatRequest, Effect, Event, InviteRouting, NewChat, NewMessage, Reply, Request,
    SyncChange, WebhookSettings, state::ReservationStatus,
};
use rejoin_protocol::{
    ConversationSid, InteractionSid, InviteSid, Millis, ParticipantSid, ReservationSid, TaskQueueSid,
    TaskSid, WorkerSid, WorkflowSid,
};
use serde_json::{Value, json};

const CUSTOMER: &str = "customer-1";
const ADA: &str = "ada_40example_2Ecom";

/// A chat that a customer has begun.
struct Chat {
    conversation: ConversationSid,
    interaction: InteractionSid,
}

impl World {
    fn chat(&mut self, request: ChatRequest) -> Result<Reply, ApiError> {
        self.ask(Request::Chat(request))
    }

    fn begins(&mut self) -> Chat {
        let new = NewChat { identity: CUSTOMER.into(), name: "Customer".into(), ..NewChat::default() };
        let made = self.chat(ChatRequest::Begin(new)).expect("a chat").body;
        let conversation = ConversationSid::parse(made["sid"].as_str().expect("a sid")).expect("a sid");
        let interaction = InteractionSid::parse(&format!("KD{}", conversation.digits())).expect("a sid");
        Chat { conversation, interaction }
    }

    fn says(&mut self, chat: &Chat, author: &str, body: &str) -> Result<Reply, ApiError> {
        let message = NewMessage {
            author: author.into(),
            body: body.into(),
            by_member: true,
            webhooks: true,
            ..NewMessage::default()
        };
        self.chat(ChatRequest::Say { conversation: chat.conversation.clone(), message })
    }

    fn invite_of(&self, task: &TaskSid) -> InviteSid {
        let attributes = &self.model.tasks.get(task).expect("a task").attributes;
        InviteSid::parse(attributes["flexChannelInviteSid"].as_str().expect("an invite")).expect("a sid")
    }

    fn answers(
        &mut self,
        chat: &Chat,
        worker: &WorkerSid,
        (reservation, task): &(ReservationSid, TaskSid),
        accept: bool,
    ) -> Result<Reply, ApiError> {
        self.chat(ChatRequest::AnswerInvite {
            interaction: chat.interaction.clone(),
            invite: self.invite_of(task),
            worker: worker.clone(),
            accept,
            reservation: reservation.clone(),
        })
    }

    fn members(&mut self, chat: &Chat) -> Vec<String> {
        let members = self.chat(ChatRequest::ListMembers(chat.conversation.clone())).expect("members").body;
        let members = members["participants"].as_array().expect("a list").iter();
        members.filter_map(|it| it["identity"].as_str().map(str::to_owned)).collect()
    }

    fn participants(&mut self, chat: &Chat) -> Value {
        let listed = self.chat(ChatRequest::ListParticipants(chat.interaction.clone()));
        listed.expect("participants").bridge["participants"].clone()
    }

    fn status(&mut self, chat: &Chat) -> String {
        let channel = self.chat(ChatRequest::FetchChannel(chat.interaction.clone())).expect("a channel").body;
        channel["status"].as_str().expect("a status").to_owned()
    }

    fn channel(&mut self, chat: &Chat, status: &str, routing: Option<&str>) -> Result<Reply, ApiError> {
        self.chat(ChatRequest::UpdateChannel {
            interaction: chat.interaction.clone(),
            status: status.into(),
            routing: routing.map(str::to_owned),
        })
    }

    /// Events of the interaction's and the conversation's webhooks since the last time.
    fn webhooks(&mut self) -> Vec<(String, Vec<(String, String)>)> {
        let told = self.done.iter().filter_map(|effect| match effect {
            Effect::Webhook { params, .. } => Some((params.first()?.1.clone(), params.clone())),
            _ => None,
        });
        let told = told.collect();
        self.clear();
        told
    }
}

/// A customer who chats with Ada.
fn chats() -> (World, Chat, (ReservationSid, TaskSid)) {
    let mut world = World::new();
    world.available(&ada());
    let chat = world.begins();
    world.says(&chat, CUSTOMER, "Hello?").expect("said");
    let offer = world.reservation_of(&ada());
    world.answers(&chat, &ada(), &offer, true).expect("accepted");
    (world, chat, offer)
}

#[test]
fn a_chat_is_offered_by_a_task_with_what_flex_reads_and_accepting_makes_a_member() {
    let mut world = World::new();
    world.available(&ada());
    let chat = world.begins();
    assert_eq!(world.members(&chat), [CUSTOMER]);
    let offer = world.reservation_of(&ada());
    let task = world.model.tasks.get(&offer.1).expect("a task");
    assert_eq!(task.attributes["conversationSid"], json!(chat.conversation));
    assert_eq!(task.attributes["flexInteractionSid"], json!(chat.interaction));
    assert_eq!(task.attributes["channelType"], "web");
    world.clear();
    world.answers(&chat, &ada(), &offer, true).expect("accepted");
    assert_eq!(world.members(&chat), [CUSTOMER, ADA]);
    let told: Vec<&str> = world
        .done
        .iter()
        .filter_map(|effect| match effect {
            Effect::Tell { event_type, .. } => Some(event_type.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["reservation.accepted", "participant.added"]);
    let seen = world.done.iter().any(|effect| {
        matches!(effect, Effect::Sync(SyncChange::Item { map, item: Some((key, _)) })
            if *map == format!("{ADA}.channels") && *key == chat.conversation.to_string())
    });
    assert!(seen, "the SDK sees that the agent has joined");
    let agent = world.participants(&chat)[1].clone();
    assert_eq!(agent["routing_properties"]["reservation_sid"], json!(offer.0));
    assert!(world.answers(&chat, &ada(), &offer, true).is_err(), "once");
}

#[test]
fn nobody_accepts_for_somebody_else_or_another_chat() {
    let mut world = World::new();
    world.available(&ada());
    let (chat, other) = (world.begins(), world.begins());
    let offer = world.reservation_of(&ada());
    let of_it = if world.model.tasks[&offer.1].attributes["conversationSid"] == json!(chat.conversation) {
        (&chat, &other)
    } else {
        (&other, &chat)
    };
    assert_eq!(world.answers(of_it.0, &bo(), &offer, true).expect_err("refused").status, 404);
    assert_eq!(world.answers(of_it.1, &ada(), &offer, true).expect_err("refused").status, 404);
    assert_eq!(world.model.reservations[&offer.0].status, ReservationStatus::Pending);
}

#[test]
fn a_message_reaches_lists_document_and_webhook_and_only_members_write_by_the_sdk() {
    let (mut world, chat, _) = chats();
    world
        .chat(ChatRequest::Webhooks(WebhookSettings {
            conversations: Some("http://server/messages".into()),
            conversation_events: vec!["onMessageAdded".into()],
            ..WebhookSettings::default()
        }))
        .expect("set");
    world.clear();
    let said = world.says(&chat, ADA, "How can I help?").expect("said");
    assert_eq!((said.status, &said.body["index"]), (201, &json!(1)));
    let pushed = world.done.iter().find_map(|effect| match effect {
        Effect::Sync(SyncChange::Pushed { list, item: Some(item) }) => Some((list.clone(), item.clone())),
        _ => None,
    });
    let (list, item) = pushed.expect("the SDK sees it");
    assert_eq!((list, &item["text"]), (format!("{}.messages", chat.conversation), &json!("How can I help?")));
    let told = world.webhooks();
    assert_eq!(told.iter().map(|(event, _)| event.as_str()).collect::<Vec<_>>(), ["onMessageAdded"]);
    assert!(told[0].1.contains(&("Source".into(), "SDK".into())));
    assert_eq!(world.says(&chat, "bo_40example_2Ecom", "Hi").expect_err("refused").status, 403);
    let long = "x".repeat((32 << 10) + 1);
    assert_eq!(world.says(&chat, ADA, &long).expect_err("refused").code, 50506);
    let system = NewMessage { author: "system".into(), body: "A notice".into(), ..NewMessage::default() };
    world
        .chat(ChatRequest::Say { conversation: chat.conversation.clone(), message: system })
        .expect("the REST API may");
    assert_eq!(world.webhooks(), [], "and is told to nobody without the header");
}

#[test]
fn ending_a_chat_leaves_the_agent_in_it_while_they_wrap_up() {
    let (mut world, chat, offer) = chats();
    world.channel(&chat, "closed", Some("wrapup")).expect("closed");
    assert_eq!(world.status(&chat), "closed");
    assert_eq!(world.model.reservations[&offer.0].status, ReservationStatus::Wrapping);
    assert_eq!(world.members(&chat), [CUSTOMER, ADA]);
    assert_eq!(world.says(&chat, CUSTOMER, "Wait!").expect_err("refused").code, 50377);
    world.channel(&chat, "closed", Some("closed")).expect("closed");
    assert_eq!(world.model.reservations[&offer.0].status, ReservationStatus::Completed);
    assert_eq!(world.members(&chat), [CUSTOMER]);
}

#[test]
fn a_chat_that_its_agent_leaves_waits_for_the_customer() {
    for invites_itself in [true, false] {
        let (mut world, chat, offer) = chats();
        let left_chat_invites_itself = Some(invites_itself);
        world.tell(Event::Assume(Assumptions { left_chat_invites_itself, ..Assumptions::default() }));
        assert!(world.channel(&chat, "inactive", Some("wrapup")).is_err(), "inactive requires closed");
        world.channel(&chat, "inactive", Some("closed")).expect("left");
        assert_eq!((world.status(&chat).as_str(), world.members(&chat).len()), ("inactive", 1));
        assert_eq!(world.find_reservation(&ada()), None);
        world.says(&chat, CUSTOMER, "One more thing").expect("said");
        assert_eq!(world.status(&chat), "active", "it is woken before its message is told");
        let again = world.find_reservation(&ada());
        assert_eq!(again.is_some(), invites_itself);
        assert!(again.is_none_or(|(_, task)| task != offer.1));
    }
}

#[test]
fn an_invite_brings_another_agent_and_the_first_leaves_by_their_participant() {
    let (mut world, chat, first) = chats();
    world.available(&bo());
    let routing = InviteRouting {
        workflow: Some(WorkflowSid::numbered(1)),
        attributes: Some(json!({ "isReconnect": true, "targetWorkerSid": bo() }).to_string()),
        ..InviteRouting::default()
    };
    let invite = world
        .chat(ChatRequest::Invite { interaction: chat.interaction.clone(), routing })
        .expect("invited")
        .body;
    let offer = world.reservation_of(&bo());
    assert_eq!(invite["sid"], json!(world.invite_of(&offer.1)));
    assert_eq!(invite["routing"]["properties"]["task_sid"], json!(offer.1));
    let task = world.model.tasks.get(&offer.1).expect("a task");
    assert_eq!(task.attributes.get("customerName"), None, "attributes are not carried over");
    world.answers(&chat, &bo(), &offer, true).expect("accepted");
    let old = world.participants(&chat)[1]["sid"].as_str().map(ParticipantSid::parse);
    let participant = old.expect("a sid").expect("a sid");
    let close = ChatRequest::UpdateParticipant {
        interaction: chat.interaction.clone(),
        participant,
        status: "closed".into(),
    };
    world.chat(close.clone()).expect("closed");
    assert_eq!(world.model.reservations[&first.0].status, ReservationStatus::Completed);
    assert_eq!(world.members(&chat), [CUSTOMER, "bo_40example_2Ecom"]);
    assert_eq!(world.status(&chat), "active");
    assert_eq!(world.chat(close).expect_err("gone").status, 404);
}

#[test]
fn a_declined_invite_goes_on_to_the_next_agent_unless_it_was_for_one_by_name() {
    let mut world = World::new();
    world.available(&ada());
    let chat = world.begins();
    let offer = world.reservation_of(&ada());
    world.answers(&chat, &ada(), &offer, false).expect("declined");
    assert_eq!(world.find_reservation(&ada()), None);
    world.available(&bo());
    assert_eq!(world.reservation_of(&bo()).1, offer.1, "the same task");

    let (mut world, chat, _) = chats();
    world.available(&bo());
    let routing = InviteRouting {
        workflow: Some(WorkflowSid::numbered(1)),
        worker: Some(bo()),
        ..InviteRouting::default()
    };
    world.chat(ChatRequest::Invite { interaction: chat.interaction.clone(), routing }).expect("invited");
    let offer = world.reservation_of(&bo());
    world.answers(&chat, &bo(), &offer, false).expect("declined");
    assert_eq!(world.model.tasks[&offer.1].status.as_str(), "canceled", "nobody else is asked");
}

#[test]
fn the_interaction_tells_who_joins_and_leaves_and_its_state() {
    let (mut world, chat, _) = chats();
    let events = ["onParticipantJoined", "onParticipantLeft", "onChannelStatusUpdated"];
    world
        .chat(ChatRequest::Webhooks(WebhookSettings {
            interactions: Some("http://server/interactions".into()),
            interaction_events: events.map(str::to_owned).to_vec(),
            ..WebhookSettings::default()
        }))
        .expect("set");
    world.clear();
    world.channel(&chat, "closed", Some("closed")).expect("closed");
    let told = world.webhooks();
    let names: Vec<&str> = told.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(names, ["onParticipantLeft", "onChannelStatusUpdated"]);
    let has = |of: usize, name: &str, value: &str| told[of].1.contains(&(name.to_owned(), value.to_owned()));
    assert!(has(0, "ParticipantType", "agent") && has(0, "MediaChannelSid", chat.conversation.as_str()));
    assert!(has(1, "ChannelStatus", "closed"));
}

#[test]
fn a_task_that_ends_at_taskrouter_takes_its_agent_out_of_the_chat() {
    let (mut world, chat, (reservation, task)) = chats();
    let complete = Request::UpdateTask {
        task,
        if_match: None,
        attributes: None,
        assignment_status: Some("completed".into()),
        reason: None,
        priority: None,
    };
    world.ask(complete).expect("completed");
    assert_eq!(world.model.reservations[&reservation].status, ReservationStatus::Completed);
    assert_eq!(world.members(&chat), [CUSTOMER]);
    world.pass(Millis::seconds(60));
    assert_eq!(world.status(&chat), "active", "and the customer is alone");
}

#[test]
fn three_chats_and_a_call_fit_beside_each_other() {
    let mut world = World::new();
    world.available(&ada());
    for _ in 0..4 {
        world.begins();
    }
    world.dial();
    let open = world.model.reservations.values().filter(|it| it.worker == ada() && it.status.is_active());
    assert_eq!(open.count(), 4);
}

#[test]
fn a_user_has_read_as_far_as_they_say_and_never_less() {
    let (mut world, chat, _) = chats();
    world.says(&chat, CUSTOMER, "Are you there?").expect("said");
    let mut read = |index| {
        let conversation = chat.conversation.clone();
        let answer = world.chat(ChatRequest::Read { conversation, identity: ADA.into(), index });
        let body = answer.expect("read").body;
        (body["last_read_message_index"].clone(), body["unread_messages_count"].clone())
    };
    assert_eq!(read(None), (json!(null), json!(2)));
    assert_eq!(read(Some(1)), (json!(1), json!(0)));
    assert_eq!(read(Some(0)), (json!(1), json!(0)));
}

#[test]
fn a_paused_chat_comes_back_to_its_agent_alone_and_without_being_accepted() {
    let (mut world, chat, (first, _)) = chats();
    world.channel(&chat, "pause", Some("closed")).expect("paused");
    assert_eq!(world.model.reservations[&first].status, ReservationStatus::Completed);
    assert_eq!((world.status(&chat).as_str(), world.members(&chat).len()), ("pause", 1));
    let paused = |world: &mut World, worker| {
        world.chat(ChatRequest::ListPaused { worker }).expect("a list").bridge["content"].clone()
    };
    assert_eq!(paused(&mut world, ada())[0]["interaction_sid"], json!(chat.interaction));
    assert_eq!(paused(&mut world, bo()), json!([]));
    world.says(&chat, CUSTOMER, "Still there?").expect("said");
    assert_eq!(world.find_reservation(&ada()), None, "a message does not end the pause");
    let resume = |worker| ChatRequest::Resume { interaction: chat.interaction.clone(), worker };
    assert_eq!(world.chat(resume(bo())).expect_err("refused").status, 400);
    world.chat(resume(ada())).expect("resumed");
    let (again, _) = world.reservation_of(&ada());
    assert_eq!(world.model.reservations[&again].status, ReservationStatus::Accepted);
    assert_eq!((world.status(&chat).as_str(), world.members(&chat).len()), ("active", 2));
    assert!(world.chat(resume(ada())).is_err(), "once");
}

impl World {
    fn transfers(
        &mut self,
        chat: &Chat,
        worker: &WorkerSid,
        from: &ParticipantSid,
        to: &str,
    ) -> Result<Reply, ApiError> {
        let (worker, from, to) = (worker.clone(), from.clone(), to.to_owned());
        self.chat(ChatRequest::Transfer { interaction: chat.interaction.clone(), worker, from, to })
    }

    /// How the last transfer of the chat stands.
    fn transfer(&mut self, chat: &Chat) -> String {
        let all = self.chat(ChatRequest::ListTransfers(chat.interaction.clone())).expect("a list").bridge;
        let last = all.as_array().and_then(|all| all.last()).expect("a transfer");
        last["status"].as_str().expect("a status").to_owned()
    }

    /// The participant of this kind who joined first.
    fn first(&mut self, chat: &Chat, kind: &str) -> ParticipantSid {
        let all = self.participants(chat);
        let first = all.as_array().and_then(|all| all.iter().find(|it| it["type"] == kind)).expect("one");
        ParticipantSid::parse(first["sid"].as_str().expect("a sid")).expect("a sid")
    }

    fn status_of(&self, reservation: &ReservationSid) -> ReservationStatus {
        self.model.reservations.get(reservation).expect("a reservation").status
    }
}

#[test]
fn a_transfer_asks_the_other_agent_while_the_first_one_wraps_up_and_has_left() {
    let (mut world, chat, (reservation, task)) = chats();
    world.available(&bo());
    let from = world.first(&chat, "agent");
    world.webhooks();
    let settings = WebhookSettings {
        interactions: Some("http://x/".into()),
        interaction_events: vec![
            "onParticipantLeft".into(),
            "onParticipantJoined".into(),
            "onChannelStatusUpdated".into(),
        ],
        ..WebhookSettings::default()
    };
    world.chat(ChatRequest::Webhooks(settings)).expect("set");
    let made = world.transfers(&chat, &ada(), &from, bo().as_str()).expect("transferred");
    assert_eq!((made.status, &made.bridge["status"]), (201, &json!("active")));
    assert_eq!((world.status(&chat), world.transfer(&chat)), ("transfer".into(), "active".into()));
    assert_eq!(world.members(&chat), [CUSTOMER]);
    assert_eq!(world.status_of(&reservation), ReservationStatus::Wrapping);

    let offer = world.reservation_of(&bo());
    let attributes = world.model.tasks.get(&offer.1).expect("a task").attributes.clone();
    assert_eq!(attributes["transfer_sid"], made.bridge["sid"]);
    assert_eq!(attributes["name"], "Customer");
    assert_ne!(offer.1, task);
    world.answers(&chat, &bo(), &offer, true).expect("accepted");
    assert_eq!((world.status(&chat), world.transfer(&chat)), ("active".into(), "completed".into()));
    assert_eq!(world.members(&chat).len(), 2);
    let told: Vec<String> = world.webhooks().into_iter().map(|(event, _)| event).collect();
    assert_eq!(
        told,
        ["onChannelStatusUpdated", "onParticipantLeft", "onChannelStatusUpdated", "onParticipantJoined"]
    );

    // The first one is found among all, and is removed as Flex completes the task.
    let all = world.chat(ChatRequest::ListAllParticipants(chat.interaction.clone())).expect("all").bridge;
    assert_eq!(all["participants"].as_array().map(Vec::len), Some(3));
    let close = ChatRequest::UpdateParticipant {
        interaction: chat.interaction.clone(),
        participant: from,
        status: "closed".into(),
    };
    world.chat(close).expect("removed");
    assert_eq!(world.status_of(&reservation), ReservationStatus::Completed);
    assert_eq!(world.status(&chat), "active");
}

#[test]
fn a_transfer_that_is_declined_goes_on_to_the_next_agent_in_the_workflow() {
    let (mut world, chat, _) = chats();
    world.available(&bo());
    let from = world.first(&chat, "agent");
    world.transfers(&chat, &ada(), &from, bo().as_str()).expect("transferred");
    let offer = world.reservation_of(&bo());
    world.answers(&chat, &bo(), &offer, false).expect("declined");
    assert_eq!(world.transfer(&chat), "active");
    // Who may be the agent who has transferred it.
    let again = world.reservation_of(&ada());
    assert_eq!(again.1, offer.1);
    world.answers(&chat, &ada(), &again, true).expect("accepted");
    assert_eq!((world.status(&chat), world.transfer(&chat)), ("active".into(), "completed".into()));
    assert_eq!(world.members(&chat), [CUSTOMER, ADA]);
}

#[test]
fn a_transfer_to_a_queue_goes_there_directly() {
    let (mut world, chat, _) = chats();
    let from = world.first(&chat, "agent");
    let queue = TaskQueueSid::numbered(3);
    let made = world.transfers(&chat, &ada(), &from, queue.as_str()).expect("transferred").bridge;
    assert_eq!(made["to"], queue.as_str());
    let next = world.model.tasks.values().find(|task| task.attributes["transfer_sid"] == made["sid"]);
    assert_eq!(next.and_then(|task| task.queue.clone()), Some(queue));
}

#[test]
fn a_transfer_that_nobody_takes_fails_and_leaves_the_customer_alone() {
    let (mut world, chat, (reservation, _)) = chats();
    let from = world.first(&chat, "agent");
    world.activity(&ada(), 0);
    world.transfers(&chat, &ada(), &from, bo().as_str()).expect("transferred");
    world.pass(Millis::seconds(86_400));
    assert_eq!((world.status(&chat), world.transfer(&chat)), ("active".into(), "failed".into()));
    assert_eq!(world.members(&chat), [CUSTOMER]);
    assert_eq!(world.status_of(&reservation), ReservationStatus::Wrapping);
}

#[test]
fn an_agent_transfers_only_their_own_chat_and_only_once_at_a_time() {
    let (mut world, chat, _) = chats();
    let (agent, customer) = (world.first(&chat, "agent"), world.first(&chat, "customer"));
    assert!(world.transfers(&chat, &bo(), &agent, bo().as_str()).is_err());
    assert!(world.transfers(&chat, &ada(), &customer, bo().as_str()).is_err());
    assert!(world.transfers(&chat, &ada(), &agent, "WK00").is_err());
    world.transfers(&chat, &ada(), &agent, bo().as_str()).expect("transferred");
    assert!(world.transfers(&chat, &ada(), &agent, bo().as_str()).is_err());
}

#[test]
fn an_agent_who_transfers_may_stay_until_the_next_one_has_joined() {
    let (mut world, chat, _) = chats();
    world.available(&bo());
    let transfer_keeps_agent = Some(true);
    world.tell(Event::Assume(Assumptions { transfer_keeps_agent, ..Assumptions::default() }));
    let from = world.first(&chat, "agent");
    world.transfers(&chat, &ada(), &from, bo().as_str()).expect("transferred");
    assert_eq!(world.members(&chat), [CUSTOMER, ADA]);
    let offer = world.reservation_of(&bo());
    world.answers(&chat, &bo(), &offer, true).expect("accepted");
    assert!(!world.members(&chat).contains(&ADA.to_owned()));
}
