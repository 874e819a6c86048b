//! The contract of every sink, in one function that accepts any sink.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use source_zendesk_chat::clock::Clock;
use source_zendesk_chat::dataset::{Dataset, Manifest, Mode, Pending, Store, Table};
use source_zendesk_chat::position::{Frontier, Position, Unit, nanos_of};
use source_zendesk_chat::run::dump_plan::DumpRequest;
use source_zendesk_chat::secrets::Secrets;
use source_zendesk_chat::sink::airbyte::Airbyte;
use source_zendesk_chat::sink::parquet::{Limits, Parquet};
use source_zendesk_chat::sink::{End, Member, Sink, Writer};
use source_zendesk_chat::source::page::Page;
use source_zendesk_chat::source::streams::{self, Stream};
use source_zendesk_chat::source::walk::Bounds;
use source_zendesk_chat::stdout::Stdout;
use tempfile::TempDir;

use crate::account::{Lines, NOW, instant};
use crate::binary::messages;
use crate::lake::{LIMITS, batches, manifest, request};

/// What readers see of a stream: the published position, and the ids of the visible records.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    position: Option<String>,
    ids: BTreeSet<String>,
}

fn stream() -> &'static Stream {
    streams::named("chats").unwrap()
}

/// A page of chats with these ids, all changed in the second at which the page ends.
fn page(ids: &[&str], second: i64) -> Page {
    let changed = format!("2025-01-02T00:00:{second:02}Z");
    let record =
        |id: &&str| format!(r#"{{"id":"{id}","timestamp":"2025-01-02T00:00:00Z","update_timestamp":"{changed}"}}"#);
    let records: Vec<String> = ids.iter().map(record).collect();
    let body = format!(r#"{{"chats":[{}],"end_time":{}}}"#, records.join(","), instant(&changed).timestamp());
    Page::parse(stream().endpoint().shape, body.into_bytes()).unwrap()
}

fn frontier(second: i64) -> Frontier {
    let at = nanos_of(instant(&format!("2025-01-02T00:00:{second:02}Z")));
    Frontier::Position(Position::at(at, Unit::Seconds), Vec::new())
}

fn seconds(second: i64) -> String {
    instant(&format!("2025-01-02T00:00:{second:02}Z")).timestamp().to_string()
}

fn ids(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

/// Checks a sink against its contract. `sink` opens it anew, as another run would; `seen` reads what it has published.
async fn conforms<S: Sink>(sink: impl AsyncFn() -> S, seen: impl AsyncFn() -> Seen) {
    // An accepted page is counted, and publishes no position by itself.
    let first = sink().await;
    let mut writer = first.family(vec![Member::alone(stream())]);
    writer.write(page(&["a", "b"], 1), &[None]).await.unwrap();
    assert_eq!((writer.totals(), seen().await.position), (vec![2], None));
    // A checkpoint is published only together with everything accepted before it.
    writer.checkpoint(&[Some(frontier(1))]).await.unwrap();
    writer.write(page(&["c"], 2), &[None]).await.unwrap();
    writer.idle().await.unwrap();
    let Seen { position, ids: there } = seen().await;
    assert!(
        position.is_none() || (position == Some(seconds(1)) && there.is_superset(&ids(&["a", "b"]))),
        "{position:?} {there:?}"
    );
    writer.checkpoint(&[Some(frontier(2))]).await.unwrap();
    // Finishing a whole read publishes all of it.
    writer.finish(&[Some(frontier(2))], End::Whole(nanos_of(instant("2025-01-03T00:00:00Z")))).await.unwrap();
    assert_eq!(seen().await, Seen { position: Some(seconds(2)), ids: ids(&["a", "b", "c"]) });
    drop(first);
    // A read that breaks off keeps what was checkpointed, and moves the position no further than the last checkpoint.
    let second = sink().await;
    let mut writer = second.family(vec![Member::alone(stream())]);
    writer.write(page(&["d"], 3), &[None]).await.unwrap();
    writer.checkpoint(&[Some(frontier(3))]).await.unwrap();
    writer.finish(&[Some(frontier(3))], End::Early).await.unwrap();
    assert_eq!(seen().await, Seen { position: Some(seconds(3)), ids: ids(&["a", "b", "c", "d"]) });
    drop(second);
    // A read without records leaves the position where it is.
    let third = sink().await;
    let writer = third.family(vec![Member::alone(stream())]);
    writer.finish(&[Some(frontier(3))], End::WithGap).await.unwrap();
    assert_eq!(seen().await.position, Some(seconds(3)));
}

#[tokio::test(start_paused = true)]
async fn airbyte_conforms() {
    let lines = Lines::default();
    let stdout = Stdout::onto(lines.clone());
    let sink = async || Airbyte::new(stdout.clone(), Clock::fixed(instant(NOW)), Secrets::default(), None);
    let seen = async || {
        stdout.drained().await.unwrap();
        let mut seen = Seen::default();
        for message in messages(&lines.text()) {
            let state = &message["state"]["stream"]["stream_state"]["update_timestamp"];
            seen.position = state.as_str().map(str::to_owned).or(seen.position);
            seen.ids.extend(message["record"]["data"]["id"].as_str().map(str::to_owned));
        }
        seen
    };
    conforms(sink, seen).await;
}

/// The ids in the files that a dataset names, and its position.
fn held(folder: &Path) -> Seen {
    let manifest = manifest(folder);
    let Some(table) = manifest.tables.get("chats") else { return Seen::default() };
    let mut seen = Seen::default();
    let position = table.cursor.as_ref().map(|cursor: &Value| cursor["update_timestamp"].as_str().unwrap().to_owned());
    seen.position = position;
    for file in &table.live {
        for batch in batches(&folder.join(&file.path)) {
            let column = batch.column_by_name("id").unwrap();
            let texts = column.as_any().downcast_ref::<arrow_array::StringArray>().unwrap();
            seen.ids.extend(texts.iter().flatten().map(str::to_owned));
        }
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn parquet_conforms() {
    // Once with a commit at each checkpoint, once with a single commit at the end.
    for limits in [Limits { uncommitted: 0, ..LIMITS }, LIMITS] {
        let folder = TempDir::new().unwrap();
        let (path, clock) = (folder.path().to_str().unwrap().to_owned(), Clock::fixed(instant(NOW)));
        let start = instant("2025-01-01T00:00:00Z");
        let sink = async || {
            let store = Store::open(&path).unwrap();
            let dataset = Dataset::open(store, &["chats"], "acme", start, clock.clone()).await.unwrap();
            let bounds = Bounds { start: nanos_of(start), end: None, lookback: 0, chats_lookback: 0 };
            let request = request(Mode::IncrementalDeduped, &["chats"]);
            let (_, tasks) = request.plan(&dataset.manifest().await, &bounds).unwrap();
            Parquet::new(Arc::new(dataset), clock.clone(), tasks, limits)
        };
        conforms(sink, async || held(folder.path())).await;
    }
}

/// A read from an earlier `--since` in which the service left out a part moved the beginning of the table: what was left out
/// was never asked for again.
#[tokio::test(start_paused = true)]
async fn a_table_claimed_to_begin_before_a_gap() {
    let (old, earlier) = (instant("2025-01-02T00:00:00Z"), instant("2025-01-01T00:00:00Z"));
    let end = End::Whole(nanos_of(instant("2025-01-03T00:00:00Z")));
    for (second_end, expected) in [(End::WithGap, old), (end, earlier)] {
        let folder = TempDir::new().unwrap();
        let clock = Clock::fixed(instant(NOW));
        for (since, end) in [(old, end), (earlier, second_end)] {
            let store = Store::open(folder.path().to_str().unwrap()).unwrap();
            let dataset = Dataset::open(store, &["chats"], "acme", old, clock.clone()).await.unwrap();
            let bounds = Bounds { start: nanos_of(old), end: None, lookback: 0, chats_lookback: 0 };
            let request = DumpRequest { since: Some(since), ..request(Mode::IncrementalDeduped, &["chats"]) };
            let (_, tasks) = request.plan(&dataset.manifest().await, &bounds).unwrap();
            let sink = Parquet::new(Arc::new(dataset), clock.clone(), tasks, LIMITS);
            let mut writer = sink.family(vec![Member::alone(stream())]);
            writer.write(page(&["a"], 1), &[None]).await.unwrap();
            writer.finish(&[Some(frontier(1))], end).await.unwrap();
        }
        assert_eq!(manifest(folder.path()).tables["chats"].start, Some(expected), "{second_end:?}");
    }
}

/// One pending read of which the position could not be read ended the dump of all streams.
#[test]
fn an_unreadable_position_of_a_pending_read_excludes_its_stream_only() {
    let start = instant("2025-01-01T00:00:00Z");
    let bounds = Bounds { start: nanos_of(start), end: None, lookback: 0, chats_lookback: 0 };
    let request = request(Mode::Overwrite, &["chats", "agent_events"]);
    let mut manifest = Manifest::new("acme", start, "run");
    let (_, tasks) = request.plan(&manifest, &bounds).unwrap();
    let task = &tasks["chats"];
    let pending = Pending {
        mode: task.mode,
        start: task.start,
        end: task.end,
        run: "run".to_owned(),
        columns: task.columns.clone(),
        cursor: Some(serde_json::json!({"update_timestamp": true})),
        files: Vec::new(),
    };
    manifest.tables.insert("chats".to_owned(), Table { pending: Some(pending), ..Table::default() });
    let (plan, _) = request.plan(&manifest, &bounds).unwrap();
    let refused: Vec<&str> = plan.refused.iter().map(|(name, _)| name.as_str()).collect();
    let read: Vec<&str> = plan.streams.iter().map(|planned| planned.stream.name).collect();
    assert_eq!((refused, read), (vec!["chats"], vec!["agent_events"]));
}
