//! Pages come and go, sockets fail in each way that they can, and the agent types and sends.

use crate::desk::*;
use proptest::prelude::*;
use std::collections::{BTreeSet, VecDeque};

/// What becomes of something that is sent.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    /// The conversation stores it, and the reply is lost.
    ReplyLost,
    /// It fails, and is stored a second later.
    Late,
    Lost,
    Refused,
}

#[derive(Clone, Debug)]
enum Step {
    Type(u128, String),
    /// The agent sends what is typed.
    Send(u128, Fate),
    /// What the plugin sends next ends like this.
    Resend(Fate),
    /// The next search finds out, or fails.
    Search(bool),
    Connection(bool),
    Closed(u128),
    Gone(u128),
    Back(u128),
    Wait(u64),
    /// The page dies, before or after what is under way has come to its end, and the next one is loaded.
    Dies,
    Completes(u128),
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![4 => Just(Fate::Arrives), 3 => Just(Fate::ReplyLost), 2 => Just(Fate::Late), 3 => Just(Fate::Lost), 1 => Just(Fate::Refused)]
}

fn steps() -> impl Strategy<Value = Step> {
    let chat = || 1u128..4;
    prop_oneof![
        6 => (chat(), "[ab ]{0,4}").prop_map(|(chat, text)| Step::Type(chat, text)),
        6 => (chat(), fates()).prop_map(|(chat, fate)| Step::Send(chat, fate)),
        2 => fates().prop_map(Step::Resend),
        2 => any::<bool>().prop_map(Step::Search),
        2 => any::<bool>().prop_map(Step::Connection),
        1 => chat().prop_map(Step::Closed),
        1 => chat().prop_map(Step::Gone),
        2 => chat().prop_map(Step::Back),
        6 => (0u64..90_000).prop_map(Step::Wait),
        2 => Just(Step::Dies),
        1 => chat().prop_map(Step::Completes),
    ]
}

/// The conversations at Twilio, and the agent's browser.
struct World {
    desk: Desk,
    /// What each conversation has.
    stored: BTreeMap<u128, Vec<MessageId>>,
    /// What the agent has sent, in the order of each conversation, unless it went back into the input.
    wanted: BTreeMap<u128, Vec<MessageId>>,
    closed: BTreeSet<u128>,
    here: BTreeSet<u128>,
    up: bool,
    resends: VecDeque<Fate>,
    searches: VecDeque<bool>,
    /// Messages that are stored soon.
    late: Vec<Message>,
    bodies: BTreeMap<MessageId, String>,
    last: u32,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            desk: Desk::with(vec![]),
            stored: BTreeMap::new(),
            wanted: BTreeMap::new(),
            closed: BTreeSet::new(),
            here: BTreeSet::from([1, 2, 3]),
            up: true,
            resends: VecDeque::new(),
            searches: VecDeque::new(),
            late: vec![],
            bodies: BTreeMap::new(),
            last: 0,
        };
        for chat in 1..4 {
            world.changed(chat);
        }
        world
    }

    fn facts(&self, chat: u128) -> Facts {
        let text = self.desk.inputs.get(&ch(chat)).cloned().unwrap_or_default();
        Facts { conversation: ch(chat), open: !self.closed.contains(&chat), text, ..facts("") }
    }

    fn changed(&mut self, chat: u128) {
        if self.here.contains(&chat) {
            self.tell(Event::Changed(self.facts(chat)));
        }
    }

    /// Tells the machine, and does what it wants, until it wants nothing more.
    fn tell(&mut self, event: Event) {
        let effects = self.desk.handle(event);
        self.carry_out(effects);
    }

    /// What needs Twilio ends after everything that the browser does at once.
    fn carry_out(&mut self, effects: Vec<Effect>) {
        let (later, at_once): (Vec<_>, Vec<_>) = effects
            .into_iter()
            .partition(|effect| matches!(effect, Effect::Search { .. } | Effect::Resend(_)));
        for effect in at_once.into_iter().chain(later) {
            match effect {
                Effect::SetInput { conversation, text, start, end } => {
                    // Flex reports it, and shows it.
                    self.tell(Event::Typed { conversation, text, start, end });
                }
                Effect::ClearInput { conversation, .. } => {
                    let text = self.desk.inputs.get(&conversation).cloned().unwrap_or_default();
                    self.tell(Event::Typed { conversation, text, start: 0, end: 0 });
                }
                Effect::Search { conversation, id, search, .. } => {
                    let works = self.up && self.searches.pop_front().unwrap_or(true);
                    let there = self.stored.get(&number(&conversation)).is_some_and(|all| all.contains(&id));
                    self.tell(Event::Searched { id, search, found: works.then_some(there) });
                }
                Effect::Resend(message) => {
                    let fate = self.resends.pop_front().unwrap_or(Fate::Arrives);
                    let outcome = self.send(&message, fate);
                    self.tell(Event::Sent { id: message.id, outcome });
                }
                _ => {}
            }
        }
    }

    fn send(&mut self, message: &Message, fate: Fate) -> Outcome {
        let chat = number(&message.conversation);
        if self.closed.contains(&chat) {
            return Outcome::Refused;
        }
        match fate {
            _ if !self.up => Outcome::Failed,
            Fate::Arrives | Fate::ReplyLost => {
                self.store(message);
                if matches!(fate, Fate::Arrives) { Outcome::Stored } else { Outcome::Failed }
            }
            Fate::Late => {
                self.late.push(message.clone());
                Outcome::Failed
            }
            Fate::Lost => Outcome::Failed,
            Fate::Refused => Outcome::Refused,
        }
    }

    fn store(&mut self, message: &Message) {
        let all = self.stored.entry(number(&message.conversation)).or_default();
        assert!(!all.contains(&message.id), "{:?} was sent twice", message.id);
        let numbered = |id: &MessageId| id.as_str()[2..].parse::<u32>().expect("a number");
        assert!(
            all.iter().all(|id| numbered(id) < numbered(&message.id)),
            "{:?} is out of order",
            message.id
        );
        all.push(message.id.clone());
    }

    fn wait(&mut self, time: Millis) {
        let effects = self.desk.wait(time);
        self.carry_out(effects);
    }

    /// What came back is the agent's from now on, who changes it.
    fn edits(&mut self, chat: u128) {
        let stored = self.stored.get(&chat).cloned().unwrap_or_default();
        let desk = &self.desk;
        if let Some(wanted) = self.wanted.get_mut(&chat) {
            wanted.retain(|id| stored.contains(id) || to_send(desk).contains(&id));
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Type(chat, text) if self.here.contains(&chat) && !self.closed.contains(&chat) => {
                self.edits(chat);
                self.desk.inputs.insert(ch(chat), text.clone());
                self.changed(chat);
                self.tell(Event::Typed { conversation: ch(chat), text, start: 0, end: 0 });
            }
            Step::Send(chat, fate) if self.here.contains(&chat) && !self.closed.contains(&chat) => {
                self.sends(chat, fate);
            }
            Step::Resend(fate) => self.resends.push_back(fate),
            Step::Search(works) => self.searches.push_back(works),
            Step::Connection(up) => {
                self.up = up;
                self.tell(Event::Connection { up });
            }
            Step::Closed(chat) => {
                self.closed.insert(chat);
                self.changed(chat);
            }
            Step::Gone(chat) => {
                if self.here.remove(&chat) {
                    self.tell(Event::Gone { conversation: ch(chat) });
                    self.desk.inputs.remove(&ch(chat));
                }
            }
            Step::Back(chat) => {
                self.here.insert(chat);
                self.changed(chat);
            }
            Step::Wait(time) => {
                let soon = time.min(1_000);
                self.wait(Millis(soon));
                if soon == 1_000 {
                    for message in std::mem::take(&mut self.late) {
                        self.store(&message);
                    }
                }
                self.wait(Millis(time - soon));
            }
            Step::Dies => self.dies(),
            Step::Completes(chat) => {
                self.tell(Event::Ended { conversation: ch(chat) });
                if self.here.remove(&chat) {
                    self.tell(Event::Gone { conversation: ch(chat) });
                }
                self.desk.inputs.remove(&ch(chat));
                self.wanted.remove(&chat);
                // The agent is done with it: what is on its way has no order any more.
                self.late.retain(|message| message.conversation != ch(chat));
            }
            Step::Type(..) | Step::Send(..) => {}
        }
    }

    fn sends(&mut self, chat: u128, fate: Fate) {
        let body = self.desk.inputs.get(&ch(chat)).map(|text| text.trim().to_owned()).unwrap_or_default();
        if body.is_empty() {
            return;
        }
        self.edits(chat);
        self.last += 1;
        self.desk.now = self.desk.now + Millis(1);
        let (conversation, at) = (ch(chat), self.desk.now);
        let message = Message { conversation, at, ..message(self.last, &body) };
        self.bodies.insert(message.id.clone(), body.clone());
        self.wanted.entry(chat).or_default().push(message.id.clone());
        let effects = self.desk.handle(Event::Send(message.clone()));
        let dispatched = effects.contains(&Effect::Dispatch(message.id.clone()));
        assert!(dispatched || effects.contains(&Effect::Hold(message.id.clone())), "{effects:?}");
        self.carry_out(effects);
        if dispatched {
            let outcome = match self.send(&message, fate) {
                Outcome::Stored => Outcome::Stored,
                _ => Outcome::Failed, // Flex does not say more
            };
            if outcome == Outcome::Stored {
                self.desk.inputs.remove(&ch(chat));
                self.tell(Event::Typed { conversation: ch(chat), text: String::new(), start: 0, end: 0 });
            }
            if outcome == Outcome::Failed {
                self.tell(Event::Failed { conversation: ch(chat) });
            }
            self.tell(Event::Sent { id: message.id, outcome });
        }
        self.changed(chat);
    }

    /// The next page begins with what the browser has kept.
    fn dies(&mut self) {
        let mut next = Desk::of(Chats::new(true));
        next.now = self.desk.now;
        next.drafts = std::mem::take(&mut self.desk.drafts);
        next.kept = std::mem::take(&mut self.desk.kept);
        self.desk = next;
        let drafts = self.desk.drafts.values().cloned().collect();
        self.tell(Event::Started { drafts, selected: None, shown: None, tasks: vec![] });
        let left: Vec<_> = self.desk.kept.values().cloned().collect();
        for message in left {
            self.tell(Event::Left(message));
        }
        for chat in self.here.clone() {
            self.changed(chat);
        }
        self.tell(Event::Connection { up: self.up });
    }

    /// Each message is stored, is kept for later, or is back in the input; what is typed is kept.
    fn nothing_is_lost(&self) {
        for (chat, wanted) in &self.wanted {
            let stored = self.stored.get(chat).cloned().unwrap_or_default();
            let draft = self.desk.drafts.get(&ch(*chat)).map(|draft| draft.text.clone()).unwrap_or_default();
            for id in wanted {
                let body = &self.bodies[id];
                // A text that went back into the input, and was sent again, may have been stored the first time.
                let is_stored = stored.iter().any(|it| it == id || self.bodies[it] == *body);
                let there = is_stored || to_send(&self.desk).contains(&id);
                assert!(there || draft.contains(body.as_str()), "{id:?} is lost");
            }
        }
        for chat in &self.here {
            let typed = self.desk.inputs.get(&ch(*chat)).cloned().unwrap_or_default();
            let draft = self.desk.drafts.get(&ch(*chat)).map(|draft| draft.text.as_str()).unwrap_or_default();
            assert_eq!(draft, typed, "of conversation {chat}");
        }
    }
}

fn number(of: &ConversationSid) -> u128 {
    (1..4).find(|number| ch(*number) == *of).expect("one of three")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn no_message_is_lost_or_doubled_or_out_of_order_and_no_draft_is_lost(
        steps in prop::collection::vec(steps(), 0..60),
    ) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            world.nothing_is_lost();
        }
        // All is well again: what waits is sent.
        world.resends.clear();
        world.searches.clear();
        world.step(Step::Wait(1_000));
        world.step(Step::Connection(true));
        for _ in 0..20 {
            world.step(Step::Wait(90_000));
            world.nothing_is_lost();
        }
        for chat in world.here.difference(&world.closed) {
            prop_assert!(!world.desk.kept.values().any(|it| it.conversation == ch(*chat)), "it waits for ever");
        }
    }
}
