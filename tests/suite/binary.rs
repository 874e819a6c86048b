//! The built binary, run as users run it, against an account that this process serves.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use source_zendesk_chat::clock::Clock;
use source_zendesk_chat::sandbox::{Options, Sandbox};
use source_zendesk_chat::source::streams;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::account::{NOW, instant};
use crate::transcript;

/// Longer than any run takes here on the slowest machine.
pub const DEADLINE: Duration = Duration::from_mins(2);

/// The filters of every snapshot: ports, and the version of this program.
pub const FILTERS: [(&str, &str); 2] =
    [(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"), (concat!(r"\b", env!("CARGO_PKG_VERSION"), r"\b"), "VERSION")];

/// Pins the outcome of a run as an inline snapshot: its exit code and its output.
macro_rules! assert_ended {
    ($ended:expr, @$snapshot:literal) => {
        insta::with_settings!({ filters => crate::binary::FILTERS.to_vec() }, {
            insta::assert_snapshot!($ended.told(), @$snapshot);
        });
    };
}
pub(crate) use assert_ended;

/// The filters for values that differ from run to run: the place of a dataset, the time and run of a commit, sizes, and
/// the expiry of a token.
pub const DATASET_FILTERS: [(&str, &str); 9] = [
    (r"(/\S*)?/lake\b", "PLACE/lake"),
    (r"\d{8}T\d{6}Z-[0-9a-f]{8}-", "RUN-"),
    (r"/\S*\.tmp\w+/", "PLACE/"),
    (r"(from |  )20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "${1}MOMENT"),
    (r" +\d+(\.\d+)? [KM]iB", " SIZE"),
    (r" +\d+\.\d s", " TIME"),
    (r"until \d{4}-\d\d-\d\d \d\d:\d\d UTC", "until MOMENT"),
    (r"starting at \d+", "starting at N"),
    (r"has \d+ bytes instead of \d+", "has N bytes instead of M"),
];

/// Pins the output of a run that is not protocol.
macro_rules! assert_page {
    ($ended:expr, @$snapshot:literal) => {
        let crate::binary::Ended { code, stdout, stderr } = $ended;
        let filters = [&crate::binary::DATASET_FILTERS[..], &crate::binary::FILTERS[..]].concat();
        insta::with_settings!({ filters => filters }, {
            insta::assert_snapshot!(format!("exit {}\n{stdout}{stderr}", code.unwrap()), @$snapshot);
        });
    };
}
pub(crate) use assert_page;

/// An account, and a folder in which the binary is run. The account's clock is fixed, the binary's is not.
pub struct Place {
    pub sandbox: Sandbox,
    token: String,
    folder: TempDir,
    _runtime: Runtime,
}

impl Place {
    /// An account of about 60 chats without a quota, modified by `arrange`, and a `config.json` for it.
    pub fn open(arrange: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options { clock: Clock::fixed(instant(NOW)), ..Options::default() };
        options.holdings.chats = 360;
        options.holdings.agents = 20;
        options.holdings.bans = 30;
        options.behaviour.requests_per_minute = None;
        arrange(&mut options);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let token = options.token.clone();
        let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
        let place = Self { sandbox, token, folder: TempDir::new().unwrap(), _runtime: runtime };
        place.configure(&json!({}));
        place
    }

    /// Writes `config.json` with these members changed; null removes a member.
    pub fn configure(&self, changes: &Value) {
        let mut config = json!({
            "subdomain": "sandbox",
            "credentials": { "credentials": "access_token", "access_token": self.token },
            "start_date": "2025-01-01T00:00:00Z",
            "base_url": self.sandbox.url(),
            "requests_per_minute": 1_000_000,
        });
        for (name, value) in changes.as_object().unwrap() {
            config[name] = value.clone();
        }
        self.write("config.json", &config.to_string());
    }

    /// Writes a `catalog.json` that asks for these streams in this mode.
    pub fn choose(&self, mode: &str, names: &[&str]) {
        let streams: Vec<Value> = names
            .iter()
            .map(|name| json!({ "stream": { "name": name, "json_schema": {}, "supported_sync_modes": [mode] }, "sync_mode": mode, "destination_sync_mode": "append" }))
            .collect();
        self.write("catalog.json", &json!({ "streams": streams }).to_string());
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    /// The binary with these arguments, separated by spaces, in the folder. The environment variables that it reads are
    /// removed.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_source-zendesk-chat"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        for name in [
            "ZENDESK_CHAT_ACCESS_TOKEN",
            "ZENDESK_CHAT_SUBDOMAIN",
            "ZENDESK_CHAT_CLIENT_SECRET",
            "LOG_LEVEL",
            "HTTP_PROXY",
            "http_proxy",
            "ALL_PROXY",
            "all_proxy",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &str) -> Ended {
        Ended::of(self.command(arguments))
    }
}

/// A running binary whose stderr is a pipe. It is killed when its test ends.
pub struct Running(pub Child);

impl Running {
    /// Starts a command.
    pub fn start(command: &mut Command) -> Self {
        Self(command.stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Starts a command whose stdout is a pipe.
    pub fn piped(mut command: Command) -> (Self, BufReader<ChildStdout>) {
        let mut running = Self::start(command.stdout(Stdio::piped()));
        let stdout = running.0.stdout.take().unwrap();
        (running, BufReader::new(stdout))
    }

    /// Kills the process.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A process that has already ended need not be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The outcome of a run.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Runs a command to its end.
    pub fn of(command: Command) -> Self {
        let words: Vec<&str> = command.get_args().filter_map(OsStr::to_str).collect();
        let among = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
        let speaks_the_protocol = among(&["spec", "check", "discover", "read"]) && !among(&["--help", "man"]);
        let Output { status, stdout, stderr } =
            assert_cmd::Command::from_std(command).timeout(DEADLINE).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ended = Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
        if speaks_the_protocol && ended.code.is_some() {
            transcript::keep(&ended.stdout);
        }
        ended
    }

    /// The lines of stdout, each parsed as a message.
    pub fn messages(&self) -> Vec<Value> {
        messages(&self.stdout)
    }

    /// The exit code and the output. The messages of each stream are in order, with records only counted. All other
    /// lines are sorted, since streams are read in parallel.
    pub fn told(&self) -> String {
        let mut general = Vec::new();
        let mut by_stream: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for message in self.messages() {
            match stream_of(&message) {
                Some(stream) => by_stream.entry(stream).or_default().push(short(&message)),
                None => general.push(short(&message)),
            }
        }
        general.sort_unstable();
        let mut told =
            format!("exit {}\n", self.code.map_or_else(|| "by a signal".to_owned(), |code| code.to_string()));
        for line in general {
            writeln!(told, "{line}").unwrap();
        }
        for (stream, events) in by_stream {
            writeln!(told, "{stream}").unwrap();
            for run in events.chunk_by(|one, other| one == other && one == "RECORD") {
                let times = if run.len() > 1 { format!(" x {}", run.len()) } else { String::new() };
                writeln!(told, "  {}{times}", run[0]).unwrap();
            }
        }
        for line in self.stderr.lines() {
            writeln!(told, "stderr: {line}").unwrap();
        }
        told
    }

    /// The same outcome without log lines, since streams are read in parallel, and without the warning about the fixed
    /// clock.
    pub fn unlogged(mut self) -> Self {
        let logged = |line: &&str| line.starts_with(" INFO ") || line.contains("clock and the service's differ");
        self.stderr = self.stderr.split_inclusive('\n').filter(|line| !logged(line)).collect();
        self
    }

    /// Whether stdout or stderr contains this text.
    pub fn says(&self, text: &str) -> bool {
        self.stdout.contains(text) || self.stderr.contains(text)
    }
}

/// Parses whole lines as messages.
pub fn messages(lines: &str) -> Vec<Value> {
    assert!(lines.is_empty() || lines.ends_with('\n'), "only whole lines are written: {lines}");
    transcript::keep(lines);
    let message = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let messages: Vec<Value> = lines.lines().map(message).collect();
    assert!(messages.iter().all(|message| message["type"].is_string()), "every message says what it is");
    messages
}

/// The stream that a message is about.
pub fn stream_of(message: &Value) -> Option<String> {
    let places = [
        "/record/stream",
        "/state/stream/stream_descriptor/name",
        "/trace/stream_status/stream_descriptor/name",
        "/trace/error/stream_descriptor/name",
    ];
    places.iter().find_map(|place| message.pointer(place)?.as_str()).map(str::to_owned)
}

/// A message on one line, without values that differ from run to run.
fn short(message: &Value) -> String {
    let text = |place: &str| message.pointer(place).and_then(Value::as_str).unwrap_or_default();
    match text("/type") {
        "LOG" => format!("{} {}", text("/log/level"), text("/log/message")),
        "CONNECTION_STATUS" => {
            format!("{} {}", text("/connectionStatus/status"), text("/connectionStatus/message")).trim_end().to_owned()
        }
        "CATALOG" => format!("CATALOG of {}", message["catalog"]["streams"].as_array().unwrap().len()),
        "STATE" => format!("STATE {}", message["state"]["stream"]["stream_state"]),
        "TRACE" if text("/trace/type") == "STREAM_STATUS" => text("/trace/stream_status/status").to_owned(),
        "TRACE" => format!("{} {}", text("/trace/error/failure_type"), text("/trace/error/message")),
        other => other.to_owned(),
    }
}

/// The names of all streams.
pub fn names() -> Vec<&'static str> {
    streams::names()
}

/// Waits until a condition holds; fails after the deadline.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < DEADLINE, "it never came that {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
