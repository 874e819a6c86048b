//! Fits records to their schema: a record is passed on as it is, or mended with a list of the changes.

use std::borrow::Cow;

use serde::Deserialize;

use crate::json;
use crate::json::text;
use crate::position;
use crate::protocol::Change;
use crate::source::page::Record;
use crate::source::streams::{Project, Stream};

/// The type that a schema declares for a top-level member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Declared {
    String,
    Instant,
    Integer,
    Number,
    Boolean,
    Object,
    Array,
}

/// How the records of one stream are written.
#[derive(Debug)]
pub struct Coercion {
    /// In the order of the schema, which most records follow.
    declared: Vec<(&'static str, Declared)>,
    left_out: Vec<&'static str>,
    project: Project,
    key: Option<&'static str>,
}

#[derive(Deserialize)]
struct Property {
    #[serde(default, rename = "type")]
    types: Types,
    #[serde(default)]
    format: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Types {
    One(String),
    Several(Vec<String>),
    #[default]
    Any,
}

impl Coercion {
    /// The rules of a stream. `selected` names the members that the user wants; `None` means all. Keys, cursors and
    /// members that the schema does not know are never left out.
    pub fn new(stream: &Stream, selected: Option<&[String]>) -> Self {
        let properties = json::members(stream.schema).into_iter().find(|&(name, _)| name == "properties");
        let properties = properties.map(|(_, properties)| json::members(properties)).unwrap_or_default();
        let kept = |name: &str| {
            let needed = Some(name) == stream.key || Some(name) == stream.cursor;
            needed || selected.is_none_or(|selected| selected.iter().any(|selected| selected == name))
        };
        let left_out = properties.iter().map(|&(name, _)| name).filter(|name| !kept(name)).collect();
        let declared = properties.iter().filter_map(|&(name, property)| Some((name, declared(property)?)));
        Self { declared: declared.collect(), left_out, project: stream.project, key: stream.key }
    }

    /// Appends the record to `line` without line breaks, and its changes to `changes`.
    pub fn write(&self, record: Record<'_>, line: &mut Vec<u8>, changes: &mut Vec<Change>) {
        let begin = line.len();
        if self.passes(record) {
            line.extend_from_slice(record.text().as_bytes());
        } else {
            self.rewrite(record, line, changes);
        }
        // JSON can hold line breaks only between its tokens, where a space means the same.
        if memchr::memchr2(b'\n', b'\r', &line[begin..]).is_some() {
            line[begin..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        }
    }

    /// Whether the record can be written byte for byte as it came.
    fn passes(&self, record: Record<'_>) -> bool {
        let mut declared = self.declared.iter().cycle();
        self.project == Project::Whole
            && self.left_out.is_empty()
            && !record.unsound()
            && record.members().all(|(name, value)| {
                let mut ahead = declared.by_ref().take(self.declared.len());
                ahead.find(|(known, _)| *known == name).is_none_or(|&(_, declared)| fits(declared, value))
            })
    }

    /// The type that the schema declares for a member.
    fn declared(&self, name: &str) -> Option<Declared> {
        self.declared.iter().find(|(known, _)| *known == name).map(|&(_, declared)| declared)
    }

    fn rewrite(&self, record: Record<'_>, line: &mut Vec<u8>, changes: &mut Vec<Change>) {
        let sound = |text| if record.unsound() { text::paired(text).into() } else { Cow::Borrowed(text) };
        line.push(b'{');
        let begin = line.len();
        if let Project::Keyed(first, second) = self.project {
            let part = |member| sound(json::unquoted(record.member(member).unwrap_or_default()));
            line.extend_from_slice(format!("\"id\":\"{}|{}\"", part(first), part(second)).as_bytes());
        }
        for (index, (name, value)) in record.members().enumerate() {
            let replaced_key = self.project != Project::Whole && Some(name) == self.key;
            // If a member occurs twice, every reader takes the last one, so the others are left out.
            let superseded = record.members().skip(index + 1).any(|(later, _)| later == name);
            if replaced_key || superseded || self.left_out.contains(&name) {
                continue;
            }
            if line.len() > begin {
                line.push(b',');
            }
            let went_as = sound(name);
            line.push(b'"');
            line.extend_from_slice(went_as.as_bytes());
            line.extend_from_slice(b"\":");
            let whole = if record.unsound() { text::sound(value).into() } else { Cow::Borrowed(value) };
            let nulled = self.mend(name, value, &whole, line);
            let nulled = nulled.or_else(|| (went_as != name).then_some(false));
            changes.extend(nulled.map(|nulled| Change { member: text::read(&went_as).into_owned(), nulled }));
        }
        line.push(b'}');
    }

    /// Appends a member's `sound` value in its declared type. If that differs from the value as it `came`, returns
    /// whether the value became null.
    fn mend(&self, name: &str, came: &str, sound: &str, line: &mut Vec<u8>) -> Option<bool> {
        let misfit = self.declared(name).filter(|&declared| !fits(declared, sound));
        let went = misfit.map_or(Some(Cow::Borrowed(sound)), |declared| mended(declared, sound).map(Cow::Owned));
        let went = went.unwrap_or(Cow::Borrowed("null"));
        line.extend_from_slice(went.as_bytes());
        (went != came).then(|| went == "null")
    }
}

/// The declared type of a property; `None` if it declares several types or none, so that any value fits.
fn declared(property: &str) -> Option<Declared> {
    let property: Property = serde_json::from_str(property).ok()?;
    let types = match property.types {
        Types::One(name) => vec![name],
        Types::Several(names) => names,
        Types::Any => return None,
    };
    let mut types = types.iter().filter(|name| *name != "null");
    let (name, None) = (types.next()?, types.next()) else { return None };
    Some(match name.as_str() {
        "string" if property.format.as_deref() == Some("date-time") => Declared::Instant,
        "string" => Declared::String,
        "integer" => Declared::Integer,
        "number" => Declared::Number,
        "boolean" => Declared::Boolean,
        "object" => Declared::Object,
        "array" => Declared::Array,
        _ => return None,
    })
}

fn fits(declared: Declared, value: &str) -> bool {
    match (declared, value.as_bytes().first()) {
        (_, Some(b'n'))
        | (Declared::String, Some(b'"'))
        | (Declared::Boolean, Some(b't' | b'f'))
        | (Declared::Object, Some(b'{'))
        | (Declared::Array, Some(b'['))
        | (Declared::Number, Some(b'-' | b'0'..=b'9')) => true,
        (Declared::Instant, Some(b'"')) => is_instant(json::unquoted(value)),
        (Declared::Integer, Some(b'-' | b'0'..=b'9')) => {
            value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        }
        _ => false,
    }
}

/// Whether a text holds a time of day, not only a date.
fn is_instant(text: &str) -> bool {
    text.len() > "2024-01-01".len() && position::when(text).is_some()
}

/// The value in the declared type, with the same meaning; `None` if the type cannot express it.
fn mended(declared: Declared, value: &str) -> Option<String> {
    let inner = json::unquoted(value);
    match declared {
        Declared::Boolean => match inner {
            "1" | "true" => Some("true".to_owned()),
            "0" | "false" => Some("false".to_owned()),
            _ => None,
        },
        Declared::Integer => match inner {
            "true" => Some("1".to_owned()),
            "false" => Some("0".to_owned()),
            _ => whole_number(inner),
        },
        Declared::Number => {
            let number: serde_json::Number = inner.parse().ok()?;
            number.as_f64().filter(|number| number.is_finite()).map(|_| inner.to_owned())
        }
        Declared::String if value.starts_with(['{', '[']) => serde_json::to_string(value).ok(),
        Declared::String => Some(format!("\"{value}\"")),
        Declared::Instant if !value.starts_with('"') => {
            position::epoch(value).and_then(position::written).map(|instant| format!("\"{instant}\""))
        }
        Declared::Instant | Declared::Object | Declared::Array => None,
    }
}

/// A number without a fraction, written as an integer.
fn whole_number(text: &str) -> Option<String> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.to_string());
    }
    let number: f64 = text.parse().ok()?;
    // From 2^53 on, one float may stand for several integers.
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then(|| format!("{number:.0}"))
}

#[cfg(test)]
mod tests;
