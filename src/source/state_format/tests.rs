//! Every form of state that any version wrote is read; one form is written.

use proptest::prelude::*;

use super::*;
use crate::source::streams;

fn delivered(stream: &str, file: &str) -> Result<Option<Frontier>, Error> {
    Saved::parse(file)?.delivered(streams::named(stream).unwrap())
}

#[allow(clippy::unnecessary_wraps, reason = "what it is compared with is an option")]
fn position(time: &str, id: Option<&str>, unit: Unit) -> Option<Frontier> {
    Some(Frontier::Position(Position::received(time, id, unit).unwrap(), Vec::new()))
}

fn of_chats(state: &str) -> Result<Option<Frontier>, Error> {
    delivered(
        "chats",
        &format!(r#"[{{"type":"STREAM","stream":{{"stream_descriptor":{{"name":"chats"}},"stream_state":{state}}}}}]"#),
    )
}

#[test]
fn nothing_is_no_state() {
    for file in ["", " \n", "null", "{}", "[]", r#"{"other":{"id":1}}"#, r#"{"type":"LEGACY"}"#] {
        assert_eq!(delivered("chats", file).unwrap(), None, "{file}");
    }
    for state in ["null", "{}", r#"{"__ab_no_cursor_state_message":true}"#] {
        assert_eq!(of_chats(state).unwrap(), None, "{state}");
    }
}

#[test]
fn every_envelope_is_read() {
    let expected = position("1697795052", Some("x"), Unit::Seconds);
    let stream = r#"{"stream_descriptor":{"name":"chats","namespace":null},"stream_state":{"update_timestamp":"1697795052","start_id":"x"}}"#;
    let blob = r#"{"update_timestamp":"1697795052","start_id":"x"}"#;
    let forms = [
        format!(r#"[{{"type":"STREAM","stream":{stream}}}]"#),
        format!(
            r#"[{{"type":"STREAM","stream":{stream},"data":null,"namespace":null,"global_":null,"global_":null}}]"#
        ),
        format!(r#"[{{"stream":{stream}}}]"#),
        format!(r#"{{"type":"STREAM","stream":{stream}}}"#),
        format!(r#"{{"type":"STATE","state":{{"type":"STREAM","stream":{stream}}}}}"#),
        format!(r#"[{{"type":"GLOBAL","global":{{"shared_state":{{}},"stream_states":[{stream}]}}}}]"#),
        format!(r#"[{{"type":"LEGACY","data":{{"chats":{blob}}}}}]"#),
        format!(r#"{{"chats":{blob}}}"#),
    ];
    for form in forms {
        assert_eq!(delivered("chats", &form).unwrap(), expected, "{form}");
    }
}

#[test]
fn every_cursor_that_a_chats_state_ever_had_is_read() {
    for cursor in
        [r#""2023-10-20T09:44:12Z""#, r#""1697795052""#, "1697795052", r#""1697795052000""#, "1697795052000000"]
    {
        assert_eq!(
            of_chats(&format!(r#"{{"update_timestamp":{cursor}}}"#)).unwrap(),
            position("1697795052", None, Unit::Seconds),
            "{cursor}"
        );
    }
}

#[test]
fn every_cursor_that_an_agent_timeline_state_ever_had_is_read() {
    let cases = [
        ("2024-02-09T13:12:16.817973Z", "1707484336817973"),
        ("2024-02-09T13:12:16Z", "1707484336000000"),
        ("1609462800000000", "1609462800000000"),
        ("1609462800", "1609462800000000"),
    ];
    for (cursor, time) in cases {
        let file = format!(r#"{{"agent_timeline":{{"start_time":"{cursor}"}}}}"#);
        assert_eq!(delivered("agent_timeline", &file).unwrap(), position(time, None, Unit::Microseconds), "{cursor}");
    }
}

#[test]
fn a_fraction_of_a_second_is_kept() {
    let file = r#"{"agent_events":{"timestamp":"1697795052.123456","start_id":"R6"}}"#;
    assert_eq!(delivered("agent_events", file).unwrap(), position("1697795052.123456", Some("R6"), Unit::Seconds));
}

#[test]
fn a_numbered_state_is_a_number() {
    for id in ["41", r#""41""#] {
        assert_eq!(delivered("agents", &format!(r#"{{"agents":{{"id":{id}}}}}"#)).unwrap(), Some(Frontier::Id(41)));
    }
}

#[test]
fn of_slices_only_the_first_stretch_without_a_gap_counts() {
    let slice = |start: &str, end: &str| format!(r#"{{"start":"{start}","end":"{end}"}}"#);
    let slices = [
        slice("2024-03-01T00:00:00Z", "2024-04-01T00:00:00Z"),
        slice("2024-01-01T00:00:00Z", "2024-01-10T00:00:00Z"),
        slice("2024-01-10T00:00:00Z", "2024-02-01T00:00:00Z"),
    ];
    let state = format!(r#"{{"state_type":"date-range","slices":[{}],"legacy":{{}}}}"#, slices.join(","));
    assert_eq!(of_chats(&state).unwrap(), position("1706745600", None, Unit::Seconds));
}

#[test]
fn garbage_is_an_error_that_names_the_stream() {
    for state in [
        r#"{"update_timestamp":"garbage"}"#,
        r#"{"update_timestamp":{}}"#,
        r#"{"update_timestamp":-5}"#,
        r#"{"other":1}"#,
        "7",
        r#"{"slices":[]}"#,
        r#"{"slices":[{"start":"x"}]}"#,
    ] {
        let error = of_chats(state).unwrap_err();
        assert_eq!(error.kind(), Kind::State, "{state}");
        assert!(error.to_string().contains("chats"), "{error}");
    }
    for file in [
        "[1]",
        "7",
        "{",
        r#"{"type":"GLOBAL","global":{"shared_state":{}}}"#,
        r#"[{"type":"STREAM","stream":"chats"}]"#,
        r#"[{"type":"GLOBAL"}]"#,
        r#"{"state":{"update_timestamp":"1697795052"}}"#,
        r#"[{"type":"STREAM","stream":{"stream_state":{}}}]"#,
    ] {
        assert_eq!(Saved::parse(file).unwrap_err().kind(), Kind::State, "{file}");
    }
}

#[test]
fn what_is_written_is_what_airbytes_connector_reads() {
    let chats = streams::named("chats").unwrap();
    let timeline = streams::named("agent_timeline").unwrap();
    let agents = streams::named("agents").unwrap();
    assert_eq!(
        of(chats, position("1697795052", Some("x"), Unit::Seconds).as_ref()).to_string(),
        r#"{"update_timestamp":"1697795052","start_id":"x"}"#
    );
    assert_eq!(
        of(timeline, position("1609462800000000", None, Unit::Microseconds).as_ref()).to_string(),
        r#"{"start_time":"1609462800000000"}"#
    );
    assert_eq!(of(agents, Some(&Frontier::Id(41))).to_string(), r#"{"id":41}"#);
    assert_eq!(of(chats, None).to_string(), r#"{"__ab_no_cursor_state_message":true}"#);
}

proptest! {
    #[test]
    fn a_state_survives_its_file(time in 0_u64..4_000_000_000, id in prop::option::of("\\PC{1,8}")) {
        let chats = streams::named("chats").unwrap();
        let frontier = position(&time.to_string(), id.as_deref(), Unit::Seconds);
        let mut saved = Saved::default();
        saved.keep("chats", of(chats, frontier.as_ref()));
        saved.keep("other", json!({ "kept": 1 }));
        let again = Saved::parse(&saved.text()).unwrap();
        prop_assert_eq!(&again, &saved);
        prop_assert_eq!(again.delivered(chats).unwrap(), frontier);
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic(text in r#"(\[|\]|\{|\}|:|,|"stream"|"type"|"global"|"data"|"stream_state"|"chats"|"update_timestamp"|"slices"|1e999|[0-9]|null|"x"){0,14}"#) {
        for stream in streams::all() {
            let _ = Saved::parse(&text).map(|saved| saved.delivered(stream));
        }
    }
}

#[test]
fn windows_are_read_as_they_are_written() {
    let text = r#"{"update_timestamp":"100","start_id":"a","windows":[{"start_time":"200","end_time":"300"},{"start_time":"400","end_time":"400","end_id":"b"}]}"#;
    let frontier = of_chats(text).unwrap();
    let Some(Frontier::Position(_, beyond)) = &frontier else { panic!("no position") };
    assert_eq!(beyond.len(), 2);
    assert_eq!(of(streams::named("chats").unwrap(), frontier.as_ref()).to_string(), text);
}

#[test]
fn windows_that_cannot_be_read_are_read_from_the_service_again() {
    for windows in ["7", "{}", "[7]", r#"[{"start_time":"200"}]"#, r#"[{"start_time":"x","end_time":"300"}]"#, "null"] {
        let frontier = of_chats(&format!(r#"{{"update_timestamp":"100","windows":{windows}}}"#)).unwrap();
        assert_eq!(frontier, position("100", None, Unit::Seconds), "{windows}");
    }
}
