//! Rejoining in place: the leg is left standing when the page ends, and the next page joins its conference again.

use crate::agent::call::Call;
use crate::agent::{Agent, Complaint, Effect, StoredCall, Timer, ToDesktop};
use rejoin_protocol::api::{Goodbye, Hello, Stage};
use rejoin_protocol::{Millis, ReservationSid};

/// State of the join, which is tried once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// Not considered yet.
    No,
    /// The server knows that this page can join.
    Offered,
    UnderWay,
    /// It succeeded, failed, or is no longer wanted.
    Over,
}

impl Call {
    /// True when an earlier page's leg stands, and this page can take its place.
    pub(super) fn can_join(&self) -> bool {
        self.could_join() && self.join != Join::Over && self.youngest().is_some()
    }

    /// True when the server knows that this page can join, and has not asked for it (yet).
    pub(super) fn is_offered(&self) -> bool {
        self.join == Join::Offered && self.can_join()
    }

    fn could_join(&self) -> bool {
        self.is_orphan() && self.is_accepted() && self.facts.joinable && !self.unwatched && !self.leaving
    }

    /// Until when the earlier page's leg is looked for: Flex reports the conference a moment after the task.
    pub(super) fn looks_until(&self, now: Millis, look_for: Millis) -> Option<Millis> {
        let until = self.found? + look_for;
        (self.could_join() && self.youngest().is_none() && now < until).then_some(until)
    }

    /// True when the leg may stand as the page ends. The server must know of the call, or nobody would look after the
    /// customer. It also knows of a call that is being joined again, whose conference Flex would end for all.
    fn may_stand(&self) -> bool {
        let known = self.facts.live_call && self.known;
        let joining = self.join == Join::UnderWay || (self.join == Join::Over && self.facts.live_call);
        self.is_accepted() && (known || joining) && !self.unwatched && !self.leaving
    }

    /// True when this Flex supports it.
    fn can_stand(&self) -> bool {
        self.facts.joinable && self.facts.keepable
    }
}

impl Agent {
    fn standing(&self) -> impl Iterator<Item = &Call> {
        self.calls.values().filter(|call| self.in_place && call.may_stand())
    }

    /// The page ends, with its legs or without.
    pub(super) fn page_hide(&mut self, may_return: bool, out: &mut Vec<Effect>) {
        if may_return && self.push.take().is_some() {
            // A browser may keep the connection of a frozen page open: the server would take the agent for present.
            out.push(Effect::ClosePush);
        }
        if self.gone {
            return;
        }
        let standing = self.standing().filter(|call| call.can_stand());
        let tasks = standing.map(|call| call.facts.task.clone()).collect();
        let goodbye = self.keeps.then_some(Goodbye { epoch: self.epoch, tasks });
        let marks = self.outbox.marks();
        let gone = self.claims.are_known().then_some(self.epoch);
        if goodbye.is_some() || gone.is_some() || !marks.is_empty() {
            self.gone = true;
            out.push(Effect::Beacon { marks, goodbye, gone });
        }
    }

    /// The search for the conference may be over: the hello no longer waits for it.
    pub(super) fn looked(
        &mut self,
        now: Millis,
        reservation: &ReservationSid,
        looked: bool,
        out: &mut Vec<Effect>,
    ) {
        let looks = |call: &Call| call.looks_until(now, self.config.look_for).is_some();
        if looked && !self.calls.get(reservation).is_some_and(looks) {
            out.push(Effect::ClearTimer { timer: Timer::Hello });
            self.say_hello(now, out);
        }
    }

    /// The server has answered: it knows what this page can do.
    pub(super) fn note_joins_offered(&mut self, hello: &Hello) {
        for holding in hello.holdings.iter().filter(|holding| holding.can_join) {
            if let Some(call) = self.calls.get_mut(&holding.reservation)
                && call.join == Join::No
            {
                call.join = Join::Offered;
            }
        }
    }

    /// Carries the agent's mute over from page to page.
    pub(super) fn muting(&mut self, reservation: &ReservationSid, out: &mut Vec<Effect>) {
        let Some(call) = self.calls.get_mut(reservation).filter(|call| call.facts.live_call) else { return };
        if std::mem::take(&mut call.to_select) {
            out.push(Effect::Desktop(ToDesktop::Select { reservation: reservation.clone() }));
        }
        if std::mem::take(&mut call.to_mute) {
            out.push(Effect::Desktop(ToDesktop::Mute {}));
            return;
        }
        let muted = call.facts.muted;
        let changed = match muted {
            true => self.muted.add(reservation.clone()),
            false => self.muted.take(reservation),
        };
        if changed && self.stored.contains(reservation) {
            out.push(Effect::Store(StoredCall { reservation: reservation.clone(), muted }));
        }
    }

    /// During the join Flex sets the flag of one leg after the other, and each is cleared instead. Returns the
    /// participants whose flags must be cleared once more after this one. Flex clears the old leg's flag, joins, and
    /// removes the old leg; the new leg must not get the flag. The Flex of another tab, loaded meanwhile, may have
    /// set the old leg's flag again: it is cleared once more right before the removal, which would end the call.
    pub fn flags_to_clear(&mut self, reservation: &ReservationSid, participant: &str) -> Vec<String> {
        let Some(call) = self.calls.get_mut(reservation) else { return Vec::new() };
        let before = call.cleared.clone();
        call.cleared.push(participant.to_owned());
        before
    }

    /// The shim has joined the call.
    pub(super) fn joined(&mut self, reservation: &ReservationSid, out: &mut Vec<Effect>) {
        let Some(call) = self.calls.get_mut(reservation) else { return };
        let awaited = end_join(call, out);
        // Wherever the new leg rang, it is this page's Flex that may have set its flag.
        call.flagged |= call.had_call || call.join == Join::Over;
        if call.had_call || (awaited && !self.waits) {
            out.push(Effect::Desktop(ToDesktop::Select { reservation: reservation.clone() }));
        }
    }

    /// The join has failed, or takes too long.
    pub(super) fn join_failed(&mut self, now: Millis, reservation: &ReservationSid, out: &mut Vec<Effect>) {
        let Some(call) = self.calls.get_mut(reservation) else { return };
        let Some(leg) = call.ghost.clone() else { return };
        end_join(call, out);
        if call.had_call {
            call.flagged = true; // it failed after the new leg had joined
        }
        if call.is_accepted() {
            // Flex makes the conference end with the unattended old leg.
            let reservation = reservation.clone();
            out.push(Effect::Desktop(ToDesktop::ClearExitFlag { reservation, leg }));
        }
        if call.is_orphan() && self.joining_is_wanted(reservation) {
            // The customer waits for this hello: it ignores the minimum time between hellos.
            self.hello.sent = None;
            out.push(Effect::ClearTimer { timer: Timer::Hello });
            self.say_hello(now, out);
        }
    }

    fn joining_is_wanted(&self, reservation: &ReservationSid) -> bool {
        self.recoveries.values().any(|recovery| {
            recovery.view.reservation == *reservation && recovery.view.stage == Stage::InPlace
        })
    }

    /// Applies what follows from the current state.
    pub(super) fn settle_in_place(&mut self, now: Millis, out: &mut Vec<Effect>) {
        let wanted: Vec<_> = self.recoveries.values().filter(|r| r.view.stage == Stage::InPlace).collect();
        let can_talk = self.can_talk();
        let mut asks = false;
        for (reservation, call) in self.calls.iter_mut() {
            let wanted = wanted.iter().any(|recovery| recovery.view.reservation == *reservation);
            let may = wanted && can_talk && !self.waits;
            if call.join == Join::Offered && may && call.can_join() {
                call.join = Join::UnderWay;
                call.cleared.clear();
                call.ghost = call.youngest().cloned();
                let timer = Timer::Join(reservation.clone());
                out.push(Effect::Desktop(ToDesktop::JoinCall { reservation: reservation.clone() }));
                out.push(Effect::SetTimer { timer, at: now + self.config.join_within });
            } else if !wanted || !call.is_accepted() || call.had_call {
                // Joined, or gone on to the second rung, in which this page has nothing to do.
                asks |= end_join(call, out) && wanted;
            }
            if call.flagged
                && call.is_accepted()
                && let Some(leg) = call.joined_anew().cloned()
            {
                call.flagged = false;
                let reservation = reservation.clone();
                out.push(Effect::Desktop(ToDesktop::ClearExitFlag { reservation, leg }));
            }
        }
        if asks && self.push == Some(false) {
            self.say_hello(now, out); // nothing else tells this page that the customer is back
        }
        let keep = self.standing().any(Call::can_stand);
        if keep != self.keeps {
            self.keeps = keep;
            out.push(Effect::Desktop(ToDesktop::KeepLegs { keep }));
        }
        if self.standing().any(|call| !call.can_stand()) {
            self.complain(Complaint::NotInPlace, out);
        }
    }
}

/// Ends the join; true when it was in progress.
fn end_join(call: &mut Call, out: &mut Vec<Effect>) -> bool {
    let was = call.join == Join::UnderWay;
    if was {
        call.join = Join::Over;
        out.push(Effect::ClearTimer { timer: Timer::Join(call.facts.reservation.clone()) });
    }
    was
}
