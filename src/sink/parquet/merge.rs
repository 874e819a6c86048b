//! The files of a table made into fewer, with the rows that count.
//!
//! First it is decided which rows lose (`judge`), then the files of those that do are written anew without them, batch by
//! batch. A key lies in one folder: a row that belongs into another month than before leaves the one that it was in.

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

/// Which rows lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// All of a key but the one with the greatest cursor, and of these the one that was read last. One that holds what the
    /// table holds already changes nothing.
    Newest,
    /// The same, and rows of the table that the read went over and did not bring: those whose cursor lies from `from` on and before
    /// `to`, in microseconds, or all where there is no cursor.
    Whole {
        /// Where the read began.
        from: i64,
        /// Where it ended.
        to: i64,
    },
    /// Those that hold what the table holds already.
    Distinct,
}

/// What became of a table's rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows of keys that it did not hold.
    pub new: u64,
    /// Rows that took the place of another one.
    pub updated: u64,
    /// Rows that are gone, since a whole read did not bring them.
    pub removed: u64,
}

impl Counts {
    /// Adds what became of others, or of the same later.
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
    /// Whether its rows are new to the table.
    pub fresh: bool,
}

/// A table whose files are merged.
pub struct Merge<'run> {
    /// Where it lies.
    pub dataset: &'run Dataset,
    /// What its rows are.
    pub stream: &'static Stream,
    /// Its columns.
    pub columns: &'run Columns,
    /// Which rows lose.
    pub rule: Rule,
    /// Whether all files are written anew, for a column's type is another.
    pub retyped: bool,
    /// Whether the table may hold several rows of a key.
    pub appended: bool,
    /// How much is held, and how large files become.
    pub limits: Limits,
}

/// Which rows of a file stay.
struct Stays {
    rows: BooleanBufferBuilder,
    lost: usize,
}

impl Stays {
    /// All rows of a file.
    fn all(file: &DataFile) -> Self {
        let count = usize::try_from(file.rows).unwrap_or(usize::MAX);
        let mut rows = BooleanBufferBuilder::new(count);
        rows.append_n(count, true);
        Self { rows, lost: 0 }
    }

    /// A row does not stay.
    fn lose(&mut self, row: usize) {
        // A file that holds more rows than are listed is found out when it is written anew.
        if row < self.rows.len() && self.rows.get_bit(row) {
            self.rows.set_bit(row, false);
            self.lost += 1;
        }
    }
}

impl Merge<'_> {
    /// The files that are the table from now on, folder by folder and in each the oldest first, and what became of its rows.
    pub async fn table(&self, mut parts: Vec<Part>) -> Result<(Vec<DataFile>, Counts), Error> {
        let (stays, counts) = match Judge::of(self, &parts).stays().await {
            // What is read as a whole heals a table whose files are gone or broken.
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
            // A file of which no row stays is not looked at again.
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

    /// Leaves out files of the table that cannot be read to their end, and tells how many there were.
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

    /// The files that stand in a folder from now on, oldest first. One to which nothing came and in which nothing lost stays as it is.
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

    /// Writes the rows of files anew, but for those that lose.
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
