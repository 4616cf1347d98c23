//! TaskRouter's events about a call's tasks: evidence beside pages, callbacks and documents, and the only evidence when
//! those are lost. Late or repeated events change nothing, because they name recovery, target and reservation.

use super::{Call, Out};
use crate::absence::{Ending, Phase};
use crate::plan::LATER;
use crate::{Action, Purpose, TaskEvent, TaskEventKind};
use rejoin_protocol::{ReservationSid, TaskSid, WorkerSid};

impl Call {
    pub(crate) fn task_event(&mut self, out: &mut Out<'_>, event: &TaskEvent) {
        if !self.facts.received.take_task_event(&event.id) {
            return; // delivered twice
        }
        if event.task == self.task {
            if let (Some(reservation), Some(worker)) = (&event.reservation, &event.worker) {
                self.know_owner(reservation, worker);
            }
            if let (TaskEventKind::WrapUp, Some(reservation)) = (event.kind, &event.reservation) {
                self.wraps_up(out, reservation);
            }
        } else if self.recovery.as_ref().is_some_and(|r| Some(&r.absence.id) == event.purpose.recovery()) {
            match &event.purpose {
                Purpose::Ping { recovery: _ } => self.ping_event(out, event),
                Purpose::Reconnect { recovery: _, target } => {
                    self.reconnect_event(out, event, target.as_ref());
                }
                Purpose::Other => {}
            }
        }
    }

    /// A reservation wraps up: the callback about its leg may only be late.
    fn wraps_up(&mut self, out: &mut Out<'_>, reservation: &ReservationSid) {
        if self.facts.roster.is_back_in_place(reservation) {
            return;
        }
        let leg = self.facts.roster.legs_of(reservation).next().cloned();
        if let Some(leg) = leg {
            self.await_leave(out, &leg);
        }
    }

    fn ping_event(&mut self, out: &mut Out<'_>, event: &TaskEvent) {
        if event.kind == TaskEventKind::Accepted {
            self.ping_accepted(out, &event.task);
            let lost = self.recovery.as_ref().map(|recovery| &recovery.absence.agent.worker);
            if event.worker.is_some() && event.worker.as_ref() == lost {
                self.note_back_late(out);
            }
        }
        let Some(recovery) = self.recovery.as_mut().filter(|r| !r.absence.back && !r.too_often) else {
            return;
        };
        let Phase::Holding(holding) = recovery.phase else { return };
        match event.kind {
            TaskEventKind::Accepted if event.worker.as_ref() == Some(&recovery.absence.agent.worker) => {
                // The agent's page has not reported their activity yet, and the ping also reaches an agent on a break.
                self.facts.pages.availability_is_shown(&recovery.absence.agent.worker, false);
                self.proved_reachable(out);
            }
            TaskEventKind::NotTaken | TaskEventKind::TakenBack | TaskEventKind::Canceled { .. }
                if !holding.is_prolonged =>
            {
                self.ping_is_over(out);
            }
            // The ping lasts as long as the wait was to last at first.
            TaskEventKind::NotTaken | TaskEventKind::TakenBack | TaskEventKind::Canceled { .. } => {}
            TaskEventKind::Accepted | TaskEventKind::EnteredQueue | TaskEventKind::WrapUp => {}
        }
    }

    /// The agent has accepted a ping. Another one than this recovery's is one that an earlier server has created since the
    /// backup of the database.
    fn ping_accepted(&mut self, out: &mut Out<'_>, task: &TaskSid) {
        let Some(recovery) = &mut self.recovery else { return };
        let known = recovery.ping.task.get_or_insert_with(|| task.clone()) == task;
        recovery.ping.is_accepted |= known;
        if !known {
            self.act(out, Action::EndPing { task: task.clone(), accepted: true }, LATER);
        }
    }

    /// Handles an event of a reconnect task for the current target. An earlier task was for another target.
    fn reconnect_event(&mut self, out: &mut Out<'_>, event: &TaskEvent, target: Option<&WorkerSid>) {
        if self.recovery.as_ref().and_then(|recovery| recovery.phase.target()) != Some(target) {
            return;
        }
        match event.kind {
            TaskEventKind::EnteredQueue => self.entered_queue(out),
            TaskEventKind::Canceled { hung_up: true } => self.end_recovery(out, &Ending::CustomerLeft),
            // The task of a customer who hears waiting music is gone, or the agent whom they wait for does not take the
            // call.
            TaskEventKind::Canceled { hung_up: false } | TaskEventKind::NotTaken if target.is_some() => {
                self.reconnect_canceled(out, target);
            }
            // For any agent: the queue's document may have requeued the customer, which the watchdog will find.
            TaskEventKind::Canceled { .. }
            | TaskEventKind::NotTaken
            | TaskEventKind::TakenBack
            | TaskEventKind::Accepted
            | TaskEventKind::WrapUp => {}
        }
    }
}
