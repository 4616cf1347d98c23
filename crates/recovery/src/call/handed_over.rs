//! A customer whom an agent has handed over: the agent who takes the call, if any.

use super::{Call, Out};
use crate::absence::{Absent, Ending, Phase};
use crate::facts::Observation;
use crate::{LeaveReason, Logged, LoggedWhat, Loss, Note, PollAnswer, TaskState, Timer};
use rejoin_protocol::{CallSid, Millis, ReservationSid};

impl Call {
    /// Handles transfers whose agent has no page any more. Twilio takes the leg of a transferring agent away within moments:
    /// if the leg still stands, the transfer was refused.
    pub(super) fn handle_refused_transfers(&mut self, out: &mut Out<'_>) {
        let agents: Vec<_> = self
            .facts
            .roster
            .agents
            .iter()
            .map(|(leg, agent)| (leg.clone(), agent.worker.clone(), agent.epoch))
            .collect();
        for (leg, worker, epoch) in agents {
            if !self.facts.roster.is_joined(&leg) || self.facts.pages.newest_goodbye(&worker).is_none() {
                continue;
            }
            let found = self
                .facts
                .roster
                .agent(&leg)
                .filter(|_| !self.decisions.is_settled(&leg) && !self.decisions.is_dead(&leg));
            let newer = found.and_then(|agent| agent.newer_page);
            let alone = newer.is_some() && newer == self.facts.pages.newest_sole_page(&worker);
            if alone && self.facts.pages.is_joinable(&worker) {
                self.facts.pages.goodbyes_are_handled(&worker);
                self.forget_refused_transfer(out, &leg);
                self.join_in_place(out, &leg);
            } else {
                self.apply_earlier_goodbye(out, &worker, epoch);
            }
        }
    }

    /// A substitute for the agent's leg that no callback has reported, because no server ran. It is named after the
    /// reservation, and counts as the last to leave.
    fn unreported_leg_of(&mut self, of: &ReservationSid) -> Option<CallSid> {
        let last = self.facts.roster.last_to_leave().map(|(leg, _)| leg.clone())?;
        let roster = &self.facts.roster;
        if roster.participants.keys().any(|leg| roster.is_unidentified(leg)) {
            return None; // one of these legs may be that agent's
        }
        let leg = CallSid::parse(&format!("CA{}", of.as_str().get(2..)?)).ok()?;
        let after = self.facts.roster.report(&last).sequence().unwrap_or(0);
        self.facts.roster.observe(&leg, Observation::GoneLast { after });
        Some(leg)
    }

    /// Finds the agent who took the customer: their reservation wraps up, and their leg is unknown.
    fn find_taker(&mut self, out: &mut Out<'_>, seen: &PollAnswer) {
        let known = |reservation: &ReservationSid| {
            (self.facts.marks.is_given(reservation)
                && !self.diagnosis().has_unregistered_hung_up(reservation))
                || self.facts.roster.agent_of(reservation).is_some()
        };
        let mut unknown = seen.wrapping.iter().filter(|found| !known(&found.reservation));
        let (found, others) = (unknown.next(), unknown.next());
        if found.is_none() && seen.task == Some(TaskState::Over) && seen.attributes.is_none() {
            return self.find_taker_of_deleted_task(out);
        }
        let (Some(found), None) = (found, others) else { return };
        let refused = self.diagnosis().has_unregistered_hung_up(&found.reservation);
        if let Some(leg) = self.diagnosis().taker_leg().or_else(|| self.unreported_leg_of(&found.reservation))
        {
            if refused {
                self.unmark(&found.reservation);
            }
            self.know_holder(&leg, found);
        }
    }

    /// Twilio has deleted the task, so the owners of its reservations can no longer be read. Callbacks reported a leg that
    /// took the transfer. If exactly one worker registered that leg, that worker took the transfer.
    fn find_taker_of_deleted_task(&mut self, out: &mut Out<'_>) {
        let Some(leg) = self.diagnosis().taker_leg() else { return };
        let customer = self.facts.roster.customer.clone();
        let of_leg =
            self.facts.ownership.registrations.iter().filter(|kept| kept.registration.worker_leg == leg);
        let mut workers = of_leg.filter(|kept| {
            let said = &kept.registration;
            said.task == self.task && Some(&said.customer_leg) == customer.as_ref()
        });
        let (Some(kept), None) = (workers.next(), workers.next()) else { return };
        let (reservation, worker) = (kept.registration.reservation.clone(), kept.worker.clone());
        if !self.is_foreign_reservation(&worker, &reservation) {
            self.know_owner(&reservation, &worker);
            self.settle_registrations(out);
        }
    }

    /// True if TaskRouter's log shows no transfer by the agent who left last, although the customer is on hold.
    fn was_not_transferred(&self, seen: &PollAnswer) -> bool {
        self.facts
            .roster
            .last_to_leave()
            .is_some_and(|(_, agent)| denies_transfer(&seen.log, &agent.reservation))
    }

    /// Handles the answer to a poll after a hand-over that left the customer alone. `heard`: when the last evidence arrived.
    pub(super) fn handle_transfer_poll(&mut self, out: &mut Out<'_>, seen: &PollAnswer, heard: Millis) {
        let is_wrapped_up = matches!(seen.task, Some(TaskState::Wraps | TaskState::Over));
        let no_agent_will_come = self.no_agent_will_come(seen);
        if is_wrapped_up && !self.diagnosis().is_replaced() {
            self.find_taker(out, seen); // from then on the customer misses that agent
        }
        if !no_agent_will_come || !self.diagnosis().is_in_transfer() {
            return;
        }
        if let Some(attributes) = &seen.attributes {
            // A page that could not reach us may have written a mark there, after a transfer that was refused.
            self.facts.task.attributes.clone_from(attributes);
            self.facts.task.version = None;
            self.read_mark(out);
        }
        if self.diagnosis().is_left_alone_on_purpose() {
            return self.set_timer(out, Timer::LeftAlone, out.now);
        }
        let last = self.facts.roster.last_to_leave();
        if let Some((leg, reservation)) = last.map(|(leg, agent)| (leg.clone(), agent.reservation.clone())) {
            self.transfer_came_to_nothing(out, &leg, &reservation, heard);
        }
    }

    /// True if no agent will take the customer over. During a transfer the customer is on hold. An offer is waited for until TaskRouter
    /// ends it, also one from before a transfer that was refused.
    fn no_agent_will_come(&self, seen: &PollAnswer) -> bool {
        match seen.task {
            Some(TaskState::Over) => true,
            Some(TaskState::Wraps) => {
                let is_held = self.diagnosis().is_customer_held();
                !is_held || self.diagnosis().has_transferrer_hung_up() || self.was_not_transferred(seen)
            }
            Some(TaskState::Open) | None => false,
        }
    }

    /// The transfer by the agent of this leg was refused, or no agent took it. The customer misses that agent, unless the
    /// agent has left for good.
    fn transfer_came_to_nothing(
        &mut self,
        out: &mut Out<'_>,
        leg: &CallSid,
        reservation: &ReservationSid,
        heard: Millis,
    ) {
        if self.has_left_for_good(leg, reservation) {
            self.facts.marks.leaves_by_hang_up(reservation, out.now);
            return self.set_timer(out, Timer::LeftAlone, out.now);
        }
        self.refuse_mark_in_task(out.now);
        self.unmark(reservation);
        if out.now < heard + out.config.grace {
            return self.lose(out, leg, Loss::NoTransfer); // the agent may have left just now, and a mark may be on its way
        }
        self.note(out, Note::AgentLost { by: Some(Loss::NoTransfer) });
        self.begin(out, leg, Phase::Grace);
        self.hold_the_line(out);
    }

    /// True if the agent of this leg completed the task, completed it as far as is known and hung up, or was missed before.
    /// A leg is missed once. A recovery that ended by a late mark does not count.
    fn has_left_for_good(&self, leg: &CallSid, reservation: &ReservationSid) -> bool {
        let was_missed = |it: Absent<'_>| it.ending() != Some(&Ending::Graceful);
        let has_hung_up = self.facts.roster.left(leg) == Some(LeaveReason::HungUp);
        self.facts.marks.has_completed(reservation)
            || (has_hung_up && self.facts.marks.completes(reservation))
            || self.diagnosis().absences_of(leg).any(was_missed)
    }
}

/// True if the log covers the time from the agent's acceptance to their wrap-up, and has no transfer in it. An earlier
/// transfer may have brought the task to them. An incomplete log denies nothing.
fn denies_transfer(log: &[Logged], of: &ReservationSid) -> bool {
    let at = |what: LoggedWhat| log.iter().find(|line| line.what == what)?.at;
    let (Some(took), Some(_)) = (at(LoggedWhat::Accepted(of.clone())), at(LoggedWhat::Wraps(of.clone())))
    else {
        return false;
    };
    let since = |line: &Logged| line.what == LoggedWhat::Transferred && line.at.is_none_or(|at| at >= took);
    !log.iter().any(since)
}
