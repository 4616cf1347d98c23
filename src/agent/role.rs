//! Which page acts for the agent: among the pages of a browser the one that holds the lock, among browsers the
//! newest.

use crate::agent::few::Map;
use crate::agent::in_place::Join;
use crate::agent::machine::Agent;
use crate::agent::{Delivery, Effect, Kept, Timer, leaving};
use rejoin_protocol::Millis;

/// Why a page does not act. Such a page shows and accepts nothing. A call that the agent has in it is registered and stored nevertheless;
/// and one that another browser has superseded polls, to learn when it may act again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Role {
    /// True when another page of this browser holds the lock.
    pub(super) locked_out: bool,
    /// True when a newer page acts in another browser.
    superseded: bool,
    /// The role last reported.
    told: Option<bool>,
}

/// Polls by hello while the push channel is down.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Poll {
    at: Option<Millis>,
    times: u32,
}

impl Agent {
    /// Takes the stored requests. They are sent once this page acts.
    pub fn recall(&mut self, kept: Vec<Kept>) {
        for kept in &kept {
            match &kept.delivery {
                Delivery::Graceful(mark) if leaving::is_for_good(mark.reason) => {
                    self.left.add(mark.reservation.clone());
                }
                _ => {}
            }
        }
        self.recalled = kept;
    }

    pub(super) fn begin_role(&mut self, waits: bool) {
        self.role.locked_out |= waits;
        self.waits = self.role.locked_out || self.role.superseded;
    }

    /// Begins to act: opens the push channel, delivers requests, says hello, and measures the servers.
    pub(super) fn act(&mut self, now: Millis, out: &mut Vec<Effect>) {
        out.push(Effect::OpenPush { epoch: self.epoch });
        self.await_microphone(now, out);
        let kept = std::mem::take(&mut self.recalled);
        if let Some(me) = &self.me {
            self.outbox.adopt(&me.worker, kept, out);
        }
        self.say_hello(now, out);
        self.measure(now, out);
    }

    /// This page has got the lock.
    pub(super) fn elected(&mut self, now: Millis, taken: bool, epoch: u64, out: &mut Vec<Effect>) {
        if !std::mem::take(&mut self.role.locked_out) {
            return;
        }
        if taken {
            self.leave_to_others();
        } else {
            self.find_orphans(now);
            self.recoveries = Map::default(); // they have gone on since this page heard of them last
            // The server should first learn, from the other page or from its channel, that that page is gone.
            self.hello.sent = Some(now);
        }
        self.act_as(now, epoch, out);
    }

    /// Begins to act as the newest page: the server turns to the newest page about a call that an earlier one had.
    pub(super) fn act_as(&mut self, now: Millis, epoch: u64, out: &mut Vec<Effect>) {
        self.epoch = epoch;
        self.role.superseded = false;
        self.waits = false;
        self.act(now, out);
        // The calls in this page belong to the newest page now.
        let here = self.calls.iter_mut().filter(|(_, call)| call.facts.live_call);
        let here = here.map(|(reservation, call)| {
            call.registered = None;
            reservation.clone()
        });
        let here: Vec<_> = here.collect();
        for reservation in here {
            self.register(now, &reservation, out);
        }
    }

    /// Another page of this browser has taken the lock: the agent works there.
    pub(super) fn deposed(&mut self, out: &mut Vec<Effect>) {
        self.role.locked_out = true;
        self.stand_back(out);
        // While this page has a call, the server must know that the page is there.
        if !self.calls.values().any(|call| call.facts.live_call) {
            self.push = None;
            out.push(Effect::ClosePush);
        }
    }

    /// The server reports that a newer page acts.
    pub(super) fn superseded(&mut self, out: &mut Vec<Effect>) {
        if !self.role.locked_out {
            self.role.superseded = true;
            self.stand_back(out);
        }
    }

    /// The server reports that no newer page is there any more.
    pub(super) fn may_act_again(&mut self, now: Millis, out: &mut Vec<Effect>) {
        if std::mem::take(&mut self.role.superseded) && !self.role.locked_out {
            self.waits = false;
            self.find_orphans(now);
            self.say_hello(now, out);
        }
    }

    /// True when this page may ask the server.
    pub(super) fn may_ask(&self) -> bool {
        self.me.is_some() && !self.role.locked_out
    }

    fn stand_back(&mut self, out: &mut Vec<Effect>) {
        self.waits = true;
        for call in self.calls.values_mut() {
            call.checking = None;
        }
        if self.hello.under_way.is_none() {
            out.push(Effect::ClearTimer { timer: Timer::Hello });
        }
    }

    /// Reservations that another page has left behind count as found now.
    fn find_orphans(&mut self, now: Millis) {
        for (reservation, call) in self.calls.iter_mut() {
            if call.is_left_by_another() {
                call.found = Some(now);
                if call.join == Join::Over {
                    call.join = Join::No; // its outcome belonged to another page, which is gone
                }
                let was_call = call.is_accepted() || self.stored.contains(reservation);
                call.checking = was_call.then_some(now);
                call.to_mute = self.muted.contains(reservation);
                self.found.add(reservation.clone());
            }
        }
    }

    /// A call that this page does not have belongs to another page, which lives.
    fn leave_to_others(&mut self) {
        for (reservation, call) in self.calls.iter_mut().filter(|(_, call)| call.is_left_by_another()) {
            (call.found, call.checking) = (None, None);
            self.found.take(reservation);
        }
    }

    /// True while the agent has a call, or a recovery goes on.
    pub(super) fn is_busy(&self) -> bool {
        self.calls.values().any(|call| call.is_accepted() || call.checking.is_some())
            || self.recoveries.values().any(|recovery| !recovery.view.stage.is_final())
    }

    /// Reports who acts, and polls while the push channel is down: with growing delays while a call needs it, and often enough
    /// while the agent has conversations, whose server counts on hearing of the page.
    pub(super) fn settle_role(&mut self, now: Millis, out: &mut Vec<Effect>) {
        if self.me.is_none() {
            return;
        }
        let acts = !self.waits;
        if self.role.told != Some(acts) {
            self.role.told = Some(acts);
            out.push(Effect::Role { acts });
        }
        let chats = self.claims.are_known();
        let deaf = acts && self.push == Some(false) && (self.is_busy() || chats);
        let wanted = deaf || (self.role.superseded && self.may_ask());
        let is_late = |at: Millis| deaf && chats && at > now + self.config.chat_poll;
        match (wanted, self.poll.at.filter(|at| !is_late(*at))) {
            // Counted from the reply: browsers put off timers of hidden tabs that are set by timers, up to a minute each
            // (https://developer.chrome.com/blog/timer-throttling-in-chrome-88), but not those that follow a reply.
            (true, None) if self.hello.under_way.is_none() => {
                let doubled = self.config.first_poll.0.saturating_mul(1 << self.poll.times.min(16));
                let longest = if deaf && chats { self.config.chat_poll } else { self.config.longest_poll };
                let at = now + if deaf { Millis(doubled.min(longest.0)) } else { longest };
                self.poll = Poll { at: Some(at), times: self.poll.times + 1 };
                out.push(Effect::SetTimer { timer: Timer::Poll, at });
            }
            (false, Some(_)) => {
                self.poll = Poll::default();
                out.push(Effect::ClearTimer { timer: Timer::Poll });
            }
            (true, _) => {}
            (false, None) => self.poll.times = 0,
        }
    }

    pub(super) fn poll_now(&mut self, now: Millis, out: &mut Vec<Effect>) {
        self.poll.at = None;
        self.say_hello(now, out);
    }
}
