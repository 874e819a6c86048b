//! Decodes JSON strings, and replaces valid JSON that many readers reject: halves of surrogate pairs, and integers
//! beyond 64 bits.

use std::borrow::Cow;

use crate::json::scan::{Half, fits, surrogate};

/// Stands for a character that cannot be decoded.
const UNREADABLE: char = '\u{fffd}';

/// The same JSON with U+FFFD for each half of a surrogate pair and null for each integer beyond 64 bits.
pub fn sound(json: &str) -> String {
    bounded(&paired(json))
}

/// The same text of a JSON string with U+FFFD for each half of a surrogate pair.
pub(crate) fn paired(json: &str) -> String {
    let mut mended = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = half_pair(rest) {
        mended.push_str(&rest[..at]);
        mended.push_str("\\ufffd");
        rest = &rest[at + 6..];
    }
    mended + rest
}

/// Decodes a JSON string, which is given without its quotes. Each half of a surrogate pair becomes U+FFFD.
pub fn read(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut read = String::with_capacity(inner.len());
    unescape(inner, |part| match part {
        Part::Text(text) => read.push_str(text),
        Part::Half(_) => read.push(UNREADABLE),
    });
    Cow::Owned(read)
}

/// A stretch of what an escaped text stands for.
pub enum Part<'part> {
    /// Readable text.
    Text(&'part str),
    /// Half a surrogate pair.
    Half(u16),
}

/// Hands over what an escaped text stands for, piece by piece.
pub fn unescape(inner: &str, mut each: impl FnMut(Part<'_>)) {
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        if at > 0 {
            each(Part::Text(&rest[..at]));
        }
        let (character, length) = escaped(&rest[at..]);
        match character {
            Ok(character) => each(Part::Text(character.encode_utf8(&mut [0; 4]))),
            Err(half) => each(Part::Half(half)),
        }
        rest = rest.get(at + length..).unwrap_or_default();
    }
    if !rest.is_empty() {
        each(Part::Text(rest));
    }
}

/// The character, or the half of one, that an escape stands for, and how long the escape is.
fn escaped(escape: &str) -> (Result<char, u16>, usize) {
    let character = match escape.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return numbered(escape),
        Some(&byte) if byte.is_ascii() => char::from(byte),
        // No JSON string holds another escape.
        _ => return (Ok(UNREADABLE), 1),
    };
    (Ok(character), 2)
}

/// The same of an escape that names a number, together with a second one if both are a pair.
fn numbered(escape: &str) -> (Result<char, u16>, usize) {
    let unit = |at: usize| {
        let digits = escape.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let Some(first) = unit(0) else { return (Ok(UNREADABLE), 2) };
    let paired = [Some(first), unit(6)];
    match char::decode_utf16(paired.into_iter().flatten()).next() {
        Some(Ok(character)) => (Ok(character), if character.len_utf16() == 2 { 12 } else { 6 }),
        _ => (Err(first), 6),
    }
}

/// The place of the first escape that is half of a surrogate pair.
fn half_pair(json: &str) -> Option<usize> {
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        let escape = at + found;
        at = match surrogate(bytes, escape) {
            None => escape + 2,
            Some(Half::High) if surrogate(bytes, escape + 6) == Some(Half::Low) => escape + 12,
            Some(_) => return Some(escape),
        };
    }
    None
}

/// The same JSON with null for each integer beyond 64 bits. Digits inside strings are left alone.
fn bounded(json: &str) -> String {
    let mut mended = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => number_length(rest),
            _ => rest.find(|next: char| matches!(next, '"' | '-' | '0'..='9')).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        let integer = token.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
        mended.push_str(if integer && !fits(token.as_bytes()) { "null" } else { token });
        rest = after;
    }
    mended
}

/// The length of the number that `json` begins with.
fn number_length(json: &str) -> usize {
    json.bytes().take_while(|byte| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')).count()
}

/// The length of the string that `json` begins with, quotes included.
pub(crate) fn string_length(json: &str) -> usize {
    let bytes = json.as_bytes();
    let mut at = 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}
