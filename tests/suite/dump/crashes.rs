//! A run may be stopped at any call of the store. The last commit stays whole, and the next run goes on from it and
//! leaves nothing behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use futures_util::TryStreamExt;
use object_store::{ObjectMeta, ObjectStoreExt};
use source_zendesk_chat::dataset::{Mode, Store};
use source_zendesk_chat::error::Kind;
use source_zendesk_chat::run::dump_plan::DumpRequest;
use tempfile::TempDir;

use crate::account::Account;
use crate::lake::{Contents, Life, Mortal, contents, files, manifest, request, viewed};

/// The tables: one that grows by months, and one that is read in full.
const TABLES: [&str; 2] = ["chats", "departments"];

/// The times of the runs. The first creates the table, the second goes on, and the third goes on from wherever an
/// earlier one was stopped.
const RUNS: [&str; 3] = ["2025-02-10T00:00:00Z", "2025-02-20T00:00:00Z", "2025-02-20T01:00:00Z"];

/// The place of a dataset, and a folder in which it can be inspected.
struct Place {
    url: Option<String>,
    folder: TempDir,
}

impl Place {
    /// A new folder, or a new place in a bucket.
    fn open(bucket: Option<&str>) -> Self {
        let folder = TempDir::new().unwrap();
        let own = folder.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.').to_owned();
        Self { url: bucket.map(|bucket| format!("{bucket}/{own}")), folder }
    }

    fn name(&self) -> &str {
        self.url.as_deref().unwrap_or_else(|| self.folder.path().to_str().unwrap())
    }

    /// Opens the store once the previous run is gone. Its pending calls take a moment to end.
    async fn store(&self) -> Store {
        loop {
            match Store::open(self.name()) {
                Err(error) if error.kind() == Kind::DatasetInUse => tokio::task::yield_now().await,
                opened => return opened.unwrap(),
            }
        }
    }

    /// The folder, with the content of the bucket.
    async fn look(&self) -> &Path {
        let folder = self.folder.path();
        if self.url.is_none() {
            return folder;
        }
        fs::remove_dir_all(folder).unwrap();
        fs::create_dir(folder).unwrap();
        let objects = self.store().await.objects;
        let listed: Vec<_> = objects.list(None).try_collect().await.unwrap();
        for ObjectMeta { location, .. } in listed {
            let path = folder.join(location.as_ref());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, objects.get(&location).await.unwrap().bytes().await.unwrap()).unwrap();
        }
        folder
    }

    /// Asserts that the committed dataset is whole and can be read.
    async fn is_whole(&self) {
        let folder = self.look().await;
        if !folder.join("_state.json").exists() {
            return;
        }
        contents(folder);
        if folder.join("views.sql").exists() {
            viewed(folder, self.url.as_deref());
        }
    }

    /// Asserts that there are no files but those that count, or counted until a moment ago.
    async fn is_clean(&self) {
        let folder = self.look().await;
        let manifest = manifest(folder);
        let mut named: BTreeSet<String> = manifest.needed().map(str::to_owned).collect();
        assert!(manifest.tables.values().all(|table| table.pending.is_none()));
        named.extend(["_state.json", "views.sql"].map(str::to_owned));
        if self.url.is_none() {
            named.insert("_lock".to_owned());
        }
        assert_eq!(files(folder), named);
    }
}

async fn account() -> Account {
    let mut account = Account::open(|options| {
        options.holdings.chats = 1_000;
        options.behaviour.page_cap = Some(30);
        options.behaviour.requests_per_minute = None;
    })
    .await;
    account.requests_per_minute = 1_000_000.0;
    account
}

/// One run, which ends by itself or when its store stops.
async fn run(account: &Account, place: &Place, now: &str, request: &DumpRequest, life: usize) -> usize {
    account.set_now(now);
    let mut store = place.store().await;
    let life = Life::of(life);
    store.objects = Mortal::over(store.objects, &life);
    tokio::select! {
        result = account.dump(store, request) => result.unwrap(),
        () = life.ended() => {}
    }
    life.calls()
}

async fn undisturbed(bucket: Option<&str>, request: &DumpRequest) -> (Contents, [usize; 2]) {
    let (account, place) = (account().await, Place::open(bucket));
    let mut calls = [0; 2];
    for (number, now) in RUNS.into_iter().enumerate() {
        let made = run(&account, &place, now, request, usize::MAX).await;
        if let Some(calls) = calls.get_mut(number) {
            *calls = made;
        }
    }
    place.is_clean().await;
    (contents(place.look().await), calls)
}

/// Stops the first or the second run at each of its calls, and compares the result of a last run.
async fn survives(mode: Mode, tables: &[&str]) {
    survives_at(None, mode, tables, 1).await;
}

/// The same at every `step`th call, and possibly in a bucket.
async fn survives_at(bucket: Option<&str>, mode: Mode, tables: &[&str], step: usize) {
    let request = request(mode, tables);
    let (expected, calls) = undisturbed(bucket, &request).await;
    assert!(expected["chats"].len() > 100 && calls[0] > 20 && calls[1] > 10, "{calls:?}");
    for (ended, calls) in calls.into_iter().enumerate() {
        for life in (0..calls).step_by(step) {
            let (account, place) = (account().await, Place::open(bucket));
            for (number, now) in RUNS.into_iter().enumerate() {
                let life = if number == ended { life } else { usize::MAX };
                run(&account, &place, now, &request, life).await;
                place.is_whole().await;
            }
            assert!(contents(place.look().await) == expected, "{mode:?}: run {ended}, ended at call {life}");
            place.is_clean().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deduped() {
    survives(Mode::IncrementalDeduped, &TABLES).await;
}

#[tokio::test(start_paused = true)]
async fn overwrite() {
    survives(Mode::Overwrite, &TABLES).await;
}

#[tokio::test(start_paused = true)]
async fn append() {
    survives(Mode::Append, &TABLES).await;
}

#[tokio::test(start_paused = true)]
async fn incremental_append() {
    survives(Mode::IncrementalAppend, &TABLES[..1]).await;
}

/// The same in an object store, which `tests/ecosystem/dataset/crashes.py` starts. `CRASHES_STEP` is the distance
/// between two tested calls.
#[tokio::test]
#[ignore = "it needs an object store"]
async fn in_a_bucket() {
    let bucket = std::env::var("CRASHES_BUCKET").unwrap();
    let step = std::env::var("CRASHES_STEP").unwrap().parse().unwrap();
    for mode in [Mode::IncrementalDeduped, Mode::Overwrite, Mode::Append] {
        survives_at(Some(&bucket), mode, &TABLES, step).await;
    }
    survives_at(Some(&bucket), Mode::IncrementalAppend, &TABLES[..1], step).await;
}
