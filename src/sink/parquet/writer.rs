//! Writes the streams of one endpoint, each into its table.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tracing::{error, warn};

use super::commit_policy::{Uncommitted, ends_in_commit, is_due};
use super::merge::{Counts, Merge, Part, Rule};
use super::open_files::OpenFiles;
use super::row_builders::{Group, RowBuilders, TableRows};
use super::{Limits, Summary};
use crate::clock::Clock;
use crate::columns::{self, Columns};
use crate::dataset::{DataFile, Dataset, Pending, Table, TableCommit, TableTask, TableTasks};
use crate::error::{Error, Kind};
use crate::position::Frontier;
use crate::protocol::Status;
use crate::sink::{End, Member, NewFrom, Sink, is_new};
use crate::source::page::Page;
use crate::source::state_format;
use crate::source::streams::Stream;

/// The status of a stream whose read was interrupted.
const INTERRUPTED: &str = "interrupted";

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
    /// A sink that writes to a dataset; `tasks` says how to change each table.
    pub fn new(dataset: Arc<Dataset>, clock: Clock, tasks: TableTasks, limits: Limits) -> Self {
        let (merging, summaries) = (tokio::sync::Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { dataset, clock, tasks, limits, merging, summaries }))
    }

    /// The dataset that this sink writes to.
    pub fn dataset(&self) -> &Dataset {
        &self.0.dataset
    }

    /// The result of each stream so far.
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

    fn family(&self, members: Vec<Member>) -> Writer {
        let now = self.0.clock.now();
        let dataset = &self.0.dataset;
        let table = |member: Member| TableRows { columns: Arc::new(Columns::of(member.stream)), member };
        let tables: Arc<[TableRows]> = members.into_iter().map(table).collect();
        let known = self.0.summaries.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = |table: &TableRows| known.get(table.member.stream.name).map(Progress::after).unwrap_or_default();
        Writer {
            builders: RowBuilders::new(Arc::clone(&tables), Arc::clone(dataset)),
            files: OpenFiles::new(Arc::clone(&tables), Arc::clone(dataset), self.0.limits),
            progress: tables.iter().map(progress).collect(),
            tables,
            sink: self.clone(),
            began: now,
            saved: now,
            uncommitted: 0,
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

/// Writes the tables whose rows come from the pages of one endpoint, and commits them together.
pub struct Writer {
    sink: Parquet,
    tables: Arc<[TableRows]>,
    /// The progress of each table, in the order of `tables`.
    progress: Vec<Progress>,
    began: DateTime<Utc>,
    saved: DateTime<Utc>,
    builders: RowBuilders,
    files: OpenFiles,
    uncommitted: usize,
    /// Whether accepted rows may have been lost. If so, nothing more is committed.
    broken: bool,
}

/// How much of one table has been written so far.
#[derive(Default)]
struct Progress {
    /// How many records were accepted for the table, by this writer and by earlier ones of the run.
    read: u64,
    counts: Counts,
    frontier: Option<Frontier>,
    /// How long the earlier writers of the run took, in seconds.
    seconds: f64,
}

impl Progress {
    /// Continues from the summary of an earlier writer of the run.
    fn after(summary: &Summary) -> Self {
        let Summary { read, new, updated, removed, seconds, .. } = *summary;
        Self { read, counts: Counts { new, updated, removed }, frontier: None, seconds }
    }
}

impl crate::sink::Writer for Writer {
    fn totals(&self) -> Vec<u64> {
        self.progress.iter().map(|progress| progress.read).collect()
    }

    async fn write(&mut self, page: Page, new: &[NewFrom]) -> Result<(), Error> {
        for ((table, progress), &from) in self.tables.iter().zip(&mut self.progress).zip(new) {
            let stream = table.member.stream;
            progress.read += page.records().filter(|&record| is_new(record, stream, from)).count() as u64;
        }
        // If this function fails or is cancelled, rows of the page may be lost, so the writer stays broken.
        let broken = std::mem::replace(&mut self.broken, true);
        self.uncommitted += self.builders.take(page, new, self.sink.0.clock.now()).await?;
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

    async fn checkpoint(&mut self, delivered: &[Option<Frontier>]) -> Result<(), Error> {
        for (progress, delivered) in self.progress.iter_mut().zip(delivered) {
            progress.frontier.clone_from(delivered);
        }
        if !is_due(&self.sink.0.limits, self.uncommitted, self.sink.0.clock.now() - self.saved) {
            return Ok(());
        }
        self.commit(End::Early).await
    }

    async fn finish(mut self, delivered: &[Option<Frontier>], end: End) -> Result<(), Error> {
        for (progress, delivered) in self.progress.iter_mut().zip(delivered) {
            progress.frontier = delivered.clone().or(progress.frontier.take());
        }
        let has_position = self.progress.iter().all(|progress| progress.frontier.is_some());
        let (bytes, broken) = (self.uncommitted, self.broken);
        if ends_in_commit(end, Uncommitted { bytes, has_position, broken }) {
            return self.commit(end).await;
        }
        for index in 0..self.tables.len() {
            let table = self.sink.0.dataset.table(self.name(index)).await.unwrap_or_default();
            self.summarize(index, &table);
        }
        Ok(())
    }
}

impl Writer {
    fn name(&self, index: usize) -> &'static str {
        self.tables[index].member.stream.name
    }

    /// Commits all tables with every accepted row. Each cursor is the last frontier that was received.
    async fn commit(&mut self, end: End) -> Result<(), Error> {
        self.broken = true;
        let fresh = self.files.close(&mut self.builders).await?;
        self.uncommitted = 0;
        self.saved = self.sink.0.clock.now();
        let mut changed = Vec::with_capacity(self.tables.len());
        for (index, fresh) in fresh.into_iter().enumerate() {
            let made = fresh.iter().map(|file| file.path.clone()).collect();
            let table = self.changed(index, fresh, end).await?;
            changed.push(TableCommit { name: self.name(index), table, made });
        }
        self.sink.0.dataset.commit(&changed).await?;
        self.broken = false;
        for (index, commit) in changed.iter().enumerate() {
            self.summarize(index, &commit.table);
        }
        Ok(())
    }

    /// The state of a table after the next commit.
    async fn changed(&mut self, index: usize, fresh: Vec<DataFile>, end: End) -> Result<Table, Error> {
        let last = end != End::Early;
        let stream = self.tables[index].member.stream;
        let Some(task) = self.sink.0.tasks.get(stream.name).cloned() else {
            let problem = format!("{} is read, and nothing was planned for its table", stream.name);
            return Err(Error::new(Kind::Internal, problem));
        };
        let mut table = self.sink.0.dataset.table(stream.name).await.unwrap_or_default();
        let frontier = self.progress[index].frontier.clone();
        let cursor = task.advance(frontier.as_ref()).map(|frontier| state_format::of(stream, Some(frontier)));
        let rule = rule(stream, &task, end);
        if task.mode.is_incremental() {
            // A pending long read began before these rows arrived. Its rows are older, so it is discarded.
            table.pending = None;
            self.add(index, &mut table, fresh, rule).await?;
            table.cursor = cursor;
            table.start = table.start.or_else(|| stream.incremental.then_some(task.start));
        } else {
            let run = &self.sink.0.dataset.run;
            let files = pending_files(&mut table, &task, fresh, frontier.as_ref(), (stream, run));
            if last {
                table.pending = None;
                self.add(index, &mut table, files, rule).await?;
                table.cursor = cursor;
            }
        }
        if last {
            table.start = stream.incremental.then(|| task.beginning(table.start, matches!(end, End::Whole(_))));
            self.add_empty_file(index, &mut table).await?;
        }
        Ok(table)
    }

    /// Merges new files into a table.
    async fn add(&mut self, index: usize, table: &mut Table, fresh: Vec<DataFile>, rule: Rule) -> Result<(), Error> {
        // Tables are merged one at a time, so that memory holds the keys of only one folder.
        let _turn = self.sink.0.merging.lock().await;
        let TableRows { member, columns } = &self.tables[index];
        let retyped = columns::are_retyped(&table.columns, &columns.types());
        let merge = Merge {
            dataset: &self.sink.0.dataset,
            stream: member.stream,
            columns,
            rule,
            retyped,
            // After a run in append mode, the first commit that removes duplicates checks all rows of the table.
            appended: table.appended,
            limits: self.sink.0.limits,
        };
        let live = std::mem::take(&mut table.live).into_iter().map(|file| Part { file, fresh: false });
        let parts = live.chain(fresh.into_iter().map(|file| Part { file, fresh: true })).collect();
        let (files, counts) = merge.table(parts).await?;
        table.live = files;
        table.columns = columns.types();
        table.appended = rule == Rule::Distinct;
        self.progress[index].counts.add(counts);
        Ok(())
    }

    /// Gives a table without rows one empty file, in which readers find its columns.
    async fn add_empty_file(&mut self, index: usize, table: &mut Table) -> Result<(), Error> {
        if table.live.iter().any(|file| file.rows > 0) {
            table.live.retain(|file| file.rows > 0);
        } else if table.live.is_empty() {
            table.live.push(self.files.begin(Group { table: index, month: None })?.close().await?);
        }
        Ok(())
    }

    /// Updates the summary of a table.
    fn summarize(&self, index: usize, table: &Table) {
        let elapsed = (self.sink.0.clock.now() - self.began).to_std().unwrap_or_default();
        let Progress { read, counts, seconds, .. } = &self.progress[index];
        self.sink.record(self.name(index), |summary| {
            summary.read = *read;
            Counts { new: summary.new, updated: summary.updated, removed: summary.removed } = *counts;
            summary.rows = table.rows();
            summary.bytes = table.live.iter().map(|file| file.bytes).sum();
            summary.files = table.live.len() as u64;
            summary.seconds = seconds + elapsed.as_secs_f64();
        });
    }
}

/// Which rows the merge drops when new files are added, at the end of a read or at an earlier commit.
fn rule(stream: &Stream, task: &TableTask, end: End) -> Rule {
    if task.mode.appends() {
        return Rule::Distinct;
    }
    match end {
        End::Whole(to) if task.replaces => {
            // Only the read of an export covers a range of time.
            let from = if stream.is_export() { task.start.timestamp_micros() } else { i64::MIN };
            Rule::Whole { from, to: i64::try_from(to / 1_000).unwrap_or(i64::MAX) }
        }
        End::WithGap if task.replaces => {
            let name = stream.name;
            warn!("{name}: the service left out a part: what it did not bring stays in the table");
            Rule::Newest
        }
        _ => Rule::Newest,
    }
}

/// Adds new files to those of a pending long read, and returns all of its files.
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
