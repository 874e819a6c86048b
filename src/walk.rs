//! The cursor rules, without I/O: what to ask for next, and what of an answer is delivered.
//!
//! Each rule has an ID, which comments and tests name; CONTRIBUTING lists them. A walk hands out a request, is given
//! the page that came of it, and says which records to pass on and how far the stream is delivered then.

mod export;
mod numbered;

use crate::client::Request;
use crate::error::{Error, Kind};
use crate::page::{Page, Record};
use crate::position::{Frontier, Nanos};
use crate::progress::Axis;
use crate::streams::{EXPORT_LIMIT, Shape, Stream};

use export::Export;
use numbered::Numbered;

/// CUTOFF: the service refuses to be asked for what is younger than this.
pub const SETTLING: Nanos = 300_000_000_000;

/// CUTOFF: the distance kept from that bound, for clocks that differ.
pub const MARGIN: Nanos = 60_000_000_000;

/// What the user asked of all exports.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Where a stream without a state begins.
    pub start: Nanos,
    /// Where every walk ends at the latest.
    pub end: Option<Nanos>,
    /// LOOKBACK: how much before its frontier a stream whose records appear late is read again.
    pub lookback: Nanos,
}

/// A stream being read.
#[derive(Debug)]
pub struct Walk {
    stream: Stream,
    course: Course,
    limit: Option<u32>,
    largest: Option<u32>,
    pages: u64,
    ended: bool,
}

#[derive(Debug)]
enum Course {
    Once,
    Numbered(Numbered),
    Export(Box<Export>),
}

/// What of a page goes to the sink, and how far the stream is delivered once it is there.
#[derive(Debug)]
pub struct Delivery {
    /// The page with only the records to pass on.
    pub page: Page,
    /// ORDER: the new frontier, if the page moved it forward.
    pub frontier: Option<Frontier>,
    /// LOUD: how many of the page's records lack a readable cursor.
    pub without_cursor: usize,
}

/// What a course makes of a page.
struct Verdict {
    keep: Vec<bool>,
    frontier: Option<Frontier>,
    without_cursor: usize,
    ended: bool,
}

impl Walk {
    /// A walk over a stream from its start, or from how far it has been delivered.
    pub fn new(stream: Stream, terms: &Terms, delivered: Option<&Frontier>) -> Self {
        let (course, limit) = match (stream.endpoint.shape, delivered) {
            (Shape::Export { unit, late, .. }, delivered) => {
                let delivered = match delivered {
                    Some(Frontier::Position(position)) => Some(position.clone()),
                    _ => None,
                };
                (Course::Export(Box::new(Export::new(unit, late, terms, delivered))), Some(EXPORT_LIMIT))
            }
            (Shape::Numbered { limit, .. }, Some(&Frontier::Id(id))) => {
                (Course::Numbered(Numbered::after(id)), Some(limit))
            }
            (Shape::Numbered { limit, .. }, _) => (Course::Numbered(Numbered::from_start()), Some(limit)),
            (Shape::Object { .. } | Shape::List, _) => (Course::Once, None),
        };
        Self { stream, course, limit, largest: limit, pages: 0, ended: false }
    }

    /// CUTOFF: ends the walk's window at the cutoff, if it would reach further; called again, the earliest one holds.
    pub fn settle(&mut self, cutoff: Nanos) {
        if let Course::Export(export) = &mut self.course {
            self.ended |= !export.settle(cutoff);
        }
    }

    /// The request that goes on from here; `None` when the stream is read to its end.
    pub fn next(&self) -> Option<Request> {
        if self.ended {
            return None;
        }
        let query = match (&self.course, self.stream.endpoint.shape) {
            (Course::Export(export), Shape::Export { records, expand, .. }) => export.query(records, expand),
            (Course::Numbered(numbered), _) => numbered.query(),
            _ => Vec::new(),
        };
        Some(Request { path: self.stream.endpoint.path.to_owned(), query, limit: self.limit })
    }

    /// Takes the page that the last request brought, asked with `limit` in the end.
    pub fn accept(&mut self, limit: Option<u32>, mut page: Page) -> Result<Delivery, Error> {
        self.pages += 1;
        // A page too large for the client was asked for with a smaller limit; from there it grows again.
        self.limit = limit.zip(self.largest).map(|(limit, largest)| limit.saturating_mul(2).min(largest));
        if self.ended {
            page.retain(&vec![false; page.len()]);
            return Ok(Delivery { page, frontier: None, without_cursor: 0 });
        }
        let name = self.stream.output.name;
        self.require_keys(&page)?;
        let verdict = match &mut self.course {
            Course::Once => Ok(Verdict { keep: Vec::new(), frontier: None, without_cursor: 0, ended: true }),
            Course::Numbered(numbered) => numbered.accept(&page),
            Course::Export(export) => export.accept(self.stream.output, limit, &page),
        };
        let verdict = verdict.map_err(|error| error.at(name))?;
        page.retain(&verdict.keep);
        self.ended = verdict.ended;
        Ok(Delivery { page, frontier: verdict.frontier, without_cursor: verdict.without_cursor })
    }

    /// CUTOFF: whether a refusal with that status only means that nothing is to be read yet; the walk has ended then.
    pub fn excuses(&mut self, status: u16, server_clock: Nanos) -> bool {
        let Course::Export(export) = &self.course else { return false };
        let excused = status == 400 && self.pages == 0 && export.asked() > server_clock - SETTLING;
        self.ended |= excused;
        excused
    }

    /// Where it is on the time axis, if it has one.
    pub fn axis(&self) -> Option<Axis> {
        match &self.course {
            Course::Export(export) => Some(export.axis()),
            Course::Once | Course::Numbered(_) => None,
        }
    }

    /// Whether no page has been accepted yet.
    pub fn untouched(&self) -> bool {
        self.pages == 0
    }

    /// LOUD: a record without its key cannot be told from others, so it is never passed on as if all were well.
    fn require_keys(&self, page: &Page) -> Result<(), Error> {
        let output = self.stream.output;
        let is_key = |value: &str| !value.starts_with(['{', '[']);
        for (index, record) in page.records().enumerate() {
            if let Some(missing) = output.key_members().find(|key| !record.member(key).is_some_and(is_key)) {
                let place = format!("{}: record {} of page {}", output.name, index + 1, self.pages);
                let problem = format!("{place} has no `{missing}`, by which it is told from others");
                return Err(Error::new(Kind::Record, problem));
            }
        }
        Ok(())
    }
}

/// The number that a record's member holds, be it written as a number or as text.
fn number(record: Record<'_>, member: &str) -> Option<i64> {
    crate::page::unquoted(record.member(member)?).parse().ok()
}

#[cfg(test)]
mod tests;
