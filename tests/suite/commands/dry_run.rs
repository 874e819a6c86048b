//! `--dry-run`: what would be read and why, without a request or a file; and `read --streams`.

use std::fs;

use serde_json::{Value, json};

use crate::binary::{Ended, Place, assert_page, stream_of};

const DUMP: &str = "dump --config config.json --out lake";
const READ: &str = "read --config config.json";

/// A dry run, which must neither send a request nor change a file.
fn dry(place: &Place, arguments: &str) -> Ended {
    let before = (place.sandbox.requests().len(), everything(place));
    let ended = place.run(&format!("{arguments} --dry-run"));
    assert_eq!((place.sandbox.requests().len(), everything(place)), before);
    ended
}

/// All files in the folder, with their content.
fn everything(place: &Place) -> Vec<(String, Vec<u8>)> {
    let mut folders = vec![place.path(".")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files.push((path.display().to_string(), Vec::new()));
                folders.push(path);
            } else {
                files.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// The exit code of a run, and its stderr.
fn told(ended: &Ended) -> String {
    format!("exit {}\n{}", ended.code.unwrap(), ended.stderr)
}

#[test]
fn a_first_dump() {
    let place = Place::open(|_| {});
    place.configure(&json!({ "end_date": "2025-02-01" }));
    insta::assert_snapshot!(told(&dry(&place, DUMP)), @"
    exit 0
    stream            from                 to                   requests  why
    accounts                                                           1  whole
    agents                                                            1+  whole
    agent_timeline    2025-01-01T00:00:00Z 2025-02-01T00:00:00Z       1+  start
    bans                                                              1+  whole
    chats             2025-01-01T00:00:00Z 2025-02-01T00:00:00Z       1+  start
    departments                                                        1  whole
    goals                                                              1  whole
    roles                                                              1  whole
    shortcuts                                                          1  whole
    skills                                                             1  whole
    triggers                                                           1  whole
    routing_settings                                                   1  whole
    agent_events      2025-01-01T00:00:00Z 2025-02-01T00:00:00Z       1+  start
    conversions       2025-01-01T00:00:00Z 2025-02-01T00:00:00Z       1+  start
    department_events 2025-01-01T00:00:00Z 2025-02-01T00:00:00Z       1+  start
    start: nothing of it was read yet: it begins at `start_date`, or two years ago without one
    whole: it has no time from which a run could go on: it is read whole
    At least 15 requests, at 1000000 a minute 1 s. Nothing was asked or written.
    +: only the service knows how much; each page of up to 1,000 records is one request more.
    ");
    assert!(!place.path("lake").exists());
}

#[test]
fn a_dump_that_goes_on() {
    let place = Place::open(|_| {});
    place.configure(&json!({ "end_date": "2025-02-01" }));
    assert_eq!(place.run(DUMP).code, Some(0));
    place.configure(&json!({ "end_date": "2035-02-01" }));
    let whole = dry(&place, &format!("{DUMP} --streams chats,agent_timeline,bans,agents --until 2035-02-01T00:00:00Z"));
    // A run ends at the service's latest time, which here depends on the machine's clock.
    let stdout = whole.stdout;
    let stderr = whole.stderr.lines().filter(|line| !line.contains("20")).collect::<Vec<_>>().join("\n");
    assert_page!(Ended { code: whole.code, stdout, stderr }, @"
    exit 0
    stream            from                 to                   requests  why
    bans                                                               2  whole
    agents                                                             2  whole
    again: it goes on, and `lookback_hours` before that are read again, since records appear late
    redacted: it goes on, and `chats_lookback_minutes` before that are read again, since a redaction may show late
    whole: it has no time from which a run could go on: it is read whole
    About 7 requests, at 1000000 a minute 1 s. Nothing was asked or written.
    ");
    let since = dry(
        &place,
        &format!("{DUMP} --streams chats --since 2025-01-15T00:00:00Z --until 2025-01-20T00:00:00Z --json"),
    );
    assert_page!(since, @r#"
    exit 0
    {"streams":[{"stream":"chats","from":"2025-01-15T00:00:00Z","to":"2025-01-20T00:00:00Z","requests":1,"at_least":false,"why":"`--since` says where it begins"}],"requests":1,"at_least":false,"seconds":1}
    "#);
    // Records that were read are not read again.
    let none = dry(&place, &format!("{DUMP} --streams conversions --until 2025-01-20T00:00:00Z --json"));
    assert_eq!(serde_json::from_str::<Value>(&none.stdout).unwrap()["requests"], 0);
}

#[test]
fn the_forecast_is_about_right() {
    let place = Place::open(|options| options.behaviour.page_cap = None);
    place.configure(&json!({ "end_date": "2025-02-15" }));
    assert_eq!(place.run(DUMP).code, Some(0));
    let forecast = dry(&place, &format!("{DUMP} --mode overwrite --json"));
    let forecast = serde_json::from_str::<Value>(&forecast.stdout).unwrap();
    let seen = place.sandbox.requests().len();
    assert_eq!(place.run(&format!("{DUMP} --mode overwrite")).code, Some(0));
    let took = (place.sandbox.requests().len() - seen) as u64;
    let told = forecast["requests"].as_u64().unwrap();
    assert!(told.abs_diff(took) <= 3 && forecast["at_least"] == false, "{told} for {took}: {forecast}");
}

#[test]
fn what_a_dump_would_refuse() {
    let place = Place::open(|_| {});
    assert_eq!(place.run(&format!("{DUMP} --streams skills")).code, Some(0));
    place.configure(&json!({ "subdomain": "other" }));
    assert_page!(dry(&place, DUMP), @"
    exit 1
    The dataset at PLACE/lake/ is that of sandbox, not of other. Give `--out` another place, or bring the dataset back from a copy.
    ");
    assert_page!(dry(&place, "dump --config config.json --out lake/chats"), @"
    exit 1
    lake/chats lies within the dataset at PLACE/lake, or leads into it: choose a place outside of that. Give `--out` a folder that may be written, or s3://bucket/path and what opens it.
    ");
}

#[test]
fn a_read_says_why() {
    let place = Place::open(|_| {});
    place.configure(&json!({ "end_date": "2025-02-01" }));
    place.write("state.json", r#"{"chats":{"update_timestamp":"1737000000","start_id":"x"},"agent_timeline":{"start_time":"1737000000000000"}}"#);
    let ended = dry(
        &place,
        &format!("{READ} --state state.json --update-state --streams chats,agent_timeline,conversions,roles"),
    );
    insta::assert_snapshot!(told(&ended), @"
    exit 0
    stream            from                 to                   requests  why
    chats             2025-01-16T04:00:00Z 2025-02-01T00:00:00Z       1+  state
    agent_timeline    2025-01-15T04:00:00Z 2025-02-01T00:00:00Z       1+  again
    conversions       2025-01-01T00:00:00Z 2025-02-01T00:00:00Z       1+  start
    roles                                                              1  whole
    again: it goes on, and `lookback_hours` before that are read again, since records appear late
    start: nothing of it was read yet: it begins at `start_date`, or two years ago without one
    state: it goes on from where the state ends
    whole: it has no time from which a run could go on: it is read whole
    At least 4 requests, at 1000000 a minute 1 s. Nothing was asked or written.
    +: only the service knows how much; each page of up to 1,000 records is one request more.
    ");
    place.choose("full_refresh", &["chats", "agents"]);
    let ended = dry(&place, &format!("{READ} --state state.json --catalog catalog.json"));
    insta::assert_snapshot!(told(&ended), @"
    exit 0
    stream            from                 to                   requests  why
    chats             2025-01-01T00:00:00Z 2025-02-01T00:00:00Z       1+  catalog
    agents                                                            1+  whole
    catalog: the catalog asks for all of it, from `start_date` on
    whole: it has no time from which a run could go on: it is read whole
    At least 2 requests, at 1000000 a minute 1 s. Nothing was asked or written.
    +: only the service knows how much; each page of up to 1,000 records is one request more.
    ");
}

#[test]
fn a_state_that_cannot_be_used_is_told() {
    let place = Place::open(|_| {});
    place.write("state.json", r#"{"chats":{"update_timestamp":"soon"}}"#);
    let ended = dry(&place, &format!("{READ} --state state.json --streams chats"));
    insta::assert_snapshot!(told(&ended), @"
    exit 1
    chats: The state of chats does not say in `update_timestamp` how far the stream was delivered. Correct this stream's state, or remove it to read the stream from its start.
    ");
}

#[test]
fn streams_are_chosen_by_name() {
    let place = Place::open(|_| {});
    let ended = place.run(&format!("{READ} --streams roles,chats,roles"));
    assert_eq!(ended.code, Some(0), "{}", ended.told());
    let mut streams: Vec<String> = ended.messages().iter().filter_map(stream_of).collect();
    streams.sort();
    streams.dedup();
    assert_eq!(streams, ["chats", "roles"]);
    let ended = place.run(&format!("{READ} --streams chat"));
    insta::assert_snapshot!(told(&ended), @"
    exit 2
    There is no stream chat; the nearest is chats. `--help` lists the flags and what they take.
    ");
    place.choose("full_refresh", &["chats"]);
    let ended = place.run(&format!("{READ} --streams chats --catalog catalog.json"));
    insta::assert_snapshot!(told(&ended), @"
    exit 2
    error: the argument '--streams <NAMES>' cannot be used with '--catalog <FILE>'

    Usage: source-zendesk-chat read --streams <NAMES> <--config <FILE>|--sandbox>

    For more information, try '--help'.
    ");
}
