//! The cursor rules, without I/O: which request comes next, and which records of a page are passed on.
//!
//! Each rule has an ID, which comments and tests name; docs/cursor-rules.md explains them. A walk hands out a request
//! and accepts the page that answers it. It then says which records to pass on, and how far the stream is delivered
//! after that.

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

/// Where exports begin and end, and how far back they are read again, as the user configured it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Where a stream without a state begins.
    pub start: Nanos,
    /// Where every walk ends at the latest, if the user set an end.
    pub end: Option<Nanos>,
    /// LOOKBACK: how far before its frontier an export is read again, if its spans appear late.
    pub lookback: Nanos,
    /// LOOKBACK: the same for an export whose records may be redacted late.
    pub chats_lookback: Nanos,
}

impl Bounds {
    /// LOOKBACK: how far back an export is read again; `None` if none of its records appear late, or if the length for
    /// redactions is 0.
    pub fn lookback_of(&self, late: Late) -> Option<Nanos> {
        match late {
            Late::None => None,
            Late::Spans => Some(self.lookback),
            Late::Redacted => Some(self.chats_lookback).filter(|length| *length > 0),
        }
    }
}

/// The read of one endpoint.
#[derive(Debug)]
pub struct Walk {
    endpoint: &'static Endpoint,
    pagination: Pagination,
    pages: u64,
    duplicates: u64,
}

#[derive(Debug)]
enum Pagination {
    /// One request returns everything. The flag is true once that request has been handed out.
    Once(bool),
    Numbered(Numbered),
    Export(Box<Export>),
}

/// A request, and the window that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// From where it is requested, if the stream has a time.
    from: Option<Nanos>,
    /// The request to send.
    pub request: Request,
    window: u32,
}

/// The records of a page that go to the sink, and how far the stream is delivered once the sink has them.
#[derive(Debug)]
pub struct Delivery {
    /// From where the page was requested, if the stream has a time.
    pub asked: Option<Nanos>,
    /// The page with only the records to pass on.
    pub page: Page,
    /// ORDER: the new frontier, if the page moved it forward.
    pub frontier: Option<Frontier>,
    /// LOUD: how many of the page's records lack a readable cursor.
    pub without_cursor: usize,
    /// STOP: if the page was empty but is followed, the moment from which it showed nothing.
    pub nothing_after: Option<Nanos>,
}

/// A pagination's decision about a page.
#[derive(Default)]
struct Verdict {
    keep: Vec<bool>,
    frontier: Option<Frontier>,
    without_cursor: usize,
    nothing_after: Option<Nanos>,
}

impl Walk {
    /// A walk over the endpoint of a stream, from the start or from a saved frontier.
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
        Self { endpoint, pagination, pages: 0, duplicates: 0 }
    }

    /// CUTOFF: ends the walk at the cutoff if it would go further. After several calls, the earliest cutoff holds.
    pub fn cut_at(&mut self, cutoff: Nanos) {
        if let Pagination::Export(export) = &mut self.pagination {
            export.cut_at(cutoff);
        }
    }

    /// WINDOW: sets the latest moment that the service's clock can show. A page that ends later is an error.
    pub fn set_latest(&mut self, latest: Nanos) {
        if let Pagination::Export(export) = &mut self.pagination {
            export.set_latest(latest);
        }
    }

    /// The next request of a window that has begun or, if no request is in flight, of a new window. `None` while every
    /// window that has begun waits for a response, and when everything has been read.
    #[allow(clippy::should_implement_trait, reason = "what is next depends on what was accepted meanwhile")]
    pub fn next(&mut self) -> Option<Asked> {
        match &mut self.pagination {
            Pagination::Once(asked) => {
                let request = || Request { path: self.endpoint.path.to_owned(), query: Vec::new(), limit: None };
                (!std::mem::replace(asked, true)).then(|| Asked { from: None, request: request(), window: 0 })
            }
            Pagination::Numbered(numbered) => {
                let request = numbered.next(self.endpoint.path)?;
                Some(Asked { from: None, request, window: 0 })
            }
            Pagination::Export(export) => {
                let window = export.next()?;
                self.ask(window)
            }
        }
    }

    /// One more request to send beside those in flight, if that is worthwhile. It is the first one of another window,
    /// unless a window that has begun can go on.
    pub fn beside(&mut self) -> Option<Asked> {
        let Pagination::Export(export) = &mut self.pagination else { return None };
        let window = export.beside()?;
        self.ask(window)
    }

    /// Accepts the page that answers a request. `limit` is the limit with which the request was finally sent.
    pub fn accept(&mut self, asked: &Asked, limit: Option<u32>, mut page: Page) -> Result<Delivery, Error> {
        self.pages += 1;
        let name = self.endpoint.lead().name;
        self.require_keys(&page)?;
        let verdict = match &mut self.pagination {
            Pagination::Once(_) => Ok(Verdict::default()),
            Pagination::Numbered(numbered) => numbered.accept(limit, &page),
            Pagination::Export(export) => export.accept(asked.window, self.endpoint.lead(), limit, &page),
        };
        let verdict = verdict.map_err(|error| error.at(name))?;
        self.duplicates += verdict.keep.iter().filter(|keep| !**keep).count() as u64;
        page.retain(&verdict.keep);
        let Verdict { frontier, without_cursor, nothing_after, .. } = verdict;
        Ok(Delivery { asked: asked.from, page, frontier, without_cursor, nothing_after })
    }

    /// Gives up a request that failed for good. The rest of its window is left to the next run. Other windows that have
    /// begun are read on, and no further window is begun.
    pub fn give_up(&mut self, asked: &Asked) {
        if let Pagination::Export(export) = &mut self.pagination {
            export.give_up(asked.window);
        }
    }

    /// CUTOFF: whether a refusal with this status only means that there is nothing to read yet. If so, the walk has
    /// ended.
    pub fn excuses(&mut self, asked: &Asked, status: u16, server_clock: Nanos) -> bool {
        let Pagination::Export(export) = &mut self.pagination else { return false };
        status == 400 && export.excuses(asked.window, server_clock - SETTLING)
    }

    /// How far the walk has come on the time axis, if it has one.
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

    /// Whether there is a window to request beside those in flight, or one to divide.
    pub fn can_ask_beside(&self) -> bool {
        matches!(&self.pagination, Pagination::Export(export) if export.can_ask_beside())
    }

    /// STOP: the moment from which the service showed nothing, although it showed later records. The next run reads
    /// from there again.
    pub fn gap(&self) -> Option<Nanos> {
        match &self.pagination {
            Pagination::Export(export) => export.gap(),
            Pagination::Once(_) | Pagination::Numbered(_) => None,
        }
    }

    /// The moment up to which an ended walk has read everything; `None` if the service left a gap.
    pub fn end(&self) -> Option<Nanos> {
        match &self.pagination {
            Pagination::Export(export) => export.gap().is_none().then(|| export.end()),
            Pagination::Once(_) | Pagination::Numbered(_) => Some(Nanos::MAX),
        }
    }

    /// How many windows it was read in.
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

    /// How many records were dropped: repeated ones, and ones outside their window.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    fn ask(&mut self, window: u32) -> Option<Asked> {
        let Pagination::Export(export) = &mut self.pagination else { return None };
        let Shape::Export { records, expand, .. } = self.endpoint.shape else { return None };
        let (from, request) = export.ask(window, self.endpoint.path, records, expand)?;
        Some(Asked { from: Some(from), request, window })
    }

    /// LOUD: a record without its key cannot be distinguished from others, so it is an error and never passed on.
    fn require_keys(&self, page: &Page) -> Result<(), Error> {
        let stream = self.endpoint.lead();
        let is_key = |value: &str| !value.starts_with(['{', '[']);
        for (index, record) in page.records().enumerate() {
            if let Some(missing) = stream.key_members().find(|key| !record.member(key).is_some_and(is_key)) {
                let place = format!("{}: record {} of page {}", stream.name, index + 1, self.pages);
                let problem = format!("{place} has no `{missing}`, which identifies it");
                return Err(Error::new(Kind::Record, problem));
            }
        }
        Ok(())
    }
}

/// The limit of the next request. A page too large for the client is requested again with a smaller limit than
/// `largest`; from there the limit doubles with each page.
fn next_limit(limit: Option<u32>, largest: u32) -> u32 {
    limit.map_or(largest, |limit| limit.saturating_mul(2).min(largest))
}

/// The number in a record's member, whether it is written as a number or as text.
fn number(record: Record<'_>, member: &str) -> Option<i64> {
    crate::json::unquoted(record.member(member)?).parse().ok()
}

#[cfg(test)]
mod tests;
