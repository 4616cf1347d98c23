//! What is heard, in words: loudness of the sources of sound, and debounced lines of what a leg hears.

use super::Line;
use super::audio::{FRAME, Frame, RATE};

/// Milliseconds in one frame.
const FRAME_MS: u64 = (FRAME * 1000 / RATE) as u64;
/// Loudness is taken over 100 ms.
const WINDOW: usize = RATE / 10 / FRAME;
/// A source is loud above this root mean square: a whisper is, a quiet line (a few units of noise) is not.
const LOUD: f64 = 200.0;
/// A source stays audible through gaps shorter than 1.2 s. Speakers breathe, and the fake microphone of Chromium
/// (`--use-fake-device-for-media-stream`) beeps for 0.1 to 0.2 s once a second.
const GAP: u64 = 1200 / FRAME_MS;
/// A change counts when it has lasted for 150 ms.
const SETTLED: u64 = 150_u64.div_ceil(FRAME_MS);

/// Whether one source of sound has been loud lately. Fed with every frame of it.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Sums of the squares of the last frames, in a ring.
    energies: [f64; WINDOW],
    at: usize,
    /// Frames since it was loud; `None`: never.
    quiet: Option<u64>,
}

impl Activity {
    /// Takes the next 20 ms.
    pub(super) fn hear(&mut self, frame: &Frame) {
        self.energies[self.at] = frame.iter().map(|&s| f64::from(s).powi(2)).sum();
        self.at = (self.at + 1) % WINDOW;
        let mean = self.energies.iter().sum::<f64>() / (WINDOW * FRAME) as f64;
        self.quiet = if mean > LOUD * LOUD { Some(0) } else { self.quiet.map(|frames| frames + 1) };
    }

    /// True when the source is loud now, or in a gap.
    pub(super) fn audible(&self) -> bool {
        self.quiet.is_some_and(|frames| frames < GAP)
    }
}

/// What a leg hears, line by line.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    /// Number of frames so far: the clock of the lines.
    frames: u64,
    /// What is heard that differs from the last line, and since which frame.
    change: Option<(u64, String)>,
    lines: Vec<Line>,
}

impl Transcript {
    /// Takes the labels of what is heard in the next 20 ms; returns the new line, if this settles one.
    pub(super) fn hear(&mut self, labels: &[&str]) -> Option<Line> {
        let now = self.frames;
        self.frames += 1;
        let heard = if labels.is_empty() { "silence".to_owned() } else { labels.join(" + ") };
        if self.lines.last().is_some_and(|line| line.heard == heard) {
            self.change = None; // too short to count
            return None;
        }
        let (since, heard) = match self.change.take() {
            Some((since, change)) if change == heard => (since, change),
            _ => (now, heard),
        };
        if self.frames - since < SETTLED {
            self.change = Some((since, heard));
            return None;
        }
        let line = Line { at: since * FRAME_MS, heard };
        self.lines.push(line.clone());
        Some(line)
    }

    /// All lines so far.
    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD_FRAME: Frame = [3000; FRAME];
    const QUIET_FRAME: Frame = [0; FRAME];

    /// Feeds what is heard for these many milliseconds each; returns the lines.
    fn lines(script: &[(u64, &[&str])]) -> Vec<(u64, String)> {
        let mut transcript = Transcript::default();
        for (ms, labels) in script {
            (0..ms / FRAME_MS).for_each(|_| drop(transcript.hear(labels)));
        }
        transcript.lines().iter().map(|line| (line.at, line.heard.clone())).collect()
    }

    #[test]
    fn a_lasting_change_is_reported_with_the_time_it_began() {
        let script: [(u64, &[&str]); 4] =
            [(1000, &[]), (1000, &["agent"]), (1000, &["agent", "announcement: x"]), (1000, &[])];
        let wanted = [(0, "silence"), (1000, "agent"), (2000, "agent + announcement: x"), (3000, "silence")];
        assert_eq!(lines(&script), wanted.map(|(at, heard)| (at, heard.to_owned())));
    }

    #[test]
    fn a_short_change_is_not_reported() {
        let script: [(u64, &[&str]); 5] =
            [(400, &["agent"]), (140, &[]), (20, &["x"]), (140, &[]), (400, &["agent"])];
        assert_eq!(lines(&script), [(0, "agent".to_owned())]);
    }

    #[test]
    fn a_line_comes_after_160_ms_once() {
        let mut transcript = Transcript::default();
        let told: Vec<bool> = (0..20).map(|_| transcript.hear(&[]).is_some()).collect();
        assert_eq!(told.iter().position(|&told| told), Some(7));
        assert_eq!(told.iter().filter(|&&told| told).count(), 1);
    }

    #[test]
    fn beeps_once_a_second_are_one_voice() {
        let mut activity = Activity::default();
        assert!(!activity.audible());
        for _ in 0..5 {
            for n in 0..50 {
                activity.hear(if n < 5 { &LOUD_FRAME } else { &QUIET_FRAME });
                assert!(activity.audible());
            }
        }
        // The window holds the last loud frame for 80 ms; 900 ms of quiet have gone by already.
        let rest = (0..100).take_while(|_| {
            activity.hear(&QUIET_FRAME);
            activity.audible()
        });
        assert_eq!(rest.count() as u64, GAP - 45 + WINDOW as u64 - 2);
    }

    #[test]
    fn noise_does_not_count_as_a_voice() {
        let mut activity = Activity::default();
        (0..50).for_each(|_| activity.hear(&[200; FRAME]));
        assert!(!activity.audible());
        (0..5).for_each(|_| activity.hear(&[210; FRAME]));
        assert!(activity.audible());
    }
}
