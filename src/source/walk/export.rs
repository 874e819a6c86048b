//! The walk over an incremental export: windows on its time axis that are read side by side.
//!
//! A walk begins with one window, or with those that its saved state left open. When one more request can be sent, the
//! largest window is divided if it has pages to spare. So a short read stays one sequence of pages, and a long one is
//! spread over as many windows as the quota allows.

use std::collections::{HashMap, HashSet};

use super::dedup::{Hashes, Print};
use super::window::{Known, Stage, Window};
use super::{Bounds, Verdict};
use crate::error::Error;
use crate::position::{Axis, Frontier, Nanos, Position, Span, Unit};
use crate::source::page::{Late, Page};
use crate::source::streams::Stream;
use crate::wire::Request;

/// How many pages are read one after the other before a window is divided. A run that finds only a page or two costs no
/// additional request.
const PAGES_ALONE: u64 = 3;

/// A window is divided only if it has at least this many pages left, counting the one in flight.
const WORTH_DIVIDING: i64 = 3;

/// The read of one export.
#[derive(Debug)]
pub(super) struct Export {
    unit: Unit,
    from: Nanos,
    to: Nanos,
    /// The windows that are not read to their end, in order of time.
    pub(super) windows: Vec<Window>,
    /// For each border between two windows: the records passed on from the unit just before it.
    pub(super) borders: HashMap<Nanos, HashSet<Print>>,
    hashes: Hashes,
    delivered: Option<(Position, Vec<Span>)>,
    /// LOOKBACK: the point that an earlier run had reached. What is read again before it is recorded only as the
    /// position of a single window.
    again_to: Nanos,
    pages: u64,
    numbers: u32,
    /// WINDOW: no page can end later than this.
    latest: Nanos,
    /// PROGRESS: the most records in a page that others followed, although it held fewer than requested. This may be
    /// the service's own cap.
    largest: Option<usize>,
    /// Whether a window could not be read: windows that have begun are read on, no other is begun.
    broken: bool,
}

impl Export {
    /// A walk from the start, or from the delivered frontier. LOOKBACK: from some time before the frontier, if records
    /// appear late.
    pub fn new(unit: Unit, late: Late, bounds: &Bounds, delivered: Option<(Position, Vec<Span>)>) -> Self {
        let lookback = bounds.lookback_of(late);
        let earlier = |position: &Position| {
            let earlier = (position.nanos() - lookback.unwrap_or(0)).max(bounds.start);
            if earlier < position.nanos() { Position::at(earlier, unit) } else { position.clone() }
        };
        let start =
            delivered.as_ref().map_or_else(|| Position::at(bounds.start, unit), |(position, _)| earlier(position));
        let to = bounds.end.map_or(Nanos::MAX, |end| unit.floor(end));
        let mut export = Self {
            unit,
            from: start.nanos(),
            to,
            windows: Vec::new(),
            borders: HashMap::new(),
            hashes: Hashes::default(),
            delivered,
            again_to: Nanos::MIN,
            pages: 0,
            numbers: 0,
            latest: Nanos::MAX,
            largest: None,
            broken: false,
        };
        let Some((position, spans)) = export.delivered.clone() else {
            let window = export.window(start, to);
            export.windows.push(if late == Late::Spans { window } else { window.beginning_there() });
            return export;
        };
        // LOOKBACK: the latest point that was read is the end of the last span. Spans are complete only up to
        // `horizon`.
        let ends = spans.iter().map(|span| &span.end).chain([&position]);
        let last = ends.max_by_key(|end| end.nanos()).unwrap_or(&position).clone();
        let horizon = earlier(&last).nanos();
        if lookback.is_some() {
            export.again_to = last.nanos();
        }
        let mut at = start;
        for span in spans {
            let end = if span.end.nanos() > horizon { Position::at(horizon, unit) } else { span.end };
            if !end.is_beyond(&at) || end.nanos() < span.start.nanos() {
                continue;
            }
            if at.nanos() < span.start.nanos() {
                let window = export.window(at, span.start.nanos());
                export.windows.push(window);
            }
            at = end;
        }
        let window = export.window(at, to);
        export.windows.push(window);
        export
    }

    /// Ends the walk at the cutoff at the latest.
    pub fn cut_at(&mut self, cutoff: Nanos) {
        self.to = self.to.min(self.unit.floor(cutoff));
        self.windows.retain(|window| window.from < self.to);
        for window in &mut self.windows {
            window.to = window.to.min(self.to);
        }
    }

    /// WINDOW: sets the latest moment at which a page can end.
    pub fn set_latest(&mut self, latest: Nanos) {
        self.latest = latest;
    }

    /// How far the export is read on the time axis.
    pub fn axis(&self) -> Axis {
        let open = || self.windows.iter().filter(|window| window.stage != Stage::Left);
        let at = open().next().map_or(self.to, |window| window.delivered().nanos());
        Axis { at, left: open().map(Window::length_left).sum(), length: self.to - self.from }
    }

    /// The window whose page is requested next: one that has begun, or a new one if no request is in flight.
    pub fn next(&mut self) -> Option<u32> {
        let under_way = self.at_stage(Stage::Asked).is_some();
        let begins = || self.at_stage(Stage::New).filter(|_| !under_way && !self.broken);
        self.at_stage(Stage::Ready).or_else(begins)
    }

    /// Whether there is a window to request beside those in flight.
    pub fn can_ask_beside(&self) -> bool {
        self.open_beside().is_some() || self.division().is_some()
    }

    /// A window to request beside those in flight. It divides one if no other is open.
    pub fn beside(&mut self) -> Option<u32> {
        self.open_beside().or_else(|| self.divide())
    }

    /// A window to request beside those in flight, without dividing one.
    fn open_beside(&self) -> Option<u32> {
        // A new window waits for the run's first response, which fixes the cutoff where all windows end.
        let begins = !self.broken && self.pages > 0;
        self.at_stage(Stage::Ready).or_else(|| self.at_stage(Stage::New).filter(|_| begins))
    }

    /// The next request of a window.
    pub fn ask(&mut self, number: u32, path: &str, records: &str, expand: bool) -> Option<(Nanos, Request)> {
        let window = self.windows.iter_mut().find(|window| window.number == number)?;
        window.stage = Stage::Asked;
        Some((window.asked(), window.request(path, records, expand)))
    }

    /// CUTOFF: whether the refusal of a window's request means that there is nothing to read yet.
    pub fn excuses(&mut self, number: u32, latest: Nanos) -> bool {
        let excused =
            self.pages == 0 && self.windows.iter().any(|window| window.number == number && window.asked() > latest);
        if excused {
            self.give_up(number);
        }
        excused
    }

    /// Gives up a window: its rest is left to the next run.
    pub fn give_up(&mut self, number: u32) {
        self.broken = true;
        for window in self.windows.iter_mut().filter(|window| window.number == number) {
            window.stage = Stage::Left;
        }
    }

    /// Applies all rules to a page of a window.
    pub fn accept(&mut self, number: u32, stream: &Stream, limit: Option<u32>, page: &Page) -> Result<Verdict, Error> {
        self.pages += 1;
        let Some(index) = self.windows.iter().position(|window| window.number == number) else {
            // CUTOFF: the response that fixed the cutoff also removed this window, which begins at or after the cutoff.
            return Ok(Verdict { keep: vec![false; page.len()], ..Verdict::default() });
        };
        let known = Known { stream, hashes: &self.hashes, latest: self.latest, largest: self.largest };
        let judged = self.windows[index].accept(&known, limit, page)?;
        self.largest = self.largest.max(judged.cut_at);
        let without_cursor = judged.cursors.iter().filter(|cursor| cursor.is_none()).count();
        let mut keep = judged.keep;
        self.drop_border_duplicates(page, &judged.cursors, &mut keep);
        if judged.reached {
            self.windows.remove(index);
            self.forget_borders();
        }
        let frontier = if page.is_empty() { None } else { self.advance() };
        Ok(Verdict { keep, frontier, without_cursor, nothing_after: judged.nothing_after })
    }

    /// SEAM: a window that begins at a border is requested one unit earlier, so both sides may bring records of that
    /// unit.
    fn drop_border_duplicates(&mut self, page: &Page, cursors: &[Option<Nanos>], keep: &mut [bool]) {
        if self.borders.is_empty() {
            return;
        }
        for ((record, cursor), keep) in page.records().zip(cursors).zip(keep) {
            let border = cursor.map(|cursor| self.unit.floor(cursor) + self.unit.nanos());
            if let Some(passed_on) = border.filter(|_| *keep).and_then(|border| self.borders.get_mut(&border)) {
                *keep = passed_on.insert(self.hashes.print(record));
            }
        }
    }

    /// Forgets borders that no open window touches: records just before a border come only from the windows that meet
    /// there.
    fn forget_borders(&mut self) {
        let windows = &self.windows;
        self.borders.retain(|&border, _| windows.iter().any(|window| (window.from..=window.to).contains(&border)));
    }

    /// ORDER: the new frontier, if it moved. It never moves backwards.
    fn advance(&mut self) -> Option<Frontier> {
        let end = || Position::at(self.to, self.unit);
        let mut position = self.windows.first().map_or_else(end, Window::delivered);
        let next = self.windows.iter().skip(1).map(Window::delivered).chain([end()]);
        let read = self.windows.iter().zip(next);
        let mut beyond: Vec<Span> =
            read.map(|(window, end)| Span { start: Position::at(window.to, self.unit), end }).collect();
        if let Some((delivered, before)) = &self.delivered {
            if !position.is_beyond(delivered) {
                position.clone_from(delivered);
            }
            beyond.extend_from_slice(before);
        }
        let now = (position.clone(), joined(beyond, &position));
        if self.delivered.as_ref() == Some(&now) {
            return None;
        }
        self.delivered = Some(now.clone());
        Some(Frontier::Position(now.0, now.1))
    }

    /// The window with the most pages left, if it is worth dividing, and the border at which to divide it.
    fn division(&self) -> Option<(usize, Nanos)> {
        if self.broken || self.pages < PAGES_ALONE {
            return None;
        }
        let divisible = |window: &Window| window.stage == Stage::Asked && window.delivered().nanos() >= self.again_to;
        let going_on = self.windows.iter().enumerate().filter(|(_, window)| divisible(window));
        let sized = going_on.filter_map(|(index, window)| Some((window.pages_left()?, index)));
        let (pages, index) = sized.max().filter(|&(pages, _)| pages >= WORTH_DIVIDING)?;
        Some((index, self.windows[index].moment_ahead(pages / 2 + pages % 2)?))
    }

    /// Divides the largest window: the second half of its rest becomes a new window.
    fn divide(&mut self) -> Option<u32> {
        let (index, border) = self.division()?;
        let rest = self.windows[index].cut(self.numbers, border);
        self.numbers += 1;
        self.borders.insert(border, HashSet::new());
        let number = rest.number;
        self.windows.insert(index + 1, rest);
        Some(number)
    }

    /// STOP: the moment from which the service showed nothing, although it showed later records. If no later window
    /// brought any records either, this is no gap: there are no more records.
    pub fn gap(&self) -> Option<Nanos> {
        let mut left = self.windows.iter().filter(|window| window.stage == Stage::Left);
        let first = left.next().filter(|_| !self.broken)?;
        let mut to = first.to;
        // Windows that were read to their end are no longer in the list. So a hole after `to` means that later records
        // came.
        let is_followed = left.any(|later| {
            let shows_more = later.from > to || later.delivered().nanos() > later.from;
            to = later.to;
            shows_more
        });
        (is_followed || to < self.to).then(|| first.delivered().nanos())
    }

    /// The moment where the walk ends.
    pub fn end(&self) -> Nanos {
        self.to
    }

    /// How many windows there were.
    pub fn windows(&self) -> u32 {
        self.numbers
    }

    /// A new window with the next free number.
    fn window(&mut self, position: Position, to: Nanos) -> Window {
        self.numbers += 1;
        Window::new(self.numbers - 1, position, to, self.unit)
    }

    fn at_stage(&self, stage: Stage) -> Option<u32> {
        self.windows.iter().find(|window| window.stage == stage).map(|window| window.number)
    }
}

/// The spans that end beyond a position, in order of time, joined where they meet.
fn joined(mut spans: Vec<Span>, position: &Position) -> Vec<Span> {
    spans.retain(|span| span.end.is_beyond(&span.start) && span.end.nanos() > position.nanos());
    spans.sort_by_key(|span| span.start.nanos());
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut().filter(|last| span.start.nanos() <= last.end.nanos()) {
            Some(last) if span.end.nanos() > last.end.nanos() => last.end = span.end,
            Some(_) => {}
            None => joined.push(span),
        }
    }
    joined
}
