//! Departures that did not happen: a transfer was refused, a sign-out was cancelled. The call is protected again.

use crate::agent::{Agent, Effect, ReservationStatus, Timer, ToDesktop};
use rejoin_protocol::{Millis, ReservationSid};

/// How long after its announcement a departure should have happened.
const LEFT_WITHIN: Millis = Millis::seconds(15);

impl Agent {
    /// Schedules a check whether this call has been left.
    pub(super) fn schedule_stay_check(now: Millis, reservation: &ReservationSid, out: &mut Vec<Effect>) {
        let timer = Timer::Stay(reservation.clone());
        out.push(Effect::SetTimer { timer, at: now + LEFT_WITHIN });
    }

    /// The call should have been left by now. A new registration takes the mark back.
    pub(super) fn resume_if_stayed(
        &mut self,
        now: Millis,
        reservation: &ReservationSid,
        out: &mut Vec<Effect>,
    ) {
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
        // The conference may have been set to end with this leg.
        call.flagged = true;
        out.push(Effect::Desktop(ToDesktop::NeutraliseExitFlag { reservation: reservation.clone() }));
        self.register(now, reservation, out);
    }
}
