//! What plays just now, and who goes on when it has been played.

use super::api::{PlayId, Sound};
use rejoin_protocol::{CallSid, ConferenceSid};
use std::collections::BTreeMap;

/// Something that plays.
#[derive(Debug)]
pub(super) struct Playing {
    pub(super) of: PlayFor,
    pub(super) sound: Sound,
    /// How often again; `None`: for ever.
    pub(super) left: Option<u32>,
}

/// Who goes on when it has been played.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PlayFor {
    Document(CallSid),
    Wait(CallSid),
    Announcement(ConferenceSid),
    Hold(CallSid),
}

/// All that plays. Where many wait it is asked often whether anything plays for one of them: that is counted.
#[derive(Debug, Default)]
pub(super) struct Plays {
    pub(super) playing: BTreeMap<PlayId, Playing>,
    counts: BTreeMap<PlayFor, usize>,
}

impl Plays {
    pub(super) fn insert(&mut self, play: PlayId, playing: Playing) {
        *self.counts.entry(playing.of.clone()).or_default() += 1;
        self.playing.insert(play, playing);
    }

    pub(super) fn remove(&mut self, play: PlayId) -> Option<Playing> {
        let playing = self.playing.remove(&play)?;
        if let Some(count) = self.counts.get_mut(&playing.of) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&playing.of);
            }
        }
        Some(playing)
    }

    /// All of this is over.
    pub(super) fn forget(&mut self, of: &PlayFor) {
        if self.counts.remove(of).is_some() {
            self.playing.retain(|_, playing| playing.of != *of);
        }
    }

    /// Does anything play for this?
    pub(super) fn any(&self, of: &PlayFor) -> bool {
        self.counts.contains_key(of)
    }
}
