//! How the binary ends, and what remains when it is killed: the state file is never ahead of the printed lines.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, Read, Write};
use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};

use crate::account::key;
use crate::binary::{Ended, Place, Running, assert_ended, messages, names, stream_of, until};

const READ: &str = "read --config config.json";
const KEPT: &str = "read --config config.json --state state.json --update-state";

/// Reads lines up to the first that contains this text, and returns all of them.
fn read_until(stdout: &mut impl BufRead, text: &str) -> String {
    let mut lines = String::new();
    while !lines.contains(text) {
        assert!(stdout.read_line(&mut lines).unwrap() > 0, "it ended without {text}: {lines}");
    }
    lines
}

/// The whole lines of a file.
fn whole_lines(path: &std::path::Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text[..text.rfind('\n').map_or(0, |end| end + 1)].to_owned()
}

/// The states of a state file, by stream.
fn kept(place: &Place) -> Vec<(String, Value)> {
    let Ok(text) = fs::read_to_string(place.path("state.json")) else { return Vec::new() };
    let states: Vec<Value> = serde_json::from_str(&text).unwrap();
    let of = |state: &Value| {
        let stream = &state["stream"];
        (stream["stream_descriptor"]["name"].as_str().unwrap().to_owned(), stream["stream_state"].clone())
    };
    states.iter().map(of).collect()
}

/// The keys of all records in these lines, with their streams.
fn records(lines: &str) -> BTreeSet<(String, String)> {
    let records = messages(lines).into_iter().filter(|message| message["type"] == "RECORD");
    records
        .map(|message| (stream_of(&message).unwrap(), key(&stream_of(&message).unwrap(), &message["record"]["data"])))
        .collect()
}

/// An account whose streams have many pages.
fn many_pages() -> Place {
    Place::open(|options| options.behaviour.page_cap = Some(10))
}

#[test]
fn a_run_that_is_killed_at_any_moment_loses_nothing() {
    let place = many_pages();
    let whole = records(&place.run(READ).stdout);
    for states in [1, 2, 5, 9, 14, 20, 27] {
        let _ = fs::remove_file(place.path("state.json"));
        let out = place.path("out.jsonl");
        let running = Running::start(place.command(KEPT).stdout(File::create(&out).unwrap()));
        until("the states are out", || whole_lines(&out).matches(r#""type":"STATE""#).count() >= states);
        running.kill();
        let lines = whole_lines(&out);
        let told: Vec<(String, Value)> = messages(&lines)
            .iter()
            .filter(|message| message["type"] == "STATE")
            .map(|message| (stream_of(message).unwrap(), message["state"]["stream"]["stream_state"].clone()))
            .collect();
        for state in kept(&place) {
            assert!(told.contains(&state), "{state:?} was kept before its line was out");
        }
        let rest = place.run(KEPT);
        assert_eq!(rest.code, Some(0), "{}", rest.told());
        let mut union = records(&lines);
        union.extend(records(&rest.stdout));
        assert_eq!(whole.difference(&union).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "after {states}");
        assert_eq!(kept(&place).len(), names().len());
    }
}

#[test]
fn a_run_that_went_well_leaves_nothing_for_the_next_but_what_is_always_read() {
    let place = many_pages();
    place.run(KEPT);
    let states = kept(&place);
    let again = place.run(KEPT);
    let exported: BTreeSet<_> = records(&again.stdout).into_iter().map(|(stream, _)| stream).collect();
    for stream in ["chats", "agent_events", "conversions", "department_events"] {
        assert!(!exported.contains(stream), "{stream}");
    }
    assert_eq!(kept(&place), states);
}

#[test]
fn streams_that_are_not_read_keep_their_states() {
    let place = Place::open(|_| {});
    place.choose("incremental", &["conversions"]);
    place.write(
        "state.json",
        r#"{"chats":{"update_timestamp":"1736000000","start_id":"x"},"elsewhere":{"any":["thing"]}}"#,
    );
    assert_eq!(place.run(&format!("{KEPT} --catalog catalog.json")).code, Some(0));
    let mut states = kept(&place);
    let read = states.remove(1);
    assert!(read.0 == "conversions" && read.1["timestamp"].is_string(), "{read:?}");
    let expected = [
        ("chats".to_owned(), json!({ "update_timestamp": "1736000000", "start_id": "x" })),
        ("elsewhere".to_owned(), json!({ "any": ["thing"] })),
    ];
    assert_eq!(states, expected);
}

#[test]
fn a_state_file_that_cannot_be_written_is_found_out_before_anything_is_read() {
    let place = Place::open(|_| {});
    place.write("file", "");
    let missing = place.run(&format!("{READ} --state missing/state.json --update-state"));
    assert_ended!(missing, @"
    exit 1
    stderr: The state file missing/state.json cannot be locked: No such file or directory (os error 2). Check that the disk has room and that the file may be written.
    ");
    for path in ["file/state.json", "."] {
        let ended = place.run(&format!("{READ} --state {path} --update-state"));
        assert_eq!(ended.code, Some(1), "{path}");
        assert!(ended.stderr.starts_with("The state file "), "{}", ended.stderr);
    }
    assert!(place.sandbox.requests().is_empty());
}

#[test]
fn a_state_file_is_kept_by_one_run_at_a_time() {
    let place = Place::open(|_| {});
    place.configure(&json!({ "requests_per_minute": 1 }));
    let (first, mut stdout) = Running::piped(place.command(KEPT));
    read_until(&mut stdout, "RUNNING");
    let second = place.run(KEPT);
    assert_ended!(second, @"
    exit 1
    transient_error Another run is keeping the state file state.json. Wait until it ends, or give each run a state file of its own.
    stderr: Another run is keeping the state file state.json. Wait until it ends, or give each run a state file of its own.
    ");
    first.kill();
    // A run that was killed leaves no lock behind.
    place.configure(&json!({}));
    assert_eq!(place.run(KEPT).code, Some(0));
}

#[cfg(unix)]
#[test]
fn a_link_to_a_state_file_stays_a_link() {
    let place = Place::open(|_| {});
    place.write("real.json", "[]");
    std::os::unix::fs::symlink(place.path("real.json"), place.path("state.json")).unwrap();
    assert_eq!(place.run(KEPT).code, Some(0));
    assert!(fs::symlink_metadata(place.path("state.json")).unwrap().is_symlink());
    assert!(fs::read_to_string(place.path("real.json")).unwrap().contains("update_timestamp"));
}

#[test]
fn a_proxy_sees_where_a_run_goes_and_nothing_else() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::open(|options| "s3cret-t0ken".clone_into(&mut options.token));
    place.configure(&json!({ "subdomain": "acme", "base_url": null }));
    let mut command = place.command("check --config config.json");
    command.env("HTTPS_PROXY", format!("http://{}", proxy.local_addr().unwrap()));
    let (running, _stdout) = Running::piped(command);
    let (mut connection, _) = proxy.accept().unwrap();
    connection.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut asked = String::new();
    connection.read_to_string(&mut asked).unwrap();
    running.kill();
    assert!(asked.starts_with("CONNECT acme.zendesk.com:443 HTTP/1.1\r\n"), "{asked}");
    assert!(!asked.contains("t0ken") && !asked.to_lowercase().contains("\nauthorization"), "{asked}");
}

#[test]
fn the_sandbox_prints_a_configuration_that_works() {
    let place = Place::open(|_| {});
    let (_running, mut stdout) = Running::piped(place.command("sandbox --rate 0"));
    let greeting = read_until(&mut stdout, "config.json");
    place.write("config.json", greeting.lines().find(|line| line.starts_with('{')).unwrap());
    place.choose("full_refresh", &["accounts", "agents"]);
    let ended = place.run(&format!("{READ} --catalog catalog.json"));
    assert_eq!(ended.code, Some(0), "{}", ended.told());
}

#[cfg(unix)]
mod unix {
    //! Signals, and pipes without a reader.

    use std::os::unix::process::ExitStatusExt;
    use std::process::Stdio;
    use std::time::Duration;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use source_zendesk_chat::sandbox::faults::{Fault, Rule};

    use super::*;

    const SIGNALS: [(&str, i32); 2] = [("TERM", 15), ("INT", 2)];
    const SIGPIPE: i32 = 13;

    fn send(name: &str, process: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status().unwrap();
        assert!(sent.success());
    }

    impl Running {
        fn signal(&self, name: &str) {
            send(name, &self.0.id().to_string());
        }

        /// The signal that killed the process, and its stderr.
        fn died_of(mut self) -> (Option<i32>, String) {
            let mut stderr = String::new();
            self.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
            (self.0.wait().unwrap().signal(), stderr)
        }
    }

    /// Sends each signal once the binary has printed this text. The binary dies of it, with whole lines and an empty
    /// stderr.
    fn dies_after(place: &Place, arguments: &str, text: &str) {
        for (name, number) in SIGNALS {
            let (running, mut stdout) = Running::piped(place.command(arguments));
            let mut lines = read_until(&mut stdout, text);
            running.signal(name);
            stdout.read_to_string(&mut lines).unwrap();
            messages(&lines);
            assert_eq!(running.died_of(), (Some(number), String::new()), "{name}");
        }
    }

    #[test]
    fn a_signal_in_the_middle_of_a_run() {
        let place = Place::open(|options| {
            options.behaviour.page_cap = Some(5);
            options.behaviour.latency = Duration::from_millis(20);
        });
        dies_after(&place, READ, r#""type":"STATE""#);
    }

    #[test]
    fn a_signal_while_the_run_waits_for_the_quota() {
        let place = Place::open(|_| {});
        place.configure(&json!({ "requests_per_minute": 1 }));
        dies_after(&place, READ, "RATE_LIMITED");
    }

    #[test]
    fn a_signal_while_the_run_waits_for_a_sick_service() {
        let place = Place::open(|options| {
            options.faults = vec![Rule::of_all(1..=u64::MAX, Fault::status(503))];
        });
        dies_after(&place, READ, "trying again in");
    }

    #[test]
    fn a_signal_while_the_service_is_silent() {
        let place = Place::open(|options| {
            options.faults = vec![Rule::of_all(1..=u64::MAX, Fault::Stall(Duration::from_hours(1)))];
        });
        dies_after(&place, READ, "STARTED");
    }

    #[test]
    fn a_signal_in_the_middle_of_an_answer() {
        let place = Place::open(|options| {
            options.faults = vec![Rule::of_all(1..=u64::MAX, Fault::StallInBody(Duration::from_hours(1)))];
        });
        dies_after(&place, READ, "STARTED");
    }

    #[test]
    fn a_signal_while_nobody_reads() {
        let place = Place::open(|options| options.holdings.chats = 3_600);
        place.choose("full_refresh", &["chats"]);
        let (running, mut stdout) = Running::piped(place.command(&format!("{READ} --catalog catalog.json")));
        // The first page is larger than the buffer of any pipe.
        until("the second page is asked for", || place.sandbox.requests().len() > 1);
        running.signal("TERM");
        assert_eq!(running.died_of(), (Some(15), String::new()));
        let mut lines = String::new();
        stdout.read_to_string(&mut lines).unwrap();
        messages(&lines[..=lines.rfind('\n').unwrap()]);
    }

    /// A terminal for stderr, and the output that it shows.
    fn terminal() -> (Stdio, File) {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let path = ptsname(&screen, Vec::new()).unwrap();
        let end = File::options().read(true).write(true).open(path.to_str().unwrap()).unwrap();
        (Stdio::from(end), File::from(screen))
    }

    /// Runs a command at a terminal and interrupts it once a condition holds. Returns the signal that killed it and the
    /// shown output.
    fn interrupted(mut command: Command, times: usize, moment: impl FnMut() -> bool) -> (Option<i32>, String) {
        let (stderr, mut screen) = terminal();
        let mut running = Running(command.stderr(stderr).stdout(Stdio::null()).spawn().unwrap());
        // A terminal stays open as long as any process could write to it.
        drop(command);
        let shown = std::thread::spawn(move || {
            let mut shown = Vec::new();
            // Reading ends with an error once no process can write any more.
            let _ = screen.read_to_end(&mut shown);
            String::from_utf8_lossy(&shown).into_owned()
        });
        until("the moment has come", moment);
        for _ in 0..times {
            running.signal("INT");
        }
        let died_of = running.0.wait().unwrap().signal();
        (died_of, shown.join().unwrap())
    }

    /// How many pages of chats were requested.
    fn pages_of_chats(place: &Place) -> usize {
        place.sandbox.requests().iter().filter(|request| request.path.contains("/chats")).count()
    }

    #[test]
    fn an_interrupt_at_a_terminal_threw_away_what_was_not_committed() {
        const DUMP: &str = "dump --config config.json --out lake";
        let place = Place::open(|options| {
            options.behaviour.page_cap = Some(5);
            options.behaviour.latency = Duration::from_millis(20);
        });
        let (died_of, shown) = interrupted(place.command(DUMP), 1, || pages_of_chats(&place) > 4);
        assert_eq!(died_of, Some(2), "{shown}");
        assert!(shown.contains("Stopping: what was read is being kept."), "{shown}");
        assert!(shown.contains("interrupted"), "{shown}");
        assert!(shown.contains("streams were not read to their end"), "{shown}");
        assert!(shown.trim_end().ends_with("Run the same command again to go on from there."), "{shown}");
        let begun = place.run("inspect lake --json");
        assert_eq!(begun.code, Some(0), "{}", begun.stderr);
        let kept = |ended: &Ended| {
            let lake: Value = serde_json::from_str(&ended.stdout).unwrap();
            let tables = &lake["tables"];
            tables["chats"]["rows"].as_u64().unwrap_or_default()
        };
        let first = kept(&begun);
        assert!(first > 0, "{}", begun.stdout);
        let asked = pages_of_chats(&place);
        let rest = place.run(&format!("{DUMP} --json"));
        assert_eq!(rest.code, Some(0), "{}", rest.stderr);
        let rest_of_pages = pages_of_chats(&place) - asked;
        assert!(rest_of_pages < 12 + 2, "{rest_of_pages} pages: it began anew");
        place.run(&DUMP.replace("lake", "whole"));
        assert_eq!(kept(&place.run("inspect lake --json")), kept(&place.run("inspect whole --json")));
    }

    #[test]
    fn a_second_interrupt_kills() {
        let place = Place::open(|options| options.behaviour.latency = Duration::from_millis(20));
        let command = place.command("dump --config config.json --out lake");
        let (died_of, shown) = interrupted(command, 2, || !place.sandbox.requests().is_empty());
        assert_eq!(died_of, Some(2), "{shown}");
        // Wherever the first run was stopped, the next run goes on.
        assert_eq!(place.run("dump --config config.json --out lake").code, Some(0));
    }

    #[test]
    fn an_interrupted_read_says_how_to_go_on() {
        let place = many_pages();
        place.configure(&json!({ "requests_per_minute": 60 }));
        for (arguments, told) in [(KEPT, "state.json keeps how far"), (READ, "by `--state`")] {
            let seen = place.sandbox.requests().len();
            let (died_of, shown) = interrupted(place.command(arguments), 1, || place.sandbox.requests().len() > seen);
            assert_eq!(died_of, Some(2), "{shown}");
            assert!(shown.contains("Interrupted: ") && shown.contains(told), "{shown}");
        }
    }

    #[test]
    fn a_signal_to_the_sandbox() {
        let place = Place::open(|_| {});
        for (name, number) in SIGNALS {
            let (running, mut stdout) = Running::piped(place.command("sandbox"));
            read_until(&mut stdout, "config.json");
            running.signal(name);
            assert_eq!(running.died_of(), (Some(number), String::new()), "{name}");
        }
    }

    #[test]
    fn a_disk_that_is_full_of_other_things_leaves_the_last_state_as_it_was() {
        let place = many_pages();
        assert_eq!(place.run(KEPT).code, Some(0));
        let before = fs::read(place.path("state.json")).unwrap();
        // No file may grow, as on a full disk. The signal of the limit is ignored, since a full disk sends none.
        let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_source-zendesk-chat")]).args(KEPT.split_whitespace());
        command.current_dir(place.path("."));
        let ended = Ended::of(command);
        assert_eq!(ended.code, Some(1), "{}", ended.told());
        assert_ended!(Ended { stdout: String::new(), ..ended }, @"
        exit 1
        stderr: The state file state.json cannot be written: File too large (os error 27). Check that the disk has room and that the file may be written.
        ");
        assert_eq!(fs::read(place.path("state.json")).unwrap(), before);
        assert_eq!(place.run(KEPT).code, Some(0), "the next run goes on");
    }

    #[test]
    fn a_reader_who_leaves_ends_the_run_quietly() {
        let place = many_pages();
        for arguments in [READ, KEPT] {
            let (running, mut stdout) = Running::piped(place.command(arguments));
            messages(&read_until(&mut stdout, "STARTED"));
            drop(stdout);
            assert_eq!(running.died_of(), (Some(SIGPIPE), String::new()), "{arguments}");
        }
    }

    /// Regression: as the first process of a container the binary crashed, since no signal kills such a process.
    #[test]
    fn the_first_process_of_a_container_ends_with_the_number_of_the_signal() {
        let place = many_pages();
        let namespace = ["--user", "--map-root-user", "--pid", "--fork"];
        let permitted = Command::new("unshare").args(namespace).arg("true").output();
        if !permitted.is_ok_and(|ended| ended.status.success()) {
            assert!(std::env::var_os("CI").is_none(), "this machine lets nobody be the first process of anything");
            return;
        }
        let started = || {
            let own = place.command(READ);
            let mut command = Command::new("unshare");
            command.args(namespace).arg(own.get_program()).args(own.get_args()).current_dir(place.path("."));
            own.get_envs().for_each(|(name, _)| _ = command.env_remove(name));
            let (running, mut stdout) = Running::piped(command);
            messages(&read_until(&mut stdout, "STARTED"));
            (running, stdout)
        };
        let (mut running, stdout) = started();
        drop(stdout);
        assert_eq!(running.0.wait().unwrap().code(), Some(128 + SIGPIPE));
        let (mut running, _stdout) = started();
        let outer = running.0.id();
        let inner = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap();
        send("TERM", inner.trim());
        assert_eq!(running.0.wait().unwrap().code(), Some(128 + 15));
    }

    #[test]
    fn every_command_ends_quietly_without_a_reader() {
        let place = Place::open(|_| {});
        for arguments in ["spec", "check --config config.json", "discover --sandbox"] {
            let (running, stdout) = Running::piped(place.command(arguments));
            drop(stdout);
            let (signal, stderr) = running.died_of();
            // A process that had written its few lines before the reader left has done its work.
            assert!(matches!(signal, None | Some(SIGPIPE)) && stderr.is_empty(), "{arguments}: {signal:?} {stderr}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_reported_in_one_sentence() {
        let place = many_pages();
        for arguments in [READ, KEPT, "spec", "check --config config.json", "discover --sandbox"] {
            let full = File::options().write(true).open("/dev/full").unwrap();
            let output = place.command(arguments).stdout(full).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{arguments}");
            let told = "stdout cannot be written: No space left on device (os error 28). Check that the disk has room and that the file may be written.\n";
            assert_eq!(String::from_utf8(output.stderr).unwrap(), told, "{arguments}");
        }
        assert!(kept(&place).is_empty(), "no state is kept of lines that are not out");
    }
}
