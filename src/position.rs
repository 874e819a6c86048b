//! Positions in a stream: kept as the text that was received, compared as exact numbers.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};

/// Nanoseconds since 1970: wide enough for every number that a service or a state file can hold.
pub type Nanos = i128;

const SECOND: Nanos = 1_000_000_000;

/// The unit in which an export's `start_time` and `end_time` count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds since 1970.
    Seconds,
    /// Microseconds since 1970.
    Microseconds,
}

impl Unit {
    /// The length of one unit.
    pub const fn nanos(self) -> Nanos {
        match self {
            Self::Seconds => SECOND,
            Self::Microseconds => 1_000,
        }
    }

    /// The last moment at or before `at` that is a whole number of units.
    pub const fn floor(self, at: Nanos) -> Nanos {
        at.div_euclid(self.nanos()) * self.nanos()
    }

    /// The number of whole units up to `at`, as text.
    pub fn text(self, at: Nanos) -> String {
        at.div_euclid(self.nanos()).to_string()
    }
}

/// A point in an export from which a read can go on: a time, perhaps with a record's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    time: String,
    at: Nanos,
    id: Option<String>,
}

impl Position {
    /// The position that the service names by `time`, a decimal number of units, and `id`; `None` if `time` is not such
    /// a number.
    pub fn received(time: &str, id: Option<&str>, unit: Unit) -> Option<Self> {
        let at = decimal(time, unit.nanos())?;
        let id = id.filter(|id| !id.is_empty()).map(str::to_owned);
        Some(Self { time: time.to_owned(), at, id })
    }

    /// The position at the moment `at`, without an id.
    pub fn at(at: Nanos, unit: Unit) -> Self {
        let time = unit.text(at);
        Self { time, at, id: None }
    }

    /// The same moment without a record's id: it lies before every record of that moment.
    #[must_use]
    pub fn without_id(&self) -> Self {
        Self { id: None, ..self.clone() }
    }

    /// Where it lies on the time axis.
    pub fn nanos(&self) -> Nanos {
        self.at
    }

    /// Whether it lies after another: it is later, or it names a different record at the same time.
    pub fn is_beyond(&self, other: &Self) -> bool {
        self.at > other.at || (self.at == other.at && self.id.is_some() && self != other)
    }

    /// Its time as it was received.
    pub fn time(&self) -> &str {
        &self.time
    }

    /// The id of the record after which it lies, if one was named.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

/// How far a stream has been delivered: the content of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frontier {
    /// Every record of an export before this position, and every record of the spans beyond it.
    Position(Position, Vec<Span>),
    /// Every record of a numbered stream up to and including this id.
    Id(i64),
}

/// A stretch of an export in which every record has been delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Where it begins; a moment without an id.
    pub start: Position,
    /// Where it ends.
    pub end: Position,
}

/// The exact value of a JSON number's text, in nanoseconds, where one unit is worth `scale` of them. Fractions of a
/// nanosecond are cut off.
fn decimal(text: &str, scale: Nanos) -> Option<Nanos> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || whole.len() + fraction.len() > 30 {
        return None;
    }
    let value: Nanos = format!("{whole}{fraction}").parse().ok()?;
    let shift = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let scaled = value.checked_mul(scale)?;
    let power = 10_i128.checked_pow(shift.unsigned_abs())?;
    let nanos = if shift < 0 { scaled.div_euclid(power) } else { scaled.checked_mul(power)? };
    Some(if negative { -nanos } else { nanos })
}

/// The instant that an ISO-8601 text names, in nanoseconds. It accepts the same texts as `when`.
pub fn iso(text: &str) -> Option<Nanos> {
    when(text).map(nanos_of)
}

/// The instant that an ISO-8601 text names. Without a zone it is in UTC; without a time it is the beginning of the day.
pub fn when(text: &str) -> Option<DateTime<Utc>> {
    if let Some((seconds, nanos)) = plain(text.as_bytes()) {
        return DateTime::from_timestamp(seconds, nanos);
    }
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.with_timezone(&Utc));
    }
    let zoneless = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), form).ok());
    let midnight = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    zoneless.or_else(midnight).map(|instant| instant.and_utc())
}

/// The whole seconds since 1970, and the nanoseconds beyond them, of a text like `2026-09-14T08:11:02.604000Z`: the form that
/// nearly all times have, with up to nine digits of a fraction or none. `None` for any other text, though it may be a time.
pub fn plain(text: &[u8]) -> Option<(i64, u32)> {
    let (head, tail) = text.split_at_checked(19)?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|&(place, mark)| head[place] != mark) {
        return None;
    }
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |number, &byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
    };
    let nanos = match tail.strip_suffix(b"Z")? {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            (digits.len()..9).fold(number(digits)?, |number, _| number * 10)
        }
        _ => return None,
    };
    let field = |from: usize, to: usize| number(&head[from..to]);
    let date = NaiveDate::from_ymd_opt(i32::try_from(field(0, 4)?).ok()?, field(5, 7)?, field(8, 10)?)?;
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    // A leap second is read elsewhere.
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(date.to_epoch_days()) * 86_400 + i64::from(hour * 3_600 + minute * 60 + second);
    Some((seconds, nanos))
}

/// An instant in nanoseconds since 1970.
pub fn nanos_of(instant: DateTime<Utc>) -> Nanos {
    Nanos::from(instant.timestamp()) * SECOND + Nanos::from(instant.timestamp_subsec_nanos())
}

/// The instant `at` nanoseconds after 1970, or the nearest one that 64 bits of nanoseconds can hold.
pub fn utc(at: Nanos) -> DateTime<Utc> {
    let most = if at < 0 { i64::MIN } else { i64::MAX };
    DateTime::from_timestamp_nanos(i64::try_from(at).unwrap_or(most))
}

/// The instant `at` nanoseconds after 1970 as text for people, to the second.
pub fn readable(at: Nanos) -> String {
    written(at.div_euclid(SECOND) * SECOND).unwrap_or_else(|| format!("{at} ns"))
}

/// The instant `at` nanoseconds after 1970 as ISO text, with its fraction if it has one; `None` beyond the range of
/// `DateTime`.
pub fn written(at: Nanos) -> Option<String> {
    let seconds = i64::try_from(at.div_euclid(SECOND)).ok()?;
    let instant = DateTime::from_timestamp(seconds, u32::try_from(at.rem_euclid(SECOND)).ok()?)?;
    Some(instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// The instant of an epoch number. Its size decides its unit: microseconds from 1e14, milliseconds from 1e11, seconds
/// below.
pub fn epoch(text: &str) -> Option<Nanos> {
    let seconds = decimal(text, SECOND)?;
    let value = seconds / SECOND;
    Some(match value {
        100_000_000_000_000.. => decimal(text, 1_000)?,
        100_000_000_000.. => decimal(text, 1_000_000)?,
        _ => seconds,
    })
}

/// How far a stretch of the time axis is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// The moment up to which it is read, apart from stretches that were given up.
    pub at: Nanos,
    /// How much of it is left.
    pub left: Nanos,
    /// How long it is.
    pub length: Nanos,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_kept_as_text_and_compared_as_a_number() {
        let float = Position::received("1697795052.123456", Some("R6"), Unit::Seconds).unwrap();
        assert_eq!(float.time(), "1697795052.123456");
        assert_eq!(float.nanos(), 1_697_795_052_123_456_000);
        assert_eq!(float.id(), Some("R6"));
        let same = Position::received("1.697795052123456e9", None, Unit::Seconds).unwrap();
        assert_eq!(same.nanos(), float.nanos());
        assert_eq!(
            Position::received("1761312972333455", None, Unit::Microseconds).unwrap().nanos(),
            1_761_312_972_333_455_000
        );
    }

    #[test]
    fn what_is_no_number_is_no_position() {
        for text in [
            "",
            "abc",
            "-",
            "1.2.3",
            "1e",
            "NaN",
            "0x10",
            "1 ",
            "9e99",
            "1e2147483648",
            "99999999999999999999999999999999",
        ] {
            assert_eq!(Position::received(text, None, Unit::Seconds), None, "{text}");
        }
    }

    #[test]
    fn an_empty_id_is_no_id() {
        assert_eq!(Position::received("5", Some(""), Unit::Seconds).unwrap().id(), None);
    }

    #[test]
    fn times_are_read_in_every_form_that_was_ever_written() {
        let expected = Some(1_697_795_052 * SECOND);
        for text in [
            "2023-10-20T09:44:12Z",
            "2023-10-20T09:44:12",
            "2023-10-20 09:44:12",
            "2023-10-20T11:44:12+02:00",
            "2023-10-20T09:44:12.000000Z",
        ] {
            assert_eq!(iso(text), expected, "{text}");
        }
        assert_eq!(iso("2023-10-20"), Some(1_697_760_000 * SECOND));
        assert_eq!(iso("2017-04-24T12:45:32+00:00Z"), None);
        for text in ["1697795052", "1697795052000", "1697795052000000"] {
            assert_eq!(epoch(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[-+0-9eE.]{0,40}|.{0,12}") {
            let _ = (decimal(&text, SECOND), iso(&text), epoch(&text));
        }

        #[test]
        fn a_plain_text_is_read_like_any_other(text in "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]Z") {
            if let Some((seconds, nanos)) = plain(text.as_bytes()) {
                let instant = DateTime::from_timestamp(seconds, nanos).unwrap();
                prop_assert_eq!(DateTime::parse_from_rfc3339(&text).ok(), Some(instant.fixed_offset()));
            }
        }

        #[test]
        fn a_plain_text_with_a_fraction_is_read_like_any_other(text in "(00|19|20|99)[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-5][0-9](\\.[0-9]{1,10})?Z") {
            if let Some((seconds, nanos)) = plain(text.as_bytes()) {
                let instant = DateTime::from_timestamp(seconds, nanos).unwrap();
                prop_assert_eq!(DateTime::parse_from_rfc3339(&text).ok(), Some(instant.fixed_offset()), "{}", text);
            } else if text.len() <= 30 {
                prop_assert_eq!(iso(&text), None, "{}", text);
            }
        }

        #[test]
        fn a_moment_survives_its_text(at in -4_000_000_000_i64..4_000_000_000) {
            let at = Nanos::from(at) * SECOND;
            for unit in [Unit::Seconds, Unit::Microseconds] {
                let position = Position::at(at, unit);
                prop_assert_eq!(Position::received(position.time(), None, unit), Some(position.clone()));
            }
        }
    }
}
