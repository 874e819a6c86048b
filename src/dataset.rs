//! A dataset: files of rows, and `_state.json` that says which of them count.
//!
//! The order that keeps it whole at every instant: files under names never used before, then `_state.json`, then
//! `views.sql`, then the removal of files that have not counted for a while. Only whoever holds the dataset removes files.

mod manifest;
mod store;
mod task;
mod views;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use object_store::UpdateVersion;
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::error::{Error, Kind};

pub use manifest::{DataFile, Lease, Manifest, Mode, Pending, Retired, Table};
pub use store::{Store, concise};
pub use task::{TableTask, TableTasks};

use store::{LOCK, NotWritten};

const STATE: &str = "_state.json";
const VIEWS: &str = "views.sql";

/// How long a file that no longer counts may still be read by somebody.
const GRACE: TimeDelta = TimeDelta::minutes(15);

/// How long a lease lasts that nobody renews.
const LEASE: TimeDelta = TimeDelta::minutes(5);

/// How often a write is tried again that the store refuses although nobody wrote meanwhile.
const CONFLICTS: u32 = 6;

/// How long before the first of those; each time twice as long.
const CONFLICT_PAUSE: Duration = Duration::from_millis(100);

/// How often a lease is renewed, whatever else is written.
const RENEWAL: Duration = Duration::from_mins(1);

/// A dataset that this run may write.
pub struct Dataset {
    /// Where it lies.
    pub store: Store,
    /// This run's name, which no other run has.
    pub run: String,
    /// The names that its tables may have.
    tables: Vec<&'static str>,
    clock: Clock,
    held: Mutex<Committed>,
    names: AtomicU64,
}

/// A table as it is from a commit on.
#[derive(Debug, Clone)]
pub struct TableCommit {
    /// The table's name.
    pub name: &'static str,
    /// What it is then.
    pub table: Table,
    /// Files that this run has written since its last commit. Nobody has seen them: those that `table` does not name are
    /// removed at once.
    pub made: Vec<String>,
}

/// What is committed.
struct Committed {
    manifest: Manifest,
    version: Option<UpdateVersion>,
}

impl Dataset {
    /// Takes a place for this run, for tables of these names: makes a dataset there, or goes on with the one of this account, and clears what killed runs left.
    pub async fn open(
        store: Store,
        tables: &[&'static str],
        account: &str,
        start: DateTime<Utc>,
        clock: Clock,
    ) -> Result<Self, Error> {
        store.refuse_other_datasets(tables).await?;
        let run = run_id(clock.now());
        let (manifest, version) = match store.read(STATE).await? {
            Some((text, version)) => {
                (Manifest::parse(&text).map_err(|error| error.at(&store.address("")))?, Some(version))
            }
            None => (Manifest::new(account, start, &run), None),
        };
        refuse_foreign_views(&store).await?;
        if version.is_none() {
            refuse_orphans(&store, tables).await?;
            warn_of_others(&store).await?;
        }
        refuse_other_account(&manifest, account, &store)?;
        if let Some(lease) = manifest.lease.as_ref().filter(|lease| clock.now() - lease.renewed < LEASE) {
            let (last, until) = (lease.renewed.format("%H:%M:%S"), (lease.renewed + LEASE).format("%H:%M:%S"));
            let since = format!("was last heard of at {last} UTC; if it was killed, the place is free from {until} on");
            let problem = format!("The run {}, which is writing to {}, {since}", lease.run, store.address(""));
            return Err(Error::new(Kind::DatasetInUse, problem));
        }
        let dataset = Self {
            store,
            run,
            tables: tables.to_vec(),
            clock,
            held: Mutex::new(Committed { manifest, version }),
            names: AtomicU64::new(0),
        };
        let mut held = dataset.held.lock().await;
        let gone = dataset.change(&mut held, |manifest| {
            manifest.lease = (!dataset.store.is_locked()).then(|| dataset.lease());
            manifest.run.clone_from(&dataset.run);
            let now = dataset.clock.now();
            let mut gone = Vec::new();
            for (name, table) in &mut manifest.tables {
                gone.extend(table.forget(now - GRACE));
                if let Some(files) = table.drop_stale(now) {
                    info!("{name}: a read that was not finished is begun anew: it is old, or the table was written meanwhile");
                    gone.extend(files);
                }
            }
            gone
        });
        let gone = gone.await?;
        // Before anything is removed, the views name only what counts.
        let cleared = match dataset.write_views(&held.manifest).await {
            Ok(()) => dataset.sweep(&held.manifest, gone).await,
            Err(error) => Err(error),
        };
        drop(held);
        if let Err(error) = cleared {
            // Why it cannot be begun matters more than what came of giving it free.
            let _ = dataset.close().await;
            return Err(error);
        }
        Ok(dataset)
    }

    /// Everything that is committed.
    pub async fn manifest(&self) -> Manifest {
        self.held.lock().await.manifest.clone()
    }

    /// What is committed of a table; none if it was never read.
    pub async fn table(&self, name: &str) -> Option<Table> {
        self.held.lock().await.manifest.tables.get(name).cloned()
    }

    /// A path for a file in a folder, which no file had before.
    pub fn fresh_path(&self, folder: &str) -> String {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        format!("{folder}/{}-{number:05}.parquet", self.run)
    }

    /// Commits tables, all of them at once. Files that a table no longer names are retired.
    pub async fn commit(&self, changed: &[TableCommit]) -> Result<(), Error> {
        let mut held = self.held.lock().await;
        let change = self.change(&mut held, |manifest| {
            let now = self.clock.now();
            let mut gone = Vec::new();
            for TableCommit { name, table, made } in changed {
                let before = manifest.tables.remove(*name).unwrap_or_default();
                let mut table = Table { run: self.run.clone(), committed: Some(now), ..table.clone() };
                let unseen = table.retire(before, now);
                gone.extend(table.forget(now - GRACE).into_iter().chain(unseen));
                gone.extend(made.iter().filter(|path| !table.names(path)).cloned());
                manifest.tables.insert((*name).to_owned(), table);
            }
            gone
        });
        let gone = change.await?;
        self.write_views(&held.manifest).await?;
        drop(held);
        self.remove(gone).await;
        Ok(())
    }

    /// Removes files that nobody needs; what stays behind is tried again when the next run starts.
    async fn remove(&self, paths: Vec<String>) {
        for path in paths {
            if let Err(error) = self.store.remove(&path).await {
                warn!("{path} is of no use any more and cannot be removed: {error}");
            }
        }
    }

    /// Keeps the right to write for as long as it is awaited; returns when it is lost, and why.
    pub async fn hold(&self) -> Error {
        if self.store.is_locked() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(RENEWAL).await;
            let mut held = self.held.lock().await;
            let Err(error) = self.change(&mut held, |_| ()).await else { continue };
            let renewed = held.manifest.lease.as_ref().map_or(DateTime::UNIX_EPOCH, |lease| lease.renewed);
            if error.kind() == Kind::DatasetInUse || self.clock.now() - renewed >= LEASE {
                return error;
            }
            warn!("the right to write the dataset cannot be renewed yet: {error}");
        }
    }

    /// Gives the dataset free for others.
    pub async fn close(&self) -> Result<(), Error> {
        if self.store.is_locked() {
            return Ok(());
        }
        let mut held = self.held.lock().await;
        self.change(&mut held, |manifest| manifest.lease = None).await
    }

    fn lease(&self) -> Lease {
        Lease { run: self.run.clone(), renewed: self.clock.now() }
    }

    /// Changes `_state.json`, which is the commit of the change, and renews the lease with it.
    async fn change<T>(&self, held: &mut Committed, change: impl Fn(&mut Manifest) -> T) -> Result<T, Error> {
        let mut conflicts = 0;
        loop {
            let mut manifest = held.manifest.clone();
            manifest.lease = manifest.lease.map(|_| self.lease());
            let result = change(&mut manifest);
            let text = manifest.text()?;
            let not_written = match self.store.replace(STATE, text.clone(), held.version.as_ref()).await {
                Ok(version) => {
                    *held = Committed { manifest, version: Some(version) };
                    return Ok(result);
                }
                Err(not_written) => not_written,
            };
            // The answer to a write that was carried out may be lost: what is there decides.
            match self.store.read(STATE).await? {
                Some((there, version)) if there == text.as_bytes() => {
                    *held = Committed { manifest, version: Some(version) };
                    return Ok(result);
                }
                // It was an earlier write of this run whose answer was lost; this one goes on top of it.
                Some((there, version)) if self.is_ours(&there) && held.version.as_ref() != Some(&version) => {
                    *held = Committed { manifest: Manifest::parse(&there)?, version: Some(version) };
                }
                // A store may refuse one of several writes at once, of which none is done in the end.
                there
                    if matches!(not_written, NotWritten::Overtaken)
                        && there.as_ref().map(|(_, version)| version) == held.version.as_ref()
                        && conflicts < CONFLICTS =>
                {
                    tokio::time::sleep(CONFLICT_PAUSE * 2_u32.pow(conflicts)).await;
                    conflicts += 1;
                }
                _ => return Err(self.refused(not_written)),
            }
        }
    }

    /// Whether a `_state.json` was written by this run, while it had the right to.
    fn is_ours(&self, text: &[u8]) -> bool {
        !self.store.is_locked()
            && Manifest::parse(text).is_ok_and(|there| there.lease.is_some_and(|lease| lease.run == self.run))
    }

    fn refused(&self, not_written: NotWritten) -> Error {
        match not_written {
            NotWritten::Failed(error) => error,
            NotWritten::Overtaken => {
                Error::new(Kind::DatasetInUse, format!("Another run has taken over {}", self.store.address("")))
            }
        }
    }

    async fn write_views(&self, manifest: &Manifest) -> Result<(), Error> {
        self.store.write(VIEWS, views::text(manifest, &self.store)).await
    }

    /// Removes files of ours that count for nothing: what killed runs left, and what was retired long ago.
    async fn sweep(&self, manifest: &Manifest, mut gone: Vec<String>) -> Result<(), Error> {
        self.store.remove_leftovers_of(&[STATE, VIEWS]);
        let needed: HashSet<&str> = manifest.needed().collect();
        for path in own_files(&self.store, &self.tables).await? {
            if needed.contains(path.as_str()) {
                continue;
            }
            if path.ends_with(".parquet") {
                gone.push(path);
            } else {
                self.store.remove_leftover(&path);
            }
        }
        self.remove(gone).await;
        Ok(())
    }
}

/// The views over what is committed, for where the dataset lies now.
pub fn views_at(manifest: &Manifest, store: &Store) -> String {
    views::text(manifest, store)
}

/// Whether the file of views beside a dataset is over the files of this place; a dataset that was moved has another.
pub async fn has_its_views(store: &Store) -> Result<bool, Error> {
    let there = store.read(VIEWS).await?;
    Ok(there.is_some_and(|(text, _)| views::is_of(&String::from_utf8_lossy(&text), store)))
}

/// What is committed at a place; none if there is no dataset.
pub async fn manifest_at(store: &Store) -> Result<Option<Manifest>, Error> {
    let Some((text, _)) = store.read(STATE).await? else { return Ok(None) };
    Manifest::parse(&text).map(Some).map_err(|error| error.at(&store.address("")))
}

/// What a run of an account would find at a place; none if there is no dataset.
pub async fn manifest_for(
    store: &Store,
    tables: &[&str],
    account: &str,
    now: DateTime<Utc>,
) -> Result<Option<Manifest>, Error> {
    store.refuse_other_datasets(tables).await?;
    refuse_foreign_views(store).await?;
    let Some(mut manifest) = manifest_at(store).await? else { return Ok(None) };
    refuse_other_account(&manifest, account, store)?;
    for table in manifest.tables.values_mut() {
        table.drop_stale(now);
    }
    Ok(Some(manifest))
}

fn refuse_other_account(manifest: &Manifest, account: &str, store: &Store) -> Result<(), Error> {
    if manifest.account == account {
        return Ok(());
    }
    let problem = format!("The dataset at {} is that of {}, not of {account}", store.address(""), manifest.account);
    Err(Error::new(Kind::Dataset, problem))
}

/// The files that runs wrote into the folders of tables, what killed ones left half-written among them.
async fn own_files(store: &Store, tables: &[&str]) -> Result<Vec<String>, Error> {
    let mut files = Vec::new();
    for table in tables {
        files.extend(store.files(table).await?.into_iter().filter(|path| is_ours(path)));
    }
    Ok(files)
}

/// Refuses a place where the file of views is somebody's own, which the first commit would replace.
async fn refuse_foreign_views(store: &Store) -> Result<(), Error> {
    if store.read(VIEWS).await?.is_none_or(|(text, _)| views::is_ours(&text)) {
        return Ok(());
    }
    let problem =
        format!("{} was not written by this program, which would replace it: rename it", store.address(VIEWS));
    Err(Error::new(Kind::Place, problem))
}

/// Warns of what lay at the place before the dataset did: perhaps another place was meant.
async fn warn_of_others(store: &Store) -> Result<(), Error> {
    let names = store.names().await?;
    if let Some(name) = names.iter().find(|name| ![LOCK, VIEWS].contains(&name.as_str())) {
        let place = store.address("");
        warn!("{place} is not empty: a dataset is made there beside {name}, which is left as it is");
    }
    Ok(())
}

/// Refuses a place that holds tables but nothing that says which of their files count: to begin anew there would remove them.
async fn refuse_orphans(store: &Store, tables: &[&str]) -> Result<(), Error> {
    let Some(file) = own_files(store, tables).await?.into_iter().find(|path| path.ends_with(".parquet")) else {
        return Ok(());
    };
    let problem = format!("{} holds files of a dataset, such as {file}, but no `_state.json`", store.address(""));
    Err(Error::new(Kind::Dataset, problem))
}

/// A name for a run: when it began, and chance.
fn run_id(now: DateTime<Utc>) -> String {
    let chance = RandomState::new().hash_one(now) & 0xffff_ffff;
    format!("{}-{chance:08x}", now.format("%Y%m%dT%H%M%SZ"))
}

/// Whether a file has a name that a run gave it, be it still under way: `20250301T120000Z-0123abcd-00007.parquet`, and perhaps `#1`.
fn is_ours(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = name.split_once('#').map_or(name, |(name, _)| name);
    let Some(parts) = name.strip_suffix(".parquet") else { return false };
    let mut parts = parts.split('-');
    let (Some(time), Some(chance), Some(number), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    time.len() == 16
        && time.ends_with('Z')
        && chance.len() == 8
        && hexadecimal(chance)
        && number.bytes().all(|byte| byte.is_ascii_digit())
}
