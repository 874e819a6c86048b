//! What holds for every stream of the table.

use std::collections::BTreeSet;

use serde_json::Value;
use source_zendesk_chat::source::streams;

use crate::account::{Account, CUTOFF};

/// Small pages, so that every stream has several.
fn small_pages(options: &mut source_zendesk_chat::sandbox::Options) {
    options.behaviour.page_cap = Some(90);
}

fn names() -> Vec<&'static str> {
    streams::names()
}

fn incremental() -> impl Iterator<Item = &'static str> {
    streams::all().filter(|stream| stream.cursor.is_some()).map(|stream| stream.name)
}

#[tokio::test(start_paused = true)]
async fn every_stream_is_read_to_its_end() {
    let account = Account::open(small_pages).await;
    let reading = account.read("incremental", &[], "").await;
    reading.result.as_ref().unwrap();
    for stream in names() {
        assert_eq!(
            reading.keys(stream).into_iter().collect::<BTreeSet<_>>(),
            account.truth(stream, CUTOFF),
            "{stream}"
        );
        assert!(!reading.records(stream).is_empty(), "{stream} has records");
    }
    assert_eq!(reading.errors(), []);
}

#[tokio::test(start_paused = true)]
async fn every_record_is_valid_and_unique() {
    let account = Account::open(small_pages).await;
    let reading = account.read("incremental", &[], "").await;
    for stream in streams::all() {
        let name = stream.name;
        let schema: Value = serde_json::from_str(stream.schema).unwrap();
        let validator = jsonschema::options().build(&schema).unwrap();
        for record in reading.records(name) {
            let errors: Vec<String> =
                validator.iter_errors(record).map(|error| format!("{error} at {}", error.instance_path())).collect();
            assert_eq!(errors, [] as [String; 0], "{name}: {record}");
        }
        let Some(key) = stream.key else { continue };
        let keys: BTreeSet<String> = reading.records(name).iter().map(|record| record[key].to_string()).collect();
        assert_eq!(keys.len(), reading.records(name).len(), "{name} has unique keys");
        assert!(!keys.contains("null"), "{name} has keys");
    }
}

#[tokio::test(start_paused = true)]
async fn every_stream_has_the_life_cycle_of_the_protocol() {
    let account = Account::open(small_pages).await;
    let reading = account.read("incremental", &[], "").await;
    for stream in names() {
        assert_eq!(reading.statuses(stream), ["STARTED", "RUNNING", "COMPLETE"], "{stream}");
        let place = |wanted: &dyn Fn(&Value) -> bool| reading.messages.iter().position(wanted).unwrap();
        let status = |wanted: &'static str| {
            place(&move |message: &Value| {
                let status = &message["trace"]["stream_status"];
                status["stream_descriptor"]["name"] == stream && status["status"] == wanted
            })
        };
        let is_state = |message: &Value| message["state"]["stream"]["stream_descriptor"]["name"] == stream;
        let last_state = reading.messages.iter().rposition(is_state).unwrap();
        let first_record = place(&|message: &Value| message["record"]["stream"] == stream);
        assert!(status("STARTED") < status("RUNNING"), "{stream}");
        assert!(status("RUNNING") < first_record, "{stream}");
        assert!(last_state < status("COMPLETE"), "{stream}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_state_counts_the_records_before_it() {
    let account = Account::open(small_pages).await;
    let reading = account.read("incremental", &[], "").await;
    for stream in names() {
        let mut records = 0.0;
        for message in &reading.messages {
            if message["record"]["stream"] == stream {
                records += 1.0;
            }
            if message["state"]["stream"]["stream_descriptor"]["name"] == stream {
                assert_eq!(message["state"]["sourceStats"]["recordCount"], records, "{stream}");
                records = 0.0;
            }
        }
        assert!(records < 1.0, "{stream}: no record after the last state");
    }
}

#[tokio::test(start_paused = true)]
async fn every_export_checkpoints_each_page() {
    let account = Account::open(small_pages).await;
    let reading = account.read("incremental", &[], "").await;
    for stream in ["chats", "agent_timeline", "agent_events"] {
        let pages =
            reading.requests.iter().filter(|request| request.contains(&format!("incremental/{stream}?"))).count();
        assert!(pages > 3, "{stream}");
        // One state for each page with records, and one at the end.
        assert_eq!(reading.states(stream).len(), pages, "{stream}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_killed_after_any_page_goes_on_without_loss() {
    let account = Account::open(small_pages).await;
    for stream in incremental() {
        let whole = account.read("incremental", &[stream], "").await;
        for count in 1..=whole.states(stream).len() {
            let first = whole.killed_after(stream, count);
            let second = account.read("incremental", &[stream], &first.state_file()).await;
            second.result.as_ref().unwrap();
            let mut both: BTreeSet<String> = first.keys(stream).into_iter().collect();
            both.extend(second.keys(stream));
            assert_eq!(both, whole.keys(stream).into_iter().collect(), "{stream}, state {count}");
            assert_eq!(second.states(stream).last(), whole.states(stream).last(), "{stream}, state {count}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_refresh_equals_an_incremental_run_from_nothing() {
    let account = Account::open(small_pages).await;
    let incremental = account.read("incremental", &names(), "").await;
    // A full refresh ignores any state.
    let full = account.read("full_refresh", &names(), &incremental.state_file()).await;
    for stream in names() {
        assert_eq!(full.records(stream), incremental.records(stream), "{stream}");
        assert_eq!(full.states(stream), [&serde_json::json!({ "__ab_no_cursor_state_message": true })], "{stream}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_run_brings_only_what_is_new_and_keeps_the_state() {
    let account = Account::open(small_pages).await;
    let first = account.read("incremental", &names(), "").await;
    let second = account.read("incremental", &names(), &first.state_file()).await;
    for stream in incremental().filter(|stream| *stream != "agent_timeline") {
        assert_eq!(second.keys(stream), [] as [String; 0], "{stream}");
        assert_eq!(second.states(stream), [*first.states(stream).last().unwrap()], "{stream}");
    }
    let spans = second.keys("agent_timeline");
    assert!(!spans.is_empty() && spans.len() < first.keys("agent_timeline").len(), "only the last day is read again");
    assert_eq!(second.states("agent_timeline"), [*first.states("agent_timeline").last().unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn an_hourly_run_with_nothing_new_asks_each_stream_as_little_as_it_can() {
    let account = Account::open(|_| ()).await;
    let first = account.read("incremental", &[], "").await;
    let second = account.read("incremental", &[], &first.state_file()).await;
    for stream in streams::all() {
        let path = stream.endpoint().path;
        let requests = second
            .requests
            .iter()
            .filter(|request| request.starts_with(&format!("/{path}?")) || request.starts_with(&format!("{path}?")))
            .count();
        let expected = match stream.name {
            // Agents: two pages of a hundred and an empty one. Bans: one page with both kinds, one with what the one
            // kind held beyond the other, and an empty one.
            "agents" | "bans" => 3,
            // The page of the look-back, and an empty one.
            "agent_timeline" => 2,
            _ => 1,
        };
        assert_eq!(requests, expected, "{}: {:?}", stream.name, second.requests);
    }
}
