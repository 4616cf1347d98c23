//! The beginning of a recovery. The losses of a customer are counted: after a few of them the next agent gets the call.

use super::{Call, Out};
use crate::absence::{Absence, Ending, Phase, Recovery};
use crate::{Loss, Note, Timer};
use rejoin_protocol::{CallSid, Millis, RecoveryId};
use std::collections::BTreeSet;

impl Call {
    /// Number of the customer's losses lately, this one included: the recovery's generation.
    fn count_loss(&mut self, out: &Out<'_>) -> u32 {
        let lately = |at: &Millis| *at + out.config.again_within > out.now;
        self.inherited.losses.retain(lately);
        self.inherited.losses.insert(out.now);
        u32::try_from(self.inherited.losses.len()).unwrap_or(u32::MAX)
    }

    /// The number of losses lately, if the loss at this point in time is one of them; else 0.
    pub(super) fn counted_losses(&self, at: Millis) -> u32 {
        let losses = &self.inherited.losses;
        if losses.contains(&at) { u32::try_from(losses.len()).unwrap_or(u32::MAX) } else { 0 }
    }

    /// Takes a loss back that was graceful or covered.
    pub(super) fn discount_loss(&mut self, at: Millis, ending: &Ending) {
        if matches!(ending, Ending::Graceful | Ending::Covered) {
            self.inherited.losses.remove(&at);
        }
    }

    /// Takes over the losses of the conference that the customer comes from.
    pub(crate) fn inherit(&mut self, losses: &BTreeSet<Millis>) {
        self.inherited.losses.extend(losses);
    }

    /// True if the customer has lost agents so often that the next agent gets the call.
    pub(super) fn is_lost_too_often(&self) -> bool {
        self.recovery.as_ref().is_some_and(|recovery| recovery.too_often)
    }

    /// An absence of the agent of this leg that begins now.
    pub(super) fn absence_of(&self, out: &Out<'_>, leg: &CallSid) -> Option<Absence> {
        Some(Absence {
            id: RecoveryId::of(leg),
            lost_leg: leg.clone(),
            agent: self.facts.roster.agent(leg).cloned()?,
            lost_at: out.now,
            deadline: out.now + out.config.ping_ttl,
            back: false,
            spared_until: None,
            bystanders: self.diagnosis().bystanders_of(leg),
            late_bystanders: BTreeSet::new(),
        })
    }

    pub(super) fn begin(&mut self, out: &mut Out<'_>, leg: &CallSid, phase: Phase) {
        if let Some(absence) = self.absence_of(out, leg) {
            let generation = self.count_loss(out);
            let told = self.told_in_silence(leg);
            self.decisions.miss(leg);
            self.recover(out, absence, generation, phase);
            if let (Some(words_at), Some(recovery)) = (told, &mut self.recovery) {
                recovery.announced = true;
                recovery.words_at = words_at;
            }
        }
    }

    /// Begins a recovery in the place of one that has ended.
    pub(super) fn recover(&mut self, out: &mut Out<'_>, absence: Absence, generation: u32, phase: Phase) {
        self.reconcile(out); // requests that the ended recovery leaves
        let too_often = generation > out.config.again_at_most;
        self.recovery = Some(Recovery::new(absence, generation, too_often, phase));
    }

    /// The agent is lost, unless a mark arrives within the grace period.
    pub(super) fn lose(&mut self, out: &mut Out<'_>, leg: &CallSid, by: Loss) {
        self.note(out, Note::AgentLost { by: Some(by) });
        self.begin(out, leg, Phase::Grace);
        self.set_timer(out, Timer::Grace, out.now + out.config.grace);
        self.read_task_for_mark(out);
        self.push(out);
    }
}
