//! Files of one folder made into fewer, with the rows that count.
//!
//! Two passes: the first decides which rows lose, looking at keys only; the second writes the others anew, batch by batch.
//! The first keeps a bounded number of keys in memory: where there are more, it goes over them several times, a share of
//! them each time.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_buffer::BooleanBufferBuilder;
use arrow_row::{RowConverter, SortField};
use arrow_schema::DataType;
use arrow_select::filter::filter_record_batch;
use futures_util::TryStreamExt;

use super::Limits;
use super::columns::{Columns, EXTRACTED_AT, RUN_ID};
use super::file::{self, Growing};
use crate::dataset::{DataFile, Dataset};
use crate::error::{Error, Kind};
use crate::streams::Output;

/// By how much the newest record that is read is older than the moment of reading, in microseconds.
const SETTLED: i64 = 360_000_000;

/// Which rows lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// All of a key but the one with the greatest cursor, and of these the one that was read last.
    Newest,
    /// Those that hold what the table holds already.
    Distinct,
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
    pub output: &'static Output,
    /// Its columns.
    pub columns: &'run Columns,
    /// Which rows lose.
    pub rule: Rule,
    /// Whether all files are written anew, for a column's type is another.
    pub retyped: bool,
    /// How much is held, and how large files become.
    pub limits: Limits,
}

/// What tells a row from others, without the chance of a mistake that anybody could meet.
type Print = (u64, u64);

/// A row among those of its key: the greatest stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    cursor: i64,
    fresh: bool,
    read: i64,
    file: u32,
    row: u32,
}

impl Place {
    fn new(cursor: Option<i64>, fresh: bool, read: Option<i64>, (file, row): (usize, usize)) -> Result<Self, Error> {
        let (Ok(file), Ok(row)) = (u32::try_from(file), u32::try_from(row)) else {
            return Err(Error::new(Kind::Internal, "A folder of the dataset holds more rows than can be counted"));
        };
        // A version that does not say when it came to be is as new as one can be that is read then.
        let read = read.unwrap_or(i64::MIN);
        Ok(Self { cursor: cursor.unwrap_or(read.saturating_sub(SETTLED)), fresh, read, file, row })
    }
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

    fn lose(&mut self, row: usize) {
        // A file that holds more rows than are listed is found out when it is written anew.
        if row < self.rows.len() && self.rows.get_bit(row) {
            self.rows.set_bit(row, false);
            self.lost += 1;
        }
    }
}

impl Merge<'_> {
    /// The files that stand in a folder from now on, oldest first, and how many rows of the table others took the place of.
    pub async fn folder(&self, folder: &str, parts: Vec<Part>) -> Result<(Vec<DataFile>, u64), Error> {
        let stays = self.stays(&parts).await?;
        let old = parts.iter().zip(&stays).filter(|(part, _)| !part.fresh);
        let replaced = old.map(|(_, stays)| stays.lost as u64).sum();
        let is_small = |file: &DataFile| file.bytes < self.limits.small;
        let small = parts.iter().filter(|part| is_small(&part.file)).count();
        let mut stay = Vec::new();
        let mut anew = Vec::new();
        for (part, stays) in parts.into_iter().zip(stays) {
            if stays.lost > 0 && stays.lost == stays.rows.len() {
                continue;
            }
            let alone = small < 2 || !is_small(&part.file);
            if stays.lost == 0 && alone && !self.retyped {
                stay.push(part.file);
            } else {
                anew.push((part.file, stays));
            }
        }
        stay.extend(self.write(folder, anew).await?);
        Ok((stay, replaced))
    }

    /// Writes the rows of files anew, but for those that lose.
    async fn write(&self, folder: &str, files: Vec<(DataFile, Stays)>) -> Result<Vec<DataFile>, Error> {
        let mut written = Vec::new();
        let mut growing: Option<Growing> = None;
        for (file, mut stays) in files {
            let stays = stays.rows.finish();
            let mut rows = file::open(self.dataset, &file, None).await?;
            let mut first = 0;
            while let Some(batch) = rows.try_next().await.map_err(file::broken)? {
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
                    growing.insert(Growing::begin(self.dataset, path, &self.columns.schema(), self.output.cursor)?)
                };
                into.write(&self.columns.fitted(self.output, batch)?, self.limits.unfinished).await?;
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

    /// The rows that stay, file by file.
    async fn stays(&self, parts: &[Part]) -> Result<Vec<Stays>, Error> {
        let mut stays: Vec<Stays> = parts.iter().map(|part| Stays::all(&part.file)).collect();
        let hashers = (RandomState::new(), RandomState::new());
        let rows: u64 = parts.iter().map(|part| part.file.rows).sum();
        let shares = rows.div_ceil(self.limits.keys).max(1);
        for share in 0..shares {
            match self.rule {
                Rule::Newest => self.older(parts, (share, shares), &hashers, &mut stays).await?,
                Rule::Distinct => self.repeated(parts, (share, shares), &hashers, &mut stays).await?,
            }
        }
        Ok(stays)
    }

    /// Finds the rows that a later one of the same key replaces.
    async fn older(
        &self,
        parts: &[Part],
        (share, shares): (u64, u64),
        hashers: &(RandomState, RandomState),
        stays: &mut [Stays],
    ) -> Result<(), Error> {
        let cursor = self.output.cursor.unwrap_or(EXTRACTED_AT);
        let columns: Vec<&str> = self.output.key.into_iter().chain([cursor, EXTRACTED_AT]).collect();
        let mut newest: HashMap<Print, Place> = HashMap::new();
        for (index, part) in parts.iter().enumerate() {
            let mut rows = file::open(self.dataset, &part.file, Some(&columns)).await?;
            let mut row = 0;
            while let Some(batch) = rows.try_next().await.map_err(file::broken)? {
                let (cursors, read) = (column_numbers(&batch, cursor), column_numbers(&batch, EXTRACTED_AT));
                let prints = prints(&batch, self.output.key, hashers);
                for ((print, cursor), read) in prints.into_iter().zip(cursors).zip(read) {
                    let at = row;
                    row += 1;
                    // A row without a key is like no other.
                    let Some(print) = print.filter(|print| print.0 % shares == share) else { continue };
                    let this = Place::new(cursor, part.fresh, read, (index, at))?;
                    if let Some(before) = newest.insert(print, this) {
                        let (winner, loser) = if before < this { (this, before) } else { (before, this) };
                        newest.insert(print, winner);
                        stays[loser.file as usize].lose(loser.row as usize);
                    }
                }
            }
        }
        Ok(())
    }

    /// Finds the new rows that the table holds already.
    async fn repeated(
        &self,
        parts: &[Part],
        (share, shares): (u64, u64),
        hashers: &(RandomState, RandomState),
        stays: &mut [Stays],
    ) -> Result<(), Error> {
        let schema = self.columns.schema();
        let fields = schema.fields().iter().filter(|field| ![EXTRACTED_AT, RUN_ID].contains(&field.name().as_str()));
        let sorted = fields.clone().map(|field| SortField::new(field.data_type().clone())).collect();
        let converter = RowConverter::new(sorted).map_err(confused)?;
        let names: Vec<&str> = fields.map(|field| field.name().as_str()).collect();
        // Rows that are the same have the same cursor: older files beyond those of the new ones hold none of them.
        let fresh = || parts.iter().filter(|part| part.fresh).map(|part| &part.file);
        let range = fresh().filter_map(|file| file.min).min().zip(fresh().filter_map(|file| file.max).max());
        let mut known: HashSet<Print> = HashSet::new();
        for (index, part) in parts.iter().enumerate() {
            let apart = range
                .zip(part.file.min.zip(part.file.max))
                .is_some_and(|((least, most), (min, max))| max < least || min > most);
            if !part.fresh && apart {
                continue;
            }
            let mut rows = file::open(self.dataset, &part.file, None).await?;
            let mut row = 0;
            while let Some(batch) = rows.try_next().await.map_err(file::broken)? {
                let batch = self.columns.fitted(self.output, batch)?;
                let columns: Vec<_> = names.iter().filter_map(|name| batch.column_by_name(name).cloned()).collect();
                for content in &converter.convert_columns(&columns).map_err(confused)? {
                    let print = print(content.as_ref(), hashers);
                    if print.0 % shares == share && !known.insert(print) && part.fresh {
                        stays[index].lose(row);
                    }
                    row += 1;
                }
            }
        }
        Ok(())
    }
}

/// What tells a row's key from others; none where it is null. Rows of a table without keys are states of one thing.
fn prints(batch: &RecordBatch, key: Option<&str>, hashers: &(RandomState, RandomState)) -> Vec<Option<Print>> {
    let Some(key) = key else { return vec![Some((0, 0)); batch.num_rows()] };
    let Some(column) = batch.column_by_name(key) else { return vec![None; batch.num_rows()] };
    match column.data_type() {
        DataType::Int64 => {
            column.as_primitive::<Int64Type>().iter().map(|key| key.map(|key| print(&key, hashers))).collect()
        }
        DataType::Utf8 => column.as_string::<i32>().iter().map(|key| key.map(|key| print(key, hashers))).collect(),
        _ => vec![None; batch.num_rows()],
    }
}

fn print<T: Hash + ?Sized>(value: &T, hashers: &(RandomState, RandomState)) -> Print {
    (hashers.0.hash_one(value), hashers.1.hash_one(value))
}

fn column_numbers(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    batch.column_by_name(name).map_or_else(|| vec![None; batch.num_rows()], |column| file::numbers(column.as_ref()))
}

fn miscounted(file: &DataFile) -> Error {
    Error::new(Kind::Incomplete, format!("{} does not hold the rows that `_state.json` lists", file.path))
}

fn confused(error: arrow_schema::ArrowError) -> Error {
    Error::new(Kind::Internal, "Rows of the dataset do not fit together").because(error)
}
