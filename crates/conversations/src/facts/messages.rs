//! The last message of each author: its index and time, never its text.

use super::Roster;
use super::join::{Join, Latest};
use rejoin_protocol::{MemberSid, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A message's index in its conversation, and when Twilio took it (point in time).
pub(crate) type Seen = (u32, Millis);

/// At most this many members are kept: those who wrote last.
const MEMBERS: usize = 16;

/// The last messages. Of each author only the last one counts, so that neither the number of messages nor their order matters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Messages {
    by_member: BTreeMap<MemberSid, Latest<Seen>>,
    by_system: Option<Latest<Seen>>,
}

impl Messages {
    /// One message, by this member, or by a program.
    pub(crate) fn one(member: Option<MemberSid>, seen: Seen) -> Self {
        match member {
            Some(member) => Self { by_member: [(member, Latest(seen))].into(), by_system: None },
            None => Self { by_member: BTreeMap::new(), by_system: Some(Latest(seen)) },
        }
    }

    /// The customer's last message. A member whom Twilio does not list as an agent is the customer.
    pub(crate) fn by_customer(&self, roster: &Roster) -> Option<Seen> {
        self.last_of(|member| !roster.is_agent(member))
    }

    /// The last message of an agent.
    pub(crate) fn by_agent(&self, roster: &Roster) -> Option<Seen> {
        self.last_of(|member| roster.is_agent(member))
    }

    /// When the customer's last message came (point in time), if no agent has written after it. It is the last message, not
    /// the first unanswered one: that would take a list of all, and the general time bounds the wait of a customer who goes on.
    pub fn unanswered_since(&self, roster: &Roster) -> Option<Millis> {
        let (index, at) = self.by_customer(roster)?;
        self.by_agent(roster).is_none_or(|(answer, _)| answer < index).then_some(at)
    }

    /// When a person wrote last (point in time).
    pub fn last_at(&self) -> Option<Millis> {
        self.by_member.values().map(|Latest((_, at))| *at).max()
    }

    fn last_of(&self, is: impl Fn(&MemberSid) -> bool) -> Option<Seen> {
        self.by_member.iter().filter(|(member, _)| is(member)).map(|(_, Latest(seen))| *seen).max()
    }
}

impl Join for Messages {
    fn join(&mut self, other: Self) {
        self.by_member.join(other.by_member);
        self.by_system.join(other.by_system);
        while self.by_member.len() > MEMBERS {
            let first = self.by_member.iter().min_by_key(|(member, seen)| (**seen, *member));
            let Some(first) = first.map(|(member, _)| member.clone()) else { return };
            self.by_member.remove(&first);
        }
    }
}
