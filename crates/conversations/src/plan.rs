//! The desired actions, and when to poll again, from the diagnosis of a conversation. The plan writes and remembers nothing:
//! the [requests](crate::Requests) leave out what is in flight or was requested already, so that the effects are the difference.

use crate::absence::{Absence, Cause};
use crate::action::{Action, Once, Slot, Telling};
use crate::diagnosis::{Attendance, Diagnosis, InviteState, Session, Step};
use crate::facts::{ChannelState, Participant, Place};
use crate::policy::{AtDeadline, WhenUnattended};
use crate::requests::Requests;
use rejoin_protocol::{Millis, ParticipantSid, WorkerSid};
use std::collections::BTreeMap;

/// The shortest time between two polls.
const POLLS_APART: Millis = Millis::seconds(5);
/// The time between two polls at something that should have ended by now.
const POLL_AGAIN: Millis = Millis::seconds(60);
/// How much longer than usual Flex may take to set an agent offline: it has to notice that a network is cut. For so long an invite waits.
const STILL_AVAILABLE: Millis = Millis::seconds(60);
/// The time between two polls in that time.
const ASK_AGAIN: Millis = Millis::seconds(15);
/// The shortest timeout of an invite.
const SHORTEST_INVITE: Millis = Millis::seconds(1);

/// What should be requested, and when the conversation is to be judged again.
#[derive(Debug, Default)]
pub(crate) struct Desired {
    pub(crate) actions: Vec<Action>,
    /// Points in time, which may have passed.
    pub(crate) again_at: Vec<Millis>,
}

/// The input of the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) of: Diagnosis<'a>,
    pub(crate) attendance: Attendance,
    pub(crate) session: &'a Session,
    pub(crate) requests: &'a Requests,
    /// The agents who were lost in this absence, or in the last one that ended with another participant.
    pub(crate) lost: &'a BTreeMap<ParticipantSid, WorkerSid>,
}

impl Plan<'_> {
    /// What is desired now.
    pub(crate) fn desired(self) -> Desired {
        let mut desired = Desired::default();
        if self.is_over() {
            return desired;
        }
        let Some(place) = self.of.facts.place() else {
            self.for_claim(&mut desired);
            return desired;
        };
        if let Some(absence) = self.of.absence {
            self.for_absence(absence, place, &mut desired);
        }
        self.for_superseded(place, &mut desired);
        self.for_session(place, &mut desired);
        self.for_poll(&mut desired);
        desired
    }

    /// A poll at the channel that only a page names. Nothing else is done there.
    fn for_claim(self, desired: &mut Desired) {
        let Some((at, place)) = self.of.facts.claimed() else { return };
        if self.is_due(at, desired) {
            desired.actions.push(Action::Poll {
                place: place.clone(),
                routing: false,
                task: None,
                confirm: true,
                watch: false,
                workers: false,
            });
        }
    }

    fn is_over(self) -> bool {
        matches!(self.attendance, Attendance::Foreign | Attendance::Closed)
    }

    fn is_due(self, at: Millis, desired: &mut Desired) -> bool {
        desired.again_at.push(at);
        self.of.now >= at
    }

    /// A poll on which something depends.
    fn poll(self, desired: &mut Desired) {
        self.poll_unless_just_asked(false, desired);
    }

    /// A poll, unless Twilio was asked a moment ago.
    fn poll_unless_just_asked(self, watch: bool, desired: &mut Desired) {
        let Some(place) = self.of.facts.place() else { return };
        let last = self.of.facts.roster().asked_at();
        if last.is_some_and(|last| !self.is_due(last + POLLS_APART, desired)) {
            return;
        }
        let is_transferred = self.of.facts.channel().state() == ChannelState::Transferring;
        let poll = Action::Poll {
            place: place.clone(),
            routing: self.of.absence.is_some() || is_transferred || self.of.agents().next().is_none(),
            task: self.of.routing_task().cloned(),
            confirm: false,
            watch,
            workers: self.of.asks_for_workers(),
        };
        if !desired.actions.iter().any(|action| matches!(action, Action::Poll { .. })) {
            desired.actions.push(poll);
        }
    }
}

/// Polls for what no webhook may have said.
impl Plan<'_> {
    fn for_poll(self, desired: &mut Desired) {
        let asked_at = self.of.facts.roster().asked_at();
        if self.attendance == Attendance::Undecided || self.has_new_claim() {
            return self.poll(desired);
        }
        let confirms = self.requests.confirms_at().filter(|at| asked_at < Some(*at));
        if confirms.is_some_and(|at| self.is_due(at, desired)) {
            self.poll(desired);
        }
        if self.watched_at(asked_at).is_some_and(|at| self.is_due(at, desired)) {
            self.poll_unless_just_asked(true, desired);
        }
    }

    /// A page claims the conversation, and Twilio does not show its agent there: the webhook of their join may be lost.
    fn has_new_claim(self) -> bool {
        let roster = self.of.facts.roster();
        let is_on_it = |worker| roster.agents().any(|(_, agent)| agent.worker() == Some(worker));
        let mut claims = self.of.facts.statements().claims();
        // A page has a conversation that nobody should have.
        let is_left = matches!(self.attendance, Attendance::Paused | Attendance::Left | Attendance::Parked);
        claims.any(|(worker, at)| {
            (is_left || !is_on_it(worker)) && roster.asked_at().is_none_or(|asked| asked < at)
        })
    }

    fn watched_at(self, asked_at: Option<Millis>) -> Option<Millis> {
        let watch = self.of.policy.watch;
        let is_watched = match self.attendance {
            Attendance::Paused
            | Attendance::Waiting
            | Attendance::Unjudged
            | Attendance::Attended
            | Attendance::Graceful => true,
            Attendance::Foreign
            | Attendance::Closed
            | Attendance::Undecided
            | Attendance::Left
            | Attendance::Parked
            | Attendance::Awaited
            | Attendance::Unattended
            | Attendance::Unrouted
            | Attendance::Woken => false,
        };
        asked_at.filter(|_| is_watched && watch > Millis(0)).map(|asked_at| asked_at + watch)
    }
}

/// An absence.
impl Plan<'_> {
    fn for_absence(self, absence: &Absence, place: &Place, desired: &mut Desired) {
        let is_over = self.is_due(absence.deadline, desired);
        // An agent may have come whose join no webhook has reported: nobody is parked away from them.
        if is_over && !self.of.was_asked_since(Some(absence.deadline)) {
            return self.poll(desired);
        }
        // Only a fresh judgement counts; an open task, which brings the next agent, is awaited.
        let is_judged =
            matches!(self.attendance, Attendance::Unattended | Attendance::Unrouted | Attendance::Woken);
        let parks = !is_over && is_judged && self.parks_at_once(absence);
        let number = absence.number;
        if is_judged && self.of.policy.tell && matches!(absence.cause, Cause::Unattended { .. }) {
            let what = match parks {
                true => Telling::Parked { absence: number, began_at: absence.began_at },
                false => Telling::AgentGone { absence: number, began_at: absence.began_at },
            };
            desired.actions.push(Action::Tell { what });
        }
        // A message makes an inactive conversation active, and none gets into a closed one: it comes first.
        let is_told = self.requests.has_requested(Once::TellAbsence(number, absence.began_at));
        let is_telling = self.requests.is_busy(&Slot::Tell) || (!desired.actions.is_empty() && !is_told);
        match self.of.policy.at_deadline {
            _ if is_telling && (is_over || parks) => {}
            AtDeadline::Close if is_over => {
                desired.actions.push(Action::Close { place: place.clone(), silent_since: None });
            }
            AtDeadline::Park if is_over => desired.actions.push(self.parking(place)),
            _ if parks => desired.actions.push(self.parking(place)),
            _ => self.for_invite(absence, place, is_judged, desired),
        }
    }

    /// True if the conversation is parked instead of routed, because nobody waits for an answer.
    fn parks_at_once(self, absence: &Absence) -> bool {
        let is_routed =
            self.of.facts.invites().last_number() > absence.after_invite || self.of.has_open_invite();
        self.of.policy.when_unattended == WhenUnattended::Park
            && matches!(absence.cause, Cause::Unattended { .. })
            && self.of.facts.unanswered_since().is_none()
            && !is_routed
    }

    fn parking(self, place: &Place) -> Action {
        Action::Park {
            place: place.clone(),
            after_message: self.of.facts.customer_wrote().map(|(index, _)| index),
            after_invite: self.of.facts.invites().last_number(),
        }
    }

    /// The last agent first, then any: never two invites at a time.
    fn for_invite(self, absence: &Absence, place: &Place, is_judged: bool, desired: &mut Desired) {
        // Only a poll during an absence reads the newest task, which shows an invite whose answer was lost.
        if self.of.may_have_lost_invite() && !self.of.was_asked_since(Some(absence.began_at + Millis(1))) {
            return self.poll(desired);
        }
        let made = self.of.facts.invites().last_number().saturating_sub(absence.after_invite);
        match self.of.invite_state() {
            Some(InviteState::Open { until }) => {
                // TaskRouter's event may be missed.
                let asked_at = self.of.facts.roster().asked_at().unwrap_or_default();
                let again_at = if asked_at < until { until } else { asked_at + POLL_AGAIN };
                if self.is_due(again_at, desired) {
                    self.poll(desired);
                }
                return;
            }
            Some(InviteState::Over { at }) if made > 0 => {
                let again_at = at + self.of.policy.pause_after(made);
                if !self.is_due(again_at, desired) {
                    return;
                }
                // An invite whose answer was lost may be open, and an agent may have come.
                if !self.of.was_asked_since(Some(again_at)) {
                    self.poll(desired);
                    return;
                }
            }
            Some(InviteState::Over { .. }) | None => {}
        }
        if !is_judged {
            return;
        }
        // The agent who is gone may count as available yet.
        let is_offline_at = self.of.away().map(|(_, since, _)| since + self.of.policy.offline_within);
        if is_offline_at.is_some_and(|at| !self.is_due(at, desired)) {
            return;
        }
        if self.of.asks_for_workers() {
            if !self.of.was_asked_since(is_offline_at) {
                return self.poll(desired);
            }
            // TaskRouter would offer the invite to them, and to nobody else until the reservation times out.
            let latest = is_offline_at.map(|at| at + STILL_AVAILABLE);
            if self.of.has_available_agent() && latest.is_some_and(|at| !self.is_due(at, desired)) {
                let asked_at = self.of.facts.roster().asked_at().unwrap_or_default();
                if self.is_due(asked_at + ASK_AGAIN, desired) {
                    self.poll(desired);
                }
                return;
            }
        }
        let tasks = self.of.facts.tasks();
        let Some(task) = absence.task.as_ref().or_else(|| tasks.newest()) else {
            let asked_at = self.of.facts.roster().asked_at().unwrap_or_default();
            if self.is_due(asked_at + POLL_AGAIN, desired) {
                self.poll(desired);
            }
            return;
        };
        let left = self.of.now.until(absence.deadline);
        desired.actions.push(Action::Invite {
            place: place.clone(),
            number: self.of.facts.invites().last_number() + 1,
            began_at: absence.began_at,
            task: task.clone(),
            workflow: self.of.facts.workflow().cloned(),
            target: absence.last_agent.clone().filter(|_| made == 0),
            timeout: self.of.policy.invite_within.min(left).max(SHORTEST_INVITE),
        });
    }
}

/// Lost agents in whose place another participant has joined.
impl Plan<'_> {
    fn for_superseded(self, place: &Place, desired: &mut Desired) {
        let superseded = self.of.agents().filter(|(sid, agent)| self.is_superseded(sid, agent));
        for (participant, _) in superseded {
            let participant = participant.clone();
            desired.actions.push(Action::CloseParticipant { place: place.clone(), participant });
        }
    }

    fn is_superseded(self, sid: &ParticipantSid, agent: &Participant) -> bool {
        let mut others = self.of.agents().filter(|(other, _)| *other != sid);
        others.any(|(other, next)| {
            // The same agent has it twice, the second time by our invite.
            let is_again = next.worker().is_some() && next.worker() == agent.worker();
            let is_later = next.joined_by() > agent.joined_by();
            let is_ours = next.task().is_some_and(|task| self.of.facts.invites().brought(task));
            let is_lost = self.lost.contains_key(sid) && !self.lost.contains_key(other);
            (is_again && is_later && is_ours) || (is_lost && self.of.is_away(agent))
        })
    }
}

/// Session inactivity.
impl Plan<'_> {
    fn for_session(self, place: &Place, desired: &mut Desired) {
        for steps in &self.session.steps {
            let Some((step, at)) = self.next_step(steps) else { continue };
            if !self.is_due(at, desired) {
                continue;
            }
            // A message that no webhook has reported ends the silence.
            if !self.of.was_asked_since(Some(at)) {
                self.poll(desired);
                continue;
            }
            match step {
                Step::Close | Step::AsyncClose if self.requests.is_busy(&Slot::Tell) => {}
                Step::Close | Step::AsyncClose => {
                    let silent_since = Some(self.session.idle_since);
                    desired.actions.push(Action::Close { place: place.clone(), silent_since });
                }
                Step::Alert | Step::SecondAlert | Step::AsyncAlert => {
                    let what = Telling::Idle { step, since: self.session.idle_since };
                    desired.actions.push(Action::Tell { what });
                }
            }
        }
    }

    /// The first step that the customer was not told about, and when it is due (point in time). After an outage, too, each step keeps
    /// its distance from the one before: nobody is alerted and closed out at once.
    fn next_step(self, steps: &[(Step, Millis)]) -> Option<(Step, Millis)> {
        let since = self.session.idle_since;
        let (mut from, mut before) = (since, Millis(0));
        for (step, after) in steps {
            match self.requests.alerted_at(*step, since) {
                Some(told_at) => (from, before) = (told_at, *after),
                None if self.requests.has_requested(Once::TellIdle(*step, since)) => return None,
                None => return Some((*step, from + (*after - before))),
            }
        }
        None
    }
}

impl Desired {
    /// The next point in time after now at which the conversation is to be judged again.
    pub(crate) fn next_at(&self, now: Millis, requests: &Requests) -> Option<Millis> {
        let waits = self.actions.iter().filter_map(|action| requests.not_before(&action.traits().slot));
        let confirms = requests.confirms_at();
        self.again_at.iter().copied().chain(waits).chain(confirms).filter(|at| *at > now).min()
    }
}
