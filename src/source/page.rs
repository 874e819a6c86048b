//! The pagination shapes, without I/O: which query to send, and what a response holds. Records stay the bytes that
//! arrived.

use std::fmt;

use crate::json::scan::Span;
use crate::json::{Malformed, slice, unquoted};
use crate::position::{self, Nanos, Position, Unit};
use crate::wire::{Body, MemoryGuard};

mod outline;

use outline::{Entry, Outline};

/// A pagination shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One JSON object, or the object in one of its members.
    Object {
        /// The member that holds the object.
        under: Option<&'static str>,
    },
    /// One JSON array with all records.
    List,
    /// Arrays in the order of the records' numbers, requested from a number on.
    Numbered {
        /// The members that hold the arrays. If there are none, the response itself is the array.
        arrays: &'static [&'static str],
        /// How many records a request may ask for.
        limit: u32,
    },
    /// An incremental export, requested from a point in time on.
    Export {
        /// The member that holds the records.
        records: &'static str,
        /// The unit in which it counts time.
        unit: Unit,
        /// Whether requests must ask for whole records.
        expand: bool,
        /// Which of its records appear, or change, after their own time.
        late: Late,
    },
}

/// Which records of an export appear, or change, after their own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// None.
    None,
    /// Spans of time, which appear or grow when they end.
    Spans,
    /// Those that are redacted later.
    Redacted,
}

/// One response, parsed down to the top-level members of its records.
pub struct Page {
    text: String,
    outline: Outline,
    repaired: bool,
    held: MemoryGuard,
}

/// One record of a page, as it arrived.
#[derive(Clone, Copy)]
pub struct Record<'page> {
    page: &'page Page,
    entry: Entry,
}

impl Page {
    /// Parses the response of an endpoint of this shape. Bytes that are not UTF-8 are replaced, which `repaired`
    /// reports.
    pub fn parse(shape: Shape, body: impl Into<Body>) -> Result<Self, Malformed> {
        let (bytes, held) = body.into().into_parts();
        let (text, repaired) = match String::from_utf8(bytes) {
            Ok(text) => (text, false),
            Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
        };
        let outline = Outline::of(&text, shape)?;
        Ok(Self { text, outline, repaired, held })
    }

    /// How many records the page holds.
    pub fn len(&self) -> usize {
        self.outline.entries.len()
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.outline.entries.is_empty()
    }

    /// The position after its records, as the service names it.
    pub fn next(&self) -> Option<&Position> {
        self.outline.next.as_ref()
    }

    /// Whether bytes that are not UTF-8 were replaced.
    pub fn repaired(&self) -> bool {
        self.repaired
    }

    /// Its records in their order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.outline.entries.iter().map(|&entry| Record { page: self, entry })
    }

    /// Keeps only the records for which `keep` is true at their index.
    pub fn retain(&mut self, keep: &[bool]) {
        let mut keep = keep.iter();
        self.outline.entries.retain(|_| keep.next().copied().unwrap_or(true));
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.held.give_back(std::mem::take(&mut self.text).into_bytes());
    }
}

impl fmt::Debug for Page {
    /// Shows the page's size, never its content.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Page({} records, {} bytes)", self.len(), self.text.len())
    }
}

impl<'page> Record<'page> {
    /// Its text, a JSON object.
    pub fn text(self) -> &'page str {
        slice(&self.page.text, self.entry.text)
    }

    /// Its top-level members in their order: the key without quotes (as escaped as it arrived) and the value's text.
    pub fn members(self) -> impl DoubleEndedIterator<Item = (&'page str, &'page str)> {
        self.spans().iter().map(move |&(key, value)| (slice(&self.page.text, key), slice(&self.page.text, value)))
    }

    /// Where the keys and values of its members lie.
    fn spans(self) -> &'page [(Span, Span)] {
        let first = self.entry.first_member;
        &self.page.outline.members[first..first + self.entry.members]
    }

    /// The text of a member's value. If the member comes twice, the last one counts; a null is `None`.
    pub fn member(self, name: &str) -> Option<&'page str> {
        let text = self.page.text.as_bytes();
        // Most names differ in length, so their bytes are not compared.
        let is = |key: Span| key.len() == name.len() && text[key.start as usize..key.end as usize] == *name.as_bytes();
        let &(_, value) = self.spans().iter().rfind(|&&(key, _)| is(key))?;
        Some(slice(&self.page.text, value)).filter(|&value| value != "null")
    }

    /// The time that a member names, as text or as a number since 1970.
    pub fn time(self, name: &str) -> Option<Nanos> {
        let text = unquoted(self.member(name)?);
        position::iso(text).or_else(|| position::epoch(text))
    }

    /// The index of the array that it came in, among the shape's arrays.
    pub fn array(self) -> usize {
        self.entry.array
    }

    /// Whether it holds, at any depth, half a surrogate pair or an integer beyond 64 bits.
    pub fn unsound(self) -> bool {
        self.entry.unsound
    }
}

/// The query that requests an export's records after a position.
pub fn export_query(records: &str, expand: bool, time: String, id: Option<&str>) -> Vec<(&'static str, String)> {
    let mut query = vec![("start_time", time)];
    if let Some(id) = id {
        query.push(("start_id", id.to_owned()));
    }
    if expand {
        query.push(("fields", format!("{records}(*)")));
    }
    query
}

/// The query that requests records from a number on.
pub fn numbered_query(since: i64) -> Vec<(&'static str, String)> {
    vec![("since_id", since.to_string())]
}

#[cfg(test)]
mod tests;
