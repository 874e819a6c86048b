//! What JSON allows and its readers choke on: halves of surrogate pairs, and integers beyond 64 bits.

use std::borrow::Cow;

use memchr::memmem;

/// The digits of the smallest integers that may not fit into 64 bits.
const LONG: usize = 19;

/// Whether a JSON text may hold something unsound. False is certain; true asks for a closer look.
pub(super) fn doubtful(json: &str) -> bool {
    let bytes = json.as_bytes();
    // A run of digits that is too long covers one of every nineteen bytes.
    let long = bytes.iter().enumerate().skip(LONG - 1).step_by(LONG);
    let digits = long.filter(|(_, byte)| byte.is_ascii_digit()).any(|(at, _)| digits_around(bytes, at) >= LONG);
    digits || half_pair(json).is_some()
}

fn digits_around(bytes: &[u8], at: usize) -> usize {
    let before = bytes[..at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let after = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    before + after
}

/// Where the first escape stands that is half of a surrogate pair.
fn half_pair(json: &str) -> Option<usize> {
    memmem::find(json.as_bytes(), b"\\u")?;
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &bytes[at..]) {
        let escape = at + found;
        at = match surrogate(bytes, escape) {
            None => escape + 2,
            Some(Half::High) if surrogate(bytes, escape + 6) == Some(Half::Low) => escape + 12,
            Some(_) => return Some(escape),
        };
        at = at.min(bytes.len());
    }
    None
}

#[derive(PartialEq)]
enum Half {
    High,
    Low,
}

/// Which half of a surrogate pair the escape at `at` is, if it is one.
fn surrogate(bytes: &[u8], at: usize) -> Option<Half> {
    let [b'\\', b'u', b'd' | b'D', third, _, _] = bytes.get(at..at + 6)? else { return None };
    match third {
        b'8' | b'9' | b'a' | b'b' | b'A' | b'B' => Some(Half::High),
        b'c'..=b'f' | b'C'..=b'F' => Some(Half::Low),
        _ => None,
    }
}

/// The same JSON with U+FFFD for each half of a surrogate pair and null for each integer beyond 64 bits, and whether it was sound.
pub(super) fn sound(json: &str) -> (Cow<'_, str>, bool) {
    if !doubtful(json) {
        return (json.into(), true);
    }
    let mended = bound(&paired(json));
    let sound = mended == json;
    (mended.into(), sound)
}

/// The same text of a JSON string with U+FFFD for each half of a surrogate pair.
pub(super) fn paired(json: &str) -> String {
    let mut mended = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = half_pair(rest) {
        mended.push_str(&rest[..at]);
        mended.push_str("\\ufffd");
        rest = &rest[at + 6..];
    }
    mended + rest
}

/// Copies strings as they are and puts null in the place of integers that do not fit.
fn bound(json: &str) -> String {
    let mut mended = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => {
                rest.bytes().take_while(|byte| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')).count()
            }
            _ => rest.find(|character: char| matches!(character, '"' | '-' | '0'..='9')).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        let integer = !matches!(first, b'"') && token.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
        mended.push_str(if integer && token.parse::<i64>().is_err() { "null" } else { token });
        rest = after;
    }
    mended
}

/// The length of the string that `json` begins with, quotes included.
fn string_length(json: &str) -> usize {
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
