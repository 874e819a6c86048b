//! A dataset: files of rows, and `_state.json`, which lists the files that belong to the dataset. Other files do not
//! count.
//!
//! Writes happen in an order that keeps the dataset whole at every instant: first data files under names never used
//! before, then `_state.json`, then `views.sql`, then the removal of files that have not counted for a while. Only the
//! run that holds the dataset removes files.

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

/// How long a file is kept after it stopped counting, since somebody may still be reading it.
const GRACE: TimeDelta = TimeDelta::minutes(15);

/// How long a lease is valid without being renewed.
const LEASE: TimeDelta = TimeDelta::minutes(5);

/// How often a write is retried that the store refused although no other run wrote meanwhile.
const CONFLICTS: u32 = 6;

/// The pause before the first such retry. Each further pause is twice as long.
const CONFLICT_PAUSE: Duration = Duration::from_millis(100);

/// How often a lease is renewed, besides the renewal that comes with every commit.
const RENEWAL: Duration = Duration::from_mins(1);

/// A dataset that this run may write.
pub struct Dataset {
    /// Where it is stored.
    pub store: Store,
    /// The unique name of this run.
    pub run: String,
    /// The names that its tables may have.
    tables: Vec<&'static str>,
    clock: Clock,
    held: Mutex<Committed>,
    names: AtomicU64,
}

/// A change of one table in a commit.
#[derive(Debug, Clone)]
pub struct TableCommit {
    /// The table's name.
    pub name: &'static str,
    /// The table's state after the commit.
    pub table: Table,
    /// The table's files that this run has written since its last commit. No reader has seen them, so those that
    /// `table` does not name are removed at once.
    pub made: Vec<String>,
}

/// The committed `_state.json`, and its version in the store.
struct Committed {
    manifest: Manifest,
    version: Option<UpdateVersion>,
}

impl Dataset {
    /// Opens the dataset at a place for this run, or creates one there. The dataset may hold tables of these names, and
    /// must be of this account. Files that killed runs left behind are removed.
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
        // The views are written before any file is removed, so that they name only files that count.
        let cleared = match dataset.write_views(&held.manifest).await {
            Ok(()) => dataset.sweep(&held.manifest, gone).await,
            Err(error) => Err(error),
        };
        drop(held);
        if let Err(error) = cleared {
            // This error matters more than one from releasing the dataset.
            let _ = dataset.close().await;
            return Err(error);
        }
        Ok(dataset)
    }

    /// The committed manifest.
    pub async fn manifest(&self) -> Manifest {
        self.held.lock().await.manifest.clone()
    }

    /// The committed state of a table; none if it was never read.
    pub async fn table(&self, name: &str) -> Option<Table> {
        self.held.lock().await.manifest.tables.get(name).cloned()
    }

    /// A path in a folder for a new file. No file has ever had this path.
    pub fn fresh_path(&self, folder: &str) -> String {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        format!("{folder}/{}-{number:05}.parquet", self.run)
    }

    /// Commits the changes of several tables in one step. Files that a table no longer names are retired.
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

    /// Removes files that nobody needs. If one cannot be removed, the next run tries again when it starts.
    async fn remove(&self, paths: Vec<String>) {
        for path in paths {
            if let Err(error) = self.store.remove(&path).await {
                warn!("{path} is of no use any more and cannot be removed: {error}");
            }
        }
    }

    /// Renews the lease for as long as this future is awaited. Returns only when the lease is lost, with the reason.
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

    /// Releases the dataset for other runs.
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

    /// Changes `_state.json` and renews the lease in it. Writing this file commits the change.
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
            // A write may succeed although its response is lost, so the file itself decides.
            match self.store.read(STATE).await? {
                Some((there, version)) if there == text.as_bytes() => {
                    *held = Committed { manifest, version: Some(version) };
                    return Ok(result);
                }
                // This is an earlier write of this run whose response was lost. The change is applied on top of it.
                Some((there, version)) if self.is_ours(&there) && held.version.as_ref() != Some(&version) => {
                    *held = Committed { manifest: Manifest::parse(&there)?, version: Some(version) };
                }
                // A store may refuse several concurrent writes and carry out none of them; then the write is retried.
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

    /// Whether this run wrote this `_state.json` while it held the lease.
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

    /// Removes this program's files that do not count: those that killed runs left, and those retired long ago.
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

/// The views over all committed tables, for the place where the dataset is now.
pub fn views_at(manifest: &Manifest, store: &Store) -> String {
    views::text(manifest, store)
}

/// Whether the `views.sql` beside a dataset points to this place. After a dataset was moved, it points elsewhere.
pub async fn has_its_views(store: &Store) -> Result<bool, Error> {
    let there = store.read(VIEWS).await?;
    Ok(there.is_some_and(|(text, _)| views::is_of(&String::from_utf8_lossy(&text), store)))
}

/// The manifest committed at a place; none if there is no dataset.
pub async fn manifest_at(store: &Store) -> Result<Option<Manifest>, Error> {
    let Some((text, _)) = store.read(STATE).await? else { return Ok(None) };
    Manifest::parse(&text).map(Some).map_err(|error| error.at(&store.address("")))
}

/// The manifest that a run for an account would continue from; none if there is no dataset.
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

/// The files that runs wrote into the folders of tables, including those that killed runs left half-written.
async fn own_files(store: &Store, tables: &[&str]) -> Result<Vec<String>, Error> {
    let mut files = Vec::new();
    for table in tables {
        files.extend(store.files(table).await?.into_iter().filter(|path| is_ours(path)));
    }
    Ok(files)
}

/// Refuses a place whose `views.sql` is the user's own: the first commit would replace it.
async fn refuse_foreign_views(store: &Store) -> Result<(), Error> {
    if store.read(VIEWS).await?.is_none_or(|(text, _)| views::is_ours(&text)) {
        return Ok(());
    }
    let problem =
        format!("{} was not written by this program, which would replace it: rename it", store.address(VIEWS));
    Err(Error::new(Kind::Place, problem))
}

/// Warns of files that were there before the dataset: perhaps the user meant another place.
async fn warn_of_others(store: &Store) -> Result<(), Error> {
    let names = store.names().await?;
    if let Some(name) = names.iter().find(|name| ![LOCK, VIEWS].contains(&name.as_str())) {
        let place = store.address("");
        warn!("{place} is not empty: a dataset is made there beside {name}, which is left as it is");
    }
    Ok(())
}

/// Refuses a place that holds files of tables but no `_state.json`: a new dataset there would remove those files.
async fn refuse_orphans(store: &Store, tables: &[&str]) -> Result<(), Error> {
    let Some(file) = own_files(store, tables).await?.into_iter().find(|path| path.ends_with(".parquet")) else {
        return Ok(());
    };
    let problem = format!("{} holds files of a dataset, such as {file}, but no `_state.json`", store.address(""));
    Err(Error::new(Kind::Dataset, problem))
}

/// A name for a run: its start time and a random number.
fn run_id(now: DateTime<Utc>) -> String {
    let chance = RandomState::new().hash_one(now) & 0xffff_ffff;
    format!("{}-{chance:08x}", now.format("%Y%m%dT%H%M%SZ"))
}

/// Whether a file has a name such as runs give: `20250301T120000Z-0123abcd-00007.parquet`. While the file is being
/// written, a suffix such as `#1` may follow.
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
