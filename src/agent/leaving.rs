//! Leaving a call on purpose: the plugin tells the server, lets the conference end as usual, and lets Flex go on, in
//! bounded time. A mark that the server does not answer in half of that time is written into the task, where the
//! server reads it before it acts.

use crate::agent::few::Set;
use crate::agent::{Agent, Delivery, Effect, RequestId, ReservationStatus, Timer, ToDesktop};
use rejoin_protocol::api::{DeliveryId, GracefulMark, GracefulReason};
use rejoin_protocol::{Millis, ReservationSid};

#[derive(Clone, Debug)]
pub(super) struct Leaving {
    calls: Vec<ReservationSid>,
    reason: GracefulReason,
    /// When Flex stops waiting.
    until: Millis,
    step: Step,
}

#[derive(Clone, Debug)]
enum Step {
    /// The server is being told.
    Marking(Set<DeliveryId>),
    /// Flex sets the exit flags of some legs, and writes marks into some tasks.
    Asking { flags: Set<ReservationSid>, written: Set<ReservationSid> },
}

/// True when a call of two is over after leaving this way. Otherwise another participant stays with the customer, or
/// the action itself ends the call.
fn ends_the_call(reason: GracefulReason) -> bool {
    match reason {
        GracefulReason::HangUp | GracefulReason::SignOut => true,
        GracefulReason::ColdTransfer
        | GracefulReason::WarmTransfer
        | GracefulReason::Kick
        | GracefulReason::EndConference
        | GracefulReason::Complete => false,
    }
}

/// True if a call is over for its agent after leaving this way: nothing more of it is shown or accepted. A transfer may not have
/// happened, and then the customer comes back.
pub(super) fn is_for_good(reason: GracefulReason) -> bool {
    !matches!(reason, GracefulReason::ColdTransfer | GracefulReason::WarmTransfer)
}

impl Agent {
    pub(super) fn before_leave(
        &mut self,
        now: Millis,
        request: RequestId,
        reservation: Option<&ReservationSid>,
        reason: GracefulReason,
        out: &mut Vec<Effect>,
    ) {
        let mut calls = Vec::new();
        let mut marks = Set::default();
        let Some(me) = &self.me else {
            out.push(Effect::Desktop(ToDesktop::Let { request }));
            return;
        };
        for (sid, call) in self.calls.iter_mut() {
            // A page that does not act speaks only for the call that its agent has in it.
            let theirs = self.waits && !call.facts.live_call;
            let meant = reservation.is_none_or(|wanted| wanted == sid) && !theirs;
            // Twilio connects the call before TaskRouter reports it as accepted.
            let taken = call.is_accepted()
                || (reservation.is_some() && call.facts.status == ReservationStatus::Pending);
            // A hang-up while a transfer is in progress does not wait for the transfer.
            let said = call.leaving && !ends_the_call(reason);
            if !meant || !taken || call.unwatched || said {
                continue;
            }
            call.leaving = true;
            if is_for_good(reason) {
                self.left.add(sid.clone());
            }
            calls.push(sid.clone());
            let mark =
                GracefulMark { id: None, task: call.facts.task.clone(), reservation: sid.clone(), reason };
            marks.add(self.outbox.put(now, self.epoch, &me.worker, Delivery::Graceful(mark), out));
            Self::schedule_stay_check(now, sid, out);
        }
        if calls.is_empty() {
            out.push(Effect::Desktop(ToDesktop::Let { request }));
            return;
        }
        let until = now + self.config.leave_within;
        self.leavings.insert(request, Leaving { calls, reason, until, step: Step::Marking(marks) });
        let half = now + Millis(self.config.leave_within.0 / 2);
        out.push(Effect::SetTimer { timer: Timer::Leave(request), at: half });
    }

    /// The mark was answered, or failed; leaving does not depend on it.
    pub(super) fn marked(&mut self, id: DeliveryId, out: &mut Vec<Effect>) {
        let waiting = self.leavings.iter_mut().find_map(|(request, leaving)| match &mut leaving.step {
            Step::Marking(marks) => marks.take(&id).then(|| (*request, marks.is_empty())),
            Step::Asking { .. } => None,
        });
        if let Some((request, true)) = waiting {
            self.flag(request, out);
        }
    }

    /// The server cannot be reached: leaving no longer waits for it.
    pub(super) fn leave_unmarked(&mut self, out: &mut Vec<Effect>) {
        let marking =
            self.leavings.iter_mut().filter(|(_, leaving)| matches!(leaving.step, Step::Marking(_)));
        for request in marking.map(|(request, _)| *request).collect::<Vec<_>>() {
            self.flag(request, out);
        }
    }

    /// All marks are settled, or out of time: calls of two end with this worker's leg, as they would without the
    /// plugin.
    fn flag(&mut self, request: RequestId, out: &mut Vec<Effect>) {
        let Some(leaving) = self.leavings.get_mut(&request) else { return };
        let Step::Marking(unanswered) = &leaving.step else { return };
        let (mut flags, mut written) = (Set::default(), Set::default());
        for mark in self.outbox.marks() {
            if mark.id.is_some_and(|id| unanswered.contains(&id)) {
                let reservation = mark.reservation.clone();
                written.add(reservation.clone());
                out.push(Effect::Desktop(ToDesktop::MarkTask { reservation, mark: Some(mark) }));
            }
        }
        for reservation in &leaving.calls {
            // A transfer may still be refused: until Twilio removes the leg, the next page must find the stored mark.
            if ends_the_call(leaving.reason) {
                self.stored.take(reservation);
                out.push(Effect::Unstore { reservation: reservation.clone() });
            }
            let Some(call) = self.calls.get_mut(reservation) else { continue };
            call.written |= written.contains(reservation);
            if call.live() <= 2 && ends_the_call(leaving.reason) {
                flags.add(reservation.clone());
                let release = ToDesktop::ReleaseExitFlag { reservation: reservation.clone() };
                let set = ToDesktop::SetExitFlag { reservation: reservation.clone(), value: true };
                out.extend([Effect::Desktop(release), Effect::Desktop(set)]);
            }
        }
        out.push(Effect::SetTimer { timer: Timer::Leave(request), at: leaving.until });
        leaving.step = Step::Asking { flags, written };
        self.let_go_if_settled(request, out);
    }

    /// A flag is set, or a task written, or it has failed.
    pub(super) fn settled(&mut self, reservation: &ReservationSid, wrote: bool, out: &mut Vec<Effect>) {
        let waiting = self.leavings.iter_mut().find_map(|(request, leaving)| match &mut leaving.step {
            Step::Asking { flags, written } => {
                let asked = if wrote { written } else { flags };
                asked.take(reservation).then_some(*request)
            }
            Step::Marking(_) => None,
        });
        if let Some(request) = waiting {
            self.let_go_if_settled(request, out);
        }
    }

    fn let_go_if_settled(&mut self, request: RequestId, out: &mut Vec<Effect>) {
        if let Some(Leaving { step: Step::Asking { flags, written }, .. }) = self.leavings.get(&request)
            && flags.is_empty()
            && written.is_empty()
        {
            self.let_go(request, out);
        }
    }

    /// Half of the time is up, or all of it: whatever is not done goes on beside Flex.
    pub(super) fn leave_no_later(&mut self, request: RequestId, out: &mut Vec<Effect>) {
        match self.leavings.get(&request) {
            Some(Leaving { step: Step::Marking(_), .. }) => self.flag(request, out),
            _ => self.let_go(request, out),
        }
    }

    /// A transfer may still be refused; the call is then an ordinary one, so it stays protected until Twilio removes
    /// the leg.
    fn let_go(&mut self, request: RequestId, out: &mut Vec<Effect>) {
        let Some(leaving) = self.leavings.remove(&request) else { return };
        for reservation in leaving.calls.iter().filter(|_| !ends_the_call(leaving.reason)) {
            if let Some(call) = self.calls.get_mut(reservation) {
                call.leaving = false;
            }
        }
        out.push(Effect::ClearTimer { timer: Timer::Leave(request) });
        out.push(Effect::Desktop(ToDesktop::Let { request }));
    }
}
