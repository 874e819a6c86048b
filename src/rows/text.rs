//! The texts of JSON strings: compared in one spelling, and written.

use std::borrow::Cow;
use std::fmt::Write as _;

pub use crate::json::text::read;
use crate::json::text::{Part, unescape};

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
            assert_eq!(is_halved(came), text.contains('\u{fffd}'), "{came}");
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
