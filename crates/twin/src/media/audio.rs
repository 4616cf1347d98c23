//! 8 kHz mono audio: G.711 µ-law, a tone, and the measurements that tests and the demo read.

use std::f32::consts::TAU;
use std::ops::RangeInclusive;

/// Samples per second, of the audio and of the RTP clock (payload type 0, <https://www.rfc-editor.org/rfc/rfc3551>).
pub(super) const RATE: usize = 8000;
/// Samples in one 20 ms packet, the packet time that browsers use.
pub(super) const FRAME: usize = RATE / 50;

/// 20 ms.
pub(super) type Frame = [i16; FRAME];

/// Linear to µ-law (<https://www.itu.int/rec/T-REC-G.711>).
pub(super) fn encode(sample: i16) -> u8 {
    // The bias makes every segment start at a power of two, so that the exponent is a bit length.
    let magnitude = i32::from(sample).abs().min(32_635) + 0x84;
    let exponent = (magnitude >> 7).ilog2() as u8;
    let mantissa = (magnitude >> (exponent + 3)) as u8 & 0x0f;
    !(if sample < 0 { 0x80 } else { 0 } | exponent << 4 | mantissa)
}

/// µ-law to linear.
pub(super) fn decode(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = (((i32::from(byte & 0x0f) << 3) + 0x84) << ((byte & 0x70) >> 4)) - 0x84;
    (if byte & 0x80 == 0 { magnitude } else { -magnitude }) as i16
}

/// A sine wave that continues from frame to frame without a click.
#[derive(Debug)]
pub(super) struct Tone {
    step: f32,
    phase: f32,
}

impl Tone {
    /// A tone of this many hertz.
    pub(super) fn new(hz: f32) -> Self {
        Self { step: TAU * hz / RATE as f32, phase: 0.0 }
    }

    /// The next 20 ms.
    pub(super) fn frame(&mut self) -> Frame {
        std::array::from_fn(|_| {
            self.phase = (self.phase + self.step) % TAU;
            (self.phase.sin() * 8000.0) as i16
        })
    }
}

/// Loudness: root mean square, 0 (silence) to 32767.
pub(super) fn rms(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
    (sum / samples.len().max(1) as f64).sqrt()
}

/// Loudest frequency of the telephone band, to the nearest 10 Hz; `None` when there is only silence.
pub(super) fn peak_hz(samples: &[i16]) -> Option<u32> {
    if is_silence(samples) {
        return None;
    }
    let powers = spectrum(samples, 200..=3400, |all, block| all + block);
    powers.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(hz, _)| hz)
}

/// Nothing in it would be heard: there are no frequencies to look for.
fn is_silence(samples: &[i16]) -> bool {
    rms(samples) <= 20.0
}

/// Every prominent frequency of the telephone band, to the nearest 10 Hz: several voices speak at once, and some of
/// them in bursts. Each frequency counts by its loudest tenth of a second.
pub(super) fn tones(samples: &[i16]) -> Vec<u32> {
    // A second with a tone in a tenth of it that counts below is louder.
    if is_silence(samples) {
        return Vec::new();
    }
    // A block that is shorter than others is not comparable.
    let whole = &samples[..samples.len() - samples.len() % BLOCK];
    // From the power of a sine's bin to its root mean square.
    let loudness = |power: f64| power.max(0.0).sqrt() * 2f64.sqrt() / BLOCK as f64;
    let bins = spectrum(whole, 190..=3410, f64::max).into_iter().map(|(hz, power)| (hz, loudness(power)));
    let bins: Vec<(u32, f64)> = bins.collect();
    let floor = bins.iter().map(|(_, it)| *it).fold(0.0, f64::max) / 10.0;
    let stands_out = |around: &[(u32, f64)]| match around {
        [(_, before), (hz, it), (_, after)] if it > before && it >= after && *it >= floor.max(200.0) => {
            Some(*hz)
        }
        _ => None,
    };
    bins.windows(3).filter_map(stands_out).collect()
}

/// 100 ms: a bin is then 10 Hz wide, so steps of 10 Hz miss nothing.
const BLOCK: usize = RATE / 10;
/// Frequencies that are measured at a time.
const BINS: usize = 8;

/// The power of each frequency, every 10 Hz: that of its blocks, put together from 0 on.
fn spectrum(
    samples: &[i16],
    band: RangeInclusive<u32>,
    together: impl Fn(f64, f64) -> f64,
) -> Vec<(u32, f64)> {
    let all: Vec<u32> = band.step_by(10).collect();
    let powers = |some: &[u32]| -> Vec<(u32, f64)> {
        let hz = std::array::from_fn(|bin| some.get(bin).copied().unwrap_or_default());
        let mut powers = [0.0; BINS];
        for block in samples.chunks(BLOCK) {
            for (power, block) in powers.iter_mut().zip(goertzel(block, hz)) {
                *power = together(*power, block);
            }
        }
        some.iter().copied().zip(powers).collect()
    };
    all.chunks(BINS).flat_map(powers).collect()
}

/// The power of each of these frequencies. The steps of one depend on each other: a processor takes about as long for several as for one, and
/// this is much of what the twin does during a story.
fn goertzel(block: &[i16], hz: [u32; BINS]) -> [f64; BINS] {
    let k = hz.map(|hz| 2.0 * (std::f64::consts::TAU * f64::from(hz) / RATE as f64).cos());
    let (mut a, mut b) = ([0.0; BINS], [0.0; BINS]);
    for &sample in block {
        let sample = f64::from(sample);
        let mut bin = 0;
        // In a debug build an iterator takes twice as long.
        while bin < BINS {
            (a[bin], b[bin]) = (sample + k[bin] * a[bin] - b[bin], a[bin]);
            bin += 1;
        }
    }
    std::array::from_fn(|bin| a[bin] * a[bin] + b[bin] * b[bin] - k[bin] * a[bin] * b[bin])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_a_round_trip() {
        // 0x7f is "negative zero": it decodes to 0, which encodes as 0xff.
        for code in (0..=255).filter(|&c| c != 0x7f) {
            assert_eq!(encode(decode(code)), code);
        }
        assert_eq!((decode(encode(i16::MIN)), decode(encode(i16::MAX))), (-32_124, 32_124));
    }

    #[test]
    fn a_tone_is_measured_at_its_frequency() {
        let mut tone = Tone::new(440.0);
        let second: Vec<i16> = (0..50).flat_map(|_| tone.frame()).map(|s| decode(encode(s))).collect();
        assert_eq!(peak_hz(&second), Some(440));
        assert!((rms(&second) - 8000.0 / 2f64.sqrt()).abs() < 60.0);
        assert_eq!(peak_hz(&[0; RATE]), None);
        assert_eq!(peak_hz(&[]), None);
    }

    #[test]
    fn several_tones_at_once_are_told_apart() {
        let (mut one, mut two) = (Tone::new(660.0), Tone::new(880.0));
        let both =
            || one.frame().into_iter().zip(two.frame()).map(|(a, b)| a / 2 + b / 2).collect::<Vec<_>>();
        let mut second: Vec<i16> = std::iter::repeat_with(both).take(45).flatten().collect();
        assert_eq!(tones(&second), [660, 880]);
        let mut burst = Tone::new(400.0);
        for (sample, beep) in second.iter_mut().zip((0..5).flat_map(|_| burst.frame())) {
            *sample += beep / 2;
        }
        assert_eq!(tones(&second), [400, 660, 880]);
        assert_eq!((tones(&[0; RATE]), tones(&[])), (vec![], vec![]));
    }

    #[test]
    fn companding_stays_near_the_sample() {
        // A segment has 16 steps, and a code stands for the middle of its step: the error is at most half a step, a
        // 32nd of the biased magnitude.
        for sample in -32_124_i16..=32_124 {
            let error = (i32::from(decode(encode(sample))) - i32::from(sample)).abs();
            assert!(error <= (i32::from(sample).abs() + 0x84) / 32, "{sample}: {error}");
        }
    }
}
