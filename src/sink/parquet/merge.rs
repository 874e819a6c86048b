//! Merges the files of a table into fewer files, which hold only the rows to keep.
//!
//! First, `judge` decides which rows are dropped. Then the files with dropped rows are rewritten without them, batch by
//! batch. Unless rows are appended, all rows of a key end up in one folder: if a record's month changes, its row in the
//! old month's folder is dropped.

mod content;
mod judge;

use std::collections::BTreeMap;

use arrow_array::BooleanArray;
use arrow_buffer::BooleanBufferBuilder;
use arrow_select::filter::filter_record_batch;
use futures_util::TryStreamExt;
use tracing::warn;

use super::Limits;
use super::parquet_file::{self, Growing};
use crate::columns::Columns;
use crate::dataset::{DataFile, Dataset};
use crate::error::{Error, Kind};
use crate::source::streams::Stream;

use judge::Judge;

/// Which rows the merge drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Keeps one row per key: the one with the greatest cursor and, among equal cursors, the one read last. A fresh row
    /// that equals the table's row is dropped, so that it changes nothing.
    Newest,
    /// The same, and also drops rows of the table that the read covered but did not bring: those whose cursor lies
    /// between `from` (inclusive) and `to` (exclusive), in microseconds, or all of them if the stream has no cursor.
    Whole {
        /// Where the read began.
        from: i64,
        /// Where the read ended.
        to: i64,
    },
    /// Drops fresh rows whose content the table already holds, and keeps equal fresh rows once.
    Distinct,
}

/// How many rows of a table were added, updated and removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that were added: their key or, in append mode, their content was not in the table.
    pub new: u64,
    /// Rows that replaced an earlier row with other content.
    pub updated: u64,
    /// Rows that were removed because a whole read did not bring them.
    pub removed: u64,
}

impl Counts {
    /// Adds the counts of other rows or of a later commit.
    pub fn add(&mut self, other: Self) {
        self.new += other.new;
        self.updated += other.updated;
        self.removed += other.removed;
    }
}

/// A file to be merged.
#[derive(Debug, Clone)]
pub struct Part {
    /// The file.
    pub file: DataFile,
    /// Whether its rows are fresh: about to be added to the table, not part of it yet.
    pub fresh: bool,
}

/// The merge of one table's files.
pub struct Merge<'run> {
    /// The dataset that the table is in.
    pub dataset: &'run Dataset,
    /// The stream whose records are its rows.
    pub stream: &'static Stream,
    /// The table's columns.
    pub columns: &'run Columns,
    /// Which rows the merge drops.
    pub rule: Rule,
    /// Whether all files are rewritten because the type of a column changed.
    pub retyped: bool,
    /// Whether the table may hold several rows of a key.
    pub appended: bool,
    /// The limits of memory and of file sizes.
    pub limits: Limits,
}

/// Which rows of a file are kept.
struct Stays {
    rows: BooleanBufferBuilder,
    lost: usize,
}

impl Stays {
    /// Keeps all rows of a file.
    fn all(file: &DataFile) -> Self {
        let count = usize::try_from(file.rows).unwrap_or(usize::MAX);
        let mut rows = BooleanBufferBuilder::new(count);
        rows.append_n(count, true);
        Self { rows, lost: 0 }
    }

    /// Drops a row.
    fn lose(&mut self, row: usize) {
        // A file with more rows than `_state.json` lists is reported when it is rewritten.
        if row < self.rows.len() && self.rows.get_bit(row) {
            self.rows.set_bit(row, false);
            self.lost += 1;
        }
    }
}

impl Merge<'_> {
    /// Returns the files that make up the table from now on, by folder and oldest first within each, and the counts of
    /// its rows.
    pub async fn table(&self, mut parts: Vec<Part>) -> Result<(Vec<DataFile>, Counts), Error> {
        let (stays, counts) = match Judge::of(self, &parts).stays().await {
            // A whole read repairs a table whose files are missing or damaged.
            Err(error) => {
                if !matches!(self.rule, Rule::Whole { .. }) || self.drop_unreadable(&mut parts).await == 0 {
                    return Err(error);
                }
                Judge::of(self, &parts).stays().await?
            }
            Ok(judged) => judged,
        };
        let mut folders: BTreeMap<String, Vec<(Part, Stays)>> = BTreeMap::new();
        for (part, stays) in parts.into_iter().zip(stays) {
            let folder = part.file.path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            // A file that loses all its rows is not read again.
            if stays.lost == 0 || stays.lost < stays.rows.len() {
                folders.entry(folder).or_default().push((part, stays));
            }
        }
        let mut files = Vec::new();
        for (folder, parts) in folders {
            files.extend(self.folder(&folder, parts).await?);
        }
        Ok((files, counts))
    }

    /// Leaves out files of the table that cannot be read to their end, and returns how many there were.
    async fn drop_unreadable(&self, parts: &mut Vec<Part>) -> usize {
        let all = parts.len();
        for part in std::mem::take(parts) {
            match self.is_readable(&part.file).await {
                Err(_) if !part.fresh => {
                    warn!("{} cannot be read; a whole read takes its place", part.file.path);
                }
                _ => parts.push(part),
            }
        }
        all - parts.len()
    }

    async fn is_readable(&self, file: &DataFile) -> Result<(), Error> {
        let mut rows = parquet_file::open(self.dataset, file, None).await?;
        while rows.try_next().await.map_err(parquet_file::broken)?.is_some() {}
        Ok(())
    }

    /// Returns the files of a folder from now on, oldest first. Without fresh files, dropped rows or a changed column
    /// type, they stay as they are.
    async fn folder(&self, folder: &str, parts: Vec<(Part, Stays)>) -> Result<Vec<DataFile>, Error> {
        let changed = self.retyped || parts.iter().any(|(part, stays)| part.fresh || stays.lost > 0);
        let is_small = |file: &DataFile| file.bytes < self.limits.small;
        let small = parts.iter().filter(|(part, _)| is_small(&part.file)).count();
        let mut stay = Vec::new();
        let mut anew = Vec::new();
        for (part, stays) in parts {
            let alone = small < 2 || !is_small(&part.file);
            if !changed || (stays.lost == 0 && alone && !self.retyped) {
                stay.push(part.file);
            } else {
                anew.push((part.file, stays));
            }
        }
        stay.extend(self.write(folder, anew).await?);
        Ok(stay)
    }

    /// Rewrites files without their dropped rows.
    async fn write(&self, folder: &str, files: Vec<(DataFile, Stays)>) -> Result<Vec<DataFile>, Error> {
        let mut written = Vec::new();
        let mut growing: Option<Growing> = None;
        for (file, mut stays) in files {
            let stays = stays.rows.finish();
            let mut rows = parquet_file::open(self.dataset, &file, None).await?;
            let mut first = 0;
            while let Some(batch) = rows.try_next().await.map_err(parquet_file::broken)? {
                let count = batch.num_rows();
                if first + count > stays.len() {
                    return Err(miscounted(&file));
                }
                let kept = BooleanArray::new(stays.slice(first, count), None);
                first += count;
                let batch = filter_record_batch(&batch, &kept).map_err(confused)?;
                let into = if let Some(growing) = &mut growing {
                    growing
                } else {
                    let path = self.dataset.fresh_path(folder);
                    growing.insert(Growing::begin(self.dataset, path, &self.columns.schema(), self.stream.cursor)?)
                };
                into.write(&self.columns.fitted(self.stream, batch)?, self.limits.unfinished).await?;
                if into.bytes() >= self.limits.large
                    && let Some(full) = growing.take()
                {
                    written.push(full.close().await?);
                }
            }
            if first < stays.len() {
                return Err(miscounted(&file));
            }
        }
        if let Some(last) = growing {
            written.push(last.close().await?);
        }
        Ok(written)
    }
}

fn miscounted(file: &DataFile) -> Error {
    Error::new(Kind::Incomplete, format!("{} does not hold the rows that `_state.json` lists", file.path))
}

fn confused(error: arrow_schema::ArrowError) -> Error {
    Error::new(Kind::Internal, "Rows of the dataset do not fit together").because(error)
}

#[cfg(test)]
mod tests;
