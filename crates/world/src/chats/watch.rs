//! What must not last: a chat whose agents are gone and that nobody cares for; anything open when all is over.

use super::{ChatWorld, Coming};
use crate::plan::FaultKind;
use crate::rules::Rule;
use rejoin_conversations::{Attendance, ChannelState, Conversation};
use rejoin_plugin::agent::ReservationStatus;
use rejoin_plugin::chats::MessageId;

/// How often the rules look (milliseconds).
pub(super) const EVERY: u64 = 5_000;
/// Time of a reload, which every page has after an outage; the sweep that finds lost channels; a poll, and its slack.
const AFTER_OUTAGE: u64 = 15_000 + 15_000 + 15_000;
/// Longest pause between two attempts that Twilio refuses, and the attempts before it.
const AFTER_REFUSALS: u64 = 300_000 + 90_000;
/// Time between two looks at a conversation that goes on, and a look.
const AFTER_LOST_WEBHOOKS: u64 = 600_000 + 30_000;
/// Longest pause of a page whose requests are lost.
const AFTER_LOST_REQUESTS: u64 = 60_000;
/// TaskRouter's answer about an agent counts for at least and for at most this time.
const ASK_AFTER: (u64, u64) = (15_000, 300_000);
/// How long before the end nothing may go wrong for an end to be expected: the pauses between invites.
const AT_LAST: u64 = 1_500_000;

impl ChatWorld {
    pub(super) fn watches(&mut self) {
        for agent in 0..self.workers.len() {
            if self.workers[agent].is_available() {
                self.rules.available_at.insert(agent, self.now);
            }
            if self.pages.iter().any(|page| page.agent == agent && page.has_socket && page.is_connected()) {
                self.rules.at_desktop_at.insert(agent, self.now);
            }
        }
        for room in 0..self.rooms.len() {
            self.check_alone(room);
        }
        let last = self.of.chats.iter().flat_map(|chat| chat.writes.iter().chain(&chat.ends)).max().copied();
        let end = self.plan.until.max(last.unwrap_or_default());
        let since = self.now.saturating_sub(end);
        if since > 60_000 {
            match self.open() {
                None => {
                    self.over = true;
                    return self.check_messages();
                }
                Some(what) if since > self.of.setup.deadline + self.of.setup.invite_within + AT_LAST => {
                    return self.broken(Rule::ChatEnds, what);
                }
                Some(_) => {}
            }
        }
        // Little happens in the end, and for long.
        self.put(if since > 120_000 { 4 * EVERY } else { EVERY }, Coming::Watches);
    }

    /// All agents of a chat are gone: something begins within the times of the policy.
    fn check_alone(&mut self, room: usize) {
        let it = &self.rooms[room];
        // Of an agent without the plugin nobody knows.
        let gone: Vec<Option<u64>> =
            it.seats().map(|(guest, seat)| self.has_been_gone_for(guest, seat)).collect();
        let is_alone = it.state == ChannelState::Active
            && !gone.is_empty()
            && gone.iter().all(|gone| gone.is_some_and(|gone| gone > 0));
        let known = self.servers.store.conversations.get(&it.conversation);
        // Of one that only a liar has named, no server knows where it is.
        let known = known.filter(|known| known.facts().place().is_some());
        // A chat whose webhooks are all lost, and whose agent's page could not say that it is there, is not known.
        let is_missed = self.rules.is_missed(room);
        let is_cared_for =
            known.map_or(is_missed, |known| known.absence().is_some() || (is_missed && is_parked(known)));
        if !is_alone || is_cared_for {
            return;
        }
        let last = gone.into_iter().flatten().min().unwrap_or_default();
        let joined = self.rooms[room].seats().map(|(guest, _)| guest.joined).max().unwrap_or_default();
        let since = (self.now - last.min(self.now)).max(joined).max(self.rules.last_left(room));
        let waits = self.of.setup.goodbye.max(self.of.setup.push_closed).max(15_000) + 30_000;
        let since = since.max(self.answer_counts_until(room, since));
        let skew = self.plan.setup.skew.unsigned_abs();
        if self.now > self.quiet_since(since) + waits + skew {
            let what = format!("chat {room}: its agents are gone since {since} ms, and nothing has begun");
            self.broken(Rule::ChatLeftAlone, what);
        }
    }

    /// Until when TaskRouter's last answer counts that agents of this chat are available, whose pages are away since then; 0: there is
    /// none. It counts for as long as they had worked without a page.
    fn answer_counts_until(&self, room: usize, since: u64) -> u64 {
        if !self.sets_offline() {
            return 0;
        }
        let seen = self.rooms[room].seats().filter_map(|(_, seat)| self.rules.available_at.get(&seat.agent));
        let last = seen.copied().max().unwrap_or_default() + EVERY;
        last + last.saturating_sub(since).clamp(ASK_AFTER.0, ASK_AFTER.1)
    }

    /// When the last thing went wrong that keeps our servers from knowing or acting, and its aftermath was over; `since` if
    /// that was before.
    fn quiet_since(&self, since: u64) -> u64 {
        let faults = self.plan.faults.iter().filter(|fault| fault.from < self.now);
        let after = faults.map(|fault| {
            let aftermath = match fault.kind {
                FaultKind::WebhookLost | FaultKind::WebhookLate => AFTER_LOST_WEBHOOKS,
                FaultKind::Throttled
                | FaultKind::Broken
                | FaultKind::BrokenDone
                | FaultKind::Silent
                | FaultKind::SilentDone => AFTER_REFUSALS,
                FaultKind::RequestLost
                | FaultKind::RequestLate
                | FaultKind::AnswerLost
                | FaultKind::PushCut => AFTER_LOST_REQUESTS,
                _ => return 0,
            };
            fault.to.min(self.now) + aftermath
        });
        let down = self.rules.last_down(self.now).map(|at| at + AFTER_OUTAGE);
        let lost = (0..self.rooms.len()).any(|room| self.rules.is_missed(room));
        let outage = self.rules.last_down(self.now).filter(|_| lost).map(|at| at + AFTER_LOST_WEBHOOKS);
        after.chain(down).chain(outage).max().unwrap_or_default().max(since)
    }

    /// What is still open when all is over.
    fn open(&self) -> Option<String> {
        if self.servers.running.is_empty() {
            return Some("no server runs".into());
        }
        for (room, it) in self.rooms.iter().enumerate() {
            let known = self.servers.store.conversations.get(&it.conversation);
            if known.is_some_and(|known| known.absence().is_some()) {
                return Some(format!("an absence of chat {room} is open"));
            }
            let mut gone = it.seats().map(|(guest, seat)| self.has_been_gone_for(guest, seat)).peekable();
            let gone = gone.peek().is_some() && gone.all(|gone| gone.is_some_and(|gone| gone > 0));
            let is_hidden = known.is_none_or(|known| self.rules.is_missed(room) && is_parked(known));
            if it.state == ChannelState::Active && gone && !is_hidden {
                return Some(format!("the agents of chat {room} are gone"));
            }
        }
        self.waiting_message().map(|(id, room)| format!("{} waits in chat {room}", id.as_str()))
    }

    /// A message that waits in a page in which it could be sent.
    fn waiting_message(&self) -> Option<(MessageId, usize)> {
        for shelf in self.shelves.values().filter(|shelf| !shelf.has_failed) {
            for id in shelf.messages.keys() {
                let Some((page, pressed)) = shelf.locks.get(id).zip(self.rules.pressed.get(id)) else {
                    continue;
                };
                let it = &self.pages[*page];
                let can = |tab: &super::page::Tab| {
                    tab.is_loaded && tab.is_open && tab.status == ReservationStatus::Accepted
                };
                if it.is_connected() && it.has_sdk && it.tabs.get(&pressed.room).is_some_and(can) {
                    return Some((id.clone(), pressed.room));
                }
            }
        }
        None
    }

    /// Each message that an agent has sent is in the conversation, or where the agent finds it.
    fn check_messages(&mut self) {
        let lost = self.rules.pressed.iter().find(|(id, pressed)| {
            let page = &self.pages[pressed.page];
            let Some(shelf) = self.shelves.get(&page.browser) else { return false };
            let waits = shelf.messages.get(*id).is_some_and(|it| !it.returned);
            if pressed.is_excused || shelf.has_failed || waits {
                return false;
            }
            let found = |word: &str| {
                let kept = shelf.drafts().iter().any(|draft| draft.text.lines().any(|line| line == word));
                let shown = self.pages.iter().filter(|it| it.browser == page.browser).any(|it| {
                    let there =
                        it.is_alive && it.tabs.values().any(|tab| tab.text.lines().any(|line| line == word));
                    there || it.not_sent.contains(word)
                });
                kept || shown || self.words_of(pressed.room, page.agent).any(|it| it == word)
            };
            !pressed.body.lines().all(found)
        });
        if let Some((id, pressed)) = lost {
            let what = format!(
                "{} of {} ms is not in chat {}, nor anywhere else",
                id.as_str(),
                pressed.at,
                pressed.room
            );
            self.broken(Rule::ChatMessageLost, what);
        }
    }
}

/// True if our servers take the chat for parked. They do not look at it: one that goes on while none listens is found when its
/// customer writes again.
fn is_parked(known: &Conversation) -> bool {
    known.judged().is_some_and(|(row, ..)| row.attendance == Attendance::Parked)
}
