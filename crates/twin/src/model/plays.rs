//! What currently plays, and what continues after it.

use super::api::{PlayId, Sound};
use rejoin_protocol::{CallSid, ConferenceSid};
use std::collections::BTreeMap;

/// A sound that plays.
#[derive(Debug)]
pub(super) struct Playing {
    pub(super) of: PlayFor,
    pub(super) sound: Sound,
    /// Number of repetitions left; `None`: forever.
    pub(super) left: Option<u32>,
}

/// What continues when the sound is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PlayFor {
    Document(CallSid),
    Wait(CallSid),
    Announcement(ConferenceSid),
    Hold(CallSid),
}

/// All sounds that play. They are counted per owner, because with many waiting legs that is looked up often.
#[derive(Debug, Default)]
pub(super) struct Plays {
    pub(super) playing: BTreeMap<PlayId, Playing>,
    counts: BTreeMap<PlayFor, Count>,
}

/// The sounds of an owner.
#[derive(Debug, Default)]
struct Count {
    all: usize,
    speech: usize,
}

impl Plays {
    pub(super) fn insert(&mut self, play: PlayId, playing: Playing) {
        let count = self.counts.entry(playing.of.clone()).or_default();
        count.all += 1;
        count.speech += usize::from(is_speech(&playing.sound));
        self.playing.insert(play, playing);
    }

    pub(super) fn remove(&mut self, play: PlayId) -> Option<Playing> {
        let playing = self.playing.remove(&play)?;
        if let Some(count) = self.counts.get_mut(&playing.of) {
            count.all -= 1;
            count.speech -= usize::from(is_speech(&playing.sound));
            if count.all == 0 {
                self.counts.remove(&playing.of);
            }
        }
        Some(playing)
    }

    /// Stops all sounds of this owner.
    pub(super) fn forget(&mut self, of: &PlayFor) {
        if self.counts.remove(of).is_some() {
            self.playing.retain(|_, playing| playing.of != *of);
        }
    }

    /// True when anything plays for this owner.
    pub(super) fn any(&self, of: &PlayFor) -> bool {
        self.counts.contains_key(of)
    }

    /// True when speech plays for this owner.
    pub(super) fn speech(&self, of: &PlayFor) -> bool {
        self.counts.get(of).is_some_and(|count| count.speech > 0)
    }
}

fn is_speech(sound: &Sound) -> bool {
    matches!(sound, Sound::Say(_))
}
