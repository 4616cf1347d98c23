//! What can be wanted of Twilio, what each is called, and [one table](Action::traits) of what else is to be known of it.

mod rank;
mod traits;

pub use rank::Rank;
pub use traits::{Api, LostReply, Once, Sent, Traits, Wanted};

use crate::config::KEEP_CLOSED;
use crate::named::names;
use rejoin_protocol::{
    ActivitySid, CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid,
};
use serde::{Deserialize, Serialize};

/// Something for Twilio. Each is carried out by at most a few REST calls, in the order given in its line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// `POST Conferences/{CF}` with `AnnounceUrl`.
    Announce {
        /// To everybody in it.
        conference: ConferenceSid,
        /// What they hear.
        what: Announcement,
    },
    /// `POST Participants/{customer}`: `EndConferenceOnExit=false`, and `Hold=false` when held.
    FreeCustomer {
        /// Where.
        conference: ConferenceSid,
        /// Whose leg.
        customer: CallSid,
        /// Is the customer on hold?
        unhold: bool,
    },
    /// `POST Participants/{customer}`: `Hold=true` with a `HoldUrl` of ours, because the customer is alone; `Hold=false`
    /// first, when held.
    HoldCustomer {
        /// Where.
        conference: ConferenceSid,
        /// Whose leg.
        customer: CallSid,
        /// Of which recovery; our TwiML is asked for by it.
        recovery: RecoveryId,
        /// Has the agent put the customer on hold?
        held: bool,
        /// Was the customer told already, so that comfort audio is enough?
        told: bool,
    },
    /// `POST Participants/{customer}`: `Hold=false`, because our hold is over.
    EndHold {
        /// Where.
        conference: ConferenceSid,
        /// Whose leg.
        customer: CallSid,
    },
    /// `POST Participants/{leg}`: `EndConferenceOnExit=false`, because Flex set it again.
    KeepConference {
        /// Where.
        conference: ConferenceSid,
        /// The agent's leg.
        leg: CallSid,
    },
    /// `GET Tasks/{WT}`: has the agent's page written a graceful mark there? Outcome: `TaskRead`.
    ReadTask {
        /// Which.
        task: TaskSid,
    },
    /// Merge, `POST Tasks/{WT}` with `If-Match`: who left and when. `GET Tasks/{WT}` before, if it was not read yet or has
    /// changed since. Outcome: `TaskRead`.
    MarkTask {
        /// Which.
        task: TaskSid,
        /// When the agent was lost (point in time).
        at: Millis,
    },
    /// `POST Tasks`: the ping. Outcome: `PingCreated`. Once per recovery.
    CreatePing {
        /// For whom.
        worker: WorkerSid,
        /// Of which recovery.
        recovery: RecoveryId,
        /// The task that the agent was lost from.
        task: TaskSid,
        /// The reservation that the agent was lost from.
        reservation: ReservationSid,
        /// How long it may stand.
        ttl: Millis,
    },
    /// `POST Tasks/{WT}` `AssignmentStatus=canceled`, or `completed` when somebody accepted it already. Twilio refuses either
    /// one where the other is right, and then that one follows.
    EndPing {
        /// The ping's task.
        task: TaskSid,
        /// Is it known to be accepted? Then `completed` comes first.
        #[serde(default)]
        accepted: bool,
    },
    /// `POST Calls/{CA}` with a document: the customer goes into the queue. Once per recovery and target, and
    /// once more for any agent. When others stay
    /// behind for whom the call must not end with that, `POST Participants/{customer}` comes first: `Hold=false`,
    /// `EndConferenceOnExit=false`.
    Requeue {
        /// Of which recovery; our TwiML is asked for by it.
        recovery: RecoveryId,
        /// The customer's leg.
        customer: CallSid,
        /// Where the customer is now, to tell a lost reply from a lost request.
        conference: ConferenceSid,
        /// The agent who is to get the call; `None`: any.
        target: Option<WorkerSid>,
        /// Are there others?
        #[serde(default)]
        free: bool,
        /// How often the customer was sent there before, and waits in silence, or is here all the same.
        #[serde(default)]
        resent: u32,
    },
    /// `POST Reservations/{WR}` `ReservationStatus=completed`. Once per recovery.
    CompleteReservation {
        /// The old task.
        task: TaskSid,
        /// The old reservation.
        reservation: ReservationSid,
    },
    /// `POST Participants/{leg}` `EndConferenceOnExit=false`, then `DELETE` it: a leg whose page is proved dead.
    RemoveLeg {
        /// Where.
        conference: ConferenceSid,
        /// The dead leg.
        leg: CallSid,
    },
    /// `POST Calls/{CA}` with a document: somebody else who was on the call follows into the new conference. Once per leg.
    MoveParticipant {
        /// Who.
        leg: CallSid,
        /// Name of the new conference.
        into: TaskSid,
        /// Muted there, too?
        muted: bool,
        /// Does the conference end when this leg leaves, there, too? The old one must not, when it is moved.
        #[serde(default)]
        end_on_exit: bool,
        /// Its label, if there is one.
        #[serde(default)]
        label: Option<String>,
        /// True if the leg joined after the loss and no page has registered it. A browser's leg does not follow then: the
        /// agent may have joined by it.
        #[serde(default)]
        came_late: bool,
    },
    /// `POST Participants/{leg}`: `Hold=true`, because the leg was on hold where it comes from.
    HoldParticipant {
        /// Where.
        conference: ConferenceSid,
        /// Whose leg.
        leg: CallSid,
    },
    /// `GET Participants/{coach}`, and if the supervisor still coaches the old leg, `POST` it with `Coaching=true` and
    /// the new leg as `CallSidToCoach`: the agent whom they coach is back by another leg.
    CoachInstead {
        /// Where.
        conference: ConferenceSid,
        /// The supervisor's leg.
        coach: CallSid,
        /// The agent's old leg.
        before: CallSid,
        /// The new one.
        now: CallSid,
    },
    /// `POST Participants/{leg}`: `Hold=false`, because whoever put somebody on hold is gone.
    Unhold {
        /// Where.
        conference: ConferenceSid,
        /// Who is on hold.
        leg: CallSid,
    },
    /// `GET Conferences/{CF}/Participants`, and if at most one is there `POST Conferences/{CF}` `Status=completed`.
    EndConference {
        /// Which.
        conference: ConferenceSid,
    },
    /// `GET Workers/{WK}`: the agent's activity. Outcome: `Activity`.
    ReadActivity {
        /// Who.
        worker: WorkerSid,
    },
    /// `GET Workers/{WK}`, and `POST` it with our own activity, if the agent is still in this one.
    LendActivity {
        /// To whom.
        worker: WorkerSid,
        /// The agent's activity.
        before: ActivitySid,
    },
    /// `GET Workers/{WK}`, and `POST` it with the agent's former activity, if they are still in ours.
    ReturnActivity {
        /// Who.
        worker: WorkerSid,
        /// The agent's former activity.
        before: ActivitySid,
    },
    /// `GET Tasks/{WT}/Reservations`: whose are they? With a conference `GET Conferences/{CF}`, too: is it the task's?
    /// Outcome: `Owners`.
    FindOwners {
        /// Which task.
        task: TaskSid,
        /// The conference, when no callback has said which task's it is.
        conference: Option<ConferenceSid>,
    },
    /// `GET Tasks/{WT}`, and `GET Calls/{CA}` if it does not have the customer's number. Outcome: `Number`.
    CheckNumber {
        /// Which task.
        task: TaskSid,
    },
    /// `GET Conferences/{CF}/Participants`; `GET Calls/{CA}` of a customer who is not there; with `queued` the tasks of that
    /// recovery, with `handed_over` that task, its reservations, and what has happened to it (`GET Events`), too. Outcome:
    /// `Looked`.
    Look {
        /// Which.
        conference: ConferenceSid,
        /// The customer's leg, when known.
        customer: Option<CallSid>,
        /// The recovery whose customer is in the queue, or on the way.
        queued: Option<RecoveryId>,
        /// The task, when its agent has handed it over and the customer is alone, or when somebody has come instead of the agent.
        #[serde(default)]
        handed_over: Option<TaskSid>,
    },
    /// `POST Calls/{CA}` with `Url`: the customer is told that it did not work, and the call ends. Once per recovery.
    GiveUp {
        /// Of which recovery.
        recovery: RecoveryId,
        /// The customer's leg.
        customer: CallSid,
    },
    /// `GET Tasks/{WT}`, `GET Tasks/{WT}/Reservations`. Outcome: `Learnt`.
    Learn {
        /// Which.
        task: TaskSid,
    },
}

/// How long it is looked for a ping that may have been made: as long as its call is there to end it. One that nobody knows of
/// stands for good when the agent has accepted it.
const PING_LOOKED_UP_FOR: Millis = KEEP_CLOSED;

impl Action {
    /// How it is paced, repeated, looked up and dropped.
    pub fn traits(&self) -> Traits<'_> {
        match self {
            // What tells a customer, and what keeps the line until then.
            Self::Announce { what: Announcement::Interrupted, .. } => {
                Traits { wanted: Wanted::Recovering, shows_loss: true, ..Traits::voice(Rank::Announce) }
            }
            Self::Announce { what: Announcement::Comfort, .. } => {
                Traits { wanted: Wanted::Recovering, shows_loss: true, ..Traits::voice(Rank::Comfort) }
            }
            Self::FreeCustomer { .. } => {
                Traits { wanted: Wanted::Recovering, shows_loss: true, ..Traits::voice(Rank::KeepLine) }
            }
            Self::HoldCustomer { .. } => Traits {
                lost_reply: LostReply::RepeatOrUndo,
                wanted: Wanted::HoldBegins,
                shows_loss: true,
                ..Traits::voice(Rank::Announce)
            },
            Self::EndHold { .. } => Traits { wanted: Wanted::HoldEnds, ..Traits::voice(Rank::KeepLine) },
            Self::KeepConference { .. } => Traits::voice(Rank::KeepLine),
            Self::Unhold { leg, .. } => {
                Traits { wanted: Wanted::OnHold(leg), ..Traits::voice(Rank::KeepLine) }
            }

            // What brings a customer to an agent, and what has to be known or done before.
            Self::Requeue { recovery, customer, conference, target, free: _, resent } => {
                let (target, resent) = (target.as_ref(), *resent);
                let (sent, whom) = (recovery.clone(), target.cloned());
                Traits {
                    once: Some(Once::Requeue { recovery: sent, target: whom, resent }),
                    lost_reply: LostReply::FindCustomer(Sent {
                        recovery,
                        customer,
                        conference,
                        target,
                        resent,
                    }),
                    wanted: Wanted::Requeueing { recovery, target, resent },
                    needs_store: true,
                    needs_call: true,
                    ..Traits::voice(if target.is_some() { Rank::Requeue } else { Rank::NextAgent })
                }
            }
            // The agent may have left on purpose.
            Self::ReadTask { .. } => {
                Traits { wanted: Wanted::MarkMissing, ..Traits::task_router(Rank::Requeue) }
            }
            // The requeue waits for these.
            Self::MarkTask { task, at } => Traits {
                once: Some(Once::Mark { task: task.clone(), at: *at }),
                ..Traits::task_router(Rank::Requeue)
            },
            Self::RemoveLeg { .. } => Traits::voice(Rank::Requeue),
            // The agent gets the customer back only when this is done.
            Self::CompleteReservation { reservation, .. } => Traits {
                once: Some(Once::Complete(reservation.clone())),
                tidies_up: true,
                ..Traits::task_router(Rank::Requeue)
            },
            // Without these the agent does not get the customer back. Which activity the agent was in is known only when it is
            // done, and so is whether it was.
            Self::ReadActivity { .. } | Self::LendActivity { .. } => Traits::task_router(Rank::Requeue),
            // A call that is looked up may have a customer whose agent is lost.
            Self::Learn { .. } | Self::CheckNumber { .. } | Self::FindOwners { .. } => {
                Traits::task_router(Rank::Requeue)
            }

            // What looks for an agent who is lost.
            Self::CreatePing { recovery, .. } => Traits {
                once: Some(Once::Ping(recovery.clone())),
                lost_reply: LostReply::FindPing(recovery),
                looked_up_for: PING_LOOKED_UP_FOR,
                wanted: Wanted::BeforeRequeue(recovery),
                ..Traits::task_router(Rank::Ping)
            },

            // What makes the others follow.
            Self::MoveParticipant { leg, .. } => Traits {
                once: Some(Once::Move(leg.clone())),
                lost_reply: LostReply::FindLeg(leg),
                ..Traits::voice(Rank::MoveOthers)
            },
            Self::HoldParticipant { leg, .. } => {
                Traits { wanted: Wanted::HoldCarriedOver(leg), ..Traits::voice(Rank::MoveOthers) }
            }
            Self::CoachInstead { coach, now: agent, .. } => {
                Traits { wanted: Wanted::Coaching { coach, agent }, ..Traits::voice(Rank::MoveOthers) }
            }

            // What can be done later as well.
            Self::EndPing { task, .. } => Traits {
                once: Some(Once::EndPing(task.clone())),
                tidies_up: true,
                ..Traits::task_router(Rank::Bookkeeping)
            },
            Self::ReturnActivity { .. } => {
                Traits { tidies_up: true, ..Traits::task_router(Rank::Bookkeeping) }
            }
            Self::EndConference { .. } => {
                Traits { wanted: Wanted::Orphaned, needs_store: true, ..Traits::voice(Rank::Bookkeeping) }
            }
            Self::Look { .. } => Traits { wanted: Wanted::Polling, ..Traits::voice(Rank::Bookkeeping) },
            Self::GiveUp { recovery, .. } => Traits {
                once: Some(Once::GiveUp(recovery.clone())),
                wanted: Wanted::WaitingForAny(recovery),
                needs_store: true,
                ..Traits::voice(Rank::Bookkeeping)
            },
        }
    }
}

/// What everybody in a conference hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Announcement {
    /// The connection to the agent was interrupted, we are on it.
    Interrupted,
    /// A piece of comfort audio.
    Comfort,
}

names! {
    Action, name {
        Self::Announce { .. } => "announcing",
        Self::FreeCustomer { .. } => "keeping the conference when the customer leaves it",
        Self::KeepConference { .. } => "keeping the conference when the agent leaves it",
        Self::ReadTask { .. } => "reading the task",
        Self::MarkTask { .. } => "marking the task",
        Self::CreatePing { .. } => "creating the ping",
        Self::EndPing { .. } => "ending the ping",
        Self::Requeue { .. } => "sending the customer to the queue",
        Self::CompleteReservation { .. } => "completing the old reservation",
        Self::RemoveLeg { .. } => "removing the dead leg",
        Self::MoveParticipant { .. } => "moving a participant",
        Self::Unhold { .. } => "ending a hold",
        Self::HoldCustomer { .. } => "telling the customer on hold",
        Self::EndHold { .. } => "ending our hold of the customer",
        Self::HoldParticipant { .. } => "holding a participant again",
        Self::CoachInstead { .. } => "letting a supervisor coach the agent who is back",
        Self::EndConference { .. } => "ending the conference",
        Self::Learn { .. } => "looking up the task",
        Self::CheckNumber { .. } => "looking up the customer's number",
        Self::FindOwners { .. } => "looking up whose the reservations are",
        Self::ReadActivity { .. } => "looking up the agent's activity",
        Self::LendActivity { .. } => "putting the agent into an activity that receives tasks",
        Self::ReturnActivity { .. } => "putting the agent back into their former activity",
        Self::Look { .. } => "looking how the call stands",
        Self::GiveUp { .. } => "telling the customer that it did not work",
    }
}
