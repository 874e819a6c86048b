//! `read`: the output for each stream, for failing streams, and for all kinds of catalogs and states.

use serde_json::json;
use source_zendesk_chat::sandbox::options::Refusal;

use crate::binary::{Ended, Place, assert_ended, names};

const READ: &str = "read --config config.json --catalog catalog.json";

fn forbidding(paths: &[&str]) -> Place {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Place::open(|options| options.behaviour.refusal = Some(Refusal::Forbidden(paths)))
}

/// The lines of a run's output that are of one kind, such as its logs of one level.
fn lines(ended: &Ended, kind: &str) -> Vec<String> {
    ended.told().lines().filter(|line| line.starts_with(kind)).map(str::to_owned).collect()
}

#[test]
fn one_stream() {
    let place = Place::open(|options| options.behaviour.page_cap = Some(100));
    place.choose("incremental", &["agent_timeline"]);
    assert_ended!(place.run(READ), @r#"
    exit 0
    INFO 3 requests were made
    INFO agent_timeline: 176 records in 3 pages
    WARN this machine's clock and the service's differ by more than a minute; exports are read up to 2025-03-01T11:54:00Z
    agent_timeline
      STARTED
      RUNNING
      RECORD x 100
      STATE {"start_time":"1738593008137975"}
      RECORD x 76
      STATE {"start_time":"1740807483111898"}
      STATE {"start_time":"1740807483111898"}
      COMPLETE
    "#);
}

#[test]
fn a_window_ends_where_the_configuration_says() {
    let place = Place::open(|_| {});
    place.configure(&json!({ "start_date": "2025-01-10", "end_date": "2025-01-20" }));
    place.choose("incremental", &["conversions", "agent_timeline"]);
    assert_ended!(place.run(READ), @r#"
    exit 0
    INFO 2 requests were made
    INFO agent_timeline: 30 records in 1 pages
    INFO conversions: 3 records in 1 pages
    WARN this machine's clock and the service's differ by more than a minute; exports are read up to 2025-03-01T11:54:00Z
    agent_timeline
      STARTED
      RUNNING
      RECORD x 30
      STATE {"start_time":"1737331200000000"}
      STATE {"start_time":"1737331200000000"}
      COMPLETE
    conversions
      STARTED
      RUNNING
      RECORD x 3
      STATE {"timestamp":"1737331200"}
      STATE {"timestamp":"1737331200"}
      COMPLETE
    "#);
}

#[test]
fn the_embedded_account() {
    let place = Place::open(|_| {});
    place.choose("full_refresh", &["accounts", "routing_settings"]);
    let mut command = place.command("read --sandbox --catalog catalog.json");
    // The embedded account has its own token, whatever the token of a real account is.
    command.env("ZENDESK_CHAT_ACCESS_TOKEN", "another");
    assert_ended!(Ended::of(command), @r#"
    exit 0
    INFO 2 requests were made
    INFO accounts: 1 records in 1 pages
    INFO reading the embedded account of made-up data
    INFO routing_settings: 1 records in 1 pages
    accounts
      STARTED
      RUNNING
      RECORD
      STATE {"__ab_no_cursor_state_message":true}
      COMPLETE
    routing_settings
      STARTED
      RUNNING
      RECORD
      STATE {"__ab_no_cursor_state_message":true}
      COMPLETE
    "#);
}

#[test]
fn a_stream_that_was_named_and_is_forbidden_fails_and_stops_no_other() {
    let place = forbidding(&["account"]);
    place.choose("full_refresh", &["accounts", "roles"]);
    assert_ended!(place.run(READ), @r#"
    exit 1
    INFO 2 requests were made
    INFO roles: 4 records in 1 pages
    WARN this machine's clock and the service's differ by more than a minute; exports are read up to 2025-03-01T11:54:00Z
    config_error 1 of 2 streams were not read to their end: accounts: api/v2/chat/account: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource. The error of each stream says what to do; the others were delivered.
    accounts
      STARTED
      config_error api/v2/chat/account: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource. Make the token as an administrator, with the scope `read`, or leave the stream out.
      INCOMPLETE
    roles
      STARTED
      RUNNING
      RECORD x 4
      STATE {"__ab_no_cursor_state_message":true}
      COMPLETE
    stderr: 1 of 2 streams were not read to their end: accounts: api/v2/chat/account: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource. The error of each stream says what to do; the others were delivered.
    "#);
}

#[test]
fn a_stream_that_nobody_named_and_is_forbidden_is_passed_over() {
    let ended = forbidding(&["account"]).run("read --config config.json");
    assert_eq!((ended.code, lines(&ended, "  COMPLETE").len()), (Some(0), names().len() - 1));
    assert!(ended.told().contains("\naccounts\n  STARTED\n  INCOMPLETE\n"), "{}", ended.told());
    insta::assert_snapshot!(lines(&ended, "WARN accounts").join("\n"), @"WARN accounts is unavailable and was passed over: api/v2/chat/account: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource");
}

#[test]
fn a_stream_that_was_named_is_passed_over_where_the_configuration_says_so() {
    let place = forbidding(&["account"]);
    place.configure(&json!({ "skip_unavailable_streams": true }));
    place.choose("full_refresh", &["accounts", "roles"]);
    assert_ended!(place.run(READ), @r#"
    exit 0
    INFO 2 requests were made
    INFO roles: 4 records in 1 pages
    WARN accounts is unavailable and was passed over: api/v2/chat/account: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource
    WARN this machine's clock and the service's differ by more than a minute; exports are read up to 2025-03-01T11:54:00Z
    accounts
      STARTED
      INCOMPLETE
    roles
      STARTED
      RUNNING
      RECORD x 4
      STATE {"__ab_no_cursor_state_message":true}
      COMPLETE
    "#);
}

#[test]
fn that_every_stream_is_unavailable_is_an_error() {
    let place = forbidding(&["account", "roles"]);
    place.configure(&json!({ "skip_unavailable_streams": true }));
    place.choose("full_refresh", &["accounts", "roles"]);
    assert_ended!(place.run(READ), @r"
    exit 1
    INFO 2 requests were made
    WARN accounts is unavailable and was passed over: api/v2/chat/account: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource
    WARN roles is unavailable and was passed over: api/v2/chat/roles: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource
    config_error Every stream is unavailable: api/v2/chat/account: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource. Make the token as an administrator, with the scope `read`, or leave the stream out.
    accounts
      STARTED
      INCOMPLETE
    roles
      STARTED
      INCOMPLETE
    stderr: Every stream is unavailable: api/v2/chat/account: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource. Make the token as an administrator, with the scope `read`, or leave the stream out.
    ");
}

#[test]
fn that_a_stream_with_a_state_becomes_unavailable_is_an_error() {
    let place = forbidding(&["incremental/chats"]);
    place.configure(&json!({ "skip_unavailable_streams": true }));
    place.choose("incremental", &["chats", "roles"]);
    place.write("state.json", r#"{"chats":{"update_timestamp":"1736000000"}}"#);
    assert_ended!(place.run(&format!("{READ} --state state.json")), @r#"
    exit 1
    INFO 2 requests were made
    INFO roles: 4 records in 1 pages
    WARN this machine's clock and the service's differ by more than a minute; exports are read up to 2025-03-01T11:54:00Z
    config_error 1 of 2 streams were not read to their end: chats: api/v2/chat/incremental/chats: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource. The error of each stream says what to do; the others were delivered.
    chats
      STARTED
      config_error api/v2/chat/incremental/chats: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource. Make the token as an administrator, with the scope `read`, or leave the stream out.
      INCOMPLETE
    roles
      STARTED
      RUNNING
      RECORD x 4
      STATE {"__ab_no_cursor_state_message":true}
      COMPLETE
    stderr: 1 of 2 streams were not read to their end: chats: api/v2/chat/incremental/chats: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource. The error of each stream says what to do; the others were delivered.
    "#);
}

#[test]
fn a_stream_that_does_not_exist() {
    let place = Place::open(|_| {});
    place.choose("full_refresh", &["nonsense", "roles"]);
    assert_ended!(place.run(READ), @r#"
    exit 1
    INFO 1 requests were made
    INFO roles: 4 records in 1 pages
    WARN this machine's clock and the service's differ by more than a minute; exports are read up to 2025-03-01T11:54:00Z
    config_error 1 of 2 streams were not read to their end: nonsense: This source has no stream nonsense. The error of each stream says what to do; the others were delivered.
    nonsense
      STARTED
      config_error This source has no stream nonsense. Correct the catalog, or make it anew from the output of `discover`.
      INCOMPLETE
    roles
      STARTED
      RUNNING
      RECORD x 4
      STATE {"__ab_no_cursor_state_message":true}
      COMPLETE
    stderr: 1 of 2 streams were not read to their end: nonsense: This source has no stream nonsense. The error of each stream says what to do; the others were delivered.
    "#);
}

#[test]
fn a_catalog_that_cannot_be_used() {
    let place = Place::open(|_| {});
    let mut told = place.run("read --config config.json --catalog missing.json").told();
    let stream = |name: &str, mode: &str| json!({ "stream": { "name": name }, "sync_mode": mode });
    for catalog in [
        json!({ "streams": [stream("roles", "INVALID")] }),
        json!({ "streams": [stream("roles", "full_refresh"), stream("roles", "incremental")] }),
        json!({ "streams": [{ "sync_mode": "full_refresh" }] }),
        json!({}),
    ] {
        place.write("catalog.json", &catalog.to_string());
        told += &place.run(READ).told();
    }
    insta::assert_snapshot!(told, @r"
    exit 1
    config_error The catalog missing.json cannot be read: No such file or directory (os error 2). Correct the catalog, or make it anew from the output of `discover`.
    stderr: The catalog missing.json cannot be read: No such file or directory (os error 2). Correct the catalog, or make it anew from the output of `discover`.
    exit 1
    config_error The catalog's sync_mode for roles is neither full_refresh nor incremental. Correct the catalog, or make it anew from the output of `discover`.
    stderr: The catalog's sync_mode for roles is neither full_refresh nor incremental. Correct the catalog, or make it anew from the output of `discover`.
    exit 1
    config_error The catalog names roles twice. Correct the catalog, or make it anew from the output of `discover`.
    stderr: The catalog names roles twice. Correct the catalog, or make it anew from the output of `discover`.
    exit 1
    config_error The catalog is not a configured catalog: missing field `stream` at line 1 column 40. Correct the catalog, or make it anew from the output of `discover`.
    stderr: The catalog is not a configured catalog: missing field `stream` at line 1 column 40. Correct the catalog, or make it anew from the output of `discover`.
    exit 1
    config_error The catalog is not a configured catalog: missing field `streams` at line 1 column 2. Correct the catalog, or make it anew from the output of `discover`.
    stderr: The catalog is not a configured catalog: missing field `streams` at line 1 column 2. Correct the catalog, or make it anew from the output of `discover`.
    ");
    assert!(place.sandbox.requests().is_empty());
}

#[test]
fn an_empty_catalog_asks_for_nothing() {
    let place = Place::open(|_| {});
    place.choose("incremental", &[]);
    assert_ended!(place.run(READ), @r"
    exit 0
    INFO 0 requests were made
    ");
}

#[test]
fn a_stream_without_a_cursor_is_read_in_full_though_incremental_was_asked_for() {
    let place = Place::open(|_| {});
    place.choose("incremental", &["roles"]);
    place.write("state.json", r#"[{"type":"STREAM","stream":{"stream_descriptor":{"name":"roles","namespace":null},"stream_state":{"__ab_no_cursor_state_message":true}},"global_":null,"data":null,"global_":null}]"#);
    assert_ended!(place.run(&format!("{READ} --state state.json")), @r#"
    exit 0
    INFO 1 requests were made
    INFO roles: 4 records in 1 pages
    WARN this machine's clock and the service's differ by more than a minute; exports are read up to 2025-03-01T11:54:00Z
    roles
      STARTED
      RUNNING
      RECORD x 4
      STATE {"__ab_no_cursor_state_message":true}
      COMPLETE
    "#);
}

#[test]
fn a_state_of_garbage_fails_its_stream_alone() {
    let place = Place::open(|_| {});
    place.choose("incremental", &["chats", "bans"]);
    place.write("state.json", r#"{"chats":{"update_timestamp":"garbage"},"bans":{}}"#);
    assert_ended!(place.run(&format!("{READ} --state state.json")), @r#"
    exit 1
    INFO 3 requests were made
    INFO bans: 89 records in 3 pages
    WARN this machine's clock and the service's differ by more than a minute; exports are read up to 2025-03-01T11:54:00Z
    config_error 1 of 2 streams were not read to their end: chats: The state of chats does not say in `update_timestamp` how far the stream was delivered. The error of each stream says what to do; the others were delivered.
    bans
      STARTED
      RUNNING
      RECORD x 89
      STATE {"id":70523079}
      STATE {"id":70523138}
      STATE {"id":70523138}
      COMPLETE
    chats
      STARTED
      config_error The state of chats does not say in `update_timestamp` how far the stream was delivered. Correct this stream's state, or remove it to read the stream from its start.
      INCOMPLETE
    stderr: 1 of 2 streams were not read to their end: chats: The state of chats does not say in `update_timestamp` how far the stream was delivered. The error of each stream says what to do; the others were delivered.
    "#);
}

#[test]
fn a_state_file_that_cannot_be_used() {
    let place = Place::open(|_| {});
    place.choose("incremental", &["chats"]);
    let mut told = String::new();
    for content in ["{", "7", "[7]"] {
        place.write("state.json", content);
        told += &place.run(&format!("{READ} --state state.json")).told();
    }
    insta::assert_snapshot!(told, @r"
    exit 1
    config_error state.json: The state is not JSON: EOF while parsing an object at line 1 column 1. Correct this stream's state, or remove it to read the stream from its start.
    stderr: state.json: The state is not JSON: EOF while parsing an object at line 1 column 1. Correct this stream's state, or remove it to read the stream from its start.
    exit 1
    config_error state.json: The state holds something that is no object. Correct this stream's state, or remove it to read the stream from its start.
    stderr: state.json: The state holds something that is no object. Correct this stream's state, or remove it to read the stream from its start.
    exit 1
    config_error state.json: The state holds something that is no object. Correct this stream's state, or remove it to read the stream from its start.
    stderr: state.json: The state holds something that is no object. Correct this stream's state, or remove it to read the stream from its start.
    ");
    assert!(place.sandbox.requests().is_empty());
}

#[test]
fn a_state_in_2099_reads_nothing_and_stays() {
    let place = Place::open(|_| {});
    place.choose("incremental", &["chats", "agent_timeline"]);
    place.write("state.json", r#"[{"type":"STREAM","stream":{"stream_descriptor":{"name":"chats"},"stream_state":{"update_timestamp":"2099-01-01T00:00:00Z"}}},{"type":"STREAM","stream":{"stream_descriptor":{"name":"agent_timeline"},"stream_state":{"start_time":"4070908800000000"}}}]"#);
    assert_ended!(place.run(&format!("{READ} --state state.json")), @r#"
    exit 0
    INFO 0 requests were made
    INFO agent_timeline: 0 records in 0 pages
    INFO chats: 0 records in 0 pages
    agent_timeline
      STARTED
      RUNNING
      STATE {"start_time":"4070908800000000"}
      COMPLETE
    chats
      STARTED
      RUNNING
      STATE {"update_timestamp":"4070908800"}
      COMPLETE
    "#);
    assert!(place.sandbox.requests().is_empty());
}

#[test]
fn a_start_in_the_future_reads_nothing_and_succeeds() {
    let place = Place::open(|_| {});
    place.choose("incremental", &["chats"]);
    place.configure(&json!({ "start_date": "2099-01-01T00:00:00Z" }));
    assert_ended!(place.run(READ), @r#"
    exit 0
    INFO 0 requests were made
    INFO chats: 0 records in 0 pages
    chats
      STARTED
      RUNNING
      STATE {"__ab_no_cursor_state_message":true}
      COMPLETE
    "#);
    assert!(place.sandbox.requests().is_empty());
}

#[test]
fn the_state_of_a_stream_that_is_not_read_does_not_matter() {
    let place = Place::open(|_| {});
    place.choose("incremental", &["roles"]);
    place.write("state.json", r#"{"chats":{"update_timestamp":"garbage"},"nonsense":7}"#);
    assert_eq!(place.run(&format!("{READ} --state state.json")).code, Some(0));
}

#[test]
fn no_proxy_stands_between_two_programs_of_one_machine() {
    let place = Place::open(|_| {});
    place.choose("full_refresh", &["accounts"]);
    let mut command = place.command(READ);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env(name, "http://127.0.0.1:1");
    }
    assert_eq!(Ended::of(command).code, Some(0));
}

#[test]
fn details_are_log_messages() {
    let place = Place::open(|_| {});
    place.choose("full_refresh", &["accounts"]);
    let mut command = place.command(READ);
    command.env("LOG_LEVEL", "debug");
    insta::with_settings!({ filters => [(r"\d+", "N")] }, {
        insta::assert_snapshot!(lines(&Ended::of(command), "DEBUG").join("\n"), @"DEBUG asked the service path=api/vN/chat/account status=N milliseconds=N bytes=N");
    });
    assert_eq!(lines(&place.run(&format!("{READ} --debug")), "DEBUG").len(), 1);
    assert!(lines(&place.run(READ), "DEBUG").is_empty());
}

/// Regression: a killed run left half a line, and the first line of the next run was appended to it.
#[cfg(target_os = "linux")]
#[test]
fn a_torn_last_line_is_ended_before_lines_are_appended() {
    let place = Place::open(|_| {});
    place.choose("full_refresh", &["roles"]);
    for (before, first) in [("{\"type\":\"REC", 1), ("{}\n", 1), ("", 0)] {
        place.write("records.jsonl", before);
        let file = std::fs::File::options().append(true).open(place.path("records.jsonl")).unwrap();
        let mut command = place.command("read --config config.json --catalog catalog.json");
        assert!(command.stdout(file).stderr(std::process::Stdio::null()).status().unwrap().success());
        let text = std::fs::read_to_string(place.path("records.jsonl")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..first].concat(), before.trim_end());
        assert!(
            lines.len() > 4
                && lines[first..].iter().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
            "{text}"
        );
    }
}
