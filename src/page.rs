//! The pagination shapes, pure: what to ask for, and what an answer holds. Records stay the bytes that arrived.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use url::Url;

use crate::client::Malformed;
use crate::position::{Position, Unit};
use crate::streams::Shape;

/// A stretch of a page's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

/// Where a record lies and which of the page's members are its own.
#[derive(Debug, Clone, Copy)]
struct Entry {
    text: Span,
    first_member: u32,
    members: u32,
    array: u8,
}

/// One answer, taken apart down to the top-level members of its records.
pub struct Page {
    text: String,
    found: Found,
    repaired: bool,
}

/// What was found in an answer.
#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    members: Vec<(Span, Span)>,
    next: Option<Position>,
}

/// One record of a page, as it arrived.
#[derive(Clone, Copy)]
pub struct Record<'page> {
    page: &'page Page,
    entry: Entry,
}

impl Page {
    /// Takes apart the answer of an endpoint of that shape. Bytes that are no UTF-8 are replaced, and `repaired` tells of it.
    pub fn parse(shape: Shape, body: Vec<u8>) -> Result<Self, Malformed> {
        let (text, repaired) = match String::from_utf8(body) {
            Ok(text) => (text, false),
            Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
        };
        let mut outline = Outline::new(&text, shape)?;
        let mut reader = serde_json::Deserializer::from_str(&text);
        outline.read(&mut reader).and_then(|()| reader.end()).map_err(|error| malformed(&error))?;
        let found = outline.finish()?;
        Ok(Self { text, found, repaired })
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.found.entries.len()
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.found.entries.is_empty()
    }

    /// The position after it, as the service names it.
    pub fn next(&self) -> Option<&Position> {
        self.found.next.as_ref()
    }

    /// Whether bytes that are no UTF-8 were replaced.
    pub fn repaired(&self) -> bool {
        self.repaired
    }

    /// Its records in their order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.found.entries.iter().map(|&entry| Record { page: self, entry })
    }

    /// Leaves only those records in whose place `keep` holds true.
    pub fn retain(&mut self, keep: &[bool]) {
        let mut keep = keep.iter();
        self.found.entries.retain(|_| keep.next().copied().unwrap_or(true));
    }

    fn slice(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }
}

impl fmt::Debug for Page {
    /// Tells its size, never its content.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Page({} records, {} bytes)", self.len(), self.text.len())
    }
}

impl<'page> Record<'page> {
    /// Its text, a JSON object.
    pub fn text(self) -> &'page str {
        self.page.slice(self.entry.text)
    }

    /// Its top-level members in their order: the key without quotes (as escaped as it arrived) and the value's text.
    pub fn members(self) -> impl Iterator<Item = (&'page str, &'page str)> {
        let first = self.entry.first_member as usize;
        let spans = &self.page.found.members[first..first + self.entry.members as usize];
        spans.iter().map(move |&(key, value)| (self.page.slice(key), self.page.slice(value)))
    }

    /// The text of a member's value; the last one if it comes twice, none if it is null.
    pub fn member(self, name: &str) -> Option<&'page str> {
        let value = self.members().filter(|&(key, _)| key == name).last().map(|(_, value)| value);
        value.filter(|&value| value != "null")
    }

    /// In which of the shape's arrays it came.
    pub fn array(self) -> usize {
        usize::from(self.entry.array)
    }
}

/// A string's text without its quotes, and any other value's text as it is.
pub fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

/// The query that asks an export for what lies after a position.
pub fn export_query(records: &str, expand: bool, time: String, id: Option<&str>) -> Vec<(&'static str, String)> {
    let mut query = vec![("start_time", time)];
    if let Some(id) = id {
        query.push(("start_id", id.to_owned()));
    }
    if expand {
        query.push(("fields", format!("{records}(*)")));
    }
    query
}

/// The query that asks for records from a number on.
pub fn numbered_query(since: i64) -> Vec<(&'static str, String)> {
    vec![("since_id", since.to_string())]
}

fn malformed(error: &serde_json::Error) -> Malformed {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Eof => {
            Malformed(format!("the JSON ends too early, at line {line} column {column}"))
        }
        serde_json::error::Category::Data => Malformed("the JSON has another shape than documented".to_owned()),
        _ => Malformed(format!("it is not JSON, at line {line} column {column}")),
    }
}

/// What is found while an answer is read.
struct Outline<'text> {
    text: &'text str,
    shape: Shape,
    arrays: Vec<&'static str>,
    complete: bool,
    found: Found,
    next_page: Option<&'text RawValue>,
    end_time: Option<&'text RawValue>,
    end_id: Option<&'text RawValue>,
}

impl<'text> Outline<'text> {
    fn new(text: &'text str, shape: Shape) -> Result<Self, Malformed> {
        if u32::try_from(text.len()).is_err() {
            return Err(Malformed("it is larger than four gigabytes".to_owned()));
        }
        let arrays = match shape {
            Shape::Numbered { arrays, .. } => arrays.to_vec(),
            Shape::Export { records, .. } => vec![records],
            Shape::Object { .. } | Shape::List => Vec::new(),
        };
        let found = Found::default();
        Ok(Self { text, shape, arrays, complete: false, found, next_page: None, end_time: None, end_id: None })
    }

    fn read(
        &mut self,
        reader: &mut serde_json::Deserializer<serde_json::de::StrRead<'text>>,
    ) -> serde_json::Result<()> {
        match self.shape {
            Shape::Object { under: None } => {
                let record = <&RawValue as serde::Deserialize>::deserialize(reader)?;
                self.record(record, 0)
            }
            Shape::Object { under: Some(_) } | Shape::Export { .. } => reader.deserialize_map(self),
            Shape::Numbered { arrays, .. } if !arrays.is_empty() => reader.deserialize_map(self),
            Shape::Numbered { .. } | Shape::List => Records { outline: self, array: 0 }.deserialize(reader),
        }
    }

    fn record(&mut self, record: &'text RawValue, array: u8) -> serde_json::Result<()> {
        let first_member = self.found.members.len();
        let mut reader = serde_json::Deserializer::from_str(record.get());
        reader.deserialize_map(Members { text: self.text, members: &mut self.found.members })?;
        let count = self.found.members.len() - first_member;
        let entry = Entry {
            text: span(self.text, record.get()),
            first_member: short(first_member),
            members: short(count),
            array,
        };
        self.found.entries.push(entry);
        self.complete = true;
        Ok(())
    }

    fn finish(mut self) -> Result<Found, Malformed> {
        if !self.complete {
            return Err(Malformed("it lacks the records that are documented".to_owned()));
        }
        if let Shape::Export { unit, .. } = self.shape {
            self.found.next = self.named_next(unit).or_else(|| self.named_end(unit));
        }
        Ok(self.found)
    }

    /// SEAM: only `start_time` and `start_id` are taken from `next_page`; where it points to is never looked at.
    fn named_next(&self, unit: Unit) -> Option<Position> {
        let next_page: Cow<'_, str> = serde_json::from_str(self.next_page?.get()).ok()?;
        let (_, query) = next_page.split_once('?')?;
        let query = Url::parse(&format!("http://localhost/?{query}")).ok()?;
        let value = |name: &str| query.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        Position::received(&value("start_time")?, value("start_id").as_deref(), unit)
    }

    fn named_end(&self, unit: Unit) -> Option<Position> {
        let id = self.end_id.map(RawValue::get).filter(|&id| id != "null");
        let id = id.map(|id| serde_json::from_str::<String>(id).unwrap_or_else(|_| id.to_owned()));
        Position::received(unquoted(self.end_time?.get()), id.as_deref(), unit)
    }
}

/// The envelope around the records.
impl<'text> Visitor<'text> for &mut Outline<'text> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object around the records")
    }

    fn visit_map<A: MapAccess<'text>>(self, mut map: A) -> Result<(), A::Error> {
        let mut members = 0;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            members += 1;
            if let Some(array) = self.arrays.iter().position(|&array| array == key) {
                let array = u8::try_from(array).unwrap_or_default();
                map.next_value_seed(Records { outline: self, array })?;
            } else if matches!(self.shape, Shape::Object { under: Some(under) } if under == key) {
                let record = map.next_value()?;
                self.record(record, 0).map_err(serde::de::Error::custom)?;
            } else {
                match key.as_ref() {
                    "next_page" => self.next_page = Some(map.next_value()?),
                    "end_time" => self.end_time = Some(map.next_value()?),
                    "end_id" => self.end_id = Some(map.next_value()?),
                    _ => _ = map.next_value::<IgnoredAny>()?,
                }
            }
        }
        // Arrays that are left out where they are empty leave nothing at all; an error in their place does not pass for that.
        self.complete |= members == 0 && matches!(self.shape, Shape::Numbered { .. });
        Ok(())
    }
}

/// An array of records; null stands for an empty one.
struct Records<'outline, 'text> {
    outline: &'outline mut Outline<'text>,
    array: u8,
}

impl<'text> DeserializeSeed<'text> for Records<'_, 'text> {
    type Value = ();

    fn deserialize<D: Deserializer<'text>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'text> Visitor<'text> for Records<'_, 'text> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of records")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.outline.complete = true;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'text>>(self, mut records: A) -> Result<(), A::Error> {
        self.outline.complete = true;
        while let Some(record) = records.next_element::<&RawValue>()? {
            self.outline.record(record, self.array).map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }
}

/// The top-level members of one record.
struct Members<'members, 'text> {
    text: &'text str,
    members: &'members mut Vec<(Span, Span)>,
}

impl<'text> Visitor<'text> for Members<'_, 'text> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record, which is an object")
    }

    fn visit_map<A: MapAccess<'text>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            self.members.push((span(self.text, unquoted(key.get())), span(self.text, value.get())));
        }
        Ok(())
    }
}

/// Where `part`, which is a part of `text`, lies in it.
fn span(text: &str, part: &str) -> Span {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    Span { start: short(start), end: short(start + part.len()) }
}

/// A number below the length of a page, which is checked to fit before anything is read.
fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
