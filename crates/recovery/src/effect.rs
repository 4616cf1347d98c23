use crate::Action;
use rejoin_protocol::api::RecoveryView;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, WorkerSid};
use serde::de::value::{self, StringDeserializer};
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};

/// What the machine wants the server to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Carries out an action at Twilio, through the durable job queue; at most once per key ([`Traits::once`](crate::Traits::once)).
    Act {
        /// The call's conference.
        conference: ConferenceSid,
        /// The action.
        action: Action,
        /// When the action stops making sense (point in time).
        deadline: Millis,
    },
    /// Wakes the machine at this point in time. A timer that is set again is replaced.
    SetTimer {
        /// The call's conference.
        conference: ConferenceSid,
        /// The timer.
        timer: Timer,
        /// Point in time.
        at: Millis,
    },
    /// Clears a timer. Clearing one that is not set is no error.
    ClearTimer {
        /// The call's conference.
        conference: ConferenceSid,
        /// The timer.
        timer: Timer,
    },
    /// Sends the view of a recovery to an agent's desktop. It is lost when no page is connected; the answer to a hello repeats
    /// what is open.
    Push {
        /// The agent.
        worker: WorkerSid,
        /// The view.
        view: RecoveryView,
    },
    /// Adds a line to the call's timeline.
    Note {
        /// The call's conference.
        conference: ConferenceSid,
        /// The customer's leg, when known: a timeline is looked up by it, because it outlives the conference.
        customer: Option<CallSid>,
        /// The line.
        note: Note,
    },
    /// Forgets a call that has long been closed.
    Forget {
        /// The call's conference.
        conference: ConferenceSid,
    },
}

/// Timers of a call. Rows are found by [`Timer::name`]: a variant that is renamed keeps its stored name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timer {
    /// The end of the grace period for a graceful mark.
    Grace,
    /// The announcement to the customer is due.
    Announce,
    /// A page should have answered a call message; or the leg of a silent page has stood for so long that it must have a page.
    Answer,
    /// The end of the grace period for the leave of a leg that another source reported gone, or that Flex was to remove.
    Leave,
    /// The end of the wait for a lost agent, of the steps before the requeue once the agent is back, or of the wait of a stranded
    /// customer.
    Ping,
    /// The end of the time for the agent to be on the call again, in place or through the queue, or for any agent to take the customer.
    Rejoin,
    /// The end of the wait for a covered agent.
    #[serde(rename = "beside")]
    Covered,
    /// Checks whether a conference that was left on purpose has ended, whether an agent has taken a transfer, or whether the leg of a
    /// page that is gone still stands after a transfer, which was refused then.
    #[serde(rename = "orphan")]
    LeftAlone,
    /// A page should have registered the call.
    #[serde(rename = "learn")]
    LookUp,
    /// A callback or an event should have reported the agents of the reservations.
    Owners,
    /// The watchdog: no evidence about the call has arrived for a while.
    #[serde(rename = "watch")]
    Watchdog,
    /// A poll is due, because callbacks may have been missed. The server sets this timer itself, for all calls that it
    /// watches.
    #[serde(rename = "missed")]
    CatchUp,
    /// The end of the time for which a closed call is kept for late events.
    Forget,
}

impl Timer {
    /// All timers.
    pub const ALL: [Self; 13] = [
        Self::Grace,
        Self::Announce,
        Self::Answer,
        Self::Leave,
        Self::Ping,
        Self::Rejoin,
        Self::Covered,
        Self::LeftAlone,
        Self::LookUp,
        Self::Owners,
        Self::Watchdog,
        Self::CatchUp,
        Self::Forget,
    ];
}

/// How an agent was lost, in the timeline. The departures are those of `docs/departures.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The leg was gone without a mark.
    NoMark,
    /// The page was gone before, and its leg has followed.
    LegFollowedPage,
    /// A newer page of the agent proved the leg dead.
    ProvedDead,
    /// The conference ended under the customer with the leg.
    EndedConference,
    /// The colleague left who had the customer, or seemed to have them.
    ColleagueLeft,
    /// The agent's transfer was refused, or no agent took it.
    NoTransfer,
}

/// Why the customer is sent to the queue, in the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequeueCause {
    /// The agent is back, and their leg is gone.
    AgentBack,
    /// The wait for the agent is over, and nothing has shown them back.
    AgentNotBack,
    /// The agent was back, and has not taken the customer from the queue in time.
    NotTaken,
    /// The customer has lost their agents too often lately for another wait.
    LostTooOften,
    /// The conference has ended under the customer.
    ConferenceEnded,
    /// Twilio refused to send the customer to the agent.
    Refused,
    /// An agent whom Twilio showed with the customer has left since.
    AgentFoundHasLeft,
    /// The reconnect task for the agent was cancelled.
    TaskCancelled,
    /// Twilio's request for the waiting music was lost: the customer waited without it.
    NoMusic,
    /// The queue has let the customer go.
    QueueLetGo,
    /// A request that this call does not know has sent the customer to the queue.
    SentBefore,
    /// A poll found the customer alone after the recovery had been given up.
    FoundAlone,
}

/// A line of a call's timeline, without personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Note {
    /// Customer and agent are on the call, and the server knows both.
    Connected,
    /// The agent's page is gone, not on purpose as far as the server knows; the leg stands, orphaned.
    PageGone,
    /// The agent's page answers neither by its push channel nor over its leg, which stands. The page may be gone.
    PageSilent,
    /// The page that was silent has answered: the agent is there.
    PageAnswered,
    /// The agent's desktop is back and joins the same conference again.
    JoiningInPlace,
    /// The agent's desktop could not join the same conference again.
    NotInPlace,
    /// The agent's leg is gone, not on purpose as far as the server knows.
    AgentLost {
        /// The departure; `None` in what earlier versions stored, and if a later version stored one that this one does not know.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "if_known")]
        by: Option<Loss>,
    },
    /// The agent left on purpose.
    AgentLeft,
    /// The conference has ended under the customer, whose call goes on.
    ConferenceLost,
    /// Announcement and ping are on their way.
    HoldingTheLine,
    /// The agent's desktop is back.
    AgentBack,
    /// The agent was not back in time, or was back and has not taken the customer from the queue.
    AgentNotBack,
    /// The agent is back shortly after the customer was sent to the queue for any agent because the agent was not. At most once for
    /// each recovery.
    AgentBackLate {
        /// Time since the customer was sent there.
        after: Millis,
    },
    /// The customer is sent to the queue, for the same agent or for any. Noted again each time that they are sent again.
    Requeueing {
        /// True if it is for the lost agent.
        same_agent: bool,
        /// Why; `None` as in [`Note::AgentLost`].
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "if_known")]
        because: Option<RequeueCause>,
    },
    /// The customer is in the queue.
    Queued,
    /// A poll found something that no callback had reported.
    #[serde(rename = "looked-up")]
    FoundByPoll,
    /// Flex had set `endConferenceOnExit` again, and the server cleared it.
    ExitFlagUndone,
    /// The recovery has ended.
    Ended {
        /// `rejoined`, `handed-over`, `covered`, `customer-left`, `graceful` or `failed`.
        outcome: String,
        /// Time from the loss to the end.
        after: Millis,
    },
    /// The call has ended while no recovery was open.
    CallEnded,
    /// The customer's number is not on the allow list, or cannot be looked up: the call is left alone.
    NotAllowed,
    /// A failure, and what it means.
    Trouble {
        /// One sentence without personal data.
        text: String,
    },
}

/// A name that this version may not know, as in a line that a later one has stored. The rest of the line counts even so.
fn if_known<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    let name = Option::<String>::deserialize(from)?;
    Ok(name.and_then(|name| T::deserialize(StringDeserializer::<value::Error>::new(name)).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_an_earlier_or_a_later_version_is_read_without_its_cause() {
        let read = |line: &str| serde_json::from_str::<Note>(line).ok();
        assert_eq!(read(r#"{"what":"agent-lost"}"#), Some(Note::AgentLost { by: None }));
        let lost = Note::AgentLost { by: Some(Loss::ProvedDead) };
        assert_eq!(read(r#"{"what":"agent-lost","by":"proved-dead"}"#), Some(lost));
        for because in ["", r#","because":null"#, r#","because":"bored""#] {
            let line = format!(r#"{{"what":"requeueing","same_agent":true{because}}}"#);
            assert_eq!(read(&line), Some(Note::Requeueing { same_agent: true, because: None }), "{line}");
        }
    }
}
