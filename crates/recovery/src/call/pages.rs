//! Pages that come and go: the hello of a newer page, and the goodbye of a page that leaves its leg standing.

use super::{Call, Out};
use crate::absence::{AHEAD, Phase};
use crate::facts::Agent;
use crate::{Note, Timer};
use rejoin_protocol::api::{Hello, Holding};
use rejoin_protocol::{CallSid, Millis, WorkerSid};

/// How long after the announcement began a customer who has company is taken to have talked. It lasts longer than those who talk
/// for a moment, so a customer is not told twice of one interruption.
const TALKED_AFTER: Millis = Millis::seconds(4);

impl Call {
    /// A page of the worker has loaded, and reports the reservations that it found.
    pub(crate) fn hello(
        &mut self,
        out: &mut Out<'_>,
        worker: &WorkerSid,
        hello: &Hello,
        older_page_connected: bool,
    ) {
        self.page_lives(out, worker, hello.epoch);
        self.note_back_by_page(out, worker, hello.epoch);
        let holding = self.holding(worker, hello);
        let older_may_live =
            may_live(holding, older_page_connected) || self.has_leg_from_another_browser(worker, hello.epoch);
        if let Some(holding) = holding {
            self.page_finds_task(out, worker, hello.epoch, holding, older_may_live);
        }
        self.facts.pages.says_availability(worker, hello.epoch, !hello.unavailable);
        self.poll_for_legs(out);
        if self.closed {
            return;
        }
        match holding {
            Some(holding) if !older_page_connected => self.note_unclaimed(out, worker, holding),
            Some(_) => {}
            None => self.page_is_alive(worker, hello.epoch),
        }
        for leg in self.facts.roster.agent_legs(|_, agent| agent.worker == *worker) {
            self.newer_page_says(out, &leg, hello.epoch, holding, older_may_live);
        }
        // After a join in place the reservation wraps up with the leg before, which says nothing about the new one.
        if hello.accepts_ping || holding.is_none_or(|holding| holding.wrapping) {
            self.page_outlived_its_leg(out, worker, hello);
        }
    }

    /// A page has loaded while Twilio has not confirmed yet that its worker has a reservation of this call, as an older page says.
    /// What the page found counts once it has.
    pub(crate) fn hello_before_proof(
        &mut self,
        worker: &WorkerSid,
        hello: &Hello,
        older_page_connected: bool,
    ) {
        if let Some(holding) = self.holding(worker, hello) {
            let older_may_live = may_live(Some(holding), older_page_connected);
            self.facts.pages.finds_task(worker, hello.epoch, holding, older_may_live);
        }
    }

    /// What this page says about the call.
    fn holding<'a>(&self, worker: &WorkerSid, hello: &'a Hello) -> Option<&'a Holding> {
        let own = |holding: &&Holding| {
            holding.task == self.task && !self.is_foreign_reservation(worker, &holding.reservation)
        };
        hello.holdings.iter().find(own)
    }

    /// The page has found the task, and has no call for it.
    fn page_finds_task(
        &mut self,
        out: &mut Out<'_>,
        worker: &WorkerSid,
        epoch: u64,
        holding: &Holding,
        older_may_live: bool,
    ) {
        let is_missed = self.recovery.as_ref().is_some_and(|it| it.absence.agent.worker == *worker);
        if is_missed && self.diagnosis().is_newest_page_gone() {
            self.newcomers_are_bystanders();
        }
        if self.facts.pages.finds_task(worker, epoch, holding, older_may_live) {
            self.facts.roster.joined_legs_may_be_older_pages();
        }
        if self.facts.roster.agents.is_empty() && !self.closed {
            // The page was refreshed before it registered: the call is looked up instead.
            self.look_up_task(out);
        }
    }

    /// A page that may be newer than the leg's has said hello.
    fn newer_page_says(
        &mut self,
        out: &mut Out<'_>,
        leg: &CallSid,
        epoch: u64,
        holding: Option<&Holding>,
        older_may_live: bool,
    ) {
        let is_newer = |agent: &&mut Agent| Some(epoch) > agent.epoch;
        let Some(agent) = self.facts.roster.agents.get_mut(leg).filter(is_newer) else { return };
        agent.newer_page = agent.newer_page.max(Some(epoch));
        let agent = agent.clone();
        let Some(holding) = holding.filter(|it| it.reservation == agent.reservation) else { return };
        let older_may_live = older_may_live || agent.lives_beside >= Some(epoch);
        if holding.wrapping {
            if !self.facts.roster.is_back_in_place(&agent.reservation) {
                return self.await_leave(out, leg);
            } else if older_may_live {
                return; // the page that is back has the call
            }
        }
        let is_orphaned = self.is_orphaned_leg(leg, &agent, older_may_live);
        if !older_may_live {
            self.forget_refused_transfer(out, leg);
        }
        if is_orphaned {
            self.leave_orphaned_leg(out, leg, epoch, holding.can_join);
        }
    }

    /// True if this leg is orphaned: a newer page of the agent found the reservation accepted and has no call for it, and no
    /// older page may have the call.
    fn is_orphaned_leg(&self, leg: &CallSid, agent: &Agent, older_may_live: bool) -> bool {
        (!older_may_live || self.diagnosis().is_absent(leg))
            && self.facts.roster.is_joined(leg)
            && !self.diagnosis().is_accounted_for(leg, agent)
    }

    /// Handles an orphaned leg: the agent joins in place, or the leg is removed.
    fn leave_orphaned_leg(&mut self, out: &mut Out<'_>, leg: &CallSid, epoch: u64, can_join: bool) {
        if !(out.config.in_place && can_join) {
            self.remove_leg(out, leg);
        } else if self.diagnosis().may_be_taken_away(leg, out.now, out.config.leave_within) {
            // Twilio may still take the leg away for the transfer, or refuse it.
            self.expect_transfer(out, leg, epoch.saturating_sub(1)); // the page of the leg is gone, not this one
        } else {
            self.join_in_place(out, leg);
        }
    }

    /// The page of the lost leg lives: only its phone connection failed. Or an older page of the agent, in another tab, has accepted
    /// the ping. Without TaskRouter's events nothing but the hello says so.
    fn page_outlived_its_leg(&mut self, out: &mut Out<'_>, worker: &WorkerSid, hello: &Hello) {
        let Some(recovery) = &mut self.recovery else { return };
        let lives = self.facts.roster.agent(&recovery.absence.lost_leg).is_some_and(|lost| {
            lost.worker == *worker && (hello.accepts_ping || lost.epoch == Some(hello.epoch))
        });
        let awaited = matches!(recovery.phase, Phase::Holding(_)) && !recovery.too_often;
        if lives && awaited && !recovery.absence.back {
            recovery.ping.is_accepted = true;
            self.proved_reachable(out);
        }
    }

    /// A page that counted as gone lives, and has its call: its registration was not its last request. It may be in another
    /// browser, which answered the leg that the agent's newest page asked for.
    pub(super) fn page_is_alive(&mut self, worker: &WorkerSid, epoch: u64) {
        for agent in
            self.facts.roster.agents.values_mut().filter(|it| it.worker == *worker && it.epoch == Some(epoch))
        {
            agent.left_behind = false;
        }
        for kept in self.facts.ownership.registrations.iter_mut().filter(|kept| kept.worker == *worker) {
            kept.lives |= kept.registration.epoch == epoch;
        }
    }

    /// Handles legs that became known after their agent's next page had said hello: they are orphaned. They are treated as
    /// that hello would have treated them.
    pub(super) fn handle_looked_up_legs(&mut self, out: &mut Out<'_>) {
        if !self.facts.ownership.registrations.is_empty() {
            return;
        }
        for leg in self.facts.roster.agent_legs(|_, agent| agent.epoch.is_none()) {
            self.handle_late_leg(out, &leg);
        }
    }

    /// Handles one such leg.
    pub(super) fn handle_late_leg(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let Some(agent) = self.facts.roster.agent(leg) else { return };
        let alone = self.facts.pages.newest_sole_page(&agent.worker);
        let is_orphaned_leg = agent.newer_page.is_some() && agent.newer_page == alone;
        // The agent has the leg in another browser.
        let lives_beside = (agent.lives_beside.is_some() && agent.lives_beside >= alone)
            || agent.epoch.is_some_and(|epoch| self.is_in_another_browser(&agent.worker, leg, epoch));
        if !is_orphaned_leg
            || lives_beside
            || self.diagnosis().is_accounted_for(leg, agent)
            || !self.facts.roster.is_joined(leg)
        {
            return;
        }
        if out.config.in_place && self.facts.pages.is_joinable(&agent.worker) {
            self.join_in_place(out, leg);
        } else {
            self.remove_leg(out, leg);
        }
    }

    /// The page has said goodbye and left its leg standing.
    pub(crate) fn goodbye(&mut self, out: &mut Out<'_>, worker: &WorkerSid, epoch: u64) {
        if !out.config.in_place || self.closed {
            return;
        }
        let mut own = self.facts.roster.agents.values().filter(|agent| agent.worker == *worker);
        let has_overtaken_registration = !own.any(|agent| agent.epoch == Some(epoch));
        let is_customer_joined = self.facts.roster.is_customer_joined();
        let awaits_legs = !is_customer_joined && self.awaits_legs();
        if has_overtaken_registration || awaits_legs {
            self.facts.pages.says_goodbye(worker, epoch);
        }
        if !is_customer_joined {
            return self.poll_for_legs(out);
        }
        for leg in self.facts.roster.agent_legs(|_, agent| agent.worker == *worker) {
            self.forget_old_mark(out, &leg);
            self.forget_refused_transfer(out, &leg);
            self.expect_transfer(out, &leg, epoch);
        }
        self.page_lives(out, worker, epoch);
        match self.leg_of_page(worker, epoch) {
            Some(leg) => self.page_gone(out, &leg),
            None => self.joining_page_gone(out),
        }
    }

    /// The leg by which the agent of this page, or of an older one, is on the call, unless they have said that they leave. An older
    /// page in another browser is not gone with this one.
    fn leg_of_page(&self, worker: &WorkerSid, epoch: u64) -> Option<CallSid> {
        let is_elsewhere = |leg: &CallSid, own: Option<u64>| {
            own.is_some_and(|own| own < epoch && self.is_in_another_browser(worker, leg, own))
        };
        let of_page = |(leg, agent): &(&CallSid, &Agent)| {
            agent.worker == *worker
                && agent.epoch <= Some(epoch)
                && !is_elsewhere(leg, agent.epoch)
                && !self.decisions.is_settled(leg)
                && self.diagnosis().is_on_call(leg, agent)
                && !self.facts.marks.is_given(&agent.reservation)
        };
        self.facts.roster.agents.iter().find(of_page).map(|(leg, _)| leg.clone())
    }

    /// The page of this leg is gone: the agent is away.
    fn page_gone(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if self.diagnosis().is_accompanied(leg) || self.has_open_recovery() {
            self.goes_away_covered(out, leg);
            return;
        }
        self.note(out, Note::PageGone);
        self.begin(out, leg, Phase::Away);
        if self.is_lost_too_often() {
            self.set_timer(out, Timer::Ping, out.now + out.config.grace);
        } else {
            self.set_timer(out, Timer::Announce, out.now + out.config.announce_after);
            self.set_timer(out, Timer::Ping, out.now + (out.config.ping_ttl - AHEAD));
            self.hold_at_once(out);
        }
        self.push(out);
    }

    /// The page that was about to join in place is gone, too: the announcement is due as if the page had not come.
    fn joining_page_gone(&mut self, out: &mut Out<'_>) {
        let joins = self.recovery.as_ref().filter(|recovery| recovery.phase == Phase::Rejoining);
        let Some(lost_at) = joins.map(|recovery| recovery.absence.lost_at) else { return };
        if self.diagnosis().is_newest_page_gone() {
            self.forget_words_before_newcomer(out.now);
            self.set_timer(out, Timer::Announce, out.now.max(lost_at + out.config.announce_after));
        }
    }

    /// A customer who has talked since the announcement, to an agent whose leg was not registered yet, hears it again.
    fn forget_words_before_newcomer(&mut self, now: Millis) {
        let has_company = self.diagnosis().others().any(|(leg, _)| !self.diagnosis().is_bystander(leg));
        if let Some(recovery) = self.recovery.as_mut().filter(|_| has_company) {
            recovery.announced &= recovery.words_at.is_none_or(|began| now < began + TALKED_AFTER);
        }
    }

    /// True if this registration is the last request of a page that is gone, while its agent is missed: its leg is orphaned,
    /// and the agent is not back by it. A page that lives registers again.
    pub(super) fn take_goodbye_of(&mut self, worker: &WorkerSid, leg: &CallSid, epoch: u64) -> bool {
        let missed = |r: &super::Recovery| {
            r.is_open() && r.absence.agent.worker == *worker && r.absence.lost_leg != *leg
        };
        if !self.recovery.as_ref().is_some_and(missed) {
            return false;
        }
        let is_elsewhere = self.is_in_another_browser(worker, leg, epoch);
        let said = match is_elsewhere {
            // The goodbye of a page in the browser that asked for the leg says nothing about the one that answered it.
            true => self.facts.pages.has_said_goodbye(worker, epoch),
            false => self.facts.pages.newest_goodbye(worker) >= Some(epoch),
        };
        if said {
            self.facts.pages.goodbyes_are_handled(worker);
        }
        let newer = self.facts.pages.newest_sole_page(worker) > Some(epoch);
        said || (newer && !is_elsewhere)
    }

    /// True if this page is in another browser than the newest page that is alone, and its leg joined after that page's
    /// hello.
    fn is_in_another_browser(&self, worker: &WorkerSid, leg: &CallSid, epoch: u64) -> bool {
        let stood = self.facts.roster.leg(leg).is_some_and(|there| there.stood);
        self.facts.pages.other_browser(worker) == Some(epoch) && !stood
    }

    /// True if an older page than this one has come from another browser than the page before it, and has joined the call by a leg
    /// of its own. This page may be of either browser, so its hello does not prove that the older page is gone.
    fn has_leg_from_another_browser(&self, worker: &WorkerSid, epoch: u64) -> bool {
        let came = |(leg, agent): (&CallSid, &Agent)| {
            agent.worker == *worker
                && agent.epoch < Some(epoch)
                && agent.epoch.is_some_and(|older| self.is_in_another_browser(worker, leg, older))
                && self.facts.roster.is_joined(leg)
                && !self.diagnosis().is_absent(leg)
        };
        self.facts.roster.agents.iter().any(came)
    }

    /// Applies a goodbye that arrived before the registration. It is applied once: a page that lives may register again.
    pub(crate) fn apply_earlier_goodbye(
        &mut self,
        out: &mut Out<'_>,
        worker: &WorkerSid,
        epoch: Option<u64>,
    ) {
        if let Some(said) = self.facts.pages.newest_goodbye(worker).filter(|said| Some(*said) >= epoch) {
            self.facts.pages.goodbyes_are_handled(worker);
            self.goodbye(out, worker, said);
        }
    }
}

/// True if an older page than the one that says this may live. The pages of another browser are unknown: such a page may live
/// although its push channel is down.
fn may_live(holding: Option<&Holding>, older_page_connected: bool) -> bool {
    older_page_connected || holding.is_some_and(|holding| holding.other_browser)
}
