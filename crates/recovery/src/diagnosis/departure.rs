//! The kind of a departure, when an agent's leg is gone: a decision table, read from top to bottom. The first row that holds
//! decides. `docs/departures.md` is drawn from it.

use super::Diagnosis;
use crate::LeaveReason;
use crate::absence::{Absence, Absent, Ending, Phase, Recovery};
use crate::facts::{Agent, Participant, Report};
use rejoin_protocol::{CallSid, Millis};

/// A kind of departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// An absence by this leg has ended: the report is late.
    Late,
    /// The facts do not decide yet.
    Undecided(Lacks),
    /// The awaited agent was back by this leg and has left on purpose.
    BackAndLeft,
    /// The conference has ended under the customer because an agent was lost.
    EndedConference,
    /// The call is over for the customer, too.
    CallOver,
    /// The agent's page was known to be gone, and their leg has followed.
    Absent,
    /// The agent has said that they leave.
    Graceful,
    /// Another participant or a program has moved or removed the leg.
    Moved,
    /// Another agent has the customer.
    Covered,
    /// The customer is being recovered for another agent.
    Attended,
    /// The leg was proved dead, and is being removed.
    ProvedDead,
    /// The agent is lost, unless a mark comes within the grace period.
    Lost,
}

/// The fact that is missing for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacks {
    /// The customer's leg. Twilio is asked for it.
    Customer,
    /// The callback or the poll that shows the claimed customer's leg.
    CustomerShown,
    /// The end of the customer's conference, which Twilio reports at the same time.
    ConferenceEnd,
    /// The customer's join.
    CustomerJoined,
    /// How this leg, which we removed, left the conference that has ended.
    LegsLeave,
}

impl Departure {
    /// The name that documents use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Undecided(_) => "undecided",
            Self::BackAndLeft => "back and left",
            Self::EndedConference => "ended the conference",
            Self::CallOver => "call over",
            Self::Absent => "absent",
            Self::Graceful => "graceful",
            Self::Moved => "moved",
            Self::Covered => "covered",
            Self::Attended => "attended",
            Self::ProvedDead => "proved dead",
            Self::Lost => "lost",
        }
    }

    /// What the machine does, for documents.
    pub fn follows(self) -> &'static str {
        match self {
            Self::Late | Self::CallOver => "nothing",
            Self::Undecided(Lacks::Customer) => "look the call up, decide later",
            Self::Undecided(Lacks::CustomerShown) => "wait for the poll that shows the customer",
            Self::Undecided(Lacks::ConferenceEnd) => "wait for the callback about the customer",
            Self::Undecided(Lacks::CustomerJoined) => "wait until the customer was seen",
            Self::Undecided(Lacks::LegsLeave) => "wait for the callback or the poll about the leg",
            Self::BackAndLeft => "end the recovery; end the conference if the customer stays alone",
            Self::EndedConference => {
                "recover the customer as stranded; withdraw the mark, since the transfer was refused"
            }
            Self::Absent => "recover the customer if nobody else has them; else end the absence",
            Self::Graceful => "end the conference if the customer stays alone; see the second table",
            Self::Moved => "nothing, unless the second table says otherwise",
            Self::Covered => "end the holds that the agent left behind",
            Self::Attended => "leave the customer to the recovery that is going on",
            Self::ProvedDead => "recover the customer at once: no mark can come",
            Self::Lost => "recover the customer after the grace period",
        }
    }
}

/// An agent's leg that is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Departed<'a> {
    of: Diagnosis<'a>,
    leg: &'a CallSid,
    agent: &'a Agent,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The condition, as a sentence.
    pub when: &'static str,
    /// The kind of departure.
    pub departure: Departure,
    /// What taught the row: a case of `docs/cases.md`, or a story of `crates/world/tests/stories`.
    pub taught_by: &'static str,
    holds: fn(Departed<'_>) -> bool,
}

/// The table.
pub const DEPARTURES: &[Row] = &[
    Row {
        when: "An absence by this leg has ended, the conference did not end with the leg, and Twilio has not shown the leg since.",
        departure: Departure::Late,
        taught_by: "case 2",
        holds: |it| !it.ended_conference_after_all() && it.is_recovered_and_over(),
    },
    Row {
        when: "The customer is not known, and the conference goes on.",
        departure: Departure::Undecided(Lacks::Customer),
        taught_by: "story server-first-hears-of-a-call-by-its-leave",
        holds: |it| it.of.roster.customer.is_none() && !it.of.roster.ended,
    },
    Row {
        when: "The customer is not known, the conference has ended, and a leg is named as the customer's.",
        departure: Departure::Undecided(Lacks::CustomerShown),
        taught_by: "case 20",
        holds: |it| !it.of.roster.customer_claims.is_empty(),
    },
    Row {
        when: "During a recovery the lost agent came back by this leg, unreported, and then hung up on purpose or transferred the \
               customer.",
        departure: Departure::BackAndLeft,
        taught_by: "story back-by-an-unreported-leg-and-hangs-up",
        holds: |it| it.was_back_and_left(),
    },
    Row {
        when: "The conference ended under the agent, and the customer is still reported as joined.",
        departure: Departure::Undecided(Lacks::ConferenceEnd),
        taught_by: "case 2",
        holds: |it| it.left() == Some(LeaveReason::ModeratorEnded) && it.is_customer_reported_joined(),
    },
    Row {
        when: "The conference ended under the customer when this leg hung up, with no mark, or with the mark of a transfer \
               that was refused. No recovery is going on.",
        departure: Departure::EndedConference,
        taught_by: "story server-down-and-the-old-leg-ends-the-conference",
        holds: |it| !it.of.has_open_recovery() && it.of.ended_by_loss(it.leg),
    },
    Row {
        when: "The conference ended under agent and customer with the leg of an unidentified participant. No recovery is \
               going on.",
        departure: Departure::EndedConference,
        taught_by: "story colleague-crashes-before-registering",
        holds: |it| !it.of.has_open_recovery() && it.of.ended_by_unidentified(it.leg),
    },
    Row {
        when: "The conference ended under agent and customer with another leg, which we removed and which still had its exit flag. No \
               recovery is going on.",
        departure: Departure::EndedConference,
        taught_by: "story another-plugin-sets-the-flag-of-a-removed-agent",
        holds: |it| !it.of.has_open_recovery() && it.of.ended_by_removal(it.leg),
    },
    Row {
        when: "The conference ended under the customer with this leg, which we removed after the mark of a transfer that was \
               refused. No recovery is going on.",
        departure: Departure::EndedConference,
        taught_by: "story a-transfer-without-a-network-and-the-removed-leg-ends-the-conference",
        holds: |it| !it.of.has_open_recovery() && it.of.ended_while_handed_over(it.leg),
    },
    Row {
        when: "The conference has ended under the customer, and no report says yet how this leg, which we removed, left it. No \
               recovery was begun.",
        departure: Departure::Undecided(Lacks::LegsLeave),
        taught_by: "story a-removed-leg-ends-the-conference-while-twilio-refuses-everything",
        holds: |it| {
            it.left().is_none() && it.of.roster.is_stranded() && it.of.may_have_ended_with_removal_of(it.leg)
        },
    },
    Row {
        when: "The conference has ended otherwise, or the customer has left it.",
        departure: Departure::CallOver,
        taught_by: "case 6",
        holds: |it| it.is_call_over(),
    },
    Row {
        when: "The customer is known, and was not seen in the conference yet.",
        departure: Departure::Undecided(Lacks::CustomerJoined),
        taught_by: "case 2",
        holds: |it| !it.of.roster.is_customer_joined(),
    },
    Row {
        when: "The agent's page was gone before the leg: they are away, with or without a colleague on the call.",
        departure: Departure::Absent,
        taught_by: "case 7",
        holds: |it| it.of.is_absent(it.leg),
    },
    Row {
        when: "The agent has said that they leave.",
        departure: Departure::Graceful,
        taught_by: "case 13",
        holds: |it| it.of.marks.is_given(&it.agent.reservation),
    },
    Row {
        when: "The leg was moved or removed, or the conference was ended, through Twilio's API, and not by us.",
        departure: Departure::Moved,
        taught_by: "case 13",
        holds: |it| !it.of.decisions.is_dead(it.leg) && it.was_moved(),
    },
    Row {
        when: "Another agent is on the call.",
        departure: Departure::Covered,
        taught_by: "case 10",
        holds: |it| it.of.is_covered(it.leg) && !it.of.has_open_recovery(),
    },
    Row {
        when: "A recovery is going on for another agent.",
        departure: Departure::Attended,
        taught_by: "case 10",
        holds: |it| it.of.has_open_recovery(),
    },
    Row {
        when: "The leg was proved dead: a newer page of the agent has no call for it and cannot join in place.",
        departure: Departure::ProvedDead,
        taught_by: "case 19",
        holds: |it| it.of.decisions.is_dead(it.leg),
    },
    Row { when: "None of these.", departure: Departure::Lost, taught_by: "case 4", holds: |_| true },
];

/// A row of the second table: an agent whom the customer misses because another one left.
#[derive(Clone, Copy, Debug)]
pub struct MissedRow {
    /// The condition, as a sentence.
    pub when: &'static str,
    /// What taught the row, as in [`Row`].
    pub taught_by: &'static str,
    /// True if the missed agent's leg is proved dead, so that no mark can come for it.
    pub is_dead: bool,
    finds: for<'a> fn(Diagnosis<'a>, &CallSid) -> Option<CallSid>,
}

/// The second table: asked when an agent's departure was graceful, or a move.
pub const MISSED: &[MissedRow] = &[
    MissedRow {
        when: "Two agents removed each other in the same instant: the one who was removed last is missed.",
        taught_by: "story two-agents-remove-each-other",
        is_dead: false,
        finds: |it, leg| it.removed_by_each_other(leg),
    },
    MissedRow {
        when: "Another agent was lost after this one had left; or that agent counted as covered by this one, who had already given \
               their mark.",
        taught_by: "story colleague-hangs-up-unreported-and-the-mark-is-late",
        is_dead: false,
        finds: |it, leg| it.lost_after(leg),
    },
    MissedRow {
        when: "Only a dead leg is left with the customer, whose agent had counted as covered.",
        taught_by: "story a-colleague-leaves-a-dead-leg-behind",
        is_dead: true,
        finds: |it, leg| it.left_to_dead_leg(leg),
    },
];

impl Departed<'_> {
    fn left(self) -> Option<LeaveReason> {
        self.of.roster.left(self.leg)
    }

    fn is_call_over(self) -> bool {
        self.of.roster.ended || self.of.roster.customer_left().is_some()
    }

    fn is_customer_reported_joined(self) -> bool {
        self.of.roster.customer.as_ref().is_some_and(|customer| self.of.roster.is_reported_joined(customer))
    }

    fn was_moved(self) -> bool {
        matches!(
            self.left(),
            Some(
                LeaveReason::UpdatedViaApi | LeaveReason::ConferenceEndedViaApi | LeaveReason::ModeratorEnded
            )
        )
    }

    /// True if the conference ended with a leg whose departure was taken for a hand-over, or for covered, or whose recovery ended
    /// because the customer seemed to have left.
    fn ended_conference_after_all(self) -> bool {
        self.of.ended_while_handed_over(self.leg)
            || self.of.ended_while_covered(self.leg)
            || self.seemed_left_by_customer()
    }

    /// True if the recovery of this leg ended because the customer seemed to have left, and the conference has ended under them.
    fn seemed_left_by_customer(self) -> bool {
        self.of.roster.customer_left() == Some(LeaveReason::ModeratorEnded)
            && self.of.absences_of(self.leg).any(|it| it.ending() == Some(&Ending::CustomerLeft))
    }

    fn is_recovered_and_over(self) -> bool {
        self.of.absences_of(self.leg).any(|it| !it.is_open()) && !self.stood_after_all()
    }

    /// True if the recovery of this leg ended because Twilio showed the leg: no callback had reported that it left.
    fn stood_after_all(self) -> bool {
        let ending = Ending::Rejoined { into: None };
        !self.of.decisions.is_settled(self.leg)
            && self.of.absences_of(self.leg).any(|it| it.ending() == Some(&ending))
    }

    /// True if the awaited agent was back on the call by this leg, which was reported late, and left on purpose. False
    /// once a request of ours may have sent the customer to the queue: then the recovery goes on.
    fn was_back_and_left(self) -> bool {
        let Some(recovery) = self.of.recovery else { return false };
        let is_moved = self.of.roster.customer_left() == Some(LeaveReason::UpdatedViaApi);
        !self.of.may_be_sent(recovery)
            && !is_moved
            && self.is_next_leg(&recovery.absence)
            && (self.has_hung_up_on_purpose() || self.was_transferred())
    }

    fn has_hung_up_on_purpose(self) -> bool {
        self.of.marks.is_given(&self.agent.reservation)
            && self.left() == Some(LeaveReason::HungUp)
            && !self.of.ended_while_handed_over(self.leg)
    }

    /// True if Twilio has taken the leg away for the transfer that its agent has marked.
    fn was_transferred(self) -> bool {
        self.of.marks.is_transfer(&self.agent.reservation) && self.of.was_removed_unmissed(self.leg)
    }

    /// True if a newer page of the absent agent has this leg.
    fn is_next_leg(self, absence: &Absence) -> bool {
        absence.lost_leg != *self.leg
            && absence.agent.worker == self.agent.worker
            && self.agent.epoch > absence.agent.epoch
            && !self.agent.left_behind
            && !self.of.decisions.is_dead(self.leg)
    }
}

impl<'a> Diagnosis<'a> {
    /// True once a request of ours may have sent the customer to the queue.
    fn may_be_sent(self, recovery: &Recovery) -> bool {
        match &recovery.phase {
            Phase::Requeueing(trip) => trip.resent > 0 || self.has_left_for_queue(recovery),
            phase => !phase.is_before_requeue(),
        }
    }

    /// True if Twilio has reported that the customer of this recovery is in the queue, or has carried out the last request that
    /// sends them there.
    pub(crate) fn has_left_for_queue(self, recovery: &Recovery) -> bool {
        self.has_freed_reservation(recovery) || self.requests.was_sent(&recovery.absence.id)
    }

    /// True once the customer of this recovery was in the queue, as Twilio has reported: the lost agent's reservation was
    /// completed for it.
    pub(crate) fn has_freed_reservation(self, recovery: &Recovery) -> bool {
        self.requests.has_requested_completion(&recovery.absence.agent.reservation)
    }

    /// Agents' legs that are gone and not accounted for. A settled leg is classified again if the conference turns out to
    /// have ended with it, or if nobody is left but a dead leg.
    pub(crate) fn departed(self) -> Vec<CallSid> {
        let is_gone = |leg: &CallSid| self.decisions.is_dead(leg) || self.roster.left(leg).is_some();
        let is_open = |leg: &CallSid| {
            !self.decisions.is_settled(leg)
                || self.ended_while_handed_over(leg)
                || self.ended_while_covered(leg)
                || self.has_left_to_dead_leg(leg)
                || (self.recovery.is_none()
                    && (self.ended_by_removal(leg) || self.ended_by_unidentified(leg)))
        };
        self.roster.agents.keys().filter(|leg| is_gone(leg) && is_open(leg)).cloned().collect()
    }

    /// The agent whom the customer misses because the agent of this leg left.
    pub(crate) fn missed_after(self, leg: &CallSid) -> Option<(CallSid, &'static MissedRow)> {
        MISSED.iter().find_map(|row| Some(((row.finds)(self, leg)?, row)))
    }

    /// The kind of the departure of this agent's leg.
    pub(crate) fn classify(self, leg: &'a CallSid) -> Option<&'static Row> {
        let departed = Departed { of: self, leg, agent: self.roster.agent(leg)? };
        DEPARTURES.iter().find(|row| (row.holds)(departed))
    }

    /// The leg that was removed last, if two agents removed each other in the same instant: each meant to keep the customer,
    /// who has no agent now.
    fn removed_by_each_other(self, leg: &CallSid) -> Option<CallSid> {
        let removed =
            self.roster.agents.iter().filter(|(leg, agent)| self.was_removed_by_another(leg, agent));
        let (_, this) = removed.clone().find(|(other, _)| *other == leg)?;
        let is_other = |(other, agent): &(&CallSid, &Agent)| {
            agent.worker != this.worker && self.is_reported_next_to(other, leg)
        };
        let (other, _) = removed.clone().find(is_other)?;
        let is_kept = self.agent_on_call().is_some() || self.has_open_recovery() || self.has_absence();
        let last = if self.roster.is_reported_after(other, leg) { other } else { leg };
        (!is_kept).then(|| last.clone())
    }

    /// True if Twilio's API removed this leg, which was neither ours to remove nor missed.
    pub(crate) fn was_removed_unmissed(self, leg: &CallSid) -> bool {
        let is_removed = self.roster.left(leg) == Some(LeaveReason::UpdatedViaApi);
        is_removed && !self.decisions.is_dead(leg) && !self.was_absent(leg)
    }

    /// True if Twilio's API removed this leg, which was neither ours to remove nor missed, and its agent had given no mark.
    fn was_removed_by_another(self, leg: &CallSid, agent: &Agent) -> bool {
        self.was_removed_unmissed(leg) && !self.marks.is_given(&agent.reservation)
    }

    /// True if the last callbacks about the two legs followed one another.
    fn is_reported_next_to(self, leg: &CallSid, other: &CallSid) -> bool {
        let sequence = |leg: &CallSid| self.roster.report(leg).sequence();
        sequence(leg).zip(sequence(other)).is_some_and(|(a, b)| a.abs_diff(b) == 1)
    }

    /// The leg of an agent who was lost after this leg's agent had left, or who seemed to be covered by this leg's agent,
    /// whose mark was older.
    pub(crate) fn lost_after(self, leg: &CallSid) -> Option<CallSid> {
        if self.is_covered(leg) || self.has_open_recovery() {
            return None;
        }
        let lost = |(other, agent): &(&CallSid, &Agent)| {
            !agent.left_behind
                && !self.marks.is_given(&agent.reservation)
                && !self.is_missed_otherwise(leg, other)
                && self.was_lost_later(leg, other)
        };
        let report = |leg: &CallSid| self.roster.leg(leg).map(Participant::report);
        let last = self.roster.agents.iter().filter(lost).max_by_key(|(other, _)| report(other))?;
        Some(last.0.clone())
    }

    /// When the agent of this leg said that they leave (point in time).
    fn said_to_leave_at(self, leg: &CallSid) -> Option<Millis> {
        self.roster.agent(leg).and_then(|agent| self.marks.said_at(&agent.reservation))
    }

    /// True if the absence of the other leg's agent has ended as covered, after this leg's agent had said that they leave, or when
    /// they did not count as missed because a recovery was open.
    fn seemed_covered_by(self, leg: &CallSid, absent: Absent<'_>) -> bool {
        let said = self.said_to_leave_at(leg);
        let is_attended = self.decisions.covered_at(&absent.absence().lost_leg).is_some();
        absent.ending() == Some(&Ending::Covered)
            && (is_attended || said.is_some_and(|at| at < absent.absence().lost_at))
    }

    /// True if the agent of the other leg is, or was, absent, and did not only seem to be covered by this leg's agent.
    fn is_missed_otherwise(self, leg: &CallSid, other: &CallSid) -> bool {
        self.absences_of(other).any(|it| !self.seemed_covered_by(leg, it))
    }

    /// True if the other leg was gone after this leg, or if what is known does not say otherwise.
    fn was_lost_later(self, leg: &CallSid, other: &CallSid) -> bool {
        let is_covered_since = self.was_covered_since_mark(leg, other);
        let has_hung_up = self.roster.left(other) == Some(LeaveReason::HungUp);
        // A dead leg had no agent any more when its removal began.
        (has_hung_up && (is_covered_since || self.was_gone_after(leg, other)))
            || (self.decisions.is_dead(other) && is_covered_since)
    }

    /// True if the other leg's last report is later than this leg's. The order of departures that polls found is not known:
    /// then the absence of the other leg's agent, who seemed to be covered, came later.
    fn was_gone_after(self, leg: &CallSid, other: &CallSid) -> bool {
        let is_unreported = self.roster.report(leg) == Report::None;
        self.roster.is_reported_after(other, leg) || (is_unreported && self.was_absent(other))
    }

    /// True if the other leg's agent counted as covered after this leg's agent had said that they leave, while no callback
    /// reported that this leg hung up.
    fn was_covered_since_mark(self, leg: &CallSid, other: &CallSid) -> bool {
        let is_unreported = self.roster.left(leg).is_some() && !self.roster.is_hang_up_reported(leg);
        let said = self.said_to_leave_at(leg).filter(|_| is_unreported);
        said.zip(self.decisions.covered_at(other)).is_some_and(|(said, at)| said <= at)
    }

    /// The dead leg, if a graceful departure leaves the customer with nothing else. Its agent had counted as covered.
    fn left_to_dead_leg(self, leg: &CallSid) -> Option<CallSid> {
        let is_somebody_here = self.roster.agents.iter().any(|(leg, agent)| self.is_on_call(leg, agent));
        if self.has_open_recovery() || is_somebody_here || self.others().next().is_some() {
            return None;
        }
        // Our own removal of the leg may be reported first.
        let stood = |dead: &CallSid| {
            let is_removed = self.roster.left(dead) == Some(LeaveReason::UpdatedViaApi);
            self.roster.is_joined(dead) || (is_removed && self.roster.is_reported_after(dead, leg))
        };
        let left = self.roster.agents.iter().filter(|(dead, agent)| {
            self.decisions.is_dead(dead) && stood(dead) && !self.marks.is_given(&agent.reservation)
        });
        let covered = left.filter_map(|(dead, _)| Some((self.counted_as_covered_at(dead)?, dead)));
        covered.max_by_key(|(at, _)| *at).map(|(_, dead)| dead.clone())
    }

    /// True if the agent of this leg has left on purpose, and nothing but a dead leg is left with the customer by now: the last
    /// third party is gone, too.
    fn has_left_to_dead_leg(self, leg: &CallSid) -> bool {
        let is_given = |agent: &Agent| self.marks.is_given(&agent.reservation);
        self.roster.agent(leg).is_some_and(is_given)
            && self.roster.is_customer_joined()
            && self.left_to_dead_leg(leg).is_some()
    }

    /// When the agent of this leg counted as covered (point in time): their absence ended so, or began when the leg was proved
    /// dead.
    fn counted_as_covered_at(self, leg: &CallSid) -> Option<Millis> {
        let covered = self.absences_of(leg).filter(|it| it.ending() == Some(&Ending::Covered));
        covered.map(|it| it.absence().lost_at).chain(self.decisions.covered_at(leg)).max()
    }
}
