//! Tests that columns give back the records that were put into them.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use chrono::DateTime;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::source::page::{Page, Shape};
use crate::source::streams;

/// Converts records to columns, writes them as Parquet, and reads them back.
fn batch(stream: &str, records: &[String]) -> RecordBatch {
    let stream = streams::named(stream).unwrap();
    let page = Page::parse(Shape::List, format!("[{}]", records.join(",")).into_bytes()).unwrap();
    let columns = Columns::of(stream);
    let mut rows = Rows::new(&columns, "run");
    page.records().for_each(|record| rows.push(stream, record, 17).unwrap());
    let batch = rows.finish().unwrap();
    assert!(rows.is_empty());
    let mut file = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes::Bytes::from(file), 10_000);
    reader.unwrap().next().unwrap().unwrap()
}

/// The record that a row gives back.
fn record(batch: &RecordBatch, row: usize) -> Value {
    serde_json::from_str(&readable(&back::record(batch, row, None))).unwrap()
}

/// JSON that `serde_json` can read: half a surrogate pair becomes U+FFFD.
fn readable(json: &str) -> String {
    let page = Page::parse(Shape::List, format!("[{json}]").into_bytes()).unwrap();
    let record = page.records().next().unwrap();
    let mut line = Vec::new();
    crate::sink::airbyte::coerce::Coercion::new(&NO_SCHEMA, None).write(record, &mut line, &mut Vec::new());
    String::from_utf8(line).unwrap()
}

const NO_SCHEMA: Stream = Stream {
    name: "",
    schema: "{}",
    key: None,
    cursor: None,
    created: None,
    incremental: false,
    project: Project::Whole,
};

/// A value as readers see it: absent members equal null, numbers are compared by value and times as instants.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let present = members.iter().filter(|(_, value)| !value.is_null());
            let mut members: Vec<_> = present.map(|(name, value)| (name.clone(), normal(value))).collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(elements) => elements.iter().map(normal).collect(),
        Value::String(text) => match DateTime::parse_from_rfc3339(text) {
            Ok(time) => format!("{:?}", time.to_utc()).into(),
            Err(_) => value.clone(),
        },
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => match number.as_f64() {
                #[allow(clippy::cast_possible_truncation, reason = "it was checked to be whole and small")]
                Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => (float as i64).into(),
                _ => value.clone(),
            },
        },
        _ => value.clone(),
    }
}

/// The places where two values differ, and both values there.
fn differences(one: &Value, other: &Value) -> Vec<String> {
    let within = |place: String, one: &Value, other: &Value| {
        differences(one, other).into_iter().map(move |difference| format!("/{place}{difference}")).collect::<Vec<_>>()
    };
    match (one, other) {
        (Value::Object(ones), Value::Object(others)) => {
            let names: std::collections::BTreeSet<&String> = ones.keys().chain(others.keys()).collect();
            names.into_iter().flat_map(|name| within(name.clone(), &one[name], &other[name])).collect()
        }
        (Value::Array(ones), Value::Array(others)) if ones.len() == others.len() => {
            let pairs = ones.iter().zip(others).enumerate();
            pairs.flat_map(|(index, (one, other))| within(index.to_string(), one, other)).collect()
        }
        _ if one == other => Vec::new(),
        _ => vec![format!(": {one} is {other}")],
    }
}

fn returns(stream: &str, records: &[String]) {
    let batch = batch(stream, records);
    assert_eq!(batch.num_rows(), records.len());
    for (row, text) in records.iter().enumerate() {
        let mut given: Value = serde_json::from_str(&readable(text)).unwrap();
        if stream == "agent_timeline" {
            let stream = streams::named(stream).unwrap();
            let page = Page::parse(Shape::List, format!("[{text}]").into_bytes()).unwrap();
            let key = stream.key_text(page.records().next().unwrap());
            if given.get("id").is_none_or(Value::is_null) {
                given["id"] = serde_json::from_str(&readable(&format!("{{\"k\":\"{key}\"}}")))
                    .map(|v: Value| v["k"].clone())
                    .unwrap();
            }
        }
        let differences = differences(&normal(&record(&batch, row)), &normal(&given));
        assert!(differences.is_empty(), "{stream}: {differences:?}");
    }
}

#[test]
fn recorded_records_come_back_and_need_no_extra() {
    let recorded = include_str!("../../tests/data/recorded.jsonl");
    for line in recorded.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let stream = line["stream"].as_str().unwrap();
        returns(stream, &[line["data"].to_string()]);
    }
}

#[test]
fn types_are_those_that_the_schema_declares() {
    let schema = Columns::of(streams::named("chats").unwrap()).schema();
    let type_of = |name: &str| schema.field_with_name(name).unwrap().data_type().clone();
    assert_eq!(type_of("timestamp"), instant());
    assert_eq!(type_of("duration"), DataType::Int64);
    assert_eq!(type_of("abandon_time"), DataType::Float64);
    assert_eq!(type_of("unread"), DataType::Boolean);
    assert!(matches!(type_of("visitor"), DataType::Struct(_)));
    let DataType::List(page) = type_of("webpath") else { panic!() };
    assert!(matches!(page.data_type(), DataType::Struct(_)));
    let last: Vec<&str> = schema.fields().iter().rev().take(3).map(|field| field.name().as_str()).collect();
    assert_eq!(last, [RUN_ID, EXTRACTED_AT, EXTRA]);
}

/// The text in `_extra` of one record.
fn extra(stream: &str, record: &str) -> Option<String> {
    returns(stream, &[record.to_owned()]);
    let batch = batch(stream, &[record.to_owned()]);
    let extra = batch.column_by_name(EXTRA).unwrap().as_string::<i32>();
    extra.is_valid(0).then(|| extra.value(0).to_owned())
}

#[test]
fn what_a_column_cannot_hold_stands_beside_it() {
    let cases = [
        (r#"{"id":"a","duration":1.5}"#, r#"{"/duration":1.5}"#),
        (r#"{"id":"a","duration":"5060"}"#, r#"{"/duration":"5060"}"#),
        (r#"{"id":"a","duration":123456789012345678901}"#, r#"{"/duration":123456789012345678901}"#),
        (r#"{"id":"a","abandon_time":0.1234567890123456789}"#, r#"{"/abandon_time":0.1234567890123456789}"#),
        (r#"{"id":"a","unread":1}"#, r#"{"/unread":1}"#),
        (r#"{"id":"a","timestamp":"yesterday"}"#, r#"{"/timestamp":"yesterday"}"#),
        (
            r#"{"id":"a","timestamp":"2025-01-02T03:04:05.1234567Z"}"#,
            r#"{"/timestamp":"2025-01-02T03:04:05.1234567Z"}"#,
        ),
        (r#"{"id":"a","new":{"b":[1]},"visitor":{"n~e/w":2}}"#, r#"{"/new":{"b":[1]},"/visitor/n~0e~1w":2}"#),
        (r#"{"id":"a","visitor":7,"tags":"x"}"#, r#"{"/visitor":7,"/tags":"x"}"#),
        (r#"{"id":"a","tags":["x",5,null,{}]}"#, r#"{"/tags/1":5,"/tags/3":{}}"#),
        (r#"{"id":"a","comment":"\ud800"}"#, r#"{"/comment":"\ufffd"}"#),
        (
            r#"{"id":"a","webpath":[[1615000000,"http://to","","Title",7]]}"#,
            r#"{"/webpath/0":[1615000000,"http://to","","Title",7]}"#,
        ),
    ];
    for (record, expected) in cases {
        assert_eq!(extra("chats", record).as_deref(), Some(expected), "{record}");
    }
}

/// The text in `_extra` of a record of `chats` that JSON readers would read in different ways.
fn mended(record: &str) -> String {
    let batch = batch("chats", &[record.to_owned()]);
    batch.column_by_name(EXTRA).unwrap().as_string::<i32>().value(0).to_owned()
}

#[test]
fn one_cut_emoji_made_extra_unusable() {
    let record = r#"{"id":"a","new":{"a\ud83d":["\ud83d","\\ud83d\ud83d\ude00\ude00"],"big":123456789012345678901},"x\ud83d":1}"#;
    let expected = r#"{"/new":{"a�":["\ufffd","\\ud83d\ud83d\ude00\ufffd"],"big":123456789012345678901},"/x�":1}"#;
    // A name in a pointer is rewritten with U+FFFD itself, a text is mended in place with its escape. The nested name
    // may have either form here.
    let extra = mended(record).replace(r"a\ufffd", "a�");
    assert_eq!(extra, expected);
    assert_eq!(serde_json::from_str::<Value>(&extra).unwrap()["/new"]["a\u{fffd}"][1], "\\ud83d\u{1f600}\u{fffd}");
}

#[test]
fn two_names_with_half_surrogates_both_survive() {
    let members = r#""a\ud83d":1,"a\ud83e":2,"a\ufffd":3,"a\uD83D":4,"a\ufffd\ufffd\ufffd":5"#;
    let (whole, first, second) = ("a\u{fffd}", "a\u{fffd}\u{fffd}", "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
    let expected = json!({ first: 2, second: 4, whole: 3, "a\u{fffd}\u{fffd}\u{fffd}": 5 });
    let extra: Value = serde_json::from_str(&mended(&format!(r#"{{"id":"a",{members}}}"#))).unwrap();
    let named: serde_json::Map<_, _> =
        expected.as_object().unwrap().iter().map(|(name, value)| (format!("/{name}"), value.clone())).collect();
    assert_eq!(extra, Value::from(named));
    let extra: Value = serde_json::from_str(&mended(&format!(r#"{{"id":"a","new":[{{{members}}}]}}"#))).unwrap();
    assert_eq!(extra, json!({ "/new": [expected] }));
}

#[test]
fn of_a_name_that_comes_twice_in_what_is_kept_the_last_stays() {
    let record = r#"{"id":"a","new":{"b":{"c":1,"c":2}, "\u0062":{"d":[{}],"d":3} , "e":"\"b,}","e":4}}"#;
    assert_eq!(mended(record), r#"{"/new":{ "\u0062":{"d":3} , "e":4}}"#);
}

#[test]
fn text_of_several_types_is_strict_where_it_is_json() {
    let (stream, columns) = columns_of(&json!({ "id": { "type": "integer" }, "any": {} }));
    let batch = filled(&columns, stream, r#"{"id":1,"any":{"a\ud83d":"\ud83d","b":1,"b":2}}"#);
    let text = batch.column_by_name("any").unwrap().as_string::<i32>().value(0).to_owned();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!({ "a\u{fffd}": "\u{fffd}", "b": 2 }));
    assert_eq!(text.matches("\"b\"").count(), 1);
}

#[test]
fn what_is_nested_as_deep_as_can_be_is_kept() {
    let deep = |text: &str| format!("{}{text}{}", r#"[{"a":"#.repeat(4_900), "}]".repeat(4_900));
    let record = format!(r#"{{"id":"a","new":{}}}"#, deep(r#"{"b":1,"b":"\ud83d"}"#));
    assert_eq!(mended(&record), format!(r#"{{"/new":{}}}"#, deep(r#"{"b":"\ufffd"}"#)));
}

/// JSON as read by a parser that refuses repeated names.
struct Strict;

impl<'de> serde::Deserialize<'de> for Strict {
    fn deserialize<D: serde::Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Self)
    }
}

impl<'de> serde::de::Visitor<'de> for Strict {
    type Value = Self;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut elements: A) -> Result<Self, A::Error> {
        while elements.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut names = std::collections::HashSet::new();
        while let Some((name, _)) = members.next_entry::<String, Self>()? {
            if !names.insert(name) {
                return Err(serde::de::Error::custom("a name comes twice"));
            }
        }
        Ok(self)
    }
}

/// JSON whose names may occur twice, or differ only by half a surrogate pair.
fn any_cut_json() -> impl Strategy<Value = String> {
    any_json().prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(" , "))),
            any_cut_object(inner),
        ]
    })
}

fn any_cut_object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let names = [
        r"a",
        r"\u0061",
        r"a\ud83d",
        r"a\uD83D",
        r"a\ud83e",
        r"a\ude00",
        r"a\ud83d\ud83d",
        r"a\ud83d\ude00",
        r"a\ufffd",
        r"a\ufffd\ufffd",
        r"a\\ud83d",
        r#"\",}"#,
        "duration",
        r"dur\u0061tion",
        "visitor",
        "tags",
        "webpath",
    ];
    prop::collection::vec((prop::sample::select(names.to_vec()), value), 0..6).prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\" : {value}")).collect();
        format!("{{{}}}", members.join(" , "))
    })
}

#[test]
fn what_a_column_gives_back_stands_nowhere_else() {
    for record in [
        r#"{"id":"a","duration":-7,"abandon_time":7,"unread":false,"comment":"\u00e9\ud83d\ude00\n\"","tags":[]}"#,
        r#"{"id":"a","timestamp":"2025-01-02T03:04:05.123456Z","update_timestamp":"2025-01-02T03:04:05+02:00"}"#,
        r#"{"id":"a","duration":70.0,"abandon_time":1.2345678901234567,"visitor":{},"session":null,"new":null}"#,
        r#"{"id":"a","engagements":[{"agent_id":"360","department_id":7},{"department_id":"all"}]}"#,
        r#"{"id":"a","id":"b"}"#,
    ] {
        assert_eq!(extra("chats", record), None, "{record}");
    }
}

#[test]
fn pages_that_came_as_arrays_become_objects() {
    let batch = batch("chats", &[r#"{"id":"a","webpath":[[1615000000,"http://to","","Title"]]}"#.to_owned()]);
    let pages = batch.column_by_name("webpath").unwrap().as_list::<i32>().value(0);
    let text = |name: &str| pages.as_struct().column_by_name(name).unwrap().as_string::<i32>().value(0).to_owned();
    assert_eq!([text("timestamp"), text("to"), text("from"), text("title")], ["1615000000", "http://to", "", "Title"]);
}

/// Any JSON, including values that are easily taken for another type.
fn any_json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        (-1_000_i64..1_000).prop_map(|value| value.to_string()),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(|value| json!(value).to_string()),
        "(0|[1-9][0-9]{0,3})\\.[0-9]{1,20}",
        "[1-9][0-9]{0,3}[eE][0-9]{1,2}",
        "20[0-9]{2}-0[1-9]-[012][0-9]T[012][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,8})?(Z|\\+0[0-9]:30)"
            .prop_map(|time: String| format!("\"{time}\"")),
        "(true|false|[0-9]{1,3}|\\[\\]|\\{\\}|-1| 7)".prop_map(|text: String| format!("\"{text}\"")),
        any::<String>().prop_map(|text| json!(text).to_string()),
        Just(r#""a\ud800b""#.to_owned()),
    ];
    scalar.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(","))),
            prop::collection::vec((any_name(), inner), 0..4).prop_map(|members| object(&members)),
        ]
    })
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "id",
            "name",
            "timestamp",
            "to",
            "agent_id",
            "msg",
            "type",
            "duration",
            "avg",
            "a/b~c",
            "ü"
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,3}",
    ]
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
    format!("{{{}}}", members.join(","))
}

/// JSON that fits a form, except for some of its parts.
fn shaped(form: &Form) -> BoxedStrategy<String> {
    let fitting = match form {
        Form::Integer => any::<i64>().prop_map(|value| value.to_string()).boxed(),
        Form::Number => {
            any::<f64>().prop_filter("finite", |v| v.is_finite()).prop_map(|v| json!(v).to_string()).boxed()
        }
        Form::Boolean => any::<bool>().prop_map(|value| value.to_string()).boxed(),
        Form::Instant => (0..4_000_000_000_i64)
            .prop_map(|at| json!(DateTime::from_timestamp(at, 0).unwrap().to_rfc3339()).to_string())
            .boxed(),
        Form::Text | Form::Union { .. } => "[a-z0-9]{0,5}".prop_map(|text: String| json!(text).to_string()).boxed(),
        Form::List(item) => {
            prop::collection::vec(shaped(item), 0..3).prop_map(|items| format!("[{}]", items.join(","))).boxed()
        }
        Form::Struct { members, .. } => {
            let members: Vec<_> = members.iter().map(|(name, form)| (Just(name.clone()), shaped(form))).collect();
            let drift = prop::collection::vec((any_name(), any_json()), 0..2);
            (members, drift)
                .prop_map(|(members, drift)| object(&members.into_iter().chain(drift).collect::<Vec<_>>()))
                .boxed()
        }
    };
    prop_oneof![8 => fitting, 1 => any_json()].boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_record_comes_back(
        (stream, records) in prop::sample::select(streams::all().map(|stream| stream.name).collect::<Vec<_>>())
            .prop_flat_map(|stream| {
                let form = Columns::of(streams::named(stream).unwrap()).form;
                let objects = shaped(&form).prop_filter("objects", |json| json.starts_with('{'));
                (Just(stream), prop::collection::vec(objects, 1..4))
            })
    ) {
        returns(stream, &records);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn extra_is_strict_json(record in any_cut_object(any_cut_json())) {
        let batch = batch("chats", std::slice::from_ref(&record));
        let extra = batch.column_by_name(EXTRA).unwrap().as_string::<i32>();
        if extra.is_valid(0) {
            let read = serde_json::from_str::<Strict>(extra.value(0)).map(|_| ());
            prop_assert!(read.is_ok(), "{record} is {}: {read:?}", extra.value(0));
        }
    }
}

/// A stream whose schema has these properties, and its columns.
fn columns_of(properties: &Value) -> (&'static Stream, Columns) {
    let schema = json!({ "type": "object", "properties": properties }).to_string();
    let stream = Stream {
        name: "things",
        schema: Box::leak(schema.into_boxed_str()),
        key: Some("id"),
        cursor: None,
        created: None,
        incremental: false,
        project: Project::Whole,
    };
    let stream = Box::leak(Box::new(stream));
    let columns = Columns::of(stream);
    (stream, columns)
}

fn filled(columns: &Columns, stream: &Stream, record: &str) -> RecordBatch {
    let page = Page::parse(Shape::List, format!("[{record}]").into_bytes()).unwrap();
    let mut rows = Rows::new(columns, "first run");
    page.records().for_each(|record| rows.push(stream, record, 17).unwrap());
    rows.finish().unwrap()
}

#[test]
fn a_new_column_is_null_in_old_rows_which_keep_it_beside_them() {
    let (stream, before) = columns_of(&json!({ "id": { "type": "integer" } }));
    let (_, after) = columns_of(&json!({ "id": { "type": "integer" }, "size": { "type": "integer" } }));
    assert!(!are_retyped(&before.types(), &after.types()));
    let fitted = after.fitted(stream, filled(&before, stream, r#"{"id":1,"size":7}"#)).unwrap();
    assert_eq!(fitted.schema(), after.schema());
    assert!(fitted.column_by_name("size").unwrap().is_null(0));
    assert_eq!(record(&fitted, 0), json!({ "id": 1, "size": 7 }));
    // An older version that rewrites the rows keeps the values for which it has no column.
    let again = before.fitted(stream, filled(&after, stream, r#"{"id":1,"size":7}"#)).unwrap();
    assert_eq!((again.schema(), record(&again, 0)), (before.schema(), json!({ "id": 1, "size": 7 })));
}

#[test]
fn a_column_of_another_type_is_made_anew_from_what_the_old_one_gives_back() {
    let text = json!({ "type": ["null", "string"] });
    let integer = json!({ "type": ["null", "integer"] });
    let nested = |inner: &Value| json!({ "type": "object", "properties": { "inner": inner } });
    let cases = [
        (text.clone(), integer.clone(), r#"{"id":1,"size":"7"}"#),
        (integer.clone(), text.clone(), r#"{"id":1,"size":7}"#),
        (integer.clone(), json!({ "type": ["integer", "string"] }), r#"{"id":1,"size":"seven"}"#),
        (json!({ "type": ["string", "integer"] }), json!({ "type": ["integer", "string"] }), r#"{"id":1,"size":"7"}"#),
        (nested(&text), nested(&integer), r#"{"id":1,"size":{"inner":"x","new":[1]}}"#),
        (json!({}), nested(&integer), r#"{"id":1,"size":{"inner":5}}"#),
        (
            json!({ "type": "array", "items": text }),
            json!({ "type": "array", "items": integer }),
            r#"{"id":1,"size":["a",2,null]}"#,
        ),
    ];
    for (old, new, text) in cases {
        let (stream, before) = columns_of(&json!({ "id": { "type": "integer" }, "size": old }));
        let (_, after) = columns_of(&json!({ "id": { "type": "integer" }, "size": new }));
        let retyped = are_retyped(&before.types(), &after.types());
        let old = filled(&before, stream, text);
        let fitted = after.fitted(stream, old.clone()).unwrap();
        assert_eq!(fitted.schema(), after.schema());
        assert_eq!(normal(&record(&fitted, 0)), normal(&serde_json::from_str(text).unwrap()), "{text}");
        assert_eq!(fitted, after.fitted(stream, fitted.clone()).unwrap());
        // All columns of several types have the same Arrow type; only their metadata distinguishes them.
        assert!(retyped, "{text}");
        for name in [EXTRACTED_AT, RUN_ID] {
            assert_eq!(fitted.column_by_name(name), old.column_by_name(name));
        }
    }
}

#[test]
fn a_key_that_was_made_is_taken_over() {
    let stream = streams::named("agent_timeline").unwrap();
    let columns = Columns::of(stream);
    let old =
        batch("agent_timeline", &[r#"{"agent_id":5,"start_time":"2025-01-02T03:04:05.10Z","id":"own"}"#.to_owned()]);
    let key = |batch: &RecordBatch| batch.column_by_name("id").unwrap().as_string::<i32>().value(0).to_owned();
    assert_eq!(key(&old), "5|2025-01-02T03:04:05.10Z");
    let anew = columns.anew(stream, &old).unwrap();
    assert_eq!(anew, old);
}
