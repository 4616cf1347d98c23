//! Conversations by number: as they are stored, and the requests about them as Twilio makes them.

use crate::calls::signed_to;
use crate::figure::Outcome;
use crate::server::PUBLIC;
use rejoin_conversations::{
    Action, Attendance, ChannelState, Conversation, Effect, Event, InteractionNews, Machine, Message,
    Outcome as Answer, PageEvent, Place, Policy, Role, Seen, Sight, WhenUnattended,
};
use rejoin_protocol::{
    AccountSid, ConversationSid, InteractionChannelSid, InteractionSid, MemberSid, MessageSid, Millis,
    ParticipantSid, ReservationSid, TaskSid, WorkerSid,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

/// Number of conversations of an agent at the same time.
pub const PER_AGENT: u64 = 5;
/// Epoch of each agent's page.
pub const EPOCH: u64 = 1;
/// An event leads to another one at most this often before a conversation is parked.
const STEPS: usize = 50;

/// A conversation between a customer and an agent. All its SIDs are derived from its number.
#[derive(Clone, Copy, Debug)]
pub struct Chat(u128);

/// The point in time by the wall clock.
pub fn now() -> Outcome<Millis> {
    Ok(Millis(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?))
}

/// Number of the agent of a conversation: a token of the stub of Twilio.
pub fn agent_of(number: u64) -> u64 {
    number / PER_AGENT + 1
}

impl Chat {
    pub fn new(number: u64) -> Self {
        Self(u128::from(number))
    }

    /// The conversation whose interaction this is.
    pub fn of_interaction(sid: &str) -> Option<Self> {
        Self::of_digits(InteractionSid::parse(sid).ok()?.digits())
    }

    /// The conversation with this SID.
    pub fn of_conversation(sid: &str) -> Option<Self> {
        Self::of_digits(ConversationSid::parse(sid).ok()?.digits())
    }

    fn of_digits(digits: &str) -> Option<Self> {
        u128::from_str_radix(digits, 16).ok().map(Self)
    }

    fn conversation(self) -> ConversationSid {
        ConversationSid::numbered(self.0)
    }

    fn place(self) -> Place {
        Place {
            interaction: InteractionSid::numbered(self.0),
            channel: InteractionChannelSid::numbered(self.0),
        }
    }

    fn worker(self) -> WorkerSid {
        WorkerSid::numbered(self.0 / u128::from(PER_AGENT) + 1)
    }

    fn agent(self) -> Seen {
        Seen {
            sid: ParticipantSid::numbered(2 * self.0),
            role: Role::Agent,
            worker: Some(self.worker()),
            task: Some(TaskSid::numbered(self.0)),
            reservation: Some(ReservationSid::numbered(self.0)),
            member: Some(self.member(true)),
        }
    }

    fn customer(self) -> Seen {
        Seen {
            sid: ParticipantSid::numbered(2 * self.0 + 1),
            role: Role::Customer,
            worker: None,
            task: None,
            reservation: None,
            member: None,
        }
    }

    fn member(self, of_agent: bool) -> MemberSid {
        MemberSid::numbered(2 * self.0 + u128::from(!of_agent))
    }

    /// The webhook for the message with this index: the customer and the agent write by turns.
    pub fn message(self, index: u64) -> Vec<u8> {
        let (account, conversation) = (AccountSid::numbered(1).to_string(), self.conversation().to_string());
        let of_agent = index % 2 == 1;
        let (index, message) = (index.to_string(), MessageSid::numbered(self.0 << 32 | u128::from(index)));
        signed_to(
            PUBLIC,
            "/webhooks/conversations",
            &[
                ("AccountSid", &account),
                ("Attributes", "{}"),
                ("Author", if of_agent { "agent_40example_2Ecom" } else { "customer" }),
                ("Body", "Thank you. My order has the number that is printed at the top of the letter."),
                ("ChatServiceSid", "IS00000000000000000000000000000001"),
                ("ConversationSid", &conversation),
                ("EventType", "onMessageAdded"),
                ("Index", &index),
                ("MessageSid", message.as_str()),
                ("ParticipantSid", self.member(of_agent).as_str()),
                ("RetryCount", "0"),
                ("Source", "SDK"),
            ],
        )
    }

    /// Twilio's answer to a request of a poll of an active conversation.
    pub fn seen_at(self, what: &str) -> Value {
        let Place { interaction, channel } = self.place();
        match what {
            "Participants" => json!({"participants": [
                {"sid": self.agent().sid, "type": "agent", "routing_properties": {
                    "worker_sid": self.worker(), "task_sid": self.agent().task,
                    "reservation_sid": self.agent().reservation}},
                {"sid": self.customer().sid, "type": "customer", "routing_properties": null},
            ]}),
            "Members" => json!({"participants": [
                {"sid": self.member(true), "identity": identity(&self.worker())},
                {"sid": self.member(false), "identity": "customer"},
            ]}),
            "Messages" => json!({"messages": []}),
            _ => json!({"sid": channel, "interaction_sid": interaction, "type": "web", "status": "active"}),
        }
    }
}

/// Identity of an agent's Voice SDK client, by which they are a member of their conversations.
pub fn identity(worker: &WorkerSid) -> String {
    format!("agent_{}", worker.digits())
}

/// How conversations are stored that began as they do at a running server.
impl Chat {
    /// A conversation with an agent whose page is there; Twilio was asked at this point in time.
    pub fn attended(self, at: Millis) -> Outcome<Conversation> {
        let mut told = Told::begin(self, Policy::default(), at);
        let page = Event::Page { worker: self.worker(), epoch: EPOCH, event: PageEvent::PushOpened };
        told.take(&page);
        self.begins(&mut told);
        told.ended(Attendance::Attended)
    }

    /// A conversation that was parked because its agent was gone, shortly after this point in time.
    pub fn parked(self, at: Millis) -> Outcome<Conversation> {
        let policy = Policy { when_unattended: WhenUnattended::Park, ..Policy::default() };
        let mut told = Told::begin(self, policy, at);
        let page = |event| Event::Page { worker: self.worker(), epoch: EPOCH, event };
        told.take(&page(PageEvent::Heard));
        self.begins(&mut told);
        told.take(&page(PageEvent::Goodbye));
        told.pass_time();
        told.ended(Attendance::Parked)
    }

    fn begins(self, told: &mut Told) {
        let news = InteractionNews::Joined(self.agent());
        let (conversation, place) = (self.conversation(), self.place());
        told.take(&Event::Interaction { conversation, place, kind: None, news });
        for (index, of_agent) in [(0, false), (1, true)] {
            let message = Message { index, at: told.now, author: Some(self.member(of_agent)) };
            told.take(&Event::Message { conversation: self.conversation(), message });
        }
    }
}

/// One conversation at its machine. What it asks Twilio for is answered at once.
struct Told {
    chat: Chat,
    machine: Machine,
    now: Millis,
    is_parked: bool,
}

impl Told {
    fn begin(chat: Chat, policy: Policy, now: Millis) -> Self {
        Self { chat, machine: Machine::new(policy, [], []), now, is_parked: false }
    }

    fn take(&mut self, event: &Event) {
        for effect in self.machine.handle(self.now, event) {
            let Effect::Act { action, .. } = effect else { continue };
            let outcome = self.answer(&action);
            self.take(&Event::Done { conversation: self.chat.conversation(), action, outcome });
        }
    }

    fn answer(&mut self, action: &Action) -> Answer {
        match action {
            Action::Poll { .. } => {
                let state = if self.is_parked { ChannelState::Inactive } else { ChannelState::Active };
                let agent = (!self.is_parked).then(|| self.chat.agent());
                Answer::Seen(Sight {
                    asked_at: self.now,
                    state,
                    kind: Some("web".into()),
                    participants: agent.into_iter().chain([self.chat.customer()]).collect(),
                    messages: vec![],
                    task: None,
                    completed: BTreeSet::new(),
                    workers: BTreeMap::new(),
                })
            }
            action => {
                self.is_parked |= matches!(action, Action::Park { .. });
                Answer::Ok
            }
        }
    }

    /// Lets each timer be due until there is none.
    fn pass_time(&mut self) {
        let sid = self.chat.conversation();
        for _ in 0..STEPS {
            let Some(at) = self.machine.conversation(&sid).and_then(Conversation::timer) else { return };
            self.now = at.max(self.now);
            self.take(&Event::Timer { conversation: sid.clone() });
        }
    }

    fn ended(self, wanted: Attendance) -> Outcome<Conversation> {
        let sid = self.chat.conversation();
        let attendance = self.machine.attendance(self.now, &sid);
        let conversation = self.machine.conversation(&sid).filter(|_| attendance == Some(wanted));
        conversation.cloned().ok_or_else(|| format!("{attendance:?} instead of {wanted:?}").into())
    }
}
