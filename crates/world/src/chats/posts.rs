//! What a page and our server say to each other about chats: hellos, claims, goodbyes, and the push channel.

use super::page::{POST_PAUSE, PUSH_PAUSE, Post};
use super::{ChatWorld, Coming, Way};
use crate::page::PageId;
use crate::plan::FaultKind;
use crate::timeline::{Kind, Lane};
use rejoin_conversations::{Event as ServerEvent, PageEvent};

/// The longest pauses.
const PUSH_LONGEST: u64 = 8_000;
const POST_LONGEST: u64 = 30_000;
/// How often a page without a push channel says that it is there (`chat_poll` of the plugin).
const POLLS_EACH: u64 = 10_000;
/// How long a page waits for the answer to a request.
const POST_WAITS: u64 = 5_000;

/// Requests to our server, and the push channel.
impl ChatWorld {
    /// Sends what is to be said next.
    pub(super) fn post_again(&mut self, page: PageId) {
        if !self.pages[page].is_connected() || self.pages[page].plugin.is_none() || !self.acts(page) {
            return;
        }
        let it = &mut self.pages[page];
        let has = it.has();
        let post = match it.is_greeted {
            _ if it.is_posting => return,
            false => Post::Hello,
            true if has != it.claimed => Post::Claim(has),
            true => return,
        };
        it.is_posting = true;
        self.posts(page, post);
    }

    fn posts(&mut self, page: PageId, post: Post) {
        let mut chance = self.chance(Way::Post, page);
        let mut after = Self::latency(&mut chance);
        let lost = self.goes_wrong(&mut chance, FaultKind::RequestLost);
        if self.goes_wrong(&mut chance, FaultKind::RequestLate) {
            after += chance.between(1_000, 15_000);
        }
        let way = (self.page_lane(page), Some(Lane::Server(0)));
        self.message_noted(way, Kind::Request, lost, || format!("{post:?}").to_lowercase());
        if lost {
            return self.put(POST_WAITS, Coming::PostAnswered(page, post, false));
        }
        self.put(after, Coming::PostArrives(page, post));
    }

    /// The last words of a page.
    pub(super) fn says_goodbye(&mut self, page: PageId) {
        let it = &self.pages[page];
        let is_known = !it.claimed.is_empty() || (it.is_posting && it.is_greeted);
        if it.is_connected() && it.plugin.is_some() && self.acts(page) && is_known {
            self.posts(page, Post::Goodbye);
        }
    }

    pub(super) fn post_arrives(&mut self, page: PageId, post: Post) {
        let (worker, epoch) = (self.pages[page].worker(), self.pages[page].epoch);
        let of_page = |event| ServerEvent::Page { worker: worker.clone(), epoch, event };
        let events = match &post {
            Post::Hello => vec![of_page(PageEvent::Heard)],
            Post::Goodbye => vec![of_page(PageEvent::Goodbye)],
            Post::Claim(rooms) => {
                let claim = |room: &usize| ServerEvent::Claimed {
                    worker: worker.clone(),
                    conversation: self.rooms[*room].conversation.clone(),
                    place: self.rooms[*room].place.clone(),
                };
                std::iter::once(of_page(PageEvent::Heard)).chain(rooms.iter().map(claim)).collect()
            }
        };
        let taken = events.iter().all(|event| self.server_takes(event).is_ok());
        let agent = self.pages[page].agent;
        match post {
            Post::Goodbye if taken => self.goodbye_of(agent),
            Post::Hello | Post::Claim(_) if taken => self.heard_of(agent),
            _ => {}
        }
        if post == Post::Goodbye {
            return;
        }
        let mut chance = self.chance(Way::Post, page);
        let after = Self::latency(&mut chance);
        if self.goes_wrong(&mut chance, FaultKind::AnswerLost) {
            return self.put(POST_WAITS, Coming::PostAnswered(page, post, false));
        }
        self.put(after, Coming::PostAnswered(page, post, taken));
    }

    pub(super) fn post_answered(&mut self, page: PageId, post: Post, taken: bool) {
        if post == Post::Goodbye
            || self.arrives(page, Coming::PostAnswered(page, post.clone(), taken)).is_none()
        {
            return;
        }
        let it = &mut self.pages[page];
        it.is_posting = false;
        if !taken {
            it.is_greeted = false;
            let pause = it.post_pause;
            it.post_pause = (pause * 2).min(POST_LONGEST);
            return self.put(pause, Coming::PostAgain(page));
        }
        it.post_pause = POST_PAUSE;
        match post {
            Post::Hello => {
                it.is_greeted = true;
                let attempt = it.push;
                if !self.servers.channels.contains_key(&page) {
                    self.put(10, Coming::PushOpens(page, attempt));
                }
            }
            Post::Claim(rooms) => it.claimed = rooms,
            Post::Goodbye => {}
        }
        self.post_again(page);
    }

    /// The page opens its push channel.
    pub(super) fn push_opens(&mut self, page: PageId, attempt: u64) {
        let it = &self.pages[page];
        if it.push != attempt
            || !it.is_greeted
            || !self.acts(page)
            || self.servers.channels.contains_key(&page)
            || self.arrives(page, Coming::PushOpens(page, attempt)).is_none()
        {
            return;
        }
        let mut chance = self.chance(Way::Push, page);
        let cut = self.goes_wrong(&mut chance, FaultKind::PushCut);
        let Some(server) = self.any_server().filter(|_| !cut) else {
            let it = &mut self.pages[page];
            it.push += 1;
            it.pause = (it.pause * 2).min(PUSH_LONGEST);
            let (pause, attempt) = (it.pause, it.push);
            let pause = pause / 2 + chance.below(pause + 1);
            self.begins_to_poll(page);
            return self.put(pause, Coming::PushOpens(page, attempt));
        };
        self.pages[page].pause = PUSH_PAUSE;
        let now = self.now;
        self.servers.channels.insert(page, (server, now));
        self.note(self.page_lane(page), Some(Lane::Server(server)), Kind::Push, || {
            "its push channel is open".into()
        });
        self.channel_opened(page);
        let (worker, epoch) = (self.pages[page].worker(), self.pages[page].epoch);
        self.transact(server, &ServerEvent::Page { worker, epoch, event: PageEvent::PushOpened }, None);
        if self.plan.faults.iter().any(|fault| fault.kind == FaultKind::PushCut) {
            self.put(10_000, Coming::PushShakes(page, attempt));
        }
    }

    fn begins_to_poll(&mut self, page: PageId) {
        if !std::mem::replace(&mut self.pages[page].polls, true) {
            self.put(POLLS_EACH, Coming::Polls(page));
        }
    }

    /// A page without a push channel says that it is there, as long as the agent has chats.
    pub(super) fn polls(&mut self, page: PageId) {
        self.pages[page].polls = false;
        let it = &self.pages[page];
        if self.servers.channels.contains_key(&page) || !it.is_alive || !it.is_up {
            return;
        }
        self.begins_to_poll(page);
        let it = &mut self.pages[page];
        if it.is_greeted && !it.is_posting && !it.claimed.is_empty() {
            it.is_greeted = false;
            self.post_again(page);
        }
    }

    /// The server looks whether a channel still stands: the page's machine may be away, and networks break.
    pub(super) fn push_shakes(&mut self, page: PageId, attempt: u64) {
        if self.pages[page].push != attempt || !self.servers.channels.contains_key(&page) {
            return;
        }
        let mut chance = self.chance(Way::Push, page);
        if self.pages[page].is_connected() && !self.goes_wrong(&mut chance, FaultKind::PushCut) {
            return self.put(10_000, Coming::PushShakes(page, attempt));
        }
        self.channel_closes(page);
        self.put(10, Coming::PushEnds(page, attempt));
    }

    /// The server sees that a channel is closed.
    pub(super) fn channel_closes(&mut self, page: PageId) {
        let Some((server, _)) = self.servers.channels.get(&page).copied() else { return };
        self.channel_ends(page);
        self.note(self.page_lane(page), Some(Lane::Server(server)), Kind::Push, || {
            "its push channel is closed".into()
        });
        let (worker, epoch) = (self.pages[page].worker(), self.pages[page].epoch);
        self.transact(server, &ServerEvent::Page { worker, epoch, event: PageEvent::PushClosed }, None);
    }

    /// The page sees that its channel has ended, and opens it again.
    pub(super) fn push_ends(&mut self, page: PageId, attempt: u64) {
        if self.pages[page].push != attempt || self.arrives(page, Coming::PushEnds(page, attempt)).is_none() {
            return;
        }
        let it = &mut self.pages[page];
        it.push += 1;
        let (pause, attempt) = (it.pause, it.push);
        let mut chance = self.chance(Way::Push, page);
        self.put(pause / 2 + chance.below(pause + 1), Coming::PushOpens(page, attempt));
    }
}
