//! One stretch of an export's time axis, read page after page.

use std::collections::HashSet;

use super::dedup::{Dedup, Hashes, Key};
use super::next_limit;
use crate::error::{Error, Kind};
use crate::position::{self, Nanos, Position, Unit};
use crate::source::page::{self, Page};
use crate::source::streams::{EXPORT_LIMIT, Stream};
use crate::wire::Request;

/// PROGRESS: a page with this many records may be full, whatever limit was requested: the service may have its own cap.
pub const MAYBE_FULL: usize = 100;

/// STOP: how many empty pages in a row are followed, each of which names a later end. Without this bound, a service
/// that advances second by second would be requested for ever.
const MOST_EMPTY: u32 = 1_000;

/// WINDOW: the stretch [from, to) of an export, and how far it is read.
#[derive(Debug)]
pub struct Window {
    /// Its number, unique within its walk.
    pub number: u32,
    /// Where it begins, inclusive.
    pub from: Nanos,
    /// Where it ends, exclusive.
    pub to: Nanos,
    /// How far its read has come.
    pub stage: Stage,
    unit: Unit,
    early: Nanos,
    /// The position that is requested next.
    position: Position,
    /// ORDER: how far the window is delivered. `position` lies before it if a page that was requested one unit early
    /// named an id there, and beyond it if empty pages led on.
    reached: Position,
    /// SEAM: the positions with an id that were named since the window last moved forward in time.
    visited: HashSet<(Nanos, String)>,
    dedup: Dedup,
    limit: u32,
    stride: Option<Nanos>,
    /// PROGRESS: whether the last page held nothing new and did not move forward in time, but only named an id.
    led_by_name: bool,
    /// How many records the last page held; 0 if it says nothing about the service's own cap.
    last_page: usize,
    /// How many empty pages came in a row.
    empty: u32,
}

/// The data of the walk that its windows need.
pub struct Known<'a> {
    /// The stream that is read.
    pub stream: &'a Stream,
    /// Makes the hashes that identify records.
    pub hashes: &'a Hashes,
    /// WINDOW: no page can end later than this.
    pub latest: Nanos,
    /// PROGRESS: the most records in a page that others followed, although it held fewer than requested.
    pub largest: Option<usize>,
}

/// How far the read of a window has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// No page has been requested yet.
    New,
    /// Its next page can be requested.
    Ready,
    /// A request for a page is in flight.
    Asked,
    /// No more pages are requested, although it was not read to its end.
    Left,
}

/// Which records of a page are passed on, and whether the page reached the window's end.
#[derive(Debug)]
pub struct Judged {
    /// For each record whether it is passed on.
    pub keep: Vec<bool>,
    /// Each record's cursor; `None` if it is not readable.
    pub cursors: Vec<Option<Nanos>>,
    /// PROGRESS: how many records the previous page held, if this page shows that the service had cut that page short.
    pub cut_at: Option<usize>,
    /// STOP: if an empty page is followed, the moment from which it showed nothing.
    pub nothing_after: Option<Nanos>,
    /// WINDOW: whether the page reached the window's end.
    pub reached: bool,
}

impl Window {
    /// A window from a position to a moment.
    pub fn new(number: u32, position: Position, to: Nanos, unit: Unit) -> Self {
        let from = position.nanos();
        let visited = position.id().map(|id| (from, id.to_owned())).into_iter().collect();
        Self {
            number,
            from,
            to,
            stage: Stage::New,
            unit,
            early: from,
            reached: position.clone(),
            position,
            visited,
            dedup: Dedup::default(),
            limit: EXPORT_LIMIT,
            stride: None,
            led_by_name: false,
            last_page: 0,
            empty: 0,
        }
    }

    /// WINDOW: drops records before `from`. They arrive only because the first request starts one unit early.
    pub fn beginning_there(mut self) -> Self {
        self.early = self.asked();
        self
    }

    /// SEAM: the time to request. Without an id it is one unit earlier, so that neither an inclusive nor an exclusive
    /// bound loses a record.
    pub fn asked(&self) -> Nanos {
        if self.position.id().is_some() {
            return self.position.nanos();
        }
        self.unit.floor(self.position.nanos() - self.unit.nanos()).max(0)
    }

    /// The request for the next page.
    pub fn request(&self, path: &str, records: &str, expand: bool) -> Request {
        let id = self.position.id();
        let time = if id.is_some() { self.position.time().to_owned() } else { self.unit.text(self.asked()) };
        Request { path: path.to_owned(), query: page::export_query(records, expand, time, id), limit: Some(self.limit) }
    }

    /// How far the window is delivered.
    pub fn delivered(&self) -> Position {
        self.reached.clone()
    }

    /// The length of time that is left to read.
    pub fn length_left(&self) -> Nanos {
        (self.to - self.furthest()).max(0)
    }

    /// The furthest point that the service's pages have covered, including empty ones.
    fn furthest(&self) -> Nanos {
        self.position.nanos().max(self.reached.nanos())
    }

    /// An estimate of how many pages are left, from how far the recent pages advanced.
    pub fn pages_left(&self) -> Option<i64> {
        i64::try_from(self.length_left() / self.stride?).ok()
    }

    /// A border about `pages` pages ahead, provided that the whole unit before it is unread.
    pub fn moment_ahead(&self, pages: i64) -> Option<Nanos> {
        // The border lies a quarter of a page nearer, so that the last page before it passes it and does not end just
        // short of it.
        let length = self.stride? * Nanos::from(4 * pages - 1) / 4;
        let moment = self.unit.floor(self.furthest() + length);
        let unread = self.furthest() + self.unit.nanos();
        (unread < moment && moment < self.to).then_some(moment)
    }

    /// Splits off the part from `border` on as a new window.
    pub fn cut(&mut self, number: u32, border: Nanos) -> Self {
        let rest = Self::new(number, Position::at(border, self.unit), self.to, self.unit);
        self.to = border;
        Self { stride: self.stride, limit: self.limit, ..rest }
    }

    /// Applies all rules to a page. `limit` is the limit with which the page was finally requested.
    pub fn accept(&mut self, known: &Known<'_>, limit: Option<u32>, page: &Page) -> Result<Judged, Error> {
        self.stage = Stage::Ready;
        self.limit = next_limit(limit, EXPORT_LIMIT);
        self.require_past(page.next(), known.latest)?;
        if page.is_empty() {
            let nothing_after = self.pass_over(page.next())?;
            return Ok(Judged { keep: Vec::new(), cursors: Vec::new(), cut_at: None, nothing_after, reached: false });
        }
        self.empty = 0;
        let cursors: Vec<Option<Nanos>> = page.records().map(|record| record.time(known.stream.cursor?)).collect();
        let next = self.next_position(page, &cursors)?;
        // WINDOW: if a page reaches the window's end, its records at or beyond that end are left to the next window or
        // run.
        let reached = next.nanos() >= self.to;
        let outside = |cursor: Nanos| (reached && cursor >= self.to) || self.before_window(cursor);
        let key = |(record, &cursor)| known.hashes.key(known.stream, record, cursor);
        let keys: Vec<Key> = page.records().zip(&cursors).map(key).collect();
        let (mut unseen, mut new) = (false, false);
        let mut keep = Vec::with_capacity(page.len());
        for ((record, &cursor), &key) in page.records().zip(&cursors).zip(&keys) {
            let trace = self.dedup.trace(key);
            unseen |= trace.is_none();
            new |= self.dedup.is_new(trace);
            // A record that comes again with other content is passed on, though it is no progress.
            let repeated = trace.is_some_and(|trace| trace.is_unchanged(known.hashes, record));
            keep.push(!repeated && !cursor.is_some_and(outside));
        }
        // A page requested one unit early may end before `reached`, with records that a shorter page did not have. This
        // does not show that the shorter page was cut short.
        let named = self.position.id().is_some();
        let leads = next.nanos() >= self.reached.nanos() || named;
        let cut_at = Some(self.last_page).filter(|&records| unseen && leads && records > 0);
        let whole = limit.is_some_and(|limit| page.len() >= limit as usize);
        let largest = known.largest.max(cut_at);
        let full = whole || page.len() >= MAYBE_FULL || largest.is_some_and(|largest| page.len() >= largest);
        // A page as large as its limit says nothing about the service's own cap.
        self.last_page = if whole { 0 } else { page.len() };
        let before = self.reached.nanos();
        let ended = reached || !self.go_on(&next, new, full, page.len())?;
        let further = self.reached.nanos() > before;
        if named && self.position.id().is_none() {
            // The next request starts further back, so new records in its page do not show that this page was cut
            // short.
            self.last_page = 0;
        }
        self.learn(next.nanos() - before, page.len());
        if ended {
            self.stage = Stage::Left;
        } else {
            // Without an id, any record of the page may come again: the export need not be ordered by the records' own
            // time.
            let (asked, goes_on_by_id) = (self.asked(), self.position.id().is_some());
            let repeatable = |index: usize| !goes_on_by_id || cursors[index].is_none_or(|cursor| cursor >= asked);
            self.dedup.keep(known.hashes, &keys, page, (self.reached.nanos(), further), repeatable);
            self.dedup.forget_before(asked);
        }
        Ok(Judged { keep, cursors, cut_at, nothing_after: None, reached })
    }

    /// WINDOW: a page whose end is later than the service's clock is an error. Such an end is not real, but for example
    /// a number in another unit.
    fn require_past(&self, next: Option<&Position>, latest: Nanos) -> Result<(), Error> {
        let Some(next) = next.filter(|next| next.nanos() > latest) else { return Ok(()) };
        let problem = format!("a page ends at {}, which is later than the service's own clock", next.time());
        Err(Error::new(Kind::Paging, format!("{problem} ({})", self.place())))
    }

    /// STOP: an empty page is the end, unless it names a later end before `to`. Then it is followed, and the result is
    /// the moment from which it showed nothing. An empty page never moves the frontier, because the service may still
    /// come to show records there. The next page with records moves it.
    fn pass_over(&mut self, next: Option<&Position>) -> Result<Option<Nanos>, Error> {
        let from = self.furthest();
        let Some(next) = next.filter(|next| next.nanos() > from && next.nanos() < self.to) else {
            self.stage = Stage::Left;
            return Ok(None);
        };
        self.empty += 1;
        if self.empty > MOST_EMPTY {
            let problem = format!("{MOST_EMPTY} empty pages in a row led on, and so did the next");
            return Err(Error::new(Kind::Paging, format!("{problem} ({})", self.place())));
        }
        self.position = next.clone();
        Ok(Some(from))
    }

    /// SEAM: the position that the page names as its end. LOUD: without one, the page's latest cursor; without any, an
    /// error.
    fn next_position(&self, page: &Page, cursors: &[Option<Nanos>]) -> Result<Position, Error> {
        let last = || cursors.iter().flatten().max().map(|&at| Position::at(at, self.unit));
        let Some(next) = page.next().cloned().or_else(last) else {
            let problem = "a page says neither where it ends nor when its records were changed";
            return Err(Error::new(Kind::Paging, format!("{problem} ({})", self.place())));
        };
        if next.nanos() < self.asked() {
            let problem = format!("a page ends at {}, before what was asked for", next.time());
            return Err(Error::new(Kind::Disorder, format!("{problem} ({})", self.place())));
        }
        Ok(next)
    }

    /// PROGRESS: moves to the next position if that is progress, and returns whether the window goes on. `new` says
    /// whether the page holds a record that has not come since the window last moved forward in time. Such records run
    /// out, so the window cannot go on for ever.
    ///
    /// Whether a page of fewer than a hundred records is full can be judged only by an earlier page that others
    /// followed. If the very first page comes again whole, a service with so low a cap looks exactly like one that has
    /// no more records. This is taken for the end: every account with a single record looks like that.
    fn go_on(&mut self, next: &Position, new: bool, full: bool, records: usize) -> Result<bool, Error> {
        let further = next.nanos() > self.reached.nanos();
        // A page that is cut at another place than before may be the first to name an id at the moment already reached.
        // This counts as progress, but not twice in a row.
        let named_first = next.id().is_some() && next.is_beyond(&self.reached) && !self.led_by_name;
        self.led_by_name = !further && !new;
        if !further && !new && !named_first {
            if full {
                let problem = format!("a full page of {records} records repeats what was read and leads no further");
                return Err(Error::new(Kind::Paging, format!("{problem} ({})", self.place())));
            }
            return Ok(false);
        }
        if further {
            self.visited.clear();
        }
        let visited = next.id().is_some_and(|id| !self.visited.insert((next.nanos(), id.to_owned())));
        if next.is_beyond(&self.reached) && !visited {
            self.reached = next.clone();
        }
        // SEAM: the service may name ids on some pages only. A known id at a moment is kept, so that ids which come and
        // go never lead to the same place twice. A page that was requested one unit early may end before `reached`.
        // From there the window goes on only at a new id, or at an end that is not before `position`.
        if next.nanos() >= self.reached.nanos() && (further || self.reached.id().is_some()) {
            self.position = self.reached.clone();
        } else if !visited
            && (next.id().is_some() || (self.position.nanos()..self.reached.nanos()).contains(&next.nanos()))
        {
            self.position = next.clone();
        }
        Ok(true)
    }

    /// Updates the estimate of how far a page advances: the last page counts for half of it.
    fn learn(&mut self, length: Nanos, records: usize) {
        // A short page suggests that there are no more records yet, so one page may cover the rest.
        let length = if records < MAYBE_FULL { self.length_left() } else { length };
        let stride = self.stride.map_or(length, |stride| stride.midpoint(length));
        self.stride = Some(stride.max(self.unit.nanos()));
    }

    /// WINDOW: whether a record came only because the first request of a stream goes one unit early. After a saved
    /// position such records are passed on: the earlier run had them only if the export is ordered by the record's own
    /// time, and that is not known.
    fn before_window(&self, cursor: Nanos) -> bool {
        (self.early..self.from).contains(&cursor)
    }

    fn place(&self) -> String {
        let id = self.position.id().map(|id| format!(", start_id {id}")).unwrap_or_default();
        format!("after {}, start_time {}{id}", position::readable(self.position.nanos()), self.position.time())
    }
}
