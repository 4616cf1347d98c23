//! Writes what a waiting customer hears: the comfort audio, `public/audio/comfort.wav`, and the soft tone before the
//! first words, `public/audio/tone.wav`: `cargo run -p rejoin-twin --example comfort_wav`.
//!
//! Both are computed, so that nobody holds rights in them and everybody can change them.

use std::f64::consts::TAU;
use std::path::Path;

/// Samples per second: the telephone carries no more.
const RATE: usize = 8000;
/// Length of the loop in seconds.
const SECONDS: usize = 6;

/// Two soft chords that fade into each other and back (B with added ninth, D sharp minor seventh), in hertz.
const CHORDS: [&[f64]; 2] = [&[246.9, 311.1, 370.0, 554.4], &[277.2, 311.1, 370.0, 466.2]];

/// Amplitude of the loudest moment; far below full scale, for it is heard alone for a long time.
const PEAK: f64 = 5000.0;

/// Length of the tone's file, and of the tone in it, in samples.
const TONE_FILE: usize = RATE;
const TONE: usize = RATE * 7 / 10;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../public/audio");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("comfort.wav"), wav(&samples()))?;
    std::fs::write(folder.join("tone.wav"), wav(&tone()))
}

/// A note of the first chord that swells and fades, so that it begins, ends, and can be cut off without a click.
fn tone() -> Vec<i16> {
    let swell = |i: usize| (1.0 - (i as f64 / TONE as f64 * TAU).cos()) / 2.0;
    let at = |i: usize| swell(i) * (CHORDS[0][2] * i as f64 / RATE as f64 * TAU).sin() * PEAK;
    (0..TONE_FILE).map(|i| if i < TONE { at(i).round() as i16 } else { 0 }).collect()
}

fn samples() -> Vec<i16> {
    let raw: Vec<f64> = (0..RATE * SECONDS).map(|i| sound(i as f64 / RATE as f64)).collect();
    let loudest = raw.iter().fold(0.0, |max: f64, s| max.max(s.abs()));
    raw.iter().map(|s| (s / loudest * PEAK).round() as i16).collect()
}

/// Every component has a whole number of periods in the loop, so its end meets its beginning without a click.
fn sound(at: f64) -> f64 {
    let fade = (at / SECONDS as f64 * TAU).cos();
    let chord = |notes: &[f64]| notes.iter().map(|&hz| note(hz, at)).sum::<f64>();
    chord(CHORDS[0]) * (1.0 + fade) + chord(CHORDS[1]) * (1.0 - fade)
}

/// Two slightly detuned voices, which makes it a pad instead of an organ.
fn note(hz: f64, at: f64) -> f64 {
    let periods = (hz * SECONDS as f64).round();
    [periods, periods + 2.0]
        .map(|periods| {
            let phase = periods * at / SECONDS as f64 * TAU;
            phase.sin() + 0.2 * (2.0 * phase).sin()
        })
        .iter()
        .sum()
}

/// PCM, 16 bits, mono (<https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html>).
fn wav(samples: &[i16]) -> Vec<u8> {
    let (data, rate) = (samples.len() as u32 * 2, RATE as u32);
    let mut file = Vec::with_capacity(44 + data as usize);
    file.extend(b"RIFF");
    file.extend((36 + data).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    for word in [1_u16, 1] {
        file.extend(word.to_le_bytes());
    }
    for number in [rate, rate * 2] {
        file.extend(number.to_le_bytes());
    }
    for word in [2_u16, 16] {
        file.extend(word.to_le_bytes());
    }
    file.extend(b"data");
    file.extend(data.to_le_bytes());
    file.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    file
}
