//! The table of all streams. Discovery, reading and the tests use it, and the README is tested against it. A new stream
//! is a new row.

use crate::json;
use crate::position::Unit;
use crate::source::page::{Late, Record, Shape};

/// One resource of the service, and the streams made of it.
#[derive(Debug)]
pub struct Endpoint {
    /// The path below the account's host.
    pub path: &'static str,
    /// How it is requested, and what its responses look like.
    pub shape: Shape,
    /// The streams that are made of its records.
    pub streams: &'static [Stream],
}

/// One stream.
#[derive(Debug)]
pub struct Stream {
    /// Its name in catalogs, states and files.
    pub name: &'static str,
    /// Its JSON schema.
    pub schema: &'static str,
    /// The member that identifies a record.
    pub key: Option<&'static str>,
    /// The member by which it can be read incrementally.
    pub cursor: Option<&'static str>,
    /// The member whose month decides the partition of a dataset's row.
    pub created: Option<&'static str>,
    /// Whether it is read incrementally by default, rather than in full.
    pub incremental: bool,
    /// How a record of the endpoint becomes a record of the stream.
    pub project: Project,
}

/// How a record of an endpoint becomes a record of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Project {
    /// It is passed on whole.
    Whole,
    /// It is passed on whole, with an added key: the texts of two members, joined by `|`.
    Keyed(&'static str, &'static str),
}

/// The most records of an export that one request may ask for.
pub const EXPORT_LIMIT: u32 = 1_000;

/// The stream whose first page proves that host, token and role are right.
pub const PROBE_STREAM: &str = "agents";

/// The stream that is used instead where `PROBE_STREAM` itself is in doubt.
pub const SECOND_PROBE_STREAM: &str = "accounts";

macro_rules! stream {
    ($name:literal, key: $key:expr, cursor: $cursor:expr, created: $created:expr, incremental: $incremental:literal, project: $project:expr) => {
        &[Stream {
            name: $name,
            schema: include_str!(concat!("../../schemas/", $name, ".json")),
            key: $key,
            cursor: $cursor,
            created: $created,
            incremental: $incremental,
            project: $project,
        }]
    };
}

macro_rules! list {
    ($name:literal) => {
        Endpoint {
            path: concat!("api/v2/chat/", $name),
            shape: Shape::List,
            streams: stream!($name, key: Some("id"), cursor: None, created: None, incremental: false, project: Project::Whole),
        }
    };
}

macro_rules! export {
    ($name:literal, $unit:ident, cursor: $cursor:literal, created: $created:literal, expand: $expand:literal, late: $late:ident, $project:expr) => {
        Endpoint {
            path: concat!("api/v2/chat/incremental/", $name),
            shape: Shape::Export { records: $name, unit: Unit::$unit, expand: $expand, late: Late::$late },
            streams: stream!($name, key: Some("id"), cursor: Some($cursor), created: Some($created), incremental: true, project: $project),
        }
    };
}

/// Every endpoint that is read.
pub static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "api/v2/chat/account",
        shape: Shape::Object { under: None },
        streams: stream!("accounts", key: Some("account_key"), cursor: None, created: None, incremental: false, project: Project::Whole),
    },
    Endpoint {
        path: "api/v2/chat/agents",
        shape: Shape::Numbered { arrays: &[], limit: 100 },
        streams: stream!("agents", key: Some("id"), cursor: Some("id"), created: None, incremental: false, project: Project::Whole),
    },
    export!("agent_timeline", Microseconds, cursor: "start_time", created: "start_time", expand: true, late: Spans, Project::Keyed("agent_id", "start_time")),
    Endpoint {
        path: "api/v2/chat/bans",
        shape: Shape::Numbered { arrays: &["visitor", "ip_address"], limit: 1_000 },
        streams: stream!("bans", key: Some("id"), cursor: Some("id"), created: None, incremental: false, project: Project::Whole),
    },
    export!("chats", Seconds, cursor: "update_timestamp", created: "timestamp", expand: true, late: Redacted, Project::Whole),
    list!("departments"),
    list!("goals"),
    list!("roles"),
    list!("shortcuts"),
    list!("skills"),
    list!("triggers"),
    Endpoint {
        path: "api/v2/chat/routing_settings/account",
        shape: Shape::Object { under: Some("data") },
        streams: stream!("routing_settings", key: None, cursor: None, created: None, incremental: false, project: Project::Whole),
    },
    export!("agent_events", Seconds, cursor: "timestamp", created: "timestamp", expand: false, late: None, Project::Whole),
    export!("conversions", Seconds, cursor: "timestamp", created: "timestamp", expand: true, late: None, Project::Whole),
    export!("department_events", Seconds, cursor: "timestamp", created: "timestamp", expand: true, late: None, Project::Whole),
];

impl Endpoint {
    /// The stream whose records are those of the endpoint: a walk identifies records by its key and cursor.
    pub fn lead(&self) -> &'static Stream {
        &self.streams[0]
    }
}

impl Stream {
    /// The endpoint that its records come from.
    pub fn endpoint(&self) -> &'static Endpoint {
        let feeds = |endpoint: &&Endpoint| endpoint.streams.iter().any(|stream| stream.name == self.name);
        // Every stream is in the table, so the fallback is never used.
        ENDPOINTS.iter().find(feeds).unwrap_or(&ENDPOINTS[0])
    }

    /// Whether it comes from an incremental export.
    pub fn is_export(&self) -> bool {
        matches!(self.endpoint().shape, Shape::Export { .. })
    }

    /// The members of an endpoint's record that form its key.
    pub fn key_members(&self) -> impl Iterator<Item = &'static str> {
        let (first, second) = match self.project {
            Project::Whole => (self.key, None),
            Project::Keyed(first, second) => (Some(first), Some(second)),
        };
        first.into_iter().chain(second)
    }

    /// The key of an endpoint's record: the text that the service sent, still escaped as it came.
    pub fn key_text(&self, record: Record<'_>) -> String {
        let part = |member| match record.member(member).unwrap_or_default() {
            // An object or array holds quotes itself, so it is escaped like a string.
            nested if nested.starts_with(['{', '[']) => {
                json::unquoted(&serde_json::Value::from(nested).to_string()).to_owned()
            }
            scalar => json::unquoted(scalar).to_owned(),
        };
        let parts: Vec<String> = self.key_members().map(part).collect();
        parts.join("|")
    }
}

/// Every stream, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Stream> {
    ENDPOINTS.iter().flat_map(|endpoint| endpoint.streams)
}

/// The names of all streams.
pub fn names() -> Vec<&'static str> {
    all().map(|stream| stream.name).collect()
}

/// The stream with this name.
pub fn named(name: &str) -> Option<&'static Stream> {
    all().find(|stream| stream.name == name)
}
