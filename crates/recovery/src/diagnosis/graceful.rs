//! Departures on purpose: hang-ups, and transfers until it is known whether they were taken.

use super::Diagnosis;
use crate::facts::{Agent, Participant, is_transfer};
use rejoin_protocol::api::GracefulReason;
use rejoin_protocol::{CallSid, Millis, ReservationSid};

/// How long before a hang-up Flex sets the exit flag, at most: it waits for Twilio's answer in between, and the callbacks about both
/// come on ways of their own.
const FLAG_BEFORE_HANG_UP: Millis = Millis::seconds(5);

impl<'a> Diagnosis<'a> {
    /// True if the customer was left alone on purpose. A transfer leaves the customer alone for a while, and does not
    /// count.
    pub(crate) fn is_left_alone_on_purpose(self) -> bool {
        self.left_alone_by().is_some_and(|reason| !is_transfer(reason)) && !self.is_mark_unconfirmed()
    }

    /// True if the customer was left alone on purpose as far as only the task's attributes say.
    pub(crate) fn is_left_alone_unconfirmed(self) -> bool {
        self.left_alone_by().is_some_and(|reason| !is_transfer(reason)) && self.is_mark_unconfirmed()
    }

    /// True while nothing but a poll says what becomes of the customer: after a hand-over, or a mark that only the task carries.
    pub(crate) fn is_decided_by_polls(self) -> bool {
        self.is_in_transfer() || self.is_left_alone_unconfirmed()
    }

    /// True if only the task's attributes carry the mark of the agent who left last. Somebody set the exit flag of a leg just
    /// before it hung up: Flex does that when its agent hangs up, and the conference goes on only because the server cleared the
    /// flag without knowing of the mark. That confirms the mark.
    pub(crate) fn is_mark_unconfirmed(self) -> bool {
        self.roster.last_to_leave().is_some_and(|(leg, agent)| {
            let was_to_end =
                self.roster.leg(leg).is_some_and(|it| it.hung_up_with_exit_flag(FLAG_BEFORE_HANG_UP));
            self.marks.is_only_in_task(&agent.reservation) && !was_to_end
        })
    }

    /// True if a transfer has left the customer alone, except for participants who only listen. From the mark on: Twilio may refuse
    /// the transfer.
    pub(crate) fn is_in_transfer(self) -> bool {
        let talks = |(leg, there): (&CallSid, &Participant)| {
            self.roster.is_joined(leg)
                && !self.roster.is_customer(leg)
                && !there.flags().muted
                && !there.flags().coaching
        };
        !self.roster.participants.iter().any(talks) && self.left_by().is_some_and(is_transfer)
    }

    /// The agent whose mark is later than this point in time, and who was with the customer. `None` once the customer has a
    /// recovery: then the mark may only be late.
    pub(crate) fn left_since(self, since: Millis) -> Option<&'a Agent> {
        let left = |agent: &&Agent| self.marks.said_at(&agent.reservation).is_some_and(|at| at > since);
        self.roster.agents.values().find(left).filter(|_| self.recovery.is_none())
    }

    /// The reason of the mark that has left the customer alone.
    pub(crate) fn left_alone_by(self) -> Option<GracefulReason> {
        let alone = self.roster.joined().count() == 1;
        self.left_by().filter(|_| alone)
    }

    /// The reason of the mark by which the customer, who is in the conference, has lost their last agent. `None` while
    /// the customer is being recovered.
    pub(crate) fn left_by(self) -> Option<GracefulReason> {
        let reason = self.left_by_unregistered().or_else(|| match self.roster.last_to_leave() {
            Some((leg, agent)) => self
                .marks
                .reason(&agent.reservation)
                .or_else(|| self.was_taken_away(leg).then_some(GracefulReason::ColdTransfer)),
            None => self.marks.iter().next().map(|(_, mark)| mark.reason()),
        });
        reason.filter(|_| self.roster.is_customer_joined() && !self.has_open_recovery())
    }

    /// True if Twilio's API took this leg out of the conference, and an unidentified participant joined after it and has
    /// hung up. The customer was handed over, and this agent's mark did not arrive.
    pub(crate) fn was_taken_away(self, leg: &CallSid) -> bool {
        let is_next = |next: CallSid| {
            self.roster.is_hang_up_reported(&next) && self.roster.is_reported_after(&next, leg)
        };
        self.was_removed_unmissed(leg) && self.unidentified_leg().is_some_and(is_next)
    }

    /// The mark of an agent whose page had no time to register: an unidentified participant was on the call after all
    /// known agents and has left, and one reservation without a leg has a mark.
    pub(crate) fn left_by_unregistered(self) -> Option<GracefulReason> {
        let leg = self.unidentified_leg().filter(|leg| self.roster.flags(leg).can_talk())?;
        let last = self.roster.last_to_leave();
        if last.is_some_and(|(last, _)| self.roster.is_reported_after(last, &leg)) {
            return None;
        }
        // An agent whose mark is older than the last agent's had also left before that agent.
        let said = |of: &ReservationSid| self.marks.said_at(of);
        let before = last.and_then(|(_, agent)| said(&agent.reservation));
        let registered = |of: &ReservationSid| self.roster.agent_of(of).is_some();
        let mut unregistered = self.marks.iter().filter(|(of, _)| !registered(of) && said(of) >= before);
        unregistered.next().map(|(_, mark)| mark.reason())
    }

    /// True if the agent marked a transfer long before `at` and is still on the call as far as is known.
    pub(crate) fn was_transfer_refused(self, of: &ReservationSid, at: Millis, within: Millis) -> bool {
        let there = |(leg, agent): (&CallSid, &Agent)| agent.reservation == *of && self.roster.is_joined(leg);
        self.marks.is_transfer(of)
            && self.marks.said_at(of).is_some_and(|marked| marked + within < at)
            && self.roster.agents.iter().any(there)
    }

    /// True if the agent marked a cold transfer, which takes their leg away, and it has not: the transfer is still to come, or never
    /// comes, as when the agent asked for it without a network and the mark arrives when the network is back.
    pub(crate) fn stays_despite_transfer(self, leg: &CallSid, agent: &Agent) -> bool {
        // An agent who was back already transfers from their next leg.
        let is_taken_away = |next: &CallSid| next != leg && self.was_removed_unmissed(next);
        self.marks.reason(&agent.reservation) == Some(GracefulReason::ColdTransfer)
            && (self.roster.is_joined(leg) || self.roster.is_hang_up_reported(leg) || self.is_replaced())
            && !self.roster.legs_of(&agent.reservation).any(is_taken_away)
    }

    /// True if the agent marked a transfer just now, so that Twilio may still take the leg away.
    pub(crate) fn may_be_taken_away(self, leg: &CallSid, now: Millis, within: Millis) -> bool {
        let Some(agent) = self.roster.agent(leg) else { return false };
        let marked = self.marks.said_at(&agent.reservation);
        self.marks.is_transfer(&agent.reservation) && marked.is_some_and(|at| now <= at + within)
    }

    /// The leg of an unidentified participant who joined after the hand-over and is gone.
    pub(crate) fn taker_leg(self) -> Option<CallSid> {
        let handed_over = self.roster.last_to_leave().filter(|_| self.is_in_transfer())?;
        self.unidentified_leg().filter(|leg| self.roster.is_reported_after(leg, handed_over.0))
    }

    /// True if a callback reported that the agent who marked a cold transfer hung up. A transfer takes the leg away
    /// instead: it was refused, and the customer's hold is that agent's, or that of the transfer before.
    pub(crate) fn has_transferrer_hung_up(self) -> bool {
        self.roster.last_to_leave().is_some_and(|(leg, agent)| {
            self.marks.reason(&agent.reservation) == Some(GracefulReason::ColdTransfer)
                && self.roster.is_hang_up_reported(leg)
        })
    }

    /// True if a callback reported that the agent of this reservation, whose page has not registered, hung up after the mark of a cold
    /// transfer.
    pub(crate) fn has_unregistered_hung_up(self, of: &ReservationSid) -> bool {
        let leg = self.unidentified_leg();
        self.marks.reason(of) == Some(GracefulReason::ColdTransfer)
            && leg.is_some_and(|leg| self.roster.is_hang_up_reported(&leg))
    }
}
