//! Converts pages into rows on other threads, several pages at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Datelike, Utc};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::columns::{self, Columns, Rows};
use crate::dataset::Dataset;
use crate::error::{Error, Kind};
use crate::source::page::{Page, Record};
use crate::source::streams::Stream;

/// Pages that are turned into rows at once.
const LANES: usize = 3;

/// The month of a row: none where it is not known, or the table has no months.
pub type Month = Option<(i32, u32)>;

/// Rows that wait for their files.
type Waiting = BTreeMap<Month, Rows>;

/// What became of a page.
struct Taken {
    rows: Waiting,
    /// What was not needed.
    spare: Option<Rows>,
    result: Result<(), Error>,
}

/// Turns the pages of a stream into rows by month, each page in one of as many builders.
pub struct RowBuilders {
    stream: &'static Stream,
    columns: Arc<Columns>,
    dataset: Arc<Dataset>,
    /// Pages that are being turned into rows, in the order in which they came.
    taking: VecDeque<JoinHandle<Taken>>,
    /// What the other builders hold.
    rows: Vec<Waiting>,
    /// Without rows, but with room for as many as they held.
    spare: Vec<Rows>,
    /// When the last page was read, in microseconds: no two at the same moment, so that rows know their order.
    read: i64,
    waiting: usize,
}

impl RowBuilders {
    /// The builders of a stream, with nothing in them.
    pub fn new(stream: &'static Stream, columns: Arc<Columns>, dataset: Arc<Dataset>) -> Self {
        let (taking, rows, spare) = (VecDeque::new(), Vec::new(), Vec::new());
        Self { stream, columns, dataset, taking, rows, spare, read: i64::MIN, waiting: 0 }
    }

    /// Begins to turn the records of a page into rows, on a thread that has nothing else to do: meanwhile others are
    /// fetched and taken apart, and rows from before go into their file. Tells how much JSON the records are.
    pub async fn take(&mut self, page: Page, now: DateTime<Utc>) -> Result<usize, Error> {
        if self.taking.len() == LANES {
            self.taken().await?;
        }
        let bytes = page.records().map(|record| record.text().len()).sum();
        self.waiting += bytes;
        self.read = now.timestamp_micros().max(self.read.saturating_add(1));
        let (stream, read) = (self.stream, self.read);
        let (columns, dataset) = (Arc::clone(&self.columns), Arc::clone(&self.dataset));
        let (mut rows, mut spare) = (self.rows.pop().unwrap_or_default(), self.spare.pop());
        self.taking.push_back(spawn_blocking(move || {
            let result = page.records().try_for_each(|record| {
                let month = rows.entry(month(stream, record));
                let rows = month.or_insert_with(|| spare.take().unwrap_or_else(|| Rows::new(&columns, &dataset.run)));
                rows.push(stream, record, read)
            });
            Taken { rows, spare, result }
        }));
        Ok(bytes)
    }

    /// Waits until the earliest page is turned into rows; tells whether there was one.
    pub async fn taken(&mut self) -> Result<bool, Error> {
        let Some(taking) = self.taking.front_mut() else { return Ok(false) };
        let broke_off = |error| Error::new(Kind::Internal, "Taking in rows broke off").because(error);
        let Taken { rows, spare, result } = taking.await.map_err(broke_off)?;
        self.taking.pop_front();
        self.rows.push(rows);
        self.spare.extend(spare);
        result.map(|()| true)
    }

    /// Waits until all pages are turned into rows; may be given up at any time.
    pub async fn finish_pending(&mut self) -> Result<(), Error> {
        while self.taken().await? {}
        Ok(())
    }

    /// How much JSON is held as rows, or on its way there.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Hands out the rows that take most, as far as builders that are not at work hold any.
    pub fn largest(&mut self) -> Option<(Month, Rows)> {
        let held = self.rows.iter().enumerate().flat_map(|(lane, rows)| rows.iter().map(move |row| (lane, row)));
        let (lane, month) = held.max_by_key(|(_, (_, rows))| rows.bytes()).map(|(lane, (&month, _))| (lane, month))?;
        let rows = self.rows.get_mut(lane)?.remove(&month)?;
        self.waiting = self.waiting.saturating_sub(rows.bytes());
        Some((month, rows))
    }

    /// Takes back what holds no rows any more.
    pub fn give_back(&mut self, emptied: Rows) {
        if self.spare.len() < LANES {
            self.spare.push(emptied);
        }
    }

    /// Hands out all rows of a month that such builders hold.
    pub fn all_of(&mut self, month: Month) -> Vec<Rows> {
        let all: Vec<Rows> = self.rows.iter_mut().filter_map(|rows| rows.remove(&month)).collect();
        self.waiting = self.waiting.saturating_sub(all.iter().map(Rows::bytes).sum());
        all
    }
}

/// The month of a record, where the table is parted by months.
fn month(stream: &Stream, record: Record<'_>) -> Month {
    let time = record.member(stream.created?).and_then(columns::microseconds).and_then(DateTime::from_timestamp_micros);
    time.map(|time| (time.year(), time.month()))
}
