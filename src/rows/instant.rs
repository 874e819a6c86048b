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
    if let Some((seconds, nanos)) = position::plain(inner.as_bytes()) {
        return Some((Nanos::from(seconds) * SECOND + Nanos::from(nanos), true));
    }
    let nanos = position::iso(inner)?;
    Some((nanos, has_offset(inner.as_bytes())))
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
    fn seconds_are_written_without_a_loss() {
        for (at, text) in
            [(0, "0"), (11 * SECOND, "11"), (SECOND / 2, "0.5"), (-SECOND / 2, "-0.5"), (1, "0.000000001")]
        {
            let mut out = String::new();
            write_seconds(at, &mut out);
            assert_eq!(out, text);
        }
    }

    proptest! {
        #[test]
        fn written_seconds_are_the_nearest_double(micros in 0_i64..9_007_199_254_740_992) {
            let at = Nanos::from(micros) * 1_000;
            let mut out = String::new();
            write_seconds(at, &mut out);
            prop_assert_eq!(out.parse::<f64>().unwrap().to_bits(), seconds(at).to_bits());
        }
    }
}
