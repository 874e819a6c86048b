//! Converts rows of a file back to the JSON that they were made from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use chrono::{DateTime, SecondsFormat};
use serde_json::Value;

use super::form::Form;
use super::{EXTRA, EXTRACTED_AT, RUN_ID, value};
use crate::json::{self, text};

/// The entries in `_extra` of a row: JSON Pointers, and the texts of the values.
type Entries<'row> = BTreeMap<String, &'row str>;

/// The JSON text of a row, without the column `without`.
pub fn record(batch: &RecordBatch, row: usize, without: Option<&str>) -> String {
    let extra = batch.column_by_name(EXTRA).and_then(|column| column.as_string_opt::<i32>());
    let extra = extra.filter(|extra| extra.is_valid(row)).map_or("{}", |extra| extra.value(row));
    let entries = json::members(extra).into_iter().map(|(key, json)| (text::read(key).into_owned(), json)).collect();
    let mut text = String::new();
    let schema = batch.schema_ref();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns.filter(|(field, _)| {
        ![EXTRA, EXTRACTED_AT, RUN_ID].contains(&field.name().as_str()) && without != Some(field.name())
    });
    let members = columns.map(|(field, column)| (field.name().as_str(), Form::of_field(field), column.as_ref()));
    object(members, row, &entries, &mut String::new(), &mut text);
    text
}

/// The JSON text of a column's value in a row; `None` if it is null.
pub fn scalar(batch: &RecordBatch, row: usize, name: &str) -> Option<String> {
    let column = batch.column_by_name(name).filter(|column| column.is_valid(row))?;
    let mut text = String::new();
    let form = Form::of_field(batch.schema_ref().field_with_name(name).ok()?);
    write(column, &form, row, &Entries::new(), &mut String::new(), &mut text);
    Some(text)
}

fn object<'row>(
    members: impl Iterator<Item = (&'row str, Form, &'row dyn Array)>,
    row: usize,
    entries: &Entries<'_>,
    pointer: &mut String,
    out: &mut String,
) {
    let own = format!("{pointer}/");
    let mut unknown: BTreeSet<&str> = entries.keys().filter_map(|entry| entry.strip_prefix(&own)).collect();
    unknown.retain(|name| !name.contains('/'));
    out.push('{');
    let mut first = true;
    let mut begin = |name: &str, out: &mut String| {
        out.push_str(if std::mem::take(&mut first) { "" } else { "," });
        // Writing to a string does not fail.
        let _ = write!(out, "{}:", Value::from(name));
    };
    for (name, form, column) in members {
        let escaped = name.replace('~', "~0").replace('/', "~1");
        if unknown.remove(escaped.as_str()) || column.is_valid(row) {
            begin(name, out);
            within(&escaped, pointer, |pointer| write(column, &form, row, entries, pointer, out));
        }
    }
    for name in unknown {
        begin(&name.replace("~1", "/").replace("~0", "~"), out);
        out.push_str(entries.get(&format!("{own}{name}")).copied().unwrap_or("null"));
    }
    out.push('}');
}

fn within(name: &str, pointer: &mut String, inside: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(name);
    inside(pointer);
    pointer.truncate(length);
}

fn write(array: &dyn Array, form: &Form, row: usize, entries: &Entries<'_>, pointer: &mut String, out: &mut String) {
    if let Some(original) = entries.get(pointer) {
        return out.push_str(original);
    }
    if array.is_null(row) {
        return out.push_str("null");
    }
    match form {
        Form::Integer => out.push_str(&array.as_primitive::<Int64Type>().value(row).to_string()),
        Form::Number => out.push_str(&Value::from(array.as_primitive::<Float64Type>().value(row)).to_string()),
        Form::Boolean => out.push_str(&array.as_boolean().value(row).to_string()),
        Form::Instant => {
            let time = DateTime::from_timestamp_micros(array.as_primitive::<TimestampMicrosecondType>().value(row));
            let text = time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
            out.push_str(&Value::from(text).to_string());
        }
        Form::Union { of_text: false } if value::reads_as_another(array.as_string::<i32>().value(row)) => {
            out.push_str(array.as_string::<i32>().value(row));
        }
        Form::Text | Form::Union { .. } => out.push_str(&Value::from(array.as_string::<i32>().value(row)).to_string()),
        Form::Struct { members, .. } => {
            let columns = members.iter().zip(array.as_struct().columns());
            let members = columns.map(|((name, form), column)| (name.as_str(), form.clone(), column.as_ref()));
            object(members, row, entries, pointer, out);
        }
        Form::List(item) => {
            let values = array.as_list::<i32>().value(row);
            out.push('[');
            for index in 0..values.len() {
                out.push_str(if index == 0 { "" } else { "," });
                within(&index.to_string(), pointer, |pointer| write(&values, item, index, entries, pointer, out));
            }
            out.push(']');
        }
    }
}
