//! The Parquet files that a writer has open. Their number is limited.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::Limits;
use super::parquet_file::Growing;
use super::row_builders::{Group, Month, RowBuilders, TableRows};
use crate::columns::Rows;
use crate::dataset::{DataFile, Dataset};
use crate::error::{Error, Kind};
use crate::sink::Member;
use crate::source::streams::Stream;

/// The folder of rows whose month is unknown.
const NO_MONTH: &str = "__HIVE_DEFAULT_PARTITION__";

/// Writes rows to files. Each table and month has its own files.
pub struct OpenFiles {
    tables: Arc<[TableRows]>,
    dataset: Arc<Dataset>,
    limits: Limits,
    /// The task that writes rows to a file; there is at most one.
    encoding: JoinSet<Result<(Group, Growing, Rows), Error>>,
    /// The other open files, ordered by their last write; the most recent is at the end.
    growing: Vec<(Group, Growing)>,
    /// For each table, the files that are complete but not committed yet.
    complete: Vec<Vec<DataFile>>,
}

impl OpenFiles {
    /// No file is open yet.
    pub fn new(tables: Arc<[TableRows]>, dataset: Arc<Dataset>, limits: Limits) -> Self {
        let complete = tables.iter().map(|_| Vec::new()).collect();
        Self { tables, dataset, limits, encoding: JoinSet::new(), growing: Vec::new(), complete }
    }

    /// Opens a new file for a group of rows.
    pub fn begin(&self, Group { table, month }: Group) -> Result<Growing, Error> {
        let TableRows { member: Member { stream, .. }, columns } = &self.tables[table];
        let path = self.dataset.fresh_path(&folder(stream, month));
        Growing::begin(&self.dataset, path, &columns.schema(), stream.cursor)
    }

    /// Starts to write the largest waiting group of rows to its file, while other pages are converted. Returns false if
    /// no rows are waiting.
    pub async fn write_largest(&mut self, builders: &mut RowBuilders) -> Result<bool, Error> {
        self.finish_pending(builders).await?;
        let Some((group, rows)) = builders.largest() else { return Ok(false) };
        self.write(group, rows).await?;
        Ok(true)
    }

    /// Writes all waiting rows, closes all files, and returns the files of each table.
    pub async fn close(&mut self, builders: &mut RowBuilders) -> Result<Vec<Vec<DataFile>>, Error> {
        builders.finish_pending().await?;
        while self.write_largest(builders).await? {}
        let close = |(group, growing): (Group, Growing)| async move { (group.table, growing.close().await) };
        let closing: JoinSet<_> = self.growing.drain(..).map(close).collect();
        for (table, closed) in closing.join_all().await {
            self.complete[table].push(closed?);
        }
        // Files are closed in any order. Sorted by path, the files of each folder are in the order in which they were
        // opened.
        for files in &mut self.complete {
            files.sort_by(|one, other| one.path.cmp(&other.path));
        }
        Ok(self.complete.iter_mut().map(std::mem::take).collect())
    }

    async fn write(&mut self, group: Group, mut rows: Rows) -> Result<(), Error> {
        let known = self.growing.iter().position(|(known, _)| *known == group);
        let mut growing = if let Some(index) = known {
            self.growing.remove(index).1
        } else {
            // The read has come to another month, so the file of the month before hardly receives more rows.
            let last = self.growing.iter_mut().rev().find(|(known, _)| known.table == group.table);
            if let Some((_, idle)) = last {
                idle.rest().await?;
            }
            self.begin(group)?
        };
        let room = self.room();
        self.encoding.spawn(async move {
            growing.write(&rows.finish()?, room).await?;
            Ok((group, growing, rows))
        });
        Ok(())
    }

    /// Waits until the rows that are being written are in their file.
    async fn finish_pending(&mut self, builders: &mut RowBuilders) -> Result<(), Error> {
        let Some(written) = self.encoding.join_next().await else { return Ok(()) };
        let broke_off = |error| Error::new(Kind::Internal, "Writing rows broke off").because(error);
        let (group, growing, emptied) = written.map_err(broke_off)??;
        builders.give_back(group.table, emptied);
        if growing.bytes() >= self.limits.large {
            self.complete[group.table].push(growing.close().await?);
        } else {
            self.growing.push((group, growing));
        }
        // Months come one after another, so the file whose last write is longest ago hardly receives more rows.
        if self.growing.len() > self.limits.open * self.tables.len() {
            let (group, mut idle) = self.growing.remove(0);
            let room = self.room();
            // The remaining rows of the month are written as well. Otherwise they would get a small file of their own,
            // and the whole month would be merged with it.
            for mut rows in builders.all_of(group) {
                idle.write(&rows.finish()?, room).await?;
            }
            self.complete[group.table].push(idle.close().await?);
        }
        Ok(())
    }

    /// How much memory one file may use beside the other open files: at least an eighth of the limit.
    fn room(&self) -> usize {
        let unfinished = self.limits.unfinished;
        let others: usize = self.growing.iter().map(|(_, growing)| growing.memory()).sum();
        unfinished.saturating_sub(others).max(unfinished / 8)
    }
}

/// The folder for the rows of a month. Each stream has one folder, divided by month if the stream grows forever.
fn folder(stream: &Stream, month: Month) -> String {
    let name = stream.name;
    match (stream.created, month) {
        (None, _) => name.to_owned(),
        (Some(_), Some((year, month))) => format!("{name}/month={year:04}-{month:02}"),
        (Some(_), None) => format!("{name}/month={NO_MONTH}"),
    }
}
