//! The effect of each mode on a table, run after run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::TimeDelta;
use serde_json::Value;
use source_zendesk_chat::dataset::{Manifest, Mode, Store, Table};
use source_zendesk_chat::error::{Error, Kind};
use source_zendesk_chat::run::dump_plan::DumpRequest;
use source_zendesk_chat::sandbox::Options;
use source_zendesk_chat::sandbox::faults::{Fault, Rule};
use source_zendesk_chat::source::streams;
use tempfile::TempDir;

use crate::account::{Account, instant};
use crate::lake::{contents, expected, files, manifest, request};

const DEDUPED: Mode = Mode::IncrementalDeduped;

/// An account, and its dataset.
struct Place {
    account: Account,
    folder: TempDir,
}

impl Place {
    async fn open(arrange: impl FnOnce(&mut Options)) -> Self {
        let account = Account::open(|options| {
            options.holdings.chats = 3_000;
            options.behaviour.requests_per_minute = None;
            options.behaviour.page_cap = Some(120);
            arrange(options);
        });
        Self { account: account.await, folder: TempDir::new().unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn store(&self) -> Store {
        Store::open(self.path().to_str().unwrap()).unwrap()
    }

    async fn try_dump(&self, now: &str, request: &DumpRequest) -> Result<(), Error> {
        self.account.set_now(now);
        self.account.dump(self.store(), request).await
    }

    async fn dump(&self, now: &str, request: &DumpRequest) {
        self.try_dump(now, request).await.unwrap();
    }

    fn state(&self) -> Manifest {
        manifest(self.path())
    }

    fn table(&self, name: &str) -> Table {
        manifest(self.path()).tables.remove(name).unwrap()
    }

    fn rows(&self, name: &str) -> usize {
        contents(self.path())[name].values().sum()
    }

    /// The expected rows of a table that equals the account at a moment, which is the cutoff of a run six minutes
    /// later.
    fn truth(&self, stream: &str, at: &str) -> BTreeMap<Vec<u8>, usize> {
        let cutoff = instant(at);
        let mut records = self.account.sandbox.account().truth(stream, cutoff + TimeDelta::minutes(6)).unwrap();
        let table = streams::named(stream).unwrap();
        if table.is_export() {
            // The records that the run could see, including late ones, as far as they lie before the cutoff.
            records.retain(|record| {
                let record: Value = serde_json::from_str(record).unwrap();
                instant(record[table.cursor.unwrap()].as_str().unwrap()) < cutoff
            });
        }
        expected(stream, &records)
    }

    /// Asserts that every table equals the account at a moment.
    fn is_true(&self, at: &str) {
        let contents = contents(self.path());
        for stream in streams::all() {
            let name = stream.name;
            assert!(contents[name] == self.truth(name, at), "{name} at {at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deduped_runs_hold_what_the_account_holds_whatever_changes() {
    let place = Place::open(|options| {
        options.holdings.late.percent = 20;
        options.faults = vec![Rule::of_share(9, 5, Fault::passing())];
    })
    .await;
    for (now, cutoff) in [
        ("2025-01-20T00:06:00Z", "2025-01-20T00:00:00Z"),
        ("2025-01-20T01:06:00Z", "2025-01-20T01:00:00Z"),
        ("2025-02-03T07:06:00Z", "2025-02-03T07:00:00Z"),
        ("2025-03-01T00:06:00Z", "2025-03-01T00:00:00Z"),
    ] {
        place.dump(now, &request(DEDUPED, &[])).await;
        place.is_true(cutoff);
    }
}

#[tokio::test(start_paused = true)]
async fn spans_that_appear_and_grow_late_are_in_the_table_once() {
    let place = Place::open(|options| options.holdings.growing_spans = true).await;
    for now in ["2025-01-20T00:06:00Z", "2025-01-20T04:06:00Z", "2025-01-21T12:06:00Z", "2025-01-24T00:06:00Z"] {
        place.dump(now, &request(DEDUPED, &["agent_timeline"])).await;
    }
    // More than a day after their start, all spans have grown to their ends.
    let spans = &contents(place.path())["agent_timeline"];
    assert_eq!(spans.values().sum::<usize>(), place.truth("agent_timeline", "2025-01-24T00:00:00Z").len());
}

#[tokio::test(start_paused = true)]
async fn modes_follow_one_another() {
    let place = Place::open(|_| {}).await;
    place.dump("2025-01-20T00:06:00Z", &request(Mode::Overwrite, &[])).await;
    place.is_true("2025-01-20T00:00:00Z");
    place.dump("2025-02-01T00:06:00Z", &request(Mode::IncrementalAppend, &[])).await;
    let (rows, chats) = (place.rows("chats"), place.truth("chats", "2025-02-01T00:00:00Z").len());
    assert!(rows > chats, "a chat that changed is there twice: {rows} rows, {chats} chats");
    assert!(place.table("chats").appended);
    place.dump("2025-02-03T00:06:00Z", &request(DEDUPED, &[])).await;
    place.is_true("2025-02-03T00:00:00Z");
    place.dump("2025-02-20T00:06:00Z", &request(Mode::Append, &[])).await;
    place.dump("2025-02-21T00:06:00Z", &request(Mode::Overwrite, &[])).await;
    place.is_true("2025-02-21T00:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn appending_leaves_out_what_the_table_holds_already() {
    let place = Place::open(|_| {}).await;
    for _ in 0..3 {
        place.dump("2025-01-20T00:06:00Z", &request(Mode::Append, &[])).await;
        place.is_true("2025-01-20T00:00:00Z");
    }
    place.dump("2025-01-20T00:06:00Z", &request(Mode::IncrementalAppend, &["chats", "agent_timeline"])).await;
    place.is_true("2025-01-20T00:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn appending_adds_what_changed_beside_what_it_was() {
    let place = Place::open(|_| {}).await;
    place.dump("2025-01-20T00:06:00Z", &request(Mode::Overwrite, &["chats"])).await;
    let before = contents(place.path()).remove("chats").unwrap();
    place.dump("2025-02-01T00:06:00Z", &request(Mode::Append, &["chats"])).await;
    let (after, now) = (contents(place.path()).remove("chats").unwrap(), place.truth("chats", "2025-02-01T00:00:00Z"));
    assert!(after.len() > now.len());
    assert!(before.keys().chain(now.keys()).all(|row| after.get(row) == Some(&1)));
    assert!(after.keys().all(|row| before.contains_key(row) || now.contains_key(row)));
}

#[tokio::test(start_paused = true)]
async fn hourly_runs_leave_few_files() {
    let place = Place::open(|_| {}).await;
    for hour in 0..24 {
        place.dump(&format!("2025-01-20T{hour:02}:06:00Z"), &request(DEDUPED, &["chats", "departments"])).await;
    }
    assert_eq!(place.table("departments").live.len(), 1);
    let chats = place.table("chats").live;
    let small = chats.iter().filter(|file| file.bytes < 60_000).count();
    assert_eq!(small, 1, "{chats:?}");
    assert!(files(place.path()).len() < 20, "{:?}", files(place.path()));
}

#[tokio::test(start_paused = true)]
async fn until_stops_the_cursor_and_the_next_run_goes_on_there() {
    let place = Place::open(|_| {}).await;
    let until = DumpRequest { until: Some(instant("2025-01-15T00:00:00Z")), ..request(DEDUPED, &["chats"]) };
    place.dump("2025-01-20T00:06:00Z", &until).await;
    assert!(place.rows("chats") > 20 && place.rows("chats") < place.truth("chats", "2025-01-20T00:00:00Z").len());
    assert_eq!(place.table("chats").cursor.unwrap()["update_timestamp"], "1736899200");
    place.dump("2025-01-20T00:06:00Z", &request(DEDUPED, &["chats"])).await;
    assert_eq!(contents(place.path())["chats"], place.truth("chats", "2025-01-20T00:00:00Z"));
}

#[tokio::test(start_paused = true)]
async fn since_is_a_start_once_and_reads_again_later() {
    let place = Place::open(|_| {}).await;
    let since = |mode, at: &str| DumpRequest { since: Some(instant(at)), ..request(mode, &["chats"]) };
    place.dump("2025-01-20T00:06:00Z", &since(DEDUPED, "2025-01-10T00:00:00Z")).await;
    let (rows, cursor) = (place.rows("chats"), place.table("chats").cursor);
    assert_eq!(place.table("chats").start, Some(instant("2025-01-10T00:00:00Z")));
    // The earlier records are fetched, and the cursor does not move back.
    let bounded =
        DumpRequest { until: Some(instant("2025-01-12T00:00:00Z")), ..since(DEDUPED, "2025-01-01T00:00:00Z") };
    place.dump("2025-01-20T00:06:00Z", &bounded).await;
    assert!(place.rows("chats") > rows);
    assert_eq!(place.table("chats").cursor, cursor);
    assert_eq!(place.table("chats").start, Some(instant("2025-01-01T00:00:00Z")));
    assert_eq!(contents(place.path())["chats"], place.truth("chats", "2025-01-20T00:00:00Z"));
    for mode in [Mode::Append, Mode::IncrementalAppend] {
        let refused = place.try_dump("2025-01-20T00:06:00Z", &since(mode, "2025-01-12T00:00:00Z")).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Flags, "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_since_behind_the_cursor_passes_nothing_over() {
    let place = Place::open(|_| {}).await;
    for mode in [DEDUPED, Mode::Overwrite] {
        place.dump("2025-01-10T00:06:00Z", &request(DEDUPED, &["chats"])).await;
        let since = DumpRequest { since: Some(instant("2025-01-15T00:00:00Z")), ..request(mode, &["chats"]) };
        place.dump("2025-01-20T00:06:00Z", &since).await;
        place.dump("2025-01-21T00:06:00Z", &request(DEDUPED, &["chats"])).await;
        assert_eq!(contents(place.path())["chats"], place.truth("chats", "2025-01-21T00:00:00Z"), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_brought_nothing_yet_is_not_begun_later() {
    for mode in [DEDUPED, Mode::Overwrite] {
        let place = Place::open(|_| {}).await;
        // The first day has no chats yet.
        place.account.set_now("2025-01-01T00:10:00Z");
        place.dump("2025-01-01T00:10:00Z", &request(DEDUPED, &["chats"])).await;
        assert_eq!((place.rows("chats"), place.table("chats").cursor), (0, None));
        let since = DumpRequest { since: Some(instant("2025-01-15T00:00:00Z")), ..request(mode, &["chats"]) };
        place.dump("2025-01-20T00:06:00Z", &since).await;
        place.dump("2025-01-21T00:06:00Z", &request(DEDUPED, &["chats"])).await;
        assert_eq!(contents(place.path())["chats"], place.truth("chats", "2025-01-21T00:00:00Z"), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_does_not_claim_to_begin_where_nothing_was_read() {
    let place = Place::open(|_| {}).await;
    let since = DumpRequest { since: Some(instant("2025-01-10T00:00:00Z")), ..request(DEDUPED, &["chats"]) };
    place.dump("2025-01-20T00:06:00Z", &since).await;
    place.dump("2025-01-21T00:06:00Z", &request(DEDUPED, &["chats"])).await;
    assert_eq!(place.table("chats").start, Some(instant("2025-01-10T00:00:00Z")));
    place.dump("2025-01-22T00:06:00Z", &request(Mode::Overwrite, &["chats"])).await;
    assert_eq!(place.table("chats").start, Some(instant("2025-01-01T00:00:00Z")));
    assert_eq!(contents(place.path())["chats"], place.truth("chats", "2025-01-22T00:00:00Z"));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_behind_drops_nothing() {
    let place = Place::open(|_| {}).await;
    place.dump("2025-01-20T00:06:00Z", &request(DEDUPED, &["chats"])).await;
    let (rows, cursor) = (place.rows("chats"), place.table("chats").cursor);
    for behind in ["2024-12-01T00:00:00Z", "2025-01-10T00:00:00Z"] {
        place.dump(behind, &request(Mode::Overwrite, &["chats"])).await;
        assert_eq!((place.rows("chats"), place.table("chats").cursor), (rows, cursor.clone()), "{behind}");
    }
    place.dump("2025-01-21T00:06:00Z", &request(DEDUPED, &["chats"])).await;
    assert_eq!(contents(place.path())["chats"], place.truth("chats", "2025-01-21T00:00:00Z"));
}

#[tokio::test(start_paused = true)]
async fn only_a_whole_read_drops_what_it_does_not_bring() {
    let first = Place::open(|options| options.holdings.bans = 150).await;
    first.dump("2025-01-20T00:06:00Z", &request(DEDUPED, &["bans", "chats"])).await;
    let (bans, chats) = (first.rows("bans"), first.rows("chats"));
    // The same account with fewer bans.
    let fewer = Account::open(|options| {
        options.holdings.chats = 3_000;
        options.holdings.bans = 90;
    });
    let place = Place { account: fewer.await, folder: first.folder };
    let bounded = [
        DumpRequest { until: Some(instant("2025-01-15T00:00:00Z")), ..request(DEDUPED, &["bans", "chats"]) },
        DumpRequest { since: Some(instant("2025-01-02T00:00:00Z")), ..request(DEDUPED, &["bans", "chats"]) },
        DumpRequest { since: Some(instant("2025-01-15T00:00:00Z")), ..request(Mode::Overwrite, &["bans", "chats"]) },
        DumpRequest { until: Some(instant("2025-01-15T00:00:00Z")), ..request(Mode::Overwrite, &["bans", "chats"]) },
    ];
    for request in bounded {
        place.dump("2025-01-20T00:06:00Z", &request).await;
        assert_eq!((place.rows("bans"), place.rows("chats")), (bans, chats), "{request:?}");
    }
    place.dump("2025-01-20T00:06:00Z", &request(DEDUPED, &["bans"])).await;
    assert!(place.rows("bans") < bans);
    assert_eq!(contents(place.path())["bans"], place.truth("bans", "2025-01-20T00:06:00Z"));
}

#[tokio::test(start_paused = true)]
async fn a_table_without_rows_has_one_file() {
    let place = Place::open(|options| options.holdings.chats = 0).await;
    place.dump("2025-01-20T00:06:00Z", &request(DEDUPED, &[])).await;
    let chats = place.table("chats").live;
    assert_eq!((chats.len(), chats[0].rows), (1, 0));
    assert!(chats[0].path.starts_with("chats/month=__HIVE_DEFAULT_PARTITION__/"));
}

#[tokio::test(start_paused = true)]
async fn a_mode_that_a_stream_has_not_is_refused() {
    let place = Place::open(|_| {}).await;
    let refused = place.try_dump("2025-01-20T00:06:00Z", &request(Mode::IncrementalAppend, &["departments"])).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Flags);
}

/// Regression: on a table that was read without any rows, `--since` was taken for a moment after it, and nothing was
/// read.
#[tokio::test(start_paused = true)]
async fn since_before_a_table_without_rows_read_nothing() {
    let place = Place::open(|_| {}).await;
    let since = |at: &str| DumpRequest { since: Some(instant(at)), ..request(DEDUPED, &["chats"]) };
    // Nothing changed within these minutes.
    place.dump("2025-01-15T00:07:00Z", &since("2025-01-15T00:00:59Z")).await;
    assert_eq!((place.rows("chats"), place.table("chats").cursor), (0, None));
    place.dump("2025-01-20T00:06:00Z", &since("2025-01-01T00:00:00Z")).await;
    assert_eq!(contents(place.path())["chats"], place.truth("chats", "2025-01-20T00:00:00Z"));
    assert_eq!(place.table("chats").start, Some(instant("2025-01-01T00:00:00Z")));
}

/// Regression: if everything, or only the newest chat, was gone from the account, an overwrite compared only the last
/// record and replaced nothing.
#[tokio::test(start_paused = true)]
async fn an_overwrite_whose_newest_chats_are_gone_replaced_nothing() {
    for left in [0, 40] {
        let first = Place::open(|_| {}).await;
        first.dump("2025-01-20T00:06:00Z", &request(DEDUPED, &["chats"])).await;
        let (rows, cursor) = (first.rows("chats"), first.table("chats").cursor);
        let fewer = Account::open(|options| options.holdings.chats = left);
        let place = Place { account: fewer.await, folder: first.folder };
        place.dump("2025-01-20T00:06:00Z", &request(Mode::Overwrite, &["chats"])).await;
        assert!(place.rows("chats") < rows);
        assert_eq!(contents(place.path())["chats"], place.truth("chats", "2025-01-20T00:00:00Z"), "{left}");
        assert_eq!(place.table("chats").cursor, cursor, "a position never moves backwards");
    }
}

/// Regression: each run rewrote every table that is read in full, and every row that a look-back brings again.
#[tokio::test(start_paused = true)]
async fn what_did_not_change_was_written_anew() {
    let place = Place::open(|_| {}).await;
    place.dump("2025-01-20T00:06:00Z", &request(DEDUPED, &[])).await;
    let before = place.state().tables;
    for mode in [DEDUPED, Mode::Overwrite, Mode::Append] {
        place.dump("2025-01-20T00:06:00Z", &request(mode, &[])).await;
        for (name, table) in place.state().tables {
            assert_eq!((&table.live, &table.retired), (&before[&name].live, &before[&name].retired), "{name} {mode:?}");
        }
        let listed: BTreeSet<_> = before.values().flat_map(|table| &table.live).map(|file| file.path.clone()).collect();
        let there: BTreeSet<_> = files(place.path()).into_iter().filter(|file| file.ends_with(".parquet")).collect();
        assert_eq!(there, listed);
    }
}

/// LOOKBACK: a chat that is redacted after it was read comes again with an unchanged timestamp.
#[tokio::test(start_paused = true)]
async fn a_redaction_that_showed_late_was_never_read() {
    for (minutes, seen) in [(15, true), (0, false)] {
        let first = Place::open(|_| {}).await;
        first.dump("2025-01-20T00:06:00Z", &request(DEDUPED, &["chats"])).await;
        let (before, held) = (first.table("chats"), contents(first.path()));
        let redacted = Rule::of_path("incremental/chats", 1..=1, Fault::Extra(br#""redacted":true,"#.to_vec()));
        let mut account = Place::open(|options| options.faults = vec![redacted]).await.account;
        account.bounds.chats_lookback = minutes * 60_000_000_000;
        let place = Place { account, folder: first.folder };
        place.dump("2025-01-20T00:06:00Z", &request(DEDUPED, &["chats"])).await;
        let rows = contents(place.path()).remove("chats").unwrap();
        let changed = rows.keys().filter(|row| !held["chats"].contains_key(*row)).count();
        assert_eq!(changed, usize::from(seen));
        assert_eq!(place.table("chats").cursor, before.cursor);
        assert_eq!(rows.len() as u64, before.rows());
    }
}

/// Regression: an abandoned overwrite was resumed however old it was, even after other runs had written the table.
/// Chats deleted since then stayed.
#[tokio::test(start_paused = true)]
async fn an_abandoned_overwrite_went_on_however_old() {
    for (by, between) in [("2025-01-22T00:06:00Z", None), ("2025-01-20T02:06:00Z", Some("2025-01-20T01:06:00Z"))] {
        // The run fails for good after some pages.
        let broken = Rule::of_path("incremental/chats", 2..=u64::MAX, Fault::status(400));
        let first = Place::open(|options| options.faults = vec![broken]).await;
        first.try_dump("2025-01-20T00:06:00Z", &request(Mode::Overwrite, &["chats"])).await.unwrap_err();
        let left = first.table("chats").pending.expect("a read that is under way");
        let place = Place { account: Place::open(|_| {}).await.account, folder: first.folder };
        if let Some(between) = between {
            place.dump(between, &request(DEDUPED, &["chats"])).await;
            assert_eq!(place.table("chats").pending, None);
        }
        place.dump(by, &request(Mode::Overwrite, &["chats"])).await;
        assert!(left.files.iter().all(|file| !place.path().join(&file.path).exists()), "{by}");
    }
}
