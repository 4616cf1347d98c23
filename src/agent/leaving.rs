//! Leaving a call on purpose: tell the server, let the conference end as ever, let Flex go on; in bounded time. What the
//! server does not answer in half of that time is written into the task, where it reads it before it acts.

use crate::agent::few::Set;
use crate::agent::{Agent, Delivery, Effect, RequestId, ReservationStatus, Timer, ToDesktop};
use rejoin_protocol::api::{DeliveryId, GracefulMark, GracefulReason};
use rejoin_protocol::{Millis, ReservationSid};

#[derive(Clone, Debug)]
pub(super) struct Leaving {
    calls: Vec<ReservationSid>,
    reason: GracefulReason,
    /// Flex waits no longer.
    until: Millis,
    step: Step,
}

#[derive(Clone, Debug)]
enum Step {
    /// The server is being told.
    Marking(Set<DeliveryId>),
    /// Flex is making the conference end with the legs of some, and writing into the tasks of some that they are left.
    Asking { flags: Set<ReservationSid>, written: Set<ReservationSid> },
}

/// Ways to leave after which a call of two is over. The others leave the customer with somebody, or end it themselves.
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
            // A page that does not act speaks for nothing but the call that its agent has in it.
            let theirs = self.waits && !call.facts.live_call;
            let meant = reservation.is_none_or(|wanted| wanted == sid) && !theirs;
            // Twilio connects the call before TaskRouter says that it is accepted.
            let taken = call.is_accepted()
                || (reservation.is_some() && call.facts.status == ReservationStatus::Pending);
            // Who hangs up while a transfer is on its way does not wait for it.
            let said = call.leaving && !ends_the_call(reason);
            if !meant || !taken || call.unwatched || said {
                continue;
            }
            call.leaving = true;
            self.left.add(sid.clone());
            calls.push(sid.clone());
            let mark =
                GracefulMark { id: None, task: call.facts.task.clone(), reservation: sid.clone(), reason };
            marks.add(self.outbox.put(now, self.epoch, &me.worker, Delivery::Graceful(mark), out));
            Self::look_whether_left(now, sid, out);
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

    /// The mark has got through, or not; leaving does not depend on it.
    pub(super) fn marked(&mut self, id: DeliveryId, out: &mut Vec<Effect>) {
        let waiting = self.leavings.iter_mut().find_map(|(request, leaving)| match &mut leaving.step {
            Step::Marking(marks) => marks.take(&id).then(|| (*request, marks.is_empty())),
            Step::Asking { .. } => None,
        });
        if let Some((request, true)) = waiting {
            self.flag(request, out);
        }
    }

    /// The server cannot be reached: nobody waits for it.
    pub(super) fn leave_unmarked(&mut self, out: &mut Vec<Effect>) {
        let marking =
            self.leavings.iter_mut().filter(|(_, leaving)| matches!(leaving.step, Step::Marking(_)));
        for request in marking.map(|(request, _)| *request).collect::<Vec<_>>() {
            self.flag(request, out);
        }
    }

    /// All marks are dealt with, or have had their time: calls of two end with this worker's leg, as they would without us.
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
            // A transfer may yet be refused: until Twilio takes the call away, the next page has something to look for.
            if ends_the_call(leaving.reason) {
                self.marks.take(reservation);
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

    /// A flag is set, or a task written, or it could not be.
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

    /// Half of the time is up, or all of it: what is not done by then goes on beside Flex.
    pub(super) fn leave_no_later(&mut self, request: RequestId, out: &mut Vec<Effect>) {
        match self.leavings.get(&request) {
            Some(Leaving { step: Step::Marking(_), .. }) => self.flag(request, out),
            _ => self.let_go(request, out),
        }
    }

    /// A transfer may yet be refused, and then this is a call like any other: until Twilio takes it away it is guarded.
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
