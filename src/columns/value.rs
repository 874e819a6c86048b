//! Converts JSON values to the values of columns, and says whether the columns can give them back.

use std::borrow::Cow;

use chrono::DateTime;

use super::strict::strict;
use crate::json::text::{Part, unescape};
use crate::json::{is_json, unquoted};
use crate::position;

/// This many decimal digits always survive in a floating-point number of 64 bits.
const SAFE_DIGITS: usize = 15;

/// The value that a column holds, and whether it gives the JSON value back.
pub type Exactness<T> = (Option<T>, bool);

/// A value as a whole number.
pub fn integer(json: &str) -> Exactness<i64> {
    if let Ok(number) = json.parse() {
        return (Some(number), true);
    }
    let inner = unquoted(json);
    let nearest = match inner {
        "true" => Some(1),
        "false" => Some(0),
        _ => inner.parse().ok().or_else(|| whole(inner)),
    };
    // A number without a fraction means the same in any notation.
    (nearest, nearest.is_some() && json.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']))
}

/// The whole number that a text in floating-point notation denotes exactly.
#[allow(clippy::cast_possible_truncation, reason = "what is checked to be within 2^53 fits")]
fn whole(text: &str) -> Option<i64> {
    let number: f64 = text.parse().ok()?;
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 && reproduces(text, number))
        .then_some(number as i64)
}

/// A value as a floating-point number.
pub fn number(json: &str) -> Exactness<f64> {
    let inner = unquoted(json);
    let starts_as_number = inner.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    let nearest = inner.parse::<f64>().ok().filter(|number| starts_as_number && number.is_finite());
    (nearest, !json.starts_with('"') && nearest.is_some_and(|number| reproduces(json, number)))
}

/// Whether a number's digits are those of the decimal text that it was read from.
fn reproduces(text: &str, number: f64) -> bool {
    // Nearly all numbers are short and plain, and need no further check.
    let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-'));
    if plain && text.len() <= SAFE_DIGITS && number.is_normal() {
        return true;
    }
    let (digits, exponent) = significant(text);
    if digits.len() <= SAFE_DIGITS && (digits.is_empty() || number.is_normal()) {
        return true;
    }
    let shortest = format!("{number:e}");
    significant(&shortest) == (digits, exponent)
}

/// The digits of a decimal number without zeros around them, and the power of ten of the first digit.
fn significant(text: &str) -> (String, i64) {
    let text = text.trim_start_matches('-');
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(i64::from(i32::MAX));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [integer, fraction].concat();
    let stripped = all.trim_start_matches('0');
    let leading = all.len() - stripped.len();
    let digits = stripped.trim_end_matches('0').to_owned();
    let first = i64::try_from(integer.len()).unwrap_or(i64::MAX) - i64::try_from(leading).unwrap_or(0);
    let power = if digits.is_empty() { 0 } else { exponent.saturating_add(first) };
    (digits, power)
}

/// A value as a truth value.
pub fn boolean(json: &str) -> Exactness<bool> {
    match json {
        "true" => (Some(true), true),
        "false" => (Some(false), true),
        "1" | "\"1\"" | "\"true\"" => (Some(true), false),
        "0" | "\"0\"" | "\"false\"" => (Some(false), false),
        _ => (None, false),
    }
}

/// A value as microseconds since 1970.
pub fn instant(json: &str) -> Exactness<i64> {
    let text = unquoted(json);
    if let Some((seconds, nanos)) = position::plain(text.as_bytes())
        && nanos % 1_000 == 0
    {
        return (Some(seconds * 1_000_000 + i64::from(nanos / 1_000)), true);
    }
    if !json.starts_with('"') {
        let micros = position::epoch(json).and_then(|nanos| i64::try_from(nanos.div_euclid(1_000)).ok());
        return (micros, false);
    }
    let exact = DateTime::parse_from_rfc3339(text).ok().filter(|time| {
        let nanos = time.timestamp_subsec_nanos();
        // A count of microseconds cannot express a leap second.
        nanos % 1_000 == 0 && nanos < 1_000_000_000 && fraction(text).len() <= 9
    });
    match exact {
        Some(time) => (Some(time.timestamp_micros()), true),
        None => (position::when(text).map(|time| time.timestamp_micros()), false),
    }
}

/// The digits of a time's fraction.
fn fraction(text: &str) -> &str {
    let fraction = text.split_once('.').map_or("", |(_, rest)| rest);
    let end = fraction.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(fraction.len());
    &fraction[..end]
}

/// Appends a value as text. Returns whether the text gives the value back: it does if the value is a string without
/// halves of surrogate pairs.
pub fn text(json: &str, out: &mut Vec<u8>) -> bool {
    if json.starts_with('"') {
        return decode(unquoted(json), out);
    }
    out.extend_from_slice(json.as_bytes());
    false
}

/// Appends a value of any type as text. Returns whether the rule for columns of several types gives the value back.
pub fn union(json: &str, of_text: bool, out: &mut Vec<u8>) -> bool {
    let begin = out.len();
    if !json.starts_with('"') {
        out.extend_from_slice(strict(json).as_bytes());
        return !of_text;
    }
    let exact = decode(unquoted(json), out);
    exact && (of_text || std::str::from_utf8(&out[begin..]).is_ok_and(|text| !reads_as_another(text)))
}

/// Whether text is JSON of another type than a string.
pub fn reads_as_another(text: &str) -> bool {
    let trimmed = text.trim_start_matches([' ', '\t', '\n', '\r']);
    trimmed.starts_with(['{', '[', '-', 't', 'f', 'n']) && is_json(text)
        || trimmed.starts_with(|first: char| first.is_ascii_digit()) && is_json(text)
}

/// Decodes a JSON string, which is given without its quotes, so that different strings have different bytes. The bytes
/// are UTF-8 if the string holds no half of a surrogate pair.
pub fn decoded(inner: &str) -> Cow<'_, [u8]> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner.as_bytes());
    }
    let mut out = Vec::with_capacity(inner.len());
    unescape(inner, |part| match part {
        Part::Text(text) => out.extend_from_slice(text.as_bytes()),
        Part::Half(half) => {
            // This byte never occurs in UTF-8.
            out.push(0xff);
            out.extend(format!("{half:04x}").bytes());
        }
    });
    Cow::Owned(out)
}

/// Decodes a JSON string, which is given without its quotes, and appends it. Returns false if half a surrogate pair was
/// replaced.
fn decode(inner: &str, out: &mut Vec<u8>) -> bool {
    let mut exact = true;
    unescape(inner, |part| match part {
        Part::Text(text) => out.extend_from_slice(text.as_bytes()),
        Part::Half(_) => {
            exact = false;
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    });
    exact
}
