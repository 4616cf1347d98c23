use serde::{Deserialize, Serialize};

/// The relevant flags of a participant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantFlags {
    /// The exit flag: the conference ends when this leg leaves.
    pub end_conference_on_exit: bool,
    /// True on hold.
    pub hold: bool,
    /// True when muted.
    pub muted: bool,
    /// True for a supervisor who coaches: only one agent hears this leg.
    #[serde(default)]
    pub coaching: bool,
}

impl ParticipantFlags {
    /// True if the person at this leg can talk to the customer.
    pub fn can_talk(&self) -> bool {
        !self.hold && !self.muted && !self.coaching
    }
}
