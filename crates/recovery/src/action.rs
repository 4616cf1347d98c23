//! Actions: what the machine wants at Twilio, their names, and [one table](Action::traits) of their other traits.

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

/// A change or a query that the machine wants at Twilio. Each takes at most a few REST requests, which its first line lists in
/// order. Jobs are stored: a variant that is renamed keeps its stored name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// `POST Conferences/{CF}` with `AnnounceUrl`.
    Announce {
        /// The conference. All participants hear the announcement.
        conference: ConferenceSid,
        /// The text.
        what: Announcement,
    },
    /// `POST Participants/{customer}`: `EndConferenceOnExit=false`, and `Hold=false` when held.
    #[serde(rename = "FreeCustomer")]
    ClearCustomerFlags {
        /// The customer's conference.
        conference: ConferenceSid,
        /// The customer's leg.
        customer: CallSid,
        /// True if the customer is on hold.
        unhold: bool,
    },
    /// `POST Participants/{customer}`: `Hold=true` with a `HoldUrl` of ours, because the customer is alone; `Hold=false`
    /// first, when held.
    HoldCustomer {
        /// The customer's conference.
        conference: ConferenceSid,
        /// The customer's leg.
        customer: CallSid,
        /// The recovery, which our TwiML URL contains.
        recovery: RecoveryId,
        /// True if the agent has put the customer on hold.
        held: bool,
        /// True if the customer has heard the announcement already, so that comfort audio is enough.
        told: bool,
        /// When the words begin (point in time), if the customer is to hear a soft tone until then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        words_at: Option<Millis>,
    },
    /// `POST Participants/{customer}`: `Hold=false`, because our hold is over.
    EndHold {
        /// The customer's conference.
        conference: ConferenceSid,
        /// The customer's leg.
        customer: CallSid,
    },
    /// `POST Calls/{leg}/UserDefinedMessageSubscriptions`, `POST Calls/{leg}/UserDefinedMessages`: asks the leg's page whether
    /// it lives. Outcome: `Ok` once Twilio has taken the question and silence means something; `Overtaken` if it does not.
    AskPage {
        /// The agent's conference.
        conference: ConferenceSid,
        /// The agent's leg.
        leg: CallSid,
    },
    /// `POST Participants/{leg}`: `EndConferenceOnExit=false`, because Flex set it again.
    #[serde(rename = "KeepConference")]
    ClearExitFlag {
        /// The agent's conference.
        conference: ConferenceSid,
        /// The agent's leg.
        leg: CallSid,
    },
    /// `GET Tasks/{WT}`, for a graceful mark that the agent's page may have written there. Outcome: `TaskRead`.
    ReadTask {
        /// The call's task.
        task: TaskSid,
    },
    /// Writes the loss into the task (not a graceful mark). Merge, `POST Tasks/{WT}` with `If-Match`: the lost agent, and when. `GET Tasks/{WT}` before, if it was not read
    /// yet or has changed since. Outcome: `TaskRead`.
    MarkTask {
        /// The call's task.
        task: TaskSid,
        /// When the agent was lost (point in time).
        at: Millis,
    },
    /// `POST Tasks`: the ping. Outcome: `PingCreated`. Once per recovery.
    CreatePing {
        /// The lost agent.
        worker: WorkerSid,
        /// The recovery.
        recovery: RecoveryId,
        /// The old task.
        task: TaskSid,
        /// The old reservation.
        reservation: ReservationSid,
        /// The ping's timeout.
        ttl: Millis,
    },
    /// `POST Tasks/{WT}` `AssignmentStatus=canceled`, or `completed` if the ping was accepted. Twilio refuses each where the
    /// other one is right; the other one is then tried.
    EndPing {
        /// The ping.
        task: TaskSid,
        /// True if the ping is known to be accepted: `completed` is tried first.
        #[serde(default)]
        accepted: bool,
    },
    /// `POST Calls/{CA}` with a document: the customer goes into the queue. Once per recovery, target and `resent`. With
    /// `free`, `POST Participants/{customer}` comes first: `Hold=false`, `EndConferenceOnExit=false`.
    Requeue {
        /// The recovery, which our TwiML URLs contain.
        recovery: RecoveryId,
        /// The customer's leg.
        customer: CallSid,
        /// The customer's conference. Whether the customer is still in it tells a lost reply from a lost request.
        conference: ConferenceSid,
        /// The agent who is to get the call; `None`: any.
        target: Option<WorkerSid>,
        /// True if others stay behind in the conference, which must not end when the customer leaves it.
        #[serde(default)]
        free: bool,
        /// Number of earlier requests that had no effect, or left the customer in silence.
        #[serde(default)]
        resent: u32,
    },
    /// `POST Reservations/{WR}` `ReservationStatus=completed`. Once per reservation.
    CompleteReservation {
        /// The old task.
        task: TaskSid,
        /// The old reservation.
        reservation: ReservationSid,
    },
    /// `POST Participants/{leg}` `EndConferenceOnExit=false`, then `DELETE` it: a dead leg ([`Decisions::is_dead`](crate::Decisions::is_dead)).
    RemoveLeg {
        /// The leg's conference.
        conference: ConferenceSid,
        /// The dead leg.
        leg: CallSid,
    },
    /// `POST Calls/{CA}` with a document: a bystander follows into the new conference. Once per leg.
    MoveParticipant {
        /// The bystander's leg.
        leg: CallSid,
        /// Name of the new conference.
        into: TaskSid,
        /// True if the leg is muted in the new conference.
        muted: bool,
        /// True if the leg has the exit flag, which it gets in the new conference, too. In the old one the flag is cleared before
        /// the move.
        #[serde(default)]
        end_on_exit: bool,
        /// The leg's label, if there is one.
        #[serde(default)]
        label: Option<String>,
        /// True if the leg joined after the loss and no page has registered it. If it is a browser's leg it does not follow: it
        /// may be the agent's.
        #[serde(default)]
        came_late: bool,
    },
    /// `POST Participants/{leg}`: `Hold=true`, because the leg was on hold in the conference that it comes from.
    HoldParticipant {
        /// The new conference.
        conference: ConferenceSid,
        /// The leg.
        leg: CallSid,
    },
    /// `GET Participants/{coach}`, and if the supervisor still coaches the old leg, `POST` it with `Coaching=true` and
    /// the new leg as `CallSidToCoach`: the agent whom they coach is back by another leg.
    #[serde(rename = "CoachInstead")]
    RetargetCoach {
        /// The supervisor's conference.
        conference: ConferenceSid,
        /// The supervisor's leg.
        coach: CallSid,
        /// The agent's old leg.
        before: CallSid,
        /// The agent's new leg.
        now: CallSid,
    },
    /// `POST Participants/{leg}`: `Hold=false`, because the agent who put the leg on hold is gone.
    Unhold {
        /// The leg's conference.
        conference: ConferenceSid,
        /// The leg on hold.
        leg: CallSid,
    },
    /// `GET Conferences/{CF}/Participants`, and if at most one is there `POST Conferences/{CF}` `Status=completed`.
    EndConference {
        /// The conference.
        conference: ConferenceSid,
    },
    /// `GET Workers/{WK}`: the agent's activity. Outcome: `Activity`.
    ReadActivity {
        /// The agent.
        worker: WorkerSid,
    },
    /// `GET Workers/{WK}`, and if the agent is still in this activity, `POST` it with our own.
    LendActivity {
        /// The agent.
        worker: WorkerSid,
        /// The agent's activity.
        before: ActivitySid,
    },
    /// `GET Workers/{WK}`, and if the agent is still in our activity, `POST` it with their former one.
    ReturnActivity {
        /// The agent.
        worker: WorkerSid,
        /// The agent's former activity.
        before: ActivitySid,
    },
    /// `GET Tasks/{WT}/Reservations`: the agents of the task's reservations. With a conference `GET Conferences/{CF}`, too:
    /// whether it is the task's. Outcome: `ReservationsRead`.
    #[serde(rename = "FindOwners")]
    ReadReservations {
        /// The call's task.
        task: TaskSid,
        /// The conference, if no callback has named its task.
        conference: Option<ConferenceSid>,
    },
    /// `GET Tasks/{WT}`, and `GET Calls/{CA}` if it does not have the customer's number. Outcome: `Number`.
    CheckNumber {
        /// The call's task.
        task: TaskSid,
    },
    /// A poll: `GET Conferences/{CF}/Participants`; `GET Calls/{CA}` of a customer who is not there; with `queued` the tasks of
    /// that recovery; with `handed_over` that task, its reservations, and its log (`GET Events`). Outcome: `Polled`.
    #[serde(rename = "Look")]
    PollConference {
        /// The call's conference.
        conference: ConferenceSid,
        /// The customer's leg, when known.
        customer: Option<CallSid>,
        /// The recovery whose customer is in the queue, or on the way there.
        queued: Option<RecoveryId>,
        /// The call's task, if the poll also asks which agents have it: after a hand-over, or when another agent may have
        /// joined.
        #[serde(default)]
        handed_over: Option<TaskSid>,
    },
    /// `POST Calls/{CA}` with `Url`: the customer hears that the recovery failed, and the call ends. Once per recovery.
    GiveUp {
        /// The recovery, which our TwiML URL contains.
        recovery: RecoveryId,
        /// The customer's leg.
        customer: CallSid,
    },
    /// A look-up: `GET Tasks/{WT}`, `GET Tasks/{WT}/Reservations`. Outcome: `TaskLookedUp`.
    #[serde(rename = "Learn")]
    LookUpTask {
        /// The call's task.
        task: TaskSid,
    },
}

/// How long after its deadline a ping is looked up that may have been created: as long as its call is kept, which can end it. An
/// accepted ping that the server does not know stands for good.
const PING_LOOKED_UP_FOR: Millis = KEEP_CLOSED;

impl Action {
    /// How the action is paced, repeated, looked up and dropped.
    pub fn traits(&self) -> Traits<'_> {
        match self {
            // These make an announcement to a customer, or keep the line until then.
            Self::Announce { what: Announcement::Interrupted, .. } => {
                Traits { wanted: Wanted::Recovering, shows_loss: true, ..Traits::voice(Rank::Announce) }
            }
            Self::Announce { what: Announcement::Comfort, .. } => {
                Traits { wanted: Wanted::Recovering, shows_loss: true, ..Traits::voice(Rank::Comfort) }
            }
            Self::ClearCustomerFlags { .. } => {
                Traits { wanted: Wanted::Recovering, shows_loss: true, ..Traits::voice(Rank::KeepLine) }
            }
            Self::HoldCustomer { .. } => Traits {
                lost_reply: LostReply::RepeatOrUndo,
                wanted: Wanted::HoldBegins,
                shows_loss: true,
                ..Traits::voice(Rank::Announce)
            },
            Self::EndHold { .. } => Traits { wanted: Wanted::HoldEnds, ..Traits::voice(Rank::KeepLine) },
            Self::AskPage { leg, .. } => {
                Traits { wanted: Wanted::Asking(leg), ..Traits::voice(Rank::Announce) }
            }
            Self::ClearExitFlag { .. } => Traits::voice(Rank::KeepLine),
            Self::Unhold { leg, .. } => {
                Traits { wanted: Wanted::OnHold(leg), ..Traits::voice(Rank::KeepLine) }
            }

            // These bring a customer to an agent, or must precede that.
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
                Traits { wanted: Wanted::MarkAwaited, ..Traits::task_router(Rank::Requeue) }
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
            // Without these the agent does not get the customer back. They are always wanted, because only the outcome shows
            // which activity the agent was in, and whether ours was lent.
            Self::ReadActivity { .. } | Self::LendActivity { .. } => Traits::task_router(Rank::Requeue),
            // The agent of a call that is being looked up may be lost.
            Self::LookUpTask { .. } | Self::CheckNumber { .. } | Self::ReadReservations { .. } => {
                Traits::task_router(Rank::Requeue)
            }

            // This asks a lost agent to come back.
            Self::CreatePing { recovery, .. } => Traits {
                once: Some(Once::Ping(recovery.clone())),
                lost_reply: LostReply::FindPing(recovery),
                looked_up_for: PING_LOOKED_UP_FOR,
                wanted: Wanted::BeforeRequeue(recovery),
                ..Traits::task_router(Rank::Ping)
            },

            // These make bystanders follow.
            Self::MoveParticipant { leg, .. } => Traits {
                once: Some(Once::Move(leg.clone())),
                lost_reply: LostReply::FindLeg(leg),
                ..Traits::voice(Rank::MoveOthers)
            },
            Self::HoldParticipant { leg, .. } => {
                Traits { wanted: Wanted::HoldCarriedOver(leg), ..Traits::voice(Rank::MoveOthers) }
            }
            Self::RetargetCoach { coach, now: agent, .. } => {
                Traits { wanted: Wanted::Coaching { coach, agent }, ..Traits::voice(Rank::MoveOthers) }
            }

            // These can be done later as well.
            Self::EndPing { task, .. } => Traits {
                once: Some(Once::EndPing(task.clone())),
                tidies_up: true,
                ..Traits::task_router(Rank::Bookkeeping)
            },
            Self::ReturnActivity { .. } => {
                Traits { tidies_up: true, ..Traits::task_router(Rank::Bookkeeping) }
            }
            Self::EndConference { .. } => {
                Traits { wanted: Wanted::LeftAlone, needs_store: true, ..Traits::voice(Rank::Bookkeeping) }
            }
            Self::PollConference { .. } => {
                Traits { wanted: Wanted::Polling, ..Traits::voice(Rank::Bookkeeping) }
            }
            Self::GiveUp { recovery, .. } => Traits {
                once: Some(Once::GiveUp(recovery.clone())),
                wanted: Wanted::WaitingForAny(recovery),
                needs_store: true,
                ..Traits::voice(Rank::Bookkeeping)
            },
        }
    }
}

/// An announcement to a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Announcement {
    /// The connection to the agent was interrupted, and is being restored.
    Interrupted,
    /// A piece of comfort audio.
    Comfort,
}

names! {
    Action, name {
        Self::Announce { .. } => "announcing",
        Self::ClearCustomerFlags { .. } => "clearing the customer's exit flag",
        Self::ClearExitFlag { .. } => "clearing the exit flag",
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
        Self::AskPage { .. } => "asking the page whether it lives",
        Self::HoldParticipant { .. } => "holding a participant again",
        Self::RetargetCoach { .. } => "letting a supervisor coach the agent who is back",
        Self::EndConference { .. } => "ending the conference",
        Self::LookUpTask { .. } => "looking up the task",
        Self::CheckNumber { .. } => "looking up the customer's number",
        Self::ReadReservations { .. } => "reading the task's reservations",
        Self::ReadActivity { .. } => "looking up the agent's activity",
        Self::LendActivity { .. } => "putting the agent into an activity that receives tasks",
        Self::ReturnActivity { .. } => "putting the agent back into their former activity",
        Self::PollConference { .. } => "polling the call",
        Self::GiveUp { .. } => "telling the customer that no agent was found",
    }
}
