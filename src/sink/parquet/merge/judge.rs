//! Decides which rows of a table are dropped. Keys and cursors decide; the content of rows is compared only where they
//! do not suffice.
//!
//! The number of keys in memory is bounded: if there are more, the files are read several times, each time for a share
//! of the keys.

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use futures_util::TryStreamExt;

use super::content::{At, Contents};
use super::{Counts, Merge, Part, Rule, Stays};
use crate::columns::EXTRACTED_AT;
use crate::error::{Error, Kind};
use crate::sink::parquet::parquet_file;

/// How much older the newest record of an export is than the moment of its read, in microseconds.
const SETTLED: i64 = 360_000_000;

/// A 128-bit hash of a key or of a row's content: a collision is practically impossible.
pub type Print = (u64, u64);

/// Randomly seeded hashers, so that nobody can construct a collision.
pub type Hashers = (RandomState, RandomState);

/// A row that is compared with others of its key.
#[derive(Debug, Clone, Copy)]
struct Row {
    cursor: Option<i64>,
    read: i64,
    at: At,
}

impl Row {
    /// When this version of the row last changed. One without a cursor is ranked as the newest version that its read
    /// could bring.
    fn changed(&self) -> i64 {
        self.cursor.unwrap_or(self.read.saturating_sub(SETTLED))
    }

    /// Of two fresh rows, or of two rows of the table, the one with the greater rank is kept.
    fn rank(&self) -> (i64, i64, At) {
        (self.changed(), self.read, self.at)
    }
}

/// The rows of one key that have not been dropped so far.
#[derive(Debug, Default)]
struct Versions {
    /// The fresh row.
    fresh: Option<Row>,
    /// The row of the table.
    old: Option<Row>,
}

/// Decides which rows of a table are kept.
pub struct Judge<'run> {
    merge: &'run Merge<'run>,
    parts: &'run [Part],
    stays: Vec<Stays>,
    counts: Counts,
    hashers: Hashers,
}

impl<'run> Judge<'run> {
    /// Begins with all rows kept.
    pub fn of(merge: &'run Merge<'run>, parts: &'run [Part]) -> Self {
        let stays = parts.iter().map(|part| Stays::all(&part.file)).collect();
        let hashers = (RandomState::new(), RandomState::new());
        Self { merge, parts, stays, counts: Counts::default(), hashers }
    }

    /// Returns the rows to keep, file by file, and the counts of the table's rows.
    pub async fn stays(mut self) -> Result<(Vec<Stays>, Counts), Error> {
        let Merge { rule, appended, limits, .. } = *self.merge;
        let in_memory = |part: &&Part| part.fresh || appended || rule == Rule::Distinct;
        let rows: u64 = self.parts.iter().filter(in_memory).map(|part| part.file.rows).sum();
        let shares = rows.div_ceil(limits.keys).max(1);
        for share in 0..shares {
            match rule {
                Rule::Newest | Rule::Whole { .. } => self.newest((share, shares)).await?,
                Rule::Distinct => self.distinct((share, shares)).await?,
            }
        }
        Ok((self.stays, self.counts))
    }

    /// Keeps one row per key, for one share of the keys.
    async fn newest(&mut self, share: (u64, u64)) -> Result<(), Error> {
        let versions = self.versions(share).await?;
        let both = versions.iter().filter_map(|versions| Some((versions.fresh?, versions.old?)));
        // Equal rows have equal cursors.
        let alike = both.filter(|(fresh, old)| self.merge.stream.cursor.is_none() || fresh.cursor == old.cursor);
        let equal = self.equal(alike.map(|(fresh, old)| (fresh.at, old.at)).unzip()).await?;
        for versions in versions {
            match versions {
                Versions { fresh: Some(_), old: None } => self.counts.new += 1,
                Versions { fresh: Some(fresh), old: Some(old) } => {
                    // Without a cursor, the fresh row counts as newer, whatever the clock showed when the other one was
                    // read.
                    let newer = self.merge.stream.cursor.is_none() || fresh.changed() >= old.changed();
                    if newer && !equal.contains(&fresh.at) {
                        self.lose(old);
                        self.counts.updated += 1;
                    } else {
                        self.lose(fresh);
                    }
                }
                Versions { fresh: None, old: Some(old) } => self.remove_if_gone(old),
                Versions { fresh: None, old: None } => {}
            }
        }
        Ok(())
    }

    /// Returns the highest-ranked fresh row of each key, together with the highest-ranked row of the table. For keys
    /// without fresh rows, the table's rows are decided at once, unless the table may hold several rows of a key.
    async fn versions(&mut self, (share, shares): (u64, u64)) -> Result<Vec<Versions>, Error> {
        let Merge { stream, dataset, .. } = *self.merge;
        let cursor = stream.cursor.unwrap_or(EXTRACTED_AT);
        let columns: Vec<&str> = stream.key.into_iter().chain([cursor, EXTRACTED_AT]).collect();
        let mut known: HashMap<Print, Versions> = HashMap::new();
        let parts = self.parts.iter().enumerate();
        for (index, part) in parts.clone().filter(|(_, part)| part.fresh).chain(parts.filter(|(_, part)| !part.fresh)) {
            let mut rows = parquet_file::open(dataset, &part.file, Some(&columns)).await?;
            let mut row = 0;
            while let Some(batch) = rows.try_next().await.map_err(parquet_file::broken)? {
                let cursors = column_numbers(&batch, stream.cursor.unwrap_or_default());
                let read = column_numbers(&batch, EXTRACTED_AT);
                let prints = prints(&batch, stream.key, &self.hashers);
                for ((print, cursor), read) in prints.into_iter().zip(cursors).zip(read) {
                    let this = Row { cursor, read: read.unwrap_or(i64::MIN), at: at(index, row)? };
                    row += 1;
                    let Some(print) = print else {
                        // A row without a key matches no other row. If it lies in the range of a whole read, it is
                        // removed all the same.
                        if !part.fresh && share == 0 {
                            self.remove_if_gone(this);
                        }
                        continue;
                    };
                    if print.0 % shares == share {
                        self.compare(known.entry(print), this, part.fresh);
                    }
                }
            }
        }
        Ok(known.into_values().collect())
    }

    /// Compares a row with the rows of its key seen so far, and drops the lower-ranked one.
    fn compare(&mut self, known: Entry<'_, Print, Versions>, this: Row, fresh: bool) {
        if matches!(known, Entry::Vacant(_)) && !fresh && !self.merge.appended {
            return self.remove_if_gone(this);
        }
        let versions = known.or_default();
        let best = if fresh { &mut versions.fresh } else { &mut versions.old };
        let loser = match *best {
            Some(best) if best.rank() > this.rank() => Some(this),
            _ => best.replace(this),
        };
        if let Some(loser) = loser {
            self.lose(loser);
        }
    }

    /// Returns the fresh rows whose content equals that of the table's row of the same key.
    async fn equal(&self, (fresh, old): (Vec<At>, Vec<At>)) -> Result<HashSet<At>, Error> {
        if fresh.is_empty() {
            return Ok(HashSet::new());
        }
        let contents = Contents::of(self.merge)?;
        let held = contents.of_rows(self.parts, &old, &self.hashers).await?;
        let came = contents.of_rows(self.parts, &fresh, &self.hashers).await?;
        let pairs = fresh.into_iter().zip(came.into_iter().zip(held));
        Ok(pairs.filter(|(_, (came, held))| came == held).map(|(at, _)| at).collect())
    }

    /// Drops fresh rows whose content the table or an earlier fresh row already holds.
    async fn distinct(&mut self, (share, shares): (u64, u64)) -> Result<(), Error> {
        let contents = Contents::of(self.merge)?;
        let range = self.fresh_range().await?;
        let mut known: HashSet<Print> = HashSet::new();
        let parts = self.parts;
        for (index, part) in parts.iter().enumerate() {
            let held = part.file.min.zip(part.file.max);
            let apart = range.zip(held).is_some_and(|((least, most), (min, max))| max < least || min > most);
            if !part.fresh && apart {
                continue;
            }
            let mut rows = parquet_file::open(self.merge.dataset, &part.file, None).await?;
            let mut row = 0;
            while let Some(batch) = rows.try_next().await.map_err(parquet_file::broken)? {
                for print in contents.of_batch(batch, &self.hashers)? {
                    let at = at(index, row)?;
                    row += 1;
                    if print.0 % shares != share {
                        continue;
                    }
                    let is_new = known.insert(print);
                    if part.fresh && is_new {
                        self.counts.new += 1;
                    } else if part.fresh {
                        self.stays[index].lose(at.1 as usize);
                    }
                }
            }
        }
        Ok(())
    }

    /// The smallest and the largest cursor of the fresh rows. Equal rows have equal cursors, so an older file whose
    /// cursors lie outside this range holds no equal row. `None` if a fresh row has no cursor, since an equal row may
    /// be in any file.
    async fn fresh_range(&self) -> Result<Option<(i64, i64)>, Error> {
        let Some(cursor) = self.merge.stream.cursor else { return Ok(None) };
        let mut range: Option<(i64, i64)> = None;
        for part in self.parts.iter().filter(|part| part.fresh) {
            let mut rows = parquet_file::open(self.merge.dataset, &part.file, Some(&[cursor])).await?;
            while let Some(batch) = rows.try_next().await.map_err(parquet_file::broken)? {
                for cursor in column_numbers(&batch, cursor) {
                    let Some(cursor) = cursor else { return Ok(None) };
                    range = Some(range.map_or((cursor, cursor), |(least, most)| (least.min(cursor), most.max(cursor))));
                }
            }
        }
        Ok(range)
    }

    /// Drops a row of the table if a whole read covered its time but did not bring it.
    fn remove_if_gone(&mut self, row: Row) {
        let Rule::Whole { from, to } = self.merge.rule else { return };
        if self.merge.stream.cursor.is_none() || (from..to).contains(&row.changed()) {
            self.lose(row);
            self.counts.removed += 1;
        }
    }

    fn lose(&mut self, row: Row) {
        self.stays[row.at.0 as usize].lose(row.at.1 as usize);
    }
}

fn at(file: usize, row: usize) -> Result<At, Error> {
    let too_many = |_| Error::new(Kind::Internal, "A table of the dataset holds more rows than can be counted");
    Ok((u32::try_from(file).map_err(too_many)?, u32::try_from(row).map_err(too_many)?))
}

/// The hashes of the rows' keys, none for a key that is null. In a table without a key, all rows are versions of one
/// record.
fn prints(batch: &RecordBatch, key: Option<&str>, hashers: &Hashers) -> Vec<Option<Print>> {
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

/// Hashes a value.
pub fn print<T: Hash + ?Sized>(value: &T, hashers: &Hashers) -> Print {
    (hashers.0.hash_one(value), hashers.1.hash_one(value))
}

fn column_numbers(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    batch
        .column_by_name(name)
        .map_or_else(|| vec![None; batch.num_rows()], |column| parquet_file::numbers(column.as_ref()))
}
