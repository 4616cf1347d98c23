//! One conversation: its facts, its absence, its requests and its timer. Each event is handled in the same steps: the facts
//! take what it says; the conversation is judged; an absence begins or ends; the difference between what is desired and what is
//! in flight is requested; the timer is set.

use crate::absence::{Absence, Cause, Ending};
use crate::action::{Action, Telling};
use crate::desk::Desk;
use crate::diagnosis::{ATTENDANCE, Attendance, Diagnosis, Row, idle_since};
use crate::effect::{Effect, Note};
use crate::event::{Event, Outcome};
use crate::facts::{ChannelState, Facts, Participant};
use crate::format::Format;
use crate::plan::{Desired, Plan};
use crate::policy::{Policies, Policy};
use crate::requests::Requests;
use rejoin_protocol::{ConversationSid, Millis, ParticipantSid, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a conversation is judged by, besides what is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) now: Millis,
    pub(crate) desks: &'a BTreeMap<WorkerSid, Desk>,
    /// Since when servers hear pages without a gap (point in time).
    pub(crate) listening_since: Millis,
}

/// One conversation, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    format: Format,
    conversation: ConversationSid,
    #[serde(default)]
    facts: Facts,
    /// The row of the table that decided last, and since when it does (point in time). The next judgement corrects it: nothing is
    /// decided by it, so another release may number its rows otherwise.
    #[serde(default)]
    judged: Option<(usize, Millis)>,
    #[serde(default)]
    absence: Option<Absence>,
    /// How many absences there were.
    #[serde(default)]
    absences: u32,
    /// How the last absence ended, and when (point in time).
    #[serde(default)]
    last: Option<(Ending, Millis)>,
    /// Agents who were lost, in whose place another participant has joined, until Twilio has closed theirs.
    #[serde(default)]
    superseded: BTreeMap<ParticipantSid, WorkerSid>,
    #[serde(default)]
    requests: Requests,
    /// When the timer is due (point in time).
    #[serde(default)]
    timer: Option<Millis>,
    /// Since when nothing more happens here (point in time).
    #[serde(default)]
    over_since: Option<Millis>,
}

impl Conversation {
    /// A new conversation: nothing is known about it yet.
    pub(crate) fn new(conversation: ConversationSid) -> Self {
        Self {
            format: Format,
            conversation,
            facts: Facts::default(),
            judged: None,
            absence: None,
            absences: 0,
            last: None,
            superseded: BTreeMap::new(),
            requests: Requests::default(),
            timer: None,
            over_since: None,
        }
    }

    /// The conversation.
    pub fn sid(&self) -> &ConversationSid {
        &self.conversation
    }

    /// What is known of it.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The row of [`ATTENDANCE`] that decided when it was judged last, its index, and since when it decides (point in time); `None`:
    /// this release has not judged it yet.
    pub fn judged(&self) -> Option<(&'static Row, usize, Millis)> {
        let (row, since) = self.judged?;
        Some((ATTENDANCE.get(row)?, row, since))
    }

    /// Its absence, while it has nobody.
    pub fn absence(&self) -> Option<&Absence> {
        self.absence.as_ref()
    }

    /// How the last absence ended, and when (point in time).
    pub fn last_ending(&self) -> Option<(Ending, Millis)> {
        self.last
    }

    /// What is requested of Twilio.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// When its timer is due (point in time).
    pub fn timer(&self) -> Option<Millis> {
        self.timer
    }

    /// True while an action that was requested is still wanted; asked before each attempt. What is said or done for an absence is wanted
    /// until the absence ends; closing the participant of the agent who is gone, while another agent is there; a step of inactivity, until
    /// somebody writes.
    pub fn wants(&self, action: &Action) -> bool {
        let is_open = |begun: Millis| self.absence.as_ref().is_some_and(|absence| absence.began_at == begun);
        let is_silent = |since: Millis| idle_since(&self.facts, self.last.map(|(_, at)| at)) <= Some(since);
        match action {
            Action::Tell { what: Telling::AgentGone { began_at, .. } | Telling::Parked { began_at, .. } }
            | Action::Invite { began_at, .. } => is_open(*began_at),
            // One whose answer was lost has ended the absence.
            Action::Park { .. } => {
                self.absence.is_some() || self.facts.channel().state() == ChannelState::Inactive
            }
            Action::Close { silent_since: None, .. } => self.absence.is_some(),
            Action::Tell { what: Telling::Idle { since, .. } }
            | Action::Close { silent_since: Some(since), .. } => is_silent(*since),
            Action::CloseParticipant { participant, .. } => {
                self.facts.roster().agents().any(|(sid, _)| sid != participant)
            }
            Action::Poll { .. } => true,
        }
    }

    /// Its settings.
    pub(crate) fn policy(&self, policies: &Policies) -> Policy {
        policies.of(self.facts.workflow(), self.facts.kind())
    }

    /// The diagnosis.
    pub(crate) fn diagnosis<'a>(&'a self, around: Surroundings<'a>, policy: &'a Policy) -> Diagnosis<'a> {
        Diagnosis {
            now: around.now,
            facts: &self.facts,
            desks: around.desks,
            policy,
            absence: self.absence.as_ref(),
            listening_since: around.listening_since,
        }
    }

    /// Takes what an event says. False if it is the late answer to an action that was not requested.
    pub(crate) fn observe(&mut self, now: Millis, event: &Event, effects: &mut Vec<Effect>) -> bool {
        if let Event::Done { action, outcome, .. } = event {
            let ok = !matches!(outcome, Outcome::Failed { .. });
            if !self.requests.ended(now, action, ok) {
                return false;
            }
            if !ok {
                self.note(effects, Note::Refused { action: action.name() });
            } else if let (Action::Tell { what }, Some(absence)) = (action, &mut self.absence)
                && what.is_about(absence.number)
            {
                absence.told_at = Some(now);
            }
        }
        self.facts.observe(Facts::said(now, event));
        self.facts.forget_old();
        true
    }

    /// Judges the conversation, and requests what is desired. True if it is to be forgotten.
    pub(crate) fn settle(
        &mut self,
        around: Surroundings<'_>,
        policies: &Policies,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let now = around.now;
        let policy = self.policy(policies);
        let (row, attendance) = self.diagnosis(around, &policy).row();
        if self.judged.is_none_or(|(before, _)| before != row) {
            self.judged = Some((row, now));
        }
        match self.ending(attendance) {
            Some(ending) => self.end_absence(now, ending, effects),
            None => self.begin_absence(around, (row, attendance), &policy, effects),
        }
        let (desired, changes_at) = self.desired(around, attendance, &policy);
        let next_at = [desired.next_at(now, &self.requests), changes_at].into_iter().flatten().min();
        for action in self.requests.reconcile(now, desired.actions) {
            let until = now + action.traits().tried_for;
            effects.push(Effect::Act { conversation: self.conversation.clone(), action, until });
        }
        self.superseded.retain(|sid, _| self.facts.roster().present().any(|(there, _)| there == sid));
        if self.note_whether_over(now, attendance, &policy, next_at) {
            effects.push(Effect::Forget { conversation: self.conversation.clone() });
            return true;
        }
        let forgotten_at = self.over_since.map(|since| since + policy.keep_closed);
        let forgotten_at = forgotten_at.filter(|at| *at > now);
        self.set_timer(next_at.into_iter().chain(forgotten_at).min(), effects);
        debug_assert!(
            self.has_agent_or_deadline(attendance),
            "a conversation without agent or deadline: {attendance:?} {self:?}"
        );
        false
    }

    fn desired(
        &self,
        around: Surroundings<'_>,
        attendance: Attendance,
        policy: &Policy,
    ) -> (Desired, Option<Millis>) {
        let of = self.diagnosis(around, policy);
        let session = of.session(self.last.map(|(_, at)| at));
        let lost = self.absence.as_ref().map_or(&self.superseded, |absence| &absence.lost);
        let plan = Plan { of, attendance, session: &session, requests: &self.requests, lost };
        (plan.desired(), of.changes_at())
    }

    fn set_timer(&mut self, at: Option<Millis>, effects: &mut Vec<Effect>) {
        if self.timer == at {
            return;
        }
        self.timer = at;
        let conversation = self.conversation.clone();
        effects.push(match at {
            Some(at) => Effect::SetTimer { conversation, at },
            None => Effect::ClearTimer { conversation },
        });
    }

    fn note(&self, effects: &mut Vec<Effect>, note: Note) {
        effects.push(Effect::Note { conversation: self.conversation.clone(), note });
    }

    /// Notes since when the conversation is over. True once it has been for a while, so that it can be forgotten; Flex's webhooks bring a
    /// conversation back that an agent has left.
    fn note_whether_over(
        &mut self,
        now: Millis,
        attendance: Attendance,
        policy: &Policy,
        next_at: Option<Millis>,
    ) -> bool {
        let is_over = match attendance {
            Attendance::Foreign | Attendance::Closed => true,
            Attendance::Left => next_at.is_none(),
            _ => false,
        };
        if !is_over || self.requests.in_flight().next().is_some() {
            self.over_since = None;
            return false;
        }
        let since = *self.over_since.get_or_insert(now);
        now >= since + policy.keep_closed
    }
}

/// Absences.
impl Conversation {
    /// How an open absence ends with this judgement; `None` if none is open, or it goes on.
    fn ending(&self, attendance: Attendance) -> Option<Ending> {
        let absence = self.absence.as_ref()?;
        match attendance {
            Attendance::Attended | Attendance::Unjudged => Some(self.ending_with_agent(absence)),
            Attendance::Graceful | Attendance::Paused | Attendance::Left => Some(Ending::Graceful),
            Attendance::Parked => Some(Ending::Parked),
            Attendance::Closed | Attendance::Foreign => Some(Ending::Closed),
            Attendance::Undecided
            | Attendance::Waiting
            | Attendance::Awaited
            | Attendance::Unattended
            | Attendance::Unrouted
            | Attendance::Woken => None,
        }
    }

    fn ending_with_agent(&self, absence: &Absence) -> Ending {
        let new = self.facts.roster().agents().filter(|(sid, _)| !absence.lost.contains_key(sid));
        let workers: Vec<_> = new.map(|(_, agent)| agent.worker()).collect();
        let was_here = |worker: &WorkerSid| {
            absence.last_agent.as_ref() == Some(worker) || absence.lost.values().any(|lost| lost == worker)
        };
        match &workers[..] {
            [] => Ending::Back,
            workers if workers.iter().flatten().any(|worker| was_here(worker)) => Ending::SameAgent,
            _ => Ending::OtherAgent,
        }
    }

    fn end_absence(&mut self, now: Millis, ending: Ending, effects: &mut Vec<Effect>) {
        let Some(absence) = self.absence.take() else { return };
        // An agent who is back in time keeps everything as it was.
        if matches!(ending, Ending::SameAgent | Ending::OtherAgent) {
            self.superseded = absence.lost;
        }
        self.last = Some((ending, now));
        self.note(effects, Note::Ended { absence: absence.number, ending });
    }

    fn begin_absence(
        &mut self,
        around: Surroundings<'_>,
        (row, attendance): (usize, Attendance),
        policy: &Policy,
        effects: &mut Vec<Effect>,
    ) {
        let now = around.now;
        let of = self.diagnosis(around, policy);
        let cause = match attendance {
            Attendance::Unattended => of.away().map(|(way, since, _)| Cause::Unattended { way, since }),
            Attendance::Unrouted => Some(Cause::Unrouted),
            Attendance::Woken => Some(Cause::Woken),
            _ => None,
        };
        let Some(cause) = cause.filter(|_| self.absence.is_none()) else { return };
        let lost: BTreeMap<_, _> =
            of.agents().filter_map(|(sid, agent)| Some((sid.clone(), agent.worker()?.clone()))).collect();
        let newest = self.facts.roster().newest_agent().map(|(_, agent)| agent);
        // The agent who has sent it to others is not asked first.
        let staying = newest.filter(|agent| cause != Cause::Unrouted || !self.is_sent_on(agent));
        let absence = Absence {
            number: self.absences + 1,
            cause,
            began_at: now,
            deadline: now + policy.deadline,
            lost,
            last_agent: staying.and_then(|agent| agent.worker()).cloned(),
            task: newest.and_then(|agent| agent.task()).cloned(),
            told_at: None,
            after_invite: self.facts.invites().last_number(),
        };
        self.absences = absence.number;
        self.note(effects, Note::Began { absence: absence.number, cause, row });
        self.absence = Some(absence);
    }

    /// True if a later task than this agent's, and none of ours, has looked for another agent: Flex's transfer, or a program's
    /// invite.
    fn is_sent_on(&self, agent: &Participant) -> bool {
        let newest = self.facts.tasks().newest().filter(|task| !self.facts.invites().brought(task));
        newest.is_some_and(|newest| agent.task().is_some_and(|own| own != newest))
    }

    /// True if the conversation has an agent, or needs none, or something happens by itself.
    fn has_agent_or_deadline(&self, attendance: Attendance) -> bool {
        let needs_none = match attendance {
            Attendance::Foreign
            | Attendance::Closed
            | Attendance::Paused
            | Attendance::Left
            | Attendance::Parked
            | Attendance::Unjudged
            | Attendance::Attended => true,
            // Flex routes it. It is looked at now and then, unless that is switched off.
            Attendance::Waiting => self.absence.is_none(),
            Attendance::Undecided
            | Attendance::Graceful
            | Attendance::Awaited
            | Attendance::Unattended
            | Attendance::Unrouted
            | Attendance::Woken => false,
        };
        needs_none || self.timer.is_some() || self.requests.in_flight().next().is_some()
    }

    /// Workers whose pages matter to the conversation.
    pub(crate) fn workers(&self) -> impl Iterator<Item = &WorkerSid> {
        let lost = self.absence.iter().flat_map(|absence| absence.lost.values());
        let agents = self.facts.roster().all().filter_map(|(_, it)| it.worker());
        agents.chain(self.facts.statements().workers()).chain(lost).chain(self.superseded.values())
    }

    /// Tasks by which agents have it, or are looked for.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &TaskSid> {
        let tasks = self.facts.tasks();
        let agents = self.facts.roster().all().filter_map(|(_, it)| it.task());
        agents.chain(tasks.newest()).chain(tasks.all()).chain(self.facts.invites().tasks())
    }
}
