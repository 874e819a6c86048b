//! The texts of JSON strings: compared in one spelling, read, and written.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What a character that cannot be read is shown as.
const UNREADABLE: char = '\u{fffd}';

/// What lies between the quotes of a JSON string; `None` for any other value.
pub fn inner(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

/// A string's text in the one spelling that equal texts share: escaped only where it must be.
pub fn spelled(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut spelled = String::with_capacity(inner.len());
    unescape(inner, |part| match part {
        Part::Text(text) => escape(text, &mut spelled),
        // Writing into a String cannot fail.
        Part::Half(half) => _ = write!(spelled, "\\u{half:04x}"),
    });
    Cow::Owned(spelled)
}

/// The text that a string stands for, with U+FFFD for each half of a surrogate pair.
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

/// Whether a string holds half a surrogate pair, so that what is read of it is not all that it says.
pub fn is_halved(inner: &str) -> bool {
    let mut halved = false;
    if inner.contains("\\u") {
        unescape(inner, |part| halved |= matches!(part, Part::Half(_)));
    }
    halved
}

/// Appends a text as it stands between the quotes of a JSON string.
pub fn escape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte @ (b'"' | b'\\') => out.extend(['\\', char::from(byte)]),
            // Writing into a String cannot fail.
            control => _ = write!(out, "\\u{control:04x}"),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// A stretch of what an escaped text stands for.
enum Part<'part> {
    /// Readable text.
    Text(&'part str),
    /// Half a surrogate pair.
    Half(u16),
}

/// Hands over what an escaped text stands for, piece by piece.
fn unescape(inner: &str, mut each: impl FnMut(Part<'_>)) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_texts_have_one_spelling() {
        for (came, spelling, text) in [
            ("plain é", "plain é", "plain é"),
            (r"m\u0073g", "msg", "msg"),
            (r"a\/b", "a/b", "a/b"),
            (r"\u0022\\\b", r#"\"\\\u0008"#, "\"\\\u{8}"),
            (r"\ud83d\ude00", "😀", "😀"),
            (r"\uD83D\n", r"\ud83d\n", "\u{fffd}\n"),
            (r"\ude00\ud83d", r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
            (r"\ud83d\ud83d\ude00", r"\ud83d😀", "\u{fffd}😀"),
        ] {
            assert_eq!((spelled(came).as_ref(), read(came).as_ref()), (spelling, text), "{came}");
            assert_eq!(is_halved(came), text.contains(UNREADABLE), "{came}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(text in any::<String>()) {
            let mut written = String::new();
            escape(&text, &mut written);
            prop_assert_eq!(read(&written), text.as_str());
            prop_assert_eq!(spelled(&written), written.as_str());
            prop_assert_eq!(serde_json::from_str::<String>(&format!("\"{written}\"")).unwrap(), text);
        }

        #[test]
        fn any_text_is_read_without_panic(text in r"(\\|\\u|\\u[0-9a-f]{3,4}|d8|é|[a-z]){0,8}") {
            let _ = (spelled(&text), read(&text), is_halved(&text));
        }
    }
}
