//! The figures of each chat follow from its history: these tests compute them again, from the delivered records alone.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Account, Holdings, at, parsed};

/// Chats of several accounts, some of them delivered again.
static CHATS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let holdings = |seed| Holdings { seed, chats: 1_500, ..Holdings::default() };
    let truth = |seed| parsed(&Account::new(&holdings(seed)).truth("chats", at(2026, 1, 1)).unwrap());
    [1, 2, 3, 77].into_iter().flat_map(truth).filter(|chat| chat["type"] == "chat").collect()
});

fn list<'a>(chat: &'a Value, member: &str) -> &'a [Value] {
    chat[member].as_array().map_or(&[], Vec::as_slice)
}

/// Epoch seconds as a double.
#[allow(clippy::cast_precision_loss, reason = "microseconds of these centuries fit into 53 bits")]
fn seconds(stamp: &Value) -> f64 {
    stamp.as_str().unwrap().parse::<DateTime<Utc>>().unwrap().timestamp_micros() as f64 / 1e6
}

/// The author of an entry, in the older or newer form.
fn role(chat: &Value, entry: &Value) -> &'static str {
    let names = list(chat, "agent_names");
    match (entry["sender_type"].as_str(), entry["nick"].as_str()) {
        (Some("Visitor"), _) => "visitor",
        (Some("Agent"), _) => "agent",
        (_, Some(_)) => "other",
        _ if names.contains(&entry["name"]) => "agent",
        _ => "visitor",
    }
}

/// The lines of a chat: when each was written, the role of its author and the author's name.
fn lines(chat: &Value) -> Vec<(f64, &'static str, Value)> {
    let lines = list(chat, "history").iter().filter(|entry| entry["type"] == "chat.msg");
    lines.map(|line| (seconds(&line["timestamp"]), role(chat, line), line["name"].clone())).collect()
}

/// The visitor's waits for replies; `answers` decides by name and time whether an agent's line counts as a reply.
fn waits(lines: &[(f64, &'static str, Value)], from: f64, answers: impl Fn(&Value, f64) -> bool) -> Vec<f64> {
    let (mut open, mut waits) = (None, Vec::new());
    for (at, role, name) in lines {
        match *role {
            "visitor" => open = open.or(Some(at.max(from))),
            "agent" => waits.extend(open.take().filter(|_| answers(name, *at)).map(|since| at - since)),
            _ => {}
        }
    }
    waits
}

#[allow(clippy::cast_precision_loss, reason = "there are few")]
fn require_response_time(delivered: &Value, waits: &[f64]) {
    let Some(first) = waits.first() else {
        assert!(["first", "avg", "max"].iter().all(|member| delivered[member].is_null()), "{delivered}");
        return;
    };
    let near = |member: &str, value: f64, by: f64| (delivered[member].as_f64().unwrap() - value).abs() <= by;
    assert!(near("first", *first, 0.500_01) && delivered["first"].is_i64(), "{delivered} {waits:?}");
    assert!(
        near("max", waits.iter().copied().fold(0.0, f64::max), 0.500_01) && delivered["max"].is_i64(),
        "{delivered}"
    );
    assert!(near("avg", waits.iter().sum::<f64>() / waits.len() as f64, 1e-6), "{delivered} {waits:?}");
}

fn require_count(delivered: &Value, visitor: usize, agent: usize) {
    assert_eq!(*delivered, serde_json::json!({ "total": visitor + agent, "agent": agent, "visitor": visitor }));
}

#[test]
fn counts_and_response_times_follow_from_the_history() {
    for chat in &*CHATS {
        let lines = lines(chat);
        let of = |who| lines.iter().filter(|(_, role, _)| *role == who).count();
        require_count(&chat["count"], of("visitor"), of("agent"));
        require_response_time(&chat["response_time"], &waits(&lines, 0.0, |_, _| true));
        assert_eq!(chat["missed"], of("visitor") > 0 && of("agent") == 0, "{chat}");
        let last = lines.iter().rev().find(|(_, role, _)| *role != "other").map(|(_, role, _)| *role);
        assert_eq!(chat["dropped"], of("agent") > 0 && last == Some("visitor"), "{chat}");
    }
}

#[test]
#[allow(clippy::cast_possible_truncation, reason = "whole seconds fit")]
fn times_follow_from_the_history() {
    for chat in &*CHATS {
        let lines = lines(chat);
        let (first, last) = (lines.first().map_or(0.0, |line| line.0), lines.last().map_or(0.0, |line| line.0));
        assert_eq!(chat["duration"], (last - first).floor() as i64, "{chat}");
        assert_eq!(chat["end_timestamp"], chat["session"]["end_date"]);
        let mut leaves = list(chat, "history").iter().filter(|one| one["type"] == "chat.memberleave");
        let left = leaves.rfind(|leave| role(chat, leave) == "visitor").map(|leave| seconds(&leave["timestamp"]));
        if let Some(left) = left {
            assert!((seconds(&chat["timestamp"]) - first.floor()).abs() < 0.1, "{chat}");
            assert!((seconds(&chat["end_timestamp"]) - left.floor()).abs() < 0.1, "{chat}");
        }
        let waits = chat["missed"] == true || chat["dropped"] == true;
        assert_eq!(chat.get("abandon_time").is_some(), waits, "{chat}");
        if waits {
            let line = lines.iter().rfind(|(_, role, _)| *role == "visitor").unwrap().0;
            let waited = left.unwrap() - line;
            assert!((chat["abandon_time"].as_f64().unwrap() - waited).abs() <= 0.500_01, "{chat}");
        }
    }
}

#[test]
fn stamps_never_go_back_and_a_late_entry_comes_before_its_delivery() {
    for chat in &*CHATS {
        let entries = list(chat, "history").iter().filter(|entry| entry.is_object());
        let stamps: Vec<_> = entries.map(|entry| seconds(&entry["timestamp"])).collect();
        assert!(stamps.is_sorted(), "{chat}");
        assert!(stamps.last().is_none_or(|last| *last < seconds(&chat["update_timestamp"]) + 1.0), "{chat}");
    }
}

#[test]
fn engagements_follow_from_the_history() {
    let mut served = 0;
    for chat in &*CHATS {
        let names = list(chat, "agent_names");
        // Two agents with the same name cannot be distinguished by it.
        if names.len() == 2 && names[0] == names[1] {
            continue;
        }
        for leg in list(chat, "engagements") {
            served += usize::from(leg["accepted"] == true);
            require_leg(chat, leg);
        }
    }
    assert!(served > 3_000, "{served}");
}

fn require_leg(chat: &Value, leg: &Value) {
    let (assigned, accepted) = (leg["assigned"] == true, leg["accepted"] == true);
    let offered = seconds(&leg["timestamp"]);
    let mine = |entry: &&Value| role(chat, entry) == "agent" && entry["name"] == leg["agent_name"];
    let entries = list(chat, "history").iter().filter(|entry| entry.is_object());
    let joins = entries.filter(|entry| entry["type"] == "chat.memberjoin").filter(mine);
    let mut joins = joins.map(|join| seconds(&join["timestamp"]));
    let from = if assigned { offered } else { joins.find(|at| *at >= offered).unwrap() };
    let until = from + leg["duration"].as_f64().unwrap();
    let within = |at: f64| at > from - 1e-4 && at < until + 1e-4;
    let lines = lines(chat);
    let of = |who: &str, name: Option<&Value>| {
        let within = lines.iter().filter(|(at, _, _)| within(*at));
        within.filter(|(_, role, by)| *role == who && name.is_none_or(|name| name == by)).count()
    };
    let answered = if accepted { of("agent", Some(&leg["agent_name"])) } else { 0 };
    require_count(&leg["count"], of("visitor", None), answered);
    let start = if assigned { from } else { 0.0 };
    let answers = |name: &Value, at: f64| accepted && within(at) && *name == leg["agent_name"];
    require_response_time(&leg["response_time"], &waits(&lines, start, answers));
    assert!(accepted || assigned, "{leg}");
}
