//! Tests how records are written.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::source::page::Page;
use crate::source::streams;

/// A record of `stream` as it is written, and its changes: each changed member, and whether it became null.
fn write(stream: &str, record: &str, selected: Option<&[&str]>) -> (String, Vec<(String, bool)>) {
    let stream = streams::named(stream).unwrap();
    let selected: Option<Vec<String>> = selected.map(|names| names.iter().map(|&name| name.to_owned()).collect());
    let conform = Coercion::new(stream, selected.as_deref());
    let page =
        Page::parse(streams::named("goals").unwrap().endpoint().shape, format!("[{record}]").into_bytes()).unwrap();
    let (mut line, mut changes) = (Vec::new(), Vec::new());
    conform.write(page.records().next().unwrap(), &mut line, &mut changes);
    (String::from_utf8(line).unwrap(), changes.into_iter().map(|change| (change.member, change.nulled)).collect())
}

fn unchanged(stream: &str, record: &str) {
    assert_eq!(write(stream, record, None), (record.to_owned(), Vec::new()));
}

#[test]
fn a_record_that_fits_is_passed_on_byte_for_byte() {
    unchanged(
        "chats",
        r#"{"id" : "a","unread":true, "duration":7,"rating":null,"tags":[ 1,"x"],"new":{"drift":1.50e2},"comment":"\u00e9\ud83d\ude00 é"}"#,
    );
    unchanged("goals", r#"{"id":9223372036854775807,"name":"99999999999999999999999"}"#);
}

#[test]
fn a_declared_member_of_another_type_is_mended() {
    let cases = [
        (r#""unread":1"#, r#""unread":true"#),
        (r#""unread":0"#, r#""unread":false"#),
        (r#""unread":"false""#, r#""unread":false"#),
        (r#""duration":"5060""#, r#""duration":5060"#),
        (r#""duration":5060.0"#, r#""duration":5060"#),
        (r#""duration":true"#, r#""duration":1"#),
        (r#""abandon_time":"1.5""#, r#""abandon_time":1.5"#),
        (r#""rating":5"#, r#""rating":"5""#),
        (r#""timestamp":1780000100"#, r#""timestamp":"2026-05-28T20:28:20Z""#),
        (r#""timestamp":1780000100.25"#, r#""timestamp":"2026-05-28T20:28:20.250Z""#),
        (r#""rating":{"a":"b"}"#, r#""rating":"{\"a\":\"b\"}""#),
    ];
    for (came, went) in cases {
        let member = came[1..].split('"').next().unwrap().to_owned();
        assert_eq!(
            write("chats", &format!(r#"{{"id":"a",{came}}}"#), None),
            (format!(r#"{{"id":"a",{went}}}"#), vec![(member, false)]),
            "{came}"
        );
    }
}

#[test]
fn what_cannot_be_mended_becomes_null() {
    for came in [
        r#""unread":2"#,
        r#""duration":"soon""#,
        r#""duration":1.5"#,
        r#""duration":1e300"#,
        r#""webpath":{}"#,
        r#""visitor":[]"#,
        r#""abandon_time":"NaN""#,
        r#""timestamp":"2017-04-24T12:45:32+00:00Z""#,
    ] {
        let member = came[1..].split('"').next().unwrap().to_owned();
        assert_eq!(
            write("chats", &format!(r#"{{"id":"a",{came}}}"#), None),
            (format!(r#"{{"id":"a","{member}":null}}"#), vec![(member, true)]),
            "{came}"
        );
    }
}

#[test]
fn an_integer_beyond_64_bits_becomes_null_at_any_depth() {
    let record = r#"{"id":"a","duration":9223372036854775808,"session":{"n":[-9223372036854775809,1.2345678901234567890123,"9223372036854775808"]}}"#;
    let went = r#"{"id":"a","duration":null,"session":{"n":[null,1.2345678901234567890123,"9223372036854775808"]}}"#;
    assert_eq!(
        write("chats", record, None),
        (went.to_owned(), vec![("duration".to_owned(), true), ("session".to_owned(), false)])
    );
}

#[test]
fn half_a_surrogate_pair_becomes_the_replacement_character() {
    let record =
        r#"{"id":"a","comment":"x\ud83dy","history":[{"msg":"\\ud83d \uDE00 \ud83d\ud83d\ude00"}],"k\udc00":1}"#;
    let went = r#"{"id":"a","comment":"x\ufffdy","history":[{"msg":"\\ud83d \ufffd \ufffd\ud83d\ude00"}],"k\ufffd":1}"#;
    assert_eq!(
        write("chats", record, None),
        (went.to_owned(), ["comment", "history", "k\u{fffd}"].map(|member| (member.to_owned(), false)).to_vec())
    );
}

#[test]
fn a_record_goes_out_on_one_line() {
    let (line, changes) = write("chats", "{\n  \"id\": \"a\",\r\n  \"tags\": [\n 1 ]\n}", None);
    assert_eq!((line.as_str(), changes.len()), ("{   \"id\": \"a\",    \"tags\": [  1 ] }", 0));
}

#[test]
fn a_key_that_came_in_another_form_first_and_rightly_after_failed_its_record() {
    let (line, changes) = write("agents", r#"{"id":"another","odd":1,"odd":2,"id":5}"#, None);
    assert_eq!((line.as_str(), changes), (r#"{"odd":2,"id":5}"#, Vec::new()));
    unchanged("agents", r#"{"odd":1,"odd":2,"id":5}"#);
}

#[test]
fn a_change_named_a_member_as_it_is_escaped() {
    let record = r#"{"id":"a","caf\u00e9":"\ud800","say \"hi\"":99999999999999999999,"half \ud800":1}"#;
    let changes = write("chats", record, None).1;
    let names: Vec<&str> = changes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["café", "say \"hi\"", "half \u{fffd}"]);
}

#[test]
fn deselected_members_are_left_out_but_never_key_cursor_or_drift() {
    let (line, changes) = write(
        "chats",
        r#"{"id":"a","comment":"x","tags":[],"new":1,"update_timestamp":"2024-01-01T00:00:00Z"}"#,
        Some(&["tags"]),
    );
    assert_eq!(line, r#"{"id":"a","tags":[],"new":1,"update_timestamp":"2024-01-01T00:00:00Z"}"#);
    assert!(changes.is_empty());
}

#[test]
fn spans_of_agents_get_the_key_that_they_always_had() {
    let (line, changes) = write(
        "agent_timeline",
        r#"{"agent_id":360786799676,"start_time":"2020-12-14T04:08:32.301292Z","duration":1.0}"#,
        None,
    );
    assert_eq!(
        line,
        r#"{"id":"360786799676|2020-12-14T04:08:32.301292Z","agent_id":360786799676,"start_time":"2020-12-14T04:08:32.301292Z","duration":1.0}"#
    );
    assert!(changes.is_empty());
}

#[test]
fn two_spans_of_one_agent_within_a_second_have_two_keys() {
    let key = |start: &str| write("agent_timeline", &format!(r#"{{"agent_id":1,"start_time":"{start}"}}"#), None).0;
    assert_ne!(key("2020-12-14T04:08:32.301292Z"), key("2020-12-14T04:08:32.301293Z"));
}

fn any_json() -> impl Strategy<Value = String> {
    let text = r#"([ -!#-\[\]-~é😀]|\\[nt"\\/]|\\u[0-9a-fA-F]{4}|\\ud8[0-9a-f]{2}){0,6}"#
        .prop_map(|text| format!("\"{text}\""));
    let number = "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,22})?([eE][-+]?[0-9]{1,2})?";
    let leaf = prop_oneof![text.clone(), number.prop_map(|number| number), "null|true|false|0|1"];
    leaf.prop_recursive(3, 20, 4, move |inner| {
        let members = prop::collection::vec((text.clone(), inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|values| format!("[{}]", values.join(","))),
            members.prop_map(|members| format!(
                "{{{}}}",
                members.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(",\n")
            )),
        ]
    })
}

/// Whether every integer fits into 64 bits.
fn bounded(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_i64() || number.to_string().contains(['.', 'e', 'E']),
        Value::Array(values) => values.iter().all(bounded),
        Value::Object(members) => members.values().all(bounded),
        _ => true,
    }
}

proptest! {
    /// Whatever a member holds, the record is written as one line of sound JSON whose declared members have their
    /// declared types, and every change is reported.
    #[test]
    fn every_record_comes_out_sound(stream in prop::sample::select(vec!["chats", "agents", "bans", "conversions", "agent_events"]), pick: prop::sample::Index, value in any_json()) {
        let stream = streams::named(stream).unwrap();
        let mut schema: Value = serde_json::from_str(stream.schema).unwrap();
        // The content of a member is passed on as it came, so only the top level of the schema applies.
        for property in schema["properties"].as_object_mut().unwrap().values_mut() {
            property.as_object_mut().unwrap().retain(|keyword, _| keyword == "type" || keyword == "format");
        }
        let names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        let name = names[pick.index(names.len())];
        let record = format!("{{\"{name}\":{value},\"drift\":{value}}}");
        let (line, changes) = write(stream.name, &record, None);
        prop_assert!(!line.contains(['\n', '\r']));
        let out: Value = serde_json::from_str(&line).expect("what goes out is JSON, without half surrogate pairs");
        prop_assert!(bounded(&out), "{}", line);
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        prop_assert!(validator.is_valid(&out), "{} {}", line, schema["properties"][name]);
        if changes.is_empty() {
            prop_assert_eq!(line, record.replace('\n', " "));
        }
    }
}
