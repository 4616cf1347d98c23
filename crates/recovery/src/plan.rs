//! The actions at Twilio that follow from the phase of a recovery, wanted for as long as the phase lasts, and the exit flags to clear.
//! The plan writes and remembers nothing: the [requests](crate::Requests) leave out those that were made already, so that the effects
//! are the difference. An action of one moment (announcement, hold, poll, look-up, removal) is requested where the moment is handled.

use crate::Action;
use crate::absence::{Phase, Recovery, Trip};
use crate::diagnosis::Diagnosis;
use crate::facts::{Agent, is_transfer};
use rejoin_protocol::{CallSid, ConferenceSid, Millis, TaskSid};

/// How long an action is tried while the customer waits for it.
pub(crate) const SOON: Millis = Millis::seconds(20);
/// How long an action is tried that may take effect at any time.
pub(crate) const LATER: Millis = Millis::seconds(1800);
/// How late a timer can be while a server runs.
pub(crate) const OVERDUE: Millis = Millis::seconds(1);
/// How long the clearing of an exit flag is tried. If Twilio refuses all requests, the call ends with the agent's leg.
pub(crate) const FLAG_TRIED_FOR: Millis = Millis::seconds(120);

/// A planned action, and how long it is tried.
pub(crate) type Planned = (Action, Millis);

/// The input of the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) now: Millis,
    pub(crate) conference: &'a ConferenceSid,
    pub(crate) task: &'a TaskSid,
    pub(crate) of: Diagnosis<'a>,
}

impl Plan<'_> {
    /// All planned actions, in the order in which they are to begin.
    pub(crate) fn all(self) -> Vec<Planned> {
        let keep = self.flags_to_clear().map(|action| (action, FLAG_TRIED_FOR));
        keep.chain(self.of.recovery.iter().flat_map(|recovery| self.for_recovery(recovery))).collect()
    }

    /// The conference must not end because an agent leaves it. Flex sets `endConferenceOnExit` again whenever two are left.
    fn flags_to_clear(self) -> impl Iterator<Item = Action> {
        let legs = self.of.roster.participants.keys().filter(move |leg| {
            self.of.roster.is_customer_joined()
                && self.may_not_end_it(leg)
                && self.of.has_exit_flag_to_clear(leg)
        });
        legs.map(move |leg| Action::ClearExitFlag { conference: self.conference.clone(), leg: leg.clone() })
    }

    /// True if the conference must not end with this leg.
    fn may_not_end_it(self, leg: &CallSid) -> bool {
        match self.of.roster.agent(leg) {
            // The removal of a dead leg clears the flag first: a flag that is set while it waits for Twilio is cleared on its own.
            Some(agent) => {
                (!self.of.decisions.is_dead(leg) || self.of.requests.is_removing(leg))
                    && !self.ends_conference(agent)
            }
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

    /// The actions of a recovery.
    fn for_recovery(self, recovery: &Recovery) -> Vec<Planned> {
        let mut planned = self.for_phase(recovery);
        // The ping was answered, or its answer is no longer awaited.
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
                [self.write_loss(recovery)].into_iter().chain(ping).collect()
            }
            Phase::Stranded => vec![self.write_loss(recovery)],
            Phase::Requeueing(trip) => self.requeue(recovery, trip).into_iter().collect(),
            Phase::Queued(_) => vec![self.completion(recovery)],
            Phase::Ended(ending) => ending.into().map_or(vec![], |into| self.follow(recovery, into)),
        }
    }

    /// Writes the lost agent and the time into the task's attributes.
    fn write_loss(self, recovery: &Recovery) -> Planned {
        (Action::MarkTask { task: self.task.clone(), at: recovery.absence.lost_at }, SOON)
    }

    /// Creates the Recovery Ping.
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

    /// Sends the customer to the queue, unless a document does.
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

    /// Completes the lost agent's reservation, so that the agent can take the next one.
    fn completion(self, recovery: &Recovery) -> Planned {
        let reservation = recovery.absence.agent.reservation.clone();
        (Action::CompleteReservation { task: self.task.clone(), reservation }, LATER)
    }

    /// The customer is in the conference of this name: the other participants follow, with label and flags, also those who
    /// join late. The reservation is completed here, too, in case the report of the queue was lost.
    fn follow(self, recovery: &Recovery, into: &TaskSid) -> Vec<Planned> {
        let others = self.of.others().map(|(leg, there)| {
            let (flags, was_there) = (there.flags(), self.of.was_there(recovery, leg));
            let action = Action::MoveParticipant {
                leg: leg.clone(),
                into: into.clone(),
                // The customer did not hear a coach, and the leg to coach there is unknown.
                muted: flags.muted || flags.coaching,
                // A leg that joined since may be an orphaned leg of the agent: Flex sets the flag on agents' legs.
                end_on_exit: flags.end_conference_on_exit && was_there,
                label: there.label().map(str::to_owned),
                came_late: !was_there,
            };
            (action, SOON)
        });
        [self.completion(recovery)].into_iter().chain(others).collect()
    }
}
