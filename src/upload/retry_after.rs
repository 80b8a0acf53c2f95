//! The header `Retry-After`: RFC 9110, sections 10.2.3 and 5.6.7.

use std::time::Duration;

/// However long a server asks for, it is tried again after this: a typing error on its side must
/// not silence the agent for a week.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// How long to wait, from a header's value and the wall clock in seconds since the Unix epoch; at
/// most [`MAX_RETRY_AFTER`]. `None` for what is neither whole seconds nor one of the three forms
/// of an HTTP date, and for a date that has passed: the agent's own back-off decides then.
pub(super) fn parse(value: &str, now: i64) -> Option<Duration> {
    let value = value.trim();
    let seconds = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // What does not fit is far above the limit.
        value.parse().unwrap_or(u64::MAX)
    } else {
        u64::try_from(date(value, now)?.checked_sub(now)?).ok()?
    };
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// Seconds since the Unix epoch of an HTTP date in any of its forms:
/// `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`.
fn date(value: &str, now: i64) -> Option<i64> {
    let words = value.split([' ', ',', '-']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.take(7).collect();
    let (day, month, year, time) = match *words.as_slice() {
        [_, day, month, year, time, "GMT"] => (day, month, year, time),
        [_, month, day, time, year] => (day, month, year, time),
        _ => return None,
    };
    let year = match (year.len(), number(year, 0..=9999)?) {
        (4, year) => year,
        (2, year) => century(year, now),
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let mut clock = time.splitn(3, ':');
    let mut part = |limit| number(clock.next()?, 0..=limit);
    // 60 is a leap second.
    let (hours, minutes, seconds) = (part(23)?, part(59)?, part(60)?);
    let days = days(year, i64::try_from(month).ok()? + 1, number(day, 1..=31)?);
    Some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}

fn number(text: &str, allowed: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && allowed.contains(number))
}

/// A year of two digits is the one that is at most 50 years ahead.
fn century(year: i64, now: i64) -> i64 {
    let this = 1970 + now / 31_556_952;
    let candidate = this - this.rem_euclid(100) + year;
    if candidate > this + 50 { candidate - 100 } else { candidate }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar. Years begin in March here, so that
/// the leap day is the last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let month = (month + 9) % 12;
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT
    const RFC_EXAMPLE: i64 = 784_111_777;

    #[test]
    fn the_three_forms_of_the_rfcs_example_are_the_same_instant() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(date(text, RFC_EXAMPLE), Some(RFC_EXAMPLE), "{text}");
        }
    }

    #[test]
    fn dates_agree_with_the_calendar() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
            ("Sat, 21 Nov 2026 12:00:00 GMT", 1_795_262_400),
            ("Wed, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
            ("Saturday, 21-Nov-26 12:00:00 GMT", 1_795_262_400),
        ] {
            assert_eq!(date(text, 1_795_262_400), Some(seconds), "{text}");
        }
    }

    #[test]
    fn waits_are_capped_and_nonsense_leaves_the_decision_to_the_back_off() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (text, expected) in [
            ("0", seconds(0)),
            ("17", seconds(17)),
            (" 17 ", seconds(17)),
            ("300", seconds(300)),
            ("1000000000", seconds(300)),
            ("99999999999999999999999999", seconds(300)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", seconds(30)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", seconds(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", seconds(300)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", None),
            ("-5", None),
            ("+5", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("Sun, 06 Nov 1994 24:00:00 GMT", None),
            ("Sun, 06 Nov 1994 08:49 GMT", None),
            ("Sun, 06 Nix 1994 08:49:37 GMT", None),
            ("Sun, 00 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT and more", None),
        ] {
            assert_eq!(parse(text, RFC_EXAMPLE), expected, "{text:?}");
        }
    }
}
