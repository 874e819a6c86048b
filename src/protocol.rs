//! The Airbyte protocol: outgoing messages, one JSON object per line, and incoming configured catalogs.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::{Error, Kind};

/// The status of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It has started.
    Started,
    /// Its first response has arrived.
    Running,
    /// It waits for the quota until this time, in milliseconds since 1970.
    Limited(i64),
    /// All of it has been delivered.
    Complete,
    /// Not all of it has been delivered.
    Incomplete,
}

/// How a stream is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// From its start, regardless of the state.
    FullRefresh,
    /// From the position in its state.
    Incremental,
}

/// A line of output.
fn line(message: &Value) -> String {
    format!("{message}\n")
}

/// The connector's specification.
pub fn spec(specification: &Value) -> String {
    line(&json!({ "type": "SPEC", "spec": specification }))
}

/// The result of a check: success, or the problem.
pub fn connection_status(problem: Option<&str>) -> String {
    let status = match problem {
        None => json!({ "status": "SUCCEEDED" }),
        Some(message) => json!({ "status": "FAILED", "message": message }),
    };
    line(&json!({ "type": "CONNECTION_STATUS", "connectionStatus": status }))
}

/// The catalog of all streams.
pub fn catalog(streams: &[Value]) -> String {
    line(&json!({ "type": "CATALOG", "catalog": { "streams": streams } }))
}

/// A log line; `level` is the level's name in the protocol.
pub fn log(level: &str, message: &str) -> String {
    line(&json!({ "type": "LOG", "log": { "level": level, "message": message } }))
}

/// A change of a stream's status.
pub fn stream_status(stream: &str, status: Status, now: i64) -> String {
    let name = match status {
        Status::Started => "STARTED",
        Status::Running | Status::Limited(_) => "RUNNING",
        Status::Complete => "COMPLETE",
        Status::Incomplete => "INCOMPLETE",
    };
    let mut body = json!({ "stream_descriptor": { "name": stream }, "status": name });
    if let Status::Limited(until) = status {
        body["reasons"] = json!([{ "type": "RATE_LIMITED", "rate_limited": { "quota_reset": until } }]);
    }
    line(&json!({ "type": "TRACE", "trace": { "type": "STREAM_STATUS", "emitted_at": now, "stream_status": body } }))
}

/// A failure of one stream, or of the whole run; `hide` masks the secrets in its text.
pub fn failure(error: &Error, hide: impl Fn(&str) -> String, stream: Option<&str>, now: i64) -> String {
    let mut body = json!({
        "message": hide(&error.sentence()),
        "internal_message": hide(&format!("{:?}: {error}", error.kind())),
        "failure_type": error.failure_type().name(),
    });
    if let Some(stream) = stream {
        body["stream_descriptor"] = json!({ "name": stream });
    }
    line(&json!({ "type": "TRACE", "trace": { "type": "ERROR", "emitted_at": now, "error": body } }))
}

/// A configuration that replaces the given one.
pub fn configuration(config: &Map<String, Value>, now: i64) -> String {
    let control = json!({ "type": "CONNECTOR_CONFIG", "emitted_at": now, "connectorConfig": { "config": config } });
    line(&json!({ "type": "CONTROL", "control": control }))
}

/// The STATE message of one stream, without its envelope.
pub fn stream_state(stream: &str, state: &Value) -> Value {
    json!({ "type": "STREAM", "stream": { "stream_descriptor": { "name": stream }, "stream_state": state } })
}

/// A STATE message with the number of the stream's records since its last one.
pub fn state(stream: &str, state: &Value, records: u64) -> String {
    let mut message = stream_state(stream, state);
    // The protocol expects a decimal point; a float is exact for any realistic number of records.
    #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53 records")]
    let count = records as f64;
    message["sourceStats"] = json!({ "recordCount": count });
    line(&json!({ "type": "STATE", "state": message }))
}

/// What happened to a member so that its record fits the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The top-level member, as a reader of the record finds it.
    pub member: String,
    /// Whether its value was replaced by null, rather than written in another form.
    pub nulled: bool,
}

/// The text before the data of each record of a stream.
pub fn record_prefix(stream: &str, now: i64) -> Vec<u8> {
    let name = Value::from(stream);
    format!("{{\"type\":\"RECORD\",\"record\":{{\"stream\":{name},\"emitted_at\":{now},\"data\":").into_bytes()
}

/// The text after the data of a record.
pub fn record_suffix(changes: &[Change]) -> Vec<u8> {
    if changes.is_empty() {
        return b"}}\n".to_vec();
    }
    let change = |change: &Change| {
        // The protocol has only these two words, so a value in another form is reported as truncated.
        let kind = if change.nulled { "NULLED" } else { "TRUNCATED" };
        json!({ "field": change.member, "change": kind, "reason": "SOURCE_SERIALIZATION_ERROR" })
    };
    let changes: Vec<Value> = changes.iter().map(change).collect();
    format!(",\"meta\":{}}}}}\n", json!({ "changes": changes })).into_bytes()
}

/// A stream of a configured catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct Configured {
    /// Its name.
    pub name: String,
    /// How the stream is to be read.
    pub mode: SyncMode,
    /// The selected members; `None` means all.
    pub selected: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct RawCatalog {
    streams: Vec<RawConfigured>,
}

#[derive(Deserialize)]
struct RawConfigured {
    stream: RawStream,
    sync_mode: String,
}

#[derive(Deserialize)]
struct RawStream {
    name: String,
    #[serde(default)]
    json_schema: Value,
}

/// Parses a configured catalog; members that this source does not use are ignored.
pub fn configured_catalog(text: &str) -> Result<Vec<Configured>, Error> {
    let unusable = |problem: String| Error::new(Kind::Catalog, problem);
    let catalog: RawCatalog = serde_json::from_str(text)
        .map_err(|error| unusable("The catalog is not a configured catalog".to_owned()).because(error))?;
    let mut configured: Vec<Configured> = Vec::new();
    for RawConfigured { stream, sync_mode } in catalog.streams {
        let name = stream.name;
        let mode = match sync_mode.as_str() {
            "full_refresh" => SyncMode::FullRefresh,
            "incremental" => SyncMode::Incremental,
            _ => {
                return Err(unusable(format!(
                    "The catalog's sync_mode for {name} is neither full_refresh nor incremental"
                )));
            }
        };
        if configured.iter().any(|other| other.name == name) {
            return Err(unusable(format!("The catalog names {name} twice")));
        }
        let properties =
            stream.json_schema.get("properties").and_then(Value::as_object).filter(|members| !members.is_empty());
        let selected = properties.map(|members| members.keys().cloned().collect());
        configured.push(Configured { name, mode, selected });
    }
    Ok(configured)
}

#[cfg(test)]
mod tests;
