//! Audio of a `<Play>`: WAV or MP3.

use super::{Clip, MediaError, audio::RATE, clip};
use nanomp3::SliceReader;

/// Parses a WAV or an MP3 file, whichever it is.
pub fn read(bytes: &[u8], label: &str) -> Result<Clip, MediaError> {
    if !bytes.starts_with(b"RIFF") && nanomp3::detect(bytes) {
        mp3(bytes, label)
    } else {
        clip::wav(bytes, label)
    }
}

/// Parses an MP3 file: mixed down, resampled, at most ten minutes.
fn mp3(bytes: &[u8], label: &str) -> Result<Clip, MediaError> {
    let mut reader = SliceReader::<i16>::new(bytes);
    let (rate, channels) = (reader.sample_rate() as usize, reader.channels());
    let Some(channels) = channels.filter(|_| rate > 0) else {
        return Err(MediaError::Mp3("it has no frames"));
    };
    let channels = usize::from(channels.num());
    let mut samples = vec![];
    while let Some(frame) = reader.read_frame().map_err(|_| MediaError::Mp3("a frame cannot be read"))? {
        samples.extend(clip::mixed(frame, channels));
        if samples.len() * RATE / rate > clip::LONGEST {
            return Err(MediaError::Mp3("it is longer than ten minutes"));
        }
    }
    let samples = clip::resample(&samples, rate);
    if samples.is_empty() {
        return Err(MediaError::Mp3("it has no samples"));
    }
    Ok(Clip { label: label.to_owned(), samples: samples.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::audio;
    use proptest::prelude::*;

    /// One second of 440 Hz, 16 kHz, 24 kbit/s.
    const TONE: &[u8] = include_bytes!("../../tests/http/tone.mp3");

    #[test]
    fn an_mp3_keeps_its_pitch_and_length() {
        let clip = read(TONE, "tone").expect("plays");
        assert_eq!(clip.label, "tone");
        // An encoder pads its last frames.
        assert!((RATE..RATE * 13 / 10).contains(&clip.samples.len()), "{}", clip.samples.len());
        let middle = &clip.samples[RATE / 4..RATE * 3 / 4];
        let hz = audio::peak_hz(middle);
        assert!(hz.is_some_and(|hz| hz.abs_diff(440) <= 5), "{hz:?}");
        assert!(audio::rms(middle) > 3000.0, "{}", audio::rms(middle));
    }

    #[test]
    fn a_file_that_is_neither_wav_nor_mp3_is_refused() {
        assert!(matches!(read(b"<html>no audio</html>", ""), Err(MediaError::Wav(_))));
        assert!(matches!(read(b"ID3\x04\0\0\0\0\0\0 and nothing else", ""), Err(MediaError::Mp3(_))));
    }

    proptest! {
        #[test]
        fn a_damaged_file_does_not_panic(cut in 0..TONE.len(), at in 0..TONE.len(), byte: u8) {
            let mut bytes = TONE.to_vec();
            bytes[at] = byte;
            bytes.truncate(cut);
            let _ = read(&bytes, "");
        }
    }
}
