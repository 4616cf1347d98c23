//! Where a point in time stands in the overview. It is to scale but for long pauses, which are cut: a call may last an hour, and
//! its recovery ten seconds.

use std::ops::Range;

/// Pauses of at least this length are cut (milliseconds).
const LONG: u64 = 60_000;
/// Width of a cut in thousandths of the time that is to scale; and of all cuts together at most.
const CUT: u64 = 30;
const CUTS: u64 = 300;
/// Intervals of the scale in milliseconds. The first that gives at most ten is used.
const INTERVALS: [u64; 8] = [1_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000];

/// The scale of an overview.
pub(crate) struct Scale {
    whole: u64,
    cuts: Vec<Range<u64>>,
    /// Length of all that is to scale (milliseconds).
    shown: u64,
    /// What a cut is drawn as (milliseconds).
    cut: u64,
}

impl Scale {
    /// `times`: when something happens (milliseconds).
    pub(crate) fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        let whole = times.last().copied().unwrap_or(1).max(1);
        let first = times.first().copied().unwrap_or_default();
        let pairs = times.windows(2).map(|pair| pair[0]..pair[1]);
        let cuts: Vec<Range<u64>> =
            std::iter::once(0..first).chain(pairs).filter(|pause| pause.end - pause.start >= LONG).collect();
        let without: u64 = cuts.iter().map(|pause| pause.end - pause.start).sum();
        let shown = (whole - without).max(1);
        let width = CUT.min(CUTS / (cuts.len() as u64).max(1));
        Self { whole, cut: (shown / 1000 * width).max(1), cuts, shown }
    }

    /// The pauses that are cut.
    pub(crate) fn cuts(&self) -> &[Range<u64>] {
        &self.cuts
    }

    /// The place of a point in time in per cent.
    pub(crate) fn part(&self, at: u64) -> f64 {
        let at = at.min(self.whole);
        let mut place = at as f64;
        for pause in &self.cuts {
            let length = pause.end - pause.start;
            let within = at.saturating_sub(pause.start).min(length);
            place -= within as f64 * (1.0 - self.cut as f64 / length as f64);
        }
        let drawn = self.shown as f64 + self.cut as f64 * self.cuts.len() as f64;
        (100.0 * place / drawn).clamp(0.0, 100.0)
    }

    /// Points in time that are written below, none of them in a cut.
    pub(crate) fn marks(&self) -> Vec<u64> {
        let interval = INTERVALS.into_iter().find(|interval| self.shown / interval <= 10);
        let interval = interval.unwrap_or((self.shown / 10).next_multiple_of(600_000));
        let mut marks = vec![];
        let mut next = Some(0);
        while let Some(at) = next.filter(|at| *at <= self.whole) {
            next = match self.cuts.iter().find(|pause| pause.start < at && at < pause.end) {
                Some(pause) => pause.end.checked_next_multiple_of(interval),
                None => {
                    marks.push(at);
                    at.checked_add(interval)
                }
            };
        }
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::Scale;

    #[test]
    fn given_no_long_pause_then_it_is_to_scale() {
        let scale = Scale::of(vec![0, 10_000, 40_000]);
        assert_eq!([0, 10_000, 40_000, 99_999].map(|at| scale.part(at)), [0.0, 25.0, 100.0, 100.0]);
        assert_eq!(scale.marks(), [0, 5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 35_000, 40_000]);
    }

    #[test]
    fn given_an_hour_before_ten_seconds_then_the_seconds_have_the_room() {
        let hour = 3_600_000;
        let scale = Scale::of(vec![0, hour, hour + 10_000]);
        assert!(matches!(scale.cuts(), [only] if *only == (0..hour)), "{:?}", scale.cuts());
        assert!(scale.part(hour) < 5.0, "{}", scale.part(hour));
        assert!((scale.part(hour + 5_000) - 51.0).abs() < 2.0, "{}", scale.part(hour + 5_000));
        assert!((scale.part(hour + 10_000) - 100.0).abs() < 1e-9);
        assert!(scale.marks().iter().all(|at| *at == 0 || *at >= hour), "{:?}", scale.marks());
    }

    #[test]
    fn given_nothing_then_there_is_a_scale() {
        for times in [vec![], vec![0], vec![u64::MAX], vec![5, 3], vec![0, u64::MAX, 1]] {
            let scale = Scale::of(times);
            assert!((0.0..=100.0).contains(&scale.part(7)));
            assert!(scale.marks().len() < 100);
        }
    }
}
