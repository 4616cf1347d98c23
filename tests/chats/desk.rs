//! A machine of conversations driven by hand, on which the tests of this folder build.

pub(crate) use rejoin_plugin::agent::ReservationStatus;
pub(crate) use rejoin_plugin::boundary::Value;
pub(crate) use rejoin_plugin::chats::*;
pub(crate) use rejoin_protocol::{ConversationSid, Millis, ReservationSid};
pub(crate) use std::collections::BTreeMap;

pub(crate) fn ch(number: u128) -> ConversationSid {
    ConversationSid::numbered(number)
}

pub(crate) fn wr(number: u128) -> ReservationSid {
    ReservationSid::numbered(number)
}

pub(crate) fn id(number: u32) -> MessageId {
    MessageId::try_from(format!("m-{number}")).expect("plain")
}

/// Conversation 1, with this text in its input.
pub(crate) fn facts(text: &str) -> Facts {
    Facts {
        conversation: ch(1),
        status: ReservationStatus::Accepted,
        email: false,
        loaded: true,
        open: true,
        text: text.into(),
        files: vec![],
    }
}

pub(crate) fn message(number: u32, body: &str) -> Message {
    Message {
        id: id(number),
        conversation: ch(1),
        at: START,
        body: body.into(),
        attributes: Value::Object([].into_iter().collect()),
        files: vec![],
        after: Some(7),
        returned: false,
    }
}

pub(crate) fn typed(text: &str) -> Event {
    let end = text.encode_utf16().count() as u32;
    Event::Typed { conversation: ch(1), text: text.into(), start: end, end }
}

pub(crate) fn draft(text: &str, at: Millis) -> Draft {
    let end = text.encode_utf16().count() as u32;
    Draft { conversation: ch(1), at, text: text.into(), start: end, end, files: vec![] }
}

/// When the tests begin: a week and more after the epoch.
pub(crate) const START: Millis = Millis::seconds(1_000_000);

/// A machine, its clock, its timers, and what it keeps.
pub(crate) struct Desk {
    pub(crate) chats: Chats,
    pub(crate) now: Millis,
    pub(crate) timers: BTreeMap<Timer, Millis>,
    pub(crate) drafts: BTreeMap<ConversationSid, Draft>,
    pub(crate) kept: BTreeMap<MessageId, Message>,
    pub(crate) notices: BTreeMap<Option<ConversationSid>, Notice>,
    /// What is in the inputs.
    pub(crate) inputs: BTreeMap<ConversationSid, String>,
}

impl Desk {
    pub(crate) fn of(chats: Chats) -> Self {
        Self {
            chats,
            now: START,
            timers: BTreeMap::new(),
            drafts: BTreeMap::new(),
            kept: BTreeMap::new(),
            notices: BTreeMap::new(),
            inputs: BTreeMap::new(),
        }
    }

    /// A page whose earlier pages kept these drafts; nothing is loaded yet.
    pub(crate) fn with(drafts: Vec<Draft>) -> Self {
        let mut desk = Self::of(Chats::new(true));
        desk.drafts = drafts.iter().map(|draft| (draft.conversation.clone(), draft.clone())).collect();
        desk.handle(Event::Started { drafts, selected: None, shown: None, tasks: vec![] });
        desk.handle(Event::Connection { up: true });
        desk
    }

    /// A page with conversation 1, whose input is empty.
    pub(crate) fn in_a_chat() -> Self {
        let mut desk = Self::with(vec![]);
        desk.handle(Event::Changed(facts("")));
        desk
    }

    /// Handles an event, and carries out what the browser does at once.
    pub(crate) fn handle(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.chats.handle(self.now, event);
        let mut recalled = Vec::new();
        for effect in &effects {
            match effect.clone() {
                Effect::Keep(draft) => {
                    self.drafts.insert(draft.conversation.clone(), draft);
                }
                Effect::Forget { conversation, at } => {
                    self.drafts.retain(|of, draft| *of != conversation || draft.at > at);
                }
                Effect::KeepMessage(message) => {
                    self.kept.insert(message.id.clone(), message);
                }
                Effect::ForgetMessage(id) => {
                    self.kept.remove(&id);
                }
                Effect::ForgetAll => {
                    self.drafts.clear();
                    self.kept.clear();
                }
                Effect::Recall { conversation } => recalled.push(conversation),
                Effect::SetInput { conversation, text, .. } => {
                    self.inputs.insert(conversation, text);
                }
                Effect::ClearInput { conversation, text, .. } => {
                    self.inputs.retain(|of, there| *of != conversation || there.trim() != text);
                }
                Effect::Notify { conversation, notice: Some(notice) } => {
                    self.notices.insert(conversation, notice);
                }
                Effect::Notify { conversation, notice: None } => {
                    self.notices.remove(&conversation);
                }
                Effect::SetTimer { timer, at } => {
                    self.timers.insert(timer, at);
                }
                Effect::ClearTimer(timer) => {
                    self.timers.remove(&timer);
                }
                _ => {}
            }
        }
        let mut all = effects;
        for conversation in recalled {
            let draft = self.drafts.get(&conversation).cloned();
            all.extend(self.handle(Event::Recalled { conversation, draft }));
        }
        all
    }

    /// Lets time pass, with every timer at its time. Returns the effects.
    pub(crate) fn wait(&mut self, time: Millis) -> Vec<Effect> {
        let end = self.now + time;
        let mut effects = Vec::new();
        while let Some((timer, at)) =
            self.timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (timer.clone(), *at))
        {
            if at > end {
                break;
            }
            self.timers.remove(&timer);
            self.now = self.now.max(at);
            effects.extend(self.handle(Event::Timer(timer)));
        }
        self.now = end;
        effects
    }

    /// The text of the kept draft of conversation 1.
    pub(crate) fn draft(&self) -> Option<&str> {
        self.drafts.get(&ch(1)).map(|draft| draft.text.as_str())
    }

    pub(crate) fn notice(&self) -> Option<&Notice> {
        self.notices.get(&Some(ch(1)))
    }

    /// A message was sent, or Flex says that it has failed.
    pub(crate) fn sent(&mut self, number: u32, outcome: Outcome) -> Vec<Effect> {
        if outcome == Outcome::Failed {
            self.handle(Event::Failed { conversation: ch(1) });
        }
        self.handle(Event::Sent { id: id(number), outcome })
    }

    /// Answers the search in these effects.
    pub(crate) fn found(&mut self, effects: &[Effect], found: Option<bool>) -> Vec<Effect> {
        let searched = effects.iter().rev().find_map(|effect| match effect {
            Effect::Search { id, search, .. } => Some((id.clone(), *search)),
            _ => None,
        });
        let (id, search) = searched.expect("a search");
        self.handle(Event::Searched { id, search, found })
    }
}

/// The numbers of the kept messages that are still to be sent.
pub(crate) fn to_send(desk: &Desk) -> Vec<&MessageId> {
    desk.kept.values().filter(|message| !message.returned).map(|message| &message.id).collect()
}

/// Messages that are sent again.
pub(crate) fn resent(effects: &[Effect]) -> Vec<MessageId> {
    let mine = effects.iter().filter_map(|effect| match effect {
        Effect::Resend(message) => Some(message.id.clone()),
        _ => None,
    });
    mine.collect()
}

/// Messages that are searched for.
pub(crate) fn searched(effects: &[Effect]) -> Vec<MessageId> {
    let mine = effects.iter().filter_map(|effect| match effect {
        Effect::Search { id, .. } => Some(id.clone()),
        _ => None,
    });
    mine.collect()
}
