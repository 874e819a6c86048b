//! Builds one column, or one member of a nested column.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, Fields};

use super::ZONE;
use super::extra::Extra;
use super::form::Form;
use super::value::{self, Exactness};
use crate::json::Malformed;
use crate::json::scan::Scanner;
use crate::json::text;

/// The values of a column so far.
pub struct Node {
    nulls: NullBufferBuilder,
    values: Values,
    /// The last row for which it received a value, counted from 1.
    given: usize,
}

enum Values {
    Integer(Vec<i64>),
    Number(Vec<f64>),
    Boolean(BooleanBufferBuilder),
    Instant(Vec<i64>),
    Text { bytes: Vec<u8>, ends: Vec<i32>, form: Form },
    Struct { members: Vec<(String, Node)>, positional: bool, fields: Fields, order: Order },
    List { item: Box<Node>, ends: Vec<i32>, count: usize, form: Form },
}

impl Node {
    /// A column of a form, without values.
    pub fn new(form: &Form) -> Self {
        let values = match form {
            Form::Integer => Values::Integer(Vec::new()),
            Form::Number => Values::Number(Vec::new()),
            Form::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            Form::Instant => Values::Instant(Vec::new()),
            Form::Text | Form::Union { .. } => Values::Text { bytes: Vec::new(), ends: vec![0], form: form.clone() },
            Form::Struct { members, positional } => Values::Struct {
                members: members.iter().map(|(name, form)| (name.clone(), Self::new(form))).collect(),
                positional: *positional,
                fields: form.fields().into(),
                order: Order::of(members),
            },
            Form::List(item) => {
                Values::List { item: Box::new(Self::new(item)), ends: vec![0], count: 0, form: (**item).clone() }
            }
        };
        Self { nulls: NullBufferBuilder::new(0), values, given: 0 }
    }

    /// How many values it has. If later rows had no value, there are fewer values than rows, and the missing ones are
    /// null.
    fn rows(&self) -> usize {
        self.nulls.len()
    }

    /// Adds the next value of a text that was checked before. A null adds nothing. A value that the column cannot give
    /// back goes to `extra`.
    fn push(&mut self, json: &mut Scanner<'_>, extra: &mut Extra) -> Result<(), Malformed> {
        let first = json.peek()?;
        match &mut self.values {
            Values::Struct { .. } if first == b'{' => return self.push_members(json, None, extra),
            Values::Struct { positional: true, .. } if first == b'[' => return self.push_positions(json, extra),
            Values::List { .. } if first == b'[' => return self.push_list(json, extra),
            _ => {}
        }
        let json = json.value_text()?;
        if json == "null" {
            return Ok(());
        }
        match &mut self.values {
            Values::Integer(values) => take(value::integer(json), values, &mut self.nulls, json, extra),
            Values::Number(values) => take(value::number(json), values, &mut self.nulls, json, extra),
            Values::Instant(values) => take(value::instant(json), values, &mut self.nulls, json, extra),
            Values::Boolean(values) => {
                let (held, exact) = value::boolean(json);
                values.append(held.unwrap_or_default());
                self.nulls.append(held.is_some());
                if !exact {
                    extra.keep(json);
                }
            }
            Values::Text { bytes, ends, form } => {
                let exact = match form {
                    Form::Union { of_text } => value::union(json, *of_text, bytes),
                    _ => value::text(json, bytes),
                };
                ends.push(end(bytes.len()));
                self.nulls.append_non_null();
                if !exact {
                    extra.keep(json);
                }
            }
            Values::Struct { .. } | Values::List { .. } => extra.keep(json),
        }
        Ok(())
    }

    /// Adds an object's members. The member `added`, if there is one, is added first and wins over one of its name.
    pub fn push_members(
        &mut self,
        json: &mut Scanner<'_>,
        added: Option<(&str, &str)>,
        extra: &mut Extra,
    ) -> Result<(), Malformed> {
        let row = self.rows();
        let Values::Struct { members, order, .. } = &mut self.values else { return Ok(()) };
        if let Some((added, value)) = added
            && let Some((_, member)) = members.iter_mut().find(|(name, _)| name == added)
        {
            member.fill(row);
            // An added key is composed of members of the record: a value that it cannot hold exactly is kept with those
            // members.
            member.push(&mut Scanner::new(value)?, &mut Extra::default())?;
        }
        let mut last = 0;
        json.members(|json| {
            let (name, place) = order.next(&mut last, json, members)?;
            let before = extra.len();
            match place {
                Some(index) if added.is_none_or(|(added, _)| added != members[index].0) => {
                    let member = &mut members[index].1;
                    if member.given > row {
                        extra.repeated = true;
                        return json.value().map(|_| ());
                    }
                    member.given = row + 1;
                    member.fill(row);
                    member.push(json, extra)?;
                }
                _ => extra.keep(json.value_text()?),
            }
            if extra.len() > before {
                extra.name(before, place.map_or(&name, |place| &members[place].0));
            }
            Ok(())
        })?;
        self.nulls.append_non_null();
        Ok(())
    }

    /// Adds an array that stands for a struct: its elements are the members' values, in the order of the members.
    fn push_positions(&mut self, json: &mut Scanner<'_>, extra: &mut Extra) -> Result<(), Malformed> {
        let row = self.rows();
        let Values::Struct { members, .. } = &mut self.values else { return Ok(()) };
        let whole = json.value_text()?;
        extra.keep(whole);
        let mut members = members.iter_mut();
        Scanner::new(whole)?.array(|json| match members.next() {
            // The whole array is kept in `extra`, so its elements need not be.
            Some((_, member)) => {
                member.fill(row);
                member.push(json, &mut Extra::default())
            }
            None => json.value().map(|_| ()),
        })?;
        self.nulls.append_non_null();
        Ok(())
    }

    fn push_list(&mut self, json: &mut Scanner<'_>, extra: &mut Extra) -> Result<(), Malformed> {
        let Values::List { item, ends, count, .. } = &mut self.values else { return Ok(()) };
        let begin = *count;
        json.array(|json| {
            let before = extra.len();
            item.fill(*count);
            item.push(json, extra)?;
            if extra.len() > before {
                extra.name(before, &(*count - begin).to_string());
            }
            *count += 1;
            Ok(())
        })?;
        ends.push(end(*count));
        self.nulls.append_non_null();
        Ok(())
    }

    /// Adds nulls until there are `rows` values.
    fn fill(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.rows());
        if missing == 0 {
            return;
        }
        match &mut self.values {
            Values::Integer(values) | Values::Instant(values) => values.resize(rows, 0),
            Values::Number(values) => values.resize(rows, 0.0),
            Values::Boolean(values) => values.append_n(missing, false),
            Values::Text { bytes, ends, .. } => ends.resize(rows + 1, end(bytes.len())),
            Values::Struct { .. } => {}
            Values::List { ends, count, .. } => ends.resize(rows + 1, end(*count)),
        }
        self.nulls.append_n_nulls(missing);
    }

    /// Removes all rows after the first `rows`.
    pub fn truncate(&mut self, rows: usize) {
        self.given = self.given.min(rows);
        match &mut self.values {
            Values::Integer(values) | Values::Instant(values) => values.truncate(rows),
            Values::Number(values) => values.truncate(rows),
            Values::Boolean(values) => values.truncate(rows.min(values.len())),
            Values::Text { bytes, ends, .. } => {
                ends.truncate(rows + 1);
                bytes.truncate(place(ends.last()));
            }
            // If adding a struct was interrupted, its members may have more values than it has.
            Values::Struct { members, .. } => members.iter_mut().for_each(|(_, member)| member.truncate(rows)),
            Values::List { item, ends, count, .. } => {
                ends.truncate(rows + 1);
                *count = place(ends.last());
                item.truncate(*count);
            }
        }
        self.nulls.truncate(rows.min(self.nulls.len()));
    }

    /// Returns the columns of a struct's members, and keeps no values.
    pub fn finish_members(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        let rows = self.rows();
        self.nulls.finish();
        let Values::Struct { members, .. } = &mut self.values else { return Ok(Vec::new()) };
        members.iter_mut().map(|(_, member)| member.finish(rows)).collect()
    }

    /// Returns the column with `rows` rows, and keeps no values.
    fn finish(&mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        self.fill(rows);
        let nulls = self.nulls.finish();
        Ok(match &mut self.values {
            Values::Integer(values) => Arc::new(Int64Array::try_new(drained(values), nulls)?),
            Values::Number(values) => Arc::new(Float64Array::try_new(drained(values), nulls)?),
            Values::Instant(values) => {
                Arc::new(TimestampMicrosecondArray::try_new(drained(values), nulls)?.with_timezone(ZONE))
            }
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Text { bytes, ends, .. } => {
                let bytes = Buffer::from(renewed(bytes));
                Arc::new(StringArray::try_new(offsets(ends)?, bytes, nulls)?)
            }
            Values::Struct { members, fields, .. } => {
                let arrays: Result<Vec<ArrayRef>, ArrowError> =
                    members.iter_mut().map(|(_, member)| member.finish(rows)).collect();
                Arc::new(StructArray::try_new_with_length(fields.clone(), arrays?, nulls, rows)?)
            }
            Values::List { item, ends, count, form } => {
                let items = item.finish(std::mem::take(count))?;
                Arc::new(ListArray::try_new(form.item(), offsets(ends)?, items, nulls)?)
            }
        })
    }
}

/// The order in which an object's members are expected: after each member, the one that followed it last time. Objects
/// of one kind list their members in one order, so the expected name is nearly always the right one.
struct Order {
    /// The expected place of a member, by the place of the member before it, counted from 1. Index 0 is for the first
    /// member.
    expected: Vec<usize>,
    /// The members' names with their quotes.
    quoted: Vec<String>,
}

impl Order {
    fn of(members: &[(String, Form)]) -> Self {
        let quoted = members.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        Self { expected: vec![0; members.len() + 1], quoted }
    }

    /// Reads the next key of an object. Returns its place among `members` or, if it has none, its name. `last` is the
    /// place of the key before it, counted from 1.
    fn next<'text>(
        &mut self,
        last: &mut usize,
        json: &mut Scanner<'text>,
        members: &[(String, Node)],
    ) -> Result<(Cow<'text, str>, Option<usize>), Malformed> {
        let expected = self.expected[*last];
        if self.quoted.get(expected).is_some_and(|quoted| json.key_is(quoted)) {
            *last = expected + 1;
            return Ok((Cow::Borrowed(""), Some(expected)));
        }
        let key = json.key()?;
        let name = text::read(json.slice(key));
        let place = members.iter().position(|(known, _)| *known == name);
        if let Some(place) = place {
            self.expected[*last] = place;
            *last = place + 1;
        }
        Ok((name, place))
    }
}

/// Adds a converted value, and keeps the original in `extra` if the column cannot give it back.
fn take<T: Default>(
    held: Exactness<T>,
    values: &mut Vec<T>,
    nulls: &mut NullBufferBuilder,
    json: &str,
    extra: &mut Extra,
) {
    let (held, exact) = held;
    nulls.append(held.is_some());
    values.push(held.unwrap_or_default());
    if !exact {
        extra.keep(json);
    }
}

/// The end of a value in a column's data. Rows become columns long before an end exceeds 32 bits. One that did would
/// become negative, which `offsets` refuses.
fn end(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MIN)
}

/// The position that `end` encoded.
fn place(end: Option<&i32>) -> usize {
    end.and_then(|&end| usize::try_from(end).ok()).unwrap_or(0)
}

/// Returns the offsets at which a column's values end, checked to be sorted, and keeps none.
fn offsets(ends: &mut Vec<i32>) -> Result<OffsetBuffer<i32>, ArrowError> {
    if !ends.is_sorted() {
        return Err(ArrowError::OffsetOverflowError(ends.len()));
    }
    let whole = renewed(ends);
    ends.push(0);
    Ok(OffsetBuffer::new(whole.into()))
}

fn drained<T: arrow_buffer::ArrowNativeType>(values: &mut Vec<T>) -> ScalarBuffer<T> {
    renewed(values).into()
}

/// Takes the values out, and leaves capacity for about as many: a vector that grows step by step is copied repeatedly.
fn renewed<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = values.len() + values.len() / 8;
    std::mem::replace(values, Vec::with_capacity(room))
}
