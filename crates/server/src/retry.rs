//! What is done about an error of Twilio's, as a table: by the error, and by what it costs the customer to wait.
//!
//! | error | done? | what follows |
//! | --- | --- | --- |
//! | gone (404) | no | it is over |
//! | refused (other 4xx) | no | it failed: repeating it changes nothing. What tidies up is tried until its deadline: a ping, a reservation or an activity may be in between two states, and one that stands keeps an agent from calls |
//! | throttled (429) | no | again when its turn comes: the pace waits as long as Twilio says. A customer's line and the announcement are tried beyond their deadline |
//! | conflict (409, 412) | no | read again and repeated soon |
//! | our credentials (401) | no | again and again until the deadline, and operators are told: a token that was rotated must not cost a customer his call |
//! | 5xx, timed out, cut off, unreadable | maybe | looked up first where doing it twice does harm ([`looked_up`]), then again with growing pauses |
//! | not connected | no | again with growing pauses |

use crate::pace;
use rejoin_protocol::Millis;
use rejoin_recovery::Action;
use rejoin_twilio::Error;

/// So much longer than its deadline says a customer's line is kept, or a customer told, while Twilio throttles.
pub const PATIENT: Millis = Millis::seconds(120);

/// A pause before Twilio is asked anew for what it has refused.
const REFUSED: Millis = Millis::seconds(10);

/// So long after its deadline it is still looked up what became of what may have been done.
const LOOK_AFTER: Millis = Millis::seconds(10);
/// The same for a ping, as long as one is ended that is known: it stands for good when the agent has accepted it.
const LOOK_AFTER_PING: Millis = Millis::seconds(600);

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// What it was for is gone.
    Gone,
    /// It failed for good.
    Never,
    /// The same again.
    Again {
        /// Pause before the first repetition; each one doubles it. Zero: its turn is all that it waits for.
        pause: Millis,
        /// Does it make sense beyond its deadline, by [`PATIENT`]?
        patient: bool,
        /// Should operators know at once?
        alarm: bool,
    },
}

/// What follows.
pub fn cure(action: &Action, error: &Error) -> Cure {
    let again = |pause| Cure::Again { pause, patient: false, alarm: false };
    match error {
        Error::Gone => Cure::Gone,
        Error::Refused { .. } if tidies_up(action) => again(REFUSED),
        Error::Refused { .. } => Cure::Never,
        Error::Throttled { .. } => {
            let patient = pace::rank(action).is_urgent();
            Cure::Again { pause: Millis(0), patient, alarm: false }
        }
        Error::Conflict => again(Millis(100)),
        // Its attempt ends before this is asked.
        Error::Withheld => again(Millis(200)),
        Error::Unauthorized => Cure::Again { pause: Millis(1000), patient: false, alarm: true },
        Error::Unavailable { .. } | Error::Transport { .. } | Error::Unreadable { .. } => {
            // What was asked for may still be under way: looked at too early it is not there yet.
            let may_come = error.may_have_acted() && looked_up(action);
            again(if may_come { Millis(500) } else { Millis(200) })
        }
    }
}

/// Does something stand for good when it does not work?
pub fn tidies_up(action: &Action) -> bool {
    matches!(
        action,
        Action::EndPing { .. } | Action::CompleteReservation { .. } | Action::ReturnActivity { .. }
    )
}

/// True for actions that take a customer out of a conference or a queue, or end a call. They are carried out only while the store
/// says that they are still wanted; until then the customer is kept.
pub fn needs_store(action: &Action) -> bool {
    matches!(action, Action::Requeue { .. } | Action::GiveUp { .. } | Action::EndConference { .. })
}

/// Does it do harm to do it twice? Then it is looked up whether it was done before it is repeated. An announcement is not:
/// a customer who hears it twice is better off than one who does not hear it.
pub fn looked_up(action: &Action) -> bool {
    matches!(action, Action::CreatePing { .. } | Action::Requeue { .. } | Action::MoveParticipant { .. })
}

/// So long after its deadline it is still looked up what became of an action that may have been carried out.
pub fn look_after(action: &Action) -> Millis {
    if matches!(action, Action::CreatePing { .. }) { LOOK_AFTER_PING } else { LOOK_AFTER }
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
    fn what_tidies_up_is_not_given_up_when_it_is_refused() {
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
    fn what_takes_a_customer_from_somebody_needs_the_store() {
        let customer = rejoin_protocol::CallSid::numbered(1);
        let recovery = RecoveryId::of(&customer);
        assert!(needs_store(&Action::GiveUp { recovery, customer }));
        assert!(!needs_store(&announce()) && !needs_store(&ping()));
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
