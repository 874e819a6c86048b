//! One stretch of an export's time axis, read page after page.

use std::collections::HashSet;

use super::dedup::{Dedup, Hashes, Key};
use super::next_limit;
use crate::error::{Error, Kind};
use crate::position::{self, Nanos, Position, Unit};
use crate::source::page::{self, Page};
use crate::source::streams::{EXPORT_LIMIT, Stream};
use crate::wire::Request;

/// PROGRESS: a page of so many records may be all that a server gives at once, whatever was asked for.
pub const MAYBE_FULL: usize = 100;

/// STOP: so many empty pages in a row, each of which names a later end, are no longer followed: a service that goes on in
/// steps of a second would be asked for ever.
const MOST_EMPTY: u32 = 1_000;

/// WINDOW: [from, to) of an export, and how far it is read.
#[derive(Debug)]
pub struct Window {
    /// What tells it from the others of its walk.
    pub number: u32,
    /// Where it begins.
    pub from: Nanos,
    /// Where it ends.
    pub to: Nanos,
    /// What is done with it.
    pub stage: Stage,
    unit: Unit,
    early: Nanos,
    /// What is asked for next.
    position: Position,
    /// ORDER: how far it has been delivered. What is asked for lies before it where a page asked one unit early named an id
    /// there, and beyond it where empty pages led on.
    reached: Position,
    /// SEAM: the positions with an id that were named since the window last came further in time.
    visited: HashSet<(Nanos, String)>,
    dedup: Dedup,
    limit: u32,
    stride: Option<Nanos>,
    /// PROGRESS: whether the last page led on by nothing but the name of a record.
    led_by_name: bool,
    /// How many records the last page held, as far as the service decided that.
    last_page: usize,
    /// How many empty pages came in a row.
    empty: u32,
}

/// What a window knows from the walk that it belongs to.
pub struct Known<'a> {
    /// The stream that is read.
    pub stream: &'a Stream,
    /// How records are told apart.
    pub hashes: &'a Hashes,
    /// WINDOW: no page can end later than that.
    pub latest: Nanos,
    /// PROGRESS: the most records of a page that others followed.
    pub largest: Option<usize>,
}

/// What is done with a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing of it was asked for yet.
    New,
    /// Its next page can be asked for.
    Ready,
    /// A page of it is under way.
    Asked,
    /// Nothing more is asked of it, though it was not read to its end.
    Left,
}

/// What of a page is passed on, and whether the window was read to its end with it.
#[derive(Debug)]
pub struct Judged {
    /// For each record whether it is passed on.
    pub keep: Vec<bool>,
    /// When each was changed.
    pub cursors: Vec<Option<Nanos>>,
    /// PROGRESS: how many records the page before held, if this one shows that it was cut off there by the service.
    pub cut_at: Option<usize>,
    /// STOP: from where on an empty page showed nothing, if it is followed.
    pub nothing_after: Option<Nanos>,
    /// WINDOW: whether the page reached the window's end.
    pub reached: bool,
}

impl Window {
    /// The window from a position to a moment.
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

    /// SEAM: the time that is asked for. Without an id it is one unit earlier, so that neither an inclusive nor an exclusive bound loses a record.
    pub fn asked(&self) -> Nanos {
        if self.position.id().is_some() {
            return self.position.nanos();
        }
        self.unit.floor(self.position.nanos() - self.unit.nanos()).max(0)
    }

    /// The request that goes on from here.
    pub fn request(&self, path: &str, records: &str, expand: bool) -> Request {
        let id = self.position.id();
        let time = if id.is_some() { self.position.time().to_owned() } else { self.unit.text(self.asked()) };
        Request { path: path.to_owned(), query: page::export_query(records, expand, time, id), limit: Some(self.limit) }
    }

    /// Up to where it has been delivered.
    pub fn delivered(&self) -> Position {
        self.reached.clone()
    }

    /// How much of it is left.
    pub fn length_left(&self) -> Nanos {
        (self.to - self.furthest()).max(0)
    }

    /// Up to where the service has shown what there is.
    fn furthest(&self) -> Nanos {
        self.position.nanos().max(self.reached.nanos())
    }

    /// How many pages it may yet take, judged by how far the last ones led.
    pub fn pages_left(&self) -> Option<i64> {
        i64::try_from(self.length_left() / self.stride?).ok()
    }

    /// A moment that lies about so many pages ahead, if there is one of which not even the unit before was read.
    pub fn moment_ahead(&self, pages: i64) -> Option<Nanos> {
        // The last page before it should not end just behind it.
        let length = self.stride? * Nanos::from(4 * pages - 1) / 4;
        let moment = self.unit.floor(self.furthest() + length);
        let unread = self.furthest() + self.unit.nanos();
        (unread < moment && moment < self.to).then_some(moment)
    }

    /// Cuts off what lies behind a border, for another window.
    pub fn cut(&mut self, number: u32, border: Nanos) -> Self {
        let rest = Self::new(number, Position::at(border, self.unit), self.to, self.unit);
        self.to = border;
        Self { stride: self.stride, limit: self.limit, ..rest }
    }

    /// Judges a page by all the rules, asked for with `limit` in the end.
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
        // WINDOW: a page that reaches the end of the window is cut there; the rest is left to the next one.
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
            // A record that comes again with another content is passed on, though it is no progress.
            let repeated = trace.is_some_and(|trace| trace.is_unchanged(known.hashes, record));
            keep.push(!repeated && !cursor.is_some_and(outside));
        }
        // One that was asked a unit early may step back to what a shorter page passed over: that page was not cut.
        let named = self.position.id().is_some();
        let leads = next.nanos() >= self.reached.nanos() || named;
        let cut_at = Some(self.last_page).filter(|&records| unseen && leads && records > 0);
        let whole = limit.is_some_and(|limit| page.len() >= limit as usize);
        let largest = known.largest.max(cut_at);
        let full = whole || page.len() >= MAYBE_FULL || largest.is_some_and(|largest| page.len() >= largest);
        // A page that is as large as was asked for says nothing of what the service gives at once.
        self.last_page = if whole { 0 } else { page.len() };
        let before = self.reached.nanos();
        let ended = reached || !self.go_on(&next, new, full, page.len())?;
        let further = self.reached.nanos() > before;
        if named && self.position.id().is_none() {
            // What comes next is asked from further back: what it brings beside this page was not cut off from it.
            self.last_page = 0;
        }
        self.learn(next.nanos() - before, page.len());
        if ended {
            self.stage = Stage::Left;
        } else {
            // Without an id any record of the page may come again: their own time need not be what the export is ordered by.
            let (asked, goes_on_by_id) = (self.asked(), self.position.id().is_some());
            let repeatable = |index: usize| !goes_on_by_id || cursors[index].is_none_or(|cursor| cursor >= asked);
            self.dedup.keep(known.hashes, &keys, page, (self.reached.nanos(), further), repeatable);
            self.dedup.forget_before(asked);
        }
        Ok(Judged { keep, cursors, cut_at, nothing_after: None, reached })
    }

    /// WINDOW: an end that is yet to come is no end, but for example a number of another unit: it reached nothing.
    fn require_past(&self, next: Option<&Position>, latest: Nanos) -> Result<(), Error> {
        let Some(next) = next.filter(|next| next.nanos() > latest) else { return Ok(()) };
        let problem = format!("a page ends at {}, which is later than the service's own clock", next.time());
        Err(Error::new(Kind::Paging, format!("{problem} ({})", self.place())))
    }

    /// STOP: an empty page is the end, unless it leads on: then it is followed, and tells from where on it showed nothing.
    /// It never moves the frontier, which would claim what the service may yet come to show; the next page that holds
    /// records does.
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

    /// SEAM: where the page says that it ends; LOUD: failing that, its last cursor; failing both, an error.
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

    /// PROGRESS: takes up the next position if it leads on, and tells whether the window goes on. `new` says whether the
    /// page holds what has not come since the window last came further in time, so there is an end to it.
    ///
    /// Whether a page of fewer than a hundred records is full can be told only by one that others followed. Where the very
    /// first page comes again whole, a service that gives no more at once looks like one that has no more: that is taken
    /// for the end, as it is in every account with a single record.
    fn go_on(&mut self, next: &Position, new: bool, full: bool, records: usize) -> Result<bool, Error> {
        let further = next.nanos() > self.reached.nanos();
        // A page that is cut elsewhere than before may name for the first time where the last one ended: once that leads on.
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
        // SEAM: an id may be named on some pages only. One that is known of a moment is kept, so that ids which come and go
        // lead nowhere twice. What was asked one unit earlier may end before what is reached; only an id leads on from there.
        if next.nanos() >= self.reached.nanos() && (further || self.reached.id().is_some()) {
            self.position = self.reached.clone();
        } else if !visited
            && (next.id().is_some() || (self.position.nanos()..self.reached.nanos()).contains(&next.nanos()))
        {
            self.position = next.clone();
        }
        Ok(true)
    }

    /// Takes note of how far a page led: half of what is known is what the last one told.
    fn learn(&mut self, length: Nanos, records: usize) {
        // What a short page says is that there is nothing more yet.
        let length = if records < MAYBE_FULL { self.length_left() } else { length };
        let stride = self.stride.map_or(length, |stride| stride.midpoint(length));
        self.stride = Some(stride.max(self.unit.nanos()));
    }

    /// WINDOW: what comes only because a first start was asked for one unit early. Behind a position of an earlier run it is
    /// passed on: that run had it only if the export is ordered by the record's own time, and that is not known.
    fn before_window(&self, cursor: Nanos) -> bool {
        (self.early..self.from).contains(&cursor)
    }

    fn place(&self) -> String {
        let id = self.position.id().map(|id| format!(", start_id {id}")).unwrap_or_default();
        format!("after {}, start_time {}{id}", position::readable(self.position.nanos()), self.position.time())
    }
}
