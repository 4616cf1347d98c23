//! A model of Twilio's Conversations and Interactions, as far as it is known: channels, participants, messages and invites.

use super::routing::{OfferStatus, TaskStatus};
use super::{ChatWorld, Coming, Way};
use crate::timeline::{Kind, Lane};
use rejoin_conversations::{ChannelState, Event, InteractionNews, Message, Place, Role, Seen};
use rejoin_protocol::{
    ConversationSid, InteractionChannelSid, InteractionSid, InviteSid, MemberSid, ParticipantSid, TaskSid,
};

/// SIDs of the chats begin here.
const FIRST: u128 = 0xc4a7_0000;

/// Who has written a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Author {
    /// The customer.
    Customer,
    /// An agent.
    Agent(usize),
    /// Our server.
    System,
}

/// A message in a conversation.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) author: Author,
    pub(super) member: Option<MemberSid>,
    pub(super) at: u64,
    pub(super) body: String,
    /// The attribute by which its sender knows it again.
    pub(super) key: Option<String>,
}

/// By what an agent is in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) agent: usize,
    pub(super) task: usize,
    pub(super) offer: usize,
}

/// A participant of the channel.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    pub(super) sid: ParticipantSid,
    pub(super) member: MemberSid,
    /// `None`: the customer.
    pub(super) seat: Option<Seat>,
    pub(super) joined: u64,
    pub(super) is_there: bool,
}

/// A chat, with its interaction and its channel.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) conversation: ConversationSid,
    pub(super) place: Place,
    /// True once its customer has begun it.
    pub(super) begun: bool,
    pub(super) state: ChannelState,
    pub(super) messages: Vec<Said>,
    pub(super) guests: Vec<Guest>,
    /// Each invite with its task.
    pub(super) invites: Vec<(InviteSid, usize)>,
    /// The agent who has paused it.
    pub(super) paused_by: Option<usize>,
}

/// Twilio refuses a request for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such thing (404).
    Gone,
    /// It cannot be done (400).
    Refused,
}

impl Room {
    pub(super) fn new(number: usize) -> Self {
        let number = FIRST + number as u128;
        Self {
            conversation: ConversationSid::numbered(number),
            place: Place {
                interaction: InteractionSid::numbered(number),
                channel: InteractionChannelSid::numbered(number),
            },
            begun: false,
            state: ChannelState::Active,
            messages: vec![],
            guests: vec![],
            invites: vec![],
            paused_by: None,
        }
    }

    /// The agents who are in it.
    pub(super) fn seats(&self) -> impl Iterator<Item = (&Guest, Seat)> {
        self.guests.iter().filter(|it| it.is_there).filter_map(|it| Some((it, it.seat?)))
    }

    /// True if this agent is in it.
    pub(super) fn has(&self, agent: usize) -> bool {
        self.seats().any(|(_, seat)| seat.agent == agent)
    }

    /// The customer's last message, if no agent has written after it.
    pub(super) fn unanswered(&self) -> Option<&Said> {
        self.messages
            .iter()
            .rev()
            .find(|it| it.author != Author::System)
            .filter(|it| it.author == Author::Customer)
    }
}

impl ChatWorld {
    /// The words of an agent in a chat, as Twilio has them.
    pub(super) fn words_of(&self, room: usize, agent: usize) -> impl Iterator<Item = &str> {
        let said = self.rooms[room].messages.iter().filter(move |it| it.author == Author::Agent(agent));
        said.flat_map(|it| it.body.lines())
    }

    pub(super) fn lane_of(author: Author, room: usize) -> Lane {
        match author {
            Author::Customer => Lane::Chat(room),
            Author::Agent(agent) => Lane::Agent(agent),
            Author::System => Lane::Server(0),
        }
    }

    /// The chat of a conversation.
    pub(super) fn room_of(&self, conversation: &ConversationSid) -> Option<usize> {
        self.rooms.iter().position(|room| room.conversation == *conversation && room.begun)
    }

    /// The chat of a channel.
    pub(super) fn room_at(&self, place: &Place) -> Option<usize> {
        self.rooms.iter().position(|room| room.place == *place && room.begun)
    }

    /// A customer begins a chat, and the flow of its address sends it to Flex.
    pub(super) fn begins(&mut self, room: usize) {
        self.note(Lane::Chat(room), Some(Lane::Twilio), Kind::Person, || "begins a chat".into());
        let (sid, member) = (self.number(), self.number());
        let now = self.now;
        let it = &mut self.rooms[room];
        it.begun = true;
        it.guests.push(Guest {
            sid: ParticipantSid::numbered(sid),
            member: MemberSid::numbered(member),
            seat: None,
            joined: now,
            is_there: true,
        });
        let guest = it.guests.last().cloned();
        let seen = guest.map(|guest| self.webhook_seen(&guest));
        self.interaction(room, seen.map_or(InteractionNews::Other, InteractionNews::Joined));
        let _ = self.say(room, Author::Customer, "hello".into(), None);
        let timeout = self.of.setup.task;
        self.invite(room, None, None, None, timeout);
    }

    /// A message into a conversation. `Ok`: its index.
    pub(super) fn say(
        &mut self,
        room: usize,
        author: Author,
        body: String,
        key: Option<String>,
    ) -> Result<u32, Refusal> {
        let it = &self.rooms[room];
        let member = match author {
            Author::System => None,
            Author::Customer => it.guests.iter().find(|it| it.seat.is_none()).map(|it| it.member.clone()),
            Author::Agent(agent) => {
                it.seats().find(|(_, seat)| seat.agent == agent).map(|(it, _)| it.member.clone())
            }
        };
        if it.state == ChannelState::Closed || (member.is_none() && author != Author::System) {
            return Err(Refusal::Refused);
        }
        let woken = it.state == ChannelState::Inactive;
        if woken {
            // Before the message itself.
            self.set_state(room, ChannelState::Active);
        }
        let (at, wall) = (self.now, self.wall());
        let index = u32::try_from(self.rooms[room].messages.len()).unwrap_or(u32::MAX);
        self.note(Self::lane_of(author, room), Some(Lane::Chat(room)), Kind::Does, || {
            format!("message {index}: {}", body.replace('\n', " · "))
        });
        self.rooms[room].messages.push(Said { author, member: member.clone(), at, body, key });
        if author != Author::System {
            self.counts.messages += 1;
        }
        let conversation = self.rooms[room].conversation.clone();
        self.webhook(
            room,
            Event::Message { conversation, message: Message { index, at: wall, author: member } },
        );
        self.stir(room);
        if woken && author == Author::Customer && self.of.setup.own_task {
            let mut chance = self.chance(Way::Task, room);
            let after = chance.between(100, 2_000);
            self.put(after, Coming::OwnTask(room));
        }
        self.check_said(room, author);
        Ok(index)
    }

    /// Flex's own task, as of the address that the chat came by.
    pub(super) fn own_task(&mut self, room: usize) {
        let timeout = self.of.setup.task;
        if self.rooms[room].state != ChannelState::Closed {
            self.invite(room, None, None, None, timeout);
        }
    }

    pub(super) fn set_state(&mut self, room: usize, state: ChannelState) {
        let before = self.rooms[room].state;
        if before == state {
            return;
        }
        self.rooms[room].state = state;
        self.note(Lane::Twilio, Some(Lane::Chat(room)), Kind::Does, || {
            format!("the chat is {state:?}").to_lowercase()
        });
        // A conversation does not know pauses.
        let known = |state| if state == ChannelState::Paused { ChannelState::Active } else { state };
        if known(before) != known(state) {
            let conversation = self.rooms[room].conversation.clone();
            self.webhook(room, Event::State { conversation, state: known(state) });
        }
        self.interaction(room, InteractionNews::Other);
        self.stir(room);
    }

    /// Makes a task that asks an agent into the chat.
    pub(super) fn invite(
        &mut self,
        room: usize,
        key: Option<String>,
        target: Option<usize>,
        only: Option<usize>,
        timeout: u64,
    ) -> (InviteSid, TaskSid) {
        let task = self.make_task(room, key, target, only, timeout);
        let invite = InviteSid::numbered(self.number());
        self.rooms[room].invites.push((invite.clone(), task));
        self.route();
        (invite, self.tasks[task].sid.clone())
    }

    /// An agent takes an offer: they are in the chat.
    pub(super) fn takes_a_seat(&mut self, room: usize, seat: Seat) {
        self.set_state(room, ChannelState::Active);
        let (sid, member) = (self.number(), self.number());
        let guest = Guest {
            sid: ParticipantSid::numbered(sid),
            member: MemberSid::numbered(member),
            seat: Some(seat),
            joined: self.now,
            is_there: true,
        };
        let seen = self.webhook_seen(&guest);
        self.note(Lane::Agent(seat.agent), Some(Lane::Chat(room)), Kind::Does, || "is in the chat".into());
        self.rooms[room].guests.push(guest);
        self.rooms[room].paused_by = None;
        self.interaction(room, InteractionNews::Joined(seen));
        self.joined(room, seat.agent);
        self.stir(room);
    }

    /// A participant leaves.
    pub(super) fn leaves(&mut self, room: usize, sid: &ParticipantSid) {
        let mut guests = self.rooms[room].guests.iter_mut();
        let Some(guest) = guests.find(|it| it.sid == *sid && it.is_there) else { return };
        guest.is_there = false;
        let guest = guest.clone();
        if let Some(seat) = guest.seat {
            self.note(Lane::Agent(seat.agent), Some(Lane::Chat(room)), Kind::Does, || {
                "is out of the chat".into()
            });
            self.stir_agent(seat.agent);
            self.has_left(room);
        }
        let left = Seen { role: Role::Other, task: None, ..self.webhook_seen(&guest) };
        self.interaction(room, InteractionNews::Left(left));
        self.stir(room);
    }

    /// The end of a seat: its reservation wraps up, or is completed, and then the agent leaves.
    pub(super) fn end_seat(&mut self, room: usize, sid: &ParticipantSid, wraps: bool) -> Result<(), Refusal> {
        let guest = self.rooms[room].guests.iter().find(|it| it.sid == *sid && it.is_there);
        let seat = guest.ok_or(Refusal::Gone)?.seat;
        let Some(seat) = seat else {
            self.leaves(room, sid);
            return Ok(());
        };
        let is_open = matches!(self.offers[seat.offer].status, OfferStatus::Accepted | OfferStatus::Wrapping);
        if is_open {
            self.offers[seat.offer].status = if wraps { OfferStatus::Wrapping } else { OfferStatus::Over };
            self.tasks[seat.task].status = if wraps { TaskStatus::Assigned } else { TaskStatus::Completed };
        }
        if !wraps {
            self.leaves(room, sid);
        }
        self.stir_agent(seat.agent);
        self.put(0, Coming::Route);
        Ok(())
    }

    /// `Status` of the channel, and what becomes of the agents' tasks.
    pub(super) fn update_channel(
        &mut self,
        room: usize,
        state: ChannelState,
        wraps: bool,
    ) -> Result<(), Refusal> {
        if self.rooms[room].state == ChannelState::Closed && state != ChannelState::Closed {
            return Err(Refusal::Refused);
        }
        if state == ChannelState::Closed {
            for (_, task) in self.rooms[room].invites.clone() {
                if self.tasks[task].is_open() {
                    self.cancel_task(task, "the chat is closed");
                }
            }
        }
        let seats: Vec<ParticipantSid> = self.rooms[room].seats().map(|(it, _)| it.sid.clone()).collect();
        for sid in seats {
            self.end_seat(room, &sid, wraps)?;
        }
        self.set_state(room, state);
        Ok(())
    }
}
