//! How far each stream is delivered, as the STATE of the Airbyte protocol. It reads every form that any version wrote,
//! and writes one form.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::error::{Error, Kind};
use crate::position::{self, Frontier, Nanos, Position, Span, Unit};
use crate::protocol;
use crate::source::page::Shape;
use crate::source::streams::{self, Stream};

/// The member that marks the state of a stream without a cursor.
const NO_CURSOR: &str = "__ab_no_cursor_state_message";

/// The states of an earlier run, by stream, each in the form in which it was written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Saved {
    streams: BTreeMap<String, Value>,
}

impl Saved {
    /// Reads a state file: a list of STREAM, GLOBAL or LEGACY states, a single one of these, an old plain object, or
    /// nothing.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut saved = Self::default();
        if text.trim().is_empty() {
            return Ok(saved);
        }
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Error::new(Kind::State, "The state is not JSON").because(error))?;
        match value {
            Value::Null => {}
            Value::Array(messages) => messages.into_iter().try_for_each(|message| saved.take(message))?,
            message => saved.take(message)?,
        }
        Ok(saved)
    }

    /// How far a stream was delivered; `None` if it has no state.
    pub fn delivered(&self, stream: &'static Stream) -> Result<Option<Frontier>, Error> {
        let name = stream.name;
        let (Some(state), Some(cursor)) = (self.streams.get(name), stream.cursor) else { return Ok(None) };
        let unusable = |problem: &str| Error::new(Kind::State, format!("The state of {name} {problem}"));
        let state = match state {
            Value::Null => return Ok(None),
            Value::Object(state) if state.is_empty() || state.contains_key(NO_CURSOR) => return Ok(None),
            Value::Object(state) => state,
            _ => return Err(unusable("is not an object")),
        };
        let frontier = match stream.endpoint().shape {
            Shape::Export { unit, .. } => match state.get("slices") {
                Some(slices) => contiguous_end(slices).map(|at| Position::at(at, unit)),
                None => exported(state, cursor, unit),
            }
            .map(|position| Frontier::Position(position, spans(state.get("windows"), unit))),
            _ => state.get(cursor).and_then(scalar).and_then(|id| id.parse().ok()).map(Frontier::Id),
        };
        frontier
            .map(Some)
            .ok_or_else(|| unusable(&format!("does not say in `{cursor}` how far the stream was delivered")))
    }

    /// Whether an earlier run has read a stream, even one without a cursor.
    pub fn knows(&self, stream: &str) -> bool {
        self.streams.get(stream).is_some_and(|state| !state.is_null())
    }

    /// Sets the current state of a stream.
    pub fn keep(&mut self, stream: &str, state: Value) {
        self.streams.insert(stream.to_owned(), state);
    }

    /// The content of a state file that holds the states of all streams.
    pub fn text(&self) -> String {
        let messages: Vec<Value> =
            self.streams.iter().map(|(name, state)| protocol::stream_state(name, state)).collect();
        format!("{:#}\n", Value::Array(messages))
    }

    fn take(&mut self, message: Value) -> Result<(), Error> {
        let Value::Object(mut message) = message else {
            return Err(Error::new(Kind::State, "The state holds something that is no object"));
        };
        // A whole STATE message from an earlier run's output is accepted as well: only its `state` member counts.
        if let Some(state @ Value::Object(_)) = message.remove("state") {
            return self.take(state);
        }
        let unusable = |problem| Err(Error::new(Kind::State, problem));
        let form = message.remove("type");
        match (message.remove("stream"), message.remove("global"), message.remove("data")) {
            (Some(stream @ Value::Object(_)), _, _) => self.take_stream(stream),
            (_, Some(Value::Object(mut global)), _) => {
                let Some(Value::Array(streams)) = global.remove("stream_states") else {
                    return unusable("The state is GLOBAL, but holds no stream_states");
                };
                streams.into_iter().try_for_each(|stream| self.take_stream(stream))
            }
            (_, _, Some(Value::Object(streams))) => self.take_plain(streams),
            _ if form.is_some_and(|form| form == "STREAM" || form == "GLOBAL") => {
                unusable("The state holds a STREAM or GLOBAL without its content")
            }
            _ => self.take_plain(message),
        }
    }

    /// Takes an object that maps streams to their states.
    fn take_plain(&mut self, streams: Map<String, Value>) -> Result<(), Error> {
        let a_stream_is_named = streams.keys().any(|name| streams::named(name).is_some());
        if !a_stream_is_named && streams.values().any(|state| !state.is_object() && !state.is_null()) {
            return Err(Error::new(Kind::State, "The state is in no form that any version wrote"));
        }
        self.streams.extend(streams);
        Ok(())
    }

    fn take_stream(&mut self, mut stream: Value) -> Result<(), Error> {
        let Some(name) = stream.pointer("/stream_descriptor/name").and_then(Value::as_str).map(str::to_owned) else {
            return Err(Error::new(Kind::State, "The state holds a stream without a name"));
        };
        let state = stream.get_mut("stream_state").map(Value::take).unwrap_or_default();
        self.streams.insert(name, state);
        Ok(())
    }
}

/// The state of a stream that is delivered up to a frontier.
pub fn of(stream: &'static Stream, delivered: Option<&Frontier>) -> Value {
    match (delivered, stream.cursor) {
        (Some(Frontier::Position(position, beyond)), Some(cursor)) => {
            let mut state = Map::new();
            state.insert(cursor.to_owned(), position.time().into());
            if let Some(id) = position.id() {
                state.insert("start_id".to_owned(), id.into());
            }
            if !beyond.is_empty() {
                state.insert("windows".to_owned(), beyond.iter().map(window).collect());
            }
            Value::Object(state)
        }
        (Some(Frontier::Id(id)), Some(cursor)) => json!({ cursor: id }),
        _ => json!({ NO_CURSOR: true }),
    }
}

fn exported(state: &Map<String, Value>, cursor: &str, unit: Unit) -> Option<Position> {
    let time = scalar(state.get(cursor)?)?;
    let time = time.trim();
    let id = state.get("start_id").and_then(scalar);
    if let Some(at) = position::iso(time) {
        return Some(Position::at(at, unit));
    }
    let at = position::epoch(time).filter(|&at| at >= 0)?;
    // A number in the stream's own unit is kept as it was written. A number in another unit is converted. Either keeps
    // its id.
    let own = Position::received(time, id.as_deref(), unit).filter(|position| position.nanos() == at);
    own.or_else(|| Position::received(&unit.text(at), id.as_deref(), unit))
}

/// A span beyond the position, in the form that a state holds.
fn window(span: &Span) -> Value {
    let mut window = Map::new();
    window.insert("start_time".to_owned(), span.start.time().into());
    window.insert("end_time".to_owned(), span.end.time().into());
    if let Some(id) = span.end.id() {
        window.insert("end_id".to_owned(), id.into());
    }
    Value::Object(window)
}

/// The spans beyond the position, in order of time. An unreadable span is left out, so it is read from the service
/// again.
fn spans(windows: Option<&Value>, unit: Unit) -> Vec<Span> {
    let read = |window: &Value| {
        let text = |member: &str| scalar(window.get(member)?);
        let start = Position::received(&text("start_time")?, None, unit)?;
        let end = Position::received(&text("end_time")?, text("end_id").as_deref(), unit)?;
        Some(Span { start, end })
    };
    let mut spans: Vec<Span> = windows.and_then(Value::as_array).into_iter().flatten().filter_map(read).collect();
    spans.sort_by_key(|span| span.start.nanos());
    spans
}

/// The end of the first stretch of finished slices without a gap. Slices are the form in which Airbyte's low-code
/// connectors keep a state.
fn contiguous_end(slices: &Value) -> Option<Nanos> {
    let instant = |slice: &Value, member: &str| {
        let text = scalar(slice.get(member)?)?;
        position::iso(&text).or_else(|| position::epoch(&text))
    };
    let mut spans = Vec::new();
    for slice in slices.as_array()? {
        spans.push((instant(slice, "start")?, instant(slice, "end")?));
    }
    spans.sort_unstable();
    let (_, mut end) = *spans.first()?;
    for (start, next) in spans {
        if start > end {
            break;
        }
        end = end.max(next);
    }
    Some(end)
}

/// The text of a string or a number.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
