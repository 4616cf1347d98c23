//! The second rung begins: the customer is told and kept, the agent is pinged and awaited.

use super::{AHEAD, Call, Ending, Holding, LATER, Out, Phase, Recovery, SOON};
use crate::{Action, Announcement, Note, Timer};
use rejoin_protocol::{CallSid, Millis, RecoveryId, TaskSid};

/// How long a reachable agent waits for what should come before the requeue.
const PREPARE: Millis = Millis::seconds(2);

impl Call {
    pub(super) fn tell_customer(&mut self, out: &mut Out<'_>) {
        let comes = self.diagnosis().has_newcomer();
        // On hold there is no silence, and whoever joins again is to find the customer there.
        let stays_on_hold = self.diagnosis().is_customer_held();
        let Some(recovery) = &mut self.recovery else { return };
        match recovery.phase {
            Phase::Away | Phase::Holding(_) => {}
            // Whoever has come is about to talk. If that is not the agent, the customer is told with the second rung.
            Phase::Rejoining if comes || stays_on_hold => return,
            Phase::Rejoining => {}
            Phase::Grace | Phase::Stranded | Phase::Requeueing(_) | Phase::Queued(_) | Phase::Ended(_) => {
                return;
            }
        }
        let told = std::mem::replace(&mut recovery.announced, true);
        if self.hold_customer(out, told) {
            return;
        }
        if told {
            // Nobody has come after all, and what was played is over.
            return self.announce(out, Announcement::Comfort);
        }
        match self.facts.roster.customer.clone().filter(|_| self.ends_agent_hold()) {
            // As soon as the customer can hear it.
            Some(customer) => {
                let conference = self.conference.clone();
                self.act(out, Action::FreeCustomer { conference, customer, unhold: true }, SOON);
            }
            None => self.announce(out, Announcement::Interrupted),
        }
    }

    pub(super) fn announce(&mut self, out: &mut Out<'_>, what: Announcement) {
        self.act(out, Action::Announce { conference: self.conference.clone(), what }, Millis::seconds(10));
    }

    fn free_customer(&mut self, out: &mut Out<'_>, customer: CallSid, told: bool) {
        // A held customer is told as soon as they can hear it; one who was told is not told again.
        let unhold = self.ends_agent_hold();
        if !unhold && !told {
            self.announce(out, Announcement::Interrupted);
        }
        self.act(out, Action::FreeCustomer { conference: self.conference.clone(), customer, unhold }, SOON);
    }

    pub(super) fn announcement_ended(&mut self, out: &mut Out<'_>) {
        let still = self.recovery.as_ref().is_some_and(|r| match r.phase {
            Phase::Away | Phase::Holding(_) | Phase::Stranded => true,
            // Third parties wait until they are moved.
            Phase::Requeueing(_) | Phase::Queued(_) => self.diagnosis().others().next().is_some(),
            // The agent is about to be there, and what plays cannot be stopped.
            Phase::Grace | Phase::Rejoining | Phase::Ended(_) => false,
        });
        if self.facts.roster.ended || self.hears_us_on_hold() {
            return;
        }
        if still {
            self.announce(out, Announcement::Comfort);
        } else if self.recovery.as_ref().is_some_and(|r| r.phase == Phase::Rejoining) {
            // If nobody has come by then, there is silence.
            self.set_timer(out, Timer::Announce, out.now + out.config.announce_after);
        }
    }

    /// The second rung: the leg is gone, or going.
    pub(super) fn hold_the_line(&mut self, out: &mut Out<'_>) {
        let lost = self.recovery.as_ref().map(|recovery| recovery.absence.lost_leg.clone());
        if lost.is_some_and(|leg| self.diagnosis().is_covered(&leg)) {
            // A colleague on hold is better than the queue: they know what the call is about.
            return self.end_recovery(out, &Ending::Covered);
        }
        if self.facts.roster.is_stranded() {
            return self.hold_stranded(out);
        }
        let (Some(recovery), Some(customer)) = (&mut self.recovery, self.facts.roster.customer.clone())
        else {
            return;
        };
        let was_away = recovery.phase == Phase::Away;
        recovery.phase = Phase::Holding(Holding::default());
        if !was_away {
            recovery.absence.deadline = out.now + out.config.ping_ttl;
        }
        let (deadline, too_often) = (recovery.absence.deadline, recovery.too_often);
        let told = std::mem::replace(&mut recovery.announced, true);
        self.note(out, Note::HoldingTheLine);
        // Who has said hello already is not looked for.
        self.heed_newer_page(out);
        let back = self.recovery.as_ref().is_some_and(|recovery| recovery.absence.back);
        self.clear_timer(out, Timer::Announce);
        self.clear_timer(out, Timer::Rejoin);
        let was_alone = self.hold_customer(out, told);
        if !was_alone {
            self.free_customer(out, customer, told);
        }
        let is_pinged = out.now.until(deadline) > AHEAD && !back && !too_often;
        if let Some(recovery) = &mut self.recovery {
            recovery.phase = Phase::Holding(Holding { was_alone, is_pinged });
        }
        let until = if back || too_often { out.now + PREPARE } else { deadline };
        self.set_timer(out, Timer::Ping, until);
        self.push(out);
    }

    pub(super) fn ping_created(&mut self, out: &mut Out<'_>, id: &RecoveryId, task: &TaskSid) {
        match &mut self.recovery {
            Some(recovery) if recovery.absence.id == *id => recovery.ping.task = Some(task.clone()),
            // That recovery is over.
            Some(_) | None => {
                self.act(out, Action::EndPing { task: task.clone(), accepted: false }, LATER);
            }
        }
    }

    /// From the second rung on: the agent is back, or the time is over.
    pub(super) fn go_on(&mut self, out: &mut Out<'_>) {
        self.go_on_stranded(out);
        self.back_while_queued(out);
        let Some(recovery) = self.recovery.as_ref().filter(|it| matches!(it.phase, Phase::Holding(_))) else {
            return;
        };
        let ready = self.is_task_marked(recovery)
            && !self.requests.is_freeing_customer()
            && !self.requests.is_removing_leg();
        self.heed_newer_page(out);
        let goes = ready && self.recovery.as_ref().is_some_and(|r| r.absence.back || r.too_often);
        if goes && !self.spares_stranger(out, Timer::Ping) {
            self.requeue_as_decided(out);
        }
    }

    fn heed_newer_page(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &self.recovery else { return };
        let newer_page =
            self.facts.roster.agent(&recovery.absence.lost_leg).and_then(|agent| agent.newer_page);
        if !recovery.absence.back && !recovery.too_often && newer_page.is_some() {
            self.proved_reachable(out);
        }
    }

    /// By a newer page, or by the ping.
    pub(super) fn proved_reachable(&mut self, out: &mut Out<'_>) {
        if let Some(recovery) = &mut self.recovery {
            recovery.absence.back = true;
            self.note(out, Note::AgentBack);
            // What has to come first must not keep the customer for long.
            self.set_timer(out, Timer::Ping, out.now + PREPARE);
        }
    }

    /// The time is over, or TaskRouter says that nobody will answer.
    pub(super) fn ping_is_over(&mut self, out: &mut Out<'_>) {
        let waits = |r: &Recovery| matches!(r.phase, Phase::Away | Phase::Holding(_));
        if self.recovery.as_ref().is_some_and(waits) && self.spares_stranger(out, Timer::Ping) {
            return;
        }
        if let Some(recovery) = self.recovery.as_ref().filter(|r| r.phase == Phase::Away) {
            let leg = recovery.absence.lost_leg.clone();
            return self.fall(out, &leg); // what must come first is done when the wait is over
        }
        let Some(recovery) = self.recovery.as_ref().filter(|r| r.phase.is_kept()) else { return };
        if recovery.phase == Phase::Stranded {
            return self.stranded_is_over(out);
        }
        if recovery.absence.back || recovery.too_often {
            return self.requeue_as_decided(out);
        }
        self.note(out, Note::AgentNotBack);
        self.requeue(out, None, out.now + out.config.queue_within);
    }
}
