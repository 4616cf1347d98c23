//! Clips: the sound of `<Say>`, `<Play>` and hold.

use super::audio::{self, RATE};
use super::{Clip, MediaError};
use std::f32::consts::TAU;
use std::ops::Range;

/// The sound of a `<Say>`. Without a speech synthesiser it is syllables: bursts around 1000 Hz, near which nothing
/// else here sounds. They last as long as speech would: about 60 ms a character, 1.2 s to 8 s.
pub fn speech(text: &str) -> Clip {
    let length = (text.chars().count() * RATE * 60 / 1000).clamp(RATE * 12 / 10, RATE * 8);
    // 140 ms of sound and 60 ms of pause; the pitch depends on the letters, so that texts differ audibly.
    let (syllable, sounding) = (RATE / 5, RATE * 14 / 100);
    let letters: Vec<u32> = text.chars().map(u32::from).collect();
    let samples = (0..length).map(|i| {
        let (number, at) = (i / syllable, i % syllable);
        if at >= sounding {
            return 0;
        }
        // Syllables take about three characters each; 960 to 1040 Hz.
        let letter = letters.get(number * 3 % letters.len().max(1)).copied().unwrap_or(0);
        let hz = 960.0 + (letter % 9) as f32 * 10.0;
        let swell = (at as f32 / sounding as f32 * TAU / 2.0).sin();
        ((at as f32 * hz * TAU / RATE as f32).sin() * swell * 7000.0) as i16
    });
    Clip { label: format!("announcement: {text}"), samples: samples.collect() }
}

/// Hold music without a `HoldUrl`: a slow arpeggio that loops without a click. Twilio's own is music, too
/// (<https://www.twilio.com/docs/voice/api/conference-participant-resource>, `HoldUrl`).
pub fn hold_music() -> Clip {
    // Every note starts and ends at zero, so there is no click wherever the loop begins again. None is near 400 Hz,
    // at which Chromium's fake microphone beeps: measurements of an agent must not find this.
    let notes = [262.0, 330.0, 440.0, 523.0, 440.0, 330.0_f32];
    let note = RATE * 4 / 10;
    let samples = (0..notes.len() * note).map(|i| {
        let (hz, at) = (notes[i / note], i % note);
        let swell = (at as f32 / note as f32 * TAU / 2.0).sin();
        ((at as f32 * hz * TAU / RATE as f32).sin() * swell * 3000.0) as i16
    });
    Clip { label: "hold music".into(), samples: samples.collect() }
}

/// The sound of a hold while nothing is played: another document replaces the music, and is not there yet or is over.
pub fn no_music() -> Clip {
    Clip { label: "nothing".into(), samples: [].into() }
}

/// Maximum number of samples: nobody listens to more, and a file that claims more is broken or hostile.
pub(super) const LONGEST: usize = RATE * 600;

/// Parses a WAV file: PCM of 8 or 16 bits or µ-law, any number of channels (mixed down), 1 to 192 kHz (resampled).
/// The format is that of <https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html>.
pub fn wav(bytes: &[u8], label: &str) -> Result<Clip, MediaError> {
    let refuse = |why| Err(MediaError::Wav(why));
    let (Some(b"RIFF"), Some(b"WAVE")) = (bytes.get(..4), bytes.get(8..12)) else {
        return refuse("it does not begin with RIFF and WAVE");
    };
    let (mut format, mut data) = (None, None);
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let Some((name, size, body)) = chunk(rest) {
        match name {
            b"fmt " => format = Format::parse(body),
            b"data" => data = Some(body),
            _ => {}
        }
        // Chunks are padded to an even length.
        rest = rest.get((size + size % 2).saturating_add(8)..).unwrap_or_default();
    }
    let Some(format) = format else { return refuse("it has no complete format chunk") };
    let Some(data) = data else { return refuse("it has no data chunk") };
    let Some(samples) = format.read(data) else { return refuse("its encoding is not known") };
    if samples.len() * RATE / format.rate > LONGEST {
        return refuse("it is longer than ten minutes");
    }
    let samples = resample(&samples, format.rate);
    if samples.is_empty() {
        return refuse("it has no samples");
    }
    Ok(Clip { label: label.to_owned(), samples: samples.into() })
}

/// Name, claimed size and body of the first chunk. A body may be cut short: streamed files claim too much.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], usize, &[u8])> {
    let (name, rest) = bytes.split_first_chunk()?;
    let (size, rest) = rest.split_first_chunk()?;
    let size = u32::from_le_bytes(*size) as usize;
    Some((name, size, rest.get(..size).unwrap_or(rest)))
}

struct Format {
    /// 1: PCM, 7: µ-law.
    tag: u16,
    channels: usize,
    rate: usize,
    bits: u16,
}

impl Format {
    fn parse(chunk: &[u8]) -> Option<Self> {
        let word = |range: Range<usize>| -> Option<u16> {
            Some(u16::from_le_bytes(chunk.get(range)?.try_into().ok()?))
        };
        let rate = u32::from_le_bytes(chunk.get(4..8)?.try_into().ok()?) as usize;
        let tag = match word(0..2)? {
            // WAVE_FORMAT_EXTENSIBLE: the real tag begins the sub-format.
            0xfffe => word(24..26)?,
            tag => tag,
        };
        let channels = usize::from(word(2..4)?);
        let plausible = channels > 0 && (1000..=192_000).contains(&rate);
        plausible.then_some(Self { tag, channels, rate, bits: word(14..16)? })
    }

    /// Mono samples; `None`: an unknown encoding.
    fn read(&self, data: &[u8]) -> Option<Vec<i16>> {
        let samples: Vec<i16> = match (self.tag, self.bits) {
            (1, 8) => data.iter().map(|&b| (i16::from(b) - 128) << 8).collect(),
            (1, 16) => data.as_chunks().0.iter().map(|&pair| i16::from_le_bytes(pair)).collect(),
            (7, 8) => data.iter().map(|&b| audio::decode(b)).collect(),
            _ => return None,
        };
        Some(mixed(&samples, self.channels).collect())
    }
}

/// Mixes all channels into one; there must be at least one.
pub(super) fn mixed(samples: &[i16], channels: usize) -> impl Iterator<Item = i16> {
    let mix = |all: &[i16]| all.iter().map(|&s| i64::from(s)).sum::<i64>() / all.len() as i64;
    samples.chunks_exact(channels).map(move |all| mix(all) as i16)
}

/// Resamples to 8 kHz. Downwards each sample is the mean of those that it stands for, a low-pass filter that is good
/// enough for the telephone; upwards it is interpolated linearly.
pub(super) fn resample(samples: &[i16], rate: usize) -> Vec<i16> {
    let Some(&last) = samples.last() else { return vec![] };
    if rate == RATE {
        return samples.to_vec();
    }
    (0..samples.len() * RATE / rate)
        .map(|i| {
            let (from, part) = (i * rate / RATE, (i * rate % RATE) as f64 / RATE as f64);
            let to = ((i + 1) * rate / RATE).min(samples.len());
            match samples.get(from..to) {
                Some(span) if rate > RATE && !span.is_empty() => {
                    (span.iter().map(|&s| i64::from(s)).sum::<i64>() / span.len() as i64) as i16
                }
                _ => {
                    let a = f64::from(samples.get(from).copied().unwrap_or(last));
                    let b = f64::from(samples.get(from + 1).copied().unwrap_or(last));
                    (a + (b - a) * part) as i16
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        file.extend(tag.to_le_bytes());
        file.extend(channels.to_le_bytes());
        file.extend(rate.to_le_bytes());
        file.extend([0; 6]);
        file.extend(bits.to_le_bytes());
        // An unknown chunk of odd size: skipped with its padding.
        file.extend(b"LIST\x01\0\0\0\0\0data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        file
    }

    fn sine(rate: usize, channels: usize, hz: f32) -> Vec<u8> {
        (0..rate)
            .flat_map(|i| vec![((i as f32 * hz * TAU / rate as f32).sin() * 9000.0) as i16; channels])
            .flat_map(i16::to_le_bytes)
            .collect()
    }

    #[test]
    fn any_rate_and_number_of_channels_keeps_its_pitch_and_length() {
        for (rate, channels) in [(8000, 1), (8000, 2), (44_100, 2), (48_000, 1), (6000, 1)] {
            let bytes = file(1, channels, rate, 16, &sine(rate as usize, channels.into(), 700.0));
            let clip = wav(&bytes, "comfort audio").expect("plays");
            assert_eq!(clip.label, "comfort audio");
            assert_eq!((clip.samples.len(), audio::peak_hz(&clip.samples)), (RATE, Some(700)), "{rate}");
        }
    }

    #[test]
    fn eight_bits_and_mu_law_are_read() {
        let clip = wav(&file(1, 1, 8000, 8, &[128, 255, 0]), "").expect("plays");
        assert_eq!(*clip.samples, [0, 127 << 8, i16::MIN]);
        let clip = wav(&file(7, 1, 8000, 8, &[0xff, audio::encode(1000)]), "").expect("plays");
        assert_eq!(*clip.samples, [0, 988]);
    }

    #[test]
    fn a_data_chunk_that_claims_too_much_plays_to_its_end() {
        let mut bytes = file(1, 1, 8000, 16, &[1, 0, 2, 0]);
        let size = bytes.len() - 8;
        bytes[size..size + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(*wav(&bytes, "").expect("plays").samples, [1, 2]);
    }

    #[test]
    fn unplayable_files_are_refused() {
        let whole = file(1, 1, 8000, 16, &[1, 0]);
        for bytes in [
            b"".to_vec(),
            b"RIFF".to_vec(),
            whole[..30].to_vec(),
            file(1, 0, 8000, 16, &[1, 0]),
            file(1, 1, 0, 16, &[1, 0]),
            file(1, 1, 8000, 16, &[]),
            file(3, 1, 8000, 32, &[0; 4]),
            file(1, 1, 1000, 8, &vec![0; 1_000_000]),
        ] {
            assert!(matches!(wav(&bytes, ""), Err(MediaError::Wav(_))));
        }
    }

    #[test]
    fn a_clip_of_speech_lasts_as_long_as_speaking_would() {
        let seconds = |text: &str| speech(text).samples.len() as f64 / RATE as f64;
        assert_eq!(seconds(""), 1.2);
        assert_eq!(seconds(&"a".repeat(50)), 3.0);
        assert_eq!(seconds(&"a".repeat(1000)), 8.0);
        assert_eq!(speech("One moment.").label, "announcement: One moment.");
    }

    #[test]
    fn speech_and_music_are_told_apart_by_their_pitch() {
        let peak = audio::peak_hz(&speech("We are reconnecting you to your agent.").samples);
        assert!(peak.is_some_and(|hz| (950..=1050).contains(&hz)), "{peak:?}");
        for second in hold_music().samples.chunks(RATE) {
            let peak = audio::peak_hz(second);
            assert!(peak.is_some_and(|hz| hz < 600 && hz.abs_diff(400) > 20), "{peak:?}");
        }
    }

    /// The output of examples/comfort_wav.rs.
    #[test]
    fn the_comfort_audio_is_calm_small_and_loops_without_a_click() {
        let bytes = include_bytes!("../../../../public/audio/comfort.wav");
        assert!(bytes.len() < 100_000);
        let samples = wav(bytes, "comfort audio").expect("plays").samples;
        assert_eq!(samples.len(), RATE * 6);
        let step = |pair: &[i16]| pair[0].abs_diff(pair[1]);
        let largest = samples.windows(2).map(step).max().expect("samples");
        assert!(step(&[samples[samples.len() - 1], samples[0]]) <= largest);
        for second in samples.chunks(RATE) {
            assert!((500.0..4000.0).contains(&audio::rms(second)), "{}", audio::rms(second));
        }
    }

    /// The output of examples/comfort_wav.rs.
    #[test]
    fn the_tone_is_soft_and_can_be_cut_off_without_a_click() {
        let samples =
            wav(include_bytes!("../../../../public/audio/tone.wav"), "tone").expect("plays").samples;
        assert_eq!(samples.len(), RATE);
        let heard = &samples[..RATE * 7 / 10];
        assert!((500.0..4000.0).contains(&audio::rms(heard)), "{}", audio::rms(heard));
        assert!(
            audio::peak_hz(heard).is_some_and(|hz| hz.abs_diff(400) > 20),
            "not taken for an agent's beep"
        );
        // It swells and fades: neither its begin nor its end steps.
        assert!(samples[..40].iter().chain(&samples[heard.len() - 40..]).all(|it| it.abs() < 100));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = wav(&bytes, "");
        }

        #[test]
        fn a_damaged_file_does_not_panic(
            tag in prop::sample::select(vec![1u16, 7, 0xfffe]), channels: u16, rate: u32,
            bits in prop::sample::select(vec![8u16, 16]),
            data in prop::collection::vec(any::<u8>(), 0..64), cut in 0usize..120, at in 0usize..120, byte: u8,
        ) {
            let mut bytes = file(tag, channels, rate, bits, &data);
            bytes.truncate(cut);
            if let Some(b) = bytes.get_mut(at) { *b = byte; }
            let _ = wav(&bytes, "");
        }

        #[test]
        fn every_plausible_rate_gives_the_right_length(rate in 1000u32..=192_000, n in 1usize..2000) {
            let clip = wav(&file(1, 1, rate, 8, &vec![7; n]), "");
            match n * RATE / rate as usize {
                0 => prop_assert!(clip.is_err()),
                length => prop_assert_eq!(clip.expect("plays").samples.len(), length),
            }
        }
    }
}
