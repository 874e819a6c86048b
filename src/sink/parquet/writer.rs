//! One stream on its way into its table.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tracing::{error, warn};

use super::commit_policy::{Uncommitted, ends_in_commit, is_due};
use super::merge::{Counts, Merge, Part, Rule};
use super::open_files::OpenFiles;
use super::row_builders::RowBuilders;
use crate::clock::Clock;
use crate::columns::{self, Columns};
use crate::dataset::{DataFile, Dataset, Pending, Table, TableCommit, TableTask, TableTasks};
use crate::error::{Error, Kind};
use crate::position::Frontier;
use crate::protocol::Status;
use crate::sink::{End, Sink};
use crate::source::page::Page;
use crate::source::state_format;
use crate::source::streams::Stream;

/// The status of a stream whose run was told to end.
const INTERRUPTED: &str = "interrupted";

/// How much is held, and how large what is written becomes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most JSON of a stream whose rows wait in memory.
    pub waiting: usize,
    /// How many files of a stream grow at once: windows side by side lie in several months.
    pub open: usize,
    /// The most memory that rows of growing files may take which are not compressed yet.
    pub unfinished: usize,
    /// After so much JSON a long read is committed.
    pub uncommitted: usize,
    /// After so long, too.
    pub unsaved: TimeDelta,
    /// A file below this size is merged with its neighbours when its folder is touched.
    pub small: u64,
    /// A file that has reached this size is ended, and another begun.
    pub large: u64,
    /// How many keys that came are held in memory at once.
    pub keys: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MEGABYTE: usize = 1024 * 1024;
        Self {
            waiting: 8 * MEGABYTE,
            open: 6,
            unfinished: 32 * MEGABYTE,
            uncommitted: 1024 * MEGABYTE,
            unsaved: TimeDelta::minutes(2),
            small: 32 * MEGABYTE as u64,
            large: 256 * MEGABYTE as u64,
            keys: 450_000,
        }
    }
}

/// What became of a stream.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// The stream.
    pub stream: String,
    /// `complete`, `unavailable`, `failed` or `interrupted`.
    pub status: String,
    /// Why, if it is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Records that were read.
    pub read: u64,
    /// Rows of keys that the table did not hold.
    pub new: u64,
    /// Rows that took the place of an earlier one that held something else.
    pub updated: u64,
    /// Rows that are gone, since a whole read did not bring them.
    pub removed: u64,
    /// Rows that the table has.
    pub rows: u64,
    /// Files that it has.
    pub files: u64,
    /// How large they are together.
    pub bytes: u64,
    /// Seconds from its beginning to its end.
    pub seconds: f64,
}

/// Writes the tables of a run; clones share the dataset.
#[derive(Clone)]
pub struct Parquet(Arc<Shared>);

struct Shared {
    dataset: Arc<Dataset>,
    clock: Clock,
    tasks: TableTasks,
    limits: Limits,
    merging: tokio::sync::Mutex<()>,
    summaries: Mutex<BTreeMap<String, Summary>>,
}

impl Parquet {
    /// A sink into a dataset, which does this to its tables.
    pub fn new(dataset: Arc<Dataset>, clock: Clock, tasks: TableTasks, limits: Limits) -> Self {
        let (merging, summaries) = (tokio::sync::Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { dataset, clock, tasks, limits, merging, summaries }))
    }

    /// The dataset.
    pub fn dataset(&self) -> &Dataset {
        &self.0.dataset
    }

    /// What became of each stream so far.
    pub fn summaries(&self) -> Vec<Summary> {
        self.0.summaries.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn record(&self, stream: &str, change: impl FnOnce(&mut Summary)) {
        let mut summaries = self.0.summaries.lock().unwrap_or_else(PoisonError::into_inner);
        let summary = summaries.entry(stream.to_owned()).or_default();
        stream.clone_into(&mut summary.stream);
        change(summary);
    }
}

impl Sink for Parquet {
    type Writer = Writer;

    fn stream(&self, stream: &'static Stream, _: Option<&[String]>) -> Writer {
        let now = self.0.clock.now();
        let columns = Arc::new(Columns::of(stream));
        let dataset = &self.0.dataset;
        Writer {
            task: self.0.tasks.get(stream.name).cloned(),
            builders: RowBuilders::new(stream, Arc::clone(&columns), Arc::clone(dataset)),
            files: OpenFiles::new(stream, columns.schema(), Arc::clone(dataset), self.0.limits),
            columns,
            sink: self.clone(),
            stream,
            began: now,
            saved: now,
            uncommitted: 0,
            total: 0,
            counts: Counts::default(),
            frontier: None,
            broken: false,
        }
    }

    fn status(&self, stream: &str, status: Status) {
        match status {
            Status::Complete => self.record(stream, |summary| "complete".clone_into(&mut summary.status)),
            Status::Incomplete => self.record(stream, |summary| {
                if summary.status == INTERRUPTED {
                    return;
                }
                let status = if summary.error.is_some() { "failed" } else { "unavailable" };
                status.clone_into(&mut summary.status);
            }),
            Status::Started | Status::Running | Status::Limited(_) => {}
        }
    }

    fn failure(&self, error: &Error, stream: Option<&str>) {
        if let Some(stream) = stream {
            error!("{stream}: {}", error.sentence());
            self.record(stream, |summary| summary.error = Some(error.sentence()));
        }
    }

    fn stopped(&self, why: &Error, stream: &str) {
        self.record(stream, |summary| match why.kind() {
            Kind::Interrupted => INTERRUPTED.clone_into(&mut summary.status),
            _ => summary.error = Some(why.sentence()),
        });
    }

    fn now(&self) -> i64 {
        self.0.clock.now().timestamp_millis()
    }
}

/// One stream's place in the sink.
pub struct Writer {
    sink: Parquet,
    task: Option<TableTask>,
    stream: &'static Stream,
    columns: Arc<Columns>,
    began: DateTime<Utc>,
    saved: DateTime<Utc>,
    builders: RowBuilders,
    files: OpenFiles,
    uncommitted: usize,
    total: u64,
    /// What became of the table's rows so far.
    counts: Counts,
    frontier: Option<Frontier>,
    /// Whether rows that were accepted may be lost: nothing is committed any more.
    broken: bool,
}

impl crate::sink::Writer for Writer {
    fn total(&self) -> u64 {
        self.total
    }

    async fn write(&mut self, page: Page) -> Result<(), Error> {
        self.total += page.len() as u64;
        // Until all of it is on its way.
        let broken = std::mem::replace(&mut self.broken, true);
        self.uncommitted += self.builders.take(page, self.sink.0.clock.now()).await?;
        while self.builders.waiting() > self.sink.0.limits.waiting {
            if !self.files.write_largest(&mut self.builders).await? && !self.builders.taken().await? {
                break;
            }
        }
        self.broken = broken;
        Ok(())
    }

    async fn idle(&mut self) -> Result<(), Error> {
        let idle = self.builders.finish_pending().await;
        self.broken |= idle.is_err();
        idle
    }

    async fn checkpoint(&mut self, delivered: Option<&Frontier>) -> Result<(), Error> {
        self.frontier = delivered.cloned();
        if !is_due(&self.sink.0.limits, self.uncommitted, self.sink.0.clock.now() - self.saved) {
            return Ok(());
        }
        self.commit(End::Early).await
    }

    async fn finish(mut self, delivered: Option<&Frontier>, end: End) -> Result<(), Error> {
        self.frontier = delivered.cloned().or(self.frontier.take());
        let (bytes, has_position, broken) = (self.uncommitted, self.frontier.is_some(), self.broken);
        if !ends_in_commit(end, Uncommitted { bytes, has_position, broken }) {
            let table = self.sink.0.dataset.table(self.stream.name).await.unwrap_or_default();
            self.summarize(&table);
            return Ok(());
        }
        self.commit(end).await
    }
}

impl Writer {
    /// Commits all that was accepted, as far as it was checkpointed.
    async fn commit(&mut self, end: End) -> Result<(), Error> {
        let last = end != End::Early;
        let Some(task) = self.task.clone() else {
            let problem = format!("{} is read, and nothing was planned for its table", self.stream.name);
            return Err(Error::new(Kind::Internal, problem));
        };
        self.broken = true;
        let fresh = self.files.close(&mut self.builders).await?;
        let made = fresh.iter().map(|file| file.path.clone()).collect();
        self.uncommitted = 0;
        self.saved = self.sink.0.clock.now();
        let name = self.stream.name;
        let mut table = self.sink.0.dataset.table(name).await.unwrap_or_default();
        let cursor = task.advance(self.frontier.as_ref()).map(|frontier| state_format::of(self.stream, Some(frontier)));
        let rule = self.rule(&task, end);
        if task.mode.is_incremental() {
            // Whoever began a long read of the table read it before these rows came.
            table.pending = None;
            self.add(&mut table, fresh, rule).await?;
            table.cursor = cursor;
            table.start = table.start.or_else(|| self.stream.incremental.then_some(task.start));
        } else {
            let run = &self.sink.0.dataset.run;
            let files = pending_files(&mut table, &task, fresh, self.frontier.as_ref(), (self.stream, run));
            if last {
                table.pending = None;
                self.add(&mut table, files, rule).await?;
                table.cursor = cursor;
            }
        }
        if last {
            table.start = self.stream.incremental.then(|| task.beginning(table.start, last));
            self.add_empty_file(&mut table).await?;
        }
        self.sink.0.dataset.commit(&[TableCommit { name, table: table.clone(), made }]).await?;
        self.broken = false;
        self.summarize(&table);
        Ok(())
    }

    /// Which rows lose against those that are added at the end of a task, or on the way there.
    fn rule(&self, task: &TableTask, end: End) -> Rule {
        if task.mode.appends() {
            return Rule::Distinct;
        }
        match end {
            End::Whole(to) if task.replaces => {
                // Only an export goes over a stretch of time.
                let from = if self.stream.is_export() { task.start.timestamp_micros() } else { i64::MIN };
                Rule::Whole { from, to: i64::try_from(to / 1_000).unwrap_or(i64::MAX) }
            }
            End::WithGap if task.replaces => {
                let name = self.stream.name;
                warn!("{name}: the service left out a part: what it did not bring stays in the table");
                Rule::Newest
            }
            _ => Rule::Newest,
        }
    }

    /// Adds files to the table.
    async fn add(&mut self, table: &mut Table, fresh: Vec<DataFile>, rule: Rule) -> Result<(), Error> {
        // One at a time, so that memory holds the keys of one folder only.
        let _turn = self.sink.0.merging.lock().await;
        let retyped = columns::are_retyped(&table.columns, &self.columns.types());
        let merge = Merge {
            dataset: &self.sink.0.dataset,
            stream: self.stream,
            columns: &self.columns,
            rule,
            retyped,
            // The first deduped commit on a table that was appended to goes over all of it.
            appended: table.appended,
            limits: self.sink.0.limits,
        };
        let live = std::mem::take(&mut table.live).into_iter().map(|file| Part { file, fresh: false });
        let parts = live.chain(fresh.into_iter().map(|file| Part { file, fresh: true })).collect();
        let (files, counts) = merge.table(parts).await?;
        table.live = files;
        table.columns = self.columns.types();
        table.appended = rule == Rule::Distinct;
        self.counts.add(counts);
        Ok(())
    }

    /// A table without rows has one file all the same, so that readers find its columns.
    async fn add_empty_file(&mut self, table: &mut Table) -> Result<(), Error> {
        if table.live.iter().any(|file| file.rows > 0) {
            table.live.retain(|file| file.rows > 0);
        } else if table.live.is_empty() {
            table.live.push(self.files.begin(None)?.close().await?);
        }
        Ok(())
    }

    /// Tells how the table stands.
    fn summarize(&self, table: &Table) {
        let elapsed = (self.sink.0.clock.now() - self.began).to_std().unwrap_or_default();
        self.sink.record(self.stream.name, |summary| {
            summary.read = self.total;
            Counts { new: summary.new, updated: summary.updated, removed: summary.removed } = self.counts;
            summary.rows = table.rows();
            summary.bytes = table.live.iter().map(|file| file.bytes).sum();
            summary.files = table.live.len() as u64;
            summary.seconds = elapsed.as_secs_f64();
        });
    }
}

/// Adds files to what a long read has brought so far, and gives all of it.
fn pending_files(
    table: &mut Table,
    task: &TableTask,
    fresh: Vec<DataFile>,
    frontier: Option<&Frontier>,
    (stream, run): (&'static Stream, &str),
) -> Vec<DataFile> {
    let TableTask { mode, start, end, ref columns, .. } = *task;
    let pending = table.pending.take().filter(|pending| task.is_of(pending));
    let mut files = pending.map(|pending| pending.files).unwrap_or_default();
    files.extend(fresh);
    let cursor = frontier.map(|frontier| state_format::of(stream, Some(frontier)));
    let (run, columns) = (run.to_owned(), columns.clone());
    table.pending = Some(Pending { mode, start, end, run, columns, cursor, files: files.clone() });
    files
}
