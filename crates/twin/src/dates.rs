//! Points in time as Twilio writes them. All in UTC.

use rejoin_protocol::Millis;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// ISO 8601 in seconds: TaskRouter's REST API.
pub(crate) fn iso(at: Millis) -> String {
    let (year, month, day, seconds) = parts(at);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// RFC 2822: the voice API and its webhooks.
pub(crate) fn rfc2822(at: Millis) -> String {
    let (year, month, day, seconds) = parts(at);
    // 1970-01-01 was a Thursday.
    let weekday = DAYS[(at.0 / 86_400_000 % 7) as usize];
    let month = MONTHS[(month - 1) as usize];
    format!(
        "{weekday}, {day:02} {month} {year:04} {:02}:{:02}:{:02} +0000",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Year, month (1–12), day and second of the day (<https://howardhinnant.github.io/date_algorithms.html>).
fn parts(at: Millis) -> (u64, u64, u64, u64) {
    let seconds = at.0 / 1000;
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day, seconds % 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        assert_eq!(rfc2822(Millis(1_496_350_112_000)), "Thu, 01 Jun 2017 20:48:32 +0000");
        assert_eq!(iso(Millis(1_400_093_402_999)), "2014-05-14T18:50:02Z");
        assert_eq!(rfc2822(Millis(0)), "Thu, 01 Jan 1970 00:00:00 +0000");
    }
}
