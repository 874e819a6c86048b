//! Any sequence of runs, compared with what a dataset must hold: an account of a few chats, without a network and with
//! a fixed clock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use source_zendesk_chat::clock::Clock;
use source_zendesk_chat::dataset::{Dataset, Manifest, Mode, Store};
use source_zendesk_chat::position::nanos_of;
use source_zendesk_chat::run::dump_plan::DumpRequest;
use source_zendesk_chat::sink::parquet::{Limits, Parquet};
use source_zendesk_chat::sink::{End, Member, Sink, Writer};
use source_zendesk_chat::source::page::Page;
use source_zendesk_chat::source::streams;
use source_zendesk_chat::source::walk::{Asked, Bounds};
use tempfile::TempDir;

use crate::account::instant;
use crate::lake::{LIMITS, contents, expected, manifest};

/// The opening of the account, and the start of every dataset.
const START: &str = "2025-01-01T00:00:00Z";

/// The page size of the service, in records.
const PAGE: usize = 3;

/// A change of the account before a run.
#[derive(Debug, Clone, Copy)]
enum Edit {
    /// A chat is created or changed.
    Put(u8),
    /// A chat is deleted.
    Delete(u8),
}

/// A run: its mode, its bounds in minutes before it, and the number of pages after which it is killed.
#[derive(Debug, Clone)]
struct Planned {
    edits: Vec<Edit>,
    mode: Mode,
    since: Option<TimeDelta>,
    until: Option<TimeDelta>,
    killed_after: Option<usize>,
}

/// The version of a chat: the time of its last change, and the running number of that change.
type Version = (DateTime<Utc>, u32);

#[derive(Default)]
struct Account {
    chats: BTreeMap<u8, Version>,
    /// Every version that ever existed, by its row.
    rows: BTreeMap<Vec<u8>, (u8, Version)>,
    count: u32,
}

fn moment(minutes: i64) -> DateTime<Utc> {
    instant(START) + TimeDelta::minutes(minutes)
}

fn record(id: u8, (changed, count): Version) -> String {
    // The chats belong to four months, and a change does not move them.
    let month = id % 4 + 1;
    format!(
        r#"{{"id":"{id:03}","timestamp":"2024-0{month}-01T00:00:00Z","update_timestamp":"{}","comment":"{count}"}}"#,
        changed.format("%Y-%m-%dT%H:%M:%SZ")
    )
}

fn row(id: u8, version: Version) -> Vec<u8> {
    expected("chats", &[record(id, version)]).into_keys().next().unwrap()
}

impl Account {
    fn edit(&mut self, edits: &[Edit], at: DateTime<Utc>) {
        for edit in edits {
            self.count += 1;
            match *edit {
                Edit::Put(id) => {
                    let version = (at, self.count);
                    self.chats.insert(id, version);
                    self.rows.insert(row(id, version), (id, version));
                }
                Edit::Delete(id) => _ = self.chats.remove(&id),
            }
        }
    }

    /// The page for a request, as the service would send it.
    fn page(&self, asked: &Asked) -> Page {
        let query =
            |name: &str| asked.request.query.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
        let (time, id) = (query("start_time").unwrap(), query("start_id"));
        let from = DateTime::from_timestamp(time.parse().unwrap(), 0).unwrap();
        let mut chats: Vec<(Version, u8)> = self.chats.iter().map(|(&id, &version)| (version, id)).collect();
        chats.sort_unstable_by_key(|&((changed, _), id)| (changed, id));
        chats.retain(|&((changed, _), number)| match &id {
            Some(id) => (changed, format!("{number:03}")) > (from, id.clone()),
            None => changed >= from,
        });
        chats.truncate(PAGE);
        let end = chats
            .last()
            .map_or((time, id), |&((changed, _), id)| (changed.timestamp().to_string(), Some(format!("{id:03}"))));
        let records: Vec<String> = chats.into_iter().map(|(version, id)| record(id, version)).collect();
        let id = end.1.map(|id| format!(r#","end_id":"{id}""#)).unwrap_or_default();
        let body = format!(r#"{{"chats":[{}],"end_time":{}{id}}}"#, records.join(","), end.0);
        Page::parse(streams::named("chats").unwrap().endpoint().shape, body.into_bytes()).unwrap()
    }

    /// Runs a dump as `run` does, without a network. Returns whether it resumed a killed run, or none if its flags were
    /// refused.
    async fn dump(&self, folder: &Path, planned: &Planned, now: DateTime<Utc>) -> Option<bool> {
        let (store, clock) = (Store::open(folder.to_str().unwrap()).unwrap(), Clock::fixed(now));
        let dataset = Dataset::open(store, &["chats"], "acme", instant(START), clock.clone()).await.unwrap();
        let streams = vec!["chats".to_owned()];
        let (since, until) = (planned.since.map(|minutes| now - minutes), planned.until.map(|minutes| now - minutes));
        let request = DumpRequest { streams, mode: planned.mode, since, until };
        let bounds =
            Bounds { start: nanos_of(instant(START)), end: until.map(nanos_of), lookback: 0, chats_lookback: 0 };
        let Ok((plan, tasks)) = request.plan(&dataset.manifest().await, &bounds) else { return None };
        let before = dataset.table("chats").await;
        let resumed = before.is_some_and(|table| table.pending.is_some());
        let dataset = Arc::new(dataset);
        // Each page is committed, so that a run may be killed between any two.
        let limits = Limits { uncommitted: 0, ..LIMITS };
        let sink = Parquet::new(Arc::clone(&dataset), clock, tasks, limits);
        let reading = plan.streams.into_iter().next().unwrap();
        let mut walk = reading.walk();
        let mut writer = sink.family(vec![Member::alone(reading.stream)]);
        let (mut delivered, mut pages) = (reading.delivered, 0);
        walk.cut_at(nanos_of(now));
        while let Some(asked) = walk.next() {
            if planned.killed_after == Some(pages) {
                return Some(resumed);
            }
            pages += 1;
            let delivery = walk.accept(&asked, asked.request.limit, self.page(&asked)).unwrap();
            writer.write(delivery.page, &[None]).await.unwrap();
            if delivery.frontier.is_some() {
                delivered = delivery.frontier;
                writer.checkpoint(&[delivered.clone()]).await.unwrap();
            }
        }
        let end = walk.end().map_or(End::WithGap, End::Whole);
        writer.finish(&[delivered], end).await.unwrap();
        dataset.close().await.unwrap();
        Some(resumed)
    }

    /// Compares a dataset with the account.
    fn check(&self, folder: &Path, planned: &Planned, resumed: bool, now: DateTime<Utc>) -> Result<(), TestCaseError> {
        let Manifest { tables, .. } = manifest(folder);
        let Some(table) = tables.get("chats") else { return Ok(()) };
        let rows = contents(folder).remove("chats").unwrap();
        let mut held = BTreeSet::new();
        for (row, times) in &rows {
            let version = self.rows.get(row);
            prop_assert!(version.is_some(), "a row that no chat ever was");
            prop_assert_eq!(*times, 1, "{:?} is there once", version);
            let (id, _) = version.unwrap();
            prop_assert!(held.insert(*id) || table.appended, "chat {} has one row", id);
        }
        let current = |within: &dyn Fn(DateTime<Utc>) -> bool| -> Vec<(u8, Version)> {
            self.chats
                .iter()
                .filter(|(_, (changed, _))| within(*changed))
                .map(|(&id, &version)| (id, version))
                .collect()
        };
        // Between its start and its cursor the table holds the current version of each chat, whatever happened before.
        let reached = table.cursor.as_ref().map(|cursor| cursor["update_timestamp"].as_str().unwrap().parse().unwrap());
        let reached = reached.map_or(DateTime::UNIX_EPOCH, |seconds| DateTime::from_timestamp(seconds, 0).unwrap());
        let began = table.start.unwrap_or(DateTime::<Utc>::MAX_UTC);
        for (id, version) in current(&|changed| began <= changed && changed < reached) {
            prop_assert!(rows.contains_key(&row(id, version)), "chat {id} of {version:?} is missing after {planned:?}");
        }
        let whole = planned.mode == Mode::Overwrite
            && (planned.since, planned.until, planned.killed_after) == (None, None, None);
        // A resumed read may have brought chats that were deleted since it began. A read from a later start leaves the
        // rows before it.
        if whole && !resumed && began >= instant(START) {
            let expected: BTreeSet<Vec<u8>> =
                current(&|changed| changed < now).into_iter().map(|(id, version)| row(id, version)).collect();
            prop_assert_eq!(rows.into_keys().collect::<BTreeSet<_>>(), expected, "an overwrite shows the truth");
        }
        Ok(())
    }
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![4 => (0..12_u8).prop_map(Edit::Put), 1 => (0..12_u8).prop_map(Edit::Delete)];
    prop::collection::vec(edit, 0..8)
}

fn run() -> impl Strategy<Value = Planned> {
    let modes = [Mode::Overwrite, Mode::Append, Mode::IncrementalAppend, Mode::IncrementalDeduped];
    let before = || prop::option::weighted(0.35, (-1..9_i64).prop_map(|times| TimeDelta::minutes(times * 4)));
    (edits(), prop::sample::select(modes.to_vec()), before(), before(), prop::option::weighted(0.4, 0..3_usize))
        .prop_map(|(edits, mode, since, until, killed_after)| Planned { edits, mode, since, until, killed_after })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_runs_the_greatest_cursor_wins(runs in prop::collection::vec(run(), 1..7)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async move {
            let (folder, mut account) = (TempDir::new().unwrap(), Account::default());
            for (number, planned) in (1_i64..).zip(&runs) {
                // Two runs are ten minutes apart, and the account changes halfway between them.
                let now = moment(number * 10);
                account.edit(&planned.edits, now - TimeDelta::minutes(5));
                if let Some(resumed) = account.dump(folder.path(), planned, now).await {
                    account.check(folder.path(), planned, resumed, now)?;
                }
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}
