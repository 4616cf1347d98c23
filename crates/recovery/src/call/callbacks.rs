//! Handles the conference's status callbacks.

use super::{Call, Out};
use crate::facts::{Observation, Report};
use crate::{ConferenceEvent, ConferenceEventKind, LeaveReason, ParticipantFlags, Timer};
use rejoin_protocol::CallSid;

impl Call {
    pub(crate) fn conference_event(&mut self, out: &mut Out<'_>, event: &ConferenceEvent) {
        if !self.facts.ownership.proven {
            return; // the conference has no task's name
        }
        if let Some((reservation, worker)) = &event.owner {
            self.know_owner(reservation, worker);
        }
        if !self.facts.received.take_callback(event.sequence) {
            return; // delivered twice
        }
        if let ConferenceEventKind::Leave { leg, .. } | ConferenceEventKind::Modify { leg, .. } = &event.kind
        {
            self.forget_old_mark(out, leg);
        }
        match &event.kind {
            ConferenceEventKind::Start => {}
            ConferenceEventKind::End => self.facts.roster.ended = true,
            ConferenceEventKind::Join { leg, flags } => self.leg_joins(out, leg, event.sequence, *flags),
            ConferenceEventKind::Leave { leg, reason } => self.leg_leaves(out, leg, event.sequence, *reason),
            ConferenceEventKind::Modify { leg, flags } => self.leg_changes(out, leg, event.sequence, *flags),
            ConferenceEventKind::AnnouncementEnd => self.announcement_ended(out, event.announced.as_ref()),
        }
        self.seen_label(event);
    }

    fn leg_joins(&mut self, out: &mut Out<'_>, leg: &CallSid, sequence: u64, flags: ParticipantFlags) {
        let is_known = self.facts.roster.is_shown(leg);
        self.facts.roster.observe(leg, Observation::Joined { sequence, flags });
        self.look_up_again();
        if !is_known && !self.lookup.begun && self.facts.roster.agents.is_empty() {
            self.set_timer(out, Timer::LookUp, out.now + out.config.learn_after);
        }
    }

    fn leg_leaves(&mut self, out: &mut Out<'_>, leg: &CallSid, sequence: u64, reason: LeaveReason) {
        // A callback replaces the inference.
        let was_inferred =
            self.facts.roster.is_customer(leg) && self.facts.roster.move_inferred_at.take().is_some();
        self.facts.roster.observe(leg, Observation::Left { sequence, reason, at: out.now });
        if was_inferred && reason == LeaveReason::ModeratorEnded {
            self.reopen_hang_ups();
        }
        if reason == LeaveReason::HungUp {
            // A leg that we removed is reported as removed: this one had ended the conference before our request.
            if self.decisions.is_dead(leg) && self.recovery.is_none() && self.diagnosis().ended_by_loss(leg) {
                self.decisions.forget(leg);
            }
            self.hung_up_completing(leg);
            self.poll_for_taker(out);
        }
        self.look_up_again();
        self.newcomer_gone(out, leg);
        self.flex_has_closed(out, leg);
        self.expect_conference_end(out);
        let was_awaited = self.facts.roster.agent(leg).is_some_and(|agent| agent.reported_gone.is_some());
        if was_awaited && !self.facts.roster.awaits_leave() {
            self.clear_timer(out, Timer::Leave);
        }
    }

    fn leg_changes(&mut self, out: &mut Out<'_>, leg: &CallSid, sequence: u64, flags: ParticipantFlags) {
        let was_unset =
            self.facts.roster.is_reported_joined(leg) && !self.facts.roster.flags(leg).end_conference_on_exit;
        let is_new = Report::Callback(sequence) > self.facts.roster.report(leg);
        let was_held = self.diagnosis().is_customer_held();
        self.facts.roster.observe(leg, Observation::Changed { sequence, flags, at: out.now });
        if is_new {
            self.requests.flag_is_reported(leg, flags.end_conference_on_exit);
        }
        if was_unset {
            self.clear_flag_again(leg);
            self.clear_flag_before_registration(out, leg);
        }
        self.forget_refused_hold(leg);
        if was_held && !self.diagnosis().is_customer_held() {
            self.agent_has_unheld();
        }
        if self.facts.roster.is_customer(leg) {
            self.hold_reported(out, flags.hold);
        }
    }
}
