//! Actions: what the machine wants at Twilio, and [one table](Action::traits) of their traits.

mod traits;

pub use traits::{Api, LostReply, Once, Slot, Traits};

use crate::diagnosis::Step;
use crate::facts::Place;
use rejoin_protocol::{ConversationSid, Millis, ParticipantSid, TaskSid, WorkerSid, WorkflowSid};
use serde::{Deserialize, Serialize};

/// Number of invites, the newest, whose tasks are read at Twilio.
pub const INVITES: usize = 5;

/// What the customer is told, by a system author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum Telling {
    /// The agent is gone, and another one will have the conversation. Once per absence.
    AgentGone {
        /// Number of the absence.
        absence: u32,
        /// When it began (point in time).
        #[serde(default)]
        began_at: Millis,
    },
    /// The agent is gone, and the conversation goes on when the customer writes. Once per absence.
    Parked {
        /// Number of the absence.
        absence: u32,
        /// When it began (point in time).
        #[serde(default)]
        began_at: Millis,
    },
    /// A step of session inactivity. Once per silence.
    Idle {
        /// Which alert.
        step: Step,
        /// Since when customer and agent are silent (point in time).
        since: Millis,
    },
}

impl Telling {
    /// True if it tells of the absence with this number.
    pub(crate) fn is_about(self, number: u32) -> bool {
        match self {
            Self::AgentGone { absence, .. } | Self::Parked { absence, .. } => absence == number,
            Self::Idle { .. } => false,
        }
    }
}

/// A change or a query that the machine wants at Twilio. Each takes at most a few REST requests, which its first line lists in
/// order. For closing a participant, parking and closing, Twilio's answer says only
/// that the request was taken: the next poll shows what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum Action {
    /// `GET Interactions/{KD}/Channels/{UO}`, `GET …/Participants`, `GET Conversations/{CH}/Messages?Order=desc`; with
    /// `routing`, `GET …/Invites` and `GET Tasks/{WT}` of the newest; with `confirm`, `GET Tasks/{WT}` of its agents; with `workers`,
    /// `GET Workers/{WK}` of its agents. Outcome: `Seen`, `NotFound`, or `Unconfirmed`.
    #[serde(rename = "look")]
    Poll {
        /// The channel.
        place: Place,
        /// True if it has no agent: its newest task is read, too.
        routing: bool,
        /// The newest known task, in case Twilio lists no invite.
        task: Option<TaskSid>,
        /// True if only a page names the channel: what is seen counts only if it is the conversation's, by an agent on it who
        /// is in the conversation and has it by their task.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        confirm: bool,
        /// True if nothing waits for what it sees: it is for what webhooks may have missed, and all other requests go first.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        watch: bool,
        /// True if the pages of an agent are away: TaskRouter is asked whether they are available.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        workers: bool,
    },
    /// `POST Conversations/{CH}/Messages`, by our system author, with `X-Twilio-Webhook-Enabled`.
    Tell {
        /// What.
        what: Telling,
    },
    /// `GET Tasks/{WT}` for its attributes, `POST Interactions/{KD}/Channels/{UO}/Invites`. The attributes are sent again in
    /// full, because Twilio does not carry them over; never with `worker_sid`, because an agent who declines such an invite
    /// orphans the conversation. Outcome: `Invited`.
    Invite {
        /// The channel.
        place: Place,
        /// The invite's number in the conversation, from 1 on.
        number: u32,
        /// When the absence began (point in time).
        #[serde(default)]
        began_at: Millis,
        /// The task whose attributes are sent again.
        task: TaskSid,
        /// The workflow; that of the task if it is not known.
        workflow: Option<WorkflowSid>,
        /// The agent whom the workflow tries first (attribute `targetWorkerSid`, with `isReconnect`); `None`: any.
        target: Option<WorkerSid>,
        /// The new task's timeout.
        timeout: Millis,
    },
    /// `POST …/Participants/{UT}` `Status=closed`: completes the lost agent's task. Only once another agent has joined.
    CloseParticipant {
        /// The channel.
        place: Place,
        /// The lost agent's participant.
        participant: ParticipantSid,
    },
    /// `POST Interactions/{KD}/Channels/{UO}` `Status=inactive`, `Routing={"status":"closed"}`: as Flex's "leave".
    Park {
        /// The channel.
        place: Place,
        /// The index of the customer's last known message.
        after_message: Option<u32>,
        /// The number of our last invite.
        after_invite: u32,
    },
    /// `POST Interactions/{KD}/Channels/{UO}` `Status=closed`: all its agents' tasks wrap up.
    Close {
        /// The channel.
        place: Place,
        /// If it is closed for its silence: since when customer and agent are silent (point in time).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        silent_since: Option<Millis>,
    },
}

impl Action {
    /// The name that the log and documents use.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Poll { .. } => "poll",
            Self::Tell { .. } => "tell",
            Self::Invite { .. } => "invite",
            Self::CloseParticipant { .. } => "close-participant",
            Self::Park { .. } => "park",
            Self::Close { .. } => "close",
        }
    }

    /// How the action is requested, repeated and looked up.
    pub fn traits(&self) -> Traits {
        match self {
            Self::Poll { watch, .. } => Traits {
                slot: if *watch { Slot::Watch } else { Slot::Poll },
                once: None,
                api: Api::Interactions,
                tried_for: Millis::seconds(30),
                lost_reply: LostReply::Repeat,
            },
            Self::Tell { what } => Traits {
                slot: Slot::Tell,
                once: Some(match what {
                    Telling::AgentGone { absence, began_at } | Telling::Parked { absence, began_at } => {
                        Once::TellAbsence(*absence, *began_at)
                    }
                    Telling::Idle { step, since } => Once::TellIdle(*step, *since),
                }),
                api: Api::Conversations,
                tried_for: Millis::seconds(60),
                lost_reply: LostReply::FindMessage,
            },
            Self::Invite { number, began_at, .. } => Traits {
                slot: Slot::Invite,
                once: Some(Once::Invite(*number, *began_at)),
                api: Api::Interactions,
                tried_for: Millis::seconds(60),
                lost_reply: LostReply::FindInvite,
            },
            Self::CloseParticipant { participant, .. } => Traits {
                slot: Slot::Participant(participant.clone()),
                once: None,
                api: Api::Interactions,
                tried_for: Millis::seconds(60),
                lost_reply: LostReply::Repeat,
            },
            Self::Park { .. } | Self::Close { .. } => Traits {
                slot: Slot::Channel,
                once: None,
                api: Api::Interactions,
                tried_for: Millis::seconds(60),
                lost_reply: LostReply::Repeat,
            },
        }
    }
}

/// The key under which an action is requested only once per conversation. Its text stays the same, because a message or an
/// invite at Twilio carries it, by which a lost reply is looked up. It has a point in time, because numbers begin anew when a
/// conversation was forgotten.
pub fn once_text(conversation: &ConversationSid, once: &Once) -> String {
    match once {
        Once::TellAbsence(absence, began_at) => format!("{conversation} absence {absence} {}", began_at.0),
        Once::TellIdle(step, since) => format!("{conversation} {step:?} {}", since.0),
        Once::Invite(number, began_at) => format!("{conversation} invite {number} {}", began_at.0),
    }
}
