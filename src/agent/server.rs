//! The conversation with the server: hellos, recoveries, and what follows for offers and the dialog.

use crate::agent::machine::Talk;
use crate::agent::offer::{Kind, Offer};
use crate::agent::recovery::{Recovery, rank};
use crate::agent::{
    Agent, Answer, Complaint, Dialog, Effect, Notice, PostError, PostId, Request, ReservationStatus,
    TaskFacts, Timer, ToDesktop,
};
use rejoin_protocol::api::{Hello, HelloReply, Holding, RecoveryView, Stage};
use rejoin_protocol::{Millis, ReservationSid};

impl Agent {
    /// Says hello now, or as soon as the last one is long enough ago.
    pub(super) fn say_hello(&mut self, now: Millis, out: &mut Vec<Effect>) {
        if !self.may_ask() {
            return;
        }
        if self.hello.under_way.is_some() {
            self.hello.again = true;
            return;
        }
        if let Some(sent) = self.hello.sent
            && now < sent + self.config.hello_every
        {
            out.push(Effect::SetTimer { timer: Timer::Hello, at: sent + self.config.hello_every });
            return;
        }
        let looks = self.calls.values().filter_map(|call| call.looks_until(now, self.config.look_for));
        if let Some(at) = looks.max() {
            out.push(Effect::SetTimer { timer: Timer::Hello, at });
            return;
        }
        // A page that does not act asks for nothing.
        let holdings = self.calls.values().filter(|_| !self.waits).filter_map(|call| {
            let holding = call.holding()?;
            let other_browser = !self.stored.contains(&holding.reservation);
            Some(Holding { can_join: holding.can_join && self.config.in_place, other_browser, ..holding })
        });
        let holdings = holdings.collect();
        let hello = Hello {
            epoch: self.epoch,
            holdings,
            unavailable: self.restore.tell(),
            accepts_ping: self.hello.accepts_ping,
        };
        self.last_post = self.last_post.wrapping_add(1);
        let id = PostId(self.last_post);
        out.push(Effect::Post { id, request: Request::Hello(hello.clone()) });
        self.hello.under_way = Some((id, hello));
        self.hello.sent = Some(now);
        self.hello.again = false;
    }

    /// Requests in flight may be lost, which the browser reports only at the timeout: they are sent again.
    pub(super) fn forget_sent(&mut self, out: &mut Vec<Effect>) {
        self.outbox.again(out);
        self.claims.again();
        self.hello.under_way = None;
        self.hello.failures = 0;
    }

    pub(super) fn hello_reply(
        &mut self,
        now: Millis,
        hello: &Hello,
        result: Result<Answer, PostError>,
        out: &mut Vec<Effect>,
    ) {
        match result {
            Ok(Answer::Hello(reply)) => {
                let asked = self.hello.sent.unwrap_or(now);
                let again = self.hello.again;
                self.outbox.reached(out);
                self.claims.reached();
                let accepts_ping = self.hello.accepts_ping && !hello.accepts_ping;
                self.hello = Talk { sent: self.hello.sent, accepts_ping, ..Talk::default() };
                self.restore_activity(&reply, out);
                self.heard(now, asked, hello, reply, out);
                if again {
                    self.say_hello(now, out);
                }
            }
            Err(PostError::Status(status)) if !PostError::Status(status).is_passing() => {
                // The server does not know this desktop and never will: there is nothing to wait for.
                self.stop_checking(hello);
                self.complain(Complaint::Refused { status }, out);
            }
            Ok(Answer::Accepted) | Err(_) => {
                self.hello.failures += 1;
                // After a 401 an early retry is useless: a new token, which Flex reports, resumes it at once.
                let pause = match result {
                    Err(PostError::Status(401)) => self.config.longest_retry,
                    _ => self.config.retry_after(self.hello.failures),
                };
                let at = now + pause.max(self.config.hello_every);
                out.push(Effect::SetTimer { timer: Timer::Hello, at });
            }
        }
    }

    fn heard(&mut self, now: Millis, asked: Millis, hello: &Hello, reply: HelloReply, out: &mut Vec<Effect>) {
        // A recovery that was known before the request and is not in the answer is over and forgotten.
        self.recoveries.retain(|id, recovery| {
            let named = reply.recoveries.iter().any(|view| view.id == *id);
            named || recovery.heard >= asked || recovery.view.stage.is_final()
        });
        for view in reply.recoveries {
            // A push may have overtaken the answer.
            let younger = self.recoveries.get(&view.id).is_some_and(|recovery| {
                recovery.heard >= asked && rank(&recovery.view.stage) > rank(&view.stage)
            });
            if !younger {
                self.view(now, view);
            }
        }
        self.stop_checking(hello);
        self.in_place = reply.in_place && self.config.in_place;
        self.note_joins_offered(hello);
        self.may_look = reply.console;
        if reply.superseded {
            self.superseded(out);
        } else {
            self.may_act_again(now, out);
        }
    }

    fn stop_checking(&mut self, hello: &Hello) {
        for holding in &hello.holdings {
            if let Some(call) = self.calls.get_mut(&holding.reservation) {
                call.checking = None;
            }
        }
    }

    /// The server has reported the state of a recovery.
    pub(super) fn view(&mut self, now: Millis, view: RecoveryView) {
        let checking = self.calls.get_mut(&view.reservation).and_then(|call| call.checking.take()).is_some();
        let from_start = self.found.contains(&view.reservation);
        // The agent knows how a call ended that they left on purpose, whatever the server made of it without the
        // mark.
        let accepted = self.calls.get(&view.reservation).is_some_and(|call| call.is_accepted());
        // "Reconnected" is not shown so late that the call is over, or lost again.
        let late = view.stage == Stage::Rejoined && !self.calls.values().any(|call| call.facts.live_call);
        let left = late || (self.left.contains(&view.reservation) && !accepted);
        let recovery = self.recoveries.get_or_insert(view.id.clone(), || Recovery::new(view.clone(), now));
        // The end of a wait that the agent saw is shown; "Reconnected" only to an agent who saw what came before.
        recovery.shown |= checking && !matches!(view.stage, Stage::Rejoined);
        recovery.from_start |= from_start;
        recovery.dismissed |= (checking && self.hello.dismissed) || left;
        recovery.update(view, now);
    }

    /// The server has pushed the state of a recovery.
    pub(super) fn pushed(&mut self, now: Millis, view: RecoveryView, out: &mut Vec<Effect>) {
        // The page that had the call, in another tab or browser, is gone: this one could join.
        let lost = view.stage == Stage::Interrupted
            && self.calls.get(&view.reservation).is_some_and(|call| call.is_offered());
        self.view(now, view);
        if lost && !self.waits {
            self.say_hello(now, out);
        }
    }

    pub(super) fn push_state(&mut self, now: Millis, up: bool, out: &mut Vec<Effect>) {
        let stays_down = !up && self.push == Some(false);
        self.push = Some(up);
        if up {
            self.ends.answered();
        } else {
            self.server_failed(now, out);
        }
        if stays_down {
            self.register_again(now, None, out);
        }
        if !up {
            return;
        }
        self.outbox.reached(out);
        self.claims.reached();
        // The server repeats what was missed. It does not say that no newer page is there any more.
        if self.waits || self.hello.failures > 0 {
            self.say_hello(now, out);
        }
    }

    /// A task that belongs to a recovery is new, has changed or is gone.
    pub(super) fn offered(&mut self, facts: &TaskFacts, now: Millis, out: &mut Vec<Effect>) {
        let reservation = &facts.reservation;
        if facts.status != ReservationStatus::Pending {
            if self.offers.remove(reservation).is_some() {
                out.push(Effect::ClearTimer { timer: Timer::Accept(reservation.clone()) });
            }
            self.noticed.remove(reservation);
            return;
        }
        let Some(me) = &self.me else { return };
        let unasked = |offer: &Offer| offer.kind == Kind::Ping || self.config.auto_accept;
        let offer = Offer::of(facts, &me.worker).filter(unasked);
        let recovery = offer.as_ref().map(|offer| &offer.recovery);
        if self.offers.get(reservation).is_some_and(|known| Some(&known.recovery) != recovery) {
            self.offers.remove(reservation); // the attributes have changed: it is another offer now, or none
        }
        if let Some(offer) = offer {
            self.offers.get_or_insert(reservation.clone(), || offer);
        } else if facts.attributes.is_reconnect == Some(true) && self.noticed.add(reservation.clone()) {
            let attributes = &facts.attributes;
            let name = attributes.disconnected_worker_name.clone();
            let notice = match attributes.disconnected_time {
                _ if attributes.disconnected_worker_sid.as_ref() == Some(&me.worker) => Notice::TakeOverOwn,
                Some(at) => Notice::TakeOver { name, seconds: Millis(at).until(now).0 / 1000 },
                None => Notice::TakeOverUndated { name },
            };
            out.push(Effect::Desktop(ToDesktop::Notify { reservation: reservation.clone(), notice }));
        }
    }

    /// Accepts offers whose recovery the server has confirmed, and asks it about the others: anybody may write
    /// attributes.
    pub(super) fn take_offers(&mut self, now: Millis, out: &mut Vec<Effect>) {
        if self.waits {
            return;
        }
        let mut unknown = false;
        let can_talk = self.can_talk();
        for (reservation, offer) in self.offers.iter_mut() {
            let Some(recovery) = self.recoveries.get(&offer.recovery) else {
                unknown |= !offer.asked;
                offer.asked = true;
                continue;
            };
            let ready = match offer.kind {
                Kind::Ping => true,
                Kind::Reconnect => can_talk,
            };
            // The agent has left that call on purpose, which the server may not know.
            let left = self.left.contains(&recovery.view.reservation);
            let tried = offer.attempts >= self.config.accept_attempts;
            if offer.busy || left || !ready || !recovery.is_ours() || tried {
                continue;
            }
            offer.busy = true;
            offer.attempts += 1;
            let reservation = reservation.clone();
            match offer.kind {
                Kind::Ping => {
                    // Without TaskRouter's events nothing else tells the server that this page lives.
                    unknown = true;
                    self.hello.accepts_ping = true;
                    out.push(Effect::Desktop(ToDesktop::AcceptPing { reservation }));
                }
                Kind::Reconnect => {
                    if let Some(call) = self.calls.get_mut(&reservation) {
                        call.to_mute = self.muted.contains(&recovery.view.reservation);
                        call.to_select = true;
                    }
                    let select = ToDesktop::Select { reservation: reservation.clone() };
                    out.extend([Effect::Desktop(ToDesktop::Accept { reservation }), Effect::Desktop(select)]);
                }
            }
        }
        if unknown {
            self.say_hello(now, out);
        }
    }

    /// True when the agent must not close this task yet.
    pub(super) fn blocks(&self, reservation: &ReservationSid) -> bool {
        let checking = self.calls.get(reservation).is_some_and(|call| call.checking.is_some());
        let recovers = |recovery: &Recovery| recovery.view.reservation == *reservation && recovery.blocks();
        let waiting = (checking && !self.hello.dismissed) || self.recoveries.values().any(recovers);
        waiting && !self.waits
    }

    /// The agent has read the dialog, or does not want to wait.
    pub(super) fn button(&mut self, out: &mut Vec<Effect>) {
        let Some(shown) = &self.shown else { return };
        match shown {
            Dialog::Checking
            | Dialog::Interrupted { .. }
            | Dialog::WaitingForPhone { .. }
            | Dialog::MicrophoneDenied { .. }
            | Dialog::NoMicrophone { .. }
            | Dialog::InPlace
            | Dialog::Reconnecting
            | Dialog::Rejoined => {} // no button
            Dialog::NeedsClick => {
                self.ready.silenced = false; // a browser that still refuses reports it again
                out.push(Effect::Desktop(ToDesktop::PlaySound {}));
            }
            Dialog::Unreachable => self.hello.dismissed = true,
            Dialog::Slow
            | Dialog::WaitingForOther
            | Dialog::TooOften
            | Dialog::HandedOver { .. }
            | Dialog::CustomerLeft
            | Dialog::Failed { .. } => {
                let shown = Some(shown.clone());
                for recovery in self.recoveries.values_mut().filter(|recovery| recovery.dialog() == shown) {
                    recovery.dismissed = true;
                }
            }
        }
    }

    /// The server has been silent for too long.
    pub(super) fn overdue(&mut self, now: Millis, out: &mut Vec<Effect>) {
        self.overdue_at = None;
        if self.checking_since().is_some_and(|since| since + self.config.silence <= now) {
            self.hello.overdue = true;
        }
        let config = &self.config;
        for recovery in self.recoveries.values_mut() {
            recovery.overdue |= recovery.overdue_at(config).is_some_and(|at| at <= now);
        }
        self.say_hello(now, out);
    }

    fn checking_since(&self) -> Option<Millis> {
        if self.waits || self.hello.dismissed {
            return None;
        }
        self.calls.values().filter_map(|call| call.checking).min()
    }

    /// What the dialog should show: first a click that is needed, then what the agent must wait for, then what has ended, and last that the
    /// server is still asked.
    fn dialog(&self) -> Option<Dialog> {
        if self.waits {
            return None;
        }
        let recoveries = || self.recoveries.values();
        let what = |recovery: &Recovery| self.obstacle(recovery).or_else(|| recovery.dialog());
        let blocking = || recoveries().filter(|recovery| recovery.blocks()).find_map(what);
        let checking = || {
            self.checking_since()?;
            Some(if self.hello.overdue { Dialog::Unreachable } else { Dialog::Checking })
        };
        let dialog = self
            .needs_click()
            .or_else(blocking)
            .or_else(|| recoveries().find_map(Recovery::dialog))
            .or_else(checking);
        // The agent accepts the call by hand, so the dialog must not cover it.
        let rings = !self.config.auto_accept && !self.noticed.is_empty();
        dialog.filter(|dialog| !(rings && matches!(dialog, Dialog::Reconnecting | Dialog::Slow)))
    }

    /// Updates the dialog and its timers from the current state.
    pub(super) fn settle_dialog(&mut self, now: Millis, out: &mut Vec<Effect>) {
        let dialog = self.dialog();
        if dialog != self.shown {
            out.push(Effect::Dialog(dialog.clone()));
            self.shown = dialog;
        }
        for (id, recovery) in self.recoveries.iter_mut() {
            if recovery.dialog() == Some(Dialog::Rejoined) && !recovery.ending {
                recovery.ending = true;
                let at = now + self.config.rejoined_for;
                out.push(Effect::SetTimer { timer: Timer::Rejoined(id.clone()), at });
            }
        }
        let checking = self.checking_since().filter(|_| !self.hello.overdue);
        let silences = self.recoveries.values().filter_map(|recovery| recovery.overdue_at(&self.config));
        let at = silences.chain(checking.map(|since| since + self.config.silence)).min();
        let at = at.filter(|_| !self.waits);
        if at != self.overdue_at {
            out.push(match at {
                Some(at) => Effect::SetTimer { timer: Timer::Overdue, at },
                None => Effect::ClearTimer { timer: Timer::Overdue },
            });
            self.overdue_at = at;
        }
    }
}
