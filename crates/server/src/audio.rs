//! The audio that callers hear: the same files at each server and, of the comfort audio, at the fallback.

use std::time::Duration;

/// Path of the soft tone, which says that something is happening, before words do.
pub(crate) const TONE_PATH: &str = "/audio/tone.wav";
/// The soft tone.
pub(crate) static TONE: &[u8] = include_bytes!("../../../public/audio/tone.wav");
/// Path of the comfort audio.
pub(crate) const COMFORT_PATH: &str = "/audio/comfort.wav";
/// Comfort audio for waiting callers.
pub(crate) static COMFORT: &[u8] = include_bytes!("../../../public/audio/comfort.wav");
/// How often the document of a customer in the queue repeats it: that costs one signed request a minute.
pub(crate) const COMFORT_TIMES: u32 = 10;
/// How long such a document lasts. The audio lasts six seconds.
pub(crate) const COMFORT_LASTS: Duration = Duration::from_secs(6 * COMFORT_TIMES as u64);
