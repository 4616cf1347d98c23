//! A page's push channel, as its shell keeps it open (`src/shell/push.rs`): it reconnects with growing pauses, and
//! gives up a connection that is silent.

use crate::coming::{Coming, PushNews};
use crate::net::Way;
use crate::page::PageId;
use crate::plan::FaultKind;
use crate::timeline::Kind;
use crate::world::World;
use rejoin_plugin::agent::Event;
use rejoin_plugin::boundary::from_server;
use rejoin_plugin::shell::sse::Parser;
use rejoin_protocol::api::{self, Push};
use tokio::task::AbortHandle;

const SILENCE: u64 = api::SILENCE.0;
const FIRST: u64 = 500;
const LONGEST: u64 = api::RECONNECTS_WITHIN.0 * 2 / 3;

/// The push channel of a page.
#[derive(Debug, Default)]
pub(crate) struct PushChannel {
    /// True while the channel is wanted.
    pub(crate) wanted: bool,
    epoch: u64,
    /// Number of the current attempt.
    pub(crate) attempt: u64,
    stood: bool,
    pause: u64,
    heard_at: u64,
    last_id: Option<String>,
    /// The token of the current attempt, and the one that the server has last refused.
    token: String,
    refused: Option<String>,
    parser: Parser,
    stream: Option<AbortHandle>,
    /// What a proxy keeps of a machine that is away.
    kept: Option<AbortHandle>,
    /// When the last of its news arrives.
    arrives_at: u64,
}

impl PushChannel {
    pub(crate) fn let_go(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.abort();
        }
        self.let_kept_go();
    }

    /// A proxy lets go of what it kept.
    pub(crate) fn let_kept_go(&mut self) {
        if let Some(stream) = self.kept.take() {
            stream.abort();
        }
    }

    /// The page gives the connection up. The server hears of it, unless a proxy keeps it.
    fn give_up(&mut self, is_kept: bool) {
        if is_kept {
            self.kept = self.stream.take().or(self.kept.take());
        } else {
            self.let_go();
        }
    }
}

impl World {
    pub(crate) fn open_push(&mut self, page: PageId, epoch: u64) {
        self.close_push(page);
        let push = &mut self.pages[page].push;
        push.wanted = true;
        push.epoch = epoch;
        push.pause = FIRST;
        push.last_id = None;
        self.connect_push(page);
    }

    pub(crate) fn close_push(&mut self, page: PageId) {
        let is_kept = self.is_kept_by_proxy(page);
        let push = &mut self.pages[page].push;
        push.wanted = false;
        push.attempt += 1;
        push.give_up(is_kept);
    }

    /// True while a proxy has not noticed that this page cannot be reached.
    pub(crate) fn is_kept_by_proxy(&self, page: PageId) -> bool {
        let it = &self.pages[page];
        self.plan.setup.proxied && (it.asleep || it.offline)
    }

    fn connect_push(&mut self, page: PageId) {
        let token = self.token(page);
        let push = &mut self.pages[page].push;
        push.attempt += 1;
        push.stood = false;
        push.parser = Parser::default();
        push.heard_at = self.now;
        let attempt = push.attempt;
        let (epoch, last) = (push.epoch, push.last_id.clone());
        push.token.clone_from(&token);
        self.put(SILENCE, Coming::PushSilence(page, attempt));
        let mut chance = self.chance(Way::Push, page);
        if self.pages[page].offline || self.goes_wrong(&mut chance, FaultKind::PushCut) {
            return self.put(30, Coming::PushArrives(page, attempt, PushNews::Ended));
        }
        let stream = self.listen_to_server(page, attempt, epoch, &token, last.as_deref());
        match stream {
            Some(stream) => self.pages[page].push.stream = Some(stream),
            None => self.put(30, Coming::PushArrives(page, attempt, PushNews::Ended)),
        }
    }

    /// The server has sent something, which is in flight now.
    pub(crate) fn push_said(&mut self, page: PageId, attempt: u64, mut news: PushNews) {
        if self.pages[page].push.attempt != attempt {
            return;
        }
        let mut chance = self.chance(Way::Push, page);
        let after = Self::latency(&mut chance);
        if self.goes_wrong(&mut chance, FaultKind::PushCut) {
            if let Some(stream) = self.pages[page].push.stream.take() {
                stream.abort();
            }
            news = PushNews::Ended;
            self.planted_suspicion(page);
        }
        let push = &mut self.pages[page].push;
        push.arrives_at = push.arrives_at.max(self.now + after);
        let at = push.arrives_at;
        self.put_at(at, Coming::PushArrives(page, attempt, news));
    }

    pub(crate) fn push_arrives(&mut self, page: PageId, attempt: u64, news: PushNews) {
        let Some(Coming::PushArrives(_, _, news)) =
            self.arrives(page, Coming::PushArrives(page, attempt, news))
        else {
            return;
        };
        if self.pages[page].push.attempt != attempt || !self.pages[page].push.wanted {
            return;
        }
        self.pages[page].push.heard_at = self.now;
        match news {
            PushNews::Opened(200) => {
                let push = &mut self.pages[page].push;
                push.stood = true;
                push.refused = None;
                self.handle(page, Event::PushState { up: true });
            }
            PushNews::Opened(status) => {
                let push = &mut self.pages[page].push;
                push.refused = (status == 401).then(|| push.token.clone());
                self.push_ended(page);
            }
            PushNews::Ended => self.push_ended(page),
            PushNews::Said(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let messages = self.pages[page].push.parser.feed(&text);
                for message in messages {
                    self.note(self.server_lane(), Some(self.lane(page)), Kind::Push, || message.clone());
                    let said =
                        crate::browser::value(&message).and_then(|message| from_server::pushed(message).ok());
                    let event = match said {
                        Some(Push::Recovery { recovery }) => Event::Push(recovery),
                        Some(Push::Ask) => Event::Ask,
                        Some(Push::Superseded) => Event::Superseded,
                        Some(Push::Move) => Event::Move,
                        None => Event::Garbled,
                    };
                    self.handle(page, event);
                }
                let push = &mut self.pages[page].push;
                if push.parser.id.is_some() {
                    push.last_id.clone_from(&push.parser.id);
                }
            }
        }
        self.look(page);
    }

    pub(crate) fn push_silence(&mut self, page: PageId, attempt: u64) {
        let push = &self.pages[page].push;
        if push.attempt != attempt || !push.wanted || !self.pages[page].alive {
            return;
        }
        if self.pages[page].asleep {
            return self.pages[page].late.push(Coming::PushSilence(page, attempt));
        }
        let until = push.heard_at + SILENCE;
        if until > self.now {
            return self.put_at(until, Coming::PushSilence(page, attempt));
        }
        self.push_ended(page);
        self.look(page);
    }

    fn push_ended(&mut self, page: PageId) {
        let is_kept = self.is_kept_by_proxy(page);
        let push = &mut self.pages[page].push;
        push.attempt += 1;
        push.give_up(is_kept);
        push.pause = if push.stood { FIRST } else { (push.pause * 2).min(LONGEST) };
        let (pause, attempt) = (push.pause, push.attempt);
        self.handle(page, Event::PushState { up: false });
        let mut chance = self.chance(Way::Push, page);
        let pause = pause / 2 + chance.below(pause + 1);
        self.put(pause, Coming::OpenPush(page, attempt));
    }

    /// The next attempt, unless the token is the one that was refused.
    pub(crate) fn push_again(&mut self, page: PageId, attempt: u64) {
        let Some(Coming::OpenPush(..)) = self.arrives(page, Coming::OpenPush(page, attempt)) else { return };
        if self.pages[page].push.attempt != attempt || !self.pages[page].push.wanted {
            return;
        }
        let token = self.token(page);
        if self.pages[page].push.refused.as_ref() == Some(&token) {
            return self.put(1_000, Coming::OpenPush(page, attempt));
        }
        self.connect_push(page);
    }
}
