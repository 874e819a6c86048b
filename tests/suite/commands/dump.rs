//! `dump` and `inspect`: their messages about a dataset and about what is in the way of one.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};
use source_zendesk_chat::sandbox::options::Refusal;

use crate::binary::{Ended, Place, assert_page};
use crate::lake::{contents, files, manifest};

const DUMP: &str = "dump --config config.json --out lake";

fn place() -> Place {
    Place::open(|_| {})
}

/// A run with these flags in addition to the usual ones.
fn dump(place: &Place, flags: &str) -> Ended {
    place.run(&format!("{DUMP} {flags}")).unlogged()
}

#[test]
fn the_help() {
    assert_page!(place().run("dump --help"), @"
    exit 0
    Write the streams into a dataset of Parquet files, which later runs go on from

    Usage: source-zendesk-chat dump [OPTIONS] --out <DIR_OR_URL>

    Options:
          --config <FILE>
              Configuration, a JSON file [default: the subdomain and the token in the environment]

          --sandbox
              Use the built-in, made-up account instead of a real one

          --no-config-update
              Leave the configuration file as it is when the access token is renewed

          --out <DIR_OR_URL>
              Where the dataset is: a folder, or a place in a bucket such as <s3://bucket/path>

          --streams <NAMES>
              Streams, with commas between them [default: all]

          --mode <MODE>
              What is done to the tables

              Possible values:
              - overwrite:           Read everything, and put it in the table's place
              - append:              Read everything, and add what the table does not hold yet
              - incremental-append:  Read what is new, and add it
              - incremental-deduped: Read what is new, and keep one row a key, the latest
              
              [default: incremental-deduped]

          --since <TIME>
              Where tables begin that were not read before; the deduped ones that were are read again from there

          --until <TIME>
              Where the exports end

          --dry-run
              Only say what would be read, with about how many requests, and why

          --json
              Print the summary as one JSON object on stdout

          --quiet
              Say nothing but warnings and errors

          --debug
              Log every request as well; `LOG_LEVEL=debug` does the same

      -h, --help
              Print help (see a summary with '-h')
    ");
    assert_page!(place().run("inspect --help"), @"
    exit 0
    Say what a dataset holds, and whether all of it is there

    Usage: source-zendesk-chat inspect [OPTIONS] <DIR_OR_URL>

    Arguments:
      <DIR_OR_URL>  Where the dataset is: a folder, or a place in a bucket such as <s3://bucket/path>

    Options:
          --json  Print one JSON object
      -h, --help  Print help
    ");
}

#[test]
fn two_runs_and_what_they_leave() {
    let place = place();
    assert_page!(dump(&place, ""), @"
    exit 0
    stream             status              new     updated         rows  files        size      time
    accounts           complete              1           0            1      1 SIZE TIME
    agent_events       complete            118           0          118      3 SIZE TIME
    agent_timeline     complete            176           0          176      3 SIZE TIME
    agents             complete             21           0           21      1 SIZE TIME
    bans               complete             89           0           89      1 SIZE TIME
    chats              complete             60           0           60      3 SIZE TIME
    conversions        complete             12           0           12      3 SIZE TIME
    department_events  complete              6           0            6      2 SIZE TIME
    departments        complete              6           0            6      1 SIZE TIME
    goals              complete              3           0            3      1 SIZE TIME
    roles              complete              4           0            4      1 SIZE TIME
    routing_settings   complete              1           0            1      1 SIZE TIME
    shortcuts          complete              6           0            6      1 SIZE TIME
    skills             complete              5           0            5      1 SIZE TIME
    triggers           complete              3           0            3      1 SIZE TIME
    Look at it: duckdb -init 'PLACE/lake/views.sql'
    ");
    assert_page!(dump(&place, "--streams chats,roles"), @"
    exit 0
    stream             status              new     updated         rows  files        size      time
    chats              complete              0           0           60      3 SIZE TIME
    roles              complete              0           0            4      1 SIZE TIME
    Look at it: duckdb -init 'PLACE/lake/views.sql'
    ");
    assert_page!(place.run("inspect lake"), @r#"
    exit 0
    PLACE/lake/ of sandbox, from MOMENT on
    table                     rows  files        size  last run              cursor
    accounts                     1      1 SIZE  MOMENT
    agent_events               118      3 SIZE  MOMENT  {"timestamp":"1740828056.733467","start_id":"dUmJB2n.agent:360798302276.mxT3xl"}
    agent_timeline             176      3 SIZE  MOMENT  {"start_time":"1740807483111898"}
    agents                      21      1 SIZE  MOMENT
    bans                        89      1 SIZE  MOMENT
    chats                       60      3 SIZE  MOMENT  {"update_timestamp":"1740813308","start_id":"2503.10414779.m2Bk6c8t5y0Er"}
    conversions                 12      3 SIZE  MOMENT  {"timestamp":"1740803620","start_id":"2503.10414779.ODSnQ8f6yW5Se"}
    department_events            6      2 SIZE  MOMENT  {"timestamp":"1740203056","start_id":"M1CZdX8.department.7wdALO"}
    departments                  6      1 SIZE  MOMENT
    goals                        3      1 SIZE  MOMENT
    roles                        4      1 SIZE  MOMENT
    routing_settings             1      1 SIZE  MOMENT
    shortcuts                    6      1 SIZE  MOMENT
    skills                       5      1 SIZE  MOMENT
    triggers                     3      1 SIZE  MOMENT
    Every listed file is there and whole.
    "#);
    contents(&place.path("lake"));
}

#[test]
fn the_summary_as_json_is_all_that_is_on_stdout() {
    let place = place();
    let summary: Value = serde_json::from_str(&dump(&place, "--json").stdout).unwrap();
    assert!(summary["dataset"].as_str().unwrap().ends_with("/lake/"));
    let streams = summary["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 15);
    for stream in streams {
        let table = &manifest(&place.path("lake")).tables[stream["stream"].as_str().unwrap()];
        assert_eq!((&stream["status"], &stream["rows"]), (&json!("complete"), &json!(table.rows())), "{stream}");
        assert_eq!(stream["new"], stream["rows"]);
    }
    let told: Value = serde_json::from_str(&place.run("inspect lake --json").stdout).unwrap();
    assert_eq!(told["account"], "sandbox");
    assert_eq!(told["tables"]["chats"]["rows"], json!(manifest(&place.path("lake")).tables["chats"].rows()));
}

#[test]
fn quiet_is_quiet() {
    let ended = dump(&place(), "--quiet");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
}

/// Regression: every run but the first warned about each stream that is read in full.
#[test]
fn a_configured_end_bounds_nothing_that_has_no_time() {
    let place = place();
    place.configure(&json!({ "end_date": "2025-02-01T00:00:00Z" }));
    assert_page!(dump(&place, "--quiet"), @"exit 0");
    assert_page!(dump(&place, "--quiet"), @"exit 0");
    // Streams without a time cause no message beside an export, either.
    assert_page!(dump(&place, "--quiet --streams roles,chats --until 2025-02-01"), @"exit 0");
}

#[test]
fn a_folder_called_by_the_sign_of_stdout_is_asked_for_by_its_path() {
    let place = place();
    assert_page!(place.run("dump --sandbox --streams roles --out -"), @"
    exit 2
    `--out -` is no place for a dataset, which is a folder of files: name a folder or a bucket (`./-` is the folder called -). `--help` lists the flags and what they take.
    ");
    assert!(!place.path("-").exists(), "nothing is made for a run that cannot begin");
    assert_eq!(place.run("dump --sandbox --streams roles --quiet --out ./-").code, Some(0));
    assert!(place.path("-").is_dir());
}

#[test]
fn a_bound_is_refused_where_no_stream_has_a_time() {
    let place = place();
    assert_page!(dump(&place, "--streams roles,agents --since 2025-02-01"), @"
    exit 2
    `--since` bounds nothing here, since roles, agents can only be read whole: leave it out, or name a stream that has a time (agent_timeline, chats, agent_events, conversions, department_events). `--help` lists the flags and what they take.
    ");
    assert_page!(dump(&place, "--streams roles --until 2025-02-01"), @"
    exit 2
    `--until` bounds nothing here, since roles can only be read whole: leave it out, or name a stream that has a time (agent_timeline, chats, agent_events, conversions, department_events). `--help` lists the flags and what they take.
    ");
    assert!(!place.path("lake").exists(), "nothing is made for a run that cannot begin");
}

#[test]
fn the_environment_is_enough() {
    let place = place();
    let mut command = place.command("dump --out lake --streams roles --quiet");
    command.env("ZENDESK_CHAT_SUBDOMAIN", "acme/x").env("ZENDESK_CHAT_ACCESS_TOKEN", "token");
    assert_page!(Ended::of(command), @"
    exit 1
    `subdomain` is not the first part of an address like acme.zendesk.com: write `acme`. Correct the configuration and run again; `spec` prints every property.
    ");
    assert_page!(place.run("dump --out lake"), @"
    exit 1
    `subdomain` is missing. Correct the configuration and run again; `spec` prints every property.
    ");
    assert!(!place.path("lake").exists(), "nothing is made for a run that cannot begin");
}

#[test]
fn flags_that_cannot_be_meant() {
    let place = place();
    assert_page!(dump(&place, "--streams chats,tickets"), @"
    exit 2
    There is no stream tickets; there are accounts, agents, agent_timeline, bans, chats, departments, goals, roles, shortcuts, skills, triggers, routing_settings, agent_events, conversions, department_events. `--help` lists the flags and what they take.
    ");
    assert_page!(dump(&place, "--streams chat"), @"
    exit 2
    There is no stream chat; the nearest is chats. `--help` lists the flags and what they take.
    ");
    assert_page!(dump(&place, "--streams roles --mode incremental-append"), @"
    exit 2
    roles can only be read in full: `--mode append` adds what changed in it. `--help` lists the flags and what they take.
    ");
    assert_page!(dump(&place, "--mode merge"), @"
    exit 2
    error: invalid value 'merge' for '--mode <MODE>'
      [possible values: overwrite, append, incremental-append, incremental-deduped]

    For more information, try '--help'.
    ");
    assert_page!(dump(&place, "--since 2025-02-01 --until 2025-02-01"), @"
    exit 2
    `--until` is not after `--since`. `--help` lists the flags and what they take.
    ");
    assert_page!(dump(&place, "--since yesterday"), @"
    exit 2
    error: invalid value 'yesterday' for '--since <TIME>': write it like 2024-01-01T00:00:00Z

    For more information, try '--help'.
    ");
    assert!(!place.path("lake").exists(), "nothing is made for a run that cannot begin");
    assert_eq!(dump(&place, "--streams chats --quiet").code, Some(0));
    assert_page!(dump(&place, "--streams chats --mode append --since 2025-02-01"), @"
    exit 2
    chats was read before: rows from `--since` on would be added to a table that goes on elsewhere. `--help` lists the flags and what they take.
    ");
}

#[test]
fn places_that_cannot_be_used() {
    let place = place();
    place.write("file", "mine");
    assert_page!(place.run("dump --config config.json --out file"), @"
    exit 1
    The folder file cannot be made: File exists (os error 17). Give `--out` a folder that may be written, or s3://bucket/path and what opens it.
    ");
    assert_page!(place.run("dump --config config.json --out /proc/lake"), @"
    exit 1
    The folder PLACE/lake cannot be made: No such file or directory (os error 2). Give `--out` a folder that may be written, or s3://bucket/path and what opens it.
    ");
    assert_page!(place.run("dump --config config.json --out s3:/bucket/lake"), @"
    exit 1
    s3:PLACE/lake cannot be opened: Generic S3 error: URL did not match any known pattern for scheme: s3:PLACE/lake. Give `--out` a folder that may be written, or s3://bucket/path and what opens it.
    ");
    assert_page!(place.run("dump --config config.json --out gs://bucket/lake"), @"
    exit 1
    gs:// is no kind of place that is known: write a folder, or s3://bucket/path. Give `--out` a folder that may be written, or s3://bucket/path and what opens it.
    ");
    assert_page!(place.run("inspect nowhere"), @"
    exit 1
    There is no folder nowhere: No such file or directory (os error 2). Give `--out` a folder that may be written, or s3://bucket/path and what opens it.
    ");
    assert_page!(place.run("inspect ."), @"
    exit 1
    There is no dataset at PLACE/. Give `--out` another place, or bring the dataset back from a copy.
    ");
}

#[test]
fn a_folder_of_something_else_is_reported_once() {
    let place = place();
    fs::create_dir_all(place.path("lake/.git")).unwrap();
    place.write("lake/.gitignore", "mine");
    assert_page!(dump(&place, "--streams roles --quiet"), @"exit 0");
    fs::create_dir(place.path("other")).unwrap();
    place.write("other/notes.txt", "mine");
    let other = "dump --config config.json --out other --streams roles --quiet";
    assert_page!(place.run(other).unlogged(), @"
    exit 0
     WARN PLACE/other/ is not empty: a dataset is made there beside notes.txt, which is left as it is
    ");
    assert_page!(place.run(other).unlogged(), @"exit 0");
}

/// Regression: the views of a moved dataset showed the rows of a copy that was left behind, or none.
#[test]
fn a_dataset_that_was_moved_has_views_over_where_it_lay_before() {
    let place = place();
    assert_page!(dump(&place, "--streams roles --quiet"), @"exit 0");
    let views = |name: &str| place.run(&format!("views {name}")).stdout;
    assert_eq!(views("lake"), fs::read_to_string(place.path("lake/views.sql")).unwrap());
    fs::create_dir(place.path("elsewhere")).unwrap();
    fs::rename(place.path("lake"), place.path("elsewhere/lake")).unwrap();
    let inspected = place.run("inspect elsewhere/lake");
    assert_eq!(inspected.code, Some(0));
    let said = "`views.sql` is not that of this place: `source-zendesk-chat views elsewhere/lake` prints it.\n";
    assert!(inspected.stdout.ends_with(said), "{}", inspected.stdout);
    let moved = views("elsewhere/lake");
    let folder = place.path("elsewhere/lake").canonicalize().unwrap();
    assert!(moved.contains(&format!("MACRO lake() AS '{}/';\n", folder.display())), "{moved}");
    place.write("elsewhere/lake/views.sql", &moved);
    assert!(!place.run("inspect elsewhere/lake").stdout.contains("views.sql"));
    assert_page!(place.run("views ."), @"
    exit 1
    There is no dataset at PLACE/. Give `--out` another place, or bring the dataset back from a copy.
    ");
}

#[test]
fn views_of_somebodys_own_were_overwritten() {
    let place = place();
    fs::create_dir(place.path("lake")).unwrap();
    place.write("lake/views.sql", "CREATE VIEW mine AS SELECT 1;");
    assert_page!(dump(&place, "--streams roles --quiet"), @"
    exit 1
    PLACE/lake/views.sql was not written by this program, which would replace it: rename it. Give `--out` a folder that may be written, or s3://bucket/path and what opens it.
    ");
    assert_eq!(files(&place.path("lake")).into_iter().collect::<Vec<_>>(), ["_lock", "views.sql"]);
    assert_eq!(fs::read_to_string(place.path("lake/views.sql")).unwrap(), "CREATE VIEW mine AS SELECT 1;");
    // Nor is it replaced in a complete dataset.
    fs::remove_file(place.path("lake/views.sql")).unwrap();
    assert_eq!(dump(&place, "--streams roles --quiet").code, Some(0));
    let whole = fs::read_to_string(place.path("lake/views.sql")).unwrap();
    for (there, goes_on) in [("-- mine\n", false), ("", true), (whole.as_str(), true)] {
        place.write("lake/views.sql", there);
        assert_eq!(dump(&place, "--streams roles --quiet").code == Some(0), goes_on, "{there}");
        assert_eq!(fs::read_to_string(place.path("lake/views.sql")).unwrap() == there, !there.is_empty(), "{there}");
    }
}

#[test]
fn datasets_that_cannot_be_gone_on_with() {
    let place = place();
    assert_eq!(dump(&place, "--streams roles --quiet").code, Some(0));
    assert_page!(place.run("dump --sandbox --out lake --streams roles --quiet"), @"
    exit 1
    The dataset at PLACE/lake/ is that of sandbox, not of sandbox:1. Give `--out` another place, or bring the dataset back from a copy.
    ");
    let state = place.path("lake/_state.json");
    let good = fs::read_to_string(&state).unwrap();
    fs::write(&state, &good[..100]).unwrap();
    assert_page!(dump(&place, "--streams roles --quiet"), @"
    exit 1
    PLACE/lake/: `_state.json` is not that of a dataset: EOF while parsing a string at line 5 column 24. Give `--out` another place, or bring the dataset back from a copy.
    ");
    fs::write(&state, good.replace("\"format\": 1", "\"format\": 9")).unwrap();
    assert_page!(dump(&place, "--streams roles --quiet"), @"
    exit 1
    PLACE/lake/: `_state.json` has the form 9, which only a newer version knows. Give `--out` another place, or bring the dataset back from a copy.
    ");
    fs::remove_file(&state).unwrap();
    assert_page!(dump(&place, "--streams roles --quiet"), @"
    exit 1
    PLACE/lake/ holds files of a dataset, such as roles/RUN-00000.parquet, but no `_state.json`. Give `--out` another place, or bring the dataset back from a copy.
    ");
}

#[test]
fn a_file_that_is_gone() {
    let place = place();
    // In sequence: files are numbered in the order in which they are begun.
    for streams in ["--streams roles --quiet", "--streams chats --quiet"] {
        assert_eq!(dump(&place, streams).code, Some(0));
    }
    let file = manifest(&place.path("lake")).tables["roles"].live[0].path.clone();
    fs::remove_file(place.path("lake").join(&file)).unwrap();
    let file = manifest(&place.path("lake")).tables["chats"].live[0].path.clone();
    fs::write(place.path("lake").join(&file), "short").unwrap();
    assert_page!(place.run("inspect lake"), @r#"
    exit 1
    PLACE/lake/ of sandbox, from MOMENT on
    table                     rows  files        size  last run              cursor
    chats                       60      3 SIZE  MOMENT  {"update_timestamp":"1740813308","start_id":"2503.10414779.m2Bk6c8t5y0Er"}
      chats/month=2025-01/RUN-00001.parquet has N bytes instead of M
    roles                        4      1 SIZE  MOMENT
      roles/RUN-00000.parquet is missing
    2 of 2 tables are not whole: chats, roles. Bring the files back from a copy, or make the tables anew with `dump --mode overwrite --streams`.
    "#);
    // A table that is read again is repaired. A table that a run would go on from is refused.
    assert_page!(dump(&place, "--streams roles --mode append --quiet"), @"
    exit 1
    ERROR roles: PLACE/lake/roles/RUN-00000.parquet cannot be read as the file that `_state.json` lists: Object at location PLACE/lake/roles/RUN-00000.parquet not found: No such file or directory (os error 2). Bring the files back from a copy, or make the tables anew with `dump --mode overwrite --streams`.
    1 of 1 streams were not read to their end: roles: PLACE/lake/roles/RUN-00000.parquet cannot be read as the file that `_state.json` lists: Object at location PLACE/lake/roles/RUN-00000.parquet not found: No such file or directory (os error 2). The error of each stream says what to do; the others were delivered.
    ");
    assert_page!(dump(&place, "--streams chats --since 2025-01-01 --quiet"), @"
    exit 1
    ERROR chats: PLACE/lake/chats/month=2025-01/RUN-00001.parquet cannot be read as the file that `_state.json` lists: Generic LocalFileSystem error: Requested range was invalid: Wanted range starting at N, but object was only 5 bytes long. Bring the files back from a copy, or make the tables anew with `dump --mode overwrite --streams`.
    1 of 1 streams were not read to their end: chats: PLACE/lake/chats/month=2025-01/RUN-00001.parquet cannot be read as the file that `_state.json` lists: Generic LocalFileSystem error: Requested range was invalid: Wanted range starting at N, but object was only 5 bytes long. The error of each stream says what to do; the others were delivered.
    ");
    assert_page!(dump(&place, "--streams roles,chats --mode overwrite --quiet"), @"
    exit 0
     WARN roles/RUN-00000.parquet cannot be read; a whole read takes its place
     WARN chats/month=2025-01/RUN-00001.parquet cannot be read; a whole read takes its place
    ");
    assert_eq!(place.run("inspect lake").code, Some(0));
}

#[test]
fn a_stream_that_is_refused_is_reported_and_stops_no_other() {
    let place = Place::open(|options| options.behaviour.refusal = Some(Refusal::Forbidden(vec!["roles".to_owned()])));
    assert_page!(dump(&place, "--streams roles,goals"), @"
    exit 1
    ERROR roles: api/v2/chat/roles: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource. Make the token as an administrator, with the scope `read`, or leave the stream out.
    stream             status              new     updated         rows  files        size      time
    goals              complete              3           0            3      1 SIZE TIME
    roles              failed                0           0            0      0         0 B TIME
    Look at it: duckdb -init 'PLACE/lake/views.sql'
    1 of 2 streams were not read to their end: roles: api/v2/chat/roles: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource. The error of each stream says what to do; the others were delivered.
    ");
    assert_page!(dump(&place, "--quiet"), @"
    exit 0
     WARN roles is unavailable and was passed over: api/v2/chat/roles: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource
    ");
}

/// Kills a run at ten moments. Each time the next run makes the dataset whole.
#[test]
fn a_run_that_is_killed_is_gone_on_from() {
    let place = place();
    assert_eq!(dump(&place, "--quiet --out whole").code, Some(2), "a flag comes once");
    assert_eq!(place.run("dump --config config.json --out whole --quiet").code, Some(0));
    let whole = contents(&place.path("whole"));
    for moment in 0..10 {
        let _ = fs::remove_dir_all(place.path("lake"));
        let mut running = place.command(DUMP).stderr(Stdio::null()).spawn().unwrap();
        crate::binary::until("there are files", || {
            let there = if place.path("lake").exists() { files(&place.path("lake")).len() } else { 0 };
            there > moment * 4 || running.try_wait().unwrap().is_some()
        });
        running.kill().unwrap();
        running.wait().unwrap();
        assert_eq!(dump(&place, "--quiet").code, Some(0));
        assert!(contents(&place.path("lake")) == whole, "killed when there were {moment} files");
        let named = manifest(&place.path("lake")).needed().count();
        assert_eq!(files(&place.path("lake")).len(), named + 3, "{:?}", files(&place.path("lake")));
    }
}

#[cfg(unix)]
#[test]
fn a_full_disk_ends_the_run_and_leaves_the_last_commit() {
    let place = place();
    assert_eq!(dump(&place, "--streams roles --quiet").code, Some(0));
    let before = (manifest(&place.path("lake")), contents(&place.path("lake")));
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_source-zendesk-chat")]).args(DUMP.split_whitespace());
    command.args(["--streams", "roles,chats", "--quiet"]).current_dir(place.path("."));
    let ended = Ended::of(command).unlogged();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_page!(ended, @"
    exit 1
    The dataset's place does not answer as it should: Generic LocalFileSystem error: Unable to copy data to file: File too large (os error 27). Check that there is room and that the place can be reached, and run again: the last commit is whole.
    ");
    assert_eq!((manifest(&place.path("lake")), contents(&place.path("lake"))), before);
    assert_eq!(dump(&place, "--quiet").code, Some(0));
}
