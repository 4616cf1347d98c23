use crate::chats::chat::Chat;
use crate::chats::{DRAFT_FOR, DRAFTS, Draft, Effect, Event, Timer};
use rejoin_protocol::{ConversationSid, Millis, ReservationSid};

/// The conversations of a worker in one page.
#[derive(Clone, Debug)]
pub struct Chats {
    /// True when messages that could not be sent are sent again.
    resends: bool,
    chats: Vec<Chat>,
    connected: bool,
    selected: Option<ReservationSid>,
    signed_out: bool,
}

impl Chats {
    /// A page that has just loaded. `resends` is true when messages are to be sent again that could not be sent.
    pub fn new(resends: bool) -> Self {
        Self { resends, chats: Vec::new(), connected: false, selected: None, signed_out: false }
    }

    /// Handles an event and returns the effects, in order.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.signed_out || !self.resends {
            match event {
                Event::Send(message) => return vec![Effect::Let(message.id)],
                _ if self.signed_out => return out,
                Event::Left(message) => {
                    self.chat(message.conversation.clone()).take_back(now, message, &mut out);
                    return out;
                }
                _ => {}
            }
        }
        match event {
            Event::Started { drafts, selected, shown, tasks } => {
                self.started(now, drafts, &mut out);
                self.selected.clone_from(&shown);
                if let Some(reservation) = selected.filter(|it| shown.is_none() && tasks.contains(it)) {
                    out.push(Effect::Select { reservation });
                }
            }
            Event::Selected { reservation } => {
                if self.selected.as_ref() != Some(&reservation) {
                    self.selected = Some(reservation.clone());
                    out.push(Effect::KeepSelected(reservation));
                }
            }
            Event::Connection { up } => {
                self.connected = up;
                for chat in &mut self.chats {
                    chat.handle(now, up, Event::Connection { up }, &mut out);
                }
            }
            Event::SignedOut => self.sign_out(&mut out),
            event => self.of_one(now, event, &mut out),
        }
        out
    }

    fn started(&mut self, now: Millis, drafts: Vec<Draft>, out: &mut Vec<Effect>) {
        for draft in drafts {
            let (conversation, at) = (draft.conversation.clone(), draft.at);
            if at.until(now) < DRAFT_FOR {
                self.chat(conversation).draft = Some(draft);
                self.bound(out);
            } else {
                out.push(Effect::Forget { conversation, at });
            }
        }
    }

    fn chat(&mut self, conversation: ConversationSid) -> &mut Chat {
        let at = match self.chats.iter().position(|chat| chat.conversation == conversation) {
            Some(at) => at,
            None => {
                self.chats.push(Chat::new(conversation));
                self.chats.len() - 1
            }
        };
        &mut self.chats[at]
    }

    fn of_one(&mut self, now: Millis, event: Event, out: &mut Vec<Effect>) {
        let conversation = match &event {
            Event::Changed(facts) => &facts.conversation,
            Event::Send(message) | Event::Left(message) => &message.conversation,
            Event::Gone { conversation }
            | Event::Recalled { conversation, .. }
            | Event::Typed { conversation, .. }
            | Event::Ended { conversation }
            | Event::Failed { conversation }
            | Event::Timer(Timer { conversation, .. }) => conversation,
            Event::Sent { id, .. } | Event::Searched { id, .. } => {
                match self.chats.iter().find(|chat| chat.has(id)) {
                    Some(chat) => &chat.conversation,
                    None => return,
                }
            }
            _ => return,
        };
        let conversation = conversation.clone();
        if matches!(&event, Event::Changed(facts) if facts.email) {
            return; // Flex keeps its drafts, and sends it otherwise
        }
        let connected = self.connected;
        self.chat(conversation).handle(now, connected, event, out);
        self.chats.retain(|chat| !chat.is_over());
        self.bound(out);
    }

    /// Forgets the oldest draft, if there are too many.
    fn bound(&mut self, out: &mut Vec<Effect>) {
        let at = |chat: &Chat| chat.draft.as_ref().map(|draft| draft.at);
        let drafts = self.chats.iter().filter_map(at);
        if drafts.clone().count() > DRAFTS {
            let oldest = drafts.min();
            if let Some(chat) = self.chats.iter_mut().find(|chat| at(chat) == oldest) {
                chat.forget_draft(out);
            }
        }
    }

    /// Leaves nothing of this worker for the next one who signs in.
    fn sign_out(&mut self, out: &mut Vec<Effect>) {
        for chat in &self.chats {
            chat.let_go(out);
        }
        out.push(Effect::ForgetAll);
        *self = Self { signed_out: true, ..Self::new(self.resends) };
    }
}
