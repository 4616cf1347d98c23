//! What is to be asked of Twilio as a call stands. Nothing is written here, and nothing is remembered: what was asked for
//! already is left out by the [requests](crate::Requests), so that the effects are the difference.

use crate::Action;
use crate::absence::{Phase, Recovery, Trip};
use crate::diagnosis::Diagnosis;
use crate::facts::{Agent, is_transfer};
use rejoin_protocol::{CallSid, ConferenceSid, Millis, TaskSid};

/// How long Twilio is tried for what must be done while the customer waits.
pub(crate) const SOON: Millis = Millis::seconds(20);
/// How long Twilio is tried for what must be done some time.
pub(crate) const LATER: Millis = Millis::seconds(1800);
/// How long Twilio is tried for a flag. If Twilio refuses everything, the call lasts as long as the agent's leg does, and no
/// longer.
pub(crate) const FLAG_TRIED_FOR: Millis = Millis::seconds(120);

/// An action that is to be done, and for how long it is tried.
pub(crate) type Planned = (Action, Millis);

/// A call as it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) now: Millis,
    pub(crate) conference: &'a ConferenceSid,
    pub(crate) task: &'a TaskSid,
    pub(crate) of: Diagnosis<'a>,
}

impl Plan<'_> {
    /// All that is to be asked for, in the order in which it is to begin.
    pub(crate) fn all(self) -> Vec<Planned> {
        let keep = self.flags_to_clear().map(|action| (action, FLAG_TRIED_FOR));
        keep.chain(self.of.recovery.iter().flat_map(|recovery| self.for_recovery(recovery))).collect()
    }

    /// The conference must not end because an agent leaves it. Flex sets `endConferenceOnExit` again whenever two are left.
    fn flags_to_clear(self) -> impl Iterator<Item = Action> {
        let legs = self.of.roster.participants.keys().filter(move |leg| {
            self.of.roster.is_customer_joined() && self.may_not_end_it(leg) && self.of.has_exit_flag(leg)
        });
        legs.map(move |leg| Action::ClearExitFlag { conference: self.conference.clone(), leg: leg.clone() })
    }

    /// True if the conference must not end with this leg.
    fn may_not_end_it(self, leg: &CallSid) -> bool {
        match self.of.roster.agent(leg) {
            Some(agent) => !self.of.decisions.is_dead(leg) && !self.ends_conference(agent),
            None => self.may_be_agents_next_leg(leg),
        }
    }

    /// True if the agent has said that they leave, other than by a transfer, which leaves the conference to the next agent.
    fn ends_conference(self, agent: &Agent) -> bool {
        let mark = self.of.marks.get(&agent.reservation).filter(|mark| !mark.is_only_in_task());
        mark.is_some_and(|mark| !is_transfer(mark.reason()))
    }

    /// True while an agent comes back in place: a leg of theirs may be there that no page has registered yet.
    fn may_be_agents_next_leg(self, leg: &CallSid) -> bool {
        let comes = |it: &Recovery| it.phase.is_before_requeue() && it.phase != Phase::Grace;
        let is_coming = self.of.recovery.as_ref().is_some_and(comes) || self.of.has_absence();
        is_coming && !self.of.roster.is_customer(leg) && !self.of.is_bystander(leg)
    }

    /// What a recovery asks for.
    fn for_recovery(self, recovery: &Recovery) -> Vec<Planned> {
        let mut planned = self.for_phase(recovery);
        // The ping has done what it is for, or nobody waits for it any more.
        let ping = recovery.ping.task.clone().filter(|_| !recovery.phase.is_kept());
        let accepted = recovery.ping.is_accepted;
        planned.extend(ping.map(|task| (Action::EndPing { task, accepted }, LATER)));
        planned
    }

    fn for_phase(self, recovery: &Recovery) -> Vec<Planned> {
        match &recovery.phase {
            Phase::Grace | Phase::Away | Phase::Rejoining => vec![],
            Phase::Holding(holding) => {
                let ping = holding.is_pinged.then(|| self.ping(recovery));
                [self.mark(recovery)].into_iter().chain(ping).collect()
            }
            Phase::Stranded => vec![self.mark(recovery)],
            Phase::Requeueing(trip) => self.requeue(recovery, trip).into_iter().collect(),
            Phase::Queued(_) => vec![self.completion(recovery)],
            Phase::Ended(ending) => ending.into().map_or(vec![], |into| self.follow(recovery, into)),
        }
    }

    /// The task says who was lost, and when.
    fn mark(self, recovery: &Recovery) -> Planned {
        (Action::MarkTask { task: self.task.clone(), at: recovery.absence.lost_at }, SOON)
    }

    /// A task asks whether the agent is back.
    fn ping(self, recovery: &Recovery) -> Planned {
        let absence = &recovery.absence;
        let ttl = self.now.until(absence.deadline);
        let ping = Action::CreatePing {
            worker: absence.agent.worker.clone(),
            recovery: absence.id.clone(),
            task: self.task.clone(),
            reservation: absence.agent.reservation.clone(),
            ttl,
        };
        (ping, ttl)
    }

    /// The customer is sent to the queue, unless a document does it.
    fn requeue(self, recovery: &Recovery, trip: &Trip) -> Option<Planned> {
        let customer = self.of.roster.customer.clone().filter(|_| !trip.by_document)?;
        let has_others = self.of.roster.is_customer_joined() && self.of.others().next().is_some();
        let requeue = Action::Requeue {
            recovery: recovery.absence.id.clone(),
            customer,
            conference: self.conference.clone(),
            target: trip.target.clone(),
            free: has_others && trip.was_alone,
            resent: trip.resent,
        };
        Some((requeue, self.now.until(recovery.absence.deadline)))
    }

    /// The lost agent's reservation is completed, so that the agent can take the next one.
    fn completion(self, recovery: &Recovery) -> Planned {
        let reservation = recovery.absence.agent.reservation.clone();
        (Action::CompleteReservation { task: self.task.clone(), reservation }, LATER)
    }

    /// The customer is in the conference of this name: everybody else follows, with label and flags, also who comes late. The
    /// queue was entered, even if its request was lost.
    fn follow(self, recovery: &Recovery, into: &TaskSid) -> Vec<Planned> {
        let others = self.of.others().map(|(leg, there)| {
            let (flags, was_there) = (there.flags(), self.of.was_there(recovery, leg));
            let action = Action::MoveParticipant {
                leg: leg.clone(),
                into: into.clone(),
                // A coach was not heard by the customer, and who would be coached there is not known.
                muted: flags.muted || flags.coaching,
                // A leg that joined since may be the agent's, and dead by now: Flex sets the flag on agents' legs.
                end_on_exit: flags.end_conference_on_exit && was_there,
                label: there.label().map(str::to_owned),
                came_late: !was_there,
            };
            (action, SOON)
        });
        [self.completion(recovery)].into_iter().chain(others).collect()
    }
}
