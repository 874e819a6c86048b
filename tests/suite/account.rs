//! A sandbox account with a fixed clock, read within this process.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use source_zendesk_chat::client::{Api, Client};
use source_zendesk_chat::clock::Clock;
use source_zendesk_chat::dataset::{Dataset, Store};
use source_zendesk_chat::error::Error;
use source_zendesk_chat::position::{nanos_of, utc};
use source_zendesk_chat::protocol::{self, configured_catalog};
use source_zendesk_chat::run::dump_plan::DumpRequest;
use source_zendesk_chat::run::dump_run::DumpRun;
use source_zendesk_chat::run::plan::{self, Choice, Plan};
use source_zendesk_chat::run::sync::Run;
use source_zendesk_chat::sandbox::options::DEFAULT_TOKEN;
use source_zendesk_chat::sandbox::{Options, Sandbox};
use source_zendesk_chat::secrets::Secrets;
use source_zendesk_chat::signals::Stop;
use source_zendesk_chat::sink::Sink;
use source_zendesk_chat::sink::airbyte::Airbyte;
use source_zendesk_chat::source::state_format::Saved;
use source_zendesk_chat::source::streams::{self, Stream};
use source_zendesk_chat::source::walk::Bounds;
use source_zendesk_chat::stdout::Stdout;

use crate::lake::LIMITS;
use crate::transcript;

/// The time at which the tests run.
pub const NOW: &str = "2025-03-01T12:00:00Z";

/// The cutoff of a run at that time.
pub const CUTOFF: &str = "2025-03-01T11:54:00Z";

/// Parses an instant.
pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// An account, and the settings of the runs that read it.
pub struct Account {
    pub sandbox: Sandbox,
    pub bounds: Bounds,
    pub token: String,
    pub skip_unavailable: bool,
    pub requests_per_minute: f64,
    /// The tap through which stdout passes.
    pub tap: Arc<Tap>,
    now: Arc<Mutex<DateTime<Utc>>>,
}

impl Account {
    /// An account of 1,800 chats a year, about 300 of them so far, modified by `arrange`.
    pub async fn open(arrange: impl FnOnce(&mut Options)) -> Self {
        let now = Arc::new(Mutex::new(instant(NOW)));
        let told = Arc::clone(&now);
        let mut options = Options { clock: Clock::from_fn(move || *told.lock().unwrap()), ..Options::default() };
        options.holdings.chats = 1_800;
        options.holdings.agents = 120;
        options.holdings.bans = 150;
        arrange(&mut options);
        let bounds = Bounds {
            start: nanos_of(instant("2025-01-01T00:00:00Z")),
            end: None,
            lookback: 24 * 3_600_000_000_000,
            chats_lookback: 0,
        };
        let token = DEFAULT_TOKEN.to_owned();
        Self {
            sandbox: Sandbox::start(options).await.unwrap(),
            bounds,
            token,
            skip_unavailable: false,
            requests_per_minute: 200.0,
            tap: Arc::default(),
            now,
        }
    }

    /// Sets the clock of the account and of the runs.
    pub fn set_now(&self, now: &str) {
        *self.now.lock().unwrap() = instant(now);
    }

    /// Reads streams with a catalog; without names, the run has no catalog.
    pub async fn read(&self, mode: &str, names: &[&str], state: &str) -> Reading {
        let now = Arc::clone(&self.now);
        self.read_by(Clock::from_fn(move || *now.lock().unwrap()), mode, names, state).await
    }

    /// Reads on a machine whose clock may differ from the server's.
    pub async fn read_by(&self, clock: Clock, mode: &str, names: &[&str], state: &str) -> Reading {
        let lines = Lines { tap: Arc::clone(&self.tap), ..Lines::default() };
        let output = Stdout::onto(lines.clone());
        let sink = Airbyte::new(output.clone(), clock.clone(), Secrets::default(), None);
        let catalog = (!names.is_empty()).then(|| catalog(mode, names));
        let plan =
            plan::build(&catalog.map_or(Choice::All, Choice::Catalog), &Saved::parse(state).unwrap(), &self.bounds);
        let before = self.sandbox.requests().len();
        let result = self.read_into(sink, clock, plan).await;
        output.drained().await.unwrap();
        let requests = self.sandbox.requests().split_off(before);
        let requests = requests
            .into_iter()
            .map(|request| format!("{}?{} {}", request.path, request.query, request.status.unwrap_or(0)))
            .collect();
        Reading { messages: lines.messages(), result, requests }
    }

    /// Executes a plan with any sink.
    pub async fn read_into(&self, sink: impl Sink, clock: Clock, plan: Plan) -> Result<(), Error> {
        let (client, skip_unavailable) = (self.client(clock.clone()), self.skip_unavailable);
        Run {
            client,
            sink,
            clock,
            skip_unavailable,
            cutoff: OnceLock::new(),
            progress: Arc::default(),
            doubted: tokio::sync::Mutex::default(),
            stop: Stop::default(),
        }
        .read(plan)
        .await
    }

    /// Fills a dataset whose start is the first day of the year.
    pub async fn dump(&self, store: Store, request: &DumpRequest) -> Result<(), Error> {
        let now = Arc::clone(&self.now);
        let clock = Clock::from_fn(move || *now.lock().unwrap());
        let dataset =
            Dataset::open(store, &streams::names(), "sandbox:1", utc(self.bounds.start), clock.clone()).await?;
        let dataset = Arc::new(dataset);
        let client = self.client(clock.clone());
        let (skip_unavailable, bounds) = (self.skip_unavailable, self.bounds);
        DumpRun {
            client,
            clock,
            skip_unavailable,
            bounds,
            limits: LIMITS,
            progress: Arc::default(),
            stop: Stop::default(),
        }
        .fill(dataset, request)
        .await
        .1
    }

    fn client(&self, clock: Clock) -> Client {
        let (origin, token) = (self.sandbox.url().parse().unwrap(), secrecy::SecretString::from(self.token.clone()));
        let api = Api {
            origin,
            access: token.into(),
            secrets: Secrets::default(),
            requests_per_minute: self.requests_per_minute,
            concurrency: 8,
            attended: false,
        };
        Client::new(api, clock).unwrap()
    }

    /// The keys of a stream's records at `now`, between the start and `to`.
    pub fn truth(&self, stream: &str, to: &str) -> BTreeSet<String> {
        let Stream { cursor, .. } = streams::named(stream).unwrap();
        let records = self.sandbox.account().truth(stream, *self.now.lock().unwrap()).unwrap();
        let records = records.iter().map(|record| serde_json::from_str::<Value>(record).unwrap());
        let exported = streams::named(stream).unwrap().is_export();
        let within = records.filter(|record| {
            !exported || record[cursor.unwrap()].as_str().is_none_or(|cursor| instant(cursor) < instant(to))
        });
        within.map(|record| key(stream, &record)).collect()
    }
}

/// A configured catalog of these streams, as a platform derives it from the output of `discover`.
pub fn catalog(mode: &str, names: &[&str]) -> Vec<protocol::Configured> {
    let configured: Vec<Value> =
        names.iter().map(|name| json!({ "stream": { "name": name }, "sync_mode": mode })).collect();
    configured_catalog(&json!({ "streams": configured }).to_string()).unwrap()
}

/// The key that distinguishes a record of a stream, as the service sent it.
pub fn key(stream: &str, record: &Value) -> String {
    match (stream, streams::named(stream).unwrap().key) {
        ("agent_timeline", _) => format!("{}|{}", record["agent_id"], record["start_time"].as_str().unwrap()),
        (_, Some(key)) => record[key].as_str().map_or_else(|| record[key].to_string(), str::to_owned),
        (_, None) => "the only one".to_owned(),
    }
}

/// The output of a run, and its requests.
pub struct Reading {
    pub messages: Vec<Value>,
    pub result: Result<(), Error>,
    pub requests: Vec<String>,
}

impl Reading {
    /// The records of a stream, in their order.
    pub fn records(&self, stream: &str) -> Vec<&Value> {
        let records = self.messages.iter().map(|message| &message["record"]);
        records.filter(|record| record["stream"] == stream).map(|record| &record["data"]).collect()
    }

    /// The keys of a stream's records, in their order.
    pub fn keys(&self, stream: &str) -> Vec<String> {
        self.records(stream).into_iter().map(|record| key(stream, record)).collect()
    }

    /// The states of a stream, in their order.
    pub fn states(&self, stream: &str) -> Vec<&Value> {
        let states = self.messages.iter().map(|message| &message["state"]["stream"]);
        states
            .filter(|state| state["stream_descriptor"]["name"] == stream)
            .map(|state| &state["stream_state"])
            .collect()
    }

    /// The statuses of a stream, in their order.
    pub fn statuses(&self, stream: &str) -> Vec<&str> {
        let statuses = self.messages.iter().map(|message| &message["trace"]["stream_status"]);
        statuses
            .filter(|status| status["stream_descriptor"]["name"] == stream)
            .filter_map(|status| status["status"].as_str())
            .collect()
    }

    /// The reported errors, each with its stream.
    pub fn errors(&self) -> Vec<(&str, &str)> {
        let errors = self.messages.iter().map(|message| &message["trace"]["error"]).filter(|error| !error.is_null());
        errors
            .map(|error| {
                (error["stream_descriptor"]["name"].as_str().unwrap_or(""), error["message"].as_str().unwrap())
            })
            .collect()
    }

    /// A state file with the last state of every stream.
    pub fn state_file(&self) -> String {
        let states =
            self.messages.iter().filter(|message| message["type"] == "STATE").map(|message| message["state"].clone());
        Value::Array(states.collect()).to_string()
    }

    /// Everything up to the `count`th state of a stream, including it, as if the run had been killed there.
    pub fn killed_after(&self, stream: &str, count: usize) -> Self {
        let mut seen = 0;
        let is_state = |message: &Value| message["state"]["stream"]["stream_descriptor"]["name"] == stream;
        let until = self.messages.iter().position(|message| {
            seen += usize::from(is_state(message));
            seen == count
        });
        let messages = self.messages[..=until.unwrap()].to_vec();
        Self { messages, result: Ok(()), requests: Vec::new() }
    }

    /// How many times each record of a stream was emitted.
    pub fn counts(&self, stream: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for key in self.keys(stream) {
            *counts.entry(key).or_default() += 1;
        }
        counts
    }
}

/// A valve for stdout. While it is closed, nothing passes, as in a pipe whose reader does not read.
#[derive(Default)]
pub struct Tap {
    closed: Mutex<bool>,
    turned: Condvar,
}

impl Tap {
    pub fn close(&self) {
        *self.closed.lock().unwrap() = true;
    }

    pub fn open(&self) {
        *self.closed.lock().unwrap() = false;
        self.turned.notify_all();
    }

    fn pass(&self) {
        drop(self.turned.wait_while(self.closed.lock().unwrap(), |closed| *closed).unwrap());
    }
}

/// The lines that a run writes.
#[derive(Clone, Default)]
pub struct Lines {
    bytes: Arc<Mutex<Vec<u8>>>,
    tap: Arc<Tap>,
}

impl Lines {
    /// All lines.
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }

    fn messages(&self) -> Vec<Value> {
        let text = self.text();
        assert!(text.is_empty() || text.ends_with('\n'), "only whole lines are written");
        transcript::keep(&text);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tap.pass();
        self.bytes.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
