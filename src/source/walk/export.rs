//! The walk over an incremental export: windows on its time axis that are read side by side.
//!
//! It begins with one. A window that has pages to spare gives a part of itself to another whenever a request more could
//! be sent; so a short read stays one walk, page after page, and a long one is spread over as many as the quota bears.

use std::collections::{HashMap, HashSet};

use super::dedup::{Hashes, Print};
use super::window::{Known, Stage, Window};
use super::{Bounds, Verdict};
use crate::error::Error;
use crate::position::{Axis, Frontier, Nanos, Position, Span, Unit};
use crate::source::page::{Late, Page};
use crate::source::streams::Stream;
use crate::wire::Request;

/// So many pages are read one after the other before a window is divided: a run that finds a page or two, and then
/// none, costs no request more.
const PAGES_ALONE: u64 = 3;

/// A window with fewer pages to go, the one under way counted, is not divided.
const WORTH_DIVIDING: i64 = 3;

/// Where an export is being read.
#[derive(Debug)]
pub(super) struct Export {
    unit: Unit,
    from: Nanos,
    to: Nanos,
    /// What was not read to its end, in the order of time.
    pub(super) windows: Vec<Window>,
    /// Which records were passed on that stand just before a border between two windows.
    pub(super) borders: HashMap<Nanos, HashSet<Print>>,
    hashes: Hashes,
    delivered: Option<(Position, Vec<Span>)>,
    /// LOOKBACK: up to here an earlier run had come, and what was read again of that is known only as far as one window goes.
    again_to: Nanos,
    pages: u64,
    numbers: u32,
    /// WINDOW: no page of the service can end later than that.
    latest: Nanos,
    /// PROGRESS: the most records of a page that others followed: so many may be all that the service gives at once.
    largest: Option<usize>,
    /// Whether a window could not be read: what is under way goes on, nothing new is begun.
    broken: bool,
}

impl Export {
    /// A walk from the start, or from what has been delivered; LOOKBACK: from some time before that, if records appear late.
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
        // LOOKBACK: the last that was read is where the last span ends; what lies well before that is complete.
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

    /// WINDOW: takes note of the time: no page of the service can end later.
    pub fn set_latest(&mut self, latest: Nanos) {
        self.latest = latest;
    }

    /// Where it is on the time axis.
    pub fn axis(&self) -> Axis {
        let open = || self.windows.iter().filter(|window| window.stage != Stage::Left);
        let at = open().next().map_or(self.to, |window| window.delivered().nanos());
        Axis { at, left: open().map(Window::length_left).sum(), length: self.to - self.from }
    }

    /// The window that can be asked next, if one can: first those that were begun, and if none is under way, another.
    pub fn next(&mut self) -> Option<u32> {
        let under_way = self.at_stage(Stage::Asked).is_some();
        let begins = || self.at_stage(Stage::New).filter(|_| !under_way && !self.broken);
        self.at_stage(Stage::Ready).or_else(begins)
    }

    /// Whether there is more to ask beside what is under way.
    pub fn can_ask_beside(&self) -> bool {
        self.open_beside().is_some() || self.division().is_some()
    }

    /// A window that can be asked beside those that are under way.
    pub fn beside(&mut self) -> Option<u32> {
        self.open_beside().or_else(|| self.divide())
    }

    /// The same, without dividing one.
    fn open_beside(&self) -> Option<u32> {
        // The first answer of a run says where all windows end.
        let begins = !self.broken && self.pages > 0;
        self.at_stage(Stage::Ready).or_else(|| self.at_stage(Stage::New).filter(|_| begins))
    }

    /// The request that goes on with a window.
    pub fn ask(&mut self, number: u32, path: &str, records: &str, expand: bool) -> Option<Request> {
        let window = self.windows.iter_mut().find(|window| window.number == number)?;
        window.stage = Stage::Asked;
        Some(window.request(path, records, expand))
    }

    /// CUTOFF: whether a window's refused request means that nothing is to be read yet.
    pub fn excuses(&mut self, number: u32, latest: Nanos) -> bool {
        let excused =
            self.pages == 0 && self.windows.iter().any(|window| window.number == number && window.asked() > latest);
        if excused {
            self.give_up(number);
        }
        excused
    }

    /// Gives a window up: its part is left to the next run.
    pub fn give_up(&mut self, number: u32) {
        self.broken = true;
        for window in self.windows.iter_mut().filter(|window| window.number == number) {
            window.stage = Stage::Left;
        }
    }

    /// Judges a page of a window by all the rules.
    pub fn accept(&mut self, number: u32, stream: &Stream, limit: Option<u32>, page: &Page) -> Result<Verdict, Error> {
        self.pages += 1;
        let Some(index) = self.windows.iter().position(|window| window.number == number) else {
            // CUTOFF: the answer that told the time ended the window before it began.
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

    /// SEAM: a window that begins at a border is asked one unit earlier, so both sides may bring what stands there.
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

    /// What stands before a border comes from no other window than the two that meet there.
    fn forget_borders(&mut self) {
        let windows = &self.windows;
        self.borders.retain(|&border, _| windows.iter().any(|window| (window.from..=window.to).contains(&border)));
    }

    /// ORDER: the frontier, if it moved; it moves forward or not at all.
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

    /// Which window has most to go and is worth dividing, and where.
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

    /// Gives half of what the largest window has to go to a new one.
    fn divide(&mut self) -> Option<u32> {
        let (index, border) = self.division()?;
        let rest = self.windows[index].cut(self.numbers, border);
        self.numbers += 1;
        self.borders.insert(border, HashSet::new());
        let number = rest.number;
        self.windows.insert(index + 1, rest);
        Some(number)
    }

    /// STOP: from where on the service showed nothing, although it showed what lies later. Where no later part brought
    /// anything either, there is no more, however many windows that was asked in.
    pub fn gap(&self) -> Option<Nanos> {
        let mut left = self.windows.iter().filter(|window| window.stage == Stage::Left);
        let first = left.next().filter(|_| !self.broken)?;
        let mut to = first.to;
        // One that was read to its end is no longer among them.
        let is_followed = left.any(|later| {
            let shows_more = later.from > to || later.delivered().nanos() > later.from;
            to = later.to;
            shows_more
        });
        (is_followed || to < self.to).then(|| first.delivered().nanos())
    }

    /// Where it ends.
    pub fn end(&self) -> Nanos {
        self.to
    }

    /// How many windows there were.
    pub fn windows(&self) -> u32 {
        self.numbers
    }

    /// A window of a number of its own.
    fn window(&mut self, position: Position, to: Nanos) -> Window {
        self.numbers += 1;
        Window::new(self.numbers - 1, position, to, self.unit)
    }

    fn at_stage(&self, stage: Stage) -> Option<u32> {
        self.windows.iter().find(|window| window.stage == stage).map(|window| window.number)
    }
}

/// The spans as far as they lie beyond a position, in the order of time and joined where they meet.
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
