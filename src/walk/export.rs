//! The walk over an incremental export.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::{Terms, Verdict};
use crate::error::{Error, Kind};
use crate::page::{self, Page, Record};
use crate::position::{self, Frontier, Nanos, Position, Unit};
use crate::progress::Axis;
use crate::streams::Output;

/// PROGRESS: a page of so many records may be all that a server gives at once, whatever was asked for.
const MAYBE_FULL: usize = 100;

/// What tells a record from others, and from itself after a change.
type Key = (String, Option<Nanos>);

/// What the next page may repeat. It is kept as hashes: a moment that fills many pages takes no more than a few bytes a record.
#[derive(Debug, Default)]
struct Seam {
    /// The keys and cursors of all records since the position last moved forward in time.
    keys: HashSet<u64>,
    /// The last page's records that stand where it ends, with all that they hold.
    records: HashSet<(u64, u64)>,
    hashers: (RandomState, RandomState),
}

impl Seam {
    /// Whether a record of that key and cursor has come since the position last moved.
    fn knows(&self, key: &Key) -> bool {
        self.keys.contains(&self.hashers.0.hash_one(key))
    }

    /// Whether this very record stood at the end of the last page.
    fn holds(&self, record: Record<'_>) -> bool {
        self.records.contains(&self.print(record))
    }

    fn print(&self, record: Record<'_>) -> (u64, u64) {
        (self.hashers.0.hash_one(record.text()), self.hashers.1.hash_one(record.text()))
    }

    /// Forgets what lies behind a position that has moved forward.
    fn forget(&mut self) {
        self.keys.clear();
    }

    /// Keeps a page's keys, and of its records the last and those for which `repeatable` holds.
    fn keep(&mut self, keys: &[Key], page: &Page, repeatable: impl Fn(usize) -> bool) {
        self.keys.extend(keys.iter().map(|key| self.hashers.0.hash_one(key)));
        let last = page.len().saturating_sub(1);
        let kept = page.records().enumerate().filter(|&(index, _)| index == last || repeatable(index));
        self.records = kept.map(|(_, record)| self.print(record)).collect();
    }
}

/// Where an export is being read.
#[derive(Debug)]
pub(super) struct Export {
    unit: Unit,
    early: Nanos,
    from: Nanos,
    to: Nanos,
    position: Position,
    delivered: Option<Position>,
    seam: Seam,
}

impl Export {
    /// A walk from the start, or from what has been delivered; LOOKBACK: from some time before that, if records appear late.
    pub fn new(unit: Unit, late: bool, terms: &Terms, delivered: Option<Position>) -> Self {
        let start = Position::at(terms.start, unit);
        let position = match &delivered {
            None => start,
            Some(delivered) if late => {
                let earlier = (delivered.nanos() - terms.lookback).max(terms.start);
                if earlier < delivered.nanos() { Position::at(earlier, unit) } else { delivered.clone() }
            }
            Some(delivered) => delivered.clone(),
        };
        let to = terms.end.map_or(Nanos::MAX, |end| unit.floor(end));
        let from = position.nanos();
        let fresh = delivered.is_none();
        let mut export = Self { unit, early: from, from, to, position, delivered, seam: Seam::default() };
        if fresh && !late {
            export.early = export.asked();
        }
        export
    }

    /// Ends the window at the cutoff at the latest; false if nothing of it is left.
    pub fn settle(&mut self, cutoff: Nanos) -> bool {
        self.to = self.to.min(self.unit.floor(cutoff));
        self.from < self.to
    }

    /// Where it is on the time axis.
    pub fn axis(&self) -> Axis {
        Axis { from: self.from, at: self.position.nanos(), to: self.to }
    }

    /// SEAM: the time that is asked for. Without an id it is one unit earlier, so that neither an inclusive nor an exclusive bound loses a record.
    pub fn asked(&self) -> Nanos {
        if self.position.id().is_some() {
            return self.position.nanos();
        }
        self.unit.floor(self.position.nanos() - self.unit.nanos()).max(0)
    }

    /// The query that goes on from here.
    pub fn query(&self, records: &str, expand: bool) -> Vec<(&'static str, String)> {
        let time =
            if self.position.id().is_some() { self.position.time().to_owned() } else { self.unit.text(self.asked()) };
        page::export_query(records, expand, time, self.position.id())
    }

    /// Judges a page by all the rules.
    pub fn accept(&mut self, output: &Output, limit: Option<u32>, page: &Page) -> Result<Verdict, Error> {
        let cursors: Vec<Option<Nanos>> = page.records().map(|record| cursor_of(record, output.cursor)).collect();
        let without_cursor = cursors.iter().filter(|cursor| cursor.is_none()).count();
        // STOP: an empty page is the end, and it never moves the frontier.
        if page.is_empty() {
            return Ok(Verdict { keep: Vec::new(), frontier: None, without_cursor, ended: true });
        }
        let next = self.next_position(page, &cursors)?;
        // WINDOW: a page that reaches the end of the window is cut there; the rest is left to the next walk.
        let reached = next.nanos() >= self.to;
        let outside = |cursor: Nanos| (reached && cursor >= self.to) || self.before_window(cursor);
        let key = |(record, &cursor)| (output.key_text(record), cursor);
        let keys: Vec<Key> = page.records().zip(&cursors).map(key).collect();
        let mut unseen = false;
        let mut keep = Vec::with_capacity(page.len());
        for ((record, &cursor), key) in page.records().zip(&cursors).zip(&keys) {
            let known = self.seam.knows(key);
            unseen |= !known;
            // A record that comes again with another content is passed on, though it is no progress.
            let repeated = known && self.seam.holds(record);
            keep.push(!repeated && !cursor.is_some_and(outside));
        }
        let before = self.position.nanos();
        let ended = reached || !self.go_on(&next, unseen, limit, page.len())?;
        if self.position.nanos() > before {
            self.seam.forget();
        }
        if !ended {
            // Without an id any record of the page may come again: their own time need not be what the export is ordered by.
            let (asked, named) = (self.asked(), self.position.id().is_some());
            self.seam.keep(&keys, page, |index| !named || cursors[index].is_none_or(|cursor| cursor >= asked));
        }
        let frontier = self.advance(if reached { Position::at(self.to, self.unit) } else { next });
        Ok(Verdict { keep, frontier, without_cursor, ended })
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

    /// PROGRESS: takes up the next position if it leads on, and tells whether the walk goes on.
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

    /// ORDER: the frontier moves forward or not at all.
    fn advance(&mut self, next: Position) -> Option<Frontier> {
        let ahead = self.delivered.as_ref().is_none_or(|delivered| {
            next.nanos() > delivered.nanos()
                || (next.nanos() == delivered.nanos() && next.id().is_some() && next != *delivered)
        });
        if !ahead {
            return None;
        }
        self.delivered = Some(next.clone());
        Some(Frontier::Position(next))
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
