//! Writes JSON text directly into bytes: a page of a thousand chats takes a few milliseconds.

use std::io::Write;

/// Two digits for each number below a hundred.
const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// Seconds in a day.
const DAY: i64 = 86_400;

/// Text under construction.
pub struct Pen {
    out: Vec<u8>,
    /// The day of the last timestamp that was written; `day_text` holds a timestamp with the date of that day.
    day: Option<i64>,
    day_text: [u8; 27],
}

impl Default for Pen {
    fn default() -> Self {
        Self::with_room(0)
    }
}

impl Pen {
    /// An empty text with room for `bytes`.
    pub fn with_room(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), day: None, day_text: *b"0000-00-00T00:00:00.000000Z" }
    }

    /// The text.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// The text, which is UTF-8 because only strings and ASCII are ever written.
    pub fn into_text(self) -> String {
        String::from_utf8(self.out).unwrap_or_default()
    }

    /// Adds `text` as it is.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.out.extend_from_slice(text.as_bytes());
        self
    }

    /// Adds `ascii` as it is.
    pub fn ascii(&mut self, ascii: &[u8]) -> &mut Self {
        self.out.extend_from_slice(ascii);
        self
    }

    /// Adds a comma, unless an array or object has just been opened or nothing has been written.
    pub fn comma(&mut self) -> &mut Self {
        if !matches!(self.out.last(), Some(b'[' | b'{') | None) {
            self.out.push(b',');
        }
        self
    }

    /// Adds `true` or `false`.
    pub fn boolean(&mut self, value: bool) -> &mut Self {
        self.text(if value { "true" } else { "false" })
    }

    /// Adds a whole number.
    pub fn integer(&mut self, value: i64) -> &mut Self {
        if (0..10).contains(&value) {
            return self.ascii(&pair(value.unsigned_abs())[1..2]);
        }
        if value < 0 {
            self.out.push(b'-');
        }
        let mut digits = [0; 20];
        let mut from = digits.len();
        let mut rest = value.unsigned_abs();
        loop {
            from -= 2;
            digits[from..from + 2].copy_from_slice(pair(rest % 100));
            rest /= 100;
            if rest == 0 {
                break;
            }
        }
        let from = if digits[from] == b'0' { from + 1 } else { from };
        self.ascii(&digits[from..])
    }

    /// Adds a count.
    pub fn count(&mut self, value: usize) -> &mut Self {
        self.integer(i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// Adds a quoted string if there is one, else `null`.
    pub fn quoted_or_null(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text("\"").text(value).text("\""),
            None => self.text("null"),
        }
    }

    /// Adds a whole number if there is one, else `null`.
    pub fn integer_or_null(&mut self, value: Option<i64>) -> &mut Self {
        match value {
            Some(value) => self.integer(value),
            None => self.text("null"),
        }
    }

    /// Adds microseconds as seconds with the shortest possible fraction: `459.213926`, `1607919152.0`.
    pub fn fraction(&mut self, micros: i64) -> &mut Self {
        self.integer(micros.div_euclid(SECOND)).text(".").six(micros.rem_euclid(SECOND));
        while self.out.ends_with(b"0") && !self.out.ends_with(b".0") {
            self.out.pop();
        }
        self
    }

    /// Adds a number with the fewest digits that distinguish it from all other doubles.
    pub fn double(&mut self, value: f64) -> &mut Self {
        // Writing into memory cannot fail.
        _ = write!(self.out, "{value}");
        self
    }

    /// Adds a moment to the second: `2021-04-27T15:09:17Z`.
    pub fn seconds(&mut self, micros: i64) -> &mut Self {
        let mut text = self.moment_text(micros);
        text[19] = b'Z';
        self.ascii(&text[..20])
    }

    /// Adds a moment to the microsecond: `2020-12-14T04:08:32.301292Z`.
    pub fn micros(&mut self, micros: i64) -> &mut Self {
        let mut text = self.moment_text(micros);
        let fraction = micros.rem_euclid(SECOND);
        put_two(&mut text, 20, fraction / 10_000);
        put_two(&mut text, 22, fraction / 100);
        put_two(&mut text, 24, fraction);
        self.ascii(&text)
    }

    /// Adds a moment to the second, without its zone.
    pub fn moment(&mut self, micros: i64) -> &mut Self {
        let text = self.moment_text(micros);
        self.ascii(&text[..19])
    }

    /// Adds year and month of a moment as four digits: `2104`.
    pub fn year_and_month(&mut self, micros: i64) -> &mut Self {
        let (year, month, _) = date(micros.div_euclid(SECOND * DAY));
        self.two(year).two(month)
    }

    /// A moment to the second, with room for a fraction; the date is computed only when the day changes.
    fn moment_text(&mut self, micros: i64) -> [u8; 27] {
        let seconds = micros.div_euclid(SECOND);
        let (day, within) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        if self.day != Some(day) {
            let (year, month, of_month) = date(day);
            put_two(&mut self.day_text, 0, year / 100);
            put_two(&mut self.day_text, 2, year);
            put_two(&mut self.day_text, 5, month);
            put_two(&mut self.day_text, 8, of_month);
            self.day = Some(day);
        }
        let mut text = self.day_text;
        put_two(&mut text, 11, within / 3_600);
        put_two(&mut text, 14, within / 60 % 60);
        put_two(&mut text, 17, within % 60);
        text
    }

    /// Adds the last two digits of a number.
    fn two(&mut self, value: i64) -> &mut Self {
        self.ascii(pair(value.unsigned_abs() % 100))
    }

    /// Adds the last six digits of a number.
    fn six(&mut self, value: i64) -> &mut Self {
        self.two(value / 10_000).two(value / 100).two(value)
    }
}

/// Puts the last two digits of a number into a text.
fn put_two(text: &mut [u8], at: usize, value: i64) {
    text[at..at + 2].copy_from_slice(pair(value.unsigned_abs() % 100));
}

/// The two digits of a number below a hundred.
#[allow(clippy::cast_possible_truncation, reason = "a number below a hundred fits")]
fn pair(below_hundred: u64) -> &'static [u8] {
    let at = below_hundred as usize * 2;
    &PAIRS[at..at + 2]
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn date(day: i64) -> (i64, i64, i64) {
    // Years start in March here, so that the leap day is the last of its year.
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, SecondsFormat};

    use super::*;

    fn written(write: impl FnOnce(&mut Pen)) -> String {
        let mut pen = Pen::default();
        write(&mut pen);
        pen.into_text()
    }

    #[test]
    fn numbers_are_written_as_rust_writes_them() {
        for value in [0, 7, 10, 99, 100, 12_345, 7_282_618_889_231, -1, -100, i64::MAX, i64::MIN] {
            assert_eq!(written(|pen| _ = pen.integer(value)), value.to_string());
        }
    }

    #[test]
    fn fractions_are_as_short_as_they_can_be() {
        assert_eq!(written(|pen| _ = pen.fraction(459_213_926)), "459.213926");
        assert_eq!(written(|pen| _ = pen.fraction(1_607_919_152_000_000)), "1607919152.0");
        assert_eq!(written(|pen| _ = pen.fraction(2_050_000)), "2.05");
    }

    #[test]
    fn moments_are_written_as_the_calendar_has_them() {
        for day in (0..40_000).step_by(13) {
            let micros = day * DAY * SECOND + 3_723_004_005 * 7 % (DAY * SECOND);
            let moment = DateTime::from_timestamp_micros(micros).unwrap();
            assert_eq!(written(|pen| _ = pen.micros(micros)), moment.to_rfc3339_opts(SecondsFormat::Micros, true));
            assert_eq!(written(|pen| _ = pen.seconds(micros)), moment.to_rfc3339_opts(SecondsFormat::Secs, true));
            assert_eq!(written(|pen| _ = pen.year_and_month(micros)), moment.format("%y%m").to_string());
        }
    }
}
