//! Announcements to the customer, and our hold during which they hear them. A customer who is alone hears announcement and
//! comfort audio on hold: a hold ends at once when the agent is back, while an announcement to the conference would play
//! over the agent.
//!
//! We end a hold that we began: [`OurHold`] remembers it. If the agent had held the customer before, the customer stays on
//! hold for that agent ([`AgentHold`]).

use super::{Announced, Call, HoldStage, OurHold, Out};
use crate::absence::{AgentHold, Ending, Phase};
use crate::event::End;
use crate::facts::Observation;
use crate::plan::SOON;
use crate::{Action, Announcement, CustomerHold, Outcome, Silence, Timer};
use rejoin_protocol::{CallSid, Millis, RecoveryId};

/// How long the end of an announcement is waited for. The words and a piece of comfort audio last six seconds or so each, and one
/// may wait behind the other. An end that is not reported by then was lost.
const LONGEST: Millis = Millis::seconds(20);
/// How long the words last, or a little less. A customer who could not hear them for so long hears them again.
const WORDS_LAST: Millis = Millis::seconds(6);

impl Call {
    /// The page has said goodbye: a customer who is alone hears a soft tone on hold at once, and the announcement when it is
    /// due. A customer whom the agent has put on hold hears music already, and is told when the announcement is due.
    pub(super) fn hold_at_once(&mut self, out: &mut Out<'_>) {
        let is_held = self.diagnosis().is_customer_held();
        if out.config.customer_hold == CustomerHold::AtOnce && !is_held {
            self.begin_our_hold(out, false, Some(out.now + out.config.announce_after));
        }
    }

    /// Puts a customer who is alone on hold, where they hear the announcement (unless they were told) and comfort audio.
    /// False if the announcement must go to the conference instead.
    pub(super) fn hold_customer(&mut self, out: &mut Out<'_>, told: bool) -> bool {
        self.begin_our_hold(out, told, None)
    }

    fn begin_our_hold(&mut self, out: &mut Out<'_>, told: bool, words_at: Option<Millis>) -> bool {
        let (Some(recovery), Some(customer)) = (self.told_recovery(), self.facts.roster.customer.clone())
        else {
            return false;
        };
        if let Some(ours) = self.our_hold {
            // The audio goes on even if a participant has joined since.
            return ours.stage != HoldStage::Ending;
        }
        if out.config.customer_hold == CustomerHold::Off || !self.diagnosis().is_customer_alone() {
            return false;
        }
        let held = self.note_end_of_agent_hold();
        if !told {
            self.note_words(words_at.unwrap_or(out.now));
        }
        self.our_hold = Some(HoldStage::Asked.into());
        let conference = self.conference.clone();
        self.act(out, Action::HoldCustomer { conference, customer, recovery, held, told, words_at }, SOON);
        true
    }

    /// The recovery that the documents of our hold name: the one that begins if the agent of a silent page is gone, else the one
    /// that is going on.
    fn told_recovery(&self) -> Option<RecoveryId> {
        self.silent_recovery().or_else(|| self.recovery.as_ref().map(|recovery| recovery.absence.id.clone()))
    }

    /// True while our hold is to go on, because the customer has no agent, or one whose page is silent.
    fn is_our_hold_wanted(&self) -> bool {
        if self.diagnosis().silent_leg().is_some() {
            return true;
        }
        let Some(recovery) = &self.recovery else { return false };
        let wanted = match &recovery.phase {
            // The newcomer's registration is due within moments.
            Phase::Rejoining => !self.diagnosis().has_newcomer(),
            Phase::Ended(ending) => matches!(ending, Ending::Failed { .. }),
            _ => true,
        };
        wanted && self.diagnosis().agent_on_call().is_none()
    }

    /// True if our hold is at this stage, and the step is still wanted.
    pub(super) fn wants_of_our_hold(&self, stage: HoldStage) -> bool {
        let is_on_call =
            self.facts.roster.is_customer_joined() && self.our_hold.is_some_and(|ours| ours.stage == stage);
        is_on_call && (stage == HoldStage::Ending || self.is_our_hold_wanted())
    }

    /// Twilio has answered the request that begins our hold.
    pub(super) fn our_hold_done(&mut self, out: &mut Out<'_>, outcome: &Outcome) {
        let stage = self.stage_after(outcome);
        let ours = self.our_hold.unwrap_or(HoldStage::Asked.into());
        self.our_hold = stage.map(|stage| OurHold { stage, ..ours });
        if *outcome == Outcome::Overtaken
            && let Some(recovery) = self.recovery.as_mut().filter(|it| it.agent_hold == AgentHold::Ended)
        {
            recovery.agent_hold = AgentHold::AsItWas; // the request was not sent, so the agent's hold stands
        }
        // Before the announcement is due, its timer tells the customer.
        let is_due = self.recovery.as_ref().is_some_and(|it| it.is_open() && it.announced);
        let is_to_be_told = is_due && self.facts.roster.is_customer_joined();
        if stage != Some(HoldStage::On) && is_to_be_told && self.is_our_hold_wanted() {
            self.announce(out, Announcement::Interrupted);
        }
        self.repeat_our_hold(out);
    }

    /// How far our hold is after this outcome; `None`: there is none.
    fn stage_after(&self, outcome: &Outcome) -> Option<HoldStage> {
        match outcome.end() {
            // Twilio may have held the customer although the reply was lost: a customer on hold, not by their agent, shows that.
            End::Overtaken => {
                let has_agent_held = self.has_agent_held_customer();
                let is_held = self.diagnosis().is_customer_held() && !has_agent_held;
                is_held.then_some(HoldStage::Doubtful)
            }
            End::Gone => None,
            End::Failed => Some(HoldStage::Doubtful),
            // Also when the hold is no longer wanted by then: it is ended afterwards.
            End::Done => Some(HoldStage::On),
        }
    }

    /// The customer is off hold again, as far as Twilio can be asked for it.
    pub(super) fn our_hold_ended(&mut self, out: &mut Out<'_>, outcome: &Outcome) {
        let refused = matches!(outcome, Outcome::Failed { .. });
        self.our_hold = refused.then_some(HoldStage::Refused.into());
        if refused {
            self.poll_soon(out);
        }
        if let (Outcome::Ok, Some(customer)) = (outcome, self.facts.roster.customer.clone()) {
            self.facts.roster.observe(&customer, Observation::Unheld);
        }
        // The newcomer is gone, or its page had said goodbye before it registered.
        let left_behind = self.facts.roster.agents.values().any(|agent| agent.left_behind);
        if self.is_our_hold_wanted() && (left_behind || self.diagnosis().is_newest_page_gone()) {
            self.tell_customer(out);
        }
    }

    /// After a poll: a hold whose end Twilio had refused is ended again if the customer is still on hold.
    pub(super) fn our_hold_seen(&mut self) {
        if self.our_hold.is_some_and(|ours| ours.stage == HoldStage::Refused) {
            self.our_hold = self.diagnosis().is_customer_held().then_some(HoldStage::On.into());
        }
    }

    /// Another client ended our hold: a later hold is not ours.
    pub(super) fn forget_refused_hold(&mut self, leg: &CallSid) {
        if self.facts.roster.is_customer(leg) && !self.diagnosis().is_customer_held() {
            self.our_hold = self.our_hold.filter(|ours| ours.stage != HoldStage::Refused);
        }
    }

    /// A callback reports whether the customer was on hold. It may be late: one of our hold may come after that of its end.
    pub(super) fn hold_reported(&mut self, out: &mut Out<'_>, on_hold: bool) {
        if let Some(ours) = &mut self.our_hold {
            ours.is_reported |= on_hold;
        }
        self.repeat_our_hold(out);
    }

    /// Another client has ended our hold: the agent had ended theirs just before their page went, and Twilio did that after it
    /// had begun ours. The customer, who is alone, would hear nothing. It is begun again once. If that hold is ended, too, the customer
    /// hears announcements in the conference. While the agent's page is only silent, its agent may be there, and have ended it.
    pub(super) fn repeat_our_hold(&mut self, out: &mut Out<'_>) {
        let has_begun = |ours: &OurHold| ours.stage == HoldStage::On && ours.is_reported;
        let Some(ours) = self.our_hold.filter(has_begun) else { return };
        let is_wanted = self.is_our_hold_wanted() && self.diagnosis().silent_leg().is_none();
        if self.diagnosis().is_customer_held() || !is_wanted {
            return;
        }
        let Some(recovery) = &mut self.recovery else { return };
        recovery.agent_hold = AgentHold::AsItWas;
        let words_at = recovery.words_at;
        let told = words_at.is_none_or(|at| at + WORDS_LAST <= out.now);
        self.our_hold = None;
        if ours.is_repeated {
            return self.announce(out, if told { Announcement::Comfort } else { Announcement::Interrupted });
        }
        self.begin_our_hold(out, told, words_at.filter(|at| *at > out.now));
        if let Some(ours) = &mut self.our_hold {
            ours.is_repeated = true;
        }
    }

    /// Ends our hold when the customer has an agent.
    pub(super) fn end_our_hold(&mut self, out: &mut Out<'_>) {
        let (Some(ours), Some(customer)) = (self.our_hold, self.facts.roster.customer.clone()) else {
            return;
        };
        if !self.facts.roster.is_customer_joined() {
            self.our_hold = None; // moved, or hung up
            return;
        }
        if matches!(ours.stage, HoldStage::On | HoldStage::Doubtful) && !self.is_our_hold_wanted() {
            let conference = self.conference.clone();
            self.our_hold = Some(HoldStage::Ending.into());
            self.act(out, Action::EndHold { conference, customer }, SOON);
        }
    }

    /// True while the customer hears us on hold.
    fn hears_us_on_hold(&self) -> bool {
        self.our_hold.is_some_and(|ours| matches!(ours.stage, HoldStage::Asked | HoldStage::On))
    }

    pub(super) fn tell_customer(&mut self, out: &mut Out<'_>) {
        let comes = self.diagnosis().has_newcomer();
        // On hold there is no silence, and the agent who joins again expects the customer to be on hold.
        let stays_on_hold = self.our_hold.is_none() && self.diagnosis().is_customer_held();
        let is_hold_doubtful = self.our_hold.is_some_and(|ours| ours.stage == HoldStage::Doubtful);
        let is_playing = self.is_announcement_playing(out.now);
        let Some(recovery) = &mut self.recovery else { return };
        match recovery.phase {
            Phase::Away | Phase::Holding(_) => {}
            // The newcomer is about to talk. If the newcomer is not the agent, the second rung makes the announcement.
            Phase::Rejoining if comes || stays_on_hold => return,
            Phase::Rejoining => {}
            Phase::Grace | Phase::Stranded | Phase::Requeueing(_) | Phase::Queued(_) | Phase::Ended(_) => {
                return;
            }
        }
        let told = std::mem::replace(&mut recovery.announced, true);
        if is_hold_doubtful && !told {
            return self.announce(out, Announcement::Interrupted);
        }
        if self.hold_customer(out, told) {
            return;
        }
        if told && is_playing {
            // Comfort audio whose request arrives before that of the words would keep them from being heard, and what is
            // requested while something plays is still to come when the agent is back.
            return self.set_timer(out, Timer::Announce, out.now + out.config.announce_after);
        }
        if told {
            // No agent joined, and the announcement is over.
            return self.announce(out, Announcement::Comfort);
        }
        match self.facts.roster.customer.clone().filter(|_| self.note_end_of_agent_hold()) {
            // The announcement follows when the customer can hear it.
            Some(customer) => {
                let conference = self.conference.clone();
                self.act(out, Action::ClearCustomerFlags { conference, customer, unhold: true }, SOON);
            }
            None => self.announce(out, Announcement::Interrupted),
        }
    }

    fn note_words(&mut self, at: Millis) {
        match (&mut self.silence, &mut self.recovery) {
            (Some(Silence::Silent { words_at, .. }), _) => *words_at = Some(at),
            (_, Some(recovery)) => recovery.words_at = Some(at),
            (_, None) => {}
        }
    }

    pub(super) fn announce(&mut self, out: &mut Out<'_>, what: Announcement) {
        if what == Announcement::Interrupted {
            self.note_words(out.now);
        }
        let recovery = self.recovery.as_ref().map(|recovery| recovery.absence.id.clone());
        self.announced = Some(Announced { recovery, at: out.now });
        self.act(out, Action::Announce { conference: self.conference.clone(), what }, Millis::seconds(10));
    }

    pub(super) fn clear_customer_flags(&mut self, out: &mut Out<'_>, customer: CallSid, told: bool) {
        // A customer on hold hears the announcement after the hold has ended. No customer hears it twice.
        let unhold = self.note_end_of_agent_hold();
        if !unhold && !told {
            self.announce(out, Announcement::Interrupted);
        }
        self.act(
            out,
            Action::ClearCustomerFlags { conference: self.conference.clone(), customer, unhold },
            SOON,
        );
    }

    /// True while Twilio plays an announcement to the conference, as far as is known.
    fn is_announcement_playing(&self, now: Millis) -> bool {
        self.announced.as_ref().is_some_and(|it| it.at <= now && now < it.at + LONGEST)
    }

    /// What was announced to the conference is over. `of`: the recovery in whose name it was requested, if Twilio says so. What
    /// was requested later, by another recovery, is still to be heard then.
    pub(super) fn announcement_ended(&mut self, out: &mut Out<'_>, of: Option<&RecoveryId>) {
        let newest = self.announced.as_ref().and_then(|announced| announced.recovery.as_ref());
        if of.is_some() && newest.is_some() && of != newest {
            return;
        }
        self.announced = None;
        let still = self.recovery.as_ref().is_some_and(|r| match r.phase {
            // What has ended was the announcement of an earlier recovery: comfort audio would keep the words from being heard.
            Phase::Away => r.announced,
            Phase::Holding(_) | Phase::Stranded => true,
            // Third parties wait until they are moved.
            Phase::Requeueing(_) | Phase::Queued(_) => self.diagnosis().others().next().is_some(),
            // The agent is about to join, and audio that plays cannot be stopped.
            Phase::Grace | Phase::Rejoining | Phase::Ended(_) => false,
        });
        if self.facts.roster.ended || self.hears_us_on_hold() {
            return;
        }
        if still {
            self.announce(out, Announcement::Comfort);
        } else if self.recovery.as_ref().is_some_and(|r| r.phase == Phase::Rejoining) {
            // If no agent has joined by then, the customer hears silence.
            self.set_timer(out, Timer::Announce, out.now + out.config.announce_after);
        }
    }
}
