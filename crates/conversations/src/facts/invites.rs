//! Our invites, by number, and what came of them.

use super::join::{Earliest, Join, Latest, keep_newest};
use rejoin_protocol::{InviteSid, Millis, TaskSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// At most this many invites are kept: the newest.
const KEPT: usize = 16;

/// One invite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Invite {
    sid: Option<Latest<InviteSid>>,
    task: Option<Latest<TaskSid>>,
    made_at: Option<Earliest<Millis>>,
    refused_at: Option<Earliest<Millis>>,
}

impl Invite {
    /// Twilio has made it.
    pub(crate) fn made(at: Millis, sid: InviteSid, task: Option<TaskSid>) -> Self {
        Self { sid: Some(Latest(sid)), task: task.map(Latest), made_at: Some(Earliest(at)), refused_at: None }
    }

    /// Twilio has refused it, or did not answer in time.
    pub(crate) fn refused(at: Millis) -> Self {
        Self { refused_at: Some(Earliest(at)), ..Self::default() }
    }

    /// Its task, once known.
    pub fn task(&self) -> Option<&TaskSid> {
        self.task.as_ref().map(|task| &task.0)
    }

    /// When Twilio made it (point in time).
    pub fn made_at(&self) -> Option<Millis> {
        self.made_at.map(|at| at.0)
    }

    /// When it came to nothing because Twilio refused it (point in time). Never of one that was made.
    pub fn refused_at(&self) -> Option<Millis> {
        self.refused_at.filter(|_| self.made_at.is_none()).map(|at| at.0)
    }
}

impl Join for Invite {
    fn join(&mut self, other: Self) {
        self.sid.join(other.sid);
        self.task.join(other.task);
        self.made_at.join(other.made_at);
        self.refused_at.join(other.refused_at);
    }
}

/// Our invites.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Invites {
    by_number: BTreeMap<u32, Invite>,
}

impl Invites {
    /// What is known of one invite.
    pub(crate) fn one(number: u32, invite: Invite) -> Self {
        Self { by_number: [(number, invite)].into() }
    }

    /// The newest one, if its number is greater than this one.
    pub fn newest_after(&self, number: u32) -> Option<(u32, &Invite)> {
        let newest = self.by_number.last_key_value().map(|(number, invite)| (*number, invite));
        newest.filter(|(newest, _)| *newest > number)
    }

    /// Number of the newest one; 0 if there is none.
    pub fn last_number(&self) -> u32 {
        self.by_number.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// Their tasks, as far as known.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskSid> {
        self.by_number.values().filter_map(Invite::task)
    }

    /// When Twilio made the one with this task (point in time).
    pub fn made_at(&self, task: &TaskSid) -> Option<Millis> {
        self.by_number.values().find(|invite| invite.task() == Some(task))?.made_at()
    }

    /// True if this task is one of theirs.
    pub fn brought(&self, task: &TaskSid) -> bool {
        self.by_number.values().any(|invite| invite.task() == Some(task))
    }
}

impl Join for Invites {
    fn join(&mut self, other: Self) {
        self.by_number.join(other.by_number);
        keep_newest(&mut self.by_number, KEPT);
    }
}
