//! Converts pages into rows of their tables, several pages at a time, on other threads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Datelike, Utc};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::columns::{self, Columns, Rows};
use crate::dataset::Dataset;
use crate::error::{Error, Kind};
use crate::sink::{Member, NewFrom, is_new};
use crate::source::page::{Page, Record};
use crate::source::streams::Stream;

/// How many pages are converted at once.
const LANES: usize = 3;

/// A table, and the stream whose records become its rows.
pub struct TableRows {
    /// Selects the records of the table from the pages.
    pub member: Member,
    /// The table's columns.
    pub columns: Arc<Columns>,
}

/// Identifies rows that go into the same file: those of one table and one of its folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The index of the table among the writer's tables.
    pub table: usize,
    /// The month of the folder.
    pub month: Month,
}

/// The year and month of a row; `None` if they are unknown or the table is not divided by month.
pub type Month = Option<(i32, u32)>;

/// Rows that are not written to a file yet.
type Waiting = BTreeMap<Group, Rows>;

/// The result of converting a page.
struct Taken {
    rows: Waiting,
    /// For each table, the spare `Rows` if it was not needed.
    spare: Vec<Option<Rows>>,
    /// The size of the JSON that became rows, in bytes.
    bytes: usize,
    result: Result<(), Error>,
}

/// Converts the pages of an endpoint. Each page is converted by one of several builders.
pub struct RowBuilders {
    tables: Arc<[TableRows]>,
    dataset: Arc<Dataset>,
    /// The pages that are being converted, in order of arrival, each with the size of its JSON in bytes.
    taking: VecDeque<(usize, JoinHandle<Taken>)>,
    /// The rows of the idle builders.
    rows: Vec<Waiting>,
    /// For each table, emptied `Rows` whose memory is used again.
    spare: Vec<Vec<Rows>>,
    /// The read time of the last page, in microseconds. Each page gets a later time than the one before, so that the
    /// order of rows is known.
    read: i64,
    waiting: usize,
}

impl RowBuilders {
    /// Empty builders for these tables.
    pub fn new(tables: Arc<[TableRows]>, dataset: Arc<Dataset>) -> Self {
        let spare = tables.iter().map(|_| Vec::new()).collect();
        Self { tables, dataset, taking: VecDeque::new(), rows: Vec::new(), spare, read: i64::MIN, waiting: 0 }
    }

    /// Starts to convert the records of a page on a thread of its own: meanwhile other pages are fetched and parsed, and
    /// earlier rows go into their files. Returns how much JSON the records are.
    pub async fn take(&mut self, page: Page, new: &[NewFrom], now: DateTime<Utc>) -> Result<usize, Error> {
        if self.taking.len() == LANES {
            self.taken().await?;
        }
        let bytes = page.records().map(|record| record.text().len()).sum();
        self.waiting += bytes;
        self.read = now.timestamp_micros().max(self.read.saturating_add(1));
        let read = self.read;
        let (tables, dataset) = (Arc::clone(&self.tables), Arc::clone(&self.dataset));
        let mut rows = self.rows.pop().unwrap_or_default();
        let mut spare: Vec<Option<Rows>> = self.spare.iter_mut().map(Vec::pop).collect();
        let new = new.to_vec();
        let converting = spawn_blocking(move || {
            let before = held(&rows);
            let result = page.records().try_for_each(|record| {
                for ((index, table), _) in tables
                    .iter()
                    .enumerate()
                    .zip(&new)
                    .filter(|((_, table), from)| is_new(record, table.member.stream, **from))
                {
                    let group = Group { table: index, month: month(table.member.stream, record) };
                    let fresh = || spare[index].take().unwrap_or_else(|| Rows::new(&table.columns, &dataset.run));
                    rows.entry(group).or_insert_with(fresh).push(table.member.stream, record, read)?;
                }
                Ok(())
            });
            let bytes = held(&rows) - before;
            Taken { rows, spare, bytes, result }
        });
        self.taking.push_back((bytes, converting));
        Ok(bytes)
    }

    /// Waits until the earliest of the pages is converted. Returns false if no page was being converted.
    pub async fn taken(&mut self) -> Result<bool, Error> {
        let Some((page, converting)) = self.taking.front_mut() else { return Ok(false) };
        let broke_off = |error| Error::new(Kind::Internal, "Converting a page into rows broke off").because(error);
        let (converted, page) = (converting.await, *page);
        // Whatever the result, the task must not be polled again.
        self.taking.pop_front();
        let Taken { rows, spare, bytes, result } = converted.map_err(broke_off)?;
        self.waiting = (self.waiting + bytes).saturating_sub(page);
        self.rows.push(rows);
        for (index, unused) in spare.into_iter().enumerate() {
            self.spare[index].extend(unused);
        }
        result.map(|()| true)
    }

    /// Waits until all pages are converted. This is cancel-safe.
    pub async fn finish_pending(&mut self) -> Result<(), Error> {
        while self.taken().await? {}
        Ok(())
    }

    /// The size of the JSON that is being converted or is held as rows, in bytes.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Removes and returns the largest group of rows that an idle builder holds, if there is any.
    pub fn largest(&mut self) -> Option<(Group, Rows)> {
        let held = self.rows.iter().enumerate().flat_map(|(lane, rows)| rows.iter().map(move |row| (lane, row)));
        let (lane, group) = held.max_by_key(|(_, (_, rows))| rows.bytes()).map(|(lane, (&group, _))| (lane, group))?;
        let rows = self.rows.get_mut(lane)?.remove(&group)?;
        self.waiting = self.waiting.saturating_sub(rows.bytes());
        Some((group, rows))
    }

    /// Takes back emptied `Rows`, so that their memory is used again.
    pub fn give_back(&mut self, table: usize, emptied: Rows) {
        if self.spare[table].len() < LANES {
            self.spare[table].push(emptied);
        }
    }

    /// Removes and returns all rows of a group that idle builders hold.
    pub fn all_of(&mut self, group: Group) -> Vec<Rows> {
        let all: Vec<Rows> = self.rows.iter_mut().filter_map(|rows| rows.remove(&group)).collect();
        self.waiting = self.waiting.saturating_sub(all.iter().map(Rows::bytes).sum());
        all
    }
}

/// The size of the JSON that these rows came from, in bytes.
fn held(rows: &Waiting) -> usize {
    rows.values().map(Rows::bytes).sum()
}

/// The month in which a record was created, if its table is divided by month.
fn month(stream: &Stream, record: Record<'_>) -> Month {
    let time = record.member(stream.created?).and_then(columns::microseconds).and_then(DateTime::from_timestamp_micros);
    time.map(|time| (time.year(), time.month()))
}
