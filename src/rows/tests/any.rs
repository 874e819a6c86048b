//! Any chat at all: no panic, nothing lost, and rows that fit their schemas.

use std::collections::HashSet;

use proptest::prelude::*;

use super::schema::{check, properties};
use super::*;
use crate::json::{self, text::paired};
use crate::rows::column::{Column, Form};

/// Names of members, known ones and strange ones.
const NAMES: &[&str] = &[
    "timestamp",
    "type",
    "name",
    "msg",
    "msg_id",
    "options",
    "agent_id",
    "nick",
    "sender_type",
    "index",
    "attachment",
    "mime_type",
    "size",
    "deleted",
    "tags",
    "new_tags",
    "rating",
    "new_rating",
    "new_comment",
    "department_id",
    "prev_department_id",
    "skills_name",
    "conversion",
    "id",
    "goal_id",
    "structured_msg",
    "assigned",
    "accepted",
    "count",
    "response_time",
    "total",
    "first",
    "avg",
    "attribution",
    "agent_name",
    "to",
    "from",
    "title",
    "duration",
    "skills_requested",
    r"m\u0073g",
    "",
    "/",
    "~1",
    "a/b",
    r"\ud800",
    r"\uD801",
    r#"\""#,
    "é",
];

/// Values that are no list and no object.
const LEAVES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "5",
    "-5",
    "1.5",
    "1e3",
    "-0",
    "4120001",
    "9223372036854775808",
    "1789373462",
    r#""""#,
    r#""5""#,
    r#""05""#,
    r#""4120001""#,
    r#""Mara""#,
    r#""Ana""#,
    r#""M\u0061ra""#,
    r#""visitor""#,
    r#""Agent""#,
    r#""agent:trigger""#,
    r#""agent:7""#,
    r#""chat.msg""#,
    r#""chat.memberjoin""#,
    r#""chat.memberleave""#,
    r#""chat.file""#,
    r#""2026-09-14T08:11:02Z""#,
    r#""2026-09-14T08:11:02.604000Z""#,
    r#""2026-09-14T10:11:02+02:00""#,
    r#""2026-09-14 08:11:02""#,
    r#""2026-09-14""#,
    r#""a/b""#,
    r#""a\/b//""#,
    r#""\ud83d\ude00""#,
    r#""\ud800""#,
    r#""\uDC00x\ud800""#,
    r#""a\nb\u2028[c""#,
    r#""https://a.example/b?c""#,
    r#""//""#,
    r#""|""#,
];

/// The text of any JSON value.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        8 => prop::sample::select(LEAVES).prop_map(str::to_owned),
        1 => any::<String>().prop_map(|text| Value::from(text).to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
    ];
    leaf.prop_recursive(3, 40, 8, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..6).prop_map(|values| format!("[{}]", values.join(",\r\n"))),
            2 => prop::collection::vec((prop::sample::select(NAMES), inner), 0..10).prop_map(|members| object(&members)),
        ]
    })
}

fn object(members: &[(&str, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\" :{value}")).collect();
    format!("{{ {}\n}}", members.join(" ,\n"))
}

/// The text of an entry as it mostly is: an object.
fn entry() -> impl Strategy<Value = String> {
    let member = (prop::sample::select(NAMES), value());
    prop_oneof![5 => prop::collection::vec(member, 0..12).prop_map(|members| object(&members)), 1 => value()]
}

/// The text of a list as it mostly is: of entries.
fn list() -> impl Strategy<Value = String> {
    let list = prop::collection::vec(entry(), 0..8).prop_map(|entries| format!("[{}]", entries.join(" , ")));
    prop_oneof![6 => list, 1 => value()]
}

prop_compose! {
    /// The text of a chat.
    fn chat()(
        kind in prop::sample::select(&["\"chat\"", "\"offline_msg\"", "null", "5"][..]),
        message in prop::sample::select(LEAVES),
        lists in prop::collection::vec(list(), 7),
        heads in prop::collection::vec((prop::sample::select(&["visitor", "count", "rating", "missed", "started_by", "zendesk_ticket_id", "department_name", "end_timestamp", "other"][..]), value()), 0..6),
    ) -> String {
        let names = ["history", "engagements", "tags", "webpath", "conversions", "agent_ids", "agent_names"];
        let lists: Vec<_> = names.iter().zip(lists).map(|(name, list)| format!("\"{name}\":{list}")).collect();
        let heads: Vec<_> = heads.into_iter().map(|(name, value)| format!("\"{name}\":{value},")).collect();
        format!(
            "{{\"id\":\"26.c\",\"type\":{kind},\"update_timestamp\":\"2026-09-14T08:16:40Z\",\"timestamp\":\"2026-09-14T08:11:02Z\",\"message\":{message},{}{}}}",
            heads.concat(),
            lists.join(","),
        )
    }
}

/// The entries of a list of a chat, of which the last of one name counts.
fn entries<'text>(record: &'text str, list: &str) -> Vec<&'text str> {
    let found = json::members(record).into_iter().rfind(|(name, _)| *name == list).map(|(_, value)| value);
    match found {
        Some(array) if array.starts_with('[') => json::elements(array),
        None | Some("null") => Vec::new(),
        Some(single) => vec![single],
    }
}

/// What a row says that an entry was.
fn rebuilt(row: &Map<String, Value>, columns: &[Column]) -> Value {
    let mut entry = Value::Object(Map::new());
    for column in columns {
        let Some(value) = row.get(column.name) else { continue };
        let value = match (column.form, value) {
            (Form::Options, Value::Array(parts)) => {
                Value::from(parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("/"))
            }
            _ => value.clone(),
        };
        match column.within {
            Some(outer) => entry[outer][column.member] = value,
            None => entry[column.member] = value,
        }
    }
    for (pointer, value) in row.get("_extra").and_then(Value::as_object).into_iter().flatten() {
        let names: Vec<_> = pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
        match &names[..] {
            [] => entry = value.clone(),
            [name] => entry[name.as_str()] = value.clone(),
            [outer, name] => entry[outer.as_str()][name.as_str()] = value.clone(),
            _ => panic!("{pointer}"),
        }
    }
    entry
}

/// Whether a value says all that came: null is as good as nothing, an id as its text, no options as an empty text.
fn says_all(came: &Value, rebuilt: &Value) -> bool {
    match (came, rebuilt) {
        (Value::Object(one), Value::Object(other)) => {
            let within = |object: &Map<String, Value>, name| object.get(name).cloned().unwrap_or_default();
            one.keys().chain(other.keys()).all(|name| says_all(&within(one, name), &within(other, name)))
        }
        (Value::Object(members), Value::Null) => !members.is_empty() && members.values().all(Value::is_null),
        (Value::String(text), Value::Number(number)) | (Value::Number(number), Value::String(text)) => {
            *text == number.to_string()
        }
        (Value::String(text), Value::Null) => text.is_empty(),
        (Value::Array(parts), Value::String(text)) => {
            parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("/") == *text
        }
        _ => came == rebuilt,
    }
}

proptest! {
    #[test]
    fn every_row_is_on_one_line_and_fits_its_schema(record in chat()) {
        for (child, name) in CHILDREN {
            let properties = properties(name);
            let mut ids = HashSet::new();
            for text in texts(child, &record) {
                prop_assert!(json::is_json(&text) && !text.contains(['\n', '\r']), "{}", text);
            }
            for row in rows(child, &record) {
                check(name, &properties, &row);
                prop_assert_eq!(&row["chat_id"], "26.c");
                prop_assert!(ids.insert(row["id"].as_str().unwrap().to_owned()), "{} {}\n{}", name, row["id"], record);
                prop_assert!(row.get("_extra").is_none_or(|extra| extra.as_object().is_some_and(|extra| !extra.is_empty())));
            }
        }
    }

    #[test]
    fn an_entry_can_be_rebuilt_from_its_row(record in chat()) {
        let rows = rows(Child::Events, &record);
        let entries = entries(&record, "history");
        prop_assert_eq!(rows.len(), entries.len());
        for (row, entry) in rows.iter().zip(entries) {
            let came: Value = serde_json::from_str(&paired(entry)).unwrap();
            let rebuilt = rebuilt(row, events::COLUMNS);
            prop_assert!(says_all(&came, &rebuilt), "{}\n{}\n{}", entry, Value::from(row.clone()), rebuilt);
        }
    }

    #[test]
    fn no_entry_of_a_list_is_without_a_row(record in chat()) {
        for (child, list) in [(Child::Engagements, "engagements"), (Child::Webpath, "webpath"), (Child::Conversions, "conversions")] {
            prop_assert_eq!(rows(child, &record).len(), entries(&record, list).len());
        }
        let tags: HashSet<_> = entries(&record, "tags").into_iter().collect();
        prop_assert!(rows(Child::Tags, &record).len() >= tags.iter().filter(|tag| !tag.contains('\\')).count());
    }

    #[test]
    fn a_transcript_is_the_same_each_time_and_has_a_line_a_turn(record in chat()) {
        prop_assert_eq!(texts(Child::Transcripts, &record), texts(Child::Transcripts, &record));
        for row in rows(Child::Transcripts, &record) {
            let text = row.get("text").and_then(Value::as_str).unwrap_or_default();
            let breaks = |at: char| "\n\r\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{85}\u{2028}\u{2029}".contains(at);
            let heads = text.split(breaks).filter(|line| line.starts_with('[')).count();
            prop_assert_eq!(row["n_turns"].as_u64(), Some(heads as u64), "{}", text);
            prop_assert_eq!(row["is_empty"] == true, heads == 0);
            if let Some(messages) = row.get("messages") {
                let messages: Vec<Map<String, Value>> = serde_json::from_str(messages.as_str().unwrap()).unwrap();
                prop_assert!(messages.windows(2).all(|pair| pair[0]["role"] != pair[1]["role"]));
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in r#"(\{"(id|history|tags)":|\{|\}|\[|\]|:|,|"|\\|\\u[0-9a-f]{3,4}|"[a-z\\n]{0,12}"|1|null| ){0,14}"#) {
        if let Ok(chat) = Chat::parse(&text) {
            for (child, _) in CHILDREN {
                write(child, &chat, &mut RowTexts::new());
            }
        }
    }
}
