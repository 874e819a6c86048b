//! What an answer holds: its records down to their top-level members, and the position behind them.

use std::borrow::Cow;

use url::Url;

use crate::json::scan::{Scanner, Span};
use crate::json::{Malformed, slice, unquoted};
use crate::position::{Position, Unit};
use crate::source::page::Shape;

/// Where a record lies and which of the page's members are its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// The whole record.
    pub text: Span,
    /// The first of its members.
    pub first_member: usize,
    /// How many members it has.
    pub members: usize,
    /// In which of the shape's arrays it came.
    pub array: usize,
    /// Whether it holds half a surrogate pair or an integer beyond 64 bits.
    pub unsound: bool,
}

/// What was found in an answer.
#[derive(Default)]
pub(super) struct Outline {
    /// The records.
    pub entries: Vec<Entry>,
    /// The members of all records: keys without quotes, and values.
    pub members: Vec<(Span, Span)>,
    /// The position behind the records.
    pub next: Option<Position>,
    complete: bool,
}

/// What an envelope says of the position behind its records.
#[derive(Default)]
struct Named<'text> {
    next_page: Option<&'text str>,
    end_time: Option<&'text str>,
    end_id: Option<&'text str>,
}

impl Outline {
    /// Goes over the answer of an endpoint of that shape.
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
            // Arrays that are left out where they are empty leave nothing at all; an error in their place does not pass for that.
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
    /// SEAM: the position as `next_page` names it, else as the end is named.
    fn position(&self, unit: Unit) -> Option<Position> {
        self.of_next_page(unit).or_else(|| self.of_end(unit))
    }

    /// SEAM: only `start_time` and `start_id` are taken from `next_page`; where it points to is never looked at.
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
