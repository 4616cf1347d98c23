//! The legs of the conference: the customer, the agents, and everybody else.

use crate::{LeaveReason, ParticipantFlags};
use rejoin_protocol::{CallSid, Millis, ReservationSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The legs of the conference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Roster {
    /// The customer's leg, once Twilio has shown it in the conference.
    pub customer: Option<CallSid>,
    /// Legs that a page or the task names as the customer's and that Twilio has not shown in the conference. True: a poll
    /// did not show the leg either.
    pub customer_claims: BTreeMap<CallSid, bool>,
    /// Agents who were or are on the call, by leg.
    pub agents: BTreeMap<CallSid, Agent>,
    /// Every leg that was ever seen in the conference.
    pub participants: BTreeMap<CallSid, Participant>,
    /// True once the conference has ended.
    pub ended: bool,
    /// When a poll did not show a customer who is on the line, so that a move was inferred (point in time).
    pub move_inferred_at: Option<Millis>,
}

/// An agent's share of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// The worker.
    pub worker: WorkerSid,
    /// The worker's name, for the agent who may have to take over.
    pub name: String,
    /// The worker's reservation.
    pub reservation: ReservationSid,
    /// The epoch of the page that has the leg; 0 when the server looked the call up itself.
    pub epoch: u64,
    /// The epoch of the newest page of the same worker, if that page is newer than the leg's.
    pub newer_page: Option<u64>,
    /// A newer page found the reservation wrapping while the leg was taken for joined: Twilio says the leg is gone.
    #[serde(default)]
    pub unjoined: bool,
    /// The epoch of the newest page of the same worker that had said hello before this leg came. This leg's page is another
    /// one, in another browser, and lives as far as that page knows.
    #[serde(default)]
    pub lives_beside: Option<u64>,
    /// The leg's page was gone before the leg was known: nobody is at the leg.
    #[serde(default)]
    pub left_behind: bool,
    /// The leg is proved dead and is being removed.
    pub removing: bool,
    /// The agent has joined in place by another leg, and Flex closes this one. A leg that still stands at this point in time
    /// is removed.
    #[serde(default)]
    pub closes_until: Option<Millis>,
    /// What became of the leg is decided: nothing more is begun because of it.
    pub settled: bool,
    /// Since when the leg is gone (point in time), if the customer was being looked after for a colleague at that time, or
    /// was counted as being with colleagues all of whom had said that they leave.
    #[serde(default)]
    pub covered_at: Option<Millis>,
}

impl Agent {
    pub(crate) fn new(worker: WorkerSid, name: String, reservation: ReservationSid) -> Self {
        Self {
            worker,
            name,
            reservation,
            epoch: 0,
            newer_page: None,
            lives_beside: None,
            unjoined: false,
            left_behind: false,
            removing: false,
            closes_until: None,
            settled: false,
            covered_at: None,
        }
    }
}

/// One leg of the conference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// True while the leg is there.
    pub joined: bool,
    /// Why the leg is not there any more.
    pub left: Option<LeaveReason>,
    /// A callback has reported that the leg hung up. If a poll alone found the leg gone, the reason is not known.
    #[serde(default)]
    pub hung_up: bool,
    /// The leg's flags as last reported.
    pub flags: ParticipantFlags,
    /// The leg's label, if it has one.
    #[serde(default)]
    pub label: Option<String>,
    /// `endConferenceOnExit` of the leg is being set back to false.
    #[serde(default)]
    pub keeping: bool,
    /// `endConferenceOnExit` was reported true while it was being set back: another plugin may have set it since.
    #[serde(default)]
    pub flagged_again: bool,
    /// The leg was sent after the customer into another conference.
    pub moved: bool,
    /// The leg was there when a page came that was alone in its browser: an older page may have it.
    #[serde(default)]
    pub stood: bool,
    /// The sequence number of the last callback about this leg. Older callbacks that arrive later change nothing.
    pub sequence: u64,
}
