//! Plans what a dump will read and what it will do to each table: joins the flags, the table of streams and the dataset
//! before any request is sent.

use chrono::{DateTime, Utc};
use serde_json::Value;
use tracing::warn;

use super::plan::{Plan, Planned, chosen};
use crate::columns::Columns;
use crate::dataset::{Manifest, Mode, Table, TableTask, TableTasks};
use crate::error::{Error, Kind};
use crate::position::{self, Frontier};
use crate::source::state_format::Saved;
use crate::source::streams::{self, Stream};
use crate::source::walk::Bounds;

/// What the user requests from a dump.
#[derive(Debug, Clone)]
pub struct DumpRequest {
    /// The names of the streams; no name means all streams.
    pub streams: Vec<String>,
    /// How the tables are changed.
    pub mode: Mode,
    /// Where a table begins that was not read before. A deduped table that was read before is read again from there.
    pub since: Option<DateTime<Utc>>,
    /// Where exports end.
    pub until: Option<DateTime<Utc>>,
}

impl DumpRequest {
    /// The streams to read, each with whether the user named it.
    pub fn wanted(&self) -> Result<Vec<(&'static Stream, bool)>, Error> {
        if self.since.zip(self.until).is_some_and(|(since, until)| until <= since) {
            return Err(Error::new(Kind::Flags, "`--until` is not after `--since`"));
        }
        if self.streams.is_empty() {
            return Ok(streams::all().map(|stream| (stream, false)).collect());
        }
        let mut wanted: Vec<(&'static Stream, bool)> = Vec::new();
        for stream in chosen(&self.streams)? {
            let name = stream.name;
            if self.mode.is_incremental() && self.mode.appends() && !stream.is_export() {
                let problem = format!("{name} can only be read in full: `--mode append` adds what changed in it");
                return Err(Error::new(Kind::Flags, problem));
            }
            wanted.push((stream, true));
        }
        self.bounds(&wanted)?;
        Ok(wanted)
    }

    /// Refuses `--since` or `--until` if it bounds no stream: the user asked for a part of the rows and would get all
    /// of them.
    fn bounds(&self, wanted: &[(&'static Stream, bool)]) -> Result<(), Error> {
        let flag = match (self.since, self.until) {
            (Some(_), _) => "--since",
            (None, Some(_)) => "--until",
            (None, None) => return Ok(()),
        };
        if wanted.iter().any(|(stream, _)| stream.is_export()) {
            return Ok(());
        }
        let names = |streams: &mut dyn Iterator<Item = &'static Stream>| {
            streams.map(|stream| stream.name).collect::<Vec<_>>().join(", ")
        };
        let chosen = names(&mut wanted.iter().map(|(stream, _)| *stream));
        let exports = names(&mut streams::all().filter(|stream| stream.is_export()));
        let problem = format!(
            "`{flag}` bounds nothing here, since {chosen} can only be read whole: leave it out, or name a stream that has a time ({exports})"
        );
        Err(Error::new(Kind::Flags, problem))
    }

    /// Plans what is read of each stream and what is done to its table. If one stream must not be read as requested,
    /// nothing is read. A table's cursor that cannot be used excludes only its own stream.
    pub fn plan(&self, manifest: &Manifest, bounds: &Bounds) -> Result<(Plan, TableTasks), Error> {
        let bounds = &Bounds { end: self.until.map(position::nanos_of).or(bounds.end), ..*bounds };
        let mut plan = Plan::default();
        let mut tasks = TableTasks::new();
        let none = Table::default();
        for (stream, named) in self.wanted()? {
            let name = stream.name;
            let table = manifest.tables.get(name).unwrap_or(&none);
            let reached = match frontier(stream, table.cursor.as_ref()) {
                Ok(reached) => reached,
                Err(error) => {
                    plan.refused.push((name.to_owned(), error));
                    continue;
                }
            };
            if self.mode.appends() && self.since.is_some() && (reached.is_some() || table.start.is_some()) {
                let problem = format!(
                    "{name} was read before: rows from `--since` on would be added to a table that goes on elsewhere"
                );
                return Err(Error::new(Kind::Flags, problem));
            }
            let (task, delivered) = match self.task(stream, table, reached, bounds) {
                Ok(task) => task,
                Err(error) => {
                    plan.refused.push((name.to_owned(), error));
                    continue;
                }
            };
            let known = table.cursor.is_some() || table.rows() > 0;
            let bounds = Bounds { start: position::nanos_of(task.start), ..*bounds };
            plan.streams.push(Planned {
                stream,
                named,
                incremental: stream.is_export(),
                known,
                delivered,
                bounds,
                selected: None,
            });
            tasks.insert(name, task);
        }
        Ok((plan, tasks))
    }

    /// Plans what is done to a table, and finds the frontier that its read continues from.
    fn task(
        &self,
        stream: &'static Stream,
        table: &Table,
        reached: Option<Frontier>,
        bounds: &Bounds,
    ) -> Result<(TableTask, Option<Frontier>), Error> {
        let name = stream.name;
        let start = self.since.unwrap_or_else(|| position::utc(bounds.start));
        let end = bounds.end.map(position::utc);
        let mode = if stream.is_export() { self.mode } else { self.mode.of_whole() };
        let overwrites = !mode.is_incremental() && !mode.appends();
        // A configured `end_date` bounds the exports only: a stream without a time axis is still read whole.
        let ends = if stream.is_export() { end.is_some() } else { self.until.is_some() };
        let bounded = self.since.is_some() || ends;
        let whole = !bounded && (!stream.is_export() || table.start.is_none_or(|began| start <= began));
        let replaces = overwrites && whole;
        let columns = Columns::of(stream).types();
        let mut task = TableTask { mode, replaces, start, end, reached, began: table.start, columns };
        if mode.is_incremental() {
            if self.since.is_some_and(|since| is_before(since, task.reached.as_ref(), table.start)) {
                return Ok((task, None));
            }
            if let Some(began) = table.start {
                task.goes_on(name, began, self.since.is_some());
            }
            let delivered = task.reached.clone();
            return Ok((task, delivered));
        }
        // A stream without a time axis is read whole whatever the bounds are, so none of its rows lies outside of them.
        if stream.is_export() && overwrites && !whole && table.rows() > 0 {
            warn!("{name} holds more than this read goes over: what it does not bring stays");
        }
        let pending = table.pending.as_ref().filter(|pending| task.is_of(pending));
        let delivered = frontier(stream, pending.and_then(|pending| pending.cursor.as_ref()))?;
        Ok((task, delivered))
    }
}

/// Whether `--since` lies before the table's frontier. A table that brought no records has no frontier; it was read
/// from its beginning, so that counts instead.
fn is_before(since: DateTime<Utc>, reached: Option<&Frontier>, began: Option<DateTime<Utc>>) -> bool {
    match reached {
        Some(Frontier::Position(reached, _)) => position::nanos_of(since) < reached.nanos(),
        Some(Frontier::Id(_)) => false,
        None => began.is_some_and(|began| since < began),
    }
}

/// The frontier that a saved cursor describes; none without a cursor.
fn frontier(stream: &'static Stream, cursor: Option<&Value>) -> Result<Option<Frontier>, Error> {
    let mut saved = Saved::default();
    if let Some(cursor) = cursor {
        saved.keep(stream.name, cursor.clone());
    }
    saved.delivered(stream)
}
