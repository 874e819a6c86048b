//! The data as a whole: consistent over time, and as odd as in real accounts.

use std::collections::{HashMap, HashSet};

use chrono::{Duration, TimeZone};
use serde_json::Value;

use super::*;
use super::{BulkEdit, Late};

mod consistency;
mod oddities;

fn at(year: i32, month: u32, day: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, day, 12, 0, 0).unwrap()
}

fn account(chats: u64) -> Account {
    Account::new(&Holdings { chats, ..Holdings::default() })
}

fn parsed(records: &[String]) -> Vec<Value> {
    records.iter().map(|record| serde_json::from_str(record).unwrap()).collect()
}

#[test]
fn every_record_of_every_stream_is_an_object_of_valid_json() {
    let account = account(600);
    for stream in STREAMS {
        let records = account.truth(stream, at(2026, 2, 1)).unwrap();
        assert!(!records.is_empty(), "{stream}");
        assert!(parsed(&records).iter().all(Value::is_object), "{stream}");
    }
    assert_eq!(account.truth("unheard_of", at(2026, 2, 1)), None);
}

#[test]
fn counts_are_those_of_the_truth() {
    let late = Late { percent: 30, seconds: 250 };
    let account = Account::new(&Holdings { chats: 50_000, late, ..Holdings::default() });
    for stream in STREAMS {
        for now in [at(2024, 12, 31), at(2025, 1, 1), at(2025, 1, 9)] {
            let truth = account.truth(stream, now).unwrap().len() as u64;
            assert_eq!(account.count(stream, now), Some(truth), "{stream}");
        }
    }
}

#[test]
fn the_first_year_holds_exactly_the_chats_asked_for() {
    for chats in [0, 1, 25, 300] {
        let records = parsed(&account(chats).truth("chats", at(2027, 3, 1)).unwrap());
        let in_first_year =
            records.iter().filter(|chat| chat["update_timestamp"].as_str().unwrap().starts_with("2025"));
        assert_eq!(in_first_year.count() as u64, chats);
        let ids: HashSet<_> = records.iter().map(|chat| chat["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), records.len());
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let now = at(2025, 3, 1);
    let of_seed = |seed| Account::new(&Holdings { seed, chats: 500, ..Holdings::default() });
    for stream in ["chats", "agents", "bans", "agent_timeline", "agent_events", "conversions", "department_events"] {
        assert_eq!(of_seed(1).truth(stream, now), of_seed(1).truth(stream, now), "{stream}");
        assert_ne!(of_seed(1).truth(stream, now), of_seed(2).truth(stream, now), "{stream}");
    }
}

#[test]
fn an_hour_later_the_past_is_the_same() {
    let account = account(200_000);
    let now = at(2025, 1, 3);
    for stream in ["chats", "agent_timeline", "agent_events", "conversions", "department_events"] {
        let before = account.truth(stream, now).unwrap();
        let after: HashSet<_> = account.truth(stream, now + Duration::hours(1)).unwrap().into_iter().collect();
        assert!(after.len() > before.len(), "{stream}");
        let gone = before.iter().filter(|record| !after.contains(*record)).count();
        // Only chats change: those that were updated within the hour.
        assert!(gone <= if stream == "chats" { 5 } else { 0 }, "{gone} {stream}");
    }
}

#[test]
fn an_updated_chat_is_another_record_under_the_same_id() {
    let account = account(500);
    let versions = |week| -> HashMap<String, Value> {
        let records = parsed(&account.truth("chats", at(2025, 1, 1) + Duration::weeks(week)).unwrap());
        records.into_iter().map(|chat| (chat["id"].as_str().unwrap().to_owned(), chat)).collect()
    };
    let mut updated = 0;
    for week in 1..10 {
        let (before, after) = (versions(week), versions(week + 1));
        for (id, old) in before {
            let new = &after[&id];
            if *new != old {
                updated += 1;
                assert!(new["update_timestamp"].as_str() > old["update_timestamp"].as_str());
                assert!(new["zendesk_ticket_id"].is_i64());
            }
        }
    }
    assert!((1..=9).contains(&updated), "{updated}");
}

#[test]
fn chats_have_every_shape_that_real_accounts_show() {
    let records = account(2_500).truth("chats", at(2026, 1, 1)).unwrap();
    let text = records.join("\n");
    let chats = parsed(&records);
    let shows = |name: &str, test: &dyn Fn(&Value) -> bool| assert!(chats.iter().any(test), "{name}");
    let any = |value: &Value, test: &dyn Fn(&Value) -> bool| value.as_array().is_some_and(|all| all.iter().any(test));
    for unread in [Value::from(true), Value::from(false), Value::from(0), Value::from(1)] {
        shows("unread", &|chat| chat["unread"] == unread);
    }
    shows("webpath of objects", &|chat| any(&chat["webpath"], &Value::is_object));
    shows("webpath of arrays", &|chat| any(&chat["webpath"], &Value::is_array));
    for test in [Value::is_string, Value::is_i64] {
        shows("msg_id", &|chat| any(&chat["history"], &|entry| test(&entry["msg_id"])));
        shows("history department", &|chat| any(&chat["history"], &|entry| test(&entry["department_id"])));
        shows("engagement agent", &|chat| any(&chat["engagements"], &|one| test(&one["agent_id"])));
    }
    shows("no msg_id", &|chat| any(&chat["history"], &|one| one["type"] == "chat.msg" && one.get("msg_id").is_none()));
    shows("malformed stamp", &|chat| chat["session"]["start_date"].as_str().unwrap().ends_with("+00:00Z"));
    shows("offline", &|chat| chat["type"] == "offline_msg" && chat.get("end_timestamp").is_none());
    shows("deleted", &|chat| chat["deleted"] == true);
    shows("missed", &|chat| chat["missed"] == true && chat["agent_ids"] == Value::Array(vec![]));
    shows("average as integer", &|chat| chat["response_time"]["avg"].is_i64());
    shows("average as float", &|chat| chat["response_time"]["avg"].is_f64());
    shows("unknown member", &|chat| chat.get("sentiment").is_some());
    shows("unknown nested member", &|chat| chat["session"].get("webrtc").is_some());
    shows("twenty conversions", &|chat| chat["conversions"].as_array().is_some_and(|all| all.len() == 20));
    shows("id beyond 32 bits", &|chat| chat["department_id"].as_i64() > Some(i64::from(u32::MAX)));
    for unicode in ["é", "注文", "😊", "\\u00e9", "\\ud83d\\ude42"] {
        assert!(text.contains(unicode), "{unicode}");
    }
}

#[test]
fn chats_are_as_large_as_real_ones() {
    let records = account(4_000).truth("chats", at(2025, 12, 31)).unwrap();
    let average = records.iter().map(String::len).sum::<usize>() / records.len();
    assert!((3_600..3_900).contains(&average), "{average}");
}

#[test]
fn the_time_line_has_two_spans_of_one_agent_within_one_second() {
    let spans = parsed(&account(100).truth("agent_timeline", at(2025, 6, 1)).unwrap());
    let twins = spans.windows(2).filter(|pair| {
        let [one, other] = [&pair[0], &pair[1]].map(|span| span["start_time"].as_str().unwrap());
        pair[0]["agent_id"] == pair[1]["agent_id"] && one[..19] == other[..19] && one < other
    });
    assert!(twins.count() > 5);
    assert!(spans.iter().all(|span| span["duration"].is_f64()));
}

#[test]
fn a_long_span_is_seen_when_it_ends_or_grows_until_then() {
    let now = at(2025, 1, 20);
    let seen_late = |account: &Account| {
        let seen = |now| account.truth("agent_timeline", now).unwrap().into_iter().collect::<Vec<_>>();
        let (before, after) = (seen(now), seen(now + Duration::hours(9)));
        let latest = parsed(&before).iter().map(|span| span["start_time"].as_str().unwrap().to_owned()).max().unwrap();
        let late = |span: &&Value| span["start_time"].as_str().unwrap() < latest.as_str();
        let missing: Vec<_> = after.into_iter().filter(|span| !before.contains(span)).collect();
        parsed(&missing).iter().filter(late).count()
    };
    assert!(seen_late(&account(30_000)) > 0);
    let growing = Account::new(&Holdings { chats: 30_000, growing_spans: true, ..Holdings::default() });
    assert!(seen_late(&growing) > 0);
    assert!(growing.count("agent_timeline", now) > account(30_000).count("agent_timeline", now));
}

#[test]
fn late_records_come_within_five_minutes() {
    let late = Late { percent: 50, seconds: 400 };
    let account = Account::new(&Holdings { chats: 400_000, late, ..Holdings::default() });
    let punctual = Account::new(&Holdings { chats: 400_000, ..Holdings::default() });
    let now = at(2025, 1, 2);
    let known_before = now - Duration::seconds(300);
    for stream in ["chats", "agent_events"] {
        assert!(account.count(stream, now) < punctual.count(stream, now), "{stream}");
        assert!(account.count(stream, now) >= punctual.count(stream, known_before), "{stream}");
    }
}

#[test]
fn a_bulk_edit_gathers_the_chats_before_it_in_one_second() {
    let edit = BulkEdit { moment: at(2025, 7, 1), chats: 300 };
    let account = Account::new(&Holdings { chats: 800, bulk_edit: Some(edit), ..Holdings::default() });
    let gathered = |now| {
        let chats = parsed(&account.truth("chats", now).unwrap());
        chats.iter().filter(|chat| chat["update_timestamp"] == "2025-07-01T12:00:00Z").count()
    };
    assert_eq!(gathered(at(2025, 6, 30)), 0);
    assert!((298..=300).contains(&gathered(at(2025, 7, 2))));
}

#[test]
fn agents_change_without_any_sign() {
    let account = account(0);
    let names = |now| -> Vec<_> {
        let agents = parsed(&account.truth("agents", now).unwrap());
        agents.iter().take(250).map(|agent| agent["last_name"].clone()).collect()
    };
    let (before, after) = (names(at(2025, 6, 1)), names(at(2025, 8, 1)));
    assert_eq!(before.iter().zip(&after).filter(|(one, other)| one != other).count(), 10);
    assert_eq!(account.count("agents", at(2025, 1, 1)), Some(250));
    assert_eq!(account.count("agents", at(2025, 2, 1)), Some(251));
}

#[test]
fn a_million_chats_are_as_near_as_one() {
    let account = account(1_000_000);
    let series = account.series(Export::Chats);
    let now = at(2026, 6, 1).timestamp_micros();
    let from = at(2025, 11, 5).timestamp_micros();
    let first = Entries::new(series, from, now).next().unwrap();
    assert!(first.stamp >= from && first.stamp < from + 60 * 60 * SECOND);
    assert_eq!(account.count("chats", at(2024, 1, 1)), Some(0));
}
