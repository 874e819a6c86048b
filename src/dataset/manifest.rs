//! `_state.json`: what a dataset holds. Writing it is the commit.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Kind};

/// The version of the form that this program writes.
const FORMAT: u32 = 1;

/// A long read that nobody went on with for so long is begun anew.
const ABANDONED: TimeDelta = TimeDelta::days(1);

/// Everything that a dataset says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this form.
    pub format: u32,
    /// Whose data it is: a subdomain, or `sandbox:<seed>`.
    pub account: String,
    /// Where its first run began to read.
    pub start: DateTime<Utc>,
    /// The run that wrote this.
    pub run: String,
    /// Who may write, where the store has no locks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The tables by name.
    pub tables: BTreeMap<String, Table>,
}

/// The right to write for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// Whose it is.
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
    /// The files that are the table.
    pub live: Vec<DataFile>,
    /// A long read that is under way and will take the table's place, or be added to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Files that were the table until a while ago, and that somebody may still be reading.
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
    /// How large it is.
    pub bytes: u64,
    /// The least cursor in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The greatest cursor in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
}

/// What a dump does to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Read everything, and put it in the table's place.
    Overwrite,
    /// Read everything, and add what the table does not hold yet.
    Append,
    /// Read what is new, and add it.
    IncrementalAppend,
    /// Read what is new, and keep one row a key, the latest.
    IncrementalDeduped,
}

/// A long read that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// What it will do when it is done.
    pub mode: Mode,
    /// Where it began.
    pub start: DateTime<Utc>,
    /// Where it will end, if not at the latest there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<DateTime<Utc>>,
    /// The run that read of it last.
    #[serde(default)]
    pub run: String,
    /// The types of its columns, by name.
    pub columns: BTreeMap<String, String>,
    /// How far it has come.
    pub cursor: Option<Value>,
    /// What it has brought.
    pub files: Vec<DataFile>,
}

/// A file that is no longer part of its table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Where it is, below the dataset.
    pub path: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

impl Manifest {
    /// That of a dataset that holds nothing yet.
    pub fn new(account: &str, start: DateTime<Utc>, run: &str) -> Self {
        let (account, run) = (account.to_owned(), run.to_owned());
        Self { format: FORMAT, account, start, run, lease: None, tables: BTreeMap::new() }
    }

    /// Reads one that was written earlier.
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

    /// As it is written.
    pub fn text(&self) -> Result<String, Error> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| text + "\n")
            .map_err(|error| Error::new(Kind::Internal, "`_state.json` cannot be written").because(error))
    }

    /// Every file that somebody may need.
    pub fn needed(&self) -> impl Iterator<Item = &str> {
        self.tables.values().flat_map(|table| table.paths().chain(table.retired.iter().map(|file| file.path.as_str())))
    }
}

impl Table {
    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.live.iter().map(|file| file.rows).sum()
    }

    /// The files that it names, but for retired ones.
    fn paths(&self) -> impl Iterator<Item = &str> {
        let pending = self.pending.iter().flat_map(|pending| &pending.files);
        self.live.iter().chain(pending).map(|file| file.path.as_str())
    }

    /// Whether a file is part of it.
    pub fn names(&self, path: &str) -> bool {
        self.paths().any(|known| known == path)
    }

    /// Takes over the retired files of what it was before, and those that it no longer names. Gives away files of a long read that it
    /// does not name: nobody could be reading them.
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

    /// Drops a long read that nobody should go on with, since another run has committed the table meanwhile, or for it is older than a day:
    /// what was deleted since would stay. Gives away its files.
    pub fn drop_stale(&mut self, now: DateTime<Utc>) -> Option<Vec<String>> {
        let recent = self.committed.is_some_and(|committed| now - committed <= ABANDONED);
        let stale = self.pending.take_if(|pending| !recent || pending.run != self.run)?;
        Some(stale.files.into_iter().map(|file| file.path).collect())
    }

    /// Gives away the files that were retired until then.
    pub fn forget(&mut self, until: DateTime<Utc>) -> Vec<String> {
        let (gone, kept): (Vec<_>, _) =
            std::mem::take(&mut self.retired).into_iter().partition(|file| file.at <= until);
        self.retired = kept;
        gone.into_iter().map(|file| file.path).collect()
    }
}
