//! What the five exports have in common: records that appear over time, served in the order of (cursor, id).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;

use super::pace::SECOND;
use super::pen::Pen;

/// One record's place in an export.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The cursor in microseconds, cut to the resolution of the export.
    pub stamp: i64,
    /// The id as text, which orders records with the same stamp.
    pub id: String,
    /// The record's number.
    pub record: i64,
}

/// The records of one export, each a function of the seed and of its own number.
pub trait Series: Send + Sync {
    /// The resolution of the cursor in microseconds.
    fn resolution(&self) -> i64;

    /// When the event in `slot` happens; moments never decrease from slot to slot.
    fn moment(&self, slot: i64) -> i64;

    /// A slot at or shortly before the first slot whose moment is `moment` or later.
    fn slot_near(&self, moment: i64) -> i64;

    /// The record that occupies `slot` at `now`, if any.
    fn entry(&self, slot: i64, now: i64) -> Option<Entry>;

    /// The stamp that records outside their slots share at `now`, after an edit of many records in one second.
    fn gathering(&self, _now: i64) -> Option<i64> {
        None
    }

    /// The records with that shared stamp.
    fn gathered(&self, _now: i64) -> Vec<Entry> {
        Vec::new()
    }

    /// When the event that record `record` describes ended, as known at `now`.
    fn ended(&self, record: i64, _now: i64) -> i64 {
        self.born(record)
    }

    /// The earliest moment at which record `record` can be visible; it never decreases from record to record.
    fn born(&self, record: i64) -> i64;

    /// How long after [`Self::born`] a record may stay invisible, in microseconds.
    fn longest_wait(&self) -> i64;

    /// Whether record `record` is visible at `now`.
    fn stands(&self, record: i64, now: i64) -> bool;

    /// Writes record `record` as it is at `now`.
    fn write(&self, record: i64, now: i64, pen: &mut Pen);
}

/// A moment cut to a resolution.
fn stamp(moment: i64, resolution: i64) -> i64 {
    moment - moment.rem_euclid(resolution)
}

/// The entries of a series from a stamp on, in the order of (stamp, id).
pub struct Entries<'a> {
    series: &'a dyn Series,
    now: i64,
    slot: i64,
    gathering: Option<i64>,
    group: std::vec::IntoIter<Entry>,
}

impl<'a> Entries<'a> {
    /// Every record visible at `now` with a stamp of `from` or later.
    pub fn new(series: &'a dyn Series, from: i64, now: i64) -> Self {
        let mut slot = series.slot_near(from.min(now));
        while series.moment(slot) < from && series.moment(slot) <= now {
            slot += 1;
        }
        let gathering = series.gathering(now).filter(|stamp| *stamp >= from);
        Self { series, now, slot, gathering, group: Vec::new().into_iter() }
    }

    /// The records with the next stamp, in the order of their ids.
    fn next_group(&mut self) -> Option<Vec<Entry>> {
        let resolution = self.series.resolution();
        let moment = self.series.moment(self.slot);
        let upcoming = (moment <= self.now).then(|| stamp(moment, resolution));
        let next = [upcoming, self.gathering].into_iter().flatten().min()?;
        let mut group = Vec::new();
        if self.gathering == Some(next) {
            group = self.series.gathered(self.now);
            self.gathering = None;
        }
        loop {
            let moment = self.series.moment(self.slot);
            if moment > self.now || stamp(moment, resolution) != next {
                break;
            }
            group.extend(self.series.entry(self.slot, self.now));
            self.slot += 1;
        }
        group.sort_unstable();
        Some(group)
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.group.next() {
                return Some(entry);
            }
            self.group = self.next_group()?.into_iter();
        }
    }
}

/// The entries of a series from a stamp on, in the order in which the events they describe ended.
pub struct ByEnd<'a> {
    series: &'a dyn Series,
    from: i64,
    now: i64,
    begun: Peekable<Entries<'a>>,
    ending: BinaryHeap<Reverse<Entry>>,
}

impl<'a> ByEnd<'a> {
    /// Every record visible at `now` whose event ended at `from` or later.
    pub fn new(series: &'a dyn Series, from: i64, now: i64) -> Self {
        let begun = Entries::new(series, from - series.longest_wait(), now).peekable();
        Self { series, from, now, begun, ending: BinaryHeap::new() }
    }
}

impl Iterator for ByEnd<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            // An event that begins after the earliest end cannot end before it.
            let first_end = self.ending.peek().map(|Reverse(entry)| entry.stamp);
            match self.begun.next_if(|entry| first_end.is_none_or(|end| entry.stamp <= end)) {
                Some(entry) => {
                    let stamp = self.series.ended(entry.record, self.now);
                    if stamp >= self.from {
                        self.ending.push(Reverse(Entry { stamp, ..entry }));
                    }
                }
                None => return self.ending.pop().map(|Reverse(entry)| entry),
            }
        }
    }
}

/// Every record of a series as it is at `now`, in the order of record numbers: the expected result that pages are
/// compared with.
pub fn truth(series: &dyn Series, now: i64) -> Vec<String> {
    let mut records = Vec::new();
    for record in 0..born_until(series, now) {
        if series.stands(record, now) {
            let mut pen = Pen::default();
            series.write(record, now, &mut pen);
            records.push(pen.into_text());
        }
    }
    records
}

/// How many records of a series are visible at `now`.
pub fn count(series: &dyn Series, now: i64) -> i64 {
    let born = born_until(series, now);
    let settled = born_until(series, now - series.longest_wait() - SECOND);
    settled + (settled..born).map(|record| i64::from(series.stands(record, now))).sum::<i64>()
}

/// How many records of a series came into being by `now`; late ones among them may not be visible yet.
pub fn born_until(series: &dyn Series, now: i64) -> i64 {
    let mut beyond = 1;
    while series.born(beyond - 1) <= now {
        beyond *= 2;
    }
    let (mut low, mut high) = (0, beyond);
    while low < high {
        let middle = low + (high - low) / 2;
        if series.born(middle) <= now { low = middle + 1 } else { high = middle }
    }
    low
}
