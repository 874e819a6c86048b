//! One stretch of an export's time axis, read page after page.

use super::next_limit;
use super::seam::{Hashes, Key, Seam};
use crate::client::Request;
use crate::error::{Error, Kind};
use crate::page::{self, Page, Record};
use crate::position::{self, Nanos, Position, Unit};
use crate::streams::{EXPORT_LIMIT, Output};

/// PROGRESS: a page of so many records may be all that a server gives at once, whatever was asked for.
pub const MAYBE_FULL: usize = 100;

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
    position: Position,
    seam: Seam,
    limit: u32,
    stride: Option<Nanos>,
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
pub struct Verdict {
    /// For each record whether it is passed on.
    pub keep: Vec<bool>,
    /// When each was changed.
    pub cursors: Vec<Option<Nanos>>,
    /// WINDOW: whether the page reached the window's end.
    pub reached: bool,
}

impl Window {
    /// The window from a position to a moment.
    pub fn new(number: u32, position: Position, to: Nanos, unit: Unit) -> Self {
        let from = position.nanos();
        let (stage, limit, seam) = (Stage::New, EXPORT_LIMIT, Seam::default());
        Self { number, from, to, stage, unit, early: from, position, seam, limit, stride: None }
    }

    /// WINDOW: leaves out what comes only because its start is asked for one unit early.
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
        if self.position.nanos() < self.from { Position::at(self.from, self.unit) } else { self.position.clone() }
    }

    /// How much of it is left.
    pub fn length_left(&self) -> Nanos {
        (self.to - self.position.nanos()).max(0)
    }

    /// How many pages it may yet take, judged by how far the last ones led.
    pub fn pages_left(&self) -> Option<i64> {
        i64::try_from(self.length_left() / self.stride?).ok()
    }

    /// A moment that lies about so many pages ahead, if there is one of which not even the unit before was read.
    pub fn moment_ahead(&self, pages: i64) -> Option<Nanos> {
        // The last page before it should not end just behind it.
        let length = self.stride? * Nanos::from(4 * pages - 1) / 4;
        let moment = self.unit.floor(self.position.nanos() + length);
        let unread = self.from.max(self.position.nanos()) + self.unit.nanos();
        (unread < moment && moment < self.to).then_some(moment)
    }

    /// Cuts off what lies behind a border, for another window.
    pub fn cut(&mut self, number: u32, border: Nanos) -> Self {
        let rest = Self::new(number, Position::at(border, self.unit), self.to, self.unit);
        self.to = border;
        Self { stride: self.stride, limit: self.limit, ..rest }
    }

    /// Judges a page by all the rules, asked for with `limit` in the end.
    pub fn accept(
        &mut self,
        output: &Output,
        hashes: &Hashes,
        limit: Option<u32>,
        page: &Page,
    ) -> Result<Verdict, Error> {
        self.stage = Stage::Ready;
        self.limit = next_limit(limit, EXPORT_LIMIT);
        let cursors: Vec<Option<Nanos>> = page.records().map(|record| cursor_of(record, output.cursor)).collect();
        // STOP: an empty page is the end, and it never moves the frontier.
        if page.is_empty() {
            self.stage = Stage::Left;
            return Ok(Verdict { keep: Vec::new(), cursors, reached: false });
        }
        let next = self.next_position(page, &cursors)?;
        // WINDOW: a page that reaches the end of the window is cut there; the rest is left to the next one.
        let reached = next.nanos() >= self.to;
        let outside = |cursor: Nanos| (reached && cursor >= self.to) || self.before_window(cursor);
        let key = |(record, &cursor)| hashes.key(output, record, cursor);
        let keys: Vec<Key> = page.records().zip(&cursors).map(key).collect();
        let mut unseen = false;
        let mut keep = Vec::with_capacity(page.len());
        for ((record, &cursor), &key) in page.records().zip(&cursors).zip(&keys) {
            let known = self.seam.knows(key);
            unseen |= !known;
            // A record that comes again with another content is passed on, though it is no progress.
            let repeated = known && self.seam.holds(hashes.print(record));
            keep.push(!repeated && !cursor.is_some_and(outside));
        }
        let before = self.position.nanos();
        let ended = reached || !self.go_on(&next, unseen, limit, page.len())?;
        if self.position.nanos() > before {
            self.seam.forget();
        }
        self.learn(next.nanos() - before, page.len());
        if ended {
            self.stage = Stage::Left;
        } else {
            // Without an id any record of the page may come again: their own time need not be what the export is ordered by.
            let (asked, named) = (self.asked(), self.position.id().is_some());
            let repeatable = |index: usize| !named || cursors[index].is_none_or(|cursor| cursor >= asked);
            self.seam.keep(hashes, &keys, page, repeatable);
        }
        Ok(Verdict { keep, cursors, reached })
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

    /// PROGRESS: takes up the next position if it leads on, and tells whether the window goes on.
    fn go_on(&mut self, next: &Position, unseen: bool, limit: Option<u32>, records: usize) -> Result<bool, Error> {
        let forward = next.nanos() > self.position.nanos();
        if !forward && !unseen {
            let full = records >= MAYBE_FULL || limit.is_some_and(|limit| records >= limit as usize);
            if full {
                let problem = format!("a full page of {records} records repeats what was read and leads no further");
                return Err(Error::new(Kind::Paging, format!("{problem} ({})", self.place())));
            }
            return Ok(false);
        }
        // What was asked one unit earlier may end before the kept position; only an id leads on from there.
        if next.nanos() >= self.position.nanos() || next.id().is_some() {
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

/// The instant that a record's cursor names, be it ISO text or an epoch number.
fn cursor_of(record: Record<'_>, member: Option<&str>) -> Option<Nanos> {
    let text = page::unquoted(record.member(member?)?);
    position::iso(text).or_else(|| position::epoch(text))
}
