//! Replaces valid JSON that many readers reject: halves of surrogate pairs, and integers beyond 64 bits.

use crate::json::scan::{Half, fits, surrogate};

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

/// Decodes a sound JSON string, which is given without its quotes.
pub fn read(string: &str) -> String {
    serde_json::from_str(&format!("\"{string}\"")).unwrap_or_else(|_| string.to_owned())
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
