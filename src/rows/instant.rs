//! Instants in JSON: read fast in the form that nearly all have, and written as columns hold them.

use std::fmt::Write as _;

use crate::position::{self, Nanos};
use crate::rows::text;

const SECOND: Nanos = 1_000_000_000;

/// The instant of a value, and whether its text stands in a column of instants as it is.
pub fn instant(value: &str) -> Option<(Nanos, bool)> {
    let Some(inner) = text::inner(value) else {
        let is_number = value.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        return Some((position::epoch(value).filter(|_| is_number)?, false));
    };
    if let Some(nanos) = zulu(inner.as_bytes()) {
        return Some((nanos, true));
    }
    let nanos = position::iso(inner)?;
    Some((nanos, has_offset(inner.as_bytes())))
}

/// The instant of a text like `2026-09-14T08:11:02.604000Z`, with up to nine digits of a fraction or none.
fn zulu(text: &[u8]) -> Option<Nanos> {
    let (head, tail) = text.split_at_checked(19)?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|&(place, mark)| head[place] != mark) {
        return None;
    }
    let fraction = match tail.strip_suffix(b"Z")? {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            (digits.len()..9).fold(number(digits)?, |number, _| number * 10)
        }
        _ => return None,
    };
    let field = |from: usize, to: usize| number(&head[from..to]);
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    // A leap second is read elsewhere.
    if !(1..=12).contains(&month)
        || !(1..=length(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Nanos::from(seconds) * SECOND + Nanos::from(fraction))
}

/// The number that decimal digits name.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, &byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

/// How many days a month has.
fn length(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// How many days a date lies after 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years are counted from March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// Whether a readable text is written as RFC 3339 asks, with an offset like `+02:00`.
fn has_offset(text: &[u8]) -> bool {
    let Some((head, [b'+' | b'-', _, _, b':', _, _])) = text.split_at_checked(text.len().saturating_sub(6)) else {
        return false;
    };
    head.len() >= 19 && head[10] == b'T'
}

/// Seconds since 1970, as near as a double comes.
#[allow(clippy::cast_precision_loss)]
pub fn seconds(at: Nanos) -> f64 {
    // Whole microseconds of our times fit into a double, so that there is but one rounding.
    if at % 1_000 == 0 { (at / 1_000) as f64 / 1e6 } else { at as f64 / 1e9 }
}

/// Appends the seconds since 1970 as a JSON number.
pub fn write_seconds(at: Nanos, out: &mut String) {
    // Writing into a String cannot fail.
    let _ = match (at, at.rem_euclid(SECOND)) {
        (0.., 0) => write!(out, "{}", at / SECOND),
        (0.., fraction) => {
            let _ = write!(out, "{}.{fraction:09}", at / SECOND);
            out.truncate(out.trim_end_matches('0').len());
            Ok(())
        }
        _ => write!(out, "{}", seconds(at)),
    };
}

/// Appends the time of day in UTC, to the second, as `08:11:02`.
pub fn write_time_of_day(at: Nanos, out: &mut String) {
    let second = at.div_euclid(SECOND).rem_euclid(86_400);
    // Writing into a String cannot fail.
    let _ = write!(out, "{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_of_an_instant_is_read() {
        let at = 1_789_373_462 * SECOND;
        for (value, nanos, as_it_is) in [
            (r#""2026-09-14T08:11:02Z""#, Some(at), true),
            (r#""2026-09-14T08:11:02.604000Z""#, Some(at + 604_000_000), true),
            (r#""2026-09-14T08:11:02.123456789Z""#, Some(at + 123_456_789), true),
            (r#""2026-09-14T10:11:02+02:00""#, Some(at), true),
            (r#""2026-09-14 08:11:02""#, Some(at), false),
            (r#""2026-09-14T08:11:02""#, Some(at), false),
            ("1789373462", Some(at), false),
            ("1789373462000", Some(at), false),
            (r#""2026-09-14T08:11:02+00:00Z""#, None, false),
            (r#""2026-02-29T08:11:02Z""#, None, false),
            (r#""""#, None, false),
            ("true", None, false),
            ("[1]", None, false),
        ] {
            assert_eq!(instant(value), nanos.map(|nanos| (nanos, as_it_is)), "{value}");
        }
    }

    #[test]
    fn seconds_are_told_without_a_loss() {
        for (at, told) in
            [(0, "0"), (11 * SECOND, "11"), (SECOND / 2, "0.5"), (-SECOND / 2, "-0.5"), (1, "0.000000001")]
        {
            let mut out = String::new();
            write_seconds(at, &mut out);
            assert_eq!(out, told);
        }
    }

    proptest! {
        #[test]
        fn the_fast_way_reads_what_the_other_reads(text in "(00|19|20|99)[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-5][0-9](\\.[0-9]{1,10})?Z") {
            if let Some(nanos) = zulu(text.as_bytes()) {
                prop_assert_eq!(position::iso(&text), Some(nanos), "{}", text);
            } else if text.len() <= 30 {
                prop_assert_eq!(position::iso(&text), None, "{}", text);
            }
        }

        #[test]
        fn told_seconds_are_the_nearest_double(micros in 0_i64..9_007_199_254_740_992) {
            let at = Nanos::from(micros) * 1_000;
            let mut out = String::new();
            write_seconds(at, &mut out);
            prop_assert_eq!(out.parse::<f64>().unwrap().to_bits(), seconds(at).to_bits());
        }
    }
}
