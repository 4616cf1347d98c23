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

/// Parses ISO 8601 in UTC: a date, or a date with a time of day. The flag is true when it has a time of day.
pub(crate) fn parse_iso(text: &str) -> Option<(Millis, bool)> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let seconds = match time {
        Some(time) => clock(time.strip_suffix('Z').or_else(|| time.strip_suffix("+00:00"))?)?,
        None => 0,
    };
    Some((Millis((days(year, month, day)? * 86_400 + seconds) * 1000), time.is_some()))
}

/// Parses what [`rfc2822`] writes.
pub(crate) fn parse_rfc2822(text: &str) -> Option<Millis> {
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let day = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().zip(1..).find(|(known, _)| **known == name)?.1;
    let year = words.next()?.parse().ok()?;
    let seconds = clock(words.next()?)?;
    (words.next()? == "+0000").then_some(Millis((days(year, month, day)? * 86_400 + seconds) * 1000))
}

/// Parses `23:59:59`, with or without a fraction, into seconds.
fn clock(time: &str) -> Option<u64> {
    let whole = time.split_once('.').map_or(time, |(whole, _)| whole);
    let mut parts = whole.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

/// Days since the epoch.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March here, as below.
    let years = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (years / 400, years % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
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
    fn dates_survive_a_round_trip_in_both_forms() {
        assert_eq!(rfc2822(Millis(1_496_350_112_000)), "Thu, 01 Jun 2017 20:48:32 +0000");
        assert_eq!(iso(Millis(1_400_093_402_999)), "2014-05-14T18:50:02Z");
        assert_eq!(rfc2822(Millis(0)), "Thu, 01 Jan 1970 00:00:00 +0000");
        for at in [0, 951_782_400_000, 1_496_350_112_000, 4_107_542_400_000].map(Millis) {
            assert_eq!(parse_rfc2822(&rfc2822(at)), Some(at));
            assert_eq!(parse_iso(&iso(at)), Some((at, true)));
        }
        assert_eq!(parse_iso("2017-06-01"), Some((Millis(1_496_275_200_000), false)));
        for none in ["", "2017-13-01", "yesterday", "2017-06-01T25:00:00Z", "2017-06-01T10:00:00"] {
            assert_eq!(parse_iso(none), None, "{none}");
        }
    }
}
