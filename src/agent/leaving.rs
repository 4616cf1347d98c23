//! Leaving a call on purpose: tell the server, let the conference end as ever, let Flex go on; in bounded time.

use crate::agent::few::Set;
use crate::agent::{Agent, Delivery, Effect, RequestId, Timer, ToDesktop};
use rejoin_protocol::api::{DeliveryId, GracefulMark, GracefulReason};
use rejoin_protocol::{Millis, ReservationSid};

#[derive(Clone, Debug)]
pub(super) struct Leaving {
    calls: Vec<ReservationSid>,
    reason: GracefulReason,
    step: Step,
}

#[derive(Clone, Debug)]
enum Step {
    /// The server is being told.
    Marking(Set<DeliveryId>),
    /// The conference is being made to end with these legs.
    Flagging(Set<ReservationSid>),
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
            if !meant || !call.is_accepted() || call.unwatched || call.leaving {
                continue;
            }
            call.leaving = true;
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
        self.leavings.insert(request, Leaving { calls, reason, step: Step::Marking(marks) });
        out.push(Effect::SetTimer { timer: Timer::Leave(request), at: now + self.config.leave_within });
    }

    /// The mark has got through, or not; leaving does not depend on it.
    pub(super) fn marked(&mut self, id: DeliveryId, out: &mut Vec<Effect>) {
        let waiting = self.leavings.iter_mut().find_map(|(request, leaving)| match &mut leaving.step {
            Step::Marking(marks) => marks.take(&id).then(|| (*request, marks.is_empty())),
            Step::Flagging(_) => None,
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

    /// All marks are dealt with: calls of two end with this worker's leg, as they would without us.
    fn flag(&mut self, request: RequestId, out: &mut Vec<Effect>) {
        let Some(leaving) = self.leavings.get_mut(&request) else { return };
        let mut flags = Set::default();
        for reservation in &leaving.calls {
            self.marks.take(reservation);
            out.push(Effect::Unstore { reservation: reservation.clone() });
            let alone = self.calls.get(reservation).is_some_and(|call| call.live() <= 2);
            if alone && ends_the_call(leaving.reason) {
                flags.add(reservation.clone());
                let release = ToDesktop::ReleaseExitFlag { reservation: reservation.clone() };
                let set = ToDesktop::SetExitFlag { reservation: reservation.clone(), value: true };
                out.extend([Effect::Desktop(release), Effect::Desktop(set)]);
            }
        }
        let ready = flags.is_empty();
        leaving.step = Step::Flagging(flags);
        if ready {
            self.let_go(request, out);
        }
    }

    /// A flag is set, or could not be set.
    pub(super) fn flag_settled(&mut self, reservation: &ReservationSid, out: &mut Vec<Effect>) {
        let waiting = self.leavings.iter_mut().find_map(|(request, leaving)| match &mut leaving.step {
            Step::Flagging(flags) => flags.take(reservation).then(|| (*request, flags.is_empty())),
            Step::Marking(_) => None,
        });
        if let Some((request, true)) = waiting {
            self.let_go(request, out);
        }
    }

    /// Time is up: what is not done by now goes on beside Flex.
    pub(super) fn leave_no_later(&mut self, request: RequestId, out: &mut Vec<Effect>) {
        if let Some(Leaving { step: Step::Marking(_), .. }) = self.leavings.get(&request) {
            self.flag(request, out);
        }
        self.let_go(request, out);
    }

    fn let_go(&mut self, request: RequestId, out: &mut Vec<Effect>) {
        if self.leavings.remove(&request).is_some() {
            out.push(Effect::ClearTimer { timer: Timer::Leave(request) });
            out.push(Effect::Desktop(ToDesktop::Let { request }));
        }
    }
}
