//! Compares tables that grow commit by commit with a model of the rows that they must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::dataset::Store;
use crate::sink::Member;
use crate::sink::parquet::open_files::OpenFiles;
use crate::sink::parquet::row_builders::{RowBuilders, TableRows};
use crate::source::page::{Page, Shape};
use crate::source::streams;

/// A table of chats under test.
struct Table {
    dataset: Arc<Dataset>,
    columns: Arc<Columns>,
    limits: Limits,
    live: Vec<DataFile>,
    now: DateTime<Utc>,
    _folder: TempDir,
}

/// A chat: its id, its month (none: an unreadable timestamp), the second of its last change (none: likewise), and its
/// comment.
type Chat = (u8, Option<u8>, Option<u8>, u8);

fn text((id, month, second, comment): Chat) -> String {
    let stamp = month.map_or("soon".to_owned(), |month| format!("2024-{month:02}-01T00:00:00Z"));
    let changed = second.map_or("later".to_owned(), |second| format!("2024-06-01T00:00:{second:02}Z"));
    format!(r#"{{"id":"{id}","timestamp":"{stamp}","update_timestamp":"{changed}","comment":"{comment}"}}"#)
}

impl Table {
    async fn new(keys: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let now = "2024-07-01T00:00:00Z".parse().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let dataset = Arc::new(Dataset::open(store, &["chats"], "acme", now, Clock::fixed(now)).await.unwrap());
        let columns = Arc::new(Columns::of(stream()));
        let limits = Limits { keys, ..Limits::default() };
        Self { dataset, columns, limits, live: Vec::new(), now, _folder: folder }
    }

    /// Adds the chats that a run read, in one commit.
    async fn add(&mut self, rule: Rule, chats: &[Chat]) -> Counts {
        self.now += TimeDelta::seconds(1);
        let tables: Arc<[TableRows]> =
            [TableRows { member: Member::alone(stream()), columns: Arc::clone(&self.columns) }].into();
        let mut lanes = RowBuilders::new(Arc::clone(&tables), Arc::clone(&self.dataset));
        let mut files = OpenFiles::new(tables, Arc::clone(&self.dataset), self.limits);
        for &chat in chats {
            let page = Page::parse(Shape::List, format!("[{}]", text(chat)).into_bytes()).unwrap();
            lanes.take(page, &[None], self.now).await.unwrap();
        }
        let fresh = files.close(&mut lanes).await.unwrap().remove(0);
        let merge = Merge {
            dataset: &self.dataset,
            stream: stream(),
            columns: &self.columns,
            rule,
            retyped: false,
            appended: false,
            limits: self.limits,
        };
        let live = std::mem::take(&mut self.live).into_iter().map(|file| Part { file, fresh: false });
        let parts = live.chain(fresh.into_iter().map(|file| Part { file, fresh: true })).collect();
        let (live, counts) = merge.table(parts).await.unwrap();
        self.live = live;
        counts
    }

    /// The folder, id and comment of each row.
    async fn rows(&self) -> Vec<(String, String, String)> {
        let mut all = Vec::new();
        for file in &self.live {
            let mut rows = parquet_file::open(&self.dataset, file, None).await.unwrap();
            while let Some(batch) = rows.try_next().await.unwrap() {
                let column = |name| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
                let (ids, comments) = (column("id"), column("comment"));
                let folder = file.path.rsplit_once('/').unwrap().0;
                let row = |row| (folder.to_owned(), ids.value(row).to_owned(), comments.value(row).to_owned());
                all.extend((0..batch.num_rows()).map(row));
            }
        }
        all.sort();
        all
    }
}

fn stream() -> &'static Stream {
    streams::named("chats").unwrap()
}

fn folder(month: Option<u8>) -> String {
    let month = month.map_or("__HIVE_DEFAULT_PARTITION__".to_owned(), |month| format!("2024-{month:02}"));
    format!("chats/month={month}")
}

#[tokio::test]
async fn a_chat_whose_month_changed_stood_in_two_months() {
    let mut table = Table::new(100).await;
    table.add(Rule::Newest, &[(1, None, Some(1), 1), (2, Some(1), Some(1), 1)]).await;
    let counts = table.add(Rule::Newest, &[(1, Some(3), Some(1), 1), (2, Some(2), Some(5), 2)]).await;
    assert_eq!(counts, Counts { new: 0, updated: 2, removed: 0 });
    let row = |month, id: &str, comment: &str| (folder(Some(month)), id.to_owned(), comment.to_owned());
    assert_eq!(table.rows().await, [row(2, "2", "2"), row(3, "1", "1")]);
}

#[tokio::test]
async fn a_row_without_a_cursor_was_appended_twice_at_a_seam() {
    let mut table = Table::new(100).await;
    table.add(Rule::Distinct, &[(1, Some(1), None, 1), (2, Some(1), Some(2), 1)]).await;
    let counts = table.add(Rule::Distinct, &[(1, Some(1), None, 1), (3, Some(1), Some(9), 1)]).await;
    assert_eq!((counts.new, table.rows().await.len()), (1, 3));
}

#[tokio::test]
async fn a_whole_read_removes_only_where_it_went() {
    let mut table = Table::new(100).await;
    table.add(Rule::Newest, &[(1, Some(1), Some(1), 1), (2, Some(1), Some(20), 1), (3, Some(1), Some(40), 1)]).await;
    let at = |second| DateTime::parse_from_rfc3339(&format!("2024-06-01T00:00:{second}Z")).unwrap().timestamp_micros();
    let counts = table.add(Rule::Whole { from: at(10), to: at(40) }, &[]).await;
    assert_eq!(counts, Counts { new: 0, updated: 0, removed: 1 });
    assert_eq!(table.rows().await.iter().map(|row| row.1.as_str()).collect::<Vec<_>>(), ["1", "3"]);
}

/// The rank of a row among those of its key. A row without a cursor is ranked by when it was read, which is later than
/// all cursors here.
fn rank(second: Option<u8>) -> u64 {
    second.map_or(u64::MAX, u64::from)
}

fn chats() -> impl Strategy<Value = Vec<Chat>> {
    let month = prop::option::weighted(0.8, 1..4_u8);
    prop::collection::vec((0..6_u8, month, prop::option::weighted(0.8, 0..5_u8), 0..3_u8), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// The greatest cursor wins and, among equal cursors, the last row; a key lies in one month; a commit that changes
    /// nothing keeps the files.
    #[test]
    fn a_table_holds_the_newest_row_of_each_key(
        commits in prop::collection::vec((chats(), any::<bool>()), 1..6),
        keys in prop::sample::select(vec![1_u64, 3, 1_000]),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut table = Table::new(keys).await;
            let mut model: BTreeMap<u8, Chat> = BTreeMap::new();
            for (chats, whole) in commits {
                let before = (model.clone(), table.live.clone());
                let rule = if whole { Rule::Whole { from: i64::MIN, to: i64::MAX } } else { Rule::Newest };
                if whole {
                    let brought: BTreeSet<u8> = chats.iter().map(|chat| chat.0).collect();
                    model.retain(|id, _| brought.contains(id));
                }
                for &chat in &chats {
                    let held = model.entry(chat.0).or_insert(chat);
                    if rank(chat.2) >= rank(held.2) {
                        *held = chat;
                    }
                }
                table.add(rule, &chats).await;
                let expected: BTreeSet<_> = model
                    .values()
                    .map(|&(id, month, _, comment)| (folder(month), id.to_string(), comment.to_string()))
                    .collect();
                prop_assert_eq!(table.rows().await, expected.into_iter().collect::<Vec<_>>());
                if model == before.0 {
                    prop_assert_eq!(&table.live, &before.1);
                }
            }
            Ok(())
        })?;
    }

    /// Appended content is held once, whatever earlier commits added.
    #[test]
    fn an_appended_table_holds_each_content_once(
        commits in prop::collection::vec(chats(), 1..5),
        keys in prop::sample::select(vec![1_u64, 3, 1_000]),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut table = Table::new(keys).await;
            let mut held: BTreeSet<Chat> = BTreeSet::new();
            for chats in commits {
                let new = chats.iter().filter(|&&chat| held.insert(chat)).count() as u64;
                prop_assert_eq!(table.add(Rule::Distinct, &chats).await.new, new);
                prop_assert_eq!(table.rows().await.len(), held.len());
            }
            Ok(())
        })?;
    }
}
