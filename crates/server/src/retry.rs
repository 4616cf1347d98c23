//! How Twilio's errors are handled, by error, and by what waiting costs the customer.
//!
//! | error | done? | consequence |
//! | --- | --- | --- |
//! | gone (404) | no | it is over |
//! | refused (other 4xx) | no | it failed: a retry changes nothing. Only what tidies up is retried until its deadline: a ping, a reservation or an activity may be between two states, and one that stands keeps an agent from calls |
//! | throttled (429) | no | again when its turn comes: the pace waits as long as Twilio says. A customer's line and the announcement are retried beyond their deadline |
//! | conflict (409, 412) | no | read again and repeated soon |
//! | our credentials (401) | no | again until the deadline, and operators are alerted: a token that was rotated must not cost a customer the call |
//! | 5xx, timed out, cut off, unreadable | maybe | looked up first if the action is not idempotent ([`LostReply`](rejoin_recovery::LostReply)), then again with growing pauses |
//! | not connected | no | again with growing pauses |

use rejoin_protocol::Millis;
use rejoin_recovery::Action;
use rejoin_twilio::Error;

/// How long beyond their deadline a customer's line and the announcement are retried while Twilio throttles.
pub const PATIENT: Millis = Millis::seconds(120);

/// Delay before a retry of what Twilio has refused.
const REFUSED: Millis = Millis::seconds(10);

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// Its subject is gone.
    Gone,
    /// It failed for good.
    Never,
    /// It is retried.
    Again {
        /// Delay before the first retry; each retry doubles it. Zero: it only waits for its turn.
        pause: Millis,
        /// True when it makes sense beyond its deadline, by [`PATIENT`].
        patient: bool,
        /// True when operators should know at once.
        alarm: bool,
    },
}

/// The handling of an error.
pub fn cure(action: &Action, error: &Error) -> Cure {
    let again = |pause| Cure::Again { pause, patient: false, alarm: false };
    match error {
        Error::Gone => Cure::Gone,
        Error::Refused { .. } if action.traits().tidies_up => again(REFUSED),
        Error::Refused { .. } => Cure::Never,
        Error::Throttled { .. } => {
            let patient = action.traits().rank.is_urgent();
            Cure::Again { pause: Millis(0), patient, alarm: false }
        }
        Error::Conflict => again(Millis(100)),
        // The attempt has ended before the error gets here.
        Error::Withheld => again(Millis(200)),
        Error::Unauthorized => Cure::Again { pause: Millis(1000), patient: false, alarm: true },
        Error::Unavailable { .. } | Error::Transport { .. } | Error::Unreadable { .. } => {
            // The request may still be in flight: a look-up that is too early does not find its effect.
            let may_come = error.may_have_acted() && action.traits().lost_reply.is_looked_up();
            again(if may_come { Millis(500) } else { Millis(200) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin_protocol::{ConferenceSid, RecoveryId, ReservationSid, TaskSid, WorkerSid};
    use rejoin_recovery::Announcement;

    fn announce() -> Action {
        Action::Announce { conference: ConferenceSid::numbered(1), what: Announcement::Interrupted }
    }

    fn ping() -> Action {
        Action::CreatePing {
            worker: WorkerSid::numbered(1),
            recovery: RecoveryId::of(&rejoin_protocol::CallSid::numbered(1)),
            task: TaskSid::numbered(1),
            reservation: ReservationSid::numbered(1),
            ttl: Millis::seconds(15),
        }
    }

    #[test]
    fn refused_actions_that_tidy_up_are_retried() {
        let end = Action::EndPing { task: TaskSid::numbered(1), accepted: false };
        let complete = Action::CompleteReservation {
            task: TaskSid::numbered(1),
            reservation: ReservationSid::numbered(1),
        };
        for action in [end, complete] {
            assert_eq!(cure(&action, &Error::Refused { status: 400, code: 1 }), again(10_000, false, false));
            assert_eq!(cure(&action, &Error::Gone), Cure::Gone);
        }
    }

    fn again(pause: u64, patient: bool, alarm: bool) -> Cure {
        Cure::Again { pause: Millis(pause), patient, alarm }
    }

    #[test]
    fn each_error_has_its_cure() {
        let throttled = Error::Throttled { retry_after: None };
        let cut = |may_have_acted| Error::Transport { what: "cut off", may_have_acted };
        for (error, of_announcing, of_pinging) in [
            (Error::Gone, Cure::Gone, Cure::Gone),
            (Error::Refused { status: 400, code: 1 }, Cure::Never, Cure::Never),
            (throttled, again(0, true, false), again(0, false, false)),
            (Error::Conflict, again(100, false, false), again(100, false, false)),
            (Error::Unauthorized, again(1000, false, true), again(1000, false, true)),
            (cut(true), again(200, false, false), again(500, false, false)),
            (cut(false), again(200, false, false), again(200, false, false)),
        ] {
            assert_eq!(cure(&announce(), &error), of_announcing, "{error}");
            assert_eq!(cure(&ping(), &error), of_pinging, "{error}");
        }
    }
}
