//! The texts of rows, and one row as it is written.

use std::fmt::{Display, Write as _};

use crate::position::Nanos;
use crate::rows::entry::Entry;
use crate::rows::{column, instant, text};

/// The texts of rows one after the other, whose memory is used again.
#[derive(Debug, Default)]
pub struct RowTexts {
    text: String,
    ends: Vec<usize>,
    extra: String,
}

impl RowTexts {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the text of a row.
    pub fn push(&mut self, row: &str) {
        self.text.push_str(row);
        self.ends.push(self.text.len());
    }

    /// The rows in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, &end)| &self.text[begin..end])
    }

    /// Takes all rows out, and keeps their memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// A row that is being written.
pub struct Row<'rows> {
    rows: &'rows mut RowTexts,
}

impl<'rows> Row<'rows> {
    /// A row without members yet.
    pub fn new(rows: &'rows mut RowTexts) -> Self {
        rows.text.push('{');
        rows.extra.clear();
        Self { rows }
    }

    /// Writes a name, and gives where its value goes.
    pub fn name(&mut self, name: &str) -> &mut String {
        let text = &mut self.rows.text;
        // No value ends like this, so nothing stands between it and the beginning of an object.
        if !text.ends_with('{') {
            text.push(',');
        }
        text.push('"');
        text.push_str(name);
        text.push_str("\":");
        text
    }

    /// Where the row is written.
    pub fn out(&mut self) -> &mut String {
        &mut self.rows.text
    }

    /// Writes a value as it came, if there is one.
    pub fn raw(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            push_line(value, self.name(name));
        }
    }

    /// Writes a string of what stands between the quotes of one.
    pub fn inner(&mut self, name: &str, inner: &str) {
        self.name(name).extend(["\"", inner, "\""]);
    }

    /// Writes a string of a text.
    pub fn text(&mut self, name: &str, text: &str) {
        let out = self.name(name);
        out.push('"');
        text::escape(text, out);
        out.push('"');
    }

    /// Writes a number or a boolean, if there is one.
    pub fn plain(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            // Writing into a String cannot fail.
            let _ = write!(self.name(name), "{value}");
        }
    }

    /// Writes seconds since 1970, if the time is known.
    pub fn seconds(&mut self, name: &str, at: Option<Nanos>) {
        if let Some(at) = at {
            instant::write_seconds(at, self.name(name));
        }
    }

    /// Writes a value in a column's form; what the column cannot give back stands in `_extra` under its place.
    pub fn value(&mut self, name: &str, form: column::Form, value: &str, place: &[&str]) {
        if !form.write(name, value, self) {
            self.extra(place, value);
        }
    }

    /// Writes the members of an entry into their columns, and into `_extra` what has none; left out is what only `elsewhere`
    /// has a column for.
    pub fn entry(&mut self, entry: Entry<'_, '_>, columns: &[column::Column], elsewhere: &[column::Column]) {
        if !entry.is_object() {
            self.extra(&[], entry.text);
            return;
        }
        let members = entry.members();
        for (at, member) in members.iter().enumerate() {
            let place = [member.within.unwrap_or_default(), &*member.name];
            let place = if member.within.is_some() { &place[..] } else { &place[1..] };
            let is_opened = member.within.is_none() && members.get(at + 1).is_some_and(|next| next.within.is_some());
            // That an object with columns of its own is null says no more than that they are.
            let is_null = |column: &column::Column| column.within == Some(&*member.name) && member.value == "null";
            let mut known = columns.iter().chain(elsewhere);
            if let Some(column) = columns.iter().find(|column| column.takes(member)) {
                self.value(column.name, column.form, member.value, place);
            } else if !is_opened && !known.any(|column| column.takes(member) || is_null(column)) {
                self.extra(place, member.value);
            }
        }
    }

    /// Puts a value into `_extra` under its place within the entry: names in the spelling that equal names share.
    pub fn extra(&mut self, place: &[&str], value: &str) {
        let extra = &mut self.rows.extra;
        extra.push_str(if extra.is_empty() { "{\"" } else { ",\"" });
        for name in place {
            extra.push('/');
            for part in name.split_inclusive(['~', '/']) {
                match part.as_bytes().last() {
                    Some(b'~') => extra.extend([&part[..part.len() - 1], "~0"]),
                    Some(b'/') => extra.extend([&part[..part.len() - 1], "~1"]),
                    _ => extra.push_str(part),
                }
            }
        }
        extra.push_str("\":");
        push_line(value, extra);
    }

    /// Ends the row.
    pub fn end(mut self) {
        if !self.rows.extra.is_empty() {
            let mut extra = std::mem::take(&mut self.rows.extra);
            extra.push('}');
            self.name("_extra").push_str(&extra);
            self.rows.extra = extra;
        }
        self.rows.push("}");
    }
}

/// Appends a value on one line.
fn push_line(value: &str, out: &mut String) {
    // Between the tokens of JSON, and nowhere else, a line break may stand; a space says the same.
    if !value.starts_with(['{', '[']) {
        return out.push_str(value);
    }
    let mut parts = value.split(['\n', '\r']);
    out.extend(parts.next());
    parts.for_each(|part| out.extend([" ", part]));
}
