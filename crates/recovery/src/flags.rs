use serde::{Deserialize, Serialize};

/// Flags of a participant that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantFlags {
    /// Does the conference end when this leg leaves?
    pub end_conference_on_exit: bool,
    /// On hold?
    pub hold: bool,
    /// Muted?
    pub muted: bool,
    /// Heard by one agent alone: a supervisor who coaches.
    #[serde(default)]
    pub coaching: bool,
}

impl ParticipantFlags {
    /// Can the customer talk to whoever is at this leg?
    pub fn can_talk(&self) -> bool {
        !self.hold && !self.muted && !self.coaching
    }
}
