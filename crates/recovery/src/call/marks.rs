//! Graceful marks, and customers whom a graceful departure leaves alone.

use super::{Call, Out};
use crate::absence::{Absence, Ending, Phase};
use crate::facts::{Agent, Said, is_transfer};
use crate::{EarlyMark, Loss, PollAnswer, TaskState, Timer};
use rejoin_protocol::api::{DeliveryId, GracefulMark, GracefulReason, Registration, is_plausible_epoch};
use rejoin_protocol::attributes::LEFT;
use rejoin_protocol::{CallSid, Millis, ReservationSid, WorkerSid};
use serde::Deserialize;
use serde_json::Value;

/// Limit of marks whose owner is unknown, above what one call has.
const CLAIMS: usize = 20;

/// How long a mark that only the task carries waits for its confirmation.
const UNCONFIRMED_FOR: Millis = Millis::seconds(60);

impl Call {
    /// True if the mark is about another worker's reservation.
    pub(crate) fn is_foreign_mark(&self, worker: &WorkerSid, mark: &GracefulMark) -> bool {
        self.is_foreign_reservation(worker, &mark.reservation)
    }

    /// Takes a mark that was sent at this point in time.
    pub(crate) fn graceful(
        &mut self,
        out: &mut Out<'_>,
        worker: &WorkerSid,
        mark: &GracefulMark,
        at: Millis,
    ) {
        if self.is_foreign_mark(worker, mark) || !self.facts.received.take_request(worker, mark.id) {
            return;
        }
        if self.owner(&mark.reservation).is_none() {
            if self.facts.marks.unattributed.len() >= CLAIMS {
                self.facts.marks.unattributed.remove(0);
            }
            self.facts.marks.unattributed.push(EarlyMark { worker: worker.clone(), mark: mark.clone(), at });
            return self.ask_for_owner(out, &mark.reservation);
        }
        if let Some(id) = mark.id {
            self.page_lives(out, worker, id.epoch);
        }
        self.mark(out, mark, at, true);
        self.expect_conference_end(out);
    }

    /// A conference with only the customer in it, who was left on purpose, is to end soon.
    pub(super) fn expect_conference_end(&self, out: &mut Out<'_>) {
        if self.diagnosis().is_left_alone_on_purpose() {
            self.set_timer(out, Timer::LeftAlone, out.now + out.config.orphan_after);
        }
    }

    /// Takes marks whose owner has become known.
    pub(super) fn settle_unattributed_marks(&mut self, out: &Out<'_>) {
        for claim in std::mem::take(&mut self.facts.marks.unattributed) {
            match self.owner(&claim.mark.reservation) {
                Some(owner) if *owner == claim.worker => self.mark(out, &claim.mark, claim.at, true),
                None if claim.at + EarlyMark::WAITS > out.now => self.facts.marks.unattributed.push(claim),
                Some(_) | None => {}
            }
        }
    }

    /// `by_page`: false if only the task's attributes carry the mark.
    fn mark(&mut self, out: &Out<'_>, mark: &GracefulMark, at: Millis, by_page: bool) {
        if by_page {
            self.facts.marks.confirm(&mark.reservation);
        }
        let roster = &self.facts.roster;
        let mut legs = roster.legs_of(&mark.reservation);
        if is_transfer(mark.reason) && legs.clone().any(|leg| roster.ended_with(leg)) {
            return; // the transfer was refused
        }
        let is_complete = mark.reason == GracefulReason::Complete;
        let completes = is_complete && legs.any(|leg| roster.is_joined(leg));
        let refused = self.diagnosis().was_transfer_refused(&mark.reservation, at, out.config.leave_within);
        let has_completed = is_complete && refused;
        self.facts
            .marks
            .give(&mark.reservation, Said { reason: mark.reason, at, by_page, completes, has_completed });
    }

    /// True while the task is read for a mark. Later it is read anyway, to be marked by us.
    pub(super) fn awaits_mark_in_task(&self) -> bool {
        self.recovery.as_ref().is_some_and(|recovery| recovery.phase == Phase::Grace)
            || self
                .facts
                .roster
                .agents
                .iter()
                .any(|(leg, agent)| self.diagnosis().awaits_leave_of(leg, agent))
    }

    /// The task was read. A page that could not reach the server writes its mark there. Until the requeue, such a mark ends
    /// the recovery. It alone does not end the conference.
    pub(super) fn read_mark(&mut self, out: &mut Out<'_>) {
        let Some(mark) = self.mark_in_task(out.now) else { return };
        let is_known = self.facts.marks.is_only_in_task(&mark.reservation);
        // A mark that is read again keeps its time.
        let first = self.facts.marks.said_at(&mark.reservation).filter(|_| is_known);
        let at = first.unwrap_or(out.now);
        self.mark(out, &mark, at, false);
        if !self.facts.marks.is_given(&mark.reservation) {
            return;
        }
        let is_kept =
            |r: &super::Recovery| r.phase.is_kept() && r.absence.agent.reservation == mark.reservation;
        if self.recovery.as_ref().is_some_and(is_kept) {
            self.end_on_purpose(out);
        }
    }

    /// The mark in the task, if it counts. Any client may write attributes, and they stay. So a mark counts only for an
    /// agent of this call, only with a known epoch of one of their pages, and only if no page of theirs sent anything after
    /// it: an agent who registers after a mark has stayed, or is back.
    fn mark_in_task(&self, now: Millis) -> Option<GracefulMark> {
        let attributes: Value = serde_json::from_str(&self.facts.task.attributes).ok()?;
        let mark = GracefulMark::deserialize(attributes.get(LEFT)?).ok()?;
        let id = mark.id.filter(|_| mark.task == self.task)?;
        let agent = self.facts.roster.agent_of(&mark.reservation)?;
        let later = self.facts.received.requests_of(&agent.worker).any(|said| said >= id);
        (!later && self.is_known_epoch(now, agent, id.epoch)).then_some(mark)
    }

    /// True if a page of this agent with this epoch has made a statement about the call. If no page of theirs could reach
    /// the server, any plausible epoch counts.
    fn is_known_epoch(&self, now: Millis, agent: &Agent, epoch: u64) -> bool {
        let own = self.facts.roster.agents.values().filter(|other| other.reservation == agent.reservation);
        let unheard = own.clone().any(|other| other.epoch.is_none()) && is_plausible_epoch(now, epoch);
        unheard
            || own.clone().any(|other| other.epoch == Some(epoch) || other.newer_page == Some(epoch))
            || self.facts.pages.newest(&agent.worker) == Some(epoch)
            || self.facts.received.requests_of(&agent.worker).any(|said| said.epoch == epoch)
    }

    /// True if the registration belongs to an agent who is about to leave: any of their pages may register once more. An
    /// agent who stays registers again 15 s later.
    pub(super) fn is_being_left(&self, out: &Out<'_>, worker: &WorkerSid, said: &Registration) -> bool {
        let marked = self.facts.marks.said_at(&said.reservation);
        let of_page = |other: DeliveryId| other.epoch == said.epoch && Some(other) != said.id;
        marked.is_some_and(|at| out.now < at + out.config.leave_within)
            && (self.facts.roster.agents.contains_key(&said.worker_leg)
                || self.facts.received.requests_of(worker).any(of_page))
    }

    /// The mark in the task was refused, and does not count any more.
    pub(super) fn refuse_mark_in_task(&mut self, now: Millis) {
        let Some(mark) = self.mark_in_task(now) else { return };
        let agent = self.facts.roster.agent_of(&mark.reservation);
        if let (Some(agent), Some(id)) = (agent, mark.id) {
            let worker = agent.worker.clone();
            self.facts.received.take_request(&worker, Some(id));
        }
    }

    pub(super) fn unmark(&mut self, reservation: &ReservationSid) {
        self.facts.marks.withdraw(reservation);
    }

    /// Withdraws an old mark: an agent who is on the call long after their mark has stayed. The next departure needs a mark
    /// of its own.
    pub(super) fn forget_old_mark(&mut self, out: &Out<'_>, leg: &CallSid) {
        let Some(reservation) = self.facts.roster.agent(leg).map(|agent| agent.reservation.clone()) else {
            return;
        };
        let old =
            self.facts.marks.said_at(&reservation).is_some_and(|at| at + out.config.mark_within < out.now);
        if old && self.facts.roster.is_joined(leg) {
            self.unmark(&reservation);
        }
    }

    /// A mark arrived during the recovery: the departure was graceful.
    pub(super) fn end_grace(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &self.recovery else { return };
        let Absence { agent, lost_leg, .. } = &recovery.absence;
        let counts = match recovery.phase {
            Phase::Grace => true,
            Phase::Away | Phase::Rejoining => !self.diagnosis().stays_despite_transfer(lost_leg, agent),
            _ => false,
        };
        if counts && self.facts.marks.is_given(&agent.reservation) {
            self.end_on_purpose(out);
        }
    }

    fn end_on_purpose(&mut self, out: &mut Out<'_>) {
        let Some(lost) = self.recovery.as_ref().map(|recovery| recovery.absence.lost_leg.clone()) else {
            return;
        };
        self.end_recovery(out, &Ending::Graceful);
        if self.facts.roster.is_joined(&lost) {
            self.remove_leg(out, &lost); // no page has it
        } else if let Some(later) = self.diagnosis().lost_after(&lost)
            && self.decisions.covered_at(&later).is_some()
        {
            self.covered.remove(&later);
            return self.lose(out, &later, Loss::ColleagueLeft); // whose recovery did not begin, because this one was open
        }
        self.set_timer(out, Timer::LeftAlone, out.now + out.config.orphan_after);
    }

    /// Confirms a mark that only the task carries. A task that is over confirms it, and so does a minute in which the
    /// customer stayed alone and no page of the agent came back: an agent who signs out does not complete the task.
    pub(super) fn confirm_mark(&mut self, out: &mut Out<'_>, seen: &PollAnswer) {
        if !self.diagnosis().is_left_alone_unconfirmed() {
            return;
        }
        let are_old = self
            .facts
            .marks
            .iter()
            .map(|(_, mark)| mark)
            .filter(|mark| mark.is_only_in_task())
            .all(|mark| mark.said_at() + UNCONFIRMED_FOR <= out.now);
        let wraps = seen.task == Some(TaskState::Wraps);
        if seen.task == Some(TaskState::Over) || (wraps && are_old) {
            self.facts.marks.confirm_all();
            self.set_timer(out, Timer::LeftAlone, out.now);
        } else if out.config.watch_recovery > Millis(0) {
            self.set_timer(out, Timer::LeftAlone, out.now + out.config.watch_recovery);
        }
    }
}
