//! What must hold in chats, checked on Twilio's model as each thing happens; `watch` checks what must not last.

use super::ChatWorld;
use super::routing::{Task, TaskStatus};
use super::twilio::{Author, Guest, Seat};
use crate::fates::{Fate, Fates};
use crate::page::PageId;
use crate::plan::{ChatAct, FaultKind, Plan};
use crate::rules::{Broken, Rule};
use crate::timeline::{Kind, Lane};
use rejoin_conversations::{Cause, ChannelState, Conversation, Event, Note, RELOAD, Telling};
use rejoin_plugin::chats::MessageId;
use rejoin_protocol::{ConversationSid, Millis, ParticipantSid};
use std::collections::{BTreeMap, BTreeSet};

/// No chat is invited for again when agents have taken this many invites of ours within this time (milliseconds).
const OFTEN: usize = 3;
const CIRCLE: u64 = 60_000;
/// How much later than a page our server may hear of it.
const SLACK: u64 = 1_000;

/// A message that an agent has sent off.
#[derive(Clone, Debug)]
pub(super) struct Pressed {
    pub(super) page: PageId,
    pub(super) room: usize,
    pub(super) body: String,
    pub(super) at: u64,
    /// True when the plugin does not answer for it.
    pub(super) is_excused: bool,
}

/// What is known of a chat beside its own state.
#[derive(Clone, Debug, Default)]
pub(super) struct Watched {
    /// How often each key of ours is in the conversation.
    told: BTreeMap<String, u32>,
    /// When the customer was told, if no agent has had the chat since then.
    told_at: Option<u64>,
    /// When an agent left it on purpose by Flex's button, until somebody goes on.
    pub(super) left: Option<(u64, ChatAct)>,
    /// When two agents were in it last.
    two_at: Option<u64>,
    /// When an agent last left it.
    gone_at: u64,
    /// True if a webhook that names its place was lost.
    pub(super) is_missed: bool,
    /// When Twilio was last asked in vain to tell the customer something.
    telling_refused: Option<u64>,
    /// The number of the last message's word of each agent in each browser.
    pub(super) last_word: BTreeMap<usize, u128>,
}

/// State of the rules.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) pressed: BTreeMap<MessageId, Pressed>,
    rooms: BTreeMap<usize, Watched>,
    /// Since when each agent has an open push channel.
    pub(super) there_since: BTreeMap<usize, u64>,
    /// When our server heard of a page of each agent last, and when the last push channel of theirs ended.
    pub(super) there_until: BTreeMap<usize, u64>,
    /// When each agent was last seen available at TaskRouter.
    pub(super) available_at: BTreeMap<usize, u64>,
    /// When each agent was last seen at a desktop that reaches Twilio.
    pub(super) at_desktop_at: BTreeMap<usize, u64>,
    /// When no server runs: begin, and end if it has one.
    downs: Vec<(u64, u64)>,
    pub(super) webhooks_fail: bool,
}

impl Rules {
    pub(super) fn new(plan: &Plan, fates: &Fates) -> Self {
        let mut downs: Vec<(u64, u64)> = vec![];
        let mut running = BTreeSet::new();
        let mut since = Some(0);
        for (at, fate) in &fates.0 {
            match fate {
                Fate::ServerUp(number) => {
                    running.insert(*number);
                    downs.extend(since.take().map(|since| (since, *at)));
                }
                Fate::ServerDown(number, _) => {
                    running.remove(number);
                    if running.is_empty() {
                        since = Some(*at);
                    }
                }
                _ => {}
            }
        }
        downs.extend(since.map(|since| (since, u64::MAX)));
        let webhooks_fail = plan
            .faults
            .iter()
            .any(|fault| matches!(fault.kind, FaultKind::WebhookLost | FaultKind::WebhookLate));
        Self { downs, webhooks_fail, ..Self::default() }
    }

    pub(super) fn room(&mut self, room: usize) -> &mut Watched {
        self.rooms.entry(room).or_default()
    }

    pub(super) fn is_missed(&self, room: usize) -> bool {
        self.rooms.get(&room).is_some_and(|it| it.is_missed)
    }

    /// When an agent was last seen leaving this chat.
    pub(super) fn last_left(&self, room: usize) -> u64 {
        self.rooms.get(&room).map_or(0, |it| it.gone_at)
    }

    /// When Twilio was last asked in vain to tell the customer of this chat something.
    pub(super) fn telling_refused(&self, room: usize) -> Option<u64> {
        self.rooms.get(&room)?.telling_refused
    }

    /// A webhook did not arrive.
    pub(super) fn missed(&mut self, room: usize, event: &Event) {
        self.room(room).is_missed |= matches!(event, Event::Interaction { .. });
    }

    pub(super) fn server_is_gone(&mut self, from: u64, to: u64) {
        self.downs.push((from, to));
    }

    /// When no server ran last before now: the end of that time.
    pub(super) fn last_down(&self, now: u64) -> Option<u64> {
        self.downs.iter().filter(|(from, _)| *from <= now).map(|(_, to)| (*to).min(now)).max()
    }

    pub(super) fn sends(&mut self, id: MessageId, page: PageId, room: usize, body: &str, at: u64) {
        self.pressed.insert(id, Pressed { page, room, body: body.to_owned(), at, is_excused: false });
    }

    /// A message that was sent off: its chat, and its text.
    pub(super) fn sent(&self, id: &MessageId) -> Option<(usize, String)> {
        self.pressed.get(id).map(|it| (it.room, it.body.clone()))
    }

    pub(super) fn is_not_kept(&mut self, id: &MessageId) {
        if let Some(pressed) = self.pressed.get_mut(id) {
            pressed.is_excused = true;
        }
    }

    /// The agent is done with a chat, or has signed out: nothing of it comes back.
    pub(super) fn forgets(&mut self, _browser: usize, room: Option<usize>) {
        for pressed in self.pressed.values_mut() {
            pressed.is_excused |= room.is_none_or(|room| room == pressed.room);
        }
    }
}

impl ChatWorld {
    /// Reports a broken rule, which ends the world.
    pub(super) fn broken(&mut self, rule: Rule, what: String) {
        if self.broken.is_none() {
            self.note(Lane::World, None, Kind::Broken, || format!("{}: {what}", rule.name()));
            self.broken = Some(Broken { rule, at: self.now, what });
        }
    }

    /// A push channel of a page is open.
    pub(super) fn channel_opened(&mut self, page: PageId) {
        let (agent, now) = (self.pages[page].agent, self.now);
        self.rules.there_since.entry(agent).or_insert(now);
        self.is_there(agent);
    }

    /// A push channel has ended, for whatever reason.
    pub(super) fn channel_ends(&mut self, page: PageId) {
        if self.servers.channels.remove(&page).is_none() {
            return;
        }
        let agent = self.pages[page].agent;
        let others = self.servers.channels.keys().any(|other| self.pages[*other].agent == agent);
        if !others {
            self.rules.there_since.remove(&agent);
            let now = self.now;
            self.rules.there_until.insert(agent, now);
        }
    }

    /// A server has heard of a page of this agent.
    pub(super) fn heard_of(&mut self, agent: usize) {
        let now = self.now;
        self.rules.there_until.insert(agent, now);
        self.is_there(agent);
    }

    /// A server has heard that a page of this agent goes: it was there until now.
    pub(super) fn goodbye_of(&mut self, agent: usize) {
        self.rules.there_until.insert(agent, self.now);
    }

    fn is_there(&mut self, agent: usize) {
        for room in 0..self.rooms.len() {
            if self.rooms[room].has(agent) {
                self.rules.room(room).told_at = None;
            }
        }
    }

    /// How long ago a page of this agent was there; 0: one is. `None`: never.
    pub(super) fn gone_for(&self, agent: usize) -> Option<u64> {
        if self.rules.there_since.contains_key(&agent) {
            return Some(0);
        }
        self.rules.there_until.get(&agent).map(|at| self.now - at)
    }

    /// The same of an agent in a chat. `None` also: all their pages had gone when they came, and none was heard since, so that no server
    /// can know of the one at which they took it; or TaskRouter says that they are at a desktop.
    pub(super) fn has_been_gone_for(&self, guest: &Guest, seat: Seat) -> Option<u64> {
        if self.sets_offline() && self.workers[seat.agent].is_available() {
            return None;
        }
        let gone = self.gone_for(seat.agent)?;
        let last = self.now - gone;
        (gone == 0 || guest.joined < last + RELOAD.0).then_some(gone)
    }

    /// An agent has left.
    pub(super) fn has_left(&mut self, room: usize) {
        self.rules.room(room).gone_at = self.now;
    }

    /// An agent has joined.
    pub(super) fn joined(&mut self, room: usize, _agent: usize) {
        let (now, seats) = (self.now, self.rooms[room].seats().count());
        let it = self.rules.room(room);
        it.told_at = None;
        it.left = None;
        if seats > 1 {
            it.two_at = Some(now);
        }
    }

    pub(super) fn customer_wrote(&mut self, room: usize) {
        let it = self.rules.room(room);
        it.left.take_if(|(_, act)| *act == ChatAct::Leave);
    }

    /// An agent goes on with a chat that was paused.
    pub(super) fn goes_on(&mut self, room: usize) {
        self.rules.room(room).left = None;
    }

    pub(super) fn left_on_purpose(&mut self, room: usize, act: ChatAct) {
        let now = self.now;
        self.rules.room(room).left = Some((now, act));
    }

    /// A message is in the conversation: none of its words was there before, and an agent's words come in their order.
    pub(super) fn check_said(&mut self, room: usize, author: Author) {
        let Author::Agent(agent) = author else { return };
        if !self.plan.agents[agent].plugin {
            return;
        }
        let Some(said) = self.rooms[room].messages.last().cloned() else { return };
        // Without the plugin's id Flex is on its own.
        let Some(key) = said.key else { return };
        let excused = self.pressed_by_storage(&key);
        let words: Vec<String> = said.body.lines().map(str::to_owned).collect();
        for word in &words {
            let times = self.words_of(room, agent).filter(|it| it == word).count();
            if times > 1 && !excused {
                return self
                    .broken(Rule::ChatMessageDoubled, format!("chat {room} has {word} {times} times"));
            }
        }
        let pressed = MessageId::try_from(key).ok().and_then(|id| self.rules.pressed.get(&id));
        let Some((page, at)) = pressed.map(|it| (it.page, it.at)) else { return };
        let browser = self.pages[page].browser;
        // Flex lets an agent write who is in the chat anew, whatever has become of what they sent before.
        let is_anew = self.rooms[room].seats().any(|(guest, seat)| seat.agent == agent && guest.joined > at);
        // Each tab keeps an order of its own.
        let several = self.shelves.get(&browser).is_some_and(|shelf| shelf.has_tabs);
        let number = |word: &String| word.trim_start_matches('m').parse::<u128>().unwrap_or_default();
        let last = self.rules.room(room).last_word.get(&browser).copied().unwrap_or_default();
        let first = words.iter().map(number).min().unwrap_or_default();
        if first < last && !several && !excused && !is_anew {
            return self.broken(Rule::ChatOrder, format!("chat {room} has m{first} after m{last}"));
        }
        let newest = words.iter().map(number).max().unwrap_or_default().max(last);
        self.rules.room(room).last_word.insert(browser, newest);
    }

    /// True if the browser of this message's page has lost something.
    fn pressed_by_storage(&self, key: &str) -> bool {
        let id = MessageId::try_from(key.to_owned()).ok();
        let page = id.and_then(|id| self.rules.pressed.get(&id)).map(|it| it.page);
        let shelf = page.and_then(|page| self.shelves.get(&self.pages[page].browser));
        shelf.is_some_and(|shelf| shelf.has_failed)
    }

    /// A chat has loaded in a page: what its input said last is there again.
    pub(super) fn check_draft(&mut self, page: PageId, room: usize, wanted: &str) {
        let Some(tab) = self.pages[page].tabs.get(&room) else { return };
        let (there, status) = (tab.text.clone(), tab.status);
        let accepted = status == rejoin_plugin::agent::ReservationStatus::Accepted;
        let shelf = self.shelf(page);
        let is_excused = shelf.has_failed || shelf.is_torn(room);
        if self.pages[page].plugin.is_none() || !accepted || is_excused {
            return;
        }
        // What was sent meanwhile is not in the input any more.
        let agent = self.pages[page].agent;
        let lost = wanted.lines().find(|word| {
            let waits =
                self.shelves.get(&self.pages[page].browser).is_some_and(|shelf| shelf.will_send(word));
            !there.lines().any(|line| line == *word)
                && !self.words_of(room, agent).any(|it| it == *word)
                && !waits
        });
        if let Some(lost) = lost {
            let what =
                format!("{}: {lost} is not in the input of chat {room} any more", self.page_lane(page));
            self.broken(Rule::DraftLost, what);
        }
    }

    /// What the machine notes.
    pub(super) fn noted(
        &mut self,
        server: usize,
        known: Option<&Conversation>,
        sid: &ConversationSid,
        note: &Note,
    ) {
        let Some(room) = self.room_of(sid) else { return };
        self.note(Lane::Server(server), Some(Lane::Chat(room)), Kind::Decision, || match note {
            Note::Began { absence, cause, row } => {
                format!("absence {absence} begins: {} (row {})", cause.name(), row + 1)
            }
            Note::Ended { absence, ending } => format!("absence {absence} ends: {}", ending.name()),
            Note::Refused { action } => format!("{action} was refused"),
        });
        match note {
            Note::Ended { ending, .. } => *self.counts.endings.entry(ending.name()).or_default() += 1,
            Note::Began { cause: Cause::Unattended { .. }, .. } => self.check_absence(room, known),
            Note::Refused { action: "tell" } => self.rules.room(room).telling_refused = Some(self.now),
            Note::Began { .. } | Note::Refused { .. } => {}
        }
        if let Some(known) = known.filter(|it| it.absence().is_some() && it.timer().is_none())
            && known.requests().in_flight().next().is_none()
        {
            self.broken(Rule::ChatHasDeadline, format!("nothing will end the absence of chat {room}"));
        }
    }

    /// An absence begins since all pages of its agents are gone. No reload takes this long.
    fn check_absence(&mut self, room: usize, known: Option<&Conversation>) {
        let asked_at = known.and_then(|it| it.facts().roster().asked_at()).unwrap_or_default();
        let asked_at = self.by_the_world(asked_at);
        let seats: Vec<usize> = self.rooms[room]
            .seats()
            .filter(|(guest, _)| guest.joined < asked_at)
            .map(|(_, seat)| seat.agent)
            .collect();
        for agent in seats {
            let Some(gone) = self.gone_for(agent) else { continue };
            if gone + SLACK < RELOAD.0 {
                let what =
                    format!("chat {room} counts as unattended, and agent {agent} was there {gone} ms before");
                return self.broken(Rule::ChatRefresh, what);
            }
        }
    }

    fn by_the_world(&self, time: Millis) -> u64 {
        time.0.saturating_add_signed(-self.plan.setup.skew).saturating_sub(crate::world::BEGIN.0)
    }

    /// Our server tells the customer that their agent is gone.
    pub(super) fn check_telling(&mut self, room: usize, what: &Telling, key: &str, began: u64) {
        if self.rooms[room].state == ChannelState::Closed {
            return;
        }
        let times = self.rules.room(room).told.entry(key.to_owned()).or_default();
        *times += 1;
        let times = *times;
        if times > 1 {
            return self
                .broken(Rule::ChatToldOnce, format!("chat {room} was told the same thing {times} times"));
        }
        self.telling_arrives(room, began);
        if let Telling::Idle { step, .. } = what {
            return self.check_alert(room, *step, began);
        }
        // Somebody may have been back while the words were on their way.
        let was_back = self.rooms[room]
            .seats()
            .any(|(_, seat)| self.gone_for(seat.agent).is_some_and(|gone| began + gone < self.now));
        let told_at = std::mem::replace(&mut self.rules.room(room).told_at, (!was_back).then_some(began));
        if told_at.is_some_and(|at| !self.was_at_desktop_since(room, at)) {
            let what = format!("chat {room} was told again, and nobody has had it since");
            return self.broken(Rule::ChatToldOnce, what);
        }
        self.check_nobody_is_there(room, began, "was told that its agent is gone");
        self.check_left_alone(room, began);
    }

    /// True if TaskRouter could say that an agent of the chat was at a desktop whose page no server heard.
    fn was_at_desktop_since(&self, room: usize, at: u64) -> bool {
        let mut seen =
            self.rooms[room].seats().filter_map(|(_, seat)| self.rules.at_desktop_at.get(&seat.agent));
        self.sets_offline() && seen.any(|seen| *seen > at)
    }

    /// Nobody who is in the chat was there when the request began.
    fn check_nobody_is_there(&mut self, room: usize, began: u64, what: &str) {
        let there = self.rooms[room].seats().find(|(guest, seat)| {
            let since = self.rules.there_since.get(&seat.agent);
            since.is_some_and(|since| since + SLACK < began && guest.joined + 60_000 < began)
        });
        if let Some((_, seat)) = there {
            let what = format!("chat {room} {what}, and agent {} is there", seat.agent);
            self.broken(Rule::ChatToldTruly, what);
        }
    }

    /// Nobody has left the chat on purpose before the request began.
    fn check_left_alone(&mut self, room: usize, began: u64) {
        let left = self.rules.room(room).left;
        if let Some((at, act)) = left.filter(|(at, _)| at + 5_000 < began && !self.rules.webhooks_fail) {
            let what = format!("an agent {} {} ms before", act.name(), began - at);
            self.broken(Rule::ChatGraceful, format!("chat {room} is not left alone: {what}"));
        }
    }

    /// Words of ours arrive. An agent who leaves while they are on their way leaves a chat that they make active again.
    fn telling_arrives(&mut self, room: usize, began: u64) {
        self.rules.room(room).left.take_if(|(at, _)| *at + 5_000 >= began);
    }

    fn check_place(&mut self, own: usize, room: usize) {
        if own != room {
            self.broken(Rule::ChatClaims, format!("chat {room} is acted on for chat {own}"));
        }
    }

    pub(super) fn check_inviting(&mut self, own: usize, room: usize, began: u64) {
        self.check_place(own, room);
        let open = self.tasks.iter().filter(|task| task.room == room && task.key.is_some() && task.is_open());
        if open.count() > 0 {
            return self
                .broken(Rule::ChatOneInvite, format!("chat {room} has an open invite of ours already"));
        }
        let is_taken = |task: &&Task| matches!(task.status, TaskStatus::Assigned | TaskStatus::Completed);
        let lately = self.tasks.iter().filter(|task| {
            task.room == room && task.key.is_some() && task.made + CIRCLE > self.now && is_taken(task)
        });
        if lately.count() >= OFTEN {
            return self.broken(
                Rule::ChatInCircles,
                format!("agents have taken {OFTEN} invites of ours into chat {room} within {CIRCLE} ms, and there is one more"),
            );
        }
        self.check_left_alone(room, began);
    }

    pub(super) fn check_closing(
        &mut self,
        own: usize,
        room: usize,
        participant: &ParticipantSid,
        began: u64,
    ) {
        self.check_place(own, room);
        let Some(closed) = self.rooms[room].seats().find(|(guest, _)| guest.sid == *participant) else {
            return;
        };
        let seat = closed.1;
        let others = self.rooms[room].seats().filter(|(guest, _)| guest.sid != *participant).count();
        let two_at = self.rules.room(room).two_at;
        let early = if self.rules.webhooks_fail { 120_000 } else { 10_000 };
        if others == 0 && two_at.is_none_or(|at| at + early < began) {
            let what = format!("agent {} is removed from chat {room}, and nobody else is in it", seat.agent);
            self.broken(Rule::ChatRemoved, what);
        }
    }

    pub(super) fn check_parking(&mut self, own: usize, room: usize, began: u64) {
        self.check_place(own, room);
        self.check_nobody_is_there(room, began, "is parked or closed");
        self.check_left_alone(room, began);
    }
}
