//! The cursor rules, without I/O: what to ask for next, and what of an answer is delivered.
//!
//! Each rule has an ID, which comments and tests name; docs/cursor-rules.md explains them. A walk hands out a request, is given
//! the page that came of it, and says which records to pass on and how far the stream is delivered then.

mod cutoff;
mod dedup;
mod export;
mod numbered;
mod window;

pub use cutoff::{Cutoff, MARGIN, SETTLING};
pub use window::MAYBE_FULL;

use crate::error::{Error, Kind};
use crate::position::{Axis, Frontier, Nanos};
use crate::source::page::{Late, Page, Record, Shape};
use crate::source::streams::{Endpoint, Stream};
use crate::wire::Request;

use export::Export;
use numbered::Numbered;

/// What the user asked of all exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Where a stream without a state begins.
    pub start: Nanos,
    /// Where every walk ends at the latest.
    pub end: Option<Nanos>,
    /// LOOKBACK: how much before its frontier an export is read again whose spans appear late.
    pub lookback: Nanos,
    /// LOOKBACK: the same for one whose records are redacted late.
    pub chats_lookback: Nanos,
}

impl Bounds {
    /// LOOKBACK: how much of such an export is read again; none if its records appear in time.
    pub fn lookback_of(&self, late: Late) -> Option<Nanos> {
        match late {
            Late::None => None,
            Late::Spans => Some(self.lookback),
            Late::Redacted => Some(self.chats_lookback).filter(|length| *length > 0),
        }
    }
}

/// A stream being read.
#[derive(Debug)]
pub struct Walk {
    endpoint: &'static Endpoint,
    stream: &'static Stream,
    pagination: Pagination,
    pages: u64,
    duplicates: u64,
}

#[derive(Debug)]
enum Pagination {
    /// One request for everything; whether it was handed out.
    Once(bool),
    Numbered(Numbered),
    Export(Box<Export>),
}

/// A request, and the part of the walk that it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    window: u32,
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
    /// STOP: from where on the page showed nothing, if it was empty and yet leads on.
    pub nothing_after: Option<Nanos>,
}

/// What a pagination makes of a page.
#[derive(Default)]
struct Verdict {
    keep: Vec<bool>,
    frontier: Option<Frontier>,
    without_cursor: usize,
    nothing_after: Option<Nanos>,
}

impl Walk {
    /// A walk over a stream from its start, or from how far it has been delivered.
    pub fn new(stream: &'static Stream, bounds: &Bounds, delivered: Option<&Frontier>) -> Self {
        let endpoint = stream.endpoint();
        let pagination = match (endpoint.shape, delivered.cloned()) {
            (Shape::Export { unit, late, .. }, Some(Frontier::Position(position, beyond))) => {
                Pagination::Export(Box::new(Export::new(unit, late, bounds, Some((position, beyond)))))
            }
            (Shape::Export { unit, late, .. }, _) => {
                Pagination::Export(Box::new(Export::new(unit, late, bounds, None)))
            }
            (Shape::Numbered { limit, .. }, Some(Frontier::Id(id))) => Pagination::Numbered(Numbered::after(id, limit)),
            (Shape::Numbered { limit, .. }, _) => Pagination::Numbered(Numbered::from_start(limit)),
            (Shape::Object { .. } | Shape::List, _) => Pagination::Once(false),
        };
        Self { endpoint, stream: endpoint.lead(), pagination, pages: 0, duplicates: 0 }
    }

    /// CUTOFF: ends the walk at the cutoff, if it would reach further; called again, the earliest one holds.
    pub fn cut_at(&mut self, cutoff: Nanos) {
        if let Pagination::Export(export) = &mut self.pagination {
            export.cut_at(cutoff);
        }
    }

    /// WINDOW: takes note of the latest moment that the service's clock can show: a page that ends later is an error.
    pub fn set_latest(&mut self, latest: Nanos) {
        if let Pagination::Export(export) = &mut self.pagination {
            export.set_latest(latest);
        }
    }

    /// The next request in a part of the stream that is being read; none while all that can be asked is under way, and
    /// when everything is read.
    #[allow(clippy::should_implement_trait, reason = "what is next depends on what was accepted meanwhile")]
    pub fn next(&mut self) -> Option<Asked> {
        match &mut self.pagination {
            Pagination::Once(asked) => {
                let request = || Request { path: self.endpoint.path.to_owned(), query: Vec::new(), limit: None };
                (!std::mem::replace(asked, true)).then(|| Asked { request: request(), window: 0 })
            }
            Pagination::Numbered(numbered) => {
                let request = numbered.next(self.endpoint.path)?;
                Some(Asked { request, window: 0 })
            }
            Pagination::Export(export) => {
                let window = export.next()?;
                self.ask(window)
            }
        }
    }

    /// One more request beside those that are under way, if it is worth it: the first of another part of the stream.
    pub fn beside(&mut self) -> Option<Asked> {
        let Pagination::Export(export) = &mut self.pagination else { return None };
        let window = export.beside()?;
        self.ask(window)
    }

    /// Takes the page that a request brought, asked with `limit` in the end.
    pub fn accept(&mut self, asked: &Asked, limit: Option<u32>, mut page: Page) -> Result<Delivery, Error> {
        self.pages += 1;
        let name = self.stream.name;
        self.require_keys(&page)?;
        let verdict = match &mut self.pagination {
            Pagination::Once(_) => Ok(Verdict::default()),
            Pagination::Numbered(numbered) => numbered.accept(limit, &page),
            Pagination::Export(export) => export.accept(asked.window, self.stream, limit, &page),
        };
        let verdict = verdict.map_err(|error| error.at(name))?;
        self.duplicates += verdict.keep.iter().filter(|keep| !**keep).count() as u64;
        page.retain(&verdict.keep);
        let Verdict { frontier, without_cursor, nothing_after, .. } = verdict;
        Ok(Delivery { page, frontier, without_cursor, nothing_after })
    }

    /// Takes note that a request brought nothing, for good: its part of the stream is left to the next run, what is
    /// under way in others goes on, and no other is begun.
    pub fn give_up(&mut self, asked: &Asked) {
        if let Pagination::Export(export) = &mut self.pagination {
            export.give_up(asked.window);
        }
    }

    /// CUTOFF: whether a refusal with that status only means that nothing is to be read yet; the walk has ended then.
    pub fn excuses(&mut self, asked: &Asked, status: u16, server_clock: Nanos) -> bool {
        let Pagination::Export(export) = &mut self.pagination else { return false };
        status == 400 && export.excuses(asked.window, server_clock - SETTLING)
    }

    /// Where it is on the time axis, if it has one.
    pub fn axis(&self) -> Option<Axis> {
        match &self.pagination {
            Pagination::Export(export) => Some(export.axis()),
            Pagination::Once(_) | Pagination::Numbered(_) => None,
        }
    }

    /// Whether no page has been accepted yet.
    pub fn untouched(&self) -> bool {
        self.pages == 0
    }

    /// Whether it has, or may come to have, parts that are not being read.
    pub fn can_ask_beside(&self) -> bool {
        matches!(&self.pagination, Pagination::Export(export) if export.can_ask_beside())
    }

    /// STOP: from where on the service showed nothing, although it showed what lies later; the next run asks again.
    pub fn gap(&self) -> Option<Nanos> {
        match &self.pagination {
            Pagination::Export(export) => export.gap(),
            Pagination::Once(_) | Pagination::Numbered(_) => None,
        }
    }

    /// Up to where it went over everything, once it has ended: none if the service left out a part.
    pub fn end(&self) -> Option<Nanos> {
        match &self.pagination {
            Pagination::Export(export) => export.gap().is_none().then(|| export.end()),
            Pagination::Once(_) | Pagination::Numbered(_) => Some(Nanos::MAX),
        }
    }

    /// In how many windows it was read.
    pub fn windows(&self) -> u32 {
        match &self.pagination {
            Pagination::Export(export) => export.windows(),
            Pagination::Once(_) | Pagination::Numbered(_) => 1,
        }
    }

    /// How many pages were accepted.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// How many records came and were not passed on, since others had brought them or will.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    fn ask(&mut self, window: u32) -> Option<Asked> {
        let Pagination::Export(export) = &mut self.pagination else { return None };
        let Shape::Export { records, expand, .. } = self.endpoint.shape else { return None };
        let request = export.ask(window, self.endpoint.path, records, expand)?;
        Some(Asked { request, window })
    }

    /// LOUD: a record without its key cannot be told from others, so it is never passed on as if all were well.
    fn require_keys(&self, page: &Page) -> Result<(), Error> {
        let stream = self.stream;
        let is_key = |value: &str| !value.starts_with(['{', '[']);
        for (index, record) in page.records().enumerate() {
            if let Some(missing) = stream.key_members().find(|key| !record.member(key).is_some_and(is_key)) {
                let place = format!("{}: record {} of page {}", stream.name, index + 1, self.pages);
                let problem = format!("{place} has no `{missing}`, by which it is told from others");
                return Err(Error::new(Kind::Record, problem));
            }
        }
        Ok(())
    }
}

/// What to ask for after a page that came with `limit`: one too large for the client was asked for with a smaller limit
/// than the largest, and from there it grows again.
fn next_limit(limit: Option<u32>, largest: u32) -> u32 {
    limit.map_or(largest, |limit| limit.saturating_mul(2).min(largest))
}

/// The number that a record's member holds, be it written as a number or as text.
fn number(record: Record<'_>, member: &str) -> Option<i64> {
    crate::json::unquoted(record.member(member)?).parse().ok()
}

#[cfg(test)]
mod tests;
