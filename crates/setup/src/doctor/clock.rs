//! This machine's clock, compared with Twilio's.

use super::Finding;

const CHECK: &str = "clock";
/// More than this is worth a warning, in milliseconds.
const WARNING: u64 = 2_000;
/// More than this breaks recoveries, in milliseconds.
const FAILED: u64 = 30_000;

/// `skew`: this machine's clock minus Twilio's, in milliseconds; `None` when it was not measured. Twilio's clock has whole seconds,
/// so the skew is right to about a second.
pub fn judge(skew: Option<i64>) -> Finding {
    const REMEDY: &str = "set the clock, and let NTP keep it";
    let Some(skew) = skew else {
        return Finding::warning(
            CHECK,
            "Twilio's answer had no date",
            "whether this machine's clock is right is not known",
            "check it by hand",
        );
    };
    let off = skew.unsigned_abs();
    let seconds = format!("{}.{} s", off / 1000, off % 1000 / 100);
    let found = format!(
        "this machine's clock is {seconds} {} Twilio's",
        if skew < 0 { "behind" } else { "ahead of" }
    );
    if off > FAILED {
        let means = "tokens count as expired, or for too long; conference events count as too old, and timers of several servers disagree";
        Finding::failed(CHECK, found, means, REMEDY)
    } else if off > WARNING {
        Finding::warning(
            CHECK,
            found,
            "delays of webhooks are measured wrongly, and several servers may disagree about timers",
            REMEDY,
        )
    } else {
        Finding::ok(CHECK, "this machine's clock is Twilio's, to about a second")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn a_skew_of_seconds_is_a_warning_and_half_a_minute_fails() {
        for (skew, wanted) in [
            (Some(0), Outcome::Ok),
            (Some(-2_000), Outcome::Ok),
            (Some(2_001), Outcome::Warning),
            (Some(-30_000), Outcome::Warning),
            (Some(30_001), Outcome::Failed),
            (Some(i64::MIN), Outcome::Failed),
            (None, Outcome::Warning),
        ] {
            assert_eq!(judge(skew).result, wanted, "{skew:?}");
        }
        assert!(judge(Some(-3_500)).found.contains("3.5 s behind"));
    }
}
