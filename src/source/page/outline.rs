//! The content of a response: its records down to their top-level members, and the position after them.

use std::borrow::Cow;

use url::Url;

use crate::json::scan::{Scanner, Span};
use crate::json::{Malformed, slice, unquoted};
use crate::position::{Position, Unit};
use crate::source::page::Shape;

/// Where a record lies, and which of the page's members belong to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Where the whole record lies.
    pub text: Span,
    /// The index of its first member.
    pub first_member: usize,
    /// How many members it has.
    pub members: usize,
    /// The index of the shape's array that it came in.
    pub array: usize,
    /// Whether it holds half a surrogate pair or an integer beyond 64 bits.
    pub unsound: bool,
}

/// The parsed structure of a response.
#[derive(Default)]
pub(super) struct Outline {
    /// The records.
    pub entries: Vec<Entry>,
    /// The members of all records: keys without quotes, and values.
    pub members: Vec<(Span, Span)>,
    /// The position after the records.
    pub next: Option<Position>,
    complete: bool,
}

/// The members of an envelope that name the position after its records.
#[derive(Default)]
struct Named<'text> {
    next_page: Option<&'text str>,
    end_time: Option<&'text str>,
    end_id: Option<&'text str>,
}

impl Outline {
    /// Parses the response of an endpoint of this shape.
    pub fn of(text: &str, shape: Shape) -> Result<Self, Malformed> {
        let mut outline = Self::default();
        let mut scanner = Scanner::new(text)?;
        match shape {
            Shape::Object { under: None } => outline.record(&mut scanner, 0)?,
            Shape::List | Shape::Numbered { arrays: [], .. } => outline.records(&mut scanner, 0)?,
            Shape::Object { under: Some(_) } | Shape::Numbered { .. } | Shape::Export { .. } => {
                outline.envelope(&mut scanner, text, shape)?;
            }
        }
        scanner.end()?;
        if outline.complete {
            Ok(outline)
        } else {
            Err(Malformed("it lacks the records that are documented".to_owned()))
        }
    }

    fn envelope<'text>(
        &mut self,
        scanner: &mut Scanner<'text>,
        text: &'text str,
        shape: Shape,
    ) -> Result<(), Malformed> {
        let mut named = Named::default();
        let mut members = 0;
        scanner.object(|scanner, key| {
            members += 1;
            let key = slice(text, key);
            match shape {
                Shape::Object { under: Some(under) } if under == key => return self.record(scanner, 0),
                Shape::Export { records, .. } if records == key => return self.records(scanner, 0),
                Shape::Numbered { arrays, .. } => {
                    if let Some(array) = arrays.iter().position(|&array| array == key) {
                        return self.records_or_null(scanner, array);
                    }
                }
                _ => {}
            }
            let value = slice(text, scanner.value()?);
            match key {
                "next_page" => named.next_page = Some(value),
                "end_time" => named.end_time = Some(value),
                "end_id" => named.end_id = Some(value),
                _ => {}
            }
            Ok(())
        })?;
        match shape {
            Shape::Export { unit, .. } => self.next = named.position(unit),
            // If empty arrays are left out, the object has no members at all. An error object has members, so it is not
            // taken for an empty page.
            Shape::Numbered { .. } => self.complete |= members == 0,
            _ => {}
        }
        Ok(())
    }

    fn records_or_null(&mut self, scanner: &mut Scanner<'_>, array: usize) -> Result<(), Malformed> {
        if scanner.peek()? != b'n' {
            return self.records(scanner, array);
        }
        self.complete = true;
        scanner.value().map(|_| ())
    }

    fn records(&mut self, scanner: &mut Scanner<'_>, array: usize) -> Result<(), Malformed> {
        self.complete = true;
        scanner.array(|scanner| self.record(scanner, array))
    }

    fn record(&mut self, scanner: &mut Scanner<'_>, array: usize) -> Result<(), Malformed> {
        self.complete = true;
        scanner.take_unsound();
        let first_member = self.members.len();
        let text = scanner.object(|scanner, key| {
            let value = scanner.value()?;
            self.members.push((key, value));
            Ok(())
        })?;
        let members = self.members.len() - first_member;
        self.entries.push(Entry { text, first_member, members, array, unsound: scanner.take_unsound() });
        Ok(())
    }
}

impl Named<'_> {
    /// SEAM: the position that `next_page` names; without it, the one that `end_time` and `end_id` name.
    fn position(&self, unit: Unit) -> Option<Position> {
        self.of_next_page(unit).or_else(|| self.of_end(unit))
    }

    /// SEAM: only `start_time` and `start_id` are taken from `next_page`; its host and path are never used.
    fn of_next_page(&self, unit: Unit) -> Option<Position> {
        let next_page: Cow<'_, str> = serde_json::from_str(self.next_page?).ok()?;
        let (_, query) = next_page.split_once('?')?;
        let query = Url::parse(&format!("http://localhost/?{query}")).ok()?;
        let value = |name: &str| query.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        Position::received(&value("start_time")?, value("start_id").as_deref(), unit)
    }

    fn of_end(&self, unit: Unit) -> Option<Position> {
        let id = self.end_id.filter(|&id| id != "null");
        let id = id.map(|id| serde_json::from_str::<String>(id).unwrap_or_else(|_| id.to_owned()));
        Position::received(unquoted(self.end_time?), id.as_deref(), unit)
    }
}
