//! Random numbers derived from a seed, the only source of randomness in a world.
//!
//! The fate of a message is drawn from the seed, the message's lane and its number on that lane, not from one stream
//! of numbers: a world from which something is left out goes on as before wherever that makes no difference.

/// A deterministic random number generator.
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
    /// A generator for this seed.
    pub fn new(seed: u64) -> Self {
        Self(mixed(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)))
    }

    /// A generator that depends only on this seed, lane and number.
    pub fn of(seed: u64, lane: u64, number: u64) -> Self {
        Self(mixed(mixed(mixed(seed) ^ lane.wrapping_mul(0xd605_0fbb_7ae1_9a2b)).wrapping_add(number)))
    }

    /// Any 64-bit number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// A number in `0..below`; 0 when that range is empty.
    pub fn below(&mut self, below: u64) -> u64 {
        if below == 0 { 0 } else { self.number() % below }
    }

    /// A number in `least..=most`.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// True with a probability of `permille` in a thousand.
    pub fn happens(&mut self, permille: u32) -> bool {
        permille > 0 && self.below(1000) < u64::from(permille)
    }

    /// One of these elements; `None` if there are none.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(usize::try_from(self.below(of.len() as u64)).unwrap_or_default())
    }
}
