//! Chance from a seed. Nothing else is random in a world.
//!
//! What happens to a message is drawn from the seed, the message's lane and its number on that lane, not from one stream
//! of numbers: a world from which something is left out goes on as before where that made no difference.

/// A source of numbers.
#[derive(Clone, Debug)]
pub struct Chance(u64);

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>).
fn mixed(state: u64) -> u64 {
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Chance {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(mixed(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)))
    }

    /// Another source, which depends on this one's seed and on these numbers alone.
    pub fn of(seed: u64, lane: u64, number: u64) -> Self {
        Self(mixed(mixed(mixed(seed) ^ lane.wrapping_mul(0xd605_0fbb_7ae1_9a2b)).wrapping_add(number)))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// One of `0..below`; 0 when there is none.
    pub fn below(&mut self, below: u64) -> u64 {
        if below == 0 { 0 } else { self.number() % below }
    }

    /// One of `least..=most`.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// Does it happen, in so many of a thousand cases?
    pub fn happens(&mut self, permille: u32) -> bool {
        permille > 0 && self.below(1000) < u64::from(permille)
    }

    /// One of these; `None` of none.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(usize::try_from(self.below(of.len() as u64)).unwrap_or_default())
    }
}
