//! Mutated bytes, the same in every run: the fuzz targets search for new ones.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod inputs;

use std::path::Path;

/// How often each seed is mutated, unless `REJOIN_CHANGES` says otherwise.
const CHANGES: u64 = 400;

/// A number from the environment.
fn set(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Pseudo-random numbers (<https://www.pcg-random.org>).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// Applies one to four mutations: a changed byte, a piece left out, a repeated piece, a piece of another seed, a cut
/// end.
fn changed(seed: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        let (from, length) = (numbers.below(bytes.len() + 1), numbers.below(24));
        let to = (from + length).min(bytes.len());
        match numbers.below(6) {
            0 => bytes.truncate(from),
            1 => drop(bytes.drain(from..to)),
            2 => bytes.extend_from_within(from..to),
            3 => {
                let piece = other.iter().copied().skip(numbers.below(other.len())).take(length);
                bytes.splice(from..from, piece);
            }
            4 => bytes.insert(from, b"\"\\{}[]<>&'%=\n\0\xff\xf0"[numbers.below(16)]),
            _ => {
                if let Some(byte) = bytes.get_mut(from) {
                    *byte = numbers.below(256) as u8;
                }
            }
        }
    }
    bytes
}

#[test]
fn whatever_comes_in_nothing_breaks() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    for (name, input) in inputs::ALL {
        let mut files: Vec<_> =
            std::fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let seeds: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
        assert!(!seeds.is_empty(), "{name} has no seeds");
        input(b"");
        let mut numbers = Numbers(set("REJOIN_SEED", 1));
        for seed in &seeds {
            input(seed);
            for _ in 0..set("REJOIN_CHANGES", CHANGES) {
                let other = &seeds[numbers.below(seeds.len())];
                let bytes = changed(seed, other, &mut numbers);
                // A failing input is kept, to become a seed.
                if std::panic::catch_unwind(|| input(&bytes)).is_err() {
                    let kept = std::env::temp_dir().join(format!("rejoin-{name}"));
                    std::fs::write(&kept, &bytes).unwrap();
                    panic!("{name} breaks: {}", kept.display());
                }
            }
        }
    }
}

/// One input of each kind that the fuzz targets have found.
#[test]
fn inputs_found_by_fuzzing_break_nothing() {
    for (name, input) in inputs::ALL {
        let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/found").join(name);
        let mut files: Vec<_> =
            std::fs::read_dir(found).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has none");
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            assert!(std::panic::catch_unwind(|| input(&bytes)).is_ok(), "{name} breaks: {}", file.display());
        }
    }
}
