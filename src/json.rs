//! JSON as text: read in place, never built into a tree.

pub(crate) mod scan;
pub(crate) mod text;

use scan::{Scanner, Span};

/// Why a body cannot be read; never holds the body itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

/// The members of a JSON object in their order: keys without quotes but still escaped, and the texts of the values.
pub fn members(object: &str) -> Vec<(&str, &str)> {
    let mut members = Vec::new();
    let scanned = Scanner::new(object).and_then(|mut scanner| {
        scanner.object(|scanner, key| {
            members.push((slice(object, key), slice(object, scanner.value()?)));
            Ok(())
        })
    });
    // The whole page was checked before any part of it gets here.
    debug_assert!(scanned.is_ok(), "no JSON object");
    members
}

/// The texts of a JSON array's values in their order.
pub fn elements(array: &str) -> Vec<&str> {
    let mut elements = Vec::new();
    let scanned = Scanner::new(array).and_then(|mut scanner| {
        scanner.array(|scanner| {
            elements.push(slice(array, scanner.value()?));
            Ok(())
        })
    });
    debug_assert!(scanned.is_ok(), "no JSON array");
    elements
}

/// Whether a text is one JSON value.
pub fn is_json(text: &str) -> bool {
    Scanner::new(text).and_then(|mut scanner| scanner.value().and_then(|_| scanner.end())).is_ok()
}

/// The text of a string without its quotes; the text of any other value as it is.
pub fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

/// A stretch of a text.
pub(crate) fn slice(text: &str, span: Span) -> &str {
    &text[span.start as usize..span.end as usize]
}
