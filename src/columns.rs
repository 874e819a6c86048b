//! The columns of a table, and the conversion of JSON records into them.
//!
//! A column gives back the JSON value that was put into it, except that times come back as instants and absent members
//! as null. The column `_extra` holds the values that a column cannot give back, and all members that the schema does
//! not know: it is a JSON object that maps the JSON Pointer of each such value to the value as it came. The column of a
//! value in `_extra` holds the nearest value of its type, or null.
//!
//! `_extra` is JSON that every reader accepts: halves of surrogate pairs are replaced by U+FFFD, and the names within
//! each object are made unique, if necessary by more of U+FFFD.
//!
//! A column of several types holds text. If the schema names `string` first, the text is the content of a JSON string.
//! Otherwise, text that is JSON of another type stands for that value, and any other text for a string. Values that
//! this rule does not give back are kept in `_extra`.

mod back;
mod extra;
mod form;
mod node;
mod strict;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::error::{Error, Kind};
use crate::json::Malformed;
use crate::json::scan::Scanner;
use crate::source::page::Record;
use crate::source::streams::{Project, Stream};

use extra::{Extra, Repeated};
use form::Form;
use node::Node;

/// The column of the values that the other columns cannot give back.
pub const EXTRA: &str = "_extra";
/// The column of the time when a record was read.
pub const EXTRACTED_AT: &str = "_extracted_at";
/// The column of the run that read a record.
pub const RUN_ID: &str = "_run_id";

/// The time zone of all times, in the spelling that every Parquet reader understands.
const ZONE: &str = "UTC";

/// The columns of one table.
#[derive(Debug, Clone)]
pub struct Columns {
    form: Form,
    schema: SchemaRef,
}

impl Columns {
    /// The columns of a stream's records.
    pub fn of(stream: &Stream) -> Self {
        let form = Form::of(&serde_json::from_str(stream.schema).unwrap_or_default());
        let mut fields = form.fields();
        fields.push(Field::new(EXTRA, DataType::Utf8, true));
        fields.push(Field::new(EXTRACTED_AT, instant(), false));
        fields.push(Field::new(RUN_ID, DataType::Utf8, false));
        Self { form, schema: Arc::new(Schema::new(fields)) }
    }

    /// Their types by name, as text. Two texts differ if they lead to different rows.
    pub fn types(&self) -> BTreeMap<String, String> {
        self.form.members().iter().map(|(name, form)| (name.clone(), form.describe())).collect()
    }

    /// Converts rows of another version of the table to these columns.
    ///
    /// If columns were only added, old rows get null there. If a type changed or a column was removed, each row is
    /// rebuilt.
    pub fn fitted(&self, stream: &Stream, batch: RecordBatch) -> Result<RecordBatch, Error> {
        if batch.schema_ref().fields() == self.schema.fields() {
            return Ok(batch);
        }
        let same = |field: &Field| batch.schema_ref().field_with_name(field.name()).map_or(true, |old| old == field);
        let known = |field: &Field| self.schema.field_with_name(field.name()).is_ok();
        // Values in columns that only a newer version knows go to `_extra`.
        if !self.schema.fields().iter().all(|field| same(field))
            || !batch.schema_ref().fields().iter().all(|field| known(field))
        {
            return self.anew(stream, &batch);
        }
        let column = |field: &Field| {
            let column = batch.column_by_name(field.name()).cloned();
            column.unwrap_or_else(|| new_null_array(field.data_type(), batch.num_rows()))
        };
        let columns = self.schema.fields().iter().map(|field| column(field)).collect();
        RecordBatch::try_new(self.schema(), columns).map_err(broken)
    }

    fn anew(&self, stream: &Stream, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        // A key composed of other members is copied: their columns may not give back the texts that it was made of.
        let key = stream.key.filter(|_| stream.project != Project::Whole);
        let mut rows = Rows::new(self, "");
        for row in 0..batch.num_rows() {
            let added = key.and_then(|key| Some((key, back::scalar(batch, row, key)?)));
            let added = added.as_ref().map(|(key, value)| (*key, value.as_str()));
            rows.push_text(&back::record(batch, row, key), added, 0)?;
        }
        let mut columns = rows.finish()?.columns().to_vec();
        for name in [EXTRACTED_AT, RUN_ID] {
            if let (Ok(index), Some(column)) = (self.schema.index_of(name), batch.column_by_name(name)) {
                columns[index] = Arc::clone(column);
            }
        }
        RecordBatch::try_new(self.schema(), columns).map_err(broken)
    }

    /// Their names and types.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// Whether the type of a column of a table changed, so that its rows must be rewritten.
pub fn are_retyped(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> bool {
    now.iter().any(|(name, now)| before.get(name).is_some_and(|before| before != now))
}

/// The time in a member's JSON text, in microseconds since 1970; `None` if there is none.
pub fn microseconds(json: &str) -> Option<i64> {
    value::instant(json).0
}

/// The type of columns of times.
fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(ZONE.into()))
}

/// Converts records into columns, row by row.
pub struct Rows {
    columns: Columns,
    node: Node,
    extra: Extra,
    extras: Vec<Option<String>>,
    extracted_at: Vec<i64>,
    run_id: String,
    bytes: usize,
}

impl Rows {
    /// An empty set of rows with these columns.
    pub fn new(columns: &Columns, run_id: &str) -> Self {
        Self {
            node: Node::new(&columns.form),
            columns: columns.clone(),
            extra: Extra::default(),
            extras: Vec::new(),
            extracted_at: Vec::new(),
            run_id: run_id.to_owned(),
            bytes: 0,
        }
    }

    /// Adds one record, which was read at `extracted_at`, in microseconds since 1970.
    pub fn push(&mut self, stream: &Stream, record: Record<'_>, extracted_at: i64) -> Result<(), Error> {
        let key = match stream.project {
            Project::Whole => None,
            Project::Keyed(..) => stream.key.map(|key| (key, format!("\"{}\"", stream.key_text(record)))),
        };
        let added = key.as_ref().map(|(name, value)| (*name, value.as_str()));
        self.push_text(record.text(), added, extracted_at)
    }

    fn push_text(&mut self, text: &str, added: Option<(&str, &str)>, extracted_at: i64) -> Result<(), Error> {
        let extra = if let Ok(extra) = self.push_once(text, added)? {
            extra
        } else {
            self.node.truncate(self.len());
            // If a member occurs twice, every reader takes the last one.
            let once = self.columns.form.without_repeats(text);
            let still =
                |Repeated| Error::new(Kind::Internal, "A member of a record comes twice and cannot be told apart");
            self.push_once(&once, added)?.map_err(still)?
        };
        self.extras.push(extra);
        self.extracted_at.push(extracted_at);
        self.bytes += text.len();
        Ok(())
    }

    fn push_once(
        &mut self,
        text: &str,
        added: Option<(&str, &str)>,
    ) -> Result<Result<Option<String>, Repeated>, Error> {
        let pushed = Scanner::new(text).and_then(|mut json| self.node.push_members(&mut json, added, &mut self.extra));
        // The whole page was checked before its records came here.
        pushed.map_err(|Malformed(problem)| {
            Error::new(Kind::Internal, format!("A record does not become a row: {problem}"))
        })?;
        Ok(self.extra.take())
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.extracted_at.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.extracted_at.is_empty()
    }

    /// About how much memory the rows take: the size of their JSON, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the rows as columns, and keeps none.
    pub fn finish(&mut self) -> Result<RecordBatch, Error> {
        let rows = self.len();
        let mut arrays: Vec<ArrayRef> = self.node.finish_members().map_err(broken)?;
        arrays.push(Arc::new(StringArray::from(std::mem::take(&mut self.extras))));
        let times = TimestampMicrosecondArray::from(std::mem::take(&mut self.extracted_at));
        arrays.push(Arc::new(times.with_timezone(ZONE)));
        arrays.push(Arc::new(StringArray::from(vec![self.run_id.as_str(); rows])));
        self.bytes = 0;
        RecordBatch::try_new(self.columns.schema(), arrays).map_err(broken)
    }
}

fn broken(error: ArrowError) -> Error {
    Error::new(Kind::Internal, "Rows do not become columns").because(error)
}
