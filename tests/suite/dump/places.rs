//! The place of a dataset: other files there, and failures.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::json;
use source_zendesk_chat::dataset::{Mode, Store};
use source_zendesk_chat::error::{Error, Kind};
use source_zendesk_chat::sandbox::faults::{Fault, Rule};
use source_zendesk_chat::sandbox::options::Refusal;
use tempfile::TempDir;

use crate::account::Account;
use crate::lake::{Conflicting, contents, files, manifest, request, viewed};

const DEDUPED: Mode = Mode::IncrementalDeduped;

async fn account() -> Account {
    Account::open(|options| options.behaviour.requests_per_minute = None).await
}

async fn dump(account: &Account, folder: &Path, mode: Mode, streams: &[&str]) -> Result<(), Error> {
    account.dump(Store::open(folder.to_str().unwrap())?, &request(mode, streams)).await
}

/// A dataset of one table, and its account.
async fn made() -> (Account, TempDir) {
    let (account, folder) = (account().await, TempDir::new().unwrap());
    dump(&account, folder.path(), DEDUPED, &["chats"]).await.unwrap();
    (account, folder)
}

#[tokio::test(start_paused = true)]
async fn what_is_no_dataset_of_this_account_is_refused_and_left_alone() {
    let (account, folder) = made().await;
    let state = folder.path().join("_state.json");
    let good = fs::read_to_string(&state).unwrap();
    let other = good.replace("sandbox:1", "acme");
    let newer = good.replace("\"format\": 1", "\"format\": 2");
    for (broken, says) in [
        (other.as_str(), "is that of acme, not of sandbox:1"),
        (newer.as_str(), "only a newer version knows"),
        ("{\"tables\":{}}", "missing field `format`"),
        ("[]", "is not that of a dataset"),
        ("", "is not that of a dataset"),
        (&good[..good.len() / 2], "is not that of a dataset"),
    ] {
        fs::write(&state, broken).unwrap();
        let before = files(folder.path());
        let error = dump(&account, folder.path(), DEDUPED, &["chats"]).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Dataset);
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!((fs::read_to_string(&state).unwrap().as_str(), files(folder.path())), (broken, before));
    }
}

#[tokio::test(start_paused = true)]
async fn tables_without_a_state_are_not_taken_for_leftovers() {
    let (account, folder) = made().await;
    fs::remove_file(folder.path().join("_state.json")).unwrap();
    let before = files(folder.path());
    let error = dump(&account, folder.path(), DEDUPED, &["chats"]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Dataset);
    assert_eq!(files(folder.path()), before);
}

#[tokio::test(start_paused = true)]
async fn foreign_files_are_left_alone() {
    let (account, folder) = (account().await, TempDir::new().unwrap());
    let foreign = ["notes.txt", "chats/export.parquet", "chats/month=2025-01/part-0.parquet", "views.sql.bak"];
    for path in foreign {
        fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
        fs::write(folder.path().join(path), "mine").unwrap();
    }
    for mode in [DEDUPED, Mode::Overwrite] {
        dump(&account, folder.path(), mode, &["chats"]).await.unwrap();
        for path in foreign {
            assert_eq!(fs::read_to_string(folder.path().join(path)).unwrap(), "mine", "{path}");
        }
    }
    assert!(viewed(folder.path(), None).iter().all(|file| !foreign.iter().any(|foreign| file.ends_with(foreign))));
}

#[tokio::test(start_paused = true)]
async fn a_dataset_below_a_table_of_another_lost_its_files_to_it() {
    let (account, folder) = made().await;
    // A dataset that was created before the outer one, or copied there.
    for inner in ["chats/inner", "chats/month=2025-01/inner", "chats/Month=2025-01"] {
        let inner = folder.path().join(inner);
        let aside = TempDir::new().unwrap();
        dump(&account, aside.path(), DEDUPED, &["chats"]).await.unwrap();
        fs::create_dir_all(inner.parent().unwrap()).unwrap();
        fs::rename(aside.path(), &inner).unwrap();
        let before = files(&inner);
        dump(&account, folder.path(), DEDUPED, &["chats"]).await.unwrap();
        assert_eq!(files(&inner), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_below_another_dataset_is_refused() {
    let (account, folder) = made().await;
    let before = files(folder.path());
    let places = ["inner", "chats", "chats/month=2025-01", "a/b/c", "none/../chats/inner"];
    let mut places: Vec<_> = places.map(|place| folder.path().join(place)).into();
    let aside = TempDir::new().unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path().join("chats"), aside.path().join("link")).unwrap();
        places.push(aside.path().join("link/inner"));
    }
    for place in places {
        let error = dump(&account, &place, DEDUPED, &["chats"]).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Place, "{}", place.display());
        assert!(error.to_string().contains("lies within the dataset at"), "{error}");
    }
    assert_eq!(files(folder.path()), before);
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_table_that_is_a_link_into_another_dataset_is_refused() {
    let (account, folder) = made().await;
    let before = files(folder.path());
    let linked = TempDir::new().unwrap();
    std::os::unix::fs::symlink(folder.path().join("chats"), linked.path().join("chats")).unwrap();
    let error = dump(&account, linked.path(), DEDUPED, &["chats"]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Place, "{error}");
    assert_eq!(files(folder.path()), before);
    // A folder on another disk belongs to no other dataset.
    let (disk, linked) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    std::os::unix::fs::symlink(disk.path(), linked.path().join("chats")).unwrap();
    dump(&account, linked.path(), DEDUPED, &["chats"]).await.unwrap();
    contents(linked.path());
}

#[tokio::test(start_paused = true)]
async fn a_place_below_another_dataset_of_a_bucket_is_refused() {
    let (account, objects) = (account().await, Arc::new(InMemory::new()) as Arc<dyn ObjectStore>);
    let place = |path: &str| Store::in_bucket(Arc::clone(&objects), "s3://bucket".to_owned(), path.into());
    let request = request(DEDUPED, &["roles"]);
    account.dump(place("a/lake"), &request).await.unwrap();
    for inner in ["a/lake/inner", "a/lake/roles/month=2025-01", "a/lake/b/c/d"] {
        let error = account.dump(place(inner), &request).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Place);
        assert!(error.to_string().contains("lies within the dataset at s3://bucket/a/lake"), "{error}");
    }
    for beside in ["a/lake", "a/lake2", "a/other"] {
        account.dump(place(beside), &request).await.unwrap();
    }
    // A dataset that is created around others deletes none of their files.
    let listed = || objects.list(Some(&"a/lake2".into())).try_collect::<Vec<_>>();
    let before = listed().await.unwrap();
    account.dump(place("a"), &request).await.unwrap();
    account.dump(place("a"), &request).await.unwrap();
    assert_eq!(listed().await.unwrap(), before);
}

/// Creates a dataset and goes on with it, in a store that answers the first conditional writes with a conflict.
async fn met_with(conflicts: usize, carried_out: bool) -> Result<(), Error> {
    let (account, request) = (account().await, request(DEDUPED, &["roles"]));
    let objects = Arc::new(InMemory::new());
    for _ in 0..2 {
        let inner = Arc::clone(&objects) as Arc<dyn ObjectStore>;
        let objects = Arc::new(Conflicting { inner, answers: conflicts.into(), carried_out });
        account.dump(Store::in_bucket(objects, "s3://bucket".to_owned(), "lake".into()), &request).await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_conflict_on_the_first_state_was_taken_for_another_run() {
    for conflicts in [1, 2, 5] {
        met_with(conflicts, false).await.unwrap();
        met_with(conflicts, true).await.unwrap();
    }
    let error = met_with(usize::MAX, false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::DatasetInUse, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_listed_file_that_is_missing_or_truncated_is_reported_before_anything_is_built_on_it() {
    for truncated in [false, true] {
        let (account, folder) = made().await;
        let file = folder.path().join(&manifest(folder.path()).tables["chats"].live.last().unwrap().path);
        if truncated {
            File::options().write(true).open(&file).unwrap().set_len(100).unwrap();
        } else {
            fs::remove_file(&file).unwrap();
        }
        let before = manifest(folder.path()).tables;
        account.set_now("2025-03-08T12:00:00Z");
        let error = dump(&account, folder.path(), DEDUPED, &["chats"]).await.unwrap_err();
        assert!(matches!(error.kind(), Kind::Streams(_)), "{error}");
        assert_eq!(manifest(folder.path()).tables, before);
        // An overwrite does not need the old file.
        dump(&account, folder.path(), Mode::Overwrite, &["chats"]).await.unwrap();
        contents(folder.path());
    }
}

#[tokio::test(start_paused = true)]
async fn two_writers_at_once_are_one_too_many() {
    let (account, folder) = (account().await, TempDir::new().unwrap());
    let _held = Store::open(folder.path().to_str().unwrap()).unwrap();
    let error = dump(&account, folder.path(), DEDUPED, &["chats"]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::DatasetInUse);
}

#[tokio::test(start_paused = true)]
async fn a_file_is_no_place_for_a_dataset() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    for place in [file.clone(), file.join("below")] {
        assert_eq!(Store::open(place.to_str().unwrap()).err().unwrap().kind(), Kind::Place);
    }
    for place in ["ftp://host/lake", "gs://bucket/lake", "s3://"] {
        assert_eq!(Store::open(place).err().unwrap().kind(), Kind::Place, "{place}");
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "mine");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_keeps_what_it_had_and_stops_no_other() {
    let folder = TempDir::new().unwrap();
    let good = account().await;
    good.set_now("2025-02-01T00:00:00Z");
    dump(&good, folder.path(), DEDUPED, &[]).await.unwrap();
    let before = manifest(folder.path()).tables;
    let failing = Account::open(|options| {
        options.behaviour.requests_per_minute = None;
        options.behaviour.page_cap = Some(50);
        options.faults = vec![
            Rule::of_path("departments", 1..=u64::MAX, Fault::status(500)),
            Rule::of_path("incremental/chats", 2..=u64::MAX, Fault::status(500)),
        ];
    })
    .await;
    let error = dump(&failing, folder.path(), DEDUPED, &[]).await.unwrap_err();
    assert!(error.to_string().contains("chats, departments"), "{error}");
    let after = manifest(folder.path()).tables;
    assert_eq!(after["departments"], before["departments"]);
    assert_ne!(after["roles"].run, before["roles"].run);
    // The page of chats that came is kept, and the next run goes on after it.
    assert_ne!(after["chats"].cursor, before["chats"].cursor);
    dump(&good, folder.path(), DEDUPED, &["chats"]).await.unwrap();
    contents(folder.path());
}

#[tokio::test(start_paused = true)]
async fn a_table_whose_stream_is_unavailable_stays() {
    let folder = TempDir::new().unwrap();
    let good = account().await;
    dump(&good, folder.path(), DEDUPED, &["chats", "roles"]).await.unwrap();
    let before = manifest(folder.path()).tables;
    let refusing = Account::open(|options| {
        options.behaviour.refusal = Some(Refusal::Forbidden(vec!["roles".to_owned(), "skills".to_owned()]));
    })
    .await;
    // If a stream that has rows becomes unavailable, that is an error. A stream that never had rows is skipped.
    let error = dump(&refusing, folder.path(), DEDUPED, &[]).await.unwrap_err();
    assert!(error.to_string().starts_with("1 of 15 streams were not read to their end: roles"), "{error}");
    let after = manifest(folder.path()).tables;
    assert_eq!(after["roles"], before["roles"]);
    assert!(!after.contains_key("skills"));
}

#[tokio::test(start_paused = true)]
async fn a_state_says_no_secret() {
    let (account, folder) = made().await;
    let state = fs::read_to_string(folder.path().join("_state.json")).unwrap();
    assert!(!state.contains(&account.token));
    assert_eq!(json!(manifest(folder.path()).account), "sandbox:1");
}
