//! JSON as text: read where it lies, never built up.

pub(crate) mod scan;
pub(crate) mod text;

use scan::{Scanner, Span};

/// Why a body cannot be read; never holds the body itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

/// The members of a JSON object in their order: keys without quotes, as escaped as they came, and the values' texts.
pub fn members(object: &str) -> Vec<(&str, &str)> {
    let mut members = Vec::new();
    let scanned = Scanner::new(object).and_then(|mut scanner| {
        scanner.object(|scanner, key| {
            members.push((slice(object, key), slice(object, scanner.value()?)));
            Ok(())
        })
    });
    // A page was gone over as a whole before any part of it gets here.
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

/// A string's text without its quotes, and any other value's text as it is.
pub fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

/// A stretch of a text.
pub(crate) fn slice(text: &str, span: Span) -> &str {
    &text[span.start as usize..span.end as usize]
}
