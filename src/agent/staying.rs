//! Leaving that did not happen: a transfer was refused, a sign-out was called off. The call is guarded again.

use crate::agent::{Agent, Effect, ReservationStatus, Timer, ToDesktop};
use rejoin_protocol::{Millis, ReservationSid};

/// How long after its announcement a leave should have happened.
const LEFT_WITHIN: Millis = Millis::seconds(15);

impl Agent {
    /// Looks later whether this call has been left.
    pub(super) fn look_whether_left(now: Millis, reservation: &ReservationSid, out: &mut Vec<Effect>) {
        let timer = Timer::Stay(reservation.clone());
        out.push(Effect::SetTimer { timer, at: now + LEFT_WITHIN });
    }

    /// It should have been left by now. A new registration takes the mark back.
    pub(super) fn look_again(&mut self, now: Millis, reservation: &ReservationSid, out: &mut Vec<Effect>) {
        let Some(call) = self.calls.get_mut(reservation) else { return };
        let is_left = match call.facts.status {
            ReservationStatus::Pending => false,
            ReservationStatus::Accepted => !call.facts.live_call,
            ReservationStatus::Wrapping | ReservationStatus::Over => true,
        };
        if is_left {
            return;
        }
        call.leaving = false;
        if std::mem::take(&mut call.written) {
            let taken_back = ToDesktop::MarkTask { reservation: reservation.clone(), mark: None };
            out.push(Effect::Desktop(taken_back));
        }
        call.registered = None;
        // It may have been made to end the conference.
        call.flagged = true;
        out.push(Effect::Desktop(ToDesktop::NeutraliseExitFlag { reservation: reservation.clone() }));
        self.register(now, reservation, out);
    }
}
