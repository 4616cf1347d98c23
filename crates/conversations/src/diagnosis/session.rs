//! Session inactivity: a customer and an agent who are both there, and say nothing. Off unless times are set.

use super::{Attendance, Diagnosis};
use crate::facts::Facts;
use rejoin_protocol::Millis;
use serde::{Deserialize, Serialize};

/// A step of session inactivity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The first alert.
    Alert,
    /// The second alert.
    SecondAlert,
    /// The end.
    Close,
    /// The alert of an asynchronous conversation.
    AsyncAlert,
    /// The end of an asynchronous conversation.
    AsyncClose,
}

/// How long a conversation has been silent, and what that leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// Since when (point in time): the last message or join or leave of a customer or an agent, or the end of an absence.
    pub(crate) idle_since: Millis,
    /// The steps that count now, in their order, each with the length of silence that it comes after: those of a conversation with
    /// both sides, and those of an asynchronous one.
    pub(crate) steps: [Vec<(Step, Millis)>; 2],
}

impl Diagnosis<'_> {
    /// Session inactivity. It is paused while the conversation is unattended, and begins anew when that is over.
    pub(crate) fn session(self, absent_until: Option<Millis>) -> Session {
        let idle_since = idle_since(self.facts, absent_until).unwrap_or(self.now);
        let policy = self.policy;
        let both = [
            (Step::Alert, policy.alert),
            (Step::SecondAlert, policy.second_alert),
            (Step::Close, policy.close),
        ];
        let asynchronous = [(Step::AsyncAlert, policy.async_alert), (Step::AsyncClose, policy.async_close)];
        let attendance = self.attendance();
        let both = both.into_iter().filter(|_| self.has_both_sides(attendance));
        // Any message makes an inactive conversation active, and Flex makes no task then for what the customer writes next.
        let may_alert = attendance != Attendance::Left;
        let asynchronous = asynchronous
            .into_iter()
            .filter(|(step, _)| self.is_going_on(attendance) && (may_alert || *step != Step::AsyncAlert));
        Session { idle_since, steps: [in_order(both), in_order(asynchronous)] }
    }

    fn has_both_sides(self, attendance: Attendance) -> bool {
        matches!(attendance, Attendance::Attended | Attendance::Unjudged)
            && self.facts.roster().has_customer()
    }

    fn is_going_on(self, attendance: Attendance) -> bool {
        match attendance {
            Attendance::Left
            | Attendance::Parked
            | Attendance::Waiting
            | Attendance::Unjudged
            | Attendance::Attended => self.absence.is_none(),
            Attendance::Foreign
            | Attendance::Closed
            | Attendance::Undecided
            | Attendance::Paused
            | Attendance::Graceful
            | Attendance::Awaited
            | Attendance::Unattended
            | Attendance::Unrouted
            | Attendance::Woken => false,
        }
    }
}

/// Since when a conversation is silent (point in time), whose last absence ended then; `None` if nothing is known of it.
pub(crate) fn idle_since(facts: &Facts, absent_until: Option<Millis>) -> Option<Millis> {
    let events =
        [facts.messages().last_at(), facts.roster().last_change_at(), absent_until, facts.began_at()];
    events.into_iter().flatten().max()
}

/// The steps that are switched on.
fn in_order(steps: impl Iterator<Item = (Step, Millis)>) -> Vec<(Step, Millis)> {
    let mut steps: Vec<_> = steps.filter(|(_, after)| *after > Millis(0)).collect();
    steps.sort_by_key(|(step, after)| (*after, *step));
    steps
}
