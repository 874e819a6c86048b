//! The five exports under every assumption about how they page.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{Duration, TimeZone, Utc};
use serde_json::Value;

use super::client::{Page, get, now, options, page, walk};
use crate::clock::Clock;
use crate::sandbox::options::{Bound, BulkEdit, FiveMinuteRule, Ids, Late};
use crate::sandbox::{Options, Sandbox};

const EXPORTS: [&str; 5] = ["chats", "agent_timeline", "agent_events", "conversions", "department_events"];

/// Asserts that a walk of every export gives exactly the true records, in the order of the cursor.
async fn walks_give_the_truth(options: Options, limit: usize) {
    let sandbox = Sandbox::start(options).await.unwrap();
    for export in EXPORTS {
        let walked = walk(&sandbox, export, limit).await;
        let mut truth = sandbox.account().truth(export, now()).unwrap();
        assert!(truth.len() > 3, "{export}");
        let cursors: Vec<_> = walked.iter().map(|record| cursor(export, record)).collect();
        assert!(cursors.is_sorted(), "{export}");
        let mut sorted = walked;
        sorted.sort_unstable();
        truth.sort_unstable();
        assert_eq!(sorted, truth, "{export}");
    }
}

fn cursor(export: &str, record: &str) -> String {
    let name = match export {
        "chats" => "update_timestamp",
        "agent_timeline" => "start_time",
        _ => "timestamp",
    };
    let record: Value = serde_json::from_str(record).unwrap();
    record[name].as_str().unwrap().to_owned()
}

/// Options without the five-minute rule, so that a walk may go up to `now`.
fn unbounded() -> Options {
    let mut options = options();
    options.behaviour.five_minute_rule = FiveMinuteRule::Off;
    options
}

#[tokio::test(start_paused = true)]
async fn a_walk_gives_exactly_the_truth() {
    walks_give_the_truth(unbounded(), 1_000).await;
    walks_give_the_truth(unbounded(), 20).await;
}

#[tokio::test(start_paused = true)]
async fn a_walk_gives_the_truth_under_the_other_bounds() {
    let mut options = unbounded();
    options.behaviour.bound_with_id = Bound::Inclusive;
    options.behaviour.timeline_bound = Bound::Exclusive;
    options.behaviour.bound_without_id = Bound::Exclusive;
    walks_give_the_truth(options, 20).await;
}

#[tokio::test(start_paused = true)]
async fn a_walk_gives_the_truth_with_ids_sent_or_not() {
    let mut options = unbounded();
    options.behaviour.timeline_ids = Ids::Told;
    options.behaviour.agent_events_ids = Ids::Untold;
    walks_give_the_truth(options, 20).await;
}

#[tokio::test(start_paused = true)]
async fn a_walk_gives_the_truth_under_a_page_cap_or_a_trickle() {
    let mut options = unbounded();
    options.behaviour.page_cap = Some(7);
    walks_give_the_truth(options, 1_000).await;
    let mut options = unbounded();
    options.behaviour.trickle_since = Some(now() - Duration::days(2));
    walks_give_the_truth(options, 1_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_trickle_brings_one_new_record_a_request() {
    let mut options = unbounded();
    let since = now() - Duration::days(10);
    options.behaviour.trickle_since = Some(since);
    let sandbox = Sandbox::start(options).await.unwrap();
    let chats = page(&sandbox, "chats", &format!("start_time={}", since.timestamp())).await;
    assert_eq!(chats.records.len(), 1);
    assert_eq!(page(&sandbox, "chats", &chats.next).await.records.len(), 1);
    let spans = page(&sandbox, "agent_timeline", &format!("start_time={}", since.timestamp_micros())).await;
    assert_eq!(spans.records.len(), 1);
    // The bound is inclusive: the page has the known span again and one new span.
    assert_eq!(page(&sandbox, "agent_timeline", &spans.next).await.records.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_walk_gives_the_truth_with_late_records_and_growing_spans() {
    let mut options = unbounded();
    options.holdings.late = Late { percent: 50, seconds: 200 };
    options.holdings.growing_spans = true;
    walks_give_the_truth(options, 30).await;
}

#[tokio::test(start_paused = true)]
async fn thousands_of_chats_in_one_second_come_once_each() {
    let mut options = unbounded();
    options.holdings.chats = 50_000;
    let moment = now() - Duration::hours(2);
    options.holdings.bulk_edit = Some(BulkEdit { moment, chats: 2_500 });
    let sandbox = Sandbox::start(options).await.unwrap();
    let walked = walk(&sandbox, "chats", 1_000).await;
    let mut ids: Vec<_> = walked.iter().map(|record| record[7..35].to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), walked.len());
    assert_eq!(walked.len() as u64, sandbox.account().count("chats", now()).unwrap());
    let tied = walked.iter().filter(|record| cursor("chats", record) == "2025-01-20T10:00:00Z");
    assert!(tied.count() >= 2_490);
}

#[tokio::test(start_paused = true)]
async fn the_envelope_is_that_of_its_export() {
    let sandbox = Sandbox::start(unbounded()).await.unwrap();
    let last = |page: &Page| serde_json::from_str::<Value>(page.records.last().unwrap()).unwrap();
    let chats = page(&sandbox, "chats", "fields=chats(*)&limit=2").await;
    let (time, id) = (chats.envelope["end_time"].as_i64().unwrap(), chats.envelope["end_id"].as_str().unwrap());
    let cursor = Utc.timestamp_opt(time, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    assert_eq!(last(&chats)["update_timestamp"], cursor);
    assert_eq!(last(&chats)["id"], id);
    assert_eq!(chats.next, format!("fields=chats%28%2A%29&limit=2&start_time={time}&start_id={id}"));
    let prefix = format!("{}/api/v2/chat/incremental/chats?", sandbox.url());
    assert!(chats.envelope["next_page"].as_str().unwrap().starts_with(&prefix));

    let spans = page(&sandbox, "agent_timeline", "limit=2").await;
    let time = spans.envelope["end_time"].as_i64().unwrap();
    let start = Utc.timestamp_micros(time).unwrap().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    assert_eq!(last(&spans)["start_time"], start);
    assert_eq!(spans.envelope.get("end_id"), None);
    assert_eq!(spans.next, format!("limit=2&start_time={time}"));

    let events = page(&sandbox, "agent_events", "").await;
    assert!(events.envelope["end_time"].is_f64());
    assert_eq!(events.envelope["end_id"], last(&events)["id"]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_says_the_position_asked() {
    let sandbox = Sandbox::start(unbounded()).await.unwrap();
    let late = now().timestamp() + 5;
    let with_id = page(&sandbox, "chats", &format!("start_time={late}&start_id=x%22y")).await;
    assert_eq!(
        (with_id.envelope["end_time"].as_i64(), with_id.envelope["end_id"].as_str()),
        (Some(late), Some("x\"y"))
    );
    assert_eq!(with_id.next, format!("start_time={late}&start_id=x%22y"));
    let without = page(&sandbox, "chats", &format!("start_time={late}")).await;
    assert_eq!(without.envelope["end_id"], "");
    assert_eq!(without.next, format!("start_time={late}"));
    let events = page(&sandbox, "agent_events", &format!("start_time={late}.25")).await;
    assert_eq!(events.envelope["end_time"].to_string(), format!("{late}.25"));
}

#[tokio::test(start_paused = true)]
async fn chats_without_their_fields_are_ids() {
    let sandbox = Sandbox::start(unbounded()).await.unwrap();
    let whole = page(&sandbox, "chats", "fields=chats(*)&limit=3").await;
    let bare = page(&sandbox, "chats", "limit=3").await;
    let some = page(&sandbox, "chats", "limit=3&fields=chats(visitor,type)").await;
    for place in 0..3 {
        let whole: Value = serde_json::from_str(&whole.records[place]).unwrap();
        assert_eq!(bare.records[place], format!(r#"{{"id":{}}}"#, whole["id"]));
        let some: Value = serde_json::from_str(&some.records[place]).unwrap();
        assert_eq!(some.as_object().unwrap().len(), 3);
        assert_eq!(some["visitor"], whole["visitor"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_a_thousand_whatever_is_asked() {
    let mut options = unbounded();
    options.holdings.chats = 30_000;
    let sandbox = Sandbox::start(options).await.unwrap();
    for query in ["", "limit=1000", "limit=5000"] {
        assert_eq!(page(&sandbox, "chats", query).await.records.len(), 1_000);
    }
    for query in ["limit=0", "limit=-1", "limit=x", "start_time=soon", "start_time=1.5", "start_time=99999999999999"] {
        assert_eq!(get(&sandbox, &format!("incremental/chats?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_recent_start_is_refused_always_first_or_never() {
    let recent = now().timestamp() - 299;
    let old = now().timestamp() - 300;
    let status = async |rule, query: String| {
        let mut options = options();
        options.behaviour.five_minute_rule = rule;
        let sandbox = Sandbox::start(options).await.unwrap();
        get(&sandbox, &format!("incremental/{query}")).await.status
    };
    for (rule, expected) in
        [(FiveMinuteRule::Always, [400, 400]), (FiveMinuteRule::First, [400, 200]), (FiveMinuteRule::Off, [200, 200])]
    {
        assert_eq!(status(rule, format!("chats?start_time={old}")).await, 200);
        assert_eq!(status(rule, format!("chats?start_time={recent}")).await, expected[0]);
        assert_eq!(status(rule, format!("chats?start_time={recent}&start_id=a")).await, expected[1]);
        assert_eq!(status(rule, format!("agent_timeline?start_time={old}000000")).await, 200);
        assert_eq!(status(rule, format!("agent_timeline?start_time={recent}000000")).await, expected[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_page_of_a_walk_may_be_recent_under_the_rule_for_beginnings() {
    let mut options = options();
    options.behaviour.five_minute_rule = FiveMinuteRule::First;
    options.holdings.growing_spans = true;
    options.holdings.chats = 100_000;
    let sandbox = Sandbox::start(options).await.unwrap();
    let start = (now() - Duration::seconds(400)).timestamp_micros();
    let first = page(&sandbox, "agent_timeline", &format!("start_time={start}")).await;
    assert!(first.envelope["end_time"].as_i64().unwrap() > (now() - Duration::seconds(300)).timestamp_micros());
    assert!(!page(&sandbox, "agent_timeline", &first.next).await.records.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_next_page_can_lead_to_another_host() {
    let mut options = unbounded();
    options.behaviour.next_page_base = Some("https://www.zopim.com".to_owned());
    let sandbox = Sandbox::start(options).await.unwrap();
    let page = page(&sandbox, "conversions", "").await;
    let next = page.envelope["next_page"].as_str().unwrap();
    assert!(next.starts_with("https://www.zopim.com/api/v2/chat/incremental/conversions?start_time="));
}

#[tokio::test(start_paused = true)]
async fn a_later_walk_finds_what_is_new_and_what_was_updated() {
    let weeks = Arc::new(AtomicI64::new(0));
    let passed = Arc::clone(&weeks);
    let mut options = unbounded();
    options.clock = Clock::from_fn(move || now() + Duration::weeks(passed.load(Ordering::SeqCst)));
    let sandbox = Sandbox::start(options).await.unwrap();
    let id = |record: &String| record[7..35].to_owned();
    let mut before = walk(&sandbox, "chats", 1_000).await;
    let mut updated = 0;
    for week in 1..8 {
        weeks.store(week, Ordering::SeqCst);
        let after = walk(&sandbox, "chats", 1_000).await;
        let known: HashMap<_, _> = after.iter().map(|record| (id(record), record)).collect();
        assert_eq!((known.len(), after.len() > before.len()), (after.len(), true));
        updated += before.iter().filter(|record| known[&id(record)] != *record).count();
        before = after;
    }
    assert!((1..=7).contains(&updated), "{updated}");
}
