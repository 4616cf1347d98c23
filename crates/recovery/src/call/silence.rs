//! A page whose push channel is lost without a goodbye, while its leg stands. It may be gone: after a crash Twilio ends the leg
//! only half a minute later. So the page is asked by a call message over the leg. A page that answers by neither way within
//! seconds is silent: a customer who is alone with that leg is told, and kept on our hold.
//!
//! That is a suspicion. The agent counts as on the call: the leg is not removed, nothing is requeued, and the hold ends as soon as
//! the page answers by either way. What follows when the leg leaves, or when the next page says hello, is the same as without it.

use super::{Call, HoldStage, Out};
use crate::facts::Agent;
use crate::{Action, CustomerHold, Note, Outcome, Silence, Timer};
use rejoin_protocol::{CallSid, Millis, WorkerSid};

/// How long the question is tried. An answer that comes later says nothing about the moment of the loss.
const ASKED_WITHIN: Millis = Millis::seconds(5);
/// How long the leg of a silent page may stand. Twilio ends the leg of a browser that it does not reach sooner, so that somebody
/// has a leg that stands for longer: the customer goes back to them.
const STANDS_AT_MOST: Millis = Millis::seconds(60);

impl Call {
    /// True while the page of this leg is being asked.
    pub(super) fn is_asked(&self, leg: &CallSid) -> bool {
        matches!(&self.silence, Some(Silence::Asked { leg: asked }) if asked == leg)
    }

    /// True if this page is to be asked, is being asked, or is silent.
    pub fn doubts_page(&self, worker: &WorkerSid, epoch: u64) -> bool {
        let mut agents = self.doubtful().filter_map(|leg| self.facts.roster.agent(leg));
        agents.any(|agent| agent.worker == *worker && agent.epoch == Some(epoch))
    }

    /// The legs of pages that may be gone.
    fn doubtful(&self) -> impl Iterator<Item = &CallSid> {
        self.unreached.iter().chain(self.silence.as_ref().map(Silence::leg))
    }

    /// The push channel of this page is lost: it is asked over its leg as soon as the customer is alone with it.
    pub(super) fn page_unreached(&mut self, out: &Out<'_>, worker: &WorkerSid, epoch: u64) {
        let config = &out.config;
        let can_be_kept = config.in_place && config.customer_hold != CustomerHold::Off;
        if !can_be_kept || config.answer_within == Millis(0) || self.silence.is_some() {
            return;
        }
        let of_page =
            |agent: &Agent| agent.answers_messages && agent.worker == *worker && agent.epoch == Some(epoch);
        let mut legs = self.facts.roster.agent_legs(|_, agent| of_page(agent));
        legs.retain(|leg| self.diagnosis().can_be_silent(leg));
        if let Some(leg) = legs.pop() {
            self.unreached = Some(leg);
        }
    }

    /// Asks a page whose push channel is lost, once nobody else can talk to the customer.
    fn ask_page(&mut self, out: &mut Out<'_>) {
        let Some(leg) = self.unreached.clone() else { return };
        if !self.diagnosis().can_be_silent(&leg) {
            self.unreached = None;
        } else if self.silence.is_none() && self.may_be_silent(&leg) {
            self.unreached = None;
            self.silence = Some(Silence::Asked { leg: leg.clone() });
            self.act(out, Action::AskPage { conference: self.conference.clone(), leg }, ASKED_WITHIN);
        }
    }

    /// True if a customer is alone with this agent and would hear nothing if the agent were gone. On hold they hear music.
    fn may_be_silent(&self, leg: &CallSid) -> bool {
        self.diagnosis().is_alone_with(leg) && self.our_hold.is_none() && !self.diagnosis().is_customer_held()
    }

    /// Twilio has taken the question, or the answer would say nothing.
    pub(super) fn page_asked(&mut self, out: &mut Out<'_>, leg: &CallSid, outcome: &Outcome) {
        if !self.is_asked(leg) {
            return;
        }
        if *outcome == Outcome::Ok {
            self.set_timer(out, Timer::Answer, out.now + out.config.answer_within);
        } else {
            self.silence = None;
        }
    }

    /// The timer is due: the page has not answered, or its leg has stood for so long that somebody has it.
    pub(super) fn answer_is_overdue(&mut self, out: &mut Out<'_>) {
        match self.silence.take() {
            Some(Silence::Asked { leg }) if self.may_be_silent(&leg) => {
                self.note(out, Note::PageSilent);
                self.silence = Some(Silence::Silent { leg, since: out.now, words_at: None });
                self.set_timer(out, Timer::Answer, out.now + STANDS_AT_MOST);
                self.hold_customer(out, false);
            }
            Some(Silence::Asked { .. } | Silence::Silent { .. }) | None => {}
        }
    }

    /// This page lives: it has sent something.
    pub(crate) fn page_lives(&mut self, out: &mut Out<'_>, worker: &WorkerSid, epoch: u64) {
        if self.doubts_page(worker, epoch) {
            self.end_silence(out);
        }
    }

    /// The page of this leg has answered a call message.
    pub(crate) fn leg_answered(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if self.doubtful().any(|it| it == leg) {
            self.end_silence(out);
        }
    }

    fn end_silence(&mut self, out: &mut Out<'_>) {
        if self.diagnosis().silent_leg().is_some() {
            self.note(out, Note::PageAnswered);
        }
        (self.silence, self.unreached) = (None, None);
        self.clear_timer(out, Timer::Answer);
    }

    /// Ends the suspicion when facts have decided: the agent has left or is being recovered, or somebody else talks to the customer.
    /// When that one has gone, the page is asked again.
    pub(super) fn settle_silence(&mut self, out: &mut Out<'_>) {
        let doubtful = self.silence.as_ref().map(|it| it.leg().clone());
        if let Some(leg) = doubtful.filter(|leg| !self.diagnosis().is_alone_with(leg)) {
            (self.silence, self.unreached) = (None, Some(leg));
            self.clear_timer(out, Timer::Answer);
        }
        self.ask_page(out);
    }

    /// When the announcement began to a customer who was told of this agent's silence and hears us on hold. The outer `None`:
    /// they were not told.
    pub(super) fn told_in_silence(&self, leg: &CallSid) -> Option<Option<Millis>> {
        let hears_us = self.our_hold.is_some_and(|it| matches!(it.stage, HoldStage::Asked | HoldStage::On));
        match &self.silence {
            Some(Silence::Silent { leg: silent, words_at, .. }) if silent == leg && hears_us => {
                Some(*words_at)
            }
            Some(Silence::Asked { .. } | Silence::Silent { .. }) | None => None,
        }
    }
}
