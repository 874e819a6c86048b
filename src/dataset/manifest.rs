//! `_state.json`: what a dataset holds. Writing it is the commit.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Kind};

/// The format version that this program writes.
const FORMAT: u32 = 1;

/// A long read that was not continued for this long starts over.
const ABANDONED: TimeDelta = TimeDelta::days(1);

/// Everything that `_state.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format version of this file.
    pub format: u32,
    /// The account that the data comes from: a subdomain, or `sandbox:<seed>`.
    pub account: String,
    /// Where its first run started to read.
    pub start: DateTime<Utc>,
    /// The run that wrote this file.
    pub run: String,
    /// The run that may write at present, where the store has no locks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The tables by name.
    pub tables: BTreeMap<String, Table>,
}

/// The right of one run to write for a limited time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// The run that holds the lease.
    pub run: String,
    /// When it was last renewed.
    pub renewed: DateTime<Utc>,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The types of its columns, by name.
    pub columns: BTreeMap<String, String>,
    /// Where it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<DateTime<Utc>>,
    /// How far it was read: the state of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Value>,
    /// Whether it may hold several rows of one key.
    #[serde(default)]
    pub appended: bool,
    /// The run that read it last.
    #[serde(default)]
    pub run: String,
    /// When that run committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<DateTime<Utc>>,
    /// The files that make up the table.
    pub live: Vec<DataFile>,
    /// A long read that is under way. Once complete, it replaces the table or is added to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Files that recently made up the table, and that somebody may still be reading.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Retired>,
}

/// One file of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Where it is, below the dataset.
    pub path: String,
    /// How many rows it has.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The smallest cursor in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The largest cursor in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
}

/// How a dump changes a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Read everything, and replace the table with it.
    Overwrite,
    /// Read everything, and add the rows that the table does not hold yet.
    Append,
    /// Read new records, and add them.
    IncrementalAppend,
    /// Read new records, and keep only the latest row of each key.
    IncrementalDeduped,
}

/// A long read that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// How the table is changed once the read is complete.
    pub mode: Mode,
    /// Where the read starts.
    pub start: DateTime<Utc>,
    /// Where the read ends; if none, at the cutoff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<DateTime<Utc>>,
    /// The run that last continued the read.
    #[serde(default)]
    pub run: String,
    /// The types of its columns, by name.
    pub columns: BTreeMap<String, String>,
    /// How far the read has come.
    pub cursor: Option<Value>,
    /// The files that the read has brought so far.
    pub files: Vec<DataFile>,
}

/// A file that is no longer part of its table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Where it is, below the dataset.
    pub path: String,
    /// When it was retired.
    pub at: DateTime<Utc>,
}

impl Manifest {
    /// The manifest of a dataset that holds nothing yet.
    pub fn new(account: &str, start: DateTime<Utc>, run: &str) -> Self {
        let (account, run) = (account.to_owned(), run.to_owned());
        Self { format: FORMAT, account, start, run, lease: None, tables: BTreeMap::new() }
    }

    /// Parses the text of a `_state.json`.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let broken = |error| Error::new(Kind::Dataset, "`_state.json` is not that of a dataset").because(error);
        let Format { format } = serde_json::from_slice(text).map_err(broken)?;
        if format > FORMAT {
            let problem = format!("`_state.json` has the form {format}, which only a newer version knows");
            return Err(Error::new(Kind::Dataset, problem));
        }
        serde_json::from_slice(text).map_err(broken)
    }

    /// The text that is written to `_state.json`.
    pub fn text(&self) -> Result<String, Error> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| text + "\n")
            .map_err(|error| Error::new(Kind::Internal, "`_state.json` cannot be written").because(error))
    }

    /// The paths of all files that somebody may still need.
    pub fn needed(&self) -> impl Iterator<Item = &str> {
        self.tables.values().flat_map(|table| table.paths().chain(table.retired.iter().map(|file| file.path.as_str())))
    }
}

impl Table {
    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.live.iter().map(|file| file.rows).sum()
    }

    /// The paths of the table's files and its pending read's, without retired ones.
    fn paths(&self) -> impl Iterator<Item = &str> {
        let pending = self.pending.iter().flat_map(|pending| &pending.files);
        self.live.iter().chain(pending).map(|file| file.path.as_str())
    }

    /// Whether a file belongs to the table or to its pending read.
    pub fn names(&self, path: &str) -> bool {
        self.paths().any(|known| known == path)
    }

    /// Retires the files of `before` that this table no longer names, and takes over those already retired. Returns the
    /// files of a pending read that this table does not name: nobody can be reading them.
    pub fn retire(&mut self, before: Self, now: DateTime<Utc>) -> Vec<String> {
        let named: HashSet<&str> = self.paths().collect();
        let dropped = |files: Vec<DataFile>| -> Vec<String> {
            files.into_iter().map(|file| file.path).filter(|path| !named.contains(path.as_str())).collect()
        };
        let unseen = dropped(before.pending.map(|pending| pending.files).unwrap_or_default());
        let retired = dropped(before.live).into_iter().map(|path| Retired { path, at: now });
        self.retired = before.retired.into_iter().chain(retired).collect();
        unseen
    }

    /// Drops a pending read that must not be continued: another run has committed the table meanwhile, or the last
    /// commit is more than a day old, and rows deleted since would stay. Returns the files of the read.
    pub fn drop_stale(&mut self, now: DateTime<Utc>) -> Option<Vec<String>> {
        let recent = self.committed.is_some_and(|committed| now - committed <= ABANDONED);
        let stale = self.pending.take_if(|pending| !recent || pending.run != self.run)?;
        Some(stale.files.into_iter().map(|file| file.path).collect())
    }

    /// Removes the files retired by `until` from the list and returns them.
    pub fn forget(&mut self, until: DateTime<Utc>) -> Vec<String> {
        let (gone, kept): (Vec<_>, _) =
            std::mem::take(&mut self.retired).into_iter().partition(|file| file.at <= until);
        self.retired = kept;
        gone.into_iter().map(|file| file.path).collect()
    }
}
