//! The cases of `docs/cases.md` by number, and how each is detected when it occurs.

use crate::plan::FaultKind;
use rejoin_protocol::api::GracefulReason;
use rejoin_recovery::cells::{Cell, state_of};
use rejoin_recovery::{Action, Call, ConferenceEventKind, Event, LeaveReason, Outcome, Recovery};

/// A case, or one of its variants.
pub(super) struct Case {
    /// Number of the case in `docs/cases.md`.
    pub(super) number: u8,
    pub(super) what: &'static str,
    pub(super) how: How,
}

/// How a case is detected.
pub(super) enum How {
    /// By an event that the machine handled.
    Handles(fn(&Handled<'_>) -> bool),
    /// By something that the world sees.
    Signs(Sign),
    /// By a fault that strikes.
    Strikes(FaultKind),
    /// Never in this simulation, and why.
    Never(&'static str),
}

/// An event that the machine handled, with the call before and after it.
pub(super) struct Handled<'a> {
    pub(super) before: Option<&'a Call>,
    pub(super) event: &'a Event,
    pub(super) after: Option<&'a Call>,
    pub(super) cell: Cell,
}

/// What the world sees and the machine does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Event Streams deliver several events at once.
    Batch,
    /// Two callbacks of one conference arrive in the same millisecond.
    AtOnce,
    /// A page's last words contain a graceful mark.
    MarkInLastWords,
    /// Twilio refuses to write a task because it has changed since it was read.
    ChangedMeanwhile,
    /// Flex says that the worker is offline.
    PutOffline,
    /// A tab waits, because another one acts.
    TabWaits,
    /// A tab that has waited acts from now on.
    TabTakesOver,
    /// A page's request has failed.
    NoAnswer,
    /// A page finds requests that the page before it kept.
    KeptOverReload,
    /// A page is gone although its agent was back and the customer was on the way to them.
    BackAndGone,
    /// The server is gone while no recovery is open.
    ServerLost,
    /// The server is gone while a recovery is open.
    ServerLostMeanwhile,
    /// A dialog says that it takes long.
    SaysSlow,
    /// A dialog says that the server cannot be reached.
    SaysUnreachable,
    /// Another plugin has written `endConferenceOnExit`.
    FlagWritten,
}

const fn handled(number: u8, what: &'static str, is_it: fn(&Handled<'_>) -> bool) -> Case {
    Case { number, what, how: How::Handles(is_it) }
}

const fn signs(number: u8, what: &'static str, sign: Sign) -> Case {
    Case { number, what, how: How::Signs(sign) }
}

const fn strikes(number: u8, what: &'static str, kind: FaultKind) -> Case {
    Case { number, what, how: How::Strikes(kind) }
}

const fn never(number: u8, what: &'static str, why: &'static str) -> Case {
    Case { number, what, how: How::Never(why) }
}

/// All cases, in the order of `docs/cases.md`.
pub(super) static CASES: &[Case] = &[
    signs(1, "a batch of several events", Sign::Batch),
    handled(2, "a callback comes twice", |it| it.sequence().is_some_and(|(known, _)| known)),
    handled(2, "a callback comes after a later one", |it| {
        it.sequence().is_some_and(|(known, old)| !known && old)
    }),
    handled(2, "Event Streams deliver an event again", |it| match it.event {
        Event::Task(event) => {
            it.before.is_some_and(|call| call.facts.received.task_events().contains(&event.id))
        }
        _ => false,
    }),
    signs(3, "two callbacks of one conference at once", Sign::AtOnce),
    handled(4, "the mark comes after the leave, in time", |it| it.is_in(&["G"]) && it.is_mark()),
    handled(4, "the mark comes too late", |it| {
        it.is_in(&["H", "B", "S", "RA", "RN", "QA", "QN"]) && it.is_mark()
    }),
    handled(4, "the mark is in the task alone", |it| it.is("the task has a graceful mark")),
    signs(4, "the mark is in the page's last words", Sign::MarkInLastWords),
    signs(5, "the task has changed since it was read", Sign::ChangedMeanwhile),
    handled(6, "the customer hangs up within the grace period", |it| it.is_in(&["G"]) && it.hangs_up()),
    handled(6, "the customer hangs up while the agent is awaited in place", |it| {
        it.is_in(&["A", "J"]) && it.hangs_up()
    }),
    handled(6, "the customer hangs up while we hold the line", |it| {
        it.is_in(&["H", "B", "S"]) && it.hangs_up()
    }),
    handled(6, "the customer hangs up on the way to the queue", |it| {
        it.is_in(&["RA", "RN"]) && it.hangs_up()
    }),
    handled(6, "the customer hangs up in the queue", |it| it.is_in(&["QA", "QN"]) && it.hangs_up()),
    handled(7, "back, and does not join in place", |it| it.is_in(&["J"]) && it.runs_out()),
    signs(7, "back, and gone again before the call is taken", Sign::BackAndGone),
    handled(7, "back, and does not take the call", |it| {
        it.is_in(&["RA", "QA"])
            && (it.runs_out()
                || it.is("the agent does not take the reconnect task")
                || it.is("the reconnect task for the agent is canceled"))
    }),
    handled(8, "lost too often for the same agent", |it| it.begins() && it.recovers(|r| r.too_often)),
    handled(9, "an activity is lent", |it| it.is("an activity is lent to the agent")),
    handled(9, "the agent is put back into their own activity", |it| {
        it.is("the agent is back in their own activity")
    }),
    signs(9, "TaskRouter has put the agent offline", Sign::PutOffline),
    handled(10, "lost while the customer is on hold", |it| it.begins() && it.held()),
    handled(10, "lost while a third party or a supervisor is there", |it| {
        it.begins() && it.recovers(|r| !r.absence.bystanders.is_empty())
    }),
    handled(10, "lost while a supervisor coaches", |it| {
        it.begins()
            && it.after.is_some_and(|call| {
                let roster = &call.facts.roster;
                roster
                    .participants
                    .keys()
                    .any(|leg| roster.is_reported_joined(leg) && roster.flags(leg).coaching)
            })
    }),
    handled(10, "lost while a colleague has the customer", |it| {
        it.is_in(&["TT", "TA"]) && it.is("the agent's leg leaves")
    }),
    handled(11, "the conference ends under the customer", |it| {
        it.after.is_some_and(|call| state_of(Some(call)) == "S") && !it.is_in(&["S"])
    }),
    handled(11, "the customer's flow asks what comes next", |it| {
        it.is("Twilio asks what comes after the conference")
    }),
    handled(12, "lost in a call that the agent has placed", |it| match it.event {
        Event::Done {
            action: Action::MarkTask { .. },
            outcome: Outcome::TaskRead { attributes, .. },
            ..
        } => attributes.contains(r#""direction":"outbound""#),
        _ => false,
    }),
    handled(13, "hang-up", |it| it.leaves(GracefulReason::HangUp)),
    handled(13, "cold transfer", |it| it.leaves(GracefulReason::ColdTransfer)),
    handled(13, "warm transfer", |it| it.is_in(&["TT"]) && it.leaves(GracefulReason::HangUp)),
    handled(13, "external transfer", |it| it.leaves(GracefulReason::HangUp) && it.stranger_stays()),
    handled(13, "kick by another agent", |it| it.is_in(&["TT"]) && it.is_removed()),
    handled(13, "end conference for all", |it| it.leaves(GracefulReason::EndConference)),
    handled(13, "sign-out", |it| it.leaves(GracefulReason::SignOut)),
    handled(13, "the task is completed", |it| it.leaves(GracefulReason::Complete)),
    handled(13, "native Join Call", |it| it.is_in(&["J"]) && it.rejoins()),
    signs(14, "a tab waits, because another one acts", Sign::TabWaits),
    signs(14, "a waiting tab takes over", Sign::TabTakesOver),
    handled(14, "a newer browser beside the one with the call", |it| {
        it.is("a newer page finds the call accepted beside an older page")
    }),
    never(
        15,
        "the agent's leg is not in this browser",
        "there are no desk phones here; the tests in a browser have one",
    ),
    signs(16, "a request fails", Sign::NoAnswer),
    signs(16, "a page finds requests of the page before it", Sign::KeptOverReload),
    strikes(17, "429", FaultKind::Throttled),
    strikes(17, "5xx, nothing done", FaultKind::Broken),
    strikes(17, "5xx, and done", FaultKind::BrokenDone),
    strikes(17, "time-out, nothing done", FaultKind::Silent),
    strikes(17, "time-out, and done", FaultKind::SilentDone),
    signs(18, "the server is gone during a recovery", Sign::ServerLostMeanwhile),
    signs(18, "the server is gone outside a recovery", Sign::ServerLost),
    strikes(18, "after a commit, before anything is done", FaultKind::DiesAfterCommit),
    strikes(18, "between an answer of Twilio's and its report", FaultKind::DiesAfterEffect),
    handled(19, "a poll finds the agent's leg gone", |it| it.is("poll: the agent's leg is gone")),
    handled(19, "a poll finds the customer gone", |it| it.is("poll: the customer is off the line")),
    handled(19, "a poll finds the reconnect task taken or over", |it| {
        it.is("poll: an agent has the reconnect task") || it.is("poll: the reconnect task is over")
    }),
    handled(19, "a leave that a page reported never arrived", |it| {
        it.is("the leave did not arrive") && it.is_in(&["M"])
    }),
    never(20, "forged or nonsense requests", "the server's own tests send them"),
    never(21, "about somebody else's conference", "all pages here are genuine; the server's own tests ask"),
    never(
        22,
        "thousands of agents at once",
        "a world has 50 at most; `npm run bench` and the server's tests have them",
    ),
    never(23, "an allow list", "the settings here have none; the server's own tests have"),
    never(
        24,
        "wasm cannot start, or the core panics",
        "the core here is no wasm; the tests in a browser stop it",
    ),
    signs(25, "a dialog says that it takes long", Sign::SaysSlow),
    signs(25, "a dialog says that the server cannot be reached", Sign::SaysUnreachable),
    signs(26, "another plugin has written the flag", Sign::FlagWritten),
    handled(26, "the flag is cleared", |it| it.is("the agent's exit flag is cleared")),
];

fn all(is_it: impl Fn(&How) -> bool) -> impl Iterator<Item = usize> {
    CASES.iter().enumerate().filter(move |(_, case)| is_it(&case.how)).map(|(number, _)| number)
}

pub(super) fn signed(sign: Sign) -> impl Iterator<Item = usize> {
    all(move |how| matches!(how, How::Signs(other) if *other == sign))
}

pub(super) fn struck(kind: FaultKind) -> impl Iterator<Item = usize> {
    all(move |how| matches!(how, How::Strikes(other) if *other == kind))
}

pub(super) fn heard(handled: &Handled<'_>) -> impl Iterator<Item = usize> {
    all(move |how| matches!(how, How::Handles(is_it) if is_it(handled)))
}

impl Handled<'_> {
    fn is(&self, row: &str) -> bool {
        self.cell.row == Some(row)
    }

    fn is_in(&self, states: &[&str]) -> bool {
        states.contains(&self.cell.state)
    }

    /// Whether a callback's sequence number was already known, and whether a later one was.
    fn sequence(&self) -> Option<(bool, bool)> {
        let Event::Conference(event) = self.event else { return None };
        let seen = &self.before?.facts.received.callbacks();
        Some((seen.contains(&event.sequence), seen.last().is_some_and(|last| *last > event.sequence)))
    }

    fn is_mark(&self) -> bool {
        matches!(self.event, Event::Graceful { .. })
    }

    fn leaves(&self, reason: GracefulReason) -> bool {
        matches!(self.event, Event::Graceful { mark, .. } if mark.reason == reason)
    }

    /// True when a request to Twilio removes an agent's leg from the conference.
    fn is_removed(&self) -> bool {
        let Event::Conference(event) = self.event else { return false };
        let ConferenceEventKind::Leave { leg, reason: LeaveReason::UpdatedViaApi } = &event.kind else {
            return false;
        };
        self.before
            .is_some_and(|call| call.facts.roster.agents.contains_key(leg) && !call.decisions.is_dead(leg))
    }

    fn runs_out(&self) -> bool {
        self.is("the agent did not join, or take the call, in time")
    }

    /// True when this event ends the recovery in place.
    fn rejoins(&self) -> bool {
        self.after.is_some_and(|call| state_of(Some(call)) == "ER")
    }

    /// True when this event ends the recovery because the customer is gone.
    fn hangs_up(&self) -> bool {
        self.after.is_some_and(|call| state_of(Some(call)) == "EL")
    }

    fn recovers(&self, is_so: fn(&Recovery) -> bool) -> bool {
        self.after.and_then(|call| call.recovery.as_ref()).is_some_and(is_so)
    }

    /// True when this event begins a recovery.
    fn begins(&self) -> bool {
        let id =
            |call: Option<&Call>| call.and_then(|call| call.recovery.as_ref()).map(|r| r.absence.id.clone());
        id(self.after).is_some() && id(self.before) != id(self.after)
    }

    /// True when the agent had put the customer on hold.
    fn held(&self) -> bool {
        let customer = |call: &Call| call.facts.roster.customer_leg().map(|customer| customer.flags().hold);
        self.before.is_some_and(|call| call.our_hold.is_none() && customer(call) == Some(true))
    }

    /// True when a bystander is there, neither an agent nor the customer.
    fn stranger_stays(&self) -> bool {
        self.before.is_some_and(|call| {
            let mut joined =
                call.facts.roster.participants.keys().filter(|leg| call.facts.roster.is_reported_joined(leg));
            joined.any(|leg| {
                !call.facts.roster.agents.contains_key(leg)
                    && call.facts.roster.customer.as_ref() != Some(leg)
            })
        })
    }
}
