//! What a dump will read, and what it will do to each table: the flags, the table of streams and the dataset, joined
//! before any request is made.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tracing::{info, warn};

use super::{Plan, Planned, chosen};
use crate::columns::Columns;
use crate::conform::Conform;
use crate::dataset::{Manifest, Mode, Pending, Table};
use crate::error::{Error, Kind};
use crate::position::{self, Frontier};
use crate::state::Saved;
use crate::streams::{self, Stream};
use crate::walk::{Terms, Walk};

/// What a dump is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The streams by name; none means all.
    pub streams: Vec<String>,
    /// What is done to tables.
    pub mode: Mode,
    /// Where tables begin that were not read before; deduped ones that were are read again from there.
    pub since: Option<DateTime<Utc>>,
    /// Where exports end.
    pub until: Option<DateTime<Utc>>,
}

/// What a dump does to one table.
#[derive(Debug, Clone)]
pub struct Task {
    /// The mode, as the stream has it.
    pub mode: Mode,
    /// Whether what the read does not bring is gone.
    pub replaces: bool,
    /// Where it begins, if it begins anew.
    pub start: DateTime<Utc>,
    /// Where it ends, if not at the latest there is.
    pub end: Option<DateTime<Utc>>,
    /// How far the table was read before; its cursor never falls behind that.
    pub reached: Option<Frontier>,
    /// Where the table begins, if it was read before.
    pub began: Option<DateTime<Utc>>,
    /// The columns of its rows.
    pub columns: BTreeMap<String, String>,
}

/// What a dump does to each table, by stream.
pub type Tasks = BTreeMap<&'static str, Task>;

impl Wish {
    /// The streams, and whether they were named.
    pub fn wanted(&self) -> Result<Vec<(Stream, bool)>, Error> {
        if self.since.zip(self.until).is_some_and(|(since, until)| until <= since) {
            return Err(Error::new(Kind::Flags, "`--until` is not after `--since`"));
        }
        if self.streams.is_empty() {
            return Ok(streams::all().map(|stream| (stream, false)).collect());
        }
        let mut wanted: Vec<(Stream, bool)> = Vec::new();
        for stream in chosen(&self.streams)? {
            let name = stream.output.name;
            if self.mode == Mode::IncrementalAppend && !stream.is_export() {
                let problem = format!("{name} can only be read in full: `--mode append` adds what changed in it");
                return Err(Error::new(Kind::Flags, problem));
            }
            wanted.push((stream, true));
        }
        self.bounds(&wanted)?;
        Ok(wanted)
    }

    /// Refuses a bound that bounds nothing: whoever asks for a part of the rows would get all of them.
    fn bounds(&self, wanted: &[(Stream, bool)]) -> Result<(), Error> {
        let flag = match (self.since, self.until) {
            (Some(_), _) => "--since",
            (None, Some(_)) => "--until",
            (None, None) => return Ok(()),
        };
        if wanted.iter().any(|(stream, _)| stream.is_export()) {
            return Ok(());
        }
        let names = |streams: &mut dyn Iterator<Item = Stream>| {
            streams.map(|stream| stream.output.name).collect::<Vec<_>>().join(", ")
        };
        let chosen = names(&mut wanted.iter().map(|(stream, _)| *stream));
        let exports = names(&mut streams::all().filter(Stream::is_export));
        let problem = format!(
            "`{flag}` bounds nothing here, since {chosen} can only be read whole: leave it out, or name a stream that has a time ({exports})"
        );
        Err(Error::new(Kind::Flags, problem))
    }

    /// What is read of each stream, and what is done to its table. Where no stream may be read as it is asked for, nothing is.
    pub fn plan(&self, manifest: &Manifest, terms: &Terms) -> Result<(Plan, Tasks), Error> {
        let mut plan = Plan::default();
        let mut tasks = Tasks::new();
        let none = Table::default();
        for (stream, named) in self.wanted()? {
            let name = stream.output.name;
            let table = manifest.tables.get(name).unwrap_or(&none);
            let reached = match frontier(stream, table.cursor.as_ref()) {
                Ok(reached) => reached,
                Err(error) => {
                    plan.refused.push((name.to_owned(), error));
                    continue;
                }
            };
            let appends = matches!(self.mode, Mode::Append | Mode::IncrementalAppend);
            if appends && self.since.is_some() && (reached.is_some() || table.start.is_some()) {
                let problem = format!(
                    "{name} was read before: rows from `--since` on would be added to a table that goes on elsewhere"
                );
                return Err(Error::new(Kind::Flags, problem));
            }
            let (task, delivered) = self.task(stream, table, reached, terms)?;
            let known = table.cursor.is_some() || table.rows() > 0;
            let walk =
                Walk::new(stream, &Terms { start: position::nanos_of(task.start), ..*terms }, delivered.as_ref());
            let conform = Conform::new(stream.output, None);
            plan.streams.push(Planned { stream, named, onwards: stream.is_export(), known, delivered, walk, conform });
            tasks.insert(name, task);
        }
        Ok((plan, tasks))
    }

    /// What is done to a table, and behind what its read begins.
    fn task(
        &self,
        stream: Stream,
        table: &Table,
        reached: Option<Frontier>,
        terms: &Terms,
    ) -> Result<(Task, Option<Frontier>), Error> {
        let name = stream.output.name;
        let start = self.since.unwrap_or_else(|| position::utc(terms.start));
        let end = terms.end.map(position::utc);
        let mode = match self.mode {
            Mode::IncrementalAppend if !stream.is_export() => Mode::Append,
            Mode::IncrementalDeduped if !stream.is_export() => Mode::Overwrite,
            mode => mode,
        };
        // A configured end is a moment of the exports: what has no time is read whole all the same.
        let ends = if stream.is_export() { end.is_some() } else { self.until.is_some() };
        let bounded = self.since.is_some() || ends;
        let whole = !bounded && (!stream.is_export() || table.start.is_none_or(|began| start <= began));
        let replaces = mode == Mode::Overwrite && whole;
        let columns = Columns::of(stream.output).types();
        let mut task = Task { mode, replaces, start, end, reached, began: table.start, columns };
        if matches!(mode, Mode::IncrementalAppend | Mode::IncrementalDeduped) {
            if self.since.is_some_and(|since| is_before(since, task.reached.as_ref(), table.start)) {
                return Ok((task, None));
            }
            if let Some(began) = table.start {
                task.goes_on(name, began, self.since.is_some());
            }
            let delivered = task.reached.clone();
            return Ok((task, delivered));
        }
        // What has no time is read whole whatever the bounds are, so nothing of it lies beyond them.
        if stream.is_export() && mode == Mode::Overwrite && !whole && table.rows() > 0 {
            warn!("{name} holds more than this read goes over: what it does not bring stays");
        }
        let pending = table.pending.as_ref().filter(|pending| task.is_of(pending));
        let delivered = frontier(stream, pending.and_then(|pending| pending.cursor.as_ref()))?;
        Ok((task, delivered))
    }
}

impl Task {
    /// Goes on with a table from where it stopped, or, if it brought nothing yet, from where it begins.
    fn goes_on(&mut self, name: &str, began: DateTime<Utc>, since: bool) {
        if since {
            info!("{name} was not read as far as `--since` yet: it goes on from where it stopped");
        } else if self.start < began {
            info!("{name} begins at {}: `--since` reads what lies before", began.format("%Y-%m-%dT%H:%M:%SZ"));
        }
        self.start = began;
    }

    /// Whether it can go on with a read that is under way.
    pub fn is_of(&self, pending: &Pending) -> bool {
        (pending.mode, pending.start, pending.end) == (self.mode, self.start, self.end)
            && pending.columns == self.columns
    }

    /// How far the table is read once it is `now`: never less than before, and nothing that lies between is passed over.
    pub fn advance<'a>(&'a self, now: Option<&'a Frontier>) -> Option<&'a Frontier> {
        match (now, &self.reached) {
            // A table that was read and brought nothing is read no further than where it begins.
            (_, None) if self.began.is_some_and(|began| self.start > began) => None,
            (Some(Frontier::Position(position, _)), Some(Frontier::Position(before, _))) => {
                let forward = position.nanos() >= before.nanos() && position::nanos_of(self.start) <= before.nanos();
                if forward { now } else { self.reached.as_ref() }
            }
            (now, reached) => now.or(reached.as_ref()),
        }
    }

    /// Where a table begins after this task, if it began there before.
    pub fn beginning(&self, before: Option<DateTime<Utc>>, ended: bool) -> DateTime<Utc> {
        let Some(before) = before else { return self.start };
        // An earlier beginning counts once there is no gap behind it.
        let closed = ended && self.end.is_none_or(|end| end >= before);
        if closed { self.start.min(before) } else { before }
    }
}

/// Whether `--since` lies before what was read; a table that brought nothing was read from where it begins.
fn is_before(since: DateTime<Utc>, reached: Option<&Frontier>, began: Option<DateTime<Utc>>) -> bool {
    match reached {
        Some(Frontier::Position(reached, _)) => position::nanos_of(since) < reached.nanos(),
        Some(Frontier::Id(_)) => false,
        None => began.is_some_and(|began| since < began),
    }
}

/// How far a stream was read, as its table says.
fn frontier(stream: Stream, cursor: Option<&Value>) -> Result<Option<Frontier>, Error> {
    let mut saved = Saved::default();
    if let Some(cursor) = cursor {
        saved.keep(stream.output.name, cursor.clone());
    }
    saved.delivered(stream)
}
