//! Every oddity of real accounts occurs in some chats of the default account, and only in some.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use super::{Account, Holdings, at, parsed};

/// Each chat's record begins with its id; every id has this length.
const ID: &str = r#"{"id":"2501.10414779.0000000000000""#;

/// The chats of the account's first year.
fn chats() -> Vec<Value> {
    parsed(&Account::new(&Holdings::default()).truth("chats", at(2026, 1, 1)).unwrap())
}

fn list<'a>(chat: &'a Value, member: &str) -> &'a [Value] {
    chat[member].as_array().map_or(&[], Vec::as_slice)
}

fn texts<'a>(chat: &'a Value, member: &str) -> Vec<&'a str> {
    list(chat, "history").iter().filter_map(|entry| entry[member].as_str()).collect()
}

/// How many entries are of a type.
fn of_type(chat: &Value, kind: &str) -> usize {
    list(chat, "history").iter().filter(|entry| entry["type"] == kind).count()
}

/// Whether some visitor's line follows the leave of the last agent.
fn writes_after_service(chat: &Value) -> bool {
    let entries = list(chat, "history");
    let left = entries.iter().rposition(|one| one["type"] == "chat.memberleave" && one["sender_type"] == "Agent");
    left.is_some_and(|left| entries[left..].iter().any(|one| one["type"] == "chat.msg"))
}

/// Whether two legs of different agents overlap in time.
fn legs_overlap(chat: &Value) -> bool {
    let moment = |leg: &Value| leg["timestamp"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap().timestamp();
    #[allow(clippy::cast_possible_truncation, reason = "whole seconds fit")]
    let end = |leg: &Value| moment(leg) + leg["duration"].as_f64().unwrap() as i64;
    let legs: Vec<_> = list(chat, "engagements").iter().filter(|leg| leg["accepted"] == true).collect();
    legs.windows(2).any(|pair| moment(pair[1]) + 5 < end(pair[0]))
}

/// Checks whether a chat shows an oddity.
type Sign = fn(&Value) -> bool;

/// The name of each oddity, with the check that detects it.
fn signs() -> Vec<(&'static str, Sign)> {
    vec![
        ("no history", |chat| chat["type"] == "chat" && chat["history"].is_null()),
        ("empty history", |chat| chat["history"].as_array().is_some_and(Vec::is_empty)),
        ("null among entries", |chat| list(chat, "history").iter().any(Value::is_null)),
        ("text among entries", |chat| list(chat, "history").iter().any(Value::is_string)),
        ("unknown member", |chat| list(chat, "history").iter().any(|one| one["translation"].is_object())),
        ("whole seconds", |chat| texts(chat, "timestamp").iter().any(|stamp| stamp.len() == 20)),
        ("equal stamps", |chat| texts(chat, "timestamp").windows(2).any(|pair| pair[0] == pair[1])),
        ("older form", |chat| list(chat, "history").iter().any(|one| one["nick"].is_null() && one.is_object())),
        ("no index", |chat| {
            list(chat, "history").iter().any(|one| one["sender_type"].is_string() && one["index"].is_null())
        }),
        ("index gap", |chat| {
            let indices: Vec<_> = list(chat, "history").iter().filter_map(|one| one["index"].as_i64()).collect();
            indices.windows(2).any(|pair| pair[1] > pair[0] + 1) && texts(chat, "type").len() == indices.len()
        }),
        ("agent named like the visitor", |chat| list(chat, "agent_names").contains(&chat["visitor"]["name"])),
        ("visitor renamed", |chat| texts(chat, "name").contains(&"Visitor 40718265")),
        ("agent returns", |chat| {
            list(chat, "engagements").windows(2).any(|pair| {
                pair[0]["agent_name"] == pair[1]["agent_name"]
                    && list(chat, "agent_ids").len() == 1
                    && pair[0]["accepted"] == true
            })
        }),
        ("visitor returns", |chat| texts(chat, "reason").contains(&"reload")),
        ("two agents at once", legs_overlap),
        ("visitor silent", |chat| chat["count"]["visitor"] == 0 && chat["started_by"] == "trigger"),
        ("agent opens, visitor silent", |chat| chat["count"]["visitor"] == 0 && chat["started_by"] == "agent"),
        ("trigger opens", |chat| chat["started_by"] == "trigger" && chat["count"]["agent"] != 0),
        ("rated twice", |chat| {
            let ratings = list(chat, "history").iter().filter(|one| one["type"] == "chat.rating");
            ratings.filter(|one| one["rating"].is_string()).any(|one| one["new_rating"] != one["rating"])
        }),
        ("comment alone", |chat| chat["rating"].is_null() && chat["comment"].is_string()),
        ("line after service", writes_after_service),
        ("three missed assignments, then missed", |chat| {
            chat["missed"] == true && list(chat, "engagements").len() == 3
        }),
        ("missed assignment, then served", |chat| {
            chat["missed"] == false && list(chat, "engagements").iter().any(|leg| leg["accepted"] == false)
        }),
        ("redacted", |chat| texts(chat, "msg").iter().any(|text| text.contains('▇'))),
        ("deleted", |chat| chat["deleted"] == true),
        ("conversion in the history", |chat| of_type(chat, "chat.conversion") == 1),
        ("picture", |chat| {
            list(chat, "history").iter().any(|one| one["type"] == "chat.msg" && one["attachment"].is_object())
        }),
        ("menu", |chat| list(chat, "history").iter().any(|one| one["structured_msg"].is_object())),
        ("request for a rating", |chat| of_type(chat, "chat.request.rating") > 0),
        ("queue", |chat| of_type(chat, "chat.wait_queue") > 0),
        ("notice", |chat| of_type(chat, "chat.event") > 0),
    ]
}

#[test]
fn every_oddity_is_found_and_rare() {
    let chats = chats();
    for (name, sign) in signs() {
        let found = chats.iter().filter(|chat| sign(chat)).count();
        let most = if matches!(name, "older form" | "trigger opens") { chats.len() / 3 } else { chats.len() / 12 };
        assert!((1..=most).contains(&found), "{name}: {found}");
    }
}

/// The changed versions of chats in the first thirty days, each with the version before.
fn later_deliveries() -> Vec<(Value, Value)> {
    let account = Account::new(&Holdings { chats: 20_000, ..Holdings::default() });
    let versions = |now| -> HashMap<String, String> {
        let chats = account.truth("chats", now).unwrap();
        chats.into_iter().map(|chat| (chat[..ID.len()].to_owned(), chat)).collect()
    };
    let parse = |chat: &str| serde_json::from_str(chat).unwrap();
    let mut pairs = Vec::new();
    let mut before = versions(at(2025, 1, 1));
    for step in 1..240 {
        let after = versions(at(2025, 1, 1) + Duration::hours(3 * step));
        let again = before.into_iter().filter(|(id, old)| after[id] != *old);
        pairs.extend(again.map(|(id, old)| (parse(&old), parse(&after[&id]))));
        before = after;
    }
    pairs
}

#[test]
fn a_later_delivery_grows_shrinks_redacts_deletes_or_changes_nothing() {
    let pairs = later_deliveries();
    let length = |chat: &Value| list(chat, "history").len();
    let without_cursor = |chat: &Value| {
        let mut chat = chat.clone();
        chat.as_object_mut().unwrap().remove("update_timestamp");
        chat
    };
    let count = |sign: &dyn Fn(&Value, &Value) -> bool| pairs.iter().filter(|(old, new)| sign(old, new)).count();
    let grown = count(&|old, new| list(new, "history").starts_with(list(old, "history")) && length(new) > length(old));
    let shrunk = count(&|old, new| length(new) < length(old));
    let same = count(&|old, new| without_cursor(old) == without_cursor(new));
    let deleted = count(&|old, new| old["deleted"] == false && new["deleted"] == true);
    let rated = count(&|old, new| old["rating"].is_null() && new["rating"].is_string());
    let recounted = count(&|old, new| old["count"] != new["count"]);
    let found = [pairs.len(), grown, shrunk, same, deleted, rated, recounted];
    assert!(found.iter().all(|number| *number > 0), "{found:?}");
    assert!(grown > shrunk && grown > same, "{found:?}");
    assert!(pairs.iter().all(|(old, new)| old["timestamp"] == new["timestamp"] && old["session"] == new["session"]));
}
