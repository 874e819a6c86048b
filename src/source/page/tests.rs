//! How responses of each shape are parsed.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::source::streams;

fn parse(stream: &str, body: &str) -> Result<Page, Malformed> {
    Page::parse(streams::named(stream).unwrap().endpoint().shape, body.as_bytes().to_vec())
}

fn texts(page: &Page) -> Vec<&str> {
    page.records().map(Record::text).collect()
}

#[test]
fn each_shape_gives_its_records_as_the_bytes_that_came() {
    assert_eq!(texts(&parse("accounts", r#" {"account_key": "x"} "#).unwrap()), [r#"{"account_key": "x"}"#]);
    assert_eq!(texts(&parse("routing_settings", r#"{"data":{"a" : 1.50}}"#).unwrap()), [r#"{"a" : 1.50}"#]);
    assert_eq!(texts(&parse("goals", r#"[{"id":1}, {"id":2}]"#).unwrap()), [r#"{"id":1}"#, r#"{"id":2}"#]);
    let bans = parse("bans", r#"{"ip_address":[{"id":2}],"visitor":[{"id":1}],"other":[{"id":9}]}"#).unwrap();
    assert_eq!(
        bans.records().map(|ban| (ban.array(), ban.text())).collect::<Vec<_>>(),
        [(1, r#"{"id":2}"#), (0, r#"{"id":1}"#)]
    );
    assert_eq!(texts(&parse("chats", r#"{"count":1,"chats":[{"id":"é"}],"end_time":5}"#).unwrap()), [r#"{"id":"é"}"#]);
}

#[test]
fn members_are_found_by_name_and_the_last_of_two_counts() {
    let page = parse("goals", r#"[{"id": 1 ,"name":"a\"b","id":2,"gone":null,"deep":{"id":3}}]"#).unwrap();
    let record = page.records().next().unwrap();
    assert_eq!(record.member("id"), Some("2"));
    assert_eq!(record.member("name"), Some(r#""a\"b""#));
    assert_eq!(record.member("gone"), None);
    assert_eq!(record.members().count(), 5);
}

#[test]
fn what_is_not_the_documented_answer_is_malformed() {
    let cases = [
        ("chats", ""),
        ("chats", "<html>"),
        ("chats", "{}"),
        ("chats", r#"{"error":"x"}"#),
        ("chats", "[]"),
        ("chats", r#"{"chats":{}}"#),
        ("chats", r#"{"chats":null}"#),
        ("chats", r#"{"chats":[1]}"#),
        ("chats", r#"{"chats":[{"id":"a"}"#),
        ("chats", r#"{"chats":[]} trailing"#),
        ("goals", "{}"),
        ("goals", "null "),
        ("bans", r#"{"error":"x"}"#),
        ("accounts", "[]"),
        ("accounts", "7"),
        ("routing_settings", r#"{"data":null}"#),
        ("routing_settings", "{}"),
    ];
    for (stream, body) in cases {
        let parsed = parse(stream, body);
        assert!(parsed.is_err(), "{stream}: {body}");
    }
}

#[test]
fn a_malformed_answer_is_never_repeated() {
    let Malformed(why) = parse("chats", r#"{"chats":[{"id":"secret-stuff"},]}"#).unwrap_err();
    assert!(!why.contains("secret"), "{why}");
}

#[test]
fn an_array_that_is_missing_or_null_is_empty() {
    assert_eq!(parse("bans", r#"{"visitor":[{"id":1}]}"#).unwrap().len(), 1);
    assert_eq!(parse("bans", r#"{"visitor":null,"ip_address":[]}"#).unwrap().len(), 0);
    assert_eq!(parse("bans", "{}").unwrap().len(), 0);
}

#[test]
fn bytes_that_are_no_utf8_are_replaced_and_reported() {
    let shape = streams::named("goals").unwrap().endpoint().shape;
    let page = Page::parse(shape, b"[{\"id\":1,\"name\":\"a\xffb\"}]".to_vec()).unwrap();
    assert!(page.repaired());
    assert_eq!(page.records().next().unwrap().member("name"), Some("\"a\u{fffd}b\""));
}

#[test]
fn a_record_may_be_nested_a_thousand_levels_deep() {
    let deep = format!("[{{\"id\":1,\"deep\":{}{}}}]", "[".repeat(1_000), "]".repeat(1_000));
    assert_eq!(parse("goals", &deep).unwrap().len(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused_without_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for stream in streams::all() {
            let _ = Page::parse(stream.endpoint().shape, body.clone());
        }
    }

    /// For any JSON object as a record, its text and members agree with what `serde_json` reads.
    #[test]
    fn records_and_members_are_what_the_body_says(values in prop::collection::vec(json_object(), 0..6), pretty: bool) {
        let list = Value::Array(values.clone());
        let body = if pretty { format!("{list:#}") } else { list.to_string() };
        let page = parse("goals", &body).unwrap();
        let read: Vec<Value> = page.records().map(|record| serde_json::from_str(record.text()).unwrap()).collect();
        prop_assert_eq!(&read, &values);
        for (record, value) in page.records().zip(&values) {
            let members: serde_json::Map<String, Value> = record.members()
                .map(|(key, value)| (serde_json::from_str(&format!("\"{key}\"")).unwrap(), serde_json::from_str(value).unwrap())).collect();
            prop_assert_eq!(&Value::Object(members), value);
        }
    }
}

fn json_object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("\\PC{0,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::hash_map("\\PC{0,6}", value, 0..5)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}
